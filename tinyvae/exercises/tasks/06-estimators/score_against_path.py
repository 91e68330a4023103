# %% [record]
# title: What one sample costs, on two ways
# kind: numbers
# lecture: D2 | Reparameterization Trick; D4 | Implementation
# notebook: 07
# equation: dmu = f'(mu + sigma eps), or f(z) (z - mu) / sigma^2
# tag: PATH.1
# shapes: numbers
# lines: 4
# minutes: 15
# tests:
#   gradient 1 = the derivative of E f by mu, which both ways have as their mean
#   path 1 = the variance of one sample on the sample path
#   score 1 = the variance of one sample by the score function
#   samples 1 = how many score-function samples are worth one of the sample path
# steps:
#   gradient = the estimate on the sample path, with z written as mu + sigma eps, and its mean [PATH.1]
#   path = g_1 as a number plus a multiple of eps, and what each part gives to a variance [PATH.1]
#   score = g_2 in powers of eps [SCORE.1]: the mean of its square, term by term, and what makes it a variance
#   samples = the variance of a mean of n samples of g_2, and the n at which it is that of one g_1

# %% [markdown]
# For $f(z) = z^2$ with $z \sim \mathcal N(\mu, \sigma^2)$ there are two unbiased estimates of
# $\frac{d}{d\mu}\mathbb E f(z)$ from one draw $z = \mu + \sigma\epsilon$:
#
# - the *sample path* (reparameterisation): $g_1 = f'(\mu + \sigma\epsilon) = 2z$,
# - the *score function*: $g_2 = f(z)\,(z-\mu)/\sigma^2$.
#
# Here $\mu =$ {{mu}} and $\sigma =$ {{sigma}} (the standard deviation).
#
# - `gradient`: their common mean.
# - `path`: the variance of $g_1$.
# - `score`: the variance of $g_2$.
# - `samples`: how many samples of $g_2$ must be averaged to be as precise as one of $g_1$? (A number that need not be
#   whole.)
#
# The moments of $\epsilon$: $\mathbb E\epsilon^2 = 1$, $\mathbb E\epsilon^4 = 3$, $\mathbb E\epsilon^6 = 15$; the odd
# ones are 0.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"mu": 1.0, "sigma": 2.0}
    return {"mu": float(rng.choice([-3, -2, 2, 3])), "sigma": float(rng.choice([0.5, 2.0]))}

def right(n):
    mu, s = n["mu"], n["sigma"]
    second = mu**4 / s**2 + 18 * mu**2 + 15 * s**2
    path, score = 4 * s**2, second - 4 * mu**2
    return {"gradient": 2 * mu, "path": path, "score": score, "samples": score / path}

def wrong(n):
    mu, s, r = n["mu"], n["sigma"], right(n)
    return {
        "the second moment is taken for the variance": {**r, "path": r["path"] + 4 * mu**2, "score": r["score"] + 4 * mu**2},
        "the standard deviation is taken for the variance": {**r, "path": 2 * s, "score": r["score"] ** 0.5, "samples": r["score"] ** 0.5 / (2 * s)},
        "the factor 2 of the derivative is not squared": {**r, "path": 2 * s**2, "samples": r["score"] / (2 * s**2)},
        "the two ways are compared by their standard deviations": {**r, "samples": r["samples"] ** 0.5},
        "the mixed terms of the square are lost": {**r, "score": mu**4 / s**2 + 15 * s**2 - 4 * mu**2},
        "the fraction of precisions is upside down": {**r, "samples": 1 / r["samples"]},
    }

# %% [hints]
# 1. Var(a + b eps) = b^2.
# 2. g_2 = (mu + sigma eps)^2 eps / sigma. Multiply out to powers of eps, square, and take the mean term by term: odd
#    powers vanish.
# 3. The variance of a mean of n samples is the variance of one divided by n.

# %% [note]
# At mu = sigma = 1 it is 30 against 4 (notebook 07, section 5). With more latent dimensions the score function falls
# behind further: f grows, and every direction is multiplied by all of it.
