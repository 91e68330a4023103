# %% [record]
# title: The gap of the ELBO, measured on a grid
# kind: function
# lecture: D2 | [the variational lower bound, and its gap]; D1 | Variational Inference (2)
# notebook: 05
# equation: log p(x) - F(theta, q) = KL(q(z) || p(z|x))
# tag: GRID.1
# shapes: z, log_joint (M,); mu, sigma numbers -> log_px a number, gap a number
# lines: 6
# minutes: 25
# outputs: log_px gap
# rtol: 1e-9
# tests:
#   values 2 = log p(x) and the gap, for three curved decoders
#   exact 1 = where q is the posterior, the gap is 0
#   parts 1 = the gap is what the ELBO lacks of log p(x), the ELBO taken from its two terms
#   far 1 = the same where p(x, z) is too small for a float, as for images of many pixels
# steps:
#   log_px = the sum that stands for the integral of p(x, z); then what was taken out of the exponentials [GRID.1]
#   gap = the ELBO as a sum on the same grid [GRID.1]: which density weights it, and which logarithms stand in it

# %% [markdown]
# With one latent dimension every integral over z can be done on a grid: a sum over equally spaced points times their spacing.
# Then the bound's gap can be seen, for any decoder.
#
# Write `gap_by_grid(z, log_joint, mu, sigma)`:
#
# - `z`, shape (M,): equally spaced points, wide enough that all the mass of q and of the posterior lies between the first and the last;
# - `log_joint`, shape (M,): $\log p(x, z)$ of one datum x at these points. It may be as low as -2000 everywhere;
# - `mu`, `sigma`: mean and standard deviation of $q(z) = N(μ, σ^2)$.
#
# Return $\log p(x)$ and the gap $\log p(x) - ELBO$, two numbers in nats, with
# $$p(x) = \int p(x, z) dz, \qquad ELBO = E_{q(z)}[\log p(x, z) - \log q(z)].$$

# %% [solution]
def gap_by_grid(z, log_joint, mu, sigma):
    """z, log_joint (M,), mu and sigma numbers -> log_px, gap: two numbers, in nats."""
    ### BEGIN SOLUTION
    cell = z[1] - z[0]
    top = log_joint.max()
    log_px = top + np.log(np.exp(log_joint - top).sum() * cell)
    log_q = -((z - mu) ** 2) / (2 * sigma**2) - np.log(2 * np.pi * sigma**2) / 2
    elbo = (np.exp(log_q) * (log_joint - log_q)).sum() * cell
    return log_px, log_px - elbo
    ### END SOLUTION

# %% [check]
# rtol 1e-9: other rules for the sum (trapezoids) and the closed form of the entropy differ by rounding and at the border
def log_normal(x, mean, variance):
    return -((x - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2

def inputs(rng, M):
    z = np.linspace(-18, 18, 550 + 3 * M)
    bend, x = normal(rng, 2)
    log_joint = log_normal(z, 0, 1) + log_normal(x, np.tanh(z) + bend * np.sin(z), 0.8)
    return z, log_joint, float(normal(rng)), float(np.exp(log_scale(rng) / 2))

def test_exact(student, right, rng):
    z, x, eta = np.linspace(-18, 18, 601), 1.3, 0.6
    log_joint = log_normal(z, 0, 1) + log_normal(x, 1.7 * z, eta)
    variance = 1 / (1 + 1.7**2 / eta)
    log_px, gap = student.gap_by_grid(z, log_joint, variance * 1.7 * x / eta, variance**0.5)
    return same(log_px, log_normal(x, 0, 1.7**2 + eta), rtol=1e-9) and bool(abs(gap) < 1e-9)

def test_parts(student, right, rng):
    z, log_joint, mu, sigma = inputs(rng, 17)
    log_px, gap = student.gap_by_grid(z, log_joint, mu, sigma)
    q = np.exp(log_normal(z, mu, sigma**2)) * (z[1] - z[0])
    elbo = (q * (log_joint - log_normal(z, 0, 1))).sum() - (sigma**2 + mu**2 - 1 - np.log(sigma**2)) / 2
    return same(log_px - gap, elbo, rtol=1e-8)

def test_far(student, right, rng):
    z, log_joint, mu, sigma = inputs(rng, 17)
    near, far = right.gap_by_grid(z, log_joint, mu, sigma), student.gap_by_grid(z, log_joint - 1500, mu, sigma)
    return same(far, (near[0] - 1500, near[1]), rtol=1e-8)

# %% [hints]
# 1. Three quantities: log p(x) from the sum of exp(log_joint), log q at the points, and the ELBO as a sum weighted by q. Each sum is an integral only with the spacing.
# 2. exp(-2000) is 0 in a float. Take the largest log_joint out before the exponential, and put it back after the logarithm.

# %% [wrong] log p(x) lacks the spacing of the grid
# - log_px = top + np.log(np.exp(log_joint - top).sum() * cell)
# + log_px = top + np.log(np.exp(log_joint - top).sum())

# %% [wrong] exp(log_joint) underflows
# - top = log_joint.max()
# + top = 0

# %% [wrong] the entropy of q is left out of the ELBO
# - elbo = (np.exp(log_q) * (log_joint - log_q)).sum() * cell
# + elbo = (np.exp(log_q) * log_joint).sum() * cell

# %% [wrong] the expectation is taken over the posterior: the gap is the KL the other way round, with a minus sign
# - elbo = (np.exp(log_q) * (log_joint - log_q)).sum() * cell
# + elbo = (np.exp(log_joint - log_px) * (log_joint - log_q)).sum() * cell

# %% [wrong] sigma is taken for a variance
# - log_q = -((z - mu) ** 2) / (2 * sigma**2) - np.log(2 * np.pi * sigma**2) / 2
# + log_q = -((z - mu) ** 2) / (2 * sigma) - np.log(2 * np.pi * sigma) / 2

# %% [wrong] the expectation is taken over the posterior: this is KL(p(z|x) || q), the other way round
# - elbo = (np.exp(log_q) * (log_joint - log_q)).sum() * cell
# + log_p = log_joint - log_px
# + elbo = log_px - (np.exp(log_p) * (log_p - log_q)).sum() * cell

# %% [note]
# `tinyvae.exact.GridPosterior` does the same for one or two latent dimensions, and refuses a grid that is too narrow or too coarse.
