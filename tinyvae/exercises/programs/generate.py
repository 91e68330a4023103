# %% [program]
def encode(X):
    """mu and log_sigma of q(z|x), both (N, K); a fixed linear encoder stands for a trained one."""
    return 0.6 * X[:, :2] + 0.8, np.full((len(X), 2), -1.2)


def decode(z):
    """The mean of p(x|z), (N, D)."""
    return z @ np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])


def generate(X, n, rng):
    """n new data from the model p(x) = E_p(z) p(x|z), (n, D): means of p(x|z). X, (N, D), are the training data."""
    z = rng.standard_normal((n, 2))
    return decode(z)


# %% [check]
def behaviour(program, rng, N, M):
    return program.generate(normal(rng, N, 3), M, np.random.default_rng(N)), program.encode(normal(rng, N, 3))


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """The first two pixels are z itself: mean 0, standard deviation 1."""
    x = program.generate(np.random.default_rng(1).standard_normal((50, 3)), 5000, np.random.default_rng(0))[:, :2]
    ok = abs(x.mean()) < 0.05 and abs(x.std() - 1) < 0.05
    return ok, f"z of new data has mean {abs(x.mean()):.1f} and standard deviation {x.std():.1f}, p(z) has 0 and 1"
