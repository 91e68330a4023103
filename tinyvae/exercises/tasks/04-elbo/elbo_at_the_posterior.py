# %% [record]
# title: A bound that must be met
# kind: test
# lecture: D1 | Variational Inference (2); D3 | Why ELBO?
# notebook: 05
# equation: log p(x) = ELBO(q) + KL(q || p(z|x))
# tag: ELBO.1
# shapes: program: x, mu, log_sigma (N, K), w (K,), eta () -> elbo (N,); finds: program -> True or False
# lines: 9
# minutes: 30
# tests:
#   right 1 = no right program is accused, in whatever way it is written, and one that always returns 0 is found
#   kl 1 = mistakes in the KL are found: its sign, its factor, sigma taken for a variance
#   likelihood 1 = mistakes in the reconstruction term are found: a lost constant, the mean decoded in place of the expectation
#   eta 1 = a standard deviation taken for the variance eta is found
#   sums 1 = means over pixels or latents in place of sums are found
#   mu 1 = a mistake in the KL that shows only where mu is not 0 is found

# %% [markdown]
# An ELBO with a mistake trains without complaint, and a gradient check passes if the backward pass has the same
# mistake. But there are models in which log p(x) and the posterior are known, and at the exact posterior a right
# ELBO equals log p(x). Write the test.
#
# The model: K latents and K pixels, pixel k sees latent k alone: z ~ N(0, I), x_k given z ~ N(w_k z_k, $\eta$),
# with $\eta$ a variance. Then, for every pixel on its own,
#
#     p(x_k)      = N(x_k; 0, w_k^2 + eta)
#     p(z_k|x_k)  = N(z_k; v_k w_k x_k / eta, v_k),     v_k = 1 / (1 + w_k^2 / eta)
#
# `program(x, mu, log_sigma, w, eta)` claims to return the ELBO of q = N(mu, diag(sigma^2)), in nats per datum and
# with the exact expectation over z: x, mu and log_sigma have shape (N, K), w (K,), eta is a number, the ELBO has
# shape (N,). sigma is a standard deviation. `finds(program)` returns True if the program is wrong, False if it is
# right. Choose x, w and eta yourself, so that mistakes cannot hide; no random numbers without a fixed seed.

# %% [solution]
def finds(program):
    """program(x, mu, log_sigma, w, eta) -> elbo (N,): True if it is wrong, False if it is right."""
    ### BEGIN SOLUTION
    x, w, eta = np.array([[1.3, -0.4, 2.1], [0.2, 1.7, -0.9]]), np.array([0.8, -1.5, 2.0]), 0.3
    variance = 1 / (1 + w**2 / eta)
    mu, log_sigma = variance * w * x / eta, np.tile(np.log(variance) / 2, (2, 1))
    total = w**2 + eta
    log_p = -(x**2 / total + np.log(2 * np.pi * total)).sum(-1) / 2
    elbo = program(x, mu, log_sigma, w, eta)
    return not np.allclose(elbo, log_p, rtol=1e-9)
    ### END SOLUTION

# %% [check]
LOG_2PI = np.log(2 * np.pi)


def expected_log_px(x, mu, log_sigma, w, eta):
    return -(((x - w * mu) ** 2 + w**2 * np.exp(2 * log_sigma)) / eta + np.log(eta) + LOG_2PI) / 2


def kl(mu, log_sigma):
    return (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma) / 2


def elbo(x, mu, log_sigma, w, eta):
    return (expected_log_px(x, mu, log_sigma, w, eta) - kl(mu, log_sigma)).sum(-1)


def by_evidence_and_gap(x, mu, log_sigma, w, eta):
    """log p(x) - KL(q || posterior): right too."""
    v, total = 1 / (1 + w**2 / eta), w**2 + eta
    gap = (np.exp(2 * log_sigma) + (mu - v * w * x / eta) ** 2) / v - 1 - 2 * log_sigma + np.log(v)
    return -(x**2 / total + np.log(2 * np.pi * total) + gap).sum(-1) / 2


def by_entropy(x, mu, log_sigma, w, eta):
    """E[log p(x, z)] + entropy of q: right too."""
    prior = -(mu**2 + np.exp(2 * log_sigma) + LOG_2PI) / 2
    return (expected_log_px(x, mu, log_sigma, w, eta) + prior + log_sigma + (1 + LOG_2PI) / 2).sum(-1)


def with_terms(on_px=expected_log_px, on_kl=kl):
    return lambda x, mu, log_sigma, w, eta: (on_px(x, mu, log_sigma, w, eta) - on_kl(mu, log_sigma)).sum(-1)


def told(student, wrong):
    return not student.finds(elbo) and all(student.finds(program) for program in wrong)


def test_right(student, right, rng):
    return not any(map(student.finds, (elbo, by_evidence_and_gap, by_entropy))) and told(student, [lambda x, *_: np.zeros(len(x))])


def test_kl(student, right, rng):
    return told(student, [
        with_terms(on_kl=lambda mu, log_sigma: -kl(mu, log_sigma)),
        with_terms(on_kl=lambda mu, log_sigma: 2 * kl(mu, log_sigma)),
        with_terms(on_kl=lambda mu, log_sigma: kl(mu, log_sigma / 2)),
        with_terms(on_kl=lambda mu, log_sigma: kl(mu, log_sigma) + log_sigma / 2),
        with_terms(on_kl=lambda mu, log_sigma: 0.9 * kl(mu, log_sigma)),
    ])  # fmt: skip


def test_likelihood(student, right, rng):
    return told(student, [
        with_terms(lambda x, mu, log_sigma, w, eta: expected_log_px(x, mu, log_sigma, w, eta) + LOG_2PI / 2),
        with_terms(lambda x, mu, log_sigma, w, eta: expected_log_px(x, mu, log_sigma, w, eta) + np.log(eta) / 2),
        with_terms(lambda x, mu, log_sigma, w, eta: expected_log_px(x, mu, -np.inf, w, eta)),
    ])  # fmt: skip


def test_eta(student, right, rng):
    return told(student, [with_terms(lambda x, mu, log_sigma, w, eta: expected_log_px(x, mu, log_sigma, w, eta**2))])


def test_sums(student, right, rng):
    return told(student, [
        lambda *inputs: expected_log_px(*inputs).mean(-1) - kl(*inputs[1:3]).sum(-1),
        lambda *inputs: expected_log_px(*inputs).sum(-1) - kl(*inputs[1:3]).mean(-1),
        lambda *inputs: (expected_log_px(*inputs) - kl(*inputs[1:3])).mean(-1),
    ])  # fmt: skip


def test_mu(student, right, rng):
    return told(student, [with_terms(on_kl=lambda mu, log_sigma: kl(mu, log_sigma) + mu**2 / 2)])


# %% [hints]
# 1. Put the posterior's mean and standard deviation in for q. Both sides are then known: compare them for every
# datum.
# 2. At which numbers does a mistake hide? sigma against its square, eta against its square, a mean over one
# latent, x = 0: avoid each.

# %% [wrong] it asks only whether the ELBO lies below log p(x), and lets all programs pass that are too low
# - return not np.allclose(elbo, log_p, rtol=1e-9)
# + return bool((elbo > log_p + 1e-9).any())

# %% [wrong] eta = 1 hides a standard deviation that is taken for a variance
# - x, w, eta = np.array([[1.3, -0.4, 2.1], [0.2, 1.7, -0.9]]), np.array([0.8, -1.5, 2.0]), 0.3
# + x, w, eta = np.array([[1.3, -0.4, 2.1], [0.2, 1.7, -0.9]]), np.array([0.8, -1.5, 2.0]), 1.0

# %% [wrong] one latent and one pixel hide a mean that is taken for a sum
# - x, w, eta = np.array([[1.3, -0.4, 2.1], [0.2, 1.7, -0.9]]), np.array([0.8, -1.5, 2.0]), 0.3
# + x, w, eta = np.array([[1.3], [0.2]]), np.array([0.8]), 0.3

# %% [wrong] data at 0 put the posterior's mean at 0, where mistakes in mu are hidden
# - x, w, eta = np.array([[1.3, -0.4, 2.1], [0.2, 1.7, -0.9]]), np.array([0.8, -1.5, 2.0]), 0.3
# + x, w, eta = np.zeros((2, 3)), np.array([0.8, -1.5, 2.0]), 0.3

# %% [wrong] the prior is put in for q, where the ELBO of a right program is below log p(x)
# - mu, log_sigma = variance * w * x / eta, np.tile(np.log(variance) / 2, (2, 1))
# + mu, log_sigma = 0 * x, 0 * x

# %% [wrong] the log of the variance is handed over in place of log sigma
# - mu, log_sigma = variance * w * x / eta, np.tile(np.log(variance) / 2, (2, 1))
# + mu, log_sigma = variance * w * x / eta, np.tile(np.log(variance), (2, 1))

# %% [note]
# The package's own tests do this with probabilistic PCA, whose linear VAE has the exact posterior: `PPCA.to_vae`
# (notebook 09). A wrong factor of log sigma in the KL, with a backward pass to match, passes every gradient check
# and fails here.
