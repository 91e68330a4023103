# %% [record]
# title: Is it a density?
# kind: test
# lecture: D4 | [comment "The best article on the net about VAEs"]; D2 | [the first term: reconstruction]
# notebook: 06b
# equation: int p(x|z) dx = 1
# tag: -
# shapes: program: out, x (N, D) -> log_px (N,); low, high: numbers -> True or False
# lines: 9
# minutes: 25
# tests:
#   complete 1 = no density on the real line is accused, and a lost constant is found
#   narrow 1 = a density may be larger than 1: a narrow one is not accused
#   pixels 1 = a constant that is counted once per datum, not once per pixel, is found
#   grey 1 = on grey pixels, x in [0, 1], the Bernoulli formula is told from the continuous Bernoulli
#   anywhere 1 = a normaliser that is right at the output 0 alone is found

# %% [markdown]
# An ELBO is a bound on log p(x) in nats only if the reconstruction term is the logarithm of a density: for every
# output of the decoder, p(x|z) must integrate to 1 over x. A gradient check cannot see whether it does. Write the
# test that can.
#
# `program(out, x)` claims to be a log-likelihood: `out` is what the decoder puts out and `x` the data, both of
# shape (N, D), one output per pixel; it returns log p(x|z) of shape (N,), for any N and any D. Every pixel lies
# between the numbers `low` and `high`; for pixels on the whole real line these are -12 and 12, and what a density
# has beyond is below .005 for every output between -2 and 2.
#
# `finds(program, low, high)` returns True if the program is wrong, that is, no density, and False if it is one.
# Integrate numerically; an error of a few per cent is harmless, for the wrong programs are off by more than a
# tenth. Mistakes hide at D = 1, and at particular outputs. 100 points per axis are enough, and keep it fast.

# %% [solution]
def finds(program, low, high):
    """program(out, x) -> log p(x|z), low and high the ends of each pixel -> True if it is no density."""
    ### BEGIN SOLUTION
    width = (high - low) / 100
    middles = low + width * (np.arange(100) + 0.5)
    x = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    for out in (0.0, -1.0, 1.5):
        total = np.exp(program(np.full(x.shape, out), x)).sum() * width**2
        if not abs(total - 1) < 0.05:
            return True
    return False
    ### END SOLUTION

# %% [check]
LINE = -12, 12
LOG_2PI = np.log(2 * np.pi)


def gaussian(eta):
    return lambda out, x: -((x - out) ** 2 / eta + np.log(eta) + LOG_2PI).sum(-1) / 2


def laplace(out, x):
    return -(np.abs(x - out) / 0.8 + np.log(1.6)).sum(-1)


def logistic(out, x):
    u = (x - out) / 0.6
    return -(u + 2 * np.logaddexp(0, -u) + np.log(0.6)).sum(-1)


def squared_error(out, x):
    return -((x - out) ** 2).sum(-1) / (2 * 0.3)


def variance_for_sigma(out, x):
    return -((x - out) ** 2 / 0.3 + 2 * np.log(0.3) + LOG_2PI).sum(-1) / 2


def mean_over_pixels(out, x):
    return -((x - out) ** 2 / 0.3 + np.log(0.3) + LOG_2PI).mean(-1) / 2


def constant_once(out, x):
    return -((x - out) ** 2).sum(-1) / 0.6 - (np.log(0.3) + LOG_2PI) / 2


def bernoulli(out, x):
    return (x * out - np.logaddexp(0, out)).sum(-1)


def log_c(out):
    a = np.maximum(np.abs(out), 1e-7)
    return np.log(a / np.tanh(a / 2))


def continuous_bernoulli(out, x):
    return bernoulli(out, x) + log_c(out).sum(-1)


def constant_at_zero(out, x):
    return bernoulli(out, x) + np.log(2) * out.shape[-1]


def told(student, right, wrong, low, high):
    """Whether the student's test finds none of the right programs and all of the wrong ones."""
    return not any(student.finds(f, low, high) for f in right) and all(student.finds(f, low, high) for f in wrong)


def test_complete(student, right, rng):
    return told(student, [gaussian(0.3), laplace, logistic], [squared_error, variance_for_sigma], *LINE)


def test_narrow(student, right, rng):
    return told(student, [gaussian(0.05)], [squared_error], *LINE)


def test_pixels(student, right, rng):
    return told(student, [gaussian(0.3)], [constant_once, mean_over_pixels], *LINE)


def test_grey(student, right, rng):
    return told(student, [continuous_bernoulli], [bernoulli], 0, 1)


def test_anywhere(student, right, rng):
    return told(student, [continuous_bernoulli], [constant_at_zero], 0, 1)


# %% [hints]
# 1. Cut the interval into 100 pieces, take their middles, and add up p times the length of a piece. That is D =
# 1.
# 2. For D = 2 the middles form a grid of 100 x 100 rows (`np.meshgrid`), and a piece has an area.
# 3. Ask at more than one output, and on both sides of 0.

# %% [wrong] one pixel alone is integrated over, where a constant per datum is a constant per pixel
def finds(program, low, high):
    width = (high - low) / 1000
    x = low + width * (np.arange(1000) + 0.5)[:, None]
    return any(not abs(np.exp(program(np.full(x.shape, out), x)).sum() * width - 1) < 0.05 for out in (0.0, -1.0, 1.5))

# %% [wrong] one output of the decoder alone is tried
# - for out in (0.0, -1.0, 1.5):
# + for out in (0.0,):

# %% [wrong] a density is thought never to be larger than 1
def finds(program, low, high):
    x = np.linspace(low, high, 1001)[:, None]
    return bool((program(np.zeros(x.shape), x) > 0).any())

# %% [wrong] the log-density is integrated, not the density
# - total = np.exp(program(np.full(x.shape, out), x)).sum() * width**2
# + total = program(np.full(x.shape, out), x).sum() * width**2

# %% [wrong] the area of a piece is missing
# - total = np.exp(program(np.full(x.shape, out), x)).sum() * width**2
# + total = np.exp(program(np.full(x.shape, out), x)).sum()

# %% [wrong] only a total above 1 counts as wrong, so that lost probability passes
# - if not abs(total - 1) < 0.05:
# + if total > 1.05:

# %% [note]
# Every likelihood of the package must pass such a test. Notebook 06b shows what is lost with each constant: a
# weight against the KL, or the comparison with another model.
