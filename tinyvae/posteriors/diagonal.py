"""The diagonal Gaussian q(z|x) = N(mu, diag(sigma^2)), whose pairs stand in `tinyvae.gaussian`."""

from ..gaussian import (
    gaussian_log_density_backward,
    gaussian_log_density_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from .record import Posterior


def _heads(n_latent):
    return {"mu": (n_latent,), "log_sigma": (n_latent,)}


RECORD = Posterior(
    "diagonal", reparameterize_forward, reparameterize_backward, gaussian_log_density_forward, gaussian_log_density_backward, _heads,
)  # fmt: skip
