"""Layer 4, the protocol: any model is resumed bit for bit, copied, pickled, saved and loaded."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest
from siamese import FILES, Siamese, X, Y, fit

from tinyvae import SGD, VAE, Adam, Model, catalogue, schedules
from tinyvae.support.storage import read_npz, write_npz
from tinyvae.train import load_checkpoint
from tinyvae.zoo.autoencoders import AutoEncoder

MODELS = catalogue.models()

# ---- checkpoints ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("make", [lambda: Adam(1e-2), lambda: SGD(1e-2, momentum=0.9)], ids=["adam", "sgd"])
def test_resuming_is_going_on_bit_for_bit(tmp_path, make, decay):
    whole, first, then = Siamese(), Siamese(), Siamese(seed=0)
    options = {"X_val": X[:9], "y_val": Y[:9], "decay": decay}
    history = fit(whole, 6, optimizer=make(), checkpoint=tmp_path / "whole.npz", **options)

    def interrupt(model, history):
        if model.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(first, 6, optimizer=make(), checkpoint=tmp_path / "c.npz", on_epoch=interrupt, **options)
    again = fit(then, 6, optimizer=make(), checkpoint=tmp_path / "c.npz", resume=True, **options)
    assert np.array_equal(then.theta, whole.theta) and then.epoch == 6
    assert {n: c for n, c in again.items() if n != "seconds"} == {n: c for n, c in history.items() if n != "seconds"}
    assert np.array_equal(Siamese.load(tmp_path / "c.npz").theta, whole.theta), "a checkpoint is a model's file too"


def test_a_schedule_with_a_state_is_resumed(tmp_path):
    binary = (np.random.default_rng(0).random((60, 6)) < 0.4).astype(np.float32)

    def run(epochs, constraint, path, **options):
        vae = VAE(6, 2, hidden=(5,))
        vae.fit(binary, epochs=epochs, schedule=constraint, checkpoint=path, progress=False, **options)
        return vae, constraint

    whole, one = run(4, schedules.Constraint(3.0), tmp_path / "whole.npz")
    run(2, schedules.Constraint(3.0), tmp_path / "c.npz")
    parts, two = run(4, schedules.Constraint(3.0), tmp_path / "c.npz", resume=True)
    assert np.array_equal(whole.theta, parts.theta) and one.multiplier == two.multiplier != 1


def test_an_optimizer_with_a_state_of_its_own_is_resumed(tmp_path):
    class Count:
        n = 0

        def step(self, theta, dtheta):
            self.n += 1
            theta -= 0.01 / self.n * dtheta

        def state_dict(self):
            return {"n": np.array(self.n)}

        def load_state_dict(self, state):
            self.n = int(state["n"])

    whole, part = Siamese(), Siamese()
    fit(whole, 4, optimizer=Count())
    fit(Siamese(), 2, optimizer=Count(), checkpoint=tmp_path / "c.npz")
    fit(part, 4, optimizer=Count(), checkpoint=tmp_path / "c.npz", resume=True)
    assert np.array_equal(whole.theta, part.theta)
    odd = Count()
    odd.state_dict = lambda: {"n": None}
    with pytest.raises(TypeError, match=r"optimizer.n must be an array of numbers"):
        fit(Siamese(), 1, optimizer=odd, checkpoint=tmp_path / "odd.npz")
    assert not (tmp_path / "odd.npz").exists()


def test_a_run_that_is_another_is_not_resumed(tmp_path):
    path = tmp_path / "c.npz"
    fit(Siamese(), 2, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="resume=True"):
        fit(Siamese(), 2, checkpoint=path)
    for model, options, message in [
        (Siamese(pull=0.1), {}, "was started with pull 0.5"),
        (Siamese(), {"batch_size": 9}, "was started with batch_size 7"),
        (Siamese(), {"seed": 5}, "was started with seed 0"),
        (Siamese(), {"epochs": 1}, "has had 2 epochs already"),
        (Siamese(), {"optimizer": SGD()}, "was started with optimizer Adam"),
        (Siamese(), {"optimizer": Adam(0.5)}, r"was started with lr 0.01 \(got 0.5\)"),
        (Siamese(), {"schedule": schedules.constant(1, "size")}, "was started with schedule None"),
        (Siamese(), {"decay": True}, r"was started with decay to 0 in None \(got 3\)"),
        (Siamese(), {"X_val": X}, "hand in validation data as it did"),
        (AutoEncoder(3, 2), {}, "holds a Siamese, not a AutoEncoder"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit(model, options.pop("epochs", 3), checkpoint=path, resume=True, **options)
        assert path.read_bytes() == before
    fresh = Siamese()
    fit(fresh, 1, checkpoint=tmp_path / "new.npz", resume=True)
    assert fresh.epoch == 1, "without a file a run starts from the beginning"


def test_a_run_on_other_data_is_not_resumed(tmp_path):
    """Of the same shape, so that only the numbers tell; the same numbers of another type are the same data."""
    path, data = tmp_path / "c.npz", {"X": X, "y": Y, "X_val": X[:9], "y_val": Y[:9]}

    def run(model, epochs, **changes):
        arrays = data | changes
        return model.fit(arrays.pop("X"), **arrays, epochs=epochs, batch_size=7, checkpoint=path, resume=True, progress=False)

    run(Siamese(), 2)
    before = path.read_bytes()
    for name, array in data.items():
        other = array.copy()
        other[3] = -other[3] + 1
        with pytest.raises(ValueError, match=rf"other data, the numbers in {name} have changed: hand in the same") as error:
            run(Siamese(), 3, **{name: other})
        assert path.read_bytes() == before and len(str(error.value)) < 200 + len(str(path))
    with pytest.raises(ValueError, match="the numbers in y_val have changed"):
        run(Siamese(), 3, y_val=None)
    part, whole = Siamese(), Siamese()
    run(part, 4, X=np.asfortranarray(X.astype(np.float32)), y=Y.astype(np.int8), X_val=X[:9].tolist())
    fit(whole, 4, optimizer=None)
    assert np.array_equal(part.theta, whole.theta)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6), np.uint8)
    VAE(6, hidden=(3,)).fit(pixels, epochs=1, checkpoint=tmp_path / "p.npz", progress=False)
    pixels[7, 3] += 1
    with pytest.raises(ValueError, match="the numbers in X have changed"):
        VAE(6, hidden=(3,)).fit(pixels, epochs=2, checkpoint=tmp_path / "p.npz", resume=True, progress=False)


def test_a_run_that_does_not_say_what_its_data_were_is_resumed(tmp_path):
    """As version 0.2 wrote it."""
    path, part, whole = tmp_path / "c.npz", Siamese(), Siamese()
    fit(Siamese(), 2, checkpoint=path)
    meta, arrays = read_npz(path)
    del meta["run"]["data"]
    write_npz(path, meta, arrays)
    fit(part, 4, checkpoint=path, resume=True)
    fit(whole, 4)
    assert np.array_equal(part.theta, whole.theta) and "data" in read_npz(path)[0]["run"]


# ---- damaged files ------------------------------------------------------------------------------------------------


def changed_file(path, **changes):
    """The file with entries of its meta, or whole arrays, replaced."""
    meta, arrays = read_npz(path)
    for name, value in changes.items():
        (arrays if name in arrays else meta)[name] = value
    write_npz(path, meta, arrays)
    return path


@pytest.mark.parametrize(
    "changes, message",
    [({"theta": np.full(31, np.nan, np.float32)}, "theta must be finite, got NaN or infinity in 31 of 31 numbers"),
     ({"theta": np.ones(31)}, "theta must have dtype float32, got float64"),
     ({"theta": np.array(["a"] * 31)}, "theta must have dtype float32, got <U1"),
     ({"config": [1]}, r"config must be a dict of the constructor's arguments, got \[1\]"), ({"config": None}, "config must be a dict .* got None"),
     ({"epoch": True}, "epoch must be a whole number, got True"), ({"epoch": 1.5}, "epoch must be a whole number, got 1.5"),
     ({"epoch": -1}, "epoch must be at least 0, got -1"), ({"class": ["Siamese"]}, r"holds a \['Siamese'\], not a Siamese")],
)  # fmt: skip
def test_a_file_says_what_is_wrong_with_its_model(tmp_path, changes, message):
    Siamese().save(tmp_path / "m.npz")
    with pytest.raises(ValueError, match=message):
        Siamese.load(changed_file(tmp_path / "m.npz", **changes))


ROW = {"epoch": [1], "loss": [1.0], "distance": [1.0], "size": [1.0], "seconds": [1.0]}


@pytest.mark.parametrize(
    "changes",
    [{"history": True}, {"history": []}, {"history": {}}, {"history": ROW | {"loss": 1.0}}, {"history": ROW | {"loss": [1.0, 2.0]}},
     {"history": ROW | {"loss": ["1"]}}, {"history": ROW | {"loss": [None]}}, {"history": ROW | {"epoch": [True]}}, {"history": ROW | {"epoch": [7]}},
     {"history": {"loss": [1.0]}}, {"options": 3}, {"options": ["lr"]}, {"run": 3}, {"run": {"data": 3}}, {"epoch": 7},
     {"optimizer.m": np.array(["a"] * 31)}, {"optimizer.m": np.ones(3)}],
)  # fmt: skip
def test_a_damaged_checkpoint_is_refused_and_changes_nothing(tmp_path, changes):
    model = Siamese()
    start = model.theta.copy()
    fit(Siamese(), 1, checkpoint=tmp_path / "c.npz")
    path = changed_file(tmp_path / "c.npz", **changes)
    for job in (lambda: load_checkpoint(path, Siamese), lambda: fit(model, 3, checkpoint=path, resume=True)):
        with pytest.raises(ValueError, match="is damaged: optimizer, history or options do not fit theta and epoch"):
            job()
    assert np.array_equal(model.theta, start) and model.epoch == 0


def test_a_state_that_is_no_state_is_refused(tmp_path):
    fit(Siamese(), 1, checkpoint=tmp_path / "c.npz")
    with pytest.raises(ValueError, match="does not hold the state of this optimizer"):
        fit(Siamese(), 2, checkpoint=changed_file(tmp_path / "c.npz", **{"optimizer.t": np.ones(31)}), resume=True)
    path, constraint = tmp_path / "s.npz", schedules.Constraint(1.0)
    VAE(3, 1, hidden=(2,)).fit(abs(X), epochs=1, schedule=constraint, checkpoint=path, progress=False)
    with pytest.raises(ValueError, match="does not hold the state of this schedule"):
        VAE(3, 1, hidden=(2,)).fit(
            abs(X), epochs=2, schedule=constraint, checkpoint=changed_file(path, schedule={"average": 1.0}), resume=True, progress=False
        )


# ---- copies and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_saved_loaded_copied_and_pickled(name, tmp_path):
    model, X, y = MODELS[name]
    model.save(tmp_path / "m.npz")
    for twin in (type(model).load(tmp_path / "m.npz"), model.copy(), pickle.loads(pickle.dumps(model))):
        assert type(twin) is type(model) and np.array_equal(twin.theta, model.theta) and twin.theta is not model.theta
        assert twin.config == model.config and twin.epoch == model.epoch and twin.evaluate(X, y) == model.evaluate(X, y)
    assert model.copy("float64").theta.dtype == np.float64 and model.copy("float64").config["dtype"] == "float64"


def test_models_go_to_other_processes_and_are_copied_deep():
    """A VAE, one that was trained, and auto-encoders, as joblib and multiprocessing hand them over: spawned, nothing is inherited."""
    data, vae, deep = abs(X), VAE(3, 2, hidden=(4,)), AutoEncoder(3, 2, hidden=(4,), noise=0.1)
    vae.fit(data, epochs=1, progress=False)
    deep.fit(data, epochs=1, progress=False)
    models = [VAE(3, 2, hidden=(4,), posterior="full", prior="mixture:2"), vae, deep, AutoEncoder(3, 2, code="sigmoid", penalty="contractive")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.starmap(Model.evaluate, [(model, data) for model in models])
    assert found == [Model.evaluate(model, data) for model in models]
    for model in models:
        twin, before = copy.deepcopy(model), model.theta.copy()
        assert twin.evaluate(data) == model.evaluate(data)
        twin.fit(data, epochs=1, progress=False)
        assert np.array_equal(model.theta, before) and not np.array_equal(twin.theta, before) and twin.epoch == model.epoch + 1


def test_a_dtype_is_float32_or_float64_by_any_of_its_names():
    for dtype in ("float64", np.float64, np.dtype("float64"), float):
        assert Siamese().copy(dtype).theta.dtype == VAE(3, dtype=dtype).theta.dtype == np.float64
    assert AutoEncoder(3, 2, hidden=4).hidden == (4,) == VAE(3, hidden=4).hidden
    for wrong in (None, 3, [1], int, "float16"):
        with pytest.raises(ValueError, match="dtype must be one of float32, float64; got"):
            VAE(3, dtype=wrong)


def test_a_file_is_loaded_by_its_own_class(tmp_path):
    Siamese(hidden=6).save(tmp_path / "s.npz")
    with pytest.raises(ValueError, match="holds a Siamese, not a VAE"):
        VAE.load(tmp_path / "s.npz")
    VAE(4, 1, hidden=(3,)).save(tmp_path / "v.npz")
    assert type("MyVAE", (VAE,), {}).load(tmp_path / "v.npz").n_features == 4, "a class derived from the file's may read it"


def test_a_constructor_that_files_cannot_hold_is_named():
    class Loose(Siamese):
        def __init__(self, **options):
            super().__init__(**options)

    class Tenfold(Siamese):
        def __init__(self, hidden=2):
            super().__init__(hidden=10 * hidden)

    with pytest.raises(TypeError, match="Tenfold made again from its arguments .* has other shapes"):
        Tenfold().save("nowhere.npz")

    class Forgetful(Siamese):
        def __init__(self, depth=2):
            super().__init__()

    with pytest.raises(TypeError, match="Loose must name all its arguments"):
        Loose().save("nowhere.npz")
    with pytest.raises(TypeError, match="Forgetful must keep its argument depth as an attribute"):
        Forgetful().save("nowhere.npz")


def test_files_of_format_1_are_read_and_resumed():
    """Written by version 0.1: its figures come out, and training goes on where it would have gone."""
    data = np.random.default_rng(0).random((40, 6)).astype(np.float32)
    vae = VAE.load(FILES / "model_format_1.npz")
    assert vae.epoch == 2 and np.isclose(vae.evaluate(data, rng=vae.seed)["neg_elbo"], 14.894528173562138, rtol=1e-6)
    vae, state, history, _ = load_checkpoint(FILES / "checkpoint_format_1.npz", VAE)
    adam = Adam(0.01)
    adam.load_state_dict(state)
    vae.fit(data, epochs=1, optimizer=adam, progress=False)
    assert len(history["epoch"]) == 2 and np.isclose(vae.evaluate(data, rng=vae.seed)["neg_elbo"], 13.382153836125509, rtol=1e-5)
