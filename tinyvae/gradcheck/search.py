"""The search for a formula: functions that give exactly what the wrong function gives, and formulas between wrong and right results."""

import numpy as np

from .algebra import axes, factor_name, of_right, order, ratios, scale
from .arguments import FIT, attempt, distance
from .case import Explanation
from .edits import edits
from .products import products
from .terms import terms
from .wording import say

TRANSFORMS = {  # key of the sentence: what is done to an input
    "sign": lambda v: -v,
    "half": lambda v: v / 2,
    "double": lambda v: 2 * v,
    "square": np.square,
    "root": lambda v: np.sqrt(v),
    "inverse": lambda v: 1 / v,
    "exp": np.exp,
    "log": np.log,
    "exp_half": lambda v: np.exp(v / 2),
    "exp_double": lambda v: np.exp(2 * v),
    "one": np.ones_like,
    "zero": np.zeros_like,
    "less": lambda v: 1 - v,
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "tanh": np.tanh,
    "positive": lambda v: (v > 0) * 1.0,
    "size": np.abs,
    "mean": lambda v: np.broadcast_to(v.mean(0), v.shape) if v.ndim else v,
    "transposed": lambda v: v.T if v.ndim > 1 and v.shape[0] != v.shape[1] else None,
}


class Search:
    """All explanations of a case, and the names of the searches for which there was no time."""

    def __init__(self, case, mutants=()):
        self.case, self.mutants, self.found, self.untried = case, list(mutants), [], []

    def run(self):
        """{index of a wrong result: its best Explanation}."""
        if not self.case.different:
            return {}
        for name in ("mutants", "relations", "inputs", "edits", "products", "terms"):
            if name not in ("mutants", "relations") and self._enough(6.0 if name == "terms" else 2.0):
                continue
            try:
                stumbled = not self.case.time_left() or getattr(self, f"_{name}")()
            except Exception:  # noqa: BLE001  a search that stumbles over what a function returns explains nothing, and stops no other
                stumbled = True
            if stumbled or name != "relations" and not self.case.time_left():
                self.untried.append(say(f"untried.{name}"))
        return self._best()

    def _enough(self, cost):
        """Whether each wrong result is explained so simply that nothing that is still to be tried could be simpler."""
        return all(any(e.index == i and e.cost <= cost for e in self.found) for i in self.case.wrong)

    def _best(self):
        """The simplest Explanations; one that explains all wrong results at once goes before several that are no simpler together."""
        best, wrong = {}, self.case.wrong
        for i in wrong:
            mine = sorted((e for e in self.found if e.index == i), key=lambda e: (e.cost, len(e.formula)))
            if mine:
                best[i] = mine[0]
        shared = {}
        for e in self.found:
            if e.kind in ("mutant", "input", "edit"):
                shared.setdefault(e.formula, {})[e.index] = e
        common = sorted((group for group in shared.values() if len(group) == len(wrong) > 1), key=lambda group: max(e.cost for e in group.values()))
        if common and len(best) == len(wrong) and max(e.cost for e in common[0].values()) <= sum(e.cost for e in best.values()):
            return common[0]
        return best

    def vanishing(self, i):
        """(name, value) of an input at which the error of a result vanishes, as an explanation says; () if none does, or if all vanishes there."""
        mine = sorted((e for e in self.found if e.index == i and e.about and self.case.telling(i, *e.about)), key=lambda e: e.cost)
        return mine[0].about if mine else ()

    # ---- relations between a wrong result and the right one ---------------------------------------------

    def _relations(self):
        case = self.case
        self.found += order(case)
        for i in case.wrong:
            same_shapes = all(g.shape == w.shape for g, w in zip(case.got(i), case.want(i)))
            factor = scale(case, i) if same_shapes else None
            self.found += [factor] if factor else []
            self.found += [] if factor and factor.cost < 1 else axes(case, i)
            self.found += of_right(case, i) if same_shapes else []

    def _products(self):
        for i in self.case.wrong:
            if not any(e.index == i and e.cost < 3 for e in self.found):
                self.found += products(self.case, i)

    def _terms(self):
        for i in self.case.wrong:
            if not any(e.index == i for e in self.found):
                self.found += terms(self.case, i)

    # ---- functions that give the same -----------------------------------------------------------------

    def _mutants(self):
        for n, (function, caption) in enumerate(self.mutants):  # of two that give the same, the first
            if not self.case.time_left():
                self.untried.append(say("untried.mutants"))
                return
            self._try(n / 1000, "mutant", say("mutant.formula", caption=caption.rstrip(".")), lambda d, f=function: attempt(f, self.case.draws[d]))

    def _inputs(self):
        case = self.case
        for path in case.movable() if case.reference else ():
            for cost, text, new in self._replacements(path):
                if not case.time_left():
                    self.untried.append(say("untried.inputs"))
                    return
                self._try(cost, "input", text, lambda d, p=path, f=new: self._with(d, p, f))

    def _with(self, d, path, new):
        leaf = new(d)
        return None if leaf is None else attempt(self.case.reference, self.case.with_leaf(d, path, leaf))

    def _replacements(self, path):
        """(cost, sentence, function of the draw that gives the input's replacement)."""
        case, name = self.case, self.case.names[path]
        for n, (key, f) in enumerate(TRANSFORMS.items()):
            if path not in case.upstream or key in ("one", "mean", "transposed", "size"):
                yield 4.0 + 0.02 * n, say(f"input.{key}", name=name), lambda d, f=f: f(case.leaf(d, path))
        for other in case.paths:
            if other != path and case.leaf(0, other).shape == case.leaf(0, path).shape:
                yield 4.1, say("input.other", name=name, other=case.names[other]), lambda d, p=other: case.leaf(d, p)

    def _edits(self):
        for n, edit in enumerate(edits(self.case.reference) if self.case.reference else ()):
            if not self.case.time_left():
                self.untried.append(say("untried.edits"))
                return
            self._try(4.5 + edit.cost + len(edit.text) / 200, "edit", say("mutant.formula", caption=edit.text), lambda d, f=edit.function: attempt(f, self.case.draws[d]))

    def _try(self, cost, kind, text, values):
        """Compare what a function gives with the wrong results, at the first draw, and only if it fits at the others."""
        case, first = self.case, values(0)
        if first is None:
            return
        hits = [i for i in case.wrong if i < len(first) and self._near(first[i], case.got(i)[0])]
        if not hits:
            return
        rest = [first] + [values(d) for d in range(1, len(case.draws))]
        if any(r is None or len(r) != len(first) for r in rest):
            return
        whole = len(first) == len(case.outputs) and all(case.fits(i, [r[i] for r in rest]) is not None for i in range(len(case.outputs)))
        if kind == "mutant" and not all(i in hits or distance(first[i], case.want(i)[0]) < FIT for i in range(len(case.outputs))):
            return  # its caption speaks of a result that is otherwise wrong, or right
        for i in hits:
            given = [r[i] for r in rest]
            residual = case.fits(i, given)
            extra = 0.0 if whole else 0.15
            if residual is not None:
                self.found.append(Explanation(cost + extra, kind, i, text, residual))
            elif kind != "mutant":
                self._scaled(cost + 3.0 + extra, kind, i, text, given)

    def _near(self, value, got):
        """Whether a result is proportional to another at one draw."""
        if not isinstance(value, np.ndarray) or value.shape != got.shape or not np.isfinite(value).all():
            return False
        square = float((value * value).sum())
        return square > 0 and distance(got, float((got * value).sum()) / square * value) < FIT

    def _scaled(self, cost, kind, i, text, given):
        """The same but for a factor with a name: two changes at once."""
        if all(np.size(g) == 1 for g in given):
            return
        factors = ratios(self.case.got(i), given)
        if factors is None or ratios(self.case.want(i), given) is not None:
            return
        name = factor_name(self.case, factors)
        if name is not None:
            residual = max(distance(g, c * v) for g, v, c in zip(self.case.got(i), given, factors))
            self.found.append(Explanation(cost, kind, i, text + say("axes.times", factor=name), residual))
