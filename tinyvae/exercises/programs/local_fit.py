# %% [program]
def elbo_forward(mu, log_sigma, eps, x):
    """The ELBO of every datum by one sample, (N,), of z ~ N(0, 1), x|z ~ N(z, 0.1); all (N,)."""
    sigma = np.exp(log_sigma)
    r = x - mu - sigma * eps
    kl = (sigma**2 + mu**2 - 1 - 2 * log_sigma) / 2
    cache = mu, sigma, eps, r
    return -(r**2 / 0.1 + np.log(2 * np.pi * 0.1)) / 2 - kl, cache


def elbo_backward(delbo, cache):
    """dmu, dlog_sigma, both (N,)."""
    mu, sigma, eps, r = cache
    dz = delbo * r / 0.1
    return dz - delbo * mu, dz * eps * sigma - delbo * (sigma**2 - 1)


def fit(x, steps, lr, rng):
    """mu and log_sigma of q(z) for every datum of x, (N,), by ascent on the ELBO; and the ELBO at the last step, (N,)."""
    mu, log_sigma = np.zeros(len(x)), np.zeros(len(x))
    for step in range(steps):
        eps = rng.standard_normal(len(x))
        elbo, cache = elbo_forward(mu, log_sigma, eps, x)
        dmu, dlog_sigma = elbo_backward(np.ones(len(x)), cache)
        mu, log_sigma = mu + lr * dmu, log_sigma + lr * dlog_sigma
    return mu, log_sigma, elbo


# %% [check]
def behaviour(program, rng, N):
    x = normal(rng, N)
    elbo, cache = program.elbo_forward(normal(rng, N), log_scale(rng, N), normal(rng, N), x)
    return program.fit(x, 5, 0.01, np.random.default_rng(N)), elbo, program.elbo_backward(upstream(rng, N), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    inputs = normal(rng, 3), log_scale(rng, 3), normal(rng, 3), normal(rng, 3)
    return check(program.elbo_forward, program.elbo_backward, *inputs, wrt=("mu", "log_sigma"))


def truth_test(program):
    """After a fit the bound of the last step, over many data, is about log p(x) = log N(x; 0, 1.1), and so is that with other noise."""
    x, eps = normal_points(200), normal_points(500)[:, None]
    mu, log_sigma, training = program.fit(x, 200, 0.02, np.random.default_rng(1))
    training, fresh = training.mean(), program.elbo_forward(mu, log_sigma, eps, x)[0].mean()
    log_p = -(x**2 / 1.1 + np.log(2 * np.pi * 1.1)).mean() / 2
    ok = abs(training - log_p) < 0.3 and abs(fresh - log_p) < 0.3
    return ok, f"training ends at a bound of {training:.1f} nats, with fresh noise it is {fresh:.1f}; log p(x) = {log_p:.1f}"
