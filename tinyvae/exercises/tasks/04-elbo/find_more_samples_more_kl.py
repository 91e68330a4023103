# %% [record]
# title: More samples, another model
# kind: bug
# mistake: mean_over_samples_twice
# lecture: D3 | Reparameterization Trick
# notebook: 07
# equation: ELBO = 1/L sum_l log p(x|z_l) - KL,  z_l = mu + sigma * eps_l
# tag: ELBO.2
# shapes: mu, log_sigma, x (N, K), eps (L, N, K) -> elbo (N,); delbo -> dmu, dlog_sigma
# lines: 2
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The ELBO by L samples of z per datum, for a model whose decoder is the identity: x|z ~ N(z, I). Forward and backward.
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
# 1. Follow the 1/L of the mean from the last line of forward upwards: where is it in backward?
# 2. mu has shape (N, K) and was used in all L samples. How are their gradients put together?

# %% [wrong] mu is mended and sigma is not
# - dmu = dz.mean(0) + dkl * mu
# + dmu = dz.sum(0) + dkl * mu

# %% [wrong] the 1/L is put on the KL as well
# - dkl = -delbo[:, None]
# + dkl = -delbo[:, None] / len(eps)

# %% [note]
# A mean in forward is a 1/L in backward, once; a variable that is used L times collects L gradients by a sum. Check with
# several samples: at L = 1 the mistake is not there.
