"""The capstone: the student's own page, with the student's own parts, checked and trained."""

import types

from ..gradcheck import check
from . import helpers
from .judge import Judge, compared
from .source import tasks
from .training import (
    EPOCHS,
    LAB_EPOCHS,
    N_LATENT,
    PAIRS,
    OnePageVAE,
    package_part,
    parts,
    train,
)
from .wording import say

ENOUGH = 24.8  # nats per datum on the test digits: what the capstone must reach


def _page(judge, n):
    """A small model in float64 at the n-th set of sizes, with the student's page and parts; x (N, D) and eps (N, K)."""
    sizes, rng = helpers.SIZES[n], judge.rng(n)
    functions = vars(judge.student.parts if hasattr(judge.student, "parts") else parts({}))
    page = {name: getattr(judge.student, name) for name in judge.task.names}
    x, eps = rng.integers(0, 2, (sizes["N"], sizes["D"])).astype(float), helpers.normal(rng, sizes["N"], N_LATENT)
    model = OnePageVAE(sizes["D"], functions | page, sizes["H"], dtype="float64")
    model.theta += 0.1 * helpers.normal(rng, model.theta.size)
    return model, x, eps


def page(judge, own=None):
    """The student's forward pass against the right one, with the package's parts in both, or with parts of the student's own."""
    judge.written()
    for n in range(len(helpers.SIZES)):
        model, x, eps = _page(judge, n)
        passes = (model.forward, own or parts({})), (judge.task.right.vae_forward, parts({}))
        (got, _), (want, _) = (forward(x, eps, model.params, its_parts) for forward, its_parts in passes)
        if (fault := compared(judge.task.outputs, got, want)) is not None:
            return fault
    return None


def gradients(judge):
    """The student's backward pass against differences of the student's forward pass."""
    judge.written()
    model, x, eps = _page(judge, 0)

    def loss_forward(*weights):
        (loss, _, _), cache = model.forward(x, eps, dict(zip(model.shapes, weights)), model.parts)
        return loss, cache

    def loss_backward(dloss, cache):
        grads = model.backward(dloss, cache, model.parts)
        return tuple(grads[name] for name in model.shapes)

    report = check(loss_forward, loss_backward, *(weight.copy() for weight in model.params.values()))
    wrong = [name for name, row in zip(model.shapes, report.rows) if not row.ok]
    return say("gradients", names=", ".join(reversed(wrong))) if wrong else None  # from the loss upwards


def trained(judge):
    """Trained on the digits; only what has passed the other tests is."""
    if page(judge) or gradients(judge):
        return say("first the others")
    functions = {name: value for name, value in vars(judge.student).items() if name in ("vae_forward", "vae_backward")}
    own = vars(judge.student.parts) if hasattr(judge.student, "parts") else {}
    judge.trained = train(own | functions)
    return None if judge.trained[1] <= ENOUGH else say("not enough", reached=judge.trained[1], enough=ENOUGH)


class CapstoneJudge(Judge):
    """A Judge that knows the tests of the capstone."""

    builtin = Judge.builtin | {"page": page, "gradients": gradients, "trained": trained}


def in_training(judge, answer, passed):
    """{"trained": [epochs, before, after] or None}: what an answer does in a VAE on the digits, where its task says so; "untrained" if it fails there."""
    if judge.trained:
        return {"trained": [EPOCHS, *judge.trained]}
    if not passed or judge.task.record.get("trains") != "yes":
        return {"trained": None}
    try:
        return {"trained": [LAB_EPOCHS, *train({name: answer[name] for name in judge.task.names}, LAB_EPOCHS)]}
    except Exception as error:  # noqa: BLE001 - in float32, for example; the points stand
        return {"trained": None, "untrained": f"{type(error).__name__}: {error}"}


def judge_of(task):
    """The class of judge for a task."""
    return CapstoneJudge if task.kind == "capstone" else Judge


def own_parts(spaces):
    """The parts of a capstone from a student's files, which have passed their own checks, see `runner.sound`.

    Parameters
    ----------
    spaces : dict of part to the namespace of the file in which it stands

    Returns
    -------
    (parts, said) : a namespace of all parts, and of those that were handed in "yours" or "other cache", by name
    """
    functions = {name: space[name] for name, space in spaces.items()}
    said = dict.fromkeys(functions, "yours")
    for pair in PAIRS:
        names = [f"{pair}_{way}" for way in ("forward", "backward")]
        own = [functions.get(name) or package_part(name) for name in names]
        if names[0] in functions and not _suits(*own, tasks()[names[-1]]):
            functions.pop(names[0])  # its cache is not what this backward opens
            said[names[0]] = "other cache"
    return types.SimpleNamespace(**vars(parts(functions)), adam_step=functions.get("adam_step")), said


def _suits(forward, backward, task):
    """Whether a backward can open the cache of a forward."""
    try:
        wrt = task.record.get("wrt", "").split() or None
        return check(forward, backward, *Judge(task, {}).inputs(0), wrt=wrt).ok
    except Exception:  # noqa: BLE001 - what a student's pair raises, it does not suit
        return False
