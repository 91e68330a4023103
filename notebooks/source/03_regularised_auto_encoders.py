# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 03 Regularised auto-encoders
#
# Accompanies D3 lines 9-17 (robust, sparse, denoising; noise and dropout), D1 lines 76-88, D4 line 10.
#
# | quantity | D1 | D3 | here |
# |---|---|---|---|
# | code | code | h | `h`, shape (N, K) |
# | reconstruction | output | x̃, then x̂ | `x_hat` |
# | corrupted input | – | x̃ (the same letter) | `x_noisy`; y in formulas |
# | noise on the input | – | Gaussian noise, dropout | standard deviation s; `mask` |
# | encoder, decoder, both | – | f_φ, H_θ | f, g and r(x) = g(f(x)) |
#
# Afterwards you can say what function a denoising auto-encoder learns and prove it, derive the gradients of the sparse and contractive
# penalties, and show how each penalty can be cheated.

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
from tinyvae.exact import PCA
from tinyvae.optim import Adam
from tinyvae.plots import image_grid, use_style
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


def mean_error(x_hat, x):
    """The mean squared error per datum, summed over pixels."""
    return float(squared_error_forward(x_hat, x)[0].mean())


def reconstruct(model, x):
    """r(x) = decode(encode(x))"""
    return model.decode(model.encode(x))


# %% [markdown]
# ## 1. Four ways not to copy
#
# *Items: D4-1, D1-8.*
#
# The slides: there are undercomplete, sparse, denoising and contractive auto-encoders (D4); regularised auto-encoders bring knowledge from
# beforehand into the codes
# (D1): little information lost, similar inputs share similar codes, and, as a generative model, examples from codes never seen.
#
# Each of the four changes one thing in $\min \mathbb E\lVert g(f(x))-x\rVert^2$:
#
# | auto-encoder | what changes | what the code cannot do |
# |---|---|---|
# | undercomplete | K < D | keep everything |
# | denoising | f sees x + noise, the target stays x | pass the input through |
# | sparse | + weight · penalty on h | use all units for each datum |
# | contractive | + weight · ‖∂f/∂x‖² | follow every change of x |
#
# The first is treated in 02. Why the others are needed: without them an overcomplete network (K > D) copies, noise included. The same noisy digits go
# through the plain and the denoising network, 64-100-64 and linear.
#
# **Predict first: the noise alone has the error 64 · 0.5² = 16. What error does the plain network leave? And the denoising one?**

# %%
plain, denoising = AutoEncoder(64, 100), AutoEncoder(64, 100, noise=NOISE)
for model in (plain, denoising):
    model.fit(X_train, epochs=60, optimizer=Adam(0.01), decay=True, progress=False)
print(f"error of the noisy digits themselves: {mean_error(X_noisy, X_test):.3f}")
print("                 clean input   noisy input")
for name, model in (("plain", plain), ("denoising", denoising)):
    print(f"{name:<14} {model.reconstruction_error(X_test):12.4f} {mean_error(reconstruct(model, X_noisy), X_test):13.3f}")
assert plain.reconstruction_error(X_test) < 0.01
assert mean_error(reconstruct(plain, X_noisy), X_test) > 0.9 * mean_error(X_noisy, X_test)
assert mean_error(reconstruct(denoising, X_noisy), X_test) < 0.2 * mean_error(X_noisy, X_test)

# %% [markdown]
# The plain network is perfect on clean digits and useless on noisy ones: it has learnt $r(x)=x$. The denoising network pays on clean digits. The
# measure "clean
# reconstruction error" alone would choose the wrong one.
#
# ## 2. The denoising auto-encoder: the best denoiser, and the score
#
# *Items: D3-7.*
#
# The slide: $x\to\text{noise}\to\tilde x\to\dots\to\hat x$. (Here $\tilde x$ is the *corrupted input*; four lines earlier on the slide it was the
# reconstruction. We write y for the
# corrupted input.) The loss is $\mathbb E\lVert r(y)-x\rVert^2$ with $y=x+s\epsilon$, $\epsilon\sim\mathcal N(0,I)$.
#
# **Which function is best?** Let $m(y)=\mathbb E[x\mid y]$. Then $\mathbb E[(m(y)-x)\mid y]=0$, the cross term vanishes, and
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
# given y is a weighted
# mean of images; the right side is computed separately, from central differences of $\ln p_s$.

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


noisy = X_noisy[0]
step = 1e-4 * np.eye(64)
score = (log_ps(noisy + step, X_train, NOISE) - log_ps(noisy - step, X_train, NOISE)) / 2e-4
left, right = posterior_mean(noisy[None], X_train, NOISE)[0], noisy + NOISE**2 * score
print(f"largest |E[x|y] - (y + s^2 score)| over 64 pixels: {np.abs(left - right).max():.1e}; size of the step {np.linalg.norm(left - noisy):.3f}")
assert np.abs(left - right).max() < 1e-6

# %% [markdown]
# **Does a trained network find it?** The ring in the plane: a network 2-64-64-2 is trained on noisy points only, its step $r(y)-y$ is compared
# with $s^2\nabla\ln p_s$.
#
# **Predict first: which way do the arrows point inside the ring, and how long are they exactly at its centre?**

# %%
s = 0.3
ring = synthetic("ring", 1000, seed=0)
dae = AutoEncoder(2, 64, hidden=(64,), noise=s)
dae.fit(ring, epochs=150, batch_size=100, optimizer=Adam(0.01), decay=True, progress=False)
probes = ring + s * rng.standard_normal(ring.shape)
best_step, learned_step = posterior_mean(probes, ring, s) - probes, reconstruct(dae, probes) - probes
relative = np.linalg.norm(learned_step - best_step) / np.linalg.norm(best_step)
cosine = (learned_step * best_step).sum() / np.linalg.norm(learned_step) / np.linalg.norm(best_step)
losses = [mean_error(probes + step, ring) for step in (best_step, learned_step, 0 * best_step)]
centre = np.linalg.norm(posterior_mean(np.zeros((1, 2)), ring, s))
print(f"learned against exact step: relative difference {relative:.3f}, cosine {cosine:.4f}")
print(f"denoising error: exact {losses[0]:.4f}, network {losses[1]:.4f}, no denoising {losses[2]:.4f}")
print(f"length of the exact arrow at the centre: {centre:.3f}")
assert relative < 0.2 and cosine > 0.98
assert losses[1] < 1.1 * losses[0] and losses[1] < 0.75 * losses[2]
assert centre < 0.05

grid = np.stack(np.meshgrid(np.linspace(-1.6, 1.6, 13), np.linspace(-1.6, 1.6, 13)), -1).reshape(-1, 2)
exact, network = posterior_mean(grid, ring, s) - grid, reconstruct(dae, grid) - grid
ax = plt.subplots(figsize=(7, 6.2))[1]
ax.plot(*ring[:400].T, "o", ms=4, color="#BBBBBB")
ax.quiver(*grid.T, *exact.T, angles="xy", scale_units="xy", scale=1 / 0.6, width=0.010, color="#56B4E9", label="exact: s² ∇ ln p")
ax.quiver(*grid.T, *network.T, angles="xy", scale_units="xy", scale=1 / 0.6, width=0.004, color="black", label="network: r(y) − y")
ax.set(xlabel="y1", ylabel="y2", title="The step is the score (arrows at 0.6 of their length)", aspect="equal", xlim=(-2.3, 2.3), ylim=(-1.8, 2.5))
ax.legend(loc="upper center", ncols=2, fontsize=13, handlelength=1, columnspacing=1)
plt.show()

# %% [markdown]
# **The linear case, exactly.** Let x be centred with covariance Σ and r(y) = Ry. The noise is independent of x, so
# $\mathbb E[yy^\top]=\Sigma+s^2I$ and $\mathbb E[xy^\top]=\Sigma$. Setting the gradient of $\mathbb E\lVert Ry-x\rVert^2$ by R to zero,
# $$ 2R(\Sigma+s^2I)-2\Sigma=0\quad\Longrightarrow\quad R=\Sigma(\Sigma+s^2I)^{-1}, $$
# the Wiener filter. It is Tweedie's formula for a Gaussian: $\nabla\ln p_s(y)=-(\Sigma+s^2I)^{-1}y$, and
# $y-s^2(\Sigma+s^2I)^{-1}y=\big((\Sigma+s^2I)-s^2I\big)(\Sigma+s^2I)^{-1}y=\Sigma(\Sigma+s^2I)^{-1}y$.
# Along an eigenvector of Σ the factor is $\lambda/(\lambda+s^2)$: PCA cuts hard after K directions, denoising fades the weak ones out.
#
# To check the trained weights to many digits, random noise is too rough. In its place stand the 2D points $\pm s\sqrt D\,e_i$ around each datum:
# their
# covariance is exactly $s^2I$, and a linear network sees nothing else of the noise. D codes would do for R; the network has 4D, because with few
# codes some starting weights lead past a saddle (02, section 6), and training lingers there.

# %%
D, s = 4, 0.6
x = rng.standard_normal((300, D)) @ rng.standard_normal((D, D))
x -= x.mean(0)
Sigma = x.T @ x / len(x)
cross = s * np.sqrt(D) * np.concatenate([np.eye(D), -np.eye(D)])
clean, noise = np.repeat(x, 2 * D, axis=0), np.tile(cross, (len(x), 1))  # every datum with every point
model, adam = AutoEncoder(D, 4 * D), Adam(0.02)
for i in range(1000):
    adam.lr = 0.02 * (1 - i / 1000)
    _, gradient = model.loss_and_grad(clean, noise)
    adam.step(model.theta, gradient)
wiener = Sigma @ np.linalg.inv(Sigma + s**2 * np.eye(D))
learned = (model.params["encoder.code.W"] @ model.params["decoder.out.W"]).T  # rows of data: the transpose
tweedie = np.eye(D) - s**2 * np.linalg.inv(Sigma + s**2 * np.eye(D))
print(f"largest |Wiener - Tweedie|:         {np.abs(wiener - tweedie).max():.1e}")
print(f"largest |trained weights - Wiener|: {np.abs(learned - wiener).max():.1e}")
assert np.abs(wiener - tweedie).max() < 1e-14
assert np.abs(learned - wiener).max() < 1e-10

# %% [markdown]
# On the digits: the linear network of section 1 against the Wiener filter of the training set, the exact mixture formula, and a network with a
# hidden layer.
#
# **Predict first: the mixture formula is exact for the training images. Will it be the best on held-out digits?**

# %%
mean, covariance = X_train.mean(0), np.cov(X_train.T, bias=True)
filtered = (X_noisy - mean) @ np.linalg.solve(covariance + NOISE**2 * np.eye(64), covariance) + mean
deep = AutoEncoder(64, 64, hidden=(128,), activation="relu", noise=NOISE)
deep.fit(X_train, epochs=80, optimizer=Adam(0.003), decay=True, progress=False)
results = {
    "nothing": X_noisy,
    "Wiener filter": filtered,
    "linear network": reconstruct(denoising, X_noisy),
    "mixture formula": posterior_mean(X_noisy, X_train, NOISE),
    "deep network": reconstruct(deep, X_noisy),
}
errors = {name: mean_error(x_hat, X_test) for name, x_hat in results.items()}
for name, error in errors.items():
    print(f"{name:<16} held-out denoising error {error:7.3f}")
assert 1 < errors["linear network"] / errors["Wiener filter"] < 1.02
assert errors["mixture formula"] < errors["deep network"] < errors["Wiener filter"]

first = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
rows = np.concatenate([X_test[first], X_noisy[first], filtered[first], results["deep network"][first]])
ax = image_grid(np.clip(rows, 0, 1), n_columns=10, ax=plt.subplots(figsize=(9, 4.2))[1])
ax.set_yticks([3.5, 12.5, 21.5, 30.5], ["clean", "noisy", "Wiener", "deep"])
ax.tick_params(length=0)
ax.set_title("Held-out digits, noise s = 0.5")
plt.show()

# %% [markdown]
# The mixture formula wins, although it knows the training images only: at this noise many of them have weight, and their mean is a good guess. The
# network, trained briefly, beats the best linear map by less than one might expect.
#
# ## 3. Robustness: what noise and dropout on the input punish
#
# *Items: D3-5, D3-8.*
#
# The slide: regularise (1) by robustness to noise; similar inputs get similar representations; Gaussian noise, dropout. (Lines 14-18 of D3
# interleave this with
# a list on variational inference; these entries belong to the denoising auto-encoder.)
#
# For a linear map R and a fixed datum x, noise $\epsilon$ of mean zero and covariance C gives, since the cross term has mean zero,
# $$ \mathbb E\lVert R(x+\epsilon)-x\rVert^2=\lVert Rx-x\rVert^2+\operatorname{tr}(RCR^\top). $$
# * Gaussian noise, $C=s^2I$: the second term is $s^2\lVert R\rVert_F^2$, a weight penalty on the Jacobian of r.
# * Dropout, y = m ⊙ x with $m_i=0$ with probability p, else $1/(1-p)$: $\mathbb E\,m_i=1$,
#   $\operatorname{Var}m_i=\frac{1}{1-p}-1=\frac{p}{1-p}$, so $C=\frac{p}{1-p}\operatorname{diag}(x_i^2)$: dark pixels are spared, inked ones
# punished.
#
# So training with noise **is** training with a penalty. For a curved r the same holds to order $s^2$, with the Jacobian $J=\partial r/\partial x$
# and a term of curvature:
# $\mathbb E\lVert r(x+s\epsilon)-x\rVert^2=\lVert r(x)-x\rVert^2+s^2\big(\lVert J\rVert_F^2+(r(x)-x)^\top\Delta r(x)\big)+O(s^4)$.

# %%
show(dropout_forward, dropout_backward)

# %%
p, R, datum = 0.3, rng.standard_normal((D, D)), rng.standard_normal(D)
exact = 0.0
for kept in product([0, 1], repeat=D):  # all 16 masks, with their probabilities
    probability = np.prod(np.where(kept, 1 - p, p))
    noisy_x, _ = dropout_forward(datum, np.array(kept) / (1 - p))
    exact += probability * ((R @ noisy_x - datum) ** 2).sum()
formula = ((R @ datum - datum) ** 2).sum() + p / (1 - p) * (datum**2 * (R**2).sum(0)).sum()
points = datum + s * np.sqrt(D) * np.concatenate([np.eye(D), -np.eye(D)])
gaussian = ((points @ R.T - datum) ** 2).sum(1).mean()
formula_gaussian = ((R @ datum - datum) ** 2).sum() + s**2 * (R**2).sum()
print(f"dropout:  mean over all masks {exact:.10f}, formula {formula:.10f}")
print(f"Gaussian: mean over points of covariance s^2 I {gaussian:.10f}, formula {formula_gaussian:.10f}")
print(check(dropout_forward, dropout_backward, datum, np.array([1.0, 0, 1, 1]) / (1 - p), wrt="x"))
assert abs(exact - formula) < 1e-12 and abs(gaussian - formula_gaussian) < 1e-12

# %% [markdown]
# **The curved case**, on the ring's network: the mean over the same exact points, s falling.
#
# **Predict first: by what factor does the difference fall when s is halved?**

# %%
start, h = np.array([0.9, 0.3]), 1e-3
base = reconstruct(dae, start[None])[0]
plus, minus = reconstruct(dae, start + h * np.eye(2)), reconstruct(dae, start - h * np.eye(2))
J2, laplacian = (((plus - minus) / (2 * h)) ** 2).sum(), ((plus + minus - 2 * base) / h**2).sum(0)
remainders = []
for size in (0.04, 0.02, 0.01):
    around = start + size * np.sqrt(2) * np.concatenate([np.eye(2), -np.eye(2)])
    mean_loss = ((reconstruct(dae, around) - start) ** 2).sum(1).mean()
    second_order = ((base - start) ** 2).sum() + size**2 * (J2 + (base - start) @ laplacian)
    remainders.append(abs(mean_loss - second_order))
    print(f"s = {size}: mean loss {mean_loss:.8f}, to second order {second_order:.8f}, difference {remainders[-1]:.1e}")
ratios = np.array(remainders[:-1]) / remainders[1:]
print(f"halving s divides the difference by {ratios[0]:.1f} and {ratios[1]:.1f}; order s^4 means 16")
assert (ratios > 13).all() and (ratios < 19).all()

# %% [markdown]
# Now with digits: one network trained clean, one with Gaussian noise, one with dropout p = 0.4, each tested with each corruption.
#
# **Predict first: does each network win on its own corruption? Which one is best on clean digits?**

# %%
P_DROP = 0.4


def dropped(images, generator):
    """Images with pixels set to 0 with probability P_DROP, the others scaled up."""
    return dropout_forward(images, (generator.random(images.shape) >= P_DROP) / (1 - P_DROP))[0]


nets = {name: AutoEncoder(64, 40, hidden=(128,), activation="relu", noise=n) for name, n in (("clean", 0), ("Gaussian", NOISE), ("dropout", 0))}
for name in ("clean", "Gaussian"):
    nets[name].fit(X_train, epochs=60, optimizer=Adam(0.003), decay=True, progress=False)
adam, draws = Adam(0.003), np.random.default_rng(1)
for epoch in range(60):
    adam.lr = 0.003 * (1 - epoch / 60)
    for batch in np.array_split(draws.permutation(X_train), 14):
        _, gradient = nets["dropout"].loss_and_grad(batch, dropped(batch, draws) - batch)  # noise is what is added
        adam.step(nets["dropout"].theta, gradient)
inputs = {"clean": X_test, "Gaussian": X_noisy, "dropout": dropped(X_test, np.random.default_rng(2))}
matrix = np.array([[mean_error(reconstruct(net, given), X_test) for given in inputs.values()] for net in nets.values()])
print("trained on   tested on:  " + "".join(f"{name:>10}" for name in inputs))
for name, row in zip(nets, matrix):
    print(f"{name:<25}" + "".join(f"{value:10.3f}" for value in row))
assert (matrix.argmin(0) == [0, 1, 2]).all()

# %% [markdown]
# Each wins on its own corruption: robustness is robustness *to something*.
#
# ## 4. Sparse codes
#
# *Items: D3-6.*
#
# The slide: (2) a sparse representation. Two penalties are in use.
#
# **L1.** **[ABS.1]** $\sum_j|h_j|$, with derivative **[ABS.2]** $\operatorname{sign}(h_j)$ (0 at h = 0). Why this makes zeros and a square does
# not: minimise
# $\frac12(h-a)^2+w|h|$. For h > 0 the derivative $h-a+w$ vanishes at $h=a-w$, possible only if a > w; for h < 0 at $a+w$, possible only if a < −w;
# otherwise the
# minimum is at h = 0 exactly. So $h=\operatorname{sign}(a)\max(|a|-w,0)$, while $\frac12(h-a)^2+\frac w2h^2$ gives $h=a/(1+w)$, never 0.
#
# **A wanted mean activity.** For codes in (0, 1), let $\bar h_j$ be the mean over the batch and compare it with a small ρ as two
# coins: **[SPARSE.1]**
# $$ \sum_j \rho\ln\frac{\rho}{\bar h_j}+(1-\rho)\ln\frac{1-\rho}{1-\bar h_j},\qquad
#    \frac{\partial}{\partial\bar h_j}=-\frac{\rho}{\bar h_j}+\frac{1-\rho}{1-\bar h_j},\qquad \frac{\partial\bar h_j}{\partial h_{nj}}=\frac1N, $$
# so **[SPARSE.2]** $dh_{nj}=\frac1N\big(-\rho/\bar h_j+(1-\rho)/(1-\bar h_j)\big)$ times the upstream gradient: the same for all rows, zero iff
# $\bar h_j=\rho$.

# %%
show(l1_forward, l1_backward, sparsity_forward, sparsity_backward)

# %%
for forward, backward, h in (
    (l1_forward, l1_backward, rng.standard_normal((5, 4))),
    (sparsity_forward, sparsity_backward, rng.uniform(0.1, 0.9, (5, 4))),
):
    report = check(forward, backward, h)
    print(f"{forward.__name__:<17} largest relative error {report.error:.1e}")
    assert report.ok

a, w, fine = 1.3, 0.5, np.linspace(-3, 3, 600001)
numeric = [fine[(0.5 * (fine - t) ** 2 + w * np.abs(fine)).argmin()] for t in (a, 0.3)]
print(f"soft threshold at w = 0.5: a = 1.3 -> {numeric[0]:.5f} (a - w = 0.8), a = 0.3 -> {abs(numeric[1]):.5f}")
assert abs(numeric[0] - 0.8) < 1e-5 and abs(numeric[1]) < 1e-5
flat = sparsity_backward(1.0, sparsity_forward(np.full((5, 4), 0.05))[1])
print(f"gradient where every unit has mean 0.05: {np.abs(flat).max():.0e}")
assert np.abs(flat).max() < 1e-15

# %% [markdown]
# **Predict first: 40 sigmoid units, without and with the penalty (ρ = 0.05, weight 2). Which share of the activities is below 0.1?**

# %%
dense_code = AutoEncoder(64, 40, code="sigmoid")
sparse_code = AutoEncoder(64, 40, code="sigmoid", penalty="sparsity", weight=2.0)
l1_code = AutoEncoder(64, 40, penalty="l1", weight=0.1)
for model in (dense_code, sparse_code, l1_code):
    model.fit(X_train, epochs=80, optimizer=Adam(0.006), decay=True, progress=False)
activity = {name: model.encode(X_test) for name, model in (("no penalty", dense_code), ("sparsity", sparse_code))}
for name, h in activity.items():
    print(f"{name:<11} mean activity {h.mean():.3f}, below 0.1: {np.mean(h < 0.1):.2f}, above 0.5: {np.mean(h > 0.5):.3f}")
print(f"held-out error: {dense_code.reconstruction_error(X_test):.3f} without, {sparse_code.reconstruction_error(X_test):.3f} with the penalty")
print(f"L1, linear code: share of exact zeros {np.mean(l1_code.encode(X_test) == 0):.3f}, mean |h| {np.abs(l1_code.encode(X_test)).mean():.3f}")
assert abs(activity["sparsity"].mean() - 0.05) < 0.03
assert np.mean(activity["sparsity"] < 0.1) > 0.7 and np.mean(activity["no penalty"] < 0.1) < 0.05
assert np.mean(l1_code.encode(X_test) == 0) == 0

ax = plt.subplots(figsize=(8, 4.2))[1]
bins = np.linspace(0, 1, 41)
for (name, h), style in zip(activity.items(), ("--", "-")):
    ax.stairs(np.histogram(h, bins)[0] / h.size, bins, label=name, ls=style, lw=2.5)
ax.set(xlabel="activity h", ylabel="share of activities", title="With the penalty most units are silent for each digit")
ax.legend()
plt.show()

# %% [markdown]
# **Two cautions.** A linear code trained by gradient steps has no exact zeros, L1 or not: each h is one function Wx + b of many pixels, and no
# threshold is
# built in. And L1 can be cheated: $h\to ch$, decoder weights divided by c. The reconstruction is untouched and the penalty is c times as large; let
# c → 0.
#
# **Predict first: after the 80 epochs above, has the trained network used this way out?**

# %%
c = 0.01
cheat = AutoEncoder(64, 40, penalty="l1", weight=0.1)
cheat.theta[...] = l1_code.theta
for name in ("encoder.code.W", "encoder.code.b"):
    cheat.params[name][...] *= c
cheat.params["decoder.out.W"][...] /= c
before, after = (l1_forward(model.encode(X_test))[0].mean() for model in (l1_code, cheat))
moved = np.abs(reconstruct(cheat, X_test) - reconstruct(l1_code, X_test)).max()
unpenalised = AutoEncoder(64, 40)
unpenalised.fit(X_train, epochs=80, optimizer=Adam(0.006), decay=True, progress=False)
norms = [np.linalg.norm(model.params["decoder.out.W"]) for model in (unpenalised, l1_code)]
print(f"penalty {before:.3f} -> {after:.5f}, reconstructions moved by {moved:.1e}")
print(f"norm of the decoder: trained without penalty {norms[0]:.2f}, with L1 {norms[1]:.2f}")
assert abs(after / before - c) < 1e-12 and moved < 1e-12
assert norms[1] > 1.1 * norms[0]

# %% [markdown]
# The decoder has grown: the way out is being used. A cure is to bound the decoder's columns, ‖u_j‖ ≤ 1, as sparse coding does.
#
# ## 5. The contractive auto-encoder
#
# *Items: D1-8, D3-5.*
#
# The wish (D1, D3): similar inputs share similar codes. Written as a penalty on the encoder:
# $\lVert J\rVert_F^2=\sum_{ij}(\partial h_j/\partial x_i)^2$. For one layer $h_j=\sigma(a_j)$,
# $a_j=\sum_i x_iW_{ij}+b_j$, the chain rule gives $\partial h_j/\partial x_i=h_j(1-h_j)W_{ij}$, so **[CAE.1]**
# $$ \lVert J\rVert_F^2=\sum_j\big(h_j(1-h_j)\big)^2\,n_j,\qquad n_j=\sum_iW_{ij}^2 . $$
# W occurs twice, directly in $n_j$ and through h. With $t_j=h_j(1-h_j)$ and $\mathrm{d}t_j/\mathrm{d}h_j=1-2h_j$, **[CAE.2]**
# $$ \frac{\partial}{\partial W_{ij}}\Big|_{h}=2W_{ij}\,t_j^2,\qquad \frac{\partial}{\partial h_j}=2\,t_j\,(1-2h_j)\,n_j . $$
# The second is handed on through the sigmoid and the dense layer and adds to the first. To forget either path is the usual mistake.

# %%
show(contractive_forward, contractive_backward)

# %%
model = AutoEncoder(5, 3, code="sigmoid", penalty="contractive", weight=0.7)
model.theta += 0.3 * rng.standard_normal(model.theta.size)
rows, step = rng.standard_normal((4, 5)), 1e-6 * np.eye(5)
penalty, _ = contractive_forward(model.encode(rows), model.params["encoder.code.W"])
numeric = np.array([(((model.encode(row + step) - model.encode(row - step)) / 2e-6) ** 2).sum() for row in rows])
print("penalty:           ", penalty.round(8))
print("numerical Jacobian:", numeric.round(8))
print(f"largest relative difference {np.abs(penalty / numeric - 1).max():.1e}")
assert np.abs(penalty / numeric - 1).max() < 1e-8


class OnlyThroughH(AutoEncoder):
    """The mistake: the direct path to W is left out."""

    def loss_backward(self, dloss, cache, weights=None):
        gradient = super().loss_backward(dloss, cache, weights)
        slope = self.encode(rows) * (1 - self.encode(rows))
        direct = 2 * self.params["encoder.code.W"] * (slope**2).mean(0) * self.weight * dloss
        self.views(gradient)["encoder.code.W"][...] -= direct
        return gradient


mistaken = OnlyThroughH(5, 3, code="sigmoid", penalty="contractive", weight=0.7)
mistaken.theta[...] = model.theta
right, wrong = check_model(model, rows), check_model(mistaken, rows)
print(f"whole gradient: relative error {right.error:.1e}; without the direct path {wrong.error:.1e}")
assert check(contractive_forward, contractive_backward, rng.uniform(0.1, 0.9, (3, 4)), rng.standard_normal((5, 4))).ok
assert right.ok and not wrong.ok

# %% [markdown]
# **Contraction relative to what?** The encoder can also shrink *all* codes and let the decoder enlarge them: the same way out as for L1. So we
# measure the fair
# quantity too: how far the code moves under noise, against the spread of the codes of different digits.
#
# **Predict first: weight 0 against 0.3. By what factor does ‖J‖² fall? And the relative movement?**

# %%
print("weight   mean ||J||^2   held-out error   movement / spread of the codes")
table = {}
slight = X_test + 0.1 * np.random.default_rng(3).standard_normal(X_test.shape)
for weight in (0.0, 0.03, 0.3, 1.0):
    model = AutoEncoder(64, 20, code="sigmoid", penalty="contractive", weight=weight)
    model.fit(X_train, epochs=80, optimizer=Adam(0.006), decay=True, progress=False)
    h, moved = model.encode(X_test), model.encode(slight)
    J2 = contractive_forward(h, model.params["encoder.code.W"])[0].mean()
    relative = np.sqrt(((moved - h) ** 2).sum(1).mean() / h.var(0).sum())
    table[weight] = J2, model.reconstruction_error(X_test), relative
    print(f"{weight:<6} {J2:12.3f} {table[weight][1]:16.3f} {relative:20.3f}")
J2, errors_by_weight, relative = np.array(list(table.values())).T
print(f"from weight 0 to 1: ||J||^2 divided by {J2[0] / J2[-1]:.1f}, squared relative movement only by {(relative[0] / relative[-1]) ** 2:.2f}")
assert (np.diff(J2) < 0).all() and (np.diff(errors_by_weight) > 0).all()
assert (relative[0] / relative[-1]) ** 4 < J2[0] / J2[-1]  # the spread takes the larger factor

# %% [markdown]
# For small noise the movement is about s‖J‖, so the fall of ‖J‖² is the product of two: the codes' spread shrinks, and they move less relative to
# it. The first factor is the
# larger one here and is a mere change of scale; the second, the last column, is what is gained, and it is paid for in error.
#
# ## 6. The four side by side, and what none of them gives
#
# *Items: D4-1, D1-8.*
#
# **Predict first: which of the networks is best on clean digits, which on noisy ones? Is there one that is best in both?**

# %%
undercomplete, contractive = AutoEncoder(64, 10), AutoEncoder(64, 40, code="sigmoid", penalty="contractive", weight=0.3)
for model, lr in ((undercomplete, 0.02), (contractive, 0.006)):  # the bottleneck needs longer steps to reach PCA
    model.fit(X_train, epochs=80, optimizer=Adam(lr), decay=True, progress=False)
family = {
    "plain, K = 40": unpenalised, "undercomplete, K = 10": undercomplete, "denoising, K = 100": denoising,
    "sparse, K = 40": sparse_code, "contractive, K = 40": contractive,
}  # fmt: skip
print("network (one layer each)   clean error   noisy error")
sheet = {}
for name, model in family.items():
    sheet[name] = model.reconstruction_error(X_test), mean_error(reconstruct(model, X_noisy), X_test)
    print(f"{name:<24} {sheet[name][0]:12.3f} {sheet[name][1]:13.3f}")
names, values = list(sheet), np.array(list(sheet.values()))
print(f"best on clean: {names[values[:, 0].argmin()]}; best on noisy: {names[values[:, 1].argmin()]}")
assert names[values[:, 0].argmin()] == "plain, K = 40"
assert names[values[:, 1].argmin()] == "denoising, K = 100"
pca_error = mean_error((pca := PCA(10).fit(X_train)).inverse_transform(pca.transform(X_test)), X_test)
print(f"PCA, K = 10, clean: {pca_error:.3f}")
assert 0.99 < sheet["undercomplete, K = 10"][0] / pca_error < 1.01

# %% [markdown]
# D1's last wish, "create examples from unseen codes", is met by none. Nothing in these losses says which codes occur, so a code drawn from
# $\mathcal N(0,I)$
# may decode to anything (02, section 11). Denoising comes closest: by section 2 it knows the slope of $\ln p_s$, but it gives no
# sample in one pass and no value of $\ln p$. A prior on the code, and a penalty that pulls the codes towards it, is the step to the VAE.
#
# ## Exercises
#
# **1. A sparsity penalty that forgives large codes.** $\sum_j\ln(1+h_j^2)$. Write forward and backward (h of shape (N, K), penalty of shape (N,)).

# %%


def log_penalty_forward(h):
    """penalty = sum_j ln(1 + h_j^2)"""
    raise NotImplementedError("about 2 lines: the cache is h; np.log1p and a sum over the last axis")


def log_penalty_backward(dpenalty, cache):
    """dh from dpenalty"""
    raise NotImplementedError("about 2 lines: 2 h / (1 + h^2), times dpenalty for every row")


# %%
try:
    print(check(log_penalty_forward, log_penalty_backward, np.random.default_rng(4).standard_normal((3, 4))))
except NotImplementedError as stub:
    print("to do:", stub)

# %% [markdown]
# **2. The best linear denoiser for dropout.** For centred x with covariance Σ and y = m ⊙ x, find R that minimises $\mathbb E\lVert Ry-x\rVert^2$.
# Section 3 has the
# covariance of the noise for one x; here take its mean over x.

# %%


def dropout_filter(Sigma, p):
    """R of shape (D, D)"""
    raise NotImplementedError("about 1 line: as the Wiener filter, with p / (1 - p) diag(Sigma) in the place of s^2 I")


def gradient_at(R, p):
    """The gradient by R of the mean over the 300 points x and all masks; zero at the optimum."""
    total = np.zeros((D, D))
    for kept in product([0, 1], repeat=D):
        noisy_x = x * np.array(kept) / (1 - p)
        total += np.prod(np.where(kept, 1 - p, p)) * 2 * (noisy_x @ R.T - x).T @ noisy_x / len(x)
    return np.abs(total).max()


# %%
try:
    print("right" if gradient_at(dropout_filter(Sigma, 0.3), 0.3) < 1e-10 else "WRONG")
except NotImplementedError as stub:
    print("to do:", stub)

# %% jupyter={"source_hidden": true} tags=["solution"]


def log_penalty_forward_solution(h):
    """penalty = sum_j ln(1 + h_j^2)"""
    cache = h
    return np.log1p(h * h).sum(-1), cache


def log_penalty_backward_solution(dpenalty, cache):
    """dh = dpenalty 2 h / (1 + h^2)"""
    h = cache
    return dpenalty[..., None] * 2 * h / (1 + h * h)


assert check(log_penalty_forward_solution, log_penalty_backward_solution, np.random.default_rng(4).standard_normal((3, 4))).ok

# %% jupyter={"source_hidden": true} tags=["solution"]


def dropout_filter_solution(Sigma, p):
    """E[y y'] = Sigma + p / (1 - p) diag(Sigma), E[x y'] = Sigma"""
    return Sigma @ np.linalg.inv(Sigma + p / (1 - p) * np.diag(np.diag(Sigma)))


assert gradient_at(dropout_filter_solution(Sigma, 0.3), 0.3) < 1e-10
assert gradient_at(wiener, 0.3) > 1e-3
