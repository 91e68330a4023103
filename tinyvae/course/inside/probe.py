# What a jail is tried with: a student's file that reaches for what is closed.

import ctypes
import os


def opened(path):
    """Whether a path can be opened to be read."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True

def reached(paths):
    """What could be reached of what is closed."""
    found = [path for path in paths if opened(path)]
    if ctypes.CDLL(None).socket(1, 1, 0) >= 0:
        found.append("a socket")
    try:
        if os.fork() == 0:
            os._exit(0)
        found.append("a process")
    except OSError:
        pass
    return found
