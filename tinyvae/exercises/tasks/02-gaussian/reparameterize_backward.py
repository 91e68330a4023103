# %% [record]
# title: Back through the sample
# lab: 1.2
# kind: backward
# trains: yes
# lecture: D2 | Reparameterization Trick; D3 | Reparameterization Trick; D4 | Implementation
# notebook: 07
# equation: z = mu + sigma * eps, sigma = exp(log_sigma)
# tag: REP.2
# shapes: dz (N, K) or (L, N, K); cache = sigma (N, K), eps of the shape of dz -> dmu, dlog_sigma, both (N, K)
# lines: 4
# minutes: 20
# solution: tinyvae.gaussian:reparameterize_backward
# forward: tinyvae.gaussian:reparameterize_forward
# outputs: dmu dlog_sigma
# wrt: mu log_sigma
# tests:
#   values 2 = dmu and dlog_sigma as the chain rule says, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   samples 1 = the same with L samples for each datum: the gradients have the shape (N, K)
# steps:
#   dmu = the derivative of z by mu with eps held fixed; over L samples, all of them [REP.2]
#   dlog_sigma = first by sigma, with eps held fixed, then the step from sigma to log sigma; over L samples, all of them [REP.2]

# %% [markdown]
# A variational auto-encoder draws its latent z at random from $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$, and yet its encoder is trained by
# backpropagation. What makes it possible: the noise is an *input*, drawn outside, and the rest is arithmetic,
#
# $$z = \mu + \sigma\,\varepsilon, \qquad \sigma = e^{\log\sigma}, \qquad \varepsilon \sim N(0, I),$$
#
# entry by entry. μ and log σ are the encoder's outputs, of shape (N, K): N data, K latent dimensions; σ is a standard deviation. Write the way
# back: `reparameterize_backward(dz, cache)`.
#
# What it gets:
#
# - `dz`, the derivative of the loss by z, of the shape of z. It comes from above, from the decoder.
# - `cache = (sigma, eps)`, what the forward pass kept: σ of shape (N, K), and the ε of that forward pass, of the shape of z.
#
# What it returns: `dmu, dlog_sigma`, both of shape (N, K): the derivatives of the loss by μ and by log σ. The variable is log σ (natural logarithm),
# for it is what the encoder returns. ε is held fixed and gets no gradient.
#
# Usually z, ε and dz have the shape (N, K). With L samples for each datum they have the shape (L, N, K), and one μ and one σ serve all L samples:
#
# $$z_{lnk} = \mu_{nk} + \sigma_{nk}\,\varepsilon_{lnk} .$$
#
# Your function should work for both; begin with (N, K).

# %% [check]
def inputs(rng, N, K):
    return normal(rng, N, K), log_scale(rng, N, K), normal(rng, N, K)


def test_samples(student, right, rng):
    sigma, eps, dz = np.exp(log_scale(rng, 5, 3)), normal(rng, 4, 5, 3), upstream(rng, 4, 5, 3)
    return same(student.reparameterize_backward(dz, (sigma, eps)), right.reparameterize_backward(dz, (sigma, eps)))

# %% [hints]
# 1. Hold ε fixed. How much does z change if μ rises by a little? If σ rises by a little?
# 2. The chain from log σ to z has two steps: from log σ to σ, and from σ to z. The derivative of e^v by v is e^v.
# 3. With L samples, μ_nk stands in L entries of z, and the loss depends on all of them. `if dz.ndim == 3` or the shape of sigma tells the cases
#    apart.

# %% [wrong] dlog_sigma is the derivative by sigma: a factor sigma is lost
# - dlog_sigma = sigma * dsigma
# + dlog_sigma = dsigma

# %% [wrong] dlog_sigma is multiplied by sigma a second time
# - dlog_sigma = sigma * dsigma
# + dlog_sigma = sigma * sigma * dsigma

# %% [wrong] the noise is lost: dlog_sigma is dz times sigma
# - dsigma = dz * eps
# + dsigma = dz

# %% [wrong] the noise is drawn anew in the backward pass, where that of the forward pass belongs
# - sigma, eps = cache
# + sigma, eps = cache
# + eps = np.random.default_rng(1).standard_normal(eps.shape)

# %% [wrong] dmu is multiplied by sigma, though mu is added to z as it is
# - dmu = dz
# + dmu = dz * sigma

# %% [wrong] dlog_sigma is half as large: log sigma is taken for the logarithm of the variance
# - dlog_sigma = sigma * dsigma
# + dlog_sigma = sigma * dsigma / 2

# %% [wrong] = samples_not_summed

# %% [wrong] the mean over the L samples is taken where their sum belongs
def reparameterize_backward(dz, cache):
    sigma, eps = cache
    dmu, dlog_sigma = dz, sigma * dz * eps
    if dz.ndim == 3:
        dmu, dlog_sigma = dmu.mean(0), dlog_sigma.mean(0)
    return dmu, dlog_sigma

# %% [note]
# μ gets what z gets, and log σ the same times how far the noise has carried z away from μ. The pair is [REP.1], [REP.2] in tinyvae/gaussian.py;
# notebook 07 derives it and compares it with gradients that use values of the loss alone.
