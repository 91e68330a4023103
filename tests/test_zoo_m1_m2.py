"""M1 + M2 on small data; its figure on MNIST takes minutes, and is printed by the page when it is run."""

import numpy as np
import pytest
from figures import digits

from tinyvae import VAE, Adam
from tinyvae.zoo import m1_m2
from tinyvae.zoo.m1_m2 import stacked, ten_of_each
from tinyvae.zoo.m2 import M2

X, X_TEST, Y, Y_TEST = digits()


def test_two_floors_learn_from_a_hundred_labels_and_leave_out_dead_latents():
    few = ten_of_each(Y, 0)
    m1 = VAE(64, 8, hidden=(32,))
    m1.params["decoder.0.W"][5:] = 0
    m1.fit(X, epochs=20, optimizer=Adam(0.005), progress=False)
    model = stacked(X, few, m1, epochs=(1, 10), n_latent=2, hidden=(32,), repeats=20)
    error = np.mean(model.predict(X_TEST) != Y_TEST)
    assert model.m1 is m1 and m1.epoch == 21 and model.m2.epoch == 10
    assert isinstance(model.m2, M2) and model.m2.n_features == model.active.sum() < 8 and error < 0.4
    blind = stacked(X, few, m1, epochs=(1, 1), n_latent=2, hidden=(32,), repeats=1)
    assert np.mean(blind.predict(X_TEST) != Y_TEST) > error + 0.1


def test_a_latent_that_does_not_vary_is_not_handed_on():
    m1 = VAE(64, 3, hidden=(8,))
    m1.params["encoder.head.W"][:, 1] = 0
    m1.params["encoder.head.W"][:, 0] *= 3
    m1.params["encoder.head.W"][:, 2] *= 3
    m1.fit = lambda *args, **options: None  # it stays as it is
    model = stacked(X, ten_of_each(Y, 0), m1, epochs=(1, 1), n_latent=2, hidden=(8,))
    assert model.active.tolist() == [True, False, True] and model.m2.n_features == 2


def test_ten_labels_of_each_class():
    few = ten_of_each(Y, 3)
    assert (np.bincount(few[few >= 0]) == 10).all() and (few[few >= 0] == Y[few >= 0]).all() and (few != ten_of_each(Y, 4)).any()


def test_the_program_prints_the_error_on_the_test_images(monkeypatch, capsys):
    rng, asked = np.random.default_rng(0), []

    def small_mnist(split):
        asked.append(split)
        return rng.integers(0, 256, (120, 784)).astype(np.uint8), np.arange(120) % 10

    def quick(*args, progress, **options):
        return stacked(*args, epochs=(1, 1), **options)

    monkeypatch.setattr(m1_m2, "load_mnist", small_mnist)
    monkeypatch.setattr(m1_m2, "stacked", quick)
    m1_m2.main((4,))
    assert asked == ["train", "test"]
    assert "seed 4: error 0." in (text := capsys.readouterr().out) and "on 120 test images with 100 labels" in text


def test_bad_input_is_told():
    few = ten_of_each(Y, 0)
    for arguments, options, message in (
        ((X, few[:5]), {}, r"y must have shape \(1438,\) like the rows of X, got \(5,\)"),
        ((X, few), {"epochs": (0, 1)}, "epochs must be at least 1, got 0"),
        ((X, few), {"repeats": 0}, "repeats must be at least 1, got 0"),
        ((X[:, :5], few), {}, r"X must have shape \(N, 64\)"),
    ):
        with pytest.raises(ValueError, match=message):
            stacked(*arguments, VAE(64, 2, hidden=(4,)), **{"epochs": (1, 1)} | options)
