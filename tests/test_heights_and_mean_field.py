"""Layer 2, truth: heights by EM, mean field by the calculus of variations. All in float64."""

import numpy as np
import pytest
from scipy.stats import norm

from tinyvae.exact import (
    MeanField,
    TwoGaussians,
    correlated_gaussian,
    draw_heights,
)

# ---- heights --------------------------------------------------------------------------------------


def test_em_never_falls_and_meets_log_p_after_the_e_step():
    for seed in range(3):
        x, _ = draw_heights(seed=seed)
        model, last = TwoGaussians().start(x), -np.inf
        for _ in range(60):
            before = model.score(x)
            start, after_e, after_m = model.em_step(x)
            assert abs(after_e - before) < 2e-15 and last - 2e-15 <= start <= after_e + 2e-15 <= after_m + 4e-15
            last = after_m
        assert model.score(x) > TwoGaussians().start(x).score(x) + 0.01


def test_responsibilities_are_bayes_rule_and_the_m_step_is_a_maximum():
    """[EM.1] by scipy's densities; [EM.2] because no neighbour is better for the same q."""
    x, _ = draw_heights(300)
    model = TwoGaussians().fit(x, max_iter=7)
    joint = np.stack([w * norm(m, np.sqrt(v)).pdf(x) for w, m, v in zip(model.weights_, model.means_, model.covariances_)], axis=1)
    assert np.abs(model.predict_proba(x) - joint / joint.sum(1, keepdims=True)).max() < 1e-13
    assert np.abs(model.score_samples(x) - np.log(joint.sum(1))).max() < 1e-13
    r = model.predict_proba(x)
    _, _, best = model.em_step(x)
    assert abs(model.bound(x, r) - best) < 1e-15 and model.bound(x, np.full((300, 2), 0.5)) < best
    for name, move in [("weights_", [0.01, -0.01]), ("means_", [1e-3, 0]), ("means_", [0, 1e-3]), ("covariances_", [1e-4, 0]), ("covariances_", [0, 1e-4])]:
        for sign in (-1, 1):
            kept = getattr(model, name)
            setattr(model, name, kept + sign * np.array(move))
            assert model.bound(x, r) < best, name
            setattr(model, name, kept)


def test_em_agrees_with_scikit_learn():
    mixture = pytest.importorskip("sklearn.mixture").GaussianMixture
    x, _ = draw_heights()
    ours, start = TwoGaussians().fit(x, tol=0, max_iter=25), TwoGaussians().start(x)
    theirs = mixture(2, tol=0, max_iter=25, reg_covar=0, weights_init=start.weights_, means_init=start.means_[:, None],
                     precisions_init=1 / start.covariances_[:, None, None])  # fmt: skip
    with pytest.warns(UserWarning, match="converge"):
        theirs.fit(x[:, None])
    assert ours.n_iter_ == 25 and not ours.converged_
    assert np.allclose(ours.means_, theirs.means_[:, 0], atol=1e-10) and np.allclose(ours.weights_, theirs.weights_, atol=1e-10)
    assert np.allclose(ours.covariances_, theirs.covariances_[:, 0, 0], atol=1e-10)
    assert np.allclose(ours.predict_proba(x), theirs.predict_proba(x[:, None]), atol=1e-8)


def test_well_separated_heights_give_the_truth():
    """Widths of .03 m, means 4.7 of them apart: standard errors are those of labelled data, nearly."""
    x, z = draw_heights(sigma=0.03)
    model = TwoGaussians().fit(x)
    gains = np.diff(model.bounds_[:, 1])  # after the E-step the bound is log p
    assert model.converged_ and model.n_iter_ < 40 and gains[-1] < 1e-8 <= gains[:-1].min()
    assert np.abs(model.means_ - [x[z == 0].mean(), x[z == 1].mean()]).max() < 0.002
    assert abs(model.weights_[1] - z.mean()) < 0.01 and np.abs(np.sqrt(model.covariances_) - 0.03).max() < 0.002
    assert ((model.predict_proba(x)[:, 1] > 0.5) == z).mean() > 0.98


@pytest.mark.slow
def test_weakly_separated_heights_leave_the_share_undecided():
    """Widths of .075 m, means 1.9 of them apart: EM climbs on, far from the truth, which is nearly as likely."""
    shares, steps, gains = [], [], []
    for seed in range(6):
        x, _ = draw_heights(seed=seed, sigma=0.075)
        model, truth = TwoGaussians().fit(x), TwoGaussians().start(x)
        truth.means_, truth.covariances_ = np.array([1.58, 1.72]), np.full(2, 0.075**2)
        gains.append(len(x) * (model.score(x) - truth.score(x)))
        assert model.converged_ and np.diff(model.bounds_.ravel()).min() > -4e-15
        shares.append(model.weights_[1])
        steps.append(model.n_iter_)
    assert min(shares) < 0.36 and max(shares) > 0.63 and max(steps) > 771 and min(steps) < 150
    assert 0 < min(gains) and np.mean(gains) < 5  # nats for 2,000 heights, five free numbers: 5 / 2 are expected


# ---- mean field on a grid -------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.7, 0.9])
def test_mean_field_of_a_correlated_gaussian_is_known(rho):
    """The gap is -1/2 ln(1 - rho^2), q1 is normal with the variance 1 - rho^2 of p(z1|z2); the marginal has 1."""
    field = MeanField(correlated_gaussian(rho)).fit()
    assert abs(field.log_evidence_) < 1e-10 and abs(field.gap_ + np.log(1 - rho**2) / 2) < 1e-9
    for q, (mean, variance) in zip((field.q1_, field.q2_), field.moments()):
        assert abs(mean) < 1e-9 and abs(variance - (1 - rho**2)) < 1e-9
        assert np.abs(q - norm(0, np.sqrt(1 - rho**2)).pdf(field.axis)).max() < 1e-9
    for marginal in field.marginals():
        assert np.abs(marginal - norm.pdf(field.axis)).max() < 1e-9
    assert field.n == 201 and (rho != 0.9 or f"{field.gap_:.8f}" == "0.83036560")


def two_humps(z):
    """Not normalised: p(x) = e^3; a ridge with two humps, which mean field must choose from."""
    return 3 + np.logaddexp(*(-((z - s) ** 2).sum(1) * 4 for s in (-1.5, 1.5))) + np.log(4 / np.pi / 2)


def test_the_functional_derivative_vanishes_and_no_half_step_lowers_the_elbo():
    """[MF.1], for a p that is no Gaussian, from a start on one side; the gap is the KL on the grid."""
    field = MeanField(two_humps, width=6).fit(start=(0.4, 1.0))
    assert np.diff(field.elbos_).min() > -1e-13 and field.elbos_[-1] > field.elbos_[0] + 0.1 and abs(field.log_evidence_ - 3) < 1e-12
    for log_p, q, other in ((field.log_p, field.q1_, field.q2_), (field.log_p.T, field.q2_, field.q1_)):
        slope = (log_p @ other * field.step - np.log(q))[q > 1e-250]  # and the constant of the multiplier
        assert np.ptp(slope) < 1e-9
    q = np.outer(field.q1_, field.q2_)
    kl = (q * (np.log(np.maximum(q, 1e-300)) - field.log_p + field.log_evidence_)).sum() * field.step**2
    assert abs(field.gap_ - kl) < 1e-12 and abs(field.gap_ - np.log(2)) < 1e-3  # one hump of two
    assert field.moments()[0][0] > 1.4 and MeanField(two_humps, width=6).fit(start=(-0.4, 1.0)).moments()[0][0] < -1.4


def test_a_start_far_away_comes_back_at_the_rate_of_rho_squared():
    means = [MeanField(correlated_gaussian(0.9)).fit(sweeps, start=(3, 0.5)).moments()[1][0] for sweeps in (1, 2, 3)]
    assert np.allclose(means, 3 * 0.81 ** np.arange(1, 4), rtol=1e-6)

# ---- bad input ------------------------------------------------------------------------------------



def test_bad_input():
    x, _ = draw_heights(50)
    for call, message in [
        (lambda: TwoGaussians().fit(x[:, None]), r"x must have shape \(N,\).*take x.ravel"),
        (lambda: TwoGaussians().fit(np.append(x, np.nan)), "x must be finite"),
        (lambda: TwoGaussians().fit(np.ones(9)), "differ in its quartiles"),
        (lambda: TwoGaussians().score(x), "call fit or start first"),
        (lambda: TwoGaussians().em_step(x), "call fit or start first"),
        (lambda: TwoGaussians().fit(np.array([0.0, 0, 0, 1, 1, 1])), "shrunk to one number"),
        (lambda: TwoGaussians().fit(x, tol=-1), "tol must be"),
        (lambda: draw_heights(sigma=0), "sigma must be"),
        (lambda: MeanField(lambda z: z), r"log_joint must return finite numbers of shape \(40401,\)"),
        (lambda: MeanField(lambda z: np.full(len(z), -np.inf)), "got NaN or infinity"),
        (lambda: MeanField(lambda z: 0 * z[:, 0]), "mass at the border"),
        (lambda: MeanField(correlated_gaussian(0), n=2), "n must be at least 3"),
        (lambda: MeanField(correlated_gaussian(0)).moments(), "call fit first"),
        (lambda: MeanField(correlated_gaussian(0)).fit(start=(0, 0)), r"start\[1\] must be a finite number above 0"),
        (lambda: correlated_gaussian(1), "rho must be a finite number above -1 and below 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
