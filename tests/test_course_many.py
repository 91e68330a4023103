"""A hundred and twenty submissions, some of which loop, crash, print or are no notebooks: a row for each, within four minutes on two cores."""

import csv
import time

import numpy as np
import pytest

from tinyvae.app.cli import main
from tinyvae.course.assignment import Assignment
from tinyvae.course.jail import jails
from tinyvae.course.verify import answers, filled

N, MINUTES = 120, 4
FIRST = ["Jürgen", "Zoë", "Ann", "Łukasz"]
LAST = ["Müller", "Ng", "O'Hara", "de la Cruz"]
pytestmark = [pytest.mark.slow, pytest.mark.timed, pytest.mark.skipif(not jails(), reason="no jail works here")]
BAD = {
    3: "def {name}(*args):\n    while True:\n        pass",
    5: "import os\n\ndef {name}(*args):\n    os._exit(0)",
    7: "import os\nos.fork()\n\ndef {name}(*args):\n    print('x' * 10**9)",
}


def write_submissions(made, file, folder):
    """(roster's lines, {name: expected}) of N students: expected points where they are known."""
    sources = {name: answers(task, made.seed) for name, task in made.tasks.items()}
    first, rng = made.ids[0], np.random.default_rng(0)
    lines, expected = ["First name,Last name,ID number,Email address"], {}
    for n in range(N):
        given, family = FIRST[n % 4], f"{LAST[n // 4 % 4]} {chr(65 + n // 16)}{chr(97 + n % 16)}"
        lines.append(f"{given},{family},{10000 + n},s{10000 + n}@x.edu")
        picked = {name: found[int(rng.integers(len(found)))] for name, found in sources.items()}
        found = {name: source for name, (_, source) in picked.items()}
        expected[f"{given} {family}"] = {name: caption == "solution" for name, (caption, _) in picked.items()}
        if n % 12 in BAD:
            found[first] = BAD[n % 12].format(name=made.tasks[first].names[-1])
            expected[f"{given} {family}"][first] = False
        path = folder / f"{given} {family}_{5000 + n}_assignsubmission_file_" / "lab.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(filled(file, found) if n != 50 else b"no notebook")
        if n == 50:
            expected[f"{given} {family}"] = dict.fromkeys(sources, False)
    return lines, expected


def test_a_course_of_120_is_graded_in_four_minutes(tmp_path, capsys):
    assert main(["course", "build", "--format", "handout", "--tasks", "lab1", "--seed", "3", "--out", str(tmp_path / "lab")]) == 0
    made = Assignment.read(tmp_path / "lab")
    lines, expected = write_submissions(made, tmp_path / "lab" / "student" / "lab.ipynb", tmp_path / "handed in")
    (tmp_path / "roster.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    out, start = tmp_path / "grades.csv", time.monotonic()
    assert main(["course", "grade", str(tmp_path / "handed in"), "--assignment", str(tmp_path / "lab"), "--roster", str(tmp_path / "roster.csv"), "--csv", str(out)]) == 0
    seconds = time.monotonic() - start
    with open(out, encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == expected.keys()
    for student, full in expected.items():
        got = {name: int(rows[student][name]) == made.tasks[name].points for name in full}
        assert got == full, student
    with capsys.disabled():
        print(f"\n{N} submissions to {len(made.ids)} tasks: {seconds:.0f} s")
    assert seconds <= 60 * MINUTES
