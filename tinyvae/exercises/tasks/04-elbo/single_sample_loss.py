# %% [record]
# title: The loss of one example, backwards
# kind: backward
# lecture: D1 | A plain explanation
# notebook: 10
# equation: loss_n = -log p(x_n|z) + KL(q(z|x_n) || N(0, I))
# tag: -
# shapes: dloss (N,); logits, x (N, D), mu, log_sigma (N, K) -> dlogits (N, D), dmu (N, K), dlog_sigma (N, K)
# lines: 5
# minutes: 20
# forward: example_loss_forward
# outputs: dlogits dmu dlog_sigma
# wrt: logits mu log_sigma
# tests:
#   values 2 = the three gradients, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   apart 1 = the logits' gradient does not depend on mu and log sigma, and theirs not on the logits
# steps:
#   dlogits = the derivative of softplus(l) - x l, times what comes from above for this datum [BER.2]
#   dmu = the KL's derivative by mu [KL.2]
#   dlog_sigma = the KL's derivative by log sigma [KL.2]

# %% [markdown]
# The lecture's loss per example with one sample of z, in logits: the reconstruction term $-\log p(x|z)$ and the
# KL to N(0, I):
# $$loss_n = \sum_d [softplus(l_{nd}) - x_{nd} l_{nd}] + \tfrac12 \sum_k [\sigma_{nk}^2 + \mu_{nk}^2 - 1 - 2 \log\sigma_{nk}],\quad softplus(l) = \ln(1 + e^l)$$
# Here the logits, mu and log sigma are three separate inputs (how the logits came from z is the business of other
# pairs). The forward pass is given; write `single_sample_loss_backward(dloss, cache)`. `dloss` (N,) is the
# derivative of what is trained by the loss of each example; the cache is `(logits, mu, log_sigma, x)`, of the
# shapes (N, D), (N, K), (N, K) and (N, D). Return `dlogits`, `dmu` and `dlog_sigma`.

# %% [given]
def example_loss_forward(logits, mu, log_sigma, x):
    """-log p(x|z) + KL per example: logits and x (N, D), mu and log_sigma (N, K), loss (N,), in nats."""
    reconstruction = (np.logaddexp(0, logits) - x * logits).sum(1)
    kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma).sum(1) / 2
    cache = logits, mu, log_sigma, x
    return reconstruction + kl, cache

# %% [solution]
def single_sample_loss_backward(dloss, cache):
    """dloss (N,), cache = (logits, mu, log_sigma, x) -> dlogits (N, D), dmu (N, K), dlog_sigma (N, K)."""
    ### BEGIN SOLUTION
    logits, mu, log_sigma, x = cache
    dloss = dloss[:, None]
    dlogits = dloss * (1 / (1 + np.exp(-logits)) - x)
    dmu = dloss * mu
    dlog_sigma = dloss * (np.exp(2 * log_sigma) - 1)
    return dlogits, dmu, dlog_sigma
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K, D):
    return normal(rng, N, D), normal(rng, N, K), log_scale(rng, N, K), (rng.random((N, D)) < 0.5).astype(float)


def test_apart(student, right, rng):
    logits, mu, log_sigma, x = inputs(rng, 5, 3, 7)
    dloss = upstream(rng, 5)
    first, *rest = student.single_sample_loss_backward(dloss, (logits, mu, log_sigma, x))
    same_logits = student.single_sample_loss_backward(dloss, (logits, mu + 1, 2 * log_sigma, x))
    same_q = student.single_sample_loss_backward(dloss, (logits + 1, mu, log_sigma, x))
    return same(same_logits[0], first) and same(same_q[1:], rest) and not same(same_q[0], first) and not same(same_logits[2], rest[1])


# %% [hints]
# 1. Each of the three stands in one of the two terms alone. Take them one at a time.
# 2. This is a loss, to be made small: which sign has the gradient of the logit of a pixel that is 1?
# 3. sigma^2 = exp(2 log_sigma): what is its derivative by log_sigma?

# %% [wrong] the gradient is that of log p(x|z), not of the loss: its sign is the other one
# - dlogits = dloss * (1 / (1 + np.exp(-logits)) - x)
# + dlogits = dloss * (x - 1 / (1 + np.exp(-logits)))

# %% [wrong] the derivative is taken by log sigma^2 in place of log sigma
# - dlog_sigma = dloss * (np.exp(2 * log_sigma) - 1)
# + dlog_sigma = dloss * (np.exp(2 * log_sigma) - 1) / 2

# %% [wrong] exp(log sigma) is taken for the variance
# - dlog_sigma = dloss * (np.exp(2 * log_sigma) - 1)
# + dlog_sigma = dloss * (np.exp(log_sigma) - 1)

# %% [wrong] the derivative is taken by sigma in place of log sigma
# - dlog_sigma = dloss * (np.exp(2 * log_sigma) - 1)
# + dlog_sigma = dloss * (np.exp(log_sigma) - np.exp(-log_sigma))

# %% [wrong] the mean over pixels is taken in place of their sum
# - dlogits = dloss * (1 / (1 + np.exp(-logits)) - x)
# + dlogits = dloss * (1 / (1 + np.exp(-logits)) - x) / x.shape[1]

# %% [wrong] the mean over the batch is taken here, where every example has a loss of its own
# - dloss = dloss[:, None]
# + dloss = dloss[:, None] / len(x)

# %% [note]
# D1's loss is minus the ELBO with one sample. In a whole VAE mu and log sigma get a second gradient, through z
# and the logits: notebook 10 puts both together.
