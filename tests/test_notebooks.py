"""Layer 4, notebooks: built from their sources, every item of the lectures covered, every link alive. CI also runs them all."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
spec = importlib.util.spec_from_file_location("build", FOLDER / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

PATHS = build.sources()
WRITTEN = {path.stem[:2] for path in PATHS}
LATER = {"12", "13"}  # they wait for the systems that they need
texts = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def covered(path):
    return [i for _, ids, _ in build.sections(path) for i in ids]


def test_all_items_of_the_written_notebooks_are_covered():
    wanted = {i: n for i, (_, n) in build.items().items() if n in WRITTEN}
    found = {i: path.stem[:2] for path in PATHS for i in covered(path) if i in wanted and wanted[i] == path.stem[:2]}
    assert sorted(set(wanted) - set(found)) == []
    readme = " ".join((FOLDER.parent / "README.md").read_text(encoding="utf-8").split())
    assert f"cover {len(found)} of the {len(build.items())} things that the lectures state" in readme
    assert all(i in build.items() for path in PATHS for i in covered(path)), "an unknown item is named"


def test_the_twelve_notebooks_are_there():
    numbers = {n for _, n in build.items().values() if n != "-"}
    assert WRITTEN == numbers - LATER


@texts
def test_the_built_notebook_holds_the_cells_of_its_source(path):
    assert build.same_source(path), f"build it: python notebooks/build.py {path.stem[:2]}"


@texts
def test_built_with_outputs_small_and_without_errors(path):
    file = FOLDER / f"{path.stem}.ipynb"
    assert file.stat().st_size <= 1_500_000
    cells = [cell for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs and all(output.output_type != "error" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs), "no figure"
    assert all(cell.execution_count for cell in cells)
    solutions = [cell for cell in cells if "solution" in cell.metadata.get("tags", [])]
    assert solutions and all(cell.metadata["jupyter"]["source_hidden"] for cell in solutions), "a solution stands open"
    assert not any("# %%" in cell.source for cell in cells)


@texts
def test_form_of_a_notebook(path):
    text = path.read_text(encoding="utf-8")
    assert re.search(r"(?m)^# # \d\d ", text) and "Accompanies" in text and "Afterwards you can" in text
    assert text.count("assert ") >= 3 and "redict first" in text
    assert "raise NotImplementedError(" in text and '"source_hidden": true' in text
    for title, ids, _ in build.sections(path):
        assert len(ids) == len(set(ids)), title
    assert "show(" in text or path.stem[:2] == "14"


def test_the_map_is_up_to_date_and_its_links_resolve():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert text == build.lecture_map(), "build it: python notebooks/build.py"
    for file, line, name in {(f, n, name) for name, f, n in re.findall(r"\[`([\w.]+)`\]\(\.\./tinyvae/([\w/]+\.py)#L(\d+)\)", text)}:
        source = (FOLDER.parent / "tinyvae" / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        assert re.match(rf"\s*(def|class) {name.split('.')[-1]}\b", source), (name, file, line)
    for stem, fragment in set(re.findall(r"\]\((\d\d_\w+)\.ipynb#([^)]+)\)", text)):
        assert fragment in {build.anchor(title) for title, _, _ in build.sections(FOLDER / "source" / f"{stem}.py")}


def test_every_equation_tag_stands_in_a_docstring_a_notebook_and_a_test():
    def tags(paths):
        return {tag for path in paths for tag in re.findall(r"\[([A-Z]{2,6}\.\d)\]", path.read_text(encoding="utf-8"))}

    documented = tags((FOLDER.parent / "tinyvae").rglob("*.py"))
    derived = tags(PATHS)
    tested = set(re.findall(r"\b([A-Z]{2,6}\.\d)\b", "\n".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("*.py"))))
    assert documented - derived == set() and derived - documented == set() and documented - tested == set()
