# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 05 The ELBO, three ways
#
# The evidence lower bound, ELBO, is what a VAE maximises in place of log p(x). This notebook derives it three times, says exactly how far it
# lies below log p(x), and reads its two terms in the code of the package.
#
# Afterwards you can derive the bound from Jensen's inequality, from the KL divergence and from the calculus of variations; say exactly how
# large its gap is; explain why the best q is never a point mass; and tighten the bound with more samples.
#
# *Notation: approximate posterior; bound; encoder parameters; decoder parameters; KL; observation noise; samples of z; gradient of the loss by v.*
#
# $\mathcal{L}$ means the ELBO here, as in D0. The number of samples is L, or k in the k-sample bound of section 7.

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
    load_digits,
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
from tinyvae.estimators import standard_error
from tinyvae.exact import PPCA, GridPosterior, MeanField, correlated_gaussian
from tinyvae.params import views
from tinyvae.plots import use_style

use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Inference as an optimisation problem
#
# *Items: D3-9, D4-12, D4-14, D1-39, D1-40, D3-16.*
# *Short path.*
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
# *Corrections.* D1, "Evidence Lower BOund (ELBO)" (E21): the $dz$ is missing, and the term that is struck through, $\log p(x)$, is not zero but
# constant in $q$. D3 (E40): the conditioning bars are lost, `p(z x)` is $p(z\mid x)$; (E49): under "Variational Inference:" two topics are
# interleaved, noise and dropout belong to the denoising auto-encoder, "Express as optimization problem" belongs here.
#
# The check uses a model whose every term is known: $z\sim\mathcal{N}(0,I)$, $x\mid z\sim\mathcal{N}(Wz+b,\eta I)$ (`PPCA`), and a random Gaussian
# $q$. All logarithms of densities are then quadratic in $z$, and the expectation of a quadratic depends on the mean and the covariance of $q$ only.
# So an average over $2K$ points with that mean and covariance is exact, without sampling.
#
# The two functions below are derived in notebook 04: `M` is the posterior precision $I+W^\top W/\eta$; `more_data` checks the shape of X, and
# `LOG_2PI` is ln 2π.

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
    """log p(x|z) for the rows of z."""
    return log_normal(x - model.mean_ - z @ model.W_.T, 0, model.noise_variance_ * np.eye(D))


def log_pz(z):
    """log p(z) for the rows of z."""
    return log_normal(z, 0, np.eye(K))


log_px = model.score_samples(x)[0]
marginal = model.W_ @ model.W_.T + model.noise_variance_ * np.eye(D)
assert abs(log_px - log_normal(x, model.mean_, marginal)[0]) < 1e-10  # N(x; b, W W' + eta I)
posterior_mean, posterior_covariance = model.posterior(x)
posterior = posterior_mean[0], posterior_covariance
one_z = rng.standard_normal((1, K))  # Bayes' rule at any one z
assert abs(log_px_given(one_z) + log_pz(one_z) - log_normal(one_z, *posterior) - log_px)[0] < 1e-10

pairs = []
print("E log q   E log p(x,z)   log p(x)   their sum KL   KL in closed form")
for mean, covariance in (random_q(K), random_q(K)):
    log_q_term = expect(partial(log_normal, mean=mean, covariance=covariance), mean, covariance)
    joint_term = expect(lambda z: log_px_given(z) + log_pz(z), mean, covariance)
    kl_closed = gaussian_kl(mean, covariance, *posterior)
    total = log_q_term - joint_term + log_px
    print(f"{log_q_term:7.4f} {joint_term:14.4f} {log_px:10.4f} {total:13.4f} {kl_closed:19.4f}")
    assert abs(total - kl_closed) < 1e-10
    assert abs(log_q_term + (K * np.log(2 * np.pi * np.e) + np.linalg.slogdet(covariance)[1]) / 2) < 1e-10
    pairs.append((kl_closed, log_q_term - joint_term))
difference = pairs[0][0] - pairs[1][0]
without = pairs[0][1] - pairs[1][1]
print(f"KL of the first minus KL of the second: {difference:.4f}; without log p(x): {without:.4f}")
assert abs(difference - without) < 1e-10

# %% [markdown]
# ## 2. First way: the inequality of Jensen
#
# *Items: D2-30, D2-31, D2-32, D3-22, D3-23, D0-22.*
# *Short path.*
#
# The slide: for a convex $h$, $\mathbb{E}[h(X)]\ge h(\mathbb{E}[X])$; for a concave one the sign turns; the logarithm is concave, so
# $\mathbb{E}[\log X]\le\log\mathbb{E}[X]$. (D2 writes "log z is concave" (E38); that $z$ is only a name for the argument, not the latent variable.)
#
# Why it holds: a concave function lies below each of its tangents. Take the tangent of $\log$ at $m=\mathbb{E}[X]>0$:
# $$\log X \le \log m + \frac{X-m}{m}.$$
# Take expectations on both sides; $\mathbb{E}[X-m]=0$, so $\mathbb{E}[\log X]\le\log m = \log\mathbb{E}[X]$. Equality needs $X=m$ with probability 1.
#
# **Predict first:** X is 1 or 9 with equal probability. Is E[log X] nearer to log 3 or to log 5?

# %% tags=["answer"]
X_values = np.array([1.0, 9.0])
inside, outside = np.log(X_values.mean()), np.log(X_values).mean()
print(
    f"log E[X] = log 5 = {inside:.4f}     E[log X] = log 3 = {outside:.4f}     Jensen gap {inside - outside:.4f} nats"
)
assert abs(outside - np.log(3)) < 1e-12 and abs(inside - outside - np.log(5 / 3)) < 1e-12

fig, ax = plt.subplots()
t = np.linspace(0.5, 10, 300)
ax.plot(t, np.log(t), label="log X")
ax.plot(t, inside + (t - 5) / 5, "--", label="tangent at E[X], above the curve")
ax.plot(X_values, np.log(X_values), "o:", label="chord between the two values")
ax.vlines(5, outside, inside, color="black", linewidth=4)
ax.annotate("Jensen gap", (5, (inside + outside) / 2), (6, 0.7), arrowprops={"arrowstyle": "->"})
ax.set(xlabel="X", ylabel="log X (nats)", ylim=(-0.8, 2.8), title="The mean of the logs lies below the log of the mean")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] tags=["answer"]
# It is log 3 exactly: the mean of the logs is the log of the *geometric* mean, $\sqrt{1\cdot9}$. The gap is $\log(5/3) = 0.51$ nats.

# %% [markdown]
# For $X = e^{sY}$ with a standard normal Y, $\log\mathbb{E}X = s^2/2$ (complete the square) and $\mathbb{E}\log X = 0$: the gap is half the
# variance of log X. So it grows with the spread of the *logarithm*. D3 writes the inequality as $\log\mathbb{E}[f(x)]\ge\mathbb{E}[\log f(x)]$.
# *A nuance to D3 (E46):* this needs $f>0$, which densities and their ratios satisfy. Without it the right side does not exist, and the left
# may not either.

# %%
y, dy = np.linspace(-15, 15, 30_001, retstep=True)
normal = np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
for spread in (0.5, 1.0, 2.0):
    lognormal_gap = np.log((normal * np.exp(spread * y)).sum() * dy) - (normal * spread * y).sum() * dy
    print(f"log X of standard deviation {spread}: gap {lognormal_gap:.6f} nats")
    assert abs(lognormal_gap - spread**2 / 2) < 1e-9
with np.errstate(invalid="ignore"):
    f = np.array([-3.0, 1.0])  # not positive
    print("f = -3 or 1: log E[f] =", np.log(f.mean()), ", E[log f] =", np.log(f).mean())
    assert np.isnan(np.log(f.mean())) and np.isnan(np.log(f).mean())

# %% [markdown]
# Now the bound, line by line as in D2, for any density $q$ that is positive wherever $p(x,z)$ is:
# $$\log p(x) = \log\int p(z)\,p(x\mid z)\,dz \qquad\text{(line 1, the latent variable is integrated out)}$$
# $$= \log\int q(z)\,\frac{p(z)}{q(z)}\,p(x\mid z)\,dz \qquad\text{(line 2, multiplied and divided by } q)$$
# $$= \log\mathbb{E}_q\!\left[\frac{p(z)}{q(z)}\,p(x\mid z)\right] \qquad\text{(an expectation: Jensen applies, } X = p(z)\,p(x\mid z)/q(z))$$
# $$\ge \mathbb{E}_q\!\left[\log\frac{p(z)\,p(x\mid z)}{q(z)}\right] \qquad\text{(line 3, Jensen)}$$
# $$= \mathbb{E}_q\!\left[\log\frac{p(z)}{q(z)}\right] + \mathbb{E}_q[\log p(x\mid z)] \qquad\text{(line 4, the log of a product).}$$
# Line 3 is the bound of D0. It holds for *any* $q$ (D3). Jensen's condition for equality says when it is tight: $p(z)p(x\mid z)/q(z)$
# must be the same number for every $z$, hence $q(z)\propto p(x,z)$, hence $q(z) = p(z\mid x)$. Jensen does not say how large the gap is otherwise.
#
# The four lines as numbers, on a model whose posterior is far from Gaussian: $z\sim\mathcal{N}(0,1)$, $x = z^2 + $ noise of variance 0.25,
# observed $x=1.5$. Both $z$ and $-z$ explain it equally well. The integrals are sums over a fine grid.
#
# **Predict first:** take $q=\mathcal{N}(0.5, 1)$. Does Jensen's step, line 2 to line 3, lose about 0.05, 0.5 or 5 nats?

# %% tags=["answer"]
eta2, x2 = 0.25, np.array([1.5])


def log_px_square(x, z):
    """log N(x; z^2, eta2), for x of shape (1,) and z of shape (M, 1)."""
    return -((x - z**2) ** 2 / eta2 + np.log(2 * np.pi * eta2))[:, 0] / 2


grid = GridPosterior(log_px_square, n_latent=1, n=1401, width=7)
z, dz = grid.z[:, 0], grid.cell
log_prior = -(z**2 + np.log(2 * np.pi)) / 2
log_joint = log_px_square(x2, grid.z) + log_prior
x_axis, dx = np.linspace(-4, 6, 1001, retstep=True)
mass = [sum(np.exp(log_px_square(np.array([v]), np.array([[at]])))[0] for v in x_axis) * dx for at in (0.0, 1.2)]
assert np.abs(np.array(mass) - 1).max() < 1e-9  # p(x|z) is a density in x


def log_q_normal(mu, sigma):
    """log N(z; mu, sigma^2) on the grid."""
    return -(((z - mu) / sigma) ** 2 + np.log(2 * np.pi)) / 2 - np.log(sigma)


log_q = log_q_normal(0.5, 1.0)
q = np.exp(log_q)
assert abs(np.exp(log_q_normal(-0.3, 0.4)).sum() * dz - 1) < 1e-9 and abs(q.sum() * dz - 1) < 1e-9
assert abs(q @ z * dz - 0.5) < 1e-9 and abs(q @ (z - 0.5) ** 2 * dz - 1) < 1e-8
line1 = np.log(np.sum(np.exp(log_joint)) * dz)
line2 = np.log(np.sum(q * np.exp(log_joint - log_q)) * dz)
line3 = np.sum(q * (log_joint - log_q)) * dz
line4 = np.sum(q * (log_prior - log_q)) * dz + np.sum(q * log_px_square(x2, grid.z)) * dz
for n, value in enumerate((line1, line2, line3, line4), 1):
    print(f"line {n}: {value:.6f} nats")
assert abs(line1 - line2) < 1e-12 and abs(line3 - line4) < 1e-12 and 4.5 < line2 - line3 < 5
# By hand: E_q (x - z^2)^2 with E z^2 = 1.25, E z^4 = 0.5^4 + 6 (0.5^2) + 3 = 4.5625, and the KL of N(0.5, 1) to the prior.
by_hand = -(1.5**2 - 2 * 1.5 * 1.25 + 4.5625) / (2 * eta2) - np.log(2 * np.pi * eta2) / 2 - 0.5**2 / 2
assert abs(line3 - by_hand) < 1e-6

log_posterior = log_joint - line1
tight = np.sum(np.exp(log_posterior) * (log_joint - log_posterior)) * dz
print(f"line 3 with q = p(z|x): {tight:.6f}, which is log p(x)")
far = np.abs(z) > 1.7  # where the loss of Jensen's step comes from
share = np.sum((q * (log_q - log_posterior))[far]) * dz
print(f"|z| > 1.7 holds {q[far].sum() * dz:.2f} of q and makes {share:.2f} of the {line1 - line3:.2f} nats")
assert 0.12 < q[far].sum() * dz < 0.14 and 3.9 < share < 4.0
assert abs(tight - line1) < 1e-12

# %% [markdown] tags=["answer"]
# Nearly 5: 4.75 nats, and 4.0 of them from the 13 % of q beyond $|z|=1.7$, where $(x-z^2)^2$ is large: the *logarithm* of a tiny number weighs
# heavily in line 3, while in line 2 such z add almost nothing. With $q=p(z\mid x)$ nothing is lost.

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
# In a picture: one digit, the linear model with K = 8, and five q. (After `fit` its posterior is diagonal, so each dimension has a σ; log p(x) is that
# of a density, and may be positive.) The bar as a whole is log p(x). A q can only move the cut.

# %%
digits = load_digits()[0].astype(np.float64)
digit_model = PPCA(8).fit(digits)
digit, digit_log_px = digits[:1], digit_model.score_samples(digits[:1])[0]
(m_exact,), S_exact = digit_model.posterior(digit)
candidates = {
    "q = p(z|x)": (m_exact, S_exact),
    "σ halved": (m_exact, S_exact / 4),
    "μ off by one σ": (m_exact + np.sqrt(np.diag(S_exact)), S_exact),
    "σ doubled": (m_exact, 4 * S_exact),
    "μ off by two σ": (m_exact + 2 * np.sqrt(np.diag(S_exact)), S_exact),
}
by_hand = 8 * np.array([0, 1 / 4 - 1 + np.log(4), 1, 4 - 1 - np.log(4), 2**2]) / 2  # each dimension in units of its σ
cuts = np.array([digit_model.bound(digit, mean[None], covariance) for mean, covariance in candidates.values()])
rest = np.array([gaussian_kl(*q_now, m_exact, S_exact) for q_now in candidates.values()])
for name, cut, kl_now in zip(candidates, cuts, rest):
    print(f"{name:17}: ELBO {cut:7.3f} + KL {kl_now:6.3f} = {cut + kl_now:.3f} nats")
assert np.abs(cuts + rest - digit_log_px).max() < 1e-9 and np.abs(rest - by_hand).max() < 1e-9

fig, ax = plt.subplots(figsize=(8, 5))
rows = np.arange(len(candidates))[::-1]
ax.barh(rows, cuts, 0.6, color="#CCCCCC", edgecolor="black", label="ELBO(q)")
ax.barh(rows, rest, 0.6, left=cuts, color="white", edgecolor="black", hatch="///", label="KL(q ‖ p(z|x))")
for row, cut, kl_now in zip(rows, cuts, rest):
    ax.text(cut / 2, row, f"{cut:.1f}", ha="center", va="center")
    ax.text(digit_log_px + 0.4, row, f"KL {kl_now:.1f}", ha="left", va="center")
ax.axvline(digit_log_px, color="black", linestyle="--", linewidth=2)
ax.set_yticks(rows, candidates)
ax.set(
    xlabel="nats", xlim=(0, digit_log_px + 6), ylim=(-0.5, 6.1), title="The whole is log p(x) and stays; the cut moves"
)
ax.text(digit_log_px - 0.4, 4.7, f"log p(x) = {digit_log_px:.1f}", ha="right", va="center")
ax.legend(loc="upper left", ncols=2, columnspacing=1)
plt.show()

# %% [markdown]
# In the code of the bound, `r` is the residual at the mean of q, and `spread` is what the width of q adds to the squared error, for
# $\mathbb{E}_q\|x-b-Wz\|^2 = \|x-b-Wm\|^2 + \mathrm{tr}(WSW^\top)$ with $q=\mathcal{N}(m,S)$.

# %%
show(PPCA.bound)

# %% [markdown]
# 200 random Gaussian q for the x of section 1. The points lie on a line of slope −1 that ends in log p(x).

# %%
kls, elbos = [], []
for _ in range(200):
    mean, covariance = random_q(K)
    kls.append(gaussian_kl(mean, covariance, *posterior))
    elbos.append(model.bound(x, mean[None], covariance))
kls, elbos = np.array(kls), np.array(elbos)
print(f"log p(x) = {log_px:.4f}")
print(f"ELBO from {elbos.min():.2f} to {elbos.max():.2f}, KL from {kls.min():.2f} to {kls.max():.2f} nats")
assert np.abs(log_px - elbos - kls).max() < 1e-10 and np.ptp(kls) > 10
met = model.bound(x, posterior_mean, posterior_covariance)
print(f"q = p(z|x): ELBO {met:.4f}")
assert abs(met - log_px) < 1e-10

fig, ax = plt.subplots()
ax.plot(kls, elbos, "o", markersize=6, alpha=0.6, label="200 random q")
ax.plot(0, met, "*", markersize=20, label="q = p(z|x)")
ax.axhline(log_px, color="black", linestyle="--", linewidth=2, label="log p(x)")
ax.set(xlabel="KL(q ‖ p(z|x)) (nats)", ylabel="ELBO (nats)", title="What the KL gains the ELBO loses")
ax.legend()
plt.show()

# %% [markdown]
# On D1, "Evidence Lower BOund (ELBO)" ("it is achieved when q(z) = p(z|x)" is right):
#
# - a nuance, "because log p(x) is a constant" (E23): constant in $q$. It depends on the decoder, and moves while the decoder trains.
# - a correction, "evidence = KL + ELBO" (E24): it is the *log* evidence.
#
# **Predict first:** D1 calls the ELBO "the lowest possible value of the evidence". Is there a lowest ELBO? Keep the mean of q right and let its
# covariance be $I$, $100\,I$, $10000\,I$.

# %% tags=["answer"]
for spread in (1, 100, 10_000):
    value = model.bound(x, posterior_mean, spread * np.eye(K))
    print(f"covariance of q = {spread:5d} I: ELBO {value:12.2f}")
    assert abs(log_px - value - gaussian_kl(posterior[0], spread * np.eye(K), *posterior)) < 1e-8
assert value < -1e4

# %% [markdown] tags=["answer"]
# No: it falls without end (the trace grows like the covariance, the entropy like its logarithm). *A correction to D1 (E25):* what is true in its
# sentence is that $\log p(x)$ is never less than the ELBO. But $\log p(x)$ is one number; what varies is the ELBO, and its *largest* value is
# $\log p(x)$.

# %%
moved = PPCA(K)
moved.mean_, moved.noise_variance_ = model.mean_, model.noise_variance_
changes = []
for factor in (0.5, 2.0):
    moved.W_ = factor * model.W_
    value = log_normal(x, model.mean_, factor**2 * model.W_ @ model.W_.T + 0.5 * np.eye(D))[0]
    assert abs(moved.score_samples(x)[0] - value) < 1e-10
    changes.append(abs(value - log_px))
    print(f"log p(x) with this decoder {log_px:.4f}, with {factor:g} W {value:.4f}")
assert max(changes) > 0.1
print(f"KL + ELBO {kls[0] + elbos[0]:.4f}, log evidence {log_px:.4f}, evidence {np.exp(log_px):.2e}")
assert abs(kls[0] + elbos[0] - np.exp(log_px)) > 1

# %% [markdown]
# **As in EM** (D2). The bound is a function of two arguments, $\mathcal{F}(\theta,q)$. Expectation maximisation raises it in one, then in the other:
# the E-step sets $q=p(z\mid x)$, which closes the gap; the M-step changes $\theta$ at fixed $q$. After the E-step the bound touches $\log p$;
# whatever the M-step gains, $\log p$ gains at least as much, for the gap was 0 and cannot become negative. A VAE does the same with gradient
# steps in both arguments and a $q$ that may not reach the posterior. (*A nuance to D1 (E26):* a VAE does have parameters to estimate; its
# training is such an EM by gradients. Notebook 08 goes into it.)

# %%
# each step starts from the q of the step before; the first from the prior
X_em = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6)) + 0.5 * rng.standard_normal((200, 6))
em = PPCA(2).start(X_em, seed=1)
scores = [em.score(X_em)]
for step in range(6):
    mean, covariance = em.posterior(X_em)
    before, after_e, after_m = em.em_step(X_em)
    print(f"step {step}: bound {before:8.4f}  -> E {after_e:8.4f} (log p {scores[-1]:8.4f})  -> M {after_m:8.4f}")
    scores.append(em.score(X_em))
    assert before < after_e < after_m < scores[-1] and abs(after_e - scores[-2]) < 1e-10
at_best, W_best, eta_best = em.bound(X_em, mean, covariance), em.W_, em.noise_variance_
assert abs(at_best - after_m) < 1e-10
for name, value in (("W_", 1.01 * W_best), ("W_", 0.99 * W_best)):
    setattr(em, name, value)
    assert em.bound(X_em, mean, covariance) < at_best - 1e-5  # the M-step is the best W for this q
em.W_ = W_best
for eta_other in (1.01 * eta_best, 0.99 * eta_best):
    em.noise_variance_ = eta_other
    assert em.bound(X_em, mean, covariance) < at_best - 1e-5  # and the best eta

# %% [markdown]
# ## 4. Third way: the calculus of variations
#
# *Items: D1-57, D1-58, D2-39.*
#
# The slides: "variational" points to the calculus of variations, an optimisation over functions (D1); the name is a historical accident, for
# this is not how VAEs are trained (D2). (*A correction to D1 (E28):* "Calculus of variations" has $\arg\max$ of an error $\mathcal{E}$; for an
# error it is $\arg\min$.) Here the function is $q$, and
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
# First the derivative, against a central difference along one direction $h$, for the model and the q of section 2.

# %%


def F(q, log_q):
    """The bound of a density on the grid, in nats."""
    return np.sum(q * (log_joint - log_q)) * dz


u = np.sin(3 * z)
h = q * (u - np.sum(q * u) * dz)
assert abs(h.sum() * dz) < 1e-12 and np.abs(h / q).max() < 2  # its integral is 0; q + t h stays positive for small t
t = 1e-5
numeric = (F(q + t * h, np.log(q + t * h)) - F(q - t * h, np.log(q - t * h))) / (2 * t)
functional = np.sum(h * (log_joint - log_q - 1)) * dz
print(f"derivative of F along h: functional derivative {functional:.6f}, central difference {numeric:.6f}")
assert abs(numeric / functional - 1) < 1e-7
t = 1e-3
second = (F(q + t * h, np.log(q + t * h)) - 2 * F(q, log_q) + F(q - t * h, np.log(q - t * h))) / t**2
print(f"second derivative: {second:.4f} against -integral of h^2/q {-np.sum(h**2 / q) * dz:.4f}")
assert abs(second / (-np.sum(h**2 / q) * dz) - 1) < 1e-5

# %% [markdown]
# Then climb, from the prior, which has one hump. At each step $\log q$ moves by 0.3 times the functional derivative at every $z$, and $q$ is
# normalised again (which takes all constants out, the −1 included). So $\log q$ goes 30 % of the way to $\log p(x,z)$ in every step, and after t
# steps $q_t\propto p(z)^{0.7^t}\,p(x,z)^{1-0.7^t}$.

# %%
log_q_t, path, bounds = log_prior.copy(), [], []
for _ in range(61):
    path.append(np.exp(log_q_t))
    bounds.append(F(path[-1], log_q_t))
    log_q_t = log_q_t + 0.3 * (log_joint - log_q_t - 1)
    log_q_t -= np.log(np.sum(np.exp(log_q_t)) * dz)
exact_density = grid.posterior(x2)
print(f"log p(x) {line1:.4f}; bound at the start {bounds[0]:.4f}, after 5 steps {bounds[5]:.4f}, 60 {bounds[-1]:.4f}")
mixed = np.exp(0.7**5 * log_prior + (1 - 0.7**5) * log_joint)
assert np.abs(path[5] - mixed / (mixed.sum() * dz)).max() < 1e-10
assert np.diff(bounds).min() > -1e-12 and bounds[0] < line1 - 2 and abs(bounds[-1] - line1) < 1e-10
assert np.abs(path[-1] - exact_density).max() < 1e-8

fig, ax = plt.subplots()
for n, style in ((0, ":"), (1, "-."), (5, "--")):
    ax.plot(z, path[n], style, label=f"q after {n} steps" if n != 1 else "q after 1 step")
ax.plot(z, path[-1], color="black", linewidth=6, alpha=0.35, label="q after 60 steps")
ax.plot(z, exact_density, color="black", linewidth=1.5, label="p(z|x)")
ax.set(xlabel="z (prior standard deviations)", ylabel="density", xlim=(-3, 3), title="The ascent ends at the posterior")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Over all functions the gap closes. This is D2's historical accident: a VAE no longer varies a function, it varies the two numbers $\mu$ and
# $\log\sigma$ of a Gaussian by ordinary gradients, and keeps the name.
#
# **Predict first:** where does the best *Gaussian* settle, between the humps or on one of them? How many nats does it stay below log p(x)?

# %% tags=["answer"]
grid_of_q = [(m, s) for m in np.linspace(-2, 2, 81) for s in np.geomspace(0.05, 2, 75)]
values = np.array([F(np.exp(log_q_normal(m, s)), log_q_normal(m, s)) for m, s in grid_of_q])
m_best, s_best = grid_of_q[values.argmax()]
log_best = log_q_normal(abs(m_best), s_best)
gap_best = line1 - values.max()
kl_best = np.sum(np.exp(log_best) * (log_best - log_posterior)) * dz
right = z > 0
kl_right = np.sum((np.exp(log_best) * (log_best - (log_posterior + np.log(2))))[right]) * dz
print(f"best of {len(grid_of_q)} Gaussians: |mu| {abs(m_best):.2f}, sigma {s_best:.3f}; its gap {gap_best:.3f} nats")
print(f"ln 2 = {np.log(2):.3f}, and {kl_right:.3f} nats to the right hump alone")
assert abs(gap_best - kl_best) < 1e-9 and abs(gap_best - np.log(2) - kl_right) < 1e-4 and 0 < kl_right < 0.06
assert abs(abs(m_best) - 1.1) < 0.06 and 0.2 < s_best < 0.25
middle = max(v for v, (m, s) in zip(values, grid_of_q) if abs(m) < 1e-9)
print(f"the best Gaussian with mean 0: gap {line1 - middle:.3f} nats")
assert line1 - middle > 2 * gap_best

fig, ax = plt.subplots()
ax.plot(z, exact_density, color="black", label="p(z|x)")
ax.plot(z, np.exp(log_best), "--", label="best Gaussian")
ax.set(xlabel="z (prior standard deviations)", ylabel="density", xlim=(-3, 3), title="The best Gaussian takes one hump")
ax.legend(loc="upper left")
plt.show()

# %% [markdown] tags=["answer"]
# On one hump, 0.74 nats below. If q lives where z > 0, the posterior there is half of $p(z\mid x, z>0)$, so
# $\mathrm{KL}(q\,\|\,p(z\mid x)) = \ln2+\mathrm{KL}(q\,\|\,p(z\mid x,z>0))$: ln 2 is the price of leaving out half of the posterior, 0.04 nats the
# price of the hump's shape. A Gaussian in the middle would pay more than twice as much.

# %% [markdown]
# **Between all functions and Gaussians** stands *mean field*, the classical use of this calculus: two latents, $q(z_1,z_2)=q_1(z_1)\,q_2(z_2)$, and both
# factors are free functions. Put this into F, with the entropies of both:
# $$F[q_1,q_2] = \int q_1(z_1)\,\mathbb{E}_{q_2}[\log p(x,z)]\,dz_1 - \int q_1\log q_1\,dz_1 - \int q_2\log q_2\,dz_2 .$$
# Push $q_1$ alone, $q_1+th$, and differentiate as above, with a multiplier for $\int q_1=1$:
# $$\frac{\delta F}{\delta q_1(z_1)} = \mathbb{E}_{q_2}[\log p(x,z)] - \log q_1(z_1) - 1 + \lambda = 0 \quad\Rightarrow\quad
# \log q_1(z_1) = \mathbb{E}_{q_2}[\log p(x,z)] + \text{const}.$$
# This is **[MF.1]**; $q_2$ has its own, with $\mathbb{E}_{q_1}$. Each needs the other, so they are updated in turns. F is strictly concave in each
# factor alone, so no update lowers it. (In both together it is not concave: there may be several optima.)

# %%
show(MeanField.fit)

# %% [markdown]
# For a Gaussian with variances 1 and correlation ρ, $\log p = -\frac{z_1^2-2\rho z_1z_2+z_2^2}{2(1-\rho^2)}+\text{const}$, so
# $\mathbb{E}_{q_2}[\log p] = -\frac{(z_1-\rho\,\mathbb{E}[z_2])^2}{2(1-\rho^2)}+\text{const}$ for *any* $q_2$: $q_1$ is a Gaussian because p is,
# not because anybody chose one, with the variance $1-\rho^2$ of $p(z_1\mid z_2)$. At the optimum the means are 0 and the gap is
# $\mathrm{KL} = \frac12\big(\sum_j\ln\Lambda_{jj}-\ln|\Lambda|\big) = -\frac12\ln(1-\rho^2)$, with the precision $\Lambda_{jj}=\frac1{1-\rho^2}$,
# $|\Lambda|=\frac1{1-\rho^2}$.
#
# **Predict first:** ρ = 0.9 on a grid of 201 × 201 points. How wide is $q_1$ beside $p(z_1)$, and how many nats does the product lose?

# %% tags=["answer"]
field = MeanField(correlated_gaussian(0.9)).fit()
(mean_1, variance_1), _ = field.moments()
print(f"variance of q1 {variance_1:.6f} (of p(z1): 1); gap {field.gap_:.8f}, formula {-np.log(1 - 0.9**2) / 2:.8f} nats")
assert abs(variance_1 - 0.19) < 1e-9 and abs(field.gap_ + np.log(1 - 0.9**2) / 2) < 1e-9 and abs(mean_1) < 1e-9
far = MeanField(correlated_gaussian(0.9)).fit(sweeps=3, start=(3, 0.5))
print("started at 3: the ELBO after each half step", far.elbos_.round(3), "and its limit", round(field.elbos_[-1], 3))
assert np.diff(far.elbos_).min() > 0 and abs(far.moments()[1][0] - 3 * 0.81**3) < 1e-6

fig, ax = plt.subplots()
ax.plot(field.axis, field.marginals()[0], color="black", label="p(z1|x)")
ax.plot(field.axis, field.q1_, "--", label="q1(z1)")
ax.set(xlabel="z1", ylabel="density", xlim=(-4, 4), title="The best product has factors that are too narrow")
ax.legend(loc="upper left")
plt.show()

# %% [markdown] tags=["answer"]
# Variance .19, standard deviation .44 in place of 1, and .83 nats lost: $q_1$ has the width of the *conditional* $p(z_1\mid z_2)$. Whoever reads error bars from a
# factor of q is too sure by a factor of 2.3. From a start at 3 the mean comes back by ρ² = .81 in each sweep: the more correlated, the slower. (08,
# section 2, has the same loss for q that are Gaussian from the start.)

# %% [markdown]
# ## 5. One bound, three forms, two terms
#
# *Items: D1-41, D3-19, D4-15, D4-16, D1-43, D1-44, D1-45, D2-38.*
# *Short path.*
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
# What the two terms want. The first asks for good reconstructions. The second keeps $q$ near the prior. (*A nuance to D4 (E54):* it speaks of
# the "true prior"; a prior is chosen, here $\mathcal{N}(0,I)$, and is neither true nor false.) D1: likelihood plus prior, the usual combination in
# Bayesian learning. In a maximum-a-posteriori estimate the prior weighs one value of $z$, here it weighs a whole distribution.
#
# Signs. *A correction to D3 (E43):* it uses $\mathcal{L}$ for the bound, which is maximised, under "ELBO Formulation", and for losses, which are
# minimised, under "Loss Function"; D1's $\mathcal{L}_i$ is $-\mathrm{ELBO}$. In the package the bound keeps its sign, and the minus occurs once:
# $\text{loss} = -\text{mean}(\text{ELBO})$. *And to D2 (E32):* physics calls $U-TS$ the free energy and *minimises* it. With
# $U(z)=-\log p(x,z)$ and $T=1$ it is $\mathbb{E}_q[U]-H(q) = -\mathcal{F}$, so D2's "free energy" $\mathcal{F}$ is its negative.

# %%
mean, covariance = random_q(K)
reconstruction = expect(log_px_given, mean, covariance)
entropy = K / 2 * np.log(2 * np.pi * np.e) + np.linalg.slogdet(covariance)[1] / 2
form_a = expect(lambda z: log_px_given(z) + log_pz(z), mean, covariance) + entropy
form_b = (
    reconstruction
    + expect(log_pz, mean, covariance)
    - expect(lambda z: log_normal(z, mean, covariance), mean, covariance)
)
form_c = reconstruction - gaussian_kl(mean, covariance, np.zeros(K), np.eye(K))
free_energy = expect(lambda z: -log_px_given(z) - log_pz(z), mean, covariance) - entropy
bound = model.bound(x, mean[None], covariance)
print(f"a {form_a:.4f}   b {form_b:.4f}   c {form_c:.4f}   PPCA.bound {bound:.4f}   -free energy {-free_energy:.4f}")
assert np.ptp([form_a, form_b, form_c, bound, -free_energy]) < 1e-10 and bound < log_px

# %% [markdown]
# *A correction to D3 (E42):* "Term 1: Expected likelihood" should read expected *log*-likelihood. The word matters.
#
# **Predict first:** take it literally, $\log\mathbb{E}_q[p(x\mid z)]-\mathrm{KL}(q\,\|\,p(z))$, with the exact posterior as q. Is it below log p(x),
# equal to it, or above?

# %% tags=["answer"]
m_post, S_post = posterior
likelihood = log_normal(x, model.mean_ + model.W_ @ m_post, model.W_ @ S_post @ model.W_.T + 0.5 * np.eye(D))[0]
draws = m_post + rng.standard_normal((100_000, K)) @ np.linalg.cholesky(S_post).T
by_draws = np.exp(log_px_given(draws))
assert abs(by_draws.mean() / np.exp(likelihood) - 1) < 4 * by_draws.std() / by_draws.mean() / np.sqrt(100_000)
to_prior = gaussian_kl(m_post, S_post, np.zeros(K), np.eye(K))
expected_log = expect(log_px_given, m_post, S_post)
print(f"log of the expected likelihood {likelihood:.4f} - KL {to_prior:.4f} = {likelihood - to_prior:.4f}")
print(
    f"expected log-likelihood        {expected_log:.4f} - KL {to_prior:.4f} = {expected_log - to_prior:.4f} = log p(x)"
)
assert abs(expected_log - to_prior - log_px) < 1e-10 and likelihood - to_prior > log_px + 0.2

# %% [markdown] tags=["answer"]
# Above: it is no bound. By Jensen $\log\mathbb{E}_q[p(x\mid z)]\ge\mathbb{E}_q[\log p(x\mid z)]$, and the right side *minus the KL* is
# $\log p(x)$ already if q is the posterior; the left side minus the same KL lies above it. (Here $\mathbb{E}_q[p(x\mid z)]$ is the Gaussian $\mathcal{N}(x;\,Wm+b,\,WSW^\top+\eta I)$.)

# %% [markdown]
# In the package form (c) is **[ELBO.1]**:
# $$\mathrm{ELBO} = \mathbb{E}_q[\log p(x\mid z)] - \mathrm{KL}(q(z\mid x)\,\|\,p(z)) \le \log p(x),$$
# the expectation being a mean over $L$ samples $z=\mu+\sigma\varepsilon$, the KL in closed form. Its backward pass is **[ELBO.2]**: the same
# lines from last to first. A change of $\mu$ or $\log\sigma$ acts on both terms, so their gradients add,
# $$d\mu = d\mu_{\text{via } z} + d\mu_{\mathrm{KL}}, \qquad d\log\sigma = d\log\sigma_{\text{via } z} + d\log\sigma_{\mathrm{KL}},$$
# while the decoder hears of the first term only.
#
# In the code `q` is the pair $(\mu,\log\sigma)$ and `parts` holds what the model is made of: two networks, and records of $q(z\mid x)$, $p(z)$ and
# $p(x\mid z)$. Here $q$ is a diagonal Gaussian and $p(z)$ is $\mathcal{N}(0,I)$. `encode_forward`, `decode_forward` and `log_px_forward` are the two
# networks and the likelihood; each `..._backward` is the partner of the function of the same name, takes its cache, and adds the gradients of its
# weights to `dparams`. `draw_forward` is $z=\mu+\sigma\varepsilon$, the function `reparameterize_forward`, and `kl_term_forward` is the closed form,
# `kl_forward` of section 6, found in the table `CLOSED_KL`. (Where no closed form is known, it takes the mean of $\log q-\log p$ over the
# samples.) `features` leaves pixels as they are, and `own_values` are learned parameters that a prior or a likelihood may have; here there are none.

# %%
show(elbo_terms_forward, elbo_terms_backward)
show(draw_forward, kl_term_forward)

# %% [markdown]
# The weights of the two terms, 1 and $\beta=1$, enter in `elbo_forward`, the minus in `VAE.loss_forward`. Its batch is a pair, data and labels,
# which this model does not use; `_checked` takes the pair apart, and `BOUNDS` is the table of the two bounds, "elbo" and "iwae" (section 7).

# %%
show(elbo_forward, VAE.loss_forward)

# %% [markdown]
# Does this code compute the bound? `to_vae` makes a linear VAE whose $q$ is the exact posterior. (It first turns z so that the columns of W are
# orthogonal; only then is the posterior diagonal.) With the $2K$ exact points of section 1 as
# $\varepsilon$ there is no sampling error, and the ELBO must be $\log p(x)$. Then the encoder is spoilt at random, and the ELBO must fall by exactly
# the KL to the posterior. So the loss is known in closed form, and its gradient by an encoder weight is that of the mean KL.

# %%
vae = model.to_vae()
X = model.sample(6, rng)
log_px_X = model.score_samples(X)
points = np.sqrt(K) * np.concatenate([np.eye(K), -np.eye(K)])  # mean 0, covariance I
eps = np.repeat(points[:, None], len(X), axis=1)


def elbo(vae):
    """The ELBO of every row of X."""
    (log_px_term, kl), _ = elbo_terms_forward(X, eps, vae.params, vae.parts)
    return log_px_term - kl


assert np.abs(elbo(vae) - log_px_X).max() < 1e-10
print("exact encoder: the ELBO of each datum is log p(x), to 10 digits")
mu0, log_sigma0 = vae.encode(X)


def kl_to_posterior(other):
    """KL(q || p(z|x)) for every row of X, q from the encoder of `other`, in closed form; the posterior is `vae`'s q."""
    heads = zip(*other.encode(X), mu0, log_sigma0)
    return np.array([gaussian_kl(m1, np.diag(np.exp(2 * s1)), m0, np.diag(np.exp(2 * s0))) for m1, s1, m0, s0 in heads])


spoilt = vae.copy("float64")
for name in ("encoder.head.W", "encoder.head.b"):
    spoilt.params[name][...] += 0.1 * rng.standard_normal(spoilt.params[name].shape)
gap = log_px_X - elbo(spoilt)
print("spoilt encoder, gap of each datum ", gap.round(4))
print("KL(q || p(z|x)) in closed form    ", kl_to_posterior(spoilt).round(4))
assert np.abs(gap - kl_to_posterior(spoilt)).max() < 1e-10 and gap.min() > 1e-3

loss, dtheta = spoilt.loss_and_grad(X, eps)
known = -(log_px_X - kl_to_posterior(spoilt)).mean()
print(f"loss {loss:.4f}; in closed form {known:.4f}")
assert abs(loss - known) < 1e-10
grads = views(dtheta, spoilt.shapes)
for name, place in (
    ("encoder.head.W", (1, 0)),
    ("encoder.head.W", (2, 3)),
    ("encoder.head.b", (1,)),
    ("encoder.head.b", (2,)),
):
    ends = []
    for push in (1e-5, -1e-5):
        pushed = spoilt.copy("float64")
        pushed.params[name][place] += push
        ends.append(kl_to_posterior(pushed).mean())
    slope = (ends[0] - ends[1]) / 2e-5
    print(f"{name}{list(place)}: gradient of the loss {grads[name][place]:9.5f}, of the mean gap {slope:9.5f}")
    assert abs(grads[name][place] - slope) < 1e-7 and abs(slope) > 1e-3

heavier = spoilt.copy("float64")
heavier.beta = 3.0
other = views(heavier.loss_and_grad(X, eps)[1], spoilt.shapes)
assert all(np.array_equal(grads[name], other[name]) for name in grads if name.startswith("decoder"))
assert all(np.abs(grads[name] - other[name]).max() > 0.1 for name in grads if name.startswith("encoder"))
print("with the KL weighed three times the decoder's gradient is the same, the encoder's is not")

tiny_vae, pixels = VAE(6, 3, hidden=(8,), n_samples=2, dtype="float64"), rng.integers(0, 2, (4, 6)).astype(float)
assert check_model(tiny_vae, pixels).ok
print("gradient check of the whole ELBO, a nonlinear VAE: passed")

# %% [markdown]
# ## 6. The point mass: why the best q has a width
#
# *Items: D2-41, D2-42, D2-43.*
#
# The slide: the reconstruction term alone wants a point mass at $z_*=\arg\min_z\|x-G_\theta(z)\|^2$; a point mass has infinite KL (an exercise);
# so the KL term spreads $q$ out.
#
# *A correction to D2 (E30):* it says that the reconstruction term "is minimized" by the point mass. The squared error is minimised; the term, with
# its minus sign, is *maximised*. And the noise variance, $\eta$ on the earlier slides, is called $\sigma^2$ there; it is not the $\sigma$ of $q$.
#
# The experiment: one latent dimension, a linear decoder with four pixels, and $q=\mathcal{N}(z_*,\sigma^2)$.
#
# **Predict first:** q is narrowed from σ = 2⁻¹⁰ to σ = 2⁻³⁰. By how many nats does the reconstruction term rise, and by how many the KL?

# %% tags=["answer"]
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
for n in (0, 1, 5, 30):  # the two terms by the closed bound of PPCA, and by integrals over y = (z - mean) / sigma
    assert abs(reconstruction[n] - kl[n] - thin.bound(x_thin, np.array([[z_star]]), np.array([[sigma[n] ** 2]]))) < 1e-9
    at = z_star + sigma[n] * y
    by_grid = (normal * (-((x_thin - at[:, None] * w) ** 2).sum(1) / 0.2 - 2 * np.log(0.2 * np.pi))).sum() * dy
    assert abs(reconstruction[n] - by_grid) < 1e-9
gain, cost = reconstruction[30] - reconstruction[10], kl[30] - kl[10]
print(f"from 2^-10 to 2^-30: the reconstruction term rises by {gain:.1e} nats, the KL by {cost:.4f}")
assert 0 < gain < 1e-5 and abs(cost - 20 * np.log(2)) < 1e-6

# %% [markdown] tags=["answer"]
# The reconstruction term by 0.000006 nats, the KL by 13.86: twenty halvings, ln 2 for each.

# %% [markdown] tags=["answer"]
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
# So in the code $d\log\sigma = dKL\,(\sigma^2-1)$ and $d\mu = dKL\,\mu$.
#
# *The reconstruction term stays bounded.* In the linear model with one latent dimension and $\|w\|^2/\eta=c$,
# $$\mathbb{E}_q[\log p(x\mid z)] = \log p(x\mid z_*)-\tfrac12\,c\,\sigma^2 ,$$
# because the residual at $z_*$ is orthogonal to $w$ and $\mathbb{E}(z-z_*)^2=\sigma^2$. As $\sigma\to0$ it gains at most $\tfrac12c\sigma^2\to0$.
# (A Bernoulli likelihood is at most 1, so this term never exceeds 0 for any decoder. A Gaussian with fixed $\eta$ is bounded too; with $\eta$
# free to go to 0 it is not, if the decoder can reproduce $x$ exactly.) Together,
# $$\frac{\partial\,\mathrm{ELBO}}{\partial\log\sigma} = -c\,\sigma^2-(\sigma^2-1) = 0 \quad\Rightarrow\quad \sigma^2=\frac1{1+c}>0,$$
# which is the variance of the exact posterior.

# %% tags=["answer"]
steps = np.diff(kl)
print(
    "KL gained by a halving: first", steps[:4].round(4), "... last", steps[-1].round(6), "  ln 2 =", np.log(2).round(6)
)
assert np.abs(steps - (np.log(2) - 3 / 8 * sigma[:-1] ** 2)).max() < 1e-12
at_star = reconstruction_term(z_star, 0.0)
c = w @ w / eta
assert np.abs(reconstruction - (at_star - c * sigma**2 / 2)).max() < 1e-10 and abs((x_thin[0] - z_star * w) @ w) < 1e-12
others = np.array(
    [reconstruction_term(z_star + s * v, u) for s in (-1, 1) for v in (0.1, 0.5, 2) for u in (0, 0.1, 1)]
)
print(f"reconstruction term of the point mass {at_star:.3f}, of 18 other q at most {others.max():.3f}: maximised")
assert others.max() < at_star

_, slope = kl_backward(np.ones(31), kl_cache)  # by log sigma
print(f"slope by log sigma at sigma = 1/2, 1/4, 1/8: {slope[1:4, 0]}, at 2^-30: {slope[30, 0]:.6f}")
assert np.abs(slope[:, 0] - (sigma**2 - 1)).max() < 1e-15
dmu, _ = kl_backward(np.array([2.0]), kl_forward(np.array([[0.7, -0.4]]), np.zeros((1, 2)))[1])
assert np.abs(dmu - 2 * np.array([[0.7, -0.4]])).max() < 1e-15
assert check(kl_forward, kl_backward, rng.standard_normal((3, 2)), rng.standard_normal((3, 2))).ok

fine = np.geomspace(1e-3, 1, 100_001)
kl_fine = kl_forward(np.full((fine.size, 1), z_star), np.log(fine)[:, None])[0]
best = fine[(reconstruction_term(z_star, fine) - kl_fine).argmax()]
exact_sigma = np.sqrt(thin.posterior(x_thin)[1][0, 0])
print(f"best sigma by search {best:.4f}, 1/sqrt(1 + c) = {1 / np.sqrt(1 + c):.4f}, exact posterior {exact_sigma:.4f}")
assert abs(exact_sigma - 1 / np.sqrt(1 + c)) < 1e-12 and abs(best / exact_sigma - 1) < 1e-4

fig, ax = plt.subplots(figsize=(8, 5))
ax.plot(halvings[:13], reconstruction[:13] - at_star, "o-", label="reconstruction, relative to the point mass")
ax.plot(halvings[:13], -(kl - kl.min())[:13], "s--", label="−KL, relative to σ = 1")
ax.plot(halvings[:13], (reconstruction - at_star - kl + kl.min())[:13], "k^:", label="their sum: the ELBO, shifted")
ax.axvline(-np.log2(exact_sigma), color="black", linewidth=1.2)
ax.text(-np.log2(exact_sigma) + 0.15, -8.3, "σ of the exact\nposterior")
ax.set(xlabel="halvings of σ (σ = 2 to the minus this)", ylabel="nats", ylim=(-9, 4.6))
ax.set_title("Halving σ costs ln 2 for ever and soon gains nothing")
ax.legend(loc="upper right")
plt.show()

# %%
show(kl_forward, kl_backward)

# %% [markdown]
# ## 7. More samples: the k-sample bound
#
# *Items: D0-22.*
#
# The slide (D0): $\log p(x)\ge\mathbb{E}_q\log\frac{p(x\mid z)\,p(z)}{q(z)}$, and its estimate with $z\sim q$ "works great". (*E1:* in our copy
# of the text the log of the estimate stands in the numerator; it belongs before the whole fraction.) The fraction is the importance weight of one sample
# **[LOGW.1]**,
# $$\log w_l = \log p(x\mid z_l)+\log p(z_l)-\log q(z_l\mid x), \qquad z_l\sim q(z\mid x).$$
# Its mean is exact for every $q$ that is positive wherever $p(x,z)$ is: $\mathbb{E}_q[w]=\int q\,\frac{p(x,z)}{q}\,dz=p(x)$. The ELBO is $\mathbb{E}[\log w]$; averaging $k$
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
# *It reaches log p(x).* By the law of large numbers $\frac1k\sum w_l\to p(x)$, so $L_k\to\log p(x)$; and $L_k\ge\frac1k\sum_l\log w_l$, whose
# negative parts are uniformly integrable if the ELBO is finite, so the expectations follow (Fatou). If the relative variance $\chi^2=\mathrm{Var}(w)/p(x)^2$ is finite
# (it need not be), expand $\log(1+\delta)\approx\delta-\delta^2/2$ with $\mathbb{E}\delta=0$, $\mathbb{E}\delta^2=\chi^2/k$: for large k the gap is
# about $\chi^2/2k$. For a Gaussian posterior $\mathcal{N}(m_0,s_0^2)$ and $q=\mathcal{N}(m_1,s_1^2)$ with $v=2s_1^2-s_0^2>0$, in each dimension,
# $$1+\chi^2 = \int\frac{p(z\mid x)^2}{q(z)}\,dz = \frac{s_1^2}{s_0\sqrt v}\,e^{(m_0-m_1)^2/v}.$$
# (The exponent is $-\frac{(z-m_0)^2}{s_0^2}+\frac{(z-m_1)^2}{2s_1^2}$. Its curvature is $-\frac{v}{s_0^2s_1^2}$, its largest value
# $\frac{(m_0-m_1)^2}{v}$, and the constants are $\frac{s_1\sqrt{2\pi}}{2\pi s_0^2}$ from the densities times $s_0s_1\sqrt{2\pi/v}$ from the
# integral.)
#
# *Backward.* **[IWAE.2]** is the derivative of a log-sum-exp: $d\log w_l = dL_k\;w_l\big/\sum_j w_j$, the normalised weights:
# samples with a large $p(x,z)/q(z\mid x)$ get the gradient. **[LOGW.2]** passes it on: with $\log\text{ratio}=\log p(z)-\log q(z\mid x)$ it is
# $d\log p_z=d\log\text{ratio}$ and $d\log q_z=-d\log\text{ratio}$, and $z$ collects three gradients, from the likelihood, the prior and $q$; the
# last two are added in `log_ratio_backward`. (`log_pz_forward` and `parts.posterior.forward` are log p(z) and log q(z∣x). `add_own` hands the
# gradients of learned parameters of a distribution to `dparams`; here there are none, and it returns what it was given.)

# %%
show(log_weight_terms_forward, log_ratio_forward, iwae_bound_forward)
show(iwae_bound_backward, log_ratio_backward, log_weight_terms_backward)

# %% [markdown]
# The same linear VAE. With q = p(z∣x) all weights are p(x). Then an encoder made wrong on purpose: shifted by 1.2 σ and 1.5 times too wide. Of its
# bounds, $\log p(x)$ and the ELBO are known in closed form, and $\mathbb{E}[L_2]$ by quadrature over two z.

# %%
x1 = X[:1]
log_p1 = model.score_samples(x1)[0]


def log_weights(vae, eps):
    """log w of the first row of X for noise eps of shape (n, 1, K), of shape (n, 1)."""
    (log_px_term, log_ratio), _ = log_weight_terms_forward(x1, eps, vae.params, vae.parts)
    return log_px_term + log_ratio


same = log_weights(vae, rng.standard_normal((1000, 1, K)))
assert np.abs(same - log_p1).max() < 1e-10
print(f"q = p(z|x): log w of 1000 samples is {log_p1:.4f} = log p(x), every time")

wrong = vae.copy("float64")
m0, s0 = vae.encode(x1)[0][0], np.exp(vae.encode(x1)[1][0])
wrong.params["encoder.head.b"][:K] += 1.2 * s0
wrong.params["encoder.head.b"][K:] += np.log(1.5)
m1, s1 = wrong.encode(x1)[0][0], np.exp(wrong.encode(x1)[1][0])
exact_elbo = log_p1 - K * (1.5**2 + 1.2**2 - 1 - 2 * np.log(1.5)) / 2
assert abs(exact_elbo - (log_p1 - gaussian_kl(m1, np.diag(s1**2), m0, np.diag(s0**2)))) < 1e-10
v = 2 * s1**2 - s0**2
chi2 = np.prod(s1**2 / (s0 * np.sqrt(v)) * np.exp((m0 - m1) ** 2 / v)) - 1

nodes, mass = np.polynomial.hermite_e.hermegauss(40)  # quadrature for a standard normal
two = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 1, K)
mass = np.outer(mass, mass).ravel() / (2 * np.pi)
at_nodes = log_weights(wrong, two)[:, 0]
exact_2 = mass @ (np.logaddexp(at_nodes[:, None], at_nodes) - np.log(2)) @ mass
assert abs(mass @ np.exp(at_nodes - log_p1) - 1) < 1e-9  # E w = p(x)
assert abs(mass @ at_nodes - exact_elbo) < 1e-9  # E log w is the ELBO
assert abs(mass @ np.exp(2 * (at_nodes - log_p1)) - 1 - chi2) < 1e-6
print(f"wrong q: log p(x) {log_p1:.4f}, E L_1 = ELBO {exact_elbo:.4f}, chi^2 {chi2:.4f}")

# %% [markdown]
# The gap is measured with fresh samples for every k. The noise of the mean of $L_k$ is mostly $\delta=\frac1k\sum w_l/p(x)-1$, whose expectation
# is 0. Subtract it, which is possible here as $p(x)$ is known, and the small gaps can be measured too.
#
# **Predict first:** the gap is 1.88 nats at k = 1. At k = 2, is it half of that, more, or less? And what comes out at k = 64 if one takes the mean
# of the logarithms, in place of the logarithm of the mean?

# %% tags=["answer"]
counts, gaps, errors = 2 ** np.arange(11), [], []
for k in counts:  # fresh samples for every k
    L_k, _ = iwae_bound_forward(log_weights(wrong, rng.standard_normal((2**18, 1, K))).reshape(k, -1))
    clean = np.expm1(L_k - log_p1) - (L_k - log_p1)  # its expectation is log p(x) - E L_k
    gaps.append(clean.mean())
    errors.append(standard_error(clean.ravel()))
gaps, errors = np.array(gaps), np.array(errors)
for k, gap_k, error in zip(counts, gaps, errors):
    print(f"k = {k:5d}: gap {gap_k:7.4f} ± {error:.4f} nats   chi^2 / 2k {chi2 / (2 * k):7.4f}")
print(f"exactly: {log_p1 - exact_elbo:.4f} at k = 1, {log_p1 - exact_2:.4f} at k = 2")
assert abs(gaps[0] - (log_p1 - exact_elbo)) < 4 * errors[0] and abs(gaps[1] - (log_p1 - exact_2)) < 4 * errors[1]
assert errors[0] < 0.02 and np.all(np.diff(gaps) < 0)  # independent draws: it could fail
late = counts >= 128
assert np.all(np.abs(gaps - chi2 / (2 * counts))[late] < 4 * errors[late]) and (errors / gaps)[late][0] < 0.06
of_logs = log_weights(wrong, rng.standard_normal((2**18, 1, K))).reshape(64, -1).mean(0)
of_logs_error = standard_error(of_logs.ravel())
print(f"mean of the logs, k = 64: {of_logs.mean():.3f} ± {of_logs_error:.3f}; the ELBO is {exact_elbo:.3f}")
assert abs(of_logs.mean() - exact_elbo) < 4 * of_logs_error and of_logs_error < 0.02

fig, ax = plt.subplots()
ax.errorbar(counts, log_p1 - gaps, 2 * errors, fmt="o-", label="mean of L_k (error: within the dots)")
ax.axhline(log_p1, color="black", linestyle="--", linewidth=2, label="log p(x)")
ax.axhline(exact_elbo, color="#D55E00", linestyle=":", label="ELBO, exact")
ax.set_xscale("log", base=2)
ax.set(xlabel="k, samples per datum", ylabel="bound (nats)", title="More samples tighten the bound")
ax.legend(loc="center right", bbox_to_anchor=(1, 0.4))
plt.show()

# %% [markdown] tags=["answer"]
# Less than half, 0.87: the first samples help more than the law $1/k$ says, which is 4 % short at k = 32 and 1 to 2 % at k = 128 (by a longer run; the errors above are as large); from there on each
# halving of the gap costs twice the samples. The mean of the logarithms is the ELBO again, for any k: the order of mean and logarithm is the whole difference.

# %% [markdown]
# The backward passes: normalised weights, and gradient checks of $L_k$ and of a whole VAE with the k-sample bound.

# %%
five = log_weights(wrong, rng.standard_normal((5, 1, K)))
_, cache = iwae_bound_forward(five)
d_log_w = iwae_bound_backward(np.array([2.0]), cache)[:, 0]  # dL_k = 2
assert np.abs(d_log_w - 2 * np.exp(five[:, 0]) / np.exp(five).sum()).max() < 1e-12
print("normalised weights of five samples:", (d_log_w / 2).round(3))
assert check(
    iwae_bound_forward, iwae_bound_backward, log_weights(wrong, rng.standard_normal((10, 1, K))).reshape(5, 2)
).ok
tiny_iwae = VAE(6, 3, hidden=(8,), bound="iwae", n_samples=4, dtype="float64")
assert check_model(tiny_iwae, rng.integers(0, 2, (4, 6)).astype(float)).ok
print("gradient checks of L_k and of the whole model: passed")

# %% [markdown]
# D0's estimate is the *log* of one weight. For Gaussians its variance is finite for every q, and its mean is the ELBO; it "works great" as far as q
# is near the posterior. *A nuance to D0 (E13):* it is the weight itself, and so $L_k$, that needs tails: if $2s_1^2\le s_0^2$, Var w is infinite. The
# mean of w still tends to $p(x)$, but slowly and by rare, huge weights (04). Here are both: the q from above, shifted and wide, and one half as wide
# as the posterior.

# %%
narrow = vae.copy("float64")
narrow.params["encoder.head.b"][K:] += np.log(0.5)  # half of each sigma: Var w is infinite
for name, other, spread in (("shifted, wide", wrong, None), ("half as wide", narrow, 0.75)):
    one = log_weights(other, rng.standard_normal((100_000, 1, K)))[:, 0]
    print(f"{name:13}: one log w lies {log_p1 - one.mean():.2f} nats below log p(x) on average, standard deviation {one.std():.2f}")
    assert spread is None or abs(one.std() - spread) < 0.02

# %% [markdown]
# ## Summary
#
# - $\log p(x) = \mathrm{ELBO}(q)+\mathrm{KL}(q\,\|\,p(z\mid x))$ for every q. The whole stays, the cut moves; the gap closes at $q=p(z\mid x)$.
# - First way: Jensen, from the tangent of the logarithm. It gives the inequality; the gap is half the variance for normal log weights.
# - Second way: expand the KL. Differences of the KL need no $\log p(x)$, so the ELBO can be maximised in its place.
# - Third way: $\delta F/\delta q = \log p(x,z)-\log q-1$; with $\int q=1$ the only maximum is $p(z\mid x)$, with the value $\log p(x)$.
# - Mean field, free factors: $\log q_1=\mathbb{E}_{q_2}[\log p(x,z)]+\text{const}$; on a Gaussian of correlation ρ the factors have variance $1-\rho^2$.
# - $\mathrm{ELBO} = \mathbb{E}_q[\log p(x\mid z)]-\mathrm{KL}(q\,\|\,p(z))$: the expected *log*-likelihood; the loss is −mean(ELBO).
# - The KL to the *prior* is a term; the KL to the *posterior* is the gap.
# - The ELBO has no lowest value. Its largest, over all q, is $\log p(x)$.
# - On a posterior with two equal humps that are far apart a Gaussian q takes one and pays about ln 2 = 0.69 nats; on humps that are close it covers
#   both.
# - Halving a small σ costs ln 2 nats of KL, for ever, and gains nothing in the end: the best σ is positive; linear decoder: $\sigma^2=1/(1+\|w\|^2/\eta)$.
# - $L_k=\log\frac1k\sum w_l$ rises with k to $\log p(x)$, in the end like $\chi^2/2k$ if $\chi^2$ is finite. The mean of the logs is the ELBO again.

# %% [markdown]
# ## References
#
# *References: kingma2014; jordan1999 (variational methods); blei2017 (a review); neal1998 (EM as ascent); burda2016 (k samples); cover2006.*

# %% [markdown]
# ## Exercises
#
# The bound of section 6 as a pair; and the gap of the best diagonal q, by the theorem of section 3, without ever computing an ELBO.
#
# *Tasks: bound_pair; best_diagonal_bound.*
