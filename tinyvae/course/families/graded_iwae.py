# %% [record]
# title: Backward through a bound of powers
# kind: backward
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$; D2 | Observation Model (3)
# notebook: 05
# equation: B = <<share>> / <<a>> log (1/k sum_l w_l^<<a>>) + <<rest>> / k sum_l log w_l
# tag: IWAE.2
# shapes: dbound (N,); cache = log_w <<axes>> -> dlog_w <<axes>>
# lines: 5
# minutes: 20
# forward: power_bound_forward
# outputs: dlog_w
# variant_of: iwae_bound_backward
# tests:
#   values 3 = dlog_w as it follows from the formula, at three sets of sizes
#   far 1 = log weights of -10000 and of +10000 nats give the same gradient as the same log weights near 0, in one batch too
# steps:
#   dlog_w = each of the two terms by itself: the logarithm, the mean and the power of an exponential in the first [IWAE.2], a plain mean in the second

# %% [vary]
def vary(rng):
    a, share = rng.choice(["0.4", "0.5", "0.6", "0.75", "1.5", "2", "3"]), rng.choice([0.2, 0.25, 0.4, 0.6, 0.75, 0.8])
    samples_first = {"axes": "(k, N)", "axis": "0", "of_l": "[l]", "top": "log_w.max(0)", "lift": "top", "draw": "L + 2, N", "level": "levels", "how": "one column per datum", "four": "4, 3"}
    data_first = {"axes": "(N, k)", "axis": "1", "of_l": "[:, l]", "top": "log_w.max(1, keepdims=True)", "lift": "top[:, 0]", "draw": "N, L + 2", "level": "levels[:, None]", "how": "one row per datum", "four": "3, 4"}
    return {"a": a, "share": f"{share:g}", "rest": f"{1 - share:.2g}"} | (samples_first, data_first)[rng.integers(2)]

# %% [markdown]
# Several samples of z per datum give bounds of other kinds than the ELBO. Let $w_l = p(x, z_l)/q(z_l|x)$ for $z_1,\dots,z_k$ drawn from $q(z|x)$.
# Between the ELBO and a mean of powers of the weights lies
#
# $$B = <<share>> \cdot \frac{1}{<<a>>} \log \frac1k \sum_{l=1}^k w_l^{<<a>>} \;+\; <<rest>> \cdot \frac1k \sum_{l=1}^k \log w_l .$$
#
# The program has the *logarithms* of the weights, `log_w` of shape <<axes>>: <<how>>, in nats, usually far below 0. The forward pass is given. It
# computes B of every datum without underflow and keeps `cache = log_w`.
#
# Write `power_bound_backward(dbound, cache)`. `dbound`, of shape (N,), is the derivative of the loss by the bound of each datum; return `dlog_w`, of
# shape <<axes>>. The result must be right for log weights of any size: np.exp(-1000) is 0, and so is that of any number below it.

# %% [given]
def power_bound_forward(log_w):
    """log_w <<axes>> -> bound (N,), cache."""
    top = <<top>>
    powers = <<lift>> + np.log(np.exp(<<a>> * (log_w - top)).mean(<<axis>>)) / <<a>>
    bound = <<share>> * powers + <<rest>> * log_w.mean(<<axis>>)
    cache = log_w
    return bound, cache

# %% [solution]
def power_bound_backward(dbound, cache):
    """dbound (N,), cache = log_w <<axes>> -> dlog_w <<axes>>."""
    ### BEGIN SOLUTION
    forward, log_w = power_bound_forward, cache
    dlog_w = np.empty(log_w.shape)
    for l in range(log_w.shape[<<axis>>]):  # a sample of all data at once: the complex step, exact to rounding
        moved = np.array(log_w, complex)
        moved<<of_l>> += 1e-30j
        dlog_w<<of_l>> = dbound * forward(moved)[0].imag / 1e-30
    return dlog_w
    ### END SOLUTION

# %% [check]
def inputs(rng, N, L):
    return (normal(rng, <<draw>>),)


def test_far(student, right, rng):
    log_w, dbound, levels = normal(rng, <<four>>), upstream(rng, 3), np.array([-10000, 0, 10000])
    want = right.power_bound_backward(dbound, power_bound_forward(log_w)[1])
    got = [student.power_bound_backward(dbound, power_bound_forward(log_w + level)[1]) for level in (-10000, 10000, <<level>>)]
    return same(got, [want] * 3, rtol=1e-9)

# %% [hints]
# 1. Take one datum. The second term is easy. In the first write w_l^<<a>> as e^(<<a>> log w_l), and differentiate from the outside in.
# 2. When all log weights of a datum rise by one nat, so does B: the entries of its gradient sum to dbound.
# 3. exp(<<a>> log_w) is 0 for all of them at -10000. Subtract the largest log weight of each datum first; the quotient does not change.

# %% [wrong] the power is lost: the weights themselves are normalised, as in the k-sample bound
# - forward, log_w = power_bound_forward, cache
# + log_w, above = cache, cache.max(<<axis>>, keepdims=True)
# + forward = lambda log_w: [<<share>> * np.log(np.exp(1 * (log_w - above)).mean(<<axis>>)) + <<rest>> * log_w.mean(<<axis>>)]

# %% [wrong] the 1/<<a>> in front of the logarithm is lost
# - forward, log_w = power_bound_forward, cache
# + log_w, above = cache, cache.max(<<axis>>, keepdims=True)
# + forward = lambda log_w: [<<share>> * np.log(np.exp(<<a>> * (log_w - above)).mean(<<axis>>)) + <<rest>> * log_w.mean(<<axis>>)]

# %% [wrong] the power is taken for a temperature: log w is divided by <<a>> in place of multiplied
# - forward, log_w = power_bound_forward, cache
# + log_w, above = cache, cache.max(<<axis>>, keepdims=True)
# + forward = lambda log_w: [<<share>> * <<a>> * np.log(np.exp(1 / <<a>> * (log_w - above)).mean(<<axis>>)) + <<rest>> * log_w.mean(<<axis>>)]

# %% [wrong] the worst sample gets the largest share: the sign in the exponent is turned
# - forward, log_w = power_bound_forward, cache
# + log_w, above = cache, cache.max(<<axis>>, keepdims=True)
# + forward = lambda log_w: [-<<share>> / <<a>> * np.log(np.exp(-<<a>> * (log_w - above)).mean(<<axis>>)) + <<rest>> * log_w.mean(<<axis>>)]

# %% [wrong] the second term is left out, and the first has the weight 1
# - forward, log_w = power_bound_forward, cache
# + log_w, above = cache, cache.max(<<axis>>, keepdims=True)
# + forward = lambda log_w: [np.log(np.exp(<<a>> * (log_w - above)).mean(<<axis>>)) / <<a>>]

# %% [wrong] the weights of the two terms are exchanged
# - forward, log_w = power_bound_forward, cache
# + log_w, above = cache, cache.max(<<axis>>, keepdims=True)
# + forward = lambda log_w: [<<rest>> / <<a>> * np.log(np.exp(<<a>> * (log_w - above)).mean(<<axis>>)) + <<share>> * log_w.mean(<<axis>>)]

# %% [wrong] every sample gets the same share: the gradient of the mean of the logarithms, which is the ELBO
# - forward, log_w = power_bound_forward, cache
# + log_w, above = cache, cache.max(<<axis>>, keepdims=True)
# + forward = lambda log_w: [log_w.mean(<<axis>>)]

# %% [wrong] the sum of the powers underflows: they are exponentiated before they are divided
# - forward, log_w = power_bound_forward, cache
# + forward, log_w = lambda log_w: [<<share>> / <<a>> * np.log(np.exp(<<a>> * log_w).mean(<<axis>>)) + <<rest>> * log_w.mean(<<axis>>)], cache

# %% [wrong] the 1/k of the mean is counted twice
# - return dlog_w
# + return dlog_w / log_w.shape[<<axis>>]

# %% [wrong] dbound is lost: every datum gets the gradient of the bound itself
# - forward, log_w = power_bound_forward, cache
# + forward, log_w, dbound = power_bound_forward, cache, 1

# %% [note]
# A power below 1 shares the gradient out more evenly than the k-sample bound, a power above 1 gives more of it to the best sample. The k-sample bound
# itself is the power 1: notebook 05.
