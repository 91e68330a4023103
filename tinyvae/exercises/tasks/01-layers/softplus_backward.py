# %% [record]
# title: The backward pass of softplus, without overflow
# kind: backward
# lecture: D1 | A plain explanation; D2 | Deep Autoencoders
# notebook: 02
# equation: y = ln(1 + e^x)
# tag: SP.2
# shapes: dy (..., D); cache = x (..., D) -> dx (..., D)
# lines: 2
# minutes: 15
# solution: tinyvae.layers:softplus_backward
# forward: tinyvae.layers:softplus_forward
# outputs: dx
# tests:
#   values 1 = dx as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   extreme 1 = dx is right at x = -800 and x = 800, where e^800 is no float
# steps:
#   dx = the chain rule on the logarithm; then a form in which no exponential of a large positive number decides [SP.2]

# %% [markdown]
# The softplus is a smooth ReLU, and minus the log-likelihood of a pixel is made of it:
#
# $$y = \ln(1 + e^x), \qquad \text{entry by entry.}$$
#
# Write `softplus_backward(dy, cache)`. `dy` is the derivative of the loss by y and `cache = x` the input of the forward pass, both of shape (N, D),
# or any other. Return `dx`, the derivative of the loss by x, of the same shape.
#
# It must also be right at x = 800 and x = -800. There $e^{800}$ is infinite in floating point, and a quotient of two infinities is NaN. A warning of
# NumPy about overflow does no harm as long as the result is right.

# %% [check]
def inputs(rng, N, D):
    return (normal(rng, N, D),)


def test_extreme(student, right, rng):
    dy, x = upstream(rng, 2, 2), np.array([[-800.0, 800.0], [-1000.0, 1000.0]])
    with np.errstate(all="ignore"):
        dx = student.softplus_backward(dy, x)
    return bool(np.allclose(dx, dy * (x > 0), rtol=1e-12, atol=1e-300))

# %% [hints]
# 1. The outer derivative is 1 / (1 + e^x), the inner one e^x.
# 2. Divide the numerator and the denominator by e^x. What becomes of the new form at x = 800, and at x = -800?

# %% [wrong] e^x stands in the numerator and in the denominator: at x = 800 the result is infinity / infinity = NaN
# - return dy * sigmoid(x)
# + return dy * np.exp(x) / (1 + np.exp(x))

# %% [wrong] the inner derivative e^x is lost
# - return dy * sigmoid(x)
# + return dy / (1 + np.exp(x))

# %% [wrong] the derivative of the sigmoid is taken in place of the sigmoid
# - return dy * sigmoid(x)
# + return dy * sigmoid(x) * (1 - sigmoid(x))

# %% [wrong] x is taken for the output y
# - return dy * sigmoid(x)
# + return dy * (1 - np.exp(-softplus(softplus(x))))

# %% [wrong] dy is lost: the local derivative alone is returned
# - return dy * sigmoid(x)
# + return sigmoid(x)

# %% [note]
# The slope of softplus is the sigmoid; this is why the gradient of a Bernoulli log-likelihood by its logits is so simple (chapter 3). The package
# writes the sigmoid with tanh, which cannot overflow: tinyvae/layers.py, [SP.2] and [SIG.1].
