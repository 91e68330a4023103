"""Wrong backward functions as learners write them: the Gaussian posterior, its noise and its divergences, dropout."""

import numpy as np
from diagnosis_pairs import EDIT
from diagnosis_records import wrong_into

WRONG = []
wrong = wrong_into(WRONG)


# ---- dropout ------------------------------------------------------------------------------------


@wrong("dropout", "the mask is not used: the units that were dropped learn", "factor", "dependence", "input replaced", *EDIT)
def dropout_passes(dy, cache):
    return 1.0 * dy


@wrong("dropout", "1 / (1 - p) is missing: a mask of zeros and ones", "scale", "factor", "input replaced", "dependence", *EDIT)
def dropout_binary(dy, cache):
    mask = cache
    return dy * (mask > 0)


@wrong("dropout", "a fresh mask is drawn", "noise", "dependence", "input replaced")
def dropout_new_mask(dy, cache):
    mask = (np.random.rand(*dy.shape) < 0.7) / 0.7
    return dy * mask


@wrong("dropout", "division by the mask, which holds zeros", "nan", "factor", "input replaced", *EDIT)
def dropout_divides(dy, cache):
    mask = cache
    return dy / mask


@wrong("dropout", "the mask is multiplied in twice", "scale", "factor", "input replaced", *EDIT)
def dropout_twice(dy, cache):
    mask = cache
    dx = mask * dy
    return mask * dx


# ---- reparameterize: z = mu + sigma eps ------------------------------------------------------------


@wrong("reparameterize", "dsigma in place of dlog_sigma: the factor sigma is missing", "factor", "input replaced", "dependence", *EDIT)
def rep_no_sigma(dz, cache):
    _, eps = cache
    return dz.sum(0), (dz * eps).sum(0)


@wrong("reparameterize", "eps is drawn anew", "noise", "dependence", "input replaced")
def rep_fresh_eps(dz, cache):
    sigma, _ = cache
    eps = np.random.randn(*dz.shape)
    return dz.sum(0), (dz * eps * sigma).sum(0)


@wrong("reparameterize", "sigma^2 in place of sigma", "factor", "input replaced", *EDIT)
def rep_variance(dz, cache):
    sigma, eps = cache
    return dz.sum(axis=0), np.sum(dz * eps * sigma**2, axis=0)


@wrong("reparameterize", "a half too many: the gradient by a log variance", "scale", "factor", *EDIT)
def rep_half(dz, cache):
    std, eps = cache
    dlogvar = 0.5 * dz * eps * std
    return dz.sum(0), dlogvar.sum(0)


@wrong("reparameterize", "only the first of the L samples is used", "axis", "dependence", "term", "input replaced", *EDIT)
def rep_first_sample(dz, cache):
    sigma, eps = cache
    return dz[0], dz[0] * eps[0] * sigma


@wrong("reparameterize", "the L samples are not summed", "shape", "axis", *EDIT)
def rep_not_summed(dz, cache):
    sigma, eps = cache
    return dz, dz * eps * sigma


@wrong("reparameterize", "a mean over the samples, not their sum", "scale", "factor", *EDIT)
def rep_mean(dz, cache):
    sigma, eps = cache
    return np.mean(dz, axis=0), np.mean(dz * eps * sigma, axis=0)


@wrong("reparameterize", "dlog_sigma is returned before dmu", "order", "dependence", *EDIT)
def rep_exchanged(dz, cache):
    sigma, eps = cache
    dlog_sigma = (dz * eps * sigma).sum(0)
    dmu = dz.sum(0)
    return dlog_sigma, dmu


@wrong("reparameterize", "dsigma, a step on the way, is returned too, between the two", "count")
def rep_with_dsigma(dz, cache):
    sigma, eps = cache
    dsigma = (dz * eps).sum(0)
    return dz.sum(0), dsigma, sigma * dsigma


@wrong("reparameterize", "eps is missing", "factor", "input replaced", "dependence", *EDIT)
def rep_no_eps(dz, cache):
    sigma, _ = cache
    return dz.sum(0), dz.sum(0) * sigma


@wrong("reparameterize", "dmu is dz itself, then multiplied in place: dmu gets eps sigma too", "in place", "factor", "input replaced", "dependence", *EDIT)
def rep_alias(dz, cache):
    sigma, eps = cache
    dmu = dz
    dz *= eps * sigma
    return dmu.sum(0), dz.sum(0)


@wrong("reparameterize", "the sum runs over the data, not over the samples", "axis", "shape", *EDIT)
def rep_over_the_data(dz, cache):
    sigma, eps = cache
    return dz.sum(1), (dz * eps * sigma).sum(1)


@wrong("reparameterize", "two mistakes: sigma is missing, and a mean stands for the sum over samples", "factor", "scale", "input replaced", "dependence", *EDIT)
def rep_two_sigma_and_mean(dz, cache):
    _, eps = cache
    return dz.mean(0), (dz * eps).mean(0)


@wrong("reparameterize", "log sigma stands where sigma should", "input replaced", "factor", *EDIT)
def rep_log_sigma(dz, cache):
    sigma, eps = cache
    log_sigma = np.log(sigma)
    return dz.sum(0), (dz * eps * log_sigma).sum(0)


@wrong("reparameterize_log_var", "the half of sigma = exp(log_var / 2) is missing", "scale", "factor", *EDIT)
def rlv_no_half(dz, cache):
    sigma, eps = cache
    return dz, dz * eps * sigma


@wrong("reparameterize_log_var", "exp(log_var) in place of exp(log_var / 2)", "factor", "input replaced", *EDIT)
def rlv_variance(dz, cache):
    sigma, eps = cache
    return dz, 0.5 * dz * eps * sigma * sigma


@wrong("reparameterize_log_var", "the gradient by the variance, not by its logarithm: 1 / (2 sigma)", "factor", "input replaced", *EDIT)
def rlv_by_the_variance(dz, cache):
    sigma, eps = cache
    return dz, dz * eps / (2 * sigma)


# ---- KL to N(0, I) --------------------------------------------------------------------------------


@wrong("kl", "dkl (N,) meets mu (N, K) without a new axis", "raises", "shape", "axis", *EDIT)
def kl_no_new_axis(dkl, cache):
    mu, sigma2 = cache
    return dkl * mu, dkl * (sigma2 - 1)


@wrong("kl", "sigma^2 + 1: the sign of the second term", "term", *EDIT)
def kl_plus_one(dkl, cache):
    mu, sigma2 = cache
    return dkl[:, None] * mu, dkl[:, None] * (sigma2 + 1)


@wrong("kl", "the -1, which comes from the logarithm, is missing", "term", *EDIT)
def kl_no_log_term(dkl, cache):
    mu, sigma2 = cache
    return dkl[:, None] * mu, dkl[:, None] * sigma2


@wrong("kl", "a half too many in dlog_sigma: the gradient by a log variance", "scale", "factor", *EDIT)
def kl_half(dkl, cache):
    mu, var = cache
    dkl = dkl.reshape(-1, 1)
    return dkl * mu, dkl * 0.5 * (var - 1)


@wrong("kl", "sigma in place of sigma^2", "input replaced", "factor", "term", *EDIT)
def kl_sigma(dkl, cache):
    mu, sigma2 = cache
    return dkl[:, None] * mu, dkl[:, None] * (np.sqrt(sigma2) - 1)


@wrong("kl", "dsigma = sigma - 1 / sigma in place of dlog_sigma: the factor sigma is missing", "factor", *EDIT)
def kl_by_sigma(dkl, cache):
    mu, sigma2 = cache
    sigma = sigma2**0.5
    return dkl[:, None] * mu, dkl[:, None] * (sigma - 1 / sigma)


@wrong("kl", "2 mu: the half in front of the sum is forgotten", "scale", "factor", *EDIT)
def kl_two_mu(dkl, cache):
    mu, sigma2 = cache
    d = dkl[:, np.newaxis]
    return d * 2 * mu, d * (sigma2 - 1)


@wrong("kl", "both gradients have the wrong sign: those of -KL", "scale", "factor", "term", *EDIT)
def kl_of_the_elbo(dkl, cache):
    mu, sigma2 = cache
    return -dkl[:, None] * mu, dkl[:, None] * (1 - sigma2)


@wrong("kl", "divided by the batch size", "scale", "factor", *EDIT)
def kl_per_batch(dkl, cache):
    mu, sigma2 = cache
    dkl = dkl[:, None] / len(mu)
    return dkl * mu, dkl * (sigma2 - 1)


@wrong("kl", "dkl is not used", "dependence", "linearity", "factor", "input replaced", *EDIT)
def kl_loss_is_one(dkl, cache):
    mu, sigma2 = cache
    return mu.copy(), sigma2 - 1


@wrong("kl", "every datum gets the mean of dkl, not its own", "dependence", "axis", "input replaced", *EDIT)
def kl_mean_upstream(dkl, cache):
    mu, sigma2 = cache
    return dkl.mean() * mu, dkl.mean() * (sigma2 - 1)


@wrong("kl", "np.resize fits dkl to (N, K) by running through the data along the latents", "axis", "dependence", "input replaced", *EDIT)
def kl_resized(dkl, cache):
    mu, sigma2 = cache
    dkl = np.resize(dkl, mu.shape)
    return dkl * mu, dkl * (sigma2 - 1)


@wrong("kl", "the two gradients are exchanged", "order", "dependence", *EDIT)
def kl_exchanged(dkl, cache):
    mu, sigma2 = cache
    return dkl[:, None] * (sigma2 - 1), dkl[:, None] * mu


@wrong("kl", "two mistakes: the -1 is missing, and dmu is halved", "term", "scale", "factor", *EDIT)
def kl_two_half_and_term(dkl, cache):
    mu, sigma2 = cache
    return dkl[:, None] * mu / 2, dkl[:, None] * sigma2


@wrong("kl", "dlog_sigma is a formula made of several things, mu among them", "unknown", "dependence")
def kl_defies(dkl, cache):
    mu, sigma2 = cache
    return dkl[:, None] * mu, dkl[:, None] * (0.7 * mu * sigma2 - np.cos(mu) / (1 + sigma2))


@wrong("kl_log_var", "the half is missing in dlog_var", "scale", "factor", *EDIT)
def klv_no_half(dkl, cache):
    mu, var = cache
    return dkl[:, None] * mu, dkl[:, None] * (var - 1)


@wrong("kl_log_var", "log_var stands where the variance should", "input replaced", *EDIT)
def klv_log(dkl, cache):
    mu, var = cache
    return dkl[:, None] * mu, dkl[:, None] * (np.log(var) - 1) / 2


@wrong("kl_log_var", "the gradient by the variance: (1 - 1 / var) / 2", "factor", *EDIT)
def klv_by_the_variance(dkl, cache):
    mu, var = cache
    return dkl[:, None] * mu, 0.5 * dkl[:, None] * (1 - 1 / var)
