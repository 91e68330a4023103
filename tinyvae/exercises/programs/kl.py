# %% [program]
# from: tinyvae.gaussian:kl_forward kl_backward


# %% [check]
def behaviour(program, rng, N, K):
    kl, cache = program.kl_forward(normal(rng, N, K), log_scale(rng, N, K))
    return kl, program.kl_backward(upstream(rng, N), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    for K in (1, 2):
        report = check(program.kl_forward, program.kl_backward, normal(rng, 3, K), log_scale(rng, 3, K))
        if not report:
            break
    return report


def truth_test(program):
    """The mean of log q(z) - log p(z) over draws z ~ q."""
    mu, log_sigma, eps = 1.0, np.log(0.5), normal_points(1000)
    z = mu + np.exp(log_sigma) * eps
    log_q, log_p = -(eps**2) / 2 - log_sigma, -(z**2) / 2
    sampled, kl = (log_q - log_p).mean(), program.kl_forward(np.full((1, 1), mu), np.full((1, 1), log_sigma))[0][0]
    return np.isclose(kl, sampled), f"kl = {kl:.3f}, the mean of log q - log p over draws is {sampled:.3f}"
