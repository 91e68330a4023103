# %% [record]
# title: A network of two layers: dense, tanh, dense
# kind: backward
# lecture: D2 | Deep Autoencoders; D1 | A plain explanation
# notebook: 02
# equation: a = x W1 + b1, h = tanh(a), y = h W2 + b2
# tag: MLP.2
# shapes: dy (N, O); cache = cache1, cache_h, cache2 -> dx (N, I), dW1 (I, H), db1 (H,), dW2 (H, O), db2 (O,)
# lines: 5
# minutes: 15
# forward: two_layers_forward
# outputs: dx dW1 db1 dW2 db2
# tests:
#   values 2 = all five gradients as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
# steps:
#   dx = the last of the three steps back, through the first layer [MLP.2]
#   dW1 = from what has come back through the second layer and through tanh [MLP.2]
#   db1 = from the same step as dW1 [MLP.2]
#   dW2 = the first step back takes dy itself [MLP.2]
#   db2 = from the same step as dW2 [MLP.2]

# %% [markdown]
# A network calls the pairs of its layers and holds no calculus of its own. The forward pass of a small one, the encoder of a VAE for example, is
# given below as `two_layers_forward`:
#
# $$a = x W_1 + b_1, \qquad h = \tanh(a), \qquad y = h W_2 + b_2 .$$
#
# Write `two_layers_backward(dy, cache)`. `dy` is the derivative of the loss by y, of shape (N, O). The cache holds the caches of the three steps, in
# the order of the forward pass: `cache1` of the first dense layer, `cache_h` of the tanh, `cache2` of the second dense layer.
# Return `dx, dW1, db1, dW2, db2`, in the order of the inputs of the forward pass.
#
# Two backward passes are given: `dense_backward(dy, cache)` returns `dx, dW, db` of its layer, `tanh_backward(dy, cache)` returns `dx`. They call
# their own output y and their own input x, whatever their names are in the network.

# %% [given]
from tinyvae.layers import dense_backward, dense_forward, tanh_backward, tanh_forward


def two_layers_forward(x, W1, b1, W2, b2):
    """x (N, I), W1 (I, H), b1 (H,), W2 (H, O), b2 (O,) -> y (N, O), cache."""
    a, cache1 = dense_forward(x, W1, b1)
    h, cache_h = tanh_forward(a)
    y, cache2 = dense_forward(h, W2, b2)
    cache = cache1, cache_h, cache2
    return y, cache

# %% [solution]
def two_layers_backward(dy, cache):
    """dy (N, O), cache = (cache1, cache_h, cache2) -> dx, dW1, db1, dW2, db2."""
    ### BEGIN SOLUTION
    cache1, cache_h, cache2 = cache
    dh, dW2, db2 = dense_backward(dy, cache2)
    da = tanh_backward(dh, cache_h)
    dx, dW1, db1 = dense_backward(da, cache1)
    return dx, dW1, db1, dW2, db2
    ### END SOLUTION

# %% [check]
def inputs(rng, N, I, H, O):
    return normal(rng, N, I), normal(rng, I, H), normal(rng, H), normal(rng, H, O), normal(rng, O)

# %% [hints]
# 1. Read the three lines of forward from the last to the first. Each gives one line of backward, with the cache that it has made.
# 2. What flows between two steps back is the derivative by what flowed between them forward: name these derivatives dh and da.

# %% [wrong] the step through tanh is left out
# - dx, dW1, db1 = dense_backward(da, cache1)
# + dx, dW1, db1 = dense_backward(dh, cache1)

# %% [wrong] the gradients are returned in the order in which they are computed, not in the order of the inputs
# - return dx, dW1, db1, dW2, db2
# + return dW2, db2, dx, dW1, db1

# %% [wrong] the gradients of the two dense layers are exchanged
# - return dx, dW1, db1, dW2, db2
# + return dx, dW2, db2, dW1, db1

# %% [wrong] the caches of the two dense layers are exchanged
# - cache1, cache_h, cache2 = cache
# + cache2, cache_h, cache1 = cache

# %% [wrong] tanh is applied to cache_h, which holds h = tanh(a) already
# - da = tanh_backward(dh, cache_h)
# + da = tanh_backward(dh, np.tanh(cache_h))

# %% [wrong] db1 sums what comes back to h, where what comes back to a belongs
# - return dx, dW1, db1, dW2, db2
# + return dx, dW1, dh.sum(0), dW2, db2

# %% [wrong] tanh is passed twice on the way back: its factor is squared
# - da = tanh_backward(dh, cache_h)
# + da = tanh_backward(tanh_backward(dh, cache_h), cache_h)

# %% [note]
# A composite needs no calculus: backward calls the backward passes in reverse, each with its own cache. tinyvae/mlp.py does it for any number of
# layers ([MLP.1], [MLP.2], notebook 02), and tinyvae/bounds.py for the whole ELBO.
