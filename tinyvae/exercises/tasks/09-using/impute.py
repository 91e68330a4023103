# %% [record]
# title: The missing pixels of an image
# kind: function
# lecture: D0 | A Quick Overview
# notebook: 09
# equation: E[x_missing | x_observed], with z ~ N(0, I) and x|z ~ N(W z + b, eta I)
# tag: -
# shapes: x, seen (D,); W (D, K); b (D,); eta a number -> filled (D,)
# lines: 6
# minutes: 25
# outputs: filled
# tests:
#   values 2 = the filled image, at three sets of sizes
#   conditional 1 = it agrees with the conditional mean of the joint Gaussian of all pixels
#   borders 1 = an image without gaps comes back as it is, an image of gaps alone as the mean image
# steps:
#   filled = what the observed pixels alone say about z [PPCA.2]; then what z says about a missing pixel

# %% [markdown]
# One use of a latent variable model is to fill in what is missing. In the linear model
# $$z \sim N(0, I), \qquad x|z \sim N(W z + b, η I)$$
# the best guess is exact: the mean of the missing pixels, given the observed ones. It goes by way of z: what the observed pixels say about z, then what z says
# about the missing ones.
#
# Write `impute(x, seen, W, b, eta)`: x of shape (D,) is one image, and seen, of shape (D,), is True where a pixel was observed; what x holds elsewhere means
# nothing. W has shape (D, K), b shape (D,), η is the variance of the noise of a pixel. Return a new array of shape (D,): observed pixels as they are, missing
# ones replaced by their conditional mean. Any number of pixels may be missing.

# %% [solution]
def impute(x, seen, W, b, eta):
    """x (D,), seen (D,) True where observed, W (D, K), b (D,), eta a variance -> filled (D,)."""
    ### BEGIN SOLUTION
    rows = W[seen]
    precision = np.eye(W.shape[1]) + rows.T @ rows / eta
    z = np.linalg.solve(precision, rows.T @ (x - b)[seen] / eta)
    return np.where(seen, x, W @ z + b)
    ### END SOLUTION

# %% [check]
def inputs(rng, K):
    D = K + 4
    seen = rng.permutation(D) >= 2 + K // 2
    return normal(rng, D), seen, normal(rng, D, K), normal(rng, D), float(positive(rng))

def test_conditional(student, right, rng):
    x, seen, W, b, eta = inputs(rng, 3)
    S = W @ W.T + eta * np.eye(7)
    wanted = b[~seen] + S[~seen][:, seen] @ np.linalg.solve(S[seen][:, seen], (x - b)[seen])
    return same(student.impute(x, seen, W, b, eta)[~seen], wanted, rtol=1e-9)

def test_borders(student, right, rng):
    x, seen, W, b, eta = inputs(rng, 2)
    return same(student.impute(x, seen | True, W, b, eta), x) and same(student.impute(x, seen & False, W, b, eta), b, rtol=1e-10)

# %% [hints]
# 1. The pixels are independent given z. So the posterior p(z | observed pixels) is that of a model that has these pixels only: which rows of W does it use?
# 2. Given z, the mean of a missing pixel is its row of W times z, plus its b. The mean over the posterior puts the posterior's mean in the place of z.
# 3. An array of True and False picks rows: W[seen]. Its opposite is ~seen.

# %% [wrong] missing pixels are taken to be observed at the value of the mean image
# - rows = W[seen]
# + rows = W
# - z = np.linalg.solve(precision, rows.T @ (x - b)[seen] / eta)
# + z = np.linalg.solve(precision, rows.T @ np.where(seen, x - b, 0) / eta)

# %% [wrong] missing pixels are taken to be observed at 0
# - rows = W[seen]
# + rows = W
# - z = np.linalg.solve(precision, rows.T @ (x - b)[seen] / eta)
# + z = np.linalg.solve(precision, rows.T @ (np.where(seen, x, 0) - b) / eta)

# %% [wrong] the prior is left out: z is found by least squares
# - precision = np.eye(W.shape[1]) + rows.T @ rows / eta
# + precision = rows.T @ rows / eta

# %% [wrong] missing pixels get the mean image
# - return np.where(seen, x, W @ z + b)
# + return np.where(seen, x, b)

# %% [wrong] observed pixels are replaced by their reconstruction, too
# - return np.where(seen, x, W @ z + b)
# + return W @ z + b

# %% [wrong] the observed pixels are not centred
# - z = np.linalg.solve(precision, rows.T @ (x - b)[seen] / eta)
# + z = np.linalg.solve(precision, rows.T @ x[seen] / eta)

# %% [wrong] b is not added to the missing pixels
# - return np.where(seen, x, W @ z + b)
# + return np.where(seen, x, W @ z)

# %% [note]
# In the package: `tinyvae.exact.PPCA.impute`. A curved decoder has no such formula; there one draws z and the missing pixels in turns.
