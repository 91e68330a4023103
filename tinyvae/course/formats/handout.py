"""The plain handout: a notebook, the same as a program in cells, and a few lines on what to hand in."""

import textwrap
from pathlib import Path

from ...support.storage import write_text
from . import notebook

README = """{name}

You have the same tasks twice: {name}.ipynb, a notebook, and {name}.py, the same cells as a program that any editor opens. Work in the one
that you like better, and hand in this one file, under any name.

What is read of it: imports, functions, classes and constants, wherever they stand. Nothing else is run. Where a name is defined twice, the
last definition counts. Only NumPy, and what the tasks import, is there when your work is graded.

    python {name}.py

tries what can be tried, and says what is still to do. You need Python 3.10 to 3.13 with NumPy and tinyvae, which is there for its gradient
check; your lecturer says from where it is installed.
"""
GUARD = 'if __name__ == "__main__":\n    try:\n{code}\n    except NotImplementedError as todo:\n        print(f"to do: {{todo}}")'


def write(assignment, out):
    """Write `student/NAME.ipynb`, `student/NAME.py` and `student/README.txt`; the same assignment gives the same bytes.

    Parameters
    ----------
    assignment : Assignment
    out : folder
    """
    student = Path(out, "student")
    student.mkdir(parents=True, exist_ok=True)
    head, parts = notebook.head(assignment), [notebook.parts(task, assignment.seed) for task in assignment.tasks.values()]
    write_text(student / f"{assignment.name}.ipynb", notebook.text(sum(parts, head)))
    write_text(student / f"{assignment.name}.py", program(head, parts))
    write_text(student / "README.txt", README.format(name=assignment.name))


def program(head, parts):
    """The cells as a program in percent format, which tries the answers only when it is run itself."""
    blocks = [percent(cell) for cell in head]
    for statement, answer, trial in parts:
        blocks += [percent(statement), percent(answer), percent(trial | {"source": guarded(trial["source"])})]
    return "\n\n\n".join(blocks) + "\n"


def percent(cell):
    """A cell in percent format, markdown as comments.

    >>> print(percent({"cell_type": "markdown", "source": "## KL\\n\\nWrite it."}))
    # %% [markdown]
    # ## KL
    #
    # Write it.
    """
    if cell["cell_type"] == "markdown":
        return "# %% [markdown]\n" + "\n".join(f"# {line}".rstrip() for line in cell["source"].splitlines())
    return f"# %%\n{cell['source']}"


def guarded(source):
    """A call that tries an answer, where it is left out when the program is imported, and where a stub says what is to do."""
    if all(line.startswith("#") for line in source.splitlines()):  # nothing but a comment
        return source
    return GUARD.format(code=textwrap.indent(source, " " * 8))
