# %% [program]
def prepare(X, rng):
    """Grey pixels in [0, 1] made into data for a Bernoulli likelihood: a pixel is 1 with its grey value as probability."""
    return (rng.random(X.shape) < X).astype(float)


def log_likelihood(p, x):
    """sum_d ln Bernoulli(x_d; p_d), (N,), for p and x of shape (N, D)."""
    return np.log(np.where(x > 0, p**x, 1) * np.where(x < 1, (1 - p) ** (1 - x), 1)).sum(-1)


# %% [check]
def behaviour(program, rng, N, D):
    X, p = rng.random((N, D)), rng.uniform(0.1, 0.9, (N, D))
    return program.prepare(X, np.random.default_rng(N)), program.log_likelihood(p, np.round(X))


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """The best that any decoder can do: -log p(x|z) at p = x is 0 for binary pixels."""
    x = program.prepare(np.full((20, 10), 0.3), np.random.default_rng(0))
    best = -program.log_likelihood(x, x).mean() / 10
    return np.isclose(best, 0), f"no decoder comes below {best:.3f} nats per pixel at grey value 0.3; for 0 and 1 it is 0"
