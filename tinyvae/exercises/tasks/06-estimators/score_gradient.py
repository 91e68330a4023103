# %% [record]
# title: A gradient from values alone
# kind: function
# lecture: D2 | Reparameterization Trick; D4 | Implementation
# notebook: 07
# equation: d/dphi E_q f(z) = E_q [ f(z) d/dphi log q(z) ]
# tag: SCORE.1
# shapes: mu, log_sigma (K,); eps (L, K) -> dmu, dlog_sigma (L, K)
# lines: 5
# minutes: 20
# outputs: dmu dlog_sigma
# tests:
#   values 2 = both parts of every sample's gradient, at three sets of sizes
#   unbiased 2 = the mean over eps is the derivative of E f, which is known here
# steps:
#   dmu = log q(z) at a fixed z [SCORE.1]: one term holds mu_k; then z - mu in terms of eps
#   dlog_sigma = log q(z) at a fixed z [SCORE.1]: two terms hold sigma_k; write each with log sigma_k, differentiate

# %% [markdown]
# How does $\mathbb E f(z)$, $z \sim q = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$, change with $\mu$ and $\log\sigma$,
# if $f$ can be evaluated but *not differentiated*? As $\nabla q = q\,\nabla\log q$,
#
# $$\nabla\, \mathbb E_q f(z) = \mathbb E_q\big[ f(z)\, \nabla \log q(z) \big],$$
#
# where the derivative on the right is taken by the parameters of $q$, at a fixed $z$ (the *score function*).
#
# `mu` and `log_sigma` have the shape (K,), `eps` holds L draws from N(0, I), shape (L, K), and
# $z = \mu + \sigma\epsilon$. `f` is given and takes z (L, K) to (L,). Return, sample by sample and not averaged, what
# stands in the square brackets: `dmu` and `dlog_sigma`, the parts by $\mu$ and by $\log\sigma$, each of shape (L, K).

# %% [given]
def f(z):
    """z (L, K) -> (L,). It may be called, not differentiated."""
    return (z**2).sum(-1) + z[..., 0]

# %% [solution]
def score_gradient(mu, log_sigma, eps):
    """mu, log_sigma (K,), eps (L, K) -> dmu, dlog_sigma, both (L, K)."""
    ### BEGIN SOLUTION
    sigma = np.exp(log_sigma)
    value = f(mu + sigma * eps)[:, None]
    dmu = value * eps / sigma
    dlog_sigma = value * (eps**2 - 1)
    return dmu, dlog_sigma
    ### END SOLUTION

# %% [check]
def inputs(rng, L, K):
    return normal(rng, K), log_scale(rng, K), normal(rng, L + 1, K)

def test_unbiased(student, right, rng):
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)  # exact for polynomials up to degree 23
    eps = np.stack([a.ravel() for a in np.meshgrid(nodes, nodes)], 1)
    weight = np.outer(weights, weights).ravel()[:, None] / (2 * np.pi)
    mu, log_sigma = normal(rng, 2), log_scale(rng, 2)
    dmu, dlog_sigma = student.score_gradient(mu, log_sigma, eps)
    got = (weight * dmu).sum(0), (weight * dlog_sigma).sum(0)
    return same(got, (2 * mu + [1, 0], 2 * np.exp(2 * log_sigma)), rtol=1e-9)

# %% [hints]
# 1. log q(z) = sum_k ( -log sigma_k - (z_k - mu_k)^2 / (2 sigma_k^2) ) + const. Differentiate by mu_k and by log
#    sigma_k with z held fixed.
# 2. Then put z - mu = sigma eps in. How many sigmas are left?
# 3. A test: for f = 1 the mean of both parts must be 0. Is it, given that E eps = 0 and E eps^2 = 1?

# %% [wrong] the normaliser of q is not differentiated: the -1 is lost
# - dlog_sigma = value * (eps**2 - 1)
# + dlog_sigma = value * eps**2

# %% [wrong] the derivative by sigma stands where that by log sigma is wanted
# - dlog_sigma = value * (eps**2 - 1)
# + dlog_sigma = value * (eps**2 - 1) / sigma

# %% [wrong] one sigma is lost: eps is divided by the variance
# - dmu = value * eps / sigma
# + dmu = value * eps / sigma**2

# %% [wrong] z - mu stands undivided in place of eps / sigma
# - dmu = value * eps / sigma
# + dmu = value * eps * sigma

# %% [wrong] the sign is turned: z is differentiated in place of mu
# - dmu = value * eps / sigma
# + dmu = -value * eps / sigma

# %% [wrong] f is left out: the score alone has the mean 0
# - value = f(mu + sigma * eps)[:, None]
# + value = 1.0

# %% [note]
# `tinyvae.estimators.score_function_gradient` is the part by mu. It needs no derivative of f, and pays for it in
# variance: see `score_against_path`.
