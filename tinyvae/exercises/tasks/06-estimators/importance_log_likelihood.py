# %% [record]
# title: log p(x) by importance sampling
# kind: function
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$; D0 | A Quick Overview
# notebook: 04
# equation: p(x) = E_q(z|x) [ p(x|z) p(z) / q(z|x) ]
# tag: IS.1
# shapes: x (N, D); mu, log_sigma (N, K); eps (L, N, K); W (K, D) -> log_px (N,)
# lines: 7
# minutes: 20
# outputs: log_px
# tests:
#   values 2 = the estimate from given noise, at three sets of sizes
#   exact 1 = where q is the posterior, every single sample gives log p(x)
#   far 1 = data whose likelihoods are too small for floating point have an estimate too
# steps:
#   log_px = log w of every sample, from three log densities [LOGW.1]; then an average [IS.1]: of what, over which axis?

# %% [markdown]
# How good is a trained VAE? It is scored by $\log p(x)$, which is estimated with L samples from the encoder's
# $q(z|x) = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$:
#
# $$\log p(x) \approx \log \frac1L \sum_{l=1}^L \frac{p(x|z_l)\,p(z_l)}{q(z_l|x)}, \qquad
# z_l = \mu + \sigma\,\epsilon_l,\quad p(z) = \mathcal N(0, I).$$
#
# Write it for the linear model whose `log_px_given_z(x, z, W)` is given: for `x` (N, D) and `z` (L, N, K) it returns
# $\log p(x|z)$, of shape (L, N), in nats.
#
# `mu` and `log_sigma` (the logarithm of the standard deviation) have the shape (N, K), `eps` (L, N, K), `W` (K, D).
# Return the estimate for each datum, of shape (N,). Work with logarithms: with many pixels $p(x|z)$ is 0 in floating
# point, and its logarithm is not.

# %% [given]
ETA = 0.5  # variance of the pixels given z


def log_px_given_z(x, z, W):
    """log N(x; z W, ETA I): x (N, D), z (L, N, K), W (K, D) -> (L, N)."""
    return (-((x - z @ W) ** 2) / (2 * ETA) - 0.5 * np.log(2 * np.pi * ETA)).sum(-1)

# %% [solution]
def importance_log_likelihood(x, mu, log_sigma, eps, W):
    """x (N, D), mu and log_sigma (N, K), eps (L, N, K), W (K, D) -> the estimate of log p(x), (N,)."""
    ### BEGIN SOLUTION
    z = mu + np.exp(log_sigma) * eps
    log_pz = (-(z**2) / 2 - np.log(2 * np.pi) / 2).sum(-1)
    log_qz = (-(eps**2) / 2 - np.log(2 * np.pi) / 2 - log_sigma).sum(-1)
    log_w = log_px_given_z(x, z, W) + log_pz - log_qz
    top = log_w.max(0)
    return top + np.log(np.exp(log_w - top).mean(0))
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D, K, L):
    return normal(rng, N, D), normal(rng, N, K), log_scale(rng, N, K), normal(rng, L, N, K), normal(rng, K, D)

def exact_case(rng):
    """x, mu, log_sigma, W and log p(x), where the posterior is diagonal: the rows of W are orthogonal."""
    W = np.array([[1.0, 1, 0, 0, 0], [0, 0, 1, -1, 1]]) * 0.8
    x = normal(rng, 4, 5)
    precision = 1 + (W**2).sum(1) / ETA
    mu, log_sigma = x @ W.T / ETA / precision, np.tile(-np.log(precision) / 2, (4, 1))
    cov = W.T @ W + ETA * np.eye(5)
    log_px = -0.5 * ((x @ np.linalg.inv(cov)) * x).sum(1) - 0.5 * np.linalg.slogdet(2 * np.pi * cov)[1]
    return x, mu, log_sigma, W, log_px

def test_exact(student, right, rng):
    x, mu, log_sigma, W, log_px = exact_case(rng)
    return all(same(student.importance_log_likelihood(x, mu, log_sigma, normal(rng, L, 4, 2), W), log_px, rtol=1e-10) for L in (1, 3))

def test_far(student, right, rng):
    # every pixel is 90 to 540 away from 0, so every log weight lies below -800, whatever is drawn
    args = 600 * log_scale(rng, 3, 7), normal(rng, 3, 2), log_scale(rng, 3, 2), normal(rng, 4, 3, 2), normal(rng, 2, 7)
    got, want = (space.importance_log_likelihood(*args) for space in (student, right))
    return want.max() < -800 and same(got, want, rtol=1e-10)

# %% [hints]
# 1. log w = log p(x|z) + log p(z) - log q(z|x), each of shape (L, N). At z = mu + sigma eps, what is (z - mu) / sigma?
# 2. The density of q has a factor 1/sigma per latent dimension.
# 3. For the last line take the largest log weight of each datum out of the sum, so that the largest exponential is 1.

# %% [wrong] the mean of the log weights is taken: the ELBO's estimate
# - return top + np.log(np.exp(log_w - top).mean(0))
# + return log_w.mean(0)

# %% [wrong] the weights are not divided by q
# - log_w = log_px_given_z(x, z, W) + log_pz - log_qz
# + log_w = log_px_given_z(x, z, W) + log_pz

# %% [wrong] the weights are multiplied by q instead of divided
# - log_w = log_px_given_z(x, z, W) + log_pz - log_qz
# + log_w = log_px_given_z(x, z, W) + log_pz + log_qz

# %% [wrong] the density of q lacks the factor 1/sigma
# - log_qz = (-(eps**2) / 2 - np.log(2 * np.pi) / 2 - log_sigma).sum(-1)
# + log_qz = (-(eps**2) / 2 - np.log(2 * np.pi) / 2).sum(-1)

# %% [wrong] the prior is missing: samples of the encoder are treated as samples of the prior
# - log_w = log_px_given_z(x, z, W) + log_pz - log_qz
# + log_w = log_px_given_z(x, z, W)

# %% [wrong] the weights underflow: they are exponentiated without their largest taken out
# - return top + np.log(np.exp(log_w - top).mean(0))
# + with np.errstate(divide="ignore"):
# +     return np.log(np.exp(log_w).mean(0))

# %% [wrong] the noise is scaled by the variance
# - z = mu + np.exp(log_sigma) * eps
# + z = mu + np.exp(2 * log_sigma) * eps

# %% [wrong] the weights are summed and not averaged
# - return top + np.log(np.exp(log_w - top).mean(0))
# + return top + np.log(np.exp(log_w - top).sum(0))

# %% [note]
# `VAE.log_likelihood` does this for any likelihood, prior and posterior, some samples at a time, and reports the
# effective sample size besides [IS.1].
