"""Layer 4, the command line: a run from start to pictures, interruption and resumption, errors in one line."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinyvae import VAE
from tinyvae.__main__ import main
from tinyvae.likelihoods import LIKELIHOODS

QUICK = ["--hidden", "12", "--epochs", "3"]
PICTURES = {"learning_curves", "reconstructions", "samples", "latent", "manifold", "kl_by_dimension"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", *QUICK, "--out", str(out), "--quiet"]) == 0
    return out


def start(*args):
    command = [sys.executable, "-m", "tinyvae", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_epoch(process, out, epoch):
    """Poll until the run's checkpoint holds this epoch."""
    from tinyvae.train import load_checkpoint

    for _ in range(3000):
        if (out / "checkpoint.npz").exists() and load_checkpoint(out / "checkpoint.npz", VAE)[0].epoch >= epoch:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pytest.fail("the run did not reach the epoch in 30 seconds")


def test_a_run_writes_its_files(run):
    pictures = {path.stem for path in run.glob("*.png")}
    assert pictures == PICTURES and all(path.read_bytes()[:4] == b"\x89PNG" for path in run.glob("*.png"))
    rest = {path.name for path in run.iterdir() if path.suffix != ".png"}
    assert rest == {".lock", "model.npz", "checkpoint.npz", "history.csv", "summary.json"}
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"] and float(rows[-1]["val_kl"]) > 0
    summary = json.loads((run / "summary.json").read_text())
    assert np.isclose(summary["neg_elbo"], summary["reconstruction"] + summary["kl"])
    assert summary["grey_floor"] < summary["neg_elbo"] and 26.9 < summary["independent_pixels"] < 27.2
    assert VAE.load(run / "model.npz").epoch == 3


def test_the_table_and_the_summary_name_their_units(tmp_path, capsys):
    assert main(["train", *QUICK, "--latent", "3", "--out", str(tmp_path / "r")]) == 0
    text = capsys.readouterr().out
    for words in ("nats per datum", "reconstruction", "independent pixels", "floor of grey pixels", "active units", "model.npz"):
        assert words in text
    assert not (tmp_path / "r" / "manifold.png").exists()


def test_evaluate_agrees_with_the_summary(run, capsys):
    assert main(["evaluate", str(run), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"elbo", "log_px", "kl", "active_units"} and np.isclose(result["elbo"], result["log_px"] - result["kl"])
    assert np.isclose(-result["elbo"], json.loads((run / "summary.json").read_text())["neg_elbo"])
    assert main(["evaluate", str(run)]) == 0 and "nats" in capsys.readouterr().out


def test_evaluate_nll_prints_the_bounds_in_order(run, capsys):
    assert main(["evaluate", str(run), "--nll", "--samples", "100", "--rows", "30", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)  # of whole groups of the same samples, so the order holds without chance
    bounds = [result["bounds"][k] for k in ("1", "5", "50")]
    assert bounds == sorted(bounds) and bounds[-1] <= -result["nll"] + 1e-9 and 1 <= result["ess"] <= 100 and result["nll_error"] > 0
    assert main(["evaluate", str(run), "--nll", "--samples", "100", "--rows", "30"]) == 0
    text = capsys.readouterr().out
    assert "bound of   50 samples" in text and "median effective sample size" in text and "first 30 of them" in text


def test_sample_writes_a_picture(run, tmp_path):
    assert main(["sample", str(run), "-n", "5", "--out", str(tmp_path / "s.png"), "--draws"]) == 0
    assert (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"


def test_an_existing_run_is_not_overwritten_without_a_word(run, capsys):
    before = (run / "model.npz").read_bytes()
    assert main(["train", *QUICK, "--out", str(run)]) == 1
    message = capsys.readouterr().err
    assert "--resume" in message and "--overwrite" in message and message.count("\n") == 1
    assert (run / "model.npz").read_bytes() == before


def test_overwrite_replaces_a_run(run, tmp_path):
    out = shutil.copytree(run, tmp_path / "r")
    assert main(["train", *QUICK, "--seed", "4", "--out", str(out), "--quiet", "--overwrite"]) == 0
    assert VAE.load(tmp_path / "r" / "model.npz").seed == 4


def test_resume_with_more_epochs_is_the_longer_run(run, tmp_path):
    out = tmp_path / "r"
    assert main(["train", *QUICK, "--epochs", "1", "--out", str(out), "--quiet"]) == 0
    assert main(["train", "--epochs", "3", "--resume", "--out", str(out), "--quiet"]) == 0
    assert np.array_equal(VAE.load(out / "model.npz").theta, VAE.load(run / "model.npz").theta)
    assert (out / "history.csv").read_text().count("\n") == 4


def test_a_refused_resume_or_overwrite_leaves_the_finished_run(tmp_path, capsys):
    rows, out = np.random.default_rng(0).random((300, 6)), tmp_path / "r"
    np.savez(tmp_path / "d.npz", X=rows)
    args = ["train", "--data", str(tmp_path / "d.npz"), "--hidden", "4", "--epochs", "2", "--out", str(out), "--quiet"]
    assert main(args) == 0
    before = sorted((path.name, path.read_bytes()) for path in out.iterdir())
    np.savez(tmp_path / "d.npz", X=rows[:250])
    assert main([*args[:3], "--resume", "--epochs", "3", "--out", str(out)]) == 1
    assert "was started with rows 240 (got 200)" in capsys.readouterr().err
    assert sorted((path.name, path.read_bytes()) for path in out.iterdir()) == before
    assert main([*args, "--overwrite", "--hidden", "1000000", "1000000000"]) == 1, "more memory than there is"
    assert sorted((path.name, path.read_bytes()) for path in out.iterdir()) == before
    assert main([*args, "--overwrite", "--prior", "mixture:2"]) == 0
    assert not (out / "manifold.png").exists(), "no picture of the old run stays"


def test_resume_with_other_options_is_refused(run, capsys):
    assert main(["train", "--latent", "5", "--resume", "--out", str(run)]) == 1
    assert "latent 2 (got 5)" in capsys.readouterr().err


def test_resume_without_a_checkpoint_starts_and_says_so(tmp_path, capsys):
    assert main(["train", *QUICK, "--resume", "--out", str(tmp_path / "r"), "--quiet"]) == 0
    assert "starts from the beginning" in capsys.readouterr().err


LONG = ["--hidden", "20", "--epochs", "60", "--batch-size", "20", "--quiet", "--binarize", "dynamic"]  # a second


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing interrupts."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["train", *LONG, "--out", str(out)]) == 0
    return out


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("kill", [signal.SIGINT, *(pytest.param(s, marks=pytest.mark.slow) for s in (signal.SIGTERM, signal.SIGKILL))])
def test_an_interrupted_run_resumes_bit_for_bit(whole, tmp_path, kill):
    broken = tmp_path / "broken"
    process = start("train", *LONG, "--out", broken)
    wait_for_epoch(process, broken, 2)
    process.send_signal(kill)
    _, error = process.communicate(timeout=30)
    if kill == signal.SIGKILL:
        assert process.returncode == -kill
    else:
        assert process.returncode == 128 + kill, error
        assert error.count("\n") == 1 and "--resume" in error and "Traceback" not in error
    assert not (broken / "model.npz").exists()
    assert main(["evaluate", str(broken)]) == 1
    assert main(["train", "--out", str(broken), "--resume", "--quiet"]) == 0
    assert np.array_equal(VAE.load(broken / "model.npz").theta, VAE.load(whole / "model.npz").theta)
    columns = [np.genfromtxt(out / "history.csv", delimiter=",", names=True) for out in (whole, broken)]
    for name in set(columns[0].dtype.names) - {"seconds"}:
        assert np.array_equal(columns[0][name], columns[1][name])


def test_data_from_a_file(tmp_path, capsys):
    X = np.random.default_rng(0).random((60, 3, 4))
    np.savez(tmp_path / "mine.npz", X=X, y=np.arange(60) % 3)
    out = tmp_path / "r"
    assert main(["train", "--data", str(tmp_path / "mine.npz"), *QUICK, "--out", str(out), "--quiet"]) == 0
    assert VAE.load(out / "model.npz").n_features == 12
    np.savez(tmp_path / "plane.npz", X=np.random.default_rng(0).standard_normal((60, 2)))
    args = ["train", "--data", str(tmp_path / "plane.npz"), "--likelihood", "gaussian", "--eta", ".1", *QUICK]
    assert main([*args, "--out", str(tmp_path / "p"), "--quiet"]) == 0


@pytest.mark.parametrize("likelihood", [pytest.param(name, marks=() if name == "categorical" else pytest.mark.slow) for name in LIKELIHOODS])
def test_every_likelihood_on_digits(tmp_path, likelihood):
    args = ["train", "--likelihood", likelihood, "--epochs", "1", "--hidden", "--out", str(tmp_path / "r"), "--quiet"]
    assert main(args) == 0
    assert (json.loads((tmp_path / "r" / "summary.json").read_text())["grey_floor"] is None) == (LIKELIHOODS[likelihood].floor is None)


@pytest.mark.parametrize("options", [["--prior", "mixture:3"], ["--posterior", "full", "--latent", "3"], ["--posterior", "iaf:2", "--latent", "3"]], ids=" ".join)
def test_other_priors_and_posteriors_on_digits(tmp_path, options):
    """No manifold where the prior is not N(0, I), and no KL by dimension where it has no parts."""
    assert main(["train", *QUICK, *options, "--out", str(tmp_path / "r"), "--quiet"]) == 0
    assert {path.stem for path in (tmp_path / "r").glob("*.png")} == PICTURES - {"manifold", "kl_by_dimension"}
    assert main(["evaluate", str(tmp_path / "r"), "--nll", "--samples", "20", "--rows", "10", "--json"]) == 0
    assert main(["train", "--epochs", "4", "--resume", "--out", str(tmp_path / "r"), "--quiet"]) == 0


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["nonsense"],
        ["train", "--epochs", "-1"],
        ["train", "--epochs", "many"],
        ["train", "--beta", "nan"],
        ["train", "--lr", "-0.1"],
        ["train", "--latent", "0"],
        ["train", "--hidden", "0"],
        ["train", "--likelihood", "nonsense"],
        ["train", "--prior", "nonsense"],
        ["train", "--posterior", "full:3"],
        ["train", "--activation", "swish"],
        ["train", "--data", "cifar"],
        ["train", "--resume", "--overwrite"],
        ["sample", "somewhere"],
        ["sample", "somewhere", "-n", "0", "--out", "x.png"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_status_2(args, capsys):
    with pytest.raises(SystemExit) as error:
        main(args)
    message = capsys.readouterr().err
    assert error.value.code == 2 and message.count("\n") == 1 and message.startswith("tinyvae")


def test_failures_are_one_line_and_status_1(tmp_path, run, capsys):
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    np.savez(tmp_path / "no_X.npz", Z=np.zeros(3))
    np.savez(tmp_path / "grey.npz", X=np.full((10, 4), 200.0))
    np.savez(tmp_path / "y.npz", X=np.zeros((10, 4)), y=np.zeros(3))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.npz").write_bytes((run / "model.npz").read_bytes()[:500])
    out = ["--out", str(tmp_path / "out")]
    for args, words in [
        (["train", "--data", str(tmp_path / "bad.npz"), *out], "not an npz file"),
        (["train", "--data", str(tmp_path / "missing.npz"), *out], "missing.npz"),
        (["train", "--data", str(tmp_path / "no_X.npz"), *out], "must hold an array X"),
        (["train", "--data", str(tmp_path / "grey.npz"), *out], "divide by 255"),
        (["train", "--data", str(tmp_path / "y.npz"), *out], "y in"),
        (["train", "--likelihood", "gaussian", "--eta", ".001", "--optimizer", "sgd", "--lr", "9", *out], "lower the learning"),
        (["evaluate", str(tmp_path / "nowhere")], "nowhere"),
        (["evaluate", str(broken)], "damaged"),
        (["sample", str(run), "--out", str(tmp_path / "a.nonsense")], "nonsense"),
        (["gradcheck", "nonsense"], "no pair or model is called nonsense"),
    ]:
        (tmp_path / "out" / "checkpoint.npz").unlink(missing_ok=True)
        assert main(args) == 1, args
        message = capsys.readouterr().err
        assert words in message and message.count("\n") == 1, message


def test_a_start_that_fails_leaves_nothing_and_replaces_nothing(run, tmp_path, capsys):
    before = sorted((path.name, path.read_bytes()) for path in run.iterdir())
    np.savez(tmp_path / "grey.npz", X=np.full((10, 4), 200.0))
    for args in (["--data", str(tmp_path / "grey.npz")], ["--likelihood", "gaussian", "--binarize", "dynamic"]):
        assert main(["train", *args, "--out", str(tmp_path / "new")]) == 1 and not (tmp_path / "new").exists()
        assert main(["train", *args, "--out", str(run), "--overwrite"]) == 1
        assert sorted((path.name, path.read_bytes()) for path in run.iterdir()) == before
    assert capsys.readouterr().out == ""


def test_resume_with_fewer_epochs_is_refused(run, capsys):
    assert main(["train", "--resume", "--epochs", "1", "--out", str(run)]) == 1
    assert "has had 3 epochs already" in capsys.readouterr().err


def test_divergence_keeps_the_last_checkpoint(tmp_path):
    from tinyvae.train import load_checkpoint

    args = ["train", "--likelihood", "gaussian", "--eta", ".001", "--optimizer", "sgd", "--lr", "9", "--quiet"]
    assert main([*args, "--out", str(tmp_path)]) == 1
    assert np.isfinite(load_checkpoint(tmp_path / "checkpoint.npz", VAE)[0].theta).all()


def test_a_run_of_version_0_1_is_evaluated_and_resumed(tmp_path, capsys):
    """Stored with its model after 2 epochs, and after the 4 to which version 0.1 itself resumed it."""
    stored, out = Path(__file__).parent / "files" / "run_0_1", tmp_path / "r"
    shutil.copytree(stored, out)
    assert main(["evaluate", str(out), "--json"]) == 0 and json.loads(capsys.readouterr().out)["kl"] > 0
    assert main(["train", "--resume", "--epochs", "4", "--out", str(out), "--quiet"]) == 0
    ours, theirs = VAE.load(out / "model.npz"), VAE.load(stored / "model_after_4.npz")
    assert ours.epoch == theirs.epoch == 4 and np.allclose(ours.theta, theirs.theta, rtol=0, atol=1e-5)  # to the rounding of another BLAS
