# %% [program]
# from: tinyvae.layers:sigmoid


def bernoulli_forward(logits, x):
    """log p(x|z), (N,), for binary pixels x and logits, both (N, D)."""
    p = sigmoid(logits)
    softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    cache = p, x
    return (x * logits - softplus).sum(-1), cache


def bernoulli_backward(dlog_px, cache):
    """dlogits (N, D)."""
    p, x = cache
    return dlog_px[..., None] * (x - p)


# %% [check]
def behaviour(program, rng, N, D):
    x = (rng.random((N, D)) < 0.5).astype(float)
    parts = []
    for scale in (1, 30, 1000):
        log_px, cache = program.bernoulli_forward(scale * normal(rng, N, D), x)
        parts += [log_px, program.bernoulli_backward(upstream(rng, N), cache)]
    return tuple(parts)


def gradient_check(program):
    """Where p is near 0, and at usual logits."""
    x = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    usual = normal(np.random.default_rng(0), 2, 3)
    for logits in (np.full((2, 3), -16.0), usual):
        report = check(program.bernoulli_forward, program.bernoulli_backward, logits, x, wrt="logits")
        if not report:
            break
    return report


def truth_test(program):
    """The probabilities of all x sum to 1; and extreme logits."""
    logits, x = np.array([[0.3, -1.2]] * 4), np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    total = np.exp(program.bernoulli_forward(logits, x)[0]).sum()
    far = program.bernoulli_forward(np.array([[-800.0, 800.0]]), np.array([[0.0, 0.0]]))[0][0]
    return np.isclose(total, 1) and np.isclose(far, -800), f"probabilities sum to {total:.3f}; log p(x|z) is {far:.0f} where -800 is right"
