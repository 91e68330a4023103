"""train --model cvae: a VAE that is told the class."""

from functools import partial

import numpy as np

from ...support.streams import SAMPLING, stream
from ...zoo.cvae import CVAE
from .record import Kind, as_images, by_class, percent_line, term_lines
from .vae import sample, warmup

OPTIONS = {"latent": 2, "hidden": [128], "likelihood": "bernoulli", "activation": "tanh", "warmup": 0.0, "epochs": 150}


def new(options, X, n_classes):
    """A class-conditional VAE for rows like those of X."""
    return CVAE(
        X.shape[1], n_classes, options["latent"], hidden=options["hidden"], likelihood=options["likelihood"],
        activation=options["activation"], seed=options["seed"],
    )  # fmt: skip


def labels(y, options):
    """All labels of the rows; a ValueError where one is unknown."""
    if (y < 0).any():
        raise ValueError(f"--model cvae needs a label for every row, got {np.sum(y < 0)} of {len(y)} unknown: drop these rows, or take --model m2")
    return y


def figures(cvae, X_train, X_test, y_test):
    """The share of test rows whose class is not the one with the highest bound."""
    return {"error": float(np.mean(cvae.predict(X_test) != y_test))}


def lines(summary):
    """The figures with their meaning."""
    notes = {"neg_elbo": "bounds -log p(x|y)", "reconstruction": "-log p(x|z, y)"}
    return [*term_lines(KIND, summary, notes), percent_line("argmax_y of bound", summary["error"], "of the test rows in another class")]


def pictures(plots, cvae, X_test, y_test, history, image):
    """The terms, one z as all classes, one image's handwriting as all classes, and what z says of the class."""
    images, columns = partial(as_images, image=image), cvae.n_classes
    z = stream(cvae.seed, SAMPLING).standard_normal((8, cvae.n_latent))
    mu, _ = cvae.encode(X_test, y_test)
    odd = np.argsort(-(mu**2).sum(1), kind="stable")  # hands far from 0: those near it are alike
    few = [int(odd[y_test[odd] == c][0]) for c in np.unique(y_test)[:10]]
    x, written = cvae.scaled(X_test[few])[:, None], cvae.analogies(X_test[few], y_test[few])
    written = np.concatenate([x, np.zeros_like(x), written], axis=1)  # an empty column between
    found = {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "samples": (
            plots.image_grid, (images(by_class(cvae.decode, z, columns)), columns),
            {"size": (8, 6.5), "title": "E[x|z, y]: one z in each row, one class in each column"},
        ),
        "analogies": (
            plots.image_grid, (images(written.reshape(-1, X_test.shape[1])), columns + 2),
            {"size": (8, 6.5), "title": "Left x, of each class an odd hand; right E[x|z, y], its z with every class"},
        ),
        "latent": (plots.latent_scatter, (mu[:2000], y_test[:2000]), {"size": (8, 6.5), "what": "means of q(z|x, y)"}),
    }  # fmt: skip
    if cvae.n_latent == 1:
        del found["latent"]
    return found


FILES = "learning_curves", "samples", "analogies", "latent"
KIND = Kind(
    CVAE, OPTIONS, new, pictures, FILES, sample, schedule=warmup, labels=labels, tested_with_labels=True, figures=figures, lines=lines,
    title=("E[x|z, y] for z from the prior and y at random", "x ~ p(x|z, y) for z from the prior and y at random"),
)  # fmt: skip
