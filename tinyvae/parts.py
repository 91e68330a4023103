"""What a variational auto-encoder is made of: two networks and three distributions, each a record; and all as one."""

import math
from typing import NamedTuple

from . import likelihoods, posteriors, priors
from .likelihoods import Likelihood
from .mlp import Network, mlp_init
from .posteriors import Posterior
from .priors import Prior


class Parts(NamedTuple):
    """The records that the pairs of `tinyvae.bounds` take."""

    encoder: Network
    posterior: Posterior  # q(z|x)
    prior: Prior  # p(z)
    decoder: Network
    likelihood: Likelihood  # p(x|z)

    def shapes(self):
        """Names and shapes of all parameters: encoder, decoder, then the distributions' own."""
        n_latent = self.decoder.sizes[0]
        own = {"likelihood": dict.fromkeys(self.likelihood.own, ())}
        own |= {"posterior": self.posterior.shapes(n_latent), "prior": self.prior.shapes(n_latent)}
        named = {f"{kind}.{name}": shape for kind, shapes in own.items() for name, shape in shapes.items()}
        return self.encoder.shapes | self.decoder.shapes | named


def assemble(n_features, n_latent, hidden, activation, likelihood, eta, posterior, prior):
    """The parts by the names of their records; the decoder mirrors the encoder's hidden layers.

    >>> assemble(64, 2, (128,), "tanh", "gaussian_diagonal", 1.0, "full", "standard").decoder.heads
    ((64, 2),)
    """
    likelihood = likelihoods.get(likelihood, eta)
    posterior, prior = posteriors.get(posterior), priors.get(prior)
    heads = tuple(posterior.heads(n_latent).values())
    out = (n_features, likelihood.outputs)[: 1 + (likelihood.outputs > 1)]
    inner = [str(i) for i in range(len(hidden))]
    encoder = Network(
        tuple(f"encoder.{name}" for name in (*inner, "head")),
        (n_features, *hidden, sum(map(math.prod, heads))), activation, heads,
    )  # fmt: skip
    decoder = Network(
        tuple(f"decoder.{name}" for name in (*inner, "out")),
        (n_latent, *reversed(hidden), math.prod(out)), activation, (out,),
    )  # fmt: skip
    return Parts(encoder, posterior, prior, decoder, likelihood)


def init_parts(rng, params, parts, eta):
    """Draw the weights in place: Glorot or He, but for two changes, and the start of the distributions' own parameters."""
    encoder, posterior, prior, decoder, likelihood = parts
    mlp_init(rng, params, encoder)
    mlp_init(rng, params, decoder)
    # Pixels are neither centred nor independent: half of the usual scale at the data learns faster
    # (MNIST, 784-200-200-50, 20 epochs: 0.5 nats). All that q has beside its mean, log_sigma above all,
    # starts at 0, where exp cannot overflow.
    params[encoder.names[0] + ".W"][...] /= 2
    params[encoder.names[-1] + ".W"][:, decoder.sizes[0] :] = 0
    for name, value in zip(likelihood.own, likelihood.start(eta)):
        params["likelihood." + name][...] = value
    for kind, record in (("posterior", posterior), ("prior", prior)):
        if record.start is not None:
            record.start(rng, {name: params[f"{kind}.{name}"] for name in record.own})
