# %% [record]
# title: The backward pass of a layer with a gain
# kind: backward
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 02
# equation: <<plain>>
# tag: DENSE.2
# shapes: dy (N, H); cache = x (N, D), W (D, H), b (H,), g <<axes>> -> dx (N, D), dW (D, H), db (H,), dg <<axes>>
# lines: 9
# minutes: 20
# forward: gained_forward
# outputs: dx dW db dg
# variant_of: dense_backward
# tests:
#   dx 1 = dx as the chain rule says
#   dg 1 = dg as the chain rule says
#   values 2 = dx, dW, db and dg, at three sets of sizes
# steps:
#   dx = first what comes to u_nh through the activation; then x_nd stands in all H of row n, each with its weight, and mind where g stands [DENSE.2]
#   dW = first what comes to u_nh through the activation; W_dh stands in row n once, beside x_nd, and serves every row; mind where g stands [DENSE.2]
#   db = first what comes to u_nh through the activation; b_h is added to every row [DENSE.2]
#   dg = write the terms in which one entry of g stands, and add them all: it serves every row [DENSE.2]

# %% [vary]
def vary(rng):
    twist = rng.choice([
        {"u": "x @ W + b", "gain": "g * ({})", "neutral": "1", "axes": "(H,)", "draw": "H", "drawn": "positive", "side": "u_{nh} = \\sum_d x_{nd} W_{dh} + b_h",
         "y": "y_{nh} = g_h\\, f(u_{nh})", "plain": "y_nh = g_h f(u_nh), u_nh = sum_d x_nd W_dh + b_h", "why": "a gain g for each unit, which multiplies what comes out"},
        {"u": "(x * g) @ W + b", "gain": "{}", "neutral": "1", "axes": "(D,)", "draw": "D", "drawn": "positive", "side": "u_{nh} = \\sum_d x_{nd}\\, g_d\\, W_{dh} + b_h",
         "y": "y_{nh} = f(u_{nh})", "plain": "y_nh = f(u_nh), u_nh = sum_d x_nd g_d W_dh + b_h", "why": "a gain g for each input, which multiplies what goes in"},
        {"u": "x @ (W * np.exp(g)) + b", "gain": "{}", "neutral": "0", "axes": "(H,)", "draw": "H", "drawn": "log_scale", "side": "u_{nh} = e^{g_h} \\sum_d x_{nd} W_{dh} + b_h",
         "y": "y_{nh} = f(u_{nh})", "plain": "y_nh = f(u_nh), u_nh = e^g_h sum_d x_nd W_dh + b_h", "why": "the logarithm g of a gain for each unit, which multiplies its weights"},
        {"u": "x @ W + b", "gain": "{} + g * u", "neutral": "0", "axes": "(H,)", "draw": "H", "drawn": "positive", "side": "u_{nh} = \\sum_d x_{nd} W_{dh} + b_h",
         "y": "y_{nh} = f(u_{nh}) + g_h\\, u_{nh}", "plain": "y_nh = f(u_nh) + g_h u_nh, u_nh = sum_d x_nd W_dh + b_h", "why": "a gain g for each unit, with which u goes past the activation"},
    ])
    curve = rng.choice(data("curves.tsv"))
    return twist | {"code": twist["gain"].format(curve["code"]), "linear": twist["gain"].format("u"), "by_g": "slope(3).sum(0)" if twist["axes"] == "(H,)" else "np.array([slope(3, d).sum() for d in range(len(W))])", "f": curve["tex"], "curve": curve["code"]}

# %% [markdown]
# A layer of a network has weights, biases and one thing more: <<why>>. With one datum per row its forward pass is
#
# $$<<side>>, \qquad <<y>>, \qquad f(u) = <<f>> .$$
#
# x has the shape (N, D), W (D, H), b (H,), g <<axes>>, and y (N, H). W, b and g are learnt.
#
# The forward pass is given. Write the backward pass, `gained_backward(dy, cache)`: `dy` is the derivative of the loss by y, of the shape of y, and
# `cache = (x, W, b, g)` holds the inputs of the forward pass. Return `dx, dW, db, dg`, the derivatives of the loss by x, W, b and g, each of the
# shape of that array. The loss is one number; nothing is divided by N here.

# %% [given]
def gained_forward(x, W, b, g):
    """x (N, D), W (D, H), b (H,), g <<axes>> -> y (N, H), cache."""
    u = <<u>>
    y = <<code>>
    cache = x, W, b, g
    return y, cache

# %% [solution]
def gained_backward(dy, cache):
    """dy (N, H); cache = x (N, D), W (D, H), b (H,), g <<axes>> -> dx (N, D), dW (D, H), db (H,), dg <<axes>>."""
    ### BEGIN SOLUTION
    forward, inputs = gained_forward, cache

    def slope(n, *at):  # what comes to a part of the n-th input from each entry of y: the complex step, exact to rounding
        moved = [np.array(a, complex) for a in inputs]
        moved[n][at] += 1e-30j
        return dy * forward(*moved)[0].imag / 1e-30

    def by_x():
        return np.stack([slope(0, slice(None), d).sum(1) for d in range(len(W))], 1)

    def by_W():  # y_nh holds the weights of unit h alone
        return np.stack([slope(1, d).sum(0) for d in range(len(W))])

    W = cache[1]
    dx, dW, db, dg = by_x(), by_W(), slope(2).sum(0), <<by_g>>
    return dx, dW, db, dg
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K, H):
    D = K + 4
    return normal(rng, N, D), normal(rng, D, H) / np.sqrt(D), normal(rng, H), <<drawn>>(rng, <<draw>>)


def agree(student, right, rng, n):
    args = upstream(rng, 3, 2), gained_forward(*inputs(rng, 3, 1, 2))[1]
    return same(student.gained_backward(*args)[n], right.gained_backward(*args)[n])


def test_dx(student, right, rng):
    return agree(student, right, rng, 0)


def test_dg(student, right, rng):
    return agree(student, right, rng, 3)

# %% [hints]
# 1. Compute u once more from the cache, and on paper the derivative of y_nh by u_nh: it gives `du`, of the shape of y, for all that follows.
# 2. From u on it is a dense layer. Which entries of u does one W_dh reach, and which factor stands beside it?
# 3. For g write one entry of it into the formula: in which entries of y does it stand? They are all added.

# %% [wrong] the derivative of the activation is left out, as if f(u) were u
# - forward, inputs = gained_forward, cache
# + def forward(x, W, b, g):
# +     u = <<u>>
# +     return [<<linear>>]
# +
# + inputs = cache

# %% [wrong] dx alone is computed as if f(u) were u
# - return dx, dW, db, dg
# + def forward(x, W, b, g):
# +     u = <<u>>
# +     return [<<linear>>]
# +
# + return by_x(), dW, db, dg

# %% [wrong] g is left out of dx, as if it were <<neutral>>
# - return dx, dW, db, dg
# + inputs = *cache[:3], np.full_like(cache[3], <<neutral>>)
# + return by_x(), dW, db, dg

# %% [wrong] g is left out of dx and dW, as if it were <<neutral>>
# - return dx, dW, db, dg
# + inputs = *cache[:3], np.full_like(cache[3], <<neutral>>)
# + return by_x(), by_W(), db, dg

# %% [wrong] the mean over the rows is taken for dg where the sum belongs
# - return dx, dW, db, dg
# + return dx, dW, db, dg / len(dx)

# %% [wrong] dW, db and dg are divided by the number of rows, which belongs to the loss alone
# - return dx, dW, db, dg
# + return dx, dW / len(dx), db / len(dx), dg / len(dx)

# %% [wrong] the bias is left out where u is computed once more
# - forward, inputs = gained_forward, cache
# + forward, inputs = gained_forward, (*cache[:2], 0 * cache[2], cache[3])

# %% [wrong] dy is lost: the gradients of the sum of all outputs are returned
# - forward, inputs = gained_forward, cache
# + forward, inputs, dy = gained_forward, cache, 1

# %% [note]
# Whatever is added to a layer, the way back is the same: one derivative for each place where a variable stands, and a sum over all that it serves.
