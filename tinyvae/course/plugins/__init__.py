"""What runs inside other graders; nothing else of the package imports it. Students' code runs in a child here too."""

import os
from pathlib import Path

from ..assignment import Assignment
from ..grade import TRUSTED, grade_all, unread
from ..jail import best_jail
from ..submission import Unreadable, contents


def graded(folder, path):
    """(Assignment, record) of a file that a student handed in.

    Parameters
    ----------
    folder : path of the assignment
    path : path of the file; whatever is in it, there is a record

    Raises
    ------
    RuntimeError
        If there is no jail on this machine, and nobody has said that students are trusted: no points would be unjust.
    """
    assignment, jail, path = Assignment.read(folder), best_jail([folder]), Path(path)
    if jail == TRUSTED and not (assignment.trust or os.environ.get("TINYVAE_TRUST_STUDENTS") == "1"):
        raise RuntimeError("no jail works on this machine, so nothing was graded: grade on Linux, or set TINYVAE_TRUST_STUDENTS=1 if you trust your students")
    try:
        data = contents(path)
    except Unreadable as error:
        return assignment, unread(assignment, str(error), jail)
    return assignment, next(grade_all(folder, [(path.name, data)], jail))


def graded_by(record):
    """One line: the jail, the versions, and what is to be noted."""
    return "; ".join([f"jail: {record['jail']}, tinyvae {record['tinyvae']}, tasks {record['tasks_version']}", *record["notes"]])


def after_deadline(task):
    """What is told of each test of a task of a record once all may be told: what was found, and below the last one what is wrong."""
    said = [f"{test['found'] or 'ok'} ({test['asks']})" for test in task["tests"]]
    said[-1] += "".join(f"\n\n{task['texts'][level]}" for level in sorted(task["texts"])[-1:])
    return said
