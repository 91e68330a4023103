# %% [program]
# from: tinyvae.gaussian:sum_samples reparameterize_forward reparameterize_backward


# %% [check]
def behaviour(program, rng, L, N, K):
    mu, log_sigma, eps, dz = normal(rng, N, K), log_scale(rng, N, K), normal(rng, L, N, K), upstream(rng, L, N, K)
    z, cache = program.reparameterize_forward(mu, log_sigma, eps)
    return z, program.reparameterize_backward(dz, cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    inputs = normal(rng, 3, 2), log_scale(rng, 3, 2), normal(rng, 4, 3, 2)
    return check(program.reparameterize_forward, program.reparameterize_backward, *inputs, wrt=("mu", "log_sigma"))


def truth_test(program):
    """The standard deviation of many draws."""
    eps = normal_points(1000)[:, None]
    z, _ = program.reparameterize_forward(np.full((1, 1), 3.0), np.full((1, 1), np.log(1.5)), eps[:, None])
    return np.isclose(z.mean(), 3) and np.isclose(z.std(), 1.5), f"standard deviation of z is {z.std():.3g}, sigma = 1.5, ln sigma = 0.405"
