# %% [program]
def draw_mask(rng, N, H, p):
    """Dropout's mask, (N, H): a unit is left out with probability p, and the mean of its output stays what it was."""
    return (rng.random((N, H)) >= p) / (1 - p)


def layer_forward(x, W, mask):
    """A tanh layer, then dropout on its units: x (N, I), W (I, H), mask (N, H) -> y (N, H)."""
    h = np.tanh(x @ W)
    y = h * mask
    cache = x, W, h, mask
    return y, cache


def layer_backward(dy, cache):
    """dx, dW, of the shapes of x and W."""
    x, W, h, mask = cache
    da = dy * mask * (1 - h * h)
    return da @ W.T, x.T @ da


# %% [check]
def behaviour(program, rng, N, I, H):
    mask = program.draw_mask(np.random.default_rng(N), N, H, 0.3)
    y, cache = program.layer_forward(normal(rng, N, I), normal(rng, I, H) / 3, mask)
    return mask, y, program.layer_backward(upstream(rng, N, H), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    mask = np.array([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0]])
    return check(program.layer_forward, program.layer_backward, normal(rng, 2, 4), normal(rng, 4, 3) / 3, mask, wrt=("x", "W"))


def truth_test(program):
    """The mean of the mask."""
    mask = program.draw_mask(np.random.default_rng(0), 100, 200, 0.3)
    return abs(mask.mean() - 1) < 0.03, f"mean of the mask is {mask.mean():.2f}, so E[y] = {mask.mean():.2f} h"
