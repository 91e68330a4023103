# %% [record]
# title: From one code to another on a great circle
# kind: function
# lecture: D4 | Variational autoencoders as a generative model; D2 | Why autoencoders?
# notebook: 11
# equation: z(t) between z_a and z_b; the prior's mass lies near |z| = sqrt(K), not near 0
# tag: -
# shapes: z_a, z_b (K,); n a whole number -> path (n, K)
# lines: 6
# minutes: 20
# outputs: path
# variant_of: interpolation
# tests:
#   values 2 = the n points of the path, at three sets of sizes
#   angles 1 = from point to point the direction turns by the same angle, and the length changes by the same amount
#   ends 1 = the path begins at z_a and ends at z_b
# steps:
#   path = direction and length of z(t) apart: the angle turned at the share t, and the length there

# %% [markdown]
# In many dimensions the middle of a straight line between two draws from N(0, I) is too near to 0: the prior hardly ever draws there.
# A path that turns, in the place of cutting across, avoids this:
#
# - the *direction* of z(t) turns from the direction of $z_a$ to that of $z_b$, in the plane of the two and by the shorter way, at an even pace: after the share t
#   of the path it has turned by the share t of the angle between them;
# - the *length* of z(t) changes evenly from $|z_a|$ to $|z_b|$.
#
# Write `great_circle(z_a, z_b, n)`: z_a and z_b have shape (K,), K at least 2, and are not parallel. Return n points, an array of shape (n, K), with
# $t = 0, 1/(n-1), ..., 1$.

# %% [solution]
def great_circle(z_a, z_b, n):
    """z_a, z_b (K,), n a whole number -> n points (n, K)."""
    ### BEGIN SOLUTION
    t = np.linspace(0, 1, n)[:, None]
    length_a, length_b = np.linalg.norm(z_a), np.linalg.norm(z_b)
    u, v = z_a / length_a, z_b / length_b
    angle = np.arccos(u @ v)
    direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return ((1 - t) * length_a + t * length_b) * direction
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    z_a, z_b = normal(rng, K), 2 * normal(rng, K)
    while abs(z_a @ z_b) > 0.95 * np.linalg.norm(z_a) * np.linalg.norm(z_b):  # their angle would be lost to rounding in some of the right ways
        z_b = 2 * normal(rng, K)
    return z_a, z_b, N + 4

def test_angles(student, right, rng):
    z_a, z_b, n = inputs(rng, 3, 4)
    path = student.great_circle(z_a, z_b, n)
    length = np.linalg.norm(path, axis=1)
    cosines = (path[1:] * path[:-1]).sum(1) / (length[1:] * length[:-1])
    turns, whole = np.arccos(cosines), np.arccos(z_a @ z_b / np.linalg.norm(z_a) / np.linalg.norm(z_b))
    return same(turns, np.full(n - 1, whole / (n - 1)), rtol=1e-7) and same(np.diff(length), np.full(n - 1, (length[-1] - length[0]) / (n - 1)), rtol=1e-7)

def test_ends(student, right, rng):
    z_a, z_b, n = inputs(rng, 5, 3)
    path = student.great_circle(z_a, z_b, n)
    return path.shape == (n, 3) and same(path[[0, -1]], np.stack([z_a, z_b]), rtol=1e-9)

# %% [hints]
# 1. Work with the unit vectors u and v of the two codes; the cosine of the angle between them is their product. Bring the length in at the end.
# 2. A point of the great circle is f(t) u + g(t) v. At t = 0 it is u, at t = 1 it is v, and in between its length is 1: try sines of shares of the angle.
# 3. Another way: let w be the part of v that is orthogonal to u, made a unit vector. What is the point at an angle θ from u towards w?

# %% [wrong] the directions are those of the straight line: they do not turn evenly
# - direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
# + direction = (1 - t) * u + t * v
# + direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)

# %% [wrong] the angle is taken to be a right one
# - angle = np.arccos(u @ v)
# + angle = np.pi / 2

# %% [wrong] the sine of the whole angle is not divided out
# - direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
# + direction = np.sin((1 - t) * angle) * u + np.sin(t * angle) * v

# %% [wrong] the length of the first code is kept to the end
# - return ((1 - t) * length_a + t * length_b) * direction
# + return length_a * direction

# %% [wrong] the length is left out: every point has length 1
# - return ((1 - t) * length_a + t * length_b) * direction
# + return direction

# %% [wrong] the directions have not length 1 when they are turned: the length does not change evenly
# - direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
# + path = (np.sin((1 - t) * angle) * z_a + np.sin(t * angle) * z_b) / np.sin(angle)
# - return ((1 - t) * length_a + t * length_b) * direction
# + return path

# %% [note]
# For two independent draws from N(0, I) the angle is near 90 degrees, and every point of the path is, nearly, a draw from N(0, I) again.
# Codes of images are no draws from the prior: neither path knows where the data lie (notebook 11).
