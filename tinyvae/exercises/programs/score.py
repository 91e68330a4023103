# %% [program]
def score_gradient(f, mu, log_sigma, eps):
    """Samples of d/dmu E f(z), z ~ N(mu, sigma^2), by the score function: mu, log_sigma (K,), eps (L, K), f: (L, K) -> (L,)."""
    sigma = np.exp(log_sigma)
    z = mu + sigma * eps
    score = (z - mu) / sigma**2
    return f(z)[:, None] * score


# %% [check]
def behaviour(program, rng, L, K):
    return program.score_gradient(lambda z: (z**2).sum(-1), normal(rng, K), log_scale(rng, K), normal(rng, L, K))


def gradient_check(program):
    return None  # an estimator of a gradient, with no backward of its own


def truth_test(program):
    """E z^2 = mu^2 + sigma^2, whose derivative is 2 mu."""
    gradient = program.score_gradient(lambda z: (z**2).sum(-1), np.array([1.0]), np.log([0.5]), normal_points(1000)[:, None]).mean()
    return np.isclose(gradient, 2), f"d/dmu E z^2 = {gradient:.2f}, 2 mu = 2"
