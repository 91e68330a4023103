# %% [record]
# title: The backward pass of layer normalisation
# kind: backward
# lecture: D1 | A plain explanation
# notebook: 02
# equation: y_nd = (x_nd - m_n) / s_n with m_n the mean and s_n^2 the variance (plus 1e-5) of row n
# tag: -
# shapes: dy (N, D); cache = y (N, D), s (N, 1) -> dx (N, D)
# lines: 4
# minutes: 30
# forward: layer_norm_forward
# outputs: dx
# tests:
#   values 3 = dx as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   shift 1 = each row of dx sums to 0: adding a number to all of a row of x changes nothing
#   one_row 1 = the gradient of a row does not depend on the other rows
# steps:
#   dx = three ways lead from x_nd to row n of y: directly, through m_n and through s_n; each is a derivative of its own, and they add

# %% [markdown]
# Layer normalisation is a layer that this package does not have. It gives every row of x (N, D) mean 0 and a spread of about 1:
#
# $$m_n = \frac1D \sum_d x_{nd}, \qquad s_n = \sqrt{\frac1D \sum_d (x_{nd} - m_n)^2 + 10^{-5}}, \qquad y_{nd} = \frac{x_{nd} - m_n}{s_n} .$$
#
# The forward pass is given below. Every entry of a row of y depends on *every* entry of the same row of x, through m and s.
#
# Write `layer_norm_backward(dy, cache)`. `dy` is the derivative of the loss by y, of shape (N, D); `cache = (y, s)` holds y and s, of shapes
# (N, D) and (N, 1). Return `dx`, the derivative of the loss by x, of shape (N, D). Derive it on paper first: y and s are all that is needed.

# %% [given]
def layer_norm_forward(x):
    """x (N, D) -> y (N, D), cache = (y, s) with s (N, 1)."""
    m = x.mean(1, keepdims=True)
    s = np.sqrt(((x - m) ** 2).mean(1, keepdims=True) + 1e-5)
    y = (x - m) / s
    cache = y, s
    return y, cache

# %% [solution]
def layer_norm_backward(dy, cache):
    """dy (N, D), cache = (y, s) of shapes (N, D), (N, 1) -> dx (N, D)."""
    ### BEGIN SOLUTION
    y, s = cache
    by_m = dy.mean(1, keepdims=True)
    by_s = (dy * y).mean(1, keepdims=True)
    return (dy - by_m - y * by_s) / s
    ### END SOLUTION

# %% [check]
def inputs(rng, N, D):
    return (normal(rng, N, D + 3),)  # of two columns nearly nothing but signs would be left


def case(rng, N=4, D=6):
    return upstream(rng, N, D), layer_norm_forward(normal(rng, N, D))[1]


def test_shift(student, right, rng):
    dy, cache = case(rng)
    dx = student.layer_norm_backward(dy, cache)
    return dx.shape == dy.shape and bool(np.abs(dx).min() > 1e-9 and np.abs(dx.sum(1)).max() < 1e-12)


def test_one_row(student, right, rng):
    dy, (y, s) = case(rng)
    dx = student.layer_norm_backward(dy, (y, s))
    return same(dx[1:2], student.layer_norm_backward(dy[1:2], (y[1:2], s[1:2]))) and bool(np.abs(dx).min() > 1e-9)

# %% [hints]
# 1. Hold m and s fixed first: what comes back to x_nd directly? Then hold s fixed and let m move: m_n is in all D outputs of the row, and x_nd has
#    the share 1/D in m_n.
# 2. s_n is in all D outputs of the row, too: the derivative of y_ne by s_n is -y_ne / s_n. The derivative of s_n by x_nd needs the square root and
#    (x_nd - m_n); m_n may be held fixed in it, for the deviations of a row sum to 0.
# 3. Two sums over the row appear, one of dy and one of dy times y. Both come with 1/D, so they are means over the row.

# %% [wrong] m and s are held fixed: only the direct way from x to y is counted
# - return (dy - by_m - y * by_s) / s
# + return dy / s

# %% [wrong] s is held fixed: the way through the spread is left out
# - return (dy - by_m - y * by_s) / s
# + return (dy - by_m) / s

# %% [wrong] m is held fixed: the way through the mean is left out
# - return (dy - by_m - y * by_s) / s
# + return (dy - y * by_s) / s

# %% [wrong] the means are taken over the batch where those of a row belong
# - by_m = dy.mean(1, keepdims=True)
# + by_m = dy.mean(0, keepdims=True)
# - by_s = (dy * y).mean(1, keepdims=True)
# + by_s = (dy * y).mean(0, keepdims=True)

# %% [wrong] sums over the row stand where its means belong: the 1/D of m and of s is lost
# - by_m = dy.mean(1, keepdims=True)
# + by_m = dy.sum(1, keepdims=True)
# - by_s = (dy * y).mean(1, keepdims=True)
# + by_s = (dy * y).sum(1, keepdims=True)

# %% [note]
# The two subtracted parts take out of dy what a shift and a stretch of the row would do, for y does not notice either (the stretch up to the 1e-5).
# An entry that reaches the loss by three ways collects three gradients. The package has no layer with such a coupling; its check of a pair works for
# any.
