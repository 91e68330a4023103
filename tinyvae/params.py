"""All parameters in one flat vector theta, with named views into it.

One vector is all that an optimiser, a checkpoint and a gradient check need. The names are for
people: `views(theta, shapes)["decoder.out.W"]` is a window on theta, so that writing into either changes both.
"""

import math
from collections.abc import Mapping

import numpy as np


def count(shapes):
    """How many numbers a mapping of names to shapes holds.

    >>> count({"W": (3, 2), "b": (2,), "likelihood.log_eta": ()})
    9
    """
    return sum(math.prod(shape) for shape in shapes.values())


def views(flat, shapes):
    """Named views into a flat vector, laid out one after the other in the order of `shapes`.

    Parameters
    ----------
    flat : ndarray of shape (P,)
    shapes : dict of str to tuple of int

    Returns
    -------
    dict of str to ndarray, which share the memory of `flat`

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.zeros(5)
    >>> views(flat, {"W": (2, 2), "b": (1,)})["b"][...] = 7
    >>> print(flat)
    [0. 0. 0. 0. 7.]
    """
    named, stop = {}, 0
    for name, shape in shapes.items():
        start, stop = stop, stop + math.prod(shape)
        named[name] = flat[start:stop].reshape(shape)
    return named


class Gradients(Mapping):
    """Named views of one flat gradient, for backward passes to add to: `dparams["decoder.out.b"] += db`.

    What nobody adds to is zero, and weights that are used twice collect both gradients.

    Parameters
    ----------
    shapes : dict of str to tuple of int
    dtype : of the gradient

    Examples
    --------
    >>> dparams = Gradients({"W": (2, 2), "b": (1,)})
    >>> dparams["b"] += 3
    >>> dparams["b"] += 4
    >>> print(dparams.flat())
    [0. 0. 0. 0. 7.]
    """

    def __init__(self, shapes, dtype=np.float64):
        # Memory is set to zero only where something is added: a product is written straight into a view
        # that is empty, which spares a training step two passes over all parameters.
        self._flat = np.empty(count(shapes), dtype)
        self._views = views(self._flat, shapes)
        self._empty, self._lent = set(shapes), set()

    def __getitem__(self, name):
        view = self._views[name]
        if name in self._lent:
            raise RuntimeError(f"the gradient of {name} is lent: add what was written to it first")
        if name in self._empty:
            view[...] = 0
            self._empty.discard(name)
        return view

    def __setitem__(self, name, value):  # the second half of `dparams[name] += d`
        self[name][...] = value

    def __iter__(self):
        return iter(self._views)

    def __len__(self):
        return len(self._views)

    def empty(self, name):
        """Lend the array of a name that nothing has been added to, to be overwritten whole, then added; else None."""
        if name not in self._empty:
            return None
        self._empty.discard(name)
        self._lent.add(name)
        return self._views[name]

    def add(self, name, d):
        """Add d; if d is the array that `empty` lent, it is in its place already."""
        if name in self._lent and d is self._views[name]:
            self._lent.discard(name)
        else:
            self[name] += d

    def flat(self):
        """The whole gradient, of shape (P,)."""
        for name in (*self._empty, *self._lent):
            self._views[name][...] = 0
        self._empty, self._lent = set(), set()
        return self._flat


def glorot_uniform(rng, shape):
    """W ~ U(-a, a), a = sqrt(6 / (in + out)): keeps variances through tanh layers (Glorot and Bengio, 2010)."""
    bound = math.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, shape)


def he_normal(rng, shape):
    """W ~ N(0, 2 / in): makes up for the half that a ReLU cuts off (arXiv:1502.01852)."""
    return math.sqrt(2 / shape[0]) * rng.standard_normal(shape)
