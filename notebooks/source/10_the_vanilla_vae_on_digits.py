# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 10 The vanilla VAE on digits
#
# Encoder, decoder, prior, one loss, one backward pass, one optimiser: here the pieces become one model of images. It is drawn as a
# graph, checked piece by piece against plain NumPy and against exact answers, trained on small digits, and then asked what it is worth.
#
# Afterwards you can write the loss of a VAE and its gradient and show that they are right; train a VAE on images and say how good its
# score is; reconstruct, sample, and compare models by their held-out log-likelihood.
#
# *Notation: latent; encoder parameters; decoder parameters; encoder; decoder; noise; bound; reconstruction; gradient of the loss by v.*
#
# Two traps: D1 swaps θ and φ (E29), and 𝓛 is the ELBO in D0 but its negative in D1. In the code all parameters form one vector `theta`,
# the encoder's first.

# %%
from itertools import combinations, pairwise

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
from tinyvae.bounds import (
    draw_backward,
    draw_forward,
    elbo_backward,
    elbo_forward,
    kl_term_backward,
    kl_term_forward,
    log_px_backward,
    log_px_forward,
)
from tinyvae.companion import show
from tinyvae.estimators import standard_error
from tinyvae.exact import PCA, GridPosterior
from tinyvae.params import Gradients, count
from tinyvae.plots import image_grid, learning_curves, use_style
from tinyvae.plots.diagrams import graph
from tinyvae.train import grey_floor, independent_pixels
from tinyvae.zoo.deconvolution import (
    DeconvVAE,
    conv_backward,
    conv_forward,
    deconv_backward,
    deconv_forward,
)

use_style()
rng = np.random.default_rng(0)


def mean_and_error(values):
    """The mean of independent values, and its standard error."""
    values = np.asarray(values, dtype=float)
    return values.mean(), standard_error(values)


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
# done by a second network.
#
# *Corrections.* To D0 (E11): the product over pixels says that they are independent *given z*; in $p_\theta(x)$ they are not (section 10 measures
# it). To D3 (E45): "likelihood autoencoders" should read *likelihood-based*, for the score of an output is its log-likelihood. To D3 (E48): $\phi$
# stands first for the free parameters of one $q$; here it holds the weights of a network that serves every $x$.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4.8), width_ratios=(3.9, 5.4))
model = {
    "z": (0, 2.6, "$z_n$", "latent"), "x": (0, 0, "$x_n$", "observed"),
    "decoder": (-1.0, 1.3, r"$p_\theta(x|z)$", "value"), "encoder": (1.15, 1.3, r"$q_\phi(z|x)$", "value"),
}  # fmt: skip
graph(model, [("z", "x"), ("x", "z", "", "backward")], [(-1.8, -1.1, 1.95, 3.2, "n = 1..N")], ax=left)
left.set_title("the model, and dashed:\nthe way back")
networks = {
    "x": (3.6, 0, "$x$", "observed"), "encoder": (3.6, 1.3, "encoder", "operation"), "q": (3.6, 2.6, "", "value"),
    "of q": (3.95, 2.6, r"$\mu, \log\sigma$", "value"),
    "eps": (1.8, 3.9, r"$\varepsilon$", "noise"), "z": (1.8, 2.6, "$z$", "latent"), "to": (0, 2.6, "", "value"),
    "decoder": (0, 1.3, "decoder", "operation"), "p": (0, 0, "$p$", "value"),
}  # fmt: skip
arrows = [("x", "encoder"), ("encoder", "q"), ("q", "z"), ("eps", "z"), ("z", "decoder"), ("decoder", "p")]
graph(networks, arrows, ax=right)
right.set_title("the two networks")
plt.show()

# %% [markdown]
# On the right the arrow down of the model has become the decoder, and the dashed arrow up the encoder, followed by a draw:
# $z = \mu + \sigma\varepsilon$.
#
# The whole forward pass has five lines, one for each arrow on the right and one for the KL. `parts` holds the two networks and the three choices.
# For these choices `features` leaves x as it is (`whole` is true of counts alone), `draw_forward` is $z = \mu + \sigma\varepsilon$,
# `log_px_forward` the log of the product above, and `kl_term_forward` the KL in closed form (05 and 06 show them). `L` is the number of draws of z
# per datum, here one.

# %%
show(elbo_terms_forward)

# %% [markdown]
# The same pass written out in plain NumPy, as the slides state it, must give the same two terms.
#
# **Predict first:** with D = 6 pixels, five tanh units and K = 2, how many numbers does the encoder's last layer give for one image?

# %% tags=["answer"]
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
assert heads.shape[1] == 2 * small.n_latent == 4
assert error < 1e-12

# %% [markdown] tags=["answer"]
# Two for each latent dimension: a mean and a log standard deviation.

# %% [markdown]
# ## 2. The encoder gives a distribution
#
# *Items: D3-28, D4-3, D4-21.*
#
# The slides: an auto-encoder gives a single value for each attribute, a VAE gives a probability distribution for each (D4).
# The output of the encoder is not $z$ but the parameters of $q(z|x)$, from which $z$ is drawn (D3).
#
# The network has two heads side by side in one layer, **[ENC.1]**, and the backward pass joins their two gradients again, **[ENC.2]**:
# $$(\mu, \log\sigma) = h\,W + b,\ \ W = [\,W_\mu\ |\ W_\sigma\,] \qquad\Longrightarrow\qquad
# dW = h^\top\,[\,d\mu\ |\ d\log\sigma\,],\quad db = \textstyle\sum_n\,[\,d\mu_n\ |\ d\log\sigma_n\,].$$
# In the code `encoder` is the network and `mlp_forward` runs it (02); `cut` cuts its outputs into the two heads, `join` puts their gradients side by
# side again; `need_dx=False` says that nobody asks for the gradient by the data, which saves a product of matrices.
# `dparams` is a `Gradients`: arrays by the names of the weights, zero until a backward pass adds to them.

# %%
show(encode_forward, encode_backward)

# %% [markdown]
# *A nuance to D4 (E53):* "our decoder model will then generate a latent vector by sampling" gives that step to the wrong side. It belongs to $q$:
# the draw uses $\mu$, $\sigma$ and noise, all known before the decoder starts. Two checks: the gradient of the encoder is right; and the draws from
# its answer have the mean and the standard deviation that it states.
#
# **Predict first:** encode one image twice, and draw one z each time. Which of μ, σ and z agree?

# %% tags=["answer"]
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
draws = draw_forward(once, rng.standard_normal((100_000, 1, 2)), small.params, small.parts.posterior)[0][:, 0]
off_mean, off_std = draws.mean(0) - mu, draws.std(0) - sigma
print(f"\nmu and sigma agree: {same}; two draws of z: {draws[0].round(3)} and {draws[1].round(3)}")
print(f"100,000 draws: mean off by {off_mean.round(3)}, standard deviation by {off_std.round(3)}, of sigma = {sigma.round(2)}")
assert same and not np.array_equal(draws[0], draws[1])
assert (np.abs(off_mean) < 0.013 * sigma).all() and (np.abs(off_std) < 0.009 * sigma).all()  # 4 / sqrt(n), 4 / sqrt(2 n)

# %% [markdown] tags=["answer"]
# μ and σ are functions of the image and agree to the last digit; z is drawn and differs.

# %% [markdown]
# ## 3. The decoder gives a distribution over images
#
# *Items: D0-15, D0-17, D1-2.*
#
# The slides: the decoder is a map $f_\theta: \mathbb{R}^d \to \mathbb{R}^{28\times28}$, and $f_\theta(z)$ defines mean values (D0).
# D1 makes it of deconvolution layers.
#
# *A nuance to D0 (E4):* the mean of a binary pixel lies in $[0, 1]$, but a network gives any real number. What it gives are *logits*;
# the means are their sigmoid. **[DEC.1]** is the network, **[DEC.2]** its backward pass, which also returns $dz$: the road back to the encoder.
# $$\text{out} = f_\theta(z) \in \mathbb{R}^{D}, \qquad \mathbb{E}[x|z] = \mathrm{sigmoid}(\text{out}) \in (0, 1)^D, \qquad
# dz = \Big(\frac{\partial\,\text{out}}{\partial z}\Big)^{\!\top} d\text{out} .$$
# (`decoder.pair` is the network's own pair, that of `mlp` for dense layers; `cut` gives the output the shape of the decoder's one head, here $(D,)$
# for each $z$; `join` does the opposite.)

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
# **Deconvolution.** A convolution moves a window of $k\times k$ pixels over a large map $x$, $s$ pixels at a time, and weighs every window by one
# kernel; with several channels each $K_{ab}$ is a matrix between them:
# $$y_{ij} = \sum_{a,b} x_{si+a,\,sj+b}\,K_{ab}. \qquad \textbf{[CONV.1]}$$
# It is linear, $y = Ax$, so its backward pass is the transpose $A^\top$: every $dy_{ij}$ goes back to the pixels of its own window. Each entry of the
# kernel is used in all windows and collects from all of them:
# $$dx = A^\top dy:\quad dx_{si+a,\,sj+b} \mathrel{+}= dy_{ij}\,K_{ab}^\top, \qquad
# dK_{ab} = \sum_{i,j} x_{si+a,\,sj+b}^\top\, dy_{ij}. \qquad \textbf{[CONV.2]}$$
# The deconvolution of D1, better called transposed convolution, is this $A^\top$ taken as a layer of its own: every entry of a small map stamps a copy of
# the kernel on the image, $s$ pixels further for each step. Its backward pass is then the convolution, for $(A^\top)^\top = A$:
# $$x = A^\top y:\quad x_{si+a,\,sj+b} \mathrel{+}= y_{ij}\,K_{ab}^\top \quad \textbf{[DECONV.1]}, \qquad
# dy = A\,dx,\quad dK_{ab} = \sum_{i,j} dx_{si+a,\,sj+b}^\top\, y_{ij}. \qquad \textbf{[DECONV.2]}$$
# What decides whether two programs are such a pair is one identity, $\langle Ax, y\rangle = \langle x, A^\top y\rangle$ for all $x$ and $y$. The name misleads in
# one point: $A^\top$ does not undo $A$. Below, `_windows` gives for each entry $(a, b)$ of the kernel the slice that holds all $x_{si+a,\,sj+b}$,
# and `_dkernel` is the sum for $dK$.

# %%
show(conv_forward, conv_backward, deconv_forward, deconv_backward)

# %% [markdown]
# A deconvolution is also a dense layer, $x = y\,W$, whose row $(i,j)$ is the kernel shifted by $(si, sj)$: what changes is the number of free weights.
#
# **Predict first:** from a 3×3 map to an 8×8 image with a 4×4 kernel, stride 2: how many free weights, and how many in a dense layer?

# %% tags=["answer"]
small_map, kernel = rng.standard_normal((5, 3, 3, 1)), rng.standard_normal((4, 4, 1, 1))
image = np.random.default_rng(1).standard_normal((5, 8, 8, 1))
report = check(deconv_forward, deconv_backward, small_map, kernel, 2, wrt=("y", "kernel"))
print(report)
Ax, Aty = conv_forward(image, kernel, 2)[0], deconv_forward(small_map, kernel, 2)[0]
off = abs(np.vdot(Ax, small_map) - np.vdot(image, Aty))
print(f"\n<Ax, y> - <x, A'y> = {off:.0e}; shapes {Ax.shape} and {Aty.shape}")
W = deconv_forward(np.eye(9).reshape(9, 3, 3, 1), kernel, 2)[0].reshape(9, 64)  # the equal dense layer
print(f"free weights: {kernel.size} in the kernel, {W.size} in a dense layer of the same shape")
assert report.ok and off < 1e-12
assert np.abs(Aty.reshape(5, 64) - small_map.reshape(5, 9) @ W).max() < 1e-13
assert (kernel.size, W.size) == (16, 576)

undone = deconv_forward(Ax, kernel, 2)[0]
best = np.vdot(undone, image) / np.vdot(undone, undone)
left = np.linalg.norm(image - best * undone) / np.linalg.norm(image)
print(f"after A and then A', at the best scale, {left:.0%} of the image is still missing")
assert left > 0.5

# %% [markdown] tags=["answer"]
# 16 against 576. The dense layer can learn the same map, but must learn every copy of the kernel by itself.

# %% [markdown]
# `DeconvVAE` is a VAE whose decoder is three such layers, 1×1 to 2×2 to 3×3 to 8×8, with $z$ as one pixel of K channels. Nothing else changes: the record of its
# decoder names another pair, and the ELBO, the samples and the estimates above it call that.

# %%
sizes = {name: count(model.parts.decoder.shapes) for name, model in (("deconvolutions", DeconvVAE(8)), ("dense", VAE(64, 8, hidden=(38,))))}
print("numbers in the decoder:", sizes)
report = check_model(DeconvVAE(2, maps=((2, 3), (5, 1)), strides=(1, 3), hidden=(4,)), np.random.default_rng(2).integers(0, 2, (6, 25)))
print(report)
assert report.ok and sizes == {"deconvolutions": 2815, "dense": 2838}

# %% [markdown]
# Does it pay? In the package's tests both are trained on the binary digits with K = 8, three seeds each: −19.02 ± 0.04 nats with deconvolutions, −19.10 ± 0.06 with a
# dense decoder of the same size. That is no gain worth the name: on 8×8 pixels there are few places to share a kernel between. And not every such
# decoder is as good: with one hidden map in place of two it stays more than a nat below, on a split of the training rows by which the sizes were chosen.

# %% [markdown]
# ## 4. The loss, as on the slide
#
# *Items: D0-30, D1-27.*
# *Short path.*
#
# The slides: maximise $\sum_i \mathbb{E}_q[\log p_\theta(x_i|z_i)\,p(z_i)/q_\phi(z_i|x_i)]$ over $\theta$ and $\phi$ (D0);
# the loss for one example is $-\mathbb{E}_q[\log p(x_i|z)] + \mathrm{KL}(q(z|x_i)\,\|\,p(z))$ (D1). They are the same objective. For one datum,
# $$\mathbb{E}_q\Big[\log\frac{p(x|z)\,p(z)}{q(z|x)}\Big] = \mathbb{E}_q[\log p(x|z)] + \mathbb{E}_q\Big[\log \frac{p(z)}{q(z|x)}\Big]
# = \mathbb{E}_q[\log p(x|z)] - \mathrm{KL}\big(q(z|x)\,\|\,p(z)\big) = \mathrm{ELBO}(x).$$
# So D0 maximises the sum of the ELBO and D1 minimises its negative; D3 does each once under one letter (E43). D0 writes a sum here and a mean over
# $N$ on the next slide (E9): dividing by $N$ moves no optimum, but it does scale the gradient, so the step size of one is not that of the other.
# Here,
# $$\text{loss} = -\frac1N \sum_{n=1}^{N} \big(\log p(x_n|z_n) - \beta\, \mathrm{KL}_n\big), \quad z_n \sim q(z|x_n) \qquad \textbf{[LOSS.1]}$$
# with $\beta = 1$, and in the backward pass the minus and the $1/N$ occur once:
# $$d\log p_n = -\frac{d\text{loss}}{N},
# \qquad d\mathrm{KL}_n = \beta\,\frac{d\text{loss}}{N} . \qquad \textbf{[LOSS.2]}$$
# In the code the minus and the $1/N$ stand in the methods of `VAE`, and the weights 1 and $\beta$ in the pair `elbo` below, which they find in the
# table `BOUNDS`. A batch is a pair, images and labels; this model does not look at labels. `_checked` takes x out of the batch and gives the noise
# the shape (L, N, K); `weigh` puts the weights that a schedule may give in the order of the terms; `NoWeightError` is for bounds without a KL;
# `dparams.flat()` is the gradient as one vector.

# %%
show(VAE.loss_forward, VAE.loss_backward)
show(elbo_forward, elbo_backward)

# %% [markdown]
# Is that the slide's expectation? For K = 2 it can be computed without samples: the Gauss-Hermite rule integrates over $q$ on a 40×40 grid.
# The package's loss at random noise must scatter around that number.
#
# **Predict first:** take 4,000 losses of these seven data, each with fresh noise. How far will their mean be from the slide's formula:
# some tenths, hundredths or thousandths of a nat?

# %% tags=["answer"]
nodes, node_weights = np.polynomial.hermite_e.hermegauss(40)
t = np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2)
t_weights = np.outer(node_weights, node_weights).ravel() / (2 * np.pi)


def exact_terms(vae, x):
    """E_q[log p(x|z)] and KL(q || p) per datum, the expectation by Gauss-Hermite quadrature (K = 2, Bernoulli pixels)."""
    mu, log_sigma = (a.astype(float) for a in vae.encode(x))
    sigma = np.exp(log_sigma)
    p = vae.decode((mu + sigma * t[:, None]).reshape(-1, 2)).astype(float).reshape(len(t), *x.shape)
    log_px = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)
    return t_weights @ log_px, (sigma**2 + mu**2 - 1 - 2 * log_sigma).sum(-1) / 2


expected_log_px, kl = exact_terms(small, x_small)
slide_loss = -(expected_log_px - kl).mean()
losses = np.array([small.loss_and_grad(x_small, rng.standard_normal((7, 2)))[0] for _ in range(4000)])
loss_mean, its_error = mean_and_error(losses)
print(f"the slide's loss by quadrature   {slide_loss:.4f} nats per datum")
print(f"mean of the package's losses     {loss_mean:.4f} ± {its_error:.4f} (standard error)")
assert its_error < 0.005
assert abs(loss_mean - slide_loss) < 4 * its_error

# %% [markdown] tags=["answer"]
# Thousandths: one loss scatters by a quarter of a nat, and the mean of 4,000 by $1/\sqrt{4000}$ of that, 0.004.

# %% [markdown]
# ## 5. One backward pass for both networks
#
# *Items: D2-57.*
# *Short path.*
#
# The slide: the parameters of encoder and decoder are updated in a single pass of ordinary backprop (D2).
#
# Here is the loss of one datum as a graph of operations. Every arrow carries a value forward: μ and log σ from the encoder, $z = \mu +
# \sigma\varepsilon$, the logits $a = f_\theta(z)$. A dot is a parameter, the dashed circle is noise: an input like x. (x also goes into log p; that
# arrow is left out.)

# %%
nodes = {
    "x": (0, 0.3, "$x$", "observed"), "phi": (-0.3, 4.2, r"$\phi$", "parameter"), "encoder": (0, 2.7, "encoder", "operation"),
    "mu": (1.75, 4.4, r"$\mu$", "value"), "log_sigma": (1.75, 1, "", "value"), "s": (1.65, 1, r"$\log\sigma$", "value"),
    "KL": (3.5, 2.7, "KL", "operation"), "exp": (3.5, 1, "exp", "operation"),
    "plus": (5.3, 4.4, "$+$", "operation"), "times": (5.3, 1, r"$\times$", "operation"), "eps": (5.3, -0.6, r"$\varepsilon$", "noise"),
    "theta": (7.2, 5.7, r"$\theta$", "parameter"), "decoder": (7.2, 4.4, "decoder", "operation"),
    "log p": (7.2, 2.7, r"$\log p$", "operation"), "loss": (7.2, 1, r"$-$ELBO", "operation"),
}  # fmt: skip
values = {"sigma": (4.4, 0.7, r"$\sigma$"), "noise": (5.75, 3.6, r"$\sigma\varepsilon$"), "z": (6.2, 4.1, "$z$"), "a": (7.5, 3.5, "$a$")}
forward = [
    ("x", "encoder"), ("phi", "encoder"), ("encoder", "mu"), ("encoder", "log_sigma"), ("mu", "KL"), ("log_sigma", "KL"), ("log_sigma", "exp"),
    ("exp", "times"), ("eps", "times"), ("times", "plus"), ("mu", "plus"), ("plus", "decoder"), ("theta", "decoder"), ("decoder", "log p"),
    ("log p", "loss"), ("KL", "loss"),
]  # fmt: skip
ax = graph(nodes | {name: (*place, "value") for name, place in values.items()}, forward, ax=plt.subplots(figsize=(8, 6.6))[1])
ax.set_title("Forward: the loss of one datum")
plt.show()

# %% [markdown]
# Gradients run along the same arrows, from the loss back to the dots. Is the package's gradient right as a whole? `check_model` moves parameters of
# the full model and compares the change of the loss with the gradient; how exact this comparison can be it finds out for every entry (07), so no
# tolerance is set. Below: a small model, each parameter by itself, and the model that will be trained on the digits, along random directions and at
# a few entries. The last rows, "weight of ...", ask whether the gradient follows the weight that a schedule may give to a term;
# they are left out once a gradient is wrong.
#
# **Predict first:** let the backward pass forget the KL. Which of the eight arrays of weights get a wrong gradient?

# %% tags=["answer"]
X, y = load_digits()
X_train, X_test, y_train, y_test = train_test_split(X, y)

report = check_model(small, x_small)
print(report, "\n")
big = check_model(VAE(64, 2), X_train[:8])
print(f"VAE(64, 2), {VAE(64, 2).theta.size} parameters: largest relative error {big.error:.0e}")
assert report.ok and big.ok


class NoKLGradient(VAE):
    """A VAE whose backward pass forgets the KL."""

    def loss_backward(self, dloss, cache, weights=None):
        return super().loss_backward(dloss, cache, {"kl": 0})


broken = NoKLGradient(6, 2, hidden=(5,), dtype="float64")
wrong = [row.name for row in check_model(broken, x_small).rows if not row.ok]
print("\nwithout the gradient of the KL, these are wrong:", ", ".join(wrong))
assert wrong == ["encoder.0.W", "encoder.0.b", "encoder.head.W", "encoder.head.b"]

# %% [markdown] tags=["answer"]
# Those of the encoder, and no others: from the KL no arrow leads back to the decoder.

# %% [markdown]
# **The backward pass by hand.** It is the forward pass read from its end: each operation takes the gradient of its output and hands on that of
# its inputs; where a value went two ways, its two gradients add. With $p = \mathrm{sigmoid}(a)$ and for each latent dimension:
#
# | operation | forward | backward |
# |---|---|---|
# | −ELBO | $\mathrm{KL} - \log p$ | $d\log p = -1,\quad d\mathrm{KL} = 1$ |
# | log p | $\sum_d \big[x_d\log p_d + (1-x_d)\log(1-p_d)\big]$ | $da = (x - p)\,d\log p = p - x$ |
# | decoder | $a = f_\theta(z)$ | $dz = (\partial a/\partial z)^\top da$, and $d\theta$ |
# | + | $z = \mu + \sigma\varepsilon$ | $dz$ to both |
# | × | $\sigma\varepsilon$ | $d\sigma = dz\,\varepsilon$ |
# | exp | $\sigma = e^{\log\sigma}$ | $\sigma\,d\sigma$ |
# | KL | $\frac12\sum(\sigma^2 + \mu^2 - 1 - 2\log\sigma)$ | $\mu\,d\mathrm{KL}$ and $(\sigma^2 - 1)\,d\mathrm{KL}$ |
# | μ, log σ | used twice | $d\mu = dz + \mu,\quad d\log\sigma = \sigma\,dz\,\varepsilon + \sigma^2 - 1$ |
#
# The entry for log p: with $p = \mathrm{sigmoid}(a)$ is $\frac{d}{da}\log p = 1-p$ and $\frac{d}{da}\log(1-p) = -p$, so the pixel's term has the
# derivative $x(1-p) - (1-x)p = x - p$. The cell computes every gradient of the table for one datum twice, by these formulas and by the package's own
# backward passes, and then draws them.

# %%
one, e = x_small[:1], eps[:, :1]
w, parts = small.params, small.parts

# the package, line by line
q, _ = encode_forward(one, w, parts.encoder)
z, z_cache = draw_forward(q, e, w, parts.posterior)
a, decoder_cache = decode_forward(z, w, parts.decoder)
_, px_cache = log_px_forward(a, one, w, parts.likelihood)
_, kl_cache = kl_term_forward(q, z, w, parts)
dtheta = Gradients(small.shapes, "float64")
da = log_px_backward(np.full((1, 1), -1.0), px_cache, dtheta, parts.likelihood)
dz = decode_backward(da, decoder_cache, dtheta)
through_z = draw_backward(dz, z_cache, dtheta, parts.posterior)
through_kl, _ = kl_term_backward(np.ones(1), kl_cache, dtheta, parts)
whole = small.views(small.loss_and_grad(one, e[0])[1])  # all of it at once

# the table
(mu, log_sigma), noise = (head[0] for head in q), e[0, 0]
sigma, p = np.exp(log_sigma), 1 / (1 + np.exp(-a[0, 0]))
hand_da = p - one[0]
hidden = np.tanh(z[0, 0] @ w["decoder.0.W"] + w["decoder.0.b"])
hand_dz = w["decoder.0.W"] @ ((1 - hidden**2) * (w["decoder.out.W"] @ hand_da))
hand_dsigma = hand_dz * noise
pairs = {  # what an arrow says, by the table and by the package
    "da": (hand_da, da[0, 0]),
    "da, all at once": (hand_da, whole["decoder.out.b"]),  # with one datum the gradient of the last bias is da
    "dz": (hand_dz, dz[0, 0]),
    "to mu through z": (hand_dz, through_z[0][0]),
    "to log sigma through z": (sigma * hand_dsigma, through_z[1][0]),
    "to mu through the KL": (mu, through_kl[0][0]),
    "to log sigma through the KL": (sigma**2 - 1, through_kl[1][0]),
    "dmu and dlog_sigma": (np.append(hand_dz + mu, sigma * hand_dz * noise + sigma**2 - 1), whole["encoder.head.b"]),
}
for name, (hand, package) in pairs.items():
    print(f"{name:28} {package[:2].round(4)!s:20} table minus package at most {np.abs(hand - package).max():.0e}")
    assert np.abs(hand - package).max() < 1e-13 < np.abs(package).min(), name

_, terms_cache = elbo_terms_forward(one, e, w, parts)
by_terms = Gradients(small.shapes, "float64")
elbo_terms_backward((np.array([-1.0]), np.array([1.0])), terms_cache, by_terms, parts)  # dlog p = -1, dKL = 1
off = np.abs(by_terms.flat() - small.loss_and_grad(one, e[0])[1]).max()
print(f"from dlog p = -1 and dKL = 1 to all of dphi and dtheta: minus the gradient of the loss at most {off:.0e}")
assert off < 1e-14

labels = {
    "1": (7.95, 1.85, "$d\\,\\log p$\n$= -1$"), "2": (5.95, 2.65, r"$d\mathrm{KL} = 1$"), "3": (6.2, 3.6, r"$da = p - x$"), "4": (6.25, 4.95, "$dz$"),
    "5": (3.6, 5.15, "$dz$"), "6": (4.65, 3.45, "$dz$"), "7": (4.5, 0.4, r"$d\sigma = dz\,\varepsilon$"), "8": (2.5, 0.6, r"$\sigma\,d\sigma$"),
    "9": (3.1, 3.9, r"$\mu$"), "10": (3.0, 1.85, r"$\sigma^2 - 1$"), "11": (1.4, 3.25, r"$d\mu = dz + \mu$"), "13": (-0.65, 3.5, r"$d\phi$"),
    "12": (0.2, 1.55, "$d\\,\\log\\sigma =$\n$\\sigma\\,dz\\,\\varepsilon + \\sigma^2 - 1$"), "14": (7.7, 5.15, r"$d\theta$"),
}  # fmt: skip
back = [
    ("loss", "log p"), ("loss", "KL"), ("log p", "decoder"), ("decoder", "theta"), ("decoder", "plus"), ("plus", "mu"), ("plus", "times"),
    ("times", "exp"), ("exp", "log_sigma"), ("KL", "mu"), ("KL", "log_sigma"), ("mu", "encoder"), ("log_sigma", "encoder"), ("encoder", "phi"),
]  # fmt: skip
assert all((end, start) in forward for start, end in back)  # the same arrows, turned round
ax = graph(nodes | {name: (*place, "value") for name, place in labels.items()}, [(*way, "", "backward") for way in back],
           ax=plt.subplots(figsize=(8, 6.6))[1])  # fmt: skip
ax.set(title="Backward: the gradient of the loss by each value", xlim=(-1, 8.5))
plt.show()

# %% [markdown]
# No arrow leads back to ε or to x: nobody needs their gradients. The way from + to μ, and by × and exp to log σ, is the reparameterisation trick
# (07); without it the encoder would hear nothing of the reconstruction.
#
# In the code every `..._backward` is the other half of the forward line of the same name. `dq` and `dq_kl` are the pairs $(d\mu, d\log\sigma)$ of
# the two uses, which the last line adds; `dz_kl` is 0, for the closed form of the KL does not contain $z$. The mean over L draws gives each of them
# the gradient `dlog_px / L`, which `np.broadcast_to` repeats.

# %%
show(elbo_terms_backward)

# %% [markdown]
# One pass reaches everything: after it every one of the eight arrays has a gradient.

# %%
_, gradient = small.loss_and_grad(x_small, eps)
norms = {name: np.linalg.norm(view) for name, view in small.views(gradient).items()}
print("norms of the gradient after one pass:", {name: round(float(norm), 3) for name, norm in norms.items()})
assert len(norms) == 8 and min(norms.values()) > 0.1

# %% [markdown]
# ## 6. One datum, one draw
#
# *Items: D0-32, D0-33.*
#
# The slide: estimate the objective by one datum $x_k$ and one $z_k$; re-sample data to estimate the mean over the data set (D0).
#
# The slide's ≈ deserves a word (E9): one estimate may be far off; it is its *expectation* that is right. Take $k$ uniform on $1 \dots N$ and
# $z_k \sim q(z|x_k)$. By the law of total expectation
# $$\mathbb{E}_{k}\,\mathbb{E}_{z_k}\Big[\log\frac{p(x_k|z_k)p(z_k)}{q(z_k|x_k)}\Big] = \sum_{k=1}^{N} \frac1N\, \mathrm{ELBO}(x_k).$$
# For the gradient at given noise, let $g_n$ be that of datum $n$ and $\langle g\rangle$ their mean. A batch $S$ of $B$ data drawn without
# replacement has the gradient $g_S = \frac1B\sum_{n\in S} g_n$. Every $n$ is in $S$ with probability $B/N$, so
# $$\mathbb{E}[g_S] = \frac1B \sum_n \frac{B}{N}\, g_n = \langle g\rangle .$$
# For the spread, write $\pi_n \in \{0, 1\}$ for "$n$ is in $S$" and $\delta_n = g_n - \langle g\rangle$, with $\sum_n \delta_n = 0$. Then
# $\mathbb{E}[\pi_n] = \frac BN$ and $\mathbb{E}[\pi_n\pi_m] = \frac{B(B-1)}{N(N-1)}$ for $n \ne m$, and as
# $\sum_{n\ne m} \delta_n^\top \delta_m = -\sum_n \|\delta_n\|^2$,
# $$\mathbb{E}\|g_S - \langle g\rangle\|^2 = \frac{1}{B^2}\Big[\frac BN - \frac{B(B-1)}{N(N-1)}\Big]\sum_n \|\delta_n\|^2
# = \frac{1}{B}\Big(1-\frac BN\Big)\,\frac{\sum_n \|\delta_n\|^2}{N-1}.$$
# (The bracket is $\frac BN\cdot\frac{N-B}{N-1}$.) The cell takes all 21 batches of two out of seven data: the mean of their gradients must *be* the
# full gradient, and their mean squared distance from it the formula's.

# %%
each = np.array([small.loss_and_grad(x_small[n : n + 1], eps[:, n : n + 1])[1] for n in range(7)])
full = small.loss_and_grad(x_small, eps)[1]
batches = [list(s) for s in combinations(range(7), 2)]
of_batch = np.array([small.loss_and_grad(x_small[s], eps[:, s])[1] for s in batches])

bias = np.abs(of_batch.mean(0) - full).max()
spread = ((of_batch - full) ** 2).sum(1).mean()
formula = (1 - 2 / 7) / 2 * ((each - full) ** 2).sum() / 6
print(f"{len(batches)} batches: mean of the gradients minus the full gradient, at most {bias:.0e}")
print(f"mean squared distance of one batch from it: {spread:.6f}, by the formula {formula:.6f}")
assert bias < 1e-14
assert abs(spread - formula) < 1e-12 * formula

# %% [markdown]
# Now D0's own estimate, with its three densities and one draw, and no KL in closed form.
#
# **Predict first:** the objective of the small model is −5.75 nats. What is the standard deviation of a single estimate: .02, .2 or 2 nats?

# %% tags=["answer"]
k = rng.integers(0, 7, 40_000)
mu, log_sigma = (a[k] for a in small.encode(x_small))
e = rng.standard_normal((40_000, 2))
z = mu + np.exp(log_sigma) * e
p = small.decode(z)
log_pz = -(z**2 + np.log(2 * np.pi)).sum(1) / 2
log_qz = -(e**2 + 2 * log_sigma + np.log(2 * np.pi)).sum(1) / 2
estimates = np.log(np.where(x_small[k] == 1, p, 1 - p)).sum(1) + log_pz - log_qz

(estimate, its_error), exact = mean_and_error(estimates), -slide_loss
print(f"objective by quadrature {exact:.4f}; 40,000 one-datum, one-z estimates: mean {estimate:.4f} ± {its_error:.4f}")
print(f"standard deviation of a single estimate: {estimates.std():.2f} nats")
assert abs(estimate - exact) < 4 * its_error < 0.1
assert estimates.std() > 1

# %% [markdown] tags=["answer"]
# Two nats: a third of the value itself. Unbiased does not mean near.

# %% [markdown]
# ## 7. The step
#
# *Items: D0-35, D1-54.*
#
# The slides: use gradient ascent (D0); learn the parameters by SGD (D1). Ascent on the ELBO and descent on its negative are one update:
# $$\theta \leftarrow \theta + \alpha\,\nabla\mathrm{ELBO} = \theta - \alpha\,\nabla\text{loss}.$$
# **[SGD.1]** with momentum $\rho$ (with $\rho = 0$: plain SGD), and **[ADAM.1]**, which also divides by the usual size of each entry of the gradient:
# $$u \leftarrow \rho\,u + g,\quad \theta \leftarrow \theta - \alpha\, u; \qquad\qquad
# m \leftarrow \beta_1 m + (1-\beta_1) g,\quad v \leftarrow \beta_2 v + (1-\beta_2) g^2,\quad
# \theta \leftarrow \theta - \alpha\,\frac{m/(1-\beta_1^t)}{\sqrt{v/(1-\beta_2^t)} + \epsilon} .$$
# Why divide by $1-\beta_1^t$? From $m_0 = 0$ follows $m_t = (1-\beta_1)\sum_{s=1}^{t} \beta_1^{t-s} g_s$, and the weights sum to
# $(1-\beta_1)\frac{1-\beta_1^t}{1-\beta_1} = 1-\beta_1^t$: too little at the start, and the division makes it a weighted mean.
#
# The package keeps Adam's moments without their constant factors $1-\beta$ and puts these, with the corrections, into the two numbers `m_hat` and
# `v_hat`. All is done in place, to save time: `out=` writes a result into an array that is there already.

# %%
show(SGD.step, Adam.step)

# %% [markdown]
# The textbook lines of [SGD.1] and [ADAM.1] must give the same path.
#
# **Predict first:** how large is Adam's first step in each parameter, when lr = 0.003?

# %% tags=["answer"]
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
        first, sizes = np.abs(textbook["adam"] - small.theta), np.abs(g)

for name, model in paths.items():
    error, moved = np.abs(model.theta - textbook[name]).max(), np.abs(model.theta - small.theta).max()
    print(f"{name:4}: after 200 steps parameters moved by up to {moved:.2f}; package minus textbook at most {error:.0e}")
    assert error < 1e-12 and moved > 0.1
print(f"Adam's first step: {first.min():.6f} to {first.max():.6f}, for gradients from {sizes.min():.0e} to {sizes.max():.0e}")
assert np.abs(first - 0.003).max() < 1e-6

# %% [markdown] tags=["answer"]
# At $t = 1$ the corrected moments are $g$ and $g^2$: the step is $\alpha\, g/|g|$, the learning rate itself, as long as $|g|$ is far above $\epsilon$.
# Where $g$ is exactly 0 nothing moves: on the digits, the weights of a pixel that is white in the whole batch.

# %% [markdown]
# ## 8. Training on the digits
#
# *Items: D0-38, D2-4, D3-27, D4-47.*
# *Short path.*
#
# The slides: the summary of a VAE is the ELBO plus the reparameterisation trick (D0). Train: encode, draw $z$, decode (D3).
# It learns a low-dimensional representation (D2): here 64 pixels become K = 2 numbers.
# A reader of D4 asks whether x goes in without categories such as "smile": yes, `fit` is given X_train alone, and the loss would not look at labels.
#
# Two marks tell what a score means. *Independent pixels* is the best model whose pixels do not depend on one another: every pixel has one
# probability, its mean over the training images. A score that does not beat it is no evidence that the model describes how pixels go together. (Models without a latent
# variable can do better than that; section 12 builds one.) Why the mean? The loss of pixel $d$ over N images is $-\sum_n \big[x_{nd}\log p_d +
# (1-x_{nd})\log(1-p_d)\big]$; its derivative by the logit of $p_d$ is $\sum_n (p_d - x_{nd})$, zero at the mean, and rising in $p_d$. The *grey floor*
# lies below every model with Bernoulli pixels. For a grey pixel $x$ and any $p$ the loss is a cross-entropy, and
# $$-x\log p - (1-x)\log(1-p) = H(x) + \mathrm{KL}\big(\mathrm{Bernoulli}(x)\,\|\,\mathrm{Bernoulli}(p)\big) \ \ge\ H(x).$$
# One training run is one draw of weights, noise and order of the data. So there are three, and every score of this section is a mean with its
# standard error; pictures, and sections 9 and 10, take the first.
#
# **Predict first:** independent pixels lose 27.0 nats on test images, and the floor is 13.7. Where do two latent numbers bring us:
# below 15, between 15 and 20, or above 20? What will the KL be, in nats?

# %% tags=["answer"]
vaes = [VAE(64, 2, seed=seed) for seed in range(3)]
histories = [v.fit(X_train, epochs=150, batch_size=100, optimizer=Adam(lr=5e-3), X_val=X_test, progress=False) for v in vaes]
vae = vaes[0]  # the one that is looked at below
tests = [v.evaluate(X_test, rng=0, n_samples=50) for v in vaes]
baseline, floor = independent_pixels("bernoulli", X_train, X_test), grey_floor(X_test)
scores = {name: mean_and_error([test[name] for test in tests]) for name in ("neg_elbo", "reconstruction", "kl")}
gap = mean_and_error([h["val_neg_elbo"][-1] - h["neg_elbo"][-1] for h in histories])
print("nats per test image, mean and standard error over three runs")
for name, (mean, error) in scores.items():
    print(f"{name:20} {mean:5.1f} ± {error:.1f}")
print(f"independent pixels   {baseline:5.1f}\ngrey floor           {floor:5.1f}")
print(f"test minus training -ELBO: {gap[0]:.2f} ± {gap[1]:.2f}")
assert baseline - scores["neg_elbo"][0] > 1 > 10 * scores["neg_elbo"][1]
assert all(abs(test["neg_elbo"] - test["reconstruction"] - test["kl"]) < 1e-5 for test in tests)
assert abs(baseline - 27.0) < 0.05 and abs(floor - 13.7) < 0.05 and floor > 0.5 * scores["reconstruction"][0]
assert abs(gap[0]) < 0.2
assert scores["neg_elbo"][0] > 20 and abs(scores["kl"][0] - 2.4) < 0.2

# independent pixels by hand: every pixel's training mean; all logits moved by a step, the training loss has its lowest point at step 0
p_mean = np.clip(X_train.mean(0, dtype=float), 1e-4, 1 - 1e-4)


def constant_loss(p, X):
    return -(X * np.log(p) + (1 - X) * np.log(1 - p)).sum(1).mean()


steps = np.array([-0.1, 0, 0.1])
losses = [constant_loss(1 / (1 + np.exp(-np.log(p_mean / (1 - p_mean)) - step)), X_train) for step in steps]
curvature, slope, _ = np.polyfit(steps, losses, 2)
assert abs(constant_loss(p_mean, X_test) - baseline) < 1e-3
assert curvature > 1 and abs(slope / (2 * curvature)) < 0.003

# %% tags=["answer"]
ax = learning_curves(histories[0])
for words, level, side in (("-ELBO", "neg_elbo", 1.3), ("reconstruction", "reconstruction", -2.2), ("KL", "kl", 1.3)):
    ax.text(95, histories[0][level][95] + side, words, fontsize=15, ha="center")  # named at the curve, for readers without colour
plt.show()
for seed, h in enumerate(histories):
    kl = np.array(h["kl"])
    lowest, untrained = kl.argmin(), VAE(64, 2, seed=seed).evaluate(X_train, rng=0)["kl"]
    print(f"KL untrained {untrained:.2f}, in epoch one {kl[0]:.1f}, lowest {kl[lowest]:.1f} before epoch 40: {lowest < 40}, at the end {kl[-1]:.1f}")
    assert untrained < 0.1
    assert abs(kl[0] - 2) < 0.5 and abs(kl[lowest] - 1) < 0.5
    assert 1 <= lowest < 40 and kl[0] > 1.25 * kl[lowest] and kl[-1] > 1.6 * kl[lowest]

# %% [markdown] tags=["answer"]
# Above 20, and the KL is 2.4 nats. In all three runs the KL jumps from almost 0 to about 2 in the first epoch, falls to about 1, and rises again: the code carries more
# information, and pays for it. The curves on test data lie on those of training: with two latent numbers there is hardly any overfitting.
# More than half of the reconstruction term is the floor, which no model can remove.

# %% [markdown]
# What do the two numbers hold? Labels come in only now, to write each test image's own digit at the place where the encoder puts it.


# %%
def numerals(ax, mu, y, size=13):
    """Every point drawn as its own digit: classes differ by shape, whatever the colours."""
    for digit in range(10):
        at = mu[y == digit]
        ax.scatter(*at.T, marker=f"${digit}$", s=size**2, color="black" if digit % 2 else "#0072B2", lw=0.3)
    ax.set(xlabel="z1", ylabel="z2", aspect="equal")


mu_train, (mu_test, log_sigma_test) = vae.transform(X_train), vae.encode(X_test)
fig, ax = plt.subplots(figsize=(8, 7.6))
numerals(ax, mu_test, y_test)
ax.set_title("Means of q(z|x), each drawn as its digit")
plt.show()

# %% [markdown]
# Some digits have a region of their own, others share one. And each image is not a point but a distribution, D4's "probability distribution for
# each attribute": below, the ellipses of $q(z|x)$ for ten test images, with half-axes of two standard deviations.

# %%
fig, ax = plt.subplots(figsize=(8, 6.6))
ax.scatter(*mu_test.T, s=9, color="0.75", label="means of all test images")
for digit in range(10):
    i = np.flatnonzero(y_test == digit)[0]
    ax.add_patch(Ellipse(mu_test[i], *(4 * np.exp(log_sigma_test[i])), fill=False, color="black", lw=2))
    ax.text(*mu_test[i], str(digit), ha="center", va="center", fontsize=18)
ax.set(xlabel="z1", ylabel="z2", aspect="equal", title="q(z|x) of ten images: mean and 2 sigma")
ax.set_ylim(top=3.3)
ax.legend(loc="upper left", frameon=True)
plt.show()
sigmas = np.exp(log_sigma_test)
assert (sigmas.mean(0) < 0.6 * mu_test.std(0)).all()  # narrow beside the spread of the means: the code tells images apart

# %% [markdown]
# **Predict first:** classify a test image by its nearest training image, by the two latent numbers, by the first two principal components (02), or by
# the 64 pixels. Which order?


# %% tags=["answer"]
def nearest_error(train, test, labels=y_test):
    """The share of test images whose nearest training image has another label."""
    distance = (test**2).sum(1)[:, None] - 2 * test @ train.T + (train**2).sum(1)
    return float(np.mean(y_train[distance.argmin(1)] != labels))


of_latent = [nearest_error(v.transform(X_train), v.transform(X_test)) for v in vaes]
error_latent, its_error = mean_and_error(of_latent)
pca = PCA(2).fit(X_train)
error_pca, error_pixels = nearest_error(pca.transform(X_train), pca.transform(X_test)), nearest_error(X_train, X_test)
error_guess = float(np.mean(y_test != np.bincount(y_train).argmax()))
by_digit = [nearest_error(mu_train, mu_test[y_test == digit], digit) for digit in range(10)]
print(f"error of the nearest neighbour: {error_latent:.3f} ± {its_error:.3f} by 2 latent numbers (three runs), {error_pca:.2f} by 2 components,")
print(f"{error_pixels:.3f} by 64 pixels; guessing the most frequent digit {error_guess:.2f}")
assert min(by_digit) < 0.15 and max(by_digit) > 0.4  # a region of its own, or shared
assert error_pixels < 0.05 and max(of_latent) < error_pca < error_guess
assert error_latent + 4 * its_error < error_pca

# %% [markdown] tags=["answer"]
# A result to state plainly: the code was learned without labels and knows more about them than two principal components do, yet for this
# task the raw pixels are far better. Two numbers are few, and the ELBO does not ask for classes.

# %% [markdown]
# ## 9. Two reconstructions
#
# *Items: D1-19, D1-22, D3-33, D3-34.*
#
# The slides: a deterministic reconstruction is $\hat x = \mathbb{E}_{p(x|z)}[x]$, a stochastic one $\hat x \sim p(x|z)$ (D3). Sampling turns
# decoding into a stochastic process; the decoder itself is deterministic, its predictions are stochastic (D1).
#
# *Corrections.* D3 writes "Training" before the first and "Inference" before the second; training needs neither (E44): it needs the log-density
# of the image that is there. D1 says "every epoch" of what happens at every forward pass (E17): each time a fresh $z$. D1's randomness is
# the draw $z \sim q(z|x)$; D3's stochastic reconstruction adds a second source, $x \sim p(x|z)$. For one pixel with $p = p_d(z)$, the law of total variance says what each adds:
# $$\mathrm{Var}(\hat x_d) = \underbrace{\mathbb{E}_z[\,p\,(1-p)\,]}_{\text{drawing the pixel}} +
# \underbrace{\mathrm{Var}_z(p)}_{\text{drawing } z} .$$
# And for given $z$, with $\mathbb{E}[\hat x_d] = p_d$, what a drawn reconstruction costs in squared error is
# $$\mathbb{E}(x_d - \hat x_d)^2 = \mathbb{E}\big[(x_d - p_d) + (p_d - \hat x_d)\big]^2 = (x_d - p_d)^2 + p_d(1-p_d),$$
# as the mixed term has mean 0.
#
# In the code `q[0]` is the mean of $q(z|x)$, `_noise` draws ε, `_decoded` decodes some rows at a time and applies a function to the logits, and
# `own_values` are parameters that a likelihood may have learned; this one has none.

# %%
show(VAE.reconstruct)

# %%
shown = [int(np.flatnonzero(y_test == digit)[0]) for digit in range(10)]
x = X_test[shown]
mean_image, drawn_image = vae.reconstruct(x), vae.reconstruct(x, rng=0)
ax = image_grid(np.concatenate([x, mean_image, drawn_image]), n_columns=10, ax=plt.subplots(figsize=(8, 3.1))[1])
ax.set_yticks([3.5, 12.5, 21.5], ["x", "E[x|z = mu]", "x ~ p(x|z)"], fontsize=15)
ax.tick_params(length=0)
ax.set_title("Images, and their two reconstructions")
plt.show()

# %% [markdown]
# **Predict first:** how many times larger is the squared error of pixels drawn at z = μ than that of the means: 1.2, 2 or 4 times? And of which of the
# two sources is most of their randomness?

# %% tags=["answer"]
# The decoder is a function, the mean reconstruction too; the drawn one is not.
assert np.array_equal(vae.decode(mu_test), vae.decode(mu_test))
assert np.array_equal(vae.reconstruct(x), mean_image)
assert not np.array_equal(vae.reconstruct(x, rng=1), drawn_image)

# Training needs neither reconstruction: loss and gradient of a model that can give neither mean nor sample.
blind = vae.copy()
blind.parts = blind.parts._replace(likelihood=blind.parts.likelihood._replace(mean=None, sample=None))
noise = rng.standard_normal((10, 2))
(loss, gradient), (blind_loss, blind_gradient) = vae.loss_and_grad(x, noise), blind.loss_and_grad(x, noise)
print(f"loss {loss:.2f}, without mean and sample {blind_loss:.2f}")
assert loss == blind_loss and np.array_equal(gradient, blind_gradient)

# The squared error of drawn pixels at z = mu, against the formula.
p = vae.decode(mu_test).astype(float)
errors = np.array([((X_test - (rng.random(p.shape) < p)) ** 2).sum(1).mean() for _ in range(200)])
of_mean, extra = ((X_test - p) ** 2).sum(1).mean(), (p * (1 - p)).sum(1).mean()
drawn, its_error = mean_and_error(errors)
print(f"squared error per image: mean {of_mean:.2f}; drawn {drawn:.2f} ± {its_error:.2f}, formula {of_mean + extra:.2f}")
assert abs(drawn - of_mean - extra) < 4 * its_error < 0.1
assert 3.5 * of_mean < errors.min() and errors.max() < 4.5 * of_mean

# The two sources of randomness: for one image against drawn reconstructions, then for all test images by the formula.
one = np.repeat(X_test[:1], 20_000, axis=0)
mu, log_sigma = (a.astype(float) for a in vae.encode(one))
p = vae.decode(mu + np.exp(log_sigma) * rng.standard_normal(mu.shape)).astype(float)
from_pixels, from_z = (p * (1 - p)).mean(0).sum(), p.var(0).sum()
draws = vae.reconstruct(one, rng=2).astype(float)
variance, its_error = mean_and_error(((draws - p.mean(0)) ** 2).sum(1))
print(f"variance of 64 drawn pixels {variance:.2f} ± {its_error:.2f} = {from_pixels:.2f} from x ~ p(x|z) + {from_z:.2f} from z ~ q(z|x)")
assert abs(variance - from_pixels - from_z) < 4 * its_error < 0.1 < from_z
z = mu_test + np.exp(log_sigma_test) * rng.standard_normal((100, *mu_test.shape))
p = vae.decode(z.reshape(-1, 2)).reshape(100, *X_test.shape)
from_pixels, from_z, mean = (p * (1 - p)).mean(0), p.var(0), p.mean(0)
assert np.abs(from_pixels + from_z - mean * (1 - mean)).max() < 1e-5  # together the variance of a pixel that is 1 with probability `mean`
ratio = from_pixels.sum(1) / from_z.sum(1)
print(f"all test images: from the pixels at least {ratio.min():.0f} times as much as from z")
assert ratio.min() > 4

# %% [markdown] tags=["answer"]
# Four times, and nearly all of it is drawing the pixels: given z they are drawn independently, hence the speckle. The mean has the smaller error and
# is the smoother picture; the drawn image is what the model holds possible. Papers that show smooth samples show the mean.

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
# (In the code `generator` makes a seed into a generator of the stream `SAMPLING`, `check_int` refuses an n below 1, and `own_values` are parameters that a prior
# may have learned; $\mathcal{N}(0, I)$ has none.)

# %%
show(VAE.sample)

# %%
z_slide = np.array([[0.1, 0.3]])  # the first two numbers of D0's z = (0.1, 0.3, -0.2)
mean_image = vae.decode(z_slide)
drawn = (rng.random((7, 64)) < mean_image).astype(float)
ax = image_grid(np.concatenate([mean_image, drawn]), n_columns=8, ax=plt.subplots(figsize=(8, 1.9))[1])
ax.set_xticks([3.5, 39.5], ["E[x|z]", "seven draws x ~ p(x|z)"], fontsize=15)
ax.tick_params(length=0)
ax.set_title("One z = (0.1, 0.3): its mean image, then samples")
plt.show()

# %%
means, images = vae.sample(10, rng=3, mean=True), vae.sample(10, rng=3)
ax = image_grid(np.concatenate([means, images]), n_columns=10, ax=plt.subplots(figsize=(8, 2.4))[1])
ax.set_yticks([3.5, 12.5], ["E[x|z]", "x ~ p(x|z)"], fontsize=15)
ax.tick_params(length=0)
ax.set_title("Ten draws of z from the prior, decoded")
plt.show()

# %% [markdown]
# Two checks. `sample` is the slide's two lines, number for number. And a first look at their distribution: the mean ink per image must
# agree with $\int p(z) \sum_d p_d(z)\, dz$, by quadrature.
#
# **Predict first:** the average training image holds 19.5 units of ink. Must the average sample hold the same?

# %% tags=["answer"]
generator = np.random.default_rng(3)
z = generator.standard_normal((10, 2), dtype=np.float32)  # z ~ p(z)
by_hand = vae.parts.likelihood.sample(vae.decoder_output(z), generator)  # x ~ p(x|z)
assert np.array_equal(by_hand, images)

axis = np.linspace(-7, 7, 201)
grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
prior_mass = np.exp(-(grid**2).sum(1) / 2) / (2 * np.pi) * (axis[1] - axis[0]) ** 2
assert abs(prior_mass.sum() - 1) < 1e-6
samples = vae.sample(50_000, rng=4).astype(float)
ink, its_error = mean_and_error(samples.sum(1))
of_models = np.array([prior_mass @ v.decode(grid).sum(1) for v in vaes])
of_data = mean_and_error(X_train.sum(1))
print(f"ink per sample {ink:.2f} ± {its_error:.2f}, by quadrature {of_models[0]:.2f}; training images {of_data[0]:.2f} ± {of_data[1]:.2f}")
print("by quadrature, of the three models:", of_models.round(1))
assert abs(ink - of_models[0]) < 4 * its_error < 0.1
assert np.abs(of_models - of_data[0]).max() < 0.5

# %% [markdown] tags=["answer"]
# It need not: the sampler is exact, but the model is not the data. (At a stationary point of the loss the gradient of the decoder's last bias, the
# mean of $p - x$, is 0: then the mean *reconstruction*, with $z$ from $q(z|x)$, holds the ink of the data. Samples take $z$ from the prior.)
# They come near.

# %% [markdown]
# **A mean is not a distribution.** Here is a sampler with a mistake: `rng.random((n, 1)) < p` takes one uniform number for all 64 pixels of an image.
#
# **Predict first:** which check finds the mistake: the mean ink, the mean of each single pixel, or the share of images in which two given pixels
# are both 1?

# %% tags=["answer"]
p_grid = vae.decode(grid).astype(float)
joint = p_grid.T @ (prior_mass[:, None] * p_grid)  # P(x_d = 1, x_e = 1) = integral of p(z) p_d(z) p_e(z), for d different from e
single = prior_mass @ p_grid  # P(x_d = 1)
np.fill_diagonal(joint, single)


def in_standard_errors(images):
    """How far the frequencies of x_d = 1, and of x_d = x_e = 1, are from the model's, in standard errors: (64,) and all pairs that occur."""
    n, pairs = len(images), np.triu_indices(64, 1)
    z = (images.T @ images / n - joint) / np.sqrt(joint * (1 - joint) / n)
    return np.diag(z), z[pairs][n * joint[pairs] > 25]


def one_uniform_for_all_pixels(vae, n, rng):
    p = vae.decode(rng.standard_normal((n, 2), dtype=np.float32))
    return (rng.random((n, 1)) < p).astype(float)


def a_new_z_for_every_pixel(vae, n, rng):
    columns = [vae.decode(rng.standard_normal((n, 2), dtype=np.float32))[:, d] for d in range(64)]
    return (rng.random((n, 64)) < np.stack(columns, axis=1)).astype(float)


print("errors in standard errors    mean ink   pixels (the largest)   pairs (root mean square)   variance of the ink")
samplers = {"VAE.sample": lambda vae, n, rng: vae.sample(n, rng=rng).astype(float)}
samplers |= {f.__name__: f for f in (one_uniform_for_all_pixels, a_new_z_for_every_pixel)}
found = {}
for name, sampler in samplers.items():
    images = sampler(vae, 20_000, np.random.default_rng(5))
    of_pixels, of_pairs = in_standard_errors(images)
    ink, error = mean_and_error(images.sum(1))
    found[name] = abs(ink - of_models[0]) / error, np.abs(of_pixels).max(), np.sqrt(np.mean(of_pairs**2)), images.sum(1).var()
    print(f"{name:28} {found[name][0]:7.1f} {found[name][1]:16.1f} {found[name][2]:26.1f} {found[name][3]:23.1f}")
covariance = joint - np.outer(single, single)
print(f"variance of the ink by quadrature {np.sum(covariance):.1f}, of which covariances of pixels {np.sum(covariance) - np.trace(covariance):.1f}")
assert abs(np.trace(covariance) - (single * (1 - single)).sum()) < 1e-9
assert all(a < 4 and b < 5.5 for a, b, *_ in found.values())  # the means see nothing
right, *wrong = (of_pairs for _, _, of_pairs, _ in found.values())
assert right < 1.3 and min(wrong) > 4
assert abs(found["VAE.sample"][3] - covariance.sum()) < 0.5 < np.trace(covariance) - covariance.sum()

# %% [markdown] tags=["answer"]
# Only the pairs. One uniform for all makes the pixels rise and fall together; a new z for each makes them independent. Every single pixel is right
# in both. The last line is E11 in numbers: the pixels of $p_\theta(x)$ do depend on one another, for they share z.

# %% [markdown]
# ## 11. An auto-encoder with a regulariser
#
# *Items: D0-39, D1-28, D2-56.*
#
# The slides: the VAE has two faces, a probabilistic framework and an auto-encoder (D0); the structure closely resembles an ordinary auto-encoder
# (D2); "so, this is an AE with regularization" towards the prior (D1). *Corrections.* D1's prior $\mathcal{N}(0, 1)$ is meant as $\mathcal{N}(0, I)$,
# one unit Gaussian per latent dimension (E19): the KL is then a sum over dimensions. In D0's objective of this face the KL has the wrong sign (E2):
# as printed it is added to $\log p(x|z)$; it must be subtracted.
#
# The auto-encoder's face shows when the KL gets the weight $\beta = 0$: only the reconstruction is left. For a fixed $x$ the gradient
# of the loss by $\log\sigma$ is then only that through $z$, and nothing keeps $\sigma$ from falling or the means from running apart.
#
# **Predict first:** without the KL, which of the two terms gets better, and by how much does the ELBO change? Better or worse than the 27.0 of
# independent pixels?

# %% tags=["answer"]
plain = [VAE(64, 2, beta=0, seed=seed) for seed in range(3)]
for model in plain:
    model.fit(X_train, epochs=150, optimizer=Adam(lr=5e-3), progress=False)
print("test images, mean and standard error over three runs")
print("             -ELBO      = reconstruction +       KL        mean sigma   std of the means")
results = {}
for name, models in {"VAE": vaes, "beta = 0": plain}.items():
    of_runs = []
    for model in models:
        r, (mu, log_sigma) = model.evaluate(X_test, rng=0, n_samples=50), model.encode(X_test)
        of_runs.append([r["neg_elbo"], r["reconstruction"], r["kl"], np.exp(log_sigma).mean(), mu.std()])
    results[name] = np.array(of_runs)
    (a, da), (b, db), (c, dc), (s, _), (m, _) = map(mean_and_error, results[name].T)
    print(f"{name:9} {a:6.1f} ± {da:4.1f} {b:11.1f} ± {db:.1f} {c:9.1f} ± {dc:4.1f} {s:14.3f} {m:14.1f}")
vae_runs, plain_runs = results.values()
gain, gain_error = mean_and_error((vae_runs - plain_runs)[:, 1])
print(f"reconstruction gained without the KL: {gain:.1f} ± {gain_error:.1f} nats")
assert gain > 4 * gain_error  # the auto-encoder copies better
assert (plain_runs - vae_runs)[:, 2].mean() > 25 * gain and plain_runs[:, 2].min() > 20 * vae_runs[:, 2].max()
assert plain_runs[:, 0].min() > 100 > baseline > vae_runs[:, 0].max()  # and is worse than pixels that know nothing of each other
assert plain_runs[:, 3].max() < 0.1 * vae_runs[:, 3].min() and plain_runs[:, 4].min() > 5 * vae_runs[:, 4].max()

# %% [markdown] tags=["answer"]
# The KL is what the code costs. Without it a little reconstruction is bought for dozens of times as much KL, and the codes leave
# the region where the prior puts its mass, so sampling from the prior has no reason to work.

# %% [markdown]
# **Is the weight 1 a matter of taste?** For any weight, by definition,
# $$\mathbb{E}_q[\log p(x|z)] - \beta\,\mathrm{KL}(q\,\|\,p) = \mathrm{ELBO} - (\beta - 1)\,\mathrm{KL}(q\,\|\,p).$$
# *A remark to D4, whose formula prints "eta" for β in our copy (E55):* for $\beta > 1$ this lies below the ELBO, so it is still a bound on $\log p(x)$, only a
# looser one. For $\beta < 1$ it is none: at $q$ = posterior it is $\log p(x) + (1-\beta)\,\mathrm{KL} $, above what it should bound. So $\beta = 1$
# is the smallest weight that gives a bound for every model and every $q$, and therefore the tightest of them: the one that the exact posterior
# turns into an equality. Here are the four sums for twenty test images of the trained VAE, with both expectations by quadrature.

# %%
rows = X_test[:20]
log_evidence = GridPosterior(vae, n=121).log_evidence(rows)
expected_log_px, kl = exact_terms(vae, rows)
excess = {beta: expected_log_px - beta * kl - log_evidence for beta in (0, 0.5, 1, 2)}
for beta, nats in excess.items():
    where = "below log p(x) for all 20 images" if nats.max() < 0 else "above log p(x) for most images"
    print(f"beta = {beta:<3}: E[log p(x|z)] - beta KL lies {where}")
assert (excess[2] < excess[1]).all() and (excess[1] < 0).all()  # bounds; 1 is the tighter
assert all((excess[beta] > 0).sum() > 10 for beta in (0, 0.5)) and -1 < excess[1].mean()

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
# $(\sum w)^2/\sum w^2$ is then a small share of the draws, if any of them reaches the rest; a wider proposal, q with 2σ for σ, is the remedy in few dimensions.
#
# A rival without any latent variable: by the product rule $p(x) = \prod_d p(x_d \mid x_1 \dots x_{d-1})$, and the simplest such model lets a pixel
# look at two of those before it, its left and its upper neighbour. Its probabilities are counts over the training images, four for each pixel (fewer at the upper and left edge; with
# half a count added to each outcome, so that none is 0).
#
# **Predict first:** order these by held-out log-likelihood: independent pixels; two neighbours; a VAE with K = 2; one with K = 10.

# %% tags=["answer"]
B_train, B_test = ((a >= 0.5).astype(np.float32) for a in (X_train, X_test))


def neighbours(B, shape):
    """For every pixel, 2 left + upper neighbour: an index from 0 to 3 (pixels outside of the image are 0)."""
    image = np.pad(B.reshape(-1, *shape).astype(int), ((0, 0), (1, 0), (1, 0)))
    return (2 * image[:, 1:, :-1] + image[:, :-1, 1:]).reshape(B.shape)


def fit_neighbours(B, shape):
    """P(pixel = 1 | its two neighbours), of shape (4, D), by counts."""
    context = neighbours(B, shape)
    return np.array([((B * (context == c)).sum(0) + 0.5) / ((context == c).sum(0) + 1) for c in range(4)])


def neighbours_log_p(table, B, shape):
    p = np.take_along_axis(table, neighbours(B, shape), axis=0)
    return np.log(np.where(B == 1, p, 1 - p)).sum(1)


log_p = {  # name -> log p of every test image: (runs, images)
    "independent pixels": -np.array([[constant_loss(np.clip(B_train.mean(0, dtype=float), 1e-4, 1 - 1e-4), b[None]) for b in B_test]]),
    "two neighbours": neighbours_log_p(fit_neighbours(B_train, (8, 8)), B_test, (8, 8))[None],
}
bounds, models = {}, {}
for K in (2, 10):
    models[K] = [VAE(64, K, seed=seed) for seed in range(3)]
    for model in models[K]:
        model.fit(B_train, epochs=80, optimizer=Adam(lr=5e-3), progress=False)
    name = f"VAE, K = {K}"
    bounds[name] = [-model.evaluate(B_test, rng=0, n_samples=50)["neg_elbo"] for model in models[K]]
    log_p[name] = np.array([model.log_likelihood(B_test, n_samples=500, rng=0) for model in models[K]], dtype=float)
print("nats per test image; ± standard error over three runs")
for name, values in log_p.items():
    runs = values.mean(1)
    more = f" ± {mean_and_error(runs)[1]:.2f}   ELBO {np.mean(bounds[name]):6.2f}" if name in bounds else ""
    print(f"{name:20} log p(x) {runs.mean():6.2f}{more}")
order = list(log_p)
for worse, better in pairwise(order):
    step, error = mean_and_error(log_p[better].mean(0) - log_p[worse].mean(0))  # paired: the same images
    print(f"{better} minus {worse}: {step:.2f} ± {error:.2f} (standard error over the images)")
    assert step > 3 * error
assert abs(log_p["independent pixels"].mean() + independent_pixels("bernoulli", B_train, B_test)) < 1e-3
assert all(log_p[worse].mean(1).max() < log_p[better].mean(1).min() for worse, better in pairwise(order))  # whatever the seed
assert all(np.mean(bounds[name]) < log_p[name].mean() for name in bounds)
of_table, of_two = (log_p[name].mean() - log_p["independent pixels"].mean() for name in order[1:3])
assert 0.6 < of_table / of_two < 0.95
assert np.allclose([-log_p[name].mean() for name in order], [25.2, 21.7, 20.5, 17.6], atol=0.2)
ones = np.array([[int(b) for b in f"{n:06b}"] for n in range(64)], dtype=float)
total = np.exp(neighbours_log_p(fit_neighbours(x_small, (2, 3)), ones, (2, 3))).sum()
total_vae = np.exp(GridPosterior(small).log_evidence(ones)).sum()
print(f"probabilities of all 64 binary images of six pixels: two neighbours {total:.6f}, small VAE {total_vae:.6f}")
assert abs(total - 1) < 1e-12 and abs(total_vae - 1) < 1e-9

# %% tags=["answer"]
fig, ax = plt.subplots(figsize=(8, 4.5))
places = np.arange(4)
height = [-log_p[name].mean() for name in order]
ax.bar(places, height, 0.6, color="0.85", edgecolor="black", hatch=["", "", "//", "//"])
for place, value in zip(places, height):
    ax.text(place, value + 0.4, f"{value:.1f}", ha="center")
ax.set_xticks(places, [name.replace(" ", "\n", 1) for name in order])
ax.set(ylabel="-log p(x), nats per image", title="Held-out binary digits: lower is nearer to the data", ylim=(0, 30))
plt.show()

# %% [markdown] tags=["answer"]
# Each beats the one before it, whatever the seed. The table of neighbours, 225 numbers from counts and no latent variable, takes most of what K = 2 gains
# over independent pixels: a score without such a rival says little.

# %% [markdown]
# How far may these estimates be trusted? The probe: for K = 2 the truth by quadrature.


# %%
def importance_sampled(vae, x, wider, n=5000):
    """log p(x) and the effective sample size, by draws from q(z|x) with its sigma made wider (binary pixels)."""
    mu, log_sigma = (a.astype(float) for a in vae.encode(x))
    sigma, e = wider * np.exp(log_sigma), np.random.default_rng(0).standard_normal((n, *mu.shape))
    z = mu + sigma * e
    out = vae.decoder_output(z.reshape(-1, z.shape[-1])).reshape(n, *x.shape)
    log_w = -np.logaddexp(0, (1 - 2 * x) * out).sum(-1) + ((e**2 - z**2) / 2 + np.log(sigma)).sum(-1)
    w = np.exp(log_w - log_w.max(0))
    return log_w.max(0) + np.log(w.mean(0)), w.sum(0) ** 2 / (w**2).sum(0)


rows = B_test[:20]
exact = GridPosterior(models[2][0], n=121).log_evidence(rows)
print("importance sampling, 5000 draws, minus quadrature on 20 images, K = 2")
smallest, off = {}, {}
for wider in (1, 2):
    sampled, effective = importance_sampled(models[2][0], rows, wider)
    off[wider], smallest[wider] = sampled - exact, effective.min()
    few = "below" if smallest[wider] < 0.05 * 5000 else "above"
    print(f"    sigma times {wider}: error of the mean below 0.1 nats: {abs(off[wider].mean()) < 0.1}; of every image below 0.2: "
          f"{np.abs(off[wider]).max() < 0.2}; smallest effective sample size {few} 5 % of the draws")  # fmt: skip
of_scores = [scores - GridPosterior(model, n=121).log_evidence(B_test) for model, scores in zip(models[2], log_p["VAE, K = 2"])]
print("the scores above, 500 draws, minus quadrature, all test images, three models:", [f"{error.mean():.2f}" for error in of_scores])
assert 5 * smallest[1] < smallest[2] and smallest[1] < 0.05 * 5000 < smallest[2]
assert abs(off[2].mean()) < 0.02 and np.abs(off[2]).max() < 0.15 < np.abs(off[1]).max()
assert all(-0.1 < error.mean() < 0 for error in of_scores)  # 500 draws from q itself, as in the comparison above

# %% [markdown]
# By q itself the mean of these twenty is off by some hundredths of a nat, but one image by much more: there q is narrower than the posterior, and
# few draws carry most of the weight. The wider proposal agrees with quadrature. The scores above, by 500 draws from q, are for K = 2 too low by
# some hundredths of a nat; between the models lies more than one nat. For K = 10 there is no quadrature, but there too the estimate is low on average.

# %% [markdown]
# ## 13. At MNIST scale
#
# *Items: D0-2.*
#
# What does the same model do at the size that papers report? One result, beside the published one, by the command line. The test images are
# 10,000, their pixels drawn once from their grey values; the training pixels are drawn anew in each epoch. The network is 784-200-200-50
# and back, with 20 epochs in batches of 100:
#
#     python -m tinyvae train --data mnist --latent 50 --hidden 200 200 --binarize dynamic --seed S --out RUN
#     python -m tinyvae evaluate RUN --nll
#
# | nats per test image | seed 0 | seed 1 | seed 2 |
# |---|---|---|---|
# | −ELBO, 10,000 images | 101.16 | 101.22 | 101.05 |
# | of it reconstruction | 78.34 | 77.96 | 77.44 |
# | of it KL | 22.81 | 23.26 | 23.61 |
# | −ELBO, the first 1,000 images | 100.99 | 100.58 | 100.54 |
# | −log p(x) by 5,000 importance samples, the same 1,000 images | 95.56 | 95.10 | 94.90 |
# | active units of 50 | 20 | 22 | 19 |
#
# Independent pixels: 206.0. Published: 86.76 for the VAE with k = 1 and one stochastic layer, after 3,280 epochs in batches of 20, on all test images
# (Burda et al., arXiv:1509.00519). The cell does nothing but the arithmetic of these numbers; MNIST is not needed here.

# %%
mnist = {
    "-ELBO, 10,000 images": (101.16, 101.22, 101.05), "reconstruction": (78.34, 77.96, 77.44), "KL": (22.81, 23.26, 23.61),
    "-ELBO, 1,000 images": (100.99, 100.58, 100.54), "NLL, 1,000 images": (95.56, 95.10, 94.90), "active units": (20, 22, 19),
}  # fmt: skip
INDEPENDENT, PUBLISHED, OF_IMAGES = 206.0, 86.76, 0.84  # OF_IMAGES: standard error of the NLL over the 1,000 images
summary = {name: mean_and_error(values) for name, values in mnist.items()}
for name, (mean, error) in summary.items():
    print(f"{name:22} {mean:6.2f} ± {error:.2f} (standard error over three seeds)")
neg_elbo, nll = summary["-ELBO, 10,000 images"][0], summary["NLL, 1,000 images"][0]
gap, gap_error = mean_and_error(np.subtract(mnist["-ELBO, 1,000 images"], mnist["NLL, 1,000 images"]))
behind, updates = nll - PUBLISHED, (3280 * 60_000 / 20) / (20 * 60_000 / 100)
print(f"from the ELBO to the estimate of log p(x), same images: {gap:.2f} ± {gap_error:.2f} nats")
print(f"behind the published value: {behind:.1f} nats, {behind / OF_IMAGES:.0f} standard errors over the images; its updates / ours: {updates:.0f}")
assert np.abs(np.add(mnist["reconstruction"], mnist["KL"]) - mnist["-ELBO, 10,000 images"]).max() < 0.015
assert np.allclose([neg_elbo, nll], [101.14, 95.19], atol=0.005) and summary["-ELBO, 10,000 images"][1] < 0.06
assert 8 < behind < 9 and behind > 8 * OF_IMAGES and updates == 820 and INDEPENDENT - neg_elbo > 100
assert 5 < gap < 6 and gap_error < 0.1 and all(19 <= n <= 22 for n in mnist["active units"])

# %% [markdown]
# So 20 epochs halve the score of independent pixels and end 8.4 nats behind the published value, which took 820 times as many updates: far from
# it, by ten standard errors, and no replication. Two cautions. The estimate is on 1,000 images, the published one on all 10,000; the
# standard error over the images, 0.84 nats, says how much that may change. And the median effective sample size is only 14 to 16 of the 5,000 draws:
# the estimate of $\log p(x)$ is low on average (04), so each −log p(x) is an upper bound in expectation, which would fall with more samples.
# Of the 50 latent units 28 to 31 are switched off (the variance of their μ over the images is below .01): see 11.

# %% [markdown]
# ## Summary
#
# - Model: $p(z) = \mathcal{N}(0, I)$, $p_\theta(x|z) = \prod_d \mathrm{Bernoulli}(x_d;\ \mathrm{sigmoid}(f_\theta(z))_d)$; inference:
#   $q_\phi(z|x) = \mathcal{N}(\mu_\phi(x), \mathrm{diag}\,\sigma_\phi(x)^2)$.
# - Loss of a batch: $-\frac1N\sum_n (\log p(x_n|z_n) - \mathrm{KL}_n)$ with $z = \mu + \sigma\varepsilon$.
# - Backward, for one datum: $da = p - x$, $dz = (\partial a/\partial z)^\top da$, $d\mu = dz + \mu$,
#   $d\log\sigma = \sigma\,dz\,\varepsilon + \sigma^2 - 1$.
# - One datum with one draw is unbiased and far off: 2 nats on a value of 5.8. At given noise the gradient of a batch of $B$ without replacement has the variance
#   $\frac1B(1 - \frac BN)\frac{1}{N-1}\sum_n\|g_n - \langle g\rangle\|^2$.
# - Adam's first step is the learning rate, in every parameter whose gradient is not 0.
# - Digits, grey, K = 2: about 25 nats, of which 14 are the floor; independent pixels 27.0. With the KL switched off: above 100.
# - A drawn reconstruction costs $\sum_d p_d(1-p_d)$ more squared error than the mean one: four times as much here.
# - Means of single pixels do not tell a wrong sampler from the right one; pairs of pixels did here.
# - $\mathbb{E}_q[\log p(x|z)] - \beta\,\mathrm{KL}$ is a bound on $\log p(x)$ for every $\beta \ge 1$, tightest at 1; below 1 it need not be one.
# - Held out, binary digits, $-\log p(x)$: independent pixels 25.2, two neighbours 21.7, K = 2 20.5, K = 10 17.6.
# - MNIST, 20 epochs: −ELBO 101.1, −log p(x) 95.2 (published after 820 times the updates: 86.8).

# %% [markdown]
# ## References
#
# *References: kingma2014 (the method); rezende2014 (the same idea); kingma2015adam (Adam); theis2016 (scores); burda2016 (section 13); kingma2019.*

# %% [markdown]
# ## Exercises
#
# Ancestral sampling, as in section 10, and the loss of one example, backwards. The capstone, in which you put a whole VAE together from parts of your own
# and train it, is done at the terminal.
#
# *Tasks: new_images; single_sample_loss.*
