# %% [program]
ETA = 0.5


def elbo(x, mu, log_sigma, eps):
    """The ELBO of every datum by L samples: x, mu, log_sigma (N,), eps (L, N). Model: z ~ N(0, 1), x|z ~ N(z, ETA)."""
    z = mu + np.exp(log_sigma) * eps
    log_px = -((x - z) ** 2 / ETA + np.log(2 * np.pi * ETA)) / 2
    kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma) / 2
    return log_px.mean(0) - kl


# %% [check]
def behaviour(program, rng, L, N):
    return program.elbo(normal(rng, N), normal(rng, N), log_scale(rng, N), normal(rng, L, N))


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """At the exact posterior N(x / 1.5, 1/3) the bound is log p(x) = log N(x; 0, 1.5)."""
    x = np.array([1.2])
    bound = program.elbo(x, x / 1.5, np.full(1, np.log(1 / 3) / 2), normal_points(1000)[:, None])[0]
    log_p = -(x[0] ** 2 / 1.5 + np.log(2 * np.pi * 1.5)) / 2
    return np.isclose(bound, log_p), f"bound {bound:.3f}, log p(x) = {log_p:.3f} nats"
