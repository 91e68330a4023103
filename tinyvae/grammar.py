"""A small grammar whose strings have known probabilities: arithmetic expressions of at most 11 symbols.

    E -> A .46 | A O A .54        A -> V .7 | ( V O V ) .3        O -> + .6 | * .4        V -> x .5 | y .3 | z .2

It stands for what the lecture names and what is too large for a laptop: molecules written as strings, parse trees, drawings as
sequences of strokes, melodies. No string has two parse trees, so p of a string is the product of its rules; there are 903
strings, so the entropy, and the mean of anything over the data's distribution, is a finite sum.
"""

import functools
import math

import numpy as np

from .recurrent import END
from .support.validation import check_int

RULES = {
    "E": ((0.46, "A"), (0.54, "AOA")),
    "A": ((0.7, "V"), (0.3, "(VOV)")),
    "O": ((0.6, "+"), (0.4, "*")),
    "V": ((0.5, "x"), (0.3, "y"), (0.2, "z")),
}
SYMBOLS = "$xyz+*()"  # number -> symbol; $ is the end
LENGTH = 12  # columns: the longest string, (x+y)*(x+y), and the end


def derivations(body, text):
    """Every way to derive a beginning of `text` from the symbols of `body`, by trying all rules.

    Yields (log p, parse trees of the symbols, the text that is left); a tree is a terminal, or (nonterminal, *trees).

    Examples
    --------
    >>> for log_p, (tree,), rest in derivations("A", "x+y"):
    ...     print(round(log_p, 4), tree, rest)
    -1.0498 ('A', ('V', 'x')) +y
    """
    if not body:
        yield 0.0, (), text
    elif body[0] not in RULES:
        if text.startswith(body[0]):
            yield from ((log_p, (body[0], *trees), rest) for log_p, trees, rest in derivations(body[1:], text[1:]))
    else:
        for p, rule in RULES[body[0]]:
            for log_p, inner, rest in derivations(rule, text):
                for log_p_after, trees, left in derivations(body[1:], rest):
                    yield math.log(p) + log_p + log_p_after, ((body[0], *inner), *trees), left


def parse(text):
    """(log p in nats, parse tree) of a string; (-inf, None) for one that the grammar does not have.

    Examples
    --------
    >>> log_p, tree = parse("x*(y+z)")
    >>> round(log_p, 4), tree[0], parse("x+")[1]
    (-7.1105, 'E', None)
    """
    whole = [(log_p, tree) for log_p, (tree,), rest in derivations("E", text) if not rest]
    return whole[0] if whole else (-math.inf, None)


@functools.cache
def language(body="E"):
    """All strings that the symbols of `body` derive, each with its probability: a dict, of 903 strings for "E"."""
    found = {"": 1.0}
    for symbol in body:
        ends = {symbol: 1.0}
        if symbol in RULES:
            ends = {text: p * q for p, rule in RULES[symbol] for text, q in language(rule).items()}
        found = {text + end: p * q for text, p in found.items() for end, q in ends.items()}
    return found


def entropy():
    """-sum p log p over all strings, in nats: no model needs fewer nats per string.

    >>> round(entropy(), 4)
    4.3664
    """
    return -math.fsum(p * math.log(p) for p in language().values())


def numbers(texts):
    """Strings as rows of whole numbers, of shape (N, 12), filled up with the end symbol.

    >>> print(numbers(["x+y"]))
    [[1 4 2 0 0 0 0 0 0 0 0 0]]
    """
    return np.array([[SYMBOLS.index(symbol) for symbol in text.ljust(LENGTH, SYMBOLS[END])] for text in texts])


def text(X):
    """Rows of whole numbers as strings, each up to its first end symbol: a list of str.

    >>> text([[1, 4, 2, 0, 0], [6, 6, 6, 6, 6]])
    ['x+y', '(((((']
    """
    return ["".join(SYMBOLS[int(symbol)] for symbol in row).split(SYMBOLS[END])[0] for row in X]


def strings(n, seed=0):
    """n strings drawn from the grammar, as whole numbers of shape (n, 12).

    >>> text(strings(4))
    ['x*(x*z)', 'z', 'x', 'x']
    """
    rng, known = np.random.default_rng(seed), language()
    return numbers(known)[rng.choice(len(known), check_int("n", n, 1), p=list(known.values()))]
