# %% [record]
# title: One draw, one KL
# kind: bug
# mistake: log_sigma_holds_log_var
# lecture: D3 | Loss Function; D4 | Implementation
# notebook: 06a
# equation: KL = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2)
# tag: KL.1
# shapes: mu, log_sigma, eps (N, K) -> z (N, K), kl (N,); dz, dkl -> dmu, dlog_sigma
# lines: 2
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# From the encoder's outputs mu and log_sigma, the logarithm of the standard deviation, this program draws z from q(z|x) and
# computes the KL of q(z|x) to the prior N(0, I), forward and backward.
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
# 1. Take mu = 0 and log_sigma = ln 2. Which variance do many draws of z have, and which variance belongs to the KL that is returned?
# 2. One name, two meanings. In which lines is log_sigma what the docstring says?
# 3. Backward has to follow forward: the derivative of sigma^2 / 2 and of -ln sigma by log sigma.

# %% [wrong] sigma^2 is mended and its logarithm is not
# - kl = (sigma + mu**2 - 1 - log_sigma).sum(-1) / 2
# + kl = (sigma**2 + mu**2 - 1 - log_sigma).sum(-1) / 2
# - dlog_sigma = dz * eps * sigma + dkl * (sigma - 1) / 2
# + dlog_sigma = dz * eps * sigma + dkl * (sigma**2 - 0.5)

# %% [wrong] the draw is changed to fit the KL, and log_sigma is a logarithm of a variance in both
# - z = mu + sigma * eps
# + z = mu + np.sqrt(sigma) * eps
# - dlog_sigma = dz * eps * sigma + dkl * (sigma - 1) / 2
# + dlog_sigma = dz * eps * np.sqrt(sigma) / 2 + dkl * (sigma - 1) / 2

# %% [note]
# log sigma and log sigma^2 are both in use as the encoder's output; what matters is that draw, KL and name say the same. A KL
# is held against the mean of log q - log p over draws: `monte_carlo_kl` in tinyvae/estimators.py.
