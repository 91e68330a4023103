# %% [program]
# from: tinyvae.layers:sigmoid softplus tanh_forward tanh_backward relu_forward relu_backward
# from: tinyvae.layers:sigmoid_forward sigmoid_backward softplus_forward softplus_backward


# %% [check]
NAMES = "tanh", "relu", "sigmoid", "softplus"


def pair(program, name):
    return getattr(program, name + "_forward"), getattr(program, name + "_backward")


def behaviour(program, rng, N, K):
    found = []
    for name in NAMES:
        forward, backward = pair(program, name)
        y, cache = forward(normal(rng, N, K))
        found += [y, backward(upstream(rng, N, K), cache)]
    return tuple(found)


def gradient_check(program):
    x = normal(np.random.default_rng(0), 3, 2)
    for name in NAMES:
        report = check(*pair(program, name), x)
        if not report:
            break
    return report


def truth_test(program):
    """Where they end: nothing overflows."""
    far = np.array([-50000.0, 50000.0])
    ends = [pair(program, name)[0](far)[0].tolist() for name in NAMES]
    return ends == [[-1, 1], [0, 50000], [0, 1], [0, 50000]], f"at -50000 and 50000: {ends}"
