# %% [record]
# title: Adam by the largest gradient
# kind: function
# lecture: D0 | Estimating the Objective; D1 | Variational Inference for VAE
# notebook: 10
# equation: theta <- theta - lr m_hat / u
# tag: -
# shapes: theta, dtheta, m, u (M,) -> theta, m, u (M,)
# lines: 4
# minutes: 10
# outputs: theta m u
# variant_of: adam_step
# tests:
#   values 1 = theta, m and u after one step, at three sizes and step numbers; the inputs stay as they were
#   first_step 1 = the first step, from m = u = 0, moves every parameter by lr, whatever the size of its gradient
# steps:
#   theta = from m and u to the step: which of the two starts too small?
#   m = the running average of the gradients, two weights that sum to 1, before any correction
#   u = for every parameter by itself, the larger of the old u after its decay and the size of the new gradient

# %% [markdown]
# AdaMax (Kingma and Ba, arXiv:1412.6980, algorithm 2) divides by a *maximum* where Adam divides by the root of a mean
# square.
#
# - $m$ is the same running average of the gradients as in Adam, of decay $\beta_1$: the new gradient $g$ has the weight
#   $1-\beta_1$.
# - $u$ is, for every parameter, the larger of two numbers: $\beta_2$ times the old $u$, and the size $|g|$ of the new
#   gradient.
# - $\theta \leftarrow \theta - \mathrm{lr}\,\hat m / u$, where $\hat m$ is $m$ corrected for its start at zero, as in
#   Adam.
#
# Does $u$ need such a correction too? Decide by the first step: it must move every parameter by lr.
#
# `theta`, `dtheta`, `m`, `u` have the shape (M,); `t` = 1, 2, ... is the number of this step; `m` and `u` come in as
# zeros at the first. `lr`, `beta1`, `beta2` are numbers. No gradient is exactly 0. Return the new `theta`, `m`, `u`:
# three new arrays, those that came in must not change.

# %% [solution]
def adamax_step(theta, dtheta, m, u, t, lr, beta1, beta2):
    """theta, dtheta, m, u (M,); t = 1, 2, ...; lr, beta1, beta2 numbers -> theta, m, u, new arrays (M,)."""
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * dtheta
    u = np.maximum(beta2 * u, np.abs(dtheta))
    m_hat = m / (1 - beta1**t)
    return theta - lr * m_hat / u, m, u
    ### END SOLUTION

# %% [check]
def inputs(rng, M):
    t = int(rng.integers(2, 9))
    return normal(rng, M), normal(rng, M), normal(rng, M), positive(rng, M), t, *rng.uniform((0.02, 0.6, 0.9), (0.4, 0.85, 0.98)).tolist()

def test_first_step(student, right, rng):
    theta, g = normal(rng, 7), normal(rng, 7) * 10.0 ** np.arange(-3, 4)
    after, _, _ = student.adamax_step(theta, g, np.zeros(7), np.zeros(7), 1, 0.01, 0.9, 0.999)
    return np.allclose(theta - after, 0.01 * np.sign(g), rtol=1e-6, atol=0)

# %% [hints]
# 1. `np.maximum` compares two arrays elementwise; `np.max` gives the largest entry of one.
# 2. What are m and u after the first step? Which of them is too small?

# %% [wrong] u takes the gradient with its sign instead of its size
# - u = np.maximum(beta2 * u, np.abs(dtheta))
# + u = np.maximum(beta2 * u, dtheta)

# %% [wrong] u is corrected for its start at zero, which it does not need
# - return theta - lr * m_hat / u, m, u
# + return theta - lr * m_hat / (u / (1 - beta2**t)), m, u

# %% [wrong] m is not corrected for its start at zero
# - m_hat = m / (1 - beta1**t)
# + m_hat = m

# %% [wrong] u is the largest gradient of all parameters instead of one number for each
# - u = np.maximum(beta2 * u, np.abs(dtheta))
# + u = np.maximum(beta2 * u, np.abs(dtheta).max())

# %% [wrong] the old u does not decay
# - u = np.maximum(beta2 * u, np.abs(dtheta))
# + u = np.maximum(u, np.abs(dtheta))

# %% [note]
# The step does not depend on the scale of the loss: a factor in front of it cancels between m and u, as in Adam, its
# epsilon aside, between m and the root of v.
