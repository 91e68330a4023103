"""Layer 5, course: the statements of a student's file that are kept, what is said of others, and the time that one may take."""

import sys

import pytest
from test_course_jail import GIVEN
from test_course_submission import collected, run

from tinyvae.course.jail import Child
from tinyvae.course.variants import families, make
from tinyvae.exercises import sheet
from tinyvae.exercises.source import tasks


@pytest.mark.parametrize(
    "cell, name, value",
    [
        ("from types import SimpleNamespace\ndef f(): return 3\nA = SimpleNamespace(forward=f)\nk = A.forward()", "k", 3),
        ("from collections import namedtuple\nCache = namedtuple('Cache', 'x w')\nk = Cache(1, 2).w", "k", 2),
        ("from dataclasses import dataclass\n@dataclass\nclass Conf:\n    k: int = 3\nCONF = Conf()\nCONF.k = 5\nk = CONF.k", "k", 5),
        ("class Sampler:\n    def __init__(self, k): self.k = k\n    def __call__(self): return self.k\nsampler = Sampler(3)\nk = sampler()", "k", 3),
        ("k = {k: 1 / k for k in (1, 2) if k}", "k", {1: 1, 2: 0.5}),
        ("k = {w for row in [[1], [2]] for w in row} | set(sorted(zip([3], [4]))[0])", "k", {1, 2, 3, 4}),
        ("m = (-2, 2)\nk = tuple(x / 2 for x in m)", "k", (-1, 1)),
        ("k = np.array([1, 2, 3]).reshape(1, 3).tolist()", "k", [[1, 2, 3]]),
        ("rng = np.random.default_rng(0)\nk = rng.standard_normal(2)[0] == np.random.default_rng(0).standard_normal(2)[0]", "k", True),
        ("from functools import partial, lru_cache\ndef f(a, k): return a * k\nf = lru_cache(f)\ng = partial(f, k=5)\nk = g(2)", "k", 10),
        ("v = np.vectorize(lambda x: x + late)\nlate = 1\nk = int(v(1))", "k", 2),
        ("def root(k): return 1 / k\nk = root(5)", "k", 0.2),
        ("def make(k):\n    def back(x): return x / k\n    return back\nback = make(2)\nk = back(3)", "k", 1.5),
        ("CONF = {}\nCONF['k'] = 5\nCONF['k'] += 1\nk = CONF['k']", "k", 6),
        ("CONF = {}\nCONF['k'] = LATE\nLATE = 5", "CONF", {"k": 5}),
        ("(k, (a, *b)) = (1, (2, 3, 4))\nk += b[1]", "k", 5),
        ("from numpy import *\nk = float(log(exp(float64(2))))", "k", 2),
        ("try:\n    from nowhere_to_be_found import expit\nexcept ImportError:\n    def expit(x):\n        return x\nk = expit(4)", "k", 4),
        ("import sys\nif sys.version_info > (3,):\n    def f(): return 1\nelse:\n    def f(): raise ValueError\nk = f()", "k", 1),
        ("with np.errstate(all='ignore') as state:\n    K = np.log(0.0)\n    k = bool(K < 0)\n    k += 1", "k", 2),
        ("k = [(n := 3), n][1]\nk = f'{n:02d}' + '; '.join(['a'])", "k", "03a"),
    ],
)
def test_honest_code_is_kept_and_works(cell, name, value):
    code, _ = collected(cell)
    assert run(code)[name] == value


@pytest.mark.parametrize(
    "cell, why",
    [
        ("k = open('a').read()", "it calls open"),
        ("with open('a') as f:\n    k = f.read()", "it calls open"),
        ("k = [input() for _ in range(3)]", "it calls input"),
        ("k = other.thing(3)", "it needs other, which nothing kept defines"),
        ("k += 1", "it needs k, which"),
        ("if True:\n    k = 1\n    print(k)", "it stands beside what is run for its effects"),
        ("from .neighbour import k", "it imports from a folder"),
    ],
)
def test_what_is_left_out_is_named_and_so_is_what_uses_it(cell, why):
    code, notes = collected("def f():\n    return k", cell)
    assert "k" not in run(code) and notes[0] == "f uses k, which was left out."
    assert notes[1].startswith("Cell 2: `k` was left out (" + why)
    if cell != "k += 1":
        assert collected("k = 3", cell)[1][-1].endswith(" k stays what another line sets.")


@pytest.mark.parametrize("cell", ["for i in range(3):\n    k = i", "while k: pass", "del k", "if __name__ == '__main__':\n    k = 3", "k = yield", "k = await f()", "f(k)"])
def test_what_is_run_for_its_effects_is_not_kept(cell):
    code, _ = collected("def f(k): return k", cell)
    assert code == "def f(k): return k\n"


def test_every_name_of_every_stub_is_kept():
    """As it is handed out, under the imports of its notebook; graded ones at two seeds."""
    stubs = {task.id: sheet.stub(task) for task in tasks().values()}
    stubs |= {f"{name} {seed}": sheet.stub(make(path, seed)) for name, path in families().items() for seed in (1, 2)}
    assert len(stubs) > 130
    for name, stub in stubs.items():
        source = "import numpy as np\n\nfrom tinyvae import check\n" + stub
        code, notes = collected(source)
        assert set(run(source)) == set(run(code)) and not notes, name


def test_a_name_that_is_tried_again_and_again_gets_one_note():
    """Of what answers, every one is told; of calls that try it (`out = f(x)`), all in one sentence."""
    code, notes = collected("def f(x): return x", "out, z = f(1), f(2)", "out, z = f(3), f(4)", "k = 1\nk = 2", "f = abs(f) if k == 1 else f\nk += 1")
    assert run(code)["out"] == 3 and len(notes) == 2
    assert notes[0].startswith("k is defined 2 times") and notes[1] == "Set more than once, by calls in different words: out, z. The last one counts."


def test_blocks_as_deep_as_the_parser_takes_them_are_looked_at_quickly():
    """A chain of `elif` is as deep as it is long, and is looked at to a depth."""
    chain = "if 0:\n    k = 0\n" + "".join(f"elif {i}:\n    k = {i}\n" for i in range(1, 200))
    code, notes = collected(chain, "x = 1")
    assert code == "x = 1\n" and len(notes) == 1
    assert run(collected("if 0:\n    k = 0\nelif 1:\n    k = 1\nelse:\n    k = 2")[0])["k"] == 1


# ---- a statement's own time -------------------------------------------------------------------------

TRAINING = """import numpy as np
def train():
    while True:
        try:
            np.ones(3) + 1
        except Exception:
            pass
history = train()
import asyncio, unittest.mock, xml.dom.minidom
def f():
    return 7
k = f()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no timer there")
def test_a_training_costs_itself_alone():
    with Child(TRAINING, jail="none", seconds=20, cpu=4) as child:
        assert child.value("k") == 7 and child.call("f") == 7 and "history" not in child.names
        assert child.fault.words.startswith("took longer than half a second") and child.fault.line == "history = train()"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no timer there")
def test_many_trainings_end_soon():
    with Child("def wait():\n    while True: pass\n" + "x = wait()\n" * 50 + "y = 1", jail="none", seconds=30, cpu=6) as child:
        assert child.value("y") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no timer there")
def test_the_timer_is_given_back():
    source = "import signal\ndef timer():\n    return signal.getitimer(signal.ITIMER_PROF)[0], signal.getsignal(signal.SIGPROF) is signal.SIG_DFL\n"
    with Child(source, jail="none", seconds=20) as child:
        assert child.call("timer") == (0.0, True)


def test_what_is_not_there_fails_in_a_try_so_that_what_stands_in_for_it_counts():
    source = "try:\n    import scipy.special as s, numpy as n\n    from scipy.special import expit\nexcept ImportError:\n    def expit(x):\n        return n.ones(x)\n"
    inside = "def f():\n    try:\n        import torch\n    except ImportError:\n        return 2\n"
    with Child(source + inside + "try:\n    import tinyvae.gaussian as g\nexcept ImportError:\n    g = None\n", GIVEN, "none") as child:
        assert child.call("expit", 3).tolist() == [1, 1, 1] and child.call("f") == 2 and "g" not in child.names and not child.fault
