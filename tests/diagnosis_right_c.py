"""Right backward functions, written in another way: divergences, composites, distances."""

import numpy as np
from diagnosis_records import right_into

RIGHT = []
right = right_into(RIGHT)


# ---- KL -----------------------------------------------------------------------------------------------


@right("kl")
def kl_einsum(dkl, cache):
    mu, sigma2 = cache
    return np.einsum("n,nk->nk", dkl, mu), np.einsum("n,nk->nk", dkl, sigma2 - 1)


@right("kl")
def kl_transposed(dkl, cache):
    mu, sigma2 = cache
    return (dkl * mu.T).T, ((sigma2.T - 1) * dkl).T


@right("kl")
def kl_by_sigma_then_log(dkl, cache):
    mu, sigma2 = cache
    sigma = np.sqrt(sigma2)
    dsigma = dkl[:, None] * (sigma - 1 / sigma)
    return dkl[:, None] * mu, dsigma * sigma


@right("kl")
def kl_factored(dkl, cache):
    mu, sigma2 = cache
    s, d = sigma2**0.5, dkl.reshape(-1, 1)
    return d * mu, d * (s - 1) * (s + 1)


@right("kl")
def kl_diagonal_matrix(dkl, cache):
    mu, sigma2 = cache
    D = np.diag(dkl)
    return [D @ mu, D @ sigma2 - D @ np.ones_like(mu)]


@right("kl")
def kl_expm1(dkl, cache):
    mu, sigma2 = cache
    d = np.repeat(dkl, mu.shape[1]).reshape(mu.shape)
    return d * mu, d * np.expm1(np.log(sigma2))


@right("kl_log_var")
def klv_two_halves(dkl, cache):
    mu, var = cache
    half = dkl[:, None] / 2
    return 2 * half * mu, half * var - half


@right("kl_log_var")
def klv_rows(dkl, cache):
    mu, var = cache
    rows = [(d * m, d * (v - 1) / 2) for d, m, v in zip(dkl, mu, var)]
    return tuple(np.stack(column) for column in zip(*rows))


@right("kl_between")
def klb_broadcast_by_hand(dkl, cache):
    r, sigma2, s2 = cache
    d, s2 = np.outer(dkl, np.ones_like(s2)), np.tile(s2, (len(r), 1))
    dr = d * r / s2
    return dr, d * sigma2 / s2 - d, np.sum(-dr, axis=0), np.sum(d - d * sigma2 / s2 - r * dr, axis=0)


@right("kl_between")
def klb_matrix_products(dkl, cache):
    r, sigma2, s2 = cache
    dmu = dkl[:, None] * r / s2
    return dmu, dkl[:, None] * (sigma2 - s2) / s2, -(dkl @ r) / s2, dkl.sum() - dkl @ (sigma2 + r**2) / s2


# ---- composites and distances ----------------------------------------------------------------------------------


@right("two_layer")
def two_by_steps(dy, cache):
    x, h, W1, W2 = cache
    db2, dW2, dh = dy.sum(0), (dy.T @ h).T, np.dot(dy, W2.T)
    da = dh - dh * h**2
    return [da.dot(W1.T), x.T.dot(da), np.ones(len(x)) @ da, dW2, db2]


@right("two_layer")
def two_einsum(dy, cache):
    x, h, W1, W2 = cache
    da = np.einsum("nl,kl,nk->nk", dy, W2, (1 - h) * (1 + h))
    return np.einsum("nk,dk->nd", da, W1), np.einsum("nd,nk->dk", x, da), da.sum(0), np.einsum("nk,nl->kl", h, dy), dy.sum(0)


@right("two_layer")
def two_datum_by_datum(dy, cache):
    x, h, W1, W2 = cache
    da = np.stack([W2 @ d * (1 - k * k) for d, k in zip(dy, h)])
    dW1, dW2 = (sum(np.outer(a, b) for a, b in zip(left, right)) for left, right in ((x, da), (h, dy)))
    return da @ W1.T, dW1, sum(da), dW2, sum(dy)


@right("layer_norm")
def norm_by_count(dy, cache):
    xhat, std, gain = cache
    g, n = dy * gain, xhat.shape[-1]
    dx = (n * g - g.sum(-1, keepdims=True) - xhat * (g * xhat).sum(-1, keepdims=True)) / (n * std)
    return dx, np.einsum("nd,nd->d", dy, xhat), np.add.reduce(dy)


@right("layer_norm")
def norm_chain(dy, cache):
    xhat, std, gain = cache
    g = dy * gain
    r, n = xhat * std, xhat.shape[-1]
    dstd = -(g * r).sum(-1, keepdims=True) / std**2
    dr = g / std + dstd / std * r / n
    return dr - dr.mean(-1, keepdims=True), (xhat * dy).sum(0), dy.sum(0)


@right("layer_norm")
def norm_projection(dy, cache):
    xhat, std, gain = cache
    n = xhat.shape[1]
    P = np.eye(n) - 1 / n - np.einsum("ni,nj->nij", xhat, xhat) / n
    return np.einsum("nij,nj->ni", P, dy * gain) / std, np.diag(dy.T @ xhat).copy(), dy.T.sum(1)


@right("squared_distances")
def dist_einsum(dd, cache):
    return 2 * np.einsum("nl,nlk->nk", dd, cache), -2 * np.einsum("nl,nlk->lk", dd, cache)


@right("squared_distances")
def dist_loops(dd, cache):
    dz, dcentres = np.zeros(cache[:, 0].shape), np.zeros(cache[0].shape)
    for n, el in np.ndindex(dd.shape):
        dz[n] += 2 * dd[n, el] * cache[n, el]
        dcentres[el] -= 2 * dd[n, el] * cache[n, el]
    return dz, dcentres


@right("mean_squared_error")
def mse_nested_means(dloss, cache):
    n, d = cache.shape
    return dloss * (cache + cache) / n / d


@right("mean_squared_error")
def mse_flat(dloss, cache):
    flat = 2 * dloss / cache.size * cache.ravel()
    return flat.reshape(cache.shape)
