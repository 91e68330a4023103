"""Layer 4, the model's front door: shapes, scikit-learn's words, files, training, bad input."""

import tracemalloc

import numpy as np
import pytest

from tinyvae import SGD, VAE, Adam, binarize, likelihoods, load_digits, train_test_split
from tinyvae.bounds import elbo_terms_forward
from tinyvae.train import (
    active_units,
    grey_floor,
    independent_pixels,
    load_checkpoint,
    save_checkpoint,
)

X, Y = load_digits()
X_TRAIN, X_TEST = train_test_split(X, seed=0)


def small(**options):
    return VAE(64, **{"n_latent": 3, "hidden": (20,), "seed": 5} | options)


# ---- shape and names --------------------------------------------------------------------------


def test_names_shapes_and_views():
    vae = VAE(64, 2, hidden=(30, 20))
    shapes = {name: view.shape for name, view in vae.params.items()}
    assert shapes == {
        "encoder.0.W": (64, 30), "encoder.0.b": (30,), "encoder.1.W": (30, 20), "encoder.1.b": (20,),
        "encoder.head.W": (20, 4), "encoder.head.b": (4,), "decoder.0.W": (2, 20), "decoder.0.b": (20,),
        "decoder.1.W": (20, 30), "decoder.1.b": (30,), "decoder.out.W": (30, 64), "decoder.out.b": (64,),
    }  # fmt: skip
    vae.params["encoder.head.b"][:2] = 7
    mu, log_sigma = vae.encode(np.zeros((1, 64)))
    assert np.allclose(mu, 7) and np.allclose(log_sigma, 0)
    assert np.array_equal(vae.theta, np.concatenate([view.ravel() for view in vae.params.values()]))
    assert list(VAE(4, hidden=()).params) == ["encoder.head.W", "encoder.head.b", "decoder.out.W", "decoder.out.b"]
    assert "likelihood.log_eta" in VAE(4, likelihood="gaussian_scalar").params


def test_no_hidden_layers_are_linear_maps():
    vae = VAE(6, 2, hidden=(), likelihood="gaussian", dtype="float64")
    a, b = np.random.default_rng(0).standard_normal((2, 5, 6))
    assert np.allclose(vae.transform(a + b) + vae.transform(np.zeros((5, 6))), vae.transform(a) + vae.transform(b))


def test_what_a_model_gives():
    vae = small()
    mu, log_sigma = vae.encode(X[:9])
    assert mu.shape == log_sigma.shape == (9, 3) and np.array_equal(vae.transform(X[:9]), mu)
    assert vae.decode(mu).shape == (9, 64) and np.array_equal(vae.inverse_transform(mu), vae.decode(mu))
    assert np.array_equal(vae.reconstruct(X[:9]), vae.decode(mu))
    sampled = vae.reconstruct(X[:9], rng=1)
    assert set(np.unique(sampled)) == {0, 1} and np.array_equal(sampled, vae.reconstruct(X[:9], rng=1))
    assert vae.sample(4, 0).shape == (4, 64) and set(np.unique(vae.sample(4, 0))) == {0, 1}
    assert len(np.unique(vae.sample(4, 0, mean=True))) > 2
    log_px, kl = vae.elbo_terms(X[:9], 0)
    assert np.allclose(vae.elbo(X[:9], 0), log_px - kl) and (kl >= 0).all()
    assert vae.score_samples(X).shape == (len(X),) and np.isclose(vae.score(X), vae.score_samples(X).mean(), rtol=1e-5)


def test_the_loss_is_minus_the_mean_elbo_and_beta_weighs_it_alone():
    eps = np.random.default_rng(0).standard_normal((9, 3))
    vae, heavier = small(dtype="float64"), small(dtype="float64", beta=4)
    (loss, terms), _ = vae.loss_forward((X[:9].astype(np.float64), None), eps)
    assert np.isclose(loss, np.mean(terms["neg_elbo"])) and set(terms) == set(vae.units)
    assert np.allclose(terms["neg_elbo"], terms["reconstruction"] + terms["kl"])
    assert np.isclose(heavier.loss_and_grad(X[:9], eps)[0], np.mean(terms["reconstruction"] + 4 * terms["kl"]))
    assert np.array_equal(heavier.elbo(X[:9], 0), vae.elbo(X[:9], 0))


def test_evaluation_in_chunks_is_evaluation():
    vae = small(dtype="float64")
    many = np.tile(X, (2, 1))[:2500]
    assert np.allclose(vae.encode(many)[0], np.concatenate([vae.encode(x[None])[0] for x in many[:3]] + [vae.encode(many[3:])[0]]))
    assert vae.elbo(many, 0).shape == (2500,)
    Z = np.random.default_rng(0).standard_normal((2500, 3))
    for give in (vae.decode, vae.decoder_output):
        assert np.allclose(give(Z), np.concatenate([give(Z[:1]), give(Z[1:1700]), give(Z[1700:])]), atol=1e-12)


@pytest.mark.parametrize("prior", ["standard", "mixture:3"])
def test_an_elbo_of_many_samples_is_the_mean_over_all_of_them(prior):
    """2,500 samples are taken in three parts of unequal sizes; the same noise in one piece gives the same terms."""
    vae = small(dtype="float64", prior=prior)
    rng = np.random.default_rng(1)
    parts = [elbo_terms_forward(x[None], rng.standard_normal((2500, 1, 3)), vae.params, vae.parts)[0] for x in X[:2].astype(float)]
    assert np.allclose(vae.elbo_terms(X[:2], rng=1, n_samples=2500), np.concatenate(parts, axis=1), rtol=1e-12)


def peak_memory(f):
    tracemalloc.start()
    result = f()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, result


@pytest.mark.parametrize("likelihood", ["bernoulli", "categorical:5"])
def test_memory_of_evaluation_is_little_more_than_the_result(likelihood):
    """Hidden layers, logits and samples are held for some rows at a time: for all rows they would take 5 times the result and more."""
    vae, x = small(likelihood=likelihood, hidden=(300,)), np.zeros((10_000, 64), np.float32)
    z = vae.transform(x)
    for give in (
        lambda: vae.decoder_output(z), lambda: vae.decode(z), lambda: vae.sample(len(x)),
        lambda: vae.reconstruct(x), lambda: vae.reconstruct(x, rng=0),
    ):  # fmt: skip
        peak, result = peak_memory(give)
        assert peak < 3 * result.nbytes
    few, many = (peak_memory(lambda n=n: vae.elbo(x[:2], n_samples=n))[0] for n in (1000, 10_000))
    assert many < 1.2 * few


def test_uint8_pixels_are_scaled():
    pixels = np.rint(255 * X[:50]).astype(np.uint8)
    vae = small()
    assert np.array_equal(vae.encode(pixels)[0], vae.encode(pixels.astype(np.float32) / 255)[0])


# ---- training ------------------------------------------------------------------------------------


def test_training_lowers_the_loss_and_goes_on_from_the_present_theta():
    vae = small()
    history = vae.fit(X_TRAIN, epochs=20, optimizer=Adam(3e-3), X_val=X_TEST, progress=False)
    assert history["epoch"] == list(range(1, 21)) and set(map(len, history.values())) == {20}
    assert history["neg_elbo"][-1] < 28 < history["neg_elbo"][0]
    assert np.allclose(np.add(history["reconstruction"], history["kl"]), history["neg_elbo"])
    assert history["val_neg_elbo"][-1] < 28 and min(history["seconds"]) > 0
    assert vae.fit(X_TRAIN, epochs=1, progress=False)["epoch"] == [21]


def test_the_digits_reach_the_stated_bound():
    """K = 2 under the command line's defaults: at most 24.8 nats; independent pixels need 27.0."""
    vae = VAE(64, 2)
    vae.fit(X_TRAIN, epochs=300, optimizer=Adam(3e-3), progress=False)
    bound = vae.evaluate(X_TEST, n_samples=10)["neg_elbo"]
    baseline, floor = independent_pixels("bernoulli", X_TRAIN, X_TEST), grey_floor(X_TEST)
    assert floor < bound <= 24.8 < baseline
    assert 26.9 < baseline < 27.2 and active_units(vae, X_TEST) == 2


def test_one_fit_equals_two_with_the_same_optimizer():
    once, twice = small(), small()
    once.fit(X_TRAIN, epochs=4, optimizer=Adam(1e-2), binarize="dynamic", progress=False)
    adam = Adam(1e-2)
    for epochs in (3, 1):
        twice.fit(X_TRAIN, epochs=epochs, optimizer=adam, binarize="dynamic", progress=False)
    assert np.array_equal(once.theta, twice.theta)


@pytest.mark.parametrize("make", [lambda: Adam(1e-2), lambda: SGD(1e-4, momentum=0.9)], ids=["adam", "sgd"])
def test_a_checkpoint_goes_on_bit_for_bit(tmp_path, make):
    whole, part, optimizer = small(), small(), make()
    whole.fit(X_TRAIN, epochs=5, optimizer=make(), progress=False)
    history = part.fit(X_TRAIN, epochs=2, optimizer=optimizer, progress=False)
    save_checkpoint(tmp_path / "c.npz", part, optimizer, history, {"any": "thing"})
    vae, state, stored, options = load_checkpoint(tmp_path / "c.npz", VAE)
    fresh = make()
    fresh.load_state_dict(state)
    vae.fit(X_TRAIN, epochs=3, optimizer=fresh, progress=False)
    assert np.array_equal(vae.theta, whole.theta) and stored == history and options == {"any": "thing"}


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    runs = [small() for _ in range(3)]
    for vae, seed in zip(runs, (1, 1, 2)):
        vae.fit(X_TRAIN, epochs=1, seed=seed, progress=False)
    assert np.array_equal(runs[0].theta, runs[1].theta) and not np.array_equal(runs[0].theta, runs[2].theta)


def test_dynamic_binarisation_redraws_each_epoch_and_keeps_validation_fixed():
    vae = small()
    history = vae.fit(X_TRAIN, epochs=2, optimizer=SGD(1e-30), binarize="dynamic", X_val=X_TEST, progress=False)
    assert history["neg_elbo"][0] != history["neg_elbo"][1]
    assert history["val_neg_elbo"][0] == history["val_neg_elbo"][1]
    binary = binarize(X_TRAIN, 0)
    assert np.array_equal(binarize(binary, 1), binary)


@pytest.mark.parametrize("name", likelihoods.LIKELIHOODS)
def test_every_likelihood_learns(name):
    """Grey levels from 0 to 1, or the whole numbers 0 to 16; and the constants that ignore z are the best that there are."""
    name = f"{name}:17" if likelihoods.LIKELIHOODS[name].sized else name
    px = likelihoods.get(name, 0.1)
    train, test = (np.rint(16 * part) if px.whole else part for part in (X_TRAIN, X_TEST))
    vae = small(likelihood=name, eta=0.1)
    before = vae.score(test)
    history = vae.fit(train, epochs=15, optimizer=Adam(3e-3), progress=False)
    assert vae.score(test) > before + 1 and np.isfinite(history["neg_elbo"]).all()
    constant, *own = px.constant(train.astype(float))
    worse = [constant + 0.3 * d for d in np.random.default_rng(0).standard_normal((5, *constant.shape))]
    best, *others = (-px.forward(np.array([c] * len(train)), train, *own)[0].mean() for c in (constant, *worse))
    others += [-px.forward(np.array([constant] * len(train)), train, *(a + d for a in own))[0].mean() for d in (-0.1, 0.1) if own]
    assert np.isfinite(independent_pixels(name, train, test, eta=0.1))
    assert best < min(others), "no constant output does better on the data it was fitted to, and no other own parameters"


def test_categorical_takes_whole_grey_levels():
    levels = np.rint(16 * X).astype(np.int64)
    vae = small(likelihood="categorical:17")
    history = vae.fit(levels, epochs=3, progress=False)
    assert history["neg_elbo"][-1] < history["neg_elbo"][0]
    assert set(np.unique(vae.sample(20))) <= set(range(17)) and vae.decode(np.zeros((1, 3))).shape == (1, 64)
    assert independent_pixels("categorical:17", levels[:1000], levels[1000:]) < 64 * np.log(17)


def test_learned_variance_ends_at_the_mean_squared_error():
    vae = small(likelihood="gaussian_scalar")
    vae.fit(X_TRAIN, epochs=150, optimizer=Adam(3e-3), progress=False)
    z = vae.encode(X_TRAIN)[0] + np.exp(vae.encode(X_TRAIN)[1]) * np.random.default_rng(0).standard_normal((len(X_TRAIN), 3))
    mse = np.mean((X_TRAIN - vae.decode(z)) ** 2)
    assert abs(np.exp(vae.params["likelihood.log_eta"]) / mse - 1) < 0.05


def test_memory_of_training_on_pixels_is_far_below_the_data_as_floats():
    """uint8 images are scaled a batch at a time: no float copy of the data is ever made."""
    pixels = np.random.default_rng(0).integers(0, 256, (20_000, 784), dtype=np.uint8)
    vae = VAE(784, 2, hidden=(20,))
    vae.fit(pixels[:200], epochs=1, progress=False)
    tracemalloc.start()
    vae.fit(pixels, epochs=1, batch_size=100, binarize="dynamic", X_val=pixels[:500], progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pixels.nbytes * 2.5, "as float32 the data alone takes four times its bytes"


@pytest.mark.parametrize("log_sigma, term", [(2000.0, "kl"), (0.0, "reconstruction")])
def test_divergence_stops_with_epoch_term_and_advice_and_keeps_the_model(log_sigma, term):
    vae = small(likelihood="gaussian_scalar")
    vae.fit(X_TRAIN, epochs=1, progress=False)
    if log_sigma:
        vae.params["encoder.head.b"][3:] = log_sigma
    vae.params["likelihood.log_eta"][...] = 0 if log_sigma else -1e30
    kept = vae.theta.copy()
    with pytest.raises(FloatingPointError, match="epoch 2: lower the learning rate") as error:
        vae.fit(X_TRAIN, epochs=3, progress=False)
    assert np.array_equal(vae.theta, kept) and vae.epoch == 1
    assert term in str(error.value) or log_sigma


def test_divergence_in_the_last_step_of_an_epoch_is_seen_before_it_counts():
    vae = small(likelihood="gaussian")
    start = vae.theta.copy()
    with pytest.raises(FloatingPointError, match="in epoch 1"):
        vae.fit(X_TRAIN, epochs=1, batch_size=len(X_TRAIN), optimizer=SGD(1e20), progress=False)
    assert np.array_equal(vae.theta, start) and vae.epoch == 0


def test_a_dark_image_is_no_binary_data():
    pixels = np.zeros((3, 784), np.uint8)
    pixels[1, 5] = 1
    assert VAE(784, hidden=(5,)).encode(pixels)[0].shape == (3, 2)


def test_classes_are_never_scaled_as_pixels():
    binary = (X[:20] > 0.5).astype(np.uint8)
    vae = small(likelihood="categorical:2")
    assert np.isfinite(vae.elbo(binary)).all() and (vae.elbo(binary) < -30).all()
    with pytest.raises(ValueError, match="whole numbers 0 to 1"):
        vae.elbo(255 * binary)


def test_optimizer_state_is_a_copy_and_optimizers_are_checked():
    adam, theta = Adam(), np.zeros(3)
    adam.step(theta, np.ones(3))
    state = adam.state_dict()
    kept = {name: array.copy() for name, array in state.items()}
    adam.step(theta, np.ones(3))
    assert all(np.array_equal(state[name], kept[name]) for name in state)
    for wrong in ("adam", Adam):
        with pytest.raises(TypeError, match="optimizer must be an Adam"):
            small().fit(X, epochs=1, optimizer=wrong)


def test_divergence_by_a_huge_learning_rate_returns_to_the_last_good_epoch():
    vae, seen = small(likelihood="gaussian", eta=1e-3), []
    with pytest.raises(FloatingPointError, match="became infinite or NaN"):
        vae.fit(X_TRAIN, epochs=50, optimizer=SGD(0.5), progress=False, on_epoch=lambda v, h: seen.append(v.theta.copy()))
    assert np.isfinite(vae.theta).all() and (not seen or np.array_equal(seen[-1], vae.theta))
