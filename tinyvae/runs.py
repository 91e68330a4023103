"""A run of the command line from data to pictures: train, checkpoint, resume, summarise, write."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np

from . import train as training
from .data import (
    binarize,
    load_digits,
    load_fashion_mnist,
    load_mnist,
    train_test_split,
)
from .optim import SGD, Adam
from .support.storage import read_arrays, write_text
from .vae import VAE

# Every option of a run. Small data needs more and larger steps than MNIST to see as many gradients.
DEFAULTS = {
    "data": "digits", "latent": 2, "hidden": [128], "likelihood": "bernoulli", "eta": 1.0, "activation": "tanh",
    "beta": 1.0, "bound": "elbo", "samples": 1, "epochs": 300, "batch_size": 100, "optimizer": "adam", "lr": 0.003, "binarize": "none", "seed": 0,
}  # fmt: skip
MNIST_DEFAULTS = {"epochs": 20, "lr": 0.001}
EVALUATION_SAMPLES = 10  # of z per datum, for the figures of a finished run


def load_data(options):
    """X_train, X_test, y_test of a run; y_test may be None. Splits and test pixels do not change with the run.

    Raises
    ------
    OSError, ValueError
        If the data is not there or not usable.
    """
    name, categorical = options["data"], options["likelihood"].startswith("categorical")
    if name in ("mnist", "fashion-mnist"):
        load = load_mnist if name == "mnist" else load_fashion_mnist
        (X_train, _), (X_test, y_test) = load("train"), load("test")
    else:
        X, y = load_digits() if name == "digits" else _load_npz(name)
        if name == "digits" and categorical:
            X = np.rint(16 * X).astype(np.int64)
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
    stored = _find_run(out, checkpoint, resume, overwrite)
    if stored is None:
        vae, state, history = None, {}, {}
        options = DEFAULTS | (MNIST_DEFAULTS if data.endswith("mnist") else {}) | given
    else:
        vae, state, history, options = stored
        options = _continue(vae, options, given, out)
    X_train, X_test, y_test = load_data(options)
    vae = vae or _new_vae(options, X_train)
    optimizer = _new_optimizer(options, state)
    training.check_run(vae, X_train, X_test, _binarize(options))  # before anything is written or replaced
    _start_writing(out, checkpoint, vae, optimizer, history, options)

    show = _Silent() if quiet else _Table(vae, X_train, X_test, options)
    try:
        history = _train(vae, X_train, X_test, optimizer, history, options, checkpoint, show)
        summary = summarise(vae, X_train, X_test, history, options)
        files = _write_results(out, vae, X_test, y_test, history, summary, options)
    except KeyboardInterrupt as interrupt:
        kept, again = training.load_checkpoint(checkpoint)[0].epoch, f"python -m tinyvae train --out {out} --resume"
        warn(f"interrupted; {checkpoint} holds epoch {kept}; go on with: {again}")
        return 128 + (interrupt.args[0] if interrupt.args else 2)
    show.summary(summary, files)
    return 0


def _train(vae, X_train, X_test, optimizer, history, options, checkpoint, show):
    """The epochs that are missing, with a checkpoint after each; the history from the first epoch on."""

    def joined(new):
        return {name: history.get(name, []) + column for name, column in new.items()}

    def on_epoch(vae, new):
        training.save_checkpoint(checkpoint, vae, optimizer, joined(new), options)
        show.epoch({name: column[-1] for name, column in new.items()})

    new = vae.fit(
        X_train, epochs=max(0, options["epochs"] - vae.epoch), batch_size=options["batch_size"], optimizer=optimizer,
        X_val=X_test, binarize=_binarize(options),
        progress=show.progress, on_epoch=on_epoch,
    )  # fmt: skip
    return joined(new)


def _new_optimizer(options, state):
    optimizer = {"adam": Adam, "sgd": SGD}[options["optimizer"]](options["lr"])
    try:
        optimizer.load_state_dict(state)
    except KeyError as error:
        raise ValueError(f"the checkpoint lacks {error} of the optimizer's state: start again with --overwrite") from None
    return optimizer


def _binarize(options):
    return None if options["binarize"] == "none" else options["binarize"]


def _find_run(out, checkpoint, resume, overwrite):
    """The stored run to resume, or None for a new one, which may not silently replace another."""
    if resume and checkpoint.is_file():
        return training.load_checkpoint(checkpoint)
    if resume:
        warn(f"no checkpoint in {out}: training starts from the beginning")
    elif not overwrite and any((out / name).exists() for name in ("checkpoint.npz", "model.npz")):
        raise FileExistsError(f"{out} already holds a run: add --resume to go on, --overwrite to replace it, or choose another --out")
    return None


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


def _start_writing(out, checkpoint, vae, optimizer, history, options):
    """Make the folder and a first checkpoint; an old result must not pass for that of an unfinished run."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("model.npz", "summary.json"):
        (out / name).unlink(missing_ok=True)
    training.save_checkpoint(checkpoint, vae, optimizer, history, options)


def _new_vae(options, X):
    likelihood = options["likelihood"]
    if likelihood == "categorical" and options["data"] == "digits":
        likelihood = "categorical:17"  # the grey levels that there are
    return VAE(
        X.shape[1], options["latent"], hidden=options["hidden"], likelihood=likelihood, eta=options["eta"],
        activation=options["activation"], beta=options["beta"], bound=options["bound"], n_samples=options["samples"], seed=options["seed"],
    )  # fmt: skip


class _Silent:
    """What --quiet shows: nothing."""

    progress = False

    def epoch(self, row):
        pass

    def summary(self, summary, files):
        pass


class _Table:
    """What a person watching sees: at most some twenty lines of a table, then the summary."""

    def __init__(self, vae, X_train, X_test, options):
        self.progress = sys.stderr.isatty()
        self.last = options["epochs"]
        self.every = max(1, self.last // 20)
        if vae.epoch:
            say(f"going on from epoch {vae.epoch} of {options['epochs']}")
        say(f"{len(X_train)} training and {len(X_test)} test rows of {vae.n_features} pixels; {vae.theta.size} parameters")
        say("nats per datum     training (running mean)                        test")
        terms = f"{'-ELBO':>10} {'reconstruction':>15} {'KL':>7}"
        say(f" epoch {terms}   {terms} {'seconds':>9}")

    def epoch(self, row):
        if row["epoch"] % self.every == 0 or row["epoch"] in (1, self.last):
            terms = [f"{row[a]:>10.2f} {row[b]:>15.2f} {row[c]:>7.2f}" for a, b, c in _COLUMNS]
            say(f"{row['epoch']:>6} {terms[0]}   {terms[1]} {row['seconds']:>9.3f}")

    def summary(self, summary, files):
        say(_summary_text(summary))
        say("wrote " + "\n      ".join(str(file) for file in files))


_COLUMNS = ("neg_elbo", "reconstruction", "kl"), ("val_neg_elbo", "val_reconstruction", "val_kl")


def summarise(vae, X_train, X_test, history, options):
    """The figures of a finished run as a dict that JSON can hold; all in nats per datum of the test split."""
    test = training.evaluate(vae, X_test, n_samples=EVALUATION_SAMPLES)
    train, held_out = vae.scaled(X_train[:10_000]), vae.scaled(X_test[:10_000])
    grey = vae.likelihood == "bernoulli" and bool(np.any((held_out > 0) & (held_out < 1)))
    return {
        "data": options["data"],
        "epochs": vae.epoch,
        "training_seconds": round(sum(history["seconds"]), 3) if history.get("seconds") else 0.0,
        "n_train": len(X_train),
        "n_test": len(X_test),
        "neg_elbo": -test["elbo"],
        "reconstruction": -test["log_px"],
        "kl": test["kl"],
        "active_units": training.active_units(vae, X_test),
        "n_latent": vae.n_latent,
        "independent_pixels": training.independent_pixels(vae.likelihood, train, held_out, vae.eta),
        "grey_floor": training.grey_floor(held_out) if grey else None,
        "unit": "nats per datum",
        "options": options,
    }


def _summary_text(summary):
    lines = [
        f"test split, nats per datum, after {summary['epochs']} epochs in {summary['training_seconds']:.1f} s",
        f"  -ELBO                {summary['neg_elbo']:10.2f}",
        f"    reconstruction     {summary['reconstruction']:10.2f}   -log p(x|z)",
        f"    KL                 {summary['kl']:10.2f}",
    ]
    if summary["independent_pixels"] is not None:
        lines.append(f"  independent pixels   {summary['independent_pixels']:10.2f}   the best model without a latent variable")
    if summary["grey_floor"] is not None:
        lines.append(f"  floor of grey pixels {summary['grey_floor']:10.2f}   no Bernoulli model can go below their entropy")
    lines.append(f"  active units         {summary['active_units']:7d} of {summary['n_latent']}   whose mean mu varies by more than 0.01")
    return "\n".join(lines)


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
    from . import plots  # matplotlib takes longer to import than a small model to train

    few = X_test[:: max(1, len(X_test) // 12)][:12]
    shown = vae.scaled(few)
    mu = vae.transform(X_test)
    kl = training.kl_by_dimension(vae, X_test)
    leading = tuple(sorted(np.argsort(kl)[-2:]))  # the two dimensions that carry most
    jobs = {
        "learning_curves": (plots.learning_curves, history),
        "reconstructions": (plots.reconstructions, shown, vae.reconstruct(few)),
        "samples": (plots.image_grid, vae.sample(64, mean=True), 8),
        "latent": (plots.latent_scatter, mu[:2000], None if y_test is None else y_test[:2000]),
        "manifold": (plots.manifold_grid, vae.decode),
        "kl_by_dimension": (plots.kl_bars, kl),
    }
    if vae.n_latent != 2:
        del jobs["manifold"]
    if vae.n_latent == 1:
        del jobs["latent"]
    sizes = {"reconstructions": (10, 2.6), "samples": (7, 7), "manifold": (7.5, 7.5), "latent": (8, 6.5)}
    for name, (draw, *args) in jobs.items():
        options = {"samples": {"title": "E[x|z] for z from the prior"}, "latent": {"dimensions": leading}}.get(name, {})
        plots.save(out / f"{name}.png", draw, *args, size=sizes.get(name, (8, 5)), **options)
    return [out / f"{name}.png" for name in jobs]


def say(text):
    """Print a line; it does not tear a progress bar apart."""
    try:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stdout)
    except BrokenPipeError:
        pass


def warn(text):
    """Print a line on standard error."""
    print(f"tinyvae: {text}", file=sys.stderr)
