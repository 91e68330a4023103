# %% [record]
# title: The exact posterior of probabilistic PCA
# lab: 4.2
# kind: function
# lecture: D4 | Statisical motivation; D1 | Probabilistic understanding
# notebook: 08
# equation: p(z|x) = p(x|z) p(z) / p(x), with p(z) = N(0, I) and p(x|z) = N(W z + b, eta I)
# tag: PPCA.2
# shapes: X (N, D); W (D, K); b (D,); eta a number -> mean (N, K), covariance (K, K)
# lines: 3
# minutes: 25
# outputs: mean covariance
# tests:
#   values 2 = mean and covariance are those of the exact posterior, at three sets of sizes
#   weight 2 = log p(x|z) + log p(z) - log N(z; mean, covariance) is the same number at every z: log p(x)
#   noise 1 = under very much noise a datum says nothing, and the posterior is the prior
# steps:
#   mean = the terms of log p(x|z) + log p(z) that hold one z, beside those of a Gaussian in z [PPCA.2]
#   covariance = the terms of log p(x|z) + log p(z) that hold two z [PPCA.2]

# %% [markdown]
# In general the posterior $p(z|x)$ cannot be computed. In the linear model it can, and it is the measure of every approximation:
# $$p(z) = N(0, I), \qquad p(x|z) = N(W z + b, η I).$$
# Here x is a column of D numbers, z of K, W is a D × K matrix, b has D numbers, and η is the *variance* of the noise of each pixel.
#
# The posterior is a Gaussian. Write `ppca_posterior(X, W, b, eta)`: X of shape (N, D) holds one datum in each row.
# Return the posterior means, of shape (N, K), and the posterior covariance, of shape (K, K): it is the same for every datum.

# %% [solution]
def ppca_posterior(X, W, b, eta):
    """X (N, D), W (D, K), b (D,), eta a variance -> mean (N, K), covariance (K, K) of p(z|x)."""
    ### BEGIN SOLUTION
    covariance = np.linalg.inv(np.eye(W.shape[1]) + W.T @ W / eta)
    mean = (X - b) @ W @ covariance / eta
    return mean, covariance
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    D = K + 3
    return normal(rng, N, D), normal(rng, D, K), normal(rng, D), float(positive(rng))

def log_normal(z, mean, covariance):
    d = z - mean
    quadratic = (d * np.linalg.solve(covariance, d.T).T).sum(-1)
    return -(quadratic + np.linalg.slogdet(covariance)[1] + len(covariance) * np.log(2 * np.pi)) / 2

def test_weight(student, right, rng):
    X, W, b, eta = inputs(rng, 3, 2)
    mean, covariance = student.ppca_posterior(X, W, b, eta)
    for n in range(3):
        z = rng.standard_normal((7, 2))
        log_px = log_normal(X[n] - b, z @ W.T, eta * np.eye(5))
        log_weight = log_px + log_normal(z, np.zeros(2), np.eye(2)) - log_normal(z, mean[n], covariance)
        log_evidence = log_normal((X[n] - b)[None], np.zeros(5), W @ W.T + eta * np.eye(5))[0]
        if not same(log_weight, np.full(7, log_evidence), rtol=1e-9):
            return False
    return True

def test_noise(student, right, rng):
    X, W, b, _ = inputs(rng, 4, 3)
    mean, covariance = student.ppca_posterior(X, W, b, 1e9)
    return bool(np.abs(mean).max() < 1e-6) and same(covariance, np.eye(3), rtol=1e-6)

# %% [hints]
# 1. As a function of z, log p(z|x) = log p(x|z) + log p(z) + a constant. Collect the terms with two z and those with one z.
# 2. The logarithm of a Gaussian with mean m and precision P (the inverse of its covariance) is -1/2 z'P z + z'P m + a constant. Compare: what is P, and what is P m?
# 3. The prior adds its own precision to what the data say. Then turn the formula for one column x into one for all rows of X at once: transpose the product.

# %% [wrong] the precision of the prior, I, is missing from the posterior's
# - covariance = np.linalg.inv(np.eye(W.shape[1]) + W.T @ W / eta)
# + covariance = np.linalg.inv(W.T @ W / eta)

# %% [wrong] the precision is returned in the place of the covariance
# - return mean, covariance
# + return mean, np.eye(W.shape[1]) + W.T @ W / eta

# %% [wrong] the factor eta is lost when the inverse of I + W'W / eta is written as that of eta I + W'W
# - covariance = np.linalg.inv(np.eye(W.shape[1]) + W.T @ W / eta)
# + covariance = np.linalg.inv(eta * np.eye(W.shape[1]) + W.T @ W)
# - mean = (X - b) @ W @ covariance / eta
# + mean = (X - b) @ W @ covariance

# %% [wrong] x is not centred: b is not subtracted
# - mean = (X - b) @ W @ covariance / eta
# + mean = X @ W @ covariance / eta

# %% [wrong] the mean is not divided by the variance of the noise
# - mean = (X - b) @ W @ covariance / eta
# + mean = (X - b) @ W @ covariance

# %% [wrong] eta is taken for a standard deviation and squared
# - covariance = np.linalg.inv(np.eye(W.shape[1]) + W.T @ W / eta)
# + covariance = np.linalg.inv(np.eye(W.shape[1]) + W.T @ W / eta**2)
# - mean = (X - b) @ W @ covariance / eta
# + mean = (X - b) @ W @ covariance / eta**2

# %% [note]
# This is the E-step of EM and the target of every encoder: notebook 08 uses it, notebook 09 shows that a linear VAE learns it.
# In the package it stands in `tinyvae.exact.PPCA.posterior`.
