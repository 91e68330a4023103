"""How many made which mistake: no names, no code, nothing of a mistake that few made."""

from collections import Counter, defaultdict

from ..exercises.wording import say

FEW = 3  # what fewer students did is counted among the rest, so that nobody can be told by it
TODO = say("todo", words="")


def report(records, left_out=0):
    """The lines of a report: how the tasks went, then what was lost at which equation, the most frequent first.

    Parameters
    ----------
    records : list of dict, see `grade.grade`, one for each student: that of the best attempt
    left_out : int, how many who are not in the roster are not counted

    >>> wrong = {"score": 1, "of": 4, "tag": "REP.2", "mistake": "the chain through exp is lost", "missing": [], "tests": []}
    >>> right = wrong | {"score": 4, "mistake": ""}
    >>> made = [{"score": task["score"], "of": 4, "tasks": {"graded_sample": task}} for task in [wrong, wrong, right, wrong]]
    >>> print("\\n".join(report(made)))
    4 graded; mean 1.75 of 4 points
    graded_sample: 1 with full points, 0 without an answer, mean 1.75 of 4
    REP.2 (graded_sample): 3 of 4 lost points
       3 of 4: the chain through exp is lost (REP.2)
    """
    n = len(records)
    if n < FEW:
        return [f"{n} graded: a report that names nobody needs at least {FEW}"]
    lines = [f"{n} graded; {mean(records)} points{f'; {left_out} not in the roster, not counted' * (left_out > 0)}"]
    for name in names(records):
        lines.append(f"{name}: {of_task([record['tasks'][name] for record in records if name in record['tasks']])}")
    for tag, students in by_tag(records).items():
        lines += of_tag(tag, students, n)
    return lines


def names(records):
    """The tasks' ids, in their order."""
    return list(dict.fromkeys(name for record in records for name in record["tasks"]))


def mean(scored):
    """The mean of the points, and how many there are."""
    return f"mean {sum(one['score'] for one in scored) / len(scored):.3g} of {scored[0]['of']}"


def of_task(tasks):
    """How many solved a task, and how many did not begin."""
    full, blank = sum(task["score"] == task["of"] for task in tasks), sum(map(unanswered, tasks))
    return f"{full} with full points, {blank} without an answer, {mean(tasks)}"


def unanswered(task):
    """Whether nothing was earned, and what was asked for is not there or still the stub."""
    return task["score"] == 0 and bool(task["missing"] or any(test["found"].startswith(TODO) for test in task["tests"]))


def by_tag(records):
    """{tag: {student's number: [(task's id, mistake or "")]}} of those who lost points, the most frequent tag first.

    A task without an equation of the package stands for itself. A student who makes a mistake in two tasks counts once.
    """
    lost = defaultdict(lambda: defaultdict(list))
    for student, record in enumerate(records):
        for name, task in record["tasks"].items():
            if task["score"] < task["of"]:
                lost[name if task["tag"] == "-" else task["tag"]][student].append((name, task["mistake"]))
    return dict(sorted(lost.items(), key=lambda item: (-len(item[1]), item[0])))


def of_tag(tag, students, n):
    """The lines on one equation: in which tasks it was asked for, and what went wrong at it."""
    tasks = dict.fromkeys(name for found in students.values() for name, _ in found)
    counts = Counter(mistake for found in students.values() for mistake in {mistake for _, mistake in found if mistake})
    told = [mistake for mistake, count in counts.most_common() if count >= FEW]
    where = "" if [*tasks] == [tag] else f" ({', '.join(tasks)})"
    lines = [f"{tag}{where}: {len(students)} of {n} lost points"]
    lines += [f"   {counts[mistake]} of {n}: {mistake}{f' ({tag})' if where else ''}" for mistake in told]
    rest = sum(not any(mistake in told for _, mistake in found) for found in students.values())
    return lines + ([f"   {rest} of {n}: something else, or no answer"] if told and rest else [])
