"""What the rest of the package needs to know of a likelihood p(x|z), in one record."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


def nothing(eta):
    """No parameters of its own."""
    return ()


class Likelihood(NamedTuple):
    """What a model needs to know of p(x|z). The functions stand at the top of their file, so that models can be pickled.

    Attributes
    ----------
    forward, backward : the pair; its inputs are the decoder's output `out`, x, then eta or the own parameters
    mean : out -> E[x|z]
    sample : (out, rng, then eta or the own parameters) -> a draw x ~ p(x|z)
    constant : X -> the best output that ignores z, then the best own parameters: every pixel's own constant
    example : (rng, shape) -> x in the domain, for the tests
    domain : (lowest, highest) x; infinite where there is no limit
    discrete : True if p(x|z) sums to one over the whole numbers of the domain, False if it integrates to one
    whole : True if x must hold whole numbers, classes or counts: uint8 is then no pixel to scale
    outputs : decoder outputs per pixel; if several, out has the shape (N, D, outputs)
    takes_eta : True if the pair takes a fixed variance eta
    own : names of parameters that are learned with the weights, each one number
    start : eta -> their values at the start
    floor : X -> the -log p(x|z) in nats that no output can go below, or None
    sized : number -> the record of that size, as in "categorical:17", or None
    """

    forward: Callable
    backward: Callable
    mean: Callable
    sample: Callable
    constant: Callable
    example: Callable
    domain: tuple = (-math.inf, math.inf)
    discrete: bool = False
    whole: bool = False
    outputs: int = 1
    takes_eta: bool = False
    own: tuple = ()
    start: Callable = nothing
    floor: Callable | None = None
    sized: Callable | None = None

    def check(self, X, name="X"):
        """ValueError if finite numbers X lie outside the domain."""
        low, high = X.min(), X.max()
        got = f"got values from {low:g} to {high:g}"
        if self.whole:
            if low < self.domain[0] or high > self.domain[1] or (X.dtype.kind == "f" and np.any(X != np.floor(X))):
                numbers = f"whole numbers {self.domain[0]} to {self.domain[1]}"
                more = ", or state more of them, as in 'categorical:17'" if self.sized else ""
                raise ValueError(f"{name} must hold {numbers} for this likelihood, {got}: round it to levels{more}")
        elif low < self.domain[0] or high > self.domain[1]:
            remedy = "divide by 255" if 0 <= low and 2 < high <= 255 else "rescale it, or take likelihood='gaussian'"
            raise ValueError(f"{name} must lie in [{self.domain[0]}, {self.domain[1]}] for this likelihood, {got}: {remedy}")

    def features(self, x):
        """x as the encoder sees it: classes on the scale of pixels, counts as log(1 + x), all else as it is."""
        if not self.whole:
            return x
        return x / self.domain[1] if self.sized else np.log1p(x)


def unit_interval(rng, shape):
    """An example: grey pixels in [0, 1]."""
    return rng.random(shape)


def real_numbers(rng, shape):
    """An example: any real numbers."""
    return rng.standard_normal(shape)


COUNTS = (0, 1_000_000)  # the domain of counts: their factorials are kept in a table of this length


def counts(rng, shape):
    """An example: small counts."""
    return rng.integers(0, 9, shape)


def identity(out):
    """The mean is the output itself."""
    return out


def column_means(X):
    """The constant output of a Gaussian: every pixel's mean."""
    return (X.mean(0),)


def gaussian_sample(mean, rng, eta):
    """x ~ N(mean, eta)."""
    return mean + np.sqrt(eta, dtype=mean.dtype) * rng.standard_normal(mean.shape, dtype=mean.dtype)
