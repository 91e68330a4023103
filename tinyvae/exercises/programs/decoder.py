# %% [program]
def decoder_forward(z, W, b):
    """p = the probability that a pixel is 1, given z: z (N, K), W (K, D), b (D,) -> p (N, D)."""
    a = z @ W + b
    p = 1 / (1 + np.exp(-a))
    cache = z, W, p
    return p, cache


def decoder_backward(dp, cache):
    """dz, dW, db, of the shapes of z, W, b."""
    z, W, p = cache
    da = dp * p * (1 - p)
    return da @ W.T, z.T @ da, da.sum(0)


# %% [check]
def behaviour(program, rng, N, K, D):
    p, cache = program.decoder_forward(normal(rng, N, K), normal(rng, K, D), normal(rng, D))
    return p, program.decoder_backward(upstream(rng, N, D), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    return check(program.decoder_forward, program.decoder_backward, normal(rng, 4, 2), normal(rng, 2, 3), normal(rng, 3))


def truth_test(program):
    """A probability lies between 0 and 1."""
    p, _ = program.decoder_forward(np.array([[-2.0], [2.0]]), np.ones((1, 1)), np.zeros(1))
    return p.min() >= 0 and p.max() <= 1, f"the least probability is {p.min():.2f}, and its logarithm {np.log(p.min()):.3g}"
