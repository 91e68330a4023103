"""The derivative along one direction v, by central differences in float64, with an estimate of their own error.

The remainder between differences and backward, at a step h::

    r(h) = (g(x + h v) - g(x - h v)) / 2h  -  <dx, v>

falls as h^2 if backward is right, and stays where it is if backward is wrong (the Taylor test of adjoint codes);
below some h it rises as 1/h, for g is rounded. A ladder of steps shows all three.
"""

from typing import NamedTuple

import numpy as np

EPS = np.finfo(np.float64).eps
LADDER = 0.83 * 9.7 ** -np.arange(12.0)  # steps in units of max(1, |x|); no round numbers, which could be in step with forward's own
QUICK = LADDER[3:5]  # two that settle most directions: extrapolated, their error is about 1e-12
ROUNDED = 1e-11  # noise of forward, relative to its values, that may be rounding of large parts which cancel
EXACT = 1e-8  # relative; what agrees so well is right: backward too is rounded, and no mistake is as small
SURE = 3.0  # how many times its estimated error a remainder must have to be no error of the differences


class Slope(NamedTuple):
    """What the differences along one direction say: the numeric slope, its error, and backward's slope beside it.

    Attributes
    ----------
    verdict : "ok", "WRONG", "still" (nothing moves, and backward says so), "kink" (backward lies between the sides), "unsettled" (the
        steps agree on nothing) or "undefined" (no step lies in forward's domain)
    error : float, of `numeric`: truncation and rounding, both estimated
    nearby : float, the largest slope of a side at longer steps, beside which a zero is a zero; 0 where two steps sufficed
    step : float, the h at which this is known best
    """

    label: str
    verdict: str
    analytic: float
    numeric: float
    error: float
    nearby: float = 0.0
    step: float = 0.0


class Along:
    """The outputs of forward, whose projection is g = <upstream, forward>, as a function of one input, the others fixed."""

    def __init__(self, forward, inputs, i, upstream):
        self.forward, self.before, self.after, self.upstream = forward, inputs[:i], inputs[i + 1 :], upstream
        self.x, self.masked, self.base = inputs[i], True, None
        self.base = self(self.x)
        self.masked = self.base is not None and bool(self.base[1])  # a cache without masks need not be searched again

    def __call__(self, x):
        """(all outputs in one vector, every array of booleans in the cache: the sides of the ReLUs); None where forward is not defined."""
        try:
            with np.errstate(all="ignore"):
                out, cache = self.forward(*self.before, x, *self.after)
        except Exception:  # noqa: BLE001  it ran at x: this is a step over the border of its domain, or of a table
            return None
        out = np.concatenate([np.ravel(o) for o in as_tuple(out)])
        if out.shape != self.upstream.shape or out.dtype.kind == "c":  # as many outputs as positive inputs, roots that turn complex
            return None
        return (out, list(_masks(cache)) if self.masked else []) if np.isfinite(out).all() else None


def as_tuple(value):
    """The outputs of a function as a tuple, also where there is only one."""
    return value if isinstance(value, tuple) else (value,)


def _masks(cache):
    if isinstance(cache, np.ndarray) and cache.dtype == bool:
        yield cache
    elif isinstance(cache, (tuple, list, dict)):
        for part in cache.values() if isinstance(cache, dict) else cache:
            yield from _masks(part)


def norm(v):
    """The Euclidean norm, also of numbers whose squares overflow."""
    largest = np.abs(v).max(initial=0)
    return float(largest * np.sqrt(np.square(v / largest).sum())) if largest > 0 else 0.0


def inner(a, b):
    """<a, b>, summed in pairs: more exactly than a product of matrices, and without its threads."""
    return float((a * b).sum())


class Ladder(NamedTuple):
    """What was found at every step, from the longest to the shortest; arrays of shape (steps,)."""

    h: np.ndarray
    remainder: np.ndarray  # r(h)
    rounding: np.ndarray  # how far rounding may move it
    sides: np.ndarray  # (steps, 2): the slopes on the left and on the right
    clear: np.ndarray  # bool: no kink lies between x - h v and x + h v, as far as masks in the cache tell
    moved: np.ndarray  # bool: some output is another at x + h v than at x

    @property
    def still(self):
        """Whether no output moved at any step."""
        return not self.moved.any()

    def at(self, steps):
        """The part of the ladder at some steps."""
        return Ladder(*(part[steps] for part in self))


def climb(g, grad, v, steps):
    """The ladder of one direction; a step at which forward is not defined is left out."""
    (base, base_sides), rows = g.base, []
    moves = np.zeros(base.shape, bool)  # outputs that do not move along v add no rounding
    for h in steps:
        ahead, behind = g.x + h * v, g.x - h * v
        plus, minus = g(ahead), g(behind)
        if plus is None or minus is None:
            continue
        moved = (plus[0] != minus[0]) | (plus[0] != base)
        moves |= moved
        clear = all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(base_sides, plus[1], minus[1]))
        slope = inner(g.upstream, plus[0] - minus[0]) / (2 * h)
        analytic = inner(grad, ahead - behind) / (2 * h)  # by the step that was taken, rounded as it is
        rounding = EPS * norm((g.upstream * (np.abs(plus[0]) + np.abs(minus[0])))[moves]) / (2 * h)
        sides = inner(g.upstream, base - minus[0]) / h, inner(g.upstream, plus[0] - base) / h
        rows.append((h, slope - analytic, rounding, sides, clear, moved.any()))
    h, remainder, rounding, sides, clear, moved = map(np.array, zip(*rows)) if rows else (np.zeros(0),) * 6
    return Ladder(h, remainder, rounding, sides.reshape(-1, 2), clear.astype(bool), moved.astype(bool))


def extrapolated(ladder):
    """The remainders without their h^2 part, from each step and the one before it (Richardson).

    >>> steps = np.array([0.1, 0.01])
    >>> print(extrapolated(Ladder(steps, 5 + 7 * steps**2, *[None] * 4))[-1].round(12))
    5.0
    """
    r, h = ladder.remainder, ladder.h
    return np.append(r[:1], r[1:] + np.diff(r) / ((h[:-1] / h[1:]) ** 2 - 1))


def judge(g, grad, slack, v, label, scale=1.0, finest=1.0):
    """The Slope along v: by two steps if they agree with backward, else by the whole ladder.

    Parameters
    ----------
    g : Along
    grad, slack : ndarrays of the shape of x: from backward, and how far its own rounding may move it
    v : ndarray of the same shape
    scale, finest : float
        The longest step in x, and the size of the smallest number that moves (a logarithm of 1e-12 needs steps below it).
    """
    analytic = inner(grad, v)
    quick = climb(g, grad, v, scale * QUICK)
    if quick.still and analytic == 0 and len(quick.h):
        return Slope(label, "still", 0.0, 0.0, 0.0)
    if len(quick.h) == 2 and quick.clear.all():
        r, rounding, jumps = extrapolated(quick)[-1], 4 * quick.rounding[-1], np.abs(np.diff(quick.sides))
        numeric, smooth = analytic + r, jumps[1] < 0.5 * jumps[0] or jumps[1] < 1e-6 * abs(analytic)
        if smooth and abs(r) <= EXACT * abs(numeric) + rounding and rounding <= 1e-4 * abs(numeric):
            return Slope(label, "ok", analytic, float(numeric), float(max(abs(r), rounding)), 0.0, float(quick.h[-1]))
    slope = _settle(climb(g, grad, v, ladder_steps(scale, finest)), analytic, label, g, scale, np.count_nonzero(v) == 1)
    if slope.verdict == "WRONG" and abs(slope.analytic - slope.numeric) <= SURE * (slope.error + inner(slack, np.abs(v))):
        return slope._replace(verdict="ok", error=slope.error + inner(slack, np.abs(v)))
    return slope


def ladder_steps(scale, finest):
    """The steps of a whole ladder, longest first; finer ones where a number that moves is small itself."""
    small = finest * 10.0 ** -np.arange(1, 7) if 0 < finest < 1e-5 * scale else ()
    return np.array(sorted({*(scale * LADDER), *small}, reverse=True))


def _settle(ladder, analytic, label, g, scale, single):
    """The Slope that a whole ladder shows; `single`: along one entry, not along many, whose kinks add up to anything."""
    if ladder.still and len(ladder.h):
        lost = max(EPS * norm(g.upstream * g.base[0]) / ladder.h[0], _least(g, scale))  # rounding may have swallowed what moves
        verdict = "still" if analytic == 0 else "ok" if abs(analytic) <= SURE * lost else "WRONG"
        return Slope(label, verdict, analytic, 0.0, lost, 0.0, float(ladder.h[0]))
    if _is_kink(ladder):
        return _at_kink(ladder, analytic, label, single)
    clear = ladder.at(ladder.clear)
    if len(clear.h) < 3 and not single and not ladder.clear.all():
        return Slope(label, "kink", analytic, np.nan, np.inf)
    clear = clear if len(clear.h) >= 3 else ladder  # the sides of a mask change, yet no slope jumps
    return _by_best(clear, analytic, label, g, scale) if len(clear.h) >= 3 else Slope(label, "unsettled" if len(clear.h) else "undefined", analytic, np.nan, np.inf)


def _by_best(ladder, analytic, label, g, scale):
    k, r, error, rough = best(ladder, norm(g.upstream * g.base[0]))
    near = (ladder.h < 0.5 * ladder.h[0]) & (ladder.h > 1e-4 * ladder.h[0])
    nearby = float(np.abs(ladder.sides[near]).max(initial=0))
    least = _least(g, scale)
    if _swallowed(ladder, r, least) or abs(analytic + r) < 0.1 * abs(analytic) <= 0.1 * least:
        error = max(error, abs(r))
    verdict = "ok" if abs(r) <= max(SURE * error, EXACT * abs(analytic)) else "unsettled" if rough else "WRONG"
    return Slope(label, verdict, analytic, float(analytic + r), float(error), nearby, float(ladder.h[k]))


def _least(g, scale):
    """What may be rounding alone, where numbers as large as x are added up and cancel."""
    return 16 * EPS * np.abs(g.upstream).max() * scale


def _swallowed(ladder, r, least):
    """Whether what speaks against backward is no more than the rounding of numbers as large as x, and is not there at longer steps.

    1 + tanh(-6) moves in steps of 1e-16, and so its differences at short steps have another slope, or none.
    """
    all_r = extrapolated(ladder)
    longest = ladder.h[np.abs(all_r - r) <= 0.1 * abs(r)].max(initial=0)
    return abs(r) * longest <= least and bool((np.abs(all_r[ladder.h > longest]) < 0.5 * abs(r)).any())


def best(ladder, size=0.0):
    """The step to trust: its index, the extrapolated remainder there, the error of that, and whether forward is too rough to tell.

    The longest step that settles, if all that the shorter ones say otherwise can be rounding inside forward, small beside `size`, its
    values; where it cannot be, what the shortest steps agree upon: so no structure narrower than the longest steps is passed over.
    """
    r, height = extrapolated(ladder), np.abs(ladder.sides).max(1)
    apart, size = np.abs(np.diff(r)), max(size, (height * ladder.h).max())
    for k in range(1, len(r)):
        noise = max((ladder.rounding * ladder.h)[k:].max(), (np.abs(r - r[k]) * ladder.h)[k:].max())
        error = apart[k - 1 :] + 4 * noise / ladder.h[k:]
        if noise <= ROUNDED * size and error[0] <= 1e-3 * height[k]:
            k += int(np.argmin(error))
            return k, float(r[k]), float(error.min()), False
    return _shortest(ladder, r, apart)


def _shortest(ladder, r, apart):
    """From the shortest step upwards, as long as the next longer one agrees within rounding; among these the smallest sum of both errors."""
    jitter = np.median((np.abs(np.diff(ladder.remainder)) * ladder.h[1:])[-3:])  # the noise of g, which outweighs all else at the last steps
    flat = ladder.h[~ladder.moved & (ladder.h < ladder.h[ladder.moved].min(initial=np.inf))].max(initial=0)  # a step of a staircase, or a flat piece
    rough = jitter > 1e6 * (ladder.rounding * ladder.h).max() or 0 < flat < 1e-4 * ladder.h[0]  # what lies below the steps is not known
    rounding = 4 * np.maximum(ladder.rounding, jitter / ladder.h)
    k = len(r) - 1
    while k > 1 and apart[k - 1] <= SURE * (rounding[k - 1] + rounding[k]):
        k -= 1
    if k == len(r) - 1:  # no two steps agree
        return k, float(r[k]), float(rounding[k] + apart[-3:].max()), rough
    error = rounding[1:] + apart
    k += int(np.argmin(error[k - 1 :]))
    return k, float(r[k]), float(error[k - 1]), rough


# ---- kinks ------------------------------------------------------------------------------------


def _jumps(ladder):
    """How far the slopes on the two sides lie apart, and the indices of the steps at which rounding does not hide it."""
    jumps = np.abs(ladder.sides[:, 1] - ladder.sides[:, 0])
    return jumps, np.flatnonzero(4 * ladder.rounding < 0.01 * jumps)


def _is_kink(ladder):
    """Whether the slopes on the two sides stay apart as h falls, until rounding hides it; those of a smooth function meet as h does."""
    jumps, seen = _jumps(ladder)
    if len(seen) < 3:
        return False
    last, after = jumps[seen[-3:]], ladder.rounding[seen[-1] + 1 :]
    return bool(last.max() < 2 * last.min() and (4 * after >= 0.01 * last[-1]).all())


def _at_kink(ladder, analytic, label, single):
    """At a kink any slope between those of the two sides is right: it is left out, and any other is wrong."""
    jumps, seen = _jumps(ladder)
    left, right = ladder.sides[seen[-1]]
    low, high, slack = min(left, right), max(left, right), 0.01 * jumps[seen[-1]]
    between = not single or low - slack <= analytic <= high + slack
    return Slope(label, "kink" if between else "WRONG", analytic, (left + right) / 2, slack, 0.0, float(ladder.h[seen[-1]]))
