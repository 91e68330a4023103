"""The table of mistakes: every figure in it is measured again, and the page that is made from it is as it should be."""

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from tinyvae import check
from tinyvae.exercises import explain, helpers, mistakes, mistakes_page, source
from tinyvae.exercises.judge import Judge, sized

TABLE = mistakes.table()
FIRST = {m.program: m for m in reversed(TABLE.values())}  # a mistake of every program
PAGE = Path(__file__).parents[1] / "docs" / "mistakes.md"


def test_the_table_is_whole():
    lines = (mistakes.HERE / "mistakes.tsv").read_text(encoding="utf-8").splitlines()
    assert tuple(lines[0].split("\t")) == mistakes.COLUMNS and len(lines) == len(TABLE) + 1
    assert {m.number for m in TABLE.values()} == {"", *map(str, range(1, 37))}
    assert {m.caught_by for m in TABLE.values()} == {mistakes.GRADIENT, mistakes.TRUTH, mistakes.NEITHER}
    programs = {path.stem for path in (mistakes.HERE / "programs").glob("*.py")}
    assert programs == {m.program for m in TABLE.values()}
    for m in TABLE.values():
        assert m.symptom and m.step and m.says and m.seen_in, m.id
        assert (m.seen_in == "-") >= (not m.number), f"{m.id}: a place without a number"
        assert not {"you", "your"} & set(f"{m.says} {m.symptom}".lower().split()), f"{m.id}: what is said lays no blame"


@pytest.mark.parametrize("m", FIRST.values(), ids=FIRST)
def test_both_tests_pass_for_the_right_program(m):
    for test, (passes, figure) in mistakes.seen(m, m.build(m.right_source)).items():
        assert passes or passes is None and test == mistakes.GRADIENT, (test, figure)


@pytest.mark.parametrize("m", TABLE.values(), ids=TABLE)
def test_a_mistake_is_caught_by_what_the_table_says(m):
    """If a program was changed on purpose, the two columns of the table are what `mistakes.caught` returns."""
    assert mistakes.caught(m) == (m.caught_by, m.measured)


def outcome(m, program, n):
    """What a program does at the n-th set of sizes; a word if it stops."""
    try:
        with np.errstate(all="ignore"):
            return m.check.behaviour(program, np.random.default_rng(n), **sized(m.check.behaviour, helpers.SIZES[n]))
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


@pytest.mark.parametrize("m", TABLE.values(), ids=TABLE)
def test_a_wrong_program_does_something_else_and_the_right_one_the_same(m):
    right, again, wrong = (m.build(source) for source in (m.right_source, m.right_source, m.wrong_source))
    for n in range(len(helpers.SIZES)):
        assert helpers.same(outcome(m, again, n), outcome(m, right, n))
        assert not helpers.same(outcome(m, wrong, n), outcome(m, right, n))


def test_mutants_are_functions_that_know_their_source():
    found = mistakes.mutants("kl_backward")
    captions = [caption for _, _, caption in found]
    assert "the -1, the derivative of -ln sigma, is missing" in captions and len(found) >= 4
    for function, right, _ in found:
        assert function.__name__ == "kl_backward" and function.__source__.startswith("def kl_backward")
    assert mistakes.mutants("no_such_function") == []


def test_both_tests_are_told_of_a_program():
    m = TABLE["variance_for_sigma"]
    assert "variance of z is 5.06" in mistakes.examine(m, m.build(m.wrong_source))
    assert "5.06" not in mistakes.examine(m, m.build(m.right_source))


def test_the_page_is_made_from_the_table():
    """To make it again: python -m tinyvae.exercises.mistakes_page docs/mistakes.md"""
    assert PAGE.read_text(encoding="utf-8") == mistakes_page.written(PAGE)


def test_importing_the_package_leaves_the_mistakes_alone():
    code = "import tinyvae, sys; sys.exit('tinyvae.exercises.mistakes' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_programs_of_two_programs_pass_the_gradient_check():
    """That is what the task says of all of them; the wrong ones are for a truth test."""
    space, rng = source.tasks()["two_programs"].checks, np.random.default_rng(0)
    inputs = helpers.normal(rng, 3, 2), helpers.log_scale(rng, 3, 2), helpers.normal(rng, 3, 2)
    for program in (space["A"], space["B"], *space["RIGHT"], *space["DRAWS"], *space["OF_KL"]):
        assert check(program.forward, program.backward, *inputs, wrt=("mu", "log_var"))


def test_every_mistake_is_named():
    """What a program with a mistake does is told apart from what all other mistakes in that program do; so each gets its own name."""
    named = 0
    for mistake in TABLE.values():
        task = types.SimpleNamespace(kind="bug", mistaken=mistake, id=mistake.id, record={}, names=[], wrong=[])
        texts = explain.of_program(Judge(task, vars(mistake.build(mistake.wrong_source))))
        others = [other.says for other in mistakes.of_program(mistake.program) if other is not mistake]
        assert mistake.says in texts[3] and not any(says in texts[3] for says in others), mistake.id
        named += mistake.caught_by != mistakes.NEITHER
    assert named == 69
