# %% [record]
# title: A weight of the KL that warms up
# kind: function
# lecture: D4 | Visualization of latent space; D0 | Pitfalls of VAE (2)
# notebook: 10
# equation: loss = -E_q[log p(x|z)] + beta(t) KL(q || p)
# tag: -
# shapes: t (N,) in epochs; epochs, beta numbers -> weight (N,)
# lines: 1
# minutes: 5
# outputs: weight
# tests:
#   values 1 = the weights at many times t
#   ends 1 = the weight is 0 at t = 0, beta at t = epochs and beta at all times after it
# steps:
#   weight = the share of the warm-up that is over at time t; then the weight of which it is a share

# %% [markdown]
# At the start of training the KL is easily brought to zero, and the decoder then learns to do without z. *Warm-up*
# (arXiv:1511.06349, arXiv:1602.02282) lets the weight of the KL rise linearly from 0 at $t = 0$ to its final value
# `beta` at $t =$ `epochs`; from there on it stays `beta`.
#
# `t`, of shape (N,), holds times in epochs, which need not be whole (a step in the middle of an epoch). Return the
# weight at each, of shape (N,).

# %% [solution]
def warmup(t, epochs, beta):
    """t (N,) in epochs, epochs and beta numbers -> the weight of the KL at each t, (N,)."""
    ### BEGIN SOLUTION
    return beta * np.minimum(1, t / epochs)
    ### END SOLUTION

# %% [check]
def inputs(rng, N):
    return np.linspace(0, 25, 4 * N), 10.0, 0.3 + float(positive(rng, 1)[0])

def test_ends(student, right, rng):
    t = np.array([0, 8.0, 8.5, 16, 400])
    return all(same(student.warmup(t, 8.0, beta), np.array([0, beta, beta, beta, beta])) for beta in (0.25, 4.0))

# %% [hints]
# 1. Which share of the warm-up is over at time t? It never exceeds 1.
# 2. `np.minimum` compares elementwise; `min` does not.

# %% [wrong] the weight goes on rising after the warm-up
# - return beta * np.minimum(1, t / epochs)
# + return beta * t / epochs

# %% [wrong] the weight rises to 1, whatever beta is
# - return beta * np.minimum(1, t / epochs)
# + return np.minimum(1, t / epochs)

# %% [wrong] the weight is cut at 1 instead of at beta
# - return beta * np.minimum(1, t / epochs)
# + return np.minimum(1, beta * t / epochs)

# %% [wrong] only whole epochs count: the weight rises in stairs
# - return beta * np.minimum(1, t / epochs)
# + return beta * np.minimum(1, t // 1 / epochs)

# %% [wrong] the weight starts at beta and falls to 0
# - return beta * np.minimum(1, t / epochs)
# + return beta * np.maximum(0, 1 - t / epochs)

# %% [note]
# `tinyvae.schedules.linear_warmup` is this weight, for `fit(schedule=...)`; `cyclic` lets it start again and again.
