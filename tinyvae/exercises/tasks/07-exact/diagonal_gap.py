# %% [record]
# title: What a diagonal q loses on a Gaussian posterior
# kind: function
# lecture: D3 | Common Restrictions on $Q$; D4 | Implementation
# notebook: 09
# equation: KL(N(m, S) || N(nu, Lambda^-1)) = 1/2 (tr(Lambda S) + (m - nu)'Lambda (m - nu) - K - ln|S| - ln|Lambda|)
# tag: -
# shapes: precision (K, K) -> gap a number
# lines: 2
# minutes: 20
# outputs: gap
# rtol: 1e-9
# tests:
#   values 1 = the gap, at three sets of sizes
#   sampled 1 = it agrees with an estimate of KL(q || p(z|x)) by sampling, at the best q of three random posteriors
#   by_hand 1 = for the precision ((3, 1), (1, 1)) the gap is half the logarithm of 3/2, for ((2, 1, 0), (1, 2, 1), (0, 1, 2)) half that of 2
#   diagonal 1 = a posterior whose latents are independent leaves no gap, and the scale of the latents changes nothing
# steps:
#   gap = the terms of the KL that hold one sigma_j: where their derivative is zero, and what remains there

# %% [markdown]
# The exact posterior of a linear model is a Gaussian $N(ν, Λ^{-1})$, whose precision matrix Λ is in general not diagonal.
# The best diagonal $q = N(m, diag(σ_1^2, ..., σ_K^2))$ is the one that makes $KL(q \| p(z|x))$ least, and this least KL is the gap that the ELBO keeps.
# The KL of two Gaussians is
# $$KL(N(m, S) \| N(ν, Λ^{-1})) = \frac12 (tr(Λ S) + (m - ν)'Λ(m - ν) - K - \ln|S| - \ln|Λ|).$$
#
# Find the best m and σ on paper, put them back, and write `diagonal_gap(precision)`: precision is Λ, of shape (K, K); return the least KL, a number in nats.

# %% [solution]
def diagonal_gap(precision):
    """precision (K, K) of a Gaussian posterior -> the least KL of a diagonal q, a number in nats."""
    ### BEGIN SOLUTION
    log_det = np.linalg.slogdet(precision)[1]
    return (np.log(np.diag(precision)).sum() - log_det) / 2
    ### END SOLUTION

# %% [check]
# rtol 1e-9: the gap is a small difference of logarithms, and a determinant may be had in several ways
def inputs(rng, K):
    while True:
        A = normal(rng, K, K)
        precision = A @ A.T + np.diag(positive(rng, K))
        if precision[0, 1] ** 2 > 0.01 * precision[0, 0] * precision[1, 1]:  # a gap near 0 would be made of rounding
            return precision

def test_sampled(student, right, rng):
    for _ in range(3):
        precision = inputs(rng, 4)
        z = rng.standard_normal((100, 4))
        z = np.linalg.solve(np.linalg.cholesky(z.T @ z / 100), z.T).T  # their second moments are exactly those of N(0, I), so the estimate is exact
        z = z / np.sqrt(np.diag(precision))
        log_det = np.linalg.slogdet(precision)[1]
        log_ratio = ((z @ precision * z).sum(1) - log_det - (z**2 * np.diag(precision) - np.log(np.diag(precision))).sum(1)) / 2
        if not abs(student.diagonal_gap(precision) - log_ratio.mean()) < 1e-9:
            return False
    return True

def test_by_hand(student, right, rng):
    two, three = np.array([[3.0, 1.0], [1.0, 1.0]]), np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]])
    return same([student.diagonal_gap(two), student.diagonal_gap(three)], [np.log(3 / 2) / 2, np.log(2) / 2], rtol=1e-9)

def test_diagonal(student, right, rng):
    precision, scale = inputs(rng, 3), positive(rng, 3)
    gaps = [student.diagonal_gap(p) for p in (precision, precision * np.outer(scale, scale))]
    return bool(abs(student.diagonal_gap(np.diag([0.4, 2.0, 5.0]))) < 1e-12) and bool(gaps[0] > 1e-6) and same(gaps[0], gaps[1], rtol=1e-9)

# %% [hints]
# 1. For a diagonal S the trace is a sum over j of Lambda_jj sigma_j^2, and ln|S| a sum of logarithms: each sigma_j has an optimum of its own.
# 2. Set the derivative by sigma_j^2 to zero. At the optimum the trace is a number that you know; which terms are left?

# %% [wrong] the widths are those of the exact marginals, not the best ones
# - return (np.log(np.diag(precision)).sum() - log_det) / 2
# + covariance = np.linalg.inv(precision)
# + return ((np.diag(precision) * np.diag(covariance)).sum() - len(precision) - np.log(np.diag(covariance)).sum() - log_det) / 2

# %% [wrong] the difference is turned round: the gap is negative
# - return (np.log(np.diag(precision)).sum() - log_det) / 2
# + return (log_det - np.log(np.diag(precision)).sum()) / 2

# %% [wrong] the half is missing
# - return (np.log(np.diag(precision)).sum() - log_det) / 2
# + return np.log(np.diag(precision)).sum() - log_det

# %% [wrong] the covariance stands for the precision
# - return (np.log(np.diag(precision)).sum() - log_det) / 2
# + return (np.log(np.diag(np.linalg.inv(precision))).sum() + log_det) / 2

# %% [note]
# That it is never negative is Hadamard's inequality. In probabilistic PCA the precision is I + W'W/η: the gap is zero where the columns of W are orthogonal,
# which is why a linear VAE turns its latents to the principal axes (notebook 09).
