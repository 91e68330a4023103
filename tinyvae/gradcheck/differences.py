"""Central differences in float64: steps, slopes, kinks, and the comparison with what backward returned."""

import numpy as np

from .report import Row

H = 6e-6  # about the cube root of the float64 precision: balances the error O(h^2) against rounding
TOLERANCE = 1e-7
COORDINATES = 3000  # up to this many numbers each is checked by itself, above it random directions are
DIRECTIONS = 5


def as_tuple(value):
    """The outputs of a function as a tuple, also where there is only one."""
    return value if isinstance(value, tuple) else (value,)


def compare(forward, names, inputs, grads, upstream, rng, coordinates=None):
    """The gradients {index of input: array} against the slopes of upstream @ forward, one Row each.

    Each number of an input is checked by itself if there are few or `coordinates` says so, else random directions are.
    """
    rows = []
    for i, grad in grads.items():
        x = inputs[i]
        by_coordinate = x.size <= COORDINATES if coordinates is None else coordinates
        steps = list(_coordinate_steps(x) if by_coordinate else _random_steps(grad, rng))
        base, _ = _values(forward, inputs, i, x)
        floor = max(1e-4, 1e-3 * np.abs(base).max())  # rounding alone moves a numeric slope by about 1e-10 |f|
        kept = []
        for label, step, h in steps:
            analytic = np.vdot(grad, step) / h
            numeric, crossed = _slope(forward, inputs, i, step, h, upstream, base, analytic, floor)
            if not crossed:
                kept.append((abs(analytic - numeric), analytic, numeric, label))
        rows.append(_row(names[i], x.shape, kept, len(steps) - len(kept), floor))
    return rows


def _row(name, shape, kept, left_out, floor):
    """The norm-wise relative error |a - n| / max(|a|, |n|); below the floor there is only rounding."""
    if not kept:
        return Row(name, shape, 0.0, "all on kinks", np.nan, np.nan, left_out, ok=left_out == 0)
    difference, analytic, numeric, labels = zip(*kept)
    scale = max(np.linalg.norm(analytic), np.linalg.norm(numeric), floor)
    error = float(np.linalg.norm(difference) / scale)
    worst = int(np.argmax(difference))
    return Row(name, shape, error, labels[worst], analytic[worst], numeric[worst], left_out, error <= TOLERANCE)


# ---- steps ------------------------------------------------------------------------------------


def _coordinate_steps(x):
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        h = H * max(1.0, abs(x[index]))
        step[index] = h
        yield str(list(map(int, index))), step, h


def _random_steps(grad, rng):
    """Half random, half along the gradient: a slope that stands out of the rounding and misses no error."""
    for n in range(DIRECTIONS):
        direction = rng.standard_normal(grad.shape)
        direction /= np.linalg.norm(direction)
        direction += grad / max(np.linalg.norm(grad), 1e-30)
        yield f"direction {n}", H * direction, H


# ---- slopes and kinks -------------------------------------------------------------------------


def _values(forward, inputs, i, x):
    """The outputs as one flat vector, and every array of booleans in the cache (the sides of the ReLUs)."""
    out, cache = forward(*inputs[:i], x, *inputs[i + 1 :])
    return np.concatenate([np.ravel(o) for o in as_tuple(out)]), list(_masks(cache))


def _masks(cache):
    if isinstance(cache, np.ndarray) and cache.dtype == bool:
        yield cache
    elif isinstance(cache, (tuple, list, dict)):
        for part in cache.values() if isinstance(cache, dict) else cache:
            yield from _masks(part)


def _slope(forward, inputs, i, step, h, upstream, base, analytic, floor):
    """The central difference along a step, and whether a kink lies between its two ends.

    Where it disagrees with backward, shorter steps are tried, for close to a pole the error O(h^2) is large.
    A kink without a mask in the cache shows by slopes on the two sides that stay apart as h falls, backward between them.
    """
    jumps, first = [], None
    for shorter in (1.0, 0.1, 0.01):
        plus, sides_plus = _values(forward, inputs, i, inputs[i] + shorter * step)
        minus, sides_minus = _values(forward, inputs, i, inputs[i] - shorter * step)
        right, left = upstream @ (plus - base) / (shorter * h), upstream @ (base - minus) / (shorter * h)
        numeric = upstream @ (plus - minus) / (2 * shorter * h)
        first = numeric if first is None else first
        if any(not np.array_equal(a, b) for a, b in zip(sides_plus, sides_minus)):
            return numeric, True
        if abs(analytic - numeric) <= TOLERANCE * abs(numeric):
            return numeric, False
        jumps.append(abs(right - left))
    return first, _is_kink(jumps, left, right, analytic, floor)


def _is_kink(jumps, left, right, analytic, floor):
    """Whether the slopes on the two sides stay apart (`jumps`, as h falls), with backward between the last of them."""
    apart = min(jumps) > max(1e-3 * (abs(left) + abs(right)), 1e-3 * floor, jumps[0] / 2)
    return apart and min(left, right) - 1e-3 * jumps[-1] <= analytic <= max(left, right) + 1e-3 * jumps[-1]
