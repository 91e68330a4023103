"""What a gradient check found: one row for each input, and the table of them."""

from typing import NamedTuple


class Row(NamedTuple):
    """The comparison for one input: its worst entry, and the norm-wise relative error of all entries."""

    name: str
    shape: tuple
    error: float
    entry: str
    analytic: float
    numeric: float
    left_out: int
    ok: bool


class Report:
    """What `check` found: `report.ok`, `report.error`, `report.rows`, and a table by `str(report)`."""

    def __init__(self, title, rows, unchecked=()):
        self.title, self.rows, self.unchecked = title, rows, tuple(unchecked)

    @property
    def ok(self):
        """True if every gradient matches."""
        return all(row.ok for row in self.rows)

    @property
    def error(self):
        """The largest norm-wise relative error."""
        return max(row.error for row in self.rows)

    def __str__(self):
        width = max(5, *(len(row.name) for row in self.rows))
        lines = [
            f"gradient check of {self.title} (float64, central differences)",
            f"{'input':<{width}}  {'shape':<12} {'rel. error':>10}  {'worst entry':<13} {'backward':>14} {'numeric':>14}",
        ]
        for row in self.rows:
            verdict = "ok" if row.ok else "WRONG"
            lines.append(
                f"{row.name:<{width}}  {row.shape!s:<12} {row.error:>10.1e}  {row.entry:<13} "
                f"{row.analytic:>14.8g} {row.numeric:>14.8g}  {verdict}"
            )
        left_out = sum(row.left_out for row in self.rows)
        if left_out:
            lines.append(f"left out: {left_out} where a kink (ReLU) lies between x - h and x + h")
        if self.unchecked:
            lines.append(f"not checked, for backward gave no gradient: {', '.join(self.unchecked)}")
        return "\n".join(lines)

    __repr__ = __str__

    def __bool__(self):
        return self.ok
