"""One case to diagnose: a function, its arguments at several draws, what it gives there and what it should give."""

import itertools
import re
import time
from typing import NamedTuple

import numpy as np

from .arguments import (
    FIT,
    RIGHT,
    attempt,
    copied,
    distance,
    is_numbers,
    leaf_names,
    leaves,
    parameters,
    replaced,
    results,
    same,
)
from .wording import say

SECONDS = 0.7  # for all searches together; what runs the function itself takes its own time besides


class Finding(NamedTuple):
    """One mistake that was seen.

    Attributes
    ----------
    kind : str, "scale", "factor", "mutant", ...; "unknown" if no formula was recognised
    output : str, the name of the result it concerns; empty if it concerns all
    symptom, experiment : str, what one sees, and what to try (level 1)
    step : str, the step of the derivation (level 2)
    formula : str, what the result is equal to (level 3); empty if none is claimed
    residual : float, how far the formula is off, relatively, at the worst draw; NaN where there is none
    """

    kind: str
    output: str
    symptom: str
    experiment: str = ""
    step: str = ""
    formula: str = ""
    residual: float = np.nan


class Explanation(NamedTuple):
    """A formula that gives exactly one of the wrong results; the smaller its cost the simpler it is."""

    cost: float
    kind: str
    index: int
    formula: str
    residual: float
    about: tuple = ()  # (name, value) of an input at which the error vanishes


class Run(NamedTuple):
    """One call: the results as arrays, the value itself, the exception if there was one, and the inputs that were changed in place."""

    results: tuple
    value: object
    error: BaseException
    changed: tuple


class Case:
    """What is known of one function; `wrong` holds the indices of its wrong results, and searches go on while there is `time_left()`.

    `backward`: given where the function wraps a backward pass, (dout, cache) -> gradients, whose draws are as different as they can be made.
    """

    def __init__(self, function, draws, reference=None, wanted=None, outputs=(), sizes=None, backward=None):
        self.function, self.reference, self.draws = function, reference, [tuple(args) for args in draws]
        self.measured = backward is not None  # what is right was measured by differences
        self.ends = time.perf_counter() + SECONDS
        wanted = [reference(*copied(args)) for args in self.draws] if reference else wanted
        self.keys = tuple(map(str, wanted[0])) if isinstance(wanted[0], dict) else ()
        self.wants = [results(value, keys=self.keys) for value in wanted]
        self.names = leaf_names([f for f in (reference, backward or function) if f], self.draws[0])
        present = [{path for path, leaf in leaves(args) if is_numbers(leaf)} for args in self.draws]
        self.paths = [path for path in self.names if all(path in found for found in present)]
        count, outputs = len(self.wants[0]), self.keys or outputs
        self.outputs = tuple(outputs) if len(outputs) == count else tuple(say("nth_result", n=i + 1) for i in range(count)) if count > 1 else (say("the_result"),)
        self.runs = [self.run(args) for args in self.draws]
        self.again, self.wrong = self.run(self.draws[0]), ()
        self.upstream = tuple(path for path in self.movable() if path[0] == 0) if backward else self._upstream()
        self.noun = say("gradient" if self.upstream else "value")
        self.sizes = self._sizes(sizes)
        self.factors = None  # the table of factors with a name, once it is needed
        self.different = bool(backward) or self._different()

    def run(self, args, function=None):
        """Call the function on copies."""
        handed, value, error = copied(args), None, None
        try:
            value = (function or self.function)(*handed)
            found = results(value, len(self.outputs), self.keys)
        except (Exception, SystemExit) as raised:  # noqa: BLE001  whatever it raises is what is to be told
            error, found = raised, ()
        before, after = dict(leaves(args)), dict(leaves(handed))
        changed = [path for path in before if is_numbers(before[path]) and not (path in after and same(before[path], after[path]))]
        return Run(found, value, error, tuple(changed))

    def time_left(self):
        """Whether a search may go on."""
        return time.perf_counter() < self.ends

    # ---- the inputs ------------------------------------------------------------------------------------

    def leaf(self, d, path):
        """An input at a draw, as an array of floats."""
        value = self.draws[d]
        for key in path:
            value = value[key]
        return np.asarray(value, float)

    def with_leaf(self, d, path, leaf):
        """The arguments of a draw, one leaf replaced."""
        return replaced(self.draws[d], path, leaf)

    def movable(self):
        """The paths of inputs that are no masks and no counts, so that they may be moved."""
        found = dict(leaves(self.draws[0]))
        return [path for path in self.paths if np.asarray(found[path]).dtype.kind == "f"]

    def _upstream(self):
        """The paths of the upstream gradient, if the first argument is one: by its name, and if the reference is linear in it."""
        named = [names for names in (parameters(f) for f in (self.reference, self.function) if f) if names]
        called = [p for p in named if re.fullmatch(r"d[a-z]\w*|g|grad\w*|upstream\w*", p[0]) and len(p) == 2 or "cache" in p[1:]]
        paths = [path for path in self.movable() if path[0] == 0]
        unnamed = len(self.draws[0]) != 2 or isinstance(self.draws[0][1], (int, float))
        if not paths or (not called if named else unnamed):
            return ()
        if self.reference is None:
            return tuple(paths)
        args = self.draws[0]
        for path in paths:
            args = replaced(args, path, 3.0 * self.leaf(0, path))
        found = attempt(self.reference, args)
        linear = found and all(distance(a, 3.0 * b) < FIT for a, b in zip(found, self.wants[0]) if is_numbers(b))
        return tuple(paths) if linear else ()

    # ---- the sizes -------------------------------------------------------------------------------------

    def _sizes(self, given):
        """{name: lengths at the draws}: those that were given, then the axes of the inputs, each length once; constants are no sizes."""
        found = {}
        if given:
            found = {name: tuple(sizes.get(name) for sizes in given) for name in given[0]}
        for path in self.paths:
            shapes = [self.leaf(d, path).shape for d in range(len(self.draws))]
            for axis in range(len(shapes[0]) if len({*map(len, shapes)}) == 1 else 0):
                name = f"len({self.names[path]})" if axis == 0 else f"{self.names[path]}.shape[{axis}]"
                lengths = tuple(shape[axis] for shape in shapes)
                if lengths not in found.values():
                    found[name] = lengths
        return {name: lengths for name, lengths in found.items() if None not in lengths and len(set(lengths)) > 1}

    def may_be_size(self, number):
        """Whether a number is made of the lengths of axes that are the same at all draws, so that it may stand for them."""
        fixed = {n for path in self.paths for n in self.leaf(0, path).shape if all(n in self.leaf(d, path).shape for d in range(len(self.draws)))} - {1}
        made = {a * b for a in fixed for b in fixed | {1}} | {a / b for a in fixed for b in fixed}
        return any(abs(abs(number) * c - m) < 1e-9 * m or abs(abs(number) * c * m - 1) < 1e-9 for m in made - {1} for c in (1, 2, 0.5))

    def _different(self):
        """Whether there are three draws, no two of the same sizes: with fewer nothing is proved."""
        shapes = [[np.shape(leaf) for _, leaf in leaves(args)] for args in self.draws]
        alone = not any(shape for found in shapes for shape in found)  # numbers alone have no sizes
        return len(shapes) >= 3 and (alone or all(a != b for a, b in itertools.combinations(shapes, 2)))

    # ---- the results -----------------------------------------------------------------------------------

    def got(self, i):
        """Result number i at every draw."""
        return [run.results[i] for run in self.runs]

    def want(self, i):
        """What result number i should be at every draw."""
        return [want[i] for want in self.wants]

    def floor(self, d):
        """Beside what a result is too small to matter: it may be rounding alone."""
        norms = [np.linalg.norm(self.leaf(d, path)) for path in self.upstream] or [np.linalg.norm(w) for w in self.wants[d] if is_numbers(w)]
        return 1e-6 * max([n for n in norms if np.isfinite(n)], default=0.0)

    def telling(self, i, name, value):
        """Whether a right result is neither zero nor infinite where an input has this value: only there an error that is left, or gone, tells something."""
        path = next(path for path, known in self.names.items() if known == name)
        if self.reference is None:
            return True
        try:
            args = copied(self.with_leaf(0, path, np.full_like(self.leaf(0, path), value)))
            size = np.linalg.norm(results(self.reference(*args), keys=self.keys)[i])
        except Exception:  # noqa: BLE001  not defined there
            return False
        return bool(1e-6 * np.linalg.norm(self.want(i)[0]) < size < np.inf)

    def error(self, i):
        """The largest relative error of result number i."""
        return max(distance(g, w, self.floor(d)) for d, (g, w) in enumerate(zip(self.got(i), self.want(i))))

    def judge(self):
        """Find the wrong results. Where the right one is NaN or infinite, and this one is the same, neither is looked at."""
        for run, want in zip(self.runs, self.wants):
            for g, w in zip(run.results, want):
                holes = ~np.isfinite(w)
                if holes.any() and g.shape == w.shape and g.dtype.kind == "f" and np.array_equal(g[holes], w[holes], equal_nan=True):
                    g[holes] = w[holes] = 0.0
        self.wrong = tuple(i for i in range(len(self.outputs)) if not self.error(i) < (FIT if self.measured else RIGHT))
        return self.wrong

    def fits(self, i, values):
        """The worst residual if result number i equals these values at all draws to 1e-9, else None; `values`: an iterable over draws."""
        worst = 0.0
        for d, (g, value) in enumerate(zip(self.got(i), values)):
            worst = max(worst, np.inf if value is None else distance(g, np.asarray(value), self.floor(d)))
            if not worst < FIT:
                return None
        return worst
