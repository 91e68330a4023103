"""The plain training loop: minibatches, a step, an epoch, a run. It knows a model by the protocol of `tinyvae.Model` alone."""

import time
from typing import Any, NamedTuple

import numpy as np

from ..data import binarize as draw_pixels
from ..optim import SGD, Adam
from ..support.machine import (
    blas_threads,
    interrupts,
    keep_freed_memory,
    progress_bar,
)
from ..support.protocol import check_gradient, check_loss
from ..support.streams import TRAINING, VALIDATION, stream
from ..support.validation import check_choice, check_int, check_labels
from .checkpoints import digests, restore, save_checkpoint, state_of, take_up


def minibatches(X, batch_size, rng):
    """Rows of X in random order, `batch_size` at a time; the last batch may be smaller.

    >>> [len(x) for x in minibatches(np.zeros((7, 2)), 3, np.random.default_rng(0))]
    [3, 3, 1]
    """
    order = rng.permutation(len(X))
    for start in range(0, len(X), batch_size):
        yield X[order[start : start + batch_size]]


class Run(NamedTuple):
    """What stays the same from the first epoch of a run to its last."""

    model: Any
    data: tuple  # X, y or None
    validation: tuple | None
    epochs: int
    batch_size: int
    optimizer: Any
    binarize: str | None
    schedule: Any
    decay: int  # the epochs in which the learning rate falls to 0; 0: it stays
    seed: int
    settings: dict | None = None  # what a resumed run must have in common with the one that it goes on from


def fit(
    model, X, y=None, *, epochs, batch_size=100, optimizer=None, X_val=None, y_val=None, binarize=None, schedule=None,
    decay=False, seed=None, progress=True, on_epoch=None, checkpoint=None, resume=False, options=None,
):  # fmt: skip
    """Train a model in place by minibatch gradient descent on its loss.

    Parameters
    ----------
    model : Model
    X : ndarray of shape (N, D)
        Floats; for a VAE also uint8 pixels 0 to 255, which it scales a batch at a time.
    y : ndarray of shape (N,), optional
        For models that use labels; -1 where a label is unknown.
    epochs : int
        Epochs to add to those that the model has had.
    batch_size : int
    optimizer : SGD or Adam, optional
        Adam(lr=0.001) unless given. Hand in the same one again to go on exactly.
    X_val, y_val : data for the validation columns, optional; no decision depends on them.
    binarize : None or "dynamic"
        "dynamic" draws binary pixels anew each epoch, with the grey values as probabilities.
        Validation pixels are drawn once.
    schedule : callable, optional
        Called at every step as schedule(t, terms), with t in epochs and the batch's mean terms; what it returns,
        weights of terms by their names, goes to `loss_backward` unread. See `tinyvae.schedules`.
    decay : bool or int
        Let the learning rate fall linearly to zero over the epochs, or over so many, of which these are the first.
    seed : int, optional
        Seeds order, pixels and noise; the model's seed unless given.
    progress : bool
        Show a progress bar.
    on_epoch : callable, optional
        Called as on_epoch(model, history) after every epoch. A Ctrl-C in it ends training, even if it is caught there.
    checkpoint : path, optional
        A file that is written before the first epoch and after each: all that is needed to go on bit for bit. An optimizer or
        schedule that has a state keeps it there by `state_dict` and `load_state_dict`.
    resume : bool
        Go on from the checkpoint, where there is one, until the whole run has had `epochs` epochs.
    options : dict, optional
        What else the checkpoint is to hold.

    Returns
    -------
    history : dict of lists, one entry per epoch: epoch, loss (the mean over the epoch, at the model's own weights whatever a
        schedule says), every term of the model, in its unit, the same terms of the validation data with val_ (only if X_val is given), seconds.

    Raises
    ------
    ValueError, TypeError
        For bad data or options, or a checkpoint of another run or of other data.
    FileExistsError
        If the checkpoint is there and `resume` is not set.
    FloatingPointError
        If the loss becomes infinite or NaN; model, optimizer and schedule are then as after the last good epoch.
    """
    seed = model.seed if seed is None else check_int("seed", seed, 0)
    data, validation = _checked(model, X, y, binarize), _checked(model, X_val, y_val, binarize, "_val")
    epochs, batch_size = check_int("epochs", epochs, 0), check_int("batch_size", batch_size, 1)
    optimizer = Adam() if optimizer is None else optimizer
    decay = _epochs_of(decay, epochs)
    _check_options(model, optimizer, binarize, schedule, decay, checkpoint, resume)
    run = Run(model, data, validation, epochs, batch_size, optimizer, binarize, schedule, decay, seed)
    run = run._replace(settings=_settings(run, checkpoint))  # now, for the learning rate may change on the way
    names = columns(model, X_val is not None)
    history = take_up(checkpoint, run, resume, names) or {name: [] for name in names}
    keep_freed_memory()

    def keep():
        if checkpoint is not None:
            save_checkpoint(checkpoint, model, optimizer, history, options or {}, run)

    keep()
    for row in _epochs(run, len(history["epoch"]), progress):
        for name, column in history.items():
            column.append(row[name])
        keep()
        if on_epoch is not None:
            on_epoch(model, history)
    return history


def columns(model, validation):
    """The names of a history's columns; `validation`: whether there are validation data."""
    if reserved := {"epoch", "loss", "seconds"} & set(model.units) or {name for name in model.units if name.startswith("val_")}:
        raise ValueError(f"units of {type(model).__name__} must not hold {', '.join(reserved)}, a column of every history: rename the term")
    return "epoch", "loss", *model.units, *(f"val_{name}" for name in model.units if validation), "seconds"


def _epochs(run, done, progress):
    """Train epoch after epoch and hand out a row of the history for each; an epoch that diverges leaves no trace."""
    model, optimizer, lr = run.model, run.optimizer, getattr(run.optimizer, "lr", None)
    n_batches, validation = -(-len(run.data[0]) // run.batch_size), run.validation
    if run.binarize and validation:
        validation = draw_pixels(validation[0], stream(run.seed, VALIDATION, 1)), validation[1]
    with blas_threads(model, run.batch_size), progress_bar((run.epochs - done) * n_batches, progress) as bar, interrupts() as look:
        for epoch in range(done, run.epochs):
            start, good = time.perf_counter(), (model.theta.copy(), state_of(optimizer), state_of(run.schedule))
            if run.decay:
                optimizer.lr = lr * (1 - epoch / run.decay)
            try:
                row = train_epoch(run, bar, look)
            except FloatingPointError:
                model.theta[...] = good[0]
                restore(optimizer, good[1])
                restore(run.schedule, good[2])
                raise
            finally:
                if run.decay:
                    optimizer.lr = lr
            model.epoch += 1
            if validation:
                val = model.evaluate(*validation, rng=stream(run.seed, VALIDATION))
                row |= {f"val_{name}": value for name, value in val.items()}
            yield row | {"epoch": model.epoch, "seconds": time.perf_counter() - start}


def train_epoch(run, bar, look):
    """One pass over the data; the means of the loss and of every term, as a row of the history."""
    model, (X, y), rng = run.model, run.data, stream(run.seed, TRAINING, run.model.epoch)
    totals = dict.fromkeys(("loss", *model.units), 0.0)
    for step, rows in enumerate(minibatches(np.arange(len(X)), run.batch_size, rng)):
        x = draw_pixels(X[rows], rng) if run.binarize else X[rows]
        batch = x if x.dtype == model.dtype else model.scaled(x), None if y is None else y[rows]
        noise = model.draw_noise(rng, batch)
        loss, terms = train_step(run, batch, noise, t=model.epoch + step * run.batch_size / len(X))
        totals["loss"] += len(x) * float(loss)
        for name in model.units:
            totals[name] += terms[name].sum(dtype=float)
        bar.update()
        look()
    with np.errstate(over="ignore", invalid="ignore"):  # the last step has not been tried yet
        (loss, terms), _ = model.loss_forward(batch, noise)
    _refuse_divergence(model, loss, terms)
    return {name: float(total / len(X)) for name, total in totals.items()}


def train_step(run, batch, noise, t):
    """Forward, backward, one step of the optimizer; the loss and the terms, before the step."""
    model = run.model
    with np.errstate(over="ignore", invalid="ignore"):  # told below, once, with advice
        (loss, terms), cache = check_loss(model, model.loss_forward(batch, noise), len(batch[0]))
        _refuse_divergence(model, loss, terms)
        dtheta = model.loss_backward(1, cache, _scheduled(run.schedule, t, terms))
        run.optimizer.step(model.theta, check_gradient(model, dtheta))
    return loss, terms


# ---- small print ---------------------------------------------------------------------------------


def _scheduled(schedule, t, terms):
    """The schedule's weights at this step, None without a schedule."""
    if schedule is None:
        return None
    weights = schedule(t, {name: float(term.mean()) for name, term in terms.items()})
    if not isinstance(weights, dict):
        raise TypeError(f"schedule returned {weights!r:.40}: it must return weights of terms by their names, as in {{'kl': 0.5}}")
    return weights


def _checked(model, X, y, binarize, suffix=""):
    if X is None and suffix:
        if y is not None:
            raise ValueError("y_val was given without X_val: hand in both")
        return None
    X = model.check_data(X, name="X" + suffix, binarize=binarize)
    return X, check_labels(y, X, model.dtype, name="y" + suffix)


def _epochs_of(decay, epochs):
    """Over how many epochs the learning rate falls to 0; 0 if it stays."""
    over = epochs if decay is True else check_int("decay", decay or 0, 0)
    if 0 < over < epochs:
        raise ValueError(f"decay must be True, or at least as many epochs as are trained, {epochs}, got {over}: the learning rate would fall below 0")
    return over


def _check_options(model, optimizer, binarize, schedule, decay, checkpoint, resume):
    if resume and checkpoint is None:
        raise ValueError("resume=True needs the checkpoint to go on from: checkpoint='run.npz'")
    if binarize is not None:
        check_choice("binarize", binarize, ("dynamic",))
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        raise TypeError(f"optimizer must be an Adam(...) or SGD(...), got {optimizer!r}")
    if isinstance(optimizer, (SGD, Adam)) and np.shape(optimizer.v) not in ((), model.theta.shape):
        raise ValueError(f"optimizer has moved {optimizer.v.size} parameters, the model has {model.theta.size}: make a new one for every model")
    if decay and not hasattr(optimizer, "lr"):
        raise TypeError(f"optimizer must have a learning rate lr for decay=True, got {optimizer!r}")
    if schedule is not None and (isinstance(schedule, type) or not callable(schedule)):
        raise TypeError(f"schedule must be a function of (t, terms), as those of tinyvae.schedules; got {schedule!r}")


def _settings(run, checkpoint):
    settings = {
        "model": type(run.model).__name__, "rows": len(run.data[0]), "labels": run.data[1] is not None, "seed": run.seed,
        "batch_size": run.batch_size, "binarize": run.binarize, "schedule": _name(run.schedule), "schedule's numbers": _numbers(run.schedule),
        "optimizer": _name(run.optimizer), "decay to 0 in": run.decay or None,
    }  # fmt: skip
    if checkpoint is not None:
        settings["data"] = digests(run)
    return settings | {name: getattr(run.optimizer, name, None) for name in ("lr", "momentum", "beta1", "beta2", "eps")}


def _name(thing):
    """The kind of an optimizer or a schedule, for the settings of a run."""
    return None if thing is None else getattr(thing, "__qualname__", type(thing).__qualname__)


def _numbers(schedule):
    """The numbers that a schedule's function was made with, as the epochs of `linear_warmup`."""
    cells = zip(schedule.__code__.co_freevars, schedule.__closure__) if getattr(schedule, "__closure__", None) else ()
    return {name: cell.cell_contents for name, cell in cells if isinstance(cell.cell_contents, (int, float))}


def _refuse_divergence(model, loss, terms):
    if np.isfinite(loss):
        return
    which = [name for name, term in terms.items() if not np.isfinite(term).all()]
    raise FloatingPointError(
        f"{', '.join(which) or 'the loss'} became infinite or NaN in epoch {model.epoch + 1}: lower the learning rate, "
        f"or standardise the data (and give a density that has no upper bound a floor); the model is kept as it was after epoch {model.epoch}"
    )
