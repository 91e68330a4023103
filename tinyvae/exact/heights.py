"""Heights as two Gaussians, fitted by EM: the smallest model with a latent variable, and its exact posterior (lecture D0).

z is the gender, which nobody noted; x is the height in metres. p(z|x) is a sum of two terms away, so the E-step is exact.
"""

import numpy as np

from ..gaussian import LOG_2PI
from ..support.validation import check_int, check_matrix, check_number


def draw_heights(n=2000, seed=0, means=(1.58, 1.72), sigma=0.05):
    """Synthetic heights in metres, (x, z) of shape (n,) each: z = 0 or 1 with equal chance, x|z ~ N(means[z], sigma^2)."""
    rng, sigma = np.random.default_rng(seed), check_number("sigma", sigma, above=0)
    z = rng.integers(2, size=check_int("n", n, 1))
    return np.asarray(means)[z] + sigma * rng.standard_normal(n), z


class TwoGaussians:
    """p(x) = sum_z weights_z N(x; means_z, covariances_z), z = 0 or 1, for numbers x.

    Source: Dempster, Laird and Rubin, Journal of the Royal Statistical Society B 39 (1977), 1-38; as ascent of one bound: Neal
    and Hinton (1998).

    Attributes
    ----------
    weights_, means_, covariances_ : ndarrays of shape (2,); p(z), the mean and the variance (m^2) of x|z
    bounds_ : ndarray of shape (n_iter_, 3), what each `em_step` of `fit` returned
    n_iter_ : int
    converged_ : bool, whether the last step of `fit` gained less than tol

    Examples
    --------
    >>> x, _ = draw_heights()
    >>> model = TwoGaussians().fit(x)
    >>> print(model.weights_.round(2), model.means_.round(2), np.sqrt(model.covariances_).round(2))
    [0.46 0.54] [1.58 1.72] [0.05 0.05]
    """

    def start(self, x):
        """The start of `em_step`: equal weights, the lower and the upper quartile as means, both with the variance of all x."""
        x = _numbers(x)
        self.weights_, self.means_ = np.full(2, 0.5), np.quantile(x, [0.25, 0.75])
        self.covariances_, self._q = np.full(2, x.var()), None
        if not self.means_[0] < self.means_[1]:
            raise ValueError("x must differ in its quartiles, got the same number at both: two Gaussians need a spread of data")
        return self

    def fit(self, x, tol=1e-8, max_iter=10_000):
        """EM until a step raises the mean of log p(x) by less than tol nats, or max_iter steps are done."""
        x, tol, bounds, self.converged_ = _numbers(x), check_number("tol", tol, at_least=0), [], False
        self.start(x)
        while len(bounds) < check_int("max_iter", max_iter, 1) and not self.converged_:
            bounds.append(self.em_step(x))
            self.converged_ = len(bounds) > 1 and bounds[-1][1] - bounds[-2][1] < tol
        self.bounds_, self.n_iter_ = np.array(bounds), len(bounds)
        return self

    def em_step(self, x):
        """One step of EM; the mean bound (start, after E, after M), in nats per datum. At first q is p(z).

        M, with r_nz = q_n(z) and n_z = sum_n r_nz:
        weights_z = n_z / N,  means_z = sum_n r_nz x_n / n_z,  covariances_z = sum_n r_nz (x_n - means_z)^2 / n_z    [EM.2]
        """
        self._check_started()
        x = _numbers(x)
        fresh = self._q is None or len(self._q) != len(x)
        start = self.bound(x, np.tile(self.weights_, (len(x), 1)) if fresh else self._q)
        self._q = r = self.predict_proba(x)
        after_e = self.bound(x, r)
        n = r.sum(0)
        self.weights_, self.means_ = n / len(x), x @ r / n
        self.covariances_ = (r * (x[:, None] - self.means_) ** 2).sum(0) / n
        if not self.covariances_.min() > 1e-12 * x.var():
            raise ValueError("a Gaussian has shrunk to one number, where log p has no upper bound: take more data or another start")
        return start, after_e, self.bound(x, r)

    def bound(self, x, r):
        """The ELBO sum_z r_nz (log p(x_n, z) - log r_nz), the mean over x in nats; r of shape (N, 2) is any q."""
        joint = self._log_joint(x)
        return float((r * (joint - np.log(np.maximum(r, 1e-300)))).sum(1).mean())  # 0 log 0 is 0

    def predict_proba(self, x):
        """The exact responsibilities, of shape (N, 2), by Bayes' rule:

        r_nz = p(z|x_n) = p(z) p(x_n|z) / sum_z' p(z') p(x_n|z')                                                [EM.1]
        """
        joint = self._log_joint(x)
        return np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])

    def score_samples(self, x):
        """log p(x), of shape (N,), in nats."""
        return np.logaddexp.reduce(self._log_joint(x), axis=1)

    def score(self, x):
        """The mean of log p(x), in nats per datum."""
        return float(self.score_samples(x).mean())

    def _log_joint(self, x):
        """log p(x, z), of shape (N, 2)."""
        self._check_started()
        u2 = (_numbers(x)[:, None] - self.means_) ** 2 / self.covariances_
        return np.log(self.weights_) - (u2 + np.log(self.covariances_) + LOG_2PI) / 2

    def _check_started(self):
        if not hasattr(self, "means_"):
            raise ValueError("this TwoGaussians knows no parameters yet: call fit or start first")


def _numbers(x):
    """x as float64 numbers of shape (N,), or an error."""
    if np.ndim(x) != 1:
        raise ValueError(f"x must have shape (N,), one number for each datum, got {np.shape(x)}: take x.ravel()")
    return check_matrix("x", np.asarray(x)[:, None], 1)[:, 0].astype(np.float64)
