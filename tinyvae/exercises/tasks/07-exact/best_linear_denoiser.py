# %% [record]
# title: The best linear denoiser under dropout
# kind: function
# lecture: D3 | Denoising Autoencoder
# notebook: 03
# equation: y = m x, pixel by pixel, m_i = 0 with probability p, else 1 / (1 - p)
# tag: -
# shapes: Sigma (D, D); p a number -> R (D, D)
# lines: 2
# minutes: 20
# outputs: R
# tests:
#   values 2 = R is the best matrix, at three sets of sizes and three p
#   optimum 1 = over all masks, the mean error has no slope in any entry of R, at p = 0.3 and p = 0.6
#   clean 1 = without dropout the best denoiser leaves x as it is, with dropout it does not
# steps:
#   R = the gradient of the expected error by R: which moments of x and y it holds, and how masks change them

# %% [markdown]
# A denoising auto-encoder gets a corrupted y and must give back the clean x. Take the simplest: a linear one, $R y$, and dropout as the corruption:
# $$y_i = m_i x_i, \qquad m_i = 0 \text{ with probability } p, \text{ else } 1/(1-p),$$
# each pixel for itself and independent of x. So $E[m_i] = 1$.
#
# The data are centred (mean 0) and have the covariance Σ. Write `best_linear_denoiser(Sigma, p)`: return the D × D matrix R that makes
# $$E\|R y - x\|^2$$
# least, the expectation being over the data x and over the masks m. No other fact about the data is needed.

# %% [solution]
def best_linear_denoiser(Sigma, p):
    """Sigma (D, D) the covariance of x, p the probability of a dropped pixel -> R (D, D)."""
    ### BEGIN SOLUTION
    noisy = Sigma + p / (1 - p) * np.diag(np.diag(Sigma))
    return np.linalg.solve(noisy, Sigma).T
    ### END SOLUTION

# %% [check]
def inputs(rng, K):
    A = normal(rng, K + 2, K + 2)
    return A @ A.T / (K + 2) + 0.3 * np.eye(K + 2), float(rng.uniform(0.2, 0.7))

def slope(R, x, p):
    total = np.zeros(R.shape)
    for kept in np.ndindex(*[2] * len(R)):
        y = x * np.array(kept) / (1 - p)
        total += np.prod(np.where(kept, 1 - p, p)) * 2 * (y @ R.T - x).T @ y / len(x)
    return total

def test_optimum(student, right, rng):
    x = rng.standard_normal((30, 4)) @ normal(rng, 4, 4)
    x -= x.mean(0)
    return all(np.abs(slope(student.best_linear_denoiser(x.T @ x / 30, p), x, p)).max() < 1e-9 for p in (0.3, 0.6))

def test_clean(student, right, rng):
    Sigma, _ = inputs(rng, 3)
    close = np.allclose(student.best_linear_denoiser(Sigma, 0.0), np.eye(5), rtol=0, atol=1e-9)
    return bool(close) and not np.allclose(student.best_linear_denoiser(Sigma, 0.5), np.eye(5))

# %% [hints]
# 1. Set the gradient of E||R y - x||^2 by R to zero: R E[y y'] = E[x y'].
# 2. E[x y'] is easy, since E[m] = 1. For E[y y'] treat the entries off the diagonal and those on it apart: m_i and m_j are independent only for i ≠ j.
# 3. Var m_i = E[m_i^2] - 1. Express it by p.

# %% [wrong] the noise is added to all pixels alike, whatever their variance
# - noisy = Sigma + p / (1 - p) * np.diag(np.diag(Sigma))
# + noisy = Sigma + p / (1 - p) * np.eye(len(Sigma))

# %% [wrong] the result is transposed
# - return np.linalg.solve(noisy, Sigma).T
# + return np.linalg.solve(noisy, Sigma)

# %% [wrong] the variance of m is taken to be p
# - noisy = Sigma + p / (1 - p) * np.diag(np.diag(Sigma))
# + noisy = Sigma + p * np.diag(np.diag(Sigma))

# %% [wrong] the whole covariance is scaled, not only its diagonal
# - noisy = Sigma + p / (1 - p) * np.diag(np.diag(Sigma))
# + noisy = Sigma + p / (1 - p) * Sigma

# %% [note]
# With Gaussian noise the same steps give the Wiener filter. Dropout is the same trick with a noise in proportion to each pixel's own variance (notebook 03).
