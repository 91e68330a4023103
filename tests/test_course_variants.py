"""Graded variants: for every seed a sound task, whose right answer stands nowhere in the package and is found by hand."""

import re

import numpy as np
import pytest
import variants_by_hand as by_hand

from tinyvae.course import variants
from tinyvae.exercises import sheet
from tinyvae.exercises.explain import explain
from tinyvae.exercises.judge import Judge, earned
from tinyvae.exercises.percent import run
from tinyvae.exercises.source import Task, tasks
from tinyvae.exercises.verify import answers

FAMILIES = variants.families()
SEEDS = range(1, 41)


class Elsewhere(Judge):
    """A Judge whose inputs come from another key."""

    key = 0

    def rng(self, *more):
        return np.random.default_rng([self.key, *more])


def judged(task, seed, key=None):
    """(caption, points, whether as expected) of the solution, the stub and every wrong solution."""
    for caption, least, most, answer in answers(task, seed):
        judge = (Judge if key is None else Elsewhere)(task, answer, seed)
        judge.key = key
        points = earned(judge.results())
        yield caption, points, least <= points <= most


def unexpected(name, seed, key=None):
    """What is not as expected, of a family at a seed."""
    task = variants.make(FAMILIES[name], seed)
    return [(seed, key, caption, points) for caption, points, ok in judged(task, seed, key) if not ok]


def drawn(name, seed):
    """What a family draws at a seed."""
    path = FAMILIES[name]
    return variants._drawn(path, path.read_text(encoding="utf-8"), seed)


def of_hand(name, seed, key=None):
    """The results of the answer that was derived by hand."""
    task = variants.make(FAMILIES[name], seed)
    judge = (Judge if key is None else Elsewhere)(task, getattr(by_hand, name)(drawn(name, seed)), seed)
    judge.key = key
    return task.points, judge.results()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_variant_is_sound(name):
    assert not unexpected(name, 1) + unexpected(name, 2, key=7)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_derived_by_hand_gets_full_points(name):
    for seed in SEEDS[:10]:
        points, results = of_hand(name, seed)
        assert earned(results) == points, (seed, results)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_variant_is_sound(name):
    assert not [fault for seed in SEEDS for fault in unexpected(name, seed)]
    assert not [fault for key in range(20) for fault in unexpected(name, 3 + key % 4, key)]
    for seed in SEEDS:
        points, results = of_hand(name, seed, key=seed + 100)
        assert earned(results) == points, (seed, results)


@pytest.mark.parametrize("name", FAMILIES)
def test_seeds_give_different_tasks_and_one_seed_the_same(name):
    texts = [sheet.file(variants.make(FAMILIES[name], seed)) for seed in SEEDS]
    assert len(set(texts)) >= 12
    assert sheet.file(variants.make(FAMILIES[name], 1)) == texts[0]
    assert not [text for text in texts if "<<" in text or "{{" in text or "\\" in text.replace('\\"', "")]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_takes_the_place_of_a_task_with_its_minutes_and_points(name):
    task = variants.make(FAMILIES[name], 1)
    replaced = tasks()[task.variant_of]
    assert (task.minutes, task.points) == (replaced.minutes, replaced.points)
    assert name not in tasks() and task.id == name and variants.variant_for(replaced.id) == name
    assert len(list(answers(task, 1))) >= 6  # four wrong ones


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - {"graded_step"}))
def test_what_is_right_is_found_by_complex_step(name):
    """So there is no derivation in the package; the step of an optimizer is no derivative, and stands in its family. Of shapes it finds the axes,
    and of programs that are tested it is the backward pass."""
    task = variants.make(FAMILIES[name], 1)
    assert "1e-30j" in {"numbers": task.check_code, "test": task.given}.get(task.kind, task.solution)
    assert not any("1e-30j" in hint + task.statement for hint in task.hints)


def test_what_is_said_of_an_answer_names_what_is_in_the_cache():
    """The solutions do not open their cache; the given forward pass names what is in it."""
    task = variants.make(FAMILIES["graded_sample"], 3)
    texts = []
    for _, _, _, answer in answers(task, 3):
        judge = Judge(task, answer, 3)
        texts += explain(judge, judge.results()).values()
    assert not any("cache[" in text for text in texts) and any("does not change with eps" in text for text in texts)


def derivative(function, args, n, above):
    """By the n-th argument, of what a function returns times what comes from above, by complex step."""
    grad = np.empty(np.shape(args[n]))
    for entry in np.ndindex(grad.shape):
        moved = [np.array(a, complex) for a in args]
        moved[n][entry] += 1e-30j
        grad[entry] = (above * function(*moved).imag).sum() / 1e-30
    return grad


@pytest.mark.parametrize("seed", SEEDS[:12])
def test_shapes_are_those_of_the_printed_program_and_sums_over_the_axes_are_gradients(seed):
    task, rng = variants.make(FAMILIES["graded_shapes"], seed), np.random.default_rng(seed)
    answers = task.right_numbers(seed)
    space = run("\n".join(re.findall(r"(?m)^    (\w+ += .*)", task.statement)), task.checks, "the printed program")
    dlogits, dz, split = rng.standard_normal(space["logits"].shape), rng.standard_normal(space["z"].shape), answers.get("split", space["z"].shape)
    found = {name: space[name].shape for name in ("z", "logits", "log_px")} | {"dlog_sigma": space["log_sigma"].shape, "dW2": space["W2"].shape}
    assert not {name: shape for name, shape in found.items() if answers.get(name, shape) != shape}
    args = [rng.standard_normal(np.shape(space[name])) for name in ("mu", "log_sigma", "b3")]
    samples, logits = (lambda *args, out=out: space["decoder"](*args)[out] for out in (0, 1))
    spread = samples(*args) - samples(args[0], args[1] - 99, args[2])  # sigma eps
    for n, function, above, summed, axes in [(0, samples, dz, dz, "axes_mu"), (1, samples, dz, dz * spread, "axes_log_sigma"), (2, logits, dlogits, dlogits, "axes_b3")]:
        want = derivative(function, args, n, above)
        got = summed.reshape(split if n < 2 else summed.shape).sum(answers[axes])
        assert np.allclose(got.reshape(want.shape), want, rtol=1e-12, atol=1e-12), axes


def test_no_name_means_two_things_in_one_assignment():
    """What families give and ask for bears no name of another family or task: all may stand in one notebook."""
    made = [variants.make(path, 1) for path in FAMILIES.values()]
    names = {task.id: {*task.names} | {name for name in task.base if name not in ("np", "__name__") and name[:1] != "_"} for task in made}
    for task in tasks().values():
        names[task.id] = {*task.names}
    for task in made:
        for other, found in names.items():
            assert task.id == other or not names[task.id] & found, (task.id, other)


def test_a_file_without_vary_is_one_task():
    path = tasks()["kl_to_prior"].path
    assert sheet.file(variants.make(path, 1)) == sheet.file(variants.make(path, 2)) == sheet.file(Task(path))
    assert variants.variant_for("six_curves") is None


def test_what_is_not_drawn_and_what_is_no_seed_is_said(tmp_path):
    path = tmp_path / "own.py"
    path.write_text('# %% [vary]\ndef vary(rng):\n    return {"a": "<<b>>"}\n# %% [record]\n# title: <<a>> <<c>>\n# %% [markdown]\n# x\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"own.py: vary must return a text for b, c, got texts for a"):
        variants.make(path, 1)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        variants.make(path, -1)
    with pytest.raises(TypeError):
        variants.make(path, 1.5)
