"""What the command line needs to know of a model, in one record; and what the records share."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...support.protocol import in_words

NOTES = {"reconstruction": "-log p(x|z)"}
EVALUATION_SAMPLES = 10  # of z per datum, for the figures of a finished run


def no_schedule(options):
    """The weights of the terms stay as they are."""


def no_figures(model, X_train, X_test, y_test):
    """Nothing beside the terms."""
    return {}


def no_words(options, y):
    """Nothing to say."""


class Kind(NamedTuple):
    """What the command line needs to know of a model.

    Attributes
    ----------
    model : subclass of Model, whose `units` are the columns of the table
    options : name -> default, of the options that this model takes beside those of every run, or another default of those
    new : (options, X, number of classes or None) -> a new model
    pictures : (plots, model, X_test, y_test, history, image) -> name -> (function that draws it, its arguments, options)
    files : names of these pictures
    sample : (model, n, seed, draws) -> images of shape (n, D), or a list of str
    schedule : options -> the schedule of training, or None
    labels : (y, options) -> the labels to train on; None if the model takes none
    tested_with_labels : whether the terms of test rows are those of labelled rows
    test_terms : the terms that test rows have, where not all
    says : (options, y as trained on or None) -> a line about the data, or None
    title : of a picture of samples: (of means, of draws)
    figures : (model, X_train, X_test, y_test) -> figures beside the terms, name -> number
    lines : summary -> lines about these figures
    """

    model: type
    options: dict
    new: Callable
    pictures: Callable
    files: tuple
    sample: Callable
    schedule: Callable = no_schedule
    labels: Callable | None = None
    tested_with_labels: bool = False
    test_terms: tuple | None = None
    says: Callable = no_words
    title: tuple = ("E[x|z] for z from the prior", "x ~ p(x|z) for z from the prior")
    figures: Callable = no_figures
    lines: Callable | None = None


# ---- what a person reads -------------------------------------------------------------------------------


def line(words, value, note="", indent=2):
    """A figure with its name before it and a remark behind it."""
    return f"{' ' * indent}{words:<{23 - indent}}{value:10.2f}   {note}".rstrip()


def percent_line(words, share, note=""):
    """A share as a percentage."""
    return f"  {words:<21}{100 * share:9.1f} %  {note}".rstrip()


def term_lines(kind, summary, notes=NOTES):
    """The terms of the loss, those that are summed up further to the right."""
    return [line(in_words(name), summary[name], notes.get(name, ""), 2 if i == 0 else 4) for i, name in enumerate(kind.model.units)]


# ---- pictures of images ----------------------------------------------------------------------------------


def side_by_side(X, h, w):
    """As many rows of X as fit side by side when they are drawn h by w, and the size of two such lines of them."""
    n = 12 if h == 1 else min(12, max(3, round(12 * (h / w) ** 0.5)))
    return X[:: max(1, len(X) // n)][:n], (10, 2.6 if h == 1 else min(8, 0.93 + 20 * h / (n * w)))


def as_images(X, image):
    """Rows as images (N, h, w)."""
    return np.reshape(X, (len(X), *image))


def by_class(decode, z, n_classes):
    """Every row of z decoded as every class, a class in each column: rows of (len(z) * n_classes, D)."""
    return decode(np.repeat(z, n_classes, axis=0), np.tile(np.arange(n_classes), len(z)))
