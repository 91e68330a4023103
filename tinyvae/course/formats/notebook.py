"""What the notebooks of all formats share: the cells that a student gets of each task, as JSON.

Nothing in them holds an answer, a test, a seed or a key: the statement, the stub, and a call to try it with.
"""

import inspect
import json
import re
import zlib

import numpy as np

from ...exercises import sheet
from ...exercises.judge import passes, sized

SIZES = {"N": 3, "K": 2, "D": 5, "L": 2, "H": 3, "C": 3, "M": 2, "I": 5, "O": 2}  # small enough to be read
LONGEST = 1500  # characters of inputs that are still worth printing
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
HEAD = """# {name}

{tasks}, {points} points. Write your answers in the cells that begin with `# task:`, and keep that line; add cells wherever you like.

When this notebook is graded, its imports, functions, classes and constants are taken from it, in whatever cell they stand, and nothing else
is run. Where a name is defined twice, the last definition counts. Only NumPy and what the tasks import can be used there."""

WHOLE = """**When it is graded, nothing is filled in:** all ten parts (forward and backward of `dense`, `tanh`, `reparameterize`, `bernoulli` and `kl`, by
these names) and `adam_step` must stand in this file, yours all of them. It is trained on digits whose pixels are shuffled."""


# ---- cells ---------------------------------------------------------------------------------------


def cell(kind, name, source):
    """A cell of that kind ("markdown", "code", "raw") and name; of the name its id is made, the same at every build."""
    made = {"cell_type": kind, "id": identifier(name), "metadata": {}, "source": source}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def identifier(name):
    """A name that notebooks and graders accept as an id: at most 64 letters, digits, - and _.

    >>> identifier("kl_backward--values"), identifier("Größe")
    ('kl_backward--values', 'Gr--e-946e9015')
    """
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        return name
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:50]}-{zlib.crc32(name.encode()):08x}"


def text(cells, **metadata):
    """The file of a notebook."""
    return json.dumps({"cells": cells, "metadata": KERNEL | metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False) + "\n"


def head(assignment):
    """Two cells: what this is, and the imports."""
    n = len(assignment.tasks)
    words = HEAD.format(name=assignment.name, tasks=f"{n} task{'s' * (n != 1)}", points=assignment.points)
    return [cell("markdown", "about", words), cell("code", "imports", "import numpy as np\n\nfrom tinyvae import check")]


def parts(task, seed):
    """Three cells of a task: its statement with the numbers of that seed, its stub, and a call to try it."""
    note = f"\n\n{WHOLE}" * (task.kind == "capstone")
    statement = f"<!-- task: {task.id} -->\n\n## {task.title}\n\n{sheet.statement(task, seed)}{note}\n\n*{task.id}: {task.points} points, about {task.minutes} minutes*"
    return [
        cell("markdown", f"{task.id}-statement", statement),
        cell("code", f"{task.id}-answer", f"# task: {task.id}\n{sheet.stub(task).rstrip()}"),  # without the seed, which stubs of numbers would name
        cell("code", f"{task.id}-try", trial(task)) | {"metadata": {"tags": ["raises-exception"]}},  # a stub does not stop Run All
    ]


# ---- a call to try it ------------------------------------------------------------------------------


def trial(task):
    """Code that tries an answer: one expression, so that it defines nothing that could stand in for an answer."""
    if task.kind == "numbers":
        return "# Try it: what will be graded.\nprint(" + ", ".join(f'f"{{{name} = }}"' for name in task.right_numbers()) + ', sep="\\n")'
    if task.kind == "capstone":
        names = ", ".join(f'"{name}": {name}' for name in task.names)
        return f"# Try it: trained for 30 epochs, nats before and after.\nfrom tinyvae.exercises.training import train\n\nprint(train({{{names}}}, 30))"
    return _call(task) or f"# Try {', '.join(name for name in task.names if callable(getattr(task.right, name)))} here."


def _call(task):
    """A check, or a call and what comes back, with inputs of the task's kind; empty if they are not worth printing."""
    if "inputs" not in task.checks or task.kind not in ("backward", "pair", "forward", "function"):
        return ""
    forward, name = passes(task) if task.kind in ("backward", "pair") else ("", task.names[-1])
    made = task.checks["inputs"]
    drawn = made(np.random.default_rng(0), **sized(made, SIZES))
    called = task.base.get(forward) or getattr(task.right, forward or name)
    try:
        lines = [f"    {literal(value)},  # {one}\n" for one, value in zip(inspect.signature(called).parameters, drawn if isinstance(drawn, tuple) else (drawn,))]
    except TypeError:  # functions and the like
        return ""
    if sum(map(len, lines)) > LONGEST:
        return ""
    if not forward:
        return f"# Try it: what comes back at these inputs.\nprint({name}(\n{''.join(lines)}))"
    wrt = tuple(task.record.get("wrt", "").split())
    of = f"    wrt={json.dumps(wrt)},\n" if wrt else ""
    return f"# Try it: backward against differences of forward, at these inputs.\nprint(check(\n    {forward}, {name},\n{''.join(lines)}{of}))"


def literal(value, column=4):
    """A value as code, its numbers to three decimals.

    Raises TypeError if it is neither an array, a number, a string nor made of these.

    >>> print(literal((np.array([[0.5, 1.23456], [2, 3]]), 7, {"a": 1e-9})))
    (np.array([[0.5  , 1.235],
               [2.   , 3.   ]]), 7, {"a": 1e-09})
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        prefix = " " * (column + len("np.array("))
        return f"np.array({np.array2string(value, separator=', ', precision=3, suppress_small=True, threshold=value.size + 1, max_line_width=120, prefix=prefix)})"
    if isinstance(value, (bool, np.bool_, int, np.integer, str)):
        return json.dumps(value) if isinstance(value, str) else str(value)
    if isinstance(value, (float, np.floating)):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {literal(item, column)}" for name, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        inside = ", ".join(literal(item, column + 1) for item in value)
        return f"({inside}{',' * (len(value) == 1)})" if isinstance(value, tuple) else f"[{inside}]"
    raise TypeError(f"{type(value).__name__} cannot be written as a literal")
