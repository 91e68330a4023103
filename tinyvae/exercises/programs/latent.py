# %% [program]
def latent_forward(mu, log_sigma, eps):
    """z ~ q(z|x), (N, K), and KL(q(z|x) || N(0, I)), (N,); the encoder gives mu and log_sigma = ln sigma, both (N, K)."""
    sigma = np.exp(log_sigma)
    z = mu + sigma * eps
    kl = (sigma**2 + mu**2 - 1 - 2 * log_sigma).sum(-1) / 2
    cache = mu, sigma, eps
    return (z, kl), cache


def latent_backward(dout, cache):
    """dmu, dlog_sigma, both (N, K), for dout = (dz, dkl)."""
    mu, sigma, eps = cache
    dz, dkl = dout[0], dout[1][:, None]
    dmu = dz + dkl * mu
    dlog_sigma = dz * eps * sigma + dkl * (sigma**2 - 1)
    return dmu, dlog_sigma


# %% [check]
def behaviour(program, rng, N, K):
    out, cache = program.latent_forward(normal(rng, N, K), log_scale(rng, N, K), normal(rng, N, K))
    return out, program.latent_backward((upstream(rng, N, K), upstream(rng, N)), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    inputs = normal(rng, 3, 2), log_scale(rng, 3, 2), normal(rng, 3, 2)
    return check(program.latent_forward, program.latent_backward, *inputs, wrt=("mu", "log_sigma"))


def truth_test(program):
    """The KL that the draws themselves have, by their mean and variance, against the one that is returned."""
    eps = normal_points(1000)[:, None]
    (z, kl), _ = program.latent_forward(np.full_like(eps, 1.0), np.full_like(eps, np.log(0.5)), eps)
    of_draws = (z.var() + z.mean() ** 2 - 1 - np.log(z.var())) / 2
    return np.isclose(kl[0], of_draws), f"KL of the draws is {of_draws:.3f} nats, kl = {kl[0]:.3f}"
