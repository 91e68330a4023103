"""A student's folder: a file for each task, and `progress.json`, which says what was tried, passed and asked for."""

import ast
import contextlib
import hashlib
import json
from pathlib import Path

from ..support.storage import write_text
from ..support.validation import check_int
from .sheet import file
from .source import tasks

NAME, FORMAT = "progress.json", 1
FOLDER = "tinyvae-practice"  # unless another is named
FRESH = {"tried": [], "hints": 0, "passed": False, "given_up": False, "points": 0}


class Progress:
    """What a folder's `progress.json` says, and the files beside it.

    Entries of tasks that this version of the package does not know are kept as they are.
    """

    def __init__(self, folder, seed=0, entries=None):
        self.folder, self.seed, self.entries = Path(folder), seed, dict(entries or {})

    @classmethod
    def load(cls, folder):
        """From a folder.

        Raises
        ------
        ValueError
            If its progress.json is not one, or of a later format; it is left as it is.
        """
        path = Path(folder, NAME)
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            form, seed, entries = said["format"], check_int("seed", said["seed"], 0), said["tasks"]
            if broken := [name for name, entry in entries.items() if not _is_entry(entry)]:
                raise ValueError(f"the entry of {broken[0]}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} must hold the progress of tinyvae learn, got {_start(path)} ({error}): move it away and start again") from None
        if form != FORMAT:
            raise ValueError(f"{path} must have the format {FORMAT}, got {form!r}: update tinyvae, or move the file away and start again")
        return cls(folder, seed, entries)

    def save(self):
        """Write progress.json beside and rename it into place."""
        write_text(self.folder / NAME, json.dumps({"format": FORMAT, "seed": self.seed, "tasks": self.entries}, indent=1) + "\n")

    def entry(self, task):
        """The entry of a task, to be read or changed: tried, hints, passed, given_up, points."""
        known = self.entries.setdefault(task.id, {})
        for key, value in FRESH.items():
            known.setdefault(key, value if not isinstance(value, list) else [])
        return known

    def level(self, task):
        """How much a check of this task says now, see `level`."""
        return level(**{key: self.entry(task)[key] for key in ("tried", "given_up")})

    # ---- files --------------------------------------------------------------------------------------

    def path(self, task):
        """Where the student's file of a task is, or would be."""
        return self.folder / task.chapter / f"{task.id}.py"

    def write_stubs(self):
        """Write the file of every task that has none; returns how many were written."""
        missing = [task for task in tasks().values() if not self.path(task).exists()]
        for task in missing:
            self.write_stub(task)
        return len(missing)

    def write_stub(self, task):
        """Write the file of a task, which must not exist."""
        path = self.path(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as out:  # never over what is there
            out.write(file(task, self.seed))

    def reset(self, task):
        """Write the stub anew; what was there is kept, its new path is returned (None if there was no file)."""
        path, n = self.path(task), 1
        kept = None
        if path.exists():
            while (kept := path.with_name(f"{task.id}.old-{n}.py")).exists():
                n += 1
            path.rename(kept)
        self.write_stub(task)
        return kept

    def touched(self):
        """Tasks whose files differ from their stubs, the one saved last first."""
        found = []
        for task in tasks().values():
            with contextlib.suppress(OSError):
                if self.path(task).read_text(encoding="utf-8", errors="replace") != file(task, self.seed):
                    found.append(task)
        return sorted(found, key=lambda task: -self.path(task).stat().st_mtime_ns)

    def next(self):
        """The first task of the ladder that is not passed: the four labs, then the others by chapter; None when all are."""
        still = [task for task in tasks().values() if not self.entry(task)["passed"]]
        return min(still, key=lambda task: task.record.get("lab", "9"), default=None)


def level(tried, given_up):
    """How much a check says: 1 at first, 2 after a changed second attempt, 3 on giving up.

    >>> level([], False), level(["a"], False), level(["a", "b", "c"], False), level([], True)
    (1, 1, 2, 3)
    """
    return 3 if given_up else min(2, max(1, len(tried)))


def fingerprint(path):
    """A short word for what a file's code says, which comments, strings on their own and spaces do not change."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    with contextlib.suppress(SyntaxError, ValueError):
        tree = ast.parse(text)
        tree.body = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
        text = ast.dump(tree)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def find(start="."):
    """The folder of practice: this one, the nearest above it that has a progress.json, or tinyvae-practice in it.

    Raises
    ------
    FileNotFoundError
        If there is none; the message says how to make one.
    """
    here = Path(start).resolve()
    for folder in (here, *here.parents, here / FOLDER):
        if _is_ours(folder / NAME):
            return folder
    raise FileNotFoundError(f"no folder of practice here: make one with python -m tinyvae learn start, or go into yours (looked for {NAME} from {here}); where {NAME} is lost, python -m tinyvae learn start FOLDER makes a new one")


def _is_ours(path):
    try:
        return "tasks" in json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return False
    except (ValueError, TypeError):  # damaged: `load` says what to do
        return True


def _is_entry(entry):
    return isinstance(entry, dict) and all(isinstance(entry.get(key, value), type(value)) for key, value in FRESH.items())


def _start(path):
    return repr(path.read_bytes()[:40])
