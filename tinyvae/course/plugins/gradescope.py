"""Grade a submission to Gradescope: run by `run_autograder`, with its folders around it, and `results/results.json` as the answer.

Nothing of a submission runs in this process. While it runs in the child, the folders that hold answers, key and results are closed to
other users, for the jail that has nothing better.
"""

import json
import os
import time
from pathlib import Path

from ...support.storage import write_text
from .. import submission
from ..assignment import Assignment
from ..grade import TRUSTED, bounded, grade, unread
from ..handed import printable
from ..jail import best_jail

MOST = 3  # files of a submission that are tried
BEGUN = 120  # seconds after which no further file is begun: Gradescope ends a grader after 10 minutes
LONGEST = 10_000  # characters of an output
ALL = 3  # the level at which everything is told
DUE = "after_due_date"
TEXT = {"output_format": "text", "test_output_format": "text", "test_name_format": "text", "stdout_visibility": "hidden"}
NO_JAIL = "not graded: this machine has no jail in which answers can be run. Tell your lecturer; nothing is said of your work."
NO_FILE = "no notebook and no program was found: hand in {name}.ipynb or {name}.py"
FOR_THE_LECTURER = (
    "No jail works here: neither bubblewrap, nor landlock, nor another user (is the grader root, and did setup.sh make the user `student`?). "
    "Build the assignment with --trust-students to grade without one."
)


def main():
    """Close the folders, grade, and replace the result that stands there since before Python was started."""
    bounded()
    start, root = time.monotonic(), Path(os.environ.get("AUTOGRADER_ROOT", "/autograder"))
    closed = {root / "source": 0o700, root / "results": 0o700, root / "submission_metadata.json": 0o600}
    for path, mode in closed.items():
        if path.exists():
            path.chmod(mode)
    found = results(Assignment.read(root / "source" / "assignment"), root / "submission", best_jail(list(closed)))
    found["execution_time"] = round(time.monotonic() - start, 2)
    write_text(root / "results" / "results.json", json.dumps(found, indent=1, allow_nan=False))


def results(assignment, folder, jail):
    """What is to stand in results.json."""
    if jail == TRUSTED and not assignment.trust:
        print(FOR_THE_LECTURER)
        return TEXT | {"score": 0, "output": NO_JAIL}
    paths = files(folder, assignment.name)
    records = attempts(assignment, folder, paths, jail) or {"": unread(assignment, NO_FILE.format(name=assignment.name), jail)}
    best = max(records, key=lambda name: records[name]["score"])
    hidden = any(level_of(assignment, name) == 0 for name in assignment.ids)
    tests = [reading(records, len(paths) - len(records), hidden)]
    if len(records) > 1:  # which file is better says something of both
        tests.append(entry("the file that counts", f"{best} has the most points", hidden))
    for name in assignment.ids:
        tests += verdicts(records[best], name, level_of(assignment, name))
    output = "\n".join([f"Graded with tinyvae {records[best]['tinyvae']}, jail: {records[best]['jail']}.", *assignment.warnings()])
    extra = {key: records[best][key] for key in ("jail", "tinyvae", "tasks_version", "digest")}
    # no score of the whole: it is the sum of the tests, and Gradescope does not tell it while a test is hidden
    return TEXT | {"output": output, "visibility": DUE if hidden else "visible", "extra_data": extra, "tests": tests}


def level_of(assignment, name):
    """How much is told of a task before the deadline."""
    return assignment.feedback.get(name, 0)


# ---- files ------------------------------------------------------------------------------------------


def files(folder, name):
    """The paths of a submission that may hold answers: those named as the assignment, else all notebooks and programs."""
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(inner for inner in folders if not inner.startswith((".", "__")))  # .ipynb_checkpoints, __MACOSX
        found += [Path(where, file) for file in sorted(names) if file.lower().endswith((".ipynb", ".py")) and not file.startswith(".")]
    return [path for path in found if path.stem == name] or found


def attempts(assignment, folder, paths, jail):
    """{name: record} of the first files, as long as there is time."""
    records, start = {}, time.monotonic()
    for path in paths[:MOST]:
        if not records or time.monotonic() - start < BEGUN:
            name = plain(path.relative_to(folder).as_posix())
            records[name] = attempt(assignment, path, name, jail)
            print(f"{name}: {records[name]['score']} of {records[name]['of']} points, {records[name]['seconds']} s")
    return records


def attempt(assignment, path, name, jail):
    """The record of a file."""
    try:
        handed = submission.read(path, name)
    except submission.Unreadable as error:
        return unread(assignment, str(error), jail)
    return grade(assignment, handed, jail)


# ---- entries of results.json ----------------------------------------------------------------------


def entry(name, output, hidden=False, score=0, of=0, ok=True, tags=()):
    """A test as Gradescope shows it; what a submission may have brought into the words is plain text, and not much of it."""
    shown = {"visibility": DUE if hidden else "visible", "status": "passed" if ok else "failed"}
    return {"name": name, "score": score, "max_score": of, "output": plain(output), "tags": list(tags)} | shown


def plain(text):
    """A text without what may not stand in JSON that others read: surrogates, control characters, any length."""
    return printable(text[:LONGEST], keep="\n")


def reading(records, left, hidden):
    """The entry that all may see at once: what was read, and which functions are there; the same whatever they are worth."""
    lines = []
    for file, record in records.items():
        lines += [f"{file}:"] * (len(records) > 1) + record["notes"]
        lines += [f"{name}: " + (f"not found: {', '.join(task['missing'])}" if task["missing"] else "found") for name, task in record["tasks"].items()]
    lines += [f"Not tried: {left} more files. Hand in one."] * bool(left > 0) + ["What it is worth is told after the deadline."] * hidden
    return entry("the file was read", "\n".join(lines), ok=any(record["digest"] for record in records.values()))


def verdicts(record, name, level):
    """The entries of a task: a verdict for each of its tests, and what is told after the deadline."""
    task = record["tasks"][name]
    tags = [name, *task["tag"].strip("-").split()]
    texts, hidden = {int(level): text for level, text in task["texts"].items()}, level == 0
    now, found = explained(texts, ALL if hidden else level), []
    first = next((test["name"] for test in task["tests"] if not test["ok"]), "")
    for test in task["tests"]:
        lines = [test["asks"], *([] if test["ok"] else [test["found"]]), *([now] if now and test["name"] == first else [])]
        found.append(entry(f"{name}: {test['name']}", "\n".join(lines), hidden, test["score"], test["of"], test["ok"], tags))
    if explained(texts, ALL) != now:  # while this is hidden, Gradescope does not tell the sum either
        found.append(entry(f"{name}: what is wrong", explained(texts, ALL), True, ok=False, tags=tags))
    return found


def explained(texts, level):
    """The text of the highest level that may be told."""
    return texts[max(told)] if (told := [n for n in texts if n <= level]) else ""


if __name__ == "__main__":
    main()
