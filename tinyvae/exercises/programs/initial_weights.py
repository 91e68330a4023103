# %% [program]
def initial_weights(rng, I, H, O):
    """The weights of a network with one hidden layer of H tanh units."""
    return rng.standard_normal((I, H)) / np.sqrt(I), rng.standard_normal((H, O)) / np.sqrt(H)


def network_forward(x, W1, W2):
    """y = tanh(x W1) W2: x (N, I), W1 (I, H), W2 (H, O) -> y (N, O)."""
    h = np.tanh(x @ W1)
    cache = x, W2, h
    return h @ W2, cache


def network_backward(dy, cache):
    """dW1, dW2."""
    x, W2, h = cache
    da = dy @ W2.T * (1 - h * h)
    return x.T @ da, h.T @ dy


# %% [check]
def behaviour(program, rng, N, I, H, O):
    """For the weights: their size, and how many units differ after a step; any numbers will do."""
    x, dy, (W1, W2) = normal(rng, N, I), upstream(rng, N, O), program.initial_weights(np.random.default_rng(N), I, H, O)
    dW1, _ = program.network_backward(dy, program.network_forward(x, W1, W2)[1])
    units = len(np.unique((W1 - 0.1 * dW1).round(9), axis=1).T)
    sizes = [bool(0.4 < np.sqrt((W**2).mean() * len(W)) < 2) for W in (W1, W2)]
    y, cache = program.network_forward(x, normal(rng, I, H) / 2, normal(rng, H, O))
    return W1.shape, W2.shape, units, sizes, y, program.network_backward(dy, cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    x = normal(rng, 3, 4)
    return check(lambda W1, W2: program.network_forward(x, W1, W2), program.network_backward, *program.initial_weights(rng, 4, 3, 2))


def truth_test(program):
    """A value by hand: tanh(0.5) x 2."""
    y, _ = program.network_forward(np.array([[0.5]]), np.ones((1, 1)), np.full((1, 1), 2.0))
    return np.allclose(y, 2 * np.tanh(0.5)), f"tanh(0.5) x 2 = {y[0, 0]:.3f}"


def effect(program):
    """How many different hidden units there are after training on a sine; how many units are saturated at the start if there are many inputs."""
    x = np.stack([np.linspace(-2, 2, 40), np.ones(40)], axis=1)
    y, (W1, W2) = np.sin(2 * x[:, :1]), program.initial_weights(np.random.default_rng(0), 2, 10, 1)
    for _ in range(300):
        out, cache = program.network_forward(x, W1, W2)
        dW1, dW2 = program.network_backward((out - y) / len(x), cache)
        W1, W2 = W1 - 0.2 * dW1, W2 - 0.2 * dW2
    units, error = len(np.unique(W1.round(6), axis=1).T), np.mean((out - y) ** 2)
    rng = np.random.default_rng(0)
    W1, _ = program.initial_weights(rng, 400, 50, 1)
    saturated = np.mean(np.abs(np.tanh(rng.standard_normal((50, 400)) @ W1)) > 0.99)
    return f"after 300 steps {units} of 10 hidden units differ, squared error {error:.2f}; of units with 400 inputs {saturated:.0%} start saturated"
