"""Layer 5, course: whose a file is, by its path; what a student can write into it gives nobody another's row."""

import unicodedata
from pathlib import Path

import pytest

from tinyvae.course.roster import Roster, Student, platforms
from tinyvae.course.tables import Row, offline, write_texts

MOODLE = Path(__file__).with_name("files").joinpath("roster_moodle.csv").read_text(encoding="utf-8")


def roster_of(text):
    return Roster(line.split(",") for line in text.splitlines())


WHOSE = [
    ("Jürgen Müller_99_assignsubmission_file_/hw.ipynb", "Jürgen Müller"),
    (unicodedata.normalize("NFD", "Jürgen Müller_99_assignsubmission_file_/hw.ipynb"), "Jürgen Müller"),
    ("JUERGEN MUELLER_123_assignsubmission_file_/hw.ipynb", "Jürgen Müller"),  # the name is more than Moodle's number, which is another's id
    ("muellerjurgen_LATE_1234_5678_hw-2.ipynb", "Jürgen Müller"),
    ("mllerjrgen_1234_5678_hw-2.ipynb", "Jürgen Müller"),
    ("Müller, Jürgen/hw.py", "Jürgen Müller"),
    ("muller_peter.py", "=Peter Muller"),
    ("Anna Maria Schmidt_5_x/Maria Schmidt.ipynb", "Anna Maria Schmidt"),  # the longest name; and the platform's folder before the student's file
    ("schmidtmaria_1_5_Anna Maria Schmidt.ipynb", "Maria Schmidt"),
    ("12348.ipynb", "Zoë O'Neil"),
    ("hw_zo@uni.de.ipynb", "Zoë O'Neil"),
    ("zo.py", "Zoë O'Neil"),
    ("oneilzoe_1_2_x.py", "Zoë O'Neil"),
    ("x1234x.py", None),
    ("312345.py", None),
    ("Schmidt.py", None),
    ("hw-12.py", None),
    ("12347_12346.py", "Maria Schmidt"),  # what begins earliest
    ("zo@uni.de Jürgen Müller.py", "Zoë O'Neil"),
    ("Jürgen Müller zo@uni.de 12347.py", "Jürgen Müller"),
    ("Mueller Jürgen, Maria Schmidt.py", "Jürgen Müller"),  # even if it is written otherwise
]


@pytest.mark.parametrize("path, name", WHOSE)
def test_whose_a_file_is(path, name):
    top = "home of Jürgen Müller/course 12346"  # two students in what all paths begin with: it tells nothing
    owner, _ = roster_of(MOODLE).whose([f"{top}/{path}", f"{top}/as@uni.de.py"])[f"{top}/{path}"]
    assert owner.name == name if name else (owner.name.endswith(path) and not owner.listed)


def test_files_of_one_student_alone():
    owners = roster_of(MOODLE).whose(["mail/Jürgen Müller/a.py", "mail/Jürgen Müller/Maria Schmidt.py"])
    assert {owner.name for owner, _ in owners.values()} == {"Jürgen Müller"}, "no part above the files names another"
    owners = roster_of(MOODLE).whose(["home of Jürgen Müller/Maria Schmidt/a.py", "home of Jürgen Müller/12348/b.py"])
    assert [owner.name for owner, _ in owners.values()] == ["Maria Schmidt", "Zoë O'Neil"]
    owners = roster_of(MOODLE).whose(["Jürgen Müller_1_x/a.py", "Jürgen Müller_1_x/b.py"])
    assert {owner.name for owner, _ in owners.values()} == {"Jürgen Müller"}


def test_a_short_id_must_be_all_of_a_part():
    owners = roster_of("name,id\nEva,12\n").whose(["hw-12.py", "12/a.py"])
    assert [owner.listed for owner, _ in owners.values()] == [False, True]


def test_the_longer_of_two_names_that_begin_together():
    owners = roster_of("name,id\nEva Lopez,100\nEva Lopez Ruiz,200\n").whose(["Eva Lopez Ruiz.py", "Eva Lopez.py"])
    assert [owner.id for owner, _ in owners.values()] == ["200", "100"]


def test_two_of_one_name_are_told_apart_by_their_ids_or_not_at_all():
    roster = roster_of("name,id\nEva Müller,100\nEva Müller,200\n")
    owners = roster.whose(["Eva Müller_200_x/a.py", "Eva Müller/a.py", "100/a.py"])
    assert [(owner.id, owner.listed) for owner, _ in owners.values()] == [("200", True), ("", False), ("100", True)]


def test_numbers_of_moodles_worksheet_name_students_in_blind_marking():
    roster = roster_of("Identifier,Status,Grade,Last modified (grade)\nParticipant 123,x,,\nParticipant 124,x,,\n")
    assert roster.students[1].name == "Participant 124"
    for path in ("Participant 124_assignsubmission_file_/a.py", "Participant_124_assignsubmission_file_/Participant 123.py"):
        assert roster.whose([path, "b"])[path] == (roster.students[1], True)


# ---- what students can write -----------------------------------------------------------------------

PLAIN = "name,id,email\nAlice Adams,10001,alice@uni.de\nBob Brown,10002,bob@uni.de\nMallory Meyer,10003,mal@uni.de\n"
CANVAS = "Student,ID,SIS User ID,SIS Login ID,Section\nAdams Alice,771,10001,aadams,S\nBrown Bob,772,10002,bbrown,S\nMeyer Mallory,773,10003,mmeyer,S\n"
FOLDER = "Mallory Meyer_3_assignsubmission_file_"
TAKING = [
    "meyermallory_773_557_bob@uni.de.py",
    "meyermallory_773_558_10001.ipynb",
    "meyermallory_773_10001_ps1.ipynb",
    "meyermallory_773_559_Alice Adams aadams 771.ipynb",
    "meyermallory_LATE_773_560_771.ipynb",
    "meyermallory_773_561_Alice Adams_1_assignsubmission_file_x.py",
    f"{FOLDER}/Alice Adams.py",
    f"{FOLDER}/Alice Adams_1_assignsubmission_file_/x.py",
    f"{FOLDER}/../Alice Adams_1_assignsubmission_file_/x.py",
    f"{FOLDER}/adamsalice_771_5_x.py",
    f"{FOLDER}Alice Adams.py",
]


@pytest.mark.parametrize("path", TAKING)
@pytest.mark.parametrize("text", [PLAIN, CANVAS], ids=["plain", "canvas"])
def test_nobody_takes_anothers_row_by_a_name(text, path):
    roster = roster_of(text)
    for hidden in (path, path.replace("Mallory Meyer", "Participant").replace("meyermallory_", "anonymous_").replace("773", "999")):
        owner, firm = roster.whose([f"s.zip/{hidden}", "s.zip/adamsalice_771_555_x.py"])[f"s.zip/{hidden}"]
        assert firm and (owner == roster.students[2] if hidden == path else not owner.listed)


def test_canvas_has_its_own_number():
    roster = roster_of(CANVAS)
    assert roster.whose(["xy_772_5_x.py"])["xy_772_5_x.py"] == (roster.students[1], True)
    assert not roster_of(PLAIN.replace("10002", "772")).whose(["xy_772_5_x.py"])["xy_772_5_x.py"][0].listed, "it is no other id"


def test_in_canvas_blind_marking_the_files_name_tells_nothing():
    assert not roster_of(CANVAS).whose(["s/anon_x7Kd2_556_Alice Adams.py"])["s/anon_x7Kd2_556_Alice Adams.py"][0].listed


def test_all_that_a_hidden_student_handed_in_is_one_students():
    paths = ["s/Participant_3_assignsubmission_file_/a.py", "s/Participant_3_assignsubmission_file_/b.py"]
    assert [owner.name for owner, _ in roster_of(PLAIN).whose(paths).values()] == ["s/Participant_3"] * 2
    assert platforms("s/a_7_8_x.py").above == platforms("s/a_7_9_y.py").above == "s/a_7" and platforms("s/a.py") is None


def test_what_the_files_name_alone_decides_is_told():
    found = roster_of(PLAIN).whose(["s/Alice Adams.py", "s/Bob Brown/x.py", "s/x.py"])
    assert [firm for _, firm in found.values()] == [False, True, True]


def test_a_platforms_form_in_a_files_name_is_firm_only_where_all_beside_it_have_one():
    forged, flat = "mail/Alice Adams_1_assignsubmission_file_x.py", "all/Bob Brown_2_assignsubmission_file_y.py"
    found = roster_of(PLAIN).whose([forged, "mail/Bob Brown.py", flat, "mail/Alice Adams_3_assignsubmission_file_/z.py"])
    assert [owner.name for owner, _ in found.values()] == ["Alice Adams", "Bob Brown", "Bob Brown", "Alice Adams"]
    assert [firm for _, firm in found.values()] == [False, False, True, True]


@pytest.mark.parametrize("path", ["lukasz_zak.py", "zaklukasz_1_5_hw.ipynb", "Łukasz Żak_9_assignsubmission_file_/hw.ipynb"])
def test_letters_that_unicode_does_not_take_apart_are_written_without_their_stroke(path):
    roster = roster_of("First name,Last name,ID number,Institution,Department,Email address\nŁukasz,Żak,77001,,,lz@x.pl\nDang,Nguyen,77002,,,dn@x.vn\n")
    found, _ = roster.whose([path])[path]
    assert found.name == "Łukasz Żak"


RECORD = {"score": 3, "of": 4, "notes": [], "tasks": {}}


@pytest.mark.parametrize(("top", "grade"), [("100.00", "75.00"), ("-", "3.00"), ("", "3.00")])
def test_a_worksheet_without_a_maximum_takes_the_points(top, grade):
    roster = roster_of(f"Identifier,Full name,Email address,Grade,Maximum Grade\nParticipant 7,Zoë Ng,zn@x.edu,,{top}")
    _, line = offline([Row(roster.students[0], RECORD, "f", 1, [])], roster)
    assert line[3] == grade


def test_no_text_is_written_over_another(tmp_path):
    write_texts(tmp_path, [Row(Student("One", name), RECORD, "f", 1, []) for name in ("a/1", "a_1", "A_1", "a_1-1", "学" * 99)])
    assert len({path.name.lower() for path in tmp_path.iterdir()}) == 5
