# %% [record]
# title: The KL in log-variance
# kind: pair
# lecture: D3 | Loss Function; D4 | Implementation
# notebook: 06a
# equation: KL = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2), log_var = ln sigma^2
# tag: -
# shapes: mu, log_var (N, K) -> kl (N,); dkl (N,) -> dmu, dlog_var, both (N, K)
# lines: 6
# minutes: 20
# outputs: dmu dlog_var
# variant_of: kl_backward
# tests:
#   forward 1 = the KL is right, at three sets of sizes
#   values 1 = dmu and dlog_var as the chain rule says
#   gradient 1 = backward agrees with differences of the forward pass
#   same_kl 1 = at log_var = 2 log sigma it is the KL of the package at mu and log sigma
# steps:
#   forward = sigma^2 and ln sigma^2 written with log_var; the sum over K and its half
#   dmu = one term of the sum holds mu_nk: its derivative, times what comes from above to datum n
#   dlog_var = two terms hold log_var_nk: write sigma^2 with it, differentiate, times what comes from above to datum n

# %% [markdown]
# In this package the encoder returns log σ, the logarithm of a standard deviation. Many programs let it return the logarithm of the *variance*
# instead, `log_var` $= \ln\sigma^2$, and mixing the two up is one of the most frequent mistakes in VAEs. Write the KL to $N(0, I)$ for them,
#
# $$\mathrm{KL} = \tfrac12 \sum_k \left(\sigma_k^2 + \mu_k^2 - 1 - \ln\sigma_k^2\right),$$
#
# as a pair:
#
# - `kl_log_var_forward(mu, log_var)`, with μ and ln σ² of shape (N, K), one datum per row, returns `kl, cache`: the KL of each datum in nats, of
#   shape (N,), and a cache of your own.
# - `kl_log_var_backward(dkl, cache)` returns `dmu, dlog_var`, of shape (N, K) each: the derivatives of the loss by μ and by log_var. `dkl`, of
#   shape (N,), is the derivative of the loss by the KL of each datum.

# %% [solution]
def kl_log_var_forward(mu, log_var):
    """mu, log_var (N, K) -> kl (N,) in nats, cache."""
    ### BEGIN SOLUTION
    var = np.exp(log_var)
    kl = (var + mu**2 - 1 - log_var).sum(1) / 2
    cache = mu, var
    return kl, cache
    ### END SOLUTION


def kl_log_var_backward(dkl, cache):
    """dkl (N,) -> dmu, dlog_var, both (N, K)."""
    ### BEGIN SOLUTION
    mu, var = cache
    dkl = dkl[:, None]
    dmu = dkl * mu
    dlog_var = dkl * (var - 1) / 2
    return dmu, dlog_var
    ### END SOLUTION

# %% [check]
from tinyvae.gaussian import kl_forward


def inputs(rng, N, K):
    return normal(rng, N, K), 2 * log_scale(rng, N, K)


def test_same_kl(student, right, rng):
    mu, log_sigma = normal(rng, 4, 3), log_scale(rng, 4, 3)
    return same(student.kl_log_var_forward(mu, 2 * log_sigma)[0], kl_forward(mu, log_sigma)[0])

# %% [hints]
# 1. In the formula, which terms become simpler if they are written with log_var?
# 2. Differentiate e^v - v by v = log_var, and do not lose the factor in front of the sum.

# %% [wrong] log_var is taken for log sigma, forward and backward: a gradient check passes
# - var = np.exp(log_var)
# + var = np.exp(2 * log_var)
# - kl = (var + mu**2 - 1 - log_var).sum(1) / 2
# + kl = (var + mu**2 - 1 - 2 * log_var).sum(1) / 2
# - dlog_var = dkl * (var - 1) / 2
# + dlog_var = dkl * (var - 1)

# %% [wrong] dlog_var is the derivative by log sigma, twice that by log_var
# - dlog_var = dkl * (var - 1) / 2
# + dlog_var = dkl * (var - 1)

# %% [wrong] ln sigma^2 is written as 2 log_var, while sigma^2 is read rightly
# - kl = (var + mu**2 - 1 - log_var).sum(1) / 2
# + kl = (var + mu**2 - 1 - 2 * log_var).sum(1) / 2
# - dlog_var = dkl * (var - 1) / 2
# + dlog_var = dkl * (var - 2) / 2

# %% [wrong] the variance is read as exp(log_var / 2), which is the standard deviation
# - var = np.exp(log_var)
# + var = np.exp(log_var / 2)

# %% [wrong] the -1 of dlog_var is lost
# - dlog_var = dkl * (var - 1) / 2
# + dlog_var = dkl * var / 2

# %% [note]
# log_var = 2 log sigma, so every gradient by log_var is half of that by log sigma: the model is the same, the path of training is not. Notebook 06a,
# section 6, has a card with all formulas in both columns, and shows what happens when the two are mixed.
