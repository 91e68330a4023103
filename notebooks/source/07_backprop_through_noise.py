# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 07 Backprop through noise
#
# Accompanies D2 lines 185-198 and 213-214 (reparameterisation, dropout, σ near 0), D3 lines 82-85, D4 lines 30, 107-109 and 235,
# D0 line 144, D1 lines 131-150 and 353-357.
#
# | quantity | D2 | D3 | D4 | here |
# |---|---|---|---|---|
# | posterior spread | Σ = diag σ² | σ(x), Σ(x) | σ, *called variance* | `sigma`, a standard deviation |
# | the network's output for it | log σ | σ | "log σ" | `log_sigma` |
# | noise | ε | ε^(l) | ε | `eps` |
# | derivative of the loss by v | v̄ | – | – | `dv` |
#
# Afterwards you can write the two lines that make a VAE trainable, say why a gradient check finds a wrong
# one, and say which mistake it cannot find.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    Adam,
    check,
    check_model,
    dropout_backward,
    dropout_forward,
    elbo_terms_backward,
    elbo_terms_forward,
    encode_forward,
    kl_forward,
    load_digits,
    reparameterize_backward,
    reparameterize_forward,
)
from tinyvae.bounds import draw_backward, kl_term_backward
from tinyvae.companion import show
from tinyvae.estimators import (
    reparameterized_gradient,
    score_function_gradient,
    standard_error,
)
from tinyvae.plots import use_style

use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. A sampling node has no derivative
#
# *Items: D2-45, D4-22, D1-18.*
#
# The slide: it is hard to differentiate through an expectation (D2); there is no backpropagation through a sampling node (D4);
# the random layer "makes training difficult" and needs a special structure (D1). (D1 line 130 says that one wants an easy distribution
# for p(z|x). What is chosen to be easy is q; the posterior p(z|x) follows from the decoder and stays hard.)
#
# We want the gradient of $F(\mu,\sigma) = \mathbb{E}_{z\sim\mathcal{N}(\mu,\sigma^2)}[f(z)]$. The parameters stand in the density,
# $$\nabla_\mu F = \nabla_\mu \int f(z)\, \mathcal{N}(z;\mu,\sigma^2)\,dz = \int f(z)\, \nabla_\mu \mathcal{N}(z;\mu,\sigma^2)\,dz ,$$
# and a drawn number $z$ does not say how it would have moved had $\mu$ moved. Backpropagation needs exactly that: $\partial z/\partial\mu$.
#
# **Predict first:** a forward pass draws $z$ inside and returns $z^2$. You take the central difference
# $(F(\mu+h)-F(\mu-h))/2h$ with smaller and smaller $h$. What happens to its spread?

# %%
def drawing_forward(mu):
    z = mu + drawing_rng.standard_normal(mu.shape)  # noise drawn inside
    return z**2, z


def drawing_backward(dy, z):
    return dy * 2 * z


drawing_rng = np.random.default_rng(1)
spread = {}
for h in (1e-1, 1e-2, 1e-3):
    one = np.ones(20_000)
    slopes = (drawing_forward(one + h)[0] - drawing_forward(one - h)[0]) / (2 * h)
    spread[h] = slopes.std()
    print(f"h = {h:g}: mean {slopes.mean():8.2f}, spread {slopes.std():8.1f}   (the derivative of E z^2 is 2)")
assert abs(spread[1e-3] / spread[1e-2] - 10) < 0.5, "the spread grows as 1 / h"

try:
    check(drawing_forward, drawing_backward, np.ones((3, 1)))
    refused = ""
except ValueError as error:
    refused = str(error)
print("\ncheck refuses:", refused)
assert "not deterministic" in refused

# %% [markdown]
# The spread grows as $1/h$: two independent draws differ by a finite amount, however close the two means are. `check` refuses such a
# function, and its message already names the cure of section 3.
#
# ## 2. A gradient from values of f alone
#
# *Items: D2-45, D1-18.*
#
# "Hard" is not "impossible". Insert $\nabla_\mu \mathcal{N} = \mathcal{N}\, \nabla_\mu \ln \mathcal{N}$ into the integral above:
# $$\nabla_\mu F = \int f(z)\, \mathcal{N}(z;\mu,\sigma^2)\, \nabla_\mu \ln \mathcal{N}(z;\mu,\sigma^2)\, dz .$$
# The logarithm of the density is $-(z-\mu)^2/2\sigma^2$ plus terms without $\mu$; its derivative is $(z-\mu)/\sigma^2$. So **[SCORE.1]**
# $$\nabla_\mu F = \mathbb{E}\!\left[f(z)\, \frac{z-\mu}{\sigma^2}\right],$$
# an expectation again, so samples estimate it. This *score-function* estimator never asks for $f'$.

# %%
show(score_function_gradient)

# %% [markdown]
# **Predict first:** $f(z)=z^2$, $\mu=\sigma=1$, so $F = \mu^2+\sigma^2$ and the gradient is 2. One sample of the
# estimator has mean 2. Is its standard deviation nearer to 0.5, 2 or 5?

# %%
def square(z):
    return (z**2).sum(1)


mu, log_sigma = np.ones(1), np.zeros(1)
score = score_function_gradient(square, mu, log_sigma, rng.standard_normal((200_000, 1)))
print(f"mean {score.mean():.3f} ± {standard_error(score)[0]:.3f}, standard deviation of one sample {score.std():.2f}")
assert abs(score.mean() - 2) < 4 * standard_error(score)[0] < 0.1

# %% [markdown]
# ## 3. Move the randomness to the input
#
# *Items: D3-37, D2-46, D0-34, D4-6.*
#
# The slides: $z_i = \mu_i + \sigma_i\epsilon_i$ with $\epsilon_i\sim\mathcal{N}(0,1)$ (D2); "move randomness to input layer" (D3); sample
# each latent state at random to get the decoder's input (D4); use the trick to sample $z_k$ and to estimate the expectation under q (D0).
#
# Is it a draw from the same distribution? Let $z=\mu+\sigma\epsilon$ with $\sigma>0$, so $\epsilon=(z-\mu)/\sigma$ and $d\epsilon/dz = 1/\sigma$.
# By the change of variables,
# $$p(z) = \mathcal{N}\!\left(\tfrac{z-\mu}{\sigma};0,1\right)\frac1\sigma
#        = \frac{1}{\sqrt{2\pi}\,\sigma}\, e^{-(z-\mu)^2/2\sigma^2} = \mathcal{N}(z;\mu,\sigma^2).$$
# So **[REP.1]**
# $$z = \mu + \sigma\,\epsilon,\qquad \sigma = e^{\log\sigma},\qquad
#   F(\mu,\sigma) = \mathbb{E}_{\epsilon\sim\mathcal{N}(0,1)}[f(\mu+\sigma\epsilon)] .$$
# The density of $\epsilon$ holds no parameters. Randomness is now an *input*, like $x$, and everything between $\mu$, $\sigma$ and $z$ is
# arithmetic. (D4 line 105 lets the decoder do the sampling; it belongs to q, and the decoder gets $z$.)

# %%
show(reparameterize_forward)

# %% [markdown]
# A gradient check cannot say whether a sampler draws from the right distribution. Moments can, so they are compared here with
# $\mu$ and $\sigma$, within four standard errors: $\sigma/\sqrt L$ for the mean, about $\sigma/\sqrt{2L}$ for the standard deviation.

# %%
L = 200_000
mu, sigma = np.array([[1.0, -2.0, 0.5]]), np.array([[0.5, 0.1, 3.0]])


def sampler_errors(z):
    """How many standard errors the mean and the standard deviation of the draws are away from mu and sigma."""
    return (z.mean(0) - mu) / sigma * np.sqrt(L), (z.std(0) - sigma) / sigma * np.sqrt(2 * L)


z, _ = reparameterize_forward(mu, np.log(sigma), rng.standard_normal((L, 1, 3)))
of_mean, of_std = sampler_errors(z)
print("mean", z.mean(0)[0].round(4), "wanted", mu[0])
print("std ", z.std(0)[0].round(4), "wanted", sigma[0])
assert np.abs(of_mean).max() < 4 and np.abs(of_std).max() < 4

# %%
eps = np.random.default_rng(3).standard_normal(9)
fig, axes = plt.subplots(1, 2, sharey=True, figsize=(10, 3.8))
for ax, title in zip(axes, ("noise drawn anew: no slope", "same noise: every sample has a slope")):
    for n, m in enumerate((0.0, 0.5, 1.0)):
        used = np.random.default_rng(10 + n).standard_normal(9) if "anew" in title else eps
        ax.plot(np.full(9, m), m + 0.7 * used, "o", color="#0072B2")
    ax.set(title=title, xlabel="mean μ", xticks=[0, 0.5, 1])
axes[1].plot([0, 0.5, 1], np.array([0, 0.5, 1])[:, None] + 0.7 * eps, color="#0072B2", lw=1.5)
axes[0].set_ylabel("sample z")
plt.show()

# %% [markdown]
# ## 4. Two lines of backward
#
# *Items: D2-47, D3-39, D4-24.*
#
# The slide: $\overline{\mu_i} = \overline{z_i}$, $\overline{\sigma_i} = \overline{z_i}\,\epsilon_i$ (D2); $z$ is now differentiable in
# $\mu$ and $\sigma$ (D3); "we can now optimize the parameters of the distribution while still maintaining the ability to randomly sample"
# (D4).
#
# With $\epsilon$ held fixed, $\partial z/\partial\mu = 1$ and $\partial z/\partial\sigma=\epsilon$. The encoder's output is $\log\sigma$, and
# $\partial\sigma/\partial\log\sigma=\sigma$. The chain rule gives **[REP.2]**
# $$\overline{\mu} = \overline{z},\qquad \overline{\sigma} = \overline{z}\,\epsilon,\qquad \overline{\log\sigma} = \sigma\,\overline{\sigma}.$$
#
# The slide's rule is the sample path alone. Two things are to be added before the encoder sees a gradient: the step from $\sigma$ to
# $\log\sigma$, and the gradients of the KL, which depends on $\mu$ and $\log\sigma$ directly (section 8).

# %%
show(reparameterize_backward)

# %% [markdown]
# Is it right? Central differences compare, in float64, **[CHECK.1]**
# $$\frac{\partial f}{\partial x_i} = \frac{f(x+he_i)-f(x-he_i)}{2h} + O(h^2).$$
# The two Taylor series $f(x\pm he_i) = f \pm h f_i + \tfrac{h^2}{2}f_{ii} \pm \tfrac{h^3}{6}f_{iii}+\dots$ are subtracted: $f$ and $f_{ii}$
# cancel, and $2hf_i+\tfrac{h^3}{3}f_{iii}$ remains. So the difference is wrong by $\tfrac{h^2}{6}f_{iii}$, which asks for short steps; and by
# rounding, about $10^{-16}|f|/h$, which asks for long ones. No single $h$ suits every function. So `check` compares several steps, a whole ladder
# of them where two do not settle it, estimates both errors, and judges every entry against the error of its own difference: there is no tolerance
# to choose. Its verdict on an input is ok, WRONG, or CANNOT JUDGE, where all entries lie on a kink, for example; `resolution` is the
# error that the differences have themselves, relative to the gradient.
#
# All this takes many calls at nearby inputs, and is possible only because $\epsilon$ is an argument: every call has the same noise. Every floating
# input is judged unless `wrt` names those that have a gradient; backward returns none for $\epsilon$.
#
# **Predict first:** three wrong backward passes follow: one without the factor $\sigma$, one that draws a second `eps` of its own, and one
# that uses a second, fixed `eps`. Which of them does `check` find?

# %%
mu, log_sigma, eps = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
report = check(reparameterize_forward, reparameterize_backward, mu, log_sigma, eps, wrt=("mu", "log_sigma"))  # eps is noise
print(report, "\n")
assert report.ok


def no_chain_backward(dz, cache):
    _, eps = cache
    return dz, dz * eps  # dsigma, not dlog_sigma


def fresh_eps_backward(dz, cache):
    sigma, eps = cache
    second = np.random.default_rng().standard_normal(eps.shape)
    return dz, sigma * dz * second


def second_eps_backward(dz, cache):
    sigma, eps = cache
    second = np.random.default_rng(1).standard_normal(eps.shape)
    return dz, sigma * dz * second


verdicts = {}
for backward in (no_chain_backward, fresh_eps_backward, second_eps_backward):
    try:
        report = check(reparameterize_forward, backward, mu, log_sigma, eps, wrt=("mu", "log_sigma"))
        verdicts[backward.__name__] = "passes" if report.ok else f"WRONG in {[r.name for r in report.rows if not r.ok]}"
    except ValueError as error:
        verdicts[backward.__name__] = f"refused: {error}"
    print(f"{backward.__name__}: {verdicts[backward.__name__]}")
assert verdicts["no_chain_backward"] == verdicts["second_eps_backward"] == "WRONG in ['log_sigma']"
assert "backward is not deterministic" in verdicts["fresh_eps_backward"]

# %% [markdown]
# All three. The second is refused because two calls disagree, the third is reported as wrong. Backward must use the noise of *its* forward
# pass; that is why the cache keeps it. One more trap: at $\log\sigma=0$, where networks start, $\sigma=1$ and the missing factor cannot be
# seen.

# %%
at_start = check(reparameterize_forward, no_chain_backward, mu, np.zeros((4, 3)), eps, wrt=("mu", "log_sigma"))
print("without the factor sigma, checked at log_sigma = 0:", "passes" if at_start.ok else "WRONG")
assert at_start.ok, "this is why check_model steps away from the start"

# %% [markdown]
# ## 5. Thirty against four
#
# *Items: D2-45, D2-46, D3-37.*
#
# Both estimators have the right mean. The second one differentiates the path of the sample, **[PATH.1]**
# $$\nabla_\mu F = \mathbb{E}_\epsilon\big[f'(\mu+\sigma\epsilon)\big].$$
#
# Take $f(z)=\sum_k z_k^2$ in $K$ dimensions, $\mu=\sigma=1$. For one coordinate the path estimator is $2(1+\epsilon_1)$: mean 2, variance **4**,
# for every $K$.
#
# The score estimator is $(A+B)\,\epsilon_1$ with $A=(1+\epsilon_1)^2$ and $B=\sum_{k\ge2}(1+\epsilon_k)^2$ independent of it. The moments
# of $\epsilon$ of order 2, 4, 6 are 1, 3, 15, and the odd ones vanish:
# $$\mathbb{E}[A^2\epsilon_1^2] = \mathbb{E}[\epsilon^2+4\epsilon^3+6\epsilon^4+4\epsilon^5+\epsilon^6] = 1+18+15=34,\qquad
#   \mathbb{E}[A\,\epsilon_1^2] = \mathbb{E}[\epsilon^2+2\epsilon^3+\epsilon^4] = 4 .$$
# Each term of $B$ has mean 2 and variance $\operatorname{Var}(2\epsilon+\epsilon^2) = 4+2=6$. With $n=K-1$: $\mathbb{E}B=2n$,
# $\mathbb{E}B^2=6n+4n^2$. So
# $$\operatorname{Var} = 34 + 2\cdot 2n\cdot 4 + (6n+4n^2) - 2^2 = 30 + 22\,n + 4\,n^2 .$$
# For $K=1$ it is **30**; for $K=100$ it is $30+2178+39204 = 41412$.

# %%
show(reparameterized_gradient)

# %% [markdown]
# **Predict first:** by which factor does the score estimator need more samples than the path estimator for the same error, in 1 and in 100
# dimensions?

# %%
node, weight = np.polynomial.hermite_e.hermegauss(8)  # exact for the polynomials of degree 6 that stand here
weight = weight / weight.sum()
one, zero, column = np.ones(1), np.zeros(1), node[:, None]
variance = {}
for name, g in (
    ("score", score_function_gradient(square, one, zero, column)[:, 0]),
    ("path", reparameterized_gradient(lambda z: 2 * z, one, zero, column)[:, 0]),
):
    mean = weight @ g
    variance[name] = weight @ (g - mean) ** 2
    print(f"K = 1, {name:5}: mean {mean:.12f}, variance {variance[name]:.12f}   (by quadrature)")
    assert abs(mean - 2) < 1e-12
assert abs(variance["score"] - 30) < 1e-10 and abs(variance["path"] - 4) < 1e-12

# %%
def exact_variance(K):
    return 30 + 22 * (K - 1) + 4 * (K - 1) ** 2


def measured(K, n, seed):
    """The variance of every coordinate's estimate, from n samples: score, path."""
    draws = np.random.default_rng(seed).standard_normal((n, K))
    score = score_function_gradient(square, np.ones(K), np.zeros(K), draws)
    path = reparameterized_gradient(lambda z: 2 * z, np.ones(K), np.zeros(K), draws)
    return score.var(0), path.var(0)


dimensions = [1, 3, 10, 30, 100]
rows = {K: measured(K, 20_000 if K > 1 else 200_000, seed=K) for K in dimensions}
for K, (s, p) in rows.items():
    print(f"K = {K:3}: score {s.mean():9.1f} (exact {exact_variance(K):6}), path {p.mean():.3f} (exact 4)")
    assert abs(s.mean() / exact_variance(K) - 1) < 0.03 and abs(p.mean() / 4 - 1) < 0.03
scatter = rows[100][0].std()
print(f"K = 100: estimates from single coordinates scatter by ± {scatter:.0f}")
assert exact_variance(1) == 30 and exact_variance(100) == 41_412
assert abs(41_573 - exact_variance(100)) < scatter, "the figure 41,573 of one Monte Carlo run is compatible with 41,412"

# %% [markdown]
# Seven times as many samples in one dimension, ten thousand times in a hundred. (The figure 41,573, which one also meets,
# comes from one Monte Carlo run; the closed form is 41,412, and the two differ by less than such runs scatter.)

# %%
fig, ax = plt.subplots()
K = np.arange(1, 101)
ax.loglog(K, exact_variance(K), label="score function, exact")
ax.loglog(K, np.full(100, 4), ls="--", label="reparameterised, exact")
ax.loglog(dimensions, [rows[k][0].mean() for k in dimensions], "ko", label="measured")
ax.loglog(dimensions, [rows[k][1].mean() for k in dimensions], "ko")
ax.set(xlabel="latent dimensions K", ylabel="variance of one sample", title="Noise of a gradient whose value is 2")
ax.legend()
plt.show()

# %% [markdown]
# ## 6. Several samples, and a fresh one at every pass
#
# *Items: D3-38, D1-20.*
#
# The slides: $z^{(l)} = \mu(x)+\sigma(x)\odot\epsilon^{(l)}$, $\epsilon^{(l)}\sim\mathcal{N}(0,I)$ (D3); during training the decoder's
# output is from a sampled version of the latent variable (D1). D1 says "every epoch"; more exactly it is every forward pass.
#
# With $L$ samples the loss holds the mean of $L$ terms. One $\mu$ feeds all $z^{(l)}$, so its gradient is the sum of what they send back,
# $\overline\mu = \sum_l \overline{z^{(l)}}$, where each $\overline{z^{(l)}}$ carries the factor $1/L$ of the mean. A mean of $L$ independent
# terms has $1/L$ of the variance.

# %%
def squared_mean_forward(mu, log_sigma, eps):
    z, cache = reparameterize_forward(mu, log_sigma, eps)
    return (z**2).mean(0), (z, cache)


def squared_mean_backward(dy, cache):
    z, z_cache = cache
    return reparameterize_backward(dy * 2 * z / len(z), z_cache)


report = check(squared_mean_forward, squared_mean_backward, mu, log_sigma, rng.standard_normal((5, 4, 3)), wrt=("mu", "log_sigma"))
print(report, "\n")
assert report.ok
variances = {}
for L in (1, 4, 16):
    samples = rng.standard_normal((L, 50_000, 1))
    _, cache = squared_mean_forward(np.ones((50_000, 1)), np.zeros((50_000, 1)), samples)
    variances[L] = squared_mean_backward(np.ones((50_000, 1)), cache)[0].var()
    print(f"L = {L:2}: variance of the gradient {variances[L]:.3f}, 4 / L = {4 / L:.3f}")
    assert abs(variances[L] * L / 4 - 1) < 0.03

# %% [markdown]
# **Predict first:** what does a network learn if every image keeps one and the same $\epsilon$ in all epochs? Will the loss that it reports be
# higher or lower than with fresh noise? And the loss on fresh noise afterwards?

# %%
X, _ = load_digits()
small = X[:150]


def train_on(noise, steps=400):
    vae, adam = VAE(64, 2, hidden=(64,)), Adam(5e-3)
    for step in range(steps):
        eps = noise(step)
        adam.step(vae.theta, vae.loss_and_grad(small, eps)[1])
    seen = np.mean([vae.loss_and_grad(small, noise(step))[0] for step in range(steps - 20, steps)])
    new = np.random.default_rng(99)
    return seen, np.mean([vae.loss_and_grad(small, new.standard_normal((150, 2)))[0] for _ in range(20)])


frozen = np.random.default_rng(5).standard_normal((150, 2))
results = {
    "one eps for ever": train_on(lambda step: frozen),
    "fresh every pass": train_on(lambda step: np.random.default_rng(step).standard_normal((150, 2))),
}
for name, (seen, new) in results.items():
    print(f"{name}: loss on its training noise {seen:.2f}, on new noise {new:.2f} nats per datum")
(f_seen, f_new), (r_seen, r_new) = results.values()
assert f_seen < r_seen - 1 and f_new > r_new + 1 and abs(r_new - r_seen) < 0.5

# %% [markdown]
# Frozen noise is one more fixed offset that the network learns by heart: the reported loss is too good, the loss under q is worse.
# Fresh noise exposes the decoder to the whole of $q(z|x)$, which is D1's point.
#
# ## 7. Exactly the rule of dropout
#
# *Items: D2-48.*
#
# The slide: "this is exactly analogous to how we derived the backprop rules for dropout" (the slide has a letter too many there). Dropout
# draws a mask $m$ outside and multiplies, **[DROP.1]** $y = m\,x$. With $m$ fixed, $\partial y/\partial x = m$, so **[DROP.2]**
# $\overline{x} = \overline{y}\,m$. Put $\mu=0$ into [REP.1]: $z=\epsilon\,\sigma$. It is the same product with the names $x\to\sigma$,
# $m\to\epsilon$, $y\to z$, so $\overline\sigma=\overline z\,\epsilon$ *is* the dropout rule. The two differ in the distribution of the
# noise alone.

# %%
show(dropout_forward, dropout_backward)

# %%
sigma, eps, dz = np.exp(rng.standard_normal((4, 3))), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
z, z_cache = reparameterize_forward(np.zeros((4, 3)), np.log(sigma), eps)
y, y_cache = dropout_forward(sigma, eps)
dlog_sigma, dsigma = reparameterize_backward(dz, z_cache)[1], dropout_backward(dz, y_cache)
difference = np.abs(z - y).max(), np.abs(dlog_sigma - sigma * dsigma).max()
print("largest difference, forward and backward:", *difference)
assert max(difference) < 1e-14

mask = (rng.random((4, 3)) < 0.7) / 0.7
report = check(dropout_forward, dropout_backward, rng.standard_normal((4, 3)), mask, wrt="x")
second_mask = (rng.random((4, 3)) < 0.7) / 0.7
wrong = check(dropout_forward, lambda dy, cache: dy * second_mask, rng.standard_normal((4, 3)), mask, wrt="x")
print("dropout:", "ok" if report.ok else "WRONG", "| with a second mask in backward:", "ok" if wrong.ok else "WRONG")
assert report.ok and not wrong.ok

# %% [markdown]
# ## 8. The whole graph of the -ELBO
#
# *Items: D1-55, D4-24, D3-39.*
#
# D1 asks how to minimise $-\mathrm{ELBO}(\theta,\phi) = -\mathbb{E}_q[\log p(x|z)] + \mathrm{KL}(q(z|x)\,\|\,p(z))$ and draws the reparameterised
# graph. In words:
# $$x \to (\mu,\log\sigma) \to z=\mu+\sigma\epsilon \to \text{decoder} \to \log p(x|z),\qquad (\mu,\log\sigma)\to \mathrm{KL}.$$
# Two paths leave $(\mu,\log\sigma)$, so two gradients come back and are added:
# $$\overline\mu = \overline z + \overline{\mathrm{KL}}\;\mu,\qquad
#   \overline{\log\sigma} = \sigma\,\epsilon\,\overline z + \overline{\mathrm{KL}}\,(\sigma^2-1).$$
#
# In the code `q` is the pair $(\mu,\log\sigma)$; `dq` and `dq_kl` are the pairs of its gradients from the two paths. The functions ask `parts`, which
# holds what the model is made of, for the pair to call: for this posterior and prior `draw_backward` is `reparameterize_backward`, and
# `kl_term_backward` is `kl_backward`, with a gradient by $z$ that is 0. The gradients of all weights are added to `dparams`; `add_own` adds
# those of parameters that a prior or a likelihood may have of its own, and here there are none.

# %%
show(elbo_terms_forward, elbo_terms_backward)
show(draw_backward, kl_term_backward)

# %%
tiny = VAE(64, 2, hidden=(5,), dtype="float64", n_samples=3)
report = check_model(tiny, X[:4])
print(report)
assert report.ok

# %% [markdown]
# ## 9. Why is it needed at all?
#
# *Items: D4-44, D4-22, D4-24.*
#
# A reader of D4 asks: this is training by backpropagation, as with any network; for each X a Z is selected and distributed anyway, so why
# reparameterise?
#
# Suppose $z$ is drawn and then treated as data: a constant (software calls this a stop-gradient). Then $\overline z$ is computed, and
# stops. The equations of section 8 lose their first terms, and
# $$\overline\mu = \overline{\mathrm{KL}}\;\mu,\qquad \overline{\log\sigma} = \overline{\mathrm{KL}}\,(\sigma^2-1):$$
# the encoder gets the gradient of the KL alone. No message about the images reaches it.
#
# The check below is not by our own backward pass: the loss with $z$ as a constant is differentiated by central differences, and compared with the
# gradient of the KL alone.
#
# **Predict first:** train such a model. Which KL does it end at, and what does every reconstruction look like?

# %%
model = VAE(64, 2, hidden=(6,), dtype="float64")
model.theta += 0.05 * rng.standard_normal(model.theta.size)
batch, eps = X[:5].astype(float), rng.standard_normal((1, 5, 2))
start = model.theta.copy()
encoder_size = sum(model.params[name].size for name in model.params if name.startswith("encoder"))
(mu0, log_sigma0), _ = encode_forward(batch, model.params, model.parts.encoder)
z_constant, _ = reparameterize_forward(mu0, log_sigma0, eps)  # drawn once, then data


def constant_z_forward(encoder):
    model.theta[:encoder_size] = encoder
    (mu, log_sigma), _ = encode_forward(batch, model.params, model.parts.encoder)
    kl, _ = kl_forward(mu, log_sigma)
    log_px, _ = model.parts.likelihood.forward(model.decoder_output(z_constant[0]), batch)
    model.theta[:] = start
    return -np.mean(log_px - kl), None


_, cache = model.loss_forward((batch, None), eps)  # images without labels
kl_only = model.loss_backward(1, cache, weights={"reconstruction": 0})[:encoder_size]
full = model.loss_backward(1, cache)[:encoder_size]
report = check(constant_z_forward, lambda dloss, cache: dloss * kl_only, start[:encoder_size])
print(report)
print(f"\nnorm of the encoder's gradient: KL alone {np.linalg.norm(kl_only):.4f}, with the path {np.linalg.norm(full):.4f}")
assert report.ok, "with z a constant the encoder's gradient is the gradient of the KL"
assert not check(constant_z_forward, lambda dloss, cache: dloss * full, start[:encoder_size]).ok

# %%
def train(stop_gradient, epochs=25):
    """Mean reconstruction term and KL on the digits by epoch."""
    vae, adam, noise, curve = VAE(64, 2, hidden=(64,)), Adam(3e-3), np.random.default_rng(0), []
    n_encoder = sum(vae.params[name].size for name in vae.params if name.startswith("encoder"))
    for _ in range(epochs):
        for rows_ in np.array_split(noise.permutation(len(X)), 18):
            _, cache = vae.loss_forward((X[rows_], None), noise.standard_normal((len(rows_), 2)))
            gradient = vae.loss_backward(1, cache)
            if stop_gradient:  # shown above: the encoder keeps the gradient of the KL
                gradient[:n_encoder] = vae.loss_backward(1, cache, weights={"reconstruction": 0})[:n_encoder]
            adam.step(vae.theta, gradient)
        log_px, kl = vae.elbo_terms(X, rng=0)
        curve.append((-log_px.mean(), kl.mean()))
    return vae, np.array(curve)


(path_vae, path_curve), (_, stopped_curve) = train(False), train(True)
for name, curve in (("reparameterised", path_curve), ("z held constant", stopped_curve)):
    print(f"{name}: reconstruction {curve[-1, 0]:.2f}, KL {curve[-1, 1]:.4f} nats per datum")
pixel = X.mean(0).clip(1e-9, 1 - 1e-9)
independent = -(X * np.log(pixel) + (1 - X) * np.log(1 - pixel)).sum(1).mean()
print(f"one mean image for all: {independent:.2f} nats per datum")
assert stopped_curve[-1, 1] < 0.01 and path_curve[-1, 1] > 1
assert abs(stopped_curve[-1, 0] - independent) < 0.3 and path_curve[-1].sum() < independent - 1

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4))
for ax, k, name in zip(axes, (0, 1), ("reconstruction (nats)", "KL (nats)")):
    ax.plot(np.arange(1, 26), path_curve[:, k], label="reparameterised")
    ax.plot(np.arange(1, 26), stopped_curve[:, k], ls="--", label="z held constant")
    ax.set(xlabel="epoch", ylabel=name)
axes[0].axhline(independent, color="black", lw=1.5, ls=":")
axes[0].text(25, independent + 0.8, "dotted: one mean image for all", ha="right", va="bottom")
axes[1].legend(loc="upper right")
fig.suptitle("Without the path gradient the encoder learns nothing")
plt.show()

# %% [markdown]
# The encoder walks to the prior, the KL goes to 0, and the decoder, fed with pure noise, learns the mean image. So: Z is distributed
# anyway, but *how* it should be distributed is learned through $\partial z/\partial\mu$ and $\partial z/\partial\sigma$ only (or, noisily,
# through section 2).
#
# ## 10. The mistake that passes a gradient check
#
# *Items: D2-46, D4-24, D3-38.*
#
# D4 line 107 scales the noise "by the latent distribution's variance σ", and line 115 exponentiates log σ "to get the latent distribution's
# variance". The factor must be the *standard deviation*: $\operatorname{Var}(\sigma\epsilon)=\sigma^2$. D3 line 84 writes $\Sigma(x)$ in
# $\mathcal{N}(\mu,\Sigma)$ and σ in the next line, which is right.
#
# **Predict first:** the pair below is $z=\mu+\sigma^2\epsilon$ with its correct derivative. Does it pass `check`? Does it pass the sampler test
# of section 3?

# %%
def variance_forward(mu, log_sigma, eps):
    sigma2 = np.exp(2 * log_sigma)
    return mu + sigma2 * eps, (sigma2, eps)


def variance_backward(dz, cache):
    sigma2, eps = cache
    return dz, dz * 2 * sigma2 * eps


report = check(variance_forward, variance_backward, *rng.standard_normal((3, 4, 3)), wrt=("mu", "log_sigma"))
print(report)
L, mu, sigma = 200_000, np.array([[1.0, -2.0, 0.5]]), np.array([[0.5, 0.1, 3.0]])
z, _ = variance_forward(mu, np.log(sigma), rng.standard_normal((L, 1, 3)))
of_mean, of_std = sampler_errors(z)
print("\nstd ", z.std(0)[0].round(4), "wanted", sigma[0], "-> off by", of_std[0].round(), "standard errors")
assert report.ok, "backward matches forward"
assert np.abs(of_std).min() > 100, "but forward is not the mathematics of the lecture"

# %% [markdown]
# It passes the check and fails the moments. A gradient check proves that backward matches forward, never that forward is what the lecture says.
#
# What does it do to the bound? Take one latent, $x = wz + \sqrt\eta\,e$, and the exact posterior $q=\mathcal{N}(\mu,s^2)$ with
# $s^2=\eta/(\eta+w^2)$, where ELBO $=\log p(x)$. Draw with $s^2$ as the factor, and leave the KL as it is. The reconstruction term holds
# $-w^2\operatorname{Var}(z)/2\eta$, so it rises by $w^2(s^2-s^4)/2\eta$. With $w^2/\eta = (1-s^2)/s^2$ this is
# $$\text{"bound"} - \log p(x) = \frac{(1-s^2)^2}{2} \ge 0 :$$
# up to half a nat *above* $\log p(x)$ for every latent, at this q. No bound can be there.

# %%
w, eta, x = 1.0, 0.1, 0.7
s2 = eta / (eta + w**2)
mean = s2 * w * x / eta
log_p = -(x**2 / (w**2 + eta) + np.log(2 * np.pi * (w**2 + eta))) / 2


def bound(factor):
    z_draws = mean + factor * node  # node, weight: the quadrature of section 5, exact for this square
    log_px = weight @ (-((x - w * z_draws) ** 2) / eta - np.log(2 * np.pi * eta)) / 2
    return log_px - kl_forward(np.array([[mean]]), np.array([[np.log(s2) / 2]]))[0][0]


right, mixed = bound(np.sqrt(s2)), bound(s2)
print(f"log p(x) = {log_p:.6f}, ELBO = {right:.6f}, with the variance as factor {mixed:.6f}: {mixed - log_p:+.6f} nats")
assert abs(right - log_p) < 1e-12 and abs(mixed - log_p - (1 - s2) ** 2 / 2) < 1e-12

# %% [markdown]
# ## 11. Sigma near zero: an ordinary auto-encoder
#
# *Items: D2-53.*
#
# The slide: if $\sigma\approx0$ the network computes $z$ essentially deterministically, by way of $\mu$; but the KL term encourages $\sigma>0$.
#
# As $\sigma\to0$, $z=\mu+\sigma\epsilon\to\mu$. Backward: $\overline\mu=\overline z$ stays,
# $\overline{\log\sigma}=\sigma\epsilon\overline z\to0$. What is left is the backward pass of an ordinary auto-encoder with code $\mu$. The
# KL resists: its gradient by $\log\sigma$ is $\sigma^2-1\to-1$ and a step down this slope makes σ larger. Halving σ costs
# $\ln 2 - \tfrac38\sigma^2$ nats per latent, so $\ln 2$ in the limit.
#
# **Predict first:** scale the σ of a trained model by a factor $c$, from 4 down to 1/64. Where is the -ELBO smallest?

# %%
(mu, log_sigma), _ = encode_forward(X, path_vae.params, path_vae.parts.encoder)
noise = np.random.default_rng(7).standard_normal((10, len(X), 2)).astype(np.float32)
factors = 2.0 ** np.arange(2, -7, -1)
recon, kls, wobble = [], [], []
for c in factors:
    z, _ = reparameterize_forward(mu, log_sigma + np.float32(np.log(c)), noise)
    log_px = np.stack([path_vae.parts.likelihood.forward(path_vae.decoder_output(one_z), X)[0] for one_z in z])
    recon.append(-log_px.mean(dtype=float))
    wobble.append(log_px.std(0, dtype=float).mean())
    kls.append(kl_forward(mu.astype(float), log_sigma.astype(float) + np.log(c))[0].mean())
deterministic = -path_vae.parts.likelihood.forward(path_vae.decoder_output(mu), X)[0].mean(dtype=float)
for row in zip(factors, recon, kls, wobble):
    print("c = {:9.6f}: reconstruction {:6.2f}, KL {:6.2f}, spread of log p(x|z) over draws {:.4f} nats".format(*row))
print(f"deterministic, z = mu: reconstruction {deterministic:.2f}")
print(f"the last halving of sigma costs {kls[-1] - kls[-2]:.5f} nats of KL, 2 ln 2 = {2 * np.log(2):.5f}")
assert abs(recon[-1] - deterministic) < 0.01 and wobble[-1] < 0.05 * wobble[2]
assert abs(kls[-1] - kls[-2] - 2 * np.log(2)) < 1e-3
assert np.argmin(np.add(recon, kls)) == 2, "smallest at c = 1: training has found this spread"

# %%
fig, ax = plt.subplots()
ax.semilogx(factors, np.add(recon, kls), "o-", label="-ELBO")
ax.semilogx(factors, recon, "s--", label="reconstruction")
ax.semilogx(factors, kls, "^:", label="KL")
ax.set_xticks(factors[::2], ["4", "1", "1/4", "1/16", "1/64"])
ax.minorticks_off()
ax.set(xlabel="σ, as a multiple of the trained σ", ylabel="nats per datum", title="The KL keeps σ above zero", ylim=(0, None))
ax.legend(loc="upper center", bbox_to_anchor=(0.55, 0.62))
plt.show()

# %% [markdown]
# ## Exercises
#
# **1.** Many implementations let the encoder output `log_var` $=\ln\sigma^2$. Write the pair.

# %%
def reparameterize_log_var_forward(mu, log_var, eps):
    raise NotImplementedError("about 2 lines: sigma from log_var; return z, and sigma and eps as the cache")


def reparameterize_log_var_backward(dz, cache):
    raise NotImplementedError("about 2 lines: dmu, and dlog_var by the chain rule")


# %%
def test_log_var(forward, backward):
    inputs = [np.random.default_rng(n).standard_normal((4, 3)) for n in range(3)]
    report = check(forward, backward, *inputs, wrt=("mu", "log_var"))
    print(report)
    assert report.ok, "backward does not match forward"
    same = reparameterize_forward(inputs[0], inputs[1] / 2, inputs[2])[0]
    assert np.allclose(forward(*inputs)[0], same, rtol=1e-12, atol=0), "z has the wrong spread: ln sigma^2 = 2 ln sigma"


try:
    test_log_var(reparameterize_log_var_forward, reparameterize_log_var_backward)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# **2.** Other distributions have paths, too. The exponential distribution with rate $r$ has the CDF $1-e^{-rz}$. Write $z$ as a function of
# $r$ and a uniform $u\in(0,1)$, named `eps`, and its backward.

# %%
def exponential_forward(rate, eps):
    raise NotImplementedError("about 2 lines: solve eps = 1 - exp(-rate z) for z; keep what backward needs")


def exponential_backward(dz, cache):
    raise NotImplementedError("about 2 lines: drate = dz times dz/drate; eps gets no gradient")


# %%
def test_exponential(forward, backward):
    uniform = np.random.default_rng(0).random((50_000, 1))
    report = check(forward, backward, np.array([[0.5], [2.0], [3.0]]), uniform[:3], wrt="rate")
    print(report)
    assert report.ok, "backward does not match forward"
    draws = forward(np.full((50_000, 1), 2.0), uniform)[0]
    assert abs(draws.mean() - 1 / 2) < 4 * 0.5 / np.sqrt(50_000), "the mean of the draws must be 1 / rate"
    assert abs((draws > 1).mean() - np.exp(-2)) < 0.006, "P(z > 1) must be exp(-rate)"


try:
    test_exponential(exponential_forward, exponential_backward)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# **3.** A constant $b$ may be subtracted from $f$ in the score-function estimator without changing its mean (why?). For $f=z^2$,
# $\mu=\sigma=1$, find the best $b$, and return it with the variance that remains. The moments needed stand in section 5.

# %%
def best_baseline():
    raise NotImplementedError("about 2 lines: minimise E[(A - b)^2 eps^2] over b; return b and the variance")


# %%
def test_baseline(answer):
    b, remaining = answer()
    values = score_function_gradient(lambda z: square(z) - b, one, zero, column)[:, 0]
    assert abs(weight @ values - 2) < 1e-12
    assert abs(weight @ (values - 2) ** 2 - remaining) < 1e-10, "the variance is another one"
    for other in (b - 0.1, b + 0.1):
        worse = score_function_gradient(lambda z, other=other: square(z) - other, one, zero, column)[:, 0]
        assert weight @ (worse - 2) ** 2 > remaining, "another b is better"
    print(f"b = {b}: variance {remaining}, against 30 without it and 4 by the path")


try:
    test_baseline(best_baseline)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# ## Solutions

# %% jupyter={"source_hidden": true} tags=["solution"]
def solved_log_var_forward(mu, log_var, eps):
    sigma = np.exp(log_var / 2)
    return mu + sigma * eps, (sigma, eps)


def solved_log_var_backward(dz, cache):
    sigma, eps = cache
    return dz, dz * eps * sigma / 2


test_log_var(solved_log_var_forward, solved_log_var_backward)

# %% jupyter={"source_hidden": true} tags=["solution"]
def solved_exponential_forward(rate, eps):
    z = -np.log1p(-eps) / rate
    return z, (rate, z)


def solved_exponential_backward(dz, cache):
    rate, z = cache
    return -dz * z / rate


test_exponential(solved_exponential_forward, solved_exponential_backward)

# %% jupyter={"source_hidden": true} tags=["solution"]
def solved_baseline():
    # E[(A - b)^2 eps^2] = E[A^2 eps^2] - 2 b E[A eps^2] + b^2 = 34 - 8 b + b^2, smallest at b = 4; E[b eps] = 0 leaves the mean
    b = 4
    return b, 34 - 8 * b + b**2 - 2**2


test_baseline(solved_baseline)
