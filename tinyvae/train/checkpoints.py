"""Checkpoints: all that is needed to go on bit for bit after an epoch, as one file."""

import math
from pathlib import Path

import numpy as np

from ..support.storage import finite, model_meta, read_npz, write_npz


def save_checkpoint(path, model, optimizer, history, options, run=None):
    """Write model, optimizer, schedule and history after an epoch as one file, whole."""
    meta = model_meta(model) | {"history": finite(history), "options": options}
    if run is not None:
        meta["run"] = run.settings
        meta["schedule"] = state_of(run.schedule)
    state = {f"optimizer.{name}": array for name, array in (state_of(optimizer) or {}).items()}
    write_npz(path, meta, {"theta": model.theta, **state})


def state_of(thing):
    """The state of an optimizer or a schedule, as a dict; None if it keeps none."""
    return thing.state_dict() if hasattr(thing, "state_dict") else None


def restore(thing, state):
    """Give an optimizer or a schedule back the state that `state_of` found; None is no state."""
    if state is not None and hasattr(thing, "load_state_dict"):
        thing.load_state_dict(state)


def load_checkpoint(path, model_class):
    """What `save_checkpoint` kept: (model, optimizer state, history, options).

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is damaged, holds a model of another class, or is no checkpoint.
    """
    return _read(path, model_class)[:4]


def _read(path, model_class):
    meta, arrays = read_npz(path)
    model = model_class.from_arrays(path, meta, arrays)
    state = {name.removeprefix("optimizer."): a for name, a in arrays.items() if name.startswith("optimizer.")}
    history, options = meta.get("history"), meta.get("options")
    if history is None or options is None:
        raise ValueError(f"{path} is a model, not a checkpoint: it lacks the history and the options of a run")
    fits = all(array.shape in ((), model.theta.shape) and array.dtype.kind in "biuf" for array in state.values())
    if not (fits and _is_history(history, model.epoch) and isinstance(options, dict) and _is_run(meta.get("run", {}))):
        raise ValueError(f"{path} is damaged: optimizer, history or options do not fit theta and epoch {model.epoch}; start again")
    history = {name: [math.nan if value is None else value for value in column] for name, column in history.items()}
    return model, state, history, options, meta


def _is_history(history, epoch):
    """Whether these are columns of numbers, equally long, whose last row is that of the epoch."""
    if not (isinstance(history, dict) and isinstance(history.get("epoch"), list)):
        return False
    columns, kinds = history.values(), (int, float, type(None))  # validation terms may be infinite, which JSON has no word for but null
    numbers = all(
        isinstance(column, list) and all(type(value) in (kinds if name.startswith("val_") else kinds[:2]) for value in column)
        for name, column in history.items()
    )
    return numbers and len(set(map(len, columns))) == 1 and history["epoch"][-1:] in ([], [epoch])


def _is_run(settings):
    return isinstance(settings, dict) and isinstance(settings.get("data", {}), dict)


def take_up(path, run, resume, columns):
    """Put model, optimizer and schedule of a run to where its checkpoint left them, and return the history so far; or None."""
    if path is None or not Path(path).is_file():
        return None
    if not resume:
        raise FileExistsError(f"{path} is there already: add resume=True to go on from it, or choose another checkpoint")
    model, state, history, _, meta = _read(path, type(run.model))
    if set(history) != set(columns):
        raise ValueError(f"the run in {path} has a history of {', '.join(history)}: hand in validation data as it did")
    _refuse_another(path, run, model, meta.get("run", run.settings))
    done = len(history["epoch"])
    if done > run.epochs:
        raise ValueError(f"the run in {path} has had {done} epochs already, got epochs={run.epochs}: ask for more")
    for name, thing, kept in (("optimizer", run.optimizer, state), ("schedule", run.schedule, meta.get("schedule"))):
        try:
            restore(thing, kept)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} does not hold the state of this {name} ({error}): hand in the kind that wrote it") from None
    run.model.theta[...], run.model.epoch = model.theta, model.epoch
    return history


def _refuse_another(path, run, model, settings):
    """A ValueError unless the model and the settings of a stored run are those of the present one, and so are the data."""
    old, new = {**model.config, **settings}, {**run.model.config, **run.settings}
    later = {"schedule's numbers"} - set(settings)  # runs of version 0.2 and before do not keep it
    changed = [name for name in {**old, **new} if name not in {"data", *later} and old.get(name) != new.get(name)]
    if changed:
        was = ", ".join(f"{name} {old.get(name)} (got {new.get(name)})" for name in changed)
        raise ValueError(f"the run in {path} was started with {was}: hand in the same, or choose another checkpoint")
    stored = settings.get("data", new["data"])  # runs of version 0.2 and before do not keep it
    others = [name for name, digest in new["data"].items() if stored.get(name) != digest]
    if others:
        raise ValueError(
            f"the run in {path} was started with other data, the numbers in {', '.join(others)} have changed: "
            "hand in the same, or choose another checkpoint"
        )


def digests(run):
    """A short digest of each array of the run's data, which tells whether a resumed run has the same; None for what is not given.

    Of the numbers that the model computes with, whatever their type was; pixels are taken as they are.
    """
    from hashlib import blake2b  # here, because nobody else needs it

    X_val, y_val = run.validation or (None, None)
    found = {"X": run.data[0], "y": run.data[1], "X_val": X_val, "y_val": y_val}
    for name, rows in found.items():
        if rows is not None:
            digest = blake2b(digest_size=8)
            as_used = np.float64 if rows.ndim == 1 else np.asarray if rows.dtype == np.uint8 else run.model.scaled
            for i in range(0, len(rows), 1000):  # so that no copy of all the data is made
                digest.update(np.ascontiguousarray(as_used(rows[i : i + 1000])))
            found[name] = digest.hexdigest()
    return found
