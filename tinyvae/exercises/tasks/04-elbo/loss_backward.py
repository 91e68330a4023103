# %% [record]
# title: The minus and the mean, once
# kind: backward
# lecture: D0 | Estimating the Objective; D1 | A plain explanation
# notebook: 07
# equation: loss = -1/N sum_n [1/L sum_l log p(x_n|z_nl) - beta KL_n]
# tag: LOSS.2
# shapes: dloss (); cache = (L, N, beta) -> dlog_px (L, N), dkl (N,)
# lines: 4
# minutes: 15
# forward: loss_forward
# outputs: dlog_px dkl
# wrt: log_px kl
# tests:
#   values 1 = dlog_px and dkl, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   two_batches 1 = for a batch that is written twice, each datum gets half the gradient
# steps:
#   dlog_px = the minus, the mean over the batch and the mean over the samples [LOSS.2]
#   dkl = the minus of the loss and the minus of the ELBO, the mean over the batch, and beta [LOSS.2]

# %% [markdown]
# Of the whole page of the ELBO only the last line holds a minus and a mean over the batch:
# $$loss = -\frac{1}{N} \sum_n [\frac{1}{L} \sum_l \log p(x_n|z_{nl}) - \beta\, KL_n]$$
# `log_px` has shape (L, N), `kl` (N,); both are in nats and per datum, and every pair before them works per datum
# too. So this line decides the size of all gradients. Its forward pass is given; write its backward pass. `dloss`
# is a number, the cache is `(L, N, beta)`. Return `dlog_px` (L, N) and `dkl` (N,), arrays of these shapes.

# %% [given]
def loss_forward(log_px, kl, beta):
    """loss, in nats per datum: log_px (L, N), kl (N,), beta a number."""
    L, N = log_px.shape
    cache = L, N, beta
    return -np.mean(log_px.mean(0) - beta * kl), cache

# %% [solution]
def loss_backward(dloss, cache):
    """dloss (), cache = (L, N, beta) -> dlog_px (L, N), dkl (N,)."""
    ### BEGIN SOLUTION
    L, N, beta = cache
    delbo = -dloss / N
    dlog_px = np.full((L, N), delbo / L)
    dkl = np.full(N, -beta * delbo)
    return dlog_px, dkl
    ### END SOLUTION

# %% [check]
def inputs(rng, N, L):
    return normal(rng, L, N), positive(rng, N), positive(rng)[()]


def test_two_batches(student, right, rng):
    once, twice = (student.loss_backward(1.7, (2, N, 0.6)) for N in (5, 10))
    half = [np.asarray(d)[..., :5] / 2 for d in once]
    return all(np.abs(h).min() > 0 and same(d[..., :5], h) and same(d[..., 5:], h) for d, h in zip(twice, half))


# %% [hints]
# 1. Change one entry of log_px by one nat. By how much does the loss change? Then one entry of kl.
# 2. Count the minus signs on the way from the loss to the KL.

# %% [wrong] the minus of the loss stands before the KL too
# - dkl = np.full(N, -beta * delbo)
# + dkl = np.full(N, beta * delbo)

# %% [wrong] the mean over the batch is left out: the step grows with the batch
# - delbo = -dloss / N
# + delbo = -dloss

# %% [wrong] the mean over the samples is left out
# - dlog_px = np.full((L, N), delbo / L)
# + dlog_px = np.full((L, N), delbo)

# %% [wrong] the KL is divided by the number of samples too
# - dkl = np.full(N, -beta * delbo)
# + dkl = np.full(N, -beta * delbo / L)

# %% [wrong] the minus of the loss is left out: training would go downhill on the ELBO
# - delbo = -dloss / N
# + delbo = dloss / N

# %% [wrong] beta is left out
# - dkl = np.full(N, -beta * delbo)
# + dkl = np.full(N, -delbo)

# %% [note]
# Where the mean is taken in one place and the sum in another, the learning rate depends on the batch size. The
# package keeps log p, KL and ELBO per datum everywhere, and the minus and the mean in `VAE.loss_forward` alone.
