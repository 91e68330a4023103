# %% [program]
def loss_forward(logits, x, mu, log_sigma):
    """The mean over the batch of -log p(x|z) + KL, in nats: logits and binary x (N, D), mu and log_sigma (N, K)."""
    log_p = x * logits - np.log(1 + np.exp(logits))
    kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma) / 2
    reconstruction = -log_p.sum(-1).mean()
    latent = kl.sum(-1).mean()
    cache = logits, x, mu, log_sigma
    return reconstruction + latent, cache


def loss_backward(dloss, cache):
    """dlogits (N, D), dmu and dlog_sigma (N, K)."""
    logits, x, mu, log_sigma = cache
    dlogits = dloss / len(x) * (1 / (1 + np.exp(-logits)) - x)
    dkl = dloss / len(x)
    return dlogits, dkl * mu, dkl * (np.exp(2 * log_sigma) - 1)


# %% [check]
def behaviour(program, rng, N, D, K):
    x = (rng.random((N, D)) < 0.5).astype(float)
    loss, cache = program.loss_forward(normal(rng, N, D), x, normal(rng, N, K), log_scale(rng, N, K))
    return loss, program.loss_backward(1.7, cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    logits, x, mu, log_sigma = normal(rng, 4, 5), (rng.random((4, 5)) < 0.5).astype(float), normal(rng, 4, 3), log_scale(rng, 4, 3)
    return check(lambda logits, mu, log_sigma: program.loss_forward(logits, x, mu, log_sigma), program.loss_backward, logits, mu, log_sigma)


def weights(program, N, D=784, K=20):
    """What the loss gives for one nat more of mean reconstruction, and of mean KL."""
    zero, x = np.zeros((N, K)), np.ones((N, D))
    far, low = np.full((N, K), np.sqrt(2 / K)), np.full((N, D), -0.01)
    none, latent = (program.loss_forward(0 * x, x, mu, zero)[0] for mu in (zero, far))
    more = program.loss_forward(low, x, zero, zero)[0]
    nats = D * (np.log(1 + np.exp(-low[0, 0])) - np.log(2))
    return (more - none) / nats, latent - none


def truth_test(program):
    """One nat of KL costs what one nat of reconstruction costs, in batches of any size."""
    (of_rec, of_kl), (rec_10, kl_10) = weights(program, 5), weights(program, 10)
    figures = f"a nat of reconstruction counts {of_rec:.3g}, a nat of KL {of_kl:.3g}: implied beta = {of_kl / of_rec:.3g}"
    at_10 = f" at batch 5, {kl_10 / rec_10:.3g} at batch 10" if not np.isclose(of_kl / of_rec, kl_10 / rec_10) else ""
    return np.allclose([of_rec, of_kl, rec_10, kl_10], 1), figures + at_10
