# %% [record]
# title: A sigma that does not learn
# kind: bug
# mistake: fresh_noise_in_backward
# lecture: D2 | Reparameterization Trick; D3 | Reparameterization Trick
# notebook: 07
# equation: z = mu + sigma * eps
# tag: REP.2
# shapes: mu, log_var, eps (N, K) -> z (N, K); dz -> dmu, dlog_var
# lines: 2
# minutes: 10
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The encoder gives mu and log_var = ln sigma^2, and this program draws z from q(z|x), forward and backward. The decoder hands
# dz back.
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
# 1. Call backward twice with the same dz and the same cache.
# 2. dz says what this z should have been. Which eps made this z?

# %% [wrong] the new noise always comes from the same seed
# - eps = np.random.standard_normal(dz.shape)
# + eps = np.random.default_rng(0).standard_normal(dz.shape)

# %% [wrong] eps is replaced by its mean, 0
# - eps = np.random.standard_normal(dz.shape)
# + eps = np.zeros(dz.shape)

# %% [note]
# Noise is an argument of forward and stands in the cache for backward: `reparameterize_forward` in tinyvae/gaussian.py. The
# checker refuses a backward that is not the same at every call.
