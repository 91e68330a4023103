"""Training of every model, by the plain loop, and its checkpoints; and what a trained VAE is measured by."""

from ..likelihoods.bernoulli import grey_floor
from ..support.streams import VALIDATION, stream
from .checkpoints import load_checkpoint, save_checkpoint
from .loop import columns, fit, minibatches
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
