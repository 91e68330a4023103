"""Posteriors on a grid: the truth for any decoder with one or two latent dimensions."""

import numpy as np

from ..bounds import log_px_forward, log_pz_forward, own_values
from ..priors.standard import standard_normal_forward
from ..support.validation import check_int, check_number
from ..vae import VAE


class GridPosterior:
    """log p(x) and p(z|x) of any decoder with z of one or two dimensions, by quadrature on a grid.

    log p(x) = log sum_m p(x|z_m) p(z_m) dz^K over equally spaced z_m in [-width, width]^K                [GRID.1]

    For smooth integrands that vanish at the border this converges faster than any power of the spacing. The sum must be an
    integral: a posterior with mass at the border is refused, and one whose log p(x) changes by more than 0.01 nats when the grid
    moves by part of a cell, as it does where the posterior is narrower than a cell in any direction. (A second mode so narrow that it
    falls between all points that are tried is not seen.)

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
        self.data, self.log_pz = (lambda X: np.asarray(X, dtype=np.float64)), standard_normal_forward
        width = check_number("width", width, above=0)
        if isinstance(log_px, VAE):
            vae = log_px.copy("float64")
            self.data, n_latent, width = (lambda X: vae.scaled(vae.check_data(X))), vae.n_latent, width * _prior_spread(vae)
            log_px, self.log_pz = _vae_log_px(vae), lambda z: log_pz_forward(z, vae.params, vae.parts.prior)
        self.log_px, K = log_px, check_int("n_latent", n_latent, 1)
        if K > 2:
            raise ValueError(f"n_latent must be 1 or 2 for a grid, got {K}: use importance sampling instead")
        self.n = check_int("n", (2001 if K == 1 else 201) if n is None else n, 3)
        axis = np.linspace(-width, width, self.n)
        self.z = np.stack([a.ravel() for a in np.meshgrid(*[axis] * K, indexing="ij")], axis=1)
        self.cell = (axis[1] - axis[0]) ** K

    def log_evidence(self, X):
        """log p(x), of shape (N,), in nats."""
        return np.array([self._integrate(x)[0] for x in self.data(X)])

    def posterior(self, x):
        """The density p(z|x) at every grid point `self.z`, of shape (M,), for one datum x."""
        return self._integrate(self.data(np.asarray(x)[None])[0])[1]

    def _integrate(self, x):
        """log p(x) and the density p(z|x) at every grid point; ValueError where the grid cannot tell them."""
        joint = self._log_joint(x, self.z)
        if joint.max() == -np.inf:
            raise ValueError("log_px must be finite somewhere on the grid, got -inf at every point: take a larger width or n")
        w = np.exp(joint - joint.max())
        edge = np.abs(self.z).max(1) > np.abs(self.z).max() * (1 - 1 / self.n)
        if w[edge].sum() > 1e-8 * w.sum():
            raise ValueError("the posterior has mass at the border of the grid: take a larger width, or importance sampling")
        change = self._change(x, joint)
        if change > 0.01:
            raise ValueError(
                f"the posterior is narrower than a cell of the grid, or not smooth: moved by part of a cell, the grid changes log p(x) "
                f"by {change:.2g} nats; take an n larger than {self.n}, or importance sampling"
            )
        return joint.max() + np.log(w.sum() * self.cell), w / (w.sum() * self.cell)

    def _log_joint(self, x, z):
        """log p(x, z) at every z, of shape (M,); -inf where p is 0."""
        log_px = np.asarray(self.log_px(x, z))
        if log_px.shape != (len(z),) or not (log_px < np.inf).all():
            got = "NaN or infinity" if log_px.shape == (len(z),) else f"shape {log_px.shape}"
            raise ValueError(f"log_px must return log p(x|z) of shape ({len(z)},), below infinity, got {got}: check it at z = grid.z")
        return log_px + self.log_pz(z)[0]

    def _change(self, x, joint):
        """The largest change of log p(x), in nats, when the points that have mass are moved by part of a cell.

        Half a cell along an axis turns the sign of the error where p(z|x) is narrow across that axis or a diagonal; the
        last move, whose parts fit no pattern of the grid, sees where that error happens to be 0.
        """
        K = self.z.shape[1]
        moves = np.vstack([np.eye(K) / 2, [[0.3, 0.14][:K]]]) * self.cell ** (1 / K)
        near = joint > joint.max() - 12  # all but 1e-5 of a Gaussian
        here, z = np.logaddexp.reduce(joint[near]), self.z[near]
        return max(abs(np.logaddexp.reduce(self._log_joint(x, z + move)) - here) for move in moves)

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


def _prior_spread(vae):
    """The root mean square of z ~ p(z) along its widest axis: 1 for N(0, I), by draws for a prior that is learned."""
    prior = vae.parts.prior
    if prior.name == "standard":
        return 1.0
    z = prior.sample(np.random.default_rng(0), (10_000, vae.n_latent), vae.dtype, *own_values(prior, "prior", vae.params))
    return float(np.sqrt((z**2).mean(0).max()))


def _vae_log_px(vae):
    """log p(x|z) of one x at many z, decoded a few thousand at a time."""
    likelihood, params = vae.parts.likelihood, vae.params

    def log_px(x, z):
        parts = np.array_split(z, -(-len(z) * likelihood.outputs // 4000))
        return np.concatenate([log_px_forward(vae.decoder_output(part), x, params, likelihood)[0] for part in parts])

    return log_px
