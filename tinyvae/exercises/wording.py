"""The sentences of the judge and of practice, from `sentences.tsv`: they can be edited and translated there."""

import functools
from pathlib import Path

from .percent import rows


@functools.cache
def _sentences():
    return {row["key"]: row["sentence"] for row in rows(Path(__file__).with_name("sentences.tsv"))}


def say(key, **words):
    """The sentence of that key with its placeholders filled."""
    return _sentences()[key].format(**words)
