"""For the notebooks: show code from its source, so that what is read is what runs; run the answer that a fold holds."""

import ast
import inspect
import json
import re
import textwrap
from pathlib import Path

SECTION = re.compile(r"(?m)^(\w+)\n-+$")  # numpydoc's headings
SHAPED = ("Parameters", "Returns")


def location(thing):
    """(path below the package, line) of a function or class.

    >>> from tinyvae import kl_forward
    >>> location(kl_forward)[0]
    'gaussian.py'
    """
    root = Path(__file__).parent
    return Path(inspect.getsourcefile(thing)).relative_to(root).as_posix(), inspect.getsourcelines(thing)[1]


def shortened(docstring):
    """A docstring's formula, tag and shapes, without source, errors and examples.

    >>> from tinyvae import kl_forward
    >>> print(shortened(inspect.getdoc(kl_forward)).splitlines()[-1])
    -> kl : ndarray of shape (N,), in nats per datum, >= 0 (up to rounding)
    """
    text, *sections = SECTION.split(docstring)
    kept = [part.strip() for part in re.sub(r"(?ms)^Source: .*?(?=\n\n|\Z)", "", text).split("\n\n")]
    fields = {name: re.findall(r"(?m)^\S.* : .*$", body) for name, body in zip(sections[::2], sections[1::2], strict=True)}
    lines = fields.get("Parameters", []) + ["-> " + line for line in fields.get("Returns", []) if not line.startswith("cache")]
    return "\n\n".join([*filter(None, kept), *(["\n".join(lines)] if lines else [])])


def source(thing):
    """The source of a function or class; of its docstring the formula, tag and shapes.

    >>> from tinyvae import relu_backward
    >>> lines = source(relu_backward).splitlines()
    >>> print(lines[0], lines[-1], sep="\\n")
    def relu_backward(dy, cache):
        return dy * mask
    """
    text = textwrap.dedent(inspect.getsource(thing))
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        indent = " " * first.col_offset
        short = shortened(ast.get_docstring(node))
        short += "\n" if "\n" in short else ""
        lines[first.lineno - 1 : first.end_lineno] = textwrap.indent(f'"""{short}"""', indent).splitlines()
    return "\n".join(lines)


def shown(thing):
    """Markdown: where the source of a function or class stands, and the source."""
    return f"`tinyvae/{location(thing)[0]}`\n```python\n{source(thing)}\n```"


def show(*things):
    """Display the source of functions or classes of the package, each with its file."""
    from IPython.display import Markdown, display

    for thing in things:
        display(Markdown(shown(thing)))


def answer(key):
    """Run the code of a fold of this notebook, as if it stood in the cell that calls; so the answer comes when it is asked for.

    The code is read from the notebook's file in the working folder, which is the notebook's own folder in JupyterLab and its
    like. An answer that was changed in the fold runs as changed, once the notebook is saved.

    Parameters
    ----------
    key : str
        Names the fold, as "04-3".

    Raises
    ------
    LookupError
        Of a key that no notebook of the working folder holds.
    """
    from IPython import get_ipython

    for path in sorted(Path().glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["metadata"].get("answer") == key:
                code = re.search(r"(?ms)^```python\n(.*?)^```", "".join(cell["source"]))[1]
                return get_ipython().run_cell(code).raise_error()
    raise LookupError(f"no notebook in {Path.cwd()} holds the answer {key!r}: run it from its own folder, "
                      "or copy the code of the fold above into this cell")  # fmt: skip
