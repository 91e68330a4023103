# %% [record]
# title: The minibatches of an epoch
# kind: function
# lecture: D0 | A Quick Overview; D0 | Estimating the Objective
# notebook: 10
# equation: one epoch = one pass over the N data
# tag: -
# shapes: n_data, batch_size integers; rng a Generator -> list of integer arrays
# lines: 2
# minutes: 10
# outputs: batches
# tests:
#   once 1 = in an epoch every datum comes exactly once
#   sizes 1 = all batches have batch_size indices, but for the last, which holds what is left
#   order 1 = the next epoch has another order, and other data come together in a batch
#   seeded 1 = two generators with the same seed give the same batches
# steps:
#   batches = how often the random order is drawn in an epoch, and where one batch ends and the next begins

# %% [markdown]
# A step of training takes a *minibatch* of the data; an *epoch* is one pass over all of them, in random order. Write
# the function that says which data are in which batch.
#
# `epoch_batches(n_data, batch_size, rng)` returns a list of arrays of integers: the indices, from 0 to `n_data - 1`, of
# the first batch, the second, and so on. Every datum comes exactly once. Every batch has `batch_size` indices, except
# that the last may have fewer. All that is random comes from `rng`, a `numpy.random.Generator`: it is handed in once
# and used epoch after epoch, so each call gives another order.

# %% [solution]
def epoch_batches(n_data, batch_size, rng):
    """n_data, batch_size integers, rng a numpy.random.Generator -> list of arrays of integers."""
    ### BEGIN SOLUTION
    order = rng.permutation(n_data)
    return [order[start : start + batch_size] for start in range(0, n_data, batch_size)]
    ### END SOLUTION

# %% [check]
CASES = (23, 5), (24, 6), (7, 10)

def test_once(student, right, rng):
    epochs = [student.epoch_batches(n, size, rng) for n, size in CASES]
    return all(sorted(np.concatenate(epoch).tolist()) == list(range(n)) for epoch, (n, _) in zip(epochs, CASES))

def test_sizes(student, right, rng):
    epochs = [student.epoch_batches(n, size, rng) for n, size in CASES]
    return [[len(batch) for batch in epoch] for epoch in epochs] == [[5, 5, 5, 5, 3], [6, 6, 6, 6], [7]]

def test_order(student, right, rng):
    first, second = (student.epoch_batches(200, 20, rng) for _ in range(2))
    if np.array_equal(np.concatenate(first), np.concatenate(second)):
        return False
    together = [max(len(set(a.tolist()) & set(b.tolist())) for b in second) for a in first]
    return max(together) < 12  # 2 are expected

def test_seeded(student, right, rng):
    seed = int(rng.integers(2**31))
    pair = [student.epoch_batches(40, 7, np.random.default_rng(seed)) for _ in range(2)]
    return len(pair[0]) > 0 and same([np.asarray(b) for b in pair[0]], [np.asarray(b) for b in pair[1]])

# %% [hints]
# 1. One random order of all data serves the whole epoch.
# 2. `rng.permutation(n)` is 0 ... n-1 in random order. A slice that reaches beyond the end of an array stops at the
#    end.

# %% [wrong] every batch is drawn anew from all data: some come twice in an epoch, others never
def epoch_batches(n_data, batch_size, rng):
    starts = range(0, n_data, batch_size)
    return [rng.choice(n_data, min(batch_size, n_data - start), replace=False) for start in starts]

# %% [wrong] the last, smaller batch is dropped
# - return [order[start : start + batch_size] for start in range(0, n_data, batch_size)]
# + return [order[start : start + batch_size] for start in range(0, n_data - batch_size + 1, batch_size)]

# %% [wrong] the order is that of the file, in every epoch
# - order = rng.permutation(n_data)
# + order = np.arange(n_data)

# %% [wrong] the batches are shuffled, but the same data are together in every epoch
def epoch_batches(n_data, batch_size, rng):
    starts = np.arange(0, n_data, batch_size)
    return [np.arange(start, min(start + batch_size, n_data)) for start in rng.permutation(starts)]

# %% [wrong] the order comes from NumPy's global generator, which the seed handed in does not reach
# - order = rng.permutation(n_data)
# + order = np.random.permutation(n_data)

# %% [note]
# `tinyvae.train.minibatches` does the same for the rows of X. A batch drawn this way has an unbiased mean, and in an
# epoch no datum is forgotten.
