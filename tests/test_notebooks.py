"""Layer 4, notebooks: built from their sources, answers folded, tasks shown and unsolved, every item, erratum and link. CI also runs them all."""

import ast
import re
import sys
from functools import cache, reduce
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from tinyvae import companion

FOLDER = Path(__file__).parent.parent / "notebooks"
sys.path.insert(0, str(FOLDER))
import build
import form
import lectures
import maps
import tasks

PATHS = lectures.sources()
WRITTEN = {lectures.number(path) for path in PATHS}
texts = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@cache
def stored(path):
    return nbformat.read(FOLDER / f"{path.stem}.ipynb", as_version=4).cells


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def named(dotted, namespace):
    """What a name as "VAE.fit" means."""
    first, *rest = dotted.split(".")
    return reduce(getattr, rest, namespace[first])


def bound(text):
    """The names that code binds: by assignment, def, class, import, except or match."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


@cache
def read(path):
    """The cells of a source."""
    return form.jupytext.read(path, fmt="py:percent").cells


def covered(path):
    return [item for text in lectures.sections(path).values() for item in lectures.items_of(text)]


# ---- what they cover ---------------------------------------------------------------------------------


def test_all_items_of_the_written_notebooks_are_covered():
    wanted = {item for item, row in lectures.ITEMS.items() if row["notebook"] in WRITTEN}
    found = {item for path in PATHS for item in covered(path) if lectures.ITEMS[item]["notebook"] == lectures.number(path)}
    assert found == wanted
    assert {row["notebook"] for row in lectures.ITEMS.values()} == WRITTEN | {"-"}
    readme = " ".join((FOLDER.parent / "README.md").read_text(encoding="utf-8").split())
    assert len(found) == 270 and "cover all 270 things that the lectures state" in readme
    assert len(PATHS) == 16 and "holds sixteen notebooks" in readme


def test_the_map_holds_every_item_in_the_lectures_own_order():
    rows = re.findall(r"(?m)^\| (D\d-\d+) \| (.*) \|$", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert [item for item, _ in rows] == [item for item, row in lectures.ITEMS.items() if row["notebook"] != "-"] and len(rows) == 270
    assert [item for item, rest in rows if ".ipynb#" not in rest] == []
    assert all(row["section"] for row in lectures.ITEMS.values() if row["notebook"] != "-")


def test_every_erratum_is_listed_once_and_shown_somewhere():
    rows = re.findall(r"(?m)^\| (E\d+) \|.* \| (.*) \|$", (FOLDER / "errata.md").read_text(encoding="utf-8"))
    assert [number for number, _ in rows] == [f"E{n}" for n in range(1, 62)]
    assert [number for number, shown in rows if ".ipynb#" not in shown] == []


def test_no_place_is_given_by_lines_that_readers_do_not_have():
    for path in PATHS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bD\d,? lines? \d|\bD\d \d{1,3}\b(?!\s*(?:%|nats))", text), path


def test_every_equation_tag_stands_in_a_docstring_a_notebook_and_a_test():
    def found(paths):
        return {tag for path in paths for tag in lectures.TAG.findall(path.read_text(encoding="utf-8"))}

    documented = found((FOLDER.parent / "tinyvae").rglob("*.py"))
    tested = set(re.findall(r"\b([A-Z]{2,6}\.\d)\b", "\n".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("*.py"))))
    assert documented == found(PATHS) and documented - tested == set()
    assert [tag for tag, (_, _, derived) in lectures.tags().items() if not derived] == []


# ---- what is stored ----------------------------------------------------------------------------------


@texts
def test_the_built_notebook_holds_the_cells_of_its_source(path):
    assert build.same_source(path), f"build it: python notebooks/build.py {lectures.number(path)}"


@texts
def test_outputs_are_stored_small_and_without_errors_and_answers_have_none(path):
    assert (FOLDER / f"{path.stem}.ipynb").stat().st_size <= 1_500_000
    code = [cell for cell in stored(path) if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs and all(output.output_type != "error" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs), "no figure"
    answers = [cell for cell in code if tagged(cell, "answer")]
    assert answers and all(not cell.outputs and cell.execution_count is None for cell in answers)
    assert all(cell.execution_count for cell in code if not tagged(cell, "answer"))


@texts
def test_answers_are_in_folds_and_the_cell_below_runs_what_the_fold_holds(path):
    cells, keys = stored(path), []
    for fold, cell in pairwise(cells):
        if cell.cell_type == "code" and tagged(cell, "answer"):
            key = re.fullmatch(r'answer\("(.*)"\)', cell.source)[1]
            assert fold.metadata["answer"] == key and "```python" in fold.source
            keys.append(key)
    assert keys and len(keys) == len(set(keys))
    for cell in cells:
        assert cell.source.startswith("<details>") == (cell.cell_type == "markdown" and tagged(cell, "answer"))
        assert "# %%" not in cell.source and not (tagged(cell, "answer") and re.search(r"(?m)^#+ \w", re.sub(r"(?s)```.*?```", "", cell.source)))


@texts
def test_what_is_asked_is_not_answered_beside(path):
    """After a prediction the next code is its answer, and so is the text up to the next piece of text that asks or derives."""
    asked = False
    for cell in read(path):
        if cell.cell_type == "markdown" and "redict first" in cell.source:
            assert not tagged(cell, "answer"), "a question in a fold"
            assert "redict first" in cell.source.strip().split("\n\n")[-1], f"text after the question: {cell.source[-200:]}"
            asked = True
        elif asked:
            assert tagged(cell, "answer"), f"{path.stem}: the question is followed by {cell.source[:80]}"
            asked = cell.cell_type == "markdown"
    assert not asked


@texts
def test_shown_code_is_the_code_of_the_package(path):
    """What a stored output of `show` holds is what the package holds now."""
    namespace, wanted, found = {}, [], []
    for cell in read(path):
        if cell.cell_type != "code":
            continue
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.ImportFrom):
                namespace |= {alias.asname or alias.name: getattr(import_module(node.module), alias.name, None) for alias in node.names}
            elif isinstance(node, ast.Expr) and ast.unparse(node).startswith("show(") and not tagged(cell, "answer"):
                wanted += [companion.shown(named(ast.unparse(thing), namespace)) for thing in node.value.args]
    for cell in stored(path):
        found += [out.data["text/markdown"] for out in cell.get("outputs", []) if "text/markdown" in out.get("data", {})]
    assert found == wanted, f"build it: python notebooks/build.py {lectures.number(path)}"


@texts
def test_nothing_but_prints_and_the_kernel_is_stored(path):
    """No warnings, and no metadata that some front end left."""
    book = nbformat.read(FOLDER / f"{path.stem}.ipynb", as_version=4)
    assert {"kernelspec"} <= set(book.metadata) <= {"kernelspec", "language_info"}
    assert [out.text for cell in book.cells for out in cell.get("outputs", []) if out.get("name") == "stderr"] == []


def test_a_print_is_compared_by_its_words_and_its_numbers():
    assert build.same_print("loss 1.000 nats\n", "loss  1.010 nats")
    assert build.same_print("error 3.1e-12", "error 8e-13")
    for other in ("loss 1.1 nats", "loss -1 nats", "gain 1 nats", "loss 1 2 nats"):
        assert not build.same_print("loss 1 nats", other), other


# ---- their form --------------------------------------------------------------------------------------


@texts
def test_form_of_a_notebook(path):
    text, parts = path.read_text(encoding="utf-8"), lectures.sections(path)
    assert re.search(rf"(?m)^# # {lectures.number(path)} ", text) and "Afterwards you can" in text
    assert text.count("assert ") >= 3 and "redict first" in text and "# *Tasks: " in parts["Exercises"]
    assert "Summary" in parts and "# *References: " in parts["References"]
    short = [part for part in parts.values() if "# *Short path.*" in part]
    words = sum(len(re.sub(r"\$[^$]*\$", "x", line).split()) for part in short for line in part.splitlines() if line.startswith("# "))
    assert len(short) >= 3 and words < 1800, "30 minutes at 60 words a minute, formulas and code beside them"
    assert "\\bar" not in text and "\\overline" not in text, "a derivative is dv, a mean is called a mean"
    assert all(re.fullmatch(r"[\w .,:?-]+", title, re.ASCII) for title in parts), "an anchor that not every page makes alike"
    assert not {"answer", "task"} & bound(text), "the built notebook calls them"
    for title, part in parts.items():
        ids = lectures.items_of(part)
        assert len(ids) == len(set(ids)) and all(item in lectures.ITEMS for item in ids), title


def test_all_that_binds_a_name_is_seen():
    for text in ("answer = 1", "def answer(): 0", "class answer: 0", "import answer", "from a import b as answer", "for a, answer in x: 0", "import answer.b"):
        assert "answer" in bound(text), text
    assert "answer" not in bound("import a as b; from answer import c; answer(1)")


@texts
def test_text_names_errata_and_files_that_there_are(path):
    text = "\n".join(cell.source for cell in read(path) if cell.cell_type == "markdown")
    assert set(re.findall(r"\bE\d+\b", text)) <= set(lectures.ERRATA)
    text = re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`", "", text)  # E[x](z) in a formula or in code is no link
    links = re.findall(r"\]\((?![a-z]+:)([^)#\s]+)", text)
    assert [target for target in links if not (FOLDER / unquote(target)).exists()] == []


@texts
def test_the_first_cell_leads_to_the_lecture_and_to_the_package(path):
    first = stored(path)[0].source
    assert "**Accompanies**" in first and "%pip install" in first and "| quantity |" in first
    for title in re.findall(r"\]\(#([^)]+)\)", first):
        assert title in {lectures.anchor(name) for name in lectures.sections(path)}


def functions(code):
    """(name, what it does without its docstring) of every function and class that code defines."""
    nodes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
    return {(node.name, ast.unparse(node.body[bool(ast.get_docstring(node)) :])) for node in nodes}


@texts
def test_tasks_stand_below_the_heading_exercises_as_stubs_that_are_to_do(path):
    its = [task for cell in read(path) if cell.cell_type == "markdown" for task in tasks.named_in(cell.source)]
    cells = [cell for cell in stored(path) if tagged(cell, "task")]
    assert its and len(set(its)) == len(its) and list(lectures.sections(path))[-1] == "Exercises"
    assert cells == stored(path)[-3 * len(its) - 1 :] and "python -m tinyvae learn" in cells[-1].source
    for n, task in enumerate(its):
        text, code, check = cells[3 * n : 3 * n + 3]
        assert text.source.startswith(f"### {task.title}\n") and not re.search(r"(?m)^##? ", text.source)
        assert code.source.removeprefix(tasks.IMPORT if n == 0 else "").strip() == tasks.sheet.stub(task).removeprefix("import numpy as np").strip()
        assert check.source.startswith(f'task("{task.id}").check(')
        assert [f"{task.id}: 0 of {task.points} points" in out.text and "to do: " in out.text for out in check.outputs] == [True]


@texts
def test_no_solution_of_a_task_stands_in_a_notebook(path):
    """Not under another name either; what a notebook shows of the package is read from there."""
    coded = (task for task in tasks.tasks().values() if task.kind not in ("numbers", "bug"))
    solved = {does: task.id for task in coded for name, does in functions(task.solution) if name in task.names}
    code = [cell.source for cell in [*read(path), *stored(path)] if cell.cell_type == "code"]
    assert [(name, solved[does]) for text in code for name, does in functions(text) if does in solved] == []
    assert "Solutions" not in lectures.sections(path) and not any(tagged(cell, "solution") for cell in read(path))


# ---- the way there -----------------------------------------------------------------------------------


def test_maps_are_up_to_date_and_their_links_resolve():
    for name, page in maps.PAGES.items():
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert text == page(), "build it: python notebooks/build.py"
        for target, fragment in re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", text):
            assert (FOLDER / target).exists(), target
            if fragment:
                heads = [line[3:] for cell in stored(FOLDER / target) if cell.cell_type == "markdown" for line in cell.source.splitlines() if line[:3] == "## "]
                assert fragment in map(lectures.anchor, heads), (target, fragment)


def test_functions_are_linked_by_name_so_that_a_new_line_breaks_no_link():
    links = re.findall(r"\[`([\w.]+)`\]\(\.\./tinyvae/([\w/]+\.py)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 200 and all(lectures.definitions()[name][0] == file for name, file in links)
    assert "#L" not in "".join((FOLDER / name).read_text(encoding="utf-8") for name in maps.PAGES)


def test_a_lecturers_own_map(tmp_path):
    table = tmp_path / "my.tsv"
    table.write_text("slide\ttitle\ttags\n12\tThe KL term\tKL.1 [KL.2]\n13\tQuestions\t\n", encoding="utf-8")
    lines = maps.slide_map(table).splitlines()
    assert len(lines) == 5 and "kl_forward" in lines[2] and "kl_backward" in lines[3]
    assert "sigma_k^2" in lines[2] and "06a" in lines[2] and lines[4].startswith("| 13 | Questions |")
    for target in re.findall(r"\]\(([^)#]+)", "".join(lines)):
        assert (tmp_path / target).resolve().exists()
    table.write_text("slide\ttitle\ttags\n12\tThe KL term\tKL.10\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"slide 12: unknown tag KL.10; the tags are .*KL.1"):
        maps.slide_map(table)
    table.write_text("page,title\n1,KL\n", encoding="utf-8")
    with pytest.raises(ValueError, match="columns slide, title, tags"):
        maps.slide_map(table)
