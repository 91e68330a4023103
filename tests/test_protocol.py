"""Layer 4, the protocol: whatever is a Model is trained, checked, copied, saved, loaded and resumed alike."""

import pickle
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import tinyvae
from tinyvae import SGD, VAE, Adam, Model, Network, catalogue, check_model, schedules
from tinyvae.mlp import mlp_backward, mlp_forward
from tinyvae.params import Gradients
from tinyvae.train import load_checkpoint
from tinyvae.zoo.autoencoders import AutoEncoder

README = Path(__file__).parent.parent / "README.md"
FILES = Path(__file__).parent / "files"
RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-1, 1, (50, 3)), RNG.integers(-1, 2, 50)
MODELS = catalogue.models()


class Siamese(Model):
    """Two branches share their weights; "unused" is never touched: squared distance of f(x) to f(-x + noise), weighed by y."""

    units = {"distance": "squared", "size": "squared"}  # noqa: RUF012

    def __init__(self, n_features=3, hidden=4, *, pull=0.5, seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.hidden, self.pull = n_features, hidden, pull
        self.network = Network(("net.0", "net.out"), (n_features, hidden, 2), "tanh")
        self.shapes = self.network.shapes | {"unused": (5,)}

    def draw_noise(self, rng, batch):
        return 0.1 * rng.standard_normal(batch[0].shape, self.dtype)

    def loss_forward(self, batch, noise):
        x, y = batch
        known = np.ones(len(x), self.dtype) if y is None else (y >= 0).astype(self.dtype)
        a, a_cache = mlp_forward(x, self.params, self.network)
        b, b_cache = mlp_forward(noise - x, self.params, self.network)
        distance, size = known * ((a - b) ** 2).sum(1), (a**2).sum(1)
        return (np.mean(distance + self.pull * size), {"distance": distance, "size": size}), (a, a_cache, b, b_cache, known)

    def loss_backward(self, dloss, cache, weights=None):
        a, a_cache, b, b_cache, known = cache
        weights, dparams = self.weigh(weights, distance=1, size=self.pull), self.gradients()
        each = 2 * dloss / len(a)
        d = weights["distance"] * each * known[:, None] * (a - b)
        mlp_backward(d + weights["size"] * each * a, a_cache, dparams, need_dx=False)
        mlp_backward(-d, b_cache, dparams, need_dx=False)
        return dparams.flat()


def fit(model, epochs, **options):
    return model.fit(X, Y, **{"epochs": epochs, "batch_size": 7, "optimizer": Adam(1e-2), "progress": False} | options)


# ---- the README's model ----------------------------------------------------------------------------------


def test_the_readmes_own_model_runs_as_printed(tmp_path):
    """Checked, trained with history, resumed, saved and loaded, in at most 40 lines and without a line of the package changed."""
    text = README.read_text(encoding="utf-8").split("## A model of your own")[1]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len(block.splitlines()) <= 40
    more = "\nassert history['epoch'] == list(range(1, 61)) and model.epoch == 60\n"
    result = subprocess.run([sys.executable, "-c", block + more], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.count("  ok\n") == 4 and "WRONG" not in result.stdout
    assert "/100" in result.stderr and "/200" in result.stderr, "progress: 20 epochs of 5 steps, then the 40 that are missing"
    whole = subprocess.run(
        [sys.executable, "-c", block.replace("Regression(1).fit(X", "0 and Regression(1).fit(X").replace("sine", "other")],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert whole.stdout == result.stdout, "60 epochs at once end where 20 and 40 do"


# ---- training --------------------------------------------------------------------------------------------------


def test_history_has_the_models_terms_and_their_validation():
    history = fit(Siamese(), 3, X_val=X[:9], y_val=Y[:9])
    assert list(history) == ["epoch", "loss", "distance", "size", "val_distance", "val_size", "seconds"]
    assert np.allclose(history["loss"], np.add(history["distance"], 0.5 * np.array(history["size"])), rtol=1e-5)
    assert fit(Siamese(), 30)["loss"][-1] < history["loss"][0] / 2
    assert set(Siamese().evaluate(X, Y)) == {"distance", "size"}


def test_labels_reach_the_loss_and_minus_one_is_unknown():
    assert Siamese().evaluate(X, np.full(50, -1))["distance"] == 0 < Siamese().evaluate(X)["distance"]
    for wrong, message in [(Y[:9], r"y must have shape \(50,\)"), (["a"] * 50, "real numbers"), (np.full(50, np.nan), "finite")]:
        with pytest.raises((ValueError, TypeError), match=message):
            fit(Siamese(), 1) if wrong is None else Siamese().fit(X, wrong, epochs=1)


def test_a_schedule_weighs_the_terms_of_any_model():
    seen = []

    def schedule(t, terms):
        seen.append((t, terms))
        return {"size": 0.0}

    free, bound = Siamese(), Siamese()
    assert fit(free, 20, schedule=schedule)["size"][-1] > 2 * fit(bound, 20)["size"][-1]
    assert [t for t, _ in seen[:3]] == [0, 7 / 50, 14 / 50] and set(seen[0][1]) == {"distance", "size"}
    same, constant = Siamese(), Siamese(pull=0.2)
    fit(same, 3, schedule=schedules.constant(0.2, term="size"))
    fit(constant, 3)
    assert np.array_equal(same.theta, constant.theta)
    warm = AutoEncoder(3, 2, penalty="l1")
    warm.fit(X, epochs=2, schedule=schedules.linear_warmup(5, term="penalty"), progress=False)
    for wrong, error, message in [
        (lambda t, terms: None, TypeError, "schedule returned None"),
        (lambda t, terms: {"kl": 1.0}, ValueError, "weights must be a dict of distance, size"),
        (lambda t, terms: (1, 0), ValueError, "weights must be a dict"),
        (lambda t, terms: {"size": "heavy"}, TypeError, "weight of size must be a number"),
    ]:
        with pytest.raises(error, match=message):
            fit(Siamese(), 1, schedule=wrong)


def test_divergence_brings_back_model_and_optimizer():
    model, sgd = Siamese(), SGD(1e-3, momentum=0.5)
    fit(model, 1, optimizer=sgd)
    theta, v = model.theta.copy(), sgd.v.copy()
    with pytest.raises(FloatingPointError, match=r"infinite or NaN in epoch 2.*after epoch 1"):
        sgd.lr = 1e30
        fit(model, 2, optimizer=sgd)
    assert np.array_equal(model.theta, theta) and np.array_equal(sgd.v, v) and model.epoch == 1
    fresh, adam = Siamese(), Adam(1e30)
    with pytest.raises(FloatingPointError):
        fit(fresh, 1, optimizer=adam)
    assert adam.m is None and adam.t == 0 and np.array_equal(fresh.theta, Siamese().theta)


def test_an_optimizer_needs_no_more_than_a_step():
    class Plain:
        def step(self, theta, dtheta):
            theta -= 0.01 * dtheta

    history = fit(Siamese(), 3, optimizer=Plain())
    assert history["loss"][-1] < history["loss"][0]


def test_decay_lets_the_learning_rate_fall_to_zero_and_gives_it_back():
    adam, rates = Adam(0.1), []
    step = adam.step
    adam.step = lambda *args: (rates.append(adam.lr), step(*args))
    fit(Siamese(), 4, optimizer=adam, decay=True, batch_size=50)
    assert np.allclose(rates, [0.1, 0.075, 0.05, 0.025]) and adam.lr == 0.1


def test_terms_that_do_not_fit_the_units_are_refused():
    class Wrong(Siamese):
        units = {"distance": "squared"}  # noqa: RUF012

    with pytest.raises(ValueError, match=r"Wrong must report the terms in units, distance, .* got distance \(7,\), size \(7,\)"):
        fit(Wrong(), 1)
    with pytest.raises(TypeError, match=r"must set self.shapes"):
        Model().fit(X, epochs=1)
    with pytest.raises(NotImplementedError, match="must define loss_forward"):
        type("Empty", (Model,), {"shapes": {"w": (2,)}})().fit(X, epochs=1)


def test_a_batch_that_is_none_is_refused_with_the_remedy():
    vae, binary = VAE(3, 1, hidden=(2,)), np.ones((2, 3), np.float32)
    for batch in (binary, (binary,), [binary, None], (binary.astype(np.uint8), None), (binary.astype(np.float64), None), ([[1.0]], None)):
        with pytest.raises(TypeError, match=r"batch must be a tuple \(x, y\), .* in float32: take x = vae.scaled"):
            vae.loss_forward(batch, np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"noise must have the shape of x, \(2, 3\), got \(\)"):
        AutoEncoder(3, 1).loss_and_grad(binary, 0.5)


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
        (Siamese(), {"X_val": X}, "hand in validation data as it did"),
        (AutoEncoder(3, 2), {}, "holds a Siamese, not a AutoEncoder"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit(model, options.pop("epochs", 3), checkpoint=path, resume=True, **options)
        assert path.read_bytes() == before
    fresh = Siamese()
    fit(fresh, 1, checkpoint=tmp_path / "new.npz", resume=True)
    assert fresh.epoch == 1, "without a file a run starts from the beginning"


# ---- gradients -------------------------------------------------------------------------------------------------


def test_unwritten_gradients_are_zero_and_weights_used_twice_collect_both(monkeypatch):
    empty = np.empty
    monkeypatch.setattr("tinyvae.params.np.empty", lambda *args: np.full_like(empty(*args), np.nan))
    dparams = Gradients({"a": (2,), "b": (3,), "c": ()})
    dparams["a"] += 1
    dparams.add("a", np.ones(2))
    dparams.empty("b")[...] = 7
    assert np.array_equal(dparams.flat(), [2, 2, 0, 0, 0, 0]), "what was lent and not added does not count"
    lent = dparams.empty("b")
    assert lent is None and dparams.empty("a") is None
    with pytest.raises(KeyError):
        dparams["unknown"] += 1
    assert check_model(Siamese(), X[:5], Y[:5]).ok
    _, dtheta = Siamese().loss_and_grad(X[:5], np.zeros((5, 3)), Y[:5])
    assert np.array_equal(dtheta[-5:], np.zeros(5))


def test_what_is_checked_is_this_very_object():
    binary = RNG.integers(0, 2, (5, 6))
    vae = VAE(6, hidden=(4,))
    before = vae.theta.copy()
    assert check_model(vae, binary).ok and np.array_equal(vae.theta, before) and vae.dtype == np.float32
    right = vae.parts.likelihood
    vae.parts = vae.parts._replace(likelihood=right._replace(backward=lambda d, cache: 2 * right.backward(d, cache)))
    assert not check_model(vae, binary).ok, "a record that was replaced in the object"
    vae.parts = vae.parts._replace(likelihood=right)
    assert check_model(vae, binary).ok
    vae.loss_backward = types.MethodType(lambda self, dloss, cache, weights=None: 2 * VAE.loss_backward(self, dloss, cache), vae)
    assert not check_model(vae, binary).ok, "a method that was replaced in the object"

    class Twice(Siamese):
        def loss_backward(self, dloss, cache, weights=None):
            return 2 * super().loss_backward(dloss, cache, weights)

    assert not check_model(Twice(), X[:5]).ok

    class Flat(Siamese):
        def loss_backward(self, dloss, cache, weights=None):
            return super().loss_backward(1, cache, weights)

    assert not check_model(Flat(), X[:5]).ok, "dloss must not be ignored"


# ---- copies and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_saved_loaded_copied_and_pickled(name, tmp_path):
    model, X, y = MODELS[name]
    model.save(tmp_path / "m.npz")
    for twin in (type(model).load(tmp_path / "m.npz"), model.copy(), pickle.loads(pickle.dumps(model))):
        assert type(twin) is type(model) and np.array_equal(twin.theta, model.theta) and twin.theta is not model.theta
        assert twin.config == model.config and twin.epoch == model.epoch and twin.evaluate(X, y) == model.evaluate(X, y)
    assert model.copy("float64").theta.dtype == np.float64 and model.copy("float64").config["dtype"] == "float64"


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
    assert vae.epoch == 2 and np.isclose(vae.evaluate(data)["neg_elbo"], 14.894528173562138, rtol=1e-6)
    vae, state, history, _ = load_checkpoint(FILES / "checkpoint_format_1.npz", VAE)
    adam = Adam(0.01)
    adam.load_state_dict(state)
    vae.fit(data, epochs=1, optimizer=adam, progress=False)
    assert len(history["epoch"]) == 2 and np.isclose(vae.evaluate(data)["neg_elbo"], 13.382153836125509, rtol=1e-5)


def test_version_and_changelog_agree():
    text = (README.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"(?m)^## (\S+)", text)[1] == tinyvae.__version__
