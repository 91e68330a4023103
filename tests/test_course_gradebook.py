"""Layer 5, course: rosters, attempts, and the tables of grades."""

import csv
import io
from pathlib import Path

import pytest

from tinyvae.course import gradebook, handed
from tinyvae.course.grade import FAILED
from tinyvae.course.gradebook import Attempt, key_of, store
from tinyvae.course.roster import Roster, Student
from tinyvae.course.submission import Unreadable
from tinyvae.course.tables import rows, write

MOODLE = Path(__file__).with_name("files").joinpath("roster_moodle.csv").read_text(encoding="utf-8")
GERMAN = """Vorname;Nachname;ID-Nummer;Institution;E-Mail-Adresse;Lab1 (Punkte)
Jürgen;Müller;12345;;jm@uni.de;
"""
WORKSHEET = """Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Last modified (grade),Feedback comments
Participant 123,Jürgen Müller,jm@uni.de,Submitted for grading,,100.00,Yes,-,
Participant 124,"Schmidt, Anna",as@uni.de,No submission,,100.00,Yes,-,"two
lines"
Participant 125,Zoë O'Neil,zo@uni.de,Submitted for grading,7.00,100.00,Yes,-,
"""
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,lab1 (987),Other (988),Current Score
,,,,,Manual Posting,,
    Points Possible,,,,,10.00,5.00,(read only)
"Müller, Jürgen",1234,m001,jmueller,CS 1,,,
"Schmidt, Anna",1235,m002,aschmidt,CS 1,3.00,,
"Student, Test",1236,,abcdef0123,CS 1,,,
"""


def roster_of(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return Roster.read(path)


def record(score, digest="d", seconds=1.0, **more):
    tasks = {"one": {"score": min(score, 4), "of": 4}, "two": {"score": max(score - 4, 0), "of": 6}}
    versions = {"assignment": "lab1", "build": "b", "seed": 3, "tinyvae": "1.0", "tasks_version": 1}
    return versions | {"digest": digest, "score": score, "of": 10, "jail": "bwrap + seccomp", "seconds": seconds, "notes": [], "tasks": tasks} | more


def cells(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


# ---- rosters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("mark", ",;\t")
def test_rosters_in_many_encodings(tmp_path, encoding, mark):
    roster = roster_of(tmp_path, MOODLE.replace(",", mark), encoding)
    assert roster.kind == "moodle" and [s.name for s in roster.students][:2] == ["Jürgen Müller", "Anna Maria Schmidt"]
    assert roster.students[3][:3] == ("Zoë O'Neil", "12348", "zo@uni.de") and roster.bom == (encoding == "utf-8-sig")


def test_rosters_of_the_platforms(tmp_path):
    for text, kind, names, own in (
        (GERMAN, "moodle", ["Jürgen Müller"], ["12345"]),
        (WORKSHEET, "worksheet", ["Jürgen Müller", "Anna Schmidt", "Zoë O'Neil"], ["", "", ""]),
        (CANVAS, "canvas", ["Jürgen Müller", "Anna Schmidt"], ["m001", "m002"]),
        ("sep=;\nName;Matrikelnummer\nEva;7\n;\n", "plain", ["Eva"], ["7"]),
        ("email\neva@uni.de\n", "plain", ["eva@uni.de"], [""]),
    ):
        roster = roster_of(tmp_path, text)
        assert (roster.kind, [s.name for s in roster.students], [s.id for s in roster.students]) == (kind, names, own)


@pytest.mark.parametrize("text, words", [("", "an empty file"), ("a,b\n1,2\n", "got 'a', 'b'"), ("Name\n", "a line for each"), ("\0\xff\xfe", "roster must")])
def test_what_is_no_roster_is_told(tmp_path, text, words):
    with pytest.raises(ValueError, match="roster must.*") as error:
        roster_of(tmp_path, text, "latin-1")
    assert words in str(error.value)


# ---- tables -----------------------------------------------------------------------------------------


def graded(roster, **scores):
    """{student: attempts} from the beginning of a name and the scores of attempts."""
    return {
        next(s for s in roster.students if s.name.startswith(name)): [Attempt(f"{name}{i}.py", record(score, f"{name}{i}")) for i, score in enumerate(tries)]
        for name, tries in scores.items()
    }


def test_the_lecturers_table(tmp_path):
    roster = roster_of(tmp_path, MOODLE)
    attempts = graded(roster, Zoë=[3, 9, 9], Anna=[0])
    attempts |= {Student("+1+cmd.py"): [Attempt("+1+cmd.py", record(5, notes=["=1+1", "two\nlines", "a;b\tc", "علی\u200cرضا \x1b[2J\ud800"]))]}
    out = tmp_path / "grades of lab1.csv"
    write(out, rows(attempts, roster), "lab1", {"one": 4, "two": 6}, roster)
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    assert cells(out) == [
        ["student", "id", "email", "score", "of", "percent", "one", "two", "attempts", "file", "jail", "notes"],
        ["Jürgen Müller", "12345", "jm@uni.de", "0", "10", "0.0", "0", "0", "0", "", "", "nothing was handed in"],
        ["Anna Maria Schmidt", "12346", "as@uni.de", "0", "10", "0.0", "0", "0", "1", "Anna0.py", "bwrap + seccomp", ""],
        ["Maria Schmidt", "12347", "ms@uni.de", "0", "10", "0.0", "0", "0", "0", "", "", "nothing was handed in"],
        ["Zoë O'Neil", "12348", "zo@uni.de", "9", "10", "90.0", "4", "5", "3", "Zoë1.py", "bwrap + seccomp", ""],
        ["'=Peter Muller", "123", "pm@uni.de", "0", "10", "0.0", "0", "0", "0", "", "", "nothing was handed in"],
        ["'+1+cmd.py", "", "", "5", "10", "50.0", "4", "1", "1", "'+1+cmd.py", "bwrap + seccomp", "not in the roster | =1+1 | two lines | a,b c | علی\u200cرضا \ufffd[2J\ufffd"],
    ]


@pytest.mark.parametrize(
    "text, header",
    [(MOODLE, ["Student", "Email address", "Assignment: Lab1 (Real)"]), (GERMAN, ["Student", "E-Mail-Adresse", "Lab1 (Punkte)"])],
)
def test_moodles_import(tmp_path, text, header):
    """Those who handed something in, and nobody whom Moodle does not know: one unknown line stops its import."""
    roster = roster_of(tmp_path, text)
    attempts = graded(roster, Jürgen=[3]) | {Student("nobody.py"): [Attempt("nobody.py", record(5))]}
    assert write(tmp_path / "o.csv", rows(attempts, roster), "Lab1", {}, roster) == {tmp_path / "o.csv": "", tmp_path / "o-moodle.csv": ""}
    assert cells(tmp_path / "o-moodle.csv") == [header, ["Jürgen Müller", "jm@uni.de", "3"]]


def test_whom_moodle_could_not_find_is_named(tmp_path):
    roster = roster_of(tmp_path, MOODLE.replace("12345,", ",").replace("zo@uni.de", ""))
    written = write(tmp_path / "o.csv", rows(graded(roster, Jürgen=[3], Zoë=[4], Maria=[5]), roster), "Lab1", {}, roster)
    assert written[tmp_path / "o-moodle.csv"] == "without Zoë O'Neil: no Email address in the roster"
    assert [line[0] for line in cells(tmp_path / "o-moodle.csv")] == ["Student", "Jürgen Müller", "Maria Schmidt"]


def test_of_equal_points_what_could_be_graded_counts(tmp_path):
    roster = roster_of(tmp_path, MOODLE)
    tries = [Attempt("a.pdf", record(0, "", seconds=0.0, notes=["no notebook"])), Attempt("b.py", record(0, "b")), Attempt("c.py", record(0, "c"))]
    failed = Attempt("d.py", record(0, "d", seconds=0.0, notes=[f"{FAILED}: TimeoutExpired"]))
    assert rows({roster.students[0]: [failed, *tries]}, roster)[0].notes == failed.record["notes"], "the grader's failure is told, whatever counts"
    store(tmp_path / "o.csv", {roster.students[0]: tries})
    assert rows({roster.students[0]: tries}, roster)[0].file == "b.py" and gradebook.best_records(tmp_path / "o.csv") == ([tries[1].record], 0)


def test_moodles_worksheet_is_filled_in_and_nothing_else_is_changed(tmp_path):
    roster = roster_of(tmp_path, WORKSHEET.replace("\n", "\r\n"))
    write(tmp_path / "o.csv", rows(graded(roster, Jürgen=[3, 5]), roster), "Lab1", {}, roster)
    before, after = cells(tmp_path / "roster.csv"), cells(tmp_path / "o-moodle.csv")
    assert before[1][4] == "" and after[1][4] == "50.00" and not (tmp_path / "o-moodle.csv").read_bytes().startswith(b"\xef")
    before[1][4] = "50.00"
    assert after == before


def test_canvas_import(tmp_path):
    roster = roster_of(tmp_path, CANVAS)
    out = tmp_path / "o.csv"
    for name, column in (("lab1", "lab1 (987)"), ("lab2", "lab2")):
        assert [path.name for path in write(out, rows(graded(roster, Jürgen=[3]), roster), name, {"one": 4, "two": 6}, roster)] == ["o.csv", "o-canvas.csv"]
        assert cells(tmp_path / "o-canvas.csv") == [
            ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column],
            ["    Points Possible", "", "", "", "", "10"],
            ["Müller, Jürgen", "1234", "m001", "jmueller", "CS 1", "3"],
        ]
    assert not (tmp_path / "o-canvas.csv").read_bytes().startswith(b"\xef")


def test_both_for_a_plain_roster_and_none_without_one(tmp_path):
    roster = roster_of(tmp_path, "name,id,login\nEva,100,eva1\nBob,,bob1\n")
    write(tmp_path / "o.csv", rows(graded(roster, Eva=[3], Bob=[4]), roster), "lab1", {"one": 10}, roster)
    assert cells(tmp_path / "o-moodle.csv") == [["Student", "Username", "Assignment: lab1 (Real)"], ["Eva", "eva1", "3"], ["Bob", "bob1", "4"]]
    assert cells(tmp_path / "o-canvas.csv")[2:] == [["Eva", "", "100", "eva1", "", "3"], ["Bob", "", "", "bob1", "", "4"]]
    table = rows({Student("a/b.py"): [Attempt("a/b.py", record(1))]}, Roster())
    assert [path.name for path in write(tmp_path / "p.csv", table, "lab1", {}, Roster())] == ["p.csv"] and table[0].notes == []


def test_the_newest_files_of_each_student_are_tried():
    eve, bob = Student("Eve"), Student("Bob")
    files = [handed.File(f"{name}.py", b"x", f"{name}.py", time) for name, time in zip("abcdefgh", (9, 1, 1, 5, 1, 1, 7, 1))]
    files += [handed.File("z.zip", Unreadable("no"), "z.zip", 0.0), handed.File("bob.py", b"x", "bob.py", 0.0)]
    owners = {file.path: (bob if file.path == "bob.py" else eve, True) for file in files}
    tried, more = gradebook.newest(files, owners)
    assert [file.label for file in tried] == ["a.py", "d.py", "f.py", "g.py", "h.py", "z.zip", "bob.py"] and more == {eve: 3}
    firm = {file.path: (eve, file.label == "b.py") for file in files}
    assert "b.py" in [file.label for file in gradebook.newest(files[:8], firm)[0]], "files that others name so hide none that is hers"
    for n, words in ((3, "3 more files were not tried: hand in one"), (1, "1 more file was not tried: hand in one")):
        assert rows({eve: [Attempt("a.py", record(1))]}, Roster(), {eve: n})[0].notes == [words]


def test_results_are_kept_and_stand_for_the_same_file_and_versions(tmp_path):
    roster, out = roster_of(tmp_path, MOODLE), tmp_path / "o.csv"
    attempts = graded(roster, Zoë=[3, 9], Anna=[0])
    attempts[roster.students[0]] = [Attempt("x.py", record(0, "failed", seconds=0.0))]
    assert gradebook.graded_before(out) == {} and gradebook.best_records(out) == ([], 0)
    store(out, attempts)
    known = gradebook.graded_before(out)
    assert {key[0] for key in known} == {"Zoë0", "Zoë1", "Anna0"}, "what could not be read is tried again"
    assert known[key_of(record(9, "Zoë1"))] == record(9, "Zoë1") and key_of(record(9, "Zoë1", tasks_version=2)) not in known
    assert sorted(best["score"] for best in gradebook.best_records(out)[0]) == [0, 0, 9]
    for text in ("", "[]", '{"students": [{"attempts": [{"record": {}}]}]}'):
        gradebook.results_path(out).write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="must be what grading wrote"):
            gradebook.graded_before(out)


def test_nobodys_attempt_goes_when_another_hands_in_the_same_bytes(tmp_path):
    roster, out = roster_of(tmp_path, MOODLE), tmp_path / "o.csv"
    zoe, anna = roster.students[3], roster.students[1]
    store(out, {zoe: [Attempt("zoe.py", record(9)), Attempt("no.py", record(0, ""))], Student("x"): [Attempt("x", record(1), False)]})
    attempts = gradebook.kept(out, roster, "b")
    gradebook.add(attempts, anna, Attempt("copy.py", record(9)))
    gradebook.add(attempts, zoe, Attempt("again.py", record(8), False))
    gradebook.add(attempts, zoe, Attempt("no.py", record(0, "")))
    gradebook.add(attempts, zoe, Attempt("other.py", record(0, "")))
    assert attempts[anna] == [Attempt("copy.py", record(9))] and attempts[Student("x")] == [Attempt("x", record(1), False)]
    assert attempts[zoe] == [Attempt("again.py", record(8)), Attempt("no.py", record(0, "")), Attempt("other.py", record(0, ""))]


def test_zeros_by_the_name_of_a_file_alone_are_in_no_import(tmp_path):
    roster, out = roster_of(tmp_path, MOODLE), tmp_path / "o.csv"
    names = {student.name.split()[0]: student for student in roster.students}
    junk, good, own = Attempt("junk.py", record(0, ""), False), Attempt("good.py", record(3), False), Attempt("own.py", record(0, "own"))
    attempts = {names["Anna"]: [junk], names["Zoë"]: [junk, good], names["Maria"]: [junk, own]}
    write(out, rows(attempts, roster), "lab1", {"one": 4, "two": 6}, roster)
    notes = {line[0]: line[-1] for line in cells(out)}
    assert notes["Anna Maria Schmidt"] == notes["Zoë O'Neil"] == "named by its file's name"
    assert [line[0] for line in cells(tmp_path / "o-moodle.csv")[1:]] == ["Maria Schmidt", "Zoë O'Neil"]
