"""Layer 4, the exercises with other inputs: what is drawn by a key, as a grader draws it, judges as what is drawn by the task's name."""

import hmac
import inspect

import numpy as np
import pytest

from tinyvae.exercises import verify
from tinyvae.exercises.capstone import judge_of
from tinyvae.exercises.helpers import same
from tinyvae.exercises.source import Task, tasks

TASKS = tasks()
GRADIENTS = [name for name, task in TASKS.items() if task.kind in ("backward", "pair")]


def keyed(task, answer, key):
    """A judge whose inputs hang on the key, and not on the task's name alone."""
    words = np.frombuffer(hmac.digest(b"key %d" % key, task.id.encode(), "sha256"), "<u4").tolist()

    class Keyed(judge_of(task)):
        def rng(self, *more):
            return np.random.default_rng([*words, *more])

    return Keyed(task, answer, key)


def unexpected(task, key):
    """The captions of the answers that are not judged as they should be: all tests hold, none, or some do not. Nothing is trained."""
    found = []
    for caption, least, most, answer in verify.answers(task, key):
        judge = keyed(task, answer, key)
        held = (judge.result(name, *entry).ok for name, entry in task.tests.items() if name != "trained")
        if not (all(held) if least else not any(held) if most == 0 else not all(held)):
            found.append(caption)
    return found


@pytest.mark.parametrize("name", TASKS)
def test_with_the_inputs_of_a_key_answers_get_what_they_should(name):
    assert not unexpected(TASKS[name], 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_with_the_inputs_of_thirty_keys_answers_get_what_they_should(name):
    assert not {key: found for key in range(4, 34) if (found := unexpected(TASKS[name], key))}


def test_the_key_decides_over_the_inputs():
    task = TASKS["kl_backward"]
    first, again, other = (keyed(task, vars(task.right), key).inputs(0) for key in (3, 3, 4))
    assert same(first, again, 0) and not any(same(a, b) for a, b in zip(first, other))


def test_a_task_that_hangs_on_chance_is_noticed(tmp_path):
    path = tmp_path / "free_bits.py"
    text = TASKS["free_bits"].path.read_text(encoding="utf-8")
    assert text.count("above[0] = below[0]") == 1
    path.write_text(text.replace("above[0] = below[0]", "above[:] = rng.uniform(0.5, 1.5)"), encoding="utf-8")
    found = {caption for key in range(3, 9) for caption in unexpected(Task(path), key)}
    assert {"solution", "the maximum is taken datum by datum, before the mean"} <= found


# ---- what is no derivative by hand --------------------------------------------------------------------


def differences(forward, inputs, dout, at, h):
    """The gradient by one input, by central differences of the sum of dout times the output."""
    point, gradient = np.array(inputs[at], float), np.zeros(np.shape(inputs[at]))
    for i in np.ndindex(*point.shape):
        ends = []
        for step in (h, -h):
            moved = point.copy()
            moved[i] += step
            out = forward(*inputs[:at], moved[()], *inputs[at + 1 :])[0]
            outs, douts = (out, dout) if isinstance(out, tuple) else ((out,), (dout,))
            ends.append(sum(np.sum(d * o) for d, o in zip(douts, outs)))
        gradient[i] = (ends[0] - ends[1]) / (2 * h)
    return gradient


@pytest.mark.parametrize("name", GRADIENTS)
def test_neither_differences_nor_float32_give_the_values(name):
    task = TASKS[name]
    judge = keyed(task, vars(task.right), 3)
    forward, inputs, call = judge.pair(task.right)[0], judge.inputs(2), judge.call()
    want = call.right(*call.draws[2])
    want = want if isinstance(want, tuple) else (want,)
    names = list(inspect.signature(forward).parameters)
    wrt = [names.index(name) for name in task.record.get("wrt", " ".join(names)).split()]
    for h in (1e-5, 1e-6):
        got = [differences(forward, inputs, call.draws[2][0], at, h) for at in wrt]
        assert same(got, list(want), 1e-5) and not same(got, list(want), call.rtol)
    assert not same([np.asarray(w).astype(np.float32) for w in want], list(want), call.rtol)
