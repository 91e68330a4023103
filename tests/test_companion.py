"""Layer 4, what runs the notebooks: answers found in their files, outputs compared, files written whole, a lecturer's own map."""

import json
import os
import sys
import types
from pathlib import Path

import pytest

from tinyvae import companion

sys.path.insert(0, str(Path(__file__).parent.parent / "notebooks"))
import build
import form
import lectures
import maps
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

FENCE = "```"
HEAD = "slide\ttitle\ttags\n"


def book_of(*cells):
    return new_notebook(cells=list(cells))


def fold(code, key="04-1"):
    return new_markdown_cell(form.fold("Answer 1: the code", form.fenced(code, key)), metadata={"tags": ["answer"], "answer": key})


def write(path, code, age=0, key="04-1"):
    """A notebook with one fold, saved this many seconds ago."""
    nbformat.write(book_of(fold(code, key)), path)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """The code that answers ran, in a working folder of their own and a shell that only notes it."""
    codes = []
    shell = types.SimpleNamespace(user_ns={}, run_cell=lambda code: codes.append(code) or types.SimpleNamespace(success=code != "fails\n"), codes=codes)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    return shell


# ---- answers -----------------------------------------------------------------------------------------


def test_an_answer_that_fails_says_what_to_do(ran):
    write(Path("a.ipynb"), "fails")
    with pytest.raises(RuntimeError, match="run the cells above first"):
        companion.answer("04-1")


def test_an_answer_runs_the_code_of_its_fold_whatever_else_lies_in_the_folder(ran):
    good = nbformat.writes(book_of(fold("foreign = 1")))
    odd = {
        "empty": b"", "truncated": good[:80].encode(), "bom": b"\xef\xbb\xbf{}", "latin": '{"cells": "é"}'.encode("latin-1"), "list": b"[1]", "no": b"{}",
        "three": b'{"nbformat": 3, "worksheets": [{"cells": []}]}', "words": b'{"cells": ["a"]}', "null": b'{"cells": null}', "number": b"7",
        "sources": b'{"cells": [{"metadata": {"answer": "04-1"}}]}', ".hidden": good.encode(),
    }  # fmt: skip
    write("a.ipynb", "x = 1\ny = 2", age=99)
    book = json.loads(Path("a.ipynb").read_text(encoding="utf-8"))
    book["cells"].insert(0, {"cell_type": "raw", "source": "no metadata"})
    Path("a.ipynb").write_text(json.dumps(book), encoding="utf-8")
    for name, data in odd.items():
        Path(f"{name}.ipynb").write_bytes(data)
    os.utime("a.ipynb", (1e8, 1e8))  # older than all of them, so it is looked at last
    Path("folder.ipynb").mkdir()
    companion.answer("04-1")
    assert ran.codes == ["x = 1\ny = 2\n"]
    with pytest.raises(LookupError, match=r"no notebook in .* holds the answer '04-2'"):
        companion.answer("04-2")


def test_of_copies_the_open_one_answers_else_the_one_saved_last(ran, tmp_path, monkeypatch):
    write("07_x.ipynb", "first", age=50)
    write("07_x-Copy1.ipynb", "copy", age=10)
    write("06_y.ipynb", "other", age=0, key="06-1")
    away = tmp_path / "away"
    away.mkdir()
    write(away / "07_z.ipynb", "away", age=90)
    for named, wanted in [("", "copy"), ("07_x.ipynb", "first"), ("notebooks/07_x.ipynb", "first"), (str(away / "07_z.ipynb"), "away"), ("gone.ipynb", "copy"),
                          ("06_y.ipynb", "copy")]:  # fmt: skip
        monkeypatch.setenv("JPY_SESSION_NAME", named)
        companion.answer("04-1")
        assert ran.codes.pop() == wanted + "\n", named
    ran.user_ns["__vsc_ipynb_file__"] = str(tmp_path / "07_x.ipynb")
    companion.answer("04-1")
    os.utime("07_x.ipynb", (2e9, 2e9))
    del ran.user_ns["__vsc_ipynb_file__"]
    companion.answer("04-1")
    assert ran.codes == ["first\n", "first\n"]


@pytest.mark.parametrize("text", ["no fence", f"{FENCE}py\nx = 1\n{FENCE}", f"{FENCE}python\nx = 1"])
def test_a_fold_without_its_fence_is_named(ran, text):
    nbformat.write(book_of(new_markdown_cell(text, metadata={"answer": "04-1"})), "a.ipynb")
    with pytest.raises(ValueError, match=r"fold '04-1' in a.ipynb must hold its code"):
        companion.answer("04-1")


def test_outside_of_a_notebook_an_answer_says_so(ran, monkeypatch):
    for plain in (types.SimpleNamespace(get_ipython=lambda: None), None):
        monkeypatch.setitem(sys.modules, "IPython", plain)
        with pytest.raises(RuntimeError, match="in a cell of a notebook, got plain Python"):
            companion.answer("04-1")


# ---- from source to notebook -------------------------------------------------------------------------


def test_code_that_would_cut_its_fold_is_refused():
    cell = new_code_cell(f'text = """\n{FENCE}\n"""', metadata={"tags": ["answer"]})
    with pytest.raises(ValueError, match="answer 04-1 .*must have no line that begins with"):
        list(form.folded([cell], "04"))
    cell["source"] = f'text = "{FENCE}"'
    assert len(list(form.folded([cell], "04"))) == 2


def test_the_marks_of_the_lectures_and_of_the_short_path():
    assert form.expanded("A.\n\n*Short path.*") == "A.\n\n*On the short path.*"
    item = next(iter(lectures.ITEMS))
    marked = form.expanded(f"A.\n\n*Items: {item}*\n*Short path.*")
    assert "*In the lectures.* " in marked and marked.endswith(f"*Items: {item}*  \n*On the short path.*")
    assert "**Short path**, 30 minutes: sections [1]" in form.header(lectures.sources()[0])


def test_a_key_stands_once_in_a_table_and_a_heading_once_in_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setattr(lectures, "HERE", tmp_path)
    (tmp_path / "t.tsv").write_text("key\tvalue\na\t1\na\t2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"once in t.tsv, got 'a' twice"):
        lectures.table("t")
    source = tmp_path / "04_x.py"
    source.write_text("# ## One\n# text\n# ## One", encoding="utf-8")
    with pytest.raises(ValueError, match=r"once in 04_x.py as a heading, got 'One' twice"):
        lectures.sections(source)


# ---- comparing ---------------------------------------------------------------------------------------

REPORT = """gradient check of kl (float64, central differences)
input      shape        rel. error resolution  worst entry         backward        numeric
mu         (4, 3)          2.6e-12    1.0e-08  [2, 2]            -0.6023668     -0.6023668  ok
log_sigma  (4, 3)          2.5e-13    1.0e-08  [0, 2]            0.75437668     0.75437668  ok
then 3 rows
nu (4, 3)  5.0  ok"""


@pytest.mark.parametrize("old, new, same", [
    ("[2, 2]            -0.6023668     -0.6023668", "[0, 1]             9.1             3.3", True), ("2.6e-12", "7.1e-11", True), ("(4, 3)          2.6", "(5, 3)          2.6", False),
    ("-0.6023668  ok", "-0.6023668  WRONG", False), ("mu  ", "nu  ", False), ("3 rows", "4 rows", False), ("of kl", "of KL", False),
    ("[0, 2]            0.75437668", "[1, 1]            3.1", True), ("5.0  ok", "9.0  ok", False),
])  # fmt: skip
def test_of_a_gradient_checks_rows_name_shape_and_verdict_are_compared(old, new, same):
    assert old in REPORT and build.same_print(REPORT, REPORT.replace(old, new, 1)) == same


@pytest.mark.parametrize("old, new, same", [
    ("100 steps", "101 steps", False), ("40,000 draws", "40,100 draws", False), ("40,000", "40000", True), ("1,234.5", "1,235.0", True), ("[1,2]", "[1,3]", False),
    ("see E51", "see E52", False), ("K2 5.00", "K2 5.01", True), ("v1.00", "v1.01", False), ("0.01", "0.02", True), ("0.010", "0.012", False), ("10.0", "10.2", True), ("10.0", "10.3", False),
    ("3e-12", "-8e-10", True), ("3e-12", "8e-9", False), ("1e-3", "2e-3", True), ("1.0e-03", "1.2e-03", False), ("7.", "8.", False), ("[0. 0.5]", "[0.001 0.5]", True),
    ("loss nan", "loss 1.0", False), ("a 5.0 b", "a 5.0", False), ("5", "5.1", False), ("1.0 <", "1.0 >", False),
])  # fmt: skip
def test_whole_numbers_are_equal_and_others_close(old, new, same):
    assert build.same_print(old, new) == same == build.same_print(new, old)


def test_a_figure_that_is_gone_and_a_run_that_fails_are_complaints(tmp_path, monkeypatch, capsys):
    exceptions = pytest.importorskip("nbclient.exceptions")
    monkeypatch.setattr(build, "HERE", tmp_path)
    said, figure = new_output("stream", name="stdout", text="1"), new_output("display_data", data={"image/png": "", "text/plain": "Figure"})
    nbformat.write(book_of(new_code_cell("print(1)", outputs=[said, figure])), tmp_path / "04_x.ipynb")

    def run(book, stem):
        book.cells[0].outputs = outputs

    monkeypatch.setattr(build, "run", run)
    outputs = [said, figure]
    assert build.run_all([Path("04_x.py")]) == 0 and capsys.readouterr().out == ""
    outputs = [said, new_output("display_data", data={"text/plain": "Figure"})]
    assert build.run_all([Path("04_x.py")]) == 1
    assert "04_x, cell 0, kinds of output stored: ['stream stdout', 'display_data image/png text/plain'], now" in capsys.readouterr().out
    raised = [exceptions.CellExecutionError("trace", "NameError", "no y"), exceptions.CellTimeoutError("slow"), exceptions.DeadKernelError("dead")]

    def fail(book, stem):
        raise raised.pop()

    monkeypatch.setattr(build, "run", fail)
    (tmp_path / "05_bad.ipynb").write_text("{", encoding="utf-8")
    assert build.run_all([Path(name) for name in ("03_gone.py", "04_x.py", "05_bad.py", "04_x.py", "04_x.py")]) == 1
    said = capsys.readouterr().out
    assert said.count("04_x: ") == 3 and "DeadKernelError" in said and "CellTimeoutError" in said and "no y" not in said.split("04_x: ")[1]
    assert "03_gone.ipynb cannot be read" in said and "05_bad.ipynb cannot be read" in said


def test_what_is_stored_counts_as_changed_where_it_cannot_be_read_or_its_metadata_differ(tmp_path, monkeypatch):
    source = lectures.sources()[0]
    monkeypatch.setattr(build, "HERE", tmp_path)
    file = tmp_path / f"{source.stem}.ipynb"
    assert not build.same_source(source)
    book = build.notebook(source)
    build.write_text(file, nbformat.writes(book) + "\n")
    assert build.same_source(source)
    book.cells[1]["metadata"]["jupyter"] = {"source_hidden": True}
    build.write_text(file, nbformat.writes(book) + "\n")
    assert not build.same_source(source)
    del book.cells[1]["metadata"]["jupyter"]
    book.cells[0]["attachments"] = {"a.png": {"image/png": ""}}
    build.write_text(file, nbformat.writes(book) + "\n")
    assert not build.same_source(source)
    for data in (b"", b"[1]", b"{}", b"\xff\xfe", b'{"nbformat": 4, "nbformat_minor": 5}', b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}'):
        file.write_bytes(data)
        assert not build.same_source(source), data


def test_a_build_that_is_cut_short_leaves_the_old_notebook(tmp_path, monkeypatch):
    source = lectures.sources()[0]
    file = tmp_path / f"{source.stem}.ipynb"
    file.write_text("old", encoding="utf-8")
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "PAGES", {"page.md": lambda: "page\n"})
    monkeypatch.setattr(build, "built", build.notebook)

    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(os, "replace", full)
        build.build_all([source], anew=False)
    assert file.read_text(encoding="utf-8") == "old" and [path.name for path in tmp_path.iterdir()] == [file.name]
    build.build_all([source], anew=False)
    assert build.same_source(source) and (tmp_path / "page.md").read_bytes() == b"page\n"


# ---- a lecturer's own map ----------------------------------------------------------------------------


def slides(monkeypatch, path):
    monkeypatch.setattr(sys, "argv", ["build.py", "--slides", str(path)])
    return build.main()


def test_a_map_is_written_again_but_never_over_something_else(tmp_path, monkeypatch, capsys):
    table, target = tmp_path / "my.tsv", tmp_path / "my.md"
    table.write_text(HEAD + "1\tKL\tKL.1\n", encoding="utf-8")
    assert slides(monkeypatch, table) == slides(monkeypatch, table) == 0
    text = target.read_text(encoding="utf-8")
    assert text.startswith(f"{maps.MARK}\n\n| slide |")
    as_table = table.rename(tmp_path / "it.md")
    target.write_text("my notes", encoding="utf-8")
    table.write_bytes(as_table.read_bytes())
    for path, message in [(table, "was not written by this command"), (as_table, "must not be named as its map")]:
        before = path.with_suffix(".md").read_bytes()
        with pytest.raises(SystemExit):
            slides(monkeypatch, path)
        assert message in capsys.readouterr().err and path.with_suffix(".md").read_bytes() == before


@pytest.mark.parametrize("data, message", [
    ("slide\ttitle\ttags\n1\té\tKL.1\n".encode("latin-1"), "bad.tsv must be text in UTF-8, got another encoding: save it as UTF-8"),
    (HEAD.encode() + b'1\t"' + b"a" * 200_000, "must be a table of tab-separated columns"), (None, "bad.tsv"), (b"", "got no rows"),
])  # fmt: skip
def test_a_table_that_cannot_be_read_is_named(tmp_path, monkeypatch, capsys, data, message):
    if data is not None:
        (tmp_path / "bad.tsv").write_bytes(data)
    with pytest.raises(SystemExit):
        slides(monkeypatch, tmp_path / "bad.tsv")
    assert message in capsys.readouterr().err and not (tmp_path / "bad.md").exists()


def test_a_map_that_cannot_be_written_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "my.tsv").write_text(HEAD + "1\tKL\tKL.1\n", encoding="utf-8")
    (tmp_path / "my.md").mkdir()
    with pytest.raises(SystemExit):
        slides(monkeypatch, tmp_path / "my.tsv")
    assert "my.md" in capsys.readouterr().err


def test_tags_are_read_as_lecturers_write_them(tmp_path):
    table = tmp_path / "my.tsv"
    table.write_text(HEAD + "1\tKL\t[kl.1], KL.1; Kl.2. [] .\n2\tshort\n3\n", encoding="utf-8")
    rows = [line.split(" | ") for line in maps.slide_map(table).splitlines()[2:]]
    assert [(row[0], row[1], row[2][:6]) for row in rows] == [("| 1", "KL", "[KL.1]"), ("| 1", "KL", "[KL.2]"), ("| 2", "short", ""), ("| 3", "", "")]


def test_links_from_another_folder_are_quoted_and_from_another_drive_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "HERE", tmp_path / "my code (1)" / "notebooks")
    assert maps.root_from(tmp_path / "talk") == "../my%20code%20%281%29"

    def apart(*_):
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(maps.os.path, "relpath", apart)
    assert maps.root_from(tmp_path).endswith("/my%20code%20%281%29") and Path(maps.root_from("/")).is_absolute()
