"""Gradient checks: does a hand-written backward match its forward?

`check` compares one pair, `check_model` a whole loss, with central differences in float64::

    df/dx_i = (f(x + h e_i) - f(x - h e_i)) / 2h + O(h^2)                                [CHECK.1]

Where they differ, `diagnosis` says how: which mistake would give exactly this gradient.

A gradient check proves that backward matches forward. It cannot prove that forward is the
mathematics of the lecture: for that see the tests of densities, samplers and exact models.
"""

from .checker import check, over_theta
from .models import check_model
from .report import Report, Row

__all__ = ["Report", "Row", "check", "check_model", "over_theta"]
