"""Layer 4, the doors of a VAE: files, whole or refused, and bad input, told with its remedy."""

import inspect
import json
import zipfile

import numpy as np
import pytest

from tinyvae import SGD, VAE, Adam, load_digits, train_test_split
from tinyvae.support.storage import write_npz

X, Y = load_digits()
X_TRAIN, X_TEST = train_test_split(X, seed=0)


def small(**options):
    return VAE(64, **{"n_latent": 3, "hidden": (20,), "seed": 5} | options)


# ---- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_and_load(tmp_path, dtype):
    vae = small(likelihood="gaussian_scalar", eta=0.2, beta=2, activation="relu", dtype=dtype)
    vae.fit(X_TRAIN, epochs=1, progress=False)
    vae.save(tmp_path / "model.npz")
    again = VAE.load(tmp_path / "model.npz")
    assert np.array_equal(again.theta, vae.theta) and again.config == vae.config and again.epoch == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_the_configuration_holds_every_argument_of_the_constructor():
    names = list(inspect.signature(VAE).parameters)
    other = {"hidden": (7, 6), "likelihood": "laplace", "eta": 0.3, "activation": "relu", "n_samples": 4, "seed": 9}
    vae = VAE(5, 3, bound="iwae", dtype="float64", **other)
    assert list(vae.config) == names and vae.copy().config == vae.config
    assert VAE(5, beta=3).copy().beta == 3 and vae.copy("float32").bound == "iwae"


def model_file(path, **changes):
    vae = small()
    meta = {"config": vae.config, "epoch": 0} | changes.pop("meta", {})
    meta["config"] = meta["config"] | changes.pop("config", {})
    write_npz(path, meta, {"theta": vae.theta} | changes)
    return path


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"meta": {"version": 0}}, "format version 0, this tinyvae reads versions \\(1, 2\\)"),
        ({"meta": {"format": "other"}}, "not a tinyvae file"),
        ({"meta": {"epoch": -1}}, "epoch must be at least 0"),
        ({"theta": np.zeros(3, np.float32)}, "theta must have shape"),
        ({"theta": np.full(small().theta.shape, np.nan, np.float32)}, "theta must be finite"),
        ({"theta": small().theta.astype(np.float64)}, "float32, got float64"),
        ({"config": {"likelihood": "nonsense"}}, "likelihood must be one of"),
        ({"config": {"n_features": 10**12, "hidden": [10**9]}}, "theta must have shape"),
        ({"config": {"n_features": "many"}}, "usable model"),
        ({"config": {"surprise": 1}}, "usable model"),
    ],
)
def test_foreign_and_hostile_model_files_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        VAE.load(model_file(tmp_path / "m.npz", **changes))


def test_damaged_model_files_are_refused(tmp_path):
    raw = model_file(tmp_path / "m.npz").read_bytes()
    for n, damaged in enumerate([b"", b"no zip", raw[: len(raw) // 2], raw[:-30], raw[:200] + b"\xff" * 200 + raw[400:]]):
        path = tmp_path / f"{n}.npz"
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{n}\.npz"):
            VAE.load(path)
    with pytest.raises(OSError):
        VAE.load(tmp_path / "nothing.npz")
    np.save(tmp_path / "bare.npy", np.zeros(3))
    with pytest.raises(ValueError, match="not an npz file"):
        VAE.load(tmp_path / "bare.npy")


class Bomb:
    def __reduce__(self):
        return (print, ("a model file ran code",))


def test_a_pickle_in_a_model_file_is_not_run(tmp_path, capsys):
    np.savez(tmp_path / "m.npz", meta=np.array(json.dumps({"format": "tinyvae", "version": 1})), theta=np.array([Bomb()]))
    with zipfile.ZipFile(tmp_path / "m.npz") as file:
        assert "theta.npy" in file.namelist()
    with pytest.raises(ValueError, match="damaged"):
        VAE.load(tmp_path / "m.npz")
    assert "ran code" not in capsys.readouterr().out


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    vae = small()
    vae.save(tmp_path / "m.npz")
    before = (tmp_path / "m.npz").read_bytes()

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        vae.save(tmp_path / "m.npz")
    assert (tmp_path / "m.npz").read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m.npz"]


# ---- bad input -----------------------------------------------------------------------------------------


def with_nan():
    bad = X[:5].copy()
    bad[2, 3] = np.nan
    return bad


BAD_DATA = [
    (with_nan(), ValueError, "NaN or infinity in 1 of 5 rows"),
    (np.where(X[:5] > 0.9, np.inf, X[:5]), ValueError, "NaN or infinity"),
    (X[:, :50], ValueError, r"shape \(N, 64\), got \(1797, 50\)"),
    (X.reshape(-1, 8, 8), ValueError, r"flatten images with X.reshape\(len\(X\), -1\)"),
    (X[0], ValueError, r"X.reshape\(1, -1\)"),
    (X[:0], ValueError, "at least one row"),
    (255 * X, ValueError, "divide by 255"),
    (X - 0.5, ValueError, r"must lie in \[0, 1\]"),
    (np.array([["a"] * 64]), TypeError, "real numbers, got dtype <U1"),
    (np.array([[None] * 64]), TypeError, "dtype object"),
    (X[:5].astype(complex), TypeError, "dtype complex"),
    ([[1.0] * 64, [1.0]], TypeError, "unequal length"),
    ((X[:5] > 0.5).astype(np.uint8), ValueError, "largest value is 1"),
]


@pytest.mark.parametrize("bad, error, message", BAD_DATA, ids=[m for _, _, m in BAD_DATA])
@pytest.mark.parametrize("door", ["fit", "encode", "elbo", "reconstruct", "score", "loss_and_grad"])
def test_bad_data_is_refused_at_every_door(door, bad, error, message):
    vae = small()
    more = {"fit": {"epochs": 1}, "loss_and_grad": {"noise": np.zeros((5, 3))}}.get(door, {})
    with pytest.raises(error, match=message):
        getattr(vae, door)(bad, **more)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"n_features": 0}, ValueError, "n_features must be at least 1, got 0"),
        ({"n_features": 2.5}, TypeError, "n_features must be a whole number, got 2.5"),
        ({"n_latent": -1}, ValueError, "n_latent must be at least 1"),
        ({"hidden": (10, 0)}, ValueError, "hidden must be at least 1"),
        ({"hidden": "10"}, TypeError, "hidden must be a whole number"),
        ({"likelihood": "nonsense"}, ValueError, "one of bernoulli, gaussian,.*got 'nonsense'"),
        ({"likelihood": "categorical:1"}, ValueError, "at least 2 classes"),
        ({"likelihood": None}, ValueError, "likelihood must be one of"),
        ({"activation": "swish"}, ValueError, "one of tanh, relu, sigmoid, softplus; got 'swish'"),
        ({"beta": -1}, ValueError, "beta must be a finite number at least 0, got -1"),
        ({"beta": float("nan")}, ValueError, "beta"),
        ({"eta": 0}, ValueError, "eta must be a finite number above 0"),
        ({"eta": "small"}, TypeError, "eta must be a number"),
        ({"n_samples": 0}, ValueError, "n_samples"),
        ({"seed": -3}, ValueError, "seed"),
        ({"dtype": "float16"}, ValueError, "float32, float64; got 'float16'"),
    ],
)
def test_bad_configurations_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        VAE(**{"n_features": 64} | options)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"epochs": -1}, ValueError, "epochs must be at least 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be a whole number"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"binarize": "static"}, ValueError, "binarize must be one of dynamic"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"X_val": X[:, :3]}, ValueError, "shape"),
    ],
)
def test_bad_training_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        small().fit(X, **{"epochs": 1} | options)


def test_binarising_is_for_bernoulli_pixels():
    with pytest.raises(ValueError, match="for a Bernoulli likelihood; got 'gaussian'"):
        small(likelihood="gaussian").fit(X, epochs=1, binarize="dynamic")


@pytest.mark.parametrize("make", [SGD, Adam])
@pytest.mark.parametrize("lr", [0, -0.1, float("nan"), float("inf")])
def test_bad_learning_rates_are_refused(make, lr):
    with pytest.raises(ValueError, match="lr must be a finite number above 0"):
        make(lr)


def test_noise_of_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"eps must have shape \(5, 3\) or \(L, 5, 3\), got \(5, 2\)"):
        small().loss_and_grad(X[:5], np.zeros((5, 2)))


def test_bad_latents_and_counts_are_refused():
    with pytest.raises(ValueError, match=r"Z must have shape \(N, 3\), got \(2, 2\)"):
        small().decode(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="n must be at least 1"):
        small().sample(0)
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        small().elbo(X, n_samples=0)


def test_whole_numbers_outside_the_classes_are_refused():
    vae = small(likelihood="categorical:4")
    for bad in (np.full((2, 64), 4), np.full((2, 64), -1), np.full((2, 64), 1.5)):
        with pytest.raises(ValueError, match="whole numbers 0 to 3"):
            vae.elbo(bad)
