"""One small example for every pair: what `python -m tinyvae gradcheck` and the tests run.

All sizes differ, so that a transposed gradient cannot pass; composites are checked as functions of
the whole parameter vector.
"""

from functools import partial

import numpy as np

from . import gaussian, iwae, layers, likelihoods, mlp
from .bounds import (
    decode_backward,
    decode_forward,
    elbo_terms_backward,
    elbo_terms_forward,
    encode_backward,
    encode_forward,
    log_weight_terms_backward,
    log_weight_terms_forward,
)
from .vae import VAE

N, D, K, C = 4, 6, 3, 5


def pairs(seed=0, batch=(N,)):
    """Every pair with inputs to check it at.

    Parameters
    ----------
    seed : int
    batch : tuple of int
        Leading axes of the inputs of primitives, (N,) or more.

    Returns
    -------
    dict of name -> (forward, backward, inputs)
    """
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal((*batch, *shape))

    table = {
        "dense": (layers, (normal(D), rng.standard_normal((D, K)), rng.standard_normal(K))),
        **{name: (layers, (normal(D),)) for name in ("tanh", "relu", "sigmoid", "softplus")},
        "dropout": (layers, (normal(D), (rng.random((*batch, D)) < 0.7) / 0.7)),
        "reparameterize": (gaussian, (normal(K), normal(K), rng.standard_normal((2, *batch, K)))),
        "kl": (gaussian, (normal(K), normal(K))),
        "gaussian_log_density": (gaussian, (rng.standard_normal((2, *batch, K)), normal(K), normal(K))),
        "iwae_bound": (iwae, (rng.standard_normal((C, *batch)),)),
        "bernoulli": (likelihoods, (normal(D), rng.integers(0, 2, (*batch, D)).astype(float))),
        "gaussian": (likelihoods, (normal(D), normal(D), 0.3)),
        "gaussian_scalar": (likelihoods, (normal(D), normal(D), np.log(0.3))),
        "gaussian_diagonal": (likelihoods, (normal(D, 2), normal(D))),
        "categorical": (likelihoods, (normal(D, C), rng.integers(0, C, (*batch, D)))),
        "laplace": (likelihoods, (normal(D), normal(D), 0.3)),
        "continuous_bernoulli": (likelihoods, (normal(D), rng.random((*batch, D)))),
    }
    primitives = {
        name: (getattr(room, name + "_forward"), getattr(room, name + "_backward"), inputs)
        for name, (room, inputs) in table.items()
    }
    return primitives | _composites(rng)


def _composites(rng):
    vae = VAE(D, K, hidden=(8, 7), dtype="float64", seed=1)
    theta = vae.theta + 0.1 * rng.standard_normal(vae.theta.size)
    x, z, eps = rng.random((N, D)), rng.standard_normal((N, K)), rng.standard_normal((2, N, K))

    def network_forward(x, params, vae):
        return mlp.mlp_forward(x, params, vae.encoder, vae.activation)

    return {
        "mlp": _over_theta(vae, theta, network_forward, mlp.mlp_backward, x),
        "encode": _over_theta(vae, theta, encode_forward, encode_backward, x),
        "decode": _over_theta(vae, theta, decode_forward, decode_backward, z),
        "elbo_terms": _over_theta(vae, theta, elbo_terms_forward, partial(elbo_terms_backward, vae=vae), x, eps),
        "log_weight_terms": _over_theta(vae, theta, log_weight_terms_forward, partial(log_weight_terms_backward, vae=vae), x, eps),
    }


def _over_theta(vae, theta, forward, backward, first, *rest):
    """A composite as a pair in (theta, its first input); dx is None where the composite gives none."""

    def over_theta_forward(theta, first):
        return forward(first, *rest, vae.views(theta), vae)

    def over_theta_backward(dout, cache):
        dtheta = np.zeros_like(theta)
        dfirst = backward(dout, cache, vae.views(dtheta))
        return dtheta, dfirst

    return over_theta_forward, over_theta_backward, (theta, first)


def models(seed=0, activations=("tanh",)):
    """A small VAE of every likelihood, with data of its domain: dict of name -> (vae, X)."""
    rng = np.random.default_rng(seed)
    data = {
        "bernoulli": rng.integers(0, 2, (N, D)),
        "continuous_bernoulli": rng.random((N, D)),
        "categorical:5": rng.integers(0, C, (N, D)),
    }
    found = {}
    for likelihood in [*likelihoods.LIKELIHOODS, "categorical:5"]:
        if likelihood == "categorical":  # 256 classes are the same code with more columns
            continue
        for activation in activations:
            for bound in ("elbo", "iwae"):
                vae = VAE(
                    D, K, hidden=(8, 7), likelihood=likelihood, eta=0.3, activation=activation, bound=bound,
                    beta=0.7 if bound == "elbo" else 1, n_samples=2 if bound == "elbo" else 5, seed=seed,
                )  # fmt: skip
                vae.theta += 0.1 * rng.standard_normal(vae.theta.size).astype(vae.dtype)  # biases off zero
                name = f"{likelihood}, {activation}" + (", iwae" if bound == "iwae" else "")
                found[name] = vae, data.get(likelihood, rng.standard_normal((N, D)))
    return found
