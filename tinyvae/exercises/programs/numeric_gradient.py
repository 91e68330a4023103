# %% [program]
def numeric_gradient(f, x, h=1e-5):
    """df/dx by central differences, for x of any shape."""
    x = np.array(x, dtype=np.float64)
    g = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        old = x[i]
        x[i] = old + h
        above = f(x)
        x[i] = old - h
        below = f(x)
        x[i] = old
        g[i] = (above - below) / (2 * h)
    return g


# %% [check]
def behaviour(program, rng, N, K):
    x = normal(rng, N, K)
    return program.numeric_gradient(lambda x: (x**2).sum() * x[0, 0], x), x


def gradient_check(program):
    return None  # this is one


def truth_test(program):
    """The gradient of 1/2 (sum x)^2, which is sum x for every entry."""
    x = np.array([0.5, -0.25, 1.0, 0.75])
    error = np.abs(program.numeric_gradient(lambda x: x.sum() ** 2 / 2, x) / x.sum() - 1).max()
    return error < 1e-8, f"relative error of a known gradient {error:.1e}, where float64 allows 1e-10" if error > 1e-8 else "relative error below 1e-8"
