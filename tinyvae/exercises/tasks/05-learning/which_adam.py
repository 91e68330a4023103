# %% [record]
# title: Which Adam is none?
# kind: test
# lecture: D0 | Estimating the Objective; D1 | Variational Inference for VAE
# notebook: 10
# equation: theta <- theta - lr m_hat / (sqrt(v_hat) + eps)
# tag: ADAM.1
# shapes: program -> True or False
# lines: 8
# minutes: 15
# tests:
#   early 1 = programs whose first step is wrong are found, and a right one is not accused
#   late 1 = programs that go wrong after the first step are found, and a right one is not accused
#   hidden 1 = a program that goes wrong only where epsilon matters is found, and a right one is not accused
#   quiet 1 = no right program is accused, in whichever order it multiplies

# %% [markdown]
# An optimiser that is wrong still learns, only worse, and no gradient check looks at it. Write the test that tells
# right Adams from wrong ones.
#
# `finds(program)` returns True if the program is wrong and False if it is right. A program is a function
# `program(theta, gradients, lr, beta1, beta2, eps)`: `theta`, of shape (M,), is where it starts, `gradients`, of shape
# (T, M), holds the gradients that it gets at its steps 1 to T, whatever theta is then. It returns theta after T steps,
# of shape (M,). All arguments are yours to choose.
#
# Right is algorithm 1 of arXiv:1412.6980, as in the task `adam_step`:
#
# $$\theta \leftarrow \theta - \mathrm{lr}\,\hat m / (\sqrt{\hat v} + \epsilon),$$
#
# with the running averages m and v of the gradients and of their squares, of decays $\beta_1$ and $\beta_2$, each
# corrected for its start at zero so that at step t the correction is exact for equal gradients. A right program may
# differ from yours by rounding. Use a fixed seed, if you use random numbers at all.

# %% [solution]
def finds(program):
    """program(theta, gradients, lr, beta1, beta2, eps) -> theta after len(gradients) steps; True if it is wrong, False if it is right."""
    ### BEGIN SOLUTION
    gradients = np.random.default_rng(0).standard_normal((6, 4))
    start, lr, beta1, beta2, eps = np.ones(4), 0.1, 0.8, 0.9, 0.1
    theta, m, v = start, 0, 0
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        theta = theta - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return not np.allclose(program(start, gradients, lr, beta1, beta2, eps), theta, rtol=1e-9)
    ### END SOLUTION

# %% [check]
def adam(theta, gradients, lr, beta1, beta2, eps, divisor=lambda beta, t: 1 - beta**t, square=np.square, root=None, sign=-1, kept=False):
    """Adam with some of its parts exchanged."""
    m, v, root = 0.0, 0.0, root or (lambda v, eps: np.sqrt(v) + eps)
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * square(g)
        m_hat, v_hat = m / divisor(beta1, t), v / divisor(beta2, t)
        theta = theta + sign * lr * m_hat / root(v_hat, eps)
        if kept:
            m, v = m_hat, v_hat
    return theta

def package(theta, gradients, lr, beta1, beta2, eps):
    from tinyvae import Adam

    theta, optimizer = np.array(theta, float), Adam(lr, beta1, beta2, eps)
    for g in gradients:
        optimizer.step(theta, g)
    return theta

def other_order(theta, gradients, lr, beta1, beta2, eps):
    m, v = np.zeros(np.shape(theta)), np.zeros(np.shape(theta))
    for t, g in enumerate(gradients, 1):
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        root = np.sqrt(1 - beta2**t)
        theta = theta - lr * root / (1 - beta1**t) * m / (np.sqrt(v) + eps * root)
    return theta

def changed(**parts):
    return lambda *args: adam(*args, **parts)

def exchanged(theta, gradients, lr, beta1, beta2, eps):
    return adam(theta, gradients, lr, beta2, beta1, eps)

def plain(theta, gradients, lr, beta1, beta2, eps):
    return theta - lr * gradients.sum(0)

EARLY = changed(divisor=lambda beta, t: 1), changed(root=lambda v, eps: v + eps), changed(sign=1), plain
LATE = changed(divisor=lambda beta, t: 1 - beta), changed(kept=True), exchanged, changed(divisor=lambda beta, t: 1 - beta ** min(t, 2))
HIDDEN = (changed(root=lambda v, eps: np.sqrt(v + eps)),)

def verdicts(student, *programs):
    return [bool(student.finds(program)) for program in programs]

def test_early(student, right, rng):
    return verdicts(student, *EARLY, adam) == [True] * len(EARLY) + [False]

def test_late(student, right, rng):
    return verdicts(student, *LATE, adam) == [True] * len(LATE) + [False]

def test_hidden(student, right, rng):
    return verdicts(student, *HIDDEN, adam) == [True, False]

def test_quiet(student, right, rng):
    return verdicts(student, adam, package, other_order, EARLY[0]) == [False, False, False, True]

# %% [hints]
# 1. You know how Adam goes: take the steps yourself, and compare. Which arguments show the most?
# 2. Several steps, with gradients that differ from step to step; decays that differ from each other.
# 3. With epsilon = 1e-8 nobody sees where it stands.

# %% [wrong] only the first step is looked at
# - gradients = np.random.default_rng(0).standard_normal((6, 4))
# + gradients = np.random.default_rng(0).standard_normal((1, 4))

# %% [wrong] all gradients are the same: what the decays do does not show
# - gradients = np.random.default_rng(0).standard_normal((6, 4))
# + gradients = np.ones((6, 4))

# %% [wrong] epsilon is so small that it does not show where it stands
# - start, lr, beta1, beta2, eps = np.ones(4), 0.1, 0.8, 0.9, 0.1
# + start, lr, beta1, beta2, eps = np.ones(4), 0.1, 0.8, 0.9, 1e-12

# %% [wrong] both decays are equal: that they are exchanged does not show
# - start, lr, beta1, beta2, eps = np.ones(4), 0.1, 0.8, 0.9, 0.1
# + start, lr, beta1, beta2, eps = np.ones(4), 0.1, 0.9, 0.9, 0.1

# %% [wrong] the results are compared to the last bit: a right program that rounds differently is accused
# - return not np.allclose(program(start, gradients, lr, beta1, beta2, eps), theta, rtol=1e-9)
# + return not np.array_equal(program(start, gradients, lr, beta1, beta2, eps), theta)

# %% [wrong] it is only asked whether the loss goes down
def finds(program):
    theta = program(np.ones(4), np.ones((6, 4)), 0.1, 0.9, 0.999, 1e-8)
    return bool((theta >= 1).any())

# %% [note]
# Most of these programs still train a VAE, only worse: nothing but the formula tells them apart.
