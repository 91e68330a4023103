"""Wrong backward functions as learners write them: more log-densities, bounds, networks, distances."""

import numpy as np
from diagnosis_pairs import EDIT
from diagnosis_records import wrong_into

WRONG = []
wrong = wrong_into(WRONG)


@wrong("gaussian_scalar", "the -1 of log eta is counted once per datum, not once per pixel", "term", "axis", "factor", *EDIT)
def gs_once_per_datum(dlog_px, cache):
    r, precision = cache
    d = dlog_px[:, None]
    return d * r * precision, np.sum(dlog_px * ((r * r * precision).sum(-1) - 1) / 2)


@wrong("gaussian_scalar", "a third gradient, by eta itself, beside the one by its logarithm", "count")
def gs_with_deta(dlog_px, cache):
    r, precision = cache
    d = dlog_px[:, None]
    dlog_eta = np.sum(d * (r * r * precision - 1) / 2)
    return d * r * precision, dlog_eta, dlog_eta * precision


@wrong("laplace", "|r| stands where the sign of r should", "input replaced", "factor", "dependence", *EDIT)
def lap_abs(dlog_px, cache):
    r, b = cache
    return dlog_px[:, None] * np.abs(r) / b


@wrong("laplace", "r stands where the sign of r should: squared error", "input replaced", "factor", "dependence", *EDIT)
def lap_squared_error(dlog_px, cache):
    r, b = cache
    return dlog_px[:, None] * r / b


@wrong("laplace", "the division by b is missing", "scale", "factor", "input replaced", "dependence", *EDIT)
def lap_no_b(dlog_px, cache):
    r, _ = cache
    return dlog_px[:, None] * np.sign(r)


# ---- categorical, Poisson ---------------------------------------------------------------------------


@wrong("categorical", "log p stands where p should: the exponential is missing", "input replaced", *EDIT)
def cat_log_p(dlog_px, cache):
    p, classes = cache
    onehot = np.arange(p.shape[-1]) == classes
    return dlog_px[:, None, None] * (onehot - p)


@wrong("categorical", "the one-hot term of the class that was seen is missing", "term", "dependence", "input replaced", *EDIT)
def cat_no_onehot(dlog_px, cache):
    log_p, _ = cache
    return -dlog_px[:, None, None] * np.exp(log_p)


@wrong("categorical", "only the logit of the class that was seen gets a gradient", "factor", "term", "dependence", *EDIT)
def cat_seen_class_alone(dlog_px, cache):
    log_p, classes = cache
    onehot = np.arange(log_p.shape[-1]) == classes
    return dlog_px[:, None, None] * onehot * (1 - np.exp(log_p))


@wrong("categorical", "classes counted from 1", "input replaced", "term", *EDIT)
def cat_from_one(dlog_px, cache):
    log_p, classes = cache
    onehot = np.arange(1, log_p.shape[-1] + 1) == classes
    return dlog_px[:, None, None] * (onehot - np.exp(log_p))


@wrong("categorical", "one new axis where two are needed", "raises", "shape", "axis", *EDIT)
def cat_one_new_axis(dlog_px, cache):
    log_p, classes = cache
    onehot = np.arange(log_p.shape[-1]) == classes
    return dlog_px[:, None] * (onehot - np.exp(log_p))


@wrong("poisson", "the log rate stands where the rate should", "input replaced", *EDIT)
def poi_no_exp(dlog_px, cache):
    x, rate = cache
    return dlog_px[:, None] * (x - np.log(rate))


@wrong("poisson", "the gradient by the rate, x / r - 1: the factor r is missing", "factor", *EDIT)
def poi_by_the_rate(dlog_px, cache):
    x, rate = cache
    return dlog_px[:, None] * (x / rate - 1)


@wrong("poisson", "the term of the rate is missing", "term", "dependence", "input replaced", *EDIT)
def poi_x_alone(dlog_px, cache):
    x, _ = cache
    return dlog_px[:, None] * x


@wrong("poisson", "x + r: the sign of the rate", "term", "input replaced", *EDIT)
def poi_plus(dlog_px, cache):
    x, rate = cache
    return dlog_px[:, None] * (x + rate)


# ---- the k-sample bound, softmax, log-sum-exp ----------------------------------------------------------


@wrong("iwae_bound", "every sample gets 1 / k: the gradient of the mean of the logs", "input replaced", "dependence", "factor", *EDIT)
def iwae_as_elbo(dbound, cache):
    k = len(cache)
    return np.tile(dbound / k, (k, 1))


@wrong("iwae_bound", "the weights are normalised over the data, not over the samples", "axis", "factor", "input replaced", "dependence", *EDIT)
def iwae_over_data(dbound, cache):
    w = cache / cache.sum(axis=1, keepdims=True)
    return dbound * w


@wrong("iwae_bound", "divided by k once more", "scale", "factor", *EDIT)
def iwae_one_over_k(dbound, cache):
    return dbound * cache / cache.shape[0]


@wrong("iwae_bound", "the logarithm of the weights stands where the weights should", "input replaced", *EDIT)
def iwae_log_weights(dbound, cache):
    weights = cache
    return dbound * np.log(weights)


@wrong("iwae_bound", "dbound[:, None] would need the data in the first axis", "raises", "shape", "axis", *EDIT)
def iwae_new_axis(dbound, cache):
    weights = cache
    return dbound[:, None] * weights


@wrong("iwae_bound", "(N, k), not (k, N)", "transposed", "shape", *EDIT)
def iwae_transposed(dbound, cache):
    weights = cache
    return dbound[:, None] * weights.T


@wrong("iwae_bound", "a formula made of several things", "unknown", "dependence")
def iwae_defies(dbound, cache):
    w = cache
    return dbound * (np.sqrt(w) * w.max(0) + 0.3 * np.sin(5 * w)) / (1.2 + w.sum(1, keepdims=True))


@wrong("softmax", "only the diagonal of the Jacobian", "term", "dependence", "axis", *EDIT)
def soft_diagonal(dp, cache):
    p = cache
    return dp * p * (1 - p)


@wrong("softmax", "the sum runs over the data, not over the classes", "axis", "dependence", *EDIT)
def soft_over_data(dp, cache):
    p = cache
    return p * (dp - (dp * p).sum(axis=0, keepdims=True))


@wrong("softmax", "keepdims is missing", "raises", "shape", "axis", *EDIT)
def soft_no_keepdims(dp, cache):
    p = cache
    return p * (dp - (dp * p).sum(-1))


@wrong("softmax", "the sum of dp is not weighted with p", "factor", "term", "input replaced", "dependence", *EDIT)
def soft_plain_sum(dp, cache):
    p = cache
    return p * (dp - dp.sum(-1, keepdims=True))


@wrong("softmax", "the factor p in front is missing", "factor", "input replaced", *EDIT)
def soft_no_outer_p(dp, cache):
    p = cache
    return dp - (dp * p).sum(-1, keepdims=True)


@wrong("log_sum_exp", "the exponentials are not divided by their sum", "factor", "term", "input replaced", "dependence", *EDIT)
def lse_not_normalised(dy, cache):
    a, _ = cache
    return dy[:, None] * np.exp(a)


# ---- KL(N(mu, sigma^2) || N(m, s^2)) --------------------------------------------------------------------


@wrong("kl_between", "the prior's variance is missing in dmu, and so in dm", "factor", "input replaced", "dependence", *EDIT)
def klb_unit_prior(dkl, cache):
    r, sigma2, s2 = cache
    d = dkl[:, None]
    dmu = d * r
    return dmu, d * (sigma2 / s2 - 1), -dmu.sum(0), (d * (1 - (sigma2 + r * r) / s2)).sum(0)


@wrong("kl_between", "dm has the sign of dmu", "scale", "factor", "term", *EDIT)
def klb_sign_of_dm(dkl, cache):
    r, sigma2, s2 = cache
    d = dkl[:, None]
    dmu = d * r / s2
    return dmu, d * (sigma2 / s2 - 1), dmu.sum(0), (d * (1 - (sigma2 + r * r) / s2)).sum(0)


@wrong("kl_between", "dm and dlog_s are not summed over the data", "shape", "axis", *EDIT)
def klb_per_datum(dkl, cache):
    r, sigma2, s2 = cache
    d = dkl[:, None]
    return d * r / s2, d * (sigma2 / s2 - 1), -d * r / s2, d * (1 - (sigma2 + r * r) / s2)


@wrong("kl_between", "the term r^2 is missing in dlog_s", "term", "input replaced", "dependence", *EDIT)
def klb_no_r(dkl, cache):
    r, sigma2, s2 = cache
    d = dkl[:, None]
    dmu = d * r / s2
    return dmu, d * (sigma2 / s2 - 1), -dmu.sum(0), (d * (1 - sigma2 / s2)).sum(0)


@wrong("kl_between", "dlog_sigma of the KL the other way round, made of several changes", "unknown", "dependence", "input replaced")
def klb_other_way(dkl, cache):
    r, sigma2, s2 = cache
    d = dkl[:, None]
    dmu = d * r / s2
    return dmu, d * (1 - (s2 + r * r) / sigma2), -dmu.sum(0), (d * (1 - (sigma2 + r * r) / s2)).sum(0)


@wrong("softmax", "the right numbers, but dp, which belongs to the caller, is multiplied by p", "in place")
def soft_into_dp(dp, cache):
    p = cache
    dp *= p
    return dp - p * dp.sum(-1, keepdims=True)
