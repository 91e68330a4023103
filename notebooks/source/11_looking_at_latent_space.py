# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 11 Looking at latent space
#
# A trained VAE has put every image somewhere. This notebook asks what that place is worth: whether codes drawn from the prior decode to
# digits, whether the way from one image to another is a smooth one, whether directions have a meaning, and whether neighbours are alike.
# Each claim of the lectures is turned into a number that could have come out otherwise, from three trainings, beside a baseline.
#
# Afterwards you can judge a latent space by numbers and not by a scatter plot alone; walk through it, between images and along an attribute;
# and say for which uses the codes of a VAE are better than those of an auto-encoder, and for which they are not.
#
# *Notation: latent; approximate posterior; posterior spread; weight on the KL; latent dimension.*
#
# A mean over a group is written $\langle\cdot\rangle$. "±" is always a standard error, over the three trainings unless another source of chance
# is named.

# %%
from math import erf, exp, factorial, pi
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, Ellipse

from tinyvae import (
    VAE,
    Adam,
    gaussian_log_density_forward,
    kl_forward,
    load_digits,
    train_test_split,
)
from tinyvae.companion import show
from tinyvae.estimators import standard_error
from tinyvae.exact import PCA, PPCA
from tinyvae.plots import (
    BLUE,
    CLASSES,
    VERMILION,
    image_grid,
    manifold_grid,
    use_style,
)
from tinyvae.plots.diagrams import graph
from tinyvae.zoo.autoencoders import AutoEncoder

use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Three ways to fill the latent space
#
# *Items: D4-26, D4-28, D4-29, D4-30, D1-13.*
#
# *Short path.*
#
# The slides: a vanilla auto-encoder gives no control over the latent variables (D1). With the reconstruction term only, the codes separate the
# classes but leave areas that represent no data; with the KL only, every observation is described by the same unit Gaussian; with both, the
# posteriors stay close to the prior and deviate where that is needed (D4).
#
# The three are one loss with two weights, $a$ and $b$:
# $$\text{loss} = -\,a\ \mathbb{E}_q[\log p(x|z)] + b\ \mathrm{KL}\big(q(z|x)\,\|\,\mathcal{N}(0, I)\big),\qquad (a,b) = (1,0),\ (0,1),\ (1,1).$$
# *Reconstruction only.* Nothing holds the scale: if $\mu$ is multiplied by $c$ and the decoder's first matrix is divided by $c$, every image is
# decoded as before, and the noise $\sigma$ counts $c$ times less. Noise does harm here: with $f(z)=-\log p(x|z)$, to second order,
# $$\mathbb{E}_\varepsilon[f(\mu+\sigma\varepsilon)] = f(\mu) + \tfrac12\textstyle\sum_k\sigma_k^2\,\partial^2 f/\partial z_k^2 ,$$
# and near a good $\mu$ the curvature is positive. So the codes run apart and $\sigma\to0$. What is left is an auto-encoder.
#
# *KL only.* Each term of
# $$\mathrm{KL} = \tfrac12 \textstyle\sum_k \big(\sigma_k^2 + \mu_k^2 - 1 - \ln\sigma_k^2\big)$$
# is smallest, 0, at $\mu_k=0$, $\sigma_k=1$, for every $x$. And $\theta$ does not occur in the loss: its gradient is exactly zero.
# *A nuance to D4 (E61):* this model not only fails to describe the data; its decoder gets no gradient at all.

# %%
show(kl_forward)

# %% [markdown]
# Two more models are needed to judge the three: a decoder that says nothing (every pixel 1/2), and one that always says the mean image.
#
# **Predict first:** by how many nats of reconstruction does the first model beat the third on test images, and how many nats of KL does it pay
# for that?

# %% tags=["answer"]
X, y = load_digits()
X_train, X_test, y_train, y_test = train_test_split(X, y)
SEEDS = 0, 1, 2


def trained(n_latent, on_reconstruction=1.0, beta=1.0, epochs=80, seed=0):
    """A VAE of the training images, with a weight on each of the two terms."""

    def weights(t, terms):
        return {"reconstruction": on_reconstruction, "kl": beta}

    vae = VAE(64, n_latent, seed=seed)
    vae.fit(X_train, epochs=epochs, optimizer=Adam(lr=0.004), schedule=weights, progress=False)
    return vae


def mean_se(values):
    """The mean over the first axis and its standard error."""
    values = np.asarray(values, float)
    return values.mean(0), standard_error(values)


def cross_entropy(x, logits):
    """-log p(x|z) of the Bernoulli likelihood, in nats per datum."""
    return (np.logaddexp(0, logits) - x * logits).sum(-1)


assert np.allclose(mean_se([1, 2, 6]), (3, 1.527525)), "standard deviation 2.6458 over the root of 3"
assert np.allclose(cross_entropy(np.array([1.0, 0]), np.log([3.0, 3])), np.log(4 / 3) + np.log(4)), (
    "-ln 3/4 and -ln 1/4"
)

both = [trained(2, seed=s) for s in SEEDS]
recon_only = [trained(2, beta=0.0, seed=s) for s in SEEDS]
kl_only = [trained(2, on_reconstruction=0.0, epochs=20, seed=s) for s in SEEDS]
models = {"reconstruction only": recon_only, "KL only": kl_only, "both": both}

measured = {}
print("on test images        reconstruction        mean KL       spread of mu     mean sigma")
for name, trio in models.items():
    measured[name] = []
    for vae in trio:
        log_px, kl = vae.elbo_terms(X_test, rng=0, n_samples=10)
        mu, log_sigma = vae.encode(X_test)
        assert np.allclose(kl, kl_forward(mu, log_sigma)[0], rtol=1e-4, atol=1e-5)
        measured[name].append((-log_px.mean(), kl.mean(), np.sqrt(mu.var(0).mean()), np.exp(log_sigma).mean()))
    row = [f"{m:8.{d}f} ± {e:.{d}f}" for m, e, d in zip(*mean_se(measured[name]), (2, 2, 2, 3))]
    print(f"{name:20s} " + "  ".join(row))
measured = {name: np.array(rows) for name, rows in measured.items()}
mean_image = X_train.mean(0).clip(1e-3, 1 - 1e-3)
constant = cross_entropy(X_test, np.log(mean_image / (1 - mean_image))).mean()
assert np.isclose(constant, -(X_test * np.log(mean_image) + (1 - X_test) * np.log(1 - mean_image)).sum(1).mean())
print(f"baselines: every pixel 1/2 costs {64 * np.log(2):.2f} nats, the mean image {constant:.2f}; both have KL 0")

assert np.all(measured["KL only"][:, 1] < 1e-3) and np.allclose(measured["KL only"][:, 3], 1, rtol=0, atol=0.01)
assert np.allclose(measured["KL only"][:, 0], 64 * np.log(2), rtol=0, atol=1), "an untrained decoder says little"
gain = measured["both"][:, 0] - measured["reconstruction only"][:, 0]
price = measured["reconstruction only"][:, 1] - measured["both"][:, 1]
print("the first model gains {:.1f} ± {:.1f} nats of reconstruction".format(*mean_se(gain)), end=" ")
print("and pays {:.0f} ± {:.0f} nats of KL".format(*mean_se(price)))
assert np.all(gain > 1) and np.all(price > 20 * gain)
total = {name: rows[:, 0] + rows[:, 1] for name, rows in measured.items()}
assert (
    np.all(total["both"] < constant)
    and np.all(constant < total["KL only"])
    and np.all(constant < total["reconstruction only"])
)

# %% [markdown] tags=["answer"]
# About three nats are gained and more than a hundred paid. By the sum of the two terms, which bounds $-\log p(x)$, the auto-encoder is far worse
# than one constant image; only the third model is better than that.

# %% [markdown]
# The two statements about free scale and zero gradient are exact, so they are checked on the numbers of the networks themselves.

# %%
c, original, scaled = 5.0, recon_only[0].copy("float64"), recon_only[0].copy("float64")
scaled.params["encoder.head.W"][:, :2] *= c
scaled.params["encoder.head.b"][:2] *= c
scaled.params["decoder.0.W"][...] /= c
(mu, log_sigma), (mu_scaled, log_sigma_scaled) = original.encode(X_test), scaled.encode(X_test)
eps = rng.standard_normal(mu.shape)
assert np.allclose(mu_scaled, c * mu) and np.array_equal(log_sigma_scaled, log_sigma)
assert np.allclose(scaled.decode(mu_scaled), original.decode(mu), rtol=0, atol=1e-12), "nothing holds the scale"
noisy = scaled.decode(mu_scaled + np.exp(log_sigma) * eps), original.decode(mu + np.exp(log_sigma) / c * eps)
assert np.allclose(*noisy, rtol=0, atol=1e-12), "the noise counts c times less"
assert not np.allclose(kl_forward(mu_scaled, log_sigma)[0], kl_forward(mu, log_sigma)[0]), (
    "the KL is what holds the scale"
)

probe = both[0].copy("float64")
_, cache = probe.loss_forward((X_test.astype(float), None), eps[None])
gradient = probe.views(probe.loss_backward(1.0, cache, {"reconstruction": 0.0, "kl": 1.0}))
sizes = {part: max(abs(g).max() for k, g in gradient.items() if k.startswith(part)) for part in ("encoder", "decoder")}
print("KL only: largest gradient of the encoder {encoder:.2f}, of the decoder {decoder}".format(**sizes))
assert sizes["decoder"] == 0 < sizes["encoder"]
start = VAE(64, 2, seed=1)
assert all(np.array_equal(v, start.params[k]) for k, v in kl_only[1].params.items() if k.startswith("decoder"))

# %%
WORDS = {
    "reconstruction only": "Reconstruction only: the codes leave the prior behind",
    "KL only": "KL only: one Gaussian for all, the classes are mixed",
    "both": "Both: regions of classes within the prior",
}


def digits_map(z, labels, ax):
    """Each code drawn as the numeral of its class, so that no class is told by its colour alone."""
    for label, colour in enumerate(CLASSES):
        dark = tuple(0.65 * part for part in to_rgb(colour))
        ax.scatter(*z[labels == label].T, marker=f"${label}$", s=110, color=dark, lw=0.4)
    ax.set(xlabel="z1", ylabel="z2")
    ax.set_aspect("equal", adjustable="datalim")


noise = rng.standard_normal((len(X_test), 2))
for name, title in WORDS.items():
    fig, ax = plt.subplots(figsize=(8, 5))
    mu, log_sigma = models[name][0].encode(X_test)
    digits_map(mu + np.exp(log_sigma) * noise, y_test, ax)
    ax.add_patch(Circle((0, 0), 2, fill=False, color="black", lw=3, ls="--", zorder=3))
    ax.set_title(title)
    plt.show()

# %% [markdown]
# One draw $z\sim q(z|x)$ for each test image, from the first of the three trainings; the dashed circle, of two prior standard deviations, is the same
# in all three: in the first picture it is a small part of the plane.
#
# ## 2. A Gaussian for each input
#
# *Items: D1-31, D4-31, D4-5, D0-44, D1-21.*
#
# The slides: each input defines a Gaussian, and training is exposed to the continuous distribution of the latent variable (D1; *a correction,
# E17:* with a fresh draw in every forward pass, not in every epoch); "AE only learns to reconstruct $g_\phi(x)$, VAE learns to reconstruct
# vicinities of $g_\phi(x)$" (D0, "AE vs. VAE"); for the Mona Lisa's smile a range of values says more than a single one; look at the latent
# dimensions of a few samples (D4).
#
# *A correction to D0 (E6):* what is reconstructed is $x$, *from* its code $g_\phi(x)$. So: an auto-encoder learns to reconstruct $x$ from one point,
# the VAE from the vicinity of that point.
#
# Here are six test images, the first of each of six classes. The ellipses are one and two $\sigma$ of $q(z|x)$.

# %%
mu_test, log_sigma_test = both[0].encode(X_test)
assert mu_test.shape[1] == 2 and both[0].decode(mu_test).shape == X_test.shape, (
    "the code has 2 numbers, what is reconstructed has 64"
)
few = [int(np.flatnonzero(y_test == label)[0]) for label in (0, 1, 4, 5, 6, 7)]
fig, ax = plt.subplots(figsize=(8, 6))
for i in few:
    for width in (1, 2):
        size = 2 * width * np.exp(log_sigma_test[i])
        style = {"fill": width == 1, "alpha": 0.35 if width == 1 else 1, "ls": "-" if width == 1 else "--"}
        ax.add_patch(Ellipse(mu_test[i], *size, color=CLASSES[y_test[i]], lw=2.5, **style))
    ax.text(*mu_test[i], str(y_test[i]), fontsize=22, weight="bold", ha="center", va="center")
ax.autoscale_view()
ax.set(xlabel="z1", ylabel="z2", aspect="equal")
ax.set_title("Six images, six Gaussians: 1σ (filled) and 2σ (dashed)")
plt.show()
print("digit   mu1    mu2    sigma1  sigma2   KL (nats)")
kl_few = kl_forward(mu_test[few], log_sigma_test[few])[0]
for i, kl in zip(few, kl_few):
    print(y_test[i], *(f"{v:7.1f}" for v in (*mu_test[i], *np.exp(log_sigma_test[i]), kl)), sep="  ")
assert np.exp(log_sigma_test[few]).max() < 1, "narrower than the prior: each image tells something"

# %%
draws = mu_test[few] + np.exp(log_sigma_test[few]) * rng.standard_normal((4, 6, 2))
assert np.abs((draws - mu_test[few]) / np.exp(log_sigma_test[few])).max() < 4, (
    "48 draws, within four widths of their means"
)
sheet = np.concatenate([X_test[few][None], both[0].decode(draws.reshape(-1, 2)).reshape(4, 6, 64)])
fig, ax = plt.subplots(figsize=(8, 6.2))
image_grid(sheet.reshape(-1, 64), n_columns=6, ax=ax, title="Each image, and four draws from its vicinity, decoded")
ax.set_yticks(4 + 9 * np.arange(5) - 0.5, ["image", "draw 1", "draw 2", "draw 3", "draw 4"], fontsize=15)
ax.tick_params(length=0)
plt.show()

# %% [markdown]
# **Vicinities.** Every training step draws another $z$ around $\mu$, so the decoder is trained on a region and not on a point. Compare with the
# reconstruction-only model. Its scale is its own, so the same *relative* noise is added to both: 0.2 times the spread of the codes.
#
# **Predict first:** by how many nats does this noise spoil the two reconstructions?

# %% tags=["answer"]
noise = rng.standard_normal((20, len(X_test), 2))


def spoiled(vae, relative):
    """Cost at mu, and how much noise of a relative size adds to it, in nats."""
    mu, _ = vae.encode(X_test)
    moved = (mu + relative * mu.std(0) * noise).reshape(-1, 2)
    clean = cross_entropy(X_test, vae.decoder_output(mu)).mean()
    return clean, cross_entropy(X_test, vae.decoder_output(moved).reshape(20, -1, 64)).mean() - clean


spoil = {name: np.array([spoiled(vae, 0.2) for vae in models[name]]) for name in ("reconstruction only", "both")}
for name, rows in spoil.items():
    (clean, more), (_, error) = mean_se(rows)
    print(f"{name:20s}: at mu {clean:.1f} nats; the noise adds {more:.2f} ± {error:.2f}")
assert np.all(spoil["reconstruction only"][:, 1] > 5 * spoil["both"][:, 1]) and np.all(spoil["both"][:, 1] > 0)
for vae in both:  # second order: twice the noise costs four times as much
    assert 3 < spoiled(vae, 0.1)[1] / spoiled(vae, 0.05)[1] < 4.5
log_px = both[0].elbo_terms(X_test, rng=0, n_samples=30)[0].mean()
own_noise = cross_entropy(
    X_test, both[0].decoder_output((mu_test + np.exp(log_sigma_test) * noise).reshape(-1, 2)).reshape(20, -1, 64)
)
assert abs(own_noise.mean() + log_px) < 0.2, "the model's own count of the same cost"

# %% [markdown] tags=["answer"]
# The VAE pays about a fifth of a nat, the other one two and a half: its decoder was trained on points that lie apart, and says something else
# between them.

# %% [markdown]
# **A range of values.** The lecture's Mona Lisa is ambiguous. An image becomes ambiguous when half of it is covered. Bayes' rule on a grid over $z$
# gives the posterior without any encoder: with the pixels that are seen, $p(z|x_\text{seen}) \propto p(z)\prod_{d\ \text{seen}} p(x_d|z)$.
# Its entropy, in nats, says how wide the range is; the prior's is $1+\ln 2\pi = 2.84$.
#
# **Predict first:** an encoder that outputs one value must choose. Does Bayes' rule choose, or widen? For how many of the images?

# %% tags=["answer"]
side = np.linspace(-4, 4, 65)
grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
cell = (side[1] - side[0]) ** 2
log_prior = -0.5 * (grid**2).sum(1) - np.log(2 * pi)


def grid_posterior(vae, x, seen):
    """p(z|x_seen) as probabilities of the grid's cells, shape (N, G), and ln p(x_seen), shape (N,)."""
    logits = vae.decoder_output(grid).astype(float)[:, seen]
    log_joint = x[:, seen] @ logits.T - np.logaddexp(0, logits).sum(1) + log_prior
    top = log_joint.max(1, keepdims=True)
    p = np.exp(log_joint - top)
    return p / p.sum(1, keepdims=True), top[:, 0] + np.log(p.sum(1) * cell)


def entropy(p):
    return -(p * np.log(np.maximum(p, 1e-300))).sum(1) + np.log(cell)


h_prior = 1 + np.log(2 * pi)
assert abs(entropy(np.exp(log_prior)[None] * cell)[0] - h_prior) < 0.01, "the grid is fine and wide enough"
upper, every = np.arange(32), np.arange(64)
by_grid, by_sampling = (
    grid_posterior(both[0], X_test[:20], every)[1],
    both[0].log_likelihood(X_test[:20], n_samples=2000, rng=0),
)
assert np.abs(by_grid - by_sampling).max() < 0.1, "ln p(x) by the grid and by importance sampling"
ranges = []
for vae in both:
    h_half, h_whole = (entropy(grid_posterior(vae, X_test, seen)[0]) for seen in (upper, every))
    ranges.append((h_half.mean(), h_whole.mean(), np.mean(h_half > h_whole)))
(half, whole, wider), ranges_error = mean_se(ranges)
print(f"entropy: prior {h_prior:.2f}, after the upper half {half:.2f} ± {ranges_error[0]:.2f},", end=" ")
print(f"after the whole image {whole:.2f} ± {ranges_error[1]:.2f} nats")
print(f"the range is wider with half the image for {wider:.0%} of the test images")
assert np.all(np.array(ranges)[:, 1] + 0.4 < np.array(ranges)[:, 0]) and half < h_prior - 0.5 and wider > 0.9

# %% tags=["answer"]
example = X_test[:1]
fig, ax = plt.subplots(figsize=(8, 5.5))
for seen, style, colour, words in ((upper, "--", VERMILION, "upper half seen"), (every, "-", BLUE, "whole image seen")):
    p = np.sort(grid_posterior(both[0], example, seen)[0][0])[::-1]
    level = p[np.searchsorted(np.cumsum(p), 0.9)]  # the densest cells that hold 90 % together
    ax.contour(
        side,
        side,
        grid_posterior(both[0], example, seen)[0].reshape(65, 65),
        [level],
        colors=colour,
        linestyles=style,
        linewidths=3,
    )
    ax.plot([], [], style, color=colour, label=words)
ax.add_patch(Circle((0, 0), np.sqrt(2 * np.log(10)), fill=False, lw=2.5, ls=":"))
ax.plot([], [], "k:", label="prior")
ax.set(xlabel="z1", ylabel="z2", aspect="equal", xlim=(-2.4, 6.4), ylim=(-2.4, 4))
ax.legend(loc="center right")
ax.set_title("Where z lies, with probability 90 %: first test image")
plt.show()

# %% [markdown] tags=["answer"]
# It widens: half the image leaves a wider range of codes than the whole image for nearly all of them, yet a much narrower one than the prior.
# (A single image may, by Bayes' rule, be surprised by its second half and become *less* certain; it holds on average over images that the model
# itself draws.)

# %% [markdown]
# ## 3. The aggregate posterior and its holes
#
# *Items: D1-15, D1-30, D1-12.*
#
# *Short path.*
#
# The slides: the density of the latent variables given the data set, $p(z|\mathbf{X})$, "could be a nasty one" (D1); why should q look standard
# normal? (D1); a generative model should create examples from unseen codes (D1).
#
# Training decodes codes that come from images; generation decodes codes that come from the prior:

# %%
fig, ax = plt.subplots(figsize=(8, 3.6))
nodes = {
    "x_n": (0, 2, "$x_n$", "observed"),
    "prior": (0, 0, "$p(z)$", "value"),
    "z of an image": (2.6, 2, "$z$", "latent"),
    "z of the prior": (2.6, 0, "$z$", "latent"),
    "decoder": (6.4, 1, "$p(x|z)$", "operation"),
    "x": (8.4, 1, "$x$", "value"),
}
arrows = [
    ("x_n", "z of an image", "$q(z|x_n)$"), ("z of an image", "decoder", "training"),
    ("prior", "z of the prior"), ("z of the prior", "decoder", "generation"), ("decoder", "x"),
]  # fmt: skip
graph(nodes, arrows, [(-0.6, 1.0, 3.2, 2.6, "$n = 1..N$")], ax=ax)
ax.set_title("The decoder meets z from two sources")
plt.show()

# %% [markdown]
# The density of codes given the data set is the average of all the Gaussians, the *aggregate posterior* $q(z)=\frac1N\sum_n q(z|x_n)$.
# *A nuance to D0 (E7), which speaks of holes in the posterior:* holes are places with $q(z)\ll p(z)$, holes of the aggregate posterior
# relative to the prior, and not of a single $q(z|x)$. Insert $q(z)$ into the mean KL:
# $$\frac1N\sum_n \mathbb{E}_{q(z|x_n)}\Big[\ln\frac{q(z|x_n)}{p(z)}\Big]
# = \frac1N\sum_n \mathbb{E}_{q(z|x_n)}\Big[\ln\frac{q(z|x_n)}{q(z)}\Big] + \frac1N\sum_n \mathbb{E}_{q(z|x_n)}\Big[\ln\frac{q(z)}{p(z)}\Big].$$
# In the last term the function no longer depends on $n$, so the average of the expectations is the expectation under the average (Hoffman and
# Johnson):
# $$\text{mean KL} = \underbrace{I(n; z)}_{\text{what codes tell of the data}}
# + \underbrace{\mathrm{KL}\big(q(z)\,\|\,p(z)\big)}_{\text{how far the codes, all together, are from the prior}} .$$
# This is the answer to "why normal". The second term measures how far the two sources of $z$ differ. No single $q(z|x)$ ought to be standard normal:
# then the first term is 0 (section 1, KL only). The *average* ought to be.
#
# The first term has a ceiling. The index $n$ is one of $N$ equally likely values, so $I(n;z)=\ln N-H(n|z)\le\ln N$: 7.27 nats for our 1,438 images.
#
# **Predict first:** what do the two terms amount to for the reconstruction-only model? And which of the two changes if its codes are shrunk by
# the factor $c$ of section 1 to spread 1, means and widths alike?


# %% tags=["answer"]
def log_q_given_n(z, mu, log_sigma):
    """ln q(z_m | x_n), shape (M, N)."""
    return gaussian_log_density_forward(z[:, None].astype(float), mu.astype(float), log_sigma.astype(float))[0]


def log_mean_exp(a):
    m = a.max(1)
    return m + np.log(np.exp(a - m[:, None]).mean(1))


def log_prior_density(z):
    return -0.5 * (z.astype(float) ** 2).sum(1) - 0.5 * z.shape[1] * np.log(2 * pi)


N = len(X_train)
assert np.allclose(log_mean_exp(np.log([[1.0, 3.0], [2.0, 6.0]])), np.log([2, 4])), "the mean of 1 and 3, of 2 and 6"
assert np.allclose(log_prior_density(grid), log_prior)


def two_terms(mu, log_sigma, noise):
    """(mean KL, I(n; z), KL(q(z) || p(z))) and the standard error of the second: one draw per datum."""
    z = mu + np.exp(log_sigma) * noise
    of_each = log_q_given_n(z, mu, log_sigma)
    own, log_q = np.diag(of_each), log_mean_exp(of_each)
    error = (own - log_q).std() / np.sqrt(len(z))
    return kl_forward(mu, log_sigma)[0].mean(), (own - log_q).mean(), (log_q - log_prior_density(z)).mean(), error


noise = rng.standard_normal((N, 2))
print("                               mean KL    = I(n; z)  + KL(q(z) || p(z))     (nats, first training; ln N = 7.27)")
split = {}
for name in ("reconstruction only", "its codes shrunk to spread 1", "both"):
    mu, log_sigma = models["both" if name == "both" else "reconstruction only"][0].encode(X_train)
    if "shrunk" in name:
        scale = np.sqrt(mu.var(0).mean())
        mu, log_sigma = mu / scale, log_sigma - np.log(scale)
    split[name] = two_terms(mu, log_sigma, noise)
    print("{:30s} {:8.1f} {:11.2f} {:15.2f}".format(name, *split[name]))
raw, shrunk, of_both = split.values()
assert abs(raw[1] - shrunk[1]) < 1e-3, "the mutual information does not hear of the scale"
assert abs(raw[1] - np.log(N)) < 0.05 and of_both[1] < 2, "each code names its image; the VAE's do not"
assert raw[2] > 5 * shrunk[2] > 20 * of_both[2]

# %% [markdown] tags=["answer"]
# The first term stands at its ceiling: each code names its image. All the rest, more than a hundred nats, is the second term, and most of that is
# mere distance: it goes when the codes are shrunk. The ten nats that stay are narrowness: where no two Gaussians overlap, $I=\ln N$, and the
# second term is mean KL $-\ln N$: at this second moment and these widths it is the same for every such arrangement. The first term does not change,
# since a change of units tells nothing about the data.

# %% [markdown]
# The check of the identity itself must not use the same draws for both terms, for then it holds by construction. So for the model of both terms the
# second term is computed again, by a sum over the grid, without samples.

# %%
mu, log_sigma = both[0].encode(X_train)
log_q_grid = np.concatenate([log_mean_exp(log_q_given_n(part, mu, log_sigma)) for part in np.array_split(grid, 10)])
q_grid = np.exp(log_q_grid)
kl_aggregate = (q_grid * (log_q_grid - log_prior)).sum() * cell
mean_kl, information, _, error = split["both"]
print(f"mass of q(z) on the grid {q_grid.sum() * cell:.4f}; KL(q(z) || p(z)) on the grid {kl_aggregate:.3f} nats")
print(f"I(n; z) {information:.2f} ± {error:.2f} (over images)  +  {kl_aggregate:.2f}", end="  ")
print(f"=  {information + kl_aggregate:.2f}; mean KL {mean_kl:.2f}")
assert abs(q_grid.sum() * cell - 1) < 2e-3
assert error < 0.04 and abs(information + kl_aggregate - mean_kl) < 4 * error
assert kl_aggregate > 0.02, "small, and not 0: q(z) is not the prior"

# %% [markdown]
# **Holes, and how not to measure them.** The share of the prior's mass where $q(z)<p(z)/10$ looks like a measure of how the codes are arranged.
# It is 99.8 % for the reconstruction-only model.
#
# **Predict first:** move the same 1,438 Gaussians, widths unchanged, to places drawn from the prior itself, an arrangement without any fault.
# What share is in holes now?

# %% tags=["answer"]
from_prior = np.random.default_rng(7).standard_normal((2000, 2))
ideal = np.random.default_rng(8).standard_normal((N, 2))


def squared_distances(A, B):
    """All squared distances between rows, shape (len(A), len(B))."""
    A, B = A.astype(float), B.astype(float)
    return np.maximum((A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T, 0)


assert np.allclose(
    squared_distances(X_test[:7], X_test[3:8]), ((X_test[:7, None] - X_test[3:8]) ** 2).sum(-1), rtol=0, atol=1e-5
)


def share_in_holes(mu, log_sigma, M=400):
    """The share of prior draws at which q(z) < p(z) / 10."""
    z = from_prior[:M]
    return np.mean(log_mean_exp(log_q_given_n(z, mu, log_sigma)) < log_prior_density(z) - np.log(10))


assert share_in_holes(np.zeros((1, 2)), np.zeros((1, 2))) == 0, "where q is the prior there are no holes"
one = share_in_holes(np.zeros((1, 2)), np.full((1, 2), np.log(0.5)), M=2000)
radius = np.sqrt((from_prior**2).sum(1))
assert one == np.mean(radius**2 > 2 * np.log(40) / 3), "one Gaussian of width 1/2: known exactly"

print("share of the prior's mass with q(z) < p(z) / 10")
as_trained = {}
for name in ("reconstruction only", "both"):
    encoded = [vae.encode(X_train) for vae in models[name]]
    as_trained[name] = np.array([(share_in_holes(m, s), share_in_holes(ideal, s)) for m, s in encoded])
    (own, moved), errors = mean_se(as_trained[name])
    print(f"{name:20s} as trained {own:6.1%} ± {errors[0]:.1%}", end=";  ")
    print(f"same widths at places drawn from the prior {moved:6.1%} ± {errors[1]:.1%}")
assert as_trained["reconstruction only"].min() > 0.9, (
    "any arrangement of such narrow Gaussians leaves nearly everything empty"
)
assert as_trained["both"].max() < 0.02

# %% [markdown] tags=["answer"]
# More than 95 %, though the places are faultless: the widths of that model are about .002, and the measure had seen hardly anything but the widths.

# %% [markdown]
# A fair comparison has one resolution $h$ for all: whiten the means (subtract the mean, make the covariance the identity: the decoder can undo
# both), give every mean the same width $h$, and set beside it 1,438 places drawn from $\mathcal{N}(0, I)$. Then only the arrangement differs.
#
# **Predict first:** at $h=0.2$, which means leave more holes, those of the reconstruction-only model or those of the VAE?


# %% tags=["answer"]
def share_at_resolution(u, widths):
    """The same with one width h for all means u, for each h in widths."""
    z = from_prior[:1000]
    d2 = squared_distances(z, u)
    ratio = [log_mean_exp(-0.5 * d2 / h**2) - 2 * np.log(h) + 0.5 * (z**2).sum(1) for h in widths]  # ln q(z) - ln p(z)
    return np.mean(np.array(ratio) < -np.log(10), axis=1)


def whitened(codes):
    """The codes with mean 0 and covariance I."""
    centred = codes.astype(float) - codes.mean(0, dtype=float)
    return np.linalg.solve(np.linalg.cholesky(np.cov(centred.T)), centred.T).T


assert np.allclose(np.cov(whitened(mu).T), np.eye(2)) and np.allclose(whitened(mu).mean(0), 0)
widths = 0.1, 0.2, 0.3, 0.4
at_h = {
    name: np.array([share_at_resolution(u, widths) for u in arrangements])
    for name, arrangements in {
        "reconstruction only": [whitened(vae.transform(X_train)) for vae in recon_only],
        "both": [whitened(vae.transform(X_train)) for vae in both],
        "drawn from the prior": [ideal],
    }.items()
}
by_general_formula = share_in_holes(whitened(both[0].transform(X_train)), np.full((N, 2), np.log(0.2)), M=1000)
assert at_h["both"][0, 1] == by_general_formula > 0.02, "the same as by the formula for any widths"
at_02 = {name: shares[:, 1] for name, shares in at_h.items()}
print("one resolution, h = 0.2, whitened means:")
for name, shares in at_02.items():
    print(f"    {name:20s}", "{:.1%} ± {:.1%}".format(*mean_se(shares)) if len(shares) > 1 else f"{shares[0]:.1%}")
difference = mean_se(at_02["reconstruction only"] - at_02["both"])
print("    the first less the second, paired by seed: {:.1%} ± {:.1%}".format(*difference))
assert min(at_02["both"].min(), at_02["reconstruction only"].min()) > 4 * at_02["drawn from the prior"][0]
assert np.all(at_02["reconstruction only"] > at_02["both"]) and abs(difference[0]) < 0.06, (
    "at one resolution the two are much alike"
)

# %% tags=["answer"]
fig, ax = plt.subplots(figsize=(8, 5))
for (name, shares), style, colour in zip(at_h.items(), ("-o", "--s", ":^"), (VERMILION, BLUE, "black")):
    centre, error = mean_se(shares) if len(shares) > 1 else (shares[0], 0 * shares[0])
    ax.errorbar(widths, 100 * centre, 100 * error, fmt=style, color=colour, ms=9, capsize=5, label=name)
ax.set(xlabel="resolution h, in units of the codes' spread", ylabel="prior mass in holes (%)", ylim=(-0.5, None))
ax.set_title("At one resolution, both models have holes")
ax.legend()
plt.show()

# %% [markdown] tags=["answer"]
# At one resolution both models leave many times more holes among their means than a draw from the prior does; the reconstruction-only model
# leaves half as many again. That is the whole merit of the VAE's *arrangement*; what fills its holes is above all the *width* of its posteriors.

# %% [markdown]
# **Unseen codes.** Decode 500 codes $z\sim\mathcal{N}(0,I)$ that no image had. How far is each result from the nearest training image, and how far
# is a real, unseen test image? The reconstruction-only codes have a scale of their own, so a Gaussian with *their* mean and covariance is used
# there: the fair choice. A last row shows a warning about this measure. Beside the mean stands the share of images that are farther out than any
# test image.
#
# **Predict first:** is a generated image nearer to the training set than a real test image, or farther?


# %% tags=["answer"]
def to_nearest(A):
    return np.sqrt(squared_distances(A, X_train).min(1))


def generated(vae, recon, seed):
    """500 decoded codes of each: z from the prior, and z from a Gaussian with the codes' own mean and covariance."""
    codes = recon.transform(X_train).astype(float)
    z_fitted = np.random.default_rng(seed).multivariate_normal(codes.mean(0), np.cov(codes.T), 500)
    return vae.sample(500, rng=seed, mean=True), recon.decode(z_fitted)


to_test, to_mean = to_nearest(X_test), to_nearest(X_train.mean(0, keepdims=True))[0]
distances = np.array(
    [[to_nearest(images) for images in generated(v, r, s)] for v, r, s in zip(both, recon_only, SEEDS)]
)
far, outside = distances.mean(2), (distances > to_test.max()).mean(2)  # (seed, model)
print("pixel distance to the nearest training image      mean        farther than any test image")
print(f"{'test images':46s} {to_test.mean():.2f}")
for k, name in enumerate(("VAE, z from the prior", "reconstruction only, z from a fitted Gaussian")):
    print(
        "{:46s} {:.2f} ± {:.2f}".format(name, *mean_se(far[:, k])),
        "     {:.1%} ± {:.1%}".format(*mean_se(outside[:, k])),
    )
print(f"{'the mean image':46s} {to_mean:.2f}")
more, more_outside = mean_se(far[:, 1] - far[:, 0]), mean_se(outside[:, 1] - outside[:, 0])
print(
    "reconstruction only less VAE: mean {:+.2f} ± {:.2f}".format(*more),
    "share outside {:+.1%} ± {:.1%}".format(*more_outside),
)
assert to_test.mean() < far[:, 0].min() and far[:, 0].max() < to_mean
assert abs(more[0]) < 4 * more[1], "the mean distance does not tell the two apart"
assert more_outside[0] > 4 * more_outside[1] and outside[:, 0].max() < 0.01 < outside[:, 1].min(), (
    "the share far outside does"
)

# %% [markdown] tags=["answer"]
# Farther, for both. The mean does not decide between the two: the difference is one and a half of its standard errors. The decoder trained for the
# reconstruction only is the sharper one, so most of its images are near a real one; but some of its codes fall into holes, and what it decodes there
# is farther from the training set than any test image. The VAE has hardly any such images: all are blurred a little. And the warning: the mean image
# is no digit, and its distance is not much larger.

# %% [markdown]
# ## 4. The manifold grid
#
# *Items: D4-34, D4-35, D4-8, D4-27.*
#
# *Short path.*
#
# D4: a grid of values of a two-dimensional Gaussian, decoded; the digits live in regions and morph smoothly into each other; the latent
# space is continuous and smooth, and nearby values have similar reconstructions, which D4 calls the main benefit. *A nuance to D4 (E57):*
# "sampled a grid" is no random sampling. The grid's coordinates are the inverse CDF of the normal at equal steps,
# $$z_i = \Phi^{-1}\!\Big(\frac{i-\frac12}{n}\Big),\qquad i=1,\dots,n .$$
# If $u$ is uniform then $\Phi^{-1}(u)$ is standard normal, since $P(\Phi^{-1}(u)\le z)=P(u\le\Phi(z))=\Phi(z)$.
# So each cell between $\Phi^{-1}((i-1)/n)$ and $\Phi^{-1}(i/n)$ holds the mass $1/n$, and each image stands for the same share of what the model
# generates. In the code below, `NormalDist().inv_cdf` is $\Phi^{-1}$ from Python's own library, `image_grid` lays images out as a sheet, and the
# lines after it write the axes in units of z.

# %%
show(manifold_grid)
fig, ax = plt.subplots(figsize=(8, 8))
asked = []


def decode_and_note(z):
    asked.append(z)
    return both[0].decode(z)


manifold_grid(decode_and_note, n=12, ax=ax)
plt.show()


def Phi(z):
    return 0.5 * (1 + erf(z / np.sqrt(2)))


(asked,) = asked
axis = np.unique(asked[:, 0].round(12))
assert np.allclose([Phi(z) for z in axis], (np.arange(12) + 0.5) / 12, rtol=0, atol=1e-9), "equal steps of probability"
assert np.allclose(asked[[0, 11]], [[axis[0], axis[-1]], [axis[-1], axis[-1]]]), "row by row, from the upper left"
edges = np.array([NormalDist().inv_cdf(i / 12) for i in range(1, 12)])
assert np.array_equal(np.searchsorted(edges, axis), range(12)), "one image in each cell"
even = np.linspace(axis[0], axis[-1], 12)
even_edges = (even[1:] + even[:-1]) / 2
drawn, outer = rng.standard_normal(24_000), (-np.inf, np.inf)
per_cell, per_even = (np.histogram(drawn, np.sort(np.r_[outer, e]))[0] for e in (edges, even_edges))
print(f"prior draws per cell of one axis, of 24,000: inverse-CDF grid {per_cell.min()} to {per_cell.max()},", end=" ")
print(f"equal steps of z {per_even.min()} to {per_even.max()}")
assert np.abs(per_cell - 2000).max() < 5 * np.sqrt(2000 * 11 / 12) and per_even.max() > 2 * per_even.min()

# %% [markdown]
# The two claims, *regions* and *smooth*, each need a number that could come out otherwise. *Regions*: the share of test images whose nearest
# training mean has the same label. Chance is 10 %, but an encoder that was never trained keeps something of the images, too: it is the baseline.
# *Smooth*: walk straight lines through the latent space in 400 steps; the largest single step in pixels against the whole way. A jump would be
# near 1, a uniform walk 1/400. The lines lead from code to code, of 40 pairs of test images.
#
# **Predict first:** which has the cleaner regions, the reconstruction-only model or the VAE? And which walks more evenly?


# %% tags=["answer"]
def one_nn_error(Z_train, labels_train, Z_test, labels_test):
    return np.mean(labels_train[squared_distances(Z_test, Z_train).argmin(1)] != labels_test)


assert (
    one_nn_error(
        np.array([[0.0], [4.0]]), np.array([7, 8]), np.array([[1.0], [1.9], [2.1], [5.0]]), np.array([7, 8, 8, 8])
    )
    == 0.25
)


def largest_step(decode, ends):
    """The largest of 400 steps as a share of the decoded path's length, mean over straight lines; ends: (n, 2, K)."""
    t = np.linspace(0, 1, 401)[:, None]
    walk = decode((ends[:, :1] * (1 - t) + ends[:, 1:] * t).reshape(-1, 2)).reshape(len(ends), 401, -1)
    steps = np.sqrt((np.diff(walk, axis=1) ** 2).sum(-1))
    return np.mean(steps.max(1) / steps.sum(1))


lines = np.random.default_rng(5).standard_normal((40, 2, 2))
assert abs(largest_step(lambda z: z @ np.ones((2, 3)), lines) - 1 / 400) < 1e-9, "a linear decoder walks uniformly"
assert largest_step(lambda z: np.where(z[:, :1] == z[:1, :1], 1.0, 0), lines[:1]) == 1, "a decoder with one jump"


def same_label(vae):
    return 1 - one_nn_error(vae.transform(X_train), y_train, vae.transform(X_test), y_test)


regions = {
    "never trained": [same_label(VAE(64, 2, seed=s)) for s in SEEDS],
    "reconstruction only": [same_label(vae) for vae in recon_only],
    "both": [same_label(vae) for vae in both],
}
for name, shares in regions.items():
    print(
        "{:20s}: the nearest code has the same label for {:.0%} ± {:.0%} of the test images".format(
            name, *mean_se(shares)
        )
    )
pairs_walked = np.random.default_rng(5).integers(0, len(X_test), (40, 2))
smooth = {
    name: [largest_step(vae.decode, vae.transform(X_test)[pairs_walked]) for vae in models[name]]
    for name in ("reconstruction only", "both")
}
for name, values in smooth.items():
    print("{:20s}: largest of 400 steps {:.4f} ± {:.4f} of the way (uniform: 0.0025)".format(name, *mean_se(values)))
regions = {name: np.array(shares) for name, shares in regions.items()}
assert np.all(regions["both"] > regions["never trained"] + 0.2) and np.all(
    regions["reconstruction only"] > regions["both"]
)
assert np.all(np.array(smooth["reconstruction only"]) > 1.4 * np.array(smooth["both"])) and max(smooth["both"]) < 0.005

# %% [markdown] tags=["answer"]
# The regions are real but not clean: with K = 2 more than one image in three has a neighbour of another class (untrained: three in four). They are
# no merit of the KL: the reconstruction-only codes have cleaner ones. Evenness is: both decoders are continuous functions, and the largest step of
# the reconstruction-only one, which has learned to make its noise vanish (σ about .002), is one and a half to two times the VAE's.

# %% [markdown]
# ## 5. From one image to another
#
# *Items: D2-10, D4-36, D1-14.*
#
# The slides: learn a representation in which one can interpolate between images (D2); interpolate between two observations, as a model of music
# does between two melodies (D4); a code could lie between two classes (D1). With $z_a=\mu(x_a)$, $z_b=\mu(x_b)$,
# $$z(t) = (1-t)\,z_a + t\,z_b,\qquad x(t) = \mathbb{E}[x|z(t)] .$$
# The alternative needs no model: blend the pixels, $(1-t)x_a+t\,x_b$, which shows both images at once. To compare, we need a judge that knows
# neither path: the distance to the nearest real training image, at $t=\frac12$, over 300 pairs of different digits. The ends are decoded means,
# in both paths, so that the blur of the decoder is the same. Baseline: a decoded image of a third, random code. It is as plausible as any, but
# it does not lie between the two: its distance to the ends says so.
#
# **Predict first:** which midpoint lies nearer to a real image, and for what share of the pairs?

# %% tags=["answer"]
pair_rng = np.random.default_rng(11)
first, second, third = pair_rng.integers(0, len(X_test), (3, 600))
differ = np.flatnonzero(y_test[first] != y_test[second])[:300]
first, second, third = first[differ], second[differ], third[differ]
tens = {beta: [trained(10, beta=beta, epochs=50, seed=s) for s in SEEDS] for beta in (0.1, 1.0, 4.0)}


def midpoints(vae):
    """Latent midpoint, blend of the decoded ends, decoded third code: each (300, 64); and the two ends."""
    a, b, other = (vae.transform(X_test[which]) for which in (first, second, third))
    ends = vae.decode(a), vae.decode(b)
    return vae.decode((a + b) / 2), (ends[0] + ends[1]) / 2, vae.decode(other), *ends


def distance(A, B):
    return np.sqrt(((A - B) ** 2).sum(1))


midway = {}
print("pixel distance of      to the nearest training image       to the two ends, mean          latent is nearer to")
print(
    "                       latent    blend    third code       latent  blend  third code      a real image than blend"
)
for name, trio in {"K = 2, both": both, "K = 10, both": tens[1.0], "K = 2, recon. only": recon_only}.items():
    rows = []
    for vae in trio:
        *three, a, b = midpoints(vae)
        near = [to_nearest(x) for x in three]
        rows.append(
            [
                *(d.mean() for d in near),
                *((distance(x, a) + distance(x, b)).mean() / 2 for x in three),
                np.mean(near[0] < near[1]),
            ]
        )
    midway[name] = np.array(rows)
    m, e = mean_se(rows)
    distances = "{:8.2f} {:8.2f} {:10.2f} {:14.2f} {:7.2f} {:9.2f}".format(*m[:6])
    print(f"{name:20s} {distances} {m[6]:17.0%} ± {e[6]:.0%} of the pairs")
for rows in midway.values():
    assert np.all(rows[:, 0] + 0.02 < rows[:, 1]) and np.all(rows[:, 6] > 0.7), "nearer to a real image than the blend"
    assert np.all(rows[:, 3] + 0.1 < rows[:, 5]), "and between its ends, unlike a third image"
_, blend, _, a, b = midpoints(both[0])
assert np.allclose(distance(blend, a), distance(a, b) / 2, atol=1e-5) and np.allclose(
    distance(blend, b), distance(a, b) / 2, atol=1e-5
)

# %% tags=["answer"]
latent, blend, *_ = (to_nearest(x) for x in midpoints(tens[1.0][0]))
fig, ax = plt.subplots(figsize=(8, 5.5))
ax.scatter(blend, latent, s=30, color="white", edgecolor="black")
ends = np.array([min(latent.min(), blend.min()), max(latent.max(), blend.max())])
ax.plot(ends, ends, "--", color=VERMILION)
ax.set(
    xlabel="pixel blend: distance to the nearest real image",
    ylabel="latent midpoint: the same distance",
    aspect="equal",
)
ax.annotate("equal", ends[[1, 1]] - 0.12, (-60, 0), textcoords="offset points")
ax.set_title("Below the line the latent midpoint is nearer (K = 10)")
plt.show()

# %% [markdown] tags=["answer"]
# The latent midpoint, in all three models. It is not quite as near to a real image as a decoded code is, but it does lie between its ends.
# By this judge the reconstruction-only model does even better between two digits: its decoder is sharper. What it lacks is shown in sections 2 to
# 4: a decoder that bears noise and changes evenly, and a prior to draw from.

# %% [markdown]
# A second judge: the surprise, a bound on $-\ln p(x)$, of a model with K = 10 that took no part in the path. For grey pixels $p$ the best
# possible value of the Bernoulli cost is their entropy $-\sum p\ln p+(1-p)\ln(1-p)$, so nats are counted from there.
#
# **Predict first:** along the way from one digit to another, does the surprise of the latent path rise in the middle? Does that of the blend?


# %% tags=["answer"]
def surprise(judge, x):
    """-ELBO under the judge less the entropy of the grey pixels, its floor: nats above the best possible."""
    p = np.clip(x.astype(float), 1e-6, 1 - 1e-6)
    floor = -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum(1)
    assert np.allclose(floor, cross_entropy(p, np.log(p / (1 - p)))), (
        "the cost at logits that give the pixels themselves"
    )
    return -judge.elbo(x, rng=0, n_samples=5) - floor


ways = np.linspace(0, 1, 5)
levels = []
for vae, judge in zip(both, tens[1.0]):
    z_a, z_b = vae.transform(X_test[first]), vae.transform(X_test[second])
    x_a, x_b = vae.decode(z_a), vae.decode(z_b)
    path = [surprise(judge, vae.decode((1 - s) * z_a + s * z_b)).mean() for s in ways]
    levels.append((path, [surprise(judge, (1 - s) * x_a + s * x_b).mean() for s in ways]))
levels = np.array(levels)  # (seed, path or blend, t)
print("nats above the floor, t =   0    1/4    1/2    3/4    1")
print("latent path          ", levels[:, 0].mean(0).round(1))
print("pixel blend          ", levels[:, 1].mean(0).round(1))
assert np.allclose(levels[:, 0, [0, 4]], levels[:, 1, [0, 4]], rtol=0, atol=1e-3), "both ways have the same ends"
bump = levels[:, :, 2] - levels[:, :, [0, 4]].mean(2)
print("the middle less the mean of the ends: path {:+.2f} ± {:.2f}".format(*mean_se(bump[:, 0])), end=", ")
print("blend {:+.2f} ± {:.2f} nats".format(*mean_se(bump[:, 1])))
more = mean_se(bump[:, 1] - bump[:, 0])
print("the blend less the path: {:.2f} ± {:.2f} nats".format(*more))
assert np.all(bump[:, 1] > bump[:, 0] + 0.05) and more[0] > 4 * more[1] and levels.min() > 0

# %% [markdown] tags=["answer"]
# Neither rises much: in the middle the path is by about two tenths of a nat less of a surprise than its ends are, the blend is level with them.
# The judges agree, and the difference is small: on images of 8×8 pixels a blend is not far from a digit.

# %%
ten = tens[1.0][0]
middle, blend, _, end_a, end_b = midpoints(ten)
order = np.argsort(to_nearest(blend) - to_nearest(middle))  # by how much nearer to a real image the latent midpoint is
five = order[[30, 90, 150, 210, 270]]  # one pair in the middle of each fifth of the 300
assert np.mean((to_nearest(blend) - to_nearest(middle))[five[2]] > to_nearest(blend) - to_nearest(middle)) == 0.5, (
    "the median pair"
)
fig, ax = plt.subplots(figsize=(8, 6.2))
image_grid(np.concatenate([x[five] for x in (end_a, middle, blend, end_b)]), n_columns=5, ax=ax)
ax.set_yticks(3.5 + 9 * np.arange(4), ["one end", "latent\nmidpoint", "pixel\nblend", "other end"], fontsize=15)
ax.set_xticks(3.5 + 9 * np.arange(5), ["10 %", "30 %", "50 %", "70 %", "90 %"], fontsize=15)
ax.tick_params(length=0)
ax.set_title("Five pairs: the two midpoints look much alike")
plt.show()

# %% [markdown]
# The pairs of the figure are not picked by eye: they stand at the middle of each fifth of the 300, sorted by how much nearer to a real image the
# latent midpoint is than the blend.
#
# **The straight line is a choice.** For two points within a radius $r$ of 0 the whole line is within $r$, so the prior's *density* is nowhere
# lower than at the worse end. But density is not mass. For independent $z_a,z_b\sim\mathcal{N}(0,I)$ the midpoint is $\mathcal{N}(0,\frac12I)$: its
# squared length is $K/2$ on average, where the prior's is $K$. For even $K$ the mass within a radius $r$ is (integrate $r^{K-1}e^{-r^2/2}$ by parts)
# $$P(|z|\le r) = 1 - e^{-r^2/2}\sum_{j<K/2}\frac{(r^2/2)^j}{j!}.$$
#
# **Predict first:** what share of the prior's mass lies nearer to 0 than such a midpoint, with $r^2=K/2$, for K = 2, 10, 50?


# %% tags=["answer"]
def mass_within(r2, K):
    """P(|z|^2 <= r2) for z ~ N(0, I) in K dimensions, K even."""
    return 1 - exp(-r2 / 2) * sum((r2 / 2) ** j / factorial(j) for j in range(K // 2))


cos, sin = np.cos(pi / 4), np.sin(pi / 4)
for K in (2, 10, 50):
    z_a, z_b = rng.standard_normal((2, 20_000, K))
    straight, turned = (z_a + z_b) / 2, cos * z_a + sin * z_b
    inside = mass_within(K / 2, K)
    by_draws = np.mean((z_a**2).sum(1) < K / 2)
    mean_square = [(z**2).sum(1).mean() / K for z in (straight, turned)]
    print(f"K = {K:2d}: mass nearer to 0 than the midpoint {inside:.2%}; mean |z|²/K:", end=" ")
    print("straight {:.2f}, turned {:.2f}".format(*mean_square))
    assert abs(by_draws - inside) < 4 * np.sqrt(inside * (1 - inside) / 20_000)
    assert abs(mean_square[0] - 0.5) < 0.02 and abs(mean_square[1] - 1) < 0.04
assert abs(mass_within(5, 10) - 0.1088) < 1e-4 and mass_within(25, 50) < 0.002, "density is not mass"

# %% [markdown] tags=["answer"]
# 39 %, 11 % and .1 %: in many dimensions the midpoint lies where the prior hardly ever draws, although the density there is high. The
# path $\cos\theta\,z_a+\sin\theta\,z_b$ has the cure: a sum of independent Gaussians with $\cos^2\theta+\sin^2\theta=1$, it is
# $\mathcal{N}(0,I)$ for every $\theta$ (White proposes such spherical paths). The codes of images are no draws from the prior, and neither line
# knows where the data lie; paths that do are curved by the decoder (Arvanitidis and others).

# %% [markdown]
# ## 6. Faces with six attributes
#
# *Items: D4-4, D1-16.*
#
# The slides: a face auto-encoder with six attributes such as skin colour and glasses (D4); axes with meaning, thickness on one and
# rotation on another (D1).
#
# For faces nobody knows the true attributes; for glyphs that we draw ourselves we do. Six numbers make a 12×12 glyph: skin, hair, beard, glasses (0
# or 1), smile and gaze (-1 to 1). The VAE sees the pixels only. Then each attribute is predicted from the six latent means, by least squares
# (from all six together) and from the best single axis ($r^2$, the squared correlation). Even axes without any meaning have a best one among
# six: the baseline is the best axis after a random rotation of the whitened code, mean of 200.

# %%
NAMES = ["skin", "hair", "beard", "glasses", "smile", "gaze"]
row, column = np.mgrid[:12, :12].astype(float)


def attributes(n, rng):
    a = rng.uniform(0, 1, (n, 6))
    a[:, 3] = a[:, 3] < 0.5
    a[:, 4:] = 2 * a[:, 4:] - 1
    return a


def render(a):
    """Glyphs of 12 x 12 pixels, ink in [0, 1], from attributes (N, 6)."""
    skin, hair, beard, glasses, smile, gaze = a.T[:, :, None, None]
    face = ((row - 6) ** 2 / 36 + (column - 5.5) ** 2 / 25) <= 1
    image = (0.1 + 0.3 * skin) * face
    image = image + 0.5 * hair * (row <= 1) * (abs(column - 5.5) < 4)
    image = image + 0.5 * beard * (row >= 10) * (abs(column - 5.5) < 4)
    mouth = 8 - 1.2 * smile * (((column - 5.5) / 2.5) ** 2 - 0.5)
    image = image + 0.5 * np.exp(-((row - mouth) ** 2)) * (abs(column - 5.5) < 3)
    for centre in (3.0, 8.0):
        image = image + 0.5 * np.exp(-((row - 4) ** 2) - (column - centre - gaze) ** 2)
        frame = np.maximum(abs(row - 4), abs(column - centre)) == 2
        image = image + 0.3 * glasses * frame * (row < 7)
    return np.clip(image, 0, 1).reshape(len(a), 144)


mirror = render(np.array([[0.5, 0.5, 0.5, 1, 0.5, g] for g in (-0.7, 0.7)])).reshape(2, 12, 12)
assert np.allclose(mirror[0], mirror[1][:, ::-1]), "looking left is looking right in the mirror"
attribute_rng = np.random.default_rng(3)
A_train, A_test = attributes(1500, attribute_rng), attributes(500, attribute_rng)
assert np.abs(A_train.mean(0) - (0.5, 0.5, 0.5, 0.5, 0, 0)).max() < 0.07
assert np.allclose(A_train.var(0), (1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 3, 1 / 3), rtol=0.1, atol=0), (
    "uniform, or a fair coin"
)
G_train = render(A_train) + 0.03 * attribute_rng.standard_normal((1500, 144))
G_test = render(A_test) + 0.03 * attribute_rng.standard_normal((500, 144))
fig, ax = plt.subplots(figsize=(8, 4.8))
image_grid(G_test[:15], n_columns=5, ax=ax, title="Glyphs with six attributes, as the VAE sees them")
plt.show()

# %% [markdown]
# **Predict first:** will every attribute have an axis of its own? Nothing in the loss knows the words *smile* or *glasses*.

# %% tags=["answer"]
faces_of = [VAE(144, 6, hidden=(64,), likelihood="gaussian", eta=0.005, seed=s) for s in SEEDS]
for model in faces_of:
    model.fit(G_train, epochs=70, optimizer=Adam(lr=0.004), progress=False)


def least_squares(inputs, targets):
    """The affine map of smallest squared error, as a function."""
    solution = np.linalg.lstsq(np.c_[inputs, np.ones(len(inputs))], targets, rcond=None)[0]

    def predict(new):
        return np.c_[new, np.ones(len(new))] @ solution

    return predict


def explained(prediction, truth):
    """R^2: the share of each column's variance that is predicted."""
    return 1 - ((prediction - truth) ** 2).mean(0) / truth.var(0)


def by_axis(codes):
    """r^2 of each attribute with each axis, (6, 6)."""
    return np.corrcoef(A_test.T, codes.T)[:6, 6:] ** 2


together, alone, where, rotated = [], [], [], []
for model in faces_of:
    mu_train, mu_new = (model.transform(G).astype(float) for G in (G_train, G_test))
    together.append(explained(least_squares(mu_train, A_train)(mu_new), A_test))
    r2 = by_axis(mu_new)
    alone.append(r2.max(1))
    where.append(r2.argmax(1))
    turns = np.linalg.qr(attribute_rng.standard_normal((200, 6, 6)))[0]
    for turn in turns[:3]:  # decorrelation is not disentanglement
        assert np.allclose(np.cov((whitened(mu_new) @ turn).T), np.eye(6)), "whitened and turned: uncorrelated still"
    rotated.append(np.mean([by_axis(whitened(mu_new) @ turn).max(1) for turn in turns], axis=0))
together, alone, where, rotated = (np.array(v) for v in (together, alone, where, rotated))
print("r²          all six latents   best single axis   best axis, code rotated at random   best axis of training 1-3")
for k, name in enumerate(NAMES):
    print("{:10s} {:14.2f} {:13.2f} ± {:.2f}".format(name, together[:, k].mean(), *mean_se(alone[:, k])), end="")
    print(f"{rotated[:, k].mean():22.2f}                     ", ", ".join(f"z{axis + 1}" for axis in where[:, k]))
excess = mean_se(alone.mean(1) - rotated.mean(1))
print("mean over attributes: best axis {:.2f} ± {:.2f}".format(*mean_se(alone.mean(1))), end="; ")
print("more than the rotated code: {:+.2f} ± {:.2f}".format(*excess))
one_axis = explained(least_squares(mu_new[:, :1], A_test)(mu_new[:, :1]), A_test)
assert np.allclose(one_axis, by_axis(mu_new)[:, 0]), "r² is what one axis explains"
assert np.allclose(explained(A_test.mean(0), A_test), 0) and np.all(together > 0.9) and np.all(together <= 1)
assert np.all(alone.mean(1) < 0.75), "the attributes are there, but not each on an axis"
assert len({tuple(w) for w in where}) > 1, "and the axis depends on the seed"
assert abs(excess[0]) < 4 * excess[1] and abs(excess[0]) < 0.2, "on average over the attributes the axes are no better than chance"

# %% tags=["answer"]
fig, ax = plt.subplots(figsize=(8, 5.5))
r2 = by_axis(faces_of[0].transform(G_test))
ax.imshow(r2, cmap="Greys", vmin=0, vmax=1, aspect="auto")
for k, j in np.ndindex(6, 6):
    ax.text(
        j, k, f"{r2[k, j]:.1f}", ha="center", va="center", fontsize=16, color="white" if r2[k, j] > 0.5 else "black"
    )
ax.set_xticks(range(6), [f"z{k + 1}" for k in range(6)])
ax.set_yticks(range(6), NAMES)
ax.set_title("r² of attribute and axis, training 1: 0.4 to 0.8")
plt.show()

# %% [markdown] tags=["answer"]
# The six attributes are in the code, almost completely, but an axis mixes several of them, and which axis it is depends on the seed. Over three
# trainings, and on average over the attributes, the axes serve no better than those of a code that was turned at random, beyond what chance explains;
# for a single attribute three trainings cannot tell. So D1's hope for $z_1$ =
# thickness is not fulfilled by the training alone; Locatello and others prove that it cannot be, in general, without help from labels or from
# assumptions.

# %% [markdown]
# *A nuance to D4 (E56)*, which names uncorrelated dimensions beside disentangled ones: decorrelation is not disentanglement. The whitened
# codes above, in any rotation, are uncorrelated exactly.
#
# ## 7. An attribute vector, found afterwards
#
# *Items: D4-45, D4-46, D0-54.*
#
# **A reader asks (D4):** did you put the label SMILE in before the training, or after it, from the look of the results? **The answer there:** the
# names are for the reader; the dimensions are learned, and one can afterwards search for a vector that represents a concept, and move along it.
#
# So: after. Take the training glyphs with the attribute and those without; the vector is the difference of their mean codes:
# $$v = \langle\mu(x_n)\rangle_{\text{with}} - \langle\mu(x_n)\rangle_{\text{without}},\qquad z \to z + v .$$
# Suppose that $\mathbb{E}[\mu|a]$ is affine, $m + Ba$. Then $v = B\,(\langle a\rangle_\text{with}-\langle a\rangle_\text{without})$, up to noise.
# If the attributes are independent, the means of all but the named one, $j$, agree in the two groups, and
# $v = B_j\,\big(\langle a_j\rangle_\text{with}-\langle a_j\rangle_\text{without}\big)$: the others cancel. This is a prediction: the named attribute
# moves by $\langle a_j\rangle_\text{with}-\langle a_j\rangle_\text{without}$ and the other five do not move. A *ruler* reads the attributes off a
# decoded image: least squares from pixels to attributes, fitted on renderings and not on the model.
#
# **Predict first:** for *glasses* the predicted change is exactly 1. What change will the ruler read, and will the others stay? And along a
# random vector of the same length?

# %% tags=["answer"]
A_ruler = attributes(3000, attribute_rng)
ruler = least_squares(
    render(A_ruler) + 0.03 * attribute_rng.standard_normal((3000, 144)), A_ruler
)  # the noise keeps it well conditioned
quality = explained(ruler(render(A_test)), A_test)
assert quality.min() > 0.9, "the ruler reads true glyphs well"


def attribute_vector(codes, has):
    return codes[has].mean(0) - codes[~has].mean(0)


assert np.array_equal(attribute_vector(np.array([[1.0], [5.0], [4.0]]), np.array([True, False, True])), [-2.5])
thresholds = np.median(A_train, axis=0)
thresholds[3] = 0.5  # glasses are 0 or 1
moved, at_random, affine = np.zeros((3, 6, 6)), np.zeros((3, 6, 6)), []
for s, model in enumerate(faces_of):
    codes, new = model.transform(G_train).astype(float), model.transform(G_test).astype(float)
    affine.append(explained(least_squares(A_train, codes)(A_test), new).mean())
    B = np.linalg.lstsq(np.c_[A_train, np.ones(len(A_train))], codes, rcond=None)[0][:6]  # row j: B_j
    for k in range(6):
        has = A_train[:, k] > thresholds[k]
        v = attribute_vector(codes, has)
        predicted = A_train[has, k].mean() - A_train[~has, k].mean()
        assert np.linalg.norm(v - predicted * B[k]) < 0.2 * np.linalg.norm(v), (
            "v is B_j times the difference of the means"
        )
        low = new[A_test[:, k] < thresholds[k]]
        astray = attribute_rng.standard_normal(6)
        astray *= np.linalg.norm(v) / np.linalg.norm(astray)
        for result, way in ((moved, v), (at_random, astray)):
            result[s, k] = (ruler(model.decode(low + way)) - ruler(model.decode(low))).mean(0) / predicted
print(f"affine in the attributes: {np.mean(affine):.0%} of the codes' variance")
print("change as a share of the predicted one, mean of three trainings (rows: vector used, columns: attribute read)")
print(" " * 8 + "".join(f"{name:>9s}" for name in NAMES))
for name, values in zip(NAMES, moved.mean(0)):
    print(f"{name:8s}" + "".join(f"{round(value, 2) + 0.0:9.2f}" for value in values))
named, others = moved[:, range(6), range(6)], np.abs(moved[:, ~np.eye(6, dtype=bool)])
by_chance = np.abs(at_random[:, range(6), range(6)])
print(
    f"named attribute: {named.min():.2f} to {named.max():.2f} of the prediction; side effects to {others.max():.2f};",
    end=" ",
)
print(f"random vectors: {by_chance.mean():.2f} on average")
assert np.abs(named - 1).max() < 0.12 and others.max() < 0.15 and by_chance.mean() < 0.6

# %% [markdown] tags=["answer"]
# Close to the prediction, for each attribute and in each training, with side effects of about a tenth at the most. These codes are nearly affine in
# the attributes, because the glyphs are nearly so.

# %%
faces = faces_of[0]
mu_faces, mu_faces_test = faces.transform(G_train).astype(float), faces.transform(G_test).astype(float)
v_glasses = attribute_vector(mu_faces, A_train[:, 3] == 1)
v_smile = attribute_vector(mu_faces, A_train[:, 4] > 0)
start = mu_faces_test[(A_test[:, 3] == 0) & (A_test[:, 4] < -0.5)][:1]
steps = np.linspace(0, 1.5, 6)[:, None]
fig, ax = plt.subplots(figsize=(8, 3.3))
image_grid(faces.decode(np.concatenate([start + steps * v_glasses, start + steps * v_smile])), n_columns=6, ax=ax)
ax.set_yticks([5.5, 18.5], ["glasses", "smile"], fontsize=15)
ax.set_xticks(5.5 + 13 * np.arange(6), [f"+{step:.1f} v" for step in steps[:, 0]], fontsize=15)
ax.tick_params(length=0)
ax.set_title("One glyph moved along two attribute vectors")
plt.show()

# %% [markdown]
# **Arithmetic.** D0 prints cat + (dog − pig) = catdog and pig + (cat − dog) = pigcat (E15: in the lecture the animals are sketches; the text has
# turned them into captions). With glyphs the right answer can be drawn. Let $b$ and $c$ differ in one attribute only, with glasses and without,
# and let $a$ be a third glyph without. Then $a+(b-c)$ ought to be $a$ with glasses.
#
# **Predict first:** does the result come nearer to the true glyph than decoding $a$ unchanged? And what is the mean of D0's two results, catdog and
# pigcat?

# %% tags=["answer"]
a_attr, c_attr = attributes(300, attribute_rng), attributes(300, attribute_rng)
a_attr[:, 3] = c_attr[:, 3] = 0
b_attr, target_attr = c_attr.copy(), a_attr.copy()
b_attr[:, 3] = target_attr[:, 3] = 1
target, misses = render(target_attr), []
for model in faces_of:
    z_a, z_b, z_c = (model.transform(render(attr)) for attr in (a_attr, b_attr, c_attr))
    results = model.decode(z_a), model.decode(z_a + z_b - z_c), model.decode(model.transform(target))
    misses.append([distance(x, target).mean() for x in results])
print("pixel distance to the true glyph, a with glasses")
for k, name in enumerate(("a unchanged", "a + (b - c)", "the target itself, encoded and decoded")):
    print("{:40s} {:.2f} ± {:.2f}".format(name, *(part[k] for part in mean_se(misses))))
for unchanged, arithmetic, itself in misses:
    assert arithmetic < 0.3 * unchanged and abs(arithmetic / itself - 1) < 0.06
cat, dog, pig = rng.standard_normal((3, 6))
catdog, pigcat = cat + (dog - pig), pig + (cat - dog)
assert np.allclose((catdog + pigcat) / 2, cat, rtol=0, atol=1e-12), "the mean of catdog and pigcat is the cat"

# %% [markdown] tags=["answer"]
# As near as the model decodes the true glyph itself, within a few per cent. Photographs are less kind. And D0's two sums are not symmetric: the
# dog and the pig appear once with each sign, so the mean of catdog and pigcat is the cat.

# %% [markdown]
# ## 8. Neighbours
#
# *Items: D1-11, D4-50, D4-51, D4-53, D4-54, D3-29.*
#
# The slides: similar inputs share similar codes (D1); the AE is a feature learner, the VAE is for data generation (D3).
#
# **A reader asks (D4):** if we take a random encoding and search its nearest neighbours, are they similar? "I don't see many similars though."
# **The question back:** a random image, or a random vector? **And:** training the VAE, and throwing away the decoder, "seems like just doing the
# PCA and knn". **The answer there:** with a good VAE the code should capture visual similarity, as 1 and 7 lying nearby show; try to tune the
# balance of the two terms. (E60: the address of a paper in that answer is cut off; we do not guess it.)
#
# All of this can be measured: the share of test images whose nearest training image, by distance in the code, has *another* label (by chance: 90 %).
# With all 1,438 labels, and with 100 (mean over 20 random choices of the 100). Networks are trained three times.
#
# **Predict first:** rank them: raw pixels, PCA, auto-encoder, VAE; K = 10 each.

# %% tags=["answer"]
autos = [AutoEncoder(64, 10, hidden=(128,), seed=s) for s in SEEDS]
for auto in autos:
    auto.fit(X_train, epochs=50, optimizer=Adam(0.004), decay=True, progress=False)
pca2, pca10 = (PCA(k).fit(X_train) for k in (2, 10))
coders = {
    "raw pixels": [lambda x: x],
    "PCA, K = 2": [pca2.transform],
    "VAE, K = 2": [vae.transform for vae in both],
    "PCA, K = 10": [pca10.transform],
    "auto-encoder, K = 10": [auto.encode for auto in autos],
}
coders["linear VAE, K = 10"] = [PPCA(10).fit(X_train).to_vae().transform]
coders |= {f"VAE, K = 10, beta = {beta:g}": [vae.transform for vae in tens[beta]] for beta in (0.1, 1.0, 4.0)}
choices = [np.random.default_rng(s).choice(N, 100, replace=False) for s in range(20)]
wrong_of, wrong_100 = {}, {}
for name, codings in coders.items():
    wrong_of[name], wrong_100[name] = np.zeros(len(codings)), np.zeros(len(codings))
    for s, code in enumerate(codings):
        d2 = squared_distances(code(X_test), code(X_train))
        wrong_of[name][s] = np.mean(y_train[d2.argmin(1)] != y_test)
        wrong_100[name][s] = np.mean([np.mean(y_train[c[d2[:, c].argmin(1)]] != y_test) for c in choices])
print("1-NN error on test images        all labels         100 labels")
for name in coders:
    both_counts = wrong_of[name], wrong_100[name]
    words = ["{:.1%} ± {:.1%}".format(*mean_se(v)) if len(v) > 1 else f"{v[0]:.1%}       " for v in both_counts]
    print(f"{name:26s} {words[0]:>21s} {words[1]:>18s}")
assert np.allclose(wrong_of["VAE, K = 2"], 1 - regions["both"]) and wrong_of["PCA, K = 2"][0] == one_nn_error(
    pca2.transform(X_train), y_train, pca2.transform(X_test), y_test
)
worse = wrong_of["VAE, K = 10, beta = 1"] - wrong_of["PCA, K = 10"]
assert worse.mean() > 4 * mean_se(worse)[1] and 0.015 < worse.min() and worse.max() < 0.07, (
    "a negative result for the VAE"
)
better = wrong_of["PCA, K = 2"] - wrong_of["VAE, K = 2"]
assert better.mean() > 3 * mean_se(better)[1] and better.max() < 0.15
assert abs(wrong_of["linear VAE, K = 10"][0] - wrong_of["PCA, K = 10"][0]) < 0.005
assert wrong_100["linear VAE, K = 10"][0] > wrong_100["PCA, K = 10"][0] + 0.01
assert all(wrong_of["raw pixels"][0] < v.min() for name, v in wrong_of.items() if name != "raw pixels")
assert wrong_of["VAE, K = 2"].max() < wrong_of["PCA, K = 2"][0]
assert wrong_of["VAE, K = 10, beta = 0.1"].max() + 0.005 < wrong_of["VAE, K = 10, beta = 1"].min() and np.all(
    wrong_of["VAE, K = 10, beta = 4"] > wrong_of["VAE, K = 10, beta = 1"]
)
assert np.all(wrong_of["auto-encoder, K = 10"] + 0.015 < wrong_of["VAE, K = 10, beta = 1"])

# %% tags=["answer"]
fig, ax = plt.subplots(figsize=(8, 5))
ranked = sorted(coders, key=lambda name: -wrong_of[name].mean())
for place, name in enumerate(ranked):
    v = 100 * wrong_of[name]
    error = mean_se(v)[1] if len(v) > 1 else 0
    ax.errorbar(v.mean(), place, xerr=error, fmt="s" if "VAE" in name else "o", color="black", ms=9, capsize=6)
ax.set_yticks(range(len(ranked)), [name.replace("VAE, K = 10, beta", "VAE, K = 10, β") for name in ranked])
ax.set(xlabel="1-NN error (%), all labels", xlim=(0, None))
ax.grid(axis="y", alpha=0.4)
ax.set_title("Raw pixels give the best neighbours")
plt.show()

# %% [markdown] tags=["answer"]
# **Is it just PCA + kNN (D4-53)?** No, but not in the sense that it is better. With K = 2 the curved code beats the plane of PCA where all labels are
# known; with 100 labels three trainings do not tell a difference. With K = 10 it is a **negative result**: the nearest neighbours by VAE code are
# worse than those by PCA, and raw pixels are the best of all. Nothing in the ELBO asks for neighbours of the same class. A linear VAE spans
# the PCA subspace, but scales its axes: with all labels its neighbours are as good as PCA's, with 100 labels they are not.
#
# **Does tuning the balance help (D4-54)?** The last three rows: yes. With beta = .1 the neighbours are as good as PCA's. It costs generation:
# a third of the images that are drawn from its prior are farther from the training set than any test image, where beta = 1 has none. So the codes for features and the codes for generation are not
# the same ones (D3-29): the auto-encoder's are better neighbours, the VAE's can be drawn from the prior.

# %% [markdown]
# The cost of a small beta, by the measure of section 3:

# %%
for beta in (0.1, 1.0):
    shares = [np.mean(to_nearest(vae.sample(500, rng=s, mean=True)) > to_test.max()) for s, vae in zip(SEEDS, tens[beta])]
    print(f"beta {beta}: drawn images farther from the training set than any test image {{:.0%}} ± {{:.0%}}".format(*mean_se(shares)))
    assert max(shares) < 0.01 if beta == 1 else min(shares) > 0.15

# %% [markdown]
# **Random image or random vector (D4-50, D4-51)?** That was the right question back. A vector drawn at random from the prior has neighbours,
# too. Some axes of the models with K = 10 are *dead*: the means hardly move there (a spread below .2 over the images).
#
# **Predict first:** is a random vector nearer to its nearest code than a random test image is, or farther? And on a model with three or four of its
# ten axes dead: for how many random vectors does the nearest code by all ten axes have the label of the nearest one by the live axes alone?

# %% tags=["answer"]
print("distance to the nearest training code:   of a random test image    of a random vector")
for name, trio in (("K = 2, both", both), ("K = 10, both", tens[1.0]), ("K = 10, beta = 0.1", tens[0.1])):
    rows = []
    for s, vae in zip(SEEDS, trio):
        codes = vae.transform(X_train)
        draws = np.random.default_rng(9 + s).standard_normal((500, vae.n_latent))
        image, vector = (np.sqrt(squared_distances(Z, codes).min(1)) for Z in (vae.transform(X_test), draws))
        rows.append([image.mean(), vector.mean()])
        if trio is tens[1.0]:
            assert np.mean(vector > image.max()) > 0.95, "farther than any image"
    print("{:44s} {:.2f} {:26.2f}".format(name, *mean_se(rows)[0]))
    assert np.all(np.array(rows)[:, 1] > 1.5 * np.array(rows)[:, 0]), "a random vector is farther"

rows = []
for s, vae in zip(SEEDS, tens[1.0]):
    codes = vae.transform(X_train)
    dead = codes.std(0) < 0.2
    draws = np.random.default_rng(9 + s).standard_normal((500, 10))
    all_ten, live = squared_distances(draws, codes), squared_distances(draws[:, ~dead], codes[:, ~dead])
    extra = (draws[:, dead] ** 2).sum(1)[:, None] - 2 * draws[:, dead] @ codes[:, dead].T + (codes[:, dead] ** 2).sum(1)
    assert np.allclose(all_ten, live + extra, rtol=0, atol=1e-4), "the four parts of the squared distance"
    nearest, nearest_live, any_code = all_ten.argmin(1), live.argmin(1), np.random.default_rng(s).integers(0, N, 500)
    on_live = [np.sqrt(live[np.arange(500), which]).mean() for which in (nearest_live, nearest, any_code)]
    kept = [np.mean(y_train[which] == y_train[nearest_live]) for which in (nearest, any_code)]
    rows.append([dead.sum(), *kept, *on_live])
m, e = mean_se(rows)
print(f"K = 10, both: dead axes {', '.join(str(int(r[0])) for r in rows)}")
print(
    f"the nearest code keeps the label of the nearest by live axes for {m[1]:.0%} ± {e[1]:.0%} of random vectors",
    end=" ",
)
print(f"(a random code: {m[2]:.0%})")
print(
    "distance on the live axes: of the nearest by them {:.2f}, of the nearest by all ten {:.2f},".format(*m[3:5]),
    end=" ",
)
print(f"of a random code {m[5]:.2f}")
rows = np.array(rows)
assert rows[:, 0].min() >= 3
assert np.all(rows[:, 1] > 4 * rows[:, 2]), "the neighbours of a random vector are not decided by noise"
assert np.all(rows[:, 4] < rows[:, 3] + 0.25 * (rows[:, 5] - rows[:, 3]))

# %% [markdown] tags=["answer"]
# In ten dimensions a random vector is far from every code, in part along the dead axes, where it is as wide as on the others. But *which* code is
# nearest is decided by the live axes in the main. With live axes $l$ and dead axes $d$,
# $$|z-\mu_n|^2 = |z_l-\mu_{n,l}|^2 + |z_d|^2 - 2\,z_d\cdot\mu_{n,d} + |\mu_{n,d}|^2 .$$
# The second part is the same for all $n$: it lengthens every distance and changes no order. Only the last two, as small as $\mu_{n,d}$, can. Four
# times in five the label is kept, against one in ten by chance, and the distance on the live axes is little longer than the shortest possible. So the
# neighbours of a random vector mean something; they are only far away: in the model with K = 10, more than 95 in 100 are farther from every code than
# any test image is.

# %% [markdown]
# **1 and 7 (D4-54).** The answer's example of similar digits that lie nearby.
#
# **Predict first:** among the 45 pairs of digits, where do 1 and 7 stand on these images, counted by how often one is taken for the other?

# %% tags=["answer"]
confused = np.zeros((10, 10), int)
for vae in both:
    taken_for = y_train[squared_distances(vae.transform(X_test), vae.transform(X_train)).argmin(1)]
    np.add.at(confused, (y_test[taken_for != y_test], taken_for[taken_for != y_test]), 1)
assert confused.sum() == round(sum(wrong_of["VAE, K = 2"]) * len(X_test)) and np.all(np.diag(confused) == 0)
symmetric = confused + confused.T
ranked = sorted(((int(symmetric[a, b]), b, a) for a in range(10) for b in range(a)), reverse=True)
assert len(ranked) == 45 and sum(n for n, *_ in ranked) == confused.sum()
print(
    "K = 2, three trainings, digits most often taken for each other:",
    ", ".join(f"{a} and {b} ({n})" for n, a, b in ranked[:4]),
)
place = 1 + sum(n > symmetric[1, 7] for n, *_ in ranked)
print(f"1 and 7: {symmetric[1, 7]}, place {place} of 45; the mean of all pairs is {confused.sum() / 45:.0f}")
assert symmetric[1, 7] > confused.sum() / 45 and symmetric[1, 7] < 0.6 * ranked[0][0], "other pairs are taken for each other far more often"
similar = []
upper_half = np.triu_indices(len(X_test), 1)
for vae in both:
    pixels_apart, codes_apart = (np.sqrt(squared_distances(Z, Z)[upper_half]) for Z in (X_test, vae.transform(X_test)))
    similar.append(np.corrcoef(pixels_apart, codes_apart)[0, 1])
print(
    "correlation of pixel distance and code distance, over pairs of test images: {:.2f} ± {:.2f}".format(
        *mean_se(similar)
    )
)
assert min(similar) > 0.4

# %% [markdown] tags=["answer"]
# They are taken for each other more often than the average pair; others are far ahead of them. Similar inputs do share similar codes (D1-11), to
# the degree that the correlation states.

# %% [markdown]
# ## 9. Do overlapping posteriors mix neighbours?
#
# *Items: D4-52.*
#
# **A reader asks (D4):** many neighbours belong to other classes; could that be the KL, which keeps the clusters overlapping so that the decoder can
# interpolate? **The answer there:** the hypothesis makes sense.
#
# It is testable. The overlap of two Gaussians is measured by the Bhattacharyya coefficient $\int\!\sqrt{q_a\,q_b}\,dz$, 1 for equal Gaussians
# and 0 for separate ones. Per dimension, $\sqrt{q_a q_b}$ is $(2\pi\sigma_a\sigma_b)^{-1/2}$ times $e^{-g/4}$ with
# $$g(z) = \frac{(z-\mu_a)^2}{\sigma_a^2}+\frac{(z-\mu_b)^2}{\sigma_b^2}
# = \frac{\sigma_a^2+\sigma_b^2}{\sigma_a^2\sigma_b^2}\,(z-m)^2 + \frac{(\mu_a-\mu_b)^2}{\sigma_a^2+\sigma_b^2}$$
# (complete the square; $m$ is a point between the means). The Gaussian integral of the first part is
# $\sqrt{4\pi\,\sigma_a^2\sigma_b^2/(\sigma_a^2+\sigma_b^2)}$, so
# $$\int\!\sqrt{q_a\,q_b}\,dz = \sqrt{\frac{2\sigma_a\sigma_b}{\sigma_a^2+\sigma_b^2}}
# \ \exp\!\Big(\!-\frac{(\mu_a-\mu_b)^2}{4(\sigma_a^2+\sigma_b^2)}\Big).$$
# There are two separate things in the hypothesis: (i) the KL raises the overlap, and with it the error; (ii) within one model, an image whose
# neighbour is wrong overlaps more with *other* classes. For (ii), take one image with a wrong neighbour and one with a right one: how often has
# the first the larger overlap with other classes? By chance in half of the cases.
#
# **Predict first:** which of the two do you expect to hold?


# %% tags=["answer"]
def log_overlap(a, b):
    """ln of the Bhattacharyya coefficients of two sets of Gaussians (mu, log_sigma), shape (len(a), len(b))."""
    (mu_a, log_a), (mu_b, log_b) = a, b
    out = np.zeros((len(mu_a), len(mu_b)))
    for k in range(mu_a.shape[1]):
        var = np.exp(2.0 * log_a[:, k])[:, None] + np.exp(2.0 * log_b[:, k])
        out += 0.5 * (np.log(2) + log_a[:, k][:, None] + log_b[:, k] - np.log(var)) - (
            mu_a[:, k][:, None] - mu_b[:, k]
        ) ** 2 / (4 * var)
    return out


line, two = np.linspace(-12, 12, 20_001), [(0.7, 0.4), (-0.5, 1.3)]
density = [np.exp(-0.5 * ((line - c) / w) ** 2) / (w * np.sqrt(2 * pi)) for c, w in two]
by_sum = np.sqrt(density[0] * density[1]).sum() * (line[1] - line[0])
as_arrays = [(np.array([[c, c]]), np.log(np.array([[w, w]]))) for c, w in two]
assert abs(np.exp(log_overlap(*as_arrays)[0, 0]) - by_sum**2) < 1e-9, "two equal dimensions, by a sum over a line"


def first_larger(a, b):
    """How often a member of a is larger than one of b (ties count half)."""
    return np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b))


assert first_larger(np.array([1, 3]), np.array([2, 1])) == 0.625
other = y_test[:, None] != y_train
mixed = {}
print("K = 10      error           error of a draw    mean overlap       wrong neighbours: larger     mean KL")
print("                            z ~ q              with others        overlap (chance .50)         (nats)")
for beta in (0.1, 1.0, 4.0):
    rows = []
    for s, vae in zip(SEEDS, tens[beta]):
        q_test, q_train = vae.encode(X_test), vae.encode(X_train)
        bad = y_train[squared_distances(q_test[0], q_train[0]).argmin(1)] != y_test
        z = q_test[0] + np.exp(q_test[1]) * np.random.default_rng(s).standard_normal(q_test[0].shape)
        with_others = (np.exp(log_overlap(q_test, q_train)) * other).sum(1) / other.sum(1)
        of_draw = one_nn_error(q_train[0], y_train, z, y_test)
        larger = first_larger(with_others[bad], with_others[~bad])
        rows.append([bad.mean(), of_draw, with_others.mean(), larger, kl_forward(*q_test)[0].mean()])
    mixed[beta], (m, e) = np.array(rows), mean_se(rows)
    print(f"beta {beta:3g}   {m[0]:.1%} ± {e[0]:.1%}     {m[1]:.1%} ± {e[1]:.1%}    {m[2]:.2g} ± {e[2]:.1g}", end="")
    print(f"        {m[3]:.2f} ± {e[3]:.2f}               {m[4]:7.1f}")
low, mid, high = (mixed[beta] for beta in (0.1, 1.0, 4.0))
assert (
    np.all(low[:, 2] < 1e-3)
    and np.all((0.01 < mid[:, 2]) & (mid[:, 2] < 0.5))
    and np.all((0.5 < high[:, 2]) & (high[:, 2] <= 1))
)
assert np.all(low[:, 0] < mid[:, 0]) and np.all(mid[:, 0] < high[:, 0]) and np.all(mid[:, 1] > mid[:, 0] + 0.1)
assert np.all(mid[:, 3] > 0.6) and np.all(low[:, 3] > 0.6) and high[:, 3].mean() > 0.55
live_axes = [int((vae.transform(X_train).std(0) > 0.4).sum()) for vae in tens[1.0]]
pca_live = [
    one_nn_error(PCA(k).fit(X_train).transform(X_train), y_train, PCA(k).fit(X_train).transform(X_test), y_test)
    for k in live_axes
]
print(f"control: PCA with as many axes as beta = 1 keeps alive ({live_axes}): error {np.mean(pca_live):.3f}")
assert np.all(mid[:, 0] < pca_live), "fewer live axes would explain all of it"

# %% [markdown] tags=["answer"]
# Both hold, as associations. The overlap with other classes and the error rise together with beta, and the images with wrong neighbours are
# those that overlap more with other classes. (At beta = 4 the models have collapsed. Their means differ by very little, and distances between
# means do not notice the scale; a draw $z\sim q$ does, and its neighbours are near chance, 90 %.)
#
# But the control says that overlap need not be the *cause*: beta also switches off axes, and PCA with as few axes makes even more errors. The
# lost axes alone could account for the errors.

# %% [markdown]
# ## 10. Questions of other readers
#
# *Items: D4-39, D4-43, D4-49.*
#
# **A reader asks for the code of the images (D4-39).** It is in this notebook: the three maps in section 1 (`digits_map`),
# the Gaussians of a few samples in section 2, the grid in section 4 (`manifold_grid`).
#
# **Another asks (D4-43), in our words:** does p(z) represent classes of normal distributions, mountains, lakes, clouds, with coefficients 0.3, 0.5,
# 0.2? Or several Gaussian peaks, one for each x, confined in N(0, 1)? Neither is $p(z)$: it is one Gaussian, chosen before the training, with nothing to fit.
# The second picture is the aggregate posterior $q(z)=\frac1N\sum_n q(z|x_n)$, a mixture with one component for each *datum*. The first arises
# from it when labels, unknown to the model, sort the data: $q(z)=\sum_c \pi_c\,q(z|c)$, where $\pi_c$ is the share of class $c$. Both are exact
# regroupings of one sum, and all of it should come to look like $p(z)$.
#
# **Predict first:** approximate each class by one Gaussian. Which describes new codes $z$ better, $\mathcal{N}(0,I)$ or this mixture of ten? By
# how many nats?


# %% tags=["answer"]
def gaussian_density(z, centre, covariance):
    r = z - centre
    square = np.einsum("ni,ij,nj->n", r, np.linalg.inv(covariance), r)
    return np.exp(-0.5 * square) / np.sqrt(np.linalg.det(2 * pi * covariance))


assert np.allclose(gaussian_density(grid, np.zeros(2), np.eye(2)), np.exp(log_prior))
assert abs(gaussian_density(grid, np.array([0.5, -0.3]), np.array([[0.4, 0.2], [0.2, 0.3]])).sum() * cell - 1) < 1e-4
shares = np.array([np.mean(y_train == c) for c in range(10)])
gains = []
for s, vae in zip(SEEDS, both):
    draw = np.random.default_rng(s)
    (mu, log_sigma), (mu_new, log_sigma_new) = vae.encode(X_train), vae.encode(X_test)
    z_old = (mu + np.exp(log_sigma) * draw.standard_normal(mu.shape)).astype(float)
    z_new = (mu_new + np.exp(log_sigma_new) * draw.standard_normal(mu_new.shape)).astype(float)
    by_datum = np.exp(log_q_given_n(z_new, mu, log_sigma))
    by_class = np.stack([by_datum[:, y_train == c].mean(1) for c in range(10)])
    assert np.allclose(shares @ by_class, by_datum.mean(1), rtol=1e-9, atol=0), "by class or by datum: the same sum"
    fits = [gaussian_density(z_new, z_old[y_train == c].mean(0), np.cov(z_old[y_train == c].T)) for c in range(10)]
    gains.append((np.log(shares @ np.array(fits)) - log_prior_density(z_new)).mean())
print("shares of the classes:", shares.round(2))
print("ten class Gaussians less N(0, I), mean ln density of new codes: {:+.2f} ± {:.2f} nats".format(*mean_se(gains)))
assert abs(shares.sum() - 1) < 1e-12 and 0 < np.mean(gains) and max(gains) < 0.4, (
    "ten Gaussians together look nearly like one"
)

# %% [markdown] tags=["answer"]
# The mixture of ten is better, by a twentieth of a nat: in sum the classes nearly fill the prior, while each class has its own region.

# %% [markdown]
# **And (D4-49):** what are the "human-interpretable concepts" in an actual program? There is no variable with that name. To see this, exchange
# two latent dimensions: the encoder's columns and the decoder's rows. If a dimension had a meaning in the program, something would have to change.
#
# **Predict first:** by how much does the loss change, with the columns of the noise exchanged, too? And if only the encoder's columns are exchanged?

# %% tags=["answer"]
renamed, half_done, order = faces.copy("float64"), faces.copy("float64"), np.array([3, 1, 2, 0, 5, 4])
original = faces.copy("float64")
for model in (renamed, half_done):
    w = model.params
    w["encoder.head.W"][...] = w["encoder.head.W"][:, np.r_[order, 6 + order]]
    w["encoder.head.b"][...] = w["encoder.head.b"][np.r_[order, 6 + order]]
renamed.params["decoder.0.W"][...] = renamed.params["decoder.0.W"][order]
eps = rng.standard_normal((len(G_test), 6))
loss, loss_renamed, loss_half = (
    m.loss_and_grad(G_test, e)[0] for m, e in ((original, eps), (renamed, eps[:, order]), (half_done, eps[:, order]))
)
print(f"change of the loss: both exchanged, below 1e-9 nats: {abs(loss_renamed - loss) < 1e-9};", end=" ")
print(f"the encoder alone {loss_half - loss:.0f} nats")
assert abs(loss_renamed - loss) < 1e-9 and loss_half > loss + 1
assert np.allclose(renamed.transform(G_test), original.transform(G_test)[:, order])

# %% [markdown] tags=["answer"]
# Nothing changes as long as encoder and decoder agree on the order, so training cannot prefer one naming to another. Concepts enter afterwards,
# with labels (section 7), or with a model that has them as variables.

# %% [markdown]
# ## Summary
#
# - Reconstruction only: the scale of the codes is free ($c\,\mu$ with $W/c$ decodes the same), $\sigma\to0$, KL above 100 nats. KL only: $\mu=0$,
#   $\sigma=1$, and the decoder's gradient is exactly 0. By the sum of the two
#   terms only the model that was trained on both beats one constant image.
# - mean KL $= I(n;z)+\mathrm{KL}(q(z)\,\|\,p(z))$, with $I\le\ln N$. Holes are places with $q(z)\ll p(z)$, of the *aggregate* posterior.
# - A share in holes measures widths unless all arrangements are compared at one resolution, with a draw from the prior beside them.
# - Grid of equal probability: $z_i=\Phi^{-1}((i-\frac12)/n)$.
# - Density is not mass: a midpoint of two prior draws has $|z|^2\approx K/2$; 11 % of the prior's mass lies nearer to 0 for K = 10, .1 % for K = 50.
# - Attribute vector: $v=\langle\mu\rangle_\text{with}-\langle\mu\rangle_\text{without}$, found after the training; exact if codes are affine in
#   independent attributes.
# - Axes carry no names: exchange two of them in encoder and decoder, and the loss stays the same.
# - Neighbours (1-NN error, all labels): raw pixels .8 %, PCA and auto-encoder with K = 10 about 2 %, VAE about 5 %. The VAE's codes are for
#   drawing from.
# - Dead axes lengthen all distances of a random vector by the same amount: which code is nearest is decided by the live ones in the main.
# - Overlap and error rise together with beta; the lost axes alone could explain the error.
#
# ## References
#
# *References: kingma2014; hoffman2016 (split of the KL); higgins2017 (the weight beta); white2016 (paths); arvanitidis2018 (curved paths); locatello2019 (axes).*

# %% [markdown]
# ## Exercises
#
# The coordinates of section 4 for a prior whose CDF has no inverse in closed form; and attribute vectors without side effects, where attributes are
# correlated.
#
# *Tasks: manifold_grid; attribute_directions.*
