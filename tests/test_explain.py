"""Layer 4, what a check says of a wrong answer: true, no more than its level, and never the answer."""

import ast
import collections
import functools

import pytest

from tinyvae.exercises import tasks, verify
from tinyvae.exercises.capstone import judge_of
from tinyvae.exercises.explain import CODE, explain
from tinyvae.exercises.judge import Judge

CODED = {name: task for name, task in tasks().items() if task.kind in CODE}


@functools.cache
def explained(name):
    """(caption, what failed, {level: text}) of every wrong solution of a task."""
    found = []
    for caption, _, _, answer in verify.answers(tasks()[name]):
        if caption not in ("solution", "stub"):
            judge = judge_of(tasks()[name])(tasks()[name], answer)
            results = judge.results()
            found.append((caption, {result.name for result in results if not result.ok}, explain(judge, results)))
    return found


LONG = "elbo_backward", "gaussian_elbo_backward"  # many wrong solutions of a long function
FAST = [name for name in CODED if tasks()[name].core and name not in LONG]  # the others are among the slow tests


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in CODED])
def test_levels_of_a_task(name):
    """The formula comes at level 3 alone, the step at level 2; no line of the solution is printed, nobody is blamed."""
    task = CODED[name]
    lines = {ast.unparse(node) for node in ast.walk(ast.parse(task.solution)) if isinstance(node, (ast.Return, ast.Assign)) and len(ast.unparse(node)) > 14}
    for caption, failed, texts in explained(name):
        assert set(texts) == ({1, 2, 3} if failed & {"values", "forward"} else {2}), caption
        for level, text in texts.items():
            assert not [line for line in lines if line in text and f'"{line}"' not in text], (caption, level)
            assert "you forgot" not in text.lower() and "forgot" not in text.lower(), (caption, text)
        if 1 in texts:
            assert "one gets if" not in texts[1] + texts[2] or texts[1] == texts[3], caption


@pytest.mark.slow
def test_nearly_all_wrong_solutions_are_named():
    """Their captions are known to the check as mutants: what it says at last is the caption, or another formula that fits as well."""
    told = collections.Counter()
    for name in CODED:
        for caption, failed, texts in explained(name):
            if failed & {"values", "forward"}:
                told["all"] += 1
                told["named"] += texts[3] != texts[1] or "raises" in texts[1] or "shape" in texts[1]
                told["by its caption"] += caption in texts[3]
    assert told["all"] > 200 and told["named"] > 0.95 * told["all"] and told["by its caption"] > 0.6 * told["all"], told


def test_numbers_by_a_known_mistake_are_named():
    task = tasks()["kl_by_hand"]
    for caption, answers in task.checks["wrong"](task.numbers()).items():
        judge = Judge(task, answers)
        texts = explain(judge, judge.results())
        assert "is what one gets if" in texts[3]
        assert caption in texts[3] or any(other in texts[3] for other in task.checks["wrong"](task.numbers()))


def test_a_program_that_is_not_mended_is_told_what_the_tests_say():
    task = tasks()["find_flattering_elbo"]
    judge = Judge(task, vars(task.right) | vars(task.mistaken.build(task.mistaken.wrong_source)))
    texts = explain(judge, judge.results())
    assert 1 not in texts and "variance of z is 5.06" in texts[2] and task.mistaken.says in texts[3] and task.mistaken.says not in texts[2]


def test_nothing_is_explained_before_there_is_an_attempt():
    task = tasks()["kl_backward"]
    for answer in (task.build("def kl_backward(dkl, cache):\n    raise NotImplementedError\n"), {}, vars(task.right)):
        judge = Judge(task, answer)
        assert explain(judge, judge.results()) == {}
