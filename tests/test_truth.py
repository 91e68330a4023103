"""Layer 2, truth: what a gradient check cannot see. Samplers, closed forms, densities, optimisers."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from tinyvae import (
    SGD,
    VAE,
    Adam,
    gaussian_log_density_forward,
    kl_forward,
    likelihoods,
    reparameterize_forward,
)
from tinyvae.likelihoods import LIKELIHOODS


def within(estimates, truth, errors=4):
    """The mean of independent estimates equals the truth within so many standard errors."""
    return abs(np.mean(estimates) - truth) < errors * np.std(estimates, ddof=1) / np.sqrt(len(estimates))


def test_sampler_moments_are_mu_and_sigma_squared():
    """[REP.1]: a variance used as a standard deviation passes every gradient check, and fails here."""
    n, rng = 200_000, np.random.default_rng(0)
    mu, log_sigma = np.array([0.7, -1.2]), np.array([-0.9, 0.6])
    z, _ = reparameterize_forward(mu, log_sigma, rng.standard_normal((n, 2)))
    for k in range(2):
        assert within(z[:, k], mu[k])
        assert within((z[:, k] - mu[k]) ** 2, np.exp(2 * log_sigma[k]))


@pytest.mark.parametrize("log_sigma", [-2.5, 0.0, 0.8])
@pytest.mark.parametrize("mu", [-2.0, 0.0, 0.5])
def test_kl_equals_quadrature(mu, log_sigma):
    """[KL.1]"""
    sigma = np.exp(log_sigma)

    def integrand(z):
        log_q = -0.5 * ((z - mu) / sigma) ** 2 - log_sigma - 0.5 * np.log(2 * np.pi)
        return np.exp(log_q) * (log_q + 0.5 * z * z + 0.5 * np.log(2 * np.pi))

    quadrature, _ = integrate.quad(integrand, mu - 12 * sigma, mu + 12 * sigma, epsabs=1e-13, epsrel=1e-13, limit=400)
    kl, _ = kl_forward(np.array([[mu]]), np.array([[log_sigma]]))
    assert abs(kl[0] - quadrature) <= 1e-10


def test_kl_equals_monte_carlo():
    """E_q[log q(z) - log p(z)], with both densities from [LOGN.1]."""
    rng, n = np.random.default_rng(0), 100_000
    mu, log_sigma = rng.standard_normal((1, 3)), 0.5 * rng.standard_normal((1, 3))
    z, _ = reparameterize_forward(mu, log_sigma, rng.standard_normal((n, 3)))
    log_q, _ = gaussian_log_density_forward(z, mu, log_sigma)
    log_p, _ = gaussian_log_density_forward(z, np.zeros((1, 3)), np.zeros((1, 3)))
    assert within(log_q - log_p, kl_forward(mu, log_sigma)[0][0])


def test_gaussian_log_density_integrates_to_one():
    def density(z):
        return np.exp(gaussian_log_density_forward(np.array([[z]]), np.array([[0.3]]), np.array([[-0.4]]))[0][0])

    assert abs(integrate.quad(density, -15, 15, epsabs=1e-12, points=[0.3])[0] - 1) <= 1e-8


# ---- likelihoods: every record of the table ----------------------------------------------------

NAMES = [f"{name}:5" if record.sized else name for name, record in LIKELIHOODS.items()]


def domain(record):
    """All values that x can take, as a list (beyond 300 counts no density here has any mass), or the middle of its interval."""
    low, high = record.domain
    return list(range(low, min(high, 300) + 1)) if record.discrete else (max(low, -40), min(high, 40))


def own(record, eta=0.3):
    """What the pair takes after x: parameters of its own, if it has any."""
    return tuple(map(np.array, record.start(eta)))


OUTPUTS = {"bernoulli": [-3.0, 0.0, 1.7], "continuous_bernoulli": [-40.0, -1.0, -0.05, 0.0, 1e-9, 0.09, 0.11, 3.0, 200.0]}


@pytest.mark.parametrize("name", NAMES)
def test_density_is_complete(name):
    """Summed or integrated over x, every likelihood gives one: no constant is missing."""
    record, rng = likelihoods.get(name, 0.3), np.random.default_rng(0)
    values = domain(record)
    outs = np.array(OUTPUTS.get(name, [-1.3, 0.2])).reshape(-1, 1, 1)
    if record.outputs > 1:
        outs = rng.standard_normal((3, 1, 1, record.outputs))
    for out in outs:

        def density(x, out=out):
            return np.exp(record.forward(out, np.array([[x]]), *own(record))[0][0])

        if isinstance(values, list):
            total = sum(density(x) for x in values)
        else:
            points = np.linspace(*values, 81)
            points = [record.domain[0], *points, record.domain[1]]  # and the tails, where there are any
            total = sum(integrate.quad(density, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(points) if a < b)
        assert abs(total - 1) <= 1e-8, (name, out)


@pytest.mark.parametrize("name", NAMES)
def test_mean_and_sampler_agree_with_the_density(name):
    """E[x] and Var[x] by quadrature of the density, against `mean` and the moments of `sample`."""
    record, weight = likelihoods.get(name, 0.3), 1.0
    x = domain(record)
    if not isinstance(x, list):
        (low, high), n = x, 800_000
        weight = (high - low) / n
        x = low + (np.arange(n) + 0.5) * weight
    x = np.array(x, dtype=float)
    out = np.array([[0.8]]) if record.outputs == 1 else np.random.default_rng(1).standard_normal((1, 1, record.outputs))
    p = np.exp(record.forward(np.broadcast_to(out, (len(x), *out.shape[1:])), x[:, None], *own(record))[0]) * weight
    mean, variance = p @ x, p @ (x - p @ x) ** 2
    assert np.isclose(record.mean(out)[0, 0], mean, atol=1e-6)
    draws = record.sample(np.broadcast_to(out, (100_000, *out.shape[1:])).copy(), np.random.default_rng(2), *own(record))[:, 0]
    assert within(draws, mean) and within((draws - mean) ** 2, variance)


@pytest.mark.parametrize("dtype, error", [(np.float32, 2e-2), (np.float64, 1e-8)])
def test_large_counts_lose_no_nats(dtype, error):
    """Terms of 10^5 nats cancel; only the rounding of a float32 output itself remains."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(5e3, 1.5e4, (4, 20))
    x, log_rate = rng.poisson(rate), np.log(rate).astype(dtype)
    wanted = stats.poisson(np.exp(log_rate.astype(float))).logpmf(x).sum(1)
    assert np.abs(LIKELIHOODS["poisson"].forward(log_rate, x.astype(dtype))[0] - wanted).max() < error
    r = np.exp(dtype(3.0).astype(float))
    wanted = stats.nbinom(r, r / (r + np.exp(log_rate.astype(float)))).logpmf(x).sum(1)
    assert np.abs(LIKELIHOODS["negative_binomial"].forward(log_rate, x.astype(dtype), dtype(3.0))[0] - wanted).max() < max(error, 1e-7)


def test_bernoulli_is_the_negative_cross_entropy():
    """[BER.1] equals x log p + (1 - x) log(1 - p) where that can be computed."""
    rng = np.random.default_rng(0)
    logits, x = rng.standard_normal((3, 4)), rng.random((3, 4))
    p = 1 / (1 + np.exp(-logits))
    plain = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    assert np.allclose(LIKELIHOODS["bernoulli"].forward(logits, x)[0], plain, atol=1e-13)


def test_learned_variance_has_its_optimum_at_the_mean_squared_error():
    """[NORMS.1]: eta is a variance; its gradient vanishes at eta = MSE, not at its root."""
    rng = np.random.default_rng(0)
    mean, x = rng.standard_normal((50, 4)), rng.standard_normal((50, 4))
    pair = LIKELIHOODS["gaussian_scalar"]
    for eta, sign in [(0.5, 1), (1.0, 0), (2.0, -1)]:
        _, cache = pair.forward(mean, x, np.log(eta * np.mean((x - mean) ** 2)))
        _, dlog_eta = pair.backward(np.ones(50), cache)
        assert abs(dlog_eta) < 1e-10 if sign == 0 else np.sign(dlog_eta) == sign


def test_elbo_is_a_lower_bound_on_log_p():
    """One-dimensional z: log p(x) by quadrature over z. The bound holds, and the wrong sign would not."""
    rng = np.random.default_rng(0)
    vae = VAE(5, 1, hidden=(4,), dtype="float64", seed=3)
    vae.theta += 0.5 * rng.standard_normal(vae.theta.size)
    X = rng.integers(0, 2, (6, 5)).astype(float)
    z = np.linspace(-10, 10, 4001)[:, None]
    logits = np.log(vae.decode(z)) - np.log1p(-vae.decode(z))
    log_joint = np.array([LIKELIHOODS["bernoulli"].forward(logits, x)[0] for x in X])
    log_joint += -0.5 * z[:, 0] ** 2 - 0.5 * np.log(2 * np.pi)
    log_p = np.log(np.exp(log_joint).sum(1) * (z[1, 0] - z[0, 0]))
    samples = 20_000
    log_px, kl = vae.elbo_terms(X, 0, samples)
    assert np.all(log_px - kl < log_p) and np.any(log_px + kl > log_p)
    total = np.exp(log_p).sum()
    assert 0 < total < 1  # six of the 32 images that there are


def textbook_adam(theta, grads, lr, beta1, beta2, eps):
    """[ADAM.1] as printed in arXiv:1412.6980, algorithm 1."""
    m = v = np.zeros_like(theta)
    for t, g in enumerate(grads, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
    return theta


def test_adam_follows_the_textbook():
    rng = np.random.default_rng(0)
    start, grads = rng.standard_normal(11), rng.standard_normal((200, 11)) * 10.0 ** rng.integers(-6, 3, 11)
    theta, adam = start.copy(), Adam(lr=0.01, beta1=0.8, beta2=0.99, eps=1e-7)
    for g in grads:
        adam.step(theta, g)
    assert np.abs(theta - textbook_adam(start, grads, 0.01, 0.8, 0.99, 1e-7)).max() <= 1e-12


def test_adams_first_step_is_lr_sign_g():
    g = np.array([1e-3, -5.0, 2e4])
    theta = np.zeros(3)
    Adam(lr=0.1, eps=1e-12).step(theta, g)
    assert np.abs(theta + 0.1 * np.sign(g)).max() <= 1e-9


def test_sgd_with_momentum_follows_the_formula():
    """[SGD.1]"""
    theta, v, expected = np.array([1.0]), 0.0, 1.0
    sgd = SGD(lr=0.1, momentum=0.9)
    for g in (2.0, -1.0, 0.5):
        sgd.step(theta, np.array([g]))
        v = 0.9 * v + g
        expected -= 0.1 * v
    assert np.isclose(theta[0], expected, rtol=1e-15)


def test_gradients_of_the_objective_are_unbiased_over_noise():
    """The reparameterised gradient averages to the derivative of the averaged loss: noise enters once, and correctly."""
    vae = VAE(3, 2, hidden=(), dtype="float64", likelihood="gaussian", eta=0.4, seed=1)
    X, rng = np.random.default_rng(0).standard_normal((2, 3)), np.random.default_rng(1)
    grads = np.array([vae.loss_and_grad(X, rng.standard_normal((100, 2, 2)))[1] for _ in range(200)])  # means over 100 samples
    W, b = vae.params["decoder.out.W"], vae.params["decoder.out.b"]

    def expected_loss(theta):
        """Closed form for a linear decoder: the expectation over z adds tr(W Sigma W') / 2 eta."""
        p = vae.views(theta)
        mu, log_sigma = np.split(X @ p["encoder.head.W"] + p["encoder.head.b"], 2, axis=1)
        s2 = np.exp(2 * log_sigma)
        r = X - mu @ W - b
        log_px = -((r**2).sum(1) + s2 @ (W**2).sum(1)) / 0.8 - 1.5 * np.log(2 * np.pi * 0.4)
        return -np.mean(log_px - kl_forward(mu, log_sigma)[0])

    names = [name for name in vae.shapes if name.startswith("encoder")]
    size = sum(vae.params[name].size for name in names)
    for i in range(size):
        step = np.zeros_like(vae.theta)
        step[i] = 1e-5
        slope = (expected_loss(vae.theta + step) - expected_loss(vae.theta - step)) / 2e-5
        assert within(grads[:, i], slope, errors=4.5)
