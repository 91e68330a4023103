"""Layer 5, course: what is taken from a student's file, whatever was done to its cells; nothing in it runs."""

import json
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvae.course import definitions, submission
from tinyvae.course.submission import Unreadable, from_cells, read


def notebook(*cells, **more):
    """A notebook's bytes; a cell is its source, or a dict."""
    made = [cell if isinstance(cell, dict) else {"cell_type": "code", "source": cell, "outputs": []} for cell in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | more).encode()


def run(code):
    space = {"__name__": "student"}
    exec(compile(code, "student.py", "exec"), space)  # noqa: S102 - the code is ours
    return space


def collected(*cells, kinds=None):
    """(code, notes) in this process: as `from_cells`, which asks another."""
    return definitions.collected(list(zip(kinds or ["code"] * len(cells), cells)))


def test_what_is_kept_and_what_is_left_out():
    code, notes = collected(
        '"""Homework."""\nimport numpy as np\nfrom math import log, pi as π\nnp.random.seed(0)',
        "LOG_2PI = np.log(2 * np.pi)\nx: float = -1.5; a, (b) = 1, np.ones(3)[0]\nrow = [1, 2][0] if x < 0 else None\nhalf = log(π) / 2",
        "def f(x, n=LOG_2PI):\n    return helper(x) if x > 0 else n  # ü\n\nprint(f(3))\nfor i in range(3):\n    f(i)\n",
        "@staticmethod\ndef helper(x):\n    return f(x - 1)\n\nclass Model:\n    k = 3\n    def grow(self):\n        return self.k + half\nmodel = Model()",
        "Größe = lambda x: x * a\nx += 1\n(w := 5)\nfor i in range(3):\n    losses = [f(i)]\nasync def later():\n    return 1\ndel Größe",
    )
    space = run(code)
    names = {"np", "log", "π", "LOG_2PI", "x", "a", "b", "row", "half", "f", "helper", "Model", "model", "Größe", "later"}
    assert {name for name in space if not name.startswith("__")} == names
    assert space["f"](2) == space["LOG_2PI"] == np.log(2 * np.pi) and space["Model"]().grow() == 3 + np.log(np.pi) / 2
    assert "    return helper(x) if x > 0 else n\n" in code and "@staticmethod\ndef helper" in code
    assert space["x"] == -0.5 and notes == ["3 statements that define nothing to keep were left out: no cell is run."]


DEFINITIONS = [
    "import numpy as np",
    "SCALE = 2 * np.pi",
    "def even(n):\n    return n == 0 or odd(n - 1)",
    "def odd(n):\n    return n > 0 and even(n - 1)",
    "@np.vectorize\ndef scaled(x, by=SCALE):\n    '''Two\n    lines.'''\n    return by * x",
    "half = lambda x: x / 2",
]
NOISE = ["print('hello')", "%matplotlib inline", "!pip install numpy", "for i in range(3):\n    pass", "# nothing", "np.sum?", "%%time\n1 + 1"]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_split_joined_repeated_and_noisy_cells_define_the_same(data):
    """Cells in any cutting, each as often as one likes, with anything between them that defines nothing."""
    statements = []
    for text in DEFINITIONS:
        statements += [text] * data.draw(st.integers(1, 2)) + data.draw(st.lists(st.sampled_from(NOISE[:1] + NOISE[3:5]), max_size=1))
    cells = [statements[0]]
    for text in statements[1:]:
        cells = [*cells, text] if data.draw(st.booleans()) else [*cells[:-1], cells[-1] + "\n" + text]
    cells = [part for cell in cells for part in [*data.draw(st.lists(st.sampled_from(NOISE), max_size=1)), cell]]
    ends = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    code, notes = collected(*(cell.replace("\n", ends) for cell in cells))
    space = run(code)
    assert space["even"](10) and not space["odd"](4) and space["half"](3) == 1.5 and float(space["scaled"](1.0)) == 2 * np.pi
    assert not any("different" in note or "Cell" in note for note in notes)


def test_the_last_definition_counts_and_it_is_said():
    code, notes = collected("def f(x):\n    return 0", "def f(x):\n    return 1", "kl = 0\nkl = .5", "def g(): return 1", "def g(): return 1")
    space = run(code)
    assert (space["f"](0), space["kl"]) == (1, 0.5)
    assert notes == [
        "f is defined 2 times in different words (cell 1 and 2): the last one counts.",
        "kl is defined 2 times in different words (cell 3): the last one counts.",
    ]


@pytest.mark.parametrize(
    "cell, words",
    [
        ("def g(:\n    pass", "Cell 1, line 1: invalid syntax"),
        ("x = 1\nwhile True print(x)", "Cell 1, line 2:"),
        ("%%bash\nls", "%%bash says that it is not Python"),
        ("while True:\n    def g():\n        return 1", "g is defined inside `while`, so it was not taken"),
        ("if True:\n    def g():\n        return 1\n    g()", "g is defined inside `if`, so it was not taken"),
        ("try:\n    class G: pass\nfinally:\n    print()", "G is defined inside `try`"),
        ("def g():\n    break", "'break' outside loop. g was left out"),
        ("x = '\0'", "Cell 1"),
        ("def g(x, y=samples):\n    return x", "g was left out, for its first lines need samples"),
        ("x = " + "-" * 100_000 + "1", "nested too deeply"),
        ("x = " + "(" * 100_000, "too many nested parentheses"),
        ("x = '\ud800'", "Cell 1"),
    ],
)
def test_a_cell_that_cannot_be_taken_costs_itself_alone(cell, words):
    code, notes = collected(cell, "def f():\n    return 7")
    assert run(code)["f"]() == 7 and "g" not in run(code) and words in notes[0]


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\ndef f(x):\n    return x % 2",
        "%%time\ndef f(x):\n    return x % 2",
        "!pip install 'x\n?np.sum\nnp.sum?\nfiles = !ls\ndef f(x):\n    y = (x\n       % 2)\n    return y",
        "get_ipython().run_line_magic('cd', '/')\ndef f(x):\n    return x % 2",
        "  def f(x):\n      return x % 2\n  %time f(3)",
        "\ufeffdef f(x):\n\treturn x % 2",
        "for i in range(2):\n    %timeit 1\ndef f(x):\n    return x % 2",
    ],
)
def test_lines_for_ipython_are_dropped(cell):
    assert run(collected(cell)[0])["f"](3) == 1


def test_cells_run_in_another_order_and_constants_of_a_training():
    """What can be defined is defined, in an order in which it can; what needs a training is left out."""
    code, notes = collected("mean = np.mean(losses)\nworst = mean + 1", "def f(x, k=K):\n    return k * x", "K = 2 * J", "J = 3")
    space = run(code)
    assert space["f"](1) == 6 and "mean" not in space and code.startswith("import numpy as np")
    assert notes == [f"Cell 1: `{name}` was left out (it needs {missing}, which nothing kept defines)." for name, missing in (("mean", "losses"), ("worst", "mean"))]


def test_a_constant_that_fails_and_hints_that_are_nowhere_stop_nothing():
    cells = "data = np.load('digits.npz'); n = np.ones(3)[5]", "def f(x: Tensor, *a: Late) -> Optional[float]:\n    return x", "y: Tensor = np.float64(2)", "class Late: pass"
    space = run(collected(*cells)[0])
    assert space["f"](space["y"]) == 2 and "data" not in space and "n" not in space


def test_a_cell_of_another_type_stands_in_for_what_no_code_cell_defines():
    cells = "def f():\n    return 1", "def g():\n    return 2", "def g():\n    return 3", "The code *cell* above\n\nx = 3 or so", "y = 4"
    code, notes = collected(*cells, kinds=["markdown", "code", "raw", "markdown", "raw"])
    space = run(code)
    assert (space["f"](), space["g"](), space["y"]) == (1, 2, 4) and "x" not in space
    assert notes[0] == "Cell 1 is a cell of type markdown, but f was taken from it."


def test_future_and_star_imports():
    space = run(collected("def f(x: Later):\n    return x", "from __future__ import annotations\nfrom numpy import *\nk = unknown + 1")[0].replace("unknown", "pi"))
    assert space["f"](1) == 1 and space["k"] == np.pi + 1


# ---- files ------------------------------------------------------------------------------------------


def test_notebooks_of_many_kinds(tmp_path):
    """In a process of its own, as for everybody; the digest is that of the file."""
    wanted = ["def f():\n", "    return 1"]
    files = [
        notebook(wanted),
        b"\xef\xbb\xbf" + notebook("".join(wanted)),
        json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": wanted}]}], "nbformat": 3}).encode(),
        notebook("".join(wanted)).replace(b'{"cells"', b'{"cells": [], "cells"'),
        notebook("".join(wanted), {"cell_type": "code"}, {"cell_type": "code", "source": [1, None]}, {"source": 7}),
        json.dumps({"cells": [7, {"cell_type": "code", "source": wanted}]}).encode(),
    ]
    path = tmp_path / "Jürgen Müller.ipynb"
    for data in files:
        path.write_bytes(data)
        found = read(path)
        assert run(found.code)["f"]() == 1 and found.name == path.name
        assert found.digest == read(data, "x.ipynb").digest and len(found.digest) == 64


@pytest.mark.parametrize(
    "data, name, words",
    [
        (b"", "a.ipynb", "does not hold JSON"),
        (b"\x80\x81\xff", "a.ipynb", "no text in UTF-8"),
        (b"[" * 200_000, "a.ipynb", "does not hold JSON"),
        (b'{"cells": 3}', "a.ipynb", "no notebook with cells"),
        (b"[]", "a.ipynb", "no notebook with cells"),
        (notebook("print(1)"), "a.ipynb", "holds no imports, functions"),
        (notebook("x = 1 +"), "a.ipynb", "Cell 1, line 1: invalid syntax"),
        (b"x = 1", "a.txt", "no notebook (.ipynb) and no program (.py)"),
        (b"", "a.py", "holds no imports"),
        (b" " * 20_000_001, "a.ipynb", "clear the outputs"),
        (b"x = 1\n" * 70_000, "a.py", "more than 400000 characters"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(data, name, words):
    with pytest.raises(Unreadable) as error:
        read(data, name)
    assert words in str(error.value)


def test_links_are_not_followed(tmp_path):
    (tmp_path / "secret.py").write_text("key = 1", encoding="utf-8")
    try:
        (tmp_path / "a.py").symlink_to(tmp_path / "secret.py")
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(Unreadable, match="is a link"):
        read(tmp_path / "a.py")
    with pytest.raises(Unreadable, match="is no file"):
        read(tmp_path / "b.py")


def test_programs_are_read_cell_by_cell():
    text = "# %%\ndef f():\n    return 1\n\n# %% [markdown]\n# words\n\n# In[3]:\nx = (\n\n# %%\ny = 2\n"
    found = read(text.replace("\n", "\r\n").encode(), "a.py")
    assert run(found.code)["f"]() == 1 and run(found.code)["y"] == 2 and "Cell 4, line 1" in found.notes[0]
    latin = "# -*- coding: latin-1 -*-\ngrüße = 'ä'\n".encode("latin-1")
    assert run(read(latin, "a.py").code)["grüße"] == "ä"


def test_sections_of_tasks():
    cells = ["import numpy as np", "# task: one\ndef f():\n    return 1", "k = 1", "# task: two\ndef f():\n    return 2"]
    found = read(notebook(*cells), "a.ipynb")
    assert run(found.code_for("one", {"one"}))["f"]() == 1
    assert [run(found.code_for(task, {"one", "two"}))["f"]() for task in ("two", "three")] == [2, 2]
    assert run(found.code_for("one", set()))["f"]() == 2, "a name that no other task sets: the last definition counts"


def test_nothing_runs(tmp_path):
    """Not in this process and not in the other: neither decorators, nor defaults, nor constants, nor class bodies."""
    mark = tmp_path / "mark"
    touch = f"open({str(mark)!r}, 'w')"
    cells = f"x = {touch}", f"@({touch}).write\ndef f(x={touch}):\n    pass", f"class A:\n    {touch}", f"def g() -> {touch}:\n    pass"
    code, _ = from_cells(cells)
    assert "class A" in code and not mark.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of memory there")
@pytest.mark.slow
def test_what_keeps_a_compiler_busy_is_stopped():
    """Nested `finally` blocks double the code at every level; this process does not see them."""

    def nested(depth, indent=" "):
        return f"{indent}try: pass\n{indent}finally:\n" + (nested(depth - 1, indent + " ") if depth else f"{indent} pass\n")

    start = time.monotonic()
    code, notes = from_cells(["def f():\n" + nested(18), "def g():\n    return 1"])
    assert "def f" not in code and notes and time.monotonic() - start < submission.SECONDS + 5
