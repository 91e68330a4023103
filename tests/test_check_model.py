"""The check of whole models: large ones, the upstream gradient, the weights of terms, and what a model must return."""

import numpy as np
import pytest

from tinyvae import VAE, check_model, dense_forward, load_digits


def test_large_models_of_relus_are_judged():
    """By shorter steps, until no kink lies between their ends."""
    X = load_digits()[0]
    report = check_model(VAE(64, activation="relu"), X)
    assert report.ok and "on the first 20 of 1797 rows" in str(report) and "random directions" in str(report), report

    class Wrong(VAE):
        def loss_backward(self, dloss, cache, weights=None):
            dtheta = super().loss_backward(dloss, cache, weights)
            self.views(dtheta)["decoder.0.W"][1, 5] *= 1.01
            return dtheta

    wrong = check_model(Wrong(64, activation="relu"), X)
    assert [row.name for row in wrong.rows if row.verdict == "WRONG"] == ["decoder.0.W"]


def test_all_of_dloss_reaches_the_gradient():
    class Clipped(VAE):
        def loss_backward(self, dloss, cache, weights=None):
            return super().loss_backward(min(dloss, 1.0), cache, weights)

    X = np.random.default_rng(0).integers(0, 2, (5, 6))
    report = check_model(Clipped(6, hidden=(4,)), X)
    assert report.verdict == "WRONG" and "not linear in dout" in str(report)


def weighing(merge):
    """A VAE that merges the weights of a schedule with its own in another way."""

    class Weighing(VAE):
        def loss_backward(self, dloss, cache, weights=None):
            return super().loss_backward(dloss, cache, merge(weights, {"reconstruction": 1.0, "kl": self.beta}))

    return Weighing(6, hidden=(4,), beta=0.7)


@pytest.mark.parametrize("merge", [
    lambda weights, own: None,
    lambda weights, own: own | {"kl": 1.0} if weights else own,
    lambda weights, own: {name: (weights or {}).get(name) or value for name, value in own.items()},
    lambda weights, own: {"reconstruction": 0.0, "kl": 0.0} | weights if weights else own,
    lambda weights, own: {"reconstruction": 1.0, "kl": 1.0} | weights if weights else own,
    lambda weights, own: own | {name: max(1.0, weight) for name, weight in (weights or {}).items()},
    lambda weights, own: own | {name: float(int(weight)) for name, weight in (weights or {}).items()},
])  # fmt: skip
def test_the_weights_of_terms_reach_the_gradient(merge):
    """Each by itself and as it is: also 0, the first step of a warm-up, which is no missing weight."""
    X = np.random.default_rng(0).integers(0, 2, (5, 6))
    report = check_model(weighing(merge), X)
    assert any(row.verdict == "WRONG" and row.name.startswith("weight of") for row in report.rows) and "self.weigh" in str(report), report


def test_each_term_with_a_weight_has_a_row():
    X = np.random.default_rng(0).integers(0, 2, (5, 6))
    report = check_model(weighing(lambda weights, own: weights), X)
    assert report.ok and [row.name for row in report.rows][-2:] == ["weight of reconstruction", "weight of kl"]
    assert "without a weight of its own: neg_elbo" in str(report)
    report = check_model(weighing(lambda weights, own: weights and np.ones(2) + np.ones(3)), X)
    assert [row.verdict for row in report.rows[-3:]] == ["CANNOT JUDGE"] * 3 and "could not be broadcast" in str(report), "its own fault is no refusal"
    with pytest.raises(TypeError, match="unsupported operand"):
        check_model(weighing(lambda weights, own: weights and {name: weights + value for name, value in own.items()}), X)


def test_a_backward_that_keeps_its_first_cache_is_found():
    class Stale(VAE):
        def loss_backward(self, dloss, cache, weights=None):
            self.first = getattr(self, "first", cache)
            return super().loss_backward(dloss, self.first, weights)

    report = check_model(Stale(6, hidden=(4,)), np.random.default_rng(0).integers(0, 2, (5, 6)))
    assert report.verdict == "WRONG" and "right at one theta, wrong at the next" in str(report)


def test_what_the_protocol_wants_is_said_in_one_sentence():
    def model(**methods):
        return type("Mine", (VAE,), methods)(6, hidden=(4,))

    X = np.random.default_rng(0).integers(0, 2, (5, 6))
    for thing, words in [
        (model(loss_forward=lambda self, batch, noise: (1.0, {})), r"must return \(\(loss, terms\), cache\)"),
        (model(loss_forward=lambda self, batch, noise: (([1.0], {}), None)), "must return the loss as one number"),
        (model(units={"kl": "nats", "size": "nats"}), "must report the terms in units, kl, size, .*; got neg_elbo: "),
        (model(loss_backward=lambda self, dloss, cache: VAE.loss_backward(self, dloss, cache)), r"must be loss_backward\(self, dloss, cache, weights=None\)"),
        (model(loss_backward=lambda self, dloss, cache, weights=None: self.gradients()), r"must return the gradient, dparams.flat\(\), got Gradients"),
    ]:
        with pytest.raises((ValueError, TypeError), match=words):
            check_model(thing, X)


def test_what_is_no_model_is_refused():
    for thing in (VAE, dense_forward, None, {"W": np.ones(3)}):
        with pytest.raises(TypeError, match="model must be a Model, got .*: "):
            check_model(thing, np.ones((2, 3)))
