"""The sentences of the judge and of practice, from `sentences.tsv`: they can be edited and translated there."""

import functools
from pathlib import Path


@functools.cache
def _sentences():
    lines = Path(__file__).with_name("sentences.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("\t") for line in lines if line)


def say(key, **words):
    """The sentence of that key with its placeholders filled."""
    return _sentences()[key].format(**words)
