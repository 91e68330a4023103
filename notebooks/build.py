"""Build the notebooks from their sources, and the maps that lead to them.

    python notebooks/build.py                   build all that have changed, and the map, errata and notation
    python notebooks/build.py 05 06a            build these
    python notebooks/build.py --run             run all notebooks (or those named) in clean kernels, compare, write nothing
    python notebooks/build.py --slides MY.tsv   a map for a lecture of your own, written to MY.md

A source is a Python file in percent format. What is built keeps its outputs and figures, so that it reads on a web page; cells that
are tagged `answer` keep none and are folded, so that nothing to predict stands beside its answer. Needs the extra `notebooks`:
pip install -e ".[notebooks]"
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
from form import notebook
from lectures import HERE, number, sources
from maps import PAGES, slide_map

UNCHECKED = {"answer", "timing"}  # not stored; not the same twice
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")


def tagged(cell, names):
    """Whether a cell has one of these tags."""
    return not set(names).isdisjoint(cell.metadata.get("tags", []))


def run(book, stem):
    """Execute a notebook, from a folder that holds nothing else, in a clean kernel."""
    from nbclient import (
        NotebookClient,  # not above: the tests compare sources without running them
    )


    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(book, Path(folder) / f"{stem}.ipynb")
        NotebookClient(book, timeout=600, coalesce_streams=True, resources={"metadata": {"path": folder}}).execute()
    for cell in book.cells:
        cell["metadata"].pop("execution", None)
    print(f"{stem}: {time.perf_counter() - start:.1f} s", flush=True)
    return book


def built(path):
    """The notebook of a source with its outputs, those of answers left out."""
    book = run(notebook(path), path.stem)
    for cell in book.cells:
        if cell.cell_type == "code" and tagged(cell, ["answer"]):
            cell["outputs"], cell["execution_count"] = [], None
    return book


def same_source(path):
    """Whether the built notebook holds exactly the cells of its source."""
    file = HERE / f"{path.stem}.ipynb"
    return file.exists() and cells(nbformat.read(file, as_version=4)) == cells(notebook(path))


def cells(book):
    """What of a notebook comes from its source."""
    return [(cell.cell_type, cell.source, cell.metadata.get("tags"), cell.metadata.get("answer")) for cell in book.cells]


def printed(book):
    """Number of a cell -> what it printed, of the cells whose output can be compared."""
    code = [(n, cell) for n, cell in enumerate(book.cells) if cell.cell_type == "code" and not tagged(cell, UNCHECKED)]
    return {n: "".join(out.text for out in cell.outputs if out.output_type == "stream" and out.name == "stdout") for n, cell in code}


def same_print(old, new):
    """Whether two texts have the same words, and numbers that agree to 2 % (another machine's rounding) or to 1e-6."""
    pairs = list(zip(NUMBER.findall(old), NUMBER.findall(new), strict=False))
    words = ["".join(NUMBER.sub("#", text).split()) for text in (old, new)]
    close = (abs(a - b) <= max(0.02 * max(abs(a), abs(b)), 1e-6) for a, b in (map(float, pair) for pair in pairs))
    return words[0] == words[1] and all(close)


def compare(path):
    """Run the stored notebook and return a complaint for each cell that prints something else than it stored."""
    stored = nbformat.read(HERE / f"{path.stem}.ipynb", as_version=4)
    old = printed(stored)
    new = printed(run(stored, path.stem))
    return [f"{path.stem}, cell {n}, stored:\n{old[n]}\nnow:\n{new[n]}" for n in old if not same_print(old[n], new[n])]


def main():
    """Build, run, or map."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="notebooks to build, as 05 or 06a; default: those that have changed")
    parser.add_argument("--run", action="store_true", help="run, compare what is printed with what is stored, write nothing")
    parser.add_argument("--slides", metavar="MY.tsv", type=Path, help="write a map of your own slides to MY.md")
    args = parser.parse_args()
    if unknown := set(args.numbers) - {number(path) for path in sources()}:
        parser.error(f"no notebook {', '.join(sorted(unknown))}: they are {', '.join(number(path) for path in sources())}")
    if args.slides:
        try:
            text = slide_map(args.slides)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        args.slides.with_suffix(".md").write_text(text, encoding="utf-8", newline="\n")
        return 0
    chosen = [path for path in sources() if not args.numbers or number(path) in args.numbers]
    if args.run:
        complaints = [complaint for path in chosen for complaint in compare(path)]
        print("\n".join(complaints))
        return bool(complaints)
    for path in chosen:
        if args.numbers or not same_source(path):
            nbformat.write(built(path), HERE / f"{path.stem}.ipynb")
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
