"""Is a task sound? Its solution must get all points, its stub none, and every wrong solution less than all.

    python -m tinyvae.exercises.verify [TASK ...]
"""

import sys
import textwrap
import time

from .capstone import judge_of
from .judge import earned
from .sheet import stub
from .source import task_named, tasks


def answers(task, seed=0):
    """(caption, least points, most points, answer as a namespace) of all that must be judged as expected."""
    if task.kind == "numbers":
        numbers = task.numbers(seed)
        yield "solution", task.points, task.points, task.right_numbers(seed)
        yield "stub", 0, 0, dict.fromkeys(task.right_numbers(seed))
        for caption, names in task.checks["wrong"](numbers).items():
            yield caption, 0, task.points - 1, names
        return
    yield "solution", task.points, task.points, vars(task.right)
    yield "stub", 0, 0, task.build(stub(task, seed))
    for caption, code in task.wrong:
        yield caption, 0, task.points - 1, task.build(code)
    if task.kind == "bug":
        yield "not mended", 0, task.points - 1, task.build(stub(task, seed)) | {"caught_by": task.right.caught_by}
        for other in {"gradient check", "truth test", "neither"} - {task.right.caught_by}:
            yield f"caught by {other}", 0, task.points - 1, vars(task.right) | {"caught_by": other}


def verify(task, seed=0):
    """(caption, points, results, whether as expected) of every answer."""
    for caption, least, most, answer in answers(task, seed):
        results = judge_of(task)(task, answer, seed).results()
        yield caption, earned(results), results, least <= earned(results) <= most


def main(names):
    """Print the points of every answer to the tasks named, or to all."""
    good = True
    for task in [task_named(name) for name in names] or tasks().values():
        for seed in (0, 1, 2) if task.kind == "numbers" else (0,):
            start, n = time.perf_counter(), 0
            for caption, points, results, ok in verify(task, seed):
                good, n = good and ok, n + 1
                print(f"{'  ' if ok else '!!'} {task.id}: {caption}: {points} of {task.points}")
                if names or not ok:
                    for result in (r for r in results if not r.ok):
                        print(textwrap.indent(f"{result.name}: {result.found}", " " * 8))
            if n < 4:
                print(f"!! {task.id}: {n - 2} wrong solutions, at least 2 are wanted")
                good = False
            print(f"   {task.id}: {n} answers in {time.perf_counter() - start:.2f} s")
    return not good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
