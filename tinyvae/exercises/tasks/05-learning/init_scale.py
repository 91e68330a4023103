# %% [record]
# title: How large the weights start
# kind: numbers
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 10
# equation: y_o = sum_i x_i W_io
# tag: -
# shapes: x (I,), W (I, O), y (O,)
# lines: 5
# minutes: 15
# tests:
#   sd_y 1 = the standard deviation of y when the weights have standard deviation 1
#   sd_weight 1 = the standard deviation of the weights that keeps that of the signal on the way forward
#   half_width 1 = the half width of the uniform distribution with that standard deviation
#   sd_backward 1 = the standard deviation of the weights that keeps that of the gradient on the way back
# steps:
#   sd_y = the variance of a sum of independent terms: how many terms y_o has, and the variance of each [DENSE.1]
#   sd_weight = the same sum with another variance of the weights; then from a variance to a standard deviation [DENSE.1]
#   half_width = the variance of a uniform number on (-a, a), beside that of the weights
#   sd_backward = the sum that gives one entry of dx, and how many terms it has [DENSE.2]

# %% [markdown]
# A dense layer $y_o = \sum_{i=1}^{I} x_i W_{io}$ has I = {{I}} inputs and O = {{O}} outputs; its bias is 0. Before
# training, the inputs are independent with mean 0 and standard deviation 1, and the weights are drawn independently
# with mean 0.
#
# - `sd_y`: the weights have the standard deviation 1. What is the standard deviation of an output $y_o$?
# - `sd_weight`: which standard deviation must the weights have, so that the outputs have the standard deviation 1
#   again?
# - `half_width`: the weights are drawn uniformly from $(-a, a)$. Which $a$ gives the standard deviation `sd_weight`?
# - `sd_backward`: on the way back, the gradients dy of the O outputs are independent of the weights and of one another,
#   with mean 0 and standard deviation 1. Which standard deviation must the weights have, so that every entry of dx has
#   the standard deviation 1?

# %% [check]
def numbers(rng):
    if rng is None:
        return {"I": 64, "O": 16}
    return {"I": int(rng.integers(5, 12)) ** 2, "O": int(rng.integers(12, 20)) ** 2}

def right(n):
    I, O = n["I"], n["O"]
    return {"sd_y": I**0.5, "sd_weight": I**-0.5, "half_width": (3 / I) ** 0.5, "sd_backward": O**-0.5}

def wrong(n):
    I, O, r = n["I"], n["O"], right(n)
    return {
        "standard deviations are added in place of variances": {**r, "sd_y": float(I), "sd_weight": 1 / I, "half_width": 3**0.5 / I},
        "the variance is given for the standard deviation": {**r, "sd_y": float(I), "sd_weight": 1 / I, "sd_backward": 1 / O},
        "the half width of a uniform distribution is taken for its standard deviation": {**r, "half_width": r["sd_weight"]},
        "the sum on the way back is taken over the inputs instead of the outputs": {**r, "sd_backward": r["sd_weight"]},
        "the sum on the way forward is taken over the outputs": {**r, "sd_y": O**0.5, "sd_weight": O**-0.5, "half_width": (3 / O) ** 0.5},
    }

# %% [hints]
# 1. The variance of a sum of independent numbers is the sum of their variances. How many terms has y_o, and what is the
#    variance of each?
# 2. The uniform distribution on (-a, a) has the variance a^2 / 3.
# 3. dx_i = sum over o of dy_o W_io. How many terms are these?

# %% [note]
# No single scale serves both ways unless I = O. Glorot's rule, which `tinyvae.params.glorot_uniform` draws by, is the
# compromise Var W = 2 / (I + O), a = sqrt(6 / (I + O)). With weights of standard deviation 1 a few layers would
# multiply a signal by hundreds.
