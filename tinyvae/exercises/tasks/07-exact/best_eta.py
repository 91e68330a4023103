# %% [record]
# title: The best variance of the observation noise
# kind: function
# lecture: D2 | [the first term: reconstruction]; D2 | Observation Model
# notebook: 06b
# equation: log N(x; G(z), eta I) = -||x - G(z)||^2 / (2 eta) - D/2 ln(2 pi eta)
# tag: NORMS.1
# shapes: x, mean (N, D) -> eta a number, log_px (N,)
# lines: 3
# minutes: 15
# outputs: eta log_px
# tests:
#   values 2 = eta and log p(x|z) at this eta, at three sets of sizes
#   optimum 1 = a variance a hundredth larger or smaller makes the whole batch less probable
# steps:
#   eta = the sum of log p(x|z) over the batch as a function of eta alone, and where its derivative is zero [NORMS.1]
#   log_px = the terms of one pixel at the eta found, constants too; then the axis of the sum [NORMS.1]

# %% [markdown]
# The variance η of the noise in $p(x|z) = N(x; G(z), η I)$ need not be chosen by hand: it can be fitted. The decoder's means G(z) are given, as `mean`.
#
# Write `best_eta(x, mean)` for x and mean of shape (N, D). Return
#
# - η, one number: the variance, the same for all pixels and all data, at which the sum of log p(x|z) over the batch is largest;
# - log p(x|z) at this η, with all constants, of shape (N,), in nats.

# %% [solution]
def best_eta(x, mean):
    """x, mean (N, D) -> eta (a number, a variance), log_px (N,) at this eta, in nats."""
    ### BEGIN SOLUTION
    error = (x - mean) ** 2
    eta = error.mean()
    return eta, -(error / eta + np.log(2 * np.pi * eta)).sum(1) / 2
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    return normal(rng, N, D), 2 * normal(rng, N, D)

def test_optimum(student, right, rng):
    from tinyvae.likelihoods.gaussian import gaussian_forward

    x, mean = inputs(rng, 5, 4)
    eta, log_px = student.best_eta(x, mean)
    if np.ndim(eta):
        return False
    at = [gaussian_forward(mean, x, scale * eta)[0] for scale in (0.99, 1.0, 1.01)]
    return same(log_px, at[1], rtol=1e-10) and bool(at[1].sum() > max(at[0].sum(), at[2].sum()))

# %% [hints]
# 1. Write the sum of log p(x|z) over N data and D pixels as a function of eta alone: one term in 1/eta, one in ln eta.
# 2. Set its derivative by eta to zero. How many numbers have been added up?

# %% [wrong] eta is the root of the mean squared error: a standard deviation
# - eta = error.mean()
# + eta = np.sqrt(error.mean())

# %% [wrong] the squared error is summed over the pixels of a datum
# - eta = error.mean()
# + eta = error.sum(1).mean()

# %% [wrong] the half of the square is kept, the half of the logarithm missing
# - eta = error.mean()
# + eta = error.mean() / 2

# %% [wrong] the term ln(2 pi eta) is counted once, not once for each pixel
# - return eta, -(error / eta + np.log(2 * np.pi * eta)).sum(1) / 2
# + return eta, -((error / eta).sum(1) + np.log(2 * np.pi * eta)) / 2

# %% [wrong] every datum gets a variance of its own
# - eta = error.mean()
# + eta = error.mean(1)
# - return eta, -(error / eta + np.log(2 * np.pi * eta)).sum(1) / 2
# + return eta, -(error / eta[:, None] + np.log(2 * np.pi * eta[:, None])).sum(1) / 2

# %% [note]
# At the optimum the term with the squared error is D/2 on average, whatever the model: only ln η tells good models from bad ones.
# In the package: likelihood "gaussian_scalar", which learns ln η with the weights.
