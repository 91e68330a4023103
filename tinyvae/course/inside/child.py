# The third part of the child's program, after wire.py and locks.py: loads a student's file and answers calls of what it defines.
# Until `load` this process is trusted; after it, nothing that it says is.

import __future__

import ast
import collections  # noqa: F401 - what students import most is loaded before the locks, as other users may not read it
import dataclasses  # noqa: F401
import functools
import importlib.machinery
import itertools  # noqa: F401
import linecache
import os
import random  # noqa: F401
import signal
import sys
import time
import traceback
import typing  # noqa: F401

FILE = "student.py"
FUTURE = functools.reduce(int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))
MOST, TOGETHER, LEAST = 0.5, 2.0, 0.02  # seconds of computing for a statement of a file, for all of them, and for one after that
SLOW = "took longer than half a second (or, with those above it, than 2 s), so it was left out"
IMPORTS = ast.Import, ast.ImportFrom


# ---- what can be imported ------------------------------------------------------------------------


class Missing:
    """A name that can be imported and not be used."""

    def __init__(self, name):
        self._name = name

    def __call__(self, *args, **kwargs):
        raise ImportError(f"{self._name} is not there when work is graded: only NumPy and what the task gives")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self._name}.{name}")

    def __mro_entries__(self, bases):
        return ()


class Room(types.ModuleType):
    """A module with what the task gives, in which every other name is there too, as a Missing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self.__name__}.{name}")


class Finder:
    """Answers every import but those of the standard library and of NumPy."""

    def __init__(self, given):
        self.given = given

    def find_spec(self, name, path=None, target=None):
        """None for what Python finds itself."""
        root = name.partition(".")[0]
        if root == "numpy" or root in sys.stdlib_module_names or root.startswith("_sysconfigdata"):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # what is below it may be asked for too

    def create_module(self, spec):
        """An empty room."""
        return Room(spec.name)

    def exec_module(self, module):
        """Fill it with what the task gives."""
        name = module.__name__
        if name in self.given:
            exec(compile(self.given[name], f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - sources of the task


# ---- the pipe ----------------------------------------------------------------------------------------


class Callback:
    """A function of the parent, which can be asked while a call runs."""

    def __init__(self, pipe, number):
        self._pipe, self._number = pipe, number

    def __call__(self, *args, **kwargs):
        return self._pipe.ask(self._number, args, kwargs)


class Pipe:
    """Reads what the parent asks and answers it."""

    def __init__(self, source, answers):
        self.source, self.answers = source, answers
        self.held = []  # objects that stay here; the parent knows them by number
        self.number = 0  # of the question that is being answered

    def read(self, size):
        """Exactly so many bytes; the end of the pipe is the end of the child."""
        data = self.source.read(size)
        if len(data) < size:
            os._exit(0)
        return data

    def write(self, data):
        """All of the data."""
        data = memoryview(data)
        while data:
            data = data[os.write(self.answers, data) :]

    def next(self):
        """(header, Reader) of the next frame."""
        header, body = receive(self.read)
        return header, Reader(body, self.known)

    def send(self, **header):
        """A frame without values."""
        self.write(frame({"n": self.number, **header}, []))

    def known(self, reader, tag, inside, deep):
        """What the parent hands on beside plain values."""
        if tag == "n":
            return namespace(reader, inside, deep)
        if tag == "f":
            return Callback(self, inside)
        return getattr(sys.modules["student"], inside) if tag == "own" else self.held[inside[0]]

    def keep(self, writer, value, deep):
        """The node of an object that stays here."""
        if isinstance(value, Callback):
            return {"f": value._number}
        self.held.append(value)
        number, items = len(self.held) - 1, None
        if isinstance(value, tuple) and hasattr(value, "_fields") and deep <= DEEP:
            items = [writer.node(item, deep + 1) for item in value]
        return {"h": [number, type(value).__name__[:100], items]}

    def ask(self, function, args, kwargs):
        """Have the parent call one of its functions."""
        number, writer = self.number, Writer(self.keep)
        header = {"n": number, "ask": function, "args": writer.node(list(args)), "kwargs": writer.node(kwargs)}
        self.write(frame(header, writer.parts))
        while True:
            header, reader = self.next()
            if "call" not in header and "get" not in header:
                break
            self.serve(header, reader)  # the parent's function calls one of this module
        self.number = number
        if "raised" in header:
            kind, message = header["raised"]
            kind = getattr(__import__("builtins"), kind, RuntimeError)
            raise (kind if isinstance(kind, type) and issubclass(kind, Exception) else RuntimeError)(message)
        value = reader.value(header["value"])
        reader.take_back(writer.lent, header["changed"])
        return value

    def serve(self, header, reader):
        """Answer one question of the parent."""
        self.number = header["n"]
        try:
            function = getattr(sys.modules["student"], header.get("call") or header["get"])
            writer = Writer(self.keep)
            if "call" in header:
                args = reader.value(header["args"])
                function = function(*args, **reader.value(header["kwargs"]))
            self.number = header["n"]
            value = {"value": writer.node(function), "changed": writer.changes(reader.borrowed)}
            data = frame({"n": self.number, **value}, writer.parts)
        except BaseException as error:  # noqa: BLE001 - a student's code may raise anything
            self.number = header["n"]
            return self.send(raised=told(error))
        return self.write(data)


def told(error):
    """[kind, words, the student's line] of an error."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001
        message = ""
    lines = [entry.line for entry in traceback.extract_tb(error.__traceback__) if entry.filename == FILE]
    if isinstance(error, SyntaxError) and error.filename == FILE:
        lines, message = [(error.text or "").strip()], f"{error.msg} (line {error.lineno})"
    return [type(error).__name__[:100], message[:300], (lines[-1] or "")[:300] if lines else ""]


# ---- the life of a child -------------------------------------------------------------------------


def lock(jail, seconds, memory, user):
    """Shut the locks that a jail's name lists."""
    for part in ("linalg", "random", "fft", "polynomial", *["ma"] * ("other user" in jail)):  # loaded late: another user may not read them
        __import__("numpy." + part)
    sys.path[:] = [path for path in sys.path if path != sys.argv[2]]
    limits(seconds, memory, jail != "none")
    if "landlock" in jail:
        landlock()
    if "other user" in jail:
        another_user(*user)
    if "seccomp" in jail:
        seccomp()


class Slow(BaseException):
    """A statement takes longer than it may; no `except Exception` catches it."""


def timed(run, seconds):
    """Call `run`; Slow after so many seconds of computing (0: never), where the platform has a timer for it, as Windows has not."""
    if not hasattr(signal, "setitimer"):
        return run()
    running = [True]

    def ring(number, frame):
        if running:  # it may come a little late
            raise Slow

    before = signal.signal(signal.SIGPROF, ring)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        return run()
    finally:
        running.clear()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def there(*values):
    """ImportError if one of these was imported and is not there."""
    if any(isinstance(value, Missing) or isinstance(value, Room) and value.__name__.partition(".")[0] != "tinyvae" for value in values):
        raise ImportError("not all of it is there when work is graded: only NumPy and what the task gives")


def asking(statement):
    """The statement, in which each `try` with an `except` asks at its end for what it imported: so `except ImportError` has its turn."""
    for part in ast.walk(statement):
        if isinstance(part, ast.Try) and part.handlers:
            found = [alias.asname or alias.name.partition(".")[0] for node in part.body if isinstance(node, IMPORTS) for alias in node.names]
            call = ast.Call(ast.Name("__there__", ast.Load()), [ast.Name(name, ast.Load()) for name in found if name != "*"], [])
            part.body += [ast.copy_location(ast.Expr(call), part.body[-1])] * bool(call.args)
    return ast.fix_missing_locations(statement)


def load(source, given):
    """Run the student's file as the module `student`; a statement that fails or takes too long costs itself alone.

    ({name: what it is}, the first error as `told` or None).
    """
    sys.meta_path.insert(0, Finder(given))
    module = sys.modules["student"] = types.ModuleType("student")
    before = {*vars(module), "__builtins__", "__there__"}
    module.__there__, linecache.cache[FILE] = there, (len(source), None, source.splitlines(True), FILE)
    fault, flags, left = None, compile(source, FILE, "exec").co_flags & FUTURE, TOGETHER
    for statement in ast.parse(source, FILE).body:
        start, large = time.process_time(), any(isinstance(part, IMPORTS) for part in ast.walk(statement))
        try:
            code = compile(ast.Module([asking(statement)], []), FILE, "exec", flags, True)
            timed(functools.partial(exec, code, vars(module)), 0 if large else max(min(MOST, left), LEAST))
        except (Exception, SystemExit) as error:  # noqa: BLE001
            fault = fault or told(error)
        except Slow:
            fault = fault or ["Slow", SLOW, linecache.getline(FILE, statement.lineno).strip().removeprefix("try: ")[:300]]
        left -= 0 if large else time.process_time() - start
    found = {name: value for name, value in vars(module).items() if name not in before}
    return {name: kind(value) for name, value in found.items() if not isinstance(value, (types.ModuleType, Missing))}, fault


def kind(value):
    """What the parent is told of a name."""
    return "class" if isinstance(value, type) else "function" if callable(value) else "value"


def main():
    """Shut the locks, load the file, answer."""
    pipe = Pipe(sys.stdin.buffer, os.dup(1))
    os.dup2(2, 1)  # what is printed goes where errors go
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    try:
        lock(*json.loads(sys.argv[3]))
    except Exception as error:  # noqa: BLE001
        pipe.send(unlocked=f"{type(error).__name__}: {error}"[:300])
        os._exit(1)
    pipe.send(locked=True)
    header, source = receive(pipe.read)
    try:
        names, fault = load(source.decode("utf-8", "surrogatepass"), header["given"])
    except BaseException as error:  # noqa: BLE001
        pipe.send(raised=told(error))
        os._exit(1)
    pipe.send(**({"raised": fault} if fault and not names else {"names": names, "fault": fault}))
    while True:
        pipe.serve(*pipe.next())


main()
