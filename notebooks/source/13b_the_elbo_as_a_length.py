# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 13b The ELBO as a length: files, weights, strings, codes
#
# $-\log p(x)$ is the length of a message that tells somebody x. So the ELBO is a price, and what it buys can be counted: the bits of a file, the
# description of a network's weights, what a latent variable costs where the likelihood can do without one, and what a code from a table misses. The last
# section lists what the lectures give to read, and where it stands in these notebooks.
#
# Afterwards you can compress images with a VAE and say why an auto-encoder cannot; use the KL for weights, once and not once per datum; train a VAE of
# sequences, and tell by the entropy of the data whether a latent that is not used is a failure; and train through a choice that has no gradient.
#
# *Notation: data; latent; approximate posterior; noise; KL; bound; observation noise; latent dimension; gradient of the loss by v.*

# %%
import zlib

import matplotlib.pyplot as plt
import numpy as np

from tinyvae import (
    VAE,
    Adam,
    bernoulli_backward,
    bernoulli_forward,
    check,
    check_model,
    load_digits,
    mlp_backward,
    train_test_split,
)
from tinyvae.companion import show
from tinyvae.estimators import standard_error
from tinyvae.exact import BayesianRegression, draw_parabola
from tinyvae.exact.bayes_regression import weights_elbo_backward, weights_elbo_forward
from tinyvae.grammar import entropy, language, numbers, parse
from tinyvae.plots import image_grid, use_style
from tinyvae.recurrent import (
    gru_backward,
    gru_forward,
    gru_step_backward,
    gru_step_forward,
    string_log_p_forward,
)
from tinyvae.schedules import linear_warmup
from tinyvae.train import independent_pixels
from tinyvae.zoo.bits_back import BitsBack, Stack, bins
from tinyvae.zoo.strings import SequenceVAE, strings, text
from tinyvae.zoo.vq import (
    VQVAE,
    Surrogate,
    distance_backward,
    lookup_backward,
    markov_backward,
    straight_through_backward,
    straight_through_forward,
)

use_style()
B_train, B_test = ((a >= 0.5).astype(np.float32) for a in train_test_split(load_digits()[0]))  # binary pixels
D = B_train.shape[1]

# %% [markdown]
# ## 1. Compression: the ELBO is the length of a file
#
# *Items: D2-8.*
#
# *Short path.*
#
# The slide: an auto-encoder may serve compression, "Note: this requires a VAE, not just an ordinary autoencoder" (D2). Why? A code without loss gives an
# image x about $-\log_2 p(x)$ bits, so it needs a *distribution*, the same one for sender and receiver. An auto-encoder has none: its code is a few
# real numbers and its output is not x. A VAE has p(z) and p(x|z): the sender writes z, then x given z. But which z, and does its cost not spoil all?
#
# **A message that is a stack.** Let a message be one large whole number s, and let a symbol have m of M slots, those from c on. To *write* it, set
# $$s' = M\lfloor s/m\rfloor + c + (s \bmod m) . \qquad \textbf{[ANS.1]}$$
# As $s'\approx sM/m$, the message grows by $\log_2(M/m) = -\log_2 p$ bits. To *read*: since $c+(s\bmod m) < M$, the slot $s'\bmod M$ lies among
# the symbol's own and names it, and $\lfloor s'/M\rfloor = \lfloor s/m\rfloor$. So
# $$s = m\lfloor s'/M\rfloor + (s'\bmod M) - c . \qquad \textbf{[ANS.2]}$$
# What was written last is read first. And reading from a *random* number draws the symbol with probability m/M; writing it gives the number back.
#
# **Bits back.** So the sender takes z by reading it with q(z|x), which shortens the message by $-\log_2 q(z|x)$ bits, then writes x with p(x|z), then
# z with p(z). The receiver reads z, reads x, knows q(z|x) and writes z back: nothing is lost (Townsend, Bird and Barber, 2019). In all, an image costs
# $$-\log_2 p(x|z) - \log_2 p(z) + \log_2 q(z|x) = -\log_2 w ,\qquad \mathbb{E}_q[-\log_2 w] = -\mathrm{ELBO}/\ln 2 , \qquad \textbf{[BITS.1]}$$
# w being the importance weight of 04. A real z is sent as a bin; the bin's width stands in p(z) and in q(z|x), and cancels.
#
# In the code `head` is the end of s that fits 64 bits, the rest waits in words of 32; `counts(j)` is the c of symbol j, in a table of $2^{\mathrm{bits}}$
# = M slots.

# %%
show(Stack.push, Stack.pop, BitsBack.push, BitsBack.pop)

# %% [markdown]
# A VAE with eight latents, of $2^b$ bins each, on digits of 64 black or white pixels, is to send 359 of them that it has not seen.
#
# **Predict first:** z can also be written in full, as the bin of its mean μ, without bits back. That costs 8b bits before any pixel. Which b is best for
# this, and which with bits back?

# %% tags=["answer"]
vae = VAE(D, 8)
vae.fit(B_train, epochs=100, optimizer=Adam(0.003), progress=False)
bits_of = 1 / np.log(2)  # a nat
initial = np.random.default_rng(0).integers(1 << 32, size=10)


def rate(coder):
    """Bits per image with bits back, as an array, and the z that were drawn."""
    stack, sizes, z = Stack(initial), [], []
    for x in B_test:
        before = stack.bits
        z.append(coder.push(stack, x))
        sizes.append(stack.bits - before)
    return np.array(sizes), np.array(z)


all_bits, in_full, with_back = np.arange(1, 15), [], []
mu = vae.transform(B_test)
for b in all_bits:
    edges, medians = bins(int(b))
    middle = medians[np.searchsorted(edges, mu, side="right") - 1]
    in_full.append(8 * b - bits_of * bernoulli_forward(vae.decoder_output(middle), B_test)[0].mean())
    with_back.append(rate(BitsBack(vae, z_bits=int(b)))[0].mean())
elbo = vae.elbo(B_test, n_samples=100)
fig, ax = plt.subplots(figsize=(8, 4.6))
ax.plot(all_bits, in_full, "o-", label="z written in full")
ax.plot(all_bits, with_back, "s-", label="bits back")
ax.axhline(-bits_of * elbo.mean(), color="black", lw=1.2)
ax.axhline(64, color="black", lw=1.2)
ax.text(14, 65.5, "the pixels as they are", ha="right")
ax.text(14, -bits_of * elbo.mean() - 2, "−ELBO / ln 2", ha="right", va="top")
ax.set(xlabel="b, bits of each latent's bins", ylabel="bits per image", title="Finer bins cost nothing if their bits come back", ylim=(15, 130))
ax.legend()
plt.show()
zipped = 8 * len(zlib.compress(np.packbits(B_test.astype(bool)).tobytes(), 9)) / len(B_test)
pixels = bits_of * independent_pixels("bernoulli", B_train, B_test)
at = list(all_bits).index(12)
print(f"the pixels 64, zlib {zipped:.1f}, independent pixels {pixels:.1f} bits per image")
print(f"z in full: {in_full[at]:.1f} at b = 12, {min(in_full):.1f} at its best, b = {all_bits[np.argmin(in_full)]}")
print(f"bits back: {with_back[at]:.2f} at b = 12; -ELBO / ln 2 = {-bits_of * elbo.mean():.2f}")
assert all_bits[np.argmin(in_full)] in (1, 2) and min(in_full) > with_back[at] + 3 and in_full[at] > 100
assert abs(zipped - 38.1) < 0.2 and abs(pixels - 36.4) < 0.1 and with_back[at] < min(pixels, zipped) - 6
assert np.ptp(with_back[3:]) < 1

# %% [markdown] tags=["answer"]
# In full, one bit or two: at b = 12 the file is larger than the pixels. With bits back any b that is fine enough, from about 4 on: z costs its KL,
# whatever the bins.

# %% [markdown]
# The messages, counted. For each image we compare its bits with −log₂ w at the z that was drawn; all images, and the words from which the message
# started, must come back.

# %%
coder = BitsBack(vae)
sizes, z = rate(coder)
(mu, log_sigma), log_px = vae.encode(B_test), bernoulli_forward(vae.decoder_output(z), B_test)[0]
log_ratio = ((z**2 - ((z - mu) / np.exp(log_sigma)) ** 2) / 2 - log_sigma).sum(1)  # log q(z|x) - log p(z): 2 pi cancels
minus_log_w = bits_of * (log_ratio - log_px)
excess = sizes + bits_of * elbo
within = abs(excess.mean()) < 4 * standard_error(excess)
print(f"{sizes.mean():.2f} bits per image, -log2 w {minus_log_w.mean():.2f}; within noise of -ELBO / ln 2: {within}")
message = coder.compress(B_test, initial)
images, back = coder.decompress(message)
print(f"{len(message) / 1000:.2f} kB, header and initial words included; all back: {np.array_equal(images, B_test) and np.array_equal(back, initial)}")
assert np.array_equal(images, B_test) and np.array_equal(back, initial)
assert abs(sizes.sum() - minus_log_w.sum()) < 3 and within

# %% [markdown]
# ## 2. What such a file asks for
#
# *Items: D2-8.*
#
# The bits of section 1 are all that is sent. What they take for granted:
#
# - **The same counts on both sides, to the last digit.** Sender and receiver run the networks on one image at a time, on the same machine. A sum that is
#   rounded otherwise changes a count, and from there on the message is lost. Below the receiver's weights are off by 2e-7, as rounding could be.
# - **Bits to start from.** The first z is read from random words that must be there: $12K - \mathrm{KL}/\ln 2$ bits. They come back at the end; for one
#   image alone bits back saves nothing.
# - **Random bits on top.** Each z after the first is read from the bits of the image before, which are its z. They are random as far as the aggregate
#   posterior is the prior. In the tests z is visibly no draw from q after a short training, yet the length does not change beyond noise.
# - **Enough counts in q.** The code takes 24 bits for its table; 16 cost nothing that can be measured, 10 cost eight to nine bits per image.
# - **The model.** Its weights are a file, too.
#
# **Predict first:** how many of the last ten images, which are read first, does that receiver get right, and what do the others look like? How many digits
# must be sent until the weights, of 32 bits each, have paid for themselves, against zlib?

# %% tags=["answer"]
stack, receiver = Stack(initial), BitsBack(vae.copy())
for x in B_test:
    coder.push(stack, x)
receiver.vae.theta *= np.float32(1 + 2e-7)
received = np.array([receiver.pop(stack) for _ in range(10)])[::-1]
right = (received == B_test[-10:]).all(1)
paid = 32 * len(vae.theta) / (zipped - sizes.mean())
first = 8 * 12 - bits_of * vae.elbo_terms(B_test)[1].mean()
coarse = {bits: rate(BitsBack(vae, q_bits=bits))[0].mean() for bits in (24, 16, 10)}
print(f"right: {right.sum()} of 10")
print(f"{len(vae.theta)} weights pay for themselves after {round(paid, -3):,.0f} images; the first image reads about {first:.0f} initial bits")
print("bits per image by the bits of q's table:", ", ".join(f"{bits}: {cost:.2f}" for bits, cost in coarse.items()))
fig, axes = plt.subplots(2, 1, figsize=(10, 2.8))
for ax, name, shown in zip(axes, ("sent", "received"), (B_test[-10:], received)):
    image_grid(shown, n_columns=10, ax=ax, title=name)
plt.show()
assert right.sum() == 0 and 50_000 < paid < 60_000 and 84 < first < 90 and abs(coarse[16] - coarse[24]) < 0.3 and 7 < coarse[10] - coarse[24] < 10

# %% [markdown] tags=["answer"]
# None: after a wrong count all that is read are random bits. But to read random bits with p(z) and p(x|z) is to *sample*, so the receiver gets digits,
# new ones. And the weights have paid for themselves after between 50,000 and 60,000 digits.
#
# The figures after 300 epochs (the package's tests, three seeds): 29.04 ± 0.22 bits per image at K = 2 and 26.18 ± 0.14 at K = 8, each within noise of
# −ELBO/ln 2.

# %% [markdown]
# 32 bits are more than a weight needs to be told. How many does it need?

# %% [markdown]
# ## 3. When z are the weights of a network
#
# *Items: D0-25.*
#
# *Short path.*
#
# The slide: "We'll give the KL term a much more interesting interpretation when we discuss Bayesian neural nets" (D2). First the bound, here; then its
# interpretation, in section 4. Let the unknown be the weights w, with prior $p(w)=\mathcal N(0,I)$, and the data $y_n\mid x_n, w$. Jensen's inequality
# (05) asks nothing of the latent variable but that it is one, so with $q(w)$ in the place of $q(z|x)$
# $$\log p(y\mid X) \ \ge\ \sum_{n=1}^N \mathbb E_{q}[\log p(y_n\mid x_n,w)] - \mathrm{KL}(q(w)\,\|\,p(w)).$$
# D0 says the difference: weights are inferred *once*, a $q_i(z_i)$ for each datum. So the KL stands outside of the sum. With the mean over S draws
# $w_s = \mu+\sigma\varepsilon_s$ in the place of $\mathbb E_q$ this is **[QW.1]**. Its gradient goes the way of a VAE's (07):
# $$dw_s=\frac1S\sum_n\frac{\partial\log p(y_n\mid x_n,w_s)}{\partial w_s},\qquad
# d\mu=\sum_s dw_s,\quad d\log\sigma=\sum_s dw_s\,\sigma\,\varepsilon_s,\quad \text{less } d\mathrm{KL}\ \text{once. } \qquad \textbf{[QW.2]}$$
# In the smallest network, one linear layer, $\log p(y_n\mid x_n,w) = -\frac{r_n^2}{2\eta}-\frac12\ln2\pi\eta$ with
# $r_n=y_n-x_n^\top w$, and its derivative by w is $r_n x_n/\eta$.

# %%
show(weights_elbo_forward, weights_elbo_backward)

# %% [markdown]
# For this network everything is known. Collect in $\log p(y\mid X,w)+\log p(w)$ what holds w:
# $$-\frac1{2\eta}\sum_n(y_n-x_n^\top w)^2-\tfrac12 w^\top w = -\tfrac12 w^\top\Big(I+\frac{X^\top X}\eta\Big)w + w^\top\frac{X^\top y}\eta + \text{const}.$$
# Compared with $-\frac12 w^\top\Lambda w+w^\top\Lambda m$, the posterior is $\mathcal N(m,\Lambda^{-1})$ with
# $$\Lambda=I+X^\top X/\eta,\qquad m=\Lambda^{-1}X^\top y/\eta . \qquad \textbf{[BLR.1]}$$
# The evidence is the density of $y\sim\mathcal N(0,XX^\top+\eta I)$.
#
# *Mean field* (08, section 2): $q=\prod_j q_j(w_j)$. With all other factors fixed, $\log q_j(w_j)=\mathbb E_{q_{k\ne j}}[\log p(y,w\mid X)]+\text{const}$,
# and what holds $w_j$ is $-\frac12\Lambda_{jj}w_j^2 + w_j\big(b_j-\sum_{k\ne j}\Lambda_{jk}m_k\big)$, $b=X^\top y/\eta$. So
# $$q_j=\mathcal N\Big(m_j,\frac1{\Lambda_{jj}}\Big),\qquad m_j=\frac{b_j-\sum_{k\ne j}\Lambda_{jk}m_k}{\Lambda_{jj}} , \qquad \textbf{[BLR.2]}$$
# a Gauss-Seidel step for $\Lambda m=b$, whose limit is the exact mean. The variance is that of the factor after one step, and never larger than the true
# one.
#
# Thirty points of a parabola with three weights (of 1, u and u²), u uniform on (−1, 1), noise of standard deviation 0.5.
#
# **Predict first:** which of the four reaches log p(y|X): the exact posterior, mean field, stochastic VI with a diagonal q, stochastic VI with a full one?

# %% tags=["answer"]
X, y = draw_parabola(seed=1)
model = BayesianRegression(eta=0.25).fit(X, y)
mean, covariance, elbos = model.coordinate_ascent(50)
candidates = {
    "exact posterior": (model.coef_, model.covariance_),
    "mean field, 50 sweeps": (mean, covariance),
    "stochastic VI, diagonal": model.stochastic("diagonal")[:2],
    "stochastic VI, full": model.stochastic("full")[:2],
}
gaps = {name: model.log_evidence_ - model.elbo(*q) for name, q in candidates.items()}
for name, q in candidates.items():
    print(f"{name:24} log p - ELBO {abs(gaps[name]):.4f} nats")
    assert abs(gaps[name] - model.kl(*q)) < 1e-12, "the gap is KL(q || posterior)"
precision = model.precision_
formula = (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / 2
assert abs(gaps["exact posterior"]) < 1e-12 and abs(gaps["mean field, 50 sweeps"] - formula) < 1e-9 and abs(formula - 0.4057) < 1e-4
assert np.diff(elbos).min() > -1e-13 and formula < gaps["stochastic VI, diagonal"] < formula + 0.01
assert 0 < gaps["stochastic VI, full"] < 0.01

# %% [markdown] tags=["answer"]
# The exact posterior, and the full q up to what the noise of the gradient leaves, less than a hundredth of a nat. Independent weights cost
# $\frac12(\sum_j\ln\Lambda_{jj}-\ln|\Lambda|)$ = 0.41 nats: the weight of 1 and that of u² answer for each other. (Three data sets, in the package's
# tests: 0.401 ± 0.033.)

# %% [markdown]
# ## 4. The KL as the length of the weights
#
# *Items: D2-37.*
#
# *Short path.*
#
# Now the interpretation. Somebody has the X and must be told y. Send weights drawn from q, coded by the prior, then y coded by the model
# with these weights. The first part costs $-\log p(w)$, but the choice among the draws of q carries $-\log q(w)$ nats of other messages, by bits back:
# on average $\mathrm{KL}(q\,\|\,p)$ is paid. The whole costs
# $$\underbrace{\mathrm{KL}(q(w)\,\|\,p(w))}_{\text{the weights}}+\underbrace{\sum_n\mathbb E_q[-\log p(y_n\mid x_n,w)]}_{\text{the data, given the weights}}
# = -\mathrm{ELBO}\ \ge\ -\log p(y\mid X).$$
# So the KL is the length of the description of the weights, to no more digits than the data ask for (Hinton and van Camp, 1993): a
# penalty on complexity, and on nothing else. With $\sigma$ held fixed it is $\frac12\|\mu\|^2$ + const, weight decay.
#
# **Predict first:** give the network the features $1,u,\dots,u^{K-1}$, for K from 1 to 8. How do the two parts of the length move, and where is the whole
# the shortest?

# %% tags=["answer"]
orders, parts = np.arange(1, 9), []
for K in orders:
    features = X[:, 1:2] ** np.arange(K)
    fitted = BayesianRegression(0.25).fit(features, y)
    log_p, kl = fitted.terms(fitted.coef_, fitted.covariance_)
    parts.append((kl, -log_p, -fitted.log_evidence_))
parts = np.array(parts)
assert np.abs(parts[:, 0] + parts[:, 1] - parts[:, 2]).max() < 1e-11
for K, (kl, data, total) in zip(orders[1:], parts[1:]):
    print(f"{K} weights: {kl:.2f} nats for the weights + {data:.2f} for the data = {total:.2f}")
assert orders[parts[:, 2].argmin()] == 3 and (np.diff(parts[:, 0]) > 0).all() and 0.17 < np.sort(parts[:, 2])[1] - parts[2, 2] < 0.2
assert abs(parts[7, 0] - parts[2, 0] - 1.0) < 0.05 and parts[2, 1] - parts[2:, 1].min() < 0.5 and parts[1, 1] - parts[2, 1] > 1.5


def shortest(n, seed):
    """The K of the shortest description of another random parabola."""
    X_new, y_new = draw_parabola(n, seed=seed)
    return orders[np.argmax([BayesianRegression(0.25).fit(X_new[:, 1:2] ** np.arange(K), y_new).log_evidence_ for K in orders])]


wins = {n: np.bincount([shortest(n, seed) for seed in range(100)], minlength=9)[1:] for n in (30, 300)}
for n, count in wins.items():
    print(f"100 random parabolas, {n} points each: K = 1, ..., 8 is the shortest in {count}")
assert wins[30][2] == 44 and wins[300][2] == 76 and wins[300][3:].sum() == 4

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4))
left.bar(orders[1:], parts[1:, 0], label="weights: the KL")
left.bar(orders[1:], parts[1:, 1], bottom=parts[1:, 0], alpha=0.5, label="data, given the weights")
left.set(xlabel="weights", ylabel="nats", ylim=(0, 33), title="The two parts")
left.legend(loc="upper right")
right.plot(orders[1:], parts[1:, 2], "ko-")
right.set(xlabel="weights", title="Their sum is the least at three")
plt.show()

# %% [markdown] tags=["answer"]
# Each new weight costs KL. The third saves nearly two nats of the data; the five after it save less than half a nat together, and cost one. So the
# shortest whole is at K = 3, the size of the parabola that made the data, and no data were held out to find it. By 0.18 nats only, and for this parabola:
# of 100 random ones K = 3 wins in 44 with 30 points and in 76 with 300. Where it does not, mostly fewer weights win: a weight that is nearly 0 is not worth
# its description.

# %% [markdown]
# **What the KL costs per datum.** In a VAE each datum has a z and a KL of its own. Here the one KL is shared by all N.
#
# **Predict first:** ten times the data. By how much does the KL of three weights grow?

# %% tags=["answer"]
X_all, y_all = draw_parabola(30_000, seed=1)
kls = {}
for N in (30, 300, 3000, 30_000):
    fitted = BayesianRegression(0.25).fit(X_all[:N], y_all[:N])
    kls[N] = fitted.terms(fitted.coef_, fitted.covariance_)[1]
    print(f"N = {N:6}: KL {kls[N]:6.2f} nats for all, {kls[N] / N:.5f} for each datum")
growth = np.diff(list(kls.values()))
print("growth:", growth.round(2), " 3/2 ln 10 =", round(1.5 * np.log(10), 2))
assert np.abs(growth[1:] - 1.5 * np.log(10)).max() < 0.25 and kls[30_000] / 30_000 < 1e-3

# %% [markdown] tags=["answer"]
# By about $\frac12\ln10$ = 1.15 nats for each weight: $1/\sigma_j$ grows like $\sqrt N$, half a digit. Per datum it vanishes, and so does the regulariser,
# while a VAE pays for every datum as long as it trains: there is no such limit for $q(z|x)$.

# %% [markdown]
# **What fails.** A VAE's loss is a mean over data of (−log p + KL). Whoever keeps that line for weights counts the KL N times, once in each datum's term;
# right is KL/N. The optimum of the wrong loss can be written down: $\mathbb E_q[\log p(y\mid X,w)]-N\,\mathrm{KL}$ is N times an ELBO whose data have the
# weight $1/N$, which is noise of variance $N\eta$. A gradient check passes.

# %%
wrong = BayesianRegression(0.25 * len(y)).fit(X, y)  # the posterior of all 30 data as if they were one
lost = model.log_evidence_ - model.elbo(wrong.coef_, wrong.covariance_)
terms = {"right": model.terms(model.coef_, model.covariance_), "wrong": model.terms(wrong.coef_, wrong.covariance_)}
for name, q in (("right", model), ("wrong", wrong)):
    print(f"{name}: w = {q.coef_.round(2)}, KL {terms[name][1]:.2f} nats")
print(f"the wrong one lies {lost:.1f} nats below log p(y|X)")
score = {name: log_p - 30 * kl for name, (log_p, kl) in terms.items()}
assert score["wrong"] > score["right"] and lost > 30
assert np.abs([*model.coef_[1:] - [2.13, -0.61], *wrong.coef_[1:] - [1.17, -0.08]]).max() < 0.006

# %% [markdown]
# The weights shrink to the prior: the slope from 2.13 to 1.17, the curvature from −0.61 to −0.08. It looks like a collapse (12), and is a factor.

# %% [markdown]
# ## 5. Strings: a decoder that can do without z
#
# *Items: D0-48, D0-52, D0-53, D0-57.*
#
# D0 lists a latent parse tree (arXiv:1807.09875), molecules (arXiv:1802.04364) and drawings as sequences of strokes (arXiv:1704.03477); D1 and D4 add music.
# Many of these models share a likelihood: a datum is a sequence, and $p(x|z)=\prod_t p(x_t|x_1,\dots,x_{t-1},z)$. None of these data fits here, so a
# grammar *stands in* for all of them: arithmetic expressions of at most 11 symbols. Like a molecule, one wrong symbol makes a string invalid; like a
# sentence, each has a parse tree; like a drawing or a melody, it is made one piece after another.

# %%
for string in text(strings(3)):
    log_p, tree = parse(string)
    print(f"{string:8} log p = {log_p:.3f}   {tree}")
P, ALL = np.array(list(language().values())), numbers(language())
print(f"{len(P)} strings, entropy {entropy():.3f} nats")
assert abs(entropy() - 4.366) < 5e-4 and len(P) == 903 and abs(P.sum() - 1) < 1e-12

# %% [markdown]
# No string has two trees, so log p(x) of the data is known, and so is the least that any model can need, the entropy H. For a model $p_\theta$, with
# $-\mathrm{ELBO}=-\log p_\theta(x)+\mathrm{KL}(q\,\|\,p_\theta(z|x))$ and the mean taken over the grammar's own distribution p,
# $$\mathbb E_p[-\mathrm{ELBO}]=H+\mathrm{KL}(p\,\|\,p_\theta)+\mathbb E_p\,\mathrm{KL}(q(z|x)\,\|\,p_\theta(z|x))\;\ge\;H .$$
# Both the encoder and the decoder are gated recurrent units. With the input's share $a_t$ and $s=h_{t-1}U$, each in three parts for r, u and c, one step is
# $$r=\sigma(a_r+s_r),\quad u=\sigma(a_u+s_u),\quad c=\tanh(a_c+r\,s_c),\quad h_t=u\,h_{t-1}+(1-u)\,c . \qquad \textbf{[GRU.1]}$$
# Line by line upwards, the last line gives $du=(h_{t-1}-c)\,dh_t$ and $dc=(1-u)\,dh_t$; tanh gives $da_c=(1-c^2)\,dc$; the product in it $dr=s_c\,da_c$ and
# $ds_c=r\,da_c$; the two sigmoids $da_u=u(1-u)\,du$ and $da_r=r(1-r)\,dr$. $h_{t-1}$ was used twice, so two gradients add:
# $$dh_{t-1}=u\,dh_t+ds\,U^\top,\qquad dU=h_{t-1}^\top ds,\qquad ds=(da_r,\,da_u,\,r\,da_c). \qquad \textbf{[GRU.2]}$$
# Where the update gate is open, u = 1, the old state and its gradient pass unchanged: that is what the gate is for.

# %%
show(gru_step_forward, gru_step_backward)

# %% [markdown]
# A sequence is the step repeated, $h_t=\mathrm{GRU}(a_t,h_{t-1};U)$ with one U **[BPTT.1]**. So $h_t$ has two users, the layer above and step t + 1, and U
# has T of them: backwards, $dh_t$ is what comes from above plus what step t + 1 hands back, and $dU=\sum_t dU_t$ **[BPTT.2]**.

# %%
show(gru_backward)
rng = np.random.default_rng(0)
report = check(gru_forward, gru_backward, rng.standard_normal((5, 3, 6)), rng.standard_normal((3, 2)), rng.standard_normal((2, 6)))
print(report)
assert report.ok and report.error < 1e-9

# %% [markdown]
# The decoder gives logits $l_t$ from z and the symbols before t. With T the place of the first end symbol **[STR.1]**,
# $$\log p(x|z)=\sum_{t\le T}\Big(l_{t,x_t}-\log\sum_v e^{l_{t,v}}\Big),\qquad dl_t=d\log p\;(\mathrm{onehot}(x_t)-\mathrm{softmax}(l_t))\ \text{for}\ t\le T,\ \text{else}\ 0 .$$
# The derivative of the log-sum-exp is the softmax; what stands after the end is filling, and has no part in either **[STR.2]**.

# %%
show(string_log_p_forward)

# %% [markdown]
# Training feeds the decoder the true symbols before t. One model is trained as it is, one with the KL's weight rising from 0 to 1 over four of five epochs
# (12, section 11; Bowman and others, 2016, did it first for sentences). 40 hidden units, K = 8, 500 steps.
#
# **Predict first:** the entropy is 4.366. What will the plain model's KL be, and which of the two has the better ELBO? What share of the samples of either
# will parse?

# %% tags=["answer"]
copies = np.maximum(1, np.round(8_000 * P).astype(int))  # of each string, with a z of its own
weight, X_copies = np.repeat(P / copies, copies), np.repeat(ALL, copies, axis=0)
models, found = {}, {}
for name, schedule in (("plain", None), ("warm-up", linear_warmup(4))):
    models[name] = model = SequenceVAE(8, 12, n_latent=8)
    model.fit(strings(10_000), epochs=5, optimizer=Adam(0.02), decay=True, schedule=schedule, progress=False)
    log_px, kl = model.elbo_terms(X_copies)
    samples = text(model.sample(2000))
    valid, same = np.mean([parse(string)[1] is not None for string in samples]), (model.reconstruct(ALL) == ALL).all(1)
    found[name] = {"-ELBO": weight @ (kl - log_px), "KL": weight @ kl, "samples that parse": valid, "strings that come back": P @ same}
    print(f"{name:8}", ", ".join(f"{key} {value:.3f}" for key, value in found[name].items()))
plain, warm = found["plain"], found["warm-up"]
assert plain["KL"] < 0.1 and entropy() < plain["-ELBO"] < entropy() + 0.03 and plain["-ELBO"] < warm["-ELBO"] < entropy() + 0.09
assert warm["KL"] > 0.9 and abs(plain["strings that come back"] - P.max()) < 1e-6 and warm["strings that come back"] > 0.2
assert min(plain["samples that parse"], warm["samples that parse"]) > 0.98

# %% [markdown] tags=["answer"]
# The plain model's KL is below a tenth of a nat: it has collapsed, q(z|x) is close to p(z) for every x. Its ELBO is the better one, within 0.03 nats of the
# entropy. And nearly all samples of both parse: validity is the decoder's doing, and says nothing about z. The one string that the collapsed model gives back
# is the most probable, x.
#
# The equation above says why. If $p_\theta(x|z)=p(x)$ whatever z, the prior is the exact posterior, and all three terms are at their least. A decoder that sees
# the symbols before can come close to that: without z it ends 0.01 nats above the entropy (see below), and no use of z can gain more than these. The networks
# of 12 collapsed by too large a step or too large an η; here nothing went wrong. z is worth nothing to this likelihood, and only the exact entropy can tell.

# %% [markdown]
# Warm-up keeps z, since it was free while the decoder learned. What is it used for? The leaves of a string can be taken away: `(x+y)*z` has the shape
# `(vov)ov`. There are six shapes of parse trees.
#
# **Predict first:** does z keep the first symbols, the number of symbols, the leaves, or the shape of the tree? Look at the two means that vary most.


# %% tags=["answer"]
def shapes(X):
    """The strings without their leaves: what is left of the parse trees."""
    return np.array([string.translate(str.maketrans("xyz+*", "vvvoo")) for string in text(X)])


of_all = shapes(ALL)
share = {shape: P[of_all == shape].sum() for shape in sorted(set(of_all), key=lambda shape: (len(shape), shape))}
print(f"entropy of the shape {-sum(p * np.log(p) for p in share.values()):.3f} nats, KL with warm-up {warm['KL']:.3f}")
right = {}
for name, model in models.items():
    mu, log_sigma = model.encode(X_copies)
    decoded = model.decode(mu), model.decode(mu + np.exp(log_sigma) * rng.standard_normal(mu.shape))
    right[name] = [weight @ (shapes(X_again) == np.repeat(of_all, copies)) for X_again in decoded]
    print(f"{name:8} shapes that come back: from the mean of q {right[name][0]:.3f}, from a draw of q {right[name][1]:.3f}")
one, other = np.argsort(models["warm-up"].encode(ALL)[0].var(0))[::-1][:2]
fig, axes = plt.subplots(1, 2, figsize=(11, 5), sharex=True, sharey=True)
for ax, (name, model) in zip(axes, models.items()):
    mu, _ = model.encode(ALL)
    for shape, marker in zip(share, "os^Dv*"):
        ax.plot(mu[of_all == shape, one], mu[of_all == shape, other], marker, ms=6, ls="", label=shape)
    ax.set(title=f"{name}: KL {found[name]['KL']:.2f} nats", xlabel=f"mean of $z_{one + 1}$")
axes[0].set_ylabel(f"mean of $z_{other + 1}$")
axes[0].legend()
plt.show()
assert len(share) == 6 and right["warm-up"][0] > 0.95 and 0.65 < right["warm-up"][1] < 0.82 and max(right["plain"]) < 0.35

# %% [markdown] tags=["answer"]
# The shape of the tree: its values lie in bands. Leaves and operators are left to the decoder, which guesses them. So z holds something of the parse tree,
# as D0 promises, and nobody told it that trees exist. But mind the difference between the two columns: the means tell the shapes apart nearly always, a
# draw, which is what the decoder was trained with, in about three cases of four. A reconstruction from the mean shows more than z carries. What it carries
# is at most the mean KL.

# %% [markdown]
# The tests train three seeds of each, in nats above the entropy: a language model without z 0.011 ± 0.002, plain 0.014 ± 0.004 (KL 0.03), warm-up
# 0.039 ± 0.010 (KL 1.28 ± 0.29), warm-up and half of the symbols hidden from the decoder in training (word dropout) 0.093 ± 0.008 (KL 1.42 ± 0.06). So z has
# a price in nats; whoever wants the code pays it.
#
# **What fails.** A mask drawn in evaluation too would charge the model for symbols that it is allowed to see (`SequenceVAE.evaluate` sees all); counting the
# filling after the end would spread one symbol's surprise over twelve columns and flatter "nats per symbol"; and a mean over a few drawn strings can lie
# below the entropy by chance, so the means here are taken over all 903 with their probabilities.

# %% [markdown]
# ## 6. Codes from a table: a gradient that check must refuse
#
# No lecture derives this model, but D4 has it among its links and on its reading list (*Neural discrete representation learning*, van den Oord and
# others, 2017). Its codes are not real numbers but entries of a table. At each of P positions the encoder gives a vector $z$, and the nearest of C learned
# entries takes its place:
# $$k = \arg\min_c \|z - e_c\|^2, \qquad z_q = e_k, \qquad p(x) = \sum_{k} p(k)\, p(x|e_k).$$
# Here $q(k|x)$ puts everything on one $k$, so its entropy is 0, the ELBO is $\log p(x|e_k) + \log p(k)$, and what it misses is known:
# $\log p(x) - \mathrm{ELBO} = -\log p(k|x)$. The sum has $16^3 = 4096$ terms for three positions of sixteen codes: exact.
#
# How to train the encoder? An argmin stays the same under small changes of $z$, so $\partial z_q/\partial z = 0$ between its jumps and is not defined
# at them: the real loss has no gradient of the reconstruction by the encoder. The way out is to hold the residual fixed, "sg" below, at its present value:
# $$z_q = z + \mathrm{sg}(e_k - z) \quad \textbf{[VQ.1]} \qquad\Longrightarrow\qquad dz = dz_q. \quad \textbf{[VQ.2]}$$
# The value is $e_k$ as before; but with the residual a constant, the derivative of $z_q$ by $z$ is the identity. This *surrogate* is a smooth function, and
# [VQ.2] is its exact gradient. It is used as an estimate for the real loss: *straight through*. Two terms keep the residual small, for
# $z$ and $e_k$ pull at each other, each with the other held fixed: $\|\mathrm{sg}(z) - e_k\|^2 + \lambda\, \|z - \mathrm{sg}(e_k)\|^2$.
#
# In the code `noise` is what the surrogate holds fixed, and None lets it be taken anew at each θ: the real loss.

# %%
show(straight_through_forward, straight_through_backward)
show(VQVAE.loss_forward)

# %% [markdown]
# Two models of the same weights: `Surrogate` freezes its choices once, where noise would be drawn, `VQVAE` chooses anew at every θ. Loss and gradient agree
# to the last bit. `check_model` moves θ by small steps.
#
# **Predict first:** for which of the two, and for which parameters (encoder, codebook, decoder, prior), does it say WRONG?

# %% tags=["answer"]
rng = np.random.default_rng(0)
surrogate, real = (kind(6, positions=2, codes=5, width=3, hidden=4, commitment=0.7) for kind in (Surrogate, VQVAE))
for model in (surrogate, real):
    model.theta += 0.3 * np.random.default_rng(0).standard_normal(model.theta.size).astype("float32")
x = rng.integers(0, 2, (4, 6)).astype("float32")
frozen = surrogate.draw_noise(None, (x, None))
assert all(np.array_equal(a, b) for a, b in zip(surrogate.loss_and_grad(x, frozen), real.loss_and_grad(x)))

reports = {"surrogate": check_model(surrogate, x), "real loss": check_model(real, x)}
wrong = [row.name for row in reports["real loss"].rows if row.verdict == "WRONG"]
print(f"surrogate: {reports['surrogate'].verdict}, largest relative error {reports['surrogate'].error:.0e}\n\n{reports['real loss']}")
assert reports["surrogate"].ok and reports["surrogate"].error < 1e-8
assert wrong == ["encoder.0.W", "encoder.0.b", "encoder.out.W", "encoder.out.b", "codebook"]

# %% [markdown] tags=["answer"]
# The surrogate passes. Of the real loss everything below the choice is right, decoder and prior; encoder and codebook are WRONG. The checker is right:
# this is not the gradient of that function. It cannot know that this is meant.

# %% [markdown]
# The same along one line: the reconstruction term, in float64, when one bias of the encoder moves.

# %%
model = real.copy("float64")
bias, steps = model.params["encoder.out.b"], np.linspace(-3, 3, 601)
at_first, batch = bias.copy(), (x.astype(float), None)
frozen = model.freeze(model._encode(batch[0])[0])
curves = {"the real loss": [], "the surrogate": []}
for step in steps:
    bias[0] = at_first[0] + step
    for (name, curve), noise in zip(curves.items(), (None, frozen)):
        curve.append(model.loss_forward(batch, noise)[0][1]["reconstruction"].mean())
fig, ax = plt.subplots(figsize=(8, 4.2))
for (name, curve), style in zip(curves.items(), ("k-", "C1--")):
    ax.plot(steps, curve, style, label=name)
ax.plot(0, curves["the real loss"][300], "ko")
ax.set(xlabel="change of one bias of the encoder", ylabel="−log p(x|$z_q$), nats", title="Steps without a slope, and the stand-in")
ax.legend()
plt.show()
flat = np.abs(np.diff(curves["the real loss"])) < 1e-12
print(f"the real loss stands still in {flat.mean():.1%} of the small steps and jumps in {np.sum(~flat)}")
assert curves["the real loss"][300] == curves["the surrogate"][300] and flat.mean() > 0.95 and 0 < np.sum(~flat) < 30

# %% [markdown]
# Between its jumps the real loss does have a gradient, and it can be written: nothing from the reconstruction goes to $z$, all of it goes to the entry $e_k$,
# and both pulls act on both sides, for nothing is held fixed.

# %%
class RealGradient(VQVAE):
    """The same loss with its own gradient, where it has one."""

    def loss_backward(self, dloss, cache, weights=None):
        encoder_cache, _, decoder_cache, px_cache, pk_cache, lookup_cache, codebook_cache, commitment_cache, shape = cache
        weights = self.weigh(weights, reconstruction=1, neg_log_prior=1, codebook=1, commitment=self.commitment)
        on = {name: np.full(shape[0], weight * dloss / shape[0], self.dtype) for name, weight in weights.items()}
        dparams, pull = self.gradients(), on["codebook"] + on["commitment"]
        dz_q = mlp_backward(bernoulli_backward(-on["reconstruction"], px_cache), decoder_cache, dparams).reshape(shape)
        dparams["codebook"] += lookup_backward(distance_backward(pull, codebook_cache) + dz_q, lookup_cache)
        for name, d in zip(("first", "following"), markov_backward(-on["neg_log_prior"], pk_cache)):
            dparams["prior." + name] += d
        mlp_backward(distance_backward(pull, commitment_cache).reshape(len(dz_q), -1), encoder_cache, dparams, need_dx=False)
        return dparams.flat()


own = RealGradient(6, positions=2, codes=5, width=3, hidden=4, commitment=0.7)
own.theta[...] = real.theta
report = check_model(own, x)
print(f"{report.verdict}, largest relative error {report.error:.0e}")
assert report.ok and report.error < 1e-8

# %% [markdown]
# Now `check_model` is content. Both are trained on the binary digits, three positions with one of sixteen codes each, from the same weights; afterwards the prior, a Markov chain over
# the three positions, is set to counts.
#
# **Predict first:** which of the two trains better, the right gradient or the refused one, and by how many nats?

# %% tags=["answer"]
pixels = -independent_pixels("bernoulli", B_train, B_test)
print(f"{'independent pixels':20} {pixels:7.2f} nats")
found = {}
for name, kind in (("straight through", VQVAE), ("the real gradient", RealGradient)):
    model = kind(D)
    model.fit(B_train, epochs=100, optimizer=Adam(0.003), decay=True, progress=False)
    elbo, log_px = model.count_prior(B_train).elbo(B_test), model.log_likelihood(B_test)
    found[name] = elbo.mean()
    used = [len(np.unique(column)) for column in model.encode(B_train).T]
    print(f"{name:20} {elbo.mean():7.2f} nats; log p(x), exact, {log_px.mean():.2f}; codes in use at the three positions {used}")
    assert (elbo <= log_px + 1e-4).all()
assert found["straight through"] > pixels + 5.5 and abs(found["the real gradient"] - pixels) < 0.2 and set(used) == {1}

# %% [markdown] tags=["answer"]
# The refused one, by six nats. The right gradient only lets $z$ and the entries fall together: every image has the same code in the end, and the model is that
# of independent pixels. A gradient check says whether backward is the derivative of forward. Whether that derivative is what one should follow is another
# question.

# %% [markdown]
# In the package's tests, three seeds: ELBO −19.22 ± 0.14 with the Markov prior, −20.57 ± 0.20 with a uniform one, log p(x) by the sum −17.49 ± 0.02 nats. The
# missing 1.7 nats are $-\log p(k|x)$: other codes than the nearest explain the image too, and a q on one code cannot say so. What fails: with a larger pull,
# or larger vectors, whole codes die, for an entry that is nobody's nearest gets no gradient at all. How many
# die, and what that costs, is another number with every seed.

# %% [markdown]
# ## 7. Reading
#
# *Items: D1-56, D4-37, D4-38.*
#
# What the lectures give to read, by topic, and where the topic stands here. Titles in italics; D4 prints its links and papers by title, and D0 its papers by
# number, on the slides named in the [map](README.md).
#
# | topic | what the lectures point to | here |
# |---|---|---|
# | the VAE | Kingma and Welling, *Auto-encoding variational Bayes*; Doersch, *Tutorial on variational autoencoders* (both D1 and D4) | 05 to 07, 10 |
# | variational inference | Blei, Kucukelbir and McAuliffe, *Variational inference: a review for statisticians* (D1, D4); *A tutorial on variational Bayesian inference* (D4) | 04, 05, 08 |
# | a book | *Deep learning*, section 20.10.3, *Variational autoencoders* (D4) | 10 |
# | first explanations | [kvfrans.com](http://kvfrans.com/variational-autoencoders-explained/), [jaan.io](https://jaan.io/what-is-variational-autoencoder-vae-tutorial/) (D1); [*Intuitively understanding variational autoencoders*](https://towardsdatascience.com/intuitively-understanding-variational-autoencoders-1bfe67eb5daf) (D1, D4); *Variational autoencoders*, Arxiv Insights (D4) | 01, 10, 11 |
# | longer ones | *Density estimation: a neurotically in-depth look at variational autoencoders*; *Under the hood of the variational autoencoder* (D4) | 04 to 07 |
# | courses | Ali Ghodsi; UC Berkeley, Deep Learning Decal; Stanford, CS231n (D4) | 02, 03, 10 |
# | the divergence | *Kullback-Leibler divergence explained* (D4) | 06a |
# | code | *Building variational auto-encoders in TensorFlow*; *Building autoencoders in Keras*; *Pyro: variational autoencoders* (D4) | 02, 07, 10 |
# | a z that is not used | *With great power comes poor latent codes: representation learning in VAEs* (D4) | 12; section 5 |
# | axes with a meaning | *Early visual concept learning with unsupervised deep learning* (D4) | 11, 12 |
# | discrete codes | *Neural discrete representation learning* (D4, twice) | section 6 |
# | classes and trees in z | arXiv:1406.5298, arXiv:1807.09875 (D0) | 13a; section 5, as a stand-in |
# | other data | molecules, arXiv:1802.04364; drawings, arXiv:1704.03477 (D0); music, [*Hierarchical variational autoencoders for music*](https://nips2017creativity.github.io/doc/Hierarchical_Variational_Autoencoders_for_Music.pdf) (D1) | section 5, as a stand-in |
# | two kinds of images | *Multimodal unsupervised image-to-image translation* (D4) | not here; 13a, section 3, is the nearest |
# | pitfalls | arXiv:1606.04934, 1911.02469, 1810.00597, 2007.03898 (D0) | 08, 12 |

# %% [markdown]
# ## Summary
#
# - A code without loss needs a distribution. With bits back an image costs $-\log_2 w$, on average $-\mathrm{ELBO}/\ln2$ bits: z costs its KL, whatever
#   its bins.
# - Sender and receiver need the same counts to the last digit. A receiver that is out of step samples.
# - For weights the KL stands once, outside of the sum over data: it is the length of their description, and the sum of both parts chooses the size of the
#   model. Per datum it vanishes as N grows; counted N times it is noise of variance $N\eta$.
# - Independent weights cost $\frac12(\sum_j\ln\Lambda_{jj}-\ln|\Lambda|)$.
# - $\mathbb E_p[-\mathrm{ELBO}]=H+\mathrm{KL}(p\,\|\,p_\theta)+\mathbb E_p\mathrm{KL}(q\,\|\,p_\theta(z|x))$: a decoder that reaches H without z has no use for
#   it. With warm-up z keeps the shape of the parse tree, at a price.
# - An argmin has no gradient worth following. Straight through follows that of a surrogate, which `check_model` refuses for the real loss, and gains six nats
#   over the real one.
#
# ## References
#
# *References: townsend2019 (bits back); duda2013 (the stack); hinton1993 (description length of weights); bowman2016 (sentences, warm-up); cho2014 (the gated
# unit); corro2019 (latent trees); jin2018 (molecules); ha2018 (drawings); vandenoord2017 (codes from a table); mackay2003 (codes and lengths); kingma2014;
# doersch2016; blei2017; goodfellow2016.*

# %% [markdown]
# ## Exercises
#
# The gradient of a categorical likelihood, which is that of a string at every place; and mean field as in section 3, one weight at a time.
#
# *Tasks: categorical_backward; coordinate_ascent.*
