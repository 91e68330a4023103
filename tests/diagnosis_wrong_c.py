"""Wrong backward functions as learners write them: log-densities."""

import numpy as np
from diagnosis_pairs import EDIT
from diagnosis_records import wrong_into

WRONG = []
wrong = wrong_into(WRONG)


# ---- log N(z; mu, sigma^2), of L samples -----------------------------------------------------------


@wrong("gaussian_log_density", "the signs of dz and dmu are exchanged", "scale", "factor", "term", *EDIT)
def gld_signs(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = d * u / sigma
    return dz, -dz.sum(0), (d * (u * u - 1)).sum(0)


@wrong("gaussian_log_density", "1 / sigma is missing in dz and dmu", "factor", "input replaced", "dependence", *EDIT)
def gld_no_sigma(dlog_q, cache):
    _, u = cache
    d = dlog_q[..., None]
    dz = -d * u
    return dz, -dz.sum(0), (d * (u * u - 1)).sum(0)


@wrong("gaussian_log_density", "1 / sigma^2, though u is already divided by sigma", "factor", "input replaced", *EDIT)
def gld_sigma_twice(dlog_q, cache):
    sigma, u = cache
    d = np.expand_dims(dlog_q, -1)
    dz = -d * u / sigma**2
    return dz, -dz.sum(0), (d * (u**2 - 1)).sum(0)


@wrong("gaussian_log_density", "the -1, from -log sigma, is missing in dlog_sigma", "term", *EDIT)
def gld_no_log_term(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return dz, -dz.sum(0), (d * u * u).sum(0)


@wrong("gaussian_log_density", "a half too many: the gradient by a log variance", "scale", "factor", *EDIT)
def gld_half(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return dz, -dz.sum(0), 0.5 * (d * (u * u - 1)).sum(0)


@wrong("gaussian_log_density", "u is not squared", "factor", "term", "input replaced", *EDIT)
def gld_no_square(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return dz, -dz.sum(0), (d * (u - 1)).sum(0)


@wrong("gaussian_log_density", "u^2 is written exp(2 log u), which is NaN where u < 0", "nan")
def gld_log_of_u(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return dz, -dz.sum(0), (d * (np.exp(2 * np.log(u)) - 1)).sum(0)


@wrong("gaussian_log_density", "dmu is not summed over the samples", "shape", "axis", *EDIT)
def gld_dmu_per_sample(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return dz, -dz, (d * (u * u - 1)).sum(0)


@wrong("gaussian_log_density", "dmu has the sign of dz", "scale", "factor", "term", *EDIT)
def gld_dmu_like_dz(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return dz, dz.sum(0), (d * (u * u - 1)).sum(0)


@wrong("gaussian_log_density", "[:, None] puts the new axis between samples and data", "raises", "shape", "axis", *EDIT)
def gld_axis_in_the_middle(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[:, None]
    dz = -d * u / sigma
    return dz, -dz.sum(0), (d * (u * u - 1)).sum(0)


@wrong("gaussian_log_density", "dmu, dlog_sigma, dz: another order", "order", "shape", *EDIT)
def gld_z_last(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return -dz.sum(0), (d * (u * u - 1)).sum(0), dz


@wrong("gaussian_log_density", "dz is not returned", "count")
def gld_without_dz(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    return (d * u / sigma).sum(0), (d * (u * u - 1)).sum(0)


@wrong("gaussian_log_density", "dlog_sigma is a formula made of several things", "unknown")
def gld_defies(dlog_q, cache):
    sigma, u = cache
    d = dlog_q[..., None]
    dz = -d * u / sigma
    return dz, -dz.sum(0), (d * (np.abs(u) ** 1.5 * sigma - np.sin(u) - 0.4)).sum(0)


# ---- Bernoulli: (logits), with p and x in the cache ------------------------------------------------


@wrong("bernoulli", "p - x: the sign", "scale", "factor", "term", *EDIT)
def ber_cross_entropy(dlog_px, cache):
    p, x = cache
    return dlog_px[:, None] * (p - x)


@wrong("bernoulli", "the slope of the sigmoid once too often", "factor", *EDIT)
def ber_slope_again(dlog_px, cache):
    p, x = cache
    return dlog_px[:, None] * (x - p) * p * (1 - p)


@wrong("bernoulli", "the gradient by p: the slope p (1 - p) of the sigmoid is missing", "factor", *EDIT)
def ber_by_p(dlog_px, cache):
    p, x = cache
    dp = x / p - (1 - x) / (1 - p)
    return dlog_px[:, None] * dp


@wrong("bernoulli", "dlog_px (N,) meets (N, D) without a new axis", "raises", "shape", "axis", *EDIT)
def ber_no_new_axis(dlog_px, cache):
    p, x = cache
    return dlog_px * (x - p)


@wrong("bernoulli", "a mean over the pixels, where forward sums them", "scale", "factor", *EDIT)
def ber_per_pixel(dlog_px, cache):
    p, x = cache
    return dlog_px[:, None] * (x - p) / x.shape[1]


@wrong("bernoulli", "the term of the pixels that are off, (1 - x) p, is missing", "term", "factor", "input replaced", *EDIT)
def ber_only_on(dlog_px, cache):
    p, x = cache
    return dlog_px[:, None] * x * (1 - p)


@wrong("bernoulli", "the sigmoid of p: the cache holds p, not the logits", "input replaced", *EDIT)
def ber_sigmoid_twice(dlog_px, cache):
    logits, x = cache
    return dlog_px[:, None] * (x - 1 / (1 + np.exp(-logits)))


@wrong("bernoulli", "every datum gets the sum of dlog_px over the batch", "axis", "dependence", "input replaced", *EDIT)
def ber_summed_upstream(dlog_px, cache):
    p, x = cache
    return dlog_px.sum() * (x - p)


@wrong("bernoulli", "the right numbers, but written into x, which is data", "in place")
def ber_into_x(dlog_px, cache):
    p, x = cache
    x -= p
    return dlog_px[:, None] * x


@wrong("bernoulli", "two mistakes: the sign, and a mean over the batch", "scale", "factor", "term")
def ber_two_sign_and_mean(dlog_px, cache):
    p, x = cache
    return dlog_px[:, None] * (p - x) / len(p)


@wrong("bernoulli", "a formula made of several things", "unknown")
def ber_defies(dlog_px, cache):
    p, x = cache
    return dlog_px[:, None] * (np.sqrt(p) * x**2 - 0.4 * np.log1p(p * x) - 0.2)


# ---- Gaussian, fixed and learned variance; Laplace ---------------------------------------------------


@wrong("gaussian", "divided by the standard deviation sqrt(eta), not by the variance eta", "scale", "factor", "input replaced", *EDIT)
def gau_root(dlog_px, cache):
    r, eta = cache
    return dlog_px[:, None] * r / np.sqrt(eta)


@wrong("gaussian", "the division by eta is missing", "scale", "factor", "input replaced", "dependence", *EDIT)
def gau_plain_error(dlog_px, cache):
    r, _ = cache
    return dlog_px[:, None] * r


@wrong("gaussian", "the sign: the gradient by x", "scale", "factor", "term", *EDIT)
def gau_by_x(dlog_px, cache):
    r, eta = cache
    return -dlog_px[:, None] * r / eta


@wrong("gaussian", "eta is taken for a standard deviation: divided by eta^2", "scale", "factor", "input replaced", *EDIT)
def gau_eta_squared(dlog_px, cache):
    r, sigma = cache
    return dlog_px[:, None] * r / sigma**2


@wrong("gaussian", "r is transposed so that the product fits, and so is the result", "transposed", "shape", *EDIT)
def gau_transposed(dlog_px, cache):
    r, eta = cache
    return dlog_px * r.T / eta


@wrong("gaussian_scalar", "dlog_eta is not summed: it has the shape of the pixels", "shape", "axis", *EDIT)
def gs_not_summed(dlog_px, cache):
    r, precision = cache
    d = dlog_px[:, None]
    return d * r * precision, d * (r * r * precision - 1) / 2


@wrong("gaussian_scalar", "the half is missing in dlog_eta", "scale", "factor", *EDIT)
def gs_no_half(dlog_px, cache):
    r, precision = cache
    d = dlog_px[:, None]
    return d * r * precision, np.sum(d * (r * r * precision - 1))


@wrong("gaussian_scalar", "the -1, from log eta, is missing in dlog_eta", "term", *EDIT)
def gs_no_log_term(dlog_px, cache):
    r, precision = cache
    d = dlog_px[:, None]
    return d * r * precision, np.sum(d * r**2 * precision) / 2


@wrong("gaussian_scalar", "dlog_eta is a mean over data and pixels", "scale", "factor", *EDIT)
def gs_mean(dlog_px, cache):
    r, precision = cache
    d = dlog_px[:, None]
    return d * r * precision, np.mean(d * (r * r * precision - 1) / 2)
