"""Layer 4: the public doors of the zoo. What a model cannot take is told before anything is trained, replaced or computed from it."""

import numpy as np
import pytest

from tinyvae import VAE, Adam
from tinyvae.__main__ import main
from tinyvae.exact import BayesianRegression, MeanField, correlated_gaussian
from tinyvae.schedules import linear_warmup
from tinyvae.zoo.aggregate import Mixture, with_mixture_prior
from tinyvae.zoo.anomaly import nearest_distance
from tinyvae.zoo.bits_back import BitsBack
from tinyvae.zoo.cvae import CVAE
from tinyvae.zoo.deconvolution import DeconvVAE
from tinyvae.zoo.flows import KeptDecoder
from tinyvae.zoo.imputation import impute_by_chain, impute_by_fit
from tinyvae.zoo.ladder import Ladder
from tinyvae.zoo.m1_m2 import stacked
from tinyvae.zoo.m2 import M2, labels_first
from tinyvae.zoo.made import MADE
from tinyvae.zoo.strings import LENGTH, SYMBOLS, SequenceVAE
from tinyvae.zoo.vq import VQVAE

RNG = np.random.default_rng(0)
GREY, Y = RNG.random((20, 9)).astype(np.float32), np.arange(20) % 3
BYTES = RNG.integers(0, 256, (20, 9), dtype=np.uint8)
ONES = RNG.integers(0, 2, (20, 9), dtype=np.uint8)
MODELS = {
    "made": lambda: MADE(9, (5,)),
    "cvae": lambda: CVAE(9, 3, hidden=(5,)),
    "m2": lambda: M2(9, 3, 2, hidden=(5,)),
    "ladder": lambda: Ladder(9, (2, 2), hidden=(5,)),
    "vq": lambda: VQVAE(9, positions=2, codes=3, width=2, hidden=4),
}


@pytest.mark.parametrize("name", MODELS)
def test_bytes_are_pixels_0_to_255_where_they_are_drawn_from_and_refused_elsewhere(name):
    model = MODELS[name]()
    history = model.fit(BYTES, Y, epochs=1, binarize="dynamic", progress=False)
    assert np.isfinite(history["loss"]).all()
    for X, options, message in [
        (ONES, {"binarize": "dynamic"}, "X is uint8, which is taken as pixels 0 to 255, but its largest value is 1"),
        (BYTES, {}, "X must"),
        (50 * RNG.standard_normal((20, 9)), {}, "X must"),
    ]:
        before = model.theta.copy()
        with pytest.raises(ValueError, match=message):
            model.fit(X, Y, epochs=1, progress=False, **options)
        assert np.array_equal(model.theta, before)


def test_a_dark_image_of_bytes_that_are_0_and_1_comes_back_or_is_refused():
    X = np.zeros((4, 784), np.uint8)
    X[:, 100:103] = 1
    with pytest.raises(ValueError, match="X must hold zeros and ones"):
        BitsBack(VAE(784, 2, hidden=(5,))).compress(X)
    with pytest.raises(TypeError, match="vae must be a VAE, got a MADE"):
        BitsBack(MODELS["made"]())


def test_classes_are_looked_at_before_the_first_step():
    for y, y_val in ((np.full(20, 3), None), (Y + 0.5, None), (Y, np.full(20, 7))):
        model = MODELS["m2"]()
        before = model.theta.copy()
        with pytest.raises(ValueError, match="y must hold 20 classes from 0 to 2, or -1"):
            model.fit(GREY, y, epochs=2, batch_size=5, X_val=GREY, y_val=y_val, progress=False)
        assert np.array_equal(model.theta, before)
    with pytest.raises(ValueError, match="m1 must have posterior='diagonal', got 'full'"):
        stacked(GREY, Y, VAE(9, 2, hidden=(), posterior="full"))
    with pytest.raises(ValueError, match="y must hold classes from 0 to 1"):
        stacked(GREY, Y, VAE(9, 2, hidden=()), n_classes=2)


def test_a_flow_fills_in_by_a_fit_and_has_no_weights_for_metropolis():
    vae, X = VAE(9, 2, hidden=(5,), posterior="iaf:2", likelihood="gaussian_scalar"), GREY.copy()
    X[:, :4] = np.nan
    assert np.isfinite(impute_by_fit(vae, X, steps=3)).all() and np.isfinite(impute_by_chain(vae, X, metropolis=False, steps=30)[0]).all()
    with pytest.raises(ValueError, match="posterior 'iaf:2' knows log q at its own draws alone"):
        impute_by_chain(vae, X, steps=30)
    with pytest.raises(TypeError, match="vae must be a VAE, got a CVAE"):
        impute_by_fit(MODELS["cvae"](), X)


def test_noise_of_another_shape_is_not_shared_out():
    for name, noise, y in (("cvae", np.zeros((1, 2)), Y), ("cvae", np.zeros((20, 1)), Y), ("ladder", (np.zeros((20, 2)), np.zeros((1, 2))), None)):
        with pytest.raises(ValueError, match="noise must have shape"):
            MODELS[name]().loss_and_grad(GREY, noise, y)


def test_other_networks_are_refused_by_name():
    vae = DeconvVAE(2)
    with pytest.raises(TypeError, match="takes a prior, got a DeconvVAE"):
        with_mixture_prior(vae, Mixture(np.zeros(3), np.zeros((3, 2)), np.zeros((3, 2))))
    with pytest.raises(TypeError, match="vae must be a VAE, got a DeconvVAE"):
        KeptDecoder.of(vae, "iaf:1")


def test_exact_pages_refuse_what_has_no_exact_answer():
    model = BayesianRegression(0.5).fit(RNG.standard_normal((9, 2)), RNG.standard_normal(9))
    for mean, covariance, message in [
        (model.coef_, -0.1 * np.eye(2), "positive definite"),
        (model.coef_, np.array([[1, 0.5], [0, 1]]), "symmetric"),
        (0.0, np.eye(2), "a mean of shape"),
    ]:
        for ask in (model.elbo, model.kl):
            with pytest.raises(ValueError, match=message):
                ask(mean, covariance)
    for log_p, n in ((correlated_gaussian(0.9999), 201), (correlated_gaussian(0.5), 3), (lambda z: -(z**2).sum(1) / 2e-4, 201)):
        with pytest.raises(ValueError, match="too narrow for a grid|mass at the border"):
            MeanField(log_p, n=n)


def test_distances_hold_far_from_zero_and_are_distances():
    A, B = RNG.standard_normal((5, 3)), RNG.standard_normal((7, 3))
    right = np.sqrt(((A[:, None] - B) ** 2).sum(-1)).min(1)
    for offset in (0, 1e6):
        assert np.abs(nearest_distance(A + offset, B + offset) - right).max() < 1e-8


def test_what_models_say_of_a_datum_is_said_at_the_right_place():
    ladder = MODELS["ladder"]()
    ladder.theta += 0.5 * RNG.standard_normal(ladder.theta.size).astype(np.float32)
    (mu1, _), (mu2, _) = ladder.encode(GREY)
    (at_mean, _), _ = ladder._lower(GREY, mu2)
    (at_zero, _), _ = ladder._lower(GREY, 0 * mu2)
    assert np.array_equal(mu1, at_mean) and np.abs(mu1 - at_zero).max() > 0.01
    many, one = ladder.elbo(GREY, rng=0, n_samples=400), ladder.elbo(GREY, rng=1, n_samples=400)
    assert np.abs(many - one).max() < 1, "a mean over the draws, not their sum"
    cvae = MODELS["cvae"]()
    cvae.params["encoder.0.W"][9:], cvae.params["decoder.0.W"][2:] = 0, 0  # without the class all bounds are equal at the same noise
    assert (cvae.predict(GREY, n_samples=1) == 0).all()
    strings = SequenceVAE(len(SYMBOLS), LENGTH, 2, hidden=3)
    assert np.array_equal(strings.decode(np.zeros((4, 2)), 3), strings.decode(np.zeros((4, 2)), np.random.default_rng(3)))


def test_a_schedule_of_other_numbers_is_another_run(tmp_path):
    options = {"epochs": 2, "progress": False, "checkpoint": tmp_path / "c.npz"}
    MODELS["m2"]().fit(GREY, Y, schedule=labels_first(1), **options)
    with pytest.raises(ValueError, match="schedule's numbers"):
        MODELS["m2"]().fit(GREY, Y, schedule=labels_first(3), **options | {"epochs": 4, "resume": True})
    with pytest.raises(ValueError, match="schedule"):
        MODELS["m2"]().fit(GREY, Y, schedule=linear_warmup(1), **options | {"epochs": 4, "resume": True})
    assert len(MODELS["m2"]().fit(GREY, Y, schedule=labels_first(1), **options | {"epochs": 3, "resume": True})["epoch"]) == 3


def test_a_decay_over_more_epochs_is_the_beginning_of_the_longer_training():
    short, long = MADE(9, (5,)), MADE(9, (5,))
    X = (GREY > 0.5).astype(float)
    short.fit(X, epochs=2, decay=4, optimizer=Adam(0.1), progress=False)
    thetas = []
    long.fit(X, epochs=4, decay=True, optimizer=Adam(0.1), progress=False, on_epoch=lambda model, history: thetas.append(model.theta.copy()))
    assert np.array_equal(short.theta, thetas[1]) and not np.array_equal(short.theta, thetas[2])
    with pytest.raises(ValueError, match="decay must be True, or at least as many epochs as are trained, 4, got 2"):
        long.fit(X, epochs=4, decay=2, progress=False)


# ---- the command line: a finished run is worth more than a command that cannot be done ---------------------------------------


def test_a_finished_run_survives_commands_that_cannot_be_done(tmp_path, capsys):
    run, own = str(tmp_path / "r"), str(tmp_path / "own.npz")
    np.savez(own, X=GREY, y=Y - 1)
    np.savez(tmp_path / "ones.npz", X=ONES)
    assert main(["train", "--model", "made", "--hidden", "5", "--epochs", "1", "--out", run, "--quiet"]) == 0
    model = (tmp_path / "r" / "model.npz").read_bytes()
    for command, message in [
        (["--model", "cvae", "--data", own, "--overwrite"], "needs a label for every row"),
        (["--bound", "iwae", "--warmup", "2", "--overwrite"], "--bound iwae has no KL term"),
        (["--model", "ladder", "--data", str(tmp_path / "ones.npz"), "--overwrite"], "X is uint8, which is taken as pixels 0 to 255"),
        (["--model", "vae", "--latent", "2", "--resume"], "was started with model made (got vae)"),
        (["--model", "vae", "--eta", "2", "--resume"], "was started with model made (got vae)"),
        (["--likelihood", "categorical", "--binarize", "threshold", "--overwrite"], "categorical has whole numbers"),
    ]:
        assert main(["train", *command, "--out", run, "--quiet"]) == 1
        assert message in capsys.readouterr().err and (tmp_path / "r" / "model.npz").read_bytes() == model
    (tmp_path / "r" / "checkpoint.npz").unlink()
    assert main(["train", "--out", run, "--resume", "--quiet"]) == 1
    assert "already holds a run" in capsys.readouterr().err and (tmp_path / "r" / "model.npz").read_bytes() == model
    assert main(["train", "--model", "ladder", "--hidden", "5", "--epochs", "3", "--out", run, "--overwrite", "--quiet"]) == 0
    assert {path.stem for path in (tmp_path / "r").glob("*.png")} == {"learning_curves", "samples"}
