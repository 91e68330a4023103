# %% [record]
# title: Another distance to the prior
# kind: pair
# lecture: D3 | Loss Function; D2 | [the second term: the KL divergence]
# notebook: 06a
# equation: D = sum_k <<plain>>
# tag: -
# shapes: mu, <<var>> (N, K), m, s (K,) -> dist (N,); ddist (N,) -> dmu, d<<var>>, both (N, K)
# lines: 10
# minutes: 30
# outputs: dmu d<<var>>
# wrt: mu <<var>>
# variant_of: kl_to_prior
# tests:
#   forward 2 = the distance is right, at three sets of sizes
#   dmu 1 = dmu as the chain rule says, behind your own forward pass
#   values 3 = dmu and d<<var>> as the chain rule says, behind your own forward pass, at three sets of sizes
# steps:
#   forward = sigma from <<var>> first; then the formula, and the sum over K
#   dmu = only the squared distance of mu from m holds mu_nk: its derivative, times what comes from above to datum n
#   d<<var>> = mark every place where sigma stands; differentiate by sigma_nk, then the step from sigma to <<var>>, times what comes from above to datum n

# %% [vary]
def vary(rng):
    w, rest = rng.choice([("0.25", "0.75"), ("0.4", "0.6"), ("0.6", "0.4"), ("0.75", "0.25")])
    distance = rng.choice([
        {"name": "the KL divergence the other way round, KL(p || q)", "code": "np.log(sigma / s) + (s**2 + gap**2) / (2 * sigma**2) - 0.5",
         "formula": r"\ln\frac{\sigma_k}{s_k} + \frac{s_k^2 + (\mu_k - m_k)^2}{2\sigma_k^2} - \frac12", "plain": "[ln(sigma / s) + (s^2 + (mu - m)^2) / (2 sigma^2) - 1/2]"},
        {"name": "the sum of the KL divergences in both directions", "code": "(sigma**2 + gap**2) / (2 * s**2) + (s**2 + gap**2) / (2 * sigma**2) - 1",
         "formula": r"\frac{\sigma_k^2 + (\mu_k - m_k)^2}{2 s_k^2} + \frac{s_k^2 + (\mu_k - m_k)^2}{2\sigma_k^2} - 1",
         "plain": "[(sigma^2 + (mu - m)^2) / (2 s^2) + (s^2 + (mu - m)^2) / (2 sigma^2) - 1]"},
        {"name": "the distance of Bhattacharyya", "code": "gap**2 / (4 * (sigma**2 + s**2)) + np.log((sigma**2 + s**2) / (2 * sigma * s)) / 2",
         "formula": r"\frac{(\mu_k - m_k)^2}{4(\sigma_k^2 + s_k^2)} + \frac12 \ln\left(\frac{\sigma_k^2 + s_k^2}{2\sigma_k s_k}\right)",
         "plain": "[(mu - m)^2 / (4 (sigma^2 + s^2)) + 1/2 ln((sigma^2 + s^2) / (2 sigma s))]"},
        {"name": f"the divergence of Rényi of the order {w}", "code": f"np.log(s / sigma) + np.log(mixed / s**2) / (2 * {rest}) + {w} * gap**2 / (2 * mixed)",
         "formula": rf"\ln\frac{{s_k}}{{\sigma_k}} + \frac{{1}}{{2 \cdot {rest}}} \ln\left(\lambda_k / s_k^2\right) + \frac{{{w}\,(\mu_k - m_k)^2}}{{2 \lambda_k}}",
         "plain": f"[ln(s / sigma) + 1 / (2 {rest}) ln(lambda / s^2) + {w} (mu - m)^2 / (2 lambda)], lambda = {w} s^2 + {rest} sigma^2",
         "more": f"mixed = {w} * s**2 + {rest} * sigma**2\n    ", "with": rf"Here $\lambda_k = {w}\, s_k^2 + {rest}\,\sigma_k^2$. "},
    ])
    return {"more": "", "with": "", "order": w} | rng.choice(data("scales.tsv")) | distance

# %% [markdown]
# What keeps the posterior near the prior need not be $\mathrm{KL}(q\,\|\,p)$. For every datum and every latent dimension the encoder returns μ and
# $<<var>>$, <<words>>: $<<tex>>$. The posterior is $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$, the prior $p(z) = N(m, \mathrm{diag}(s^2))$, where m and s
# are arrays of shape (K,), fixed in advance, and s holds standard deviations. Take <<name>>, which for two Gaussians is
#
# $$D = \sum_k \left[<<formula>>\right] .$$
#
# <<with>>Derive its derivatives by μ and $<<var>>$. Then write the pair:
#
# - `distance_forward(mu, <<var>>, m, s)` returns `dist, cache`: D of each datum, of shape (N,), and a cache of your own. mu and <<var>> have the
#   shape (N, K).
# - `distance_backward(ddist, cache)` returns `dmu, d<<var>>`, both of shape (N, K). `ddist`, of shape (N,), is the derivative of the loss by D of
#   each datum. The prior is fixed: m and s get no gradient.
#
# Check it yourself before you hand it in. Where q is the prior, D must be 0; and
# `check(distance_forward, distance_backward, mu, <<var>>, m, s, wrt=("mu", "<<var>>"))`, from tinyvae, compares your gradients with differences.

# %% [solution]
def distance_forward(mu, <<var>>, m, s):
    """mu, <<var>> (N, K); m, s (K,) -> dist (N,), cache."""
    ### BEGIN SOLUTION
    sigma, gap = <<sigma>>, mu - m
    <<more>>dist = (<<code>>).sum(1)
    cache = mu, <<var>>, m, s
    return dist, cache
    ### END SOLUTION


def distance_backward(ddist, cache):
    """ddist (N,) -> dmu, d<<var>>, both (N, K)."""
    ### BEGIN SOLUTION
    forward, inputs = distance_forward, cache

    def slope(n):  # the gradient by the n-th input, a column of all data at once: the complex step, exact to rounding
        grad = np.empty(inputs[n].shape)
        for k in range(grad.shape[1]):
            moved = [np.array(a, complex) for a in inputs]
            moved[n][:, k] += 1e-30j
            grad[:, k] = ddist * forward(*moved)[0].imag / 1e-30
        return grad

    dmu, d<<var>> = slope(0), slope(1)
    return dmu, d<<var>>
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), log_scale(rng, N, K), normal(rng, K), positive(rng, K)


def test_dmu(student, right, rng):
    args, ddist = inputs(rng, 5, 3), upstream(rng, 5)
    got, want = (space.distance_backward(ddist, space.distance_forward(*args)[1])[0] for space in (student, right))
    return same(got, want)

# %% [hints]
# 1. Write the forward pass line by line, and below each line its derivative by what stands on its right. One dimension is enough.
# 2. σ stands in more than one place. Differentiate each place by σ, add, and multiply by dσ/d<<var>> once, at the end.
# 3. ddist has the shape (N,), the gradients (N, K): give it a last axis of length 1 before you multiply.

# %% [wrong] d<<var>> is the derivative by sigma: the step from sigma to <<var>> is missing
# - return dmu, d<<var>>
# + <<var>> = inputs[1] + 1e-30j
# + return dmu, d<<var>> / ((<<sigma>>).imag / 1e-30)

# %% [wrong] sigma is taken for the variance: its root stands in its place
# - sigma, gap = <<sigma>>, mu - m
# + sigma, gap = np.sqrt(<<sigma>>), mu - m

# %% [wrong] s is taken for the variance of the prior
# - sigma, gap = <<sigma>>, mu - m
# + sigma, gap, s = <<sigma>>, mu - m, np.sqrt(s)

# %% [wrong] it is KL(q || p), the divergence that the ELBO has
# - dist = (<<code>>).sum(1)
# + dist = (np.log(s / sigma) + (sigma**2 + gap**2) / (2 * s**2) - 0.5).sum(1)

# %% [wrong] the prior's mean is left out
# - sigma, gap = <<sigma>>, mu - m
# + sigma, gap = <<sigma>>, mu

# %% [wrong] the mean over the latent dimensions is taken where the sum belongs
# - dist = (<<code>>).sum(1)
# + dist = (<<code>>).mean(1)

# %% [wrong] the sign of dmu is reversed
# - return dmu, d<<var>>
# + return -dmu, d<<var>>

# %% [wrong] ddist is lost: every datum gets the gradient of the distance itself
# - forward, inputs = distance_forward, cache
# + forward, inputs, ddist = distance_forward, cache, 1

# %% [note]
# Only KL(q || p) makes the loss a bound of log p(x). Other distances train auto-encoders too, and the number that they minimise bounds nothing.
