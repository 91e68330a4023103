# %% [record]
# title: A grid of equal steps of probability
# kind: function
# lecture: D4 | Variational autoencoders as a generative model; D1 | Autoencoders with A Priori Knowledge
# notebook: 11
# equation: z_i = Phi^-1((i - 1/2) / n), i = 1 ... n
# tag: -
# shapes: n a whole number; weights, means, scales (M,) -> z (n,)
# lines: 7
# minutes: 20
# outputs: z
# rtol: 1e-8
# tests:
#   values 2 = the n coordinates, for three mixtures
#   steps 1 = the CDF at the coordinates is 1/(2n), 3/(2n), ..., (2n - 1)/(2n)
#   wide 1 = the same for a prior that lies far from 0 and is wide
# steps:
#   z = the probability below z_i; then which half of an interval is kept, by the CDF at its middle

# %% [markdown]
# D4's picture decodes a grid of latent values. For the prior N(0, 1) the coordinates are the inverse CDF at the middles of n equal steps of probability:
# each image then stands for the same share of what the model generates.
#
# Do it for any continuous prior whose CDF you have, but not its inverse: the coordinate $z_i$ is the solution of
# $$CDF(z_i) = (i - \frac12)/n, \qquad i = 1, ..., n.$$
# `prior_cdf(z, weights, means, scales)`, given below, is the CDF of a mixture of M bell-shaped components; z may be an array.
# Write `manifold_grid(n, weights, means, scales)`: return the n coordinates in rising order, an array of shape (n,), to an accuracy of 1e-10.
# All of them lie between -200 and 200.

# %% [given]
def prior_cdf(z, weights, means, scales):
    """P(Z <= z) under a mixture of logistic densities; z of any shape; weights, means, scales (M,)."""
    u = (np.asarray(z)[..., None] - means) / scales
    return (weights * (1 + np.tanh(u / 2)) / 2).sum(-1)

# %% [solution]
def manifold_grid(n, weights, means, scales):
    """n a whole number, weights, means, scales (M,) -> coordinates (n,) in rising order."""
    ### BEGIN SOLUTION
    wanted = (np.arange(n) + 0.5) / n
    low, high = np.full(n, -200.0), np.full(n, 200.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = prior_cdf(middle, weights, means, scales) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
    ### END SOLUTION

# %% [check]
# rtol 1e-8: a search ends where its author says
def inputs(rng, N, M):
    weights = positive(rng, M)
    return N + 4, weights / weights.sum(), 3 * normal(rng, M), positive(rng, M)

def test_steps(student, right, rng):
    n, weights, means, scales = inputs(rng, 3, 2)
    z = student.manifold_grid(n, weights, means, scales)
    return z.shape == (n,) and same(prior_cdf(z, weights, means, scales) * 2 * n, 2.0 * np.arange(n) + 1, rtol=1e-8)

def test_wide(student, right, rng):
    one = np.ones(1)
    z = student.manifold_grid(4, one, 20 * one, 12 * one)
    return same(z, 20 + 12 * np.log([1 / 7, 3 / 5, 5 / 3, 7]), rtol=1e-8)

# %% [hints]
# 1. A CDF rises. Keep for every i an interval [low, high] that holds z_i, and halve it: which half, says the CDF at the middle.
# 2. All n intervals can be halved at once: low and high are arrays, and np.where chooses.
# 3. 400 halved 50 times is below 1e-12.

# %% [wrong] the steps begin at probability 0: the half step is missing
# - wanted = (np.arange(n) + 0.5) / n
# + wanted = np.arange(n) / n

# %% [wrong] the n steps are divided by n + 1
# - wanted = (np.arange(n) + 0.5) / n
# + wanted = (np.arange(n) + 1) / (n + 1)

# %% [wrong] the coordinates are equally spaced
# - return (low + high) / 2
# + z = (low + high) / 2
# + return np.linspace(z[0], z[-1], n)

# %% [wrong] the first interval is too small for a wide prior
# - low, high = np.full(n, -200.0), np.full(n, 200.0)
# + low, high = np.full(n, -15.0), np.full(n, 15.0)

# %% [wrong] the halving stops too early
# - for _ in range(80):
# + for _ in range(20):

# %% [wrong] i is counted from 0, not from 1
# - wanted = (np.arange(n) + 0.5) / n
# + wanted = (np.arange(n) - 0.5) / n

# %% [note]
# If u is uniform on (0, 1), the inverse CDF of u is a draw from the prior: the grid is a draw made even. Notebook 11 decodes it.
