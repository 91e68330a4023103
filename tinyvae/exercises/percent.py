"""Texts that are data and not modules: cells in percent format, the entries of a record, rows of a table, code that is run or changed."""

import ast
import linecache
import re
import types
import zlib

NESTED = ("tests", "steps")  # entries of a record that have entries of their own


def cells(text):
    """(kind, caption, body) of the cells of a text in percent format; of an untitled code cell the kind is "code".

    >>> list(cells("# %% [hints]\\n# 1. Look.\\n# %% [wrong] twice\\nx = 2\\n"))
    [('hints', '', '# 1. Look.'), ('wrong', 'twice', 'x = 2')]
    """
    for block in re.split(r"(?m)^# %%", text)[1:]:
        head, _, body = block.partition("\n")
        kind, caption = re.fullmatch(r"\s*(?:\[(\w+)\])?\s*(.*?)\s*", head).groups()
        yield kind or "code", caption, body.strip("\n")


def prose(body):
    """The text of a cell that is all comments."""
    return re.sub(r"(?m)^# ?", "", body).strip()


def record(body):
    """The entries of a record: `name: text` lines; under `tests:` and `steps:` indented lines `name = text`.

    >>> record("# title: A\\n# tests:\\n#   values 3 = right")
    {'title': 'A', 'tests': {'values 3': 'right'}}
    """
    entries, inside = {}, None
    for line in filter(str.strip, re.sub(r"(?m)^#", "", body).splitlines()):
        if inside is not None and line.startswith("   "):
            name, _, text = line.partition(" = ")
            entries[inside][name.strip()] = text.strip()
            continue
        name, _, text = (part.strip() for part in line.partition(":"))
        inside = name if name in NESTED else None
        entries[name] = {} if inside else text
    return entries


def rows(path):
    """The rows of a TSV, as dicts of strings by the names of its columns."""
    head, *lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(head, line, strict=True)) for line in lines]


def namespace(names):
    """A dict of names as attributes."""
    return types.SimpleNamespace(**{name: value for name, value in names.items() if name.isidentifier()})


def run(code, space, name):
    """The names that code defines in a copy of a namespace; its functions carry their source, for those who look for a mistake in it."""
    space, file = dict(space), f"<{name}, {zlib.crc32(code.encode()):x}>"  # tracebacks find these very lines
    linecache.cache[file] = len(code), None, code.splitlines(True), file
    exec(compile(code, file, "exec"), space)  # noqa: S102 - a file of the package, or a program changed by a test
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef):
            space[node.name].__source__ = ast.get_source_segment(code, node)
    return space


def edited(text, body, where):
    """A source changed as a cell says: lines `# - old` and `# + new`, or whole code that stands for it.

    Raises ValueError if an old line does not stand in the source exactly once.

    >>> print(edited("def f(x):\\n    return 2 * x\\n", "# - return 2 * x\\n# + return x", "f"), end="")
    def f(x):
        return x
    """
    if not body.lstrip().startswith("# - "):
        return body + "\n"
    lines = text.splitlines()
    for old, new in re.findall(r"(?m)^# - (.*)\n((?:# \+.*(?:\n|\Z))*)", body):
        at = [n for n, line in enumerate(lines) if line.strip() == old.strip()]
        if len(at) != 1:
            raise ValueError(f"{where}: the line {old!r} must stand in the source once, found {len(at)} times")
        indent = lines[at[0]][: len(lines[at[0]]) - len(lines[at[0]].lstrip())]
        lines[at[0] : at[0] + 1] = [indent + line for line in re.findall(r"(?m)^# \+ ?(.*)$", new)]
    return "\n".join(lines) + "\n"
