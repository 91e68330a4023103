# %% [record]
# title: A sparsity penalty that forgives large codes
# kind: pair
# lecture: D3 | Autoencoder (AE); D1 | Autoencoders with A Priori Knowledge
# notebook: 03
# equation: penalty = sum_j ln(1 + h_j^2)
# tag: -
# shapes: h (N, K) -> penalty (N,); dpenalty (N,) -> dh (N, K)
# lines: 4
# minutes: 15
# outputs: dh
# tests:
#   forward 1 = one penalty per datum, at three sets of sizes
#   values 1 = dh as the formula says, at three sets of sizes
#   gradient 1 = backward agrees with differences of your forward pass
# steps:
#   forward = the sum over the K units of one datum
#   dh = the derivative of ln(1 + h^2), by the chain rule, times what comes from above for this datum

# %% [markdown]
# A sparse auto-encoder adds a penalty on its code h to the reconstruction error. The absolute value
# $\sum_j |h_j|$ pulls at a large code as hard as at a small one. This penalty pulls less and less at large codes:
# $$penalty = \sum_j \ln(1 + h_j^2)$$
# Write the pair. `sparsity_penalty_forward(h)`, h of shape (N, K), returns `(penalty, cache)` with one penalty
# per datum, of shape (N,); the cache is yours to choose. `sparsity_penalty_backward(dpenalty, cache)` takes the
# derivative of the loss by each penalty, of shape (N,), and returns `dh` (N, K).

# %% [solution]
def sparsity_penalty_forward(h):
    """h (N, K) -> penalty (N,), cache."""
    ### BEGIN SOLUTION
    cache = h
    return np.log1p(h * h).sum(-1), cache
    ### END SOLUTION


def sparsity_penalty_backward(dpenalty, cache):
    """dpenalty (N,), cache -> dh (N, K)."""
    ### BEGIN SOLUTION
    h = cache
    return dpenalty[..., None] * 2 * h / (1 + h * h)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    return (normal(rng, N, K),)


# %% [hints]
# 1. The outer function is the logarithm, the inner one 1 + h^2. The chain rule has one factor for each.
# 2. One dpenalty serves all K units of its datum; it needs a second axis to be multiplied with h.

# %% [wrong] the factor 2 of the inner derivative is lost
# - return dpenalty[..., None] * 2 * h / (1 + h * h)
# + return dpenalty[..., None] * h / (1 + h * h)

# %% [wrong] the inner derivative, 2 h, is left out
# - return dpenalty[..., None] * 2 * h / (1 + h * h)
# + return dpenalty[..., None] / (1 + h * h)

# %% [wrong] the sum goes over the batch too, so that there is one penalty for all data
# - return np.log1p(h * h).sum(-1), cache
# + return np.log1p(h * h).sum(), cache

# %% [wrong] the penalty is the absolute value, whose pull does not fade
# - return np.log1p(h * h).sum(-1), cache
# + return np.abs(h).sum(-1), cache
# - return dpenalty[..., None] * 2 * h / (1 + h * h)
# + return dpenalty[..., None] * np.sign(h)

# %% [wrong] the mean over the units is taken in place of their sum
# - return np.log1p(h * h).sum(-1), cache
# + return np.log1p(h * h).mean(-1), cache
# - return dpenalty[..., None] * 2 * h / (1 + h * h)
# + return dpenalty[..., None] * 2 * h / (1 + h * h) / h.shape[-1]

# %% [note]
# Up to a constant this is minus the log-density of a Cauchy distribution: a penalty on the code acts like a prior
# on it. Notebook 03 compares penalties, and shows two that are met without any sparsity.
