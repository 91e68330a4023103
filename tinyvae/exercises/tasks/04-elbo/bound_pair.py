# %% [record]
# title: The bound against the width of q
# kind: pair
# lecture: D2 | [the role of each of the two terms]; D3 | ELBO Formulation
# notebook: 05
# equation: ELBO(log sigma) = r - c sigma^2 / 2 - KL,  KL = (sigma^2 + m^2 - 1) / 2 - log sigma
# tag: -
# shapes: log_sigma (N,) -> elbo (N,); delbo (N,) -> dlog_sigma (N,)
# lines: 5
# minutes: 20
# outputs: dlog_sigma
# tests:
#   forward 1 = the ELBO at every log sigma, at three sets of sizes
#   values 1 = the derivative by log sigma, at three sets of sizes
#   gradient 1 = backward agrees with differences of your forward pass
#   optimum 1 = at the best sigma the slope is 0, and the ELBO is higher than at a narrower and at a wider q
# steps:
#   forward = the reconstruction term at width sigma, minus the KL
#   dlog_sigma = three terms hold log sigma: the reconstruction, sigma^2 / 2 of the KL, and log sigma itself

# %% [markdown]
# Why does q not shrink to a point? Take one latent, a linear decoder and q = N(m, $\sigma^2$). Then the ELBO is
# known as a function of $\log\sigma$:
# $$ELBO(\log\sigma) = r - \tfrac12 c\, \sigma^2 - KL,\quad KL = \tfrac12 (\sigma^2 + m^2 - 1) - \log\sigma$$
# r is log p(x|z) at z = m, and c says how fast the reconstruction suffers when z is noisy; `r`, `m` and `c` are
# given below. Write `bound_pair_forward(log_sigma)`, for an array of any shape, which returns `(elbo, cache)`
# with the ELBO of every entry, and `bound_pair_backward(delbo, cache)`, which returns the derivative by log sigma
# times `delbo`. The cache is yours to choose.

# %% [given]
r, m, c = 0.4, 0.7, 3.2  # log p(x|z) at the mean of q; the mean of q; the price of noise in z

# %% [solution]
def bound_pair_forward(log_sigma):
    """log_sigma, of any shape -> elbo of that shape, cache."""
    ### BEGIN SOLUTION
    sigma2 = np.exp(2 * log_sigma)
    elbo = r - c * sigma2 / 2 - (sigma2 + m**2 - 1) / 2 + log_sigma
    cache = sigma2
    return elbo, cache
    ### END SOLUTION


def bound_pair_backward(delbo, cache):
    """delbo, of the shape of elbo, cache -> dlog_sigma."""
    ### BEGIN SOLUTION
    sigma2 = cache
    return delbo * (1 - (1 + c) * sigma2)
    ### END SOLUTION

# %% [check]
def inputs(rng, N):
    return (log_scale(rng, N),)


def test_optimum(student, right, rng):
    best = -np.log(1 + c) / 2
    elbo, cache = student.bound_pair_forward(np.array([best - 0.3, best, best + 0.3]))
    slope = student.bound_pair_backward(np.ones(3), cache)
    highest = r - (m**2 + np.log(1 + c)) / 2
    return abs(elbo[1] - highest) < 1e-12 and elbo[1] > max(elbo[0], elbo[2]) and abs(slope[1]) < 1e-12 and slope[0] > 0.1


# %% [hints]
# 1. sigma is a standard deviation: sigma^2 = exp(2 log_sigma). Keep it in the cache.
# 2. What is the derivative of sigma^2 by log sigma? Which three terms hold log sigma, and with which signs?

# %% [wrong] exp(log sigma) is taken for the variance
# - sigma2 = np.exp(2 * log_sigma)
# + sigma2 = np.exp(log_sigma)

# %% [wrong] the derivative is taken by sigma in place of log sigma
# - return delbo * (1 - (1 + c) * sigma2)
# + return delbo * (1 - (1 + c) * sigma2) / np.sqrt(sigma2)

# %% [wrong] the derivative of sigma^2 by log sigma is taken for sigma^2
# - return delbo * (1 - (1 + c) * sigma2)
# + return delbo * (1 - (1 + c) * sigma2 / 2)

# %% [wrong] the KL is added, not subtracted
# - elbo = r - c * sigma2 / 2 - (sigma2 + m**2 - 1) / 2 + log_sigma
# + elbo = r - c * sigma2 / 2 + (sigma2 + m**2 - 1) / 2 - log_sigma
# - return delbo * (1 - (1 + c) * sigma2)
# + return delbo * (-1 + (1 - c) * sigma2)

# %% [wrong] the term log sigma is lost, so that a point has the highest bound
# - elbo = r - c * sigma2 / 2 - (sigma2 + m**2 - 1) / 2 + log_sigma
# + elbo = r - c * sigma2 / 2 - (sigma2 + m**2 - 1) / 2
# - return delbo * (1 - (1 + c) * sigma2)
# + return -delbo * (1 + c) * sigma2

# %% [note]
# The best variance, 1 / (1 + c), is that of the exact posterior. Halving a small sigma costs ln 2 nats of KL
# every time and soon gains nothing: notebook 05, section 6.
