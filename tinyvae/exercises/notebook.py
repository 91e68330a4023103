"""Practice in a notebook: a task shows itself, and its `check` judges functions of the notebook."""

import contextlib
import html
import inspect

from . import practice, sheet
from .capstone import in_training, judge_of
from .explain import begun, explain
from .judge import earned
from .progress import level
from .source import task_named
from .wording import say

_TRIED = {}  # (task, seed) -> what was tried since Python started, and what was passed or given up


class NotebookTask:
    """One exercise in a notebook.

    Displayed, it is the statement with the stub; `check` judges, `hint` gives one more hint, `solution` shows the answer after
    a pass or on giving up. Nothing is stored.

    Examples
    --------
    >>> from tinyvae import kl_backward
    >>> bool(task("kl_backward").check(kl_backward))  # doctest: +ELLIPSIS
    kl_backward: 5 of 5 points
    ...
    True
    """

    def __init__(self, task, seed=0):
        self.task, self.seed = task, seed
        self._state = _TRIED.setdefault((task.id, seed), {"tried": set(), "hints": 0, "passed": False, "given_up": False})

    def __repr__(self):
        return sheet.file(self.task, self.seed)

    def _repr_markdown_(self):
        head = f"**{html.escape(self.task.title)}**\n\n{sheet.statement(self.task, self.seed)}\n\n*{sheet.facts(self.task)[1:-1]}*"
        return f"{head}\n\n```python\n{sheet.stub(self.task, self.seed)}\n```\n\n{say('in a notebook', task=self.task.id, call=self.call())}"

    def wanted(self):
        """The names that `check` takes."""
        return list(self.task.right_numbers(self.seed)) if self.task.kind == "numbers" else self.task.names

    def call(self):
        """The line of code that hands in an answer."""
        words = [name for name in self.wanted() if self.task.kind == "numbers" or not callable(getattr(self.task.right, name))]
        return f'task("{self.task.id}").check({", ".join(f"{name}={name}" if name in words else name for name in self.wanted())})'

    def check(self, *functions, **named):
        """Judge functions in the order in which the task names them, or names and values: check(kl=2.5).

        Returns
        -------
        Checked, which is true if all tests hold; it has been printed

        Raises
        ------
        TypeError
            If the task asks for other names or another number of functions.
        """
        wanted = self.wanted()
        unknown = [name for name in named if name not in wanted]
        if len(functions) > len(wanted) or unknown or not (functions or named):
            got = f"{len(functions)} without a name" + (f" and {', '.join(named)}" if named else "")
            raise TypeError(f"check must be given {', '.join(wanted)} of {self.task.id}, got {got}: {self.call()}")
        return self._judged(dict(zip(wanted, functions)) | named)

    def _judged(self, answer):
        judge = judge_of(self.task)(self.task, answer, self.seed)
        results = judge.results()
        passed = all(result.ok for result in results)
        state = self._state
        state["passed"] |= passed
        texts = {}
        with contextlib.suppress(Exception):  # strange results may defeat it; the verdict stands
            texts = {} if passed else explain(judge, results)
        if not passed and begun(results):
            state["tried"].add(_mark(answer))
        said = {"results": results, "texts": texts, "parts": {}, "printed": "", "error": ""} | in_training(judge, answer, passed)
        checked = Checked(passed, earned(results), practice.report(self.task, said, level(state["tried"], state["given_up"])))
        print(checked)
        if not passed:
            print(say("hints in a notebook", task=self.task.id))
        return checked

    def hint(self):
        """Print one more hint, with those before it."""
        self._state["hints"] = min(len(self.task.hints), self._state["hints"] + 1)
        print(practice.hints(self.task, self._state["hints"]))

    def solution(self, give_up=False):
        """Print the solution, after a pass or if `give_up`."""
        if not (self._state["passed"] or give_up):
            print(say("not yet", task=self.task.id))
            return
        self._state["given_up"] |= give_up
        print(sheet.solved(self.task, self.seed))


class Checked:
    """What a check found: true if all tests hold; `points`, and the report as text."""

    def __init__(self, ok, points, text):
        self.ok, self.points, self.text = ok, points, text

    def __bool__(self):
        return self.ok

    def __str__(self):
        return self.text

    def _ipython_display_(self):
        """Nothing: `check` has printed it."""

    def __repr__(self):
        return f"<{'passed' if self.ok else 'not passed'}, {self.points} points>"


def _mark(answer):
    """What tells one attempt from another: the source of functions, the numbers."""
    return tuple(_source(value) for value in answer.values())


def _source(value):
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):  # no function, or one that was made without a text
        return repr(value)


def task(name, seed=0):
    """A task by its id, for a notebook.

    Parameters
    ----------
    name : str
    seed : int, of the numbers in the statement; 0 are the lecture's

    Raises
    ------
    ValueError
        If there is no such task; the message names those that are close.
    """
    return NotebookTask(task_named(name), seed)
