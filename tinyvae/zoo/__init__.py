"""Relatives of the VAE, one page each. To add one, write its page and add its name to the table below.

A page that has pairs of its own says in `pairs(rng)` where to check them, a page with a Model in `models(rng)`: the gradient
checks find them there.
"""

from importlib import import_module

import numpy as np

TABLE = (
    "aggregate",
    "anomaly",
    "autoencoders",
    "bits_back",
    "coupling",
    "cvae",
    "deconvolution",
    "flows",
    "imputation",
    "ladder",
    "local_vi",
    "m1_m2",
    "m2",
    "made",
    "strings",
    "vq",
)


def _of_page(page, what, seed):
    """What a page names in `pairs` or `models`, with a generator of its own, so that a new page changes nothing for the others."""
    function = getattr(import_module(f"{__name__}.{page}"), what, None)
    return {} if function is None else function(np.random.default_rng([seed, *page.encode()]))


def _collected(what, seed):
    return {name: entry for page in TABLE for name, entry in _of_page(page, what, seed).items()}


def names():
    """Page -> the names of its pairs and models."""
    return {page: {*_of_page(page, "pairs", 0), *_of_page(page, "models", 0)} for page in TABLE}


def pairs(seed=0):
    """Every pair of the zoo with inputs to check it at: dict of name -> (forward, backward, inputs), and the names of those that have a gradient, where not all do."""
    return _collected("pairs", seed)


def models(seed=0):
    """Small models of the zoo with data to check them on: dict of name -> (model, X, y or None)."""
    return _collected("models", seed)
