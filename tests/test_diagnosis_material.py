"""The examination itself, before anybody sits it: the wrong answers are wrong, the right ones right, and the pairs too."""

import inspect

import diagnosis_cases
import numpy as np
import pytest
from diagnosis_cases import CATEGORIES, PAIRS, RIGHT, WRONG, draws

TIGHT = 1e-10


def gradients(returned):
    return list(returned) if isinstance(returned, (tuple, list)) else [returned]


def fresh(pair, inputs):
    """Copies of the inputs and the cache that forward makes of them."""
    inputs = tuple(np.array(value) for value in inputs)
    return inputs, PAIRS[pair].forward(*inputs)[1]


def flat(cache):
    return [np.array(part) for part in (cache if isinstance(cache, tuple) else (cache,))]


def same(left, right, tight=TIGHT):
    """As many arrays, of the same shapes, whose entries agree to 1e-10."""
    if len(left) != len(right):
        return False
    return all(
        a is not None and np.shape(a) == np.shape(b) and np.all(np.isfinite(a)) and np.max(np.abs(np.subtract(a, b, dtype=float))) <= tight
        for a, b in zip(left, right)
    )


def called(record, inputs, dout):
    """What an answer returns, and whether it changed what it was given."""
    mine, cache = fresh(record.pair, inputs)
    given, before = dout.copy(), flat(cache)
    with np.errstate(all="ignore"):
        got = gradients(record.backward(given, cache))
    return got, not all(np.array_equal(a, b) for a, b in zip([given, *mine, *flat(cache)], [dout, *inputs, *before]))


def behaves(record, inputs, dout):
    """Whether an answer has the right gradients and leaves alone what it is given."""
    got, changed = called(record, inputs, dout)
    return not changed and same(got, gradients(PAIRS[record.pair].backward(dout.copy(), fresh(record.pair, inputs)[1])))


@pytest.mark.parametrize("record", WRONG, ids=lambda record: record.id)
def test_every_wrong_answer_is_wrong_on_every_draw(record):
    for inputs, dout in draws(record.pair):
        try:
            assert not behaves(record, inputs, dout)
        except (ValueError, TypeError, AttributeError) as raised:
            assert "raises" in record.accept, raised


@pytest.mark.parametrize("record", RIGHT, ids=lambda record: record.id)
def test_every_right_answer_is_right_on_every_draw(record):
    assert all(behaves(record, inputs, dout) for inputs, dout in draws(record.pair))


@pytest.mark.parametrize("pair", PAIRS)
def test_the_pairs_themselves_are_right(pair):
    """By central differences along random directions, in every input that has a gradient."""
    entry = PAIRS[pair]
    names = list(inspect.signature(entry.forward).parameters)
    assert len(entry.outputs) == len(entry.wrt)
    for inputs, dout in draws(pair):
        found = gradients(entry.backward(dout, entry.forward(*inputs)[1]))
        assert len(found) == len(entry.wrt)
        for name, gradient in zip(entry.wrt, found):
            at, h = names.index(name), 1e-6
            assert np.shape(gradient) == np.shape(inputs[at])
            direction = np.random.default_rng(1).standard_normal(np.shape(inputs[at]))
            up, down = (entry.forward(*inputs[:at], inputs[at] + step * direction, *inputs[at + 1 :])[0] for step in (h, -h))
            np.testing.assert_allclose(np.sum(dout * (up - down)) / (2 * h), np.sum(gradient * direction), rtol=1e-6, atol=1e-8)


def test_the_material_is_large_enough_and_has_names():
    assert len(WRONG) >= 90 and len(RIGHT) >= 70
    for records in (WRONG, RIGHT):
        assert len({record.id for record in records}) == len(records)
        assert {record.pair for record in records} == set(PAIRS)
    assert all(record.truth and record.accept and set(record.accept) <= set(CATEGORIES) for record in WRONG)
    assert all(len(set(record.accept)) == len(record.accept) for record in WRONG)
    assert {name for record in WRONG for name in record.accept} == set(CATEGORIES)
    assert sum("two mistakes" in record.truth for record in WRONG) >= 8
    assert sum("unknown" in record.accept for record in WRONG) >= 6


@pytest.mark.parametrize("record", [record for record in WRONG if "raises" not in record.accept], ids=lambda record: record.id)
def test_what_can_be_told_by_looking_is_accepted_if_and_only_if_it_is_so(record):
    inputs, dout = next(draws(record.pair))
    got, changed = called(record, inputs, dout)
    wanted, says = gradients(PAIRS[record.pair].backward(dout.copy(), fresh(record.pair, inputs)[1])), set(record.accept)
    assert changed == ("in place" in says)
    assert (len(got) != len(wanted) or got[0] is None) == ("count" in says)
    if "count" in says:
        return
    assert ([np.shape(g) for g in got] != [np.shape(g) for g in wanted]) == ("shape" in says)
    assert all(np.all(np.isfinite(g)) for g in got) != ("nan" in says)
    if "nan" not in says:
        assert same(got, called(record, inputs, dout)[0], 0) != ("noise" in says)
    if not says & {"nan", "noise"}:
        other = [called(record, inputs, number * dout)[0] for number in (2, -1)]
        linear = all(same(found, [number * np.asarray(g, float) for g in got], 1e-6) for found, number in zip(other, (2, -1)))
        assert linear != ("linearity" in says)


def test_the_draws_have_different_primes():
    for sizes in diagnosis_cases.SIZES:
        assert len(set(sizes.values())) == 4 and all(n > 1 and all(n % m for m in range(2, n)) for n in sizes.values())
