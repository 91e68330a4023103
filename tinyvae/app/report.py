"""What a person sees of a run: a table while it trains, then its summary."""

import contextlib
import sys

from ..model import Model
from ..support.protocol import in_words
from .kinds.record import EVALUATION_SAMPLES, term_lines


class Silent:
    """What --quiet shows: nothing."""

    progress = False

    def epoch(self, vae, history):
        """Nothing of an epoch."""

    def summary(self, kind, summary, files):
        """Nothing of a finished run."""


class Table:
    """What a person watching sees: at most some twenty lines of a table, then the summary."""

    def __init__(self, kind, model, data, options, done):
        self.progress = interactive()
        self.last = options["epochs"]
        self.every = max(1, self.last // 20)
        if done:
            say(f"going on from epoch {done} of {options['epochs']}")
        self.terms = {name: max(len(in_words(name)) + 1, 10 if i == 0 else 7) for i, name in enumerate(model.units)}
        self.tested = kind.test_terms or tuple(self.terms)
        heads, tested = (" ".join(f"{in_words(name):>{self.terms[name]}}" for name in names) for names in (self.terms, self.tested))
        say(f"{_of_data(data, options)}; {model.theta.size} parameters")
        if kind.says(options, data[2]):
            say(kind.says(options, data[2]))
        say(f"nats per datum     {'training (running mean)':<{len(heads) + 1}}  test")
        say(f" epoch {heads}   {tested} {'seconds':>9}")

    def epoch(self, model, history):
        """A line for the last row of the history, unless enough others stand around it."""
        row = {name: column[-1] for name, column in history.items()}
        if row["epoch"] % self.every == 0 or row["epoch"] in (1, self.last):
            columns = (("", self.terms), ("val_", self.tested))
            on = (" ".join(f"{row[split + name]:>{self.terms[name]}.2f}" for name in names) for split, names in columns)
            say(f"{row['epoch']:>6} {'   '.join(on)} {row['seconds']:>9.3f}")

    def summary(self, kind, summary, files):
        """The figures of the finished run, and the files that hold it."""
        drawn = f"; means over {EVALUATION_SAMPLES} draws" if kind.model.draw_noise is not Model.draw_noise else ""
        say(f"test split, nats per datum, after {summary['epochs']} epochs in {summary['training_seconds']:.1f} s{drawn}")
        for text in figure_lines(kind, summary):
            say(text)
        say("wrote " + "\n      ".join(str(file) for file in files))


def _of_data(data, options):
    """How many rows there are, and of what."""
    X_train, X_test, _ = data
    what = "symbols" if options["model"] == "strings" else "pixels"
    cut = {"none": "", "threshold": ", 1 from 1/2 on", "dynamic": ", drawn anew in every epoch"}[options["binarize"]]
    return f"{len(X_train)} training and {len(X_test)} test rows of {X_train.shape[1]} {what}{cut}"


def tested_terms(kind, model, X_test, y_test):
    """The terms that test rows have, in nats per datum, by some draws of the noise."""
    terms = model.evaluate(X_test, y_test if kind.tested_with_labels else None, n_samples=EVALUATION_SAMPLES)
    return {name: value for name, value in terms.items() if name in (kind.test_terms or terms)}


def figure_lines(kind, summary):
    """The terms and figures of a summary, a line for each."""
    return kind.lines(summary) if kind.lines is not None else term_lines(kind, summary)


def summarise(kind, model, X_train, X_test, y_test, history, options):
    """The figures of a finished run as a dict that JSON can hold; all terms in nats per datum of the test split."""
    return {
        "data": options["data"],
        "model": options["model"],
        "epochs": model.epoch,
        "training_seconds": round(sum(history["seconds"]), 3) if history.get("seconds") else 0.0,
        "n_train": len(X_train),
        "n_test": len(X_test),
        **tested_terms(kind, model, X_test, y_test),
        **kind.figures(model, X_train, X_test, y_test),
        "unit": "nats per datum",
        "options": options,
    }


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
