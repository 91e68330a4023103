# %% [record]
# title: How many samples count
# kind: function
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$
# notebook: 04
# equation: ESS = (sum_l w_l)^2 / sum_l w_l^2
# tag: -
# shapes: log_w (L, N) -> ess (N,)
# lines: 2
# minutes: 10
# outputs: ess
# tests:
#   values 1 = the effective sample size of every datum, at three sets of sizes
#   ends 1 = L equal weights count L, and one weight far above the others counts 1; at any level of the log weights
# steps:
#   ess = two sums over the samples of one datum; a factor that all its weights share cancels

# %% [markdown]
# L weighted samples can be worth far fewer than L: if one weight is much larger than all others together, the estimate
# rests on that sample alone. The *effective sample size*
#
# $$\mathrm{ESS} = \frac{\big(\sum_l w_l\big)^2}{\sum_l w_l^2}$$
#
# lies between 1 and L. Compute it for each datum from `log_w`, of shape (L, N): the logarithms of the weights, in nats,
# one column per datum. Return it with the shape (N,).
#
# Log weights of images lie near -100 with 64 pixels and near -1000 with more. The result must not depend on the level:
# the same number added to all log weights of a datum changes nothing.

# %% [solution]
def effective_sample_size(log_w):
    """log_w (L, N) -> ess (N,)."""
    ### BEGIN SOLUTION
    w = np.exp(log_w - log_w.max(0))
    return w.sum(0) ** 2 / (w**2).sum(0)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, L):
    return (normal(rng, L + 2, N),)

def test_ends(student, right, rng):
    equal, one = np.zeros((6, 3)), np.zeros((6, 3))
    one[[0, 3, 5], [0, 1, 2]] = 2000.0
    level = np.array([-1000.0, 0.0, 900.0])
    got = student.effective_sample_size(equal + level), student.effective_sample_size(one + level)
    return same(got, (np.full(3, 6.0), np.ones(3)), rtol=1e-9)

# %% [hints]
# 1. A common factor of all weights cancels in the formula.
# 2. Divide by the largest weight: in logarithms, subtract the largest.

# %% [wrong] the weights underflow or overflow: no level is taken out
def effective_sample_size(log_w):
    with np.errstate(all="ignore"):
        w = np.exp(log_w)
        return w.sum(0) ** 2 / (w**2).sum(0)

# %% [wrong] one maximum over all data is subtracted: the weights of the other data underflow
def effective_sample_size(log_w):
    with np.errstate(all="ignore"):
        w = np.exp(log_w - log_w.max())
        return w.sum(0) ** 2 / (w**2).sum(0)

# %% [wrong] the mean of the log weights is subtracted instead of the largest: a weight far above the mean overflows
def effective_sample_size(log_w):
    with np.errstate(all="ignore"):
        w = np.exp(log_w - log_w.mean(0))
        return w.sum(0) ** 2 / (w**2).sum(0)

# %% [wrong] the sum goes over the data instead of the samples
# - w = np.exp(log_w - log_w.max(0))
# + w = np.exp(log_w - log_w.max(0)).T

# %% [wrong] the fraction is upside down: the sum of squared normalised weights
# - return w.sum(0) ** 2 / (w**2).sum(0)
# + return (w**2).sum(0) / w.sum(0) ** 2

# %% [wrong] the share of effective samples is returned instead of their number
# - return w.sum(0) ** 2 / (w**2).sum(0)
# + return w.sum(0) ** 2 / (w**2).sum(0) / len(w)

# %% [wrong] the weights are counted by how many of the largest they make up: their sum over their maximum
# - return w.sum(0) ** 2 / (w**2).sum(0)
# + return w.sum(0) / w.max(0)

# %% [note]
# `VAE.log_likelihood(..., return_ess=True)` reports it beside every estimate. A small one is a warning; a large one is
# no proof, for the samples may all have missed the same mode.
