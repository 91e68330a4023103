# %% [record]
# title: The gradient of a likelihood
# kind: backward
# lecture: D0 | Vanilla VAE Distribution; D3 | Formulation & Architecture
# notebook: 06b
# equation: log p(x|z) = sum_d [<<plain>> - ln sigma_d], e_d = (x_d - u_d) / sigma_d
# tag: BER.2
# shapes: dlog_px (N,); cache = u (N, D), <<var>> <<axes>>, x (N, D) -> du (N, D), d<<var>> <<axes>>
# lines: 7
# minutes: 25
# forward: likelihood_forward
# outputs: du d<<var>>
# wrt: u <<var>>
# variant_of: bernoulli_backward
# tests:
#   du 1 = du as the formula says
#   d<<var>> 2 = d<<var>> as the formula says
#   values 2 = both, at three sets of sizes
# steps:
#   du = u stands in e alone: the derivative of the term by e, then that of e by u, times what comes from above to datum n
#   d<<var>> = sigma stands in e and in the logarithm: differentiate by sigma, then the step from sigma to <<var>>, <<collected>>

# %% [vary]
import math


def vary(rng):
    density = rng.choice([
        {"name": "normal", "code": "-(e**2) / 2 - 0.9189385332046727", "tex": r"-\frac{e_d^2}{2} - \tfrac12\ln 2\pi", "plain": "-e_d^2 / 2 - 1/2 ln 2 pi"},
        {"name": "logistic", "code": "-e - 2 * np.log1p(np.exp(-e))", "tex": r"-e_d - 2 \ln(1 + \exp(-e_d))", "plain": "-e_d - 2 ln(1 + exp(-e_d))"},
        {"name": "hyperbolic secant", "code": "-np.log(np.pi * np.cosh(e))", "tex": r"-\ln(\pi \cosh(e_d))", "plain": "-ln(pi cosh(e_d))"},
        {"name": "Gumbel", "code": "-e - np.exp(-e)", "tex": r"-e_d - \exp(-e_d)", "plain": "-e_d - exp(-e_d)"},
        student(3), student(5), student(7),
    ])
    density = density | {"density": density["name"], "log_p": density.pop("tex")}
    scale = rng.choice(data("scales.tsv"))
    layout = rng.choice([
        {"axes": "(N, D)", "draw": "N, D", "collected": "times what comes from above to datum n",
         "whose": "a second output of the decoder, of shape (N, D)"},
        {"axes": "(D,)", "draw": "D", "collected": "times what comes from above, summed over the data, which share it",
         "whose": "no output of the decoder but a parameter that all data share, of shape (D,): one for each pixel"},
    ])
    return scale | density | layout


def student(nu):
    half, peak = (nu + 1) // 2, math.gamma((nu + 1) / 2) / math.gamma(nu / 2) / math.sqrt(nu * math.pi)
    return {
        "name": f"Student's t with {nu} degrees of freedom", "code": f"np.log({peak!r}) - {half} * np.log(1 + e**2 / {nu})",
        "tex": rf"\ln {peak:.6f} - {half} \ln\left(1 + \frac{{e_d^2}}{{{nu}}}\right)", "plain": f"ln {peak:.6f} - {half} ln(1 + e_d^2 / {nu})",
    }

# %% [markdown]
# The pixels of a datum are real numbers. The decoder puts out the location $u_d$ of each, and the density around it is
# <<density>> with the scale $\sigma_d$. The pixels are independent, so
#
# $$\log p(x|z) = \sum_d \left[<<log_p>> - \ln\sigma_d\right], \qquad e_d = \frac{x_d - u_d}{\sigma_d} .$$
#
# The scale comes from $<<var>>$, <<words>>:
#
# $$<<tex>> .$$
#
# $<<var>>$ is <<whose>>. The forward pass is given; x and u have the shape (N, D), and the result is one number for each datum, in nats.
#
# Write the backward pass, `likelihood_backward(dlog_px, cache)`. `dlog_px`, of shape (N,), is the derivative of the loss by log p(x|z) of each
# datum; `cache = (u, <<var>>, x)` holds the inputs of the forward pass. Return `du`, of shape (N, D), and `d<<var>>`, of shape <<axes>>: the
# derivatives of the loss by u and by $<<var>>$, which is neither σ nor σ². x is data and gets no gradient.

# %% [given]
def likelihood_forward(u, <<var>>, x):
    """u (N, D), <<var>> <<axes>>, x (N, D) -> log_px (N,), cache."""
    sigma = <<sigma>>
    e = (x - u) / sigma
    log_px = (<<code>> - np.log(sigma)).sum(1)
    cache = u, <<var>>, x
    return log_px, cache

# %% [solution]
def likelihood_backward(dlog_px, cache):
    """dlog_px (N,); cache = u (N, D), <<var>> <<axes>>, x (N, D) -> du (N, D), d<<var>> <<axes>>."""
    ### BEGIN SOLUTION
    forward, inputs = likelihood_forward, cache

    def slope(n):  # the gradient by the n-th input, a column of all data at once: the complex step, exact to rounding
        grad = np.empty(inputs[n].shape)
        for d in range(grad.shape[-1]):
            moved = [np.array(a, complex) for a in inputs]
            moved[n][..., d] += 1e-30j
            each = dlog_px * forward(*moved)[0].imag / 1e-30
            grad[..., d] = each if grad.ndim == 2 else each.sum()
        return grad

    du, d<<var>> = slope(0), slope(1)
    return du, d<<var>>
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    return normal(rng, N, D), log_scale(rng, <<draw>>), normal(rng, N, D)


def agree(student, right, rng, n):
    args = upstream(rng, 5), likelihood_forward(*inputs(rng, 5, 3))[1]
    return same(student.likelihood_backward(*args)[n], right.likelihood_backward(*args)[n])


def test_du(student, right, rng):
    return agree(student, right, rng, 0)


def test_d<<var>>(student, right, rng):
    return agree(student, right, rng, 1)

# %% [hints]
# 1. Take one pixel. Differentiate its term by e first; u and σ both stand in e, and σ in the logarithm too.
# 2. What are the derivatives of e by u and by σ? Both can be written with e and σ.
# 3. Find dσ/d<<var>> from the formula for σ, on paper: it is one more factor. Then look at the shape of `d<<var>>`.

# %% [wrong] d<<var>> is the derivative by sigma: the step from sigma to <<var>> is missing
# - return du, d<<var>>
# + <<var>> = inputs[1] + 1e-30j
# + return du, d<<var>> / ((<<sigma>>).imag / 1e-30)

# %% [wrong] the derivative of -ln sigma is missing in d<<var>>
# - return du, d<<var>>
# + forward = lambda u, <<var>>, x: [likelihood_forward(u, <<var>>, x)[0] + np.log(<<sigma>> + 0 * x).sum(1)]
# + return du, slope(1)

# %% [wrong] sigma stands in the logarithm alone: that e changes with it is missing in d<<var>>
# - return du, d<<var>>
# + forward = lambda u, <<var>>, x: [-np.log(<<sigma>> + 0 * x).sum(1)]
# + return du, slope(1)

# %% [wrong] the distance is divided by the variance in place of the standard deviation
# - forward, inputs = likelihood_forward, cache
# + def forward(u, <<var>>, x):
# +     sigma = <<sigma>>
# +     e = (x - u) / sigma**2
# +     return [(<<code>> - np.log(sigma)).sum(1)]
# +
# + inputs = cache

# %% [wrong] du is the derivative by the standardised distance: the factor 1/sigma is missing
# - return du, d<<var>>
# + <<var>> = inputs[1]
# + return du * (<<sigma>>), d<<var>>

# %% [wrong] the sign of du is reversed
# - return du, d<<var>>
# + return -du, d<<var>>

# %% [wrong] the mean over the pixels is taken in place of their sum
# - return du, d<<var>>
# + return du / du.shape[1], d<<var>> / du.shape[1]

# %% [wrong] dlog_px is lost: every datum gets the gradient of log p(x|z) itself
# - forward, inputs = likelihood_forward, cache
# + forward, inputs, dlog_px = likelihood_forward, cache, 1

# %% [note]
# What comes to u is the slope of log p at the residual, divided by σ; for a normal density it is the residual in units of the variance. Tails decide
# how hard an outlier pulls: notebook 06b.
