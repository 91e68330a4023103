"""What a record of the examination holds, and the two decorators that write it into a list."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """A wrong backward function: what is wrong in words, and every category that is a true name of it."""

    pair: str
    id: str
    backward: object
    truth: str
    accept: tuple


class Right(NamedTuple):
    """A right backward function, written in another way than the package's."""

    pair: str
    id: str
    backward: object


def wrong_into(records):
    def wrong(pair, truth, *accept):
        def add(backward):
            records.append(Wrong(pair, backward.__name__, backward, truth, accept))
            return backward

        return add

    return wrong


def right_into(records):
    def right(pair):
        def add(backward):
            records.append(Right(pair, backward.__name__, backward))
            return backward

        return add

    return right
