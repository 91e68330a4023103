# %% [record]
# title: A dense layer, one datum per row
# kind: forward
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 02
# equation: y = A x + b for one datum, a column x
# tag: DENSE.1
# shapes: x (..., I), W (I, O), b (O,) -> y (..., O), cache
# lines: 2
# minutes: 10
# solution: tinyvae.layers:dense_forward
# outputs: y
# tests:
#   values 1 = y as the formula says, at three sets of sizes, and x, W, b left as they were
#   columns 1 = row n of y is A x_n + b, the formula of the slides with A the transpose of W
#   any_batch 1 = the same for a batch of shape (L, N) in place of (N,)
# steps:
#   y = entry o of A x + b is a sum over i, with A the transpose of W; every row of x is an x of its own [DENSE.1]

# %% [markdown]
# The slides write a layer for one datum, a column: $y = A x + b$, where A has O rows and I columns, x has I entries and b has O.
# Programs hold a whole batch, one datum per *row*, and store the weights as W, the transpose of A, of shape (I, O).
#
# Write `dense_forward(x, W, b)` with x of shape (N, I), W of shape (I, O) and b of shape (O,). Row n of the result y, of shape (N, O), is the slides'
# y for the datum in row n of x. Instead of (N, I) x may have more batch axes, (L, N, I) for example; y then has the shape (L, N, O).
#
# Return `y, cache`. The cache is for a backward pass; put into it what you like, it is not judged here. x, W and b must be left as they are.

# %% [check]
def inputs(rng, N, I, O):
    return normal(rng, N, I), normal(rng, I, O), normal(rng, O)


def test_columns(student, right, rng):
    x, W, b = normal(rng, 4, 3), normal(rng, 3, 2), normal(rng, 2)
    A = W.T
    slides = [[sum(A[o, i] * x[n, i] for i in range(3)) + b[o] for o in range(2)] for n in range(4)]
    return same(student.dense_forward(x, W, b)[0], np.array(slides))


def test_any_batch(student, right, rng):
    x, W, b = normal(rng, 2, 3, 5), normal(rng, 5, 7), normal(rng, 7)
    return same(student.dense_forward(x, W, b)[0], right.dense_forward(x, W, b)[0])

# %% [hints]
# 1. Write entry o of A x + b as a sum over i, then replace A by its transpose. Which index of W runs in the sum?
# 2. In `a @ b` the last axis of a and the second-to-last of b are summed. Which order of x and W sums over I? NumPy lines b up with the last axis of
#    the product.

# %% [wrong] the data stand in columns: the result is transposed
# - y = x @ W
# + y = W.T @ np.swapaxes(x, -1, -2)
# - y += b  # in place: no second array of this size
# + y += b[:, None]

# %% [wrong] the bias is left out
# - y += b  # in place: no second array of this size
# +

# %% [wrong] the weights are taken as (O, I), as the slides have them
# - y = x @ W
# + y = x @ W.T

# %% [wrong] only the rows of a matrix are seen: further batch axes are lost
# - y = x @ W
# + y = x.reshape(-1, x.shape[-1]) @ W

# %% [note]
# `x @ W + b` is the transpose of the slides' A x + b. The package keeps to rows everywhere; tinyvae/layers.py says so at its top, notebook 02 checks
# [DENSE.1] entry by entry.
