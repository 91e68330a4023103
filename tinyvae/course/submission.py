"""A student's file, read and never run: its imports, functions, classes and constants, cell by cell.

A cell that does not parse, or is of another language, costs nothing else. Files are limited in size, and Python's parser and compiler,
which some few lines can keep busy for minutes, see them in a process of their own with limits of time and memory (`definitions`).
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from . import definitions

KINDS = {".ipynb", ".py"}
FILE_BYTES = 20_000_000  # of a file: a notebook keeps its pictures in it
CODE_CHARACTERS = 400_000  # of all cells together: the parser takes up to 4 µs and 800 bytes for a character
SECONDS = 20  # for all cells: honest ones take .1
ENCODINGS = {"utf-8", "utf-8-sig", "ascii", "iso-8859-1", "iso-8859-15", "cp1252"}
MARKER = re.compile(r"(?m)^# ?(?:%%|In ?\[).*\n?")
CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class Unreadable(ValueError):
    """A file from which no submission can be read; the message is a sentence for the student."""


class WrongKind(Unreadable):
    """A file that is neither a notebook nor a program."""

    def __init__(self, name):
        super().__init__(f"{name} is no notebook (.ipynb) and no program (.py): hand in one of them")


class Submission(NamedTuple):
    """What a file says.

    code: the kept statements as they were typed, in the file's order; notes: sentences on what was left out, or came twice;
    digest: SHA-256 of the file's bytes, in hexadecimal; name: the file's name; sections: {task: what stands in its cells}.
    """

    code: str
    notes: list
    digest: str
    name: str
    sections: dict

    def code_for(self, task, shared):
        """The code with which a task is judged: all of it, so that the last definition of a name counts wherever it stands; then, if other
        tasks set the same names (it is one of `shared`), once more what stands under its own mark."""
        return f"{self.code}\n\n{self.sections[task]}" if task in shared and task in self.sections else self.code


def read(file, name=None):
    """The submission in a notebook (.ipynb, format 3 or 4) or a program (.py, with or without `# %%` cells).

    Parameters
    ----------
    file : str, Path or bytes
        Its path, or what it holds.
    name : str, optional
        The file's name, which is needed with bytes: its end says what it is.

    Raises
    ------
    Unreadable
        If nothing can be taken from it: a link, too large, not a notebook, no code.
    """
    path = None if isinstance(file, bytes) else Path(file)
    name = name or (path.name if path else "")
    data = file if path is None else contents(path)
    if len(data) > FILE_BYTES:
        raise Unreadable(f"{name} has {len(data) / 1e6:.0f} MB, more than {FILE_BYTES / 1e6:.0f}: clear the outputs of its cells, then hand it in again")
    kind = Path(name).suffix.lower()
    if kind not in KINDS:
        raise WrongKind(name)
    cells = notebook_cells(data, name) if kind == ".ipynb" else program_cells(data, name)
    if sum(len(source) for _, source in cells) > CODE_CHARACTERS:
        raise Unreadable(f"{name} holds more than {CODE_CHARACTERS} characters of code: hand in the tasks' cells alone")
    code, notes, sections = sorted_out(cells)
    if not code:
        raise Unreadable(" ".join([f"{name} holds no imports, functions, classes or constants.", *notes]))
    return Submission(code, notes, digest_of(data), name, sections)


def from_cells(sources):
    """What the code cells of these sources define.

    Parameters
    ----------
    sources : list of str

    Returns
    -------
    code : str
        Run from top to bottom, it defines what the notebook defines; "" if that is nothing.
    notes : list of str
        What was left out, or came twice.
    """
    sources = list(sources)
    if (size := sum(map(len, sources))) > CODE_CHARACTERS:
        return "", [f"The cells hold {size} characters of code, more than {CODE_CHARACTERS}: none was read."]
    return sorted_out([("code", source) for source in sources])[:2]


def sorted_out(cells):
    """(code, notes, sections) of [(cell type, source)], from a process of its own."""
    command = [sys.executable, "-I", "-S", "-B", definitions.__file__]
    try:
        ended = subprocess.run(command, input=json.dumps(cells).encode(), capture_output=True, timeout=SECONDS, check=True)
    except subprocess.SubprocessError:
        return "", ["Python could not read its code: it ended, or took too long."], {}
    return tuple(json.loads(ended.stdout))


# ---- files ------------------------------------------------------------------------------------------


def digest_of(data):
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def contents(path):
    """The bytes of a plain file, no more of them than show that it is too large."""
    if path.is_symlink():
        raise Unreadable(f"{path.name} is a link, which is not followed: hand in the file itself")
    if not path.is_file():
        raise Unreadable(f"{path.name} is no file")
    try:
        with open(path, "rb") as file:
            return file.read(FILE_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}") from error


def decoded(data, name):
    """The text of a file: UTF-8, unless a coding line or a byte order mark says another known encoding."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for line in data[:1000].decode("latin-1").splitlines()[:2]:
        if encoding == "utf-8-sig" and not name.endswith(".ipynb") and (found := CODING.match(line)):
            said = found[1].lower().replace("_", "-").replace("latin-1", "iso-8859-1")
            encoding = said if said in ENCODINGS - {"utf-8"} else encoding
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"{name} is no text in UTF-8 (byte {error.start}): save it as UTF-8") from None


def program_cells(data, name):
    """[("code", source)] of a program: cell by cell, if it has markers of cells, so that an error costs one of them."""
    text = decoded(data, name).replace("\r\n", "\n").replace("\r", "\n")
    return [("code", source) for source in MARKER.split(text)]


def notebook_cells(data, name):
    """[(cell type, source)] of a notebook of format 4, or of 3 with its worksheets."""
    try:
        notebook = json.loads(decoded(data, name))
    except (ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{name} is no notebook: it does not hold JSON ({definitions.cause(error)})") from None
    parts = notebook if isinstance(notebook, dict) else {}
    sheets = parts["worksheets"] if isinstance(parts.get("worksheets"), list) else []
    lists = [part.get("cells") for part in [parts, *sheets] if isinstance(part, dict)]
    cells = [cell for found in lists if isinstance(found, list) for cell in found if isinstance(cell, dict)]
    if not cells:
        raise Unreadable(f"{name} is no notebook with cells: open it in Jupyter, save it, and hand it in again")
    return [(str(cell.get("cell_type")), text_of(cell.get("source", cell.get("input")))) for cell in cells]


def text_of(source):
    """A cell's text: a str, or a list of its lines."""
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))
