"""The report: how many made which mistake, counted by hand; nobody can be told by it."""

from tinyvae.course.assignment import new
from tinyvae.course.grade import unread
from tinyvae.course.gradebook import Attempt, best_records, store
from tinyvae.course.report import by_tag, report
from tinyvae.course.roster import Student

EXP, MINUS, SIGN = "the chain through exp is lost", "the -1 is missing", "the sign is lost"


def task(score, mistake="", tag="REP.2", of=4, **more):
    return {"score": score, "of": of, "title": "", "tag": tag, "mistake": mistake, "missing": [], "tests": []} | more


def course(*students):
    """A record for each student, who is {id: task}."""
    return [{"score": sum(t["score"] for t in tasks.values()), "of": sum(t["of"] for t in tasks.values()), "tasks": tasks} for tasks in students]


def of_samples(right=0, exp=0, sign=0, blank=0):
    """Records of one task."""
    todo = task(0, tests=[{"found": "to do: write samples_backward here"}])
    return course(*[{"samples": one} for one in right * [task(4)] + exp * [task(2, EXP)] + sign * [task(1, SIGN)] + blank * [todo]])


def test_a_course_of_120_is_counted():
    assert report(of_samples(right=60, exp=41, sign=12, blank=7)) == [
        "120 graded; mean 2.78 of 4 points",
        "samples: 60 with full points, 7 without an answer, mean 2.78 of 4",
        "REP.2 (samples): 60 of 120 lost points",
        "   41 of 120: the chain through exp is lost (REP.2)",
        "   12 of 120: the sign is lost (REP.2)",
        "   7 of 120: something else, or no answer",
    ]


def test_the_most_frequent_comes_first_whatever_the_order_of_tasks():
    kl, sample = [task(5, of=5, tag="KL.2"), task(2, MINUS, "KL.2", 5)], [task(4), task(1, EXP), task(1, SIGN)]
    records = course(*[{"kl": kl[n < 3], "sample": sample[1 + (n < 4)] if n < 9 else sample[0]} for n in range(10)])
    lines = report(records)
    assert [line for line in lines if "lost points" in line] == ["REP.2 (sample): 9 of 10 lost points", "KL.2 (kl): 3 of 10 lost points"]
    assert lines.index(f"   5 of 10: {EXP} (REP.2)") < lines.index(f"   4 of 10: {SIGN} (REP.2)") < lines.index(f"   3 of 10: {MINUS} (KL.2)")


def test_a_mistake_of_few_is_not_listed():
    """Two students with a mistake of their own are among the rest; a third, and it is named."""
    two, three = (report(of_samples(right=5, exp=4, sign=n)) for n in (2, 3))
    assert not any(SIGN in line for line in two) and "   2 of 11: something else, or no answer" in two
    assert f"   3 of 12: {SIGN} (REP.2)" in three and not any("something else" in line for line in three)


def test_a_student_counts_once_at_an_equation():
    """Who loses exp in two tasks is one student; what else that student does is not among the rest."""
    twice = {"a": task(0, EXP), "b": task(1, EXP)}
    lines = report(course(twice, twice, {"a": task(0, EXP), "b": task(1, SIGN)}, {"a": task(4), "b": task(4)}))
    assert lines[3:] == ["REP.2 (a, b): 3 of 4 lost points", f"   3 of 4: {EXP} (REP.2)"]


def test_a_task_without_an_equation_stands_for_itself():
    records = course(*[{"own": task(0, SIGN, "-"), "other": task(0, EXP, "-")} for _ in range(3)])
    assert list(by_tag(records)) == ["other", "own"]
    assert report(records)[3:] == ["other: 3 of 3 lost points", f"   3 of 3: {EXP}", "own: 3 of 3 lost points", f"   3 of 3: {SIGN}"]


def test_each_student_counts_once_by_the_best_attempt(tmp_path):
    """Three who failed first and then passed, one who passed and then failed, one who never did: one line of mistakes less."""
    right, wrong = course({"samples": task(4)})[0], course({"samples": task(1, EXP)})[0]
    tries = {"Ada": [wrong, right], "Böhm": [wrong, wrong, right], "Cox": [right, wrong], "Du": [wrong], "Evi": []}
    store(tmp_path / "g.csv", {Student(name): [Attempt(f"{name}.py", record) for record in records] for name, records in tries.items()})
    lines = report(*best_records(tmp_path / "g.csv"))
    assert lines[0] == "4 graded; mean 3.25 of 4 points" and "REP.2 (samples): 1 of 4 lost points" in lines
    assert not any(EXP in line or name in line for line in lines for name in tries)


def test_with_a_roster_its_students_alone_are_counted(tmp_path):
    right, wrong = course({"samples": task(4)})[0], course({"samples": task(1, EXP)})[0]
    attempts = {Student(name, line=n): [Attempt(f"{name}.py", right)] for n, name in enumerate(("Ada", "Böhm", "Cox"))}
    attempts |= {Student(name): [Attempt(name, wrong)] for name in ("draft.py", "copy of draft.py")}
    store(tmp_path / "g.csv", attempts)
    assert report(*best_records(tmp_path / "g.csv"))[0] == "3 graded; mean 4 of 4 points; 2 not in the roster, not counted"
    store(tmp_path / "g.csv", {student._replace(line=-1): tries for student, tries in attempts.items()})
    assert report(*best_records(tmp_path / "g.csv"))[0] == "5 graded; mean 2.8 of 4 points", "without a roster a file is somebody"


def test_nobody_is_named_and_nothing_else_of_a_submission_is_there():
    records = [record | {"digest": "d1d1", "notes": ["Müller.ipynb: it printed: hello"], "jail": "bwrap"} for record in of_samples(exp=3)]
    records[0]["tasks"]["samples"]["texts"] = {"3": "equal to eps"}
    text = "\n".join(report(records))
    assert not any(word in text for word in ("Müller", "d1d1", "hello", "eps", "bwrap")) and EXP in text


def test_too_few_students_and_an_empty_course():
    assert report([]) == ["0 graded: a report that names nobody needs at least 3"]
    assert report(of_samples(exp=2)) == ["2 graded: a report that names nobody needs at least 3"]


def test_what_could_not_be_read_is_without_an_answer():
    """A record as the grader makes it."""
    records = [unread(new("one", ["kl_backward"], seed=1), "x.png is no notebook") for _ in range(3)]
    assert report(records) == ["3 graded; mean 0 of 5 points", "kl_backward: 0 with full points, 3 without an answer, mean 0 of 5", "KL.2 (kl_backward): 3 of 3 lost points"]
