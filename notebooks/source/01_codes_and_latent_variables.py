# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 01 Codes and latent variables
#
# A datum can be described by a short code, and a distribution over data can be built from a variable that nobody observes. This
# notebook does both on examples small enough to compute every number: a minibatch of eight, the height of people, and ten digits.
#
# Afterwards you can say what a minibatch may and may not replace, build a density from a latent variable and invert it by Bayes' rule,
# and explain with numbers why a code should consist of real numbers.
#
# *Notation: data; latent; latent dimension; data dimension.*
#
# In D0 the letter D is also the data set; in D2 and here D is the number of pixels. In D0 the index i counts data. In D0's
# $\mathcal{N}(1.65, 0.15^2)$ the second argument is a variance: 0.15 m is `sigma`.

# %%
from itertools import combinations, product
from math import erfc, sqrt

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    Adam,
    dense_forward,
    load_digits,
    reparameterize_forward,
)
from tinyvae.companion import show
from tinyvae.estimators import standard_error
from tinyvae.exact import PCA
from tinyvae.plots import image_grid, use_style
from tinyvae.plots.diagrams import graph
from tinyvae.train import minibatches

use_style()
rng = np.random.default_rng(0)
X, y = load_digits()
X = X.astype(np.float64)


def log_normal(x, mean, sigma):
    """log N(x; mean, sigma^2), sigma a standard deviation."""
    return -(((x - mean) / sigma) ** 2) / 2 - np.log(sigma) - np.log(2 * np.pi) / 2


def normal_above(a):
    """P(e > a) for e of N(0, 1)."""
    return erfc(a / sqrt(2)) / 2


# %% [markdown]
# ## 1. What a generative model is, and the road to one
#
# *Items: D1-1, D0-6.*
#
# *Short path.*
#
# D1 is called "Generative Models"; D0 gives a road map: how to approximate the data distribution (A design distributions, B fit them), why
# the result is called an auto-encoder, use cases and further insights.
#
# A generative model is a distribution $p(x)$ over everything a datum could be, so two things are possible that a classifier cannot do:
# *draw* a new $x$, and *score* a given $x$ by $\log p(x)$. (A generator without noise can only be drawn from: notebook 04.) The simplest one for images of 64 pixels, ink or no ink, treats every pixel
# alone:
# $$p(x) = \prod_{d=1}^{D} \pi_d^{x_d}(1-\pi_d)^{1-x_d}, \qquad \pi_d = \frac1N\sum_i x_{id}.$$
#
# **Predict first:** the model knows how often each pixel is inked, as exactly as the data tell. Will a drawn image look like a digit?

# %% tags=["answer"]
binary = (X > 0.5).astype(float)
train, test = binary[:1400], binary[1400:]


def log_bernoulli(x, p):
    """log p(x) of independent pixels, in nats per datum."""
    return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)


pi = (train.sum(0) + 1) / (len(train) + 2)  # with one inked and one empty pixel added, so that no probability is 0
independent = log_bernoulli(test, pi)
print(f"log p(x) of unseen digits under independent pixels: {independent.mean():.2f} nats per datum")

every = np.array(list(product([0.0, 1.0], repeat=8)))  # all 256 images of one row of pixels
assert abs(np.exp(log_bernoulli(every, pi[24:32])).sum() - 1) < 1e-12  # a distribution

ax = image_grid(
    np.concatenate([test[:8], (rng.random((8, 64)) < pi).astype(float)]),
    n_columns=8,
    ax=plt.subplots(figsize=(9, 2.9))[1],
)
ax.set_yticks([3.5, 12.5], ["data", "drawn"])
ax.tick_params(length=0)
ax.set_title("Independent pixels draw no digits")
plt.show()

# %% [markdown] tags=["answer"]
# It does not. Every pixel is inked as often as it should be, and nothing connects the pixels of one image: a generative model, and a poor
# one.

# %% [markdown]
# **One hidden variable.** Draw first a class $z$ out of ten with $p(z)$ its share among the data, then the pixels, independent *given* $z$,
# with the frequencies $\pi_{zd}$ of that class:
# $$p(x) = \sum_{z} p(z)\prod_d \pi_{zd}^{x_d}(1-\pi_{zd})^{1-x_d} .$$
# Nobody observes $z$ when an image is scored: the sum runs over all ten.

# %%
per_class = np.array([(train[y[:1400] == k].sum(0) + 1) / ((y[:1400] == k).sum() + 2) for k in range(10)])
share = np.bincount(y[:1400], minlength=10) / 1400


def log_mixture(x, p, share):
    """log sum_z p(z) p(x|z), in nats per datum; x (N, D), p (10, D), share (10,)."""
    return np.logaddexp.reduce(log_bernoulli(x[:, None], p) + np.log(share), axis=1)


mixture = log_mixture(test, per_class, share)
gain = mixture - independent
error = standard_error(gain)
print(f"log p(x) of unseen digits with a latent class: {mixture.mean():.2f} nats per datum")
print(f"more than independent pixels by {gain.mean():.2f}, standard error over the digits {error:.2f}")
assert abs(np.exp(log_mixture(every, per_class[:, 24:32], share)).sum() - 1) < 1e-12
assert abs(gain.mean() - 4.25) < 0.05 and gain.mean() > 8 * error
less = [(train[y[:1400] == k].sum(0) + 0.1) / ((y[:1400] == k).sum() + 0.2) for k in range(10)]
gain_less = log_mixture(test, np.array(less), share) - log_bernoulli(test, (train.sum(0) + 0.1) / 1400.2)
assert abs(gain_less.mean() - gain.mean()) < 0.15  # what is added to the counts matters little

drawn_class = rng.choice(10, 8, p=share)
drawn = (rng.random((8, 64)) < per_class[drawn_class]).astype(float)
ax = image_grid(
    drawn, n_columns=8, ax=plt.subplots(figsize=(9, 2.2))[1], title="First a class z is drawn, then its pixels"
)
ax.set_xticks(3.5 + 9 * np.arange(8), [f"z = {k}" for k in drawn_class], fontsize=15)
ax.tick_params(length=0)
plt.show()

# %% [markdown]
# One hidden variable of ten values, and the pixels begin to agree. That is the step that the whole course repeats, with a richer $z$:
#
# | the road map of D0 | notebooks |
# |---|---|
# | A. design approximating distributions | 01 (this one), 04 |
# | B. fit them to the data | 05 to 09, and 10 for all of it at once |
# | why "auto-encoder"? | 02, 03, 10 |
# | further insights | 11 |
#
# D0's use cases (semi-supervised learning, anomalies, imputation) are in 13a; 14 gathers the takeaways and the errata.

# %% [markdown]
# ## 2. A data set of independent samples, and a minibatch of it
#
# *Items: D0-1.*
#
# D0: the data set is $D = \{x_i\}_{i=1}^N$, N i.i.d. samples. Independent, so $\log p(D) = \sum_i \log p(x_i)$; identically distributed, so
# one $p$ for all. Objectives are therefore means over data, $F = \frac1N\sum_i f(x_i)$, and a mean may be estimated from a minibatch $S$ of
# $B$ indices, drawn without replacement:
# $$\mathbb{E}_S\Big[\frac1B\sum_{i\in S} f(x_i)\Big] = \frac1B\sum_{i=1}^N P(i\in S)\,f(x_i) = \frac1B\cdot\frac BN\sum_{i=1}^N f(x_i) = F .$$
# The first step exchanges sum and expectation, the second uses that every index is in $S$ with probability $B/N$.
# So the estimate is *unbiased*, for any $f$, gradients included.
#
# **Its variance.** Let $s^2 = \frac1N\sum_i(f(x_i)-F)^2$. Each draw has the variance $s^2$, and any two draws of the batch have the same
# covariance $c$: they are two different indices, all pairs equally likely, whatever B is. So
# $$\operatorname{Var} = \frac1{B^2}\big(B\,s^2 + B(B-1)\,c\big) .$$
# At $B=N$ the batch is the whole set and the variance is 0, hence $c = -\frac{s^2}{N-1}$. Put in,
# $$\operatorname{Var} = \frac{s^2}{B}\Big(1-\frac{B-1}{N-1}\Big) = \frac{s^2}{B}\cdot\frac{N-B}{N-1} .$$
# With replacement c would be 0, and the last factor 1.

# %%
show(minibatches)

# %% [markdown]
# Eight numbers have 56 minibatches of three, few enough to take them all: no randomness remains.
#
# **Predict first:** is the logarithm of a minibatch mean an unbiased estimate of the logarithm of the whole mean?

# %% tags=["answer"]
f = np.exp(rng.standard_normal(8))
means = np.array([f[list(s)].mean() for s in combinations(range(8), 3)])
maxima = np.array([f[list(s)].max() for s in combinations(range(8), 3)])
print(f"mean of all {len(means)} minibatch means {means.mean():.12f}, whole mean {f.mean():.12f}")
print(f"mean of their logarithms {np.log(means).mean():.6f}, logarithm of the whole {np.log(f.mean()):.6f}: biased")
print(f"mean of their maxima {maxima.mean():.6f}, whole maximum {f.max():.6f}: biased")
assert len(means) == 56 and abs(means.mean() - f.mean()) < 1e-12
assert np.log(f.mean()) - np.log(means).mean() > 0.05 and f.max() - maxima.mean() > 0.5
# to second order in the deviations the logarithm loses Var / (2 mean^2): the sign and the size of the bias
assert 0.5 < (np.log(f.mean()) - np.log(means).mean()) / (means.var() / (2 * f.mean() ** 2)) < 2

# %% [markdown] tags=["answer"]
# No. The mean is exact on average, the logarithm of it is too low: a concave function of an unbiased estimate is biased downwards (Jensen).
# A *sum over data* may be estimated from a minibatch; the logarithm of a mean may not. Notebook 04 meets this again at $\log p(x)$.

# %% [markdown]
# The variance, at every size of the batch, and the covariance of two draws, over all batches:

# %%
s2, n = f.var(), len(f)
print(" B   variance of the minibatch mean   formula")
for B in range(1, n + 1):
    of_size = np.array([f[list(s)].mean() for s in combinations(range(n), B)])
    variance = s2 / B * (n - B) / (n - 1)
    print(f"{B:2}   {of_size.var():30.6f}   {variance:.6f}")
    assert abs(of_size.var() - variance) < 1e-12
two_draws = np.mean([(f[i] - f.mean()) * (f[j] - f.mean()) for i in range(n) for j in range(n) if i != j])
print(f"covariance of two different draws {two_draws:.6f}, -s^2 / (N - 1) = {-s2 / (n - 1):.6f}")
assert abs(two_draws + s2 / (n - 1)) < 1e-12

# %% [markdown]
# The same for a gradient of the real thing: a VAE's loss on the digits (`loss_and_grad` gives the loss and its gradient by all weights as
# one vector). One epoch cuts the data into minibatches; with equal sizes and each datum keeping its own noise, the mean of the minibatch
# gradients is the gradient of the whole. The formula of the variance holds for each entry, hence for the sum over the entries: the expected
# squared distance of a minibatch gradient to the whole, with $s^2$ the mean squared distance of the gradients of single data.

# %%
vae = VAE(64, 2, hidden=(16,), dtype="float64")
data, noise = X[:1000], rng.standard_normal((1000, 2))
whole = vae.loss_and_grad(data, noise)[1]
order = rng.permutation(1000)
parts = np.array([vae.loss_and_grad(data[i], noise[i])[1] for i in order.reshape(20, 50)])
assert np.abs(parts.mean(0) - whole).max() < 1e-12
print("the mean of 20 minibatch gradients is the whole gradient: largest difference below 1e-12")

single = np.array([vae.loss_and_grad(data[[i]], noise[[i]])[1] for i in range(1000)])
assert np.abs(single[order[:50]].mean(0) - parts[0]).max() < 1e-12
s2 = ((single - whole) ** 2).sum(1).mean()
epochs = [single[rng.permutation(1000)].reshape(20, 50, -1).mean(1) for _ in range(10)]
measured, expected = np.mean([((part - whole) ** 2).sum(1) for part in epochs]), s2 / 50 * (1000 - 50) / (1000 - 1)
print(f"squared distance of a minibatch gradient: measured over ten epochs {measured:.2f}, formula {expected:.2f}; "
      f"the whole gradient's squared norm {(whole**2).sum():.1f}")  # fmt: skip
assert abs(measured / expected - 1) < 0.2

# %% [markdown]
# ## 3. Height, model one: a single Gaussian
#
# *Items: D0-7.*
#
# D0 designs three models of the height $x$ of a person, in metres. As pictures: a circle is a random variable, filled if it is observed; an
# arrow goes from a condition to what depends on it; the frame is repeated for each person n.

# %%
nodes = {
    "x1": (0, 0, "$x_n$", "observed"),
    "z2": (3.6, 1.7, "$z_n$", "latent"), "x2": (3.6, 0, "$x_n$", "observed"),
    "z3": (7.0, 1.7, "$z_n$", "latent"), "t3": (9.0, 1.7, "$t_n$", "latent"), "x3": (8.0, 0, "$x_n$", "observed"),
}  # fmt: skip
arrows = [("z2", "x2"), ("z3", "x3"), ("t3", "x3")]
plates = [(-0.9, -1, 0.9, 2.4, "n = 1..N"), (2.7, -1, 4.5, 2.4, "n = 1..N"), (6.3, -1, 9.7, 2.4, "n = 1..N")]
ax = graph(nodes, arrows, plates, ax=plt.subplots(figsize=(10, 4.2))[1])
for at, text in (
    (0, "one\n$p(x)$"),
    (3.6, "two: gender z\n$p(x|z)\\,p(z)$"),
    (8, "three: gender z, age t\n$p(x|z,t)\\,p(z)\\,p(t)$"),
):
    ax.text(at, 2.55, text, ha="center", va="bottom", fontsize=17)
ax.set_ylim(-1.2, 3.6)
plt.show()

# %% [markdown]
# Model one: $p(x) = \mathcal{N}(1.65,\,0.15^2)$. The second argument is the *variance*, $0.15^2 = 0.0225\ \mathrm{m}^2$; the standard
# deviation is 0.15 m. To fit it, maximise
# $$\sum_i\log p(x_i) = -\frac{1}{2\sigma^2}\sum_i(x_i-\mu)^2 - N\ln\sigma - \frac N2\ln 2\pi .$$
# The derivatives are $\frac{1}{\sigma^2}\sum_i(x_i-\mu)$ by $\mu$ and $\frac{1}{\sigma^3}\sum_i(x_i-\mu)^2-\frac N\sigma$ by $\sigma$. Both
# vanish at
# $$\mu = \frac1N\sum_i x_i, \qquad \sigma^2 = \frac1N\sum_i (x_i-\mu)^2 .$$
# The data below are synthetic. They come from the model of section 4, whose overall mean and variance are those of D0.
#
# **Predict first:** what probability does D0's Gaussian give to a height above 2 m? And below 0 m?

# %% tags=["answer"]
grid = np.linspace(-0.5, 4, 45_001)
step = grid[1] - grid[0]
density = np.exp(log_normal(grid, 1.65, 0.15))
above, below = density[grid > 2].sum() * step, density[grid < 0].sum() * step
narrow = np.exp(log_normal(grid[grid > 2], 1.65, 0.15**2)).sum() * step
print(f"D0's Gaussian: P(x > 2 m) = {above:.4f}, P(x < 0 m) = {below:.0e}, integral {density.sum() * step:.9f}")
print(f"if 0.15^2 were taken as the standard deviation: P(x > 2 m) = {narrow:.0e}")
assert abs(density.sum() * step - 1) < 1e-9
assert abs(above - normal_above((2 - 1.65) / 0.15)) < 1e-5 and abs(above - 0.0098) < 1e-4
assert abs(below / normal_above(1.65 / 0.15) - 1) < 0.01 and narrow < 1e-50

# %% [markdown] tags=["answer"]
# One person in a hundred is above 2 m; below 0 m the model says $2\cdot10^{-28}$, small but not 0, as a Gaussian never is. Whoever takes the
# 0.15² for a standard deviation finds no one above 2 m.

# %%
N = 20_000
gender = rng.integers(2, size=N)  # z
centre, within = np.array([1.58, 1.72]), np.sqrt(0.15**2 - 0.07**2)
height = centre[gender] + within * rng.standard_normal(N)
mu, sigma = height.mean(), height.std()


def log_likelihood(mean, sigma):
    """The mean over the data of log p(x_i), in nats."""
    return log_normal(height, mean, sigma).mean()


print(f"fitted: mean {mu:.4f} m, standard deviation {sigma:.4f} m (variance {sigma**2:.5f} m^2)")
assert abs(mu - 1.65) < 4 * 0.15 / np.sqrt(N) and abs(sigma - 0.15) < 4 * 0.15 / np.sqrt(2 * N)
for d_mu, d_sigma in product([-0.01, 0, 0.01], repeat=2):  # the closed form is the best of its neighbours
    assert (d_mu, d_sigma) == (0, 0) or log_likelihood(mu + d_mu, sigma + d_sigma) < log_likelihood(mu, sigma)
slope = (log_likelihood(1.7 + 1e-5, 0.2) - log_likelihood(1.7 - 1e-5, 0.2)) / 2e-5
assert abs(slope - (height - 1.7).mean() / 0.2**2) < 1e-6
slope = (log_likelihood(1.7, 0.2 + 1e-5) - log_likelihood(1.7, 0.2 - 1e-5)) / 2e-5
assert abs(slope - (((height - 1.7) ** 2).mean() / 0.2**3 - 1 / 0.2)) < 1e-6

# %% [markdown]
# ## 4. Height, model two: a latent variable
#
# *Items: D0-8.*
#
# *Short path.*
#
# D0: take gender into account, $p(x,z) = p(x|z)\,p(z)$. With two Gaussians of equal share and the same width,
# $$p(x) = \sum_z p(z)\,p(x|z) = \tfrac12\mathcal{N}(x;\mu_0,\sigma_w^2)+\tfrac12\mathcal{N}(x;\mu_1,\sigma_w^2), \qquad
# \operatorname{Var}x = \underbrace{\sigma_w^2}_{\mathbb{E}[\operatorname{Var}(x|z)]} +
# \underbrace{\big(\tfrac{\mu_1-\mu_0}{2}\big)^2}_{\operatorname{Var}(\mathbb{E}[x|z])} .$$
# Here $\mu_0 = 1.58$, $\mu_1 = 1.72$ and $\sigma_w^2 = 0.15^2-0.07^2$, so mean and variance stay those of D0. If $z$ is not observed it is
# *latent*.
#
# **Predict first:** two genders, two Gaussians. Does the density of height have two peaks?

# %% tags=["answer"]
log_joint = np.log(0.5) + log_normal(grid[:, None], centre, within)
log_marginal = np.logaddexp.reduce(log_joint, axis=1)
marginal = np.exp(log_marginal)


def peaks_of(values):
    """The indices of the local maxima."""
    return 1 + np.flatnonzero((values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:]))


mean_m = (grid * marginal).sum() * step
var_m = ((grid - mean_m) ** 2 * marginal).sum() * step
kl_mixture_gauss = (marginal * (log_marginal - log_normal(grid, 1.65, 0.15))).sum() * step
print(f"marginal: mean {mean_m:.6f} m, standard deviation {np.sqrt(var_m):.6f} m, peaks: {len(peaks_of(marginal))}")
print(f"KL from the mixture to the single Gaussian: {kl_mixture_gauss:.6f} nats per person")
assert abs(mean_m - 1.65) < 1e-9 and abs(var_m - 0.15**2) < 1e-9
assert (centre[1] - centre[0]) / within < 1.1
assert len(peaks_of(marginal)) == 1 and abs(kl_mixture_gauss - 0.000216) < 1e-6

plotted = (grid > 1.1) & (grid < 2.2)
ax = plt.subplots()[1]
ax.hist(height, bins=60, density=True, color="0.85")
ax.plot(grid[plotted], marginal[plotted], color="black")
ax.text(1.76, 2.3, "p(x)")
ax.text(0.97, 2.55, "grey: 20,000\npeople drawn", va="center")
for k, style, at in ((0, "--", 1.32), (1, ":", 1.9)):
    ax.plot(grid[plotted], 0.5 * np.exp(log_normal(grid[plotted], centre[k], within)), style)
    ax.text(at, 0.95, f"p(x|z={k}) p(z={k})", ha="right" if k == 0 else "left")
ax.set(xlabel="height x (m)", ylabel="density (1/m)", xlim=(0.95, 2.35), ylim=(0, 3), title="Two causes, one hump")
plt.show()

# %% [markdown] tags=["answer"]
# One peak: the means are 1.06 $\sigma_w$ apart, too close for two. The mixture is 0.0002 nats per person from the single Gaussian: as a
# model of $x$ alone the latent variable buys almost nothing here.

# %% [markdown]
# **When are there two peaks?** Put 0 midway between the means, $u = x-\frac{\mu_0+\mu_1}2$ and $d=\frac{\mu_1-\mu_0}2 > 0$. Up to a positive
# factor the derivative of $p$ is
# $$-(u+d)\,e^{-(u+d)^2/2\sigma_w^2}-(u-d)\,e^{-(u-d)^2/2\sigma_w^2}
# = 2\,e^{-(u^2+d^2)/2\sigma_w^2}\cosh\frac{ud}{\sigma_w^2}\,\Big(d\tanh\frac{ud}{\sigma_w^2}-u\Big) .$$
# The bracket decides. On $u>0$ the curve $d\tanh(ud/\sigma_w^2)$ is concave and starts at 0 with the slope $d^2/\sigma_w^2$. If
# $d\le\sigma_w$, it stays below $u$: p falls for all $u>0$ and, being even, has one peak at 0. If $d>\sigma_w$, it starts above $u$
# and crosses it once, at $u^*<d$: two peaks at $\pm u^*$ and a trough at 0. So the rule for equal shares and equal widths is: two peaks iff
# the means are more than $2\sigma_w$ apart. A check on both sides of the border, $d = 0.98\,\sigma_w$ and $1.02\,\sigma_w$:

# %%
for ratio, expected in ((0.98, 1), (1.02, 2), (1.5, 2)):
    d = ratio * within
    pair = np.exp(log_normal(grid[:, None], 1.65 + d * np.array([-1, 1]), within)).mean(1)
    found = grid[peaks_of(pair)] - 1.65
    u = d
    for _ in range(2000):
        u = d * np.tanh(u * d / within**2)  # the fixed point of the bracket
    print(f"means {2 * ratio:.2f} sigma_w apart: {len(found)} peak(s), at {found.round(2) + 0.0} m; u* = {u:.3f} m")
    assert len(found) == expected and abs(found[-1] - u) < 2e-4

# %% [markdown]
# **What a height tells about z** is the posterior, by Bayes' rule:
# $$p(z=1|x) = \frac{p(x|z=1)\,p(z=1)}{\sum_{z'}p(x|z')\,p(z')} = \frac1{1+e^{-a(x)}}, \qquad
# a(x) = \ln\frac{p(x|z=1)\,p(z=1)}{p(x|z=0)\,p(z=0)} ,$$
# after division by the numerator. For two Gaussians of widths $\sigma_0,\sigma_1$ the *log-odds* are
# $$a(x) = \ln\frac{p(z=1)}{p(z=0)} + \ln\frac{\sigma_0}{\sigma_1} + \frac{(x-\mu_0)^2}{2\sigma_0^2} - \frac{(x-\mu_1)^2}{2\sigma_1^2} ,$$
# a parabola. Its $x^2$ has the factor $\frac12(\sigma_0^{-2}-\sigma_1^{-2})$, which vanishes iff the widths are equal. Then, with equal shares,
# $$a(x) = \frac{\mu_1-\mu_0}{\sigma_w^2}\Big(x-\frac{\mu_0+\mu_1}2\Big), $$
# and the posterior is a sigmoid of a linear function of the datum: what an encoder of one layer can compute.
#
# **Predict first:** somebody guesses the gender from the height alone, always the more probable one. How often is the guess right?

# %% tags=["answer"]
posterior = np.exp(log_joint[:, 1] - log_marginal)
binary_entropy = -(posterior * np.log(posterior + 1e-300) + (1 - posterior) * np.log(1 - posterior + 1e-300))
information = np.log(2) - (marginal * binary_entropy).sum() * step
right = np.exp(log_joint.max(1)).sum() * step  # the integral of max_z p(x, z)
half_distance = (centre[1] - centre[0]) / 2
guessed = ((height > 1.65) == (gender == 1)).mean()
print(f"the best guess is right with probability {right:.4f}; among {N} people {guessed:.4f}; a coin 0.5")
print(f"information of a height about z: {information:.4f} of {np.log(2):.4f} nats")
assert abs(right - normal_above(-half_distance / within)) < 1e-6 and abs(right - 0.7011) < 1e-4
assert abs(guessed - right) < 4 * np.sqrt(right * (1 - right) / N)
joint_density = np.exp(log_joint)  # once more, as the KL from p(x, z) to p(x) p(z)
again = (joint_density * (log_joint - log_marginal[:, None] - np.log(0.5))).sum() * step
assert abs(information - again) < 1e-9 and abs(information - 0.1226) < 1e-4

# %% [markdown] tags=["answer"]
# In 70 of 100 cases: the means are 1.06 $\sigma_w$ apart, and each side of 1.65 m holds the share $\Phi(0.528)=0.70$ of "its" gender. A height
# holds 0.12 of the 0.69 nats that would settle z. The posterior does not tell the two apart; it says how far they can be told apart.

# %%
logit = (centre[1] - centre[0]) / within**2 * (grid - centre.mean())
at_172 = int(np.abs(grid - 1.72).argmin())
near = np.abs(height - 1.72) < 0.01
counted = gender[near].mean()
print(f"p(z=1 | 1.72 m): Bayes {posterior[at_172]:.4f}, sigmoid {1 / (1 + np.exp(-logit[at_172])):.4f}, "
      f"counted {counted:.3f} of {near.sum()} people")  # fmt: skip
assert np.abs(posterior - 1 / (1 + np.exp(-logit)))[plotted].max() < 1e-12 and abs(posterior[at_172] - 0.6357) < 1e-4
assert abs(counted - posterior[at_172]) < 4 * np.sqrt(0.25 / near.sum()) and near.sum() > 500

unequal = np.array([0.10, 0.16])
log_odds = log_normal(grid, centre[1], unequal[1]) - log_normal(grid, centre[0], unequal[0])
formula = np.log(unequal[0] / unequal[1])
formula = formula + (grid - centre[0]) ** 2 / (2 * unequal[0] ** 2) - (grid - centre[1]) ** 2 / (2 * unequal[1] ** 2)
posterior_unequal = 1 / (1 + np.exp(-log_odds))
lowest = (centre / unequal**2 * [1, -1]).sum() / (1 / unequal**2 * [1, -1]).sum()  # where the parabola has its vertex
print(f"widths 0.10 and 0.16 m: p(z=1|x) is lowest at {lowest:.3f} m ({posterior_unequal.min():.3f}) and "
      f"{posterior_unequal[np.abs(grid - 1.2).argmin()]:.3f} at 1.20 m")  # fmt: skip
assert np.abs(log_odds - formula).max() < 1e-9
assert abs(grid[posterior_unequal[plotted].argmin() + np.flatnonzero(plotted)[0]] - lowest) < 2 * step
# no sigmoid: it rises on both sides
assert posterior_unequal[np.abs(grid - 1.2).argmin()] > 2 * posterior_unequal[plotted].min()
assert abs(lowest - 1.490) < 1e-3

# %%
ax = plt.subplots()[1]
ax.plot(grid[plotted], posterior[plotted], color="black")
ax.plot(grid[plotted], posterior_unequal[plotted], "--")
ax.text(1.97, 0.8, "equal widths:\na sigmoid", va="top")
ax.text(1.24, 0.98, "widths 0.10 and 0.16 m:\nnot a sigmoid", va="top")
ax.set(
    xlabel="height x (m)",
    ylabel="p(z=1|x)",
    ylim=(0, 1.03),
    xlim=(1.1, 2.2),
    title="The posterior is a sigmoid of x if the widths are equal",
)
plt.show()

# %% [markdown]
# The posterior of a two-valued latent variable is a sigmoid of the *log-odds*; of the datum itself only where the log-odds are linear in it.
# It is a first *encoder*, and here an exact one.

# %% [markdown]
# ## 5. Height, model three: and what the product assumes
#
# *Items: D0-9.*
#
# D0: take age into account, $p(x,z,t) = p(x|z,t)\,p(z)\,p(t)$. In general the chain rule says $p(x,z,t) = p(x|z,t)\,p(z,t)$.
#
# *A remark on D0 (E14):* writing $p(z)\,p(t)$ assumes that age and gender are independent.
#
# That is a fair design choice, and it has a price that can be computed: the KL between the two joints is
# $$\sum_{z,t}\!\int p(x|z,t)\,p(z,t)\,\ln\frac{p(x|z,t)\,p(z,t)}{p(x|z,t)\,p(z)p(t)}\,dx = \sum_{z,t}p(z,t)\ln\frac{p(z,t)}{p(z)p(t)} = I(z;t) .$$
# The height cancels. A made-up population with child, adult and old age; the old are more often women (z = 0).

# %%
p_zt = np.array([[0.10, 0.28, 0.14], [0.10, 0.30, 0.08]])  # rows z = 0, 1; columns child, adult, old
p_z, p_t = p_zt.sum(1), p_zt.sum(0)
means_zt = np.array([[1.20, 1.66, 1.60], [1.22, 1.79, 1.73]])
sigmas_t = np.array([0.20, 0.07, 0.07])
density_zt = np.exp(log_normal(grid[:, None, None], means_zt, sigmas_t))  # p(x|z,t)


def information_of(table):
    """I(z; t) of a joint table, in nats."""
    return float((table * np.log(table / np.outer(table.sum(1), table.sum(0)))).sum())


def kl_on_grid(p, q):
    """KL(p || q) of densities on the grid, summed over further axes, where p is above 0."""
    inside = p > 1e-300
    return (p[inside] * np.log(p[inside] / q[inside])).sum() * step


independent_zt = np.outer(p_z, p_t)
joint_true, joint_product = density_zt * p_zt, density_zt * independent_zt
kl_joint, kl_x = kl_on_grid(joint_true, joint_product), kl_on_grid(joint_true.sum((1, 2)), joint_product.sum((1, 2)))
print(f"I(z; t) = {information_of(p_zt):.6f} nats; KL between the joints by quadrature {kl_joint:.6f}")
print(f"seen through the height alone, KL between the two p(x): {kl_x:.6f} nats")
assert abs(p_zt.sum() - 1) < 1e-12
assert abs(joint_true.sum() * step - 1) < 1e-9 and abs(joint_product.sum() * step - 1) < 1e-9
entropies = [-(table * np.log(table)).sum() for table in (p_z, p_t, p_zt)]
assert abs(information_of(p_zt) - (entropies[0] + entropies[1] - entropies[2])) < 1e-12  # I = H(z) + H(t) - H(z, t)
assert abs(kl_joint - information_of(p_zt)) < 1e-9 and abs(kl_joint - 0.007831) < 1e-6
assert 0 < kl_x < 0.2 * kl_joint and abs(kl_x - 0.000584) < 1e-6

# %% [markdown]
# The product costs 0.0078 nats, and 0.0006 if only heights are compared.
#
# **Predict first:** z and t are independent in D0's model. Are they still independent once the height is known?

# %% tags=["answer"]
x0 = np.abs(grid - 1.70).argmin()
given_height = joint_product[x0] / joint_product[x0].sum()  # p(z, t | x = 1.70 m) in D0's model
explained = information_of(given_height)
men = given_height[1] / given_height.sum(0)  # p(z=1 | 1.70 m, t)
print("D0's model, p(z, t | x = 1.70 m), columns child, adult, old:")
print(given_height.round(4))
print(f"I(z; t) before the height is known {abs(information_of(independent_zt)):.4f}, after {explained:.4f} nats")
print(f"p(z=1 | 1.70 m, adult) = {men[1]:.3f}, p(z=1 | 1.70 m, old) = {men[2]:.3f}")
assert abs(information_of(independent_zt)) < 1e-12 and explained > 0.04
for t in (1, 2):  # each column is the two-valued case of section 4: a sigmoid of the height
    a = np.log(p_z[1] / p_z[0]) + np.diff(means_zt[:, t])[0] / sigmas_t[t] ** 2 * (1.70 - means_zt[:, t].mean())
    assert abs(men[t] - 1 / (1 + np.exp(-a))) < 1e-9
assert abs(men[1] - 0.322) < 1e-3 and abs(men[2] - 0.700) < 1e-3

# %% [markdown] tags=["answer"]
# Independent before, dependent after: a person of 1.70 m who is adult is probably a woman (0.68), one who is old probably a man (0.70). Two
# causes of one effect *explain each other away*.

# %% [markdown]
# A VAE's prior $\mathcal{N}(0,I)$ makes the same choice as D0's third model: latents that are independent a priori. Notebook 08 asks
# the same question of its latents once a datum is known.

# %% [markdown]
# ## 6. One-hot codes
#
# *Items: D1-3, D1-4.*
#
# *Short path.*
#
# D1 asks: a decoder is to draw a cat. What should the code vector look like: one-hot? And any problem with it? Two: different cats cannot
# be told apart, and cats and lions are as far from one another as cats and dogs. Both follow from the definition. For one-hot $e_a$ with
# $a\neq b$,
# $$\|e_a-e_b\|^2 = 1 + 1 - 2\,e_a^\top e_b = 2 ,$$
# whatever the classes mean. And for a dense decoder, $e_a^\top W + b$ is row $a$ of $W$ plus $b$: one image for each class. The best such
# image under squared error is the mean of the class: $\sum_{i\in a}\|x_i-c\|^2$ has the derivative $-2\sum_{i\in a}(x_i-c)$ by $c$, zero at
# the mean $c_a$ of the $x_i$ in $a$. The error left is the variance within the classes; what the codes explain is the variance of the class
# means, since the cross term $\sum_{i\in a}(x_i-c_a)^\top(c_a-\langle x\rangle)$ vanishes in each class:
# $$\frac1N\sum_i\|x_i-\langle x\rangle\|^2 = \frac1N\sum_i\|x_i-c_{y_i}\|^2 + \sum_a p(a)\,\|c_a-\langle x\rangle\|^2 .$$

# %%
show(dense_forward)

# %% [markdown]
# **Predict first:** of the variance of the digits, how large a part do ten perfect one-hot codes explain: a tenth, a half, nine tenths?

# %% tags=["answer"]
codes = np.eye(10)[y]
distances = np.linalg.norm(np.eye(10)[:, None] - np.eye(10), axis=-1)
W = np.linalg.lstsq(codes, X, rcond=None)[0]  # the best decoder without bias
class_means = np.array([X[y == k].mean(0) for k in range(10)])
decoded, _ = dense_forward(codes, W, np.zeros(64))
total, left_over = ((X - X.mean(0)) ** 2).sum(1).mean(), ((X - decoded) ** 2).sum(1).mean()
of_the_means = (np.bincount(y) / len(y) * ((class_means - X.mean(0)) ** 2).sum(1)).sum()
print(f"distances between different one-hot codes: {np.unique(distances[distances > 0].round(6))}")
print(f"number of different images decoded from {len(X)} codes: {len(np.unique(decoded.round(9), axis=0))}")
print(f"variance {total:.4f}, left within the classes {left_over:.4f}: {1 - left_over / total:.1%} explained")
assert np.abs(distances - np.sqrt(2) * (1 - np.eye(10))).max() < 1e-12
assert np.abs(W - class_means).max() < 1e-10 and len(np.unique(decoded.round(9), axis=0)) == 10
assert abs(total - left_over - of_the_means) < 1e-10 and abs(1 - left_over / total - 0.421) < 1e-3

# %% [markdown] tags=["answer"]
# Four tenths (42 %), with labels that are always right. The other 58 % is what makes one three differ from another, and no one-hot code holds
# it.

# %% [markdown]
# ## 7. Codes of real numbers
#
# *Items: D1-5, D1-6, D1-7, D2-2.*
#
# *Short path.*
#
# D1's next codes hold real numbers: 0.81 for a cat, 0.78 for another cat; then a second entry for how much each of the two cats looks like a
# dog: (0.81, 0.1) and (0.78, 0.55). Eventually a latent representation needs real numbers. (D2: one of the goals of unsupervised learning is
# to learn such representations.)
#
# Now distances mean something. Codes $(a, b)$ on the cat's and the dog's entry are
# $\sqrt{(a-a')^2+(b-b')^2}$ apart, a number that can be small for two cats. And a linear decoder blends: $aW_\text{cat}+bW_\text{dog}$, any
# number of different images. Below the digits 1 and 8 play cat and dog, the class means of section 6 are the rows of W.

# %%
CAT, DOG = 1, 8  # which digits play them
slide = {
    "a cat": (0.81, 0), "another cat": (0.78, 0),
    "a cat a little looking like a dog": (0.81, 0.10), "another cat looking a lot like a dog": (0.78, 0.55),
}  # fmt: skip
real_codes = np.zeros((4, 10))
real_codes[:, [CAT, DOG]] = list(slide.values())
images, _ = dense_forward(real_codes, W, np.zeros(64))
to_cat, to_dog = (np.linalg.norm(real_codes - np.eye(10)[k], axis=1) for k in (CAT, DOG))
for name, near_cat, near_dog in zip(slide, to_cat, to_dog):
    print(f"{name:<37} distance to the one-hot cat {near_cat:.3f}, to the one-hot dog {near_dog:.3f}")
cats_apart = np.linalg.norm(real_codes[0] - real_codes[1])
print(f"the two cats are {cats_apart:.3f} apart; one-hot, they are 0 apart, and every other animal 1.414")
assert abs(cats_apart - 0.03) < 1e-12 and abs(to_dog[3] - np.sqrt(0.78**2 + 0.45**2)) < 1e-12
assert (np.diff(to_dog) < 0).all() and to_dog[3] < np.sqrt(2) < 2 * to_dog[3]
assert np.abs(images[3] - (0.78 * class_means[CAT] + 0.55 * class_means[DOG])).max() < 1e-10
assert len(np.unique(images.round(6), axis=0)) == 4

# %% [markdown]
# In D1 the entries are chosen by hand; each class keeps its own. A learned representation chooses its own axes. The simplest learner of
# real codes is PCA: K numbers per image, the coordinates along the K directions of largest variance (notebook 02 derives it).
#
# **Predict first:** how many real numbers per image explain as much variance as the ten one-hot codes?

# %% tags=["answer"]
values = PCA(1).fit(X).eigenvalues_
explained_by = np.cumsum(values) / values.sum()
needed = int(np.argmax(explained_by > 1 - left_over / total)) + 1
pca = PCA(10).fit(X)
error_10 = ((X - pca.inverse_transform(pca.transform(X))) ** 2).sum(1).mean()
print(f"{needed} real numbers explain {explained_by[needed - 1]:.1%}, {needed - 1} explain {explained_by[needed - 2]:.1%}, "
      f"ten one-hot entries {1 - left_over / total:.1%}")  # fmt: skip
print(f"squared error per image: ten one-hot entries {left_over:.4f}, ten real numbers {error_10:.4f}")
assert needed == 4 and explained_by[needed - 1] > 1 - left_over / total >= explained_by[needed - 2]
assert abs(error_10 - values[10:].sum()) < 1e-9 and error_10 < 0.5 * left_over

# %% [markdown] tags=["answer"]
# Four, and they need no labels. (Three explain less than the one-hot codes, which were given the labels.) Ten real numbers leave less than
# half of the error of ten one-hot entries. The count is of entries: a one-hot code is one of ten values, 3.3 bits, and a real number holds more.

# %%
threes = np.flatnonzero(y == 3)[[0, 5, 9, 20, 33, 47, 60, 71]]
rows = np.concatenate([X[threes], decoded[threes], pca.inverse_transform(pca.transform(X[threes]))])
fig, ax = plt.subplots(figsize=(9, 4))
image_grid(np.clip(rows, 0, 1), n_columns=8, ax=ax, title="Eight threes: one-hot codes draw them all alike")
ax.set_yticks([3.5, 12.5, 21.5], ["data", "one-hot code", "ten real numbers"])
ax.tick_params(length=0)
plt.show()

# %% [markdown]
# The second complaint was that one-hot codes relate no classes: all are $\sqrt2$ apart. The class means of real codes are not:

# %%
centres = np.array([pca.transform(X[y == k]).mean(0) for k in range(10)])
between = np.linalg.norm(centres[:, None] - centres, axis=-1)
pairs = [(between[a, b], a, b) for a, b in combinations(range(10), 2)]
(near_d, *near_pair), (far_d, *far_pair) = min(pairs), max(pairs)
print(f"nearest classes {near_pair}: {near_d:.3f}; farthest classes {far_pair}: {far_d:.3f}")
print(f"ratio {far_d / near_d:.2f} (one-hot: 1)")
# PCA projects: it can shorten a distance, never lengthen it
in_pixels = np.linalg.norm(class_means[:, None] - class_means, axis=-1)
assert far_d / near_d > 1.8 and tuple(near_pair) == (1, 8)
assert (between <= in_pixels + 1e-9).all() and between[1, 8] > 0.9 * in_pixels[1, 8]  # and here it shortens little

# %% [markdown]
# Last, a VAE that is given no label and may keep two numbers per image. Its codes are learned from the images alone; it is the subject of
# notebook 10, here only its picture. We train five, with different seeds, and compare with the two numbers of PCA. The measure: of each image
# take the nearest *other* code; is its label the same? The labels are used for this count only.
#
# **Predict first:** two numbers per image and no labels. How often is the nearest other code's label right? (By chance: one time in ten.)

# %% tags=["answer"]


def neighbour_right(z, labels=y):
    """For each datum 1.0 if the nearest other datum in z has the same label, else 0.0."""
    squared = (z**2).sum(1)[:, None] + (z**2).sum(1) - 2 * z @ z.T
    np.fill_diagonal(squared, np.inf)
    return (labels[squared.argmin(1)] == labels).astype(float)


models = [VAE(64, 2, hidden=(64,), seed=seed) for seed in range(5)]
for seed, model in enumerate(models):
    model.fit(X, epochs=80, optimizer=Adam(lr=0.005), progress=False, seed=seed)
codes_mu, codes_log_sigma = models[0].encode(X)
vae_right = np.array([neighbour_right(model.encode(X)[0].astype(np.float64)) for model in models])
pca_right = {K: neighbour_right(PCA(K).fit(X).transform(X)) for K in (2, 10)}
chance = neighbour_right(codes_mu.astype(np.float64), rng.permutation(y)).mean()
by_seed, paired = vae_right.mean(1), vae_right.mean(0) - pca_right[2]
error_seeds, error_data = standard_error(by_seed), standard_error(paired)
print(f"shuffled labels                {chance:.3f}")
print(f"two numbers, PCA               {pca_right[2].mean():.3f}")
print(f"two numbers, VAE, five seeds   {by_seed.mean():.3f}, standard error over the seeds {error_seeds:.3f}")
print(f"    more than PCA by           {paired.mean():.3f}, standard error over the images {error_data:.3f}")
print(f"ten numbers, PCA               {pca_right[10].mean():.3f}")
print(f"64 pixels                      {neighbour_right(X).mean():.3f}")
assert abs(chance - 0.1) < 4 * np.sqrt(0.09 / len(y))
assert abs(pca_right[2].mean() - 0.587) < 0.01 and 0.63 < by_seed.min() and by_seed.max() < 0.70
assert paired.mean() > 4 * np.hypot(error_seeds, error_data)
assert neighbour_right(X).mean() > pca_right[10].mean() > by_seed.max() + 0.2

# %% [markdown] tags=["answer"]
# Two times in three, where chance gives one time in ten, and PCA's two numbers six in ten. The VAE's two beat them by several standard errors, over seeds and over images; both
# lose much of what the pixels hold (0.99), which ten numbers of PCA keep (0.98).

# %%
ax = plt.subplots(figsize=(8, 6.4))[1]
shown = np.random.default_rng(1).permutation(len(y))[:300]
for k in range(10):
    ax.scatter(*codes_mu[shown][y[shown] == k].T, marker=f"${k}$", s=110, color="black", lw=0.3)
ax.set(xlabel="z1", ylabel="z2", title="Two learned numbers per image; each point is its digit", aspect="equal")
plt.show()

# %% [markdown]
# One more step separates this from a table of numbers. For a VAE a code is not a point but a small Gaussian, `mu` with a spread `sigma`,
# from which $z$ is drawn; so the decoder is trained on the neighbourhood of a code, too, and notebook 11 measures what that brings. The rest of
# the course is about that step.

# %%
show(reparameterize_forward)

# %%
first = models[0]
z, _ = reparameterize_forward(codes_mu[:200], codes_log_sigma[:200], rng.standard_normal((8, 200, 2)))
decoded = first.decode(codes_mu[:200])
spread = np.abs(first.decode(z.reshape(-1, 2)).reshape(8, 200, 64) - decoded).mean()
between_data = np.abs(decoded[:, None] - decoded).mean()
print(f"eight draws of z for each of 200 digits: a pixel of the decoded image changes by {spread:.2f} on average; "
      f"between decoded digits by {between_data:.2f}")  # fmt: skip
assert 0.01 < spread < 0.5 * between_data
draws, _ = reparameterize_forward(np.ones(2), np.log([0.5, 2.0]), rng.standard_normal((40_000, 2)))
assert np.abs(draws.mean(0) - 1).max() < 4 * 2 / 200 and np.abs(draws.std(0) / [0.5, 2] - 1).max() < 4 / np.sqrt(80_000)

# %% [markdown]
# ## Summary
#
# * A generative model is a $p(x)$ that can be drawn from and scored. A latent class of ten values raises $\log p(x)$ of unseen digits by 4.2
#   nats over independent pixels.
# * The mean over a minibatch is unbiased, with variance $\frac{s^2}{B}\frac{N-B}{N-1}$; its logarithm is biased downwards.
# * A latent variable gives $p(x)=\sum_z p(z)\,p(x|z)$;
#   $\operatorname{Var}x=\mathbb E[\operatorname{Var}(x|z)]+\operatorname{Var}(\mathbb E[x|z])$.
# * Two equal Gaussians show two peaks iff their means are more than $2\sigma_w$ apart.
# * Bayes: $p(z{=}1|x)=1/(1+e^{-a})$ with the log-odds a; linear in x iff the widths are equal. One height holds 0.12 of the 0.69 nats about z.
# * $p(z)p(t)$ for $p(z,t)$ costs $I(z;t)$ nats; independent causes become dependent once their effect is known.
# * One-hot codes: all distances $\sqrt2$, one image for each class, 42 % of the variance of the digits; four real numbers hold more.
# * Two numbers per image learned without labels: the nearest neighbour has the same label in two of three cases, by chance in one of ten.

# %% [markdown]
# ## References
#
# *References: bishop2006 (mixtures, graphical models, explaining away); cover2006 (mutual information, KL); kingma2014 (the VAE).*

# %% [markdown]
# ## Exercises
#
# An estimate of a sum over all data from a minibatch, without bias; and the log-density of section 4's mixture with its gradient by the means: see which
# quantity of this notebook comes out.
#
# *Tasks: minibatch_estimate; mixture_log_density.*
