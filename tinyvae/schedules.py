"""Schedules: how the weights of the terms change in the course of training, the KL's above all.

A schedule is called at every step as schedule(t, terms), with t in epochs and the batch's mean terms (name -> number in the
term's unit), and returns weights by name, {"kl": 0.3}. The loop hands them to the model's `loss_backward` unread; a term that
is not named keeps the model's own weight. Hand one to `fit(schedule=...)`.
"""

import math

from .support.validation import check_number


def constant(beta=1.0, term="kl"):
    """beta throughout: the beta-VAE."""
    beta = check_number("beta", beta, at_least=0)
    return lambda t, terms: {term: beta}


def linear_warmup(epochs, beta=1.0, term="kl"):
    """The term's weight rises linearly from 0 to beta over the first epochs (arXiv:1511.06349, arXiv:1602.02282).

    Examples
    --------
    >>> [linear_warmup(10)(t, {})["kl"] for t in (0, 5, 10, 99)]
    [0.0, 0.5, 1.0, 1.0]
    """
    epochs, beta = check_number("epochs", epochs, above=0), check_number("beta", beta, at_least=0)
    return lambda t, terms: {term: beta * min(1.0, t / epochs)}


def cyclic(period, beta=1.0, ramp=0.5, term="kl"):
    """A warm-up at the start of every period, over its share `ramp` (arXiv:1903.10145).

    Examples
    --------
    >>> [cyclic(10)(t, {})["kl"] for t in (0, 2.5, 5, 9, 10, 12.5)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]
    """
    period, beta = check_number("period", period, above=0), check_number("beta", beta, at_least=0)
    ramp = check_number("ramp", ramp, above=0)
    if ramp > 1:
        raise ValueError(f"ramp must be a share of the period, at most 1, got {ramp}")
    return lambda t, terms: {term: beta * min(1.0, (t % period) / (period * ramp))}


def free_bits(nats, term="kl"):
    """max(nats, KL) in place of the batch's mean KL: no gradient, and so no price, below it.

    One group for all dimensions of z, where arXiv:1606.04934 has a group for each.

    Examples
    --------
    >>> free_bits(2.0)(0, {"kl": 1.5}), free_bits(2.0)(0, {"kl": 2.5})
    ({'kl': 0.0}, {'kl': 1.0})
    """
    nats = check_number("nats", nats, at_least=0)
    return lambda t, terms: {term: 1.0 if _value(terms, term) > nats else 0.0}


def _value(terms, name):
    if name not in terms:
        raise ValueError(f"this schedule looks at the term {name!r}, which the model does not report; it has {', '.join(terms)}")
    return terms[name]


class Constraint:
    """Minimise the KL subject to reconstruction <= target: a Lagrange multiplier on the reconstruction term.

    The multiplier is raised while the moving average of (-log p(x|z) - target) is above 0, and lowered below it:
    it is exp of the integral of that average, so it stays positive. (arXiv:1810.00597, with -log p(x|z) as
    the constrained quantity.)

    Parameters
    ----------
    target : float, in nats per datum
    rate : float
        How fast log multiplier follows, per nat and step.
    smoothing : float
        Of the moving average.

    Attributes
    ----------
    multiplier : float
    """

    def __init__(self, target, rate=0.01, smoothing=0.9):
        self.target, self.rate = check_number("target", target), check_number("rate", rate, above=0)
        self.smoothing = check_number("smoothing", smoothing, at_least=0, below=1)
        self.multiplier, self.average = 1.0, None

    def __call__(self, t, terms):
        """Weights: the multiplier on the reconstruction, 1 on the KL, after this step's excess has been taken into account."""
        excess = _value(terms, "reconstruction") - self.target
        old = excess if self.average is None else self.average
        self.average = self.smoothing * old + (1 - self.smoothing) * excess
        log_multiplier = math.log(self.multiplier) + self.rate * self.average
        self.multiplier = math.exp(min(10.0, max(-10.0, log_multiplier)))
        return {"reconstruction": self.multiplier, "kl": 1.0}

    def state_dict(self):
        """What a checkpoint must keep."""
        return {"multiplier": self.multiplier, "average": self.average}

    def load_state_dict(self, state):
        """Take back what `state_dict` gave."""
        self.multiplier, self.average = state["multiplier"], state["average"]
