# %% [record]
# title: The backward pass of tanh
# lab: 2.2
# kind: backward
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 02
# equation: y = tanh(x) = (e^x - e^-x) / (e^x + e^-x)
# tag: TANH.2
# shapes: dy (..., D); cache = y (..., D) -> dx (..., D)
# lines: 2
# minutes: 10
# solution: tinyvae.layers:tanh_backward
# forward: tinyvae.layers:tanh_forward
# outputs: dx
# tests:
#   values 1 = dx as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
# steps:
#   dx = the quotient rule on the definition; then write the result with y alone, which is all that the cache holds [TANH.2]

# %% [markdown]
# Between two dense layers stands an activation, entry by entry:
#
# $$y = \tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} .$$
#
# Write `tanh_backward(dy, cache)`. `dy` is the derivative of the loss by y. The forward pass has kept its *output*, not its input: `cache = y`, an
# array of the shape of x, (N, D) for example. Return `dx`, the derivative of the loss by x, of the same shape.
#
# The derivative of tanh can be written with y alone, so no exponential is computed a second time. `dy` and the cache must be left as they are.

# %% [check]
def inputs(rng, N, D):
    return (normal(rng, N, D),)

# %% [hints]
# 1. Differentiate the quotient: numerator and denominator are each other's derivatives.
# 2. Divide both squares in the result by the squared denominator. One of the two is then 1; what is the other?

# %% [wrong] tanh is applied to the output once more: the cache already holds y
# - return dy * (1 - y * y)
# + return dy * (1 - np.tanh(y) ** 2)

# %% [wrong] = square_of_tanh_lost

# %% [wrong] the derivative of the sigmoid, y (1 - y), is taken
# - return dy * (1 - y * y)
# + return dy * y * (1 - y)

# %% [wrong] dy is lost: the local derivative alone is returned
# - return dy * (1 - y * y)
# + return 1 - y * y

# %% [wrong] y is squared in place, so the cache and with it the output of the forward pass are changed
# - return dy * (1 - y * y)
# + y *= y
# + return dy * (1 - y)

# %% [note]
# Where tanh saturates, |y| is near 1 and almost nothing comes back through it. The pair is [TANH.1], [TANH.2] in tinyvae/layers.py; notebook 02
# derives it beside relu, sigmoid and softplus.
