# %% [record]
# title: The gradient of the KL
# lab: 1.1
# kind: backward
# trains: yes
# lecture: D3 | Loss Function; D2 | [the second term: the KL divergence]
# notebook: 06a
# equation: KL = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2)
# tag: KL.2
# shapes: dkl (N,); cache = mu, sigma2, both (N, K) -> dmu, dlog_sigma, both (N, K)
# lines: 3
# minutes: 25
# solution: tinyvae.gaussian:kl_backward
# forward: tinyvae.gaussian:kl_forward
# outputs: dmu dlog_sigma
# tests:
#   values 3 = dmu and dlog_sigma as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   at_prior 1 = both gradients are 0 where q is the prior N(0, I), and only there
# steps:
#   dmu = one term of the sum holds mu_nk: its derivative, times what comes from above to datum n [KL.2]
#   dlog_sigma = two terms hold sigma: write each with log sigma_nk, differentiate, times what comes from above to datum n [KL.2]

# %% [markdown]
# The encoder of a variational auto-encoder returns two vectors for every datum, $\mu$ and $\log\sigma$. They describe the posterior
# $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$ over K latent dimensions. One term of the loss keeps q near the prior $N(0, I)$, the KL divergence
#
# $$\mathrm{KL} = \tfrac12 \sum_k \left(\sigma_k^2 + \mu_k^2 - 1 - \ln\sigma_k^2\right),$$
#
# one number for each datum, in nats. To train the encoder, the derivative of the loss has to come back through this line. Write this step:
# `kl_backward(dkl, cache)`.
#
# What it gets:
#
# - `dkl`, of shape (N,): entry n is the derivative of the loss by the KL of datum n. It comes from above and may be any number.
# - `cache = (mu, sigma2)`, what the forward pass kept. Both have the shape (N, K), one datum per row. `sigma2` holds $\sigma^2$: σ is a standard
#   deviation, σ² the variance.
#
# What it returns: `dmu, dlog_sigma`, both of shape (N, K): the derivatives of the loss by μ and by log σ. Mind the second: the encoder's output, and
# so the variable, is log σ (natural logarithm), neither σ nor σ².
#
# Entry (n, k) of μ stands in the KL of datum n alone, so entry (n, k) of `dmu` is dkl[n] times the derivative of that KL by it; the same holds for
# log σ. (What comes back to both through the sample z is no part of this step.) Derive both on paper first; then three lines of NumPy are enough.

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), log_scale(rng, N, K)


def test_at_prior(student, right, rng):
    zero, one = np.zeros((4, 3)), np.ones((4, 3))
    at_prior = student.kl_backward(upstream(rng, 4), (zero, one))
    elsewhere = student.kl_backward(upstream(rng, 4), (one / 2, one / 4))
    shapes = [np.shape(d) for d in (*at_prior, *elsewhere)] == 4 * [(4, 3)]
    return shapes and bool(np.max(np.abs(at_prior)) < 1e-12 and np.min(np.abs(elsewhere)) > 1e-9)

# %% [hints]
# 1. Take one datum and one latent dimension: four terms. Which of them hold μ, which hold σ?
# 2. Write σ² as e^(2 log σ) and ln σ² as 2 log σ, then differentiate by log σ: no 1/σ is left.
# 3. dkl has the shape (N,), μ has (N, K). NumPy lines shapes up from the right: dkl needs a last axis of length 1 before the two are multiplied.

# %% [wrong] = kl_minus_one_lost

# %% [wrong] dlog_sigma is the derivative by sigma, sigma - 1 / sigma: the factor sigma of the chain rule is missing
# - return dkl * mu, dkl * (sigma2 - 1)
# + return dkl * mu, dkl * (sigma2 - 1) / np.sqrt(sigma2)

# %% [wrong] dlog_sigma is the derivative by log sigma^2, half of that by log sigma
# - return dkl * mu, dkl * (sigma2 - 1)
# + return dkl * mu, dkl * (sigma2 - 1) / 2

# %% [wrong] dlog_sigma is the derivative by the variance, (1 - 1 / sigma^2) / 2
# - return dkl * mu, dkl * (sigma2 - 1)
# + return dkl * mu, dkl * (1 - 1 / sigma2) / 2

# %% [wrong] the 1/2 in front of the sum is lost in both gradients
# - return dkl * mu, dkl * (sigma2 - 1)
# + return dkl * 2 * mu, dkl * 2 * (sigma2 - 1)

# %% [wrong] sigma2 is taken for the standard deviation and squared again
# - return dkl * mu, dkl * (sigma2 - 1)
# + return dkl * mu, dkl * (sigma2**2 - 1)

# %% [wrong] the 1/2 is lost at sigma^2, while the logarithm has it
# - return dkl * mu, dkl * (sigma2 - 1)
# + return dkl * mu, dkl * (2 * sigma2 - 1)

# %% [wrong] the sign of dlog_sigma is reversed
# - return dkl * mu, dkl * (sigma2 - 1)
# + return dkl * mu, dkl * (1 - sigma2)

# %% [wrong] dkl is lost: every datum gets the gradient of the KL itself
# - dkl = dkl[..., None]
# + dkl = 1

# %% [wrong] the gradients are divided by N here; the mean over the batch belongs to the loss, whose share is in dkl already
# - dkl = dkl[..., None]
# + dkl = dkl[..., None] / len(mu)

# %% [note]
# The KL pulls μ to 0 with a force as large as μ itself, and log σ to 0 with σ² - 1: from a very small σ the way up is steady. The pair is [KL.1],
# [KL.2] in tinyvae/gaussian.py; notebook 06a, sections 2 and 3, derives both.
