"""What a cell defines: its statements sorted into those that are kept, as they were typed, and those that are left out (`statements`).

Kept are imports, functions, classes and assignments, in their order, so that running them defines what the notebook defines. A statement
that needs a name which nothing kept defines (`mean = np.mean(losses)` after a loop that trains) is left out: it would stop all others.

`submission` runs this file as a program, cells in and definitions out as JSON: of the package it imports nothing but its neighbour.
"""

import ast
import contextlib
import json
import os
import re
import sys
from typing import NamedTuple

if __package__:
    from . import statements
else:  # a program without the folder in which it stands
    sys.path.append(os.path.dirname(__file__))
    import statements

PYTHON_MAGICS = {"capture", "memit", "mprun", "prun", "python", "python3", "time", "timeit"}
MAGIC = re.compile(r"^\s*(?:%{1,2}[A-Za-z]|!(?!=)|\?).*$|^\s*[\w.]+\s*=\s*(?:!|%[A-Za-z]).*$|^[^#'\"]*\?\s*$")
CODE = re.compile(r"(?m)^(?:async +def|def|class|[^\W\d]\w* *=) *\S")
MARK = re.compile(r"^(?:# )?(?:<!-- )?task: (\w+)", re.MULTILINE)  # at the head of a task's cells
MEMORY = 512 << 20  # bytes that this file may take as a program: the longest honest source takes half of it
FUTURE = "from __future__ import annotations"
NOTES, WORDS = 30, statements.WORDS  # of a submission; characters of a note
ROUNDS = 8  # how often pieces that wait for others are looked at again
HARD, cause, parsed = statements.HARD, statements.cause, statements.parsed


class Piece(NamedTuple):
    """A statement that may be kept: its text, what it is, the names that it sets, those that it needs when it is run, those that it uses
    whenever, those in its hints of types; whether it is worth a note when it comes twice; number and type of its cell."""

    text: str
    node: type
    names: tuple
    needs: frozenset = frozenset()
    uses: frozenset = frozenset()
    hints: frozenset = frozenset()
    plain: bool = True
    cell: int = 0
    kind: str = "code"


def piece_of(text, node, names, *place):
    """The piece that a statement is: not plain is what tries an answer (`out = f(x)`)."""
    plain = isinstance(node, statements.DEFINED) or not any(isinstance(part, ast.Call) for part in statements.running([node]))
    found = statements.needs(node), statements.uses(node), statements.hints(node)
    return Piece(text, type(node), names, *found, plain, *place)


class Collected:
    """The pieces of a submission; `take` a cell after the other, then ask for the `code`."""

    def __init__(self):
        self.pieces, self.notes, self._dropped = [], [], 0
        self._left = []  # (names, cell, why, whether it gets a note) of what is left out

    def take(self, number, source, tree, kind="code"):
        """Sort the statements of a cell's tree."""
        lines, above = source.encode().split(b"\n"), 0  # encoded once: columns count bytes
        for node in tree.body:
            text = statements.segment(lines, node, above)
            above = node.end_lineno
            if why := statements.trouble(node):
                self._leave(node, number, kind, why)
                continue
            names = statements.names_of(node)
            if problem := statements.refused(text):
                self.notes.append(f"Cell {number}, line {node.lineno}: {problem}. {', '.join(names) or 'The statement'} was left out.")
                self._left.append((names, number, "", False))
            elif kind == "code" or names:
                self.pieces.append(piece_of(text, node, names, number, kind))

    def _leave(self, node, number, kind, why):
        """Remember a statement that is left out; say so where a definition goes with it."""
        if kind != "code" or isinstance(node, (ast.Pass, ast.Expr)):
            return  # the calls that try an answer: every file has these
        parts, word = [node, *statements.inner(node)], type(node).__name__.lower().removeprefix("async")
        inside = list(dict.fromkeys(part.name for part in parts if isinstance(part, statements.DEFINED)))
        for name in inside:
            self.notes.append(f"Cell {number}: {name} is defined inside `{word}`, so it was not taken: define it at the left margin.")
        names = [name for part in parts if isinstance(part, (*statements.SET, *statements.IMPORTS)) for name in statements.names_of(part)]
        names, main = tuple(dict.fromkeys(names)), statements.main_only(node)
        told = bool(names) and not main and isinstance(node, (*statements.SET, *statements.IMPORTS, *statements.BLOCKS))
        self._left.append((names, number, why, told and getattr(node, "value", node) is not None))
        self._left.append((tuple(inside), number, why, False))
        self._dropped += not (inside or told or main)

    def code(self):
        """The kept pieces as one text; the notes are complete after it."""
        strong = {name for piece in self.pieces if piece.kind == "code" for name in piece.names}
        kept = self._ordered([piece for piece in self.pieces if piece.kind == "code" or not strong & set(piece.names)])
        self._say(kept)
        texts = [guarded(piece) for piece in kept]
        if any(piece.hints for piece in kept):
            texts.append(FUTURE)  # hints of types need not be there
        texts.sort(key=lambda text: not text.startswith("from __future__"))  # they must stand first
        self.notes[:] = [note if len(note) <= WORDS else note[: WORDS - 3] + "..." for note in dict.fromkeys(self.notes)][:NOTES]
        return "\n\n".join(texts) + "\n" if texts else ""

    def _ordered(self, pieces):
        """The pieces that can run, each after what it needs: in the order of the file, but for cells that were run in another one."""
        kept, waiting, known = [], [], {*statements.BUILTINS, "__name__"}
        if not any("np" in piece.names for piece in pieces) and any(re.search(r"\bnp\b", piece.text) for piece in pieces):
            kept, known = [Piece("import numpy as np", ast.Import, ("np",))], known | {"np"}
        every = any("*" in piece.names for piece in pieces)
        for piece in pieces:
            (kept if every or piece.needs <= known else waiting).append(piece)
            known.update(piece.names if kept and kept[-1] is piece else ())
        for _ in range(ROUNDS):
            ready, waiting = [p for p in waiting if p.needs <= known], [p for p in waiting if not p.needs <= known]
            kept += [piece for piece in ready if not piece.names or not known.issuperset(piece.names)]
            known.update(name for piece in ready for name in piece.names)
        for piece in waiting:
            self._wait(piece, ", ".join(sorted(piece.needs - known)))
        return kept

    def _wait(self, piece, missing):
        """Remember a piece that needs what is missing."""
        defines = issubclass(piece.node, statements.DEFINED)
        if defines:
            self.notes.append(f"Cell {piece.cell}: {piece.names[0]} was left out, for its first lines need {missing}, which nothing kept defines.")
        why = f"it needs {missing}, which nothing kept defines"
        names = piece.names or (piece.text.partition("=")[0].strip(),)
        self._left.append((names, piece.cell, why, not defines))

    def _say(self, kept):
        """Notes on names that came twice, that stand in cells of another type, or that were left out."""
        places = {}
        for piece in kept:
            for name in () if issubclass(piece.node, statements.IMPORTS) else piece.names:
                places.setdefault(name, []).extend([piece] * (name not in piece.needs))  # `f = cached(f)` is no second answer
            if piece.kind != "code":
                self.notes.append(f"Cell {piece.cell} is a cell of type {piece.kind[:20]}, but {', '.join(piece.names)} was taken from it.")
        several = {name: found for name, found in places.items() if len({piece.text for piece in found}) > 1}
        for name, found in several.items():
            if any(piece.plain for piece in found):
                cells = " and ".join(dict.fromkeys(str(piece.cell) for piece in found))
                self.notes.append(f"{name} is defined {len(found)} times in different words (cell {cells}): the last one counts.")
        tried = [name for name, found in several.items() if not any(piece.plain for piece in found)]
        if tried:
            self.notes.append(f"Set more than once, by calls in different words: {', '.join(tried)}. The last one counts.")
        self._say_left(kept, {name for piece in kept for name in piece.names})

    def _say_left(self, kept, known):
        """Notes on what was left out: first those that say what it costs."""
        lost = {name for names, *_ in self._left for name in names} - known
        for piece in kept:
            if found := sorted(piece.uses & lost):
                self.notes.append(f"{', '.join(piece.names)} uses {', '.join(found)}, which {'were' if found[1:] else 'was'} left out.")
        for names, cell, why, told in self._left:
            if told:
                other = [name for name in names if name in known]
                more = f" {', '.join(other)} stays what another line sets." if other else ""
                self.notes.append(f"Cell {cell}: `{', '.join(names)}` was left out ({why}).{more}")
        if self._dropped:
            self.notes.append(f"{self._dropped} statements that define nothing to keep were left out: no cell is run.")


def guarded(piece):
    """A piece's text; an assignment may fail (`data = np.load("digits.npz")`), which must not stop the rest."""
    return f"try: {piece.text}\nexcept Exception: pass" if issubclass(piece.node, statements.SET) and piece.needs else piece.text


def collected(cells):
    """(code, notes) of [(cell type, source)]."""
    found = Collected()
    for number, (kind, source) in enumerate(cells, 1):
        source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        if kind == "code":
            try:
                found.take(number, *without_magics(source))
            except HARD as error:
                line = f", line {error.lineno}" if getattr(error, "lineno", None) else ""
                found.notes.append(f"Cell {number}{line}: {cause(error)}. The cell was left out.")
        elif CODE.search(source):  # said not to be code, but it is: it stands in for what no code cell defines
            with contextlib.suppress(*HARD):
                found.take(number, source, parsed(source), kind)
    return found.code(), found.notes


def without_magics(source):
    """(source, tree) of a cell; lines for IPython are dropped only if it does not parse with them."""
    with contextlib.suppress(*HARD):
        return source, parsed(source)
    if (language := re.match(r"\s*%%(\w+)", source)) and language[1] not in PYTHON_MAGICS:
        raise ValueError(f"%%{language[1]} says that it is not Python of this notebook")
    lines = [MAGIC.sub(lambda line: re.match(r"\s*", line[0])[0] + "pass", line) for line in source.split("\n")]
    indent = re.match(r"[ \t]*", next(filter(str.strip, lines), ""))[0]  # IPython takes it away too
    source = "\n".join(line.removeprefix(indent) for line in lines)
    return source, parsed(source)


def sections(cells):
    """{task: code} of [(cell type, source)]: a task's section begins with a cell that has its mark, and ends before another's."""
    found, current = {}, None
    for kind, source in cells:
        mark = MARK.search(source)
        current = mark[1] if mark else current
        found.setdefault(current, []).append((kind, source))
    return {task: collected(inside)[0] for task, inside in found.items() if task}


def main():
    """Cells from standard input, definitions to standard output, both JSON."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    cells = json.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps([*collected(cells), sections(cells)]).encode())


if __name__ == "__main__":
    main()
