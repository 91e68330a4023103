"""How a wrong result differs from the right one, in words that give no formula away, and what to try next."""

import numpy as np

from .algebra import ratios
from .arguments import FIT, attempt, distance
from .symptoms import dependence, upstream_use
from .wording import listed, say


class Look:
    """What is seen of one wrong result: `key` of the sentence, its parts, and facts that are a finding by themselves."""

    def __init__(self, case, i):
        self.case, self.i = case, i
        self.got, self.want, self.name = case.got(i), case.want(i), case.outputs[i]
        self.use = upstream_use(case, i)
        self.lost = dependence(case, i)

    def symptom(self):
        """(kind of the fact, or "" if it is none; sentence)."""
        for look in (self._shape, self._zero, self._use, self._scale, self._depends, self._signs, self._slices, self._some):
            found = look()
            if found:
                return found
        return "", self._say("number" if all(np.size(w) == 1 for w in self.want) else "differs")

    def _say(self, key, **parts):
        return say(f"{key}.symptom", output=self.name, noun=self.case.noun, **parts)

    def _shape(self):
        for g, w in zip(self.got, self.want):
            if g.shape != w.shape:
                return "shape", self._say("shape", got=g.shape, wanted=w.shape)
        return None

    def _zero(self):
        return None if any(np.any(g) for g in self.got) else ("zero", self._say("zero"))

    def _scale(self):
        factors = ratios(self.got, self.want)
        if factors is None or all(np.size(w) == 1 for w in self.want):
            return None
        size, negative = np.abs(factors), factors[0] < 0
        if np.ptp(np.sign(factors)):
            return "", self._say("scale.unsteady")
        if np.abs(size - 1).max() < FIT:
            return "scale", self._say("scale.opposite")
        key = "large" if (size > 1).all() else "small" if (size < 1).all() else "other"
        return "scale", self._say(f"scale.{'minus_' if negative else ''}{key}")

    def _use(self):
        return (self.use, self._say(f"upstream.{self.use}", upstream=listed([self.case.names[p] for p in self.case.upstream]))) if self.use else None

    def _depends(self):
        if not self.lost:
            return None
        key = self.lost[0][0]
        paths = [p for k, p in self.lost if k == key]
        return "dependence", self._say(key, names=listed([self.case.names[p] for p in paths]))

    def _signs(self):
        if self.want[0].size > 1 and all(distance(np.abs(g), np.abs(w)) < FIT for g, w in zip(self.got, self.want)):
            return "", self._say("signs")
        return None

    def _slices(self):
        """The same factor within each row, or each column, but not in all."""
        for axis in range(self.want[0].ndim if self.want[0].ndim > 1 else 0):
            pairs = [(np.moveaxis(g, axis, 0), np.moveaxis(w, axis, 0)) for g, w in zip(self.got, self.want)]
            if all(ratios([a], [b]) is not None or distance(a, b) < FIT for g, w in pairs for a, b in zip(g, w)) and min(g[0].size for g, _ in pairs) > 1:
                return "", self._say("slices", axis=axis)
        return None

    def _some(self):
        right = [np.abs(g - w) <= FIT * np.maximum(np.abs(g), np.abs(w)) for g, w in zip(self.got, self.want)]
        if not all(r.any() for r in right) or self.want[0].ndim == 0:
            return None
        for path in self.case.paths:
            leaves = [self.case.leaf(d, path) for d in range(len(right))]
            if all(leaf.shape == r.shape for leaf, r in zip(leaves, right)):
                for sign, key in ((1, "some.positive"), (-1, "some.negative")):
                    if all(np.array_equal(r, sign * leaf > 0) for r, leaf in zip(right, leaves)):
                        return "", self._say(key, name=self.case.names[path])
        return "", self._say("some", bad=int((~right[0]).sum()), size=right[0].size)

    # ---- what to try ---------------------------------------------------------------------------------

    def experiment(self, kind, vanishing=()):
        """The sentence of an experiment: one of its own for what is seen, else an input at which the error vanishes, else a small case.

        `vanishing`: (name, value) of such an input, where one is known.
        """
        if kind in ("shape", "scale", "zero", "ignored", "bent"):
            kind = "scale.value" if kind == "scale" and not self.case.upstream else kind
            return say(f"{kind}.experiment", output=self.name, upstream=listed([self.case.names[p] for p in self.case.upstream] or [""]))
        if kind == "dependence":
            return say("depends.experiment", output=self.name, name=self.case.names[self.lost[0][1]])
        name, value = next(((self.case.names[path], value) for value, path in self._vanishing()), vanishing or ("", 0))
        if name:
            return say("vanish.experiment", name=name, value=value)
        return say("small.experiment", output=self.name) if self.case.upstream else say("entry.experiment", output=self.name)

    def _vanishing(self):
        """(value, path) of inputs that may be set to 1 or 0 so that the error vanishes."""
        for value in (1, 0):
            for path in self.case.movable() if self.case.reference else ():
                if path in self.case.upstream or not self.case.time_left():
                    continue
                args = self.case.with_leaf(0, path, np.full_like(self.case.leaf(0, path), value))
                pair = attempt(self.case.function, args, len(self.case.outputs)), attempt(self.case.reference, args)
                if all(p is not None and len(p) > self.i for p in pair) and distance(pair[0][self.i], pair[1][self.i], self.case.floor(0)) < FIT and np.any(pair[1][self.i]):
                    yield value, path
