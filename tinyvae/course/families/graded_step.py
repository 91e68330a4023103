# %% [record]
# title: One step of an optimizer
# kind: function
# lecture: D0 | Estimating the Objective; D1 | Variational Inference for VAE
# notebook: 10
# equation: theta <- theta - lr d / root<<plus>>, with the averages m of g and v of <<plain>>
# tag: ADAM.1
# shapes: theta, dtheta, m, v (M,) -> theta, m, v (M,)
# lines: 6
# minutes: 20
# outputs: theta m v
# variant_of: adam_step
# tests:
#   averages 1 = the new m and v
#   values 2 = theta, m and v after one step, for three sizes and step numbers; the inputs stay as they were
#   ten_steps 1 = ten steps in a row, from m = v = 0, end where they should
# steps:
#   theta = the direction from m, the size from v, each with or without a correction at step t as the statement says; then the root, and where eps stands in it
#   m = the running average of g [ADAM.1], two weights that sum to 1, before any correction
#   v = the running average of <<plain>> [ADAM.1], two weights that sum to 1, before any correction

# %% [vary]
def vary(rng):
    direction = rng.choice([
        {"d": r"$d = \hat m$, which is $m$ divided by $1 - \beta_1^t$", "direction": "m / (1 - beta1**t)", "twist": 0},
        {"d": "$d = m$, as it is: nothing makes up for the first steps", "direction": "m", "twist": 1},
        {"d": r"$d = (\beta_1 m + (1-\beta_1)\,g) / (1 - \beta_1^t)$, with the new $m$: a look ahead, as Nesterov's", "direction": "(beta1 * m + (1 - beta1) * dtheta) / (1 - beta1**t)", "twist": 1},
    ])
    spread = rng.choice([
        {"of": "the squares $g^2$", "spread": "dtheta**2", "plain": "g^2", "twist": 0},
        {"of": "the squares $(g - m)^2$, with the new $m$", "spread": "(dtheta - m) ** 2", "plain": "(g - m)^2", "twist": 1},
    ])
    size = rng.choice([
        {"s": r"$s = \hat v$, which is $v$ divided by $1 - \beta_2^t$", "size": "v / (1 - beta2**t)", "twist": 0},
        {"s": "$s = v$, as it is", "size": "v", "twist": 1},
    ])
    root = rng.choice([
        {"root": r"\sqrt{s} + \epsilon", "divisor": "(np.sqrt(size) + eps)", "where": "outside the root", "twist": 0},
        {"root": r"\sqrt{s + \epsilon}", "divisor": "np.sqrt(size + eps)", "where": "under the root", "twist": 1},
    ])
    decay = rng.choice([
        {"g": "$g$ is `dtheta`.", "first": "", "plus": "", "also": "", "arg": "", "draw": "", "told": "", "ten": "", "twist": 0},
        {"g": "$g$ is `dtheta` plus `decay` times $\\theta$: the decay of the weights joins the gradient before anything else.", "first": "dtheta = dtheta + decay * theta\n    ",
         "plus": "", "also": "", "arg": ", decay", "draw": ", 0.3", "told": ", `decay`", "ten": ", 0.2", "twist": 1},
        {"g": "$g$ is `dtheta`.", "first": "", "plus": " - lr decay theta", "also": " - lr * decay * theta", "arg": ", decay", "draw": ", 0.3", "told": ", `decay`", "ten": ", 0.2",
         "decoupled": 1, "twist": 1},
    ])
    parts = direction, spread, size, root, decay
    if sum(part["twist"] for part in parts) < 2:  # too near to Adam, whose step the package has
        return vary(rng)
    step = r" - \mathrm{lr}\;\mathrm{decay}\;\theta" * ("decoupled" in decay)
    return direction | spread | size | root | decay | {"step": step}

# %% [markdown]
# An optimizer of the family of Adam goes down the loss. Write one step of it.
#
# - <<g>>
# - $m$ is a running average of $g$: the old $m$ with the weight $\beta_1$, the new $g$ with the weight $1-\beta_1$.
# - $v$ is a running average of <<of>>, elementwise, with $\beta_2$ in place of $\beta_1$.
# - The direction is <<d>>.
# - The size is <<s>>.
# - Then, with ε <<where>>, $\theta \leftarrow \theta - \mathrm{lr}\; d / (<<root>>)<<step>>$; on the right stands the old θ.
#
# `theta`, `dtheta`, `m`, `v` have the shape (M,), M being the number of parameters. `dtheta` is the gradient of the loss. `t` is the number of this
# step: 1 at the first, when `m` and `v` come in as zeros. `lr`, `beta1`, `beta2`, `eps`<<told>> are numbers. Return the new `theta`, `m`, `v`, as
# three new arrays: those that came in must not change. What is handed in as `m` and `v` at the next step is what this one returned.

# %% [solution]
def optimizer_step(theta, dtheta, m, v, t, lr, beta1, beta2, eps<<arg>>):
    """theta, dtheta, m, v (M,); t = 1, 2, ...; the others are numbers -> theta, m, v, new arrays (M,)."""
    ### BEGIN SOLUTION
    <<first>>m = beta1 * m + (1 - beta1) * dtheta
    v = beta2 * v + (1 - beta2) * <<spread>>
    direction = <<direction>>
    size = <<size>>
    theta = theta - lr * direction / <<divisor>><<also>>
    return theta, m, v
    ### END SOLUTION

# %% [check]
def inputs(rng, M):
    t = int(rng.integers(2, 9))
    return normal(rng, M), normal(rng, M), normal(rng, M), positive(rng, M), t, *rng.uniform((0.02, 0.6, 0.9, 0.01), (0.4, 0.85, 0.98, 0.05)).tolist()<<draw>>


def test_averages(student, right, rng):
    args = inputs(rng, 5)
    return same(tuple(student.optimizer_step(*args))[1:], right.optimizer_step(*args)[1:])


def test_ten_steps(student, right, rng):
    start, gradients = normal(rng, 5), normal(rng, 10, 5)
    states = [start, np.zeros(5), np.zeros(5)], [start, np.zeros(5), np.zeros(5)]
    for t, g in enumerate(gradients, 1):
        states = [space.optimizer_step(theta, g, m, v, t, 0.02, 0.7, 0.9, 1e-3<<ten>>) for space, (theta, m, v) in zip((student, right), states)]
    return same(*states, rtol=1e-10)

# %% [hints]
# 1. Write the lines in the order of the statement: each uses what stands above it. Which m does a line mean, the old or the new one?
# 2. A correction, where there is one, is used for the step alone: what is returned and comes back at the next step is m and v themselves.
# 3. `m *= beta1` changes the array that came in; `m = beta1 * m + ...` makes a new one.

# %% [wrong] it is Adam's step as it stands in its paper
def optimizer_step(theta, dtheta, m, v, t, lr, beta1, beta2, eps, decay=0):
    m = beta1 * m + (1 - beta1) * dtheta
    v = beta2 * v + (1 - beta2) * dtheta**2
    return theta - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v

# %% [wrong] the square root is left out
# - theta = theta - lr * direction / <<divisor>><<also>>
# + theta = theta - lr * direction / (size + eps)<<also>>

# %% [wrong] the step goes up the loss
# - theta = theta - lr * direction / <<divisor>><<also>>
# + theta = theta + lr * direction / <<divisor>><<also>>

# %% [wrong] epsilon is left out
# - theta = theta - lr * direction / <<divisor>><<also>>
# + theta = theta - lr * direction / np.sqrt(size)<<also>>

# %% [wrong] the two decays are exchanged in the averages
# - v = beta2 * v + (1 - beta2) * <<spread>>
# + v = beta1 * v + (1 - beta1) * <<spread>>

# %% [wrong] the gradient enters the average with the weight 1 in place of 1 - beta1
# - m = beta1 * m + (1 - beta1) * dtheta
# + m = beta1 * m + dtheta

# %% [wrong] m and v are divided by their corrections before they are kept for the next step
# - return theta, m, v
# + return theta, m / (1 - beta1**t), v / (1 - beta2**t)

# %% [note]
# Such optimizers are known as Adam, NAdam, AdaBelief and AdamW; `tinyvae.Adam` is the first (equation [ADAM.1], notebook 10, section 7). Which one is
# used matters less than its learning rate.
