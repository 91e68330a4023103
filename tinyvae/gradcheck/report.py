"""What a gradient check found: a row for each input with its verdict, and the table of them."""

import functools
from typing import NamedTuple

import numpy as np

OK, WRONG, CANNOT = "ok", "WRONG", "CANNOT JUDGE"


class Row(NamedTuple):
    """The comparison for one input.

    Attributes
    ----------
    name, shape : of the input
    verdict : "ok", "WRONG" or "CANNOT JUDGE"
    reason : str, why, and what to do; empty where nothing needs to be said
    error : float, norm-wise difference |a - n| of backward and the differences, relative to `scale`; NaN where none could be formed
    resolution : float, the same of the differences' own estimated error, at least 1e-8; an entry is judged against its own error
    scale : float, what both are relative to: the largest of |a|, |n| and the slopes close by
    entry, analytic, numeric : where they differ most, and both numbers there
    checked : str, what was compared: "12 entries", "12 directions, 50 of 40000 entries"
    left_out, unseen : int, entries and directions on kinks, and entries too small to be seen beside the others
    steps, errors : ndarrays of shape (S,), |difference - backward| at that entry for every step h: see `plots.step_sizes`
    step : float, the step h that was trusted there
    """

    name: str
    shape: tuple
    verdict: str
    reason: str = ""
    error: float = np.nan
    resolution: float = np.nan
    scale: float = 0.0
    entry: str = ""
    analytic: float = np.nan
    numeric: float = np.nan
    checked: str = ""
    left_out: int = 0
    unseen: int = 0
    steps: np.ndarray = np.zeros(0)
    errors: np.ndarray = np.zeros(0)
    step: float = np.nan

    @property
    def ok(self):
        """True if the gradient was judged, and found right."""
        return self.verdict == OK


class Report:
    """What `check` found: `report.ok`, `report.error`, `report.rows`, and a table by `str(report)`, with the diagnosis below it.

    `cause`: a function that makes the diagnosis of what is wrong; `check_model` has none.
    """

    def __init__(self, title, rows, notes=(), cause=None):
        self.title, self.rows, self.notes, self._cause = title, rows, tuple(notes), cause

    @functools.cached_property
    def diagnosis(self):
        """The Diagnosis of what is WRONG: its findings, and `diagnosis.text(level)`; None if nothing is, or nothing more can be said."""
        return self._cause() if self._cause and self.verdict == WRONG else None

    @property
    def ok(self):
        """True if every input that was to be judged was judged, and found right."""
        return all(row.ok for row in self.rows)

    @property
    def verdict(self):
        """"ok", or the worst verdict of a row: "WRONG", then "CANNOT JUDGE"."""
        found = {row.verdict for row in self.rows}
        return WRONG if WRONG in found else CANNOT if CANNOT in found else OK

    @property
    def error(self):
        """The largest norm-wise relative error; NaN if none could be formed."""
        errors = [row.error for row in self.rows if not np.isnan(row.error)]
        return max(errors) if errors else np.nan

    def __str__(self):
        width = max(5, *(len(row.name) for row in self.rows))
        lines = [f"gradient check of {self.title} (float64, central differences)", _line(width, _HEADER)]
        for row in self.rows:
            numbers = f"{row.error:.1e}", f"{row.resolution:.1e}", row.entry, f"{row.analytic:.8g}", f"{row.numeric:.8g}"
            lines.append(_line(width, (row.name, str(row.shape), *numbers, row.verdict)))
        lines += [f"{row.name}: {row.reason}" for row in self.rows if row.reason]
        sampled = [f"{row.name} {row.checked}" for row in self.rows if "of" in row.checked]
        if sampled:
            lines.append(f"random directions and single entries of large inputs: {'; '.join(sampled)}")
        left_out, unseen = sum(row.left_out for row in self.rows), sum(row.unseen for row in self.rows)
        if left_out:
            lines.append(f"left out: {left_out} on a kink, as of a ReLU, where any slope between those of the two sides is right")
        if unseen:
            lines.append(f"passed over: {unseen} too small to be seen beside the other entries")
        lines += self.notes
        if self.diagnosis:
            lines.append(self.diagnosis.text())
        if self.ok:
            lines.append("backward matches this forward; that this forward is the lecture's formula is not tested here")
        return "\n".join(lines)

    __repr__ = __str__

    def __bool__(self):
        return self.ok


_HEADER = "input", "shape", "rel. error", "resolution", "worst entry", "backward", "numeric", ""


def _line(width, cells):
    name, shape, error, resolution, entry, analytic, numeric, verdict = cells
    return f"{name:<{width}}  {shape:<12} {error:>10} {resolution:>10}  {entry:<13} {analytic:>14} {numeric:>14}  {verdict}".rstrip()
