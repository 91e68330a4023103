"""train --model vae, which is what train does unless told otherwise."""

from functools import partial

import numpy as np

from ... import likelihoods
from ... import train as training
from ...schedules import linear_warmup
from ...vae import VAE
from .record import Kind, as_images, line, side_by_side, term_lines

OPTIONS = {
    "latent": 2, "hidden": [128], "likelihood": "bernoulli", "eta": 1.0, "posterior": "diagonal", "prior": "standard",
    "activation": "tanh", "beta": 1.0, "bound": "elbo", "samples": 1, "warmup": 0.0,
}  # fmt: skip
GREY_LEVELS = 16  # of the digits, above 0


def new(options, X, n_classes):
    """A VAE of these options for rows like those of X."""
    if options["bound"] == "iwae" and options["warmup"]:
        raise ValueError("--warmup weighs the KL, and --bound iwae has no KL term: leave one of them out")
    likelihood = options["likelihood"]
    if likelihood in likelihoods.LIKELIHOODS and likelihoods.get(likelihood).sized and options["data"] == "digits":
        likelihood = f"{likelihood}:{GREY_LEVELS + 1}"  # as many classes as there are grey levels
    return VAE(
        X.shape[1], options["latent"], hidden=options["hidden"], likelihood=likelihood, eta=options["eta"],
        posterior=options["posterior"], prior=options["prior"], activation=options["activation"],
        beta=options["beta"], bound=options["bound"], n_samples=options["samples"], seed=options["seed"],
    )  # fmt: skip


def warmup(options):
    """The weight of the KL rises from 0 over the first epochs, if any are asked for."""
    return linear_warmup(options["warmup"], options.get("beta", 1.0)) if options["warmup"] else None


def figures(vae, X_train, X_test, y_test):
    """Active units, and what the reconstruction is to be compared with."""
    train, held_out, floor = vae.scaled(X_train[:10_000]), vae.scaled(X_test[:10_000]), vae.parts.likelihood.floor
    with np.errstate(divide="ignore", invalid="ignore"):  # constant data have no best density; the file then holds null
        alone = training.independent_pixels(vae.likelihood, train, held_out, vae.eta)
    grey = floor is not None and bool(np.any((held_out > 0) & (held_out < 1)))
    return {
        "active_units": training.active_units(vae, X_test),
        "n_latent": vae.n_latent,
        "independent_pixels": alone if np.isfinite(alone) else None,
        "grey_floor": floor(held_out) if grey else None,
    }


def lines(summary):
    """The figures with their meaning."""
    found = term_lines(KIND, summary)
    if summary["independent_pixels"] is not None:
        found.append(line("independent pixels", summary["independent_pixels"], "the best model whose pixels are independent"))
    if summary["grey_floor"] is not None:
        found.append(line("floor of grey pixels", summary["grey_floor"], "no Bernoulli model can go below their entropy"))
    return [*found, f"  active units         {summary['active_units']:7d} of {summary['n_latent']}   whose mean mu varies by more than 0.01"]


def sample(vae, n, seed, draws):
    """z ~ p(z), then the mean of p(x|z), or a draw from it."""
    return vae.sample(n, seed, mean=not draws)


def pictures(plots, vae, X_test, y_test, history, image):
    """What a VAE is looked at by."""
    images = partial(as_images, image=image)
    few, size = side_by_side(X_test, *image)
    mu = vae.transform(X_test)
    by_dimension = (vae.posterior, vae.prior) == ("diagonal", "standard")  # else the KL has no parts for the dimensions
    carried = training.kl_by_dimension(vae, X_test) if by_dimension else mu.var(0)
    leading = tuple(sorted(np.argsort(carried)[-2:]))  # the two dimensions that carry most
    classes = None if y_test is None else y_test[:2000]
    q = "z of eps = 0" if vae.parts.posterior.by_noise else "mu"  # a flow bends the mean of the noise too, and its z has another mean
    where = "q(z|x) at eps = 0" if vae.parts.posterior.by_noise else "means of q(z|x)"
    found = {
        "learning_curves": (plots.learning_curves, (history,), {}),
        "reconstructions": (plots.reconstructions, (images(vae.scaled(few)), images(vae.reconstruct(few))), {"size": size, "label": f"E[x|z = {q}]"}),
        "samples": (plots.image_grid, (images(vae.sample(64, mean=True)),), {"size": (7, 7), "title": KIND.title[0]}),
        "latent": (plots.latent_scatter, (mu[:2000], classes), {"size": (8, 6.5), "dimensions": leading, "what": where}),
        "manifold": (plots.manifold_grid, (lambda Z: images(vae.decode(Z)),), {"size": (7.5, 7.5)}),
        "kl_by_dimension": (plots.kl_bars, (carried,), {}),
    }
    if vae.n_latent != 2 or vae.prior != "standard":  # its grid is one of equal probability under N(0, I)
        del found["manifold"]
    if not by_dimension:
        del found["kl_by_dimension"]
    if vae.n_latent == 1:
        del found["latent"]
    return found


FILES = "learning_curves", "reconstructions", "samples", "latent", "manifold", "kl_by_dimension"
KIND = Kind(VAE, OPTIONS, new, pictures, FILES, sample, schedule=warmup, figures=figures, lines=lines)
