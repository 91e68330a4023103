"""What is to be seen without any formula: exceptions, types, shapes, noise, changed inputs, and how a wrong result differs from the right one."""

import inspect
import linecache
import re

import numpy as np

from .arguments import FIT, attempt, distance, replaced
from .case import Finding
from .wording import listed, say

LONGEST = 160  # characters of a message or a line that are shown
COARSE = 1e-5  # what is wrong by less is right in a lower precision
BROADCAST = re.compile(r"operands could not be broadcast together with (?:remapped )?shapes ((?:\([\d,]*\)[ ,]*)+)|non-broadcastable output operand|could not broadcast input array")
MATMUL = re.compile(r"matmul.*core dimension|shapes (\([\d,]*\)) and (\([\d,]*\)) not aligned")


# ---- what keeps results from being compared --------------------------------------------------------------


def refused(case):
    """The findings that stand before any comparison of values, a list; empty if all results can be compared."""
    for probe in (_raised, _nothing, _no_arrays, _changed, _noise, _count):
        found = probe(case)
        if found:
            return found
    return []


def _raised(case):
    failed = [(d, run.error) for d, run in enumerate(case.runs) if run.error is not None]
    if not failed:
        return []
    d, error = failed[0]
    kind, message = type(error).__name__, _short(str(error)) or say("raises.silent")
    symptom = say("raises.symptom", kind=kind, message=message, line=failing_line(case.function, error))
    met = BROADCAST.search(message) if isinstance(error, ValueError) else None
    if met:
        shapes = re.findall(r"\([\d,]*\)", met[1] or message)
        symptom = say("broadcast.symptom", shapes=listed([_spaced(s) for s in shapes]), line=failing_line(case.function, error)) + _upstream_shape(case, d)
        formula, residual = _as_column(case)
        return [Finding("broadcast", "", symptom, say("broadcast.experiment"), "", formula or say("broadcast.formula"), residual)]
    if isinstance(error, ValueError) and MATMUL.search(message):
        return [Finding("broadcast", "", symptom + _upstream_shape(case, d), say("matmul.experiment"))]
    some = say("raises.some") if len(failed) < len(case.runs) else ""
    return [Finding("raises", "", symptom + some, say("raises.experiment"))]


def _spaced(shape):
    return ", ".join(shape.split(",")).replace(", )", ",)")


def _upstream_shape(case, d):
    shapes = [f"{case.names[path]} {case.leaf(d, path).shape}" for path in case.upstream]
    return say("upstream.shape", shapes=listed(shapes)) if shapes else ""


def _as_column(case):
    """(sentence, residual) if all is right once one vector is made a column; else ("", NaN)."""
    for path in case.movable():
        if all(case.leaf(d, path).ndim == 1 for d in range(len(case.draws))) and case.different:
            runs = [attempt(case.function, case.with_leaf(d, path, case.leaf(d, path)[:, None])) for d in range(len(case.draws))]
            if all(run is not None and len(run) == len(want) for run, want in zip(runs, case.wants)):
                worst = max(distance(a, b) for run, want in zip(runs, case.wants) for a, b in zip(run, want))
                if worst < FIT:
                    return say("column.formula", name=case.names[path]), worst
    return "", np.nan


def failing_line(function, error):
    """The line of the function's own source at which an exception left it; empty if its source is not to be had."""
    code, place = getattr(inspect.unwrap(function), "__code__", None), None
    trace = error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            place = trace.tb_lineno
        trace = trace.tb_next
    if place is None:
        return ""
    text = linecache.getline(code.co_filename, place).strip()
    if not text:
        lines = (getattr(function, "__source__", None) or "").splitlines()
        whole = code.co_firstlineno <= len(lines) and f"def {code.co_name}" in "".join(lines[code.co_firstlineno - 1 : code.co_firstlineno + 3])
        at = place - 1 if whole else place - code.co_firstlineno
        text = lines[at].strip() if 0 <= at < len(lines) else ""
    return say("raises.line", line=_short(text)) if text else ""


def _short(text):
    """The first line of a text, not too long."""
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= LONGEST else line[:LONGEST] + " ..."


def _nothing(case):
    if any(run.value is None for run in case.runs):
        return [Finding("none", "", say("none.symptom"), say("none.experiment"))]
    return []


def _no_arrays(case):
    for run in case.runs:
        for i, part in enumerate(run.results):
            if not isinstance(part, np.ndarray):
                name = case.outputs[i] if len(run.results) == len(case.outputs) else ""
                what = say("no_array.symptom", output=name or say("a_result"), kind=type(part).__name__)
                return [Finding("type", name, what, say("no_array.experiment"))]
    return []


def _changed(case):
    changed = sorted({path for run in case.runs for path in run.changed})
    if not changed:
        return []
    names = listed([case.names[path] for path in changed])
    return [Finding("in place", "", say("in_place.symptom", names=names), say("in_place.experiment"), "", say("in_place.formula", names=names))]


def _noise(case):
    first, second = case.runs[0].results, case.again.results
    if len(first) != len(second):
        return [Finding("noise", "", say("noise.symptom", outputs=listed(case.outputs)), say("noise.experiment"))]
    pairs = list(zip(first, second))
    bad = [i for i, (a, b) in enumerate(pairs) if a.shape != b.shape or not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") and distance(a, b) > 1e-13]
    if not bad:
        return []
    names = case.outputs if len(first) == len(case.outputs) else ["the results"]
    return [Finding("noise", names[i], say("noise.symptom", outputs=names[i]), say("noise.experiment")) for i in bad]


def _count(case):
    counts = {len(run.results) for run in case.runs}
    wanted = len(case.outputs)
    if counts == {wanted}:
        return []
    got = next(n for n in sorted(counts) if n != wanted)
    return [Finding("count", "", say("count.symptom", got=got, wanted=wanted, names=listed(case.outputs)), say("count.experiment"))]


# ---- one result ---------------------------------------------------------------------------------------


def spoiled(case, i):
    """The finding on a result that is no finite array of real numbers in double precision, or only nearly right; else None."""
    got, want, name = case.got(i), case.want(i), case.outputs[i]
    if any(g.dtype.kind not in "biuf" for g in got):
        return Finding("dtype", name, say("dtype.symptom", output=name, dtype=got[0].dtype), say("dtype.experiment"))
    holes = [(~np.isfinite(g)).sum() for g in got]
    if any(holes) and all(np.isfinite(w).all() for w in want):
        d = int(np.argmax(holes))
        return Finding("nan", name, say("nan.symptom", output=name, count=holes[d], size=got[d].size), say("nan.experiment"))
    if all(g.shape == w.shape for g, w in zip(got, want)) and not any(holes):
        return _coarse(case, i)
    return None


def _coarse(case, i):
    got, name, error = case.got(i), case.outputs[i], case.error(i)
    single = any(g.dtype.kind == "f" and g.dtype.itemsize < 8 for g in got)
    if all(g.dtype.kind == "i" and (np.array_equal(g, np.trunc(w)) or np.array_equal(g, np.round(w))) for g, w in zip(got, case.want(i))):
        return Finding("dtype", name, say("dtype.whole", output=name, dtype=got[0].dtype, noun=case.noun), say("dtype.experiment"))
    if not single and (error > COARSE or _in_places(case, i)):
        return None
    if all(g.dtype.kind in "iub" for g in got):
        return None
    if single:
        where = next(g.dtype for g in got if g.dtype.itemsize < 8)
        near = error < 100 * np.finfo(where).eps
        symptom = say("dtype.lower" if near else "dtype.wrong", output=name, dtype=where, noun=case.noun)
        return Finding("precision" if near else "dtype", name, symptom, say("dtype.experiment"))
    grid = all(np.array_equal(g.astype(np.float32), g) for g in got)
    formula = say("precision.float32", output=name) if grid else say("precision.formula", output=name)
    symptom = say("precision.symptom", output=name, digits=max(1, int(-np.log10(error))), noun=case.noun)
    return Finding("precision", name, symptom, say("precision.experiment"), "", formula)


def _in_places(case, i):
    """Whether some entries are clearly wrong, and most are exact: no loss of digits is like that."""
    for g, w in zip(case.got(i), case.want(i)):
        off = np.abs(g - w) / np.maximum(np.abs(w), np.finfo(float).tiny)
        if off.max(initial=0) > 1e-4 and (off > 1e-9).mean() < 0.5:
            return True
    return False


def _others(leaf, rng):
    """What may stand in place of an input, to see whether a result moves: a little more of it, its values in another order, other signs."""
    yield leaf * (1 + 0.1 * rng.random(leaf.shape))
    yield rng.permutation(leaf.ravel()).reshape(leaf.shape)
    yield leaf * rng.choice([-1.0, 1.0], leaf.shape)
    yield -leaf


def _moved(case, i, d, path, leaf):
    """Whether a result moves with an input: (the wrong one, the right one); None where one of them is not defined."""
    args = case.with_leaf(d, path, leaf)
    pair = attempt(case.function, args, len(case.outputs)), attempt(case.reference, args)
    if any(p is None or len(p) <= i for p in pair):
        return None
    return distance(pair[0][i], case.got(i)[d]) > FIT, distance(pair[1][i], case.want(i)[d]) > FIT


def dependence(case, i):
    """[(symptom key, path)]: inputs that move a result and should not, or do not and should; needs the reference."""
    found, rng = [], np.random.default_rng(5)
    for path in case.movable() if case.reference else ():
        moved = []
        for d in range(len(case.draws) if case.time_left() else 0):
            pairs = [_moved(case, i, d, path, leaf) for leaf in _others(case.leaf(d, path), rng)]
            if pairs[0] is None:
                break
            moved.append(tuple(any(pair[n] for pair in pairs if pair) for n in (0, 1)))
        if len(moved) == len(case.draws) and len(set(moved)) == 1 and moved[0][0] != moved[0][1]:
            found.append(("depends.lost" if moved[0][1] else "depends.gained", path))
    return found


def upstream_use(case, i):
    """"ignored" if a result does not move with the upstream gradient, "bent" if it is not linear in it, "" if all is well."""
    if not case.upstream or not case.time_left():
        return ""
    verdicts = set()
    for d in range(len(case.draws)):
        tripled = fresh = case.draws[d]
        rng = np.random.default_rng(d)
        for path in case.upstream:
            leaf = case.leaf(d, path)
            tripled = replaced(tripled, path, -3.0 * leaf)
            fresh = replaced(fresh, path, rng.standard_normal(leaf.shape))
        runs = [attempt(case.function, args, len(case.outputs)) for args in (tripled, fresh)]
        if any(run is None or len(run) <= i or run[i].shape != case.got(i)[d].shape for run in runs):
            return ""
        one, (three, other) = case.got(i)[d], (run[i] for run in runs)
        still = distance(three, one) < FIT and distance(other, one) < FIT
        verdicts.add("ignored" if still else "bent" if distance(three, -3.0 * one, case.floor(d)) > 1e-8 else "")
    return verdicts.pop() if len(verdicts) == 1 else ""

