"""Priors p(z): one file each, with the forward/backward pair of log p(z), a sampler and a record.

To add a prior, write its file, with the pair and its `RECORD`, and add its name to the table below; a closed form of
KL(q || p), where you know one, goes to `tinyvae.posteriors.CLOSED_KL`. Without one, the KL is estimated from the samples.
"""

from importlib import import_module

from ..support.validation import look_up
from .record import Prior

TABLE = (
    "standard",
    "mixture",
)
PRIORS = {name: import_module(f"{__name__}.{name}").RECORD for name in TABLE}  # from the file of that name


def get(name):
    """The record of a prior by name; "mixture:20" has 20 components, plain "mixture" 10.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the known ones.

    Examples
    --------
    >>> get("mixture:20").shapes(2)["mu"]
    (20, 2)
    """
    return look_up("prior", PRIORS, name)


__all__ = ["PRIORS", "Prior", "get"]
