# %% [record]
# title: The M-step of probabilistic PCA
# kind: function
# lecture: D1 | Variational Inference (2); D2 | Observation Model (3)
# notebook: 08
# equation: F(theta, q) = E_q log p(x, z) + entropy of q, raised by theta = (W, eta) with q held fixed
# tag: -
# shapes: X (N, D) centred; mean (N, K), covariance (K, K) of q -> W (D, K), eta a number
# lines: 5
# minutes: 25
# outputs: W eta
# tests:
#   values 3 = W and eta are the best for the given q, at three sets of sizes
#   optimum 1 = no small change of W or of eta raises the bound
#   sure 1 = for a q that is sure of its z (covariance 0), W is least squares and eta the mean squared residual
# steps:
#   W = the derivative of the expected error by W, and the moments of z under q that it holds
#   eta = the squared error of a datum, expected under q: at which W, from which parts, for how many pixels

# %% [markdown]
# EM raises one bound from two sides. The E-step has made $q(z_n) = N(m_n, S)$, with the means $m_n$ in the rows of `mean` and one covariance S
# for all data. The M-step holds q and finds the W and η that maximise
# $$\sum_n E_{q(z_n)} \log p(x_n|z_n), \qquad p(x|z) = N(W z, η I).$$
# (The prior and the entropy of q hold neither W nor η. The data are centred, so there is no b.) x and z are columns, W is a D × K matrix, η is a variance.
#
# Write `ppca_em_step(X, mean, covariance)` for X of shape (N, D), mean (N, K) and covariance (K, K). Return W, of shape (D, K), and η, a number.
# Mind that z is not known, only its distribution: $E[z z']$ is not $m m'$.

# %% [solution]
def ppca_em_step(X, mean, covariance):
    """X (N, D) centred, mean (N, K), covariance (K, K) -> W (D, K), eta (a number)."""
    ### BEGIN SOLUTION
    N, D = X.shape
    Sxz = X.T @ mean / N
    Szz = mean.T @ mean / N + covariance
    W = np.linalg.solve(Szz, Sxz.T).T
    spread = np.trace(W @ covariance @ W.T)
    eta = (((X - mean @ W.T) ** 2).sum(1).mean() + spread) / D
    return W, eta
    ### END SOLUTION

# %% [check]
def inputs(rng, K):
    N, D = 4 * K + 5, K + 2
    A = normal(rng, K, K)
    return normal(rng, N, D), normal(rng, N, K), A @ A.T / K + 0.3 * np.eye(K)

def bound(X, mean, covariance, W, eta):
    N, D = X.shape
    error = ((X - mean @ W.T) ** 2).sum() + N * np.trace(W @ covariance @ W.T)
    return -(error / eta + N * D * np.log(2 * np.pi * eta)) / 2

def test_optimum(student, right, rng):
    X, mean, covariance = inputs(rng, 3)
    W, eta = student.ppca_em_step(X, mean, covariance)
    best = bound(X, mean, covariance, W, eta)
    for _ in range(20):
        step = 1e-3 * rng.standard_normal(W.shape)
        if bound(X, mean, covariance, W + step, eta) > best:
            return False
    return bool(best > bound(X, mean, covariance, W, eta * 1.001) and best > bound(X, mean, covariance, W, eta / 1.001))

def test_sure(student, right, rng):
    X, mean, _ = inputs(rng, 2)
    W, eta = student.ppca_em_step(X, mean, np.zeros((2, 2)))
    fit, squares, _, _ = np.linalg.lstsq(mean, X, rcond=None)
    return same((W, eta), (fit.T, squares.sum() / X.size), rtol=1e-9)

# %% [hints]
# 1. Write E||x - W z||^2 with z = m + (z - m). The cross term vanishes. What remains beside ||x - W m||^2?
# 2. The derivative by W is linear in W: it holds the sum of x m' and the sum of E[z z']. Set it to zero and solve for W.
# 3. The optimum of a Gaussian's variance is the mean squared error per pixel; here the error is expected over q, with the new W.

# %% [wrong] the covariance of q is left out of E[z z']
# - Szz = mean.T @ mean / N + covariance
# + Szz = mean.T @ mean / N

# %% [wrong] the covariance of q is counted once for all data, not once for each datum
# - Szz = mean.T @ mean / N + covariance
# + Szz = (mean.T @ mean + covariance) / N

# %% [wrong] the squared error that comes from uncertain z is left out of eta
# - eta = (((X - mean @ W.T) ** 2).sum(1).mean() + spread) / D
# + eta = ((X - mean @ W.T) ** 2).sum(1).mean() / D

# %% [wrong] eta is the squared error of a whole datum, not of a pixel
# - eta = (((X - mean @ W.T) ** 2).sum(1).mean() + spread) / D
# + eta = ((X - mean @ W.T) ** 2).sum(1).mean() + spread

# %% [note]
# With the E-step (the exact posterior) this is EM: log p(x) never falls. In the package both halves stand in `tinyvae.exact.PPCA.em_step`.
