"""Products of what is known: is a wrong result, or what it has too much, or by what it is multiplied, one of them?

Axes are told apart by their lengths at the draws, so one product of quantities covers elementwise products, sums over
axes and products of matrices alike: multiply, then sum over the axes that the result does not have.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from .algebra import factor_name
from .arguments import FIT, distance
from .case import Explanation
from .wording import say

FUNCTIONS = {  # text: function, and how much more than the bare quantity it costs
    "{0}": (lambda v: v, 0.0),
    "1/{0}": (lambda v: 1 / v, 0.3),
    "{0}^2": (np.square, 0.3),
    "1/{0}^2": (lambda v: 1 / (v * v), 0.5),
    "sqrt({0})": (np.sqrt, 0.4),
    "1/sqrt({0})": (lambda v: 1 / np.sqrt(v), 0.5),
    "exp({0})": (np.exp, 0.4),
    "exp(-{0})": (lambda v: np.exp(-v), 0.5),
    "exp(2 {0})": (lambda v: np.exp(2 * v), 0.6),
    "exp(-2 {0})": (lambda v: np.exp(-2 * v), 0.6),
    "log({0})": (np.log, 0.4),
    "(1 - {0})": (lambda v: 1 - v, 0.5),
    "(1 + {0})": (lambda v: 1 + v, 0.5),
    "1/(1 - {0})": (lambda v: 1 / (1 - v), 0.7),
    "(1 - {0}^2)": (lambda v: 1 - v * v, 0.6),
    "1/(1 - {0}^2)": (lambda v: 1 / (1 - v * v), 0.8),
    "{0} (1 - {0})": (lambda v: v * (1 - v), 0.6),
    "sigmoid({0})": (lambda v: 1 / (1 + np.exp(-v)), 0.5),
    "tanh({0})": (np.tanh, 0.5),
    "(1 - tanh({0})^2)": (lambda v: 1 - np.tanh(v) ** 2, 0.8),
    "|{0}|": (np.abs, 0.5),
    "sign({0})": (np.sign, 0.5),
    "[{0} > 0]": (lambda v: (v > 0) * 1.0, 0.5),
}
SUMMED = 2.5  # the cost of two quantities up to which their products are summed over axes
MOST = 1 << 21  # numbers in one table of products


class Quantity(NamedTuple):
    """Something known: its text, its cost, its values and its axes (their lengths at the draws) at every draw."""

    text: str
    cost: float
    values: tuple
    axes: tuple


ONE = Quantity("", 0.0, (np.float64(1.0),) * 99, ())


def quantities(case, paths):
    """Functions of these inputs, as far as they are finite; constants and what equals something simpler are left out."""
    found = []
    draws = range(len(case.draws))
    for text, (f, cost) in FUNCTIONS.items():
        for path in paths:
            values = tuple(f(case.leaf(d, path)) for d in draws)
            axes = axes_of(values)
            if axes is not None and len(set(axes)) == len(axes) and all(np.isfinite(v).all() and np.ptp(v) + np.abs(v - 1).max() > 0 for v in values):
                found.append(Quantity(text.format(case.names[path]), 1 + cost, values, axes))
    kept = []
    for q in sorted(found, key=lambda q: q.cost):
        if not any(q.axes == other.axes and np.allclose(q.values[0], other.values[0], rtol=1e-12, atol=0) for other in kept):
            kept.append(q)
    return kept


def axes_of(values):
    """The axes of an array: their lengths at the draws; None if the draws do not agree on their number."""
    return tuple(zip(*(v.shape for v in values))) if len({v.ndim for v in values}) == 1 else None


class Setting(NamedTuple):
    """What products are made of for one result: the heads, among them those that are summed, and the known quantities with their table."""

    target: tuple
    heads: list
    wide: list
    known: list
    inside: list  # the quantities that have no axis beside those of the result, and their values at the first draw, flat
    table: np.ndarray


def products(case, i):
    """The Explanations of a result as a product of what is known, of its excess as such a product, and of the factor beside the right one."""
    got, want = case.got(i), case.want(i)
    target = axes_of(got)
    if target is None or len(set(target)) < len(target) or not all(np.size(g) for g in got):
        return []
    known = quantities(case, [path for path in case.paths if path not in case.upstream])
    ups = upstream_quantities(case)
    sums = reduced(case, [ONE], [q for q in known if q.cost <= 1.0], ("sum",))
    inside = [q for q in [ONE, *known, *sums, *(inverse(q) for q in sums)] if set(q.axes) <= set(target)]
    setting = Setting(target, [*ups, ONE, *reduced(case, ups, [ONE], ("sum",))], [*ups, ONE], [ONE, *known], inside, flat(inside, target, got[0], 0))
    found = [e for head in setting.heads for e in _search(case, i, got, head, setting, "product", 5.5)]
    if target != axes_of(want):
        return found
    excess = [g - w for g, w in zip(got, want)]
    found += _search(case, i, got, Quantity("", 0.0, tuple(want), target), setting, "factor", 3.0)
    return found + [e for head in setting.heads for e in _search(case, i, excess, head, setting, "term", 5.0)]


def flat(several, target, like, d):
    """Quantities at a draw as the rows of a table, each in the shape of the result."""
    return np.array([np.ravel(np.broadcast_to(product([q], target, d), np.shape(like))) for q in several])


def reduced(case, heads, known, methods=("sum", "mean")):
    """Sums and means of products over one axis, or over all."""
    found, draws = [], range(len(case.draws))
    for a, b in itertools.product(heads, known):
        text, axes = written("1", [a.text, b.text]), list(dict.fromkeys([*a.axes, *b.axes]))
        for gone in {(axis,) for axis in axes} | {tuple(axes)} if axes and len(axes) < 4 else ():
            kept = tuple(axis for axis in axes if axis not in gone)
            sums = [product([a, b], kept, d) for d in draws]
            for method in methods:
                values = tuple(v if method == "sum" else v / np.prod([axis[d] for axis in gone]) for d, v in zip(draws, sums))
                found.append(Quantity(say(f"{method}.axis" if kept else f"{method}.all", part=text, axis=axes.index(gone[0])), 1.6, values, kept))
    return found


def inverse(q):
    """1 over a quantity."""
    return q._replace(text=f"1/{q.text}", cost=q.cost + 0.3, values=tuple(1 / v for v in q.values))


def upstream_quantities(case):
    """The parts of the upstream gradient whose axes can be told apart."""
    found = []
    for path in case.upstream:
        values = tuple(case.leaf(d, path) for d in range(len(case.draws)))
        axes = axes_of(values)
        if axes is not None and len(set(axes)) == len(axes):
            found.append(Quantity(case.names[path], 0.2, values, axes))
    return found


def _search(case, i, gots, head, setting, kind, base):
    """The first product head * a * b, summed to the axes of the target, that is proportional to what is to be explained, in a list."""
    for a, b in _candidates(case, gots[0], head, setting, kind):
        if not case.time_left():
            return []
        parts = [q for q in (head, a, b) if q is not ONE] or [ONE]
        values = [product(parts, setting.target, d) for d in range(len(case.draws))]
        factors = _factors(case, gots, values, i)
        text = None if factors is None else factor_name(case, factors)
        if text is not None:
            return [_explained(case, i, kind, base, text, parts, factors, values, gots)]
    return []


def _candidates(case, got, head, setting, kind):
    """Pairs (a, b) of quantities whose product with the head is proportional to what is to be explained at the first draw, simplest first."""
    inside = set(head.axes) <= set(setting.target)
    if inside:
        yield from _elementwise(got, head, setting)
    elif head.text:
        yield ONE, ONE
    if kind == "factor" or all(head is not q for q in setting.wide):
        return
    plain = [q for q in setting.known if q.cost <= 1.5]
    for a, b in itertools.combinations_with_replacement(plain, 2):
        have = {*head.axes, *a.axes, *b.axes}
        if a.cost + b.cost <= SUMMED and set(setting.target) <= have and len(have) > len(setting.target):
            if not case.time_left():
                return
            if _proportional(product([head, a, b], setting.target, 0), got):
                yield a, b


def _elementwise(got, head, setting):
    """The same for products without sums, all at once."""
    g, table = np.ravel(got).astype(float), setting.table
    first = (table * flat([head], setting.target, got, 0))[: max(1, MOST // table.size)]
    every = first[:, None, :] * table[None, :, :]
    square, along = (every * every).sum(-1), every @ g
    near = np.square(along) > (1 - 1e-12) * square * (g @ g)
    pairs = [(setting.inside[a], setting.inside[b]) for a, b in zip(*np.nonzero(near & (square > 0))) if a <= b]
    yield from sorted(pairs, key=lambda pair: pair[0].cost + pair[1].cost)


def product(parts, target, d):
    """The product of quantities at a draw, summed over the axes that the target does not have."""
    spec, present = _plan(tuple(q.axes for q in parts), target)
    value = np.einsum(spec, *(q.values[d] for q in parts))
    return np.reshape(value, [axis[d] if here else 1 for axis, here in zip(target, present)])


@functools.lru_cache(maxsize=4096)
def _plan(several, target):
    """(what einsum is to do, which axes of the target are present)."""
    letters = {axis: chr(97 + n) for n, axis in enumerate(dict.fromkeys([*target, *(axis for axes in several for axis in axes)]))}
    spec = ["".join(letters[axis] for axis in axes) for axes in several]
    present = [letters[axis] in "".join(spec) for axis in target]
    return ",".join(spec) + "->" + "".join(letters[axis] for axis, here in zip(target, present) if here), present


def _proportional(value, got):
    value = np.broadcast_to(value, np.shape(got))
    return np.square((got * value).sum()) > (1 - 1e-12) * np.square(got).sum() * np.square(value).sum() > 0


def _factors(case, gots, values, i):
    """The factor at every draw; None if it is not the same in all entries, beside the size of the result itself."""
    found = []
    for d, (g, v) in enumerate(zip(gots, values)):
        v = np.broadcast_to(v, np.shape(g))
        square = float((v * v).sum())
        c = float((g * v).sum()) / square if square > 0 else np.nan
        if not np.isfinite(c) or c == 0 or not distance(np.asarray(g, float), c * v) < FIT * 10:
            return None
        size = max(np.linalg.norm(case.got(i)[d]), np.linalg.norm(case.want(i)[d]))
        if np.linalg.norm(g - c * v) > FIT * size:
            return None
        found.append(c)
    return np.array(found)


def _explained(case, i, kind, base, text, parts, factors, values, gots):
    quantity = written(text.removeprefix("-") if kind == "term" else text, [q.text for q in parts])
    residual = max(distance(np.asarray(g, float), c * np.broadcast_to(v, np.shape(g))) for g, v, c in zip(gots, values, factors))
    cost = base + sum(q.cost for q in parts) + (0.0 if text == "1" else 0.3 if text == "-1" else 0.6)
    divided = kind == "factor" and quantity.startswith("1/")
    summed = any(axis not in axes_of(case.got(i)) and max(axis) > 1 for q in parts for axis in q.axes)
    sign = ".minus" if text.startswith("-") else ".plus"
    key = "factor.divided" if divided else kind + (sign + "_summed" * summed if kind == "term" else ".summed" if summed else ".formula")
    sentence = say(key, output=case.outputs[i], noun=case.noun, factor=quantity.removeprefix("1/") if divided else quantity)
    return Explanation(cost, kind, i, sentence, residual, _vanishes(case, kind, parts, text))


def _vanishes(case, kind, parts, text):
    """(name, value) of an input at which such an error vanishes: 0 for a part of a term, 1 for the only part of a factor."""
    names = {case.names[path] for path in case.paths if path not in case.upstream}
    if kind == "term":
        return next(((q.text, 0) for q in parts if q.text in names), ())
    alone = [q.text.removeprefix("1/").removesuffix("^2") for q in parts if q.text]
    return (alone[0], 1) if kind == "factor" and text == "1" and len(alone) == 1 and alone[0] in names else ()


def written(coefficient, texts):
    """A product as one reads it: numerators, then what they are divided by; a 1 is not written.

    >>> written("-1/2", ["mu", "1/sigma"]), written("1", ["1/sigma^2"])
    ('-mu/(2 sigma)', '1/sigma^2')
    """
    sign = "-" if coefficient.startswith("-") else ""
    parts = [coefficient.removeprefix("-"), *texts]
    above = [part for part in parts if part not in ("", "1") and not part.startswith("1/")]
    below = [part.removeprefix("1/") for part in parts if part.startswith("1/")]
    below = [part[1:-1] if part.startswith("(") and part.endswith(")") and len(below) > 1 and "(" not in part[1:] and " - " not in part and " + " not in part else part for part in below]
    bottom = f"/({' '.join(below)})" if len(below) > 1 or below and " " in below[0] and not below[0].startswith("(") else f"/{below[0]}" if below else ""
    return sign + (" ".join(above) or "1") + bottom
