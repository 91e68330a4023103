"""train --model ladder: two levels of latents."""

from functools import partial

from ...zoo.ladder import Ladder
from .record import Kind, as_images
from .vae import sample, warmup

OPTIONS = {"latent": [8, 4], "hidden": [128], "activation": "tanh", "warmup": 40.0, "epochs": 60, "binarize": "threshold"}


def new(options, X, n_classes):
    """A ladder of two levels for rows like those of X."""
    return Ladder(X.shape[1], options["latent"], hidden=options["hidden"], activation=options["activation"], seed=options["seed"])


def pictures(plots, ladder, X_test, y_test, history, image):
    """The terms, and images drawn from the top."""
    images = partial(as_images, image=image)
    return {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "samples": (plots.image_grid, (images(ladder.sample(64, mean=True)),), {"size": (7, 7), "title": TITLE[0]}),
    }


TITLE = tuple(f"{what} for z2 ~ p(z2), z1 ~ p(z1|z2)" for what in ("E[x|z1]", "x ~ p(x|z1)"))
KIND = Kind(Ladder, OPTIONS, new, pictures, ("learning_curves", "samples"), sample, schedule=warmup, title=TITLE)
