"""What the checks of tasks are written with: inputs at which mistakes show, and a strict comparison.

At sigma = 1, with ones or zeros among the inputs, or with two axes of one length, many wrong gradients look right.
"""

import numpy as np

RTOL = 1e-12  # float64 rounding; central differences end at 1e-10, so they are no answer

# Three sets of sizes; within a set every axis has a prime length of its own.
SIZES = (
    {"N": 5, "K": 3, "D": 11, "L": 2, "H": 7, "C": 13, "M": 17, "I": 19, "O": 23},
    {"N": 7, "K": 2, "D": 13, "L": 3, "H": 5, "C": 11, "M": 19, "I": 23, "O": 17},
    {"N": 3, "K": 5, "D": 7, "L": 11, "H": 2, "C": 17, "M": 13, "I": 29, "O": 19},
)


def normal(rng, *shape):
    """Standard normal, with no entry within .1 of zero."""
    a = rng.standard_normal(shape)
    return a + np.copysign(0.1, a)


def positive(rng, *shape):
    """Uniform on (.3, .9) or (1.1, 2.5): never near one."""
    small = rng.random(shape) < 0.5
    return np.where(small, rng.uniform(0.3, 0.9, shape), rng.uniform(1.1, 2.5, shape))


def log_scale(rng, *shape):
    """log sigma of size .15 to .9 with a random sign: sigma is never near one."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.15, 0.9, shape)


def upstream(rng, *shape):
    """A gradient from above, neither ones nor small."""
    return normal(rng, *shape)


def same(a, b, rtol=RTOL):
    """Whether two results agree: nested tuples, lists and dicts of the same form, arrays of the same shape, each to rtol in norm.

    NaN agrees with nothing, unless rtol is 0 and all is to be as it was; infinities must stand in the same places.

    >>> same((np.ones(2), 3.0), [np.ones(2), 3.0]), same(np.ones((2, 1)), np.ones(2))
    (True, False)
    """
    if a is b:  # a function that is handed on, for example
        return True
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(same(a[key], b[key], rtol) for key in b)
    if isinstance(b, (tuple, list)):
        return isinstance(a, (tuple, list)) and len(a) == len(b) and all(same(x, y, rtol) for x, y in zip(a, b))
    if b is None or isinstance(b, (str, bool)):
        return type(a) is type(b) and a == b
    return _same_array(a, np.asarray(b), rtol)


def _same_array(a, b, rtol):
    try:
        a = np.asarray(a)
    except (TypeError, ValueError):  # a ragged list
        return False
    if a.shape != b.shape or a.dtype.kind not in "biuf" or (rtol and np.isnan(a).any()):
        return False
    if rtol == 0:
        return np.array_equal(a, b, equal_nan=True)
    a, b = a.astype(float), b.astype(float)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite]) or not np.isfinite(a[finite]).all():
        return False
    a, b = a[finite], b[finite]
    return bool(np.linalg.norm(a - b) <= rtol * max(np.linalg.norm(a), np.linalg.norm(b)))


def dimensions(given):
    """How many axes an answer by hand has; None if it is none of numbers."""
    try:
        return np.asarray(given, float).ndim
    except (TypeError, ValueError, OverflowError):
        return None


def described(value):
    """A short word for what something is: "(5, 3)", "a tuple of 2", "None", "str".

    >>> described(np.ones((5, 3))), described((1, 2)), described(None)
    ('an array of shape (5, 3)', 'a tuple of 2', 'None')
    """
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (np.ndarray, np.generic)):
        return f"an array of shape {value.shape}" if value.shape else "a number"
    return "None" if value is None else type(value).__name__


TOOLS = {tool.__name__: tool for tool in (normal, positive, log_scale, upstream, same)}  # by name, in every check cell
