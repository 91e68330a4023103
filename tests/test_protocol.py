"""Layer 4, the protocol: whatever is a Model is trained, checked, copied, saved, loaded and resumed alike."""

import types
from typing import ClassVar

import numpy as np
import pytest
from siamese import LEARNED, RNG, Siamese, X, Y, fit

from tinyvae import SGD, VAE, Adam, Model, check_model, schedules
from tinyvae.bounds import encode_backward, encode_forward
from tinyvae.params import Gradients
from tinyvae.zoo.autoencoders import AutoEncoder

# ---- training --------------------------------------------------------------------------------------------------


def test_history_has_the_models_terms_and_their_validation():
    history = fit(Siamese(), 3, X_val=X[:9], y_val=Y[:9])
    assert list(history) == ["epoch", "loss", "distance", "size", "val_distance", "val_size", "seconds"]
    assert np.allclose(history["loss"], np.add(history["distance"], 0.5 * np.array(history["size"])), rtol=1e-5)
    assert fit(Siamese(), 30)["loss"][-1] < history["loss"][0] / 2
    assert set(Siamese().evaluate(X, Y)) == {"distance", "size"}


def test_every_row_is_evaluated_with_its_own_label_and_every_draw_counts():
    many, labels = np.tile(X, (30, 1)), np.where(np.arange(1500) < 1200, -1, 1)
    model = Siamese()
    known = model.evaluate(many[1200:], np.ones(300))["distance"]
    assert np.isclose(model.evaluate(many, labels)["distance"], known / 5, rtol=0.05), "300 of 1,500 rows have a label"
    draws = np.array([[model.evaluate(X[:3], rng=s, n_samples=n)["distance"] for s in range(60)] for n in (1, 25)])
    assert draws[1].std() < draws[0].std() / 3
    history = fit(Siamese(), 1, X_val=X, y_val=np.full(50, -1))
    assert history["val_distance"] == [0.0], "validation has its own labels"


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
        (lambda t, terms: None, TypeError, "schedule returned None: it must return weights of terms by their names"),
        (lambda t, terms: 0, TypeError, "schedule returned 0: it must"),
        (lambda t, terms: (), TypeError, r"schedule returned \(\): it must"),
        (lambda t, terms: "size", TypeError, "schedule returned 'size': it must"),
        (lambda t, terms: np.ones(2), TypeError, r"schedule returned array\(\[1., 1.\]\): it must"),
        (lambda t, terms: {"kl": 1.0}, ValueError, "weights must be a dict of distance, size"),
        (lambda t, terms: {"size": np.nan}, ValueError, "the weight of size must be a finite number, got nan"),
        (lambda t, terms: {"size": np.ones(1)}, TypeError, "the weight of size must be a number"),
        (lambda t, terms: {"size": [[1], [1, 2]]}, TypeError, "the weight of size must be a number"),
        (lambda t, terms: {"size": 10**400}, TypeError, "the weight of size must be a number"),
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
    wide, constraint = VAE(3, 1, hidden=(2,), likelihood="gaussian"), schedules.Constraint(1.0)
    with pytest.raises(FloatingPointError):
        wide.fit(X, epochs=1, batch_size=10, optimizer=SGD(1e20), schedule=constraint, progress=False)
    assert (constraint.multiplier, constraint.average) == (1.0, None)
    fresh, adam = Siamese(), Adam(1e30)
    with pytest.raises(FloatingPointError):
        fit(fresh, 1, optimizer=adam)
    assert adam.m is None and adam.t == 0 and np.array_equal(fresh.theta, Siamese().theta)


@pytest.mark.parametrize("make", [lambda: Adam(1e-2), lambda: SGD(1e-3, momentum=0.9)], ids=["adam", "sgd"])
def test_after_a_divergence_training_goes_on_as_if_it_had_not_been(make):
    calm, tried = Siamese(), Siamese()
    optimizers = make(), make()
    for model, optimizer in zip((calm, tried), optimizers):
        fit(model, 2, optimizer=optimizer)
    lr, optimizers[1].lr = optimizers[1].lr, 1e30
    with pytest.raises(FloatingPointError):
        fit(tried, 1, optimizer=optimizers[1])
    optimizers[1].lr = lr
    for model, optimizer in zip((calm, tried), optimizers):
        fit(model, 2, optimizer=optimizer)
    assert np.array_equal(calm.theta, tried.theta) and calm.epoch == tried.epoch == 4


@pytest.mark.parametrize("make", [Adam, SGD])
def test_an_optimizer_of_another_model_is_refused(make):
    optimizer, other = make(), Siamese(hidden=9)
    fit(Siamese(), 1, optimizer=optimizer)
    start = other.theta.copy()
    with pytest.raises(ValueError, match="optimizer has moved 31 parameters, the model has 61: make a new one for every model"):
        fit(other, 1, optimizer=optimizer)
    assert np.array_equal(other.theta, start)


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
        units: ClassVar[dict] = {"distance": "squared"}

    with pytest.raises(ValueError, match=r"Wrong must report the terms in units, distance, .* got distance: float32 of shape \(7,\), size: "):
        fit(Wrong(), 1)
    Wrong.units = {"loss": "squared", "val_size": "squared"}
    with pytest.raises(ValueError, match="units of Wrong must not hold loss, a column of every history"):
        fit(Wrong(), 1)
    with pytest.raises(TypeError, match=r"must set self.shapes"):
        Model().fit(X, epochs=1)
    with pytest.raises(NotImplementedError, match="must define loss_forward"):
        type("Empty", (Model,), {"shapes": {"w": (2,)}})().fit(X, epochs=1)


class Supervised(VAE):
    """A VAE whose mu also predicts the sign of y: one more term, one more parameter."""

    units: ClassVar[dict] = {**VAE.units, "squared_error": "squared"}

    def __init__(self, n_features, n_latent=2, *, hidden=(4,), seed=0, dtype="float32"):
        super().__init__(n_features, n_latent, hidden=hidden, likelihood="gaussian", seed=seed, dtype=dtype)
        self.shapes = self.shapes | {"readout.W": (n_latent, 1)}

    def loss_forward(self, batch, noise):
        (loss, terms), vae_cache = super().loss_forward(batch, noise)
        (mu, _), encoder_cache = encode_forward(batch[0], self.params, self.parts.encoder)
        r = (mu @ self.params["readout.W"])[:, 0] - np.sign(batch[1]).astype(self.dtype)
        return (loss + np.mean(r * r), terms | {"squared_error": r * r}), (vae_cache, mu, encoder_cache, r)

    def loss_backward(self, dloss, cache, weights=None):
        vae_cache, mu, encoder_cache, r = cache
        dparams, dprediction = self.gradients(), (2 * dloss / len(r) * r)[:, None]
        dparams["readout.W"] += mu.T @ dprediction
        encode_backward((dprediction @ self.params["readout.W"].T, np.zeros_like(mu)), encoder_cache, dparams)
        return dparams.flat() + super().loss_backward(dloss, vae_cache, weights)


def test_a_variation_of_the_vae_adds_a_term_and_a_parameter(tmp_path):
    model = Supervised(3)
    assert np.all(model.params["readout.W"] != 0) and np.array_equal(model.params["encoder.0.W"], VAE(3, hidden=(4,)).params["encoder.0.W"])
    assert check_model(model, X[:5], Y[:5]).ok
    side = np.sign(X[:, 0])  # labels that can be learned
    history = model.fit(X, side, epochs=30, batch_size=7, X_val=X[:9], y_val=side[:9], schedule=schedules.linear_warmup(5), progress=False)
    assert history["val_squared_error"][-1] < history["val_squared_error"][0] and "val_kl" in history
    model.save(tmp_path / "s.npz")
    assert Supervised.load(tmp_path / "s.npz").evaluate(X, Y) == model.evaluate(X, Y)


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="y_val was given without X_val"):
        fit(Siamese(), 1, y_val=Y)
    for X_val, message in [(X[:, :2], r"X_val must have shape \(N, 3\)"), (np.nan * X, "X_val must be finite"), ([["a"]], "X_val must hold")]:
        with pytest.raises((ValueError, TypeError), match=message):
            fit(Siamese(), 1, X_val=X_val)
    with pytest.raises(ValueError, match=r"X_val must lie in \[0, 1\]"):
        VAE(3, 1, hidden=(2,)).fit(np.abs(X), epochs=1, X_val=5 + X, progress=False)
    plain = types.SimpleNamespace(step=lambda theta, dtheta: None)
    with pytest.raises(TypeError, match="must have a learning rate lr for decay"):
        fit(Siamese(), 1, optimizer=plain, decay=True)
    vae = VAE(3, 1, hidden=(2,), bound="iwae")
    start = vae.theta.copy()
    with pytest.raises(ValueError, match="bound='iwae' has no KL term to weigh"):
        vae.fit(np.abs(X), epochs=1, schedule=schedules.constant(1.0), progress=False)
    assert np.array_equal(vae.theta, start)
    with pytest.raises(ValueError, match="looks at the term 'kl', which the model does not report; it has distance, size"):
        fit(Siamese(), 1, schedule=schedules.free_bits(1.0))
    with pytest.raises(TypeError, match="must return the gradient"):
        fit(type("Lazy", (Siamese,), {"loss_backward": lambda *args: None})(), 1)


def test_a_copy_of_held_views_is_refused_and_a_file_fills_them(tmp_path):
    class Holding(Siamese):
        def __init__(self, seed=0):
            super().__init__(seed=seed)
            self.held = self.params

    with pytest.raises(TypeError, match=r"Holding.held holds views of theta"):
        check_model(Holding(), X[:4])
    Holding(seed=3).save(tmp_path / "h.npz")
    again = Holding.load(tmp_path / "h.npz")
    assert np.shares_memory(again.held["net.0.W"], again.theta) and np.array_equal(again.theta, Holding(seed=3).theta)


def test_a_batch_that_is_none_is_refused_with_the_remedy():
    vae, binary = VAE(3, 1, hidden=(2,)), np.ones((2, 3), np.float32)
    for batch in (binary, (binary,), [binary, None], (binary.astype(np.uint8), None), (binary.astype(np.float64), None), ([[1.0]], None)):
        with pytest.raises(TypeError, match=r"batch must be a tuple \(x, y\), .* in float32: take x = vae.scaled"):
            vae.loss_forward(batch, np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"noise must have the shape of x, \(2, 3\), got \(\)"):
        AutoEncoder(3, 1).loss_and_grad(binary, 0.5)


# ---- gradients -------------------------------------------------------------------------------------------------


def test_unwritten_gradients_are_zero_and_weights_used_twice_collect_both(monkeypatch):
    empty = np.empty
    monkeypatch.setattr("tinyvae.params.np", types.SimpleNamespace(**vars(np) | {"empty": lambda *args: np.full_like(empty(*args), np.nan)}))
    dparams = Gradients({"a": (2,), "b": (3,), "c": ()})
    dparams["a"] += 1
    dparams.add("a", np.ones(2))
    dparams.empty("b")[...] = 7
    assert np.array_equal(dparams.flat(), [2, 2, 0, 0, 0, 0]), "what was lent and not added does not count"
    dparams = Gradients({"a": (2,)})
    lent = dparams.empty("a")
    assert dparams.empty("a") is None, "lent once"
    with pytest.raises(RuntimeError, match="the gradient of a is lent"):
        dparams["a"] += 1
    lent[...] = 2
    dparams.add("a", lent)
    dparams.add("a", np.ones(2))
    assert np.array_equal(dparams.flat(), [3, 3])
    with pytest.raises(KeyError):
        dparams["unknown"] += 1
    assert check_model(Siamese(), X[:5], Y[:5], wrt=LEARNED).ok
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
    vae.loss_backward = types.MethodType(lambda self, dloss, cache, weights=None: 1.0 * VAE.loss_backward(self, dloss, cache, weights), vae)
    assert check_model(vae, binary).ok, "and that is right: it computes with the copy's parameters"
    vae.loss_backward = types.MethodType(lambda self, dloss, cache, weights=None: VAE.loss_backward(self, dloss, cache), vae)
    report = check_model(vae, binary)
    assert [row.name for row in report.rows if not row.ok] == [f"weight of {name}" for name in vae.units], "a schedule would be ignored"
    assert "self.weigh" in str(report)
    double = VAE(6, hidden=(4,), dtype="float64")
    kept = double.theta.copy()
    assert check_model(double, binary).ok and np.array_equal(double.theta, kept)

    class Twice(Siamese):
        def loss_backward(self, dloss, cache, weights=None):
            return 2 * super().loss_backward(dloss, cache, weights)

    report = check_model(Twice(), X[:5])
    assert {row.name: row.verdict for row in report.rows} == dict.fromkeys(LEARNED, "WRONG") | {"unused": "CANNOT JUDGE"}

    class Flat(Siamese):
        def loss_backward(self, dloss, cache, weights=None):
            return super().loss_backward(1, cache, weights)

    assert not check_model(Flat(), X[:5], wrt=LEARNED).ok, "dloss must not be ignored"

    class Running(Siamese):
        def draw_noise(self, rng, batch):
            self.seen[0] += 1
            return super().draw_noise(rng, batch)

    model = Running()
    model.seen = np.zeros(1)
    assert check_model(model, X[:5], wrt=LEARNED).ok and model.seen[0] == 0, "not even a state of its own is changed"
