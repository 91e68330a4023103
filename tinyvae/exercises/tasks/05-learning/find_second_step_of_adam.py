# %% [record]
# title: Adam after its first step
# kind: bug
# mistake: bias_correction_without_t
# lecture: D1 | Variational Inference for VAE
# notebook: 10
# equation: m_hat = m / (1 - beta1^t),  v_hat = v / (1 - beta2^t) at step t
# tag: ADAM.1
# shapes: theta, g, m, v (P,), t = 1, 2, ... -> theta, m, v
# lines: 2
# minutes: 10
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# One step of Adam. It is called with t = 1, 2, 3, ... and hands back the new parameters and its state m and v, which start at
# zero.
#
# What is seen: {{symptom}}.
#
# There is one mistake in the program, in one line or in a few that belong together. Mend it.
#
# Then set `caught_by`, what would have seen the mistake first: "gradient check", if backward is not the derivative of this
# forward or the check refuses the program; "truth test", if a gradient check passes, or has nothing to check, and a result
# held against what mathematics says of it shows the mistake; "neither", if every single result is right and only training as
# a whole shows it.

# %% [hints]
# 1. Give it the gradient 1 at every step. What are m and v after one step, after two, after many? What must m_hat and v_hat be?
# 2. m is a weighted sum of the gradients so far. What do the weights sum to after t steps?

# %% [wrong] the exponent is t + 1, as if t were counted from 0
# - m_hat = m / (1 - beta1)
# + m_hat = m / (1 - beta1 ** (t + 1))
# - v_hat = v / (1 - beta2)
# + v_hat = v / (1 - beta2 ** (t + 1))

# %% [wrong] the correction is left out
# - m_hat = m / (1 - beta1)
# + m_hat = m
# - v_hat = v / (1 - beta2)
# + v_hat = v

# %% [wrong] only m is corrected with t
# - m_hat = m / (1 - beta1)
# + m_hat = m / (1 - beta1**t)

# %% [note]
# A test of the first step alone passes here: at t = 1 both formulas agree. With a constant gradient every step of Adam has
# the length lr, the second and the hundredth too. `Adam` in tinyvae/optim.py.
