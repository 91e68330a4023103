# %% [record]
# title: The exact posterior of a linear model
# kind: function
# lecture: D4 | Statisical motivation; D1 | Probabilistic understanding
# notebook: 08
# equation: p(z|x) proportional to p(x|z)^<<beta>> p(z), p(z) = N(m, <<plain_prior>>), p(x|z) = N(W z + b, <<plain_noise>>)
# tag: PPCA.2
# shapes: X (N, D); W (D, K); b (D,); m (K,)<<shapes>> -> mean (N, K), covariance (K, K)
# lines: 5
# minutes: 25
# rtol: 1e-11
# outputs: mean covariance
# variant_of: ppca_posterior
# tests:
#   covariance 2 = the covariance is that of the exact posterior
#   values 3 = mean and covariance, at three sets of sizes
# steps:
#   mean = the terms of <<beta>> log p(x|z) + log p(z) that hold one z, beside those of a Gaussian in z [PPCA.2]
#   covariance = the terms of <<beta>> log p(x|z) + log p(z) that hold two z [PPCA.2]

# %% [vary]
def vary(rng):
    prior = rng.choice([
        {"prior": "I", "plain_prior": "I", "p_arg": "", "p_shape": "", "p_draw": "", "p_over": "", "p_told": "m has K numbers"},
        {"prior": "τ I", "plain_prior": "tau I", "p_arg": ", tau", "p_shape": "; tau a number", "p_draw": ", float(positive(rng))", "p_over": " / tau",
         "p_told": "m has K numbers and τ is the variance of each entry of z"},
        {"prior": r"\mathrm{diag}(s^2)", "plain_prior": "diag(s^2)", "p_arg": ", s", "p_shape": "; s (K,)", "p_draw": ", positive(rng, K)", "p_over": " / s**2",
         "p_told": "m has K numbers, and so has s: the standard deviations of the entries of z"},
    ])
    noise = rng.choice([
        {"noise": r"\eta I", "plain_noise": "eta I", "n_arg": ", eta", "n_shape": "; eta a number", "n_draw": ", float(positive(rng))", "n_over": " / eta", "n_mistaken": " / eta**2",
         "n_told": "η is the *variance* of the noise of each pixel"},
        {"noise": r"\mathrm{diag}(t^2)", "plain_noise": "diag(t^2)", "n_arg": ", t", "n_shape": "; t (D,)", "n_draw": ", positive(rng, D)", "n_over": " / t**2", "n_mistaken": " / t",
         "n_told": "t has D numbers, the *standard deviations* of the noise of the pixels"},
    ])
    beta = rng.choice(["0.5", "2", "3"])
    why = "what the data say counts half" if beta == "0.5" else f"what the data say counts {beta} times"
    return prior | noise | {"beta": beta, "why": why, "args": "<<p_arg>><<n_arg>>", "shapes": "<<p_shape>><<n_shape>>"}

# %% [markdown]
# In the linear model the posterior can be computed, and so it can if the likelihood has another weight than 1 against the prior:
#
# $$p(z|x) \sim p(x|z)^{<<beta>>}\; p(z), \qquad p(z) = N(m, <<prior>>), \qquad p(x|z) = N(W z + b, <<noise>>).$$
#
# Here ~ means: equal up to a factor without z; <<why>>. x is a column of D numbers, z of K, W is a D × K matrix, b has D numbers, <<p_told>>;
# <<n_told>>.
#
# $p(z|x)$ is a Gaussian. Write `linear_posterior(X, W, b, m<<args>>)`: X of shape (N, D) holds one datum in each row. Return its means, of shape
# (N, K), and its covariance, of shape (K, K): it is the same for every datum. `log_joint` is given and is the logarithm of the right side up to
# a constant, for all rows: a check of your own.

# %% [given]
def log_joint(Z, X, W, b, m<<args>>):
    """Z (N, K), X (N, D), W (D, K), b (D,), m (K,)<<shapes>> -> <<beta>> log p(x|z) + log p(z) up to a constant, (N,)."""
    log_px = -((X - Z @ W.T - b) ** 2<<n_over>>).sum(1) / 2
    log_pz = -((Z - m) ** 2<<p_over>>).sum(1) / 2
    return <<beta>> * log_px + log_pz

# %% [solution]
def linear_posterior(X, W, b, m<<args>>):
    """X (N, D), W (D, K), b (D,), m (K,)<<shapes>> -> mean (N, K), covariance (K, K)."""
    ### BEGIN SOLUTION
    f = lambda Z: log_joint(Z, X, W, b, m<<args>>)

    def slope(z):  # of log_joint at the same z for every datum, by complex step, exact to rounding
        return np.stack([f(z + 1e-30j * e + np.zeros((len(X), 1))).imag / 1e-30 for e in np.eye(len(z))], 1)

    zero = np.zeros(W.shape[1])
    first = slope(zero)
    second = np.stack([(slope(e) - first)[0] for e in np.eye(len(zero))])  # log_joint is quadratic: a step of any length is exact
    covariance = -np.linalg.inv(second)
    return first @ covariance, covariance
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    D = K + 3
    return normal(rng, N, D), normal(rng, D, K), normal(rng, D), normal(rng, K)<<p_draw>><<n_draw>>


def test_covariance(student, right, rng):
    args = inputs(rng, 5, 3)
    return same(student.linear_posterior(*args)[1], right.linear_posterior(*args)[1], rtol=1e-11)

# %% [hints]
# 1. As a function of z, log p(z|x) is <<beta>> log p(x|z) + log p(z) + a constant. Collect the terms with two z and those with one z.
# 2. The logarithm of a Gaussian with mean M and precision P (the inverse of its covariance) is -1/2 z'P z + z'P M + a constant. Compare: what is P,
#    and what is P M? Mind that the prior has a mean of its own.
# 3. Then turn the formula for one column x into one for all rows of X at once: transpose the product.

# %% [wrong] the weight <<beta>> of the likelihood is lost
# - f = lambda Z: log_joint(Z, X, W, b, m<<args>>)
# + f = lambda Z: -((X - Z @ W.T - b) ** 2<<n_over>>).sum(1) / 2 - ((Z - m) ** 2<<p_over>>).sum(1) / 2

# %% [wrong] the prior is left out: its precision and its mean are missing
# - f = lambda Z: log_joint(Z, X, W, b, m<<args>>)
# + f = lambda Z: -<<beta>> * ((X - Z @ W.T - b) ** 2<<n_over>>).sum(1) / 2

# %% [wrong] the mean of the prior is left out, as if it were 0
# - f = lambda Z: log_joint(Z, X, W, b, m<<args>>)
# + f = lambda Z: log_joint(Z, X, W, b, 0 * m<<args>>)

# %% [wrong] x is not centred: b is not subtracted
# - f = lambda Z: log_joint(Z, X, W, b, m<<args>>)
# + f = lambda Z: log_joint(Z, X, W, 0 * b, m<<args>>)

# %% [wrong] the variance and the standard deviation of the noise are confused
# - f = lambda Z: log_joint(Z, X, W, b, m<<args>>)
# + f = lambda Z: -<<beta>> * ((X - Z @ W.T - b) ** 2<<n_mistaken>>).sum(1) / 2 - ((Z - m) ** 2<<p_over>>).sum(1) / 2

# %% [wrong] the precision is returned in the place of the covariance
# - return first @ covariance, covariance
# + return first @ covariance, -second

# %% [wrong] the mean is P M itself: it is not multiplied by the covariance
# - return first @ covariance, covariance
# + return first, covariance

# %% [note]
# With the weight 1, a prior N(0, I) and one noise for all pixels it is probabilistic PCA, `tinyvae.exact.PPCA.posterior`; notebook 08 derives that.
