# %% [program]
LIMIT = 5.0


def heads_forward(h, W_mu, W_sigma):
    """mu = h W_mu and log_sigma = h W_sigma, kept between -LIMIT and LIMIT: h (N, H), both W (H, K)."""
    a = h @ W_sigma
    log_sigma = LIMIT * np.tanh(a / LIMIT)
    cache = h, W_mu, W_sigma, a, log_sigma
    return (h @ W_mu, log_sigma), cache


def heads_backward(dout, cache):
    """dh, dW_mu, dW_sigma, for dout = (dmu, dlog_sigma)."""
    h, W_mu, W_sigma, a, log_sigma = cache
    dmu, dlog_sigma = dout
    da = dlog_sigma * (1 - (log_sigma / LIMIT) ** 2)
    return dmu @ W_mu.T + da @ W_sigma.T, h.T @ dmu, h.T @ da


# %% [check]
def behaviour(program, rng, N, H, K):
    out, cache = program.heads_forward(normal(rng, N, H), normal(rng, H, K), normal(rng, H, K))
    return out, program.heads_backward((upstream(rng, N, K), upstream(rng, N, K)), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    return check(program.heads_forward, program.heads_backward, normal(rng, 8, 4), normal(rng, 4, 3), normal(rng, 4, 3))


def truth_test(program):
    """The sigmas that the head can reach, from far below 1 to far above, without overflow."""
    h = np.array([[-2000.0], [2000.0]])
    sigma = np.exp(program.heads_forward(h, np.ones((1, 1)), np.ones((1, 1)))[0][1])
    return sigma.min() < 0.1 and 10 < sigma.max() < 1e6, f"sigma goes from {sigma.min():.2g} to {sigma.max():.3g}"
