"""The pictures of a finished run."""

import numpy as np

from .. import train as training

PICTURES = "learning_curves", "reconstructions", "samples", "latent", "manifold", "kl_by_dimension"


def draw(out, vae, X_test, y_test, history, image):
    """Write the pictures; return their paths, and by its name the error of each that could not be drawn.

    Parameters
    ----------
    image : (h, w) of a row of X, or None: a square if it is one
    """
    files, failed = [], {}
    try:
        from .. import (
            plots,  # matplotlib takes longer to import than a small model to train
        )

        pictures = _pictures(plots, vae, X_test, y_test, history, image or plots.image_shape(vae.n_features))
    except Exception as error:  # noqa: BLE001  whatever it is, the run stands; matplotlib may not even load
        return files, {"the pictures": error}
    for name, (picture, args, options) in pictures.items():
        file = out / f"{name}.png"
        try:
            plots.save(file, picture, *args, **{"size": (8, 5)} | options)
            files.append(file)
        except Exception as error:  # noqa: BLE001  the other pictures can still be drawn
            failed[file.name] = error
    return files, failed


def _pictures(plots, vae, X_test, y_test, history, image):
    """Name -> (function that draws it, its arguments, size and other options) of every picture of a run."""

    def images(X):
        return X.reshape(len(X), *image)

    few, size = _side_by_side(X_test, *image)
    mu = vae.transform(X_test)
    by_dimension = (vae.posterior, vae.prior) == ("diagonal", "standard")  # else the KL has no parts for the dimensions
    carried = training.kl_by_dimension(vae, X_test) if by_dimension else mu.var(0)
    leading = tuple(sorted(np.argsort(carried)[-2:]))  # the two dimensions that carry most
    classes = None if y_test is None else y_test[:2000]
    title = "E[x|z] for z from the prior"
    pictures = {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "reconstructions": (plots.reconstructions, (images(vae.scaled(few)), images(vae.reconstruct(few))), {"size": size}),
        "samples": (plots.image_grid, (images(vae.sample(64, mean=True)),), {"size": (7, 7), "title": title}),
        "latent": (plots.latent_scatter, (mu[:2000], classes), {"size": (8, 6.5), "dimensions": leading}),
        "manifold": (plots.manifold_grid, (lambda Z: images(vae.decode(Z)),), {"size": (7.5, 7.5)}),
        "kl_by_dimension": (plots.kl_bars, (carried,), {}),
    }
    if vae.n_latent != 2 or vae.prior != "standard":  # its grid is one of equal probability under N(0, I)
        del pictures["manifold"]
    if not by_dimension:
        del pictures["kl_by_dimension"]
    if vae.n_latent == 1:
        del pictures["latent"]
    return pictures


def _side_by_side(X, h, w):
    """As many rows of X as fit side by side when they are drawn h by w, and the size of two such lines of them."""
    n = 12 if h == 1 else min(12, max(3, round(12 * (h / w) ** 0.5)))
    return X[:: max(1, len(X) // n)][:n], (10, 2.6 if h == 1 else min(8, 0.93 + 20 * h / (n * w)))
