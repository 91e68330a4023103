"""A run of the command line from data to results: train, checkpoint, resume, write."""

import csv
import io
import os
from functools import partial
from pathlib import Path

import numpy as np

from .. import likelihoods
from .. import train as training
from ..data import (
    binarize,
    load_digits,
    load_fashion_mnist,
    load_mnist,
    train_test_split,
)
from ..optim import SGD, Adam
from ..params import count
from ..support.storage import alone, read_arrays, to_json, write_text
from ..vae import VAE
from .options import DEFAULTS, MNIST_DEFAULTS, data_file, from_folder, stored
from .pictures import PICTURES, draw
from .report import Silent, Table, summarise, warn

GREY_LEVELS = 16  # of the digits, above 0


def load_data(options, out):
    """X_train, X_test, y_test, image of a run; y_test may be None, and image, (h, w) of a row, too.

    Splits and test pixels do not change with the run, whose folder is `out`.

    Raises
    ------
    OSError, ValueError
        If the data is not there or not usable.
    """
    name, whole, image = options["data"], likelihoods.get(options["likelihood"]).whole, None
    if name in ("mnist", "fashion-mnist"):
        load = load_mnist if name == "mnist" else load_fashion_mnist
        (X_train, _), (X_test, y_test) = load("train"), load("test")
    else:
        X, y, image = (*load_digits(), None) if name == "digits" else _load_npz(data_file(options, out))
        if name == "digits" and whole:
            X = np.rint(GREY_LEVELS * X).astype(np.int64)
        X_train, X_test, _, y_test = train_test_split(X, np.zeros(len(X)) if y is None else y, test_size=0.2, seed=0)
        y_test = None if y is None else y_test
    if options["binarize"] == "dynamic":
        X_test = binarize(X_test, training.stream(options["seed"], training.VALIDATION, 1))
    return X_train, X_test, y_test, image


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
    data = given.get("data", DEFAULTS["data"])
    out = Path(out) if out else Path("runs") / Path(data).stem
    checkpoint = out / "checkpoint.npz"
    options, done = _open_run(given, data, out, checkpoint, resume, overwrite)
    X_train, X_test, y_test, options["image"] = load_data(options, out)
    vae = _new_vae(options, X_train)
    fit = partial(
        vae.fit, X_train, batch_size=options["batch_size"], X_val=X_test, binarize=_binarize(options),
        checkpoint=checkpoint, resume=True, options=options,
    )  # fmt: skip
    _draw_weights(vae)
    if done is None:
        for X in (X_train, X_test):
            vae.check_data(X, binarize=_binarize(options))
        out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        if done is None:
            _refuse_to_replace(out, resume or overwrite)  # once more: another run may have come and gone
        _start_writing(out, checkpoint, vae, options, done, fit)
        show = Silent() if quiet else Table(vae, X_train, X_test, options, done)
        return _finish(out, vae, (X_train, X_test, y_test), options, partial(fit, epochs=options["epochs"]), show)


def _finish(out, vae, data, options, fit, show):
    """Train to the end and write the results; the exit status."""
    X_train, X_test, y_test = data
    again = f"python -m tinyvae train --out {out} --resume"
    try:
        history = fit(optimizer=_new_optimizer(options), progress=show.progress, on_epoch=show.epoch)
        files = _write_model(out, vae, history, options)
        summary = summarise(vae, X_train, X_test, history, options)
        write_text(out / "summary.json", to_json(summary, indent=2) + "\n")
        pictures, failed = draw(out, vae, X_test, y_test, history, options["image"])
    except KeyboardInterrupt as interrupt:
        checkpoint = out / "checkpoint.npz"
        warn(f"interrupted; {checkpoint} holds epoch {training.load_checkpoint(checkpoint, VAE)[0].epoch}; go on with: {again}")
        return 128 + (interrupt.args[0] if interrupt.args else 2)
    show.summary(summary, [*files, out / "summary.json", *pictures])
    for name, error in failed.items():
        words = " ".join(str(error).split())
        warn(f"{name} could not be drawn ({type(error).__name__}: {words}), all else is saved; to draw again: {again}")
    return 1 if failed else 0


def _draw_weights(vae):
    """Before anything is written, for memory may not hold them."""
    try:
        return vae.theta
    except (MemoryError, ValueError):
        raise MemoryError(f"a model of {count(vae.shapes)} parameters is more than memory holds: make it smaller") from None


def _write_model(out, vae, history, options):
    """Write the model and its history, before anything is made of them; their paths."""
    model, table = out / "model.npz", out / "history.csv"
    columns = io.StringIO(newline="")
    writer = csv.writer(columns, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values()))
    write_text(table, columns.getvalue())
    vae.save(model, options=options)
    return [model, table]


def _new_optimizer(options):
    return {"adam": Adam, "sgd": SGD}[options["optimizer"]](options["lr"])


def _binarize(options):
    return None if options["binarize"] == "none" else options["binarize"]


def _open_run(given, data, out, checkpoint, resume, overwrite):
    """The options of the run, and the epochs that it has had if it is resumed, else None; no run is silently replaced."""
    if resume and checkpoint.is_file():
        vae, _, _, options = training.load_checkpoint(checkpoint, VAE)
        return _continue(vae, stored(checkpoint, options, vae.n_features), given, out), vae.epoch
    if resume:
        warn(f"no checkpoint in {out}: training starts from the beginning")
    _refuse_to_replace(out, resume or overwrite)
    own = MNIST_DEFAULTS if data.endswith("mnist") else {}
    return DEFAULTS | own | given | {"data": from_folder(data, out)}, None


def _refuse_to_replace(out, wanted):
    if not wanted and any((out / name).exists() for name in ("checkpoint.npz", "model.npz")):
        raise FileExistsError(f"{out} already holds a run: add --resume to go on, --overwrite to replace it, or choose another --out")


def _continue(vae, options, given, out):
    """The stored options, with more epochs if asked; any other change would make it another run."""
    if options["optimizer"] not in ("adam", "sgd"):
        raise ValueError(f"the checkpoint in {out} names the optimizer {options['optimizer']!r}, not adam or sgd: start again with --overwrite")
    if "data" in given and os.path.realpath(given["data"]) == os.path.realpath(data_file(options, out)):
        given = given | {"data": options["data"]}  # the same file by another name
    changed = [name for name in given if name != "epochs" and given[name] != options[name]]
    if changed:
        what = ", ".join(f"{name} {options[name]} (got {given[name]})" for name in changed)
        raise ValueError(f"the run in {out} was started with {what}: leave these options out, or choose another --out")
    epochs = given.get("epochs", options["epochs"])
    if epochs < vae.epoch:
        raise ValueError(f"the run in {out} has had {vae.epoch} epochs already, got --epochs {epochs}: ask for more")
    return options | {"epochs": epochs}


def _start_writing(out, checkpoint, vae, options, done, fit):
    """Write a checkpoint; only then remove an old result, which must not pass for that of an unfinished run."""
    if done is None:
        start = {name: [] for name in training.columns(vae, validation=True)}
        training.save_checkpoint(checkpoint, vae, _new_optimizer(options), start, options)
    else:
        fit(epochs=done, optimizer=_new_optimizer(options), progress=False)  # trains nothing
    for name in ("model.npz", "history.csv", "summary.json", *(f"{picture}.png" for picture in PICTURES)):
        (out / name).unlink(missing_ok=True)
    for rest in out.glob(".*.part.*"):  # of a run that was killed while it wrote
        rest.unlink(missing_ok=True)


def _new_vae(options, X):
    likelihood = options["likelihood"]
    if likelihood in likelihoods.LIKELIHOODS and likelihoods.get(likelihood).sized and options["data"] == "digits":
        likelihood = f"{likelihood}:{GREY_LEVELS + 1}"  # as many classes as there are grey levels
    return VAE(
        X.shape[1], options["latent"], hidden=options["hidden"], likelihood=likelihood, eta=options["eta"],
        posterior=options["posterior"], prior=options["prior"], activation=options["activation"],
        beta=options["beta"], bound=options["bound"], n_samples=options["samples"], seed=options["seed"],
    )  # fmt: skip
