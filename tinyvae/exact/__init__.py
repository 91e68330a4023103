"""Models whose answers are known: PCA, probabilistic PCA, posteriors on a grid, the linear beta-VAE, mixtures, mean field.

A gradient check cannot say whether forward is the mathematics of the lecture. These models can: their log p(x),
posterior and optimum are exact, so every bound and estimate can be compared with the truth. Attributes
have scikit-learn's names where it has them. Covariances are divided by N, as maximum likelihood wants
(scikit-learn's PCA divides by N - 1). All computation is in float64.
"""

from .grid import GridPosterior
from .heights import TwoGaussians, draw_heights
from .linear_vae import LinearBetaVAE
from .mean_field import MeanField, correlated_gaussian
from .pca import PCA
from .ppca import PPCA

__all__ = [
    "PCA",
    "PPCA",
    "GridPosterior",
    "LinearBetaVAE",
    "MeanField",
    "TwoGaussians",
    "correlated_gaussian",
    "draw_heights",
]
