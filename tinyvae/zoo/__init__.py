"""Relatives of the VAE, one page each. To add one, write its page and add its name to the table below.

A page that has pairs of its own says in `pairs(rng)` where to check them, a page with a Model in `models(rng)`: the gradient
checks find them there.
"""

from importlib import import_module

TABLE = (
    "autoencoders",
    "local_vi",
)


def _collected(what, rng):
    found = {}
    for page in TABLE:
        function = getattr(import_module(f"{__name__}.{page}"), what, None)
        found |= function(rng) if function else {}
    return found


def pairs(rng):
    """Every pair of the zoo with inputs to check it at: dict of name -> (forward, backward, inputs)."""
    return _collected("pairs", rng)


def models(rng):
    """Small models of the zoo with data to check them on: dict of name -> (model, X, y or None)."""
    return _collected("models", rng)
