"""A task as its file says it: the record, the cells, and what is made of them.

A file `tasks/NN-chapter/TASK.py` is data in percent format: nothing imports it. Its cells are a record, a statement, code that is
given, the solution, the check, hints and wrong solutions. A solution that stands in the package is named there and never written again.
"""

import ast
import difflib
import functools
import importlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..gradcheck import check
from . import helpers, mistakes
from .percent import cells, edited, namespace, prose, record, rows, run

ROOT = Path(__file__).parent / "tasks"
VERSION = 1  # of the set: what was published keeps its ids and points, see `frozen`
MARK = re.compile(r"(?m)^[ \t]*### (?:BEGIN|END) SOLUTION\n?")


def named(path):
    """(module, [names]) of "tinyvae.gaussian:kl_forward kl_backward"."""
    module, _, names = path.partition(":")
    return importlib.import_module(module), names.split()


class Task:
    """One exercise. `task.id`, `task.chapter`, the record's entries as attributes, and the texts made from its cells.

    A `text` stands in the place of what the file at `path` holds.
    """

    def __init__(self, path, text=None):
        self.path, self.id, self.chapter = Path(path), Path(path).stem, Path(path).parent.name
        parts = list(cells(self.path.read_text(encoding="utf-8") if text is None else text))
        first = {kind: body for kind, _, body in reversed(parts)}
        self.record = record(first["record"])
        self.statement, self.note = prose(first["markdown"]), prose(first.get("note", ""))
        self.given, self.check_code, self.written = first.get("given", ""), first.get("check", ""), first.get("solution")
        self.hints = [" ".join(hint.split()) for hint in re.split(r"(?m)^\d\. ", prose(first.get("hints", "")))[1:]]
        self._wrong = [(caption, body) for kind, caption, body in parts if kind == "wrong"]

    def __repr__(self):
        return f"<task {self.id}: {self.title}>"

    def __getattr__(self, name):
        try:
            return self.__dict__["record"][name]
        except KeyError:
            raise AttributeError(f"the record of the task has no {name!r}") from None

    @property
    def tests(self):
        """{test: (points, what it asks for)}, in the record's order."""
        return {(words := name.split())[0]: (int(words[1]), text) for name, text in self.record["tests"].items()}

    @property
    def points(self):
        """Of all tests together."""
        return sum(points for points, _ in self.tests.values())

    @property
    def core(self):
        """Whether it belongs to the marked core, which a course of four labs can hold."""
        return "lab" in self.record

    @property
    def outputs(self):
        """The names of what the function returns."""
        return self.record.get("outputs", "").split()

    @property
    def out(self):
        """What the forward pass of a pair returns, by the name that the shapes give it."""
        return re.search(r"-> (\w+)", self.shapes)[1]

    # ---- code: given, solution, check -----------------------------------------------------------

    @functools.cached_property
    def base(self):
        """The namespace of what is given: NumPy, the package's forward pass, the given cell."""
        space = {"np": np, "__name__": "given"}
        if ":" in self.record.get("forward", ""):
            module, (name,) = named(self.forward)
            space[name] = getattr(module, name)
        return run(self.given, space, f"{self.id}, given") if self.given else space

    @functools.cached_property
    def solution(self):
        """The source of the right answer."""
        if self.kind == "bug":
            return self.program(self.mistaken.right_source, self.mistaken.caught_by)
        if "solution" not in self.record:
            return MARK.sub("", self.written or "") + "\n"
        module, names = named(self.record["solution"])
        return "\n\n".join(inspect.getsource(getattr(module, name)) for name in names)

    @functools.cached_property
    def names(self):
        """What the student writes: the functions of the solution and the words that it sets, or else the names that it sets."""
        body = ast.parse(self.solution).body
        found = [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        values = {ast.unparse(target): node.value for node in body if isinstance(node, ast.Assign) for target in node.targets}
        words = [name for name, value in values.items() if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        return found + words if found else list(values)

    @functools.cached_property
    def mistaken(self):
        """The mistake that a task of kind bug is about."""
        return mistakes.find(self.mistake)

    @staticmethod
    def program(code, caught_by):
        """The text of a task of kind bug: the program and the answer to what catches it."""
        return f'{code.strip()}\n\n\ncaught_by = "{caught_by}"\n'

    def build(self, code):
        """The namespace of an answer: its code, with what it may use."""
        if self.kind == "bug":
            return vars(self.mistaken.build(code))
        if "solution" in self.record:
            return run(code, vars(named(self.record["solution"])[0]) | self.base, self.id)
        return run(code, self.base, self.id)

    @functools.cached_property
    def right(self):
        """The right answer's functions and values by name."""
        return namespace(self.build(self.solution))

    @functools.cached_property
    def wrong(self):
        """[(caption, source)] of the wrong solutions, in full."""
        start, found = self.program(self.mistaken.wrong_source, "?") if self.kind == "bug" else self.solution, []
        for caption, body in self._wrong:
            if caption.startswith("= "):  # a mistake of the table, as far as it stands in this solution
                mistake = mistakes.find(caption[2:])
                caption, body = mistake.says, mistake.changes(start)
            found.append((caption, edited(start, body, f"{self.id}: {caption}")))
        return found

    @functools.cached_property
    def checks(self):
        """The namespace of the check cell."""
        space = self.base | helpers.TOOLS | {"check": check, "data": self._data}
        return run(self.check_code, space, f"{self.id}, check")

    def _data(self, name):
        """The rows of a TSV beside the task, as dicts of strings."""
        return rows(self.path.with_name(name))

    def numbers(self, seed=0):
        """What stands in the statement in double braces: the lecture's numbers at seed 0, others of their kind at other seeds."""
        if self.kind == "bug":
            return {"symptom": self.mistaken.symptom}
        rng = np.random.default_rng([seed, *self.id.encode()]) if seed else None
        return self.checks["numbers"](rng) if "numbers" in self.checks else {}

    def right_numbers(self, seed=0):
        """The right answers by hand, by name."""
        return self.checks["right"](self.numbers(seed))


class Frozen(NamedTuple):
    """Since which version of the set a task is there, and its points."""

    version: int
    points: int


def frozen():
    """{id: Frozen} of what was published, from `frozen.tsv`."""
    return {row["id"]: Frozen(int(row["version"]), int(row["points"])) for row in rows(ROOT.with_name("frozen.tsv"))}


@functools.cache
def tasks():
    """{id: Task} of the whole set: chapter by chapter, in each the tasks of the labs first."""
    found = [Task(path) for path in ROOT.glob("*/*.py")]
    return {task.id: task for task in sorted(found, key=lambda task: (task.chapter, task.record.get("lab", "9"), task.id))}


def task_named(name):
    """The task of that id.

    Raises
    ------
    ValueError
        If there is none; the message names those that are close.
    """
    if name in tasks():
        return tasks()[name]
    close = difflib.get_close_matches(name, tasks(), 3)
    raise ValueError(f"task must be one of the {len(tasks())} of python -m tinyvae learn, got {name!r}" + (f": {' or '.join(close)}?" if close else ""))
