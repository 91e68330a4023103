# %% [record]
# title: A likelihood that forgives outliers
# kind: backward
# lecture: D4 | [comment "The best article on the net about VAEs"]; D0 | Perks of VAE (2)
# notebook: 06b
# equation: log p(x|z) = sum_d c - ln s_d - (nu + 1)/2 ln(1 + u_d^2 / nu),  u_d = (x_d - m_d) / s_d
# tag: -
# shapes: dlog_px (N,); s (D,), u (N, D) -> dmean (N, D), dlog_s (D,)
# lines: 5
# minutes: 25
# forward: student_t_forward
# outputs: dmean dlog_s
# wrt: mean log_s
# variant_of: gaussian_scalar_backward
# tests:
#   values 3 = dmean and dlog_s as the formula says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   outlier 1 = a pixel 1000 scales away pulls less at its mean than a pixel one scale away
# steps:
#   dmean = the derivative of the logarithm by u, then from u to m, times what comes from above for this datum
#   dlog_s = two terms hold log s_d: -ln s_d and the logarithm through u_d; each scale serves all data

# %% [markdown]
# Can another image difference replace squared error? Yes, if it belongs to a density. Student's t distribution
# with $\nu$ degrees of freedom has heavy tails: one wrong pixel costs little. Here every pixel d has a scale
# $s_d = e^{\log s_d}$ of its own, which is learned and serves all data:
# $$\log p(x|z) = \sum_d [c - \ln s_d - \tfrac{\nu+1}{2} \ln(1 + u_d^2 / \nu)],\quad u_d = (x_d - m_d) / s_d$$
# $c$ depends on $\nu$ alone, and $\nu$ = `NU` is fixed. The forward pass is given; write its backward pass.
# `dlog_px` (N,) is the derivative of the loss by log p(x|z) of each datum; the cache is `(s, u)`, of the shapes
# (D,) and (N, D). Return `dmean` (N, D) and `dlog_s` (D,), the derivative by log s.

# %% [given]
import math

NU = 4.0
LOG_C = math.lgamma((NU + 1) / 2) - math.lgamma(NU / 2) - math.log(NU * math.pi) / 2


def student_t_forward(mean, x, log_s):
    """log p(x|z) of shape (N,), in nats; mean and x (N, D), log_s (D,)."""
    s = np.exp(log_s)
    u = (x - mean) / s
    cache = s, u
    return (LOG_C - log_s - (NU + 1) / 2 * np.log1p(u * u / NU)).sum(-1), cache

# %% [solution]
def student_t_backward(dlog_px, cache):
    """dlog_px (N,), cache = (s, u), s (D,), u (N, D) -> dmean (N, D), dlog_s (D,)."""
    ### BEGIN SOLUTION
    s, u = cache
    dlog_px = dlog_px[..., None]
    pull = (NU + 1) * u / (NU + u * u)
    dmean = dlog_px * pull / s
    dlog_s = (dlog_px * (pull * u - 1)).sum(0)
    return dmean, dlog_s
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    return normal(rng, N, D), normal(rng, N, D), log_scale(rng, D)


def test_outlier(student, right, rng):
    u = np.array([[1.0, 1000.0]])
    dmean, dlog_s = student.student_t_backward(np.array([2.5]), (np.array([0.7, 0.7]), u))
    return dmean.shape == (1, 2) and 0 < dmean[0, 1] < dmean[0, 0] and dlog_s.shape == (2,)


# %% [hints]
# 1. Differentiate -(nu + 1)/2 ln(1 + u^2 / nu) by u first, and clear the fraction within the fraction.
# 2. u = (x - m) / s: what are du/dm and du/dlog s? The second, with s = exp(log s), is a multiple of u.
# 3. ln s_d is log s_d itself, once for every datum. Which axis of the (N, D) terms does a scale of shape (D,)
# sum?

# %% [wrong] the batch is not summed for the scales
# - dlog_s = (dlog_px * (pull * u - 1)).sum(0)
# + dlog_s = dlog_px * (pull * u - 1)

# %% [wrong] the term -ln s is taken for a constant
# - dlog_s = (dlog_px * (pull * u - 1)).sum(0)
# + dlog_s = (dlog_px * pull * u).sum(0)

# %% [wrong] the derivative is taken by s, and the chain rule from s to log s is left out
# - dlog_s = (dlog_px * (pull * u - 1)).sum(0)
# + dlog_s = (dlog_px * (pull * u - 1)).sum(0) / s

# %% [wrong] the factor 1/s from u to the mean is left out
# - dmean = dlog_px * pull / s
# + dmean = dlog_px * pull

# %% [wrong] the gradient is that of a Gaussian, in which an outlier pulls without limit
# - pull = (NU + 1) * u / (NU + u * u)
# + pull = u

# %% [wrong] the sign of du/dm is lost
# - dmean = dlog_px * pull / s
# + dmean = -dlog_px * pull / s

# %% [note]
# As nu grows the pull tends to u, that of a Gaussian. With nu = 4 it is largest at u = 2 and fades beyond: far
# pixels are left alone. The package has the Laplace density for the same purpose, whose pull stays constant; this
# one it has not.
