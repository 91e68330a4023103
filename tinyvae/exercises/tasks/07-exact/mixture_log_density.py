# %% [record]
# title: A mixture's log-density, and its gradient by the means
# kind: pair
# lecture: D0 | Example: Modeling Human Height; D0 | Latent Variable Models
# notebook: 01
# equation: p(x) = sum_z p(z) p(x|z),  p(x|z) = N(x; mu_z, sigma^2)
# tag: -
# shapes: x (N,); mu (M,); sigma a number; weights (M,) -> log_p (N,); dlog_p (N,) -> dmu (M,)
# lines: 8
# minutes: 25
# outputs: dmu
# wrt: mu
# tests:
#   forward 1 = log p(x) of every datum, at three sets of sizes
#   values 2 = dmu as the formula says, with the cache of your own forward pass
#   gradient 1 = backward agrees with differences of the forward pass
#   far 1 = a datum far from all means still has a finite log p(x), and its gradient goes to the nearest mean
# steps:
#   dmu = the derivative of ln p(x_i) by p(x_i), times that of the one term of the sum that holds mu_z: a share of the sum comes in, which has a name in Bayes' rule

# %% [markdown]
# D0's model of human height has a latent variable z with M values (there: two genders), and
# $$p(x) = \sum_z p(z) p(x|z), \qquad p(x|z) = N(x; μ_z, σ^2).$$
# Write the log-density of a mixture as a pair:
#
# - `mixture_log_density_forward(x, mu, sigma, weights)` returns `log_p`, of shape (N,), in nats, and a cache of your own choice;
# - `mixture_log_density_backward(dlog_p, cache)` returns `dmu`, of shape (M,), the gradient by the means, where dlog_p of shape (N,) comes from above.
#
# x of shape (N,) holds N heights, mu of shape (M,) the means, sigma is one standard deviation for all components, and weights of shape (M,)
# holds p(z), which sums to 1. A height may lie so far from all means that every p(x|z) is 0 as a float.

# %% [solution]
def mixture_log_density_forward(x, mu, sigma, weights):
    """x (N,), mu (M,), sigma a number, weights (M,) -> log_p (N,), cache."""
    ### BEGIN SOLUTION
    u = (x[:, None] - mu) / sigma
    log_joint = np.log(weights) - u**2 / 2 - np.log(sigma) - np.log(2 * np.pi) / 2
    top = log_joint.max(1, keepdims=True)
    joint = np.exp(log_joint - top)
    cache = u, joint, sigma
    return top[:, 0] + np.log(joint.sum(1)), cache
    ### END SOLUTION


def mixture_log_density_backward(dlog_p, cache):
    """dlog_p (N,), cache -> dmu (M,)."""
    ### BEGIN SOLUTION
    u, joint, sigma = cache
    posterior = joint / joint.sum(1, keepdims=True)
    dlog_joint = dlog_p[:, None] * posterior
    return (dlog_joint * u / sigma).sum(0)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, M):
    weights = positive(rng, M)
    return normal(rng, N), normal(rng, M), float(positive(rng)), weights / weights.sum()

def test_far(student, right, rng):
    x, mu, weights = np.array([90.0, -1.0]), np.array([-1.5, 0.3, 1.0]), np.array([0.2, 0.5, 0.3])
    log_p, cache = student.mixture_log_density_forward(x, mu, 0.4, weights)
    dmu = student.mixture_log_density_backward(np.array([1.0, 0.0]), cache)
    want = np.log(0.3) - (89 / 0.4) ** 2 / 2 - np.log(0.4) - np.log(2 * np.pi) / 2
    return same(log_p[0], want, rtol=1e-9) and same(dmu, np.array([0, 0, 89 / 0.16]), rtol=1e-9)

# %% [hints]
# 1. Make an array of shape (N, M): the log of p(z) p(x_i|z). Its sum over z must be taken on the exponentials; the largest entry of each row comes out first.
# 2. The derivative of ln p(x_i) by mu_z is p(z) p(x_i|z) / p(x_i) times that of ln p(x_i|z). The first factor is a probability; it sums to 1 over z.
# 3. A mean is used by all data: dmu sums over the N axis.

# %% [wrong] the prior p(z) stands for the posterior p(z|x)
# - cache = u, joint, sigma
# + cache = u, joint, sigma, weights
# - posterior = joint / joint.sum(1, keepdims=True)
# + posterior = np.ones_like(joint) * weights
# - u, joint, sigma = cache
# + u, joint, sigma, weights = cache

# %% [wrong] the mean of the logs is taken, not the log of the mean
# - return top[:, 0] + np.log(joint.sum(1)), cache
# + return (weights * (log_joint - np.log(weights))).sum(1), cache

# %% [wrong] the exponentials are summed as they are: they underflow
# - top = log_joint.max(1, keepdims=True)
# + top = np.zeros((len(x), 1))

# %% [wrong] what comes from above is left out
# - dlog_joint = dlog_p[:, None] * posterior
# + dlog_joint = posterior

# %% [wrong] the derivative of u by mu lacks 1 / sigma
# - return (dlog_joint * u / sigma).sum(0)
# + return (dlog_joint * u).sum(0)

# %% [wrong] the weights p(z) are left out
# - log_joint = np.log(weights) - u**2 / 2 - np.log(sigma) - np.log(2 * np.pi) / 2
# + log_joint = -(u**2) / 2 - np.log(sigma) - np.log(2 * np.pi) / 2

# %% [note]
# The posterior p(z|x) appears by itself in every gradient of a log-evidence. `tinyvae.priors.mixture` is the same with learned weights and widths.
