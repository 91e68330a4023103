# %% [record]
# title: The KL of a Gaussian posterior, from formula to code
# kind: forward
# lecture: D3 | Loss Function; D4 | Statisical motivation
# notebook: 06a
# equation: KL = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2)
# tag: KL.1
# shapes: mu, log_sigma (N, K) -> kl (N,), cache
# lines: 3
# minutes: 10
# solution: tinyvae.gaussian:kl_forward
# outputs: kl
# tests:
#   values 1 = the KL is right, at three sets of sizes
#   integral 1 = with K = 1 it is the integral of q (log q - log p), done numerically
# steps:
#   kl = sigma^2 and ln sigma^2 written with log sigma, the sum over the K dimensions of one datum, its half [KL.1]

# %% [markdown]
# The encoder of a VAE returns μ and log σ, of shape (N, K) each: N data, K latent dimensions; σ is a standard deviation. The KL divergence of the
# posterior $q = N(\mu, \mathrm{diag}(\sigma^2))$ to the prior $p = N(0, I)$ is
#
# $$\mathrm{KL}(q\,\|\,p) = E_q[\log q - \log p] = \tfrac12 \sum_k \left(\sigma_k^2 + \mu_k^2 - 1 - \ln\sigma_k^2\right) .$$
#
# Write `kl_forward(mu, log_sigma)`. Its second input is log σ, the natural logarithm of the standard deviation. Return `kl, cache`: the KL in nats
# for each datum, of shape (N,), and what a backward pass would need (not judged here).
#
# The formula stands in every VAE program, and often wrongly: a program with another factor trains as well, and its numbers mean nothing.

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), log_scale(rng, N, K)


def test_integral(student, right, rng):
    mu, log_sigma = normal(rng, 3, 1), log_scale(rng, 3, 1)
    sigma, u = np.exp(log_sigma), np.linspace(-12, 12, 1001)  # z = mu + sigma u: one row for each datum
    log_q = -(u**2 + np.log(2 * np.pi)) / 2 - log_sigma
    log_p = -((mu + sigma * u) ** 2 + np.log(2 * np.pi)) / 2
    integral = (np.exp(log_q) * (log_q - log_p) * sigma).sum(1) * (u[1] - u[0])
    return same(student.kl_forward(mu, log_sigma)[0], integral, 1e-9)

# %% [hints]
# 1. Write σ² and ln σ² with log σ: no logarithm has to be computed.
# 2. Which axis is summed if one number is to be left for each datum?

# %% [wrong] = kl_logarithm_halved

# %% [wrong] the 1/2 stands before a part of the sum only: mu^2 + sigma^2 - ln sigma - 1/2
# - return (sigma2 + mu * mu - 1 - 2 * log_sigma).sum(-1) / 2, cache
# + return (sigma2 + mu * mu - log_sigma - 1 / 2).sum(-1), cache

# %% [wrong] log sigma is taken for the logarithm of the variance in every term
# - sigma2 = np.exp(2 * log_sigma)
# + sigma2 = np.exp(log_sigma)
# - return (sigma2 + mu * mu - 1 - 2 * log_sigma).sum(-1) / 2, cache
# + return (sigma2 + mu * mu - 1 - log_sigma).sum(-1) / 2, cache

# %% [wrong] exp(log_sigma) is taken for the variance
# - sigma2 = np.exp(2 * log_sigma)
# + sigma2 = np.exp(log_sigma)

# %% [wrong] the mean over the latent dimensions is taken where the sum belongs
# - return (sigma2 + mu * mu - 1 - 2 * log_sigma).sum(-1) / 2, cache
# + return (sigma2 + mu * mu - 1 - 2 * log_sigma).mean(-1) / 2, cache

# %% [wrong] the sum goes over the data as well: one number is left for the whole batch
# - return (sigma2 + mu * mu - 1 - 2 * log_sigma).sum(-1) / 2, cache
# + return (sigma2 + mu * mu - 1 - 2 * log_sigma).sum() / 2, cache

# %% [wrong] the sign is reversed: it is minus the KL, as it enters the ELBO
# - return (sigma2 + mu * mu - 1 - 2 * log_sigma).sum(-1) / 2, cache
# + return -(sigma2 + mu * mu - 1 - 2 * log_sigma).sum(-1) / 2, cache

# %% [note]
# The test by an integral knows nothing of the formula: such a test finds mistakes that a gradient check cannot, for a wrong formula has a right
# gradient of its own. [KL.1] in tinyvae/gaussian.py; notebook 06a, section 2.
