# %% [program]
# from: tinyvae.layers:_rows dense_forward dense_backward


# %% [check]
def behaviour(program, rng, N, I, O):
    y, cache = program.dense_forward(normal(rng, N, I), normal(rng, I, O), normal(rng, O))
    return y, program.dense_backward(upstream(rng, N, O), cache)


def gradient_check(program):
    rng = np.random.default_rng(0)
    return check(program.dense_forward, program.dense_backward, normal(rng, 4, 3), normal(rng, 3, 2), normal(rng, 2))


def truth_test(program):
    """A sum by hand."""
    y, _ = program.dense_forward(np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]), np.array([0.5]))
    return np.allclose(y, 21.5), f"1 x 1 + 2 x 10 + 0.5 = {y[0, 0]:.1f}"
