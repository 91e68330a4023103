# %% [program]
LOG_2PI = np.log(2 * np.pi)


def log_weights(x, mu, log_sigma, eps):
    """ln w of L samples per datum: x, mu, log_sigma (N,), eps (L, N) -> (L, N). Model: z ~ N(0, 1), x|z ~ N(z, 1)."""
    z = mu + np.exp(log_sigma) * eps
    log_px = -((x - z) ** 2 + LOG_2PI) / 2
    log_pz = -(z**2 + LOG_2PI) / 2
    log_qz = -(eps**2 + LOG_2PI) / 2 - log_sigma
    return log_px + log_pz - log_qz


def log_p(x, mu, log_sigma, eps):
    """ln p(x), (N,), estimated by the mean of the weights."""
    return np.log(np.exp(log_weights(x, mu, log_sigma, eps)).mean(0))


# %% [check]
def behaviour(program, rng, L, N):
    inputs = normal(rng, N), normal(rng, N), log_scale(rng, N), normal(rng, L, N)
    return program.log_weights(*inputs), program.log_p(*inputs)


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """With the exact posterior N(x / 2, 1/2) every weight is p(x) = N(x; 0, 2)."""
    x, half = np.array([1.2]), np.full(1, np.log(0.5) / 2)
    eps = normal_points(100)[:, None]
    log_w, estimate = program.log_weights(x, x / 2, half, eps), program.log_p(x, x / 2, half, eps)[0]
    exact = -(x[0] ** 2 / 2 + np.log(4 * np.pi)) / 2
    return np.allclose(log_w, exact), f"estimate {estimate:.2f}, log p(x) = {exact:.2f}; standard deviation of log w is {log_w.std():.2f}, 0 is wanted"
