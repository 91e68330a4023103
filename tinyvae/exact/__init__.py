"""Models whose answers are known: PCA, probabilistic PCA, posteriors on a grid, the linear beta-VAE, Bayesian regression, mixtures, mean field.

A gradient check cannot say whether forward is the mathematics of the lecture. These models can: their log p(x),
posterior and optimum are exact, so every bound and estimate can be compared with the truth. Attributes
have scikit-learn's names where it has them. Covariances are divided by N, as maximum likelihood wants
(scikit-learn's PCA divides by N - 1). All computation is in float64. A page with pairs of its own says in `pairs(rng)`
where to check them, as the pages of the zoo do.
"""

import numpy as np

from . import bayes_regression
from .bayes_regression import BayesianRegression, draw_parabola
from .grid import GridPosterior
from .heights import TwoGaussians, draw_heights
from .linear_vae import LinearBetaVAE
from .mean_field import MeanField, correlated_gaussian
from .pca import PCA
from .ppca import PPCA

WITH_PAIRS = (bayes_regression,)


def pairs(seed=0):
    """Every pair of these pages with inputs to check it at: dict of name -> (forward, backward, inputs), and the names of those that have a gradient, where not all do."""
    found = {}
    for page in WITH_PAIRS:
        found |= page.pairs(np.random.default_rng([seed, *page.__name__.rpartition(".")[2].encode()]))
    return found


__all__ = [
    "PCA",
    "PPCA",
    "BayesianRegression",
    "GridPosterior",
    "LinearBetaVAE",
    "MeanField",
    "TwoGaussians",
    "correlated_gaussian",
    "draw_heights",
    "draw_parabola",
    "pairs",
]
