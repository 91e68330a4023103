# %% [record]
# title: A loss backwards, from a blank page
# kind: function
# lecture: D1 | Backpropagation on VAE; D2 | Amortization (3)
# notebook: 07
# equation: loss = mean over n of <<beta>> KL_n - mean over n, l of log p(x_n|z_nl), z_nl = mu_n + sigma_n eps_nl
# tag: ELBO.2
# shapes: dloss (), cache of page_loss_forward -> a dict of gradients, names and shapes as in params
# lines: 22
# minutes: 40
# outputs: grads
# variant_of: elbo_backward
# tests:
#   decoder 2 = the gradients of W2 and b2
#   heads 2 = the gradients of W_mu, b_mu, W_<<var>> and b_<<var>>
#   encoder 2 = the gradients of W1 and b1, where both heads meet
#   values 2 = all eight gradients, at three sets of sizes
# steps:
#   W2 = the minus and the mean over data and samples, once [LOSS.2]; the gradient by the outputs; a weight serves all samples of all data [DENSE.2]
#   b2 = the minus and the mean over data and samples, once [LOSS.2]; the gradient by the outputs; a weight serves all samples of all data [DENSE.2]
#   W_mu = mu stands in z, in L samples, and in the KL, which is the same for all samples of a datum and has the factor <<beta>> [REP.2] [KL.2]
#   b_mu = mu stands in z, in L samples, and in the KL, which is the same for all samples of a datum and has the factor <<beta>> [REP.2] [KL.2]
#   W_<<var>> = sigma stands in z, in L samples, and in the KL, with its factor <<beta>>; both meet at sigma, before the step to <<var>> [REP.2] [KL.2]
#   b_<<var>> = sigma stands in z, in L samples, and in the KL, with its factor <<beta>>; both meet at sigma, before the step to <<var>> [REP.2] [KL.2]
#   W1 = two heads read the same hidden units; their gradients meet there, behind the activation [ENC.2]
#   b1 = two heads read the same hidden units; their gradients meet there, behind the activation [ENC.2]

# %% [vary]
def vary(rng):
    pixels = rng.choice([
        {"kind": "Bernoulli with the logits `out`", "code": "x * out - np.log1p(np.exp(out))", "x": "(rng.random((N, D)) < 0.5).astype(float)",
         "values": "pixels 0 or 1"},
        {"kind": "Gaussian with the mean `out` and the standard deviation 0.5, up to a constant", "code": "-2 * (x - out) ** 2", "x": "normal(rng, N, D)", "values": "real numbers"},
        {"kind": "logistic around `out`", "code": "out - x - 2 * np.log1p(np.exp(out - x))", "x": "normal(rng, N, D)", "values": "real numbers"},
        {"kind": "Student's t with 3 degrees of freedom around `out`, up to a constant", "code": "-2 * np.log(1 + (x - out) ** 2 / 3)", "x": "normal(rng, N, D)", "values": "real numbers"},
    ])
    hidden, name = rng.choice([
        ("np.tanh(a1)", "tanh"), ("a1 / (1 + np.exp(-a1))", "a / (1 + exp(-a))"), ("np.log1p(np.exp(a1))", "softplus"), ("a1 / np.sqrt(1 + a1**2)", "a / sqrt(1 + a^2)"),
    ])
    scale, s = rng.choice(data("scales.tsv")), rng.choice([0.5, 2, 3])
    return scale | pixels | {"hidden": hidden, "activation": name, "beta": f"{rng.choice([0.25, 0.5, 2, 4]):g}", "s": f"{s:g}", "twice": f"{2 * s * s:g}"}

# %% [markdown]
# One page holds a whole training step of a VAE: a layer with the activation <<activation>> and two heads, the sample, a dense layer, the
# likelihood, the KL with the weight <<beta>>, the loss. Its forward pass is given below; write its backward pass, in plain NumPy: no function of a
# package, no loop over data or samples.
#
#     params:  W1 (D, H), b1 (H,)    W_mu (H, K), b_mu (K,)    W_<<var>> (H, K), b_<<var>> (K,)      the encoder
#              W2 (K, D), b2 (D,)                                                        the decoder
#     x (N, D), <<values>>        eps (L, N, K), noise        loss: one number, nats per datum
#
# The second head puts out $<<var>>$, <<words>>: $<<tex>>$. The prior is $N(0, s^2)$ with $s = <<s>>$ for every latent dimension. The pixels are
# independent, each <<kind>>.
#
# `page_loss_backward(dloss, cache)` gets a number and the cache of `page_loss_forward`, and returns a dict with the gradient of every weight, under
# the names of `params`. x and eps are data and noise and need none. Read the forward pass from its last line to its first; write the shape of each
# gradient beside it.

# %% [given]
def page_loss_forward(x, eps, params):
    """x (N, D), eps (L, N, K), weights by name -> loss (), cache."""
    a1 = x @ params["W1"] + params["b1"]  # (N, H)
    h1 = <<hidden>>
    mu = h1 @ params["W_mu"] + params["b_mu"]  # (N, K)
    <<var>> = h1 @ params["W_<<var>>"] + params["b_<<var>>"]  # (N, K)
    sigma = <<sigma>>
    z = mu + sigma * eps  # (L, N, K)
    out = z @ params["W2"] + params["b2"]  # (L, N, D)
    log_px = (<<code>>).sum(-1)  # (L, N)
    kl = (np.log(<<s>> / sigma) + (sigma**2 + mu**2) / <<twice>> - 0.5).sum(-1)  # (N,)
    loss = <<beta>> * kl.mean() - log_px.mean()
    cache = x, eps, params, a1, h1, mu, <<var>>, sigma, z, out, log_px, kl
    return loss, cache

# %% [solution]
def page_loss_backward(dloss, cache):
    """dloss (), cache = (x, eps, params, a1, h1, mu, <<var>>, sigma, z, out, log_px, kl) -> {name: gradient, of the shape of params[name]}."""
    ### BEGIN SOLUTION
    x, eps, params, _, h1, _, _, _, z, *_ = cache

    def terms(params):  # of each sample and datum; their mean is the loss
        *_, log_px, kl = page_loss_forward(x, eps, params)[1]
        return <<beta>> * kl - log_px

    grads = {}
    for layer, inner in {"1": x, "_mu": h1, "_<<var>>": h1, "2": z}.items():
        each = []
        for k in range(len(params[f"b{layer}"])):  # what comes to the layer's outputs: the complex step, exact to rounding
            moved = np.array(params[f"b{layer}"], complex)
            moved[k] += 1e-30j
            each.append(dloss * terms(params | {f"b{layer}": moved}).imag / 1e-30)
        each = np.stack(each, -1) / (len(eps) * len(x))  # (L, N, k)
        grads[f"W{layer}"] = np.einsum("lni,lnk->ik", np.broadcast_to(inner, (len(eps), *inner.shape[-2:])), each)
        grads[f"b{layer}"] = each.sum((0, 1))
    return grads
    ### END SOLUTION

# %% [check]
def weights(rng, K, D, H):
    shapes = {
        "W1": (D, H), "b1": (H,), "W_mu": (H, K), "b_mu": (K,), "W_<<var>>": (H, K), "b_<<var>>": (K,), "W2": (K, D), "b2": (D,),
    }  # fmt: skip
    return {name: normal(rng, *shape) / (2 * np.sqrt(shape[0])) for name, shape in shapes.items()}


def inputs(rng, N, K, L, H):
    D = K + 2
    x = <<x>>
    return 1.7, page_loss_forward(x, normal(rng, L, N, K), weights(rng, K, D, H))[1]


def agree(student, right, rng, names):
    args = inputs(rng, 3, 1, 2, 2)
    got, want = student.page_loss_backward(*args), right.page_loss_backward(*args)
    return all(same(got[name], want[name]) for name in names.split())


def test_decoder(student, right, rng):
    return agree(student, right, rng, "W2 b2")


def test_heads(student, right, rng):
    return agree(student, right, rng, "W_mu b_mu W_<<var>> b_<<var>>")


def test_encoder(student, right, rng):
    return agree(student, right, rng, "W1 b1")

# %% [hints]
# 1. Start with two numbers: by how much does the loss change per nat of log_px[l, n], and per nat of kl[n]? They have different signs, different
#    denominators, and one has the factor <<beta>>. After that no minus and no mean occurs again.
# 2. What is used several times collects a sum: a weight of the decoder over l and n, mu[n, k] over the L samples, a hidden unit over the two heads.
# 3. mu and sigma have two paths to the loss: through z, and directly through the KL. Add them before you go on, at sigma before the step to <<var>>.
#    A matrix product that sums over l and n at once: `np.einsum("abi,abj->ij", u, v)`, or reshape both to two axes.

# %% [wrong] the KL's own gradient does not reach mu and sigma
# - return <<beta>> * kl - log_px
# + return -log_px

# %% [wrong] the weight <<beta>> of the KL is lost
# - return <<beta>> * kl - log_px
# + return kl - log_px

# %% [wrong] the minus of the likelihood is put before the KL too
# - return <<beta>> * kl - log_px
# + return -<<beta>> * kl - log_px

# %% [wrong] the weight <<beta>> is put before the likelihood too
# - return <<beta>> * kl - log_px
# + return <<beta>> * (kl - log_px)

# %% [wrong] the mean over the samples is taken for a sum
# - return <<beta>> * kl - log_px
# + return <<beta>> * kl - len(eps) * log_px

# %% [wrong] the KL is divided by the number of samples too
# - return <<beta>> * kl - log_px
# + return <<beta>> * kl / len(eps) - log_px

# %% [wrong] the mean over the batch is left out
# - return <<beta>> * kl - log_px
# + return len(x) * (<<beta>> * kl - log_px)

# %% [wrong] the sign of all gradients is reversed
# - return <<beta>> * kl - log_px
# + return log_px - <<beta>> * kl

# %% [wrong] what comes from above is left out
# - grads = {}
# + grads, dloss = {}, 1

# %% [wrong] the gradients of the heads are divided by the number of samples once more
# - grads[f"W{layer}"] = np.einsum("lni,lnk->ik", np.broadcast_to(inner, (len(eps), *inner.shape[-2:])), each)
# + each = each / len(eps) if layer.startswith("_") else each
# + grads[f"W{layer}"] = np.einsum("lni,lnk->ik", np.broadcast_to(inner, (len(eps), *inner.shape[-2:])), each)

# %% [note]
# In the package every line of such a page is a call of a pair, in the same order: `elbo_terms_backward` in `tinyvae/bounds.py`.
