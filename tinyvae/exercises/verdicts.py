"""What a student's test of programs says of them: heard, remembered, and held against what is right."""

import functools

import numpy as np

from .percent import namespace
from .wording import say


class Heard:
    """An answer, some functions of which are listened to: each is asked about a thing once, and what it said, or raised, is remembered.

    student: the answer with these functions; asked: [(name, arguments, options, what was said)], which whoever listens may empty.
    """

    def __init__(self, student, names):
        self.asked, self._said = [], {}
        functions = {name: getattr(student, name) for name in names if callable(getattr(student, name, None))}
        self.student = namespace(vars(student) | {name: functools.partial(self._ask, name, function) for name, function in functions.items()})

    def _ask(self, name, function, *args, **options):
        key = name, *map(id, args), *((word, id(value)) for word, value in options.items())
        if key not in self._said:
            try:
                self._said[key] = function(*args, **options), None, (args, options)  # which are kept, so that no other thing gets their id
            except Exception as error:  # noqa: BLE001 - whoever raises is not asked a second time either
                self._said[key] = None, error, (args, options)
        said, error, _ = self._said[key]
        if error is not None:
            raise error
        self.asked.append((name, args, options, said))
        return said

    def erred(self, right):
        """Which way the last wrong verdict errs, in words; None if there is none."""
        for name, args, options, said in reversed(self.asked):
            truth = getattr(right, name)(*args, **options)
            if isinstance(truth, (bool, np.bool_)) and bool(said) != truth:
                return say("missed" if truth else "accused", name=name)
        return None
