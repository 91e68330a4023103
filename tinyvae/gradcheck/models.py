"""The check of a whole model: its loss by every parameter, and what the weights of its terms do."""

import copy

import numpy as np

from ..support.protocol import NoWeightError, check_gradient, check_loss
from ..support.validation import check_labels
from .checker import judge_pair
from .differences import inner, norm
from .report import CANNOT, WRONG, Report, Row
from .running import Pair, check_callable, judged
from .verdicts import COORDINATES, STILL

ROWS = 20  # of the data for a large model, which more of them tell nothing new about
SAMPLE = 10  # single entries of each parameter of a large model, beside random directions
WEIGHTS = 0.0, 0.3, 2.0  # that a schedule may hand on


def check_model(model, X, y=None, *, wrt=None, seed=0):
    """Compare a model's loss_backward with central differences of its loss, by every parameter, at fixed noise.

    Small models are checked entry by entry, large ones on the first rows, along random directions and at a few entries. The check is
    made a small random step away from theta: a fresh VAE has log_sigma = 0, where a wrong chain through sigma = 1 cannot be seen; then
    once more at another theta, for a backward that keeps something between calls. The gradient must also be linear in `dloss`, and follow
    the weights of the terms, which a schedule would hand to `loss_backward`: "weight of kl" is the gradient of the mean KL.

    Parameters
    ----------
    model : Model
        What is checked is this very object, whatever was replaced in it, with theta in float64; the object itself is not changed.
    X, y : data as for `Model.fit`; a few rows are enough
    wrt : str or sequence of str, optional
        The names of the parameters to be judged, where others stay as they are; all unless given.
    seed : int
        Seeds the noise, the upstream gradient and the directions.

    Returns
    -------
    Report, without a diagnosis, with one row for each name in `model.params` (or in `wrt`); if none of these is WRONG, also one for each term whose weight
    can be set and that some parameter moves, and one if the gradient is wrong at the other theta

    Raises
    ------
    ValueError, TypeError
        As `check` does; and if `loss_forward` or `loss_backward` do not return what the protocol wants.

    Examples
    --------
    >>> import numpy as np
    >>> from tinyvae import VAE, check_model
    >>> check_model(VAE(4, hidden=(3,)), np.array([[0, 1, 1, 0], [1, 1, 0, 0]])).ok
    True
    """
    if isinstance(model, type) or not all(hasattr(model, name) for name in ("loss_forward", "loss_backward", "draw_noise", "theta", "copy")):
        raise TypeError(f"model must be a Model, got {type(model).__name__}: check a pair of functions with check(forward, backward, ...)")
    model, rng = copy.deepcopy(model.copy("float64")), np.random.default_rng([seed, *b"theta"])  # deep: it may change a state of its own
    X = model.check_data(X)
    y, large = check_labels(y, X, model.dtype), model.theta.size > COORDINATES
    rows = slice(ROWS if large else None)
    batch = model.scaled(X[rows]), None if y is None else y[rows]
    loss = _Loss(model, batch, model.draw_noise(rng, batch))
    names = list(model.params)
    wrt = judged(names, list(model.params.values()), wrt)
    model.theta += 0.05 * rng.standard_normal(model.theta.size) * np.where(model.theta == 0, 1, np.minimum(1, np.abs(model.theta)))
    pair = Pair(loss.forward, loss.backward, names, wrt, seed)
    found = judge_pair(pair, [view.copy() for view in model.params.values()], SAMPLE if large else None)
    notes = [f"on the first {ROWS} of {len(X)} rows"] if large and len(X) > ROWS else []
    if not any(row.verdict == WRONG for row in found):  # first things first: a wrong term has a wrong weight too
        found += _elsewhere(loss, wrt, rng, seed)
        weights, refused = _weights(loss, seed)
        found += weights
        notes += [f"without a weight of its own: {', '.join(refused)}"] if refused else []
    return Report(f"{type(model).__name__}, {model.theta.size} parameters", found, notes)


class _Loss:
    """The loss of a model on one batch, as pairs of functions."""

    def __init__(self, model, batch, noise):
        self.model, self.batch, self.noise = model, batch, noise

    def run(self, theta):
        """((loss, terms), cache) at another theta."""
        self.model.theta[...] = theta
        return check_loss(self.model, self.model.loss_forward(self.batch, self.noise), len(self.batch[0]))

    def gradient(self, dloss, cache, weights=None):
        """loss_backward's gradient, a copy of its own."""
        dtheta = self.model.loss_backward(dloss, cache, weights) if weights else self.model.loss_backward(dloss, cache)
        return np.array(check_gradient(self.model, dtheta))

    def forward(self, *arrays):
        """The loss as a function of the parameters."""
        (loss, _), cache = self.run(np.concatenate([np.ravel(a) for a in arrays]))
        return loss, cache

    def backward(self, dloss, cache):
        """Its gradient, by the names of the parameters."""
        return tuple(self.model.views(self.gradient(dloss, cache)).values())


def _elsewhere(loss, wrt, rng, seed):
    """A row if the gradient is wrong at another theta, after it was right at one."""
    theta = loss.model.theta.copy()
    pair = Pair(loss.forward, loss.gradient, ["theta"], [0], seed)
    learned = np.concatenate([np.full(view.size, i in wrt) for i, view in enumerate(loss.model.params.values())])
    (row,) = judge_pair(pair, [theta + 0.05 * learned * rng.standard_normal(theta.size) * np.minimum(1, np.abs(theta))], few=1)
    loss.model.theta[...] = theta
    if row.verdict != WRONG:
        return []
    return [row._replace(name="at another theta", reason="right at one theta, wrong at the next: does backward keep something between calls?")]


def _weights(loss, seed):
    """A row for the weight of each term that has one, and the names of those that `loss_backward` refuses to weigh."""
    rows, refused, theta = [], [], loss.model.theta.copy()
    check_callable("loss_backward", loss.model.loss_backward, (1.0, None, {}), "weights: it must be loss_backward(self, dloss, cache, weights=None)")
    for name in loss.model.units:
        _, cache = loss.run(theta)
        try:
            loss.gradient(1.0, cache, {name: 1.0})
        except NoWeightError:
            refused.append(name)
        except ValueError as error:
            reason = f"loss_backward failed with weights={{{name!r}: 1.0}}, {error}: mend it, or refuse the name by self.weigh"
            rows.append(Row(f"weight of {name}", theta.shape, CANNOT, reason))
        else:
            rows += _weight(loss, name, theta, seed)
    return rows, refused


def _weight(loss, name, theta, seed):
    """The row of one term, in a list: the gradient must be linear in its weight, with the gradient of the mean term as its slope."""

    def forward(theta):
        (_, terms), cache = loss.run(theta)
        return np.mean(terms[name], dtype=float), cache

    def backward(dterm, cache):
        low, high = (loss.gradient(dterm, cache, {name: weight}) for weight in WEIGHTS[1:])
        return (high - low) / (WEIGHTS[2] - WEIGHTS[1])

    (row,) = judge_pair(Pair(forward, backward, ["theta"], [0], seed), [theta], few=1)
    _, cache = loss.run(theta)
    none, low = (loss.gradient(1.0, cache, {name: weight}) for weight in WEIGHTS[:2])
    slope, own = backward(1.0, cache), loss.gradient(1.0, cache) - none  # own: the slope times the weight that the term has by itself
    bent = norm(none + WEIGHTS[1] * slope - low) > 1e-9 * (norm(low) + norm(slope))
    other = norm(own - slope * inner(own, slope) / max(inner(slope, slope), 1e-300)) > 1e-9 * (norm(own) + norm(none))
    if row.reason == STILL and not (bent or other):  # a term that no parameter moves
        return []
    if row.verdict == WRONG or bent or other:
        row = row._replace(verdict=WRONG, reason=f"weights={{{name!r}: w}} must weigh this term by w, 0 too, and change no other: merge by self.weigh")
    return [row._replace(name=f"weight of {name}")]
