"""What the command line does with each model: `train --model NAME`. One file each, with a record, named in the table below.

A file is imported when its model is asked for. Nothing but the command line needs these records.
"""

from importlib import import_module

from ...support.storage import read_npz
from ...support.validation import check_choice
from .record import Kind

TABLE = (
    "vae",
    "cvae",
    "m2",
    "made",
    "ladder",
    "strings",
)


def get(name):
    """The record of a model by the name that --model takes.

    >>> get("vae").options["latent"]
    2
    """
    return import_module(f"{__name__}.{check_choice('model', name, TABLE)}").KIND


def of_file(path):
    """The record of the model that a run's file holds; files of older runs do not name it, and hold a VAE."""
    options = read_npz(path)[0].get("options")
    name = options.get("model", "vae") if isinstance(options, dict) else "vae"
    return get(name if name in TABLE else "vae")


__all__ = ["TABLE", "Kind", "get", "of_file"]
