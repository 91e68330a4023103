# %% [program]
import math


# from: tinyvae.iwae:iwae_bound_forward iwae_bound_backward


# %% [check]
def behaviour(program, rng, L, N):
    parts = []
    for shift in (0, -2000):
        bound, cache = program.iwae_bound_forward(normal(rng, L, N) + shift)
        parts += [bound, program.iwae_bound_backward(upstream(rng, N), cache)]
    return tuple(parts)


def gradient_check(program):
    return check(program.iwae_bound_forward, program.iwae_bound_backward, normal(np.random.default_rng(0), 4, 3))


def truth_test(program):
    """z ~ N(0, 1), x|z ~ N(z, 1), x = 2, q = the prior: the mean bound rises with k towards log p(x) = log N(2; 0, 2)."""
    z = np.random.default_rng(0).permutation(normal_points(6400))
    log_w = -((2 - z) ** 2 + np.log(2 * np.pi)) / 2
    bounds = [program.iwae_bound_forward(log_w.reshape(k, -1))[0].mean() for k in (1, 8, 64)]
    log_p = -(2**2 / 2 + np.log(4 * np.pi)) / 2
    far = program.iwae_bound_forward(np.full((2, 1), -900.0))[0][0]
    figures = f"bounds at k = 1, 8, 64: {', '.join(f'{b:.2f}' for b in bounds)}; log p(x) = {log_p:.2f}"
    ok = bounds[0] < bounds[1] - 0.1 and bounds[1] < bounds[2] < log_p
    return ok and np.isclose(far, -900), figures if not ok else f"{figures}; for log w = -900 the bound is {far:.0f}"
