"""Runs a student's file and judges it, in a process of its own: python -m tinyvae.exercises.child, an order on its standard input.

The order and the answer are JSON; the answer goes to a file, so that nothing that the student prints gets into it.
"""

import contextlib
import io
import json
import os
import sys
import tokenize
import traceback
import types
from pathlib import Path

from ..support.storage import write_text
from .wording import say

PRINTED = 4000  # characters of what the student's code prints are kept


class Printed(io.StringIO):
    """Keeps the first characters that are written, and drops the rest."""

    def write(self, text):
        """Return the length of text, as streams do."""
        super().write(text[: max(0, PRINTED - self.tell())])
        return len(text)


def load(path):
    """The namespace of a student's file; (namespace, "") or (None, what went wrong)."""
    space = vars(sys.modules.setdefault(f"student_{Path(path).stem}", types.ModuleType(f"student_{Path(path).stem}")))
    space["__file__"] = str(path)
    os.chdir(Path(path).parent)
    sys.path.insert(0, str(Path(path).parent))
    try:
        with tokenize.open(path) as file:  # as Python reads it: a coding line, a mark of byte order
            text = file.read()
        exec(compile(text, str(path), "exec"), space)  # noqa: S102 - this is what the process is for
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return None, say("does not run", error=f"{type(error).__name__}: {error}{where(error, path)}")
    return space, ""


def where(error, path):
    """", line 12: the code", the last line of the student's file that an error has come through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {frames[-1].lineno}: {frames[-1].line}" if frames else ""


def judged(order):
    """(the verdict on a file, a function that adds what takes longer): so the verdict stands if the explanation or the training comes too late."""
    from .capstone import in_training, judge_of, own_parts
    from .explain import begun, explain
    from .source import tasks

    task, said = tasks()[order["task"]], {"results": [], "texts": {}, "trained": None, "parts": {}, "error": "", "begun": True}
    space, said["error"] = load(order["file"])
    if space is None:
        return said | {"begun": False}, dict
    if task.kind == "capstone":
        space["parts"], said["parts"] = own_parts({name: load(path)[0] for name, path in order["parts"].items()})
    judge = judge_of(task)(task, space, order["seed"], where=lambda error: where(error, order["file"]))
    results = judge.results()
    said["results"], said["begun"] = [list(result) for result in results], begun(results)
    if all(result.ok for result in results):
        return said, lambda: in_training(judge, space, True)
    return said, lambda: {"texts": explain(judge, results)}


def main():
    """Read the order, run and judge; write the verdict, then, if more is wanted, once more with what takes longer."""
    order = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    printed, out = Printed(), Path(order["out"])
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        said, more = judged(order)
        said["printed"] = printed.getvalue()
        write_text(out, json.dumps(said))
        if order["more"]:
            with contextlib.suppress(Exception):  # strange results may defeat it; the verdict stands
                write_text(out, json.dumps(said | more()))


if __name__ == "__main__":
    main()
