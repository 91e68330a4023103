"""train --model m2: few labels, many images."""

from functools import partial

import numpy as np

from ...support.streams import SAMPLING, stream
from ...zoo.m2 import M2, labels_first
from .record import Kind, as_images, by_class, line, percent_line
from .vae import sample

OPTIONS = {
    "latent": 5, "hidden": [128], "likelihood": "bernoulli", "activation": "softplus", "alpha": 10.0, "labels": 20, "labels_first": 6.0, "epochs": 60,
}  # fmt: skip


def new(options, X, n_classes):
    """M2 for rows like those of X."""
    return M2(
        X.shape[1], n_classes, options["latent"], hidden=options["hidden"], likelihood=options["likelihood"],
        activation=options["activation"], alpha=options["alpha"], seed=options["seed"],
    )  # fmt: skip


def labels(y, options):
    """So many labels, equally many of each class, drawn by the seed; -1 for the rest. 0: all that the data have."""
    n, (classes, counts) = options["labels"], np.unique(y[y >= 0], return_counts=True)
    if len(classes) == 0:
        raise ValueError("y must hold some labels, got -1 throughout: without any a class has no name, take --model vae")
    if n == 0:
        return y
    if n % len(classes) or n // len(classes) > counts.min():
        most = len(classes) * counts.min()
        raise ValueError(f"--labels must be a multiple of the number of classes, {len(classes)}, and at most {most}, got {n}: or 0, for all that there are")
    order = stream(options["seed"], SAMPLING, 1).permutation(len(y))
    kept = np.concatenate([order[y[order] == c][: n // len(classes)] for c in classes])
    return np.where(np.isin(np.arange(len(y)), kept), y, -1)


def schedule(options):
    """The first epochs see the labels alone."""
    return labels_first(options["labels_first"])


def says(options, y):
    """How many labels there are, and what the terms are means over."""
    return f"{np.sum(y >= 0)} of {len(y)} training rows keep their label; each term is 0 on the rows that it does not concern, and a mean over all"


def _known(y, n):
    """Which of n rows have a class that is known."""
    return np.zeros(n, bool) if y is None or y.dtype.kind not in "biuf" else y >= 0


def figures(m2, X_train, X_test, y_test):
    """The share of the test rows whose class is known that q(y|x) puts in another."""
    known = _known(y_test, len(X_test))
    error = float(np.mean(m2.predict(X_test)[known] != y_test[known])) if known.any() else None
    return {"error": error, "test_labels": int(known.sum())}


def lines(summary):
    """The figures with their meaning."""
    found = [line("unlabelled", summary["unlabelled"], "-U: the test rows are taken without their labels")]
    if summary["error"] is not None:
        found.append(percent_line("error of q(y|x)", summary["error"], f"on {summary['test_labels']} test rows whose class is known"))
    return found


def pictures(plots, m2, X_test, y_test, history, image):
    """The terms, one z as all classes, and what is taken for each class."""
    images, z = partial(as_images, image=image), stream(m2.seed, SAMPLING).standard_normal((8, m2.n_latent))
    taken, blank = m2.predict(X_test), np.zeros((8, X_test.shape[1]))
    wrong = (taken != y_test) & _known(y_test, len(X_test))
    shown = np.where(wrong[:, None], 1 - m2.scaled(X_test), m2.scaled(X_test))
    columns = [np.concatenate([shown[taken == c][:8], blank])[:8] for c in range(m2.n_classes)]
    curves = {name: values for name, values in history.items() if name not in ("val_labelled", "val_cross_entropy")}  # of test rows, which have none
    return {
        "learning_curves": (plots.learning_curves, (curves,), {}),
        "samples": (
            plots.image_grid, (images(by_class(m2.decode, z, m2.n_classes)), m2.n_classes),
            {"size": (8, 6.5), "title": "E[x|y, z]: one z in each row, one class in each column"},
        ),
        "predictions": (
            plots.image_grid, (images(np.stack(columns, axis=1).reshape(-1, X_test.shape[1])), m2.n_classes),
            {"size": (8, 6.5), "title": "Test images by the class that q(y|x) gives them; wrong ones inverted"},
        ),
    }  # fmt: skip


FILES = "learning_curves", "samples", "predictions"
KIND = Kind(
    M2, OPTIONS, new, pictures, FILES, sample, schedule=schedule, labels=labels, test_terms=("unlabelled",), says=says, figures=figures, lines=lines,
    title=("E[x|y, z] for z from the prior and y at random", "x ~ p(x|y, z) for z from the prior and y at random"),
)  # fmt: skip
