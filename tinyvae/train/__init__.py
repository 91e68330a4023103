"""Training of every model, by the plain loop, and its checkpoints; and what a trained VAE is measured by."""

from ..likelihoods.bernoulli import grey_floor
from .checkpoints import load_checkpoint, save_checkpoint
from .loop import VALIDATION, columns, fit, minibatches, stream
from .measures import active_units, independent_pixels, kl_by_dimension

__all__ = [
    "VALIDATION",
    "active_units",
    "columns",
    "fit",
    "grey_floor",
    "independent_pixels",
    "kl_by_dimension",
    "load_checkpoint",
    "minibatches",
    "save_checkpoint",
    "stream",
]
