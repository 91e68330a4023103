# %% [record]
# title: A pair of your own: the leaky ReLU
# kind: pair
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 02
# equation: y = x for x > 0, else y = 0.1 x
# tag: -
# shapes: x (..., D) -> y (..., D); dy (..., D) -> dx (..., D)
# lines: 5
# minutes: 15
# outputs: dx
# variant_of: tanh_backward
# tests:
#   forward 1 = y as the formula says, at three sets of sizes, and x left as it was
#   values 1 = dx as the chain rule says
#   gradient 1 = backward agrees with differences of the forward pass
# steps:
#   forward = two cases, by the sign of x: each is a line through 0
#   dx = on each side of 0 the function is a line; dy times the slope of the line on which x lies

# %% [markdown]
# A unit of a ReLU network whose input is negative for every datum sends nothing back: its own weights get no gradient. The leaky ReLU lets a little
# through:
#
# $$y = x \ \text{ for } x > 0, \qquad y = 0.1\,x \ \text{ otherwise,}$$
#
# entry by entry, for arrays of any shape. Write the pair:
#
# - `leaky_relu_forward(x)` returns `y, cache`. The cache is yours: keep in it what your backward pass needs. x must be left as it is.
# - `leaky_relu_backward(dy, cache)` gets the derivative of the loss by y, of the shape of y, and the cache of its forward pass. It returns `dx`.
#
# The leaky ReLU has no derivative at 0; there take 0.1.

# %% [solution]
def leaky_relu_forward(x):
    """y = x where x > 0, else 0.1 x; x, y of any shape -> y, cache."""
    ### BEGIN SOLUTION
    mask = x > 0
    y = np.where(mask, x, 0.1 * x)
    cache = mask
    return y, cache
    ### END SOLUTION


def leaky_relu_backward(dy, cache):
    """dy of the shape of y -> dx of the same shape."""
    ### BEGIN SOLUTION
    mask = cache
    return dy * np.where(mask, 1, 0.1)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    return (normal(rng, N, D),)

# %% [hints]
# 1. Which question about x decides the slope? Its answer, an array of booleans, is all that the way back has to know.
# 2. `np.where(condition, a, b)` takes a where the condition holds and b elsewhere; a and b may be arrays or numbers. Use it forward for values,
#    backward for slopes.

# %% [wrong] backward is that of the ReLU: nothing comes back where x is negative
# - return dy * np.where(mask, 1, 0.1)
# + return dy * mask

# %% [wrong] the side is decided by the sign of dy
# - return dy * np.where(mask, 1, 0.1)
# + return np.where(dy > 0, dy, 0.1 * dy)

# %% [wrong] forward is that of the ReLU, while backward has the slope 0.1
# - y = np.where(mask, x, 0.1 * x)
# + y = np.maximum(x, 0)

# %% [wrong] x itself is changed in place
# - y = np.where(mask, x, 0.1 * x)
# + x *= np.where(mask, 1, 0.1)
# + y = x

# %% [wrong] the slopes of the two sides are exchanged
# - mask = x > 0
# + mask = x <= 0

# %% [note]
# The pair of any elementwise function has this form: backward needs the slope at the point where forward was. A mask of booleans as cache also tells
# the gradient checker when a step crosses the kink; the package's relu (tinyvae/layers.py, [RELU.1]) keeps one for this reason.
