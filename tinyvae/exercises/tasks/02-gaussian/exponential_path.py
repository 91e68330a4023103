# %% [record]
# title: The path of an exponential distribution
# kind: pair
# lecture: D2 | Reparameterization Trick; D3 | Reparameterization Trick
# notebook: 07
# equation: eps = 1 - exp(-rate z)
# tag: -
# shapes: rate, eps (N, K) -> z (N, K); dz (N, K) -> drate (N, K)
# lines: 5
# minutes: 20
# outputs: drate
# wrt: rate
# variant_of: reparameterize_backward
# tests:
#   forward 1 = z as a function of rate and eps, at three sets of sizes
#   values 1 = drate as the chain rule says
#   gradient 1 = backward agrees with differences of the forward pass
#   distribution 1 = the samples have mean 1 / rate, and P(z > 1) is exp(-rate)
# steps:
#   forward = eps = 1 - exp(-rate z), solved for z
#   drate = the derivative of z by rate with eps held fixed, times dz

# %% [markdown]
# Not only Gaussians have a path from noise to sample. The exponential distribution with rate r > 0 has the distribution function
# $P(Z \le z) = 1 - e^{-rz}$ for $z \ge 0$. If ε is uniform on (0, 1), then the z that solves
#
# $$\varepsilon = 1 - e^{-rz}$$
#
# is a sample of it, and z is a function of r that can be differentiated with ε held fixed. Solve for z, then write the pair:
#
# - `exponential_path_forward(rate, eps)`, with both inputs of shape (N, K) and every eps strictly between 0 and 1, returns `z, cache`, with z of
#   shape (N, K); the cache is yours.
# - `exponential_path_backward(dz, cache)` returns `drate`, of shape (N, K), the derivative of the loss by the rate, if `dz` is that by z. The noise
#   gets no gradient.

# %% [solution]
def exponential_path_forward(rate, eps):
    """rate, eps (N, K) -> z (N, K), cache."""
    ### BEGIN SOLUTION
    z = -np.log1p(-eps) / rate
    cache = rate, z
    return z, cache
    ### END SOLUTION


def exponential_path_backward(dz, cache):
    """dz (N, K) -> drate (N, K)."""
    ### BEGIN SOLUTION
    rate, z = cache
    return -dz * z / rate
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    return positive(rng, N, K), rng.uniform(0.1, 0.9, (N, K))


def test_distribution(student, right, rng):
    eps = (np.arange(20_000)[:, None] + 0.5) / 20_000  # even quantiles in place of random numbers
    rates = np.array([[0.7, 2.0]])
    z, _ = student.exponential_path_forward(rates + 0 * eps, eps + 0 * rates)
    return same(z.mean(0), 1 / rates[0], 1e-3) and same((z > 1).mean(0), np.exp(-rates[0]), 1e-3)

# %% [hints]
# 1. Bring the exponential to one side and take the logarithm. z must come out positive.
# 2. rate stands in z at one place. The derivative of 1 / r by r is known; write the result with z and r, for both are at hand.

# %% [wrong] eps = exp(-rate z) is solved: the same distribution, along another path than the one asked for
# - z = -np.log1p(-eps) / rate
# + z = -np.log(eps) / rate

# %% [wrong] the rate is taken for the mean: z is multiplied by it
# - z = -np.log1p(-eps) / rate
# + z = -np.log1p(-eps) * rate
# - return -dz * z / rate
# + return dz * z / rate

# %% [wrong] the sign of drate is lost: a larger rate makes z smaller
# - return -dz * z / rate
# + return dz * z / rate

# %% [wrong] drate is divided by the rate once more: z already holds one 1 / rate
# - return -dz * z / rate
# + return -dz * z / rate**2

# %% [wrong] the 1 / rate is missing in drate: it is the derivative by log rate
# - return -dz * z / rate
# + return -dz * z

# %% [note]
# Any distribution with an invertible distribution function has a path, z = F^-1(eps); a jump in it, as in a discrete distribution, ends the path.
# Notebook 07, sections 3 and 4.
