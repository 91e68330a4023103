"""Layer 4, the lecturers' page: its commands parse, its tables are what the tasks say, what it names is there, and its first answer earns its points."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from tinyvae.app.cli import _parser
from tinyvae.course import grade as grading
from tinyvae.course import report
from tinyvae.course.assignment import LEVELS, choose, new
from tinyvae.course.jail import JAILS, best_jail
from tinyvae.course.submission import read
from tinyvae.course.variants import families, make, variant_for
from tinyvae.exercises.source import tasks

ROOT = Path(__file__).parents[1]
PAGE, README = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/course.md", "README.md"))
COMMAND = re.compile(r"python -m tinyvae course +([^`\n#&|]+)")
COMMANDS = sorted({command.strip() for text in (PAGE, README) for command in COMMAND.findall(text.replace("\\\n", " "))})


def rows(first):
    """The cells of the rows of the page's table whose head begins like this, without backticks."""
    table = PAGE[PAGE.index(f"| {first}") :].split("\n\n")[0].splitlines()
    return [[cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")] for line in table[2:]]


def core():
    """{place: task} of the core."""
    return dict(sorted((task.lab, task) for task in tasks().values() if task.core))


# ---- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command):
    assert _parser().parse_args(["course", *shlex.split(command)]).command == "course"


def test_every_way_and_every_format_has_a_command():
    parsed = [_parser().parse_args(["course", *shlex.split(command)]) for command in COMMANDS]
    assert {args.way for args in parsed} == {"build", "grade", "report", "verify"}
    assert {args.format for args in parsed if args.way == "build"} == {"handout", "nbgrader", "otter", "gradescope"}


# ---- tables and figures ---------------------------------------------------------------------------


def test_the_labs_are_those_of_the_tasks():
    wanted = [[place, task.id, variant_for(task.id) or "itself", task.minutes, str(task.points)] for place, task in core().items()]
    assert [row[:5] for row in rows("lab | task")] == wanted
    for task in core().values():
        if name := variant_for(task.id):
            graded = make(families()[name], 1)
            assert (graded.minutes, graded.points) == (task.minutes, task.points)


def test_the_weeks_add_up():
    for number, (week, reading, *minutes, points) in enumerate(rows("week | read before"), 1):
        found = [row for row in rows("lab | task") if row[0].startswith(f"{number}.")]
        assert minutes == [f"{sum(int(row[3]) for row in found if row[5] == where)} minutes" for where in ("class", "home")], week
        assert int(points) == sum(int(row[4]) for row in found)
        assert all(list((ROOT / "notebooks").glob(f"{name}_*.ipynb")) for name in reading.split(", "))
    assert number == 4
    assert sum(int(task.minutes) for task in core().values()) == 6 * 60


def test_levels_jails_and_limits_are_those_of_the_program():
    assert [int(row[0]) for row in rows("level |")] == list(LEVELS)
    assert [row[0] for row in rows("jail |")] == [*JAILS, "none"]
    text = " ".join(PAGE.split())
    assert "five seconds of computing a task, twenty for a test of programs, two minutes for the capstone" in text
    assert (grading.SECONDS, grading.LONGER, grading.PATIENCE) == (5, {"test": 20, "capstone": 120}, 3)
    assert "a mistake of fewer than three students" in text and report.FEW == 3
    assert f"the first {grading.PRINTED} characters" in text


# ---- what it names --------------------------------------------------------------------------------


def anchors(text):
    """The anchors of a page's headings, as web pages make them."""
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"(?m)^#+ (.*)$", text)}


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGE):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        file = (ROOT / "docs" / path).resolve() if path else ROOT / "docs" / "course.md"
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"\b(?:tinyvae|docs|notebooks|tests)/[\w./-]*\w", PAGE))
    assert named and not [name for name in named if not (ROOT / name).exists()]


def test_every_task_that_is_named_exists():
    known = {*tasks(), *families()}
    assert {row[1] for row in rows("lab | task")} <= known
    for command in COMMANDS:
        words = getattr(_parser().parse_args(["course", *shlex.split(command)]), "tasks", [])
        assert all(word in known or re.fullmatch("lab[1-4]|core|variants|private|all|my_task", word) for word in words), command
    levels = re.findall(r"(\w+)=[0-3]\b", PAGE)
    assert levels and set(levels) <= known


# ---- the first green tick -------------------------------------------------------------------------


def test_the_first_answer_earns_its_points():
    """The lines that the page prints, for its task at the seed of its command."""
    seed, name = re.search(r"--tasks lab1 --seed (\d+)", PAGE)[1], re.search(r"find the task `(\w+)`", PAGE)[1]
    made = new("ps1", [name], seed=int(seed))
    answer = PAGE.partition(f"find the task `{name}`")[2].split("\n\n")[1]
    record = grading.grade(made, read(textwrap.dedent(answer).encode(), "ps1.py"), best_jail())
    assert name in choose(["lab1"]) and record["score"] == record["of"] == made.points
