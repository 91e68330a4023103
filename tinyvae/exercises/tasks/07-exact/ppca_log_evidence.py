# %% [record]
# title: The evidence of probabilistic PCA
# kind: function
# lecture: D0 | Maximum (Marginal) Likelihood; D2 | Observation Model
# notebook: 09
# equation: p(x) = E_p(z) p(x|z) = the integral of p(z) p(x|z) over z
# tag: PPCA.1
# shapes: X (N, D); W (D, K); b (D,); eta a number -> log_px (N,)
# lines: 4
# minutes: 20
# outputs: log_px
# tests:
#   values 2 = log p(x) of every datum, at three sets of sizes
#   integrates 1 = p(x) integrates to 1
#   many_pixels 1 = with 200 pixels and little noise the result is still a finite number, and right
# steps:
#   log_px = the mean and the covariance of a sum of independent Gaussians; then the three terms of a log-density [PPCA.1]

# %% [markdown]
# The evidence $p(x) = E_{p(z)} p(x|z)$ is an integral that has no closed form for a curved decoder. For a linear one it has:
# $$z \sim N(0, I), \qquad x = W z + b + e, \qquad e \sim N(0, η I)$$
# is a sum of independent Gaussians, so x is Gaussian. What are its mean and its covariance?
#
# Write `ppca_log_evidence(X, W, b, eta)`: X of shape (N, D) holds a datum in each row, W is D × K, b has shape (D,), η is a variance.
# Return log p(x) in nats, one number for each datum, shape (N,), with all constants. Images have many pixels: the density itself may be too small or too
# large for a float, its logarithm is not.

# %% [solution]
def ppca_log_evidence(X, W, b, eta):
    """X (N, D), W (D, K), b (D,), eta a variance -> log p(x) (N,), in nats."""
    ### BEGIN SOLUTION
    D = X.shape[1]
    covariance = W @ W.T + eta * np.eye(D)
    log_det = np.linalg.slogdet(covariance)[1]
    distance = ((X - b) * np.linalg.solve(covariance, (X - b).T).T).sum(1)
    return -(distance + log_det + D * np.log(2 * np.pi)) / 2
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    D = K + 3
    return normal(rng, N, D), normal(rng, D, K), normal(rng, D), float(positive(rng))

def test_integrates(student, right, rng):
    axis = np.linspace(-12, 12, 61)
    X = np.stack([a.ravel() for a in np.meshgrid(axis, axis)], axis=1)
    log_px = student.ppca_log_evidence(X, np.array([[0.8], [-0.6]]), np.array([0.5, -0.4]), 0.7)
    return log_px.shape == (61 * 61,) and abs(np.exp(log_px).sum() * (axis[1] - axis[0]) ** 2 - 1) < 1e-6

def test_many_pixels(student, right, rng):
    D, eta = 200, 1e-4  # (2 pi eta)^200 underflows, too
    X, W, b = 0.1 * normal(rng, 2, D), 0.3 * normal(rng, D, 1), 0.1 * normal(rng, D)
    a, w2 = (X - b) @ W[:, 0], (W * W).sum()
    distance = (((X - b) ** 2).sum(1) - a * a / (eta + w2)) / eta  # one column: the inverse by hand
    log_px = -(distance + np.log(eta + w2) + (D - 1) * np.log(eta) + D * np.log(2 * np.pi)) / 2
    return same(student.ppca_log_evidence(X, W, b, eta), log_px, rtol=1e-8)

# %% [hints]
# 1. The covariance of W z is W Cov[z] W'. Independent terms add their covariances.
# 2. The log-density of a Gaussian has three terms: a squared distance measured by the inverse covariance, the log of a determinant, and D times a constant.
# 3. `np.linalg.slogdet` gives the logarithm of a determinant without the determinant.

# %% [wrong] eta is added to every entry of the covariance, not to its diagonal
# - covariance = W @ W.T + eta * np.eye(D)
# + covariance = W @ W.T + eta

# %% [wrong] the determinant itself is computed: it underflows
# - log_det = np.linalg.slogdet(covariance)[1]
# + log_det = np.log(np.linalg.det(covariance))

# %% [wrong] the determinant itself is computed, with the factor 2 pi of every pixel: it underflows
# - log_det = np.linalg.slogdet(covariance)[1]
# + log_det = np.log(np.linalg.det(2 * np.pi * covariance))
# - return -(distance + log_det + D * np.log(2 * np.pi)) / 2
# + return -(distance + log_det) / 2

# %% [wrong] ln 2 pi is counted once, not once for each pixel
# - return -(distance + log_det + D * np.log(2 * np.pi)) / 2
# + return -(distance + log_det + np.log(2 * np.pi)) / 2

# %% [wrong] the determinant is left out
# - return -(distance + log_det + D * np.log(2 * np.pi)) / 2
# + return -(distance + D * np.log(2 * np.pi)) / 2

# %% [wrong] the density is that of x given z = 0: the integral over z is missing
# - covariance = W @ W.T + eta * np.eye(D)
# + covariance = eta * np.eye(D)

# %% [wrong] eta is taken for a standard deviation and squared
# - covariance = W @ W.T + eta * np.eye(D)
# + covariance = W @ W.T + eta**2 * np.eye(D)

# %% [note]
# A number to compare every bound with. `tinyvae.exact.PPCA.score_samples` computes the same by a K × K matrix, which is cheaper where D is large.
