"""What was handed in: files, folders and zip archives, read into memory with limits and never unpacked to a disk."""

import contextlib
import io
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .roster import platforms
from .submission import FILE_BYTES, KINDS, Unreadable, WrongKind, contents

LOOKED_AT = KINDS | {".zip"}
FILES, BYTES = 5_000, 1_000_000_000  # of all that is handed in, but for what is in students' archives
EACH_FILES, EACH_BYTES = 20, 100_000_000  # of the archives of one student
HIDDEN = "__MACOSX", "__pycache__"  # and all names with a point at the front: copies that Jupyter and macOS make
JOINERS = "\u200c\u200d"  # of Persian names and of many in India


class File(NamedTuple):
    """A submission: its label, a path as it was given with the path inside an archive after it; what it holds, or why that cannot be read.

    path: that of what was handed in, the file itself or the student's archive in which it is; time: of that, in seconds.
    """

    label: str
    data: bytes | Unreadable
    path: str
    time: float = 0.0


def handed_in(paths):
    """The submissions in files, folders and zip archives (as Moodle and Canvas give out all submissions).

    Parameters
    ----------
    paths : list of str or Path
        In folders and archives only notebooks, programs and archives are looked at; links are not followed. An archive that is named
        here is a platform's, one in a folder or in an archive is a student's: few files of it are taken. Of a student who handed in
        nothing but files of other kinds, by what a platform wrote into their paths, the first is there, as one that cannot be read.

    Returns
    -------
    list of File, sorted by label

    Raises
    ------
    ValueError
        If a path does not exist, or all files together are too many or too large; a student's archive costs this student alone.
    """
    found, number, size, taken = {}, 0, 0, {}
    for path in sorted(map(Path, paths), key=Path.is_dir):
        if not path.exists():
            raise ValueError(f"files must be files, folders or zip archives, got {path}, which does not exist")
        for file in sorted(p for p in path.rglob("*") if looked_at(p, path)) if path.is_dir() else [path]:
            for one in opened(file, path.is_dir(), taken):
                found[one.label], direct = one, one.path == one.label and not isinstance(one.data, WrongKind)
                number, size = number + direct, size + (len(one.data) if direct and isinstance(one.data, bytes) else 0)
                if number > FILES or size > BYTES:
                    raise ValueError(f"files must be at most {FILES} and {BYTES / 1e9:.0f} GB together, got more in {path}: grade them in parts")
    return without_others(sorted(found.values(), key=lambda one: one.label))


def without_others(files):
    """The files without those of other kinds, but for the first of a student who handed in nothing else."""
    whose = lambda file: getattr(platforms(file.path), "above", None)
    known, left = {whose(file) for file in files if not isinstance(file.data, WrongKind)}, []
    for file in files:
        if not isinstance(file.data, WrongKind) or whose(file) not in known:
            left.append(file)
            known.add(whose(file))
    return left


def looked_at(path, folder):
    """Whether a file below a folder is one to be looked at, by its path there."""
    inside = path.relative_to(folder)
    return wanted(inside) or other(inside) and path.is_file()


def wanted(path):
    """Whether a file of a folder or an archive is a notebook, a program or an archive."""
    return path.suffix.lower() in LOOKED_AT and not hidden(path)


def other(path):
    """Whether a file is of another kind, and stands where a platform put what a student handed in."""
    return path.suffix.lower() not in LOOKED_AT and not hidden(path) and platforms(path) is not None


def hidden(path):
    """Whether a path is of a copy or a note that a program made for itself."""
    return any(part.startswith(".") or part in HIDDEN for part in path.parts)


def printable(text, keep=""):
    """A text that UTF-8 can hold and no terminal obeys: what is no letter to be seen becomes one sign, but for joiners, which names have."""
    return "".join(letter if letter.isprintable() or letter in JOINERS + keep else "\ufffd" for letter in text)


def opened(file, inside, taken):
    """The File of a file, or all in it, if it is an archive: a student's, if it is inside a folder; each only once."""
    label = printable(file.as_posix())
    if label in taken:
        return
    taken[label], seconds = True, file.lstat().st_mtime
    try:
        data = contents(file) if not inside or file.suffix.lower() in LOOKED_AT else WrongKind(file.name)
    except Unreadable as error:
        data = error
    if file.suffix.lower() != ".zip" or not isinstance(data, bytes):
        yield File(label, data, label, seconds)
    else:
        yield from few(label, data, taken, seconds) if inside else unzipped(label, file, taken)


def unzipped(label, file, taken):
    """The File of all submissions in a platform's archive."""
    for member, data in members(label, file, others=True):
        inside, seconds = f"{label}/{printable(member.filename)}" if member else label, seconds_of(member)
        if inside.lower().endswith(".zip") and member and isinstance(data, bytes):
            yield from few(inside, data, taken, seconds)
        else:
            yield File(inside, data, inside, seconds)


def few(label, archive, taken, seconds):
    """The File of the first submissions in a student's archive; what is more than one student may have is one that cannot be read."""
    if len(archive) > FILE_BYTES:
        words = f"{PurePosixPath(label).name} has more than {FILE_BYTES / 1e6:.0f} MB: hand in the notebook or the program itself"
        yield File(label, Unreadable(words), label, seconds)
        return
    made = platforms(label)
    number, size = taken.get(who := (made.above if made else label, "few"), (0, 0))
    for member, data in members(label, io.BytesIO(archive)):
        number, size = number + 1, size + (len(data) if isinstance(data, bytes) else 0)
        if number > EACH_FILES or size > EACH_BYTES:
            words = f"{PurePosixPath(label).name} was not read to its end: at most {EACH_FILES} files and {EACH_BYTES / 1e6:.0f} MB of a student's archives are"
            yield File(label, Unreadable(f"{words} taken; hand in one file (an archive of many students must be named itself)"), label, seconds)
            return
        taken[who] = number, size
        yield File(f"{label}/{printable(member.filename)}" if member else label, data, label, seconds)


def members(label, file, others=False):
    """(member, bytes or Unreadable) of all submissions in an archive, a path or an open file; (None, Unreadable) if it is none."""
    name = PurePosixPath(label).name
    try:
        with zipfile.ZipFile(file) as archive:
            files = {member: PurePosixPath(named(member)) for member in archive.infolist() if not member.is_dir()}
            found = [member for member, path in files.items() if wanted(path)]
            wrong = [member for member, path in files.items() if others and other(path)]
            for member in found[: FILES + 1]:
                yield member, unpacked(archive, member)
            for member in wrong[:FILES]:
                yield member, WrongKind(files[member].name)
            if not found + wrong:
                yield None, Unreadable(f"{name} holds no notebook (.ipynb) and no program (.py)")
    except Exception as error:  # noqa: BLE001 - what students pack makes zipfile raise errors of many classes
        yield None, Unreadable(f"{name} is no zip archive that can be read: {error}")


def named(member):
    """The path of a member, which becomes its name: some programs write UTF-8 and do not say so."""
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            member.filename = member.filename.encode("cp437").decode()
    return member.filename


def seconds_of(member):
    """The time that an archive states of a member; 0.0 if it is none."""
    with contextlib.suppress(ValueError, OverflowError, AttributeError):
        return time.mktime((*member.date_time, 0, 0, -1))
    return 0.0


def unpacked(archive, member):
    """The bytes of a member, no more of them than show that it is too large; or why it cannot be read."""
    try:
        with archive.open(member) as file:  # sizes that the archive states are not believed
            return file.read(FILE_BYTES + 1)
    except Exception as error:  # noqa: BLE001 - as above
        return Unreadable(f"{PurePosixPath(member.filename).name} cannot be read in its archive: {error}")
