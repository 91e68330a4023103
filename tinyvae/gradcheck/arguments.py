"""Arguments and results of any function as flat lists of arrays: copied, replaced one by one, named, compared."""

import ast
import contextlib
import copy
import inspect
import io
import textwrap
import warnings

import numpy as np

from .wording import say

FIT = 1e-9  # a formula must fit so well, relatively, at every draw
RIGHT = 1e-10  # what agrees so well is right, however it was computed


# ---- leaves: what stands inside nested tuples, lists and dictionaries -----------------------------------


def leaves(value, path=()):
    """(path, leaf) of everything inside nested tuples, lists and dictionaries, in their order.

    >>> [path for path, _ in leaves((1.0, {"mu": 2.0, "sigma": [3.0]}))]
    [(0,), (1, 'mu'), (1, 'sigma', 0)]
    """
    if isinstance(value, (tuple, list, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key))
    else:
        yield path, value


def replaced(value, path, leaf):
    """The same nest with one leaf replaced; nothing is changed in place."""
    if not path:
        return leaf
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: replaced(value[head], rest, leaf)}
    parts = list(value)
    parts[head] = replaced(parts[head], rest, leaf)
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def copied(value):
    """A copy of a nest, arrays and all."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [copied(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value if isinstance(value, (int, float, str, type(None))) else copy.deepcopy(value)


def is_numbers(leaf):
    """Whether a leaf is an array of real numbers, or one number."""
    return isinstance(leaf, (np.ndarray, np.generic, int, float)) and np.asarray(leaf).dtype.kind in "biuf" and np.size(leaf) > 0


def same(a, b):
    """Whether two leaves hold the same; NaN is the same as NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc")


# ---- running ----------------------------------------------------------------------------------------


def results(value, count=None, keys=()):
    """What a function returned, as a tuple of arrays of its own; None is left out, and what is no array stays as it is.

    `count`: how many there should be; a list of numbers may stand for one array. `keys`: the order in which those of a dictionary count.

    >>> results(([1.0, 2.0], None, 3.0))
    (array([1., 2.]), array(3.))
    """
    if isinstance(value, dict):
        value = [value[key] for key in (*(key for key in keys if key in value), *(key for key in value if key not in keys))]
    parts = list(value) if isinstance(value, (tuple, list)) else [value]
    if count == 1 and len(parts) != 1 and isinstance(value, list):
        parts = [value]
    return tuple(_own(part) for part in parts if part is not None)


def _own(part):  # a masked array has a mask, and is no plain array; its class would take long to import
    if hasattr(part, "mask") or not isinstance(part, (np.ndarray, np.generic, int, float, complex, list, tuple)):
        return part
    try:
        found = np.array(part)
    except (ValueError, TypeError):  # a ragged nest
        return part
    return found if found.dtype.kind in "biufc" else part


@contextlib.contextmanager
def quiet():
    """Without warnings, and without what the functions print: they run some dozens of times."""
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def attempt(function, args, count=None):
    """The results of a function on copies of its arguments, or None if it raises."""
    try:
        return results(function(*copied(args)), count)
    except (Exception, SystemExit):  # noqa: BLE001  an edit or a mutant that cannot run explains nothing
        return None


def distance(a, b, floor=0.0):
    """The relative distance of two arrays; infinite where the shapes differ or anything is not finite.

    >>> distance(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    inf
    """
    if not (isinstance(a, (np.ndarray, np.generic)) and isinstance(b, (np.ndarray, np.generic))) or a.shape != b.shape or a.dtype.kind not in "biuf":
        return np.inf
    a, b = a.astype(float).ravel(), b.astype(float).ravel()
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.inf
    if not a.size:
        return 0.0
    largest = max(np.abs(a).max(), np.abs(b).max(), floor, np.finfo(float).tiny)
    a, b = a / largest, b / largest  # squares must neither overflow nor vanish
    return float(np.sqrt(np.square(a - b).sum()) / max(np.sqrt(np.square(a).sum()), np.sqrt(np.square(b).sum()), floor / largest))


# ---- names -------------------------------------------------------------------------------------------


def tree_of(function):
    """The syntax tree of a function, from its source or from its attribute `__source__`; None if there is neither."""
    try:
        source = function.__source__ if hasattr(function, "__source__") else inspect.getsource(function)  # "" of a wrapper: it has none
        tree = ast.parse(textwrap.dedent(source))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    named = [node for node in found if node.name == getattr(function, "__name__", None)]
    return (named or found or [None])[-1]


def leaf_names(functions, args):
    """{path: name} of every leaf: parameters by name, parts of the cache as the first of these functions that opens it calls them."""
    found = {}
    for function in functions:
        for path, name in _named(tree_of(function), parameters(function)):
            found.setdefault(path, name)
    return {path: found.get(path, _by_place(found, path)) for path, _ in leaves(args)}


def parameters(function):
    """The names of a function's parameters by place; none if they cannot be known."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _named(tree, names):
    for node in tree.body if tree else ():  # an unpacked parameter: mu, sigma = cache
        opened = node.value.id if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) else None
        if opened in names and (opened == "cache" or isinstance(node.targets[0], ast.Tuple)):
            yield from _unpacked(node.targets[0], (names.index(opened),))
    for i, name in enumerate(names):
        yield (i,), name


def _unpacked(target, path):
    if isinstance(target, (ast.Tuple, ast.List)):
        for i, part in enumerate(target.elts):
            yield from _unpacked(part, (*path, i))
    elif isinstance(target, ast.Name) and target.id != "_":
        yield path, target.id


def _by_place(found, path):
    """A leaf without a name of its own: the key of a dictionary, or its place."""
    if isinstance(path[-1], str):
        return path[-1]
    head = found.get(path[:1]) or say("nth_argument", n=path[0] + 1)
    return head + "".join(f"[{key}]" for key in path[1:])
