# The second part of the child's program: the locks. None needs root, none can be opened again. Linux; `limits` anywhere.


def limits(seconds, memory, strict):
    """CPU time, memory, no files written, no new processes; where a limit is not to be had, an OSError if strict."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in (("CPU", seconds), ("AS", memory), ("FSIZE", 0), ("CORE", 0), ("NOFILE", 64), ("NPROC", 0)):
        try:
            kind = getattr(resource, "RLIMIT_" + name)
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard - (name == "CPU"))
            resource.setrlimit(kind, (most, most + (name == "CPU")))  # a signal that tells, a second before the one that ends
        except (AttributeError, ValueError, OSError):
            if strict:
                raise OSError(f"no limit {name}") from None


def libc():
    """The C library, with ctypes, which is imported on Linux alone."""
    import ctypes

    return ctypes, ctypes.CDLL(None, use_errno=True)


def done(ctypes, result, what):
    """OSError where a system call failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


def another_user(user, group):
    """From root to a user who owns nothing and is in no group."""
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def landlock():
    """Read the standard library and NumPy; no other file, no listing of other folders, no writing, no TCP, no signals."""
    ctypes, lib = libc()
    abi = lib.syscall(444, None, 0, 1)  # landlock_create_ruleset; the numbers are the same on every machine
    if abi < 1:
        raise OSError("this kernel has no landlock")
    files = (1 << 13) - 1 | (abi >= 2) << 13 | (abi >= 3) << 14 | (abi >= 5) << 15
    asked = struct.pack("<QQQ", files, 3 * (abi >= 4), 3 * (abi >= 6))[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    rules = done(ctypes, lib.syscall(444, asked, len(asked), 0), "landlock_create_ruleset")
    for path in readable():
        handle = os.open(path, os.O_PATH)
        rule = struct.pack("<Qi", 4 | 8 * os.path.isdir(path), handle)  # read a file, list a folder
        done(ctypes, lib.syscall(445, rules, 1, rule, 0), "landlock_add_rule")
        os.close(handle)
    done(ctypes, lib.prctl(38, 1, 0, 0, 0), "no_new_privs")
    done(ctypes, lib.syscall(446, rules, 0), "landlock_restrict_self")
    os.close(rules)


def readable():
    """The paths that may be read: the standard library but for what was installed into it, NumPy, two devices."""
    stdlib, package = os.path.dirname(os.__file__), os.path.dirname(np.__file__)
    paths = [os.path.join(stdlib, name) for name in os.listdir(stdlib) if name not in ("site-packages", "dist-packages")]
    paths += [package, package + ".libs", "/dev/null", "/dev/urandom"]
    return [path for path in paths if os.path.exists(path)]


# System calls that are refused, by what they would do: x86_64 | aarch64.
REFUSED = """
sockets                    41-55 288 299 307 | 198-212 242 243 269
new processes, programs    57-59 322 | 221 281
signals                    62 129 200 234 297 | 129-131 138 240
limits of others, groups   109 112 141 142 144 203 251 302 314 | 30 118 119 122 140 154 157 261 274
memory of others           101 256 279 310-312 | 117 238 239 270-272
file systems, roots        155 161 165 166 272 308 | 39-41 51 97 268
owners, modes, times       76 90-94 132 188-190 197-199 235 260 261 268 280 | 5-7 14-16 45 52-55 88
shared memory, queues      29-31 64-66 68-71 220 240-245 319 | 180-196 279
keys, watches, traces      103 206 209 248-250 253-255 294 298 300 303 304 321 323 | 0 2 26-28 116 217-219 241 262 264 265 280 282
the machine                135 154 163 167-173 175 176 179 246 320 | 60 89 92 104-106 142 161 162 224 225 273 294
pidfd, io_uring, mounts    424-434 438 440 442 443 447 448 | 424-434 438 440 442 443 447 448
"""
MACHINES = {"x86_64": (0, 0xC000003E, 56, 72), "aarch64": (1, 0xC00000B7, 220, 25)}  # column, audit number, clone, fcntl


def refused(column):
    """The (first, last) of each range of a column."""
    for line in REFUSED.strip().splitlines():
        for part in line[27:].split("|")[column].split():
            first, _, last = part.partition("-")
            yield int(first), int(last or first)


def program():
    """The filter's instructions (code, jump if true, jump if false, constant)."""
    if os.uname().machine not in MACHINES or sys.byteorder != "little":
        raise OSError(f"no filter is written for {os.uname().machine}")
    column, machine, clone, fcntl = MACHINES[os.uname().machine]
    load, equal, least, more, bits, end = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06
    no, unknown, yes = 0x00050001, 0x00050026, 0x7FFF0000  # EPERM, ENOSYS, allowed
    lines = [(load, 0, 0, 4), (equal, 1, 0, machine), (end, 0, 0, no), (load, 0, 0, 0)]
    lines += [(least, 0, 1, 451), (end, 0, 0, unknown)]  # newer than this list, and all of x32
    lines += [(equal, 0, 1, 435), (end, 0, 0, unknown)]  # clone3, whose flags cannot be seen: libc takes clone
    for first, last in refused(column):
        lines += [(least, 0, 2, first), (more, 1, 0, last), (end, 0, 0, no)]
    lines += [(equal, 0, 4, clone), (load, 0, 0, 16), (bits, 1, 0, 0x10000), (end, 0, 0, no), (end, 0, 0, yes)]  # threads alone
    lines += [(equal, 0, 5, fcntl), (load, 0, 0, 24)]  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to others
    return [*lines, (equal, 2, 0, 8), (equal, 1, 0, 10), (equal, 0, 1, 15), (end, 0, 0, no), (end, 0, 0, yes)]


def seccomp():
    """EPERM for new processes, programs, sockets, signals, the memory of others and what else a calculation never needs."""
    ctypes, lib = libc()
    code = b"".join(struct.pack("<HBBI", *line) for line in program())
    buffer = ctypes.create_string_buffer(code, len(code))
    done(ctypes, lib.prctl(1, 9, 0, 0, 0), "end with the parent")  # a child that sleeps must not stay behind
    done(ctypes, lib.prctl(38, 1, 0, 0, 0), "no_new_privs")
    done(ctypes, lib.capset(struct.pack("<Ii", 0x20080522, 0), bytes(24)), "capset")  # root without its powers
    done(ctypes, lib.prctl(22, 2, struct.pack("<H6xQ", len(code) // 8, ctypes.addressof(buffer)), 0, 0), "seccomp")
