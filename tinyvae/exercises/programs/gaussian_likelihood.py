# %% [program]
def gaussian_forward(mean, x, eta):
    """log p(x|z), (N,), in nats: p(x|z) = N(mean, eta I) with the variance eta; mean and x (N, D)."""
    r = x - mean
    cache = r, eta
    return -(r * r / eta + np.log(2 * np.pi * eta)).sum(-1) / 2, cache


def gaussian_backward(dlog_px, cache):
    """dmean (N, D)."""
    r, eta = cache
    return dlog_px[..., None] * r / eta


# %% [check]
def behaviour(program, rng, N, D):
    log_px, cache = program.gaussian_forward(normal(rng, N, D), normal(rng, N, D), 0.37)
    return log_px, program.gaussian_backward(upstream(rng, N), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    x = normal(rng, 2, 3)
    return check(lambda mean: program.gaussian_forward(mean, x, 0.25), program.gaussian_backward, normal(rng, 2, 3))


def truth_test(program):
    """The density integrates to 1, and its variance is eta = 0.25."""
    x, dx = np.linspace(-15, 15, 3001)[:, None], 0.01
    density = np.exp(program.gaussian_forward(np.zeros_like(x), x, 0.25)[0])
    total = density.sum() * dx
    variance = (density * x[:, 0] ** 2).sum() * dx / total
    return np.isclose(total, 1) and np.isclose(variance, 0.25), f"the density integrates to {total:.3g}; its variance is {variance:.3g}, eta = 0.25"
