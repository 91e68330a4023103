"""What the notebooks accompany, read from tables: lectures, their items and errata, notation, references; the tags of equations."""

import ast
import csv
import re
from functools import cache
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "tinyvae"
ITEM = re.compile(r"\bD\d-\d+\b")
TAG = re.compile(r"\[([A-Z]{2,6}\.\d)\]")


def table(name):
    """First column -> row (column -> cell) of a table in this folder; ValueError if two rows begin alike."""
    with open(HERE / f"{name}.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return by_key(((entry[next(iter(entry))], entry) for entry in rows), f"{name}.tsv")


def by_key(pairs, place):
    """The dict of pairs (key, value); ValueError that names the place if a key stands there twice."""
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"every key must stand once in {place}, got {key!r} twice: rename or remove one")
        found[key] = value
    return found


LECTURES, ITEMS, ERRATA, NOTATION, REFERENCES = map(table, ("lectures", "items", "errata", "notation", "references"))


def sources():
    """The source files in order."""
    return sorted((HERE / "source").glob("[0-9][0-9]*_*.py"))


def number(path):
    """The number of a notebook: "04" or "06a"."""
    return path.stem.split("_")[0]


@cache
def sections(path):
    """Title -> text of every section of a source; ValueError if two have one title, since a link could lead to one of them only."""
    parts = re.split(r"(?m)^# ## ", path.read_text(encoding="utf-8"))[1:]
    split = (part.partition("\n") for part in parts)
    return by_key(((title.strip(), text) for title, _, text in split), f"{path.name} as a heading")


def items_of(text):
    """The items that a section names, in order."""
    return [item for line in re.findall(r"(?ms)^# \*Items: (.*?)\*$", text) for item in ITEM.findall(line)]


def anchor(title):
    """The fragment under which JupyterLab and notebook pages find a heading."""
    return quote(title.replace(" ", "-"), safe=",.:?")


def link(path, title):
    """Markdown: a link to a section of a notebook."""
    return f"[{number(path)}, {title}]({path.stem}.ipynb#{anchor(title)})"


def row(*cells):
    """Markdown: one row of a table."""
    return "| " + " | ".join(cell.replace("|", "∣") for cell in cells) + " |"


def where(entry):
    """The section of a lecture, as its slides or page print it, with the page number where one is printed."""
    return f"{entry['section']}, {entry['page']}" if entry.get("page") else entry["section"]


def lecture(key):
    """Markdown: author, title and year of a lecture, with its public address where there is one."""
    entry = LECTURES[key]
    title = f"*{entry['title']}*"
    title = f"[{title}]({entry['address']})" if entry["address"] else title
    return f"{entry['author']}, {title}" + (f" ({entry['year']})" if entry["year"] else "")


@cache
def definitions():
    """Name -> (file below the package, docstring) of all its functions, classes and methods ("VAE.fit")."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if not {"tasks", "programs"}.isdisjoint(path.parts):  # texts of the exercises, stubs and mistakes among them
            continue
        file = path.relative_to(PACKAGE).as_posix()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found[node.name] = file, ast.get_docstring(node) or ""
            if isinstance(node, ast.ClassDef):
                methods = [m for m in node.body if isinstance(m, ast.FunctionDef)]
                found |= {f"{node.name}.{m.name}": (file, ast.get_docstring(m) or "") for m in methods}
    return found


def code(names, root=".."):
    """Markdown: the functions of these names, each linked to its file."""
    known = definitions()
    return ", ".join(f"[`{name}`]({root}/tinyvae/{known[name][0]})" for name in names)


@cache
def tags():
    """Tag -> ([names of functions whose docstring states it], its formula, [(path, title) of sections that derive it])."""
    found = {}
    for name, (_, docstring) in definitions().items():
        for tag in TAG.findall(docstring):
            formula = " ".join(next(line for line in docstring.splitlines() if f"[{tag}]" in line).replace(f"[{tag}]", "").split())
            found.setdefault(tag, ([], formula, []))[0].append(name)
    for tag, (_, _, derived) in found.items():
        named = [(path, title, text) for path in sources() for title, text in sections(path).items() if f"[{tag}]" in text]
        bold = rf"\textbf{{[{tag}]}}", f"**[{tag}]**"
        derived += [place[:2] for place in named if any(mark in place[2] for mark in bold)] or [place[:2] for place in named]
    return found
