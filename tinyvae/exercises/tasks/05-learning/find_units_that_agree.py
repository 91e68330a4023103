# %% [record]
# title: More hidden units do not help
# kind: bug
# mistake: same_weights
# lecture: D2 | Deep Autoencoders
# notebook: 02
# equation: y = tanh(x W1) W2
# tag: -
# shapes: I, H, O -> W1 (I, H), W2 (H, O); x (N, I) -> y (N, O); dy -> dW1, dW2
# lines: 1
# minutes: 10
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# A network with one hidden layer of H tanh units, and its first weights: the root of their mean square is 1/sqrt(n) for the n
# inputs of a layer, as it should be.
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
# 1. Put two columns of W1 and the two rows of W2 that belong to them side by side. What are their gradients?
# 2. If two units start alike and get the same gradient at every step, how do they end?

# %% [wrong] all weights of a layer share one random number
# - return np.full((I, H), 1 / np.sqrt(I)), np.full((H, O), 1 / np.sqrt(H))
# + return np.full((I, H), rng.standard_normal() / np.sqrt(I)), np.full((H, O), rng.standard_normal() / np.sqrt(H))

# %% [wrong] the weights of one unit differ, and all units have the same
# - return np.full((I, H), 1 / np.sqrt(I)), np.full((H, O), 1 / np.sqrt(H))
# + return np.repeat(rng.standard_normal((I, 1)) / np.sqrt(I), H, axis=1), np.full((H, O), 1 / np.sqrt(H))

# %% [wrong] the weights are all zero, and with them all gradients
# - return np.full((I, H), 1 / np.sqrt(I)), np.full((H, O), 1 / np.sqrt(H))
# + return np.zeros((I, H)), np.zeros((H, O))

# %% [note]
# The gradients are right and the network is right: it is one hidden unit, H times. No check of a function sees that; the rank
# of the hidden activations, or the training curve for several H, does.
