# %% [record]
# title: New data that look familiar
# kind: bug
# mistake: new_data_from_the_encoder
# lecture: D0 | AE vs. VAE; D4 | Variational autoencoders as a generative model
# notebook: 10
# equation: p(x) = E_p(z) p(x|z): first z, then x
# tag: -
# shapes: X (N, D), n -> new data (n, D)
# lines: 1
# minutes: 10
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# `generate` draws n new data from the model, as means of p(x|z). A fixed linear encoder and decoder stand for trained ones;
# the decoder copies z into the first two pixels. Draw what is needed in one call of the generator `rng`, an array of shape
# (n, 2).
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
# 1. What are the mean and the variance of the first two pixels of many new data? What should they be?
# 2. Which distribution does z have in the model, before any x is known?

# %% [wrong] mu is that of training data, and the noise has variance 1
# - z = mu + np.exp(log_sigma) * rng.standard_normal((n, 2))
# + z = mu + rng.standard_normal((n, 2))

# %% [wrong] only the noise of q is kept
# - z = mu + np.exp(log_sigma) * rng.standard_normal((n, 2))
# + z = np.exp(log_sigma) * rng.standard_normal((n, 2))

# %% [note]
# What came out were reconstructions of training data. The moments of z show it here; in a model whose codes fill the prior
# well they would not, and one has to look at the program. `VAE.sample` in tinyvae/vae.py takes no data.
