# %% [program]
def draw_noise(rng, L, N, K):
    """eps ~ N(0, I) for L samples of z per datum, (L, N, K)."""
    return rng.standard_normal((L, N, K))


def posterior_draws(mu, log_sigma, L, rng):
    """L draws of z from q(z|x) = N(mu, diag(sigma^2)), mu and log_sigma (N, K) -> (L, N, K)."""
    return mu + np.exp(log_sigma) * draw_noise(rng, L, *mu.shape)


# %% [check]
def behaviour(program, rng, L, N, K):
    mu, log_sigma = normal(rng, N, K), log_scale(rng, N, K)
    return program.posterior_draws(mu, log_sigma, L, np.random.default_rng(7)), program.draw_noise(np.random.default_rng(8), L, N, K)


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """The standard deviation of many draws, against the one that the KL is taken of."""
    z = program.posterior_draws(np.zeros((1, 1)), np.zeros((1, 1)), 20000, np.random.default_rng(0))
    return abs(z.std() - 1) < 0.03, f"standard deviation of z is {z.std():.2g}, and the KL is that of sigma = 1"
