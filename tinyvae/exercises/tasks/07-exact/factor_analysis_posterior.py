# %% [record]
# title: The exact posterior where every pixel has its own noise
# kind: function
# lecture: D0 | What is a VAE?; D4 | Statisical motivation
# notebook: 09
# equation: p(x|z) = N(W z + b, diag(eta)),  p(z) = N(0, I)
# tag: -
# shapes: X (N, D); W (D, K); b (D,); eta (D,) -> mean (N, K), covariance (K, K)
# lines: 3
# minutes: 20
# outputs: mean covariance
# variant_of: ppca_posterior
# tests:
#   values 2 = mean and covariance are those of the exact posterior, at three sets of sizes
#   equal_noise 1 = with one variance for all pixels it is the posterior of probabilistic PCA
#   deaf_pixel 1 = a pixel with very much noise is not listened to: changing it leaves the posterior as it is
# steps:
#   mean = the terms of log p(x|z) + log p(z) that hold one z, and the weight with which each pixel enters them
#   covariance = the terms of log p(x|z) + log p(z) that hold two z, and the weight with which each pixel enters them

# %% [markdown]
# D0's example has a variance for each pixel, $Σ_θ(z)$. Take the linear model with one fixed variance $η_d$ for each pixel d (factor analysis):
# $$p(z) = N(0, I), \qquad p(x|z) = N(W z + b, diag(η_1, ..., η_D)).$$
# x and b are columns of D numbers, z of K, W is a D × K matrix.
#
# Write `factor_analysis_posterior(X, W, b, eta)`: X of shape (N, D) holds a datum in each row, eta of shape (D,) holds the variances.
# Return the means (N, K) and the covariance (K, K) of $p(z|x)$. It should not need the inverse of any D × D matrix.

# %% [solution]
def factor_analysis_posterior(X, W, b, eta):
    """X (N, D), W (D, K), b (D,), eta (D,) variances -> mean (N, K), covariance (K, K) of p(z|x)."""
    ### BEGIN SOLUTION
    weighted = W / eta[:, None]
    covariance = np.linalg.inv(np.eye(W.shape[1]) + W.T @ weighted)
    return (X - b) @ weighted @ covariance, covariance
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    D = K + 3
    return normal(rng, N, D), normal(rng, D, K), normal(rng, D), positive(rng, D)

def test_equal_noise(student, right, rng):
    X, W, b, _ = inputs(rng, 4, 2)
    mean, covariance = student.factor_analysis_posterior(X, W, b, np.full(5, 0.7))
    marginal = W @ W.T + 0.7 * np.eye(5)  # of x; the rules for a joint Gaussian
    gain = np.linalg.solve(marginal, W)
    return same((mean, covariance), ((X - b) @ gain, np.eye(2) - W.T @ gain), rtol=1e-9)

def test_deaf_pixel(student, right, rng):
    X, W, b, eta = inputs(rng, 4, 2)
    eta[1] = 1e12
    other = X.copy()
    other[:, 1] += 5
    before, after = student.factor_analysis_posterior(X, W, b, eta), student.factor_analysis_posterior(other, W, b, eta)
    keep = np.arange(5) != 1
    without = right.factor_analysis_posterior(X[:, keep], W[keep], b[keep], eta[keep])
    return same(before, after, rtol=1e-8) and same(before, without, rtol=1e-8)

# %% [hints]
# 1. Which D × D matrix stands in the exponent of p(x|z)? It is diagonal: its inverse costs nothing.
# 2. Collect the terms of log p(x|z) + log p(z) with two z, then those with one z. Each pixel counts by its precision.
# 3. Rows of W belong to pixels: dividing each row by its variance needs eta with a second axis.

# %% [wrong] each pixel is weighted by its variance in the place of its precision
# - weighted = W / eta[:, None]
# + weighted = W * eta[:, None]

# %% [wrong] the mean variance stands for all pixels
# - weighted = W / eta[:, None]
# + weighted = W / eta.mean()

# %% [wrong] the precision of the prior, I, is missing from the posterior's
# - covariance = np.linalg.inv(np.eye(W.shape[1]) + W.T @ weighted)
# + covariance = np.linalg.inv(W.T @ weighted)

# %% [wrong] the noise is in the covariance but not in the mean
# - return (X - b) @ weighted @ covariance, covariance
# + return (X - b) @ W @ covariance, covariance

# %% [wrong] eta is taken for standard deviations and squared
# - weighted = W / eta[:, None]
# + weighted = W / eta[:, None] ** 2

# %% [note]
# With equal variances this is probabilistic PCA. With a variance for each pixel the maximum of the likelihood has no closed form any more, but EM still works.
