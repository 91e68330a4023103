# %% [record]
# title: A training bound that is too good
# kind: bug
# mistake: same_noise_at_every_step
# lecture: D2 | Amortization; D0 | Estimating the Objective
# notebook: 08
# equation: E_q log p(x|z), estimated at every step by a draw z = mu + sigma * eps
# tag: -
# shapes: x (N,) -> mu, log_sigma, elbo (N,)
# lines: 1
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# q(z) = N(mu, sigma^2) is fitted for every datum by stochastic gradient ascent on the ELBO, with one sample of z per step.
# The model is z ~ N(0, 1), x|z ~ N(z, 0.1), so that p(x) = N(0, 1.1). All noise comes from `rng`, the generator that is
# handed in.
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
# 1. Look at the parts first: are forward and backward right? Then at what happens from one step to the next.
# 2. Print eps in two steps that follow each other.
# 3. If the noise never changes, z = mu + sigma eps can be made anything by mu and sigma. What would the optimum look like?

# %% [wrong] all data of a step share one number
# - eps = np.random.default_rng(0).standard_normal(len(x))
# + eps = rng.standard_normal() * np.ones(len(x))

# %% [wrong] there is no noise at all
# - eps = np.random.default_rng(0).standard_normal(len(x))
# + eps = np.zeros(len(x))

# %% [note]
# A gradient check wants eps frozen, and elbo_forward and elbo_backward are right. What shows it: training ends at a bound
# above log p(x), which no bound can be. Where log p(x) is not known, compare the bound of the last step with one on the same
# data and fresh noise.
