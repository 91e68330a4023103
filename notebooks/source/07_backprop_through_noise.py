# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 07 Backprop through noise
#
# A VAE draws its latent z at random, and yet its encoder is trained by backpropagation. This notebook derives the two lines that make this
# possible, compares them with a gradient from values alone, and says what a gradient check can and cannot tell about them.
#
# Afterwards you can write the two lines that make a VAE trainable, say why a gradient check finds a wrong
# one, and say which mistake it cannot find.
#
# *Notation: latent; approximate posterior; posterior spread; network output for it; noise; samples of z; gradient of the loss by v.*
#
# D2 writes the derivative of the loss by $v$ as $v$ with a bar; here it is $dv$, as in the code. Under an integral sign $\mathrm{d}z$ is the usual
# upright d.

# %%
import itertools
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    Adam,
    bernoulli_forward,
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
from tinyvae.plots.diagrams import graph
from tinyvae.train import independent_pixels

use_style()
rng = np.random.default_rng(0)
BLUE, VERMILION = "#0072B2", "#D55E00"

# %% [markdown]
# ## 1. A sampling node has no derivative
#
# *Items: D2-45, D4-22, D1-18.*
# *Short path.*
#
# The slides: it is hard to differentiate through an expectation (D2, "Reparameterization Trick"); there is no backpropagation through a random
# sampling process (D4, "Implementation"); the random layer "makes training difficult" and needs a special structure (D1, "Variational AutoEncoders").
#
# *A correction to D1 (E16):* the slide wants an easy distribution for $p(z_i|x_i)$. What is chosen to be easy is $q$; the posterior follows from
# the decoder and stays hard.
#
# We want the gradient of $F(\mu,\sigma) = \mathbb{E}_{z\sim\mathcal{N}(\mu,\sigma^2)}[f(z)]$. The parameters stand in the density,
# $$\nabla_\mu F = \nabla_\mu \int f(z)\, \mathcal{N}(z;\mu,\sigma^2)\,\mathrm{d}z
#   = \int f(z)\, \nabla_\mu \mathcal{N}(z;\mu,\sigma^2)\,\mathrm{d}z ,$$
# and a drawn number $z$ does not say how it would have moved had $\mu$ moved. Backpropagation needs exactly that: $\partial z/\partial\mu$.
# (Derivative and integral may change places if $f$ grows no faster than a power of $z$: the density falls faster than any power.)
#
# **Predict first:** a forward pass draws $z\sim\mathcal{N}(\mu, 1)$ inside and returns $z^2$. You take the central difference
# of two such passes, $(z_+^2-z_-^2)/2h$, with smaller and smaller $h$. What happens to its spread?


# %% tags=["answer"]
def drawing_forward(mu):
    z = mu + drawing_rng.standard_normal(mu.shape)  # noise drawn inside
    return z**2, z


def drawing_backward(dy, z):
    return dy * 2 * z


drawing_rng = np.random.default_rng(1)
one = np.ones(20_000)
for h in (1e-1, 1e-2, 1e-3):
    slopes = (drawing_forward(one + h)[0] - drawing_forward(one - h)[0]) / (2 * h)
    print(
        f"h = {h:5g}: spread of one difference {slopes.std():7.1f},"
        f" mean {slopes.mean():6.1f} ± {standard_error(slopes):.1f}   (wanted: 2)"
    )
    assert abs(slopes.mean() - 2) < 4 * standard_error(slopes), "the right mean"
    assert abs(slopes.std() * h / np.sqrt(3 + 2 * h**2) - 1) < 0.05, "the spread grows as 1 / h"

try:
    check(drawing_forward, drawing_backward, np.ones((3, 1)))
    refused = ""
except ValueError as error:
    refused = str(error)
print("\ncheck refuses:", refused)
assert "not deterministic" in refused


def same_draw_forward(mu):
    z = mu + np.random.default_rng(1).standard_normal(mu.shape)  # the same noise in every call
    return z**2, z


assert check(same_draw_forward, drawing_backward, np.ones((3, 1))).ok, "the draw was refused, not the backward pass"

# %% [markdown] tags=["answer"]
# The spread grows as $1/h$: two independent draws differ by a finite amount, however close the two means are. For $z^2$ with mean $\mu$ and
# $\sigma=1$ the variance is $2+4\mu^2$; the two at $\mu = 1\pm h$ add up to $12+8h^2$, and divided by $4h^2$ they give
# $(3+2h^2)/h^2$. `check` refuses such a function, and its message already names the cure of section 3.

# %% [markdown]
# ## 2. A gradient from values of f alone
#
# *Items: D2-45, D1-18.*
#
# "Hard" is not "impossible". Insert $\nabla_\mu \mathcal{N} = \mathcal{N}\, \nabla_\mu \ln \mathcal{N}$ into the integral above:
# $$\nabla_\mu F = \int f(z)\, \mathcal{N}(z;\mu,\sigma^2)\, \nabla_\mu \ln \mathcal{N}(z;\mu,\sigma^2)\, \mathrm{d}z .$$
# The logarithm of the density is $-(z-\mu)^2/2\sigma^2$ plus terms without $\mu$; its derivative is $(z-\mu)/\sigma^2$. So **[SCORE.1]**
# $$\nabla_\mu F = \mathbb{E}\!\left[f(z)\, \frac{z-\mu}{\sigma^2}\right],$$
# an expectation again, so samples estimate it. This *score-function* estimator never asks for $f'$. In the code $z-\mu=\sigma\epsilon$, so the
# fraction is $\epsilon/\sigma$.

# %%
show(score_function_gradient)

# %% [markdown]
# **Predict first:** $f(z)=z^2$, $\mu=\sigma=1$, so $F = \mu^2+\sigma^2$ and the gradient is 2. One sample of the
# estimator has mean 2. Is its standard deviation nearer to 0.5, 2 or 5?


# %% tags=["answer"]
def square(z):
    return (z**2).sum(1)


draws = rng.standard_normal((200_000, 1))
score = score_function_gradient(square, np.ones(1), np.zeros(1), draws)
print(f"mean {score.mean():.3f} ± {standard_error(score)[0]:.3f}, standard deviation of one sample {score.std():.1f}")
assert abs(score.mean() - 2) < 4 * standard_error(score)[0] < 0.1
assert abs(score.std() - 5.5) < 0.3 and abs(np.median(np.abs(score - 2)) - 2.06) < 0.1

# %% [markdown] tags=["answer"]
# Nearer to 5: the standard deviation is 2.7 times the value that is estimated (the median error is about as large as the value: rare large samples
# make the rest). Section 5 computes the exact number.

# %% [markdown]
# Its strength is that $f$ may have no derivative at all. For $f(z) = 1$ if $z>0$, else 0, the expectation is $F = P(z>0)$, and its derivative
# by $\mu$ is the density of $z$ at 0, $e^{-\mu^2/2\sigma^2}/(\sqrt{2\pi}\,\sigma)$. Almost everywhere $f'=0$, so no path through $f$
# could say so; values of $f$ do. Discrete latents can be trained in this way.

# %%
mu, sigma = 0.6, 1.5
jump = score_function_gradient(lambda z: (z[:, 0] > 0).astype(float), np.array([mu]), np.log([sigma]), draws)
density_at_0 = np.exp(-(mu**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
print(f"a step: estimated {jump.mean():.4f} ± {standard_error(jump)[0]:.4f}, exact {density_at_0:.4f}")
assert abs(jump.mean() - density_at_0) < 4 * standard_error(jump)[0] < 0.01

# %% [markdown]
# ## 3. Move the randomness to the input
#
# *Items: D3-37, D2-46, D0-34, D4-6.*
# *Short path.*
#
# The slides: $z_i = \mu_i + \sigma_i\epsilon_i$ with $\epsilon_i\sim\mathcal{N}(0,1)$ (D2); "move randomness to input layer" (D3); sample
# each latent state at random to get the decoder's input (D4); use the trick to sample $z_k$ and to estimate the expectation under q (D0).
#
# *A nuance to D4 (E53):* under "Implementation" it lets the decoder do the sampling. The draw belongs to $q$; the decoder gets $z$.
#
# Is it a draw from the same distribution? Let $z=\mu+\sigma\epsilon$ with $\sigma>0$, so $\epsilon=(z-\mu)/\sigma$ and
# $\partial\epsilon/\partial z = 1/\sigma$. By the change of variables,
# $$p(z) = \mathcal{N}\!\left(\tfrac{z-\mu}{\sigma};0,1\right)\frac1\sigma
#        = \frac{1}{\sqrt{2\pi}\,\sigma}\, e^{-(z-\mu)^2/2\sigma^2} = \mathcal{N}(z;\mu,\sigma^2).$$
# So **[REP.1]**
# $$z = \mu + \sigma\,\epsilon,\qquad \sigma = e^{\log\sigma},\qquad
#   F(\mu,\sigma) = \mathbb{E}_{\epsilon\sim\mathcal{N}(0,1)}[f(\mu+\sigma\epsilon)] .$$
# The density of $\epsilon$ holds no parameters. Randomness is now an *input*, like $x$, and everything between $\mu$, $\sigma$ and $z$ is
# arithmetic.

# %%
show(reparameterize_forward)

# %% [markdown]
# A gradient check cannot say whether a sampler draws from the right distribution. Moments can, so they are compared here with
# $\mu$ and $\sigma$, within four standard errors: $\sigma/\sqrt L$ for the mean, about $\sigma/\sqrt{2L}$ for the standard deviation. Two
# moments do not make a Gaussian, so the whole distribution is compared too: the largest distance between the share of draws below $t$ and
# $P(z<t)$, here at 99 ranks, is below $2/\sqrt L$ in all but one of 1500 runs, if the draws are right (Kolmogorov's test).

# %%
L = 100_000
mu, sigma = np.array([[1.0, -2.0, 0.5]]), np.array([[0.5, 0.1, 3.0]])


def sampler_errors(z):
    """How many standard errors the mean and the standard deviation of the draws are away from mu and sigma."""
    return (z.mean(0) - mu) / sigma * np.sqrt(L), (z.std(0) - sigma) / sigma * np.sqrt(2 * L)


def largest_distance(z, m, s):
    """Between the share of draws below t and P(z < t) of N(m, s^2), at the draws of rank 1 %, 2 %, ..., 99 %."""
    ranks = np.arange(1, 100) / 100
    exact = np.array([NormalDist(m, s).cdf(t) for t in np.quantile(z, ranks)])
    return np.abs(exact - ranks).max()


z, _ = reparameterize_forward(mu, np.log(sigma), rng.standard_normal((L, 1, 3)))
of_mean, of_std = sampler_errors(z)
distances = [largest_distance(z[:, 0, k], mu[0, k], sigma[0, k]) for k in range(3)]
print("mean", z.mean(0)[0].round(3), "wanted", mu[0])
print("std ", z.std(0)[0].round(3), "wanted", sigma[0])
print("largest distance of the distributions, in units of 1 / sqrt(L):", (np.array(distances) * np.sqrt(L)).round(2))
assert np.abs(of_mean).max() < 4 and np.abs(of_std).max() < 4
assert np.abs(sampler_errors(z + 0.03 * sigma)[0]).min() > 4, "a mean off by 3 % of sigma would be seen"
assert np.abs(sampler_errors(1.03 * z)[1]).min() > 4, "and a spread off by 3 %"
assert max(distances) < 2 / np.sqrt(L)
uniform = np.sqrt(12) * (np.random.default_rng(1).random(L) - 0.5)
assert largest_distance(uniform, 0, 1) > 2 / np.sqrt(L), "the right two moments, and not Gaussian: it would be seen"

# %% [markdown]
# The next figure has σ = 0.7 and nine draws at each μ. Left, no point belongs to another; right, the noise is kept, and each point moves by what μ
# moves: $\partial z/\partial\mu = 1$.

# %%
eps = np.random.default_rng(3).standard_normal(9)
fig, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 4.2))
for ax, title in zip(axes, ("noise drawn anew", "noise kept: slope 1")):
    for n, m in enumerate((0.0, 0.5, 1.0)):
        used = np.random.default_rng(10 + n).standard_normal(9) if "anew" in title else eps
        ax.plot(np.full(9, m), m + 0.7 * used, "o", color=BLUE)
    ax.set(title=title, xlabel="mean μ", xticks=[0, 0.5, 1], xlim=(-0.1, 1.1))
axes[1].plot([0, 0.5, 1], np.array([0, 0.5, 1])[:, None] + 0.7 * eps, color=BLUE, lw=1.5)
axes[0].set_ylabel("sample z")
plt.show()

# %% [markdown]
# ## 4. Two lines of backward
#
# *Items: D2-47, D3-39, D4-24.*
# *Short path.*
#
# The slide, in our notation: $d\mu_i = dz_i$, $d\sigma_i = dz_i\,\epsilon_i$ (D2); $z$ is now differentiable in
# $\mu$ and $\sigma$ (D3); "we can now optimize the parameters of the distribution while still maintaining the ability to randomly sample"
# (D4).
#
# With $\epsilon$ held fixed, $\partial z/\partial\mu = 1$ and $\partial z/\partial\sigma=\epsilon$. The encoder's output is $\log\sigma$, and
# $\partial\sigma/\partial\log\sigma=\sigma$. The chain rule gives **[REP.2]**
# $$d\mu = dz,\qquad d\sigma = dz\,\epsilon,\qquad d\log\sigma = \sigma\,d\sigma.$$
#
# *A nuance to D2 (E36):* the slide's rule is the sample path alone. Two things are to be added before the encoder sees a gradient: the step
# from $\sigma$ to $\log\sigma$, and the gradients of the KL, which depends on $\mu$ and $\log\sigma$ directly (section 8).

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4.6))
places = {
    "mu": (0, 2.5, r"$\mu$", "value"),
    "sigma": (0, 0.1, r"$\sigma$", "value"),
    "f": (2.7, 2.6, "$f(z)$", "operation"),
}
arrows = [("mu", "z"), ("sigma", "z"), ("z", "f"), ("f", "z", "", "backward")]
graph({**places, "z": (2.7, 0.6, "$z$", "noise")}, arrows, ax=left)
outside = {"eps": (0, -1.5, r"$\epsilon$", "noise"), "z": (2.7, 0.6, r"$\mu+\sigma\epsilon$", "operation")}
arrows += [("eps", "z"), ("z", "mu", "", "backward"), ("z", "sigma", "", "backward")]
graph({**places, **outside}, arrows, ax=right)
for ax in (left, right):
    ax.set(xlim=(-0.5, 3.4), ylim=(-2, 3))
    ax.text(2.35, 1.8, "$dz$", ha="right", va="center")
right.text(1.2, 2.5, r"$d\mu=dz$", ha="center", va="bottom")
right.text(0.75, 1.0, r"$d\sigma=dz\,\epsilon$", ha="center", va="center")
left.set_title("z drawn inside:\nthe way back ends at z")
right.set_title("ε is an input:\nthe way back is open")
plt.show()

# %% [markdown]
# Dashed circles are drawn at random, dashed arrows are the way back. The code is the three equations. `sum_samples` is for several samples per
# datum: it adds up what they send back (section 6); with one sample it returns the gradient as it is.

# %%
show(reparameterize_backward)

# %% [markdown]
# Is it right? Central differences compare, in float64, **[CHECK.1]**
# $$\frac{\partial f}{\partial x_i} = \frac{f(x+he_i)-f(x-he_i)}{2h} + O(h^2).$$
# The two Taylor series $f(x\pm he_i) = f \pm h f_i + \tfrac{h^2}{2}f_{ii} \pm \tfrac{h^3}{6}f_{iii}+\dots$ are subtracted: $f$ and $f_{ii}$
# cancel, and $2hf_i+\tfrac{h^3}{3}f_{iii}$ remains. So the difference is wrong by $\tfrac{h^2}{6}f_{iii}$, which asks for short steps; and by
# rounding, about $10^{-16}|f|/h$, which asks for long ones.
#
# **Predict first:** the derivative of $e^x$ at 0 is 1. Which of the steps $10^{-1}, 10^{-3}, 10^{-5}, 10^{-8}, 10^{-11}$ gives the best difference?

# %% tags=["answer"]
steps = np.array([1e-1, 1e-3, 1e-5, 1e-8, 1e-11])
errors = np.abs((np.exp(steps) - np.exp(-steps)) / (2 * steps) - 1)
for h, error in zip(steps, errors):
    print(f"h = {h:7.0e}: error about 1e{np.log10(error):+.0f}; h^2 / 6 about 1e{np.log10(h**2 / 6):+.0f}")
assert errors.argmin() == 2
assert np.all(np.abs(errors[:2] / (steps[:2] ** 2 / 6) - 1) < 0.01), "long steps: h^2 f''' / 6"
assert errors[4] > 1e3 * errors[2], "short steps: rounding"

# %% [markdown] tags=["answer"]
# $10^{-5}$: there the two errors balance, $h^2/6\approx10^{-16}/h$ gives $h\approx10^{-5}$.

# %% [markdown]
# No single $h$ suits every function. So `check` compares several steps, a whole ladder
# of them where two do not settle it, estimates both errors, and judges every entry against the error of its own difference: there is no tolerance
# to choose (what agrees to $10^{-8}$ counts as right). Its verdict on an input is ok, WRONG, or CANNOT JUDGE, where all entries lie on a kink, for
# example; `resolution` is the error of the differences themselves, relative to the gradient, shown as at least $10^{-8}$.
#
# All this takes many calls at nearby inputs, and is possible only because $\epsilon$ is an argument: every call has the same noise. Every floating
# input is judged unless `wrt` names those that have a gradient; backward returns none for $\epsilon$.

# %%
inputs = rng.standard_normal((3, 4, 3))  # mu, log_sigma, eps
report = check(reparameterize_forward, reparameterize_backward, *inputs, wrt=("mu", "log_sigma"))  # eps is noise
print(report)
assert report.ok

# %% [markdown]
# **Predict first:** three wrong backward passes: one without the factor $\sigma$, one that draws a second `eps` of its own, and one
# that uses a second, fixed `eps`. Which of them does `check` find?


# %% tags=["answer"]
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
        report = check(reparameterize_forward, backward, *inputs, wrt=("mu", "log_sigma"))
        verdicts[backward.__name__] = "passes" if report.ok else f"WRONG in {[r.name for r in report.rows if not r.ok]}"
    except ValueError as error:
        verdicts[backward.__name__] = f"refused: {error}"
    print(f"{backward.__name__}: {verdicts[backward.__name__]}")
assert verdicts["no_chain_backward"] == verdicts["second_eps_backward"] == "WRONG in ['log_sigma']"
assert "backward is not deterministic" in verdicts["fresh_eps_backward"]
_, log_sigma, eps = inputs
dmu, dlog_sigma = np.ones((4, 3)), np.exp(log_sigma) * eps  # by hand, for dz = 1
_, cache = reparameterize_forward(*inputs)
assert np.array_equal(reparameterize_backward(np.ones((4, 3)), cache)[0], dmu)
assert np.allclose(reparameterize_backward(np.ones((4, 3)), cache)[1], dlog_sigma, rtol=1e-14)
assert np.allclose(no_chain_backward(np.ones((4, 3)), cache)[1] * np.exp(log_sigma), dlog_sigma, rtol=1e-14)

# %% [markdown] tags=["answer"]
# All three. The second is refused because two calls disagree, the others are reported as wrong. Backward must use the noise of *its* forward
# pass; that is why the cache keeps it.

# %% [markdown]
# **Predict first:** the first of the three once more, at $\log\sigma=0$, near which networks start. What does `check` say now?

# %% tags=["answer"]
at_start = check(reparameterize_forward, no_chain_backward, inputs[0], np.zeros((4, 3)), inputs[2], wrt=("mu", "log_sigma"))
print("without the factor sigma, checked at log_sigma = 0:", "passes" if at_start.ok else "WRONG")
assert at_start.ok, "this is why check_model steps away from the start"

# %% [markdown] tags=["answer"]
# It passes: at $\sigma=1$ the missing factor cannot be seen. A check speaks of the inputs at which it was made, and no others; take inputs at which
# nothing is 0 or 1. `check_model` moves a model away from its start for this reason.

# %% [markdown]
# ## 5. Thirty against four
#
# *Items: D2-45, D2-46, D3-37.*
#
# Both estimators have the right mean. The second one differentiates the path of the sample, **[PATH.1]**
# $$\nabla_\mu F = \mathbb{E}_\epsilon\big[f'(\mu+\sigma\epsilon)\big].$$
#
# Take $f(z)=z^2$ and $\mu=\sigma=1$ first. The path estimator is $2(1+\epsilon)$: mean 2, variance **4**.
#
# The score estimator is $A\,\epsilon$ with $A=(1+\epsilon)^2$. The moments of $\epsilon$ of order 2, 4, 6 are 1, 3, 15, and the odd ones vanish:
# $$\mathbb{E}[A^2\epsilon^2] = \mathbb{E}[\epsilon^2+4\epsilon^3+6\epsilon^4+4\epsilon^5+\epsilon^6] = 1+18+15=34,\qquad
#   \mathbb{E}[A\,\epsilon] = \mathbb{E}[\epsilon+2\epsilon^2+\epsilon^3] = 2 .$$
# So its variance is $34-2^2=$ **30**.

# %%
show(reparameterized_gradient)

# %%
node, weight = np.polynomial.hermite_e.hermegauss(8)  # exact for polynomials up to degree 15
weight = weight / weight.sum()


def exact_moments(K):
    """Mean and variance of the estimate by mu_1 for f = sum z_k^2, by quadrature over K dimensions: score, path."""
    grid = np.array(list(itertools.product(node, repeat=K)))
    mass = np.prod(list(itertools.product(weight, repeat=K)), axis=1)
    found = []
    for g in (
        score_function_gradient(square, np.ones(K), np.zeros(K), grid)[:, 0],
        reparameterized_gradient(lambda z: 2 * z, np.ones(K), np.zeros(K), grid)[:, 0],
    ):
        found.append((mass @ g, mass @ (g - mass @ g) ** 2))
    return found


(score_mean, score_variance), (path_mean, path_variance) = exact_moments(1)
print(
    f"K = 1: score mean {score_mean:.9f}, variance {score_variance:.9f};"
    f" path mean {path_mean:.9f}, variance {path_variance:.9f}"
)
assert abs(score_mean - 2) < 1e-12 and abs(path_mean - 2) < 1e-12
assert abs(score_variance - 30) < 1e-10 and abs(path_variance - 4) < 1e-12

# %% [markdown]
# So the score estimator needs 7.5 times as many samples for the same error.
#
# **Predict first:** now $f(z)=\sum_k z_k^2$ in $K=100$ dimensions, all $\mu_k=\sigma_k=1$, and the gradient by $\mu_1$, which is 2 as before. Is the
# factor 7.5 still, or about 75, 750 or more?


# %% tags=["answer"]
def exact_variance(K):
    return 30 + 22 * (K - 1) + 4 * (K - 1) ** 2


for K in (1, 2, 3, 4):  # three of them fix a polynomial of degree 2, the fourth tests it
    (_, by_quadrature), (_, of_path) = exact_moments(K)
    print(f"K = {K}: variance by quadrature {by_quadrature:.6f} and {of_path:.6f}, formula {exact_variance(K)}")
    assert abs(by_quadrature - exact_variance(K)) < 1e-9 and abs(of_path - 4) < 1e-10


def measured(K, n, seed):
    """The variance of every coordinate's estimate, from n samples: score, path."""
    draws = np.random.default_rng(seed).standard_normal((n, K))
    score = score_function_gradient(square, np.ones(K), np.zeros(K), draws)
    path = reparameterized_gradient(lambda z: 2 * z, np.ones(K), np.zeros(K), draws)
    return score.var(0), path.var(0)


dimensions = [1, 3, 10, 30, 100]
rows = {K: measured(K, 20_000 if K > 1 else 200_000, seed=K) for K in dimensions}
for K, (s, p) in rows.items():
    print(f"K = {K:3}: measured, score {s.mean():7.0f} (formula {exact_variance(K):5}), path {p.mean():.1f}")
    assert abs(s.mean() / exact_variance(K) - 1) < 0.03 and abs(p.mean() / 4 - 1) < 0.03
print(f"factor in 100 dimensions: {exact_variance(100) / 4:.0f}")

# %% [markdown] tags=["answer"]
# Ten thousand times as many samples. The score estimator is $(A+B)\,\epsilon_1$ with $A=(1+\epsilon_1)^2$ as before and
# $B=\sum_{k\ge2}(1+\epsilon_k)^2$ independent of it: the whole loss, most of which has nothing to do with $\mu_1$, multiplies the noise. Each
# term of $B$ has mean 2 and variance $\operatorname{Var}(2\epsilon+\epsilon^2) = 4+2=6$. With $n=K-1$: $\mathbb{E}B=2n$,
# $\mathbb{E}B^2=6n+4n^2$. With $\mathbb{E}[A\,\epsilon_1^2] = \mathbb{E}[\epsilon^2+2\epsilon^3+\epsilon^4] = 4$,
# $$\operatorname{Var} = 34 + 2\cdot 2n\cdot 4 + (6n+4n^2) - 2^2 = 30 + 22\,n + 4\,n^2 .$$
# For $K=100$ it is $30+2178+39204 = 41412$. The path estimator $2(1+\epsilon_1)$ does not know the other coordinates: 4 for every $K$.

# %% tags=["answer"]
fig, ax = plt.subplots()
K = np.arange(1, 101)
ax.loglog(K, exact_variance(K), label="score function, exact")
ax.loglog(K, np.full(100, 4), ls="--", label="sample path, exact")
ax.loglog(dimensions, [rows[k][0].mean() for k in dimensions], "ko", label="measured")
ax.loglog(dimensions, [rows[k][1].mean() for k in dimensions], "ko")
ax.set(xlabel="latent dimensions K", ylabel="variance of one sample", title="Noise of a gradient whose value is 2")
ax.legend()
plt.show()

# %% [markdown]
# **Predict first:** is the path always the less noisy one? Take $f(z)=\sin 10z$ in one dimension, $\mu=\sigma=1$.


# %% tags=["answer"]
def wave(z):
    return np.sin(10 * z[:, 0])


def wave_slope(z):
    return 10 * np.cos(10 * z)


by_score = score_function_gradient(wave, np.ones(1), np.zeros(1), draws)
by_path = reparameterized_gradient(wave_slope, np.ones(1), np.zeros(1), draws)
print(f"sin 10z: variance by the score {by_score.var():.2f}, by the path {by_path.var():.1f}")
assert abs(by_score.var() / 0.5 - 1) < 0.03 and abs(by_path.var() / 50 - 1) < 0.03
assert np.abs(wave_slope(draws) - (wave(draws + 1e-6) - wave(draws - 1e-6))[:, None] / 2e-6).max() < 1e-6

# %% [markdown] tags=["answer"]
# No: here the path is a hundred times as noisy, $\mathbb{E}[100\cos^2] = 50$ against $\mathbb{E}[\sin^2\epsilon^2]=\tfrac12$ (the cosines of
# $20z$ average to less than $10^{-80}$, and the gradient itself to nearly 0). The path pays for steep slopes, the score for large values of $f$, and
# neither is always the smaller. Section 9 asks it of a trained VAE.

# %% [markdown]
# ## 6. Several samples, and a fresh one at every pass
#
# *Items: D3-38, D1-20.*
#
# The slides: $z^{(l)} = \mu(x)+\sigma(x)\odot\epsilon^{(l)}$, $\epsilon^{(l)}\sim\mathcal{N}(0,I)$ (D3); during training the decoder's
# output is from a sampled version of the latent variable (D1, "Variational AutoEncoders").
#
# *A nuance to D1 (E17):* the slide says "every epoch"; it is every forward pass.
#
# With $L$ samples the loss holds the mean of $L$ terms. One $\mu$ feeds all $z^{(l)}$, so its gradient is the sum of what they send back,
# $d\mu = \sum_l dz^{(l)}$, where each $dz^{(l)}$ carries the factor $1/L$ of the mean. (This sum is what `sum_samples` does.) A mean of $L$
# independent terms has $1/L$ of the variance.


# %%
def squared_mean_forward(mu, log_sigma, eps):
    z, cache = reparameterize_forward(mu, log_sigma, eps)
    return (z**2).mean(0), (z, cache)


def squared_mean_backward(dy, cache):
    z, z_cache = cache
    return reparameterize_backward(dy * 2 * z / len(z), z_cache)


five = rng.standard_normal((5, 4, 3))
report = check(squared_mean_forward, squared_mean_backward, *inputs[:2], five, wrt=("mu", "log_sigma"))
print("five samples per datum:", {row.name: "ok" if row.ok else "WRONG" for row in report.rows})
assert report.ok
for L in (1, 4, 16):
    samples = rng.standard_normal((L, 50_000, 1))
    _, cache = squared_mean_forward(np.ones((50_000, 1)), np.zeros((50_000, 1)), samples)
    gradient = squared_mean_backward(np.ones((50_000, 1)), cache)[0]
    print(f"L = {L:2}: gradient {gradient.mean():.2f}, variance {gradient.var():.3f}, 4 / L = {4 / L:.3f}")
    assert abs(gradient.var() * L / 4 - 1) < 0.05 and abs(gradient.mean() - 2) < 4 * np.sqrt(4 / L / 50_000)

# %% [markdown]
# **Predict first:** what does a network learn if every image keeps one and the same $\epsilon$ in all epochs? Will the loss that it reports be
# higher or lower than with fresh noise? And the loss on fresh noise afterwards?

# %% tags=["answer"]
X, _ = load_digits()
few = X[:150]


def train_on(noise, seed, steps=300):
    """Mean loss at the end, on the noise of the training and on new noise."""
    vae, adam = VAE(64, 2, hidden=(64,), seed=seed), Adam(5e-3)
    for step in range(steps):
        adam.step(vae.theta, vae.loss_and_grad(few, noise(step))[1])
    seen = np.mean([vae.loss_and_grad(few, noise(step))[0] for step in range(steps - 20, steps)])
    new = np.random.default_rng(99)
    return seen, np.mean([vae.loss_and_grad(few, new.standard_normal((150, 2)))[0] for _ in range(20)])


runs = {"one eps for ever": [], "fresh every pass": []}
for seed in range(4):
    frozen = np.random.default_rng([5, seed]).standard_normal((150, 2))
    runs["one eps for ever"].append(train_on(lambda step, frozen=frozen: frozen, seed))
    runs["fresh every pass"].append(
        train_on(lambda step, seed=seed: np.random.default_rng([seed, step]).standard_normal((150, 2)), seed)
    )
runs = {name: np.array(found) for name, found in runs.items()}  # (seeds, 2)
for name, found in runs.items():
    (seen, new), (seen_error, new_error) = found.mean(0), standard_error(found)
    print(
        f"{name}: loss on its training noise {seen:.1f} ± {seen_error:.1f},"
        f" on new noise {new:.1f} ± {new_error:.1f} nats per datum"
    )
pairs = runs["one eps for ever"] - runs["fresh every pass"]  # the same start, so paired
(lower, higher), pair_error = pairs.mean(0), standard_error(pairs)
print(
    f"frozen minus fresh, paired over 4 seeds: {lower:+.1f} ± {pair_error[0]:.1f}"
    f" and {higher:+.1f} ± {pair_error[1]:.1f}"
)
mean_image = independent_pixels("bernoulli", few, few)  # -log p(x) if all share one mean image: a decoder without z at best
pixel = few.mean(0, dtype=float).clip(1e-9, 1 - 1e-9)
by_logits = bernoulli_forward(np.tile(np.log(pixel / (1 - pixel)), (150, 1)), few.astype(float))[0].mean()
print(f"one mean image for all: {mean_image:.1f}")
assert abs(mean_image + by_logits) < 0.01
assert lower < -4 * pair_error[0] and higher > 4 * pair_error[1], "too good on its own noise, worse on new"
assert np.all(pairs[:, 0] < 0) and np.all(pairs[:, 1] > 0), "in every run"

# %% [markdown] tags=["answer"]
# Frozen noise is one more fixed offset that the network learns by heart: in every run the reported loss is too good and the loss under $q$ worse.
# Fresh noise exposes the decoder to the whole of $q(z|x)$, which is D1's point.

# %% [markdown]
# ## 7. Exactly the rule of dropout
#
# *Items: D2-48.*
#
# The slide: "this is exactly analogous to how we derived the backprop rules for dropout". (*A correction to D2 (E38):* "droopout" there.) Dropout
# draws a mask $m$ outside and multiplies, **[DROP.1]** $y = m\,x$. With $m$ fixed, $\partial y/\partial x = m$, so **[DROP.2]**
# $dx = dy\,m$. Put $\mu=0$ into [REP.1]: $z=\epsilon\,\sigma$. It is the same product with the names $x\to\sigma$,
# $m\to\epsilon$, $y\to z$, so $d\sigma=dz\,\epsilon$ *is* the dropout rule. The two differ in the distribution of the
# noise alone: $m$ is 0 or $1/(1-p)$ with mean 1, $\epsilon$ is Gaussian with mean 0.

# %%
show(dropout_forward, dropout_backward)

# %%
sigma, eps, dz = np.exp(rng.standard_normal((4, 3))), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
z, z_cache = reparameterize_forward(np.zeros((4, 3)), np.log(sigma), eps)
y, y_cache = dropout_forward(sigma, eps)
dlog_sigma, dsigma = reparameterize_backward(dz, z_cache)[1], dropout_backward(dz, y_cache)
difference = np.abs(z - y).max(), np.abs(dlog_sigma - sigma * dsigma).max()
print(f"reparameterise at mu = 0 and dropout with mask eps agree to 1e-14: {max(difference) < 1e-14}")
assert max(difference) < 1e-14

keep = 0.7
mask = (rng.random((400, 3)) < keep) / keep
assert abs(mask.mean() - 1) < 4 * standard_error(mask.ravel()), "E y = x"
assert abs(mask.var() - (1 / keep - 1)) < 0.1 * (1 / keep - 1), "p / (1 - p)"
x = rng.standard_normal((4, 3))
right = check(dropout_forward, dropout_backward, x, mask[:4], wrt="x")
wrong = check(dropout_forward, lambda dy, cache: dy * mask[4:8], x, mask[:4], wrt="x")
print(
    "dropout: backward",
    "ok" if right.ok else "WRONG",
    "| with a second mask in backward:",
    "ok" if wrong.ok else "WRONG",
)
assert right.ok and not wrong.ok

# %% [markdown]
# ## 8. The whole graph of the -ELBO
#
# *Items: D1-55, D4-24, D3-39.*
# *Short path.*
#
# D1 ("Backpropagation on VAE") asks how to minimise
# $-\mathrm{ELBO} = -\mathbb{E}_q[\log p(x|z)] + \mathrm{KL}(q(z|x)\,\|\,p(z))$ and draws the reparameterised
# graph. (*A correction to D1 (E29):* there $\theta$ belongs to the encoder and $\phi$ to the decoder, against D0, D2, D3 and this package.) In words:
# $$x \to (\mu,\log\sigma) \to z=\mu+\sigma\epsilon \to \text{decoder} \to \log p(x|z),\qquad (\mu,\log\sigma)\to \mathrm{KL}.$$
# Two paths leave $(\mu,\log\sigma)$, so two gradients come back and are added:
# $$d\mu = dz + d\mathrm{KL}\;\mu,\qquad
#   d\log\sigma = \sigma\,\epsilon\,dz + d\mathrm{KL}\,(\sigma^2-1).$$
# Here $d\mathrm{KL}$ is the derivative of the loss by the KL of one datum: $1/N$ in a mean over $N$ data.

# %%
nodes = {
    "x": (0, 0, "$x$", "observed"),
    "q": (1.9, 0, r"$\mu,\,\log\sigma$", "operation"),
    "eps": (3.9, 1.6, r"$\epsilon$", "noise"),
    "z": (4.2, 0, "$z$", "operation"),
    "px": (6.5, 0, "$p(x|z)$", "operation"),
    "kl": (4.2, -2.2, "KL", "operation"),
    "loss": (6.5, -2.2, "loss", "operation"),
}
forward = [("x", "q"), ("q", "z"), ("eps", "z"), ("z", "px"), ("q", "kl"), ("px", "loss"), ("kl", "loss")]
backward = [("px", "z", "$dz$", "backward"), ("z", "q", "path", "backward"), ("kl", "q", "", "backward")]
backward += [("loss", "px", "", "backward"), ("loss", "kl", r"$d$KL", "backward")]
fig, ax = plt.subplots(figsize=(8, 4.8))
graph(nodes, forward + backward, ax=ax)
ax.text(3.65, -0.8, "KL", ha="left", va="center")
ax.set_title("Two gradients come back to μ and log σ, and are added")
plt.show()

# %% [markdown]
# In the code `q` is the pair $(\mu,\log\sigma)$; `dq` and `dq_kl` are the pairs of its gradients from the two paths. `parts` holds what the model
# is made of; `encode_forward`, `draw_forward`, `decode_forward` and `log_px_forward` call the pair of the encoder, of the posterior, of the decoder
# and of the likelihood that it names. For this posterior and prior `draw_backward` is `reparameterize_backward`, and
# `kl_term_backward` is `kl_backward` (found in the table `CLOSED_KL`), with a gradient by $z$ that is 0. `likelihood.features` is $x$ itself for
# pixels. The gradients of all weights are added to `dparams`; `add_own` adds
# those of parameters that a prior or a likelihood may have of its own, and here there are none.

# %%
show(elbo_terms_forward, elbo_terms_backward)
show(draw_backward, kl_term_backward)

# %% [markdown]
# Two checks. The first takes all weights of a small model with three samples per datum. The second takes the two equations above literally:
# the bias of the encoder's last layer is added to $(\mu,\log\sigma)$ of every datum, so its gradient must be the sum over the data of
# $(d\mu, d\log\sigma)$, with $dz$ by central differences of the decoder alone.

# %%
tiny = VAE(64, 2, hidden=(5,), dtype="float64", n_samples=3)
report = check_model(tiny, X[:4])
print(f"{len(report.rows)} gradients of the model compared with differences, all ok: {report.ok}")
assert report.ok

tiny.theta += 0.2 * rng.standard_normal(tiny.theta.size)  # away from the start
images, eps, N = X[:4].astype(float), rng.standard_normal((1, 4, 2)), 4
_, cache = tiny.loss_forward((images, None), eps)  # images without labels
head_bias = tiny.views(tiny.loss_backward(1, cache))["encoder.head.b"]

(mu, log_sigma), _ = encode_forward(images, tiny.params, tiny.parts.encoder)
sigma, eps = np.exp(log_sigma), eps[0]
z, h = mu + sigma * eps, 1e-5


def reconstruction(z):
    """The loss without the KL, as a function of z."""
    return -tiny.parts.likelihood.forward(tiny.decoder_output(z), images)[0].mean()


dz = np.zeros((4, 2))
for n, k in np.ndindex(4, 2):
    step = np.zeros((4, 2))
    step[n, k] = h
    dz[n, k] = (reconstruction(z + step) - reconstruction(z - step)) / (2 * h)
dkl = 1 / N
dmu = dz + dkl * mu
dlog_sigma = sigma * eps * dz + dkl * (sigma**2 - 1)
by_hand = np.concatenate([dmu.sum(0), dlog_sigma.sum(0)])
print("gradient of the last bias, by the two equations:", by_hand.round(4))
print("                                by the package: ", head_bias.round(4))
assert np.abs(by_hand - head_bias).max() < 1e-8
assert np.abs(dkl * np.concatenate([mu.sum(0), (sigma**2 - 1).sum(0)])).min() > 1e-3, "the KL's share would be missed"

# %% [markdown]
# ## 9. Why is it needed at all?
#
# *Items: D4-44, D4-22, D4-24.*
#
# A reader of D4 asks in the comments: this is training by backpropagation, as with any network; for each X a Z is selected and distributed anyway,
# so why reparameterise?
#
# Suppose $z$ is drawn and then treated as data: a constant (software calls this a stop-gradient). Then $dz$ is computed, and
# stops. The equations of section 8 lose their first terms, and
# $$d\mu = d\mathrm{KL}\;\mu,\qquad d\log\sigma = d\mathrm{KL}\,(\sigma^2-1):$$
# the encoder gets the gradient of the KL alone.
#
# The check below is not by our own backward pass: the loss with $z$ as a constant is differentiated by central differences, and compared with the
# gradient of the KL alone.

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


_, cache = model.loss_forward((batch, None), eps)
kl_only = model.loss_backward(1, cache, weights={"reconstruction": 0})[:encoder_size]
full = model.loss_backward(1, cache)[:encoder_size]
report = check(constant_z_forward, lambda dloss, cache: dloss * kl_only, start[:encoder_size])
print("z constant: the encoder's gradient is that of the KL alone:", report.ok)
print(
    f"norm of the encoder's gradient: KL alone {np.linalg.norm(kl_only):.3f}, with the path {np.linalg.norm(full):.3f}"
)
assert report.ok, "with z a constant the encoder's gradient is the gradient of the KL"
assert not check(constant_z_forward, lambda dloss, cache: dloss * full, start[:encoder_size]).ok
assert constant_z_forward(start[:encoder_size])[0] == model.loss_forward((batch, None), eps)[0][0], "the same loss"

# %% [markdown]
# **Predict first:** train such a model. Which KL does it end at, and what does every reconstruction look like?


# %% tags=["answer"]
def train(stop_gradient, seed, epochs=25):
    """A model of the digits, and its mean reconstruction term and KL by epoch."""
    vae, adam, noise, curve = VAE(64, 2, hidden=(64,), seed=seed), Adam(3e-3), np.random.default_rng(seed), []
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


path_runs, stopped_runs = ([train(stop, seed) for seed in range(3)] for stop in (False, True))
path_curves, stopped_curves = (
    np.array([curve for _, curve in runs_]) for runs_ in (path_runs, stopped_runs)
)  # (seeds, epochs, 2)
for name, curves in (("reparameterised", path_curves), ("z held constant", stopped_curves)):
    (recon, kl), (recon_error, kl_error) = curves[:, -1].mean(0), standard_error(curves[:, -1])
    print(
        f"{name}: reconstruction {recon:.1f} ± {recon_error:.1f}, KL {kl:.2f} ± {kl_error:.2f} nats per datum (3 seeds)"
    )
mean_image = independent_pixels("bernoulli", X, X)
some_z = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
outputs = np.stack([stopped.decoder_output(some_z) for stopped, _ in stopped_runs])
images = 1 / (1 + np.exp(-outputs.astype(float)))  # of 200 z from the prior, in three runs
spread_of_means, off_mean = images.std(1).max(), np.abs(images - X.mean(0)).max()  # at the worst pixel of the worst run
print(f"one mean image for all: {mean_image:.1f} nats per datum")
assert stopped_curves[:, -1, 1].max() < 0.01 and path_curves[:, -1, 1].min() > 0.5
assert np.abs(stopped_curves[:, -1, 0] - mean_image).max() < 0.3 and spread_of_means < 0.05
print(f"its decoded images, z from the prior: at most {off_mean:.2f} from the mean image at any pixel")
assert off_mean < 0.15
assert path_curves[:, -1].sum(1).max() < mean_image - 0.5

# %% tags=["answer"]
fig, axes = plt.subplots(1, 2, figsize=(8, 4.4))
for ax, k, name in zip(axes, (0, 1), ("reconstruction (nats)", "KL (nats)")):
    ax.plot(np.arange(1, 26), path_curves[:, :, k].T, color=BLUE, label=["reparameterised", None, None])
    ax.plot(
        np.arange(1, 26), stopped_curves[:, :, k].T, color=VERMILION, ls="--", label=["z held constant", None, None]
    )
    ax.set(xlabel="epoch", ylabel=name)
axes[0].axhline(mean_image, color="black", lw=1.5, ls=":")
axes[0].text(25.5, mean_image + 1.2, "dotted: one\nmean image for all", ha="right", va="bottom")
axes[0].set(ylim=(24, 34))
axes[1].legend(loc="upper right")
axes[1].set(ylim=(-0.1, 4))
fig.suptitle("Without the path gradient, no message about x (3 seeds)")
plt.show()

# %% [markdown] tags=["answer"]
# The encoder walks to the prior, the KL goes to 0, and the decoder, fed with pure noise, learns the mean image. So: Z is distributed
# anyway, but *how* it should be distributed is learned through $\partial z/\partial\mu$ and $\partial z/\partial\sigma$ only (or, noisily,
# through section 2).

# %% [markdown]
# How noisily? Take the trained models, and $f(z) = -\log p(x|z)$ of one digit, $z\sim q(z|x)$. Beside the plain score function stands the one
# in which the mean of $f$ has been subtracted from $f$, which leaves the mean of the estimate as it is (the last of the exercises).
#
# **Predict first:** how many times as many samples do these two need as the sample path, for the same error of the gradient by $\mu$?


# %% tags=["answer"]
def compared(f, df, m, ls, draws):
    """Variance of the score estimate divided by that of the path, and how many standard errors their means are apart."""
    by_score, by_path = score_function_gradient(f, m, ls, draws), reparameterized_gradient(df, m, ls, draws)
    apart = np.abs(by_score.mean(0) - by_path.mean(0)) / np.hypot(standard_error(by_score), standard_error(by_path))
    return by_score.var(0).sum() / by_path.var(0).sum(), apart.max()


known, _ = compared(square, lambda z: 2 * z, np.ones(1), np.zeros(1), rng.standard_normal((100_000, 1)))
assert abs(known / 7.5 - 1) < 0.1, "the case of section 5"

factors = np.empty((3, 2, 30))  # seed; plain, mean subtracted; digit
for seed, (trained, _) in enumerate(path_runs):
    vae = trained.copy("float64")
    digits = X[:30].astype(float)
    (means, log_sigmas), _ = encode_forward(digits, vae.params, vae.parts.encoder)
    noise = np.random.default_rng(seed).standard_normal((600, 2))
    for n, x in enumerate(digits):

        def f(z, x=x, vae=vae):
            return -vae.parts.likelihood.forward(vae.decoder_output(z), np.broadcast_to(x, (len(z), 64)))[0]

        def df(z, f=f):
            return np.stack([(f(z + step) - f(z - step)) / 2e-4 for step in 1e-4 * np.eye(2)], axis=1)

        mean_f = f(reparameterize_forward(means[n], log_sigmas[n], noise)[0]).mean()
        for kind, g in enumerate((f, lambda z, f=f, mean_f=mean_f: f(z) - mean_f)):
            factors[seed, kind, n], apart = compared(g, df, means[n], log_sigmas[n], noise)
            assert apart < 5, "the same gradient"
typical = np.median(factors, axis=2)  # (seeds, 2)
for name, found, digits_ in zip(("plain", "mean subtracted"), typical.T, (-1, 1)):
    mean, error = round(found.mean(), digits_), round(standard_error(found), digits_)
    print(f"score function, {name}: {mean:g} ± {error:g} times the variance of the path (median of 30 digits, 3 seeds)")
share = (factors > 1).mean((0, 2))
print(f"digits and seeds on which the path is the less noisy one: {share[0]:.0%}, {share[1]:.0%}")
assert 500 < typical[:, 0].mean() < 2000 and 3 < typical[:, 1].mean() < 6

# %% [markdown] tags=["answer"]
# About a thousand times as many, because $f$ is some 25 nats and changes by a nat or so over the width of one $q(z|x)$; and still about four
# times as many once the mean is subtracted. That is for two latents. ($-\log p(x|z)$ does not grow with $K$ as the f of section 5 does, so the law of section 5
# says nothing here. And the mean is taken from the same 600 draws, which
# shrinks the estimate by one part in 600.)

# %% [markdown]
# ## 10. Standard deviation or variance
#
# *Items: D2-46, D4-24, D3-38.*
# *Short path.*
#
# *Corrections to D4 (E50, E51), "Implementation":* it scales the noise "by the latent distribution's variance σ", and it exponentiates log σ
# "to get the latent distribution's variance". The factor must be the *standard deviation*: $\operatorname{Var}(\sigma\epsilon)=\sigma^2$. D3 writes
# $\Sigma(x)$ in $\mathcal{N}(\mu,\Sigma)$ and $\sigma$ in the next line, which is right.
#
# **Predict first:** a forward pass returns $z=\mu+\sigma^2\epsilon$, and backward is the derivative of that. Does the pair pass `check`? Does it pass the sampler test
# of section 3?


# %% tags=["answer"]
def variance_forward(mu, log_sigma, eps):
    sigma2 = np.exp(2 * log_sigma)
    return mu + sigma2 * eps, (sigma2, eps)


def variance_backward(dz, cache):
    sigma2, eps = cache
    return dz, dz * 2 * sigma2 * eps


report = check(variance_forward, variance_backward, *rng.standard_normal((3, 4, 3)), wrt=("mu", "log_sigma"))
print("check:", {row.name: "ok" if row.ok else "WRONG" for row in report.rows})
L, mu, sigma = 100_000, np.array([[1.0, -2.0, 0.5]]), np.array([[0.5, 0.1, 3.0]])
z, _ = variance_forward(mu, np.log(sigma), rng.standard_normal((L, 1, 3)))
of_mean, of_std = sampler_errors(z)
print("std ", z.std(0)[0].round(2), "wanted", sigma[0], "-> off by", of_std[0].round(), "standard errors")
assert report.ok, "backward matches forward"
assert np.abs(of_std).min() > 100, "but forward is not the mathematics of the lecture"
assert np.abs(z.std(0) / sigma**2 - 1).max() < 4 / np.sqrt(2 * L), "it draws with sigma^2 as the standard deviation"

# %% [markdown] tags=["answer"]
# It passes the check and fails the moments. A gradient check proves that backward matches forward, never that forward is what the lecture says.

# %% [markdown]
# What does it do to the bound? Take one latent, $x = wz + \sqrt\eta\,e$, and the exact posterior $q=\mathcal{N}(\mu,s^2)$ with
# $s^2=\eta/(\eta+w^2)$, where ELBO $=\log p(x)$. Draw with $s^2$ as the factor, and leave the KL as it is. The reconstruction term holds
# $-w^2\operatorname{Var}(z)/2\eta$, so it rises by $w^2(s^2-s^4)/2\eta$. With $w^2/\eta = (1-s^2)/s^2$ this is
# $$\text{"bound"} - \log p(x) = \frac{(1-s^2)^2}{2} \ge 0 :$$
# up to half a nat *above* $\log p(x)$ for every latent, at this q. No bound can be there. (Notebook 14, section 2, lets the same program choose its own
# spread, and it then lies still higher.)

# %%
for w, eta, x in ((1.0, 0.1, 0.7), (2.0, 0.5, -1.5)):
    s2 = eta / (eta + w**2)
    mean = s2 * w * x / eta
    log_p = -(x**2 / (w**2 + eta) + np.log(2 * np.pi * (w**2 + eta))) / 2

    def bound(factor, w=w, eta=eta, x=x, s2=s2, mean=mean):
        z_draws = mean + factor * node  # node, weight: the quadrature of section 5, exact for this square
        log_px = weight @ (-((x - w * z_draws) ** 2) / eta - np.log(2 * np.pi * eta)) / 2
        return log_px - kl_forward(np.array([[mean]]), np.array([[np.log(s2) / 2]]))[0][0]

    right, mixed = bound(np.sqrt(s2)), bound(s2)
    print(
        f"w = {w}, eta = {eta}: log p(x) = {log_p:.6f}, ELBO = {right:.6f},"
        f" with the variance as factor {mixed - log_p:+.6f} nats"
    )
    assert abs(right - log_p) < 1e-12 and abs(mixed - log_p - (1 - s2) ** 2 / 2) < 1e-12

# %% [markdown]
# ## 11. Sigma near zero: an ordinary auto-encoder
#
# *Items: D2-53.*
#
# The slide: if $\sigma\approx0$ the network computes $z$ essentially deterministically, by way of $\mu$; but the KL term encourages $\sigma>0$.
#
# As $\sigma\to0$, $z=\mu+\sigma\epsilon\to\mu$. Backward: $d\mu=dz$ stays,
# $d\log\sigma=\sigma\epsilon\,dz\to0$. What is left is the backward pass of an ordinary auto-encoder with code $\mu$. The
# KL resists: its gradient by $\log\sigma$ is $\sigma^2-1\to-1$, so a step down this slope makes $\sigma$ larger. Halving $\sigma$ costs
# $\ln 2 - \tfrac38\sigma^2$ nats per latent, so $\ln 2$ in the limit.
#
# **Predict first:** scale the $\sigma$ of a trained model by a factor $c$, from 4 down to 1/64. Where is the -ELBO smallest?

# %% tags=["answer"]
noise = np.random.default_rng(7).standard_normal((10, 600, 2)).astype(np.float32)
factors = 2.0 ** np.arange(2, -7, -1)
some = X[:600]
table = np.empty((3, len(factors), 3))  # seed, factor; reconstruction, KL, spread over draws
deterministic = np.empty(3)
for seed, (vae, _) in enumerate(path_runs):
    (mu, log_sigma), _ = encode_forward(some, vae.params, vae.parts.encoder)
    for n, c in enumerate(factors):
        z, _ = reparameterize_forward(mu, log_sigma + np.float32(np.log(c)), noise)
        log_px = np.stack([vae.parts.likelihood.forward(vae.decoder_output(one_z), some)[0] for one_z in z])
        kl = kl_forward(mu.astype(float), log_sigma.astype(float) + np.log(c))[0]
        table[seed, n] = -log_px.mean(dtype=float), kl.mean(), log_px.std(0, dtype=float).mean()
    deterministic[seed] = -vae.parts.likelihood.forward(vae.decoder_output(mu), some)[0].mean(dtype=float)
    halved = np.diff(table[seed, :, 1])
    formula = 2 * np.log(2) - 3 / 8 * factors[:-1] ** 2 * np.exp(2 * log_sigma.astype(float)).sum(1).mean()
    assert np.abs(halved - formula).max() < 1e-6, "ln 2 - 3/8 sigma^2 for each of two latents"
neg_elbo = table[:, :, 0] + table[:, :, 1]
for n, c in enumerate(factors):
    recon, kl, wobble = table[:, n].mean(0)
    print(
        f"c = {c:8.6f}: reconstruction {recon:5.1f}, KL {kl:4.1f}, sum {recon + kl:5.1f},"
        f" spread of log p(x|z) over draws {wobble:.2f} nats"
    )
print(f"deterministic, z = mu: reconstruction {deterministic.mean():.1f} (means over 3 seeds)")
assert np.abs(table[:, -1, 0] - deterministic).max() < 0.02 and np.all(table[:, -1, 2] < 0.05 * table[:, 2, 2])
assert np.all(neg_elbo.argmin(1) == 2), "smallest at c = 1 in every run: training has found this spread"

# %% tags=["answer"]
fig, ax = plt.subplots(figsize=(8, 5))
recon, kl, _ = table.mean(0).T
ax.semilogx(factors, recon + kl, "o-", label="-ELBO = sum of both")
ax.semilogx(factors, recon, "s--", label="reconstruction")
ax.semilogx(factors, kl, "^:", label="KL")
ax.set_xticks(factors[::2], ["4", "1", "1/4", "1/16", "1/64"])
ax.minorticks_off()
ax.set(
    xlabel="σ, as a multiple of the trained σ", ylabel="nats per datum", title="The KL keeps σ above zero", ylim=(0, 40)
)
ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.55))
plt.show()

# %% [markdown] tags=["answer"]
# At $c=1$, in all three runs: the reconstruction gains less and less from a narrower $q$, and the KL goes on asking for
# $\ln2$ nats per latent and halving.

# %% [markdown]
# ## Summary
#
# - A number drawn inside has no derivative by the parameters of its density; differences of two draws spread as $1/h$.
# - Score function: $\nabla_\mu F = \mathbb{E}[f(z)(z-\mu)/\sigma^2]$. Needs values of $f$ only, even of a step.
# - Sample path: $z=\mu+\sigma\epsilon$, $d\mu=dz$, $d\sigma=dz\,\epsilon$, $d\log\sigma=\sigma\,d\sigma$. Needs $f'$.
# - Noise of the gradient by $\mu$ on a trained VAE with two latents: score about 1000 times the variance of the path, 4 times with the mean
#   of $f$ subtracted.
# - Variance for $f=\sum z_k^2$ at $\mu=\sigma=1$: score $30+22(K-1)+4(K-1)^2$, path 4. In 100 dimensions 41,412 against 4. For
#   $f=\sin 10z$ the other way round: $\tfrac12$ against 50.
# - The encoder gets two gradients: $d\mu = dz + d\mathrm{KL}\,\mu$ and $d\log\sigma = \sigma\epsilon\,dz + d\mathrm{KL}(\sigma^2-1)$. Hold $z$
#   constant, and only the KL is left: the encoder goes to the prior.
# - The noise is an argument, fresh in every forward pass, and backward uses that of its forward pass. Dropout is the same rule with another noise.
# - A gradient check compares backward with forward at the inputs tried. It cannot find a wrong forward ($\sigma^2$ for $\sigma$: at the exact
#   posterior's spread up to half a nat per latent above $\log p(x)$, more at its own optimum), nor a factor $\sigma$ that is missing where $\sigma=1$. Moments and exact values find these.
# - $\sigma\to0$ is an ordinary auto-encoder; the KL charges $\ln2-\tfrac38\sigma^2$ nats per latent for each halving.

# %% [markdown]
# ## References
#
# *References: kingma2014 (the estimator, section 2.4); rezende2014 (the same rule, found at the same time); williams1992 (the score function); mohamed2020 (both families of estimators, and their variances); srivastava2014 (the rule of section 7).*

# %% [markdown]
# ## Exercises
#
# The two lines of section 4 without looking; the same for networks that put out the log variance; a path for another distribution; and the constant that
# may be subtracted in the score-function estimator, by hand, with the moments of section 5.
#
# *Tasks: reparameterize_backward; reparameterize_log_var; exponential_path; score_baseline.*
