"""The variant of two programs: all its programs pass the gradient check, and what is published about the task itself is no answer to it."""

import numpy as np
import pytest

from tinyvae import check
from tinyvae.course import variants
from tinyvae.exercises.judge import Judge, earned, judge
from tinyvae.exercises.source import tasks

PATH = variants.families()["graded_programs"]
SHAPES = {"(N, K)": (4, 2), "(L, N, K)": (3, 4, 2), "(N, L, K)": (4, 3, 2)}
SEEDS = range(1, 17)


def drawn(seed):
    """What is drawn at a seed."""
    return variants._drawn(PATH, PATH.read_text(encoding="utf-8"), seed)


@pytest.mark.parametrize("seed", [1, 2, 3, 6, 7])  # noise that is given, in all its shapes, and noise of the program
def test_every_program_passes_the_gradient_check(seed):
    """That is what the task says of all of them; the wrong ones are for a truth test."""
    space, found, rng = variants.make(PATH, seed).checks, drawn(seed), np.random.default_rng(seed)
    mu, r, eps = rng.standard_normal((4, 2)), rng.uniform(0.2, 0.9, (4, 2)), rng.standard_normal(SHAPES[found["axes"]])
    for program in (space["program_a"], space["program_b"], *space["RIGHT"], *space["DRAWS"], *space["OF_KL"]):

        def forward(mu, r, program=program):
            return program.forward(mu, r, eps if found["noise"] == "eps" else np.random.default_rng(0))

        assert check(forward, program.backward, mu, r)


def test_the_seeds_that_are_tried_have_noise_of_every_kind():
    assert {(found["noise"], found["axes"]) for found in map(drawn, [1, 2, 3, 6, 7])} == {("rng", "(N, K)"), *(("eps", axes) for axes in SHAPES)}


def test_of_two_programs_one_is_wrong_and_any_mistake_can_be_in_either():
    found = [drawn(seed) for seed in range(200)]
    wrong = {(one["faulty"], one[f"z_{one['faulty'].lower()}"], one[f"nats_{one['faulty'].lower()}"]) for one in found}
    assert len(wrong) == 2 * 2 * 7, "letters, ways to write a program, mistakes"
    assert all(one["first_a"] != one["first_b"] for one in found)


class Keyed(Judge):
    """A Judge whose inputs come from another key."""

    key = 0

    def rng(self, *more):
        return np.random.default_rng([self.key, *more])


class Counter:
    """It knows how many right programs the tests begin with, and recognises A, B and those it was asked about by their results."""

    def __init__(self, task):
        self.seen, self.task, space = [], task, task.checks
        self.known = {letter: self.mark(space[f"program_{letter.lower()}"]) for letter in "AB"}

    def mark(self, program):
        (z, kl), _ = program.forward(np.array([[0.7, -0.4], [1.1, 0.3]]), np.array([[0.5, 0.9], [-0.6, 0.2]]), np.random.default_rng(0))
        return round(float(z.sum() + np.sum(kl)), 9)

    def __call__(self, program):
        found = self.mark(program)
        if found in self.known.values():
            return found == self.known[self.task.right.faulty]
        self.seen += [found] * (found not in self.seen)
        return self.seen.index(found) >= 2


class Waiting(Counter):
    """It raises while all are asked about in the order of the key; if it were asked again after that, it would be in the published order."""

    def __init__(self, task):
        super().__init__(task)
        others = [self.mark(program) for name in ("RIGHT", "DRAWS", "OF_KL") for program in task.checks[name]]
        self.first, self.second = 2 + len(others), sum(mark not in self.known.values() for mark in others)

    def __call__(self, program):
        found = self.mark(program)
        if self.first:
            self.first -= 1
            raise ValueError("wait")
        if found in self.known.values():
            return found == self.known[self.task.right.faulty]
        if self.second:
            self.second -= 1
            raise ValueError("wait")
        self.seen += [found] * (found not in self.seen)
        return self.seen.index(found) >= len({*map(self.mark, self.task.checks["RIGHT"])} - {*self.known.values()})


@pytest.mark.parametrize("kind", [Counter, Waiting])
def test_counting_programs_is_of_no_use(kind):
    task = variants.make(PATH, next(seed for seed in SEEDS if drawn(seed)["noise"] == "rng"))
    for key in range(10):
        judge = Keyed(task, {"finds_mistake": kind(task), "faulty": task.right.faulty})
        judge.key = key
        assert earned(judge.results()) < task.points, key


def test_the_published_test_of_programs_is_no_answer():
    """Neither as it stands nor with the formula of sigma in it, while its KL is that to N(0, I)."""
    published = tasks()["two_programs"].solution
    for seed in SEEDS:
        task, found = variants.make(PATH, seed), drawn(seed)
        sigma, variance = found["sigma"], f"(lambda {found['var']}: ({found['sigma']}) ** 2)(log_var"
        edited = published.replace("np.exp(log_var", variance).replace("- log_var)", f"- np.log({variance})))")
        assert edited.count(sigma) == 3
        for code in (published, edited):
            answer = task.build(code)
            results = judge(task, answer | {"finds_mistake": answer["finds"], "faulty": task.right.faulty})
            assert earned(results) == 1, (seed, results)  # for the letter, which it was told
