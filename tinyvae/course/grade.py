"""Grade a submission: every task of an assignment, in a child each; many submissions, in a process each.

    python -m tinyvae.course.grade

reads an order on standard input and writes a record on standard output: whatever a submission does to one such process, the others go on.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..exercises.explain import explain, known
from ..exercises.judge import Result, earned
from ..exercises.wording import say
from . import submission
from .assignment import Assignment, here
from .given import modules_of
from .jail import Jailed, Raised
from .remote import Worker, answer, judge_of, training, where

SECONDS = 5  # of computing for a task, but for the kinds below
LONGER = {"test": 20, "capstone": 120}  # many calls; training
PATIENCE = 3  # times as long on the clock, for machines that are busy
BUDGET, LEAST = 300, 3  # seconds of the clock for a submission; what a task gets in any case
FAILED = "could not be graded, look at it"  # the grader's fault, or an attack
TRUSTED = "none"  # the name of no jail
PRINTED, WORDS = 300, 4000  # characters that are kept of what a submission printed, and of what a test found
MEMORY = 2 << 30  # bytes of address space of a process that grades: what it computes for a submission's sake must not take the machine


def grade(assignment, handed, jail):
    """The record of a submission: points, what was found, and how it was graded.

    Parameters
    ----------
    assignment : Assignment
    handed : Submission
    jail : str, one of `jail.jails()`, or "none" where students are trusted

    Returns
    -------
    dict that JSON can hold, see `record`; its "tasks" have "score", "of", "title", "tag", "tests", "texts" by level and "mistake", the
    caption of a known mistake that does just the same
    """
    start, notes = time.monotonic(), [*handed.notes]
    names, broken, faults, printed = looked_at(handed.code, jail)
    tasks = {}
    for name, task in assignment.tasks.items():
        if broken:
            results, more = all_failed(task, broken), {}
        else:
            code, key = handed.code_for(name, assignment.shared), assignment.inputs_key(handed.digest, name)
            results, more = graded(task, code, key, assignment.seed, jail, BUDGET - (time.monotonic() - start))
        notes += [f"{name}: {fault}" for fault in dict.fromkeys(more.pop("faults", []))]
        tasks[name] = entry(task, results, names, **more)
    notes += faults + [broken] * bool(broken) + [f"it printed: {printed[:PRINTED]}"] * bool(printed)
    return record(assignment, tasks, jail, handed.digest, notes, time.monotonic() - start)


def looked_at(code, jail):
    """(names that a submission defines, why it does not load or "", a note on a line that failed, what it printed)."""
    worker, names, broken, faults = Worker(code, {}, jail, SECONDS, PATIENCE * SECONDS), [], "", []
    try:
        child = worker.started()
        names, faults = sorted(child.names), [f"a line failed: {child.fault}{where(child.fault)}"] * bool(child.fault)
    except (Raised, Jailed) as error:
        if getattr(error, "reason", "") == "start":  # no fault of the submission
            raise
        broken = f"the file does not run: {error}{where(error)}"
    worker.close()
    return names, broken, faults, worker.printed


def graded(task, code, key, seed, jail, left=BUDGET, explained=True):
    """(the Results of a task, what else is to be said of it: texts by level and a known mistake); left: seconds for the submission."""
    if task.kind == "capstone":
        code = f"{code}\n\n{training()}"
    cpu = LONGER.get(task.kind, SECONDS)
    worker = Worker(code, modules_of(task), jail, cpu, min(PATIENCE * cpu, max(left, LEAST)))
    try:
        judge = judge_of(task)(task, answer(task, worker, key), seed, key)
        results = judge.results()
        return results, (said_of(judge, results) if explained else {}) | {"faults": worker.faults}
    except (Raised, Jailed) as error:
        if getattr(error, "reason", "") == "start":
            raise
        return all_failed(task, str(error)), {"faults": [str(error)]}
    finally:
        worker.close()


def said_of(judge, results):
    """What is wrong, by levels, and the caption of a known mistake that does the same."""
    said = {}
    with contextlib.suppress(Exception):  # strange results may defeat it; the points stand
        said["mistake"] = known(judge, results)
        said["texts"] = explain(judge, results)
        if said["mistake"] and said["mistake"] not in said["texts"].get(3, ""):
            said["texts"][3] = "\n".join(filter(None, [say("what a program does", caption=said["mistake"]), said["texts"].get(3)]))
    return said


def all_failed(task, words):
    """The Results of a task where nothing could be tried."""
    return [Result(name, points, False, asks, words) for name, (points, asks) in task.tests.items()]


def entry(task, results, names, texts=None, mistake=""):
    """What a record says of a task."""
    wanted = list(task.tests) if task.kind == "numbers" else task.names
    tests = [{"name": r.name, "score": r.points * r.ok, "of": r.points, "ok": r.ok, "asks": r.asks, "found": r.found[:WORDS]} for r in results]
    return {
        "title": task.title, "tag": task.tag, "score": earned(results), "of": task.points, "tests": tests, "mistake": mistake,
        "missing": [name for name in wanted if name not in names], "texts": {str(level): text for level, text in (texts or {}).items()},
    }  # fmt: skip


def record(assignment, tasks, jail, digest, notes, seconds):
    """The whole of what is stored of a submission: results; of what the student wrote at most a line that failed and the beginning of what it printed."""
    score = sum(task["score"] for task in tasks.values())
    return stamp(assignment, digest) | {
        "assignment": assignment.name, "seed": assignment.seed, "jail": "none: students are trusted" if jail == TRUSTED else jail,
        "score": score, "of": assignment.points, "seconds": round(seconds, 2), "notes": [*assignment.warnings(), *notes], "tasks": tasks,
    }  # fmt: skip


def stamp(assignment, digest):
    """What a record is of: the file, the build, and the versions that grade it."""
    return {"digest": digest, "build": assignment.fingerprint, "tinyvae": here()["tinyvae"], "tasks_version": here()["tasks"]}


def unread(assignment, words, jail="", digest=""):
    """The record, with no points, of what could not be read or graded."""
    tasks = {name: entry(task, all_failed(task, words), []) for name, task in assignment.tasks.items()}
    return record(assignment, tasks, jail, digest, [words], 0.0)


def told(record, name, level):
    """What a student is told of a task: at level 0 whether its functions were found; then what fails; up to that level, what is wrong.

    Parameters
    ----------
    record : dict, see `grade`
    name : str, id of a task
    level : 0, 1, 2 or 3
    """
    task = record["tasks"][name]
    if level == 0:
        return f"not found: {', '.join(task['missing'])}" if task["missing"] else "found; what it is worth is told after the deadline"
    lines = [f"{test['name']}: {'ok' if test['ok'] else test['found']} ({test['score']} of {test['of']}: {test['asks']})" for test in task["tests"]]
    levels = [n for n in task["texts"] if int(n) <= level]
    return "\n".join([*lines, task["texts"][max(levels)]] if levels else lines)


# ---- many ---------------------------------------------------------------------------------------


def grade_file(assignment, name, data, jail):
    """The record of a file, whatever is in it."""
    try:
        handed = submission.read(data, name)
    except submission.Unreadable as error:
        return unread(assignment, str(error), jail, submission.digest_of(data))
    return grade(assignment, handed, jail)


def grade_all(folder, files, jail, workers=None):
    """The records of many files, in their order, as they become known; a process for each, so that none can harm another.

    Parameters
    ----------
    folder : path of the assignment
    files : list of (name, bytes)
    jail : str
    workers : int, processes at a time; one per core unless given
    """
    assignment = Assignment.read(folder)
    with ThreadPoolExecutor(workers or cores()) as pool:
        yield from pool.map(lambda file: in_a_process(assignment, folder, *file, jail), files)


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_a_process(assignment, folder, name, data, jail):
    """The record of a file, graded in a process of its own."""
    order = {"assignment": str(Path(folder).resolve()), "name": name, "data": base64.b64encode(data).decode(), "jail": jail}
    limit = 60 + 2 * (BUDGET + PATIENCE * max(LONGER.values()))
    home = str(Path(__file__).parents[2])
    paths = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tinyvae.course.grade"]  # from home: it would import modules that were handed in, where they lie about
    try:
        ended = subprocess.run(command, input=json.dumps(order).encode(), capture_output=True, timeout=limit, env=environment, cwd=home, check=True)
        return json.loads(ended.stdout)
    except (subprocess.SubprocessError, ValueError, OSError) as error:  # no answer in time, or none: a fault of ours or an attack
        words = getattr(error, "stderr", None) or b""
        last = words.decode("utf-8", "replace").strip().splitlines()[-1:]
        return unread(assignment, f"{FAILED}: {type(error).__name__} {' '.join(last)}".strip(), jail, submission.digest_of(data))


def bounded():
    """Limit this process's memory, where the platform can: a test that needs more fails with a MemoryError."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main():
    """Grade one file as an order on standard input says."""
    bounded()
    order = json.loads(sys.stdin.buffer.read())
    made = grade_file(Assignment.read(order["assignment"]), order["name"], base64.b64decode(order["data"]), order["jail"])
    sys.stdout.buffer.write(json.dumps(made).encode())


if __name__ == "__main__":
    main()
