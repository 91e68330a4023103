"""From an assignment to the folders of a platform: `student` is handed out, `lecturer` and `private` never."""

import importlib
import tempfile
from pathlib import Path

from .assignment import FILE, published

FORMATS = ("handout", "nbgrader", "otter", "gradescope")


def build(assignment, form, out):
    """Write an assignment in one format.

    Parameters
    ----------
    assignment : Assignment
    form : str, one of `FORMATS`
    out : path of a folder that is empty or not there

    Returns
    -------
    list of str, what to do with it, as lines

    Raises
    ------
    ValueError
        If the folder holds something: another build has another key, with which nothing that is handed in could be graded again.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"out must be an empty folder, got {out}: a build is not written over another, whose key would be lost")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".building-") as beside:  # a build is whole, or not there
        made = Path(beside, "out")
        for folder in ("student", "lecturer"):
            (made / folder).mkdir(parents=True)
        assignment.write(made / "private")
        importlib.import_module(f".formats.{form}", __package__).write(assignment, made)
        if out.exists():
            out.rmdir()
        made.rename(out)
    return summary(assignment, out)


def summary(assignment, out):
    """What was built, in a few lines."""
    names, open_answers = list(assignment.ids), published(assignment)
    lines = [f"{assignment.name}: {len(names)} tasks, {assignment.points} points, seed {assignment.seed}: {', '.join(names)}"]
    if open_answers:
        lines.append(f"the answers to {len(open_answers)} of them stand in the package: {', '.join(open_answers)}")
    return [*lines, f"hand out {out / 'student'}; keep {out / 'private' / FILE}: it holds the key, and nobody else may read it"]
