"""The page docs/mistakes.md, made from the table of mistakes: `python -m tinyvae.exercises.mistakes_page docs/mistakes.md` writes it anew.

What stands in the file above the mark is written by hand and kept.
"""

import sys
from pathlib import Path

from .mistakes import GRADIENT, NEITHER, TRUTH, table

MARK = "<!-- from here on made from tinyvae/exercises/mistakes.tsv -->"
HEADINGS = {GRADIENT: "Seen by a gradient check", TRUTH: "Not seen by a gradient check, seen by a truth test", NEITHER: "Seen by neither"}
WRITTEN = {"kl": "KL", "elbo": "ELBO", "l": "L", "nll": "NLL", "relu": "ReLU"}


def title(mistake):
    """The id of a mistake as a heading: "Variance for sigma"."""
    words = " ".join(WRITTEN.get(word, word) for word in mistake.id.split("_"))
    return words[0].upper() + words[1:]


def page():
    """All that the page says of the mistakes: how many, a table, then one after the other."""
    groups = {test: [m for m in table().values() if m.caught_by == test] for test in HEADINGS}
    lines = ["", "## How many", "", "| | seen in public code | common, without a place | together |", "|---|---|---|---|"]
    for test, group in groups.items():
        public = sum(bool(m.number) for m in group)
        lines.append(f"| {HEADINGS[test].lower()} | {public} | {len(group) - public} | {len(group)} |")
    for test, group in groups.items():
        lines += ["", f"## {HEADINGS[test]}", "", "| mistake | what it is | the figure |", "|---|---|---|"]
        lines += [f"| [{title(m)}](#{title(m).lower().replace(' ', '-')}) | {cell(m.says)} | {cell(m.measured)} |" for m in group]
        for mistake in group:
            lines += section(mistake)
    return "\n".join(lines) + "\n"


def cell(text):
    """A text in a table, where a bar would end it."""
    return text.replace("|", r"\|")


def section(mistake):
    """One mistake: right and wrong lines, symptom, step, figure, place."""
    m = mistake
    lines = ["", f"### {title(m)}", "", f"This is what one gets if {m.says}.", "", "```diff"]
    for right, wrong in m.edits:
        lines += [f"- {right}", *(f"+ {line}" for line in wrong)]
    by = "Seen only in training" if m.caught_by == NEITHER else f"Seen by a {m.caught_by}"
    lines += ["```", "", f"- What one sees: {m.symptom}.", f"- Where it goes wrong: {m.step}.", f"- {by}: {m.measured}."]
    lines += [f"- In public: {m.seen_in}"] if m.seen_in != "-" else []
    return [*lines, f"- Program: `tinyvae/exercises/programs/{m.program}.py`"]


def written(path):
    """The text of the file as it should be: its own beginning, then what is made."""
    beginning = Path(path).read_text(encoding="utf-8").partition(MARK)[0]
    return beginning + MARK + "\n" + page()


if __name__ == "__main__":
    text = written(sys.argv[1])
    Path(sys.argv[1]).write_text(text, encoding="utf-8", newline="\n")
