"""From slopes to verdicts: which directions are tried, and what an input's slopes say of its gradient as a whole."""

import numpy as np

from .differences import EXACT, Along, climb, judge, ladder_steps, norm
from .report import CANNOT, OK, WRONG, Row

COORDINATES = 3000  # up to this many numbers each is checked by itself, above it directions and a sample are
DIRECTIONS, GROUPS = 4, 4  # of large inputs: along all entries, and along those of like gradients, and of like size
SAMPLE = 50  # single entries of large inputs
ENOUGH = 10  # wrong entries of an input
SEEN = 1e-3  # how well, relatively, a slope must be known to count as seen,
BESIDE = 1e-7  # unless it is so small beside the other entries of its input
ROUNDING = 1e-14  # relative to the largest entry of its input and to dout: below it a difference is rounding, whoever is right


def compare(pair, inputs, grads, upstream, few=None):
    """{index: Row} for each input that has a gradient in `grads`, {index: array}: this against the slopes of <upstream, forward>.

    `few`: check a sample of so many single entries, beside random directions; without it every entry, if they are at most `COORDINATES`.
    """
    slack, rows = pair.slack(inputs, grads), {}
    for i in grads:
        row = _row(pair, inputs, i, grads[i], slack[i], upstream, few)
        flat = row.verdict == OK and norm(grads[i]) <= 1e-6 * row.scale  # no slope here, though there may be one close by
        rows[i] = _second_look(pair, row, inputs, i, upstream, few) if flat else row
    return rows


def _row(pair, inputs, i, grad, slack, upstream, few):
    """The verdict on one input."""
    g, slopes, worst, wrong = Along(pair.forward, inputs, i, upstream), [], None, 0
    dout = np.abs(upstream).max()
    for v, label, scale, finest in _directions(g.x, grad, pair.rng, few):
        slope = judge(g, grad, slack, v, label, scale, finest)
        slopes.append(slope)
        bad = slope.verdict == "WRONG" and not _is_rounding(slope, np.abs(grad).max(), dout)
        rank = bad, abs(slope.analytic - slope.numeric)
        if slope.verdict in ("ok", "WRONG", "still") and (worst is None or rank > worst[0]):  # the others have no number
            worst = rank, slope, v, ladder_steps(scale, finest)
        wrong += bad
        if wrong == ENOUGH:  # a ladder for each entry of a wrong gradient would take long and say nothing more
            break
    row = Row(pair.names[i], g.x.shape, **_verdict(slopes, dout), checked=_count(slopes, g.x.size))
    if worst is None:
        return row
    _, slope, v, steps = worst
    error, resolution, size = _errors([s for s in slopes if s.verdict in ("ok", "WRONG", "still")])
    ladder = climb(g, grad, v, steps)
    return row._replace(
        error=error, resolution=resolution, scale=size, entry=slope.label, analytic=slope.analytic, numeric=slope.numeric,
        steps=ladder.h, errors=np.abs(ladder.remainder), step=slope.step,
    )  # fmt: skip


def _is_rounding(slope, largest, dout):
    """Whether what backward and the differences disagree about is rounding, whoever is right: beside the largest entry, and dout."""
    return abs(slope.analytic - slope.numeric) <= ROUNDING * min(largest, dout)


def _directions(x, grad, rng, few):
    """(v, label, longest step, smallest number moved) of all that is tried: each entry, or directions and a sample of entries."""
    every = x.size <= COORDINATES if few is None else x.size <= few
    sample, largest = SAMPLE if few is None else few, np.argsort(np.abs(grad), axis=None)
    entries = range(x.size) if every else sorted({*rng.choice(x.size, sample, replace=False), *largest[-sample // 5 :]})
    for n, v in enumerate([] if every else _blocks(x, grad, rng)):
        yield v, f"direction {n}", 1.0, 1.0
    for flat in entries:
        index, v = np.unravel_index(flat, x.shape), np.zeros(x.shape)
        v[index] = 1
        size = abs(float(x[index]))
        yield v, str(list(map(int, index))), max(1.0, size), size


def _blocks(x, grad, rng):
    """Random directions, in which every number moves as far as it is large: some of all entries, half along the gradient, so that the
    slope stands out of the rounding, and one for each group of entries of like gradients, or of like size, so that none hides."""
    size = np.where(x == 0, 1.0, np.abs(x))
    for _ in range(DIRECTIONS):
        yield size * (_unit(rng.standard_normal(x.shape)) + _unit(grad * size))
    for key in (grad, x):
        for group in np.array_split(np.argsort(np.abs(key), axis=None), min(GROUPS, x.size)):
            v = np.zeros(x.size)
            v[group] = rng.standard_normal(len(group))
            yield size * _unit(v.reshape(x.shape))


def _unit(v):
    length = norm(v)
    return v / length if length > 0 else v


def _count(slopes, size):
    directions = sum(slope.label.startswith("direction") for slope in slopes)  # those on kinks too: they were tried
    entries = len(slopes) - directions
    return f"{directions} directions, {entries} of {size} entries" if directions else f"{entries} entries"


def _errors(slopes):
    """The norm-wise relative error of backward, that of the differences themselves, and the slope that both are relative to."""
    analytic, numeric, error, nearby = (np.array([getattr(s, name) for s in slopes]) for name in ("analytic", "numeric", "error", "nearby"))
    scale = max(norm(analytic), norm(numeric), nearby.max(), np.finfo(float).tiny)
    return norm(analytic - numeric) / scale, max(norm(error) / scale, EXACT), scale


# ---- verdicts -------------------------------------------------------------------------------------

KINKS = "every entry lies on a kink, where any slope between those of the two sides is right: move the inputs off it"
UNSETTLED = "the differences do not settle as the step shrinks (a jump, an infinite slope, or noise of its own): check at other inputs"
BORDER = "forward is not defined at any step beside these inputs: move them off the border of its domain"
DIM = "the gradient is below what differences can see beside the rounding of forward's values: scale the inputs, or take away what is large"
STILL = "neither forward nor backward moves with it here (is it used? is what lies above it zero?): check elsewhere, or leave it out by wrt="


def _verdict(slopes, dout):
    """What the slopes of one input say of it, as keywords for a Row; `dout`: the largest upstream gradient."""
    largest, found = {True: 0.0, False: 0.0}, {}
    for slope in slopes:  # of directions and of single entries, which have units of their own
        if slope.verdict in ("ok", "WRONG"):
            kind = slope.label.startswith("direction")
            largest[kind] = max(largest[kind], abs(slope.numeric), slope.nearby)
    for slope in slopes:
        verdict = _beside(slope, largest[slope.label.startswith("direction")], dout)
        found[verdict] = found.get(verdict, 0) + 1
    kinks = found.get("kink", 0)
    counts = {"left_out": kinks, "unseen": found.get("unseen", 0)}
    if "WRONG" in found:
        return counts | {"verdict": WRONG}
    reasons = (kinks and not found.get("ok"), KINKS), ("undefined" in found, BORDER), ("unsettled" in found, UNSETTLED), ("dim" in found, DIM)
    reason = next((reason for so, reason in reasons if so), "")
    return counts | {"verdict": CANNOT if reason else OK, "reason": reason}


def _beside(slope, largest, dout):
    """The verdict on a slope beside the largest of its input: "unseen" if it is too small to matter, "dim" if it is too small to be seen
    though it might matter."""
    if slope.verdict == "WRONG" and _is_rounding(slope, largest, dout):
        return "unseen"
    if slope.verdict == "unsettled" and max(abs(slope.analytic), abs(slope.numeric)) <= 1e-3 * BESIDE * largest:
        return "unseen"
    if slope.verdict != "ok" or slope.error <= SEEN * max(abs(slope.numeric), 0.01 * slope.nearby):
        return slope.verdict
    return "unseen" if slope.error <= BESIDE * largest else "dim"


def _second_look(pair, row, inputs, i, upstream, few):
    """Where the slope is zero any multiple of a gradient looks right: judge it a small random step away too, where it need not be zero."""
    moved = list(inputs)
    moved[i] = inputs[i] + 0.01 * pair.rng.standard_normal(inputs[i].shape) * np.maximum(1, np.abs(inputs[i]))
    if Along(pair.forward, moved, i, upstream).base is None:
        return row._replace(verdict=CANNOT, reason=STILL)
    grads = pair.gradients(moved)
    grad = grads[i]
    again = _row(pair, moved, i, grad, pair.slack(moved, grads)[i], upstream, few)
    if again.verdict == OK:
        return row if np.any(grad) else row._replace(verdict=CANNOT, reason=STILL)
    return again._replace(reason=again.reason or "the gradient is zero at these inputs, and wrong a small step away from them")
