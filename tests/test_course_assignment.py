"""Assignments: what they hold, what is chosen, what is kept, and whose key it is."""

import json
import os
import stat

import pytest

from tinyvae.course import assignment as assignments
from tinyvae.course.assignment import Assignment, choose, new, published
from tinyvae.course.variants import families, variant_for
from tinyvae.exercises.source import tasks

OWN = """# %% [record]
# title: The square of a number
# kind: function
# lecture: D3 | Loss Function
# notebook: 06a
# equation: y = x^2
# tag: -
# shapes: x (N,) -> y (N,)
# lines: 1
# minutes: 5
# outputs: y
# tests:
#   values 2 = y at three sets of sizes
# steps:
#   y = x times x

# %% [markdown]
# Write `square_of(x)`.

# %% [solution]
def square_of(x):
    ### BEGIN SOLUTION
    return x * x
    ### END SOLUTION

# %% [check]
def inputs(rng, N):
    return normal(rng, N)

# %% [hints]
# 1. Multiply.

# %% [wrong] it is doubled
# - return x * x
# + return 2 * x

# %% [wrong] it is cubed
# - return x * x
# + return x * x * x
"""


@pytest.fixture
def private(tmp_path):
    folder = tmp_path / "own tasks"
    folder.mkdir()
    (folder / "my_square.py").write_text(OWN, encoding="utf-8")
    return folder


def test_a_written_assignment_is_read_back_whole(tmp_path, private):
    made = new("lab-1", ["my_square", "kl_by_hand", "graded_kl"], seed=3, private=private, feedback={"my_square": 2})
    made.write(tmp_path / "out" / "private")
    for path in (tmp_path / "out", tmp_path / "out" / "private", tmp_path / "out" / "private" / "assignment.json"):
        found = Assignment.read(path)
        assert {name: getattr(found, name) for name in ("name", "ids", "seed", "key", "feedback", "versions")} == {
            name: getattr(made, name) for name in ("name", "ids", "seed", "key", "feedback", "versions")
        }
    assert found.tasks["my_square"].solution == made.tasks["my_square"].solution
    assert found.points == sum(task.points for task in made.tasks.values())
    assert found.tasks["graded_kl"].statement == made.tasks["graded_kl"].statement
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "out" / "private" / "assignment.json").stat().st_mode) == 0o600


def test_inputs_depend_on_key_submission_and_task_and_on_nothing_else():
    one, two = (new("a", ["kl_backward"], seed=1) for _ in range(2))
    assert one.key != two.key
    keys = [made.inputs_key(digest, task) for made in (one, two) for digest in ("d1", "d2") for task in ("kl_backward", "dense_backward")]
    assert len(set(map(tuple, keys))) == len(keys)
    assert one.fingerprint != two.fingerprint
    assert one.inputs_key("d1", "kl_backward") == one.inputs_key("d1", "kl_backward")
    assert all(len(key) == 8 and all(0 <= word < 2**32 for word in key) for key in keys)


def test_a_task_whose_answer_is_published_is_replaced_by_a_variant():
    chosen = choose(["core"])
    core = [task.id for task in tasks().values() if task.core]
    assert len(chosen) == len(core)
    for task, name in zip(core, chosen):
        assert name == (variant_for(task) or task)
    assert "kl_backward" not in chosen
    open_answers = published(new("core", chosen))
    assert set(open_answers) == {name for name in core if not variant_for(name)}


def test_words_name_tasks(private):
    assert choose(["private"], private) == ["my_square"]
    assert choose(["my_square", "variants", "my_square"], private) == ["my_square", *families()]
    assert choose(["02"]) == choose(["02-gaussian"])
    assert set(choose(["lab1", "lab2", "lab3", "lab4"])) == set(choose(["core"]))


def test_verification_takes_all_tasks_as_they_stand(private):
    assert set(choose(["all"], private, graded=False)) == {*tasks(), *families(), "my_square"}
    assert "kl_backward" not in choose(["all"], private)


@pytest.mark.parametrize("word", ["nothing", "lab9", "kl_bakward"])
def test_a_word_that_names_nothing_is_refused(word):
    with pytest.raises(ValueError, match="task must be one of"):
        choose([word])


@pytest.mark.parametrize("name", ["kl_backward", "graded_kl", "core"])
def test_private_tasks_have_ids_of_their_own(private, name):
    (private / f"{name}.py").write_text(OWN, encoding="utf-8")
    with pytest.raises(ValueError, match=f"ids of their own, got {name}"):
        choose(["private"], private)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("# kind: function", "# kind: backward"), "has no 'forward'"),
        (lambda text: text.replace("# minutes: 5\n", ""), "has no 'minutes'"),
        (lambda text: text.replace("return x * x\n", "return x *\n"), "SyntaxError"),
        (lambda text: "# only words\n", "record"),
    ],
)
def test_a_private_task_that_cannot_be_used_is_named(private, change, words):
    path = private / "my_square.py"
    path.write_text(change(OWN), encoding="utf-8")
    with pytest.raises(ValueError, match="my_square.py must be a task as docs/tasks.md says") as caught:
        new("a", ["my_square"], private=private)
    assert words in str(caught.value)


def test_a_private_task_that_varies_is_drawn_by_the_seed_and_keeps_its_table(tmp_path, private):
    text = '# %% [vary]\ndef vary(rng):\n    return {"power": int(rng.integers(2, 5)), "row": data("t.tsv")[0]["a"]}\n\n' + OWN.replace("x * x", "x**<<power>>").replace("Write", "<<row>> write")
    (private / "my_square.py").write_text(text, encoding="utf-8")
    (private / "t.tsv").write_text("a\nPlease\n", encoding="utf-8")
    solutions = {new("a", ["my_square"], seed=seed, private=private).tasks["my_square"].solution for seed in range(9)}
    assert len(solutions) == 3
    made = new("a", ["my_square"], seed=4, private=private)
    made.write(tmp_path / "out")
    again = Assignment.read(tmp_path / "out").tasks["my_square"]
    assert again.solution == made.tasks["my_square"].solution and again.statement.startswith("Please write")


def test_two_private_tasks_of_one_name_are_refused(private):
    (private / "more").mkdir()
    (private / "more" / "my_square.py").write_text(OWN, encoding="utf-8")
    with pytest.raises(ValueError, match="my_square.py twice"):
        choose(["private"], private)


@pytest.mark.parametrize(
    ("change", "match"),
    [({"name": "a b"}, "name must be"), ({"ids": []}, "at least one"), ({"ids": ["x", "x"]}, "each once"), ({"feedback": {"kl_backward": 4}}, "feedback must be one of"), ({"feedback": {"other": 1}}, "tasks of the assignment")],
)
def test_bad_assignments_are_refused(change, match):
    with pytest.raises(ValueError, match=match):
        Assignment(**{"name": "a", "ids": ["kl_backward"], "seed": 0, "key": b"k"} | change)


def test_a_damaged_or_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="--assignment"):
        Assignment.read(tmp_path)
    new("a", ["kl_backward"]).write(tmp_path)
    path = tmp_path / "assignment.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    for damaged in ("{", "[]", json.dumps(said | {"key": "no hex"}), json.dumps({"name": "a"})):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(ValueError, match="damaged"):
            Assignment.read(tmp_path)


def test_another_version_warns(monkeypatch):
    made = new("a", ["kl_backward"])
    assert made.warnings() == []
    monkeypatch.setattr(assignments.source, "VERSION", 99)
    assert made.warnings() == [f"built with tasks {made.versions['tasks']}, graded with 99"]
