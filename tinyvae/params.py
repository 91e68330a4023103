"""All parameters in one flat vector theta, with named views into it.

One vector is all that an optimiser, a checkpoint and a gradient check need. The names are for
people: `views(theta, shapes)["decoder.out.W"]` is a window on theta, so that writing into either changes both.
"""

import math


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


def glorot_uniform(rng, shape):
    """W ~ U(-a, a), a = sqrt(6 / (in + out)): keeps variances through tanh layers (Glorot and Bengio, 2010)."""
    bound = math.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, shape)


def he_normal(rng, shape):
    """W ~ N(0, 2 / in): makes up for the half that a ReLU cuts off (arXiv:1502.01852)."""
    return math.sqrt(2 / shape[0]) * rng.standard_normal(shape)
