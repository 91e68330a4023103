# %% [record]
# title: Weights of an exact posterior
# kind: bug
# mistake: closed_kl_in_the_weights
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$
# notebook: 04
# equation: log p(x) = log E_q w,  w = p(x|z) p(z) / q(z|x)
# tag: LOGW.1
# shapes: x, mu, log_sigma (N,), eps (L, N) -> log_w (L, N); log_p (N,)
# lines: 3
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# Importance sampling of log p(x) with L samples from q(z|x) = N(mu, sigma^2), for the model z ~ N(0, 1), x|z ~ N(z, 1). In
# that model the posterior is known: p(z|x) = N(x/2, 1/2).
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
# 1. If q(z|x) is the posterior, what is w on paper, and how does it depend on z?
# 2. Every sample has a weight of its own. Which terms of ln w depend on the sample?
# 3. log q(z|x) at z = mu + sigma eps is -1/2 (eps^2 + ln 2 pi) - log_sigma.

# %% [wrong] q is left out of the weight
# - return log_px - kl
# + return log_px - (z**2 + LOG_2PI) / 2

# %% [wrong] the closed form of the KL is counted beside the densities
# - return log_px - kl
# + return log_px - (z**2 - eps**2) / 2 + log_sigma - kl

# %% [wrong] p and q change places
# - return log_px - kl
# + return log_px + (z**2 - eps**2) / 2 - log_sigma

# %% [note]
# With the closed KL the mean of ln w is still the ELBO, and so nothing is wrong at L = 1; the logarithm of the mean of w
# needs every weight. With the exact posterior all weights are p(x): the shortest test of an importance sampler.
# `log_weight_terms_forward` in tinyvae/bounds.py.
