"""A student's code in a child process, behind a pipe and locks; the answers stay here.

The child is sent a source and inputs, and sends back values: data of an adversary, checked and bounded (see `wire`).
"""

import contextlib
import functools
import itertools
import queue
import subprocess
import threading
import time
import types
from pathlib import Path

from .outcomes import SENTENCES, Held, HeldTuple, Jailed, Raised
from .process import (
    PRINTED,
    Answers,
    Prints,
    command,
    kill,
    options,
    out_of_time,
    program,
    undumpable,
)
from .wire import Reader, Writer, frame, receive, words

PACKAGE = Path(__file__).resolve().parents[1]
JAILS = ("bwrap + landlock + seccomp", "bwrap + seccomp", "landlock + seccomp", "other user + seccomp")  # strongest first


class Child:
    """A student's module in a process of its own.

    Parameters
    ----------
    source : str
        The student's code.
    given : dict, optional
        {module name: source} of what the code may import beside NumPy and the standard library.
    jail : str, optional
        One of `JAILS`, or "none": limits, but no locks. Default: the best there is.
    seconds, cpu : float
        Of the clock, for the whole life of the child, and of computing (two more, unless given).
    memory : int
        Bytes of address space.

    Raises
    ------
    Jailed
        If the child cannot be started or ends while the source loads.
    Raised
        If the source raises while it loads.
    ValueError
        If there is no such jail.
    """

    def __init__(self, source, given=None, jail=None, seconds=5.0, memory=1 << 29, cpu=None):
        self.jail = best_jail() if jail is None else jail
        if self.jail not in (*JAILS, "none"):
            raise ValueError(f"jail must be one of {', '.join(JAILS)} or none, got {jail!r}")
        self._over, self._seconds, self._cpu, self._number = None, seconds, cpu or seconds + 2, 0
        self._functions = {}  # {number: function} that the child may ask for now
        self._numbers = itertools.count()
        undumpable()
        self._begin(int(memory))
        try:
            self._write(frame({"given": given or {}}, [source.encode("utf-8", "surrogatepass")]))
            with self._reading():
                self._names(receive(self._read)[0])
        except BaseException:
            self.close()
            raise

    def _begin(self, memory):
        """Start the process; Jailed("start") where it does not come to shut its locks."""
        text = program()
        self._ends = time.monotonic() + self._seconds
        try:
            self._process = subprocess.Popen(command(self.jail, len(text), self._cpu, memory), **options())
        except OSError as error:
            raise Jailed("start", f"the jail {self.jail} cannot be started: {error}") from None
        self._watchdog = threading.Timer(self._seconds, kill, [self._process])  # also while the child does not read
        self._watchdog.daemon = True
        self._watchdog.start()
        self._answers, self._prints = Answers(self._process.stdout), Prints(self._process.stderr)
        try:
            self._write(text)
            header, _ = receive(self._read)
        except Exception:  # noqa: BLE001 - whatever it is, no locks are shut
            header = {}
        if "locked" not in header:
            if time.monotonic() >= self._ends:
                self._fail("ended")  # it had no time left to begin
            self.close()
            why = header.get("unlocked") or self.printed.strip()[-300:] or "no answer"
            raise Jailed("start", f"the jail {self.jail} cannot be started: {why}")

    def _names(self, header):
        """Keep what the source defines, or raise what it raised."""
        if "raised" in header:
            raise Raised(*header["raised"])
        if not set(header["names"].values()) <= {"function", "class", "value"}:
            raise ValueError("no names")
        self.names = {words(name, 300): kind for name, kind in header["names"].items()}
        self.fault = header["fault"] and Raised(*header["fault"])  # the first statement that failed

    # ---- what can be asked ---------------------------------------------------------------------

    def call(self, name, *args, **kwargs):
        """Call a function of the module.

        Raises
        ------
        Raised
            If the student's code raises.
        Jailed
            If there is no usable answer; the child is closed then, and every later call raises the same.
        TypeError, ValueError
            If an argument cannot be handed over.
        """
        mine = set(self._functions)
        writer = Writer(self._hand)
        try:
            header = {"call": name, "args": writer.node(list(args)), "kwargs": writer.node(kwargs)}
            return self._ask(header, writer)
        finally:
            self._functions = {number: self._functions[number] for number in mine}

    def value(self, name):
        """A constant of the module: a plain value, or Held."""
        return self._ask({"get": name}, Writer(self._hand))

    @property
    def printed(self):
        """The first 4,000 characters of what the code printed."""
        return bytes(self._prints.kept).decode("utf-8", "replace")[:PRINTED]

    @property
    def alive(self):
        """Whether the child can be asked."""
        return self._over is None and self._process.poll() is None

    def close(self):
        """End the child."""
        if self._over is None:
            self._over = "ended"
        self._watchdog.cancel()
        kill(self._process)
        self._process.wait()
        self._process.stdin.close()
        self._answers.drop()
        self._prints.thread.join(0.5)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # ---- the pipe ------------------------------------------------------------------------------

    def _ask(self, header, writer):
        """Send a question, serve what the child asks meanwhile, and return the answer."""
        self._number += 1
        number = self._number
        self._write(frame({"n": number, **header}, writer.parts))
        while True:
            with self._reading():
                header, body = receive(self._read)
                if header["n"] != number:
                    raise ValueError("an answer to another question")
                if "raised" in header:
                    raise Raised(*header["raised"])
                reader = Reader(body, self._known)
                if "ask" not in header:
                    value = reader.value(header["value"])
                    reader.take_back(writer.lent, header["changed"])
                    return value
                function = self._functions[header["ask"]]
                args, kwargs = reader.value(header["args"]), reader.value(header["kwargs"])
            self._serve(number, function, args, kwargs, reader)

    def _serve(self, number, function, args, kwargs, reader):
        """Call a function for the child; what it raises is raised there."""
        writer = Writer(self._hand)
        try:
            node = writer.node(function(*args, **kwargs))
            data = frame({"n": number, "value": node, "changed": writer.changes(reader.borrowed)}, writer.parts)
        except Jailed:
            raise
        except Exception as error:  # noqa: BLE001 - the arguments are the child's
            data = frame({"n": number, "raised": [type(error).__name__, str(error)[:300]]}, [])
        self._write(data)

    def _hand(self, writer, value, deep):
        """The node of what is handed to the child beside plain values."""
        if isinstance(value, Held):
            return {"h": [value.number]}
        if isinstance(value, tuple):
            return {"t": [writer.node(item, deep + 1) for item in value]}
        if isinstance(value, types.SimpleNamespace):
            return {"n": {name: writer.node(item, deep + 1) for name, item in vars(value).items()}}
        if isinstance(getattr(value, "own", None), str):
            return {"own": value.own}
        if not callable(value):
            raise TypeError(f"{type(value).__name__} cannot be handed to a child: numbers, words, arrays, lists, dicts and functions can")
        number = next(self._numbers)
        self._functions[number] = value
        return {"f": number}

    def _known(self, reader, tag, inside, deep):
        """The value of what the child hands over beside plain values."""
        if tag == "f":
            return self._functions[inside]
        if tag != "h":
            raise ValueError("no value")
        number, kind, items = inside
        if type(number) is not int:
            raise ValueError("no number")
        kind = words(kind, 100)
        return Held(number, kind) if items is None else HeldTuple([reader.value(item, deep + 1) for item in items], number, kind)

    @contextlib.contextmanager
    def _reading(self):
        """Whatever a malformed frame provokes is no answer."""
        try:
            yield
        except (Jailed, Raised):
            raise
        except Exception:  # noqa: BLE001
            self._fail("answer")

    def _read(self, size):
        try:
            return self._answers.read(size, self._ends)
        except (EOFError, queue.Empty):
            self._fail("ended")

    def _write(self, data):
        if self._over:
            self._fail(self._over)
        data = memoryview(data)
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except (OSError, ValueError):  # it has gone
            self._fail("ended")

    def _fail(self, reason):
        """Close the child and say why."""
        if self._over is None:
            self._over = "time" if reason == "ended" and (time.monotonic() >= self._ends or out_of_time(self._process)) else reason
            self.close()
        raise Jailed(self._over, SENTENCES[self._over].format(seconds=min(self._seconds, self._cpu))) from None


# ---- which jails there are -----------------------------------------------------------------------


def files(path):
    """A path and, of a folder, what is in it: at most a thousand."""
    return [str(path), *map(str, itertools.islice(Path(path).rglob("*"), 1000))]


@functools.cache
def probe():
    """The text of what reaches for what is closed."""
    return Path(__file__).with_name("inside").joinpath("probe.py").read_text(encoding="utf-8")


@functools.cache
def works(jail, closed=()):
    """Whether a jail holds here: a child starts in it, answers, and from inside reaches none of what is closed."""
    paths = [found for path in (PACKAGE, *closed) for found in files(path)]
    if "other user" not in jail:
        paths.append("/etc/passwd")
    try:
        with Child(probe(), jail=jail, seconds=10) as child:
            return child.call("reached", paths) == []
    except (Jailed, Raised):
        return False


def jails(closed=()):
    """The jails that work here, strongest first: each was tried.

    Parameters
    ----------
    closed : sequence of paths
        Files and folders that must not be readable from inside, beside the package itself: an assignment's.
    """
    return [jail for jail in JAILS if works(jail, tuple(map(str, closed)))]


def best_jail(closed=()):
    """The strongest jail that works here, or "none"."""
    return next((jail for jail in JAILS if works(jail, tuple(map(str, closed)))), "none")
