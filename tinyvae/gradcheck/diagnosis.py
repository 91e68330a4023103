"""Which mistake would give exactly this result? A wrong function is compared with the right one, and what is seen is said at three levels.

A formula is claimed only if it fits to 1e-9 at three draws of different sizes: one draw proves nothing (sigma = 1, N = K, dout = 1).
All sentences stand in `sentences.tsv`, beside this file.
"""

import numpy as np

from .arguments import distance, quiet
from .case import Case, Finding
from .describe import Look
from .search import Search
from .symptoms import refused, spoiled
from .wording import listed, say

__all__ = ["Diagnosis", "Finding", "diagnose"]
ONLY_SEEN = "ignored", "bent", "dependence", "shape", "scale", "zero"  # facts that are a finding without any formula


class Diagnosis:
    """What `diagnose` found.

    Attributes
    ----------
    ok : bool, whether every result is right to 1e-10, and nothing was changed in place
    findings : tuple of Finding, those that are recognised first
    right : tuple of str, the names of the results that are right
    untried : tuple of str, the searches for which the time was too short
    """

    def __init__(self, findings, right=(), untried=()):
        known = [f for f in findings if f.kind != "unknown"]
        self.findings = tuple(known + [f for f in findings if f.kind == "unknown"])
        self.right, self.untried = tuple(right), tuple(dict.fromkeys(untried))

    @property
    def ok(self):
        """True if nothing is wrong."""
        return not self.findings

    @property
    def named(self):
        """True if some mistake was recognised: a finding other than "unknown"."""
        return any(f.kind != "unknown" for f in self.findings)

    def text(self, level=2):
        """What was found, a few lines: 1 the symptom and an experiment, 2 the symptom and the step of the derivation, 3 the formula.

        Where there is no step, or no formula, the experiment stands in its place.
        """
        if level not in (1, 2, 3):
            raise ValueError(f"level must be 1, 2 or 3, got {level!r}")
        lines, said = [], set()
        for f in self.findings:
            more = (f.experiment, f.step or f.experiment, f.formula or f.experiment)[level - 1]
            told = not more or more in said or (level == 1 and said)  # one experiment is enough
            lines.append(f.symptom if told else f"{f.symptom} {more}")
            said.add(more)
        if self.right:
            lines.append(say("right.one" if len(self.right) == 1 else "right.many", outputs=listed(self.right)))
        if self.untried and not all(f.formula for f in self.findings):
            lines.append(say("untried", searches=listed(self.untried)))
        return "\n".join(line[:1].upper() + line[1:] if line.startswith((say("the_result"), say("a_result"))) else line for line in lines)

    def __str__(self):
        return self.text(2)

    def __repr__(self):
        return f"Diagnosis({', '.join(f.kind for f in self.findings) or 'ok'})"


def diagnose(function, draws, *, reference=None, wanted=None, outputs=(), steps=None, mutants=(), sizes=None):
    """Say what is wrong with a function, by what it gives at three draws and what it should give.

    Parameters
    ----------
    function : callable, for example a backward pass, (dout, cache) -> gradients; it gets copies
    draws : list of three tuples of arguments, of different (best: different prime) sizes; arrays, numbers, and nests of tuples, lists and
        dictionaries of them
    reference : callable with the same arguments that is right; its source is used where it is to be had, or its attribute `__source__`
    wanted : list of right results, one for each draw, where there is no reference
    outputs : sequence of str, the names of the results
    steps : dict of str to str, for each output the step of the derivation, shown at level 2
    mutants : iterable of (callable, caption), wrong functions that are known; a caption completes "This is what one gets if ..."
    sizes : list of dicts of str to int, one for each draw, the names of the sizes; read off the shapes if not given

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> draws = [(rng.standard_normal((N, K)), rng.standard_normal((N, K))) for N, K in [(5, 3), (7, 2), (11, 5)]]
    >>> found = diagnose(lambda dy, x: dy * x, draws, reference=lambda dy, x: 2 * dy * x, outputs=["dx"])
    >>> found.ok, found.findings[0].kind
    (False, 'scale')
    >>> print(found.text(3))
    dx points the right way but is too small, by the same factor everywhere. dx equals the right gradient divided by 2.
    """
    if (reference is None) == (wanted is None):
        raise TypeError("diagnose needs what is right: reference=, a function, or wanted=, a list of results")
    with quiet():
        return diagnosed(Case(function, draws, reference, wanted, outputs, sizes), steps or {}, list(mutants))


def diagnosed(case, steps, mutants):
    """The Diagnosis of a Case."""
    found = refused(case)
    if found:
        caption = _same_failure(case, mutants)
        return Diagnosis([f._replace(formula=caption or f.formula, step=steps.get(f.output, "")) for f in found])
    wrong = case.judge()
    right = [name for i, name in enumerate(case.outputs) if i not in wrong]
    bad = {i: finding for i in wrong if (finding := spoiled(case, i))}
    if bad:
        caption = _same_failure(case, mutants)
        bad = {i: f._replace(formula=caption or f.formula) for i, f in bad.items()}
    case.wrong = tuple(i for i in wrong if i not in bad)
    search = Search(case, mutants)
    looks = {i: Look(case, i) for i in case.wrong}
    best = search.run() if case.wrong else {}
    findings = [bad.get(i) or _finding(looks[i], best.get(i), search.vanishing(i)) for i in wrong]
    return Diagnosis([f._replace(step=steps.get(f.output, "")) for f in findings], right, search.untried)


def _finding(look, explanation, vanishing):
    """The Finding on one wrong result, with its Explanation if there is one."""
    case, name = look.case, look.name
    fact, symptom = look.symptom()
    experiment = look.experiment(fact, vanishing)
    if explanation is None:
        kind = fact if fact in (ONLY_SEEN if case.different else ("shape", "ignored", "bent")) else "unknown"
        more = "" if kind != "unknown" else " " + say("unknown.symptom" if case.different else "same_sizes.symptom")
        return Finding(_kind(kind), name, symptom + more, experiment)
    kind = explanation.kind
    if kind == "order" and fact != "shape":
        symptom, experiment = say("order.symptom", output=name, noun=case.noun), say("order.experiment", output=name)
    if kind in ("factor", "product", "term", "terms", "edit", "input", "scale") and fact in ("ignored", "bent"):
        kind = fact
    return Finding(_kind(kind), name, symptom, experiment, "", explanation.formula, explanation.residual)


def _kind(fact):
    return {"ignored": "upstream ignored", "bent": "not linear"}.get(fact, fact)


def _same_failure(case, mutants):
    """The sentence of the mutant that fails in the same way; empty if there is none."""
    for function, caption in mutants:
        if not case.time_left():
            break
        runs = [case.run(args, function) for args in case.draws]
        if all(_alike(a, b, want) for a, b, want in zip(case.runs, runs, case.wants)):
            return say("mutant.formula", caption=caption.rstrip("."))
    return ""


def _alike(run, other, want):
    if run.error is not None or other.error is not None:
        return type(run.error) is type(other.error) and str(run.error) == str(other.error)
    if run.changed != other.changed or len(run.results) != len(other.results) or (run.value is None) != (other.value is None):
        return False
    if len(run.results) != len(want):
        want = run.results
    return all(_equal(a, b, w) for a, b, w in zip(run.results, other.results, want))


def _equal(a, b, want):
    """Whether two results are the same, holes and all, and nearer to each other than to what is right."""
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return type(a) is type(b)
    if a.dtype != b.dtype or a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return False
    holes = np.isfinite(a)
    apart = distance(a[holes], b[holes])
    off = distance(a, want)
    return apart < 1e-9 and (apart <= 1e-2 * off or want is a)
