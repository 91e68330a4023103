# %% [record]
# title: Free bits, dimension by dimension
# kind: pair
# lecture: D0 | Pitfalls of VAE (2)
# notebook: 10
# equation: price = sum_k max(nats, 1/N sum_n KL_nk)
# tag: -
# shapes: kl (N, K), nats a number -> price (); dprice () -> dkl (N, K)
# lines: 6
# minutes: 20
# outputs: dkl
# wrt: kl
# tests:
#   forward 1 = the price agrees with the formula
#   values 2 = dkl as it follows from the formula, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
# steps:
#   forward = the mean over the data, then the maximum for each latent dimension, then the sum
#   dkl = the price is a sum over k of a maximum: which latent dimensions does a small change of KL_nk reach, and what does the mean over n do to it?

# %% [markdown]
# A latent dimension whose KL has gone to 0 carries nothing: it has *collapsed*. Free bits (arXiv:1606.04934) take the
# reward for that away. With $\mathrm{KL}_{nk}$ the KL of datum $n$ in latent dimension $k$, the loss has, in place of
# the mean KL,
#
# $$\mathrm{price} = \sum_{k=1}^K \max\Big(\mathrm{nats},\ \frac1N\sum_{n=1}^N \mathrm{KL}_{nk}\Big).$$
#
# The maximum is taken of the *mean* over the N data, for every latent dimension by itself.
#
# Write the pair. `free_bits_forward(kl, nats)`, with `kl` of shape (N, K) and a number `nats`, returns the price, one
# number, and a cache of your choice. `free_bits_backward(dprice, cache)` returns `dkl`, of shape (N, K). `nats` is
# fixed and gets no gradient. No mean will be exactly `nats`.

# %% [solution]
def free_bits_forward(kl, nats):
    """kl (N, K), nats a number -> price, a number, and a cache."""
    ### BEGIN SOLUTION
    mean = kl.mean(0)
    cache = mean > nats, len(kl)
    return np.maximum(nats, mean).sum(), cache
    ### END SOLUTION

def free_bits_backward(dprice, cache):
    """dprice a number -> dkl (N, K)."""
    ### BEGIN SOLUTION
    above, N = cache
    dmean = dprice * above
    return np.tile(dmean / N, (N, 1))
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    below, above = rng.uniform(0.1, 0.8, (N, K)), rng.uniform(1.6, 3.0, (N, K))
    above[0] = below[0]  # one datum below the threshold, the mean above it
    return np.where(np.arange(K) % 2 == 0, below, above), 1.0

# %% [hints]
# 1. Forward has three stages: the mean over the data, the maximum, the sum. Go through them from the last to the first.
# 2. Below the threshold the price does not change when the KL changes a little.
# 3. The mean hands every datum the same share. Backward needs to know which means were above, and N.

# %% [wrong] the maximum is taken datum by datum, before the mean
def free_bits_forward(kl, nats):
    cache = kl > nats, len(kl)
    return np.maximum(nats, kl).mean(0).sum(), cache

def free_bits_backward(dprice, cache):
    above, N = cache
    return dprice * above / N

# %% [wrong] below the threshold the gradient passes as if there were none
# - dmean = dprice * above
# + dmean = dprice * np.ones(len(above))

# %% [wrong] the gradient lacks the 1/N of the mean
# - return np.tile(dmean / N, (N, 1))
# + return np.tile(dmean, (N, 1))

# %% [wrong] the maximum is taken of the KL summed over the dimensions, one threshold for all
def free_bits_forward(kl, nats):
    mean = kl.mean(0).sum()
    cache = mean > nats, kl.shape
    return np.maximum(nats, mean), cache

def free_bits_backward(dprice, cache):
    above, shape = cache
    return np.full(shape, dprice * above / shape[0])

# %% [wrong] the excess over the threshold is charged instead of the larger of the two
# - return np.maximum(nats, mean).sum(), cache
# + return np.maximum(0, mean - nats).sum(), cache

# %% [note]
# `tinyvae.schedules.free_bits` has one threshold for the whole KL and works as a weight, 0 or 1, chosen at every step.
