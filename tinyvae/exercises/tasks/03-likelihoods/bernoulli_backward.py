# %% [record]
# title: The gradient of binary pixels
# lab: 2.4
# kind: backward
# lecture: D0 | Vanilla VAE Distribution; D3 | Formulation & Architecture
# notebook: 06b
# equation: log p(x|z) = sum_d x_d l_d - softplus(l_d),  p = sigmoid(l)
# tag: BER.2
# shapes: dlog_px (..., N); p (..., N, D), x (N, D) -> dlogits (..., N, D)
# lines: 2
# minutes: 25
# solution: tinyvae.likelihoods.bernoulli:bernoulli_backward
# forward: tinyvae.likelihoods.bernoulli:bernoulli_forward
# outputs: dlogits
# wrt: logits
# tests:
#   values 2 = dlogits as the formula says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   extreme 1 = finite and right at logits of -800 and 800, where p is exactly 0 or 1
#   samples 1 = the same for L samples per datum: dlog_px (L, N), p (L, N, D), x (N, D)
# steps:
#   dlogits = the derivative of x_d l_d - softplus(l_d) by l_d, times what comes from above for this datum [BER.2]

# %% [markdown]
# A decoder puts out one number per pixel, the logit $l_d$; the pixel is 1 with probability
# $p_d = 1 / (1 + e^{-l_d})$. The forward pass is the log-likelihood of each datum, a sum over its D independent
# pixels:
# $$\log p(x|z) = \sum_d [x_d \log p_d + (1 - x_d) \log(1 - p_d)] = \sum_d [x_d l_d - softplus(l_d)],\quad softplus(l) = \ln(1 + e^l)$$
# Write its backward pass. `dlog_px` is the derivative of the loss by log p(x|z), one number per datum. The cache
# is `(p, x)`: the probabilities and the pixels. x is data and gets no gradient. Return `dlogits`, the derivative
# of the loss by every logit.
#
# There may be axes in front: with L samples of z per datum `dlog_px` has shape (L, N) and `p` (L, N, D), while
# `x` stays (N, D). And a logit may be so large that p is exactly 0 or 1; the gradient is then still an ordinary
# number.

# %% [check]
def inputs(rng, N, D):
    return 2 * normal(rng, N, D), (rng.random((N, D)) < 0.5).astype(float)


def test_extreme(student, right, rng):
    p, x = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[0.0, 1.0, 0.0, 1.0]])  # at the logits -800, -800, 800, 800
    return same(student.bernoulli_backward(np.array([2.5]), (p, x)), right.bernoulli_backward(np.array([2.5]), (p, x)))


def test_samples(student, right, rng):
    p, x = rng.uniform(0.1, 0.9, (3, 5, 7)), (rng.random((5, 7)) < 0.5).astype(float)
    dlog_px = upstream(rng, 3, 5)
    return same(student.bernoulli_backward(dlog_px, (p, x)), right.bernoulli_backward(dlog_px, (p, x)))


# %% [hints]
# 1. Pixels are independent and each has its own logit. Write the term of one pixel in its form with softplus. Two
# pieces hold l.
# 2. What is the derivative of ln(1 + e^l)? You have it in the cache.
# 3. One dlog_px serves all D pixels of its datum: `dlog_px[..., None]` gives it an axis for them, whatever stands
# in front.

# %% [wrong] = sign_of_p_minus_x

# %% [wrong] the derivative of the sigmoid, p (1 - p), is multiplied on a second time
# - return dlog_px[..., None] * (x - p)
# + return dlog_px[..., None] * (x - p) * p * (1 - p)

# %% [wrong] the derivative is taken by p, and the chain rule from p to the logit is left out
# - return dlog_px[..., None] * (x - p)
# + return dlog_px[..., None] * (x / p - (1 - x) / (1 - p))

# %% [wrong] the derivative by p is computed first, where it divides by 0, and p (1 - p) is multiplied on afterwards
# - return dlog_px[..., None] * (x - p)
# + return dlog_px[..., None] * (x / p - (1 - x) / (1 - p)) * p * (1 - p)

# %% [wrong] the mean over pixels is taken in place of their sum
# - return dlog_px[..., None] * (x - p)
# + return dlog_px[..., None] * (x - p) / x.shape[-1]

# %% [wrong] what comes from above is left out
# - return dlog_px[..., None] * (x - p)
# + return (x - p) + 0 * dlog_px[..., None]

# %% [wrong] the new axis is put behind the first axis, not behind the last
# - return dlog_px[..., None] * (x - p)
# + return dlog_px[:, None] * (x - p)

# %% [note]
# The observation minus its mean: notebook 06b meets the same line again for softmax, Gaussian and Poisson. It is
# finite at every logit, because the sigmoid and the log were differentiated together.
