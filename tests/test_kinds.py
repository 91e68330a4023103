"""Layer 4: the models of the zoo from the command line: train, evaluate, sample, resume, and what each does not take."""

import csv
import json
import time

import numpy as np
import pytest

from tinyvae.__main__ import main
from tinyvae.app import kinds, runs
from tinyvae.app.options import complete, defaults
from tinyvae.grammar import strings
from tinyvae.support.storage import read_npz

OTHERS = [name for name in kinds.TABLE if name != "vae"]
QUICK = {
    "cvae": ["--hidden", "12", "--epochs", "2"],
    "m2": ["--hidden", "12", "--epochs", "2"],
    "made": ["--hidden", "12", "--epochs", "2"],
    "ladder": ["--hidden", "12", "--latent", "3", "2", "--epochs", "2", "--warmup", "1"],
    "strings": ["--hidden", "6", "--latent", "2", "--epochs", "2", "--warmup", "1"],
}


def train(name, out, *more):
    few = []
    if name == "strings":  # two hundred, where the grammar gives ten thousand
        out.parent.mkdir(exist_ok=True)
        np.savez(out.parent / "few.npz", X=strings(200))
        few = ["--data", str(out.parent / "few.npz")]
    return main(["train", "--model", name, *QUICK[name], *few, "--out", str(out), "--quiet", *more])


def summary_of(out):
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=OTHERS)
def run(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / request.param
    assert train(request.param, out) == 0
    return request.param, out


def test_a_run_writes_its_files(run):
    name, out = run
    kind = kinds.get(name)
    assert {path.stem for path in out.glob("*.png")} == set(kind.files)
    with open(out / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(rows[-1][prefix + term]) >= 0 for prefix in ("", "val_") for term in kind.model.units)
    assert set(kind.test_terms or kind.model.units) <= set(summary_of(out)), "terms that test rows do not have are not reported as 0"
    assert summary_of(out)["model"] == name and "cross_entropy" not in summary_of(out)
    assert kind.model.load(out / "model.npz").epoch == 2


def test_evaluate_repeats_the_summary(run, capsys):
    _, out = run
    assert main(["evaluate", str(out), "--json"]) == 0
    result, summary = json.loads(capsys.readouterr().out), summary_of(out)
    assert result and all(value == summary[key] for key, value in result.items())
    assert main(["evaluate", str(out)]) == 0
    assert "test rows, nats" in capsys.readouterr().out
    assert main(["evaluate", str(out), "--nll"]) == 1
    assert "--nll goes with a VAE alone" in capsys.readouterr().err


def test_sample_writes_a_picture_or_strings(run, tmp_path, capsys):
    name, out = run
    right, wrong = ("s.txt", "s.png") if name == "strings" else ("s.png", "s.txt")
    assert main(["sample", str(out), "-n", "5", "--out", str(tmp_path / right)]) == 0
    assert main(["sample", str(out), "-n", "5", "--out", str(tmp_path / wrong)]) == 1
    assert f"got {tmp_path / wrong}" in capsys.readouterr().err and not (tmp_path / wrong).exists()
    if name == "strings":
        assert len((tmp_path / right).read_text(encoding="utf-8").splitlines()) == 5


def test_an_unfinished_run_goes_on_bit_for_bit(run, tmp_path, monkeypatch):
    name, out = run
    again = tmp_path / "again"
    monkeypatch.setattr(runs, "draw", lambda *args: ([], {}))  # without the pictures

    def interrupted(self, model, history):
        raise KeyboardInterrupt

    with monkeypatch.context() as first:
        first.setattr(runs.Silent, "epoch", interrupted)
        assert train(name, again) == 130 and not (again / "model.npz").exists()
    assert main(["train", "--resume", "--out", str(again), "--quiet"]) == 0
    assert np.array_equal(read_npz(again / "model.npz")[1]["theta"], read_npz(out / "model.npz")[1]["theta"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model", "made", "--posterior", "full"], "--model made does not take --posterior: beside what every run has it takes --hidden"),
        (["--model", "ladder", "--latent", "3"], "--latent must give 2 sizes for --model ladder, got 3"),
        (["--latent", "3", "4"], "--latent must give 1 size for --model vae, got 3 4"),
        (["--model", "m2", "--labels", "7"], "--labels must be a multiple of the number of classes, 10"),
        (["--model", "strings", "--data", "digits"], "--model strings takes --data grammar, and no other model does; got --model strings --data digits"),
        (["--data", "grammar"], "got --model vae --data grammar"),
        (["--model", "strings", "--binarize", "threshold"], "--model strings has symbols: leave it out"),
        (["--model", "made", "--binarize", "none"], "X must hold pixels 0 and 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_told_in_one_line(args, message, tmp_path, capsys):
    assert main(["train", *args, "--out", str(tmp_path / "r"), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        ("cvae", None, "--model cvae needs labels: own.npz must hold an array y"),
        ("cvae", np.arange(60) % 4 - 1, "--model cvae needs a label for every row, got"),
        ("cvae", np.full(60, "cat"), "y must number the classes from 0, and hold -1 where one is unknown; got ['cat']"),
        ("m2", np.where(np.arange(60) % 2, 1.5, np.nan), "y must number the classes from 0"),
        ("m2", np.full(60, -1), "y must hold some labels"),
    ],
)
def test_labels_that_a_model_cannot_take_are_told_before_a_folder_is_made(model, y, message, tmp_path, capsys):
    np.savez(tmp_path / "own.npz", X=np.eye(60, 9), **({} if y is None else {"y": y}))
    assert main(["train", "--model", model, "--data", str(tmp_path / "own.npz"), "--out", str(tmp_path / "r")]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "r").exists()


def test_the_data_say_how_many_classes_there_are_and_unknown_ones_are_no_errors(tmp_path, capsys):
    """Three classes, most of them unknown: M2 takes all labels that there are, and errs only where it can be seen."""
    rng, y = np.random.default_rng(0), np.arange(120) % 3
    X = np.clip(0.5 * np.eye(3, 9)[y] + 0.2 * rng.random((120, 9)), 0, 1)
    np.savez(tmp_path / "own.npz", X=X, y=np.where(rng.random(120) < 0.5, y, -1))
    options = ["--data", str(tmp_path / "own.npz"), "--hidden", "16", "--epochs", "40", "--batch-size", "20", "--out", str(tmp_path / "r")]
    assert main(["train", "--model", "m2", *options]) == 0
    summary, printed = summary_of(tmp_path / "r"), capsys.readouterr().out
    assert summary["error"] < 0.2 and 0 < summary["test_labels"] < 24 and kinds.get("m2").model.load(tmp_path / "r" / "model.npz").n_classes == 3
    assert "of 96 training rows keep their label" in printed and f"on {summary['test_labels']} test rows whose class is known" in printed


def test_grey_values_are_cut_only_where_they_lie_between_0_and_1(tmp_path, capsys):
    np.savez(tmp_path / "own.npz", X=np.random.default_rng(0).standard_normal((40, 9)))
    assert main(["train", "--model", "made", "--data", str(tmp_path / "own.npz"), "--out", str(tmp_path / "r")]) == 1
    assert "--binarize threshold cuts grey values in [0, 1] at 1/2" in capsys.readouterr().err


def test_one_latent_has_no_scatter(tmp_path):
    assert main(["train", "--model", "cvae", *QUICK["cvae"], "--latent", "1", "--out", str(tmp_path / "r"), "--quiet"]) == 0
    assert not (tmp_path / "r" / "latent.png").exists()


@pytest.mark.parametrize(
    ("name", "option", "value", "attribute"),
    [
        ("m2", "alpha", 3.0, "alpha"), ("m2", "latent", 4, "n_latent"), ("cvae", "latent", 5, "n_latent"), ("cvae", "activation", "relu", "activation"),
        ("made", "hidden", [9, 8], "hidden"), ("ladder", "latent", [5, 3], "n_latent"), ("strings", "word_dropout", 0.3, "word_dropout"),
        ("strings", "hidden", [7], "hidden"), ("m2", "likelihood", "gaussian", "likelihood"), ("made", "seed", 4, "seed"),
    ],
)  # fmt: skip
def test_options_reach_the_model(name, option, value, attribute):
    model = kinds.get(name).new(defaults(name) | {option: value}, np.zeros((3, 6)), 3)
    got = getattr(model, attribute)
    assert (list(got) if isinstance(got, tuple) else [got]) == (value if isinstance(value, list) else [value])


def test_options_reach_the_training():
    """The first epochs: no KL, no unlabelled data; and later both in full."""
    for name, term in (("ladder", "kl"), ("vae", "kl"), ("strings", "kl"), ("cvae", "kl"), ("m2", "unlabelled")):
        given = {"epochs": 30} if name in ("ladder", "m2") else {"warmup": 3.0}
        schedule = kinds.get(name).schedule(complete(given, name))
        assert schedule(0, {}) == {term: 0.0} and schedule(29.9, {}) == {term: 1.0} and 0 <= schedule(1.5, {})[term] < 1, name
    assert complete({"epochs": 30}, "m2")["labels_first"] == 3 and complete({"data": "mnist"}, "ladder")["warmup"] < 20
    assert kinds.get("vae").schedule(complete({}, "vae")) is None
    with pytest.raises(ValueError, match="--warmup must be at most as long as the training, 5 epochs, got 9"):
        complete({"epochs": 5, "warmup": 9.0}, "vae")


@pytest.mark.parametrize(("model", "binarize", "wanted"), [("cvae", "none", [0, 0.5, 1]), ("made", "threshold", [0, 1, 1]), ("made", "dynamic", [0, 127.5, 255])])
def test_pixels_from_0_to_255_come_as_the_model_takes_them(model, binarize, wanted, tmp_path):
    np.savez(tmp_path / "own.npz", X=np.tile(np.uint8([0, 128, 255]), (10, 1)), y=np.zeros(10))
    X_train, *_ = runs.load_data(defaults(model) | {"data": str(tmp_path / "own.npz"), "binarize": binarize}, tmp_path)
    assert np.abs(X_train[0].astype(float) - wanted).max() <= 0.5 and (binarize == "dynamic") == (X_train.dtype == np.uint8)


def test_few_labels_are_balanced_and_hang_on_the_seed():
    y, few = np.repeat(np.arange(10), 30), kinds.get("m2").labels
    kept = few(y, {"labels": 20, "seed": 3})
    assert (np.bincount(kept[kept >= 0]) == 2).all() and (kept[kept >= 0] == y[kept >= 0]).all() and (kept == -1).sum() == 280
    assert not np.array_equal(kept, few(y, {"labels": 20, "seed": 4})) and few(y, {"labels": 0, "seed": 0}) is y


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_default_run_ends_in_time(name, tmp_path):
    """20 seconds on two quiet cores are asked for; here on one, and on a machine that does other work."""
    start = time.process_time()
    assert main(["train", "--model", name, "--out", str(tmp_path / name), "--quiet"]) == 0
    assert time.process_time() - start < 30, defaults(name)
