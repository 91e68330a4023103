"""The programs to be mended: each is wrong, is seen by what its table says, and earns no more than what is right in it."""

import numpy as np
import pytest

from tinyvae import check
from tinyvae.course import variants
from tinyvae.course.formats.notebook import parts
from tinyvae.exercises.explain import explain
from tinyvae.exercises.helpers import log_scale, normal, same
from tinyvae.exercises.judge import Judge, earned
from tinyvae.exercises.percent import rows, run

PATH = variants.families()["graded_mend"]
SLOPES, SLIPS = (rows(PATH.with_name(name)) for name in ("slopes.tsv", "slips.tsv"))


class Chosen:
    """In place of a generator: it draws these rows, whatever it is asked."""

    def __init__(self, *chosen):
        self.left = list(chosen)

    def choice(self, table):
        return self.left.pop(0)


def made(monkeypatch, slope, slip):
    """(task, the program that it shows as a namespace) of a parametrisation and a mistake."""
    with monkeypatch.context() as patch:
        patch.setattr(variants.np.random, "default_rng", lambda seed: Chosen(slip, slope))
        task = variants.make(PATH, 1)
    shown = [line for line in task.statement.splitlines() if line.startswith("    ")]
    return task, run("\n".join(line[4:] for line in shown), {"np": np}, "shown")


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    return normal(rng, 5, 3), log_scale(rng, 5, 3), normal(rng, 4, 5, 3)


@pytest.mark.parametrize("slope", SLOPES, ids=[row["var"] for row in SLOPES])
def test_every_mistake_is_seen_by_what_its_table_says(slope, monkeypatch):
    for slip in SLIPS:
        task, shown = made(monkeypatch, slope, slip)
        report = check(shown["draws_forward"], shown["draws_backward"], *inputs(), wrt=("mu", slope["var"]))
        draws_right = same(shown["draws_forward"](*inputs())[0], task.right.draws_forward(*inputs())[0])
        assert task.right.seen_by == slip["seen_by"] == ("truth test" if report.ok else "gradient check"), slip["says"]
        assert draws_right == (not report.ok), slip["says"]


@pytest.mark.parametrize("slip", SLIPS, ids=[row["says"] for row in SLIPS])
def test_a_program_that_is_handed_in_as_it_was_earns_what_is_right_in_it(slip, monkeypatch):
    task, shown = made(monkeypatch, SLOPES[1], slip)
    results = Judge(task, shown | {"seen_by": f" {slip['seen_by'].title()} "}).results()
    assert [result.name for result in results if result.ok] == ["forward"] * (slip["seen_by"] == "gradient check") + ["seen_by"]
    assert earned(results) == (2 if slip["seen_by"] == "gradient check" else 1)


def test_no_parametrisation_is_one_of_the_other_table():
    """Its slopes stand in the package: those of the other table must not."""
    codes = [[row["sigma"].replace(row["var"], "u") for row in table] for table in (SLOPES, rows(PATH.with_name("scales.tsv")))]
    assert len(set(codes[0])) == len({row["var"] for row in SLOPES}) == len(SLOPES) and not set(codes[0]) & set(codes[1])


def test_a_backward_pass_that_was_left_is_told_so_and_the_word_alone_gets_its_own_step(monkeypatch):
    task, _ = made(monkeypatch, SLOPES[0], SLIPS[1])
    mended = vars(task.right)
    half = task.build(task.wrong[0][1]) | {"seen_by": "truth test"}
    judge = Judge(task, half)
    assert "one gets if forward is mended, and backward still belongs to the old one" in explain(judge, judge.results())[3]
    for word in ("gradient check", None, 3):
        judge = Judge(task, mended | {"seen_by": word})
        results = judge.results()
        assert earned(results) == 3
        assert explain(judge, results) == {2: f"The step to look at: {task.record['steps']['seen_by']}."}


def test_the_call_to_try_it_checks_both_passes(monkeypatch):
    task, _ = made(monkeypatch, SLOPES[0], SLIPS[0])
    assert "print(check(\n    draws_forward, draws_backward,\n" in parts(task, 1)[2]["source"]
