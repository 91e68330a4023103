"""What a person sees of a run: a table while it trains, then its summary."""

import contextlib
import sys

import numpy as np

from .. import train as training

EVALUATION_SAMPLES = 10  # of z per datum, for the figures of a finished run
_COLUMNS = ("neg_elbo", "reconstruction", "kl"), ("val_neg_elbo", "val_reconstruction", "val_kl")


class Silent:
    """What --quiet shows: nothing."""

    progress = False

    def epoch(self, vae, history):
        """Nothing of an epoch."""

    def summary(self, summary, files):
        """Nothing of a finished run."""


class Table:
    """What a person watching sees: at most some twenty lines of a table, then the summary."""

    def __init__(self, vae, X_train, X_test, options, done):
        self.progress = interactive()
        self.last = options["epochs"]
        self.every = max(1, self.last // 20)
        if done:
            say(f"going on from epoch {done} of {options['epochs']}")
        say(f"{len(X_train)} training and {len(X_test)} test rows of {vae.n_features} pixels; {vae.theta.size} parameters")
        say("nats per datum     training (running mean)                        test")
        terms = f"{'-ELBO':>10} {'reconstruction':>15} {'KL':>7}"
        say(f" epoch {terms}   {terms} {'seconds':>9}")

    def epoch(self, vae, history):
        """A line for the last row of the history, unless enough others stand around it."""
        row = {name: column[-1] for name, column in history.items()}
        if row["epoch"] % self.every == 0 or row["epoch"] in (1, self.last):
            terms = [f"{row[a]:>10.2f} {row[b]:>15.2f} {row[c]:>7.2f}" for a, b, c in _COLUMNS]
            say(f"{row['epoch']:>6} {terms[0]}   {terms[1]} {row['seconds']:>9.3f}")

    def summary(self, summary, files):
        """The figures of the finished run, and the files that hold it."""
        say(_summary_text(summary))
        say("wrote " + "\n      ".join(str(file) for file in files))


def summarise(vae, X_train, X_test, history, options):
    """The figures of a finished run as a dict that JSON can hold; all in nats per datum of the test split."""
    train, held_out, floor = vae.scaled(X_train[:10_000]), vae.scaled(X_test[:10_000]), vae.parts.likelihood.floor
    with np.errstate(divide="ignore", invalid="ignore"):  # constant data have no best density; the file then holds null
        alone = training.independent_pixels(vae.likelihood, train, held_out, vae.eta)
    grey = floor is not None and bool(np.any((held_out > 0) & (held_out < 1)))
    return {
        "data": options["data"],
        "epochs": vae.epoch,
        "training_seconds": round(sum(history["seconds"]), 3) if history.get("seconds") else 0.0,
        "n_train": len(X_train),
        "n_test": len(X_test),
        **vae.evaluate(X_test, n_samples=EVALUATION_SAMPLES),
        "active_units": training.active_units(vae, X_test),
        "n_latent": vae.n_latent,
        "independent_pixels": alone if np.isfinite(alone) else None,
        "grey_floor": floor(held_out) if grey else None,
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
        lines.append(f"  independent pixels   {summary['independent_pixels']:10.2f}   the best model whose pixels are independent")
    if summary["grey_floor"] is not None:
        lines.append(f"  floor of grey pixels {summary['grey_floor']:10.2f}   no Bernoulli model can go below their entropy")
    lines.append(f"  active units         {summary['active_units']:7d} of {summary['n_latent']}   whose mean mu varies by more than 0.01")
    return "\n".join(lines)


def say(text):
    """Print a line; it does not tear a progress bar apart."""
    from tqdm import tqdm

    _write(sys.stdout, text, tqdm.write)


def warn(text, speaker="tinyvae"):
    """Print a line on standard error."""
    _write(sys.stderr, f"{speaker}: {text}", print)


def interactive():
    """Whether a person watches standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


def _write(file, text, write):
    """Write a line, with escapes for letters that the console lacks; nothing where it is closed, for the run matters more."""
    if file is None:
        return
    encoding = getattr(file, "encoding", None) or "utf-8"
    with contextlib.suppress(BrokenPipeError):
        write(text.encode(encoding, "backslashreplace").decode(encoding), file=file)
