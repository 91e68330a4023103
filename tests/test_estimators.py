"""Layer 2, truth: bounds and estimators held against models whose answers are known. All in float64."""

import tracemalloc

import numpy as np
import pytest

from tinyvae import VAE, Adam, load_digits, train_test_split
from tinyvae.bounds import log_weight_terms_forward
from tinyvae.estimators import (
    bound_budget,
    log_likelihood,
    monte_carlo_kl,
    naive_log_likelihood,
    reparameterized_gradient,
    score_function_gradient,
    standard_error,
    weights_have_finite_variance,
)
from tinyvae.exact import GridPosterior
from tinyvae.iwae import iwae_bound_forward
from tinyvae.support.streams import EVALUATION, stream

X = load_digits()[0].astype(np.float64)
RNG = np.random.default_rng(0)
SMALL = RNG.standard_normal((200, 3)) @ RNG.standard_normal((3, 5)) + 0.3 * RNG.standard_normal((200, 5)) + 1


@pytest.fixture(scope="module")
def trained():
    """A nonlinear model with two-dimensional z, trained on binary digits: the grid knows its truth."""
    binary = (X > 0.5).astype(np.float64)
    vae = VAE(64, 2, hidden=(40,), dtype="float64")
    vae.fit(binary, epochs=40, optimizer=Adam(3e-3), progress=False)
    return vae, binary[:40]


def test_log_likelihood_meets_the_grid_on_a_nonlinear_model(trained):
    vae, x = trained
    truth = GridPosterior(vae).log_evidence(x)
    estimates = np.stack([log_likelihood(vae, x, 1000, rng=s) for s in range(20)])
    z = (estimates.mean(0) - truth) / standard_error(estimates)
    assert np.abs(np.mean(estimates.mean(0) - truth)) < 3 * np.sqrt((standard_error(estimates) ** 2).sum()) / len(x)
    assert (np.abs(z) < 4.5).all()
    assert np.array_equal(vae.log_likelihood(x, 50, rng=1), log_likelihood(vae, x, 50, rng=1))


def test_k_sample_bound_rises_with_k_towards_log_p(trained):
    vae, x = trained
    truth, rng = GridPosterior(vae).log_evidence(x).mean(), np.random.default_rng(0)
    bounds, errors = [], []
    for k in (1, 5, 50):
        draws = []
        for _ in range(200):
            log_w = sum(log_weight_terms_forward(x, rng.standard_normal((k, len(x), 2)), vae.params, vae.parts)[0])
            draws.append(iwae_bound_forward(log_w)[0].mean())
        bounds.append(np.mean(draws))
        errors.append(standard_error(draws))
    assert bounds[0] < bounds[1] - 3 * errors[0] and bounds[1] < bounds[2] - 3 * errors[1] and bounds[2] < truth + 3 * errors[2]
    elbo = vae.elbo(x, 1, 200).mean()
    assert abs(bounds[0] - elbo) < 5 * errors[0] * np.sqrt(2), "k = 1 is the ELBO"


def test_bound_budget_orders_the_bounds_and_memory_does_not_change_the_result(trained):
    vae, x = trained
    budget = bound_budget(vae, x, n_samples=500)
    assert budget["bounds"][1] < budget["bounds"][5] < budget["bounds"][50] < -budget["nll"]
    assert 1 <= budget["ess"] <= 500 and budget["nll_error"] > 0
    a, ess = log_likelihood(vae, x, 100, rng=0, chunk=80, return_ess=True)
    rng = np.random.default_rng(0)
    log_w = sum(log_weight_terms_forward(x, rng.standard_normal((100, len(x), 2)), vae.params, vae.parts)[0])
    w = np.exp(log_w - log_w.max(0))
    assert np.allclose(a, np.log(w.mean(0)) + log_w.max(0), atol=1e-12)
    assert np.allclose(ess, w.sum(0) ** 2 / (w**2).sum(0), rtol=1e-12) and ess.min() < 99 and ess.max() <= 100
    assert np.allclose(a, log_likelihood(vae, x, 100, rng=0, chunk=4000), atol=1e-12), "the chunk bounds memory alone"
    nll = -log_likelihood(vae, x, 500)
    assert np.isclose(budget["nll"], nll.mean(), rtol=1e-12)
    assert np.isclose(budget["nll_error"], nll.std(ddof=1) / np.sqrt(len(nll)), rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 60, 4000])
def test_the_chunk_changes_no_draw(trained, chunk):
    """With more data than are taken together, and fewer z at a time than data."""
    vae, _ = trained
    x = np.tile(X[:30] > 0.5, (2, 1)).astype(np.float64)
    wanted, wanted_ess = log_likelihood(vae, x, 40, return_ess=True)
    log_px, ess = log_likelihood(vae, x, 40, chunk=chunk, return_ess=True)
    assert np.allclose(log_px, wanted, atol=1e-10) and np.allclose(ess, wanted_ess, rtol=1e-8)


def test_estimators_are_seeded_by_the_model(trained):
    vae, x = trained
    for estimate in (naive_log_likelihood, log_likelihood):
        assert np.array_equal(estimate(vae, x, 20), estimate(vae, x, 20, rng=stream(vae.seed, EVALUATION)))
        assert not np.array_equal(estimate(vae, x, 20), estimate(vae, x, 20, rng=vae.seed + 1))


def test_memory_of_log_likelihood_is_bounded_by_the_chunk(trained):
    vae, x = trained
    log_likelihood(vae, x, 10)
    peaks = []
    for n_samples in (500, 50_000):
        tracemalloc.start()
        log_likelihood(vae, x[:10], n_samples, chunk=500)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_naive_monte_carlo_is_biased_by_minus_the_kl_from_prior_to_posterior(trained):
    """[NAIVE.1]: E log p(x|z) = log p(x) - KL(p(z) || p(z|x)), with that KL from the grid."""
    vae, x = trained
    x = x[:3]
    grid = GridPosterior(vae)
    log_pz, _ = grid.log_pz(grid.z)
    draws = np.stack([naive_log_likelihood(vae, x, 1, rng=s) for s in range(4000)])
    for n, row in enumerate(x):
        posterior = grid.posterior(row)
        kl = np.sum(np.exp(log_pz) * (log_pz - np.log(np.maximum(posterior, 1e-300)))) * grid.cell
        expected = grid.log_evidence(row[None])[0] - kl
        assert abs(draws[:, n].mean() - expected) < 4 * standard_error(draws[:, n])
    many = naive_log_likelihood(vae, x, 50_000, rng=0)
    assert np.abs(many - grid.log_evidence(x)).max() < 0.5 and (many > draws.mean(0)).all()


def test_importance_weights_can_have_infinite_variance():
    """[IS.1] needs 2 Lambda - Lambda_q > 0; the mean-field optimum of a strongly correlated posterior violates it."""
    precision = np.array([[1.0, 0.9], [0.9, 1.0]]) / 0.19
    assert not weights_have_finite_variance(precision, np.diag(np.diag(precision)))
    assert weights_have_finite_variance(precision, precision)
    rng = np.random.default_rng(0)  # in one dimension: q twice and a half as precise as the posterior
    z = rng.standard_normal(100_000) / np.sqrt(2.5)
    w = np.exp(-(z**2) / 2 + 2.5 * z**2 / 2) / np.sqrt(2.5)
    assert not weights_have_finite_variance(np.eye(1), 2.5 * np.eye(1)) and w.max() / w.sum() > 0.001


def test_score_function_gradient_has_the_larger_variance():
    """[SCORE.1] and [PATH.1] agree on the mean; variances 30 against 4, and 30 + 22 (K - 1) + 4 (K - 1)^2 = 41,412 against 4 in 100."""
    for K, n, wanted in ((1, 400_000, 30.0), (100, 40_000, 41_412.0)):
        mu, log_sigma = np.ones(K), np.zeros(K)
        eps = np.random.default_rng(K).standard_normal((n, K))
        score = score_function_gradient(lambda z: (z**2).sum(1), mu, log_sigma, eps)
        path = reparameterized_gradient(lambda z: 2 * z, mu, log_sigma, eps)
        assert np.abs(score.mean(0) - 2).max() < 5 * standard_error(score).max()
        assert np.abs(path.mean(0) - 2).max() < 5 * standard_error(path).max()
        assert abs(score.var(0).mean() / wanted - 1) < 0.05 and abs(path.var(0).mean() / 4 - 1) < 0.02


def test_monte_carlo_kl_meets_the_closed_form():
    estimate, error, closed = monte_carlo_kl(RNG.standard_normal((6, 3)), 0.4 * RNG.standard_normal((6, 3)), 20_000)
    assert (np.abs(estimate - closed) < 4.5 * error).all()


def test_iwae_training_lowers_its_loss():
    vae = VAE(64, 5, hidden=(20,), bound="iwae", n_samples=5)
    history = vae.fit(X, epochs=3, optimizer=Adam(3e-3), progress=False)
    assert history["loss"][-1] < history["loss"][0] - 5
    with pytest.raises(ValueError, match="beta must be 1"):
        VAE(64, bound="iwae", beta=2)


@pytest.mark.slow
def test_iwae_training_tightens_the_bound_it_trains():
    """Trained with equal samples, the k-sample objective reaches the higher k-sample bound."""
    train, test = train_test_split(load_digits()[0], seed=0)
    binary = (train > 0.5).astype(np.float32), (test > 0.5).astype(np.float32)
    nll = {}
    for bound in ("elbo", "iwae"):
        vae = VAE(64, 5, hidden=(40,), bound=bound, n_samples=10)
        vae.fit(binary[0], epochs=60, optimizer=Adam(3e-3), progress=False)
        nll[bound] = -log_likelihood(vae, binary[1], 500).mean()
    assert nll["iwae"] < nll["elbo"]
