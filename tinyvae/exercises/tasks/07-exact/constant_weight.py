# %% [record]
# title: A test of posteriors that needs no posterior
# kind: test
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$; D1 | Probabilistic understanding
# notebook: 04
# equation: p(x|z) p(z) / q(z) = p(x) for every z, if and only if q(z) = p(z|x)
# tag: -
# shapes: program: (x, w, eta) -> mean, variance; finds(program) -> True if program is wrong
# lines: 8
# minutes: 20
# tests:
#   right 1 = a program that is right is left in peace
#   mean 1 = a program with a wrong mean and the right variance is found
#   variance 1 = a program with a wrong variance and the right mean is found
#   hidden 2 = programs that are right only at special values of w, eta or x are found

# %% [markdown]
# The model has one latent z and one pixel x: $p(z) = N(0, 1)$, $p(x|z) = N(x; w z, η)$ with variance η. Its posterior is a Gaussian. Somebody hands you programs
# that claim to know it: `program(x, w, eta)` returns the mean and the *variance* of $p(z|x)$, two numbers. You need not know the posterior to judge them.
# D0's remark is enough: with q the posterior, the weight
# $$p(x|z) p(z) / q(z)$$
# is the same at every z, namely p(x).
#
# Write `finds(program)`: return True if the program is wrong, else False. `log_normal(a, mean, variance)`, given below, is the log-density of N(mean, variance) at a;
# a may be an array. Rounding moves log-weights by about 1e-12. A wrong program may be right at special values, at w = 1 or at η = 1 for example: try several.

# %% [given]
def log_normal(a, mean, variance):
    """log N(a; mean, variance), in nats; a a number or an array."""
    return -((a - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2

# %% [solution]
def finds(program):
    """program: (x, w, eta) -> mean, variance of p(z|x); True if it is wrong."""
    ### BEGIN SOLUTION
    z = np.linspace(-2, 2, 9)
    for x, w, eta in ((1.3, 0.7, 0.4), (-0.6, 1.9, 2.2), (2.5, -1.4, 0.15)):
        mean, variance = program(x, w, eta)
        if not variance > 0:
            return True
        log_weight = log_normal(x, w * z, eta) + log_normal(z, 0, 1) - log_normal(z, mean, variance)
        if not np.ptp(log_weight) < 1e-8:
            return True
    return False
    ### END SOLUTION

# %% [check]
def posterior(x, w, eta):
    variance = 1 / (1 + w * w / eta)
    return variance * w * x / eta, variance

def accused(student, *changes):
    """Whether the right program is left in peace and every changed one is found."""
    programs = [lambda x, w, eta, change=change: change(*posterior(x, w, eta), x, w, eta) for change in changes]
    return not student.finds(posterior) and all(student.finds(program) for program in programs)

def test_right(student, right, rng):
    other = lambda x, w, eta: (w * x / (w * w + eta), eta / (w * w + eta))  # written in another way
    return not student.finds(posterior) and not student.finds(other) and bool(student.finds(lambda x, w, eta: (x, 1.0)))

def test_mean(student, right, rng):
    return accused(student, lambda m, v, x, w, eta: (0.0, v), lambda m, v, x, w, eta: (x / w, v), lambda m, v, x, w, eta: (1.01 * m, v))

def test_variance(student, right, rng):
    return accused(student, lambda m, v, x, w, eta: (m, 1.0), lambda m, v, x, w, eta: (m, v**0.5), lambda m, v, x, w, eta: (m, 1.01 * v))

def test_hidden(student, right, rng):
    squared = lambda m, v, x, w, eta: posterior(x, w, eta**2)  # right at eta = 1
    no_w = lambda m, v, x, w, eta: (m / w, v)  # right at w = 1, and where x = 0
    sign = lambda m, v, x, w, eta: (abs(m), v)  # right where the mean is positive
    no_square = lambda m, v, x, w, eta: (m, 1 / (1 + abs(w) / eta))  # right at w = 1
    return accused(student, squared, no_w, sign, no_square)

# %% [hints]
# 1. Take the logarithm of the weight at several z. How far apart are the largest and the smallest?
# 2. Choose x, w and eta that are neither 0 nor 1, with both signs, and more than one set of them.

# %% [wrong] only w = 1 and eta = 1 are tried
# - for x, w, eta in ((1.3, 0.7, 0.4), (-0.6, 1.9, 2.2), (2.5, -1.4, 0.15)):
# + for x, w, eta in ((1.3, 1.0, 1.0), (-0.6, 1.0, 1.0)):

# %% [wrong] only positive x and w are tried
# - for x, w, eta in ((1.3, 0.7, 0.4), (-0.6, 1.9, 2.2), (2.5, -1.4, 0.15)):
# + for x, w, eta in ((1.3, 0.7, 0.4), (0.6, 1.9, 2.2)):

# %% [wrong] the weight is looked at in one z only, so it cannot change
# - z = np.linspace(-2, 2, 9)
# + z = np.array([0.5])

# %% [wrong] the prior is left out of the weight
# - log_weight = log_normal(x, w * z, eta) + log_normal(z, 0, 1) - log_normal(z, mean, variance)
# + log_weight = log_normal(x, w * z, eta) - log_normal(z, mean, variance)

# %% [wrong] the variance is taken for a standard deviation
# - log_weight = log_normal(x, w * z, eta) + log_normal(z, 0, 1) - log_normal(z, mean, variance)
# + log_weight = log_normal(x, w * z, eta) + log_normal(z, 0, 1) - log_normal(z, mean, variance**2)

# %% [note]
# The same weights estimate log p(x) where the posterior is not known: the nearer q is to it, the less they vary.
