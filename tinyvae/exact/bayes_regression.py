"""Bayesian linear regression with q(w): weights as the latent variable, inferred once for all data (lecture D0).

y_n = x_n'w + noise of variance eta, w ~ N(0, I). The exact posterior, the log evidence and the ELBO of every Gaussian q(w) are
closed forms, so mean field by coordinate ascent and stochastic VI can both be held against the truth. The KL of q(w) to the prior
occurs once for the whole data set, not once per datum as the KL of q(z|x) does; so the ELBO here is one number.
"""

import math

import numpy as np

from ..gaussian import LOG_2PI
from ..optim import Adam
from ..params import count, views
from ..posteriors import CLOSED_KL, POSTERIORS
from ..posteriors.full import cholesky_factor
from ..support.streams import LOCAL, stream
from ..support.validation import (
    check_choice,
    check_int,
    check_labels,
    check_matrix,
    check_number,
)

FAMILIES = "diagonal", "full"


def draw_parabola(n=30, seed=0, eta=0.25):
    """n points of a random parabola: the columns of X are 1, u and u^2, u uniform on (-1, 1); w ~ N(0, I), noise of variance eta.

    Returns
    -------
    X : ndarray of shape (n, 3). The column of ones and that of u^2 are not orthogonal, so their weights are correlated in the posterior.
    y : ndarray of shape (n,)
    """
    rng, eta = np.random.default_rng(seed), check_number("eta", eta, above=0)
    u = rng.uniform(-1, 1, check_int("n", n, 1))
    X = np.stack([np.ones_like(u), u, u * u], axis=1)
    return X, X @ rng.standard_normal(3) + np.sqrt(eta) * rng.standard_normal(n)


# ---- the ELBO of q(w) by samples: what stochastic VI climbs --------------------------------------


def regression_log_p_forward(w, X, y, eta):
    """log p(y_n|x_n, w_s) = -1/2 (r^2 / eta + ln eta + ln 2 pi),  r = y_n - x_n'w_s, in nats, of shape (S, N)

    w has shape (S, K), S draws of the weights; X (N, K), y (N,); eta is the variance of the noise.
    """
    r = y - w @ X.T
    cache = r, X, eta
    return -(r * r / eta + math.log(eta) + LOG_2PI) / 2, cache


def regression_log_p_backward(dlog_p, cache):
    """dr = -dlog_p r / eta,  dw_s = -sum_n dr_sn x_n                       dlog_p (S, N), dw (S, K); data have none"""
    r, X, eta = cache
    dr = -dlog_p * r / eta
    return -dr @ X


def weights_elbo_forward(q, eps, X, y, eta, family="diagonal"):
    """ELBO(q) = sum_n mean_s log p(y_n|x_n, w_s) - KL(q(w) || N(0, I)),  w_s a draw from q(w) by eps_s       [QW.1]

    The sum is over data; the KL stands outside of it, for all data share the weights.

    Parameters
    ----------
    q : (mu, log_sigma) of shape (K,) each; or (mu, log_diagonal, lower) of a full covariance, lower of shape (K (K - 1) / 2,)
    eps : ndarray of shape (S, K)
    X, y, eta : as in `regression_log_p_forward`
    family : "diagonal" or "full"

    Returns
    -------
    elbo : float, in nats for the data set
    cache : what `weights_elbo_backward` needs
    """
    w, w_cache = POSTERIORS[family].sample_forward(*q, eps)
    log_p, p_cache = regression_log_p_forward(w, X, y, eta)
    kl, kl_cache = CLOSED_KL[family, "standard"][0](*q)
    cache = family, w_cache, log_p, p_cache, kl_cache
    return log_p.mean(0).sum() - kl, cache


def weights_elbo_backward(delbo, cache):
    """dq = delbo d log p / d w_s d w_s / dq, added up over s and n, - delbo dKL / dq             [QW.2]

    delbo is a number of shape (); dq is a tuple with the shapes of q. eps is noise, X and y are data: they have no gradient.
    """
    family, w_cache, log_p, p_cache, kl_cache = cache
    dq_kl = CLOSED_KL[family, "standard"][1](-np.asarray(delbo), kl_cache)
    dlog_p = np.full_like(log_p, delbo / len(log_p))
    dw = regression_log_p_backward(dlog_p, p_cache)
    dq = POSTERIORS[family].sample_backward(dw, w_cache)
    return tuple(d + d_kl for d, d_kl in zip(dq, dq_kl, strict=True))


# ---- the exact answers ----------------------------------------------------------------------------


class BayesianRegression:
    """y|x, w ~ N(x'w, eta), w ~ N(0, I): the posterior of the weights, the evidence, and q(w) beside them.

    p(w|X, y) = N(coef_, Lambda^-1),  Lambda = I + X'X / eta,  coef_ = Lambda^-1 X'y / eta                  [BLR.1]

    Source: Bishop, Pattern Recognition and Machine Learning (2006), sections 3.3 and 10.1. The KL as the length of a
    description of the weights: Hinton and van Camp, COLT (1993).

    Parameters
    ----------
    eta : float, the variance of the noise

    Attributes
    ----------
    coef_ : ndarray of shape (K,), the mean of the posterior
    precision_, covariance_ : ndarrays of shape (K, K), Lambda and its inverse
    log_evidence_ : float, log p(y|X) in nats for the data set

    Examples
    --------
    >>> model = BayesianRegression(eta=0.25).fit(*draw_parabola())
    >>> mean, covariance = model.mean_field()
    >>> print(round(model.log_evidence_ - model.elbo(mean, covariance), 4))     # what independent weights cost, in nats
    0.4314
    """

    def __init__(self, eta):
        self.eta = check_number("eta", eta, above=0)

    def fit(self, X, y):
        """The exact posterior and log p(y|X), from X of shape (N, K) and y of shape (N,)."""
        X = check_matrix("X", X).astype(np.float64)
        if y is None:
            raise ValueError(f"y must have shape ({len(X)},), got None: regression needs a number for every row of X")
        self._X, self._y = X, check_labels(y, X).astype(np.float64)
        N, K = X.shape
        self.precision_ = np.eye(K) + X.T @ X / self.eta
        self.covariance_ = np.linalg.inv(self.precision_)
        self.coef_ = np.linalg.solve(self.precision_, X.T @ self._y / self.eta)
        distance = (self._y @ self._y - self._y @ X @ self.coef_) / self.eta  # y' (X X' + eta I)^-1 y
        log_det = np.linalg.slogdet(self.precision_)[1] + N * np.log(self.eta)
        self.log_evidence_ = float(-(distance + log_det + N * LOG_2PI) / 2)
        return self

    def predict(self, X, return_std=False):
        """The mean x'coef_ of y at new x, of shape (N,); with return_std its standard deviation (x' Lambda^-1 x + eta)^(1/2) too."""
        self._check_fitted()
        X = check_matrix("X", X, len(self.coef_)).astype(np.float64)
        spread = np.sqrt(((X @ self.covariance_) * X).sum(1) + self.eta)
        return (X @ self.coef_, spread) if return_std else X @ self.coef_

    def terms(self, mean, covariance):
        """(E_q[log p(y|X, w)], KL(q || N(0, I))) of q(w) = N(mean, covariance): exact, in nats for the data set."""
        self._check_gaussian(mean, covariance)
        r, N = self._y - self._X @ mean, len(self._y)
        spread = ((self._X @ covariance) * self._X).sum()  # what uncertain weights add to the squared error
        log_p = -((r @ r + spread) / self.eta + N * (np.log(self.eta) + LOG_2PI)) / 2
        kl = (np.trace(covariance) + mean @ mean - len(mean) - np.linalg.slogdet(covariance)[1]) / 2
        return float(log_p), float(kl)

    def elbo(self, mean, covariance):
        """E_q[log p(y|X, w)] - KL(q || N(0, I)), exact: at most log_evidence_, and equal to it at the posterior."""
        log_p, kl = self.terms(mean, covariance)
        return log_p - kl

    def kl(self, mean, covariance):
        """KL(q(w) || p(w|X, y)) by the formula of two Gaussians, which holds no evidence: the gap of the ELBO."""
        self._check_gaussian(mean, covariance)
        d, Lambda = mean - self.coef_, self.precision_
        log_det = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(Lambda)[1]
        return float((np.trace(Lambda @ covariance) + d @ Lambda @ d - len(d) - log_det) / 2)

    def mean_field(self):
        """The best q(w) = prod_j q_j(w_j): the mean coef_ and the covariance diag(1 / Lambda_jj)."""
        self._check_fitted()
        return self.coef_.copy(), np.diag(1 / np.diag(self.precision_))

    def coordinate_ascent(self, sweeps=100):
        """Mean field one q_j at a time, from the prior; every step is the best for its q_j, so none lowers the ELBO.

        q_j = N(m_j, 1 / Lambda_jj),  m_j = (b_j - sum_{k != j} Lambda_jk m_k) / Lambda_jj,  b = X'y / eta         [BLR.2]

        Returns
        -------
        mean : ndarray of shape (K,)
        covariance : ndarray of shape (K, K), diagonal
        elbos : ndarray of shape (1 + sweeps K,), the start and the ELBO after every step
        """
        self._check_fitted()
        Lambda, b = self.precision_, self._X.T @ self._y / self.eta
        mean, variance = np.zeros(len(b)), np.ones(len(b))
        elbos = [self.elbo(mean, np.diag(variance))]
        for _ in range(check_int("sweeps", sweeps, 1)):
            for j in range(len(b)):
                others = Lambda[j] @ mean - Lambda[j, j] * mean[j]
                mean[j], variance[j] = (b[j] - others) / Lambda[j, j], 1 / Lambda[j, j]
                elbos.append(self.elbo(mean, np.diag(variance)))
        return mean, np.diag(variance), np.array(elbos)

    def stochastic(self, family="diagonal", steps=2000, lr=0.05, n_samples=20, seed=0):
        """Stochastic VI: Adam on the gradient of `weights_elbo_backward`, with a step size that falls linearly to zero.

        It knows the likelihood and its gradient alone, no posterior: so it would run on any network with weights w.

        Returns
        -------
        mean : ndarray of shape (K,)
        covariance : ndarray of shape (K, K)
        elbos : ndarray of shape (steps,), the noisy ELBO of each step
        """
        self._check_fitted()
        shapes, K = POSTERIORS[check_choice("family", family, FAMILIES)].heads(len(self.coef_)), len(self.coef_)
        theta, adam, rng, elbos = np.zeros(count(shapes)), Adam(lr), stream(seed, LOCAL), []
        n_samples, q = check_int("n_samples", n_samples, 1), tuple(views(theta, shapes).values())
        for i in range(check_int("steps", steps, 1)):
            eps = rng.standard_normal((n_samples, K))
            elbo, cache = weights_elbo_forward(q, eps, self._X, self._y, self.eta, family)
            adam.lr = lr * (1 - i / steps)
            adam.step(theta, -np.concatenate(weights_elbo_backward(1.0, cache)))
            elbos.append(elbo)
        factor = np.diag(np.exp(q[1])) if family == "diagonal" else cholesky_factor(*q[1:])
        return q[0].copy(), factor @ factor.T, np.array(elbos)

    def _check_gaussian(self, mean, covariance):
        self._check_fitted()
        K = len(self.coef_)
        if np.shape(mean) != (K,) or np.shape(covariance) != (K, K) or not np.allclose(covariance, np.transpose(covariance)):
            raise ValueError(f"q must have a mean of shape ({K},) and a symmetric covariance ({K}, {K}), got {np.shape(mean)} and {np.shape(covariance)}")
        if not np.linalg.eigvalsh(covariance)[0] > 0:
            raise ValueError(f"covariance must be positive definite, got an eigenvalue of {np.linalg.eigvalsh(covariance)[0]:.3g}")

    def _check_fitted(self):
        if not hasattr(self, "coef_"):
            raise ValueError("this BayesianRegression knows no posterior yet: call fit first")


# ---- to be checked -------------------------------------------------------------------------------


def pairs(rng):
    """The pairs of this page with inputs to check them at; q(w) with full covariance."""
    N, K, S = 5, 3, 2
    X, y, eps = rng.standard_normal((N, K)), rng.standard_normal(N), rng.standard_normal((S, K))
    q = 0.5 * rng.standard_normal(K), 0.5 * rng.standard_normal(K), 0.5 * rng.standard_normal(K * (K - 1) // 2)

    def of_q(mu, log_diagonal, lower):
        return weights_elbo_forward((mu, log_diagonal, lower), eps, X, y, 0.3, "full")

    return {
        "regression_log_p": (regression_log_p_forward, regression_log_p_backward, (rng.standard_normal((S, K)), X, y, 0.3), ("w",)),
        "weights_elbo": (of_q, weights_elbo_backward, q),
    }
