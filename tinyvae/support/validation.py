"""What stands at the public doors: bad input gets a message with the name, what was wanted, what was got, the remedy."""

import math
import operator

import numpy as np


def check_int(name, value, at_least):
    """value as an int, or an error that says what was wanted."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {number}")
    return number


def check_number(name, value, *, at_least=None, above=None, below=None):
    """value as a float inside the stated range, or an error that says what was wanted."""
    if isinstance(value, (str, bytes, bool)) or np.ndim(value) != 0:
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    wanted = {"at least": at_least, "above": above, "below": below}
    wanted = " and ".join(f"{words} {bound}" for words, bound in wanted.items() if bound is not None)
    inside = math.isfinite(number)
    inside = inside and (at_least is None or number >= at_least)
    inside = inside and (above is None or number > above) and (below is None or number < below)
    if not inside:
        raise ValueError(f"{name} must be a finite number {wanted}, got {value!r}")
    return number


def check_choice(name, value, known):
    """value if it is one of the known, or an error that lists them."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}; got {value!r}")
    return value


def check_matrix(name, X, n_columns):
    """X as an ndarray of shape (N, n_columns) of finite real numbers; neither copied nor scaled.

    Raises
    ------
    TypeError
        For text, objects, complex numbers or ragged lists.
    ValueError
        For a wrong shape, no rows, NaN or infinity.
    """
    try:
        X = np.asarray(X)
    except ValueError:
        raise TypeError(f"{name} must be a rectangular array of numbers, got rows of unequal length") from None
    if X.dtype.kind not in "buif":
        raise TypeError(
            f"{name} must hold real numbers, got dtype {X.dtype}: convert it with {name}.astype('float32')"
        )
    if X.ndim != 2 or X.shape[1] != n_columns:
        raise ValueError(f"{name} must have shape (N, {n_columns}), got {X.shape}{_reshape_remedy(name, X, n_columns)}")
    if len(X) == 0:
        raise ValueError(f"{name} must have at least one row, got shape {X.shape}: is the selection empty?")
    if X.dtype.kind == "f" and not (np.isfinite(X.min()) and np.isfinite(X.max())):
        bad = len(X) - np.isfinite(X).all(axis=1).sum()
        raise ValueError(f"{name} must be finite, got NaN or infinity in {bad} of {len(X)} rows: drop or impute them")
    return X


def _reshape_remedy(name, X, n_columns):
    if X.ndim > 2 and np.prod(X.shape[1:]) == n_columns:
        return f": flatten images with {name}.reshape(len({name}), -1)"
    if X.ndim == 1 and X.size == n_columns:
        return f": a single datum needs {name}.reshape(1, -1)"
    return f": the model was made for {n_columns} columns"
