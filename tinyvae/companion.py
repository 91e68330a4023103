"""For the notebooks: show code from its source, so that what is read is what runs."""

import ast
import inspect
import textwrap
from pathlib import Path


def location(thing):
    """(path below the package, line) of a function or class.

    >>> from tinyvae import kl_forward
    >>> location(kl_forward)[0]
    'gaussian.py'
    """
    root = Path(__file__).parent
    return Path(inspect.getsourcefile(thing)).relative_to(root).as_posix(), inspect.getsourcelines(thing)[1]


def source(thing):
    """The source of a function or class without its docstring.

    >>> from tinyvae import relu_backward
    >>> print(source(relu_backward))
    def relu_backward(dy, cache):
        mask = cache
        return dy * mask
    """
    text = textwrap.dedent(inspect.getsource(thing))
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


def show(*things):
    """Display the source of functions or classes of the package, each with its file and line."""
    from IPython.display import Markdown, display

    for thing in things:
        path, line = location(thing)
        display(Markdown(f"`tinyvae/{path}`, line {line}\n```python\n{source(thing)}\n```"))
