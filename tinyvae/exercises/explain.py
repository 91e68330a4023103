"""What is said of a wrong answer, by levels: 1 the symptom and an experiment, 2 the step of the derivation, 3 the formula.

How much of it a student sees is decided by `progress.level`, by how much has been tried.
"""

import inspect
import re

from ..gradcheck.arguments import copied
from ..gradcheck.diagnosis import diagnose
from . import mistakes
from .helpers import SIZES, same
from .judge import missing, near
from .percent import namespace
from .wording import say

LEVELS = (1, 2, 3)
CODE = "backward", "forward", "function", "pair"


def explain(judge, results):
    """{level: text} for the results of a Judge, some of which do not hold; {} where there is nothing to say."""
    failed = {result.name for result in results if not result.ok}
    if not failed or not begun(results) or missing(judge.task, judge.student):
        return {}
    kind = judge.task.kind
    if kind == "numbers":
        return of_numbers(judge, failed)
    if kind == "bug":
        return of_program(judge) if "mended" in failed else {}
    return of_function(judge, failed) if kind in CODE else {}


def begun(results):
    """Whether an answer is more than the stub."""
    return not any(result.todo for result in results)


def of_function(judge, failed):
    """The diagnosis of what the student's function returns, against the right one and against known mistakes."""
    task = judge.task
    steps = {name: looked_at(step) for name, step in steps_of(task).items()}
    call = judge.call_first() if "forward" in failed else judge.call() if "values" in failed else None
    if call is None:  # the task's own tests alone fail
        own = [name for name in task.tests if name in failed and name in steps]
        names = own or ["forward"] * (task.kind == "pair") + (task.outputs or list(steps))
        return {2: "\n".join(dict.fromkeys(steps[name] for name in names))}
    found = diagnose(
        call.student, call.draws, reference=call.right, outputs=call.outputs, steps=steps | ({task.out: steps["forward"]} if task.kind == "pair" else {}),
        mutants=mutants(judge, "forward" in failed), sizes=list(SIZES),
    )  # fmt: skip
    return {} if found.ok else {level: of_the_cache(judge, found.text(level)) for level in LEVELS}


def of_the_cache(judge, text):
    """A text in which what a given forward pass puts into its cache has the name that it has there, in place of a number."""
    if judge.task.kind != "backward":
        return text
    forward, _ = judge.pair(judge.task.right)
    source = getattr(forward, "__source__", None) or inspect.getsource(forward)
    line = re.search(r"(?m)^ +cache = (\w+(?:, \w+)*) *(?:#|$)", source)
    names = dict(enumerate(line[1].split(", "))) if line else {}
    return re.sub(r"\bcache\[(\d+)\]", lambda found: names.get(int(found[1]), found[0]), text)


def looked_at(step):
    """A step of a derivation as a sentence."""
    return say("the step", step=step if step.endswith("?") else step + ".")


def steps_of(task):
    """{output: step of the derivation, with its tag}; where the record has none, the equation that is worked on."""
    names = [*task.outputs, "forward"] if task.kind in CODE else task.tests
    tag = "" if task.tag == "-" else f" [{task.tag}]"
    steps = {name: step if re.search(r"\[[A-Z]+\.\d", step) else step + tag for name, step in task.record.get("steps", {}).items()}
    return dict.fromkeys(names, task.equation + tag) | steps


def mutants(judge, first):
    """(function, caption) of the task's wrong solutions and of the mistakes known of a function of this name."""
    found = []
    for caption, code in judge.task.wrong:
        answer = namespace(judge.task.build(code))
        found.append(((judge.call_first(answer) if first else judge.call(answer)).student, caption))
    if judge.task.kind == "backward":
        call = judge.call()
        found += [(wrong, says) for wrong, right, says in mistakes.mutants(judge.task.names[-1]) if agree(right, call)]
    return found


def agree(function, call):
    """Whether a right function of the same name is right here too, and not for another cache."""
    try:
        return all(same(function(*copied(args)), call.right(*copied(args)), call.rtol) for args in call.draws)
    except Exception:  # noqa: BLE001 - it is not
        return False


def of_numbers(judge, failed):
    """The mistakes that lead to the answers given, where they are known ones; those that explain most of them first."""
    task, right = judge.task, judge.task.right_numbers(judge.seed)
    failed = [name for name in task.tests if name in failed]
    steps = dict.fromkeys(steps_of(task)[name] for name in failed)
    texts, lines = {2: "\n".join(looked_at(step) for step in steps)}, []
    while True:
        caption, names = mistake_by_hand(judge, right, failed)
        if not names:
            break
        lines.append(say("what one gets", names=", ".join(names), caption=caption))
        failed = [name for name in failed if name not in names]
    return {level: text for level, text in (texts | {3: "\n".join(lines)}).items() if text}


def known(judge, results):
    """The caption of a known mistake that gives just what this answer gives, or ""."""
    failed = {result.name for result in results if not result.ok}
    task = judge.task
    if not failed or not begun(results) or missing(task, judge.student):
        return ""
    if task.kind == "numbers":
        return mistake_by_hand(judge, task.right_numbers(judge.seed), [name for name in task.tests if name in failed])[0]
    if task.kind == "bug":
        return caption_of_program(judge) if "mended" in failed else ""
    first = "forward" in failed
    if task.kind not in CODE or not (first or "values" in failed):
        return ""
    call = judge.call_first() if first else judge.call()
    got = [call.student(*copied(args)) for args in call.draws]
    return next((caption for wrong, caption in mutants(judge, first) if does(wrong, call.draws, got, call.rtol)), "")


def does(wrong, draws, got, rtol):
    """Whether a wrong function gives just these results."""
    try:
        return all(same(wrong(*copied(args)), result, rtol) for args, result in zip(draws, got))
    except Exception:  # noqa: BLE001 - it fails where the answer does not
        return False


def mistake_by_hand(judge, right, failed):
    """(caption, names) of the known mistake that gives most of these wrong answers, the first of equals; ("", []) if none gives any.

    One that leads to another answer where the student's is right is none that was made.
    """
    agrees = lambda name, answers: near(getattr(judge.student, name, None), answers[name], judge.tolerance)
    best = "", []
    for caption, answers in judge.task.checks["wrong"](judge.task.numbers(judge.seed)).items():
        changed = [name for name in judge.task.tests if not near(answers[name], right[name], judge.tolerance)]
        names = [name for name in changed if name in failed and agrees(name, answers)]
        if len(names) > len(best[1]) and not any(agrees(name, right) for name in changed):
            best = caption, names
    return best


def of_program(judge):
    """What gradient check and truth test say of the program as it is now; then where it goes wrong, and what it does, if that is known."""
    mistake = judge.task.mistaken
    seen = mistakes.examine(mistake, judge.student)
    caption = caption_of_program(judge)
    told = say("what a program does", caption=caption) if caption else ""
    texts = {2: f"{seen}\n{looked_at(mistake.step)}"}
    return texts | ({3: f"{seen}\n{told}"} if told else {})


def caption_of_program(judge):
    """The caption of a known mistake with which a program does what this one does, or ""."""
    mistake = judge.task.mistaken
    candidates = [(other.says, other.wrong_source) for other in mistakes.of_program(mistake.program)] + judge.task.wrong
    return next((caption for caption, source in candidates if judge.behaves_like(mistake.build(source))), "")
