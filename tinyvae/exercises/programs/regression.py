# %% [program]
def loss_forward(x, W, b, y):
    """Half the squared error of y = x W + b, the mean over the batch: x (N, I), W (I, O), b (O,), y (N, O)."""
    r = x @ W + b - y
    cache = x, r
    return (r * r).sum() / 2 / len(x), cache


def loss_backward(dloss, cache):
    """dW, db, of the shapes of W and b."""
    x, r = cache
    dy = dloss * r / len(r)
    dW = x.T @ dy
    db = dy.sum(0)
    return dW, db


# %% [check]
def behaviour(program, rng, N, I, O):
    loss, cache = program.loss_forward(normal(rng, N, I), normal(rng, I, O), normal(rng, O), normal(rng, N, O))
    return loss, program.loss_backward(1.7, cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    x, y = normal(rng, 5, 3), normal(rng, 5, 2)
    return check(lambda W, b: program.loss_forward(x, W, b, y), program.loss_backward, normal(rng, 3, 2), normal(rng, 2))


def truth_test(program):
    """A batch that is taken twice has the same mean loss."""
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    once, _ = program.loss_forward(x, np.ones((1, 1)), np.zeros(1), y)
    twice, _ = program.loss_forward(np.tile(x, (2, 1)), np.ones((1, 1)), np.zeros(1), np.tile(y, (2, 1)))
    return np.isclose(once, twice), f"loss {once:.3g}, of the batch taken twice {twice:.3g}"
