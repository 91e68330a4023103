# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 14 Errata clinic and self-test
#
# Good lectures contain slips: they were drawn on slides, scanned, retyped. Each section below puts a printed line beside the corrected one
# and lets a number decide. The corrections are numbered E1 to E61; [errata.md](errata.md) lists them all, with lecture, heading and notebook, and
# section 9 holds the small ones.
#
# Afterwards you can use an exact model to expose a wrong objective, say which mistakes a gradient check cannot find,
# and answer fifteen questions on the five lectures.
#
# *Notation: posterior spread; network output for it; KL; bound; observation noise; weight on the KL; gradient of the loss by v.*
#
# The corrections come from all five lectures; "Accompanies" names only the headings that have items of their own here. "As printed" is what a lecture prints, "right" the corrected line. Squared norms are sums over pixels.

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
from tinyvae.estimators import (
    log_likelihood,
    standard_error,
    weights_have_finite_variance,
)
from tinyvae.exact import PCA, PPCA, GridPosterior
from tinyvae.plots import use_style

use_style()
rng = np.random.default_rng(0)
X = load_digits()[0].astype(np.float64)
LOG_2PI = np.log(2 * np.pi)


def panel(title, rows):
    """Print the printed line's number beside the corrected one's and beside the truth."""
    print(title)
    for name, value in rows:
        print(f"  {name:<58}{value:>12.4f}")


# %% [markdown]
# ## 1. E2: the sign of the KL
#
# *Items: D0-42.*
# *Short path.*
#
# The slide "VAE as an Auto-Encoder" (D0) prints the objective, to be maximised,
# $$\mathbb{E}_{q(z|x)}\Big[\log p(x|z) - \log \frac{p(z)}{q(z|x)}\Big],\qquad\text{where}\quad
#   \mathbb{E}_q\Big[\log\frac{q(z|x)}{p(z)}\Big] = \mathrm{KL}(q\,\|\,p).$$
# Two models serve as judges, because their $\log p(x)$ is known without any bound: a decoder $\sin 2z + z$ on a grid, **[GRID.1]**,
# and probabilistic PCA on the digits, **[PPCA.1]**. In both, $q$ is the exact posterior, the best there is.
#
# **Predict first:** a program computes the printed line. Will its reported objective look worse or better than that of a correct program? And where
# does it lie, seen from $\log p(x)$?

# %% tags=["answer"]
grid = GridPosterior(lambda x, z: gaussian_forward(np.sin(2 * z) + z, x, 0.1)[0], n_latent=1)
x = np.array([1.2])
log_p = grid.log_evidence([x])[0]
post = grid.posterior(x)
keep = post > 0
weight = post[keep] * grid.cell
reconstruction = weight @ grid.log_px(x, grid.z[keep])
log_prior = -(grid.z[keep, 0] ** 2 + LOG_2PI) / 2
kl = weight @ (np.log(post[keep]) - log_prior)
right, printed = reconstruction - kl, reconstruction + kl
excess, twice_kl = printed - log_p, 2 * kl
panel("decoder sin 2z + z, q = posterior, nats", [
    ("log p(x) by quadrature", log_p),
    ("right: reconstruction - KL", right),
    ("as printed: reconstruction + KL", printed),
    ("excess over log p(x)", excess),
    ("2 KL", twice_kl),
])  # fmt: skip
assert abs(right - log_p) < 1e-9
assert abs(excess - twice_kl) < 1e-9 and kl > 0.5

ppca = PPCA(2).fit(X)
vae = ppca.to_vae()  # its q(z|x) is the exact posterior
mu, log_sigma = vae.encode(X)
kl = kl_forward(mu, log_sigma)[0]
spread = (np.exp(2 * log_sigma) @ (vae.params["decoder.out.W"] ** 2).sum(1)) / (2 * vae.eta)  # tr(W Sigma W') / 2 eta
reconstruction = gaussian_forward(vae.decode(mu), X, vae.eta)[0] - spread
right, printed, log_p = reconstruction - kl, reconstruction + kl, ppca.score_samples(X)
excess, twice_kl = printed - log_p, 2 * kl
panel("digits, K = 2, linear model at its maximum-likelihood optimum, mean over the data, nats", [
    ("log p(x), exact", log_p.mean()),
    ("right: reconstruction - KL", right.mean()),
    ("as printed: reconstruction + KL", printed.mean()),
    ("excess over log p(x)", excess.mean()),
    ("2 KL", twice_kl.mean()),
])  # fmt: skip
assert np.abs(right - log_p).max() < 1e-9
assert np.abs(excess - twice_kl).max() < 1e-9 and kl.min() > 0 and abs(excess.mean() - 5.03) < 0.005

# %% [markdown] tags=["answer"]
# Better, by twice the information in the code, and above $\log p(x)$: that is the alarm, for no bound may lie there. The printed line is
# $$\text{printed} = \mathbb{E}_q[\log p(x|z)] + \mathrm{KL}(q\,\|\,p),$$
# and the ELBO **[ELBO.1]** is
# $$\text{ELBO} = \mathbb{E}_q[\log p(x|z)] - \mathrm{KL}(q\,\|\,p) = \log p(x) - \mathrm{KL}\big(q\,\|\,p(z|x)\big).$$
# So printed $=$ ELBO $+\,2\,\mathrm{KL}(q\,\|\,p)$, and at the posterior printed $=\log p(x) + 2\,\mathrm{KL}(p(z|x)\,\|\,p(z))$.
# *The correction to D0 (E2):* either the fraction is upside down or the minus before it is a plus: $\log p(x|z) - \log\frac{q(z|x)}{p(z)}$ is meant.

# %% [markdown]
# In the package one minus stands in `elbo_forward`, before `on_kl`, and the minus of the loss stands in `VAE.loss_forward`. (`BOUNDS` is the table
# of the two bounds, the ELBO and that of $k$ samples; `_checked` looks at shapes; `encode_forward`, `draw_forward`, `decode_forward`,
# `log_px_forward`, `kl_term_forward` call the pair of the part that they name.)

# %%
show(elbo_terms_forward, elbo_forward, VAE.loss_forward)

# %% [markdown]
# The next model is small enough for a pencil: $x = z + \sqrt{1/8}\,e$ at $x = 1$. Its posterior is $\mathcal{N}(8/9, 1/9)$.

# %%
toy = PPCA(1)
toy.W_, toy.mean_, toy.noise_variance_ = np.ones((1, 1)), np.zeros(1), 1 / 8
one = np.ones((1, 1))
toy_log_p = toy.score_samples(one)[0]
toy_mean, toy_cov = toy.posterior(one)
m_star, s_star = toy_mean[0, 0], np.sqrt(toy_cov[0, 0])
print(f"log p(x) = {toy_log_p:.4f}, posterior N({m_star:.4f}, {s_star**2:.4f})")
assert abs(m_star - 8 / 9) < 1e-12 and abs(s_star**2 - 1 / 9) < 1e-12


def toy_terms(m, s, eta=1 / 8):
    """Exact E_q log p(x|z) and KL(q || N(0, 1)) for q = N(m, s^2), x = 1."""
    expected = -((1 - m) ** 2 + s**2) / (2 * eta) - np.log(2 * np.pi * eta) / 2
    return expected, (s**2 + m**2 - 1 - np.log(s**2)) / 2


assert abs(np.subtract(*toy_terms(m_star, s_star)) - toy_log_p) < 1e-12, "the ELBO of the posterior is log p(x)"
assert abs(toy_terms(m_star, s_star)[1] - kl_forward(np.array([[m_star]]), np.log([[s_star]]))[0][0]) < 1e-12

# %% [markdown]
# **Predict first:** hand the printed objective of this model to an optimiser, the mean of q held at 8/9. Which standard deviation will it give to
# $q$?

# %% tags=["answer"]
s = np.geomspace(0.01, 1, 200)
expected, kl_s = toy_terms(m_star, s)
fig, ax = plt.subplots()
ax.axhline(toy_log_p, color="black", ls=":", label="log p(x)")
ax.semilogx(s, expected - kl_s, label="right: reconstruction − KL")
ax.semilogx(s, expected + kl_s, ls="--", label="as printed: reconstruction + KL")
ax.set(
    xlabel="standard deviation of q",
    ylabel="objective (nats)",
    title="The printed sign rewards a vanishing spread",
    ylim=(-9, 6),
)
ax.legend(loc="lower left")
plt.show()
assert (expected - kl_s).max() <= toy_log_p and abs(np.log(s[(expected - kl_s).argmax()] / s_star)) < 0.03
assert np.all(np.diff(expected + kl_s) < 0), "the narrower, the better"
for tiny in (1e-4, 1e-8):
    print(f"as printed at s = {tiny:g}: {sum(toy_terms(m_star, tiny)):.1f} nats")
assert abs(sum(toy_terms(m_star, 1e-8)) - sum(toy_terms(m_star, 1e-4)) - 4 * np.log(10)) < 1e-6, (
    "ln 10 for each division by ten: no limit"
)

# %% [markdown] tags=["answer"]
# As small a one as the machine has. The derivative of the printed line by $\ln s$ is $-s^2/\eta + s^2 - 1$, negative for every $s$ if
# $\eta\le1$: each division of $s$ by 10 gains $\ln 10$ nats, without limit. With the right sign it is $-s^2/\eta - s^2 + 1$, zero at
# $s^2=\eta/(1+\eta)=1/9$.

# %% [markdown]
# ## 2. E50 and E51: standard deviation or variance
#
# *Items: D4-23, D4-25.*
# *Short path.*
#
# D4 says, under "Implementation": scale ε by the latent distribution's *variance* σ (E50), and: the network puts out $\log\sigma$, exponentiate it
# to get the latent distribution's *variance* (E51). In the reparameterisation **[REP.1]** the factor is the standard deviation,
# $$z = \mu + \sigma\varepsilon \;\Rightarrow\; \operatorname{Var} z = \sigma^2 \operatorname{Var}\varepsilon = \sigma^2 ,$$
# and $\exp(\log\sigma) = \sigma$ is that standard deviation.
#
# Followed to the letter, with $a$ for the output of the network and $v = e^a$ called the variance, a program reads
# $$z = \mu + v\,\varepsilon, \qquad \mathrm{KL} = \tfrac12(v + \mu^2 - 1 - \ln v).$$
# The samples then have standard deviation $v$, the KL is that of a Gaussian with standard deviation $\sqrt v$. The KL that belongs to the
# samples is $\tfrac12(v^2 + \mu^2 - 1 - \ln v^2)$, **[KL.1]** with σ = v.

# %%
show(reparameterize_forward, kl_forward)

# %% [markdown]
# **Predict first:** the mixed program has a forward and a matching backward. What will `check` say of it?

# %% tags=["answer"]
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
print("check of the mixed program:", {row.name: "ok" if row.ok else "WRONG" for row in report.rows})
assert report.ok, "the mixed objective has a correct gradient"

# %% [markdown] tags=["answer"]
# It passes: a gradient check compares backward with forward, and says nothing about whether forward is the lecture's mathematics.

# %% [markdown]
# Now two numbers from outside. First: the exact $\log p(x)$. At the posterior mean, the derivative of the mixed objective
# by $v$ is $-v/\eta - \tfrac12 + \tfrac1{2v}$, zero where $2v^2/\eta + v = 1$; here $16v^2+v=1$. The difference of the two KLs,
# $$\tfrac12\,(v^2 - v - \ln v) \ge 0 ,$$
# is missing from the penalty (its slope is $(2v+1)(v-1)/2v$, so its least value is 0, at $v=1$), and nothing guarantees a lower bound any more.

# %%
v = np.geomspace(0.01, 2, 20001)
expected, kl_right = toy_terms(m_star, v)
kl_mixed = (v + m_star**2 - 1 - np.log(v)) / 2
right, mixed = expected - kl_right, expected - kl_mixed
best = (np.sqrt(65) - 1) / 32  # the root of 16 v^2 + v = 1
above = toy_terms(m_star, best)[0] - (best + m_star**2 - 1 - np.log(best)) / 2 - toy_log_p
panel("x = z + sqrt(1/8) e, x = 1, best over the spread, nats", [
    ("log p(x), exact", toy_log_p),
    ("right: sigma in both places", right.max()),
    ("mixed: sigma in the sample, variance in the KL", mixed.max()),
    ("excess of the mixed 'bound' over log p(x)", above),
    ("spread of the samples at the mixed optimum", best),
    ("posterior standard deviation", s_star),
])  # fmt: skip
assert abs(right.max() - toy_log_p) < 1e-6
assert abs(mixed.max() - toy_log_p - above) < 1e-6 and abs(above - 0.54) < 0.005
assert abs(np.log(v[mixed.argmax()] / best)) < 1e-3
missing = (v**2 - v - np.log(v)) / 2
assert np.abs(mixed - right - missing).max() < 1e-12 and missing.min() >= 0 and abs(np.log(v[missing.argmin()])) < 1e-3

# %%
fig, ax = plt.subplots()
ax.axhline(toy_log_p, color="black", ls=":", label="log p(x)")
shown = v <= 1.2
ax.semilogx(v[shown], right[shown], label="right: exp(log σ) is the standard deviation")
ax.semilogx(v[shown], mixed[shown], ls="--", label="mixed: a variance in the KL only")
ax.set(
    xlabel="exp of the network's output",
    ylabel="objective (nats)",
    title="The mixed objective climbs above log p(x)",
    ylim=(-10, 0),
)
ax.legend(loc="lower center")
plt.show()

# %% [markdown]
# Second: the samples themselves. A Monte Carlo KL of the distribution that is really sampled disagrees with the closed form of the mixed program.

# %%
a = np.log(best)
z, _ = reparameterize_forward(np.full((1, 1), m_star), np.full((1, 1), a), rng.standard_normal((200_000, 1, 1)))
log_q = -(((z - m_star) / best) ** 2 + 2 * a + LOG_2PI) / 2
log_pz = -(z**2 + LOG_2PI) / 2
draws = (log_q - log_pz).ravel()
estimate, error = draws.mean(), standard_error(draws)
closed = kl_forward(np.full((1, 1), m_star), np.full((1, 1), a))[0][0]
mixed_kl = (best + m_star**2 - 1 - a) / 2
print(f"Monte Carlo KL {estimate:.3f} ± {error:.3f}, kl_forward {closed:.3f}, mixed program's KL {mixed_kl:.3f}")
assert abs(estimate - closed) < 4 * error
assert abs(estimate - mixed_kl) > 100 * error

# %% [markdown]
# On the digits, with the linear model of section 1, each of the $K$ latents adds its own excess. With $c_j = \|w_j\|^2/\eta$ in place of $1/\eta$,
# the best spread $v_j$ solves $2c_jv_j^2 + v_j = 1$, and the exact posterior has the variance $1/(1+c_j)$.

# %%
c = (vae.params["decoder.out.W"] ** 2).sum(1) / vae.eta
v_best = (np.sqrt(1 + 8 * c) - 1) / (4 * c)
mixed_terms = -c * v_best**2 / 2 - (v_best - 1 - np.log(v_best)) / 2  # what depends on the spread
s2 = 1 / (1 + c)
right_terms = -c * s2 / 2 - (s2 - 1 - np.log(s2)) / 2  # the same terms at the exact posterior
excess = mixed_terms - right_terms
print(f"digits, K = 2: mean log p(x) {log_p.mean():.4f}, mixed 'bound' {log_p.mean() + excess.sum():.4f} nats")
print(f"excess {excess.sum():.4f} nats, by latent {excess.round(4)}")
assert np.all(excess > 0.5)
assert np.abs(-c * v_best - 0.5 + 0.5 / v_best).max() < 1e-9, "the derivative of the mixed terms by v is zero"
assert np.abs(right_terms + np.log(1 + c) / 2).max() < 1e-12, "the right terms are -ln(1 + c) / 2"
assert np.abs(s2 - np.exp(2 * log_sigma[0])).max() < 1e-12, "the variance of the model's own posterior"

# %% [markdown]
# As $c\to\infty$ the excess at that optimum grows as $\tfrac14\ln c$: no constant repairs it. The same trap has a consistent cousin: if $a$ is meant as the log *variance*, take $\sigma = e^{a/2}$ in the sample and
# $v = e^{a}$ in the KL. That is a correct program, and a common one. The name of the variable must say which of the two it is.

# %% [markdown]
# ## 3. E12: where the bias is
#
# D0 ("Estimating log p(x)") calls $\log p(x|z)$, $z\sim p(z)$, biased and noisy. True, and worth one more word (E12): $p(x|z)$ itself is
# *unbiased*, $\mathbb{E}_{p(z)}[p(x|z)] = p(x)$ by definition of the marginal. The logarithm makes the bias **[NAIVE.1]**:
# $$\mathbb{E}_{p(z)}[\log p(x|z)] = \int p(z)\log\frac{p(x)\,p(z|x)}{p(z)}\,\mathrm{d}z = \log p(x) - \mathrm{KL}\big(p(z)\,\|\,p(z|x)\big).$$
#
# **Predict first:** average ten samples of $p(x|z)$ before the logarithm. Is the result then unbiased?

# %% tags=["answer"]
bias_exact = -0.5 * (9 + 9 * m_star**2 - 1 - np.log(9))  # -KL(N(0, 1) || N(8/9, 1/9))
second = (
    np.exp(-1 / (2 + 1 / 8)) / np.sqrt(2 * np.pi * (1 + 1 / 16)) / (2 * np.sqrt(np.pi / 8))
)  # E p(x|z)^2 = N(1; 0, 1 + eta/2) / 2 sqrt(pi eta)
leading = -(second / np.exp(2 * toy_log_p) - 1) / 2  # times 1 / L
biases, errors = {}, {}
for L, repeats in ((1, 200_000), (10, 200_000), (100, 40_000)):
    z = rng.standard_normal((L, repeats))
    values, _ = iwae_bound_forward(-4 * (1 - z) ** 2 - np.log(2 * np.pi / 8) / 2)  # log of the mean of exp over L
    biases[L], errors[L] = values.mean() - toy_log_p, standard_error(values)
    if L == 1:
        ratio = np.exp(values - toy_log_p)
print(f"mean of p(x|z) / p(x) = {ratio.mean():.3f} ± {standard_error(ratio):.3f}: unbiased for p(x)")
print(f"bias of log p(x|z), exact {bias_exact:.4f} nats; leading term for many samples {leading:.3f} / L")
for L, b in biases.items():
    print(f"  L = {L:>3}: bias {b:8.4f} ± {errors[L]:.4f} nats")
assert abs(ratio.mean() - 1) < 4 * standard_error(ratio) and abs(
    (ratio**2).mean() - 1 + 2 * leading
) < 4 * standard_error(ratio**2)
assert abs(biases[1] - bias_exact) < 4 * errors[1] and abs(bias_exact + 6.46) < 0.005
assert biases[10] < -10 * errors[10] and biases[10] > biases[1] + 1, "smaller, but still there at ten"
assert abs(biases[100] - leading / 100) < 4 * errors[100] < 0.5 * abs(leading / 100)

# %% [markdown] tags=["answer"]
# No: $\log$ of an unbiased mean is biased downwards, by Jensen. The bias falls, for many samples as $-\operatorname{Var}(w)/2L$ with
# $w = p(x|z)/p(x)$ (the second term of $\ln(1+t) = t - t^2/2 + \dots$ at $t = $ mean of $w$ minus 1), and is never 0.

# %% [markdown]
# ## 4. E13: how far off may q be?
#
# D0 recommends the weight $w = p(x|z)p(z)/q(z)$ with $z\sim q\approx p(z|x)$: it "works great". (E1: in our copy of the
# slide's text the logarithm stands in the numerator; it belongs in front of the fraction.) If $q$ *is* the posterior, $w = p(x)$ for every $z$. For a
# Gaussian posterior of precision $\Lambda$ and a Gaussian $q$ of precision $\Lambda_q$ with the same mean,
# $$\frac{\mathbb{E}_q[w^2]}{p(x)^2} = \int\frac{p(z|x)^2}{q(z)}\,\mathrm{d}z = \frac{|\Lambda|}{|\Lambda_q|^{1/2}\,|2\Lambda-\Lambda_q|^{1/2}},$$
# because the integrand is $|\Lambda|\,|\Lambda_q|^{-1/2}(2\pi)^{-K/2}\,e^{-z'(2\Lambda-\Lambda_q)z/2}$ around the mean. The best diagonal $q$ has
# $\Lambda_q = \operatorname{diag}\Lambda$. Take $\Lambda = \left(\begin{smallmatrix}1&r\\r&1\end{smallmatrix}\right)$ with $0\le r<1$.
#
# **Predict first:** up to which $r$ does the variance of the weights stay finite?


# %% tags=["answer"]
def second_moment(r, width, n=801):
    """The integral of p(z|x)^2 / q(z) over a square of half-width `width`, by quadrature."""
    axis = np.linspace(-width, width, n)
    a, b = np.meshgrid(axis, axis)
    log_post = np.log(1 - r * r) / 2 - (a * a + b * b + 2 * r * a * b) / 2 - LOG_2PI
    log_q = -(a * a + b * b) / 2 - LOG_2PI
    return float(np.exp(2 * log_post - log_q).sum() * (axis[1] - axis[0]) ** 2)


print("  r    finite?    E w^2 / p(x)^2 inside a square of half-width 6, 9, 12     formula")
for r in (0.0, 0.3, 0.4, 0.55, 0.7):
    precision = np.array([[1, r], [r, 1]])
    finite = weights_have_finite_variance(precision, np.eye(2))
    inside = [second_moment(r, width) for width in (6, 9, 12)]
    formula = (1 - r * r) / np.sqrt(1 - 4 * r * r) if finite else np.inf
    print(f"{r:5.2f}  {finite!s:<8}" + "".join(f"{m:16.4g}" for m in inside) + f"{formula:16.4f}")
    assert finite == (r < 0.5)
    if finite:
        assert abs(inside[2] / formula - 1) < 1e-6
    else:
        assert inside[2] > 10 * inside[1] > 100 * inside[0], "no limit"

# %% [markdown] tags=["answer"]
# *A refinement of D0 (E13):* below $r=\tfrac12$. $2\Lambda - I$ has the eigenvalues $1\pm2r$, and the integral is finite only if both are positive.
# A $q$ that is the variational optimum, only narrower than the posterior along one diagonal, can have weights of infinite variance: then the
# average of many weights is ruled by the few largest.

# %% [markdown]
# ## 5. E27: what factorising costs
#
# D1 ("Variational Inference for VAE") factorises $q = \prod_i q(z_i)$ over the *data* and calls it an approximation. It also takes a
# diagonal Σ *within* one $z_i$.
#
# **Predict first:** a linear model whose posterior is not diagonal. Which of the two factorisations lowers the best bound?

# %% tags=["answer"]
turned = PPCA(8).fit(X)
turned.W_ = turned.W_ @ np.linalg.qr(rng.standard_normal((8, 8)))[0]  # the same p(x), a posterior that is not diagonal
mean, covariance = turned.posterior(X)
precision = np.linalg.inv(covariance)
gap = (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / 2
over_data = turned.bound(X, mean, covariance)
within = turned.bound(X, mean, np.diag(1 / np.diag(precision)))
lost = over_data - within
panel("digits, K = 8, W turned by a random rotation, nats per datum", [
    ("log p(x)", turned.score(X)),
    ("best bound, q factorised over the data, full covariance", over_data),
    ("best bound, q factorised within z too (diagonal)", within),
    ("lost by the diagonal", lost),
    ("formula", gap),
])  # fmt: skip
assert abs(over_data - turned.score(X)) < 1e-9
assert abs(lost - gap) < 1e-9 and gap > 0.1
for factor in (0.9, 1.1):  # the best diagonal is 1 / Lambda_jj
    assert turned.bound(X, mean, np.diag(factor / np.diag(precision))) < within - 1e-3

# %% [markdown] tags=["answer"]
# *The correction to D1 (E27):* only the second. Given the parameters, the posterior factorises over the data by itself,
# $$p(z_1,\dots,z_N|x_1,\dots,x_N) \propto \prod_i p(x_i|z_i)p(z_i).$$
# Within $z$, with $\Delta=\operatorname{diag}\Lambda$ for the best precision of $q$,
# $$\mathrm{KL}\big(\mathcal{N}(m,\Delta^{-1})\,\|\,\mathcal{N}(m,\Lambda^{-1})\big)
#   = \tfrac12\big(\operatorname{tr}\Lambda\Delta^{-1} - K + \ln|\Delta| - \ln|\Lambda|\big)
#   = \tfrac12\Big(\sum_j\ln\Lambda_{jj} - \ln|\Lambda|\Big),$$
# as $\operatorname{tr}\Lambda\Delta^{-1}=K$.

# %% [markdown]
# ## 6. E10, E30, E31, E35: a maximum and a constant
#
# D2, on the reconstruction term: $\log p(x|z) = -\|x-G(z)\|^2/2\eta + \text{const}$; the term "is minimized" by a point mass at $z_*$; and
# ("Amortization") it is "squared error … like in an ordinary VAE". With **[NORM.1]** in full,
# $$\log p(x|z) = -\frac{\|x-G(z)\|^2}{2\eta} - \frac D2\ln(2\pi\eta).$$
# *Corrections to D2:* the log-likelihood is *maximised* where the squared error is minimised (E30; the same slide writes $\sigma^2$ for $\eta$);
# "ordinary VAE" is ordinary auto-encoder, and the
# reconstruction term is *minus* a squared error over 2η (E31; in our copy the norm has lost the minus between its two x, too); the "const" is constant in $z$ but not in $\eta$ (E35).
#
# **Predict first:** learn $\eta$ with the constant dropped. Where does it go?

# %% tags=["answer"]
pca = PCA(2).fit(X)
r2 = pca.reconstruction_error_  # mean of ||x - G(z)||^2
D = X.shape[1]
eta = np.geomspace(1e-2, 10, 4001)
dropped = -r2 / (2 * eta)
full = np.array(
    [gaussian_forward(np.full((1, D), np.sqrt(r2 / D)), np.zeros((1, D)), e)[0][0] for e in eta]
)  # the same squared error
assert np.abs(full - (dropped - D / 2 * np.log(2 * np.pi * eta))).max() < 1e-9
fig, ax = plt.subplots()
ax.semilogx(eta, full, label="right: with −D/2 ln 2πη")
ax.semilogx(eta, dropped, ls="--", label="wrong: 'const' dropped")
ax.axvline(r2 / D, color="black", ls=":", label="mean squared error per pixel")
ax.set(
    xlabel="η, variance of the observation noise",
    ylabel="log p(x|z) (nats)",
    title="Without the constant, η has no optimum",
    ylim=(-180, 130),
)
ax.legend(loc="upper right")
plt.show()
panel("digits, PCA with K = 2", [
    ("right: best eta", eta[full.argmax()]),
    ("mean squared error per pixel", r2 / D),
    ("wrong: best eta of the range 0.01 to 10", eta[dropped.argmax()]),
])  # fmt: skip
assert abs(np.log(eta[full.argmax()] * D / r2)) < 1e-3 and abs(r2 / D - 0.052) < 0.0005
assert dropped.argmax() == len(eta) - 1, "the far end, wherever it is"
assert abs(ppca.noise_variance_ - 0.054) < 0.0005, "with the spread of q"

# %% [markdown] tags=["answer"]
# To infinity: without $-\tfrac D2\ln\eta$ nothing punishes a model that calls every error noise. With it, the derivative
# $r^2/2\eta^2 - D/2\eta$ is zero at $\eta=r^2/D$, the mean squared error per pixel (at fixed z; with the spread of q the optimum is the *expected*
# squared error per pixel, 0.054 here).

# %% [markdown]
# A maximum it is, by number (E30):

# %%
z_grid = np.linspace(-3, 3, 601)
values = gaussian_forward(z_grid[:, None], np.ones((601, 1)), 1 / 8)[0]
print(f"log p(x|z), x = 1: largest {values.max():.4f} at z* = {z_grid[values.argmax()]:.0f},"
      f" smallest of the grid {values.min():.1f} at z = {z_grid[values.argmin()]:.0f}")  # fmt: skip
assert abs(z_grid[values.argmax()] - 1) < 1e-12 and values.argmin() == 0
assert abs(values.max() + np.log(2 * np.pi / 8) / 2) < 1e-12 and abs(values.min() - values.max() + 16 / (2 / 8)) < 1e-9

# %% [markdown]
# A variance that the decoder chooses is a trap, too. D0 ("What is a VAE?") lets it choose $\Sigma_\theta(z)$ freely (and prints "N(0; I)" for
# N(0, I), E10). If the mean hits one datum exactly, the log-density there grows by $\tfrac D2\ln 10$ for every division of $\eta$ by
# 10, without limit (and so does $p(x)$, if the mean stays on the datum for a set of z that has probability).
# The package's pixel-wise variance has a floor **[NORMD.1]**.

# %%
target = X[:1]
free, floored, exponents = [], [], (2, 4, 8, 16)
for k in exponents:
    output = np.stack([target, np.full_like(target, -k * np.log(10))], axis=-1)  # mean = x, log-variance = -k ln 10
    free.append(gaussian_forward(target, target, 10.0**-k)[0][0])
    floored.append(gaussian_diagonal_forward(output, target)[0][0])
print("log p(x|z) at G(z) = x, nats:   eta = 1e-2     1e-4     1e-8    1e-16")
print("  free variance           " + "".join(f"{value:>11.1f}" for value in free))
print("  variance with a floor   " + "".join(f"{value:>11.1f}" for value in floored))
assert np.abs(np.diff(free) - D / 2 * np.log(10) * np.diff(exponents)).max() < 1e-9
assert abs(floored[3] - floored[2]) < 1e-2 < floored[2] - floored[0]

# %% [markdown]
# ## 7. E33: the same subspace, not the same factors
#
# D2 ("Principal Component Analysis"): linear auto-encoders with squared error are equivalent to PCA. In what they reconstruct, yes. But (E33) for any
# invertible $A$, $(UA)(A^{-1}V) = UV$, and any
# $n$ with $n\cdot x = 0$ for every centred datum $x$ may be added to the rows of $V$. The digits have three pixels' worth of such directions.

# %%
Xc = X - X.mean(0)
eigenvalues = np.linalg.eigvalsh(Xc.T @ Xc / len(Xc))
U = pca.components_.T
projector = U @ U.T
A = rng.standard_normal((2, 2)) + 2 * np.eye(2)
off_span = np.linalg.svd(Xc)[2][61:]  # directions that no datum has
free_rows = rng.standard_normal((2, 3)) @ off_span
U2, V2 = U @ A, np.linalg.solve(A, U.T) + free_rows
loss, other_loss = ((Xc - Xc @ projector) ** 2).sum(1).mean(), ((Xc - Xc @ (U2 @ V2).T) ** 2).sum(1).mean()
on_data, off_data = np.abs(Xc @ (U2 @ V2).T - Xc @ projector.T).max(), np.abs(U2 @ V2 - projector).max()
factors = np.abs(U2 - U).max()
panel("digits, K = 2: another optimum of the linear auto-encoder against PCA", [
    ("loss of PCA", loss),
    ("loss of the other optimum", other_loss),
    ("largest difference of UVX and PX", on_data),
    ("largest difference of UV and P", off_data),
    ("largest difference of U and the eigenvectors", factors),
])  # fmt: skip
assert np.linalg.matrix_rank(Xc) == 61 and np.abs(Xc @ off_span.T).max() < 1e-12
assert abs(loss - eigenvalues[:-2].sum()) < 1e-10 and abs(other_loss - loss) < 1e-10, "the trailing eigenvalues"
assert on_data < 1e-12 and off_data > 0.3 and factors > 0.3
assert np.abs(U2 @ V2 - projector - U2 @ free_rows).max() < 1e-12, "only the free rows tell the products apart"
assert abs(off_data - np.abs(U2 @ free_rows).max()) < 1e-12

# %% [markdown]
# ## 8. E36: the sample path and what it lacks
#
# D2 ("Reparameterization Trick"), in our notation: $d\mu_i = dz_i$, $d\sigma_i = dz_i\,\epsilon_i$. *A nuance to D2 (E36):* that is the path
# through the sample alone. The KL term depends on $\mu$ and $\sigma$ as well, and the network's output is
# $\log\sigma$. In full, with **[REP.2]** and **[KL.2]**,
# $$d\mu = dz + d\mathrm{KL}\,\mu, \qquad
# d\log\sigma = \sigma\,dz\,\epsilon + d\mathrm{KL}\,(\sigma^2-1).$$
#
# **Predict first:** the slide's two rules as the backward pass of the -ELBO. Does `check` find this mistake?


# %% tags=["answer"]
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
for name, backward in (("the slide's rules", slide_backward), ("in full", full_backward)):
    report = check(negative_elbo_forward, backward, *inputs)
    print(f"{name}:", {row.name: "ok" if row.ok else "WRONG" for row in report.rows})
    assert report.ok == (name == "in full")
(mu_in, log_sigma_in), (_, cache) = inputs, negative_elbo_forward(*inputs)
(slide_dmu, slide_dsigma), (full_dmu, full_dlog_sigma) = (
    slide_backward(np.ones(5), cache),
    full_backward(np.ones(5), cache),
)
sigma_in = np.exp(log_sigma_in)
assert np.abs(full_dmu - (slide_dmu + mu_in)).max() < 1e-12, "what the slide lacks: dKL mu"
assert np.abs(full_dlog_sigma - (sigma_in * slide_dsigma + sigma_in**2 - 1)).max() < 1e-9, (
    "the factor sigma, and dKL (sigma^2 - 1)"
)

# %% [markdown] tags=["answer"]
# Yes, for both inputs: forward was right, backward was not, and that is the kind of mistake that a gradient check does find.

# %% [markdown]
# ## 9. A tray of smaller corrections, one number each
#
# | erratum | where | printed | corrected |
# |---|---|---|---|
# | E3 | D0, "VAE as an Auto-Encoder" | one σ twice, $C_2$ without a sign | $C_2 = -1/2\eta < 0$, per draw; for a linear decoder the expectation adds $-\operatorname{tr}(W\Sigma W')/2\eta$ |
# | E4 | D0, "Vanilla VAE Distribution" | the decoder maps to $\mathbb{R}^{28\times28}$ and gives means | means of binary pixels lie in [0, 1]: the real numbers are logits |
# | E8 | D0, "Pitfalls of VAE" | the KL term wins: collapse | in a linear VAE the collapse stands in $\log p(x)$ itself (shown here); the ELBO adds no spurious local maxima (Lucas and others, 2019) |
# | E11 | D0, "Vanilla VAE Distribution" | pixels are independent | independent *given z* |
# | E24, E25 | D1, "Variational Inference" | evidence; "the lowest possible value of the evidence" | *log* evidence; a lower bound, its maximum over q is log p(x) |
# | E28 | D1, "Variational?" | argmax of an error | argmin |
# | E34 | D2, "Observation Model" | p(x) = 0 almost everywhere | no density at all: as η falls, log p(x) goes to $-\infty$ off the manifold and $+\infty$ on it |
# | E55 | D4, "Visualization of latent space" | β on the KL | β > 1 is a looser bound, β < 1 need not be one |
# | E56 | D4, reply on the "SMILE" label | "uncorrelated and represent distinct concepts" | uncorrelated does not mean independent |
# | E57 | D4, "... as a generative model" | values sampled from a Gaussian | a grid by the inverse CDF: nearly equal prior mass per value |
# | E61 | D4, "Visualization of latent space" | KL only: nothing described | more exactly: the decoder gets no gradient at all |

# %%
# E3: the expectation against the value at eps = 0
at_mean = gaussian_forward(vae.decode(mu), X, vae.eta)[0]
noise = rng.standard_normal((4000, 1, 2))
first = vae.decode((mu[:1] + np.exp(log_sigma[:1]) * noise).reshape(-1, 2))
sampled = gaussian_forward(first, np.broadcast_to(X[:1], first.shape), vae.eta)[0]
with_trace = at_mean[0] - spread[0]
print(f"E3   E_q log p(x|z) of the first digit: at eps = 0 {at_mean[0]:.2f}, with the trace term {with_trace:.2f}, "
      f"sampled {sampled.mean():.2f} ± {standard_error(sampled):.2f}")  # fmt: skip
assert abs(sampled.mean() - with_trace) < 4 * standard_error(sampled) and spread[0] > 8 * standard_error(sampled)
constant, slope = np.polyfit(((X[0] - first) ** 2).sum(1), sampled, 1)[::-1]
assert abs(slope + 1 / (2 * vae.eta)) < 1e-6 and slope < 0, "C_2 = -1 / 2 eta, for every draw"

# E4: a real output taken as a mean has no log-likelihood; taken as a logit it has
out, pixel = np.array([[1.7]]), np.array([[0.0]])
with np.errstate(invalid="ignore"):
    as_mean = np.log(1 - out)[0, 0]
as_logit = bernoulli_forward(out, pixel)[0][0]
print(f"E4   output 1.7, pixel 0: log p as a mean {as_mean}, as a logit {as_logit:.4f}")
assert np.isnan(as_mean) and abs(as_logit + np.log1p(np.exp(1.7))) < 1e-12

# E8: the part of log p(x) of a linear model that one column makes, by its squared length, along an eigenvector of the data
lengths = np.linspace(0, 1, 10_001)
eigen_digits, directions = (found[..., ::-1] for found in np.linalg.eigh(np.cov(X.T, bias=True)))
judge = PPCA(8).fit(X)
for eta_now in (0.02, 0.3, 0.8):
    along = -(np.log(lengths + eta_now) + eigen_digits[:8, None] / (lengths + eta_now)) / 2  # no bound in sight
    best_length = lengths[along.argmax(1)]
    print(f"E8   eta = {eta_now}: log p(x) itself is best with {np.sum(best_length > 0)} of 8 columns in use")
    assert np.abs(best_length - np.maximum(eigen_digits[:8] - eta_now, 0)).max() < 1e-4
    judge.W_, judge.noise_variance_ = directions[:, :8] * np.sqrt(best_length), eta_now
    others = -(np.log(eta_now) + eigen_digits[8:] / eta_now).sum() / 2
    assert abs(judge.score(X) - (along.max(1).sum() + others - 32 * LOG_2PI)) < 1e-6, "it is log p(x)"

# E11: covariance of pixels with and without z, in the linear model
marginal = ppca.W_ @ ppca.W_.T
np.fill_diagonal(marginal, 0)
draws = ppca.sample(20_000, rng=0)
i, j = np.unravel_index(np.abs(marginal).argmax(), marginal.shape)
product = (draws[:, i] - ppca.mean_[i]) * (draws[:, j] - ppca.mean_[j])
print(
    f"E11  largest covariance of two pixels: given z 0, without z {marginal[i, j]:.4f}, in draws {product.mean():.3f}"
)
assert abs(product.mean() - marginal[i, j]) < 4 * standard_error(product) < abs(marginal[i, j]) / 5

# %%
# E24, E25: random q never beat log p(x); the posterior meets it; the right side is the log evidence, not the evidence
trial = np.subtract(*toy_terms(rng.uniform(-2, 2, 5000), rng.uniform(0.05, 2, 5000)))
met = np.subtract(*toy_terms(m_star, s_star))
print(f"E25  ELBO of 5000 random q: {trial.min():.1f} to {trial.max():.4f}, of the posterior {met:.4f};"
      f" log p(x) {toy_log_p:.4f}, p(x) {np.exp(toy_log_p):.4f}")  # fmt: skip
assert trial.max() < toy_log_p and abs(met - toy_log_p) < 1e-12
assert abs(np.exp(toy_log_p) - np.exp(-1 / (2 * 9 / 8)) / np.sqrt(2 * np.pi * 9 / 8)) < 1e-12, "p(x) = N(1; 0, 1 + 1/8)"

# E28: fit y = g x to y = x; the argmax of the error is the worst g of the set
g, line = np.linspace(0, 3, 31), np.linspace(0, 1, 50)
error = ((g[:, None] * line - line) ** 2).mean(1)
print(f"E28  argmin of the error: slope {g[error.argmin()]:.1f}, argmax: slope {g[error.argmax()]:.1f}")
assert abs(g[error.argmin()] - 1) < 1e-12 and g[error.argmax()] == 3

# E34: log p(x) of a line in the plane as the noise vanishes
line_model = PPCA(1)
line_model.W_, line_model.mean_ = np.array([[1.0], [0.0]]), np.zeros(2)
on_off, etas = [], (1e-2, 1e-4, 1e-6)
for eta_small in etas:
    line_model.noise_variance_ = eta_small
    on_off.append(line_model.score_samples(np.array([[0.5, 0.0], [0.5, 0.1]])))
print("E34  log p(x) on and off the line, eta = 1e-2, 1e-4, 1e-6:", "; ".join(f"{a:.2f}, {b:.2f}" for a, b in on_off))
for (on, off), eta_small in zip(on_off, etas):
    assert abs(on - off - 0.1**2 / (2 * eta_small)) < 1e-9, "the distance 0.1 costs 0.01 / 2 eta"
assert np.abs(np.diff([on for on, _ in on_off]) - np.log(10)).max() < 1e-2, (
    "on it: half of ln 100 for each division of eta by 100"
)

# %%
# E55: at the exact posterior the beta objective is log p + (1 - beta) KL
expected_star, kl_star = toy_terms(m_star, s_star)
values = {beta: expected_star - beta * kl_star - toy_log_p for beta in (0.5, 1.0, 2.0)}
print("E55  beta objective minus log p(x):", ", ".join(f"beta {beta}: {value:+.4f}" for beta, value in values.items()))
assert all(abs(value - (1 - beta) * kl_star) < 1e-12 for beta, value in values.items()) and kl_star > 1

# E56: points of a ring are uncorrelated; each coordinate still tells the size of the other
ring = synthetic("ring", 20_000)
correlation, of_squares = np.corrcoef(ring.T)[0, 1], np.corrcoef((ring**2).T)[0, 1]
print(f"E56  ring: correlation of the coordinates {correlation:+.2f}, of their squares {of_squares:+.2f}")
assert abs(correlation) < 4 / np.sqrt(20_000) and of_squares < -0.8

# E57: prior mass of the cells around ten values
normal = NormalDist()
inverse_cdf = np.array([normal.inv_cdf((i + 0.5) / 10) for i in range(10)])
masses = {}
for name, points in {"equally spaced": np.linspace(-3, 3, 10), "inverse CDF": inverse_cdf}.items():
    borders = [normal.cdf((a + b) / 2) for a, b in pairwise(points)]  # each z to its nearest value
    masses[name] = np.diff([0, *borders, 1])
    print(f"E57  ten values, {name}: prior mass per value {masses[name].min():.3f} to {masses[name].max():.3f}")
assert np.ptp(masses["inverse CDF"]) < 0.02 and abs(masses["inverse CDF"].mean() - 0.1) < 1e-12
assert np.ptp(masses["equally spaced"]) > 0.2

# E61: the gradient of the KL alone
small = VAE(64, 2, hidden=(16,), dtype="float64")
_, cache = small.loss_forward((X[:100], None), rng.standard_normal((1, 100, 2)))
kl_gradient = small.views(small.loss_backward(1.0, cache, weights={"reconstruction": 0}))
both = small.views(small.loss_backward(1.0, cache))
largest = {
    part: max(np.abs(v).max() for name, v in kl_gradient.items() if name.startswith(part))
    for part in ("decoder", "encoder")
}
usual = min(np.abs(v).max() for name, v in both.items() if name.startswith("decoder"))
print(
    f"E61  KL only: largest gradient in the decoder {largest['decoder']:.1e}, in the encoder {largest['encoder']:.0e}"
)
assert largest["decoder"] == 0 and largest["encoder"] > 1e-3 and usual > 1e-3

# %% [markdown]
# The figure compares objectives in the model $x=z+\sqrt{1/8}\,e$ at $x=1$: q is the posterior, but for "q = prior" and for the bar at its own best
# spread. What lies to the right of the line is no bound.

# %%
s2_star = s_star**2
excesses = {
    "E12: one sample, q = prior": bias_exact,
    "E55: β = 2": values[2.0],
    "right": met - toy_log_p,
    "E50, E51: at σ² = 1/9": (1 - s2_star) ** 2 / 2,  # notebook 07, section 10: the same program
    "E55: β = 1/2": values[0.5],
    "E50, E51: its best spread": mixed.max() - toy_log_p,
    "E2: sign of the KL": sum(toy_terms(m_star, s_star)) - toy_log_p,
}
mixed_sample = toy_terms(m_star, s2_star)[0] - toy_terms(m_star, s_star)[1] - toy_log_p
assert abs(mixed_sample - excesses["E50, E51: at σ² = 1/9"]) < 1e-12
assert abs(excesses["E2: sign of the KL"] - 2 * kl_star) < 1e-12
fig, ax = plt.subplots(figsize=(8, 4.2))
shown = np.array(list(excesses.values()))
bars = ax.barh(list(excesses), shown, color=["#56B4E9" if v <= 1e-9 else "#D55E00" for v in shown], edgecolor="black")
for bar, (name, v) in zip(bars, excesses.items()):
    bar.set_hatch("//" if v > 1e-9 else "")
    ax.text(max(v, 0) + 0.15, bar.get_y() + 0.4, f"{v:+.2f}".replace("+0.00", "0"), va="center")
ax.axvline(0, color="black", lw=2)
ax.set(xlabel="objective minus log p(x), nats", xlim=(-7, 4), title="Hatched: above log p(x), so no bound")
plt.show()

# %% [markdown]
# The rest needs no number: words, names, lost marks. Most of these are shown where they belong, in the other notebooks; [errata.md](errata.md) says
# where. The following are named here only.
#
# | erratum | where | read |
# |---|---|---|
# | E9 | D0, "The Objective", "Estimating the Objective" | a sum over the data in one place, $1/N$ in the other: the same optimum |
# | E19 | D1, "A plain explanation" | $\mathcal{N}(0, I)$ for a vector |
# | E39 | D2, "Why autoencoders?" | entropy coding needs a probability model; an auto-encoder with one compresses too |
# | E45 | D3, "Concept" | "likelihood-based" auto-encoders |
# | E58 | D4, "Statisical motivation" | statistical, variational |
# | E59 | D4, comments | a clause is repeated in our copy |

# %% [markdown]
# ## 10. Key takeaways
#
# *Items: D0-60.*
# *Short path.*
#
# D0 ends with three sentences: a VAE approximates data distributions; the decoder constitutes a latent variable model; the encoder approximates the
# posterior, for training. Each can be tested on the linear model of section 1.
#
# **Predict first:** ruin the encoder of the trained model: $q(z|x)$ is the prior, whatever $x$ is. Which of these change: the images that the model
# draws, its $\log p(x)$, its ELBO?

# %% tags=["answer"]
ruined = ppca.to_vae()
ruined.params["encoder.head.W"][...] = 0
ruined.params["encoder.head.b"][...] = 0  # mu = 0 and log sigma = 0: q = prior for every x
assert np.all(ruined.encode(X[:3])[0] == 0) and np.all(ruined.encode(X[:3])[1] == 0)

broken = ppca.to_vae()
broken.params["encoder.head.W"][...] = np.nan  # an encoder that cannot even be called
same_draws = np.array_equal(broken.sample(100, rng=0), vae.sample(100, rng=0))
few = X[:20]
exact = ppca.score_samples(few)
print(f"images drawn by the same generator are equal, with an encoder of NaN: {same_draws}")
assert same_draws and np.isnan(broken.encode(few)[0]).all()

for name, model, n_runs in (("encoder at its optimum", vae, 4), ("encoder ruined: q = prior", ruined, 8)):
    runs = np.array([log_likelihood(model, few, n_samples=2000, rng=seed, progress=False) for seed in range(n_runs)])
    log_px, kl_now = model.elbo_terms(few, rng=0, n_samples=200)
    difference = runs.mean(1) - exact.mean()  # the mean over the same data, by run
    error = standard_error(difference) + 1e-9
    print(f"{name:<26} mean ELBO {(log_px - kl_now).mean():6.1f}; log p(x) by importance sampling minus exact"
          f" {difference.mean():+.3f} ± {error:.3f} nats")  # fmt: skip
    assert abs(difference.mean()) < 4 * error < 0.3, "log p(x) belongs to the decoder"
    assert ((log_px - kl_now).mean() < exact.mean() - 5) == (model is ruined)

decoder_ruined = ppca.to_vae()
decoder_ruined.params["decoder.out.W"][...] *= 0.5
changed = GridPosterior(decoder_ruined, n=201, width=9.0).log_evidence(X[:3]) - exact[:3]
halved = PPCA(2)
halved.W_, halved.mean_, halved.noise_variance_ = ppca.W_ / 2, ppca.mean_, ppca.noise_variance_
print("the decoder's weights halved instead: log p(x) of three digits changes by", changed.round(2))
assert np.abs(changed).min() > 0.05 and np.abs(changed - (halved.score_samples(X[:3]) - exact[:3])).max() < 1e-6

# %% [markdown] tags=["answer"]
# Only the ELBO. Drawing and $\log p(x)$ belong to prior and decoder; importance sampling uses $q$ to find the place, and finds the same number from
# the prior, only with more noise. The encoder is needed to train, and to get codes.

# %% [markdown]
# And the first sentence, on data that the model has not seen: does the latent variable help to approximate their distribution? The baseline is the
# same model with $K=0$: a Gaussian with its own mean for each pixel and one variance.

# %%
gains = {K: [] for K in (2, 8)}
for seed in range(4):
    order = np.random.default_rng(seed).permutation(len(X))
    train_X, test_X = X[order[:1200]], X[order[1200:]]
    center, variance = train_X.mean(0), train_X.var(0).mean()
    without = gaussian_forward(np.broadcast_to(center, test_X.shape), test_X, variance)[0]
    for K, found in gains.items():
        found.append((PPCA(K).fit(train_X).score_samples(test_X) - without).mean())
for K, found in gains.items():
    print(f"held-out log p(x), K = {K} minus K = 0: {np.mean(found):+.1f} ± {standard_error(found):.2f} nats, 4 splits")
    assert np.mean(found) > 10 * standard_error(found)
assert np.mean(gains[8]) > np.mean(gains[2]) + 5

# %% [markdown]
# ## 11. Self-test
#
# *Short path.*
#
# Answer aloud, then open the answer.
#
# <details><summary><b>1.</b> The loss that a program reports lies below the exact −log p(x). What does that prove?</summary>
#
# For a sampled loss of one datum: nothing. Only its expectation is bounded (section 12 counts). If the mean
# over many samples lies below by more than 4 standard errors, at a datum chosen beforehand or over all data, the program computes no bound.
# Usual causes: a sign (section 1), a mix of σ and σ² (section 2), β below 1, a dropped constant, or a KL averaged over dimensions where it
# should be summed.
# </details>
#
# <details><summary><b>2.</b> The gradient check passes. What is certain, what is not?</summary>
#
# At the inputs tried, every entry of backward agrees with the difference quotient of forward, within the error of that quotient. Not certain: that
# backward is the derivative at other inputs (notebook 07, section 4: without the factor σ it passes at log σ = 0), and that forward is the ELBO.
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
# The KL grows by nearly ln 2 per latent each time a small spread is halved, while the reconstruction term stays below its maximum.
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
# <details><summary><b>10.</b> Which loss is "mean squared error plus KL" on 64 pixels, the mean being over the pixels?</summary>
#
# A Gaussian likelihood with η = D/2 = 32. On pixels in [0, 1] that noise drowns every direction (no pixel has a variance
# above ¼, so no eigenvalue exceeds D/4 = 16), and the posterior of a linear VAE collapses.
# </details>
#
# <details><summary><b>11.</b> When is latent j of a linear VAE used, at its optimum for a given η?</summary>
#
# If the variance λ_j of the data along it exceeds η (with β: βη).
# </details>
#
# <details><summary><b>12.</b> Is the Bernoulli "log-likelihood" of grey pixels a log-density?</summary>
#
# No: minus a cross-entropy, which lacks the normaliser. The loss cannot fall below the entropy of the pixels.
# </details>
#
# <details><summary><b>13.</b> What does the encoder do when you draw new images?</summary>
#
# Nothing: draw z from the prior, decode, draw x from p(x|z).
# </details>
#
# <details><summary><b>14.</b> A <i>linear</i> auto-encoder and PCA reach the same loss. Are their codes equal?</summary>
#
# Equal only up to an invertible matrix; the subspace is the same. (Without "linear" it is false: the cubes of PCA's codes, with a
# decoder that takes the cube root first, have the same loss.)
# </details>
#
# <details><summary><b>15.</b> D1 writes q_θ and p_φ. What are θ and φ in the other lectures?</summary>
#
# The other way round: θ is the decoder, and φ, where it is written, the encoder.
# </details>

# %% [markdown]
# ## 12. Numbers behind the answers
#
# Some of the answers are numbers, or can be tried.
#
# **Predict first:** the linear model of section 1 has ELBO $=\log p(x)$ for every datum. Draw one $z$ per digit, and take
# $\log p(x|z) - \mathrm{KL}$ with the exact KL. For which share of the digits does this value lie *above* the exact $\log p(x)$?


# %% tags=["answer"]
# answer 1: a sampled value of a correct bound
def sampled_bound(model, n_samples, seed):
    """log p(x|z) - KL with the exact KL, of shape (n_samples, N)."""
    means, log_sigmas = model.encode(X)
    noise = np.random.default_rng(seed).standard_normal((n_samples, *means.shape))
    z, _ = reparameterize_forward(means, log_sigmas, noise)
    log_px = np.stack([gaussian_forward(model.decode(one_z), X, model.eta)[0] for one_z in z])
    return log_px - kl_forward(means, log_sigmas)[0]


values = sampled_bound(vae, 400, seed=0)
above = values[0] - log_p
share = (values > log_p).mean()
t = (values.mean(0) - log_p) / standard_error(values)  # in standard errors, by datum
print(f"1. one sample above log p(x): {(above > 0).mean():.0%} of the digits, by up to {above.max():.1f} nats")
print(f"   means of 400 samples: {np.sum(t > 4)} of {len(X)} above by more than 4 standard errors")
assert share > 0.5 and above.max() > 0.5, "a sampled value proves nothing"
overall = values.mean(1) - log_p.mean()  # over all digits, by sample
print(f"   mean over samples and digits: {overall.mean():+.4f} ± {standard_error(overall):.4f} nats")
assert abs(np.abs(t).mean() - np.sqrt(2 / np.pi)) < 0.05, "t is in standard errors: its size is that of a Gaussian"
assert np.sum(t > 4) <= 5, "1797 tests of skewed values: one or two by chance"
assert abs(overall.mean()) < 4 * standard_error(overall) < 0.02, "the exact posterior: ELBO = log p(x)"
wrong = sampled_bound(vae, 400, seed=1) + 2 * kl_forward(mu, log_sigma)[0]  # the sign of section 1
t = (wrong.mean(0) - log_p) / standard_error(wrong)
print(f"   with the printed sign of section 1: {np.mean(t > 4):.0%} of the digits")
overall = wrong.mean(1) - log_p.mean()
assert np.mean(t > 4) > 0.99 and overall.mean() > 100 * standard_error(overall)

# %% [markdown] tags=["answer"]
# For most of them. The squared error has a long tail of bad draws, and the many good ones lie above the mean. So an alarm must
# look at means and their errors; the first of the exercises builds one.


# %% tags=["answer"]
# answer 2: a backward without the factor sigma, at log sigma = 0 and elsewhere
def no_chain_backward(dz, cache):
    _, noise = cache
    return dz, dz * noise


m, ls, e = rng.standard_normal((3, 4, 2))
for name, at in (("log sigma = 0", 0 * ls), ("elsewhere", ls)):
    ok = check(reparameterize_forward, no_chain_backward, m, at, e, wrt=("mu", "log_sigma")).ok
    print(f"2. no factor sigma, {name}: {'passes' if ok else 'found'}")
    assert ok == (name == "log sigma = 0")

# answer 3: by differences, and 6: halving the spread
value, cache = kl_forward(np.array([[0.3]]), np.array([[-0.4]]))
assert abs(value[0] - (np.exp(-0.8) + 0.3**2 - 1 + 0.8) / 2) < 1e-12
h = 1e-5
slope = (
    kl_forward(np.array([[0.3]]), np.array([[-0.4 + h]]))[0] - kl_forward(np.array([[0.3]]), np.array([[-0.4 - h]]))[0]
) / (2 * h)
assert abs(slope[0] - (np.exp(-0.8) - 1)) < 1e-8 and abs(kl_backward(np.ones(1), cache)[1][0, 0] - slope[0]) < 1e-8
halving = np.diff(toy_terms(m_star, 2.0 ** -np.arange(8, 12))[1])
print("6. KL of each halving:", halving.round(5), "ln 2 =", np.log(2).round(5))
assert np.abs(halving - np.log(2)).max() < 1e-4

# answer 10: the mean squared error per pixel plus the KL is the loss at eta = D / 2, up to a constant
model_output = vae.decode(mu)
mse = ((X - model_output) ** 2).mean(1)
at_half_D = -gaussian_forward(model_output, X, D / 2)[0]
print(f"10. -log p(x|z) at eta = {D / 2:.0f} minus mean squared error: {np.mean(at_half_D - mse):.4f} for every image,"
      f" largest eigenvalue of the digits {eigen_digits[0]:.2f}")  # fmt: skip
assert np.abs(at_half_D - mse - D / 2 * np.log(2 * np.pi * D / 2)).max() < 1e-9 and eigen_digits[0] < D / 2

# answer 12: the loss of grey pixels is never below their entropy, and reaches it where the output is the pixel itself
grey = X.clip(1e-6, 1 - 1e-6)
entropy = -(grey * np.log(grey) + (1 - grey) * np.log(1 - grey)).sum(1)
best_loss = -bernoulli_forward(np.log(grey / (1 - grey)), grey)[0]
shifted = -bernoulli_forward(np.log(grey / (1 - grey)) + 0.5, grey)[0]
print(f"12. loss of a perfect reconstruction {best_loss.mean():.2f} nats, entropy of the pixels {entropy.mean():.2f}")
assert np.abs(best_loss - entropy).max() < 1e-9 and np.all(shifted > entropy)


# answer 14: how much of one code a matrix turns into another; the losses are those of section 7
def explained(codes, others):
    fit = codes @ np.linalg.lstsq(codes, others, rcond=None)[0]
    return 1 - ((others - fit) ** 2).sum() / (others**2).sum()


codes = Xc @ U
linear_codes, cubed = Xc @ V2.T, codes**3
same_loss = ((Xc - np.cbrt(cubed) @ U.T) ** 2).sum(1).mean()  # a decoder that takes the cube root first
print(f"14. linear auto-encoder: a matrix explains {explained(codes, linear_codes):.2f} of its codes;"
      f" nonlinear, with a loss as low: {explained(codes, cubed):.2f}")  # fmt: skip
assert abs(explained(codes, linear_codes) - 1) < 1e-12 and np.abs(linear_codes - codes).max() > 0.1
assert abs(same_loss - loss) < 1e-10 and explained(codes, cubed) < 0.95

# %% [markdown]
# ## Summary
#
# | mistake | what shows it | number here |
# |---|---|---|
# | sign of the KL (E2) | objective above $\log p(x)$ by $2\,\mathrm{KL}$; $q$ shrinks to a point | 5.03 nats on the digits |
# | variance for standard deviation (E50, E51) | exact $\log p(x)$, moments of the samples; not a gradient check | 0.54 nats for one latent, η = 1/8, x = 1 |
# | "biased" (E12) | $p(x\vert z)$ is unbiased for $p(x)$; its log is low by $\mathrm{KL}(p(z)\,\Vert\,p(z\vert x))$ | −6.46 nats for one sample, η = 1/8, x = 1 |
# | weights (E13) | finite variance only if $2\Lambda-\Lambda_q$ is positive definite | below $r=\tfrac12$, two latents |
# | factorising (E27) | nothing lost over data; $\tfrac12(\sum_j\ln\Lambda_{jj}-\ln\vert\Lambda\vert)$ within $z$ | some tenths of a nat, digits, $K=8$ |
# | dropped constant (E35) | η has no optimum; with it η = mean squared error per pixel | 0.052, digits, K = 2 |
# | half of the backward (E36) | a gradient check | |
#
# - A gradient check compares backward with forward at the inputs tried. Forward needs a judge from outside: exact models, moments, limits.
# - A sampled value may lie above $\log p(x)$; its mean may not, by more than its error allows.
# - Drawing and $\log p(x)$ belong to prior and decoder; the ELBO alone knows the encoder.

# %% [markdown]
# ## References
#
# *References: kingma2014 (the objective and its signs); tipping1999 (the exact model); burda2016 (means of several weights); owen2013 (weights of infinite variance); blei2017 (factorised q); baldi1989 (linear auto-encoders and PCA); lucas2019 (collapse in linear VAEs).*

# %% [markdown]
# ## Exercises
#
# The alarm of which section 12 speaks; and the mixed program of section 2, repaired for the convention that the network puts out the log variance.
#
# *Tasks: alarm; repair_log_var.*
