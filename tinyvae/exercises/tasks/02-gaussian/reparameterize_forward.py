# %% [record]
# title: Draw a sample, with the noise as an input
# kind: forward
# lecture: D2 | Reparameterization Trick; D3 | Reparameterization Trick; D4 | Implementation
# notebook: 07
# equation: z = mu + sigma * eps
# tag: REP.1
# shapes: mu, log_sigma (N, K); eps (N, K) or (L, N, K) -> z of the shape of eps, cache
# lines: 3
# minutes: 10
# solution: tinyvae.gaussian:reparameterize_forward
# outputs: z
# tests:
#   values 1 = z as the formula says, at three sets of sizes
#   moments 1 = the samples have mean mu and standard deviation sigma, also with L samples for each datum
# steps:
#   z = from log sigma to sigma; it is sigma that scales the noise [REP.1]

# %% [markdown]
# The encoder of a VAE returns μ and log σ, of shape (N, K) each: N data, K latent dimensions. A sample of the posterior
# $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$ is, entry by entry,
#
# $$z = \mu + \sigma\,\varepsilon, \qquad \varepsilon \sim N(0, 1) .$$
#
# Write `reparameterize_forward(mu, log_sigma, eps)`. Its second input is the natural logarithm of the *standard deviation* σ (lecture D4 says
# variance where it scales the noise; the standard deviation is meant). The noise is drawn outside and handed in: the function draws nothing.
#
# eps has the shape (N, K), or (L, N, K) for L samples of each datum; z has the shape of eps. Return `z, cache`; put into the cache what a
# backward pass would need. It is not judged here.

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), log_scale(rng, N, K), normal(rng, N, K)


def test_moments(student, right, rng):
    mu, log_sigma, eps = normal(rng, 3, 2), log_scale(rng, 3, 2), rng.standard_normal((500, 3, 2))
    eps = (eps - eps.mean(0)) / eps.std(0)  # mean 0 and spread 1 exactly, so those of z are exact too
    z, _ = student.reparameterize_forward(mu, log_sigma, eps)
    return same((z.mean(0), np.log(z.std(0))), (mu, log_sigma), 1e-9)

# %% [hints]
# 1. What has to be done to log_sigma to get σ?
# 2. NumPy lines shapes up from the right, so (N, K) and (L, N, K) go together as they are.

# %% [wrong] the noise is scaled by the variance, exp(2 log sigma)
# - sigma = np.exp(log_sigma)
# + sigma = np.exp(2 * log_sigma)

# %% [wrong] log sigma is taken for the logarithm of the variance: sigma = exp(log_sigma / 2)
# - sigma = np.exp(log_sigma)
# + sigma = np.exp(log_sigma / 2)

# %% [wrong] = exp_forgotten

# %% [wrong] the noise is drawn inside, and the eps that is handed in is not used
# - return mu + sigma * eps, cache
# + return mu + sigma * np.random.default_rng(0).standard_normal(eps.shape), cache

# %% [note]
# Because eps is an argument, the function is ordinary arithmetic and has a derivative. A gradient check cannot tell the variance from the standard
# deviation here; the moments of the draws can. [REP.1] in tinyvae/gaussian.py; notebook 07, section 3.
