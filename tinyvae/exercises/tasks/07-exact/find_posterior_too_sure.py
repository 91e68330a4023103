# %% [record]
# title: A posterior that is too sure
# kind: bug
# mistake: prior_precision_lost
# lecture: D2 | Observation Model; D1 | Probabilistic understanding
# notebook: 09
# equation: p(z|x) = p(x|z) p(z) / p(x),  z ~ N(0, I),  x|z ~ N(W z, eta I)
# tag: PPCA.2
# shapes: x (N, D), W (D, K), eta a variance -> log p(x) (N,); mean (N, K) and covariance (K, K) of p(z|x)
# lines: 1
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The linear Gaussian model z ~ N(0, I), x|z ~ N(W z, eta I): its exact log p(x), and the mean and covariance of its exact
# posterior.
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
# 1. log p(x|z) + log p(z) - log p(z|x) must be the same number at every z. Is it?
# 2. Let eta grow without bound: x then says nothing about z. What must the posterior become, what does it become here?
# 3. The precision (inverse covariance) of a product of Gaussians is the sum of their precisions. Which two Gaussians in z are multiplied?

# %% [wrong] the prior's precision is added without dividing W'W by eta
# - S = np.linalg.inv(W.T @ W / eta)
# + S = np.linalg.inv(W.T @ W + np.eye(W.shape[1]))

# %% [wrong] the prior is given the variance eta
# - S = np.linalg.inv(W.T @ W / eta)
# + S = np.linalg.inv(W.T @ W / eta + np.eye(W.shape[1]) / eta)

# %% [note]
# Bayes' rule is a truth test wherever evidence and posterior are both known: the three log-densities give log p(x) at every
# z. `PPCA.posterior` in tinyvae/exact/ppca.py.
