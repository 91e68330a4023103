"""The diagnosis of wrong functions: what is recognised, what must not be claimed, and what must never be called wrong."""

import time

import numpy as np
import pytest

from tinyvae import (
    check,
    dense_backward,
    dense_forward,
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from tinyvae.gradcheck import wording
from tinyvae.gradcheck.cause import precise
from tinyvae.gradcheck.diagnosis import diagnose
from tinyvae.gradcheck.differences import Along

SIZES = [{"N": 5, "K": 3, "D": 2}, {"N": 7, "K": 2, "D": 11}, {"N": 11, "K": 5, "D": 3}]


def draws(forward, *shapes):
    """(dout, cache) at three sizes."""
    found = []
    for n, size in enumerate(SIZES):
        rng = np.random.default_rng(n)
        out, cache = forward(*(rng.standard_normal([size[axis] for axis in shape]) for shape in shapes))
        found.append((rng.standard_normal(out.shape), cache))
    return found


SAMPLE = {"draws": draws(reparameterize_forward, "NK", "NK", "NK"), "reference": reparameterize_backward, "outputs": ("dmu", "dlog_sigma"), "sizes": SIZES}
KL = {"draws": draws(kl_forward, "NK", "NK"), "reference": kl_backward, "outputs": ("dmu", "dlog_sigma"), "sizes": SIZES}
DENSE = {"draws": draws(dense_forward, "ND", "DK", "K"), "reference": dense_backward, "outputs": ("dx", "dW", "db"), "sizes": SIZES}


def bare(task):
    """The same task without its reference: right results alone."""
    return task | {"reference": None, "wanted": [task["reference"](*args) for args in task["draws"]]}


def sample(change):  # gives dlog_sigma from (dz, sigma, eps)
    return lambda dz, cache: (dz, change(dz, *cache))


def kl(change):  # gives dlog_sigma from (dkl as a column, mu, sigma2)
    return lambda dkl, cache: (dkl[:, None] * cache[0], change(dkl[:, None], *cache))


def dense(dx=None, dW=None, db=None):
    """A wrong backward of x W + b, one gradient replaced."""

    def function(dy, cache):
        right = dense_backward(dy, cache)
        return tuple(r if f is None else f(dy, *cache) for r, f in zip(right, (dx, dW, db)))

    return function


# (task, wrong function, kind, output, words of the formula)
NAMED = [
    (SAMPLE, sample(lambda dz, s, e: -dz * s * e), "scale", "dlog_sigma", "equals minus the right gradient"),
    (SAMPLE, sample(lambda dz, s, e: dz * s * e / len(s)), "scale", "dlog_sigma", "divided by N"),
    (SAMPLE, sample(lambda dz, s, e: 2 * dz * s * e / s.shape[1]), "scale", "dlog_sigma", "times 2/K"),
    (SAMPLE, sample(lambda dz, s, e: 0 * dz), "zero", "dlog_sigma", "zero"),
    (SAMPLE, sample(lambda dz, s, e: dz * s * s * e), "factor", "dlog_sigma", "times sigma"),
    (SAMPLE, sample(lambda dz, s, e: dz * e), "factor/input/edit", "dlog_sigma", "sigma"),
    (SAMPLE, sample(lambda dz, s, e: dz * (s + e)), "terms", "dlog_sigma", "dz sigma + dz eps"),
    (SAMPLE, sample(lambda dz, s, e: s * e), "upstream ignored", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: np.abs(dz) * s * e), "not linear", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: np.clip(dz * s * e, -0.1, 0.1)), "not linear", "dlog_sigma", ""),
    (SAMPLE, lambda dz, cache: (dz * cache[0] * cache[1], dz), "order", "dmu", "dlog_sigma"),
    (SAMPLE, lambda dz, cache: dz, "count", "", ""),
    (SAMPLE, lambda dz, cache: None, "none", "", ""),
    (SAMPLE, lambda dz, cache: (dz, "dz"), "type", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: dz * np.log(e)), "nan", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: np.float32(dz * s * e)), "precision", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: np.float32(dz * s * e).astype(float)), "precision", "dlog_sigma", "float32"),
    (SAMPLE, sample(lambda dz, s, e: dz * s * e + 1e-8), "precision", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: dz * s * e * 1j), "dtype", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: np.random.default_rng().standard_normal(s.shape)), "noise", "dlog_sigma", ""),
    (SAMPLE, sample(lambda dz, s, e: np.multiply(dz * e, s, out=s)), "in place", "", "sigma"),
    (KL, kl(lambda dkl, mu, s: dkl * s), "edit", "dlog_sigma", "term 1"),
    (KL, kl(lambda dkl, mu, s: dkl * (np.sqrt(s) - 1)), "input", "dlog_sigma", "root of sigma2"),
    (KL, kl(lambda dkl, mu, s: dkl * (s - 1) - dkl * mu), "term", "dlog_sigma", "minus dkl mu"),
    (KL, kl(lambda dkl, mu, s: (dkl * (s - 1)).sum(1)), "shape", "dlog_sigma", "summed over axis 1"),
    (KL, kl(lambda dkl, mu, s: (dkl * (s - 1)).mean(0) * np.ones_like(s)), "axis", "dlog_sigma", "axis 0"),
    (KL, lambda dkl, cache: (dkl * cache[0], dkl * (cache[1] - 1)), "broadcast", "", "[:, None]"),
    (DENSE, dense(db=lambda dy, x, W: dy), "shape", "db", "Summed over axis 0"),
    (DENSE, dense(db=lambda dy, x, W: dy.sum(0, keepdims=True)), "shape", "db", "axes of length 1"),
    (DENSE, dense(dW=lambda dy, x, W: dy.T @ x), "shape", "dW", "transposed"),
    (DENSE, dense(dW=lambda dy, x, W: x.T @ (dy * dy)), "not linear", "dW", ""),
    (DENSE, dense(dW=lambda dy, x, W: np.abs(x).T @ dy), "input", "dW", "|x|"),
    (DENSE, dense(dx=lambda dy, x, W: dy @ W), "broadcast", "", ""),
    (DENSE, dense(dx=lambda dy, x, W: {}["W"]), "raises", "", ""),
]


@pytest.mark.parametrize(("task", "function", "kind", "output", "words"), NAMED)
def test_a_mistake_is_named(task, function, kind, output, words):
    found = diagnose(function, **task)
    assert not found.ok and found.named and found.findings[0].kind in kind.split("/") and found.findings[0].output == output
    assert words in found.findings[0].formula
    assert np.isnan(found.findings[0].residual) or found.findings[0].residual < 1e-9


WITHOUT = [
    (SAMPLE, sample(lambda dz, s, e: dz * s * e / len(s)), "scale", "divided by N"),
    (SAMPLE, sample(lambda dz, s, e: dz * e), "factor", "divided by"),
    (SAMPLE, sample(lambda dz, s, e: dz * s * e * (1 - e * e)), "factor", "times (1 - "),
    (KL, kl(lambda dkl, mu, s: dkl * s), "term/product", ""),
    (KL, kl(lambda dkl, mu, s: dkl.sum() * (s - 1)), "term/product/terms", "sum(dkl)"),
    (DENSE, dense(dW=lambda dy, x, W: dy.T @ x), "shape", "transposed"),
    (DENSE, dense(db=lambda dy, x, W: dy.mean(0)), "scale", "divided by N"),
    (DENSE, dense(dW=lambda dy, x, W: np.abs(x).T @ dy), "product", "|"),
]


@pytest.mark.parametrize(("task", "function", "kind", "words"), WITHOUT)
def test_a_mistake_is_named_without_a_reference(task, function, kind, words):
    (finding,) = diagnose(function, **bare(task)).findings
    assert finding.kind in kind.split("/") and words in finding.formula


def test_an_output_that_does_not_depend_on_an_input_is_named():
    def roll(dz, cache):
        return dz, np.cumsum(dz * cache[1], 1)

    (finding,) = diagnose(roll, **SAMPLE).findings
    assert finding.kind == "dependence" and "does not change with sigma" in finding.symptom and not finding.formula


# ---- what must not be claimed ---------------------------------------------------------------------------


@pytest.mark.parametrize("task", [SAMPLE, bare(SAMPLE)], ids=["reference", "wanted"])
@pytest.mark.parametrize("size", [1e-7, 1e-8])
@pytest.mark.parametrize("near", [lambda dz, s, e: 2 * dz * s * e, lambda dz, s, e: dz * e, lambda dz, s, e: dz * s * e + dz, lambda dz, s, e: dz * s])
def test_no_formula_is_claimed_that_nearly_fits(task, size, near):
    found = diagnose(sample(lambda dz, s, e: near(dz, s, e) * (1 + size * np.sin(40 * s))), **task)
    assert not found.ok and not any(f.formula for f in found.findings)


@pytest.mark.parametrize("few", [SAMPLE["draws"][:2], SAMPLE["draws"][:1] * 3], ids=["two draws", "one size"])
def test_no_formula_is_claimed_without_three_sizes(few):
    found = diagnose(sample(lambda dz, s, e: 2 * dz * s * e), few, reference=reparameterize_backward, outputs=("dmu", "dlog_sigma"))
    assert [f.kind for f in found.findings] == ["unknown"] and not found.named and not found.findings[0].formula


def test_what_differs_by_no_formula_is_unknown_with_an_experiment():
    found = diagnose(sample(lambda dz, s, e: dz * np.sin(s * e) * s), **SAMPLE)
    assert [f.kind for f in found.findings] == ["unknown"] and not found.named and found.findings[0].experiment
    assert "not recognised" in found.text(1)


def test_noise_is_given_no_formula():
    rng = np.random.default_rng(0)
    found = diagnose(sample(lambda dz, s, e: dz * s * rng.standard_normal(s.shape)), **SAMPLE)
    assert [(f.kind, f.formula) for f in found.findings] == [("noise", "")]


RIGHT = [
    (SAMPLE, lambda dz, cache: [dz, np.einsum("nk,nk,nk->nk", dz, *cache)]),
    (SAMPLE, lambda dz, cache: (dz * (1 + 1e-13), dz * cache[0] * cache[1])),
    (SAMPLE, lambda dz, cache: (np.asfortranarray(dz), np.array([[a * b * c for a, b, c in zip(*rows)] for rows in zip(dz, *cache)]))),
    (SAMPLE, lambda dz, cache: (dz, np.multiply(dz * cache[0], cache[1], out=np.empty(dz.shape)))),
    (SAMPLE, lambda dz, cache: (dz.tolist(), (dz * cache[0] * cache[1]).tolist())),
    (DENSE, lambda dy, cache: (dy @ cache[1].T, np.matmul(cache[0].T, dy, out=np.empty(cache[1].shape)), np.ones(len(dy)) @ dy)),
    (DENSE, lambda dy, cache: (np.tensordot(dy, cache[1], (1, 1)), sum(np.outer(a, b) for a, b in zip(cache[0], dy)), sum(dy))),
    (KL, lambda dkl, cache: (np.diag(dkl) @ cache[0], np.array([d * (s - 1) for d, s in zip(dkl, cache[1])]))),
]


@pytest.mark.parametrize(("task", "function"), RIGHT)
def test_right_variants_are_never_called_wrong(task, function):
    for given in (task, bare(task)):
        found = diagnose(function, **given)
        assert found.ok and not found.named and not found.findings and "are right" in str(found)


# ---- levels, mutants, budget ----------------------------------------------------------------------------


def test_the_three_levels_say_more_and_more():
    found = diagnose(sample(lambda dz, s, e: dz * s * e / 2), **SAMPLE, steps={"dlog_sigma": "By the chain rule through sigma = exp(log_sigma) [REP.2]."})
    assert "too small, by the same factor" in found.text(1) and "batch sizes" in found.text(1)
    assert "[REP.2]" in found.text(2) and "divided by" not in found.text(1) + found.text(2) and str(found) == found.text(2)
    assert "divided by 2" in found.text(3) and all("dmu is right." in found.text(level) for level in (1, 2, 3))
    with pytest.raises(ValueError, match="level must be 1, 2 or 3"):
        found.text(4)


def test_a_known_mistake_goes_first():
    def twice(dz, cache):
        return dz, dz * cache[0] * cache[1] ** 2

    known = [(lambda dz, cache: 1 / 0, "nothing"), (twice, "dz is multiplied by eps a second time.")]
    (finding,) = diagnose(sample(lambda dz, s, e: e * dz * e * s), **SAMPLE, mutants=known).findings
    assert finding.kind == "mutant" and finding.formula == "This is what one gets if dz is multiplied by eps a second time."
    (finding,) = diagnose(sample(lambda dz, s, e: 1 / 0), **SAMPLE, mutants=known).findings
    assert finding.kind == "raises" and finding.formula == "This is what one gets if nothing."
    assert not diagnose(reparameterize_backward, **SAMPLE, mutants=known).findings


def test_exceptions_are_told_with_their_line():
    def backward(dkl, cache):
        mu, sigma2 = cache
        dmu = dkl * mu
        return dmu, dkl * (sigma2 - 1)

    text = diagnose(backward, **KL).text(1)
    assert "(5,) and (5, 3)" in text and '"dmu = dkl * mu"' in text and "dkl (5,)" in text

    space = {}
    source = "def backward(dkl, cache):\n    mu, sigma2 = cache\n    return mu.total(), sigma2\n"
    exec(compile(source, "<student>", "exec"), space)  # noqa: S102
    space["backward"].__source__ = source
    assert '"return mu.total(), sigma2"' in diagnose(space["backward"], **KL).text(1)


def test_an_interrupt_is_passed_on():
    def backward(dz, cache):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagnose(backward, **SAMPLE)


def test_slow_functions_end_the_search_and_it_says_so():
    def slow(dz, cache):
        time.sleep(0.02)
        return reparameterize_backward(dz, cache)

    begin = time.perf_counter()
    found = diagnose(sample(lambda dz, s, e: dz * np.sin(s * e)), SAMPLE["draws"], reference=slow, outputs=SAMPLE["outputs"])
    assert time.perf_counter() - begin < 2 and found.untried and "not tried to the end" in str(found)


def test_nests_and_dictionaries_are_taken_apart():
    nested = [(dz, ({"sigma": sigma}, [eps, None], "relu")) for dz, (sigma, eps) in SAMPLE["draws"]]

    def right(dz, cache):
        first, (eps, _), _ = cache
        return dz * eps * first["sigma"]

    found = diagnose(lambda dz, cache: right(dz, cache) / cache[0]["sigma"] ** 2, nested, reference=right, outputs=["dlog_sigma"])
    assert "sigma" in found.text(3) and found.named
    changed = diagnose(lambda dz, cache: cache[0].update(sigma=dz) or dz, nested, reference=right)
    assert changed.findings[0].kind == "in place"


def test_the_table_of_sentences_is_whole():
    lines = [line.split("\t") for line in wording.TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == ["key", "level", "text"] and all(len(line) == 3 and line[1] in "123" for line in lines[1:])
    assert len({line[0] for line in lines}) == len(lines) and not any(word in text.lower() for _, _, text in lines for word in ("you ", "forgot"))


# ---- after a check --------------------------------------------------------------------------------------


def test_a_wrong_report_is_diagnosed_when_it_is_printed():
    rng = np.random.default_rng(0)

    def backward(dz, cache):
        dmu, dlog_sigma = reparameterize_backward(dz, cache)
        return dmu, dlog_sigma / cache[0]

    report = check(reparameterize_forward, backward, *rng.standard_normal((3, 4, 3)), wrt=("mu", "log_sigma"))
    assert "diagnosis" not in vars(report) and "dmu is right." in str(report) and "diagnosis" in vars(report)
    assert "divided by" in report.diagnosis.text(3) and report.diagnosis.findings[0].residual < 1e-9
    assert check(reparameterize_forward, reparameterize_backward, *rng.standard_normal((3, 4, 3)), wrt=("mu", "log_sigma")).diagnosis is None


def test_after_a_check_sizes_are_told_apart_where_forward_runs_at_others():
    x = np.random.default_rng(0).standard_normal((4, 6))
    report = check(lambda x: ((x * x).sum(1), x), lambda dout, x: 2 * dout[:, None] * x / len(x), x)
    assert report.diagnosis.findings[0].kind == "scale" and "divided by len(" in report.diagnosis.text(3)
    fixed = np.ones(6)
    report = check(lambda x: (x * x @ fixed, x), lambda dout, x: 2 * dout[:, None] * x / len(x), x)
    assert "may be a constant, or a size" in report.diagnosis.text(3)


def test_large_inputs_are_diagnosed_at_fewer_rows_or_it_is_said_that_they_are_not():
    x = np.random.default_rng(0).standard_normal((400, 60))
    assert "times 1/2" in (text := check(lambda x: (x * x, x), lambda dy, x: dy * x, x).diagnosis.text(3)) or "divided by 2" in text
    fixed = np.random.default_rng(1).standard_normal((400, 60))
    assert "not diagnosed" in str(check(lambda x: (x * x * fixed, x), lambda dy, x: dy * x * fixed, x))


def test_differences_are_precise_enough_for_formulas():
    rng = np.random.default_rng(0)
    x, up = rng.standard_normal((4, 3)), rng.standard_normal(12)
    found = precise(Along(lambda x: (np.tanh(x) * np.exp(x), None), [x], 0, up), np.inf)
    right = up.reshape(4, 3) * np.exp(x) * (1 - np.tanh(x) ** 2 + np.tanh(x))
    assert np.abs(found - right).max() < 1e-12 * np.abs(right).max()
    kinked = precise(Along(lambda x: (np.maximum(x, 0), None), [x], 0, up), np.inf)
    assert np.abs(kinked - up.reshape(4, 3) * (x > 0)).max() < 1e-11
