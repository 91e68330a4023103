"""Build the notebooks from their sources, and the map of lectures to notebooks to functions.

    python notebooks/build.py            build all that have changed, and the map
    python notebooks/build.py 05 07      build these
    python notebooks/build.py --run      run all sources (or those named) in clean kernels and write nothing

A source is a Python file in percent format; what is built keeps its outputs and figures, so that it reads on a web
page. Needs the extra `notebooks`: pip install -e ".[notebooks]"
"""

import argparse
import ast
import csv
import re
import sys
import time
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "tinyvae"
ITEM = re.compile(r"\bD\d-\d+\b")
LECTURES = {
    "D0": "K. Struminsky, Variational Auto-Encoders (2021)",
    "D1": "M. Kim, Deep Learning Systems, lecture 12",
    "D2": "CSC421, variational auto-encoders",
    "D3": "notes, 11. VAE",
    "D4": "J. Jordan, Variational autoencoders",
}


def sources():
    """The source files in order."""
    return sorted((HERE / "source").glob("[0-9][0-9]_*.py"))


def read(path):
    """A source as a notebook without outputs."""
    return jupytext.read(path, fmt="py:percent")


def run(path):
    """The notebook of a source after execution in a clean kernel, with stable ids and no time stamps."""
    from nbclient import (
        NotebookClient,  # here, because the tests compare sources without running them
    )

    notebook = read(path)
    for n, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{n}"
    start = time.perf_counter()
    NotebookClient(notebook, timeout=120, coalesce_streams=True, resources={"metadata": {"path": str(HERE)}}).execute()
    for cell in notebook.cells:
        cell["metadata"].pop("execution", None)
        cell["metadata"].pop("lines_to_next_cell", None)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    print(f"{path.stem}: {time.perf_counter() - start:.1f} s", flush=True)
    return notebook


def same_source(path):
    """Whether the built notebook holds exactly the cells of its source."""
    built = HERE / f"{path.stem}.ipynb"
    if not built.exists():
        return False
    old, new = nbformat.read(built, as_version=4).cells, read(path).cells
    return [(c.cell_type, c.source) for c in old] == [(c.cell_type, c.source) for c in new]


def items():
    """id -> (statement, notebook) of everything that the lectures state."""
    with open(HERE / "items.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["id"]: (row["what the lecture states or shows"], row["notebook"]) for row in rows}


def sections(path):
    """(title, item ids, functions shown) of every section of a source that names items."""
    found = []
    for part in re.split(r"(?m)^# ## ", path.read_text(encoding="utf-8"))[1:]:
        title, lines = part.split("\n", 1)[0].strip(), part.splitlines()
        ids = [i for line in lines if line.startswith("# *Items:") for i in ITEM.findall(line)]
        shown = [name for call in re.findall(r"(?ms)^show\((.*?)\)$", part) for name in re.findall(r"[\w.]+", call)]
        if ids:
            found.append((title, ids, shown))
    return found


def anchor(title):
    """The fragment under which a Markdown heading is found on a web page."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def functions():
    """Name -> (file below the package, line) of all its functions, classes and methods ("VAE.fit")."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found[node.name] = path.relative_to(PACKAGE).as_posix(), node.lineno
            if isinstance(node, ast.ClassDef):
                methods = [m for m in node.body if isinstance(m, ast.FunctionDef)]
                found |= {f"{node.name}.{m.name}": (path.relative_to(PACKAGE).as_posix(), m.lineno) for m in methods}
    return found


def lecture_map():
    """notebooks/README.md: lecture -> its statements in order -> notebook section -> functions of the package."""
    code, places = functions(), {}
    for path in sources():
        for title, ids, shown in sections(path):
            links = [f"[`{name}`](../tinyvae/{code[name][0]}#L{code[name][1]})" for name in shown]
            for i in ids:
                places.setdefault(i, (path.stem, title, ", ".join(links)))
    lines = [INTRODUCTION]
    for lecture, name in LECTURES.items():
        lines += [f"\n## {lecture}: {name}\n", "| item | the lecture states | notebook section | code |", "|---|---|---|---|"]
        for i, (statement, _) in items().items():
            if i.startswith(lecture + "-") and i in places:
                stem, title, links = places[i]
                statement = statement.replace("|", "∣")
                lines.append(f"| {i} | {statement} | [{stem[:2]}, {title}]({stem}.ipynb#{anchor(title)}) | {links} |")
    return "\n".join(lines) + "\n"


INTRODUCTION = """# The notebooks: a companion to five lectures

Read them on the web page, outputs and figures included, or run them in JupyterLab. Each opens with the lecture pages that it accompanies
and that lecture's notation beside ours. Sections state what the slide says, derive it, show the package's code for it,
and check it with a number. Built from `source/*.py` by `python notebooks/build.py`.

Below, every statement of the lectures that a notebook covers, in the lecture's own order."""


def main():
    """Build, or run only."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="notebooks to build, as 05; default: those that have changed")
    parser.add_argument("--run", action="store_true", help="run all and write nothing")
    args = parser.parse_args()
    for path in sources():
        wanted = path.stem[:2] in args.numbers
        if args.run and (wanted or not args.numbers):
            run(path)
        elif not args.run and (wanted or (not args.numbers and not same_source(path))):
            nbformat.write(run(path), HERE / f"{path.stem}.ipynb")
    if not args.run:
        (HERE / "README.md").write_text(lecture_map(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
