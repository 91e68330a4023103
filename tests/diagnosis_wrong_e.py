"""Wrong backward functions as learners write them: composites, normalisation, distances."""

import numpy as np
from diagnosis_pairs import EDIT
from diagnosis_records import wrong_into

WRONG = []
wrong = wrong_into(WRONG)


# ---- swish ------------------------------------------------------------------------------------


@wrong("swish", "only the first term: s", "term", *EDIT)
def swish_gate_only(dy, cache):
    _, s = cache
    return dy * s


@wrong("swish", "only the second term: x s (1 - s)", "term", *EDIT)
def swish_slope_only(dy, cache):
    x, s = cache
    return dy * x * s * (1 - s)


@wrong("swish", "the factor x is missing in the second term", "factor", "term", "input replaced", *EDIT)
def swish_without_x(dy, cache):
    _, s = cache
    return dy * (s + s * (1 - s))


# ---- two layers: tanh(x W1 + b1) W2 + b2 -------------------------------------------------------------


@wrong("two_layer", "the slope of tanh is missing", "factor", "term", "dependence", "input replaced", *EDIT)
def two_no_slope(dy, cache):
    x, h, W1, W2 = cache
    dh = dy @ W2.T
    return dh @ W1.T, x.T @ dh, dh.sum(0), h.T @ dy, dy.sum(0)


@wrong("two_layer", "tanh is taken of h, which is already the output of tanh", "input replaced", "factor", *EDIT)
def two_tanh_twice(dy, cache):
    x, a, W1, W2 = cache
    da = dy @ W2.T * (1 - np.tanh(a) ** 2)
    return da @ W1.T, x.T @ da, da.sum(0), a.T @ dy, dy.sum(0)


@wrong("two_layer", "the layers come back from last to first", "order", "shape", *EDIT)
def two_last_first(dy, cache):
    x, h, W1, W2 = cache
    da = dy @ W2.T * (1 - h * h)
    return h.T @ dy, dy.sum(0), x.T @ da, da.sum(0), da @ W1.T


@wrong("two_layer", "db1 is taken before the slope of tanh", "factor", "term", "input replaced", "dependence", *EDIT)
def two_db1_too_early(dy, cache):
    x, h, W1, W2 = cache
    dh = dy @ W2.T
    da = dh * (1 - h**2)
    return da @ W1.T, x.T @ da, dh.sum(0), h.T @ dy, dy.sum(0)


@wrong("two_layer", "W1 stands where W2 should: the product does not fit", "raises", "input replaced", "shape", *EDIT)
def two_w1_for_w2(dy, cache):
    x, h, W1, _ = cache
    da = dy @ W1.T * (1 - h * h)
    return da @ W1.T, x.T @ da, da.sum(0), h.T @ dy, dy.sum(0)


@wrong("two_layer", "h stands where x should: dW1 is (K, K)", "input replaced", "shape", *EDIT)
def two_h_for_x(dy, cache):
    _, h, W1, W2 = cache
    da = (dy @ W2.T) * (1 - h * h)
    return da @ W1.T, h.T @ da, da.sum(0), h.T @ dy, dy.sum(0)


@wrong("two_layer", "two mistakes: the slope of tanh is missing, and db2 is a mean", "factor", "scale", "term", "dependence", "input replaced", *EDIT)
def two_two_slope_and_mean(dy, cache):
    x, h, W1, W2 = cache
    dh = dy @ W2.T
    return dh @ W1.T, x.T @ dh, dh.sum(0), h.T @ dy, dy.mean(0)


@wrong("two_layer", "h is squared in place: dW2 is then made of h^2", "in place", "input replaced", "factor", *EDIT)
def two_h_squared_in_place(dy, cache):
    x, h, W1, W2 = cache
    h *= h
    da = dy @ W2.T * (1 - h)
    return da @ W1.T, x.T @ da, da.sum(0), h.T @ dy, dy.sum(0)


# ---- layer normalisation -----------------------------------------------------------------------------


@wrong("layer_norm", "mean and standard deviation are taken for constants", "term", "dependence")
def norm_constants(dy, cache):
    xhat, std, gain = cache
    return dy * gain / std, (dy * xhat).sum(0), dy.sum(0)


@wrong("layer_norm", "the standard deviation is taken for a constant", "term", *EDIT)
def norm_std_constant(dy, cache):
    xhat, std, gain = cache
    g = dy * gain
    return (g - g.mean(1, keepdims=True)) / std, (dy * xhat).sum(0), dy.sum(0)


@wrong("layer_norm", "the means run over the data: batch normalisation", "axis", "dependence")
def norm_over_the_batch(dy, cache):
    xhat, std, gain = cache
    g = dy * gain
    dx = (g - g.mean(0) - xhat * (g * xhat).mean(0)) / std
    return dx, (dy * xhat).sum(0), dy.sum(0)


@wrong("layer_norm", "the gain is not used in dx", "factor", "input replaced", "dependence", *EDIT)
def norm_no_gain(dy, cache):
    xhat, std, _ = cache
    dx = (dy - dy.mean(-1, keepdims=True) - xhat * (dy * xhat).mean(-1, keepdims=True)) / std
    return dx, (dy * xhat).sum(0), dy.sum(0)


@wrong("layer_norm", "dgain lacks xhat: it is dshift", "factor", "input replaced", "dependence", *EDIT)
def norm_dgain_is_dshift(dy, cache):
    xhat, std, gain = cache
    g = dy * gain
    dx = (g - g.mean(-1, keepdims=True) - xhat * (g * xhat).mean(-1, keepdims=True)) / std
    return dx, dy.sum(0), dy.sum(0)


@wrong("layer_norm", "divided by the variance, not by the standard deviation", "factor", "input replaced", *EDIT)
def norm_variance(dy, cache):
    xhat, std, gain = cache
    g = dy * gain
    dx = (g - g.mean(-1, keepdims=True) - xhat * (g * xhat).mean(-1, keepdims=True)) / std**2
    return dx, (dy * xhat).sum(0), dy.sum(0)


@wrong("layer_norm", "sums in place of the means: 1 / D is missing in both", "factor", "term")
def norm_sums(dy, cache):
    xhat, std, gain = cache
    g = dy * gain
    dx = (g - g.sum(-1, keepdims=True) - xhat * (g * xhat).sum(-1, keepdims=True)) / std
    return dx, (dy * xhat).sum(0), dy.sum(0)


@wrong("layer_norm", "two mistakes: dx lacks the mean of g, and dgain is a mean over the data", "term", "scale", "factor", *EDIT)
def norm_two_term_and_mean(dy, cache):
    xhat, std, gain = cache
    g = dy * gain
    dx = (g - xhat * (g * xhat).mean(-1, keepdims=True)) / std
    return dx, (dy * xhat).mean(0), dy.sum(0)


@wrong("layer_norm", "dx is a formula made of several things", "unknown", "dependence")
def norm_defies(dy, cache):
    xhat, std, gain = cache
    dx = dy * gain * np.exp(-(xhat**2)) / np.sqrt(std) - 0.3 * dy * np.cos(xhat)
    return dx, (dy * xhat).sum(0), dy.sum(0)


# ---- distances -----------------------------------------------------------------------------------------


@wrong("squared_distances", "the 2 of the square is missing", "scale", "factor", *EDIT)
def dist_no_two(dd, cache):
    g = dd[:, :, None] * cache
    return g.sum(1), -g.sum(0)


@wrong("squared_distances", "the two sums are over each other's axes", "axis", "shape", *EDIT)
def dist_axes_exchanged(dd, cache):
    g = 2 * dd[:, :, None] * cache
    return g.sum(0), -g.sum(1)


@wrong("squared_distances", "the sign of dcentres", "scale", "factor", "term", *EDIT)
def dist_sign_of_centres(dd, cache):
    g = 2 * dd[:, :, None] * cache
    return g.sum(1), g.sum(0)


@wrong("squared_distances", "two mistakes: dcentres is a mean, with the wrong sign", "scale", "factor", "term")
def dist_two_mean_and_sign(dd, cache):
    g = 2 * dd[:, :, None] * cache
    return g.sum(1), g.mean(0)


@wrong("mean_squared_error", "divided by the batch size alone, not by the number of pixels too", "scale", "factor", *EDIT)
def mse_batch_only(dloss, cache):
    r = cache
    return dloss * 2 * r / len(r)


@wrong("mean_squared_error", "a forward difference with h = 1e-4", "precision")
def mse_difference(dloss, cache):
    r, h = cache, 1e-4
    return dloss * ((r + h) ** 2 - r**2) / h / r.size


@wrong("mean_squared_error", "the loss is taken for 1: dloss is not used", "dependence", "linearity", "factor", "input replaced", "scale", *EDIT)
def mse_loss_is_one(dloss, cache):
    r = cache
    return 2 * r / r.size


# ---- slips of the pen that are not of one pair -----------------------------------------------------------


@wrong("kl", "three names for a cache of two", "raises")
def kl_three_names(dkl, cache):
    mu, _, sigma2 = cache
    return dkl[:, None] * mu, dkl[:, None] * (sigma2 - 1)


@wrong("bernoulli", "unsqueeze is a method of PyTorch, an array of NumPy has none", "raises", *EDIT)
def ber_unsqueeze(dlog_px, cache):
    p, x = cache
    return dlog_px.unsqueeze(-1) * (x - p)


@wrong("sigmoid", "nothing is returned", "count", "shape")
def sigmoid_no_return(dy, cache):
    y = cache
    dx = dy * y * (1 - y)  # noqa: F841


@wrong("relu", "zeros_like(mask) is an array of booleans: dy is rounded to True", "precision", "linearity", "dependence", "input replaced", *EDIT)
def relu_booleans(dy, cache):
    mask = cache
    dx = np.zeros_like(mask)
    dx[mask] = dy[mask]
    return dx


@wrong("softplus", "dy is clipped to [-0.5, 0.5]", "linearity", "input replaced", "dependence", *EDIT)
def softplus_clipped(dy, cache):
    dy = np.clip(dy, -0.5, 0.5)
    return dy / (1 + np.exp(-cache))


@wrong("swish", "dy is divided by its length", "linearity", "scale", "factor", "dependence", "input replaced", *EDIT)
def swish_unit_length(dy, cache):
    x, s = cache
    dy = dy / np.linalg.norm(dy)
    return dy * (s + x * s * (1 - s))


@wrong("log_sum_exp", "the gradient is a row per class, (D, N)", "transposed", "shape", *EDIT)
def lse_class_by_class(dy, cache):
    a, y = cache
    return np.array([dy * np.exp(a[:, d] - y[:, 0]) for d in range(a.shape[1])])


@wrong("reparameterize_log_var", "the cache's noise is ignored, new noise is drawn", "noise", "dependence", "input replaced")
def rlv_fresh_noise(dz, cache):
    sigma = cache[0]
    noise = np.random.default_rng().normal(size=sigma.shape)
    return dz, dz * noise * sigma / 2


@wrong("layer_norm", "a variance as mean^2 - mean of squares: its root is NaN", "nan", "input replaced", "term")
def norm_negative_variance(dy, cache):
    xhat, std, gain = cache
    g, x = dy * gain, xhat * std
    std = np.sqrt(x.mean(-1, keepdims=True) ** 2 - (x**2).mean(-1, keepdims=True))
    dx = (g - g.mean(-1, keepdims=True) - xhat * (g * xhat).mean(-1, keepdims=True)) / std
    return dx, (dy * xhat).sum(0), dy.sum(0)
