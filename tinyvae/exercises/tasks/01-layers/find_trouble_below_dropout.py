# %% [record]
# title: The layer below a dropout
# kind: bug
# mistake: in_place_activation
# lecture: D2 | Deep Autoencoders; D2 | Reparameterization Trick
# notebook: 02
# equation: y = mask h,  h = tanh(x W)
# tag: TANH.2
# shapes: x (N, I), W (I, H), mask (N, H) -> y (N, H); dy -> dx, dW
# lines: 2
# minutes: 10
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# A tanh layer with dropout on its hidden units, forward and backward.
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
# 1. Write down what each entry of the cache is when forward returns.
# 2. The derivative of tanh is written with its output. Which output does backward find in the cache?
# 3. Try a mask with an entry that is neither 0 nor 1, and print h just before the cache is made.

# %% [wrong] the mask is taken away from backward
# - da = dy * mask * (1 - h * h)
# + da = dy * (1 - h * h)

# %% [wrong] h is copied after it has been changed
# - cache = x, W, h, mask
# + cache = x, W, h.copy(), mask

# %% [note]
# An array in a cache belongs to backward: nothing may change it after it was put there. Where speed asks for work in place,
# the cache must hold what backward needs, made before.
