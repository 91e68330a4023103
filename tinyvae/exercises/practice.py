"""What `python -m tinyvae learn` does: progress, start, check, hint, watch, reset, solution. Each returns its exit status, but watch, which has no end."""

import os
import re
import textwrap
import time
from pathlib import Path

from . import progress, runner, sheet
from .plain import reflowed
from .progress import Progress
from .source import task_named, tasks
from .training import PARTS
from .wording import say

USED = (*PARTS, "adam_step")  # the capstone takes them from the student's files
POLL = 0.2  # seconds between two looks at the files


def start(folder=None, seed=None):
    """Write the file of every task that has none; never over a student's work."""
    folder = Path(folder) if folder else _own_folder()
    known = folder / progress.NAME
    state = Progress.load(folder) if known.exists() else Progress(folder, seed or 0)
    if seed is not None and seed != state.seed:
        raise ValueError(f"seed must be {state.seed}, with which {folder} was begun, got {seed}: begin another folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = state.write_stubs()
    state.save()
    print(say("started", n=written, folder=_short(folder), kept=len(tasks()) - written))
    if not _is_found(folder):
        print(say("go there", folder=_short(folder)))
    print(_next(state))
    return 0


def _is_found(folder):
    """Whether the commands find this folder from here."""
    try:
        return progress.find() == folder.resolve()
    except FileNotFoundError:
        return False


def _own_folder():
    """The folder of practice that one stands in, or the usual one here."""
    try:
        return progress.find()
    except FileNotFoundError:
        return Path(progress.FOLDER)


def overview():
    """Progress by chapter, and the next task."""
    state = Progress.load(progress.find())
    chapters = {}
    for task in tasks().values():
        chapters.setdefault(task.chapter, []).append(task)
    print(say("head"))
    for chapter, its in chapters.items():
        marks = "".join("#" if state.entry(task)["passed"] else "." for task in its)
        points = sum(state.entry(task)["points"] for task in its)
        print(f"\n{chapter:15} {marks:20} {points:3} / {sum(task.points for task in its)}")
        still = " ".join(f"{task.id}[{task.lab}]" if task.core else task.id for task in its if not state.entry(task)["passed"])
        print(textwrap.fill(still, 110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False))
    core = [task for task in tasks().values() if task.core]
    print("\n" + say("core", done=sum(state.entry(task)["passed"] for task in core), n=len(core)))
    print(_next(state))
    return 0


def _next(state):
    task = state.next()
    if task is None:
        return say("all done")
    return say("next", path=_short(state.path(task)), task=task.id, title=task.title, minutes=task.minutes)


def _short(path):
    """A path as seen from here, where that is shorter."""
    try:
        seen = os.path.relpath(path)
    except ValueError:  # on another drive of Windows
        return path
    return min(seen, str(path), key=len)


def check(task=None):
    """Run the file of a task and judge it; without a name that of the file saved last, or of the next task. 0 if it passes, 1 if not."""
    state = Progress.load(progress.find())
    task = task_named(task) if task else next(iter(state.touched()), None) or state.next() or next(iter(tasks().values()))
    return 0 if _check(state, task) else 1


def _check(state, task):
    """Run and judge a student's file, keep the record, print the report; whether it passes."""
    path = state.path(task)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: write it anew with python -m tinyvae learn reset {task.id}")
    mark = progress.fingerprint(path)
    touched = state.touched() if task.kind == "capstone" else []
    parts = runner.sound({part: state.path(part) for part in touched if part.id in USED})
    said = runner.run(task, path, state.seed, parts)
    state = Progress.load(state.folder)  # another check may have ended meanwhile
    passed = _recorded(state.entry(task), said, mark)
    try:
        state.save()
    finally:  # a folder that cannot be written to costs the record, not the report
        print(report(task, said, state.level(task)))
    print(_next(state) if passed else _advice(state, task, said))
    return passed


def _recorded(entry, said, mark):
    """Write into an entry of the progress what a check found; whether it is a pass."""
    passed = bool(said["results"]) and all(ok for _, _, ok, *_ in said["results"])
    if said["begun"] and not passed and mark not in entry["tried"]:
        entry["tried"].append(mark)
    entry["points"] = max(entry["points"], sum(points for _, points, ok, *_ in said["results"] if ok))
    entry["passed"] = entry["passed"] or passed
    return passed


def _advice(state, task, said):
    """What can be done after a check that is no pass."""
    where = "" if said["begun"] else say("in", path=_short(state.path(task))) + "\n"
    more = said["begun"] and any(state.level(task) < n <= 2 for n in said["texts"])
    return where + say("more" if more else "hints" if state.entry(task)["given_up"] else "more hints", task=task.id)


def report(task, said, level):
    """The text of a check, as far as the level goes.

    Parameters
    ----------
    task : Task
    said : dict from `runner.run`
    level : int, 1 to 3

    Returns
    -------
    str
    """
    if said["error"]:
        return say("cannot run", task=task.id, error=said["error"]) + _printed(said)
    earned = sum(points for _, points, ok, *_ in said["results"] if ok)
    lines = [say("points", task=task.id, earned=earned, points=task.points)]
    told = set()  # what two tests found alike is said once
    for _, points, ok, asks, found, _ in said["results"]:
        lines.append(f"  {points if ok else 0}/{points}  {asks}")
        lines += [] if ok or found in told else [textwrap.indent(found, " " * 7)]
        told.add(found)
    if (shown := [n for n in said["texts"] if n <= level]) and earned < task.points:
        lines += ["", reflowed_lines(said["texts"][max(shown)])]
    if earned == task.points:
        lines += ["", reflowed(f"{tested(task)} {task.note}".strip())]
    if other := [name for name, word in said["parts"].items() if word == "other cache"]:
        lines.append(say("other cache", names=", ".join(other)))
    if said["parts"] or task.kind == "capstone":
        lines.append(say("parts", yours=", ".join(n for n, w in said["parts"].items() if w == "yours") or "-",
                         others=", ".join(n for n in USED if said["parts"].get(n) != "yours") or "-"))  # fmt: skip
    if said.get("untrained"):
        lines += ["", say("not trained", error=said["untrained"])]
    if said["trained"]:
        epochs, before, after = said["trained"]
        lines += ["", say("trained", epochs=epochs, before=before, after=after)]
    return "\n".join(lines) + _printed(said)


def reflowed_lines(text):
    """Every line for itself, broken where it is long."""
    return "\n".join(reflowed(line) for line in text.splitlines())


def tested(task):
    """What a pass means: what was tested, and whether the forward pass was held to the formula."""
    kind = "own" if task.kind == "function" and "values" not in task.tests else task.kind
    if kind == "backward":
        kind += " package" if ":" in task.forward else " given"
    return say(f"tested {kind}", tag=tag_of(task))


def tag_of(task):
    """The tag of the formula that was tested, with a space before it: of kind backward that of the forward pass; empty where it has none."""
    if task.kind != "backward":
        return "" if task.tag == "-" else f" [{task.tag}]"
    name = task.forward.partition(":")[2]
    found = re.search(r"\[[A-Z]+\.\d\]", (task.base[name].__doc__ or "") if name else "")
    return f" {found[0]}" if found else ""


def _printed(said):
    return "\n" + say("printed") + "\n" + textwrap.indent(said["printed"].rstrip(), "  | ") if said["printed"].strip() else ""


def hint(task):
    """One more hint, with those before it."""
    state, task = Progress.load(progress.find()), task_named(task)
    entry = state.entry(task)
    entry["hints"] = min(len(task.hints), entry["hints"] + 1)
    state.save()
    print(hints(task, entry["hints"]))
    return 0


def hints(task, n):
    """The first n hints, as lines to read."""
    return "\n".join(reflowed(say("one hint", i=i, n=len(task.hints), text=text)) for i, text in enumerate(task.hints[:n], start=1))


def reset(task):
    """The stub anew; the old file is kept under another name."""
    state, task = Progress.load(progress.find()), task_named(task)
    kept = state.reset(task)
    print(say("reset", path=_short(state.path(task)), kept=_short(kept)) if kept else say("written", path=_short(state.path(task))))
    return 0


def solution(task, give_up=False):
    """The solution of a task that is passed, or given up."""
    state, task = Progress.load(progress.find()), task_named(task)
    entry = state.entry(task)
    if not entry["passed"] and not give_up:
        raise ValueError(f"the solution of {task.id} is shown after it is passed: go on, or give up with python -m tinyvae learn solution {task.id} --give-up")
    entry["given_up"] = entry["given_up"] or give_up
    state.save()
    print(sheet.solved(task, state.seed))
    return 0


def watch():
    """Check a file whenever it is saved, until Ctrl-C."""
    state = Progress.load(progress.find())
    print(say("watching", folder=_short(state.folder)))
    for task in changes(state):
        print(f"\n---- {task.id}, {time.strftime('%H:%M:%S')}")
        try:
            _check(Progress.load(state.folder), task)
        except (OSError, ValueError) as error:  # the next save may be better
            print(error)


def changes(state, poll=POLL):
    """Tasks whose files have been saved, each time that they are; without an end."""
    known = {task: _stamp(state.path(task)) for task in tasks().values()}
    while True:
        time.sleep(poll)
        for task, before in known.items():
            known[task] = now = _stamp(state.path(task))
            if now is not None and now != before:
                yield task


def _stamp(path):
    try:
        stat = path.stat()
    except OSError:  # some editors remove a file before they write it
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
