"""Models whose answers are known: PCA, probabilistic PCA, posteriors on a grid, the linear beta-VAE.

A gradient check cannot say whether forward is the mathematics of the lecture. These models can: their log p(x),
posterior and optimum are exact, so every bound and estimate can be compared with the truth. Attributes
have scikit-learn's names where it has them. Covariances are divided by N, as maximum likelihood wants
(scikit-learn's PCA divides by N - 1). All computation is in float64.
"""

import numpy as np

from .gaussian import LOG_2PI
from .support.validation import check_int, check_matrix, check_number
from .vae import VAE


def _eigen(X):
    """Mean, eigenvalues in descending order and eigenvectors (in rows) of the covariance of X."""
    mean = X.mean(0)
    values, vectors = np.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    return mean, np.maximum(values[::-1], 0), vectors[:, ::-1].T


def _data(X, n_components):
    """X for a fit, in float64; it must have at least as many columns as there are components."""
    X = check_matrix("X", X, np.shape(X)[-1] if np.ndim(X) == 2 else "D").astype(np.float64)
    if X.shape[1] < n_components:
        raise ValueError(f"n_components must be at most the number of columns, {X.shape[1]}, got {n_components}")
    return X


def _more_data(model, X):
    """X for a fitted model, in float64; it must have the columns of the data of the fit."""
    if not hasattr(model, "mean_"):
        raise ValueError(f"this {type(model).__name__} knows no parameters yet: call fit first")
    return check_matrix("X", X, len(model.mean_)).astype(np.float64)


class PCA:
    """Principal component analysis: the best linear auto-encoder under squared error (lecture D2).

    Parameters
    ----------
    n_components : int, K

    Attributes
    ----------
    components_ : ndarray of shape (K, D), the leading eigenvectors of the covariance
    explained_variance_ : ndarray of shape (K,), their eigenvalues
    eigenvalues_ : ndarray of shape (D,), all of them
    mean_ : ndarray of shape (D,)
    reconstruction_error_ : float
        Mean squared distance of a datum to its reconstruction: the sum of the trailing eigenvalues.

    Examples
    --------
    >>> from tinyvae import load_digits
    >>> pca = PCA(2).fit(load_digits()[0])
    >>> print(round(pca.reconstruction_error_, 6))
    3.355253
    """

    def __init__(self, n_components):
        self.n_components = check_int("n_components", n_components, 1)

    def fit(self, X):
        """Find the components of X, of shape (N, D)."""
        X, K = _data(X, self.n_components), self.n_components
        self.mean_, self.eigenvalues_, vectors = _eigen(X)
        self.components_, self.explained_variance_ = vectors[:K], self.eigenvalues_[:K]
        self.reconstruction_error_ = float(self.eigenvalues_[K:].sum())
        return self

    def transform(self, X):
        """Coordinates of shape (N, K) along the components."""
        return (_more_data(self, X) - self.mean_) @ self.components_.T

    def inverse_transform(self, Z):
        """The points of shape (N, D) that have these coordinates."""
        return np.asarray(Z) @ self.components_ + self.mean_


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
        X, K = _data(X, self.n_components), self.n_components
        self.mean_, values, vectors = _eigen(X)
        rank = int((values > 1e-12 * values[0]).sum())
        if K >= rank:
            raise ValueError(f"n_components must be less than the rank of X, {rank}, or there is no noise; got {K}")
        self.noise_variance_, self._q = float(values[K:].mean()), None
        self.W_ = vectors[:K].T * np.sqrt(values[:K] - self.noise_variance_)
        return self

    def start(self, X, seed=0):
        """A random start for `em_step`, in place of `fit`."""
        X, rng = _data(X, self.n_components), np.random.default_rng(seed)
        self.mean_, self.noise_variance_ = X.mean(0), float(X.var(0).mean())
        self.W_ = rng.standard_normal((X.shape[1], self.n_components)) * np.sqrt(self.noise_variance_)
        self._q = None
        return self

    def em_step(self, X):
        """One step of expectation maximisation; the mean bound (start, after E, after M), in nats per datum.

        E: q becomes the exact posterior, and the bound meets log p(x). M: W and eta become the best for that q.
        Neither half can lower the bound, so log p never falls.
        """
        X, K = _more_data(self, X), self.n_components
        fresh = self._q is None or len(self._q[0]) != len(X)
        start = self.bound(X, *((np.zeros((len(X), K)), np.eye(K)) if fresh else self._q))  # at first q is the prior
        self._q = mean, covariance = self.posterior(X)
        after_e = self.bound(X, mean, covariance)
        Xc, N = X - self.mean_, len(X)
        Sxz, Szz = Xc.T @ mean / N, covariance + mean.T @ mean / N
        self.W_ = np.linalg.solve(Szz, Sxz.T).T
        self.noise_variance_ = float(np.mean(Xc**2) - np.sum(self.W_ * Sxz) / X.shape[1])
        return start, after_e, self.bound(X, mean, covariance)

    def bound(self, X, mean, covariance):
        """E_q[log p(x, z)] + entropy of q, for q(z) = N(mean_n, covariance); the mean over X in nats."""
        X = _more_data(self, X)
        eta, D, K = self.noise_variance_, X.shape[1], self.n_components
        r = X - self.mean_ - mean @ self.W_.T
        spread = np.trace(self.W_ @ covariance @ self.W_.T)  # what uncertain z adds to the squared error
        log_px = -((r**2).sum(1).mean() + spread) / (2 * eta) - D / 2 * (np.log(eta) + LOG_2PI)
        _, log_det = np.linalg.slogdet(covariance)
        kl = (np.trace(covariance) + (mean**2).sum(1).mean() - K - log_det) / 2
        return float(log_px - kl)

    def score_samples(self, X):
        """Exact log p(x), of shape (N,), in nats, by the K x K matrix M = I + W'W / eta."""
        X = _more_data(self, X)
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
        covariance = np.linalg.inv(np.eye(self.n_components) + self.W_.T @ self.W_ / self.noise_variance_)
        return (_more_data(self, X) - self.mean_) @ self.W_ @ covariance / self.noise_variance_, covariance

    def sample(self, n, rng=0):
        """n draws of x, of shape (n, D)."""
        rng, (D, K) = np.random.default_rng(rng), self.W_.shape
        noise = np.sqrt(self.noise_variance_) * rng.standard_normal((check_int("n", n, 1), D))
        return rng.standard_normal((n, K)) @ self.W_.T + self.mean_ + noise

    def impute(self, X):
        """X with every NaN replaced by its exact conditional mean E[x_missing | x_observed]."""
        X = np.array(X, dtype=np.float64)
        _more_data(self, np.where(np.isnan(X), 0, X))
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


class LinearBetaVAE:
    """What a linear VAE with noise variance eta learns at its optimum, from the eigenvalues of the data alone.

    With s = beta eta: latent j is active iff lambda_j > s; ||w_j||^2 = (lambda_j - s)+, posterior variance
    s / lambda_j. Rate and distortion follow by reverse water-filling:

    rate = sum_j 1/2 ln(lambda_j / s)+,   distortion = sum_j min(s, lambda_j)                     [RD.1]

    Source: the linear analysis of posterior collapse in arXiv:1911.02469; reverse water-filling is Cover and
    Thomas, Elements of Information Theory, section 10.3.

    Parameters
    ----------
    n_components : int, K
    eta : float, the variance of the observation noise
    beta : float

    Attributes
    ----------
    active_units_ : int
    rate_ : float, the mean KL to the prior in nats per datum
    distortion_ : float, the mean squared error of a reconstruction from a sampled z

    Examples
    --------
    >>> from tinyvae import load_digits
    >>> X, _ = load_digits()
    >>> [LinearBetaVAE(8, eta).fit(X).active_units_ for eta in (0.02, 0.1, 0.3, 0.6, 0.8)]
    [8, 8, 4, 2, 0]
    """

    def __init__(self, n_components, eta, beta=1.0):
        self.n_components = check_int("n_components", n_components, 1)
        self.eta, self.beta = check_number("eta", eta, above=0), check_number("beta", beta, above=0)

    def fit(self, X):
        """Compute the attributes from the covariance of X, of shape (N, D)."""
        _, values, _ = _eigen(_data(X, self.n_components))
        s, kept, rest = self.beta * self.eta, values[: self.n_components], values[self.n_components :]
        self.active_units_ = int((kept > s).sum())
        self.rate_ = float(np.log(kept[kept > s] / s).sum() / 2)
        self.distortion_ = float(np.minimum(kept, s).sum() + rest.sum())
        return self


class GridPosterior:
    """log p(x) and p(z|x) of any decoder with z of one or two dimensions, by quadrature on a grid.

    log p(x) = log sum_m p(x|z_m) p(z_m) dz over equally spaced z_m in [-width, width]^K                [GRID.1]

    For smooth integrands that vanish at the border this converges faster than any power of the spacing. A posterior
    narrower than a cell, or with mass at the border, is refused: a sum over the grid would not be its integral.

    Parameters
    ----------
    log_px : callable, (x of shape (D,), z of shape (M, K)) -> log p(x|z) of shape (M,), or a VAE
    n_latent : int, 1 or 2; a VAE knows its own
    n : int, points on a side
    width : float, half the side of the grid, in prior standard deviations

    Examples
    --------
    A bimodal posterior: x = z^2 + noise, x = 4. Its mean 0 is where it has almost no mass.

    >>> grid = GridPosterior(lambda x, z: -((x - z**2) ** 2 / 0.1 + np.log(0.1) + LOG_2PI)[:, 0] / 2, n_latent=1)
    >>> mean, covariance = grid.moments(np.array([[4.0]]))
    >>> print(abs(mean.round(6)), np.round(np.sort(grid.modes(np.array([4.0]))[:, 0]), 2))
    [[0.]] [-1.99  1.99]
    """

    def __init__(self, log_px, n_latent=None, n=None, width=7.0):
        self.data = lambda X: np.asarray(X, dtype=np.float64)
        if isinstance(log_px, VAE):
            vae = log_px.copy("float64")
            self.data, n_latent = (lambda X: vae.scaled(vae.check_data(X))), vae.n_latent
            log_px = _vae_log_px(vae)
        self.log_px, K = log_px, check_int("n_latent", n_latent, 1)
        width = check_number("width", width, above=0)
        if K > 2:
            raise ValueError(f"n_latent must be 1 or 2 for a grid, got {K}: use importance sampling instead")
        self.n = check_int("n", (2001 if K == 1 else 201) if n is None else n, 3)
        axis = np.linspace(-width, width, self.n)
        self.z = np.stack([a.ravel() for a in np.meshgrid(*[axis] * K, indexing="ij")], axis=1)
        self.cell = (axis[1] - axis[0]) ** K
        self._log_pz = -((self.z**2).sum(1) + K * LOG_2PI) / 2

    def log_evidence(self, X):
        """log p(x), of shape (N,), in nats."""
        return np.array([self._integrate(x)[0] for x in self.data(X)])

    def posterior(self, x):
        """The density p(z|x) at every grid point `self.z`, of shape (M,), for one datum x."""
        return self._integrate(self.data(np.asarray(x)[None])[0])[1]

    def _integrate(self, x):
        """log p(x) and the density p(z|x) at every grid point; ValueError where the grid cannot tell them."""
        joint = self.log_px(x, self.z) + self._log_pz
        w = np.exp(joint - joint.max())
        edge = np.abs(self.z).max(1) > np.abs(self.z).max() * (1 - 1 / self.n)
        if w[edge].sum() > 1e-8 * w.sum():
            raise ValueError("the posterior has mass at the border of the grid: take a larger width, or importance sampling")
        if w.max() / w.sum() > 0.57 ** self.z.shape[1]:  # a Gaussian of 0.7 cells: the sum is off by 1e-4
            raise ValueError("the posterior is narrower than a cell of the grid: take a larger n, or importance sampling")
        return joint.max() + np.log(w.sum() * self.cell), w / (w.sum() * self.cell)

    def moments(self, X):
        """Posterior means (N, K) and covariances (N, K, K)."""
        means, covariances = [], []
        for x in X:
            p = self.posterior(x) * self.cell
            mean = p @ self.z
            means.append(mean)
            covariances.append(((self.z - mean) * p[:, None]).T @ (self.z - mean))
        return np.array(means), np.array(covariances)

    def modes(self, x):
        """The grid points, of shape (modes, K), at which p(z|x) is higher than at all their neighbours."""
        K = self.z.shape[1]
        p = np.pad(self.posterior(x).reshape([self.n] * K), 1)
        inner = (slice(1, -1),) * K
        shifts = [s for s in np.ndindex(*[3] * K) if s != (1,) * K]
        peak = np.all([p[inner] > p[tuple(slice(i, i + self.n) for i in s)] for s in shifts], axis=0)
        return self.z[peak.ravel()]


def _vae_log_px(vae):
    """log p(x|z) of one x at many z, decoded a few thousand at a time."""

    def log_px(x, z):
        own, parts = vae.own(vae.params), np.array_split(z, -(-len(z) * vae.px.outputs // 4000))
        return np.concatenate([vae.px.forward(vae.decoder_output(part), x, *own)[0] for part in parts])

    return log_px
