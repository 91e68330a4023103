# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 06a The KL term
#
# The loss of a variational auto-encoder has two terms. This notebook is about the one that needs no decoder, $\mathrm{KL}(q(z|x)\,\|\,p(z))$ for a
# Gaussian $q$: its closed form, its gradients, what it does to $q$, and the same formulas in the other common parametrisation, $\ln\sigma^2$.
# The other term has a notebook of its own, 06b.
#
# Afterwards you can derive the KL term and its gradients and check them without trusting anyone, say why a posterior keeps its noise, and read
# a lecture or a program that is written in log-variance.
#
# *Notation: posterior spread; network output for it; noise; KL; bound; latent dimension; samples of z; gradient of the loss by v.*
#
# In D4, "variance" and σ stand for one thing; here σ is a standard deviation and $\eta$ a variance.

# %%
import math
from functools import wraps
from inspect import signature
from itertools import product
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    SGD,
    VAE,
    Adam,
    bernoulli_backward,
    bernoulli_forward,
    binarize,
    check,
    decode_backward,
    decode_forward,
    elbo_terms_forward,
    encode_backward,
    encode_forward,
    gaussian_forward,
    gaussian_log_density_backward,
    gaussian_log_density_forward,
    gaussian_scalar_backward,
    gaussian_scalar_forward,
    kl_backward,
    kl_forward,
    load_digits,
    over_theta,
    reparameterize_backward,
    reparameterize_forward,
)
from tinyvae.companion import show
from tinyvae.plots import use_style
from tinyvae.plots.diagrams import graph
from tinyvae.posteriors.full import (
    full_log_density_backward,
    full_log_density_forward,
    kl_full_backward,
    kl_full_forward,
    reparameterize_full_backward,
    reparameterize_full_forward,
)
from tinyvae.priors.mixture import mixture_backward, mixture_forward

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


def kl_of(mu, log_sigma):
    """The package's KL to N(0, 1) for one pair of numbers."""
    return kl_forward(np.array([[mu]], dtype=float), np.array([[log_sigma]], dtype=float))[0][0]


# %% [markdown]
# ## 1. Two vectors and two terms
#
# *Items: D0-29, D2-44, D2-52, D4-19, D3-20, D3-21, D3-36, D4-18.*
#
# *Short path.*
#
# The slides: the encoder gives $g_\phi(x) = [\mu_\phi(x), \sigma_\phi(x)]$ (D0), $q(z) = \mathcal{N}(\mu, \mathrm{diag}\,\sigma^2)$ (D2), two
# vectors (D4); the network's outputs are $\mu$ and $\log\sigma$ (D2). The bound is an expected log-likelihood minus a KL to the prior (D3); the
# loss is a reconstruction error plus one KL for each latent dimension (D4).
#
# **Two vectors.** A covariance has $K(K+1)/2$ free entries. If it is diagonal, $K$ numbers suffice, so the encoder outputs $2K$. A network's
# output is any real number, a standard deviation is positive: the output is read as $\log\sigma$ and $\sigma = e^{\log\sigma} > 0$ needs no
# constraint.
#
# The log-density of such a $q$: independent dimensions multiply, logarithms add, and with $u_k = (z_k-\mu_k)/\sigma_k$
# $$\log q(z|x) = \sum_k \log\left[\frac{1}{\sqrt{2\pi}\,\sigma_k}\,e^{-u_k^2/2}\right]
# = -\tfrac12\sum_k\left(u_k^2 + 2\ln\sigma_k + \ln 2\pi\right) \qquad \textbf{[LOGN.1]}$$
# Its derivatives use $\partial u/\partial z = 1/\sigma$, $\partial u/\partial\mu = -1/\sigma$, $\partial u/\partial\log\sigma = -u$:
# $$dz = -d\!\log q\;u/\sigma,\qquad d\mu = d\!\log q\;u/\sigma,\qquad d\!\log\sigma = d\!\log q\,(u^2-1) \qquad \textbf{[LOGN.2]}$$
# where $d\!\log q$ is the derivative of the loss by $\log q$.
#
# **Two terms.** Write $p(x,z) = p(x|z)\,p(z)$ and split the logarithm:
# $$\mathrm{ELBO} = \mathbb{E}_q\left[\log\frac{p(x|z)\,p(z)}{q(z|x)}\right]
# = \mathbb{E}_q[\log p(x|z)] + \mathbb{E}_q\left[\log\frac{p(z)}{q(z|x)}\right]
# = \mathbb{E}_q[\log p(x|z)] - \mathrm{KL}(q\,\|\,p(z)) .$$
# Both densities of the second term are products over $k$, so $\log(q/p) = \sum_k\log(q_k/p_k)$ and the KL is a sum of $K$ one-dimensional KLs,
# as D4 writes it.
# *A correction to D3 (E42):* term 1 is the expected **log**-likelihood. *And (E43):* D3's $\mathcal{L}(q)$ is maximised, its
# $\mathcal{L}_{recon} + \mathcal{L}_{KL}$ is minimised: $\mathcal{L}(q) = -(\mathcal{L}_{recon} + \mathcal{L}_{KL})$.
#
# In the code below, `LOG_2PI` is $\ln 2\pi$, and `sum_samples` adds up the gradients of the $L$ samples that share one μ and one σ. The encoder is
# the dense network of 02 (`mlp_forward`); `cut` cuts its $2K$ outputs into its heads, the two vectors of $K$ numbers. `parts` is what the model is
# made of. For binary pixels `features` is $x$ itself and `log_px_forward` is the Bernoulli log-likelihood; for this $q$ and this prior `draw_forward`
# is $z=\mu+\sigma\varepsilon$ and `kl_term_forward` is `kl_forward`, which section 2 derives.

# %%
show(encode_forward, gaussian_log_density_forward, gaussian_log_density_backward)
show(elbo_terms_forward)

# %% [markdown]
# **Predict first:** eight binary images go into an encoder with K = 2. Which shapes come out? Which of these agree: the loss; the mean of
# −log p(x∣z) + KL with the KL as one integral over the plane; the same with the sum of K one-dimensional KLs? And is log E_q[p(x∣z)] equal to
# E_q[log p(x∣z)]?

# %% tags=["answer"]
vae = VAE(64, n_latent=2, hidden=(16,), dtype="float64")
vae.theta += 0.2 * rng.standard_normal(vae.theta.size)  # not trained, but with a posterior that is not the prior
B = binarize(X[:8], rng)
mu, log_sigma = vae.encode(B)
eps = rng.standard_normal((3, 8, 2))
loss, _ = vae.loss_and_grad(B, eps)
per_dimension = sum(kl_forward(mu[:, [k]], log_sigma[:, [k]])[0] for k in range(2))

# the same without the package: the network by hand, pixels by their probabilities, the KL as one integral over the plane
W = vae.params
heads = np.tanh(B @ W["encoder.0.W"] + W["encoder.0.b"]) @ W["encoder.head.W"] + W["encoder.head.b"]
m, s = heads[:, :2], np.exp(heads[:, 2:])


def log_px_by_hand(z, x):
    logits = np.tanh(z @ W["decoder.0.W"] + W["decoder.0.b"]) @ W["decoder.out.W"] + W["decoder.out.b"]
    p = 1 / (1 + np.exp(-logits))
    return np.log(np.where(x == 1, p, 1 - p)).sum(-1)


node, weight = gauss(40)
plane, w = np.stack(np.meshgrid(node, node), axis=-1).reshape(-1, 2), np.outer(weight, weight).ravel()


def log_ratio(mean, covariance, z):
    """log N(z; mean, covariance) - log N(z; 0, I) in two dimensions, by inverse and determinant."""
    r = z - mean
    squares = np.einsum("ni,ij,nj->n", r, np.linalg.inv(covariance), r)
    return -(squares + math.log(np.linalg.det(covariance)) - (z**2).sum(1)) / 2


joint = np.array([w @ log_ratio(m[n], np.diag(s[n] ** 2), m[n] + s[n] * plane) for n in range(8)])
reconstruction = -log_px_by_hand(m + s * eps, B).mean(0)

log_p = bernoulli_forward(vae.decoder_output(mu[0] + np.exp(log_sigma[0]) * plane), B[0])[0]
expected_log, log_expected = w @ log_p, np.log(w @ np.exp(log_p))
draws = log_px_by_hand(m[0] + s[0] * rng.standard_normal((20000, 2)), B[0])

print("mu", mu.shape, " log_sigma", log_sigma.shape, f" smallest sigma {np.exp(log_sigma).min():.3f}")
print(f"loss                                {loss:.10f}")
print(f"mean of -log p(x|z) + KL            {np.mean(reconstruction + joint):.10f}")
print(f"the same, KL as a sum over k        {np.mean(reconstruction + per_dimension):.10f}")
print(
    f"image 1: E[log p] {expected_log:.4f}, log E[p] {log_expected:.4f}: {log_expected - expected_log:.4f} nats apart"
)
assert (
    mu.shape == log_sigma.shape == (8, 2)
    and np.abs(m - mu).max() < 1e-12
    and np.abs(np.log(s) - log_sigma).max() < 1e-12
)
assert abs(loss - np.mean(reconstruction + joint)) < 1e-10
assert np.abs(joint - per_dimension).max() < 1e-10 and joint.min() > 0.01
assert abs(draws.mean() - expected_log) < 4 * draws.std() / math.sqrt(20000)
relative = np.exp(draws - log_expected)  # its mean is 1 if log_expected is right
assert abs(relative.mean() - 1) < 4 * relative.std() / math.sqrt(20000) and relative.std() < 5
assert log_expected - expected_log > 0.1

# %% [markdown] tags=["answer"]
# Two vectors of shape (8, 2). All three agree; the second is computed without the package, the third with its `kl_forward`, one dimension at a time.
# The log of the expected likelihood is larger than the expected log-likelihood (Jensen): it is not the term that D3 means.

# %% [markdown]
# The log-density and its gradients, against the density of Python's standard library and against differences:

# %%
ours = gaussian_log_density_forward(np.array([[1.0, -0.5]]), np.array([[0.3, 0.2]]), np.log([[0.5, 2.0]]))[0][0]
oracle = math.log(NormalDist(0.3, 0.5).pdf(1.0)) + math.log(NormalDist(0.2, 2.0).pdf(-0.5))
print(f"log q: {ours:.10f}, by the standard library {oracle:.10f}")
assert abs(oracle - ours) < 1e-12
inputs = rng.standard_normal((5, 4, 2)), rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
report = check(gaussian_log_density_forward, gaussian_log_density_backward, *inputs)
print(report)
assert report.ok, str(report)

# %% [markdown]
# *A nuance to D4 (E52):* two vectors are enough because of the family chosen for $q$, not because the prior is normal. Under the same prior $q$ may
# have a full covariance; then $2K$ numbers no longer describe it, and its KL is no longer the sum of the KLs of its dimensions. With variances 1 and
# a correlation ρ, each dimension alone is $\mathcal{N}(0,1)$ and has KL 0, but the joint KL is $-\frac12\ln(1-\rho^2)$: half the log-determinant,
# with a minus.

# %%
rho = 0.8
covariance = np.array([[1, rho], [rho, 1]])
factor = np.linalg.cholesky(covariance)  # L with L L' = the covariance
closed = kl_full_forward(np.zeros((1, 2)), np.log(np.diag(factor))[None], factor[1:, 0][None])[0][0]
integral = w @ log_ratio(np.zeros(2), covariance, plane @ factor.T)
print(
    f"rho = {rho}: KL {closed:.6f}, by an integral {integral:.6f}, -ln(1 - rho^2) / 2 = {-math.log(1 - rho**2) / 2:.6f}"
)
print("sum of the two one-dimensional KLs:", round(2 * kl_of(0, 0), 6))
assert abs(closed - integral) < 1e-12 and abs(closed + math.log(1 - rho**2) / 2) < 1e-12

# %% [markdown]
# ## 2. The KL in closed form
#
# *Items: D2-34, D3-35.*
#
# *Short path.*
#
# The slides: $\mathrm{KL}(q\,\|\,p) = \mathbb{E}_q[\log q(z)/p(z)]$ (D2), and for two Gaussians
# $\frac12\sum_k(\sigma_k^2+\mu_k^2-1-\ln\sigma_k^2)$ (D3).
#
# One dimension, $q=\mathcal{N}(\mu,\sigma^2)$, $p=\mathcal{N}(0,1)$, $u=(z-\mu)/\sigma$. Put the two log-densities in:
# $$\mathbb{E}_q[\log q - \log p] = \mathbb{E}_q\left[-\tfrac12u^2 - \ln\sigma - \tfrac12\ln2\pi + \tfrac12z^2 + \tfrac12\ln2\pi\right]
# = -\tfrac12\mathbb{E}_q[u^2] - \ln\sigma + \tfrac12\mathbb{E}_q[z^2] .$$
# Under $q$, $u\sim\mathcal{N}(0,1)$, so $\mathbb{E}_q[u^2]=1$; and $\mathbb{E}_q[z^2] = \mathrm{Var}\,z + (\mathbb{E}z)^2 = \sigma^2+\mu^2$. With
# $\ln\sigma=\frac12\ln\sigma^2$ and the sum over dimensions of section 1,
# $$\mathrm{KL}(q\,\|\,\mathcal{N}(0,I)) = \tfrac12\sum_k\left(\sigma_k^2+\mu_k^2-1-\ln\sigma_k^2\right) \qquad \textbf{[KL.1]}$$

# %%
show(kl_forward)

# %% [markdown]
# **Predict first:** the KL can be had as an integral over a fine grid, or as a mean of log q(z) - log p(z) over a million draws from q.
# How many correct digits do you expect from each?


# %% tags=["answer"]
def kl_by_quadrature(mu, sigma, log_p):
    """The integral of q (log q - log p) by the trapezium rule over 14 standard deviations each way."""
    z = mu + sigma * np.linspace(-14, 14, 8001)
    log_q = log_normal(z, mu, sigma)
    return np.sum(np.exp(log_q) * (log_q - log_p(z))) * (z[1] - z[0])


def log_prior(z):
    return log_normal(z, 0, 1)


print("   mu   sigma    closed form   agrees with quadrature to 1e-10")
for m, s in [(0, 1), (1, 1), (0, 0.01), (-2, 0.3), (0.5, 4), (5, 2)]:
    closed = kl_of(m, math.log(s))
    agrees = abs(closed - kl_by_quadrature(m, s, log_prior)) < 1e-10
    print(f"{m:5.1f} {s:7.2f} {closed:14.8f}   {agrees}")
    assert agrees

m, s, L = np.array([[1.0, -0.5, 0.2]]), np.array([[0.5, 1.5, 0.1]]), 1_000_000
z = m + s * rng.standard_normal((L, 3))
log_ratios = gaussian_log_density_forward(z, m, np.log(s))[0] - gaussian_log_density_forward(z, 0 * m, 0 * m)[0]
closed, error = kl_forward(m, np.log(s))[0][0], log_ratios.std() / math.sqrt(L)
print(f"K = 3: closed form {closed:.5f}, Monte Carlo {log_ratios.mean():.4f} +- {error:.4f} (standard error)")
assert error < 0.003 and abs(log_ratios.mean() - closed) < 4 * error
assert abs(closed - sum(kl_by_quadrature(a, b, log_prior) for a, b in zip(m[0], s[0], strict=True))) < 1e-10

# %% [markdown] tags=["answer"]
# Quadrature gives ten digits and more; a million draws give three. The closed form costs nothing: this is why the loss uses it.

# %% [markdown]
# ## 3. Gradients of the KL and its shape
#
# *Items: D2-36.*
#
# *Short path.*
#
# The slide: the KL term encourages $q$ to be close to $\mathcal{N}(0,I)$ (D2). Differentiate [KL.1] for one dimension:
# $$\frac{\partial}{\partial\mu} = \mu,\qquad \frac{\partial}{\partial\sigma} = \sigma-\frac1\sigma,\qquad
# \frac{\partial}{\partial\log\sigma} = \frac{\partial}{\partial\sigma}\cdot\frac{d\sigma}{d\log\sigma} =
# \left(\sigma-\frac1\sigma\right)\sigma = \sigma^2-1,\qquad \frac{\partial}{\partial\log\sigma^2} = \tfrac12(\sigma^2-1) .$$
# With the upstream derivative $d\mathrm{KL}$:
# $$d\mu = d\mathrm{KL}\;\mu,\qquad d\!\log\sigma = d\mathrm{KL}\,(\sigma^2-1) \qquad \textbf{[KL.2]}$$
# **Shape.** The second derivatives are $1$ by $\mu$, and $2\sigma^2$ by $\log\sigma$, $1+1/\sigma^2$ by $\sigma$, $1/(2v^2)$ by the variance
# $v=\sigma^2$; the mixed ones vanish. All are positive: the KL is strictly convex in each of these parametrisations, with the one minimum
# $\mu=0,\ \sigma=1$ where it is zero. So it pulls every $q$ to the prior, from everywhere.
#
# In the backward pass, μ and $\log\sigma$ collect two gradients each, one from every term of the loss: the KL's [KL.2], and that of the sample
# $z=\mu+\sigma\varepsilon$, which is $d\mu=dz$ and $d\!\log\sigma=dz\,\sigma\varepsilon$ (07 derives it). The drawing shows these two, dashed; of the backward arrows only the two that meet are drawn (log p is $\log p(x\mid z)$).

# %%
show(kl_backward)

# %%
nodes = {
    "x": (0, 0, "x", "observed"),
    "encoder": (1.8, 0, "encoder", "operation"),
    "q": (3.8, 0, "μ, log σ", "operation"),
    "kl": (7, 1.6, "KL", "operation"),
    "z": (7, -1.6, "μ + σε", "operation"),
    "eps": (4.8, -2.2, "ε", "noise"),
    "decoder": (9, -1.6, "decoder", "operation"),
    "x_again": (10.8, -1.6, "x", "observed"),
    "log_px": (9.9, 0, "log p", "operation"),
    "loss": (9.9, 1.6, "loss", "operation"),
}
arrows = [
    ("x", "encoder"),
    ("encoder", "q"),
    ("q", "kl"),
    ("q", "z"),
    ("eps", "z"),
    ("z", "decoder"),
    ("decoder", "log_px"),
    ("x_again", "log_px"),
    ("log_px", "loss"),
    ("kl", "loss"),
]
arrows += [("kl", "q", "", "backward"), ("z", "q", "", "backward")]
ax = graph(nodes, arrows)
ax.text(4.5, 1.75, "$d$KL μ,  $d$KL (σ² − 1)", ha="center", fontsize=15)
ax.text(6.5, -0.1, "$dz$,  $dz$ σε", ha="center", fontsize=15)
plt.show()

# %%
report = check(kl_forward, kl_backward, rng.standard_normal((4, 3)), rng.standard_normal((4, 3)))
print(report)
assert report.ok, str(report)

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
    print(f"{name:12} {slope:9.5f} {numeric:9.5f} {curvature:12.3f} {bend:9.3f}")
    assert abs(slope - numeric) < 1e-6 * max(1, abs(slope)) and abs(curvature - bend) < 1e-4 * curvature and bend > 0

# %% [markdown]
# Five slopes of one KL: one by μ, four by the same spread under four names. An encoder that outputs $\log\sigma^2$ and is given the slope of $\log\sigma$ is wrong by a
# factor of two; section 6 translates every formula.
#
# ## 4. The pull, and what holds against it
#
# *Items: D2-54, D2-59.*
#
# *Short path.*
#
# The slides: the KL term encourages $\sigma>0$, and so it makes $z$ more stochastic; a point mass would have infinite KL ("Exercise: check this", all
# D2). *A correction to D2 (E30):* on the same slide the reconstruction term, a log-likelihood, "is minimized" by a point mass on $z_*$: it is
# maximised there, the squared error is minimised; and the slide's σ² is the η of the slides before.
#
# **Predict first:** μ = 0, and σ is halved again and again, towards a point mass. Does each halving cost more than the one before, less, or the
# same? And if gradient descent on log σ starts from a very small σ, does log σ move ever faster, ever slower, or at a steady rate?

# %% tags=["answer"]
halvings = 2.0 ** -np.arange(3, 12)
growth = np.diff([kl_of(0, math.log(s)) for s in halvings])
print("growth of the KL per halving of sigma:", growth.round(4), " ln 2 =", round(math.log(2), 4))
assert np.all(np.diff(growth) > 0) and growth[-1] < math.log(2) and abs(growth[-1] - math.log(2)) < 1e-5

lr, log_s = 0.05, math.log(1e-4)
print("descent on log sigma from sigma = 1e-4 by steps of", lr, "times the slope:")
for _ in range(3):
    slope = kl_backward(np.ones(1), kl_forward(np.zeros((1, 1)), np.full((1, 1), log_s))[1])[1][0, 0]
    force = -slope  # what descent follows
    log_s += lr * force
    print(f"   slope {slope:.6f}, force {force:.6f}, log sigma now {log_s:.4f}")
    assert abs(slope + 1) < 1e-7 and force > 0
assert abs(log_s - (math.log(1e-4) + 3 * lr)) < 1e-8
by_sigma = (kl_of(0, math.log(1.001e-4)) - kl_of(0, math.log(0.999e-4))) / 2e-7
assert abs(by_sigma * 1e-4 + 1) < 1e-5  # the slope by sigma itself is -1/sigma

# %% [markdown] tags=["answer"]
# More each time, but by less and less, from 0.687 nats up to just under $\ln2$: as $\sigma\to0$, $\sigma^2$ and $\mu^2$ stay bounded and $-\ln\sigma$ remains, so each halving costs nearly $\ln2=0.693$ nats,
# without end. That is the exercise of D2: a point mass has infinite KL. The slope by $\log\sigma$, $\sigma^2-1$, tends to $-1$; descent goes against
# the slope, so the force on $\log\sigma$ tends to $+1$ and drives it up at a steady rate. (By σ itself the slope is $\sigma-1/\sigma\to-\infty$.)

# %% [markdown]
# **Predict first:** follow the slope of the KL alone downhill in the plane of μ and log σ, by steps of 0.05 times the slope. By convexity every start
# ends at $\mathcal{N}(0,1)$. Which is below 0.1 nats first: A from μ = 0.5, σ = 0.05 (2.6 nats) or B from μ = -2.5, σ = 0.3 (3.9 nats)?

# %% tags=["answer"]
starts = np.array([[0.5, math.log(0.05)], [-2.5, math.log(0.3)], [-1.5, math.log(2.2)], [1.2, math.log(2.5)]])
path = [starts]
for _ in range(400):
    mu_now, log_sigma_now = path[-1][:, :1], path[-1][:, 1:]
    _, cache = kl_forward(mu_now, log_sigma_now)
    dmu, dlog_sigma = kl_backward(np.ones(4), cache)
    path.append(path[-1] - 0.05 * np.hstack([dmu, dlog_sigma]))
path = np.array(path)
all_kl = kl_forward(path[..., :1].reshape(-1, 1), path[..., 1:].reshape(-1, 1))[0].reshape(401, 4)
steps = (all_kl > 0.1).sum(0)
print("KL at the start, nats:", all_kl[0].round(2), "  steps until it is below 0.1:", steps)
assert all_kl[0, 1] > all_kl[0, 0] + 1 and list(steps[:2]) == [60, 36] and all_kl[-1].max() < 1e-12
speed = np.diff(path[:40, 0, 1]) / 0.05  # of log sigma, from A, per unit of the rate
assert speed.max() < 1 and speed.min() > 0.85 and np.abs(path[40, 1, 0] / -2.5 - 0.95**40) < 1e-12

M, S = np.meshgrid(np.linspace(-3, 3, 121), np.linspace(-3.3, 1.1, 121))
fig, ax = plt.subplots(figsize=(8, 4.8))
levels = [0.5, 1, 2, 3, 4, 5, 6]
lines = ax.contour(M, S, (np.exp(2 * S) + M * M - 1 - 2 * S) / 2, levels=levels, colors="0.6", linewidths=1.5)
places = [(0.7, -0.6), (1.2, -0.8), (1.7, -1.2), (2.1, -1.5), (2.4, -1.8), (2.6, -2.2), (2.7, -2.8)]
ax.clabel(lines, fontsize=15, fmt="%g", manual=places)
for i, style in enumerate(["-", "--", "-.", ":"]):
    ax.plot(path[:, i, 0], path[:, i, 1], style, color="black")
    ax.plot(path[:61:10, i, 0], path[:61:10, i, 1], "o", color="black", ms=6)
ax.plot(0, 0, "k*", ms=20)
ax.text(0.65, -3.1, "A")
ax.text(-2.75, -1.2, "B")
ax.set(xlabel="μ", ylabel="log σ", title="Down the KL alone, a dot every 10 steps")
ax.text(-2.9, -3.15, "contours in nats", backgroundcolor="white")
plt.show()

# %% [markdown] tags=["answer"]
# B: 36 steps against 60, from the higher start. The slope by μ is μ itself: every step leaves 95 % of the distance, however far it was. The slope
# by log σ is never below $-1$: up from a small σ the way is walked at a steady rate. With the KL alone every datum gets the same $q$ in the end, and
# the code says nothing.

# %% [markdown]
# Against the pull stands the reconstruction. Take one latent and a linear decoder $G(z) = wz$ with noise variance $\eta$. With
# $z=\mu+\sigma\varepsilon$, $\mathbb{E}\varepsilon=0$ and $\mathbb{E}\varepsilon^2=1$,
# $$\mathbb{E}\,(x-wz)^2 = \mathbb{E}\,(x-w\mu-w\sigma\varepsilon)^2 = (x-w\mu)^2 + w^2\sigma^2 ,$$
# and the Gaussian log-likelihood holds this square divided by $-2\eta$. So, as a function of σ, the loss is
# $w^2\sigma^2/2\eta + \frac12(\sigma^2-1-\ln\sigma^2)$ plus terms without σ. (06b does this for any linear decoder.)


# %%
def loss_of_sigma(log_s, w1, eta1):
    """What of the loss contains sigma, for the decoder w z with noise variance eta: reconstruction and KL, in nats."""
    recon = w1**2 * np.exp(2 * log_s) / (2 * eta1)
    return recon, kl_forward(np.zeros((len(log_s), 1)), log_s[:, None])[0]


scan = np.linspace(-5, 0.7, 5701)
recon, divergence = loss_of_sigma(scan, 1, 0.1)
node, weight = gauss(3)  # exact for squares
at = {s: weight @ -gaussian_forward(0.8 * (0.3 + s * node)[:, None], np.full((1, 1), 0.7), 0.1)[0] for s in (0.5, 0.9)}
terms = {s: loss_of_sigma(np.log([s]), 0.8, 0.1)[0][0] for s in at}
assert (
    abs((at[0.9] - at[0.5]) - (terms[0.9] - terms[0.5])) < 1e-12
)  # the reconstruction term, against the density itself
assert abs(np.exp(scan[np.argmin(recon + divergence)]) - 0.3015) < 1e-3

fig, ax = plt.subplots()
ax.plot(np.exp(scan), recon + divergence, label="sum")
ax.plot(np.exp(scan), recon, "--", label="reconstruction term")
ax.plot(np.exp(scan), divergence, "-.", label="KL term")
ax.plot(np.exp(scan[np.argmin(recon + divergence)]), np.min(recon + divergence), "ko", ms=10)
ax.set(
    xscale="log",
    xlim=(0.02, 2),
    ylim=(0, 5),
    xlabel="σ (log scale)",
    ylabel="nats",
    title="w = 1, η = 0.1: the sum is least at σ = 0.30",
)
ax.set_xticks([0.03, 0.1, 0.3, 1, 2], ["0.03", "0.1", "0.3", "1", "2"])
ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# **Predict first:** at η = 0.1 the best σ is 0.30. What becomes of it when η is a hundred times smaller? When the decoder ignores z (w = 0)? And
# without the KL?

# %% tags=["answer"]
bests = []
print("   w      eta   best sigma by a scan   sqrt(1 / (1 + w^2 / eta))")
for w1, eta1 in [(1, 0.1), (1, 0.001), (0, 0.1)]:
    recon, divergence = loss_of_sigma(scan, w1, eta1)
    best, formula = np.exp(scan[np.argmin(recon + divergence)]), math.sqrt(1 / (1 + w1**2 / eta1))
    print(f"{w1:4} {eta1:8} {best:15.4f} {formula:22.4f}")
    bests.append(best)
    assert abs(best / formula - 1) < 1e-3
    assert w1 == 0 or np.argmin(recon) == 0  # without the KL: the lower end of the scan
assert 9.5 < bests[0] / bests[1] < 9.6 and abs(formula - 1) < 1e-12 and abs(scan[np.argmin(divergence)]) < 1e-9

# %% [markdown] tags=["answer"]
# It becomes 0.032, nearly ten times smaller; 1; and 0. The slope of the loss by $\log\sigma$, $w^2\sigma^2/\eta + \sigma^2 - 1$, is zero at
# $$\sigma^2 = \frac{1}{1+w^2/\eta},$$
# strictly between 0 and 1 for every decoder with $w\neq0$, and 1 where the decoder ignores $z$. Without the KL the slope $w^2\sigma^2/\eta$ is
# positive everywhere and the best σ is 0: **the noise in z exists because of the KL term**.

# %% [markdown]
# ## 5. A measure of difference that is no distance
#
# *Items: D2-35, D4-13.*
#
# The slides: the KL is a measure of difference between two distributions (D4), though it does not satisfy the axioms of a metric (D2).
#
# It has two properties of a distance. From $\ln t\le t-1$, with equality only at $t=1$,
# $$-\mathrm{KL}(q\,\|\,p) = \mathbb{E}_q\left[\ln\frac{p}{q}\right] \le \mathbb{E}_q\left[\frac pq-1\right] = \int_{q>0} p\,dz - 1 \le 0 ,$$
# so $\mathrm{KL}\ge0$, and zero only if $p=q$. It lacks the other two: it is not symmetric and violates the triangle inequality.
#
# **Predict first:** three Gaussians of variance 1 stand at 0, 1 and 2. The KL from the first to the second is 0.5. What is it from the first to
# the third?


# %% tags=["answer"]
def kl_between(a, b):
    """KL(N(m1, s1^2) || N(m2, s2^2)) by quadrature; a = (m1, s1), b = (m2, s2)."""
    return kl_by_quadrature(*a, lambda z: log_normal(z, *b))


a, b, c = (0, 1), (1, 1), (2, 1)
direct, by_stages = kl_between(a, c), kl_between(a, b) + kl_between(b, c)
narrow, wide = (0, 1), (0, 3)
print(f"triangle: KL(a||c) = {direct:.6f}  >  KL(a||b) + KL(b||c) = {by_stages:.6f}")
print(
    f"symmetry: KL(narrow||wide) = {kl_between(narrow, wide):.6f},  KL(wide||narrow) = {kl_between(wide, narrow):.6f}"
)
pairs = [((rng.normal(), rng.uniform(0.5, 2)), (rng.normal(), rng.uniform(0.5, 2))) for _ in range(100)]
smallest = min(kl_between(*pair) for pair in pairs)
print(f"the smallest of 100 random pairs: {smallest:.4f}, and KL(a||a) is 0 to 14 digits")
assert abs(direct - 2) < 1e-10 and abs(by_stages - 1) < 1e-10
assert abs(kl_between(narrow, wide) - (math.log(3) + 1 / 18 - 0.5)) < 1e-10
assert abs(kl_between(wide, narrow) - (9 / 2 - 0.5 - math.log(3))) < 1e-10
assert smallest > 0 and abs(kl_between(a, a)) < 1e-14

# %% [markdown] tags=["answer"]
# 2, four times as much and more than the two stages together: between equal variances the KL grows with the square of the distance.

# %% [markdown]
# The order matters in practice. The ELBO contains $\mathrm{KL}(q\,\|\,p)$, an expectation under $q$; maximum likelihood minimises
# $\mathrm{KL}(p\,\|\,q)$, an expectation under $p$.
#
# **Predict first:** p has two humps, at -2 and 2. Which Gaussian q minimises KL(q‖p)? Which minimises KL(p‖q)?

# %% tags=["answer"]
z = np.linspace(-9, 9, 601)
dz = z[1] - z[0]
log_p = np.log(0.5 * np.exp(log_normal(z, -2, 0.6)) + 0.5 * np.exp(log_normal(z, 2, 0.6)))
p = np.exp(log_p)
assert abs(p.sum() * dz - 1) < 1e-10
fits = {}
for m, s in product(np.linspace(-3, 3, 61), np.linspace(0.3, 3, 55)):
    log_q = log_normal(z, m, s)
    reverse, forward = np.sum(np.exp(log_q) * (log_q - log_p)) * dz, np.sum(p * (log_p - log_q)) * dz
    fits[m, s] = reverse, forward
q_p, p_q = (min(fits, key=lambda pair: fits[pair][i]) for i in (0, 1))
print(
    f"KL(q||p) is smallest, {fits[q_p][0]:.3f} nats, at mu = +-{abs(q_p[0]):.1f}, sigma = {q_p[1]:.2f}: one hump,",
    f"ln 2 = {math.log(2):.3f}",
)
print(
    f"KL(p||q) is smallest, {fits[p_q][1]:.3f} nats, at mu = {abs(p_q[0]):.1f}, sigma = {p_q[1]:.2f}: p's own moments"
)
assert abs(abs(q_p[0]) - 2) < 1e-9 and abs(q_p[1] - 0.6) < 1e-9 and 0 < math.log(2) - fits[q_p][0] < 0.003
near = np.log(0.5 * np.exp(log_normal(z, -1.5, 0.6)) + 0.5 * np.exp(log_normal(z, 1.5, 0.6)))  # humps that stand closer
closer = {q: np.sum(np.exp(log_normal(z, *q)) * (log_normal(z, *q) - near)) * dz for q in fits}
assert abs(min(closer, key=closer.get)[0]) < 1e-9
assert abs(p_q[0]) < 1e-9 and abs(p_q[1] - math.sqrt(4 + 0.36)) < 0.026
cross_entropy = math.log(2 * math.pi * p_q[1] ** 2) / 2 + (4 + 0.36) / (
    2 * p_q[1] ** 2
)  # E_p[-log q], p's second moment being 4.36
assert abs(fits[p_q][1] - (cross_entropy + np.sum(p * log_p) * dz)) < 1e-9

between = 2 * NormalDist(*p_q).cdf(1) - 1, p[np.abs(z) < 1].sum() * dz  # the mass on |z| < 1 of that q, and of p
assert abs(between[0] - np.exp(log_normal(z, *p_q))[np.abs(z) < 1].sum() * dz) < 0.005 and between[0] > 1 / 3
assert abs(between[1] - 0.0478) < 0.005

fig, ax = plt.subplots(figsize=(8, 4))
ax.fill_between(z, p, color="0.8", label="p")
ax.plot(z, np.exp(log_normal(z, *q_p)), label="argmin KL(q‖p), as in the ELBO")
ax.plot(z, np.exp(log_normal(z, *p_q)), "--", label="argmin KL(p‖q)")
ax.set(
    xlim=(-6, 6), ylim=(0, 1.15), xlabel="z", ylabel="density", title="The direction of the KL decides what q covers"
)
ax.legend(loc="upper center")
plt.show()

# %% [markdown] tags=["answer"]
# KL(q‖p) takes one hump and costs almost $\ln 2$, the price of giving up half of $p$: mass of q where p has none costs without limit, leaving out a part
# of p only minus the logarithm of what is kept. (If the humps stood closer, at ±1.5, one wide q would be the best.) KL(p‖q) covers both, and puts more than a third of its mass on
# $|z|<1$, where $p$ has one twentieth. The second is no accident: $\mathbb{E}_p[-\log q]$ is least for the Gaussian with $p$'s own mean and variance,
# here $\sigma^2 = 4+0.36$.

# %% [markdown]
# ## 6. Card: the same in log-variance
#
# Many lectures and programs let the encoder put out $s = \log\sigma^2$. The model and its loss do not change, only their names do; the path of training
# does. $\log\sigma = s/2$, and by the chain rule $ds = \frac12\,d\!\log\sigma$. Every formula of `tinyvae/gaussian.py`, beside the same in $s$, for one
# datum and one sample (over several, gradients add); a sum over $k$ and an index $k$ are understood, $u=(z-\mu)/\sigma$ and $r=z-\mu$:
#
# | | here, $\log\sigma$ | in log-variance, $s=\log\sigma^2$ |
# |---|---|---|
# | scale | $\sigma = e^{\log\sigma}$ | $\sigma = e^{s/2},\quad \sigma^2 = e^s$ |
# | sample | $z = \mu + e^{\log\sigma}\,\varepsilon$ | $z = \mu + e^{s/2}\,\varepsilon$ |
# | its gradients | $d\mu = dz,\quad d\!\log\sigma = dz\,\sigma\varepsilon$ | $d\mu = dz,\quad ds = \frac12\,dz\,e^{s/2}\varepsilon$ |
# | KL to $\mathcal{N}(0,I)$ | $\frac12(\sigma^2+\mu^2-1-2\log\sigma)$ | $\frac12(e^s+\mu^2-1-s)$ |
# | its gradients | $d\mu = d\mathrm{KL}\,\mu,\quad d\!\log\sigma = d\mathrm{KL}\,(\sigma^2-1)$ | $d\mu = d\mathrm{KL}\,\mu,\quad ds = d\mathrm{KL}\,\frac12(e^s-1)$ |
# | its curvature by the spread | $2\sigma^2$ | $\frac12e^s$ |
# | $\log q(z)$ | $-\frac12(u^2+2\log\sigma+\ln2\pi)$ | $-\frac12(r^2e^{-s}+s+\ln2\pi)$ |
# | its gradients by $z$ and μ | $dz = -d\!\log q\,u/\sigma,\quad d\mu = -dz$ | $dz = -d\!\log q\,r\,e^{-s},\quad d\mu = -dz$ |
# | its gradient by the spread | $d\!\log\sigma = d\!\log q\,(u^2-1)$ | $ds = d\!\log q\,\frac12(r^2e^{-s}-1)$ |
# | the encoder's head | $\log\sigma = hW+b$ | $s = hW_s+b_s$; the same $q$ if $W_s=2W,\ b_s=2b$ |
# | the head's gradients | $dW = h^\top d\!\log\sigma,\quad db = d\!\log\sigma$ | $dW_s = h^\top ds = \frac12dW,\quad db_s = ds = \frac12db$ |
# | the loss's chain | $d\!\log\sigma = dz\,\sigma\varepsilon + d\mathrm{KL}\,(\sigma^2-1)$ | $ds = \frac12\,dz\,e^{s/2}\varepsilon + d\mathrm{KL}\,\frac12(e^s-1)$ |
# | descent (rate λ) on the number itself moves $\log\sigma$ by | $-\lambda\,d\!\log\sigma$ | $-\frac14\lambda\,d\!\log\sigma$ |
# | size of Adam's first step on the number itself, in $\log\sigma$ | $\lambda$ | $\frac12\lambda$ |
#
# The last two rows hold for the number itself; for the head's weights the ratios are the same, while the gradients of all weights before the head are
# equal in both columns. So the models and the loss are the same, the path of training is not. A step of $-\lambda\,ds$ in $s$ is one of
# $-\frac12\lambda\cdot\frac12d\!\log\sigma$ in $\log\sigma$; Adam's first step has the length λ in whatever it is given. At a start with zero
# weights and biases in the head, $\sigma=1$ in both.
#
# The same replacement serves the package's other scales, the mixture prior's `log_sigma` and the full posterior's `log_diagonal`. The decoder's
# variances are in log-variance already: the likelihood of a learned `log_eta` (06b) is the right column with $x, m, \log\eta$ for $z, \mu, s$. The
# cell checks every row up to $\log q$ and these remarks; the next one those of the head, the chain and the steps.


# %%
def sample_s_forward(mu, s, eps):
    """z = mu + exp(s / 2) eps"""
    scale = np.exp(s / 2)
    return mu + scale * eps, (scale, eps)


def sample_s_backward(dz, cache):
    """dmu = dz,  ds = dz exp(s / 2) eps / 2"""
    scale, eps = cache
    return dz, dz * scale * eps / 2


def kl_s_forward(mu, s):
    """1/2 sum_k (e^s + mu^2 - 1 - s)"""
    variance = np.exp(s)
    return (variance + mu * mu - 1 - s).sum(-1) / 2, (mu, variance)


def kl_s_backward(dkl, cache):
    """dmu = dkl mu,  ds = dkl (e^s - 1) / 2"""
    mu, variance = cache
    return dkl[:, None] * mu, dkl[:, None] * (variance - 1) / 2


def log_q_s_forward(z, mu, s):
    """-1/2 sum_k (r^2 e^-s + s + ln 2 pi),  r = z - mu"""
    r, precision = z - mu, np.exp(-s)
    return -(r * r * precision + s + math.log(2 * math.pi)).sum(-1) / 2, (r, precision)


def log_q_s_backward(dlog_q, cache):
    """dz = -dlog_q r e^-s,  dmu = -dz,  ds = dlog_q (r^2 e^-s - 1) / 2"""
    r, precision = cache
    dz = -dlog_q[:, None] * r * precision
    return dz, -dz, dlog_q[:, None] * (r * r * precision - 1) / 2


mu_s, s, z, eps_s = rng.standard_normal((4, 5, 3))
rows = {
    "sample": (sample_s_forward, sample_s_backward, reparameterize_forward, reparameterize_backward, (mu_s, s, eps_s)),
    "KL": (kl_s_forward, kl_s_backward, kl_forward, kl_backward, (mu_s, s)),
    "log q": (
        log_q_s_forward,
        log_q_s_backward,
        gaussian_log_density_forward,
        gaussian_log_density_backward,
        (z, mu_s, s),
    ),
}
for name, (f, g, our_f, our_g, inputs) in rows.items():
    at = 2 if name == "log q" else 1  # where the spread stands among the inputs, and its gradient among the gradients
    ours = [a / 2 if i == at else a for i, a in enumerate(inputs)]
    (out, cache), (our_out, our_cache) = f(*inputs), our_f(*ours)
    dout = rng.standard_normal(out.shape)
    grads, our_grads = g(dout, cache), our_g(dout, our_cache)
    assert np.abs(out - our_out).max() < 1e-12, name
    for i, (d, our_d) in enumerate(zip(grads, our_grads, strict=True)):
        assert np.abs(d - (our_d / 2 if i == at else our_d)).max() < 1e-12, (name, i)
    report = check(f, g, *inputs, wrt=("mu", "s") if name == "sample" else None)
    print(report)
    assert report.ok, str(report)

scale, variance = np.exp(s / 2), np.exp(s)  # the rows of one formula each
assert np.abs(scale - reparameterize_forward(0 * s, s / 2, np.ones_like(s))[0]).max() < 1e-12
assert np.abs(variance - scale**2).max() < 1e-12
for m, a in zip(mu_s[0], s[0], strict=True):
    in_s = (kl_of(m, (a + 1e-3) / 2) + kl_of(m, (a - 1e-3) / 2) - 2 * kl_of(m, a / 2)) / 1e-6
    in_log_sigma = (kl_of(m, a / 2 + 1e-3) + kl_of(m, a / 2 - 1e-3) - 2 * kl_of(m, a / 2)) / 1e-6
    assert abs(in_s / (math.exp(a) / 2) - 1) < 1e-4 and abs(in_log_sigma / (2 * math.exp(a)) - 1) < 1e-4

one = np.array(-0.7)  # a likelihood with a learned log eta is log q with z, mu, s called x, mean, log eta
log_p, px_cache = gaussian_scalar_forward(mu_s, z, one)
log_q, cache = log_q_s_forward(z, mu_s, np.full_like(s, one))
dlog = rng.standard_normal(5)
assert np.abs(log_p - log_q).max() < 1e-12
assert np.abs(gaussian_scalar_backward(dlog, px_cache)[0] - log_q_s_backward(dlog, cache)[1]).max() < 1e-12
assert abs(gaussian_scalar_backward(dlog, px_cache)[1] - log_q_s_backward(dlog, cache)[2].sum()) < 1e-12


def in_log_variance(forward, backward, at):
    """The pair whose input number `at` is s = log sigma^2: halved on the way in, its gradient halved on the way out."""

    @wraps(forward)
    def halved_forward(*inputs):
        return forward(*(a / 2 if i == at else a for i, a in enumerate(inputs)))

    def halved_backward(dout, cache):
        return tuple(d / 2 if i == at else d for i, d in enumerate(backward(dout, cache)))

    return halved_forward, halved_backward


lower, samples = rng.standard_normal((5, 3)), rng.standard_normal((2, 5, 3))
others = {
    "full": (reparameterize_full_forward, reparameterize_full_backward, (mu_s, s, lower, samples)),
    "full, KL": (kl_full_forward, kl_full_backward, (mu_s, s, lower)),
    "full, log q": (full_log_density_forward, full_log_density_backward, (samples, mu_s, s, lower)),
    "mixture": (mixture_forward, mixture_backward, (z, rng.standard_normal(5), mu_s, s)),
}
for name, (f, g, inputs) in others.items():
    at = list(signature(f).parameters).index("log_sigma" if name == "mixture" else "log_diagonal")  # what is read as s
    wrt = ("mu", "log_diagonal", "lower") if name == "full" else None
    halved_forward, halved_backward = in_log_variance(f, g, at)
    report = check(halved_forward, halved_backward, *inputs, wrt=wrt)
    assert report.ok, str(report)
    assert not check(halved_forward, g, *inputs, wrt=wrt).ok  # s / 2 forward, and the backward line forgotten
print(
    "full posterior and mixture prior in log-variance:",
    "; ".join(others),
    "are right; with the backward line forgotten, wrong",
)

# %% [markdown]
# **What changes in code** is two lines, once: after the encoder `log_sigma = s / 2`, and before its backward pass `ds = dlog_sigma / 2`. Everything
# between them stays. Here is the complete loss of section 1's model with an encoder that puts out $s$. `over_theta` turns such a composite into a
# function of all weights, which `check` can judge.


# %%
def loss_s_forward(x, eps, params):
    """-mean(ELBO) of a model whose encoder puts out mu and s = log sigma^2"""
    (mu, s), encoder_cache = encode_forward(x, params, vae.parts.encoder)
    log_sigma = s / 2  # the one change forward
    z, z_cache = reparameterize_forward(mu, log_sigma, eps)
    out, decoder_cache = decode_forward(z, params, vae.parts.decoder)
    log_px, px_cache = bernoulli_forward(out, x)
    kl, kl_cache = kl_forward(mu, log_sigma)
    return np.mean(kl - log_px.mean(0)), (encoder_cache, z_cache, decoder_cache, px_cache, kl_cache, log_px.shape)


def loss_s_backward(dloss, cache, dparams):
    """The same lines upwards"""
    encoder_cache, z_cache, decoder_cache, px_cache, kl_cache, (L, N) = cache
    dmu_kl, dlog_sigma_kl = kl_backward(np.full(N, dloss / N), kl_cache)
    dout = bernoulli_backward(np.full((L, N), -dloss / (L * N)), px_cache)
    dz = decode_backward(dout, decoder_cache, dparams)
    dmu, dlog_sigma = reparameterize_backward(dz, z_cache)
    ds = (dlog_sigma + dlog_sigma_kl) / 2  # the one change backward
    chain.update(dz=dz, ds=ds)  # kept for the check of the chain's row
    encode_backward((dmu + dmu_kl, ds), encoder_cache, dparams)


chain = {}
pair = over_theta(loss_s_forward, loss_s_backward, vae.shapes)
report = check(*pair, vae.theta, B, eps, wrt="theta")
print(report)
assert report.ok, str(report)

twin = vae.copy()  # the same q: twice the weights of the head of the spread
for name in ("encoder.head.W", "encoder.head.b"):
    twin.params[name][..., 2:] *= 2
(mu_twin, s_twin), _ = encode_forward(B, twin.params, twin.parts.encoder)
assert np.abs(mu_twin - mu).max() < 1e-12 and np.abs(s_twin - 2 * log_sigma).max() < 1e-12
loss_s, cache = pair[0](twin.theta, B, eps)
loss_ours, dtheta = vae.loss_and_grad(B, eps)
dtheta_s, *_ = pair[1](1.0, cache)
half = vae.copy()  # ds is half of dlog_sigma, so are the gradients of the weights before it; no others change
half.theta[...] = 1
for name in ("encoder.head.W", "encoder.head.b"):
    half.params[name][..., 2:] = 0.5
ratio = half.theta
print(
    f"loss with log sigma {loss_ours:.8f}, with s {loss_s:.8f};",
    f"{np.sum(ratio == 0.5)} weights, those of the head of s, have half the gradient",
)
assert (
    abs(loss_s - loss_ours) < 1e-12
    and np.abs(dtheta_s - ratio * dtheta).max() < 1e-12
    and np.sum(ratio == 0.5) == 17 * 2
)

s = 2 * log_sigma  # the chain's row, in s alone
by_row = (chain["dz"] * np.exp(s / 2) * eps / 2).sum(0) + (np.exp(s) - 1) / 2 / 8  # dKL = 1/N, N = 8
assert np.abs(chain["ds"] - by_row).max() < 1e-12

lr, start = 0.01, -0.8  # the last two rows, on the KL of one number
g = math.exp(2 * start) - 1
for optimiser, ours, theirs in ((SGD, -lr * g, -lr * g / 4), (Adam, lr, lr / 2)):
    moved = []
    for value, gradient in ((start, g), (2 * start, g / 2)):  # log sigma, then s
        theta = np.array([value])
        optimiser(lr).step(theta, np.array([gradient]))
        moved.append((theta[0] - value) * start / value)
    print(f"{optimiser.__name__}: log sigma moves by {moved[0]:.6f}, through s by {moved[1]:.6f}")
    assert abs(moved[0] - ours) < 1e-9 and abs(moved[1] - theirs) < 1e-9

# %% [markdown]
# **When the two are mixed.** One output $a$ of the encoder is read twice, by the sampler and by the KL. Two of the four readings mix:
#
# | | the sampler's standard deviation | the KL |
# |---|---|---|
# | log σ in both | $e^a$ | $\frac12(e^{2a}+\mu^2-1-2a)$ |
# | log-variance in both | $e^{a/2}$ | $\frac12(e^a+\mu^2-1-a)$ |
# | mixed, A | $e^a$ | $\frac12(e^a+\mu^2-1-a)$ |
# | mixed, B | $e^{a/2}$ | $\frac12(e^{2a}+\mu^2-1-2a)$ |
#
# A is D4 read to the letter: exponentiate $\log\sigma$ to get the variance (*a correction to D4, E51*: that gives the standard deviation), and scale
# ε by that variance (*E50*: by the standard deviation).
#
# **Predict first:** with a matching backward, does `check` pass A and B? One latent, $x = wz$ plus noise of variance η, $\log p(x)$ known: is the
# best "ELBO" of A below $\log p(x)$, equal to it, or above? And that of B?

# %% tags=["answer"]
w1, eta1 = np.array([[1.0]]), 0.1
readings = {
    "log sigma": (1, 1),
    "log-variance": (0.5, 0.5),
    "mixed, A": (1, 0.5),
    "mixed, B": (0.5, 1),
}  # log of the scale = factor times a


def elbo_of(sampler, penalty):
    """A pair: a sampled ELBO whose a is read as log sigma = sampler * a by z, and as penalty * a by the KL."""

    def elbo_forward(mu, a, eps, x):
        z, z_cache = reparameterize_forward(mu, sampler * a, eps)
        kl, kl_cache = kl_forward(mu, penalty * a)
        return gaussian_forward(z @ w1, x, eta1)[0] - kl, (z_cache, kl_cache, (x - z @ w1) / eta1)

    def elbo_backward(dout, cache):
        z_cache, kl_cache, slope = cache
        dmu, dlog_scale = reparameterize_backward(dout[:, None] * slope @ w1.T, z_cache)
        dmu_kl, dlog_scale_kl = kl_backward(-dout, kl_cache)
        return dmu + dmu_kl, sampler * dlog_scale + penalty * dlog_scale_kl

    return elbo_forward, elbo_backward


def excess(sampler, penalty, lam):
    """The best ELBO over a, minus log p(x), for w^2 / eta = lam, by a scan; mu is at its best."""
    a, x, eta = np.linspace(-12, 1, 130001), 1.0, 1 / lam
    mu = x / (1 + eta)
    expected = -((x - mu) ** 2 + np.exp(2 * sampler * a)) / (2 * eta) - math.log(2 * math.pi * eta) / 2
    kl = kl_forward(np.full((len(a), 1), mu), penalty * a[:, None])[0]
    return np.max(expected - kl) - math.log(NormalDist(0, math.sqrt(1 + eta)).pdf(x)), a[np.argmax(expected - kl)]


a_test = math.log(0.2)
print("reading        gradient check   best ELBO - log p(x)   draws at e^a = 0.2: KL of their moments   KL in the loss")
gaps = {}
for name, (sampler, penalty) in readings.items():
    report = check(*elbo_of(sampler, penalty), *rng.standard_normal((4, 6, 1)), wrt=("mu", "a"))
    gaps[name], best_a = excess(sampler, penalty, 10)
    z = reparameterize_forward(
        np.full((200000, 1), 0.5), np.full((200000, 1), sampler * a_test), rng.standard_normal((200000, 1))
    )[0]
    of_moments, in_loss = kl_of(z.mean(), math.log(z.std())), kl_of(0.5, penalty * a_test)
    print(f"{name:14} {report.verdict:10} {round(gaps[name], 6) + 0.0:20.4f} {of_moments:25.3f} {in_loss:30.3f}")
    assert report.ok, str(report)  # every one is the right gradient of its own forward
    assert abs(of_moments - in_loss) < 0.02 if sampler == penalty else abs(of_moments - in_loss) > 0.5
    assert abs(elbo_of(sampler, penalty)[0](*np.full((4, 1, 1), 0.3))[0][0] - (
        math.log(NormalDist(0.3 + math.exp(sampler * 0.3) * 0.3, math.sqrt(0.1)).pdf(0.3)) - kl_of(0.3, penalty * 0.3)
    )) < 1e-12  # fmt: skip
assert abs(gaps["log sigma"]) < 1e-6 and abs(gaps["log-variance"]) < 1e-6
t_a, t_b = (
    (math.sqrt(1 + 8 * 10) - 1) / (4 * 10),
    (math.sqrt(10**2 / 4 + 4) - 10 / 2) / 2,
)  # e^a at the two optima, from the slopes
truth = -10 / 11 / 2 - kl_of(0, math.log(1 / 11) / 2)  # what depends on sigma in log p(x) = the best right ELBO
assert (
    abs(gaps["mixed, A"] - (-10 * t_a**2 / 2 - kl_of(0, math.log(t_a) / 2) - truth)) < 1e-6 and gaps["mixed, A"] > 0.5
)
assert abs(gaps["mixed, B"] - (-10 * t_b / 2 - kl_of(0, math.log(t_b)) - truth)) < 1e-6 and gaps["mixed, B"] < -0.5

lams = np.geomspace(0.1, 1000, 25)
curves = {name: [excess(*reading, lam)[0] for lam in lams] for name, reading in readings.items()}
assert t_a**2 < 1 / 11 < t_b  # the variance of the samples at the two optima, and the right one
assert np.all(np.diff(curves["mixed, A"]) > 0)
assert min(curves["mixed, A"]) > 0 > max(curves["mixed, B"]) and np.abs(curves["log sigma"]).max() < 1e-4
fig, ax = plt.subplots()
ax.plot(lams, curves["mixed, A"], "-")
ax.plot(lams, curves["mixed, B"], "--")
ax.axhline(0, color="black", lw=1.5, ls=":")
ax.text(1000, -0.32, "log p(x): both right readings", ha="right")
ax.text(20, 1.2, "A: bounds nothing", ha="right")
ax.text(9, -1.6, "B: a loose bound", ha="right")
ax.set(
    xscale="log",
    xlabel="w² / η (log scale)",
    ylabel="best ELBO − log p(x), nats",
    title="A mixed reading of one number",
)
plt.show()

# %% [markdown] tags=["answer"]
# `check` passes all four: each backward is the derivative of its own forward, and no gradient check knows what $a$ was meant to be. But A exceeds
# $\log p(x)$, by 0.59 nats here, more for a sharper decoder: it bounds nothing. B stays below by 0.93 nats.
#
# Let $t$ be the sampler's standard deviation. The KL that belongs to it is $\frac12(t^2+\mu^2-1-\ln t^2)$. A charges
# $\frac12(t+\mu^2-1-\ln t)$, which is less by $\frac12h(t)$ with $h(t) = t^2-t-\ln t$. B, with $v=e^a=t^2$ the variance of its samples, charges
# $\frac12(v^2+\mu^2-1-\ln v^2)$ where $\frac12(v+\mu^2-1-\ln v)$ is due: more by $\frac12h(v)$. And $h\ge0$: its slope $2t-1-1/t = (2t+1)(t-1)/t$ is
# negative below 1 and positive above, and $h(1)=0$. So A always charges too little, B always too much, and both are right only where $\sigma=1$. B is
# a lower bound, but one that asks for too much noise; A asks for too little.
#
# What finds the mistake is a number from outside: the moments of the draws. The KL of a Gaussian with their mean and spread must be the KL in the
# loss. A's draws have a KL of 1.25 nats and pay 0.53; B's have 0.53 and pay 1.25. (14 tells the story of A on another model.)

# %% [markdown]
# ## Summary
#
# | | |
# |---|---|
# | the bound | $\mathbb{E}_q[\log p(x\mid z)] - \mathrm{KL}(q\,\Vert\,p)$; the loss is minus its mean over the batch |
# | why two vectors | a diagonal $q$; under the same prior a full covariance is possible, and its KL is no sum over dimensions |
# | [LOGN.1] | $\log q = -\frac12\sum_k(u_k^2+2\log\sigma_k+\ln2\pi),\quad u=(z-\mu)/\sigma$ |
# | [LOGN.2] | $dz=-d\!\log q\,u/\sigma,\quad d\mu=-dz,\quad d\!\log\sigma=d\!\log q\,(u^2-1)$ |
# | [KL.1] | $\frac12\sum_k(\sigma_k^2+\mu_k^2-1-\ln\sigma_k^2)\ge0$, in nats per datum |
# | [KL.2] | $d\mu=d\mathrm{KL}\,\mu,\quad d\!\log\sigma=d\mathrm{KL}\,(\sigma^2-1)$ |
# | by the variance | $\frac12(1-1/\sigma^2)$; by σ: $\sigma-1/\sigma$; by $\log\sigma^2$: $\frac12(\sigma^2-1)$ |
# | no point mass | each halving of a small σ costs $\ln2 = 0.693$ nats; the force on $\log\sigma$ tends to $+1$ |
# | the compromise | linear decoder: $\sigma^2=1/(1+w^2/\eta)$; without the KL, σ = 0; without the decoder, σ = 1 |
# | no distance | $\mathrm{KL}\ge0$, zero only at $q=p$; not symmetric, no triangle inequality; KL(q‖p) takes one of two humps that are far apart |
# | in log-variance | $\log\sigma=s/2$ after the encoder, $ds=d\!\log\sigma/2$ before its backward pass; training takes another path |
# | mixed | passes every gradient check; A exceeds $\log p(x)$; compare the moments of the draws with the KL |
#
# ## References
#
# *References: kingma2014 (the method, and this KL in its appendix B); cover2006 (KL ≥ 0); minka2005 (what the two directions of the KL fit).*

# %% [markdown]
# ## Exercises
#
# The derivation of section 2 with another Gaussian in the place of the prior; then the two gradients of section 3, once as code and once by hand: do
# them without looking.
#
# *Tasks: kl_of_two_gaussians; kl_backward; kl_by_hand.*
