"""The check of a pair, and the adapter that makes a pair of a composite."""

from ..params import Gradients, views
from .differences import as_tuple
from .report import CANNOT, WRONG, Report, Row
from .running import Pair, as_float64, input_names, judged
from .verdicts import compare

NO_GRADIENT = "backward gave no gradient: return one in the order of the inputs, or name those that have one, wrt=(...)"


def check(forward, backward, *inputs, wrt=None, seed=0):
    """Compare a pair's backward with central differences of its forward, in float64.

    The outputs are projected on a random upstream gradient `dout`, so one number is differentiated. Every entry of every input is compared
    (of large ones random directions and a sample of entries), each against the error of its own difference, truncation and rounding,
    which a ladder of steps shows, and not against one tolerance for all: a gradient is right as far as differences can see, and
    `resolution` says how far. What agrees to 1e-8 is taken as right, for backward is rounded too.

    Parameters
    ----------
    forward : callable, inputs -> (out, cache); out is an array or a tuple of arrays
    backward : callable, (dout, cache) -> gradients in the order of the inputs; None where there is none
    *inputs : arrays or numbers; floats are cast to float64, whole numbers and booleans are data; never changed
    wrt : str or sequence of str, optional
        The names of the inputs to be judged, where others (noise, data) have no gradient. Every floating input unless given.
    seed : int
        Seeds the upstream gradient and the directions.

    Returns
    -------
    Report
        Its rows say for each input "ok", "WRONG", or "CANNOT JUDGE" with the reason and what to do: every entry on a kink, a gradient
        too small to see, nothing that moves, no gradient at all. Lower precision inside backward is WRONG. `report.ok` is True only if every row is ok.
        `report.diagnosis` says of what is WRONG how it is wrong; it is made when it is first asked for, as by print(report).

    Raises
    ------
    ValueError, TypeError
        If a check would mean nothing: a wrong number or shape of gradients, fresh noise inside
        forward or backward, inputs or the cache changed in place, an output of forward in lower precision, NaN or infinity. What
        forward and backward raise themselves is passed on.

    Examples
    --------
    >>> import numpy as np
    >>> def square_forward(a):
    ...     return a * a, a
    >>> def square_backward(dout, a):
    ...     return dout * a                       # the factor 2 is missing
    >>> report = check(square_forward, square_backward, np.array([1.0, 2.0]))
    >>> report.verdict, round(report.error, 3)
    ('WRONG', 0.5)
    """
    if not inputs:
        raise TypeError("check needs inputs to check at: check(forward, backward, x, ...)")
    names = input_names(forward, inputs)
    inputs = [as_float64(name, a) for name, a in zip(names, inputs)]
    pair = Pair(forward, backward, names, judged(names, inputs, wrt), seed)
    title = getattr(forward, "__name__", type(forward).__name__).removesuffix("_forward")
    rows = judge_pair(pair, inputs)
    return Report(title, rows, cause=lambda: _cause(pair, inputs, [row.name for row in rows if row.ok]))


def _cause(pair, inputs, ok):
    from .cause import cause  # here, because it is needed only where something is wrong

    return cause(pair, inputs, ok)


def judge_pair(pair, inputs, few=None):
    """A Row for each input in `pair.wrt`, in their order; `few`: see `verdicts.compare`."""
    upstream = pair.start(inputs)
    grads = pair.refuse_noise(inputs)
    compared = compare(pair, inputs, grads, upstream, few)
    rows, faults = [], pair.faults(inputs, grads, {i: row.scale for i, row in compared.items()})
    for i in pair.wrt:
        row = compared.get(i, Row(pair.names[i], inputs[i].shape, CANNOT, NO_GRADIENT))
        rows.append(row._replace(verdict=WRONG, reason=faults[i]) if i in faults else row)
    return rows


def over_theta(forward, backward, shapes):
    """A composite, which reads `params` and adds to `dparams`, as a pair in (theta, *inputs), for `check`.

    Parameters
    ----------
    forward : callable, (*inputs, params) -> (out, cache)
    backward : callable, (dout, cache, dparams) -> the gradients of the inputs, or None
    shapes : dict of str to tuple of int, of the parameters in theta

    Returns
    -------
    over_theta_forward, over_theta_backward : the pair, whose first input is theta, of shape (P,)

    Examples
    --------
    >>> import numpy as np
    >>> from functools import partial
    >>> from tinyvae import Network, mlp_backward, mlp_forward
    >>> net, rng = Network(("net.0", "net.out"), (3, 5, 2)), np.random.default_rng(0)
    >>> pair = over_theta(partial(mlp_forward, network=net), mlp_backward, net.shapes)
    >>> check(*pair, rng.standard_normal(32), rng.standard_normal((4, 3))).ok
    True
    """

    def over_theta_forward(theta, *inputs):
        return forward(*inputs, views(theta, shapes))

    def over_theta_backward(dout, cache):
        dparams = Gradients(shapes)
        dinputs = backward(dout, cache, dparams)
        return dparams.flat(), *(() if dinputs is None else as_tuple(dinputs))

    return over_theta_forward, over_theta_backward
