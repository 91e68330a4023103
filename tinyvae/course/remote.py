"""An answer whose functions are in a child, and the judges that grade it: inputs that nobody can know before, nothing filled in."""

import builtins
import functools
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..data import load_digits, train_test_split
from ..exercises import capstone
from ..exercises.helpers import same
from ..exercises.judge import Judge, compared
from ..exercises.source import task_named
from ..exercises.training import EPOCHS, PARTS, OnePageVAE, parts
from ..exercises.wording import say
from .jail import Child, Jailed, Raised
from .outcomes import SENTENCES

BATCH_SIZE, LR = 100, 0.003


@functools.cache
def training():
    """The text that trains a submission's own page, in its child."""
    return Path(__file__).parent.joinpath("inside", "training.py").read_text(encoding="utf-8")


class Worker:
    """A submission's code in a child, which is started when it is called first, and anew when it has ended, while there is time.

    Parameters
    ----------
    code : str
    given : dict of module names to sources
    jail : str, see `jail.jails`
    cpu : float, seconds of computing, for each child
    seconds : float, of the clock, for all its children together: a busy machine must cost nobody points
    """

    def __init__(self, code, given, jail, cpu, seconds):
        self.code, self.given, self.jail, self.cpu = code, given, jail, cpu
        self.child, self.end, self.printed, self.faults = None, time.monotonic() + seconds, "", []

    def started(self):
        """The child, alive."""
        if self.child is None or not self.child.alive:
            self.close()
            left = self.end - time.monotonic()
            if left <= 0:
                raise Jailed("time", SENTENCES["time"].format(seconds=self.cpu))
            self.child = Child(self.code, self.given, self.jail, left, cpu=self.cpu)
        return self.child

    def call(self, name, *args, **options):
        """What a function of the submission returns; what it raises, of the same class where that is one of Python's."""
        try:
            return self.started().call(name, *args, **options)
        except Raised as error:
            raise as_raised(error) from None
        except Jailed as error:
            self.faults.append(str(error))
            self.end = 0 if error.reason == "time" else self.end  # what looped once would loop again
            raise

    def close(self):
        """End the child."""
        if self.child is not None:
            self.printed = self.printed or self.child.printed
            self.child.close()
            self.child = None


class RemoteFunction:
    """A function of the submission, called in its child; handed back to the child it is that very function."""

    __slots__ = "__name__", "own", "worker"  # no __dict__, which functools.wraps would copy

    def __init__(self, worker, name):
        self.worker, self.own, self.__name__ = worker, name, name

    def __call__(self, *args, **options):
        """What it returns; ValueError if it changes what it is handed, which is a copy: nothing of the judge's can be changed."""
        handed, others = kept_apart((args, options))
        found = self.worker.call(self.own, *handed, **others)
        if not same((handed, others), (args, options), 0):
            raise ValueError(say("changed", name=self.own))
        return found


def kept_apart(value):
    """The same value with copies of its arrays; generators, functions and what is held in the child are the very same."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)(map(kept_apart, value))
    return {name: kept_apart(item) for name, item in value.items()} if isinstance(value, dict) else value


class Unforeseen(RemoteFunction):
    """A function that is asked about published programs, in a published order: what was asked before is asked again in between, at random
    places, so that counting the calls is of no use. Answers must stay the same."""

    __slots__ = "rng", "seen"

    def __init__(self, worker, name, rng):
        super().__init__(worker, name)
        self.rng, self.seen = rng, []

    def __call__(self, *args, **options):
        for _ in range(self.rng.integers(0, 3)) if self.seen else ():
            (again, others), before = self.seen[self.rng.integers(len(self.seen))]
            if not same(super().__call__(*again, **others), before, 0):
                raise ValueError(say("noise", name=self.own))
        found = super().__call__(*args, **options)
        self.seen.append(((args, options), found))
        return found


def as_raised(error):
    """An exception in place of one in the child; NotImplementedError still says that there is nothing yet."""
    kind = getattr(builtins, error.kind, None)
    simple = isinstance(kind, type) and issubclass(kind, (ArithmeticError, LookupError, NameError, TypeError, NotImplementedError)) or kind is ValueError
    made = kind(error.words) if simple else RuntimeError(f"{error.kind}: {error.words}")
    made.line = error.line
    return made


def where(error):
    """", line: the code" of an exception from the child."""
    line = getattr(error, "line", "").strip()
    return f", line: {line}" if line else ""


def answer(task, worker, key):
    """The names of a submission as a Judge wants them: functions that are called in the child, and the values that the task asks for.

    The key says where programs that are judged are asked about again, see `Unforeseen`.
    """
    child, rng = worker.started(), np.random.default_rng([*key, 0])
    words = task.tests if task.kind == "numbers" else [name for name in task.names if not callable(getattr(task.right, name))]
    found = {name: RemoteFunction(worker, name) for name, kind in child.names.items() if kind != "value"}
    if task.kind == "test":
        found |= {name: Unforeseen(worker, name, rng) for name in task.names if name in found}
    return found | {name: child.value(name) for name in words if child.names.get(name) == "value"}


class GradedJudge(Judge):
    """A Judge whose inputs come from a key, and whose seed is that of the assignment, whatever the submission says."""

    def __init__(self, task, answer, seed, key):
        super().__init__(task, {name: value for name, value in answer.items() if name != "seed"}, seed, where)
        self.key = key

    def rng(self, *more):
        """A generator of its own for every use."""
        return np.random.default_rng([*self.key, *more])

    def test(self, name):
        """None if the test holds, else what was found, which may be that there is no answer."""
        try:
            return super().test(name)
        except Jailed as error:
            return str(error)


class GradedCapstone(GradedJudge):
    """The capstone with the submission's own parts alone: nothing is filled in."""

    @functools.cached_property
    def own(self):
        """The parts, all of the submission."""
        for name in (*PARTS, "adam_step"):
            if not hasattr(self.student, name):
                raise NameError(say("missing", name=name))
        self.student.parts = parts(vars(self.student))
        return self.student.parts

    def page(self):
        """The submission's forward pass against the right one."""
        return capstone.page(self, self.own)

    def gradients(self):
        """The submission's backward pass against differences of its forward pass."""
        return capstone.gradients(self) if self.own else None

    def in_training(self):
        """Trained in the child, once its page, gradients and step of Adam are right on drawn inputs; on digits whose pixels are shuffled; judged here."""
        if self.page() or self.gradients():
            return say("first the others")
        if (fault := self.steps()) is not None:
            return f"adam_step: {fault}"
        rng = self.rng(5)
        order = rng.permutation(64)
        X_train, X_test = (X[:, order] for X in train_test_split(*load_digits())[:2])
        model = OnePageVAE(X_train.shape[1], seed=int(rng.integers(2**31)))
        weights = {name: weight.copy() for name, weight in model.params.items()}
        after = self.student.train_page(X_train.astype(model.dtype), weights, EPOCHS, BATCH_SIZE, LR, int(rng.integers(2**31)))
        for name, weight in model.params.items():
            weight[...] = np.asarray(after[name], model.dtype).reshape(weight.shape)
        reached = model.evaluate(X_test)["neg_elbo"]
        return None if reached <= capstone.ENOUGH else say("not enough", reached=reached, enough=capstone.ENOUGH)

    def steps(self):
        """Three steps of the submission's Adam against the right one."""
        rng, right = self.rng(6), task_named("adam_step").right.adam_step
        theta, m, v = rng.standard_normal(17), np.zeros(17), np.zeros(17)
        for t in (1, 2, 3):
            options = theta, rng.standard_normal(17), m, v, t, LR, 0.9, 0.999, 1e-8
            want = right(*options)
            if (fault := compared(["theta", "m", "v"], self.student.adam_step(*options), want)) is not None:
                return fault
            theta, m, v = want
        return None

    builtin: ClassVar[dict] = Judge.builtin | {"page": page, "gradients": gradients, "trained": in_training}


def judge_of(task):
    """The class of judge for a task."""
    return GradedCapstone if task.kind == "capstone" else GradedJudge
