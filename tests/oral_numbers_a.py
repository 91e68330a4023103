"""The numbers of docs/oral.md, chapters 1 to 3, recomputed: for every question the phrases in which its numbers stand.

A phrase is made from what is computed here; formulas that hold digits stand beside the lines that evaluate them. No number of
a question may stand outside its phrases, so a change of any of them is noticed.
"""

import numpy as np

from tinyvae import (
    Adam,
    bernoulli_backward,
    bernoulli_forward,
    check,
    dense_backward,
    dense_forward,
    dropout_backward,
    gaussian_forward,
    gaussian_log_density_backward,
    gaussian_log_density_forward,
    kl_backward,
    kl_forward,
    load_digits,
    reparameterize_backward,
    reparameterize_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)
from tinyvae.exact import PPCA
from tinyvae.likelihoods import ETA_FLOOR
from tinyvae.likelihoods.bernoulli import grey_floor
from tinyvae.train.measures import independent_pixels

X = load_digits()[0].astype(float)
ONE = np.ones((1, 1))


def kl(mu, sigma):
    return float(kl_forward(mu * ONE, np.log(sigma) * ONE)[0][0])


def linear(W, eta):
    """Probabilistic PCA with these parameters and mean 0."""
    model = PPCA(W.shape[1])
    model.W_, model.mean_, model.noise_variance_ = W, np.zeros(len(W)), eta
    return model


SMALL = linear(ONE, 1 / 8)  # x = z + sqrt(1/8) e
LOG_P = float(SMALL.score_samples(ONE)[0])  # at x = 1


def small_terms(mean, variance, x=1, eta=1 / 8):
    """E_q log p(x|z) and KL(q || p(z)) of the small model."""
    log_px = float(gaussian_forward(mean * ONE, x * ONE, eta)[0][0]) - variance / (2 * eta)
    return log_px, kl(mean, np.sqrt(variance))


def twice_divided():
    def backward(dy, cache):
        dx, dW, db = dense_backward(dy, cache)
        return dx, dW / len(dy), db

    rng, N, n, eps = np.random.default_rng(0), 100, 7, 1e-8
    W, b = rng.standard_normal((2, 3)), rng.standard_normal(3)
    assert check(dense_forward, backward, rng.standard_normal((1, 2)), W, b).ok
    rows = {row.name: row for row in check(dense_forward, backward, rng.standard_normal((n, 2)), W, b).rows}
    assert rows["x"].ok and rows["b"].ok and not rows["W"].ok
    thetas = np.zeros((2, 4))
    for theta, factor in zip(thetas, (1, 1 / N)):
        Adam(0.1, eps=eps).step(theta, factor * np.array([1.0, -2, 0.3, 5]))
    assert np.abs(thetas[0] - thetas[1]).max() < 1e-6
    error = 1 - 1 / n
    return [
        f"N = {N}", f"N = 1 and at N = {n}", "1/N stand", f"{N} times too slowly", "passes at N = 1,", f"At N = {n} it reports",
        f"relative error of {error:.2f}, that is {n - 1}/{n}", "above 1, and", "are not 1/N",
    ]  # fmt: skip


def ten_sigmoids():
    def slope(forward, backward, x):
        return float(backward(ONE, forward(x * ONE)[1])[0, 0])

    grid = np.linspace(-8, 8, 1601)
    assert max(slope(sigmoid_forward, sigmoid_backward, a) for a in grid) == slope(sigmoid_forward, sigmoid_backward, 0) == 1 / 4
    assert slope(tanh_forward, tanh_backward, 0) == 1
    l, p = -10, float(sigmoid_forward(-10 * ONE)[0][0, 0])
    full = float(bernoulli_backward(np.ones(1), bernoulli_forward(l * ONE, ONE)[1])[0, 0])
    by_p, by_l = 1 / p, slope(sigmoid_forward, sigmoid_backward, l)
    assert abs(by_p * by_l - full) < 1e-9
    return [
        "w = 1.", "y(1 − y), which is at most ¼, at y = ½", "at most (1/4)¹⁰ = 2⁻²⁰", f"({(1 / 4) ** 10:.1e})".replace("e-0", "e-"),
        "(x − p) / (p(1 − p))", "by p(1 − p):",
        f"At l = {l} and x = 1 these are {by_p:.1e} and {by_l:.1e}".replace("e+0", "e").replace("e-0", "e-"), f"is\n{full:.2f}",
        f"leave {by_l:.1e} of it".replace("e-0", "e-"), "1 − y² is at most 1",
        f"at an input of 3 it is {slope(tanh_forward, tanh_backward, 3):.4f}",
    ]  # fmt: skip


def like_dropout():
    p = 0.2
    mask, weight = np.array([0, 1 / (1 - p)]), np.array([p, 1 - p])
    mean, variance = weight @ mask, weight @ mask**2 - (weight @ mask) ** 2
    assert abs(mean - 1) < 1e-12 and abs(variance - p / (1 - p)) < 1e-12
    eps = (mask - 1) / np.sqrt(variance)  # two values, of variance 1
    assert abs(weight @ eps) < 1e-12 and abs(weight @ eps**2 - 1) < 1e-12
    dy, x = 0.7, -1.3  # dx = dmu + d(spread)/dx dsigma
    dsigma = reparameterize_backward(np.full((2, 1), dy), (np.full((2, 1), 1.0), eps[:, None]))[1][:, 0]
    assert np.abs(dropout_backward(dy, mask) - (dy + np.sqrt(variance) * dsigma)).max() < 1e-12
    assert np.abs(mask * x - (x + np.sqrt(variance) * x * eps)).max() < 1e-12
    return [
        f"p = {p}", "of variance 1.", f"m = 0 or {mask[1]:g}", f"E m = {mean:.0f} and Var m = p/(1 − p) = {variance:.2f}",
        f"x + {np.sqrt(variance):g} |x| ε", f"share {np.sqrt(variance):g} is", "σ to 0.", "has mean 0,", "KL, to 1.",
    ]  # fmt: skip


def two_kls():
    m, s, shrunk = 3, 0.01, kl(0, 0.01)
    assert abs(shrunk - (np.log(100) - 0.5)) < 1e-4
    halving = kl(0, s / 2) - kl(0, s)
    assert kl(m, 1) == kl(-m, 1) == m**2 / 2  # KL(p || q) is KL(q || p) seen from the other mean
    reverse = kl(0, 1 / s)  # in units of q's width, p is wide
    assert abs(reverse - (1e4 - 1 - np.log(1e4)) / 2) < 1e-9
    return [
        f"N(0, 1) by KL(q‖p): N({m}, 1), or N(0, {s}²)", "ln 10 is about 2.3", "½(σ² + μ² − 1 − ln σ²)", f"N({m}, 1) only",
        f"{m**2}/2 = {kl(m, 1)} nats", f"For N(0, {s}²) the term ln 100 − ½", f"{np.log(100):.2f} − 0.5 = {shrunk:.2f}", f"ln 2 = {halving:.2f}",
        f"still costs {kl(m, 1)},", f"½(10⁴ − 1 − ln 10⁴) = {reverse:.1f}",
    ]  # fmt: skip


def scale_of_noise():
    v = 1 / 4
    charged, drawn = (v - 1 - np.log(v)) / 2, kl(0, v)
    spread = 16 * v**2  # the small model: the mixed optimum solves 2 c v^2 + v = 1 with c = 8
    assert spread == 1
    best = (np.sqrt(65) - 1) / 32
    mixed = small_terms(8 / 9, best**2)[0] - (best + (8 / 9) ** 2 - 1 - np.log(best)) / 2
    missing = kl(0, 2) - (2 - 1 - np.log(2)) / 2
    grid = np.geomspace(0.01, 9, 500)
    assert (grid**2 - grid - np.log(grid)).min() > 0 and abs(missing - (4 - 2 - np.log(2)) / 2) < 1e-12
    return [
        "a = log σ².", "deviation σ² in place", "v = σ² the", "says σ² = ¼?", "σ > 1", "about 0, and σ = 1", "At σ² = ¼",
        f"{v:.2f} where {np.sqrt(v):g} is meant", f"½(¼ − 1 + ln 4) = {charged:.3f}", f"draws is {drawn:.3f}: {drawn - charged:.3f} nats",
        f"lies {mixed - LOG_P:.2f} nats", "a ≠ 0", "½(v² − v − ln v), which is 0 at v = 1", f"at v = 2 it is {missing:.2f}",
    ]  # fmt: skip


def log_q_along_the_sample():
    rng = np.random.default_rng(0)
    mu, log_sigma, eps = rng.standard_normal((3, 5, 1))

    def paths(mu, log_sigma, up=1.0):
        z, z_cache = reparameterize_forward(mu, log_sigma, eps)
        dz, dmu, dlog_sigma = gaussian_log_density_backward(np.full(5, up), gaussian_log_density_forward(z, mu, log_sigma)[1])
        return z, (dmu, dlog_sigma), reparameterize_backward(dz, z_cache), dz

    z, direct, sample, _ = paths(mu, log_sigma)
    total = [a + b for a, b in zip(direct, sample)]
    assert np.abs(total[0]).max() < 1e-12 and np.abs(total[1] + 1).max() < 1e-12
    sigma = np.exp(log_sigma)
    assert np.abs(direct[1] - (eps**2 - 1)).max() < 1e-12 and np.abs(sample[1] + eps**2).max() < 1e-12
    e, w = np.polynomial.hermite_e.hermegauss(20)
    w = w / w.sum()
    for m, s in ((0.4, 0.7), (0.0, 1.0)):  # means of z and sigma eps z - 1, exactly
        found = w @ (m + s * e), w @ (s * e * (m + s * e) - 1)
        assert np.allclose(found, [d[0, 0] for d in kl_backward(np.ones(1), kl_forward(m * ONE, np.log(s) * ONE)[1])])
    variances = w @ e**2, w @ (e**2 - 1) ** 2
    _, _, _, dz = paths(0 * mu, 0 * log_sigma)
    assert np.abs(dz + eps).max() < 1e-12, "-u / sigma of log q is -z of log p"
    assert sigma.shape == z.shape
    return [
        "N(z; μ, σ²).", "gives −u/σ and −ε².", "They are 0 and −1, for every ε: in log q = −½ε² − log σ − ½ ln 2π", "u² − 1;",
        "The sums are 0 and −1.", "σεz − 1, with", "σ² − 1 of the",
        f"exactly 0: at μ = 0, σ = 1 their variances are\n{variances[0]:.0f} and {variances[1]:.0f}.", "has the mean 0, for ∫ q dz = 1",
        "variance is 0.",
    ]  # fmt: skip


def sums_and_means():
    D, K = 784, 50
    rng = np.random.default_rng(0)
    x, logits, mu, log_sigma = rng.integers(0, 2, (1, D)), *(rng.standard_normal((1, n)) for n in (D, K, K))
    recon, k = -bernoulli_forward(logits, x)[0][0], kl_forward(mu, log_sigma)[0][0]
    beta_a, beta_b = ((recon / D + k) * D - recon) / k, (recon + k / K - recon) / k
    eta = D / 2
    r = rng.standard_normal((1, D))
    differs = [-gaussian_forward(0 * r, a * r, eta)[0][0] - np.mean((a * r) ** 2) for a in (1, 2)]
    assert abs(differs[0] - differs[1]) < 1e-9, "mean squared error is -log p at eta = D / 2, up to a constant"
    return [
        f"D = {D} pixels, K = {K} latents", "weight 1.", f"+ {beta_a:.0f} KL, so β = {beta_a:.0f}", f"β = 1/{K} = {beta_b:.2f}", "goes to 0,",
        "below 1 its", f"‖r‖²/D = ‖r‖²/2η gives η = D/2 = {eta:.0f}", f"deviation {np.sqrt(eta):.1f} on pixels between 0 and 1",
    ]  # fmt: skip


def nats_of_two_kinds():
    pixels, floor, ppca = independent_pixels("bernoulli", X, X), grey_floor(X), -PPCA(8).fit(X).score(X)
    scaled, D = -PPCA(8).fit(16 * X).score(16 * X), X.shape[1]
    shift = D * np.log(16)
    assert abs(scaled - ppca - shift) < 1e-6 and len(np.unique(X)) == 17
    return [
        "8×8", f"reports {pixels:.1f} nats", f"reports {ppca:.1f} nats", "K = 8", f"below\n{floor:.1f},",
        f"of {D} pixels", "levels 0 to 16", f"{D} ln 16 = {shift:.1f} nats: {scaled:.1f} in place of {ppca:.1f}", "exceed 1,",
        "of the 17 grey levels",
    ]  # fmt: skip


def free_variance():
    dead = int((X.std(0) == 0).sum())
    assert not X[:, X.std(0) == 0].any()
    floors = ETA_FLOOR, 1e-12
    high, low = (float(gaussian_forward(0 * ONE, 0 * ONE, eta)[0][0]) for eta in floors)
    gain, step = dead * (low - high), 1 / 16
    edges = np.unique(X)
    assert np.allclose(np.diff(edges), step)
    return [
        "from 1e-3 to 1e-12", f"gain of {gain:.0f} nats", f"{dead} of {X.shape[1]} pixels are always 0", "steps of 1/16", "has residual 0",
        "−½ ln(2πη)", f"floor of {floors[0]:.0e} that is {high:.2f}".replace("e-0", "e-"), f"at {floors[1]:.0e} it is {low:.2f}",
        f"For {dead} pixels the difference is {gain:.1f} nats", "step of 1/16", f"(1/16)²/12 = {step**2 / 12:.1e}".replace("e-0", "e-"),
    ]  # fmt: skip


NUMBERS = {
    "1.1": twice_divided, "1.2": ten_sigmoids, "1.3": like_dropout, "2.1": two_kls, "2.2": scale_of_noise, "2.3": log_q_along_the_sample,
    "3.1": sums_and_means, "3.2": nats_of_two_kinds, "3.3": free_variance,
}  # fmt: skip
