# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 06 The two terms
#
# Accompanies D0 lines 70-75, 130, 187-191 and 236, D1 lines 168-169, 196-209 and 343, D2 lines 143-159, 187, 213-215 and 225-226,
# D3 lines 48-52, 71 and 77-80, D4 lines 78, 93, 103 and 213.
#
# | quantity | D0 | D1 | D2 | D3 | D4 | here |
# |---|---|---|---|---|---|---|
# | posterior spread | σ | σ_i | Σ = diag σ² | σ(x), Σ(x) | σ, *called variance* | `sigma`, a standard deviation |
# | the network's output for it | σ | σ | log σ | σ (the KL uses ln σ²) | "log σ" | `log_sigma` |
# | observation noise | σ², σ²(z) | – | η, later σ² | – | – | `eta`, a variance |
# | decoder's output | f_θ(z) | – | G_θ(z) | H_θ | x̂ | `mean` or `logits` |
# | KL | D_KL | KL | D_KL | D_KL[·] | KL | `kl` |
# | sample of z | one | z_i | one | z^(l) | one | index l of L; n is the datum, d the pixel, k the latent |
#
# Afterwards you can derive the KL term and its gradients and check them without trusting anyone, say which constant each
# reconstruction loss has dropped and when that matters, and decide whether a given image difference is a likelihood.

# %%
import math
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    bernoulli_backward,
    bernoulli_forward,
    binarize,
    categorical_backward,
    categorical_forward,
    check,
    continuous_bernoulli_backward,
    continuous_bernoulli_forward,
    elbo_terms_forward,
    encode_forward,
    gaussian_backward,
    gaussian_diagonal_backward,
    gaussian_diagonal_forward,
    gaussian_forward,
    gaussian_log_density_backward,
    gaussian_log_density_forward,
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
from tinyvae.likelihoods import ETA_FLOOR, LIKELIHOODS, continuous_bernoulli_mean
from tinyvae.plots import image_grid, use_style

use_style()
rng = np.random.default_rng(0)
X, y = load_digits()
X = X.astype(float)


def gauss(n):
    """n nodes and weights with sum(w * f(z)) = E[f(z)], z ~ N(0, 1): exact for polynomials of degree below 2n."""
    z, w = np.polynomial.hermite_e.hermegauss(n)
    return z, w / w.sum()


def log_normal(z, mu, sigma):
    """log N(z; mu, sigma^2) of many numbers z, by the package."""
    z = np.asarray(z, dtype=float).reshape(-1, 1)
    return gaussian_log_density_forward(z, np.array([[mu]]), np.log([[sigma]]))[0]


# %% [markdown]
# ## 1. Two vectors and two terms
#
# *Items: D0-29, D2-44, D2-52, D4-19, D3-20, D3-21, D3-36, D4-18.*
#
# The slides: the encoder gives $g_\phi(x) = [\mu_\phi(x), \sigma_\phi(x)]$ (D0), $q(z) = \mathcal{N}(\mu, \mathrm{diag}\,\sigma^2)$ (D2), two
# vectors (D4); the network's outputs are $\mu$ and $\log\sigma$ (D2). The bound is an expected log-likelihood minus a KL to the prior (D3); the
# loss is a reconstruction error plus one KL for each latent dimension (D4).
#
# **Two vectors.** A covariance has $K(K+1)/2$ free entries. If it is diagonal, $K$ numbers suffice, so the encoder outputs $2K$. A network's
# output is any real number, a standard deviation is positive: the output is read as $\log\sigma$ and $\sigma = e^{\log\sigma} > 0$ needs no
# constraint.
# *A nuance to D4, line 103:* two vectors are enough because of the family chosen for $q$, not because the prior is normal: under the same prior
# $q$ could have a full covariance. *And to line 115:* what exp(log σ) gives is the standard deviation.
#
# The log-density of such a $q$: independent dimensions multiply, logarithms add, and with $u_k = (z_k-\mu_k)/\sigma_k$
# $$\log q(z|x) = \sum_k \log\left[\frac{1}{\sqrt{2\pi}\,\sigma_k}\,e^{-u_k^2/2}\right]
# = -\tfrac12\sum_k\left(u_k^2 + 2\ln\sigma_k + \ln 2\pi\right) \qquad \textbf{[LOGN.1]}$$
# Its derivatives use $\partial u/\partial z = 1/\sigma$, $\partial u/\partial\mu = -1/\sigma$, $\partial u/\partial\log\sigma = -u$:
# $$\bar z = -\bar q\,u/\sigma,\qquad \bar\mu = \bar q\,u/\sigma,\qquad \overline{\log\sigma} = \bar q\,(u^2-1) \qquad \textbf{[LOGN.2]}$$
# where $\bar q$ is the derivative of the loss by $\log q$.
#
# **Two terms.** Write $p(x,z) = p(x|z)\,p(z)$ and split the logarithm:
# $$\mathrm{ELBO} = \mathbb{E}_q\left[\log\frac{p(x|z)\,p(z)}{q(z|x)}\right]
# = \mathbb{E}_q[\log p(x|z)] + \mathbb{E}_q\left[\log\frac{p(z)}{q(z|x)}\right]
# = \mathbb{E}_q[\log p(x|z)] - D_{KL}(q\,\|\,p(z)) .$$
# Both densities of the second term are products over $k$, so $\log(q/p) = \sum_k\log(q_k/p_k)$ and the KL is a sum of $K$ one-dimensional KLs,
# as D4 writes it.
# *A correction to D3, line 48:* term 1 is the expected **log**-likelihood. *And to lines 47 and 78:* D3's $\mathcal{L}(q)$ is maximised, its
# $\mathcal{L}_{recon} + \mathcal{L}_{KL}$ is minimised: $\mathcal{L}(q) = -(\mathcal{L}_{recon} + \mathcal{L}_{KL})$.
#
# In the code `cut` cuts the $2K$ outputs of the network into its heads, the two vectors of $K$ numbers. `parts` is
# what the model is made of; for this $q$ and this prior, `draw_forward` is $z=\mu+\sigma\varepsilon$ and `kl_term_forward` is `kl_forward`, which
# section 2 derives. (05 shows both.)

# %%
show(encode_forward, gaussian_log_density_forward, gaussian_log_density_backward)
show(elbo_terms_forward)

# %% [markdown]
# **Predict first:** eight binary images go into an encoder with K = 2. Which shapes come out? Which of the four numbers below agree:
# the loss, the two terms recombined, the KL by one-dimensional KLs, the log of the expected likelihood?

# %%
vae = VAE(64, n_latent=2, hidden=(16,), dtype="float64")
vae.theta += 0.2 * rng.standard_normal(vae.theta.size)  # not trained, but with a posterior that is not the prior
B = binarize(X[:8], rng)
mu, log_sigma = vae.encode(B)
eps = rng.standard_normal((3, 8, 2))
loss, _ = vae.loss_and_grad(B, eps)
(log_px, kl), _ = elbo_terms_forward(B, eps, vae.params, vae.parts)
per_dimension = [kl_forward(mu[:, [k]], log_sigma[:, [k]])[0] for k in range(2)]

node, weight = gauss(40)  # the exact expectation over both dimensions of z, for the first image
grid = np.stack(np.meshgrid(node, node), axis=-1).reshape(-1, 2)
w = np.outer(weight, weight).ravel()
log_p = bernoulli_forward(vae.decoder_output(mu[0] + np.exp(log_sigma[0]) * grid), B[0])[0]
expected_log, log_expected = w @ log_p, np.log(w @ np.exp(log_p))

print("mu", mu.shape, " log_sigma", log_sigma.shape, f" smallest sigma {np.exp(log_sigma).min():.3f}")
print(f"loss                                {loss:.12f}")
print(f"mean of -log p(x|z) + KL            {np.mean(-log_px + kl):.12f}")
print(f"the same, KL as a sum over k        {np.mean(-log_px + sum(per_dimension)):.12f}")
print(f"first image: E[log p] {expected_log:.4f}, log E[p] {log_expected:.4f}: {log_expected - expected_log:.4f} nats apart")
assert mu.shape == log_sigma.shape == (8, 2)
assert abs(loss - np.mean(-log_px + kl)) < 1e-12
assert np.abs(kl - sum(per_dimension)).max() < 1e-12
assert log_expected - expected_log > 0.1
inputs = rng.standard_normal((5, 4, 2)), rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
report = check(gaussian_log_density_forward, gaussian_log_density_backward, *inputs)
print(report)
assert report.ok
oracle = np.log(np.prod(np.exp(-0.5 * (1 / np.array([0.5, 2])) ** 2) / (np.sqrt(2 * np.pi) * np.array([0.5, 2]))))
ours = gaussian_log_density_forward(np.ones((1, 2)), np.zeros((1, 2)), np.log([[0.5, 2]]))[0][0]
assert abs(oracle - ours) < 1e-14

# %% [markdown]
# The first three agree. The log of the expected likelihood is larger (Jensen): it is not the term that D3 means.
#
# ## 2. The KL in closed form
#
# *Items: D2-34, D3-35.*
#
# The slides: $D_{KL}(q\|p) = \mathbb{E}_q[\log q(z)/p(z)]$ (D2), and for two Gaussians
# $\frac12\sum_k(\sigma_k^2+\mu_k^2-1-\ln\sigma_k^2)$ (D3).
#
# One dimension, $q=\mathcal{N}(\mu,\sigma^2)$, $p=\mathcal{N}(0,1)$, $u=(z-\mu)/\sigma$. Put the two log-densities in:
# $$\mathbb{E}_q[\log q - \log p] = \mathbb{E}_q\left[-\tfrac12u^2 - \ln\sigma - \tfrac12\ln2\pi + \tfrac12z^2 + \tfrac12\ln2\pi\right]
# = -\tfrac12\mathbb{E}_q[u^2] - \ln\sigma + \tfrac12\mathbb{E}_q[z^2] .$$
# Under $q$, $u\sim\mathcal{N}(0,1)$, so $\mathbb{E}_q[u^2]=1$; and $\mathbb{E}_q[z^2] = \mathrm{Var}\,z + (\mathbb{E}z)^2 = \sigma^2+\mu^2$. With
# $\ln\sigma=\frac12\ln\sigma^2$ and the sum over dimensions of section 1,
# $$D_{KL}(q\,\|\,\mathcal{N}(0,I)) = \tfrac12\sum_k\left(\sigma_k^2+\mu_k^2-1-\ln\sigma_k^2\right) \qquad \textbf{[KL.1]}$$

# %%
show(kl_forward)

# %% [markdown]
# **Predict first:** the KL can be had as an integral over a fine grid, or as a mean of log q(z) - log p(z) over a million draws from q.
# How many correct digits do you expect from each?


# %%
def kl_by_quadrature(mu, sigma, log_p):
    """The integral of q (log q - log p) by the trapezium rule over 14 standard deviations each way."""
    z = mu + sigma * np.linspace(-14, 14, 8001)
    log_q = log_normal(z, mu, sigma)
    return np.sum(np.exp(log_q) * (log_q - log_p(z))) * (z[1] - z[0])


def log_prior(z):
    return log_normal(z, 0, 1)


print("   mu   sigma      closed form      difference from quadrature")
worst = 0
for m, s in [(0, 1), (1, 1), (0, 0.01), (-2, 0.3), (0.5, 4), (5, 2)]:
    closed = kl_forward(np.array([[float(m)]]), np.log([[s]]))[0][0]
    difference = closed - kl_by_quadrature(m, s, log_prior)
    worst = max(worst, abs(difference))
    print(f"{m:5.1f} {s:7.2f} {closed:16.10f} {difference:18.1e}")
assert worst < 1e-10

m, s, L = np.array([[1.0, -0.5, 0.2]]), np.array([[0.5, 1.5, 0.1]]), 1_000_000
z = m + s * rng.standard_normal((L, 3))
log_ratio = gaussian_log_density_forward(z, m, np.log(s))[0] - gaussian_log_density_forward(z, 0 * m, 0 * m)[0]
closed, error = kl_forward(m, np.log(s))[0][0], log_ratio.std() / math.sqrt(L)
print(f"K = 3: closed form {closed:.5f}, Monte Carlo {log_ratio.mean():.5f} +- {error:.5f} (standard error)")
assert error < 0.003 and abs(log_ratio.mean() - closed) < 3 * error

# %% [markdown]
# Quadrature gives all the digits that float64 holds; a million draws give three. The closed form costs nothing: this is why the loss uses it.
#
# ## 3. Gradients of the KL, its shape and its pull
#
# *Items: D2-36, D2-54, D2-59.*
#
# The slides: the KL term encourages $q$ to be close to $\mathcal{N}(0,I)$, it encourages $\sigma>0$, and so it makes $z$ more stochastic (all
# D2).
#
# Differentiate [KL.1] for one dimension:
# $$\frac{\partial}{\partial\mu} = \mu,\qquad \frac{\partial}{\partial\sigma} = \sigma-\frac1\sigma,\qquad
# \frac{\partial}{\partial\log\sigma} = \frac{\partial}{\partial\sigma}\cdot\frac{d\sigma}{d\log\sigma} =
# \left(\sigma-\frac1\sigma\right)\sigma = \sigma^2-1,\qquad \frac{\partial}{\partial\log\sigma^2} = \tfrac12(\sigma^2-1) .$$
# With the upstream derivative $\overline{KL}$:
# $$\bar\mu = \overline{KL}\,\mu,\qquad \overline{\log\sigma} = \overline{KL}\,(\sigma^2-1) \qquad \textbf{[KL.2]}$$
# **Shape.** The second derivatives are $1$ by $\mu$, and $2\sigma^2$ by $\log\sigma$, $1+1/\sigma^2$ by $\sigma$, $1/(2v^2)$ by the variance
# $v=\sigma^2$; the mixed ones vanish. All are positive: the KL is strictly convex in each of these parametrisations, with the one minimum
# $\mu=0,\ \sigma=1$ where it is zero. That is the pull.
#
# **No point mass.** As $\sigma\to0$ the terms $\sigma^2$ and $\mu^2$ stay bounded and $-\ln\sigma$ remains: every halving of $\sigma$ costs
# $\ln2=0.693$ nats, without end. The force on $\log\sigma$ tends to $-1$, the force on $\sigma$ itself to $-1/\sigma$.

# %%
show(kl_backward)

# %%
report = check(kl_forward, kl_backward, rng.standard_normal((4, 3)), rng.standard_normal((4, 3)))
print(report)
assert report.ok


def kl_of(m, log_s):
    return kl_forward(np.array([[m]], dtype=float), np.array([[log_s]], dtype=float))[0][0]


m, s, h = 0.7, 0.4, 1e-4
forms = {
    "mu": (m, lambda a: kl_of(a, math.log(s)), m, 1),
    "sigma": (s, lambda a: kl_of(m, math.log(a)), s - 1 / s, 1 + 1 / s**2),
    "log sigma": (math.log(s), lambda a: kl_of(m, a), s**2 - 1, 2 * s**2),
    "log sigma^2": (2 * math.log(s), lambda a: kl_of(m, a / 2), (s**2 - 1) / 2, s**2 / 2),
    "sigma^2": (s**2, lambda a: kl_of(m, math.log(a) / 2), (1 - 1 / s**2) / 2, 1 / (2 * s**4)),
}
print("by              slope   numeric      curvature   numeric")
for name, (a, f, slope, curvature) in forms.items():
    step = h * min(1, a * a if a > 0 else 1)
    numeric = (f(a + step) - f(a - step)) / (2 * step)
    bend = (f(a + 30 * step) - 2 * f(a) + f(a - 30 * step)) / (30 * step) ** 2
    print(f"{name:12} {slope:9.5f} {numeric:9.5f} {curvature:12.4f} {bend:9.4f}")
    assert abs(slope - numeric) < 1e-6 * max(1, abs(slope)) and abs(curvature - bend) < 1e-4 * curvature and bend > 0

# %% [markdown]
# The same KL, five parametrisations, five slopes. An encoder that outputs $\log\sigma^2$ and is given the slope of $\log\sigma$ is wrong by a
# factor of two.
#
# **Predict first:** follow the slope of the KL alone downhill in the plane of μ and log σ, from four starts. Where do they end?
# From σ = 0.01, does log σ first move fast or slowly?

# %%
starts = np.array([[2.5, math.log(0.05)], [-2.5, math.log(0.3)], [-1.5, math.log(2.2)], [1.2, math.log(2.5)]])
path = [starts]
for _ in range(400):
    mu_now, log_sigma_now = path[-1][:, :1], path[-1][:, 1:]
    _, cache = kl_forward(mu_now, log_sigma_now)
    dmu, dlog_sigma = kl_backward(np.ones(4), cache)
    path.append(path[-1] - 0.05 * np.hstack([dmu, dlog_sigma]))
path = np.array(path)
first, last = (kl_forward(p[:, :1], p[:, 1:])[0] for p in (path[0], path[-1]))
print("KL at the start, nats:", first.round(3), "  after 400 steps:", last.round(12))
assert first.min() > 1 and last.max() < 1e-12

halvings = 2.0 ** -np.arange(3, 12)
growth = np.diff([kl_of(0, math.log(s)) for s in halvings])
print("growth of the KL per halving of sigma:", growth.round(5), " ln 2 =", round(math.log(2), 5))
assert np.all(np.diff(growth) > 0) and abs(growth[-1] - math.log(2)) < 1e-5

M, S = np.meshgrid(np.linspace(-3, 3, 121), np.linspace(-3.3, 1.1, 121))
fig, ax = plt.subplots(figsize=(8, 4.8))
lines = ax.contour(M, S, (np.exp(2 * S) + M * M - 1 - 2 * S) / 2, levels=[0.1, 0.5, 1, 2, 3, 4, 5, 6], colors="0.6", linewidths=1.5)
ax.clabel(lines, fontsize=12, fmt="%g")
for i, style in enumerate(["-", "--", "-.", ":"]):
    ax.plot(path[:, i, 0], path[:, i, 1], style)
    ax.plot(*path[0, i], "ko", ms=6)
ax.plot(0, 0, "k*", ms=16)
ax.annotate("N(0, 1)", (0, 0), (0.15, -0.32))
ax.set(xlabel="μ", ylabel="log σ", title="The KL alone pulls every q to the prior (contours in nats)")
plt.show()

# %% [markdown]
# All four end at $\mathcal{N}(0,1)$; with the KL alone every datum gets the same $q$ and the code says nothing.
# From a small σ, log σ rises at nearly constant speed: the slope is close to -1.
#
# Against the pull stands the reconstruction. Take one latent and a linear decoder, $G(z) = wz$ with noise variance $\eta$. As a function of
# $\sigma$ the loss is $w^2\sigma^2/2\eta + \frac12(\sigma^2-1-\ln\sigma^2)$ + terms without σ (section 6 derives the first part). Its slope by
# log σ, $w^2\sigma^2/\eta + \sigma^2 - 1$, is zero at $\sigma^2 = 1/(1+w^2/\eta)$: between 0 and 1 for every decoder. Without the KL the slope
# $w^2\sigma^2/\eta$ is positive everywhere and the best σ is 0: **the noise in z exists because of the KL term**.
#
# **Predict first:** η = 0.1, w = 1. Is the best σ nearer to 0.1, 0.3 or 1?

# %%
w1, eta1 = 1.0, 0.1
log_s = np.linspace(-3.5, 0.7, 4201)
recon = w1**2 * np.exp(2 * log_s) / (2 * eta1)
divergence = kl_forward(np.zeros((4201, 1)), log_s[:, None])[0]
best = np.exp(log_s[np.argmin(recon + divergence)])
formula = math.sqrt(1 / (1 + w1**2 / eta1))
print(f"best sigma: scan {best:.4f}, formula {formula:.4f}; of the reconstruction alone: {np.exp(log_s[np.argmin(recon)]):.4f}, the end of the scan")
assert abs(best / formula - 1) < 1e-3
assert np.argmin(recon) == 0 and abs(log_s[np.argmin(divergence)]) < 1e-9

fig, ax = plt.subplots()
ax.plot(np.exp(log_s), recon + divergence, label="sum")
ax.plot(np.exp(log_s), recon, "--", label="reconstruction: wants σ = 0")
ax.plot(np.exp(log_s), divergence, "-.", label="KL: wants σ = 1")
ax.plot([formula, formula], [0, 2.6], color="black", lw=1.5, ls=":")
ax.set(xscale="log", ylim=(0, 5), xlabel="σ (log scale)", ylabel="nats", title="Two terms, one compromise: 0 < σ < 1")
ax.set_xticks([0.03, 0.1, 0.3, 1, 2], ["0.03", "0.1", "0.3", "1", "2"])
ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# ## 4. A measure of difference that is no distance
#
# *Items: D2-35, D4-13.*
#
# The slides: the KL is a measure of difference between two distributions (D4), though it does not satisfy the axioms of a metric (D2).
#
# It has two properties of a distance. From $\ln t\le t-1$, with equality only at $t=1$,
# $$-D_{KL}(q\|p) = \mathbb{E}_q\left[\ln\frac{p}{q}\right] \le \mathbb{E}_q\left[\frac pq-1\right] = \int p\,dz - 1 \le 0 ,$$
# so $D_{KL}\ge0$, and zero only if $p=q$. It lacks the other two: it is not symmetric and violates the triangle inequality.
#
# **Predict first:** three Gaussians of variance 1 stand at 0, 1 and 2. The KL from the first to the second is 0.5. What is it from the first to
# the third?


# %%
def kl_between(a, b):
    """KL(N(m1, s1^2) || N(m2, s2^2)) by quadrature; a = (m1, s1), b = (m2, s2)."""
    return kl_by_quadrature(*a, lambda z: log_normal(z, *b))


a, b, c = (0, 1), (1, 1), (2, 1)
direct, by_stages = kl_between(a, c), kl_between(a, b) + kl_between(b, c)
narrow, wide = (0, 1), (0, 3)
print(f"triangle: KL(a||c) = {direct:.6f}  >  KL(a||b) + KL(b||c) = {by_stages:.6f}")
print(f"symmetry: KL(narrow||wide) = {kl_between(narrow, wide):.6f},  KL(wide||narrow) = {kl_between(wide, narrow):.6f}")
pairs = [((rng.normal(), rng.uniform(0.5, 2)), (rng.normal(), rng.uniform(0.5, 2))) for _ in range(100)]
smallest = min(kl_between(*pair) for pair in pairs)
print(f"the smallest of 100 random pairs: {smallest:.4f}, and KL(a||a) = {abs(kl_between(a, a)):.0e}")
assert abs(direct - 2) < 1e-10 and abs(by_stages - 1) < 1e-10
assert abs(kl_between(narrow, wide) - (math.log(3) + 1 / 18 - 0.5)) < 1e-10
assert kl_between(wide, narrow) > 4 * kl_between(narrow, wide) and smallest > 0 and abs(kl_between(a, a)) < 1e-14

# %% [markdown]
# The order matters in practice. The ELBO contains $D_{KL}(q\|p)$, an expectation under $q$: it punishes $q$ for mass where $p$ has none, but not
# for missing a part of $p$.
#
# **Predict first:** p has two humps, at -2 and 2. Which Gaussian q minimises KL(q‖p)? Which minimises KL(p‖q)?

# %%
z = np.linspace(-9, 9, 601)
dz = z[1] - z[0]
log_p = np.log(0.5 * np.exp(log_normal(z, -2, 0.6)) + 0.5 * np.exp(log_normal(z, 2, 0.6)))
p = np.exp(log_p)
fits = {}
for m, s in product(np.linspace(-3, 3, 61), np.linspace(0.3, 3, 55)):
    log_q = log_normal(z, m, s)
    reverse, forward = np.sum(np.exp(log_q) * (log_q - log_p)) * dz, np.sum(p * (log_p - log_q)) * dz
    fits[m, s] = reverse, forward
q_p, p_q = (min(fits, key=lambda pair: fits[pair][i]) for i in (0, 1))
print(f"KL(q||p) is smallest, {fits[q_p][0]:.3f} nats, at mu = {q_p[0]:.1f}, sigma = {q_p[1]:.2f}: one hump (ln 2 = {math.log(2):.3f})")
print(f"KL(p||q) is smallest, {fits[p_q][1]:.3f} nats, at mu = {abs(p_q[0]):.1f}, sigma = {p_q[1]:.2f}: p's own mean and spread")
assert abs(abs(q_p[0]) - 2) < 1e-9 and abs(q_p[1] - 0.6) < 1e-9 and 0 < math.log(2) - fits[q_p][0] < 0.003
assert abs(p_q[0]) < 1e-9 and abs(p_q[1] - math.sqrt(4 + 0.36)) < 0.026

fig, ax = plt.subplots(figsize=(8, 4))
ax.fill_between(z, p, color="0.8", label="p")
ax.plot(z, np.exp(log_normal(z, *q_p)), label="argmin KL(q‖p), as in the ELBO")
ax.plot(z, np.exp(log_normal(z, *p_q)), "--", label="argmin KL(p‖q)")
ax.set(xlim=(-6, 6), ylim=(0, 1.05), xlabel="z", ylabel="density", title="The direction of the KL decides what q covers")
ax.legend()
plt.show()

# %% [markdown]
# ## 5. Gaussian pixels: squared error and what it leaves out
#
# *Items: D0-11, D0-43, D2-33, D2-58.*
#
# The slides: $p(x|z)=\mathcal{N}(\mu(z),\sigma^2(z))$ (D0); $\log\mathcal{N}(x;G(z),\eta I) = -\|x-G(z)\|^2/2\eta + \text{const}$ (D2), so the
# reconstruction term is squared error (D2); $\log p(x|z) = C_1 + C_2\|x-f(g(x)+\sigma\varepsilon)\|^2$ (D0).
#
# For $D$ independent pixels of variance $\eta$,
# $$\log\mathcal{N}(x;m,\eta I) = \log\prod_d\frac{e^{-(x_d-m_d)^2/2\eta}}{\sqrt{2\pi\eta}}
# = -\tfrac12\sum_d\left(\frac{(x_d-m_d)^2}{\eta}+\ln\eta+\ln2\pi\right) \qquad \textbf{[NORM.1]}$$
# $$\bar m = \overline{\log p}\;(x-m)/\eta \qquad \textbf{[NORM.2]}$$
# *A nuance to D2, line 146:* the "const" is $-\frac D2\ln2\pi\eta$. It is constant in $z$ and in the weights, not in $\eta$. With η fixed it may
# be dropped; with η learned it may not.
#
# *A correction to D2, line 225:* the slide's "ordinary VAE" should read ordinary auto-encoder. The term is minus the squared error over $2\eta$:
# the minus was lost.
# *A correction to D0, lines 187-191:* one σ stands there for the decoder's noise (in the space of $x$) and for the encoder's noise (in the space
# of $z$). They are two numbers; with $\eta$ for the first, $C_1 = -\frac D2\ln 2\pi\eta$ and $C_2 = -1/2\eta < 0$. The identity holds for each
# sample ε; the objective is its mean over ε.

# %%
show(gaussian_forward, gaussian_backward)

# %% [markdown]
# **Predict first:** five draws of ε give five reconstructions of one image. Plot log p(x|z) against the squared error. What is the figure, and
# which two numbers are its slope and its height at zero?

# %%
D, eta, sigma_z = 64, 0.05, 0.5
W = rng.standard_normal((2, D)) / 4
x = X[:1]
eps = rng.standard_normal((5, 1, 2))
out = (0.3 + sigma_z * eps) @ W  # f(g(x) + sigma eps)
log_px = gaussian_forward(out, x, eta)[0][:, 0]
squared = ((x - out) ** 2).sum(-1)[:, 0]
slope, height = np.polyfit(squared, log_px, 1)
print(f"slope {slope:.10f} = -1/(2 eta) = {-1 / (2 * eta):.10f}")
print(f"height {height:.8f} = -D/2 ln(2 pi eta) = {-D / 2 * math.log(2 * math.pi * eta):.8f}")
assert abs(slope + 1 / (2 * eta)) < 1e-9 and abs(height + D / 2 * math.log(2 * math.pi * eta)) < 1e-8
assert abs(slope + 1 / (2 * sigma_z**2)) > 1  # with the encoder's sigma in its place the identity fails
report = check(gaussian_forward, gaussian_backward, out, np.broadcast_to(x, (1, D)), eta, wrt="mean")
print(report)
assert report.ok

# %% [markdown]
# A straight line: $C_2$ and $C_1$.
#
# **Learning η.** Let one variance $\eta=e^{\log\eta}$ serve all pixels and be a parameter. With $r=x-m$
# $$\log p(x|z) = -\tfrac12\sum_d\left(r_d^2\,e^{-\log\eta}+\log\eta+\ln2\pi\right) \qquad \textbf{[NORMS.1]}$$
# $$\bar m = \overline{\log p}\;r/\eta,\qquad \overline{\log\eta} = \sum\overline{\log p}\;\tfrac12\left(r^2/\eta-1\right) \qquad \textbf{[NORMS.2]}$$
# Setting the second to zero over $N$ data gives $\sum r^2/\eta = ND$: **the best η is the mean squared error** over pixels and data.
#
# **A variance for every pixel.** With outputs $(m_d, s_d)$ for each pixel and a floor $\eta_0$ (`ETA_FLOOR`)
# $$\log p(x|z) = -\tfrac12\sum_d\left(r_d^2/\eta_d+\ln\eta_d+\ln2\pi\right),\qquad \eta_d=\eta_0+e^{s_d} \qquad \textbf{[NORMD.1]}$$
# $$\bar m_d = \overline{\log p}\;r_d/\eta_d,\qquad \bar s_d = \overline{\log p}\;\tfrac12\left(r_d^2/\eta_d-1\right)\frac{e^{s_d}}{\eta_d}
# \qquad \textbf{[NORMD.2]}$$
# The last factor is $\partial\log\eta_d/\partial s_d = \mathrm{sigmoid}(s_d-\log\eta_0)$. *A correction to D0, line 153,* where
# $\Sigma_\theta(z)$ is free: then the likelihood has no upper bound, for a pixel that never varies is hit exactly and
# $-\frac12\ln\eta_d\to\infty$. The floor is the remedy.

# %%
show(gaussian_scalar_forward, gaussian_scalar_backward)
show(gaussian_diagonal_forward, gaussian_diagonal_backward)

# %% [markdown]
# **Predict first:** PCA with two components reconstructs the digits. Plot the mean log p(x|z) against η, with and without "const". Which curve
# has a maximum?

# %%
pca = PCA(2).fit(X)
R = pca.inverse_transform(pca.transform(X))
mse = np.mean((X - R) ** 2)
log_etas = np.linspace(math.log(0.003), math.log(2), 2001)
dropped = -np.mean(((X - R) ** 2).sum(1)) / (2 * np.exp(log_etas))
complete = np.array([gaussian_scalar_forward(R, X, np.array(v))[0].mean() for v in log_etas])
best = math.exp(log_etas[complete.argmax()])
_, cache = gaussian_scalar_forward(R, X, np.array(math.log(mse)))
_, dlog_eta = gaussian_scalar_backward(np.full(len(X), 1 / len(X)), cache)
print(f"mean squared error {mse:.5f}; complete density is largest at eta = {best:.5f}; slope there {abs(dlog_eta):.0e}")
assert abs(math.log(best / mse)) < 0.004 and abs(dlog_eta) < 1e-12
assert dropped.argmax() == len(dropped) - 1  # without the constant, more noise is always better
for learned, *pair in (
    (("mean", "log_eta"), gaussian_scalar_forward, gaussian_scalar_backward, *rng.standard_normal((2, 4, 6)), np.array(-1.0)),
    ("out", gaussian_diagonal_forward, gaussian_diagonal_backward, rng.standard_normal((4, 6, 2)), rng.standard_normal((4, 6))),
):
    report = check(*pair, wrt=learned)  # x is data and has no gradient
    print(report)
    assert report.ok

fig, ax = plt.subplots()
ax.plot(np.exp(log_etas), complete, label="complete density")
ax.plot(np.exp(log_etas), dropped, "--", label="without the constant")
ax.axvline(mse, color="black", lw=1.5, ls=":")
ax.annotate("η = mean squared error", (mse, -140), (mse * 1.15, -140))
ax.set(xscale="log", ylim=(-250, 60), xlabel="η, variance of a pixel (log scale)", ylabel="mean log p(x|z), nats")
ax.set_title("The constant is what stops η")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# The value of η is also the weight of the reconstruction against the KL. A popular loss, "mean squared error + KL", takes the mean over the $D$
# pixels: $\|r\|^2/D = \|r\|^2/2\eta$ with $\eta=D/2$, 32 for the digits. The pixels lie in [0, 1].
#
# **Predict first:** a linear VAE uses a latent only if the data's variance along it exceeds η. How many of eight latents survive at η = 32?

# %%
top = np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1]
r = X[:1] - R[:1]
full = gaussian_forward(R[:1], X[:1], D / 2)[0][0] - gaussian_forward(X[:1], X[:1], D / 2)[0][0]
assert abs(-full - np.mean(r**2)) < 1e-12
active = {eta: LinearBetaVAE(8, eta).fit(X).active_units_ for eta in (mse, 0.1, 0.5, D / 2)}
print("active latents of 8:", ", ".join(f"{n} at eta = {eta:.3g}" for eta, n in active.items()), f"; largest variance {top:.2f}")
assert list(active.values()) == [8, 8, 3, 0] and top < D / 2

never = np.ptp(X, axis=0) == 0
print(f"{never.sum()} of 64 pixels never vary. log p of one such pixel, hit exactly:")
free = [gaussian_forward(np.zeros((1, 1)), np.zeros((1, 1)), 10.0**-e)[0][0] for e in (2, 4, 8, 16)]
floored = gaussian_diagonal_forward(np.array([[[0.0, -1000.0]]]), np.zeros((1, 1)))[0][0]
print("  free variance 1e-2, 1e-4, 1e-8, 1e-16:", np.round(free, 2), f"  with the floor at most {floored:.4f} nats")
assert never.sum() == 3 and np.all(np.diff(free) > 2) and abs(floored + math.log(2 * math.pi * ETA_FLOOR) / 2) < 1e-12

# %% [markdown]
# None: with the mean over pixels in place of the sum, the KL wins in every dimension and the posterior collapses. It is a common bug.
#
# ## 6. The expectation over z
#
# *Items: D1-29, D1-32.*
#
# The slides: every sample $z_i$ defines a distribution over the data, for which the likelihood of the input can be computed; average the
# log-likelihoods over samples from $q(z|x)$ (D1). *A note on D1, lines 197-209:* $i$ counts both the data and the samples of $z$ there. Here $n$
# is the datum and $l$ the sample:
# $$\mathbb{E}_{q(z|x_n)}[\log p(x_n|z)] \approx \frac1L\sum_{l=1}^L\log p(x_n|z_n^{(l)}),\qquad z_n^{(l)}\sim q(z|x_n) .$$
# For a linear decoder the expectation is known. Let $G(z)=Wz+b$, $z=\mu+\delta$ with $\mathbb{E}\delta=0$, $\mathbb{E}\delta\delta^\top=\Sigma$,
# and $r=x-W\mu-b$. Then
# $$\mathbb{E}\|x-G(z)\|^2 = \mathbb{E}\|r-W\delta\|^2 = \|r\|^2 - 2r^\top W\,\mathbb{E}\delta +
# \mathbb{E}[\delta^\top W^\top W\delta] = \|r\|^2 + \mathrm{tr}(W\Sigma W^\top),$$
# because $\delta^\top W^\top W\delta = \mathrm{tr}(W\delta\delta^\top W^\top)$. Hence
# $$\mathbb{E}_q[\log p(x|z)] = \log p(x|z=\mu) - \frac{\mathrm{tr}(W\Sigma W^\top)}{2\eta} .$$
# Noise in $z$ costs exactly the variance that it causes in the pixels, $\mathrm{tr}(W\Sigma W^\top)=\sum_k\sigma_k^2\|w_k\|^2$ for a diagonal Σ.
# Its slope by $\log\sigma_k$ is $\sigma_k^2\|w_k\|^2/\eta$, always against noise; with the KL's $\sigma_k^2-1$ the balance is $\sigma_k^2 =
# 1/(1+\|w_k\|^2/\eta)$, the compromise of section 3.
#
# **Predict first:** does decoding the mean, z = μ, give a reconstruction term that is too high or too low? And what does averaging L samples
# change: the value, or its spread?

# %%
K, eta = 3, 0.1
W, b_out = rng.standard_normal((D, K)) / 5, X.mean(0)
mu, sigma = rng.standard_normal(K), np.array([0.2, 0.5, 0.9])
at_mean = gaussian_forward((mu @ W.T + b_out)[None], X[:1], eta)[0][0]
extra = np.trace(W @ np.diag(sigma**2) @ W.T) / (2 * eta)
exact = at_mean - extra
node, weight = gauss(3)  # the integrand is quadratic: three nodes are exact
nodes = np.array(list(product(node, repeat=K)))
weights = np.prod(list(product(weight, repeat=K)), axis=1)
quadrature = weights @ gaussian_forward((mu + sigma * nodes) @ W.T + b_out, X[:1], eta)[0]
print(f"log p at z = mu {at_mean:.6f};  minus tr(W S W')/2 eta = {extra:.6f};  expectation {exact:.6f}, quadrature {quadrature:.6f}")
assert abs(exact - quadrature) < 1e-10 and extra > 1

print("   L   mean of the estimates   their standard deviation")
spread = {}
for L in (1, 10, 100):
    z = mu + sigma * rng.standard_normal((4000, L, K))
    estimates = gaussian_forward(z @ W.T + b_out, X[:1], eta)[0].mean(1)
    spread[L] = estimates.std()
    print(f"{L:4d} {estimates.mean():17.3f} {estimates.std():22.3f}")
    assert abs(estimates.mean() - exact) < 4 * estimates.std() / math.sqrt(4000)
assert abs(spread[1] / spread[100] / 10 - 1) < 0.05
balance = 1 / (1 + (W**2).sum(0) / eta)
slope = balance * (W**2).sum(0) / eta + kl_backward(np.ones(1), kl_forward(mu[None], np.log(balance[None]) / 2)[1])[1][0]
print("sigma at the balance:", np.sqrt(balance).round(4), f" largest slope there {np.abs(slope).max():.0e}")
assert np.abs(slope).max() < 1e-14

# %% [markdown]
# Decoding the mean flatters the model by the trace term. The average of $L$ samples is unbiased for every $L$; its spread falls as $1/\sqrt L$.
#
# ## 7. Binary pixels and classes: sigmoid and softmax
#
# *Items: D0-13, D3-32.*
#
# The slides: binary images $x\in\{0,1\}^{28\times28}$ (D0); the decoder's output depends on the type of distribution: Bernoulli, a sigmoid;
# categorical, a softmax (D3).
#
# A Bernoulli pixel with $p=\mathrm{sigmoid}(l)=1/(1+e^{-l})$ has $\log p = l-\mathrm{softplus}(l)$ and $\log(1-p) = -\mathrm{softplus}(l)$, with
# $\mathrm{softplus}(l)=\ln(1+e^l)$. So
# $$\log p(x|z) = \sum_d x_d\log p_d+(1-x_d)\log(1-p_d) = \sum_d x_dl_d-\mathrm{softplus}(l_d) \qquad \textbf{[BER.1]}$$
# and since $\mathrm{softplus}'=\mathrm{sigmoid}$,
# $$\bar l = \overline{\log p}\;(x-\mathrm{sigmoid}(l)) \qquad \textbf{[BER.2]}$$
# *A nuance to D0, line 82,* where the decoder $\mathbb{R}^d\to\mathbb{R}^{28\times28}$ "defines mean values": means of binary pixels lie in [0,
# 1]; the network's real outputs are the logits $l$.
#
# For a pixel in one of $C$ classes, softmax gives $p_c=e^{l_c}/\sum_{c'}e^{l_{c'}}$ and
# $$\log p(x|z) = \sum_d l_{d,x_d}-\log\sum_c e^{l_{d,c}} \qquad \textbf{[CAT.1]}$$
# $$\bar l_{d,c} = \overline{\log p}\;\left([c=x_d]-\mathrm{softmax}(l_d)_c\right) \qquad \textbf{[CAT.2]}$$
# Two classes with logits $(0,l)$ are the Bernoulli pixel again.

# %%
show(bernoulli_forward, bernoulli_backward)
show(categorical_forward, categorical_backward)

# %% [markdown]
# **Predict first:** four binary pixels have 16 images. Do their probabilities sum to 1 for any logits? And what does the formula with
# `np.log(p)` say at a logit of 50 000?


# %%
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
print(f"sum over all 16 binary images {total:.15f}; over all 125 images of 3 pixels in 5 classes {class_total:.15f}")
assert abs(total - 1) < 1e-12 and abs(class_total - 1) < 1e-12
assert np.abs(two - bernoulli_forward(logits, images)[0]).max() < 1e-12

print("logit, x:        naive         ours     gradient")
for logit, value in [(50000, 1), (50000, 0), (-50000, 1), (-50000, 0)]:
    a, v = np.array([[float(logit)]]), np.array([[float(value)]])
    log_px, cache = bernoulli_forward(a, v)
    slope = bernoulli_backward(np.ones(1), cache)[0, 0]
    print(f"{logit:6d}, {value}: {naive_bernoulli(a, v)[0]:12.1f} {log_px[0]:12.1f} {slope:12.1f}")
    assert log_px[0] == (0 if (logit > 0) == (value == 1) else -50000) and slope == value - (logit > 0)
    assert not np.isfinite(naive_bernoulli(a, v)[0])
extreme = np.array([[[50000.0, -50000.0, 0.0]]])
for target in range(3):
    log_px, cache = categorical_forward(extreme, np.array([[target]]))
    slope = categorical_backward(np.ones(1), cache)[0, 0]
    assert log_px[0] == extreme[0, 0, target] - 50000 and np.array_equal(slope, np.eye(3)[target] - [1, 0, 0])
a = np.array([[50000.0, -50000.0, 50000.0, -50000.0]])
log_px, cache = continuous_bernoulli_forward(a, np.array([[1.0, 0.0, 0.5, 0.5]]))
assert np.isfinite(log_px).all() and np.isfinite(continuous_bernoulli_backward(np.ones(1), cache)).all()
for pair in (
    (bernoulli_forward, bernoulli_backward, rng.standard_normal((4, 6)), rng.integers(0, 2, (4, 6))),
    (categorical_forward, categorical_backward, rng.standard_normal((4, 6, 5)), rng.integers(0, 5, (4, 6))),
):
    report = check(*pair)
    print(report)
    assert report.ok

# %% [markdown]
# The naive formula gives NaN even where the answer is 0, for $0\cdot\log0$ is NaN. In logits nothing can overflow, and a pixel that is surely
# wrong costs 50 000 nats with a gradient of at most 1.
#
# ## 8. Grey pixels: the normaliser that cross-entropy lacks
#
# *Items: D1-25, D1-53.*
#
# The slides: the decoder $p_\phi(x|z)$ is a distribution over the multivariate observations, the pixels (D1), the network "produces the
# distribution over data samples" (D1).
#
# So it must integrate to 1 over the values that a pixel can take. Binary cross-entropy is often used for grey pixels in [0, 1]. Integrate its
# exponential, with $p^x(1-p)^{1-x}=(1-p)\,e^{lx}$ as $e^l=p/(1-p)$:
# $$\int_0^1(1-p)\,e^{lx}\,dx = (1-p)\,\frac{e^l-1}{l} = \frac{1}{1+e^l}\cdot\frac{e^l-1}{l} = \frac{\tanh(l/2)}{l} \le \frac12 .$$
# At most a half: no density. Dividing by it gives the continuous Bernoulli, with $C(l)=l/\tanh(l/2)$, $C(0)=2$:
# $$\log p(x|z) = \sum_d x_dl_d-\mathrm{softplus}(l_d)+\log C(l_d) \qquad \textbf{[CB.1]}$$
# For its gradient, $\frac{d}{dl}\log C = \frac1l-\frac{1/2}{\cosh^2(l/2)\tanh(l/2)} = \frac1l-\frac1{\sinh l}$, as $2\sinh\frac l2\cosh\frac
# l2=\sinh l$. Hence
# $$\bar l = \overline{\log p}\;(x-\mathbb{E}[x]),\qquad \mathbb{E}[x] = \mathrm{sigmoid}(l)-\frac1l+\frac1{\sinh l} \qquad \textbf{[CB.2]}$$
# As in every exponential family, the slope is the observation minus its mean; here the mean is not $p$.

# %%
show(continuous_bernoulli_forward, continuous_bernoulli_backward)
show(continuous_bernoulli_mean)

# %% [markdown]
# **Predict first:** for which p is the area under exp(-cross-entropy) largest? For a digit of 64 pixels, how many nats at least does the
# cross-entropy lack?

# %%
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
    assert abs(area - formula) < 1e-12 and abs(one - 1) < 1e-12 and abs(mean - numeric) < 1e-12 and area < 0.5 + 1e-12
report = check(continuous_bernoulli_forward, continuous_bernoulli_backward, rng.standard_normal((4, 6)), rng.random((4, 6)), wrt="logits")
print(report)
assert report.ok

inside = np.clip(X, 1e-12, 1 - 1e-12)
best_bce = bernoulli_forward(np.log(inside / (1 - inside)), X)[0]
print(f"digits: cross-entropy of grey pixels cannot fall below {-best_bce.mean():.2f} nats per image, even for a perfect copy;")
print(f"its missing normaliser is worth at least 64 ln 2 = {64 * math.log(2):.2f} nats per image")
assert 13 < -best_bce.mean() < 14.5

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
line = np.linspace(0, 1, 201)[:, None]
for p, style in [(0.5, "-"), (0.8, "--"), (0.98, "-.")]:
    logit = np.array([[math.log(p / (1 - p))]])
    left.plot(line, np.exp(bernoulli_forward(logit, line)[0]), style, label=f"p = {p}")
    right.plot(line, np.exp(continuous_bernoulli_forward(logit, line)[0]), style, label=f"p = {p}")
left.set(xlabel="grey value x", ylabel="exp(-cross-entropy)", ylim=(0, 4.2), title="BCE: area at most 1/2")
right.set(xlabel="grey value x", ylabel="density", ylim=(0, 4.2), title="continuous Bernoulli: area 1")
left.legend()
plt.show()

# %% [markdown]
# A floor and a missing constant are harmless for comparing models under the same loss. But the missing factor depends on $l$, the decoder's
# output, so it also moves the optimum.
#
# **Predict first:** grey values with mean 0.85. Cross-entropy is minimised at p = 0.85. What is the mean of the density with that p?

# %%
values = rng.beta(5.1, 0.9, (20000, 1))
logits = np.linspace(-2, 12, 1401)
by_bce = logits[np.argmax([bernoulli_forward(np.array([[v]]), values)[0].mean() for v in logits])]
by_cb = logits[np.argmax([continuous_bernoulli_forward(np.array([[v]]), values)[0].mean() for v in logits])]
score = {}
for name, v in (("BCE", by_bce), ("CB", by_cb)):
    score[name] = continuous_bernoulli_forward(np.array([[v]]), values)[0].mean()
    mean = continuous_bernoulli_mean(np.array([v]))[0]
    print(f"fitted by {name:3}: logit {v:.2f}, p {1 / (1 + math.exp(-v)):.4f}, mean of that density {mean:.4f}, log-density {score[name]:.4f}")
print(f"mean of the data {values.mean():.4f}")
assert abs(1 / (1 + math.exp(-by_bce)) - values.mean()) < 0.002
assert abs(continuous_bernoulli_mean(np.array([by_cb]))[0] - values.mean()) < 0.002
assert continuous_bernoulli_mean(np.array([by_bce]))[0] < values.mean() - 0.1 and score["CB"] > score["BCE"] + 0.1

# %% [markdown]
# ## 9. New data, new likelihood
#
# *Items: D0-51.*
#
# The slide: new domains with a likelihood $p(x|z)$ instead of a reconstruction error, molecules and vector graphics for example (D0).
#
# Nothing else changes: encoder, KL, sampling and optimiser know only $\log p(x|z)$ and its gradient. One more member of the family is the
# Laplace density, absolute error with its constants; a Laplace variable of scale $b$ has variance $2b^2$, so $b=\sqrt{\eta/2}$ has the variance
# η:
# $$\log p(x|z) = -\sum_d\left(\frac{|x_d-m_d|}{b}+\ln2b\right) \qquad \textbf{[LAP.1]}$$
# $$\bar m = \overline{\log p}\;\mathrm{sign}(x-m)/b \qquad \textbf{[LAP.2]}$$
# The one condition on a newcomer: it sums or integrates to 1 over $x$, for every output of the decoder.

# %%
show(laplace_forward, laplace_backward)

# %% [markdown]
# **Predict first:** all likelihoods of the package, with random decoder outputs for two pixels. Which of the totals differ from 1?


# %%
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
    out = outs if record.outputs == 1 else np.stack([outs, *(rng.standard_normal((record.outputs - 1, 1, 2)) - 1)], axis=-1)
    low, high = record.domain
    if record.discrete:
        pixels = np.array(list(product(range(low, min(high, 200) + 1), repeat=2)), dtype=float)  # beyond 200 counts nothing is left
        weights = np.ones(len(pixels))
    else:
        sides = [panels(np.array([low, high]) if np.isfinite(high) else np.unique(np.clip(outs[0, d] + wide, low, high))) for d in range(2)]
        pixels = np.stack(np.meshgrid(sides[0][0], sides[1][0], indexing="ij"), axis=-1).reshape(-1, 2)
        weights = np.outer(sides[0][1], sides[1][1]).ravel()
    total = weights @ np.exp(record.forward(np.repeat(out, len(pixels), axis=0), pixels, *own)[0])
    print(f"{name:21} {'sum' if record.discrete else 'integral':8} over both pixels {total:.13f}")
    assert abs(total - 1) < 1e-10
far = rng.standard_normal((4, 6))
report = check(laplace_forward, laplace_backward, far, far + rng.choice([-1, 1], far.shape) * rng.uniform(0.1, 1, far.shape), 0.3, wrt="mean")
print(report)
assert report.ok

# %% [markdown]
# None. To see that a decoder's output is a distribution and not an image: the same mean image, with draws $x\sim p(x|z)$ from three likelihoods.
#
# **Predict first:** in which of the three rows do the draws look least like a digit, and why would nobody show them in a paper?

# %%
mean_image = X[y == 3].mean(0)[None]
low, high = np.full(64, -200.0), np.full(64, 200.0)
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
draw = np.random.default_rng(3)
sheet, variances = [], []
for name, (out, own) in rows.items():
    samples = LIKELIHOODS[name].sample(np.repeat(out, 4000, axis=0), draw, *own)
    gap = np.abs(samples.mean(0) - mean_image[0]).max()
    variances.append(samples.var(0).mean())
    print(f"{name:21} largest difference of a pixel's mean over 4000 draws from E[x|z]: {gap:.4f}; mean variance {variances[-1]:.4f}")
    assert gap < 5 * 0.5 / math.sqrt(4000)
    sheet += [mean_image[0], *np.clip(samples[:5], 0, 1)]
assert abs(variances[2] - 0.05) < 0.001 and variances[1] < variances[0]
fig, ax = plt.subplots(figsize=(8, 4.4))
image_grid(np.array(sheet), n_columns=6, ax=ax, title="First column E[x|z], then five draws from p(x|z)")
ax.set_yticks([3.5, 12.5, 21.5], ["Bernoulli", "continuous\nBernoulli", "Gaussian\nη = 0.05"])
ax.tick_params(length=0)
plt.show()

# %% [markdown]
# The Bernoulli's: a grey mean must come out as black or white, so its variance is the largest of the three. Pixels are independent given $z$, so
# every draw carries its own grain; papers show E[x|z].
#
# ## 10. May any image difference replace the reconstruction loss?
#
# *Items: D4-42.*
#
# A reader of D4 asks: can any differentiable image comparison be used in place of the reconstruction loss?
#
# To train, yes: gradients exist and pictures come out. To keep the bound on $\log p(x)$, only if the difference $d(x,\hat x)$ is minus a
# log-density, up to a constant:
# $$p(x|z) = \frac{e^{-d(x,\hat x(z))}}{Z(\hat x)},\qquad Z(\hat x) = \int e^{-d(x,\hat x)}\,dx .$$
# Three questions decide. **Is $Z$ finite?** If not, there is no density. **Does $Z$ depend on $\hat x$?** If so, $-\log Z(\hat x)$ has a
# gradient and must stay in the loss, as in section 8. If $d$ depends on $x-\hat x$ alone and $x$ ranges over all of $\mathbb{R}^D$, then $Z$ is
# one constant: it may be dropped for training but not when the bound is reported.
# **What is its scale?** $d$ and $d/\tau$ are different densities; τ plays the role of η and sets the weight against the KL.
#
# **Predict first:** for which of these four is $Z$ finite over the whole plane of two pixels: squared error, absolute error, the bounded
# $1-e^{-\|x-\hat x\|^2}$ (similarity scores are bounded too), the squared difference of mean brightness (a comparison of features)?

# %%
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
assert Z["bounded"][2] / Z["bounded"][1] > 3.9 and Z["mean brightness"][2] / Z["mean brightness"][1] > 1.9

# %% [markdown]
# The first two are the Gaussian with η = 1/2 and the Laplace with b = 1. A bounded difference leaves every image at least $e^{-1}$, so its
# integral grows with the area. A comparison of features that ignores a direction grows along it.
#
# On pixels confined to [0, 1] every bounded difference has a finite $Z$. Then the second question bites.
#
# **Predict first:** squared error with η = 0.1 on [0, 1]. Is Z the same for x̂ = 0 and for x̂ = 0.5?

# %%
t, v = panels(np.array([0, 0.25, 0.5, 0.75, 1.0]))
z_of = {m: v @ np.exp(-((t - m) ** 2) / 0.2) for m in (0.0, 0.25, 0.5)}
for m, value in z_of.items():
    erf_form = math.sqrt(0.1 * math.pi / 2) * (math.erf((1 - m) / math.sqrt(0.2)) + math.erf(m / math.sqrt(0.2)))
    print(f"x_hat = {m:4.2f}: Z on [0, 1] = {value:.6f} (by the error function {erf_form:.6f})")
    assert abs(value - erf_form) < 1e-12
assert z_of[0.5] > 1.7 * z_of[0.0]

# %% [markdown]
# Not the same: it is smaller where half of the bell lies outside.
#
# Last, what a dropped constant does to the "bound". Data $x\sim\mathcal{N}(0,\lambda)$. For every density $p$, $\mathbb{E}\log
# p(x)\le\mathbb{E}\log\mathcal{N}(x;0,\lambda)=-\frac12\ln2\pi e\lambda$: no true lower bound on $\log p(x)$ can have a larger mean. The best
# linear VAE with η = 1 has $w^2=\lambda-\eta$, $q=\mathcal{N}(wx/\lambda,\ \eta/\lambda)$ and reaches it.
#
# **Predict first:** take $d=\|x-\hat x\|^2/2\eta$ without its constant. Is the "ELBO" $-\mathbb{E}_q[d]-D_{KL}$ above or below that limit, and
# by how many nats for 64 pixels?

# %%
lam, eta = 100.0, 1.0
node, weight = gauss(20)
x = math.sqrt(lam) * node[:, None]
w_opt, post_mean, post_sd = math.sqrt(lam - eta), math.sqrt(lam - eta) * x / lam, math.sqrt(eta / lam)
kl = kl_forward(post_mean, np.full_like(x, math.log(post_sd)))[0]
z = post_mean + post_sd * node[:, None, None]  # (sample, datum, 1)
complete = weight @ (weight @ gaussian_forward(w_opt * z, x, eta)[0] - kl)
without = weight @ (weight @ -((x - w_opt * z) ** 2 / (2 * eta)).sum(-1) - kl)
limit = -0.5 * math.log(2 * math.pi * math.e * lam)
print(f"limit {limit:.6f};  complete ELBO {complete:.6f};  without the constant {without:.6f}")
print(f"excess {without - limit:.6f} = 1/2 ln(2 pi eta) = {0.5 * math.log(2 * math.pi * eta):.6f} per pixel")
print(f"for 64 pixels: {64 * (without - limit):.1f} nats")
assert abs(complete - limit) < 1e-10 and abs(without - limit - 0.5 * math.log(2 * math.pi)) < 1e-10

# %% [markdown]
# Above the limit: it bounds nothing, and such numbers cannot be compared between losses. The answer to the reader: any differentiable difference
# trains; one with a finite, known $Z$ makes a VAE. For the others, keep the name "regularised auto-encoder" and do not report nats.
#
# ## Exercises
#
# **1.** The KL between any two one-dimensional Gaussians. Repeat the derivation of section 2 with $p=\mathcal{N}(m_2,s_2^2)$.


# %%
def kl_gaussians(m1, s1, m2, s2):
    """KL(N(m1, s1^2) || N(m2, s2^2)) in nats."""
    raise NotImplementedError("about 1 line: ln(s2 / s1), a quotient of second moments, and -1/2")


# %%
try:
    for pair in pairs[:10]:
        assert abs(kl_gaussians(*pair[0], *pair[1]) - kl_between(*pair)) < 1e-10, pair
    print("correct")
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# **2.** A likelihood for a new domain: counts $x=0,1,2,\dots$ per pixel. The Poisson distribution has $p(x)=\lambda^xe^{-\lambda}/x!$ with
# $\lambda=e^l$ for the decoder's output $l$. Write the pair. `log_factorial[n]` holds $\ln n!$.

# %%
log_factorial = np.concatenate([[0], np.cumsum(np.log(np.arange(1, 400)))])


def poisson_forward(logits, x):
    """logits, x of shape (N, D) -> log p(x|z) of shape (N,), complete with its constant, and the cache."""
    raise NotImplementedError("about 3 lines: the rate, the cache, and the sum over pixels")


def poisson_backward(dlog_px, cache):
    """dlog_px of shape (N,) -> dlogits of shape (N, D)."""
    raise NotImplementedError("about 2 lines: the observation minus its mean")


# %%
def check_poisson(forward, backward):
    """Sums to one over the counts, and backward matches forward."""
    counts = np.arange(400)[:, None]
    for logit in (-2.0, 0.0, 3.0):
        total = np.exp(forward(np.full((400, 1), logit), counts)[0]).sum()
        assert abs(total - 1) < 1e-12, f"sums to {total} at the logit {logit}"
    seed = np.random.default_rng(1)
    report = check(forward, backward, seed.standard_normal((4, 6)), seed.poisson(2, (4, 6)))
    print(report)
    assert report.ok


try:
    check_poisson(poisson_forward, poisson_backward)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# ## Solutions


# %% jupyter={"source_hidden": true} tags=["solution"]
def kl_gaussians_solution(m1, s1, m2, s2):
    """E_q[log q - log p]: the second moment of z about m2 is s1^2 + (m1 - m2)^2."""
    return math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5


assert all(abs(kl_gaussians_solution(*pair[0], *pair[1]) - kl_between(*pair)) < 1e-10 for pair in pairs)
assert abs(kl_gaussians_solution(0.7, 0.4, 0, 1) - kl_of(0.7, math.log(0.4))) < 1e-14
print("KL(N(0, 1) || N(0, 9)) =", round(kl_gaussians_solution(0, 1, 0, 3), 6))


# %% jupyter={"source_hidden": true} tags=["solution"]
def poisson_solution_forward(logits, x):
    """log p = x l - exp(l) - ln x!"""
    rate = np.exp(logits)
    return (x * logits - rate - log_factorial[x]).sum(-1), (rate, x)


def poisson_solution_backward(dlog_px, cache):
    """dlogits = dlog_px (x - rate)"""
    rate, x = cache
    return dlog_px[..., None] * (x - rate)


check_poisson(poisson_solution_forward, poisson_solution_backward)
