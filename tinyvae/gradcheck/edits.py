"""Every single change of a formula: each is run, to see which of them gives exactly what a wrong function gives.

A change is described in words about the formula ("the factor sigma is left out"), never by lines of code.
"""

import ast
import copy
import inspect
from typing import NamedTuple

from .arguments import tree_of
from .wording import say

LONGEST = 28  # characters of a part of a formula that is still written out
FUNCTIONS = "exp", "log", "log1p", "expm1", "sqrt", "tanh", "sigmoid", "softplus", "sign", "abs", "square"
SUMS = "sum", "mean", "max"
KEPT = 8  # references whose edits are remembered, for many functions are compared with one
_compiled = {}


class Edit(NamedTuple):
    """One change: the sentence that says what it is, what it costs, and the changed function."""

    text: str
    cost: float
    function: object


def edits(reference):
    """An iterator over the edits of a function; empty if its source is not to be had."""
    if id(reference) not in _compiled or _compiled[id(reference)][0] is not reference:
        while len(_compiled) >= KEPT:
            del _compiled[next(iter(_compiled))]
        _compiled[id(reference)] = reference, [], _made(reference)
    _, done, more = _compiled[id(reference)]
    yield from list(done)
    for edit in more:
        done.append(edit)
        yield edit


def _made(reference):
    tree = tree_of(reference)
    if tree is None:
        return
    tree.decorator_list = []
    tree.body = tree.body[1:] if ast.get_docstring(tree) and len(tree.body) > 1 else tree.body
    space = dict(getattr(reference, "__globals__", {})) | (inspect.getclosurevars(reference).nonlocals if inspect.isfunction(reference) else {})
    names = sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} | {a.arg for a in tree.args.args} - {"self", "cache"})
    for cost, text, parent, field, at, node, new in sorted((*_everywhere(tree), *_statements(tree), *_single(tree, names)), key=lambda change: change[0]):
        function = _with(tree, parent, field, at, node, new, space)
        if function is not None:
            yield Edit(text, cost, function)


def _single(tree, names):
    """(cost, sentence, parent, field, index, node, new node) of every change of one expression."""
    for parent, field, at, node in list(_places(tree)):
        for cost, text, source in _changes(node, names):
            try:
                yield cost, text, parent, field, at, node, ast.parse(source, mode="eval").body
            except SyntaxError:
                continue


def _statements(tree):
    """The same of every statement that is left out: a result changed in place, a call."""
    for at, node in enumerate(tree.body):
        if isinstance(node, ast.AugAssign) or isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield 0.4, _say("statement", part=ast.unparse(node)), tree, "body", at, node, ast.Pass()


def _everywhere(tree):
    """The same of changes of all sums at once, as of an axis that was mistaken throughout."""
    calls = [n for n in ast.walk(tree) if _is_sum(n) and (n.args or n.keywords)]
    changes = [(f"axis {axis}", {"axis": axis}, _over(axis)) for axis in (0, 1, -1)] + [("all_means", {}, _as("mean")), ("all_sums", {}, _as("sum"))]
    for name, parts, change in changes if len(calls) > 1 else ():
        body = copy.deepcopy(tree.body)
        for node in (n for statement in body for n in ast.walk(statement) if _is_sum(n) and (n.args or n.keywords)):
            change(node)
        yield 0.5, say("edit.all_axes", **parts) if parts else say(f"edit.{name}"), tree, "body", None, tree.body, body


def _over(axis):
    def change(node):
        own = ast.unparse(node.func.value) not in ("np", "numpy")
        node.args = node.args[: not own]
        node.keywords = [k for k in node.keywords if k.arg != "axis"] + [ast.keyword("axis", ast.Constant(axis))]

    return change


def _as(method):
    def change(node):
        node.func.attr = method

    return change


def _is_sum(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SUMS


def _places(tree):
    """(parent, field, index or None, node) of every expression of the body that is computed, but for the opening of the cache, and axes."""
    stack = [n for n in reversed(tree.body) if not (isinstance(n, ast.Assign) and isinstance(n.value, ast.Name))]
    while stack:
        parent = stack.pop()
        for field, value in ast.iter_fields(parent):
            for at, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or _is_axis(parent, field, at):
                    continue
                stack.append(node)
                if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store) and not isinstance(node, ast.Tuple):
                    yield parent, field, at, node


def _is_axis(parent, field, at):
    """Whether what stands here is an axis of a sum, whose change is one of the sum, or an index."""
    if not _is_sum(parent):
        return field == "slice" and isinstance(parent, ast.Subscript)
    own = ast.unparse(parent.func.value) not in ("np", "numpy")
    return field == "keywords" or field == "args" and (own or at > 0)


def _with(tree, parent, field, at, node, new, space):
    """The function with one node replaced; the tree is as before afterwards."""

    def put(value):
        if at is None:
            setattr(parent, field, value)
        else:
            getattr(parent, field)[at] = value

    put(new)
    try:
        module = ast.Module([tree], [])
        code = compile(ast.fix_missing_locations(module), "<edit>", "exec")
        own = dict(space)
        exec(code, own)  # noqa: S102  the reference's own source
        return own[tree.name]
    except (SyntaxError, ValueError, TypeError):
        return None
    finally:
        put(node)


# ---- what can be changed ---------------------------------------------------------------------------------


def _changes(node, names):
    """(cost, sentence, source of the changed expression) of all changes of one expression."""
    source = ast.unparse(node)
    if isinstance(node, ast.Constant):
        yield from _constants(node, source)
    if isinstance(node, ast.BinOp):
        yield from _operators(node)
        for name in sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in names}):
            yield 0.55, _say("place", part=source, other=name), name
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield 0.2, _say("sign", part=ast.unparse(node.operand)), ast.unparse(node.operand)
    if isinstance(node, ast.Call):
        yield from _calls(node, source)
    if isinstance(node, ast.Name) and node.id in names:
        for name in names:
            if name != node.id:
                yield 0.5, _say("name", part=node.id, other=name), name
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield 0.4, _say("untransposed", part=ast.unparse(node.value)), ast.unparse(node.value)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        swap = {ast.Gt: "<", ast.Lt: ">", ast.GtE: "<", ast.LtE: ">"}.get(type(node.ops[0]))
        if swap:
            left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
            yield 0.4, _say("turned", part=source), f"({left}) {swap} ({right})"
    if isinstance(node, (ast.BinOp, ast.Call)) or isinstance(node, ast.Name) and node.id in names:
        yield from _wrappings(source)


def _constants(node, source):
    v = node.value
    if isinstance(v, bool) or not isinstance(v, (int, float)):
        return
    for other in dict.fromkeys((-v, 2 * v, v / 2, 0, v + 1, v - 1)):
        if other != v:
            yield 0.3 if other else 0.4, _say("constant", part=source, other=f"{other:g}"), f"({other!r})"


def _operators(node):
    left, right, op = ast.unparse(node.left), ast.unparse(node.right), type(node.op)
    word = {ast.Add: "term", ast.Sub: "term", ast.Pow: "power"}.get(op, "factor")
    if op in (ast.Sub, ast.Add):
        yield 0.2, _say("sign", part=right), f"({left}) {'+' if op is ast.Sub else '-'} ({right})"
    if op is ast.Sub:
        yield 0.3, _say("order", part=left, other=right), f"({right}) - ({left})"
    if op is ast.Mult:
        yield 0.3, _say("divided", part=right), f"({left}) / ({right})"
        yield 0.3, _say("divided", part=left), f"({right}) / ({left})"
        yield 0.5, _say("added", part=left, other=right), f"({left}) + ({right})"
    if op is ast.Div:
        yield 0.3, _say("multiplied", part=right), f"({left}) * ({right})"
        yield 0.4, _say("order", part=left, other=right), f"({right}) / ({left})"
    if op is ast.Pow:
        yield 0.4, _say("power", part=left, other=right), f"({left})"
        yield 0.6, _say("times_power", part=left, other=right), f"({left}) * ({right})"
    else:
        yield 0.25, _left_out(word, right, ast.unparse(node)), f"({left})"
        yield 0.25, _left_out(word, left, ast.unparse(node)), f"-({right})" if op is ast.Sub else f"1 / ({right})" if op is ast.Div else f"({right})"
    if op is ast.MatMult:
        a, b = f"({left})", f"({right})"
        for new in (f"{a} @ {b}.T", f"{a}.T @ {b}", f"({a} @ {b}).T", f"{b} @ {a}", f"{b}.T @ {a}.T", f"{a} * {b}"):
            yield 0.5, _say("matrices", part=left, other=right), new


def _calls(node, source):
    method = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
    if method in SUMS and isinstance(node.func, ast.Attribute):
        own = ast.unparse(node.func.value) not in ("np", "numpy")
        inside = ast.unparse(node.func.value if own else node.args[0]) if own or node.args else ""
        args = ", ".join([ast.unparse(a) for a in node.args[not own :]] + [ast.unparse(k) for k in node.keywords])
        yield 0.25, _say("no_sum", part=inside), f"({inside})"
        yield 0.5, _say("first", part=inside, own=method), f"({inside})[0]"
        for other in SUMS:
            for axes in ("", "0", "1", "-1", "0, keepdims=True", "-1, keepdims=True", args):
                new = f"({inside}).{other}({axes})"
                if (other, axes) != (method, args):
                    yield (0.3 if axes == args else 0.4), _say("mean" if axes == args else "axis", part=inside, other=other, own=method), new
    if len(node.args) == 1 and not node.keywords and method in FUNCTIONS:
        a = ast.unparse(node.args[0])
        yield 0.3, _say("function", part=method, other=a), f"({a})"
        for other in ("np.exp", "np.log", "np.sqrt", "np.tanh", "np.sign", "np.abs", "np.square"):
            if other != ast.unparse(node.func):
                yield 0.6, _say("other_function", part=source, other=other.removeprefix("np.")), f"{other}({a})"
    elif method in ("where", "maximum", "minimum", "clip") and len(node.args) > 1:
        for arg in node.args:
            yield 0.5, _say("call", part=method), f"({ast.unparse(arg)})"
        yield 0.5, _say("call", part=method), f"{ast.unparse(node.func)}({', '.join(ast.unparse(a) for a in (node.args[:1] + node.args[:0:-1]))})"


def _wrappings(source):
    s = f"({source})"
    new = {
        "negative": f"-{s}", "doubled": f"2 * {s}", "halved": f"{s} / 2", "squared": f"{s} ** 2", "rooted": f"{s} ** .5", "inverse": f"1 / {s}",
        "exp": f"__import__('numpy').exp({s})", "log": f"__import__('numpy').log({s})", "nothing": f"{s} * 0", "one": f"{s} * 0 + 1",
        "transposed": f"{s}.T", "less": f"1 - {s}", "mean_of": f"{s} / len({s})", "minus_one": f"{s} - 1", "plus_one": f"{s} + 1", "once_more": f"{s} * {s}",
        "abs": f"abs({s})", "signum": f"__import__('numpy').sign({s})",
    }  # fmt: skip
    for n, (key, text) in enumerate(new.items()):
        yield 0.7 + 0.02 * n, _say(key, part=source), text


def _left_out(word, part, whole):
    """The sentence of a factor or a term that is left out, with what it is left out of, unless that is long."""
    return _say(word, part=part, whole=whole) if len(_formula(whole)) <= LONGEST else _say(f"{word}_short", part=part)


def _say(key, **parts):
    """The sentence of an edit; parts of a formula that are long are left unnamed."""
    shown = {name: _formula(part) for name, part in parts.items()}
    long = any(len(part) > LONGEST for part in shown.values())
    return say("edit.long", what=say(f"word.{key.removesuffix('_short')}")) if long else say(f"edit.{key}", **shown)


def _formula(source):
    """A part of the source as one reads a formula."""
    return source.replace("**", "^").replace(" * ", " ").replace("np.", "").replace("[:, None]", "").replace("[..., None]", "")
