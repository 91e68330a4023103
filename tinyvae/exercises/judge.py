"""Judge an answer to a task: which of its tests hold, and, if asked, what is wrong.

The answer is a namespace of functions and values by their names; where it was run is no concern of the judge.
"""

import itertools
from typing import ClassVar, NamedTuple

import numpy as np

from ..gradcheck import Report, check
from ..gradcheck.arguments import copied
from .adapters import composed, first_of, named_as
from .helpers import RTOL, SIZES, described, dimensions, same, upstream
from .percent import namespace
from .verdicts import Heard
from .wording import say


class Result(NamedTuple):
    """One test of a task: its name, points, whether it holds, what it asks for, what was found where it does not hold, and
    whether there is nothing to judge yet."""

    name: str
    points: int
    ok: bool
    asks: str
    found: str = ""
    todo: bool = False


class Call(NamedTuple):
    """What is compared between the student's function and the right one: both under one name, and the arguments at each set of sizes."""

    name: str
    student: object
    right: object
    draws: list
    outputs: list
    rtol: float

    def fault(self):
        """What is wrong, in words, at the first set of sizes at which something is; None where all agree."""
        for args in self.draws:
            handed = copied(args)
            got, want = self.student(*handed), self.right(*copied(args))
            if not same(handed, args, 0):
                return say("changed", name=self.name)
            if (fault := compared(self.outputs, got, want, self.rtol)) is not None:
                return fault
            if not same(self.student(*copied(args)), got, 0):
                return say("noise", name=self.name)
        return None


def compared(names, got, want, rtol=RTOL):
    """What is wrong with a result, as a sentence: number, shapes, values; None if nothing is."""
    if not isinstance(want, (tuple, list)):
        got, want = (got,), (want,)
    elif not isinstance(got, (tuple, list)) or len(got) != len(want):
        return say("count", wanted=len(want), names=", ".join(names), got=described(got))
    names = names if len(names) == len(want) else [say("result", n=n) for n in range(1, len(want) + 1)]
    found = []
    for name, g, w in zip(names, got, want):
        if same(g, w, rtol):
            found.append(say("right", name=name))
        elif isinstance(w, dict) and isinstance(g, dict):
            found.append(compared(list(w), [g.get(key) for key in w], list(w.values()), rtol) or say("count", wanted=len(w), names=", ".join(w), got=", ".join(g)))
        elif isinstance(w, dict):
            found.append(say("shape", name=name, wanted=described(w), got=described(g)))
        elif isinstance(w, (tuple, list, str)) or w is None:
            found.append(say("wrong", name=name))
        else:
            kind = isinstance(g, (np.ndarray, np.generic, float, int)) and np.shape(g) == np.shape(w)
            found.append(say("wrong" if kind else "shape", name=name, wanted=described(np.asarray(w)), got=described(g)))
    return None if all(map(same, got, want, itertools.repeat(rtol))) else "; ".join(found)


class Judge:
    """The tests of one task on one answer."""

    def __init__(self, task, answer, seed=0, where=lambda error: ""):
        self.task, self.seed, self.where = task, answer.get("seed", seed) if task.kind == "numbers" else seed, where
        self.trained = None  # (before, after) in nats, once the capstone's model is
        self.student, self.drawn = namespace(answer), {}
        self.heard = Heard(self.student, task.names if task.kind == "test" else ())
        self.rtol, self.tolerance = float(task.record.get("rtol", RTOL)), float(task.record.get("tolerance", 1e-3))

    def rng(self, *more):
        """A generator of its own for every task and every use."""
        return np.random.default_rng([*self.task.id.encode(), *more])

    def results(self):
        """A Result for each test, in the record's order."""
        return [self.result(name, *entry) for name, entry in self.task.tests.items()]

    def result(self, name, points, asks):
        """One test; whatever the student's code raises is a failure, and said."""
        try:
            with np.errstate(all="ignore"):  # wrong answers overflow
                found = self.test(name)
        except NotImplementedError as todo:
            return Result(name, points, False, asks, say("todo", words=todo), True)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a student's code may raise anything
            found = say("raises", error=f"{type(error).__name__}: {error}") + self.where(error)
        return Result(name, points, found is None, asks, found or "")

    def test(self, name):
        """None if the test holds, else what was found."""
        task = self.task
        if task.kind == "numbers":
            return self.answer(name)
        if f"test_{name}" in task.checks:
            self.written()
            self.heard.asked.clear()
            ok = task.checks[f"test_{name}"](self.heard.student if task.kind == "test" else self.student, task.right, self.rng(3))
            return None if ok else self.heard.erred(task.right) or say("not so")
        return self.builtin[name](self)

    def written(self):
        """Raise if a function that the task asks for is not there."""
        for name in missing(self.task, self.student):
            raise NameError(say("missing", name=name))

    # ---- tests that many tasks have ----------------------------------------------------------------

    def same_values(self):
        """The results at three sets of sizes."""
        self.written()
        return self.call().fault()

    def same_outputs(self):
        """The forward pass of a pair at three sets of sizes."""
        self.written()
        return self.call_first().fault()

    def gradient_check(self):
        """Backward against differences of forward: the given one, or the student's own."""
        self.written()
        (forward, backward), (right, _) = self.pair(self.student), self.pair(self.task.right)
        wrt = self.task.record.get("wrt", "").split() or None
        report = check(named_as(right, forward), backward, *self.inputs(0), wrt=wrt)
        return None if report.ok else str(Report(report.title, report.rows, report.notes))  # the diagnosis comes by levels

    def mended(self):
        """A program is mended when it does at three sets of sizes what the right one does."""
        mistake = self.task.mistaken
        return None if self.behaves_like(mistake.build(mistake.right_source)) else say("not mended")

    def behaves_like(self, program):
        """Whether the student's program does at three sets of sizes what this one does, errors included."""
        return all(same(self.behaviour(self.student, n), self.behaviour(program, n)) for n in range(len(SIZES)))

    def behaviour(self, program, n):
        """What a program does at the n-th set of sizes, with a word for what is noise or not a number; or how it fails."""
        act = self.task.mistaken.check.behaviour
        try:
            with np.errstate(all="ignore"):
                return marked(*(act(program, self.rng(n), **sized(act, SIZES[n])) for _ in range(2)))
        except Exception as error:  # noqa: BLE001 - a wrong program may raise anything
            return f"{type(error).__name__}: {error}"

    def caught_by(self):
        """What the student says would have seen the mistake."""
        wanted = self.task.mistaken.caught_by
        given = getattr(self.student, "caught_by", None)
        if given in ("?", None):
            raise NotImplementedError(say("todo caught_by"))
        return None if str(given).strip().lower() == wanted else say("not caught_by", given=given)

    def answer(self, name):
        """An answer by hand."""
        right = self.task.right_numbers(self.seed)[name]
        given = getattr(self.student, name, None)
        if given is None:
            raise NotImplementedError(f"{name} = ?")
        given = given.strip() if isinstance(given, str) else given
        if not isinstance(right, str) and dimensions(given) not in (None, np.ndim(right)):
            return say("shape", name=name, wanted=say("a tuple" if np.ndim(right) else "a number"), got=described(given) if np.ndim(given) else given)
        return None if near(given, right, self.tolerance) else say("not it", name=name, given=given)

    builtin: ClassVar[dict] = {"values": same_values, "forward": same_outputs, "gradient": gradient_check, "mended": mended, "caught_by": caught_by}

    # ---- what is called, and with what ----------------------------------------------------------------

    def inputs(self, n):
        """The inputs of the task's function, or of its forward pass, at the n-th set of sizes."""
        if n not in self.drawn:  # whoever is handed them gets copies
            made = self.task.checks["inputs"]
            inputs = made(self.rng(n), **sized(made, SIZES[n]))
            self.drawn[n] = inputs if isinstance(inputs, tuple) else (inputs,)
        return self.drawn[n]

    def pair(self, space):
        """(forward, backward) of an answer: both its own, or its backward under the given forward."""
        task = self.task
        forward, backward = passes(task)
        return getattr(space, forward) if task.kind == "pair" else task.base[forward], getattr(space, backward)

    def call(self, answer=None):
        """The Call that `values` compares."""
        task, student = self.task, answer or self.student
        if task.kind == "pair":
            return self.call_pair(student)
        draws = [self.inputs(n) for n in range(len(SIZES))]
        if task.kind == "backward":
            forward, _ = self.pair(student)
            draws = [self.backward_args(forward, args, n) for n, args in enumerate(draws)]
        name, outputs = task.names[-1], task.outputs
        functions = [getattr(space, name) for space in (student, task.right)]
        if task.kind == "forward":
            functions, outputs = [first_of(f) for f in functions], outputs[:1]
        return Call(name, *functions, draws, outputs, self.rtol)

    def backward_args(self, forward, inputs, n):
        """(dout, cache) of a forward pass: the gradient from above has the shape of its output."""
        out, cache = forward(*copied(inputs))
        outs = out if isinstance(out, tuple) else (out,)
        douts = tuple(upstream(self.rng(n, 1), *np.shape(o)) for o in outs)
        return douts if isinstance(out, tuple) else douts[0], cache

    def call_pair(self, student):
        """The gradients of a pair, the student's backward with the student's own cache, as functions of (dout, *inputs)."""
        draws = []
        for n in range(len(SIZES)):
            inputs = self.inputs(n)
            dout, _ = self.backward_args(self.pair(self.task.right)[0], inputs, n)
            draws.append((dout, *inputs))
        functions = [composed(*self.pair(space)) for space in (student, self.task.right)]
        return Call(passes(self.task)[1], *functions, draws, self.task.outputs, self.rtol)

    def call_first(self, answer=None):
        """The output of a pair's forward pass."""
        functions = [first_of(self.pair(space)[0]) for space in (answer or self.student, self.task.right)]
        return Call(passes(self.task)[0], *functions, [self.inputs(n) for n in range(len(SIZES))], [self.task.out], self.rtol)


def passes(task):
    """The names of the forward and the backward pass: of a pair both the student's, else the given one and the student's."""
    if task.kind == "pair":
        return tuple(next(name for name in task.names if name.endswith(end)) for end in ("_forward", "_backward"))
    return task.forward.partition(":")[2] or task.forward, task.names[-1]


def missing(task, student):
    """The functions that a task asks for and that an answer lacks."""
    asked = [] if task.kind == "numbers" else task.names
    return [name for name in asked if callable(getattr(task.right, name)) and not hasattr(student, name)]


def sized(function, sizes):
    """The sizes that a function asks for by name, after its first arguments: {"N": 5, "K": 3}."""
    code = function.__code__
    return {name: sizes[name] for name in code.co_varnames[: code.co_argcount] if name in sizes}


def marked(first, second):
    """What two runs gave: the first, with a word for every part that has no numbers, or others in the second."""
    if isinstance(first, (tuple, list)) and isinstance(second, (tuple, list)):
        return tuple(marked(a, b) for a, b in zip(first, second))
    if np.asarray(first).dtype.kind == "f" and not np.isfinite(first).all():
        return "not a number"
    return first if same(first, second) else "noise"


def near(given, right, tolerance):
    """Whether an answer by hand is right: numbers to a tolerance, words as they are."""
    if isinstance(right, str):
        return isinstance(given, str) and given.lower() == right.lower()
    try:
        given, right = np.asarray(given, float), np.asarray(right, float)
    except (TypeError, ValueError, OverflowError):
        return False
    return given.shape == right.shape and bool(np.all(np.abs(given - right) <= tolerance * np.maximum(1, np.abs(right))))


def judge(task, answer, seed=0):
    """The Results of all tests of a task on an answer, a namespace of names to functions and values."""
    return Judge(task, answer, seed).results()


def earned(results):
    """Points of the tests that hold."""
    return sum(result.points for result in results if result.ok)
