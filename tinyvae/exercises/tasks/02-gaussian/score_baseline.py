# %% [record]
# title: The best baseline of a score-function gradient
# kind: numbers
# lecture: D2 | Reparameterization Trick
# notebook: 07
# equation: d/dmu E[f(z)] = E[(f(z) - b) (z - mu) / sigma^2]
# tag: SCORE.1
# shapes: single numbers
# lines: 4
# minutes: 25
# tests:
#   mean 1 = the mean of the estimate
#   plain 1 = its variance with b = 0
#   baseline 2 = the b with the least variance
#   remaining 1 = the variance at this b
# steps:
#   mean = the baseline has no part in it; multiply out, and take the moments of eps [SCORE.1]
#   plain = E[g^2], minus the square of the mean of g
#   baseline = E[g^2] as a function of b: where is its derivative by b zero?
#   remaining = E[g^2] at the best b, minus the square of the mean of g
# tolerance: 1e-3

# %% [markdown]
# The gradient of an expectation can be estimated from values of f alone, without its derivative. For $z = \mu + \sigma\varepsilon$ with
# $\varepsilon \sim N(0, 1)$, one sample of the score-function estimate of $\frac{d}{d\mu} E[f(z)]$ is
#
# $$g = (f(z) - b)\,\frac{z - \mu}{\sigma^2} = (f(z) - b)\,\frac{\varepsilon}{\sigma} .$$
#
# The constant b, the *baseline*, is free: it does not change the mean of g (why?), but it changes its variance.
#
# Take $f(z) = z^2$, μ = {{mu}}, σ = {{sigma}}. The moments of ε of order 2, 4 and 6 are 1, 3 and 15; the odd ones are 0. On paper, find
#
# - `mean`: the mean of g.
# - `plain`: the variance of g if b = 0.
# - `baseline`: the b at which the variance of g is least.
# - `remaining`: the variance of g at this b.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"mu": 1, "sigma": 1}
    mu, sigma = rng.choice([1, 2, 3, -1, -2]), rng.choice([2, 3, 0.5])
    return {"mu": int(mu), "sigma": int(sigma) if sigma >= 1 else float(sigma)}


def moments(n):
    """E[g] without b, E[f eps^2] and E[f^2 eps^2] for f = (mu + sigma eps)^2."""
    mu, sigma = n["mu"], n["sigma"]
    return 2 * mu, mu**2 + 3 * sigma**2, mu**4 + 18 * mu**2 * sigma**2 + 15 * sigma**4


def variance(n, b):
    """Of g: E[(f - b)^2 eps^2] / sigma^2 - (E g)^2."""
    mean, first, second = moments(n)
    return (second - 2 * b * first + b**2) / n["sigma"] ** 2 - mean**2


def right(n):
    mean, b, _ = moments(n)
    return {"mean": mean, "plain": variance(n, 0), "baseline": b, "remaining": variance(n, b)}


def wrong(n):
    truth = right(n)
    f_mean, squared = n["mu"] ** 2 + n["sigma"] ** 2, truth["mean"] ** 2
    return {
        "the baseline is the mean of f": {**truth, "baseline": f_mean},  # its variance can be that of the third mistake
        "the baseline is the value of f at mu": {**truth, "baseline": n["mu"] ** 2, "remaining": variance(n, n["mu"] ** 2)},
        "the square of the mean is not subtracted": {**truth, "plain": truth["plain"] + squared, "remaining": truth["remaining"] + squared},
        "the baseline is subtracted from the mean": {**truth, "mean": truth["mean"] - truth["baseline"]},
        "the mixed term -2 b f eps^2 of E[g^2] is left out": {
            **truth, "remaining": truth["plain"] + truth["baseline"] ** 2 / n["sigma"] ** 2},
    }

# %% [hints]
# 1. b ε / σ has the mean 0, so the mean of g is that of f(z) ε / σ; and the variance of g is E[g²] minus the square of this mean, which does not
#    depend on b.
# 2. E[g²] is a parabola in b, with the coefficients E[f² ε²], E[f ε²] and E[ε²], all over σ². Where is its lowest point?
# 3. Multiply out (μ + σε)² ε² and (μ + σε)⁴ ε² and take the moments term by term.

# %% [note]
# The best baseline is not the mean of f but its mean weighted by ε². It removes a good part of the variance; the path estimate f'(μ + σε) has less
# still, 4σ². Notebook 07, sections 2 and 5: [SCORE.1] and thirty against four.
