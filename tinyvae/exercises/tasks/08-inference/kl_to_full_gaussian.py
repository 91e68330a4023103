# %% [record]
# title: The gradient of the KL to a Gaussian with correlations
# kind: backward
# lecture: D3 | Common Restrictions on $Q$; D4 | Implementation
# notebook: 08
# equation: KL(N(mu, diag(sigma^2)) || N(0, Lambda^-1)) = 1/2 (sum_j Lambda_jj sigma_j^2 + mu'Lambda mu - K - ln|Lambda|) - sum_j ln sigma_j
# tag: -
# shapes: dkl (N,); cache = (mu, sigma2, precision) -> dmu, dlog_sigma (N, K)
# lines: 4
# minutes: 20
# forward: kl_to_full_gaussian_forward
# outputs: dmu dlog_sigma
# wrt: mu log_sigma
# tests:
#   values 2 = dmu and dlog_sigma, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   optimum 1 = at the best diagonal q, and only there, the gradient is zero
# steps:
#   dmu = only mu'Lambda mu holds mu; Lambda is symmetric, so both factors give the same
#   dlog_sigma = two terms: the trace, by the chain rule through sigma = exp(log sigma), and -ln sigma_j itself

# %% [markdown]
# $p(z|x)$ may be a Gaussian whose latents are correlated, with mean 0 and the precision matrix Λ (K × K, symmetric); a prior may be one, too.
# The KL of a diagonal $q = N(μ, diag(σ^2))$ to it is computed by `kl_to_full_gaussian_forward`, given below.
#
# Write its backward pass: `kl_to_full_gaussian_backward(dkl, cache)`. dkl of shape (N,) comes from above, one number for each datum;
# the cache holds mu (N, K), sigma2 (N, K), the variances, and precision (K, K). Return the gradients by mu and by log_sigma, both of shape (N, K).
# The precision is fixed and gets no gradient.

# %% [given]
def kl_to_full_gaussian_forward(mu, log_sigma, precision):
    """mu, log_sigma (N, K), precision (K, K) -> KL(N(mu, diag(sigma^2)) || N(0, precision^-1)) (N,), in nats."""
    sigma2 = np.exp(2 * log_sigma)
    cache = mu, sigma2, precision
    quadratic = np.einsum("nj,jk,nk->n", mu, precision, mu)
    log_det = np.linalg.slogdet(precision)[1]
    return (sigma2 @ np.diag(precision) + quadratic - mu.shape[1] - log_det) / 2 - log_sigma.sum(1), cache

# %% [solution]
def kl_to_full_gaussian_backward(dkl, cache):
    """dkl (N,), cache = (mu (N, K), sigma2 (N, K), precision (K, K)) -> dmu, dlog_sigma, both (N, K)."""
    ### BEGIN SOLUTION
    mu, sigma2, precision = cache
    dkl = dkl[:, None]
    dmu = dkl * (mu @ precision)
    dlog_sigma = dkl * (sigma2 * np.diag(precision) - 1)
    return dmu, dlog_sigma
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    A = normal(rng, K, K)
    return normal(rng, N, K), log_scale(rng, N, K), A @ A.T / K + np.diag(positive(rng, K))

def test_optimum(student, right, rng):
    _, _, precision = inputs(rng, 1, 3)
    best = np.zeros((2, 3)), np.zeros((2, 3)) - np.log(np.diag(precision)) / 2
    at = student.kl_to_full_gaussian_backward(np.array([1.5, 0.7]), kl_to_full_gaussian_forward(*best, precision)[1])
    near = best[0] + np.linalg.solve(precision, np.full(3, 0.1)), best[1] + 0.1  # there precision times the distance is 0.1 in every direction
    off = student.kl_to_full_gaussian_backward(np.array([1.5, 0.7]), kl_to_full_gaussian_forward(*near, precision)[1])
    return all(np.abs(a).max() < 1e-12 for a in at) and all(np.abs(a).min() > 1e-3 for a in off)

# %% [hints]
# 1. Write mu'Lambda mu as a double sum. mu_j stands in it twice: as the first factor and as the second.
# 2. d sigma_j^2 / d log sigma_j = 2 sigma_j^2. Only the diagonal of Lambda meets the variances.
# 3. Every row has its own dkl: give it a second axis.

# %% [wrong] only the diagonal of the precision is used for the mean
# - dmu = dkl * (mu @ precision)
# + dmu = dkl * mu * np.diag(precision)

# %% [wrong] one of the two factors of the square is differentiated: the half stays
# - dmu = dkl * (mu @ precision)
# + dmu = dkl * (mu @ precision) / 2

# %% [wrong] the derivative of -ln sigma is lost
# - dlog_sigma = dkl * (sigma2 * np.diag(precision) - 1)
# + dlog_sigma = dkl * sigma2 * np.diag(precision)

# %% [wrong] the gradient is that of the KL to N(0, I)
# - dlog_sigma = dkl * (sigma2 * np.diag(precision) - 1)
# + dlog_sigma = dkl * (sigma2 - 1)

# %% [wrong] the gradient is by sigma^2, not by log sigma
# - dlog_sigma = dkl * (sigma2 * np.diag(precision) - 1)
# + dlog_sigma = dkl * (np.diag(precision) - 1 / sigma2) / 2

# %% [wrong] what comes from above is left out
# - dkl = dkl[:, None]
# + dkl = 1.0

# %% [wrong] the variances are multiplied by the whole matrix, not by its diagonal
# - dlog_sigma = dkl * (sigma2 * np.diag(precision) - 1)
# + dlog_sigma = dkl * (sigma2 @ precision - 1)

# %% [note]
# With Λ = I it is the KL of every VAE. The zero of the gradient by log sigma is mean field's answer: the variance 1/Λ_jj.
