"""The way from a slide to its section: the map of all lectures, the list of errata, and a lecturer's own map."""

import csv
import os
import re
from pathlib import Path
from urllib.parse import quote

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
    row,
    sections,
    sources,
    tags,
    where,
)

from tinyvae.support.storage import write_text

MARK = "<!-- written by build.py --slides -->"
INTRODUCTION = """# The notebooks: a companion to five lectures

Read them on a web page, or run them: in a checkout, `pip install -e ".[notebooks]" jupyterlab`, then `jupyter lab` in this folder, on a copy if you
want to keep these as they are. Each opens with the places of the lectures that it accompanies, that
lecture's notation beside ours, and a short path of 30 minutes. Sections state what the slide says, derive it, show the package's code for it,
and check it with a number; what you are asked to predict is answered in a fold. Each ends with a summary, references, and exercises whose
answers are judged where you write them; more of them are at the terminal, `python -m tinyvae learn`.

- [Notation](notation.md): one table for the five lectures and the package.
- [Errata](errata.md): all that the lectures misstate, numbered, each with the section that shows it.
- If your lecture writes log-variance, there is a {card}.
- A map for slides of your own: `python notebooks/build.py --slides MY.tsv`, where MY.tsv has the columns slide, title and tags
  (of equations, as `KL.1 KL.2`); it writes MY.md beside it.

Built from `source/*.py` and the tables `*.tsv` by `python notebooks/build.py`.

Below, every statement of the lectures, in the lecture's own order: where it stands there, the section that covers it, and the code that does what it says, if any.
A number after a title, as (2), counts the slides of that name; square brackets hold our own words, where our copy prints no title.
(In JupyterLab choose *Show Markdown Preview*; a link into a notebook that is not open yet opens it at its top, and at the second click finds the section.)"""


ERRATA_TEXT = """# Errata of the five lectures

Numbered once for all notebooks; each with the sections that show it. Kinds: an error; a nuance; an extraction (what the public text lost on its
way from the slides); a typo; a conflict between lectures.
"""

NOTATION_TEXT = """# The lectures' notation, and this package's names

The derivative of the loss by v is `dv`, in the code and in the notebooks; D2 writes a bar over v. A bar has no other use here: a mean is called a mean.

""", """

Conflicts over which a reader trips: θ and φ are swapped in D1. 𝓛 means the ELBO (D0), its negative (D1), squared error (D2), both signs (D3),
reconstruction only (D4). f is the decoder in D0 and the encoder in D3; g is the encoder in D0,
any function in D1, and G the decoder in D2. σ is the encoder's spread, the decoder's noise and, in D4, "variance". η becomes σ²
inside D2. i is datum, sample, latent or pixel. x̃ is a reconstruction and a corruption. D is a data set, a dimension and a divergence. "Mean field" factorises
over data in D1; D3's "factorization" is over latent dimensions.

Our arrays hold one datum per row, so `x @ W + b` with W of shape (in, out) is the transpose of the slides' W x.
"""


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
        head = ["item", "section of the lecture", "what it is about", "notebook section", "code"]
        lines += [f"\n## {key}: {lecture(key)}\n", row(*head), row(*["---"] * 5)]
        for item, entry in ITEMS.items():
            if item.startswith(key + "-") and entry["notebook"] != "-":
                lines.append(row(item, where(entry), entry["what the lecture states or shows"], link(*found[item]), code(entry["code"].split())))
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


def slides_of(table):
    """The rows of a lecturer's TSV file; ValueError if it is not in UTF-8, no table, or lacks a column."""
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            slides = list(csv.DictReader(file, delimiter="\t"))
    except UnicodeDecodeError:
        raise ValueError(f"{table} must be text in UTF-8, got another encoding: save it as UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{table} must be a table of tab-separated columns, got something else ({error}): look for a lone quotation mark") from None
    if not slides or not {"slide", "title", "tags"} <= set(slides[0]):
        got = ", ".join(map(str, slides[0])) if slides else "no rows"
        raise ValueError(f"{table} must have the tab-separated columns slide, title, tags and a row for each slide, got {got}")
    return [{name: " ".join((slide[name] or "").split()) for name in ("slide", "title", "tags")} for slide in slides]


def tags_of(slide, known):
    """The tags of a slide, each once, as `known` writes them; ValueError of one that is not there."""
    found = {}
    for word in re.split(r"[\s,;]+", slide["tags"]):
        tag = word.strip("[].").upper()
        if tag and tag not in known:
            raise ValueError(f"slide {slide['slide']}: unknown tag {word.strip('[]')}; the tags are {', '.join(sorted(known))}")
        found |= {tag: None} if tag else {}
    return list(found)


def root_from(folder):
    """The address of the package's folder from another folder, quoted for a link; from another drive its whole path."""
    try:
        path = os.path.relpath(HERE.parent, Path(folder).resolve())
    except ValueError:  # no way from one drive of Windows to another
        path = HERE.parent
    return quote(Path(path).as_posix(), safe="/:")


def slide_map(table):
    """Markdown of a lecturer's own map: slide -> equations -> code and notebook sections.

    `table` is a TSV file with the columns slide, title and tags; raises ValueError for other columns or an unknown tag. Tags may stand
    in brackets, before a point and in small letters; one that is repeated for a slide is shown once.
    """
    known, root = tags(), root_from(Path(table).parent)
    lines = [row("slide", "title", "equation", "code", "derived in"), row(*["---"] * 5)]
    for slide in slides_of(table):
        for tag in tags_of(slide, known) or [""]:
            names, formula, derived = known[tag] if tag else ((), "", ())
            links = ", ".join(link(*place) for place in derived).replace("](", f"]({root}/notebooks/")
            lines.append(row(slide["slide"], slide["title"], f"[{tag}] {formula}" if tag else "", code(names, root), links))
    return "\n".join(lines) + "\n"


def write_slide_map(table):
    """Write the map of MY.tsv to MY.md; OSError if that is MY.tsv itself, or was written by something else."""
    target = Path(table).with_suffix(".md")
    text = slide_map(table)
    if target.exists():
        if target.samefile(table):
            raise FileExistsError(f"the table must not be named as its map, {target}: rename it to {target.stem}.tsv")
        with open(target, encoding="utf-8", errors="replace") as file:
            if file.readline().strip() != MARK:
                raise FileExistsError(f"{target} was not written by this command and is left as it is: move it, or rename {table}")
    write_text(target, f"{MARK}\n\n{text}")


PAGES = {"README.md": lecture_map, "errata.md": errata, "notation.md": notation}
