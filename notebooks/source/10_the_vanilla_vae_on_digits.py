# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 10 The vanilla VAE on digits
#
# Accompanies D0 lines 23-37, 80-95, 130-164 and 198-203; D1 lines 30, 144-152, 171-183 and 344; D2 lines 11 and 222-224;
# D3 lines 60-74; D4 lines 12, 34, 89, 105, 144 and 263.
#
# | quantity | D0 | D1 | D3 | D4 | here |
# |---|---|---|---|---|---|
# | latent | z | **z**, "LV" | z | z, "encoding vector" | `z`, shape (N, K) |
# | encoder parameters | φ | **θ** | φ | – | the first part of `theta` |
# | decoder parameters | θ | **φ** | θ | – | the rest of `theta` |
# | encoder | g_φ | q_θ | f_φ | recognition model | encoder |
# | decoder | f_θ | p_φ | H_θ | generative model | decoder |
# | bound | 𝓛 = +ELBO | **𝓛_i = −ELBO** | 𝓛, both signs | – | `elbo`; `loss = -mean(elbo)` |
# | reconstruction | f_θ(g_φ(x)) | – | x̃, x̂ | x̂ | `x_hat` |
#
# Two traps: D1 swaps θ and φ, and 𝓛 is the ELBO in D0 but its negative in D1.
#
# Afterwards you can write the loss of a VAE and its gradient and show that they are right; train a VAE on images and say how good its
# score is; reconstruct, sample, and compare models by their held-out log-likelihood.

# %%
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

from tinyvae import (
    SGD,
    VAE,
    Adam,
    check,
    check_model,
    decode_backward,
    decode_forward,
    elbo_terms_backward,
    elbo_terms_forward,
    encode_backward,
    encode_forward,
    load_digits,
    train_test_split,
)
from tinyvae.bounds import elbo_backward, elbo_forward
from tinyvae.companion import show
from tinyvae.exact import GridPosterior
from tinyvae.params import Gradients
from tinyvae.plots import image_grid, latent_scatter, learning_curves, use_style
from tinyvae.train import grey_floor, independent_pixels

use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. From a graphical model to two networks
#
# *Items: D0-3, D0-5, D3-24, D3-25, D3-26, D4-7, D4-17.*
#
# The slides: the solution is the variational auto-encoder of Kingma and Welling (ICLR 2014), built with the tools of Bayesian deep learning (D0).
# It has three parts, encoder $q_\phi(z|x)$, decoder $p_\theta(x|z)$ and prior $p(z)$, in the pipeline $X \to Z \to X$ (D3).
# D4 calls the encoder the recognition model, the decoder the generative model, and turns the graphical model into a network.
#
# The graphical model is one arrow, $z \to x$: a joint density $p_\theta(x, z) = p(z)\, p_\theta(x|z)$. Three choices make it a network:
# $$p(z) = \mathcal{N}(0, I), \qquad
# p_\theta(x|z) = \prod_{d=1}^{D} \mathrm{Bernoulli}\big(x_d;\ p_d\big),\quad p = \mathrm{sigmoid}(f_\theta(z)), \qquad
# q_\phi(z|x) = \mathcal{N}\big(\mu_\phi(x),\ \mathrm{diag}\,\sigma_\phi(x)^2\big).$$
# The generative arrow is the network $f_\theta$. The arrow back, $x \to z$, is not part of the model: it is the inference that Bayes' rule asks for,
# done by a second network. D3 says "likelihood auto-encoders"; *likelihood-based* is meant: the score of an output is its log-likelihood.
# And while D3 first writes $\phi$ for the free parameters of one $q$, here $\phi$ holds the weights of a network that serves every $x$.
#
# The whole forward pass in five lines, one for each arrow. `parts` holds the two networks and the three choices; for these choices `features` leaves
# x as it is, `draw_forward` is $z = \mu + \sigma\varepsilon$ and `kl_term_forward` the KL in closed form (05 shows both):

# %%
show(elbo_terms_forward)

# %% [markdown]
# **Predict first:** with D = 6 pixels, five tanh units and K = 2, how many numbers does the encoder's last layer give for one image?
#
# The same pass written out in plain NumPy, as the slides state it, must give the same two terms.

# %%
small = VAE(6, 2, hidden=(5,), dtype="float64")
small.theta += 0.3 * rng.standard_normal(small.theta.size)  # away from the start, where log sigma = 0
x_small = rng.integers(0, 2, (7, 6)).astype(float)
eps = rng.standard_normal((1, 7, 2))

w = small.params
heads = np.tanh(x_small @ w["encoder.0.W"] + w["encoder.0.b"]) @ w["encoder.head.W"] + w["encoder.head.b"]
mu, sigma = heads[:, :2], np.exp(heads[:, 2:])  # q(z|x)
z = mu + sigma * eps[0]  # z ~ q(z|x)
p = 1 / (1 + np.exp(-(np.tanh(z @ w["decoder.0.W"] + w["decoder.0.b"]) @ w["decoder.out.W"] + w["decoder.out.b"])))  # p(x|z)
by_hand = np.log(np.where(x_small == 1, p, 1 - p)).sum(1), (sigma**2 + mu**2 - 1 - np.log(sigma**2)).sum(1) / 2

terms, cache = elbo_terms_forward(x_small, eps, small.params, small.parts)
error = max(np.abs(a - b).max() for a, b in zip(terms, by_hand))
print(f"numbers in the encoder's last layer, per image: {heads.shape[1]}")
print(f"largest difference between the slides' formulas and the package: {error:.1e} nats")
assert heads.shape[1] == 2 * small.n_latent
assert error < 1e-12

# %% [markdown]
# ## 2. The encoder's output is a distribution
#
# *Items: D3-28, D4-3, D4-21.*
#
# The slides: an auto-encoder gives a single value for each attribute, a VAE gives a probability distribution for each (D4).
# The output of the encoder is not $z$ but the parameters of $q(z|x)$, from which $z$ is drawn (D3).
#
# The network has two heads side by side in one layer, **[ENC.1]**, and the backward pass joins their two gradients again, **[ENC.2]**:
# $$(\mu, \log\sigma) = h\,W + b,\ \ W = [\,W_\mu\ |\ W_\sigma\,] \qquad\Longrightarrow\qquad
# \bar W = h^\top\,[\,\bar\mu\ |\ \overline{\log\sigma}\,],\quad \bar b = \textstyle\sum_n\,[\,\bar\mu_n\ |\ \overline{\log\sigma}_n\,].$$
# In the code `encoder` is the network; `cut` cuts its outputs into the two heads, `join` puts their gradients side by side again.
# `dparams` is a `Gradients`: arrays by the names of the weights, zero until a backward pass adds to them.

# %%
show(encode_forward, encode_backward)

# %% [markdown]
# D4 says that "our decoder model will then generate a latent vector by sampling". It is kinder to the reader to give that step to $q$:
# the draw uses $\mu$, $\sigma$ and noise, all known before the decoder starts. Two checks: the encoder gives the same answer every time, and
# its gradient is right; the draws from its answer differ, and have the mean and the standard deviation that it states.
#
# **Predict first:** encode one image twice, and draw one z each time. Which of μ, σ and z agree?

# %%
linear = VAE(6, 2, hidden=(), dtype="float64")  # one layer: only the heads


def heads_forward(W, b):
    return encode_forward(x_small, {"encoder.head.W": W, "encoder.head.b": b}, linear.parts.encoder)


def heads_backward(dheads, cache):
    dparams = Gradients({"encoder.head.W": (6, 4), "encoder.head.b": (4,)})
    encode_backward(dheads, cache, dparams)
    return dparams["encoder.head.W"], dparams["encoder.head.b"]


report = check(heads_forward, heads_backward, rng.standard_normal((6, 4)), rng.standard_normal(4))
print(report)
assert report.ok

once, again = small.encode(x_small[:1]), small.encode(x_small[:1])
same = np.array_equal(once, again)
mu, sigma = once[0][0], np.exp(once[1][0])
draws = mu + sigma * rng.standard_normal((100_000, 2))
mean_z = (draws.mean(0) - mu) / (sigma / np.sqrt(len(draws)))
std_z = (draws.std(0) - sigma) / (sigma / np.sqrt(2 * len(draws)))
print(f"\nmu and sigma agree: {same}; two draws of z: {draws[0].round(3)} and {draws[1].round(3)}")
print(f"error of mean and of standard deviation, in standard errors: {mean_z.round(2)}, {std_z.round(2)}")
assert same and not np.array_equal(draws[0], draws[1])
assert np.abs([mean_z, std_z]).max() < 4

# %% [markdown]
# ## 3. The decoder's output is a distribution over images
#
# *Items: D0-15, D0-17, D1-2.*
#
# The slides: the decoder is a map $f_\theta: \mathbb{R}^d \to \mathbb{R}^{28\times28}$, and $f_\theta(z)$ defines mean values (D0).
# D1 makes it of deconvolution layers.
#
# One small gap in D0: the mean of a pixel lies in $[0, 1]$, but a network gives any real number. What it gives are *logits*;
# the means are their sigmoid. **[DEC.1]** is the network, **[DEC.2]** its backward pass, which also returns $\bar z$: the road back to the encoder.
# $$\text{out} = f_\theta(z) \in \mathbb{R}^{D}, \qquad \mathbb{E}[x|z] = \mathrm{sigmoid}(\text{out}) \in (0, 1)^D, \qquad
# \bar z = \Big(\frac{\partial\,\text{out}}{\partial z}\Big)^{\!\top} \overline{\text{out}} .$$
# (`cut` gives the output the shape of the decoder's one head: here $(D,)$ for each $z$.)

# %%
show(decode_forward, decode_backward)


# %%
def output_forward(z, W, b):
    return decode_forward(z, {"decoder.out.W": W, "decoder.out.b": b}, linear.parts.decoder)


def output_backward(dout, cache):
    dparams = Gradients({"decoder.out.W": (2, 6), "decoder.out.b": (6,)})
    dz = decode_backward(dout, cache, dparams)
    return dz, dparams["decoder.out.W"], dparams["decoder.out.b"]


report = check(output_forward, output_backward, rng.standard_normal((3, 2)), rng.standard_normal((2, 6)), rng.standard_normal(6))
print(report)
assert report.ok

z = 3 * rng.standard_normal((1000, 2))
logits, means = small.decoder_output(z), small.decode(z)
print(f"\nlogits from {logits.min():.2f} to {logits.max():.2f}; means from {means.min():.4f} to {means.max():.4f}")
assert np.allclose(means, 1 / (1 + np.exp(-logits)), rtol=0, atol=1e-14)
assert logits.min() < 0 and logits.max() > 1 and 0 < means.min() and means.max() < 1

# %% [markdown]
# **Deconvolution.** This package has dense layers only; what does it miss? A deconvolution (transposed convolution) with stride 2 lets every entry
# $h_{ij}$ of a small map stamp a copy of one kernel $k$ on the image, two pixels further for each step:
# $$y = \sum_{i,j} h_{ij}\ \mathrm{shift}_{2i,2j}(k) \qquad\Longleftrightarrow\qquad y = h\,W,
# \quad \text{row } (i,j) \text{ of } W = \mathrm{shift}_{2i,2j}(k).$$
# It is therefore a dense layer whose matrix is made of one kernel. What changes is the number of free parameters, and the gradient of the kernel:
# the sum of the gradients of all its copies.
#
# **Predict first:** from a 3×3 map to an 8×8 image with a 4×4 kernel: how many free weights, and how many in a dense layer?

# %%
PLACES = [(2 * i, 2 * j) for i in range(3) for j in range(3)]


def deconv_forward(h, kernel):
    """Nine stamps of a 4x4 kernel: h (N, 9), y (N, 64)."""
    y = np.zeros((len(h), 8, 8))
    for n, (i, j) in enumerate(PLACES):
        y[:, i : i + 4, j : j + 4] += h[:, n, None, None] * kernel
    return y.reshape(-1, 64), (h, kernel)


def deconv_backward(dy, cache):
    h, kernel = cache
    patches = np.stack([dy.reshape(-1, 8, 8)[:, i : i + 4, j : j + 4] for i, j in PLACES], axis=1)
    dh = (patches * kernel).sum((2, 3))  # an ordinary convolution
    dkernel = (h[:, :, None, None] * patches).sum((0, 1))  # every copy adds its share
    return dh, dkernel


h, kernel = rng.standard_normal((5, 9)), rng.standard_normal((4, 4))
W = deconv_forward(np.eye(9), kernel)[0]  # the equal dense layer
report = check(deconv_forward, deconv_backward, h, kernel)
print(report)
print(f"free weights: {kernel.size} in the kernel, {W.size} in a dense layer of the same shape")
assert report.ok
assert np.abs(deconv_forward(h, kernel)[0] - h @ W).max() < 1e-13
assert (kernel.size, W.size) == (16, 576)

# %% [markdown]
# ## 4. The loss, as on the slide
#
# *Items: D0-30, D1-27.*
#
# The slides: maximise $\sum_i \mathbb{E}_q[\log p_\theta(x_i|z_i)\,p(z_i)/q_\phi(z_i|x_i)]$ over $\theta$ and $\phi$ (D0);
# the loss for one example is $-\mathbb{E}_q[\log p(x_i|z)] + \mathrm{KL}(q(z|x_i)\,\|\,p(z))$ (D1). They are the same objective. For one datum,
# $$\mathbb{E}_q\Big[\log\frac{p(x|z)\,p(z)}{q(z|x)}\Big] = \mathbb{E}_q[\log p(x|z)] + \mathbb{E}_q\Big[\log \frac{p(z)}{q(z|x)}\Big]
# = \mathbb{E}_q[\log p(x|z)] - \mathrm{KL}\big(q(z|x)\,\|\,p(z)\big) = \mathrm{ELBO}(x).$$
# So D0 maximises the sum of the ELBO, D1 minimises its negative, and D3 does each once. D0 writes a sum here and a mean over $N$ a few lines later:
# dividing by $N$ moves no optimum, but it does scale the gradient, so the step size of one is not that of the other. Here,
# $$\text{loss} = -\frac1N \sum_{n=1}^{N} \big(\log p(x_n|z_n) - \beta\, \mathrm{KL}_n\big), \quad z_n \sim q(z|x_n) \qquad \textbf{[LOSS.1]}$$
# with $\beta = 1$, and in the backward pass the minus and the $1/N$ occur once:
# $$\overline{\log p}_n = -\frac{\overline{\text{loss}}}{N},
# \qquad \overline{\mathrm{KL}}_n = \beta\,\frac{\overline{\text{loss}}}{N} . \qquad \textbf{[LOSS.2]}$$
# In the code the minus and the $1/N$ stand in the methods of `VAE`, and the weights 1 and $\beta$ in the pair `elbo` below, which they find in the
# table `BOUNDS`. A batch is a pair, images and labels; this model does not look at labels.

# %%
show(VAE.loss_forward, VAE.loss_backward)
show(elbo_forward, elbo_backward)

# %% [markdown]
# Is that the slide's expectation? For K = 2 it can be computed without samples: the Gauss-Hermite rule integrates over $q$ on a 40×40 grid.
# The package's loss at random noise must scatter around that number.
#
# **Predict first:** take 4,000 losses of these seven data, each with fresh noise. Will their mean agree with the slide's formula to one digit,
# or to three?

# %%
nodes, node_weights = np.polynomial.hermite_e.hermegauss(40)
t = np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2)
t_weights = np.outer(node_weights, node_weights).ravel() / (2 * np.pi)


def exact_elbo(vae, x):
    """E_q[log p(x|z)] - KL(q || p) per datum, the expectation by Gauss-Hermite quadrature (K = 2, binary pixels)."""
    mu, log_sigma = vae.encode(x)
    sigma = np.exp(log_sigma)
    p = vae.decode((mu + sigma * t[:, None]).reshape(-1, 2)).reshape(len(t), *x.shape)
    log_px = np.log(np.where(x == 1, p, 1 - p)).sum(-1)
    return t_weights @ log_px - (sigma**2 + mu**2 - 1 - 2 * log_sigma).sum(-1) / 2


slide_loss = -exact_elbo(small, x_small).mean()
losses = np.array([small.loss_and_grad(x_small, rng.standard_normal((7, 2)))[0] for _ in range(4000)])
standard_error = losses.std() / np.sqrt(len(losses))
print(f"the slide's loss by quadrature   {slide_loss:.4f} nats per datum")
print(f"mean of the package's losses     {losses.mean():.4f} ± {standard_error:.4f} (standard error)")
assert standard_error < 0.005
assert abs(losses.mean() - slide_loss) < 4 * standard_error

# %% [markdown]
# ## 5. One backward pass for both networks
#
# *Items: D2-57.*
#
# The slide: the parameters of encoder and decoder are updated in a single pass of ordinary backprop (D2).
#
# The backward pass is the forward pass read upwards. Where a value was used twice, its gradients add: $\mu$ and $\log\sigma$ went both into $z$ and
# into the KL, so with $\bar\sigma = \bar z\,\varepsilon$
# $$\bar\mu = \bar z + \overline{\mathrm{KL}}\,\mu,
# \qquad \overline{\log\sigma} = \sigma\,\bar z\,\varepsilon + \overline{\mathrm{KL}}\,(\sigma^2 - 1).$$
# In the code `dq` and `dq_kl` are the pairs $(\bar\mu, \overline{\log\sigma})$ of the two uses, which the last line adds; `dz_kl` is 0, for the
# closed form of the KL does not contain $z$.

# %%
show(elbo_terms_backward)

# %% [markdown]
# Is it right as a whole? `check_model` moves parameters of the full model and compares the change of the loss with the gradient; how exact this
# comparison can be it finds out for every entry (07), so no tolerance is set. Below: a small model, each parameter by itself, and the model that
# will be trained on the digits, along random directions and at a few entries. The last rows, "weight of ...", ask whether the gradient follows the
# weight that a schedule may give to a term.
#
# **Predict first:** let the encoder hear of the reconstruction only, and not of the KL. Which rows of the table turn wrong?

# %%
X, y = load_digits()
X_train, X_test, y_train, y_test = train_test_split(X, y)

report = check_model(small, x_small)
print(report, "\n")
big = check_model(VAE(64, 2), X_train[:8])
print(f"VAE(64, 2), {VAE(64, 2).theta.size} parameters: largest relative error {big.error:.1e}")
assert report.ok and big.ok


class NoKLGradient(VAE):
    """A VAE whose backward pass forgets the KL."""

    def loss_backward(self, dloss, cache, weights=None):
        return super().loss_backward(dloss, cache, {"kl": 0})


broken = NoKLGradient(6, 2, hidden=(5,), dtype="float64")
wrong = [row.name for row in check_model(broken, x_small).rows if not row.ok]
print("\nwithout the gradient of the KL, these are wrong:", ", ".join(wrong))
assert wrong == ["encoder.0.W", "encoder.0.b", "encoder.head.W", "encoder.head.b"]

_, dtheta = small.loss_and_grad(x_small, eps)
norms = {name: np.linalg.norm(view) for name, view in small.views(dtheta).items()}
print("norms of the gradient after one pass:", {name: round(float(norm), 3) for name, norm in norms.items()})
assert min(norms.values()) > 0

# %% [markdown]
# ## 6. One datum, one draw
#
# *Items: D0-32, D0-33.*
#
# The slide: estimate the objective by one datum $x_k$ and one $z_k$; re-sample data to estimate the mean over the data set (D0).
#
# The slide's ≈ deserves a word: one estimate may be far off; it is its *expectation* that is right. Take $k$ uniform on $1 \dots N$ and
# $z_k \sim q(z|x_k)$. By the law of total expectation
# $$\mathbb{E}_{k}\,\mathbb{E}_{z_k}\Big[\log\frac{p(x_k|z_k)p(z_k)}{q(z_k|x_k)}\Big] = \sum_{k=1}^{N} \frac1N\, \mathrm{ELBO}(x_k).$$
# For the gradient at given noise, let $g_n$ be that of datum $n$ and $\bar g$ their mean. A batch $S$ of $B$ data drawn without
# replacement has the gradient $g_S = \frac1B\sum_{n\in S} g_n$. Every $n$ is in $S$ with probability $B/N$, so
# $$\mathbb{E}[g_S] = \frac1B \sum_n \frac{B}{N}\, g_n = \bar g .$$
# For the spread, write $\pi_n \in \{0, 1\}$ for "$n$ is in $S$" and $a_n = g_n - \bar g$, with $\sum_n a_n = 0$. Then
# $\mathbb{E}[\pi_n] = \frac BN$ and $\mathbb{E}[\pi_n\pi_m] = \frac{B(B-1)}{N(N-1)}$ for $n \ne m$, and as
# $\sum_{n\ne m} a_n^\top a_m = -\sum_n \|a_n\|^2$,
# $$\mathbb{E}\|g_S - \bar g\|^2 = \frac{1}{B^2}\Big[\frac BN - \frac{B(B-1)}{N(N-1)}\Big]\sum_n \|a_n\|^2
# = \frac{1}{B}\Big(1-\frac BN\Big)\,\frac{\sum_n \|a_n\|^2}{N-1}.$$
#
# **Predict first:** the mean of the gradients of all 21 batches of two out of seven data: near the full gradient, or equal to it?

# %%
each = np.array([small.loss_and_grad(x_small[n : n + 1], eps[:, n : n + 1])[1] for n in range(7)])
full = small.loss_and_grad(x_small, eps)[1]
batches = [list(s) for s in combinations(range(7), 2)]
of_batch = np.array([small.loss_and_grad(x_small[s], eps[:, s])[1] for s in batches])

bias = np.abs(of_batch.mean(0) - full).max()
spread = ((of_batch - full) ** 2).sum(1).mean()
formula = (1 - 2 / 7) / 2 * ((each - full) ** 2).sum() / 6
print(f"{len(batches)} batches: mean of the gradients minus the full gradient, at most {bias:.1e}")
print(f"mean squared distance of one batch from it: {spread:.6f}, by the formula {formula:.6f}")
assert bias < 1e-14
assert abs(spread - formula) < 1e-12 * formula

# %% [markdown]
# Now D0's own estimate, with its three densities and one draw, and no KL in closed form.

# %%
k = rng.integers(0, 7, 40_000)
mu, log_sigma = (a[k] for a in small.encode(x_small))
e = rng.standard_normal((40_000, 2))
z = mu + np.exp(log_sigma) * e
p = small.decode(z)
log_pz = -(z**2 + np.log(2 * np.pi)).sum(1) / 2
log_qz = -(e**2 + 2 * log_sigma + np.log(2 * np.pi)).sum(1) / 2
estimates = np.log(np.where(x_small[k] == 1, p, 1 - p)).sum(1) + log_pz - log_qz

standard_error = estimates.std() / np.sqrt(len(k))
exact = exact_elbo(small, x_small).mean()
print(f"objective by quadrature {exact:.4f}; 40,000 one-datum, one-z estimates: mean {estimates.mean():.4f} ± {standard_error:.4f}")
print(f"standard deviation of a single estimate: {estimates.std():.2f} nats")
assert abs(estimates.mean() - exact) < 4 * standard_error
assert estimates.std() > 1

# %% [markdown]
# ## 7. The step
#
# *Items: D0-35, D1-54.*
#
# The slides: use gradient ascent (D0); learn the parameters by SGD (D1). Ascent on the ELBO and descent on its negative are one update:
# $$\theta \leftarrow \theta + \alpha\,\nabla\mathrm{ELBO} = \theta - \alpha\,\nabla\text{loss}.$$
# **[SGD.1]** with momentum $m$ (with $m = 0$: plain SGD), and **[ADAM.1]**, which also divides by the usual size of each entry of the gradient:
# $$v \leftarrow m\,v + g,\quad \theta \leftarrow \theta - \alpha\, v; \qquad\qquad
# m \leftarrow \beta_1 m + (1-\beta_1) g,\quad v \leftarrow \beta_2 v + (1-\beta_2) g^2,\quad
# \theta \leftarrow \theta - \alpha\,\frac{m/(1-\beta_1^t)}{\sqrt{v/(1-\beta_2^t)} + \epsilon} .$$
# Why divide by $1-\beta_1^t$? From $m_0 = 0$ follows $m_t = (1-\beta_1)\sum_{s=1}^{t} \beta_1^{t-s} g_s$, and the weights sum to
# $(1-\beta_1)\frac{1-\beta_1^t}{1-\beta_1} = 1-\beta_1^t$: too little at the start, and the division makes it a weighted mean.

# %%
show(SGD, Adam)

# %% [markdown]
# The package keeps Adam's moments without their constant factors, to save time. The textbook lines below must give the same path.
#
# **Predict first:** how large is Adam's first step in each parameter, when lr = 0.003?

# %%
ascent, descent = small.theta.copy(), small.theta.copy()
elbo_gradient = -full
ascent += 0.1 * elbo_gradient
SGD(lr=0.1).step(descent, full)
assert np.array_equal(ascent, descent)

paths = {"sgd": small.copy(), "adam": small.copy()}
sgd, adam = SGD(lr=0.05, momentum=0.9), Adam(lr=0.003)
textbook = {name: small.theta.copy() for name in paths}
velocity, m, v = (np.zeros(small.theta.size) for _ in range(3))
for step in range(1, 201):
    noise = rng.standard_normal((7, 2))
    g = paths["sgd"].loss_and_grad(x_small, noise)[1]
    sgd.step(paths["sgd"].theta, g)
    velocity = 0.9 * velocity + g
    textbook["sgd"] = textbook["sgd"] - 0.05 * velocity

    g = paths["adam"].loss_and_grad(x_small, noise)[1]
    adam.step(paths["adam"].theta, g)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    textbook["adam"] = textbook["adam"] - 0.003 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    if step == 1:
        first = np.abs(textbook["adam"] - small.theta)

for name, model in paths.items():
    error, moved = np.abs(model.theta - textbook[name]).max(), np.abs(model.theta - small.theta).max()
    print(f"{name:4}: after 200 steps parameters moved by up to {moved:.2f}; package minus textbook at most {error:.1e}")
    assert error < 1e-12 and moved > 0.1
print(f"Adam's first step: {first.min():.6f} to {first.max():.6f} in every parameter, whatever its gradient")
assert np.abs(first - 0.003).max() < 1e-6

# %% [markdown]
# ## 8. Training on the digits
#
# *Items: D0-38, D2-4, D3-27, D4-47.*
#
# The slides: the summary of a VAE is the ELBO plus the reparameterisation trick (D0). Train: encode, draw $z$, decode (D3).
# It learns a low-dimensional representation (D2): here 64 pixels become K = 2 numbers.
# A reader of D4 asks whether x goes in without categories such as "smile": yes, `fit` is given X_train alone, and the loss would not look at labels.
#
# Two marks tell what a score means. *Independent pixels* is the best model without a latent variable: whoever does not beat it has learned nothing.
# The *grey floor* lies below every model with Bernoulli pixels. For a grey pixel $x$ and any $p$ the loss is a cross-entropy, and
# $$-x\log p - (1-x)\log(1-p) = H(x) + \mathrm{KL}\big(\mathrm{Bernoulli}(x)\,\|\,\mathrm{Bernoulli}(p)\big) \ \ge\ H(x).$$
#
# **Predict first:** independent pixels lose 27.0 nats on test images, and the floor is 13.7. Where do two latent numbers bring us:
# below 15, between 15 and 20, or above 20? What will the KL be, in nats?

# %%
vae = VAE(64, 2)
history = vae.fit(X_train, epochs=300, batch_size=100, optimizer=Adam(lr=3e-3), X_val=X_test, progress=False)
test = vae.evaluate(X_test, rng=0, n_samples=50)
baseline, floor = independent_pixels("bernoulli", X_train, X_test), grey_floor(X_test)
print(f"test -ELBO          {test['neg_elbo']:.2f} nats per image = reconstruction {test['reconstruction']:.2f} + KL {test['kl']:.2f}")
print(f"training -ELBO      {history['neg_elbo'][-1]:.2f}")
print(f"independent pixels  {baseline:.2f}")
print(f"grey floor          {floor:.2f}")
assert test["neg_elbo"] <= 24.8
assert abs(baseline - 27.0) < 0.05 and abs(floor - 13.7) < 0.05

# %%
learning_curves(history)
plt.show()

# %% [markdown]
# The KL falls first, while the code is not yet worth its price, then rises: the code carries more information, and pays for it. The curves
# on test data lie on those of training: with two latent numbers there is hardly any overfitting.
# Most of the reconstruction term is the floor, which no model can remove.
#
# What do the two numbers hold? Labels come in only now, to colour the picture. The ellipses are the distributions $q(z|x)$ of ten test images,
# two standard deviations wide: D4's "probability distribution for each attribute".
#
# **Predict first:** classify a test image by its nearest training image, once by the two latent numbers, once by the 64 pixels. Which is better?

# %%
mu_train, (mu_test, log_sigma_test) = vae.transform(X_train), vae.encode(X_test)
ax = latent_scatter(mu_test, y_test, ax=plt.subplots(figsize=(8, 7))[1])
for digit in range(10):
    i = np.flatnonzero(y_test == digit)[0]
    ax.add_patch(Ellipse(mu_test[i], *(4 * np.exp(log_sigma_test[i])), fill=False, color="black", lw=2))
ax.set_title("Means of q(z|x), and q(z|x) of ten images (2 sigma)")
plt.show()


def nearest_error(train, test):
    """The share of test images whose nearest training image has another label."""
    distance = (test**2).sum(1)[:, None] - 2 * test @ train.T + (train**2).sum(1)
    return float(np.mean(y_train[distance.argmin(1)] != y_test))


error_latent, error_pixels = nearest_error(mu_train, mu_test), nearest_error(X_train, X_test)
error_guess = float(np.mean(y_test != np.bincount(y_train).argmax()))
print(f"error of the nearest neighbour: {error_latent:.3f} by 2 latent numbers, {error_pixels:.3f} by 64 pixels, {error_guess:.3f} by guessing")
print(f"mean sigma {np.exp(log_sigma_test).mean(0).round(3)}, standard deviation of the means {mu_test.std(0).round(2)}")
assert error_pixels < error_latent < 0.45

# %% [markdown]
# A result to state plainly: the code was learned without labels and knows much about them, yet for this task the raw pixels are far better.
# Two numbers are few, and the ELBO does not ask for classes.

# %% [markdown]
# ## 9. Two reconstructions
#
# *Items: D1-19, D1-22, D3-33, D3-34.*
#
# The slides: a deterministic reconstruction is $\hat x = \mathbb{E}_{p(x|z)}[x]$, a stochastic one $\hat x \sim p(x|z)$ (D3). Sampling turns
# decoding into a stochastic process; the decoder itself is deterministic, its predictions are stochastic (D1).
#
# D3 writes "Training" before the first and "Inference" before the second. More exactly, training needs neither: it needs the log-density
# of the image that is there. And D1's randomness has two sources, $z \sim q(z|x)$ and then $x \sim p(x|z)$. For one pixel with
# $p = p_d(z)$, the law of total variance says what each adds:
# $$\mathrm{Var}(\hat x_d) = \underbrace{\mathbb{E}_z[\,p\,(1-p)\,]}_{\text{drawing the pixel}} +
# \underbrace{\mathrm{Var}_z(p)}_{\text{drawing } z} .$$
# And for given $z$, with $\mathbb{E}[\hat x_d] = p_d$, what a drawn reconstruction costs in squared error is
# $$\mathbb{E}(x_d - \hat x_d)^2 = \mathbb{E}\big[(x_d - p_d) + (p_d - \hat x_d)\big]^2 = (x_d - p_d)^2 + p_d(1-p_d),$$
# as the mixed term has mean 0.
#
# In the code `q[0]` is the mean of $q(z|x)$, `_noise` draws ε, and `own_values` are parameters that a likelihood may have learned; this one has none.

# %%
show(VAE.reconstruct)

# %% [markdown]
# **Predict first:** which of the two has the smaller squared error? Which looks more like a digit?

# %%
shown = [int(np.flatnonzero(y_test == digit)[0]) for digit in range(10)]
x = X_test[shown]
mean_image, drawn_image = vae.reconstruct(x), vae.reconstruct(x, rng=0)
ax = image_grid(np.concatenate([x, mean_image, drawn_image]), n_columns=10, ax=plt.subplots(figsize=(11, 3.9))[1])
ax.set_yticks([3.5, 12.5, 21.5], ["x", "E[x|z = mu]", "x ~ p(x|z)"], fontsize=16)
ax.tick_params(length=0)
ax.set_title("Images, and their two reconstructions")
plt.show()

# %%
# The decoder is a function, the mean reconstruction too; the drawn one is not.
assert np.array_equal(vae.decode(mu_test), vae.decode(mu_test))
assert np.array_equal(vae.reconstruct(x), mean_image)
assert not np.array_equal(vae.reconstruct(x, rng=1), drawn_image)

# Training needs neither reconstruction: loss and gradient of a model that can give neither mean nor sample.
blind = vae.copy()
blind.parts = blind.parts._replace(likelihood=blind.parts.likelihood._replace(mean=None, sample=None))
noise = rng.standard_normal((10, 2))
(loss, gradient), (blind_loss, blind_gradient) = vae.loss_and_grad(x, noise), blind.loss_and_grad(x, noise)
print(f"loss {loss:.4f}, without mean and sample {blind_loss:.4f}")
assert loss == blind_loss and np.array_equal(gradient, blind_gradient)

# The squared error of drawn pixels at z = mu, against the formula.
p = vae.decode(mu_test).astype(float)
errors = np.array([((X_test - (rng.random(p.shape) < p)) ** 2).sum(1).mean() for _ in range(200)])
of_mean, extra = ((X_test - p) ** 2).sum(1).mean(), (p * (1 - p)).sum(1).mean()
standard_error = errors.std() / np.sqrt(len(errors))
print(f"squared error per image: mean {of_mean:.3f}; drawn {errors.mean():.3f} ± {standard_error:.3f}, formula {of_mean + extra:.3f}")
assert abs(errors.mean() - of_mean - extra) < 4 * standard_error
assert errors.min() > of_mean

# The two sources of randomness, for one image.
one = np.repeat(X_test[:1], 20_000, axis=0)
mu, log_sigma = (a.astype(float) for a in vae.encode(one))
p = vae.decode(mu + np.exp(log_sigma) * rng.standard_normal(mu.shape)).astype(float)
from_pixels, from_z = (p * (1 - p)).mean(0).sum(), p.var(0).sum()
draws = vae.reconstruct(one, rng=2).astype(float)
squares = ((draws - p.mean(0)) ** 2).sum(1)
standard_error = squares.std() / np.sqrt(len(squares))
print(f"variance of 64 drawn pixels {squares.mean():.3f} ± {standard_error:.3f} = {from_pixels:.3f} from x ~ p(x|z) + {from_z:.3f} from z ~ q(z|x)")
assert abs(squares.mean() - from_pixels - from_z) < 4 * standard_error
assert from_pixels > 5 * from_z

# %% [markdown]
# The mean has the smaller error and is the smoother picture; the drawn image is what the model holds possible, pixel by pixel, and the pixels
# are drawn independently: hence the speckle. Most of the randomness is of this kind, not from $z$. Papers that show smooth samples show the mean.

# %% [markdown]
# ## 10. Ancestral sampling: new digits
#
# *Items: D0-18, D0-46, D4-33.*
#
# The slides: it is easy to sample from $p_\theta(x)$: generate $z \sim p(z)$, compute $p_\theta(x|z)$, generate $x \sim p_\theta(x|z)$ (D0);
# sample from the prior and decode (D4). D0's figure goes from one $z$ through the decoder to an image of means, and then to samples.
#
# Why is that a draw from $p_\theta(x)$? The pair $(z, x)$ has the density $p(z)\,p_\theta(x|z)$; forgetting $z$ leaves
# $$\int p(z)\, p_\theta(x|z)\, dz = p_\theta(x).$$
# (`own_values` are parameters that a prior may have learned; $\mathcal{N}(0, I)$ has none.)

# %%
show(VAE.sample)

# %%
z_slide = np.array([[0.1, 0.3]])  # the first two numbers of D0's z = (0.1, 0.3, -0.2)
mean_image = vae.decode(z_slide)
drawn = (rng.random((7, 64)) < mean_image).astype(float)
ax = image_grid(np.concatenate([mean_image, drawn]), n_columns=8, ax=plt.subplots(figsize=(11, 2.3))[1])
ax.set_xticks([3.5, 39.5], ["E[x|z]", "seven draws x ~ p(x|z)"], fontsize=16)
ax.tick_params(length=0)
ax.set_title("One z = (0.1, 0.3): its mean image, then samples")
plt.show()

# %%
means, images = vae.sample(12, rng=3, mean=True), vae.sample(12, rng=3)
ax = image_grid(np.concatenate([means, images]), n_columns=12, ax=plt.subplots(figsize=(12, 2.9))[1])
ax.set_yticks([3.5, 12.5], ["E[x|z]", "x ~ p(x|z)"], fontsize=16)
ax.tick_params(length=0)
ax.set_title("Twelve draws of z from the prior, decoded")
plt.show()

# %% [markdown]
# Two checks. `sample` is the slide's two lines, number for number. And the samples have the right distribution: the mean ink per image
# must agree with $\int p(z) \sum_d p_d(z)\, dz$, by quadrature.
#
# **Predict first:** the average training image holds 19.5 units of ink. Will the average sample hold the same?

# %%
generator = np.random.default_rng(3)
z = generator.standard_normal((12, 2), dtype=np.float32)  # z ~ p(z)
by_hand = vae.parts.likelihood.sample(vae.decoder_output(z), generator)  # x ~ p(x|z)
assert np.array_equal(by_hand, images)

ink = vae.sample(50_000, rng=4).sum(1, dtype=float)
standard_error = ink.std() / np.sqrt(len(ink))
axis = np.linspace(-7, 7, 201)
grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
prior_mass = np.exp(-(grid**2).sum(1) / 2) / (2 * np.pi) * (axis[1] - axis[0]) ** 2
expected = prior_mass @ vae.decode(grid).sum(1)
print(f"ink per sample {ink.mean():.3f} ± {standard_error:.3f}, by quadrature {expected:.3f}; training images {X_train.sum(1).mean():.3f}")
assert abs(prior_mass.sum() - 1) < 1e-6
assert abs(ink.mean() - expected) < 4 * standard_error

# %% [markdown]
# The sampler is exact; the model is not the data. A small difference between the last two numbers is the model's own error.

# %% [markdown]
# ## 11. An auto-encoder with a regulariser
#
# *Items: D0-39, D1-28, D2-56.*
#
# The slides: the VAE has two faces, a probabilistic framework and an auto-encoder (D0); the structure closely resembles an ordinary auto-encoder
# (D2); "so, this is an AE with regularization" towards the prior (D1). D1's prior $\mathcal{N}(0, 1)$ is meant as $\mathcal{N}(0, I)$, one
# unit Gaussian per latent dimension: the KL is then a sum over dimensions.
#
# The auto-encoder's face shows when the KL gets the weight $\beta = 0$: only the reconstruction is left. For a fixed $x$ the gradient
# of the loss by $\log\sigma$ is then only that through $z$, and nothing keeps $\sigma$ from falling or the means from running apart.
#
# **Predict first:** without the KL, which of the two terms gets better, and by how much does the ELBO change? Better or worse than the 27.0 of
# independent pixels?

# %%
plain = VAE(64, 2, beta=0)
plain.fit(X_train, epochs=200, optimizer=Adam(lr=3e-3), progress=False)
print("on test images       -ELBO = reconstruction + KL        mean sigma   std of the means")
results = {}
for name, model in {"VAE": vae, "beta = 0": plain}.items():
    r = results[name] = model.evaluate(X_test, rng=0, n_samples=50)
    mu, log_sigma = model.encode(X_test)
    print(f"{name:18}  {r['neg_elbo']:7.2f} = {r['reconstruction']:10.2f} + {r['kl']:7.2f}        {np.exp(log_sigma).mean():8.4f}  {mu.std():12.2f}")
assert results["beta = 0"]["reconstruction"] < results["VAE"]["reconstruction"]  # the auto-encoder copies better
assert results["beta = 0"]["kl"] > 20 * results["VAE"]["kl"]
assert results["beta = 0"]["neg_elbo"] > baseline  # and is worse as a model of images than no latent variable at all

# %% [markdown]
# The KL is what the code costs. Without it less than two nats of reconstruction are bought for more than a hundred, and the codes leave the region
# where the prior puts its mass, so sampling from the prior has no reason to work. The regulariser is not an addition to taste: its weight 1 is what
# makes the sum a bound on $\log p(x)$.

# %% [markdown]
# ## 12. Does it approximate the distribution of the data?
#
# *Items: D0-2, D0-45.*
#
# The slides: the goal is to approximate the data distribution (D0), and that is what the VAE does and the auto-encoder does not (D0).
#
# How would one know? By held-out log-likelihood: with $p^\star$ the unknown distribution of the data,
# $$\mathbb{E}_{x\sim p^\star}[\log p_\theta(x)] = -H(p^\star) - \mathrm{KL}(p^\star\,\|\,p_\theta).$$
# The entropy $H(p^\star)$ is the same for all models, so differences of the held-out mean are differences of the KL from the truth: the
# higher mean is the nearer model. An auto-encoder defines no $p(x)$ and cannot enter. Two cautions: $p_\theta$ must be a real distribution, so the
# pixels are made binary here (the Bernoulli formula sums to one over binary pixels, but does not integrate to one over grey ones); and the ELBO
# is only a bound, so $\log p(x)$ itself is estimated, by importance sampling with $q(z|x)$. How well, quadrature can say for K = 2. An estimate is
# low where q is narrower than the posterior: few draws reach the rest, and they have the large weights (04). The *effective sample size*
# $(\sum w)^2/\sum w^2$ is then a small share of the draws; a wider proposal, q with 2σ for σ, is the remedy.
#
# **Predict first:** order these by held-out log-likelihood: independent pixels; K = 2; K = 10. How large is the gap between $\log p(x)$ and the ELBO?

# %%
B_train, B_test = ((a >= 0.5).astype(np.float32) for a in (X_train, X_test))
scores = {"independent\npixels": (-independent_pixels("bernoulli", B_train, B_test),) * 2}
models = {}
for K in (2, 10):
    models[K] = VAE(64, K)
    models[K].fit(B_train, epochs=150, optimizer=Adam(lr=3e-3), progress=False)
    bound = -models[K].evaluate(B_test, rng=0, n_samples=50)["neg_elbo"]
    log_px = models[K].log_likelihood(B_test, n_samples=500, rng=0)
    scores[f"VAE, K = {K}"] = bound, float(log_px.mean(dtype=float))
for name, (bound, log_px) in scores.items():
    print(f"{' '.join(name.split()):20} ELBO {bound:7.2f}   log p(x) {log_px:7.2f}   gap {log_px - bound:5.2f} nats")
independent, two, ten = (log_px for _, log_px in scores.values())
assert independent < two < ten
assert all(log_px > bound for bound, log_px in list(scores.values())[1:])

rows = B_test[:20]
exact = GridPosterior(models[2], n=121).log_evidence(rows)
ones = np.array([[int(b) for b in f"{n:06b}"] for n in range(64)], dtype=float)
total = np.exp(GridPosterior(small).log_evidence(ones)).sum()


def importance_sampled(vae, x, wider, n=5000):
    """log p(x) and the effective sample size, by draws from q(z|x) with its sigma made wider (binary pixels)."""
    mu, log_sigma = (a.astype(float) for a in vae.encode(x))
    sigma, e = wider * np.exp(log_sigma), np.random.default_rng(0).standard_normal((n, *mu.shape))
    z = mu + sigma * e
    out = vae.decoder_output(z.reshape(-1, z.shape[-1])).reshape(n, *x.shape)
    log_w = -np.logaddexp(0, (1 - 2 * x) * out).sum(-1) + ((e**2 - z**2) / 2 + np.log(sigma)).sum(-1)
    w = np.exp(log_w - log_w.max(0))
    return log_w.max(0) + np.log(w.mean(0)), w.sum(0) ** 2 / (w**2).sum(0)


print("importance sampling, 5000 draws, minus quadrature on 20 images, K = 2")
off = {}
for wider in (1, 2):
    sampled, effective = importance_sampled(models[2], rows, wider)
    off[wider] = sampled - exact
    print(f"    sigma times {wider}: mean {off[wider].mean():+.4f}, largest {np.abs(off[wider]).max():.4f}, smallest effective sample size {effective.min():.0f}")
of_scores = models[2].log_likelihood(rows, n_samples=500, rng=0) - exact
print(f"    500 draws from q itself, as in the table: mean {of_scores.mean():+.4f}")
print(f"probabilities of all 64 binary images of six pixels, small model: sum {total:.10f}")
assert abs(off[2].mean()) < 0.01 and np.abs(off[2]).max() < 0.1
assert np.abs(off[2]).max() < np.abs(off[1]).max()
assert abs(of_scores.mean()) < 0.1 < min(two - independent, ten - two)  # the table's own error is small beside its differences
assert abs(total - 1) < 1e-9

# %%
fig, ax = plt.subplots(figsize=(8, 4.5))
places = np.arange(3)
ax.bar(places - 0.2, [-bound for bound, _ in scores.values()], 0.38, label="-ELBO")
ax.bar(places + 0.2, [-log_px for _, log_px in scores.values()], 0.38, label="-log p(x)", hatch="//", edgecolor="white")
for place, (bound, log_px) in zip(places, scores.values()):
    ax.text(place - 0.2, -bound + 0.3, f"{-bound:.1f}", ha="center")
    ax.text(place + 0.2, -log_px + 0.3, f"{-log_px:.1f}", ha="center")
ax.set_xticks(places, scores)
ax.set(ylabel="nats per image, lower is better", title="Held-out binary digits", ylim=(0, 30))
ax.legend(ncols=2, loc="upper right")
plt.show()

# %% [markdown]
# For independent pixels both numbers are the same: without a latent variable there is no bound to be loose. The estimates by q are a few hundredths
# of a nat off on average, more for single images; the wider proposal agrees with quadrature. Between the models lie nats.

# %% [markdown]
# ## Exercises
#
# **1. Ancestral sampling.** Write `new_images(vae, n, rng)`: draw z from the prior as float32, decode it to the mean image, and draw binary pixels
# with `rng.random`. It needs `vae.decode` only.


# %%
def new_images(vae, n, rng):
    raise NotImplementedError("about 3 lines: z of shape (n, K), the means p of shape (n, D), pixels that are 1 with probability p")


def check_new_images(function):
    """The pixels are binary, and each pixel's frequency agrees with the integral over the prior."""
    images = function(vae, 20_000, np.random.default_rng(1))
    assert images.shape == (20_000, 64) and set(np.unique(images)) <= {0, 1}
    p = prior_mass @ vae.decode(grid)
    z = (images.mean(0) - p) / np.sqrt(p * (1 - p) / len(images))
    assert np.sqrt(np.mean(z**2)) < 1.5 and np.abs(z).max() < 5, "the pixels do not have the probabilities of the model"
    print(f"right: errors of the 64 pixel means have a root mean square of {np.sqrt(np.mean(z**2)):.2f} standard errors")


try:
    check_new_images(new_images)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# **2. The loss of one example, backwards.** Given the forward pass of D1's loss in logits, write its backward pass. `check` judges it.


# %%
def example_loss_forward(logits, mu, log_sigma, x):
    """-log p(x|z) + KL per example: logits and x (N, D), mu and log_sigma (N, K), loss (N,)."""
    reconstruction = (np.logaddexp(0, logits) - x * logits).sum(1)
    kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma).sum(1) / 2
    return reconstruction + kl, (logits, mu, log_sigma, x)


def example_loss_backward(dloss, cache):
    raise NotImplementedError("about 4 lines: dlogits, dmu, dlog_sigma, each the derivative of its own term times dloss[:, None]")


def check_example_loss(backward):
    inputs = rng.standard_normal((3, 6)), rng.standard_normal((3, 2)), rng.standard_normal((3, 2)), x_small[:3]
    report = check(example_loss_forward, backward, *inputs, wrt=("logits", "mu", "log_sigma"))
    print(report)
    assert report.ok, "the report names the worst entry"


try:
    check_example_loss(example_loss_backward)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# ## Solutions


# %% jupyter={"source_hidden": true} tags=["solution"]
def solved_new_images(vae, n, rng):
    z = rng.standard_normal((n, vae.n_latent), dtype=np.float32)
    p = vae.decode(z)
    return (rng.random(p.shape) < p).astype(float)


check_new_images(solved_new_images)


# %% jupyter={"source_hidden": true} tags=["solution"]
def solved_example_loss_backward(dloss, cache):
    logits, mu, log_sigma, x = cache
    d = dloss[:, None]
    return d * (1 / (1 + np.exp(-logits)) - x), d * mu, d * (np.exp(2 * log_sigma) - 1)


check_example_loss(solved_example_loss_backward)
