"""The two checks: run the pair, refuse what cannot be checked, compare the rest with differences."""

import copy

import numpy as np

from ..params import Gradients, views
from ..support.validation import check_labels
from .differences import COORDINATES, as_tuple, compare
from .report import Report

NO_GRADIENT = {"x", "eps", "mask", "eta"}  # data, noise and constants, where they are not the first input


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
    douts = tuple(rng.standard_normal(np.shape(o)) for o in as_tuple(out))
    dout = douts if isinstance(out, tuple) else douts[0]

    grads = _run_backward(forward, backward, names, inputs, dout)
    upstream = np.concatenate([d.ravel() for d in douts])
    rows = compare(forward, names, inputs, grads, upstream, rng)
    title = getattr(forward, "__name__", "forward").removesuffix("_forward")
    return Report(title, rows, [name for i, name in enumerate(names) if i not in grads and inputs[i].dtype.kind == "f"])


def check_model(model, X, y=None, *, seed=0):
    """The same for a whole model: the loss by every parameter, at fixed noise.

    Small models are checked coordinate by coordinate, large ones along random directions. The check is made a small
    random step away from theta: a fresh VAE has log_sigma = 0, where a wrong chain through sigma = 1 cannot be seen.

    Parameters
    ----------
    model : Model
        What is checked is this very object, whatever was replaced in it, with theta in float64; the object itself is not changed.
    X, y : data as for `Model.fit`; a few rows are enough
    seed : int
        Seeds the noise, the upstream gradient and the directions.

    Returns
    -------
    Report, with one row for each name in `model.params`

    Examples
    --------
    >>> from tinyvae import VAE, check_model
    >>> check_model(VAE(4, hidden=(3,)), np.array([[0, 1, 1, 0], [1, 1, 0, 0]])).ok
    True
    """
    model, rng = copy.deepcopy(model.copy("float64")), np.random.default_rng(seed)  # deep: it may change a state of its own
    X = model.check_data(X)
    batch = model.scaled(X), check_labels(y, X, model.dtype)
    noise = model.draw_noise(rng, batch)
    model.theta += 0.05 * rng.standard_normal(model.theta.size)
    names, inputs = list(model.params), [view.copy() for view in model.params.values()]

    def forward(*arrays):
        for view, a in zip(model.params.values(), arrays):
            view[...] = a
        (loss, _), cache = model.loss_forward(batch, noise)
        return loss, cache

    def backward(dloss, cache):  # twice the upstream, half the result: a backward that ignores dloss does not pass
        return tuple(model.views(model.loss_backward(2 * dloss, cache) / 2).values())

    grads = dict(enumerate(_run_backward(forward, backward, names, inputs, np.float64(1)).values()))
    coordinates = model.theta.size <= COORDINATES
    title = f"{type(model).__name__}, {model.theta.size} parameters"
    return Report(title, compare(forward, names, inputs, grads, np.ones(1), rng, coordinates))


def over_theta(forward, backward, shapes):
    """A composite, which reads `params` and adds to `dparams`, as a pair in (theta, *inputs), for `check`.

    Parameters
    ----------
    forward : callable, (*inputs, params) -> (out, cache)
    backward : callable, (dout, cache, dparams) -> the gradients of the inputs, or None
    shapes : dict of str to tuple of int, of the parameters in theta

    Returns
    -------
    over_theta_forward, over_theta_backward : the pair, whose first input is theta, of shape (P,)

    Examples
    --------
    >>> from functools import partial
    >>> from tinyvae import Network, mlp_backward, mlp_forward
    >>> net, rng = Network(("net.0", "net.out"), (3, 5, 2)), np.random.default_rng(0)
    >>> pair = over_theta(partial(mlp_forward, network=net), mlp_backward, net.shapes)
    >>> check(*pair, rng.standard_normal(32), rng.standard_normal((4, 3))).ok
    True
    """

    def over_theta_forward(theta, *inputs):
        return forward(*inputs, views(theta, shapes))

    def over_theta_backward(dout, cache):
        dparams = Gradients(shapes)
        dinputs = backward(dout, cache, dparams)
        return dparams.flat(), *as_tuple(dinputs)

    return over_theta_forward, over_theta_backward


# ---- running the pair, and refusing what cannot be checked ------------------------------------


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
    for first, second in zip(as_tuple(out), as_tuple(again)):
        _refuse_output(first, second)
    return out, cache


def _run_backward(forward, backward, names, inputs, dout):
    """The analytic gradients as {index of input: array}; refuse a wrong number or shape, noise, NaN."""
    runs = []
    for _ in range(2):
        handed = [a.copy() for a in inputs]
        kept = [d.copy() for d in as_tuple(dout)]
        _, cache = forward(*handed)
        grads = backward(dout, cache)
        _refuse_changed("backward", names, inputs, handed)
        _refuse_changed("backward", ["dout"] * len(kept), kept, as_tuple(dout))
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


def _refuse_output(first, second):
    """Refuse an output of forward that is not finite, not the same in a second call, or not in float64."""
    if not np.isfinite(first).all():
        raise ValueError("forward returned NaN or infinity: check at inputs where it is finite")
    if not np.array_equal(first, second):
        raise ValueError(
            "forward is not deterministic: two calls with the same inputs differ. "
            "Draw the noise outside and pass it in as an argument (eps)"
        )
    if np.asarray(first).dtype != np.float64:
        raise ValueError(f"forward returned {np.asarray(first).dtype} for float64 inputs: keep the input's dtype")


def _refuse_changed(who, names, before, after):
    for name, a, b in zip(names, before, after):
        if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            raise ValueError(f"{who} changed {name} in place: write to a new array instead")
