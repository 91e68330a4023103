# %% [record]
# title: The KL to a prior of your own
# lab: 2.3
# kind: pair
# lecture: D4 | [comment "The best article on the net about VAEs"]; D3 | Loss Function; D2 | [the second term: the KL divergence]
# notebook: 06a
# equation: KL(q || p) = E_q[log q(z) - log p(z)], q = N(mu, diag(sigma^2)), p = N(m, diag(s^2))
# tag: -
# shapes: mu, log_sigma (N, K), m, s (K,) -> kl (N,); dkl (N,) -> dmu, dlog_sigma, both (N, K)
# lines: 8
# minutes: 30
# outputs: dmu dlog_sigma
# wrt: mu log_sigma
# variant_of: kl_backward
# tests:
#   forward 2 = the KL is right, at three sets of sizes
#   values 2 = dmu and dlog_sigma as the chain rule says
#   gradient 1 = backward agrees with differences of the forward pass
#   at_prior 1 = the KL and both gradients are 0 where q is the prior, and nowhere else
# steps:
#   forward = under q, the mean of (z - mu)^2 / sigma^2 and that of (z - m)^2 / s^2; then both logarithms, and the sum over K
#   dmu = only the squared distance of mu from m holds mu_nk: its derivative, times what comes from above to datum n
#   dlog_sigma = two terms hold sigma: write each with log sigma_nk, differentiate, times what comes from above to datum n

# %% [markdown]
# A reader of lecture D4 asks: why not a prior N(0, s) instead of N(0, 1)? Take any Gaussian prior that you like, $p(z) = N(m, \mathrm{diag}(s^2))$: m
# and s are arrays of shape (K,), fixed in advance, s a standard deviation. The posterior of each datum is $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$,
# with μ and log σ of shape (N, K) from the encoder. Derive the KL of such a VAE,
#
# $$\mathrm{KL}(q\,\|\,p) = E_q[\log q(z) - \log p(z)], \qquad
# \log q = -\tfrac12 \sum_k \left(\tfrac{(z_k-\mu_k)^2}{\sigma_k^2} + \ln\sigma_k^2 + \ln 2\pi\right),$$
#
# in closed form (log p has m and s in place of μ and σ), and its derivatives by μ and log σ. Then write the pair:
#
# - `kl_to_prior_forward(mu, log_sigma, m, s)` returns `kl, cache`: the KL of each datum in nats, of shape (N,), and a cache of your own.
# - `kl_to_prior_backward(dkl, cache)` returns `dmu, dlog_sigma`, both of shape (N, K). `dkl`, of shape (N,), is the derivative of the loss by the KL
#   of each datum. The prior is fixed: m and s get no gradient.
#
# Check it yourself before you hand it in. With m = 0 and s = 1 it must be the KL that you know; where q is the prior it must be 0; and
# `check(kl_to_prior_forward, kl_to_prior_backward, mu, log_sigma, m, s, wrt=("mu", "log_sigma"))`, from tinyvae, compares your gradients with
# differences.

# %% [solution]
def kl_to_prior_forward(mu, log_sigma, m, s):
    """mu, log_sigma (N, K); m, s (K,) -> kl (N,) in nats, cache."""
    ### BEGIN SOLUTION
    distance = (mu - m) / s
    ratio2 = np.exp(2 * log_sigma) / s**2
    kl = (ratio2 + distance**2 - 1 - 2 * (log_sigma - np.log(s))).sum(1) / 2
    cache = distance, ratio2, s
    return kl, cache
    ### END SOLUTION


def kl_to_prior_backward(dkl, cache):
    """dkl (N,) -> dmu, dlog_sigma, both (N, K)."""
    ### BEGIN SOLUTION
    distance, ratio2, s = cache
    dkl = dkl[:, None]
    dmu = dkl * distance / s
    dlog_sigma = dkl * (ratio2 - 1)
    return dmu, dlog_sigma
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), log_scale(rng, N, K), normal(rng, K), positive(rng, K)


def small(*arrays):
    return all(bool(np.all(np.abs(a) < 1e-12)) for a in arrays)


def test_at_prior(student, right, rng):
    m, s, zero = normal(rng, 3), positive(rng, 3), np.zeros((4, 3))
    kl, cache = student.kl_to_prior_forward(m + zero, np.log(s) + zero, m, s)
    dmu, dlog_sigma = student.kl_to_prior_backward(upstream(rng, 4), cache)
    elsewhere, _ = student.kl_to_prior_forward(zero, zero, m, s)
    shapes = kl.shape == (4,) and dmu.shape == dlog_sigma.shape == (4, 3)
    return shapes and small(kl, dmu, dlog_sigma) and bool(np.all(elsewhere > 1e-3))

# %% [hints]
# 1. One dimension is enough: log q - log p is a difference of two quadratic functions of z and of two logarithms. Which expectations under q are
#    left?
# 2. Under q, (z - μ)²/σ² has mean 1. For (z - m)² write z - m = (z - μ) + (μ - m), square, and take the mean of the three terms.
# 3. For the gradients write σ² as e^(2 log σ); ln(σ²/s²) is 2 log σ - 2 ln s. Only one of the terms holds μ.

# %% [wrong] the logarithm of the prior's spread, ln s, is left out: the KL is wrong by a constant that no gradient shows
# - kl = (ratio2 + distance**2 - 1 - 2 * (log_sigma - np.log(s))).sum(1) / 2
# + kl = (ratio2 + distance**2 - 1 - 2 * log_sigma).sum(1) / 2

# %% [wrong] s is taken for the variance of the prior
# - distance = (mu - m) / s
# + s = np.sqrt(s)
# + distance = (mu - m) / s

# %% [wrong] q and p are exchanged: it is KL(p || q)
# - kl = (ratio2 + distance**2 - 1 - 2 * (log_sigma - np.log(s))).sum(1) / 2
# + kl = ((1 + distance**2) / ratio2 - 1 + 2 * (log_sigma - np.log(s))).sum(1) / 2
# - dmu = dkl * distance / s
# + dmu = dkl * distance / s / ratio2
# - dlog_sigma = dkl * (ratio2 - 1)
# + dlog_sigma = dkl * (1 - (1 + distance**2) / ratio2)

# %% [wrong] the distance of the means is not divided by the prior's spread
# - distance = (mu - m) / s
# + distance = mu - m
# - dmu = dkl * distance / s
# + dmu = dkl * distance

# %% [wrong] the 1/s of the chain rule is missing in dmu
# - dmu = dkl * distance / s
# + dmu = dkl * distance

# %% [wrong] the prior's spread s is left out of dlog_sigma, as if it were 1
# - dlog_sigma = dkl * (ratio2 - 1)
# + dlog_sigma = dkl * (ratio2 * s**2 - 1)

# %% [wrong] the prior's spread s is left out of both gradients, as if it were 1
# - dlog_sigma = dkl * (ratio2 - 1)
# + dlog_sigma = dkl * (ratio2 * s**2 - 1)
# - dmu = dkl * distance / s
# + dmu = dkl * distance * s

# %% [wrong] dlog_sigma is the derivative by log sigma^2, half of that by log sigma
# - dlog_sigma = dkl * (ratio2 - 1)
# + dlog_sigma = dkl * (ratio2 - 1) / 2

# %% [wrong] the mean over the latent dimensions is taken where the sum belongs
# - kl = (ratio2 + distance**2 - 1 - 2 * (log_sigma - np.log(s))).sum(1) / 2
# + kl = (ratio2 + distance**2 - 1 - 2 * (log_sigma - np.log(s))).mean(1) / 2

# %% [note]
# With (μ - m)/s in place of μ and σ/s in place of σ it is the KL to N(0, I): a prior N(m, s²) is N(0, I) in other units of z. Where the encoder's
# heads and the decoder's first layer can take up a shift and a scale, the bound reaches the same values with either prior; notebook 09 shows it for
# N(0, s²I), and what s does change.
