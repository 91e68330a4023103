# %% [record]
# title: Backward through the k-sample bound
# lab: 4.1
# kind: backward
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$; D2 | Observation Model (3)
# notebook: 05
# equation: L_k = log 1/k sum_l w_l
# tag: IWAE.2
# shapes: dbound (N,); cache = (log_w, bound), (k, N) and (N,) -> dlog_w (k, N)
# lines: 3
# minutes: 20
# forward: bound_forward
# outputs: dlog_w
# tests:
#   values 2 = dlog_w as it follows from the formula, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   far 1 = log weights of -1000 and of +1000 nats give the same gradient as the same log weights near 0, in one batch too
# steps:
#   dlog_w = the chain rule through the logarithm, the mean and the exponential [IWAE.2]: what share of the sum does w_l hold?

# %% [markdown]
# Several samples of z per datum give a tighter bound than the ELBO (arXiv:1509.00519). With $w_l = p(x, z_l)/q(z_l|x)$
# for $z_1,\dots,z_k$ drawn from $q(z|x)$,
#
# $$L_k = \log \frac1k \sum_{l=1}^k w_l .$$
#
# The program has the *logarithms* of the weights, `log_w` of shape (k, N): one column per datum, in nats, usually far
# below 0. `bound_forward` computes the bound of every datum without underflow and keeps `cache = log_w, bound`.
#
# Write `bound_backward(dbound, cache)`. `dbound`, of shape (N,), is the derivative of the loss by the bound of each
# datum; return `dlog_w`, of shape (k, N). The result must be right for log weights of any size: np.exp(-1000) is 0.

# %% [given]
def bound_forward(log_w):
    """log_w (k, N) -> bound (N,), cache."""
    top = log_w.max(0)
    bound = top + np.log(np.exp(log_w - top).mean(0))
    cache = log_w, bound
    return bound, cache

# %% [solution]
def bound_backward(dbound, cache):
    """dbound (N,), cache = (log_w, bound), (k, N) and (N,) -> dlog_w (k, N)."""
    ### BEGIN SOLUTION
    log_w, bound = cache
    k = len(log_w)
    share = np.exp(log_w - bound) / k
    return dbound * share
    ### END SOLUTION

# %% [check]
def inputs(rng, N, L):
    return (normal(rng, L + 2, N),)

def test_far(student, right, rng):
    log_w, dbound = normal(rng, 4, 3), upstream(rng, 3)
    want = right.bound_backward(dbound, bound_forward(log_w)[1])
    levels = -1000, 1000, np.array([-1000, 0, 1000])  # the last: every datum at a level of its own
    got = [student.bound_backward(dbound, bound_forward(log_w + level)[1]) for level in levels]
    return same(got, [want] * 3, rtol=1e-9)

# %% [hints]
# 1. Write dL_k / dw_l first, then dw_l / dlog w_l. What cancels?
# 2. A column of dL_k / dlog_w is positive and sums to 1: when all log weights rise by one nat, so does the bound.
# 3. exp(log_w) is 0 for all of them at -1000. The cache also holds the logarithm of their mean: bring the quotient under
#    one exponential.

# %% [wrong] every sample gets the same share: the gradient of the mean of the logarithms, which is the ELBO
# - share = np.exp(log_w - bound) / k
# + share = np.full_like(log_w, 1 / k)

# %% [wrong] the sum of the weights underflows: they are exponentiated before they are divided
# - share = np.exp(log_w - bound) / k
# + with np.errstate(all="ignore"):
# +     share = np.exp(log_w) / np.exp(log_w).sum(0)

# %% [wrong] one largest log weight is subtracted for all data: the weights of the other data underflow
# - share = np.exp(log_w - bound) / k
# + with np.errstate(all="ignore"):
# +     w = np.exp(log_w - log_w.max())
# +     share = w / w.sum(0)

# %% [wrong] the shares are those of the data, not those of the samples: the sum goes over the wrong axis
# - share = np.exp(log_w - bound) / k
# + share = np.exp(log_w - bound) / np.exp(log_w - bound).sum(1, keepdims=True)

# %% [wrong] the worst sample gets the largest share: the sign in the exponent is turned
# - share = np.exp(log_w - bound) / k
# + share = np.exp(bound - log_w) / np.exp(bound - log_w).sum(0)

# %% [wrong] the 1/k of the mean is left out
# - share = np.exp(log_w - bound) / k
# + share = np.exp(log_w - bound)

# %% [wrong] the 1/k of the mean is counted twice: once in the bound, once more behind the normalised weights
# - share = np.exp(log_w - bound) / k
# + share = np.exp(log_w - bound) / k**2

# %% [wrong] only the best sample gets a gradient, as if the bound were the largest log weight
# - share = np.exp(log_w - bound) / k
# + share = (log_w == log_w.max(0)) * 1.0

# %% [note]
# The gradient of the k-sample bound is the gradient of the log weights with their normalised weights as upstream: the
# same backward functions as the ELBO's. `tinyvae.iwae.iwae_bound_backward` finds these weights in its cache, for its
# forward pass has already made them [IWAE.2].
