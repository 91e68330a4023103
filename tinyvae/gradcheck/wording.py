"""The sentences of the diagnosis, from a table that can be edited and translated without touching code."""

import functools
from pathlib import Path

TABLE = Path(__file__).with_name("sentences.tsv")


@functools.lru_cache(maxsize=1)
def sentences():
    """{key: text} of the table, whose columns are key, level and text; lines that begin with # are comments."""
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[1:] if line and not line.startswith("#")]
    return {key: text for key, _, text in rows}


def say(key, **parts):
    """One sentence, its placeholders filled in."""
    return sentences()[key].format(**parts)


def listed(names):
    """dmu; dmu and dsigma; dmu, dsigma and dx."""
    *most, last = names
    return say("list", most=", ".join(most), last=last) if most else last
