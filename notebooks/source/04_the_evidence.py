# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 04 The evidence
#
# A latent variable model says what x is like once z is known. What it says about x alone, p(x), is an average over all z: the evidence, also
# called the marginal likelihood. This notebook computes it exactly where that is possible, and measures how far sampling misses it elsewhere.
#
# Afterwards you can say what p(x) is and why a decoder without noise has none; compute it exactly for small models; and give the bias of a
# Monte Carlo estimate of log p(x), and the condition under which importance weights have a finite variance.
#
# *Notation: data; latent; decoder; observation noise; data dimension; latent dimension; samples of z.*
#
# Λ is the precision (inverse covariance) of the posterior, $\Lambda_q$ that of q. All log-densities are in nats.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import log_ndtr

from tinyvae import (
    VAE,
    Adam,
    bernoulli_forward,
    gaussian_forward,
    iwae_bound_forward,
    load_digits,
    log_weight_terms_forward,
    train_test_split,
)
from tinyvae.bounds import log_ratio_forward
from tinyvae.companion import show
from tinyvae.data import synthetic
from tinyvae.estimators import (
    log_likelihood,
    naive_log_likelihood,
    standard_error,
    weights_have_finite_variance,
)
from tinyvae.exact import PPCA, GridPosterior
from tinyvae.masked import (
    autoregressive_masks,
    masked_dense_backward,
    masked_dense_forward,
)
from tinyvae.plots import use_style
from tinyvae.plots.diagrams import graph
from tinyvae.zoo.coupling import (
    CouplingFlow,
    coupling_backward,
    coupling_forward,
    flow_backward,
    flow_forward,
)
from tinyvae.zoo.made import MADE

use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. A generator: draw z, then x
#
# *Items: D2-1, D4-9, D1-33, D0-10, D0-14.*
#
# The slides: a hidden variable z generates the observation x (D4); draw $z_i \sim p(z)$, then $x_i \sim p(x\mid z=z_i)$, for scalars and for
# vectors alike (D1); D2 recalls the generator network, which turns a code vector into an image; D0 fixes the prior $p(z)=\mathcal{N}(0, I)$ on
# $\mathbb{R}^d$ and lets the decoder define $p_\theta(x\mid z)$.
#
# As a picture: every datum n has a z of its own, drawn from the prior; all data share the decoder's parameters θ. The grey circle is what we see.

# %%
graph(
    {
        "theta": (0, 0, r"$\theta$", "parameter"),
        "z": (2.4, 1.7, r"$z_n$", "latent"),
        "x": (2.4, 0, r"$x_n$", "observed"),
        "prior": (4.3, 1.7, r"$z_n \sim p(z)$", "value"),
        "likelihood": (4.3, 0, r"$x_n \sim p_\theta(x|z_n)$", "value"),
    },
    [("z", "x"), ("theta", "x")],
    plates=[(1.5, -0.95, 5.6, 2.4, "n = 1..N")],
)
plt.show()

# %% [markdown]
# The arrow z → x is a program of two lines. In the linear model,
# $$z\sim\mathcal{N}(0,I),\qquad x = Wz + b + \sqrt{\eta}\,\varepsilon,\qquad \varepsilon\sim\mathcal{N}(0,I),$$
# a sum of independent Gaussians is Gaussian, its mean is $\mathbb{E}[x] = W\,0 + b = b$, and its covariance
# $$\mathbb{E}[(x-b)(x-b)^\top] = W\,\mathbb{E}[zz^\top]\,W^\top + \eta\,\mathbb{E}[\varepsilon\varepsilon^\top] = WW^\top + \eta I .$$
#
# The prior is chosen, and the choice costs less than it seems: the decoder can bend it. With Φ the normal CDF, $\Phi(z)$ is uniform, so for one
# dimension $G(z)=F^{-1}(\Phi(z))$ has the CDF $F$, whatever continuous law that is. For the exponential law, $G(z) = -\ln(1-\Phi(z))$.
#
# In the code `W_`, `mean_` and `noise_variance_` are W, b and η, as fitted; `check_fitted` and `check_int` refuse a model without parameters and
# an n that is no positive whole number.

# %%
show(PPCA.sample)

# %% [markdown]
# **Predict first:** the digits' 64 × 64 covariance under the model has 2080 different entries. By how many of its own standard errors should
# the worst of them be off, with 20,000 draws? And the root mean square of all?

# %% tags=["answer"]
X, y = load_digits()
X = X.astype(np.float64)
model = PPCA(8).fit(X)
W, b, eta = model.W_, model.mean_, model.noise_variance_
n = 20_000
C = W @ W.T + eta * np.eye(64)
centred = model.sample(n, rng) - b
S = centred.T @ centred / n
off = np.abs(S - C) / np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / n)
rms, on_diagonal = np.sqrt((off[np.triu_indices(64)] ** 2).mean()), np.sqrt((np.diag(off) ** 2).mean())
print(f"in standard errors: worst of 2080 entries {off.max():.2f}")
print(f"root mean square {rms:.2f}, of those on the diagonal {on_diagonal:.2f}")
assert 2 < off.max() < 5 and 0.75 < rms < 1.25 and 0.7 < on_diagonal < 1.4

# %% [markdown] tags=["answer"]
# About 3.6, as the largest of 2080 standard normal draws would be, with a standard deviation of 0.3 (that the entries are correlated changes it by some
# hundredths; the one printed is a low draw, about one in a hundred); the root mean square is about 1. A far larger worst entry would mean a wrong sampler, a far smaller root mean square a wrong standard error. (Of a product of
# two Gaussians, $\mathrm{Var}(x_ix_j) = C_{ii}C_{jj} + C_{ij}^2$.)

# %% [markdown]
# The bent prior, by quadrature: the exponential law has $\mathbb{E}x = 1$ and $\mathbb{E}x^2 = 2$.

# %%
z = np.linspace(-12, 12, 4801)
dz = z[1] - z[0]
prior = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
G = -log_ndtr(-z)  # -ln(1 - Phi(z))
first, second = (prior * G).sum() * dz, (prior * G**2).sum() * dz
print(f"normal z through G: E x = {first:.8f}, E x^2 = {second:.8f}")
assert abs(first - 1) < 1e-9 and abs(second - 2) < 1e-9 and np.all(np.diff(G) > 0)  # an inverse CDF rises
assert abs(prior.sum() * dz - 1) < 1e-12

# %% [markdown]
# ## 2. The marginal: what the model says about x alone
#
# *Items: D0-12, D2-24, D3-31, D0-16.*
# *Short path.*
#
# The slides:
# $$p(x) = \mathbb{E}_{p(z)}\,p(x\mid z) = \int p(z)\,p(x\mid z)\,dz = \int p(x,z)\,dz ,$$
# and, in D0, "pixels are independent". (*A misprint in D3 (E40):* the text has lost its conditioning bars; $p(x\,z)\,p(z)$ there is
# $p(x\mid z)\,p(z)$.)
#
# The three forms are one: $p(x,z)=p(z)\,p(x\mid z)$ by the definition of a conditional density; integrating $z$ out leaves the density of $x$; an
# integral against $p(z)$ is an expectation. On a grid of spacing Δ in K dimensions the integral is a sum **[GRID.1]**,
# $$\log p(x) \approx \log \sum_m p(x\mid z_m)\,p(z_m)\,\Delta^K .$$
#
# **Conditionally independent, not independent.** $p(x\mid z)=\prod_d p(x_d\mid z)$ holds *given z*. After the average over z it does not:
# $$p(x_1,x_2)-p(x_1)\,p(x_2) = \mathbb{E}[p(x_1\mid z)\,p(x_2\mid z)] - \mathbb{E}[p(x_1\mid z)]\,\mathbb{E}[p(x_2\mid z)]
# = \mathrm{Cov}_{z}\big(p(x_1\mid z),\,p(x_2\mid z)\big).$$
# All dependence between pixels has to pass through z. *A nuance to D0 (E11):* its shorter sentence is true with "given z" added. *Another
# (E4):* D0's decoder maps to all of $\mathbb{R}^{28\times28}$ and "defines mean values", but the mean of a binary pixel lies in [0, 1]: the real
# numbers are logits, and the means are their sigmoids.
#
# In the code `cell` is $\Delta^K$, and `log_px` and `log_pz` are the logarithms of p(x∣z) and p(z); the largest term is taken out of the sum
# before anything is exponentiated (why: section 8); the two refusals look for mass at the border, and, in `_change`, whether the sum stays when
# the grid moves by part of a cell. `data` only makes x an array.

# %%
show(GridPosterior.log_evidence, GridPosterior._integrate, GridPosterior._log_joint)

# %% [markdown]
# A decoder for four binary pixels with a one-dimensional z: all sixteen images can be listed, and their probabilities must sum to 1. The mean of
# each pixel, given z, runs from one end of the axis to the other as printed.

# %%
tiny = VAE(4, 1, hidden=(8,), dtype="float64", seed=1)
tiny.theta *= 3  # a decoder that uses z
images = np.array([[k >> d & 1 for d in range(4)] for k in range(16)], dtype=float)
p = np.exp(GridPosterior(tiny).log_evidence(images))
print(f"sum of p(x) over all images: {p.sum():.9f}")
assert abs(p.sum() - 1) < 1e-10 and len(np.unique(images, axis=0)) == 16
logits = tiny.decoder_output(z[:, None])
on = 1 / (1 + np.exp(-logits))  # p(x_d = 1 | z)
for end in (-2, 2):
    print(f"z = {end:+d}: the pixels are on with probability", on[np.abs(z - end).argmin()].round(2))

# %% [markdown]
# **Predict first:** look at pixels 1 and 2 in this table. Under p(x), what is the sign of their covariance? Could it be 0, as pixels "are
# independent"?

# %% tags=["answer"]
pixel = p @ images  # p(x_d = 1)
independent = np.prod(np.where(images == 1, pixel, 1 - pixel), axis=1)
dependence = np.sum(p * np.log(p / independent))
weight = prior * dz
covariance = (weight * on[:, 0] * on[:, 1]).sum() - (weight @ on[:, 0]) * (weight @ on[:, 1])
both = p @ (images[:, 0] * images[:, 1]) - pixel[0] * pixel[1]
print(f"covariance of pixels 1 and 2: {both:.6f}, of their means over z: {covariance:.6f}")
print(f"KL(p(x) || product of its pixels): {dependence:.3f} nats")
assert abs(both - covariance) < 1e-10 and both < -0.05 and np.abs(pixel - weight @ on).max() < 1e-10
assert abs(independent.sum() - 1) < 1e-12 and 0.4 < dependence < 0.5

# %% [markdown] tags=["answer"]
# Negative: as z grows, one mean rises and the other falls, and the covariance of the pixels is the covariance of these two means. Replacing p(x)
# by the product of its pixels would lose 0.44 nats.

# %% [markdown]
# The model that returns below: $x = z^2 + \sqrt{\eta}\,\varepsilon$ with $\eta = 0.1$, so $\mathbb{E}x = \mathbb{E}z^2 = 1$ and
# $\mathrm{Var}\,x = \mathrm{Var}\,z^2 + \eta = 2.1$. Drawing from it takes two lines; its density takes an integral for every x.

# %%
ETA = 0.1


def log_px_square(x, z):
    """log N(x; z^2, ETA), for x of shape (1,) and z of shape (M, 1)."""
    return gaussian_forward(z**2, x, ETA)[0]


square = GridPosterior(log_px_square, n_latent=1, width=9)
xs = np.linspace(-3, 60, 3151)
density = np.exp(square.log_evidence(xs[:, None]))
dx = xs[1] - xs[0]
mass = density.sum() * dx
mean = (density * xs).sum() * dx
variance = (density * (xs - mean) ** 2).sum() * dx
print(f"p(x) integrates to {mass:.8f}; mean {mean:.6f}, variance {variance:.6f}")
assert abs(mass - 1) < 1e-8 and abs(mean - 1) < 1e-7 and abs(variance - 2.1) < 1e-6

x_drawn = rng.standard_normal(20_000) ** 2 + np.sqrt(ETA) * rng.standard_normal(20_000)
border = 0.51  # halfway between two grid points: a sum of cells then ends where the integral does
below = density[xs < border].sum() * dx
print(f"20,000 draws: {(x_drawn < border).mean():.3f} lie below {border}, by the integral {below:.3f}")
assert abs((x_drawn < border).mean() - below) < 4 * np.sqrt(below * (1 - below) / 20_000)

fig, ax = plt.subplots()
ax.hist(x_drawn, bins=np.arange(-2, 8.01, 0.1), density=True, color="#BBBBBB", label="20,000 draws: z, then x")
ax.plot(xs[xs < 8], density[xs < 8], label="the integral over z")
ax.set(xlabel="x", ylabel="p(x)", title="Two ways to the same marginal: x = z² + noise", xlim=(-1.5, 6))
ax.legend()
plt.show()

# %% [markdown]
# ## 3. Two models without the integral: autoregressive and reversible
#
# *Items: D3-30, D2-3.*
#
# The slides: autoregressive models write $p(x) = \prod_i p(x_i\mid x_{<i})$ (D3); in reversible models z and x have the same size, so the dimension
# cannot be reduced (D2).
#
# **Autoregressive.** The chain rule of probability is exact and needs no z. It sums to one whatever the conditionals are, trained or not: sum
# over the last pixel first, $\sum_{x_D} p(x_D\mid x_{<D}) = 1$, then over the one before it, and so on. The price: D steps to draw one x, one
# after another, and no code z.

# %%
pixels = np.array([[k >> d & 1 for d in range(10)] for k in range(1024)], dtype=float)
A = np.tril(rng.normal(0, 2, (10, 10)), -1)  # pixel i sees only the pixels before it
bias = rng.standard_normal(10)
log_p, _ = bernoulli_forward(pixels @ A.T + bias, pixels)  # sum over i of log p(x_i | x_<i)
total = np.exp(log_p).sum()
print(f"autoregressive, random weights: sum over 1024 images {total:.10f}")
assert abs(total - 1) < 1e-12
seeing = np.exp(bernoulli_forward(pixels @ (A + np.triu(np.ones((10, 10)))).T + bias, pixels)[0]).sum()
print(f"if a pixel saw itself and later ones: {seeing:.3f}, no distribution")
assert abs(seeing - 1) > 0.1

# %% [markdown]
# That was a linear model. With a network for each conditional it would cost D networks; MADE (Germain and others, 2015) asks one network for all
# of them **[MADE.3]**,
# $$\log p(x) = \sum_i \log p(x_i\mid x_{<i}),\qquad p(x_i = 1\mid x_{<i}) = \sigma(\ell_i),\qquad \ell = \text{network}(x),$$
# which is allowed if $\partial\ell_i/\partial x_j = 0$ for all $j\ge i$. An output depends on an input by the *paths* between them. Number
# the inputs 1 to D and every hidden unit from 1 to D − 1, and keep a weight only where it climbs: into a hidden unit from numbers up to its
# own, into output i from numbers below i. Along a path from $x_j$ the numbers never fall, and the last is below i: so $j<i$.
#
# A mask M of zeros and ones keeps these weights, $y_o = \sum_i x_i M_{io}W_{io} + b_o$ **[MADE.1]**. By the chain rule
# $dW_{io} = M_{io}\sum_n x_{ni}\,dy_{no}$ and $dx_{ni} = \sum_o dy_{no}\,M_{io}W_{io}$ **[MADE.2]**: no step moves a weight that is masked.

# %%
show(autoregressive_masks, masked_dense_forward, masked_dense_backward)

# %% [markdown]
# **Predict first:** 10 pixels, 30 hidden units. Which share of the weights survives the two masks?

# %% tags=["answer"]
masks = autoregressive_masks((10, 30, 10))
share = sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)
paths = (masks[0].astype(int) @ masks[1]).T  # from every input to every output
fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), width_ratios=(3, 3, 1.6))
for ax, shown, title in zip(axes, (masks[0], masks[1].T, paths), ("mask into the hidden layer", "mask out of it", "paths")):
    ax.imshow(shown, cmap="Greys")
    ax.set(title=title, xticks=[], yticks=[])
axes[0].set(xlabel="hidden units", ylabel="pixels, in order")
axes[1].set(xlabel="hidden units", ylabel="outputs")
axes[2].set(xlabel="pixels", ylabel="outputs")
plt.show()
print(f"{share:.2f} of the weights survive; paths to an output from its own pixel or a later one: {np.triu(paths).sum()}")
assert np.triu(paths).sum() == 0 and np.all(paths[np.tril_indices(10, -1)] > 0) and abs(share - 0.5) < 0.04

# %% [markdown] tags=["answer"]
# About half: the matrix of all paths is the strict triangle of the linear model above, which has half of the entries, too.

# %%
made = MADE(10, hidden=(30,), dtype="float64")
made.theta[...] = np.random.default_rng(1).normal(0, 2, made.theta.size)
total = np.exp(made.log_prob(pixels)).sum()
print(f"masked network, random weights: sum over 1024 images {total:.10f}")
assert abs(total - 1) < 1e-12
B_train, B_test, _, _ = train_test_split(*((a >= 0.5) if a.ndim == 2 else a for a in load_digits()), seed=0)

# %% [markdown]
# **Predict first:** train it on digits of 64 binary pixels, 200 hidden units. Does $\log p(x)$ of new digits keep rising?

# %% tags=["answer"]
made, adam, curve = MADE(64, (200,)), Adam(lr=3e-3), []
for _ in range(6):
    made.fit(B_train, epochs=25, batch_size=50, optimizer=adam, progress=False)
    curve.append((made.epoch, made.score(B_train), made.score(B_test)))
for epochs, of_train, of_test in curve:
    print(f"{epochs:3} epochs: log p of the digits it learned from {of_train:6.2f}, of new ones {of_test:6.2f} nats")
of_test = np.array(curve)[:, 2]
assert -17.5 < of_test.max() < -17.0 and 1 <= of_test.argmax() <= 3 and of_test[-1] < of_test.max() - 0.2
assert np.all(np.diff(np.array(curve)[:, 1]) > 0)

# %% [markdown] tags=["answer"]
# To about −17.2, between 50 and 100 epochs, and then it falls, while $\log p$ of the training digits still rises: an exact likelihood does not
# protect from overfitting. Over three seeds, 80 epochs: −17.25 (a VAE with K = 8, trained alike: −17.55 by importance sampling, section 9;
# independent pixels: −25.2). What MADE does not have is a code; and it draws pixel after pixel, in 64 passes.

# %% [markdown]
# **Reversible.** With $x = G(z)$, $G$ invertible and differentiable, probability mass is kept: $p(x)\,|dx| = p(z)\,|dz|$, so
# $$\log p(x) = \log p_z(G^{-1}(x)) - \log\left|\det \frac{\partial G}{\partial z}\right| .$$
# A determinant needs a square matrix: K = D. If K < D the Jacobian is D × K, and the image of $G$ has no volume (section 4). A coupling layer,
# $x_1 = z_1,\ x_2 = z_2\,e^{s(z_1)} + t(z_1)$, has the Jacobian $\begin{pmatrix}1&0\\ \ast&e^{s}\end{pmatrix}$ with log-determinant $s(z_1)$. It is
# solved for z without inverting s or t, since $z_1=x_1$ passes: **[COUP.1]**
# $$z_2 = (x_2-t)\,e^{-s},\qquad \log\left|\det\frac{\partial z}{\partial x}\right| = -s .$$
# Here $s(z_1) = \tfrac12\sin 2z_1$, as often positive as negative, and $t(z_1) = \tfrac12z_1^2$.
#
# **Predict first:** leave the determinant out and integrate $p_z(G^{-1}(x))$ over the plane. Is the result below 1, 1, or above?


# %% tags=["answer"]
def s(z1):
    """Log-scale of the coupling layer."""
    return 0.5 * np.sin(2 * z1)


def t(z1):
    """Shift of the coupling layer."""
    return 0.5 * z1**2


axis = np.linspace(-7, 7, 281)
x1, x2 = np.meshgrid(axis, np.linspace(-15, 40, 2201), indexing="ij")
cell = (axis[1] - axis[0]) * (x2[0, 1] - x2[0, 0])
z1, z2 = x1, (x2 - t(x1)) * np.exp(-s(x1))  # the exact inverse
without = -(z1**2 + z2**2) / 2 - np.log(2 * np.pi)
log_p = without - s(z1)
total, wrong = np.exp(log_p).sum() * cell, np.exp(without).sum() * cell
expected = (prior * np.exp(s(z))).sum() * dz
print(f"with the determinant {total:.8f}, without it {wrong:.6f}; E exp(s(z1)) = {expected:.6f}")
assert abs(total - 1) < 1e-9 and abs(wrong - expected) < 1e-9 and wrong > 1.05

# %% [markdown] tags=["answer"]
# Above: what is counted is $\int p_z(G^{-1}(x))\,dx = \int p_z(z)\,|\det|\,dz = \mathbb{E}\,e^{s(z_1)}$, and by Jensen's inequality
# $\mathbb{E}\,e^{s} \ge e^{\mathbb{E}s} = e^0 = 1$, with equality for a constant s only.

# %%
z_drawn = rng.standard_normal((1000, 2))
x_pair = np.stack([z_drawn[:, 0], z_drawn[:, 1] * np.exp(s(z_drawn[:, 0])) + t(z_drawn[:, 0])], axis=1)
back = (x_pair[:, 1] - t(x_pair[:, 0])) * np.exp(-s(x_pair[:, 0]))
assert np.abs(back - z_drawn[:, 1]).max() < 1e-12
print("z -> x -> z comes back, to 12 digits: no dimension is lost")
rank = np.linalg.matrix_rank(W)
print(f"a decoder from K = 8 to D = 64: Jacobian {W.shape}, rank {rank}; det(J J') = 0, no change of variables")
assert W.shape == (64, 8) and rank == 8

# %% [markdown]
# **A chain of layers.** One layer leaves $x_1$ as it is; the next one keeps $x_2$ and moves $x_1$. Of a chain $z = f_T(\dots f_1(x))$ the Jacobian is a
# product, so the log-determinants add **[REV.1]**:
# $$\log p(x) = \log\mathcal{N}(z;0,I) + \sum_{i=1}^{T}\log\left|\det\frac{\partial f_i}{\partial f_{i-1}}\right| ,\qquad f_0 = x .$$
# This is log p(x) itself, so it is trained by its own gradient: no q, no bound, no sampling. s and t of every layer are a network of what is kept
# (Dinh et al.'s RealNVP). Backwards, from $z=(x-t)\,e^{-s}$ we read off $\partial z/\partial x=e^{-s}$, $\partial z/\partial t=-e^{-s}$ and
# $\partial z/\partial s=-z$; the log-determinant has the slope −1 in every s. So **[COUP.2]**
# $$dx = dz\,e^{-s},\qquad dt = -dx,\qquad ds = -dz\,z - d\mathrm{log\_det} .$$
# What is kept is used twice, as itself and by the network $n_i$ that says $(s,t)=n_i(\mathrm{kept})$, so its two gradients add up. From the last layer
# to the first **[REV.2]**,
# $$d\mathrm{moved}\leftarrow d\mathrm{moved}\;e^{-s},\qquad
# d\mathrm{kept}\leftarrow d\mathrm{kept}+\Big(\frac{\partial n_i}{\partial\,\mathrm{kept}}\Big)^{\!\top}(ds,dt) .$$
#
# In the code `kept` and `moved` are masks of the columns, and `cut` takes the network's outputs apart.

# %%
show(coupling_forward, coupling_backward, flow_forward, flow_backward)

# %% [markdown]
# Two sets of points whose density is known. The *banana*: $x_1=a$, $x_2=\tfrac12a^2-\tfrac12+\tfrac15b$ for normal a and b, which is one coupling layer
# with a constant $s$. The *pinwheel*: five separate arms. A flow of six layers is trained on 2,000 points of each.
#
# **Predict first:** f is continuous, and so is its inverse. z fills the plane in one piece. What will the flow make of the gaps between five arms?

# %% tags=["answer"]
fig, axes = plt.subplots(1, 2, figsize=(11, 5))
across, up = np.linspace(-3.5, 3.5, 281), np.linspace(-2.5, 4.5, 281)
plane = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
inside, flows = {}, {}
for ax, name, hidden, lr in zip(axes, ("banana", "pinwheel"), ((16,), (32, 32)), (0.02, 0.01)):
    flow = flows[name] = CouplingFlow(2, hidden=hidden)
    flow.fit(synthetic(name, 2000), epochs=80, optimizer=Adam(lr), decay=True, progress=False)
    density = np.exp(flow.log_prob(plane))
    inside[name] = density.sum() * (across[1] - across[0]) * (up[1] - up[0])
    ax.contourf(across, up, density.reshape(281, 281), density.max() * np.geomspace(0.01, 1, 10), cmap="Blues")
    ax.plot(*synthetic(name, 300, seed=1).T, "k.", ms=3)
    ax.set(xlabel="x₁", ylabel="x₂", title=f"{name}: the flow's p(x), and data", aspect="equal", xlim=(-3.5, 3.5), ylim=(-2.5, 4.5))
plt.show()
fresh = synthetic("banana", 20_000, seed=2)
truth = -(fresh[:, 0] ** 2 + ((fresh[:, 1] - fresh[:, 0] ** 2 / 2 + 0.5) / 0.2) ** 2) / 2 - np.log(2 * np.pi * 0.2)
kl_banana = (truth - flows["banana"].log_prob(fresh)).mean()
print(f"KL(truth || flow) of the banana: {kl_banana:.3f} nats")
print("mass inside the picture:", {name: round(float(mass), 3) for name, mass in inside.items()})
assert -0.01 < kl_banana < 0.15 and 0.97 < inside["banana"] < 1.001 and 0.97 < inside["pinwheel"] < 1.001

# %% [markdown] tags=["answer"]
# It cannot make them empty. The arms are images of parts of one plane, so bridges of density join them, and the mass on the bridges is missing
# in the arms. After a longer training (the tests, three seeds) the KL that is left is .018 ± .008 nats for the banana, where the best Gaussian
# has 1.29, and .57 ± .09 for the pinwheel, where it has 1.35.

# %% tags=["rounding"]
bridge = {}
for name, flow in flows.items():
    data = synthetic(name, 4000, seed=3)
    for kind, points in (("fresh data", synthetic(name, 1000, seed=4)), ("the flow", flow.sample(1000, rng=0))):
        nearest = np.array([np.sqrt(((point - data) ** 2).sum(1).min()) for point in points])
        bridge[f"{name}, {kind}"] = (nearest > 0.15).mean()
    double = flow.copy("float64")
    code = double.transform(data)
    assert np.abs(double.inverse_transform(code) - data).max() < 1e-10 and code.shape == data.shape
for name, share in bridge.items():
    print(f"{name:22} {share:5.1%} lie further than 0.15 from all of 4,000 data")
assert bridge.pop("pinwheel, the flow") > 0.05 and max(bridge.values()) < 0.03
print("and two numbers of x have become two numbers of z: nothing is summarised")

# %% [markdown]
# ## 4. A deterministic decoder has no density
#
# *Items: D2-25, D2-26.*
#
# The slide: if z is low-dimensional and the decoder deterministic, then p(x) = 0 almost everywhere; the solution is a noisy observation model,
# $p(x\mid z) = \mathcal{N}(x;\,G_\theta(z),\,\eta I)$.
#
# The solution is right, and the problem is a little worse. *A nuance to D2 (E34):* a function that is zero almost everywhere integrates to 0,
# not to 1, so it is not the density of anything. The image of $G$ is a set of volume 0 that carries probability 1: the distribution is *singular*
# and has *no density at all*. Maximum likelihood has nothing to maximise.
#
# Both halves of "singular" for the curved decoder $G(z)=(z, z^2)$: every draw lies on the curve, and the area of the squares that cover the
# curve goes to 0 with their side.


# %%
def covering(side, n=600_001):
    """Corners of the squares of a lattice that the curve meets for |z| < 3, of shape (squares, 2)."""
    fine = np.linspace(-3, 3, n)
    column, row = np.floor(fine / side), np.floor(fine**2 / side)
    first = np.unique(column * 100_003 + row, return_index=True)[1]  # one number for each square
    return side * np.stack([column[first], row[first]], axis=1)


sides = np.array([0.1, 0.05, 0.025, 0.0125])
counts = np.array([len(covering(side)) for side in sides])
for side, squares in zip(sides, counts):
    print(f"squares of side {side}: {squares:5d} cover 99.7 % of the probability, total area {squares * side**2:.3f}")
assert np.all(np.abs(counts * sides / (6 + 18) - 1) < 0.02)  # 6/side steps to the right, 18/side up and down
print("the area is 24 times the side: it goes to 0")
corners = covering(0.5)
assert np.array_equal(corners.min(0), [-3, 0]) and np.array_equal(corners.max(0), [3, 9])

fig, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 4.9))
for ax, side in zip(axes, (0.5, 0.125)):
    for corner in covering(side, 60_001):
        ax.add_patch(plt.Rectangle(corner, side, side, facecolor="#BBBBBB", edgecolor="white", lw=0.5))
    curve = np.linspace(-3, 3, 301)
    ax.plot(curve, curve**2, color="black", lw=2)
    ax.set(xlabel="x₁", xlim=(-2.1, 2.1), ylim=(-0.3, 4.2), aspect="equal", title=f"squares of side {side}")
axes[0].set_ylabel("x₂")
fig.suptitle("All draws lie on the curve; the area that covers it vanishes")
plt.show()

# %% [markdown]
# What happens as the noise goes to zero can be read off exactly in the linear model. Let $W = U\,\mathrm{diag}(s)\,V^\top$ (singular values
# $s_1..s_K$), $a = U^\top(x-b)$ the coordinates in the decoder's plane, and $\mathrm{dist}^2 = \|x-b\|^2 - \|a\|^2$ the squared distance to it. The
# covariance $WW^\top+\eta I$ has eigenvalues $s_j^2+\eta$ along the columns of U and $\eta$ in the other D − K directions. So
# $$\log|WW^\top+\eta I| = \sum_{j\le K}\ln(s_j^2+\eta) + (D-K)\ln\eta ,\qquad
# (x-b)^\top(WW^\top+\eta I)^{-1}(x-b) = \sum_{j\le K}\frac{a_j^2}{s_j^2+\eta} + \frac{\mathrm{dist}^2}{\eta},$$
# and, since the Gaussian log-density is $-\tfrac12$ of the quadratic form, the log-determinant and $D\ln 2\pi$ together,
# $$\log p(x) = -\frac{\mathrm{dist}^2}{2\eta} - \frac{D-K}{2}\ln\eta
# - \frac12\sum_{j\le K}\Big[\ln(s_j^2+\eta) + \frac{a_j^2}{s_j^2+\eta}\Big] - \frac D2\ln 2\pi .$$
# As $\eta\to0$ the sum stays bounded. On the plane the first term is absent: $\log p\to+\infty$.
#
# **Predict first:** take a point at distance 0.1 from a line in three dimensions, and let η shrink from 1 to 0.00001. Does its log p(x) rise,
# fall, or first one and then the other? Where does it turn?

# %% tags=["answer"]
line = PPCA(1)
line.W_, line.mean_ = np.array([[1.0], [0.5], [-0.5]]), np.zeros(3)
u = line.W_[:, 0] / np.linalg.norm(line.W_)
away = np.array([0.0, 1.0, 1.0]) / np.sqrt(2)  # orthogonal to u
points = np.array([0.8 * u, 0.8 * u + 0.1 * away])
dist2 = (points**2).sum(1) - (points @ u) ** 2
assert np.abs(points @ u - 0.8).max() < 1e-12 and np.abs(dist2 - [0, 0.01]).max() < 1e-12
etas = np.logspace(0, -5, 501)
exact, formula = [], []
for line.noise_variance_ in etas:
    e, s2 = line.noise_variance_, 1.5
    exact.append(line.score_samples(points))
    bounded = -(np.log(s2 + e) + 0.8**2 / (s2 + e)) / 2 - 1.5 * np.log(2 * np.pi)
    formula.append(-dist2 / (2 * e) - (3 - 1) / 2 * np.log(e) + bounded)
exact, formula = np.array(exact), np.array(formula)
assert np.abs(exact - formula).max() < 1e-12 * np.abs(exact).max()
peak = etas[exact[:, 1].argmax()]
start, top, end = exact[0, 1], exact[:, 1].max(), exact[-1, 1]
print(f"at distance 0.1: log p(x) = {start:.2f} nats at eta = 1, {top:.2f} at eta = {peak:.3f}, {end:.1f} at 1e-5")
print(f"on the line:     log p(x) = {exact[0, 0]:.2f} nats at eta = 1, {exact[-1, 0]:.2f} at 1e-5")
assert abs(peak / 0.005 - 1) < 0.03 and exact[-1, 1] < exact[0, 1] - 400
slope = (exact[-1, 0] - exact[-101, 0]) / np.log(etas[-101] / etas[-1])
print(f"on the line log p grows by {slope:.3f} nats per unit of ln(1/eta); (D - K)/2 = 1")
assert abs(slope - 1) < 1e-3

# %% [markdown] tags=["answer"]
# First up, then down, to −∞. The first two terms have the derivative $\mathrm{dist}^2/2\eta^2 - (D-K)/2\eta$ by η, which is 0 at
# $\eta = \mathrm{dist}^2/(D-K) = 0.01/2 = 0.005$, the squared distance for each of the D − K directions off the line; the sum hardly moves there, as
# 0.005 is small against the $s_j^2$.
# Off the plane there is a best noise; on it there is none, less is always more.

# %% [markdown]
# ## 5. The rule of Bayes, and the integral under the line
#
# *Items: D1-34, D1-35, D4-10, D4-11, D1-24, D2-27, D2-28, D0-20.*
# *Short path.*
#
# The slides: posterior = likelihood × prior / evidence,
# $$p(z\mid x) = \frac{p(x\mid z)\,p(z)}{p(x)},\qquad p(x) = \int p(x\mid z)\,p(z)\,dz ,$$
# "this integral can be very complicated" (D1; *a correction (E21):* its $dz$ is missing), "quite difficult" (D4), "we cannot compute the
# expectation" (D0), "no hope of finding a closed form" for a complicated decoder (D2, beside a cartoon on integration); so the true posterior is
# "too hard to compute" (D1). The rule itself is one line: $p(z\mid x)\,p(x) = p(x,z) = p(x\mid z)\,p(z)$, divided by $p(x)$.
#
# Where is the difficulty? The numerator is easy: one decoder pass and two log-densities. The denominator adds it up over *all* z. The cartoon's
# point: differentiation has rules for every composition, which is why backpropagation exists; integration has none.
#
# **When there is a closed form.** With a linear decoder, complete the square in z. Write $c = x-b$ and $a = W^\top c/\eta$:
# $$\log p(x\mid z)+\log p(z) = -\frac{\|c-Wz\|^2}{2\eta}-\frac{\|z\|^2}{2}+\text{const}
# = -\frac12 z^\top\underbrace{\Big(I+\frac{W^\top W}{\eta}\Big)}_{\Lambda}z + z^\top a -\frac{\|c\|^2}{2\eta}+ \text{const}$$
# $$= -\frac12(z-m)^\top\Lambda\,(z-m) + \frac12a^\top\Lambda^{-1}a -\frac{\|c\|^2}{2\eta}+ \text{const},\qquad m = \Lambda^{-1}a ,$$
# with const $= -\tfrac D2\ln2\pi\eta-\tfrac K2\ln2\pi$. As a function of z this is a Gaussian, so $p(z\mid x) = \mathcal{N}(z;\,m,\,\Lambda^{-1})$;
# and its integral over z, by $\int e^{-\frac12(z-m)^\top\Lambda(z-m)}dz = (2\pi)^{K/2}|\Lambda|^{-1/2}$, is the evidence:
# $$\log p(x) = -\frac12\Big[\frac{\|c\|^2}\eta - a^\top\Lambda^{-1}a + D\ln 2\pi\eta + \ln|\Lambda|\Big].$$
# Only a K × K matrix enters; in the code it is called `M`. "No closed form" belongs to the nonlinear decoder. (Even there are exceptions: with
# ReLU units and K = 1, each linear piece gives an error function. But the number of pieces grows like a power K of the width.)
#
# **When a grid does.** For K = 1 or 2 quadrature is excellent: for smooth integrands that vanish at the border the error of equally spaced
# points falls faster than any power of the spacing.
#
# In the code `more_data` checks the shape of X, and `LOG_2PI` is ln 2π.

# %%
show(PPCA.posterior, PPCA.score_samples)

# %% [markdown]
# **Predict first:** the digits with K = 2. How many grid points on a side bring the error of log p(x) below a millionth of a nat, and what would the
# same grid cost at K = 10?

# %% tags=["answer"]
flat = PPCA(2).fit(X)
linear_vae = flat.to_vae()
covariance = flat.W_ @ flat.W_.T + flat.noise_variance_ * np.eye(64)
r = X[:20] - flat.mean_
truth = (
    -((r * np.linalg.solve(covariance, r.T).T).sum(1) + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2
)  # N(x; b, C), by D x D
assert np.abs(truth - flat.score_samples(X[:20])).max() < 1e-10
errors = {}
for side in (15, 29, 43, 57, 71):
    try:
        errors[side] = np.abs(GridPosterior(linear_vae, n=side).log_evidence(X[:20]) - truth).max()
        print(
            f"{side:3d} points on a side: largest error of log p(x)",
            f"{errors[side]:.0e} nats" if errors[side] > 1e-11 else "below 1e-11 nats",
        )
    except ValueError:
        print(f"{side:3d} points on a side: refused, the posterior is narrower than a cell")
assert 15 not in errors and 1e-3 < errors[29] < 1e-2 and errors[43] < 1e-5 and errors[57] < 1e-9 and errors[71] < 1e-11
decodings = 57.0**10
years = decodings / 1e6 / (365.25 * 24 * 3600)
print(f"57 points on a side at K = 10: {decodings:.1e} decoder passes for one datum")
print(f"at a million a second: {years:,.0f} years")
assert round(years) == 11_472

# %% [markdown] tags=["answer"]
# Between 43 and 57: a third more points on a side turn an error of 3e-6 into one of 5e-11. But the number of points is a power K: 57² is three
# thousand, and
# $57^{10}$ would take more than eleven thousand years. "Cannot be computed" means this, for a nonlinear decoder.

# %% [markdown]
# The grid also gives the posterior. Its moments, against those of the closed form:

# %%
grid = GridPosterior(linear_vae)
means, covariances = grid.moments(X[:20])
mu, log_sigma = linear_vae.encode(X[:20])
worst = max(np.abs(means - mu).max(), np.abs(covariances - np.exp(2 * log_sigma)[:, None] * np.eye(2)).max())
assert worst < 1e-9
by_formula = (X[:20] - flat.mean_) @ flat.W_ @ np.linalg.inv(np.eye(2) * flat.noise_variance_ + flat.W_.T @ flat.W_)
assert np.abs(np.linalg.norm(mu, axis=1) - np.linalg.norm(by_formula, axis=1)).max() < 1e-9  # the VAE's z are rotated
print("posterior means and covariances by grid and closed form: the same to 9 digits")

# %% [markdown]
# ## 6. The mode without the evidence, and what it does not tell
#
# *Items: D1-36, D1-37, D1-38.*
#
# The slide: was it not all right to ignore p(x)? In maximum a posteriori (MAP) estimation it is,
# $$\arg\max_z p(z\mid x) = \arg\max_z \frac{p(x\mid z)\,p(z)}{p(x)} = \arg\max_z p(x\mid z)\,p(z),$$
# because $p(x)$ is positive and does not depend on z. That suffices for a class label; but "finding the mode of the distribution is different from
# knowing the distribution".
#
# For a label, z takes a few values. The argmax needs no evidence; only the *confidence* does, and there the integral is a short sum. Two classes
# of weight 0.3 and 0.7, with x normal around −1 and 1: the ratio of the joints is $\frac37e^{-2x}$, so the confidence in the second class is
# $1/(1+\frac37e^{-2x})$.

# %%
x_label = np.linspace(-10, 10, 1001)
joint = np.stack([w * np.exp(-((x_label - m) ** 2) / 2) / np.sqrt(2 * np.pi) for w, m in ((0.3, -1), (0.7, 1))])
evidence = joint.sum(0)
posterior = joint / evidence
assert abs(evidence.sum() * (x_label[1] - x_label[0]) - 1) < 1e-9
assert np.abs(posterior[1] - 1 / (1 + 3 / 7 * np.exp(-2 * x_label))).max() < 1e-12
k = np.abs(x_label - 2).argmin()
print(f"x =  2.00: joints {joint[:, k].round(4)}, label {joint[:, k].argmax()}; its probability {posterior[1, k]:.3f}")
sure = np.abs(x_label - 0.5 * np.log(3 / 7)).argmin()
label, chance = joint[:, sure].argmax(), posterior[1, sure]
print(f"x = {x_label[sure]:.2f}: joints {joint[:, sure].round(4)}, label {label}; its probability {chance:.3f}")
assert abs(posterior[1, sure] - 0.5) < 0.01 and joint[1, sure] < 0.25

# %% [markdown]
# Now the decoder $z^2$ with $x = 4$, $\eta = 0.1$. The modes come from the derivative of the log joint, without any integral:
# $$\frac{d}{dz}\Big[-\frac{(x-z^2)^2}{2\eta}-\frac{z^2}{2}\Big] = \frac{2z\,(x-z^2)}{\eta}-z = 0
# \quad\Longrightarrow\quad z = 0\ \text{(a minimum) or}\ z^2 = x-\frac{\eta}{2} = 3.95,\quad z=\pm1.9875 .$$
#
# **Predict first:** what is the posterior mean, and how well does it reconstruct x = 4?

# %% tags=["answer"]
fine_grid = GridPosterior(log_px_square, n_latent=1, n=140_001, width=7.0)  # spacing 1e-4
x_seen = np.array([4.0])
post, zs = fine_grid.posterior(x_seen), fine_grid.z[:, 0]
modes = np.sort(fine_grid.modes(x_seen)[:, 0])
mean, covariance = fine_grid.moments(x_seen[None])
posterior_mean, spread = float(mean[0, 0]), float(np.sqrt(covariance[0, 0, 0]))
near_mean = post[np.abs(zs) < 1].sum() * fine_grid.cell
assert len(modes) == 2 and np.abs(modes - np.sqrt(3.95) * np.array([-1, 1])).max() < 1e-4
assert abs(posterior_mean) < 1e-12 and near_mean < 1e-12 and 1.95 < spread < 2.0
print(f"modes {modes.round(4)}; mean 0, standard deviation {spread:.4f}")
print(f"probability within 1 of the mean: {near_mean:.0e}; decoded mean 0.00, decoded mode {modes[1] ** 2:.2f}, x = 4")

fig, ax = plt.subplots()
ax.plot(zs[::20], post[::20], label="p(z | x = 4)")
ax.plot(modes, [post.max()] * 2, "v", ms=12, label="its modes (MAP)")
ax.plot(posterior_mean, 0, "s", ms=10, label="its mean")
ax.set(xlabel="z", ylabel="posterior density", xlim=(-3, 3), title="Neither mode nor mean is the distribution")
ax.legend(loc="upper center")
plt.show()

# %% [markdown] tags=["answer"]
# The mean is 0, by symmetry, and decodes to 0: it stands where there is hardly any probability, and explains x = 4 worse than anything the
# posterior holds. MAP answers "+1.9875" and hides that −1.9875 is as good.

# %% [markdown]
# A second defect of the mode: it depends on the coordinate. The *same* latent variable written as $u = e^z$ has the density
# $p(u\mid x) = p(z\mid x)/u$, whose logarithm is $\log p(z\mid x) - z$ up to a constant. So the condition is $2z(x-z^2)/\eta - z - 1 = 0$.

# %%
at_right = (fine_grid.z[:, 0] > 0.5) & (fine_grid.z[:, 0] < 3)
z_right, density_right = fine_grid.z[at_right, 0], fine_grid.posterior(x_seen)[at_right]
mode_z = z_right[density_right.argmax()]
mode_u = np.exp(z_right)[np.argmax(density_right / np.exp(z_right))]
print(f"right mode in z: {mode_z:.4f}; in u = exp(z), taken back to z: {np.log(mode_u):.4f}")
by_hand = np.roots([-2, 0, 8 - ETA, -ETA]).real.max()  # the condition, times eta
assert abs(np.log(mode_u) - by_hand) < 1e-4 and mode_z - np.log(mode_u) > 5e-3

# %% [markdown]
# ## 7. Naive Monte Carlo: the bias and the variance, exactly
#
# *Items: D0-21.*
# *Short path.*
#
# The slide: the estimate $\log p(x)\approx\log p(x\mid z)$ with $z\sim p(z)$ is biased and noisy. Both words can be made exact. *A correction to
# D0 (E12):* the sample $p(x\mid z)$ is unbiased for $p(x)$; it is the *logarithm* that makes it biased.
#
# **Bias [NAIVE.1].** Take logarithms of Bayes' rule, $\log p(x\mid z) = \log p(x) + \log p(z\mid x) - \log p(z)$, and average over the prior:
# $$\mathbb{E}_{p(z)}\log p(x\mid z) = \log p(x) - \mathbb{E}_{p(z)}\log\frac{p(z)}{p(z\mid x)}
# = \log p(x) - \mathrm{KL}\big(p(z)\,\|\,p(z\mid x)\big).$$
# So the bias is exactly $-\mathrm{KL}(p(z)\|p(z\mid x))$: the mean of the estimate is the ELBO with q = p(z) (notebook 05). It is large when the datum is
# informative, which is when the latent variable is of use.
#
# In the linear model everything is Gaussian. Between $p=\mathcal{N}(0,I)$ and $\mathcal{N}(m,\Lambda^{-1})$ the mean of
# $\log p(z)-\log p(z\mid x) = \tfrac12\big[(z-m)^\top\Lambda(z-m)-\|z\|^2-\ln|\Lambda|\big]$, with $\mathbb{E}zz^\top=I$, is
# $$\mathrm{KL} = \frac12\big(\mathrm{tr}\,\Lambda + m^\top\Lambda m - K - \ln|\Lambda|\big).$$
#
# **Variance.** With $c = x-b$, $\;\log p(x\mid z) = \text{const} + c^\top Wz/\eta - z^\top W^\top Wz/2\eta$. The linear and the quadratic part are
# uncorrelated (their product is odd in z). $\mathrm{Var}(c^\top Wz) = \|W^\top c\|^2$, and $\mathrm{Var}(z^\top Az) = 2\,\mathrm{tr}A^2$ for a
# symmetric A: in the eigenbasis of A it is $\sum_j\alpha_j^2\,\mathrm{Var}(z_j^2)$, and $\mathrm{Var}(z_j^2)=3-1=2$. So
# $$\mathrm{Var}_{p(z)}\log p(x\mid z) = \frac{\|W^\top c\|^2}{\eta^2} + \frac{\mathrm{tr}\,(W^\top W)^2}{2\eta^2}.$$
#
# In the code `vae.parts` holds what the model is made of: here its prior and its likelihood. `own_values` are learned parameters of theirs; N(0, I)
# has none. `scaled(check_data(X))` is X itself, checked; `generator` makes a source of random numbers from a seed, in the stream `EVALUATION`. The logarithm of a mean of
# exponentials is called `iwae_bound_forward`, after its use in 05; its first output is meant.

# %%
show(naive_log_likelihood, iwae_bound_forward)

# %% [markdown]
# **Predict first:** digits, K = 8, log p(x) about 14 nats on average. How far below it does a single naive sample fall on average: 1, 10 or 100 nats?

# %% tags=["answer"]
vae = model.to_vae()  # the same p(x); its W has orthogonal columns
few = X[:5]
log_px = model.score_samples(few)
W, b = vae.params["decoder.out.W"].T, vae.params["decoder.out.b"]
c = few - b
precision = np.eye(8) + W.T @ W / eta
m = np.linalg.solve(precision, W.T @ c.T / eta).T
kl = (np.trace(precision) + np.einsum("ni,ij,nj->n", m, precision, m) - 8 - np.linalg.slogdet(precision)[1]) / 2
expected = -((c**2).sum(1) + np.sum(W**2)) / (2 * eta) - 32 * np.log(2 * np.pi * eta)  # E log p(x|z), by hand
print(f"mean log p(x) over the digits: {model.score(X):.6f} nats")
assert abs(model.score(X) - 14.20978832) < 1e-7
print("exact bias, -KL(prior || posterior):", (-kl).round(2))
assert np.abs(expected - log_px + kl).max() < 1e-9
variance = ((c @ W) ** 2).sum(1) / eta**2 + np.sum((W.T @ W) ** 2) / (2 * eta**2)

single = np.stack([naive_log_likelihood(vae, few, 1, rng=seed) for seed in range(3000)])
difference, error = single.mean(0) - log_px + kl, standard_error(single)
print("bias measured over 3000 draws:      ", (single.mean(0) - log_px).round(2))
print("difference, in standard errors:     ", (difference / error).round(1))
assert np.all(np.abs(difference) < 4 * error) and np.all(error < 1.5)
print("standard deviation, exact:          ", np.sqrt(variance).round(2))
print("standard deviation, measured:       ", single.std(0).round(2))
fourth = ((single - single.mean(0)) ** 4).mean(0)
error = np.sqrt((fourth - single.var(0) ** 2) / 3000)  # of a sample variance
assert np.all(np.abs(single.var(0) - variance) < 4 * error) and np.all(error < 0.05 * variance)

# %% [markdown] tags=["answer"]
# About 100 nats below, seven times the mean log p(x); the standard deviation is about 50. With nothing trained, the decoder is the best linear one;
# it is the estimate that fails, because a z from the prior hardly ever explains this digit.

# %% [markdown]
# The same identity holds without any Gaussian posterior. For the decoder z² with η = 1 the left side is known by hand, since
# $\mathbb{E}(x-z^2)^2 = x^2-2x+3$; the evidence and the posterior of the right side come from the grid.

# %%
smooth = GridPosterior(lambda x, z: gaussian_forward(z**2, x, 1.0)[0], n_latent=1, width=5.9)
grid_z = smooth.z[:, 0]
grid_prior = np.exp(-(grid_z**2) / 2) / np.sqrt(2 * np.pi)
for x_value in (0.0, 4.0):
    by_hand = -(x_value**2 - 2 * x_value + 3) / 2 - np.log(2 * np.pi) / 2
    bias = by_hand - smooth.log_evidence([[x_value]])[0]
    kl_grid = (grid_prior * np.log(grid_prior / smooth.posterior([x_value]))).sum() * smooth.cell
    print(f"x = {x_value:.0f}: bias by hand and evidence {bias:.5f} nats, -KL(prior || posterior) {-kl_grid:.5f} nats")
    assert abs(bias + kl_grid) < 1e-5

# %% [markdown]
# ## 8. More samples inside the logarithm
#
# *Items: D0-21.*
#
# Average inside the logarithm: $\hat p_L = \frac1L\sum_l p(x\mid z_l)$ is unbiased for p(x), and by Jensen
# $\mathbb{E}\log\hat p_L \le \log\mathbb{E}\,\hat p_L = \log p(x)$.
#
# **Doubling L raises it.** Split 2L samples into two halves, $\hat p_{2L} = \tfrac12(\hat p_L + \hat p_L')$. The logarithm is concave:
# $\log\hat p_{2L} \ge \tfrac12(\log\hat p_L+\log\hat p_L')$, for *every* draw; take
# expectations: $\mathbb{E}\log\hat p_{2L}\ge\mathbb{E}\log\hat p_L$.
#
# **How fast.** Write $\hat p_L = p(x)(1+u)$ with $\mathbb{E}u=0$, $\mathbb{E}u^2=\rho/L$, $\rho=\mathrm{Var}\,p(x\mid z)/p(x)^2$. From
# $\log(1+u) = u-u^2/2+\dots$ the bias is $-\rho/2L$, up to terms that fall faster. For a linear decoder ρ is exact: in the square of a Gaussian
# density the exponent doubles, which is a Gaussian of half the variance, and the constants that are left over are
# $(2\pi\eta)^{-D}(\pi\eta)^{D/2} = (4\pi\eta)^{-D/2}$. So $\mathcal{N}(x;\mu,\eta I)^2 = (4\pi\eta)^{-D/2}\,\mathcal{N}(x;\mu,\tfrac\eta2I)$, and
# $$\mathbb{E}\,p(x\mid z)^2 = (4\pi\eta)^{-D/2}\,\mathcal{N}\big(x;\,b,\,WW^\top+\tfrac\eta2 I\big).$$
#
# The scalar model $x = z+\sqrt{\eta}\,\varepsilon$, $\eta=0.1$, $x=1$, with a million samples for each L. At L = 1 the bias is known by section 7,
# with $\Lambda = 11$ and $m = 10/11$; at L = 2 by quadrature over two z.
#
# **Predict first:** the bias is −8.35 nats at L = 1. At L = 256: a sixteenth of it, a 256th, or less?

# %% tags=["answer"]
x1 = 1.0


def log_normal(x, variance):
    """log N(x; 0, variance)."""
    return -(x**2 / variance + np.log(2 * np.pi * variance)) / 2


log_p = log_normal(x1, 1 + ETA)
rho = np.exp(-np.log(4 * np.pi * ETA) / 2 + log_normal(x1, 1 + ETA / 2) - 2 * log_p) - 1
by_quadrature = np.sum(prior * dz * np.exp(2 * log_normal(x1 - z, ETA) - 2 * log_p)) - 1
print(f"rho: closed form {rho:.8f}, by quadrature {by_quadrature:.8f}")
assert abs(rho - by_quadrature) < 1e-9
kl_prior = (11 + 11 * (10 / 11) ** 2 - 1 - np.log(11)) / 2
log_at, weight = log_normal(x1 - z[::10], ETA), prior[::10] * 10 * dz
assert abs(weight @ np.exp(log_at - log_p) - 1) < 1e-9  # E p(x|z) = p(x)
exact_2 = weight @ (np.logaddexp(log_at[:, None], log_at) - np.log(2)) @ weight - log_p
sizes = 2 ** np.arange(0, 11)
bias, error = np.empty(len(sizes)), np.empty(len(sizes))
for i, L in enumerate(sizes):  # fresh samples for every L
    log_ratio = iwae_bound_forward(log_normal(x1 - rng.standard_normal((L, 2**20 // L)), ETA))[0] - log_p  # log(1 + u)
    clean = log_ratio - np.expm1(log_ratio)  # E u = 0 exactly, so subtracting u removes noise and no bias
    bias[i], error[i] = clean.mean(), standard_error(clean)
    print(f"L = {L:4d}: bias {bias[i]:8.4f} ± {error[i]:.4f} nats; -rho/2L = {-rho / 2 / L:8.4f}")
print(f"exactly: {-kl_prior:.4f} nats at L = 1, {exact_2:.4f} at L = 2")
assert abs(bias[0] + kl_prior) < 4 * error[0] and abs(bias[1] - exact_2) < 4 * error[1] and error[0] < 0.02
assert np.all(np.diff(bias) > 0)  # independent draws: it could fail
assert np.all(np.abs(bias[8:] + rho / 2 / sizes[8:]) < 4 * error[8:]) and np.all(error[8:] < 0.05 * rho / 2 / sizes[8:])

fig, ax = plt.subplots()
ax.loglog(sizes, -bias, "o-", label="measured")
ax.loglog(sizes, rho / 2 / sizes, "--", label="ρ / 2L")
ax.plot(1, kl_prior, "s", ms=14, mfc="none", mew=2.5, label="KL(prior ‖ posterior)")
ax.set(xlabel="L, samples inside the logarithm", ylabel="log p(x) − estimate (nats)")
ax.set_title("The bias falls, in the end like 1/L")
ax.legend()
plt.show()

# %% [markdown] tags=["answer"]
# Less: about 0.0053 nats, some 1600 times less. The first samples help most, for a single one is likely to miss the region that explains x
# altogether; the law 1/L holds from about L = 32 on.

# %% [markdown]
# **Always log-sum-exp.** A likelihood of −800 nats is common for an image, and $e^{-800}$ is 0 in float64. With $M=\max_l a_l$,
# $$\log\frac1L\sum_l e^{a_l} = M + \log\frac1L\sum_l e^{a_l-M},$$
# exactly, and the largest term of the right-hand sum is 1.

# %%
a = np.array([-800.0, -801.0, -802.0])
with np.errstate(divide="ignore"):
    direct = np.log(np.mean(np.exp(a)))
stable, _ = iwae_bound_forward(a)
print(f"log of the mean of exp: {direct}; by log-sum-exp: {stable:.6f}")
assert direct == -np.inf and abs(stable + 800 - np.log((1 + np.exp(-1) + np.exp(-2)) / 3)) < 1e-12

# %% [markdown]
# ## 9. Importance sampling
#
# *Items: D0-24.*
# *Short path.*
#
# The slide: the estimate $\log\frac{p(x\mid z)\,p(z)}{q(z)}$ with $z\sim q(z)\approx p(z\mid x)$ "works great". (*E1:* in our copy of the slide's text
# the logarithm stands in the numerator alone; it belongs to the whole fraction.)
#
# Multiply and divide by q **[IS.1]**:
# $$p(x) = \int q(z)\,\frac{p(x\mid z)\,p(z)}{q(z)}\,dz = \mathbb{E}_q\,w(z),\qquad w(z)=\frac{p(x\mid z)\,p(z)}{q(z)},\qquad
# \log p(x)\approx\log\frac1L\sum_l w(z_l).$$
# q must be positive wherever the numerator is. If $q(z)=p(z\mid x)$, Bayes' rule gives
# $$w(z) = \frac{p(x\mid z)\,p(z)}{p(z\mid x)} = p(x)\qquad\text{for every } z:$$
# one sample is enough, and the variance is zero. Naive Monte Carlo is the other extreme, q = p(z).
#
# In the code $\log w$ is the sum of two terms, `log_px` and `log_ratio` $=\log p(z)-\log q(z\mid x)$. `encode_forward` gives q(z∣x) (`features`
# leaves pixels as they are), `draw_forward` draws z from it with the noise `eps`, `decode_forward` and `log_px_forward` are the decoder and the
# likelihood, `log_pz_forward` and `parts.posterior.forward` are log p(z) and log q(z∣x). Every function also returns a cache, for a backward pass
# that is not needed here. `log_likelihood` is the logarithm of the mean of L such weights, by log-sum-exp, a few thousand at a time.

# %%
show(log_weight_terms_forward, log_ratio_forward)

# %% [markdown]
# The encoder of `PPCA.to_vae` is the exact posterior. So 200 different z for each of 100 digits must give 200 times the same weight, p(x), though
# the likelihoods $p(x\mid z)$ differ.

# %%
some = X[:100]
log_px = model.score_samples(some)
eps = rng.standard_normal((200, 100, 8))
(reconstruction, log_ratio), _ = log_weight_terms_forward(some, eps, vae.params, vae.parts)
log_w = reconstruction + log_ratio
print(f"log p(x|z) alone varies by a standard deviation of {reconstruction.std(0).mean():.2f} nats")
assert np.abs(np.exp(log_w - log_px) - 1).max() < 1e-11 and reconstruction.std(0).min() > 0.1
print("w / p(x) = 1 for all of them, to 11 digits")
assert np.abs(log_likelihood(vae, some, 1) - log_px).max() < 1e-11

# %% [markdown]
# Now a q that is only nearly right: every σ is larger than the posterior's by the factor $e^{0.2}$, 22 %, in all 8 dimensions.
#
# **Predict first:** by how many nats do one sample, and 256, from this q fall short of log p(x) on average? (A naive sample fell short by 100.)

# %% tags=["answer"]
wide = vae.copy()
wide.params["encoder.head.b"][8:] += 0.2
counts = np.array([1, 4, 16, 64, 256])
naive = np.array(
    [np.mean([log_px - naive_log_likelihood(vae, some, L, rng=seed) for seed in range(30)]) for L in counts]
)
runs = [np.stack([log_likelihood(wide, some, L, rng=seed) - log_px for seed in range(30)]) for L in counts]
# The mean of w / p(x) is exactly 1. Adding its deviation from 1 removes noise and changes no bias.
repeats = [-d + np.expm1(d) for d in runs]
importance = np.array([d.mean() for d in repeats])
errors = np.array([standard_error(d.ravel()) for d in repeats])
gap = 8 / 2 * (np.exp(0.4) - 1 - 0.4)
chi2 = (np.exp(0.4) / np.sqrt(2 * np.exp(0.4) - 1)) ** 8 - 1  # relative variance of one weight
print("L:                           ", counts)
print("naive, shortfall in nats:     ", naive.round(1))
print("importance, shortfall in nats:", importance.round(4), f"; at L = 1 exactly KL(q || posterior) = {gap:.4f}")
assert abs(importance[0] - gap) < 4 * errors[0] and errors[0] < 0.02
assert np.all(np.abs(importance[3:] - chi2 / 2 / counts[3:]) < 4 * errors[3:] + 1 / counts[3:] ** 2)
assert np.all(np.diff(importance) < 0) and min(naive) > 10 * max(importance) and 90 < naive[0] < 120

fig, ax = plt.subplots()
ax.loglog(counts, naive, "o-", label="naive: z from the prior")
ax.loglog(counts, importance, "s--", label="importance: z from q, σ 22 % too large")
ax.set(xlabel="L, samples per datum", ylabel="log p(x) − estimate (nats)")
ax.set_title("Digits, K = 8: where z is drawn decides")
ax.legend(loc="center right")
plt.show()

# %% [markdown] tags=["answer"]
# 0.37 nats with one sample, 0.001 with 256; the naive estimate is still 9 nats off at 256. At L = 1 the shortfall is the KL of q to the posterior:
# $\log p(x)-\mathbb{E}_q\log w = \mathbb{E}_q\log\frac{q(z)}{p(z\mid x)}$. Measured in units of the posterior's σ, q is
# $\mathcal{N}(0,e^{0.4})$ in each dimension, so it is $\frac K2(e^{0.4}-1-0.4)$.

# %% [markdown]
# ## 10. Where importance sampling fails
#
# *Items: D0-24.*
#
# *A nuance to D0 (E13):* "q near the posterior" has a side that matters, the tails. Take a posterior $\mathcal{N}(0, 1)$ and
# $q=\mathcal{N}(0,1/\lambda)$: λ is the precision of q, and q is narrower than the posterior for λ > 1. Then $w(z)/p(x) = p(z\mid x)/q(z)$, and
# the variance of the weights needs the second moment
# $$\mathbb{E}_q\Big[\frac{w^2}{p(x)^2}\Big] = \int\frac{p(z\mid x)^2}{q(z)}\,dz .$$
# First without chance: this integral over |z| < T, for growing T.
#
# **Predict first:** one q with λ = 1.5 and one with λ = 4 (half the posterior's standard deviation). Which of the two columns settles?


# %% tags=["answer"]
def second_moment(lam, T, points=20_001):
    """The integral of p^2 / q over |z| < T, posterior N(0, 1) and q = N(0, 1/lam)."""
    step = 2 * T / points
    middle = -T + step * (np.arange(points) + 0.5)
    log_p, log_q = -(middle**2 + np.log(2 * np.pi)) / 2, -(lam * middle**2 + np.log(2 * np.pi / lam)) / 2
    return np.sum(np.exp(2 * log_p - log_q)) * step


for T in (1, 2, 4, 8, 16):
    print(f"|z| < {T:2d}: lambda = 1.5: {second_moment(1.5, T):.5f}    lambda = 4: {second_moment(4.0, T):.3e}")
assert abs(second_moment(1.5, 16) - 1 / np.sqrt(1.5 * 0.5)) < 1e-6
assert second_moment(4.0, 16) > 1e40 * second_moment(4.0, 8)

# %% [markdown] tags=["answer"]
# λ = 1.5 settles at 1.15470; λ = 4 grows without end. The integrand is proportional to $e^{-(2-\lambda)z^2/2}$.

# %% [markdown]
# Often an estimate is printed with a standard error, which rests on the sample variance of the weights.
#
# **Predict first:** estimate the variance of w / p(x) from a hundred thousand weights, fifty times over, for λ = 1.2, 1.5 and 4. For which λ
# do the fifty agree?

# %% tags=["answer"]
N = 100_000
exact = {
    1.2: 1.2**-1 * np.sqrt(1.2 / 0.8) - 1,
    1.5: 1.5**-1 * np.sqrt(1.5 / 0.5) - 1,
    4.0: np.inf,
}  # the second moment, minus 1
n_axis = np.unique(np.logspace(1, np.log10(N), 300).astype(int))
curves, finals, largest = {}, {}, {}
for lam in (1.2, 1.5, 4.0):
    z_q = rng.standard_normal((50, N)) / np.sqrt(lam)
    w = np.exp((lam - 1) * z_q**2 / 2) / np.sqrt(lam)  # w / p(x): its mean is 1
    finals[lam], largest[lam] = w.var(axis=1), w.max(1) ** 2 / (w * w).sum(1)
    first, second = (np.cumsum(w[:5] ** power, axis=1)[:, n_axis - 1] / n_axis for power in (1, 2))
    curves[lam] = second - first**2
    print(f"lambda = {lam:g}: exact variance {exact[lam]:.4f}; fifty estimates (smallest, quartiles, largest):")
    print("              ", *(f"{value:.3g}" for value in np.quantile(finals[lam], [0, 0.25, 0.5, 0.75, 1])))
    print(f"               share of the largest weight in the sum of w², median: {np.median(largest[lam]):.4f}")
    assert np.abs(curves[lam][:, -1] / finals[lam][:5] - 1).max() < 1e-9
low, middle, high = (np.array([np.quantile(final, f) for final in finals.values()]) for f in (0.25, 0.5, 0.75))
assert (high / low)[0] < 1.1 and (high / low)[1] < 1.5 and (high / low - 1)[2] > 5 * (high / low - 1)[1]
assert abs(middle[0] / exact[1.2] - 1) < 0.05 and abs(middle[1] / exact[1.5] - 1) < 0.2 and middle[2] > 5
assert finals[4.0].max() > 10 * finals[4.0].min() and np.median(largest[4.0]) > 0.1 > 10 * largest[1.2].max()

fig, ax = plt.subplots()
for lam, colour, style in ((1.2, "C0", "-"), (4.0, "C1", "--")):
    for run, curve in enumerate(curves[lam]):
        ax.loglog(n_axis, curve, style, color=colour, lw=1.8, label=f"λ = {lam:g}" if run == 0 else None)
ax.axhline(exact[1.2], color="black", lw=1.2)
ax.text(1e5, exact[1.2] / 4, "line: exact variance for λ = 1.2", fontsize=15, ha="right")
ax.set(
    xlabel="number of weights",
    ylabel="sample variance of w / p(x)",
    title="λ = 4: a variance that never settles (5 runs each)",
)
ax.legend(loc="center right")
plt.show()

# %% [markdown] tags=["answer"]
# Well for λ = 1.2. For 1.5 most of them, a little too small, and now and then one is well above. Not at all for λ = 4: there they differ by more
# than a factor of ten, and one weight of a hundred thousand carries much of the sum of squares. Each of them is a finite number that looks like
# any other; the variance they estimate is infinite.

# %% [markdown] tags=["answer"]
# **All moments.** The weight is $w/p(x) = \lambda^{-1/2}e^{(\lambda-1)z^2/2}$, so, with the density $\sqrt{\lambda/2\pi}\,e^{-\lambda z^2/2}$ of q,
# $$\mathbb{E}_q\frac{w^k}{p(x)^k} = \lambda^{-k/2}\sqrt{\frac{\lambda}{2\pi}}\int e^{-\frac12[\lambda-k(\lambda-1)]z^2}\,dz
# = \lambda^{-k/2}\sqrt{\frac{\lambda}{\lambda-k(\lambda-1)}}\,,$$
# finite if and only if $\lambda > k(\lambda-1)$, that is $k<\alpha$ with $\alpha = \lambda/(\lambda-1)$. For k = 1 it is 1, always: the estimate of
# p(x) stays unbiased. For k = 2 it is $1/\sqrt{\lambda(2-\lambda)}$, and λ ≥ 2 gives infinity: q narrower than the posterior by $\sqrt2$ or more
# in standard deviation. The sample variance is a mean of $w^2$, and for it to have an error bar of its own the fourth moment must be finite,
# $\lambda < 4/3$. Hence the three cases: at 1.2 all is well, at 1.5 the variance is finite and its estimate unreliable, at 4 there is none.
#
# **The tail.** $w/p(x)>v$ means $z^2>\tau$ with $\tau=2\ln(v\sqrt\lambda)/(\lambda-1)$. For $z\sim\mathcal{N}(0,1/\lambda)$ the Gaussian tail is
# $P(z^2>\tau)\approx\sqrt{2/\pi\lambda \tau}\;e^{-\lambda \tau/2}$, and $e^{-\lambda \tau/2}=(v\sqrt\lambda)^{-\alpha}$: a power law with exponent
# α, up to a root of a logarithm. At λ = 4, α = 4/3: a mean, no variance.


# %%
def moment(lam, k):
    """E_q w^k / p(x)^k, finite for k (lam - 1) < lam."""
    return lam ** (-k / 2) * np.sqrt(lam / (lam - k * (lam - 1)))


z_axis, step = np.linspace(-40, 40, 80_001, retstep=True)
for lam, k in ((1.2, 1), (1.2, 2), (1.2, 3), (1.2, 4), (1.5, 2), (4.0, 1)):
    log_q = -(lam * z_axis**2 + np.log(2 * np.pi / lam)) / 2
    numeric = np.exp(log_q + k * ((lam - 1) * z_axis**2 / 2 - np.log(lam) / 2)).sum() * step
    assert abs(moment(lam, k) / numeric - 1) < 1e-9, (lam, k)
print(f"E w^k / p(x)^k at lambda = 1.2: {[round(float(moment(1.2, k)), 4) for k in (1, 2, 3, 4)]}")

log_v = np.array([500.0, 1000.0])
for lam in (1.2, 1.5, 4.0):
    tau = 2 * (log_v + np.log(lam) / 2) / (lam - 1)
    log_tail = np.log(2) + log_ndtr(-np.sqrt(lam * tau))  # P(w / p(x) > v), exact
    slope = -np.diff(log_tail)[0] / np.diff(log_v)[0]
    print(f"lambda = {lam:g}: the tail falls with the power {slope:.3f}; alpha = {lam / (lam - 1):.3f}")
    assert abs(slope - lam / (lam - 1)) < 2e-3

v = moment(1.2, 2) - 1
fourth = moment(1.2, 4) - 4 * moment(1.2, 3) + 6 * moment(1.2, 2) - 3  # of w / p(x) about its mean 1
error = np.sqrt((fourth - v**2) / N)
last = finals[1.2]
print(f"lambda = 1.2: standard error of one estimate {error:.5f}; the fifty scatter by {last.std(ddof=1):.5f}")
assert abs(last.mean() - v) < 4 * error / np.sqrt(50) and 0.5 < last.std(ddof=1) / error < 1.6

# %% [markdown]
# **Many dimensions.** For a posterior $\mathcal{N}(m,\Lambda^{-1})$ and $q=\mathcal{N}(m,\Lambda_q^{-1})$ (take m = 0),
# $$\frac{p(z\mid x)^2}{q(z)} \;\propto\; \exp\!\Big(-\tfrac12 z^\top(2\Lambda-\Lambda_q)\,z\Big),$$
# whose integral is finite if and only if every eigenvalue of $2\Lambda-\Lambda_q$ is positive; along any other eigenvector the integrand does not
# fall. (A q with another mean adds a linear term to the exponent and changes nothing in this condition.)
#
# **Variational fits go to the dangerous side.** For $q=\mathcal{N}(0,\mathrm{diag}(1/\lambda_j))$,
# $$\mathrm{KL}(q\,\|\,p) = \tfrac12\Big[\sum_j\frac{\Lambda_{jj}}{\lambda_j} + \sum_j\ln\lambda_j - \ln|\Lambda| - K\Big],\qquad
# \frac{\partial\,\mathrm{KL}}{\partial\lambda_j} = \frac12\Big[\frac1{\lambda_j}-\frac{\Lambda_{jj}}{\lambda_j^2}\Big] = 0
# \quad\Rightarrow\quad \lambda_j=\Lambda_{jj} ,$$
# a minimum, as the KL falls before and rises after. So the best diagonal q has $\Lambda_q=\mathrm{diag}\,\Lambda$: its variance $1/\Lambda_{jj}$ is that
# of $z_j$ with all others held fixed, less than the posterior's own wherever $z_j$ depends on another latent. For two latents of equal precision with the correlation r in
# $\Lambda=\begin{pmatrix}1&r\\r&1\end{pmatrix}$ we get $2\Lambda-\Lambda_q=\begin{pmatrix}1&2r\\2r&1\end{pmatrix}$, of smallest eigenvalue
# $1-2|r|$: infinite variance from $|r|=\tfrac12$ on.

# %%
show(weights_have_finite_variance)


# %%
def inside(precision, q_precision, T, points=801):
    """The integral of p^2 / q over the square |z_1|, |z_2| < T, for Gaussians of mean 0 in two dimensions."""
    g, step = np.linspace(-T, T, points, retstep=True)
    zz = np.stack(np.meshgrid(g, g), axis=-1).reshape(-1, 2)
    log_p, log_q = (
        np.linalg.slogdet(A)[1] / 2 - np.log(2 * np.pi) - ((zz @ A) * zz).sum(1) / 2 for A in (precision, q_precision)
    )
    return np.exp(2 * log_p - log_q).sum() * step**2


for r in (0.3, 0.45, 0.55, 0.9):
    L2 = np.array([[1, r], [r, 1]])
    grid_of_lambda = np.linspace(0.2, 3, 2801)  # both precisions of q equal, by symmetry
    kl_of_lambda = 2 / grid_of_lambda + 2 * np.log(grid_of_lambda)  # twice the KL, up to a constant
    best = grid_of_lambda[kl_of_lambda.argmin()]
    assert abs(best - 1) < 1e-3
    growth = inside(L2, best * np.eye(2), 26) / inside(L2, best * np.eye(2), 13)
    finite = weights_have_finite_variance(L2, np.eye(2))
    print(f"r = {r}: from |z| < 13 to 26 the second moment grows by the factor {growth:.4g}; finite variance: {finite}")
    assert finite == (growth < 1.01)

# %% [markdown]
# A remedy: evaluate with a q that is wider than the posterior. If $\Lambda-\Lambda_q$ is positive semi-definite the weights are even bounded:
# $w/p(x) = \sqrt{|\Lambda|/|\Lambda_q|}\,\exp(-\frac12z^\top(\Lambda-\Lambda_q)z)\le\sqrt{|\Lambda|/|\Lambda_q|}$. For a real decoder the
# posterior's tails are unknown; `log_likelihood(..., return_ess=True)` gives the effective sample size $(\sum w)^2/\sum w^2$, and a few weights that
# carry the sum are the sign to look for. An inconspicuous sample proves nothing.

# %%
ess_right, ess_wide = (log_likelihood(v, some, 200, rng=0, return_ess=True)[1] for v in (vae, wide))
narrow = vae.copy()
narrow.params["encoder.head.b"][8:] -= np.log(2)
ess_narrow = log_likelihood(narrow, some, 200, rng=0, return_ess=True)[1]
for name, ess in (("right", ess_right), ("22 % wider", ess_wide), ("half as wide", ess_narrow)):
    print(f"q {name:12}: effective sample size of 200 weights, median over 100 digits {np.median(ess):5.1f}")
assert (
    np.abs(ess_right - 200).max() < 1e-6
    and abs(np.median(ess_wide) / (200 / (1 + chi2)) - 1) < 0.1
    and np.median(ess_narrow) < 40
)
bound = np.exp(0.2) ** 8
widest = log_weight_terms_forward(some, eps, wide.params, wide.parts)[0]
ratio = np.exp(sum(widest) - log_px)
print(f"the wide q: largest of 20,000 weights {ratio.max():.3f} p(x), bound {bound:.3f} p(x)")
assert 0.8 * bound < ratio.max() < bound

# %% [markdown]
# ## Summary
#
# - $p(x)=\int p(x\mid z)\,p(z)\,dz$. Pixels are independent given z only; their covariance is that of their means over z.
# - Linear decoder: $p(x)=\mathcal{N}(b,WW^\top+\eta I)$, $p(z\mid x)=\mathcal{N}(\Lambda^{-1}W^\top(x-b)/\eta,\ \Lambda^{-1})$,
#   $\Lambda=I+W^\top W/\eta$.
# - No noise, no density: $\log p\to+\infty$ on the decoder's image, $-\infty$ off it, where the best η for one x near it is about
#   $\mathrm{dist}^2/(D-K)$.
# - A grid of 57² points gives log p(x) to 1e-9 nats at K = 2; $57^{10}$ would take 11,000 years for one datum, at a million decoder passes a second.
# - MAP needs no evidence. It hides the other mode, and moves with the coordinate.
# - Naive sampling: bias $-\mathrm{KL}(p(z)\,\|\,p(z\mid x))$, on the digits about −100 nats with a standard deviation of 50.
# - L samples inside the logarithm: the bias rises with L and ends as $-\rho/2L$. Always log-sum-exp.
# - Importance weights $w=p(x\mid z)\,p(z)/q(z)$: constant if q is the posterior; at L = 1 the estimate misses by $\mathrm{KL}(q\,\|\,p(z\mid x))$.
# - Gaussian q: $\mathrm{Var}\,w<\infty$ if and only if $2\Lambda-\Lambda_q$ is positive definite.
# - The best diagonal q has $\Lambda_q=\mathrm{diag}\,\Lambda$, too narrow; for two latents its weights have no finite variance from correlation 0.5 on,
#   with more latents it can happen earlier. Use a wider q.

# %% [markdown]
# ## References
#
# *References: kingma2014 (the model); burda2016; tipping1999 (the exact linear model); owen2013 (importance sampling); theis2016;
# germain2015 (MADE); dinh2017 (coupling layers).*

# %% [markdown]
# ## Exercises
#
# The last line of every estimate in this notebook, as a pair that survives logarithms of −800; and what a wrong q costs, in more dimensions than the one
# of section 10.
#
# *Tasks: log_mean_exp; second_moment.*
