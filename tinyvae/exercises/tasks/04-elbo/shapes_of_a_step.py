# %% [record]
# title: The shapes of one training step
# lab: 3.1
# kind: numbers
# lecture: D1 | Backpropagation on VAE; D3 | Reparameterization Trick
# notebook: 07
# equation: loss = -mean over n, l of [log p(x_n|z_nl) - KL_n],  z_nl = mu_n + sigma_n eps_nl
# tag: ELBO.1
# shapes: x (N, D), z (L, N, K)
# lines: 8
# minutes: 20
# tests:
#   z 1 = the shape of z
#   logits 1 = the shape of the logits
#   log_px 1 = the shape of log p(x|z)
#   kl 1 = the shape of the KL
#   dlog_sigma 1 = the shape of the gradient of log sigma
#   dW2 1 = the shape of the gradient of W2
#   axes_mu 1 = the axes of dz that are summed for mu
#   axes_b3 1 = the axes of dlogits that are summed for b3
# steps:
#   z = the noise is what has a sample axis; mu and sigma are broadcast to it [REP.1]
#   logits = the decoder acts on the last axis of z and leaves those in front [DEC.1]
#   log_px = what is summed in log p(x|z), and what is left [BER.1]
#   kl = the arrays it is computed from, and what is summed in it [KL.1]
#   dlog_sigma = the shape of a gradient, beside that of its variable
#   dW2 = the shape of a gradient, beside that of its variable
#   axes_mu = the axes along which mu was broadcast [REP.2]
#   axes_b3 = the axes along which b3 was broadcast [DENSE.2]

# %% [markdown]
# One training step of a VAE with L = {{L}} samples per datum, a batch of N = {{N}}, K = {{K}} latents, D = {{D}}
# pixels, H = {{H}} hidden units. Rows are data, biases are vectors, and the samples stand in front: eps has shape
# (L, N, K).
#
#     h1        = tanh(x W1 + b1)
#     mu        = h1 W_mu + b_mu
#     log_sigma = h1 W_s + b_s
#     z         = mu + exp(log_sigma) eps
#     h2        = tanh(z W2 + b2)
#     logits    = h2 W3 + b3
#     log_px    = log p(x|z)        one number per sample and datum
#     kl        = KL(q(z|x) || p(z))  in closed form
#     loss      = -mean(log_px - kl)
#
# Give the shapes of these arrays as tuples, `(2, 3)` for example and `(4,)` for a vector: `z`, `logits`,
# `log_px`, `kl`, and backwards `dlog_sigma` (derivative of the loss by log_sigma) and `dW2`.
#
# Then the axes that the backward pass sums, numbered from 0 and given as a tuple, the lowest first, `(0,)` for one
# axis: `axes_mu`, the axes of dz (which has the shape of z) that are summed for what mu gets through z; and
# `axes_b3`, the axes of dlogits that are summed for the gradient of b3.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"L": 3, "N": 5, "K": 2, "D": 64, "H": 32}
    L, N, K = map(int, rng.permutation([2, 3, 4, 6, 7, 8])[:3])
    D, H = map(int, rng.permutation([16, 25, 36, 49, 64])[:2])
    return {"L": L, "N": N, "K": K, "D": D, "H": H}


def right(n):
    L, N, K, D, H = (n[name] for name in "LNKDH")
    shapes = {"z": (L, N, K), "logits": (L, N, D), "log_px": (L, N), "kl": (N,), "dlog_sigma": (N, K), "dW2": (K, H)}
    return shapes | {"axes_mu": (0,), "axes_b3": (0, 1)}


def wrong(n):
    L, N, K, D, H = (n[name] for name in "LNKDH")
    answers = right(n)
    return {
        "mu and log sigma are given a sample axis": answers | {"dlog_sigma": (L, N, K)},
        "the pixels are not summed in log p(x|z)": answers | {"log_px": (L, N, D)},
        "the closed-form KL is given a sample axis": answers | {"kl": (L, N)},
        "the latents are not summed in the KL": answers | {"kl": (N, K)},
        "the weight matrix is transposed": answers | {"dW2": (H, K)},
        "the gradient of a bias is summed over the samples and not over the batch": answers | {"axes_b3": (0,)},
        "the gradient of a bias is summed over the batch and not over the samples": answers | {"axes_b3": (1,)},
        "the batch axis is summed for mu, so that all data share one mean": answers | {"axes_mu": (1,)},
        "one sample per datum is taken, whatever L": answers | {"z": (N, K), "logits": (N, D), "log_px": (N,)},
    }


# %% [hints]
# 1. The encoder sees x alone, before any noise is drawn. Where does the sample axis come in, and what has it from
# there on?
# 2. A gradient by v has the shape of v.
# 3. Whatever was broadcast forward is summed backward: along which axes did mu and b3 serve many entries?

# %% [note]
# Write the shape beside every line of a forward pass, and the axes to be summed in the backward pass can be read
# off: they are those that the right side has and the variable has not.
