"""The passes of a pair as functions of one kind, for what compares, checks and explains them."""

import contextlib
import functools
import inspect

from .helpers import described
from .wording import say


def first_of(forward):
    """out of a forward pass that returns (out, cache)."""

    @functools.wraps(forward)  # so that its inputs keep their names
    def out(*inputs):
        result = forward(*inputs)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ValueError(say("no cache", got=described(result)))
        return result[0]

    out.__source__ = ""  # that of forward gives a cache too
    return out


def named_as(right, forward):
    """A student's forward whose inputs have the names that the record knows."""

    @functools.wraps(right)
    def renamed(*inputs):
        return forward(*inputs)

    return renamed


def composed(forward, backward):
    """(dout, *inputs) -> the gradients, by a pair."""

    @functools.wraps(backward)
    def gradients(dout, *inputs):
        return backward(dout, forward(*inputs)[1])

    with contextlib.suppress(TypeError, ValueError):  # functions whose inputs have no names
        dout, *_ = inspect.signature(backward).parameters.values()
        gradients.__signature__ = inspect.Signature([dout, *(p.replace(default=p.empty) for p in inspect.signature(forward).parameters.values())])
    gradients.__source__ = ""
    return gradients
