"""Layer 4, data: the fixed binarised MNIST, in either form of file, found, missing and damaged; and as a run of the command line."""

import hashlib

import numpy as np
import pytest

from tinyvae import VAE, binarized, data, load_binarized_mnist
from tinyvae.app.options import defaults
from tinyvae.app.runs import load_data


@pytest.fixture
def bits(monkeypatch):
    """A small set in place of the real one: its rows and checksums."""
    monkeypatch.delenv(data.ENVIRONMENT, raising=False)
    monkeypatch.setattr(binarized, "ROWS", {"train": 5, "valid": 2, "test": 3})
    monkeypatch.setattr(binarized, "PIXELS", 16)
    found = {split: np.random.default_rng(n).integers(0, 2, (n, 16), dtype=np.uint8) for split, n in binarized.ROWS.items()}
    monkeypatch.setattr(binarized, "SHA256", {split: hashlib.sha256(rows.tobytes()).hexdigest() for split, rows in found.items()})
    return found


def write_bits(folder, form, **splits):
    folder.mkdir(parents=True, exist_ok=True)
    if form == "npz":
        np.savez(folder / binarized.PACKED, **{split: np.packbits(rows, axis=1) for split, rows in splits.items()})
    for split, rows in splits.items() if form == "amat" else ():
        text = "".join(" ".join(map(str, row)) + " \r\n" for row in rows)
        (folder / f"binarized_mnist_{split}.amat").write_bytes(text.encode())


@pytest.mark.parametrize("form", ["amat", "npz"])
def test_binarized_mnist_by_path_and_by_environment_in_both_forms(bits, tmp_path, monkeypatch, form):
    write_bits(tmp_path / "given", form, **bits)
    write_bits(tmp_path / "env" / "binarized-mnist", form, **bits)
    for split, rows in bits.items():
        X = load_binarized_mnist(split, path=tmp_path / "given")
        assert X.dtype == np.float32 and np.array_equal(X, rows)
    for root in ("env", "given"):
        monkeypatch.setenv(data.ENVIRONMENT, str(tmp_path / root))
        assert np.array_equal(load_binarized_mnist("test"), bits["test"])
    VAE(16).check_data(load_binarized_mnist())  # binary pixels that the models take as they are


def test_a_run_takes_the_test_rows_in_another_order(bits, tmp_path, monkeypatch):
    """The file's are sorted by class, and a bound on the first thousand would be one on zeros alone."""
    monkeypatch.setenv(data.ENVIRONMENT, str(tmp_path))
    write_bits(tmp_path, "npz", **bits)
    X_train, X_test, y_train, y_test, image = load_data(defaults("vae") | {"data": "binarized-mnist"}, tmp_path)
    assert np.array_equal(X_train, bits["train"]) and y_train is None and y_test is None and image is None
    assert sorted(map(tuple, X_test)) == sorted(map(tuple, bits["test"])) and not np.array_equal(X_test, bits["test"])


def test_missing_and_damaged_binarized_mnist(bits, tmp_path):
    with pytest.raises(ValueError, match="split must be one of train, valid, test; got 'all'"):
        load_binarized_mnist("all")
    with pytest.raises(FileNotFoundError, match=f"{data.ENVIRONMENT} must name a folder .* published at http://www.cs.toronto.edu/~larocheh/.*_valid.amat"):
        load_binarized_mnist("valid")
    with pytest.raises(FileNotFoundError, match="must be a folder that holds binarized_mnist_train.amat or"):
        load_binarized_mnist(path=tmp_path)
    wrong = bits["test"].copy()
    wrong[1, 7] ^= 1
    for n, (form, rows, message) in enumerate([
        ("amat", wrong, "SHA-256"), ("npz", wrong, "SHA-256"), ("amat", bits["test"][:2], r"must hold \(3, 16\) bits .* got 32 bits"),
        ("amat", 2 * bits["test"], "zeros and ones"), ("npz", bits["test"][:, :8], "packed bits"),
    ]):  # fmt: skip
        write_bits(tmp_path / str(n), form, test=rows)
        with pytest.raises(ValueError, match=message):
            load_binarized_mnist("test", path=tmp_path / str(n))
    with pytest.raises(ValueError, match="must hold an array train"):
        load_binarized_mnist("train", path=tmp_path / "1")
    (tmp_path / "1" / binarized.PACKED).write_bytes(b"no zip")
    with pytest.raises(ValueError, match="damaged"):
        load_binarized_mnist("test", path=tmp_path / "1")


def test_binarized_mnist_itself_where_it_is():
    try:
        X = load_binarized_mnist("test")
    except FileNotFoundError:
        pytest.skip("needs the fixed binarised MNIST in the folder that TINYVAE_DATA names")
    assert X.shape == (10_000, 784) and set(np.unique(X)) == {0, 1} and abs(X.mean() - 0.1325) < 1e-4
    for rows in (X, load_data(defaults("vae") | {"data": "binarized-mnist"}, ".")[1]):  # ten thousand of ten classes: the first rows are all zeros
        few = rows[:900].mean(0) - rows.mean(0)
        assert (np.abs(few).max() > 0.3) == (rows is X)
    assert len(load_binarized_mnist("valid")) == 10_000 and len(load_binarized_mnist("train")) == 50_000
