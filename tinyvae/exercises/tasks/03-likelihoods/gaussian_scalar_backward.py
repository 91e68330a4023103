# %% [record]
# title: One learned variance for all pixels
# kind: backward
# lecture: D0 | VAE as an Auto-Encoder; D2 | [the first term: reconstruction]
# notebook: 06b
# equation: log p(x|z) = -1/2 sum_d ((x_d - m_d)^2 / eta + ln eta + ln 2 pi),  eta = exp(log_eta)
# tag: NORMS.2
# shapes: dlog_px (N,); r (N, D), precision () -> dmean (N, D), dlog_eta ()
# lines: 4
# minutes: 20
# solution: tinyvae.likelihoods.gaussian_scalar:gaussian_scalar_backward
# forward: tinyvae.likelihoods.gaussian_scalar:gaussian_scalar_forward
# outputs: dmean dlog_eta
# wrt: mean log_eta
# tests:
#   values 2 = dmean and dlog_eta as the formula says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   optimum 1 = dlog_eta is 0 where eta is the mean squared error over pixels and data
# steps:
#   dmean = the derivative of -(x - m)^2 / (2 eta) by m, times what comes from above for this datum [NORMS.2]
#   dlog_eta = two terms hold eta; every pixel of every datum holds the same eta [NORMS.2]

# %% [markdown]
# The decoder puts out the mean $m$ of every pixel. One variance $\eta = e^{\log\eta}$ serves all pixels of all
# data, and its logarithm is a parameter that is learned:
# $$\log p(x|z) = -\tfrac12 \sum_d [(x_d - m_d)^2 / \eta + \ln\eta + \ln 2\pi]$$
# Write the backward pass. `dlog_px` (N,) is the derivative of the loss by log p(x|z) of each datum. The cache is
# `(r, precision)`: r = x - m, of shape (N, D), and precision = 1 / eta, one number. Return `dmean` (N, D) and
# `dlog_eta`, one number: the derivative by log eta, not by eta.

# %% [check]
def inputs(rng, N, D):
    return normal(rng, N, D), normal(rng, N, D), log_scale(rng)[()]


def test_optimum(student, right, rng):
    r = normal(rng, 5, 7)
    cache = r, np.float64(1 / np.mean(r * r))
    dmean, dlog_eta = student.gaussian_scalar_backward(np.full(5, 2.0), cache)
    return np.shape(dlog_eta) == () and abs(dlog_eta) < 1e-12 and np.shape(dmean) == (5, 7)


# %% [hints]
# 1. Write one pixel's term with t = log eta in place of eta. Which parts hold m, which hold t?
# 2. The derivative of e^-t by t is -e^-t. ln eta is t itself, once for every pixel.
# 3. The same t stands in N D terms. Each term comes with the dlog_px of its datum; then they are added.

# %% [wrong] the sum over the batch is left out for log eta
# - dlog_eta = np.sum(dlog_px * (r * r * precision - 1) / 2)
# + dlog_eta = np.sum(dlog_px * (r * r * precision - 1) / 2, axis=-1)

# %% [wrong] the derivative is taken by eta, and the chain rule from eta to log eta is left out
# - dlog_eta = np.sum(dlog_px * (r * r * precision - 1) / 2)
# + dlog_eta = np.sum(dlog_px * (r * r * precision - 1) / 2) * precision

# %% [wrong] the term ln eta is taken for a constant
# - dlog_eta = np.sum(dlog_px * (r * r * precision - 1) / 2)
# + dlog_eta = np.sum(dlog_px * (r * r * precision) / 2)

# %% [wrong] ln eta is counted once per datum, not once per pixel
# - dlog_eta = np.sum(dlog_px * (r * r * precision - 1) / 2)
# + dlog_eta = np.sum(dlog_px * ((r * r * precision).sum(-1, keepdims=True) - 1) / 2)

# %% [wrong] the sign of dmean is lost: the derivative of x - m by m is -1
# - dmean = dlog_px * r * precision
# + dmean = -dlog_px * r * precision

# %% [wrong] eta is taken for a standard deviation and squared
# - dmean = dlog_px * r * precision
# + dmean = dlog_px * r * precision**2

# %% [note]
# Set dlog_eta to zero: the best eta is the mean squared error over pixels and data. Notebook 06b shows the curve,
# and that without the "constant" -D/2 ln 2 pi eta it has no maximum.
