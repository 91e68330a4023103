"""What a Model's two passes must return, for the loop, the evaluation and the gradient check: the same words for all.

And what a person reads for the name of a term.
"""

import numpy as np


class NoWeightError(ValueError):
    """A term that has no weight in the loss: to refuse it is right, and no fault of a backward pass."""


def check_loss(model, returned, n):
    """What `loss_forward` returned for n rows, as it is, or an error that says what was wanted."""
    who = f"loss_forward of {type(model).__name__}"
    if not (_is_pair(returned) and _is_pair(returned[0])):
        got = " and ".join(map(_kind, returned)) if _is_pair(returned) else _kind(returned)
        raise TypeError(f"{who} must return ((loss, terms), cache), got {got}")
    loss, terms = returned[0]
    if np.ndim(loss) != 0 or np.asarray(loss).dtype.kind not in "iuf":
        raise TypeError(f"{who} must return the loss as one number, the mean over the batch, got {_kind(loss)}")
    if not isinstance(terms, dict):
        raise TypeError(f"{who} must return the terms as a dict of names to arrays, got {_kind(terms)}")
    if terms.keys() != model.units.keys() or not all(_is_term(term, (n,)) for term in terms.values()):
        wanted = f"the terms in units, {', '.join(model.units) or 'none'}, each an array of shape ({n},)"
        got = ", ".join(f"{name}: {_kind(term)}" for name, term in terms.items())
        raise ValueError(f"{who} must report {wanted}; got {got or 'none'}")
    return returned


def check_gradient(model, dtheta):
    """What `loss_backward` returned, as it is, or an error that says what was wanted."""
    if np.shape(dtheta) != model.theta.shape:
        raise TypeError(f"loss_backward of {type(model).__name__} must return the gradient, dparams.flat(), got {_kind(dtheta)}")
    return dtheta


def _is_pair(thing):
    return isinstance(thing, (tuple, list)) and len(thing) == 2


def _is_term(thing, shape):
    return isinstance(thing, np.ndarray) and thing.shape == shape and thing.dtype.kind in "biuf"


def _kind(thing):
    """What an error says of what it got."""
    return f"{thing.dtype} of shape {thing.shape}" if isinstance(thing, np.ndarray) else type(thing).__name__


def in_words(term):
    """The name of a term as a person reads it.

    >>> in_words("neg_elbo"), in_words("kl"), in_words("cross_entropy")
    ('-ELBO', 'KL', 'cross entropy')
    """
    words = {"neg_elbo": "-ELBO", "kl": "KL", "neg_log_p": "-log p"}
    return words.get(term, term.replace("kl_", "KL, ").replace("_", " "))
