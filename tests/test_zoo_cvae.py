"""The class-conditional VAE: a bound that is exact where it can be, one handwriting as all classes, bad labels. The pairs of its loss,
[CVAE.1] and [CVAE.2], are checked whole with the models of the catalogue."""

import numpy as np
import pytest
from figures import assert_reached, assert_stated, digits
from scipy.stats import multivariate_normal

from tinyvae import VAE, Adam
from tinyvae.bounds import elbo_terms_forward
from tinyvae.gaussian import kl_forward
from tinyvae.layers import one_hot
from tinyvae.zoo.cvae import CVAE

D, C, K = 5, 3, 2


def linear():
    """A linear CVAE with eta = 1 whose q is the exact posterior; and its own log p(x|y) = log N(x; W'0 + b + b_y, W'W + I)."""
    rng = np.random.default_rng(1)
    model = CVAE(D, C, K, hidden=(), likelihood="gaussian", dtype="float64")
    W = np.linalg.qr(rng.standard_normal((D, K)))[0].T * [[1.5], [0.7]]  # orthogonal rows: a diagonal posterior
    of_class, b = 2 * rng.standard_normal((C, D)), rng.standard_normal(D)
    precision = 1 + (W**2).sum(1)  # of the posterior: I + WW' / eta
    model.params["decoder.out.W"][...], model.params["decoder.out.b"][...] = np.concatenate([W, of_class]), b
    head, bias = model.params["encoder.head.W"], model.params["encoder.head.b"]
    head[:D, :K], head[D:, :K], head[:, K:] = W.T / precision, -of_class @ W.T / precision, 0
    bias[:K], bias[K:] = -b @ W.T / precision, -np.log(precision) / 2
    y = np.repeat(np.arange(C), 4)
    x = b + of_class[y] + rng.standard_normal((len(y), K)) @ W + rng.standard_normal((len(y), D))
    log_p = np.stack([multivariate_normal(b + of_class[c], W.T @ W + np.eye(D)).logpdf(x) for c in range(C)], axis=1)
    return model, x, y, log_p


def bounds(model, x, y):
    """The bound with the expectation over q exact: log p(x|z, y) is quadratic in z here, and these 2K points have the moments of eps."""
    points = np.sqrt(K) * np.concatenate([np.eye(K), -np.eye(K)])
    return -np.mean([model.loss_forward((x, y), np.tile(eps, (len(x), 1)))[0][1]["neg_elbo"] for eps in points], axis=0)


def test_the_bound_of_a_linear_model_is_log_p_of_x_given_y_at_its_exact_posterior_and_less_elsewhere():
    """[CVAE.1]; and with the wrong class told, it is the log p of that class."""
    model, x, y, log_p = linear()
    for c in range(C):
        assert np.allclose(bounds(model, x, np.full(len(x), c)), log_p[:, c], atol=1e-10)
    drawn = model.elbo(x, y, rng=0, n_samples=4000)
    assert np.abs(drawn - log_p[np.arange(len(y)), y]).max() < 0.2
    model.params["encoder.head.b"][0] += 0.3
    assert (bounds(model, x, y) < log_p[np.arange(len(y)), y] - 0.01).all()


def test_predict_is_bayes_rule():
    model, x, _, log_p = linear()
    assert np.array_equal(model.predict(x, n_samples=200), log_p.argmax(1))


def test_without_weights_of_the_class_it_is_the_vae():
    """Loss terms at the same noise, and what is decoded: to the last digit but rounding."""
    vae = VAE(6, 3, hidden=(5, 4), dtype="float64", seed=3)
    model = CVAE(6, 4, 3, hidden=(5, 4), dtype="float64")
    for name, view in model.params.items():
        view[...] = 0
        view[: len(vae.params[name])] = vae.params[name]
    rng = np.random.default_rng(0)
    x, y, eps = rng.random((7, 6)), rng.integers(0, 4, 7), rng.standard_normal((7, 3))
    (log_px, kl), _ = elbo_terms_forward(x, eps[None], vae.params, vae.parts)
    terms = model.loss_forward((x, y), eps)[0][1]
    assert np.allclose(terms["reconstruction"], -log_px, rtol=1e-12) and np.allclose(terms["kl"], kl, rtol=1e-12)
    assert np.allclose(model.decode(eps, y), vae.decode(eps), rtol=1e-12)
    model.params["decoder.0.W"][-4:] = rng.standard_normal((4, 4))
    assert not np.allclose(model.decode(eps, y), vae.decode(eps), rtol=1e-2)


def test_analogies_keep_z_and_change_the_class():
    model, x, y, _ = linear()
    grid, subset = model.analogies(x, y), model.analogies(x, y, classes=[2, 0])
    assert grid.shape == (len(x), C, D) and np.array_equal(subset, grid[:, [2, 0]])
    mu, _ = model.encode(x, y)
    assert np.allclose(grid[np.arange(len(y)), y], model.decode(mu, y))
    classes = model.params["decoder.out.W"][K:]
    assert np.allclose(grid[:, 1] - grid[:, 0], classes[1] - classes[0]), "in a linear model the class adds one image"


def test_samples_have_the_moments_of_the_model_and_their_class():
    model, *_ = linear()
    x = model.sample(40_000, 0, y=2)
    W, b = model.params["decoder.out.W"], model.params["decoder.out.b"]
    assert np.abs(x.mean(0) - b - W[K + 2]).max() < 0.05 and np.abs(np.cov(x.T) - W[:K].T @ W[:K] - np.eye(D)).max() < 0.1
    y = np.array([0, 2, 1])
    z = np.random.default_rng(1).standard_normal((3, K))
    assert np.allclose(model.sample(3, 1, y=y, mean=True), z @ W[:K] + b + W[K + y])
    mixed = model.sample(9000, 0).mean(0)
    assert np.abs(mixed - b - W[K:].mean(0)).max() < 0.15 and np.array_equal(model.sample(4), model.sample(4))


def test_one_hot():
    assert np.array_equal(one_hot([1, 0, 1], 2, "float32"), np.float32([[0, 1], [1, 0], [0, 1]]))


def test_save_load_and_copy(tmp_path):
    model = CVAE(6, 3, 2, hidden=(5,), likelihood="gaussian_scalar", activation="softplus", seed=4)
    X, y = np.random.default_rng(0).random((9, 6)), np.arange(9) % 3
    history = model.fit(X, y, epochs=3, X_val=X, y_val=y, progress=False)
    assert len(history["val_neg_elbo"]) == 3 and history["val_neg_elbo"][-1] < history["val_neg_elbo"][0]
    model.save(tmp_path / "model.npz")
    again = CVAE.load(tmp_path / "model.npz")
    assert np.array_equal(again.elbo(X, y), model.elbo(X, y)) and again.config == model.config
    assert np.allclose(model.copy("float64").encode(X, y), model.encode(X, y), atol=1e-5)


def test_bad_input_is_refused_with_a_remedy():
    model, X, y = CVAE(6, 3, hidden=(4,)), np.random.default_rng(0).random((4, 6)), np.array([0, 1, 2, 1])
    unknown, none = np.array([0, -1, 2, 1]), "y is needed, a class for every row"
    remedy = "y must hold classes 0 to 2, got -1: drop the rows of unknown class, or take the semi-supervised M2"
    for ask, message in (
        (lambda: model.fit(X, epochs=1, progress=False), none),
        (lambda: model.evaluate(X), none),
        (lambda: model.elbo(X, None), none),
        (lambda: model.fit(X, unknown, epochs=1, progress=False), remedy),
        (lambda: model.loss_and_grad(X, np.zeros((4, 2)), unknown), remedy),
        (lambda: model.encode(X, unknown), remedy),
        (lambda: model.fit(X, y, X_val=X, y_val=unknown, epochs=1, progress=False), "y_val must hold classes 0 to 2, got -1"),
        (lambda: model.fit(X, y, X_val=X, epochs=1, progress=False), "y_val is needed"),
        (lambda: model.elbo(X, y + 1), "got 3: number them so"),
        (lambda: model.elbo(X, y[:2]), r"y must have shape \(4,\)"),
        (lambda: model.decode(np.zeros((4, 3)), y), r"Z must have shape \(N, 2\)"),
        (lambda: model.analogies(X, y, classes=[7]), "classes 0 to 2, got 7"),
        (lambda: model.sample(2, y=0.5), "got 0.5"),
        (lambda: model.sample(0), "n must be at least 1"),
        (lambda: model.elbo(2 * X + 1, y), r"X must lie in \[0, 1\]"),
        (lambda: CVAE(6, 1), "n_classes must be at least 2"),
        (lambda: CVAE(6, likelihood="cauchy"), "likelihood must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
    assert model.epoch == 0


# ---- trained ---------------------------------------------------------------------------------------


def neighbours(a, labels, b, k):
    """The class of every row of b by its k nearest rows of a."""
    distance = (a**2).sum(1) - 2 * b @ a.T
    votes = labels[np.argsort(distance, axis=1)[:, :k]]
    return np.array([np.bincount(row).argmax() for row in votes])


def read_back(model, rows):
    """A grid of `rows` handwritings z ~ N(0, I) as all classes; its classes, those a 1-NN on training pixels reads, and corr(z, mu) by latent."""
    z = np.repeat(np.random.default_rng(0).standard_normal((rows, model.n_latent)), 10, axis=0)
    asked = np.tile(np.arange(10), rows)
    grid = model.decode(z, asked)
    mu = model.encode(grid, asked)[0]
    X_train, _, y_train, _ = digits()
    return asked, neighbours(X_train, y_train, grid, 1), [np.corrcoef(a, b)[0, 1] for a, b in zip(z.T, mu.T)]


def learn(model, *data):
    model.fit(*data, epochs=150, optimizer=Adam(3e-3), progress=False)
    return model


@pytest.mark.slow
def test_figures_of_analogies():
    """Grey pixels, K = 2, 128 units, 150 epochs of Adam(0.003), no option was chosen by a result.

    The argmax is by ten draws of z. A figure that came without a deviation has 0 here, a share of 1,000 cells that of its rounding.
    """
    X_train, X_test, y_train, y_test = digits()
    found = {name: [] for name in ("bound", "error", "read", "correlation", "own z", "plain z")}
    for seed in range(3):
        model, plain = learn(CVAE(64, seed=seed), X_train, y_train), learn(VAE(64, 2, seed=seed), X_train)
        found["bound"].append(model.elbo(X_test, y_test, n_samples=20).mean())
        found["error"].append(np.mean(model.predict(X_test) != y_test))
        asked, read, correlations = read_back(model, 100)
        found["read"].append(np.mean(read == asked))
        found["correlation"].append(np.mean(correlations))
        codes = model.encode(X_train, y_train)[0], model.encode(X_test, y_test)[0]
        found["own z"].append(np.mean(neighbours(codes[0], y_train, codes[1], 10) == y_test))
        codes = plain.transform(X_train), plain.transform(X_test)
        found["plain z"].append(np.mean(neighbours(codes[0], y_train, codes[1], 10) == y_test))
    assert_reached("bound on log p(x|y)", found["bound"], -20.93, 0.01)
    assert_reached("error of argmax_y of the bound", found["error"], 0.018, 0, lower=True)
    stated = {"bound": (-20.930, 0.011), "error": (0.013, 0.002), "correlation": (0.951, 0.002), "own z": (0.218, 0.002), "plain z": (0.72, 0.02)}
    for name, figure in stated.items():
        assert_stated(name, found[name], *figure)
    assert_reached("cells read as the asked class", found["read"], 1, 0.0005)
    assert_reached("correlation of the z asked for with the z of the grid", found["correlation"], 0.94, 0)
    assert np.mean(found["own z"]) < 0.23 and np.mean(found["plain z"]) > 0.69, "z knows little of y, and all of it in a plain VAE"


@pytest.mark.slow
def test_at_eight_latents_the_grid_holds_two_handwritings_and_six_latents_without_use():
    """The correlation is a mean over latents: near 0.94 for those that carry information, near 0 for those that have collapsed."""
    X_train, _, y_train, _ = digits()
    means = []
    for seed in range(3):
        model = learn(CVAE(64, n_latent=8, seed=seed), X_train, y_train)
        mu, log_sigma = model.encode(X_train, y_train)
        used = kl_forward(mu[..., None], log_sigma[..., None])[0].mean(0) > 0.3
        _, _, correlations = read_back(model, 100)
        means.append(np.mean(correlations))
        assert used.sum() == 2 and np.mean(np.array(correlations)[used]) > 0.9
    assert_stated("correlation at K = 8", means, 0.40, 0.04)
