"""Layer 3, style: what the reader may rely on. Pairs adjacent, caches mirrored, tags held together, imports one way."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinyvae

ROOT = Path(tinyvae.__file__).parent
SOURCES = {
    path.relative_to(ROOT).with_suffix("").as_posix(): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}
CORE = ["layers", "gaussian", "likelihoods", "iwae", "params", "gradcheck/checker", "gradcheck/differences", "gradcheck/report", "optim", "mlp", "bounds", "vae"]
TESTS = "\n".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("*.py"))
TAG = re.compile(r"\b([A-Z]{2,6}\.\d)\b")


def functions(tree):
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def public(tree):
    nodes = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_")]
    methods = [m for n in nodes if isinstance(n, ast.ClassDef) for m in n.body if isinstance(m, ast.FunctionDef)]
    return nodes + [m for m in methods if not m.name.startswith("_")]


def unpacked(node, name):
    """The names of the tuple that is assigned to, or from, the variable `name`."""
    for line in ast.walk(node):
        if isinstance(line, ast.Assign):
            target, value = line.targets[0], line.value
            if isinstance(target, ast.Name) and target.id == name:
                return ast.unparse(value).strip("()")
            if isinstance(value, ast.Name) and value.id == name:
                return ast.unparse(target).strip("()")
    return None


@pytest.mark.parametrize("room", CORE)
def test_backward_stands_under_forward_and_unpacks_as_forward_packed(room):
    names = functions(TREES[room])
    for above, below in zip(names, [*names[1:], None]):
        if above.name.endswith("_forward"):
            assert below is not None and below.name == above.name.removesuffix("forward") + "backward"
            packed, opened = unpacked(above, "cache"), unpacked(below, "cache")
            if room in ("layers", "gaussian", "likelihoods", "iwae"):
                assert packed == opened, f"{above.name} packs {packed}, {below.name} opens {opened}"


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


def test_no_star_imports_no_frameworks_and_matplotlib_in_one_room():
    for room, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert all(alias.name != "*" for alias in node.names), room
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                roots = {(getattr(node, "module", None) or alias.name).split(".")[0] for alias in node.names}
                assert not roots & {"jax", "tensorflow", "autograd"}, room
                assert "torch" not in roots or room == "app/bench", room
                assert "matplotlib" not in roots or room == "plots", room


@pytest.mark.parametrize("room", CORE)
def test_the_core_imports_numpy_alone(room):
    allowed = {"numpy", *sys.stdlib_module_names}
    for node in ast.walk(TREES[room]):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module.split(".")[0] in allowed


def test_imports_have_no_cycle():
    """Imports at the top of modules; three methods of the model hand over to rooms above and say so."""
    uses = {
        room: {n.module or alias.name for n in tree.body if isinstance(n, ast.ImportFrom) and n.level for alias in n.names}
        for room, tree in TREES.items()
    }
    assert not any(name.startswith("zoo") for used in uses.values() for name in used), "the zoo stands above the rest"
    done, rooms = set(), set(TREES)
    while rooms - done:
        ready = {room for room in rooms - done if (uses[room] & rooms) <= done}
        assert ready, f"a cycle among {sorted(rooms - done)}"
        done |= ready


def test_functions_fit_on_a_slide_and_files_in_one_sitting():
    for room, tree in TREES.items():
        assert len(SOURCES[room].splitlines()) <= 400, room
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= 45, f"{room}.{node.name} has {lines} lines"


def test_all_public_names_stand_in_the_package_docstring():
    words = set(re.findall(r"\w+", tinyvae.__doc__))
    for name in tinyvae.__all__:
        assert re.sub(r"_(forward|backward)$", "", name) in words | {"Report"}, name


def test_import_is_light():
    """matplotlib, tqdm, pooch and their like are imported where they are used."""
    code = "import sys, tinyvae; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"matplotlib", "tqdm", "pooch", "requests", "threadpoolctl", "scipy", "torch", "argparse"}
