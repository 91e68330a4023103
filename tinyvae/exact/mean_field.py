"""Mean field by the calculus of variations: q(z) = q1(z1) q2(z2), both free functions, on a grid (lecture D1).

No family is chosen for q1 and q2: each is the function at which the functional derivative of the ELBO vanishes.
"""

import numpy as np

from ..support.validation import check_int, check_number


def correlated_gaussian(rho):
    """log N(z; 0, [[1, rho], [rho, 1]]) as a function of z of shape (M, 2)."""
    rho = check_number("rho", rho, above=-1, below=1)

    def log_p(z):
        square = (z[:, 0] ** 2 - 2 * rho * z[:, 0] * z[:, 1] + z[:, 1] ** 2) / (1 - rho**2)
        return -square / 2 - np.log(2 * np.pi) - np.log(1 - rho**2) / 2

    return log_p


class MeanField:
    """The best q1(z1) q2(z2) for a joint density p(x, z) of two latents, by coordinate ascent over functions.

    Only the sums on the grid are approximate: for smooth densities that vanish at its border to rounding.
    Source: Jordan, Ghahramani, Jaakkola and Saul, Machine Learning 37 (1999), 183-233; Blei and others, arXiv:1601.00670.

    Parameters
    ----------
    log_joint : callable, z of shape (M, 2) -> log p(x, z) of shape (M,), finite; its integral may be any number p(x)
    n : int, points on a side
    width : float, half the side of the grid

    Attributes
    ----------
    axis : ndarray of shape (n,), the points on a side
    log_evidence_ : float, log p(x): the integral over the grid, in nats
    q1_, q2_ : ndarrays of shape (n,), densities on `axis`
    elbos_ : ndarray, the ELBO at the start and after each half step, in nats
    gap_ : float, log_evidence_ - ELBO = KL(q1 q2 || p(z|x))

    Examples
    --------
    >>> field = MeanField(correlated_gaussian(0.9)).fit()
    >>> print(f"{field.gap_:.8f} {-np.log(1 - 0.9**2) / 2:.8f}")
    0.83036560 0.83036560
    >>> print([f"{variance:.6f}" for _, variance in field.moments()])          # of z1 and z2; under p they are 1
    ['0.190000', '0.190000']
    """

    def __init__(self, log_joint, n=201, width=7.0):
        self.log_joint, self.n, self.width = log_joint, check_int("n", n, 3), check_number("width", width, above=0)
        self.axis = np.linspace(-self.width, self.width, self.n)
        self.step = self.axis[1] - self.axis[0]
        z = np.stack([a.ravel() for a in np.meshgrid(self.axis, self.axis, indexing="ij")], axis=1)
        log_p = np.asarray(log_joint(z), dtype=np.float64)
        if log_p.shape != (len(z),) or not np.isfinite(log_p).all():
            got = f"shape {log_p.shape}" if log_p.shape != (len(z),) else "NaN or infinity"
            raise ValueError(f"log_joint must return finite numbers of shape ({len(z)},) for z of shape {z.shape}, got {got}")
        self.log_p = log_p.reshape(self.n, self.n)
        p = np.exp(self.log_p - self.log_p.max())
        border = p[[0, -1]].sum() + p[:, [0, -1]].sum()
        if border > 1e-8 * p.sum():
            raise ValueError(f"p(x, z) has mass at the border of the grid, share {border / p.sum():.1g}: take a width larger than {self.width:g}")
        coarse = np.log(4 * p[::2, ::2].sum() / p.sum()) if p[::2, ::2].any() else -np.inf
        if not abs(coarse) < 1e-3:
            raise ValueError(f"p(x, z) is too narrow for a grid of {self.n} points: every second one gives log p(x) {coarse:.2g} nats off; take an n larger than {self.n}")
        self.log_evidence_ = float(np.log(p.sum() * self.step**2) + self.log_p.max())

    def fit(self, sweeps=50, start=(0.0, 1.0)):
        """Coordinate ascent; each update sets the functional derivative by one factor to zero.

        dELBO / dq1(z1) = E_q2[log p(x, z)] - log q1 - 1 + multiplier = 0  =>  log q1 = E_q2[log p(x, z)] + const     [MF.1]

        Parameters
        ----------
        sweeps : int, updates of both
        start : (mean, standard deviation) of the normal densities at which q1 and q2 start
        """
        mean, sigma = check_number("start[0]", start[0]), check_number("start[1]", start[1], above=0)
        log_q1 = log_q2 = self._normalised(-(((self.axis - mean) / sigma) ** 2) / 2)
        elbos = [self._elbo(log_q1, log_q2)]
        for _ in range(check_int("sweeps", sweeps, 1)):
            log_q1 = self._normalised(self.log_p @ np.exp(log_q2) * self.step)  # E_q2[log p(x, z)], at every z1
            elbos.append(self._elbo(log_q1, log_q2))
            log_q2 = self._normalised(np.exp(log_q1) @ self.log_p * self.step)
            elbos.append(self._elbo(log_q1, log_q2))
        self.q1_, self.q2_, self.elbos_ = np.exp(log_q1), np.exp(log_q2), np.array(elbos)
        self.gap_ = self.log_evidence_ - elbos[-1]
        return self

    def moments(self):
        """((mean, variance) under q1, (mean, variance) under q2)."""
        if not hasattr(self, "q1_"):
            raise ValueError("this MeanField has no q1 and q2 yet: call fit first")
        return tuple(self._moments(q) for q in (self.q1_, self.q2_))

    def marginals(self):
        """p(z1|x) and p(z2|x) on `axis`, of shape (n,) each: what q1 and q2 are often taken for."""
        p = np.exp(self.log_p - self.log_evidence_) * self.step
        return p.sum(1), p.sum(0)

    def _moments(self, q):
        mean = float(q @ self.axis * self.step)
        return mean, float(q @ (self.axis - mean) ** 2 * self.step)

    def _normalised(self, log_q):
        """log_q less the logarithm of its integral."""
        return log_q - log_q.max() - np.log(np.exp(log_q - log_q.max()).sum() * self.step)

    def _elbo(self, log_q1, log_q2):
        """E_q[log p(x, z)] plus both entropies, in nats."""
        q1, q2 = np.exp(log_q1), np.exp(log_q2)
        return float(q1 @ self.log_p @ q2 * self.step**2 - (q1 @ log_q1 + q2 @ log_q2) * self.step)
