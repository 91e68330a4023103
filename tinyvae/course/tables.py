"""The tables of a graded assignment: for the lecturer, and for Moodle's and Canvas's import; and the texts for students."""

import csv
import io
import itertools
import math
import re
from pathlib import Path
from typing import NamedTuple

from ..support.storage import write_text
from .grade import FAILED, told
from .gradebook import worth
from .handed import printable
from .roster import Student

KEYS = {"email": "Email address", "id": "ID number", "login": "Username"}  # by which Moodle finds students, as it calls them
BOM = "\ufeff"  # tells Excel that a table is UTF-8; Moodle leaves it out, Canvas gets none


class Row(NamedTuple):
    """A student's best attempt: its record (None if nothing was handed in) and its file, of how many, and notes; firm: whether any attempt is."""

    student: Student
    record: dict | None
    file: str
    attempts: int
    notes: list
    firm: bool = True


def rows(attempts, roster, more=None):
    """One row for each student: of the roster in its order, whatever was handed in, then those who are not in it.

    Parameters
    ----------
    attempts : {Student: [Attempt, ...]}
    roster : Roster
    more : {Student: number of files that were not tried}, optional

    Returns
    -------
    list of Row
    """
    others = [student for student in attempts if student not in set(roster.students)]
    made = []
    for student in [*roster.students, *sorted(others)]:
        tries, n = attempts.get(student, []), (more or {}).get(student, 0)
        label, record, firm = max(tries, key=lambda attempt: worth(attempt.record), default=("", None, True))  # the first of equal ones
        notes = ["not in the roster"] if roster.students and not student.listed else []
        notes += ["named by its file's name"] * (not firm) + [f"{n} more file{' was' if n == 1 else 's were'} not tried: hand in one"] * (n > 0)
        notes += list(record["notes"]) if record else ["nothing was handed in"]
        notes += dict.fromkeys(note for one in tries if one.record is not record for note in one.record["notes"] if note.startswith(FAILED))
        made.append(Row(student, record, label, len(tries), notes, any(attempt.firm for attempt in tries)))
    return made


def write(out, table, name, points, roster):
    """Write the tables: `out` for the lecturer, and beside it what the platform of the roster imports.

    OUT is UTF-8 with a byte order mark; a text that a spreadsheet would take for a formula gets an apostrophe before it, there alone.
    OUT-moodle.csv and OUT-canvas.csv (for a plain roster both) hold the students of the roster who handed something in, so that an
    import changes nobody else; and nobody with 0 points whom only names of files name, which anybody can give. Of Moodle's worksheet for
    grading offline the Grade is filled in and nothing else is changed.

    Parameters
    ----------
    out : str or Path
    table : list of Row
    name : str, of the assignment, as the platform has it
    points : {task: points}
    roster : Roster

    Returns
    -------
    {Path: words on students who should stand in it and do not}, what was written; "" where there are none
    """
    out = Path(out)
    texts, left_out = {out: BOM + text_of(overview(table, points))}, {}
    graded = [row for row in table if row.record and row.student.listed and (row.firm or row.record["score"])]
    if roster.students and roster.kind != "canvas":
        worksheet, path = roster.kind == "worksheet", beside(out, "moodle")
        text = text_of(offline(graded, roster) if worksheet else moodle(graded, name, roster))
        texts[path] = (BOM if roster.bom or not worksheet else "") + text
        left_out[path] = "" if worksheet else without_key(graded, roster)
    if roster.students and roster.kind in ("canvas", "plain"):
        texts[beside(out, "canvas")] = text_of(canvas(graded, name, sum(points.values()), roster))
    for path, text in texts.items():
        write_text(path, text)
    return {path: left_out.get(path, "") for path in texts}


def write_texts(folder, table):
    """Write a text for each student who handed something in: what was found, and what is wrong, all of it; for after the deadline."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    taken = set()
    for row in (row for row in table if row.record):
        head = f"{row.student.name}: {row.record['score']} of {row.record['of']} points ({row.file})\n"
        tasks = [f"{name}: {task['score']} of {task['of']}\n{told(row.record, name, 3)}\n" for name, task in row.record["tasks"].items()]
        name = re.sub(r"[^\w .@-]", "_", row.student.id or row.student.email or row.student.name).encode()[-100:].decode("utf-8", "ignore")
        file = next(file for n in itertools.count() if (file := f"{name}-{n}" if n else name).lower() not in taken)
        taken.add(file.lower())
        write_text(Path(folder, f"{file}.txt"), printable("\n".join([head, *row.record["notes"], "", *tasks]), keep="\n\t\xa0"))


def beside(out, word):
    """The path OUT-word.csv."""
    return out.with_name(f"{out.stem}-{word}.csv")


def text_of(lines):
    """CSV of lines of cells."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(lines)
    return file.getvalue().encode("utf-8", "replace").decode()


def harmless(cell):
    """A cell that no spreadsheet takes for a formula, in one line, without the semicolons at which some split a line."""
    if not isinstance(cell, str):
        return cell
    cell = printable(" ".join(cell.replace(";", ",").split()))
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else cell  # of full width too


def overview(table, points):
    """The lines of the lecturer's table."""
    yield ["student", "id", "email", "score", "of", "percent", *points, "attempts", "file", "jail", "notes"]
    total = sum(points.values())
    for row in table:
        tasks = row.record["tasks"] if row.record else {}
        score, of = (row.record["score"], row.record["of"]) if row.record else (0, total)
        counts = [score, of, round(100 * score / of, 1) if of else 0.0, *(tasks[task]["score"] if task in tasks else 0 for task in points), row.attempts]
        jail = row.record["jail"] if row.record else ""
        yield [harmless(cell) for cell in (row.student.name, row.student.id, row.student.email, *counts, row.file, jail, " | ".join(row.notes))]


def moodle(graded, name, roster):
    """The lines for Moodle's import of grades: its form maps such headers by itself, the address or the ID number and "ITEM (Real)".

    They are spelled as the roster has them, which comes from the same Moodle in the same language. Whom Moodle could not find would stop
    the whole import, so a student without address (or ID number, or user name, whichever most have) is left out.
    """
    key, owns = moodle_keys(graded, roster)
    item = next((cell for cell in roster.header if re.fullmatch(rf"(.*: )?{re.escape(name)} \((Real|Punkte)\)", cell.strip())), f"Assignment: {name} (Real)")
    yield ["Student", roster.header[roster.columns[key]].strip() if roster.kind == "moodle" else KEYS[key], item]
    yield from ([row.student.name, own, row.record["score"]] for row, own in zip(graded, owns) if own)


def without_key(graded, roster):
    """Words on those whom Moodle could not find."""
    key, owns = moodle_keys(graded, roster)
    names = ", ".join(row.student.name for row, own in zip(graded, owns) if not own)
    return f"without {names}: no {KEYS[key]} in the roster" if names else ""


def moodle_keys(graded, roster):
    """(what Moodle shall find students by, that of each row or "")."""
    keys = {key: [roster.cell(roster.lines[row.student.line], key) for row in graded] for key in KEYS}
    return max(keys.items(), key=lambda item: sum(map(bool, item[1])))  # the first of equal ones


def offline(graded, roster):
    """The lines of Moodle's worksheet for grading offline with the grades, in its own scale."""
    scores = {row.student.line: row.record["score"] / row.record["of"] for row in graded if row.record["of"]}
    words = [" ".join(cell.lower().split()) for cell in roster.header]
    top = next((i for i, word in enumerate(words) if "max" in word or "best" in word), None)
    of = {row.student.line: row.record["of"] for row in graded}
    yield roster.header
    for number, line in enumerate(roster.lines):
        if number in scores:
            line = [*line, *[""] * (len(roster.header) - len(line))]
            line[roster.grade] = f"{scores[number] * ((number_of(line[top]) if top is not None else 0) or of[number]):.2f}"
        yield line


def number_of(text):
    """The number in a cell, with a point or a comma; 0.0 if there is none."""
    try:
        found = float(text.strip().replace(",", "."))
        return found if math.isfinite(found) else 0.0
    except ValueError:
        return 0.0


def canvas(graded, name, total, roster):
    """The lines for Canvas's gradebook: who, then one assignment.

    Its header is that of the export, "NAME (number of the assignment)", if it has the assignment; else the name alone, which Canvas makes
    a new assignment. Points must not stand in it: Canvas takes a number in parentheses for the assignment's.
    """
    names = [cell.strip() for cell in roster.header]
    if roster.kind == "canvas":
        who = names.index("Section") + 1
        item = next((cell for cell in names[who:] if cell == name or cell.rpartition(" (")[0] == name), name)
        yield [*names[:who], item]
        yield ["    Points Possible", *[""] * (who - 1), total]
        for row in graded:
            yield [*roster.lines[row.student.line][:who], row.record["score"]]
        return
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", name]
    yield ["    Points Possible", "", "", "", "", total]
    for row in graded:
        yield [row.student.name, "", row.student.id, roster.cell(roster.lines[row.student.line], "login") or row.student.email, "", row.record["score"]]
