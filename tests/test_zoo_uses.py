"""Anomaly detection and missing pixels: exact answers of probabilistic PCA beside the VAE, then the figures on the digits."""

import numpy as np
import pytest
from figures import assert_reached, digits

from tinyvae import VAE, Adam, bernoulli_forward
from tinyvae.exact import PPCA
from tinyvae.zoo.anomaly import (
    atypicality,
    auc,
    leave_one_out,
    nearest_distance,
    vae_scores,
)
from tinyvae.zoo.imputation import (
    impute_by_chain,
    impute_by_fit,
    observed_elbo_forward,
    observed_log_px_forward,
    pairs,
)

X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = digits()
B_TRAIN, B_TEST, _, _ = digits(binary=True)


# ---- anomaly detection --------------------------------------------------------------------------------


def test_auc_is_the_share_of_pairs_in_the_right_order_and_ties_count_half():
    """[AUC.1], by all pairs; and it does not hear of the scale of the scores."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40), rng.integers(-2, 5, 25)
    by_pairs = np.mean((a[:, None] > b) + (a[:, None] == b) / 2)
    assert abs(auc(a, b) - by_pairs) < 1e-14 and 0.5 < by_pairs < 0.9
    assert abs(auc(a, b) + auc(b, a) - 1) < 1e-14 and auc(np.exp(a), np.exp(b)) == auc(a, b)
    assert auc([1, 1], [1]) == 0.5 and auc([2, 3], [1]) == 1 and auc([0], [1, 2]) == 0


def test_leave_one_out_trains_without_the_class_and_scores_it_as_an_anomaly():
    X, y = np.arange(12.0)[:, None], np.repeat([0, 1, 2], 4)
    seen = []

    def score(rows, X_test):
        seen.append(rows)
        return {"far": nearest_distance(X_test, rows), "nothing": np.zeros(len(X_test))}

    found = leave_one_out(score, X, y, X, y)
    assert [set(np.unique(rows)) & set(range(4 * c, 4 * c + 4)) for c, rows in enumerate(seen)] == [set()] * 3
    assert np.array_equal(found["far"], [1, 1, 1]) and np.array_equal(found["nothing"], [0.5] * 3)


def test_the_three_scores_of_a_vae_at_an_exact_posterior_are_one_number_and_its_parts():
    """-ELBO = -log p(x) where q is exact, and the reconstruction lacks the KL."""
    ppca = PPCA(3).fit(X_TRAIN)
    vae, x = ppca.to_vae(), X_TEST[:40]
    scores = vae_scores(vae, x, n_samples=400)
    assert np.abs(scores["neg_log_p"] + ppca.score_samples(x)).max() < 1e-9
    assert abs((scores["neg_elbo"] - scores["neg_log_p"]).mean()) < 0.05 and (scores["neg_elbo"] - scores["reconstruction"]).min() > 0


def test_images_of_half_the_contrast_are_more_likely_than_digits():
    """[TYP.1], exact on the training data for every K, and what it does to the test data."""
    mean = X_TRAIN.mean(0, dtype=float)
    for K, c in ((2, 0.5), (8, 0.5), (8, 0.9)):
        ppca = PPCA(K).fit(X_TRAIN)
        assert abs(ppca.score(mean + c * (X_TRAIN - mean)) - ppca.score(X_TRAIN) - (1 - c**2) * 32) < 1e-6
    ppca = PPCA(8).fit(X_TRAIN)
    of_train, of_test, of_grey = (ppca.score_samples(x) for x in (X_TRAIN, X_TEST, mean + (X_TEST - mean) / 2))
    assert abs(of_test.mean() - 14.4) < 0.05 and abs(of_grey.mean() - 38.2) < 0.05
    assert abs(auc(-of_grey, -of_test) - 0.001) < 1e-3
    assert abs(auc(atypicality(of_grey, of_train), atypicality(of_test, of_train)) - 0.967) < 1e-3


def test_bad_scores_are_refused():
    one, y = np.zeros((4, 1)), np.array([0, 0, 1, 1])
    for ask, message in (
        (lambda: auc([], [1]), r"anomalous must be scores of shape \(n,\)"),
        (lambda: auc([1], [np.nan]), "normal must be scores"),
        (lambda: atypicality([[1]], [1]), "log_p must be scores"),
        (lambda: leave_one_out(None, one, y[:3], one, y), "a class for each row"),
        (lambda: leave_one_out(None, one, 0 * y, one, y), "at least two classes"),
        (lambda: leave_one_out(None, one, y, one, 0 * y), "all of them in y_test"),
        (lambda: nearest_distance(one, np.zeros((3, 2))), r"others must have shape \(N, 1\)"),
        (lambda: vae_scores(VAE(1), one, 0), "n_samples must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


# ---- missing pixels -------------------------------------------------------------------------------------


def test_missing_pixels_have_no_part_in_the_bound():
    """[MISS.1]: a sum over the observed alone, whatever stands in the holes; [MISS.2] is in the catalogue. All observed: the pair of the likelihood."""
    rng = np.random.default_rng(0)
    vae = VAE(6, 3, hidden=(5,), dtype="float64")
    out, x = rng.standard_normal((2, 4, 6)), rng.integers(0, 2, (4, 6)).astype(float)
    likelihood, every, two = vae.parts.likelihood, np.ones((4, 6)), np.array([1.0, 0, 0, 1, 0, 0])
    assert np.allclose(observed_log_px_forward(out, x, every, {}, likelihood)[0], bernoulli_forward(out, x)[0], atol=1e-14)
    some = observed_log_px_forward(out, x, two * every, {}, likelihood)[0]
    assert np.allclose(some, bernoulli_forward(out[..., [0, 3]], x[:, [0, 3]])[0], atol=1e-14)
    x[:, 1] += 7
    assert np.array_equal(observed_log_px_forward(out, x, two * every, {}, likelihood)[0], some)
    assert set(pairs(rng)) == {"observed_log_px", "observed_elbo"}


@pytest.fixture(scope="module")
def linear():
    """PPCA, its VAE, digits with holes, and the exact conditional mean."""
    ppca, x = PPCA(4).fit(X_TRAIN), X_TEST[:8].astype(float)
    x[np.random.default_rng(0).random(x.shape) < 0.5] = np.nan
    return ppca, ppca.to_vae(), x, ppca.impute(x)


def test_a_linear_vae_fills_in_the_conditional_mean_of_ppca(linear):
    """To rounding: mean field has the right means, and mirrored noise leaves their gradients without noise."""
    _, vae, x, exact = linear
    filled = impute_by_fit(vae, x, steps=1000)
    assert np.abs(filled - exact).max() < 1e-12 and np.abs(impute_by_fit(vae, x, steps=5) - exact).max() > 0.01
    seen = ~np.isnan(x)
    assert np.array_equal(filled[seen], x[seen])


def test_the_bound_of_the_observed_pixels_lies_below_their_evidence(linear):
    ppca, vae, x, _ = linear
    seen, eps = ~np.isnan(x), np.random.default_rng(1).standard_normal((500, 8, 4))
    q = vae.encode(np.nan_to_num(x))
    elbo, _ = observed_elbo_forward(q, eps, np.nan_to_num(x), seen, vae.params, vae.parts)
    for row, o, bound in zip(x, seen, elbo, strict=True):
        S = (ppca.W_ @ ppca.W_.T + ppca.noise_variance_ * np.eye(64))[np.ix_(o, o)]
        r = row[o] - ppca.mean_[o]
        assert bound < -(r @ np.linalg.solve(S, r) + np.linalg.slogdet(2 * np.pi * S)[1]) / 2


def test_with_the_exact_posterior_both_chains_are_gibbs_and_nothing_is_rejected(linear):
    """[MWG.1]: w is p(x) for every z, so its ratio is 1; and the chain's mean is the conditional mean, by sampling."""
    _, vae, x, exact = linear
    for metropolis in (True, False):
        filled, accepted = impute_by_chain(vae, x, metropolis=metropolis, steps=800, rng=0)
        assert accepted == 1 and np.sqrt(np.mean((filled - exact) ** 2)) < 0.008
    worse = vae.copy()
    worse.params["encoder.head.b"][4:] += 0.7  # twice as wide as the posterior
    filled, accepted = impute_by_chain(worse, x, steps=4000, rng=0)
    assert accepted < 0.8 and np.sqrt(np.mean((filled - exact) ** 2)) < 0.008, "Metropolis corrects for a wrong q"


def test_bad_input_is_refused():
    vae, x = VAE(6, 2, likelihood="gaussian"), np.full((2, 6), np.nan)
    for fill in (impute_by_fit, impute_by_chain):
        for X, message in (
            (np.zeros((2, 6), int), "X must be floats"),
            (x[0], "X must be floats of shape"),
            (x[:, :5], r"X must have shape \(N, 6\)"),
            (np.full((2, 6), np.inf), "X must be finite"),
            (x[:0], "at least one row"),
        ):
            with pytest.raises(ValueError, match=message):
                fill(vae, X)
        with pytest.raises(ValueError, match="likelihood must have one output per pixel"):
            fill(VAE(6, 2, likelihood="gaussian_diagonal"), x)
    for ask in (lambda: impute_by_chain(vae, x, steps=5, burn_in=5), lambda: impute_by_fit(vae, x, steps=-1), lambda: impute_by_fit(vae, x, n_pairs=0)):
        with pytest.raises(ValueError, match="must be at least"):
            ask()
    assert np.isfinite(impute_by_fit(vae, x, steps=2)).all(), "nothing observed: the mean under the prior"


# ---- the figures ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_figures_of_anomaly_detection():
    """Binary digits, K = 8, H = 128, 60 epochs of Adam 0.003, each digit left out, two seeds; and what needs no model is better."""
    means = []
    for seed in range(2):

        def score(X, X_test, seed=seed):
            vae = VAE(64, 8, seed=seed)
            vae.fit(X, epochs=60, optimizer=Adam(0.003), progress=False)
            return vae_scores(vae, X_test, 50)

        found = leave_one_out(score, B_TRAIN, Y_TRAIN, B_TEST, Y_TEST)
        means.append([found[name].mean() for name in ("neg_elbo", "neg_log_p", "reconstruction")])
        assert found["neg_elbo"].argmin() == 1 and found["neg_elbo"].min() < 0.7, "the digit 1 is hardly seen: it is likely under any of the models"
    for name, values, target in zip(("ELBO", "importance sampling", "reconstruction"), np.transpose(means), (0.824, 0.824, 0.828), strict=True):
        assert abs(np.mean(values) - {"ELBO": 0.838, "importance sampling": 0.836, "reconstruction": 0.848}[name]) < 0.004
        assert_reached(f"mean AUC by {name}", values, target, 0.005, seeds=2)
    nearest = leave_one_out(lambda X, X_test: {"1-NN": nearest_distance(X_test, X)}, B_TRAIN, Y_TRAIN, B_TEST, Y_TEST)["1-NN"].mean()
    assert abs(nearest - 0.929) < 5e-4 and nearest > np.max(means) + 0.05


def holes():
    """Half of the pixels of the test digits, at random and the lower half: name -> mask."""
    return {"random": np.random.default_rng(0).random(X_TEST.shape) < 0.5, "lower": np.tile(np.arange(64) >= 32, (len(X_TEST), 1))}


@pytest.mark.slow
def test_figures_of_imputation():
    """Grey digits, K = 8, H = 128, learned variance, 300 epochs of Adam 0.003 falling to 0: the best ELBO on a fifth of the training data.

    At random all three figures are reached. On the lower half they are not, see the last lines: 0.222, 0.232 and 0.270 where 0.214, 0.225 and 0.262 were wanted.
    """
    found = {(kind, way): [] for kind in holes() for way in ("fit", "metropolis", "pseudo")}
    for seed in range(3):
        vae = VAE(64, 8, likelihood="gaussian_scalar", eta=0.1, seed=seed)
        vae.fit(X_TRAIN, epochs=300, optimizer=Adam(0.003), decay=True, progress=False)
        for kind, gone in holes().items():
            x = np.where(gone, np.nan, X_TEST)
            ways = {"fit": impute_by_fit(vae, x), "metropolis": impute_by_chain(vae, x)[0], "pseudo": impute_by_chain(vae, x, metropolis=False)[0]}
            for way, filled in ways.items():
                found[kind, way].append(np.sqrt(np.mean((filled - X_TEST)[gone] ** 2)))
    ppca, mean = PPCA(8).fit(X_TRAIN), X_TRAIN.mean(0)
    base = {}
    for kind, gone in holes().items():
        filled = ppca.impute(np.where(gone, np.nan, X_TEST))
        base[kind] = [np.sqrt(np.mean((other - X_TEST)[gone] ** 2)) for other in (filled, np.broadcast_to(mean, X_TEST.shape))]
    assert np.abs(np.array([*base["random"], *base["lower"]]) - [0.203, 0.268, 0.253, 0.277]).max() < 1e-3
    for way, target in (("fit", 0.160), ("metropolis", 0.169), ("pseudo", 0.181)):
        assert_reached(f"RMSE, pixels at random, {way}", found["random", way], target, 0.002, lower=True)
        assert max(found["random", way]) < base["random"][0] - 0.015
    stated = {"random": (0.161, 0.167, 0.180), "lower": (0.222, 0.232, 0.270)}
    for kind, figures in stated.items():
        assert np.abs([np.mean(found[kind, way]) - figure for way, figure in zip(("fit", "metropolis", "pseudo"), figures)]).max() < 0.002, kind
    assert np.mean(found["lower", "fit"]) < 0.226 and np.mean(found["lower", "metropolis"]) < 0.238, "short of 0.214 and 0.225"
    assert max(found["lower", "metropolis"]) < base["lower"][0] - 0.01
    assert min(found["lower", "pseudo"]) > base["lower"][0], "pseudo-Gibbs loses to PPCA on gaps with a structure"
