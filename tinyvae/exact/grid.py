"""Posteriors on a grid: the truth for any decoder with one or two latent dimensions."""

import numpy as np

from ..bounds import log_px_forward, log_pz_forward
from ..priors.standard import standard_normal_forward
from ..support.validation import check_int, check_number
from ..vae import VAE


class GridPosterior:
    """log p(x) and p(z|x) of any decoder with z of one or two dimensions, by quadrature on a grid.

    log p(x) = log sum_m p(x|z_m) p(z_m) dz over equally spaced z_m in [-width, width]^K                [GRID.1]

    For smooth integrands that vanish at the border this converges faster than any power of the spacing. A posterior
    narrower than a cell, or with mass at the border, is refused: a sum over the grid would not be its integral.

    Parameters
    ----------
    log_px : callable, (x of shape (D,), z of shape (M, K)) -> log p(x|z) of shape (M,), under the prior N(0, I); or a VAE
    n_latent : int, 1 or 2; a VAE knows its own
    n : int, points on a side
    width : float, half the side of the grid, in prior standard deviations

    Examples
    --------
    A bimodal posterior: x = z^2 + noise, x = 4. Its mean 0 is where it has almost no mass.

    >>> grid = GridPosterior(lambda x, z: -((x - z**2) ** 2 / 0.1 + np.log(2 * np.pi * 0.1))[:, 0] / 2, n_latent=1)
    >>> mean, covariance = grid.moments(np.array([[4.0]]))
    >>> print(abs(mean.round(6)), np.round(np.sort(grid.modes(np.array([4.0]))[:, 0]), 2))
    [[0.]] [-1.99  1.99]
    """

    def __init__(self, log_px, n_latent=None, n=None, width=7.0):
        self.data, log_pz = (lambda X: np.asarray(X, dtype=np.float64)), standard_normal_forward
        if isinstance(log_px, VAE):
            vae = log_px.copy("float64")
            self.data, n_latent = (lambda X: vae.scaled(vae.check_data(X))), vae.n_latent
            log_px, log_pz = _vae_log_px(vae), lambda z: log_pz_forward(z, vae.params, vae.parts.prior)
        self.log_px, K = log_px, check_int("n_latent", n_latent, 1)
        width = check_number("width", width, above=0)
        if K > 2:
            raise ValueError(f"n_latent must be 1 or 2 for a grid, got {K}: use importance sampling instead")
        self.n = check_int("n", (2001 if K == 1 else 201) if n is None else n, 3)
        axis = np.linspace(-width, width, self.n)
        self.z = np.stack([a.ravel() for a in np.meshgrid(*[axis] * K, indexing="ij")], axis=1)
        self.cell = (axis[1] - axis[0]) ** K
        self._log_pz = log_pz(self.z)[0]

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
    likelihood, params = vae.parts.likelihood, vae.params

    def log_px(x, z):
        parts = np.array_split(z, -(-len(z) * likelihood.outputs // 4000))
        return np.concatenate([log_px_forward(vae.decoder_output(part), x, params, likelihood)[0] for part in parts])

    return log_px
