# %% [program]
ETA = 0.1


def loss_forward(mean, x, mu, log_sigma):
    """The mean over the batch of -log p(x|z) + KL, in nats: p(x|z) = N(mean, ETA I), mean and x (N, D), mu and log_sigma (N, K)."""
    r = x - mean
    nll = (r * r / ETA + np.log(2 * np.pi * ETA)).sum(-1) / 2
    kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma).sum(-1) / 2
    cache = r, mu, log_sigma
    return nll.mean() + kl.mean(), cache


def loss_backward(dloss, cache):
    """dmean (N, D), dmu and dlog_sigma (N, K)."""
    r, mu, log_sigma = cache
    dmean = -dloss / len(r) * r / ETA
    dkl = dloss / len(r)
    return dmean, dkl * mu, dkl * (np.exp(2 * log_sigma) - 1)


# %% [check]
def behaviour(program, rng, N, D, K):
    loss, cache = program.loss_forward(normal(rng, N, D), normal(rng, N, D), normal(rng, N, K), log_scale(rng, N, K))
    return loss, program.loss_backward(1.7, cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    mean, x, mu, log_sigma = normal(rng, 4, 5), normal(rng, 4, 5), normal(rng, 4, 3), log_scale(rng, 4, 3)
    return check(lambda mean, mu, log_sigma: program.loss_forward(mean, x, mu, log_sigma), program.loss_backward, mean, mu, log_sigma)


def truth_test(program):
    """One nat of KL costs what one nat of reconstruction costs, and the density is whole."""
    N, D, K = 5, 784, 20
    x, zero = np.zeros((N, D)), np.zeros((N, K))
    none, latent = (program.loss_forward(x, x, mu, zero)[0] for mu in (zero, np.full((N, K), np.sqrt(2 / K))))
    more = program.loss_forward(x + np.sqrt(2 * program.ETA / D), x, zero, zero)[0]
    of_rec, of_kl = more - none, latent - none
    whole = np.isclose(none, D / 2 * np.log(2 * np.pi * program.ETA))
    return np.allclose([of_rec, of_kl], 1) and whole, f"a nat of reconstruction counts {of_rec:.3g}, a nat of KL {of_kl:.3g}: implied beta = {of_kl / of_rec:.3g} at eta = {program.ETA:g} and 784 pixels"
