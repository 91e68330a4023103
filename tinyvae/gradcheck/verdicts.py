"""From slopes to verdicts: which directions are tried, and what an input's slopes say of its gradient as a whole."""

import numpy as np

from .differences import Along, climb, judge, ladder_steps, norm
from .report import CANNOT, OK, WRONG, Row

COORDINATES = 3000  # up to this many numbers each is checked by itself, above it directions and a sample are
DIRECTIONS, GROUPS = 4, 8  # of large inputs: along all entries, and along those of like gradients
SAMPLE = 50  # single entries of large inputs
SEEN = 1e-3  # how well, relatively, a slope must be known to count as seen
BESIDE = 1e-7  # ... unless it is so small beside the other entries of its input


def compare(pair, inputs, upstream, wrt, few=None):
    """{index: Row} for each input in `wrt`: its gradient from `pair` against the slopes of upstream @ forward.

    `few`: check a sample of so many single entries, beside random directions; without it every entry, if they are at most `COORDINATES`.
    """
    grads, rng, rows = pair.gradients(inputs), pair.rng, {}
    for i in wrt:
        row = _row(pair.forward, pair.names[i], inputs, i, grads[i], upstream, rng, few)
        flat = row.verdict == OK and norm(grads[i]) <= 1e-6 * row.scale  # no slope here, though there may be one close by
        rows[i] = _second_look(pair, row, inputs, i, upstream, few) if flat else row
    return rows


def _row(forward, name, inputs, i, grad, upstream, rng, few):
    """The verdict on one input."""
    g = Along(forward, inputs, i, upstream)
    tried = list(_directions(g.x, grad, rng, few))
    slopes = [judge(g, grad, *one) for one in tried]
    row = Row(name, g.x.shape, **_verdict(slopes), checked=_count(slopes, g.x.size))
    compared = [k for k, slope in enumerate(slopes) if slope.verdict in ("ok", "WRONG", "still")]  # the others have no number
    if not compared:
        return row
    error, resolution, size = _errors([slopes[k] for k in compared])
    wrong = [k for k in compared if slopes[k].verdict == "WRONG"]
    worst = max(wrong or compared, key=lambda k: abs(slopes[k].analytic - slopes[k].numeric))
    slope, (v, _, scale, finest) = slopes[worst], tried[worst]
    ladder = climb(g, grad, v, ladder_steps(scale, finest))
    return row._replace(
        error=error, resolution=resolution, scale=size, entry=slope.label, analytic=slope.analytic, numeric=slope.numeric,
        steps=ladder.h, errors=np.abs(ladder.remainder), step=slope.step,
    )  # fmt: skip


def _directions(x, grad, rng, few):
    """(v, label, longest step, smallest number moved) of all that is tried: each entry, or directions and a sample of entries."""
    every = x.size <= COORDINATES if few is None else x.size <= few
    entries = range(x.size) if every else np.sort(rng.choice(x.size, SAMPLE if few is None else few, replace=False))
    for n, block in enumerate([] if every else _blocks(grad, rng)):
        yield block, f"direction {n}", 1.0, 1.0
    for flat in entries:
        index, v = np.unravel_index(flat, x.shape), np.zeros(x.shape)
        v[index] = 1
        size = abs(float(x[index]))
        yield v, str(list(map(int, index))), max(1.0, size), size


def _blocks(grad, rng):
    """Random directions: some of all entries, half along the gradient, so that the slope stands out of the rounding, and one for each
    group of entries whose gradients are of like size, so that none hides behind larger ones."""
    for _ in range(DIRECTIONS):
        v = rng.standard_normal(grad.shape)
        yield v / norm(v) + grad / max(norm(grad), np.finfo(float).tiny)
    for group in np.array_split(np.argsort(np.abs(grad), axis=None), min(GROUPS, grad.size)):
        v = np.zeros(grad.size)
        v[group] = rng.standard_normal(len(group))
        yield v.reshape(grad.shape) / max(norm(v), np.finfo(float).tiny)


def _count(slopes, size):
    directions = sum(slope.label.startswith("direction") for slope in slopes)
    entries = len(slopes) - directions
    return f"{directions} directions, {entries} of {size} entries" if directions else f"{entries} entries"


def _errors(slopes):
    """The norm-wise relative error of backward, that of the differences themselves, and the slope that both are relative to."""
    analytic, numeric, error, nearby = (np.array([getattr(s, name) for s in slopes]) for name in ("analytic", "numeric", "error", "nearby"))
    scale = max(norm(analytic), norm(numeric), nearby.max(), np.finfo(float).tiny)
    return norm(analytic - numeric) / scale, norm(error) / scale, scale


# ---- verdicts -------------------------------------------------------------------------------------

KINKS = "every entry lies on a kink, where any slope between those of the two sides is right: move the inputs off it"
UNSETTLED = "the differences do not settle as the step shrinks (a jump, an infinite slope, or noise of its own): check at other inputs"
DIM = "the gradient is below what differences can see beside the rounding of forward's values: scale the inputs, or take away what is large"
STILL = "neither forward nor backward moves with it here (is what lies above it zero?): check at other inputs, or leave it out by wrt="


def _verdict(slopes):
    """What the slopes of one input say of it, as keywords for a Row."""
    ok = [slope for slope in slopes if slope.verdict == "ok"]
    largest = max((max(abs(slope.numeric), slope.nearby) for slope in ok), default=0.0)
    dim = [slope for slope in ok if slope.error > SEEN * max(abs(slope.numeric), 0.01 * slope.nearby)]
    hidden = [slope for slope in dim if slope.error > BESIDE * largest]  # not even beside the other entries
    kinks = sum(slope.verdict == "kink" for slope in slopes)
    counts = {"left_out": kinks, "unseen": len(dim) - len(hidden)}
    if any(slope.verdict == "WRONG" for slope in slopes):
        return counts | {"verdict": WRONG}
    reasons = (
        (kinks == len(slopes), KINKS),
        (any(slope.verdict == "unsettled" for slope in slopes), UNSETTLED),
        (hidden, DIM),
    )
    reason = next((reason for found, reason in reasons if found), "")
    return counts | {"verdict": CANNOT if reason else OK, "reason": reason}


def _second_look(pair, row, inputs, i, upstream, few):
    """Where the slope is zero any multiple of a gradient looks right: judge it a small random step away too, where it need not be zero."""
    moved = list(inputs)
    moved[i] = inputs[i] + 0.01 * pair.rng.standard_normal(inputs[i].shape) * np.maximum(1, np.abs(inputs[i]))
    if Along(pair.forward, moved, i, upstream).base is None:
        return row._replace(verdict=CANNOT, reason=STILL)
    grad = pair.gradients(moved)[i]
    again = _row(pair.forward, row.name, moved, i, grad, upstream, pair.rng, few)
    if again.verdict == OK:
        return row if np.any(grad) else row._replace(verdict=CANNOT, reason=STILL)
    return again._replace(reason=again.reason or "the gradient is zero at these inputs, and wrong a small step away from them")
