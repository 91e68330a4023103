# %% [program]
def train(theta, gradient, batches, epochs, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam over all batches in every epoch; gradient(theta, batch) has the shape of theta, (P,)."""
    m, v, t = np.zeros_like(theta), np.zeros_like(theta), 0
    for epoch in range(1, epochs + 1):
        for batch in batches:
            t += 1
            g = gradient(theta, batch)
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            theta = theta - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return theta


# %% [check]
def behaviour(program, rng, N, K):
    return program.train(normal(rng, K), lambda theta, batch: theta - batch, normal(rng, N, K), 3)


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """With a gradient that never changes every step has the length lr = 0.1."""
    moved = 10 - program.train(np.full(1, 10.0), lambda theta, batch: np.ones(1), range(10), 2)[0]
    return np.isclose(moved, 2, rtol=1e-4), f"20 steps with a constant gradient move theta by {moved:.3g}; lr = 0.1, so it is 2"
