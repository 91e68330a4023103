"""A run of the command line from data to pictures: train, checkpoint, resume, write."""

import csv
import io
import json
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
from ..support.storage import read_arrays, write_text
from ..vae import VAE
from .report import Silent, Table, summarise, warn

# Every option of a run. Small data needs more and larger steps than MNIST to see as many gradients.
DEFAULTS = {
    "data": "digits", "latent": 2, "hidden": [128], "likelihood": "bernoulli", "eta": 1.0, "posterior": "diagonal", "prior": "standard",
    "activation": "tanh", "beta": 1.0, "bound": "elbo", "samples": 1, "epochs": 300, "batch_size": 100, "optimizer": "adam", "lr": 0.003,
    "binarize": "none", "seed": 0,
}  # fmt: skip
SINCE = {"posterior": "diagonal", "prior": "standard"}  # what runs of version 0.1 did not name
GREY_LEVELS = 16  # of the digits, above 0
PICTURES = "learning_curves", "reconstructions", "samples", "latent", "manifold", "kl_by_dimension"
MNIST_DEFAULTS = {"epochs": 20, "lr": 0.001}


def load_data(options):
    """X_train, X_test, y_test of a run; y_test may be None. Splits and test pixels do not change with the run.

    Raises
    ------
    OSError, ValueError
        If the data is not there or not usable.
    """
    name, whole = options["data"], likelihoods.get(options["likelihood"]).whole
    if name in ("mnist", "fashion-mnist"):
        load = load_mnist if name == "mnist" else load_fashion_mnist
        (X_train, _), (X_test, y_test) = load("train"), load("test")
    else:
        X, y = load_digits() if name == "digits" else _load_npz(name)
        if name == "digits" and whole:
            X = np.rint(GREY_LEVELS * X).astype(np.int64)
        X_train, X_test, _, y_test = train_test_split(X, np.zeros(len(X)) if y is None else y, test_size=0.2, seed=0)
        y_test = None if y is None else y_test
    if options["binarize"] == "dynamic":
        X_test = binarize(X_test, training.stream(options["seed"], training.VALIDATION, 1))
    return X_train, X_test, y_test


def _load_npz(path):
    arrays = read_arrays(path)
    if "X" not in arrays or arrays["X"].ndim < 2:
        raise ValueError(f"{path} must hold an array X of shape (N, D), and perhaps y; got {', '.join(arrays) or 'nothing'}")
    X, y = arrays["X"], arrays.get("y")
    if y is not None and y.shape != (len(X),):
        raise ValueError(f"y in {path} must have shape ({len(X)},) like the rows of X, got {y.shape}")
    return X.reshape(len(X), -1), y


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
    X_train, X_test, y_test = load_data(options)
    vae = _new_vae(options, X_train)
    fit = partial(
        vae.fit, X_train, batch_size=options["batch_size"], X_val=X_test, binarize=_binarize(options),
        checkpoint=checkpoint, resume=True, options=options,
    )  # fmt: skip
    _start_writing(out, checkpoint, vae, X_train, X_test, options, done, fit)
    show = Silent() if quiet else Table(vae, X_train, X_test, options, done)
    try:
        history = fit(epochs=options["epochs"], optimizer=_new_optimizer(options), progress=show.progress, on_epoch=show.epoch)
        summary = summarise(vae, X_train, X_test, history, options)
        files = _write_results(out, vae, X_test, y_test, history, summary, options)
    except KeyboardInterrupt as interrupt:
        kept, again = training.load_checkpoint(checkpoint, VAE)[0].epoch, f"python -m tinyvae train --out {out} --resume"
        warn(f"interrupted; {checkpoint} holds epoch {kept}; go on with: {again}")
        return 128 + (interrupt.args[0] if interrupt.args else 2)
    show.summary(summary, files)
    return 0


def _new_optimizer(options):
    return {"adam": Adam, "sgd": SGD}[options["optimizer"]](options["lr"])


def _binarize(options):
    return None if options["binarize"] == "none" else options["binarize"]


def _open_run(given, data, out, checkpoint, resume, overwrite):
    """The options of the run, and the epochs that it has had if it is resumed, else None; no run is silently replaced."""
    if resume and checkpoint.is_file():
        vae, _, _, options = training.load_checkpoint(checkpoint, VAE)
        return _continue(vae, SINCE | options, given, out), vae.epoch
    if resume:
        warn(f"no checkpoint in {out}: training starts from the beginning")
    elif not overwrite and any((out / name).exists() for name in ("checkpoint.npz", "model.npz")):
        raise FileExistsError(f"{out} already holds a run: add --resume to go on, --overwrite to replace it, or choose another --out")
    return DEFAULTS | (MNIST_DEFAULTS if data.endswith("mnist") else {}) | given, None


def _continue(vae, options, given, out):
    """The stored options, with more epochs if asked; any other change would make it another run."""
    lacking = set(DEFAULTS) - set(options)
    if lacking or options["optimizer"] not in ("adam", "sgd"):
        raise ValueError(f"the checkpoint in {out} does not name all options of a run: start again with --overwrite")
    changed = [name for name in given if name != "epochs" and given[name] != options[name]]
    if changed:
        what = ", ".join(f"{name} {options[name]} (got {given[name]})" for name in changed)
        raise ValueError(f"the run in {out} was started with {what}: leave these options out, or choose another --out")
    epochs = given.get("epochs", options["epochs"])
    if epochs < vae.epoch:
        raise ValueError(f"the run in {out} has had {vae.epoch} epochs already, got --epochs {epochs}: ask for more")
    return options | {"epochs": epochs}


def _start_writing(out, checkpoint, vae, X_train, X_test, options, done, fit):
    """Try all that may be refused, then write; only then remove an old result, which must not pass for that of an unfinished run."""
    if done is None:
        for X in (X_train, X_test):
            vae.check_data(X, binarize=_binarize(options))
        start = {name: [] for name in training.columns(vae, validation=True)}
        out.mkdir(parents=True, exist_ok=True)
        training.save_checkpoint(checkpoint, vae, _new_optimizer(options), start, options)
    else:
        fit(epochs=done, optimizer=_new_optimizer(options), progress=False)  # trains nothing
    for name in ("model.npz", "summary.json", *(f"{picture}.png" for picture in PICTURES)):
        (out / name).unlink(missing_ok=True)


def _new_vae(options, X):
    likelihood = options["likelihood"]
    if likelihood in likelihoods.LIKELIHOODS and likelihoods.get(likelihood).sized and options["data"] == "digits":
        likelihood = f"{likelihood}:{GREY_LEVELS + 1}"  # as many classes as there are grey levels
    return VAE(
        X.shape[1], options["latent"], hidden=options["hidden"], likelihood=likelihood, eta=options["eta"],
        posterior=options["posterior"], prior=options["prior"], activation=options["activation"],
        beta=options["beta"], bound=options["bound"], n_samples=options["samples"], seed=options["seed"],
    )  # fmt: skip


def _write_results(out, vae, X_test, y_test, history, summary, options):
    """Write a finished run's files and return their paths."""
    model, table, text = out / "model.npz", out / "history.csv", out / "summary.json"
    columns = io.StringIO(newline="")
    writer = csv.writer(columns, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values()))
    write_text(table, columns.getvalue())
    pictures = _draw(out, vae, X_test, y_test, history)
    vae.save(model, options=options)
    write_text(text, json.dumps(summary, indent=2) + "\n")
    return [model, table, text, *pictures]


def _draw(out, vae, X_test, y_test, history):
    """Write the pictures and return their paths."""
    from .. import (
        plots,  # matplotlib takes longer to import than a small model to train
    )

    files = []
    for name, (draw, args, options) in _pictures(plots, vae, X_test, y_test, history).items():
        files.append(out / f"{name}.png")
        plots.save(files[-1], draw, *args, **{"size": (8, 5)} | options)
    return files


def _pictures(plots, vae, X_test, y_test, history):
    """Name -> (function that draws it, its arguments, size and other options) of every picture of a run."""
    few = X_test[:: max(1, len(X_test) // 12)][:12]
    shown = vae.scaled(few)
    mu = vae.transform(X_test)
    by_dimension = (vae.posterior, vae.prior) == ("diagonal", "standard")  # else the KL has no parts for the dimensions
    carried = training.kl_by_dimension(vae, X_test) if by_dimension else mu.var(0)
    leading = tuple(sorted(np.argsort(carried)[-2:]))  # the two dimensions that carry most
    classes = None if y_test is None else y_test[:2000]
    title = "E[x|z] for z from the prior"
    pictures = {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "reconstructions": (plots.reconstructions, (shown, vae.reconstruct(few)), {"size": (10, 2.6)}),
        "samples": (plots.image_grid, (vae.sample(64, mean=True), 8), {"size": (7, 7), "title": title}),
        "latent": (plots.latent_scatter, (mu[:2000], classes), {"size": (8, 6.5), "dimensions": leading}),
        "manifold": (plots.manifold_grid, (vae.decode,), {"size": (7.5, 7.5)}),
        "kl_by_dimension": (plots.kl_bars, (carried,), {}),
    }
    if vae.n_latent != 2 or vae.prior != "standard":  # its grid is one of equal probability under N(0, I)
        del pictures["manifold"]
    if not by_dimension:
        del pictures["kl_by_dimension"]
    if vae.n_latent == 1:
        del pictures["latent"]
    return pictures
