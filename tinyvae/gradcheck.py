"""Gradient checks: does a hand-written backward match its forward?

`check` compares one pair, `check_model` a whole loss, with central differences in float64::

    df/dx_i = (f(x + h e_i) - f(x - h e_i)) / 2h + O(h^2)                                [CHECK.1]

A gradient check proves that backward matches forward. It cannot prove that forward is the
mathematics of the lecture: for that see the tests of densities, samplers and exact models.
"""

from typing import NamedTuple

import numpy as np

H = 6e-6  # about the cube root of the float64 precision: balances the error O(h^2) against rounding
TOLERANCE = 1e-7
COORDINATES = 3000  # up to this many numbers each is checked by itself, above it random directions are
DIRECTIONS = 5
NO_GRADIENT = {"x", "eps", "mask", "eta"}  # data, noise and constants, where they are not the first input


class Row(NamedTuple):
    """The comparison for one input: its worst entry, and the norm-wise relative error of all entries."""

    name: str
    shape: tuple
    error: float
    entry: str
    analytic: float
    numeric: float
    left_out: int
    ok: bool


class Report:
    """What `check` found: `report.ok`, `report.error`, `report.rows`, and a table by `str(report)`."""

    def __init__(self, title, rows, unchecked=()):
        self.title, self.rows, self.unchecked = title, rows, tuple(unchecked)

    @property
    def ok(self):
        """True if every gradient matches."""
        return all(row.ok for row in self.rows)

    @property
    def error(self):
        """The largest norm-wise relative error."""
        return max(row.error for row in self.rows)

    def __str__(self):
        width = max(5, *(len(row.name) for row in self.rows))
        lines = [
            f"gradient check of {self.title} (float64, central differences)",
            f"{'input':<{width}}  {'shape':<12} {'rel. error':>10}  {'worst entry':<13} {'backward':>14} {'numeric':>14}",
        ]
        for row in self.rows:
            verdict = "ok" if row.ok else "WRONG"
            lines.append(
                f"{row.name:<{width}}  {row.shape!s:<12} {row.error:>10.1e}  {row.entry:<13} "
                f"{row.analytic:>14.8g} {row.numeric:>14.8g}  {verdict}"
            )
        left_out = sum(row.left_out for row in self.rows)
        if left_out:
            lines.append(f"left out: {left_out} where a kink (ReLU) lies between x - h and x + h")
        if self.unchecked:
            lines.append(f"not checked, for backward gave no gradient: {', '.join(self.unchecked)}")
        return "\n".join(lines)

    __repr__ = __str__

    def __bool__(self):
        return self.ok


def check(forward, backward, *inputs, seed=0):
    """Compare a pair's backward with central differences of its forward, in float64.

    The outputs are projected on a random upstream gradient `dout`, so one number is differentiated.
    Inputs named x, eps, mask or eta that do not come first, and integer inputs, are data or noise:
    backward need not return a gradient for them.

    Parameters
    ----------
    forward : callable, inputs -> (out, cache); out is an array or a tuple of arrays
    backward : callable, (dout, cache) -> gradients in the order of the inputs; None where there is none
    *inputs : arrays or numbers, cast to float64 and never changed
    seed : int
        Seeds the upstream gradient.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If a check would mean nothing: a wrong number or shape of gradients, fresh noise inside
        forward or backward, inputs changed in place, lower precision inside, NaN or infinity.

    Examples
    --------
    >>> def square_forward(a):
    ...     return a * a, a
    >>> def square_backward(dout, a):
    ...     return dout * a                       # the factor 2 is missing
    >>> report = check(square_forward, square_backward, np.array([1.0, 2.0]))
    >>> report.ok, round(report.error, 3)
    (False, 0.5)
    """
    names = _input_names(forward, len(inputs))
    inputs = [_as_float64(name, a) for name, a in zip(names, inputs)]
    rng = np.random.default_rng(seed)
    out = _run_forward(forward, names, inputs)[0]
    douts = tuple(rng.standard_normal(np.shape(o)) for o in _as_tuple(out))
    dout = douts if isinstance(out, tuple) else douts[0]

    grads = _run_backward(forward, backward, names, inputs, dout)
    upstream = np.concatenate([d.ravel() for d in douts])
    rows = _compare(forward, names, inputs, grads, upstream, rng)
    title = getattr(forward, "__name__", "forward").removesuffix("_forward")
    return Report(title, rows, [name for i, name in enumerate(names) if i not in grads and inputs[i].dtype.kind == "f"])


def check_model(vae, X, *, seed=0):
    """The same for a whole model: the loss by every parameter, at fixed noise.

    Small models are checked coordinate by coordinate, large ones along random directions. The check is made a small
    random step away from theta: a fresh model has log_sigma = 0, where a wrong chain through sigma = 1 cannot be seen.

    Parameters
    ----------
    vae : VAE; a float64 copy is checked, the model itself is not changed
    X : ndarray of shape (N, D), data of the likelihood's domain; a few rows are enough
    seed : int
        Seeds eps and the directions.

    Returns
    -------
    Report, with one row for each name in `vae.params`

    Examples
    --------
    >>> from tinyvae import VAE, check_model
    >>> check_model(VAE(4, hidden=(3,)), np.array([[0, 1, 1, 0], [1, 1, 0, 0]])).ok
    True
    """
    vae = vae.copy("float64")
    rng = np.random.default_rng(seed)
    eps = rng.standard_normal((vae.n_samples, len(X), vae.n_latent))
    vae.theta += 0.05 * rng.standard_normal(vae.theta.size)
    names, inputs = list(vae.params), [view.copy() for view in vae.params.values()]

    def forward(*arrays):
        for view, a in zip(vae.params.values(), arrays):
            view[...] = a
        return vae.loss_forward(X, eps)

    def backward(dloss, cache):
        return tuple(vae.views(vae.loss_backward(dloss, cache)).values())

    grads = dict(enumerate(_run_backward(forward, backward, names, inputs, np.float64(1)).values()))
    title = f"a VAE of {vae.theta.size} parameters, likelihood {vae.likelihood}, activation {vae.activation}"
    coordinates = vae.theta.size <= COORDINATES
    return Report(title, _compare(forward, names, inputs, grads, np.ones(1), rng, coordinates))


# ---- running the pair, and refusing what cannot be checked ------------------------------------


def _as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def _input_names(forward, n):
    import inspect  # here, because it takes long to import

    try:
        names = list(inspect.signature(forward).parameters)[:n]
    except (TypeError, ValueError):
        names = []
    return names if len(names) == n else [f"input {i}" for i in range(n)]


def _as_float64(name, a):
    a = np.array(a)
    if a.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {a.dtype}")
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def _run_forward(forward, names, inputs):
    """Run forward twice; refuse fresh noise, inputs changed in place, other precision, NaN."""
    handed = [a.copy() for a in inputs]
    runs = []
    for _ in range(2):
        result = forward(*handed)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ValueError(f"forward must return (out, cache), got {type(result).__name__}")
        _refuse_changed("forward", names, inputs, handed)
        runs.append(result)
    (out, cache), (again, _) = runs
    for first, second in zip(_as_tuple(out), _as_tuple(again)):
        if not np.isfinite(first).all():
            raise ValueError("forward returned NaN or infinity: check at inputs where it is finite")
        if not np.array_equal(first, second):
            raise ValueError(
                "forward is not deterministic: two calls with the same inputs differ. "
                "Draw the noise outside and pass it in as an argument (eps)"
            )
        if np.asarray(first).dtype != np.float64:
            raise ValueError(f"forward returned {np.asarray(first).dtype} for float64 inputs: keep the input's dtype")
    return out, cache


def _run_backward(forward, backward, names, inputs, dout):
    """The analytic gradients as {index of input: array}; refuse a wrong number or shape, noise, NaN."""
    runs = []
    for _ in range(2):
        handed = [a.copy() for a in inputs]
        kept = [d.copy() for d in _as_tuple(dout)]
        _, cache = forward(*handed)
        grads = backward(dout, cache)
        _refuse_changed("backward", names, inputs, handed)
        _refuse_changed("backward", ["dout"] * len(kept), kept, _as_tuple(dout))
        grads = tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)
        runs.append(_match_inputs(grads, names, inputs))
    for i, grad in runs[0].items():
        if not np.array_equal(grad, runs[1][i]):
            raise ValueError(
                "backward is not deterministic: two calls differ. It must use the noise of forward, kept in the cache"
            )
    return runs[0]


def _match_inputs(grads, names, inputs):
    optional = [a.dtype.kind != "f" or (i > 0 and n in NO_GRADIENT) for i, (n, a) in enumerate(zip(names, inputs))]
    needed = [i for i, free in enumerate(optional) if not free]
    targets = range(len(inputs)) if len(grads) == len(inputs) else needed
    if len(grads) != len(targets):
        wanted = ", ".join("d" + names[i] for i in needed)
        raise ValueError(f"backward must return {len(needed)} gradients ({wanted}), got {len(grads)}")
    matched = {i: np.asarray(g) for i, g in zip(targets, grads) if g is not None}
    for i, grad in matched.items():
        name = names[i]
        if inputs[i].dtype.kind != "f":
            raise ValueError(f"{name} has dtype {inputs[i].dtype} and cannot be differentiated: pass floats")
        if grad.shape != inputs[i].shape:
            raise ValueError(f"d{name} must have the shape of {name}, {inputs[i].shape}, got {grad.shape}")
        if not np.isfinite(grad).all():
            raise ValueError(f"d{name} holds NaN or infinity")
    if not matched:
        raise ValueError("backward returned no gradient to check: did it forget to return one?")
    return matched


def _refuse_changed(who, names, before, after):
    for name, a, b in zip(names, before, after):
        if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            raise ValueError(f"{who} changed {name} in place: write to a new array instead")


# ---- the comparison -----------------------------------------------------------------------


def _compare(forward, names, inputs, grads, upstream, rng, coordinates=None):
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


def _values(forward, inputs, i, x):
    """The outputs as one flat vector, and every array of booleans in the cache (the sides of the ReLUs)."""
    out, cache = forward(*inputs[:i], x, *inputs[i + 1 :])
    return np.concatenate([np.ravel(o) for o in _as_tuple(out)]), list(_masks(cache))


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
    apart = min(jumps) > max(1e-3 * (abs(left) + abs(right)), 1e-3 * floor, jumps[0] / 2)
    return first, apart and min(left, right) - 1e-3 * jumps[-1] <= analytic <= max(left, right) + 1e-3 * jumps[-1]
