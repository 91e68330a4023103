# %% [record]
# title: Two programs that pass the gradient check
# lab: 1.5
# kind: test
# lecture: D2 | Reparameterization Trick; D3 | Loss Function; D4 | Implementation
# notebook: 06a
# equation: z = mu + sigma * eps ~ q(z|x) = N(mu, diag(sigma^2)),  KL = KL(q(z|x) || N(0, I))
# tag: KL.1
# shapes: program.forward: mu, log_var, eps (N, K) -> (z (N, K), kl (N,)), cache; finds: program -> True or False
# lines: 8
# minutes: 20
# tests:
#   pair 1 = `finds` tells program A from program B
#   wrong 1 = `wrong` names the one that is wrong
#   right 1 = no right program is accused, in whatever way it is written, while A or B is
#   draws 1 = programs whose draws are not from N(mu, diag(sigma^2)) are found
#   kl 1 = programs whose KL is not that of N(mu, diag(sigma^2)) to N(0, I) are found, whether mu, sigma or the number of latents shows it

# %% [markdown]
# From the encoder's outputs mu and log_var = $\ln\sigma^2$ a program draws z from $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$ and computes, for
# every datum, the KL of q(z|x) to the prior N(0, I) in nats:
#
#     (z, kl), cache = program.forward(mu, log_var, eps)        mu, log_var, eps, z (N, K); kl (N,); eps ~ N(0, I)
#     dmu, dlog_var = program.backward((dz, dkl), cache)        dz (N, K), dkl (N,); dmu, dlog_var (N, K)
#
# Programs A and B below both pass the gradient check, `check(A.forward, A.backward, mu, log_var, eps, wrt=("mu", "log_var"))`. One of them
# is wrong.
#
# Write `finds(program)`: True if the program is wrong, False if it is right. It must be right on A and B and on further programs
# of this form, all of which pass the gradient check. Then set `wrong` to "A" or "B".
#
# Choose mu, log_var and eps yourself, so that mistakes cannot hide. Random numbers need a fixed seed, and a tolerance that fits their
# number. What is to be held against what: many draws against their mean and variance; the KL against its formula,
# $\tfrac12 \sum_k (\sigma_k^2 + \mu_k^2 - 1 - \ln \sigma_k^2)$, or against the mean of log q(z) - log p(z).

# %% [given]
from types import SimpleNamespace

from tinyvae import check


def a_forward(mu, log_var, eps):
    sigma = np.exp(log_var)
    z = mu + sigma * eps
    kl = (sigma**2 + mu**2 - 1 - np.log(sigma**2)).sum(-1) / 2
    cache = mu, sigma, eps
    return (z, kl), cache


def a_backward(dout, cache):
    mu, sigma, eps = cache
    dz, dkl = dout[0], dout[1][:, None]
    dsigma = dz * eps + dkl * (sigma - 1 / sigma)
    return dz + dkl * mu, dsigma * sigma


def b_forward(mu, log_var, eps):
    z = mu + np.exp(0.5 * log_var) * eps
    kl = -0.5 * (1 + log_var - mu**2 - np.exp(log_var)).sum(-1)
    cache = mu, log_var, eps
    return (z, kl), cache


def b_backward(dout, cache):
    mu, log_var, eps = cache
    dz, dkl = dout[0], dout[1][:, None]
    dmu = dz + dkl * mu
    dlog_var = 0.5 * dz * eps * np.exp(0.5 * log_var) - 0.5 * dkl * (1 - np.exp(log_var))
    return dmu, dlog_var


A = SimpleNamespace(forward=a_forward, backward=a_backward)
B = SimpleNamespace(forward=b_forward, backward=b_backward)

# %% [solution]
def finds(program):
    """program.forward(mu, log_var, eps) -> (z, kl), cache: True if the program is wrong, False if it is right."""
    ### BEGIN SOLUTION
    eps = np.random.default_rng(0).standard_normal((5000, 3))
    mu, log_var = np.tile([1.5, -0.7, 0.4], (5000, 1)), np.tile([0.8, -1.1, 0.5], (5000, 1))
    (z, kl), _ = program.forward(mu, log_var, eps)
    mean = np.allclose(z.mean(0), mu[0], atol=0.1)
    variance = np.allclose(z.var(0), np.exp(log_var[0]), rtol=0.1)
    known = (np.exp(log_var) + mu**2 - 1 - log_var).sum(-1) / 2
    return not (mean and variance and np.allclose(kl, known))
    ### END SOLUTION


### BEGIN SOLUTION
wrong = "A"
### END SOLUTION

# %% [check]
def made(sigma, dsigma, kl, dkl_mu, dkl_log_var):
    """A program by sigma(s) and its derivative, the KL per latent and its two derivatives at (m, s), where m = mu, s = log_var."""

    def forward(mu, log_var, eps):
        return (mu + sigma(log_var) * eps, kl(mu, log_var).sum(-1)), (mu, log_var, eps)

    def backward(dout, cache):
        (dz, dkl), (mu, log_var, eps) = dout, cache
        dkl = dkl[:, None]
        return dz + dkl * dkl_mu(mu, log_var), dz * eps * dsigma(log_var) + dkl * dkl_log_var(mu, log_var)

    return SimpleNamespace(forward=forward, backward=backward)


SIGMA = (lambda s: np.exp(s / 2), lambda s: np.exp(s / 2) / 2)
KL = (lambda m, s: (np.exp(s) + m**2 - 1 - s) / 2, lambda m, s: m, lambda m, s: (np.exp(s) - 1) / 2)


RIGHT = (
    made(*SIGMA, *KL),
    made(lambda s: np.sqrt(np.exp(s)), SIGMA[1], *KL),
    made(lambda s: -np.exp(s / 2), lambda s: -np.exp(s / 2) / 2, *KL),  # -eps is N(0, I) too
    made(*SIGMA, lambda m, s: (np.expm1(s) - s) / 2 + m**2 / 2, *KL[1:]),
)
DRAWS = (
    made(lambda s: np.exp(s), lambda s: np.exp(s), *KL),
    made(lambda s: 0 * s + 1, lambda s: 0 * s, *KL),
    made(lambda s: 0.01 * np.exp(s / 2), lambda s: 0.005 * np.exp(s / 2), *KL),
    made(lambda s: s, lambda s: 0 * s + 1, *KL),
)
OF_KL = (
    made(*SIGMA, lambda m, s: (np.exp(s) + m**2 - 1 - s / 2) / 2, KL[1], lambda m, s: (np.exp(s) - 0.5) / 2),
    made(*SIGMA, lambda m, s: np.exp(s) + m**2 - s / 2 - 0.5, lambda m, s: 2 * m, lambda m, s: np.exp(s) - 0.5),
    made(*SIGMA, lambda m, s: (np.exp(2 * s) + m**2 - 1 - 2 * s) / 2, KL[1], lambda m, s: np.exp(2 * s) - 1),
    made(*SIGMA, lambda m, s: KL[0](m, s) / m.shape[-1], lambda m, s: m / m.shape[-1], lambda m, s: KL[2](m, s) / m.shape[-1]),
    made(*SIGMA, lambda m, s: ((1 + m**2) * np.exp(-s) - 1 + s) / 2, lambda m, s: m * np.exp(-s), lambda m, s: (1 - (1 + m**2) * np.exp(-s)) / 2),
    made(*SIGMA, lambda m, s: (np.exp(s) - 1 - s) / 2, lambda m, s: 0 * m, KL[2]),
)


def twice_the_mean(program):
    """The same with z = 2 mu + sigma eps."""

    def forward(mu, log_var, eps):
        (z, kl), cache = program.forward(mu, log_var, eps)
        return (z + mu, kl), cache

    def backward(dout, cache):
        dmu, dlog_var = program.backward(dout, cache)
        return dmu + dout[0], dlog_var

    return SimpleNamespace(forward=forward, backward=backward)


DRAWS += (twice_the_mean(RIGHT[0]),)


def test_pair(student, right, rng):
    return bool(student.finds(A)) and not student.finds(B)


def test_wrong(student, right, rng):
    return getattr(student, "wrong", None) == right.wrong


def test_right(student, right, rng):
    return not any(map(student.finds, RIGHT)) and bool(student.finds(A))


def test_draws(student, right, rng):
    return all(map(student.finds, DRAWS)) and not student.finds(RIGHT[0])


def test_kl(student, right, rng):
    return all(map(student.finds, OF_KL)) and not student.finds(RIGHT[0])

# %% [hints]
# 1. The gradient check compares backward with forward. What does it know of N(mu, diag(sigma^2))? So compare forward with what is known of that Gaussian.
# 2. At log_var = 0 and mu = 0 nearly every mistake is invisible: sigma, sigma^2 and sigma^4 are all 1. Take several latents, with different mu and log_var, none of them 0.
# 3. With 5000 draws a variance is known to about two per cent. The KL needs no draws: it must agree with the formula to rounding.

# %% [wrong] a gradient check decides
# - mean = np.allclose(z.mean(0), mu[0], atol=0.1)
# + return not check(program.forward, program.backward, mu[:4], log_var[:4], eps[:4], wrt=("mu", "log_var")).ok

# %% [wrong] it is tried at log_var = 0 alone, where sigma, sigma^2 and sigma^4 are 1
# - mu, log_var = np.tile([1.5, -0.7, 0.4], (5000, 1)), np.tile([0.8, -1.1, 0.5], (5000, 1))
# + mu, log_var = np.tile([1.5, -0.7, 0.4], (5000, 1)), np.zeros((5000, 3))

# %% [wrong] it is tried at mu = 0 alone, where a lost mu^2 is not seen
# - mu, log_var = np.tile([1.5, -0.7, 0.4], (5000, 1)), np.tile([0.8, -1.1, 0.5], (5000, 1))
# + mu, log_var = np.zeros((5000, 3)), np.tile([0.8, -1.1, 0.5], (5000, 1))

# %% [wrong] the draws are looked at, and the KL is not
# - return not (mean and variance and np.allclose(kl, known))
# + return not (mean and variance)

# %% [wrong] the KL is looked at, and the draws are not
# - return not (mean and variance and np.allclose(kl, known))
# + return not np.allclose(kl, known)

# %% [wrong] the draws are held against z computed from the same eps, which accuses a program that uses -eps
# - variance = np.allclose(z.var(0), np.exp(log_var[0]), rtol=0.1)
# + variance = np.allclose(z, mu + np.exp(log_var / 2) * eps)

# %% [wrong] ten draws are taken, whose variance is no better known than to a half
# - eps = np.random.default_rng(0).standard_normal((5000, 3))
# + eps = np.random.default_rng(0).standard_normal((10, 3))
# - mu, log_var = np.tile([1.5, -0.7, 0.4], (5000, 1)), np.tile([0.8, -1.1, 0.5], (5000, 1))
# + mu, log_var = np.tile([1.5, -0.7, 0.4], (10, 1)), np.tile([0.8, -1.1, 0.5], (10, 1))

# %% [note]
# A gradient check proves that backward belongs to this forward, a truth test that this forward is the mathematics that was meant: one needs both.
# The package's are in tests/test_truth.py; docs/mistakes.md has many mistakes of this sort from public code.
