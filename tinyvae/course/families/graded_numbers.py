# %% [record]
# title: Nats by hand
# kind: numbers
# lecture: D3 | Loss Function; D2 | [the second term: the KL divergence]
# notebook: 06a
# equation: KL(q || p) = sum_k [ln(s / sigma_k) + (sigma_k^2 + (mu_k - m)^2) / (2 s^2) - 1/2]
# tag: KL.2
# shapes: mu, <<var>>: K = 2 numbers each
# lines: 3
# minutes: 15
# variant_of: kl_by_hand
# tests:
#   nats 1 = the KL of the datum, in nats, to three decimals
#   slope_mu 1 = its two derivatives by mu
#   slope_<<var>> 1 = its two derivatives by <<var>>
# steps:
#   nats = three terms for each k, with their signs, and the sum over both k [KL.1]
#   slope_mu = one of the terms holds mu_k: its derivative [KL.2]
#   slope_<<var>> = two of the terms hold sigma_k: first by sigma_k, then the step from sigma_k to <<var>>_k [KL.2]
# tolerance: 1e-3

# %% [vary]
def vary(rng):
    mu, r = rng.choice([-2, -1, 0, 1, 2], 2, replace=False), rng.choice([-1, -0.5, 0.5, 1], 2, replace=False)
    m, s = rng.choice([-0.5, 0.5, 1.5]), rng.choice([0.5, 2, 3])
    names = "mu1", "mu2", "r1", "r2", "m", "s"
    return rng.choice(data("scales.tsv")) | {name: f"{value:g}" for name, value in zip(names, (*mu, *r, m, s))}

# %% [markdown]
# For one datum the encoder returns, with K = 2 latent dimensions,
#
#     mu = (<<mu1>>, <<mu2>>)
#     <<var>>  = (<<r1>>, <<r2>>)
#
# where $<<var>>$ is <<words>>: $<<tex>>$ in each dimension. So $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$. The prior is
# $N(m, s^2)$ with the mean $m = <<m>>$ and the standard deviation $s = <<s>>$ in both dimensions, and the KL divergence is
#
# $$\mathrm{KL}(q\,\|\,p) = \sum_k \left[\ln\frac{s}{\sigma_k} + \frac{\sigma_k^2 + (\mu_k - m)^2}{2 s^2} - \frac12\right] .$$
#
# Do it on paper; a calculator for exponentials, roots and logarithms is allowed. Fill in, to three decimals:
#
# - `nats`: the KL in nats, one number.
# - `slope_mu`: the derivatives of the KL by μ₁ and μ₂, a tuple of two numbers.
# - `slope_<<var>>`: the derivatives of the KL by $<<var>>_1$ and $<<var>>_2$, a tuple of two numbers.

# %% [check]
MU, R = np.array([<<mu1>>, <<mu2>>], float), np.array([<<r1>>, <<r2>>], float)


def numbers(rng):
    return {}  # they stand in the statement


def scale(<<var>>):
    return <<sigma>>


def terms(mu, <<var>>, m=<<m>>, s=<<s>>, half=2):
    """The KL of each dimension."""
    sigma = scale(<<var>>)
    return np.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (half * s**2) - 1 / 2


def three(kl):
    """The answers for a KL of each dimension: its derivatives by complex step, exact to rounding."""
    by_mu, by_<<var>> = kl(MU + 1e-30j, R).imag / 1e-30, kl(MU, R + 1e-30j).imag / 1e-30
    return {"nats": float(kl(MU, R).sum()), "slope_mu": tuple(by_mu.tolist()), "slope_<<var>>": tuple(by_<<var>>.tolist())}


def right(n):
    return three(terms)


def wrong(n):
    truth, slope = right(n), scale(R + 1e-30j).imag / 1e-30
    by_<<var>> = np.array(truth["slope_<<var>>"])
    return {
        "slope_<<var>> is the derivative by sigma: the step from sigma to <<var>> is missing": truth | {"slope_<<var>>": tuple((by_<<var>> / slope).tolist())},
        "slope_<<var>> is the derivative by log sigma": truth | {"slope_<<var>>": tuple((by_<<var>> / slope * scale(R)).tolist())},
        "s is taken for the variance of the prior": three(lambda mu, r: terms(mu, r, s=np.sqrt(<<s>>))),
        "the prior's mean is left out": three(lambda mu, r: terms(mu, r, m=0)),
        "the 1/2 at the squares is lost": three(lambda mu, r: terms(mu, r, half=1)),
        "the mean over the dimensions is taken where the sum belongs": truth | {"nats": truth["nats"] / 2},
        "sigma stands where its square, the variance, belongs": three(lambda mu, r: terms(mu, r) + (scale(r) - scale(r) ** 2) / (2 * <<s>>**2)),
        "the derivatives have the wrong sign": truth | {name: tuple(-a for a in truth[name]) for name in ("slope_mu", "slope_<<var>>")},
    }

# %% [hints]
# 1. Find both σ first. Then make a table with one row for each k and one column for each term; the KL is the sum of all its entries.
# 2. Differentiate one row of the table: by μ, then by σ. From σ to <<var>>: find dσ/d<<var>> from the formula for σ, and put the number in.

# %% [note]
# Which parametrisation an encoder has changes no KL, and every derivative by what it puts out. Notebook 06a, sections 3 and 6.
