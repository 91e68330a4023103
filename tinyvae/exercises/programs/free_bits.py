# %% [program]
def kl_term(kl, beta, free, D):
    """The KL's part of the loss per pixel: beta max(mean KL, free) / D, with kl (N,) and free in nats per datum, D pixels."""
    nats = np.maximum(kl.mean(), free)
    return beta * nats / D


# %% [check]
def behaviour(program, rng, N, D):
    kl = positive(rng, N)
    return tuple(program.kl_term(kl, beta, free, D) for beta in (0.3, 1.7) for free in (0.01, 0.4, 5.0))


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """Above the free nats one nat of KL costs beta / D; below them, nothing."""
    price = [(program.kl_term(np.full(4, kl + 1), 0.1, 3.0, 100) - program.kl_term(np.full(4, kl), 0.1, 3.0, 100)) * 100 for kl in (1.0, 20.0)]
    return np.allclose(price, [0, 0.1]), f"3 nats free, beta = 0.1: a nat more costs {price[0]:.2g} at a KL of 1 nat, {price[1]:.2g} at 20 nats"
