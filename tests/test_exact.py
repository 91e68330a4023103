"""Layer 2, truth: models whose answers are known, and bounds and estimators held against them. All in float64."""


import numpy as np
import pytest
from scipy.stats import multivariate_normal

from tinyvae import VAE, Adam, load_digits, synthetic
from tinyvae.bounds import log_weight_terms_forward
from tinyvae.exact import PCA, PPCA, GridPosterior, LinearBetaVAE
from tinyvae.iwae import iwae_bound_forward

X = load_digits()[0].astype(np.float64)
RNG = np.random.default_rng(0)
SMALL = RNG.standard_normal((200, 3)) @ RNG.standard_normal((3, 5)) + 0.3 * RNG.standard_normal((200, 5)) + 1


# ---- PCA and probabilistic PCA ------------------------------------------------------------------


@pytest.mark.parametrize("K", [1, 2, 8])
def test_pca_error_is_the_sum_of_the_trailing_eigenvalues(K):
    pca = PCA(K).fit(X)
    error = np.mean(((X - pca.inverse_transform(pca.transform(X))) ** 2).sum(1))
    assert abs(error - pca.reconstruction_error_) < 1e-12
    assert np.allclose(pca.components_ @ pca.components_.T, np.eye(K), atol=1e-12)


def test_pca_agrees_with_scikit_learn():
    theirs = pytest.importorskip("sklearn.decomposition").PCA(5, svd_solver="full").fit(X)
    ours = PCA(5).fit(X)
    assert np.allclose(ours.explained_variance_, theirs.explained_variance_ * (len(X) - 1) / len(X), rtol=1e-10)
    assert np.allclose(np.abs(np.sum(ours.components_ * theirs.components_, axis=1)), 1, atol=1e-9)


def test_ppca_density_is_the_multivariate_normal():
    """[PPCA.1]"""
    ppca = PPCA(2).fit(SMALL)
    normal = multivariate_normal(ppca.mean_, ppca.W_ @ ppca.W_.T + ppca.noise_variance_ * np.eye(5))
    assert np.abs(ppca.score_samples(SMALL) - normal.logpdf(SMALL)).max() < 1e-9


def test_ppca_density_agrees_with_scikit_learn():
    """With scikit-learn's own parameters, for it divides the covariance by N - 1."""
    theirs = pytest.importorskip("sklearn.decomposition").PCA(8, svd_solver="full").fit(X)
    ours = PPCA(8)
    ours.mean_, ours.noise_variance_ = theirs.mean_, theirs.noise_variance_
    ours.W_ = theirs.components_.T * np.sqrt(theirs.explained_variance_ - theirs.noise_variance_)
    assert np.abs(ours.score_samples(X) - theirs.score_samples(X)).max() < 1e-9


def test_ppca_posterior_and_imputation_are_gaussian_conditionals():
    """[PPCA.2] and the conditional mean, both by the textbook partition of the joint covariance."""
    ppca = PPCA(2).fit(SMALL)
    S, C = ppca.W_ @ ppca.W_.T + ppca.noise_variance_ * np.eye(5), ppca.W_
    mean, covariance = ppca.posterior(SMALL)
    assert np.allclose(mean, (SMALL - ppca.mean_) @ np.linalg.solve(S, C), atol=1e-10)
    assert np.allclose(covariance, np.eye(2) - C.T @ np.linalg.solve(S, C), atol=1e-10)
    gone = RNG.random(SMALL.shape) < 0.3
    gone[gone.all(1), 0] = False
    filled = ppca.impute(np.where(gone, np.nan, SMALL))
    for x, m, row in zip(SMALL, gone, filled):
        conditional = ppca.mean_[m] + S[np.ix_(m, ~m)] @ np.linalg.solve(S[np.ix_(~m, ~m)], x[~m] - ppca.mean_[~m])
        assert np.abs(row[m] - conditional).max(initial=0) < 1e-10 and np.array_equal(row[~m], x[~m])


def test_em_never_lowers_the_likelihood_and_finds_the_maximum():
    """Every half-step raises the bound; after E it meets log p(x)."""
    em, last = PPCA(2).start(SMALL, seed=1), -np.inf
    for _ in range(600):
        before = em.score(SMALL)
        start, after_e, after_m = em.em_step(SMALL)
        assert last - 1e-10 <= start <= after_e + 1e-10 <= after_m + 2e-10
        assert abs(after_e - before) < 1e-10 and em.score(SMALL) >= before - 1e-10
        last = after_m
    assert abs(em.score(SMALL) - PPCA(2).fit(SMALL).score(SMALL)) < 1e-8


def test_samples_of_ppca_have_its_covariance():
    ppca = PPCA(2).fit(SMALL)
    draws = ppca.sample(100_000, 0)
    wanted = ppca.W_ @ ppca.W_.T + ppca.noise_variance_ * np.eye(5)
    assert np.abs(np.cov(draws.T) - wanted).max() < 0.05 * wanted.max()


# ---- the linear VAE ------------------------------------------------------------------------------------


def test_linear_vae_at_the_optimum_has_elbo_equal_to_log_p():
    """Digits, K = 8: 14.20978832 nats per datum (covariance / N, X in [0, 1], maximum-likelihood eta)."""
    ppca = PPCA(8).fit(X)
    vae = ppca.to_vae()
    assert abs(ppca.score(X) - 14.20978832) < 1e-8
    log_w = sum(log_weight_terms_forward(X, RNG.standard_normal((5, len(X), 8)), vae.params, vae.parts)[0])
    assert np.abs(log_w - ppca.score_samples(X)).max() < 1e-10, "p(x|z) p(z) / q(z|x) is p(x) for every z"
    bound, _ = iwae_bound_forward(log_w)
    assert np.abs(bound - ppca.score_samples(X)).max() < 1e-10, "so every k-sample bound is log p(x), for every eps"


def linear_elbo(vae, x):
    """The ELBO of a linear VAE in closed form: uncertain z adds tr(W Sigma W') to the squared error."""
    mu, log_sigma = vae.encode(x)
    W, variance = vae.params["decoder.out.W"], np.exp(2 * log_sigma)
    error = ((x - vae.decode(mu)) ** 2).sum(1) + variance @ (W**2).sum(1)
    kl = (variance + mu**2 - 1 - 2 * log_sigma).sum(1) / 2
    return -error / (2 * vae.eta) - x.shape[1] / 2 * np.log(2 * np.pi * vae.eta) - kl


def test_gap_is_the_kl_to_the_posterior_for_random_q():
    """log p(x) - ELBO = KL(q || p(z|x)), in closed form on both sides, for any linear encoder and decoder."""
    ppca = PPCA(3).fit(X)
    best = ppca.to_vae()
    turned = PPCA(3)
    for seed in range(5):
        rng, vae = np.random.default_rng(seed), best.copy()
        vae.theta += 0.2 * rng.standard_normal(vae.theta.size)
        turned.W_, turned.mean_ = vae.params["decoder.out.W"].T, vae.params["decoder.out.b"]
        turned.noise_variance_ = vae.eta
        (mu, log_sigma), (m, S) = vae.encode(X), turned.posterior(X)
        inverse = np.linalg.inv(S)
        kl = (
            np.exp(2 * log_sigma) @ np.diag(inverse) + np.einsum("ni,ij,nj->n", mu - m, inverse, mu - m) - 3
            + np.linalg.slogdet(S)[1] - 2 * log_sigma.sum(1)
        ) / 2  # fmt: skip
        gap = turned.score_samples(X) - linear_elbo(vae, X)
        assert np.abs(gap - kl).max() < 1e-10 * max(1, kl.max())
        assert linear_elbo(vae, X).mean() < ppca.score(X), "no linear VAE exceeds the maximum likelihood"


@pytest.mark.slow
def test_training_a_linear_vae_comes_within_a_twentieth_nat_of_the_optimum():
    ppca = PPCA(8).fit(X)
    vae = VAE(64, 8, hidden=(), likelihood="gaussian", eta=ppca.noise_variance_, dtype="float64")
    adam = Adam(1e-2)
    for lr in (1e-2, 3e-3, 1e-3, 2e-4):
        adam.lr = lr
        vae.fit(X, epochs=300, optimizer=adam, progress=False)
        assert linear_elbo(vae, X).mean() < ppca.score(X)
    assert ppca.score(X) - linear_elbo(vae, X).mean() < 0.05


def test_posterior_collapse_follows_the_eigenvalues():
    """Latent j is active iff lambda_j > eta: 8 8 4 2 0 on digits, in theory and at the optimum of the model."""
    found = []
    for eta in (0.02, 0.1, 0.3, 0.6, 0.8):
        theory = LinearBetaVAE(8, eta).fit(X)
        fixed = PPCA(8).fit(X)
        values = PCA(8).fit(X).explained_variance_
        fixed.noise_variance_ = eta
        fixed.W_ = PCA(8).fit(X).components_.T * np.sqrt(np.maximum(values - eta, 0))
        vae = fixed.to_vae()
        mu, log_sigma = vae.encode(X)
        variance = np.exp(2 * log_sigma[0])
        assert (mu.var(0) > 0.01).sum() == theory.active_units_
        kl = (variance + mu**2 - 1 - np.log(variance)).sum(1).mean() / 2
        error = ((X - vae.decode(mu)) ** 2).sum(1).mean() + variance @ (vae.params["decoder.out.W"] ** 2).sum(1)
        assert abs(kl - theory.rate_) < 1e-9 and abs(error - theory.distortion_) < 1e-9, "[RD.1]"
        found.append(theory.active_units_)
    assert found == [8, 8, 4, 2, 0]


def test_a_beta_vae_is_a_vae_of_another_noise():
    one, other = LinearBetaVAE(8, 0.1, beta=3).fit(X), LinearBetaVAE(8, 0.3).fit(X)
    assert one.active_units_ == other.active_units_ and np.isclose(one.rate_, other.rate_)


def test_mean_over_pixels_squared_error_plus_kl_collapses():
    """The field's most common bug: it is eta = D / 2 = 32, far above the largest eigenvalue 0.70."""
    assert LinearBetaVAE(8, eta=32).fit(X).active_units_ == 0 and 0.69 < PCA(1).fit(X).explained_variance_[0] < 0.71
    collapsed = VAE(64, 4, hidden=(), likelihood="gaussian", eta=32.0)
    healthy = VAE(64, 4, hidden=(), likelihood="gaussian", eta=0.05)
    kl = {}
    for vae in (collapsed, healthy):
        vae.fit(X, epochs=60, optimizer=Adam(1e-2), progress=False)
        kl[vae.eta] = vae.elbo_terms(X)[1].mean()
    assert kl[32.0] < 0.01 and kl[0.05] > 2


# ---- posteriors on a grid --------------------------------------------------------------------------------


def test_grid_equals_the_linear_model():
    """[GRID.1] against the exact posterior, evidence and moments of probabilistic PCA."""
    for K in (1, 2):
        ppca = PPCA(K).fit(SMALL)
        grid = GridPosterior(ppca.to_vae(), width=9)
        assert np.abs(grid.log_evidence(SMALL[:20]) - ppca.score_samples(SMALL[:20])).max() < 1e-10
        means, covariances = grid.moments(SMALL[:5])
        vae_mu = ppca.to_vae().transform(SMALL[:5])
        assert np.allclose(means, vae_mu, atol=1e-9) and np.allclose(covariances, covariances[0], atol=1e-9)


def test_a_bimodal_posterior_is_not_its_mode_nor_its_mean():
    """Decoder z^2, x = 4, eta = 0.1: modes near +-1.9875, mean 0."""
    grid = GridPosterior(lambda x, z: -((x - z**2) ** 2)[:, 0] / 0.2, n_latent=1, n=40_001)
    modes = np.sort(grid.modes(np.array([4.0]))[:, 0])
    mean, _ = grid.moments(np.array([[4.0]]))
    assert np.allclose(modes, [-1.9875, 1.9875], atol=5e-4) and abs(mean[0, 0]) < 1e-12
    with pytest.raises(ValueError, match="n_latent must be 1 or 2"):
        GridPosterior(lambda x, z: z, n_latent=3)


def test_a_grid_checks_and_scales_the_data_of_a_vae():
    vae = VAE(64, 1, hidden=(5,))
    pixels = np.rint(255 * X[:3]).astype(np.uint8)
    assert np.allclose(GridPosterior(vae).log_evidence(pixels), GridPosterior(vae).log_evidence(pixels / 255.0), atol=1e-9)
    for bad in (X[0], X[:, :3], 255 * X):
        with pytest.raises(ValueError):
            GridPosterior(vae).log_evidence(bad)
    far = PPCA(1).fit(SMALL)
    with pytest.raises(ValueError, match="mass at the border"):
        GridPosterior(far.to_vae()).log_evidence(far.mean_[None] + 60 * far.W_.T)


def test_bad_input_to_exact_models():
    with pytest.raises(ValueError, match="call fit first"):
        PPCA(2).score(SMALL)
    for ask in (
        lambda: PCA(2).transform(SMALL), lambda: PCA(2).inverse_transform(np.zeros((3, 2))), lambda: PPCA(2).posterior(SMALL),
        lambda: PPCA(2).sample(3), lambda: PPCA(2).to_vae(), lambda: PPCA(2).impute(SMALL), lambda: PPCA(2).em_step(SMALL),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="call fit first"):
            ask()
    with pytest.raises(ValueError, match=r"Z must have shape \(N, 2\), got \(3, 4\)"):
        PCA(2).fit(SMALL).inverse_transform(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"shape \(N, 5\), got \(200, 1\)"):
        PPCA(2).fit(SMALL).score(SMALL[:, :1])
    with pytest.raises(ValueError, match="less than the rank of X, 61"):
        PPCA(62).fit(X)
    with pytest.raises(ValueError, match="n_components must be at most"):
        PCA(9).fit(SMALL)
    with pytest.raises(ValueError, match="NaN"):
        PPCA(1).fit(np.full((4, 3), np.nan))
    assert synthetic("ring", 10).shape == PPCA(1).fit(synthetic("ring", 10)).sample(10).shape


def test_em_without_noise_is_refused_and_not_nan():
    """Data in a plane leave two components no noise; so do constant data, and new data that are flatter than those of the start."""
    flat = (SMALL - SMALL.mean(0))[:, :2] @ np.random.default_rng(1).standard_normal((2, 5)) + SMALL.mean(0)
    for noiseless in (flat, np.ones((9, 5))):
        with pytest.raises(ValueError, match="less than the rank of X"):
            PPCA(2).start(noiseless)
    em = PPCA(2).start(SMALL)
    with pytest.raises(ValueError, match="X must have noise beyond 2 components"):
        for _ in range(1000):
            assert np.isfinite(em.em_step(flat)).all()
    assert em.noise_variance_ > 0 and np.isfinite(em.score(SMALL)), "the last good parameters stay"
