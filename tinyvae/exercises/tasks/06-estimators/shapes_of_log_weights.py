# %% [record]
# title: The shapes of the log weights
# kind: numbers
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$; D1 | A plain explanation (2)
# notebook: 05
# equation: log w = log p(x|z) + log p(z) - log q(z|x)
# tag: LOGW.1
# shapes: numbers
# lines: 6
# minutes: 10
# tests:
#   z 1 = the shape of z
#   logits 1 = the shape of the decoder's output
#   log_w 1 = the shape of the log weights
#   bound_axis 1 = the axis over which the bound takes its mean
#   dmu 1 = the axis over which the gradient of mu is summed
# steps:
#   z = the shapes of mu, sigma and eps, one under the other from the right [REP.1]
#   logits = the axis along which the decoder works, and the axes that it leaves [DEC.1]
#   log_w = what is summed in each of the three log-densities, and the axes that are left [LOGW.1]
#   bound_axis = what the bound averages over, and which axis of log_w that is [IWAE.1]
#   dmu = the axis along which mu is repeated in the addition [REP.2]

# %% [markdown]
# A VAE with pixels that are 0 or 1 computes the k-sample bound of a batch:
#
# ```
# x                 ({{N}}, {{D}})             N = {{N}} data of D = {{D}} pixels
# mu, log_sigma     ({{N}}, {{K}})              from the encoder, K = {{K}}
# eps               ({{L}}, {{N}}, {{K}})           L = {{L}} samples for each datum
# z      = mu + exp(log_sigma) * eps
# logits = decoder(z)                   one logit per pixel; a network that works along the last axis
# log_w  = log p(x|z) + log p(z) - log q(z|x)
# bound  = log-mean-exp of log_w over the samples
# ```
#
# - `z`, `logits`, `log_w`: their shapes, as tuples of integers.
# - `bound_axis`: over which axis of `log_w` does the bound take its mean? 0, 1, 2 ...
# - `dmu`: the gradient of z has the shape of z, and z reaches mu by an addition in which mu is repeated. Over which
#   axis of dz must one sum to get dmu? 0, 1, 2 ...

# %% [check]
def numbers(rng):
    if rng is None:
        return {"N": 5, "D": 64, "K": 2, "L": 3}
    return {"N": int(rng.integers(6, 10)), "D": int(rng.integers(11, 99)), "K": 3, "L": int(rng.choice([2, 4, 5]))}

def right(n):
    N, D, K, L = (n[name] for name in "NDKL")
    return {"z": (L, N, K), "logits": (L, N, D), "log_w": (L, N), "bound_axis": 0, "dmu": 0}

def wrong(n):
    N, D, K, L = (n[name] for name in "NDKL")
    r = right(n)
    return {
        "the samples are averaged before the decoder: their axis is lost": {**r, "z": (N, K), "logits": (N, D)},
        "the log-likelihoods of the pixels are not summed": {**r, "log_w": (L, N, D)},
        "the bound is averaged over the data, and the samples are left": {**r, "bound_axis": 1},
        "the gradient of mu is summed over the data, as a bias's would be": {**r, "dmu": 1},
        "the samples are averaged inside the log weights": {**r, "log_w": (N,)},
    }

# %% [hints]
# 1. NumPy puts the shapes of an addition one under the other from the right: (L, N, K) and (N, K).
# 2. log p(x|z) is one number for each image and sample: the pixels are summed, and so are the latent dimensions in log
#    p(z) and log q(z|x).
# 3. What was repeated on the way forward is summed on the way back.

# %% [note]
# The package keeps the samples on the first axis everywhere, so that a batch without samples, (N, K), passes through
# the same functions.
