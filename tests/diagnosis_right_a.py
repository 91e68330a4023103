"""Right backward functions, written in another way: layers and noise."""

import numpy as np
from diagnosis_records import right_into

RIGHT = []
right = right_into(RIGHT)


# ---- dense --------------------------------------------------------------------------------------


@right("dense")
def dense_einsum(dy, cache):
    x, W = cache
    return np.einsum("no,io->ni", dy, W), np.einsum("ni,no->io", x, dy), np.einsum("no->o", dy)


@right("dense")
def dense_loops(dy, cache):
    x, W = cache
    dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros(W.shape[1])
    for n in range(len(x)):
        dx[n] = W @ dy[n]
        dW += np.outer(x[n], dy[n])
        db += dy[n]
    return dx, dW, db


@right("dense")
def dense_transposed_twice(dy, cache):
    x, W = cache
    return [(W @ dy.T).T, (dy.T @ x).T, np.ones(len(x)) @ dy]


@right("dense")
def dense_augmented(dy, cache):
    x, W = cache
    x1 = np.hstack([x, np.ones((len(x), 1))])
    dW1 = x1.T @ dy
    return np.tensordot(dy, W, axes=(1, 1)), dW1[:-1], dW1[-1]


@right("dense")
def dense_out_arguments(dy, cache):
    x, W = cache
    dx, dW = np.empty_like(x), np.empty_like(W)
    np.dot(dy, W.T, out=dx)
    np.dot(x.T, dy, out=dW)
    return dx, dW, np.add.reduce(dy, axis=0)


@right("dense")
def dense_mean_times_count(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.mean(0) * len(dy)


# ---- elementwise ----------------------------------------------------------------------------------


@right("tanh")
def tanh_product(dy, cache):
    y = cache
    return np.multiply(dy, (1 - y) * (1 + y))


@right("tanh")
def tanh_cosh(dy, cache):
    x = np.arctanh(cache)
    return dy / np.cosh(x) ** 2


@right("tanh")
def tanh_two_terms(dy, cache):
    return (dy - dy * cache**2,)


@right("tanh")
def tanh_in_a_copy(dy, cache):
    dx = cache.copy()
    dx *= dx
    np.subtract(1, dx, out=dx)
    dx *= dy
    return dx


@right("tanh")
def tanh_rounded(dy, cache):
    return dy * (1 - cache * cache) * (1 + 1e-13)


@right("sigmoid")
def sigmoid_two_terms(dy, cache):
    y = cache
    return dy * (y - y**2)


@right("sigmoid")
def sigmoid_square_completed(dy, cache):
    return dy * (0.25 - (cache - 0.5) ** 2)


@right("sigmoid")
def sigmoid_from_the_input(dy, cache):
    x = np.log(cache) - np.log1p(-cache)
    return dy / (2 + np.exp(x) + np.exp(-x))


@right("sigmoid")
def sigmoid_cell_by_cell(dy, cache):
    dx = np.empty(dy.shape)
    for i, y in np.ndenumerate(cache):
        dx[i] = dy[i] * y * (1 - y)
    return dx


@right("softplus")
def softplus_by_exp(dy, cache):
    return dy / (1 + np.exp(-cache))


@right("softplus")
def softplus_complement(dy, cache):
    x = cache
    return dy - dy / (1 + np.exp(x))


@right("softplus")
def softplus_by_tanh(dy, cache):
    return 0.5 * dy * (1 + np.tanh(0.5 * cache))


@right("softplus")
def softplus_stable_sides(dy, cache):
    e = np.exp(-np.abs(cache))
    return dy * np.where(cache >= 0, 1, e) / (1 + e)


@right("relu")
def relu_where(dy, cache):
    return np.where(cache, dy, 0.0)


@right("relu")
def relu_by_index(dy, cache):
    dx = np.zeros_like(dy)
    dx[cache] = dy[cache]
    return dx


@right("relu")
def relu_copy_then_zero(dy, cache):
    dx = np.array(dy)
    dx[np.logical_not(cache)] = 0
    return dx


@right("leaky_relu")
def leaky_slopes(dy, cache):
    slope = 0.1 + 0.9 * (cache > 0)
    return dy * slope


@right("leaky_relu")
def leaky_by_sign(dy, cache):
    return dy * (0.55 + 0.45 * np.sign(cache))


@right("swish")
def swish_by_output(dy, cache):
    x, s = cache
    y = x * s
    return dy * (y + s * (1 - y))


@right("swish")
def swish_factored(dy, cache):
    x, s = cache
    return dy * s * (1 + x * (1 - s))


@right("dropout")
def dropout_by_index(dy, cache):
    dx = np.zeros_like(dy)
    dx[cache > 0] = dy[cache > 0] / 0.7
    return dx


@right("dropout")
def dropout_einsum(dy, cache):
    return np.einsum("...,...->...", dy, cache)


# ---- reparameterize ---------------------------------------------------------------------------------


@right("reparameterize")
def rep_einsum(dz, cache):
    sigma, eps = cache
    return np.einsum("lnk->nk", dz), np.einsum("lnk,lnk,nk->nk", dz, eps, sigma)


@right("reparameterize")
def rep_sample_by_sample(dz, cache):
    sigma, eps = cache
    dmu = dlog_sigma = 0
    for d, e in zip(dz, eps):
        dmu = dmu + d
        dlog_sigma = dlog_sigma + d * e * sigma
    return dmu, dlog_sigma


@right("reparameterize")
def rep_displacement(dz, cache):
    sigma, eps = cache
    moved = eps * np.exp(np.log(sigma))  # z - mu
    return [dz.sum(0), np.add.reduce(moved * dz)]


@right("reparameterize")
def rep_sigma_outside(dz, cache):
    sigma, eps = cache
    return np.sum(dz, axis=0), sigma * (eps * dz).sum(axis=0)


@right("reparameterize")
def rep_mean_times_l(dz, cache):
    sigma, eps = cache
    n_samples = len(eps)
    return n_samples * dz.mean(0), n_samples * np.mean(dz * eps, 0) * sigma


@right("reparameterize_log_var")
def rlv_root_of_the_variance(dz, cache):
    sigma, eps = cache
    var = sigma**2
    dvar = dz * eps / (2 * np.sqrt(var))
    return dz.copy(), dvar * var


@right("reparameterize_log_var")
def rlv_half_of_the_displacement(dz, cache):
    sigma, eps = cache
    return +dz, np.multiply(dz, sigma * eps) / 2
