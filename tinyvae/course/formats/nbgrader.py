"""A course directory of nbgrader: the notebook, a configuration that grades with this package, and the assignment beside it.

The notebook that students get is the source itself: there is no solution and no hidden test in it that would have to be taken out.
"""

from pathlib import Path

from ...support.storage import write_text
from .notebook import cell, head, identifier, parts, text

CONFIG = '''"""nbgrader with the judge of tinyvae: students' code runs in jailed children, never in a kernel.

For another course directory: take these lines into its nbgrader_config.py, and the folders source and private.
"""

from pathlib import Path

from nbgrader.converters.autograde import Autograde
from nbgrader.converters.generate_assignment import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions
from tinyvae.course.plugins.nbgrader import TrustedExecute, TrustedGrade

c = get_config()  # noqa: F821 - of nbgrader
c.TrustedGrade.assignments = str(Path(__file__).resolve().parent / "private")
c.Autograde.sanitize_preprocessors = [TrustedGrade, *Autograde.sanitize_preprocessors.default()]
c.Autograde.autograde_preprocessors = [TrustedExecute, *Autograde.autograde_preprocessors.default()[1:]]
c.GenerateAssignment.preprocessors = [p for p in GenerateAssignment.preprocessors.default() if p is not ClearSolutions]  # stubs stay as they are
'''
VALIDATE = "Points are given when it is graded; neither running these cells nor Validate shows them."


def write(assignment, out):
    """Write `student/NAME.ipynb`, and `lecturer/`, a course directory in which nbgrader's commands work at once.

    Parameters
    ----------
    assignment : Assignment
    out : Path of a folder
    """
    name, course = assignment.name, Path(out, "lecturer")
    book = text(cells(assignment))
    for path, words in {Path(out, "student", f"{name}.ipynb"): book, course / "source" / name / f"{name}.ipynb": book, course / "nbgrader_config.py": CONFIG}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, words)
    assignment.write(course / "private" / name)


def cells(assignment):
    """The cells of the notebook, with nbgrader's metadata in those that it knows."""
    found = [marked(one, "locked") for one in head(assignment)]
    for task in assignment.tasks.values():
        statement, answer, trial = parts(task, assignment.seed)
        found += [marked(statement, "locked"), marked(answer, "solution"), trial]
        found += [grade_cell(task, test) for test in task.tests]
    return found


def grade_id(task_id, test):
    """The id of the cell that gets the points of a test."""
    return identifier(f"{task_id}--{test}")


def grade_cell(task, test):
    """A cell that gets the points of a test; what it says, students may read."""
    points, asks = task.tests[test]
    says = f"# {task.id}, {test}, {points} point{'s' * (points != 1)}: {asks}."
    says += f"\n# {VALIDATE}" * (test == next(iter(task.tests)))
    return marked(cell("code", grade_id(task.id, test), says), "grade", points=points)


def marked(made, role, **more):
    """A cell with nbgrader's metadata: role "locked", "solution" or "grade"; its grade_id is its id."""
    metadata = {"schema_version": 3, "grade": role == "grade", "solution": role == "solution", "locked": role != "solution", "task": False}
    made["metadata"] = {"deletable": False} | ({} if role == "solution" else {"editable": False})
    made["metadata"]["nbgrader"] = metadata | {"grade_id": made["id"]} | more
    return made
