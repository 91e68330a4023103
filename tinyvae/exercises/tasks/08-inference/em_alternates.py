# %% [record]
# title: A test of EM that needs no formula
# kind: test
# lecture: D1 | Variational Inference (2); D2 | Observation Model (3)
# notebook: 08
# equation: the E-step closes the gap, the M-step raises the bound: log p(x) never falls
# tag: -
# shapes: step: (X, W, eta) -> W, eta; finds(step) -> True if step is wrong
# lines: 8
# minutes: 20
# tests:
#   right 1 = two programs that are right are left in peace, one that only spoils the model is not
#   m_step 1 = an M-step that forgets the uncertainty of z is found, and EM itself is not called wrong
#   noise 1 = a noise variance that leaves out the uncertainty of z is found, and EM itself is not called wrong
#   e_step 1 = an E-step without the prior is found, and EM itself is not called wrong

# %% [markdown]
# Somebody hands you programs that claim to do one step of EM for probabilistic PCA: `step(X, W, eta)` returns the new W and eta. Each is right or wrong,
# and you do not want to read them. Use what the lectures prove: the E-step makes the bound touch log p(x), the M-step raises the bound, so log p(x) of the data
# never falls from one step to the next.
#
# Write `finds(step)`: return True if the program is wrong by this test, else False. `start()`, given below, returns centred data X and a start W, eta;
# `log_evidence(X, W, eta)` returns the exact mean of log p(x). A wrong program may climb at first and fall later: take 200 steps.
# A right one stands still in the end, where rounding may move log p(x) by about 1e-12 either way: this is no fall.

# %% [given]
def start():
    """Centred data X (60, 5), and a random start: W (5, 2) and eta."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 5)) + 0.7 * rng.standard_normal((60, 5))
    return X - X.mean(0), rng.standard_normal((5, 2)), 1.0


def log_evidence(X, W, eta):
    """The exact mean of log p(x) over the data, in nats."""
    C = W @ W.T + eta * np.eye(len(W))  # the covariance of x
    return -(len(C) * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + np.trace(np.linalg.solve(C, X.T @ X)) / len(X)) / 2

# %% [solution]
def finds(step):
    """step: (X, W, eta) -> W, eta; True if log p(x) falls in one of 200 steps from start()."""
    ### BEGIN SOLUTION
    X, W, eta = start()
    before = log_evidence(X, W, eta)
    for _ in range(200):
        W, eta = step(X, W, eta)
        after = log_evidence(X, W, eta)
        if after < before - 1e-9:
            return True
        before = after
    return False
    ### END SOLUTION

# %% [check]
def em(X, W, eta, prior=1.0, sure_m=False, sure_noise=False, only_W=False):
    N, (D, K) = len(X), W.shape
    S = np.linalg.inv(prior * np.eye(K) + W.T @ W / eta)
    mean = X @ W @ S / eta
    W = np.linalg.solve(mean.T @ mean / N + (0 if sure_m else S), mean.T @ X / N).T
    error = ((X - mean @ W.T) ** 2).sum() / N + (0 if sure_noise else np.trace(W @ S @ W.T))
    return W, eta if only_W else error / D

def test_right(student, right, rng):
    partly = lambda X, W, eta: em(X, W, eta, only_W=True)  # raises the bound, if not to its top
    programs = em, partly
    return all(student.finds(step) in (False, np.False_) for step in programs) and bool(student.finds(lambda X, W, eta: (W / 2, 9 * eta)))

def test_m_step(student, right, rng):
    return bool(student.finds(lambda X, W, eta: em(X, W, eta, sure_m=True))) and not student.finds(em)

def test_noise(student, right, rng):
    return bool(student.finds(lambda X, W, eta: em(X, W, eta, sure_noise=True))) and not student.finds(em)

def test_e_step(student, right, rng):
    return bool(student.finds(lambda X, W, eta: em(X, W, eta, prior=0.0))) and not student.finds(em)

# %% [hints]
# 1. Keep log p(x) before a step and compare it with log p(x) after it, at every step.
# 2. Compare with a little room for rounding: much more than 1e-12, much less than a real fall.

# %% [wrong] only the first step is looked at
# - for _ in range(200):
# + for _ in range(1):

# %% [wrong] only the end is compared with the start
# - before = after
# + W, eta = W, eta
# - if after < before - 1e-9:
# + if _ == 199 and after < before - 1e-9:

# %% [wrong] there is no room for rounding
# - if after < before - 1e-9:
# + if after <= before:

# %% [wrong] every program is called wrong
# - X, W, eta = start()
# + return True
# + X, W, eta = start()

# %% [wrong] a rise of log p(x) is taken for the mistake
# - if after < before - 1e-9:
# + if after > before + 1e-9:

# %% [note]
# A property that must hold finds mistakes without a second program to compare with. `tests` of the package use the same: log p(x) never falls.
