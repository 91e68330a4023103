# %% [record]
# title: A draw from q(z|x)
# lab: 1.4
# kind: bug
# mistake: variance_for_sigma
# lecture: D2 | Reparameterization Trick; D4 | Implementation
# notebook: 07
# equation: z = mu + sigma * eps, where sigma^2 is the variance of q(z|x)
# tag: REP.1
# shapes: mu, log_var, eps (N, K) -> z (N, K); dz -> dmu, dlog_var
# lines: 2
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The encoder gives mu and log_var, the logarithm of the variance of q(z|x), and this program draws z from that Gaussian,
# forward and backward.
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
# 1. Draw many z with mu = 0 and log_var = ln 4. What should the variance of the draws be, and what is it?
# 2. sigma is a standard deviation, log_var the logarithm of a variance. Write sigma as a function of log_var.
# 3. When forward is mended, backward has to follow: what is d sigma / d log_var?

# %% [wrong] forward is mended and backward still belongs to the old one
# - sigma = np.exp(log_var)
# + sigma = np.exp(log_var / 2)

# %% [wrong] the root is taken where z is made, and sigma in the cache stays the variance
# - return mu + sigma * eps, cache
# + return mu + np.sqrt(sigma) * eps, cache

# %% [wrong] log_var is taken for log sigma, and backward is doubled
# - return dz, dsigma * sigma
# + return dz, 2 * dsigma * sigma

# %% [note]
# A gradient check passes: it compares backward with forward, and both had the same mistake. The variance of many draws shows
# it at once: sigma^4 in place of sigma^2. The package's encoder gives log sigma (`reparameterize_forward` in
# tinyvae/gaussian.py).
