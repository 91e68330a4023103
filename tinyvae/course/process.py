"""How a child is started and ended, and how its two pipes are read; what depends on the platform."""

import contextlib
import ctypes
import functools
import json
import math
import os
import queue
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
LOADER = "import sys; sys.path.append(sys.argv[2]); exec(compile(sys.stdin.buffer.read(int(sys.argv[1])), '<child>', 'exec'))"
PRINTED = 4000  # characters of what is printed that are kept


@functools.cache
def program():
    """The child's program: it is sent through the pipe, and stands in no file that the child could open."""
    return b"\n".join((HERE / name).read_bytes() for name in ("wire.py", "inside/locks.py", "inside/child.py"))


def command(jail, size, seconds, memory):
    """The command of a child: Python without site-packages and environment, the folder of NumPy, and what locks to shut."""
    packages = str(Path(np.__file__).resolve().parents[1])
    config = json.dumps([jail, math.ceil(seconds), memory, student()])
    return [*(bwrap() if "bwrap" in jail else []), python(), "-ISBuXutf8", "-c", LOADER, str(size), packages, config]


def python():
    """The interpreter itself: not a virtual environment's link to it."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def options():
    """Of Popen: three pipes, no descriptor and no environment of ours, a process group of its own."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # Windows starts nothing without it
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    env = {"OPENBLAS_NUM_THREADS": "1", **kept}
    return {**pipes, "bufsize": 0, "env": env, "cwd": os.path.abspath(os.sep), "start_new_session": sys.platform != "win32"}


def student():
    """[user, group] of the other user: `student` where there is one, else nobody."""
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        entry = pwd.getpwnam("student")
        return [entry.pw_uid, entry.pw_gid]
    return [65534, 65534]


def undumpable():
    """Close this process's memory, descriptors and environment to other processes of the same user, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def kill(process):
    """End a process that was not waited for yet, and its group."""
    if process.returncode is not None:  # its number may be another's by now
        return
    with contextlib.suppress(OSError):  # it has ended
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()


def out_of_time(process):
    """Whether a process that has gone was ended by its limit of computing time."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    return process.returncode in (-24, 128 + 24)  # SIGXCPU, as itself or as bwrap tells it


def bwrap():
    """A file system that holds the interpreter, the libraries of the system and NumPy, to be read; no network, no other process."""
    words = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    prefix, stdlib, package = Path(sys.base_prefix), Path(os.__file__).resolve().parent, Path(np.__file__).resolve().parent
    for folder in ("/usr/lib", "/usr/lib64", "/lib", "/lib64"):
        if os.path.islink(folder):
            words += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            words += ["--ro-bind", folder, folder]
    bound = [python(), str(prefix / "lib"), str(stdlib)] if str(prefix) != "/usr" else [python()]
    words += [word for path in bound for word in ("--ro-bind", path, path)]
    hidden = {stdlib / "site-packages", stdlib / "dist-packages", *map(Path, [*site.getsitepackages(), *map(sysconfig.get_path, ("purelib", "platlib"))])}
    hidden |= {Path("/usr/lib/python3/dist-packages")}
    words += [word for path in sorted(map(str, hidden)) if os.path.isdir(path) for word in ("--tmpfs", path)]
    for path in (package, package.with_name("numpy.libs")):
        if path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    return [*words, "--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]


class Answers:
    """Reads the child's answers in a thread, so that waiting for them can end, and never far ahead."""

    def __init__(self, file):
        self.chunks, self.rest, self.dropped = queue.Queue(8), b"", False
        threading.Thread(target=self.run, args=[file], daemon=True).start()

    def run(self, file):
        """What the thread does: read to the end, as far ahead as the queue is long."""
        with file:
            while chunk := file.read(1 << 16):
                if not self.dropped:
                    self.chunks.put(chunk)
        self.chunks.put(b"")

    def read(self, size, ends):
        """Exactly so many bytes; EOFError or queue.Empty if they do not come."""
        parts = []
        while size:
            if not self.rest:
                self.rest = self.chunks.get(timeout=max(ends - time.monotonic(), 0.01) + 0.1)  # the watchdog is first
            if not self.rest:
                self.chunks.put(b"")
                raise EOFError
            parts.append(self.rest[:size])
            self.rest = self.rest[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def drop(self):
        """Let the thread come to its end."""
        self.dropped = True
        with contextlib.suppress(queue.Empty):
            while True:
                self.chunks.get_nowait()


class Prints:
    """Reads what the child prints in a thread: keeps the beginning, drops a flood."""

    def __init__(self, file):
        self.kept = bytearray()
        self.thread = threading.Thread(target=self.run, args=[file], daemon=True)
        self.thread.start()

    def run(self, file):
        """What the thread does: read to the end, whatever comes."""
        with file:
            while chunk := file.read(1 << 16):
                self.kept += chunk[: 4 * PRINTED - len(self.kept)]
