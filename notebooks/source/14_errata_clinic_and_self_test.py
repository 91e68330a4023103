# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 14 Errata clinic and self-test
#
# Accompanies D0 lines 183 and 279-283, D4 lines 107 and 115, and the lines of D0 to D4 named in each section where a printed line and a
# number disagree.
#
# | quantity | D0 | D1 | D2 | D3 | D4 | here |
# |---|---|---|---|---|---|---|
# | posterior spread | σ | σ_i | Σ = diag σ² | σ(x), Σ(x) | σ, *called variance* | `sigma`, a standard deviation |
# | the network's output for it | σ | σ | log σ | σ (KL uses ln σ²) | "log σ" | `log_sigma` |
# | observation noise | σ² | – | η, later σ² | – | – | `eta`, a variance |
# | bound | 𝓛 = +ELBO | 𝓛_i = −ELBO | 𝓕(θ,q) | 𝓛(q), both signs | – | `elbo`; `loss = -mean(elbo)` |
#
# Good lectures contain slips: they were drawn on slides, scanned, retyped. Each panel below puts the printed line beside the corrected one
# and lets a number decide. E1 to E61 number the corrections.
#
# Afterwards you can use an exact model to expose a wrong objective, say which mistakes a gradient check cannot find,
# and answer fifteen questions on the five lectures.

# %%
from itertools import pairwise
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    bernoulli_forward,
    check,
    elbo_terms_forward,
    gaussian_diagonal_forward,
    gaussian_forward,
    iwae_bound_forward,
    kl_backward,
    kl_forward,
    load_digits,
    reparameterize_backward,
    reparameterize_forward,
    synthetic,
)
from tinyvae.bounds import elbo_forward
from tinyvae.companion import show
from tinyvae.estimators import standard_error, weights_have_finite_variance
from tinyvae.exact import PCA, PPCA, GridPosterior
from tinyvae.plots import use_style

use_style()
rng = np.random.default_rng(0)
X = load_digits()[0].astype(np.float64)


def panel(title, rows):
    """Print the printed line's number beside the corrected one's and beside the truth."""
    print(title)
    for name, value in rows:
        print(f"  {name:<58}{value:>14.6f}")


# %% [markdown]
# ## 1. A wrong sign that looks like success (E2)
#
# *Items: D0-42.*
#
# The slide "VAE as an auto-encoder" prints the objective
# $$\mathbb{E}_{q(z|x)}\Big[\log p(x|z) - \log \frac{p(z)}{q(z|x)}\Big].$$
# It is to be maximised. Since $\mathrm{KL}(q\,\|\,p) = \mathbb{E}_q[\log q(z|x) - \log p(z)]$, the printed line is
# $$\text{printed} = \mathbb{E}_q[\log p(x|z)] + \mathrm{KL}(q\,\|\,p),$$
# and the ELBO **[ELBO.1]** is
# $$\text{ELBO} = \mathbb{E}_q[\log p(x|z)] - \mathrm{KL}(q\,\|\,p) = \log p(x) - \mathrm{KL}\big(q\,\|\,p(z|x)\big).$$
# Subtract them: printed $=$ ELBO $+\,2\,\mathrm{KL}(q\,\|\,p)$. At the best $q$, the posterior, the ELBO equals $\log p(x)$, so there
# $$\text{printed} = \log p(x) + 2\,\mathrm{KL}\big(p(z|x)\,\|\,p(z)\big) .$$
# Either the fraction is upside down or the minus before it is a plus: $\log p(x|z) - \log\frac{q(z|x)}{p(z)}$ is meant. In the package this minus
# stands in `elbo_forward`, before `on_kl`; the minus of the loss stands in `VAE.loss_forward`.

# %%
show(elbo_terms_forward, elbo_forward, VAE.loss_forward)

# %% [markdown]
# **Predict first:** a model is trained with the printed sign. Will its reported objective look worse or better than that of a correct program?
#
# Two models whose $\log p(x)$ is known without any bound: a decoder $\sin 2z + z$ on a grid, **[GRID.1]**,
# and probabilistic PCA on the digits, **[PPCA.1]**.

# %%
grid = GridPosterior(lambda x, z: gaussian_forward(np.sin(2 * z) + z, x, 0.1)[0], n_latent=1)
x = np.array([1.2])
log_p = grid.log_evidence([x])[0]
post = grid.posterior(x)
keep = post > 0
weight = post[keep] * grid.cell
reconstruction = weight @ grid.log_px(x, grid.z[keep])
log_prior = -(grid.z[keep, 0] ** 2 + np.log(2 * np.pi)) / 2
kl = weight @ (np.log(post[keep]) - log_prior)
right, printed = reconstruction - kl, reconstruction + kl
panel("decoder sin 2z + z, q = posterior, nats", [
    ("log p(x) by quadrature", log_p),
    ("right: reconstruction - KL", right),
    ("as printed: reconstruction + KL", printed),
    ("excess over log p(x)", printed - log_p),
    ("2 KL", 2 * kl),
])  # fmt: skip
assert abs(right - log_p) < 1e-9
assert abs(printed - log_p - 2 * kl) < 1e-9 and kl > 0.5

# %%
ppca = PPCA(2).fit(X)
vae = ppca.to_vae()  # its q(z|x) is the exact posterior
mu, log_sigma = vae.encode(X)
kl = kl_forward(mu, log_sigma)[0]
spread = (np.exp(2 * log_sigma) @ (vae.params["decoder.out.W"] ** 2).sum(1)) / (2 * vae.eta)  # tr(W Sigma W') / 2 eta
reconstruction = gaussian_forward(vae.decode(mu), X, vae.eta)[0] - spread
right, printed, log_p = reconstruction - kl, reconstruction + kl, ppca.score_samples(X)
panel("digits, K = 2, linear model at its maximum-likelihood optimum, mean over the data, nats", [
    ("log p(x), exact", log_p.mean()),
    ("right: reconstruction - KL", right.mean()),
    ("as printed: reconstruction + KL", printed.mean()),
    ("excess over log p(x)", (printed - log_p).mean()),
    ("2 KL", 2 * kl.mean()),
])  # fmt: skip
assert np.abs(right - log_p).max() < 1e-9
assert np.abs(printed - log_p - 2 * kl).max() < 1e-9 and kl.min() > 0

# %% [markdown]
# Better, then, by twice the information in the code, and that is the alarm: no bound may lie above $\log p(x)$. The second alarm is what
# the optimiser
# does with it. With the sign printed, a narrower $q$ is always better. The model of the next figure, $x = z + \sqrt{1/8}\,e$ at $x = 1$,
# has the posterior $\mathcal{N}(8/9, 1/9)$.

# %%
toy = PPCA(1)
toy.W_, toy.mean_, toy.noise_variance_ = np.ones((1, 1)), np.zeros(1), 1 / 8
one = np.ones((1, 1))
toy_log_p = toy.score_samples(one)[0]
toy_mean, toy_cov = toy.posterior(one)
m_star, s_star = toy_mean[0, 0], np.sqrt(toy_cov[0, 0])
print(f"log p(x) = {toy_log_p:.6f}, posterior N({m_star:.4f}, {s_star**2:.4f})")
assert abs(m_star - 8 / 9) < 1e-12 and abs(s_star**2 - 1 / 9) < 1e-12


def toy_terms(m, s, eta=1 / 8):
    """Exact E_q log p(x|z) and KL(q || N(0, 1)) for q = N(m, s^2), x = 1."""
    expected = -((1 - m) ** 2 + s**2) / (2 * eta) - np.log(2 * np.pi * eta) / 2
    return expected, (s**2 + m**2 - 1 - np.log(s**2)) / 2


s = np.geomspace(0.01, 1, 200)
expected, kl_s = toy_terms(m_star, s)
fig, ax = plt.subplots()
ax.axhline(toy_log_p, color="black", ls="--", label="log p(x)")
ax.semilogx(s, expected - kl_s, label="right: reconstruction − KL")
ax.semilogx(s, expected + kl_s, label="as printed: reconstruction + KL")
ax.set(xlabel="standard deviation of q", ylabel="objective (nats)", title="The printed sign rewards a vanishing spread", ylim=(-10, 6))
ax.legend(loc="lower left")
plt.show()
wrong_far = toy_terms(m_star, 1e-8)
assert (expected - kl_s).max() <= toy_log_p
assert sum(wrong_far) > toy_log_p + 15, "no upper limit"

# %% [markdown]
# ## 2. Standard deviation or variance: the mistake that a gradient check passes (E50, E51)
#
# *Items: D4-23, D4-25.*
#
# D4 says: scale ε by the latent distribution's *variance* σ (line 107), and: the network puts out $\log\sigma$, exponentiate it
# to get the latent distribution's *variance* (line 115). In the reparameterisation **[REP.1]** the factor is the standard deviation,
# $$z = \mu + \sigma\varepsilon \;\Rightarrow\; \operatorname{Var} z = \sigma^2 \operatorname{Var}\varepsilon = \sigma^2 ,$$
# and $\exp(\log\sigma) = \sigma$ is that standard deviation.
#
# Followed to the letter, with $a$ for the output of the network and $v = e^a$ called the variance, a program reads
# $$z = \mu + v\,\varepsilon, \qquad \mathrm{KL} = \tfrac12(v + \mu^2 - 1 - \ln v).$$
# The samples then have standard deviation $v$, the KL is that of a Gaussian with standard deviation $\sqrt v$. The KL that belongs to the
# samples is $\tfrac12(v^2 + \mu^2 - 1 - \ln v^2)$, **[KL.1]** with σ = v. The difference
# $$\tfrac12\,(v^2 - v - \ln v) > 0 \quad\text{for } v < 1$$
# is missing from the penalty, and nothing guarantees a lower bound any more.

# %%
show(reparameterize_forward, kl_forward)

# %% [markdown]
# **Predict first:** the mixed program has a forward and a matching backward. What will `check` say of it?

# %%
eps = rng.standard_normal((5, 1))


def mixed_forward(mu, a):
    """x = 1, p(x|z) = N(z, 1/8): the objective in which e^a is a standard deviation above and a variance below."""
    v = np.exp(a)
    z = mu + v * eps  # v as a standard deviation
    log_px = gaussian_forward(z, np.ones_like(z), 1 / 8)[0]
    kl = (v + mu**2 - 1 - a).sum(-1) / 2  # v as a variance
    return log_px - kl, (mu, v, eps, z)


def mixed_backward(dout, cache):
    mu, v, eps, z = cache
    dz = dout[:, None] * (1 - z) * 8
    dmu = dz - dout[:, None] * mu
    da = dz * eps * v - dout[:, None] * (v - 1) / 2
    return dmu, da


report = check(mixed_forward, mixed_backward, rng.standard_normal((5, 1)), rng.standard_normal((5, 1)))
print(report)
assert report.ok, "the mixed objective has a correct gradient"

# %% [markdown]
# It passes: a gradient check proves that backward fits forward, and says nothing about whether forward is the lecture's mathematics.
# What finds the mistake is a number from outside. First: the exact $\log p(x)$.

# %%
v = np.geomspace(0.01, 2, 20001)
expected, kl_right = toy_terms(m_star, v)
kl_mixed = (v + m_star**2 - 1 - np.log(v)) / 2
right, mixed = expected - kl_right, expected - kl_mixed
best = v[mixed.argmax()]
panel("x = z + sqrt(1/8) e, x = 1, best over the spread, nats", [
    ("log p(x), exact", toy_log_p),
    ("right: sigma in both places", right.max()),
    ("mixed: sigma in the sample, variance in the KL", mixed.max()),
    ("excess of the mixed 'bound' over log p(x)", mixed.max() - toy_log_p),
    ("spread of the samples at the mixed optimum", best),
    ("posterior standard deviation", s_star),
])  # fmt: skip
assert abs(right.max() - toy_log_p) < 1e-6
assert abs(mixed.max() - toy_log_p - 0.538) < 1e-3
assert abs(best - (np.sqrt(65) - 1) / 32) < 1e-3, "root of 16 v^2 + v = 1"
gap_formula = (v**2 - v - np.log(v)) / 2
assert np.abs(mixed - right - gap_formula).max() < 1e-12

# %%
fig, ax = plt.subplots()
ax.axhline(toy_log_p, color="black", ls="--", label="log p(x)")
ax.semilogx(v, right, label="right: exp(log σ) is the standard deviation")
ax.semilogx(v, mixed, label="mixed: a variance in the KL only")
ax.set(xlabel="exp of the network's output", ylabel="objective (nats)", title="The mixed objective climbs above log p(x)", ylim=(-8, 0))
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# Second: the samples themselves. A Monte Carlo KL of the distribution that is really sampled disagrees with the closed form of the mixed program.

# %%
a = np.log(best)
z, _ = reparameterize_forward(np.full((1, 1), m_star), np.full((1, 1), a), rng.standard_normal((200_000, 1, 1)))
log_q = -(((z - m_star) / best) ** 2 + 2 * a + np.log(2 * np.pi)) / 2
log_pz = -(z**2 + np.log(2 * np.pi)) / 2
draws = (log_q - log_pz).ravel()
estimate, error = draws.mean(), standard_error(draws)
closed = kl_forward(np.full((1, 1), m_star), np.full((1, 1), a))[0][0]
mixed_kl = (best + m_star**2 - 1 - a) / 2
print(f"Monte Carlo KL {estimate:.4f} ± {error:.4f}, kl_forward {closed:.4f}, mixed program's KL {mixed_kl:.4f}")
assert abs(estimate - closed) < 4 * error
assert abs(estimate - mixed_kl) > 100 * error

# %% [markdown]
# On the digits, with the linear model of section 1, each of the $K$ latents adds its own excess. Setting the derivative of the mixed
# objective to zero gives, with $c_j = \|w_j\|^2/\eta$, the spread $v_j$ from $2c_jv_j^2 + v_j - 1 = 0$.

# %%
c = (vae.params["decoder.out.W"] ** 2).sum(1) / vae.eta
v_best = (np.sqrt(1 + 8 * c) - 1) / (4 * c)
mixed_terms = -c * v_best**2 / 2 - (v_best - 1 - np.log(v_best)) / 2
right_terms = -np.log(1 + c) / 2  # the same terms at the exact posterior, variance 1 / (1 + c)
excess = mixed_terms - right_terms
print(f"digits, K = 2: mean log p(x) {log_p.mean():.4f}, mixed 'bound' {log_p.mean() + excess.sum():.4f} nats")
print(f"excess {excess.sum():.4f} nats, by latent {excess.round(4)}")
assert np.all(excess > 0.5)
assert np.abs(-c * v_best - 0.5 + 0.5 / v_best).max() < 1e-9, "the derivative of the mixed terms by v is zero"

# %% [markdown]
# The same trap has a consistent cousin: if $a$ is meant as the log *variance*, take $\sigma = e^{a/2}$ in the sample and
# $v = e^{a}$ in the KL. That is a correct program, and a common one. The name of the variable must say which of the two it is.
#
# ## 3. Unbiased for p(x), biased for log p(x) (E12)
#
# D0 line 109 calls $\log p(x|z)$, $z\sim p(z)$, biased and noisy. True, and worth one more word: $p(x|z)$ itself is *unbiased*,
# $\mathbb{E}_{p(z)}[p(x|z)] = p(x)$ by definition of the marginal. The logarithm makes the bias **[NAIVE.1]**:
# $$\mathbb{E}_{p(z)}[\log p(x|z)] = \int p(z)\log\frac{p(x)\,p(z|x)}{p(z)}\,dz = \log p(x) - \mathrm{KL}\big(p(z)\,\|\,p(z|x)\big).$$
#
# **Predict first:** average ten samples of $p(x|z)$ before the logarithm. Is the result then unbiased?

# %%
repeats = 4000
bias_exact = -0.5 * (9 + 9 * m_star**2 - 1 - np.log(9))  # -KL(N(0, 1) || N(8/9, 1/9))
counts, biases, errors = [1, 10, 100, 1000], [], []
for L in counts:
    z = rng.standard_normal((L, repeats))
    values, _ = iwae_bound_forward(-4 * (1 - z) ** 2 - np.log(2 * np.pi / 8) / 2)  # log of the mean of exp over L
    biases.append(values.mean() - toy_log_p)
    errors.append(standard_error(values))
    if L == 1:
        ratio = np.exp(values - toy_log_p)
print(f"wrong reading 'p(x|z) is biased for p(x)': mean p(x|z) / p(x) = {ratio.mean():.3f} ± {standard_error(ratio):.3f}")
print(f"bias of log p(x|z), exact {bias_exact:.4f} nats")
for L, b, e in zip(counts, biases, errors, strict=True):
    print(f"  L = {L:>4}: bias {b:9.4f} ± {e:.4f} nats")
assert abs(ratio.mean() - 1) < 4 * standard_error(ratio)
assert abs(biases[0] - bias_exact) < 4 * errors[0] and bias_exact < -6
assert np.all(np.diff(biases) > 0) and biases[1] < -10 * errors[1], "smaller with L, but still there at ten"

# %% [markdown]
# ## 4. "Works great" can have infinite variance (E13)
#
# D0 line 113 recommends the weight $w = p(x|z)p(z)/q(z)$ with $z\sim q\approx p(z|x)$ (the logarithm printed there belongs in front of the
# fraction: E1). If $q$ *is* the posterior, $w = p(x)$ for every $z$. For a Gaussian posterior of precision
# $\Lambda$ and a Gaussian $q$ of precision $\Lambda_q$ with the same mean,
# $$\frac{\mathbb{E}_q[w^2]}{p(x)^2} = \int\frac{p(z|x)^2}{q(z)}\,dz = \frac{|\Lambda|}{|\Lambda_q|^{1/2}\,|2\Lambda-\Lambda_q|^{1/2}},$$
# finite only if $2\Lambda-\Lambda_q$ is positive definite. The best diagonal $q$ has $\Lambda_q = \operatorname{diag}\Lambda$. With
# $\Lambda = \left(\begin{smallmatrix}1&r\\r&1\end{smallmatrix}\right)$ (up to scale), $2\Lambda - I$ has eigenvalues $1\pm2r$.
#
# **Predict first:** at which $|r|$ does the variational optimum stop having a finite variance of its weights?


# %%
def second_moment(r, width, n=801):
    """The integral of p(z|x)^2 / q(z) over a square of half-width `width`, by quadrature."""
    axis = np.linspace(-width, width, n)
    a, b = np.meshgrid(axis, axis)
    log_post = np.log(1 - r * r) / 2 - (a * a + b * b + 2 * r * a * b) / 2 - np.log(2 * np.pi)
    log_q = -(a * a + b * b) / 2 - np.log(2 * np.pi)
    return float(np.exp(2 * log_post - log_q).sum() * (axis[1] - axis[0]) ** 2)


print("  r    finite?    E w^2 / p(x)^2 inside a square of half-width 6, 9, 12     formula")
moments = {}
for r in (0.0, 0.3, 0.4, 0.55, 0.7):
    precision = np.array([[1, r], [r, 1]])
    finite = weights_have_finite_variance(precision, np.eye(2))
    moments[r] = [second_moment(r, width) for width in (6, 9, 12)]
    formula = (1 - r * r) / np.sqrt(1 - 4 * r * r) if finite else np.inf
    print(f"{r:5.2f}  {finite!s:<8}" + "".join(f"{m:16.4g}" for m in moments[r]) + f"{formula:16.4f}")
    assert finite == (abs(r) < 0.5)
assert abs(moments[0.0][2] - 1) < 1e-9, "q = posterior: the weight is constant"
assert abs(moments[0.3][2] - 0.91 / 0.8) < 1e-9
assert moments[0.7][2] > 1e10 * moments[0.7][0], "no limit"

# %% [markdown]
# ## 5. Factorising over data costs nothing; within one z it costs (E27)
#
# D1 lines 327-331 call $q = \prod_i q(z_i)$ over the *data* an approximation. Given the parameters, the posterior factorises by itself,
# $$p(z_1,\dots,z_N|x_1,\dots,x_N) \propto \prod_i p(x_i|z_i)p(z_i).$$
# What is lost is lost in the step not named there, the diagonal Σ *within* one $z_i$:
# gap $= \tfrac12\big(\sum_j\ln\Lambda_{jj} - \ln|\Lambda|\big)$.

# %%
turned = PPCA(8).fit(X)
turned.W_ = turned.W_ @ np.linalg.qr(rng.standard_normal((8, 8)))[0]  # the same p(x), a posterior that is not diagonal
mean, covariance = turned.posterior(X)
precision = np.linalg.inv(covariance)
gap = (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / 2
over_data = turned.bound(X, mean, covariance)
within = turned.bound(X, mean, np.diag(1 / np.diag(precision)))
panel("digits, K = 8, W turned by a random rotation, nats per datum", [
    ("log p(x)", turned.score(X)),
    ("best bound, q factorised over the data, full covariance", over_data),
    ("best bound, q factorised within z too (diagonal)", within),
    ("loss by the diagonal", over_data - within),
    ("formula", gap),
])  # fmt: skip
assert abs(over_data - turned.score(X)) < 1e-9
assert abs(over_data - within - gap) < 1e-9 and gap > 0.1

# %% [markdown]
# ## 6. Minimised or maximised, and a "const" that is none (E10, E30, E31, E35)
#
# D2 line 146 writes $\log p(x|z) = -\|x-G(z)\|^2/2\eta + \text{const}$, line 179 says this term "is minimized" by a point mass at $z_*$,
# and line 225 speaks
# of "squared error … like in an ordinary VAE".
# With **[NORM.1]** in full,
# $$\log p(x|z) = -\frac{\|x-G(z)\|^2}{2\eta} - \frac D2\ln(2\pi\eta).$$
# The log-likelihood is *maximised* where the squared error is minimised (E30); "ordinary VAE" is ordinary auto-encoder, and the
# reconstruction term is *minus*
# a squared error (E31); the "const" is constant in $z$ but not in η (E35).
#
# **Predict first:** learn η with the constant dropped. Where does it go?

# %%
pca = PCA(2).fit(X)
r2 = pca.reconstruction_error_  # mean of ||x - G(z)||^2
D = X.shape[1]
eta = np.geomspace(1e-2, 10, 4001)
dropped = -r2 / (2 * eta)
full = dropped - D / 2 * np.log(2 * np.pi * eta)
fig, ax = plt.subplots()
ax.semilogx(eta, full, label="right: with −D/2 ln 2πη")
ax.semilogx(eta, dropped, label="wrong: 'const' dropped")
ax.axvline(r2 / D, color="black", ls=":", label="mean squared error per pixel")
ax.set(xlabel="η, variance of the observation noise", ylabel="log p(x|z) (nats)", title="Without the constant, η has no optimum", ylim=(-150, 150))
ax.legend(loc="upper right")
plt.show()
panel("digits, PCA with K = 2", [
    ("right: best eta", eta[full.argmax()]),
    ("mean squared error per pixel", r2 / D),
    ("wrong: best eta of the range 0.01 to 10", eta[dropped.argmax()]),
])  # fmt: skip
assert abs(np.log(eta[full.argmax()] * D / r2)) < 1e-3
assert dropped.argmax() == len(eta) - 1, "the far end, wherever it is"
z_grid = np.linspace(-3, 3, 601)
values = gaussian_forward(z_grid[:, None], np.ones((601, 1)), 1 / 8)[0]
print(f"log p(x|z), x = 1: largest {values.max():.4f} at z* = {z_grid[values.argmax()]:.0f},"
      f" smallest of the grid {values.min():.1f} at z = {z_grid[values.argmin()]:.0f}")  # fmt: skip
assert abs(z_grid[values.argmax()] - 1) < 1e-12 and values.argmin() == 0

# %% [markdown]
# The other end is a trap too. D0 line 153 lets the decoder choose $\Sigma_\theta(z)$ freely (and prints "N(0; I)" for N(0, I), E10). If
# the mean hits one datum
# exactly, the log-density there grows by $\tfrac D2\ln 10$ for every tenth of η, without limit. The package's pixel-wise variance has a
# floor **[NORMD.1]**.

# %%
target = X[:1]
free, floored = [], []
for k in (2, 4, 8, 16):
    output = np.stack([target, np.full_like(target, -k * np.log(10))], axis=-1)  # mean = x, log-variance = -k ln 10
    free.append(gaussian_forward(target, target, 10.0**-k)[0][0])
    floored.append(gaussian_diagonal_forward(output, target)[0][0])
print("log p(x|z) at G(z) = x, nats:   eta = 1e-2     1e-4     1e-8    1e-16")
print("  free variance           " + "".join(f"{value:>11.1f}" for value in free))
print("  variance with a floor   " + "".join(f"{value:>11.1f}" for value in floored))
assert abs(free[3] - free[2] - 8 * 32 * np.log(10)) < 1e-9
assert abs(floored[3] - floored[2]) < 1e-2 < floored[2] - floored[0]

# %% [markdown]
# ## 7. The same subspace, not the same factors (E33)
#
# D2 line 52: linear auto-encoders with squared error are equivalent to PCA. In what they reconstruct, yes. But for any invertible $A$,
# $(UA)(A^{-1}V) = UV$, and rows
# $n$ with $nX = 0$ may be added to $V$ freely. The digits have three pixels' worth of such directions.

# %%
Xc = X - X.mean(0)
U = pca.components_.T
projector = U @ U.T
A = rng.standard_normal((2, 2)) + 2 * np.eye(2)
off_span = np.linalg.svd(Xc)[2][61:]  # directions that no datum has
U2, V2 = U @ A, np.linalg.solve(A, U.T) + rng.standard_normal((2, 3)) @ off_span
on_data = np.abs(Xc @ (U2 @ V2).T - Xc @ projector.T).max()
panel("digits, K = 2: another optimum of the linear auto-encoder against PCA", [
    ("loss of PCA", ((Xc - Xc @ projector) ** 2).sum(1).mean()),
    ("loss of the other optimum", ((Xc - Xc @ (U2 @ V2).T) ** 2).sum(1).mean()),
    ("largest difference of UVX and PX", on_data),
    ("largest difference of UV and P", np.abs(U2 @ V2 - projector).max()),
    ("largest difference of U and the eigenvectors", np.abs(U2 - U).max()),
])  # fmt: skip
assert np.linalg.matrix_rank(Xc) == 61 and on_data < 1e-12
assert np.abs(U2 @ V2 - projector).max() > 0.3 and np.abs(U2 - U).max() > 0.3

# %% [markdown]
# ## 8. Two rules that are half of the gradient (E36)
#
# D2 line 196: $\overline{\mu_i} = \overline{z_i}$, $\overline{\sigma_i} = \overline{z_i}\epsilon_i$. Right for the path through the
# sample; the KL term depends on μ and σ as well, and the network's output is
# $\log\sigma$. In full, with **[REP.2]** and **[KL.2]**,
# $$\overline{\mu} = \overline{z} + \overline{\mathrm{KL}}\,\mu, \qquad
# \overline{\log\sigma} = \sigma\,\overline z\,\epsilon + \overline{\mathrm{KL}}\,(\sigma^2-1).$$


# %%
def negative_elbo_forward(mu, log_sigma):
    z, z_cache = reparameterize_forward(mu, log_sigma, eps)
    kl, kl_cache = kl_forward(mu, log_sigma)
    return kl - gaussian_forward(z, np.ones_like(z), 1 / 8)[0], (z, z_cache, kl_cache)


def slide_backward(dout, cache):
    z, _, _ = cache
    dz = dout[:, None] * (z - 1) * 8
    return dz, dz * eps


def full_backward(dout, cache):
    z, z_cache, kl_cache = cache
    dmu, dlog_sigma = reparameterize_backward(dout[:, None] * (z - 1) * 8, z_cache)
    dmu_kl, dlog_sigma_kl = kl_backward(dout, kl_cache)
    return dmu + dmu_kl, dlog_sigma + dlog_sigma_kl


inputs = rng.standard_normal((2, 5, 1))
slide_report = check(negative_elbo_forward, slide_backward, *inputs)
full_report = check(negative_elbo_forward, full_backward, *inputs)
print(slide_report)
print(full_report)
assert not slide_report.ok and full_report.ok

# %% [markdown]
# This mistake is of the kind that a gradient check does find: forward was right, backward was not.
#
# ## 9. A tray of smaller corrections, one number each
#
# | erratum | printed | corrected |
# |---|---|---|
# | E3, D0 187-191 | one σ twice, $C_2$ without a sign | $C_2 = -1/2\eta < 0$, per sample; the mean adds $-\operatorname{tr}(W\Sigma W')/2\eta$ |
# | E4, D0 82 | the decoder maps to $\mathbb{R}^{28\times28}$ and gives means | means of binary pixels lie in [0, 1]: the real numbers are logits |
# | E11, D0 84 | pixels are independent | independent *given z* |
# | E24, E25, D1 306-310 | evidence; "the lowest possible value of the evidence" | *log* evidence; a lower bound, its maximum over q is log p(x) |
# | E28, D1 400 | argmax of an error | argmin |
# | E34, D2 90 | p(x) = 0 almost everywhere | no density at all: the limit is $-\infty$ off the manifold in the logarithm and $+\infty$ on it |
# | E55, D4 136 | β on the KL | β > 1 is a looser bound, β < 1 is none |
# | E56, D4 136 | decorrelated | uncorrelated does not mean independent |
# | E57, D4 146 | values sampled from a Gaussian | a grid by the inverse CDF: nearly equal prior mass per image |
# | E61, D4 126 | KL only: nothing described | more exactly: the decoder gets no gradient at all |

# %%
# E3: exact mean against the value at eps = 0
at_mean = gaussian_forward(vae.decode(mu), X, vae.eta)[0]
noise = rng.standard_normal((2000, 1, 2))
first = vae.decode((mu[:1] + np.exp(log_sigma[:1]) * noise).reshape(-1, 2))
sampled = gaussian_forward(first, np.broadcast_to(X[:1], first.shape), vae.eta)[0]
print(f"E3   E_q log p(x|z) of the first digit: at eps = 0 {at_mean[0]:.3f}, with the trace term {at_mean[0] - spread[0]:.3f}, "
      f"sampled {sampled.mean():.3f} ± {standard_error(sampled):.3f}")  # fmt: skip
assert abs(sampled.mean() - (at_mean[0] - spread[0])) < 4 * standard_error(sampled) and spread[0] > 8 * standard_error(sampled)

# E4: a real output taken as a mean has no log-likelihood; taken as a logit it has
out, pixel = np.array([[1.7]]), np.array([[0.0]])
with np.errstate(invalid="ignore"):
    as_mean = np.log(1 - out)[0, 0]
as_logit = bernoulli_forward(out, pixel)[0][0]
print(f"E4   output 1.7, pixel 0: log p as a mean {as_mean}, as a logit {as_logit:.4f}")
assert np.isnan(as_mean) and abs(as_logit + np.log1p(np.exp(1.7))) < 1e-12

# E11: covariance of pixels with and without z, in the linear model
marginal = ppca.W_ @ ppca.W_.T
np.fill_diagonal(marginal, 0)
print(f"E11  largest covariance of two pixels: given z 0, without z {np.abs(marginal).max():.4f}; eta = {ppca.noise_variance_:.4f}")
assert np.abs(marginal).max() > ppca.noise_variance_

# E24, E25: random q never beat log p(x); the posterior meets it; the right side is the log evidence, not the evidence
trial = np.subtract(*toy_terms(rng.uniform(-2, 2, 5000), rng.uniform(0.05, 2, 5000)))
met = np.subtract(*toy_terms(m_star, s_star))
print(f"E25  ELBO of 5000 random q: {trial.min():.1f} to {trial.max():.6f}, of the posterior {met:.6f};"
      f" log p(x) {toy_log_p:.6f}, p(x) {np.exp(toy_log_p):.4f}")  # fmt: skip
assert trial.max() < toy_log_p and abs(met - toy_log_p) < 1e-12

# E28: fit y = g x to y = x; the argmax of the error is the worst g of the set
g, line = np.linspace(0, 3, 31), np.linspace(0, 1, 50)
error = ((g[:, None] * line - line) ** 2).mean(1)
print(f"E28  argmin of the error: slope {g[error.argmin()]:.1f}, argmax: slope {g[error.argmax()]:.1f}")
assert abs(g[error.argmin()] - 1) < 1e-12 and g[error.argmax()] == 3

# %%
# E34: log p(x) of a line in the plane as the noise vanishes
line_model = PPCA(1)
line_model.W_, line_model.mean_ = np.array([[1.0], [0.0]]), np.zeros(2)
on_off = []
for eta_small in (1e-2, 1e-4, 1e-6):
    line_model.noise_variance_ = eta_small
    on_off.append(line_model.score_samples(np.array([[0.5, 0.0], [0.5, 0.1]])))
print("E34  log p(x) on and off the line, eta = 1e-2, 1e-4, 1e-6:", "; ".join(f"{a:.2f}, {b:.2f}" for a, b in on_off))
assert on_off[2][0] > on_off[1][0] > on_off[0][0] and on_off[2][1] < on_off[1][1] < on_off[0][1]

# E55: at the exact posterior the beta objective is log p + (1 - beta) KL
expected_star, kl_star = toy_terms(m_star, s_star)
values = {beta: expected_star - beta * kl_star - toy_log_p for beta in (0.5, 1.0, 2.0)}
print("E55  beta objective minus log p(x):", ", ".join(f"beta {beta}: {value:+.4f}" for beta, value in values.items()))
assert values[0.5] > 0.5 and abs(values[1.0]) < 1e-12 and values[2.0] < -1

# E56: points of a ring are uncorrelated; each coordinate still tells the size of the other
ring = synthetic("ring", 20_000)
correlation, of_squares = np.corrcoef(ring.T)[0, 1], np.corrcoef((ring**2).T)[0, 1]
print(f"E56  ring: correlation of the coordinates {correlation:+.3f}, of their squares {of_squares:+.3f}")
assert abs(correlation) < 0.03 and of_squares < -0.8

# E57: prior mass of the cells around ten values
normal = NormalDist()
inverse_cdf = np.array([normal.inv_cdf((i + 0.5) / 10) for i in range(10)])
masses = {}
for name, points in {"equally spaced": np.linspace(-3, 3, 10), "inverse CDF": inverse_cdf}.items():
    borders = [normal.cdf((a + b) / 2) for a, b in pairwise(points)]  # each z to its nearest value
    masses[name] = np.diff([0, *borders, 1])
    print(f"E57  ten values, {name}: prior mass per image {masses[name].min():.3f} to {masses[name].max():.3f}")
assert np.ptp(masses["inverse CDF"]) < 0.02
assert np.ptp(masses["equally spaced"]) > 0.2

# E61: the gradient of the KL alone
small = VAE(64, 2, hidden=(16,), dtype="float64")
_, cache = small.loss_forward((X[:100], None), rng.standard_normal((1, 100, 2)))
gradient = small.views(small.loss_backward(1.0, cache, weights={"reconstruction": 0}))
decoder = max(np.abs(value).max() for name, value in gradient.items() if name.startswith("decoder"))
encoder = max(np.abs(value).max() for name, value in gradient.items() if name.startswith("encoder"))
print(f"E61  KL only: largest gradient in the decoder {decoder:.1e}, in the encoder {encoder:.1e}")
assert decoder == 0 and encoder > 1e-3

# %% [markdown]
# Some errata no number shows; they are words, names and lost marks.
#
# | where | read |
# |---|---|
# | E1, D0 113 | $\log\frac{p(x\vert z)p(z)}{q(z)}$, the logarithm in front of the fraction |
# | E5, D0 117 | Bayesian *neural* networks |
# | E6, D0 198 | an auto-encoder reconstructs $x$ from $g(x)$ |
# | E7, D0 263 | the holes are in the aggregate posterior, relative to the prior |
# | E9, D0 134, 141 | a sum over the data in one place, $1/N$ in the other |
# | E16, D1 130 | the easy distribution that one chooses is $q$, not $p(z_i\vert x_i)$ |
# | E17, D1 149 | a fresh sample at every forward pass, not every epoch |
# | E18, D1 165 | $q$ is the *approximate* posterior |
# | E19, D1 181 | $\mathcal{N}(0, I)$ for a vector |
# | E20-E22, D1 197-329 | $i$ counts data in one place and samples in another; the integrals lack $dz$, the product its lower limit |
# | E23, D1 286 | $\log p(x)$ is constant in $q$, not while the decoder trains |
# | E26, D1 313 | a VAE does have parameters: it is gradient variational EM |
# | E29 | D1 swaps θ and φ against D0, D2, D3 |
# | E32, D2 162 | the free energy of physics is $-\mathcal{F}$ |
# | E37, D2 216 | $q(z\vert x)$ is a valid conditional, only not that of the model |
# | E39, D2 27 | entropy coding needs a probability model; an auto-encoder with one compresses too |
# | E40-E43, D3 | lost conditioning bars; $\tilde x$ for two things; expected *log*-likelihood; 𝓛 of both signs |
# | E44-E48, D3 | training needs the log-density, neither reconstruction; "likelihood-based"; Jensen needs $f > 0$; $m$ and $K$; two uses of φ |
# | E52-E54, D4 87-105 | the two vectors belong to $q$; $q$ draws the sample, not the decoder; the prior is chosen, not "true" |
#
# ## 10. Key takeaways
#
# *Items: D0-60.*
#
# D0 ends with three sentences. **A VAE approximates the data distribution. The decoder constitutes a latent variable model.
# The encoder approximates the posterior, for training.** Each can be tested by removing the encoder: the distribution of $x$ must stay as it is.
# The linear model of section 1 says this in numbers: with a ruined encoder, the model's $\log p(x)$ is unchanged and only the bound falls.

# %%
ruined = ppca.to_vae()
ruined.params["encoder.head.W"][...] = 0
ruined.params["encoder.head.b"][...] = 0  # q = prior for every x
means, log_sigmas = ruined.encode(X[:3])
bounds = {
    "encoder at its optimum": ppca.bound(X, *ppca.posterior(X)),
    "encoder ruined: q = prior": ppca.bound(X, np.zeros((len(X), 2)), np.eye(2)),
}
exact = np.array([GridPosterior(model, n=161, width=5.0).log_evidence(X[:3]) for model in (vae, ruined)])
for name, value in bounds.items():
    print(f"{name:<28} mean ELBO {value:9.4f} nats")
print("log p(x) of three digits, before and after:", exact.round(6).tolist())
assert np.all(means == 0) and np.all(log_sigmas == 0)
assert np.array_equal(exact[0], exact[1]) and np.abs(exact[0] - log_p[:3]).max() < 1e-6
assert bounds["encoder at its optimum"] - bounds["encoder ruined: q = prior"] > 5

# %% [markdown]
# ## 11. Self-test
#
# Answer aloud, then open the answer.
#
# <details><summary><b>1.</b> The loss of a program lies below the exact −log p(x). What does that prove?</summary>
#
# The program does not compute a bound. Usual causes: a sign (section 1), a mix of σ and σ² (section 2), β below 1, a dropped constant,
# or a KL averaged over
# dimensions where it should be summed.
# </details>
#
# <details><summary><b>2.</b> The gradient check passes. What is certain, what is not?</summary>
#
# Backward is the derivative of forward at the inputs tried, as far as differences can see. Whether forward is the ELBO is not tested.
# </details>
#
# <details><summary><b>3.</b> Write the KL of N(μ, σ²) to N(0, 1), and its derivative by log σ.</summary>
#
# ½(σ² + μ² − 1 − ln σ²); σ² − 1.
# </details>
#
# <details><summary><b>4.</b> Is the one-sample p(x|z), z from the prior, biased for p(x)? Its logarithm for log p(x)?</summary>
#
# No; yes, by −KL(p(z) ‖ p(z|x)).
# </details>
#
# <details><summary><b>5.</b> What is log p(x) − ELBO?</summary>
#
# KL(q ‖ p(z|x)), zero only if q is the posterior.
# </details>
#
# <details><summary><b>6.</b> The optimal q is a point mass for the reconstruction term. Why not for the ELBO?</summary>
#
# The KL grows by ln 2 each time the spread is halved, while the reconstruction term stays below its maximum.
# </details>
#
# <details><summary><b>7.</b> Why put the noise outside, z = μ + σε?</summary>
#
# So that z is a differentiable function of μ and σ for given ε; a drawn number alone has no derivative by the parameters of its density.
# </details>
#
# <details><summary><b>8.</b> What remains of a VAE's encoder gradient if z is held constant?</summary>
#
# The gradient of the KL alone: the encoder learns to ignore x.
# </details>
#
# <details><summary><b>9.</b> Does factorising q over the data cost anything? Within z?</summary>
#
# No, the posterior factorises over the data. Within z it costs ½(Σ ln Λ_jj − ln|Λ|) in the linear model.
# </details>
#
# <details><summary><b>10.</b> Which loss is "mean squared error plus KL" on 64 pixels?</summary>
#
# A Gaussian likelihood with η = D/2 = 32. On pixels in [0, 1] that noise drowns every direction, and the posterior collapses.
# </details>
#
# <details><summary><b>11.</b> When is latent j of a linear VAE used?</summary>
#
# If the variance λ_j of the data along it exceeds η (with β: βη).
# </details>
#
# <details><summary><b>12.</b> Is the decoder's output for grey pixels under a Bernoulli loss a log-density?</summary>
#
# No: minus a cross-entropy, which lacks the normaliser. The loss cannot fall below the entropy of the pixels.
# </details>
#
# <details><summary><b>13.</b> What does the encoder do when you draw new images?</summary>
#
# Nothing: draw z from the prior, decode, draw x from p(x|z).
# </details>
#
# <details><summary><b>14.</b> An auto-encoder and PCA reach the same loss. Are their codes equal?</summary>
#
# Equal only up to an invertible matrix; the subspace is the same.
# </details>
#
# <details><summary><b>15.</b> D1 writes q_θ and p_φ. What are θ and φ in the other lectures?</summary>
#
# The other way round: θ is the decoder, φ the encoder.
# </details>
#
# ## Exercises
#
# **1.** Write an alarm: given values of an objective and the exact $\log p(x)$ per datum, return the indices of the data at which the
# objective cannot be a
# lower bound, allowing for rounding of $10^{-9}$.


# %%
def not_a_bound(objective, log_p):
    """Indices (array of int) where the objective exceeds log_p by more than 1e-9."""
    raise NotImplementedError("about 1 line: compare, then np.flatnonzero")


try:
    found = not_a_bound(np.array([-3.0, -1.0, -2.0]), np.array([-2.0, -2.0, -2.0]))
    assert np.array_equal(found, [1])
    print("correct")
except NotImplementedError as error:
    print("to do:", error)

# %% [markdown]
# **2.** Repair the mixed program of section 2 for the other convention: the network's output $a$ is the log *variance*. Write the sample
# and the KL, forward and
# backward, for $f(\mu, a) = \sum z + \mathrm{KL}$ per datum.


# %%
def logvar_forward(mu, a):
    """sum(z) + KL per row, with z = mu + sigma * noise and a = ln sigma^2."""
    raise NotImplementedError("about 4 lines: sigma, z, KL, the sum and the cache")


def logvar_backward(dout, cache):
    """(dmu, da)."""
    raise NotImplementedError("about 3 lines: dsigma = dz * noise, then the chain by a, plus the KL")


noise = np.random.default_rng(1).standard_normal((4, 2))


def check_logvar(forward, backward):
    """Gradient check, then what a gradient check does not see: the value of the KL and the spread of the sample."""
    inputs = np.random.default_rng(2).standard_normal((2, 4, 2))
    assert check(forward, backward, *inputs).ok
    value, _ = forward(*inputs)
    z, _ = reparameterize_forward(inputs[0], inputs[1] / 2, noise)
    assert np.allclose(value, z.sum(-1) + kl_forward(inputs[0], inputs[1] / 2)[0], rtol=1e-12)
    print("correct")


try:
    check_logvar(logvar_forward, logvar_backward)
except NotImplementedError as error:
    print("to do:", error)

# %% [markdown]
# ## Solutions


# %% jupyter={"source_hidden": true} tags=["solution"]
def not_a_bound_solution(objective, log_p):
    return np.flatnonzero(objective > log_p + 1e-9)


assert np.array_equal(not_a_bound_solution(np.array([-3.0, -1.0, -2.0]), np.array([-2.0, -2.0, -2.0])), [1])
assert len(not_a_bound_solution(printed[:0], log_p[:0])) == 0
assert len(not_a_bound_solution(reconstruction - kl_forward(mu, log_sigma)[0], log_p)) == 0


# %% jupyter={"source_hidden": true} tags=["solution"]
def logvar_forward_solution(mu, a):
    sigma = np.exp(a / 2)
    z = mu + sigma * noise
    kl = (np.exp(a) + mu**2 - 1 - a).sum(-1) / 2
    return z.sum(-1) + kl, (mu, a, sigma)


def logvar_backward_solution(dout, cache):
    mu, a, sigma = cache
    dz = dout[:, None]
    return dz * (1 + mu), dz * noise * sigma / 2 + dz * (np.exp(a) - 1) / 2


check_logvar(logvar_forward_solution, logvar_backward_solution)
