"""The child in its jail: values both ways, errors, limits, platforms. What it must not do is in test_course_attacks."""

import os
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np
import pytest

from tinyvae.course import jail as jailing
from tinyvae.course import process, wire
from tinyvae.course.jail import JAILS, Child, Held, Jailed, Raised, best_jail, jails

SOURCE = Path(__file__).with_name("files").joinpath("jail_answers.txt").read_text(encoding="utf-8")
GIVEN = {"tinyvae.gaussian": "def kl_forward(x):\n    return x + 1\n"}


@pytest.fixture(scope="module", params=[pytest.param(jail, marks=() if jail == best_jail() else pytest.mark.slow) for jail in (*JAILS, "none")])
def child(request):
    try:
        with Child(SOURCE, GIVEN, request.param, seconds=60) as made:
            yield made
    except Jailed as error:
        pytest.skip(str(error))


def again(child, value):
    return child.call("same", value)[0]


# ---- values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2**200, -1.5, "Müller \0 \"", [], (), (1, [2.0, (None,)]), {"a": {"ü": (1,)}}, [True, "x"]],
    ids=repr,
)
def test_plain_values_come_back_as_they_are(child, value):
    assert again(child, value) == value and repr(again(child, value)) == repr(value)


def test_arrays_come_back_with_dtype_shape_and_every_bit(child):
    rng = np.random.default_rng(0)
    for dtype in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"):
        for shape in ((), (0,), (3,), (2, 0, 5), (5, 3)):
            sent = np.asarray(10 * rng.random(shape)).astype(dtype)
            got = again(child, sent)
            assert type(got) is np.ndarray and got.dtype == sent.dtype and got.shape == shape and got.tobytes() == sent.tobytes() and got.flags.writeable
    odd = again(child, np.array([np.nan, np.inf, -0.0]))
    assert np.isnan(odd[0]) and odd[1] == np.inf and np.signbit(odd[2])
    assert np.isnan(again(child, float("nan"))) and again(child, float("-inf")) == -np.inf
    assert type(again(child, np.float32(2))) is np.float32 and type(again(child, np.bool_(True))) is np.bool_
    assert np.array_equal(again(child, np.arange(6).reshape(2, 3).T), np.arange(6).reshape(2, 3).T)


def test_the_child_sees_the_types_that_were_sent(child):
    args = None, True, 1, 1.0, "s", (), [], {}, np.ones(2), np.float64(1), np.random.default_rng(0), types.SimpleNamespace(a=1)
    wanted = ["NoneType", "bool", "int", "float", "str", "tuple", "list", "dict", "ndarray", "float64", "Generator", "SimpleNamespace"]
    assert child.call("kinds", *args) == wanted
    assert child.call("same", 1, key=(2,)) == ((1,), {"key": (2,)})


def test_what_is_like_an_array_comes_as_a_plain_one(child):
    x = np.arange(6.0).reshape(2, 3)
    *arrays, single, yes, word = child.call("strange", x)
    assert all(type(a) is np.ndarray and np.array_equal(a, x) and a.dtype.isnative and a.flags.writeable for a in arrays)
    assert type(single) is np.float32 and type(yes) is np.bool_ and word == "s"


def test_changes_in_place_and_draws_are_seen_here(child):
    theta, rng, twin = np.ones((2, 3)), np.random.default_rng(5), np.random.default_rng(5)
    rng.integers(9, dtype=np.int32), twin.integers(9, dtype=np.int32)  # half of a draw waits for the next
    assert np.array_equal(child.call("in_place", theta.T, rng), twin.standard_normal(3))
    assert np.array_equal(theta, np.full((2, 3), 2.0)) and rng.bit_generator.state == twin.bit_generator.state
    closed = np.broadcast_to(1.0, (2,))
    with pytest.raises(Raised, match="read-only"):
        child.call("in_place", closed, rng)


def test_objects_stay_there_and_are_the_very_objects_when_they_come_back(child):
    x = np.arange(3.0)
    out, cache, function, layer, objects = child.call("forward", x)
    assert np.array_equal(out, x * 2) and isinstance(cache, Held) and isinstance(cache, tuple) and cache[1] == 3 and cache.kind == "Cache"
    assert [type(h) for h in (function, layer, objects)] == [Held] * 3 and layer.kind == "Layer"
    assert np.array_equal(child.call("backward", np.ones(3), cache, function, layer, objects), x * 6)
    assert isinstance(child.call("Layer", x), Held)
    found = child.call("deep")
    while type(found) is list:
        (found,) = found
    assert isinstance(found, Held)


# ---- functions of the parent ---------------------------------------------------------------------


def test_functions_are_called_here_while_a_call_runs(child):
    space = types.SimpleNamespace(g=lambda x: [x.sum()], number=7)
    seen = []

    def f(x, k):
        seen.append((x.copy(), k))
        x += 1
        return child.call("same", k)  # and may call the module

    x = np.ones(2)
    values = child.call("asks", f, space, x)
    assert values[:3] == ((2,), [8.0], 7) and values[3] is f and seen[0][1] == 2 and np.array_equal(seen[0][0], [3, 3])
    assert np.array_equal(x, [4, 4])
    rng = np.random.default_rng(1)
    assert child.call("draws", lambda r: r.random()) == (rng.random(), rng.random())
    assert child.call("tries", lambda: 1 / 0) == "division by zero"
    with pytest.raises(Raised, match="TypeError"):
        child.call("tries", lambda: 1j)


def test_its_own_functions_go_back_by_name(child):
    own = type("Own", (), {"own": "says", "__call__": None})()
    assert child.call("kinds", own) == ["function"]


# ---- names, errors, what is printed -----------------------------------------------------------------


def test_names_and_constants(child):
    assert child.names["forward"] == "function" and child.names["Layer"] == "class" and child.names["KL"] == "value"
    assert not {"np", "plt", "check", "g", "other"} & set(child.names)
    assert child.value("KL") == np.log(2) and child.value("WORD") == "Müller" and child.value("MASK").tolist() == [True, False]
    assert isinstance(child.value("forward"), Held)


def test_errors_come_with_kind_words_and_the_students_line(child):
    for name in ("breaks", "wraps"):
        with pytest.raises(Raised) as caught:
            child.call(name, 1)
        assert (caught.value.kind, caught.value.line) == ("AttributeError", "return x.nope  # here") and "nope" in caught.value.words
    for name, kind in (("big", "ValueError"), ("complex_one", "TypeError"), ("nowhere", "AttributeError")):
        with pytest.raises(Raised) as caught:
            child.call(name)
        assert caught.value.kind == kind
    assert again(child, 1) == 1  # and it lives


def test_what_is_not_there_can_be_imported_and_not_be_used(child):
    for name in ("check", "erf", "plot", "other", "g"):
        with pytest.raises(Raised, match="is not there when work is graded") as caught:
            child.call("uses", name)
        assert caught.value.kind == "ImportError"
    assert child.call("kl_forward", 1) == 2


def test_what_is_loaded_late_is_there(child):
    assert child.call("late") == (1.0, 3.0, np.random.default_rng(0).random(), 1.0)
    if child.jail != "other user + seccomp":  # where that user may read the standard library
        assert child.call("testing") == 2


def test_what_cannot_be_handed_over_is_refused_here(child):
    for wrong in (1j, np.ones(2) * 1j, object(), np.array([None]), {1: 2}, np.random.Generator(np.random.MT19937(0)), np.ones(9 << 20)):
        with pytest.raises((TypeError, ValueError)):
            child.call("same", wrong)
    assert again(child, 1) == 1


def test_the_head_of_what_is_printed_is_kept():
    with Child(SOURCE, GIVEN) as child:
        child.call("says", 5000)
    assert child.printed == "é" * 4000


def test_an_error_while_loading_costs_a_statement():
    with Child("x = 1\ny = 1 / 0\nz = x + 1\nw = y") as child:
        assert child.value("z") == 2 and set(child.names) == {"x", "z"}
        assert (child.fault.kind, child.fault.line) == ("ZeroDivisionError", "y = 1 / 0"), "the first one"


def test_an_error_while_loading_is_the_students():
    for source, kind, line in (("y = 1 / 0\n", "ZeroDivisionError", "y = 1 / 0"), ("def f(:\n", "SyntaxError", "def f(:"), ("import sys\nsys.exit(3)", "SystemExit", "sys.exit(3)")):
        with pytest.raises(Raised) as caught:
            Child(source)
        assert (caught.value.kind, caught.value.line) == (kind, line)


def test_any_text_can_be_sent():
    """Five million characters are code; half a character is an error of its own."""
    with Child("x = 'ü'\n#" + "ü" * 5_000_000) as child:
        assert child.value("x") == "ü"
    with pytest.raises(Raised):
        Child("x = '\ud800'")


# ---- time, jails, platforms -----------------------------------------------------------------------


def test_a_loop_ends_with_the_time_and_every_later_call_at_once():
    start = time.monotonic()
    with Child(SOURCE, GIVEN, seconds=1.5) as child:
        for _ in range(2):
            with pytest.raises(Jailed) as caught:
                child.call("loops")
            assert caught.value.reason == "time" and "1.5 s" in str(caught.value)
        assert not child.alive and child.printed == "before\n" and time.monotonic() - start < 5
    with pytest.raises(Jailed):
        child.call("same")
    with pytest.raises(Jailed) as caught:
        Child("import time\ntime.sleep(60)", seconds=1)  # while it loads: computing ends sooner
    assert caught.value.reason == "time"


@pytest.mark.slow
@pytest.mark.parametrize("jail", [*JAILS, "none"])
def test_a_jail_is_offered_only_where_it_holds(jail, monkeypatch):
    """Another user may read a folder that is open to others: with that one it is no jail. Without locks there is none."""
    works = jailing.works.__wrapped__
    try:
        Child("", jail=jail).close()
    except Jailed as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="a b ü") as folder:
        Path(folder, "Müller.json").write_text("{}", encoding="utf-8")
        os.chmod(folder, 0o755)
        monkeypatch.setattr(jailing, "PACKAGE", folder)
        assert works(jail) is (jail in JAILS[:3])
        os.chmod(folder, 0o700)
        assert works(jail, (folder,)) is (jail in JAILS)


def test_the_best_jail_is_the_first_that_works(monkeypatch):
    assert best_jail() == [*jails(), "none"][0]
    monkeypatch.setattr(jailing, "works", lambda jail, closed: jail in JAILS[2:] and closed == ("a",))
    assert jails(["a"]) == [*JAILS[2:]] and best_jail(["a"]) == JAILS[2] and best_jail() == "none"
    with pytest.raises(ValueError, match="no such"):
        Child("", jail="no such")


def test_a_jail_that_cannot_be_shut_runs_nothing(monkeypatch, tmp_path):
    text = process.program().replace(b"def seccomp():", b"def seccomp():\n    raise OSError('broken')")
    monkeypatch.setattr(jailing, "program", lambda: text)
    with pytest.raises(Jailed) as caught:
        Child("open('x', 'w')", jail="landlock + seccomp")
    assert caught.value.reason == "start" and "broken" in str(caught.value) or sys.platform != "linux"


def test_without_locks_it_works_where_there_is_no_resource(monkeypatch):
    """As on Windows: no limits, no process group, no prctl."""
    text = b"import sys; sys.modules['resource'] = sys.modules['ctypes'] = sys.modules['pwd'] = None\n" + process.program()
    monkeypatch.setattr(jailing, "program", lambda: text)
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.setattr(process.sys, "platform", "win32")
    monkeypatch.delattr(process.os, "killpg", raising=False)
    with Child(SOURCE, GIVEN, "none", seconds=20) as child:
        assert np.array_equal(again(child, np.ones(3)), np.ones(3)) and "start_new_session" in process.options()
        assert process.options()["start_new_session"] is False


def test_the_distance_between_states_is_the_number_of_draws():
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state["state"]
    rng.random(1234)
    after = rng.bit_generator.state["state"]
    assert wire.steps(before["state"], after["state"], before["inc"]) == 1234
    assert wire.steps(before["state"], 12345, before["inc"]) > wire.FAR


@pytest.mark.slow
def test_computing_is_counted_and_waiting_is_not():
    """A busy machine takes longer on the clock; that must cost nobody an answer."""
    with Child("import time\n\ndef wait():\n    time.sleep(2.5)\n    return 1\n\ndef loop():\n    while True:\n        pass", seconds=20, cpu=1) as child:
        assert child.call("wait") == 1
        with pytest.raises(Jailed, match="within the 1 s") as caught:
            child.call("loop")
        assert caught.value.reason == "time"
