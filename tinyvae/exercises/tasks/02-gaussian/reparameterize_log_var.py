# %% [record]
# title: The sample in log-variance
# kind: pair
# lecture: D2 | Reparameterization Trick; D4 | Implementation
# notebook: 07
# equation: z = mu + sigma * eps, log_var = ln sigma^2
# tag: -
# shapes: mu, log_var, eps (N, K) -> z (N, K); dz (N, K) -> dmu, dlog_var, both (N, K)
# lines: 6
# minutes: 15
# outputs: dmu dlog_var
# wrt: mu log_var
# variant_of: reparameterize_backward
# tests:
#   forward 1 = z has the right spread: it is the sample of the package at log sigma, at three sets of sizes
#   values 1 = dmu and dlog_var as the chain rule says
#   gradient 1 = backward agrees with differences of the forward pass
# steps:
#   forward = from log_var to sigma, which is a standard deviation; then z
#   dmu = the derivative of z by mu with eps held fixed
#   dlog_var = first by sigma, with eps held fixed, then the step from sigma to log_var

# %% [markdown]
# Many programs let the encoder return `log_var` $= \ln\sigma^2$, the logarithm of the variance, where this package has log σ. The sample is the same,
#
# $$z = \mu + \sigma\,\varepsilon, \qquad \varepsilon \sim N(0, I),$$
#
# entry by entry, where σ is the standard deviation. Write the pair for such a program:
#
# - `reparameterize_log_var_forward(mu, log_var, eps)` returns `z, cache`. All three inputs and z have the shape (N, K); the noise eps is drawn
#   outside. The cache is yours.
# - `reparameterize_log_var_backward(dz, cache)` returns `dmu, dlog_var`, of shape (N, K) each: the derivatives of the loss by μ and by log_var, if
#   `dz` is that by z. eps is held fixed and gets no gradient.

# %% [solution]
def reparameterize_log_var_forward(mu, log_var, eps):
    """mu, log_var, eps (N, K) -> z (N, K), cache."""
    ### BEGIN SOLUTION
    sigma = np.exp(log_var / 2)
    z = mu + sigma * eps
    cache = sigma, eps
    return z, cache
    ### END SOLUTION


def reparameterize_log_var_backward(dz, cache):
    """dz (N, K) -> dmu, dlog_var, both (N, K)."""
    ### BEGIN SOLUTION
    sigma, eps = cache
    dlog_var = dz * eps * sigma / 2
    return dz, dlog_var
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), 2 * log_scale(rng, N, K), normal(rng, N, K)

# %% [hints]
# 1. σ² = e^(log_var). Which power of e is σ?
# 2. Differentiate σ by log_var and write the result with σ: it is not σ alone.

# %% [wrong] the noise is scaled by the variance, exp(log_var); with the backward pass that belongs to it, a gradient check passes
# - sigma = np.exp(log_var / 2)
# + sigma = np.exp(log_var)
# - dlog_var = dz * eps * sigma / 2
# + dlog_var = dz * eps * sigma

# %% [wrong] the factor 1/2 from log_var to log sigma is missing in dlog_var
# - dlog_var = dz * eps * sigma / 2
# + dlog_var = dz * eps * sigma

# %% [wrong] dlog_var stops at sigma: the step from sigma to log_var is missing
# - dlog_var = dz * eps * sigma / 2
# + dlog_var = dz * eps

# %% [wrong] dlog_var is the derivative by the variance itself, dz eps / (2 sigma)
# - dlog_var = dz * eps * sigma / 2
# + dlog_var = dz * eps / (2 * sigma)

# %% [note]
# Scaling the noise by the variance is a mistake that no gradient check can find: forward and backward agree, and the samples have the wrong spread.
# Notebook 06a, section 6, has the card of both parametrisations.
