"""M2 and M1 + M2: the sum over classes against its closed form, the bounds against a grid, few labels with and without the VAE."""

import math

import numpy as np
import pytest
from figures import assert_reached, assert_stated, digits

from tinyvae import Adam, Model, Network, check_model
from tinyvae.layers import log_softmax
from tinyvae.likelihoods import categorical_backward, categorical_forward
from tinyvae.mlp import mlp_backward, mlp_forward, mlp_init
from tinyvae.zoo.m2 import (
    M2,
    labels_first,
    unlabelled_bound_backward,
    unlabelled_bound_forward,
)

RNG = np.random.default_rng(0)


def small(**options):
    return M2(6, 3, **{"n_latent": 2, "hidden": (7,), "alpha": 1.7, "dtype": "float64"} | options)


def some(n=9):
    """Binary rows with labels on a third of them."""
    return RNG.integers(0, 2, (n, 6)).astype(float), np.where(np.arange(n) % 3 == 0, np.arange(n) // 3 % 3, -1)


# ---- the sum over the classes --------------------------------------------------------------------------


def test_the_bound_without_a_label_is_the_best_one_less_a_kl():
    """[SEMI.1] is logsumexp of the bounds - KL(q || softmax(bounds)); equal at the softmax, where [SEMI.2] has no slope in q."""
    bound, logits = 5 * RNG.standard_normal((20, 4)), 3 * RNG.standard_normal((20, 4))
    U, _ = unlabelled_bound_forward(bound, logits)
    best, log_q, log_p = np.logaddexp.reduce(bound, axis=1), log_softmax(logits), log_softmax(bound)
    kl = (np.exp(log_q) * (log_q - log_p)).sum(1)
    assert np.abs(U - (best - kl)).max() < 1e-12 and (kl > 0.01).all()
    for shift in (0.0, 70.0):  # logits mean the same when all are shifted
        U, cache = unlabelled_bound_forward(bound, bound + shift)
        dbound, dlogits = unlabelled_bound_backward(np.ones(20), cache)
        assert np.abs(U - best).max() < 1e-12 and np.abs(dlogits).max() < 1e-12
        assert np.abs(dbound - np.exp(log_p)).max() < 1e-12, "the softmax is the gradient of logsumexp"


def test_far_logits_stay_finite():
    bound, logits = np.array([[-1e4, 0.0, 3.0]], np.float32), np.array([[1e4, 0.0, -1e4]], np.float32)
    U, cache = unlabelled_bound_forward(bound, logits)
    assert U == -1e4 and all(np.isfinite(d).all() for d in unlabelled_bound_backward(np.ones(1, np.float32), cache))


# ---- the bounds against what they bound -----------------------------------------------------------------


def normal_weights(points):
    """Weights of equally spaced points that integrate against N(0, 1)."""
    w = np.exp(-(points**2) / 2)
    return w / w.sum()


def test_both_bounds_miss_exactly_a_kl_of_the_evidence_on_a_grid():
    """bound(x, y) = log p(x, y) - KL(q(z|x, y) || p(z|x, y)), so U = log p(x) - KL(q(y, z|x) || p(y, z|x)); K = 1, all by quadrature."""
    model, (x, _) = small(n_latent=1), some(4)
    model.theta += 0.7 * RNG.standard_normal(model.theta.size)
    points, C = np.linspace(-9, 9, 1801), 3
    log_pxy, gap, bound = np.empty((3, 4, C))
    for n in range(4):
        for y in range(C):
            many, classes = np.repeat(x[n : n + 1], len(points), axis=0), np.full(len(points), y)
            bound[n, y] = normal_weights(points) @ model.joint_bound_forward(many, classes, points[:, None])[0]
            onehot = np.eye(C)[classes]
            mu, log_sigma = mlp_forward(np.hstack([many, onehot])[:1], model.params, model.encoder)[0][0]
            z = mu + np.exp(log_sigma) * points  # posterior and q on the points where q is
            log_joint = joint(model, x[n], y, z)
            log_q = -(points**2) / 2 - np.log(2 * np.pi) / 2 - log_sigma
            log_pxy[n, y] = np.log(np.exp(joint(model, x[n], y, points)).sum() * (points[1] - points[0]))
            gap[n, y] = normal_weights(points) @ (log_q - log_joint) + log_pxy[n, y]
    assert np.abs(log_pxy - gap - bound).max() < 1e-9 and gap.min() > 0.01
    log_qy = model.predict_log_proba(x)
    U, _ = unlabelled_bound_forward(bound, log_qy)
    log_px = np.logaddexp.reduce(log_pxy, axis=1)
    whole = (np.exp(log_qy) * (log_qy - (log_pxy - log_px[:, None]) + gap)).sum(1)
    assert np.abs(log_px - whole - U).max() < 1e-9


def joint(model, x, y, z):
    """log p(x, y, z) at points z of one dimension, written anew."""
    logits = mlp_forward(np.hstack([z[:, None], np.tile(np.eye(3)[y], (len(z), 1))]), model.params, model.decoder)[0]
    log_px = -(np.log1p(np.exp(-(2 * x - 1) * logits))).sum(1)
    return log_px - math.log(3) - z**2 / 2 - math.log(2 * math.pi) / 2


# ---- labels: none, some, all ------------------------------------------------------------------------------


def test_the_loss_of_a_batch_is_that_of_its_two_kinds_of_rows():
    """[SEMI.3] row by row; a batch of one kind alone works, and no labels are labels of -1."""
    model, (x, y) = small(), some()
    eps = model.draw_noise(RNG, (x, y))
    loss, grad = model.loss_and_grad(x, eps, y)
    parts = [(k.mean(), *model.loss_and_grad(x[k], eps[k], y[k])) for k in (y >= 0, y < 0)]
    assert np.isclose(loss, sum(share * part for share, part, _ in parts), rtol=1e-13)
    assert np.allclose(grad, sum(share * part for share, _, part in parts), atol=1e-13)
    (_, terms), _ = model.loss_forward((x, y), eps)
    bound = np.stack([model.joint_bound_forward(x, np.full(9, c), eps[:, c])[0] for c in range(3)], axis=1)
    log_q, known, n = model.predict_log_proba(x), y >= 0, np.arange(9)
    each = np.where(known, -bound[n, y] - 1.7 * log_q[n, y], -unlabelled_bound_forward(bound, log_q)[0])
    assert np.isclose(loss, each.mean(), rtol=1e-13) and np.isclose(sum(terms.values())[known].sum(), (each + 0.7 * log_q[n, y])[known].sum())
    nobody = model.loss_and_grad(x, eps)
    assert nobody[0] == model.loss_and_grad(x, eps, np.full(9, -1))[0]
    assert np.array_equal(model.loss_and_grad(x, eps, y.astype(float))[1], grad)


def test_evaluation_takes_no_labels_some_and_all():
    model, (x, y) = small(), some()
    none, part, whole = (model.evaluate(x, labels) for labels in (None, y, np.maximum(y, 0)))
    assert none["labelled"] == none["cross_entropy"] == whole["unlabelled"] == 0
    assert min(none["unlabelled"], whole["labelled"], *part.values()) > 0 and list(part) == list(M2.units)


def test_labels_first_leaves_the_unlabelled_rows_out_at_first():
    model, (x, y) = small(), some()
    eps, other = model.draw_noise(RNG, (x, y)), np.where((y < 0)[:, None], 1 - x, x)

    def gradient(rows, t):
        return model.loss_backward(1, model.loss_forward((rows, y), eps)[1], labels_first(2)(t, {}))

    assert np.array_equal(gradient(x, 1.9), gradient(other, 1.9)) and np.abs(gradient(x, 1.9)).max() > 0
    assert not np.allclose(gradient(x, 2), gradient(other, 2)) and np.array_equal(gradient(x, 2), model.loss_and_grad(x, eps, y)[1])


def test_a_resumed_run_ends_where_the_unbroken_one_does(tmp_path):
    x, y = some(30)
    whole, broken = small(), small()
    options = {"schedule": labels_first(2), "batch_size": 8, "progress": False}
    whole.fit(x, y, epochs=4, **options)
    broken.fit(x, y, epochs=1, checkpoint=tmp_path / "run.npz", **options)
    again = small()
    history = again.fit(x, y, epochs=4, checkpoint=tmp_path / "run.npz", resume=True, **options)
    assert np.array_equal(again.theta, whole.theta) and list(history)[2:5] == list(M2.units)
    again.save(tmp_path / "m2.npz")
    loaded = M2.load(tmp_path / "m2.npz")
    assert np.array_equal(loaded.predict_log_proba(x), again.predict_log_proba(x)) and loaded.config == again.config


def test_samples_are_of_the_class_that_is_asked_for():
    model = small()
    model.params["decoder.out.b"][...] = -30
    model.params["decoder.0.W"][2:] = 10 * np.eye(3, 7)  # hidden unit c is on for class c, and turns pixel c on
    model.params["decoder.out.W"][...] = 10 * np.eye(7, 6)
    shown = model.sample(300, 0)
    assert (shown.sum(1) == 1).all() and np.abs(shown.mean(0)[:3] - 1 / 3).max() < 0.1
    assert (model.sample(5, y=2)[:, 2] == 1).all() and (model.sample(3, y=[0, 1, 2]) == np.eye(3, 6)).all()
    assert np.allclose(model.sample(3, 1, y=[0, 1, 2], mean=True), np.eye(3, 6), atol=1e-3) and model.decode(np.zeros((4, 2)), 1).shape == (4, 6)


def test_likelihoods_with_several_outputs_and_of_whole_numbers():
    for likelihood in ("categorical:3", "poisson", "gaussian_diagonal"):
        model, x = small(likelihood=likelihood), RNG.integers(0, 3, (5, 6))
        model.fit(x, [0, -1, 2, -1, -1], epochs=1, progress=False)
        assert model.sample(2, y=1).shape == (2, 6) and np.allclose(np.exp(model.predict_log_proba(x)).sum(1), 1)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda m, x, y: m.fit(x, y + 2, epochs=1, progress=False), "y must hold 9 classes from 0 to 2, or -1 where the class is unknown, got"),
        (lambda m, x, y: m.fit(x, y - 1, epochs=1, progress=False), "or -1 where the class is unknown"),
        (lambda m, x, y: m.evaluate(x, y + 0.5), "number the classes from 0"),
        (lambda m, x, y: m.sample(2, y=-1), "y must hold 2 classes from 0 to 2, got"),
        (lambda m, x, y: m.sample(2, y=[0, 1, 2]), "y must hold 2 classes from 0 to 2, got"),
        (lambda m, x, y: m.decode(np.zeros((2, 3)), 0), r"Z must have shape \(N, 2\), got \(2, 3\)"),
        (lambda m, x, y: m.predict(2 * x), r"X must lie in \[0, 1\]"),
        (lambda m, x, y: m.loss_and_grad(x, np.zeros((9, 2)), y), r"noise must have shape \(9, 3, 2\), got \(9, 2\)"),
        (lambda m, x, y: small(alpha=-1), "alpha must be a finite number at least 0"),
        (lambda m, x, y: M2(6, 1), "n_classes must be at least 2, got 1"),
        (lambda m, x, y: labels_first(-1), "epochs must be a finite number at least 0"),
    ],
)
def test_bad_input_is_told(ask, message):
    with pytest.raises(ValueError, match=message):
        ask(small(), *some())


# ---- few labels: error on the 359 test rows ------------------------------------------------------------------
# K = 5, H = 128, batches of 100. Adam(0.003), 60 epochs without decay, and 300 epochs for the MLP, were chosen by the error on the training
# rows without a label, with other draws of the labels than these.


class MLP(Model):
    """The classifier of M2 alone: cross-entropy on labelled rows."""

    def __init__(self, hidden=128, *, seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.hidden, self.units = hidden, {"cross_entropy": "nats"}
        self.network = Network(("mlp.0", "mlp.logits"), (64, hidden, 10), "softplus")
        self.shapes = self.network.shapes

    def init_params(self, rng, params):
        mlp_init(rng, params, self.network)

    def loss_forward(self, batch, noise):
        x, y = batch
        logits, mlp_cache = mlp_forward(x, self.params, self.network)
        log_qy, qy_cache = categorical_forward(logits[:, None], y[:, None])
        return (-log_qy.mean(), {"cross_entropy": -log_qy}), (mlp_cache, qy_cache, len(x))

    def loss_backward(self, dloss, cache, weights=None):
        (mlp_cache, qy_cache, n), dparams = cache, self.gradients()
        dmean = np.full(n, -dloss * self.weigh(weights, cross_entropy=1)["cross_entropy"] / n, self.dtype)
        mlp_backward(categorical_backward(dmean, qy_cache)[:, 0], mlp_cache, dparams, need_dx=False)
        return dparams.flat()

    def predict(self, X):
        return mlp_forward(X, self.params, self.network)[0].argmax(1)


X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = digits()


def few(seed, each):
    """The training labels with all but so many of each class unknown."""
    rng, y = np.random.default_rng(seed), np.full(len(Y_TRAIN), -1)
    for c in range(10):
        y[rng.permutation(np.flatnonzero(Y_TRAIN == c))[:each]] = c
    return y


def error_of_m2(seed, each, warm=6, **options):
    y, model = few(seed, each), M2(64, seed=seed, **options)
    model.fit(X_TRAIN, y, epochs=60, optimizer=Adam(0.003), schedule=labels_first(warm), progress=False)
    return np.mean(model.predict(X_TEST) != Y_TEST)


def error_of_mlp(seed, each):
    y, model = few(seed, each), MLP(seed=seed)
    model.fit(X_TRAIN[y >= 0], y[y >= 0], epochs=300, optimizer=Adam(0.003), progress=False)
    return np.mean(model.predict(X_TEST) != Y_TEST)


def error_of_neighbour(seed, each):
    y = few(seed, each)
    nearest = ((X_TEST[:, None] - X_TRAIN[y >= 0]) ** 2).sum(-1).argmin(1)
    return np.mean(y[y >= 0][nearest] != Y_TEST)


def test_the_baseline_is_right():
    model = MLP(7, dtype="float64")
    assert few(0, 2).max() == 9 and (few(0, 2) >= 0).sum() == 20
    assert check_model(model, X_TRAIN[:5], Y_TRAIN[:5]).error <= 1e-7


def five(error, each, **options):
    """The error for five draws of the labels."""
    return [error(seed, each, **options) for seed in range(5)]


def errors(each, *stated):
    """Of M2, of the MLP and of the nearest labelled image; each must be as stated."""
    found = [five(error, each) for error in (error_of_m2, error_of_mlp, error_of_neighbour)]
    for name, values, figure in zip(("M2", "MLP", "nearest"), found, stated, strict=True):
        assert_stated(f"error with {10 * each} labels, {name}", values, *figure)
    return found


@pytest.mark.slow
def test_figure_20_labels_and_what_loses_a_part_of_the_gain():
    """A weak cross-entropy, a start without labels alone, or two latents cost; all stay better than the MLP."""
    m2, mlp, neighbour = errors(2, (0.099, 0.025), (0.225, 0.025), (0.227, 0.020))
    assert_reached("error with 20 labels", m2, 0.159, 0.031, lower=True, seeds=5)
    assert np.mean(m2) < min(np.mean(mlp), np.mean(neighbour)) - 0.08
    for options, stated in (({"alpha": 0.1}, (0.142, 0.033)), ({"warm": 0}, (0.124, 0.025)), ({"n_latent": 2}, (0.142, 0.058))):
        changed = five(error_of_m2, 2, **options)
        assert_stated(f"error with {options}", changed, *stated)
        assert np.mean(m2) + 0.015 < np.mean(changed) < np.mean(mlp), options


@pytest.mark.slow
def test_figure_50_labels():
    m2, mlp, neighbour = errors(5, (0.084, 0.011), (0.136, 0.029), (0.125, 0.026))
    assert_reached("error with 50 labels", m2, 0.100, 0.021, lower=True, seeds=5)
    assert np.mean(m2) < min(np.mean(mlp), np.mean(neighbour)) - 0.02


@pytest.mark.slow
def test_at_100_labels_there_is_little_left_to_gain():
    """Over the nearest neighbour."""
    m2, mlp, neighbour = errors(10, (0.061, 0.010), (0.093, 0.011), (0.072, 0.012))
    assert np.mean(m2) < np.mean(mlp) and abs(np.mean(neighbour) - np.mean(m2)) < 0.025
