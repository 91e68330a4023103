"""Layer 2, truth: Bayesian linear regression with q(w), exact, by mean field and by stochastic VI. All in float64."""

import numpy as np
import pytest
from figures import assert_reached, assert_stated
from scipy.stats import multivariate_normal, norm

from tinyvae import check, exact
from tinyvae.catalogue import pairs
from tinyvae.exact import BayesianRegression, draw_parabola
from tinyvae.exact import bayes_regression as regression

SEEDS = range(3)
MODELS = [BayesianRegression(0.25).fit(*draw_parabola(seed=seed)) for seed in SEEDS]


def random_q(rng, K=3):
    A = rng.standard_normal((K, K))
    return rng.standard_normal(K), A @ A.T + 0.1 * np.eye(K)


def gap(model, mean, covariance):
    return model.log_evidence_ - model.elbo(mean, covariance)


def test_the_catalogue_finds_the_pairs_of_exact():
    assert set(exact.pairs()) == {"regression_log_p", "weights_elbo"} <= set(pairs())
    first, again, other = (exact.pairs(seed)["regression_log_p"][2][0] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_posterior_and_evidence_are_those_of_the_joint_gaussian():
    """[BLR.1]: conditioning (w, y) by the textbook partition of its covariance, which never inverts a precision."""
    for seed, model in enumerate(MODELS):
        X, y = draw_parabola(seed=seed)
        S = X @ X.T + 0.25 * np.eye(30)
        assert abs(multivariate_normal(np.zeros(30), S).logpdf(y) / model.log_evidence_ - 1) < 1e-12
        assert np.allclose(model.coef_, X.T @ np.linalg.solve(S, y), atol=1e-12)
        assert np.allclose(model.covariance_, np.eye(3) - X.T @ np.linalg.solve(S, X), atol=1e-12)
        assert np.allclose(model.precision_ @ model.covariance_, np.eye(3), atol=1e-12)


def test_posterior_agrees_with_scikit_learn():
    ridge = pytest.importorskip("sklearn.linear_model").BayesianRidge
    X, y = draw_parabola(seed=0)
    with np.errstate(all="ignore"):
        theirs = ridge(max_iter=1, alpha_init=4.0, lambda_init=1.0, fit_intercept=False).fit(X, y)
    ours = BayesianRegression(1 / theirs.alpha_)  # its noise, after one step; and its prior by a scale of the columns
    s = np.sqrt(theirs.lambda_)
    ours.fit(X / s, y)
    assert np.allclose(ours.coef_ / s, theirs.coef_, rtol=1e-9)
    assert np.allclose(ours.covariance_ / s**2, theirs.sigma_, rtol=1e-9)
    mean, spread = ours.predict(X[:4] / s, return_std=True)
    their_mean, their_spread = theirs.predict(X[:4], return_std=True)
    assert np.allclose(mean, their_mean, rtol=1e-9) and np.allclose(spread, their_spread, rtol=1e-9)
    assert np.array_equal(ours.predict(X[:4] / s), mean)


def test_the_gap_is_the_kl_to_the_posterior_for_every_q():
    """To rounding: of sums of 30 terms, about 30 nats, so 8e-15 of that."""
    rng = np.random.default_rng(0)
    for model in MODELS:
        rounding = 8e-15 * abs(model.log_evidence_)
        exact_q = model.coef_, model.covariance_
        assert abs(gap(model, *exact_q)) < rounding and abs(model.kl(*exact_q)) < rounding
        for q in (model.mean_field(), *(random_q(rng) for _ in range(5))):
            assert gap(model, *q) > 0.1 and abs(gap(model, *q) / model.kl(*q) - 1) < 1e-13


def test_mean_field_costs_what_the_formula_says_and_no_neighbour_is_better():
    rng = np.random.default_rng(0)
    for model in MODELS:
        (mean, covariance), Lambda = model.mean_field(), model.precision_
        formula = (np.log(np.diag(Lambda)).sum() - np.linalg.slogdet(Lambda)[1]) / 2
        assert abs(gap(model, mean, covariance) - formula) < 8e-15 * abs(model.log_evidence_)
        assert (np.diag(covariance) < np.diag(model.covariance_)).all()  # too sure of itself
        best = model.elbo(mean, covariance)
        for _ in range(20):
            near = covariance * np.diag(np.exp(0.01 * rng.standard_normal(3)))
            assert model.elbo(mean + 0.01 * rng.standard_normal(3), near) < best


def test_every_step_of_coordinate_ascent_raises_the_elbo_up_to_mean_field():
    """[BLR.2]"""
    for model in MODELS:
        mean, covariance, elbos = model.coordinate_ascent(200)
        assert len(elbos) == 601 and np.diff(elbos).min() > -8e-15 * abs(model.log_evidence_)
        assert (np.diff(elbos[:7]) > 0).all() and elbos[0] < elbos[-1] - 10
        assert np.allclose(mean, model.coef_, atol=1e-12) and np.allclose(covariance, model.mean_field()[1], rtol=1e-14)
        one = model.coordinate_ascent(1)  # the last step of a sweep is the best for its factor alone
        for move in (-1e-3, 1e-3):
            assert model.elbo(one[0] + np.array([0, 0, move]), one[1]) < one[2][-1]
            assert model.elbo(one[0], one[1] + np.diag([0, 0, move * one[1][2, 2]])) < one[2][-1]


def test_the_elbo_pair_is_the_exact_elbo_on_average():
    """[QW.1]; [QW.2] by the catalogue for a full covariance, here for a diagonal one."""
    model, rng = MODELS[0], np.random.default_rng(0)
    X, y = draw_parabola(seed=0)
    q = model.coef_ + 0.1 * rng.standard_normal(3), -2 + 0.3 * rng.standard_normal(3)
    draws = [regression.weights_elbo_forward(q, eps, X, y, 0.25)[0] for eps in rng.standard_normal((4000, 2, 3))]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - model.elbo(q[0], np.diag(np.exp(2 * q[1])))) < 4 * error < 1
    eps = rng.standard_normal((4, 3))
    report = check(lambda mu, log_sigma: regression.weights_elbo_forward((mu, log_sigma), eps, X, y, 0.25), regression.weights_elbo_backward, *q)
    assert report.ok and report.error <= 1e-9, report
    log_p, _ = regression.regression_log_p_forward(eps, X, y, 0.25)
    assert np.allclose(log_p, norm(eps @ X.T, 0.5).logpdf(y), atol=1e-12)


def test_stochastic_vi_comes_near_the_best_of_its_family():
    model, best = MODELS[0], gap(MODELS[0], *MODELS[0].mean_field())
    mean, covariance, elbos = model.stochastic("diagonal", steps=800)
    assert best < gap(model, mean, covariance) < best + 0.05 and elbos[-50:].mean() > elbos[:50].mean() + 10
    mean, covariance, _ = model.stochastic("full", steps=800)
    assert 0 < gap(model, mean, covariance) < 0.05 and (np.abs(covariance - covariance.T) < 1e-15).all()
    assert np.array_equal(model.stochastic(steps=5)[0], model.stochastic(steps=5)[0])
    assert not np.array_equal(model.stochastic(steps=5)[0], model.stochastic(steps=5, seed=1)[0])


def test_the_kl_counted_once_for_every_datum_gives_another_posterior():
    """The pitfall of a VAE's loss on weights: N times the KL is the posterior of data that were seen 1 / N times."""
    model, (X, y) = MODELS[0], draw_parabola(seed=0)
    thin = BayesianRegression(0.25 * len(y)).fit(X, y)  # each datum with weight 1 / N
    log_p, kl = model.terms(thin.coef_, thin.covariance_)
    for other in ((model.coef_, model.covariance_), (1.01 * thin.coef_, thin.covariance_), (thin.coef_, 0.99 * thin.covariance_)):
        their_log_p, their_kl = model.terms(*other)
        assert their_log_p - 30 * their_kl < log_p - 30 * kl
    assert gap(model, thin.coef_, thin.covariance_) > 5


@pytest.mark.slow
def test_figures_of_regression():
    """Three data sets: the full Gaussian, mean field, and both by stochastic VI."""
    assert max(abs(gap(m, m.coef_, m.covariance_)) / 30 for m in MODELS) < 4e-15  # per datum
    field = [gap(m, *m.mean_field()) for m in MODELS]
    assert abs(np.mean(field) - 0.401) < 5e-4 and abs(np.std(field, ddof=1) - 0.033) < 5e-4
    reached = {f: [gap(m, *m.stochastic(f, seed=seed)[:2]) for seed, m in enumerate(MODELS)] for f in ("diagonal", "full")}
    assert_reached("stochastic VI, diagonal", reached["diagonal"], 0.4016, 0.033, lower=True)
    assert_reached("stochastic VI, full", reached["full"], 0.0026, 0.001, lower=True)
    assert_stated("stochastic VI, diagonal", reached["diagonal"], 0.4023, 0.033)
    assert_stated("stochastic VI, full", reached["full"], 0.0016, 0.0006)
    assert 0 < np.subtract(reached["diagonal"], field).max() < 0.004  # no diagonal q is better than mean field


def test_bad_input():
    X, y = draw_parabola(5)
    for call, message in [
        (lambda: BayesianRegression(0), "eta must be a finite number above 0"),
        (lambda: BayesianRegression(1).elbo(0, 0), "call fit first"),
        (lambda: BayesianRegression(1).predict(X), "call fit first"),
        (lambda: BayesianRegression(1).fit(X[:, 0], y), r"X must have shape"),
        (lambda: BayesianRegression(1).fit(X, y[:4]), r"y must have shape \(5,\)"),
        (lambda: BayesianRegression(1).fit(X, None), r"y must have shape \(5,\), got None"),
        (lambda: BayesianRegression(1).fit(X, y).predict(X[:, :2]), r"X must have shape \(N, 3\)"),
        (lambda: BayesianRegression(1).fit(X, y).stochastic("half"), "family must be one of diagonal, full"),
        (lambda: BayesianRegression(1).fit(X, y).coordinate_ascent(0), "sweeps must be at least 1"),
        (lambda: draw_parabola(0), "n must be at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
