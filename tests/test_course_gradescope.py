"""Gradescope: the zip that is uploaded, and what stands in results.json. Its whole contract is in test_course_gradescope_contract.py."""

import json
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tinyvae.course import grade
from tinyvae.course.assignment import Assignment
from tinyvae.course.formats import gradescope as written
from tinyvae.course.plugins import gradescope
from tinyvae.exercises.judge import Result

KEY = bytes(range(32))
CODE = "import numpy as np\n\ndef kl_backward(dkl, cache):\n    return cache\n"
TEXTS = {1: "the symptom", 2: "the step", 3: "the formula"}


def assignment(**options):
    return Assignment("ps1", ["kl_backward", "tanh_backward"], 3, KEY, **options)


# ---- the zip ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("gradescope")
    written.write(assignment(), out)
    return out


def archive(out):
    return Path(out, "lecturer", "ps1-autograder.zip")


def test_the_zip_has_its_two_scripts_the_package_and_the_assignment(built):
    with zipfile.ZipFile(archive(built)) as found:
        names = set(found.namelist())
        rights = {info.filename: stat.filemode(info.external_attr >> 16) for info in found.infolist()}
        assert json.loads(found.read("assignment/assignment.json"))["name"] == "ps1"
        assert {info.date_time for info in found.infolist()} == {written.TIME}
    wanted = {"setup.sh", "run_autograder", "tinyvae/digits.npz", "tinyvae/exercises/sentences.tsv", "tinyvae/course/plugins/gradescope.py"}
    assert wanted <= names and any(name.startswith("tinyvae/exercises/tasks/02-gaussian/") for name in names)
    assert {name.split("/")[0] for name in names} == {"setup.sh", "run_autograder", "tinyvae", "assignment"}
    assert not [name for name in names if "plots" in name or "__pycache__" in name or name.endswith((".pyc", ".png", ".ipynb"))]
    assert {name for name, mode in rights.items() if mode == "?rwxr-xr-x"} == {"setup.sh", "run_autograder"}
    assert {mode for name, mode in rights.items() if name.startswith("tinyvae")} == {"?rw-r--r--"}


def test_the_same_assignment_gives_the_same_zip(built, tmp_path):
    written.write(assignment(), tmp_path)
    assert archive(tmp_path).read_bytes() == archive(built).read_bytes()
    written.write(assignment(feedback={"kl_backward": 3}), tmp_path)
    assert archive(tmp_path).read_bytes() != archive(built).read_bytes()


def test_nothing_of_the_zip_is_handed_out(built):
    assert {path.name for path in (built / "student").iterdir()} == {"ps1.ipynb", "ps1.py", "README.txt"}


@pytest.mark.skipif(not shutil.which("bash") or sys.platform == "win32", reason="there is no bash")
@pytest.mark.parametrize("script", [written.SETUP, written.RUN])
def test_bash_can_read_the_scripts(script):
    subprocess.run(["bash", "-n"], input=script.encode(), check=True)


# ---- what is told, and when -------------------------------------------------------------------------


def record(of, good=()):
    """A record as `grade` makes it, with these tests of kl_backward right and nothing else."""
    tasks = {}
    for name, task in of.tasks.items():
        ok = {test: name == "kl_backward" and test in good for test in task.tests}
        results = [Result(test, points, ok[test], asks, "" if ok[test] else f"{test} is amiss") for test, (points, asks) in task.tests.items()]
        tasks[name] = grade.entry(task, results, ["kl_backward"], {} if all(ok.values()) else TEXTS)
    return grade.record(of, tasks, "some jail", "digest", ["a note"], 0.5)


def results(monkeypatch, folder, of, files, records=None):
    for name, code in files.items():
        Path(folder, name).parent.mkdir(exist_ok=True, parents=True)
        Path(folder, name).write_text(code, encoding="utf-8")
    monkeypatch.setattr(gradescope, "grade", lambda _, handed, jail: (records or {}).get(handed.name) or record(of))
    return gradescope.results(of, folder, "some jail")


def shown(found, when):
    return {test["name"]: test for test in found["tests"] if test["visibility"] == when}


def test_nothing_of_a_verdict_is_shown_before_the_deadline(monkeypatch, tmp_path):
    """Level 0: verdicts come with all words after the due date; before it the same stands there whatever they are."""
    of = assignment()
    good = {"ps1.py": record(of, ["values", "gradient", "at_prior"])}
    found, better = results(monkeypatch, tmp_path, of, {"ps1.py": CODE}), results(monkeypatch, tmp_path, of, {}, good)
    for said in (found, better):
        assert said["visibility"] == "after_due_date" and said["stdout_visibility"] == "hidden" and "score" not in said
        assert set(shown(said, "visible")) == {"the file was read"}
    before = [[said["output"], shown(said, "visible")] for said in (found, better)]
    assert before[0] == before[1] and "told after the deadline" in str(before)
    assert "kl_backward: found" in str(before) and "tanh_backward: not found: tanh_backward" in str(before)
    after = shown(found, "after_due_date")
    assert "values is amiss" in after["kl_backward: values"]["output"] and "the formula" in after["kl_backward: values"]["output"]
    assert [sum(test["score"] for test in said["tests"]) for said in (found, better)] == [0, 5]
    assert sum(test["max_score"] for test in found["tests"]) == of.points


@pytest.mark.parametrize("level", [1, 2, 3])
def test_higher_levels_tell_verdicts_at_once_and_all_later(monkeypatch, tmp_path, level):
    of = assignment(feedback={"kl_backward": level, "tanh_backward": 3})
    found = results(monkeypatch, tmp_path, of, {"ps1.py": CODE}, {"ps1.py": record(of, ["values"])})
    now, later = shown(found, "visible"), shown(found, "after_due_date")
    assert found["visibility"] == "visible" and "deadline" not in read(found)
    assert now["kl_backward: values"]["status"] == "passed" and now["kl_backward: values"]["score"] == 3
    assert now["kl_backward: gradient"]["output"].endswith(f"gradient is amiss\n{TEXTS[level]}")
    assert "amiss" in now["kl_backward: at_prior"]["output"] and TEXTS[level] not in now["kl_backward: at_prior"]["output"]
    assert {name: test["output"] for name, test in later.items()} == ({} if level == 3 else {"kl_backward: what is wrong": "the formula"})
    assert all(text not in str(now) for number, text in TEXTS.items() if number > level and number < 3)


def test_levels_of_tasks_are_kept_apart(monkeypatch, tmp_path):
    found = results(monkeypatch, tmp_path, assignment(feedback={"kl_backward": 3}), {"ps1.py": CODE})
    assert found["visibility"] == "after_due_date"
    assert {name.split(":")[0] for name in shown(found, "visible")} == {"the file was read", "kl_backward"}
    assert {name.split(":")[0] for name in shown(found, "after_due_date")} == {"tanh_backward"}
    assert found["tests"][1]["tags"] == ["kl_backward", "KL.2"]


# ---- which file -------------------------------------------------------------------------------------


def read(found):
    return found["tests"][0]["output"]


def test_the_best_of_several_files_counts_and_is_named_when_it_may_be(monkeypatch, tmp_path):
    of = assignment()
    best = {"sub dir/b.py": record(of, ["values"])}
    found = results(monkeypatch, tmp_path, of, {"a.py": CODE, "sub dir/b.py": CODE, ".ipynb_checkpoints/c.py": CODE, "notes.txt": "x"}, best)
    assert "a.py:" in read(found) and "sub dir/b.py:" in read(found) and "c.py" not in read(found)
    assert shown(found, "after_due_date")["the file that counts"]["output"] == "sub dir/b.py has the most points"
    assert sum(test["score"] for test in found["tests"]) == 3
    found = results(monkeypatch, tmp_path, assignment(feedback={"kl_backward": 1, "tanh_backward": 1}), {}, best)
    assert shown(found, "visible")["the file that counts"]["output"] == "sub dir/b.py has the most points"


def test_a_file_named_as_the_assignment_goes_first(monkeypatch, tmp_path):
    found = results(monkeypatch, tmp_path, assignment(), {"a.py": CODE, "b.py": CODE, "deep/ps1.py": CODE}, {"a.py": record(assignment(), ["values"])})
    assert len([test for test in found["tests"] if test["score"]]) == 0 and "the file that counts" not in str(found)


def test_not_too_many_files(monkeypatch, tmp_path):
    found = results(monkeypatch, tmp_path, assignment(), {f"{n}.py": CODE for n in range(5)})
    assert "2.py:" in read(found) and "3.py" not in read(found) and "Not tried: 2 more files" in read(found)


def test_no_further_file_is_begun_when_time_is_short(monkeypatch, tmp_path):
    monkeypatch.setattr(gradescope, "BEGUN", 0)
    found = results(monkeypatch, tmp_path, assignment(), {"a.py": CODE, "b.py": CODE})
    assert "Not tried: 1 more files" in read(found)


@pytest.mark.parametrize(("name", "code", "words"), [(None, "", "hand in ps1.ipynb or ps1.py"), ("a.ipynb", "x", "is no notebook"), ("a.py", "", "holds no")])
def test_what_cannot_be_read_gets_no_points_and_a_sentence(monkeypatch, tmp_path, name, code, words):
    found = results(monkeypatch, tmp_path, assignment(), {name: code} if name else {})
    assert words in read(found) and found["tests"][0]["status"] == "failed"
    assert sum(test["score"] for test in found["tests"]) == 0 and len(found["tests"]) > 1


@pytest.mark.skipif(sys.platform == "win32", reason="links want rights there")
def test_links_are_not_followed(monkeypatch, tmp_path):
    (tmp_path / "secret.txt").write_text(CODE, encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").symlink_to(tmp_path / "secret.txt")
    assert "link" in read(results(monkeypatch, tmp_path / "in", assignment(), {}))


# ---- the rest ---------------------------------------------------------------------------------------


def test_without_a_jail_nothing_is_graded_unless_students_are_trusted(monkeypatch, tmp_path, capsys):
    found = gradescope.results(assignment(), tmp_path, "none")
    assert found["score"] == 0 and "not graded: " in found["output"] and "tests" not in found
    assert "--trust-students" in capsys.readouterr().out
    of = assignment(trust=True)
    (tmp_path / "ps1.py").write_text(CODE, encoding="utf-8")
    monkeypatch.setattr(gradescope, "grade", lambda _, handed, jail: record(of, ["values"]) | {"jail": jail})
    assert gradescope.results(of, tmp_path, "none")["extra_data"]["jail"] == "none"


def test_another_version_is_said(monkeypatch, tmp_path):
    of = assignment(versions={"tinyvae": "0.1", "tasks": 1})
    assert "0.1" in results(monkeypatch, tmp_path, of, {"ps1.py": CODE})["output"]


def test_words_of_a_submission_are_plain_text(monkeypatch, tmp_path):
    of = assignment(feedback={"kl_backward": 1})
    said = record(of)
    said["tasks"]["kl_backward"]["tests"][0]["found"] = "a\x00b\x1b[31m\ud800" + "x" * 100_000
    output = results(monkeypatch, tmp_path, of, {"ps1.py": CODE}, {"ps1.py": said})["tests"][1]["output"]
    assert "a\ufffdb\ufffd[31m\ufffd" in output and len(output) <= gradescope.LONGEST
