"""The command line of a course: python -m tinyvae course build | grade | report | verify."""

import re
import time
from pathlib import Path

from . import report as console

FORMATS = ("handout", "nbgrader", "otter", "gradescope")  # as in course/build.py, which is loaded when it is needed


def add_parsers(subparsers, whole):
    """The parsers of the commands; `whole` makes an argparse type of whole numbers."""
    course = subparsers.add_parser("course", help="assignments from the exercises, and their grades: build, grade, report, verify")
    ways = course.add_subparsers(dest="way", required=True, metavar="WAY")
    build = ways.add_parser("build", help="an assignment for a platform, from tasks")
    build.add_argument("--format", choices=FORMATS, required=True, help="handout: files to hand out, graded by `course grade`")
    _add_tasks(build, "lab1")
    build.add_argument("--name", help="of the assignment (the folder's name)")
    build.add_argument("--seed", type=whole("seed", 0), metavar="N", help="of the graded variants and of numbers in statements (drawn)")
    build.add_argument("--feedback", nargs="+", default=[], metavar="LEVEL", help="told before the deadline: 0 nothing (default) to 3; or TASK=LEVEL")
    build.add_argument("--trust-students", action="store_true", help="this assignment may be graded without a jail")
    build.add_argument("--out", required=True, metavar="DIR", help="an empty folder")
    grade = ways.add_parser("grade", help="grade files, folders and zip archives of submissions")
    grade.add_argument("files", nargs="+", metavar="FILE")
    grade.add_argument("--assignment", default=".", metavar="DIR", help="what `course build` wrote (.)")
    grade.add_argument("--roster", metavar="ROSTER.csv", help="an export of Moodle or Canvas, or columns name, id, email")
    grade.add_argument("--csv", required=True, metavar="OUT", help="the table to write; beside it those for Moodle and Canvas, and all results")
    grade.add_argument("--texts", metavar="DIR", help="also write a text for each student, with all that was found: feedback for after the deadline")
    grade.add_argument("--regrade", action="store_true", help="grade again what has been graded")
    grade.add_argument("--trust-students", action="store_true", help="grade without a jail where none works; every row says so")
    told = ways.add_parser("report", help="how many made which mistake; names nobody")
    told.add_argument("csv", metavar="OUT", help="the table that `course grade` wrote")
    verify = ways.add_parser("verify", help="in every format: solutions full points, stubs 0, every wrong solution less")
    _add_tasks(verify, "all")
    verify.add_argument("--seed", type=whole("seed", 0), default=1, metavar="N", help="of the variants (1)")
    verify.add_argument("--trust-students", action="store_true", help="without a jail where none works")


def _add_tasks(parser, default):
    words = "lab1 to lab4, core, variants, private, all, chapters (02), ids"
    parser.add_argument("--tasks", nargs="+", default=[default], metavar="TASK", help=f"{words} ({default})")
    parser.add_argument("--private", metavar="FOLDER", help="task files of your own")


def run(way, **options):
    """Run one of the commands; returns the exit status."""
    return {"build": build, "grade": grade, "report": report, "verify": verify}[way](**options)


def build(format, out, tasks, private, name, seed, feedback, trust_students):
    """Write an assignment."""
    from ..course import assignment
    from ..course.build import build as write

    ids = assignment.choose(tasks, private)
    name = name or re.sub(r"[^\w-]+", "-", Path(out).resolve().name, flags=re.ASCII).strip("-") or "assignment"
    made = assignment.new(name, ids, seed, private, levels(feedback, ids), trust_students)
    print("\n".join(write(made, format, out)))
    return 0


def levels(words, ids):
    """{id: level} of words such as 2 or kl_backward=1."""
    from ..course.variants import variant_for

    found = {}
    for word in sorted(words, key=lambda word: "=" in word):  # what is said of all first
        name, _, level = word.rpartition("=")
        if not re.fullmatch("[0-3]", level):
            raise ValueError(f"feedback must be 0, 1, 2, 3 or TASK=LEVEL, got {word!r}")
        name = name if name in ids else variant_for(name) or name  # which stands in its place
        found |= {name: int(level)} if name else dict.fromkeys(ids, int(level))
    return found


def jail_for(trust, closed):
    """The strongest jail that works here, tried; without one the name of none, where students are trusted."""
    from ..course.grade import TRUSTED
    from ..course.jail import best_jail

    jail = best_jail(closed=[path for path in closed if Path(path).exists()])
    if jail == TRUSTED and not trust:
        raise ValueError("a jail for students' code must work here, got none: grade on Linux (docs/course.md), or with --trust-students, which every row will say")
    return jail


def grade(files, assignment, roster, csv, texts, regrade, trust_students):
    """Grade what was handed in and write the tables."""
    from ..course import gradebook, tables
    from ..course.assignment import Assignment
    from ..course.handed import handed_in
    from ..course.roster import Roster

    made = Assignment.read(assignment)
    jail = jail_for(trust_students or made.trust, [assignment, *files, *outputs(csv, roster)])
    people, handed = Roster.read(roster) if roster else Roster(), handed_in(files)
    for words in [f"jail: {jail}", *made.warnings()]:
        console.warn(words, "tinyvae course")
    owners = people.whose([file.path for file in handed])
    (handed, more), attempts = gradebook.newest(handed, owners), gradebook.kept(csv, people, made.fingerprint)
    gradebook.store(csv, attempts)  # so that it is known now whether it can be written
    keep(csv, attempts, owners, graded(made, assignment, handed, jail, {} if regrade else gradebook.graded_before(csv)))
    table, points = tables.rows(attempts, people, more), {name: task.points for name, task in made.tasks.items()}
    for path, left_out in tables.write(csv, table, made.name, points, people).items():
        print(f"written: {path}{f' ({left_out})' * bool(left_out)}")
    if texts:
        tables.write_texts(texts, table)
    return 0


def outputs(csv, roster):
    """The paths that grading writes, and the roster, which must be none of them."""
    from ..course import gradebook, tables

    written = [Path(csv), *(tables.beside(Path(csv), word) for word in ("moodle", "canvas")), gradebook.results_path(csv)]
    if roster and Path(roster).resolve() in [path.resolve() for path in written]:
        raise ValueError(f"csv must be another file than the roster, which would be written over, got {csv}")
    return [*written, *filter(None, [roster])]


def keep(csv, attempts, owners, records):
    """Print each (File, record) and put it to its student's attempts; these are stored as they come, so that an interrupted run keeps what it has."""
    from ..course import gradebook

    due = 0.0
    try:
        for file, record in records:
            student, firm = owners[file.path]
            print(f"{student.name}: {record['score']} of {record['of']}  ({Path(file.label).name}, {record['seconds']:.1f} s)", flush=True)
            gradebook.add(attempts, student, gradebook.Attempt(file.label, record, firm))
            if (start := time.monotonic()) > due:  # as long as that takes a twentieth of the time
                gradebook.store(csv, attempts)
                due = start + 20 * (time.monotonic() - start)
    finally:
        gradebook.store(csv, attempts)


def graded(made, folder, handed, jail, before):
    """(File, record) of every file, in their order: what was graded before is taken from there, and what cannot be read gets no points."""
    from ..course.grade import grade_all, stamp, unread
    from ..course.gradebook import key_of
    from ..course.submission import digest_of

    known = {file.label: unread(made, str(file.data), jail) for file in handed if not isinstance(file.data, bytes)}
    for label, data, *_ in handed:
        if label not in known and (record := before.get(key_of(stamp(made, digest_of(data))))):
            known[label] = record
    records = grade_all(folder, [(file.label, file.data) for file in handed if file.label not in known], jail)
    for file in handed:
        yield file, known[file.label] if file.label in known else next(records)


def report(csv):
    """Print how many made which mistake."""
    from ..course import gradebook
    from ..course.report import report as lines

    records, left_out = gradebook.best_records(csv)
    if not records:
        raise ValueError(f"report must be of a table that `course grade` wrote, got {csv} without {gradebook.results_path(csv).name} beside it")
    print("\n".join(lines(records, left_out)))
    return 0


def verify(tasks, private, seed, trust_students):
    """Print what is not as it must be, and how much was tried."""
    from ..course import assignment
    from ..course.verify import verify as tried

    made = assignment.new("verify", assignment.choose(tasks, private, graded=False), seed, private, trust=trust_students)
    n = wrong = 0
    for form, name, caption, points, ok in tried(made, jail_for(trust_students, [])):
        n, wrong = n + 1, wrong + (not ok)
        if not ok:
            print(f"!! {form}, {name}: {caption}: {points} of {made.tasks[name].points}")
    print(f"{n} answers to {len(made.ids)} task{'s' * (len(made.ids) != 1)} in every format, {wrong} not judged as they must be")
    return int(wrong > 0)
