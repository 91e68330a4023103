# %% [program]
def sample_forward(mu, log_var, eps):
    """A draw z from q(z|x) = N(mu, diag(sigma^2)), where the encoder gives log_var = ln sigma^2; all (N, K)."""
    sigma = np.exp(log_var / 2)
    cache = sigma, eps
    return mu + sigma * eps, cache


def sample_backward(dz, cache):
    """dmu, dlog_var, both (N, K)."""
    sigma, eps = cache
    dsigma = dz * eps
    return dz, dsigma * sigma / 2


# %% [check]
def behaviour(program, rng, N, K):
    mu, log_var, eps, dz = normal(rng, N, K), log_scale(rng, N, K), normal(rng, N, K), upstream(rng, N, K)
    z, cache = program.sample_forward(mu, log_var, eps)
    return z, program.sample_backward(dz, cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    inputs = normal(rng, 3, 2), log_scale(rng, 3, 2), normal(rng, 3, 2)
    return check(program.sample_forward, program.sample_backward, *inputs, wrt=("mu", "log_var"))


def truth_test(program):
    """The variance of many draws."""
    eps = normal_points(1000)[:, None]
    z, _ = program.sample_forward(np.full_like(eps, 3.0), np.full_like(eps, np.log(2.25)), eps)
    ok = np.isclose(z.mean(), 3) and np.isclose(z.var(), 2.25)
    return ok, f"variance of z is {z.var():.2f}, sigma^2 = 2.25, sigma^4 = 5.06"
