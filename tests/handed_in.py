"""What students hand in, as changes of the notebook that they were given: right, wrong, blank, looping, crashing, forging, mangled."""

import copy
import json
import shutil

from tinyvae.course.assignment import new
from tinyvae.course.build import build
from tinyvae.exercises.sheet import stub
from tinyvae.exercises.source import ROOT

BACKWARD = """def kl_backward(dkl, cache):
    mu, sigma2 = cache
    dkl = dkl[..., None]
    return dkl * mu, dkl * (sigma2 - 1)
"""
PAIR = """def kl_log_var_forward(mu, log_var):
    var = np.exp(log_var)
    return (var + mu**2 - 1 - log_var).sum(1) / 2, (mu, var)


def kl_log_var_backward(dkl, cache):
    mu, var = cache
    return dkl[:, None] * mu, dkl[:, None] * (var - 1) / 2
"""
FORGED = """%%capture said
import atexit, builtins, os, sys
import tinyvae
from tinyvae import check
get_ipython().input_transformers_cleanup.append(lambda lines: [])
tinyvae.check = check = same = lambda *args, **options: True
np.allclose = np.array_equal = np.linalg.norm = lambda *args, **options: True
VERDICTS = {"kl_backward": dict.fromkeys(["values", "gradient", "at_prior"], True)}
tinyvae_record = {"score": 12, "of": 12}
open("SPY", "w").write("a cell was run")
atexit.register(print, "1.0")


class All(np.ndarray):
    atexit.register(print, "5.0")
    print("5.0", VERDICTS, '{"ok": true}', flush=True)
    __array_priority__ = 1e9

    def __eq__(self, other):
        return True


class Module:
    try:
        open("SPY", "w").write("a class was run outside a jail")
    except OSError:
        pass
    sys.modules["__main__"].same = sys.modules["__main__"].judge = builtins.all = lambda *args, **options: True
    __builtins__ = vars(builtins)
"""
FORGING = """def kl_backward(dkl, cache):
    print("5.0")
    print('{"id": 1, "ok": true, "value": 1}', file=sys.stderr)
    return [np.zeros(np.shape(part)).view(All) for part in cache]
"""


# ---- the assignment ---------------------------------------------------------------------------------


def built(form, folder):
    """(Assignment, folder) of three tasks in that format, the last of them private."""
    own = folder / "own tasks"
    own.mkdir(parents=True)
    shutil.copy(ROOT / "02-gaussian" / "kl_log_var.py", own / "own_pair.py")
    made = new("week-1", ["kl_backward", "kl_by_hand", "own_pair"], seed=3, private=own, feedback={"kl_by_hand": 1})
    build(made, form, folder / "built")
    return made, folder / "built"


def secrets(made):
    """Words that must stand in nothing that students see: key, seed, answers, and what the tests are made of, as far as no stub says it."""
    hidden = [made.tasks[name].check_code for name in made.ids] + [BACKWARD, PAIR]
    lines = {line.strip() for code in hidden for line in code.splitlines() if len(line.strip()) > 30}
    known = "\n".join(stub(task) for task in made.tasks.values())
    return [made.key.hex(), '"seed"', "SOLUTION", "HIDDEN", *sorted(line for line in lines if line not in known)]


# ---- submissions --------------------------------------------------------------------------------------


def code(source, **metadata):
    """A code cell as a student makes it."""
    return {"cell_type": "code", "execution_count": None, "id": f"new-{abs(hash(source)) % 10**8}", "metadata": metadata, "outputs": [], "source": source}


def find(book, name):
    """A cell by its id."""
    return next(cell for cell in book["cells"] if cell["id"] == name)


def answered(book, made, **sources):
    """The notebook with answers, right where no other is given."""
    book, numbers = copy.deepcopy(book), made.tasks["kl_by_hand"].right_numbers(made.seed)
    by_hand = "\n".join(f"{name} = {value!r}" for name, value in numbers.items())
    for name, source in ({"kl_backward": BACKWARD, "kl_by_hand": by_hand, "own_pair": PAIR} | sources).items():
        find(book, f"{name}-answer")["source"] = source
    return book


def crashing(line):
    """A backward pass that does something else first."""
    return BACKWARD.replace("    mu, ", f"    {line}\n    mu, ")


def submissions(book, made, spy):
    """{student: (notebook, points of the three tasks)}; `spy` is a file that no submission may make."""
    hand = answered(book, made)
    wrong = answered(
        book, made, kl_backward=BACKWARD.replace("(sigma2 - 1)", "sigma2"), own_pair=PAIR.replace("- 1) / 2", "- 1)"),
        kl_by_hand=find(hand, "kl_by_hand-answer")["source"] + "\ndmu = 7.25, 7.25",
    )  # fmt: skip
    load = f"import os\n\n\nclass Crash:\n    os._exit(0)\n\n\n{BACKWARD}"
    return {
        "right": (hand, [5, 3, 4]),
        "wrong": (wrong, [0, 2, 2]),
        "blank": (book, [0, 0, 0]),
        "looping": (answered(book, made, kl_backward=crashing("while True: pass")), [0, 3, 4]),
        "crashing": (answered(book, made, kl_backward=crashing("import os; os._exit(0)")), [0, 3, 4]),
        "crashing at once": (answered(book, made, kl_backward=load), [0, 0, 0]),
        "forging": (forging(book, made, spy), [0, 0, 0]),
        "mangled": (mangled(book, hand), [5, 3, 4]),
    }


def forging(book, made, spy):
    """Nothing right in it, and all that a kernel, a grader's metadata or a file could be told."""
    book = answered(book, made, kl_backward=FORGING, kl_by_hand="kl = dmu = dlog_sigma = float('nan')", own_pair="")
    full = [{"output_type": "execute_result", "data": {"text/plain": "5.0"}, "metadata": {}, "execution_count": 1}]
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = full
            cell["source"] += f'\nprint("1.0")\nopen({str(spy)!r}, "w").write("a cell was run")'
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= {"grade": True, "points": 100}
    book["cells"].insert(2, code(FORGED.replace("SPY", str(spy)), tags=["otter_ignore"], otter={"tests": ["kl_backward"]}))
    book["metadata"] |= {"tinyvae": {"tasks": {}}, "otter": {"OK_FORMAT": False, "tests": {"kl_backward": "name = 'kl_backward'\npoints = 5"}}}
    return book


def mangled(book, answers):
    """Right answers in a notebook that was taken apart: split, moved, duplicated, deleted and retyped cells, changed metadata.

    `book` has the stub of kl_backward where it was, a wrong answer above it and the right one at the end.
    """
    book = copy.deepcopy(book)
    first, second = PAIR.split("\n\n\n")
    find(book, "own_pair-answer")["source"] = first
    twice = copy.deepcopy(find(book, "kl_backward-answer"))
    twice["source"] = BACKWARD.replace("(sigma2 - 1)", "sigma2")
    at = book["cells"].index(find(book, "kl_backward-answer"))
    by_hand = find(book, "kl_by_hand-answer")
    by_hand |= {"cell_type": "markdown", "source": find(answers, "kl_by_hand-answer")["source"]}
    for key in ("execution_count", "outputs"):
        del by_hand[key]
    book["cells"][at:at] = [twice, code("%matplotlib inline\n!ls\nthis is no Python")]
    of_nobody = code("x = 1", nbgrader={"grade": True, "grade_id": "of-nobody", "schema_version": 99, "points": 7})
    book["cells"] += [code(second), of_nobody, code("y = 1", nbgrader=7), code(BACKWARD)]
    gone = {"about", "imports", "own_pair-statement", "own_pair-try", "kl_by_hand--kl", "kl_by_hand--dmu", "own_pair--values"}
    book["cells"] = [cell for cell in book["cells"] if cell["id"] not in gone]
    for cell in book["cells"]:
        if (said := cell["metadata"].get("nbgrader")) and cell["id"].startswith("kl_backward--"):
            said |= {"grade": False, "points": 0, "grade_id": "kl_backward--values"}
            cell |= {"id": "same", "source": "nothing"}
    return book


def written(book, path):
    """The file of a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book), encoding="utf-8")
