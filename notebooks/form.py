"""From a source in percent format to the notebook: headers and references from the tables, answers into folds, tasks into cells."""

import re

import jupytext
from lectures import (
    ITEMS,
    NOTATION,
    REFERENCES,
    anchor,
    items_of,
    lecture,
    number,
    row,
    sections,
    where,
)
from nbformat.v4 import new_code_cell, new_markdown_cell
from tasks import with_tasks

ABOVE = "A section uses names of those before it: at its first cell, choose *Run > Run All Above Selected Cell*."
INSTALL = (
    "**To run it**: where `import tinyvae` fails, put `%pip install -e \"..[notebooks]\"` into a cell, in the folder `notebooks` of a checkout. "
    "What you are asked to predict is answered when you run the cell below its fold; later cells use what it defines. To try something else, "
    "change the code in the fold, save, and run that cell again."
)


def named(ids):
    """Markdown: the lecture sections in which these items stand, by lecture."""
    places = {}
    for item in ids:
        places.setdefault(item.split("-")[0], {}).setdefault(where(ITEMS[item]), []).append(item)
    return {key: "; ".join(f"*{place}*" for place in found) for key, found in places.items()}


def header(path):
    """What stands under a notebook's introduction: the lecture's places, the short path, how to run it."""
    parts = sections(path)
    places = named([item for text in parts.values() for item in items_of(text)])
    lines = ["**Accompanies**", ""] + [f"- {key}: {lecture(key)}: {found}" for key, found in sorted(places.items())]
    short = [title for title, text in parts.items() if "*Short path.*" in text]
    way = ", ".join(f"[{title.split('.')[0]}](#{anchor(title)})" for title in short)
    return "\n".join([*lines, "", f"**Short path**, 30 minutes: sections {way}. {ABOVE}", "", INSTALL])


def notation(match):
    """The rows of the table of notation that a notebook names."""
    wanted = [" ".join(key.split()) for key in match[1].split(";")]
    rows = [list(NOTATION[key].values()) for key in wanted]
    head = list(NOTATION[wanted[0]])[:-1] + ["here"]
    used = [n for n in range(len(head)) if n in (0, len(head) - 1) or any(cells[n] != "–" for cells in rows)]
    lines = [[head[n] for n in used], ["---"] * len(used)] + [[cells[n] for n in used] for cells in rows]
    return "\n".join(row(*line) for line in lines)


def references(match):
    """The references that a notebook names, one a line."""
    lines, one = [], r"(\w+)(?: \((.*?)\))?"
    text = " ".join(match[1].split())
    if not re.fullmatch(rf"{one}(?:[;,] {one})*", text):
        raise ValueError(f"references must be keys, each with or without a note in brackets, got {text}")
    for key, note in re.findall(rf"{one}(?:[;,] |$)", text):
        entry = REFERENCES[key]
        lines.append(f"- {entry['authors']} ({entry['year']}). [*{entry['title']}*]({entry['address']}). {entry['where']}." + (f" Here: {note}." if note else ""))
    return "\n".join(lines)


def in_the_lectures(match):
    """The lecture sections of the items that a section names."""
    places = named(re.findall(r"D\d-\d+", match[1]))
    lines = ["*In the lectures.* " + " · ".join(f"{key}: {found}" for key, found in places.items()), f"*Items: {' '.join(match[1].split())}*"]
    return "  \n".join(lines + ["*On the short path.*"] * bool(match[2]))


def expanded(text):
    """A markdown cell with its placeholders filled from the tables."""
    text = re.sub(r"(?ms)^\*Items: (.*?)\*$(\n+\*Short path\.\*$)?", in_the_lectures, text)
    text = re.sub(r"(?m)^\*Short path\.\*$", "*On the short path.*", text)  # where no line of items stands above it
    text = re.sub(r"(?ms)^\*Notation: (.*?)\.\*$", notation, text)
    return re.sub(r"(?ms)^\*References: (.*?)\.?\*$", references, text)


def fold(summary, body):
    """Markdown that shows only a line until it is opened."""
    return f"<details><summary><b>{summary}</b></summary>\n\n{body}\n\n</details>"


def fenced(code, name):
    """Code as Markdown shows it; ValueError if a line of it would end that."""
    if line := re.search(r"(?m)^ {0,3}```.*", code):
        raise ValueError(f"the code of answer {name} (notebook, then its number there) must have no line that begins with ```, "
                         f"which would end its fold, got {line[0]!r}: write it as '`' * 3")  # fmt: skip
    return f"```python\n{code}\n```"


def folded(cells, key):
    """Cells of the notebook with this number, the answers in folds; the cell under a fold runs the code that the fold holds.

    Raises ValueError of code with a line that begins with three backticks: it would end the fold there.
    """
    asked = more = 0
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if "answer" not in tags:
            more = 0
            yield cell
            continue
        is_code = cell.cell_type == "code"
        asked, more = asked + (is_code and not more), more + is_code
        name, label = f"{key}-{asked}" + chr(ord("a") + more - 1) * (more > 1), f"Answer {asked}" + ", more" * (more > 1)
        if is_code:
            yield new_markdown_cell(fold(f"{label}: the code", fenced(cell.source, name)), metadata={"tags": tags, "answer": name})
            yield new_code_cell(f'answer("{name}")', metadata={"tags": tags})
        else:
            yield new_markdown_cell(fold(f"{label}: in words", expanded(cell.source)), metadata={"tags": tags})


def notebook(path):
    """The notebook of a source, without outputs."""
    book = jupytext.read(path, fmt="py:percent")
    for cell in book.cells:
        cell["metadata"].pop("lines_to_next_cell", None)
        if cell.cell_type == "markdown" and "answer" not in cell.metadata.get("tags", []):
            cell["source"] = expanded(cell.source)
    introduction, *notation = re.split(r"(?m)^(?=\| quantity \|)", book.cells[0].source, maxsplit=1)
    book.cells[0]["source"] = "\n\n".join([introduction.strip(), header(path), *notation])
    first = next(cell for cell in book.cells if cell.cell_type == "code")
    first["source"] = "from tinyvae.companion import answer\n\n" + first.source
    book.cells = list(folded(with_tasks(book.cells, path), number(path)))
    for n, cell in enumerate(book.cells):
        cell["id"] = f"cell-{n}"  # stable: no change without a change
    book.metadata = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
    return book
