# %% [program]
LOG_2PI = np.log(2 * np.pi)


def elbo_forward(mu, log_sigma, eps, x):
    """The ELBO, (N,), by L samples, of z ~ N(0, I), x|z ~ N(z, I): eps (L, N, K), the others (N, K)."""
    sigma = np.exp(log_sigma)
    z = mu + sigma * eps
    log_px = -((x - z) ** 2 + LOG_2PI).sum(-1) / 2
    kl = (sigma**2 + mu**2 - 1 - 2 * log_sigma).sum(-1) / 2
    cache = mu, sigma, eps, x, z
    return log_px.mean(0) - kl, cache


def elbo_backward(delbo, cache):
    """dmu, dlog_sigma, both (N, K), for delbo (N,)."""
    mu, sigma, eps, x, z = cache
    dkl = -delbo[:, None]
    dz = delbo[:, None] * (x - z) / len(eps)
    dmu = dz.sum(0) + dkl * mu
    dlog_sigma = (dz * eps).sum(0) * sigma + dkl * (sigma**2 - 1)
    return dmu, dlog_sigma


# %% [check]
def behaviour(program, rng, L, N, K):
    elbo, cache = program.elbo_forward(normal(rng, N, K), log_scale(rng, N, K), normal(rng, L, N, K), normal(rng, N, K))
    return elbo, program.elbo_backward(upstream(rng, N), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    inputs = normal(rng, 3, 2), log_scale(rng, 3, 2), normal(rng, 4, 3, 2), normal(rng, 3, 2)
    return check(program.elbo_forward, program.elbo_backward, *inputs, wrt=("mu", "log_sigma"))


def truth_test(program):
    """At the exact posterior N(x / 2, 1/2) the bound is log p(x) = log N(x; 0, 2)."""
    x, half = np.array([[1.2]]), np.full((1, 1), np.log(0.5) / 2)
    bound = program.elbo_forward(x / 2, half, normal_points(100)[:, None, None], x)[0][0]
    exact = -(x[0, 0] ** 2 / 2 + np.log(4 * np.pi)) / 2
    return np.isclose(bound, exact), f"bound {bound:.2f}, log p(x) = {exact:.2f} nats"
