# %% [record]
# title: A test that tells a right gradient from a wrong one
# kind: test
# lecture: D1 | A plain explanation; D3 | Reparameterization Trick
# notebook: 07
# equation: df/dx = (f(x + h) - f(x - h)) / 2h + O(h^2)
# tag: CHECK.1
# shapes: program = forward, backward -> True or False
# lines: 6
# minutes: 20
# tests:
#   right 1 = right pairs pass, and something is found in a pair that returns nonsense
#   plain 1 = plain mistakes are found, and the right pairs still pass
#   hidden 2 = mistakes are found that show only at some x, at some dy or by a thousandth, and the right pairs still pass

# %% [markdown]
# Someone hands you backward passes and says that they are right. Prove which are wrong, without reading them.
#
# A program is a pair `forward, backward` of an elementwise function y = f(x): `forward(x)` returns `y, cache`, and `backward(dy, cache)` returns dx.
# Here x, y, dy and dx are arrays of one shape, (N, D) for example; every f is smooth and cheap to call, and you are not told which it is. The right
# dx is dy times f'(x), entry by entry.
#
# Write `finds(program)`: True if the backward pass is wrong, False if it is right. Compare it with central differences of the forward pass,
#
# $$f'(x) = \frac{f(x+h) - f(x-h)}{2h} + O(h^2),$$
#
# without a ready-made gradient checker. x, dy, h and how close is close enough are for you to choose. Choose them so that no mistake can hide: some
# pairs are wrong only for some x, some only for some dy, and one is off by a thousandth. Draw random numbers with a fixed seed.

# %% [solution]
def finds(program):
    """program = (forward, backward) -> True if backward is not the derivative of forward."""
    ### BEGIN SOLUTION
    forward, backward = program
    x, dy = np.random.default_rng(0).standard_normal((2, 4, 3))
    h = 1e-5
    numeric = dy * (forward(x + h)[0] - forward(x - h)[0]) / (2 * h)
    dx = backward(dy, forward(x)[1])
    return not np.allclose(dx, numeric, rtol=1e-6, atol=1e-8)
    ### END SOLUTION

# %% [check]
def keeps_input(f):
    return lambda x: (f(x), x)


def keeps_output(f):
    return lambda x: (f(x), f(x))


TANH, SIN = keeps_output(np.tanh), keeps_input(np.sin)
CUBE, SOFTPLUS = keeps_input(lambda x: x**3), keeps_input(lambda x: np.log1p(np.exp(x)))
RIGHT = [
    (TANH, lambda dy, y: dy * (1 - y * y)),
    (TANH, lambda dy, y: dy * (1 - y) * (1 + y)),
    (SIN, lambda dy, x: dy * np.cos(x)),
    (CUBE, lambda dy, x: 3 * dy * x * x),
    (SOFTPLUS, lambda dy, x: dy / (1 + np.exp(-x))),
]
PLAIN = [
    (TANH, lambda dy, y: dy * (1 - np.tanh(y) ** 2)),  # tanh once more
    (TANH, lambda dy, y: dy * (1 - y)),
    (SIN, lambda dy, x: -dy * np.cos(x)),
    (CUBE, lambda dy, x: dy * x * x),
    (SOFTPLUS, lambda dy, x: dy / (1 + np.exp(x))),
]
HIDDEN = [
    (TANH, lambda dy, y: 1 - y * y),  # dy is lost: right where dy = 1
    (SIN, lambda dy, x: np.abs(dy) * np.cos(x)),  # right where dy > 0
    (TANH, lambda dy, y: dy * (1 - y * np.abs(y))),  # right where x > 0
    (CUBE, lambda dy, x: 3 * dy * x * np.abs(x)),
    (SIN, lambda dy, x: dy.mean() * np.cos(x)),  # right where all dy are equal
    (SOFTPLUS, lambda dy, x: dy / (1 + np.exp(-x)) / len(x)),  # right for one row
    (TANH, lambda dy, y: 1.001 * dy * (1 - y * y)),
]


def judged(student, right, wrong):
    return not any(student.finds(pair) for pair in right) and all(student.finds(pair) for pair in wrong)


def test_right(student, right, rng):
    return judged(student, RIGHT, [(TANH, lambda dy, y: dy + 7)])


def test_plain(student, right, rng):
    return judged(student, RIGHT, PLAIN)


def test_hidden(student, right, rng):
    return judged(student, RIGHT, HIDDEN)

# %% [hints]
# 1. f works entry by entry, so one call of forward at x + h and one at x - h give the differences of all entries at once. Do not forget dy.
# 2. A mistake hides where it makes no difference: at x = 0, where every x is positive, where dy is 1 everywhere, in a single row. Random x and dy of
#    both signs leave it no place.
# 3. A small h makes the error h² small but lets rounding grow, about 1e-16 / h. Try h = 1e-2, 1e-5 and 1e-12 on np.sin, and see how close you may ask
#    for.

# %% [wrong] dy is 1 everywhere: a pair that loses dy passes
# - x, dy = np.random.default_rng(0).standard_normal((2, 4, 3))
# + x, dy = np.random.default_rng(0).standard_normal((4, 3)), np.ones((4, 3))

# %% [wrong] x is 0 everywhere, where many wrong slopes are right
# - x, dy = np.random.default_rng(0).standard_normal((2, 4, 3))
# + x, dy = np.zeros((4, 3)), np.random.default_rng(0).standard_normal((4, 3))

# %% [wrong] x is positive everywhere: what is wrong for negative x alone passes
# - x, dy = np.random.default_rng(0).standard_normal((2, 4, 3))
# + x, dy = np.random.default_rng(0).standard_normal((2, 4, 3))
# + x = np.abs(x)

# %% [wrong] equality to the last digit is asked for: right pairs fail
# - return not np.allclose(dx, numeric, rtol=1e-6, atol=1e-8)
# + return not np.array_equal(dx, numeric)

# %% [wrong] h is so small that rounding decides: right pairs fail
# - h = 1e-5
# + h = 1e-14

# %% [wrong] the tolerance is so wide that a thousandth passes
# - return not np.allclose(dx, numeric, rtol=1e-6, atol=1e-8)
# + return not np.allclose(dx, numeric, rtol=1e-2, atol=1e-2)

# %% [wrong] the difference of two points that are 2h apart is divided by h
# - numeric = dy * (forward(x + h)[0] - forward(x - h)[0]) / (2 * h)
# + numeric = dy * (forward(x + h)[0] - forward(x - h)[0]) / h

# %% [note]
# This is the heart of the package's `check` ([CHECK.1], tinyvae/gradcheck). It proves that backward belongs to forward, and nothing about forward
# itself: a forward pass with a wrong formula and its own derivative passes. Notebook 07, section 4.
