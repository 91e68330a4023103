# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 03 Regularised auto-encoders
#
# An auto-encoder with enough units copies its input. This notebook treats what the lectures set against that: a narrow code, noise on the
# input, a penalty on the code, a penalty on the encoder's slope. It says of each what it does to the function that is learned, exactly where
# that can be said, and what it does not forbid.
#
# Afterwards you can say what function a denoising auto-encoder learns and prove it, derive the gradients of the sparse and contractive
# penalties, show how two of the penalties are met without sparsity, and say how much of a contraction is scale.
#
# *Notation: data; latent; encoder; decoder; reconstruction; corrupted input; latent dimension; gradient of the loss by v.*
#
# In formulas the encoder is f, the decoder g, both together r(x) = g(f(x)), the code h, and y the corrupted input; s is the standard deviation
# of the noise on the input, $\langle h_j\rangle$ a mean over the batch.
#
# *A correction to D3 (E41):* the notes write x̃ for a reconstruction and, four lines later, for a corrupted input. Here they are `x_hat` and
# `x_noisy`.

# %%
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    check,
    check_model,
    dropout_backward,
    dropout_forward,
    load_digits,
    synthetic,
    train_test_split,
)
from tinyvae.companion import show
from tinyvae.estimators import standard_error
from tinyvae.exact import PCA
from tinyvae.layers import sigmoid_forward
from tinyvae.optim import Adam
from tinyvae.plots import image_grid, use_style
from tinyvae.plots.diagrams import graph
from tinyvae.zoo.autoencoders import (
    AutoEncoder,
    contractive_backward,
    contractive_forward,
    l1_backward,
    l1_forward,
    sparsity_backward,
    sparsity_forward,
    squared_error_forward,
)

use_style()
rng = np.random.default_rng(0)

X, y = load_digits()
X = X.astype(np.float64)
X_train, X_test, y_train, y_test = train_test_split(X, y)
NOISE = 0.5
X_noisy = X_test + NOISE * rng.standard_normal(X_test.shape)


def errors_of(x_hat, x):
    """The squared error of each datum, summed over pixels, shape (N,)."""
    return squared_error_forward(x_hat, x)[0]


def reconstruct(model, x):
    """r(x) = decode(encode(x))"""
    return model.decode(model.encode(x))


def three(n_latent, epochs, lr, dtype="float32", **options):
    """Three auto-encoders of the digits that differ in their seed: start, batches and noise."""
    models = [AutoEncoder(64, n_latent, seed=seed, dtype=dtype, **options) for seed in range(3)]
    for seed, model in enumerate(models):
        model.fit(X_train, epochs=epochs, optimizer=Adam(lr), decay=True, progress=False, seed=seed)
    return models


def over_seeds(values):
    """Mean and standard error over seeds."""
    return np.mean(values), standard_error(values)


def written(values, digits=3):
    """'mean ± standard error' over seeds."""
    return "{:.{d}f} ± {:.{d}f}".format(*over_seeds(values), d=digits)


def paired(errors, others):
    """Mean of the difference over the data, and its standard error."""
    difference = errors - others
    return difference.mean(), standard_error(difference)


# %% [markdown]
# ## 1. Four ways not to copy
#
# *Items: D4-1, D1-8.*
#
# *Short path.*
#
# The slides: there are undercomplete, sparse, denoising and contractive auto-encoders (D4); regularised auto-encoders bring knowledge from
# beforehand into the codes (D1): little information lost, similar inputs share similar codes, and, as a generative model, examples from codes
# never seen.
#
# Each of the four changes one thing in $\min \mathbb E\lVert g(f(x))-x\rVert^2$:
#
# | auto-encoder | what changes | what the code cannot do |
# |---|---|---|
# | undercomplete | K < D | keep everything |
# | denoising | f sees x + noise, the target stays x | pass the input through |
# | sparse | + weight · penalty on h | use all units for each datum |
# | contractive | + weight · the squared slope of f | follow every change of x |

# %%
nodes = {
    "x": (0, 0, "$x$", "observed"), "e": (1.6, 1.6, r"$s\,\varepsilon$", "noise"), "y": (1.6, 0, "$y$", "value"),
    "f": (3.3, 0, "$f$", "operation"), "h": (5.0, 0, "$h$", "value"), "g": (6.7, 0, "$g$", "operation"),
    "x_hat": (8.3, 0, r"$\hat{x}$", "value"), "loss": (10, 0, "loss", "operation"), "target": (10, 1.6, "$x$", "observed"),
}  # fmt: skip
arrows = [
    ("x", "y"),
    ("e", "y"),
    ("y", "f"),
    ("f", "h"),
    ("h", "g"),
    ("g", "x_hat"),
    ("x_hat", "loss"),
    ("target", "loss"),
]
ax = graph(nodes, arrows, ax=plt.subplots(figsize=(9.5, 4.2))[1])
for x_at, y_at, text in (
    (1.6, 2.3, "denoising"), (3.3, 0.9, "contractive:\nslope of f"), (5.0, -0.75, "sparse: penalty on h"),
    (5.0, -1.3, "undercomplete: few units"), (8.4, 1.6, "the clean x"),
):  # fmt: skip
    ax.text(x_at, y_at, text, ha="center", va="center", fontsize=17)
ax.set(ylim=(-1.7, 2.7), title="Where each of the four acts")
plt.show()

# %% [markdown]
# The first is treated in 02. To see why the others are needed, take an overcomplete linear network, 64-100-64, once trained plainly and once
# with noise on its input; every network on the digits or the ring is trained from three seeds, and ± is the
# standard error over them. The same noisy digits go through both.
#
# **Predict first:** the noise alone has the error 64 · 0.5² = 16. What error does the plain network leave? And the denoising one?

# %% tags=["answer"]
plain, denoising = three(100, 30, 0.01), three(100, 30, 0.01, noise=NOISE)
untouched = errors_of(X_noisy, X_test).mean()
mean_image = errors_of(X_train.mean(0), X_test).mean()
clean_error, noisy_error = {}, {}
print(f"error of the noisy digits themselves {untouched:.2f}; of the mean image, whatever the input, {mean_image:.2f}")
print("                 clean input         noisy input")
for name, models in (("plain", plain), ("denoising", denoising)):
    clean_error[name] = [errors_of(reconstruct(model, X_test), X_test).mean() for model in models]
    noisy_error[name] = [errors_of(reconstruct(model, X_noisy), X_test).mean() for model in models]
    print(f"{name:<16} {written(clean_error[name])}    {written(noisy_error[name])}")
assert abs(untouched / (64 * NOISE**2) - 1) < 4 * np.sqrt(2 / X_noisy.size)  # a mean of squared Gaussians
assert max(clean_error["plain"]) < 0.05 and min(noisy_error["plain"]) > 0.9 * untouched
assert min(clean_error["denoising"]) > 20 * max(clean_error["plain"])
assert abs(np.mean(noisy_error["plain"]) - 15) < 0.3 and abs(np.mean(noisy_error["denoising"]) - 2.35) < 0.1
assert max(noisy_error["denoising"]) < 0.2 * untouched and max(noisy_error["denoising"]) < 0.6 * mean_image

# %% [markdown] tags=["answer"]
# The plain network is nearly perfect on clean digits and leaves 15 of the 16 (two thirds of the rest lie on the three pixels without ink, which it need not copy): it has
# learnt $r(x)=x$ and copies the noise too; one and the
# same mean image for every input would have been better. The denoising network leaves 2.3, and pays on clean digits. The measure "clean
# reconstruction error" alone would choose the wrong one.

# %% [markdown]
# ## 2. The denoising auto-encoder: the best denoiser, and the score
#
# *Items: D3-7.*
#
# *Short path.*
#
# The notes: $x\to\text{noise}\to\tilde x\to\dots\to\hat x$. With y for the corrupted input the loss is $\mathbb E\lVert r(y)-x\rVert^2$,
# $y=x+s\epsilon$, $\epsilon\sim\mathcal N(0,I)$.
#
# **Which function is best?** Let $m(y)=\mathbb E[x\mid y]$. Then $\mathbb E[m(y)-x\mid y]=0$, the cross term vanishes, and
# $$ \mathbb E\lVert r(y)-x\rVert^2=\mathbb E\lVert r(y)-m(y)\rVert^2+\mathbb E\lVert m(y)-x\rVert^2 . $$
# So the best r is $m(y)=\mathbb E[x\mid y]$: the mean of all clean data that could have become y.
#
# **What is that mean?** The noisy data have the density $p_s(y)=\int p(x)\,\mathcal N(y;x,s^2I)\,dx$. Differentiate under the integral, with
# $\nabla_y\mathcal N(y;x,s^2I)=\frac{x-y}{s^2}\mathcal N(y;x,s^2I)$:
# $$ \nabla p_s(y)=\int p(x)\,\tfrac{x-y}{s^2}\,\mathcal N(y;x,s^2I)\,dx
#    =\frac{p_s(y)}{s^2}\int (x-y)\,p(x\mid y)\,dx=\frac{p_s(y)}{s^2}\big(\mathbb E[x\mid y]-y\big). $$
# Divide by $p_s(y)$:
# $$ \boxed{\;\mathbb E[x\mid y]=y+s^2\,\nabla\ln p_s(y)\;} $$
# (Tweedie's formula). The best denoiser steps uphill on the log-density of the noisy data: $r(y)-y$ is the *score* times $s^2$.
# The network sees no density, and learns its slope.
#
# The check on the digits: let p be the 1438 training images with equal weights. Then $p_s$ is a mixture of as many Gaussians, and the mean of x
# given y is a weighted mean of images; the right side is computed separately, from central differences of $\ln p_s$.

# %%


def log_ps(y, centres, s):
    """ln p_s(y) for rows y, where p puts equal weight on the centres (nats)."""
    squares = ((y[:, None] - centres[None]) ** 2).sum(-1)
    a = -0.5 * squares / s**2
    top = a.max(1, keepdims=True)
    return (top[:, 0] + np.log(np.exp(a - top).mean(1))) - centres.shape[1] / 2 * np.log(2 * np.pi * s**2)


def posterior_mean(y, centres, s):
    """E[x|y] = sum_i w_i x_i with weights w_i proportional to N(y; x_i, s^2 I)."""
    a = (y @ centres.T - 0.5 * (centres**2).sum(1)) / s**2  # the term |y|^2 is the same for all i
    w = np.exp(a - a.max(1, keepdims=True))
    return w / w.sum(1, keepdims=True) @ centres


line = np.linspace(-6, 8, 2001)[:, None]  # in one dimension the density can be summed
assert abs(np.exp(log_ps(line, np.array([[0.0], [1.5]]), 0.7)).sum() * (line[1, 0] - line[0, 0]) - 1) < 1e-9

noisy = X_noisy[0]
step = 1e-4 * np.eye(64)
score = (log_ps(noisy + step, X_train, NOISE) - log_ps(noisy - step, X_train, NOISE)) / 2e-4
left, right = posterior_mean(noisy[None], X_train, NOISE)[0], noisy + NOISE**2 * score
assert np.abs(left - right).max() < 1e-6
print(f"E[x|y] and y + s^2 score agree to 1e-6 in all 64 pixels; length of the step {np.linalg.norm(left - noisy):.3f}")

# %% [markdown]
# **Does a trained network find it?** On a ring in the plane, networks 2-64-64-64-2 are trained on noisy points only. Their step $r(y)-y$ is
# compared with $s^2\nabla\ln p_s$, and their error with that of the best *linear* denoiser, which on a ring can only pull towards the middle.
#
# **Predict first:** of the squared error that the noise makes, how much can the best denoiser of the ring take away: a tenth, a half, nine
# tenths? And the linear one?

# %% tags=["answer"]
s = 0.3
ring = synthetic("ring", 1000, seed=0)
probes = np.tile(ring, (5, 1))
probes = probes + s * rng.standard_normal(probes.shape)
clean_probes = np.tile(ring, (5, 1))
best_step = posterior_mean(probes, ring, s) - probes
ring_networks = [AutoEncoder(2, 64, hidden=(64,), noise=s, seed=seed) for seed in range(3)]
relative, network_errors = [], []
for seed, model in enumerate(ring_networks):
    model.fit(ring, epochs=80, batch_size=100, optimizer=Adam(0.01), decay=True, progress=False, seed=seed)
    learned_step = reconstruct(model, probes) - probes
    relative.append(np.linalg.norm(learned_step - best_step) / np.linalg.norm(best_step))
    network_errors.append(errors_of(probes + learned_step, clean_probes).mean())
spread = np.cov(ring.T, bias=True)
pull = (probes - ring.mean(0)) @ np.linalg.solve(spread + s**2 * np.eye(2), spread) + ring.mean(0)
nothing, linear, exact = (errors_of(given, clean_probes).mean() for given in (probes, pull, probes + best_step))
linear_relative = np.linalg.norm(pull - probes - best_step) / np.linalg.norm(best_step)
print(f"denoising error: nothing {nothing:.4f}, linear {linear:.4f}, exact {exact:.4f}")
print(f"    three networks {written(network_errors, 4)}")
print(f"taken away: linear {1 - linear / nothing:.2f}, exact {1 - exact / nothing:.2f}")
print(
    f"relative difference to the exact step: networks {written(relative, 2)}, linear {linear_relative:.2f}, no step 1"
)
assert abs(nothing / (2 * s**2) - 1) < 4 * np.sqrt(2 / probes.size) and 0.35 < 1 - exact / nothing < 0.5
assert abs(1 - linear / nothing - 0.15) < 0.03  # the ring's variance is near 1/2 in each direction
assert exact < min(network_errors) and max(network_errors) < exact + 0.2 * (linear - exact)
assert max(relative) < min(0.2, 0.5 * linear_relative) and max(network_errors) < 1.03 * exact

# %% [markdown] tags=["answer"]
# A little under a half, 0.43: the noise across the ring can be seen and taken away, the noise along it cannot. The linear denoiser takes away
# about 0.15. The networks come within two per cent of the exact error, with a step within 13 per
# cent of the exact one.

# %%
grid = np.stack(np.meshgrid(np.linspace(-1.6, 1.6, 11), np.linspace(-1.6, 1.6, 11)), -1).reshape(-1, 2)
exact_arrows, network_arrows = posterior_mean(grid, ring, s) - grid, reconstruct(ring_networks[0], grid) - grid
ax = plt.subplots(figsize=(7, 6.6))[1]
ax.plot(*ring[:400].T, "o", ms=4, color="0.8")
arrow = {"angles": "xy", "scale_units": "xy", "scale": 1 / 0.6}
ax.quiver(*grid.T, *exact_arrows.T, width=0.013, color="#56B4E9", label="exact: s² ∇ ln p", **arrow)
ax.quiver(*grid.T, *network_arrows.T, width=0.004, color="black", label="network: r(y) − y", **arrow)
ax.set(
    xlabel="y1",
    ylabel="y2",
    title="The network's step follows the score",
    aspect="equal",
    xlim=(-2, 2),
    ylim=(-1.9, 2.3),
)
ax.legend(loc="upper center", ncols=2, fontsize=15, handlelength=1, columnspacing=1, borderaxespad=0)
plt.show()
assert np.linalg.norm(posterior_mean(np.zeros((1, 2)), ring, s)) < 0.05  # by symmetry no arrow at the centre
assert (np.sign((exact_arrows * grid).sum(1)) == np.sign(1 - np.hypot(*grid.T)))[
    np.abs(np.hypot(*grid.T) - 1) > 0.3
].mean() > 0.95

# %% [markdown]
# (The arrows are drawn at 0.6 of their length.) Inside the ring they point outwards, outside inwards, and at the centre there is none: all
# directions are equally good.
#
# **The linear case, exactly.** Let x be centred with covariance Σ and r(y) = Ry. The noise is independent of x, so
# $\mathbb E[yy^\top]=\Sigma+s^2I$ and $\mathbb E[xy^\top]=\Sigma$. Setting the gradient of $\mathbb E\lVert Ry-x\rVert^2$ by R to zero,
# $$ 2R(\Sigma+s^2I)-2\Sigma=0\quad\Longrightarrow\quad R=\Sigma(\Sigma+s^2I)^{-1}, $$
# the Wiener filter; the error is convex in R, so this is the minimum. It is Tweedie's formula for a Gaussian:
# $\nabla\ln p_s(y)=-(\Sigma+s^2I)^{-1}y$, and
# $y-s^2(\Sigma+s^2I)^{-1}y=\big((\Sigma+s^2I)-s^2I\big)(\Sigma+s^2I)^{-1}y=\Sigma(\Sigma+s^2I)^{-1}y$.
# Along an eigenvector of Σ the factor is $\lambda/(\lambda+s^2)$: PCA cuts hard after K directions, denoising fades the weak ones out.
#
# To check the trained weights to many digits, random noise is too rough. In its place stand the $2D$ points $\pm s\sqrt D\,e_i$ around each
# datum: their covariance is exactly $s^2I$, and a linear network sees nothing else of the noise. D codes would do for R; the network has 4D,
# because with few codes some starting weights lead past a saddle (02), and training lingers there.

# %%
D, s = 4, 0.6
x = rng.standard_normal((300, D)) @ rng.standard_normal((D, D))
x -= x.mean(0)
Sigma = x.T @ x / len(x)
cross = s * np.sqrt(D) * np.concatenate([np.eye(D), -np.eye(D)])
assert np.abs(cross.T @ cross / len(cross) - s**2 * np.eye(D)).max() < 1e-12 and np.abs(cross.sum(0)).max() < 1e-12
clean, noise = np.repeat(x, 2 * D, axis=0), np.tile(cross, (len(x), 1))  # every datum with every point
model, adam = AutoEncoder(D, 4 * D), Adam(0.02)
for i in range(1000):
    adam.lr = 0.02 * (1 - i / 1000)
    _, gradient = model.loss_and_grad(clean, noise)
    adam.step(model.theta, gradient)
wiener = Sigma @ np.linalg.inv(Sigma + s**2 * np.eye(D))
learned = (model.params["encoder.code.W"] @ model.params["decoder.out.W"]).T  # rows of data: the transpose
tweedie = np.eye(D) - s**2 * np.linalg.inv(Sigma + s**2 * np.eye(D))
values, vectors = np.linalg.eigh(Sigma)
assert np.abs(wiener - tweedie).max() < 1e-14
assert np.abs(vectors.T @ wiener @ vectors - np.diag(values / (values + s**2))).max() < 1e-12
assert np.abs(learned - wiener).max() < 1e-10
print("Wiener, Tweedie and the trained weights agree to 1e-10")
print("factors lambda / (lambda + s^2):", (values / (values + s**2))[::-1].round(3))

# %% [markdown]
# On the digits: the linear networks of section 1 against the Wiener filter of the training set, the exact mixture formula, and networks with
# hidden layers, 64-128-20-128-64 with tanh.
#
# **Predict first:** the mixture formula is exact for the training images. Will it be the best on held-out digits?

# %% tags=["answer"]
mean, covariance = X_train.mean(0), np.cov(X_train.T, bias=True)
filtered = (X_noisy - mean) @ np.linalg.solve(covariance + NOISE**2 * np.eye(64), covariance) + mean
deep = three(20, 100, 0.005, hidden=(128,), noise=NOISE)
formula = posterior_mean(X_noisy, X_train, NOISE)
by_network = np.array([errors_of(reconstruct(model, X_noisy), X_test) for model in deep])  # (seeds, data)
wiener_errors, formula_errors, deep_errors = errors_of(filtered, X_test), errors_of(formula, X_test), by_network.mean(0)
results = {
    "nothing": untouched,
    "mean image": mean_image,
    "Wiener filter": wiener_errors.mean(),
    "linear networks": np.mean(noisy_error["denoising"]),
    "deep networks": deep_errors.mean(),
    "mixture formula": formula_errors.mean(),
}
for name, error in results.items():
    print(f"{name:<16} held-out denoising error {error:6.2f}")
gain_deep, gain_formula = paired(wiener_errors, deep_errors), paired(deep_errors, formula_errors)
print(f"three deep networks: {written(by_network.mean(1))} (standard error over the seeds)")
print("deep networks below the Wiener filter by {:.2f} ± {:.2f} (paired, over the data)".format(*gain_deep))
print("the formula below the deep networks by {:.2f} ± {:.2f}".format(*gain_formula))
for name, stated in (("Wiener filter", 2.33), ("mixture formula", 1.73)):  # nothing is trained here
    assert abs(results[name] - stated) < 0.005
assert abs(gain_deep[0] - 0.24) < 0.06
assert 1 < results["linear networks"] / results["Wiener filter"] < 1.02
assert gain_deep[0] > 6 * np.hypot(gain_deep[1], over_seeds(by_network.mean(1))[1])
assert gain_formula[0] > 4 * np.hypot(gain_formula[1], over_seeds(by_network.mean(1))[1])

grey = [
    np.minimum(np.abs(image), np.abs(1 - image)).mean() for image in (filtered, formula, X_test)
]  # 0 if all is ink or paper
assert grey[0] > 1.3 * grey[1] > 1.3 * grey[2]
first = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
little = 0.1  # the same comparison at a fifth of the noise
slight = X_test + little * np.random.default_rng(1).standard_normal(X_test.shape)
slight_wiener = (slight - mean) @ np.linalg.solve(covariance + little**2 * np.eye(64), covariance) + mean
at_little = [errors_of(given, X_test).mean() for given in (posterior_mean(slight, X_train, little), slight_wiener, slight)]
print("at s = 0.1: formula {:.2f}, Wiener filter {:.2f}, nothing {:.2f}".format(*at_little))
assert at_little[0] > 1.5 * at_little[2] > 2 * at_little[1]

rows = np.concatenate([X_noisy[first], filtered[first], formula[first], X_test[first]])
ax = image_grid(np.clip(rows, 0, 1), n_columns=10, ax=plt.subplots(figsize=(9, 4.2))[1])
ax.set_yticks([3.5, 12.5, 21.5, 30.5], ["noisy", "Wiener", "formula", "clean"])
ax.tick_params(length=0)
ax.set_title("The exact formula draws sharper digits than the linear filter")
plt.show()

# %% [markdown] tags=["answer"]
# At this noise, yes. The formula knows the training images only, but the mean of those with weight is a good guess for a new digit as well. With
# less noise it is not: at s = 0.1 the formula returns the nearest training image, and is worse than no denoising at all. At s = 0.5 the
# deep networks come next: they beat the best linear map by a tenth of its error, and stay behind the formula, which uses all 1438 images
# at every call.

# %% [markdown]
# ## 3. Robustness: what noise and dropout on the input punish
#
# *Items: D3-5, D3-8.*
#
# The notes: regularise (1) by robustness to noise; similar inputs get similar representations; Gaussian noise, dropout.
#
# *A remark on D3 (E49):* the printed text interleaves these entries with a list on variational inference; they belong to the denoising
# auto-encoder.
#
# For a linear map R and a fixed datum x, noise $\epsilon$ of mean zero and covariance C gives, since the cross term has mean zero,
# $$ \mathbb E\lVert R(x+\epsilon)-x\rVert^2=\lVert Rx-x\rVert^2+\operatorname{tr}(RCR^\top). $$
# * Gaussian noise, $C=s^2I$: the second term is $s^2\lVert R\rVert_F^2$, a weight penalty on the Jacobian of r.
# * Dropout, y = m ⊙ x with $m_i=0$ with probability p, else $1/(1-p)$: $\mathbb E\,m_i=1$,
#   $\operatorname{Var}m_i=\frac{1}{1-p}-1=\frac{p}{1-p}$, so $C=\frac{p}{1-p}\operatorname{diag}(x_i^2)$: column i of R is punished in
#   proportion to $x_i^2$, the squared ink of the pixel; an empty pixel (x = 0) punishes nothing.
#
# So training with noise **is** training with a penalty.
#
# **For a curved r** take noise $s\epsilon$ with independent, symmetric $\epsilon_i$ of variance 1, and expand, with the Jacobian
# $J=\partial r/\partial x$ and the second derivatives $H_k$ of the output $r_k$:
# $$ r(x+s\epsilon)=r(x)+sJ\epsilon+\tfrac{s^2}2q(\epsilon)+O(s^3),\qquad q_k(\epsilon)=\epsilon^\top H_k\,\epsilon,\qquad
#    \mathbb E\,q_k=\operatorname{tr}H_k=\Delta r_k . $$
# In $\lVert r(x+s\epsilon)-x\rVert^2$ the terms of order s and s³ are odd in $\epsilon$ and have mean zero. Those of order s² are
# $\lVert J\epsilon\rVert^2$, with mean $\lVert J\rVert_F^2$, and $(r(x)-x)^\top q(\epsilon)$. So
# $$ \mathbb E\lVert r(x+s\epsilon)-x\rVert^2=\lVert r(x)-x\rVert^2
#    +s^2\big(\lVert J\rVert_F^2+(r(x)-x)^\top\Delta r(x)\big)+O(s^4): $$
# the same penalty, and a term of curvature, small where the reconstruction is good.

# %%
show(dropout_forward, dropout_backward)

# %%
p, R, datum = 0.3, rng.standard_normal((D, D)), rng.standard_normal(D)
datum[0] = 0.0  # an empty pixel
exact = 0.0
for kept in product([0, 1], repeat=D):  # all 16 masks, with their probabilities
    probability = np.prod(np.where(kept, 1 - p, p))
    noisy_x, _ = dropout_forward(datum, np.array(kept) / (1 - p))
    exact += probability * ((R @ noisy_x - datum) ** 2).sum()
by_pixel = p / (1 - p) * datum**2 * (R**2).sum(0)
without_noise = ((R @ datum - datum) ** 2).sum()
points = datum + s * np.sqrt(D) * np.concatenate([np.eye(D), -np.eye(D)])
gaussian = ((points @ R.T - datum) ** 2).sum(1).mean()
print(f"dropout:  mean over all masks {exact:.6f}, formula {without_noise + by_pixel.sum():.6f}")
print(f"Gaussian: mean over exact points {gaussian:.6f}, formula {without_noise + s**2 * (R**2).sum():.6f}")
print("dropout's penalty, by pixel:", by_pixel.round(3), " of ink", datum.round(3))
print(check(dropout_forward, dropout_backward, datum, np.array([1.0, 0, 1, 1]) / (1 - p), wrt="x"))
assert abs(exact - without_noise - by_pixel.sum()) < 1e-12
assert abs(gaussian - without_noise - s**2 * (R**2).sum()) < 1e-12
assert by_pixel[0] == 0 and (by_pixel[1:] > 0).all()  # where there is no ink nothing is punished

# %% [markdown]
# The curved case on a network of the ring: the mean over the same exact points, s falling. At order s⁴ halving s divides the difference by 16.

# %%
start, h = np.array([0.9, 0.3]), 1e-3
bent = ring_networks[0]
base = reconstruct(bent, start[None])[0]
plus, minus = reconstruct(bent, start + h * np.eye(2)), reconstruct(bent, start - h * np.eye(2))
J2, laplacian = (((plus - minus) / (2 * h)) ** 2).sum(), ((plus + minus - 2 * base) / h**2).sum(0)
remainders = []
for size in (0.04, 0.02, 0.01):
    around = start + size * np.sqrt(2) * np.concatenate([np.eye(2), -np.eye(2)])
    mean_loss = ((reconstruct(bent, around) - start) ** 2).sum(1).mean()
    second_order = ((base - start) ** 2).sum() + size**2 * (J2 + (base - start) @ laplacian)
    remainders.append(abs(mean_loss - second_order))
    print(f"s = {size}: mean loss {mean_loss:.6f}, to second order {second_order:.6f}, difference {remainders[-1]:.0e}")
ratios = np.array(remainders[:-1]) / remainders[1:]
print(f"halving s divides the difference by {ratios[0]:.0f} and {ratios[1]:.0f}")
assert (ratios > 13).all() and (ratios < 19).all()

# %% [markdown]
# Now with digits: networks trained clean, with Gaussian noise, and with dropout p = 0.4, each tested with each corruption.
#
# **Predict first:** does each network win on its own corruption? Which one is best on clean digits?

# %% tags=["answer"]
P_DROP = 0.4


def dropped(images, generator):
    """Images with pixels set to 0 with probability P_DROP, the others scaled up."""
    return dropout_forward(images, (generator.random(images.shape) >= P_DROP) / (1 - P_DROP))[0]


deep_options = {"hidden": (128,), "activation": "relu"}
nets = {name: three(40, 30, 0.004, noise=n, **deep_options) for name, n in (("clean", 0), ("Gaussian", NOISE))}
nets["dropout"] = [AutoEncoder(64, 40, seed=seed, dtype="float32", **deep_options) for seed in range(3)]
for seed, net in enumerate(nets["dropout"]):
    adam, draws = Adam(0.004), np.random.default_rng(seed)
    for epoch in range(30):
        adam.lr = 0.004 * (1 - epoch / 30)
        for batch in np.array_split(draws.permutation(X_train), 14):
            _, gradient = net.loss_and_grad(batch, dropped(batch, draws) - batch)  # noise is what is added
            adam.step(net.theta, gradient)
inputs = {"clean": X_test, "Gaussian": X_noisy, "dropout": dropped(X_test, np.random.default_rng(2))}
matrix = np.array(
    [
        [[errors_of(reconstruct(net, given), X_test).mean() for given in inputs.values()] for net in nets[name]]
        for name in inputs
    ]
)  # (trained on, seed, tested on)
print("trained on     tested on: " + "".join(f"{name:>17}" for name in inputs))
for name, row in zip(inputs, matrix):
    print(f"{name:<26}" + "".join(f"{written(row[:, k], 2):>17}" for k in range(3)))
print(f"the mean image has {mean_image:.2f} everywhere")
assert abs(np.mean(inputs["dropout"] == 0) - (P_DROP + (1 - P_DROP) * np.mean(X_test == 0))) < 0.01
for k in range(3):  # each wins on its own corruption, from every seed, by several standard errors
    for other in {0, 1, 2} - {k}:
        gap, error = over_seeds(matrix[other, :, k] - matrix[k, :, k])
        assert matrix[k, :, k].max() < matrix[other, :, k].min() and gap > 4 * error
assert matrix[0, :, 0].max() < 0.5 * matrix[1:, :, 0].min() and matrix[0, :, 1:].min() > 1.2 * mean_image

# %% [markdown] tags=["answer"]
# Each wins on its own corruption, and the one trained clean wins on clean digits by far: robustness is robustness *to something*. (These are short
# trainings: on Gaussian noise the linear denoiser of section 1 still has less, 2.35.) On either
# corruption the clean networks are worse than the mean image.

# %% [markdown]
# ## 4. Sparse codes
#
# *Items: D3-6.*
#
# The notes: (2) a sparse representation. Two penalties are in use.
#
# **L1.** **[ABS.1]** $\sum_j|h_j|$, and **[ABS.2]** $dh_j=\operatorname{sign}(h_j)$ times the derivative of the loss by the penalty (0 at
# h = 0). Why this makes zeros and a square does not: minimise $\frac12(h-a)^2+w|h|$. For h > 0 the derivative $h-a+w$ vanishes at $h=a-w$,
# possible only if a > w; for h < 0 at $a+w$, possible only if a < −w; otherwise the minimum is at h = 0 exactly. So
# $h=\operatorname{sign}(a)\max(|a|-w,0)$, while $\frac12(h-a)^2+\frac w2h^2$ gives $h=a/(1+w)$, never 0 for $a\ne0$.
#
# **A wanted mean activity.** For codes in (0, 1), let $\langle h_j\rangle$ be the mean over the batch of N and compare it with a small ρ as two
# coins: **[SPARSE.1]**
# $$ \sum_j \rho\ln\frac{\rho}{\langle h_j\rangle}+(1-\rho)\ln\frac{1-\rho}{1-\langle h_j\rangle},\qquad
#    d\langle h_j\rangle=-\frac{\rho}{\langle h_j\rangle}+\frac{1-\rho}{1-\langle h_j\rangle},\qquad
#    \frac{\partial\langle h_j\rangle}{\partial h_{nj}}=\frac1N, $$
# so **[SPARSE.2]** $dh_{nj}=\frac1N\,d\langle h_j\rangle$ times the derivative of the loss by the penalty: the same for all rows, zero iff
# $\langle h_j\rangle=\rho$.

# %%
show(l1_forward, l1_backward, sparsity_forward, sparsity_backward)

# %%
for forward, backward, h in (
    (l1_forward, l1_backward, rng.standard_normal((5, 4))),
    (sparsity_forward, sparsity_backward, rng.uniform(0.1, 0.9, (5, 4))),
):
    assert check(forward, backward, h).ok
    print(f"{backward.__name__:<18} is the derivative of its forward")

h = rng.uniform(0.1, 0.9, (5, 4))
coins = np.array([[0.05, 0.95]]), np.stack([h.mean(0), 1 - h.mean(0)], 1)
of_coins = (coins[0] * np.log(coins[0] / coins[1])).sum()  # the KL of two coins, summed over the units
assert abs(sparsity_forward(h)[0] - of_coins) < 1e-12
assert np.abs(l1_forward(h - 0.5)[0] - np.abs(h - 0.5).sum(1)).max() < 1e-12
flat = sparsity_backward(1.0, sparsity_forward(np.full((5, 4), 0.05))[1])
assert np.abs(flat).max() < 1e-15  # where every unit has the mean 0.05

fine = np.linspace(-3, 3, 600001)
for a, w in ((1.3, 0.5), (0.3, 0.5), (-0.9, 0.2)):
    soft = fine[(0.5 * (fine - a) ** 2 + w * np.abs(fine)).argmin()]
    ridge = fine[(0.5 * (fine - a) ** 2 + w / 2 * fine**2).argmin()]
    print(f"a = {a:4}, w = {w}: minimum with |h| at {soft + 0.0:.3f}, with a square at {ridge:.3f}")
    assert abs(soft - np.sign(a) * max(abs(a) - w, 0)) < 1e-5 and abs(ridge - a / (1 + w)) < 1e-5

# %% [markdown]
# **Predict first:** 40 sigmoid units, without and with the penalty (ρ = 0.05, weight 2). Which share of the activities is below 0.1?

# %% tags=["answer"]
dense_codes = three(40, 80, 0.006, code="sigmoid")
sparse_codes = three(40, 80, 0.006, code="sigmoid", penalty="sparsity", weight=2.0)
activity = {
    name: [model.encode(X_test) for model in models]
    for name, models in (("without", dense_codes), ("with", sparse_codes))
}
for name, codes in activity.items():
    print(f"{name:<8} mean activity {written([h.mean() for h in codes])}, "
          f"share below 0.1 {written([np.mean(h < 0.1) for h in codes], 2)}")  # fmt: skip
errors = [
    [errors_of(reconstruct(model, X_test), X_test).mean() for model in models] for models in (dense_codes, sparse_codes)
]
print(f"held-out error: {written(errors[0], 2)} without, {written(errors[1], 2)} with the penalty")
for without, given in zip(*activity.values()):
    assert abs(given.mean() - 0.05) < 0.02 and abs(np.mean(given < 0.1) - 0.87) < 0.04 and np.mean(without < 0.1) < 0.05
assert min(errors[1]) > 3 * max(errors[0])

# %% [markdown] tags=["answer"]
# Almost none without the penalty, 0.87 with it, at five times the error.

# %% [markdown]
# **Is that sparsity?** A threshold also measures scale. Multiply a code by c < 1 and divide the decoder's weights by c: the reconstructions are
# the same, and with a small c every activity is below every threshold. A count without a scale is the *effective number*
# $$ n(h)=\frac{\big(\sum_j|h_j|\big)^2}{\sum_jh_j^2} : $$
# m equal entries and zeros otherwise have $n=m$, and $n(ch)=n(h)$. Baselines for 40 entries: all equal 40, uniform in (0, 1) near
# $40\cdot\frac{(1/2)^2}{1/3}=30$, Gaussian near $40\cdot\frac2\pi=25.5$.
#
# **Predict first:** how many of the 40 units does a digit use by this count, without and with the penalty? And has the decoder grown?

# %% tags=["answer"]


def effective_number(h):
    """(sum_j |h_j|)^2 / sum_j h_j^2, its mean over the data."""
    return float((np.abs(h).sum(1) ** 2 / (h**2).sum(1)).mean())


def decoder_norm(model):
    """The norm of the decoder's weights."""
    return float(np.linalg.norm(model.params["decoder.out.W"]))


numbers = {name: [effective_number(h) for h in codes] for name, codes in activity.items()}
norms = {
    name: [decoder_norm(model) for model in models]
    for name, models in (("without", dense_codes), ("with", sparse_codes))
}
for name in activity:
    print(f"{name:<8} effective number {written(numbers[name], 1)} of 40, decoder's norm {written(norms[name], 1)}")
some = activity["without"][0]
by_hand = np.mean(some / 10 < 0.1), effective_number(some / 10)
print(f"the code without penalty, divided by 10: share below 0.1 {by_hand[0]:.2f}, effective number {by_hand[1]:.1f}")
for stated, found in ((35, numbers["without"]), (21, numbers["with"]), (10, norms["without"]), (14.5, norms["with"])):
    assert abs(np.mean(found) - stated) < 0.07 * stated
assert by_hand[0] > 0.99 and abs(by_hand[1] - numbers["without"][0]) < 1e-3  # the threshold is fooled, the count is not
assert effective_number(np.array([[1, 1, 1, 0, 0.0]])) == 3
many = rng.standard_normal((2000, 40)), rng.random((2000, 40))
assert abs(effective_number(many[0]) - 80 / np.pi) < 0.5 and abs(effective_number(many[1]) - 30) < 0.5
assert min(numbers["without"]) > 1.5 * max(numbers["with"]) and min(numbers["with"]) > 15
assert min(norms["with"]) > 1.25 * max(norms["without"])
spreads = {name: np.mean([np.sqrt(h.var(0).sum()) for h in codes]) for name, codes in activity.items()}
print(f"spread of the codes over the digits: {spreads['without']:.2f} without, {spreads['with']:.2f} with the penalty")
assert 2 < spreads["without"] / spreads["with"] < 3.5

ax = plt.subplots(figsize=(8, 4.6))[1]
for name, style, at in (("without", "--", 0.78), ("with", "-", 0.29)):
    curve = np.mean([(np.sort(h, 1)[:, ::-1] / h.max(1, keepdims=True)).mean(0) for h in activity[name]], 0)
    ax.plot(np.arange(1, 41), curve, style, color="black")
    ax.text(14, at, f"{name} the penalty")
ax.set(xlabel="rank of the unit within a digit's code", ylabel="activity / largest activity", xlim=(1, 40), ylim=(0, 1))
ax.set_title("The shape of the code changes, not only its scale")
plt.show()

# %% [markdown] tags=["answer"]
# 35 without, 21 with: the codes did become sparser, by a factor of 1.7 and not of ten; about half of the units still take part in each digit.
# The rest of the fall of the activities, from 0.5 to 0.06, is not shape: a constant part is gone (without the penalty every unit sits near 0.5), and
# what varies from digit to digit has shrunk by more than half. The decoder, grown from 10 to 14, makes up for a part of that; the rest is lost, as the
# error says.

# %% [markdown]
# And this penalty does not ask for sparsity at all: it wants every unit's *mean* to be ρ. A code that hardly leaves ρ meets it, with all units in
# use. By hand: the 40 directions of PCA, so small that the sigmoid is a straight line, and a decoder that enlarges them again.

# %%
c, rho, pca40 = 0.1, 0.05, PCA(40).fit(X_train)
V, centre = np.asarray(pca40.components_), X_train.mean(0)  # (40, 64)
cheat = AutoEncoder(64, 40, code="sigmoid", penalty="sparsity", weight=2.0)
cheat.params["encoder.code.W"][...] = c * V.T
cheat.params["encoder.code.b"][...] = np.log(rho / (1 - rho)) - c * V @ centre
cheat.params["decoder.out.W"][...] = V / (c * rho * (1 - rho))
cheat.params["decoder.out.b"][...] = centre - rho * cheat.params["decoder.out.W"].sum(0)
h, cheat_error = cheat.encode(X_test), errors_of(reconstruct(cheat, X_test), X_test).mean()
print(f"by hand: penalty {sparsity_forward(h)[0]:.0e}, share below 0.1 {np.mean(h < 0.1):.2f}, "
      f"effective number {effective_number(h):.1f} of 40, held-out error {cheat_error:.2f}")  # fmt: skip
assert sparsity_forward(h)[0] < 1e-4 and np.mean(h < 0.1) > 0.99 and effective_number(h) > 39 and cheat_error < 0.1

# %% [markdown]
# **The same with L1.** The way out is exact there: $h\to ch$, decoder weights divided by c, leaves the reconstruction and makes the penalty c
# times as large; let c → 0. A linear code trained by gradient steps has no exact zeros either: each h is one function Wx + b of many pixels,
# and no threshold is built in.
#
# **Predict first:** after 80 epochs with L1, has the trained network used this way out? By what factor has the penalty fallen, and by what
# factor the effective number?

# %% tags=["answer"]
unpenalised = three(40, 80, 0.006, dtype="float64")
l1_codes = three(40, 80, 0.006, dtype="float64", penalty="l1", weight=0.1)
c = 0.01
cheat = AutoEncoder(64, 40, penalty="l1", weight=0.1)
cheat.theta[...] = l1_codes[0].theta
for name in ("encoder.code.W", "encoder.code.b"):
    cheat.params[name][...] *= c
cheat.params["decoder.out.W"][...] /= c
before, after = (l1_forward(model.encode(X_test))[0].mean() for model in (l1_codes[0], cheat))
assert np.abs(reconstruct(cheat, X_test) - reconstruct(l1_codes[0], X_test)).max() < 1e-12
assert abs(after / before - c) < 1e-12
print(f"by hand, c = 0.01: penalty {before:.3f} -> {after:.5f}, the same reconstructions")

pair = {"without": unpenalised, "with L1": l1_codes}
penalties = {name: [l1_forward(model.encode(X_test))[0].mean() for model in models] for name, models in pair.items()}
numbers_l1 = {name: [effective_number(model.encode(X_test)) for model in models] for name, models in pair.items()}
norms_l1 = {name: [decoder_norm(model) for model in models] for name, models in pair.items()}
print("             sum of |h|      effective number    norm of the decoder")
for name in pair:
    row = f"{written(penalties[name], 2):>14} {written(numbers_l1[name], 1):>16} {written(norms_l1[name], 1):>20}"
    print(f"{name:<10} {row}")
print("exact zeros:", sum(int((model.encode(X_test) == 0).sum()) for model in l1_codes))
assert all((model.encode(X_test) != 0).all() for model in l1_codes)
assert min(norms_l1["with L1"]) > 1.4 * max(norms_l1["without"]) and min(penalties["without"]) > 2 * max(
    penalties["with L1"]
)
for stated, found in ((25.2, numbers_l1["without"]), (23.8, numbers_l1["with L1"])):
    assert abs(np.mean(found) - stated) < 1
for stated, found in ((7.4, norms_l1["without"]), (13.2, norms_l1["with L1"])):
    assert abs(np.mean(found) - stated) < 0.06 * stated
assert np.mean(penalties["without"]) > 2.5 * np.mean(penalties["with L1"])
assert 0.85 < np.mean(numbers_l1["with L1"]) / np.mean(numbers_l1["without"]) < 1
varying = {}  # the sum of |h| about the mean code
for name, models in pair.items():
    codes = [model.encode(X_test) for model in models]
    varying[name] = np.mean([np.abs(h - h.mean(0)).sum(1).mean() for h in codes])
constant = np.mean(penalties["without"]) / np.mean(penalties["with L1"]) / (varying["without"] / varying["with L1"])
print(f"sum of |h - mean code|: {varying['without']:.1f} without, {varying['with L1']:.1f} with L1; the constant part: a factor of {constant:.2f}")
assert 1.2 < constant < 1.45

# %% [markdown] tags=["answer"]
# In part. The sum of |h| fell to a third, the effective number by 6 %: 24 of 40, where Gaussian entries have 25.5: the shape hardly changed. The
# decoder's growth, from 7 to 13, accounts for a factor of 1.8; a constant part of the code, which the decoder's bias carries without
# penalty, for 1.3; the last 1.4 is in what varies. A cure for the growth is to bound the norm of what each unit adds to the image, the rows of `decoder.out.W`, as sparse coding does.

# %% [markdown]
# ## 5. The contractive auto-encoder
#
# *Items: D1-8, D3-5.*
#
# The wish (D1, D3): similar inputs share similar codes. Written as a penalty on the encoder:
# $\lVert J\rVert_F^2=\sum_{ij}(\partial h_j/\partial x_i)^2$. For one layer $h_j=\operatorname{sigmoid}(a_j)$,
# $a_j=\sum_i x_iW_{ij}+b_j$, the chain rule gives $\partial h_j/\partial x_i=h_j(1-h_j)W_{ij}$, so **[CAE.1]**
# $$ \lVert J\rVert_F^2=\sum_j\big(h_j(1-h_j)\big)^2\,n_j,\qquad n_j=\sum_iW_{ij}^2 . $$
# W acts along two paths, directly in $n_j$ and through h. With $t_j=h_j(1-h_j)$ and $\frac{\partial t_j}{\partial h_j}=1-2h_j$, and with
# the derivative of the loss by the penalty as a factor, $dn_j=t_j^2$ and **[CAE.2]**
# $$ dW_{ij}\big|_{\text{direct}}=2W_{ij}\,t_j^2,\qquad dh_j=2\,t_j\,(1-2h_j)\,n_j . $$
# The second is handed on through the sigmoid and the dense layer, $da_j=t_j\,dh_j$ and $dW_{ij}=x_i\,da_j$, and adds to the first. To forget
# either path is the usual mistake.

# %%
nodes = {
    "W": (0, 0, "$W$", "parameter"), "n": (2.6, 1.3, "$n$", "operation"), "x": (0, -2.2, "$x$", "observed"),
    "a": (2.6, -1.3, "$a$", "operation"), "h": (5.2, -1.3, "$h$", "operation"), "p": (7.6, 0.2, r"$\|J\|^2$", "operation"),
}  # fmt: skip
arrows = [("W", "n"), ("W", "a"), ("x", "a"), ("a", "h"), ("h", "p"), ("n", "p")]
arrows += [("p", "n", "$dn$", "backward"), ("n", "W", "$2\\,W\\,dn$", "backward"), ("p", "h", "$dh$", "backward")]
arrows += [("h", "a", "$da$", "backward"), ("a", "W", "$x\\,da$", "backward")]
ax = graph(nodes, arrows, ax=plt.subplots(figsize=(10, 4.6))[1])
ax.set_title("W acts on the penalty along two paths; both come back (dashed)", pad=16)
plt.show()

# %%
show(contractive_forward, contractive_backward)

# %% [markdown]
# Each path alone against central differences: `W_direct` moves only $n_j$, `W_code` only h.

# %%
rows, W, b, h_step = rng.standard_normal((4, 5)), 0.7 * rng.standard_normal((5, 3)), rng.standard_normal(3), 1e-6


def mean_penalty(W_direct, W_code):
    """The mean of [CAE.1] over the rows, with a weight matrix for each path."""
    return contractive_forward(sigmoid_forward(rows @ W_code + b)[0], W_direct)[0].mean()


def differences(f):
    """The gradient of f at W by central differences."""
    moves = h_step * np.eye(W.size).reshape(-1, *W.shape)
    return np.array([(f(W + move) - f(W - move)) / (2 * h_step) for move in moves]).reshape(W.shape)


codes = sigmoid_forward(rows @ W + b)[0]
slope = codes * (1 - codes)
direct = 2 * W * (slope**2).mean(0)
dh = 2 * slope * (1 - 2 * codes) * (W**2).sum(0) / len(rows)
through_h = rows.T @ (slope * dh)
penalty, cache = contractive_forward(codes, W)
dh_pair, dW_pair = contractive_backward(np.full(4, 1 / 4), cache)
moved = [sigmoid_forward((row + sign * h_step * np.eye(5)) @ W + b)[0] for row in rows for sign in (1, -1)]
numeric = np.array([(((up - down) / (2 * h_step)) ** 2).sum() for up, down in zip(moved[::2], moved[1::2])])
assert np.abs(penalty / numeric - 1).max() < 1e-7  # [CAE.1] is the squared Jacobian
assert np.abs(differences(lambda V: mean_penalty(V, W)) - direct).max() < 1e-8
assert np.abs(differences(lambda V: mean_penalty(W, V)) - through_h).max() < 1e-8
assert np.abs(differences(lambda V: mean_penalty(V, V)) - direct - through_h).max() < 1e-8
assert np.abs(dW_pair - direct).max() < 1e-12 and np.abs(dh_pair - dh).max() < 1e-12
print(f"norm of the gradient by W: direct {np.linalg.norm(direct):.3f}, through h {np.linalg.norm(through_h):.3f}, "
      f"both {np.linalg.norm(direct + through_h):.3f}")  # fmt: skip
assert min(np.linalg.norm(direct), np.linalg.norm(through_h)) > 0.1 * np.linalg.norm(direct + through_h)
model = AutoEncoder(5, 3, code="sigmoid", penalty="contractive", weight=0.7)
assert check_model(model, rows).ok  # and the whole auto-encoder adds both
print("the two paths, their sum and the whole auto-encoder agree with central differences")

# %% [markdown]
# **Contraction relative to what?** The encoder can also shrink *all* codes and let the decoder enlarge them: the same way out as for L1. So we
# measure the fair quantity too: how far the code moves under noise, against the spread of the codes of different digits. For noise of a small
# standard deviation s the mean squared movement is $s^2\lVert J\rVert_F^2$, by the linear case of section 3, so
# $$ \lVert J\rVert^2\approx\frac{1}{s^2}\cdot\text{(movement / spread)}^2\cdot\text{spread}^2 . $$
#
# **Predict first:** weight 0 against 1. By what factor does ‖J‖² fall? And the squared movement relative to the spread?

# %% tags=["answer"]
table = {}
S_SMALL = 0.1
slight = X_test + S_SMALL * np.random.default_rng(3).standard_normal(X_test.shape)
print("weight     mean ||J||^2        spread^2     movement / spread   held-out error")
for weight in (0.0, 0.03, 0.3, 1.0):
    row = []
    for model in three(20, 50, 0.01, code="sigmoid", penalty="contractive", weight=weight):
        h, moved = model.encode(X_test), model.encode(slight)
        slopes = contractive_forward(h, model.params["encoder.code.W"])[0].mean()
        movement2, spread2 = ((moved - h) ** 2).sum(1).mean(), h.var(0).sum()
        row.append([slopes, spread2, np.sqrt(movement2 / spread2), errors_of(reconstruct(model, X_test), X_test).mean()])
    table[weight] = np.array(row)  # (seeds, 4)
    print(f"{weight:<6}" + "".join(f"{written(column, 3):>18}" for column in table[weight].T))
J2, spreads, relative, errors_by_weight = np.array(list(table.values())).transpose(2, 0, 1)  # each (weights, seeds)
falls = (J2[0] / J2[-1]).mean(), (relative[0] / relative[-1]).mean() ** 2, (spreads[0] / spreads[-1]).mean()
print("from weight 0 to 1: ||J||^2 divided by {:.0f}, "
      "squared relative movement by {:.1f}, squared spread by {:.1f}".format(*falls))  # fmt: skip
assert (J2[:-1].min(1) > J2[1:].max(1)).all() and (relative[:-1].min(1) > relative[1:].max(1)).all()
assert errors_by_weight[-1].min() > 1.5 * errors_by_weight[0].max()
assert np.abs(S_SMALL**2 * J2 / (relative**2 * spreads) - 1).max() < 0.15  # movement is s ||J||
assert abs(falls[0] - 15.7) < 1.5 and abs(falls[1] - 2.9) < 0.3 and abs(falls[2] - 5.2) < 0.6  # as stated below
assert falls[2] > 1.3 * falls[1] > 2.6 and falls[1] ** 2 < falls[0]  # the spread takes the larger factor

ax = plt.subplots(figsize=(8, 4.6))[1]
for values, style, at, name in (
    (J2, "o-", 0.17, "‖J‖²"),
    (spreads, "s--", 0.36, "spread²"),
    (relative**2, "^:", 0.62, "(movement / spread)²"),
):
    share = (values / values[0]).mean(1)
    ax.plot(range(4), share, style, color="black", ms=9)
    ax.text(3.1, share[-1], name, va="center")
ax.set(yscale="log", xlim=(-0.1, 4.6), xlabel="weight of the penalty", ylabel="share of the value at weight 0")
ax.set_xticks(range(4), ["0", "0.03", "0.3", "1"])
ax.set_yticks([1, 0.5, 0.2, 0.1, 0.05], ["1", "0.5", "0.2", "0.1", "0.05"])
ax.minorticks_off()
ax.set_title("Much of the contraction is a change of scale")
plt.show()

# %% [markdown] tags=["answer"]
# ‖J‖² is divided by about 16, the squared relative movement by 2.9, the squared spread of all codes by 5.2. The last part is a mere change of
# scale. What is gained is the relative movement, and it is paid for in error.

# %% [markdown]
# ## 6. The four side by side, and what none of them gives
#
# *Items: D4-1, D1-8.*
#
# *Short path.*
#
# **Predict first:** which of the networks is best on clean digits, which on noisy ones? Is there one that is best in both?

# %% tags=["answer"]
family = {
    "plain, K = 100": plain,
    "undercomplete, K = 10": three(10, 50, 0.02),  # the bottleneck needs longer steps to reach PCA
    "denoising, K = 100": denoising,
    "sparse, K = 40": sparse_codes,
    "contractive, K = 40": three(40, 50, 0.01, code="sigmoid", penalty="contractive", weight=0.3),
}
print(f"one layer each, three seeds    clean error      noisy error    (mean image {mean_image:.2f})")
sheet = []
for name, models in family.items():
    sheet.append(
        [[errors_of(reconstruct(model, given), X_test).mean() for model in models] for given in (X_test, X_noisy)]
    )
    print(f"{name:<24} {written(sheet[-1][0], 2):>17}{written(sheet[-1][1], 2):>17}")
sheet = np.array(sheet)  # (network, clean or noisy, seed)
best = sheet.mean(2).argmin(0)
print(f"best on clean: {list(family)[best[0]]}; best on noisy: {list(family)[best[1]]}")
for k in (0, 1):  # from every seed
    others = np.delete(sheet[:, k], best[k], axis=0)
    assert sheet[best[k], k].max() < 0.9 * others.min()
assert list(best) == [0, 2] and sheet[[0, 3], 1].min() > 1.1 * mean_image
pca_error = errors_of((pca := PCA(10).fit(X_train)).inverse_transform(pca.transform(X_test)), X_test).mean()
print(f"PCA, K = 10, clean: {pca_error:.2f}")
pca_noisy = errors_of(pca.inverse_transform(pca.transform(X_noisy)), X_test).mean()
print(f"PCA, K = 10, noisy: {pca_noisy:.2f}")
assert np.abs(sheet[1, 0] / pca_error - 1).max() < 0.02
hardly, cut_errors = X_train.var(0) < 1e-3, []
for model in family["undercomplete, K = 10"]:
    cut = model.copy()
    cut.params["encoder.code.W"][hardly] = 0
    cut_errors.append(errors_of(reconstruct(cut, X_noisy), X_test).mean())
print(f"undercomplete, noisy, without the weights that read the {hardly.sum()} pixels with hardly any ink: {np.mean(cut_errors):.2f}")
assert hardly.sum() == 12 and max(cut_errors) < 1.04 * pca_noisy
assert abs(pca_noisy - 3.74) < 0.05 and sheet[1, 1].min() > 1.2 * pca_noisy and sheet[4, 1].max() < pca_noisy

# %% [markdown] tags=["answer"]
# The plain network is best on clean digits, the denoising one on noisy ones; none is best in both. On clean digits the
# undercomplete one has the error of PCA. On noisy ones it has not (4.8; PCA 3.7): 12 pixels with hardly any ink (variance below 0.001) leave the weights that
# read them near their starting values (02, E33; exactly there for the 3 without ink), and these pass the noise on: set to 0, the error is 3.8. The plain, the sparse and, narrowly, the undercomplete one are worse than the mean image; the
# contractive one, which never saw noise, is not.

# %% [markdown]
# D1's last wish, "create examples from unseen codes", is met by none of these losses: nothing in them says which codes occur, so a code drawn
# from $\mathcal N(0,I)$ may decode to anything (02 measures it). Denoising comes closest: by section 2 it knows the slope of $\ln p_s$, but it
# gives no sample in one pass and no value of $\ln p$. A prior on the code, and a penalty that pulls the codes towards it, is the step to the
# VAE.

# %% [markdown]
# ## Summary
#
# * Best denoiser: $\mathbb E[x\mid y]=y+s^2\,\nabla\ln p_s(y)$: the step is the score times $s^2$. Linear: $\Sigma(\Sigma+s^2I)^{-1}$.
# * Noise is a penalty: $s^2\lVert R\rVert_F^2$ for Gaussian noise, $\frac{p}{1-p}\sum_i x_i^2\lVert R_{\cdot i}\rVert^2$ for dropout; for a
#   curved r also $s^2(r-x)^\top\Delta r$.
# * L1: $dh_j=\operatorname{sign}(h_j)$; exact zeros come from the threshold $\operatorname{sign}(a)\max(|a|-w,0)$, not from a linear encoder.
# * Mean activity: $dh_{nj}=\frac1N\big(-\rho/\langle h_j\rangle+(1-\rho)/(1-\langle h_j\rangle)\big)$.
# * Contractive: $\lVert J\rVert^2=\sum_jt_j^2n_j$ with $t_j=h_j(1-h_j)$; two paths, $2W_{ij}t_j^2$ and $x_i\,t_j\,dh_j$ with
#   $dh_j=2t_j(1-2h_j)n_j$.
# * L1 is met by shrinking the code and enlarging the decoder; the mean-activity penalty by a code that hardly leaves ρ, all units in use; part of a
#   contraction by shrinking. Count without a scale: $(\sum_j|h_j|)^2/\sum_jh_j^2$: 35 to 21 of 40 with the sparsity penalty, 25 to 24 with L1.
# * Each network is robust to what it was trained with, and pays on clean data. None says which codes occur.

# %% [markdown]
# ## References
#
# *References: vincent2008; vincent2011 (denoising as score matching); alain2014; rifai2011; ng2011; srivastava2014; bishop1995; efron2011.*

# %% [markdown]
# ## Exercises
#
# A penalty that forgives large codes, as a pair; and the best linear denoiser for dropout: section 3 has the covariance of the noise for one x, here
# it is a mean over x.
#
# *Tasks: sparsity_penalty; best_linear_denoiser.*
