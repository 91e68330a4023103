# %% [record]
# title: An alarm for what is no bound
# kind: function
# lecture: D0 | VAE as an Auto-Encoder; D1 | Variational Inference (2)
# notebook: 14
# equation: E ELBO <= log p(x)
# tag: ELBO.1
# shapes: objective (L, N); log_p (N,) -> indices, integers
# lines: 2
# minutes: 10
# outputs: indices
# tests:
#   quiet 1 = for a right bound the array of indices is empty, though single draws and many means lie above log p(x)
#   too_high 1 = the data at which the expectation is too high are found, and no others
#   no_noise 1 = values without any noise: rounding raises no alarm, a true excess does
# steps:
#   indices = the standard error of the mean of one datum, along which axis; then the comparison with log p(x) [ELBO.1]

# %% [markdown]
# A program prints a number that it calls a lower bound. On a model with a known $\log p(x)$ this can be tested, but not
# draw by draw: the ELBO is a bound in *expectation*, and many single draws lie above it.
#
# `objective`, of shape (L, N), holds L independent sampled values for each of N data; `log_p`, of shape (N,), the exact
# $\log p(x)$; both in nats. Return the indices, an array of integers in rising order, of the data at which the mean of
# the L values lies above `log_p` by more than 4 standard errors *of this mean* plus $10^{-9}$ (for rounding). Take the
# standard deviation with L - 1 in the denominator.

# %% [solution]
def not_a_bound(objective, log_p):
    """objective (L, N), log_p (N,) -> the indices of the data at which the mean is above log_p beyond its error."""
    ### BEGIN SOLUTION
    error = objective.std(0, ddof=1) / np.sqrt(len(objective))
    return np.flatnonzero(objective.mean(0) > log_p + 4 * error + 1e-9)
    ### END SOLUTION

# %% [check]
def case(rng):
    exact = np.linspace(-3, 3, 60)
    noise = rng.standard_normal((400, 60))
    noise = (noise - noise.mean(0)) / noise.std(0, ddof=1)  # mean 0 and spread 1 exactly: no chance has part in the alarm
    errors = rng.permutation(np.linspace(-3, 3, 60)) / 20  # of the means, in standard errors from -3 to 3
    return exact, exact - 0.02 + noise + errors  # barely below: single draws and many means lie above

def found(student, objective, log_p):
    return np.asarray(student.not_a_bound(objective, log_p)).tolist()

def test_quiet(student, right, rng):
    exact, bound = case(rng)
    return found(student, bound, exact) == [] and found(student, bound - 5, exact) == []

def test_too_high(student, right, rng):
    exact, bound = case(rng)
    bound[:, [5, 40]] += 0.6
    few, level = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), np.array([-0.25, -0.4])  # 4 errors are 2.31, or 1.89 with L in the denominator
    return found(student, bound, exact) == [5, 40] and found(student, few, level) == [1]

def test_no_noise(student, right, rng):
    same_values = np.full((3, 2), -1.0)
    return found(student, same_values + 1e-12, same_values[0]) == [] and found(student, same_values, np.array([-1.0, -2.0])) == [1]

# %% [hints]
# 1. The standard error of a mean of L independent values is their standard deviation divided by the root of L.
# 2. Compare the means of all data at once; `np.flatnonzero` gives the indices at which a comparison is true.

# %% [wrong] one draw above log p(x) raises the alarm
# - return np.flatnonzero(objective.mean(0) > log_p + 4 * error + 1e-9)
# + return np.flatnonzero((objective > log_p + 1e-9).any(0))

# %% [wrong] every mean above log p(x) raises the alarm, by however little
# - return np.flatnonzero(objective.mean(0) > log_p + 4 * error + 1e-9)
# + return np.flatnonzero(objective.mean(0) > log_p + 1e-9)

# %% [wrong] the standard deviation of a draw stands for the error of the mean: a true excess is missed
# - error = objective.std(0, ddof=1) / np.sqrt(len(objective))
# + error = objective.std(0, ddof=1)

# %% [wrong] the mean over the data is compared, not that of each datum
# - return np.flatnonzero(objective.mean(0) > log_p + 4 * error + 1e-9)
# + return np.flatnonzero(objective.mean() > log_p + 4 * error + 1e-9)

# %% [wrong] excesses are found on both sides: a loose bound raises the alarm too
# - return np.flatnonzero(objective.mean(0) > log_p + 4 * error + 1e-9)
# + return np.flatnonzero(np.abs(objective.mean(0) - log_p) > 4 * error + 1e-9)

# %% [wrong] the standard deviation has L in the denominator: with few samples the error comes out too small
# - error = objective.std(0, ddof=1) / np.sqrt(len(objective))
# + error = objective.std(0) / np.sqrt(len(objective))

# %% [wrong] no allowance is made for rounding, where there is no noise
# - return np.flatnonzero(objective.mean(0) > log_p + 4 * error + 1e-9)
# + return np.flatnonzero(objective.mean(0) > log_p + 4 * error)

# %% [note]
# Where a bound is tight, 4 standard errors are exceeded by chance once in some 30 000 data: watch the count when N is
# large. Notebook 14 turns the sign of the KL and hears the alarm at nearly every digit.
