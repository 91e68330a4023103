"""An assignment: which tasks, which variants of them, whose key; kept in a folder of the lecturer's."""

import ast
import hashlib
import hmac
import itertools
import json
import os
import re
import secrets
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from .. import __version__
from ..exercises import source
from ..exercises.sheet import stub
from ..exercises.source import task_named
from ..exercises.training import PARTS
from ..support.storage import replacing, write_text
from . import variants
from .given import defined

FILE = "assignment.json"
LEVELS = (0, 1, 2, 3)  # of what is told of a wrong answer before the deadline: nothing; the symptom; the step; the formula
KEY_BYTES = 32


def here():
    """What the results of a task depend on, beside the submission: the versions of the package and of its set of tasks."""
    return {"tinyvae": __version__, "tasks": source.VERSION}


@dataclass
class Assignment:
    """Tasks that are handed out and graded together.

    Attributes
    ----------
    name : str, letters, digits, - and _
    ids : list of str, of tasks of the package, of graded variants and of private tasks, in their order
    seed : int, of the variants and of the numbers in the statements
    key : bytes, the lecturer's secret, from which the inputs of the tests are made
    feedback : dict of id to level, told before the deadline; 0 where a task is not named
    trust : bool, whether answers may be run without a jail
    versions : dict, of the package and its set of tasks when it was built
    folder : Path of the private tasks' files, or None
    """

    name: str
    ids: list
    seed: int
    key: bytes
    feedback: dict = field(default_factory=dict)
    trust: bool = False
    versions: dict = field(default_factory=here)
    folder: Path | None = None

    def __post_init__(self):
        if not re.fullmatch(r"[\w-]+", self.name, re.ASCII):
            raise ValueError(f"name must be letters, digits, - and _, as platforms want it, got {self.name!r}")
        if not self.ids or len(set(self.ids)) < len(self.ids):
            raise ValueError(f"tasks must be at least one, each once, got {self.ids}")
        if any(level not in LEVELS for level in self.feedback.values()):
            raise ValueError(f"feedback must be one of {LEVELS}, got {self.feedback}")
        if unknown := set(self.feedback) - set(self.ids):
            raise ValueError(f"feedback must be of tasks of the assignment, got {sorted(unknown)}")

    @cached_property
    def tasks(self):
        """{id: Task}: private ones, variants at the seed, those of the package."""
        own = private_files(self.folder)
        return {name: self._task(name, own) for name in self.ids}

    def _task(self, name, own):
        path = own.get(name) or variants.families().get(name)
        return variants.make(path, self.seed) if path else task_named(name)

    @property
    def points(self):
        """Of all tasks together."""
        return sum(task.points for task in self.tasks.values())

    @cached_property
    def shared(self):
        """The ids of tasks that set a name which another task sets too: for these alone counts what stands under their own mark."""
        trees = {name: defined(ast.parse(stub(task))) for name, task in self.tasks.items()}
        words = {name: {word for word, node in tree.items() if not isinstance(node, (ast.Import, ast.ImportFrom))} for name, tree in trees.items()}
        words |= {name: words[name] | {*PARTS, "adam_step"} for name, task in self.tasks.items() if task.kind == "capstone"}
        often = Counter(itertools.chain.from_iterable(words.values()))
        return {name for name, found in words.items() if any(often[word] > 1 for word in found)}

    @property
    def fingerprint(self):
        """What tells one build from another, without the key: results of another build are not of this assignment."""
        own = [path.read_text(encoding="utf-8") for name, path in private_files(self.folder).items() if name in self.ids]
        return hmac.new(self.key, "\n".join(map(str, [self.seed, *self.ids, *own])).encode(), hashlib.sha256).hexdigest()[:16]

    def inputs_key(self, digest, name):
        """Eight whole numbers, HMAC-SHA256(key, submission and task): the seed of what a submission is tried with.

        They cannot be known without the key, are others for every other file, and the same when the same file is graded again.
        """
        made = hmac.new(self.key, f"{digest} {name}".encode(), hashlib.sha256).digest()
        return [int.from_bytes(made[n : n + 4], "little") for n in range(0, 32, 4)]

    def warnings(self):
        """Sentences on versions that differ from those of the build."""
        return [f"built with {what} {then}, graded with {here()[what]}" for what, then in self.versions.items() if here().get(what) != then]

    # ---- files --------------------------------------------------------------------------------------

    def write(self, folder):
        """Write `assignment.json`, for the lecturer's eyes, and the private tasks beside it."""
        folder = Path(folder)
        (folder / "tasks").mkdir(parents=True, exist_ok=True)
        files = private_files(self.folder)
        for path in [path for name, path in files.items() if name in self.ids]:
            for file in [path, *path.parent.glob("*.tsv")]:  # tables that tasks read stand beside them
                write_text(folder / "tasks" / file.name, file.read_text(encoding="utf-8"))
        said = {name: getattr(self, name) for name in ("name", "ids", "seed", "feedback", "trust", "versions")} | {"key": self.key.hex()}
        with replacing(folder / FILE) as beside, open(beside, "w", encoding="utf-8", newline="\n", opener=for_me) as file:
            file.write(json.dumps(said, indent=1) + "\n")

    @classmethod
    def read(cls, path):
        """The assignment in a folder that a build wrote, in its folder `private`, or in the file itself.

        Raises
        ------
        ValueError
            If there is none, or the file is damaged.
        """
        tried = [Path(path), Path(path, FILE), Path(path, "private", FILE)]
        file = next((file for file in tried if file.is_file()), None)
        if file is None:
            raise ValueError(f"assignment must be a folder that `course build` wrote, got {str(path)!r} without private/{FILE}: name it by --assignment")
        try:
            said, tasks = json.loads(file.read_text(encoding="utf-8")), file.parent / "tasks"  # archives drop an empty folder
            return cls(**said | {"key": bytes.fromhex(said["key"]), "folder": tasks if tasks.is_dir() else None})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} must be an assignment as `course build` writes it, it is damaged: {error}") from None


def new(name, ids, seed=None, private=None, feedback=None, trust=False):
    """An Assignment with a key of its own; a seed that nobody chose where none is given."""
    seed = secrets.randbelow(10**9) if seed is None else seed
    made = Assignment(name, ids, seed, secrets.token_bytes(KEY_BYTES), feedback or {}, trust, folder=private and Path(private))
    for own, path in private_files(made.folder).items():
        if own in ids:
            sound(path, made)
    return made


def sound(path, assignment):
    """Raise a ValueError that names the file if a lecturer's task cannot be used: an entry of its record is missing, its code does not run."""
    try:
        task = assignment.tasks[path.stem]
        stub(task), task.points, task.names, task.right, task.checks, task.statement, task.lecture, task.minutes
        if task.kind == "backward":
            task.forward  # noqa: B018
    except Exception as error:  # whatever stands in the file
        raise ValueError(f"{path} must be a task as docs/tasks.md says: {type(error).__name__}: {error}") from error


def for_me(path, flags):
    """Open a file that its owner alone may read, from its first byte on."""
    return os.open(path, flags, 0o600)


# ---- which tasks --------------------------------------------------------------------------------


def private_files(folder):
    """{id: path} of the task files in a lecturer's folder; ValueError if two have one name."""
    if folder is None:
        return {}
    if not Path(folder).is_dir():
        raise ValueError(f"private must be a folder of task files, got {str(folder)!r}")
    paths = sorted(Path(folder).rglob("*.py"))
    if twice := [name for name, n in Counter(path.stem for path in paths).items() if n > 1]:
        raise ValueError(f"private tasks must have a name each, got {twice[0]}.py twice in {folder}")
    return {path.stem: path for path in paths}


def choose(words, private=None, graded=True):
    """The ids that words on a command line name, in the order of the words, each once.

    A task of the package that has a graded variant is replaced by it, because its own solution is published.

    Parameters
    ----------
    words : list of str: ids, "lab1" to "lab4", "core", "variants", "private", "all", or a chapter such as "02"
    private : folder of private tasks, or None
    graded : bool, whether variants take the place of their tasks

    Raises
    ------
    ValueError
        If a word names nothing, or a private task has the id of another.
    """
    own, families = private_files(private), variants.families()
    groups, chosen = groups_of(own, families), []
    if clash := set(own) & {*source.tasks(), *families, *groups}:
        raise ValueError(f"private tasks must have ids of their own, got {', '.join(sorted(clash))}: rename the files")
    for word in words:
        if word not in groups and word not in own and word not in families:
            word = task_named(word).id
        chosen += groups.get(word, [word])
    return list(dict.fromkeys(graded and variants.variant_for(name) or name for name in chosen))


def groups_of(own, families):
    """{word: ids} of the words that name several tasks."""
    groups = {"variants": list(families), "private": list(own), "core": [], "all": [*source.tasks(), *families, *own]}
    for task in source.tasks().values():
        number, _, _ = task.chapter.partition("-")
        names = [task.chapter, number] + (["core", f"lab{task.lab.partition('.')[0]}"] if task.core else [])
        for name in names:
            groups.setdefault(name, []).append(task.id)
    return groups


def published(assignment):
    """The ids whose right answers stand in the package."""
    return [name for name in assignment.ids if name in source.tasks()]
