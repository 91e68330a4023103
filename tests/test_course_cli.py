"""The command line of a course: from an empty folder to grades, and again."""

import csv
import json

import pytest

from tinyvae.app import course as course_line
from tinyvae.app.cli import main
from tinyvae.course import grade as grading
from tinyvae.course.assignment import Assignment
from tinyvae.course.build import FORMATS
from tinyvae.course.jail import jails
from tinyvae.course.submission import digest_of
from tinyvae.course.verify import answers, filled

TRUST = [] if jails() else ["--trust-students"]
ROSTER = "First name,Last name,ID number,Email address\nJürgen,Müller,101,jm@x.edu\nZoë,Ng,102,zn@x.edu\nAnn,Other,103,ao@x.edu\n"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A built handout, and what three students handed in: right, wrong and then right, nothing; and a stranger's junk."""
    folder = tmp_path_factory.mktemp("a course")
    assert main(["course", "build", "--format", "handout", "--tasks", "kl_backward", "--seed", "3", "--name", "ps1", "--out", str(folder / "ps1")]) == 0
    made = Assignment.read(folder / "ps1")
    (name,) = made.ids
    found = answers(made.tasks[name], made.seed)
    for student, n in (("Jürgen Müller_1_assignsubmission_file_", 0), ("Zoë Ng_2_assignsubmission_file_", 1)):
        path = folder / "handed in" / student / "ps1.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(filled(folder / "ps1" / "student" / "ps1.ipynb", {name: found[n][1]}))
    (folder / "handed in" / "stranger.py").write_bytes(b"\x00")
    (folder / "roster.csv").write_text(ROSTER, encoding="utf-8")
    return folder, made, found


def graded(folder, *more):
    out = folder / "grades.csv"
    assert main(["course", "grade", str(folder / "handed in"), "--assignment", str(folder / "ps1"), "--csv", str(out), *TRUST, *more]) == 0
    with open(out, encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_from_build_to_report(course, capsys, monkeypatch):
    folder, made, found = course
    of = made.points
    rows = graded(folder, "--roster", str(folder / "roster.csv"))
    assert [rows[name]["score"] for name in ("Jürgen Müller", "Ann Other")] == [str(of), "0"]
    assert int(rows["Zoë Ng"]["score"]) < of
    stranger = next(row for row in rows.values() if row["student"].endswith("stranger.py"))
    assert stranger["score"] == "0" and "not in the roster" in stranger["notes"]
    assert "nothing was handed in" in rows["Ann Other"]["notes"]
    assert all(row["jail"] for row in (rows["Jürgen Müller"], rows["Zoë Ng"]))
    assert (folder / "grades-moodle.csv").exists()

    # a second attempt: only the new file is graded, and the best of both counts
    second = folder / "handed in" / "Zoë Ng_3_assignsubmission_file_" / "ps1.py"
    second.parent.mkdir()
    second.write_bytes(filled(folder / "ps1" / "student" / "ps1.py", {made.ids[0]: found[0][1]}))
    before = json.loads((folder / "grades.results.json").read_text(encoding="utf-8"))
    capsys.readouterr()
    rows = graded(folder, "--roster", str(folder / "roster.csv"))
    assert (rows["Zoë Ng"]["score"], rows["Zoë Ng"]["attempts"]) == (str(of), "2")
    after = json.loads((folder / "grades.results.json").read_text(encoding="utf-8"))
    assert before["students"][0]["attempts"][0] in [attempt for student in after["students"] for attempt in student["attempts"]], "kept as it was"

    # what was handed in before counts too, when it is no longer there
    (folder / "handed in" / "Jürgen Müller_1_assignsubmission_file_" / "ps1.ipynb").unlink()
    assert graded(folder, "--roster", str(folder / "roster.csv"))["Jürgen Müller"]["score"] == str(of)

    results = folder / "grades.results.json"
    students = json.loads(results.read_text(encoding="utf-8"))["students"]
    third = students[0] | {"student": "Ann Other", "listed": True}
    results.write_text(json.dumps({"format": 1, "students": [*students, third]}), encoding="utf-8")
    capsys.readouterr()
    assert main(["course", "report", str(folder / "grades.csv")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("3 graded") and "; 1 not in the roster, not counted\n" in told
    assert "Müller" not in told and "Ng" not in told


@pytest.mark.slow
def test_regrading_grades_all_again(course, tmp_path):
    folder, made, _ = course
    out = tmp_path / "grades.csv"
    command = ["course", "grade", str(folder / "handed in"), "--assignment", str(folder / "ps1"), "--csv", str(out), *TRUST]

    def scores():
        students = json.loads((tmp_path / "grades.results.json").read_text(encoding="utf-8"))["students"]
        return {attempt["file"]: attempt["record"]["score"] for student in students for attempt in student["attempts"]}

    assert main(command) == 0
    first, path = scores(), tmp_path / "grades.results.json"
    path.write_text(path.read_text(encoding="utf-8").replace(f'"score": {made.points},', '"score": 1,', 1), encoding="utf-8")
    assert main(command) == 0
    assert scores() != first, "what was graded before is not graded again"
    assert main([*command, "--regrade"]) == 0
    assert scores() == first, "the same files, key and versions give the same points"


def test_a_table_is_of_one_build_and_never_the_roster(course, tmp_path, capsys):
    folder, _, _ = course
    graded(folder)
    assert main(["course", "build", "--format", "handout", "--tasks", "kl_backward", "--seed", "3", "--out", str(tmp_path / "other")]) == 0
    handed, table = str(folder / "handed in"), str(folder / "grades.csv")
    assert main(["course", "grade", handed, "--assignment", str(tmp_path / "other"), "--csv", table, *TRUST]) == 1
    assert "a table of its own for each build" in capsys.readouterr().err
    roster = tmp_path / "r-moodle.csv"
    roster.write_text(ROSTER, encoding="utf-8")
    assert main(["course", "grade", handed, "--assignment", str(folder / "ps1"), "--csv", str(tmp_path / "r.csv"), "--roster", str(roster), *TRUST]) == 1
    assert "another file than the roster" in capsys.readouterr().err and roster.read_text(encoding="utf-8") == ROSTER


def test_each_student_gets_a_text(course, tmp_path):
    folder, made, _ = course
    graded(folder, "--roster", str(folder / "roster.csv"), "--texts", str(tmp_path / "texts"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "texts").iterdir()}
    assert {"101.txt", "102.txt"} <= set(texts) and "103.txt" not in texts
    assert texts["101.txt"].startswith(f"Jürgen Müller: {made.points} of {made.points} points")


def test_formats_on_the_command_line_are_those_of_the_builder():
    assert course_line.FORMATS == FORMATS


@pytest.fixture
def hurried(monkeypatch):
    """Grading without grading: what is to be graded is noted, and after `left` records of a run comes Ctrl-C."""
    asked, left = [], [99]

    def grade_all(folder, files, jail):
        made = Assignment.read(folder)
        for label, data in files:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            asked.append(label.rpartition("/")[2])
            yield grading.unread(made, "tried", jail, digest_of(data)) | {"seconds": 1.0, "score": len(data)}

    monkeypatch.setattr(grading, "grade_all", grade_all)
    return asked, left


def stored(folder):
    students = json.loads((folder / "out.results.json").read_text(encoding="utf-8"))["students"]
    return {attempt["file"].rpartition("/")[2]: attempt["record"]["score"] for student in students for attempt in student["attempts"]}


def test_an_interrupted_run_keeps_what_it_has_and_the_next_goes_on(course, tmp_path, hurried):
    folder, _, _ = course
    asked, left = hurried
    for name in "abcd":
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.py").write_bytes(name.encode() * 3)
    command = ["course", "grade", str(tmp_path / "in"), "--assignment", str(folder / "ps1"), "--csv", str(tmp_path / "out.csv"), *TRUST]
    left[0] = 2
    assert main(command) == 130 and stored(tmp_path) == {"a.py": 3, "b.py": 3} and not (tmp_path / "out.csv").exists()
    left[0] = 1
    assert main(command) == 130 and stored(tmp_path) == {"a.py": 3, "b.py": 3, "c.py": 3}
    assert asked == ["a.py", "b.py", "c.py"], "none twice"
    left[0] = 1
    assert main([*command, "--regrade"]) == 130 and len(stored(tmp_path)) == 3, "what it did not come to stands as it was"
    left[0], asked[:] = 99, []
    assert main(command) == 0 and asked == ["d.py"] and len(stored(tmp_path)) == 4 and (tmp_path / "out.csv").exists()


def test_records_are_stored_as_they_arrive(course, tmp_path, hurried, monkeypatch):
    folder, _, _ = course
    seen, whole = [], grading.grade_all

    def watched(*order):
        for record in whole(*order):
            seen.append(len(stored(tmp_path)) if (tmp_path / "out.results.json").exists() else 0)
            yield record

    monkeypatch.setattr(grading, "grade_all", watched)
    for name in "ab":
        (tmp_path / f"{name}.py").write_bytes(name.encode())
    files = [str(tmp_path / "a.py"), str(tmp_path / "b.py")]
    assert main(["course", "grade", *files, "--assignment", str(folder / "ps1"), "--csv", str(tmp_path / "out.csv"), *TRUST]) == 0
    assert seen == [0, 1]


def test_a_student_can_hand_in_what_another_had_and_no_more_than_a_few_are_tried(course, tmp_path, hurried):
    """One's result stays when another hands in the same bytes; of many files the newest are tried, once."""
    folder, _, _ = course
    asked, _ = hurried
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    run = ["--assignment", str(folder / "ps1"), "--csv", str(tmp_path / "out.csv"), "--roster", str(tmp_path / "roster.csv"), *TRUST]
    for n, name in enumerate(("Jürgen Müller", "Zoë Ng")):
        path = tmp_path / f"run{n}" / f"{name}_{n}_assignsubmission_file_"
        path.mkdir(parents=True)
        (path / f"{n}.py").write_bytes(b"same")
        assert main(["course", "grade", str(path.parent), *run]) == 0
    assert stored(tmp_path) == {"0.py": 4, "1.py": 4} and asked == ["0.py"]
    for n in range(8):
        (path / f"more{n}.py").write_bytes(b"%d" % n)
    for _ in range(2):
        assert main(["course", "grade", str(path.parent), *run]) == 0
        with open(tmp_path / "out.csv", encoding="utf-8-sig", newline="") as file:
            rows = {row["student"]: row for row in csv.DictReader(file)}
        assert len(asked) == 6 and rows["Zoë Ng"]["notes"].startswith("4 more files were not tried: hand in one")
        assert rows["Jürgen Müller"]["score"] == rows["Zoë Ng"]["score"] == "4" and rows["Zoë Ng"]["attempts"] == "6"


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["build", "--format", "handout", "--tasks", "no_such", "--out", "x"], "task must be one of"),
        (["build", "--format", "handout", "--feedback", "9", "--out", "x"], "feedback must be"),
        (["build", "--format", "handout", "--private", "nowhere", "--out", "x"], "private must be a folder"),
        (["grade", "none.ipynb", "--csv", "out.csv"], "assignment must be a folder"),
        (["report", "none.csv"], "course grade"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(tmp_path, monkeypatch, capsys, words, match):
    monkeypatch.chdir(tmp_path)
    assert main(["course", *words]) == 1
    assert match in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_build_is_not_written_over_another(course, capsys):
    folder, _, _ = course
    assert main(["course", "build", "--format", "handout", "--tasks", "kl_backward", "--out", str(folder / "ps1")]) == 1
    assert "key would be lost" in capsys.readouterr().err


def test_levels_of_all_come_before_those_of_one_and_a_variant_answers_to_its_task():
    assert course_line.levels(["kl_backward=2", "1"], ["graded_kl", "graded_sample"]) == {"graded_kl": 2, "graded_sample": 1}
