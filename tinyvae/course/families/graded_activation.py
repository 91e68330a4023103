# %% [record]
# title: The backward pass of an activation
# kind: backward
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 02
# equation: y = f(u), u = <<plain>>
# tag: TANH.2
# shapes: dy (N, D); cache = x (N, D) -> dx (N, D)
# lines: 3
# minutes: 10
# forward: curve_forward
# outputs: dx
# variant_of: tanh_backward
# tests:
#   values 1 = dx as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
# steps:
#   dx = the derivative of f by u, at u; then that of u by x, which is one more factor; times what comes from above

# %% [vary]
def vary(rng):
    curve = rng.choice(data("curves.tsv"))
    c, d = rng.choice([0.5, 0.8, 1.5, 2.0]), rng.choice([-0.7, -0.4, 0.4, 0.7])
    sign = "+" if d > 0 else "-"
    return {"code": curve["code"], "f": curve["tex"], "c": f"{c:g}", "u": f"{c:g} * x {sign} {abs(d):g}", "tex": rf"{c:g}\,x {sign} {abs(d):g}", "plain": f"{c:g} x {sign} {abs(d):g}"}

# %% [markdown]
# Between two dense layers stands an activation, entry by entry:
#
# $$y = f(u), \qquad f(u) = <<f>>, \qquad u = <<tex>> .$$
#
# Write its backward pass, `curve_backward(dy, cache)`. `dy` is the derivative of the loss by y; `cache = x` is the input of the forward pass, which
# is given, an array of shape (N, D). Return `dx`, the derivative of the loss by x, of the same shape. `dy` and the cache must be left as they are.

# %% [given]
def curve_forward(x):
    """x (N, D) -> y (N, D), cache."""
    u = <<u>>
    y = <<code>>
    cache = x
    return y, cache

# %% [solution]
def curve_backward(dy, cache):
    """dy (N, D), cache = x (N, D) -> dx (N, D)."""
    ### BEGIN SOLUTION
    forward, x = curve_forward, cache
    dx = dy * forward(x + 1e-30j)[0].imag / 1e-30  # the complex step, exact to rounding
    return dx
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    return (normal(rng, N, D),)

# %% [hints]
# 1. Every entry of y depends on one entry of x. Which two functions stand one in the other?
# 2. Differentiate f on paper, as it stands in the statement. At which number is the derivative taken, at x or at u?

# %% [wrong] the derivative of u by x is lost: dx is the derivative by u
# - return dx
# + return dx / <<c>>

# %% [wrong] the derivative of f is taken at x in place of u
# - forward, x = curve_forward, cache
# + forward, x = lambda u: [<<c>> * (<<code>>)], cache

# %% [wrong] the derivative of f is taken at y in place of u
# - forward, x = curve_forward, cache
# + forward, x = lambda u: [<<c>> * (<<code>>)], curve_forward(cache)[0]

# %% [wrong] dy is lost: the local derivative alone is returned
# - return dx
# + return dx / dy

# %% [wrong] the function itself stands where its derivative belongs
# - return dx
# + return dy * <<c>> * forward(x)[0]

# %% [wrong] the sign is reversed
# - return dx
# + return -dx

# %% [note]
# An activation is a function of one number, entry by entry; so is its backward pass. Notebook 02 does it for tanh, relu, sigmoid and softplus.
