# %% [record]
# title: The gradient of a Gaussian log-density
# kind: backward
# lecture: D2 | Reparameterization Trick; D0 | Encoder Network for Amortised Inference
# notebook: 06a
# equation: log q = -1/2 sum_k (u_k^2 + 2 ln sigma_k + ln 2 pi), u = (z - mu) / sigma
# tag: LOGN.2
# shapes: dlog_q (N,) or (L, N); cache = sigma (N, K), u (N, K) or (L, N, K) -> dz of the shape of u, dmu, dlog_sigma, both (N, K)
# lines: 5
# minutes: 25
# solution: tinyvae.gaussian:gaussian_log_density_backward
# forward: tinyvae.gaussian:gaussian_log_density_forward
# outputs: dz dmu dlog_sigma
# tests:
#   values 3 = dz, dmu and dlog_sigma as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   samples 1 = the same with L samples for each datum: dmu and dlog_sigma have the shape (N, K)
# steps:
#   dz = z_nk stands in u_nk alone: the derivative of -u^2 / 2 by u, then of u by z [LOGN.2]
#   dmu = mu_nk stands in u_nk alone, with the other sign; over L samples, all of them [LOGN.2]
#   dlog_sigma = sigma_nk stands in u_nk and in the logarithm: two parts; over L samples, all of them [LOGN.2]

# %% [markdown]
# Estimates of the ELBO that use no closed KL, and the importance weights of the IWAE, need the log-density of a sample under the posterior
# $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$, where σ is a standard deviation:
#
# $$\log q = -\tfrac12 \sum_k \left(u_k^2 + 2\ln\sigma_k + \ln 2\pi\right), \qquad u = \frac{z - \mu}{\sigma} .$$
#
# Its inputs are z, μ and log σ, each of shape (N, K), one datum per row; its output has the shape (N,), in nats. Write
# `gaussian_log_density_backward(dlog_q, cache)`:
#
# - `dlog_q`, of shape (N,), is the derivative of the loss by log q of each datum;
# - `cache = (sigma, u)` is what the forward pass kept, σ and u as above, both of shape (N, K).
#
# Return `dz, dmu, dlog_sigma`, the derivatives of the loss by z, by μ and by log σ (natural logarithm), of shape (N, K) each.
#
# With L samples for each datum z, u and dz have the shape (L, N, K) and dlog_q has (L, N); μ, σ, dmu and dlog_sigma keep (N, K), and each μ and σ
# serves L samples. Your function should work for both; begin with (N, K).

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), normal(rng, N, K), log_scale(rng, N, K)


def test_samples(student, right, rng):
    sigma, u, dlog_q = np.exp(log_scale(rng, 5, 3)), normal(rng, 4, 5, 3), upstream(rng, 4, 5)
    name = "gaussian_log_density_backward"
    return same(getattr(student, name)(dlog_q, (sigma, u)), getattr(right, name)(dlog_q, (sigma, u)))

# %% [hints]
# 1. Differentiate u by each of the three inputs first. With σ = e^(log σ), u = (z - μ) e^(-log σ): what is the derivative of u by log σ, written with
#    u?
# 2. log q depends on z and μ through u alone; on log σ through u and through 2 ln σ.
# 3. dlog_q needs a last axis of length 1. With L samples, sum what comes back to μ and σ over the first axis.

# %% [wrong] the derivative of -ln sigma, the -1 in dlog_sigma, is left out
# - dlog_sigma = dlog_q * (u * u - 1)
# + dlog_sigma = dlog_q * u * u

# %% [wrong] dlog_sigma is the derivative by sigma: the factor sigma is missing
# - dlog_sigma = dlog_q * (u * u - 1)
# + dlog_sigma = dlog_q * (u * u - 1) / sigma

# %% [wrong] dlog_sigma is half as large: log sigma is taken for the logarithm of the variance
# - dlog_sigma = dlog_q * (u * u - 1)
# + dlog_sigma = dlog_q * (u * u - 1) / 2

# %% [wrong] u is divided by sigma^2, as z - mu would have to be: u is already divided by sigma once
# - dz = -dlog_q * u / sigma
# + dz = -dlog_q * u / sigma**2

# %% [wrong] the inner derivative 1 / sigma of u is missing
# - dz = -dlog_q * u / sigma
# + dz = -dlog_q * u

# %% [wrong] dmu has the sign of dz
# - return dz, sum_samples(-dz, sigma.shape), sum_samples(dlog_sigma, sigma.shape)
# + return dz, sum_samples(dz, sigma.shape), sum_samples(dlog_sigma, sigma.shape)

# %% [wrong] the gradients of the L samples are not summed
# - return dz, sum_samples(-dz, sigma.shape), sum_samples(dlog_sigma, sigma.shape)
# + return dz, -dz, dlog_sigma

# %% [note]
# With z = mu + sigma eps, u is eps: the parts of the gradient that come through z and directly through mu cancel, and -1 remains for log sigma, as
# the entropy of a Gaussian demands. [LOGN.1], [LOGN.2] in tinyvae/gaussian.py; notebook 06a, section 1.
