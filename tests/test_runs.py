"""Layer 4, a run's folder, its pictures and its console: what may go wrong there without the loss of a run."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tinyvae import VAE, plots
from tinyvae.__main__ import main
from tinyvae.support.storage import alone, read_npz, replacing, write_npz
from tinyvae.train import load_checkpoint

QUICK = ["--hidden", "4", "--epochs", "2", "--quiet"]
RNG = np.random.default_rng(0)


def data_in(folder, **arrays):
    """The path of data for a run, in a file of a folder."""
    np.savez(folder / "mine.npz", **{"X": RNG.random((60, 4))} | arrays)
    return str(folder / "mine.npz")


def changed_meta(path, out, **changes):
    """Write a file of a run again with other entries beside its arrays."""
    meta, arrays = read_npz(path)
    write_npz(out, meta | changes, {name: array for name, array in arrays.items() if array is not None})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder that holds a run and its data."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        data_in(Path())
        assert main(["train", "--data", "mine.npz", *QUICK, "--out", "r"]) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """The run's folder in a copy of its own, the data beside it."""
    return shutil.copytree(trained, tmp_path / "copy") / "r"


# ---- pictures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 2), (6, 2, 1), (1, 6, 2)])
def test_images_keep_their_height_and_width(tmp_path, monkeypatch, shape):
    """In all that train draws, at once and when it is resumed, and in samples of a finished run."""
    drawn = {}
    monkeypatch.setattr(plots, "save", lambda path, draw, *args, **options: drawn.update({path.name: args}))
    data, out = data_in(tmp_path, X=RNG.random((60, *shape))), tmp_path / "r"
    for args in (["train", "--data", data, *QUICK, "--out", str(out)], ["train", "--resume", "--epochs", "3", "--quiet", "--out", str(out)]):
        drawn.clear()
        assert main(args) == 0
        assert drawn["samples.png"][0].shape == (64, 6, 2) and drawn["manifold.png"][0](np.zeros((3, 2))).shape == (3, 6, 2)
        x, x_hat = drawn["reconstructions.png"]
        assert x.shape == x_hat.shape == (12, 6, 2)
    monkeypatch.setattr(plots, "save", lambda path, draw, images, **options: drawn.update(sample=images))
    assert main(["sample", str(out), "-n", "5", "--out", str(tmp_path / "s.png")]) == 0 and drawn["sample"].shape == (5, 6, 2)


def test_a_picture_that_fails_costs_a_warning_and_no_more(run, monkeypatch, capsys):
    for path in run.iterdir():
        path.unlink()

    def fails(*args, **options):
        raise ValueError("no such\n colour")

    monkeypatch.setattr(plots, "latent_scatter", fails)
    args = ["train", "--data", str(run.parent / "mine.npz"), *QUICK, "--out", str(run)]
    assert main(args) == 1
    message = capsys.readouterr().err
    assert "latent.png could not be drawn (ValueError: no such colour)" in message and "--resume" in message and message.count("\n") == 1
    assert VAE.load(run / "model.npz").epoch == 2 and json.loads((run / "summary.json").read_text())["epochs"] == 2
    assert {path.stem for path in run.glob("*.png")} == {"learning_curves", "reconstructions", "samples", "manifold", "kl_by_dimension"}
    monkeypatch.undo()
    assert main(["train", "--resume", "--quiet", "--out", str(run)]) == 0 and (run / "latent.png").exists()


def test_a_run_is_kept_where_matplotlib_does_not_load(tmp_path):
    command = [sys.executable, "-m", "tinyvae", "train", "--data", data_in(tmp_path), *QUICK, "--out", str(tmp_path / "r")]
    done = subprocess.run(command, env=os.environ | {"MPLBACKEND": "nonsense"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "the pictures could not be drawn" in done.stderr
    assert {"model.npz", "history.csv", "summary.json"} <= {path.name for path in (tmp_path / "r").iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[1.0, np.nan, 2.0], ["猫", "狗", "x"], ["$\\frac$", "$", "b"]], ids=["NaN", "Chinese", "formulas"])
def test_odd_labels_are_drawn_without_a_word(tmp_path, capfd, labels):
    out, data = tmp_path / "r", data_in(tmp_path, y=np.array(labels)[np.arange(60) % 3])
    command = [sys.executable, "-W", "error", "-m", "tinyvae", "train", "--data", data, *QUICK, "--out", str(out)]
    assert subprocess.run(command, check=False).returncode == 0
    assert capfd.readouterr().err == "" and (out / "latent.png").exists()


# ---- the folder ---------------------------------------------------------------------------------------


def test_nothing_of_an_overwritten_run_passes_for_the_one_that_diverges(run, capsys):
    args = ["train", "--likelihood", "gaussian", "--eta", ".001", "--optimizer", "sgd", "--lr", "9", "--quiet", "--overwrite"]
    assert main([*args, "--out", str(run)]) == 1 and "lower the learning rate" in capsys.readouterr().err
    assert {path.name for path in run.iterdir()} == {".lock", "checkpoint.npz"}


def test_a_folder_is_for_one_run_at_a_time(run, capsys):
    before = sorted((path.name, path.read_bytes()) for path in run.glob("*.*"))
    with alone(run):
        for how in ("--overwrite", "--resume"):
            assert main(["train", "--data", str(run.parent / "mine.npz"), *QUICK, how, "--out", str(run)]) == 1
            assert "a run is going on in" in capsys.readouterr().err
    assert sorted((path.name, path.read_bytes()) for path in run.glob("*.*")) == before
    assert main(["train", "--resume", "--epochs", "3", "--quiet", "--out", str(run)]) == 0


def test_a_file_system_without_locks_is_no_hindrance(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with alone(tmp_path):
        assert (tmp_path / ".lock").exists()


def test_two_who_write_one_file_at_once_write_it_whole(tmp_path):
    with replacing(tmp_path / "a.txt") as first:
        first.write_text("first")
        with replacing(tmp_path / "a.txt") as second:
            second.write_text("second")
        assert (tmp_path / "a.txt").read_text() == "second"
    assert (tmp_path / "a.txt").read_text() == "first" and [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_run_left_half_written_goes_with_the_next(run):
    (run / ".checkpoint.0badcafe.part.npz").write_bytes(b"half")
    assert main(["train", "--resume", "--epochs", "3", "--quiet", "--out", str(run)]) == 0
    assert not list(run.glob(".*.part.*"))


# ---- where the data are ---------------------------------------------------------------------------------


def test_a_relative_path_of_data_holds_from_any_folder(tmp_path, monkeypatch, capsys):
    """It leads from the run's folder, so that both may move together; the same file by another name is the same."""
    (tmp_path / "work" / "elsewhere").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    data_in(Path())
    assert main(["train", "--data", "mine.npz", *QUICK, "--out", "r"]) == 0
    for other in ("./mine.npz", os.path.abspath("mine.npz")):
        assert main(["train", "--data", other, "--resume", "--quiet", "--out", "r"]) == 0
    monkeypatch.chdir("elsewhere")
    assert main(["evaluate", "../r"]) == 0 and main(["train", "--resume", "--epochs", "3", "--quiet", "--out", "../r"]) == 0
    data_in(Path())
    assert main(["train", "--data", "mine.npz", "--resume", "--quiet", "--out", "../r"]) == 1
    assert "was started with data ../mine.npz (got mine.npz)" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    shutil.move("work", "moved")
    assert main(["evaluate", "moved/r"]) == 0
    assert str(tmp_path) not in (tmp_path / "moved" / "r" / "summary.json").read_text()


def test_a_run_is_not_resumed_on_data_that_have_changed(run, capsys):
    """Under their name, in their shape."""
    before = sorted((path.name, path.read_bytes()) for path in run.iterdir())
    data_in(run.parent)
    assert main(["train", "--resume", "--epochs", "3", "--quiet", "--out", str(run)]) == 1
    message = capsys.readouterr().err
    assert "was started with other data" in message and message.count("\n") == 1
    assert sorted((path.name, path.read_bytes()) for path in run.iterdir()) == before


def test_an_older_run_finds_its_data_from_where_it_was_started(run, monkeypatch):
    for name in ("model.npz", "checkpoint.npz"):
        meta, arrays = read_npz(run / name)
        options = {name: value for name, value in meta["options"].items() if name != "image"} | {"data": "mine.npz"}
        write_npz(run / name, meta | {"options": options}, arrays)
    monkeypatch.chdir(run.parent)
    assert main(["evaluate", "r"]) == 0
    assert main(["train", "--data", "mine.npz", "--resume", "--epochs", "3", "--quiet", "--out", "r"]) == 0
    monkeypatch.chdir("r")
    assert main(["evaluate", "."]) == 0


# ---- the console ----------------------------------------------------------------------------------------


def test_a_console_that_lacks_a_letter_gets_its_escape(tmp_path):
    command = [sys.executable, "-m", "tinyvae", "train", "--data", data_in(tmp_path), *QUICK[:-1], "--out", str(tmp_path / "ü")]
    done = subprocess.run(command, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "" and "\\xfc" in done.stdout


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_run_needs_no_console(tmp_path, monkeypatch, closed):
    """What `>&-` and `2>&-` leave to Python."""
    monkeypatch.setattr(sys, closed, None)
    assert main(["train", "--data", data_in(tmp_path), *QUICK[:-1], "--out", str(tmp_path / "r")]) == 0
    assert main(["evaluate", str(tmp_path / "r"), "--nll", "--samples", "5"]) == 0 and main(["evaluate", str(tmp_path)]) == 1
    with pytest.raises(SystemExit) as error:
        main(["nonsense"])
    assert error.value.code == 2


def test_a_command_runs_in_a_thread(run):
    status = []
    thread = threading.Thread(target=lambda: status.append(main(["evaluate", str(run)])))
    thread.start()
    thread.join()
    assert status == [0]


# ---- what files hold ------------------------------------------------------------------------------------


def test_json_has_null_where_there_is_no_number(tmp_path, capfd):
    """Constant data have no best density with a variance of its own."""
    data, out = data_in(tmp_path, X=np.ones((60, 4))), tmp_path / "r"
    assert main(["train", "--data", data, "--likelihood", "gaussian_scalar", *QUICK, "--out", str(out)]) == 0
    assert capfd.readouterr().err == ""
    summary = json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["independent_pixels"] is None and np.isfinite(summary["neg_elbo"])


def test_only_the_arrays_that_a_run_wants_are_read(tmp_path, run):
    unread = {"other": np.array([{}], dtype=object)}
    assert main(["train", "--data", data_in(tmp_path, **unread), *QUICK, "--overwrite", "--out", str(run)]) == 0
    with np.load(run / "model.npz") as npz:
        arrays = dict(npz)
    np.savez(run / "model.npz", **arrays, **unread)
    assert main(["evaluate", str(run)]) == 0


@pytest.mark.parametrize(
    "entry, value, words",
    [
        ("options", None, "does not name all options of a run"),
        ("options", True, "all options of a run"),
        ("likelihood", None, "holds the option likelihood None"),
        ("data", 1, "holds the option data 1, where a run has one such as 'digits'"),
        ("hidden", [4, "a"], "holds the option hidden [4, 'a']"),
        ("seed", True, "holds the option seed True"),
        ("image", [3, 5], "holds the option image [3, 5], where a run has the [h, w] of its 4 pixels"),
        ("image", [[1], 4], "holds the option image"),
    ],
)
def test_options_of_a_wrong_kind_are_told_in_one_sentence(run, capfd, entry, value, words):
    for name, args in (("model.npz", ["evaluate", str(run)]), ("checkpoint.npz", ["train", "--resume", "--out", str(run)])):
        options = read_npz(run / name)[0]["options"] | {entry: value}
        changed_meta(run / name, run / name, options=value if entry == "options" else options)
        assert main(args) == 1
        message = capfd.readouterr().err
        assert words in message or (entry == "options" and "options" in message and name == "checkpoint.npz")
        assert message.count("\n") == 1


@pytest.mark.parametrize("history", [True, {"epoch": True}, {"epoch": ["one"]}])
def test_a_history_of_a_wrong_kind_is_told_in_one_sentence(run, capsys, history):
    changed_meta(run / "checkpoint.npz", run / "checkpoint.npz", history=history)
    assert main(["train", "--resume", "--out", str(run)]) == 1
    message = capsys.readouterr().err
    assert "checkpoint.npz is damaged" in message and message.count("\n") == 1


def test_a_history_keeps_what_is_no_number(run):
    """As null, for JSON has no other word for it."""
    history = load_checkpoint(run / "checkpoint.npz", VAE)[2]
    changed_meta(run / "checkpoint.npz", run / "checkpoint.npz", history=history | {"val_kl": [None, 1.5]})
    again = load_checkpoint(run / "checkpoint.npz", VAE)[2]["val_kl"]
    assert np.isnan(again[0]) and again[1] == 1.5
    with pytest.raises(ValueError, match="must be finite to be kept in"):
        changed_meta(run / "checkpoint.npz", run / "checkpoint.npz", limit=float("inf"))


def test_sizes_that_no_machine_has_are_refused_by_name(tmp_path, capsys):
    np.savez(tmp_path / "none.npz", X=np.zeros((0, 2, 2)))
    out = ["--out", str(tmp_path / "r")]
    assert main(["train", "--data", str(tmp_path / "none.npz"), *out]) == 1
    assert "must have at least one row, got shape (0, 2, 2)" in capsys.readouterr().err
    assert main(["train", "--hidden", "1000000000", "1000000000", *out]) == 1
    assert "is more than memory holds: make it smaller" in capsys.readouterr().err and not (tmp_path / "r").exists()
    for name in ("batch-size", "latent", "samples"):
        with pytest.raises(SystemExit):
            main(["train", f"--{name}", str(10**30), *out])
        assert f"{name} must be at most 1000000000, got 1{'0' * 30}" in capsys.readouterr().err
