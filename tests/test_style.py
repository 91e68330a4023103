"""Layer 3, style: what the reader may rely on. Pairs adjacent, caches mirrored, tags held together, imports one way."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import tinyvae

FILE_LINES = 300  # of a file of the package, all lines
FUNCTION_LINES = 25  # of a function's body: lines of code, without docstrings, comments and blank lines
METHODS = 20  # of a class

ROOT = Path(tinyvae.__file__).parent
DATA = ROOT / "exercises" / "tasks", ROOT / "exercises" / "programs"  # texts in percent format, which nothing imports
FILES = [path for path in sorted(ROOT.rglob("*.py")) if not set(DATA) & set(path.parents)]
PATHS = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
SOURCES = {room: path.read_text(encoding="utf-8") for room, path in PATHS.items()}
TREES = {room: ast.parse(text) for room, text in SOURCES.items()}
TESTS = "\n".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("*.py"))
TAG = re.compile(r"\b([A-Z]{2,6}\.\d)\b")
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef


def loaded(code):
    """The names of all modules that are loaded after this code in a fresh interpreter."""
    code += "; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture(scope="module")
def modules():
    return loaded("import tinyvae")


# ---- functions: pairs, docstrings, tags ---------------------------------------------------------


def bodies(tree):
    """The statements of a module, and those of each of its classes."""
    return [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]


def forwards(tree):
    """(forward, the statement under it) for every public forward pass of a module and of its classes."""
    for body in bodies(tree):
        for above, below in zip(body, [*body[1:], None]):
            if isinstance(above, FUNCTIONS) and above.name.endswith("_forward") and not above.name.startswith("_"):
                yield above, below


def public(tree):
    nodes = [n for n in tree.body if isinstance(n, (*FUNCTIONS, ast.ClassDef)) and not n.name.startswith("_")]
    methods = [m for n in nodes if isinstance(n, ast.ClassDef) for m in n.body if isinstance(m, FUNCTIONS)]
    return nodes + [m for m in methods if not m.name.startswith("_")]


def parts(node):
    return node.elts if isinstance(node, ast.Tuple) else [node]


def test_the_pairs_are_found():
    """By the looking that the tests below rely on."""
    exported = {name for name in tinyvae.__all__ if name.endswith("_forward")}
    assert exported <= {above.name for tree in TREES.values() for above, _ in forwards(tree)}


def packed(forward):
    """The parts of the cache, if forward assigns it once, as a name or a tuple; else None."""
    lines = [n for n in ast.walk(forward) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "cache"]
    return parts(lines[0].value) if len(lines) == 1 and isinstance(lines[0].value, (ast.Name, ast.Tuple)) else None


def opened(backward):
    """What the parts of the cache are called where backward opens it."""
    lines = [n for n in ast.walk(backward) if isinstance(n, ast.Assign) and ast.unparse(n.value) == "cache"]
    return parts(lines[0].targets[0]) if len(lines) == 1 else None


@pytest.mark.parametrize("room", [room for room, tree in TREES.items() if any(forwards(tree))])
def test_backward_stands_under_forward_and_unpacks_as_forward_packed(room):
    """A part with a name keeps it; a part that is computed while packing, as a shape, may get one."""
    for above, below in forwards(TREES[room]):
        assert isinstance(below, FUNCTIONS) and below.name == above.name.removesuffix("forward") + "backward", above.name
        if (wanted := packed(above)) is not None:
            found = opened(below) or []
            same = [ast.unparse(a) == ast.unparse(b) or not isinstance(a, ast.Name) for a, b in zip(wanted, found)]
            texts = [", ".join(map(ast.unparse, names)) for names in (wanted, found)]
            assert len(wanted) == len(found) and all(same), f"{above.name} packs {texts[0]}, {below.name} opens {texts[1]}"


def test_every_public_name_has_a_docstring_and_every_pair_gives_shapes():
    for room, tree in TREES.items():
        for node in public(tree):
            text = ast.get_docstring(node)
            assert text, f"{room}.{node.name} has no docstring"
            if node.name.endswith(("_forward", "_backward")):
                assert re.search(r"\([^)]*\b[A-Z]\b|\(\.\.\.|shape", text), f"{room}.{node.name} gives no shapes"


def test_tags_stand_in_docstrings_and_in_tests():
    documented = []
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                documented += re.findall(r"\[([A-Z]{2,6}\.\d)\]", ast.get_docstring(node) or "")
    assert len(documented) == len(set(documented)), "a tag names one equation"
    assert set(documented) == set(TAG.findall(TESTS))


def test_all_public_names_stand_in_the_package_docstring():
    words = set(re.findall(r"\w+", tinyvae.__doc__))
    for name in tinyvae.__all__:
        assert re.sub(r"_(forward|backward)$", "", name) in words | {"Report"}, name


# ---- imports ----------------------------------------------------------------------------------------


def imports(room):
    """(full name of the module, name taken from it or None, whether inside a function) of all that a room imports."""
    inside = {id(n) for f in ast.walk(TREES[room]) if isinstance(f, FUNCTIONS) for n in ast.walk(f)}
    for node in ast.walk(TREES[room]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(room, "." * node.level + (node.module or ""))
            yield from ((module, alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]  # others only running could tell
            yield from ((absolute(room, name), None, id(node) in inside) for name in names)


def absolute(room, name):
    """The full name of what a room calls `name`: one dot is the room's package, each further dot the one above."""
    dots = len(name) - len(name.lstrip("."))
    if not dots:
        return name
    up = room.split(".") if PATHS[room].name == "__init__.py" else room.split(".")[:-1]
    return ".".join([*up[: len(up) - dots + 1], *filter(None, [name[dots:]])])


def target(module, name):
    """The room that an import means: a module itself, or the one that the package's front door takes the name from."""
    if module == "tinyvae" and name and f"{module}.{name}" not in TREES:
        module, name = next(((origin, taken) for origin, taken, _ in imports(module) if taken == name), (None, None))
    found = [room for room in (f"{module}.{name}", module) if room in TREES and room != "tinyvae"]
    return found[0] if found else None


def circle(arrows):
    """The names of one cycle, the first once more at its end; None if there is none."""
    done, path = set(), []

    def search(room):
        if room in path:
            return [*path[path.index(room) :], room]
        if room in done:
            return None
        path.append(room)
        found = next((c for c in map(search, sorted(arrows[room])) if c), None)
        path.pop()
        done.add(room)
        return found

    return next((c for c in map(search, sorted(arrows)) if c), None)


def test_imports_have_no_cycle():
    """Nor do imports inside functions make one; the package's own front door is nobody's target."""
    arrows = {room: {target(module, name) for module, name, _ in imports(room)} - {None, room} for room in TREES}
    found = circle(arrows)
    assert not found, " imports ".join(found)


def test_only_the_application_looks_into_the_zoo():
    for room in TREES:
        above = room.split(".")[1:2]
        if above not in ([], ["zoo"], ["app"], ["catalogue"]):
            assert not any(f"{module}.{name}.".startswith("tinyvae.zoo.") for module, name, _ in imports(room)), room


def test_the_core_imports_numpy_alone(modules):
    """The core is all that `import tinyvae` loads of the package, and the checker; what takes long waits inside functions."""
    core = [room for room in TREES if room in modules or f"{room}.".startswith("tinyvae.gradcheck.")]
    assert {"tinyvae", "tinyvae.layers", "tinyvae.vae", "tinyvae.gradcheck"} <= set(core)
    allowed = {"numpy", "tinyvae", *sys.stdlib_module_names}
    late = {"tqdm", "threadpoolctl", "pooch", "requests"}
    for room in core:
        for module, _, inside in imports(room):
            assert module.split(".")[0] in (allowed | late if inside else allowed), f"{room} imports {module}"


def test_import_is_light(modules):
    """matplotlib, tqdm, pooch and their like are imported where they are used."""
    assert not modules & {"matplotlib", "tqdm", "pooch", "requests", "threadpoolctl", "scipy", "torch", "argparse"}


def test_no_star_imports_no_frameworks_and_matplotlib_in_one_room():
    for room in TREES:
        for module, name, _ in imports(room):
            root = module.split(".")[0]
            assert name != "*" and root not in {"jax", "tensorflow", "autograd"}, room
            assert root != "torch" or "bench" in room.split("."), room
            assert root != "matplotlib" or "plots" in room.split("."), room


# ---- sizes --------------------------------------------------------------------------------------------


def code_lines(text):
    """The numbers of the lines that hold code: no blank lines, no comments."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in silent]
    return {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}


def docstring_lines(tree):
    nodes = [n for n in ast.walk(tree) if isinstance(n, (*FUNCTIONS, ast.ClassDef)) and ast.get_docstring(n)]
    return {line for n in nodes for line in range(n.body[0].lineno, n.body[0].end_lineno + 1)}


def sizes(room):
    """(name, size, limit) of a file, its classes and all its functions, those inside others too."""
    yield PATHS[room].relative_to(ROOT).as_posix(), len(SOURCES[room].splitlines()), FILE_LINES
    code = code_lines(SOURCES[room]) - docstring_lines(TREES[room])

    def walk(node, name):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
                inner = f"{name}.{child.name}"
                if isinstance(child, ast.ClassDef):
                    yield inner, sum(isinstance(n, FUNCTIONS) for n in child.body), METHODS
                else:
                    yield inner, len(code & set(range(child.body[0].lineno, child.end_lineno + 1))), FUNCTION_LINES
                yield from walk(child, inner)
            else:
                yield from walk(child, name)

    yield from walk(TREES[room], room.removeprefix("tinyvae."))


def test_files_functions_and_classes_stay_within_their_limits():
    found = {name: (size, limit) for room in TREES for name, size, limit in sizes(room) if size > limit}
    found |= {p.name: (n, FILE_LINES) for p in Path(__file__).parent.glob("*.py") if (n := len(p.read_text(encoding="utf-8").splitlines())) > FILE_LINES}
    assert not found, f"longer than allowed: {found}"
