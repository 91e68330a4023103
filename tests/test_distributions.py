"""Layers 1 and 2 for priors and posteriors: densities that integrate to one, samplers that agree with them, KLs that meet their estimates."""

import numpy as np
import pytest

from tinyvae import VAE, Adam, check_model, likelihoods, load_digits
from tinyvae.bounds import (
    draw_backward,
    draw_forward,
    kl_term_backward,
    kl_term_forward,
)
from tinyvae.catalogue import pairs
from tinyvae.estimators import naive_log_likelihood
from tinyvae.exact import GridPosterior
from tinyvae.params import Gradients
from tinyvae.posteriors import CLOSED_KL, POSTERIORS, Posterior
from tinyvae.priors import PRIORS, Prior, standard
from tinyvae.priors import get as get_prior
from tinyvae.zoo.local_vi import LocalPosterior

AXIS = np.linspace(-12, 12, 601)
GRID = np.stack([a.ravel() for a in np.meshgrid(AXIS, AXIS, indexing="ij")], axis=1)
CELL = (AXIS[1] - AXIS[0]) ** 2


def small(table):
    return {name: record.sized(3) if record.sized else record for name, record in table.items()}


def within(estimates, truth, errors=4.5):
    return np.all(np.abs(estimates.mean(0) - truth) < errors * estimates.std(0, ddof=1) / np.sqrt(len(estimates)))


def assert_agreement(z, log_density):
    """The density integrates to one (a kink costs the sum over a grid up to 1e-3), and the draws have its moments."""
    p = np.exp(log_density) * CELL
    assert abs(p.sum() - 1) < 1e-3, f"the density integrates to {p.sum()}: is a constant missing?"
    assert within(z, p @ GRID), "the draws have another mean than the density"
    assert within(np.einsum("ni,nj->nij", z, z), np.einsum("m,mi,mj->ij", p, GRID, GRID)), "other second moments than the density"


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_is_a_density_and_its_sampler_draws_from_it(name):
    record, rng = small(PRIORS)[name], np.random.default_rng(0)
    own = [0.5 * rng.standard_normal(shape) for shape in record.shapes(2).values()]
    z = record.sample(rng, (50_000, 2), np.float64, *own)
    assert z.shape == (50_000, 2)
    assert_agreement(z, record.forward(GRID, *own)[0])
    assert record.sample(rng, (4, 5, 2), np.float32, *[a.astype(np.float32) for a in own]).dtype == np.float32


@pytest.mark.parametrize("name", [name for name, record in POSTERIORS.items() if not record.by_noise])
def test_a_posterior_is_a_density_and_its_sampler_draws_from_it(name):
    record, rng = POSTERIORS[name], np.random.default_rng(0)
    q = [0.5 * rng.standard_normal((1, *shape)) for shape in record.heads(2).values()]
    own = [0.5 * rng.standard_normal(shape) for shape in record.shapes(2).values()]
    z, _ = record.sample_forward(*q, rng.standard_normal((50_000, 1, 2)), *own)
    assert_agreement(z[:, 0], record.forward(GRID[:, None], *q, *own)[0][:, 0])


@pytest.mark.parametrize("name", [name for name, record in POSTERIORS.items() if record.by_noise])
@pytest.mark.parametrize("K", [1, 2, 3])
def test_a_flow_knows_the_density_of_its_draws(name, K):
    """log q = log N(eps; 0, I) - log |det dz/deps| by a numerical Jacobian; and weighed by N / q, the draws are those of a narrow N."""
    record, rng = small(POSTERIORS)[name], np.random.default_rng(0)
    q = [0.5 * rng.standard_normal((1, *shape)) for shape in record.heads(K).values()]
    own = [0.2 * rng.standard_normal(shape) for shape in record.shapes(K).values()]
    eps = rng.standard_normal((100_000, 1, K))
    (log_q, _), z = record.forward(eps, *q, *own), record.sample_forward(*q, eps, *own)[0]
    for n in range(5):
        ends = [record.sample_forward(*q, eps[n] + sign * 1e-5 * np.eye(K)[:, None], *own)[0][:, 0] for sign in (1, -1)]
        log_det = np.linalg.slogdet((ends[0] - ends[1]) / 2e-5)[1]
        assert abs(log_q[n, 0] - (-(eps[n] ** 2).sum() / 2 - K * np.log(2 * np.pi) / 2 - log_det)) < 1e-8
    z, centre, s = z[:, 0], z[:, 0].mean(0), z[:, 0].std(0) / 2
    w = np.exp(-(((z - centre) / s) ** 2).sum(1) / 2 - np.log(s * np.sqrt(2 * np.pi)).sum() - log_q[:, 0])[:, None]
    assert within(w, 1) and within(w * (z - centre), 0), "the density integrates to another mass than 1, or stands elsewhere than the draws"


@pytest.mark.parametrize("families", CLOSED_KL, ids=" to ".join)
def test_a_closed_kl_and_its_gradient_are_what_samples_estimate(families, monkeypatch):
    """The same by the closed form and by log q - log p at 20,000 draws: the KL, its gradient by q, and by the prior's own parameters."""
    vae = VAE(5, 2, hidden=(), posterior=families[0], prior=families[1], dtype="float64")
    rng = np.random.default_rng(0)
    vae.theta += 0.3 * rng.standard_normal(vae.theta.size)
    q = tuple(0.5 * rng.standard_normal((1, *shape)) for shape in vae.parts.posterior.heads(2).values())

    def divergence(eps):
        z, z_cache = draw_forward(q, eps, vae.params, vae.parts.posterior)
        kl, cache = kl_term_forward(q, z, vae.params, vae.parts)
        dparams = Gradients(vae.shapes)
        dq, dz = kl_term_backward(np.ones(1), cache, dparams, vae.parts)
        through_z = draw_backward(np.zeros_like(z) + dz, z_cache, dparams, vae.parts.posterior)
        own = [np.ravel(dparams[name]) for name in vae.shapes if name.startswith(("prior.", "posterior."))]
        return np.concatenate([kl, *(np.ravel(a + b) for a, b in zip(dq, through_z)), *own])

    exact = divergence(rng.standard_normal((1, 1, 2)))
    monkeypatch.delitem(CLOSED_KL, families)
    assert within(np.array([divergence(rng.standard_normal((10, 1, 2))) for _ in range(2000)]), exact)


def test_the_default_kl_is_closed_and_that_of_a_mixture_is_estimated():
    x, eps = np.ones((4, 5), np.float32), np.random.default_rng(0).standard_normal((2, 3, 4, 2))
    for prior, same in (("standard", True), ("mixture:3", False)):
        vae = VAE(5, 2, hidden=(), prior=prior)
        vae.theta += 0.3
        one, other = (vae.loss_forward((x, None), e)[0][1]["kl"] for e in eps)
        assert np.array_equal(one, other) == same


def test_samples_and_naive_estimates_draw_from_the_models_own_prior():
    """A mixture far from the origin: its z reach the decoder; and its components start apart."""
    vae = VAE(2, 2, hidden=(), likelihood="gaussian", eta=1e-6, prior="mixture:1", dtype="float64")
    vae.params["prior.mu"][...], vae.params["decoder.out.W"][...] = [[30.0, -20.0]], np.eye(2)
    assert np.abs(vae.sample(2000).mean(0) - [30, -20]).max() < 0.2
    vae = VAE(2, 2, hidden=(), likelihood="gaussian", eta=1.0, prior="mixture:1", dtype="float64")
    vae.params["prior.mu"][...], vae.params["decoder.out.W"][...] = [[30.0, -20.0]], np.eye(2)
    exact = -2 * np.log(2 * np.pi * 2) / 2  # log N(x; mu, 2 I) at x = mu
    assert abs(naive_log_likelihood(vae, np.array([[30.0, -20.0]]), 20_000, rng=0)[0] - exact) < 0.05
    assert len(np.unique(VAE(3, 2, prior="mixture:5").params["prior.mu"])) == 10


def test_the_encoder_starts_at_log_sigma_zero_and_sees_counts_and_classes_scaled():
    vae = VAE(4, 2, hidden=(3,), posterior="full")
    assert np.all(vae.params["encoder.head.W"][:, 2:] == 0) and np.any(vae.params["encoder.head.W"][:, :2] != 0)
    x = np.array([[0.0, 3.0]])
    wanted = {"categorical:4": x / 3, "poisson": np.log1p(x), "gaussian": x}
    for name, seen in wanted.items():
        assert np.allclose(likelihoods.get(name).features(x), seen)
        one = VAE(2, 1, hidden=(), likelihood=name, dtype="float64")
        assert np.allclose(one.transform(x), seen @ one.params["encoder.head.W"][:, :1])


def test_the_standard_prior_is_a_mixture_of_one():
    z = np.random.default_rng(0).standard_normal((3, 4, 2))
    zero = np.zeros((1, 2))
    assert np.allclose(get_prior("mixture:1").forward(z, np.zeros(1), zero, zero)[0], standard.standard_normal_forward(z)[0], atol=1e-12)


@pytest.mark.parametrize("prior", [f"{name}:3" if record.sized else name for name, record in PRIORS.items()])
@pytest.mark.parametrize("posterior", [name if name == "full" else pytest.param(name, marks=pytest.mark.slow) for name in POSTERIORS])
def test_every_combination_learns_and_stays_below_log_p(posterior, prior):
    """Binary digits: training raises the ELBO, and the grid's log p(x), under the prior that was learned, stays above it."""
    X = (load_digits()[0][:300] > 0.5).astype(np.float32)
    vae = VAE(64, 2, hidden=(20,), posterior=posterior, prior=prior)
    start = vae.score(X)
    vae.fit(X, epochs=30, optimizer=Adam(1e-2), progress=False)
    log_px = GridPosterior(vae, n=401, width=25).log_evidence(X[:8])
    elbo = vae.elbo(X[:8], n_samples=300)
    assert vae.score(X) > start + 10 and np.all(elbo < log_px + 0.3) and elbo.mean() < log_px.mean()
    assert abs(vae.log_likelihood(X[:8], 2000).mean() - log_px.mean()) < 0.05
    assert vae.sample(5).shape == (5, 64) and vae.reconstruct(X[:3], rng=0).shape == (3, 64)
    fresh = VAE(64, 2, hidden=(20,), posterior=posterior, prior=prior).params
    assert all(not np.allclose(vae.params[name], fresh[name]) for name in fresh if name.startswith(("prior.", "posterior."))), "not learned"


# ---- records with parameters of their own, as somebody else would write them ---------------------------------------


def scaled_forward(mu, log_sigma, eps, log_scale):
    """z = mu + scale sigma eps: one more width, shared by all data."""
    s = np.exp(log_sigma + log_scale)
    return mu + s * eps, (s, eps)


def scaled_backward(dz, cache):
    s, eps = cache
    d = (dz * eps * s).sum(0)
    return dz.sum(0), d, d.sum(0)


def scaled_log_density_forward(z, mu, log_sigma, log_scale):
    u = (z - mu) / np.exp(log_sigma + log_scale)
    return -(u * u / 2 + log_sigma + log_scale + np.log(2 * np.pi) / 2).sum(-1), (u, log_sigma + log_scale)


def scaled_log_density_backward(dlog_q, cache):
    u, log_s = cache
    dz, d = -dlog_q[..., None] * u / np.exp(log_s), (dlog_q[..., None] * (u * u - 1)).sum(0)
    return dz, -dz.sum(0), d, d.sum(0)


def shifted_forward(z, shift):
    return standard.standard_normal_forward(z - shift)


def shifted_backward(dlog_pz, cache):
    dz = standard.standard_normal_backward(dlog_pz, cache)
    return dz, -dz.reshape(-1, dz.shape[-1]).sum(0)


def start_scale(rng, own):
    own["log_scale"][...] = -1


def test_a_new_prior_and_a_new_posterior_join_by_their_tables(monkeypatch):
    """With parameters of their own and no closed KL: found by the model, the gradient checks and the loop."""
    scaled = Posterior(
        "scaled", scaled_forward, scaled_backward, scaled_log_density_forward, scaled_log_density_backward,
        POSTERIORS["diagonal"].heads, ("log_scale",), lambda K: {"log_scale": (K,)}, start_scale,
    )  # fmt: skip
    shifted = Prior(
        "shifted", shifted_forward, shifted_backward, lambda rng, shape, dtype, shift: rng.standard_normal(shape, dtype) + shift,
        ("shift",), lambda K: {"shift": (K,)},
    )  # fmt: skip
    monkeypatch.setitem(POSTERIORS, "scaled", scaled)
    monkeypatch.setitem(PRIORS, "shifted", shifted)
    assert {"scaled", "scaled_log_density", "shifted"} <= set(pairs())
    X = (load_digits()[0][:200] > 0.5).astype(np.float32)
    for bound in ("elbo", "iwae"):
        vae = VAE(64, 2, hidden=(5,), posterior="scaled", prior="shifted", bound=bound, n_samples=3)
        assert np.array_equal(vae.params["posterior.log_scale"], [-1, -1]) and vae.params["prior.shift"].shape == (2,)
        report = check_model(vae, X[:4])
        assert report.ok and {"posterior.log_scale", "prior.shift"} <= {row.name for row in report.rows}
        vae.fit(X, epochs=3, progress=False)
        assert np.all(vae.params["posterior.log_scale"] != -1) and np.all(vae.params["prior.shift"] != 0)


def spherical_forward(mu, eps, log_s):
    """z = mu + s eps: a posterior of one part, whose width is shared."""
    return mu + np.exp(log_s) * eps, (np.exp(log_s), eps)


def spherical_backward(dz, cache):
    s, eps = cache
    return dz.sum(0), (dz * eps * s).sum()


def spherical_log_density_forward(z, mu, log_s):
    u = (z - mu) / np.exp(log_s)
    return -(u * u / 2 + log_s + np.log(2 * np.pi) / 2).sum(-1), (u, np.exp(log_s))


def spherical_log_density_backward(dlog_q, cache):
    u, s = cache
    dz, d = -dlog_q[..., None] * u / s, dlog_q[..., None] * (u * u - 1)
    return dz, -dz.sum(0), d.sum()


def test_a_posterior_of_one_part_and_one_of_a_matrix(monkeypatch):
    """q may be mu alone, or hold arrays of any shape for each datum."""
    monkeypatch.setitem(POSTERIORS, "spherical", Posterior(
        "spherical", spherical_forward, spherical_backward, spherical_log_density_forward, spherical_log_density_backward,
        lambda K: {"mu": (K,)}, ("log_s",), lambda K: {"log_s": ()},
    ))  # fmt: skip
    X = np.random.default_rng(0).integers(0, 2, (4, 6))
    for bound in ("elbo", "iwae"):
        assert check_model(VAE(6, 3, hidden=(4,), posterior="spherical", bound=bound, n_samples=2), X).ok
    with pytest.raises(ValueError, match="family 'spherical' has parameters of its own"):
        LocalPosterior(VAE(6, 3, hidden=(4,)), X, "spherical")
    assert LocalPosterior(VAE(6, 3, hidden=(4,), posterior="spherical"), X, "spherical").fit(5).elbo(10).shape == (4,)

    def square(reparameterize):
        return lambda mu, A, *rest: reparameterize(mu, A[..., 0, :], *rest)

    base = POSTERIORS["diagonal"]  # log_sigma as the first row of a matrix of which the rest has no part

    def widen(dq, K):
        return np.concatenate([dq[:, None], np.zeros((len(dq), K - 1, K))], axis=1)

    monkeypatch.setitem(POSTERIORS, "matrix", Posterior(
        "matrix", square(base.sample_forward), lambda dz, cache: (base.sample_backward(dz, cache)[0], widen(base.sample_backward(dz, cache)[1], 3)),
        lambda z, mu, A: base.forward(z, mu, A[..., 0, :]),
        lambda d, cache: (*base.backward(d, cache)[:2], widen(base.backward(d, cache)[2], 3)), lambda K: {"mu": (K,), "A": (K, K)},
    ))  # fmt: skip
    assert check_model(VAE(6, 3, hidden=(4,), posterior="matrix"), X).ok
    assert VAE(6, 3, hidden=(4,), posterior="matrix").encode(X)[1].shape == (4, 3, 3)


def test_a_gradient_that_a_record_forgets_is_found(monkeypatch):
    """A mixture whose means get half of their gradient."""
    forward, backward = PRIORS["mixture"].forward, PRIORS["mixture"].backward

    def wrong(dlog_pz, cache):
        dz, dlogits, dmu, dlog_sigma = backward(dlog_pz, cache)
        return dz, dlogits, dmu / 2, dlog_sigma

    monkeypatch.setitem(PRIORS, "mixture", PRIORS["mixture"]._replace(forward=forward, backward=wrong))
    report = check_model(VAE(5, 2, hidden=(3,), prior="mixture"), np.random.default_rng(0).integers(0, 2, (4, 5)))
    assert [row.name for row in report.rows if not row.ok] == ["prior.mu"]


def test_unknown_records_are_refused():
    for kind in ("prior", "posterior"):
        with pytest.raises(ValueError, match=f"{kind} must be one of .*; got 'banana'"):
            VAE(5, **{kind: "banana"})
    with pytest.raises(ValueError, match="mixture needs at least 1 component"):
        VAE(5, prior="mixture:0")
    for odd in (None, 3, "mixture:", "mixture:-2", "standard:3"):
        with pytest.raises(ValueError, match=f"prior must be one of {', '.join(PRIORS)}, mixture:NUMBER"):
            VAE(5, prior=odd)
