# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 01 Codes and latent variables
#
# Accompanies D0 lines 23-62 (data, roadmap, three models of human height), D1 lines 3-67 (codes for a cat), D2 lines 5-11
# (representations).
#
# | quantity | D0 | D1 | D2 | here |
# |---|---|---|---|---|
# | data | x_i, set D | **x**_i, set **X** | **x**, dim D | `x`, shape (N, D) |
# | latent, or code | z | **z**, "LV" | **z** | `z`, shape (N, K) |
# | latent dimension | d | – | K | `K` |
# | spread of the height | 0.15² is the variance | – | – | 0.15 is `sigma`, its square `eta` |
#
# In D0 the letter D is the data set; in D2 and here it is the number of pixels. In D0 the index i counts data.
#
# Afterwards you can say what a minibatch may and may not replace, build a density from a latent variable and invert it by Bayes' rule,
# and explain with numbers why a code should consist of real numbers.

# %%
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    Adam,
    check,
    dense_backward,
    dense_forward,
    load_digits,
    reparameterize_forward,
)
from tinyvae.companion import show
from tinyvae.exact import PCA
from tinyvae.plots import image_grid, latent_scatter, use_style
from tinyvae.train import minibatches

use_style()
rng = np.random.default_rng(0)
X, y = load_digits()
X = X.astype(np.float64)


def log_normal(x, mean, sigma):
    """log N(x; mean, sigma^2), sigma a standard deviation."""
    return -(((x - mean) / sigma) ** 2) / 2 - np.log(sigma) - np.log(2 * np.pi) / 2


# %% [markdown]
# ## 1. What a generative model is, and the road to one
#
# *Items: D1-1, D0-6.*
#
# D1 is called "Generative Models"; D0 gives a road map: how to approximate the data distribution (A design distributions, B fit them), why
# the result is called an
# auto-encoder, use cases and further insights.
#
# A generative model is a distribution $p(x)$ over everything a datum could be, so two things are possible that a classifier cannot do:
# *draw* a new $x$, and *score* a
# given $x$ by $\log p(x)$. The simplest one for images of 64 pixels, ink or no ink, treats every pixel alone:
# $$p(x) = \prod_{d=1}^{D} \pi_d^{x_d}(1-\pi_d)^{1-x_d}, \qquad \pi_d = \frac1N\sum_i x_{id}.$$
# It is a generative model, and a poor one: nothing connects the pixels of one image.
#
# **Predict first:** the model knows perfectly how often each pixel is black. Will a drawn image look like a digit?

# %%
binary = (X > 0.5).astype(float)
train, test = binary[:1400], binary[1400:]


def log_bernoulli(x, p):
    """log p(x) of independent pixels, in nats per datum."""
    return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)


pi = (train.sum(0) + 1) / (len(train) + 2)  # with one black and one white pixel added, so that no probability is 0
per_class = np.array([(train[y[:1400] == k].sum(0) + 1) / ((y[:1400] == k).sum() + 2) for k in range(10)])
share = np.bincount(y[:1400], minlength=10) / 1400
independent = log_bernoulli(test, pi).mean()
joint = log_bernoulli(test[:, None], per_class) + np.log(share)  # log p(x, z) for each class z
mixture = np.logaddexp.reduce(joint, axis=1).mean()
print(f"log p(x) of unseen digits, nats per datum: independent pixels {independent:.3f}, with a latent class {mixture:.3f}")
assert mixture - independent > 4

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.9))
drawn_class = rng.choice(10, 16, p=share)
image_grid(test[:16], ax=axes[0], title="data")
image_grid((rng.random((16, 64)) < pi).astype(float), ax=axes[1], title="independent pixels")
image_grid((rng.random((16, 64)) < per_class[drawn_class]).astype(float), ax=axes[2], title="with a latent class")
plt.show()

# %% [markdown]
# The right-hand model first draws a class $z$, then pixels that are independent *given z*. One hidden variable of ten values, and the
# pixels begin to agree.
# That is the step that the whole course repeats, with a richer $z$:
#
# | the road map of D0 | notebooks |
# |---|---|
# | A. design approximating distributions | 01 (this one), 04 |
# | B. fit them to the data | 05 to 09, and 10 for all of it at once |
# | why "auto-encoder"? | 02, 03, 10 |
# | use cases and further insights | 11, 14 |
#
# ## 2. A data set of independent samples, and a minibatch of it
#
# *Items: D0-1.*
#
# D0: the data set is $D = \{x_i\}_{i=1}^N$, N i.i.d. samples. Independent, so $\log p(D) = \sum_i \log p(x_i)$; identically distributed, so
# one $p$ for all. Objectives
# are therefore means over data, $F = \frac1N\sum_i f(x_i)$, and a mean may be estimated from a minibatch $S$ of $B$ indices, drawn without
# replacement:
# $$\mathbb{E}_S\Big[\frac1B\sum_{i\in S} f(x_i)\Big] = \frac1B\sum_{i=1}^N P(i\in S)\,f(x_i) = \frac1B\cdot\frac BN\sum_{i=1}^N f(x_i) = F .$$
# The first step exchanges sum and expectation, the second uses that every index is in $S$ with probability $B/N$.
# So the estimate is *unbiased*, for any $f$, gradients included. The variance, with $s^2$ the variance of $f$ over the data, is
# $\frac{s^2}{B}\cdot\frac{N-B}{N-1}$.

# %%
show(minibatches)

# %% [markdown]
# **Predict first:** is the logarithm of a minibatch mean an unbiased estimate of the logarithm of the whole mean?
#
# Eight numbers have 56 minibatches of three, few enough to take them all: no randomness remains.

# %%
f = np.exp(rng.standard_normal(8))
means = np.array([f[list(s)].mean() for s in combinations(range(8), 3)])
print(f"mean of all {len(means)} minibatch means {means.mean():.12f}, whole mean {f.mean():.12f}")
print(f"variance {means.var():.12f}, formula {f.var() / 3 * 5 / 7:.12f}")
print(f"mean of their logarithms {np.log(means).mean():.6f}, logarithm of the whole mean {np.log(f.mean()):.6f}: biased")
print(f"mean of their maxima {np.mean([f[list(s)].max() for s in combinations(range(8), 3)]):.6f}, whole maximum {f.max():.6f}: biased")
assert len(means) == 56 and abs(means.mean() - f.mean()) < 1e-12
assert abs(means.var() - f.var() / 3 * 5 / 7) < 1e-12
assert np.log(f.mean()) - np.log(means).mean() > 0.01

# %% [markdown]
# The same for a gradient of the real thing: a VAE's loss on the digits. One epoch cuts the data into minibatches; with equal sizes and the
# same noise for every
# datum, the mean of the minibatch gradients is the gradient of the whole.

# %%
vae = VAE(64, 2, hidden=(16,), dtype="float64")
data, noise = X[:1000], rng.standard_normal((1000, 2))
whole = vae.loss_and_grad(data, noise)[1]
order = rng.permutation(1000)
parts = np.array([vae.loss_and_grad(data[i], noise[i])[1] for i in order.reshape(20, 50)])
print(f"largest difference of the mean of 20 minibatch gradients to the whole gradient: {np.abs(parts.mean(0) - whole).max():.1e}")
print(f"norm of the whole gradient {np.linalg.norm(whole):.3f}, of one minibatch's error {np.linalg.norm(parts - whole, axis=1).mean():.3f}")
assert np.abs(parts.mean(0) - whole).max() < 1e-12
assert np.linalg.norm(parts[0] - whole) > 1e-3

# %% [markdown]
# ## 3. Height, model one: a single Gaussian
#
# *Items: D0-7.*
#
# D0: $p(x) = \mathcal{N}(1.65,\,0.15^2)$, x in metres. The second argument is the *variance*, $0.15^2 = 0.0225\ \mathrm{m}^2$; the standard
# deviation is 0.15 m.
# To fit it, maximise $\sum_i\log p(x_i) = -\frac{1}{2\sigma^2}\sum_i(x_i-\mu)^2 - N\ln\sigma - \frac N2\ln 2\pi$. Zero derivatives give
# $$\mu = \frac1N\sum_i x_i, \qquad \sigma^2 = \frac1N\sum_i (x_i-\mu)^2 .$$
# The data below are synthetic. They come from the model of section 4, whose overall mean and variance are those of D0.
#
# **Predict first:** what probability does D0's Gaussian give to a height above 2 m? And below 0 m?

# %%
N = 20_000
gender = rng.integers(2, size=N)  # z
centre, within = np.array([1.58, 1.72]), np.sqrt(0.15**2 - 0.07**2)
height = centre[gender] + within * rng.standard_normal(N)
mu, sigma = height.mean(), height.std()
grid = np.linspace(-0.5, 4, 45_001)
step = grid[1] - grid[0]
density = np.exp(log_normal(grid, 1.65, 0.15))
above, below = density[grid > 2].sum() * step, density[grid < 0].sum() * step
print(f"fitted: mean {mu:.4f} m, standard deviation {sigma:.4f} m (variance {sigma**2:.5f} m^2)")
print(f"D0's Gaussian: P(x > 2 m) = {above:.4f}, P(x < 0 m) = {below:.1e}, integral {density.sum() * step:.9f}")
print(f"if 0.15^2 were taken as the standard deviation: P(x > 2 m) = {np.exp(log_normal(grid[grid > 2], 1.65, 0.0225)).sum() * step:.1e}")
assert abs(mu - 1.65) < 4 * 0.15 / np.sqrt(N) and abs(sigma - 0.15) < 4 * 0.15 / np.sqrt(2 * N)
assert abs(density.sum() * step - 1) < 1e-9 and abs(above - 0.0098) < 1e-4

# %% [markdown]
# ## 4. Height, model two: a latent variable
#
# *Items: D0-8.*
#
# D0: take gender into account, $p(x,z) = p(x|z)\,p(z)$. With two Gaussians of equal share and the same width,
# $$p(x) = \sum_z p(z)\,p(x|z) = \tfrac12\mathcal{N}(x;\mu_0,\sigma_w^2)+\tfrac12\mathcal{N}(x;\mu_1,\sigma_w^2), \qquad
# \operatorname{Var}x = \underbrace{\sigma_w^2}_{\mathbb{E}[\operatorname{Var}(x|z)]} +
# \underbrace{\big(\tfrac{\mu_1-\mu_0}{2}\big)^2}_{\operatorname{Var}(\mathbb{E}[x|z])} .$$
# Here $\mu_0 = 1.58$, $\mu_1 = 1.72$ and $\sigma_w^2 = 0.15^2-0.07^2$, so mean and variance stay those of D0. If $z$ is not observed it is
# *latent*, and what a height tells
# about it is the posterior, by Bayes' rule:
# $$p(z=1|x) = \frac{p(x|z=1)\,p(z=1)}{\sum_{z'}p(x|z')\,p(z')} .$$
#
# **Predict first:** two genders, two Gaussians. Does the density of height have two peaks?

# %%
log_joint = np.log(0.5) + log_normal(grid[:, None], centre, within)
log_marginal = np.logaddexp.reduce(log_joint, axis=1)
marginal = np.exp(log_marginal)
mean_m = (grid * marginal).sum() * step
var_m = ((grid - mean_m) ** 2 * marginal).sum() * step
peaks = int(np.sum((marginal[1:-1] > marginal[:-2]) & (marginal[1:-1] >= marginal[2:])))
kl_mixture_gauss = (marginal * (log_marginal - log_normal(grid, 1.65, 0.15))).sum() * step
print(f"marginal: mean {mean_m:.6f} m, standard deviation {np.sqrt(var_m):.6f} m, peaks: {peaks}")
print(f"KL from the mixture to the single Gaussian: {kl_mixture_gauss:.6f} nats per person")
assert abs(mean_m - 1.65) < 1e-9 and abs(var_m - 0.15**2) < 1e-9
assert peaks == 1 and 0 < kl_mixture_gauss < 0.01

# %% [markdown]
# One peak. Two equal Gaussians show two peaks only if their means are more than $2\sigma_w$ apart, and 0.14 m is less than 0.27 m. As a
# model of $x$ alone, the latent
# variable buys almost nothing here. What it buys is the structure: how a height speaks about $z$, measured by the mutual information.

# %%
posterior = np.exp(log_joint[:, 1] - log_marginal)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
show_range = (grid > 1.1) & (grid < 2.2)
left.hist(height, bins=60, density=True, color="0.85")
left.plot(grid[show_range], marginal[show_range], label="p(x)")
for k, style in enumerate(("--", ":")):
    left.plot(grid[show_range], 0.5 * np.exp(log_normal(grid[show_range], centre[k], within)), style, label=f"p(x|z={k}) p(z={k})")
left.set(xlabel="height x (m)", ylabel="density (1/m)", xlim=(1.1, 2.2), ylim=(0, 4.4))
left.legend(loc="upper left", fontsize=12)
right.plot(grid[show_range], posterior[show_range])
right.set(xlabel="height x (m)", ylabel="p(z=1|x)", ylim=(0, 1), xlim=(1.1, 2.2))
fig.suptitle("One hump, two causes: the posterior tells them apart")
plt.show()

# %%
entropy = np.log(2)
binary_entropy = -(posterior * np.log(posterior + 1e-300) + (1 - posterior) * np.log(1 - posterior + 1e-300))
information = entropy - (marginal * binary_entropy).sum() * step
at = np.exp(np.log(0.5) + log_normal(1.72, centre, within))
bayes = at[1] / at.sum()
logistic = 1 / (1 + np.exp(-0.14 / within**2 * (1.72 - 1.65)))
near = np.abs(height - 1.72) < 0.01
counted = gender[near].mean()
print(f"p(z=1 | 1.72 m): Bayes {bayes:.4f}, sigmoid {logistic:.4f}, counted {counted:.3f} of {near.sum()} people")
print(f"information of a height about z: {information:.4f} of {entropy:.4f} nats")
assert abs(bayes - logistic) < 1e-12
assert abs(counted - bayes) < 4 * np.sqrt(bayes * (1 - bayes) / near.sum())
assert 0.1 < information < 0.2

# %% [markdown]
# The posterior over a two-valued latent is a sigmoid of the datum: a first *encoder*, and here an exact one.
#
# ## 5. Height, model three: and what the product assumes
#
# *Items: D0-9.*
#
# D0: take age into account, $p(x,z,t) = p(x|z,t)\,p(z)\,p(t)$. In general the chain rule says $p(x,z,t) = p(x|z,t)\,p(z,t)$. Writing
# $p(z)\,p(t)$ assumes that age and
# gender are independent (erratum E14). That is a fair design choice, and it has a price that can be computed: the KL between the two joints
# is
# $$\sum_{z,t}\!\int p(x|z,t)\,p(z,t)\,\ln\frac{p(x|z,t)\,p(z,t)}{p(x|z,t)\,p(z)p(t)}\,dx = \sum_{z,t}p(z,t)\ln\frac{p(z,t)}{p(z)p(t)} = I(z;t) .$$
# The height cancels. A made-up population with child, adult and old age; the old are more often women (z = 0).
#
# **Predict first:** z and t are independent in D0's model. Are they still independent once the height is known?

# %%
p_zt = np.array([[0.10, 0.28, 0.14], [0.10, 0.30, 0.08]])  # rows z = 0, 1; columns child, adult, old
p_z, p_t = p_zt.sum(1), p_zt.sum(0)
means_zt = np.array([[1.20, 1.66, 1.60], [1.22, 1.79, 1.73]])
sigmas_t = np.array([0.20, 0.07, 0.07])
density_zt = np.exp(log_normal(grid[:, None, None], means_zt, sigmas_t))  # p(x|z,t)


def information_of(table):
    """I(z; t) of a joint table, in nats."""
    return float((table * np.log(table / np.outer(table.sum(1), table.sum(0)))).sum())


product = np.outer(p_z, p_t)
joint_true, joint_product = density_zt * p_zt, density_zt * product
keep = joint_true > 1e-300
kl_joint = (joint_true[keep] * np.log(joint_true[keep] / joint_product[keep])).sum() * step
px_true, px_product = joint_true.sum((1, 2)), joint_product.sum((1, 2))
inside = px_true > 1e-300
kl_x = (px_true[inside] * np.log(px_true[inside] / px_product[inside])).sum() * step
print(f"I(z; t) = {information_of(p_zt):.6f} nats; KL between the joints by quadrature {kl_joint:.6f}")
print(f"seen through the height alone, KL between the two p(x): {kl_x:.6f} nats")
assert abs(kl_joint - information_of(p_zt)) < 1e-9 and information_of(p_zt) > 0.005
assert 0 < kl_x < kl_joint

# %%
x0 = np.abs(grid - 1.70).argmin()
given_height = joint_product[x0] / joint_product[x0].sum()  # p(z, t | x = 1.70 m) in D0's model
explained = information_of(given_height)
print("D0's model, p(z, t | x = 1.70 m), columns child, adult, old:")
print(given_height.round(4))
print(f"I(z; t) before the height is known {information_of(product):.1e}, after {explained:.4f} nats")
print(f"p(z=1 | 1.70 m, adult) = {given_height[1, 1] / given_height[:, 1].sum():.3f}, "
      f"p(z=1 | 1.70 m, old) = {given_height[1, 2] / given_height[:, 2].sum():.3f}")  # fmt: skip
assert abs(information_of(product)) < 1e-12
assert explained > 1e-2

# %% [markdown]
# Independent before, dependent after: a person of 1.70 m who is adult is probably a woman, one who is old probably a man. Two causes of one
# effect *explain each other away*. A VAE's
# prior $\mathcal{N}(0,I)$ makes the same choice, independent latents, and meets the same consequence: the posterior of its latents is
# correlated (notebook 08).
#
# ## 6. One-hot codes
#
# *Items: D1-3, D1-4.*
#
# D1 asks: a decoder is to draw a cat. What should the code vector look like: one-hot? And any problem with it? Two: different cats cannot
# be told apart, and cats and lions are as far
# from one another as cats and dogs. Both follow from the definition. For one-hot $e_a$ with $a\neq b$,
# $$\|e_a-e_b\|^2 = 1 + 1 - 2\,e_a^\top e_b = 2 ,$$
# whatever the classes mean. And for a dense decoder, $e_a^\top W + b$ is row $a$ of $W$ plus $b$: one image for each class. The best such
# image under squared error is the mean of the
# class, since $\sum_{i\in a}\|x_i-c\|^2$ has the derivative $-2\sum_{i\in a}(x_i-c)$, zero at $c=\bar x_a$. The error left is the variance
# within the classes.

# %%
show(dense_forward, dense_backward)

# %% [markdown]
# **Predict first:** of the variance of the digits, how large a part do ten perfect one-hot codes explain: a tenth, a half, nine tenths?

# %%
codes = np.eye(10)[y]
distances = np.linalg.norm(np.eye(10)[:, None] - np.eye(10), axis=-1)
W = np.linalg.lstsq(codes, X, rcond=None)[0]  # the best decoder without bias
class_means = np.array([X[y == k].mean(0) for k in range(10)])
decoded, _ = dense_forward(codes, W, np.zeros(64))
total, left_over = ((X - X.mean(0)) ** 2).sum(1).mean(), ((X - decoded) ** 2).sum(1).mean()
print(f"distances between different one-hot codes: {np.unique(distances[distances > 0]).round(6)}")
print(f"number of different images decoded from {len(X)} codes: {len(np.unique(decoded.round(9), axis=0))}")
print(f"variance {total:.4f}, left within the classes {left_over:.4f}: {1 - left_over / total:.1%} explained")
assert np.ptp(distances[~np.eye(10, dtype=bool)]) < 1e-12
assert np.abs(W - class_means).max() < 1e-10 and len(np.unique(decoded.round(9), axis=0)) == 10
assert 0.3 < 1 - left_over / total < 0.6

# %% [markdown]
# ## 7. Codes of real numbers
#
# *Items: D1-5, D1-6, D1-7, D2-2.*
#
# D1's next codes hold real numbers: 0.81 for a cat, 0.78 for another cat; then a second entry for how much the cat looks like a dog, 0.1 or
# 0.55. Eventually a latent representation needs real
# numbers. Now distances mean something. (D2: one of the goals of unsupervised learning is to learn such representations.)

# %%
cat, other = np.zeros(11), np.zeros(11)
cat[1], other[1] = 0.81, 0.78
bit, much = cat.copy(), other.copy()
bit[5], much[5] = 0.10, 0.55
dog = np.eye(11)[5]
for name, code in {"a cat": cat, "another cat": other, "a cat a little like a dog": bit, "a cat much like a dog": much}.items():
    print(f"{name:<27} distance to 'a cat' {np.linalg.norm(code - cat):.3f}, to 'a dog' {np.linalg.norm(code - dog):.3f}")
assert 0 < np.linalg.norm(cat - other) < np.linalg.norm(cat - bit) < np.linalg.norm(cat - much)
assert np.linalg.norm(much - dog) < np.linalg.norm(bit - dog) < np.linalg.norm(cat - dog)

# %% [markdown]
# In D1 the entries are chosen by hand; each class keeps its own. A learned representation chooses its own axes. The simplest learner of
# real codes is PCA: K numbers per image, the
# coordinates along the K directions of largest variance (notebook 02 derives it).
#
# **Predict first:** how many real numbers per image explain as much variance as the ten one-hot codes?

# %%
values = PCA(1).fit(X).eigenvalues_
explained_by = np.cumsum(values) / values.sum()
needed = int(np.argmax(explained_by > 1 - left_over / total)) + 1
pca = PCA(10).fit(X)
error_10 = ((X - pca.inverse_transform(pca.transform(X))) ** 2).sum(1).mean()
print(f"{needed} real numbers explain {explained_by[needed - 1]:.1%}, ten one-hot entries {1 - left_over / total:.1%}")
print(f"squared error per image: ten one-hot entries {left_over:.4f}, ten real numbers {error_10:.4f}")
print(f"for fairness: two real numbers leave {PCA(2).fit(X).reconstruction_error_:.4f}, more than the one-hot codes, which need the labels")
assert explained_by[needed - 1] > 1 - left_over / total >= explained_by[needed - 2]
assert error_10 < 0.7 * left_over < left_over < PCA(2).fit(X).reconstruction_error_

# %%
threes = np.flatnonzero(y == 3)[[0, 5, 9, 20, 33, 47, 60, 71]]
rows = np.concatenate([X[threes], decoded[threes], pca.inverse_transform(pca.transform(X[threes]))])
fig, ax = plt.subplots(figsize=(9, 4))
image_grid(np.clip(rows, 0, 1), n_columns=8, ax=ax, title="Eight threes: only real codes tell them apart")
ax.set_yticks([3.5, 12.5, 21.5], ["data", "one-hot code", "ten real numbers"])
ax.tick_params(length=0)
plt.show()

# %% [markdown]
# The second complaint, that one-hot codes relate no classes: between the class means of real codes, distances differ by a factor. And a
# code between two codes now means something; between
# two one-hot codes it is a vector that no class owns.

# %%
centres = np.array([pca.transform(X[y == k]).mean(0) for k in range(10)])
between = np.linalg.norm(centres[:, None] - centres, axis=-1)
pairs = [(between[a, b], a, b) for a, b in combinations(range(10), 2)]
(near_d, *near_pair), (far_d, *far_pair) = min(pairs), max(pairs)
print(f"nearest classes {near_pair}: {near_d:.3f}; farthest classes {far_pair}: {far_d:.3f}; ratio {far_d / near_d:.2f} (one-hot: 1)")
assert far_d / near_d > 1.5

# %% [markdown]
# Last, a VAE that is given no label and may keep two numbers per image. Its codes are learned from the images alone; it is the subject of
# notebook 10, here only its picture.
#
# **Predict first:** two numbers per image and no labels. By how much will the label of the nearest other code beat chance, which is right
# one time in ten?

# %%
model = VAE(64, 2, hidden=(64,), seed=0)
history = model.fit(X, epochs=60, optimizer=Adam(lr=0.005), progress=False)
codes_mu, codes_log_sigma = model.encode(X)
latent_scatter(codes_mu, y)
plt.show()


def neighbour_accuracy(z):
    """Share of data whose nearest other datum in z has the same label."""
    squared = (z**2).sum(1)[:, None] + (z**2).sum(1) - 2 * z @ z.T
    np.fill_diagonal(squared, np.inf)
    return float((y[squared.argmin(1)] == y).mean())


scores = {
    "two numbers, PCA": neighbour_accuracy(PCA(2).fit(X).transform(X)),
    "two numbers, VAE": neighbour_accuracy(codes_mu.astype(np.float64)),
    "ten numbers, PCA": neighbour_accuracy(pca.transform(X)),
    "64 pixels": neighbour_accuracy(X),
}
for name, value in scores.items():
    print(f"nearest neighbour has the same label, {name:<18} {value:.1%}")
assert scores["two numbers, VAE"] > scores["two numbers, PCA"] > 0.4
assert scores["64 pixels"] > scores["ten numbers, PCA"] > scores["two numbers, VAE"], "two numbers lose a part: the honest order"

# %% [markdown]
# One more step separates this from a table of numbers. For a VAE a code is not a point but a small Gaussian, `mu` with a spread `sigma`,
# from which $z$ is drawn; that is why the neighbourhood of a
# code, too, decodes to a sensible image. The rest of the course is about that step.

# %%
show(reparameterize_forward)

# %%
z, _ = reparameterize_forward(codes_mu[:1], codes_log_sigma[:1], rng.standard_normal((8, 1, 2)))
images = model.decode(z[:, 0])
spread = np.abs(images - model.decode(codes_mu[:1])).mean()
print(f"eight draws of z for the first digit: mean change of a pixel {spread:.3f}, between random data {np.abs(X[:900] - X[897:]).mean():.3f}")
assert spread < 0.5 * np.abs(X[:900] - X[897:]).mean()

# %% [markdown]
# ## Exercises
#
# **1.** A loss is the *sum* over all N data. Estimate it without bias from a minibatch of values.


# %%
def estimate_sum(batch_values, n_data):
    """An unbiased estimate of the sum over all data, from the values of a minibatch."""
    raise NotImplementedError("about 1 line: the mean of the batch, times what?")


def check_sum(estimate):
    all_batches = [estimate(f[list(s)], 8) for s in combinations(range(8), 3)]
    assert abs(np.mean(all_batches) - f.sum()) < 1e-12, "biased"
    print("correct")


try:
    check_sum(estimate_sum)
except NotImplementedError as error:
    print("to do:", error)

# %% [markdown]
# **2.** The log-density of the two-component mixture of section 4 as a pair: forward returns $\log p(x_i)$ for every height and a cache,
# backward the gradient by the two means. The posterior
# $p(z|x)$ appears by itself:
# $$\frac{\partial\log p(x)}{\partial\mu_z} = \frac{1}{p(x)}\,p(z)\,p(x|z)\,\frac{x-\mu_z}{\sigma_w^2} = p(z|x)\,\frac{x-\mu_z}{\sigma_w^2}.$$


# %%
some = height[:6]


def mixture_forward(means):
    """log p(x) of the heights `some`, shape (6,), and a cache; means has shape (2,)."""
    raise NotImplementedError("about 3 lines: log joint (6, 2), logaddexp.reduce over z, cache")


def mixture_backward(dlog_p, cache):
    """dmeans of shape (2,), given dlog_p of shape (6,)."""
    raise NotImplementedError("about 2 lines: the posterior (6, 2), then the formula summed over the data")


def check_mixture(forward, backward):
    value, _ = forward(centre)
    expected = np.interp(some, grid, log_marginal)
    assert np.abs(value - expected).max() < 1e-6, "forward"
    report = check(forward, backward, np.array([1.5, 1.8]))
    print(report)
    assert report.ok


try:
    check_mixture(mixture_forward, mixture_backward)
except NotImplementedError as error:
    print("to do:", error)

# %% [markdown]
# ## Solutions


# %% jupyter={"source_hidden": true} tags=["solution"]
def estimate_sum_solution(batch_values, n_data):
    return n_data * batch_values.mean()


check_sum(estimate_sum_solution)


# %% jupyter={"source_hidden": true} tags=["solution"]
def mixture_forward_solution(means):
    log_joint = np.log(0.5) + log_normal(some[:, None], means, within)
    log_p = np.logaddexp.reduce(log_joint, axis=1)
    return log_p, (log_joint, log_p, means)


def mixture_backward_solution(dlog_p, cache):
    log_joint, log_p, means = cache
    posterior = np.exp(log_joint - log_p[:, None])
    return (dlog_p[:, None] * posterior * (some[:, None] - means) / within**2).sum(0)


check_mixture(mixture_forward_solution, mixture_backward_solution)
