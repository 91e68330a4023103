"""Grading over the pipe: right, wrong, blank, looping, crashing and forging answers, by the points and words that they get."""

import json
import re
import textwrap

import numpy as np
import pytest

from tinyvae.course import grade as grading
from tinyvae.course.assignment import new
from tinyvae.course.given import solution
from tinyvae.course.grade import TRUSTED, grade, grade_all, told
from tinyvae.course.jail import jails
from tinyvae.course.submission import Submission
from tinyvae.course.verify import answers
from tinyvae.exercises.source import tasks

JAIL = (jails() or [TRUSTED])[0]
KL = """
import numpy as np

def kl_backward(dkl, cache):
    mu, sigma2 = cache
    return dkl[:, None] * mu, dkl[:, None] * (sigma2 - 1)
"""


@pytest.fixture(scope="module")
def assignment():
    return new("one", ["kl_backward"], seed=1)


def graded(assignment, code, digest="digest", **sections):
    record = grade(assignment, Submission(textwrap.dedent(code), [], digest, "x.py", sections), JAIL)
    assert record == json.loads(json.dumps(record)), "a record is JSON"
    return record


def task_of(record):
    (task,) = record["tasks"].values()
    return task


def test_a_right_answer_gets_full_points_and_the_record_says_how_it_was_graded(assignment):
    record = graded(assignment, KL)
    assert record["score"] == record["of"] == 5
    assert record["jail"].startswith(JAIL)
    assert {"assignment", "tinyvae", "tasks_version", "seed", "digest", "seconds"} <= set(record)
    assert all(test["ok"] and test["found"] == "" for test in task_of(record)["tests"])


def test_a_wrong_answer_loses_points_and_its_mistake_is_named(assignment):
    task = task_of(graded(assignment, KL.replace("sigma2 - 1", "sigma2")))
    assert 0 < 5 - task["score"]
    assert "-1" in task["mistake"]
    assert task["tag"] == "KL.2"
    assert set(task["texts"]) == {"1", "2", "3"}


def test_a_blank_answer_gets_nothing_and_is_no_mistake(assignment):
    task = task_of(graded(assignment, 'def kl_backward(dkl, cache):\n    raise NotImplementedError("write it")'))
    assert (task["score"], task["mistake"], task["missing"]) == (0, "", [])
    assert task_of(graded(assignment, "x = 1"))["missing"] == ["kl_backward"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def kl_backward(dkl, cache):\n    while True:\n        pass", "did not end within the 1 s"),
        ("import os\n\ndef kl_backward(dkl, cache):\n    os._exit(0)", ""),
        ("import os\nos._exit(0)", ""),
        ("def kl_backward(dkl, cache):\n    return 1 / 0", "ZeroDivisionError"),
        ("def kl_backward(dkl, cache):\n    raise SystemExit(0)", "SystemExit"),
        ("raise ValueError('at load')", "at load"),
        ("def kl_backward(dkl, cache):\n    return None", "None"),
        ("import numpy as np\ndef kl_backward(dkl, cache):\n    return np.nan * cache[0], np.nan * cache[0]", ""),
        ("def kl_backward(dkl, cache):\n    return cache[0].astype(object), cache[1]", ""),
    ],
)
def test_whatever_it_does_it_gets_nothing_and_no_more(assignment, monkeypatch, code, words):
    monkeypatch.setattr(grading, "SECONDS", 1)
    record = graded(assignment, code)
    assert record["score"] == 0
    assert any(words in test["found"] for test in task_of(record)["tests"])
    if "did not end" in words:
        assert any("kl_backward: it did not end" in note for note in record["notes"]), "the row of the lecturer's table says so"


BY_DIFFERENCES = """
import numpy as np

def kl(mu, log_sigma):
    return (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma).sum(1) / 2

def differences(f, a, h):
    d = np.zeros(a.shape)
    for i in np.ndindex(a.shape):
        step = np.zeros(a.shape, {dtype})
        step[i] = h
        d[i] = {rule}
    return d

def kl_backward(dkl, cache):
    mu, sigma2 = cache
    log_sigma = np.log(sigma2) / 2
    return differences(lambda a: dkl @ kl(a, log_sigma), mu, {h}), differences(lambda a: dkl @ kl(mu, a), log_sigma, {h})
"""


@pytest.mark.parametrize("h", [1e-5, pytest.param(1e-3, marks=pytest.mark.slow), pytest.param(1e-6, marks=pytest.mark.slow)])
def test_central_differences_are_no_answer(assignment, h):
    code = BY_DIFFERENCES.format(h=h, dtype="float", rule="(f(a + step) - f(a - step)) / (2 * h)")
    tests = {test["name"]: test["ok"] for test in task_of(graded(assignment, code))["tests"]}
    assert not tests["values"]


def test_the_complex_step_is_an_answer(assignment):
    code = BY_DIFFERENCES.format(h=1e-30, dtype="complex", rule="f(a + 1j * step).imag / h")
    assert graded(assignment, code)["score"] == 5


def test_answers_that_were_seen_are_of_no_use(assignment):
    """Remember the results of one submission, and hand them in by a list: the inputs of another file are others."""
    code = KL + "\nSEEN = []\n"
    inputs = {digest: assignment.inputs_key(digest, "kl_backward") for digest in "ab"}
    assert inputs["a"] != inputs["b"]
    judge_a, judge_b = (grading.judge_of(tasks()["kl_backward"])(tasks()["kl_backward"], {}, 1, key) for key in inputs.values())
    (mu_a, _), (mu_b, _) = judge_a.inputs(0), judge_b.inputs(0)
    assert mu_a.shape == mu_b.shape and not np.isin(mu_a, mu_b).any()
    listed = [np.asarray(d).tolist() for d in tasks()["kl_backward"].right.kl_backward(np.ones(5), (mu_a, np.exp(2 * judge_a.inputs(0)[1])))]
    assert graded(assignment, code + f"\ndef kl_backward(dkl, cache):\n    return tuple(np.array(d) for d in {listed})", "b")["score"] == 0


def test_the_seed_of_the_notebook_is_not_asked():
    made = new("numbers", ["kl_by_hand"], seed=7)
    task = tasks()["kl_by_hand"]

    def code(seed):
        return f"seed = {seed}\n" + "\n".join(f"{name} = {value!r}" for name, value in task.right_numbers(seed).items()).replace("np.float64", "float")

    assert graded(made, code(7))["score"] == task.points
    assert graded(made, code(0))["score"] < task.points


def counted(order):
    answers = iter(order)
    return lambda program: next(answers)


@pytest.mark.slow
def test_a_counter_does_not_know_which_program_is_wrong():
    """The order of the programs is published, each is asked about once; in the child what was asked before is asked again in between."""
    made, task = new("test", ["gradient_check"], seed=1), tasks()["gradient_check"]
    right = solution(task)
    assert graded(made, right)["score"] == task.points
    asked = [*5 * [False], *13 * [True]]
    counting = f"calls = []\nORDER = {asked}\n\ndef finds(program):\n    calls.append(1)\n    return ORDER[len(calls) - 1]"
    judge = grading.judge_of(task)(task, {"finds": counted(asked)}, 1, [1])
    assert all(result.ok for result in judge.results()), "asked in the published order, it is right"
    assert graded(made, counting)["score"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kl_to_prior", "dense_backward", "bernoulli_forward", "elbo_backward", "find_misleading_kl", "minibatches", "two_programs", "adam_step"])
def test_every_kind_of_task_is_judged_over_the_pipe(name):
    made, task = new("kind", [name], seed=1), tasks()[name]
    (_, right), *wrong = answers(task, 1)
    assert graded(made, right)["score"] == task.points
    for caption, code in wrong[:2]:
        assert graded(made, code)["score"] < task.points, caption


def test_tasks_that_ask_for_one_name_are_judged_by_what_stands_under_their_marks():
    made, wrong = new("two", ["kl_backward", "score_gradient", "kl_forward"], seed=1), KL.replace("sigma2 - 1", "sigma2")
    assert made.shared == set()
    assert graded(made, KL, kl_backward=wrong)["tasks"]["kl_backward"]["score"] == 5, "no other task asks for it: the last definition counts"
    clash = new("clash", ["gradient_check", "bound_rises"], seed=1)
    assert clash.shared == {"gradient_check", "bound_rises"}, "both ask for finds"
    right = solution(tasks()["bound_rises"])
    record = graded(clash, right, gradient_check=solution(tasks()["gradient_check"]))
    assert [task["score"] == task["of"] for task in record["tasks"].values()] == [True, True]


def test_what_is_told_rises_with_the_level(assignment):
    record = graded(assignment, KL.replace("sigma2 - 1", "sigma2"))
    texts = [told(record, "kl_backward", level) for level in range(4)]
    assert "wrong" not in texts[0] and "points" not in texts[0] and not re.search(r"\d of \d", texts[0])
    assert len(set(texts)) == 4
    assert record["tasks"]["kl_backward"]["mistake"] not in texts[1]
    assert "not found: kl_backward" in told(graded(assignment, "x = 1"), "kl_backward", 0)


@pytest.mark.slow
def test_many_files_each_in_a_process_whatever_is_in_them(tmp_path, assignment):
    assignment.write(tmp_path)
    junk = [("junk.py", b"\xff\xfe\x00x"), ("empty.ipynb", b""), ("deep.py", b"x = " + b"(" * 100_000), ("picture.png", b"png")]
    files = [("right.py", KL.encode()), *junk, ("wrong.py", KL.replace("mu,", "-mu,").encode())]
    scores = [record["score"] for record in grade_all(tmp_path, files, JAIL, workers=2)]
    assert scores[0] == 5 and scores[1:5] == [0, 0, 0, 0] and 0 <= scores[5] < 5


def test_a_loop_takes_its_time_once(assignment, monkeypatch):
    monkeypatch.setattr(grading, "SECONDS", 1)
    record = graded(assignment, "def kl_backward(dkl, cache):\n    while True:\n        pass")
    assert record["seconds"] < 3, "not once for each of three tests"


def test_a_line_that_fails_costs_itself_and_what_is_printed_is_noted(assignment):
    record = graded(assignment, KL + "\nx = 1 / 0\n\ndef noisy():\n    print('all tests passed: 5 of 5')\n    return 0\n\nz = [noisy()]")
    assert record["score"] == 5
    assert any("ZeroDivisionError" in note for note in record["notes"])
    assert any("it printed: all tests" in note for note in record["notes"])


def test_without_a_jail_every_record_says_so(assignment):
    record = grade(assignment, Submission(KL, [], "d", "x.py", {}), TRUSTED)
    assert record["score"] == 5 and "trusted" in record["jail"]


@pytest.mark.slow
def test_the_capstone_takes_nothing_that_is_not_there(tmp_path):
    made, task = new("capstone", ["capstone"], seed=1), tasks()["capstone"]
    (_, right), *wrong = answers(task, 1)
    assert graded(made, right)["score"] == task.points
    without = graded(made, solution(task))
    assert without["score"] == 0 and "dense_forward is not defined" in json.dumps(without)
    for caption, code in wrong:
        assert graded(made, code)["score"] < task.points, caption


@pytest.mark.parametrize("name", ["graded_kl", *(pytest.param(name, marks=pytest.mark.slow) for name in ("graded_sample", "graded_likelihood", "graded_layer", "adam_step", "minibatches"))])
def test_changing_what_is_handed_over_changes_nothing_of_the_judges(name):
    """An answer that sets its inputs to zero and returns zeros: where the judge goes on with these inputs, zero is right."""
    made = new("zero", [name], seed=5)
    (task,) = made.tasks.values()
    function = task.names[-1]
    code = f"""
import numpy as np

def zeroed(value):
    if isinstance(value, np.ndarray):
        value[...] = 0
    elif isinstance(value, (tuple, list)):
        [zeroed(part) for part in value]

{solution(task)}

right = {function}

def {function}(*args):
    out = right(*args)
    zeroed(args)
    zeroed(out)
    return out
"""
    record = graded(made, code)
    assert record["score"] == 0 or name == "minibatches", [test for test in task_of(record)["tests"] if test["ok"]]
    assert record["score"] < task.points
