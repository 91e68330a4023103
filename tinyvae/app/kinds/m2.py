"""train --model m2: few labels, many images."""

from functools import partial

import numpy as np

from ...support.streams import SAMPLING, stream
from ...zoo.m2 import M2, labels_first
from .record import Kind, as_images, by_class, line, percent_line
from .vae import sample

OPTIONS = {
    "latent": 5, "hidden": [128], "likelihood": "bernoulli", "activation": "softplus", "alpha": 10.0, "labels": 20, "epochs": 60,
}  # fmt: skip


def new(options, X):
    """M2 of ten classes for rows like those of X."""
    return M2(
        X.shape[1], 10, options["latent"], hidden=options["hidden"], likelihood=options["likelihood"],
        activation=options["activation"], alpha=options["alpha"], seed=options["seed"],
    )  # fmt: skip


def labels(y, options):
    """So many labels, equally many of each class, drawn by the seed; -1 for the rest. 0: all that the data have."""
    n, classes = options["labels"], np.unique(y[y >= 0])
    if n == 0:
        return y
    if n % len(classes) or n > len(y):
        raise ValueError(f"--labels must be a multiple of the number of classes, {len(classes)}, and at most {len(y)}, got {n}")
    order = stream(options["seed"], SAMPLING, 1).permutation(len(y))
    kept = np.concatenate([order[y[order] == c][: n // len(classes)] for c in classes])
    return np.where(np.isin(np.arange(len(y)), kept), y, -1)


def schedule(options):
    """The first tenth of the epochs sees the labels alone."""
    return labels_first(options["epochs"] / 10)


def figures(m2, X_train, X_test, y_test):
    """The share of test rows in a wrong class."""
    return {"error": float(np.mean(m2.predict(X_test) != y_test))}


def lines(summary):
    """The figures with their meaning."""
    return [
        line("unlabelled", summary["unlabelled"], "-U: the test rows are taken without their labels"),
        percent_line("error of q(y|x)", summary["error"], "of them"),
    ]


def pictures(plots, m2, X_test, y_test, history, image):
    """The terms, one z as all classes, and what is taken for each class."""
    images, z = partial(as_images, image=image), stream(m2.seed, SAMPLING).standard_normal((8, m2.n_latent))
    taken, blank = m2.predict(X_test), np.zeros((8, X_test.shape[1]))
    columns = [np.concatenate([m2.scaled(X_test)[taken == c][:8], blank])[:8] for c in range(m2.n_classes)]
    return {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "samples": (
            plots.image_grid, (images(by_class(m2.decode, z, m2.n_classes)), m2.n_classes),
            {"size": (8, 6.5), "title": "E[x|y, z]: one z in each row, one class in each column"},
        ),
        "predictions": (
            plots.image_grid, (images(np.stack(columns, axis=1).reshape(-1, X_test.shape[1])), m2.n_classes),
            {"size": (8, 6.5), "title": "Test images, in the column of the class that q(y|x) gives them"},
        ),
    }  # fmt: skip


FILES = "learning_curves", "samples", "predictions"
KIND = Kind(M2, OPTIONS, new, pictures, FILES, sample, schedule=schedule, labels=labels, figures=figures, lines=lines)
