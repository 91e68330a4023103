"""train --model made: log p(x) itself, and no code."""

from functools import partial

from ...train import independent_pixels
from ...zoo.made import MADE
from .record import Kind, as_images, line, term_lines

OPTIONS = {"hidden": [200], "activation": "tanh", "epochs": 80, "batch_size": 50, "binarize": "threshold"}


def new(options, X, n_classes):
    """A MADE of these options for rows like those of X."""
    return MADE(X.shape[1], options["hidden"], activation=options["activation"], seed=options["seed"])


def figures(made, X_train, X_test, y_test):
    """What the nats are to be compared with."""
    return {"independent_pixels": independent_pixels("bernoulli", made.scaled(X_train), made.scaled(X_test))}


def lines(summary):
    """The figures with their meaning."""
    alone = line("independent pixels", summary["independent_pixels"], "the best model whose pixels are independent")
    return [*term_lines(KIND, summary), alone]


def sample(made, n, seed, draws):
    """x_i ~ p(x_i | x_<i), pixel by pixel; shown are the probabilities by which they were drawn, or the draws."""
    return made.sample(n, seed, mean=not draws)


def pictures(plots, made, X_test, y_test, history, image):
    """Its loss, and images drawn pixel by pixel."""
    images = partial(as_images, image=image)
    return {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "samples": (plots.image_grid, (images(made.sample(64, mean=True)),), {"size": (7, 7), "title": TITLE[0]}),
    }


TITLE = "p(x_i = 1 | the pixels drawn before it)", "x_i ~ p(x_i | the pixels drawn before it)"
KIND = Kind(MADE, OPTIONS, new, pictures, ("learning_curves", "samples"), sample, figures=figures, lines=lines, title=TITLE)
