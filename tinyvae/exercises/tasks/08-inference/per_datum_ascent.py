# %% [record]
# title: Inference without an encoder: one step uphill
# kind: function
# lecture: D1 | Variational Inference for VAE; D2 | Amortization
# notebook: 08
# equation: ELBO(lambda_i) = E_q log p(x_i|z) - KL(q(z; lambda_i) || p(z)),  lambda_i = (mu_i, log sigma_i)
# tag: -
# shapes: mu, log_sigma, eps (N, K); x (N, D); W (D, K); eta, lr numbers -> mu, log_sigma (N, K)
# lines: 6
# minutes: 30
# outputs: mu log_sigma
# tests:
#   values 2 = mu and log_sigma after one step, at three sets of sizes
#   slope 2 = the step is lr times the gradient of the ELBO at the given eps, by differences
#   alone 1 = a datum's step does not depend on how many others there are
#   climbs 1 = many small steps end where the ELBO is highest
# steps:
#   mu = the two paths from mu to the ELBO, through z [REP.2] and through the KL [KL.2], and their signs
#   log_sigma = the two paths from log sigma to the ELBO, through z [REP.2] and the KL [KL.2]; on both sigma lies between

# %% [markdown]
# Before there were encoders, every datum $x_i$ had variational parameters of its own, $λ_i = (μ_i, \log σ_i)$, found by gradient ascent on its own ELBO:
# D1's $ELBO(λ_i)$, the first of the two steps in D2. With one sample $z = μ + σ ε$ for each datum the ELBO is
# $$\log p(x|z) - \frac12 \sum_k (σ_k^2 + μ_k^2 - 1 - \ln σ_k^2).$$
#
# Write one step, `per_datum_ascent(mu, log_sigma, eps, x, W, eta, lr)`: mu, log_sigma and eps have shape (N, K), a row for each datum; lr is the learning rate.
# x of shape (N, D) holds the data. The decoder, W of shape (D, K) with noise of variance eta, is linear and stays as it is:
# `log_px_and_dz(z, x, W, eta)`, given below, returns log p(x|z), of shape (N,), and its gradient by z, of shape (N, K).
# Every datum climbs its own ELBO, in nats, as if it were alone. Return the new mu and log_sigma; the arrays that come in must not be changed.

# %% [given]
def log_px_and_dz(z, x, W, eta):
    """log N(x; W z, eta I) of every row, (N,), and its gradient by z, (N, K)."""
    r = x - z @ W.T
    return -(r**2 / eta + np.log(2 * np.pi * eta)).sum(1) / 2, r @ W / eta

# %% [solution]
def per_datum_ascent(mu, log_sigma, eps, x, W, eta, lr):
    """mu, log_sigma, eps (N, K), x (N, D), W (D, K), eta and lr numbers -> new mu, new log_sigma, both (N, K)."""
    ### BEGIN SOLUTION
    sigma = np.exp(log_sigma)
    _, dz = log_px_and_dz(mu + sigma * eps, x, W, eta)
    dmu = dz - mu
    dlog_sigma = dz * eps * sigma - (sigma**2 - 1)
    return mu + lr * dmu, log_sigma + lr * dlog_sigma
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K, D):
    return normal(rng, N, K), log_scale(rng, N, K), normal(rng, N, K), normal(rng, N, D), normal(rng, D, K), float(positive(rng)), float(rng.uniform(0.01, 0.06))

def elbo(mu, log_sigma, eps, x, W, eta):
    kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma).sum() / 2
    return log_px_and_dz(mu + np.exp(log_sigma) * eps, x, W, eta)[0].sum() - kl

def test_slope(student, right, rng):
    mu, log_sigma, eps, x, W, eta, lr = inputs(rng, 3, 2, 5)
    new = student.per_datum_ascent(mu, log_sigma, eps, x, W, eta, lr)
    for which, (old, after) in enumerate(zip((mu, log_sigma), new)):
        slope = np.zeros(old.shape)
        for at in np.ndindex(*old.shape):
            moved = []
            for h in (1e-5, -1e-5):
                q = [mu.copy(), log_sigma.copy()]
                q[which][at] += h
                moved.append(elbo(*q, eps, x, W, eta))
            slope[at] = (moved[0] - moved[1]) / 2e-5
        if not same((after - old) / lr, slope, rtol=1e-6):
            return False
    return True

def test_alone(student, right, rng):
    mu, log_sigma, eps, x, W, eta, lr = inputs(rng, 5, 3, 4)
    together = student.per_datum_ascent(mu, log_sigma, eps, x, W, eta, lr)
    alone = student.per_datum_ascent(mu[2:3], log_sigma[2:3], eps[2:3], x[2:3], W, eta, lr)
    return same([a[2:3] for a in together], alone, rtol=1e-12) and not same(together[1], log_sigma) and bool(np.isfinite(together[0]).all())

def test_climbs(student, right, rng):
    W, x, eta = np.array([[1.2], [-0.7]]), np.array([[0.9, 0.4]]), 0.5
    mu, log_sigma = np.array([[1.5]]), np.array([[0.4]])
    for step in range(1200):  # eps = 1 and -1 in turns: mean 0, variance 1, as N(0, 1)
        mu, log_sigma = student.per_datum_ascent(mu, log_sigma, np.array([[(-1.0) ** step]]), x, W, eta, 0.01)
    precision = 1 + (W**2).sum() / eta
    return abs(mu[0, 0] - (x @ W)[0, 0] / eta / precision) < 0.02 and abs(np.exp(log_sigma[0, 0]) - precision**-0.5) < 0.02

# %% [hints]
# 1. Draw the graph: mu reaches the ELBO by two paths, through z and through the KL, and so does log sigma.
# 2. Through z: dz comes from the decoder; z = mu + sigma eps, and sigma = exp(log sigma).
# 3. The KL stands in the ELBO with a minus sign, and the step goes uphill.

# %% [wrong] the step goes downhill
# - return mu + lr * dmu, log_sigma + lr * dlog_sigma
# + return mu - lr * dmu, log_sigma - lr * dlog_sigma

# %% [wrong] the gradient of the KL has the wrong sign
# - dmu = dz - mu
# + dmu = dz + mu
# - dlog_sigma = dz * eps * sigma - (sigma**2 - 1)
# + dlog_sigma = dz * eps * sigma + (sigma**2 - 1)

# %% [wrong] the factor sigma of the chain rule is missing
# - dlog_sigma = dz * eps * sigma - (sigma**2 - 1)
# + dlog_sigma = dz * eps - (sigma**2 - 1)

# %% [wrong] the KL is left out: only the reconstruction is climbed
# - dmu = dz - mu
# + dmu = dz
# - dlog_sigma = dz * eps * sigma - (sigma**2 - 1)
# + dlog_sigma = dz * eps * sigma

# %% [wrong] the mean over the data is climbed: every step is N times too small
# - return mu + lr * dmu, log_sigma + lr * dlog_sigma
# + return mu + lr * dmu / len(mu), log_sigma + lr * dlog_sigma / len(mu)

# %% [wrong] the arrays that came in are changed
# - return mu + lr * dmu, log_sigma + lr * dlog_sigma
# + mu += lr * dmu
# + log_sigma += lr * dlog_sigma
# + return mu, log_sigma

# %% [note]
# These are the VAE's own gradients, with mu and log sigma as free arrays in the place of the encoder's outputs: `LocalPosterior` in tinyvae/zoo/local_vi.py.
# An encoder does all these steps at once, and pays the amortisation gap.
