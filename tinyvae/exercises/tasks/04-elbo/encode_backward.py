# %% [record]
# title: Two heads, two terms
# kind: function
# lecture: D0 | Encoder Network for Amortised Inference; D1 | Backpropagation on VAE
# notebook: 07
# equation: h = tanh(x W + b),  (mu, log_sigma) = h V + c, side by side
# tag: ENC.2
# shapes: through_z = (dmu, dlog_sigma), through_kl = (dmu, dlog_sigma), each (N, K); x (N, D), h (N, H), V (H, 2K) -> dW (D, H), db (H,), dV (H, 2K), dc (2K,)
# lines: 7
# minutes: 20
# outputs: dW db dV dc
# tests:
#   values 2 = the four gradients, at three sets of sizes
#   last_layer 1 = dV and dc: the two heads side by side, both terms added
#   gradient 1 = differences of a whole encoder with both terms agree
# steps:
#   dmu = mu stands in both terms: what comes through z and what comes through the KL are added; so for log sigma [ELBO.2]
#   dV = the two heads are the two halves of one layer's output [DENSE.2]
#   dW = back through V and the tanh [DENSE.2] [TANH.2]

# %% [markdown]
# The encoder puts out mu and log sigma side by side, as the two halves of one layer:
#
#     h = tanh(x W + b)                 x (N, D), W (D, H), b (H,), h (N, H)
#     y = h V + c                       V (H, 2K), c (2K,), y (N, 2K)
#     mu, log_sigma = y[:, :K], y[:, K:]
#
# mu and log sigma stand in both terms of the loss: in the KL, and through z in the reconstruction. So two
# gradients arrive for each. Write `encode_backward(through_z, through_kl, cache)`: `through_z` and `through_kl`
# are pairs (dmu, dlog_sigma) of shape (N, K), the cache is `(x, h, V)`; return `(dW, db, dV, dc)`. x is data and
# gets no gradient.

# %% [solution]
def encode_backward(through_z, through_kl, cache):
    """through_z, through_kl: pairs (dmu, dlog_sigma), each (N, K); cache = (x, h, V) -> dW (D, H), db (H,), dV (H, 2K), dc (2K,)."""
    ### BEGIN SOLUTION
    x, h, V = cache
    dmu = through_z[0] + through_kl[0]
    dlog_sigma = through_z[1] + through_kl[1]
    dy = np.concatenate([dmu, dlog_sigma], axis=1)
    dh = dy @ V.T
    da = dh * (1 - h**2)
    return x.T @ da, da.sum(0), h.T @ dy, dy.sum(0)
    ### END SOLUTION

# %% [check]
def encode(x, W, b, V, c):
    h = np.tanh(x @ W + b)
    return h, h @ V + c


def inputs(rng, N, K, D, H):
    x, W, V = normal(rng, N, D), normal(rng, D, H) / 3, normal(rng, H, 2 * K)
    pairs = [(upstream(rng, N, K), upstream(rng, N, K)) for _ in range(2)]
    return *pairs, (x, encode(x, W, np.zeros(H), V, 0)[0], V)


def test_last_layer(student, right, rng):
    args = inputs(rng, 5, 3, 7, 4)
    return same(list(student.encode_backward(*args))[2:], list(right.encode_backward(*args))[2:])


def test_gradient(student, right, rng):
    N, K, D, H = 5, 3, 7, 4
    x, weights = normal(rng, N, D), (normal(rng, D, H) / 3, normal(rng, H), normal(rng, H, 2 * K), normal(rng, 2 * K))
    eps, target = normal(rng, N, K), normal(rng, N, K)

    def loss(*weights):
        _, y = encode(x, *weights)
        mu, sigma = y[:, :K], np.exp(y[:, K:])
        kl = (mu**2 + sigma**2 - 1 - 2 * y[:, K:]).sum() / 2
        return ((mu + sigma * eps - target) ** 2).sum() / 2 + kl

    h, y = encode(x, *weights)
    mu, sigma = y[:, :K], np.exp(y[:, K:])
    dz = mu + sigma * eps - target
    grads = student.encode_backward((dz, dz * sigma * eps), (mu, sigma**2 - 1), (x, h, weights[2]))
    directions, step = [normal(rng, *w.shape) for w in weights], 1e-6
    ends = [loss(*(w + s * d for w, d in zip(weights, directions))) for s in (step, -step)]
    slope = sum(np.sum(g * d) for g, d in zip(grads, directions, strict=True))
    return abs((ends[0] - ends[1]) / (2 * step) - slope) < 1e-6 * max(1, abs(slope))


# %% [hints]
# 1. A variable that is used twice collects the sum of both gradients. Do that first; then there is one dmu and
# one dlog_sigma.
# 2. y was cut into two halves; backward puts the gradients of the halves together again, in the same order.
# 3. From dy on it is a dense layer, a tanh and a dense layer. The cache holds h, the tanh's output.

# %% [wrong] what comes through the KL is left out
# - dmu = through_z[0] + through_kl[0]
# + dmu = through_z[0]
# - dlog_sigma = through_z[1] + through_kl[1]
# + dlog_sigma = through_z[1]

# %% [wrong] what comes through z is left out: the encoder hears of the prior alone
# - dmu = through_z[0] + through_kl[0]
# + dmu = through_kl[0]
# - dlog_sigma = through_z[1] + through_kl[1]
# + dlog_sigma = through_kl[1]

# %% [wrong] the halves are put together in the wrong order
# - dy = np.concatenate([dmu, dlog_sigma], axis=1)
# + dy = np.concatenate([dlog_sigma, dmu], axis=1)

# %% [wrong] the derivative of the tanh is left out
# - da = dh * (1 - h**2)
# + da = dh

# %% [wrong] the derivative of the tanh is taken at its output
# - da = dh * (1 - h**2)
# + da = dh * (1 - np.tanh(h) ** 2)

# %% [wrong] the mean over the batch is taken a second time
# - return x.T @ da, da.sum(0), h.T @ dy, dy.sum(0)
# + return x.T @ da / len(x), da.mean(0), h.T @ dy / len(x), dy.mean(0)

# %% [note]
# In the package the heads are shapes of one last layer (`encode_backward` in `tinyvae/bounds.py`), and `join`
# puts any number of heads together.
