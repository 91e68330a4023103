# %% [program]
def worst_error(x, dy, dx, h=1e-5):
    """How far dx, from the backward pass of y = max(x, 0), is from differences; the largest over the entries of x, dy, dx (N, K)."""
    numeric = dy * (np.maximum(x + h, 0) - np.maximum(x - h, 0)) / (2 * h)
    smooth = (x + h > 0) == (x - h > 0)
    return np.abs(dx - numeric)[smooth].max()


# %% [check]
def behaviour(program, rng, N, K):
    x, dy = normal(rng, N, K), upstream(rng, N, K)
    x[0, 0] = 0
    return program.worst_error(x, dy, dy * (x > 0)) < 1e-6, program.worst_error(x, dy, dy * (x > 0.5))


def gradient_check(program):
    return None  # this is one


def truth_test(program):
    """A right backward pass, at inputs one of which is 0."""
    x, dy = np.array([[-1.0, 0.0, 2.0]]), np.ones((1, 3))
    error = program.worst_error(x, dy, dy * (x > 0))
    return error < 1e-6, f"the check finds an error of {error:.1f} in a right backward pass"
