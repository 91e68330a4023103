"""nbgrader from one end to the other, with the real tool: an assignment, submissions of all kinds, grades, feedback."""

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest
from handed_in import built, secrets, submissions, written

from tinyvae.course.jail import jails

PYTHON = os.environ.get("TINYVAE_NBGRADER")
ROOT = Path(__file__).parents[1]
SCORES = """
import json
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as book:
    found = {s.student.id: {g.name: g.auto_score for n in s.notebooks for g in n.grades} for s in book.assignment_submissions("week-1")}
print(json.dumps(found))
"""
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PYTHON, reason="TINYVAE_NBGRADER names no Python that has nbgrader"), pytest.mark.skipif(not jails(), reason="no jail works here")]


def run(folder, *command, ok=True):
    """What a command of nbgrader's environment prints."""
    path = f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}"  # where nbgrader looks for alembic
    env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([PYTHON, *command], cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False)
    assert not ok or done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def nbgrader(folder, *words, ok=True):
    return run(folder, "-m", "nbgrader", *words, ok=ok)


def test_nbgrader_from_one_end_to_the_other(tmp_path):
    """In one test, so that all is done once, whichever process runs it."""
    made, out, right, spy = graded(tmp_path / "a course")
    assert_points(made, out, right, spy)
    assert_release(made, out)
    assert_feedback(made, out, right)


def graded(folder):
    """(Assignment, the build, {student: points that are right}, the file that nobody may make)."""
    made, out = built("nbgrader", folder)
    course, spy = out / "lecturer", folder / "spy"
    nbgrader(course, "generate_assignment", "week-1", "--create")
    book = json.loads((course / "release" / "week-1" / "week-1.ipynb").read_text(encoding="utf-8"))
    right = {}
    for student, (handed, points) in submissions(book, made, spy).items():
        right[student] = points
        written(handed, course / "submitted" / student / "week-1" / "week-1.ipynb")
    nbgrader(course, "autograde", "week-1", "--create")
    nbgrader(course, "generate_feedback", "week-1")
    nbgrader(course, "export")
    return made, out, right, spy


def assert_points(made, out, right, spy):
    """The points of every task are those of the code, wherever it stands, and so are the sums that nbgrader exports."""
    found = json.loads(run(out / "lecturer", "-c", SCORES))
    per_task = {student: [sum(n for cell, n in cells.items() if cell.startswith(f"{name}--")) for name in made.ids] for student, cells in found.items()}
    assert per_task == right
    assert not spy.exists(), spy.read_text(encoding="utf-8")
    with open(out / "lecturer" / "grades.csv", encoding="utf-8", newline="") as file:
        assert {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)} == {student: sum(points) for student, points in right.items()}


def assert_release(made, out):
    """What students get is what nbgrader releases, and holds no secret."""
    student, released = (json.loads((out / path).read_text(encoding="utf-8")) for path in ("student/week-1.ipynb", "lecturer/release/week-1/week-1.ipynb"))
    assert [(cell["id"], "".join(cell["source"])) for cell in student["cells"]] == [(cell["id"], "".join(cell["source"])) for cell in released["cells"]]
    for secret in secrets(made):
        assert secret not in json.dumps(student) + json.dumps(released), secret


def assert_feedback(made, out, right):
    """The feedback says what was found, and in which jail; it holds no secret."""
    pages = {name: (out / "lecturer" / "feedback" / name / "week-1" / "week-1.html").read_text(encoding="utf-8") for name in right}
    assert all("jail: " in page and "students are trusted" not in page for page in pages.values())
    assert "did not end within" in pages["looping"]
    assert "dlog_sigma has the right shape and wrong values" in pages["wrong"]
    for secret in secrets(made):
        assert secret not in pages["blank"] + pages["looping"] + pages["forging"], secret
