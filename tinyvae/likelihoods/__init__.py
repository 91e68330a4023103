"""Likelihoods p(x|z): what the decoder's outputs mean. One file each, with a forward/backward pair and a record.

Every log-density is complete, with its constant: it sums or integrates to one over x, so that
the ELBO is in nats and can be compared. Pixels are independent given z: log p(x|z) is a sum
over the D pixels. x is data and gets no gradient; `dlog_px` has shape (N,) like `log_px`.

`out` is the decoder's last layer. A leading axis of L samples per datum is always allowed:
out (L, N, D) with x (N, D) gives log_px (L, N).

To add a likelihood, write its file, with the pair and its `RECORD`, and add its name to the table below: the model, the
command line, the gradient checks and the tests of densities find it there.
"""

from functools import partial
from importlib import import_module

from ..support.validation import look_up
from .bernoulli import bernoulli_backward, bernoulli_forward
from .categorical import categorical_backward, categorical_forward
from .continuous_bernoulli import (
    continuous_bernoulli_backward,
    continuous_bernoulli_forward,
    continuous_bernoulli_mean,
)
from .gaussian import gaussian_backward, gaussian_forward
from .gaussian_diagonal import (
    ETA_FLOOR,
    gaussian_diagonal_backward,
    gaussian_diagonal_forward,
)
from .gaussian_scalar import gaussian_scalar_backward, gaussian_scalar_forward
from .laplace import laplace_backward, laplace_forward
from .record import Likelihood

TABLE = (
    "bernoulli",
    "gaussian",
    "gaussian_scalar",
    "gaussian_diagonal",
    "categorical",
    "laplace",
    "continuous_bernoulli",
    "poisson",
    "negative_binomial",
)
LIKELIHOODS = {name: import_module(f"{__name__}.{name}").RECORD for name in TABLE}  # from the file of that name


def get(name, eta=1.0):
    """The record of a likelihood by name; "categorical:17" has 17 classes, plain "categorical" 256.

    Where the pair takes a fixed variance, eta is filled in: forward takes (out, x) alone.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the known ones.

    Examples
    --------
    >>> get("categorical:17").outputs
    17
    """
    record = look_up("likelihood", LIKELIHOODS, name)
    if not record.takes_eta:
        return record
    return record._replace(forward=partial(record.forward, eta=eta), sample=partial(record.sample, eta=eta))


__all__ = [
    "ETA_FLOOR",
    "LIKELIHOODS",
    "Likelihood",
    "bernoulli_backward",
    "bernoulli_forward",
    "categorical_backward",
    "categorical_forward",
    "continuous_bernoulli_backward",
    "continuous_bernoulli_forward",
    "continuous_bernoulli_mean",
    "gaussian_backward",
    "gaussian_diagonal_backward",
    "gaussian_diagonal_forward",
    "gaussian_forward",
    "gaussian_scalar_backward",
    "gaussian_scalar_forward",
    "get",
    "laplace_backward",
    "laplace_forward",
]
