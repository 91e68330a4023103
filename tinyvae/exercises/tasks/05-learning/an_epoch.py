# %% [record]
# title: An epoch of stochastic gradient descent
# kind: function
# lecture: D1 | Variational Inference for VAE; D0 | Estimating the Objective
# notebook: 10
# equation: theta <- theta - lr dloss/dtheta, minibatch by minibatch
# tag: SGD.1
# shapes: theta (D,); X (N, D); order (N,) integers; batch_size an integer, lr a number -> theta (D,)
# lines: 4
# minutes: 15
# outputs: theta
# tests:
#   values 2 = theta after the epoch, for three sizes; the theta that came in stays as it was
#   one_batch 1 = with a batch as large as the data, or larger, the epoch is one step
# steps:
#   theta = one batch after another [SGD.1]: which rows of X belong to it, and at which theta is its gradient taken?

# %% [markdown]
# Write the loop of one epoch of plain stochastic gradient descent, for a small quadratic loss:
#
# $$\mathrm{loss}(\theta) = \frac1B \sum_{n\in\text{batch}} \tfrac12\,\|\theta - x_n\|^2, \qquad \theta, x_n \in \mathbb{R}^D,$$
#
# whose gradient on a batch is given: `dloss(theta, x)`, with the rows `x` of the batch, shape (B, D), returns it with
# the shape (D,).
#
# `X` has the shape (N, D). `order`, of shape (N,), holds the indices 0 ... N-1 in the order in which the data are
# taken: the first `batch_size` of them are the first batch, the next `batch_size` the second, and so on; the last batch
# has what is left. After each batch `theta` takes one step with the learning rate `lr`. Return `theta` after the last
# batch. The `theta` that came in must not change.

# %% [given]
def dloss(theta, x):
    """The gradient of mean_n 1/2 ||theta - x_n||^2 by theta: theta (D,), x (B, D) -> (D,)."""
    return theta - x.mean(0)

# %% [solution]
def epoch(theta, X, order, batch_size, lr):
    """theta (D,), X (N, D), order (N,) indices, batch_size, lr -> theta after the epoch, a new array (D,)."""
    ### BEGIN SOLUTION
    for start in range(0, len(X), batch_size):
        x = X[order[start : start + batch_size]]
        theta = theta - lr * dloss(theta, x)
    return theta
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    N = N + 12
    batch_size = 5 if N % 5 else 4  # so that the last batch is smaller
    return normal(rng, D), normal(rng, N, D), rng.permutation(N), batch_size, float(rng.uniform(0.05, 0.4))

def test_one_batch(student, right, rng):
    theta, X, order = normal(rng, 2), normal(rng, 11, 2), rng.permutation(11)
    one = student.epoch(theta, X, order, 11, 0.3), student.epoch(theta, X, order, 40, 0.3)
    return same(one, (theta - 0.3 * (theta - X.mean(0)),) * 2, rtol=1e-10)

# %% [hints]
# 1. `range(0, N, batch_size)` gives the starts of the batches; a slice of `order` gives the indices of one.
# 2. The gradient of the second batch is taken where the first step has led.

# %% [wrong] all gradients are taken at the theta of the beginning
def epoch(theta, X, order, batch_size, lr):
    start_theta = theta
    for start in range(0, len(X), batch_size):
        x = X[order[start : start + batch_size]]
        theta = theta - lr * dloss(start_theta, x)
    return theta

# %% [wrong] the last, smaller batch is dropped
# - for start in range(0, len(X), batch_size):
# + for start in range(0, len(X) - batch_size + 1, batch_size):

# %% [wrong] the data are taken in the order of the file
# - x = X[order[start : start + batch_size]]
# + x = X[start : start + batch_size]

# %% [wrong] only the last batch moves theta
def epoch(theta, X, order, batch_size, lr):
    for start in range(0, len(X), batch_size):
        x = X[order[start : start + batch_size]]
        new = theta - lr * dloss(theta, x)
    return new

# %% [wrong] the mean gradient is divided by the size of the batch once more
# - theta = theta - lr * dloss(theta, x)
# + theta = theta - lr * dloss(theta, x) / len(x)

# %% [wrong] theta is changed in place, and with it the array that came in
# - theta = theta - lr * dloss(theta, x)
# + theta -= lr * dloss(theta, x)

# %% [note]
# `tinyvae.train.loop` is this loop, with fresh noise for every batch, an optimiser in place of the step and the
# bookkeeping of the terms.
