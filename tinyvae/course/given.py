"""Sources that stand alone: what a child is given in place of the package, and the package's own solutions as a student would write them."""

import ast
import importlib.util
import inspect

from ..exercises.source import named


def alone(name, wanted):
    """The source of functions of a module with all that they need from it, imports included; what comes from the package stands in it."""
    module = importlib.import_module(name)
    text = inspect.getsource(module)
    nodes, wanted, kept = defined(ast.parse(text)), list(wanted), {}
    while wanted:
        word = wanted.pop()
        if word in nodes and word not in kept:
            kept[word] = nodes[word]
            wanted += [inner.id for inner in ast.walk(nodes[word]) if isinstance(inner, ast.Name)]
    parts = [segment(text, node, word, module.__package__) for word, node in sorted(kept.items(), key=lambda item: item[1].lineno)]
    return "\n\n".join(dict.fromkeys(parts)) + "\n"


def defined(tree):
    """{name: the statement that sets it} of a module's own statements."""
    found = {}
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0]: node for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in ast.walk(node) if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)}
        elif hasattr(node, "name"):
            found[node.name] = node
    return found


def segment(text, node, word, package):
    """The lines of a statement; of an import from the package, what it imports."""
    if isinstance(node, ast.ImportFrom) and node.level:
        return alone(importlib.util.resolve_name("." * node.level + node.module, package), [word])
    first = min([node.lineno, *(line.lineno for line in getattr(node, "decorator_list", []))])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def modules_of(task):
    """{module: source} of what a task gives of the package: its forward pass, and what its own code imports."""
    asked = [named(task.forward)] if ":" in task.record.get("forward", "") else []
    asked = [(module.__name__, names) for module, names in asked]
    for node in ast.parse(task.given).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("tinyvae"):
            asked.append((node.module, [alias.name for alias in node.names]))
    return {module: alone(module, names) for module, names in asked}


def solution(task):
    """The right answer to a task as a file of its own."""
    if task.kind == "bug":
        return task.solution
    if "solution" not in task.record:
        return f"import numpy as np\n\n{task.given}\n\n{task.solution}"
    module, names = named(task.record["solution"])
    return alone(module.__name__, names)
