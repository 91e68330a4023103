# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 04 The evidence
#
# Accompanies D0 lines 66-113 (latent variable models, estimating log p(x)), D1 lines 167 and 219-264 (inference, MAP), D2 lines 5-10 and
# 83-113 (the observation model), D3 lines 70-71, D4 lines 49-72.
#
# | quantity | D0 | D1 | D2 | D3 | D4 | here |
# |---|---|---|---|---|---|---|
# | latent | z, of dimension d | **z**, "LV" | **z**, of dimension K | z | z | `z`, shape (N, K) |
# | data | x, 28×28 | **x** | **x**, of dimension D | x | x | `x`, shape (N, D) |
# | decoder | f_θ | p_φ | G_θ | H_θ | generative model | decoder |
# | observation noise | σ² | – | η | – | – | `eta`, a variance |
# | samples of z | one | several | one | (l) | one | `L` |
#
# Λ is the precision (inverse covariance) of the posterior, Λ_q that of q. "Evidence" and "marginal likelihood" both mean p(x). All
# log-densities are in nats.
#
# Afterwards you can say what p(x) is and why a decoder without noise has none; compute it exactly for small models; and give the bias of a
# Monte Carlo estimate of log p(x), and the condition under which importance weights have a finite variance.

# %%

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import log_ndtr

from tinyvae import (
    VAE,
    bernoulli_forward,
    check,
    gaussian_forward,
    iwae_bound_forward,
    load_digits,
    log_weight_terms_forward,
)
from tinyvae.bounds import log_ratio_forward
from tinyvae.companion import show
from tinyvae.estimators import (
    log_likelihood,
    naive_log_likelihood,
    standard_error,
    weights_have_finite_variance,
)
from tinyvae.exact import PPCA, GridPosterior
from tinyvae.plots import use_style

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
# The arrow of the graphical model z → x is a program of two lines. In the linear model,
# $$z\sim\mathcal{N}(0,I),\qquad x = Wz + b + \sqrt{\eta}\,\varepsilon,\qquad \varepsilon\sim\mathcal{N}(0,I),$$
# a sum of independent Gaussians is Gaussian, its mean is $\mathbb{E}[x] = W\,0 + b = b$, and its covariance
# $$\mathbb{E}[(x-b)(x-b)^\top] = W\,\mathbb{E}[zz^\top]\,W^\top + \eta\,\mathbb{E}[\varepsilon\varepsilon^\top] = WW^\top + \eta I .$$
#
# The prior is chosen, and the choice costs less than it seems: the decoder can bend it. With Φ the normal CDF, $\Phi(z)$ is uniform, so for one
# dimension $G(z)=F^{-1}(\Phi(z))$ has the CDF $F$, whatever continuous law that is. For the exponential law, $G(z) = -\ln(1-\Phi(z))$.

# %%
show(PPCA.sample)

# %% [markdown]
# **Predict first:** the digits' 64 × 64 covariance under the model has 2080 different entries. By how many of its own standard errors should
# the worst of them be off, with 20,000 draws?

# %%
X, y = load_digits()
X = X.astype(np.float64)
model = PPCA(8).fit(X)
W, b, eta = model.W_, model.mean_, model.noise_variance_
n = 20_000
C = W @ W.T + eta * np.eye(64)
centred = model.sample(n) - b
S = centred.T @ centred / n
off = np.abs(S - C) / np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / n)
print(f"worst of 2080 entries: {off.max():.2f} standard errors")
assert off.max() < 5

z = np.linspace(-12, 12, 4801)
dz = z[1] - z[0]
prior = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
G = -log_ndtr(-z)  # -ln(1 - Phi(z))
first, second = (prior * G).sum() * dz, (prior * G**2).sum() * dz
print(f"normal z through G: E x = {first:.10f}, E x^2 = {second:.10f} (exponential law: 1 and 2)")
assert abs(first - 1) < 1e-9 and abs(second - 2) < 1e-9

# %% [markdown]
# ## 2. The marginal: what the model says about x alone
#
# *Items: D0-12, D2-24, D3-31, D0-16.*
#
# The slides:
# $$p(x) = \mathbb{E}_{p(z)}\,p(x\mid z) = \int p(z)\,p(x\mid z)\,dz = \int p(x,z)\,dz ,$$
# and, in D0, "pixels are independent". (In D3 the text has lost the conditioning bars: $p(x\,z)\,p(z)$ there is $p(x\mid z)\,p(z)$.)
#
# The three forms are one: $p(x,z)=p(z)\,p(x\mid z)$ by the definition of a conditional density; integrating $z$ out leaves the density of $x$; an
# integral against $p(z)$ is an expectation. On a grid of spacing Δ in K dimensions the integral is a sum **[GRID.1]**,
# $$\log p(x) \approx \log \sum_m p(x\mid z_m)\,p(z_m)\,\Delta^K .$$
#
# **Conditionally independent, not independent.** $p(x\mid z)=\prod_d p(x_d\mid z)$ holds *given z*. After the average over z it does not:
# $$p(x_1,x_2)-p(x_1)\,p(x_2) = \mathbb{E}[p(x_1\mid z)\,p(x_2\mid z)] - \mathbb{E}[p(x_1\mid z)]\,\mathbb{E}[p(x_2\mid z)]
# = \mathrm{Cov}_{z}\big(p(x_1\mid z),\,p(x_2\mid z)\big).$$
# All dependence between pixels has to pass through z. D0's shorter sentence is true with "given z" added. One more detail: D0's decoder maps to
# all of $\mathbb{R}^{28\times28}$ and "defines mean values", but the mean of a binary pixel lies in [0, 1]. The real numbers are logits.

# %%
show(GridPosterior)

# %% [markdown]
# A decoder for four binary pixels with a one-dimensional z: all sixteen images can be listed.
#
# **Predict first:** what do the sixteen probabilities p(x) sum to? Is p(x) the product of the pixels' own probabilities?

# %%
tiny = VAE(4, 1, hidden=(8,), dtype="float64", seed=1)
tiny.theta *= 3  # a decoder that uses z
images = np.array([[k >> d & 1 for d in range(4)] for k in range(16)], dtype=float)
p = np.exp(GridPosterior(tiny).log_evidence(images))
pixel = p @ images  # p(x_d = 1)
independent = np.prod(np.where(images == 1, pixel, 1 - pixel), axis=1)
dependence = np.sum(p * np.log(p / independent))
print(f"sum of p(x) over all images: 1 {p.sum() - 1:+.1e}")
print(f"KL(p(x) || product of its pixels): {dependence:.3f} nats")
assert abs(p.sum() - 1) < 1e-10 and dependence > 0.05
logits = tiny.decoder_output(z[:, None])
on = 1 / (1 + np.exp(-logits))
weight = prior * dz
covariance = (weight * on[:, 0] * on[:, 1]).sum() - (weight @ on[:, 0]) * (weight @ on[:, 1])
both = p @ (images[:, 0] * images[:, 1]) - pixel[0] * pixel[1]
print(f"covariance of pixels 1 and 2: {both:.6f}, of their means over z: {covariance:.6f}")
assert abs(both - covariance) < 1e-10 and abs(both) > 0.01

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
print(f"p(x) integrates to 1 {mass - 1:+.1e}; mean {mean:.8f}, variance {variance:.8f}")
assert abs(mass - 1) < 1e-8 and abs(mean - 1) < 1e-7 and abs(variance - 2.1) < 1e-6

x_drawn = rng.standard_normal(20_000) ** 2 + np.sqrt(ETA) * rng.standard_normal(20_000)
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
# **Autoregressive.** The chain rule of probability is exact and needs no z. It sums to one whatever the conditionals are: sum over the last
# pixel first, $\sum_{x_D} p(x_D\mid x_{<D}) = 1$, then over the one before it, and so on. The price: D steps to draw one x, one after another,
# and no code z.
#
# **Reversible.** With $x = G(z)$, $G$ invertible and differentiable, probability mass is kept: $p(x)\,|dx| = p(z)\,|dz|$, so
# $$\log p(x) = \log p_z(G^{-1}(x)) - \log\left|\det \frac{\partial G}{\partial z}\right| .$$
# A determinant needs a square matrix: K = D. If K < D the Jacobian is D × K, and the image of $G$ has no volume (section 4). A coupling layer,
# $x_1 = z_1,\ x_2 = z_2\,e^{s(z_1)} + t(z_1)$, has the Jacobian $\begin{pmatrix}1&0\\ \ast&e^{s}\end{pmatrix}$ with log-determinant $s(z_1)$.
#
# **Predict first:** an autoregressive model over 10 binary pixels with random weights, not trained at all. What does p(x) sum to over all
# 1024 images?

# %%
pixels = np.array([[k >> d & 1 for d in range(10)] for k in range(1024)], dtype=float)
A = np.tril(rng.normal(0, 2, (10, 10)), -1)  # pixel i sees only the pixels before it
log_p, _ = bernoulli_forward(pixels @ A.T + rng.standard_normal(10), pixels)
total = np.exp(log_p).sum()
print(f"autoregressive: sum over 1024 images = 1 {total - 1:+.1e}")
assert abs(total - 1) < 1e-13


def s(z1):
    """Log-scale of the coupling layer."""
    return 0.5 * np.sin(2 * z1)


def t(z1):
    """Shift of the coupling layer."""
    return 0.5 * z1**2


axis = np.linspace(-7, 7, 281)
x1, x2 = np.meshgrid(axis, np.linspace(-15, 40, 2201), indexing="ij")
z1, z2 = x1, (x2 - t(x1)) * np.exp(-s(x1))  # the exact inverse
log_p = -(z1**2 + z2**2) / 2 - np.log(2 * np.pi) - s(z1)
total = np.exp(log_p).sum() * (axis[1] - axis[0]) * (x2[0, 1] - x2[0, 0])
print(f"reversible: integral over the plane = 1 {total - 1:+.1e}")
assert abs(total - 1) < 1e-9
z_drawn = rng.standard_normal((1000, 2))
x_pair = np.stack([z_drawn[:, 0], z_drawn[:, 1] * np.exp(s(z_drawn[:, 0])) + t(z_drawn[:, 0])], axis=1)
back = (x_pair[:, 1] - t(x_pair[:, 0])) * np.exp(-s(x_pair[:, 0]))
print(f"z -> x -> z comes back to {np.abs(back - z_drawn[:, 1]).max():.1e}")
assert np.abs(back - z_drawn[:, 1]).max() < 1e-13
rank = np.linalg.matrix_rank(W)
print(f"a decoder from K = 8 to D = 64: Jacobian {W.shape}, rank {rank}; det(J J') = 0, no change of variables")
assert rank == W.shape[1] and W.shape[1] < W.shape[0]

# %% [markdown]
# ## 4. A deterministic decoder has no density
#
# *Items: D2-25, D2-26.*
#
# The slide: if z is low-dimensional and the decoder deterministic, then p(x) = 0 almost everywhere; the solution is a noisy observation model,
# $p(x\mid z) = \mathcal{N}(x;\,G_\theta(z),\,\eta I)$.
#
# The solution is right, and the problem is a little worse than "p(x) = 0". A function that is zero almost everywhere integrates to 0, not
# to 1, so it is not the density of anything. The image of $G$ is a set of volume 0 that carries probability 1: the distribution is *singular*
# and has *no density at all*. Maximum likelihood has nothing to maximise.
#
# What happens as the noise goes to zero can be read off exactly in the linear model. Let $W = U\,\mathrm{diag}(s)\,V^\top$ (singular values
# $s_1..s_K$), $a = U^\top(x-b)$ the coordinates in the decoder's plane, and $\mathrm{dist}^2 = \|x-b\|^2 - \|a\|^2$ the squared distance to it. The
# covariance $WW^\top+\eta I$ has eigenvalues $s_j^2+\eta$ along the columns of U and $\eta$ in the other D − K directions. So
# $$\log|WW^\top+\eta I| = \sum_{j\le K}\ln(s_j^2+\eta) + (D-K)\ln\eta ,\qquad
# (x-b)^\top(WW^\top+\eta I)^{-1}(x-b) = \sum_{j\le K}\frac{a_j^2}{s_j^2+\eta} + \frac{\mathrm{dist}^2}{\eta},$$
# and, since the Gaussian log-density is $-\tfrac12$ of the quadratic form, the log-determinant and $D\ln 2\pi$ together,
# $$\log p(x) = -\frac{\mathrm{dist}^2}{2\eta} - \frac{D-K}{2}\ln\eta
# - \frac12\sum_{j\le K}\Big[\ln(s_j^2+\eta) + \frac{a_j^2}{s_j^2+\eta}\Big] - \frac D2\ln 2\pi .$$
# As $\eta\to0$ the sum stays bounded. Off the plane the first term wins: $\log p\to-\infty$. On the plane it is absent: $\log p\to+\infty$.
#
# **Predict first:** for a point at distance 0.1 from a line in three dimensions, does log p(x) rise or fall when η shrinks from 1 to 0.00001?

# %%
line = PPCA(1)
line.W_, line.mean_ = np.array([[1.0], [0.5], [-0.5]]), np.zeros(3)
u = line.W_[:, 0] / np.linalg.norm(line.W_)
away = np.array([0.0, 1.0, 1.0]) / np.sqrt(2)  # orthogonal to u
points = np.array([0.8 * u, 0.8 * u + 0.1 * away])
dist2 = (points**2).sum(1) - (points @ u) ** 2
etas = np.logspace(0, -5, 61)
exact, formula = [], []
for line.noise_variance_ in etas:
    e, s2 = line.noise_variance_, 1.5
    exact.append(line.score_samples(points))
    bounded = -(np.log(s2 + e) + (points @ u) ** 2 / (s2 + e)) / 2 - 1.5 * np.log(2 * np.pi)
    formula.append(-dist2 / (2 * e) - (3 - 1) / 2 * np.log(e) + bounded)
exact, formula = np.array(exact), np.array(formula)
error = np.abs(exact - formula).max() / np.abs(exact).max()
print(f"formula against log p(x) of PPCA: relative error {error:.1e}")
assert error < 1e-12
print(f"eta = 1e-5: on the line {exact[-1, 0]:.2f} nats, off it {exact[-1, 1]:.1f} nats")
assert exact[-1, 0] > exact[0, 0] + 10 and exact[-1, 1] < -400
slope = (exact[-1, 0] - exact[-13, 0]) / np.log(etas[-13] / etas[-1])
print(f"on the line log p grows by {slope:.4f} nats per unit of ln(1/eta); (D - K)/2 = 1")
assert abs(slope - 1) < 1e-3

fig, ax = plt.subplots()
ax.semilogx(etas, exact[:, 0], label="x on the decoder's line")
ax.semilogx(etas, exact[:, 1], ls="--", label="x at distance 0.1 from it")
ax.set(xlabel="noise variance η  (noise vanishes to the right)", ylabel="log p(x) (nats)", ylim=(-40, 12))
ax.set_title("Without noise: +∞ on the manifold, −∞ off it")
ax.invert_xaxis()
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# The two halves of "singular" for a curved decoder, $G(z)=(z, z^2)$: every draw lies on the curve, and the area that covers the curve
# shrinks in proportion to the side of the covering squares.

# %%
fine = np.linspace(-3, 3, 600_001)
areas = []
for h in (0.1, 0.05, 0.025, 0.0125):
    boxes = len(np.unique(np.floor(np.stack([fine, fine**2], axis=1) / h) @ np.array([100_003.0, 1.0])))
    areas.append(boxes * h * h)
    print(f"squares of side {h}: {boxes:5d} cover 99.7 % of the probability, total area {areas[-1]:.3f}")
ratios = np.array(areas[1:]) / np.array(areas[:-1])
print("each halving of the side multiplies the area by", ratios.round(3))
assert np.all(np.abs(ratios - 0.5) < 0.02)

# %% [markdown]
# ## 5. Bayes' rule, and the integral under the line
#
# *Items: D1-34, D1-35, D4-10, D4-11, D1-24, D2-27, D2-28, D0-20.*
#
# The slides: posterior = likelihood × prior / evidence,
# $$p(z\mid x) = \frac{p(x\mid z)\,p(z)}{p(x)},\qquad p(x) = \int p(x\mid z)\,p(z)\,dz ,$$
# "this integral can be very complicated" (D1, where the $dz$ is missing), "quite difficult" (D4), "we cannot compute the expectation" (D0),
# "no hope of finding a closed form" for a complicated decoder (D2, beside a cartoon on integration); so the true posterior is "too hard to
# compute" (D1). The rule itself is one line: $p(z\mid x)\,p(x) = p(x,z) = p(x\mid z)\,p(z)$, divided by $p(x)$.
#
# Where is the difficulty? The numerator is easy: one decoder pass and two log-densities. The denominator adds it up over *all* z. The cartoon's
# point: differentiation has rules for every composition, which is why backpropagation exists; integration has none.
#
# **When there is a closed form.** With a linear decoder, complete the square in z. Write $c = x-b$:
# $$\log p(x\mid z)+\log p(z) = -\frac{\|c-Wz\|^2}{2\eta}-\frac{\|z\|^2}{2}+\text{const}
# = -\frac12 z^\top\underbrace{\Big(I+\frac{W^\top W}{\eta}\Big)}_{\Lambda}z + z^\top\frac{W^\top c}{\eta} + \text{const},$$
# $$\text{so}\qquad p(z\mid x) = \mathcal{N}(z;\,m,\,\Lambda^{-1}),\qquad m = \Lambda^{-1}W^\top c/\eta .$$
# "No closed form" belongs to the nonlinear decoder. (Even there are exceptions: with ReLU units and K = 1, each linear piece gives an error
# function. But the number of pieces grows like a power K of the width.)
#
# **When a grid does.** For K = 1 or 2 quadrature is excellent: for smooth integrands that vanish at the border the error of equally spaced
# points falls faster than any power of the spacing.

# %%
show(PPCA.posterior, PPCA.score_samples)

# %% [markdown]
# **Predict first:** the digits with K = 2. How many grid points on a side are needed for six correct digits of log p(x), and what would the same
# grid cost at K = 10?

# %%
flat = PPCA(2).fit(X)
linear_vae = flat.to_vae()
truth = flat.score_samples(X[:20])
for side in (15, 29, 43, 57, 71, 85):
    try:
        error = np.abs(GridPosterior(linear_vae, n=side).log_evidence(X[:20]) - truth).max()
        print(f"{side:3d} points on a side: largest error of log p(x) {error:.1e} nats")
    except ValueError as refusal:
        print(f"{side:3d} points on a side: refused, {refusal}")
assert error < 1e-9
grid = GridPosterior(linear_vae)
means, covariances = grid.moments(X[:20])
mu, log_sigma = linear_vae.encode(X[:20])
worst = max(np.abs(means - mu).max(), np.abs(covariances - np.exp(2 * log_sigma)[:, None] * np.eye(2)).max())
print(f"posterior moments, grid against closed form: {worst:.1e}")
assert worst < 1e-9
years = 57.0**10 / 1e6 / (3600 * 24 * 365.25)
print(f"57 points on a side at K = 10: {57.0**10:.1e} decoder passes; at a million a second {years:,.0f} years for one datum")
assert years > 1000

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
# For a label, z takes a few values. The argmax needs no evidence; only the *confidence* does, and there the integral is a short sum.

# %%
x_label = np.linspace(-4, 4, 401)
joint = np.stack([w * np.exp(-((x_label - m) ** 2) / 2) / np.sqrt(2 * np.pi) for w, m in ((0.3, -1), (0.7, 1))])
evidence = joint.sum(0)
posterior = joint / evidence
assert np.array_equal(joint.argmax(0), posterior.argmax(0))
k = 300  # x = 2
print(f"x = {x_label[k]:.0f}: label {joint[:, k].argmax()} either way; joint {joint[1, k]:.3f}, probability {posterior[1, k]:.3f}")
bayes = 1 / (1 + 3 / 7 * np.exp(-2 * x_label[k]))  # by hand: the ratio of the two joints is 3/7 exp(-2x)
assert abs(posterior[1, k] - bayes) < 1e-14

# %% [markdown]
# Now the decoder $z^2$ with $x = 4$, $\eta = 0.1$. The modes come from the derivative of the log joint, without any integral:
# $$\frac{d}{dz}\Big[-\frac{(x-z^2)^2}{2\eta}-\frac{z^2}{2}\Big] = \frac{2z\,(x-z^2)}{\eta}-z = 0
# \quad\Longrightarrow\quad z = 0\ \text{(a minimum) or}\ z^2 = x-\frac{\eta}{2} = 3.95,\quad z=\pm1.9875 .$$
#
# **Predict first:** what is the posterior mean, and how well does it reconstruct x = 4?

# %%
fine_grid = GridPosterior(log_px_square, n_latent=1, n=140_001, width=7.0)  # spacing 1e-4
x_seen = np.array([4.0])
post, zs = fine_grid.posterior(x_seen), fine_grid.z[:, 0]
modes = np.sort(fine_grid.modes(x_seen)[:, 0])
mean, covariance = fine_grid.moments(x_seen[None])
posterior_mean, spread = float(mean[0, 0]), float(np.sqrt(covariance[0, 0, 0]))
near_mean = post[np.abs(zs) < 1].sum() * fine_grid.cell
print(f"modes {modes.round(4)}, by hand ±{np.sqrt(3.95):.4f}; mean {abs(posterior_mean):.1e}, standard deviation {spread:.4f}")
print(f"probability within 1 of the mean: {near_mean:.1e}; decoded mean {posterior_mean**2:.2f}, decoded mode {modes[1] ** 2:.2f}, x = 4")
assert len(modes) == 2 and np.abs(modes - np.sqrt(3.95) * np.array([-1, 1])).max() < 1e-4
assert abs(posterior_mean) < 1e-12 and near_mean < 1e-12

fig, ax = plt.subplots()
ax.plot(zs[::20], post[::20], label="p(z | x = 4)")
ax.plot(modes, [post.max()] * 2, "v", ms=12, label="its modes (MAP)")
ax.plot(posterior_mean, 0, "s", ms=10, label="its mean")
ax.set(xlabel="z", ylabel="posterior density", xlim=(-3, 3), title="Neither mode nor mean is the distribution")
ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# MAP answers "+1.9875" and hides that −1.9875 is as good; the mean answers "0", where there is hardly any probability. A second defect of the mode:
# it depends on the coordinate. The *same* latent variable written as $u = e^z$ has the density $p(u\mid x) = p(z\mid x)/u$, and its mode moves.

# %%
right = (zs > 0.5) & (zs < 3)
mode_u = np.exp(zs[right])[np.argmax(post[right] / np.exp(zs[right]))]
print(f"mode in z: {modes[1]:.4f}; mode in u = exp(z), taken back to z: {np.log(mode_u):.4f}")
# By hand: the log density in u is the one in z minus z, so 2z(x - z^2)/eta - z - 1 = 0.
by_hand = np.roots([-2, 0, 8 - ETA, -ETA]).real.max()
assert abs(np.log(mode_u) - by_hand) < 1e-4 and abs(np.log(mode_u) - modes[1]) > 1e-3

# %% [markdown]
# ## 7. Naive Monte Carlo: the bias and the variance, exactly
#
# *Items: D0-21.*
#
# The slide: the estimate $\log p(x)\approx\log p(x\mid z)$ with $z\sim p(z)$ is biased and noisy. Both words can be made exact. (The sample
# $p(x\mid z)$ is unbiased for $p(x)$; it is the *logarithm* that makes it biased.)
#
# **Bias [NAIVE.1].** Take logarithms of Bayes' rule, $\log p(x\mid z) = \log p(x) + \log p(z\mid x) - \log p(z)$, and average over the prior:
# $$\mathbb{E}_{p(z)}\log p(x\mid z) = \log p(x) - \mathbb{E}_{p(z)}\log\frac{p(z)}{p(z\mid x)}
# = \log p(x) - \mathrm{KL}\big(p(z)\,\|\,p(z\mid x)\big).$$
# So the bias is exactly $-\mathrm{KL}(p(z)\|p(z\mid x))$: the estimate is the ELBO with q = p(z). It is large when the datum is informative, which
# is when the latent variable is of use.
#
# In the linear model everything is Gaussian. The KL between $\mathcal{N}(0,I)$ and $\mathcal{N}(m,\Lambda^{-1})$ is
# $$\mathrm{KL} = \frac12\big(\mathrm{tr}\,\Lambda + m^\top\Lambda m - K - \ln|\Lambda|\big).$$
#
# **Variance.** With $c = x-b$, $\;\log p(x\mid z) = \text{const} + c^\top Wz/\eta - z^\top W^\top Wz/2\eta$. The linear and the quadratic part are
# uncorrelated (their product is odd in z), and $\mathrm{Var}(z^\top Az) = 2\,\mathrm{tr}A^2$ for a symmetric A, so
# $$\mathrm{Var}_{p(z)}\log p(x\mid z) = \frac{\|W^\top c\|^2}{\eta^2} + \frac{\mathrm{tr}\,(W^\top W)^2}{2\eta^2}.$$
#
# In the code `vae.parts` holds what the model is made of: here its prior and its likelihood. (`own_values` are learned parameters of theirs; N(0, I)
# has none.) The logarithm of a mean of exponentials is called `iwae_bound_forward`, after its use in 05; its first output is meant.

# %%
show(naive_log_likelihood, iwae_bound_forward)

# %% [markdown]
# **Predict first:** digits, K = 8, log p(x) about 14 nats on average. How far below it does a single naive sample fall on average: 1, 10 or 100 nats?

# %%
vae = model.to_vae()  # the same p(x); its W has orthogonal columns
few = X[:5]
log_px = model.score_samples(few)
W, b = vae.params["decoder.out.W"].T, vae.params["decoder.out.b"]
c = few - b
precision = np.eye(8) + W.T @ W / eta
m = np.linalg.solve(precision, W.T @ c.T / eta).T
kl = (np.trace(precision) + np.einsum("ni,ij,nj->n", m, precision, m) - 8 - np.linalg.slogdet(precision)[1]) / 2
expected = -((c**2).sum(1) + np.sum(W**2)) / (2 * eta) - 32 * np.log(2 * np.pi * eta)  # E log p(x|z), by hand
print(f"mean log p(x) over the digits: {model.score(X):.8f} nats")
assert abs(model.score(X) - 14.20978832) < 1e-8
print("exact bias, -KL(prior || posterior):", (-kl).round(2))
print(f"E log p(x|z) - log p(x) + KL: {np.abs(expected - log_px + kl).max():.1e}")
assert np.abs(expected - log_px + kl).max() < 1e-10
variance = ((c @ W) ** 2).sum(1) / eta**2 + np.sum((W.T @ W) ** 2) / (2 * eta**2)

single = np.stack([naive_log_likelihood(vae, few, 1, rng=seed) for seed in range(3000)])
bias, error = single.mean(0) - log_px, standard_error(single)
print("measured over 3000 draws:           ", bias.round(2), "standard error", error.round(2))
assert np.all(np.abs(bias + kl) < 4 * error)
spread = single.var(0)
error = np.sqrt((((single - single.mean(0)) ** 4).mean(0) - spread**2) / len(single))
print("standard deviation, exact:          ", np.sqrt(variance).round(2))
print("standard deviation, measured:       ", np.sqrt(spread).round(2))
assert np.all(np.abs(spread - variance) < 4 * error)

# %% [markdown]
# The same identity holds without any Gaussian posterior. For the decoder z² with η = 1 the left side is known by hand, since
# $\mathbb{E}(x-z^2)^2 = x^2-2x+3$; the evidence and the posterior of the right side come from the grid.

# %%
smooth = GridPosterior(lambda x, z: gaussian_forward(z**2, x, 1.0)[0], n_latent=1, width=6.2)
grid_z = smooth.z[:, 0]
grid_prior = np.exp(-(grid_z**2) / 2) / np.sqrt(2 * np.pi)
by_hand = -(4**2 - 2 * 4 + 3) / 2 - np.log(2 * np.pi) / 2
bias = by_hand - smooth.log_evidence(x_seen[None])[0]
kl_grid = (grid_prior * np.log(grid_prior / smooth.posterior(x_seen))).sum() * smooth.cell
print(f"x = 4: bias by hand and evidence {bias:.6f} nats, -KL(prior || posterior) {-kl_grid:.6f} nats")
assert abs(bias + kl_grid) < 1e-5

# %% [markdown]
# ## 8. More samples: Jensen's bias falls with L
#
# *Items: D0-21.*
#
# Average inside the logarithm: $\hat p_L = \frac1L\sum_l p(x\mid z_l)$ is unbiased for p(x), and by Jensen
# $\mathbb{E}\log\hat p_L \le \log\mathbb{E}\,\hat p_L = \log p(x)$.
#
# **It increases with L.** Split 2L samples into two halves, $\hat p_{2L} = \tfrac12(\hat p_L + \hat p_L')$. The logarithm is concave:
# $\log\hat p_{2L} \ge \tfrac12(\log\hat p_L+\log\hat p_L')$, for *every* draw; take
# expectations: $\mathbb{E}\log\hat p_{2L}\ge\mathbb{E}\log\hat p_L$.
#
# **How fast.** Write $\hat p_L = p(x)(1+u)$ with $\mathbb{E}u=0$, $\mathbb{E}u^2=\rho/L$, $\rho=\mathrm{Var}\,p(x\mid z)/p(x)^2$. From
# $\log(1+u) = u-u^2/2+\dots$ the bias is $-\rho/2L + O(L^{-2})$. For a linear decoder ρ is exact: the square of a Gaussian density is
# $\mathcal{N}(x;\mu,\eta I)^2 = (4\pi\eta)^{-D/2}\,\mathcal{N}(x;\mu,\tfrac\eta2I)$, so
# $$\mathbb{E}\,p(x\mid z)^2 = (4\pi\eta)^{-D/2}\,\mathcal{N}\big(x;\,b,\,WW^\top+\tfrac\eta2 I\big).$$
#
# The scalar model $x = z+\sqrt{\eta}\,\varepsilon$, $\eta=0.1$, $x=1$: a pool of a million samples, regrouped.
#
# **Predict first:** bias −8.35 nats at L = 1. At L = 256: a sixteenth of it, a 256th, or less?

# %%
x1 = 1.0


def log_normal(x, variance):
    """log N(x; 0, variance)."""
    return -(x**2 / variance + np.log(2 * np.pi * variance)) / 2


log_p = log_normal(x1, 1 + ETA)
rho = np.exp(-np.log(4 * np.pi * ETA) / 2 + log_normal(x1, 1 + ETA / 2) - 2 * log_p) - 1
by_quadrature = np.sum(prior * dz * np.exp(2 * log_normal(x1 - z, ETA) - 2 * log_p)) - 1
print(f"rho: closed form {rho:.10f}, by quadrature {by_quadrature:.10f}")
assert abs(rho - by_quadrature) < 1e-10
kl_prior = (11 + 11 * (10 / 11) ** 2 - 1 - np.log(11)) / 2  # Lambda = 11, m = 10/11
pool = log_normal(x1 - rng.standard_normal(2**20), ETA)
sizes = 2 ** np.arange(0, 11)
ratios = [iwae_bound_forward(pool.reshape(-1, L).T)[0] - log_p for L in sizes]  # log(1 + u); E u = 0 exactly,
deviations = [d - np.expm1(d) for d in ratios]  # so subtracting u removes noise and no bias
bias = np.array([d.mean() for d in deviations])
for L, d in zip(sizes, deviations):
    print(f"L = {L:4d}: bias {d.mean():8.5f} ± {standard_error(d):.5f} nats; -rho/2L = {-rho / 2 / L:8.5f}")
print(f"exactly, at L = 1: {-kl_prior:.5f} nats")
assert np.all(np.diff(bias) > 0)  # for this pool, not only on average: all groupings share the mean of u
assert abs(bias[0] + kl_prior) < 4 * standard_error(deviations[0])
assert abs(bias[8] / (-rho / 512) - 1) < 0.05  # L = 256

fig, ax = plt.subplots()
ax.loglog(sizes, -bias, "o-", label="measured")
ax.loglog(sizes, rho / 2 / sizes, "--", label="ρ / 2L")
ax.plot(1, kl_prior, "s", ms=12, mfc="none", mew=2.5, label="KL(prior ‖ posterior)")
ax.set(xlabel="L, samples inside the logarithm", ylabel="log p(x) − estimate (nats)")
ax.set_title("The bias falls, in the end like 1/L")
ax.legend()
plt.show()

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
# ## 9. Importance sampling: constant when q is the posterior
#
# *Items: D0-24.*
#
# The slide: the estimate $\log\frac{p(x\mid z)\,p(z)}{q(z)}$ with $z\sim q(z)\approx p(z\mid x)$ "works great". (In the text of the slide the
# logarithm stands in the numerator alone; it belongs to the whole fraction.)
#
# Multiply and divide by q **[IS.1]**:
# $$p(x) = \int q(z)\,\frac{p(x\mid z)\,p(z)}{q(z)}\,dz = \mathbb{E}_q\,w(z),\qquad w(z)=\frac{p(x\mid z)\,p(z)}{q(z)},\qquad
# \log p(x)\approx\log\frac1L\sum_l w(z_l).$$
# q must be positive wherever the numerator is. If $q(z)=p(z\mid x)$, Bayes' rule gives
# $$w(z) = \frac{p(x\mid z)\,p(z)}{p(z\mid x)} = p(x)\qquad\text{for every } z:$$
# one sample is enough, and the variance is zero. Naive Monte Carlo is the other extreme, q = p(z).
#
# In the code $\log w$ is the sum of two terms, `log_px` and `log_ratio` $=\log p(z)-\log q(z\mid x)$; `draw_forward` draws z ~ q(z∣x), and `features`
# leaves pixels as they are.

# %%
show(log_weight_terms_forward, log_ratio_forward, log_likelihood)

# %% [markdown]
# The encoder of `PPCA.to_vae` is the exact posterior.
#
# **Predict first:** draw 200 different z per digit. How much do the 200 log-weights differ?

# %%
some = X[:100]
log_px = model.score_samples(some)
eps = rng.standard_normal((200, 100, 8))
(reconstruction, log_ratio), _ = log_weight_terms_forward(some, eps, vae.params, vae.parts)
log_w = reconstruction + log_ratio
print(f"log p(x|z) alone varies by a standard deviation of {reconstruction.std(0).mean():.2f} nats")
error = np.abs(np.exp(log_w - log_px) - 1).max()
print(f"log w varies by {np.ptp(log_w, axis=0).max():.1e} nats at most; w / p(x) differs from 1 by {error:.1e}")
assert error < 1e-12 and reconstruction.std(0).min() > 0.1
assert np.abs(log_likelihood(vae, some, 1) - log_px).max() < 1e-12

# %% [markdown]
# A posterior that is only nearly right, here with every σ larger by the factor $e^{0.2}$, still beats the prior by far. At L = 1 the shortfall is
# $\mathrm{KL}(q\|p(z\mid x)) = \frac K2(e^{0.4}-1-0.4)$, by the closed form of the KL in the units of the posterior.

# %%
wide = vae.copy()
wide.params["encoder.head.b"][8:] += 0.2
counts = np.array([1, 4, 16, 64, 256])
naive = [np.mean([log_px - naive_log_likelihood(vae, some, L, rng=seed) for seed in range(30)]) for L in counts]
runs = [np.stack([log_likelihood(wide, some, L, rng=seed) - log_px for seed in range(30)]) for L in counts]
# The mean of w / p(x) is exactly 1. Adding its deviation from 1 removes noise and changes no bias.
repeats = [-d + np.expm1(d) for d in runs]
importance = [d.mean() for d in repeats]
gap = 4 * (np.exp(0.4) - 1.4)
print("naive, shortfall in nats:     ", np.round(naive, 3))
print("importance, shortfall in nats:", np.round(importance, 4), f"; KL(q || posterior) = {gap:.4f}")
assert abs(importance[0] - gap) < 4 * standard_error(repeats[0].ravel())
assert np.all(np.diff(importance) < 0) and min(naive) > 10 * max(importance)

fig, ax = plt.subplots()
ax.loglog(counts, naive, "o-", label="naive: z from the prior")
ax.loglog(counts, importance, "s--", label="importance: z from q, σ 22 % too large")
ax.set(xlabel="L, samples per datum", ylabel="log p(x) − estimate (nats)", title="Digits, K = 8: where z is drawn decides")
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# ## 10. When "works great" fails: infinite variance
#
# *Items: D0-24.*
#
# "q near the posterior" has a side that matters: the tails. For a Gaussian posterior of precision Λ and a Gaussian q of precision Λ_q with
# the same mean (taken as 0), $w(z)/p(x) = p(z\mid x)/q(z)$, and
# $$\mathbb{E}_q\Big[\frac{w^2}{p(x)^2}\Big] = \int\frac{p(z\mid x)^2}{q(z)}\,dz
# \;\propto\; \int\exp\!\Big(-\tfrac12 z^\top(2\Lambda-\Lambda_q)\,z\Big)dz ,$$
# which is finite if and only if $2\Lambda-\Lambda_q$ is positive definite. In one dimension, with $\Lambda=1$ and $\Lambda_q=\lambda<2$, the
# constants $\frac{1}{2\pi}\sqrt{2\pi/\lambda}$ and the integral $\sqrt{2\pi/(2-\lambda)}$ give
# $$\mathbb{E}_q\Big[\frac{w^2}{p(x)^2}\Big] = \frac{1}{\sqrt{\lambda\,(2-\lambda)}} ,$$
# and $\lambda\ge2$ gives infinity: q narrower than the posterior by more than $\sqrt2$ in standard deviation. Then the estimate of p(x) is still
# unbiased, but its printed standard error means nothing.
#
# **Variational fits go to this side.** The best diagonal q under $\mathrm{KL}(q\|p)$ has $\Lambda_q=\mathrm{diag}\,\Lambda$. For two latents of equal
# precision with the correlation r in $\Lambda=\begin{pmatrix}1&r\\r&1\end{pmatrix}$,
# $2\Lambda-\Lambda_q=\begin{pmatrix}1&2r\\2r&1\end{pmatrix}$, of smallest eigenvalue $1-2|r|$: infinite variance from $|r|=\tfrac12$ on.

# %%
show(weights_have_finite_variance)

# %%
for r in (0.3, 0.49, 0.51, 0.9):
    L2 = np.array([[1, r], [r, 1]])
    finite = weights_have_finite_variance(L2, np.diag(np.diag(L2)))
    print(f"r = {r}: smallest eigenvalue of 2 Lambda - Lambda_q {1 - 2 * r:+.2f}, finite variance: {finite}")
    assert finite == (r < 0.5)

# %% [markdown]
# First without chance: the second moment, integrated over |z| < T, for growing T.
#
# **Predict first:** q with λ = 1.5 and q with λ = 4 (half the posterior's standard deviation). Which column settles?

# %%
def second_moment(lam, T, points=20_001):
    """The integral of p^2 / q over |z| < T, posterior N(0, 1) and q = N(0, 1/lam)."""
    step = 2 * T / points
    middle = -T + step * (np.arange(points) + 0.5)
    return np.sum(np.exp(-(2 - lam) * middle**2 / 2)) * step / np.sqrt(2 * np.pi * lam)


for T in (1, 2, 4, 8, 16):
    print(f"|z| < {T:2d}: lambda = 1.5: {second_moment(1.5, T):.6f}    lambda = 4: {second_moment(4.0, T):.3e}")
limit = 1 / np.sqrt(1.5 * 0.5)
print(f"closed form for 1.5: {limit:.6f}")
assert abs(second_moment(1.5, 16) - limit) < 1e-6
assert second_moment(4.0, 16) > 1e40 * second_moment(4.0, 8)
assert weights_have_finite_variance(np.eye(1), 1.5 * np.eye(1)) and not weights_have_finite_variance(np.eye(1), 4 * np.eye(1))

# %% [markdown]
# Then with samples. The tail of the weights is a power law: $w/p(x)=\lambda^{-1/2}e^{(\lambda-1)z^2/2}$, and $z^2>t$ has a probability of about
# $e^{-\lambda t/2}$, so $P(w>v)\sim v^{-\alpha}$ with $\alpha=\lambda/(\lambda-1)$ (up to logarithms). A variance needs α > 2, that is λ < 2.
#
# The *sample variance* is a mean of w², and for it to have an error bar of its own the fourth moment must be finite, α > 4, that is λ < 4/3.
# So there are three cases. At λ = 1.2 all is well, with
# $\mathbb{E}[w^k]/p(x)^k=\lambda^{-k/2}\sqrt{\lambda/(\lambda-k(\lambda-1))}$ for k up to 4; at λ = 1.5 the variance is finite and its estimate is
# unreliable; at λ = 4 there is none.
#
# **Predict first:** the estimated variance after a hundred thousand weights, five runs each: for which λ do the runs agree?

# %%
def moment(lam, k):
    """E_q w^k / p(x)^k, finite for k (lam - 1) < lam."""
    return lam ** (-k / 2) * np.sqrt(lam / (lam - k * (lam - 1)))


N = 100_000
n_axis = np.unique(np.logspace(1, np.log10(N), 300).astype(int))
curves, largest = {}, {}
for lam in (1.2, 1.5, 4.0):
    z_q = rng.standard_normal((5, N)) / np.sqrt(lam)
    w = np.exp((lam - 1) * z_q**2 / 2) / np.sqrt(lam)  # w / p(x): its mean is 1
    first = np.cumsum(w, axis=1)[:, n_axis - 1] / n_axis
    second = np.cumsum(w * w, axis=1)[:, n_axis - 1] / n_axis
    curves[lam] = second - first**2
    largest[lam] = w.max(1) ** 2 / (w * w).sum(1)
    exact_variance = moment(lam, 2) - 1 if lam < 2 else np.inf
    print(f"lambda = {lam:g}: exact variance {exact_variance:.4f}, five samples give {curves[lam][:, -1].round(4)}")
    print(f"              the largest weight's share of the sum of w²: {largest[lam].round(4)}")

v = moment(1.2, 2) - 1
fourth = moment(1.2, 4) - 4 * moment(1.2, 3) + 6 * moment(1.2, 2) - 3  # central
error = np.sqrt((fourth - v**2) / N)
print(f"lambda = 1.2: worst run off by {np.abs(curves[1.2][:, -1] - v).max() / error:.1f} standard errors of {error:.4f}")
assert np.abs(curves[1.2][:, -1] - v).max() < 4 * error
last = curves[4.0][:, -1]
assert last.max() > 2 * last.min() and np.median(largest[4.0]) > 0.1 > largest[1.2].max()

fig, ax = plt.subplots()
for lam, colour, style in ((1.2, "C0", "-"), (4.0, "C1", "--")):
    for run, curve in enumerate(curves[lam]):
        ax.loglog(n_axis, curve, style, color=colour, lw=1.8, label=f"λ = {lam:g}" if run == 0 else None)
ax.axhline(v, color="black", lw=1.2)
ax.text(1e5, v / 4, "black: exact variance for λ = 1.2", fontsize=13, ha="right")
ax.set(xlabel="number of weights", ylabel="sample variance of w / p(x)", title="λ = 4: a variance that never settles (5 runs each)")
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# A remedy: evaluate with a q that is wider than the posterior. If $\Lambda-\Lambda_q$ is positive semi-definite the weights are even bounded, by
# $\sqrt{|\Lambda|/|\Lambda_q|}$ times p(x). For a real decoder the posterior's tails are unknown; `log_likelihood(..., return_ess=True)` gives the
# effective sample size, and a few weights that carry the sum are the sign to look for. An inconspicuous sample proves nothing.

# %% [markdown]
# ## Exercises
#
# **1. Log-mean-exp as a pair.** Write `forward` and `backward` of $f(a)=\log\frac1L\sum_l e^{a_l}$ over the first axis. The gradient is
# $\partial f/\partial a_l = e^{a_l}/\sum_k e^{a_k}$: the normalised weights. The cell below checks it with finite differences and at −800.

# %%
def my_log_mean_exp_forward(a):
    """a of shape (L, N) -> (f of shape (N,), cache)."""
    raise NotImplementedError("about 3 lines: subtract the maximum, exponentiate; the cache is the normalised weights")


def my_log_mean_exp_backward(df, cache):
    """df of shape (N,) -> da of shape (L, N)."""
    raise NotImplementedError("about 1 line: df times the normalised weights")


# %%
def test_log_mean_exp(forward, backward):
    """Finite differences, and a value that a direct computation loses."""
    report = check(forward, backward, np.random.default_rng(1).standard_normal((5, 3)))
    assert report.ok, report
    value, _ = forward(np.array([[-800.0], [-801.0], [-802.0]]))
    assert abs(value[0] - stable) < 1e-12
    print(report)


try:
    test_log_mean_exp(my_log_mean_exp_forward, my_log_mean_exp_backward)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# **2. How many samples does a wrong q cost?** For a posterior $\mathcal{N}(0,\Lambda^{-1})$ and $q=\mathcal{N}(0,\Lambda_q^{-1})$ in K dimensions,
# write $\mathbb{E}_q[w^2]/p(x)^2$ in closed form, `inf` where it is infinite. (One dimension is above; determinants take the place of numbers.)

# %%
def my_second_moment(precision, q_precision):
    """E_q w^2 / p(x)^2, for precision matrices of shape (K, K)."""
    raise NotImplementedError("about 4 lines: inf unless 2 Lambda - Lambda_q is positive definite, else three determinants")


# %%
def test_second_moment(f):
    """One dimension, a mean-field q by quadrature, and the infinite case."""
    assert abs(f(np.eye(1), 1.5 * np.eye(1)) - limit) < 1e-12
    L2 = np.array([[1, 0.4], [0.4, 1]])
    g = np.linspace(-25, 25, 1001)
    z1, z2 = np.meshgrid(g, g)
    form = z1**2 + z2**2 + 4 * 0.4 * z1 * z2  # z'(2 Lambda - I) z
    quadrature = np.exp(-form / 2).sum() * (g[1] - g[0]) ** 2 * (1 - 0.16) / (2 * np.pi)
    assert abs(f(L2, np.eye(2)) - quadrature) < 1e-6
    assert f(np.array([[1, 0.6], [0.6, 1]]), np.eye(2)) == np.inf
    print(f"correct; mean-field q at r = 0.4: {f(L2, np.eye(2)):.4f}")


try:
    test_second_moment(my_second_moment)
except NotImplementedError as todo:
    print("to do:", todo)

# %% jupyter={"source_hidden": true} tags=["solution"]
# Solution 1


def solution_log_mean_exp_forward(a):
    """The maximum is subtracted before anything is exponentiated."""
    top = a.max(0)
    w = np.exp(a - top)
    return top + np.log(w.mean(0)), w / w.sum(0)


def solution_log_mean_exp_backward(df, cache):
    """Every a_l gets its share."""
    share = cache
    return df * share


test_log_mean_exp(solution_log_mean_exp_forward, solution_log_mean_exp_backward)

# %% jupyter={"source_hidden": true} tags=["solution"]
# Solution 2


def solution_second_moment(precision, q_precision):
    """The three Gaussian normalisers, one of which may not exist."""
    tail = 2 * precision - q_precision
    if np.linalg.eigvalsh(tail).min() <= 0:
        return np.inf
    return np.linalg.det(precision) / np.sqrt(np.linalg.det(q_precision) * np.linalg.det(tail))


test_second_moment(solution_second_moment)
