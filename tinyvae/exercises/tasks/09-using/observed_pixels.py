# %% [record]
# title: The likelihood of what was observed
# kind: backward
# lecture: D0 | A Quick Overview; D0 | Vanilla VAE Distribution
# notebook: 06b
# equation: log p(x_observed|z) = sum over observed pixels of log p(x_d|z)
# tag: -
# shapes: dlog_px (N,); cache = (logits, x, seen), all (N, D) -> dlogits (N, D)
# lines: 3
# minutes: 15
# forward: observed_pixels_forward
# outputs: dlogits
# wrt: logits
# variant_of: bernoulli_backward
# tests:
#   values 1 = dlogits, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   unseen 1 = pixels that were not observed get no gradient, whatever x holds there
# steps:
#   dlogits = for an observed pixel the derivative of x l - ln(1 + exp l) by the logit l; for another there is no term

# %% [markdown]
# In images with missing pixels a VAE can still be trained and used: the pixels are independent given z, so the likelihood of the observed ones
# is a product over them. For binary pixels with logits l, $p(x_d = 1|z) = 1/(1 + e^{-l_d})$, it is
# $$\log p(x_{observed}|z) = \sum_{d\ observed} (x_d l_d - \ln(1 + e^{l_d})).$$
# `observed_pixels_forward(logits, x, seen)`, given below, computes it. logits, x and seen have shape (N, D); seen is True where a pixel was observed.
# Where it is False, x holds any number, even one that is no pixel.
#
# Write the backward pass `observed_pixels_backward(dlog_px, cache)`: dlog_px of shape (N,) comes from above; return dlogits, of shape (N, D).
# Logits may be as large as ±800.

# %% [given]
def observed_pixels_forward(logits, x, seen):
    """logits, x (N, D), seen (N, D) True where observed -> log_px (N,), in nats, and a cache."""
    cache = logits, x, seen
    log_p = x * logits - np.maximum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))
    return np.where(seen, log_p, 0).sum(1), cache

# %% [solution]
def observed_pixels_backward(dlog_px, cache):
    """dlog_px (N,), cache = (logits, x, seen), all (N, D) -> dlogits (N, D)."""
    ### BEGIN SOLUTION
    logits, x, seen = cache
    p = (1 + np.tanh(logits / 2)) / 2
    return dlog_px[:, None] * np.where(seen, x - p, 0)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    seen = rng.random((N, D)) < 0.6
    seen[:, 0], seen[:, 1] = True, False
    return 2 * normal(rng, N, D), np.where(seen, rng.random((N, D)) < 0.5, 7.0 + rng.random((N, D))), seen

def test_unseen(student, right, rng):
    logits, x, seen = inputs(rng, 4, 5)
    logits[0] = 800, -800, 800, -800, 800
    dlogits = student.observed_pixels_backward(upstream(rng, 4), (logits, x, seen))
    return dlogits.shape == (4, 5) and bool(np.isfinite(dlogits).all() and (dlogits[~seen] == 0).all() and (dlogits[1:][seen[1:]] != 0).all())

# %% [hints]
# 1. The derivative of ln(1 + e^l) by l is a probability: which?
# 2. np.where chooses between the derivative and 0, entry by entry. Every row has its own dlog_px.

# %% [wrong] pixels that were not observed get a gradient, too
# - return dlog_px[:, None] * np.where(seen, x - p, 0)
# + return dlog_px[:, None] * (x - p)

# %% [wrong] only x is masked: a missing pixel counts as a 0 that was seen
# - return dlog_px[:, None] * np.where(seen, x - p, 0)
# + return dlog_px[:, None] * (np.where(seen, x, 0) - p)

# %% [wrong] the sign is that of the loss, not of log p
# - return dlog_px[:, None] * np.where(seen, x - p, 0)
# + return dlog_px[:, None] * np.where(seen, p - x, 0)

# %% [wrong] what comes from above is left out
# - return dlog_px[:, None] * np.where(seen, x - p, 0)
# + return np.where(seen, x - p, 0.0)

# %% [wrong] each row is divided by its number of observed pixels
# - return dlog_px[:, None] * np.where(seen, x - p, 0)
# + return dlog_px[:, None] * np.where(seen, x - p, 0) / seen.sum(1, keepdims=True)

# %% [note]
# With this pair any decoder can be asked for p(z | observed pixels), by ascent on z or on q; the decoder then fills in the rest.
