# %% [record]
# title: The gradient through a softmax
# kind: backward
# lecture: D3 | Formulation & Architecture
# notebook: 06b
# equation: log p(x|z) = sum_d l_{d, x_d} - ln sum_c e^{l_{d, c}}
# tag: CAT.2
# shapes: dlog_px (N,); log_p (N, D, C), classes (N, D, 1) -> dlogits (N, D, C)
# lines: 3
# minutes: 25
# solution: tinyvae.likelihoods.categorical:categorical_backward
# forward: tinyvae.likelihoods.categorical:categorical_forward
# outputs: dlogits
# wrt: logits
# tests:
#   values 2 = dlogits as the formula says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   others 1 = the classes that were not observed get a gradient too
#   shift 1 = the gradients of one pixel's C logits sum to 0: adding a constant to all of them changes nothing
# steps:
#   dlogits = the derivative of l_{d, x_d} by every l_{d, c}, minus that of the log-sum-exp, times what comes from above for this datum [CAT.2]

# %% [markdown]
# A pixel takes one of C classes (17 grey levels, for example), and the decoder puts out C logits for it; their
# softmax is the distribution of the pixel's class:
# $$\log p(x|z) = \sum_d [l_{d,x_d} - \ln\sum_c e^{l_{d,c}}]$$
# Write the backward pass. `dlog_px` (N,) is the derivative of the loss by log p(x|z) of each datum. The cache is
# `(log_p, classes)`: `log_p` (N, D, C), the logarithm of the softmax of every pixel's logits, and `classes`
# (N, D, 1), whole numbers 0 to C - 1, the class that was observed. Return `dlogits` (N, D, C).

# %% [check]
def inputs(rng, N, D, C):
    return normal(rng, N, D, C), rng.integers(0, C, (N, D))


def one_pixel(student, rng):
    log_p = np.log(np.array([[[0.2, 0.5, 0.3]]]))
    return student.categorical_backward(np.array([2.5]), (log_p, np.array([[[2]]])))


def test_others(student, right, rng):
    return same(one_pixel(student, rng)[..., :2], one_pixel(right, rng)[..., :2])


def test_shift(student, right, rng):
    d = one_pixel(student, rng)
    return d.shape == (1, 1, 3) and abs(d.sum()) < 1e-12 and np.abs(d).min() > 0.1


# %% [hints]
# 1. Write the term of one pixel with C = 3 and x = 2. By which of the three logits is its first part not
# constant? And its second?
# 2. The derivative of ln sum_c e^{l_c} by l_c is a fraction that you know, and its logarithm is in the cache.
# 3. `np.arange(C) == classes` is True at the observed class alone, in the shape (N, D, C).

# %% [wrong] only the logit of the observed class gets a gradient
# - return dlog_px[..., None, None] * (onehot - np.exp(log_p))
# + return dlog_px[..., None, None] * onehot * (1 - np.exp(log_p))

# %% [wrong] the signs are exchanged: this is the gradient of the cross-entropy, which is minus log p
# - return dlog_px[..., None, None] * (onehot - np.exp(log_p))
# + return dlog_px[..., None, None] * (np.exp(log_p) - onehot)

# %% [wrong] log p stands in the place of p
# - return dlog_px[..., None, None] * (onehot - np.exp(log_p))
# + return dlog_px[..., None, None] * (onehot - log_p)

# %% [wrong] the derivative of a sigmoid, p (1 - p), is multiplied on
# - return dlog_px[..., None, None] * (onehot - np.exp(log_p))
# + return dlog_px[..., None, None] * (onehot - np.exp(log_p)) * np.exp(log_p) * (1 - np.exp(log_p))

# %% [wrong] the normaliser ln sum_c e^{l_c} is taken for a constant
# - return dlog_px[..., None, None] * (onehot - np.exp(log_p))
# + return dlog_px[..., None, None] * onehot

# %% [wrong] the index [..., classes] marks for every pixel the classes of all pixels, not its own
def categorical_backward(dlog_px, cache):
    log_p, classes = cache
    onehot = np.zeros_like(log_p)
    onehot[..., classes] = 1
    return dlog_px[..., None, None] * (onehot - np.exp(log_p))

# %% [note]
# With C = 2 and the logits (0, l) the gradient by l is that of a Bernoulli pixel. Notebook 06b derives both.
