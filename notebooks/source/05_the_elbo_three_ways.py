# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 05 The ELBO, three ways
#
# Accompanies D0 lines 109-113, D1 lines 276-311 and 389-400, D2 lines 112-139 and 162-183, D3 lines 14-18 and 36-57, D4 lines 76-87.
#
# | quantity | D0 | D1 | D2 | D3 | D4 | here |
# |---|---|---|---|---|---|---|
# | approximate posterior | q_φ(z∣x) | q(z), q_θ | q(z), q(z∣x) | q(z;φ) | q(z∣x) | `mu`, `log_sigma` |
# | bound | 𝓛 = +ELBO | ELBO; **𝓛_i = −ELBO** | 𝓕(θ,q) | 𝓛(q), both signs | – | `elbo`; `loss = -mean(elbo)` |
# | encoder, decoder parameters | φ, θ | **θ, φ** | –, θ | φ, θ | – | `phi`, `theta` |
# | observation noise | σ² | – | η, later σ² | – | – | `eta`, a variance |
# | samples of z | one | several | one | (l) | one | `L`, or `k` in the k-sample bound |
#
# Afterwards you can derive the bound from Jensen's inequality, from the KL divergence and from the calculus of variations; say exactly how
# large its gap is; explain why the best q is never a point mass; and tighten the bound with more samples.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    check,
    check_model,
    elbo_terms_backward,
    elbo_terms_forward,
    iwae_bound_backward,
    iwae_bound_forward,
    kl_backward,
    kl_forward,
    log_weight_terms_backward,
    log_weight_terms_forward,
)
from tinyvae.bounds import (
    draw_forward,
    elbo_forward,
    kl_term_forward,
    log_ratio_backward,
    log_ratio_forward,
)
from tinyvae.companion import show
from tinyvae.exact import PPCA, GridPosterior
from tinyvae.plots import use_style

use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Inference as an optimisation problem
#
# *Items: D3-9, D4-12, D4-14, D1-39, D1-40, D3-16.*
#
# The slides: replace the posterior $p(z\mid x)$ by a tractable $q(z)$, and choose that $q$ by
# $$q^* = \arg\min_{q\in\mathcal{Q}} \mathrm{KL}(q(z)\,\|\,p(z\mid x)).$$
# This is what "variational inference" means in D3: a hard integral becomes an optimisation. D4 writes $q(z\mid x)$, D1, D2 and D3 write
# $q(z)$; each datum has its own $q$ in all of them.
#
# Can the objective be computed? Expand it, with $p(z\mid x) = p(x,z)/p(x)$:
# $$\mathrm{KL}(q\,\|\,p(z\mid x)) = \int q(z)\log\frac{q(z)}{p(z\mid x)}\,dz = \mathbb{E}_q[\log q(z)] - \mathbb{E}_q[\log p(z\mid x)]$$
# $$= \mathbb{E}_q[\log q(z)] - \mathbb{E}_q[\log p(x,z) - \log p(x)]$$
# $$= \mathbb{E}_q[\log q(z)] - \mathbb{E}_q[\log p(x,z)] + \log p(x).$$
# In the last step $\log p(x)$ does not depend on $z$, so its expectation is itself. And there is the difficulty of D1 and D3:
# the KL contains the very number $\log p(x)$ that nobody can compute. It is, however, the same number for every $q$:
# *differences* of the KL between two candidates need only the first two terms. That is all an optimiser asks for.
#
# Reading notes. D1 line 280 leaves out the $dz$; the term it strikes through is $\log p(x)$, which is not zero but constant in $q$.
# D3 lost its conditioning bars (`p(z x)` is $p(z\mid x)$), and its lines 14-18 interleave two topics: noise and dropout belong to the
# denoising auto-encoder, "express as optimization problem" belongs here.
#
# The check uses a model whose every term is known: $z\sim\mathcal{N}(0,I)$, $x\mid z\sim\mathcal{N}(Wz+b,\eta I)$ (`PPCA`), and a random Gaussian
# $q$. All logarithms of densities are then quadratic in $z$, and the expectation of a quadratic depends on the mean and the covariance of $q$ only.
# So an average over $2K$ points with that mean and covariance is exact, without sampling.

# %%
show(PPCA.score_samples, PPCA.posterior)


# %%
def log_normal(z, mean, covariance):
    """log N(z; mean, covariance) for the rows of z, in nats."""
    r = z - mean
    distance = (r * np.linalg.solve(covariance, r.T).T).sum(1)
    return -(distance + np.linalg.slogdet(covariance)[1] + len(covariance) * np.log(2 * np.pi)) / 2


def expect(f, mean, covariance):
    """E_q[f(z)] for q = N(mean, covariance), exact for quadratic f."""
    K = len(mean)
    steps = np.sqrt(K) * np.linalg.cholesky(covariance).T
    return f(np.concatenate([mean + steps, mean - steps])).mean()


def gaussian_kl(m0, S0, m1, S1):
    """KL(N(m0, S0) || N(m1, S1)) in nats, in closed form."""
    P, d = np.linalg.inv(S1), m1 - m0
    return (np.trace(P @ S0) + d @ P @ d - len(d) + np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]) / 2


def random_q(K):
    """A mean and a covariance drawn at random."""
    A = rng.standard_normal((K, K))
    return rng.standard_normal(K), A @ A.T + 0.05 * np.eye(K)


D, K = 5, 2
model = PPCA(K)
model.W_, model.mean_, model.noise_variance_ = rng.standard_normal((D, K)), rng.standard_normal(D), 0.5
x = model.sample(1, rng)


def log_px_given(z):
    return log_normal(x - model.mean_ - z @ model.W_.T, 0, model.noise_variance_ * np.eye(D))


def log_pz(z):
    return log_normal(z, 0, np.eye(K))


log_px = model.score_samples(x)[0]
posterior_mean, posterior_covariance = model.posterior(x)
posterior = posterior_mean[0], posterior_covariance

pairs = []
for mean, covariance in (random_q(K), random_q(K)):
    log_q_term = expect(partial(log_normal, mean=mean, covariance=covariance), mean, covariance)
    joint_term = expect(lambda z: log_px_given(z) + log_pz(z), mean, covariance)
    kl_closed = gaussian_kl(mean, covariance, *posterior)
    print(f"E log q {log_q_term:8.4f}   E log p(x,z) {joint_term:9.4f}   log p(x) {log_px:.4f}"
          f"   sum {log_q_term - joint_term + log_px:9.4f}   KL in closed form {kl_closed:9.4f}")
    assert abs(log_q_term - joint_term + log_px - kl_closed) < 1e-10
    pairs.append((kl_closed, log_q_term - joint_term))
difference = (pairs[0][0] - pairs[1][0]) - (pairs[0][1] - pairs[1][1])
print(f"KL of the first minus KL of the second, without log p(x): wrong by {abs(difference):.1e}")
assert abs(difference) < 1e-10

# %% [markdown]
# ## 2. First way: Jensen's inequality
#
# *Items: D2-30, D2-31, D2-32, D3-22, D3-23, D0-22.*
#
# The slide: for a convex $h$, $\mathbb{E}[h(X)]\ge h(\mathbb{E}[X])$; for a concave one the sign turns; the logarithm is concave, so
# $\mathbb{E}[\log X]\le\log\mathbb{E}[X]$. (D2 writes "$\log z$ is concave"; that $z$ is only a name for the argument, not the latent variable.)
#
# Why it holds: a concave function lies below each of its tangents. Take the tangent of $\log$ at $m=\mathbb{E}[X]>0$:
# $$\log X \le \log m + \frac{X-m}{m}.$$
# Take expectations on both sides; $\mathbb{E}[X-m]=0$, so $\mathbb{E}[\log X]\le\log m = \log\mathbb{E}[X]$. Equality needs $X=m$ with probability 1.
#
# D3 writes it as $\log\mathbb{E}[f(x)]\ge\mathbb{E}[\log f(x)]$. This needs $f>0$, which densities and their ratios satisfy. Without it the right
# side does not exist, and the left may not either.
#
# Now the bound, line by line as in D2, for any density $q$ that is positive wherever $p(x,z)$ is:
# $$\log p(x) = \log\int p(z)\,p(x\mid z)\,dz \qquad\text{(line 1, the latent variable is integrated out)}$$
# $$= \log\int q(z)\,\frac{p(z)}{q(z)}\,p(x\mid z)\,dz \qquad\text{(line 2, multiplied and divided by } q)$$
# $$= \log\mathbb{E}_q\!\left[\frac{p(z)}{q(z)}\,p(x\mid z)\right] \qquad\text{(an expectation: Jensen applies, } X = p(z)\,p(x\mid z)/q(z))$$
# $$\ge \mathbb{E}_q\!\left[\log\frac{p(z)\,p(x\mid z)}{q(z)}\right] \qquad\text{(line 3, Jensen)}$$
# $$= \mathbb{E}_q\!\left[\log\frac{p(z)}{q(z)}\right] + \mathbb{E}_q[\log p(x\mid z)] \qquad\text{(line 4, the log of a product).}$$
# Line 3 is the bound of D0. It holds for *any* $q$ (D3). Jensen's condition for equality says when it is tight: $p(z)p(x\mid z)/q(z)$
# must be the same number for every $z$, hence $q(z)\propto p(x,z)$, hence $q(z) = p(z\mid x)$. Jensen does not say how large the gap is otherwise.
#
# **Predict first:** X is 1 or 9 with equal probability. Is E[log X] nearer to log 3 or to log 5?

# %%
X_values = np.array([1.0, 9.0])
inside, outside = np.log(X_values.mean()), np.log(X_values).mean()
print(f"log E[X] = log 5 = {inside:.4f}     E[log X] = log 3 = {outside:.4f}     Jensen gap {inside - outside:.4f} nats")
assert abs(outside - np.log(3)) < 1e-12 and outside < inside

samples = rng.gamma(0.5, size=(1000, 20))
gaps = np.log(samples.mean(1)) - np.log(samples).mean(1)
print(f"1000 random distributions on 20 positive numbers: smallest gap {gaps.min():.4f}, largest {gaps.max():.4f} nats")
assert gaps.min() > 0
with np.errstate(invalid="ignore"):
    f = np.array([-3.0, 1.0])  # not positive
    print("f = -3 or 1: log E[f] =", np.log(f.mean()), ", E[log f] =", np.log(f).mean())
    assert np.isnan(np.log(f.mean())) and np.isnan(np.log(f).mean())

fig, ax = plt.subplots()
t = np.linspace(0.5, 10, 300)
ax.plot(t, np.log(t), label="log X")
ax.plot(t, inside + (t - 5) / 5, "--", label="tangent at E[X], above the curve")
ax.plot(X_values, np.log(X_values), "o-", label="chord between the two values")
ax.vlines(5, outside, inside, color="black", linewidth=4)
ax.annotate("Jensen gap", (5, (inside + outside) / 2), (6, 0.7), arrowprops={"arrowstyle": "->"})
ax.set(xlabel="X", ylabel="log X (nats)", ylim=(-0.8, 2.8), title="The mean of the logs lies below the log of the mean")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# Now the four lines as numbers, on a model whose posterior is far from Gaussian: $z\sim\mathcal{N}(0,1)$, $x = z^2 + $ noise of variance 0.25,
# observed $x=1.5$. Both $z$ and $-z$ explain it equally well. The integrals are sums over a fine grid.
#
# **Predict first:** which of the four lines are equal, and which is smaller?

# %%
eta2, x2 = 0.25, np.array([1.5])


def log_px_square(x, z):
    return -((x - z**2) ** 2 / eta2 + np.log(2 * np.pi * eta2))[:, 0] / 2


grid = GridPosterior(log_px_square, n_latent=1, n=1401, width=7)
z, dz = grid.z[:, 0], grid.cell
log_prior = -(z**2 + np.log(2 * np.pi)) / 2
log_joint = log_px_square(x2, grid.z) + log_prior


def log_q_normal(mu, sigma):
    """log N(z; mu, sigma^2) on the grid."""
    return -(((z - mu) / sigma) ** 2 + np.log(2 * np.pi)) / 2 - np.log(sigma)


log_q = log_q_normal(0.5, 1.0)
q = np.exp(log_q)
line1 = np.log(np.sum(np.exp(log_joint)) * dz)
line2 = np.log(np.sum(q * np.exp(log_joint - log_q)) * dz)
line3 = np.sum(q * (log_joint - log_q)) * dz
line4 = np.sum(q * (log_prior - log_q)) * dz + np.sum(q * log_px_square(x2, grid.z)) * dz
for n, value in enumerate((line1, line2, line3, line4), 1):
    print(f"line {n}: {value:.6f} nats")
assert abs(line1 - line2) < 1e-12 and abs(line3 - line4) < 1e-12 and line3 < line2
assert abs(line1 - grid.log_evidence([x2])[0]) < 1e-12

log_posterior = log_joint - line1
tight = np.sum(np.exp(log_posterior) * (log_joint - log_posterior)) * dz
print(f"line 3 with q = p(z|x): {tight:.6f}, log p(x) missed by {abs(tight - line1):.1e}")
assert abs(tight - line1) < 1e-12

# %% [markdown]
# ## 3. Second way: the KL divergence, and the gap
#
# *Items: D3-17, D3-18, D1-42, D1-46, D1-47, D2-40, D2-29, D3-22.*
#
# The slides: the log evidence is the KL plus the ELBO; the gap is $\mathrm{KL}(q\,\|\,p(z\mid x))$.
#
# Start from the expansion of section 1 and take the two computable terms to the other side:
# $$\log p(x) - \mathrm{KL}(q\,\|\,p(z\mid x)) = \mathbb{E}_q[\log p(x,z)] - \mathbb{E}_q[\log q(z)] = \mathrm{ELBO}(q),$$
# $$\log p(x) = \mathrm{ELBO}(q) + \mathrm{KL}(q\,\|\,p(z\mid x)).$$
# Since $\mathrm{KL}\ge 0$ (Jensen once more: $-\mathrm{KL}=\mathbb{E}_q[\log(p(z\mid x)/q)]\le\log\int p(z\mid x)\,dz = 0$),
# $\mathrm{ELBO}(q)\le\log p(x)$ for any $q$. This route says more than the first: the gap is not only there, it *is* a KL. As the left side does
# not contain $q$, every nat by which the ELBO rises is a nat by which the KL falls: reducing the KL and maximising the ELBO over $q$ are one task
# (D3).
#
# **Predict first:** 200 random Gaussian q are drawn for one x. Plot the ELBO against KL(q || p(z|x)). What shape do the points form?

# %%
show(PPCA.bound)

# %%
kls, elbos = [], []
for _ in range(200):
    mean, covariance = random_q(K)
    kls.append(gaussian_kl(mean, covariance, *posterior))
    elbos.append(model.bound(x, mean[None], covariance))
kls, elbos = np.array(kls), np.array(elbos)
worst = np.abs(log_px - elbos - kls).max()
print(f"log p(x) = {log_px:.6f}.  200 random q: ELBO from {elbos.min():.2f} to {elbos.max():.2f}, gap from {kls.min():.2f} to {kls.max():.2f} nats")
print(f"largest |log p(x) - ELBO - KL| = {worst:.1e}")
assert worst < 1e-10 and elbos.max() < log_px
met = model.bound(x, posterior_mean, posterior_covariance)
print(f"q = p(z|x): the ELBO misses log p(x) by {abs(met - log_px):.1e}")
assert abs(met - log_px) < 1e-10

fig, ax = plt.subplots()
ax.plot(kls, elbos, "o", markersize=6, alpha=0.6, label="200 random q")
ax.plot(0, met, "*", markersize=20, label="q = p(z|x)")
ax.axhline(log_px, color="black", linestyle="--", linewidth=2, label="log p(x)")
ax.set(xlabel="KL(q || p(z|x)) (nats)", ylabel="ELBO (nats)", title="What the KL gains the ELBO loses")
ax.legend()
plt.show()

# %% [markdown]
# Four readings of D1 become exact with these numbers:
#
# - Line 286, "because $\log p(x)$ is a constant": constant in $q$. It depends on the decoder, and moves while the decoder trains.
# - Lines 306-308 write "evidence = KL + ELBO": it is the *log* evidence.
# - Line 310, "ELBO is the lowest possible value of the evidence": the evidence is one number and has no lowest value. The ELBO is a lower bound
#   on its logarithm, and the *largest* ELBO over all $q$ is $\log p(x)$ itself. There is no smallest ELBO.
# - Line 311 is right: the bound is met when $q(z)=p(z\mid x)$.

# %%
moved = PPCA(K)
moved.W_, moved.mean_, moved.noise_variance_ = 1.1 * model.W_, model.mean_, model.noise_variance_
print(f"log p(x) with this decoder {log_px:.4f}, with W 10 % larger {moved.score_samples(x)[0]:.4f}")
assert abs(moved.score_samples(x)[0] - log_px) > 0.01
print(f"KL + ELBO {kls[0] + elbos[0]:.4f}, log evidence {log_px:.4f}, evidence {np.exp(log_px):.2e}")
assert abs(kls[0] + elbos[0] - np.exp(log_px)) > 1
for spread in (1, 1e2, 1e4):
    print(f"covariance of q = {spread:7.0f} I: ELBO {model.bound(x, posterior_mean, spread * np.eye(K)):14.2f}")
assert model.bound(x, posterior_mean, 1e4 * np.eye(K)) < -1e4

# %% [markdown]
# **As in EM** (D2). The bound is a function of two arguments, $\mathcal{F}(\theta,q)$. Expectation maximisation raises it in one, then in the other:
# the E-step sets $q=p(z\mid x)$, which closes the gap; the M-step changes $\theta$ at fixed $q$. After the E-step the bound touches $\log p$;
# whatever the M-step gains, $\log p$ gains at least as much. A VAE does the same with gradient steps in both arguments and a $q$ that may not
# reach the posterior.

# %%
X_em = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6)) + 0.5 * rng.standard_normal((200, 6))
em = PPCA(2).start(X_em, seed=1)
scores = [em.score(X_em)]
for step in range(6):
    before, after_e, after_m = em.em_step(X_em)
    print(f"step {step}: bound {before:8.4f}  -> E {after_e:8.4f} (log p {scores[-1]:8.4f})  -> M {after_m:8.4f}")
    assert abs(after_e - scores[-1]) < 1e-10 and after_m >= after_e - 1e-10
    scores.append(em.score(X_em))
    assert scores[-1] >= after_m - 1e-10
assert np.all(np.diff(scores) > 0)

# %% [markdown]
# ## 4. Third way: the calculus of variations
#
# *Items: D1-57, D1-58, D2-39.*
#
# The slides: "variational" points to the calculus of variations, an optimisation over functions (D1); the name is a historical accident, for
# this is not how VAEs are trained (D2). (D1 line 400 writes $\arg\max$ of an error $\mathcal{E}$; for an error it is $\arg\min$.)
# Here the function is $q$, and
# $$F[q] = \int q(z)\log p(x,z)\,dz - \int q(z)\log q(z)\,dz, \qquad \int q(z)\,dz = 1 .$$
#
# Push $q$ a little in the direction of a function $h$ with $\int h\,dz=0$, and differentiate by the size $t$ of the push:
# $$\frac{d}{dt}F[q+th]\Big|_{t=0} = \int h\log p(x,z)\,dz - \int\Big(h\log q + q\,\frac{h}{q}\Big)dz
#   = \int h(z)\,\underbrace{\big(\log p(x,z)-\log q(z)-1\big)}_{\delta F/\delta q(z)}\,dz .$$
# The bracket is the functional derivative: one number for each $z$, as a gradient has one number for each coordinate. With a multiplier for the
# constraint,
# $$\log p(x,z)-\log q(z)-1+\lambda = 0 \quad\Rightarrow\quad q(z) = e^{\lambda-1}\,p(x,z).$$
# Integrate over $z$: $1 = e^{\lambda-1}\,p(x)$, so $\lambda = 1-\log p(x)$ and
# $$q^*(z) = \frac{p(x,z)}{p(x)} = p(z\mid x).$$
# Its value: $F[q^*]=\int q^*\,(\log p(x,z)-\log q^*)\,dz = \int q^*\log p(x)\,dz = \log p(x)$. The second derivative along $h$ is
# $-\int h^2/q\,dz<0$, so $F$ is strictly concave and this is its only maximum: $F[q]\le\log p(x)$ for every $q$. Bayes' rule is the solution of
# an optimisation over functions.
#
# First the derivative, against a central difference along one direction $h$.

# %%


def F(q, log_q):
    """The bound of a density on the grid, in nats."""
    return np.sum(q * (log_joint - log_q)) * dz


u = np.sin(3 * z)
h = q * (u - np.sum(q * u) * dz)  # its integral is 0
t = 1e-5
numeric = (F(q + t * h, np.log(q + t * h)) - F(q - t * h, np.log(q - t * h))) / (2 * t)
functional = np.sum(h * (log_joint - log_q - 1)) * dz
print(f"derivative of F along h: functional derivative {functional:.9f}, central difference {numeric:.9f}")
assert abs(numeric / functional - 1) < 1e-7
t = 1e-3
second = (F(q + t * h, np.log(q + t * h)) - 2 * F(q, log_q) + F(q - t * h, np.log(q - t * h))) / t**2
print(f"second derivative: {second:.6f} against -integral of h^2/q {-np.sum(h**2 / q) * dz:.6f}")
assert abs(second / (-np.sum(h**2 / q) * dz) - 1) < 1e-5

# %% [markdown]
# Then climb. At each step $\log q$ moves by 0.3 times the functional derivative at every $z$, and $q$ is normalised again.
#
# **Predict first:** the start is the prior, with one hump. The ascent knows nothing of posteriors. Where does it end? And how close can the
# best *Gaussian* come?

# %%
log_q_t, path, bounds = log_prior.copy(), [], []
for _ in range(61):
    path.append(np.exp(log_q_t))
    bounds.append(F(path[-1], log_q_t))
    log_q_t = log_q_t + 0.3 * (log_joint - log_q_t - 1)
    log_q_t -= np.log(np.sum(np.exp(log_q_t)) * dz)
exact_density = grid.posterior(x2)
print(f"bound at the prior {bounds[0]:.4f}, after 5 steps {bounds[5]:.4f}, after 60 {bounds[-1]:.4f}; log p(x) {line1:.4f}")
difference = np.abs(path[-1] - exact_density).max()
print(f"after 60 steps: gap {line1 - bounds[-1]:.1e} nats, largest difference from the posterior density {difference:.1e}")
assert np.diff(bounds).min() > -1e-12 and abs(bounds[-1] - line1) < 1e-10
assert difference < 1e-8

candidates = [(m, s) for m in np.linspace(-2, 2, 81) for s in np.geomspace(0.05, 2, 75)]
values = np.array([F(np.exp(log_q_normal(m, s)), log_q_normal(m, s)) for m, s in candidates])
m_best, s_best = candidates[values.argmax()]
gap_best = line1 - values.max()
kl_best = np.sum(np.exp(log_q_normal(m_best, s_best)) * (log_q_normal(m_best, s_best) - log_posterior)) * dz
print(f"best of {len(candidates)} Gaussians: |mu| {abs(m_best):.2f}, sigma {s_best:.3f}")
print(f"its gap {gap_best:.4f} nats, its KL to the posterior {kl_best:.4f}, ln 2 = {np.log(2):.4f}")
assert np.log(2) < gap_best < 0.75 and abs(gap_best - kl_best) < 1e-10

fig, ax = plt.subplots()
for n, style in ((0, ":"), (1, "-."), (5, "--")):
    ax.plot(z, path[n], style, label=f"q after {n} steps" if n != 1 else "q after 1 step")
ax.plot(z, path[-1], color="black", linewidth=5, alpha=0.35, label="q after 60 steps")
ax.plot(z, exact_density, color="black", linewidth=1.5, label="p(z|x)")
ax.plot(z, np.exp(log_q_normal(abs(m_best), s_best)), color="#CC79A7", label="best Gaussian")
ax.set(xlabel="z (prior standard deviations)", ylabel="density", xlim=(-3, 3), title="Ascent over functions ends at the posterior")
ax.legend(fontsize=12, loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Over all functions the gap closes. Within a family it closes as far as the family allows: a Gaussian settles on one of the two humps and pays
# close to $\ln 2$, the price of leaving out half of the posterior. This is D2's historical accident: a VAE no longer varies a function, it varies the
# two numbers $\mu$ and $\log\sigma$ of a Gaussian by ordinary gradients, and keeps the name.

# %% [markdown]
# ## 5. One bound, three forms, two terms
#
# *Items: D1-41, D3-19, D4-15, D4-16, D1-43, D1-44, D1-45, D2-38.*
#
# The slides: three forms of the ELBO (D1, D3); maximise $\mathbb{E}_q[\log p(x\mid z)]-\mathrm{KL}(q\,\|\,p(z))$, with the derivation left to a
# video (D4); it is the loss of the VAE (D1) and the variational free energy (D2). With $p(x,z)=p(x\mid z)\,p(z)$,
# $$\mathcal{L}(q) = \mathbb{E}_q[\log p(x,z)] - \mathbb{E}_q[\log q(z)] \qquad\text{(a: energy and entropy)}$$
# $$= \mathbb{E}_q[\log p(x\mid z)] + \mathbb{E}_q[\log p(z)] - \mathbb{E}_q[\log q(z)] \qquad\text{(b: the joint split)}$$
# $$= \mathbb{E}_q[\log p(x\mid z)] - \mathrm{KL}(q(z)\,\|\,p(z)) \qquad\text{(c: reconstruction and KL).}$$
# The last step is the definition $\mathrm{KL}(q\,\|\,p)=\mathbb{E}_q[\log q-\log p]$. This is also the derivation D4 leaves out: section 3 shows
# that minimising $\mathrm{KL}(q\,\|\,p(z\mid x))$ is maximising $\mathcal{L}(q)$, and (c) is the expression D4 prints.
#
# Beware of the two KLs: $\mathrm{KL}(q\,\|\,p(z))$, to the *prior*, is a term of the bound and computable; $\mathrm{KL}(q\,\|\,p(z\mid x))$, to
# the *posterior*, is the gap and is not.
#
# What the two terms want. The first is the expected *log*-likelihood of $x$ (D3 line 48 drops "log"): it asks for good reconstructions. The
# second keeps $q$ near the prior. (D4 calls it the "true prior"; a prior is chosen, here $\mathcal{N}(0,I)$, and is neither true nor false.) D1:
# likelihood plus prior, the usual combination in Bayesian learning. In a maximum-a-posteriori estimate the prior weighs one value of $z$, here it
# weighs a whole distribution.
#
# Signs. $\mathcal{L}$ is maximised as a bound; D1's $\mathcal{L}_i$ is $-\mathrm{ELBO}$, and D3 uses $\mathcal{L}$ for the bound on line 47 and
# for losses on line 78. In the package the bound keeps its sign, and the minus occurs once: $\text{loss} = -\text{mean}(\text{ELBO})$. Physics
# calls $U-TS$ the free energy and *minimises* it: with $U(z)=-\log p(x,z)$ and $T=1$ it is $\mathbb{E}_q[U]-H(q) = -\mathcal{F}$, so D2's "free
# energy" $\mathcal{F}$ is its negative.
#
# **Predict first:** for one random q, which of these six numbers are equal: forms a, b, c, `PPCA.bound`, the negative free energy, log p(x)?

# %%
mean, covariance = random_q(K)
reconstruction = expect(log_px_given, mean, covariance)
entropy = K / 2 * np.log(2 * np.pi * np.e) + np.linalg.slogdet(covariance)[1] / 2
form_a = expect(lambda z: log_px_given(z) + log_pz(z), mean, covariance) + entropy
form_b = reconstruction + expect(log_pz, mean, covariance) - expect(lambda z: log_normal(z, mean, covariance), mean, covariance)
form_c = reconstruction - gaussian_kl(mean, covariance, np.zeros(K), np.eye(K))
free_energy = expect(lambda z: -log_px_given(z) - log_pz(z), mean, covariance) - entropy
bound = model.bound(x, mean[None], covariance)
print(f"a {form_a:.6f}   b {form_b:.6f}   c {form_c:.6f}   PPCA.bound {bound:.6f}   -free energy {-free_energy:.6f}   log p(x) {log_px:.6f}")
assert np.ptp([form_a, form_b, form_c, bound, -free_energy]) < 1e-10 and bound < log_px

# %% [markdown]
# In the package form (c) is **[ELBO.1]**:
# $$\mathrm{ELBO} = \mathbb{E}_q[\log p(x\mid z)] - \mathrm{KL}(q(z\mid x)\,\|\,p(z)) \le \log p(x),$$
# the expectation being a mean over $L$ samples $z=\mu+\sigma\varepsilon$, the KL in closed form. Its backward pass is **[ELBO.2]**: the same
# lines from last to first. A change of $\mu$ or $\log\sigma$ acts on both terms, so their gradients add,
# $$d\mu = d\mu_{\text{via } z} + d\mu_{\mathrm{KL}}, \qquad d\log\sigma = d\log\sigma_{\text{via } z} + d\log\sigma_{\mathrm{KL}},$$
# while the decoder hears of the first term only.
#
# In the code `q` is the pair $(\mu,\log\sigma)$ and `parts` holds what the model is made of: two networks, and records of $q(z\mid x)$, $p(z)$ and
# $p(x\mid z)$. Here $q$ is a diagonal Gaussian and $p(z)$ is $\mathcal{N}(0,I)$. Then `draw_forward` is $z=\mu+\sigma\varepsilon$, the function
# `reparameterize_forward`, and `kl_term_forward` is the closed form, `kl_forward` of section 6, found in the table `CLOSED_KL`. (Where no
# closed form is known, it takes the mean of $\log q-\log p$ over the samples.) `features` leaves pixels as they are, and `own_values` are learned
# parameters that a prior or a likelihood may have; here there are none. The weights of the two terms, 1 and $\beta=1$, enter in `elbo_forward`, the
# minus in `VAE.loss_forward`, whose batch is a pair: data, and labels, which this model does not use.

# %%
show(elbo_terms_forward, elbo_terms_backward)
show(draw_forward, kl_term_forward)
show(elbo_forward, VAE.loss_forward)

# %% [markdown]
# Does this code compute the bound? `to_vae` makes a linear VAE whose $q$ is the exact posterior. With the $2K$ exact points of section 1 as
# $\varepsilon$ there is no sampling error. Then the encoder is spoilt at random, and the loss must rise by exactly the KL.

# %%
vae = model.to_vae()
X = model.sample(6, rng)
points = np.sqrt(K) * np.concatenate([np.eye(K), -np.eye(K)])  # mean 0, covariance I
eps = np.repeat(points[:, None], len(X), axis=1)


def elbo(vae):
    """The ELBO of every row of X."""
    (log_px_term, kl), _ = elbo_terms_forward(X, eps, vae.params, vae.parts)
    return log_px_term - kl


print(f"exact encoder: largest |ELBO - log p(x)| = {np.abs(elbo(vae) - model.score_samples(X)).max():.1e}")
assert np.abs(elbo(vae) - model.score_samples(X)).max() < 1e-10

mu0, log_sigma0 = vae.encode(X)
spoilt = vae.copy("float64")
for name in ("encoder.head.W", "encoder.head.b"):
    spoilt.params[name][...] += 0.1 * rng.standard_normal(spoilt.params[name].shape)
mu1, log_sigma1 = spoilt.encode(X)
kl_to_posterior = np.array([
    gaussian_kl(m1, np.diag(np.exp(2 * s1)), m0, np.diag(np.exp(2 * s0))) for m0, s0, m1, s1 in zip(mu0, log_sigma0, mu1, log_sigma1)
])
gap = model.score_samples(X) - elbo(spoilt)
print("spoilt encoder, gap of each datum ", gap.round(6))
print("KL(q || p(z|x)) in closed form    ", kl_to_posterior.round(6))
assert np.abs(gap - kl_to_posterior).max() < 1e-10 and gap.min() > 1e-3
loss, _ = spoilt.loss_and_grad(X, eps)
print(f"loss {loss:.6f} = -mean ELBO {-elbo(spoilt).mean():.6f}")
assert abs(loss + elbo(spoilt).mean()) < 1e-12

report = check_model(VAE(6, 3, hidden=(8,), n_samples=2, dtype="float64"), rng.integers(0, 2, (4, 6)).astype(float))
print(f"gradient check of the whole ELBO: worst relative error {report.error:.1e}")
assert report.ok

# %% [markdown]
# ## 6. The point mass: why the best q has a width
#
# *Items: D2-41, D2-42, D2-43.*
#
# The slide: the reconstruction term alone wants a point mass at $z_*=\arg\min_z\|x-G_\theta(z)\|^2$; a point mass has infinite KL (an exercise);
# so the KL term spreads $q$ out.
#
# (D2 line 177 says the reconstruction term "is minimized" by the point mass. The squared error is minimised; the term, with its minus sign, is
# *maximised*. The noise variance, $\eta$ on the earlier slides, is called $\sigma^2$ there; it is not the $\sigma$ of $q$.)
#
# *The point mass wins the first term.* For every $z$, $\log p(x\mid z)\le\log p(x\mid z_*)$; an average over $q$ cannot exceed the largest value.
#
# *It has infinite KL.* In one dimension, with $q=\mathcal{N}(z_*,\sigma^2)$,
# $$\mathrm{KL}(q\,\|\,\mathcal{N}(0,1)) = \tfrac12\left(\sigma^2+z_*^2-1\right)-\ln\sigma .$$
# Halve $\sigma$: the last term grows by $\ln 2$ and the first falls by $\tfrac38\sigma^2$,
# $$\mathrm{KL}(\sigma/2)-\mathrm{KL}(\sigma) = \ln 2-\tfrac38\sigma^2 \;\to\; \ln 2 \qquad (\sigma\to0).$$
# Each halving costs $\ln 2$ nats, one bit, without end. (In $K$ dimensions: $K\ln 2$.) A limit of Gaussians suggests the answer; the definition
# confirms it. A point mass gives probability 1 to a set that has probability 0 under the prior, and then $\mathrm{KL}=\infty$.
#
# *The slope.* By $\sigma$ it is $\sigma-1/\sigma$; by $\log\sigma$,
# $$\frac{\partial\,\mathrm{KL}}{\partial\log\sigma} = \sigma\left(\sigma-\frac1\sigma\right) = \sigma^2-1 \;\to\; -1 .$$
#
# *The reconstruction term stays bounded.* In the linear model with one latent dimension and $\|w\|^2/\eta=c$,
# $$\mathbb{E}_q[\log p(x\mid z)] = \log p(x\mid z_*)-\tfrac12\,c\,\sigma^2 ,$$
# because the residual at $z_*$ is orthogonal to $w$ and $\mathbb{E}(z-z_*)^2=\sigma^2$. As $\sigma\to0$ it gains at most $\tfrac12c\sigma^2\to0$.
# (A Bernoulli likelihood is at most 1, so this term never exceeds 0 for any decoder. A Gaussian with fixed $\eta$ is bounded too; with $\eta$
# free to go to 0 it is not.) Together,
# $$\frac{\partial\,\mathrm{ELBO}}{\partial\log\sigma} = -c\,\sigma^2-(\sigma^2-1) = 0 \quad\Rightarrow\quad \sigma^2=\frac1{1+c}>0,$$
# which is the variance of the exact posterior.
#
# **Predict first:** from σ = 2⁻¹⁰ to 2⁻³⁰, how much does the reconstruction term gain, and how much does the KL cost?

# %%
show(kl_forward, kl_backward)

# %%
thin = PPCA(1)
thin.W_, thin.mean_, thin.noise_variance_ = np.array([[0.8], [-0.5], [0.6], [0.2]]), np.zeros(4), 0.1
x_thin = thin.sample(1, rng)
w, eta = thin.W_[:, 0], thin.noise_variance_
z_star = x_thin[0] @ w / (w @ w)  # least squares
halvings = np.arange(31)
sigma = 0.5**halvings


def reconstruction_term(mean, sigma):
    """E_q[log p(x|z)] for q = N(mean, sigma^2), in nats."""
    error = ((x_thin[0] - mean * w) ** 2).sum() + w @ w * sigma**2
    return -error / (2 * eta) - 4 / 2 * np.log(2 * np.pi * eta)


reconstruction = reconstruction_term(z_star, sigma)
kl, kl_cache = kl_forward(np.full((31, 1), z_star), np.log(sigma)[:, None])
steps = np.diff(kl)
print("KL gained by a halving: first", steps[:4].round(5), "... last", steps[-1].round(12), "  ln 2 =", np.log(2).round(12))
assert np.abs(steps - (np.log(2) - 3 / 8 * sigma[:-1] ** 2)).max() < 1e-12 and abs(steps[-1] - np.log(2)) < 1e-12
gain, cost = reconstruction[30] - reconstruction[10], kl[30] - kl[10]
print(f"from 2^-10 to 2^-30: the reconstruction term gains {gain:.1e} nats, the KL costs {cost:.4f} = 20 ln 2 - {20 * np.log(2) - cost:.1e}")
assert 0 < gain < 1e-5 and abs(cost - 20 * np.log(2)) < 1e-6
at_star = reconstruction_term(z_star, 0.0)
others = np.array([reconstruction_term(3 * rng.standard_normal(), rng.exponential()) for _ in range(1000)])
print(f"reconstruction term of the point mass {at_star:.4f}; best of 1000 random q {others.max():.4f}: maximised, not minimised")
assert others.max() < at_star and reconstruction.max() <= at_star

# %%
_, slope = kl_backward(np.ones(31), kl_cache)  # by log sigma
step = 1e-6 * sigma[:12]
by_sigma = np.array([
    (kl_forward(np.array([[z_star]]), np.log([[s + d]]))[0][0] - kl_forward(np.array([[z_star]]), np.log([[s - d]]))[0][0]) / (2 * d)
    for s, d in zip(sigma, step)
])
error = np.abs(by_sigma - (sigma - 1 / sigma)[:12]) / (1 / sigma[:12])
print(f"slope of the KL by sigma at 1/2, 1/4, 1/8: {by_sigma[1:4].round(6)}; sigma - 1/sigma {(sigma - 1 / sigma)[1:4]}")
print(f"largest relative error {error.max():.1e}")
print(f"slope by log sigma at 1/2, 1/4, 1/8: {slope[1:4, 0]}, at 2^-30: {slope[30, 0]:.6f}")
assert error.max() < 1e-8 and abs(slope[30, 0] + 1) < 1e-12 and np.abs(slope[:, 0] - (sigma**2 - 1)).max() < 1e-15
assert check(kl_forward, kl_backward, rng.standard_normal((3, 2)), rng.standard_normal((3, 2))).ok

c = w @ w / eta
fine = np.geomspace(1e-3, 1, 100_001)
kl_fine = kl_forward(np.full((fine.size, 1), z_star), np.log(fine)[:, None])[0]
best = fine[(reconstruction_term(z_star, fine) - kl_fine).argmax()]
exact_sigma = np.sqrt(thin.posterior(x_thin)[1][0, 0])
print(f"best sigma by search {best:.5f}, 1/sqrt(1 + c) = {1 / np.sqrt(1 + c):.5f}, exact posterior {exact_sigma:.5f}")
assert abs(exact_sigma - 1 / np.sqrt(1 + c)) < 1e-12 and abs(best / exact_sigma - 1) < 1e-4

fig, ax = plt.subplots()
ax.plot(halvings[:13], reconstruction[:13] - at_star, "o-", label="reconstruction, relative to the point mass")
ax.plot(halvings[:13], -(kl - kl.min())[:13], "s-", label="-KL, relative to σ = 1")
ax.plot(halvings[:13], (reconstruction - at_star - kl + kl.min())[:13], "k^-", label="their sum: the ELBO, shifted")
ax.axvline(-np.log2(exact_sigma), color="black", linestyle=":", label="σ of the exact posterior")
ax.set(xlabel="halvings of σ (σ = 2 to the minus this)", ylabel="nats", title="Halving σ costs ln 2 for ever and soon gains nothing")
ax.legend(fontsize=12, loc="upper right", bbox_to_anchor=(1, 0.93))
plt.show()

# %% [markdown]
# ## 7. More samples: the k-sample bound
#
# *Items: D0-22.*
#
# The slide (D0): $\log p(x)\ge\mathbb{E}_q\log\frac{p(x\mid z)\,p(z)}{q(z)}$, and its estimate with $z\sim q$ "works great". (In the text of
# line 113 the $\log$ slipped into the numerator; it stands before the whole fraction.) The fraction is the importance weight of one sample
# **[LOGW.1]**,
# $$\log w_l = \log p(x\mid z_l)+\log p(z_l)-\log q(z_l\mid x), \qquad z_l\sim q(z\mid x).$$
# Its mean is exact, whatever $q$: $\mathbb{E}_q[w]=\int q\,\frac{p(x,z)}{q}\,dz=p(x)$. The ELBO is $\mathbb{E}[\log w]$; averaging $k$
# weights *before* the logarithm gives **[IWAE.1]**
# $$L_k = \log\frac1k\sum_{l=1}^k w_l .$$
#
# *It is a bound:* by Jensen, $\mathbb{E}[L_k]\le\log\mathbb{E}\big[\tfrac1k\sum w_l\big]=\log p(x)$, and $\mathbb{E}[L_1]$ is the ELBO.
#
# *It rises with k.* Let $m<k$ and let $I$ be a random subset of $m$ of the $k$ indices. Every index is in $I$ equally often, so the mean over
# subsets of the subset's mean is the full mean: $\frac1k\sum_l w_l = \mathbb{E}_I\big[\frac1m\sum_{l\in I}w_l\big]$. By Jensen over $I$,
# $$L_k = \log\mathbb{E}_I\Big[\frac1m\sum_{l\in I}w_l\Big] \ge \mathbb{E}_I\Big[\log\frac1m\sum_{l\in I}w_l\Big],$$
# and the right side has the expectation $\mathbb{E}[L_m]$, as each subset is $m$ fresh samples. Hence $\mathbb{E}[L_m]\le\mathbb{E}[L_k]$.
#
# *It reaches log p(x).* By the law of large numbers $\frac1k\sum w_l\to p(x)$. If the relative variance $\chi^2=\mathrm{Var}(w)/p(x)^2$ is finite
# (it need not be), expand $\log(1+\delta)\approx\delta-\delta^2/2$ with $\mathbb{E}\delta=0$, $\mathbb{E}\delta^2=\chi^2/k$: the gap is about
# $\chi^2/2k$.
#
# *Backward.* **[IWAE.2]** is the derivative of a log-sum-exp: $\partial L_k/\partial\log w_l = w_l\big/\sum_j w_j$, the normalised weights:
# samples that explain $x$ well get the gradient. **[LOGW.2]** passes it on: with $\log\text{ratio}=\log p(z)-\log q(z\mid x)$ it is
# $d\log p_z=d\log\text{ratio}$ and $d\log q_z=-d\log\text{ratio}$, and $z$
# collects three gradients, from the likelihood, the prior and $q$; the last two are added in `log_ratio_backward`.

# %%
show(log_weight_terms_forward, log_ratio_forward, iwae_bound_forward)
show(iwae_bound_backward, log_ratio_backward, log_weight_terms_backward)

# %% [markdown]
# The same linear VAE, with an encoder made wrong on purpose: shifted and too wide. $\log p(x)$ and the ELBO are exact.
#
# **Predict first:** with q equal to the posterior, how do the weights differ from sample to sample? And with the wrong encoder, how many samples
# are needed to halve a gap that is already small?

# %%
x1 = X[:1]
log_p1 = model.score_samples(x1)[0]


def log_weights(vae, n):
    (log_px_term, log_ratio), _ = log_weight_terms_forward(x1, rng.standard_normal((n, 1, K)), vae.params, vae.parts)
    return log_px_term + log_ratio  # (n, 1)


same = log_weights(vae, 1000)
print(f"q = p(z|x): log w of 1000 samples lies between {same.min():.10f} and {same.max():.10f}; log p(x) = {log_p1:.10f}")
assert np.abs(same - log_p1).max() < 1e-10

wrong = vae.copy("float64")
m0, s0 = vae.encode(x1)[0][0], np.exp(vae.encode(x1)[1][0])
wrong.params["encoder.head.b"][:K] += 1.2 * s0
wrong.params["encoder.head.b"][K:] += np.log(1.5)
m1, s1 = wrong.encode(x1)[0][0], np.exp(wrong.encode(x1)[1][0])
exact_elbo = log_p1 - gaussian_kl(m1, np.diag(s1**2), m0, np.diag(s0**2))
wide = 2 * s1**2 - s0**2  # positive: the variance of w is finite
chi2 = np.prod(s1**2 / (s0 * np.sqrt(wide)) * np.exp((m0 - m1) ** 2 / wide)) - 1

log_w = log_weights(wrong, 2**18)
counts, means, errors = 2 ** np.arange(11), [], []
for k in counts:
    L_k, _ = iwae_bound_forward(log_w.reshape(k, -1))
    means.append(L_k.mean())
    errors.append(L_k.std(ddof=1) / np.sqrt(L_k.size))
means, errors = np.array(means), np.array(errors)
print(f"log p(x) = {log_p1:.4f}, exact ELBO = {exact_elbo:.4f}, chi^2 = {chi2:.4f}")
for k, value, error in zip(counts, means, errors):
    print(f"k = {k:5d}: mean L_k {value:9.4f} ± {error:.4f}   gap {log_p1 - value:8.4f}   chi^2 / 2k {chi2 / (2 * k):8.4f}")
assert np.all(np.diff(means) > 0)  # groups of 2k are pairs of groups of k, so this holds exactly, not only on average
assert abs(means[0] - exact_elbo) < 4 * errors[0]
assert np.all(means < log_p1 + 4 * errors) and abs(means[-1] - log_p1) < 0.01 and log_p1 - means[0] > 0.5

# %% [markdown]
# For large k the gap is below the noise of the mean. The noise has a known cause: it is mostly $\delta=\frac1k\sum w_l/p(x)-1$, whose expectation
# is 0. Subtract it (a control variate, possible here because $p(x)$ is known), and the law $\chi^2/2k$ can be measured.

# %%
for k in (64, 128, 256):
    L_k, _ = iwae_bound_forward(log_w.reshape(k, -1))
    delta = np.exp(L_k - log_p1) - 1
    clean = delta - (L_k - log_p1)  # its expectation is the gap
    gap, error, law = clean.mean(), clean.std(ddof=1) / np.sqrt(clean.size), chi2 / (2 * k)
    print(f"k = {k}: gap {gap:.5f} ± {error:.5f}, chi^2 / 2k {law:.5f}, ratio {gap / law:.3f} ± {error / law:.3f}")
    assert abs(gap - law) < 3 * error and error / law < 0.05
mean_of_logs = log_w.reshape(64, -1).mean(0).mean()
print(f"mean of the logs instead of log of the mean, k = 64: {mean_of_logs:.4f}, the ELBO again")
assert abs(mean_of_logs - means[0]) < 1e-10

_, cache = iwae_bound_forward(log_w[:5])
print("normalised weights of five samples:", iwae_bound_backward(np.ones(1), cache)[:, 0].round(3))
report = check(iwae_bound_forward, iwae_bound_backward, log_w[:10].reshape(5, 2))
whole = check_model(VAE(6, 3, hidden=(8,), bound="iwae", n_samples=4, dtype="float64"), rng.integers(0, 2, (4, 6)).astype(float))
print(f"gradient checks: L_k {report.error:.1e}, the whole model with the k-sample bound {whole.error:.1e}")
assert report.ok and whole.ok

fig, ax = plt.subplots()
ax.errorbar(counts, means, 2 * errors, fmt="o-", label="mean of L_k (± 2 standard errors)")
ax.axhline(log_p1, color="black", linestyle="--", linewidth=2, label="log p(x)")
ax.axhline(exact_elbo, color="#D55E00", linestyle=":", label="ELBO, exact")
ax.set_xscale("log", base=2)
ax.set(xlabel="k, samples per datum", ylabel="bound (nats)", title="More samples tighten the bound")
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# D0's "works great" holds here because $q$ is wider than the posterior. A narrow $q$ can give weights of infinite variance: the mean still tends
# to $p(x)$, but slowly and by rare, huge weights. Notebook 04 shows such a case.

# %% [markdown]
# ## Exercises
#
# **1.** The bound of section 6 as a pair. Forward: $\mathrm{ELBO}(\log\sigma) = r-\tfrac12c\,\sigma^2-\mathrm{KL}$ with
# $\mathrm{KL}=\tfrac12(\sigma^2+m^2-1)-\log\sigma$, for an array of $\log\sigma$ and the constants below; backward: its derivative times `dout`.

# %%
r, m = 0.4, 0.7  # log p(x|z*) and the mean of q; c is that of section 6


def point_mass_elbo_forward(log_sigma):
    raise NotImplementedError("about 3 lines: sigma2, the ELBO, and (elbo, cache)")


def point_mass_elbo_backward(dout, cache):
    raise NotImplementedError("about 2 lines: unpack sigma2, return dout times the derivative by log_sigma")


# %%
def check_exercise_1(forward, backward):
    report = check(forward, backward, np.linspace(-3, 1, 7))
    print(report)
    assert report.ok
    log_sigma = np.array([-0.5 * np.log(1 + c)])
    out, cache = forward(log_sigma)
    expected = r - (m**2 + np.log(1 + c)) / 2  # its value at the optimum, worked out by hand
    assert abs(out[0] - expected) < 1e-12, "forward is not the ELBO"
    assert abs(backward(np.ones(1), cache)[0]) < 1e-12, "the slope at the optimum must be 0"
    print("exercise 1: right")


try:
    check_exercise_1(point_mass_elbo_forward, point_mass_elbo_backward)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# **2.** Within the diagonal Gaussians, the bound of the first model (D = 5, K = 2) is largest at $\mu=$ the posterior mean and
# $\sigma_j^2=1/\Lambda_{jj}$, with $\Lambda$ the posterior *precision*. Write a function that returns this bound's gap to $\log p(x)$, by the
# theorem of section 3, without ever computing an ELBO.


# %%
def diagonal_gap(posterior_covariance):
    raise NotImplementedError("about 3 lines: the precision, the diagonal covariance of q, and gaussian_kl with equal means")


# %%
def check_exercise_2(diagonal_gap):
    precision = np.linalg.inv(posterior_covariance)
    direct = log_px - model.bound(x, posterior_mean, np.diag(1 / np.diag(precision)))
    answer = diagonal_gap(posterior_covariance)
    print(f"your gap {answer:.10f}, log p(x) - ELBO {direct:.10f}")
    assert abs(answer - direct) < 1e-10 and direct > 0
    wrong_choice = log_px - model.bound(x, posterior_mean, np.diag(np.diag(posterior_covariance)))
    print(f"with the marginal variances instead: {wrong_choice:.10f}, a larger gap")
    assert wrong_choice > direct
    print("exercise 2: right")


try:
    check_exercise_2(diagonal_gap)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# ## Solutions
#
# Folded below.


# %% jupyter={"source_hidden": true} tags=["solution"]
def solution_1_forward(log_sigma):
    sigma2 = np.exp(2 * log_sigma)
    elbo = r - c * sigma2 / 2 - (sigma2 + m**2 - 1) / 2 + log_sigma
    return elbo, sigma2


def solution_1_backward(dout, cache):
    sigma2 = cache
    return dout * (1 - (1 + c) * sigma2)


check_exercise_1(solution_1_forward, solution_1_backward)


# %% jupyter={"source_hidden": true} tags=["solution"]
def solution_2(posterior_covariance):
    precision = np.linalg.inv(posterior_covariance)
    S = np.diag(1 / np.diag(precision))
    return gaussian_kl(np.zeros(K), S, np.zeros(K), posterior_covariance)


check_exercise_2(solution_2)
