# %% [record]
# title: The best encoder for a given decoder
# kind: function
# lecture: D2 | Principal Component Analysis (optional)
# notebook: 02
# equation: x~ = U V x
# tag: -
# shapes: U (D, K) -> V (K, D)
# lines: 1
# minutes: 10
# outputs: V
# tests:
#   values 1 = V is the best encoder of U, at three sets of sizes
#   keeps 1 = a point U h of the column space keeps its code h
#   nearest 1 = the error x - U V x is orthogonal to every column of U
# steps:
#   V = the gradient of |x - U h|^2 by the code h, and where it is zero for every x

# %% [markdown]
# A linear auto-encoder computes $\tilde x = U V x$: the decoder U is a D × K matrix, the encoder V a K × D matrix, x a column of D numbers.
# The output can be no other than a point of the column space of U, so the best output is the point of that space which is nearest to x.
#
# The decoder is given, with any K ≤ D columns of full rank: they need be neither orthogonal nor of length one.
# Write `best_encoder(U)`: return the V, of shape (K, D), for which $\|x - U V x\|^2$ is least for every x.

# %% [solution]
def best_encoder(U):
    """U (D, K) -> V (K, D)."""
    ### BEGIN SOLUTION
    return np.linalg.solve(U.T @ U, U.T)
    ### END SOLUTION

# %% [check]
def inputs(rng, K):
    Q = np.linalg.qr(normal(rng, K + 4, K))[0]
    return Q @ (np.diag(positive(rng, K)) + 0.3 * np.triu(normal(rng, K, K), 1))  # full rank, far from orthonormal

def test_keeps(student, right, rng):
    U = inputs(rng, 3)
    return bool(np.allclose(student.best_encoder(U) @ U, np.eye(3), rtol=0, atol=1e-9))

def test_nearest(student, right, rng):
    U = inputs(rng, 2)
    x = normal(rng, 6, 8)
    return bool(np.abs(U.T @ (x - U @ (student.best_encoder(U) @ x))).max() < 1e-9)

# %% [hints]
# 1. Call the code h. Which h makes ||x - U h||^2 least? It is least squares: set the gradient by h to zero.
# 2. The normal equations are linear in h, and h = V x must solve them for every x.

# %% [wrong] the columns of U are taken for orthonormal
# - return np.linalg.solve(U.T @ U, U.T)
# + return U.T

# %% [wrong] V is a left inverse of U that looks at the first K pixels only: it keeps codes, but misses the nearest point
# - return np.linalg.solve(U.T @ U, U.T)
# + return np.linalg.inv(U[: U.shape[1]]) @ np.eye(*U.T.shape)

# %% [wrong] the columns of U are taken to be orthogonal
# - return np.linalg.solve(U.T @ U, U.T)
# + return (U / (U**2).sum(0)).T

# %% [wrong] the inverse of U'U is applied from the wrong side: the result is transposed
# - return np.linalg.solve(U.T @ U, U.T)
# + return U @ np.linalg.inv(U.T @ U)

# %% [note]
# UV is then the orthogonal projector on the column space of U. What remains is to choose the space: that is PCA (notebook 02).
