"""The cells that students get of every task, and what is asked of a grader's plugin before anything is graded."""

import ast
import json
import re

import numpy as np
import pytest
from test_style import TREES, imports

from tinyvae.course import plugins
from tinyvae.course.assignment import new
from tinyvae.course.definitions import collected
from tinyvae.course.formats import nbgrader, otter
from tinyvae.course.formats.notebook import cell, head, literal, parts, text
from tinyvae.exercises.source import tasks

ALL = new("all", list(tasks()), seed=1)


@pytest.mark.parametrize("cells", [nbgrader.cells(ALL), otter.master(ALL)], ids=["nbgrader", "otter"])
def test_ids_are_valid_stay_the_same_and_stand_once(cells):
    ids = [one["id"] for one in cells]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in ids)
    assert json.loads(text(cells))["cells"] == cells and "kl_backward-answer" in ids


def test_a_call_to_try_defines_nothing_that_could_stand_in_for_an_answer():
    shown = 0
    for task in tasks().values():
        _, answer, trial = parts(task, 1)
        ast.parse(answer["source"])
        code, _ = collected([("code", trial["source"])])
        assert not code or task.kind == "capstone", task.id
        shown += "print(" in trial["source"]
    assert shown >= 90


def test_statements_have_the_numbers_of_the_seed_and_stubs_do_not_name_it():
    for task in (task for task in tasks().values() if task.kind == "numbers"):
        (first, stub, _), (other, _, _) = parts(task, 1), parts(task, 2)
        assert "seed" not in stub["source"] and "{{" not in first["source"], task.id
        assert first["source"] != other["source"] or task.numbers(1) == task.numbers(2), task.id


def test_literals_are_the_values_to_three_decimals():
    value = {"a": (np.array([[1.23456, -2.0]]), 3, True), "b": ["x", 0.5]}
    assert repr(eval(literal(value), {"np": np})) == "{'a': (array([[ 1.235, -2.   ]]), 3, True), 'b': ['x', 0.5]}"
    with pytest.raises(TypeError, match="function"):
        literal(len)


def test_only_graders_import_plugins():
    for room in TREES:
        reached = any(f"{module}.{name}.".startswith("tinyvae.course.plugins.") for module, name, _ in imports(room))
        assert not reached or room.startswith("tinyvae.course.plugins"), room


def test_without_a_jail_a_plugin_refuses_unless_students_are_trusted_and_then_says_so(tmp_path, monkeypatch):
    new("week-1", ["kl_by_hand"], seed=1).write(tmp_path / "private")
    (tmp_path / "Müller 1.ipynb").write_text(text([*head(ALL), cell("code", "a", "kl = dmu = dlog_sigma = 0")]), encoding="utf-8")
    monkeypatch.setattr(plugins, "best_jail", lambda closed: "none")
    with pytest.raises(RuntimeError, match="no jail works on this machine, so nothing was graded"):
        plugins.graded(tmp_path / "private", tmp_path / "Müller 1.ipynb")
    monkeypatch.setenv("TINYVAE_TRUST_STUDENTS", "1")
    _, record = plugins.graded(tmp_path / "private", tmp_path / "Müller 1.ipynb")
    assert record["score"] < record["of"] == 3
    assert plugins.graded_by(record).startswith("jail: none: students are trusted")
