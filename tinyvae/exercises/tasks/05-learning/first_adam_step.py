# %% [record]
# title: The first step of Adam by hand
# kind: numbers
# lecture: D0 | Estimating the Objective
# notebook: 10
# equation: theta <- theta - lr m_hat / (sqrt(v_hat) + eps)
# tag: ADAM.1
# shapes: numbers
# lines: 5
# minutes: 10
# tests:
#   m 1 = m of the first parameter after the first step
#   v 1 = v of the first parameter after the first step
#   steps 1 = by how much the two parameters change, in units of lr, with their signs
#   uncorrected 1 = how many times lr the step would be without the correction
# steps:
#   m = the running average of the gradients from its start at 0: the weight of the newest one [ADAM.1]
#   v = the running average of the squares from its start at 0: the weight of the newest one [ADAM.1]
#   steps = the fraction with both corrections: what it keeps of the gradient's size and of its sign [ADAM.1]
#   uncorrected = m, and the root of v, after one step and before any correction: the factor beside |g| in each [ADAM.1]

# %% [markdown]
# Adam with $\beta_1 =$ {{beta1}} and $\beta_2 =$ {{beta2}} takes its first step: $t = 1$, $m = v = 0$ before it. Two
# parameters have the gradients $g_1 =$ {{g1}} and $g_2 =$ {{g2}} (of the loss, which is minimised). Neglect $\epsilon$.
#
# $$m \leftarrow \beta_1 m + (1-\beta_1) g,\quad v \leftarrow \beta_2 v + (1-\beta_2) g^2,\quad
# \theta \leftarrow \theta - \mathrm{lr}\,\frac{\hat m}{\sqrt{\hat v}}$$
#
# $\hat m$ and $\hat v$ are $m$ and $v$ corrected for their start at zero: after one step each is the only value that
# there has been to average.
#
# - `m`, `v`: of the first parameter, after the step.
# - `steps`: the changes (new minus old) of the two parameters, divided by lr, as a tuple of two numbers.
# - `uncorrected`: were m and v put into the step in place of $\hat m$ and $\hat v$, how many times lr would the first
#   step be long? A positive number.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"beta1": 0.9, "beta2": 0.999, "g1": 5.0, "g2": -0.003}
    g1, g2 = (float(rng.integers(2, 10)) * s for s in (1, -0.001))
    if rng.random() < 0.5:
        g1, g2 = -g1, -g2
    return {"beta1": float(rng.choice([0.8, 0.85, 0.95])), "beta2": float(rng.choice([0.98, 0.99, 0.995])), "g1": g1, "g2": round(g2, 4)}

def right(n):
    g = np.array([n["g1"], n["g2"]])
    m, v = (1 - n["beta1"]) * g, (1 - n["beta2"]) * g**2
    steps = -(m / (1 - n["beta1"])) / np.sqrt(v / (1 - n["beta2"]))
    uncorrected = (1 - n["beta1"]) / np.sqrt(1 - n["beta2"])
    return {"m": float(m[0]), "v": float(v[0]), "steps": tuple(steps.tolist()), "uncorrected": float(uncorrected)}

def wrong(n):
    r = right(n)
    ascent = tuple(-s for s in r["steps"])
    plain = (-n["g1"], -n["g2"])
    return {
        "the step has the sign of the gradient: it goes up the loss": {**r, "steps": ascent},
        "the step is lr g, as in plain gradient descent": {**r, "steps": plain, "uncorrected": 1.0},
        "m and v take the new gradient with the weight 1": {**r, "m": n["g1"], "v": n["g1"] ** 2, "uncorrected": 1.0},
        "the square root is left out of the uncorrected step": {**r, "uncorrected": (1 - n["beta1"]) / (1 - n["beta2"])},
        "v averages the gradient instead of its square": {**r, "v": (1 - n["beta2"]) * n["g1"]},
    }

# %% [hints]
# 1. With m = v = 0 before the step, m and v have one term each.
# 2. The average of one gradient is this gradient, and the average of one square is this square. What is g / sqrt(g^2)?

# %% [note]
# The first step of Adam does not depend on the size of the gradient. The loss may be scaled by any factor, and no step
# changes (as long as epsilon is small).
