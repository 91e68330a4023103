# %% [record]
# title: Values forward, gradients back: the arrows of a graph
# kind: numbers
# lecture: D1 | Backpropagation on VAE
# notebook: 07
# equation: a = w x, s = a + c, p = s x, loss = p^2 / 2
# tag: -
# shapes: all are single numbers
# lines: 3
# minutes: 15
# tests:
#   forward 1 = the values of a, s, p and the loss
#   back 1 = the gradients dp, ds, da, dc and dw
#   dx 1 = what comes back to x on each of its two arrows, and dx
# steps:
#   forward = one line of the graph after the other; the loss is half of a square
#   back = dp is the derivative of p^2 / 2 at this p; then one line at a time, p = s x, s = a + c, a = w x
#   dx = x stands in two lines, p = s x and a = w x: one gradient from each
# tolerance: 1e-6

# %% [markdown]
# Four lines of a forward pass, each with single numbers. x is used twice.
#
#     a = w * x          w ---(*)--- a ---(+)--- s ---(*)--- p --- loss
#     s = a + c                |           |           |
#     p = s * x                x           c           x   (the same x)
#     loss = p^2 / 2
#
# The numbers are w = {{w}}, x = {{x}}, c = {{c}}. Walk the graph from left to right for the values, then from right to left for the gradients: `dv`
# is the derivative of the loss by v. By hand, with no program. Fill in:
#
# - `forward`: the values (a, s, p, loss).
# - `back`: the gradients (dp, ds, da, dc, dw).
# - `dx`: three numbers: what comes back to x on the arrow from p, what comes back to x on the arrow from a, and dx.

# %% [check]
# tolerance 1e-6: all values are whole or end after a digit, and by hand they come out exactly
def numbers(rng):
    if rng is None:
        return {"w": 3, "x": 2, "c": -1}
    while True:
        w, x, c = (int(rng.choice(values)) for values in ([-4, -3, -2, 2, 3, 4], [-3, -2, 2, 3], [-5, -4, -1, 1, 4, 5]))
        s = w * x + c
        if w != x and abs(s) > 1 and s not in (x, w):
            return {"w": w, "x": x, "c": c}


def graph(w, x, c):
    a = w * x
    s = a + c
    p = s * x
    dp = p
    ds = dp * x
    return a, s, p, dp, ds


def right(n):
    w, x, c = n["w"], n["x"], n["c"]
    a, s, p, dp, ds = graph(w, x, c)
    return {"forward": (a, s, p, p**2 / 2), "back": (dp, ds, ds, ds, ds * x), "dx": (dp * s, ds * w, dp * s + ds * w)}


def wrong(n):
    w, x, c = n["w"], n["x"], n["c"]
    a, s, p, dp, ds = graph(w, x, c)
    truth = right(n)
    own = dp * s
    return {
        "the arrow from p is missing in dx": {**truth, "dx": (dp * s, ds * w, ds * w)},
        "the arrow from a is missing in dx": {**truth, "dx": (dp * s, ds * w, dp * s)},
        "dx is the mean of what its two arrows bring, where the sum belongs": {**truth, "dx": (dp * s, ds * w, (dp * s + ds * w) / 2)},
        "each product sends back to a factor that factor, where the other one belongs": {
            **truth, "back": (dp, own, own, own, own * w), "dx": (dp * x, own * x, dp * x + own * x)},
        "the 1/2 of the loss is lost": {
            "forward": (a, s, p, p**2), "back": (2 * dp, 2 * ds, 2 * ds, 2 * ds, 2 * ds * x),
            "dx": (2 * dp * s, 2 * ds * w, 2 * (dp * s + ds * w))},
        "the derivative of p^2 / 2 is lost: the gradient starts with 1 at p": {
            **truth, "back": (1, x, x, x, x * x), "dx": (s, x * w, s + x * w)},
    }

# %% [hints]
# 1. The last line gives dp: the derivative of p^2 / 2 by p, at the value of p that you have found.
# 2. A sum hands its gradient on to both sides unchanged. A product hands to each factor the gradient times the other factor's value.
# 3. x stands in two lines. Change x a little: the loss moves along both ways at once.

# %% [note]
# What is used twice collects both gradients. In a VAE mu and log sigma are used twice, by the sample z and by the KL: D1's graph, drawn in notebook
# 07, section 8. Forgetting one of the two is a mistake that leaves the program running.
