"""Families of posteriors q(z|x): one file each, with the pairs of a draw z ~ q and of log q(z|x), and a record.

To add a family, write its file, with its pairs and its `RECORD`, and add its name to the table below; a closed form of the KL
to a prior goes to `CLOSED_KL`. Without one, the KL is estimated from the samples.
"""

from importlib import import_module

from ..gaussian import kl_backward, kl_forward
from ..support.validation import look_up
from .full import kl_full_backward, kl_full_forward
from .record import Posterior

TABLE = (
    "diagonal",
    "full",
    "iaf",
)
POSTERIORS = {name: import_module(f"{__name__}.{name}").RECORD for name in TABLE}  # from the file of that name

# (posterior, prior) -> the pair of KL(q || p): (*q, the prior's own parameters) -> (N,), in nats
CLOSED_KL = {
    ("diagonal", "standard"): (kl_forward, kl_backward),
    ("full", "standard"): (kl_full_forward, kl_full_backward),
}


def get(name):
    """The record of a family by name; "iaf:5" has 5 steps, plain "iaf" 3.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the known ones.

    Examples
    --------
    >>> get("diagonal").heads(2)
    {'mu': (2,), 'log_sigma': (2,)}
    """
    return look_up("posterior", POSTERIORS, name)


__all__ = ["CLOSED_KL", "POSTERIORS", "Posterior", "get"]
