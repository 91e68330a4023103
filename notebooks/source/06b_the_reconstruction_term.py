# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 06b The reconstruction term
#
# The loss of a variational auto-encoder has two terms; 06a is about the KL. This notebook is about the other, $-\mathbb{E}_q[\log p(x|z)]$: what a
# decoder's output means, which density every popular reconstruction loss belongs to, and what is lost with the constants that it drops.
#
# Afterwards you can write the likelihood for a new kind of data with its gradient, say which constant each reconstruction loss has dropped and when
# that matters, compute it without overflow, and decide whether a given image difference is a likelihood.
#
# *Notation: observation noise; reconstruction; decoder; samples of z; data dimension; gradient of the loss by v.*
#
# The decoder's output is called `mean` or `logits` ($m$, $l$), by what the likelihood makes of it. An index $n$ is the datum, $d$ the pixel, $k$ the
# latent, $l$ a sample of $z$ (in section 3) or a logit.

# %%
import math
from fractions import Fraction
from itertools import product
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    bernoulli_backward,
    bernoulli_forward,
    categorical_backward,
    categorical_forward,
    check,
    continuous_bernoulli_backward,
    continuous_bernoulli_forward,
    gaussian_backward,
    gaussian_diagonal_backward,
    gaussian_diagonal_forward,
    gaussian_forward,
    gaussian_scalar_backward,
    gaussian_scalar_forward,
    kl_backward,
    kl_forward,
    laplace_backward,
    laplace_forward,
    load_digits,
)
from tinyvae.companion import show
from tinyvae.exact import PCA, LinearBetaVAE
from tinyvae.layers import sigmoid, softplus
from tinyvae.likelihoods import ETA_FLOOR, LIKELIHOODS, continuous_bernoulli_mean
from tinyvae.plots import image_grid, use_style
from tinyvae.plots.diagrams import graph

use_style()
rng = np.random.default_rng(0)
X, y = load_digits()
X = X.astype(float)
D = 64


def gauss(n):
    """n nodes and weights with sum(w * f(z)) = E[f(z)], z ~ N(0, 1): exact for polynomials of degree below 2n."""
    z, w = np.polynomial.hermite_e.hermegauss(n)
    return z, w / w.sum()


def judge(forward, backward, *inputs, wrt=None):
    """Print the gradient check of a pair, and insist on it."""
    report = check(forward, backward, *inputs, wrt=wrt)
    print(report)
    assert report.ok, str(report)


# %% [markdown]
# ## 1. Gaussian pixels: squared error and what it leaves out
#
# *Items: D0-43, D2-33, D2-58.*
#
# *Short path.*
#
# The slides: $\log\mathcal{N}(x;G(z),\eta I) = -\|x-G(z)\|^2/2\eta + \text{const}$ (D2), so the reconstruction term is squared error (D2);
# $\log p(x|z) = C_1 + C_2\|x-f(g(x)+\sigma\varepsilon)\|^2$ (D0).
#
# For $D$ independent pixels of variance $\eta$,
# $$\log\mathcal{N}(x;m,\eta I) = \log\prod_d\frac{e^{-(x_d-m_d)^2/2\eta}}{\sqrt{2\pi\eta}}
# = -\tfrac12\sum_d\left(\frac{(x_d-m_d)^2}{\eta}+\ln\eta+\ln2\pi\right) \qquad \textbf{[NORM.1]}$$
# $$dm = d\!\log p\;(x-m)/\eta \qquad \textbf{[NORM.2]}$$
# where $d\!\log p$ is the derivative of the loss by $\log p(x|z)$.
#
# *A nuance to D2 (E35):* the "const" is $-\frac D2\ln2\pi\eta$. It is constant in $z$ and in the weights, not in $\eta$. With η fixed it may
# be dropped; with η learned it may not.
#
# *A correction to D2 (E31):* the slide's "ordinary VAE" should read ordinary auto-encoder, and in our copy its $\|x\ \tilde x\|^2$ has lost the minus
# inside the norm: $\|x-\tilde x\|^2$. The term itself is *minus* this over $2\eta$, plus the constant.
# In the code `LOG_2PI` is $\ln2\pi$.

# %%
show(gaussian_forward, gaussian_backward)

# %% [markdown]
# **Predict first:** five draws of ε give five reconstructions of one image, $f(g(x)+\sigma\varepsilon)$ with the encoder's σ = 0.5 and η = 0.05. The
# five points (squared error, log p(x|z)) lie on a line. What are its slope and its height at zero: numbers, and which of the two variances is in
# them?

# %% tags=["answer"]
eta, sigma_z = 0.05, 0.5
W = rng.standard_normal((2, D)) / 4
x = X[:1]
eps = rng.standard_normal((5, 1, 2))
out = (0.3 + sigma_z * eps) @ W  # f(g(x) + sigma eps)
log_px = gaussian_forward(out, x, eta)[0][:, 0]
squared = ((x - out) ** 2).sum(-1)[:, 0]
slope, height = np.polyfit(squared, log_px, 1)
print(f"slope {slope:.8f} = -1/(2 eta) = {-1 / (2 * eta):.8f}")
print(f"height {height:.6f} = -D/2 ln(2 pi eta) = {-D / 2 * math.log(2 * math.pi * eta):.6f}")
assert abs(slope + 10) < 1e-9 and abs(height - 37.05) < 0.01
assert (
    np.ptp(squared) > 1
    and abs(slope + 1 / (2 * eta)) < 1e-9
    and abs(height + D / 2 * math.log(2 * math.pi * eta)) < 1e-8
)
assert abs(slope + 1 / (2 * sigma_z**2)) > 1  # with the encoder's sigma in its place the identity fails
by_library = sum(math.log(NormalDist(m, math.sqrt(eta)).pdf(v)) for m, v in zip(out[0, 0], x[0], strict=True))
assert abs(by_library - log_px[0]) < 1e-9  # the density of Python's standard library
judge(gaussian_forward, gaussian_backward, out, np.broadcast_to(x, (1, D)), eta, wrt="mean")

# %% [markdown] tags=["answer"]
# Slope $C_2=-1/2\eta=-10$ and height $C_1=-\frac D2\ln2\pi\eta=37$ nats: the decoder's variance in both, the encoder's in neither.
#
# *A correction to D0 (E3):* one σ stands there for the decoder's noise (in the space of $x$) and for the encoder's noise (in the space
# of $z$). They are two numbers; with $\eta$ for the first, $C_1 = -\frac D2\ln 2\pi\eta$ and $C_2 = -1/2\eta < 0$. The identity holds for each
# sample ε; the objective is its mean over ε.

# %% [markdown]
# ## 2. Learning the noise, and mean or sum
#
# *Short path.*
#
# Let one variance $\eta=e^{\log\eta}$ serve all pixels and be a parameter. With $r=x-m$
# $$\log p(x|z) = -\tfrac12\sum_d\left(r_d^2\,e^{-\log\eta}+\log\eta+\ln2\pi\right) \qquad \textbf{[NORMS.1]}$$
# $$dm = d\!\log p\;r/\eta,\qquad d\!\log\eta = \sum d\!\log p\;\tfrac12\left(r^2/\eta-1\right) \qquad \textbf{[NORMS.2]}$$
# The sum of the second goes over pixels and data, for all of them share one η.

# %%
show(gaussian_scalar_forward, gaussian_scalar_backward)

# %% [markdown]
# **Predict first:** PCA with two components reconstructs the digits. Plot the mean log p(x|z) against η, with and without "const". Which curve
# has a maximum, and where?

# %% tags=["answer"]
pca = PCA(2).fit(X)
R = pca.inverse_transform(pca.transform(X))
mse = np.mean((X - R) ** 2)
log_etas = np.linspace(math.log(0.003), math.log(2), 2001)
dropped = -np.mean(((X - R) ** 2).sum(1)) / (2 * np.exp(log_etas))
complete = np.array([gaussian_scalar_forward(R, X, np.array(v))[0].mean() for v in log_etas])
best = math.exp(log_etas[complete.argmax()])
_, cache = gaussian_scalar_forward(R, X, np.array(math.log(mse)))
_, dlog_eta = gaussian_scalar_backward(np.full(len(X), 1 / len(X)), cache)
print(f"mean squared error {mse:.5f}; the complete density is largest at eta = {best:.4f}, with slope 0")
assert abs(math.log(best / mse)) < 0.004 and abs(dlog_eta) < 1e-12
assert dropped.argmax() == len(dropped) - 1  # without the constant, more noise is always better
assert np.abs(complete - dropped + D / 2 * (math.log(2 * math.pi) + log_etas)).max() < 1e-9
judge(
    gaussian_scalar_forward,
    gaussian_scalar_backward,
    *rng.standard_normal((2, 4, 6)),
    np.array(-1.0),
    wrt=("mean", "log_eta"),
)

fig, ax = plt.subplots()
ax.plot(np.exp(log_etas), complete, label="complete density")
ax.plot(np.exp(log_etas), dropped, "--", label="without the constant")
ax.axvline(mse, color="black", lw=1.5, ls=":")
ax.annotate("η = mean squared error", (mse, -140), (mse * 1.15, -140))
ax.set(xscale="log", ylim=(-250, 60), xlabel="η, variance of a pixel (log scale)", ylabel="mean log p(x|z), nats")
ax.set_title("The constant is what stops η")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] tags=["answer"]
# The complete density; without its constant, more noise is always better. Set [NORMS.2] to zero over $N$ data: $\sum r^2/\eta = ND$, so
# **the best η is the mean squared error** over pixels and data.

# %% [markdown]
# The value of η is also the weight of the reconstruction against the KL. A popular loss, "mean squared error + KL", takes the mean over the $D$
# pixels: $\|r\|^2/D = \|r\|^2/2\eta$ with $\eta=D/2$, 32 for the digits. The pixels lie in [0, 1]. By the "ordinary" loss of D2, $\|x-\tilde x\|^2$
# as a sum, it is $\eta=\frac12$.
#
# **Predict first:** a linear VAE uses a latent only if the data's variance along it exceeds η (09 proves it). How many of eight latents survive at
# η = 0.1, at η = 1/2 and at η = 32?

# %% tags=["answer"]
variances = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1][:8]
by_mean, by_sum = D / 2, 1 / 2  # the two values of eta
one, other = gaussian_forward(R[:1], X[:1], by_mean)[0][0], gaussian_forward(X[:1], X[:1], by_mean)[0][0]
assert (
    abs(other - one - np.mean((X[0] - R[0]) ** 2)) < 1e-12
)  # at eta = D/2, up to the constant: the mean squared error
one, other = gaussian_forward(R[:1], X[:1], by_sum)[0][0], gaussian_forward(X[:1], X[:1], by_sum)[0][0]
assert abs(other - one - np.sum((X[0] - R[0]) ** 2)) < 1e-12  # at eta = 1/2: the sum
active = {eta: LinearBetaVAE(8, eta).fit(X).active_units_ for eta in (mse, 0.1, by_sum, by_mean)}
print(
    "active latents of 8:",
    ", ".join(f"{n} at eta = {eta:.3g}" for eta, n in active.items()),
    f"; largest variance {variances[0]:.2f}",
)
extra = np.linspace(0, 1, 2001)  # |w|^2 along a principal direction: x has the variance eta + extra there, and ELBO = log p
survive = {eta: sum(int((-(np.log(eta + extra) + v / (eta + extra))).argmax() > 0) for v in variances) for eta in active}
assert list(active.values()) == list(survive.values()) == [8, 8, 3, 0] and X.var(0).max() <= 1 / 4
assert variances[0] < X.var(0).sum() < D / 4 < D / 2

# %% [markdown] tags=["answer"]
# Eight, three and none: with the mean over pixels in place of the sum, the KL wins in every dimension and the posterior collapses. It does so in a linear VAE for
# any data in [0, 1] and any $D$: no pixel has a variance above $\frac14$, so no direction has more than $D/4$, half of $\eta=D/2$.

# %% [markdown]
# ## 3. The expectation over z
#
# *Items: D1-29, D1-32.*
#
# The slides: every sample $z_i$ defines a distribution over the data, for which the likelihood of the input can be computed; average the
# log-likelihoods over samples from $q(z|x)$ (D1). *A correction to D1 (E20):* $i$ counts both the data and the samples of $z$ there. Here $n$
# is the datum and $l$ the sample:
# $$\mathbb{E}_{q(z|x_n)}[\log p(x_n|z)] \approx \frac1L\sum_{l=1}^L\log p(x_n|z_n^{(l)}),\qquad z_n^{(l)}\sim q(z|x_n) .$$
#
# **Predict first:** a linear decoder. Does decoding the mean, z = μ, in place of samples give a term $\log p(x|z)$ that is too high or too low? And
# what does averaging $L$ samples change: the value, or its spread?

# %% tags=["answer"]
K, eta = 3, 0.1
W, b_out = rng.standard_normal((D, K)) / 5, X.mean(0)
mu, sigma = rng.standard_normal(K), np.array([0.2, 0.5, 0.9])
at_mean = gaussian_forward((mu @ W.T + b_out)[None], X[:1], eta)[0][0]
extra = np.trace(W @ np.diag(sigma**2) @ W.T) / (2 * eta)
exact = at_mean - extra
node, weight = gauss(3)  # the integrand is quadratic: three nodes are exact
nodes = np.array(list(product(node, repeat=K)))
weights = np.prod(list(product(weight, repeat=K)), axis=1)


def by_quadrature(mu, sigma):
    """The exact E_q[log p(x|z)] of the first image."""
    return weights @ gaussian_forward((mu + sigma * nodes) @ W.T + b_out, X[:1], eta)[0]


print(
    f"log p at z = mu {at_mean:.4f}, minus tr(W S W')/2 eta = {extra:.4f}: {exact:.4f};",
    f"expectation by quadrature {by_quadrature(mu, sigma):.4f}",
)
assert abs(exact - by_quadrature(mu, sigma)) < 1e-10 and extra > 1
assert abs(extra - (sigma**2 * (W**2).sum(0)).sum() / (2 * eta)) < 1e-12

print("   L   mean of the estimates   their standard deviation")
spread = {}
for L in (1, 10, 100):
    z = mu + sigma * rng.standard_normal((4000, L, K))
    estimates = gaussian_forward(z @ W.T + b_out, X[:1], eta)[0].mean(1)
    spread[L] = estimates.std()
    print(f"{L:4d} {estimates.mean():17.3f} {estimates.std():22.3f}")
    assert abs(estimates.mean() - exact) < 4 * estimates.std() / math.sqrt(4000)
assert abs(spread[1] / spread[10] / math.sqrt(10) - 1) < 0.1 and abs(spread[1] / spread[100] / 10 - 1) < 0.1

# %% [markdown] tags=["answer"]
# Too high: $\log p(x|z)$ is then concave in $z$, so $\mathbb{E}_q[\log p(x|z)]\le\log p(x|z=\mu)$ (Jensen), and decoding the mean flatters. The
# average of $L$ samples is unbiased for every $L$; its spread falls as $1/\sqrt L$.
#
# The difference is known. Let $G(z)=Wz+b$, $z=\mu+\delta$ with $\mathbb{E}\delta=0$, $\mathbb{E}\delta\delta^\top=\Sigma$,
# and $r=x-W\mu-b$. Then
# $$\mathbb{E}\|x-G(z)\|^2 = \mathbb{E}\|r-W\delta\|^2 = \|r\|^2 - 2r^\top W\,\mathbb{E}\delta +
# \mathbb{E}[\delta^\top W^\top W\delta] = \|r\|^2 + \mathrm{tr}(W\Sigma W^\top),$$
# because $\delta^\top W^\top W\delta = \mathrm{tr}(W\delta\delta^\top W^\top)$. In [NORM.1] this square stands with the factor $-1/2\eta$, and
# nothing else in it contains $z$. Hence
# $$\mathbb{E}_q[\log p(x|z)] = -\frac{\|r\|^2+\mathrm{tr}(W\Sigma W^\top)}{2\eta} - \frac D2\ln2\pi\eta
# = \log p(x|z=\mu) - \frac{\mathrm{tr}(W\Sigma W^\top)}{2\eta} .$$
# Noise in $z$ costs exactly the variance that it causes in the pixels, $\mathrm{tr}(W\Sigma W^\top)=\sum_k\sigma_k^2\|w_k\|^2$ for a diagonal Σ,
# over $2\eta$.

# %% [markdown]
# For a diagonal Σ and a linear decoder the loss has the slope $\sigma_k^2\|w_k\|^2/\eta$ by $\log\sigma_k$ in this term, always against noise. With
# the KL's $\sigma_k^2-1$ (06a) the balance is $\sigma_k^2 = 1/(1+\|w_k\|^2/\eta)$, here for all $K$ latents and against the slope of an exact
# expectation:

# %%
balance = 1 / (1 + (W**2).sum(0) / eta)
from_kl = kl_backward(np.ones(1), kl_forward(mu[None], np.log(balance[None]) / 2)[1])[1][0]
log_s, h = np.log(balance) / 2, 1e-4
from_recon = np.array([
    (by_quadrature(mu, np.exp(log_s - h * e)) - by_quadrature(mu, np.exp(log_s + h * e))) / (2 * h) for e in np.eye(K)
])  # fmt: skip
print("sigma at the balance:", np.sqrt(balance).round(4))
print("slopes there by log sigma: reconstruction", from_recon.round(4), " KL", from_kl.round(4))
assert np.abs(from_recon + from_kl).max() < 1e-6 and np.all(balance < 1) and np.all(from_recon > 0)

# %% [markdown]
# ## 4. Binary pixels and classes: sigmoid and softmax
#
# *Items: D0-13, D3-32.*
#
# *Short path.*
#
# The slides: binary images $x\in\{0,1\}^{28\times28}$ (D0); the decoder's output depends on the type of distribution: Bernoulli, a sigmoid;
# categorical, a softmax (D3).
#
# A Bernoulli pixel with $p=\mathrm{sigmoid}(l)=1/(1+e^{-l})$ has $\log p = l-\mathrm{softplus}(l)$ and $\log(1-p) = -\mathrm{softplus}(l)$, with
# $\mathrm{softplus}(l)=\ln(1+e^l)$. So
# $$\log p(x|z) = \sum_d x_d\log p_d+(1-x_d)\log(1-p_d) = \sum_d x_dl_d-\mathrm{softplus}(l_d) \qquad \textbf{[BER.1]}$$
# and since $\mathrm{softplus}'(l)=e^l/(1+e^l)=\mathrm{sigmoid}(l)$,
# $$dl = d\!\log p\;(x-\mathrm{sigmoid}(l)) \qquad \textbf{[BER.2]}$$
# *A nuance to D0 (E4),* where the decoder $\mathbb{R}^d\to\mathbb{R}^{28\times28}$ "defines mean values": means of binary pixels lie in
# [0, 1]; the network's real outputs are the logits $l$.
#
# For a pixel in one of $C$ classes, softmax gives $p_c=e^{l_c}/\sum_{c'}e^{l_{c'}}$ and
# $$\log p(x|z) = \sum_d l_{d,x_d}-\log\sum_c e^{l_{d,c}} \qquad \textbf{[CAT.1]}$$
# Differentiate by the logit $l_{d,c}$. The first term gives 1 if $c$ is the pixel's class $x_d$ and 0 otherwise, written $[c=x_d]$. The second gives
# $-e^{l_{d,c}}/\sum_{c'}e^{l_{d,c'}}$, which is minus the softmax. So
# $$dl_{d,c} = d\!\log p\,\left([c=x_d]-\mathrm{softmax}(l_d)_c\right) \qquad \textbf{[CAT.2]}$$
# Two classes with logits $(0,l)$ are the Bernoulli pixel again: $e^l/(1+e^l)=\mathrm{sigmoid}(l)$.
#
# **Predict first:** four binary pixels have 16 images. Do their probabilities sum to 1 for any logits? And what does the formula with
# `np.log(p)` and `np.log(1 - p)` say at a logit of 50 000, for x = 1 and for x = 0?


# %% tags=["answer"]
def naive_bernoulli(logits, x):
    """The formula with the probability inside the logarithm."""
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-logits))
        return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)


logits = 3 * rng.standard_normal((1, 4))
images = np.array(list(product([0.0, 1.0], repeat=4)))
total = np.exp(bernoulli_forward(logits, images)[0]).sum()
class_logits = 2 * rng.standard_normal((1, 3, 5))
class_images = np.array(list(product(range(5), repeat=3)))
class_total = np.exp(categorical_forward(np.repeat(class_logits, 125, axis=0), class_images)[0]).sum()
two = categorical_forward(np.repeat(np.stack([0 * logits, logits], axis=-1), 16, axis=0), images)[0]
print(f"sum over all 16 binary images {total:.12f}; over all 125 images of 3 pixels in 5 classes {class_total:.12f}")
assert abs(total - 1) < 1e-12 and abs(class_total - 1) < 1e-12
assert np.abs(two - bernoulli_forward(logits, images)[0]).max() < 1e-12
assert (
    np.abs(naive_bernoulli(logits, images) - bernoulli_forward(logits, images)[0]).max() < 1e-12
)  # small logits: the same

print("logit, x:        naive         ours     gradient")
for logit, value in [(50000, 1), (50000, 0), (-50000, 1), (-50000, 0)]:
    a, v = np.array([[float(logit)]]), np.array([[float(value)]])
    log_px, cache = bernoulli_forward(a, v)
    slope = bernoulli_backward(np.ones(1), cache)[0, 0]
    print(f"{logit:6d}, {value}: {naive_bernoulli(a, v)[0]:12.1f} {log_px[0]:12.1f} {slope:12.1f}")
    likely = (logit > 0) == (value == 1)
    assert log_px[0] == (0 if likely else -50000) and slope == value - (logit > 0)
    assert np.isnan(naive_bernoulli(a, v)[0]) if likely else naive_bernoulli(a, v)[0] == -np.inf
judge(bernoulli_forward, bernoulli_backward, rng.standard_normal((4, 6)), rng.integers(0, 2, (4, 6)))
judge(categorical_forward, categorical_backward, rng.standard_normal((4, 6, 5)), rng.integers(0, 5, (4, 6)))

# %% [markdown] tags=["answer"]
# They do. The naive formula gives NaN where the answer is 0, for it meets $0\cdot\log0$, and $-\infty$ where the answer is $-50\,000$. The package's
# formula gives both; a pixel that is surely wrong costs 50 000 nats, with a gradient of at most 1.

# %% [markdown]
# **Without overflow.** Writing the formula in logits is not enough: $\ln(1+e^l)$ as it stands overflows, for $e^l$ leaves float64 above $l=709.8$
# and float32 above 88.7. For $l>0$ take $e^l$ out of the bracket, $\ln(1+e^l) = \ln\left(e^l(1+e^{-l})\right) = l+\ln(1+e^{-l})$; for $l\le0$ leave
# it. In one formula
# $$\mathrm{softplus}(l) = \max(l,0) + \ln\left(1+e^{-|l|}\right),$$
# whose exponential lies in (0, 1]. `np.log1p(t)` is $\ln(1+t)$ without forming $1+t$, which would round a tiny $t$ away; `out=` names the array it writes into.
# The sigmoid: multiply numerator and denominator by $e^{l/2}$ and add and subtract half,
# $$\frac1{1+e^{-l}} = \frac{e^{l/2}}{e^{l/2}+e^{-l/2}} = \frac12\left(1+\frac{e^{l/2}-e^{-l/2}}{e^{l/2}+e^{-l/2}}\right) =
# \tfrac12\left(1+\tanh\tfrac l2\right),$$
# and tanh is computed without overflow everywhere. The gradient [BER.2] lies between $-1$ and 1.
#
# `bernoulli_forward` needs $p$ for its backward pass in any case and saves the exponential: with $e^{-|l|} = \min(p,1-p)/\max(p,1-p)$ the rest is
# $\ln(1+e^{-|l|}) = -\ln\max(p,1-p)$. `categorical_forward` subtracts the largest logit (`top`) first: $\log\sum_ce^{l_c} = t+\log\sum_ce^{l_c-t}$
# for every $t$, and with the largest $l_c$ for $t$ all exponentials are at most 1 and one of them is 1; `np.take_along_axis` picks the
# log-probability of each pixel's class. (The Bernoulli form is right to within rounding of 1, not relatively: at $l=-40$ and $x=0$ it gives 0 for
# $-4.2\cdot10^{-18}$, which no sum notices.)

# %%
show(softplus, sigmoid, bernoulli_forward, bernoulli_backward)
show(categorical_forward, categorical_backward)

# %%
with np.errstate(over="ignore"):
    print("     l    ln(1 + e^l) as it stands   max(l, 0) + log1p(e^-|l|)")
    for l in (-40.0, 0.5, 709.0, 710.0, 50000.0):
        as_it_stands, stable = np.log(1 + np.exp(l)), max(l, 0) + np.log1p(np.exp(-abs(l)))
        print(f"{l:7.1f} {as_it_stands:20.6g} {stable:24.6g}")
        assert softplus(np.array([l]))[0] == stable
        assert np.isinf(as_it_stands) if l > 709.8 else abs(as_it_stands - stable) < 1e-12
    assert abs(math.log(np.finfo(float).max) - 709.8) < 0.05
    assert np.isinf(np.exp(np.float32(88.8))) and np.isfinite(np.exp(np.float32(88.7)))
assert np.log(1 + np.exp(-40.0)) == 0 and abs(softplus(np.array([-40.0]))[0] * math.exp(40) - 1) < 1e-12
l = np.linspace(-30, 30, 601)
p = sigmoid(l)
assert np.abs(p - 1 / (1 + np.exp(-l))).max() < 1e-15 and sigmoid(np.array([-50000.0]))[0] == 0
assert np.abs(softplus(l) - (np.maximum(l, 0) - np.log(np.maximum(p, 1 - p)))).max() < 1e-14
extreme = np.array([[[50000.0, -50000.0, 0.0]]])
for target in range(3):
    log_px, cache = categorical_forward(extreme, np.array([[target]]))
    slope = categorical_backward(np.ones(1), cache)[0, 0]
    assert log_px[0] == extreme[0, 0, target] - 50000 and np.array_equal(slope, np.eye(3)[target] - [1, 0, 0])

fig, ax = plt.subplots()
line = np.linspace(-6, 6, 241)
ax.plot(line, softplus(line), label="softplus(l)")
ax.plot(line, np.maximum(line, 0), "--", label="max(l, 0)")
ax.plot(line, np.log1p(np.exp(-np.abs(line))), "-.", label="ln(1 + e^−|l|): between 0 and ln 2")
ax.set(xlabel="logit l", ylabel="nats", title="softplus is a ramp and a small bump")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# ## 5. A variance for every pixel
#
# *Items: D0-11.*
#
# The slide: $p(x|z)=\mathcal{N}(\mu(z),\sigma^2(z))$ (D0), a variance that depends on $z$.
#
# With outputs $(m_d, s_d)$ for each pixel, $r_d=x_d-m_d$ and a floor $\eta_0$ (`ETA_FLOOR`)
# $$\log p(x|z) = -\tfrac12\sum_d\left(r_d^2/\eta_d+\ln\eta_d+\ln2\pi\right),\qquad \eta_d=\eta_0+e^{s_d} \qquad \textbf{[NORMD.1]}$$
# $$dm_d = d\!\log p\;r_d/\eta_d,\qquad ds_d = d\!\log p\;\tfrac12\left(r_d^2/\eta_d-1\right)\frac{e^{s_d}}{\eta_d}
# \qquad \textbf{[NORMD.2]}$$
# The last factor is $\partial\ln\eta_d/\partial s_d$. In the code $a=s_d-\ln\eta_0$ is called `above`: $\ln\eta_d=\ln(\eta_0+e^{s_d}) =
# \ln\eta_0+\mathrm{softplus}(a)$, so nothing overflows, and $e^{s_d}/(\eta_0+e^{s_d})=1/(1+e^{-a})=\mathrm{sigmoid}(a)$.

# %%
show(gaussian_diagonal_forward, gaussian_diagonal_backward)

# %% [markdown]
# **Predict first:** three of the 64 pixels of the digits never vary, so a decoder can hit them exactly. How many nats does one such pixel give at
# $\eta_d=10^{-16}$? And at most with the floor, $\eta_0=10^{-3}$?

# %% tags=["answer"]
never = np.ptp(X, axis=0) == 0
free = [gaussian_forward(np.zeros((1, 1)), np.zeros((1, 1)), 10.0**-e)[0][0] for e in (2, 4, 8, 16)]
floored = gaussian_diagonal_forward(np.array([[[0.0, -1000.0]]]), np.zeros((1, 1)))[0][0]
print(f"{never.sum()} pixels never vary. log p of one, hit exactly:")
print("  free variance 1e-2, 1e-4, 1e-8, 1e-16:", np.round(free, 2), f"  with the floor at most {floored:.4f} nats")
assert (
    never.sum() == 3
    and np.abs(np.array(free) + [0.5 * math.log(2 * math.pi * 10.0**-e) for e in (2, 4, 8, 16)]).max() < 1e-9
)
assert abs(floored + math.log(2 * math.pi * ETA_FLOOR) / 2) < 1e-12
outs, values = rng.standard_normal((4, 6, 2)), rng.standard_normal((4, 6))
direct = np.array([
    sum(math.log(NormalDist(m, math.sqrt(ETA_FLOOR + math.exp(s))).pdf(v)) for (m, s), v in zip(o, x, strict=True))
    for o, x in zip(outs, values, strict=True)
])  # fmt: skip
assert np.abs(direct - gaussian_diagonal_forward(outs, values)[0]).max() < 1e-9
assert np.isfinite(
    gaussian_diagonal_forward(np.full((1, 1, 2), 1000.0), np.zeros((1, 1)))[0]
).all()  # e^1000 is never formed
judge(gaussian_diagonal_forward, gaussian_diagonal_backward, outs, values, wrt="out")

# %% [markdown] tags=["answer"]
# 17.5 nats, and $-\frac12\ln2\pi\eta_d\to\infty$ without end; with the floor 2.53. *A correction to D0 (E10),* where $\Sigma_\theta(z)$ is free: then
# the likelihood has no upper bound. The floor is a remedy; so is a prior on the variance, or one η for all pixels.

# %% [markdown]
# ## 6. Grey pixels: the normaliser that cross-entropy lacks
#
# *Items: D1-25.*
#
# *Short path.*
#
# The slide: the decoder $p_\phi(x|z)$ is a distribution over the multivariate observations, the pixels (D1). So it must integrate to 1 over the
# values that a pixel can take. Binary cross-entropy is often used for grey pixels in [0, 1].
#
# **Predict first:** for which p is the area under exp(-cross-entropy), $\int_0^1p^x(1-p)^{1-x}dx$, largest, and how large is it there? For a digit of
# 64 pixels, how many nats at least does the cross-entropy lack?

# %% tags=["answer"]
node, weight = np.polynomial.legendre.leggauss(60)
grey, w = ((node + 1) / 2)[:, None], weight / 2  # quadrature over one pixel in [0, 1]
print("    p     area of BCE   tanh(l/2)/l   area of CB     E[x]  by quadrature")
for p in (0.01, 0.2, 0.5, 0.9, 0.999):
    logit = np.array([[math.log(p / (1 - p))]])
    bce, cb = bernoulli_forward(logit, grey)[0], continuous_bernoulli_forward(logit, grey)[0]
    area, one = w @ np.exp(bce), w @ np.exp(cb)
    formula = 0.5 if p == 0.5 else math.tanh(logit[0, 0] / 2) / logit[0, 0]
    mean, numeric = continuous_bernoulli_mean(logit)[0, 0], w @ (np.exp(cb) * grey[:, 0])
    print(f"{p:6.3f} {area:12.8f} {formula:13.8f} {one:12.8f} {mean:10.6f} {numeric:10.6f}")
    assert abs(area - formula) < 1e-12 and abs(one - 1) < 1e-12 and abs(mean - numeric) < 1e-12
    assert area < 0.5 - 0.01 or p == 0.5
print(f"64 pixels lack at least 64 ln 2 = {64 * math.log(2):.2f} nats per image")

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
line = np.linspace(0, 1, 201)[:, None]
for p, style in [(0.5, "-"), (0.8, "--"), (0.98, "-.")]:
    logit = np.array([[math.log(p / (1 - p))]])
    left.plot(line, np.exp(bernoulli_forward(logit, line)[0]), style, color="black", label=f"p = {p}")
    right.plot(line, np.exp(continuous_bernoulli_forward(logit, line)[0]), style, color="black")
left.set(xlabel="grey value x", ylabel="exp(−cross-entropy)", ylim=(0, 4.2), title="no density: area at most 1/2")
right.set(xlabel="grey value x", ylabel="density", title="continuous Bernoulli: area 1")
left.legend()
plt.show()

# %% [markdown] tags=["answer"]
# At $p=\frac12$, where it is $\frac12$; so every pixel lacks at least $\ln2$, a digit 44.36 nats. With $p^x(1-p)^{1-x}=(1-p)\,e^{lx}$, as
# $e^l=p/(1-p)$,
# $$\int_0^1(1-p)\,e^{lx}\,dx = (1-p)\,\frac{e^l-1}{l} = \frac{1}{1+e^l}\cdot\frac{e^l-1}{l} = \frac{\tanh(l/2)}{l} \le \frac12 ,$$
# because $\tanh t\le t$ for $t\ge0$, and the quotient is even in $l$. No density, for any $p$.

# %% [markdown]
# Dividing by the area $\tanh(l/2)/l$ gives the continuous Bernoulli, with $C(l)=l/\tanh(l/2)$:
# $$\log p(x|z) = \sum_d x_dl_d-\mathrm{softplus}(l_d)+\log C(l_d) \qquad \textbf{[CB.1]}$$
# For its gradient, $\frac{d}{dl}\log C = \frac1l-\frac{1/2}{\cosh^2(l/2)\tanh(l/2)} = \frac1l-\frac1{\sinh l}$, as $2\sinh\frac l2\cosh\frac
# l2=\sinh l$. Hence
# $$dl = d\!\log p\;(x-\mathbb{E}[x]),\qquad \mathbb{E}[x] = \mathrm{sigmoid}(l)-\frac1l+\frac1{\sinh l} \qquad \textbf{[CB.2]}$$
# As in every exponential family, the slope is the observation minus its mean (it must be: the mean slope of a log-density under itself is zero). Here
# the mean is not $p$.
#
# Near $l=0$ the bracket $\frac1l-\frac1{\sinh l}$ is a difference of two huge numbers. The code takes its power series there, whose coefficients
# follow from $\sinh l = l\left(1+\frac{l^2}{3!}+\frac{l^4}{5!}+\dots\right)$: with $1/(1+\frac{l^2}{3!}+\dots) = 1+c_1l^2+c_2l^4+\dots$ the bracket
# is $-c_1l-c_2l^3-\dots = \frac l6-\frac{7l^3}{360}+\frac{31l^5}{15120}-\frac{127l^7}{604800}+\dots$ Elsewhere it uses $e^{-|l|}$, which cannot
# overflow: $1/\sinh l = \mathrm{sign}(l)\,2e^{-|l|}/(1-e^{-2|l|})$.

# %%
show(continuous_bernoulli_forward, continuous_bernoulli_backward)
show(continuous_bernoulli_mean)

# %%
series = [Fraction(1, math.factorial(2 * i + 1)) for i in range(5)]  # sinh(l) / l in powers of l^2
c = [Fraction(1)]
for i in range(1, 5):
    c.append(-sum(series[j] * c[i - j] for j in range(1, i + 1)))  # so that the product of the two series is 1
print("coefficients of the bracket:", ", ".join(str(-v) for v in c[1:]))
assert [-v for v in c[1:]] == [Fraction(1, 6), Fraction(-7, 360), Fraction(31, 15120), Fraction(-127, 604800)]
near = np.array([-0.0999, -1e-3, 1e-9, 0.05, 0.0999, 0.1001])  # on both sides of the change from series to formula
by_quadrature_cb = [w @ (np.exp(continuous_bernoulli_forward(np.array([[v]]), grey)[0]) * grey[:, 0]) for v in near]
assert np.abs(continuous_bernoulli_mean(near) - by_quadrature_cb).max() < 1e-12
a = np.array([[50000.0, -50000.0, 50000.0, -50000.0]])
log_px, cache = continuous_bernoulli_forward(a, np.array([[1.0, 0.0, 0.5, 0.5]]))
assert abs(log_px[0] - (4 * math.log(50000) - 50000)) < 1e-6  # two pixels right, two half a logit wrong
assert np.abs(continuous_bernoulli_backward(np.ones(1), cache) - [[0, 0, -0.5, 0.5]]).max() < 1e-4
logits, x = rng.standard_normal((4, 6)), rng.random((4, 6))
judge(continuous_bernoulli_forward, continuous_bernoulli_backward, logits, x, wrt="logits")

inside = np.clip(X, 1e-12, 1 - 1e-12)
best_bce = bernoulli_forward(np.log(inside / (1 - inside)), X)[0]
entropy = -(inside * np.log(inside) + (1 - inside) * np.log(1 - inside)).sum(1)
print(f"cross-entropy of grey digits cannot fall below {-best_bce.mean():.2f} nats per image, even for a perfect copy")
assert abs(best_bce.mean() + entropy.mean()) < 1e-6 and 13 < entropy.mean() < 14.5

# %% [markdown]
# The floor is harmless for comparing models under the same loss, and so would be a missing constant. But the missing factor depends on $l$, the
# decoder's output, so it is no constant, and it moves the optimum.
#
# **Predict first:** grey values with mean 0.85. Cross-entropy is minimised at p = 0.85. What is the mean of the continuous Bernoulli with that
# p: below or above 0.85?

# %% tags=["answer"]
values = rng.beta(5.1, 0.9, (20000, 1))
logits = np.linspace(-2, 12, 1401)
by_bce = logits[np.argmax([bernoulli_forward(np.array([[v]]), values)[0].mean() for v in logits])]
by_cb = logits[np.argmax([continuous_bernoulli_forward(np.array([[v]]), values)[0].mean() for v in logits])]
score = {}
for name, v in (("BCE", by_bce), ("CB", by_cb)):
    score[name] = continuous_bernoulli_forward(np.array([[v]]), values)[0].mean()
    mean = continuous_bernoulli_mean(np.array([v]))[0]
    print(
        f"fitted by {name:3}: logit {v:.2f}, p {1 / (1 + math.exp(-v)):.4f},",
        f"mean of that density {mean:.3f}, log-density {score[name]:.3f}",
    )
print(f"mean of the data {values.mean():.3f}")
assert abs(values.mean() - 0.85) < 4 * values.std() / math.sqrt(20000)
assert abs(1 / (1 + math.exp(-by_bce)) - values.mean()) < 0.002
assert abs(continuous_bernoulli_mean(np.array([by_cb]))[0] - values.mean()) < 0.002
assert continuous_bernoulli_mean(np.array([by_bce]))[0] < values.mean() - 0.1 and score["CB"] > score["BCE"] + 0.1

# %% [markdown] tags=["answer"]
# Below: 0.64. The continuous Bernoulli whose mean is 0.85 has a far larger logit, and a higher density of the data.

# %% [markdown]
# ## 7. New data, new likelihood
#
# *Items: D0-51.*
#
# The slide: new domains with a likelihood $p(x|z)$ instead of a reconstruction error, molecules and vector graphics for example (D0).
#
# Nothing else changes but the number of the decoder's outputs (two a pixel with a variance each, C with classes): encoder, KL, sampling and optimiser
# know only $\log p(x|z)$ and its gradient. In the drawing only the box log p(x|z) is replaced.
# One more member of the family is the Laplace density, absolute error with its constants; a Laplace variable of scale $b$ has variance $2b^2$, so
# $b=\sqrt{\eta/2}$ has the variance η:
# $$\log p(x|z) = -\sum_d\left(\frac{|x_d-m_d|}{b}+\ln2b\right) \qquad \textbf{[LAP.1]}$$
# $$dm = d\!\log p\;\mathrm{sign}(x-m)/b \qquad \textbf{[LAP.2]}$$
# The one condition on a newcomer: it sums or integrates to 1 over $x$, for every output of the decoder.

# %%
nodes = {
    "z": (0, 0, "z", "latent"),
    "decoder": (2, 0, "decoder", "operation"),
    "out": (4, 0, "out", "value"),
    "log_px": (6.4, 0, "log p(x|z)", "operation"),
    "x": (6.4, 1.5, "x", "observed"),
    "loss": (9, 0, "loss", "operation"),
}
arrows = [("z", "decoder"), ("decoder", "out"), ("out", "log_px"), ("x", "log_px"), ("log_px", "loss")]
arrows += [
    ("loss", "log_px", "$d$log p", "backward"),
    ("log_px", "out", "$d$out", "backward"),
    ("out", "z", "$dz$", "backward"),
]
ax = graph(nodes, arrows)
plt.show()

# %%
show(laplace_forward, laplace_backward)

# %% [markdown]
# **Predict first:** all likelihoods of the package, with random decoder outputs for two pixels. Which of the totals differ from 1?


# %% tags=["answer"]
def panels(breaks):
    """Gauss-Legendre nodes and weights, 40 in every interval between the breaks (a kink must be a break)."""
    t, v = np.polynomial.legendre.leggauss(40)
    middle, half = (breaks[1:] + breaks[:-1]) / 2, np.diff(breaks) / 2
    return (middle[:, None] + half[:, None] * t).ravel(), (half[:, None] * v).ravel()


outs = rng.standard_normal((1, 2))
wide = np.array([-40, -20, -10, -5, -3, -2, -1, 0, 1, 2, 3, 5, 10, 20, 40.0])
for name, record in LIKELIHOODS.items():
    record = record.sized(17) if record.sized else record  # 17 grey levels, as in the digits
    own = (0.3,) if record.takes_eta else tuple(map(np.array, record.start(0.3)))  # a fixed eta, or what is learned
    out = (
        outs
        if record.outputs == 1
        else np.stack([outs, *(rng.standard_normal((record.outputs - 1, 1, 2)) - 1)], axis=-1)
    )
    low, high = record.domain
    if record.discrete:
        pixels = np.array(
            list(product(range(low, min(high, 200) + 1), repeat=2)), dtype=float
        )  # beyond 200 counts nothing is left
        weights = np.ones(len(pixels))
    else:
        finite = np.isfinite(high)
        sides = [
            panels(np.array([low, high]) if finite else np.unique(np.clip(outs[0, d] + wide, low, high)))
            for d in range(2)
        ]
        pixels = np.stack(np.meshgrid(sides[0][0], sides[1][0], indexing="ij"), axis=-1).reshape(-1, 2)
        weights = np.outer(sides[0][1], sides[1][1]).ravel()
    total = weights @ np.exp(record.forward(np.repeat(out, len(pixels), axis=0), pixels, *own)[0])
    print(f"{name:21} {'sum' if record.discrete else 'integral':8} over both pixels {total:.10f}")
    assert abs(total - 1) < 1e-10
t, v = panels(0.4 + wide)  # one Laplace pixel of variance 0.3 about 0.4: its moments
density = np.exp(laplace_forward(np.full((len(t), 1), 0.4), t[:, None], 0.3)[0])
assert abs(v @ (density * t) - 0.4) < 1e-9 and abs(v @ (density * (t - 0.4) ** 2) - 0.3) < 1e-9
far = rng.standard_normal((4, 6))
x = far + rng.choice([-1, 1], far.shape) * rng.uniform(0.1, 1, far.shape)
judge(laplace_forward, laplace_backward, far, x, 0.3, wrt="mean")

# %% [markdown] tags=["answer"]
# None. (And the Laplace pixel has the variance that it was asked for.)

# %% [markdown]
# ## 8. A distribution, not a picture
#
# *Items: D1-53.*
#
# The slide: the network "produces the distribution over data samples" (D1). A decoder's output is not an image but the parameters of a distribution
# over images. The sheet shows one output for three likelihoods: the first column is $\mathbb{E}[x|z]$, here the mean of all images of a 3, the others
# are draws $x\sim p(x|z)$. All are printed on one scale; a Gaussian pixel may lie outside of [0, 1].
#
# *A nuance to D3 (E44):* D3 calls $\mathbb{E}[x|z]$ the deterministic and a draw the stochastic reconstruction. Training needs neither, only the
# number $\log p(x|z)$ of the datum itself.

# %%
mean_image = X[y == 3].mean(0)[None]
low, high = np.full(64, -1e5), np.full(64, 1e5)
for _ in range(80):  # the logits at which the continuous Bernoulli has this mean, by bisection
    middle = (low + high) / 2
    too_high = continuous_bernoulli_mean(middle) > mean_image[0]
    low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
clipped = np.clip(mean_image, 1e-4, 1 - 1e-4)
rows = {
    "bernoulli": (np.log(clipped / (1 - clipped)), ()),
    "continuous_bernoulli": (middle[None], ()),
    "gaussian": (mean_image, (0.05,)),
}
samples = {name: LIKELIHOODS[name].sample(np.repeat(out, 4000, axis=0), rng, *own) for name, (out, own) in rows.items()}
sheet = np.array([image for name in rows for image in (mean_image[0], *samples[name][:5])])

fig, ax = plt.subplots(figsize=(8, 5.2))
image_grid(sheet, n_columns=6, ax=ax, title="First column E[x|z], then five draws from p(x|z)")
ax.set_yticks([3.5, 12.5, 21.5], ["Bernoulli", "continuous\nBernoulli", "Gaussian\nη = 0.05"], fontsize=15)
ax.tick_params(length=0)
bar = fig.colorbar(ax.images[0], ax=ax, orientation="horizontal", shrink=0.6, ticks=[-0.5, 0, 0.5, 1])
bar.set_label("grey value")
assert ax.images[0].get_clim() == (sheet.min(), sheet.max())  # nothing is cut off
plt.show()

# %% [markdown]
# **Predict first:** average 4000 draws of each row, and all return the first column. In which row has a pixel, on average, the largest variance?

# %% tags=["answer"]
variances, outside = [], []
for name, draws in samples.items():
    most = (
        0.05 if name == "gaussian" else clipped[0] * (1 - clipped[0])
    )  # no variable in [0, 1] of mean p has more variance than p(1 - p)
    gap = np.abs(draws.mean(0) - mean_image[0])
    variances.append(draws.var(0).mean())
    outside.append(np.mean((draws < 0) | (draws > 1)))
    print(
        f"{name:21} largest difference from E[x|z] {gap.max():.3f}; mean variance of a pixel {variances[-1]:.3f};",
        f"outside of [0, 1]: {outside[-1]:.0%}",
    )
    assert np.all(gap < 5 * np.sqrt(most / 4000) + 1e-4)  # five standard errors; the Bernoulli's p was clipped by 1e-4
expected = (clipped * (1 - clipped)).mean()
assert abs(variances[2] - 0.05) < 0.001 and abs(variances[0] - expected) < 0.002
assert variances[0] > 1.2 * variances[2] > 1.2 * variances[1] and outside[0] == outside[1] == 0
beyond = np.mean([bell.cdf(0) + 1 - bell.cdf(1) for bell in (NormalDist(m, math.sqrt(0.05)) for m in mean_image[0])])
assert abs(outside[2] - beyond) < 0.005 and beyond > 1 / 4

# %% [markdown] tags=["answer"]
# In the Bernoulli's, $p(1-p)$ per pixel: a grey mean must come out as black or white. *A nuance to D0 (E11):* pixels are independent given
# $z$, not as such; so every draw carries its own grain, and what is usually shown is $\mathbb{E}[x|z]$. Of the Gaussian's pixels more than a quarter
# lie outside of [0, 1]: so much of its probability is spent on values that no image has.

# %% [markdown]
# ## 9. May any image difference replace the reconstruction loss?
#
# *Items: D4-42.*
#
# A reader of D4 asks: can any differentiable image comparison be used in place of the reconstruction loss?
#
# To train, yes: gradients exist and pictures come out. For the value to be the bound on $\log p(x)$ of a model, the difference $d(x,\hat x)$ must be
# minus a log-density, up to a constant:
# $$p(x|z) = \frac{e^{-d(x,\hat x(z))}}{Z(\hat x)},\qquad Z(\hat x) = \int e^{-d(x,\hat x)}\,dx .$$
# (With $Z\le1$ everywhere, as for cross-entropy, $-d$ lies below $\log p(x|z)$ and the sum is still a lower bound, but of a number that one does not
# know; with $Z>1$ it bounds nothing.)
# Three questions decide. **Is $Z$ finite?** If not, there is no density. **Does $Z$ depend on $\hat x$?** If so, $-\log Z(\hat x)$ has a
# gradient and must stay in the loss, as in section 6. If $d$ depends on $x-\hat x$ alone and $x$ ranges over all of $\mathbb{R}^D$, then $Z$ is
# one constant: it may be dropped for training but not when the bound is reported.
# **What is its scale?** $d$ and $d/\tau$ are different densities; τ plays the role of η and sets the weight against the KL.
#
# **Predict first:** for which of these four is $Z$ finite over the whole plane of two pixels: squared error, absolute error, the bounded
# $1-e^{-\|x-\hat x\|^2}$ (similarity scores are bounded too), the squared difference of mean brightness (a comparison of features)?

# %% tags=["answer"]
differences = {
    "squared error": lambda r: (r**2).sum(-1),
    "absolute error": lambda r: np.abs(r).sum(-1),
    "bounded": lambda r: 1 - np.exp(-(r**2).sum(-1)),
    "mean brightness": lambda r: r.mean(-1) ** 2,
}
print("integral over a square of half-width:     10         20         40")
Z = {}
for name, d in differences.items():
    Z[name] = []
    for half in (10, 20, 40):
        breaks = half * np.concatenate([-(2.0 ** -np.arange(6)), [0], 2.0 ** -np.arange(5, -1, -1)])
        t, v = panels(breaks)
        square = np.stack(np.meshgrid(t, t, indexing="ij"), axis=-1)
        Z[name].append(v @ np.exp(-d(square)) @ v)
    print(f"{name:34}", " ".join(f"{value:10.4f}" for value in Z[name]))
assert np.abs(np.array(Z["squared error"]) - math.pi).max() < 1e-6 and abs(Z["absolute error"][-1] - 4) < 1e-6
assert (
    abs(math.log(math.pi) + gaussian_forward(np.zeros((1, 2)), np.zeros((1, 2)), 0.5)[0][0]) < 1e-12
)  # Z of the Gaussian, eta = 1/2
assert (
    abs(math.log(4) + laplace_forward(np.zeros((1, 2)), np.zeros((1, 2)), 2.0)[0][0]) < 1e-12
)  # Z of the Laplace, b = 1
assert all(value > (2 * half) ** 2 / math.e for value, half in zip(Z["bounded"], (10, 20, 40), strict=True))
assert Z["bounded"][2] / Z["bounded"][1] > 3.9 and Z["mean brightness"][2] / Z["mean brightness"][1] > 1.9

# %% [markdown] tags=["answer"]
# The first two: they are the Gaussian with η = 1/2 and the Laplace with b = 1. A bounded difference leaves every image at least $e^{-1}$, so its
# integral grows with the area. A comparison of features that ignores a direction grows along it.

# %% [markdown]
# On pixels confined to [0, 1] every difference $d\ge0$ has a finite $Z$. Then the second question bites.
#
# **Predict first:** squared error with η = 0.1 on [0, 1]. Is Z the same for x̂ = 0 and for x̂ = 0.5? By which factor?

# %% tags=["answer"]
t, v = panels(np.array([0, 0.25, 0.5, 0.75, 1.0]))
z_of = {m: v @ np.exp(-((t - m) ** 2) / 0.2) for m in (0.0, 0.25, 0.5)}
for m, value in z_of.items():
    bell = NormalDist(m, math.sqrt(0.1))
    by_library = math.sqrt(0.2 * math.pi) * (bell.cdf(1) - bell.cdf(0))
    print(f"x_hat = {m:4.2f}: Z on [0, 1] = {value:.6f} (by the normal distribution function {by_library:.6f})")
    assert abs(value - by_library) < 1e-12
assert abs(math.log(z_of[0.5] / z_of[0.0]) - 0.574) < 0.001

# %% [markdown] tags=["answer"]
# Not the same: at $\hat x=0$ half of the bell lies outside, and $Z$ is smaller by a factor of 1.78. A loss that drops $\ln Z$ undervalues a decoder's
# pixel at the edge against a grey one, by $\ln1.78=0.57$ nats.

# %% [markdown]
# Last, what a dropped constant does to the "bound". Data $x\sim\mathcal{N}(0,\lambda)$. For every density $p$, $\mathbb{E}\log
# p(x)\le\mathbb{E}\log\mathcal{N}(x;0,\lambda)=-\frac12\ln2\pi e\lambda$: no true lower bound on $\log p(x)$ can have a larger mean. The best
# linear VAE with noise $\eta<\lambda$ has $w^2=\lambda-\eta$, $q=\mathcal{N}(wx/\lambda,\ \eta/\lambda)$ and reaches it.
#
# **Predict first:** take $d=\|x-\hat x\|^2/2\eta$ without its constant. Is the "ELBO" $-\mathbb{E}_q[d]-\mathrm{KL}$ above or below that limit, and
# by how many nats for 64 independent copies of this one-pixel model: at η = 1, and at η = 0.052, the mean squared error of section 2?

# %% tags=["answer"]
lam = 100.0
node, weight = gauss(20)
x = math.sqrt(lam) * node[:, None]
limit = -0.5 * math.log(2 * math.pi * math.e * lam)


def elbo_with_and_without(eta):
    """The mean ELBO of the best linear VAE, exactly: complete, and without the constant of the squared error."""
    w_opt, post_sd = math.sqrt(lam - eta), math.sqrt(eta / lam)
    post_mean = w_opt * x / lam
    kl = kl_forward(post_mean, np.full_like(x, math.log(post_sd)))[0]
    z = post_mean + post_sd * node[:, None, None]  # (sample, datum, 1)
    complete = weight @ (weight @ gaussian_forward(w_opt * z, x, eta)[0] - kl)
    without = weight @ (weight @ -((x - w_opt * z) ** 2 / (2 * eta)).sum(-1) - kl)
    return complete, without


print("    eta     limit   complete ELBO   without the constant   excess of 64 pixels, nats")
etas = [1.0, 1 / (2 * math.pi), mse]
excess = {}
for eta in etas:
    complete, without = elbo_with_and_without(eta)
    excess[eta] = D * (without - limit)
    print(f"{eta:7.4f} {limit:9.4f} {complete:15.4f} {without:22.4f} {round(excess[eta], 6) + 0.0:20.1f}")
    assert abs(complete - limit) < 1e-9 and abs(excess[eta] - D / 2 * math.log(2 * math.pi * eta)) < 1e-7
assert excess[1.0] > 58 and abs(excess[1 / (2 * math.pi)]) < 1e-6 and -36 < excess[mse] < -35

fig, ax = plt.subplots()
line = np.geomspace(0.01, 2, 60)
ax.plot(line, [D * (elbo_with_and_without(v)[1] - limit) for v in line])
ax.axhline(0, color="black", lw=1.5, ls=":")
ax.text(0.011, 4, "the limit of every true bound")
for eta, name in ((1.0, "η = 1"), (mse, "η = 0.052")):
    ax.plot(eta, excess[eta], "ko", ms=9)
    ax.text(eta * 1.1, excess[eta] - 14, name)
ax.set(
    xscale="log",
    xlabel="η (log scale)",
    ylabel="excess over the limit, nats",
    title="Without its constant the ELBO is off by 32 ln 2πη",
)
plt.show()

# %% [markdown] tags=["answer"]
# The excess is minus the dropped constant, $\frac D2\ln2\pi\eta$, and its sign is that of $\eta-1/2\pi$, where $1/2\pi=0.159$. At η = 1 the number
# lies 58.8 nats above the limit: it bounds nothing. At η = 0.052 it lies 35.5 nats below: still a bound, and far too low. Either way it may not be
# reported, nor compared with that of another loss or another η.
#
# The answer to the reader: any differentiable difference trains; one with a finite, known $Z$ makes a VAE. For the others, keep the name "regularised
# auto-encoder" and do not report nats.

# %% [markdown]
# ## Summary
#
# Per datum, in nats; $d\!\log p$ is what comes from above, and every gradient is it times the last column.
#
# | likelihood | $\log p(x\mid z)$, a sum over pixels of | times $d\!\log p$ |
# |---|---|---|
# | Gaussian, η fixed | $-\frac12\left((x-m)^2/\eta+\ln2\pi\eta\right)$ | $dm$: $(x-m)/\eta$ |
# | Gaussian, η learned | the same | $d\!\log\eta$: $\sum\frac12(r^2/\eta-1)$; optimum: the mean squared error |
# | Gaussian, $\eta_d=\eta_0+e^{s_d}$ | the same | $ds$: $\frac12(r^2/\eta_d-1)\,\mathrm{sigmoid}(s-\ln\eta_0)$; without $\eta_0$ no upper limit |
# | Bernoulli | $xl-\mathrm{softplus}(l)$ | $dl$: $x-\mathrm{sigmoid}(l)$ |
# | categorical | $l_x-\log\sum_ce^{l_c}$ | $dl_c$: $[c=x]-\mathrm{softmax}(l)_c$ |
# | continuous Bernoulli | $xl-\mathrm{softplus}(l)+\ln\left(l/\tanh\frac l2\right)$ | $dl$: $x-\mathrm{sigmoid}(l)+\frac1l-\frac1{\sinh l}$ |
# | Laplace, $b=\sqrt{\eta/2}$ | $-\lvert x-m\rvert/b-\ln2b$ | $dm$: $\mathrm{sign}(x-m)/b$ |
#
# - Stable: $\mathrm{softplus}(l)=\max(l,0)+\ln(1+e^{-|l|})$, $\mathrm{sigmoid}(l)=\frac12(1+\tanh\frac l2)$; log-sum-exp after subtracting the
#   largest.
# - Noise in $z$ costs $\mathrm{tr}(W\Sigma W^\top)/2\eta$ under a linear decoder: decoding the mean flatters by that much. $L$ samples: unbiased,
#   spread $1/\sqrt L$.
# - "Mean squared error + KL" is η = D/2, 32 for the digits: every latent of a linear VAE dies. Sum over pixels.
# - Cross-entropy of grey pixels lacks a factor of at least 2 per pixel, 64 ln 2 = 44.36 nats per digit, and a continuous Bernoulli fitted by it has the wrong mean.
# - A difference $d$ is a likelihood only with a finite $Z(\hat x)$; a dropped $-\frac D2\ln2\pi\eta$ moves the "ELBO" by $\frac D2\ln2\pi\eta$, up or
#   down.
#
# ## References
#
# *References: kingma2014 (the method); rybkin2021 (learned variance); lucas2019 (linear VAE, collapse); loaiza2019 (continuous Bernoulli).*

# %% [markdown]
# ## Exercises
#
# A likelihood for a new kind of data, as in section 7: counts.
#
# *Tasks: poisson.*
