# %% [record]
# title: The same auto-encoder with codes of unit variance
# kind: function
# lecture: D2 | Principal Component Analysis (optional) (2); D4 | [comment "Thank you again. Questions."]
# notebook: 02
# equation: x~ = U V x, optimal where the columns of U span the K dominant eigenvectors
# tag: -
# shapes: E (D, K); eigenvalues (K,) -> U (D, K), V (K, D)
# lines: 2
# minutes: 10
# outputs: U V
# tests:
#   white 2 = the codes V x have the covariance I
#   outputs 1 = U V x is what PCA gives
# steps:
#   U = the product U V: what the decoder must undo once the codes have been made white
#   V = the covariance of the codes E'x, entry by entry, and what makes it I

# %% [markdown]
# A linear auto-encoder maps x, a column of D numbers, to the code V x and back to the output U V x.
# The best ones are those with PCA's outputs, $U V x = E E' x$, where the columns of E are the K leading eigenvectors of
# the data's covariance. But the factors U and V are not determined: many pairs have the same product.
#
# A VAE's prior wants codes with mean zero and covariance I. Find an optimal linear auto-encoder that has such codes (they are called *white*).
# Write `white_codes(E, eigenvalues)`: E of shape (D, K) holds the orthonormal eigenvectors in its columns, eigenvalues of shape (K,) are theirs, all positive.
# Return the decoder U (D, K) and the encoder V (K, D). The data x are centred.

# %% [solution]
def white_codes(E, eigenvalues):
    """E (D, K), eigenvalues (K,) -> decoder U (D, K), encoder V (K, D)."""
    ### BEGIN SOLUTION
    deviation = np.sqrt(eigenvalues)
    return E * deviation, (E / deviation).T
    ### END SOLUTION

# %% [check]
def inputs(rng, K):
    Q = np.linalg.qr(normal(rng, K + 4, K))[0]
    return Q, np.sort(positive(rng, K) ** 2)[::-1].copy()

def test_white(student, right, rng):
    E, eigenvalues = inputs(rng, 3)
    rest = np.eye(7) - E @ E.T  # the data vary in the other directions, too
    covariance = (E * eigenvalues) @ E.T + 0.1 * rest
    _, V = student.white_codes(E, eigenvalues)
    return np.shape(V) == (3, 7) and bool(np.allclose(V @ covariance @ V.T, np.eye(3), rtol=0, atol=1e-9))

def test_outputs(student, right, rng):
    E, eigenvalues = inputs(rng, 2)
    U, V = student.white_codes(E, eigenvalues)
    return bool(np.allclose(U @ V, E @ E.T, rtol=0, atol=1e-9))

# %% [hints]
# 1. For any invertible K × K matrix R, (U R^-1)(R V) = U V. Start with U = E, V = E'.
# 2. The codes E'x have a diagonal covariance. What are its entries, and which R makes it I?

# %% [wrong] the codes are those of PCA: their variances are the eigenvalues
# - return E * deviation, (E / deviation).T
# + return E, E.T

# %% [wrong] only the encoder is scaled: the codes are white, the outputs are wrong
# - return E * deviation, (E / deviation).T
# + return E, (E / deviation).T

# %% [wrong] the codes are divided by their variances, not by their standard deviations
# - deviation = np.sqrt(eigenvalues)
# + deviation = eigenvalues

# %% [wrong] encoder and decoder are scaled the wrong way round
# - return E * deviation, (E / deviation).T
# + return E / deviation, (E * deviation).T

# %% [note]
# White codes are still free up to a rotation: that is why latents that are uncorrelated need not be the ones one would name.
