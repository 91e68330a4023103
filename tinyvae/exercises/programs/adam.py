# %% [program]
def adam_step(theta, g, m, v, t, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8):
    """Step number t = 1, 2, ... of Adam; theta, its gradient g, and the state m, v, all (P,) -> the new theta, m, v."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return theta - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


# %% [check]
def run(program, gradients):
    theta = m = v = np.zeros(gradients.shape[1])
    steps = []
    for t, g in enumerate(gradients, 1):
        new, m, v = program.adam_step(theta, g, m, v, t)
        steps.append(new - theta)
        theta = new
    return np.array(steps)


def behaviour(program, rng, N, K):
    return run(program, normal(rng, N, K))


def gradient_check(program):
    return None  # nothing here has a backward


def truth_test(program):
    """With a gradient that never changes, m_hat = g and v_hat = g^2: every step has the length lr = 0.1."""
    steps = -run(program, np.full((10, 2), [0.003, 5.0]))
    return np.allclose(steps, 0.1, rtol=1e-4), f"a constant gradient: step 1 is {steps[0, 1]:.2g}, step 10 {steps[9, 1]:.2g}; lr = 0.1"
