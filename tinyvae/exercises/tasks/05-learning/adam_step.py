# %% [record]
# title: One step of Adam
# lab: 3.3
# kind: function
# lecture: D0 | Estimating the Objective; D1 | Variational Inference for VAE
# notebook: 10
# equation: theta <- theta - lr m_hat / (sqrt(v_hat) + eps)
# tag: ADAM.1
# shapes: theta, dtheta, m, v (M,) -> theta, m, v (M,)
# lines: 5
# minutes: 20
# outputs: theta m v
# tests:
#   values 2 = theta, m and v after one step, for three sizes and step numbers; the inputs stay as they were
#   first_step 1 = the first step, from m = v = 0, moves every parameter by lr, whatever the size of its gradient
#   ten_steps 1 = ten steps in a row end where the package's Adam ends
# steps:
#   theta = from m and v to the step [ADAM.1]: the correction of each at step t, then the root, then eps
#   m = the running average of the gradients [ADAM.1], two weights that sum to 1, before any correction
#   v = the running average of the squares [ADAM.1], two weights that sum to 1, before any correction

# %% [markdown]
# The lectures climb the ELBO by its gradient; programs go down the loss, and most of them by Adam (Kingma and Ba,
# arXiv:1412.6980, algorithm 1). Write one step of it.
#
# - $m$ is a running average of the gradients $g$ (`dtheta`): the old $m$ with the weight $\beta_1$, the new $g$ with
#   the weight $1-\beta_1$.
# - $v$ is a running average of the squares $g^2$, elementwise, with $\beta_2$ in place of $\beta_1$.
# - Both start at zero, so both are too small at first. $\hat m$ and $\hat v$ are $m$ and $v$ divided by what makes up
#   for that at step $t$: **had all $t$ gradients so far been the same $g$, then $\hat m = g$ and $\hat v = g^2$.** Find
#   the two divisors.
# - Then $\theta \leftarrow \theta - \mathrm{lr}\,\hat m / (\sqrt{\hat v} + \epsilon)$.
#
# `theta`, `dtheta`, `m`, `v` have the shape (M,), M being the number of parameters. `t` is the number of this step: 1
# at the first, when `m` and `v` come in as zeros. `lr`, `beta1`, `beta2` and `eps` are numbers. Return the new `theta`,
# `m`, `v`, as three new arrays: those that came in must not change. What is handed in as `m` and `v` at the next step
# is what this one returned.

# %% [solution]
def adam_step(theta, dtheta, m, v, t, lr, beta1, beta2, eps):
    """theta, dtheta, m, v (M,); t = 1, 2, ...; lr, beta1, beta2, eps numbers -> theta, m, v, new arrays (M,)."""
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * dtheta
    v = beta2 * v + (1 - beta2) * dtheta**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
    return theta, m, v
    ### END SOLUTION

# %% [check]
def inputs(rng, M):
    t = int(rng.integers(2, 9))
    return normal(rng, M), normal(rng, M), normal(rng, M), positive(rng, M), t, *rng.uniform((0.02, 0.6, 0.9, 0.01), (0.4, 0.85, 0.98, 0.05)).tolist()

def test_first_step(student, right, rng):
    theta, g = normal(rng, 7), normal(rng, 7) * 10.0 ** np.arange(-3, 4)
    after, _, _ = student.adam_step(theta, g, np.zeros(7), np.zeros(7), 1, 0.01, 0.9, 0.999, 1e-12)
    return np.allclose(theta - after, 0.01 * np.sign(g), rtol=1e-6, atol=0)

def test_ten_steps(student, right, rng):
    from tinyvae import Adam

    start = normal(rng, 5)
    theta, m, v, expected = start.copy(), np.zeros(5), np.zeros(5), start.copy()
    optimizer = Adam(lr=0.02, beta1=0.7, beta2=0.9, eps=1e-3)
    for t in range(1, 11):
        g = normal(rng, 5)
        theta, m, v = student.adam_step(theta, g, m, v, t, 0.02, 0.7, 0.9, 1e-3)
        optimizer.step(expected, g)
    return same(theta, expected, rtol=1e-10)

# %% [hints]
# 1. Take beta1 = 0.9 and the same gradient g = 1 at every step. What is m after one step, and after two? What would you
#    divide each by to get 1?
# 2. After t equal gradients m is g times a geometric sum, (1 - beta1)(1 + beta1 + ... + beta1^(t-1)). Sum it.
# 3. The divisors depend on t, and they are used for the step alone: what is returned and comes back at the next step is
#    m and v themselves.

# %% [wrong] = bias_correction_without_t

# %% [wrong] = no_bias_correction

# %% [wrong] epsilon stands under the square root
# - theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
# + theta = theta - lr * m_hat / np.sqrt(v_hat + eps)

# %% [wrong] the square root is left out: the step is divided by the mean square of the gradient
# - theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
# + theta = theta - lr * m_hat / (v_hat + eps)

# %% [wrong] the corrected averages are kept for the next step in place of m and v
# - return theta, m, v
# + return theta, m_hat, v_hat

# %% [wrong] the two decays are exchanged
# - m = beta1 * m + (1 - beta1) * dtheta
# + m = beta2 * m + (1 - beta2) * dtheta
# - v = beta2 * v + (1 - beta2) * dtheta**2
# + v = beta1 * v + (1 - beta1) * dtheta**2

# %% [wrong] the arrays that came in are changed in place
# - m = beta1 * m + (1 - beta1) * dtheta
# + m *= beta1
# + m += (1 - beta1) * dtheta

# %% [wrong] the step goes up the loss
# - theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
# + theta = theta + lr * m_hat / (np.sqrt(v_hat) + eps)

# %% [note]
# `tinyvae.Adam` keeps m and v without their factors 1 - beta, changes theta in place and gives the same steps (equation
# [ADAM.1], notebook 10, section 7).
