# %% [record]
# title: A VAE of your own
# lab: 4.3
# kind: capstone
# lecture: D2 | Reparameterization trick; D3 | VAE; D1 | Variational Inference for VAE
# notebook: 10
# equation: loss = -1/N sum_n (log p(x_n|z_n) - KL(q(z|x_n) || N(0, I))),  z_n = mu_n + sigma_n * eps_n
# tag: ELBO.1
# shapes: x (N, D); eps (N, K); the weights w by name -> loss, log_px (N,), kl (N,); the gradients by the same names
# lines: 30
# minutes: 40
# outputs: loss log_px kl
# tests:
#   page 2 = the loss is a number; log_px and kl are per datum, in nats
#   gradients 3 = every gradient agrees with differences of your own forward pass
#   trained 5 = trained on the digits, -ELBO on the test images is at most 24.8 nats
# steps:
#   loss = the minus and the mean over the batch occur once, in the loss [LOSS.1]

# %% [markdown]
# Put your parts together. `parts` holds functions by name: `parts.dense_forward` and `parts.dense_backward`,
# and so on for `tanh`, `reparameterize`, `bernoulli` and `kl`. Those that you have solved in this folder
# are yours; those that are missing, or not right yet, are the package's, and the report says which.
# If `adam_step` is solved, your own Adam trains the model.
#
# The encoder is a hidden tanh layer with two linear heads, mu and log_sigma; the decoder is a hidden tanh
# layer and linear logits. The weights `w` are a dict:
#
#     "hidden.W" (D, H), "hidden.b" (H,)            x -> hidden layer
#     "mu.W" (H, K), "mu.b" (K,)                    hidden layer -> mu
#     "log_sigma.W" (H, K), "log_sigma.b" (K,)      hidden layer -> log sigma
#     "decoder.W" (K, H), "decoder.b" (H,)          z -> hidden layer
#     "logits.W" (H, D), "logits.b" (D,)            hidden layer -> logits of the pixels
#
# Write the page: `vae_forward(x, eps, w, parts)` returns `(loss, log_px, kl), cache`, with
# loss = -mean(log_px - kl), a number, and log_px and kl per datum; `vae_backward(dloss, cache, parts)` returns
# a dict of the gradients of dloss times the loss, by the names of the weights. Contracts of the parts:
#
#     y, cache = dense_forward(x, W, b)                    dx, dW, db = dense_backward(dy, cache)
#     y, cache = tanh_forward(x)                           dx = tanh_backward(dy, cache)
#     z, cache = reparameterize_forward(mu, log_sigma, eps)   dmu, dlog_sigma = reparameterize_backward(dz, cache)
#     log_px, cache = bernoulli_forward(logits, x)         dlogits = bernoulli_backward(dlog_px, cache)
#     kl, cache = kl_forward(mu, log_sigma)                dmu, dlog_sigma = kl_backward(dkl, cache)
#
# Then it is trained: 300 epochs on the embedded digits, K = 2, H = 128, a few seconds.

# %% [solution]
def vae_forward(x, eps, w, parts):
    """x (N, D), eps (N, K), w: weights by name -> (loss, log_px, kl), cache; log_px and kl of shape (N,)"""
    ### BEGIN SOLUTION
    a, hidden_cache = parts.dense_forward(x, w["hidden.W"], w["hidden.b"])
    h, tanh_cache = parts.tanh_forward(a)
    mu, mu_cache = parts.dense_forward(h, w["mu.W"], w["mu.b"])
    log_sigma, sigma_cache = parts.dense_forward(h, w["log_sigma.W"], w["log_sigma.b"])
    z, z_cache = parts.reparameterize_forward(mu, log_sigma, eps)
    a, decoder_cache = parts.dense_forward(z, w["decoder.W"], w["decoder.b"])
    g, tanh2_cache = parts.tanh_forward(a)
    logits, logits_cache = parts.dense_forward(g, w["logits.W"], w["logits.b"])
    log_px, px_cache = parts.bernoulli_forward(logits, x)
    kl, kl_cache = parts.kl_forward(mu, log_sigma)
    cache = hidden_cache, tanh_cache, mu_cache, sigma_cache, z_cache, decoder_cache, tanh2_cache, logits_cache, px_cache, kl_cache, kl
    return (-np.mean(log_px - kl), log_px, kl), cache
    ### END SOLUTION


def vae_backward(dloss, cache, parts):
    """dloss: a number -> a dict of gradients by the names of the weights, each of the shape of its weight"""
    ### BEGIN SOLUTION
    hidden_cache, tanh_cache, mu_cache, sigma_cache, z_cache, decoder_cache, tanh2_cache, logits_cache, px_cache, kl_cache, kl = cache
    grads = {}
    dlog_px = np.full_like(kl, -dloss / len(kl))
    dkl = np.full_like(kl, dloss / len(kl))
    dlogits = parts.bernoulli_backward(dlog_px, px_cache)
    dg, grads["logits.W"], grads["logits.b"] = parts.dense_backward(dlogits, logits_cache)
    da = parts.tanh_backward(dg, tanh2_cache)
    dz, grads["decoder.W"], grads["decoder.b"] = parts.dense_backward(da, decoder_cache)
    dmu, dlog_sigma = parts.reparameterize_backward(dz, z_cache)
    dmu_kl, dlog_sigma_kl = parts.kl_backward(dkl, kl_cache)
    dh_mu, grads["mu.W"], grads["mu.b"] = parts.dense_backward(dmu + dmu_kl, mu_cache)
    dh_sigma, grads["log_sigma.W"], grads["log_sigma.b"] = parts.dense_backward(dlog_sigma + dlog_sigma_kl, sigma_cache)
    da = parts.tanh_backward(dh_mu + dh_sigma, tanh_cache)
    _, grads["hidden.W"], grads["hidden.b"] = parts.dense_backward(da, hidden_cache)
    return grads
    ### END SOLUTION

# %% [hints]
# 1. Draw the graph first: x, hidden layer, mu and log sigma, z, hidden layer, logits, log p(x|z); and the KL from mu and log sigma. Every box is a part.
# 2. Backward, take the boxes from the last to the first. mu and log sigma each have two arrows out of them, to z and to the KL: their gradients are sums.
# 3. The hidden layer of the encoder feeds both heads: its gradient is a sum too. dkl and dlog_px have opposite signs and hold the 1/N of the mean.

# %% [wrong] the gradients of the KL do not reach mu and log sigma
# - dh_mu, grads["mu.W"], grads["mu.b"] = parts.dense_backward(dmu + dmu_kl, mu_cache)
# + dh_mu, grads["mu.W"], grads["mu.b"] = parts.dense_backward(dmu, mu_cache)
# - dh_sigma, grads["log_sigma.W"], grads["log_sigma.b"] = parts.dense_backward(dlog_sigma + dlog_sigma_kl, sigma_cache)
# + dh_sigma, grads["log_sigma.W"], grads["log_sigma.b"] = parts.dense_backward(dlog_sigma, sigma_cache)

# %% [wrong] the gradient of the encoder's hidden layer comes from mu alone
# - da = parts.tanh_backward(dh_mu + dh_sigma, tanh_cache)
# + da = parts.tanh_backward(dh_mu, tanh_cache)

# %% [wrong] the KL is averaged over the latents in the loss
# - kl, kl_cache = parts.kl_forward(mu, log_sigma)
# + kl, kl_cache = parts.kl_forward(mu, log_sigma)
# + kl = kl / mu.shape[-1]
# - dmu_kl, dlog_sigma_kl = parts.kl_backward(dkl, kl_cache)
# + dmu_kl, dlog_sigma_kl = parts.kl_backward(dkl / 2, kl_cache)

# %% [note]
# This page is `elbo_terms_forward` and `elbo_terms_backward` of `tinyvae/bounds.py`, where networks and distributions are records.
