"""Layer 4, the tasks of a notebook: from a line of its source to statement, stub and check."""

import ast
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

sys.path.insert(0, str(Path(__file__).parent.parent / "notebooks"))
import tasks

SOURCE = Path("06a_x.py")


def made(line, *above):
    return list(tasks.with_tasks([*map(new_code_cell, above), new_markdown_cell(f"## Exercises\n\nText.\n\n{line}")], SOURCE))


def test_a_line_of_tasks_becomes_their_cells():
    head, *cells = made("*Tasks: kl_backward;\nkl_by_hand.*")
    assert head.source.startswith("## Exercises\n\nText.\n\nFill in") and "Tasks:" not in head.source and "taken" not in head.source
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "code"] * 2 + ["markdown"]
    assert [cell.source.count(tasks.IMPORT) for cell in cells] == [0, 1, 0, 0, 0, 0, 0]
    assert cells[2].source == 'task("kl_backward").check(kl_backward);' and cells[5].source.startswith('task("kl_by_hand").check(kl=kl, ')
    assert "`kl_forward`" in cells[6].source and "`kl_backward`" not in cells[6].source and "`poisson`" not in cells[6].source
    assert [cell.source for cell in made("No tasks.")] == ["## Exercises\n\nText.\n\nNo tasks."]


@pytest.mark.parametrize("line, message", [("*Tasks: kl_bakward.*", "kl_backward"), ("*Tasks: kl_backward.*\n\nMore.", "end its cell"), ("*Tasks: kl_backward*", "a; b")])
def test_a_line_that_is_not_understood_is_named(line, message):
    with pytest.raises(ValueError, match=message):
        made(line)


def test_names_that_a_stub_takes_from_a_section_are_said():
    assert "The name `kl_backward` of a section above" in made("*Tasks: kl_backward.*", "from tinyvae import kl_backward, kl_forward")[1].source
    assert "names `kl_backward`, `dmu` and `dlog_sigma` of" in made("*Tasks: kl_backward; kl_by_hand.*", "def kl_backward(): 0\ndmu, dlog_sigma = 0, 1")[1].source
    assert tasks.names(ast.parse("import a.b\nx = [y for y in z]\nfor i in x:\n    w = lambda: (v := 1)\ndef f(u): t = 0")) == ["a", "x", "i", "w", "f"]


def test_headings_of_a_statement_are_no_sections(monkeypatch):
    task = tasks.task_named("kl_backward")
    monkeypatch.setattr(tasks.sheet, "statement", lambda task: "## Given\n\nA $x\n+ y$ and $$a\nb$$ c.")
    assert tasks.asked(task).startswith("### The gradient of the KL\n\n**Given**\n\nA $x + y$ and $$a\nb$$ c.\n\n*kl_backward; ")


def test_a_report_that_asks_for_something_else_is_out_of_date():
    task = tasks.task_named("kl_backward")
    lines = [f"  0/{points}  {asks}\n" for points, asks in task.tests.values()]
    cell = new_code_cell("", metadata={"task": task.id}, outputs=[new_output("stream", name="stdout", text="".join(lines))])
    assert tasks.current([cell, new_code_cell("", metadata={"task": task.id}), new_code_cell("")])
    cell.outputs[0]["text"] = "".join(lines[1:])
    assert not tasks.current([cell])
