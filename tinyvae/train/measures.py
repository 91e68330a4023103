"""What a trained VAE is measured by: active units, the KL of each latent dimension, the best model of independent pixels."""

import numpy as np

from .. import likelihoods
from ..gaussian import kl_forward


def kl_by_dimension(vae, X):
    """The mean KL of each latent dimension, of shape (K,), in nats; for a diagonal posterior under the prior N(0, I)."""
    if (vae.posterior, vae.prior) != ("diagonal", "standard"):
        raise ValueError(f"only a diagonal posterior under N(0, I) has a KL for each dimension, got {vae.posterior} under {vae.prior}")
    mu, log_sigma = vae.encode(X)
    return kl_forward(mu[..., None], log_sigma[..., None])[0].mean(0)


def active_units(vae, X, threshold=0.01):
    """How many latent dimensions carry information: the variance of mu over X is above the threshold.

    Source: Burda et al., arXiv:1509.00519, appendix C.
    """
    return int((vae.transform(X).var(0) > threshold).sum())


def independent_pixels(likelihood, X_train, X_test, eta=1.0):
    """-log p of X_test, in nats per datum, under the best model whose pixels are independent, each with a constant of its own.

    Every pixel has its own constant parameters, fitted to X_train; a fixed variance stays the model's eta.
    """
    px = likelihoods.get(likelihood, eta)
    out, *own = px.constant(X_train)
    rows = max(1, 1000 // px.outputs)
    total = 0.0
    for i in range(0, len(X_test), rows):
        x = X_test[i : i + rows]
        total += px.forward(np.broadcast_to(out, (len(x), *out.shape)), x, *own)[0].sum(dtype=float)
    return -float(total) / len(X_test)
