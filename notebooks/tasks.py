"""The exercises of a notebook: a line `*Tasks: a; b.*` of its source becomes, for each task, its statement, its stub and its check."""

import ast
import re

from lectures import number
from nbformat.v4 import new_code_cell, new_markdown_cell

from tinyvae.exercises import sheet, tasks
from tinyvae.exercises.notebook import NotebookTask
from tinyvae.exercises.source import task_named

LINE = re.compile(r"(?ms)^\*Tasks: (.*?)\.\*\s*\Z")
IMPORT = "import numpy as np\n\nfrom tinyvae.exercises import task"  # numpy once more: the exercises alone may be run
TAGS = ["task"]  # the cells made here
SCOPES = ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp
HOW = (
    "Fill in a stub, run it, then run the cell below it: it says what is right and what is not yet. To be told more, a step at a time, "
    'write `task("{first}").hint()`; `.solution()` shows the answer once you have passed.'
)
MORE = "**More of this kind, at the terminal:** {ids}. `python -m tinyvae learn start` writes a file for each, `python -m tinyvae learn` shows how far you are."
NO_MORE = "**At the terminal:** `python -m tinyvae learn start` writes a file for every task of the package, `python -m tinyvae learn` shows how far you are."
TAKEN = {
    1: "The name {} of a section above is taken by a stub: to return to that section, run all cells above it again.",
    2: "The names {} and {} of sections above are taken by stubs: to return to such a section, run all cells above it again.",
}


def named_in(text):
    """The tasks that the line of tasks in this text names, in order; none if it has no such line.

    Raises ValueError of a name that is no task, and of text below the line.
    """
    if found := LINE.search(text):
        return [task_named(name) for name in " ".join(found[1].split()).split("; ")]
    if line := re.search(r"(?m)^\*Tasks: .*", text):
        raise ValueError(f"a line of tasks must be *Tasks: a; b.* and end its cell, got {line[0]!r}")
    return []


def with_tasks(cells, path):
    """The cells of the notebook with this source, every line of tasks replaced by the cells of these tasks."""
    above = {}
    for cell in cells:
        if cell.cell_type == "code":
            above |= dict.fromkeys(names(ast.parse(cell.source)))
        its = named_in(cell.source) if cell.cell_type == "markdown" else []
        if its:
            cell["source"] = LINE.sub("", cell.source) + HOW.format(first=its[0].id) + taken(its, above)
        yield cell
        if its:
            yield from exercises(its, number(path))


def exercises(its, key):
    """The cells of these tasks in the notebook of this number, and a last one: which others there are at the terminal."""
    for n, task in enumerate(its):
        yield new_markdown_cell(asked(task), metadata={"tags": TAGS})
        yield new_code_cell(with_import(stub(task)) if n == 0 else stub(task), metadata={"tags": TAGS})
        yield new_code_cell(checked(task), metadata={"tags": TAGS, "task": task.id})
    others = [f"`{task.id}`" for task in tasks().values() if key in re.split(r"\W+", task.record.get("notebook", "")) and task not in its]
    yield new_markdown_cell(MORE.format(ids=", ".join(others)) if others else NO_MORE, metadata={"tags": TAGS})


def taken(its, above):
    """A sentence on the names of the cells above that stubs of these tasks bind anew; empty if they do not."""
    bound = dict.fromkeys(name for task in its for name in names(ast.parse(stub(task)), imports=False))
    found = [f"`{name}`" for name in bound if name in above]
    if not found:
        return ""
    return " " + (TAKEN[1].format(found[0]) if len(found) == 1 else TAKEN[2].format(", ".join(found[:-1]), found[-1]))


def asked(task):
    """Markdown: title, statement and line of facts of a task; its headings become bold, for sections are the notebook's; a formula is one line."""
    text = re.sub(r"(?m)^#+ +(.*)$", r"**\1**", sheet.statement(task))
    text = re.sub(r"(?<![$\\])\$(?!\$)([^$]+)\$(?!\$)", lambda match: "$" + " ".join(match[1].split()) + "$", text)
    return f"### {task.title}\n\n{text}\n\n*{sheet.facts(task)[1:-1]}*"


def stub(task):
    """The code to start from; NumPy is imported above."""
    return sheet.stub(task).removeprefix("import numpy as np").strip("\n")


def with_import(code):
    """The first stub, with the import of `task` above it."""
    lines = {"from ": "\n", "import ": "\n", "def ": "\n\n\n"}
    return IMPORT + next((space for start, space in lines.items() if code.startswith(start)), "\n\n") + code


def checked(task):
    """The line that judges it; its semicolon keeps the result, which has been printed, from being shown again."""
    return NotebookTask(task).call() + ";"


def names(node, imports=True):
    """The names that a module's syntax tree binds at its top level: by assignment, def or class, and by imports."""
    if isinstance(node, SCOPES):
        return [node.name] if hasattr(node, "name") else []
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names if imports]
    if isinstance(node, ast.Name):
        return [node.id] if isinstance(node.ctx, ast.Store) else []
    return [name for child in ast.iter_child_nodes(node) for name in names(child, imports)]


def current(cells):
    """Whether the stored reports of stubs ask for what their tasks ask for now; a cell that has not been run says nothing of it."""
    for cell in cells:
        task = tasks().get(cell.metadata.get("task"))
        text = "".join(out.get("text", "") for out in cell.get("outputs", []))
        if task and text and not all(f"  0/{points}  {asks}\n" in text for points, asks in task.tests.values()):
            return False
    return True
