# %% [record]
# title: NaN after some epochs
# kind: bug
# mistake: log_of_sigmoid
# lecture: D3 | Formulation & Architecture; D3 | Loss Function
# notebook: 06b
# equation: log p(x|z) = sum_d x_d ln p_d + (1 - x_d) ln(1 - p_d),  p = sigmoid(logits)
# tag: BER.1
# shapes: logits, x (N, D) -> log_px (N,); dlog_px -> dlogits
# lines: 2
# minutes: 15
# tests:
#   mended 3 = the program does what the right one does
#   caught_by 1 = what would have seen it

# %% [markdown]
# The log-likelihood of binary pixels under a decoder that gives logits, forward and backward. It must be right at any logits,
# 1000 and -1000 among them, where -1000 for a pixel that is 1 costs 1000 nats.
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
# 1. Put x = 1 at the logit -1000. What is p, what is ln p, what is ln p on paper?
# 2. ln sigmoid(l) = l - ln(1 + e^l), and ln(1 - sigmoid(l)) = -ln(1 + e^l). Put both in and collect what stands with x.
# 3. e^l overflows at l = 1000: ln(1 + e^l) = max(l, 0) + ln(1 + e^-|l|).

# %% [wrong] a small number is added inside the logarithm
# - return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1), cache
# + return (x * np.log(p + 1e-7) + (1 - x) * np.log(1 - p + 1e-7)).sum(-1), cache

# %% [wrong] p is kept away from 0 and 1
# - p = sigmoid(logits)
# + p = np.clip(sigmoid(logits), 1e-9, 1 - 1e-9)

# %% [note]
# A small number inside the logarithm hides the NaN and changes the likelihood: no wrong pixel can cost more than 16 nats any
# more, and backward is no longer its derivative. In logits nothing is lost: `bernoulli_forward` in
# tinyvae/likelihoods/bernoulli.py.
