# %% [record]
# title: The backward pass of a dense layer
# lab: 2.1
# kind: backward
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 02
# equation: y_no = sum_i x_ni W_io + b_o
# tag: DENSE.2
# shapes: dy (..., O); cache = x (..., I), W (I, O) -> dx (..., I), dW (I, O), db (O,)
# lines: 5
# minutes: 20
# solution: tinyvae.layers:dense_backward
# forward: tinyvae.layers:dense_forward
# outputs: dx dW db
# tests:
#   values 2 = dx, dW and db as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   any_batch 1 = the same for a batch of shape (L, N) in place of (N,)
# steps:
#   dx = x_ni stands in all O outputs of row n; each sends back its dy times the weight on that arrow [DENSE.2]
#   dW = W_io stands in row n once, beside x_ni, and it serves every row [DENSE.2]
#   db = b_o is added to every row [DENSE.2]

# %% [markdown]
# A dense layer holds one datum per row. Its forward pass is
#
# $$y_{no} = \sum_i x_{ni} W_{io} + b_o, \qquad \text{in code } y = x\,W + b ,$$
#
# with x of shape (N, I), W of shape (I, O), b of shape (O,) and y of shape (N, O). Encoder and decoder are made of it, so whoever has
# its backward pass has most of the backward pass of a VAE.
#
# Write `dense_backward(dy, cache)`. Here `dy` is the derivative of the loss by y, of the shape of y, and `cache = (x, W)` is what the forward
# pass kept. Return `dx, dW, db`, the derivatives of the loss by x, W and b, each of the shape of that array.
#
# The loss is one number; nothing is divided by N here. The rows of x may also stand in several batch axes, (L, N, I) for example; y and dy
# then have the shape (L, N, O), while W and b are as before.

# %% [check]
def inputs(rng, N, I, O):
    return normal(rng, N, I), normal(rng, I, O), normal(rng, O)


def test_any_batch(student, right, rng):
    x, W, dy = normal(rng, 2, 3, 5), normal(rng, 5, 7), upstream(rng, 2, 3, 7)
    return same(student.dense_backward(dy, (x, W)), right.dense_backward(dy, (x, W)))

# %% [hints]
# 1. Write one entry, y_no, and mark where x_ni, W_io and b_o occur. Which entries of y does a single W_io reach?
# 2. The derivative of the loss by W_io is a sum over all y it reaches: dy_no times the derivative of y_no by W_io. A sum over n of a product of two
#    matrices is a matrix product; which of the two has to be transposed for the result to have the shape (I, O)?
# 3. For more batch axes, first make matrices of rows, `a.reshape(-1, a.shape[-1])`, of x and of dy: dW and db do not care how the rows are arranged.

# %% [wrong] the weight gradient is transposed: its shape is (O, I)
def dense_backward(dy, cache):
    x, W = cache
    x, dy2 = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ W.T, dy2.T @ x, dy2.sum(0)

# %% [wrong] the rows are not summed for the bias: db keeps the batch axis
def dense_backward(dy, cache):
    x, W = cache
    x, dy2 = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ W.T, x.T @ dy2, dy

# %% [wrong] db is the mean of dy over the rows where the sum belongs
def dense_backward(dy, cache):
    x, W = cache
    x, dy2 = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ W.T, x.T @ dy2, dy2.mean(0)

# %% [wrong] dW is divided by the number of rows, which belongs to the loss alone
def dense_backward(dy, cache):
    x, W = cache
    x, dy2 = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ W.T, x.T @ dy2 / len(x), dy2.sum(0)

# %% [wrong] dW and db are divided by the number of rows, which belongs to the loss alone
def dense_backward(dy, cache):
    x, W = cache
    x, dy2 = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ W.T, x.T @ dy2 / len(x), dy2.sum(0) / len(x)

# %% [wrong] only the first of several batch axes is summed
def dense_backward(dy, cache):
    x, W = cache
    return dy @ W.T, np.swapaxes(x, -1, -2) @ dy, dy.sum(0)

# %% [wrong] dx is dy times W, with the weights not transposed
def dense_backward(dy, cache):
    x, W = cache
    x, dy2 = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ W, x.T @ dy2, dy2.sum(0)

# %% [note]
# W and b serve every row, so their gradients are sums over rows; x serves every output, so its gradient is a sum over outputs. What is used more than
# once collects. In the package the pair stands in tinyvae/layers.py as [DENSE.1] and [DENSE.2]; notebook 02, section 2, derives it entry by entry.
