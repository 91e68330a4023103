"""Statements of a student's file, looked at and never run: which are kept, what they set, what they need, what they use.

Kept are imports, functions, classes, and assignments; `try`, `if` and `with` too, if nothing else stands inside. Not kept are calls for
their effects, loops, `del`, and what asks Python for files, input or other code. It needs the standard library alone (see `definitions`).
"""

import ast
import builtins
import warnings

FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef
DEFINED = *FUNCTIONS, ast.ClassDef
IMPORTS = ast.Import, ast.ImportFrom
SET = ast.Assign, ast.AnnAssign, ast.AugAssign
BLOCKS = ast.Try, getattr(ast, "TryStar", ast.Try), ast.If, ast.With
UNSAFE = {"__import__", "breakpoint", "compile", "eval", "exec", "exit", "help", "input", "open", "print", "quit"}
BUILTINS = frozenset(dir(builtins))
DEEP = 8  # blocks inside blocks
WORDS = 300  # characters of an error
HARD = SyntaxError, ValueError, RecursionError, MemoryError, OverflowError  # what the parser and the compiler say of what they cannot take


def parsed(source):
    """The tree of a source, without warnings of its escapes; SyntaxError, ValueError, RecursionError or MemoryError if there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def cause(error):
    """An error of a parser in words."""
    if isinstance(error, SyntaxError):
        return str(error.msg)[:WORDS]
    if isinstance(error, (RecursionError, MemoryError)):
        return "its expressions are nested too deeply"
    return str(error)[:WORDS]


def refused(text):
    """Why a statement that parses cannot be compiled (a `break` outside a loop), or ""."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "student.py", "exec", dont_inherit=True)
    except HARD as error:
        return cause(error)
    return ""


def segment(lines, node, above):
    """The text of a statement, with its decorators: the first @ under the statement above, for `@(` may stand over its name."""
    first = node.lineno
    if getattr(node, "decorator_list", None):
        first = next(i for i in range(above + 1, first) if lines[i - 1].lstrip().startswith(b"@"))
    part = lines[first - 1 : node.end_lineno]
    part[-1] = part[-1][: node.end_col_offset]
    part[0] = part[0][node.col_offset if first == node.lineno else 0 :]
    return b"\n".join(part).decode().strip("\n")


# ---- which are kept ---------------------------------------------------------------------------------


def trouble(node, deep=0):
    """Why a statement is not kept, in words; "" if it is."""
    if isinstance(node, IMPORTS):
        return "it imports from a folder that is not handed in" if getattr(node, "level", 0) else ""
    if isinstance(node, DEFINED) or deep and isinstance(node, (ast.Pass, ast.Raise)):
        return ""
    if isinstance(node, SET) and (deep or node.value is not None):
        return unsafe([node])
    if isinstance(node, BLOCKS) and deep < DEEP and not main_only(node):
        inside = [trouble(statement, deep + 1) for statement in below(node)]
        return unsafe(heads(node)) or next(filter(None, inside), "")
    return "it stands beside what is run for its effects"


def main_only(node):
    """Whether it is an `if __name__ == "__main__"`: that stays out where a file is imported, as here."""
    return isinstance(node, ast.If) and "__name__" in loaded([node.test])


def unsafe(nodes):
    """What these call that no answer needs, in words, or ""."""
    found = [part.func.id for part in running(nodes) if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in UNSAFE]
    return f"it calls {found[0]}" if found else ""


# ---- what is inside --------------------------------------------------------------------------------


def below(node):
    """The statements right inside a block, in their order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler):
            yield from child.body


def heads(node):
    """The expressions of a block's own lines."""
    children = [child.type if isinstance(child, ast.ExceptHandler) else child for child in ast.iter_child_nodes(node)]
    return [child for child in children if child is not None and not isinstance(child, ast.stmt)]


def running(nodes):
    """All parts of expressions that are run with them: not the bodies of functions without a name."""
    waiting = [node for node in nodes if node is not None][::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.Constant, ast.Name)):
            parts = [*node.args.defaults, *node.args.kw_defaults] if isinstance(node, ast.Lambda) else ast.iter_child_nodes(node)
            waiting += [part for part in parts if part is not None and part._fields][::-1]  # operators have none; left to right


def inner(node):
    """The statements inside a statement, but for those inside functions and classes."""
    waiting = [node]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            if isinstance(child, ast.stmt):
                yield child
            waiting += [] if isinstance(child, DEFINED) else [child]


# ---- names -----------------------------------------------------------------------------------------


def targets_of(node):
    """What an assignment sets."""
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def stored(nodes):
    """The names that these targets set."""
    return [part.id for part in running(nodes) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]


def names_of(node):
    """The names that a statement sets, in their order; a star for those of a module."""
    if isinstance(node, IMPORTS):
        return tuple(alias.asname or alias.name.split(".")[0] for alias in node.names)
    if isinstance(node, DEFINED):
        return (node.name,)
    found = []
    if isinstance(node, SET):
        found = stored(targets_of(node)) + walrus([node.value])
    elif isinstance(node, BLOCKS):
        items = [item.optional_vars for item in getattr(node, "items", []) if item.optional_vars]
        found = stored(items) + walrus(heads(node)) + [name for statement in below(node) for name in names_of(statement)]
    return tuple(dict.fromkeys(found))


def walrus(nodes):
    """The names that `:=` sets."""
    return [part.target.id for part in running(nodes) if isinstance(part, ast.NamedExpr)]


def loaded(nodes):
    """The names that these expressions need when they are run: not those that they set themselves."""
    found, own = set(), set()
    for part in running(nodes):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            found.add(part.id)
        elif isinstance(part, (ast.comprehension, ast.NamedExpr)):
            own.update(stored([part.target]))
    return found - own


def needs(node):
    """The names that must be there when a statement is run: of a function, those of its decorators and defaults."""
    if isinstance(node, ast.ClassDef):
        return frozenset(loaded([*node.decorator_list, *node.bases, *node.keywords]))
    if isinstance(node, FUNCTIONS):
        return frozenset(loaded([*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]))
    if isinstance(node, SET):
        changed = stored([node.target]) if isinstance(node, ast.AugAssign) else []
        return frozenset(loaded([*targets_of(node), node.value])).union(changed)
    found, known = set(), set()
    if isinstance(node, BLOCKS):
        found = loaded(heads(node))
        known.update(names_of(ast.With(node.items, [])) if isinstance(node, ast.With) else walrus(heads(node)))
        for statement in below(node):
            found |= needs(statement) - known
            known.update(names_of(statement))
    return frozenset(found)


def uses(node):
    """The names that a statement takes from outside, when it is run or, of a function in it, when that is called."""
    parts = list(ast.walk(node))
    own = {part.arg for part in parts if isinstance(part, ast.arg)} | {part.name for part in parts if isinstance(part, DEFINED)}
    own.update(part.id for part in parts if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load))
    return frozenset({part.id for part in parts if isinstance(part, ast.Name)} - own)


def hints(node):
    """The names in the hints of types of a function or an assignment, and of those in a block."""
    if isinstance(node, BLOCKS):
        return frozenset().union(*map(hints, below(node)))
    a = getattr(node, "args", None)
    arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg] if a else []
    own = [getattr(node, "returns", None), getattr(node, "annotation", None), *(arg and arg.annotation for arg in arguments)]
    return frozenset(loaded(own) - BUILTINS)
