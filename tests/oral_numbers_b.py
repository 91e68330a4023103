"""The numbers of docs/oral.md, chapters 4 and 5: see oral_numbers_a."""

import numpy as np
from oral_numbers_a import LOG_P, ONE, SMALL, X, kl, linear, small_terms

from tinyvae import (
    Adam,
    bernoulli_backward,
    bernoulli_forward,
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
    sigmoid_forward,
)
from tinyvae.exact import LinearBetaVAE


def lowest_value():
    bounds = [SMALL.bound(ONE, m * ONE, v * ONE) for m, v in ((0, 1), (8 / 9, 1 / 9), (8 / 9, 1e-4))]
    prior, posterior, narrow = bounds
    ratio = (1 / 3) / 0.01
    assert abs(LOG_P - narrow - (np.log(ratio) - 0.5)) < 1e-3 and kl(0, 1) == 0
    return [
        "prior N(0, 1), the posterior N(8/9, 1/9), and N(8/9, 0.01²)", f"log p(x) = {LOG_P:.3f}", f"posterior has {posterior:.3f}",
        f"q has {narrow:.3f}", f"has {prior:.3f}", f"ln({ratio:.1f}) = {np.log(ratio):.1f}, less ½", "goes to 0",
    ]  # fmt: skip


def draw_the_graph():
    mu, sigma, eps, x = 1 * ONE, 0.5 * ONE, 2 * ONE, ONE
    z, z_cache = reparameterize_forward(mu, np.log(sigma), eps)
    log_px, px_cache = bernoulli_forward(2 * z, x)
    dl = bernoulli_backward(-np.ones(1), px_cache)
    from_z = reparameterize_backward(2 * dl, z_cache)
    from_kl = kl_backward(np.ones(1), kl_forward(mu, np.log(sigma))[1])
    p, dl, dz, dmu, dls = (float(np.ravel(a)[0]) for a in (sigmoid_forward(2 * z)[0], dl, 2 * dl, from_z[0] + from_kl[0], from_z[1] + from_kl[1]))
    assert z[0, 0] == 2 and abs(float(log_px[0]) - np.log(p)) < 1e-12
    return [
        "x = 1, logit\nl = 2z; μ = 1, σ = ½, ε = 2.", "sigma^2 - 1", f"z = 2, l = 4, p = {p:.3f}", f"`dl` = {dl:.3f}", f"`dz` = {dz:.3f}.",
        f"`dμ` = {dz:.3f} + 1 = {dmu:.3f}", f"½ · 2 · ({dz:.3f}) + ¼ − 1 = {dls:.3f}", "pulled to 0,",
        f"{from_kl[0][0, 0]:.0f} and {from_kl[1][0, 0]:.2f}, the KL",
    ]  # fmt: skip


def which_of_two():
    W, eta = np.array([[2.0, 2.0], [0, 0], [0, 0]]), 1.0
    x = np.array([[0.3, -0.2, 1.0]])

    def gap(W):
        model = linear(W, eta)
        mean, covariance = model.posterior(x)
        return model.score(x) - model.bound(x, mean, np.diag(1 / np.diag(np.linalg.inv(covariance)))), model.score(x)

    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    (lost, score), (after, same) = gap(W), gap(W @ turn)
    precision = np.linalg.inv(linear(W, eta).posterior(x)[1])
    assert abs(score - same) < 1e-12 and abs(after) < 1e-12 and np.allclose(precision, [[5, 4], [4, 5]])
    assert abs(lost - (np.log(25) - np.log(9)) / 2) < 1e-12
    return [
        "ELBO −90.0 and model B −89.5", "[5, 4; 4, 5], a correlation of 0.8", f"½(ln 25 − ln 9) = {lost:.3f} nats", f"rises by {lost:.3f}",
        "is 0.3 lower", f"by {lost - 0.3:.3f}",
    ]  # fmt: skip


def first_step():
    lr, g = 0.001, np.array([1000, 0.001, 1e-8, 0])
    theta, scaled, two = np.zeros(4), np.zeros(4), np.zeros(1)
    Adam(lr).step(theta, g)
    Adam(lr).step(scaled, g / 64)
    assert np.allclose(theta[[0, 1, 3]], scaled[[0, 1, 3]], rtol=1e-3) and abs(scaled[2]) < 0.1 * abs(theta[2])
    adam = Adam(1)
    adam.step(two, np.ones(1))
    adam.step(two, -np.ones(1))
    assert np.allclose(theta, [-lr, -lr, -lr / 2, 0], rtol=1e-4)
    m = 0.9 * 0.1 - 0.1
    return [
        f"learning rate {lr} starts", "gradients 1000, 0.001, 1e-8 and 0.", "divided by 64", "is +1 in the first step and −1 in",
        "g/(|g| + 1e-8)", f"by {-theta[0]:.3f} each", f"half of it, {-theta[2]:.4f},", "loss by 64", "near 1e-8",
        f"0.9 · 0.1 − 0.1 = {m:.2f}, corrected by 1 − 0.9² = {1 - 0.81:.2f}", f"to\n{m / 0.19:.3f}", "corrected is 1:",
        f"only {1 + two[0]:.3f} learning", f"at {two[0]:.3f} of",
    ]  # fmt: skip


def wrong_correction():
    right, adam, b1, b2 = np.zeros(1), Adam(1), 0.9, 0.999
    t = np.arange(1, 20001)
    wrong = (1 - b1**t) / (1 - b1) / np.sqrt((1 - b2**t) / (1 - b2))
    for _ in range(30):
        adam.step(right, np.ones(1))
    assert abs(right[0] + 30) < 1e-5 and abs(wrong[0] - 1) < 1e-12
    limit = np.sqrt(1 - b2) / (1 - b1)
    assert abs(wrong[-1] - limit) < 1e-6
    return [
        "m by 1 − β₁ and v by 1 − β₂ at", "gradient of 1, with β₁ = 0.9 and β₂ = 0.999", "At t = 1 the", "1 − β₁ᵗ and 1 − β₂ᵗ", "m/(1 − β₁)",
        "v/(1 − β₂)", f"second step is {wrong[1]:.2f} learning", f"largest {wrong.max():.2f} (step {t[wrong.argmax()]})",
        f"√0.001/0.1 = {limit:.3f}", "stuck at 1\n",
    ]  # fmt: skip


def above_log_p():
    beta, c = 0.25, 8
    mean, variance = c / (c + beta), beta / (c + beta)
    grid = [(m, v) for m in mean + np.array([-0.01, 0, 0.01]) for v in variance * np.array([0.9, 1, 1.1])]
    values = [e - beta * k for e, k in (small_terms(m, v) for m, v in grid)]
    assert int(np.argmax(values)) == 4
    e, k = small_terms(mean, variance)
    more = LinearBetaVAE(1, 0.1, beta).fit(X).rate_ - LinearBetaVAE(1, 0.1).fit(X).rate_
    assert abs(more - np.log(4) / 2) < 1e-12
    return [
        "β from 0 to 1. At β = ¼", "decoder at β = ¼", "β below 1 it", f"precision {c} against β in place of 1", f"{c}/{c + beta} = {mean:.3f}",
        f"{beta}/{c + beta} = {variance:.3f}", f"there is {e - beta * k:.3f}, above log p(x) = {LOG_P:.3f} by {e - beta * k - LOG_P:.3f}",
        f"with weight 1, is {e - k:.3f}", "read with weight 1:", "every β ≥ 1,", "(β − 1) KL", "tightest at 1.", f"½ ln 4 = {more:.2f}",
    ]  # fmt: skip


NUMBERS = {
    "4.1": lowest_value, "4.2": draw_the_graph, "4.3": which_of_two, "5.1": first_step, "5.2": wrong_correction, "5.3": above_log_p,
}  # fmt: skip
