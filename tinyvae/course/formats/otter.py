"""The master notebook of `otter assign`: its tests look at verdicts, which the plugin of this package finds, and hold no answer."""

from pathlib import Path

from ...support.storage import write_text
from .notebook import cell, head, parts, text

CONFIG = """# ASSIGNMENT CONFIG
# requirements: requirements.txt     a file that says from where the grader's machine gets tinyvae
init_cell: false
export_cell: false
run_tests: false
tests:
  ok_format: false
autograder_files:
  - private
generate:
  show_hidden: true
  force_public_test_summary: false
  plugins:
    - tinyvae.course.plugins.otter.TrustedGrade"""
TEST = '''""" # BEGIN TEST CONFIG
points: {points}
hidden: true
""" # END TEST CONFIG
def test_{test}(VERDICTS):
    assert VERDICTS["{task}"]["{test}"]'''


def write(assignment, out):
    """Write `student/NAME.ipynb`, and in `lecturer/` the master NAME.ipynb with the folder `private`, which only its autograder holds.

    Parameters
    ----------
    assignment : Assignment
    out : Path of a folder
    """
    name, lecturer = f"{assignment.name}.ipynb", Path(out, "lecturer")
    student = [*head(assignment), *(one for task in assignment.tasks.values() for one in parts(task, assignment.seed))]
    for path, cells in {Path(out, "student", name): student, lecturer / name: master(assignment)}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text(cells))
    assignment.write(lecturer / "private")


def master(assignment):
    """The cells of the master: a question for every task, a test for every test of it."""
    found = [cell("raw", "config", CONFIG), *head(assignment)]
    for task in assignment.tasks.values():
        statement, answer, trial = parts(task, assignment.seed)
        tests = [cell("code", f"{task.id}-test-{name}", TEST.format(points=points, task=task.id, test=name)) for name, (points, _) in task.tests.items()]
        found += [*bounded(task, "QUESTION", [statement, *bounded(task, "SOLUTION", [answer, trial]), *bounded(task, "TESTS", tests)])]
    return found


def bounded(task, kind, cells):
    """Cells with otter's marks for the begin and end of a block."""
    config = f"\nname: \"{task.id}\"\ncheck_cell: false" * (kind == "QUESTION")
    begin, end = (cell("raw", f"{task.id}-{way}-{kind}", f"# {way} {kind}") for way in ("BEGIN", "END"))
    return [begin | {"source": begin["source"] + config}, *cells, end]
