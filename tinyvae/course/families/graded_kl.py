# %% [vary]
def vary(rng):
    scale = rng.choice(data("scales.tsv"))
    m, s = rng.choice([-1.5, -1, -0.5, 0.5, 1, 1.5]), rng.choice([0.5, 0.7, 1.5, 2, 3])
    fixed = {
        "prior": f"$p(z) = N(m, s^2)$ with the same $m = {m:g}$ and the same standard deviation $s = {s:g}$ for every latent dimension",
        "more": "", "shapes": "", "drawn": "", "keep": "", "constants": f"m, s = {m:g}, {s:g}\n    ", "inside": f"m, s = {m:g}, {s:g}",
        "none": f"The prior is fixed: {m:g} and {s:g} are numbers of the program.", "index": "", "cached": "both have the shape (N, K)",
    }
    arrays = {
        "prior": r"$p(z) = N(m, \mathrm{diag}(s^2))$, where m and s are arrays of shape (K,), fixed in advance, and s holds standard deviations",
        "more": ", m, s", "shapes": "; m, s (K,)", "drawn": ", normal(rng, K), positive(rng, K)", "keep": ", m, s", "constants": "", "inside": "m, s = cache[2:]",
        "none": "The prior is fixed: m and s get no gradient.", "index": "_k", "cached": "mu and <<var>> have the shape (N, K), m and s (K,)",
    }
    return scale | (fixed, arrays)[rng.integers(2)]

# %% [record]
# title: The KL to another prior
# kind: backward
# lecture: D3 | Loss Function; D2 | [the second term: the KL divergence]
# notebook: 06a
# equation: KL(q || p) = sum_k [ln(s / sigma_k) + (sigma_k^2 + (mu_k - m)^2) / (2 s^2) - 1/2], q = N(mu, diag(sigma^2)), p = N(m, s^2)
# tag: KL.2
# shapes: dkl (N,); cache = mu, <<var>>, both (N, K)<<shapes>> -> dmu, d<<var>>, both (N, K)
# lines: 6
# minutes: 25
# forward: prior_kl_forward
# outputs: dmu d<<var>>
# wrt: mu <<var>>
# variant_of: kl_backward
# tests:
#   dmu 1 = dmu as the chain rule says
#   d<<var>> 2 = d<<var>> as the chain rule says
#   values 2 = both, at three sets of sizes
# steps:
#   dmu = only the squared distance of mu from m holds mu_nk: its derivative, times what comes from above to datum n [KL.2]
#   d<<var>> = two terms hold sigma: differentiate both by sigma_nk, then the step from sigma to <<var>>, times what comes from above to datum n [KL.2]

# %% [markdown]
# The encoder of a variational auto-encoder returns two numbers for every datum and every latent dimension, μ and $<<var>>$. The second is <<words>>:
#
# $$<<tex>> .$$
#
# So the posterior is $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$. The prior is <<prior>>. The KL divergence of a datum, in nats, is
#
# $$\mathrm{KL}(q\,\|\,p) = \sum_k \left[\ln\frac{s<<index>>}{\sigma_k} + \frac{\sigma_k^2 + (\mu_k - m<<index>>)^2}{2 s<<index>>^2} - \frac12\right] .$$
#
# Its forward pass is given. Write the backward pass, `prior_kl_backward(dkl, cache)`:
#
# - `dkl`, of shape (N,), is the derivative of the loss by the KL of each datum. It comes from above and may be any number.
# - `cache = (mu, <<var>><<keep>>)` holds the inputs of the forward pass; <<cached>>.
#
# Return `dmu, d<<var>>`, both of shape (N, K): the derivatives of the loss by μ and by $<<var>>$, which is neither σ nor σ². <<none>>

# %% [given]
def prior_kl_forward(mu, <<var>><<more>>):
    """mu, <<var>> (N, K)<<shapes>> -> kl (N,) in nats, cache."""
    <<constants>>sigma = <<sigma>>
    kl = (np.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - 0.5).sum(1)
    cache = mu, <<var>><<keep>>
    return kl, cache

# %% [solution]
def prior_kl_backward(dkl, cache):
    """dkl (N,); cache = mu, <<var>>, both (N, K)<<shapes>> -> dmu, d<<var>>, both (N, K)."""
    ### BEGIN SOLUTION
    forward, inputs = prior_kl_forward, cache

    def slope(n):  # the gradient by the n-th input, a column of all data at once: the complex step, exact to rounding
        grad = np.empty(inputs[n].shape)
        for k in range(grad.shape[1]):
            moved = [np.array(a, complex) for a in inputs]
            moved[n][:, k] += 1e-30j
            grad[:, k] = dkl * forward(*moved)[0].imag / 1e-30
        return grad

    dmu, d<<var>> = slope(0), slope(1)
    return dmu, d<<var>>
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), log_scale(rng, N, K)<<drawn>>


def agree(student, right, rng, n):
    args = upstream(rng, 5), prior_kl_forward(*inputs(rng, 5, 3))[1]
    return same(student.prior_kl_backward(*args)[n], right.prior_kl_backward(*args)[n])


def test_dmu(student, right, rng):
    return agree(student, right, rng, 0)


def test_d<<var>>(student, right, rng):
    return agree(student, right, rng, 1)

# %% [hints]
# 1. Take one datum and one latent dimension. Which terms hold μ, and which hold σ?
# 2. Differentiate by σ first. Then find dσ/d<<var>> from the formula for σ, on paper: it is one more factor.
# 3. dkl has the shape (N,), μ has (N, K): give dkl a last axis of length 1 before the two are multiplied.

# %% [wrong] d<<var>> is the derivative by sigma: the step from sigma to <<var>> is missing
# - return dmu, d<<var>>
# + <<var>> = inputs[1] + 1e-30j
# + return dmu, d<<var>> / ((<<sigma>>).imag / 1e-30)

# %% [wrong] d<<var>> is the derivative by log sigma, as if the encoder returned that
# - return dmu, d<<var>>
# + <<var>> = inputs[1] + 1e-30j
# + return dmu, d<<var>> * (<<sigma>>).real / ((<<sigma>>).imag / 1e-30)

# %% [wrong] the derivative of the logarithm, -ln sigma, is missing
# - forward, inputs = prior_kl_forward, cache
# + <<inside>>
# + forward, inputs = lambda mu, <<var>>, *prior: [(((<<sigma>>) ** 2 + (mu - m) ** 2) / (2 * s**2)).sum(1)], cache

# %% [wrong] sigma stands where its square, the variance, belongs
# - forward, inputs = prior_kl_forward, cache
# + <<inside>>
# + forward, inputs = lambda mu, <<var>>, *prior: [(np.log(s / (<<sigma>>)) + (<<sigma>> + (mu - m) ** 2) / (2 * s**2)).sum(1)], cache

# %% [wrong] the 1/2 is lost at the squares, while the logarithm is right
# - forward, inputs = prior_kl_forward, cache
# + <<inside>>
# + forward, inputs = lambda mu, <<var>>, *prior: [(np.log(s / (<<sigma>>)) + ((<<sigma>>) ** 2 + (mu - m) ** 2) / s**2).sum(1)], cache

# %% [wrong] s is taken for the variance of the prior
# - forward, inputs = prior_kl_forward, cache
# + <<inside>>
# + forward, inputs = lambda mu, <<var>>, *prior: [(np.log(s / (<<sigma>>)) + ((<<sigma>>) ** 2 + (mu - m) ** 2) / (2 * s)).sum(1)], cache

# %% [wrong] the prior's spread s is left out, as if it were 1
# - forward, inputs = prior_kl_forward, cache
# + <<inside>>
# + forward, inputs = lambda mu, <<var>>, *prior: [(((<<sigma>>) ** 2 + (mu - m) ** 2) / 2 - np.log(<<sigma>>)).sum(1)], cache

# %% [wrong] the prior's mean is left out: mu is pulled to 0
# - forward, inputs = prior_kl_forward, cache
# + <<inside>>
# + forward, inputs = lambda mu, <<var>>, *prior: [(np.log(s / (<<sigma>>)) + ((<<sigma>>) ** 2 + mu**2) / (2 * s**2)).sum(1)], cache

# %% [wrong] the sign of d<<var>> is reversed
# - return dmu, d<<var>>
# + return dmu, -d<<var>>

# %% [wrong] dkl is lost: every datum gets the gradient of the KL itself
# - forward, inputs = prior_kl_forward, cache
# + forward, inputs, dkl = prior_kl_forward, cache, 1

# %% [wrong] the gradients are divided by N here; the mean over the batch belongs to the loss, whose share is in dkl already
# - return dmu, d<<var>>
# + return dmu / len(dmu), d<<var>> / len(dmu)

# %% [note]
# The KL pulls μ to the prior's mean, the harder the narrower the prior, and σ to s. What $<<var>>$ feels of it is scaled by dσ/d<<var>>. Notebook 06a,
# section 6, has the two parametrisations that are usual.
