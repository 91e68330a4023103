"""The attempts of a course's students: which files are graded, and the results, kept as JSON.

    files = handed_in(paths)                                  # handed.py
    owners = roster.whose([file.path for file in files])      # roster.py
    files, more = newest(files, owners)
    attempts = kept(out, roster, build)
    ... grade those that `graded_before` does not know; for each: add(attempts, student, Attempt(...)), store(out, attempts) ...
    write(out, rows(attempts, roster, more), name, points, roster)      # tables.py

Stored are results alone: points, what was found, notes; no file that was handed in.
"""

import json
from pathlib import Path
from typing import NamedTuple

from ..support.storage import to_json, write_text
from .roster import Student

SAME = "digest", "build", "tinyvae", "tasks_version"  # what must be the same for a record to stand
TRIES = 5  # files of a student that are graded in a run


class Attempt(NamedTuple):
    """A file's label and record; firm: whose it is, more than a name that the student gave it says."""

    file: str
    record: dict
    firm: bool = True


def newest(files, owners):
    """(the files to grade, {Student: how many more there are}): of each student the newest, by their times and then by their labels; those
    that are firmly this student's come first, so that files which others name so hide none.

    What cannot be read is not counted: it takes no time.
    """
    own = {}
    for file in sorted(files, key=lambda file: (owners[file.path][1], file.time, file.label), reverse=True):
        if isinstance(file.data, bytes):
            own.setdefault(owners[file.path][0], []).append(file.label)
    left = {label for labels in own.values() for label in labels[TRIES:]}
    return [file for file in files if file.label not in left], {student: len(labels) - TRIES for student, labels in own.items() if len(labels) > TRIES}


def results_path(out):
    """The results file beside a table."""
    return Path(out).with_suffix(".results.json")


def store(out, attempts):
    """Write all records, of all attempts, beside the table `out`: read by `stored`."""
    students = [
        {"student": student.name, "id": student.id, "email": student.email, "listed": student.listed, "attempts": [one._asdict() for one in tries]}
        for student, tries in attempts.items()
    ]
    write_text(results_path(out), to_json({"format": 1, "students": students}, indent=1) + "\n")


def stored(out):
    """What `store` wrote: a list of {"student", "id", "email", "listed", "attempts": [{"file", "record", "firm"}]}; [] if there is no file.

    Raises
    ------
    ValueError
        If the file is not one that `store` wrote.
    """
    path = results_path(out)
    if not path.exists():
        return []
    try:
        students = json.loads(path.read_text(encoding="utf-8"))["students"]
        if not all(attempt["record"]["score"] >= 0 for student in students for attempt in student["attempts"]):
            raise ValueError("points below 0")
        return students
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must be what grading wrote, got something else ({error}): move it away") from error


def graded_before(out):
    """{key_of(record): record} of the results beside a table, for files that need not be graded again; what failed to be read is not among them."""
    records = [attempt["record"] for student in stored(out) for attempt in student["attempts"]]
    return {key_of(record): record for record in records if record.get("seconds")}


def kept(out, roster, build):
    """{Student: [Attempt, ...]} of the results beside a table, so that best stays best, and a run that was interrupted goes on.

    Raises ValueError if they are results of another assignment.
    """
    known, found, before = {student[:3]: student for student in roster.students}, {}, stored(out)
    if other := next((one["record"] for student in before for one in student["attempts"] if one["record"].get("build") != build), None):
        raise ValueError(f"csv must be a table of its own for each build, {out} has results of another one, {other['assignment']}: choose another name")
    for student in before:
        who = student["student"], student["id"], student["email"]
        tries = [Attempt(attempt["file"], attempt["record"], attempt.get("firm", True)) for attempt in student["attempts"]]
        found.setdefault(known.get(who) or Student(*who), []).extend(tries)
    return found


def add(attempts, student, new):
    """Add an attempt of a student; one with the same bytes (or the same label, if there are none) is replaced: this student's alone."""
    same = lambda attempt: attempt.record["digest"] or attempt.file
    tries = attempts.setdefault(student, [])
    at = next((i for i, old in enumerate(tries) if same(old) == same(new)), len(tries))
    tries[at : at + 1] = [new._replace(firm=new.firm or any(old.firm for old in tries[at : at + 1]))]


def key_of(record):
    """What a record (or its `grade.stamp`) is of: the file, the assignment, its seed and the versions."""
    return tuple(record.get(name) for name in SAME)


def worth(record):
    """What attempts are compared by: points, and then whether there was anything to grade."""
    return record["score"], bool(record.get("seconds"))


def best_records(out):
    """(the best record of each student who handed something in, how many are left out): with a roster those of the roster alone, for a report."""
    found = [(student.get("listed"), [attempt["record"] for attempt in student["attempts"]]) for student in stored(out) if student["attempts"]]
    listed = [records for listed, records in found if listed] or [records for _, records in found]
    return [max(records, key=worth) for records in listed], len(found) - len(listed)
