# %% [record]
# title: The ELBO backwards, with other parts
# kind: function
# lecture: D1 | Backpropagation on VAE; D2 | Amortization (3)
# notebook: 07
# equation: loss = -mean over n, l of [log p(x_n|z_nl) - KL_n],  z_nl = mu_n + sigma_n eps_nl,  sigma^2 = exp(log_var)
# tag: -
# shapes: dloss (), cache of gaussian_elbo_forward -> a dict of gradients, names and shapes as in params
# lines: 20
# minutes: 40
# outputs: grads
# variant_of: elbo_backward
# tests:
#   decoder 2 = the gradients of W3, b3, W2 and b2
#   heads 2 = the gradients of W_mu, b_mu, W_v and b_v
#   encoder 2 = the gradients of W1 and b1, where both heads meet
#   values 1 = all ten gradients, at three sets of sizes
#   gradient 1 = along a random direction in all weights the loss changes as the gradients say
# steps:
#   W3 = the minus and the mean over data and samples, once; the gradient of a Gaussian by its mean; a weight serves all samples of all data
#   b3 = the minus and the mean over data and samples, once; the gradient of a Gaussian by its mean; a weight serves all samples of all data
#   W2 = back through W3 and the tanh, for every sample of every datum
#   b2 = back through W3 and the tanh, for every sample of every datum
#   W_mu = mu stands in z, in L samples, and in the KL, which is the same for all samples of a datum
#   b_mu = mu stands in z, in L samples, and in the KL, which is the same for all samples of a datum
#   W_v = log_var stands in z, in L samples, and in the KL; on both ways there is a factor between sigma and log_var
#   b_v = log_var stands in z, in L samples, and in the KL; on both ways there is a factor between sigma and log_var
#   W1 = two heads read the same hidden units; their gradients meet there, behind the ReLU
#   b1 = two heads read the same hidden units; their gradients meet there, behind the ReLU

# %% [markdown]
# The same page as in the lecture with other parts: a ReLU in the encoder, a head that puts out the log of the
# VARIANCE, and Gaussian pixels with a fixed variance $\eta$ = `ETA`. Its forward pass is given below; write its
# backward pass, in plain NumPy: no function of the package, no loop over data or samples.
#
#     params:  W1 (D, H), b1 (H,)    W_mu (H, K), b_mu (K,)    W_v (H, K), b_v (K,)      the encoder
#              W2 (K, H), b2 (H,)    W3 (H, D), b3 (D,)                                  the decoder
#     x (N, D), real numbers         eps (L, N, K), noise      loss: one number, nats per datum
#
# `gaussian_elbo_backward(dloss, cache)` gets a number and the cache of `gaussian_elbo_forward`, and returns a
# dict with the gradient of every weight, under the names of `params`. x and eps are data and noise and need none.

# %% [given]
ETA = 0.3  # variance of a pixel


def gaussian_elbo_forward(x, eps, params):
    """loss = -mean over the batch and over L samples of log p(x|z) - KL(q(z|x) || N(0, I)), in nats per datum."""
    h1 = np.maximum(x @ params["W1"] + params["b1"], 0)  # (N, H)
    mu = h1 @ params["W_mu"] + params["b_mu"]  # (N, K)
    log_var = h1 @ params["W_v"] + params["b_v"]  # (N, K), log sigma^2
    sigma = np.exp(log_var / 2)
    z = mu + sigma * eps  # (L, N, K)
    h2 = np.tanh(z @ params["W2"] + params["b2"])  # (L, N, H)
    mean = h2 @ params["W3"] + params["b3"]  # (L, N, D)
    log_px = -((x - mean) ** 2 / ETA + np.log(2 * np.pi * ETA)).sum(-1) / 2  # (L, N)
    kl = (sigma**2 + mu**2 - 1 - log_var).sum(-1) / 2  # (N,)
    loss = -np.mean(log_px - kl)
    cache = x, h1, mu, sigma, eps, z, h2, mean, params
    return loss, cache

# %% [solution]
def gaussian_elbo_backward(dloss, cache):
    """dloss (), cache = (x, h1, mu, sigma, eps, z, h2, mean, params) -> {name: gradient, of the shape of params[name]}."""
    ### BEGIN SOLUTION
    x, h1, mu, sigma, eps, z, h2, mean, params = cache
    L, N = len(eps), len(x)
    dlog_px = -dloss / (L * N)  # the same number for every (l, n)
    dkl = dloss / N
    dmean = dlog_px * (x - mean) / ETA
    dh2 = dmean @ params["W3"].T
    da2 = dh2 * (1 - h2**2)
    dz = da2 @ params["W2"].T
    dmu = dz.sum(0) + dkl * mu
    dlog_var = (dz * eps).sum(0) * sigma / 2 + dkl * (sigma**2 - 1) / 2
    dh1 = dmu @ params["W_mu"].T + dlog_var @ params["W_v"].T
    da1 = dh1 * (h1 > 0)
    grads = {}
    grads["W3"] = np.einsum("lnh,lnd->hd", h2, dmean)
    grads["b3"] = dmean.sum((0, 1))
    grads["W2"] = np.einsum("lnk,lnh->kh", z, da2)
    grads["b2"] = da2.sum((0, 1))
    grads["W_mu"] = h1.T @ dmu
    grads["b_mu"] = dmu.sum(0)
    grads["W_v"] = h1.T @ dlog_var
    grads["b_v"] = dlog_var.sum(0)
    grads["W1"] = x.T @ da1
    grads["b1"] = da1.sum(0)
    return grads
    ### END SOLUTION

# %% [check]
def weights(rng, K, D, H):
    shapes = {
        "W1": (D, H), "b1": (H,), "W_mu": (H, K), "b_mu": (K,), "W_v": (H, K), "b_v": (K,), "W2": (K, H), "b2": (H,), "W3": (H, D), "b3": (D,),
    }  # fmt: skip
    return {name: normal(rng, *shape) / (2 * np.sqrt(shape[0])) for name, shape in shapes.items()}


def data(rng, N, K, D, L):
    return normal(rng, N, D), normal(rng, L, N, K)


def inputs(rng, N, K, D, H, L):
    x, eps = data(rng, N, K, D, L)
    return 1.7, gaussian_elbo_forward(x, eps, weights(rng, K, D, H))[1]


def agree(student, right, rng, names):
    args = inputs(rng, 5, 3, 7, 4, 2)
    got, want = student.gaussian_elbo_backward(*args), right.gaussian_elbo_backward(*args)
    return all(same(got[name], want[name]) for name in names.split())


def test_decoder(student, right, rng):
    return agree(student, right, rng, "W3 b3 W2 b2")


def test_heads(student, right, rng):
    return agree(student, right, rng, "W_mu b_mu W_v b_v")


def test_encoder(student, right, rng):
    return agree(student, right, rng, "W1 b1")


def test_gradient(student, right, rng):
    (x, eps), params, direction = data(rng, 5, 3, 7, 2), weights(rng, 3, 7, 4), weights(rng, 3, 7, 4)
    while np.abs(x @ params["W1"] + params["b1"]).min() < 1e-3:  # so near its kink a hidden unit has no differences to compare with
        params = weights(rng, 3, 7, 4)
    grads = student.gaussian_elbo_backward(1.0, gaussian_elbo_forward(x, eps, params)[1])
    step = 1e-5
    ends = [gaussian_elbo_forward(x, eps, {name: params[name] + s * direction[name] for name in params})[0] for s in (step, -step)]
    return abs((ends[0] - ends[1]) / (2 * step) - sum(np.sum(grads[name] * direction[name]) for name in params)) < 1e-8


# %% [hints]
# 1. Start with two numbers: by how much does the loss change per nat of log_px[l, n], and per nat of kl[n]? After
# that no minus and no mean occurs again.
# 2. sigma = exp(log_var / 2): what is its derivative by log_var? And that of sigma^2?
# 3. What is used several times collects a sum: a weight of the decoder over l and n, mu[n, k] over the L samples,
# a hidden unit of the encoder over the two heads. A hidden unit that the ReLU has set to 0 sends nothing back.

# %% [wrong] log_var is treated as log sigma on the way through z
# - dlog_var = (dz * eps).sum(0) * sigma / 2 + dkl * (sigma**2 - 1) / 2
# + dlog_var = (dz * eps).sum(0) * sigma + dkl * (sigma**2 - 1) / 2

# %% [wrong] log_var is treated as log sigma in the KL
# - dlog_var = (dz * eps).sum(0) * sigma / 2 + dkl * (sigma**2 - 1) / 2
# + dlog_var = (dz * eps).sum(0) * sigma / 2 + dkl * (sigma**2 - 1)

# %% [wrong] exp(log_var) stands in the place of sigma on the way through z
# - dlog_var = (dz * eps).sum(0) * sigma / 2 + dkl * (sigma**2 - 1) / 2
# + dlog_var = (dz * eps).sum(0) * sigma**2 / 2 + dkl * (sigma**2 - 1) / 2

# %% [wrong] the KL's own gradient does not reach mu and log_var
# - dmu = dz.sum(0) + dkl * mu
# + dmu = dz.sum(0)
# - dlog_var = (dz * eps).sum(0) * sigma / 2 + dkl * (sigma**2 - 1) / 2
# + dlog_var = (dz * eps).sum(0) * sigma / 2

# %% [wrong] eta is left out: the gradient is that of half the squared error
# - dmean = dlog_px * (x - mean) / ETA
# + dmean = dlog_px * (x - mean)

# %% [wrong] the KL is divided by the number of samples too
# - dkl = dloss / N
# + dkl = dloss / (L * N)

# %% [wrong] the derivative of a tanh is used where the encoder has a ReLU
# - da1 = dh1 * (h1 > 0)
# + da1 = dh1 * (1 - h1**2)

# %% [wrong] the ReLU is left out on the way back
# - da1 = dh1 * (h1 > 0)
# + da1 = dh1

# %% [wrong] the hidden units of the encoder get the gradient of the mean's head alone
# - dh1 = dmu @ params["W_mu"].T + dlog_var @ params["W_v"].T
# + dh1 = dmu @ params["W_mu"].T

# %% [note]
# Many programs put out log_var. Either is right, as long as the sample, the KL and both gradients mean the same
# by it; a name that lies costs a factor 2 somewhere.
