"""What a student's test of programs says of them: heard, remembered, and held against what is right."""

import functools

import numpy as np

from .percent import namespace
from .wording import say


class Heard:
    """An answer, some functions of which are listened to: each is asked about a thing once, and what it said is remembered.

    student: the answer with these functions; asked: [(name, arguments, what was said)], which whoever listens may empty.
    """

    def __init__(self, student, names):
        self.asked, self._said = [], {}
        functions = {name: getattr(student, name) for name in names if callable(getattr(student, name, None))}
        self.student = namespace(vars(student) | {name: functools.partial(self._ask, name, function) for name, function in functions.items()})

    def _ask(self, name, function, *args):
        key = name, *map(id, args)
        if key not in self._said:
            self._said[key] = function(*args), args  # which are kept, so that no other thing gets their id
        self.asked.append((name, args, self._said[key][0]))
        return self._said[key][0]

    def erred(self, right):
        """Which way the last wrong verdict errs, in words; None if there is none."""
        for name, args, said in reversed(self.asked):
            truth = getattr(right, name)(*args)
            if isinstance(truth, (bool, np.bool_)) and bool(said) != truth:
                return say("missed" if truth else "accused", name=name)
        return None
