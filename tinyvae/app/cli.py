"""The command line: python -m tinyvae train | evaluate | sample | gradcheck | learn | course | bench.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 or 143 interrupted. Errors are one line on standard error.
"""

import argparse
import math
import signal
import sys
import threading

from .. import likelihoods, posteriors, priors
from ..bounds import BOUNDS
from ..mlp import ACTIVATIONS
from ..support.validation import check_int, check_number
from . import commands, course, kinds, report, runs
from .options import MNIST, SETS, defaults


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        report.warn(f"{message} (see {self.prog} --help)", self.prog)
        self.exit(2)


def _checked(check, convert):
    """An argparse type: convert the word, then put the value to a check of the public doors."""

    def parse(word):
        try:
            return check(convert(word))
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _whole(name, at_least, at_most=10**9):
    def check(value):
        if value > at_most:
            raise ValueError(f"{name} must be at most {at_most}, got {value}")
        return check_int(name, value, at_least)

    return _checked(check, int)


def _real(name, **bounds):
    return _checked(lambda value: check_number(name, value, **bounds), float)


def _data(word):
    if word not in SETS and not word.endswith(".npz"):
        raise ValueError(f"data must be digits, mnist, fashion-mnist, binarized-mnist, grammar or a FILE.npz, got {word!r}")
    return word


def _known(room):
    """A conversion that refuses names which the room's table does not hold."""

    def known(word):
        room.get(word)
        return word

    return known


_RECORDS = (
    ("likelihood", likelihoods, likelihoods.LIKELIHOODS),
    ("posterior", posteriors, posteriors.POSTERIORS),
    ("prior", priors, priors.PRIORS),
)


def _parser():
    parser = _Parser(prog="tinyvae", description="Variational auto-encoders by hand.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(subparsers)
    _add_evaluate(subparsers)
    _add_sample(subparsers)
    check = subparsers.add_parser("gradcheck", help="check every gradient against finite differences")
    check.add_argument("names", nargs="*", metavar="NAME", help="pairs, likelihoods, pages of the zoo, activations, or model (default: all)")
    _add_learn(subparsers)
    course.add_parsers(subparsers, _whole)
    subparsers.add_parser("bench", help="time a training step against its bare matrix products")
    return parser


def _add_train(subparsers):
    """Options without a default are absent from the result: so a resumed run can tell what was asked for."""
    train = subparsers.add_parser("train", help="train a VAE, or another model, and write model, figures and summary")
    options = train.add_argument_group("the run", argument_default=argparse.SUPPRESS)
    options.add_argument(
        "--data", type=_checked(_data, str), help="digits (default), mnist, fashion-mnist, binarized-mnist, grammar, or FILE.npz with X and perhaps y"
    )
    options.add_argument("--model", choices=kinds.TABLE, help="vae (default, and of the defaults below) or another; each takes those of the options that it needs")
    _add_model_options(options.add_argument, defaults("vae"))
    _add_fit_options(options.add_argument, defaults("vae"), MNIST)
    train.add_argument("--out", help="the run's folder (runs/DATA, of another model runs/DATA-MODEL)")
    existing = train.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on from the checkpoint in the run's folder")
    existing.add_argument("--overwrite", action="store_true", help="replace a run that is there")
    train.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_model_options(add, default):
    """What the model is, its loss included."""
    add("--latent", type=_whole("latent", 1), nargs="+", metavar="K", help=f"latent dimensions ({default['latent']}); two numbers for the ladder")
    add("--hidden", type=_whole("hidden", 1), nargs="*", metavar="H", help="sizes of hidden layers (128); none: linear")
    for kind, room, table in _RECORDS:
        names = ", ".join(f"{name}[:NUMBER]" if record.sized else name for name, record in table.items())
        add(f"--{kind}", type=_checked(_known(room), str), help=f"{default[kind]} (default); of {names}")
    add("--eta", type=_real("eta", above=0), help="variance of a Gaussian or Laplace likelihood (1)")
    add("--activation", choices=list(ACTIVATIONS), help="tanh (default), relu, sigmoid, softplus")
    add("--alpha", type=_real("alpha", at_least=0), help="m2: weight of the cross-entropy of a labelled datum (10)")
    add("--labels", type=_whole("labels", 0), metavar="N", help="m2: how many labels it may see (20; of a FILE.npz all); 0: all")
    add("--labels-first", type=_real("labels-first", at_least=0), metavar="EPOCHS", help="m2: the first epochs see the labels alone (6 of 60)")
    add("--word-dropout", type=_real("word-dropout", at_least=0, below=1), metavar="P", help="strings: share of symbols hidden in training (0)")
    add("--beta", type=_real("beta", at_least=0), help="weight of the KL in the loss (1)")
    add("--bound", choices=list(BOUNDS), help="elbo (default), or the k-sample bound with k = --samples")
    add("--warmup", type=_real("warmup", at_least=0), metavar="EPOCHS", help="over which the weight of the KL rises from 0 (0)")
    add("--samples", type=_whole("samples", 1), help="of z per datum in training (1)")


def _add_fit_options(add, default, mnist):
    """How the model is trained."""
    add("--epochs", type=_whole("epochs", 0), help=f"({default['epochs']}; MNIST {mnist['epochs']})")
    add("--batch-size", type=_whole("batch-size", 1), help=f"({default['batch_size']})")
    add("--optimizer", choices=["adam", "sgd"], help="adam (default) or sgd")
    add("--lr", type=_real("lr", above=0), help=f"learning rate ({default['lr']}; MNIST {mnist['lr']})")
    add("--decay", action="store_true", help="the learning rate falls linearly to 0")
    add("--binarize", choices=["none", "threshold", "dynamic"], help="none; threshold: 1 from 1/2 on; dynamic: drawn anew each epoch")
    add("--seed", type=_whole("seed", 0, at_most=math.inf), help=f"({default['seed']})")


def _add_evaluate(subparsers):
    evaluate = subparsers.add_parser("evaluate", help="ELBO and its terms on the test split of a run")
    evaluate.add_argument("run", help="the run's folder")
    evaluate.add_argument("--json", action="store_true", help="one line of JSON: elbo, log_px, kl (nats per datum)")
    evaluate.add_argument("--nll", action="store_true", help="also log p(x) by importance sampling, and the bounds below it")
    evaluate.add_argument("--samples", type=_whole("samples", 1), default=5000, help="of z per datum for --nll (5000)")
    evaluate.add_argument("--rows", type=_whole("rows", 2), default=1000, help="test rows for --nll (1000)")


def _add_sample(subparsers):
    sample = subparsers.add_parser("sample", help="a picture of samples from the prior")
    sample.add_argument("run", help="the run's folder")
    sample.add_argument("-n", type=_whole("n", 1), default=64, help="how many (default 64)")
    sample.add_argument("--out", required=True, metavar="FILE", help="the picture to write, a .png; of strings a .txt")
    sample.add_argument("--draws", action="store_true", help="draw x ~ p(x|z) instead of showing its mean; strings are always drawn")
    sample.add_argument("--seed", type=_whole("seed", 0, at_most=math.inf), help="another seed than the model's")


def _add_learn(subparsers):
    learn = subparsers.add_parser("learn", help="exercises: progress and the next task; start, check, hint, watch, reset, solution")
    ways = learn.add_subparsers(dest="way", metavar="WAY")
    start = ways.add_parser("start", help="write the files of all tasks, never over yours")
    start.add_argument("folder", nargs="?", metavar="FOLDER", help="(tinyvae-practice)")
    start.add_argument("--seed", type=_whole("seed", 0), help="of the numbers in the statements (0: the lecture's)")
    ways.add_parser("check", help="run and judge a task's file").add_argument("task", nargs="?", metavar="TASK", help="(the file saved last)")
    ways.add_parser("hint", help="one more hint").add_argument("task", metavar="TASK")
    ways.add_parser("watch", help="check a file whenever it is saved")
    ways.add_parser("reset", help="the stub anew; your file is kept").add_argument("task", metavar="TASK")
    solution = ways.add_parser("solution", help="the solution, after passing")
    solution.add_argument("task", metavar="TASK")
    solution.add_argument("--give-up", action="store_true", help="before passing: checks then say everything")


def _learn(way=None, **options):
    from ..exercises import practice  # which the other commands do without

    _any_letter()
    return (getattr(practice, way) if way else practice.overview)(**options)


def _any_letter():
    """A console that lacks a letter shows its escape."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _course(**options):
    _any_letter()
    return course.run(**options)


def _interrupt(number, frame):
    raise KeyboardInterrupt(number)


def _run(args):
    given = vars(args)
    command = given.pop("command")
    if command == "train":
        control = {name: given.pop(name) for name in ("out", "resume", "overwrite", "quiet")}
        return runs.train(given, **control)
    if command == "evaluate":
        return commands.evaluate(args.run, args.json, args.nll, args.samples, args.rows)
    if command == "sample":
        return commands.sample(args.run, args.n, args.out, draws=args.draws, seed=args.seed)
    if command == "gradcheck":
        return commands.gradcheck(args.names)
    if command == "learn":
        return _learn(**given)
    if command == "course":
        return _course(**given)
    return commands.bench()


def main(argv=None):
    """Run one command and return its exit status."""
    args = _parser().parse_args(argv)
    if threading.current_thread() is threading.main_thread():  # signals reach no other
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return _run(args)
    except KeyboardInterrupt as interrupt:
        report.warn("interrupted")
        return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    except (ValueError, TypeError, OSError, ArithmeticError, MemoryError) as error:
        words = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
        report.warn(" ".join(words.split()) or "out of memory: make the model smaller")
        return 1
