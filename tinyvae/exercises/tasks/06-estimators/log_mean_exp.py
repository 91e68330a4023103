# %% [record]
# title: Log-mean-exp as a pair
# kind: pair
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$
# notebook: 04
# equation: f(a) = log 1/L sum_l exp(a_l)
# tag: IWAE.1
# shapes: forward: log_w (L, N) -> bound (N,), cache; backward: dbound (N,), cache -> dlog_w (L, N)
# lines: 7
# minutes: 20
# solution: tinyvae.iwae:iwae_bound_forward iwae_bound_backward
# outputs: dlog_w
# tests:
#   forward 1 = the result agrees with the formula and has one number per column
#   values 1 = dlog_w as it follows from the formula
#   gradient 1 = backward agrees with differences of the forward pass
#   far 1 = logarithms of -800, -801 and -802 nats come out to twelve digits, beside a datum whose largest is 0
# steps:
#   forward = what is taken out of the exponentials of a column comes back in front of its logarithm [IWAE.1]; the mean has L terms
#   dlog_w = the chain rule through the logarithm, the mean and the exponential [IWAE.2]; the number subtracted for safety has no part in it

# %% [markdown]
# An average of weights that are known by their logarithms: for `log_w` of shape (L, N), column by column,
#
# $$f = \log \frac1L \sum_{l=1}^L e^{a_l}, \qquad a = \mathtt{log\_w}[:, n].$$
#
# Every estimate of $\log p(x)$ from samples ends in this line. Write it as a pair: `iwae_bound_forward(log_w)` returns
# `f`, of shape (N,), and a cache of your choice; `iwae_bound_backward(dbound, cache)` takes the derivative of the loss
# by f, of shape (N,), and returns that by log_w, of shape (L, N).
#
# Logarithms of likelihoods are large negative numbers, and $e^{-800}$ is 0 in floating point: the sum must not be taken
# of zeros. The forward pass must not change `log_w`.

# %% [given]
import math

# %% [check]
def inputs(rng, N, L):
    return (normal(rng, L + 1, N),)

def test_far(student, right, rng):
    value, cache = student.iwae_bound_forward(np.array([[-800.0, 0.0], [-801.0, -3.0], [-802.0, -3000.0]]))
    w = np.exp([[0.0, 0.0], [-1.0, -3.0], [-2.0, -3000.0]])  # with the largest of each column taken out
    stable = np.log(w.mean(0)) + [-800, 0]
    return same(value, stable, rtol=1e-12) and same(student.iwae_bound_backward(np.ones(2), cache), w / w.sum(0), rtol=1e-10)

# %% [hints]
# 1. For any number c, f(a) = c + f(a - c). Which c makes the largest exponential 1?
# 2. df/da_l is positive, and over l it sums to 1. What does backward need from forward?

# %% [wrong] the exponentials underflow: no maximum is subtracted
def iwae_bound_forward(log_w):
    with np.errstate(all="ignore"):
        w = np.exp(log_w)
        return np.log(w.mean(0)), w / w.sum(0)

def iwae_bound_backward(dbound, cache):
    return dbound * cache

# %% [wrong] one maximum over all data is subtracted: the exponentials of the other data underflow
def iwae_bound_forward(log_w):
    with np.errstate(all="ignore"):
        w = np.exp(log_w - log_w.max())
        return log_w.max() + np.log(w.mean(0)), w / w.sum(0)

def iwae_bound_backward(dbound, cache):
    return dbound * cache

# %% [wrong] = mean_of_the_logarithms

# %% [wrong] = sum_for_mean_of_weights

# %% [wrong] the maximum that was subtracted is not added again
# - return top + np.log(total) - math.log(len(log_w)), cache
# + return np.log(total) - math.log(len(log_w)), cache

# %% [wrong] the weights of the cache are not normalised
# - weights = w / total
# + weights = w

# %% [wrong] the mean goes over the data instead of the samples
def iwae_bound_forward(log_w):
    top = log_w.max(1, keepdims=True)
    w = np.exp(log_w - top)
    return (top + np.log(w.mean(1, keepdims=True)))[:, 0], w / w.sum(1, keepdims=True)

def iwae_bound_backward(dbound, cache):
    return dbound[:, None] * cache

# %% [note]
# The derivative of a log-sum-exp is a softmax. In notebook 04 the first is the estimate of log p(x), in the k-sample
# bound the second is its gradient.
