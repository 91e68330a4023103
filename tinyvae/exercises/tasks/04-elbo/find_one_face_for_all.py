# %% [record]
# title: Every reconstruction is the same
# kind: bug
# mistake: mean_over_pixels
# lecture: D3 | Loss Function; D0 | Vanilla VAE Distribution
# notebook: 06b
# equation: loss = 1/N sum_n (-log p(x_n|z_n) + KL_n),  log p(x|z) = sum over the D pixels
# tag: LOSS.1
# shapes: logits, x (N, D), mu, log_sigma (N, K) -> loss; dloss -> dlogits, dmu, dlog_sigma
# lines: 2
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The loss of a VAE with binary pixels from the decoder's logits and the encoder's mu and log_sigma, forward and backward.
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
# 1. In nats: how large is -log p(x|z) of one image of 784 pixels at logits 0? What does this program give?
# 2. How many times is the KL more expensive than it should be? The answer is a number of the data.
# 3. Backward divides by a number too.

# %% [wrong] forward is mended and backward still belongs to the old one
# - reconstruction = -log_p.mean()
# + reconstruction = -log_p.sum(-1).mean()

# %% [wrong] the KL is made a mean over the latents, too
# - latent = kl.sum(-1).mean()
# + latent = kl.mean()
# - dkl = dloss / len(x)
# + dkl = dloss / mu.size

# %% [note]
# A mean over pixels beside a summed KL is a beta-VAE with beta = D. It is a model that one may want, but then beta should be
# there to be read. A truth test on an objective: change the reconstruction by one nat, change the KL by one nat, and compare
# what each costs.
