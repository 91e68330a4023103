"""The KL in two parts and the mixture fitted to the aggregate posterior: identities to rounding, a grid beside the draws, the figures. In float64."""

import numpy as np
import pytest
from figures import assert_reached, assert_stated, digits

from tinyvae import VAE, Adam
from tinyvae.estimators import standard_error
from tinyvae.zoo.aggregate import (
    Mixture,
    aggregate_log_density,
    em_step,
    fit_mixture,
    kl_in_parts,
    prior_gain,
    with_mixture_prior,
)

X_TRAIN, X_TEST, _, _ = digits(binary=True)


@pytest.fixture(scope="module")
def trained():
    vae = VAE(64, 2, hidden=(40,), dtype="float64")
    vae.fit(X_TRAIN, epochs=20, optimizer=Adam(0.01), progress=False)
    return vae


@pytest.fixture(scope="module")
def fitted(trained):
    return fit_mixture(trained, X_TRAIN[:300], 4, steps=40)


# ---- the KL in two parts --------------------------------------------------------------------------


@pytest.mark.parametrize("posterior", ["diagonal", "full"])
@pytest.mark.parametrize("prior", ["standard", "mixture:3"])
def test_the_two_parts_add_up_to_rounding_for_every_posterior_and_prior(posterior, prior):
    """[AGG.1] on the same draws; against the closed KL, where there is one, within the error that is stated."""
    vae = VAE(64, 3, hidden=(20,), posterior=posterior, prior=prior, dtype="float64")
    vae.fit(X_TRAIN, epochs=3, optimizer=Adam(0.01), progress=False)
    parts = kl_in_parts(vae, X_TRAIN[:150], n_samples=10)
    assert abs(parts.kl - parts.information - parts.marginal) < 1e-13
    assert 0.2 < parts.information <= np.log(150) and parts.marginal > -3 * parts.error[2]
    assert (parts.closed is None) == (prior != "standard")
    if parts.closed is not None:
        assert 1e-6 < abs(parts.kl - parts.closed) < 4 * parts.error[0] < 0.2


def test_the_marginal_kl_is_the_integral_over_a_grid(trained):
    """A second way to the same number, without draws: sum over a grid of q(z) (log q(z) - log p(z))."""
    x, axis = X_TRAIN[:300], np.arange(-5, 5, 0.1)
    Z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    log_q, log_p = aggregate_log_density(trained, x, Z), -(Z**2 + np.log(2 * np.pi)).sum(1) / 2
    mass = np.exp(log_q) * 0.1**2
    assert abs(mass.sum() - 1) < 1e-6
    exact, parts = (mass * (log_q - log_p)).sum(), kl_in_parts(trained, x, n_samples=50)
    assert abs(parts.marginal - exact) < 4 * parts.error[2] < 0.03 < exact
    assert abs(parts.information - (parts.closed - exact)) < 4 * parts.error[1]


def test_the_stated_errors_are_those_of_repeated_draws(trained):
    repeated = [kl_in_parts(trained, X_TRAIN[:60], 4, rng=seed) for seed in range(60)]
    found, stated = np.std([parts[:3] for parts in repeated], axis=0), np.mean([parts.error for parts in repeated], axis=0)
    assert np.abs(np.log(found / stated)).max() < np.log(1.4)


def test_a_code_that_says_nothing_and_one_that_says_all(trained):
    """q(z|x) = p(z) has both parts 0; narrow q that do not overlap have I = ln N."""
    silent, sharp = trained.copy(), trained.copy()
    for vae, log_sigma in ((silent, 0), (sharp, -12)):
        vae.params["encoder.head.W"][:, 2:] = 0
        vae.params["encoder.head.b"][2:] = log_sigma
    silent.params["encoder.head.W"][...] = silent.params["encoder.head.b"][...] = 0
    assert np.abs(kl_in_parts(silent, X_TRAIN[:50])[:3]).max() < 1e-12
    x = np.unique(X_TRAIN[:60], axis=0)
    assert abs(kl_in_parts(sharp, x).information - np.log(len(x))) < 1e-6


# ---- the mixture ------------------------------------------------------------------------------------


def test_em_never_falls_and_one_component_has_the_moments_of_the_draws(trained, fitted):
    assert np.diff(fitted[1]).min() >= -1e-12 and fitted[1][-1] > fitted[1][0] + 0.01
    z = np.random.default_rng(0).standard_normal((500, 2)) * [1.0, 3.0] + [5.0, 0.0]
    one, _ = em_step(Mixture(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2))), z)
    assert np.allclose(one.mu[0], z.mean(0), atol=1e-12) and np.allclose(np.exp(one.log_sigma[0]), z.std(0), atol=1e-12)


def test_em_finds_two_groups_with_their_shares():
    rng = np.random.default_rng(0)
    z = np.concatenate([0.5 * rng.standard_normal((3000, 2)) + [2, 0], rng.standard_normal((1000, 2)) - [4, 0]])
    mixture = Mixture(np.zeros(2), np.array([[0.5, 0.0], [-0.5, 0.0]]), np.zeros((2, 2)))
    for _ in range(50):
        mixture, _ = em_step(mixture, z)
    assert np.abs(np.exp(mixture.logits) - [0.75, 0.25]).max() < 0.01
    assert np.abs(mixture.mu - [[2, 0], [-4, 0]]).max() < 0.15 and np.abs(np.exp(mixture.log_sigma) - [[0.5], [1]]).max() < 0.06


def test_the_gain_of_a_prior_is_what_it_takes_off_the_marginal_kl(trained, fitted):
    """[AGG.2], to rounding on the same draws; and no prior gains more than the marginal KL."""
    x, (mixture, _) = X_TRAIN[:300], fitted
    twin, before = with_mixture_prior(trained, mixture), kl_in_parts(trained, x)
    after, (gain, error) = kl_in_parts(twin, x), prior_gain(trained, mixture, x)
    assert abs(gain - (before.marginal - after.marginal)) < 1e-12 and abs(before.information - after.information) < 1e-12
    assert 0.02 < gain < before.marginal and after.marginal > 0 and error < 0.02
    other = Mixture(np.zeros(2), np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros((2, 2)))
    assert prior_gain(trained, other, x)[0] < 0, "not every mixture is better than N(0, I)"


def test_the_vae_with_the_fitted_prior_is_whole(trained, fitted, tmp_path):
    x, (mixture, _) = X_TRAIN[:300], fitted
    twin, theta = with_mixture_prior(trained, mixture), trained.theta.copy()
    assert np.array_equal(twin.params["decoder.out.W"], trained.params["decoder.out.W"]) and np.array_equal(twin.params["prior.mu"], mixture.mu)
    gain, error = prior_gain(trained, mixture, x)
    difference = twin.elbo(x, rng=0, n_samples=200).mean() - trained.elbo(x, rng=0, n_samples=200).mean()
    assert abs(difference - gain) < 4 * error + 0.01
    assert twin.log_likelihood(x[:50], 200).mean() > twin.elbo(x[:50], n_samples=50).mean()
    assert twin.sample(5).shape == (5, 64) and twin.epoch == trained.epoch
    z = twin.parts.prior.sample(np.random.default_rng(0), (20_000, 2), np.float64, *mixture)
    assert np.abs(z.mean(0) - np.exp(mixture.logits) @ mixture.mu).max() < 0.05
    twin.save(tmp_path / "twin.npz")
    again = VAE.load(tmp_path / "twin.npz")
    assert again.prior == "mixture:4" and np.array_equal(again.theta, twin.theta)
    twin.fit(x, epochs=1, progress=False)
    assert not np.array_equal(twin.params["prior.mu"], mixture.mu) and np.array_equal(trained.theta, theta)


def test_bad_input_is_refused(trained, fitted):
    for ask, message in (
        (lambda: kl_in_parts(trained, X_TRAIN[:9], n_samples=1), "n_samples must be at least 2, got 1"),
        (lambda: kl_in_parts(trained, X_TRAIN[:9, :5]), r"X must have shape \(N, 64\)"),
        (lambda: aggregate_log_density(trained, X_TRAIN[:9], np.zeros((2, 3))), r"Z must have shape \(N, 2\)"),
        (lambda: fit_mixture(trained, X_TRAIN[:3], 20), "n_components must be at most the number of draws, 15, got 20"),
        (lambda: fit_mixture(trained, X_TRAIN[:9], 0), "n_components must be at least 1, got 0"),
        (lambda: prior_gain(trained, fitted[0], X_TRAIN[:9], n_samples=1), "n_samples must be at least 2, got 1"),
        (lambda: prior_gain(trained, Mixture(np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3))), X_TRAIN[:9]), "mixture must have 2 columns"),
        (lambda: with_mixture_prior(trained, Mixture(np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3)))), "mixture must have 2 columns"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


# ---- the figures --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_figures_of_the_two_parts_and_of_the_mixture():
    """Binary digits, K = 2, H = 128, Adam 0.003, batch 100, 100 epochs: there the mean KL of the training data is about the 2.587 of the target."""
    marginal, total, kept, gains, joint = [], [], [], [], []
    for seed in range(3):
        vae, mixed = VAE(64, 2, seed=seed), VAE(64, 2, prior="mixture:10", seed=seed)
        for model in (vae, mixed):
            model.fit(X_TRAIN, epochs=100, optimizer=Adam(0.003), progress=False)
        parts, (mixture, _) = kl_in_parts(vae, X_TRAIN), fit_mixture(vae, X_TRAIN, 10)
        assert abs(parts.kl - parts.information - parts.marginal) < 1e-13 and abs(parts.kl - parts.closed) < 4 * parts.error[0]
        assert 2.4 < parts.kl < 2.75
        marginal.append(parts.marginal)
        total.append(parts.kl)
        kept.append(prior_gain(vae, mixture, X_TRAIN)[0] / parts.marginal)
        gains.append(prior_gain(vae, mixture, X_TEST, n_samples=50)[0])
        joint.append(np.mean(mixed.elbo(X_TEST, rng=0, n_samples=100) - vae.elbo(X_TEST, rng=0, n_samples=100)))
    for lower in (True, False):
        assert_reached("marginal KL, training data", marginal, 0.109, 0.006, lower=lower)
    assert_reached("gain of the fitted mixture, test data", gains, 0.078, 0.005)
    for what, values, stated in (
        ("mean KL", total, (2.544, 0.035)), ("marginal KL", marginal, (0.108, 0.018)), ("gain on training rows", np.multiply(kept, marginal), (0.096, 0.016)),
        ("gain on test rows", gains, (0.078, 0.021)), ("trained jointly", joint, (0.27, 0.28)),
    ):  # fmt: skip
        assert_stated(what, values, *stated)
    assert 0.7 < min(kept) and max(kept) < 1, "ten Gaussians get most of the marginal KL back, and never more"
    assert abs(np.mean(joint)) < 3 * standard_error(joint), "trained jointly: a difference that three seeds do not resolve"
