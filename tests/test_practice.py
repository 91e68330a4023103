"""Layer 4, practice: a student's folder, a process for the student's file, levels, and the same in a notebook."""

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time

import pytest

from tinyvae import kl_backward
from tinyvae.__main__ import main
from tinyvae.exercises import (
    capstone,
    notebook,
    practice,
    progress,
    runner,
    sheet,
    task,
    tasks,
)
from tinyvae.exercises.progress import Progress

RIGHT = "import numpy as np\n\n\ndef tanh_backward(dy, cache):\n    y = cache\n    return dy * (1 - y * y)\n"
WRONG = RIGHT.replace("1 - y * y", "1 - y")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["learn", "start"]) == 0
    return tmp_path / "tinyvae-practice"


def write(folder, name, text):
    path = Progress(folder).path(tasks()[name])
    path.write_text(text, encoding="utf-8")
    return path


def solve(folder, name):
    """Write the right answer into a student's file."""
    task = tasks()[name]
    path = Progress(folder).path(task)
    text = path.read_text(encoding="utf-8").replace(sheet._blank(task).strip(), sheet.solved(task).removesuffix(task.note))
    path.write_text(text, encoding="utf-8")


def entry(folder, name):
    return Progress.load(folder).entry(tasks()[name])


# ---- the folder -------------------------------------------------------------------------------------------


def test_start_writes_every_file_and_never_over_a_students_work(folder, capsys):
    assert sum(1 for _ in folder.rglob("*.py")) == len(tasks())
    mine, gone = write(folder, "tanh_backward", "# mine"), Progress(folder).path(tasks()["kl_backward"])
    gone.unlink()
    assert main(["learn", "start"]) == 0
    assert mine.read_text() == "# mine" and gone.exists()
    assert f"tinyvae-practice: 1; there before, and left as they are: {len(tasks()) - 1}" in capsys.readouterr().out


def test_overview_names_the_next_task(folder, capsys):
    assert main(["learn"]) == 0
    text = capsys.readouterr().out
    assert "core: 0 of 16 passed" in text and "next: " in text and "kl_backward" in text.splitlines()[-1]
    assert all(chapter in text for chapter in ("01-layers", "10-capstone"))


def test_commands_find_the_folder_from_inside_and_from_above(folder, monkeypatch, capsys):
    for place in (folder, folder / "01-layers", folder.parent):
        monkeypatch.chdir(place)
        assert progress.find() == folder.resolve()
    monkeypatch.chdir(folder.parent.parent)
    assert main(["learn"]) == 1 and "learn start" in capsys.readouterr().err


def test_reset_keeps_the_old_file(folder, capsys):
    path = write(folder, "tanh_backward", "# one")
    for n, text in ((1, "# one"), (2, "# two")):
        path.write_text(text)
        assert main(["learn", "reset", "tanh_backward"]) == 0
        assert path.with_name(f"tanh_backward.old-{n}.py").read_text() == text and "raise NotImplementedError" in path.read_text(encoding="utf-8")
    assert "old-2" in capsys.readouterr().out


def test_progress_survives_an_upgrade(folder):
    """Entries of tasks that are gone stay, fields that are new are filled, and points are not lost."""
    old = {"format": 1, "seed": 3, "tasks": {"of_another_version": {"passed": True, "points": 4, "x": [1]}, "kl_backward": {"passed": True, "points": 5}}}
    (folder / "progress.json").write_text(json.dumps(old))
    state = Progress.load(folder)
    assert state.seed == 3 and state.entry(tasks()["kl_backward"])["passed"] and state.next().id != "kl_backward"
    state.save()
    again = json.loads((folder / "progress.json").read_text())
    assert again["tasks"]["of_another_version"] == old["tasks"]["of_another_version"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2, "seed": 0, "tasks": {}}', '{"format": 1, "seed": 0, "tasks": {"kl_backward": {"tried": 3}}}'])
def test_a_damaged_progress_is_said_and_left_as_it_is(folder, capsys, text):
    (folder / "progress.json").write_text(text)
    for command in (["learn"], ["learn", "start"], ["learn", "check", "tanh_backward"]):
        assert main(command) == 1
        assert "progress.json" in capsys.readouterr().err and (folder / "progress.json").read_text() == text


def test_names_that_are_not_there(folder, capsys):
    assert main(["learn", "check", "tanh_bakward"]) == 1
    assert "tanh_backward" in capsys.readouterr().err
    Progress(folder).path(tasks()["tanh_backward"]).unlink()
    assert main(["learn", "check", "tanh_backward"]) == 1
    assert "learn reset tanh_backward" in capsys.readouterr().err


# ---- the check, by levels ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_levels_are_earned(folder, capsys):
    """A first wrong attempt shows the symptom; a changed second one the step; the formula comes on giving up."""
    write(folder, "tanh_backward", WRONG)
    assert main(["learn", "check", "tanh_backward"]) == 1
    first = capsys.readouterr().out
    assert main(["learn", "check"]) == 1  # the same file again, which was saved last: no further
    assert capsys.readouterr().out == first and "0 of 2 points" in first
    write(folder, "tanh_backward", "# a comment\n" + WRONG)
    assert main(["learn", "check"]) == 1 and capsys.readouterr().out == first
    write(folder, "tanh_backward", WRONG.replace("1 - y", "1 - y ** 3"))
    assert main(["learn", "check"]) == 1
    second = capsys.readouterr().out
    plain = [" ".join(text.split()) for text in (second, first)]
    step = tasks()["tanh_backward"].record["steps"]["dx"]
    assert step in plain[0] and step not in plain[1]
    assert main(["learn", "solution", "tanh_backward"]) == 1 and "after it is passed" in capsys.readouterr().err
    write(folder, "tanh_backward", WRONG)
    assert main(["learn", "solution", "tanh_backward", "--give-up"]) == 0 and "1 - y * y" in capsys.readouterr().out
    assert main(["learn", "check"]) == 1
    assert "what one gets if" in " ".join(capsys.readouterr().out.split())
    for text in (first, second):
        assert "1 - y * y" not in text and "you forgot" not in text


def test_a_pass_is_kept_and_says_what_was_tested(folder, capsys):
    write(folder, "tanh_backward", RIGHT)
    assert main(["learn", "check"]) == 0
    text = capsys.readouterr().out
    assert "2 of 2 points" in text and "Tested: backward" in text and "[TANH.2]" in text
    write(folder, "tanh_backward", WRONG)
    assert main(["learn", "check"]) == 1
    assert entry(folder, "tanh_backward")["passed"] and entry(folder, "tanh_backward")["points"] == 2
    assert main(["learn", "solution", "tanh_backward"]) == 0


def test_an_untouched_stub_is_no_attempt(folder, capsys):
    assert main(["learn", "check", "tanh_backward"]) == 1
    assert "to do" in capsys.readouterr().out and entry(folder, "tanh_backward")["tried"] == []


def test_hints_come_one_by_one(folder, capsys):
    hints = tasks()["tanh_backward"].hints
    for n in (1, 2, 2):
        assert main(["learn", "hint", "tanh_backward"]) == 0
        text = capsys.readouterr().out
        assert f"{min(n, len(hints))} of {len(hints)}" in text and text.count(f"of {len(hints)}:") == min(n, len(hints))


def test_a_pass_of_the_first_lab_trains_a_vae(folder, capsys):
    solve(folder, "kl_backward")
    assert main(["learn", "check", "kl_backward"]) == 0
    before, after = map(float, re.search(r"from ([\d.]+) to ([\d.]+) nats", capsys.readouterr().out).groups())
    assert before > 40 and 25 < after < 27, "independent pixels have 27.0"


@pytest.mark.slow
def test_the_capstone_takes_what_is_right_and_says_so(folder, capsys, monkeypatch):
    """Own parts: one right, one wrong, one that never ends, one whose cache does not suit; the rest is the package's."""
    monkeypatch.setattr(runner, "SECONDS", 3)
    for name in ("capstone", "kl_backward", "dense_backward", "dense_forward"):
        solve(folder, name)
    write(folder, "tanh_backward", WRONG)
    write(folder, "reparameterize_backward", "while True:\n    pass\n")
    path = Progress(folder).path(tasks()["dense_forward"])
    path.write_text(path.read_text(encoding="utf-8").replace("cache = x, W", "cache = {'x': x, 'W': W}"), encoding="utf-8")
    assert main(["learn", "check", "capstone"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    yours, others = re.search(r"yours: (.*?); the package's: (.*?) trained", text).groups()
    assert yours == "dense_backward, kl_backward" and "dense_forward: right, but the package's is used" in text
    assert {"tanh_backward", "reparameterize_backward", "dense_forward"} < set(others.split(", "))
    assert "10 of 10 points" in text and float(re.search(r"to ([\d.]+) nats", text)[1]) <= capstone.ENOUGH == 24.8


def test_the_capstone_names_the_weights_whose_gradients_are_wrong(folder, capsys):
    solve(folder, "capstone")
    path = Progress(folder).path(tasks()["capstone"])
    path.write_text(path.read_text(encoding="utf-8").replace("dense_backward(dmu + dmu_kl,", "dense_backward(dmu,"), encoding="utf-8")
    assert main(["learn", "check", "capstone"]) == 1
    assert "from the loss upwards: mu.b, mu.W, hidden.b, hidden.W" in capsys.readouterr().out


# ---- a process of its own -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, words",
    [
        ("def tanh_backward(dy, cache):\n    return (", "SyntaxError"),
        ("import nothing_of_the_sort", "ModuleNotFoundError"),
        ("import os\nos._exit(3)", "status 3"),
        ("import sys\nsys.exit(0)", "SystemExit"),
        ("x = 1", "tanh_backward is not defined"),
    ],
)
def test_a_file_that_does_not_come_to_its_end(folder, capsys, text, words):
    write(folder, "tanh_backward", text)
    assert main(["learn", "check"]) == 1
    assert words in capsys.readouterr().out


def test_a_loop_without_an_end_is_ended(folder):
    path = write(folder, "tanh_backward", "while True:\n    pass\n")
    start = time.monotonic()
    said = runner.run(tasks()["tanh_backward"], path, seconds=1)
    assert "no answer within 1 seconds" in said["error"] and time.monotonic() - start < 3


def test_what_a_file_prints_is_shown_and_a_flood_is_cut(folder):
    path = write(folder, "tanh_backward", RIGHT + "print('μ = 1')\nfor _ in range(20000): print('flood')\n")
    said = runner.run(tasks()["tanh_backward"], path)
    assert said["printed"].startswith("μ = 1") and len(said["printed"]) <= 4000
    assert all(ok for _, _, ok, *_ in said["results"])


def test_errors_name_the_students_line(folder, capsys):
    write(folder, "tanh_backward", RIGHT.replace("return dy * (1 - y * y)", "return dy @ y @ y.T"))
    assert main(["learn", "check"]) == 1
    assert "line 6: return dy @ y @ y.T" in capsys.readouterr().out


# ---- watching ------------------------------------------------------------------------------------------------------------


def test_watch_sees_a_save_in_place_and_one_by_renaming(folder):
    state, seen = Progress.load(folder), []
    saves = practice.changes(state, poll=0.02)

    def look():
        seen.extend(task.id for task in itertools.islice(saves, 2))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    time.sleep(0.2)
    path = write(folder, "tanh_backward", "# saved")
    time.sleep(0.2)
    path.with_suffix(".swap").write_text("# renamed into place")
    os.replace(path.with_suffix(".swap"), path)
    watcher.join(5)
    assert seen == ["tanh_backward", "tanh_backward"]


# ---- in a notebook -----------------------------------------------------------------------------------------------------------


def test_a_task_in_a_notebook(capsys, monkeypatch):
    monkeypatch.setattr(notebook, "_TRIED", {})
    exercise = task("kl_backward")
    shown = exercise._repr_markdown_()
    assert shown.startswith("**") and "raise NotImplementedError" in shown and "BEGIN SOLUTION" not in shown
    assert not exercise.check(lambda dkl, cache: (dkl[:, None] * cache[0], dkl[:, None] * cache[1]))
    assert "dmu is right" in capsys.readouterr().out
    task("kl_backward").solution()
    assert "after a pass" in capsys.readouterr().out
    assert exercise.check(kl_backward) and "5 of 5" in capsys.readouterr().out
    exercise.solution()
    assert "return dkl * mu, dkl * (sigma2 - 1)" in capsys.readouterr().out
    with pytest.raises(TypeError, match="check must be given kl_backward"):
        exercise.check()
    with pytest.raises(ValueError, match="kl_backward"):
        task("kl_bakward")


def test_numbers_in_a_notebook():
    exercise = task("kl_by_hand")
    right = tasks()["kl_by_hand"].right_numbers()
    assert exercise.check(**right)
    name = next(iter(right))
    assert not exercise.check(**right | {name: 99})


def test_the_exercises_are_there_when_they_are_asked_for():
    code = "import sys, tinyvae; print('tinyvae.exercises' in sys.modules, tinyvae.exercises.task('kl_backward').task.id)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False kl_backward\n"
