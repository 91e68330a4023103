# %% [record]
# title: q shrinks to a point
# kind: bug
# mistake: kl_of_sigma_lost
# lecture: D2 | Amortization; D1 | Variational Inference for VAE
# notebook: 08
# equation: ELBO = E_q log p(x|z) - KL(q || p(z)), by mu and log sigma
# tag: ELBO.2
# shapes: mu, log_sigma, x (N, K), eps (L, N, K) -> elbo (N,); delbo -> dmu, dlog_sigma
# lines: 1
# minutes: 10
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# Each datum has a q(z) = N(mu, sigma^2) of its own, which is fitted by ascent on the ELBO. This program gives the ELBO by L
# samples and its gradient, for a model whose decoder is the identity: x|z ~ N(z, I).
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
# 1. What in the ELBO wants sigma to be small, what wants it to be large? Which of the two is in the gradient?
# 2. How often does sigma occur in forward, and how many of these places have a term in dlog_sigma?
# 3. Take the derivative of sigma^2 / 2 and of -ln sigma by log sigma; mind which sign the KL has in the ELBO.

# %% [wrong] the -1 of the derivative is missing
# - dlog_sigma = (dz * eps).sum(0) * sigma
# + dlog_sigma = (dz * eps).sum(0) * sigma + dkl * sigma**2

# %% [wrong] the KL's gradient is that of the loss and not of the ELBO
# - dlog_sigma = (dz * eps).sum(0) * sigma
# + dlog_sigma = (dz * eps).sum(0) * sigma - dkl * (sigma**2 - 1)

# %% [note]
# -ln sigma in the KL is the entropy of q: it alone keeps q from becoming a point. `elbo_terms_backward` in tinyvae/bounds.py
# adds both gradients in its last line.
