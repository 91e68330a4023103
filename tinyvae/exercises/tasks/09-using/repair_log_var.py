# %% [record]
# title: Sampler and KL for an encoder that says log variance
# kind: pair
# lecture: D4 | Implementation; D2 | Amortization (2); D3 | Reparameterization Trick
# notebook: 14
# equation: z = mu + sigma eps;  KL = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2)
# tag: -
# shapes: mu, log_var, eps (N, K) -> f (N,); df (N,) -> dmu, dlog_var (N, K)
# lines: 8
# minutes: 25
# outputs: dmu dlog_var
# wrt: mu log_var
# tests:
#   forward 1 = f of every datum, at three sets of sizes
#   values 2 = dmu and dlog_var as the formula says, with the cache of your own forward pass
#   gradient 1 = backward agrees with differences of the forward pass
#   spread 1 = at mu = 0 the sample z has the variance exp(log_var)
# steps:
#   dmu = two paths: through z, whose sum is taken, and through mu_k^2 / 2 of the KL
#   dlog_var = two paths: through sigma, with d sigma / d log_var by the chain rule, and through the two terms of the KL that hold sigma_k^2

# %% [markdown]
# One program takes the encoder's second output for $\ln σ$ where it samples, $z = μ + e^a ε$, and for $\ln σ^2$ where it computes the KL. Each line is right
# in some program; together they are wrong, and a gradient check does not see it.
#
# Repair it for the convention that the output, now called `log_var`, is $\ln σ^2$, the logarithm of the *variance*, in both places. Write the pair
# for the following function of one datum, in which both places occur:
# $$f(μ, \ln σ^2) = \sum_k z_k + KL(N(μ, diag(σ^2)) \| N(0, I)), \qquad z = μ + σ ε.$$
#
# - `repair_log_var_forward(mu, log_var, eps)` returns f, of shape (N,), and a cache of your own choice; all inputs have shape (N, K);
# - `repair_log_var_backward(df, cache)` returns dmu and dlog_var, both of shape (N, K); df of shape (N,) comes from above. eps gets no gradient.

# %% [solution]
def repair_log_var_forward(mu, log_var, eps):
    """mu, log_var, eps (N, K) -> f (N,), cache."""
    ### BEGIN SOLUTION
    sigma = np.exp(log_var / 2)
    z = mu + sigma * eps
    kl = (sigma**2 + mu**2 - 1 - log_var).sum(1) / 2
    cache = mu, sigma, eps
    return z.sum(1) + kl, cache
    ### END SOLUTION


def repair_log_var_backward(df, cache):
    """df (N,), cache -> dmu, dlog_var, both (N, K)."""
    ### BEGIN SOLUTION
    mu, sigma, eps = cache
    df = df[:, None]
    dsigma = df * eps
    dkl = df * (sigma**2 - 1) / 2
    return df + df * mu, dsigma * sigma / 2 + dkl
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), 2 * log_scale(rng, N, K), normal(rng, N, K)

def test_spread(student, right, rng):
    log_var, zero = 2 * log_scale(rng, 4, 3), np.zeros((4, 3))
    plus, minus = (student.repair_log_var_forward(zero, log_var, sign * np.ones((4, 3)))[0] for sign in (1, -1))
    one = np.zeros((4, 3))
    one[:, 1] = 2.0
    up, down = (student.repair_log_var_forward(zero, log_var, sign * one)[0] for sign in (1, -1))
    deviation = np.exp(log_var / 2)
    return same((plus - minus, up - down), (2 * deviation.sum(1), 4 * deviation[:, 1]), rtol=1e-10)

# %% [hints]
# 1. If a = ln sigma^2, what is sigma? And which terms of the KL are sigma^2 and ln sigma^2?
# 2. d sigma / d a is not sigma: differentiate exp(a/2).
# 3. Both outputs of the encoder reach f by two paths. Add what the two paths bring.

# %% [wrong] the sampler takes log_var for log sigma: z has the variance sigma^4
# - sigma = np.exp(log_var / 2)
# + sigma = np.exp(log_var)
# - kl = (sigma**2 + mu**2 - 1 - log_var).sum(1) / 2
# + kl = (sigma + mu**2 - 1 - log_var).sum(1) / 2
# - dkl = df * (sigma**2 - 1) / 2
# + dkl = df * (sigma - 1) / 2
# - return df + df * mu, dsigma * sigma / 2 + dkl
# + return df + df * mu, dsigma * sigma + dkl

# %% [wrong] the KL takes log_var for log sigma
# - kl = (sigma**2 + mu**2 - 1 - log_var).sum(1) / 2
# + kl = (sigma**4 + mu**2 - 1 - 2 * log_var).sum(1) / 2
# - dkl = df * (sigma**2 - 1) / 2
# + dkl = df * (sigma**4 - 1)

# %% [wrong] the half of the chain rule through exp(log_var / 2) is lost
# - return df + df * mu, dsigma * sigma / 2 + dkl
# + return df + df * mu, dsigma * sigma + dkl

# %% [wrong] the gradient of the KL is that by log sigma
# - dkl = df * (sigma**2 - 1) / 2
# + dkl = df * (sigma**2 - 1)

# %% [wrong] mu gets no gradient from the KL
# - return df + df * mu, dsigma * sigma / 2 + dkl
# + return df + 0 * mu, dsigma * sigma / 2 + dkl

# %% [wrong] the derivative of -ln sigma^2 is lost
# - dkl = df * (sigma**2 - 1) / 2
# + dkl = df * sigma**2 / 2

# %% [note]
# Both conventions are in use. What a gradient check cannot see, the moments of the samples and the value of the KL show (notebook 14).
