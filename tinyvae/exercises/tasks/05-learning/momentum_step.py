# %% [record]
# title: A step with momentum
# kind: function
# lecture: D1 | Variational Inference for VAE; D0 | Estimating the Objective
# notebook: 10
# equation: v <- momentum v + g,  theta <- theta - lr v
# tag: SGD.1
# shapes: theta, dtheta, v (M,); lr, momentum numbers -> theta, v (M,)
# lines: 2
# minutes: 10
# outputs: theta v
# tests:
#   values 1 = theta and v after one step, at three sizes; the inputs stay as they were
#   end_speed 1 = under a constant gradient the step grows to lr g / (1 - momentum)
# steps:
#   theta = the step along the velocity [SGD.1]: which velocity, in which direction, how far?
#   v = the old velocity shrinks, then the gradient is added [SGD.1]

# %% [markdown]
# Stochastic gradients are noisy. Momentum lets a *velocity* $v$ carry on: at every step the old velocity is multiplied
# by `momentum` (a number in [0, 1)) and the gradient of the loss, `dtheta`, is added to it. The parameters then move
# against the new velocity, by `lr` times as much.
#
# Write one step. `theta`, `dtheta`, `v` have the shape (M,). Return the new `theta` and the new `v`: new arrays, those
# that came in must not change.

# %% [solution]
def momentum_step(theta, dtheta, v, lr, momentum):
    """theta, dtheta, v (M,), lr and momentum numbers -> theta, v, new arrays (M,)."""
    ### BEGIN SOLUTION
    v = momentum * v + dtheta
    return theta - lr * v, v
    ### END SOLUTION

# %% [check]
def inputs(rng, M):
    return normal(rng, M), normal(rng, M), normal(rng, M), *rng.uniform((0.02, 0.3), (0.4, 0.9)).tolist()

def test_end_speed(student, right, rng):
    theta, v, g = normal(rng, 3), np.zeros(3), normal(rng, 3)
    for _ in range(200):
        before = theta
        theta, v = student.momentum_step(theta, g, v, 0.01, 0.8)
    return np.allclose(before - theta, 0.01 * g / (1 - 0.8), rtol=1e-6)

# %% [hints]
# 1. Two lines: first the velocity, then the parameters.
# 2. Follow a constant gradient from v = 0 with momentum 1/2: the velocities are g, then 1.5 g, then 1.75 g.

# %% [wrong] the parameters move by the old velocity
# - return theta - lr * v, v
# + return theta - lr * (v - dtheta) / momentum, v

# %% [wrong] the gradient gets the weight 1 - momentum: the velocity is an average, and the steps are that much shorter
# - v = momentum * v + dtheta
# + v = momentum * v + (1 - momentum) * dtheta

# %% [wrong] the learning rate is multiplied in twice, in the velocity and in the step
# - v = momentum * v + dtheta
# + v = momentum * v + lr * dtheta

# %% [wrong] the parameters move by the gradient alone; the velocity is kept and never used
# - return theta - lr * v, v
# + return theta - lr * dtheta, v

# %% [wrong] the velocity that came in is changed in place
# - v = momentum * v + dtheta
# + v *= momentum
# + v += dtheta

# %% [note]
# `tinyvae.SGD(lr, momentum)` takes this step in place. With momentum 0.9 its steps grow up to ten times lr g: lower lr
# when you add momentum.
