"""docs/oral.md: thirty questions, each whole; tags, files and sections that exist; every number recomputed."""

import re
from pathlib import Path

import oral_numbers_a
import oral_numbers_b
import oral_numbers_c
import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "oral.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"(?ms)^### (\d+\.\d) (.*?)(?=^#|\Z)", TEXT))
LEVELS = "basic", "core", "deep"
NUMBERS = oral_numbers_a.NUMBERS | oral_numbers_b.NUMBERS | oral_numbers_c.NUMBERS
DIGIT = r"[\d½¼¾⅓⅛²³¹⁰⁴-⁹]"


def flat(text):
    """One space for any white space, one sign for minus."""
    return re.sub(r"\s+", " ", text.replace("−", "-"))


def with_numbers(question):
    """A question without what is no number of its own: addresses and names of files and sections, tags, errata, lectures, classes of [a; b]."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", "", question)
    return flat(re.sub(r"\[[A-Z]+\.\d\]|\b[ED]\d+\b", "", text))


def problems(text, phrases):
    """What the phrases say that the text does not, and the digits of the text that stand in none of them."""
    lacking = [phrase for phrase in phrases if phrase not in text]
    for phrase in phrases:  # longest first, handed in so
        text = text.replace(phrase, "\0")
    return lacking + [text[max(0, m.start() - 20) : m.end() + 20] for m in re.finditer(DIGIT, text)]


@pytest.fixture(scope="module")
def phrases():
    return {name: sorted(map(flat, compute()), key=len, reverse=True) for name, compute in NUMBERS.items()}


def test_thirty_questions_three_levels_in_each_of_ten_chapters():
    assert list(QUESTIONS) == [f"{chapter}.{i}" for chapter in range(1, 11) for i in (1, 2, 3)] == list(NUMBERS)
    assert re.findall(r"(?m)^## (\d+) ", TEXT) == [str(chapter) for chapter in range(1, 11)]
    for name, question in QUESTIONS.items():
        assert question.splitlines()[0].endswith(f"({LEVELS[int(name[-1]) - 1]})"), name
        title = question.splitlines()[0].rsplit(" (", 1)[0]
        assert f"| {name} {title[0].lower()}{title[1:]} |" in TEXT, f"the table at the head has another title than {name}"


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_all_its_parts(name):
    answer = "<details><summary>Model answer</summary>", "*Follow-up:*", "**Where it stands.**", "**A weak answer** says:", "</details>"
    parts = "**Question.**", "**Follow-up.**", *answer
    places = [QUESTIONS[name].find(part) for part in parts]
    assert -1 not in places and places == sorted(places), dict(zip(parts, places))
    assert all(QUESTIONS[name].count(part) == 1 for part in parts)
    assert re.search(r"\[[A-Z]+\.\d\]|`\w+_forward`", QUESTIONS[name])


def test_tags_errata_files_and_sections_exist():
    docstrings = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tinyvae").rglob("*.py"))
    for tag in set(re.findall(r"\[[A-Z]+\.\d\]", TEXT)):
        assert tag in docstrings, tag
    errata = re.findall(r"(?m)^(E\d+)\t", (ROOT / "notebooks" / "errata.tsv").read_text(encoding="utf-8"))
    assert set(re.findall(r"\bE\d+\b", TEXT)) <= set(errata)
    for words, target in re.findall(r"\[([^]]*)\]\(([^)#]+)[^)]*\)", TEXT):
        path = ROOT / "docs" / target
        assert path.is_file(), target
        if section := re.fullmatch(r"notebook (\w+), section (\d+)", flat(words)):
            source = ROOT / "notebooks" / "source" / f"{path.stem}.py"
            assert path.name.startswith(section[1] + "_") and f"\n# ## {section[2]}. " in source.read_text(encoding="utf-8"), words
    for before, target in re.findall(r"(?s)(.*?)\[[^]\[]*\]\(\.\./(tinyvae/[^)]*)\)", TEXT):
        source = (ROOT / target).read_text(encoding="utf-8")
        assert all(tag in source for tag in re.findall(r"\[[A-Z]+\.\d\]", before.rpartition("(../")[2])), f"{before[-60:]} is not in {target}"


def test_names_in_code_exist():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tinyvae").rglob("*.py"))
    for name in re.findall(r"`(?:\w+\.)?(\w+_\w+)`", TEXT):
        assert name in code or name.startswith("dlog"), name


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_number_is_recomputed(name, phrases):
    assert not problems(with_numbers(QUESTIONS[name]), phrases[name])


def test_a_changed_number_is_noticed(phrases):
    """Any one digit of any question, changed, is a problem."""
    for name, question in QUESTIONS.items():
        text = with_numbers(question)
        for place in [m.start() for m in re.finditer(DIGIT, text)]:
            other = "7" if text[place] != "7" else "3"
            assert problems(text[:place] + other + text[place + 1 :], phrases[name]), text[place - 20 : place + 20]


def test_the_small_model_and_the_brief():
    head, brief = TEXT.split("## 1 Layers")[0], TEXT.split("## Project brief")[1]
    assert f"log p(x) is {oral_numbers_a.LOG_P:.3f}" in head.replace("−", "-")
    assert "x = z + √⅛ e with z and e from N(0, 1), at x = 1: its posterior is N(8/9, 1/9)" in flat(head)
    assert oral_numbers_a.SMALL.posterior(oral_numbers_a.ONE) == (pytest.approx(8 / 9), pytest.approx(1 / 9))
    rows = [row.split("|")[2:-1] for row in brief.splitlines() if row.startswith("| **")]
    points = [[int(cell.split(":")[0]) for cell in row] for row in rows]
    assert sum(row[0] for row in points) == 20 and all(row[-1] == 0 and row == sorted(row, reverse=True) and len(row) == 4 for row in points)
    values = oral_numbers_c.PCA(8).fit(oral_numbers_a.X).explained_variance_
    assert int((values > 0.4).sum()) == 3 == oral_numbers_c.LinearBetaVAE(8, 0.1, 4).fit(oral_numbers_a.X).active_units_
    assert "With β = 4 the model at η = 0.1 uses 3 of 8 latents, because three eigenvalues exceed 0.4" in flat(brief)
