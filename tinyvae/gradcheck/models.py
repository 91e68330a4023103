"""The check of a whole model: its loss by every parameter, and what the weights of its terms do."""

import copy

import numpy as np

from ..support.validation import check_labels
from .checker import judge_pair
from .report import WRONG, Report
from .running import Pair, judged
from .verdicts import COORDINATES, KINKS, STILL

ROWS = 100  # more data than these say nothing more about a gradient
SAMPLE = 10  # single entries of each parameter of a large model, beside random directions


def check_model(model, X, y=None, *, wrt=None, seed=0):
    """The same for a whole model: the loss by every parameter, at fixed noise.

    Small models are checked entry by entry, large ones along random directions and at a few entries. The check is made a small
    random step away from theta: a fresh VAE has log_sigma = 0, where a wrong chain through sigma = 1 cannot be seen.
    Where every direction crosses a kink (many ReLUs, many rows), fewer rows are taken. The gradient must also be linear in
    `dloss`, and follow the weights of the terms that a schedule would hand to `loss_backward`.

    Parameters
    ----------
    model : Model
        What is checked is this very object, whatever was replaced in it, with theta in float64; the object itself is not changed.
    X, y : data as for `Model.fit`; a few rows are enough, and of more than a hundred the first hundred are taken
    wrt : str or sequence of str, optional
        The names of the parameters to be judged, where others stay as they are; all unless given.
    seed : int
        Seeds the noise, the upstream gradient and the directions.

    Returns
    -------
    Report, with one row for each name in `model.params`, and one for each term whose weight can be set

    Examples
    --------
    >>> import numpy as np
    >>> from tinyvae import VAE, check_model
    >>> check_model(VAE(4, hidden=(3,)), np.array([[0, 1, 1, 0], [1, 1, 0, 0]])).ok
    True
    """
    if isinstance(model, type) or not all(hasattr(model, name) for name in ("loss_forward", "loss_backward", "draw_noise", "theta", "copy")):
        raise TypeError(f"model must be a Model, got {type(model).__name__}: check a pair of functions with check(forward, backward, ...)")
    model, rng = copy.deepcopy(model.copy("float64")), np.random.default_rng(seed)  # deep: it may change a state of its own
    X = model.check_data(X)
    X, y, given = X[:ROWS], check_labels(y, X, model.dtype), len(X)
    y = None if y is None else y[:ROWS]
    model.theta += 0.05 * rng.standard_normal(model.theta.size)
    wrt = judged(list(model.params), list(model.params.values()), wrt)
    rows, taken = _on_fewer_rows(model, X, y, wrt, seed)
    notes = [f"on the first {taken} of {given} rows"] if taken < given else []
    return Report(f"{type(model).__name__}, {model.theta.size} parameters", rows, notes)


def _on_fewer_rows(model, X, y, wrt, seed):
    """The rows of the report, and how many data they were found with: as few as it takes to have a direction without kinks."""
    taken = len(X)
    while True:
        rows = _judge(model, X[:taken], None if y is None else y[:taken], wrt, seed)
        if taken == 1 or not any(row.reason == KINKS for row in rows):
            return rows, taken
        taken = max(1, taken // 8)


def _judge(model, X, y, wrt, seed):
    """A Row for every parameter, then one for every weight."""
    batch = model.scaled(X), y
    noise = model.draw_noise(np.random.default_rng([seed, *b"noise"]), batch)
    names, inputs = list(model.params), [view.copy() for view in model.params.values()]

    def put(arrays):
        for view, a in zip(model.params.values(), arrays):
            view[...] = a

    def forward(*arrays):
        put(arrays)
        (loss, _), cache = model.loss_forward(batch, noise)
        return loss, cache

    def backward(dloss, cache):
        return tuple(model.views(np.array(model.loss_backward(dloss, cache))).values())

    few = None if model.theta.size <= COORDINATES else SAMPLE
    rows = judge_pair(Pair(forward, backward, names, wrt, seed), inputs, few)
    put(inputs)
    if any(row.verdict == WRONG for row in rows):  # first things first: a wrong term has a wrong weight too
        return rows
    return rows + [row for name in model.units for row in _judge_weight(model, batch, noise, name, seed)]


def _judge_weight(model, batch, noise, name, seed):
    """A Row for the weight of a term, if it has one: the gradient must grow by that of the mean term."""
    theta = model.theta.copy()

    def forward(theta):
        model.theta[...] = theta
        (_, terms), cache = model.loss_forward(batch, noise)
        return np.mean(terms[name], dtype=float), cache

    def backward(dterm, cache):
        one, three = (np.array(model.loss_backward(dterm, cache, {name: weight})) for weight in (1.0, 3.0))
        return (three - one) / 2

    try:
        _, cache = forward(theta)
        backward(1.0, cache)
    except (ValueError, TypeError):  # this term has no weight, and the model says so
        return []
    pair = Pair(forward, backward, ["theta"], [0], seed)
    (row,) = judge_pair(pair, [theta], few=1)
    model.theta[...] = theta
    if row.reason == STILL:  # a term that no parameter moves
        return []
    if row.verdict == WRONG:
        row = row._replace(reason=f"the weight of {name} does not reach the gradient as schedules need it: merge weights by self.weigh(weights, ...)")
    return [row._replace(name=f"weight of {name}")]
