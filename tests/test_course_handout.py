"""The plain handout: a notebook and a program that say the same, run as they stand, and hold nothing that a student must not have."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import tinyvae
from tinyvae.course import submission, variants
from tinyvae.course.assignment import Assignment
from tinyvae.course.formats import handout
from tinyvae.course.given import modules_of
from tinyvae.course.jail import Child
from tinyvae.exercises import tasks

SEED, KEY = 918273645, bytes(range(32))
IDS = [*list(variants.families()), *[task.id for task in tasks().values() if task.core]]


def built(folder, ids=IDS, seed=SEED):
    assignment = Assignment("week-1", ids, seed, KEY)
    handout.write(assignment, folder)
    return assignment, {path.name: path.read_bytes() for path in Path(folder, "student").iterdir()}


@pytest.fixture(scope="module")
def handed(tmp_path_factory):
    return built(tmp_path_factory.mktemp("handout"))


def code_cells(files):
    return [cell["source"] for cell in json.loads(files["week-1.ipynb"])["cells"] if cell["cell_type"] == "code"]


def test_three_files_and_a_sound_notebook(handed):
    _, files = handed
    assert set(files) == {"week-1.ipynb", "week-1.py", "README.txt"}
    nbformat.validate(nbformat.reads(files["week-1.ipynb"].decode(), as_version=4))
    assert b"python week-1.py" in files["README.txt"]


def test_the_program_runs_and_says_what_is_to_do(tmp_path):
    """All the package's tasks: a stub raises only when it is called, and that is caught."""
    assignment, _ = built(tmp_path, [*variants.families(), *tasks()])
    environment = os.environ | {"PYTHONPATH": str(Path(tinyvae.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "week-1.py"]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, cwd=tmp_path / "student", check=False)
    assert ran.returncode == 0, ran.stderr
    tried = [task.id for task in assignment.tasks.values() if task.names and f"to do: write {task.names[0]}" in ran.stdout]
    assert len(tried) > 60 and {"kl_backward", "adam_step"} <= set(tried)
    assert "kl = None" in ran.stdout


def test_notebook_and_program_say_the_same(handed):
    """Cell by cell, but for the guard around what tries an answer; and what is read of both is the same."""
    _, files = handed
    blocks = [block.partition("\n")[::2] for block in files["week-1.py"].decode().split("# %%")[1:]]
    program = [source.strip("\n") for kind, source in blocks if not kind]
    assert len(program) == len(code_cells(files))
    for source, cell in zip(program, code_cells(files)):
        assert source in (cell, handout.guarded(cell))
    assert sum(source == cell for source, cell in zip(program, code_cells(files))) > len(program) / 2
    trial = "from tinyvae.exercises.training import train"  # to try the capstone; not in the package that a child is given
    read = [submission.read(files[name], name).code.replace(trial, "").strip() for name in ("week-1.ipynb", "week-1.py")]
    assert read[0] == read[1] and "def kl_backward" in read[0]


def test_imports_of_one_task_hurt_no_other(handed):
    """A child has what its task gives of the package; the whole notebook is loaded beside it, with the imports that try the capstone."""
    assignment, files = handed
    code = submission.read(files["week-1.ipynb"], "week-1.ipynb").code
    given = {json.dumps(modules_of(task)): modules_of(task) for task in assignment.tasks.values()}
    assert any("tinyvae" in modules for modules in given.values()) and "from tinyvae.exercises.training import train" in code
    for modules in given.values():
        with Child(code, modules, "none") as child:
            assert child.names["vae_forward"] == "function"


def test_nothing_that_must_not_be_known(handed):
    assignment, files = handed
    text = b"\n".join(files.values()).decode()
    for secret in (KEY.hex(), str(SEED), "BEGIN SOLUTION", "def inputs", "def test_", "def right(", "def vary"):
        assert secret not in text, secret
    for task in assignment.tasks.values():
        for number in assignment.inputs_key("digest", task.id):
            assert str(number) not in text


def test_every_answer_is_left_to_the_student(handed):
    assignment, files = handed
    for task, answer in zip(assignment.tasks.values(), code_cells(files)[1::2]):
        if task.kind == "numbers":
            assert all(ast.unparse(node.value) == "None" for node in ast.parse(answer).body), task.id
        elif task.kind == "bug":
            assert task.mistaken.right_source.strip() not in answer and 'caught_by = "?"' in answer, task.id
        else:
            bodies = {node.name: ast.unparse(node.body[-1]) for node in ast.walk(ast.parse(answer)) if isinstance(node, ast.FunctionDef)}
            own = [name for name in task.names if name in bodies]
            assert own and all(bodies[name].startswith("raise NotImplementedError") for name in own), task.id


def test_the_same_seed_gives_the_same_bytes(handed, tmp_path):
    assert built(tmp_path)[1] == handed[1]
    other = built(tmp_path, seed=4)[1]
    assert other["week-1.py"] != handed[1]["week-1.py"] and other["README.txt"] == handed[1]["README.txt"]


def test_names_with_letters_of_any_alphabet(tmp_path):
    """A private task's name is part of the cells' names."""
    text = Path(tasks()["kl_backward"].path).read_text(encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "größe.py").write_text(text, encoding="utf-8")
    handout.write(Assignment("a", ["größe"], 0, KEY, folder=tmp_path / "tasks"), tmp_path / "out put")
    program = (tmp_path / "out put" / "student" / "a.py").read_text(encoding="utf-8")
    assert program.count('if __name__ == "__main__"') == 1
