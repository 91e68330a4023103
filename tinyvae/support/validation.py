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


def check_sizes(name, values):
    """Sizes of layers as a tuple of ints, each at least 1; a single number is one layer, () none.

    >>> check_sizes("hidden", 128), check_sizes("hidden", [])
    ((128,), ())
    """
    return tuple(check_int(name, value, 1) for value in np.atleast_1d(np.asarray(values, dtype=object)))


def check_number(name, value, *, at_least=None, above=None, below=None):
    """value as a float inside the stated range, or an error that says what was wanted."""
    try:
        if isinstance(value, (str, bytes, bool, np.bool_)) or np.ndim(value) != 0:
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    wanted = {"at least": at_least, "above": above, "below": below}
    wanted = " and".join(f" {words} {bound}" for words, bound in wanted.items() if bound is not None)
    inside = math.isfinite(number)
    inside = inside and (at_least is None or number >= at_least)
    inside = inside and (above is None or number > above) and (below is None or number < below)
    if not inside:
        raise ValueError(f"{name} must be a finite number{wanted}, got {value!r}")
    return number


def check_choice(name, value, known):
    """value if it is one of the known, or an error that lists them."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}; got {value!r}")
    return value


def check_dtype(dtype):
    """float32 or float64 as a dtype, or an error that names them."""
    try:
        name = dtype if dtype is None or isinstance(dtype, str) else np.dtype(dtype).name  # np.dtype(None) is float64
    except (TypeError, ValueError):
        name = dtype
    return np.dtype(check_choice("dtype", name, ("float32", "float64")))


def look_up(kind, table, name):
    """The record of a name in a table; "NAME:17" is the record of that size, where there are sizes.

    >>> from tinyvae.priors import PRIORS
    >>> look_up("prior", PRIORS, "mixture:3").shapes(2)["logits"]
    (3,)
    """
    word, colon, size = name.partition(":") if isinstance(name, str) else (None, "", "")
    record = table.get(word)
    if record is None or (colon and not (record.sized and size.isdecimal())):
        known = [key for key in table] + [f"{key}:NUMBER" for key, record in table.items() if record.sized]
        raise ValueError(f"{kind} must be one of {', '.join(known)}; got {name!r}")
    return record.sized(int(size)) if colon else record


def check_labels(y, X, dtype="float64", name="y"):
    """y as an ndarray of shape (N,) like the rows of X, or None; floats in `dtype`, whole numbers as they are.

    Raises
    ------
    ValueError, TypeError
        For another shape, NaN, or what is no number; -1 stands for an unknown label.
    """
    if y is None:
        return None
    y = np.asarray(y)
    if y.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got dtype {y.dtype}: number the classes, with -1 for unknown")
    if y.shape != (len(X),):
        raise ValueError(f"{name} must have shape ({len(X)},) like the rows of X, got {y.shape}")
    if y.dtype.kind != "f":
        return y
    if not np.isfinite(y).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity: mark unknown labels with -1")
    return y.astype(dtype)


def check_matrix(name, X, n_columns=None):
    """X as an ndarray of shape (N, n_columns) of finite real numbers; neither copied nor scaled. None: any number of columns.

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
    if X.ndim != 2 or n_columns not in (None, X.shape[1]):
        wanted = "D" if n_columns is None else n_columns
        raise ValueError(f"{name} must have shape (N, {wanted}), got {X.shape}{_reshape_remedy(name, X, n_columns)}")
    if len(X) == 0:
        raise ValueError(f"{name} must have at least one row, got shape {X.shape}: is the selection empty?")
    if X.dtype.kind == "f" and not (np.isfinite(X.min()) and np.isfinite(X.max())):
        bad = len(X) - np.isfinite(X).all(axis=1).sum()
        raise ValueError(f"{name} must be finite, got NaN or infinity in {bad} of {len(X)} rows: drop or impute them")
    return X


def check_noise(noise, *shapes):
    """noise as it is: an array, or a tuple of several, of these very shapes; others would be shared out without a word."""
    parts = noise if isinstance(noise, tuple) else (noise,)
    if tuple(map(np.shape, parts)) != shapes:
        wanted, got = (" and ".join(map(str, found)) for found in (shapes, map(np.shape, parts)))
        raise ValueError(f"noise must have shape {wanted}, got {got}: take model.draw_noise(rng, batch)")
    return noise


def refuse_binary_bytes(name, X):
    """ValueError for uint8 zeros and ones: uint8 is taken as pixels 0 to 255."""
    if X.dtype == np.uint8 and X.max() == 1 and X.mean() > 0.01:  # a dark image has fewer ones
        raise ValueError(
            f"{name} is uint8, which is taken as pixels 0 to 255, but its largest value is 1: "
            f"pass binary pixels as {name}.astype('float32')"
        )


def _reshape_remedy(name, X, n_columns):
    if X.ndim > 2 and n_columns in (None, np.prod(X.shape[1:])):
        return f": flatten images with {name}.reshape(len({name}), -1)"
    if X.ndim == 1 and n_columns in (None, X.size):
        return f": a single datum needs {name}.reshape(1, -1)"
    return f": the model was made for {n_columns} columns"
