"""The formulas of the diagnosis are true: each is read as a formula, worked out, and compared with what the wrong function gives."""

import inspect
import re

import numpy as np
import pytest

from tinyvae import gaussian, layers
from tinyvae.gradcheck.diagnosis import diagnose
from tinyvae.gradcheck.edits import edits

SIZES = [{"N": 5, "K": 3}, {"N": 7, "K": 2}, {"N": 11, "K": 5}]
FUNCTIONS = "exp", "log", "sqrt", "tanh", "sigmoid", "sign"


def draws():
    rng = np.random.default_rng(1)
    shapes = [(size["N"], size["K"]) for size in SIZES]
    return [(rng.standard_normal(shape), (rng.uniform(0.2, 0.8, shape), rng.standard_normal(shape))) for shape in shapes]


def right(dz, cache):
    s, e = cache
    return dz * (s * s + e)


def worked_out(formula, names):
    """The value of a formula as it is printed: a space multiplies, ^ is a power."""
    text = re.sub(r"\[(\w+) > 0\]", r"(\1 > 0)", re.sub(r"\|(\w+)\|", r"abs(\1)", formula.replace("^", "**")))
    text = re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", text)
    space = {name: getattr(np, name) for name in FUNCTIONS if hasattr(np, name)} | {"sigmoid": lambda v: 1 / (1 + np.exp(-v)), "pi": np.pi}
    return eval(text, space | names)


WRONG = [
    "dz * s", "dz * e / s", "dz * s * s", "-dz * e", "2 * dz * e / N", "dz * np.exp(s)", "dz * (1 - s) * e", "dz * s * (1 - s)", "dz * np.abs(e)", "dz * np.tanh(e)",
    "dz * (s * s + e) * s", "dz * (s * s + e) / s", "dz * (s * s + e) * e * e / 2", "-dz * (s * s + e) * (1 - s)", "dz * (s * s + e) * np.sqrt(s) / K",
    "dz * (s * s + e) * (e > 0)", "dz * (s * s + e) / (s * (1 - s))", "dz * (s * s + e) * np.exp(-s)", "dz * (s * s + e) / (N * K)", "dz * (s * s + e) * (N - 1) / N",
    "dz * (s * s + e) + dz", "dz * (s * s + e) - 3 * dz * s * e", "dz * (s * s + e) + dz * s / 2", "dz * (s * s + e) - dz * np.log(s)", "dz * (s * s + e) + dz * (1 - s) / N",
    "dz * (s * s + e) + s * e", "dz * (np.log(s) + np.tanh(e))", "dz * (2 * np.exp(s) - e * e)", "dz * np.sqrt(s) - dz * np.sign(e)",
]  # fmt: skip


@pytest.mark.parametrize("source", WRONG)
def test_a_formula_is_true(source):
    def function(dz, cache):
        s, e = cache
        return eval(source, {"np": np, "dz": dz, "s": s, "e": e, "N": dz.shape[0], "K": dz.shape[1]})

    wanted = [right(*args) for args in draws()]
    (finding,) = diagnose(function, draws(), wanted=wanted, outputs=["dx"], sizes=SIZES).findings
    relation, formula = re.fullmatch(r"dx equals (minus the right gradient|the right gradient (?:times|divided by|plus|minus)|)(.*)\.", finding.formula).groups()
    for (dz, (s, e)), want, size in zip(draws(), wanted, SIZES):
        value = worked_out(formula.strip() or "1", {"dz": dz, "s": s, "e": e, **size})
        word = relation.split()[-1] if relation else ""
        with np.errstate(divide="ignore"):
            made = {"": value, "gradient": -want, "times": want * value, "by": want / value, "plus": want + value, "minus": want - value}[word]
        assert np.allclose(made, function(dz, (s, e)), rtol=1e-5)  # a coefficient is printed to six digits


@pytest.mark.parametrize("room", [gaussian, layers])
def test_every_edit_of_a_formula_has_a_sentence(room):
    functions = [f for name, f in vars(room).items() if inspect.isfunction(f) and name.endswith(("_forward", "_backward"))]
    assert sum(1 for f in functions for edit in edits(f) if edit.text and "{" not in edit.text) > 1000
