# %% [record]
# title: A test bound above log p(x)
# kind: bug
# mistake: mean_in_the_test_elbo
# lecture: D0 | The Objective; D3 | Loss Function
# notebook: 10
# equation: ELBO = E_q log p(x|z) - KL(q(z|x) || p(z)) <= log p(x)
# tag: ELBO.1
# shapes: x, mu, log_sigma (N,), eps (L, N) -> elbo (N,)
# lines: 1
# minutes: 10
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The ELBO as it is reported on test data, by L samples per datum, for the model z ~ N(0, 1), x|z ~ N(z, 1/2). There the
# posterior is known, p(z|x) = N(x/1.5, 1/3), and so is p(x) = N(0, 1.5).
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
# 1. With the exact posterior as q the ELBO is log p(x). What is it here?
# 2. Does the result depend on eps?
# 3. E_q log p(x|z) and log p(x|E_q z): which of them stands in the bound, and which is larger?

# %% [wrong] the noise is scaled by the variance
# - z = mu + 0 * eps
# + z = mu + np.exp(2 * log_sigma) * eps

# %% [wrong] every sample gets noise of variance 1
# - z = mu + 0 * eps
# + z = mu + eps

# %% [note]
# log p(x|z) at the mean of q is too high, by sigma^2 / (2 eta) on the average here, and the result is no bound. For pictures
# of reconstructions z = mu is what one wants; for nats it is not. `VAE.elbo_terms` in tinyvae/vae.py.
