"""otter from one end to the other, with the real tool: `otter assign`, then `otter run` on submissions of all kinds."""

import json
import os
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from handed_in import built, secrets, submissions, written

from tinyvae.course.jail import jails

PYTHON = os.environ.get("TINYVAE_OTTER")
ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PYTHON, reason="TINYVAE_OTTER names no Python that has otter-grader"), pytest.mark.skipif(not jails(), reason="no jail works here")]


def otter(folder, *words):
    """Run a command of otter."""
    path = f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([PYTHON, "-m", "otter", *words], cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]


def zipped(path, spy):
    """A notebook in an archive with all that otter or its kernel might load beside it."""
    evil = f"open({str(spy)!r}, 'w').write('a module was imported')\n"
    beside = {"otter.py": evil, "json.py": evil, "logging/__init__.py": evil, "private/assignment.json": "{}", "tests/kl_backward.py": evil}
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.write(path, path.name)
        archive.writestr(".OTTER_LOG", f"cos\nsystem\n(S'touch \"{spy}\"'\ntR.")
        for name, text in beside.items():
            archive.writestr(name, text)
    return path.with_suffix(".zip")


def test_otter_from_one_end_to_the_other(tmp_path):
    """In one test, so that all is done once, whichever process runs it."""
    made, out, right, found, spy = graded(tmp_path / "a course")
    assert_points(made, right, found, spy)
    assert_release(made, out, found)
    assert_told(found)


def graded(folder):
    """(Assignment, the build, {student: points that are right}, {student: results.json}, the file that nobody may make)."""
    made, out = built("otter", folder)
    spy, lecturer = folder / "spy", out / "lecturer"
    otter(lecturer, "assign", "week-1.ipynb", "dist", "--no-pdfs")
    (archive,) = (lecturer / "dist" / "autograder").glob("*.zip")
    book = json.loads((lecturer / "dist" / "student" / "week-1.ipynb").read_text(encoding="utf-8"))
    for cell in book["cells"]:
        cell["source"] = "".join(cell["source"])
    handed = submissions(book, made, spy)

    def results(student):
        path = folder / student / "week-1.ipynb"
        written(handed[student][0], path)
        otter(path.parent, "run", "-a", str(archive), "-o", ".", str(zipped(path, spy) if student == "forging" else path))
        return json.loads((path.parent / "results.json").read_text(encoding="utf-8"))

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(handed, pool.map(results, handed)))
    return made, out, {student: points for student, (_, points) in handed.items()}, found, spy


def assert_points(made, right, found, spy):
    """The points of every task are those of the code, wherever it stands."""
    per_task = {student: {test["name"]: (test["score"], test["max_score"]) for test in results["tests"]} for student, results in found.items()}
    full = {name: task.points for name, task in made.tasks.items()}
    assert per_task == {student: {name: (n, full[name]) for name, n in zip(made.ids, points)} for student, points in right.items()}
    assert not spy.exists(), spy.read_text(encoding="utf-8")


def assert_release(made, out, found):
    """What students get is what otter makes, and holds no secret; nor do results."""
    student, dist = (json.loads((out / path).read_text(encoding="utf-8")) for path in ("student/week-1.ipynb", "lecturer/dist/student/week-1.ipynb"))
    assert [(cell["id"], cell["source"]) for cell in student["cells"]] == [(cell["id"], "".join(cell["source"])) for cell in dist["cells"]]
    for secret in secrets(made):
        assert secret not in json.dumps([student, dist]) + json.dumps([found["blank"], found["looping"], found["forging"]]), secret


def assert_told(found):
    """Before the deadline students see the output alone, and of each task what its level allows; after it, all."""
    for results in found.values():
        assert all(test["visibility"] == "after_published" for test in results["tests"])
        assert results["output"].startswith("jail: ") and "students are trusted" not in results["output"] and "stdout_visibility" not in results
    said = {part.split("\n")[0]: part for part in found["wrong"]["output"].split("\n\n")}
    assert said["kl_backward"] == "kl_backward\nfound; what it is worth is told after the deadline"
    assert "dmu" in said["kl_by_hand"] and "not right" in said["kl_by_hand"]
    assert "wrong values" in next(test["output"] for test in found["wrong"]["tests"] if test["name"] == "kl_backward")
