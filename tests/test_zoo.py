"""Layers 1 and 2 for the relatives: pairs, gaps that are known, auto-encoders with exact answers. All in float64."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from tinyvae import (
    VAE,
    Adam,
    check,
    check_model,
    kl_forward,
    load_digits,
    train_test_split,
)
from tinyvae.exact import PCA, PPCA, GridPosterior
from tinyvae.posteriors import full
from tinyvae.zoo import autoencoders
from tinyvae.zoo.autoencoders import AutoEncoder
from tinyvae.zoo.local_vi import (
    LocalPosterior,
    gap_report,
    two_step_learning,
)

RNG = np.random.default_rng(0)
X = load_digits()[0].astype(np.float64)
X_TRAIN, X_TEST = train_test_split(X, seed=0)


def normal(*shape):
    return RNG.standard_normal(shape)


# ---- inference without an encoder ---------------------------------------------------------------------


def test_full_covariance_has_the_moments_the_kl_and_the_density_that_it_states():
    """[REPF.1] and [KLF.1]; the catalogue checks [REPF.2] and [KLF.2] against them."""
    mu, log_diagonal, lower = normal(1, 3), 0.3 * normal(1, 3), normal(1, 3)
    z, _ = full.reparameterize_full_forward(mu, log_diagonal, lower, normal(200_000, 1, 3))
    L = full.cholesky_factor(log_diagonal, lower)[0]
    assert np.abs(np.cov(z[:, 0].T) - L @ L.T).max() < 0.05
    S = L @ L.T
    kl = (np.trace(S) + (mu**2).sum() - 3 - np.linalg.slogdet(S)[1]) / 2
    assert np.isclose(full.kl_full_forward(mu, log_diagonal, lower)[0][0], kl, rtol=1e-12)
    log_q, _ = full.full_log_density_forward(z, mu, log_diagonal, lower)
    assert np.allclose(log_q[:50, 0], multivariate_normal(mu[0], S).logpdf(z[:50, 0]), atol=1e-10)
    diagonal = full.kl_full_forward(mu, log_diagonal, 0 * lower)[0]
    assert np.allclose(diagonal, kl_forward(mu, log_diagonal)[0], rtol=1e-12)


@pytest.mark.parametrize("family", ["diagonal", "full", "iaf:2"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian_scalar"])
def test_local_gradient_matches_the_local_elbo(family, likelihood):
    vae = VAE(6, 3, hidden=(5,), likelihood=likelihood, posterior=family)
    vae.theta += 0.3 * normal(vae.theta.size)  # a flow's own weights among them: off their start
    q = LocalPosterior(vae, RNG.random((4, 6)), family)
    q.theta += 0.3 * normal(len(q.theta))
    eps, theta = normal(2, 4, 3), q.theta.copy()

    def forward(theta):
        q.theta[...] = theta
        return q.elbo_and_grad(eps)[0].sum(), theta

    def backward(dout, theta):
        q.theta[...] = theta
        return dout * q.elbo_and_grad(eps)[1]

    report = check(forward, backward, theta)
    assert report.error <= 1e-8, report


def test_mean_field_optimum_of_a_linear_model_is_known():
    """sigma_j^2 = 1 / Lambda_jj, mean exact; the gap is 1/2 (sum ln Lambda_jj - ln |Lambda|), and full covariance has none."""
    rng = np.random.default_rng(3)
    ppca = PPCA(2)
    ppca.W_, ppca.mean_, ppca.noise_variance_ = rng.standard_normal((5, 2)), rng.standard_normal(5), 0.5
    vae = VAE(5, 2, hidden=(), likelihood="gaussian", eta=0.5, dtype="float64")
    vae.params["decoder.out.W"][...], vae.params["decoder.out.b"][...] = ppca.W_.T, ppca.mean_
    x = ppca.sample(6, 0)
    mean, covariance = ppca.posterior(x)
    precision = np.linalg.inv(covariance)
    q = LocalPosterior(vae, x).fit(800, lr=0.1, n_samples=100)
    assert np.abs(q.params["mu"] - mean).max() < 0.02
    assert np.abs(np.exp(-2 * q.params["log_sigma"]) / np.diag(precision) - 1).max() < 0.05
    gap = (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / 2
    for family, wanted in (("diagonal", gap), ("full", 0.0)):
        fitted = LocalPosterior(vae, x, family).fit(800, lr=0.1, n_samples=20)
        samples = fitted.elbo_samples(4000).mean(1)
        error = samples.std() / np.sqrt(4000)
        assert abs(ppca.score_samples(x).mean() - samples.mean() - wanted) < 4 * error + 0.003


@pytest.fixture(scope="module")
def trained():
    vae = VAE(64, 2, hidden=(40,))
    vae.fit(X_TRAIN, epochs=60, optimizer=Adam(3e-3), progress=False)
    return vae


def test_gap_report_splits_the_gap(trained):
    """On a small model, with log p(x) from the grid, which sets both gaps by itself."""
    x = X_TEST[:10]
    report = gap_report(trained, x, steps=150, n_samples=300)
    total = GridPosterior(trained).log_evidence(x) - LocalPosterior(trained, x, start="encoder").elbo(300)
    assert np.allclose(report.approximation + report.amortisation, total, atol=1e-9)
    assert (report.approximation > -4 * report.error[:, 0]).all() and (report.amortisation >= 0).all()
    assert report.amortisation.mean() > 0 and "approximation gap" in str(report) and "amortisation gap" in str(report)


def test_the_amortisation_gap_is_that_of_the_models_own_family():
    """A model of full covariance on correlated data: the two gaps add up to what its own ELBO misses."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6)) + 0.5 * rng.standard_normal((200, 6))
    vae = VAE(6, 2, hidden=(16,), likelihood="gaussian", eta=0.5, posterior="full")
    vae.fit(x, epochs=60, optimizer=Adam(5e-3), progress=False)
    report = gap_report(vae, x[:20], family="full", steps=100, n_samples=400)
    total = GridPosterior(vae).log_evidence(x[:20]) - vae.elbo(x[:20], n_samples=2000)
    assert abs((report.approximation + report.amortisation).mean() - total.mean()) < 0.03


@pytest.mark.slow
def test_gap_report_splits_the_gap_and_both_parts_are_non_negative():
    vae = VAE(64, 2)
    vae.fit(X_TRAIN, epochs=150, optimizer=Adam(3e-3), progress=False)
    x = X_TEST[:40]
    report = gap_report(vae, x, steps=300, n_samples=500)
    full = gap_report(vae, x, family="full", steps=300, n_samples=500)
    total = GridPosterior(vae).log_evidence(x) - LocalPosterior(vae, x, start="encoder").elbo(500)
    assert np.allclose(report.approximation + report.amortisation, total, atol=1e-9)
    assert (report.approximation > -4 * report.error[:, 0]).all() and (report.amortisation >= 0).all()
    refined = LocalPosterior(vae, x, start="encoder").fit(300).elbo_samples(500)
    amortised = LocalPosterior(vae, x, start="encoder").elbo_samples(500)
    assert (refined - amortised).mean() > 0, "also before the better of the two is taken"
    assert 0.02 < report.approximation.mean() < 0.5 and 0.02 < report.amortisation.mean() < 1
    assert full.approximation.mean() < report.approximation.mean(), "a richer family leaves a smaller approximation gap"
    assert "approximation gap" in str(report) and "amortisation gap" in str(report)


def test_gap_report_beyond_the_grid_counts_the_error_of_log_p():
    vae = VAE(64, 5, hidden=(30,))
    vae.fit(X_TRAIN, epochs=40, optimizer=Adam(3e-3), progress=False)
    report = gap_report(vae, X_TEST[:15], steps=200, n_samples=400)
    assert (report.approximation > -4 * report.error[:, 0]).all() and report.approximation.mean() > 0
    sharp = PPCA(2).fit(X)
    sharp.noise_variance_ = 1e-5
    with pytest.raises(ValueError, match="narrower than a cell"):
        GridPosterior(sharp.to_vae()).log_evidence(X[:1])


def test_semi_amortised_refinement_starts_at_the_encoder_and_improves(trained):
    vae = trained
    q = LocalPosterior(vae, X_TEST[:50], start="encoder")
    mu, log_sigma = vae.encode(X_TEST[:50])
    assert np.allclose(q.params["mu"], mu, atol=1e-6) and np.allclose(q.params["log_sigma"], log_sigma, atol=1e-6)
    before = q.elbo(300).mean()
    assert q.fit(100).elbo(300).mean() > before
    with pytest.raises(ValueError, match="family must be one of diagonal, full"):
        LocalPosterior(vae, X_TEST, "banana")


def test_two_step_learning_learns_and_costs_more_per_epoch_than_amortised_learning():
    vae = VAE(64, 2)
    x = X_TRAIN[:400]
    start = vae.theta.copy()
    q, history = two_step_learning(vae, x, epochs=40)
    assert history["neg_elbo"][-1] < history["neg_elbo"][0] - 5
    decoder = sum(vae.params[n].size for n in vae.shapes if n.startswith("decoder"))
    assert np.array_equal(q.vae.theta[:-decoder], start[:-decoder].astype(float)), "no encoder is trained"
    assert np.array_equal(vae.theta, start), "the model handed in is not changed"
    amortised = VAE(64, 2, dtype="float64").fit(x, epochs=5, progress=False)["seconds"]
    assert np.median(history["seconds"]) > np.median(amortised)


def test_bad_counts_of_local_inference_are_refused():
    vae, x = VAE(64, 2), X_TEST[:3]
    q = LocalPosterior(vae, x)
    for ask, message in (
        (lambda: q.fit(1, n_samples=0), "n_samples must be at least 1, got 0"),
        (lambda: q.fit(-1), "steps must be at least 0, got -1"),
        (lambda: q.elbo_samples(0), "n_samples must be at least 1, got 0"),
        (lambda: two_step_learning(vae, x, epochs=1, n_samples=0), "n_samples must be at least 1, got 0"),
        (lambda: two_step_learning(vae, x, epochs=1, steps=-1), "steps must be at least 0, got -1"),
        (lambda: gap_report(vae, x, n_samples=1), "n_samples must be at least 2, got 1"),
        (lambda: gap_report(vae, x, steps=-1), "steps must be at least 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


# ---- the auto-encoder family ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", autoencoders.models(np.random.default_rng(0)))
def test_whole_gradient_of_every_auto_encoder(kind):
    """Through all the pairs: [AE.1] [AE.2], [ABS.1] [ABS.2], [SPARSE.1] [SPARSE.2], [CAE.1] [CAE.2]."""
    model, x, _ = autoencoders.models(np.random.default_rng(0))[kind]
    report = check_model(model, x)
    assert report.ok and report.error <= 1e-8, report


def learn(model, x, epochs, lr=0.003, **options):
    """Adam with a step size that falls to zero."""
    return model.fit(x, epochs=epochs, optimizer=Adam(lr), decay=True, progress=False, **options)


def test_linear_auto_encoder_reaches_the_pca_loss_and_its_subspace():
    x = X[:300]
    model, pca = AutoEncoder(64, 2), PCA(2).fit(x)
    learn(model, x, 4000, lr=0.03, batch_size=len(x))
    assert 0 <= model.reconstruction_error(x) / pca.reconstruction_error_ - 1 < 1e-8
    projected = pca.inverse_transform(pca.transform(x))
    assert np.abs(model.decode(model.encode(x)) - projected).max() < 1e-3, "UVx = Px, though U and V are not unique"
    U = np.linalg.qr(model.params["decoder.out.W"].T)[0]
    cosines = np.linalg.svd(U.T @ pca.components_.T)[1]
    assert cosines.min() > 1 - 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("K", [2, 8])
def test_deep_auto_encoder_beats_pca_on_held_out_digits(K):
    model, pca = AutoEncoder(64, K, hidden=(64,)), PCA(K).fit(X_TRAIN)
    learn(model, X_TRAIN, 150)
    pca_error = np.mean(((X_TEST - pca.inverse_transform(pca.transform(X_TEST))) ** 2).sum(1))
    assert model.reconstruction_error(X_TEST) < 0.85 * pca_error


def test_linear_denoiser_equals_the_wiener_filter():
    """Sigma (Sigma + s^2 I)^-1, with noise points of exactly the covariance s^2 I in the place of random noise."""
    D, s = 4, 0.6
    x = normal(300, D) @ normal(D, D)
    x -= x.mean(0)
    Sigma = x.T @ x / len(x)
    noise = s * np.sqrt(D) * np.concatenate([np.eye(D), -np.eye(D)])
    clean, noisy = np.repeat(x, 2 * D, axis=0), (x[:, None] + noise).reshape(-1, D)
    model, adam = AutoEncoder(D, D), Adam(0.02)
    for step in range(3000):
        adam.lr = 0.02 * (1 - step / 3000)
        _, cache = model.loss_forward((clean, None), noisy - clean)
        adam.step(model.theta, model.loss_backward(1.0, cache))
    learned = model.params["encoder.code.W"] @ model.params["decoder.out.W"]
    assert np.abs(learned - np.linalg.solve(Sigma + s**2 * np.eye(D), Sigma)).max() < 1e-5
    random = AutoEncoder(D, D, noise=s)
    learn(random, x, 600, lr=0.02)
    learned = random.params["encoder.code.W"] @ random.params["decoder.out.W"]
    assert np.abs(learned - np.linalg.solve(Sigma + s**2 * np.eye(D), Sigma)).max() < 0.1


def test_contractive_penalty_is_the_norm_of_the_numerical_jacobian():
    model, x = AutoEncoder(5, 3, code="sigmoid", penalty="contractive"), normal(4, 5)
    penalty, _ = autoencoders.contractive_forward(model.encode(x), model.params["encoder.code.W"])
    for n, row in enumerate(x):
        steps = 1e-6 * np.eye(5)
        J = (model.encode(row + steps) - model.encode(row - steps)) / 2e-6
        assert abs((J**2).sum() / penalty[n] - 1) < 1e-8


def test_penalties_do_what_they_say():
    x = X_TRAIN[:500]
    plain, sparse = AutoEncoder(64, 30), AutoEncoder(64, 30, penalty="l1", weight=0.3)
    for model in (plain, sparse):
        learn(model, x, 80)
    assert np.abs(sparse.encode(x)).mean() < 0.5 * np.abs(plain.encode(x)).mean()
    few = AutoEncoder(64, 30, code="sigmoid", penalty="sparsity", weight=5.0)
    learn(few, x, 80)
    assert abs(few.encode(x).mean() - 0.05) < 0.03
    free, flat = (AutoEncoder(64, 10, code="sigmoid", penalty="contractive", weight=w) for w in (0.0, 1.0))
    norms = []
    for model in (free, flat):
        learn(model, x, 80)
        norms.append(autoencoders.contractive_forward(model.encode(x), model.params["encoder.code.W"])[0].mean())
    assert norms[1] < 0.5 * norms[0]


def test_bad_auto_encoder_options():
    for options, message in [
        ({"penalty": "l2"}, "penalty must be one of l1, sparsity, contractive"),
        ({"penalty": "sparsity"}, "code must be 'sigmoid'"),
        ({"penalty": "contractive", "code": "sigmoid", "hidden": (3,)}, r"hidden must be \(\)"),
        ({"noise": -1}, "noise"),
    ]:
        with pytest.raises(ValueError, match=message):
            AutoEncoder(5, 2, **options)
    with pytest.raises(ValueError, match="shape"):
        AutoEncoder(5, 2).fit(X, epochs=1)
