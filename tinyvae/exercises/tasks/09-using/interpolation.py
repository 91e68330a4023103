# %% [record]
# title: From one image to another
# kind: function
# lecture: D2 | Why autoencoders?; D4 | Variational autoencoders as a generative model
# notebook: 11
# equation: z(t) = (1 - t) z_a + t z_b
# tag: -
# shapes: x_a, x_b (D,); n a whole number; V (K, D); U (D, K); c (D,) -> path (n, D)
# lines: 3
# minutes: 15
# outputs: path
# tests:
#   values 2 = the n images of the path, at three sets of sizes
#   ends 1 = the path begins at the reconstruction of the first image and ends at that of the second
# steps:
#   path = which two points the straight line joins, in which space, and how the n values of t are spaced

# %% [markdown]
# A latent space is good for going from one image to another: encode both, take n equally spaced
# points on the straight line between the two codes, decode every point. `encode(x, V, c)` and `decode(z, U, c)` are given below; V, U and c are their weights.
#
# Write `interpolation(x_a, x_b, n, V, U, c)`: x_a and x_b are two images, of shape (D,). Return n images, an array of shape (n, D), n at least 2:
# the first decodes the code of x_a itself, the last that of x_b.

# %% [given]
def encode(x, V, c):
    """x (..., D), V (K, D), c (D,) -> codes (..., K): the posterior means."""
    return (x - c) @ V.T


def decode(z, U, c):
    """z (..., K), U (D, K), c (D,) -> mean images (..., D), between 0 and 1."""
    return (1 + np.tanh(z @ U.T + c)) / 2

# %% [solution]
def interpolation(x_a, x_b, n, V, U, c):
    """x_a, x_b (D,), n a whole number, V (K, D), U (D, K), c (D,) -> n images (n, D)."""
    ### BEGIN SOLUTION
    z_a, z_b = encode(x_a, V, c), encode(x_b, V, c)
    t = np.linspace(0, 1, n)[:, None]
    return decode((1 - t) * z_a + t * z_b, U, c)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K, D):
    return positive(rng, D), positive(rng, D), N + 3, normal(rng, K, D), normal(rng, D, K) / 3, normal(rng, D) / 3

def test_ends(student, right, rng):
    x_a, x_b, n, V, U, c = inputs(rng, 4, 2, 5)
    path = student.interpolation(x_a, x_b, n, V, U, c)
    ends = decode(encode(np.stack([x_a, x_b]), V, c), U, c)
    return path.shape == (n, 5) and same(path[[0, -1]], ends, rtol=1e-10)

# %% [hints]
# 1. n values of t from 0 to 1, both ends included, and the formula of the line for all of them at once: t needs a second axis.

# %% [wrong] the pixels are blended, not the codes
# - return decode((1 - t) * z_a + t * z_b, U, c)
# + return (1 - t) * decode(z_a, U, c) + t * decode(z_b, U, c)

# %% [wrong] the path runs from the second image to the first
# - return decode((1 - t) * z_a + t * z_b, U, c)
# + return decode(t * z_a + (1 - t) * z_b, U, c)

# %% [wrong] the path stops one step before the second image
# - t = np.linspace(0, 1, n)[:, None]
# + t = (np.arange(n) / n)[:, None]

# %% [wrong] the two ends themselves are left out
# - t = np.linspace(0, 1, n)[:, None]
# + t = np.linspace(0, 1, n + 2)[1:-1, None]

# %% [note]
# The straight line is a choice: in many dimensions its middle lies where the prior hardly ever draws. A path that turns avoids this: task great_circle.
