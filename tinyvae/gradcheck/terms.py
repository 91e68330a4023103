"""Sums of two products: is a wrong result, or its ratio to the right one, c a + d b with the same c and d at every draw?"""

import numpy as np

from .algebra import number
from .arguments import FIT, distance
from .case import Explanation
from .products import (
    ONE,
    Quantity,
    axes_of,
    flat,
    quantities,
    reduced,
    upstream_quantities,
    written,
)
from .wording import say


def terms(case, i):
    """The Explanations of a result as a sum of two products; a list."""
    got, want = case.got(i), case.want(i)
    target = axes_of(got)
    if target is None or target != axes_of(want) or len(set(target)) < len(target) or got[0].size < 4:
        return []
    known = quantities(case, [path for path in case.paths if path not in case.upstream])
    ups, bare = upstream_quantities(case), [q for q in known if q.cost <= 1.0]
    sums = reduced(case, ups, [ONE])
    several = [q for q in [ONE, *known, *ups, *reduced(case, [*ups, ONE], bare), *sums] if set(q.axes) <= set(target)]
    heads = [q for q in (Quantity("", 0.0, tuple(want), target), *ups, ONE, *sums, *bare) if set(q.axes) <= set(target)]
    table, found = flat(several, target, got[0], 0), []
    for head in heads:
        found += _under(case, i, head, several, table, target)
    return found


def _under(case, i, head, several, table, target):
    """The simplest Explanation as head * (c a + d b), in a list."""
    got, best = case.got(i), None
    first = table * flat([head], target, got[0], 0)
    for a, b in _pairs(first, np.ravel(got[0]).astype(float)) if case.time_left() else ():
        cost = 6.0 + head.cost + several[a].cost + several[b].cost
        if best is not None and best.cost <= cost:
            continue
        rows = [flat([several[a], several[b]], target, g, d) * flat([head], target, g, d) for d, g in enumerate(got)]
        fit = _two(case, got, rows)
        if fit is not None:
            parts = [written(number(k), [head.text, several[n].text]) for k, n in zip(fit[0], (a, b)) if abs(k) > 1e-9]
            text = " + ".join(sorted(parts, key=lambda part: part.startswith("-"))).replace("+ -", "- ")
            key = "terms.formula" if head.text or head is ONE else "terms.right"
            best = Explanation(cost, "terms", i, say(key, output=case.outputs[i], noun=case.noun, factor=text), fit[1])
    return [best] if best else []


def _pairs(table, z):
    """The pairs of rows of which a vector may be a combination, by the normal equations of all pairs at once."""
    gram, along, square = table @ table.T, table @ z, np.diag(table @ table.T)
    det = square[:, None] * square - gram * gram
    c = (square * along[:, None] - gram * along) / det  # of the row; of the column it is the transpose
    left = z @ z - c * along[:, None] - c.T * along
    good = (left < 1e-10 * (z @ z)) & (det > 1e-6 * square[:, None] * square)
    return [(a, b) for a, b in zip(*np.nonzero(good)) if a < b]


def _two(case, got, rows):
    """((c, d), residual) if a result is c times one row plus d times another, with the same numbers at every draw, else None."""
    numbers = np.linalg.lstsq(rows[0].T, np.ravel(got[0]).astype(float), rcond=None)[0]
    halves = np.round(2 * numbers) / 2
    numbers = np.where(np.abs(numbers - halves) < 1e-7, halves, numbers)
    worst = 0.0
    for d, (row, g) in enumerate(zip(rows, got)):
        worst = max(worst, distance(np.ravel(g).astype(float), numbers @ row, case.floor(d)))
        if not worst < FIT:
            return None
    return numbers, worst
