"""Real mistakes, as edits of running programs: the one source of the find-the-bug tasks, of the diagnosis and of docs/mistakes.md.

`mistakes.tsv` has a row for each mistake, `programs/NAME.py` a cell with the right program and a cell with what checks it. Of a truth
test the first part is whether it passes, the second a figure to be told.
"""

import functools
import importlib
import inspect
import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from ..gradcheck import check
from . import helpers
from .percent import cells, edited, namespace, rows, run
from .wording import say

HERE = Path(__file__).parent
TESTS = GRADIENT, TRUTH = "gradient check", "truth test"
NEITHER = "neither"
COLUMNS = "id", "number", "program", "right", "wrong", "symptom", "step", "says", "caught_by", "measured", "seen_in"


# ---- programs ------------------------------------------------------------------------------------


@functools.cache
def program(name):
    """(source, check) of a program: its text, with what it takes from the package in place, and the namespace that checks it."""
    found = {kind: body for kind, _, body in cells((HERE / "programs" / f"{name}.py").read_text(encoding="utf-8"))}
    source = re.sub(r"(?m)^# from: (.+):(.+)$", lambda line: _taken(*line.groups()), found["program"])
    space = helpers.TOOLS | {"np": np, "check": check, "normal_points": normal_points}
    source = "import numpy as np\n" + "\n\n" * (not source.startswith("import")) + source.strip() + "\n"
    return source, namespace(run(found["check"], space, f"check of {name}"))


def _taken(module, names):
    """The source of functions of the package, each with the first line of its docstring."""
    module = importlib.import_module(module)
    return "\n\n\n".join(_short(inspect.getsource(getattr(module, name))) for name in names.split())


def _short(source):
    """A function without its docstring's further lines, examples and tags."""
    return re.sub(r'"""(.*?)(?:\s{2,}\[\w+\.\d\])?(?:\n.*?)?"""', lambda m: f'"""{" ".join(m[1].split())}"""', source, count=1, flags=re.DOTALL).strip()


def build(source, name="program"):
    """The functions and values of a program's source as a namespace; tracebacks show its lines, and every function knows its source, `__source__`."""
    return namespace(run(source, {"np": np}, name))


@functools.cache
def normal_points(n):
    """n numbers of mean 0 and variance 1, spread as N(0, 1): they stand for n draws, without the noise of drawing."""
    points = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    points /= points.std()
    points.flags.writeable = False
    return points


# ---- mistakes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mistake:
    """A row of the table: a line of a program, what stands in its place, and what is known of the mistake.

    Attributes
    ----------
    id, program : str
    number : str, its number among the mistakes that were seen in public code, or empty
    right, wrong : str, lines; where several stand in both, each replaces its own, and an empty one is a line left out
    symptom, step, says : str, what one sees, where the derivation goes wrong, and the mistake in the words of the formula
    caught_by : "gradient check", "truth test" or "neither": what sees it first
    measured : str, the figure that sees it; the effect on training where neither does
    seen_in : str, a public place, or "-"
    """

    id: str
    number: str
    program: str
    right: str
    wrong: str
    symptom: str
    step: str
    says: str
    caught_by: str
    measured: str
    seen_in: str

    @property
    def edits(self):
        """[(right line, [lines in its place])]."""
        right, wrong = self.right.split(r"\n"), self.wrong.split(r"\n")
        if len(right) == 1:
            return [(self.right, [line for line in wrong if line])]
        return [(old, [new] if new else []) for old, new in zip(right, wrong, strict=True)]

    @property
    def right_source(self):
        """The text of the right program."""
        return program(self.program)[0]

    @functools.cached_property
    def wrong_source(self):
        """The text of the program with the mistake in it."""
        return edited(self.right_source, self.changes(self.right_source), self.id)

    def changes(self, source):
        """The edit as lines `# - old` and `# + new`, of those lines that stand in a source."""
        lines = [line.strip() for line in source.splitlines()]
        edits = [(old, new) for old, new in self.edits if old.strip() in lines]
        return "".join(f"# - {old}\n" + "".join(f"# + {line}\n" for line in new) for old, new in edits)

    @property
    def check(self):
        """The namespace with `behaviour`, `gradient_check` and `truth_test`, each of which takes a namespace that `build` gives."""
        return program(self.program)[1]

    def build(self, source):
        """The namespace of a source: of this program, right, wrong or changed by a student."""
        return build(source, f"{self.program}, {self.id}")


@functools.cache
def table():
    """{id: Mistake}, in the order of the file."""
    return {row["id"]: Mistake(**row) for row in rows(HERE / "mistakes.tsv")}


def find(name):
    """The Mistake of that id."""
    return table()[name]


def of_program(name):
    """All mistakes in a program."""
    return [mistake for mistake in table().values() if mistake.program == name]


def mutants(name):
    """[(function, right function, what it does in the words of the formula)] of all mistakes in a function of that name."""
    found = []
    for mistake in table().values():
        if f"def {name}(" in mistake.right_source:
            wrong, right = (getattr(mistake.build(source), name) for source in (mistake.wrong_source, mistake.right_source))
            if wrong.__source__ != right.__source__:
                found.append((wrong, right, mistake.says))
    return found


# ---- what sees them --------------------------------------------------------------------------------


def seen(mistake, space):
    """{"gradient check": (whether it passes, figure), "truth test": ...} of a program; None where there is nothing to check.

    Whatever a check raises counts as seen: the gradient checker refuses what cannot be checked.
    """
    found = {}
    for test, look in zip(TESTS, (_gradient, mistake.check.truth_test)):
        try:
            with np.errstate(all="ignore"):
                passes, figure = look(mistake, space) if look is _gradient else look(space)
            found[test] = (passes if passes is None else bool(passes)), figure
        except Exception as error:  # noqa: BLE001 - a wrong program may raise anything
            refused = "gradcheck" in traceback.extract_tb(error.__traceback__)[-1].filename
            found[test] = False, f"the checker refuses it: {str(error).split(': ')[0]}" if refused else f"the program stops with {type(error).__name__}"
    return found


def _gradient(mistake, space):
    """Whether the gradient check passes, None if there is no backward; and both numbers where they differ most."""
    report = mistake.check.gradient_check(space)
    if report is None or report.ok:
        return (None if report is None else True), ""
    row = next(row for row in report.rows if not row.ok)
    return False, row.reason.split(": ")[0] if row.reason else f"d{row.name}: backward {row.analytic:.3g}, differences {row.numeric:.3g}"


def caught(mistake):
    """(what sees it first, the figure): "neither" with the effect on training where both tests pass."""
    space = mistake.build(mistake.wrong_source)
    for test, (passes, figure) in seen(mistake, space).items():
        if passes is not None and not passes:
            return test, figure
    return NEITHER, mistake.check.effect(space)


def examine(mistake, space):
    """What both tests say of a program, as lines to read."""
    lines = []
    for test, (passes, figure) in seen(mistake, space).items():
        verdict = "has nothing to check" if passes is None else "passes" if passes else "sees it"
        lines.append(say(f"test {verdict}", test=test, figure=figure))
    return "\n".join(lines)
