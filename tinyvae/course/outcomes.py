"""What comes of asking a child, beside a plain value: no usable answer, an error of the student, an object that stays there."""

from .wire import words

SENTENCES = {
    "time": "it did not end within the {seconds:.3g} s that it may take: is there a loop without an end, or are there very many calls?",
    "ended": "it ended before it answered: it left Python, or took more memory or time than it may",
    "answer": "what came back is not an answer",
}


class Jailed(Exception):
    """The child gave no usable answer; `reason` is "time", "ended", "answer" or "start", the words are for the student."""

    def __init__(self, reason, sentence):
        super().__init__(sentence)
        self.reason = reason


class Raised(Exception):
    """The student's code raised: `kind` of the error, its `words`, the `line` of the student that did it, or ""."""

    def __init__(self, kind, message, line):
        self.kind, self.words, self.line = words(kind, 100), words(message, 300), words(line, 300)
        super().__init__(f"{self.kind}: {self.words}")


class Held:
    """An object of the child that stays there: its number, and the name of its type as the child says."""

    def __init__(self, number, kind):
        self.number, self.kind = number, kind

    def __repr__(self):
        return f"Held({self.number}, {self.kind!r})"


class HeldTuple(Held, tuple):
    """A named tuple of the child: its parts can be looked at, handed back it is the very object."""

    def __new__(cls, items, number, kind):
        return tuple.__new__(cls, items)

    def __init__(self, items, number, kind):
        super().__init__(number, kind)
