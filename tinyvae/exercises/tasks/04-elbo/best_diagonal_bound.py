# %% [record]
# title: What a diagonal q leaves
# kind: function
# lecture: D3 | Common Restrictions on $Q$; D1 | Variational Inference (2)
# notebook: 05
# equation: log p(x) = ELBO(q) + KL(q || p(z|x))
# tag: -
# shapes: posterior_covariance (K, K) -> gap ()
# lines: 4
# minutes: 20
# outputs: gap
# rtol: 1e-9
# tests:
#   values 2 = the gap, at three sizes of z
#   bound 1 = it is log p(x) minus the ELBO of that q, in a linear model with both known
#   none 1 = a diagonal posterior leaves no gap
# steps:
#   gap = which KL divergence log p(x) - ELBO(q) is, and the order of its two Gaussians

# %% [markdown]
# In a linear model the posterior p(z|x) is a Gaussian N(m, S) whose covariance S is not diagonal. A diagonal
# Gaussian q cannot match it. Among all diagonal Gaussians the ELBO is largest where q has the posterior's mean m
# and the variances $1 / \Lambda_{jj}$, with $\Lambda = S^{-1}$ the posterior's precision matrix. How many nats
# does this q lose?
#
# Write `diagonal_gap(posterior_covariance)`: log p(x) - ELBO(q) for that best diagonal q, one number, from S
# (K, K) alone and without computing an ELBO. `gaussian_kl` is given.

# %% [given]
def gaussian_kl(m0, S0, m1, S1):
    """KL(N(m0, S0) || N(m1, S1)) in nats: means (K,), covariances (K, K)."""
    P, d = np.linalg.inv(S1), m1 - m0
    return (np.trace(P @ S0) + d @ P @ d - len(d) + np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]) / 2

# %% [solution]
def diagonal_gap(posterior_covariance):
    """posterior_covariance (K, K) -> log p(x) - ELBO of the best diagonal q, in nats."""
    ### BEGIN SOLUTION
    precision = np.linalg.inv(posterior_covariance)
    S = np.diag(1 / np.diag(precision))
    mean = np.zeros(len(S))  # the same for both: any will do
    return gaussian_kl(mean, S, mean, posterior_covariance)
    ### END SOLUTION

# %% [check]
# rtol 1e-9: inverse and determinant of a covariance may be computed in many ways, which differ by more than 1e-12
from tinyvae.gaussian import LOG_2PI


def posterior(W, eta):
    return np.linalg.inv(np.eye(W.shape[1]) + W.T @ W / eta)


def inputs(rng, K):
    W = normal(rng, K + 2, K)
    while abs(W[:, 0] @ W[:, 1]) < 0.1 * np.linalg.norm(W[:, 0]) * np.linalg.norm(W[:, 1]):  # a gap near 0 would be made of rounding
        W = normal(rng, K + 2, K)
    return (posterior(W, 0.7),)


def test_bound(student, right, rng):
    W, x, eta = normal(rng, 5, 3), normal(rng, 5), 0.7
    S = posterior(W, eta)
    m, C, variances = S @ W.T @ x / eta, W @ W.T + eta * np.eye(5), 1 / np.diag(np.linalg.inv(S))
    log_p = -(x @ np.linalg.solve(C, x) + np.linalg.slogdet(C)[1] + 5 * LOG_2PI) / 2
    spread = ((x - W @ m) ** 2).sum() + (W**2 * variances).sum()
    elbo = -spread / (2 * eta) - 5 / 2 * (np.log(eta) + LOG_2PI) - (variances + m**2 - 1 - np.log(variances)).sum() / 2
    return abs(student.diagonal_gap(S) - (log_p - elbo)) < 1e-9


def test_none(student, right, rng):
    return abs(student.diagonal_gap(np.diag([0.2, 0.5, 0.9]))) < 1e-12 and student.diagonal_gap(inputs(rng, 3)[0]) > 1e-6


# %% [hints]
# 1. log p(x) = ELBO(q) + KL(q || p(z|x)) holds for every q: which divergence is the gap, and between which two
# Gaussians, in which order?
# 2. Both have the same mean, so it drops out and may be 0. The variances of q come from the diagonal of the
# precision, not from that of S.

# %% [wrong] q gets the posterior's own variances, the diagonal of S, which are too wide
# - S = np.diag(1 / np.diag(precision))
# + S = np.diag(np.diag(posterior_covariance))

# %% [wrong] the KL is taken in the other direction, from the posterior to q
# - return gaussian_kl(mean, S, mean, posterior_covariance)
# + return gaussian_kl(mean, posterior_covariance, mean, S)

# %% [wrong] the diagonal of the precision is used as a variance
# - S = np.diag(1 / np.diag(precision))
# + S = np.diag(np.diag(precision))

# %% [wrong] the KL to the prior is taken in place of the KL to the posterior
# - return gaussian_kl(mean, S, mean, posterior_covariance)
# + return gaussian_kl(mean, S, mean, np.eye(len(S)))

# %% [note]
# The gap is (sum_j ln Lambda_jj - ln |Lambda|) / 2: it depends on how far the latents are correlated in the
# posterior, and on no datum. Rotating the latents until S is diagonal closes it (notebook 09).
