"""Probabilistic PCA: a linear model whose evidence, posterior and optimum are known in closed form."""

import numpy as np

from ..gaussian import LOG_2PI
from ..support.validation import check_int
from ..vae import VAE
from .pca import check_fitted, eigen, fit_data, more_data


class PPCA:
    """Probabilistic PCA: z ~ N(0, I), x|z ~ N(W z + mean, eta I), so x ~ N(mean, W W' + eta I)   [PPCA.1]

    Source: Tipping and Bishop, Journal of the Royal Statistical Society B 61 (1999), 611-622.

    Parameters
    ----------
    n_components : int, K

    Attributes
    ----------
    W_ : ndarray of shape (D, K)
    mean_ : ndarray of shape (D,)
    noise_variance_ : float, eta
    """

    def __init__(self, n_components):
        self.n_components, self._q = check_int("n_components", n_components, 1), None

    def fit(self, X):
        """Maximum likelihood in closed form: eta the mean trailing eigenvalue, W = U (Lambda - eta I)^(1/2)."""
        X, K = fit_data(X, self.n_components), self.n_components
        self.mean_, values, vectors = eigen(X)
        _check_rank(values, K)
        self.noise_variance_, self._q = float(values[K:].mean()), None
        self.W_ = vectors[:K].T * np.sqrt(values[:K] - self.noise_variance_)
        return self

    def start(self, X, seed=0):
        """A random start for `em_step`, in place of `fit`."""
        X, rng = fit_data(X, self.n_components), np.random.default_rng(seed)
        _check_rank(eigen(X)[1], self.n_components)
        self.mean_, self.noise_variance_ = X.mean(0), float(X.var(0).mean())
        self.W_ = rng.standard_normal((X.shape[1], self.n_components)) * np.sqrt(self.noise_variance_)
        self._q = None
        return self

    def em_step(self, X):
        """One step of expectation maximisation; the mean bound (start, after E, after M), in nats per datum.

        E: q becomes the exact posterior, and the bound meets log p(x). M: W and eta become the best for that q.
        Neither half can lower the bound, so log p never falls.
        """
        X, K = more_data(self, X), self.n_components
        fresh = self._q is None or len(self._q[0]) != len(X)
        start = self.bound(X, *((np.zeros((len(X), K)), np.eye(K)) if fresh else self._q))  # at first q is the prior
        self._q = mean, covariance = self.posterior(X)
        after_e = self.bound(X, mean, covariance)
        Xc, N = X - self.mean_, len(X)
        Sxz, Szz = Xc.T @ mean / N, covariance + mean.T @ mean / N
        W = np.linalg.solve(Szz, Sxz.T).T
        noise = float(np.mean(Xc**2) - np.sum(W * Sxz) / X.shape[1])
        if not noise > 1e-12 * np.mean(Xc**2):
            raise ValueError(f"X must have noise beyond {K} components, got rank {K} or less: take fewer components or more data")
        self.W_, self.noise_variance_ = W, noise
        return start, after_e, self.bound(X, mean, covariance)

    def bound(self, X, mean, covariance):
        """E_q[log p(x, z)] + entropy of q, for q(z) = N(mean_n, covariance); the mean over X in nats."""
        X = more_data(self, X)
        eta, D, K = self.noise_variance_, X.shape[1], self.n_components
        r = X - self.mean_ - mean @ self.W_.T
        spread = np.trace(self.W_ @ covariance @ self.W_.T)  # what uncertain z adds to the squared error
        log_px = -((r**2).sum(1).mean() + spread) / (2 * eta) - D / 2 * (np.log(eta) + LOG_2PI)
        _, log_det = np.linalg.slogdet(covariance)
        kl = (np.trace(covariance) + (mean**2).sum(1).mean() - K - log_det) / 2
        return float(log_px - kl)

    def score_samples(self, X):
        """Exact log p(x), of shape (N,), in nats, by the K x K matrix M = I + W'W / eta.

        log p(x) = -1/2 (|c|^2 / eta - a' M^-1 a + D ln(2 pi eta) + ln |M|),  c = x - mean_,  a = W'c / eta.
        """
        X = more_data(self, X)
        eta, (D, K) = self.noise_variance_, self.W_.shape
        M = np.eye(K) + self.W_.T @ self.W_ / eta
        Xc = X - self.mean_
        a = Xc @ self.W_ / eta
        distance = (Xc**2).sum(1) / eta - (a * np.linalg.solve(M, a.T).T).sum(1)
        return -(distance + D * (np.log(eta) + LOG_2PI) + np.linalg.slogdet(M)[1]) / 2

    def score(self, X):
        """The mean of log p(x), in nats per datum."""
        return float(self.score_samples(X).mean())

    def posterior(self, X):
        """p(z|x) = N(mean, M^-1), mean = M^-1 W'(x - mean_) / eta, M = I + W'W / eta             [PPCA.2]

        Returns
        -------
        mean : ndarray of shape (N, K)
        covariance : ndarray of shape (K, K), the same for every datum
        """
        X = more_data(self, X)
        covariance = np.linalg.inv(np.eye(self.n_components) + self.W_.T @ self.W_ / self.noise_variance_)
        return (X - self.mean_) @ self.W_ @ covariance / self.noise_variance_, covariance

    def sample(self, n, rng=0):
        """n draws of x, of shape (n, D)."""
        check_fitted(self)
        rng, (D, K) = np.random.default_rng(rng), self.W_.shape
        noise = np.sqrt(self.noise_variance_) * rng.standard_normal((check_int("n", n, 1), D))
        return rng.standard_normal((n, K)) @ self.W_.T + self.mean_ + noise

    def impute(self, X):
        """X with every NaN replaced by its exact conditional mean E[x_missing | x_observed]."""
        X = np.array(X, dtype=np.float64)
        more_data(self, np.where(np.isnan(X), 0, X))
        for row in X:
            gone = np.isnan(row)
            W = self.W_[~gone]
            M = np.eye(self.n_components) + W.T @ W / self.noise_variance_
            z = np.linalg.solve(M, W.T @ (row[~gone] - self.mean_[~gone])) / self.noise_variance_
            row[gone] = self.W_[gone] @ z + self.mean_[gone]
        return X

    def to_vae(self):
        """A linear VAE (float64) at this model's optimum: its q(z|x) is the exact posterior, so ELBO = log p(x).

        Its z are rotated so that the columns of W are orthogonal; only then is the posterior diagonal.
        """
        check_fitted(self)
        U, s, _ = np.linalg.svd(self.W_, full_matrices=False)
        W, eta = U * s, self.noise_variance_
        vae = VAE(len(W), W.shape[1], hidden=(), likelihood="gaussian", eta=eta, dtype="float64")
        K, variance = self.n_components, eta / (eta + s**2)  # of p(z_j|x)
        p = vae.params
        p["decoder.out.W"][...], p["decoder.out.b"][...] = W.T, self.mean_
        p["encoder.head.W"][:, :K] = W * variance / eta
        p["encoder.head.W"][:, K:] = 0
        p["encoder.head.b"][:K] = -self.mean_ @ p["encoder.head.W"][:, :K]
        p["encoder.head.b"][K:] = np.log(variance) / 2
        return vae


def _check_rank(values, K):
    """ValueError unless some of the eigenvalues beyond the first K are there to be noise."""
    rank = int((values > 1e-12 * values[0]).sum())
    if K >= rank:
        raise ValueError(f"n_components must be less than the rank of X, {rank}, or there is no noise; got {K}")
