"""What a student is given: the statement with its numbers, and a file to write in."""

import inspect
import json
import re
import textwrap
import types

import numpy as np

from ..companion import location, source
from .plain import plain, reflowed
from .source import named
from .wording import say

REGION = re.compile(r"(?ms)^([ \t]*)### BEGIN SOLUTION\n(.*?)^[ \t]*### END SOLUTION\n?")


def file(task, seed=0):
    """The whole file of a student: statement, what is given, and the stub."""
    head = f"{task.title}\n{'=' * len(task.title)}\n\n{reflowed(plain(statement(task, seed)))}\n\n{reflowed(plain(facts(task)))}\n{say('check it', task=task.id)}"
    return f'r"""{head}\n"""\n\n{stub(task, seed)}\n'


def statement(task, seed=0):
    """The statement with its numbers."""
    numbers = task.numbers(seed)
    return re.sub(r"\{\{(\w+)\}\}", lambda match: shown(numbers[match[1]]), task.statement)


def facts(task):
    """One line: where it stands in the lectures, its time and points."""
    return say("facts core" if task.core else "facts", task=task.id, lecture=task.lecture, minutes=task.minutes, points=task.points)


def stub(task, seed=0):
    """The code that a student starts from."""
    if task.kind == "bug":
        return task.program(task.mistaken.wrong_source, "?")
    if task.kind == "numbers":
        known = f"seed = {seed}  # of the numbers above\n\n" if seed else ""
        return known + "\n".join(f"{name} = None" for name in task.right_numbers(seed))
    imports = "\n\n".join(["import numpy as np", *filter(None, [_given_pass(task)])])
    return "\n\n\n".join(part.strip("\n") for part in [imports, task.given, _blank(task)] if part.strip())


def shown(value):
    """A number of a statement as it is printed: arrays and tuples without their types, floats without noise.

    >>> shown((np.float64(1.0), 0.25)), shown(np.array([[1, 2], [3, 4]])), shown([7])
    ('(1, 0.25)', '((1, 2), (3, 4))', '(7,)')
    """
    if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value):
        return "(" + ", ".join(map(shown, value)) + ("," if len(value) == 1 else "") + ")"
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def _given_pass(task):
    """The given forward pass of the package: its import, and its source as comments."""
    if ":" not in task.record.get("forward", ""):
        return ""
    module, (name,) = named(task.forward)
    function = getattr(module, name)
    code = textwrap.indent(source(function), "# ", lambda line: True).replace("# \n", "#\n")
    return f"from {module.__name__} import {name}\n\n# {name} stands in tinyvae/{location(function)[0]}:\n#\n{code}"


def _blank(task):
    """The solution with its answer taken out."""
    if "solution" not in task.record:
        return REGION.sub(lambda match: _todo(_above(task.written, match.start()), task.lines, *match.groups()), task.written)
    module, names = named(task.record["solution"])
    shapes = re.fullmatch(r"(.*?->.*?); (.*->.*)", task.shapes) if len(names) == 2 else None  # those of forward; those of backward
    heads = []
    for name, shape in zip(names, shapes.groups() if shapes else [task.shapes] * len(names)):
        arguments = inspect.signature(getattr(module, name)).parameters.values()
        given = ", ".join(p.name for p in arguments if p.kind is p.POSITIONAL_OR_KEYWORD)
        heads.append(f'def {name}({given}):\n    """{shape}"""\n{_todo(name, task.lines, "    ", "")}')
    return "\n\n\n".join(head.rstrip() for head in heads)


def _above(code, position):
    """The name of the function in which a position of the code lies."""
    return (re.findall(r"(?m)^def (\w+)", code[:position]) or [""])[-1]


def _todo(name, lines, indent, body):
    if indent:
        return f"{indent}raise NotImplementedError({json.dumps(say('write', name=name, lines=lines))})\n"
    return "".join(f"{name} = None\n" for name in re.findall(r"(?m)^(\w+) =", body))


def _helpers(task):
    """The import of what a function of the package calls beside NumPy."""
    module, names = named(task.record["solution"])
    used = sorted({name for function in names for name in getattr(module, function).__code__.co_names if name in vars(module)} - {"np"})
    own = [name for name in used if not isinstance(getattr(module, name), types.ModuleType)]
    return f"from {module.__name__} import {', '.join(own)}\n" * bool(own)


def solved(task, seed=0):
    """The right answer as a student sees it, with what there is to say of it."""
    if task.kind == "numbers":
        answer = "\n".join(f"{name} = {shown(value) if not isinstance(value, str) else json.dumps(value)}" for name, value in task.right_numbers(seed).items())
    else:
        answer = task.solution.strip()
        if "solution" in task.record:
            answer = f"# {task.record['solution'].partition(':')[0].replace('.', '/')}.py\n{_helpers(task)}\n{answer}"
    return "\n\n".join(filter(None, [answer, task.note]))
