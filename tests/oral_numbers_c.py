"""The numbers of docs/oral.md, chapters 6 to 10: see oral_numbers_a."""

import math

import numpy as np
from oral_numbers_a import LOG_P, ONE, X, kl, linear, small_terms

from tinyvae import gaussian_forward, iwae_bound_forward
from tinyvae.estimators import (
    reparameterized_gradient,
    score_function_gradient,
    standard_error,
    weights_have_finite_variance,
)
from tinyvae.exact import PCA, PPCA, GridPosterior, LinearBetaVAE
from tinyvae.likelihoods.bernoulli import grey_floor
from tinyvae.priors.standard import standard_normal_forward
from tinyvae.train.measures import independent_pixels


def constant_added():
    eps, w = np.polynomial.hermite_e.hermegauss(60)
    eps, w, one, zero = eps[:, None], w / w.sum(), np.ones(1), np.zeros(1)

    def moments(samples):
        mean = w @ samples[:, 0]
        return mean, w @ samples[:, 0] ** 2 - mean**2

    def score(c):
        return moments(score_function_gradient(lambda z: (z**2).sum(1) + c, one, zero, eps))

    path = moments(reparameterized_gradient(lambda z: 2 * z, one, zero, eps))
    plain, shifted, based = score(0), score(100), score(-2)
    assert np.allclose([path[0], plain[0], shifted[0], based[0]], 2)
    e = np.random.default_rng(0).standard_normal((100_000, 1))
    wild = [
        score_function_gradient(lambda z: np.sin(10 * z).sum(1), one, zero, e).var(),
        reparameterized_gradient(lambda z: 10 * np.cos(10 * z), one, zero, e).var(),
    ]
    error = 0.1
    return [
        "E z² by μ, z from N(μ, σ²), at μ = σ = 1", f"variance {plain[1]:.0f}, one of the sample path {path[1]:.0f}.", "add 100 to", "z² + 100.",
        "z² − 2,", "f(z)(z − μ)/σ² = f(z) ε", f"2μ = {path[0]:.0f}.", f"stays {path[1]:.0f}.", f"becomes {shifted[1]:.0f}.", "E ε = 0.",
        f"error of {error} the path needs {path[1] / error**2:.0f} samples", f"{shifted[1] / error**2:.0f}. In", "some −100 nats",
        f"falls to {based[1]:.0f};", f"sin 10z it has about {wild[0]:.1f}", f"about {wild[1]:.0f};",
    ]  # fmt: skip


def works_great():
    def of(s):
        """Variance of the weights and effective share, and the same by quadrature of p^2 / q."""
        variance = s**2 / np.sqrt(2 * s**2 - 1) - 1
        z = np.linspace(-40, 40, 400_001)
        square = np.exp(2 * standard_normal_forward(z[:, None])[0] + (z / s) ** 2 / 2 + np.log(s * np.sqrt(2 * np.pi))).sum() * (z[1] - z[0])
        assert abs(square - 1 - variance) < 1e-6
        return variance, 100 / (1 + variance)

    narrow, wide = of(0.75), of(1.5)
    assert [weights_have_finite_variance(ONE, ONE / s**2) for s in (0.7, 0.75, 1.5)] == [False, True, True]
    ess = []
    for seed in range(6):
        z = 0.7 * np.random.default_rng(seed).standard_normal(5000)
        ess.append(1 / (iwae_bound_forward((z**2 / (2 * 0.7**2) - z**2 / 2)[:, None])[1] ** 2).sum())
    ess = np.round(sorted(ess), -2).astype(int)

    def finite(r):
        return weights_have_finite_variance(np.array([[1, r], [r, 1]]), np.eye(2))

    assert finite(0.499) and not finite(0.501)
    return [
        "be N(0, 1) and q = N(0, s²). For s = 0.7, s = 0.75 and s = 1.5", "With s = 0.7 a run of 5000", f"of about {ess[-1]}.", "E w² is",
        "of p²/q,", "exp(−z²(1 − 1/2s²))", "s² > ½", f"s > {np.sqrt(0.5):.3f}", "at s = 0.7 the", "at 0.75\n", "of mean 1,",
        f"s²/√(2s² − 1) − 1 = {narrow[0]:.3f}", f"1/{1 + narrow[0]:.3f} = {narrow[1]:.0f} %", f"at 1.5 it is {wide[0]:.3f}, and {wide[1]:.0f} %",
        f"give {ess[0]} to {ess[-2]}:", "2Λ − diag Λ", "correlation of 0.5 on",
    ]  # fmt: skip


def shortcut_in_the_weights():
    mean, variance = 8 / 9, 1 / 9
    log_px, k = small_terms(mean, variance)
    assert abs(log_px - k - LOG_P) < 1e-12
    inner = float(gaussian_forward(mean * ONE, ONE, 1 / 8 + variance)[0][0])
    z, w = np.polynomial.hermite_e.hermegauss(60)
    z = mean + z[:, None] / 3
    by_sum = np.log(w / w.sum() @ np.exp(gaussian_forward(z, np.ones_like(z), 1 / 8)[0]))
    assert abs(by_sum - inner) < 1e-6
    log_q = gaussian_forward(mean + 0 * z, z, variance)[0]
    weights = gaussian_forward(z, np.ones_like(z), 1 / 8)[0] + standard_normal_forward(z)[0] - log_q
    assert np.abs(weights - LOG_P).max() < 1e-9, "every right weight is p(x)"
    return [
        "for k = 1 and for", f"At k = 1 its mean is the ELBO, here log p(x) = {LOG_P:.3f}", "N(8/9, 1/9)", "x = 1 under\nN(8/9, 1/8 + 1/9)",
        f"log is {inner:.3f}", f"The KL is {k:.3f}", f"limit is {inner - k:.3f}, above log p(x) by {inner - k - LOG_P:.3f} nats",
        "tests at k = 1",
    ]  # fmt: skip


def three_eigenvalues():
    values, eta = np.array([4, 1, 1 / 4]), 0.5
    data = np.vstack([np.diag(np.sqrt(3 * values)), -np.diag(np.sqrt(3 * values))])
    model, strong = LinearBetaVAE(3, eta).fit(data), LinearBetaVAE(3, eta, beta=4).fit(data)
    assert np.allclose(PCA(3).fit(data).eigenvalues_, values) and strong.active_units_ == 1
    assert abs(model.rate_ - (np.log(8) + np.log(2)) / 2) < 1e-12 and list(eta / values[:2]) == [1 / 8, 1 / 2]
    return [
        "eigenvalues 4, 1 and ¼.", "K = 3 and η = ½", "at β = 4.", f"4 and 1 are above ½, ¼ is not, so {model.active_units_} latents",
        "s² = η/λ = 1/8 and 1/2;", "variance 1.", f"½ ln 8 + ½ ln 2 = {model.rate_:.3f} nats: ½ ln(λ/η)", "μ² + s² = 1, and only −½ ln s² is",
        f"½ + ½ + ¼ = {model.distortion_:.2f}", f"βη = {4 * eta:.0f}.", f"{strong.rate_:.3f} nats", f"2 + 1 + ¼ = {strong.distortion_:.2f}",
    ]  # fmt: skip


def whose_axes():
    eta, x = 0.1, np.array([[0.3, -0.2, 1.0]])
    W = np.array([[np.sqrt(15 * eta), 0], [0, np.sqrt(3 * eta)], [0, 0]])  # lambda = |w|^2 + eta
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    straight, turned = linear(W, eta), linear(W @ turn.T, eta)
    precision = np.linalg.inv(turned.posterior(x)[1])
    assert np.allclose(np.linalg.inv(straight.posterior(x)[1]), np.diag([16, 4])) and np.allclose(abs(precision), [[10, 6], [6, 10]])
    loss = turned.score(x) - turned.bound(x, turned.posterior(x)[0], np.diag(1 / np.diag(precision)))
    assert abs(loss - np.log(100 / 64) / 2) < 1e-12 and abs(turned.score(x) - straight.score(x)) < 1e-12
    return [
        "R⁻¹", "by 45° if λ/η is 16 and 4", "½(Σ ln Λ_jj − ln |Λ|)", "diag(16, 4); turned by 45° it is [10, 6; 6, 10]",
        f"½ ln(100/64) = {loss:.3f} nats",
    ]  # fmt: skip


def four_of_eight():
    values, eta = PCA(8).fit(X).explained_variance_, 0.3
    active, best = LinearBetaVAE(8, eta).fit(X).active_units_, PPCA(8).fit(X).noise_variance_
    gain = (values / eta - 1 - np.log(values / eta)) / 2
    assert best < values[7] and active == 4
    return [
        f"K = 8 and η = {eta}, uses {active} latents", f"eigenvalue are {values[3]:.3f} and {values[4]:.3f}",
        f"{values[3]:.3f} does, {values[4]:.3f} does not, so {active} is", f"third eigenvalue, {values[2]:.3f},",
        f"½(λ/η − 1 − ln(λ/η)) = {gain[2]:.3f} nats", f"only {gain[3]:.3f},",
        f"value is {best:.3f}, below the eighth eigenvalue, {values[7]:.3f}",
    ]  # fmt: skip


def a_budget():
    log_p, best, encoder = -90.0, -90.8, -92.3
    a, b = log_p - best, best - encoder
    return [
        f"log p(x) = {log_p:.1f}, the best diagonal Gaussian q for each datum {best}, the encoder's q {encoder}", "with 50 samples",
        f"gap {a:.1f} nats", f"gap {b:.1f} nats", f"together {a + b:.1f}.", f"most {b:.1f}.", f"most {a:.1f} by", f"same {log_p:.1f},",
        f"moves {log_p:.1f}.", f"the {a + b:.1f} nats call",
    ]  # fmt: skip


def mean_field():
    def cost(rho):
        """What a diagonal q loses under a posterior of this precision, and how much too small its spread is: [KLF.1]'s exact cousin."""
        precision = np.array([[1, rho], [rho, 1]])
        gap = (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / 2
        assert abs(gap + np.log(1 - rho**2) / 2) < 1e-12
        return gap, np.sqrt(1 / np.diag(precision)[0] / np.linalg.inv(precision)[0, 0])

    one = np.sqrt(1 - np.exp(-2))
    assert abs(cost(one)[0] - 1) < 1e-12 and abs(cost(0.9)[1] - np.sqrt(1 - 0.81)) < 1e-12
    return [
        f"with {len(X)} digits the error adds up {len(X)} times", "correlation 0.5, 0.9?", "p(z_1, …, z_N∣x_1, …, x_N)",
        "½(Σ ln Λ_jj − ln |Λ|) = −½ ln(1 − ρ²)",
        f"{cost(0.5)[0]:.3f} nats at 0.5, {cost(0.9)[0]:.3f} at 0.9; one nat at ρ = √(1 − e⁻²) = {one:.3f}", f"over {len(X)} digits", "1/Λ_jj",
        f"√(1 − ρ²), {cost(0.9)[1]:.2f} at 0.9",
    ]  # fmt: skip


def two_humps():
    x, eta = 4, 0.1

    def elbo(m, v):
        fourth = m**4 + 6 * m**2 * v + 3 * v**2
        return -(x**2 - 2 * x * (m**2 + v) + fourth) / (2 * eta) - np.log(2 * np.pi * eta) / 2 - (v + m**2 - 1 - np.log(v)) / 2

    grid = GridPosterior(lambda x, z: gaussian_forward(z**2, x, eta)[0], n_latent=1)
    log_p, modes = grid.log_evidence(x * ONE)[0], grid.modes(np.array([float(x)]))[:, 0]
    mean, covariance = (float(np.ravel(a)[0]) for a in grid.moments(x * ONE))
    m, s = np.meshgrid(np.linspace(1.97, 2, 301), np.linspace(0.06, 0.1, 401))
    values = elbo(m, s**2)
    best, m, s = values.max(), m.flat[values.argmax()], s.flat[values.argmax()]
    z = m + s * np.random.default_rng(0).standard_normal(2000)  # of half the mixture; the other half is its mirror image
    humps = [np.exp(-(((z - c) / s) ** 2) / 2) for c in (m, -m)]
    assert abs(np.mean(np.log(humps[0] + humps[1]) - np.log(humps[0]))) < 1e-9 and abs(best + np.log(2) - log_p) < 0.002, "they do not overlap"
    moment = elbo(0, covariance)
    assert abs(mean) < 1e-9 and abs(log_p - best - np.log(2)) < 0.002
    drop = float((gaussian_forward(x * ONE, x * ONE, eta)[0] - gaussian_forward(0 * ONE, x * ONE, eta)[0])[0])
    return [
        f"N(z², {eta}), x = {x}.", "at +2 and at −2", f"±{modes.max():.2f}. The", f"±{m:.3f} with σ = {s:.3f}",
        f"ELBO is {best:.3f}, while log p(x) = {log_p:.3f}: it loses {log_p - best:.3f}", "about ln 2,",
        f"average, 0, log p(x∣z) is {x**2}/{2 * eta} = {drop:.0f} nats",
        f"mean 0 and the exact variance {covariance:.2f} has the ELBO {moment:.1f}, worse by {log_p - moment:.0f} nats",
        f"by ln 2 = {np.log(2):.3f},",
    ]  # fmt: skip


def mass_within(r2, K):
    """P(|z|^2 < r2) for z ~ N(0, I) in an even number K of dimensions."""
    return 1 - math.exp(-r2 / 2) * sum((r2 / 2) ** j / math.factorial(j) for j in range(K // 2))


def midpoint():
    share = {K: 100 * mass_within(K / 2, K) for K in (2, 10, 50)}
    K = 50
    z = np.zeros((2, K))
    z[0], z[1] = np.sqrt(1), np.sqrt(1 / 2)  # |z|^2 = K and K / 2
    density = np.diff(standard_normal_forward(z)[0])[0]
    return [
        f"K = {K}.", "Estimate |z|² of", "|z|² is a sum", "K = 10 and K = 2. Which", f"of {K} squares of mean 1: about {K}.", f"about {K // 2}.",
        f"factor e^{density:.1f}, for log p = −½|z|²", f"|z|² < {K // 2} happens to {share[50]:.2f} %", "near 0.",
        f"for K = 10 it is {share[10]:.1f} % (|z|² < 5)", f"for K = 2 it is {share[2]:.0f} % (|z|² < 1)",
    ]  # fmt: skip


def abnormal():
    D = 64
    at_zero, typical = (float(standard_normal_forward(np.full((1, D), a))[0][0]) for a in (0.0, 1.0))
    spread = np.sqrt(2 * D) / 2  # |x|^2 has the variance 2 D
    return [
        f"N(0, I) in D = {D}", "point x = 0, and", f"−½|x|² − {D // 2} ln 2π", f"|x|² = {D}, so log p = {typical:.1f}",
        f"√({D}/2) = {spread:.2f}",
        f"point 0 has {at_zero:.1f}: {at_zero - typical:.0f} nats above the typical value, {(at_zero - typical) / spread:.2f} standard",
        "below ½ for",
    ]  # fmt: skip


def how_many_images():
    N, M = len(X), 60000
    low, high = 12 - math.log(N), 26 - math.log(M)
    return [
        f"N = {N} images has a mean KL of 12 nats", "KL is 5?", f"N = {M} and the mean KL is 26", f"ln N = {math.log(N):.2f} nats",
        f"12 − {math.log(N):.2f} = {low:.2f}:", f"e^({-low:.2f}) = {100 * math.exp(-round(low, 2)):.1f} %", "At 5 nats",
        f"With {M} images ln N = {math.log(M):.1f}, so at least {high:.1f} nats", "pulled to N(0, I)",
    ]  # fmt: skip


def better_by():
    b, a, N, spread, r, seed, n = 97.3, 97.9, 10000, 30, 0.98, 0.5, 3
    gain, half = a - b, np.sqrt((1 - r) / 2)
    signs = np.repeat([1, -1], N // 2)  # a difference of N images of just that spread
    paired = float(standard_error(2 * spread * half * signs))
    apart, vary, method = spread * np.sqrt(2 / N), spread * np.sqrt(2 * (1 - r)), seed * np.sqrt(2 / n)
    assert abs(paired - vary / np.sqrt(N)) < 1e-4
    assert abs(gain / paired - 10) < 0.1 and abs(gain / method - 1.5) < 0.05
    trainings = 2 * seed**2 / (gain / 3) ** 2
    return [
        f"Better by {gain:.1f} nats", f"= {b}, the baseline A {a}.", f"are {N} test", f"by {spread} nats", f"of {r}\n", f"result by {seed} nats",
        f"have {gain:.1f} at three", f"{spread} √2/√{N} = {apart:.2f}", f"{spread} √(2 · {1 - r:.2f}) = {vary:.1f} nats", f"error {paired:.2f}.",
        f"{seed} √2 = {seed * np.sqrt(2):.2f}", f"{seed} √(2/{n}) = {method:.2f}, and {gain:.1f} is {gain / method:.1f} of",
        f"error of {gain / 3:.1f} needs 2 · {seed**2}/{(gain / 3) ** 2:.2f} = {trainings:.1f}, so {math.ceil(trainings)} trainings",
        f"images {gain:.1f} nats cannot",
    ]  # fmt: skip


def read_the_log():
    pixels, floor, D = independent_pixels("bernoulli", X, X), grey_floor(X), X.shape[1]
    return [
        "8×8", f"reconstruction {pixels:.1f}, KL {kl(0, 1):.3f}.", f"number {pixels:.1f} tell", f"falls towards {floor:.1f},",
        f"{pixels:.1f} is the loss", f"over {D} pixels", f"β = {D};", "β from 0,", "at β = 0,", f"{floor:.1f} is the mean", "goes to 0,",
        "weight is 0,",
    ]  # fmt: skip


def three_tests():
    model = PPCA(8).fit(X)
    best, eta = model.score(X), model.noise_variance_
    vae = model.to_vae()
    k = np.mean(vae.elbo_terms(X[:200])[1])
    assert k > 1, "a mean over latents in place of the sum would show"
    lost = X.shape[1] / 2 * np.log(2 * np.pi * eta)
    return [
        f"K = 8, whose best log p(x) is {best:.8f} nats", "in float64", "sizes above 1", "log σ = 0.", "doubled 1/N.", "σ² for σ,",
        f"come out as {best:.8f}", f"½ ln 2πη per pixel alone by {abs(lost):.1f} nats", "at K = 2;",
    ]  # fmt: skip


NUMBERS = {
    "6.1": constant_added, "6.2": works_great, "6.3": shortcut_in_the_weights, "7.1": three_eigenvalues, "7.2": whose_axes, "7.3": four_of_eight,
    "8.1": a_budget, "8.2": mean_field, "8.3": two_humps, "9.1": midpoint, "9.2": abnormal, "9.3": how_many_images,
    "10.1": better_by, "10.2": read_the_log, "10.3": three_tests,
}  # fmt: skip
