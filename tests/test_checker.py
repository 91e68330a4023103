"""The checker's verdicts: a table of right gradients, of wrong ones, and of those that cannot be judged; and what is refused."""

import functools

import numpy as np
import pytest
from checker_right_a import CASES as RIGHT_A
from checker_right_b import CASES as RIGHT_B
from checker_right_c import CASES as RIGHT_C
from checker_rounding import NOT_OK
from checker_rounding import RIGHT as RIGHT_D
from checker_rounding import WRONG as WRONG_D
from checker_unjudged import CASES as UNJUDGED
from checker_wrong import CASES as WRONG

from tinyvae import check

RIGHT = RIGHT_A | RIGHT_B | RIGHT_C | RIGHT_D
WRONG = WRONG | NOT_OK | {name: (*case, {"verdict": "WRONG"}) for name, case in WRONG_D.items()}


def judged(case, *keys):
    """The report of a case, and what its options say of the wanted verdict."""
    forward, backward, inputs, *options = case
    options = dict(*options)
    wanted = [options.pop(key, None) for key in keys]
    return check(forward, backward, *inputs, **options), *wanted


def test_the_tables_are_whole():
    assert len(RIGHT) == len(RIGHT_A) + len(RIGHT_B) + len(RIGHT_C) + len(RIGHT_D) >= 230
    assert len(WRONG) >= 110 and len(UNJUDGED) >= 40


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_ok(name):
    (report,) = judged(RIGHT[name])
    assert report.ok and report.verdict == "ok", report


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_not_ok(name):
    """The case says that it must be WRONG; where it says nothing, not to judge it, or to refuse it, is honest too."""
    try:
        report, wanted = judged(WRONG[name], "verdict")
    except ValueError:
        assert "verdict" not in dict(*WRONG[name][3:])
        return
    assert not report.ok and report.verdict in (wanted or ("WRONG", "CANNOT JUDGE")), report


@pytest.mark.parametrize("name", UNJUDGED)
def test_what_cannot_be_judged_says_so(name):
    """With a reason, for the input that the table names."""
    report, unjudged = judged(UNJUDGED[name], "unjudged")
    (row,) = (row for row in report.rows if row.name == unjudged)
    assert row.verdict == "CANNOT JUDGE" and row.reason and not report.ok, report
    assert row.reason in str(report)


# ---- odd callables and inputs -------------------------------------------------------------------------

ONES = np.ones(3)


def square(x):
    return x * x, x


def square_backward(dy, x):
    return 2 * x * dy


async def coroutine(x):
    return x * x, x


def generator(x):
    yield x * x, x


def keyword_only(x, *, W):
    return x @ W, x


def failing(x):
    raise KeyError("W")


def raising(error):
    def function(*args):
        raise error

    return function


def returning(value):
    return lambda *args: value


ODD = [
    ((returning(({"y": ONES}, None)), square_backward, ONES), "forward must return an array, or a tuple of arrays, as its output, got dict"),
    ((returning(None), square_backward, ONES), r"forward must return \(out, cache\), got NoneType: end it with return out, cache"),
    ((lambda x: x * x, square_backward, np.ones((2, 3))), r"forward must return \(out, cache\), got ndarray: end it"),
    ((returning((ONES, 1, 2)), square_backward, ONES), "got a tuple of 3"),
    ((returning(([[1.0, 2.0], [3.0]], None)), square_backward, ONES), "got list: make it one array"),
    ((generator, square_backward, ONES), "got generator"),
    ((square, square_backward, np.ones((0, 3))), r"x has shape \(0, 3\) and holds no number: check at a few rows"),
    ((lambda x: (x[x > 5], x), square_backward, ONES), "an output without numbers"),
    ((square, square_backward, ONES + 1j), "x must be an array of real numbers, got dtype complex128"),
    ((lambda x: (np.fft.fft(x), x), square_backward, ONES), "forward returned complex128 for float64 inputs"),
    ((square, None, ONES), "backward must be a function, got NoneType: pass the function itself, not its result"),
    ((square(ONES), square_backward, ONES), "forward must be a function, got tuple"),
    ((square_backward, square, ONES), r"forward\(dy, x\) cannot be called with 1 inputs"),
    ((keyword_only, square_backward, ONES, ONES), r"forward\(x, \*, W\) cannot be called with 2 inputs"),
    ((functools.partial(lambda x, W, b: (x * W + b, x), W=2.0), square_backward, ONES, ONES), "cannot be called with 2 inputs"),
    ((square, square_backward), "check needs inputs to check at"),
    ((square, square_backward, "1.0"), "x must be an array of real numbers, got str"),
    ((square, square_backward, np.array([1.0, None], object)), "got dtype object"),
    ((square, square_backward, [ONES, np.ones(2)]), "x must be one array of real numbers, got list"),
    ((square, square_backward, {"W": ONES}), "x must be an array of real numbers, got dict: .* each array as an input of its own"),
    ((square, square_backward, None), "x must be an array of real numbers, got NoneType"),
    ((square, square_backward, np.ma.masked_array(ONES, [0, 1, 0])), "got MaskedArray"),
    ((square, square_backward, iter(ONES)), "x must be an array of real numbers, got"),
    ((square, square_backward, np.array([1, np.nan])), "x holds NaN or infinity: check at finite inputs"),
    ((square, square_backward, np.arange(3)), r"no input holds floats \(int64\): pass x.astype\(float\)"),
    ((square, lambda dy: dy, ONES), r"backward\(dy\) cannot be called with 2 arguments: .* backward\(dout, cache\)"),
    ((square, returning(None), ONES), "backward returned no gradient to check: did it forget to return one"),
    ((square, returning({"x": ONES}), ONES), "dx must be an array of real numbers, got dict"),
    ((square, returning(ONES + 1j), ONES), "dx must be an array of real numbers, got ndarray"),
    ((square, returning("text"), ONES), "dx must be an array of real numbers, got str"),
    ((square, lambda dy, x: (d for d in dy), ONES), "dx must be an array of real numbers, got generator"),
    ((lambda a, b: (a * b, (a, b)), lambda d, c: np.stack([d * c[1], d * c[0]]), ONES, ONES), "must return 2 gradients"),
]


@pytest.mark.parametrize("case", range(len(ODD)))
def test_odd_callables_and_inputs_get_one_sentence(case):
    args, words = ODD[case]
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        check(*args)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_errors_of_the_functions_themselves_are_shown_as_they_are():
    """With the learner's own traceback: a stub's NotImplementedError too."""
    for forward, backward, error in (
        (failing, square_backward, KeyError), (square, lambda dy, x: 1 / 0, ZeroDivisionError), (square, raising(NotImplementedError("todo")), NotImplementedError)
    ):
        with pytest.raises(error):
            check(forward, backward, ONES)


@pytest.mark.filterwarnings("ignore:coroutine")
def test_odd_things_that_are_fine_or_cannot_be_judged():
    with pytest.raises(ValueError, match="got coroutine"):
        check(coroutine, square_backward, ONES)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        check(square, square_backward, ONES, seed=-1)
    for x in ([1.0, 2.0], 2.0, np.float32(2), np.asfortranarray(np.ones((2, 3)))[::-1], np.broadcast_to(1.5, (2, 2))):
        assert check(square, square_backward, x).ok
    assert check(functools.partial(square), lambda dy, x: (square_backward(dy, x),), ONES).ok, "a tuple of one gradient"
    assert check(lambda *inputs: (inputs[0] * inputs[1], inputs), lambda d, c: (d * c[1], d * c[0]), ONES, 2 * ONES).rows[1].name == "input 1"
    assert check(lambda x: (x, x), lambda d, x: d, ONES).ok, "out is x itself"
    selected = check(lambda x: (x[x > 0], x), lambda d, x: np.append(d, 0.0), np.array([1.0, 0.0]))
    assert selected.verdict == "CANNOT JUDGE", "the number of outputs changes beside x"
    with pytest.raises(KeyboardInterrupt):
        check(lambda x: (_ for _ in ()).throw(KeyboardInterrupt), square_backward, ONES)
