"""Layer 4, the exercises: every task is sound, and the set is what it says it is."""

import ast
import collections
import configparser
import functools
import hashlib
import re
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tinyvae.exercises import progress, sheet, source, verify
from tinyvae.exercises.judge import earned, judge
from tinyvae.exercises.source import Task, frozen, tasks
from tinyvae.exercises.verdicts import Heard

TASKS = tasks()
BY_KIND = collections.Counter(task.kind for task in TASKS.values())
PUBLISHED = {1: "4baa6c7c4d62962c"}  # version of the set -> digest of its rows in frozen.tsv
FIELDS = "title", "kind", "lecture", "notebook", "equation", "tag", "shapes", "lines", "minutes", "tests"


# ---- what every task must be --------------------------------------------------------------------------


@functools.cache
def verified(name):
    """(what `verify` says of the answers to a task, at three seeds where it has numbers; seconds of the first)."""
    task, start = TASKS[name], time.process_time()
    judged = list(verify.verify(task))
    seconds = time.process_time() - start
    return [judged, *(list(verify.verify(task, seed)) for seed in (1, 2) if task.kind == "numbers")], seconds


@pytest.mark.parametrize("name", TASKS)
def test_the_solution_gets_all_points_the_stub_none_and_wrong_ones_less(name):
    for judged in verified(name)[0]:
        assert not [(caption, points) for caption, points, _, ok in judged if not ok]
        assert len(judged) >= 4, "at least two wrong solutions"


def test_all_tasks_with_all_their_wrong_solutions_are_verified_in_ten_seconds():
    answers, seconds = sum(len(verified(name)[0][0]) for name in TASKS), sum(verified(name)[1] for name in TASKS)
    assert answers > 6 * len(TASKS) and seconds < 10


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_all_that_is_to_be_said_of_it(name):
    task = TASKS[name]
    assert not [field for field in FIELDS if not task.record.get(field)]
    assert 1 <= len(task.hints) <= 3 and task.statement and int(task.minutes) <= 45 and int(task.lines) >= 1
    assert all(points > 0 and asks for points, asks in task.tests.values())
    assert task.kind not in ("backward", "pair") or set(task.record["steps"]) <= {*task.outputs, "forward"}
    assert task.record.get("variant_of", name) in TASKS
    assert re.match(r"D\d \| \S", task.lecture), task.lecture


@pytest.mark.parametrize("name", TASKS)
def test_a_students_file_runs_and_holds_no_answer(name):
    task = TASKS[name]
    text = sheet.file(task)
    compile(text, name, "exec")
    assert "BEGIN SOLUTION" not in text and "{{" not in text.split('"""')[1]
    if task.kind in ("backward", "forward", "function", "pair", "capstone"):
        answer = {ast.unparse(node) for f in ast.parse(task.solution).body if isinstance(f, ast.FunctionDef) for node in f.body}
        shown = {ast.unparse(node) for f in ast.parse(text).body if isinstance(f, ast.FunctionDef) and f.name in task.names for node in f.body}
        assert len(shown & answer - {ast.unparse(ast.parse(task.given))}) <= len(task.names), "beside docstrings"
        assert all(not line.startswith("return") for line in shown)


def test_tags_are_those_of_the_package():
    text = "\n".join(path.read_text(encoding="utf-8") for path in source.ROOT.parents[1].rglob("*.py") if source.ROOT not in path.parents)
    known = set(re.findall(r"\[([A-Z]{2,6}\.\d)\]", text))
    assert {task.tag for task in TASKS.values()} - {"-"} <= known
    assert set(re.findall(r"\[([A-Z]{2,6}\.\d)\]", " ".join(step for task in TASKS.values() for step in task.record.get("steps", {}).values()))) <= known


# ---- the set ------------------------------------------------------------------------------------------------


def test_counts():
    chapters = collections.defaultdict(list)
    for task in TASKS.values():
        chapters[task.chapter].append(task)
    core = [task for task in TASKS.values() if task.core]
    assert len(TASKS) >= 60 and len(chapters) == 10
    assert len(core) == 16 and sum(int(task.minutes) for task in core) == 360
    assert {task.lab[0] for task in core} == set("1234") and len({task.lab for task in core}) == 16
    assert all(len({task.kind for task in its}) >= 3 for chapter, its in chapters.items() if chapter != "10-capstone")
    assert BY_KIND["bug"] >= 14
    assert sum("variant_of" in task.record for task in TASKS.values()) >= 8


def test_ids_and_points_are_frozen():
    """A task that was published keeps its id and its points; new ones come with a new version."""
    assert {name: (entry.points) for name, entry in frozen().items()} == {name: task.points for name, task in TASKS.items()}
    assert source.VERSION == max(entry.version for entry in frozen().values()) == max(PUBLISHED)
    for version, digest in PUBLISHED.items():
        rows = sorted(f"{entry.version}\t{name}\t{entry.points}" for name, entry in frozen().items() if entry.version == version)
        assert hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16] == digest, f"version {version} is published: give what is new another"


def test_the_first_lab_replaces_a_function_of_a_working_vae(tmp_path):
    state = progress.Progress(tmp_path)
    first = state.next()
    state.entry(first)["passed"] = True
    assert [first.id, state.next().id] == ["kl_backward", "reparameterize_backward"]
    assert first.trains == state.next().trains == "yes"


# ---- the verifying would notice -----------------------------------------------------------------------------------


def changed(task, tmp_path, old, new):
    text = task.path.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / task.path.name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return Task(path)


def test_a_wrong_solution_that_is_right_is_noticed(tmp_path):
    task = TASKS["tanh_backward"]
    right = "\n# %% [wrong] nothing is wrong\n" + task.solution
    path = tmp_path / "tanh_backward.py"
    path.write_text(task.path.read_text(encoding="utf-8") + right, encoding="utf-8")
    assert [caption for caption, _, _, ok in verify.verify(Task(path)) if not ok] == ["nothing is wrong"]


def test_a_wrong_line_must_stand_in_the_solution_once(tmp_path):
    task = TASKS["capstone"]
    with pytest.raises(ValueError, match="must stand in the source once, found 0 times"):
        changed(task, tmp_path, "# - da = parts.tanh_backward(dh_mu + dh_sigma, tanh_cache)", "# - da = nothing").wrong  # noqa: B018


def test_what_two_calls_do_otherwise_and_what_changes_its_inputs_is_wrong():
    task = TASKS["tanh_backward"]

    def in_place(dy, cache):
        dy *= 1 - cache**2
        return dy

    def noisy(dy, cache):
        return dy * (1 - cache**2) * (1 + 1e-9 * np.random.default_rng().random())

    def numeric(dy, cache):
        x = np.arctanh(cache)
        return dy * (np.tanh(x + 1e-5) - np.tanh(x - 1e-5)) / 2e-5

    for function, words in ((in_place, "changes what it is handed"), (noisy, "wrong values"), (numeric, "wrong values")):
        found = {result.name: result for result in judge(task, {"tanh_backward": function})}
        assert not found["values"].ok and words in found["values"].found


def test_lists_and_float_noise_are_right():
    task = TASKS["kl_backward"]

    def with_list(dkl, cache):
        mu, sigma2 = cache
        return [np.einsum("n,nk->nk", dkl, mu), np.array([d * (s - 1) for d, s in zip(dkl, sigma2)]) * (1 + 1e-15)]

    assert earned(judge(task, {"kl_backward": with_list})) == task.points


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.kind == "test"])
def test_a_test_of_programs_is_told_which_way_it_errs(name):
    task = TASKS[name]
    for verdict, words in ((True, "calls a right program wrong"), (False, "calls a wrong program right")):
        results = judge(task, vars(task.right) | {task.names[0]: lambda *_, verdict=verdict: verdict})
        assert {result.found for result in results if not result.ok} == {f"{task.names[0]} {words}"}


def test_what_was_said_or_raised_is_remembered():
    calls = []

    def finds(program, seed=0):
        calls.append(program)
        return 1 / seed

    heard, program = Heard(SimpleNamespace(finds=finds, other=3), ["finds"]), object()
    for _ in range(2):
        assert heard.student.finds(program, seed=4) == 0.25 and heard.student.other == 3
        with pytest.raises(ZeroDivisionError):
            heard.student.finds(program)
    assert calls == [program] * 2 and heard.asked == [("finds", (program,), {"seed": 4}, 0.25)] * 2


def test_an_answer_by_hand_of_another_form_is_told_so():
    task = TASKS["shapes_of_a_step"]
    for given, words in ((1, "must be a tuple, (1,) if it holds one number, got 1"), ([[1]], "got a list of 1"), ((9,), "= (9,) is not right"), ("x", "= x is not right"), ((10**400,), "is not right")):
        (found,) = [result.found for result in judge(task, task.right_numbers() | {"axes_mu": given}) if not result.ok]
        assert found.startswith("axes_mu ") and found.endswith(words)
    by_hand = TASKS["kl_by_hand"]
    name = next(name for name, value in by_hand.right_numbers().items() if np.ndim(value) == 0)
    assert f"{name} must be a number, got a tuple of 1" in [result.found for result in judge(by_hand, by_hand.right_numbers() | {name: (1,)})]


def test_numbers_change_with_the_seed():
    task = TASKS["kl_by_hand"]
    assert sheet.statement(task) == sheet.statement(task, 0) != sheet.statement(task, 1) != sheet.statement(task, 2)
    assert task.numbers(1).keys() == task.numbers(0).keys()


@pytest.mark.slow
def test_the_six_curves_are_what_training_gives():
    task = TASKS["six_curves"]
    stored = task.checks["data"]("six_curves.tsv")
    for row, again in zip(stored, task.checks["curves"](), strict=True):
        assert row.keys() == again.keys()
        for key, text in row.items():
            numbers = [re.findall(r"-?[\d.]+(?:e[+-]?\d+)?", str(value)) for value in (text, again[key])]
            assert len(numbers[0]) == len(numbers[1]) and (numbers[0] or text == str(again[key]))
            np.testing.assert_allclose(*[np.array(found, float) for found in numbers], rtol=0.05)


def test_the_package_holds_every_file_of_the_exercises():
    """The patterns of package_data in setup.cfg reach all that is read at run time."""
    setup = configparser.ConfigParser()
    setup.read(source.ROOT.parents[2] / "setup.cfg", encoding="utf-8")
    package = source.ROOT.parents[1]
    taken = {path for pattern in setup["options.package_data"]["tinyvae"].split() for path in package.glob(pattern)}
    data = [path for path in package.rglob("*") if path.suffix == ".tsv" or {"tasks", "programs"} & set(path.relative_to(package).parts)]
    missing = {path for path in data if path.is_file() and path.suffix != ".pyc"} - taken
    assert len(data) > 150 and not missing
