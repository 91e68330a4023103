"""Build the notebooks from their sources, and the maps that lead to them.

    python notebooks/build.py                   build all that have changed, and the map, errata and notation
    python notebooks/build.py 05 06a            build these
    python notebooks/build.py --run             run all notebooks (or those named) in clean kernels, compare, write nothing
    python notebooks/build.py --slides MY.tsv   a map for a lecture of your own, written to MY.md; nothing else is overwritten

A source is a Python file in percent format; a line `*Tasks: a; b.*` that ends a cell stands for statement, stub and check of these tasks.
What is built keeps its outputs and figures, so that it reads on a web page; cells that are tagged `answer` keep none and are folded, so that
nothing to predict stands beside its answer. Every file is written beside and renamed into place, so that it is whole at any time. Needs the
extra `notebooks`: pip install -e ".[notebooks]"
"""

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
from form import notebook
from lectures import HERE, number, sources
from maps import PAGES, write_slide_map
from tasks import current

from tinyvae.support.storage import write_text

UNCHECKED = {"answer", "timing", "rounding"}  # not stored; not the same twice; not the same where another BLAS has rounded a training
NUMBER = re.compile(r"([-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+))(\.[0-9]*)?([eE][-+]?[0-9]+)?")
TOKEN = re.compile(rf"[^\W0-9]\w*|{NUMBER.pattern}|\S")  # a word, a number, or a sign
ROW = re.compile(r"(.*?\S) +(\([0-9, ]*\)) .*  (\S.*)")  # of the report of a gradient check: name, shape, verdict


def tagged(cell, names):
    """Whether a cell has one of these tags."""
    return not set(names).isdisjoint(cell.metadata.get("tags", []))


def run(book, stem):
    """Execute a notebook, from a folder that holds nothing else, in a clean kernel."""
    from nbclient import NotebookClient  # here: the tests compare sources without it

    env = {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}  # it would name the notebook that runs this
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(book, Path(folder) / f"{stem}.ipynb")
        NotebookClient(book, timeout=600, coalesce_streams=True, resources={"metadata": {"path": folder}}).execute(env=env)
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


def stored(path):
    """The built notebook of a source; ValueError where its file is missing or holds no notebook."""
    file = HERE / f"{path.stem}.ipynb"
    try:
        book = nbformat.read(file, as_version=4)
        cells(book)  # all that the rest relies on
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, nbformat.ValidationError) as error:
        raise ValueError(f"{file.name} cannot be read ({type(error).__name__}: {error}): build it, python notebooks/build.py {number(path)}") from None
    return book


def same_source(path):
    """Whether the built notebook can be read and holds exactly the cells of its source, and what its tasks ask for now."""
    try:
        book = stored(path)
    except ValueError:
        return False
    return cells(book) == cells(notebook(path)) and current(book.cells)


def cells(book):
    """What of a notebook comes from its source: of each cell all but its id and outputs."""
    return [(cell.cell_type, cell.source, dict(cell.metadata), cell.get("attachments", {})) for cell in book.cells]


def checked(book):
    """(number, cell) of the cells whose output can be compared."""
    return [(n, cell) for n, cell in enumerate(book.cells) if cell.cell_type == "code" and not tagged(cell, UNCHECKED)]


def printed(book):
    """Number of a cell -> what it printed, of the cells whose output can be compared."""
    return {n: "".join(out.text for out in cell.outputs if out.output_type == "stream" and out.name == "stdout") for n, cell in checked(book)}


def kind(output):
    """What sort of output it is, not what it holds: "stream stdout", "display_data image/png text/plain"."""
    return " ".join([output.output_type, output.get("name", ""), *sorted(output.get("data", ()))]).replace("  ", " ").strip()


def kinds(book):
    """Number of a cell -> the kinds of its outputs in order, of the cells whose output can be compared."""
    return {n: [kind(output) for output in cell.outputs] for n, cell in checked(book)}


def plain(text):
    """A text in which the rows of a gradient check's report are name, shape and verdict: the rest of them varies with rounding."""
    lines, above, inside = [], "", False
    for line in text.splitlines():
        row = ROW.fullmatch(line) if inside else None
        lines.append(" ".join(row.groups()) if row else line)
        inside = bool(row) or (above.startswith("gradient check of ") and line.split()[:2] == ["input", "shape"])
        above = line
    return "\n".join(lines)


def last_unit(text):
    """One unit of the last digit of a printed number."""
    _, point, exponent = NUMBER.fullmatch(text).groups()
    return float(f"1{exponent or ''}") / 10 ** len((point or "").strip("."))


def same_number(old, new):
    """Whether two printed numbers agree.

    A whole number, without point or exponent, must be equal to the other; a point that ends a sentence makes it no other number.
    Others must agree to 2 % or to one unit of the last printed digit, or be both below 1e-9.
    """
    a, b = (float(text.replace(",", "")) for text in (old, new))
    if not all(set(text) & set(".eE") for text in (old, new)) or not any(re.search(r"\.[0-9]|[eE]", text) for text in (old, new)):
        return a == b
    size, unit = max(abs(a), abs(b)), min(map(last_unit, (old, new)))
    return abs(a - b) <= max(0.02 * size, 1.001 * unit) or size < 1e-9  # 1.001: 1.1 - 1.0 is above 0.1


def same_print(old, new):
    """Whether two texts have the same words and signs, and numbers that agree (another machine's rounding); see `same_number`.

    Spaces and line breaks do not count; a comma of thousands belongs to its number; a digit after a letter (E51, K2) to the word. Of
    a row of a gradient check's report only name, shape and verdict count.
    """
    old, new = ([match[0] for match in TOKEN.finditer(plain(text))] for text in (old, new))
    same = (same_number(a, b) if NUMBER.fullmatch(a) and NUMBER.fullmatch(b) else a == b for a, b in zip(old, new, strict=False))
    return len(old) == len(new) and all(same)


def compare(path):
    """Run the stored notebook and yield a complaint if it fails, or for each cell that prints or shows something else than it stored."""
    from nbclient.exceptions import CellControlSignal, DeadKernelError

    try:
        book = stored(path)
        old, shown = printed(book), kinds(book)
        run(book, path.stem)
        new, now = printed(book), kinds(book)
    except (OSError, ValueError, CellControlSignal, DeadKernelError) as error:  # the file; what a cell raises, its time, its kernel's end
        yield f"{path.stem}: {type(error).__name__}: {error}"
        return
    for n in old:
        if not same_print(old[n], new[n]):
            yield f"{path.stem}, cell {n}, stored:\n{old[n]}\nnow:\n{new[n]}"
        if shown[n] != now[n]:
            yield f"{path.stem}, cell {n}, kinds of output stored: {shown[n]}, now: {now[n]}"


def run_all(paths):
    """Run these, print complaints as they are found; 1 if there are any, else 0."""
    found = 0
    for path in paths:
        for complaint in compare(path):
            print(complaint, flush=True)
            found = 1
    return found


def build_all(paths, anew):
    """Build those that have changed, or all anew; then the pages."""
    for path in paths:
        if anew or not same_source(path):
            write_text(HERE / f"{path.stem}.ipynb", nbformat.writes(built(path)) + "\n")
    for name, page in PAGES.items():
        write_text(HERE / name, page())


def main():
    """Build, run, or map."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="notebooks to build, as 05 or 06a; default: those that have changed")
    parser.add_argument("--run", action="store_true", help="run, compare what is printed and shown with what is stored, write nothing")
    parser.add_argument("--slides", metavar="MY.tsv", type=Path, help="write a map of your own slides to MY.md")
    args = parser.parse_args()
    if unknown := set(args.numbers) - {number(path) for path in sources()}:
        parser.error(f"no notebook {', '.join(sorted(unknown))}: they are {', '.join(number(path) for path in sources())}")
    if args.slides:
        try:
            write_slide_map(args.slides)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        return 0
    chosen = [path for path in sources() if not args.numbers or number(path) in args.numbers]
    if args.run:
        return run_all(chosen)
    build_all(chosen, anew=bool(args.numbers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
