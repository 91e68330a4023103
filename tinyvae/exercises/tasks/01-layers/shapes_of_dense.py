# %% [record]
# title: Shapes and sums of a dense layer
# kind: numbers
# lecture: D1 | A plain explanation; D3 | Reparameterization Trick
# notebook: 02
# equation: y_lno = sum_i x_lni W_io + b_o
# tag: DENSE.2
# shapes: x (L, N, I), W (I, O), b (O,)
# lines: 4
# minutes: 15
# tests:
#   y_shape 1 = the shape of y
#   entries 1 = the number of entries of dx, dW and db
#   db_axes 1 = the axes of dy that are summed to get db
#   terms 1 = how many numbers are added up in one entry of y, of dx, of dW and of db
# steps:
#   y_shape = the product sums over the last axis of x alone; the axes before it stay
#   entries = the gradient by an array has one entry for each of its entries
#   db_axes = b is added in every row: over which axes do the rows lie? [DENSE.2]
#   terms = every index that is not one of the result is summed: how many values does it take? [DENSE.2]

# %% [markdown]
# A decoder is fed {{L}} samples z for each of {{N}} data. Its first layer is $y = x W + b$ in code, one sample per row, where
#
# - x has the shape ({{L}}, {{N}}, {{I}}),
# - W has the shape ({{I}}, {{O}}),
# - b has the shape ({{O}},).
#
# The backward pass gets dy, the derivative of the loss by y, and returns dx, dW, db, the derivatives of the loss by x, W and b. Without running a
# program, answer:
#
# - `y_shape`: the shape of y, a tuple.
# - `entries`: the numbers of entries of dx, of dW and of db, a tuple of three whole numbers.
# - `db_axes`: which axes of dy are summed to get db? A tuple of axes, counted from 0, in increasing order.
# - `terms`: how many numbers are added up in one entry of y (without the bias), of dx, of dW and of db? A tuple of four whole numbers.

# %% [check]
def numbers(rng):
    L, N, I, O = (3, 5, 7, 2) if rng is None else (int(n) for n in rng.permutation([2, 3, 5, 7, 11, 13])[:4])
    return {"L": L, "N": N, "I": I, "O": O}


def right(n):
    L, N, I, O = n["L"], n["N"], n["I"], n["O"]
    return {"y_shape": (L, N, O), "entries": (L * N * I, I * O, O), "db_axes": (0, 1), "terms": (I, O, L * N, L * N)}


def wrong(n):
    L, N, I, O = n["L"], n["N"], n["I"], n["O"]
    truth = right(n)
    return {
        "only the first batch axis is summed": {**truth, "db_axes": (0,), "terms": (I, O, L, L)},
        "only the axis of the data is summed, not that of the samples": {**truth, "db_axes": (1,), "terms": (I, O, N, N)},
        "W and b get one gradient for every row": {**truth, "entries": (L * N * I, L * N * I * O, L * N * O), "terms": (I, O, 1, 1)},
        "the sum of y and the sum of dx are exchanged": {**truth, "terms": (O, I, L * N, L * N)},
        "the last axis of dy is summed as well": {**truth, "db_axes": (0, 1, 2), "terms": (I, O, L * N, L * N * O)},
        "y has one row for each datum, where each sample has its own": {**truth, "y_shape": (N, O)},
        "y has the shape of x": {**truth, "y_shape": (L, N, I)},
    }

# %% [hints]
# 1. The derivative of the loss by an array has one entry for each entry of that array.
# 2. Write y_lno with its indices. An index that stands in dy and in the other factor, but not in the result, is summed; how many values does it take?
# 3. W and b are used in every row. Over which axes do the rows lie?

# %% [note]
# dv has the shape of v, and what is used several times sums its gradients: W and b over all rows, whatever the axes in which the rows lie. This is
# why the package's [DENSE.2] first makes a matrix of rows. Notebook 02, section 2.
