# %% [record]
# title: A KL by hand
# lab: 1.3
# kind: numbers
# lecture: D3 | Loss Function; D2 | [the second term: the KL divergence]
# notebook: 06a
# equation: KL = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2)
# tag: KL.2
# shapes: mu, sigma: K = 2 numbers each
# lines: 3
# minutes: 15
# tests:
#   kl 1 = the KL of the datum, in nats, to three decimals
#   dmu 1 = its two derivatives by mu
#   dlog_sigma 1 = its two derivatives by log sigma
# steps:
#   kl = four terms for each k, with their signs; the sum over both k, and its half [KL.1]
#   dmu = one of the four terms holds mu_k: its derivative [KL.2]
#   dlog_sigma = two of the four terms hold sigma_k: first by sigma_k, then the step from sigma_k to log sigma_k [KL.2]
# tolerance: 1e-3

# %% [markdown]
# For one datum the encoder returns, with K = 2 latent dimensions,
#
#     mu    = ({{mu1}}, {{mu2}})
#     sigma = ({{s1}}, {{s2}})          standard deviations
#
# so $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$. Its KL divergence to the prior $N(0, I)$ is
#
# $$\mathrm{KL} = \tfrac12 \sum_k \left(\sigma_k^2 + \mu_k^2 - 1 - \ln\sigma_k^2\right) .$$
#
# Do it on paper; a calculator for the logarithms is allowed (ln 2 = 0.6931, ln 3 = 1.0986). Fill in:
#
# - `kl`: the KL in nats, one number, to three decimals.
# - `dmu`: the derivatives of the KL by μ₁ and μ₂, a tuple of two numbers.
# - `dlog_sigma`: the derivatives of the KL by log σ₁ and log σ₂ (natural logarithm), a tuple of two numbers.

# %% [check]
from tinyvae.gaussian import kl_backward, kl_forward


def numbers(rng):
    if rng is None:
        return {"mu1": 1, "mu2": 0, "s1": 1, "s2": 2}
    mu = [rng.choice([-2, -1.5, -1, 1, 1.5, 2]), 0]
    sigma = rng.permutation([rng.choice([1, 3]), rng.choice([0.25, 4])])  # no product of 1: the logarithms must not cancel
    if rng.random() < 0.5:
        mu = mu[::-1]
    return {"mu1": short(mu[0]), "mu2": short(mu[1]), "s1": short(sigma[0]), "s2": short(sigma[1])}


def short(number):
    return int(number) if number == int(number) else float(number)


def arrays(n):
    return np.array([n["mu1"], n["mu2"]], float), np.array([n["s1"], n["s2"]], float)


def right(n):
    mu, sigma = arrays(n)
    kl, cache = kl_forward(mu[None], np.log(sigma)[None])
    dmu, dlog_sigma = kl_backward(np.ones(1), cache)
    return {"kl": float(kl[0]), "dmu": pair(dmu[0]), "dlog_sigma": pair(dlog_sigma[0])}


def pair(numbers):
    return tuple(float(number) for number in numbers)


def wrong(n):
    mu, sigma = arrays(n)
    truth, logs = right(n), np.log(sigma)
    return {
        "dlog_sigma is the derivative by sigma, sigma - 1 / sigma": {**truth, "dlog_sigma": pair(sigma - 1 / sigma)},
        "dlog_sigma is the derivative by log sigma^2, half of that by log sigma": {**truth, "dlog_sigma": pair((sigma**2 - 1) / 2)},
        "ln sigma stands in the place of ln sigma^2": {
            **truth, "kl": float((sigma**2 + mu**2 - 1 - logs).sum() / 2), "dlog_sigma": pair(sigma**2 - 1 / 2)},
        "sigma is taken for the variance": {
            **truth, "kl": float((sigma + mu**2 - 1 - logs).sum() / 2), "dlog_sigma": pair(sigma - 1)},
        "the 1/2 is lost": {"kl": 2 * truth["kl"], "dmu": pair(2 * mu), "dlog_sigma": pair(2 * (sigma**2 - 1))},
        "the mean over the dimensions is taken where the sum belongs": {**truth, "kl": truth["kl"] / 2},
        "the logarithm is to the base 2": {**truth, "kl": float((sigma**2 + mu**2 - 1 - 2 * logs / np.log(2)).sum() / 2)},
    }

# %% [hints]
# 1. Make a table with one row for each k and the columns σ², μ², −1, −ln σ². Its sum, halved, is the KL.
# 2. Differentiate one row of the table: by μ, then by σ. From σ to log σ: dσ / d log σ = σ, because σ = e^(log σ).

# %% [note]
# A dimension with μ = 0 and σ = 1 costs nothing and pulls at nothing. A σ that is far too large costs and pulls much more than one that is too small
# by the same factor. Notebook 06a, sections 3 and 4.
