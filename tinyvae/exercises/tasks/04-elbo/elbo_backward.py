# %% [record]
# title: The ELBO backwards, from a blank page
# lab: 3.2
# kind: function
# lecture: D1 | Backpropagation on VAE; D2 | Amortization (3)
# notebook: 07
# equation: loss = -mean over n, l of [log p(x_n|z_nl) - KL_n],  z_nl = mu_n + sigma_n eps_nl
# tag: ELBO.2
# shapes: dloss (), cache of elbo_loss_forward -> a dict of gradients, names and shapes as in params
# lines: 20
# minutes: 40
# outputs: grads
# tests:
#   decoder 2 = the gradients of W3, b3, W2 and b2
#   heads 2 = the gradients of W_mu, b_mu, W_s and b_s
#   encoder 2 = the gradients of W1 and b1, where both heads meet
#   values 1 = all ten gradients, at three sets of sizes
#   gradient 1 = along a random direction in all weights the loss changes as the gradients say
# steps:
#   W3 = the minus and the mean over data and samples, once [LOSS.2]; the gradient by the logits [BER.2]; a weight serves all samples of all data [DENSE.2]
#   b3 = the minus and the mean over data and samples, once [LOSS.2]; the gradient by the logits [BER.2]; a weight serves all samples of all data [DENSE.2]
#   W2 = back through W3 and the tanh, for every sample of every datum [DENSE.2] [TANH.2]
#   b2 = back through W3 and the tanh, for every sample of every datum [DENSE.2] [TANH.2]
#   W_mu = mu stands in z, in L samples, and in the KL, which is the same for all samples of a datum [REP.2] [KL.2]
#   b_mu = mu stands in z, in L samples, and in the KL, which is the same for all samples of a datum [REP.2] [KL.2]
#   W_s = log sigma stands in z, in L samples, and in the KL, which is the same for all samples of a datum [REP.2] [KL.2]
#   b_s = log sigma stands in z, in L samples, and in the KL, which is the same for all samples of a datum [REP.2] [KL.2]
#   W1 = two heads read the same hidden units; their gradients meet there, behind the tanh [ENC.2] [TANH.2]
#   b1 = two heads read the same hidden units; their gradients meet there, behind the tanh [ENC.2] [TANH.2]

# %% [markdown]
# One page holds a whole training step of a VAE: a tanh layer and two heads, the sample, a tanh layer and the
# logits, the Bernoulli likelihood, the KL, the loss. Its forward pass is given below; write its backward pass, in
# plain NumPy: no function of the package, no loop over data or samples.
#
#     params:  W1 (D, H), b1 (H,)    W_mu (H, K), b_mu (K,)    W_s (H, K), b_s (K,)      the encoder
#              W2 (K, H), b2 (H,)    W3 (H, D), b3 (D,)                                  the decoder
#     x (N, D), pixels 0 or 1        eps (L, N, K), noise      loss: one number, nats per datum
#
# `elbo_backward(dloss, cache)` gets a number and the cache of `elbo_loss_forward`, and returns a dict with the
# gradient of every weight, under the names of `params`. x and eps are data and noise and need none. Read the
# forward pass from its last line to its first; write the shape of each gradient beside it.

# %% [given]
def elbo_loss_forward(x, eps, params):
    """loss = -mean over the batch and over L samples of log p(x|z) - KL(q(z|x) || N(0, I)), in nats per datum."""
    h1 = np.tanh(x @ params["W1"] + params["b1"])  # (N, H)
    mu = h1 @ params["W_mu"] + params["b_mu"]  # (N, K)
    log_sigma = h1 @ params["W_s"] + params["b_s"]  # (N, K)
    sigma = np.exp(log_sigma)
    z = mu + sigma * eps  # (L, N, K)
    h2 = np.tanh(z @ params["W2"] + params["b2"])  # (L, N, H)
    logits = h2 @ params["W3"] + params["b3"]  # (L, N, D)
    log_px = (x * logits - np.logaddexp(0, logits)).sum(-1)  # (L, N)
    kl = (sigma**2 + mu**2 - 1 - 2 * log_sigma).sum(-1) / 2  # (N,)
    loss = -np.mean(log_px - kl)
    cache = x, h1, mu, sigma, eps, z, h2, logits, params
    return loss, cache

# %% [solution]
def elbo_backward(dloss, cache):
    """dloss (), cache = (x, h1, mu, sigma, eps, z, h2, logits, params) -> {name: gradient, of the shape of params[name]}."""
    ### BEGIN SOLUTION
    x, h1, mu, sigma, eps, z, h2, logits, params = cache
    L, N = len(eps), len(x)
    dlog_px = -dloss / (L * N)  # the same number for every (l, n)
    dkl = dloss / N
    dlogits = dlog_px * (x - 1 / (1 + np.exp(-logits)))
    dh2 = dlogits @ params["W3"].T
    da2 = dh2 * (1 - h2**2)
    dz = da2 @ params["W2"].T
    dmu = dz.sum(0) + dkl * mu
    dlog_sigma = (dz * eps).sum(0) * sigma + dkl * (sigma**2 - 1)
    dh1 = dmu @ params["W_mu"].T + dlog_sigma @ params["W_s"].T
    da1 = dh1 * (1 - h1**2)
    grads = {}
    grads["W3"] = np.einsum("lnh,lnd->hd", h2, dlogits)
    grads["b3"] = dlogits.sum((0, 1))
    grads["W2"] = np.einsum("lnk,lnh->kh", z, da2)
    grads["b2"] = da2.sum((0, 1))
    grads["W_mu"] = h1.T @ dmu
    grads["b_mu"] = dmu.sum(0)
    grads["W_s"] = h1.T @ dlog_sigma
    grads["b_s"] = dlog_sigma.sum(0)
    grads["W1"] = x.T @ da1
    grads["b1"] = da1.sum(0)
    return grads
    ### END SOLUTION

# %% [check]
def weights(rng, K, D, H):
    shapes = {
        "W1": (D, H), "b1": (H,), "W_mu": (H, K), "b_mu": (K,), "W_s": (H, K), "b_s": (K,), "W2": (K, H), "b2": (H,), "W3": (H, D), "b3": (D,),
    }  # fmt: skip
    return {name: normal(rng, *shape) / (2 * np.sqrt(shape[0])) for name, shape in shapes.items()}


def data(rng, N, K, D, L):
    return (rng.random((N, D)) < 0.5).astype(float), normal(rng, L, N, K)


def inputs(rng, N, K, D, H, L):
    x, eps = data(rng, N, K, D, L)
    return 1.7, elbo_loss_forward(x, eps, weights(rng, K, D, H))[1]


def agree(student, right, rng, names):
    args = inputs(rng, 5, 3, 7, 4, 2)
    got, want = student.elbo_backward(*args), right.elbo_backward(*args)
    return all(same(got[name], want[name]) for name in names.split())


def test_decoder(student, right, rng):
    return agree(student, right, rng, "W3 b3 W2 b2")


def test_heads(student, right, rng):
    return agree(student, right, rng, "W_mu b_mu W_s b_s")


def test_encoder(student, right, rng):
    return agree(student, right, rng, "W1 b1")


def test_gradient(student, right, rng):
    (x, eps), params, direction = data(rng, 5, 3, 7, 2), weights(rng, 3, 7, 4), weights(rng, 3, 7, 4)
    grads = student.elbo_backward(1.0, elbo_loss_forward(x, eps, params)[1])
    step = 1e-5
    ends = [elbo_loss_forward(x, eps, {name: params[name] + s * direction[name] for name in params})[0] for s in (step, -step)]
    return abs((ends[0] - ends[1]) / (2 * step) - sum(np.sum(grads[name] * direction[name]) for name in params)) < 1e-8


# %% [hints]
# 1. Start with two numbers: by how much does the loss change per nat of log_px[l, n], and per nat of kl[n]? They
# have different signs and different denominators. After that no minus and no mean occurs again.
# 2. What is used several times collects a sum: a weight of the decoder over l and n, mu[n, k] over the L samples,
# a hidden unit of the encoder over the two heads.
# 3. mu and log_sigma have two paths to the loss: through z, and directly through the KL. Add them before you go
# back into the encoder. A matrix product that sums over l and n at once: `np.einsum("abi,abj->ij", u, v)`, or
# reshape both to two axes.

# %% [wrong] the KL's own gradient does not reach mu and log sigma
# - dmu = dz.sum(0) + dkl * mu
# + dmu = dz.sum(0)
# - dlog_sigma = (dz * eps).sum(0) * sigma + dkl * (sigma**2 - 1)
# + dlog_sigma = (dz * eps).sum(0) * sigma

# %% [wrong] the KL is divided by the number of samples too
# - dkl = dloss / N
# + dkl = dloss / (L * N)

# %% [wrong] the mean over the samples is taken for a sum
# - dlog_px = -dloss / (L * N)  # the same number for every (l, n)
# + dlog_px = -dloss / N

# %% [wrong] the minus of the loss is put before the KL too
# - dkl = dloss / N
# + dkl = -dloss / N

# %% [wrong] eps is missing from the gradient of log sigma
# - dlog_sigma = (dz * eps).sum(0) * sigma + dkl * (sigma**2 - 1)
# + dlog_sigma = dz.sum(0) * sigma + dkl * (sigma**2 - 1)

# %% [wrong] the chain rule from sigma to log sigma is left out
# - dlog_sigma = (dz * eps).sum(0) * sigma + dkl * (sigma**2 - 1)
# + dlog_sigma = (dz * eps).sum(0) + dkl * (sigma - 1 / sigma)

# %% [wrong] sigma is missing from what log sigma gets through z
# - dlog_sigma = (dz * eps).sum(0) * sigma + dkl * (sigma**2 - 1)
# + dlog_sigma = (dz * eps).sum(0) + dkl * (sigma**2 - 1)

# %% [wrong] the mean over the samples is taken once more where mu collects their gradients
# - dmu = dz.sum(0) + dkl * mu
# + dmu = dz.mean(0) + dkl * mu

# %% [wrong] the hidden units of the encoder get the gradient of the mean's head alone
# - dh1 = dmu @ params["W_mu"].T + dlog_sigma @ params["W_s"].T
# + dh1 = dmu @ params["W_mu"].T

# %% [wrong] what comes from above is left out
# - dlog_px = -dloss / (L * N)  # the same number for every (l, n)
# + dlog_px = -1 / (L * N)
# - dkl = dloss / N
# + dkl = 1 / N

# %% [wrong] the derivative of tanh is left out in the decoder
# - da2 = dh2 * (1 - h2**2)
# + da2 = dh2

# %% [note]
# In the package every line of this page is a call of a pair, in the same order: `elbo_terms_backward` in
# `tinyvae/bounds.py`. Whoever can write this page needs no automatic differentiation for a VAE.
