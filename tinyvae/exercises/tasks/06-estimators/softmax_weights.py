# %% [record]
# title: The gradient of the k-sample loss
# kind: function
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$; D0 | The Objective
# notebook: 05
# equation: loss = -1/N sum_n log 1/k sum_l w_nl
# tag: IWAE.2
# shapes: x (N, D); mu, log_sigma (N, K); eps (L, N, K); W (K, D) -> dmu, dlog_sigma (N, K)
# lines: 5
# minutes: 15
# outputs: dmu dlog_sigma
# tests:
#   values 2 = the gradient of the loss, at three sets of sizes
#   one_sample 1 = with one sample per datum it is the gradient of the one-sample -ELBO
#   far 1 = data whose likelihoods are too small for floating point have a gradient too
# steps:
#   dmu = the derivative of the loss by every log weight [IWAE.2], over the samples of one datum; then its sign and its 1/N
#   dlog_sigma = the derivative of the loss by every log weight [IWAE.2], over the samples of one datum; then its sign and its 1/N

# %% [markdown]
# The ELBO and the k-sample bound are made of the same numbers, the log weights
# $\log w_{ln} = \log p(x_n|z_{ln}) + \log p(z_{ln}) - \log q(z_{ln}|x_n)$, and share their backward pass. That pair is
# given, for a linear decoder: `log_weight_forward(x, mu, log_sigma, eps, W)` returns `log_w`, of shape (L, N), and a
# cache; `log_weight_backward(dlog_w, cache)` takes the derivative of the loss by every log weight, of shape (L, N), and
# returns `dmu, dlog_sigma`, each of shape (N, K). You need not read inside.
#
# For the mean one-sample -ELBO one would hand it $d\log w_{ln} = -1/(LN)$ everywhere. Write the gradient of the
# k-sample loss, k = L,
#
# $$\mathrm{loss} = -\frac1N\sum_{n=1}^N \log\frac1L\sum_{l=1}^L w_{ln} .$$
#
# Return what `log_weight_backward` returns. Take care: the log weights can lie at -1000.

# %% [given]
ETA = 0.5  # variance of the pixels given z


def log_weight_forward(x, mu, log_sigma, eps, W):
    """log w: x (N, D), mu and log_sigma (N, K), eps (L, N, K), W (K, D) -> (L, N), cache."""
    z = mu + np.exp(log_sigma) * eps
    error = x - z @ W
    log_px = (-(error**2) / (2 * ETA) - 0.5 * np.log(2 * np.pi * ETA)).sum(-1)
    log_ratio = (-(z**2) / 2 + eps**2 / 2 + log_sigma).sum(-1)  # log p(z) - log q(z|x)
    cache = z, error, log_sigma, eps, W
    return log_px + log_ratio, cache


def log_weight_backward(dlog_w, cache):
    """dlog_w (L, N) -> dmu, dlog_sigma (N, K)."""
    z, error, log_sigma, eps, W = cache
    dz = dlog_w[..., None] * (error @ W.T / ETA - z)
    return dz.sum(0), (dz * eps * np.exp(log_sigma) + dlog_w[..., None]).sum(0)

# %% [solution]
def iwae_gradient(x, mu, log_sigma, eps, W):
    """x (N, D), mu and log_sigma (N, K), eps (L, N, K), W (K, D) -> dmu, dlog_sigma, both (N, K)."""
    ### BEGIN SOLUTION
    log_w, cache = log_weight_forward(x, mu, log_sigma, eps, W)
    w = np.exp(log_w - log_w.max(0))
    share = w / w.sum(0)
    dlog_w = -share / len(x)
    return log_weight_backward(dlog_w, cache)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D, K, L):
    return normal(rng, N, D) / 4, normal(rng, N, K) / 4, log_scale(rng, N, K), normal(rng, L + 1, N, K), normal(rng, K, D) / 4

def test_one_sample(student, right, rng):
    args = normal(rng, 3, 5), normal(rng, 3, 2), log_scale(rng, 3, 2), normal(rng, 1, 3, 2), normal(rng, 2, 5)
    _, cache = log_weight_forward(*args)
    return same(student.iwae_gradient(*args), log_weight_backward(np.full((1, 3), -1 / 3), cache))

def test_far(student, right, rng):
    # every pixel is 90 to 540 away from 0, so every log weight lies below -800, whatever is drawn
    args = 600 * log_scale(rng, 3, 5), normal(rng, 3, 2), log_scale(rng, 3, 2), normal(rng, 4, 3, 2), normal(rng, 2, 5)
    return log_weight_forward(*args)[0].max() < -800 and same(student.iwae_gradient(*args), right.iwae_gradient(*args), rtol=1e-9)

# %% [hints]
# 1. Only `dlog_w` differs between the two losses. What is the derivative of log(w_1 + ... + w_L) by log w_l?
# 2. The derivatives over the samples of one datum sum to -1/N: when all its log weights rise by one nat, so does its
#    bound.
# 3. Shares of a sum do not change when all parts are divided by the largest.

# %% [wrong] every sample gets the same share: the gradient of the -ELBO
# - share = w / w.sum(0)
# + share = np.full(w.shape, 1 / len(w))

# %% [wrong] the worst sample gets the largest share: the weights are a softmax of the loss, not of minus the loss
# - w = np.exp(log_w - log_w.max(0))
# + w = np.exp(log_w.min(0) - log_w)

# %% [wrong] the weights underflow
# - w = np.exp(log_w - log_w.max(0))
# + w = np.exp(log_w)
# - share = w / w.sum(0)
# + with np.errstate(invalid="ignore"):
# +     share = w / w.sum(0)

# %% [wrong] the gradient climbs the loss: the minus is lost
# - dlog_w = -share / len(x)
# + dlog_w = share / len(x)

# %% [wrong] the sum over the batch is differentiated instead of the mean
# - dlog_w = -share / len(x)
# + dlog_w = -share

# %% [wrong] the weights are normalised over the batch as well: data with a high likelihood take the gradient of the others
# - share = w / w.sum(0)
# + w = np.exp(log_w - log_w.max())
# + share = len(x) * w / w.sum()

# %% [wrong] the 1/L of the mean is counted, though the normalised weights hold it already
# - dlog_w = -share / len(x)
# + dlog_w = -share / len(x) / len(log_w)

# %% [note]
# `tinyvae.bounds.iwae_backward` does the same: [IWAE.2] makes the upstream gradient, and from there on all is the
# backward pass of the log weights.
