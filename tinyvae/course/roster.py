"""The roster of a course, as Moodle, Canvas or a spreadsheet wrote it; and whose a file is, by its path."""

import csv
import functools
import io
import re
import unicodedata
from pathlib import Path, PurePosixPath
from typing import NamedTuple

COLUMNS = {
    "name": ("name", "student", "student name", "full name", "fullname", "vollständiger name", "name der person"),
    "first": ("first name", "first name(s)", "firstname", "given name", "vorname"),
    "last": ("last name", "surname", "lastname", "family name", "nachname", "familienname"),
    "id": ("sis user id", "id number", "id-nummer", "matrikelnummer", "matrikel-nr.", "student id", "student number", "sid", "id", "user id"),
    "login": ("sis login id", "username", "anmeldename", "benutzername", "login", "login id"),
    "email": ("email address", "e-mail address", "e-mail-adresse", "email", "e-mail", "mail"),
}
GRADE = "grade", "bewertung"  # of Moodle's worksheet for grading offline
SHORT = 3  # letters: a shorter id is that of an exercise as well
MOODLE = re.compile(r"([^_]*?)[ _](\d+)_assignsubmission_")  # of a folder, or of a file if all are in one
CANVAS = re.compile(r"(?:([^_]+?)(?:_LATE)?_(\d+)|anon(?:_LATE)?_[^_]+)_\d+_")  # of a file; the second number is the file's


class Student(NamedTuple):
    """One student: of the roster (`listed`), or else somebody who stands under a file's name."""

    name: str
    id: str = ""
    email: str = ""
    ids: tuple = ()
    line: int = -1

    @property
    def listed(self):
        """Whether the roster has this student."""
        return self.line >= 0


class Roster:
    """The students of a course; `Roster()` has none.

    students: list of Student; header, lines: the file's cells; kind: "canvas", "worksheet" (Moodle's for grading offline), "moodle"
    or "plain"; bom: whether the file began with a byte order mark.
    """

    def __init__(self, lines=(), bom=False):
        lines = [list(line) for line in lines]
        self.header, self.lines, self.bom = (lines[0] if lines else []), lines[1:], bom
        names = [" ".join(cell.lower().split()) for cell in self.header]
        self.columns = {key: next((names.index(word) for word in words if word in names), None) for key, words in COLUMNS.items()}
        self.grade = next((names.index(word) for word in GRADE if word in names), None)
        self.kind = self._kind(names) if lines else "plain"
        found = {}
        for number, line in enumerate(self.lines):
            if student := self._student(number, line):
                found.setdefault(student[:4], student)
        self.students = list(found.values())

    @classmethod
    def read(cls, path):
        """The roster in a CSV file: an export of Moodle or Canvas, or any with a column for names, ids or addresses.

        UTF-8, UTF-16 and the encoding of older spreadsheets are read; commas, semicolons and tabs.

        Raises
        ------
        ValueError
            If no column names students, or no line is one.
        """
        data = Path(path).read_bytes()
        lines = [line for line in table(data) if any(cell.strip() for cell in line)]
        roster = cls(lines, bom=data.startswith(b"\xef\xbb\xbf"))
        columns = ("name", "last", "id", "email", "login")
        if roster.kind != "worksheet" and all(roster.columns[key] is None for key in columns):
            got = ", ".join(map(repr, roster.header[:8])) or "an empty file"
            raise ValueError(f"roster must have a column name, student, id or email in its first line, got {got} in {path}: export it from Moodle or Canvas")
        if not roster.students:
            raise ValueError(f"roster must have a line for each student, got none in {path}")
        return roster

    def _kind(self, names):
        if names[0] == "student" and "section" in names:
            return "canvas"
        if self.grade is not None and self.lines and all(re.fullmatch(r"\D+\d+", line[0]) for line in self.lines):
            return "worksheet"
        return "moodle" if names[0] in COLUMNS["first"] and self.columns["email"] is not None else "plain"

    def cell(self, line, key):
        """The cell of a line in a known column, "" if there is none."""
        column = self.columns[key]
        return line[column].strip() if column is not None and column < len(line) else ""

    def _student(self, number, line):
        get = lambda key: self.cell(line, key)
        name = get("name") or f"{get('first')} {get('last')}".strip() or get("email") or get("id") or get("login")
        name = name or (line[0] if self.kind == "worksheet" else "")  # of blind marking
        if name.startswith("Points Possible") or name == "Student, Test" or not name:  # lines of Canvas that are nobody
            return None
        ids = {get("id"), get("login"), get("email").partition("@")[0]}
        ids |= {line[1]} if self.kind == "canvas" else {re.sub(r"\D", "", line[0])} if self.kind == "worksheet" else set()
        last, comma, first = name.partition(",")
        name = f"{first.strip()} {last.strip()}" if comma else name
        return Student(name, get("id"), get("email"), tuple(sorted(ids - {""})), number)

    # ---- whose file ---------------------------------------------------------------------------------

    def whose(self, paths):
        """{path: (Student, firm)} for the paths of all that was handed in; firm is False where only a file's name decided, which can be anybody's.

        Where a part of a path has the form that Moodle or Canvas gives it, what the platform wrote decides, and nothing else: the name
        before the numbers, or the number, if the roster has it; in a file's name that is firm where all files beside it have such names. Else the folders above the file do, from the top; of what all paths begin
        with only the whole, and only if it names one student; and then the file's name. What is nobody's is a Student of its own.
        """
        parts = {path: PurePosixPath(path).parts for path in paths}
        common = 0
        while parts and len({own[: common + 1] for own in parts.values()}) == 1 and all(len(own) > common + 1 for own in parts.values()):
            common += 1
        owner = functools.cache(functools.partial(self.owner, clues=[(student, *clues_of(student)) for student in self.students]))
        shared = {owner(part) for part in next(iter(parts.values()), ())[:common]} - {None}
        numbers, found = self._numbers(), {}
        marks = {path: platforms(path) for path in paths}
        mixed = {own[:-1] for path, own in parts.items() if not marks[path]}
        for path, own in parts.items():
            if made := marks[path]:
                folder = len(PurePosixPath(made.above).parts) < len(own)
                found[path] = numbers.get((made.form, made.number)) or owner(made.name) or Student(made.above), folder or own[:-1] not in mixed
                continue
            higher = next(filter(None, map(owner, own[common:-1])), None) or (next(iter(shared)) if len(shared) == 1 else None)
            named = higher or owner(own[-1])
            found[path] = named or Student(path), bool(higher) or not named
        return found

    def _numbers(self):
        """{(form, number): Student}: Canvas's ID, and the participant of Moodle's worksheet; a number of any other roster is something else."""
        form, column = {"canvas": ("canvas", 1), "worksheet": ("moodle", 0)}.get(self.kind, ("", 0))
        return {(form, re.sub(r"\D", "", self.lines[student.line][column])): student for student in self.students if form}

    @staticmethod
    def owner(part, clues):
        """The one student whom a part of a path names, or None: by the whole address, the full name in either order, or a whole id or login.

        The clue that begins earliest wins, of those the strictest, then the longest; others only tell two of one name apart.
        """
        part = part.rpartition(".")[0] if re.search(r"(?i)\.(ipynb|py|zip)$", part) else part
        texts = {fold: words_of(part, fold) for fold, _ in FOLDS}
        words, spots, sure = texts[exact], {}, set()
        for student, mail, names, ids in clues:
            own = [one for one in ids if len("".join(one)) >= SHORT or words == one]
            others = [(len(FOLDS) + 1, one) for one in own] + [(0, mail)]
            found = [(at, rank) for rank, one in others if (at := place(words, one))]
            sure |= {student} if found else set()
            found += [(at, rank) for rank, (fold, other) in enumerate(FOLDS, 1) for one in names[other] if (at := place(texts[fold], one))]
            if found:
                spots[student] = min((start, rank, minus) for (start, minus), rank in found)
        first = {student for student, spot in spots.items() if spot == min(spots.values())}
        chosen = first if len(first) == 1 else first & sure
        return next(iter(chosen)) if len(chosen) == 1 else None


class Platforms(NamedTuple):
    """What a platform wrote into a path: its form, the path up to that, the student's name and number ("" if it hides them)."""

    form: str
    above: str
    name: str
    number: str


def platforms(path):
    """What a platform wrote into a path, or None; only its first mark counts, since all that follows can be the student's."""
    parts = PurePosixPath(path).parts or ("",)
    for form, n, match in [*(("moodle", n, MOODLE.match(part)) for n, part in enumerate(parts)), ("canvas", len(parts) - 1, CANVAS.match(parts[-1]))]:
        if match:
            head = match[0].removesuffix("_assignsubmission_") if form == "moodle" else re.sub(r"_\d+_$", "", match[0])
            return Platforms(form, PurePosixPath(*parts[:n], head).as_posix(), match[1] or "", match[2] or "")
    return None


# ---- words ----------------------------------------------------------------------------------------


def exact(text):
    """Letters as they are."""
    return text


def german(text):
    """ü as ue; other accents left out."""
    return plain(text.translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ø"): "oe", ord("å"): "aa"}))


def plain(text):
    """ü as u, ł as l."""
    text = unicodedata.normalize("NFKD", text.translate(STROKED))
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def loose(text):
    """ü, ue and u as u."""
    return re.sub("(?<=[aou])e", "", plain(text))


def bare(text):
    """ü left out, as some platforms do in names of files."""
    return "".join(letter for letter in text if letter.isascii())


STROKED = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})  # which Unicode takes for letters of their own
FOLDS = (exact, exact), (german, german), (plain, plain), (loose, loose), (exact, bare)  # of (path, roster), the strictest first


def words_of(text, fold):
    """The words of a text: lower case, split at all that is neither letter nor digit."""
    return [word for word in re.split(r"[\W_]+", fold(unicodedata.normalize("NFC", text).casefold())) if word]


def clues_of(student):
    """(words of the address, names by the way to fold letters, words of each id) of a student."""
    names = {}
    for _, fold in FOLDS:
        words = words_of(student.name, fold)
        turned = [words[i:] + words[:i] for i in range(len(words))]
        names[fold] = turned + [["".join(turn)] for turn in turned] if len(words) > 1 else []
    return words_of(student.email, exact) if "@" in student.email else [], names, [words_of(own, exact) for own in student.ids]


def place(words, wanted):
    """(where a sequence of words begins in others, minus its length), None if it is not there."""
    if not wanted or wanted[0] not in words:
        return None
    starts = [i for i in range(len(words)) if words[i : i + len(wanted)] == wanted]
    return (starts[0], -len("".join(wanted))) if starts else None


def table(data):
    """The cells of a CSV file's bytes."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    text = re.sub(r"\Asep=.\r?\n", "", text)
    first = text.splitlines()[:1] or [""]
    mark = max(",;\t", key=lambda mark: len(next(csv.reader(first, delimiter=mark), [])))
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
    except csv.Error as error:
        raise ValueError(f"roster must be a CSV file, got one that cannot be read: {error}") from error
