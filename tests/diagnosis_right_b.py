"""Right backward functions, written in another way: log-densities and bounds."""

import numpy as np
from diagnosis_records import right_into

RIGHT = []
right = right_into(RIGHT)


# ---- log N(z; mu, sigma^2) ------------------------------------------------------------------------------


@right("gaussian_log_density")
def gld_einsum(dlog_q, cache):
    sigma, u = cache
    dmu = np.einsum("ln,lnk->lnk", dlog_q, u) / sigma
    return -dmu, np.einsum("lnk->nk", dmu), np.einsum("ln,lnk->nk", dlog_q, u**2 - 1)


@right("gaussian_log_density")
def gld_variance(dlog_q, cache):
    sigma, u = cache
    r, eta, d = u * sigma, sigma**2, np.expand_dims(dlog_q, 2)
    dz = -d * r / eta
    dlog_eta = d * (r**2 / eta - 1) / 2
    return [dz, np.negative(dz).sum(0), 2 * dlog_eta.sum(0)]


@right("gaussian_log_density")
def gld_sample_by_sample(dlog_q, cache):
    sigma, u = cache
    dz = np.stack([-(d * (v / sigma).T).T for d, v in zip(dlog_q, u)])
    dlog_sigma = sum((d * (v * v - 1).T).T for d, v in zip(dlog_q, u))
    return dz, -dz.sum(axis=0), dlog_sigma


@right("gaussian_log_density")
def gld_factored(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[:, :, np.newaxis]
    du = -d * u
    dz = du / sigma
    return dz, -np.add.reduce(dz), ((u - 1) * (u + 1) * d).sum(0)


# ---- Bernoulli --------------------------------------------------------------------------------------------


@right("bernoulli")
def ber_both_terms(dlog_px, cache):
    p, x = cache
    return dlog_px[:, None] * (x * (1 - p) - (1 - x) * p)


@right("bernoulli")
def ber_through_p(dlog_px, cache):
    p, x = cache
    dp = (x - p) / (p * (1 - p))
    return (dlog_px * dp.T).T * p * (1 - p)


@right("bernoulli")
def ber_einsum(dlog_px, cache):
    p, x = cache
    return -np.einsum("n,nd->nd", dlog_px, p - x)


@right("bernoulli")
def ber_list_of_rows(dlog_px, cache):
    p, x = cache
    return np.array([d * (xi - pi) for d, xi, pi in zip(dlog_px, x, p)])


# ---- Gaussian, Laplace --------------------------------------------------------------------------------------


@right("gaussian")
def gau_sigma_twice(dlog_px, cache):
    r, eta = cache
    sigma = eta**0.5
    u = r / sigma
    return dlog_px[:, None] * u / sigma


@right("gaussian")
def gau_precision(dlog_px, cache):
    r, eta = cache
    return np.outer(dlog_px, np.full(r.shape[1], 1 / eta)) * r


@right("gaussian")
def gau_out(dlog_px, cache):
    r, eta = cache
    dmean = np.empty(r.shape)
    np.multiply(dlog_px[:, None], r, out=dmean)
    dmean /= eta
    return dmean


@right("gaussian_scalar")
def gs_dot(dlog_px, cache):
    r, precision = cache
    square = (r * r).sum(-1) * precision
    return dlog_px[:, None] * r * precision, dlog_px @ (square - r.shape[1]) / 2


@right("gaussian_scalar")
def gs_half_first(dlog_px, cache):
    r, precision = cache
    half = 0.5 * dlog_px[:, None]
    dmean = 2 * half * precision * r
    return dmean, np.sum(0.5 * dmean * r - half)


@right("gaussian_scalar")
def gs_einsum(dlog_px, cache):
    r, precision = cache
    dlog_eta = (precision * np.einsum("n,nd,nd->", dlog_px, r, r) - r.shape[1] * dlog_px.sum()) / 2
    return np.einsum("n,nd->nd", dlog_px, r) * precision, dlog_eta


@right("laplace")
def lap_two_sides(dlog_px, cache):
    r, b = cache
    return dlog_px[:, None] / b * ((r > 0).astype(float) - (r < 0))


@right("laplace")
def lap_ratio(dlog_px, cache):
    r, b = cache
    return dlog_px[:, None] * r / (b * np.abs(r))


@right("laplace")
def lap_where(dlog_px, cache):
    r, b = cache
    d = dlog_px[:, None] / b
    return np.where(r > 0, d, -d)


# ---- categorical, Poisson -------------------------------------------------------------------------------------


@right("categorical")
def cat_subtract_at_the_class(dlog_px, cache):
    log_p, classes = cache
    g = -np.exp(log_p)
    n, d = np.indices(classes.shape[:2])
    g[n, d, classes[..., 0]] += 1
    return dlog_px[:, None, None] * g


@right("categorical")
def cat_eye(dlog_px, cache):
    log_p, classes = cache
    onehot = np.eye(log_p.shape[-1])[classes[..., 0]]
    return np.einsum("n,ndc->ndc", dlog_px, onehot - np.exp(log_p))


@right("categorical")
def cat_normalised_again(dlog_px, cache):
    log_p, classes = cache
    p = np.exp(log_p - log_p.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    return dlog_px.reshape(-1, 1, 1) * ((np.arange(p.shape[-1]) == classes) - p)


@right("poisson")
def poi_through_the_rate(dlog_px, cache):
    x, rate = cache
    drate = dlog_px[:, None] * (x / rate - 1)
    return drate * rate


@right("poisson")
def poi_two_products(dlog_px, cache):
    x, rate = cache
    return (dlog_px * x.T).T - np.diag(dlog_px) @ rate


# ---- bounds, softmax -------------------------------------------------------------------------------------------


@right("iwae_bound")
def iwae_sample_by_sample(dbound, cache):
    return np.array([dbound * w for w in cache])


@right("iwae_bound")
def iwae_softmax_again(dbound, cache):
    log_w = np.log(cache) + 3.7  # softmax does not see the constant
    w = np.exp(log_w - log_w.max(0))
    return w / w.sum(0) * dbound


@right("iwae_bound")
def iwae_transposed_twice(dbound, cache):
    return (dbound[:, None] * cache.T).T


@right("softmax")
def soft_jacobian(dp, cache):
    p = cache
    J = np.einsum("nc,cd->ncd", p, np.eye(p.shape[1])) - np.einsum("nc,nd->ncd", p, p)
    return np.einsum("ncd,nd->nc", J, dp)


@right("softmax")
def soft_row_by_row(dp, cache):
    return np.stack([p * (d - p @ d) for p, d in zip(cache, dp)])


@right("softmax")
def soft_two_terms(dp, cache):
    g = dp * cache
    return g - cache * g.sum(1, keepdims=True)


@right("log_sum_exp")
def lse_softmax(dy, cache):
    a, _ = cache
    e = np.exp(a - a.max(1, keepdims=True))
    return dy[:, None] * e / e.sum(1, keepdims=True)


@right("log_sum_exp")
def lse_inner_division(dy, cache):
    a, y = cache
    return 1 / np.exp(y - a) * dy.reshape(-1, 1)
