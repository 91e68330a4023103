# %% [record]
# title: The whole sum from a minibatch
# kind: function
# lecture: D0 | A Quick Overview
# notebook: 01
# equation: the mean of a random minibatch is an unbiased estimate of the mean of the data
# tag: -
# shapes: batch_values (N,); n_data an integer -> a number
# lines: 1
# minutes: 5
# outputs: estimate
# tests:
#   values 1 = the estimate from one minibatch, at three sizes
#   unbiased 1 = over all minibatches of 3 of 8, of 5 of 8 and of 2 of 6 data the mean of the estimates is the sum
# steps:
#   estimate = what the mean of the batch estimates, and what the sum over all data is in terms of that

# %% [markdown]
# A loss is the *sum* of a value over all data, `n_data` of them. A random minibatch (drawn without replacement) has
# given `batch_values`, of shape (N,), the values of its N data. Return an *unbiased* estimate of the sum over all data,
# one number: its mean over all minibatches that could have been drawn is the sum.

# %% [solution]
def estimate_sum(batch_values, n_data):
    """batch_values (N,), n_data an integer -> an unbiased estimate of the sum over all n_data values, a number."""
    ### BEGIN SOLUTION
    return n_data * batch_values.mean()
    ### END SOLUTION

# %% [check]
def inputs(rng, N):
    return normal(rng, N), 4 * N + 1

def test_unbiased(student, right, rng):
    from itertools import combinations

    f = normal(rng, 8)
    for n_data, size in ((8, 3), (8, 5), (6, 2)):
        estimates = [student.estimate_sum(f[list(s)], n_data) for s in combinations(range(n_data), size)]
        if np.shape(estimates[0]) != () or abs(np.mean(estimates) - f[:n_data].sum()) > 1e-12:
            return False
    return True

# %% [hints]
# 1. What does the mean of the batch estimate without bias?
# 2. Test it on values that are all 1: the estimate must be n_data, whatever the size of the batch.

# %% [wrong] the sum of the batch is not scaled up to all data
# - return n_data * batch_values.mean()
# + return batch_values.sum()

# %% [wrong] the mean of the batch is returned as it is: it estimates the mean of the data, not their sum
# - return n_data * batch_values.mean()
# + return batch_values.mean()

# %% [wrong] the sum of the batch is multiplied by n_data and never divided by the size of the batch
# - return n_data * batch_values.mean()
# + return n_data * batch_values.sum()

# %% [wrong] each value is scaled, and the values are not averaged
# - return n_data * batch_values.mean()
# + return n_data * batch_values

# %% [note]
# The training loss of the package is a mean over the data, so the mean of the batch estimates it without a factor
# (notebook 01, section 2).
