"""Gradescope's contract in a fresh tree: the zip unpacked, an interpreter that has NumPy alone, seven submissions, results.json."""

import functools
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from gradescope_cases import FORGERY, NOT_VALID, valid

from tinyvae.course.assignment import Assignment
from tinyvae.course.build import build
from tinyvae.course.formats.gradescope import SETUP
from tinyvae.course.jail import jails
from tinyvae.course.verify import answers, filled

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not jails(), reason="no jail works here")]

IDS = ["graded_kl", "kl_backward", "kl_by_hand"]
POINTS = {"graded_kl": 5, "kl_backward": 5, "kl_by_hand": 3}
SEED, KEY = 20, bytes(range(100, 132))
ASSIGNMENT = Assignment("week1", IDS, SEED, KEY, feedback={"kl_backward": 3})
OTHER_USER, SYSTEM = "other user + seccomp", "/usr/bin/python3"
ROOTED = getattr(os, "geteuid", lambda: 1)() == 0 and Path(SYSTEM).exists()


# ---- the tree ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter that has nothing but NumPy, as setup.sh makes it; what only root on Debian can do is played."""
    folder = tmp_path_factory.mktemp("setup")
    played = {"apt-get": "true", "id": "false", "useradd": f"echo $* >{folder}/added", "python3": f"exec '{sys.executable}' $*".replace("$*", '"$@"')}
    (folder / "bin").mkdir()
    for name, line in played.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    script = SETUP.replace("/opt/tinyvae", str(folder / "grader")).replace("--no-cache-dir ", "")
    subprocess.run(["bash", "-c", script], env=os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}, check=True)
    assert (folder / "added").read_text(encoding="utf-8").endswith("nologin student\n")
    made = folder / "grader" / "bin" / "python"
    packages = subprocess.run([made, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True).stdout
    assert {line.partition("=")[0] for line in packages.split()} <= {"numpy", "pip", "setuptools"}
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "out"
    build(ASSIGNMENT, "gradescope", out)
    return out


def tree(root, built):
    """Gradescope's folders: the zip in source, run_autograder at the root, what it knows of earlier submissions."""
    for name in ("source", "submission", "results"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(built / "lecturer" / "week1-autograder.zip") as archive:
        for info in archive.infolist():
            archive.extract(info, root / "source")
            (root / "source" / info.filename).chmod(info.external_attr >> 16)
    shutil.copy(root / "source" / "run_autograder", root)
    (root / "submission_metadata.json").write_text('{"previous_submissions": ["earlier results"]}', encoding="utf-8")
    return root


def graded(root, command=("./run_autograder",), **environment):
    """results.json after a run, valid, and how long it took."""
    start = time.monotonic()
    environment = {"AUTOGRADER_ROOT": str(root), "PATH": os.environ["PATH"], "LANG": "C"} | environment
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert [path.name for path in (root / "results").iterdir()] == ["results.json"], ran.stderr
    found = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    valid(found)
    return found, ran, time.monotonic() - start


@pytest.fixture
def run(python, built, tmp_path):
    """A function that grades one file in a tree of its own."""

    def run(data, name="mine.ipynb"):
        root = tree(tmp_path / "autograder", built)
        (root / "submission" / name).write_bytes(data)
        found, ran, seconds = graded(root, PYTHON=str(python))
        assert ran.returncode == 0, ran.stderr
        assert found["extra_data"]["jail"] == jails()[0] and KEY.hex() not in json.dumps(found) + ran.stdout
        assert {stat.S_IMODE(os.stat(root / name).st_mode) for name in ("source", "results")} == {0o700}
        assert stat.S_IMODE(os.stat(root / "submission_metadata.json").st_mode) == 0o600
        return found, seconds

    return run


# ---- the schema -------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", NOT_VALID)
def test_what_is_not_valid_is_seen(entry):
    with pytest.raises((AssertionError, KeyError)):
        valid(entry)


# ---- submissions ------------------------------------------------------------------------------------


def notebook(built, found):
    """The student's notebook with these answers."""
    return filled(built / "student" / "week1.ipynb", found)


@functools.cache
def right():
    return {name: answers(task, SEED)[0][1] for name, task in ASSIGNMENT.tasks.items()}


def points(found):
    """{task: points}, from the entries of results.json."""
    return {name: sum(test["score"] for test in found["tests"] if test["name"].startswith(f"{name}: ")) for name in IDS}


def entry(found, name):
    return next(test for test in found["tests"] if test["name"] == name)


def test_right(run, built):
    found, _ = run(notebook(built, right()))
    assert points(found) == POINTS and all(test["status"] == "passed" for test in found["tests"])
    assert sum(test["max_score"] for test in found["tests"]) == sum(POINTS.values())


def test_wrong_and_what_is_told_of_it_before_the_deadline(run, built):
    wrong = {name: answers(task, SEED)[1][1] for name, task in ASSIGNMENT.tasks.items()}
    wrong["kl_by_hand"] = right()["kl_by_hand"].replace("kl = ", "kl = 7 + ")
    found, _ = run(notebook(built, wrong))
    assert points(found) == {"graded_kl": 1, "kl_backward": 0, "kl_by_hand": 2}
    assert found["visibility"] == "after_due_date"
    told = [test for test in found["tests"] if test["visibility"] == "visible"]
    assert {test["name"].split(":")[0] for test in told} == {"the file was read", "kl_backward"}
    assert "-1" in entry(found, "kl_backward: values")["output"]
    kl = right()["kl_by_hand"].splitlines()[0].removeprefix("kl = ")
    assert len(kl) > 5 and kl not in json.dumps(found) and "complex" not in json.dumps(found)


def test_blank(run, built):
    found, _ = run((built / "student" / "week1.py").read_bytes(), "week1.py")
    assert not any(points(found).values()) and "not found" not in entry(found, "the file was read")["output"].replace("kl_by_hand: not found", "")


def test_looping_costs_its_task_alone(run, built):
    found, seconds = run(notebook(built, right() | {"kl_backward": "def kl_backward(dkl, cache):\n    while True:\n        pass"}))
    assert points(found) == POINTS | {"kl_backward": 0} and seconds < 40


def test_looping_while_it_loads(run, built):
    found, seconds = run(notebook(built, right() | {"kl_backward": "class Loop:\n    while True:\n        pass"}))
    assert points(found) == POINTS | {"kl_backward": 0} and seconds < 40


def test_a_line_that_does_not_run_is_told_at_once_and_costs_itself(run, built):
    found, _ = run(notebook(built, right() | {"kl_backward": "def kl_backward(dkl, cache=1 + ''):\n    return dkl"}))
    assert points(found) == POINTS | {"kl_backward": 0} and "a line failed: TypeError" in entry(found, "the file was read")["output"]


@pytest.mark.parametrize("place", ["load", "call"])
def test_crashing(run, built, place):
    crash = {"load": "class End:\n    import os\n\n    os._exit(0)", "call": "import os\n\n\ndef kl_backward(dkl, cache):\n    os._exit(0)"}[place]
    found, _ = run(notebook(built, right() | {"kl_backward": crash}))
    assert points(found) == ({} if place == "call" else dict.fromkeys(POINTS, 0)) | {"load": {}, "call": POINTS | {"kl_backward": 0}}[place]


def test_forging(run, built, tmp_path):
    forgery = FORGERY.format(root=str(tmp_path / "autograder"))
    found, _ = run(notebook(built, right() | {"kl_backward": forgery, "graded_kl": ""}))
    assert points(found) == {"graded_kl": 0, "kl_backward": 0, "kl_by_hand": 3}
    assert "STOLEN" not in json.dumps(found) and "earlier results" not in json.dumps(found)


def test_a_theft_that_can_be_seen(run, built, tmp_path):
    """The words that a theft would bring stand in the results: what the file above says is told, and it holds nothing."""
    forgery = FORGERY.format(root=str(tmp_path / "autograder")).replace("    for descriptor in range(1, 64):", "    for descriptor in ():")
    found, _ = run(notebook(built, right() | {"graded_kl": forgery}))
    assert "ValueError: here: " in entry(found, "graded_kl: values")["output"] and "STOLEN" not in json.dumps(found)


def test_mangled(run, built):
    """Split, duplicated, deleted and retyped cells: the last definition of a name counts, wherever it stands."""
    cells = json.loads(notebook(built, right()))["cells"]
    code = {cell["source"].split()[2]: cell for cell in cells if cell["cell_type"] == "code" and cell["source"].startswith("# task: ")}
    old = code["kl_backward"] | {"source": "# task: kl_backward\ndef kl_backward(dkl, cache):\n    return 0, 0"}
    head, first, rest = code["graded_kl"]["source"].partition("def prior_kl_backward")
    words = code["kl_by_hand"] | {"cell_type": "raw"}
    for name in ("outputs", "execution_count"):
        del words[name]
    split = [code["graded_kl"] | {"source": text} for text in (first + rest, head)]
    mangled = [old, {"cell_type": "code", "source": "def broken(:", "metadata": {}}, old, *split, code["kl_backward"], words]
    found, _ = run(json.dumps({"cells": mangled, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode())
    assert points(found) == POINTS
    said = entry(found, "the file was read")["output"]
    assert "kl_backward" in said.replace("kl_backward: found", "") and "Cell 2" in said


# ---- what may go wrong with the grader ---------------------------------------------------------------


@pytest.mark.parametrize("break_it", ["python", "assignment"])
def test_a_grader_that_does_not_finish_leaves_a_result(python, built, tmp_path, break_it):
    root = tree(tmp_path / "autograder", built)
    if break_it == "assignment":
        (root / "source" / "assignment" / "assignment.json").write_text("{", encoding="utf-8")
    found, ran, _ = graded(root, PYTHON="/nowhere/python" if break_it == "python" else str(python))
    assert found["score"] == 0 and "did not finish: tell your lecturer" in found["output"] and ran.returncode != 0


AS_ANOTHER_USER = f"""
import sys
sys.path[:0] = sys.argv[1:]
from tinyvae.course.plugins import gradescope
from tinyvae.course.jail import jails
gradescope.best_jail = lambda closed: next(jail for jail in jails(closed) if jail == {OTHER_USER!r})
gradescope.main()
"""


@pytest.mark.skipif(not ROOTED, reason="wants root, and a Python that other users can read")
def test_another_user_and_closed_folders(built):
    """The jail that root has everywhere, in a tree that others may read until the grader closes it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        command = [sys.executable, "-m", "pip", "--python", SYSTEM, "install", "--quiet", "--no-deps", f"--target={folder}/site", "numpy>=1.26"]
        subprocess.run(command, check=True)
        root = tree(Path(folder, "autograder"), built)
        (root / "submission" / "a.ipynb").write_bytes(notebook(built, right() | {"graded_kl": FORGERY.format(root=str(root))}))
        found, ran, _ = graded(root, [SYSTEM, "-I", "-B", "-c", AS_ANOTHER_USER, root / "source", Path(folder, "site")])
        assert ran.returncode == 0, ran.stderr
    assert found["extra_data"]["jail"] == OTHER_USER
    assert points(found) == {"graded_kl": 0, "kl_backward": 5, "kl_by_hand": 3} and "STOLEN" not in json.dumps(found)
