"""Layer 4: the models of the zoo from the command line: train, evaluate, sample, resume, and what each does not take."""

import csv
import json
import time

import numpy as np
import pytest

from tinyvae.__main__ import main
from tinyvae.app import kinds, runs
from tinyvae.app.options import defaults
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
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["model"] == name and set(kind.model.units) <= set(summary)
    assert kind.model.load(out / "model.npz").epoch == 2


def test_evaluate_repeats_the_summary(run, capsys):
    _, out = run
    assert main(["evaluate", str(out), "--json"]) == 0
    result, summary = json.loads(capsys.readouterr().out), json.loads((out / "summary.json").read_text(encoding="utf-8"))
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
    assert train(name, again, "--epochs", "1") == 0
    if name == "m2":  # its schedule depends on the epochs that are asked for in the beginning
        return
    assert main(["train", "--resume", "--out", str(again), "--epochs", "2", "--quiet"]) == 0
    assert np.array_equal(read_npz(again / "model.npz")[1]["theta"], read_npz(out / "model.npz")[1]["theta"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model", "made", "--posterior", "full"], "--model made does not take --posterior: beside what every run has it takes --hidden"),
        (["--model", "ladder", "--latent", "3"], "--latent must give 2 sizes for --model ladder, got 3"),
        (["--latent", "3", "4"], "--latent must give 1 size for --model vae, got 3 4"),
        (["--model", "m2", "--labels", "7"], "--labels must be a multiple of the number of classes, 10"),
        (["--model", "strings", "--data", "digits"], "X must"),
        (["--model", "made", "--binarize", "none"], "X must hold pixels 0 and 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_told_in_one_line(args, message, tmp_path, capsys):
    assert main(["train", *args, "--out", str(tmp_path / "r"), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "r").exists()


def test_labels_are_needed_where_a_model_takes_them(tmp_path, capsys):
    np.savez(tmp_path / "no_y.npz", X=np.eye(20, 9))
    assert main(["train", "--model", "cvae", "--data", str(tmp_path / "no_y.npz"), "--out", str(tmp_path / "r")]) == 1
    assert "--model cvae needs labels" in capsys.readouterr().err


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
