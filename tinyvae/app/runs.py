"""A run of the command line from data to results: train, checkpoint, resume, write."""

import csv
import io
import os
from functools import partial
from pathlib import Path

import numpy as np

from .. import likelihoods
from .. import train as training
from ..binarized import load_binarized_mnist
from ..data import (
    binarize,
    load_digits,
    load_fashion_mnist,
    load_mnist,
    train_test_split,
)
from ..grammar import strings
from ..optim import SGD, Adam
from ..params import count
from ..support.storage import alone, read_arrays, to_json, write_text
from ..support.validation import refuse_binary_bytes
from . import kinds
from .kinds.vae import GREY_LEVELS
from .options import complete, data_file, defaults, fitting, from_folder, stored
from .pictures import draw
from .report import Silent, Table, summarise, warn


def load_data(options, out):
    """X_train, X_test, y_train, y_test, image of a run; labels may be None, and image, (h, w) of a row, too.

    Splits and test pixels do not change with the run, whose folder is `out`.

    Raises
    ------
    OSError, ValueError
        If the data is not there or not usable.
    """
    name, image = options["data"], None
    whole = likelihoods.get(options.get("likelihood", "bernoulli")).whole or options["model"] == "strings"
    if name in ("mnist", "fashion-mnist"):
        load = load_mnist if name == "mnist" else load_fashion_mnist
        (X_train, y_train), (X_test, y_test) = load("train"), load("test")
    elif name == "binarized-mnist":
        X_train, X_test, y_train, y_test = load_binarized_mnist("train"), load_binarized_mnist("test"), None, None
        X_test = np.random.default_rng(0).permutation(X_test)  # the file's are sorted by class, and evaluate takes the first rows
    elif name == "grammar":
        X_train, X_test, y_train, y_test = strings(10_000), strings(1000, seed=1), None, None
    else:
        X, y, image = (*load_digits(), None) if name == "digits" else _load_npz(data_file(options, out))
        if name == "digits" and whole:
            X = np.rint(GREY_LEVELS * X).astype(np.int64)
        X_train, X_test, y_train, y_test = train_test_split(X, np.zeros(len(X)) if y is None else y, test_size=0.2, seed=0)
        y_train, y_test = (None, None) if y is None else (y_train, y_test)
    if options["binarize"] == "dynamic":
        X_test = binarize(X_test, training.stream(options["seed"], training.VALIDATION, 1))
    X_train, X_test = (_as_wanted(X, options, whole) for X in (X_train, X_test))
    return X_train, X_test, y_train, y_test, image


def _as_wanted(X, options, whole):
    """Rows for this model: cut at 1/2 if that is asked for, else uint8 pixels in [0, 1]; a VAE scales its own."""
    binarize = options["binarize"]
    if binarize == "threshold" and whole:
        raise ValueError(f"--binarize threshold is for grey values, and {options['likelihood']} has whole numbers: leave it out")
    pixels = X.dtype == np.uint8 and not whole
    if pixels and (binarize == "threshold" or options["model"] != "vae"):
        refuse_binary_bytes("X", X)
    if binarize == "threshold":
        if not pixels and not (X.min() >= 0 and X.max() <= 1):
            raise ValueError(f"--binarize threshold cuts grey values in [0, 1] at 1/2, got {X.min():g} to {X.max():g}: rescale X")
        return (X >= (128 if pixels else 0.5)).astype(np.float32)
    return np.divide(X, 255, dtype=np.float32) if pixels and options["model"] != "vae" and binarize == "none" else X


def _load_npz(path):
    """X of shape (N, D), y or None, and (h, w) where the rows are images."""
    arrays = read_arrays(path, wanted=("X", "y"))
    if "X" not in arrays or arrays["X"].ndim < 2:
        raise ValueError(f"{path} must hold an array X of shape (N, D), and perhaps y; got {', '.join(arrays) or 'nothing'}")
    X, y = arrays["X"], arrays.get("y")
    if len(X) == 0:
        raise ValueError(f"X in {path} must have at least one row, got shape {X.shape}: is the selection empty?")
    if y is not None and y.shape != (len(X),):
        raise ValueError(f"y in {path} must have shape ({len(X)},) like the rows of X, got {y.shape}")
    sides = X.shape[1:] if X.ndim == 3 else [n for n in X.shape[1:] if n > 1]  # one grey channel is no side
    return X.reshape(len(X), -1), y, list(sides) if len(sides) == 2 else None


# ---- train ---------------------------------------------------------------------------------------


def train(given, out, *, resume=False, overwrite=False, quiet=False):
    """Train, keep a checkpoint after every epoch, and write model, history, summary and pictures.

    Parameters
    ----------
    given : dict, the options that the user stated; the rest are defaults, or a resumed run's own
    out : str or None, the run's folder
    """
    name = given.get("model", "vae")
    data = Path(given.get("data", defaults(name)["data"])).stem
    out = Path(out) if out else Path("runs") / (data if name == "vae" else f"{data}-{name}")
    checkpoint = out / "checkpoint.npz"
    options, done = _open_run(given, out, checkpoint, resume, overwrite)
    kind = kinds.get(options["model"])
    X_train, X_test, y_train, y_test, options["image"] = load_data(options, out)
    labels, n_classes = _labels(kind, options, y_train, y_test)
    model = kind.new(options, X_train, n_classes)
    fit = partial(
        model.fit, X_train, **labels, batch_size=options["batch_size"], X_val=X_test, binarize=_binarize(options),
        schedule=kind.schedule(options), decay=options["epochs"] if options["decay"] else 0, checkpoint=checkpoint, resume=True, options=options,
    )  # fmt: skip
    _draw_weights(model)
    if done is None:
        for X in (X_train, X_test):
            model.check_data(X, binarize=_binarize(options))
        out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        if done is None:
            _refuse_to_replace(out, overwrite)  # once more: another run may have come and gone
        _start_writing(out, checkpoint, kind, model, options, done, fit)
        show = Silent() if quiet else Table(kind, model, (X_train, X_test, labels.get("y")), options, done)
        return _finish(out, kind, model, (X_train, X_test, y_test), options, partial(fit, epochs=options["epochs"]), show)


def _labels(kind, options, y_train, y_test):
    """The labels that this model is trained with and judged by, as `fit` takes them, and the number of classes."""
    if kind.labels is None:
        return {}, None
    if y_train is None:
        raise ValueError(f"--model {options['model']} needs labels: {Path(options['data']).name} must hold an array y of shape (N,)")
    both = np.concatenate([y_train, y_test])
    if both.dtype.kind not in "biuf" or not np.all((both == np.floor(both)) & (both >= -1) & (both < len(both))):
        raise ValueError(f"y must number the classes from 0, and hold -1 where one is unknown; got {np.unique(both)[:4].tolist()} and so on")
    y_train, y_test = y_train.astype(np.int64), y_test.astype(np.int64)
    y_val = kind.labels(y_test, options) if kind.tested_with_labels else None
    return {"y": kind.labels(y_train, options), "y_val": y_val}, max(2, int(both.max()) + 1)


def _finish(out, kind, model, data, options, fit, show):
    """Train to the end and write the results; the exit status."""
    X_train, X_test, y_test = data
    again = f"python -m tinyvae train --out {out} --resume"
    try:
        history = fit(optimizer=_new_optimizer(options), progress=show.progress, on_epoch=show.epoch)
        files = _write_model(out, model, history, options)
        summary = summarise(kind, model, X_train, X_test, y_test, history, options)
        write_text(out / "summary.json", to_json(summary, indent=2) + "\n")
        pictures, failed = draw(out, kind, model, X_test, y_test, history, options["image"])
    except KeyboardInterrupt as interrupt:
        checkpoint = out / "checkpoint.npz"
        warn(f"interrupted; {checkpoint} holds epoch {training.load_checkpoint(checkpoint, kind.model)[0].epoch}; go on with: {again}")
        return 128 + (interrupt.args[0] if interrupt.args else 2)
    show.summary(kind, summary, [*files, out / "summary.json", *pictures])
    for name, error in failed.items():
        words = " ".join(str(error).split())
        warn(f"{name} could not be drawn ({type(error).__name__}: {words}), all else is saved; to draw again: {again}")
    return 1 if failed else 0


def _draw_weights(model):
    """Before anything is written, for memory may not hold them."""
    try:
        return model.theta
    except (MemoryError, ValueError):
        raise MemoryError(f"a model of {count(model.shapes)} parameters is more than memory holds: make it smaller") from None


def _write_model(out, model, history, options):
    """Write the model and its history, before anything is made of them; their paths."""
    file, table = out / "model.npz", out / "history.csv"
    columns = io.StringIO(newline="")
    writer = csv.writer(columns, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values()))
    write_text(table, columns.getvalue())
    model.save(file, options=options)
    return [file, table]


def _new_optimizer(options):
    return {"adam": Adam, "sgd": SGD}[options["optimizer"]](options["lr"])


def _binarize(options):
    return "dynamic" if options["binarize"] == "dynamic" else None  # with a threshold the data are binary already


def _open_run(given, out, checkpoint, resume, overwrite):
    """The options of the run, and the epochs that it has had if it is resumed, else None; no run is silently replaced."""
    if resume and checkpoint.is_file():
        model, _, _, options = training.load_checkpoint(checkpoint, kinds.of_file(checkpoint).model)
        options = stored(checkpoint, options, model.n_features)
        return _continue(model, options, fitting(given, options["model"]), out), model.epoch
    if resume:
        warn(f"no checkpoint in {out}: training starts from the beginning")
    _refuse_to_replace(out, overwrite)
    name = given.get("model", "vae")
    options = complete(fitting(given, name), name)
    return options | {"data": from_folder(options["data"], out)}, None


def _refuse_to_replace(out, wanted):
    if not wanted and any((out / name).exists() for name in ("checkpoint.npz", "model.npz")):
        raise FileExistsError(f"{out} already holds a run: add --resume to go on, --overwrite to replace it, or choose another --out")


def _continue(model, options, given, out):
    """The stored options, with more epochs if asked; any other change would make it another run."""
    if options["optimizer"] not in ("adam", "sgd"):
        raise ValueError(f"the checkpoint in {out} names the optimizer {options['optimizer']!r}, not adam or sgd: start again with --overwrite")
    if "data" in given and os.path.realpath(given["data"]) == os.path.realpath(data_file(options, out)):
        given = given | {"data": options["data"]}  # the same file by another name
    changed = [name for name in given if name != "epochs" and given[name] != options.get(name)]
    if changed:
        what = ", ".join(f"{name} {options.get(name)} (got {given[name]})" for name in changed)
        raise ValueError(f"the run in {out} was started with {what}: leave these options out, or choose another --out")
    epochs = given.get("epochs", options["epochs"])
    if epochs < model.epoch:
        raise ValueError(f"the run in {out} has had {model.epoch} epochs already, got --epochs {epochs}: ask for more")
    return options | {"epochs": epochs}


def _start_writing(out, checkpoint, kind, model, options, done, fit):
    """Write a checkpoint; only then remove an old result, which must not pass for that of an unfinished run."""
    if done is None:
        start = {name: [] for name in training.columns(model, validation=True)}
        training.save_checkpoint(checkpoint, model, _new_optimizer(options), start, options)
    else:
        fit(epochs=done, optimizer=_new_optimizer(options), progress=False)  # trains nothing
    pictures = {name for other in kinds.TABLE for name in kinds.get(other).files} if done is None else kind.files
    for name in ("model.npz", "history.csv", "summary.json", *(f"{picture}.png" for picture in pictures)):
        (out / name).unlink(missing_ok=True)
    for rest in out.glob(".*.part.*"):  # of a run that was killed while it wrote
        rest.unlink(missing_ok=True)
