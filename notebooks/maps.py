"""The way from a slide to its section: the map of all lectures, the list of errata, and a lecturer's own map."""

import csv
import os
import re
from pathlib import Path

from lectures import (
    ERRATA,
    HERE,
    ITEMS,
    LECTURES,
    NOTATION,
    code,
    items_of,
    lecture,
    link,
    sections,
    sources,
    tags,
    where,
)

INTRODUCTION = """# The notebooks: a companion to five lectures

Read them on a web page, or run them in JupyterLab. Each opens with the places of the lectures that it accompanies, that
lecture's notation beside ours, and a short path of 30 minutes. Sections state what the slide says, derive it, show the package's code for it,
and check it with a number; what you are asked to predict is answered in a fold. Each ends with a summary and references.

- [Notation](notation.md): one table for the five lectures and the package.
- [Errata](errata.md): all that the lectures misstate, numbered, each with the section that shows it.
- If your lecture writes log-variance, there is a {card}.
- A map for slides of your own: `python notebooks/build.py --slides MY.tsv`, where MY.tsv has the columns slide, title and tags
  (of equations, as `KL.1 KL.2`); it writes MY.md beside it.

Built from `source/*.py` and the tables `*.tsv` by `python notebooks/build.py`.

Below, every statement of the lectures, in the lecture's own order: where it stands there, the section that covers it, and the code that does what it says, if any."""


ERRATA_TEXT = """# Errata of the five lectures

Numbered once for all notebooks; each with the sections that show it. Kinds: an error; a nuance; an extraction (what the public text lost on its
way from the slides); a typo; a conflict between lectures.
"""

NOTATION_TEXT = """# The lectures' notation, and this package's names

The derivative of the loss by v is `dv`, in the code and in the notebooks; D2 writes a bar over v. A bar has no other use here: a mean is called a mean.

""", """

Conflicts over which a reader trips: θ and φ are swapped in D1. 𝓛 means the ELBO (D0), its negative (D1), squared error (D2), both signs (D3),
reconstruction only (D4). f is the decoder in D0 and the encoder in D3. σ is the encoder's spread, the decoder's noise and, in D4, "variance". η becomes σ²
inside D2. i is datum, sample, latent or pixel. x̃ is a reconstruction and a corruption. D is a data set, a dimension and a divergence. "Mean field" factorises
over data in D1; D3's "factorization" is over latent dimensions.

Our arrays hold one datum per row, so `x @ W + b` with W of shape (in, out) is the transpose of the slides' W x.
"""


def row(*cells):
    """Markdown: one row of a table."""
    return "| " + " | ".join(cell.replace("|", "∣") for cell in cells) + " |"


def places():
    """Item -> (source, title of the section that covers it)."""
    found = {}
    for path in sources():
        for title, text in sections(path).items():
            for item in items_of(text):
                found.setdefault(item, (path, title))
    return found


def lecture_map():
    """notebooks/README.md: every statement of the lectures -> notebook section -> functions of the package."""
    found = places()
    card = next((link(path, title) for path in sources() for title in sections(path) if "Card:" in title), "")
    lines = [INTRODUCTION.format(card=f"card: {card}")]
    for key in LECTURES:
        head = ["item", "section of the lecture", "what it states", "notebook section", "code"]
        lines += [f"\n## {key}: {lecture(key)}\n", row(*head), row(*["---"] * 5)]
        for item, entry in ITEMS.items():
            if item.startswith(key + "-") and entry["notebook"] != "-":
                section = link(*found[item]) if item in found else f"to come (notebook {entry['notebook']})"
                lines.append(row(item, where(entry), entry["what the lecture states or shows"], section, code(entry["code"].split())))
    return "\n".join(lines) + "\n"


def errata():
    """notebooks/errata.md: all errata by number, each with the sections that show it."""
    shown = {}
    for path in sources():
        for title, text in sections(path).items():
            if title == "Summary":  # it repeats what a section shows
                continue
            for first, last in re.findall(r"\bE(\d+)(?:\s*(?:-|–|to)\s*E(\d+))?\b", text):
                for n in range(int(first), int(last or first) + 1):
                    shown.setdefault(f"E{n}", {})[link(path, title)] = None
    lines = [ERRATA_TEXT]
    lines += [row("number", "lecture", "section", "kind", "what it says, and what to read", "shown in"), row(*["---"] * 6)]
    for key, entry in ERRATA.items():
        lines.append(row(key, entry["lecture"], where(entry), entry["kind"], entry["what it says and what to read"], ", ".join(shown.get(key, {}))))
    return "\n".join(lines) + "\n"


def notation():
    """notebooks/notation.md: one table for the five lectures and the package."""
    head = [list(next(iter(NOTATION.values())))[:-1] + ["tinyvae"]]
    rows = head + [["---"] * len(head[0])] + [list(entry.values()) for entry in NOTATION.values()]
    return NOTATION_TEXT[0] + "\n".join(row(*cells) for cells in rows) + NOTATION_TEXT[1]


def slide_map(table):
    """Markdown of a lecturer's own map: slide -> equations -> code and notebook sections.

    `table` is a TSV file with the columns slide, title and tags; raises ValueError for other columns or an unknown tag.
    """
    with open(table, encoding="utf-8-sig", newline="") as file:
        slides = list(csv.DictReader(file, delimiter="\t"))
    if not slides or not {"slide", "title", "tags"} <= set(slides[0]):
        got = ", ".join(map(str, slides[0])) if slides else "no rows"
        raise ValueError(f"{table} must have the tab-separated columns slide, title, tags and a row for each slide, got {got}")
    known, root = tags(), Path(os.path.relpath(HERE.parent, Path(table).resolve().parent)).as_posix()
    lines = [row("slide", "title", "equation", "code", "derived in"), row(*["---"] * 5)]
    for slide in slides:
        for tag in re.split(r"[\s,;]+", (slide["tags"] or "").strip()):
            if tag and tag.strip("[]") not in known:
                raise ValueError(f"slide {slide['slide']}: unknown tag {tag}; the tags are {', '.join(sorted(known))}")
            names, formula, derived = known[tag.strip("[]")] if tag else ((), "", ())
            links = ", ".join(link(*place) for place in derived).replace("](", f"]({root}/notebooks/")
            lines.append(row(slide["slide"], slide["title"], f"[{tag.strip('[]')}] {formula}" if tag else "", code(names, root), links))
    return "\n".join(lines) + "\n"


PAGES = {"README.md": lecture_map, "errata.md": errata, "notation.md": notation}
