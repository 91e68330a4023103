"""What the rest of the package needs to know of a family of posteriors q(z|x), in one record."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


def nothing(n_latent):
    """No parameters of its own."""
    return {}


class Posterior(NamedTuple):
    """What a model needs to know of q(z|x). The functions stand at the top of their file, so that models can be pickled.

    q is the tuple of what the encoder says of every datum, its mean first: mu and log_sigma, for example.

    Attributes
    ----------
    name : str, by which `CLOSED_KL` finds a closed form
    sample_forward, sample_backward : the pair of z: (*q, eps of shape (L, N, K), own parameters) -> z of the shape of eps
    forward, backward : the pair of log q(z|x): (z, *q, own parameters) -> (L, N), in nats
    heads : K -> names of q's parts and their shapes per datum: the encoder's outputs, side by side
    own : names of parameters that are learned with the weights, and are the same for all data
    shapes : K -> their names and shapes
    start : (rng, mapping of their names to arrays) -> None; writes where they start
    sized : number -> the record of that size, as in "NAME:17", or None
    by_noise : True for a flow, which knows log q at its own draws alone, by their noise: the pair of log q is then
        (eps, *q, own parameters) -> (L, N), and its backward returns the gradients of q and of own parameters; eps has none
    """

    name: str
    sample_forward: Callable
    sample_backward: Callable
    forward: Callable
    backward: Callable
    heads: Callable
    own: tuple = ()
    shapes: Callable = nothing
    start: Callable | None = None
    sized: Callable | None = None
    by_noise: bool = False

    def knows_density_at(self, z, eps):
        """The first input of the pair of log q: z, or for a flow the eps that z was drawn with, both of shape (L, N, K)."""
        if self.by_noise and np.shape(eps) != z.shape:
            raise ValueError(f"posterior {self.name!r} knows log q by noise: pass as eps, of shape {z.shape}, what z was drawn with; got {eps!r:.40}")
        return eps if self.by_noise else z
