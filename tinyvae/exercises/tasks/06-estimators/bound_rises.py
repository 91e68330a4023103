# %% [record]
# title: Which bound does not rise to log p(x)?
# kind: test
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$; D2 | Observation Model (3)
# notebook: 05
# equation: E L_1 <= E L_k <= log p(x), and L_k goes to log p(x) as k grows
# tag: IWAE.1
# shapes: program -> True or False
# lines: 4
# minutes: 20
# tests:
#   mean_of_logs 1 = a program that averages logarithms is found, and a right one is not accused
#   closed_kl 1 = a program that puts the closed-form KL in place of the samples' log ratios is found, and a right one is not accused
#   wrong_weights 1 = programs that average the log weights with weights of their own are found, and a right one is not accused
#   quiet 1 = no right program is accused, in whichever way and with whichever q it computes

# %% [markdown]
# Programs for the k-sample bound $L_k = \log\frac1k\sum_l p(x,z_l)/q(z_l|x)$ are easily wrong in ways that no gradient
# check sees. Write the test that finds them.
#
# `finds(program)` returns True if the program is wrong and False if it is right. A program is a function
# `program(x, eps)`: `x`, of shape (N,), holds N data; `eps`, of shape (k, N), is noise that you have drawn from
# N(0, 1); it returns its bound for each datum, of shape (N,), in nats. All programs are for the same model of one
# latent and one observed number,
#
# $$z \sim \mathcal N(0, 1), \qquad x|z \sim \mathcal N(z, 1),$$
#
# and draw z from a Gaussian q(z|x) of their own choice, at least as wide as the posterior and not far from it, but not
# equal to it. You choose x, k and eps; N and k may be anything. A right program may do its sums in any order and use
# any such q; for few samples its value lies above $\log p(x)$ now and then, by chance. Draw your noise from a generator
# with a fixed seed, so that the verdict is always the same.

# %% [solution]
def finds(program):
    """program(x, eps), with x (N,) and eps (k, N), returns bounds (N,) -> True if it is wrong, False if it is right."""
    ### BEGIN SOLUTION
    x = np.array([-2.0, -1.0, 0.5, 2.0])
    eps = np.random.default_rng(0).standard_normal((4000, 4))
    log_p = -(x**2) / 4 - np.log(4 * np.pi) / 2
    return bool(np.abs(program(x, eps) - log_p).max() > 0.1)
    ### END SOLUTION

# %% [check]
def parts(x, eps, slope, s):
    """(log p(x|z), log p(z) - log q(z|x)) at z = slope x + s eps, each (k, N)."""
    z = slope * x + s * eps
    return -((x - z) ** 2) / 2 - np.log(2 * np.pi) / 2, -(z**2) / 2 + eps**2 / 2 + np.log(s)

def log_mean_exp(a):
    top = a.max(0)
    return top + np.log(np.exp(a - top).mean(0))

def right_program(x, eps, slope=0.2, s=1.0):
    log_px, log_ratio = parts(x, eps, slope, s)
    return log_mean_exp(log_px + log_ratio)

def other_q(x, eps):
    return right_program(x, eps, slope=0.6, s=1.2)

def other_order(x, eps):
    log_w = sum(parts(x, eps, 0.2, 1.0))
    half = len(log_w) // 2
    return np.logaddexp.reduce(np.concatenate([log_w[half:], log_w[:half]]), axis=0) - np.log(len(log_w))

def mirrored(x, eps):
    return right_program(x, np.concatenate([eps, -eps]))

def mean_of_logs(x, eps, slope=0.2, s=1.0):
    return sum(parts(x, eps, slope, s)).mean(0)

def closed_kl(x, eps, slope=0.2, s=1.0):
    log_px, _ = parts(x, eps, slope, s)
    return log_mean_exp(log_px) - (s**2 + (slope * x) ** 2 - 1 - 2 * np.log(s)) / 2

def softmax_of(sign):
    def program(x, eps):
        log_w = sum(parts(x, eps, 0.2, 1.0))
        w = np.exp(sign * log_w - (sign * log_w).max(0))
        return (w * log_w).sum(0) / w.sum(0)

    return program

def verdicts(student, *programs):
    return [bool(student.finds(program)) for program in programs]

def test_mean_of_logs(student, right, rng):
    return verdicts(student, mean_of_logs, right_program) == [True, False]

def test_closed_kl(student, right, rng):
    return verdicts(student, closed_kl, right_program) == [True, False]

def test_wrong_weights(student, right, rng):
    return verdicts(student, softmax_of(-1), softmax_of(1), right_program) == [True, True, False]

def test_quiet(student, right, rng):
    return verdicts(student, right_program, other_q, other_order, mirrored, mean_of_logs) == [False] * 4 + [True]

# %% [hints]
# 1. The model is simple enough for log p(x) to be known. What is the distribution of x = z + noise?
# 2. To what does a right program's bound go as k grows? And to what does the mean of the logarithms go?
# 3. With thousands of samples a right value lies within a few hundredths of a nat. Compare at several x, some of them
#    away from 0: at 0 some mistakes hide.

# %% [wrong] it is only asked whether the value lies below log p(x), as the ELBO does too
# - return bool(np.abs(program(x, eps) - log_p).max() > 0.1)
# + return bool((program(x, eps) - log_p).max() > 0.1)

# %% [wrong] it is only asked whether the value rises with k, which it does with the closed-form KL too
# - return bool(np.abs(program(x, eps) - log_p).max() > 0.1)
# + few = np.mean([program(x, eps[i : i + 2]) for i in range(0, 400, 2)], axis=0)
# + return bool((program(x, eps) - few).min() < 0.03)

# %% [wrong] a single sample decides, at which all programs are noisy: right ones are accused
# - eps = np.random.default_rng(0).standard_normal((4000, 4))
# + eps = np.random.default_rng(0).standard_normal((1, 4))

# %% [wrong] every draw is wanted below log p(x), though the bound holds in expectation
# - return bool(np.abs(program(x, eps) - log_p).max() > 0.1)
# + return any(bool((program(x, e[None]) > log_p).any()) for e in eps[:100])

# %% [wrong] the values of one particular q are demanded: right programs with another q are accused
def finds(program):
    x = np.array([-2.0, -1.0, 0.5, 2.0])
    eps = np.random.default_rng(0).standard_normal((50, 4))
    z = 0.2 * x + eps
    log_w = -((x - z) ** 2) / 2 - np.log(2 * np.pi) / 2 - z**2 / 2 + eps**2 / 2
    return not np.allclose(program(x, eps), np.log(np.exp(log_w).mean(0)))

# %% [wrong] log p(x) is computed with the variance 1 of the noise, not with the variance 2 of x
# - log_p = -(x**2) / 4 - np.log(4 * np.pi) / 2
# + log_p = -(x**2) / 2 - np.log(2 * np.pi) / 2

# %% [note]
# A gradient check passes all of these programs: each is differentiated rightly, but is the wrong function. What finds
# them is a model whose answer is known.
