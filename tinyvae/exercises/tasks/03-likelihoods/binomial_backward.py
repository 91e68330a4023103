# %% [record]
# title: Grey levels as counts
# kind: backward
# lecture: D3 | Formulation & Architecture; D0 | Perks of VAE (2)
# notebook: 06b
# equation: p(x) = C(M, x) p^x (1 - p)^(M - x),  p = sigmoid(l)
# tag: -
# shapes: dlog_px (N,); p, x (N, D) -> dlogits (N, D)
# lines: 2
# minutes: 20
# forward: binomial_forward
# outputs: dlogits
# wrt: logits
# variant_of: bernoulli_backward
# tests:
#   values 2 = dlogits as the formula says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   extreme 1 = finite and right where p is exactly 0 or 1
# steps:
#   dlogits = the derivative of x ln p + (M - x) ln(1 - p) by the logit, times what comes from above for this datum

# %% [markdown]
# The embedded digits have 17 grey levels, $x_d = 0, 1, ..., M$ with M = 16. A density for them that needs one
# output per pixel: each level counts how many of M coins show heads, all with the same probability
# $p_d = 1 / (1 + e^{-l_d})$. Pixels are independent given z:
# $$\log p(x|z) = \sum_d [\ln C(M, x_d) + x_d \ln p_d + (M - x_d) \ln(1 - p_d)]$$
# C(M, x) = M! / (x! (M - x)!) counts the ways to choose x coins of M. The forward pass is given; write
# `binomial_backward(dlog_px, cache)`. `dlog_px` (N,) is the derivative of the loss by log p(x|z) of each datum,
# the cache is `(p, x)`, both (N, D), and M is a constant. Return `dlogits` (N, D). It must be right where a logit
# is so large that p is exactly 0 or 1.

# %% [given]
import math

M = 16  # grey levels 0 to M
LOG_CHOICES = np.log([math.comb(M, k) for k in range(M + 1)])


def binomial_forward(logits, x):
    """log p(x|z) of shape (N,), in nats, for logits (N, D) and levels x (N, D), whole numbers 0 to M."""
    p = (1 + np.tanh(logits / 2)) / 2
    log_p, log_not_p = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    cache = p, x
    return (LOG_CHOICES[x] + x * log_p + (M - x) * log_not_p).sum(-1), cache

# %% [solution]
def binomial_backward(dlog_px, cache):
    """dlog_px (N,), cache = (p, x), both (N, D) -> dlogits (N, D)."""
    ### BEGIN SOLUTION
    p, x = cache
    return dlog_px[..., None] * (x - M * p)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    return normal(rng, N, D), rng.integers(0, M + 1, (N, D))


def test_extreme(student, right, rng):
    cache = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[0, 5, 16, 3]])
    return same(student.binomial_backward(np.array([2.5]), cache), right.binomial_backward(np.array([2.5]), cache))


# %% [hints]
# 1. Write ln p and ln(1 - p) in the logit alone, with softplus(l) = ln(1 + e^l). How many softplus(l) are there
# in all?
# 2. The derivative of softplus is in the cache. What is the mean of a level?

# %% [wrong] the number of coins is left out: the gradient is that of one coin
# - return dlog_px[..., None] * (x - M * p)
# + return dlog_px[..., None] * (x - p)

# %% [wrong] the levels are brought to [0, 1] and M is lost as a factor
# - return dlog_px[..., None] * (x - M * p)
# + return dlog_px[..., None] * (x / M - p)

# %% [wrong] the derivative is taken by p, and the chain rule from p to the logit is left out
# - return dlog_px[..., None] * (x - M * p)
# + return dlog_px[..., None] * (x / p - (M - x) / (1 - p))

# %% [wrong] the derivative by p is computed first, where it divides by 0, and p (1 - p) is multiplied on afterwards
# - return dlog_px[..., None] * (x - M * p)
# + return dlog_px[..., None] * (x / p - (M - x) / (1 - p)) * p * (1 - p)

# %% [wrong] the signs are exchanged: this is the gradient of minus log p
# - return dlog_px[..., None] * (x - M * p)
# + return dlog_px[..., None] * (M * p - x)

# %% [note]
# The observation minus its mean again. Unlike a Bernoulli on grey pixels this sums to 1 over the 17 levels, so
# its nats may be compared with those of a categorical likelihood on the same data. The package has the
# categorical one, not this one.
