"""Formulas between a wrong result and the right one: a factor, an axis, a factor or a term made of what is known."""

import itertools
import math
from fractions import Fraction

import numpy as np

from .arguments import FIT, distance
from .case import Explanation
from .wording import listed, say

CONSTANTS = {"1": 1.0, "2": 2.0, "4": 4.0, "3": 3.0, "pi": math.pi, "2 pi": 2 * math.pi, "sqrt 2": math.sqrt(2), "sqrt(2 pi)": math.sqrt(2 * math.pi)}


# ---- one factor everywhere -------------------------------------------------------------------------------


def ratios(gots, wants):
    """The factor between two results at every draw, as an array; None if they are not proportional at every draw to 1e-9."""
    found = []
    for g, w in zip(gots, wants):
        if g is None or w is None or np.shape(g) != np.shape(w):
            return None
        g, w = np.asarray(g, float), np.asarray(w, float)
        square = float((w * w).sum())
        c = float((g * w).sum()) / square if square > 0 and np.isfinite(square) else np.nan
        if not np.isfinite(c) or c == 0 or not distance(g, c * w) < FIT:
            return None
        found.append(c)
    return np.array(found)


def scale(case, i):
    """The Explanation of a result that is the right one times one factor, or zero; else None."""
    got, want, name = case.got(i), case.want(i), case.outputs[i]
    if all(not np.any(g) for g in got) and any(np.any(w) for w in want) and all(g.shape == w.shape for g, w in zip(got, want)):
        return Explanation(0.5, "zero", i, say("zero.formula", output=name), 0.0)
    factors = ratios(got, want)
    if factors is None or all(np.size(w) == 1 for w in want) and factor_name(case, factors) is None:
        return None
    residual = max(distance(g, c * w) for g, w, c in zip(got, want, factors))
    text = factor_name(case, factors) or _reduced_name(case, factors)
    if text is None and case.measured:  # a size written out in backward, perhaps, for which not all draws are made
        return None
    if text is None:  # the same factor in all entries, another at each draw, and no name for it
        return Explanation(8.0, "scale", i, say("scale.varies", output=name, noun=case.noun), residual)
    either = np.ptp(factors) < FIT and text not in ("1", "-1") and case.may_be_size(factors[0])
    return Explanation(0.6 + 0.02 * len(text), "scale", i, say("scale.either" if either else _times(text), output=name, noun=case.noun, factor=text if either else text.removeprefix("1/")), residual)


def _times(text):
    """The key of the sentence for a factor."""
    return "scale.minus" if text == "-1" else "scale.divided" if text.startswith("1/") else "scale.formula"


def factor_name(case, factors):
    """The simplest product of constants and sizes that is equal to these factors, one for each draw; None if there is none."""
    sign = "-" if factors[0] < 0 else ""
    if len(set(np.sign(factors))) > 1:
        return None
    size = np.abs(factors)
    if case.factors is None:
        texts, values = zip(*_factors(case))
        case.factors = texts, np.array(values)
    texts, values = case.factors
    fits = np.flatnonzero(np.abs(size / values - 1).max(1) < FIT)
    if len(fits):
        return sign + texts[fits[0]]
    constant = np.abs(size / size[0] - 1).max() < FIT
    return sign + number(size[0]) if constant else None


def _reduced_name(case, factors):
    """The same with the norm, the sum, the mean or the largest entry of an input; None if there is none."""
    for path in case.paths:
        for key, f in {"sum": np.sum, "mean": np.mean, "norm": np.linalg.norm, "max": np.max}.items():
            values = np.array([float(f(case.leaf(d, path))) for d in range(len(case.draws))])
            for text, ratio in (("{0}", factors / values), ("1/{0}", factors * values)):
                if np.isfinite(ratio).all() and np.abs(ratio / ratio[0] - 1).max() < FIT:
                    alone = case.leaf(0, path).ndim == 0
                    name = text.format(case.names[path] if alone else say(f"scale.{key}", name=case.names[path]))
                    return name if abs(ratio[0] - 1) < FIT else f"{number(ratio[0])} {name}"
    return None


def _factors(case):
    """(text, values at the draws), simplest first: constants and fractions, then one size, two sizes, a size less one, numbers among the inputs."""
    draws = len(case.draws)
    numbers = {case.names[path]: np.array([np.abs(case.leaf(d, path)).item() for d in range(draws)]) for path in case.paths if _is_number(case, path)}
    sizes = {name: np.array(lengths, float) for name, lengths in case.sizes.items()} | {n: v for n, v in numbers.items() if np.all(v > 0)}
    powers = [("", "", np.ones(draws))] + [(n, "", v) for n, v in sizes.items()] + [("", n, 1 / v) for n, v in sizes.items()]
    for a, b in itertools.combinations(sizes, 2):
        u, v = sizes[a], sizes[b]
        powers += [(f"{a} {b}", "", u * v), (a, b, u / v), (b, a, v / u), ("", f"({a} {b})", 1 / (u * v))]
    powers += [part for n, v in sizes.items() for part in ((f"{n}^2", "", v**2), ("", f"{n}^2", 1 / v**2))]
    powers += [part for n, v in sizes.items() if v.min() > 1 for part in ((f"({n} - 1)", "", v - 1), ("", f"({n} - 1)", 1 / (v - 1)), (n, f"({n} - 1)", v / (v - 1)), (f"({n} - 1)", n, (v - 1) / v))]
    powers += [part for n, v in sizes.items() for part in ((f"sqrt({n})", "", np.sqrt(v)), ("", f"sqrt({n})", 1 / np.sqrt(v)))]
    for above, below, values in powers:
        for text, c in CONSTANTS.items():
            yield _fraction(text, above, "", below), c * values
            if c != 1:
                yield _fraction("", above, text, below), values / c


def _is_number(case, path):
    return all(case.leaf(d, path).ndim == 0 for d in range(len(case.draws))) and path not in case.upstream


def _fraction(c, above, d, below):
    """The text of (c above) / (d below); an empty part is 1, and a constant 1 is not written beside others."""
    top = " ".join(part for part in (c if c != "1" or not above else "", above) if part) or "1"
    bottom = " ".join(part for part in (d, below) if part)
    return f"{top}/({bottom})" if " " in bottom and not bottom.startswith("(") else f"{top}/{bottom}" if bottom else top


def number(c):
    """A coefficient as text: a small fraction if it is one, else six digits.

    >>> number(-0.5), number(1.23456789)
    ('-1/2', '1.23457')
    """
    fraction = Fraction(c).limit_denominator(12)
    return str(fraction) if abs(float(fraction) - c) < 1e-9 * abs(c) else f"{c:.6g}"


def of_right(case, i):
    """The Explanations of a result that is a function of the right one, entry by entry; a list."""
    found = []
    for n, (key, f) in enumerate({"abs": np.abs, "square": np.square, "sign": np.sign, "inverse": lambda v: 1 / v, "exp": np.exp}.items()):
        values = [f(w) for w in case.want(i)]
        factors = ratios(case.got(i), values) if np.size(values[0]) > 1 else None
        text = None if factors is None else factor_name(case, factors)
        if text is not None:
            residual = max(distance(g, c * v) for g, c, v in zip(case.got(i), factors, values))
            found.append(Explanation(3.6 + n / 10, "function", i, say(f"of.{key}", output=case.outputs[i], noun=case.noun, factor=text), residual))
    return found


# ---- axes and order --------------------------------------------------------------------------------------


def order(case):
    """The Explanations of right results in a wrong order, or of one returned in another's place; a list."""
    found = []
    for i in case.wrong:
        for j in range(len(case.outputs)):
            residual = case.fits(i, case.want(j)) if i != j else None
            if residual is not None:
                whole = case.fits(j, case.want(i)) is not None or any(case.fits(k, case.want(i)) is not None for k in case.wrong)
                found.append(Explanation(0.3 if whole else 1.1, "order", i, say("order.formula", output=case.outputs[i], other=case.outputs[j]), residual))
    return found


def axes(case, i):
    """The Explanations of a result that is right but for an axis: transposed, not summed, summed too far, averaged, broadcast; a list."""
    got, want = case.got(i), case.want(i)
    rank = max(g.ndim for g in got), max(w.ndim for w in want)
    if len({g.ndim for g in got}) > 1 or len({w.ndim for w in want}) > 1:
        return []
    found = []
    for cost, key, parts, f in _reshapings(*rank):
        pairs = [_reshaped(f, g, w) for g, w in zip(got, want)]
        factors = None if None in pairs or max(rank) == 0 else ratios([a for a, _ in pairs], [b for _, b in pairs])
        text = None if factors is None else factor_name(case, factors)
        if text is None:
            continue
        tail = "" if text == "1" else say("axes.times", factor=text)
        residual = max(distance(a, c * b) for (a, b), c in zip(pairs, factors))
        sentence = say(f"axes.{key}", output=case.outputs[i], noun=case.noun, **parts) + tail
        found.append(Explanation(cost + 0.5 * bool(tail), "shape" if got[0].shape != want[0].shape else "axis", i, sentence, residual))
    return found


def _reshaped(f, g, w):
    try:
        return f(g, w)
    except (ValueError, IndexError):
        return None


def _reshapings(g_rank, w_rank):
    """(cost, key of the sentence, its parts, what to do with (got, want) so that they are equal)."""
    if g_rank == w_rank:
        if g_rank > 1:
            yield 0.8, "transposed", {}, lambda g, w: (g.T, w)
        for axis in range(w_rank):
            yield 2.0, "reversed", {"axis": axis}, lambda g, w, a=axis: (g, np.flip(w, a))
            if w_rank > 1:
                yield 1.5, "summed_back", {"axis": axis}, lambda g, w, a=axis: (g, np.broadcast_to(w.sum(a, keepdims=True), g.shape))
    yield 0.8, "extra", {}, lambda g, w: (np.squeeze(g), np.squeeze(w)) if g.shape != w.shape else None
    for n in (1, 2, 3):
        for every in itertools.combinations(range(g_rank), n):
            yield 0.9 + n / 10, "not_summed", {"axes": _axes(every)}, lambda g, w, e=every: (np.squeeze(g.sum(e)), np.squeeze(w)) if g.shape != w.shape else None
        for every in itertools.combinations(range(w_rank), n):
            yield 1.0 + n / 10, "summed", {"axes": _axes(every)}, lambda g, w, e=every: (np.squeeze(g), np.squeeze(w.sum(e))) if g.shape != w.shape else None
    yield 1.6, "broadcast", {}, lambda g, w: (g, np.broadcast_to(w, g.shape)) if g.shape != w.shape else None
    yield 1.7, "flat", {}, lambda g, w: (g.ravel(), w.ravel()) if g.shape != w.shape else None
    if (g_rank, w_rank) == (2, 1):
        yield 1.2, "outer", {}, lambda g, w: (np.diag(g), w) if g.shape == w.shape * 2 else None


def _axes(every):
    return say("axis.one", axis=every[0]) if len(every) == 1 else say("axis.many", axes=listed([str(axis) for axis in every]))
