# %% [vary]
def vary(rng):
    scale = rng.choice(data("scales.tsv"))
    centre, centre_tex, about = rng.choice([
        ("2 * np.tanh(u)", r"2 \tanh(u)", "brings between -2 and 2 by the hyperbolic tangent"),
        ("3 * np.tanh(u / 3)", r"3 \tanh(u/3)", "brings between -3 and 3 by the hyperbolic tangent"),
        ("2 * u / np.sqrt(1 + u**2)", r"\frac{2u}{\sqrt{1 + u^2}}", "brings between -2 and 2 by a root"),
        ("u + 0.5 * np.tanh(u)", r"u + \tfrac12 \tanh(u)", "stretches near 0"),
        ("sigma * u", r"\sigma u", "multiplies by σ: u is the mean in units of the standard deviation"),
        ("1.5 * sigma * u", r"\tfrac32 \sigma u", "multiplies by 1.5 and by σ"),
    ])
    layout = rng.choice([
        {"axes": "(L, N, K)", "at": "", "axis": "0", "shape": "L, N, K", "where": "the samples stand along the first axis"},
        {"axes": "(N, L, K)", "at": "[:, None]", "axis": "1", "shape": "N, L, K", "where": "the samples of a datum stand along the middle axis"},
    ])
    return scale | layout | {"centre": centre, "centre_tex": centre_tex, "about": about}

# %% [record]
# title: Back through samples
# kind: backward
# lecture: D2 | Reparameterization Trick; D3 | Reparameterization Trick; D4 | Implementation
# notebook: 07
# equation: z = mean + sigma * eps, with a mean of u and a sigma of <<var>>
# tag: REP.2
# shapes: dz <<axes>>; cache = u, <<var>>, both (N, K), eps <<axes>> -> du, d<<var>>, both (N, K)
# lines: 6
# minutes: 20
# forward: samples_forward
# outputs: du d<<var>>
# wrt: u <<var>>
# variant_of: reparameterize_backward
# tests:
#   du 1 = du as the chain rule says
#   d<<var>> 2 = d<<var>> as the chain rule says
#   values 1 = both, at three sets of sizes
# steps:
#   du = first by the mean, then the step from the mean to u; over L samples, all of them [REP.2]
#   d<<var>> = first by sigma, wherever sigma stands in z, with eps held fixed; then the step from sigma to <<var>>; over L samples, all of them [REP.2]

# %% [markdown]
# For every datum and every latent dimension an encoder returns two numbers. One, $<<var>>$, is <<words>>:
#
# $$<<tex>> .$$
#
# The other is $u$, which the program <<about>>. With noise ε from N(0, 1), L times for each datum, the samples are
#
# $$z = <<centre_tex>> + \sigma\,\varepsilon .$$
#
# u and $<<var>>$ have the shape (N, K), the noise `eps` and z the shape <<axes>>: <<where>>, and all L of a datum share its u and its $<<var>>$.
#
# The forward pass is given. Write the backward pass, `samples_backward(dz, cache)`: `dz` is the derivative of the loss by z, of the shape of z, and
# `cache = (u, <<var>>, eps)` holds the inputs of the forward pass. Return `du, d<<var>>`, both of shape (N, K): the derivatives of the loss by u and
# by $<<var>>$, which is neither σ nor σ². The noise is held fixed and gets no gradient.

# %% [given]
def samples_forward(u, <<var>>, eps):
    """u, <<var>> (N, K); eps <<axes>> -> z <<axes>>, cache."""
    sigma = <<sigma>>
    mean = <<centre>>
    z = mean<<at>> + sigma<<at>> * eps
    cache = u, <<var>>, eps
    return z, cache

# %% [solution]
def samples_backward(dz, cache):
    """dz <<axes>>; cache = u, <<var>>, both (N, K), eps <<axes>> -> du, d<<var>>, both (N, K)."""
    ### BEGIN SOLUTION
    forward, inputs = samples_forward, cache

    def slope(n):  # by the n-th input, of which each entry of z holds one: the complex step, exact to rounding
        moved = [np.array(a, complex) for a in inputs]
        moved[n] += 1e-30j
        return (dz * forward(*moved)[0].imag).sum(<<axis>>) / 1e-30

    du, d<<var>> = slope(0), slope(1)
    return du, d<<var>>
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K, L):
    return normal(rng, N, K), log_scale(rng, N, K), normal(rng, <<shape>>)


def agree(student, right, rng, n):
    cache = samples_forward(*inputs(rng, 5, 3, 2))[1]
    args = upstream(rng, *cache[2].shape), cache
    return same(student.samples_backward(*args)[n], right.samples_backward(*args)[n])


def test_du(student, right, rng):
    return agree(student, right, rng, 0)


def test_d<<var>>(student, right, rng):
    return agree(student, right, rng, 1)

# %% [hints]
# 1. Take one datum, one latent dimension and one sample. Where does u stand in z, and where does σ?
# 2. Find dσ/d<<var>> from the formula for σ, on paper. What comes to σ is multiplied by it, once.
# 3. L entries of z share one u and one <<var>>: what comes from them is added. Which axis of dz is that?

# %% [wrong] d<<var>> is the derivative by sigma: the step from sigma to <<var>> is missing
# - return du, d<<var>>
# + <<var>> = inputs[1] + 1e-30j
# + return du, d<<var>> / ((<<sigma>>).imag / 1e-30)

# %% [wrong] d<<var>> is the derivative by log sigma, as if the encoder returned that
# - return du, d<<var>>
# + <<var>> = inputs[1] + 1e-30j
# + return du, d<<var>> * (<<sigma>>).real / ((<<sigma>>).imag / 1e-30)

# %% [wrong] du is the derivative by the mean: the step from the mean to u is missing
# - return du, d<<var>>
# + return dz.sum(<<axis>>), d<<var>>

# %% [wrong] the noise is lost: d<<var>> is computed as if eps were 1
# - return du, d<<var>>
# + inputs = *cache[:2], np.ones_like(cache[2])
# + return du, slope(1)

# %% [wrong] the noise is scaled by the variance in place of the standard deviation
# - return du, d<<var>>
# + forward = lambda u, <<var>>, eps: [samples_forward(u, <<var>>, 0 * eps)[0] + ((<<sigma>>) ** 2)<<at>> * eps]
# + return du, slope(1)

# %% [wrong] the mean over the L samples is taken where their sum belongs
# - return du, d<<var>>
# + return du / dz.shape[<<axis>>], d<<var>> / dz.shape[<<axis>>]

# %% [wrong] the sign of d<<var>> is reversed
# - return du, d<<var>>
# + return du, -d<<var>>

# %% [wrong] dz is lost: the gradient of the samples themselves is returned
# - forward, inputs = samples_forward, cache
# + forward, inputs, dz = samples_forward, cache, np.ones_like(dz)

# %% [note]
# The step through the sample is the same whatever the encoder returns; a parametrisation adds one factor. What is shared by L samples collects a sum.
