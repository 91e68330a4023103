"""Is a course sound? One assignment that holds all tasks, in every format: solutions get all points, stubs none, every wrong solution less."""

import json
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..exercises.judge import earned
from ..exercises.source import task_named
from ..exercises.training import PARTS, ROOMS
from .build import FORMATS, build
from .definitions import MARK
from .given import alone, solution
from .grade import graded
from .submission import read

DIGEST = "verify"  # in place of a file's: the inputs are those of no submission


def answers(task, seed):
    """[(caption, source)] of the right answer and of all wrong ones, each as a student would write it."""
    if task.kind == "numbers":
        wrong = task.checks["wrong"](task.numbers(seed)).items()
        return [("solution", values(task.right_numbers(seed))), *((caption, values(numbers)) for caption, numbers in wrong)]
    right = solution(task)
    if task.kind == "capstone":
        right = "\n\n".join([*(part(name) for name in PARTS), solution(task_named("adam_step")), right])
    return [("solution", right), *((caption, f"{right}\n\n{code}" if task.kind != "bug" else code) for caption, code in task.wrong)]


def part(name):
    """The source of one of the package's parts of a VAE."""
    room = next(room for room in ROOMS if hasattr(room, name))
    return alone(room.__name__, [name])


def values(numbers):
    """Answers by hand as lines of code."""
    return "\n".join(f"{name} = {json.dumps(value) if isinstance(value, str) else as_literal(value)}" for name, value in numbers.items())


def as_literal(value):
    """A number, or nested tuples of numbers, as Python writes them."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (tuple, list)):
        return "(" + "".join(f"{as_literal(item)}, " for item in value) + ")"
    return repr(value)


# ---- submissions ----------------------------------------------------------------------------------


def filled(path, found):
    """The bytes of a student's file with answers, {id: source}, in the cells that are marked as theirs."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return "# %%".join(answered(cell, found, "\n") for cell in text.split("# %%")).encode()
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = answered("".join(cell["source"]), found)
    return json.dumps(notebook).encode()


def answered(cell, found, before=""):
    """A code cell, or the answer in its place if it begins with the mark of a task that has one."""
    mark = re.match(rf"\s*{MARK.pattern}", cell, re.MULTILINE)
    return f"{before}{mark[0].strip()}\n{found[mark[1]]}\n" if mark and mark[1] in found else cell


def submissions(assignment):
    """(kind, {id: caption}, {id: source}): all solutions; no answer; then the first wrong solution of each task, the second, ..."""
    sources = {name: answers(task, assignment.seed) for name, task in assignment.tasks.items()}
    right = {name: found[0][1] for name, found in sources.items()}
    yield "solution", dict.fromkeys(right, "solution"), right
    yield "stub", dict.fromkeys(right, "stub"), {}
    for n in range(1, max(map(len, sources.values()))):
        wrong = {name: found[n] for name, found in sources.items() if n < len(found)}
        yield "wrong", {name: caption for name, (caption, _) in wrong.items()}, {name: source for name, (_, source) in wrong.items()}


def student_files(assignment, folder):
    """[(format and file, path)] of what students get in every format."""
    found = []
    for form in FORMATS:
        build(assignment, form, folder / form)
        found += [(f"{form} {path.suffix}", path) for path in sorted((folder / form / "student").iterdir()) if path.suffix in (".py", ".ipynb")]
    return found


# ---- verdicts ---------------------------------------------------------------------------------------


class Verdicts:
    """Points of tasks by the code that was read; the same code is judged once, in whatever format it came."""

    def __init__(self, assignment, jail, pool):
        self.assignment, self.jail, self.pool, self.known = assignment, jail, pool, {}

    def ask(self, name, code):
        """The future points of a task with this code."""
        if (name, code) not in self.known:
            self.known[name, code] = self.pool.submit(self.points, name, code)
        return self.known[name, code]

    def points(self, name, code):
        """The points of a task with this code."""
        task, key = self.assignment.tasks[name], self.assignment.inputs_key(DIGEST, name)
        return earned(graded(task, code, key, self.assignment.seed, self.jail, explained=False)[0])


def verify(assignment, jail, workers=2):
    """(format, task, caption, points, whether as expected) of every answer in every format.

    Parameters
    ----------
    assignment : Assignment
    jail : str
    workers : int, children at a time
    """
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        verdicts, asked = Verdicts(assignment, jail, pool), []
        files = student_files(assignment, Path(folder))
        for kind, captions, found in submissions(assignment):
            for form, path in files:
                handed = read(filled(path, found), path.name)
                asked += [(form, kind, name, caption, verdicts.ask(name, handed.code_for(name, assignment.shared))) for name, caption in captions.items()]
        for form, kind, name, caption, future in asked:
            points, full = future.result(), assignment.tasks[name].points
            yield form, name, caption, points, {"solution": points == full, "stub": points == 0, "wrong": points < full}[kind]
