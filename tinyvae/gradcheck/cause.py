"""The diagnosis of a pair that a check found wrong: there is no right backward to compare with, so forward is differentiated precisely.

Central differences of sixth order at two steps, extrapolated, are exact to about 1e-12 where forward is smooth: enough to tell formulas apart.
"""

import time

import numpy as np

from .arguments import FIT, copied, distance, quiet
from .case import Case, Finding
from .diagnosis import Diagnosis, diagnosed
from .differences import Along, as_tuple, inner, norm
from .running import assigned
from .wording import say

ENTRIES = 300  # that are differentiated at one draw
SECONDS, ALL = 0.45, 0.95  # for the differences, and until all searches end
STEPS = 0.05, 0.01, 1e-3, 2e-4  # tried in turns, in units of max(1, |x|): the long ones where forward is smooth, the short ones beside kinks
SIXTH = (1, 45 / 60), (2, -9 / 60), (3, 1 / 60)  # f'(x) = sum of c (f(x + k h) - f(x - k h)) / h + O(h^6)
RATIO = 0.61  # of the second step to the first: no round number, which rounding could be in step with
ENOUGH = 1e-11  # relative to the whole gradient; formulas must fit to 1e-9
PRIMES = ((5, 3, 7, 2, 11), (3, 7, 2, 11, 5), (7, 2, 11, 5, 3), (2, 5, 3, 7, 13), (11, 13, 5, 3, 7))  # lengths of the axes, the longest first


class Draw:
    """The inputs of forward at one draw, the upstream gradient there, what backward is handed, and the right gradients."""

    def __init__(self, pair, inputs, rng):
        self.pair, self.inputs = pair, inputs
        out, cache = pair.forward(*[a.copy() for a in inputs])
        douts = tuple(rng.standard_normal(np.shape(o)) for o in as_tuple(out))
        self.upstream = np.concatenate([d.ravel() for d in douts])
        self.args = copied((douts if isinstance(out, tuple) else douts[0], cache))
        self.grads = assigned(pair.backward(*copied(self.args)), pair.names, inputs, pair.wrt)
        if not all(np.isfinite(o).all() for o in as_tuple(out)) or any(np.shape(grad) != inputs[i].shape for i, grad in self.grads.items()):
            raise ValueError("other sizes are not what forward or backward is made for")

    def right(self, ends):
        """The right gradients, a tuple; None if the time is over, or if they are not precise enough."""
        found = []
        for i in self.grads:
            grad = precise(Along(self.pair.forward, self.inputs, i, self.upstream), ends)
            if grad is None:
                return None
            found.append(grad)
        return tuple(found)


def precise(g, ends):
    """The gradient of g in every entry to about 1e-12 of its norm; None if this is not reached, as on a kink, or not by the time `ends`.

    >>> x = np.array([0.3, -2.0])
    >>> g = Along(lambda x: (np.exp(x) * x, None), [x], 0, np.ones(2))
    >>> print(np.abs(precise(g, np.inf) - np.exp(x) * (1 + x)).max() < 1e-12)
    True
    """
    if g.base is None:
        return None
    grad, error, size = np.zeros(g.x.shape), np.full(g.x.shape, np.inf), 0.0
    for h in STEPS:
        for index in [index for index in np.ndindex(g.x.shape) if error[index] > ENOUGH * size / np.sqrt(g.x.size)]:
            if time.perf_counter() > ends:
                return None
            value, off = _slope(g, index, h * max(1.0, abs(float(g.x[index]))))
            if off < error[index]:
                grad[index], error[index] = value, off
        size = norm(grad)
    kinked = any(_kink(g, index, grad[index], size) for index in np.ndindex(g.x.shape))
    return grad if norm(error) < 3 * ENOUGH * max(size, np.finfo(float).tiny) and not kinked else None


def _moved(g, index, step):
    """The change of the outputs when one entry moves from -step to +step around x, and by how much it really moved; None outside the domain."""
    ahead, behind = g.x.copy(), g.x.copy()
    ahead[index] += step
    behind[index] -= step
    plus, minus = g(ahead), g(behind)
    return None if plus is None or minus is None else (inner(g.upstream, plus[0] - minus[0]), ahead[index] - behind[index])


def _slope(g, index, h):
    """(slope, its error) along one entry, from two steps of sixth order."""
    slopes = []
    for step in (h, RATIO * h):
        moves = [_moved(g, index, k * step) for k, _ in SIXTH]
        if None in moves:
            return 0.0, np.inf
        slopes.append(sum(c * change * 2 * k / width for (k, c), (change, width) in zip(SIXTH, moves)))
    best = slopes[1] + (slopes[1] - slopes[0]) / (RATIO**-6 - 1)
    return best, abs(best - slopes[1]) + 1e-15 * norm(g.upstream * g.base[0]) / h


def _kink(g, index, slope, size):
    """Whether the slopes of the two sides stay apart however short the step."""
    apart = []
    for h in (1e-4, 1e-5):
        ahead = g.x.copy()
        ahead[index] += h * max(1.0, abs(float(g.x[index])))
        plus = g(ahead)
        if plus is None:
            return True
        apart.append(abs(inner(g.upstream, plus[0] - g.base[0]) / (ahead[index] - g.x[index]) - slope))
    return apart[1] > 1e-6 * size and apart[1] > 0.5 * apart[0]


# ---- draws ---------------------------------------------------------------------------------------------


def draws_of(pair, inputs, rng):
    """Lists of three draws made of the inputs of a check: of three sizes if forward and backward run there, then of the same sizes."""
    small = _entries(pair, inputs) <= ENTRIES
    lengths = sorted({n for a in inputs for n in a.shape if n > 1}, reverse=True)
    tables = [dict(zip(lengths, primes)) for primes in PRIMES] if 0 < len(lengths) <= len(PRIMES[0]) else []
    other = [table for table in tables if all(n != m for n, m in table.items())] if small else tables
    several = [inputs] * small + [_resized(inputs, table, rng) for table in other]
    rows = {} if small or inputs[pair.wrt[0]].ndim == 0 else {len(inputs[pair.wrt[0]]): 5}
    same = [inputs] * small + [_resized(inputs, rows, rng) for _ in range(3 - small)]
    for made in (several, same):
        found = _run(pair, made, rng) if len(made) >= 3 and _entries(pair, made[0]) <= ENTRIES else None
        if found:
            yield found


def _entries(pair, inputs):
    return sum(inputs[i].size for i in pair.wrt)


def _run(pair, several, rng):
    try:
        return [Draw(pair, inputs, rng) for inputs in several[:3]]
    except Exception:  # noqa: BLE001  other sizes or other values may be refused by anything
        return None


def _resized(inputs, primes, rng):
    """New inputs: rows and columns of the old ones in another number and order, floats drawn a little towards zero."""
    found, index = [], {n: rng.integers(0, n, m) for n, m in primes.items()}
    for a in inputs:
        for axis, n in enumerate(a.shape):
            a = np.take(a, index.get(n, np.arange(n)), axis)
        found.append(np.array(a * rng.uniform(0.6, 1.0, a.shape) if a.dtype.kind == "f" else a))
    return found


# ---- the diagnosis -------------------------------------------------------------------------------------


def cause(pair, inputs, ok=()):
    """The Diagnosis of a pair that is wrong at these inputs; None if precise differences find nothing wrong.

    `ok`: the names of the inputs whose gradients the check found right.
    """
    begin, rng, found = time.perf_counter(), np.random.default_rng([7, *b"cause"]), None
    with quiet():
        why = "runs" if _entries(pair, inputs) <= ENTRIES else "slow"
        for draws in draws_of(pair, inputs, rng):
            ends = begin + SECONDS
            wanted = [want for draw in draws if (want := draw.right(ends)) is not None]
            if len(wanted) < len(draws):
                why = "slow" if time.perf_counter() > ends else "rough"
            elif _steady(draws, wanted) or draws[0].inputs[0].shape == draws[1].inputs[0].shape:
                found = _compared(pair, draws, wanted, ok, begin + ALL)
            if found is not None and found.named or time.perf_counter() > begin + SECONDS:
                break
    return _not_done(why) if found is None else found if found.findings else None


def _steady(draws, wanted):
    """Whether the same gradients are wrong at all draws: else backward was written for one size alone."""
    wrong = [[distance(np.asarray(grad), w) > FIT for grad, w in zip(draw.grads.values(), want)] for draw, want in zip(draws, wanted)]
    return all(found == wrong[0] for found in wrong)


def _compared(pair, draws, wanted, ok, ends):
    """The Diagnosis from these draws; `right` are those results alone that the check found right too."""
    given, inputs = list(draws[0].grads), draws[0].inputs

    def function(dout, cache):
        grads = assigned(pair.backward(dout, cache), pair.names, inputs, pair.wrt)
        return tuple(grads[i] for i in given)

    outputs = tuple(f"d{pair.names[i]}" for i in given)
    case = Case(function, [draw.args for draw in draws], None, wanted, outputs, backward=pair.backward)
    case.ends = min(case.ends, ends)
    for path in case.paths:  # a part of the cache that has no name in backward's source, and is an input
        for name, several in zip(pair.names, zip(*(draw.inputs for draw in draws))) if "[" in case.names[path] else ():
            if all(np.array_equal(case.leaf(d, path), a) for d, a in enumerate(several)):
                case.names[path] = name
    found = diagnosed(case, {}, [])
    return Diagnosis(found.findings, [name for name in found.right if name[1:] in ok], found.untried)


def _not_done(why):
    return Diagnosis([Finding("unknown", "", say(f"not_done.{why}"))])
