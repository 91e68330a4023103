# %% [record]
# title: Squared error and nats
# kind: bug
# mistake: squared_error_as_nll
# lecture: D2 | [the first term: reconstruction]
# notebook: 06b
# equation: log p(x|z) = log N(x; mean, eta I)
# tag: NORM.1
# shapes: mean, x (N, D), eta a number -> log_px (N,); dlog_px -> dmean
# lines: 2
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The log-density of real-valued pixels under p(x|z) = N(mean, eta I), in nats, where the decoder gives the mean and the
# variance eta is fixed. Forward and backward.
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
# 1. Take one pixel, mean 0, eta = 1. What is the integral of exp(log_px) over x?
# 2. Write the density of N(mean, eta) for one pixel and take its logarithm: three terms.
# 3. Two of the three do not depend on the mean. They do not change backward, but they belong to the log-density.

# %% [wrong] the factor 1/(2 eta) is there, and the constants are not
# - return -(r * r).sum(-1), cache
# + return -(r * r).sum(-1) / (2 * eta), cache
# - return dlog_px[..., None] * 2 * r
# + return dlog_px[..., None] * r / eta

# %% [wrong] the constant is counted once and not for every pixel
# - return -(r * r).sum(-1), cache
# + return -(r * r / eta).sum(-1) / 2 - np.log(2 * np.pi * eta) / 2, cache
# - return dlog_px[..., None] * 2 * r
# + return dlog_px[..., None] * r / eta

# %% [note]
# The squared error is a log-density with eta = 1/2 that has lost its constant. 1/(2 eta) is the weight of the reconstruction
# against the KL: who drops it has chosen an eta without saying so.
