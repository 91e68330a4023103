"""Graded variants: the package publishes the solutions of its tasks, so a course asks for others, drawn by a seed.

A family is a task file with one cell more, `# %% [vary]`, which defines `vary(rng) -> {name: text}`; `<<name>>` in the other cells stands
for that text. The forward pass is given, and the solution differentiates it by complex step: no derivation stands here to be copied.
"""

import functools
import operator
import re
from pathlib import Path

import numpy as np

from ..exercises.percent import cells, record, rows, run
from ..exercises.source import Task

FAMILIES = Path(__file__).with_name("families")
VARY = re.compile(r"(?ms)^# %%\s*\[vary\].*?(?=^# %%|\Z)")


def families():
    """{id: path} of the families of the package."""
    return {path.stem: path for path in sorted(FAMILIES.glob("*.task"))}


@functools.cache
def _places():
    """{task of the package: the family that can take its place}."""
    records = {name: next(body for kind, _, body in cells(path.read_text(encoding="utf-8")) if kind == "record") for name, path in families().items()}
    return {record(body)["variant_of"]: name for name, body in records.items()}


def variant_for(task_id):
    """The family that can take the place of a task of the package, or None."""
    return _places().get(task_id)


def make(path, seed):
    """The task of a file at a seed: the same seed, the same task.

    Parameters
    ----------
    path : path of a task file; without a cell [vary] it is one task, whatever the seed
    seed : int, at least 0

    Returns
    -------
    Task

    Raises
    ------
    ValueError
        If the seed is no such number, or a `<<name>>` of the file is not among what `vary` returns.
    """
    path, seed = Path(path), operator.index(seed)
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    text = path.read_text(encoding="utf-8")
    return Task(path, _filled(VARY.sub("", text), _drawn(path, text, seed), path.name))


def _drawn(path, text, seed):
    """{name: text} as the cell [vary] draws it; there `data` reads a table beside the file, as in [check]."""
    for code in [body for kind, _, body in cells(text) if kind == "vary"]:
        space = run(code, {"np": np, "data": lambda name: rows(path.with_name(name))}, f"{path.stem}, vary")
        return space["vary"](np.random.default_rng([seed, *path.stem.encode()]))
    return {}


def _filled(text, drawn, name):
    """A text with `<<name>>` replaced by what was drawn, in which a name may stand again."""
    for _ in drawn:
        text = re.sub(r"<<(\w+)>>", lambda match: str(drawn.get(match[1], match[0])), text)
    if left := re.findall(r"<<(\w+)>>", text):
        raise ValueError(f"{name}: vary must return a text for {', '.join(sorted(set(left)))}, got texts for {', '.join(sorted(drawn))}")
    return text
