"""For the notebooks: show code from its source, so that what is read is what runs; run the answer that a fold holds."""

import ast
import inspect
import json
import os
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

    The code is read from the notebook's file, in which an answer that was changed in the fold stands once the notebook is saved. That
    file is the one which JupyterLab or VS Code names as open. Where none is named, or it lacks the key, it is looked for in the working
    folder, which is the notebook's own folder in JupyterLab and its like; of several copies with the key the one saved last is taken.

    Parameters
    ----------
    key : str
        Names the fold, as "04-3".

    Raises
    ------
    LookupError
        Of a key that no notebook of the working folder holds.
    ValueError
        Of a fold that holds no Python code.
    RuntimeError
        Of code that fails; outside of IPython.
    """
    shell = _shell()
    named = [name for name in (shell.user_ns.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")) if isinstance(name, str)]
    if not shell.run_cell(_code(key, named)).success:  # which has shown what went wrong
        raise RuntimeError(f"the code of the fold {key!r} failed, see above; if a name is not defined, run the cells above first: "
                           "Run > Run All Above Selected Cell")  # fmt: skip


def _shell():
    """The running IPython; RuntimeError without one."""
    try:
        from IPython import get_ipython

        shell = get_ipython()
    except ImportError:
        shell = None
    if shell is None:
        raise RuntimeError("answer must be called in a cell of a notebook, got plain Python: open the notebook in JupyterLab")
    return shell


def _code(key, named=()):
    """The code of a fold, from the first of these files that holds the key, else from the notebook saved last of those that do."""
    for path in [*(Path(name) for name in named), *(Path(Path(name).name) for name in named), *_notebooks()]:
        if (fold := _fold(path, key)) is not None:
            if (code := re.search(r"(?ms)^```python *\r?\n(.*?)^```", fold)) is None:
                raise ValueError(f"the fold {key!r} in {path} must hold its code between lines ```python and ```, got {fold[:80]!r}: "
                                 "write these lines again and save the notebook")  # fmt: skip
            return code[1]
    raise LookupError(f"no notebook in {Path.cwd()} holds the answer {key!r}: run it from its own folder, "
                      "or copy the code of the fold above into this cell")  # fmt: skip


def _notebooks():
    """The notebooks of the working folder, the one saved last first, without hidden files."""
    found = [path for path in Path().glob("*.ipynb") if path.is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: (-path.stat().st_mtime_ns, path.name))


def _fold(path, key):
    """The Markdown of the fold with this key; None if the file cannot be read, is no notebook, or has no such fold."""
    try:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell.get("metadata", {}).get("answer") == key:
                return "".join(cell["source"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None
