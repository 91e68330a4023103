"""train --model cvae: a VAE that is told the class."""

from functools import partial

import numpy as np

from ...support.streams import SAMPLING, stream
from ...zoo.cvae import CVAE
from .record import Kind, all_labels, as_images, by_class, percent_line, term_lines
from .vae import sample, warmup

OPTIONS = {"latent": 2, "hidden": [128], "likelihood": "bernoulli", "activation": "tanh", "warmup": 0.0, "epochs": 150}


def new(options, X):
    """A class-conditional VAE of ten classes for rows like those of X."""
    return CVAE(
        X.shape[1], 10, options["latent"], hidden=options["hidden"], likelihood=options["likelihood"],
        activation=options["activation"], seed=options["seed"],
    )  # fmt: skip


def figures(cvae, X_train, X_test, y_test):
    """The share of test rows whose class is not the one with the highest bound."""
    return {"error": float(np.mean(cvae.predict(X_test) != y_test))}


def lines(summary):
    """The figures with their meaning."""
    return [*term_lines(KIND, summary), percent_line("argmax_y of bound", summary["error"], "of the test rows in another class")]


def pictures(plots, cvae, X_test, y_test, history, image):
    """The terms, one z as all classes, one image's handwriting as all classes, and what z says of the class."""
    images, columns = partial(as_images, image=image), cvae.n_classes
    z = stream(cvae.seed, SAMPLING).standard_normal((8, cvae.n_latent))
    few = [int(np.flatnonzero(y_test == c)[0]) for c in np.unique(y_test)[:8]]
    written = np.concatenate([cvae.scaled(X_test[few])[:, None], cvae.analogies(X_test[few], y_test[few])], axis=1)
    mu, _ = cvae.encode(X_test, y_test)
    return {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "samples": (
            plots.image_grid, (images(by_class(cvae.decode, z, columns)), columns),
            {"size": (8, 6.5), "title": "E[x|z, y]: one z in each row, one class in each column"},
        ),
        "analogies": (
            plots.image_grid, (images(written.reshape(-1, X_test.shape[1])), columns + 1),
            {"size": (8, 6), "title": "Left x; then its z with every class"},
        ),
        "latent": (plots.latent_scatter, (mu[:2000], y_test[:2000]), {"size": (8, 6.5)}),
    }  # fmt: skip


FILES = "learning_curves", "samples", "analogies", "latent"
KIND = Kind(
    CVAE, OPTIONS, new, pictures, FILES, sample, schedule=warmup, labels=all_labels, tested_with_labels=True, figures=figures, lines=lines,
)  # fmt: skip
