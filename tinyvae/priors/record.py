"""What the rest of the package needs to know of a prior p(z), in one record."""

from collections.abc import Callable
from typing import NamedTuple


def nothing(n_latent):
    """No parameters of its own."""
    return {}


class Prior(NamedTuple):
    """What a model needs to know of p(z). The functions stand at the top of their file, so that models can be pickled.

    Attributes
    ----------
    name : str, by which `posteriors.CLOSED_KL` finds a closed form
    forward, backward : the pair of log p(z): z of shape (..., K), then the own parameters -> (...,), in nats
    sample : (rng, shape (..., K), dtype, own parameters) -> z ~ p(z) of that shape
    own : names of parameters that are learned with the weights
    shapes : K -> their names and shapes
    start : (rng, mapping of their names to arrays) -> None; writes where they start
    sized : number -> the record of that size, as in "mixture:20", or None
    """

    name: str
    forward: Callable
    backward: Callable
    sample: Callable
    own: tuple = ()
    shapes: Callable = nothing
    start: Callable | None = None
    sized: Callable | None = None
