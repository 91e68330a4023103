"""What a submission may try against its judge: each attempt is judged by its effect, in every jail that this machine has."""

import contextlib
import io
import itertools
import os
import platform
import secrets
import socket
import struct
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from jail_frames import FORGED, answer

from tinyvae.course.jail import JAILS, PACKAGE, Child, Jailed, Raised, best_jail
from tinyvae.course.wire import frame

resource = pytest.importorskip("resource", reason="jails are there on Linux alone")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="jails are there on Linux alone")]

HALF = "the answer is "  # what the child may know of the marker
ATTACKS = Path(__file__).with_name("files").joinpath("jail_attacks.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=JAILS)
def child(request):
    """One child in each jail; "other user" is tried with files that are closed to others."""
    os.environ["TINYVAE_TEST"] = secret = HALF + secrets.token_hex(8)
    try:
        with Child(ATTACKS, jail=request.param, seconds=60, memory=1 << 29) as made:
            made.secret = secret
            yield made
    except Jailed as error:
        pytest.skip(str(error))
    finally:
        del os.environ["TINYVAE_TEST"]


@pytest.fixture(scope="module")
def best():
    if best_jail() == "none":
        pytest.skip("this machine has no jail")


def other_user(child):
    return child.jail == "other user + seccomp"


@pytest.fixture
def folder(child, tmp_path):
    """A lecturer's folder: closed where the jail relies on that."""
    tmp_path.chmod(0o700 if other_user(child) else 0o755)
    (tmp_path / "key").write_text(child.secret, encoding="utf-8")
    return tmp_path


# ---- out of the jail ---------------------------------------------------------------------------------


def test_no_file_is_read(child, folder):
    parent = f"/proc/{os.getpid()}"
    paths = [folder / "key", f"{parent}/mem", f"{parent}/environ", f"{parent}/maps", "/etc/shadow"]
    with open(folder / "key", encoding="utf-8") as key:
        paths += [f"{parent}/fd/{key.fileno()}", f"/proc/self/../{os.getpid()}/fd/{key.fileno()}"]
        if not other_user(child):
            tasks = [path for path in PACKAGE.rglob("*.py") if "course" in path.parts or "tasks" in path.parts]
            paths += ["/etc/passwd", "/proc/self/environ", "/proc/self/maps", "/proc/self/mem", PACKAGE / "__init__.py", *tasks[::20]]
        assert child.call("reads", [str(path) for path in paths]) == []
    assert child.call("lists", [str(folder), *[str(PACKAGE)] * (not other_user(child))]) == []
    assert child.secret not in "".join(child.call("environment")) and not any(child.call("descriptors"))


def test_no_file_is_written(child, folder):
    victim = folder / "key"
    before = victim.stat(), sorted(os.listdir(folder)), set(os.listdir("/tmp")), set(os.listdir("/dev/shm"))
    child.call("writes", str(folder), str(victim))
    after = victim.stat(), sorted(os.listdir(folder)), set(os.listdir("/tmp")), set(os.listdir("/dev/shm"))
    fields = "st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ino", "st_nlink"
    assert [getattr(before[0], f) for f in fields] == [getattr(after[0], f) for f in fields] and before[1] == after[1]
    assert "x" not in (after[2] | after[3]) - (before[2] | before[3]) or other_user(child)
    assert victim.read_text(encoding="utf-8") == child.secret and os.listxattr(victim) == []


def test_no_process_is_started(child):
    assert child.call("processes") == []


def test_nothing_is_sent(child, tmp_path):
    with contextlib.ExitStack() as stack:
        tcp, udp = (stack.enter_context(socket.socket(socket.AF_INET, kind)) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        path = str(tmp_path / "s")
        for server, address in ((tcp, ("127.0.0.1", 0)), (udp, ("127.0.0.1", 0)), (unix, path)):
            server.bind(address)
            server.setblocking(False)
        tcp.listen(), unix.listen()
        with contextlib.suppress(Raised):  # where that user cannot read the module socket
            assert child.call("sends", tcp.getsockname()[1], udp.getsockname()[1], path) == []
        for server in (tcp, unix):
            with pytest.raises(BlockingIOError):
                server.accept()
        with pytest.raises(BlockingIOError):
            udp.recv(1)


def test_no_other_process_is_reached(child):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as victim:
        try:
            state = [resource.prlimit(victim.pid, resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, victim.pid), os.sched_getaffinity(victim.pid)]
            assert child.call("signals", victim.pid) == []
            time.sleep(0.05)
            assert victim.poll() is None and os.sched_getscheduler(victim.pid) == os.SCHED_OTHER
            assert state == [resource.prlimit(victim.pid, resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, victim.pid), os.sched_getaffinity(victim.pid)]
        finally:
            victim.kill()


def test_nothing_of_the_answers_is_in_its_memory(child):
    answer, array = child.secret, np.frombuffer(child.secret.encode(), np.uint8)
    assert child.call("asks", lambda x: len(answer) + array[x]) > 0
    size, found = child.call("knows", HALF)
    assert size > 10000 and not [words for words in found if answer[len(HALF) :] in words]
    assert child.call("knows", HALF[:-1])[1]  # the search finds what is there: the half itself


def test_the_package_cannot_be_imported(child):
    if other_user(child):
        pytest.skip("it is closed to that user, or the jail is not offered")
    with Child(ATTACKS, jail=child.jail) as made, pytest.raises(Raised) as caught:
        made.call("package", str(PACKAGE.parent))
    assert caught.value.kind in ("ModuleNotFoundError", "PermissionError", "ImportError")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of that machine")
def test_the_other_doors_of_the_kernel_are_shut(child):
    source = "import ctypes\nlibc = ctypes.CDLL(None)\ndef does(n, *args):\n    return libc.syscall(n, *args)"
    with Child(source, jail=child.jail) as made:
        x32, doors = 0x40000000, {"io_uring": (425, 4, 0), "bpf": (321, 0, 0, 0), "keys": (248, 0, 0, 0, 0, 0), "faults": (323, 0), "perf": (298, 0, 0, 0, 0, 0)}
        doors |= {"x32 getpid": (x32 | 39,), "shared": (29, 0, 4096, 0o1600), "queue": (68, 0, 0o1600), "watch": (253,), "a newer one": (462, 0, 0, 0)}
        assert {name for name, args in doors.items() if made.call("does", *args) != -1} == set()
        assert made.call("does", 39) > 0  # getpid: what is open is open


MACHINES = {  # number of the machine; calls that are allowed, refused, unknown; clone and fcntl
    "x86_64": (0xC000003E, (0, 1, 2, 3, 9, 11, 12, 39, 202, 257, 318), (41, 57, 58, 59, 62, 90, 101, 155, 310, 319, 425, 434), 56, 72),
    "aarch64": (0xC00000B7, (56, 57, 63, 64, 98, 172, 214, 222, 278), (198, 221, 129, 53, 117, 41, 270, 279, 425, 434), 220, 25),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_says_what_its_table_says(machine, monkeypatch):
    """Run by hand: the machine that the tests run on has one kind of numbers."""
    locks = {"os": os, "sys": sys, "struct": struct}
    exec((PACKAGE / "course" / "inside" / "locks.py").read_text(encoding="utf-8"), locks)  # noqa: S102
    monkeypatch.setattr(os, "uname", lambda: types.SimpleNamespace(machine=machine))
    audit, allowed, refused, clone, fcntl = MACHINES[machine]
    asked = [(n, audit, n, 0, 0) for n in (*allowed, *refused, 435, 451, 0x40000002)]
    asked += [("thread", audit, clone, 0x3D0F00, 0), ("fork", audit, clone, 17, 0), ("other machine", 0x40000003, 0, 0, 0)]
    asked += [(f"fcntl {n}", audit, fcntl, 0, n) for n in (3, 4, 8, 10, 15)]
    found = {name: verdict(locks["program"](), *words) for name, *words in asked}
    assert {name for name, word in found.items() if word == 0x7FFF0000} == {*allowed, "thread", "fcntl 3", "fcntl 4"}
    assert {name for name, word in found.items() if word == 0x50026} == {435, 451, 0x40000002}


def verdict(program, machine, number, first, second):
    """What a filter returns for a system call."""
    data, at, held = struct.pack("<IIQQQ", number, machine, 0, first, second), 0, 0
    tests = {0x15: lambda k: held == k, 0x35: lambda k: held >= k, 0x25: lambda k: held > k, 0x45: lambda k: held & k}
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, k)
        else:
            at += yes if tests[code](k) else no


def test_memory_and_floods_are_bounded(child):
    for name in ("huge", "grows"):
        with pytest.raises((Raised, Jailed)):
            child.call(name)
        assert child.alive and child.call("honest") == 1
    assert child.call("floods") == "done" and len(child._prints.kept) <= 16000 and len(child.printed) == 4000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20  # KB


# ---- forged answers ----------------------------------------------------------------------------------


def fed(data, monkeypatch):
    """A Child without a process, whose pipe holds these bytes."""
    monkeypatch.setattr(Child, "close", lambda self: None)
    made, pipe = object.__new__(Child), io.BytesIO(data)

    def read(size, ends):
        got = pipe.read(size)
        if len(got) < size:
            raise EOFError
        return got

    stub = types.SimpleNamespace(stdin=types.SimpleNamespace(write=len), wait=lambda seconds: 0, returncode=0)
    vars(made).update(_over=None, _seconds=1, _cpu=1, _number=0, _functions={}, _numbers=itertools.count(), _ends=time.monotonic() + 1)
    vars(made).update(_answers=types.SimpleNamespace(read=read), _process=stub)
    return made


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_frame_is_no_answer_and_no_exception_of_the_judge(name, monkeypatch):
    lent, rng = np.ones(3), np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises(Jailed) as caught:
        fed(FORGED[name], monkeypatch).call("f", lent, rng)
    assert caught.value.reason == ("ended" if name in ("half a frame", "half a length", "nothing", "65 MB") else "answer")
    assert lent.tolist() == [1, 1, 1] and rng.bit_generator.state == before


def test_words_that_come_back_can_be_written(monkeypatch):
    bad = "\ud800x"
    assert fed(answer([bad, {"d": {bad: 1}}]), monkeypatch).call("f") == ["?x", {"?x": 1}]
    with pytest.raises(Raised) as caught:
        fed(frame({"n": 1, "raised": [bad * 999, bad * 999, bad * 999]}, []), monkeypatch).call("f")
    assert str(caught.value).encode() and [len(w) for w in (caught.value.kind, caught.value.words, caught.value.line)] == [100, 300, 300]


def reached(child, name, *args):
    """What a call gives: a value, or why there is none."""
    try:
        return child.call(name, *args)
    except (Jailed, Raised) as error:
        return type(error).__name__


def test_frames_written_from_inside_a_call_decide_nothing(best):
    """Two for one call, one before it is asked, a half one, one in a thread: values of its own at most, then no answer."""
    for data in (answer(42), answer(42) + answer(43, n=2), answer(42)[:9], answer(42, n=2), FORGED["4 GB"], b"\0" * 8):
        with Child(ATTACKS, seconds=3) as child:
            first = reached(child, "writes_frames", np.frombuffer(data, np.uint8))
            second = reached(child, "honest", 5)
        assert (first, second) in [(42, "Jailed"), (42, 43), ("Jailed", "Jailed")]
    with Child(ATTACKS, seconds=3) as child:
        child.call("stays", np.frombuffer(answer(42, n=3), np.uint8))
        time.sleep(0.3)
        assert [reached(child, "honest", 5) for _ in range(2)] in (["Jailed", "Jailed"], [5, 5])


def test_a_child_that_does_not_read_is_ended(best):
    """It gives an answer and stops: what is sent next is more than the pipe holds."""
    with Child(ATTACKS, seconds=1.5) as child:
        assert child.call("sulks", np.frombuffer(answer(42), np.uint8)) == 42
        with pytest.raises(Jailed) as caught:
            child.call("honest", np.ones(1 << 20))
        assert caught.value.reason == "time"


def test_a_frame_written_while_it_loads_is_no_list_of_names(best):
    for data in (answer(42), frame({"names": {"f": "answer"}}, []), frame({"names": 3}, []), frame({"locked": True}, [])):
        with pytest.raises(Jailed):
            Child(f"import os\nfor n in range(3, 64):\n    try:\n        os.write(n, {data!r})\n    except OSError:\n        pass")


def test_leaving_ends_the_child_and_gives_nothing(best):
    for how, wanted in (("_exit", "Jailed"), ("abort", "Jailed"), ("exit", "Raised")):
        with Child(ATTACKS, seconds=5) as child:
            start = time.monotonic()
            assert reached(child, "leaves", how) == wanted and time.monotonic() - start < 3
    for source in ("import os\nos._exit(0)", "import atexit, os\natexit.register(print, 1)\nos.close(0)\nfor n in range(3, 64):\n    try:\n        os.close(n)\n    except OSError:\n        pass"):
        with pytest.raises(Jailed) as caught:
            Child(source, seconds=5)
        assert caught.value.reason == "ended"


def test_what_it_replaces_in_itself_harms_itself_alone(best):
    for line in ("np.asarray = lambda *a, **k: 42", "json.dumps = lambda *a, **k: '[' * 9999", "struct.pack = lambda *a: b'x' * 9",
                 "sys.modules['numpy'] = None; sys.meta_path.insert(0, None)", "builtins.isinstance = lambda *a: True", "os.write = lambda n, data: len(data)"):
        source = f"import builtins, json, os, struct, sys\nimport numpy as np\ndef f(x):\n    return x * 2\n{line}\n"
        try:
            with Child(source, seconds=1.5) as child:
                assert str(reached(child, "f", np.ones(2))) in ("Jailed", "Raised", "42", "[2. 2.]")
        except Jailed:
            pass


def test_the_judge_closes_its_memory_to_its_own_user():
    code = "import ctypes; from tinyvae.course import process; process.undumpable(); print(ctypes.CDLL(None).prctl(3))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "0"
