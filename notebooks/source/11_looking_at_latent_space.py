# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 11 Looking at latent space
#
# Accompanies D4 lines 17-43, 119-148 and the readers' questions 203-307; D1 lines 86-114, 150 and 203-207; D0 lines 197-199 and 242-243;
# D2 line 30; D3 lines 66-68.
#
# | quantity | D0 | D1 | D4 | here |
# |---|---|---|---|---|
# | latent | z | **z**, "LV" | z, "encoding vector" | `z`, shape (N, K) |
# | approximate posterior | q_φ(z∣x) | q_θ | q(z∣x) | `mu`, `log_sigma` |
# | posterior spread | σ | σ_i | σ, *called variance* | `sigma` = standard deviation |
# | weight on the KL | – | – | β | `beta` |
# | latent dimension | d | – | 6, 2 | `K` |
#
# Afterwards you can judge a latent space by numbers and not by a scatter plot alone; walk through it, between images and along an attribute;
# and say for which uses the codes of a VAE are better than those of an auto-encoder, and for which they are not.

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, Ellipse

from tinyvae import (
    VAE,
    Adam,
    gaussian_log_density_forward,
    kl_forward,
    load_digits,
    train_test_split,
)
from tinyvae.companion import show
from tinyvae.exact import PCA
from tinyvae.plots import CLASSES, image_grid, latent_scatter, manifold_grid, use_style
from tinyvae.zoo.autoencoders import AutoEncoder

use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Three ways to fill the latent space
#
# *Items: D4-26, D4-28, D4-29, D4-30, D1-13.*
#
# The slides: a vanilla auto-encoder gives no control over the latent variables (D1). With the reconstruction term only, the codes separate the
# classes
# but leave areas that represent no data; with the KL only, every observation is described by the same unit Gaussian; with both, the posteriors stay
# close to the prior and deviate where that is needed (D4).
#
# The three are one loss with two weights, $a$ and $b$:
# $$\text{loss} = -\,a\ \mathbb{E}_q[\log p(x|z)] + b\ \mathrm{KL}\big(q(z|x)\,\|\,\mathcal{N}(0, I)\big),\qquad (a,b) = (1,0),\ (0,1),\ (1,1).$$
# *Reconstruction only.* Nothing holds the scale: if the codes are multiplied by $c$ and the decoder's first matrix is divided by $c$, the decoder's
# output
# is the same, and the noise $\sigma$ counts $c$ times less. So the codes run apart and $\sigma\to0$. What is left is an auto-encoder.
#
# *KL only.* Each term of
# $$\mathrm{KL} = \tfrac12 \textstyle\sum_k \big(\sigma_k^2 + \mu_k^2 - 1 - \ln\sigma_k^2\big)$$
# is smallest, 0, at $\mu_k=0$, $\sigma_k=1$, for every $x$. And $\theta$ does not occur in the loss: its gradient is exactly zero. D4's sentence is
# thus kind to
# this model. It not only fails to describe the data; its decoder never hears of any.

# %%
show(kl_forward)

# %% [markdown]
# **Predict first:** which of the three has the smallest reconstruction cost on test images? Which decoder stays exactly as it was drawn?

# %%
X, y = load_digits()
X_train, X_test, y_train, y_test = train_test_split(X, y)


def trained(n_latent, on_reconstruction=1.0, beta=1.0, epochs=80, seed=0):
    def weights(t, terms):
        return {"reconstruction": on_reconstruction, "kl": beta}

    vae = VAE(64, n_latent, seed=seed)
    vae.fit(X_train, epochs=epochs, optimizer=Adam(lr=0.004), schedule=weights, progress=False)
    return vae


models = {"reconstruction only": trained(2, beta=0), "KL only": trained(2, on_reconstruction=0, epochs=40), "both": trained(2)}
recon_only, kl_only, both = models.values()
measured = {}
print("on test images        reconstruction    mean KL    spread of mu    mean sigma     (nats; spread: standard deviation)")
for name, vae in models.items():
    log_px, kl = vae.elbo_terms(X_test, rng=0, n_samples=10)
    mu, log_sigma = vae.encode(X_test)
    measured[name] = -log_px.mean(), kl.mean(), mu.std(), np.exp(log_sigma).mean()
    print(f"{name:20s} {measured[name][0]:12.2f} {measured[name][1]:13.4f} {measured[name][2]:12.3f} {measured[name][3]:14.4f}")

untouched = VAE(64, 2)
same_decoder = all(np.array_equal(v, untouched.params[k]) for k, v in kl_only.params.items() if k.startswith("decoder"))
print("decoder of the KL-only model exactly as at the start:", same_decoder)
assert same_decoder
assert measured["KL only"][1] < 1e-3 and abs(measured["KL only"][3] - 1) < 0.01 and measured["KL only"][2] < 0.03
assert measured["reconstruction only"][0] < measured["both"][0] < measured["KL only"][0]
assert measured["reconstruction only"][1] > 20 * measured["both"][1]
assert measured["reconstruction only"][2] > 3 and measured["reconstruction only"][3] < 0.01
total = {name: m[0] + m[1] for name, m in measured.items()}
assert total["both"] == min(total.values())

# %%
fig, axes = plt.subplots(1, 3, figsize=(13, 4.8))
noise = rng.standard_normal((len(X_test), 2))
for ax, (name, vae) in zip(axes, models.items()):
    mu, log_sigma = vae.encode(X_test)
    latent_scatter(mu + np.exp(log_sigma) * noise, y_test, ax=ax)
    ax.add_patch(Circle((0, 0), 2, fill=False, color="black", lw=2, ls="--"))
    ax.set_title(f"{name}\nmean KL {measured[name][1]:.1f} nats")
fig.suptitle("One z ~ q(z|x) for each test image; dashed: two prior standard deviations", fontsize=15)
plt.show()

# %% [markdown]
# The dashed circle has the same size in all three: on the left it is a small part of the picture. The best reconstruction belongs to the model of
# the left,
# the best sum of the two terms, the ELBO, to the one on the right.
#
# ## 2. A Gaussian for each input
#
# *Items: D1-31, D4-31, D4-5, D0-44, D1-21.*
#
# The slides: each input defines a Gaussian, and training sees the continuous latent distribution (D1); an auto-encoder reconstructs points, a VAE
# *vicinities* of $g_\phi(x)$ (D0; an auto-encoder, too, reconstructs x from $g(x)$, its code, and not from x itself as one line has it);
# for the Mona Lisa's smile a range of values says more than a single one; look at the latent dimensions of a few samples (D4).
#
# Here are six test images. The ellipses are one and two $\sigma$ of $q(z|x)$.

# %%
mu_test, log_sigma_test = both.encode(X_test)
few = [int(np.flatnonzero(y_test == label)[0]) for label in (0, 1, 4, 5, 6, 7)]
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), width_ratios=(1.2, 1))
for i in few:
    colour = CLASSES[y_test[i]]
    for width in (1, 2):
        size = 2 * width * np.exp(log_sigma_test[i])
        left.add_patch(Ellipse(mu_test[i], *size, fill=width == 1, alpha=0.6 if width == 1 else 1, color=colour, lw=2))
    left.text(*mu_test[i], str(y_test[i]), fontsize=20, weight="bold", ha="center", va="center")
left.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="z1", ylabel="z2", title="q(z|x) of six images: 1σ, 2σ", aspect="equal")
draws = mu_test[few] + np.exp(log_sigma_test[few]) * rng.standard_normal((5, 6, 2))
sheet = np.concatenate([X_test[few][None], both.decode(draws.reshape(-1, 2)).reshape(5, 6, 64)])
image_grid(sheet.transpose(1, 0, 2).reshape(-1, 64), n_columns=6, ax=right, title="image, and five draws of its vicinity")
plt.show()
print("digit   mu1    mu2    sigma1  sigma2   KL (nats)")
kl_few = kl_forward(mu_test[few], log_sigma_test[few])[0]
for i, kl in zip(few, kl_few):
    print(y_test[i], *(f"{v:7.2f}" for v in (*mu_test[i], *np.exp(log_sigma_test[i]), kl)), sep="  ")
assert np.exp(log_sigma_test[few]).max() < 1, "narrower than the prior: each image tells something"

# %% [markdown]
# **Vicinities.** Every training step draws another $z$ around $\mu$, so the decoder is trained on a region and not on a point. Compare with the
# reconstruction-only model. Its scale is its own, so the same *relative* noise is added to both: 0.2 times the spread of the codes.
#
# **Predict first:** by how many nats does this noise spoil the two reconstructions?

# %%
def cross_entropy(x, logits):
    """-log p(x|z) of the Bernoulli likelihood, in nats per datum."""
    return (np.logaddexp(0, logits) - x * logits).sum(-1)


cost = {}
noise = rng.standard_normal((50, len(X_test), 2))
for name in ("reconstruction only", "both"):
    mu, _ = models[name].encode(X_test)
    moved = (mu + 0.2 * mu.std(0) * noise).reshape(-1, 2)
    noisy = cross_entropy(X_test, models[name].decoder_output(moved).reshape(50, -1, 64)).mean()
    cost[name] = cross_entropy(X_test, models[name].decoder_output(mu)).mean(), noisy
    print(f"{name:20s}: at mu {cost[name][0]:.2f}, in the vicinity {cost[name][1]:.2f} nats, a loss of {cost[name][1] - cost[name][0]:.2f}")
loss_of = {name: noisy - clean for name, (clean, noisy) in cost.items()}
assert loss_of["reconstruction only"] > 2 * loss_of["both"] > 0

# %% [markdown]
# **A range of values.** The lecture's Mona Lisa is ambiguous. An image becomes ambiguous when half of it is covered. Bayes' rule on a grid over $z$
# gives the
# posterior without any encoder: with the pixels that are seen, $p(z|x_\text{seen}) \propto p(z)\prod_{d\ \text{seen}} p(x_d|z)$.
# Its entropy, in nats, says how wide the range is.
#
# **Predict first:** an encoder that outputs one value must choose. Does Bayes' rule choose, or widen?

# %%
side = np.linspace(-4, 4, 81)
grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
cell = (side[1] - side[0]) ** 2
log_prior = -0.5 * (grid**2).sum(1) - np.log(2 * np.pi)
logits_on_grid = both.decoder_output(grid).astype(float)


def grid_posterior(x, seen):
    """p(z|x_seen) as probabilities of the grid's cells, shape (N, G)."""
    log_px = x[:, seen] @ logits_on_grid[:, seen].T - np.logaddexp(0, logits_on_grid[:, seen]).sum(1)
    log_joint = log_px + log_prior
    p = np.exp(log_joint - log_joint.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def entropy(p):
    return -(p * np.log(p + 1e-300)).sum(1) + np.log(cell)


half, whole = grid_posterior(X_test, np.arange(64) < 32), grid_posterior(X_test, np.arange(64) < 64)
h_half, h_whole, h_prior = entropy(half), entropy(whole), 1 + np.log(2 * np.pi)
print(f"entropy of the prior {h_prior:.2f}, after the upper half {h_half.mean():.2f}, after the whole image {h_whole.mean():.2f} nats")
print(f"the range is wider with half the image for {np.mean(h_half > h_whole):.1%} of the test images")
assert h_whole.mean() + 0.5 < h_half.mean() < h_prior - 0.5
assert np.mean(h_half > h_whole) > 0.9

# %% [markdown]
# ## 3. The aggregate posterior and its holes
#
# *Items: D1-15, D1-30, D1-12.*
#
# The slides: the density of the latent variables given the data set, $p(z|\mathbf{X})$, "could be a nasty one" (D1); why should q look standard
# normal? (D1);
# a generative model should create examples from unseen codes (D1).
#
# The density of codes given the data set is the average of all the Gaussians, the *aggregate posterior* $q(z)=\frac1N\sum_n q(z|x_n)$. Holes are
# places with
# $q(z)\ll p(z)$: they are holes of the aggregate posterior relative to the prior, and not of a single $q(z|x)$. Insert $q(z)$ into the mean KL:
# $$\frac1N\sum_n \mathbb{E}_{q(z|x_n)}\Big[\ln\frac{q(z|x_n)}{p(z)}\Big]
# = \frac1N\sum_n \mathbb{E}_{q(z|x_n)}\Big[\ln\frac{q(z|x_n)}{q(z)}\Big] + \frac1N\sum_n \mathbb{E}_{q(z|x_n)}\Big[\ln\frac{q(z)}{p(z)}\Big].$$
# In the last term the function no longer depends on $n$, so the average of the expectations is the expectation under the average:
# $$\text{mean KL} = \underbrace{I(n; z)}_{\text{what codes tell of the data}}
# + \underbrace{\mathrm{KL}\big(q(z)\,\|\,p(z)\big)}_{\text{holes and excursions}} .$$
# This is the answer to "why normal". Images are generated from $z\sim p(z)$; the decoder was trained on $z\sim q(z)$. The second term measures how
# far these differ.
# No single $q(z|x)$ ought to be standard normal: then the first term is 0 (section 1, KL only). The *average* ought to be.
#
# **Predict first:** the reconstruction-only model has a mean KL above 100 nats. The mutual information with one of N = 1,438 images cannot exceed
# ln N = 7.3 nats. Where is the rest?

# %%
def log_q_given_n(z, mu, log_sigma):
    """ln q(z_m | x_n), shape (M, N)."""
    return gaussian_log_density_forward(z[:, None].astype(float), mu.astype(float), log_sigma.astype(float))[0]


def log_mean_exp(a):
    m = a.max(1)
    return m + np.log(np.exp(a - m[:, None]).mean(1))


N = len(X_train)
split = {}
print("                      mean KL    mutual information    KL(aggregate || prior)    prior mass in holes, q(z) < p(z)/10")
for name in ("reconstruction only", "both"):
    mu, log_sigma = models[name].encode(X_train)
    z = mu + np.exp(log_sigma) * rng.standard_normal(mu.shape)
    of_each = log_q_given_n(z, mu, log_sigma)
    own, log_q = of_each[np.arange(N), np.arange(N)], log_mean_exp(of_each)
    log_p = -0.5 * (z.astype(float) ** 2).sum(1) - np.log(2 * np.pi)
    from_prior = rng.standard_normal((1000, 2))
    ratio = log_mean_exp(log_q_given_n(from_prior, mu, log_sigma)) + 0.5 * (from_prior**2).sum(1) + np.log(2 * np.pi)
    split[name] = kl_forward(mu, log_sigma)[0].mean(), (own - log_q).mean(), (log_q - log_p).mean(), np.mean(ratio < np.log(0.1))
    split[name] += ((own - log_q).std() / np.sqrt(N),)
    print(f"{name:20s} {split[name][0]:8.2f} {split[name][1]:17.2f} {split[name][2]:22.2f} {split[name][3]:27.1%}")
assert split["reconstruction only"][1] < np.log(N) + 1e-6 and split["reconstruction only"][3] > 0.9
assert split["both"][3] < 0.1 and split["both"][2] < 0.3

# %% [markdown]
# The check of the identity itself must not use the same draws for both terms, for then it holds by construction. So the second
# term is computed again, by a sum over the grid, without samples.

# %%
mu, log_sigma = both.encode(X_train)
log_q_grid = np.concatenate([log_mean_exp(log_q_given_n(part, mu, log_sigma)) for part in np.array_split(grid, 10)])
q_grid = np.exp(log_q_grid)
kl_aggregate = (q_grid * (log_q_grid - log_prior)).sum() * cell
mean_kl, information, *_, error = split["both"]
print(f"mass of q(z) on the grid {q_grid.sum() * cell:.4f}; KL(aggregate || prior) on the grid {kl_aggregate:.3f} nats")
print(f"mutual information {information:.3f} ± {error:.3f}  +  {kl_aggregate:.3f}  =  {information + kl_aggregate:.3f}; mean KL {mean_kl:.3f}")
assert abs(q_grid.sum() * cell - 1) < 2e-3
assert error < 0.03 and abs(information + kl_aggregate - mean_kl) < 4 * error

# %% [markdown]
# **Unseen codes.** Decode 500 codes $z\sim\mathcal{N}(0,I)$ that no image had. How far is each result from the nearest training image, and how far
# is a real,
# unseen test image? The reconstruction-only codes have a scale of their own, so a Gaussian with *their* mean and covariance is used there: the fair
# choice.
# A last row shows a warning about this measure. Beside the mean stands the share of images that are farther out than any test image. What is found
# may depend on the training's random numbers, so both models are trained from three seeds.
#
# **Predict first:** is a generated image nearer to the training set than a real test image, or farther?

# %%
def squared_distances(A, B):
    """All squared distances between rows, shape (len(A), len(B))."""
    A, B = A.astype(float), B.astype(float)
    return (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T


def to_nearest(A):
    return np.sqrt(np.maximum(squared_distances(A, X_train).min(1), 0))


def generated(vae, recon):
    """500 decoded codes of each: z from the prior, and z from a Gaussian with the codes' own mean and covariance."""
    codes = recon.transform(X_train)
    z_fitted = rng.multivariate_normal(codes.mean(0), np.cov(codes.T), 500)
    return vae.sample(500, rng=0, mean=True), recon.decode(z_fitted)


of_seeds = [(both, recon_only)] + [(trained(2, seed=seed), trained(2, beta=0, seed=seed)) for seed in (1, 2)]
to_test, to_mean = to_nearest(X_test), to_nearest(X_train.mean(0, keepdims=True))[0]
distances = np.array([[to_nearest(images) for images in generated(*models_of_seed)] for models_of_seed in of_seeds])  # (seed, model, image)
far, outside = distances.mean(2), (distances > to_test.max()).mean(2)
print("pixel distance to the nearest training image          seed 0   seed 1   seed 2   farther than any test image")
print(f"{'test images':50s} {to_test.mean():9.2f}")
for k, name in enumerate(("VAE, z from the prior", "reconstruction only, z from a fitted Gaussian")):
    shares = ", ".join(f"{share:.1%}" for share in outside[:, k])
    print(f"{name:50s}" + "".join(f"{value:9.2f}" for value in far[:, k]) + f"   {shares}")
print(f"{'the mean image':50s} {to_mean:9.2f}")
difference, gap_outside = far[:, 1] - far[:, 0], outside[:, 1] - outside[:, 0]
errors_of_seeds = [a.std(ddof=1) / np.sqrt(3) for a in (difference, gap_outside)]
print(f"reconstruction only less VAE: mean distance {difference.mean():+.3f} ± {errors_of_seeds[0]:.3f}, share outside", end=" ")
print(f"{gap_outside.mean():+.3f} ± {errors_of_seeds[1]:.3f} (standard errors over seeds)")
assert to_test.mean() < far[:, 0].min() and far[:, 0].max() < to_mean
assert abs(difference.mean()) < 4 * errors_of_seeds[0], "the mean distance does not tell the two apart"
assert gap_outside.mean() > 3 * errors_of_seeds[1], "the share of images far outside does"

# %% [markdown]
# The mean does not decide between the two: over three seeds the difference is about as large as its own standard error. The decoder trained for the
# reconstruction only is the sharper one, so most of its images are near a real one; but some of its codes fall into holes, and what it decodes there
# is farther from the training set than any test image. The VAE has hardly any such images: all are blurred a little. And the warning: the mean image
# is no digit, and its distance is not much larger.
#
# ## 4. The manifold grid
#
# *Items: D4-34, D4-35, D4-8, D4-27.*
#
# The slides: a grid of values of a two-dimensional Gaussian, decoded; the digits live in regions and morph smoothly into each other; the latent
# space is
# continuous and smooth, and nearby values have similar reconstructions, which D4 calls the main benefit (D4). "Sampled a grid" is meant so:
# the grid is not random. Its coordinates are the inverse CDF of the normal at equal steps,
# $$z_i = \Phi^{-1}\!\Big(\frac{i-\frac12}{n}\Big),\qquad i=1,\dots,n .$$
# If $u$ is uniform then $\Phi^{-1}(u)$ is standard normal, since $P(\Phi^{-1}(u)\le z)=P(u\le\Phi(z))=\Phi(z)$.
# So each cell between $\Phi^{-1}((i-1)/n)$ and $\Phi^{-1}(i/n)$ holds the mass $1/n$, and each image stands for the same share of what the model
# generates.

# %%
show(manifold_grid)
manifold_grid(both.decode, n=12)
plt.show()

# %% [markdown]
# **Predict first:** the two claims, *regions* and *smooth*, each need a number that could come out otherwise. Which would you take?
#
# Here: *regions*: the share of test images whose nearest training mean has the same label, against 10 % by chance. *Smooth*: walk straight lines of
# prior length
# through the latent space in 400 steps; the largest single step in pixels against the whole way. A jump would be near 1, a uniform walk 1/400.

# %%
def one_nn_error(Z_train, labels_train, Z_test, labels_test):
    return np.mean(labels_train[squared_distances(Z_test, Z_train).argmin(1)] != labels_test)


def largest_step(vae, scale):
    """The largest of 400 steps as a share of the decoded path's length, mean over 40 straight lines."""
    ends = np.random.default_rng(5).standard_normal((40, 2, 1, 2)) * scale
    t = np.linspace(0, 1, 401)[:, None]
    walk = vae.decode((ends[:, 0] * (1 - t) + ends[:, 1] * t).reshape(-1, 2)).reshape(40, 401, 64)
    steps = np.sqrt((np.diff(walk, axis=1) ** 2).sum(-1))
    return np.mean(steps.max(1) / steps.sum(1))


drawn = rng.standard_normal((20_000, 2))
edges = [-1.1503, -0.6745, -0.3186, 0.0, 0.3186, 0.6745, 1.1503]  # the inverse normal CDF of 1/8, ..., 7/8
counts = np.histogramdd(drawn, [np.array([-9, *edges, 9])] * 2)[0]
chi2 = ((counts - 20_000 / 64) ** 2 / (20_000 / 64)).sum()
print(f"prior draws in 8 x 8 cells: {counts.min():.0f} to {counts.max():.0f}, chi-square {chi2:.1f} (expected 63 ± 11)")
assert abs(chi2 - 63) < 4 * np.sqrt(2 * 63)

def code_errors(vae):
    """The share of test images whose nearest training code has another label."""
    return one_nn_error(vae.transform(X_train), y_train, vae.transform(X_test), y_test)


regions = 1 - np.array([code_errors(vae) for vae, _ in of_seeds])
smooth = {"both": largest_step(both, 1), "reconstruction only": largest_step(recon_only, recon_only.transform(X_train).std(0))}
print(f"regions: the nearest code has the same label for {', '.join(f'{share:.1%}' for share in regions)} of the test images (three seeds)")
print(f"largest of 400 steps: both {smooth['both']:.4f}, reconstruction only {smooth['reconstruction only']:.4f} of the way (uniform: 0.0025)")
assert regions.min() > 0.5
assert smooth["both"] < 0.02 and smooth["reconstruction only"] > 1.5 * smooth["both"]

# %% [markdown]
# The regions are real but not clean: with K = 2 more than one image in three has a neighbour of another class. Smooth is a matter of degree: both
# decoders are
# continuous functions, and only one was made to change slowly.
#
# ## 5. From one image to another
#
# *Items: D2-10, D4-36, D1-14.*
#
# The slides: learn a representation in which one can interpolate between images (D2); interpolate between two observations, as a model of music
# does between
# two melodies (D4); a code could lie between two classes (D1). With $z_a=\mu(x_a)$, $z_b=\mu(x_b)$,
# $$z(t) = (1-t)\,z_a + t\,z_b,\qquad x(t) = \mathbb{E}[x|z(t)] .$$
# The alternative needs no model: blend the pixels, $(1-t)x_a+t\,x_b$, which shows both images at once. To compare, we need a judge that knows
# neither path:
# the distance to the nearest real training image, at $t=\frac12$, over 300 pairs of different digits. The ends are decoded means as well, in both
# paths, so that the blur of the decoder is the same.
#
# **Predict first:** which midpoint lies nearer to a real image, and for what share of the pairs?

# %%
first, second = rng.integers(0, len(X_test), (2, 600))
differ = np.flatnonzero(y_test[first] != y_test[second])[:300]
first, second = first[differ], second[differ]


def midpoints(vae):
    """Distances to the nearest training image: latent midpoint, blend of the decoded ends."""
    a, b = vae.transform(X_test[first]), vae.transform(X_test[second])
    latent, blend = vae.decode((a + b) / 2), (vae.decode(a) + vae.decode(b)) / 2
    return [np.sqrt(squared_distances(x, X_train).min(1)) for x in (latent, blend)]


ten = trained(10)
for name, vae in {"K = 2, both": both, "K = 10, both": ten, "K = 2, reconstruction only": recon_only}.items():
    latent, blend = midpoints(vae)
    wins = np.mean(latent < blend)
    print(f"{name:27s}: latent {latent.mean():.3f}, pixel blend {blend.mean():.3f}; latent is nearer for {wins:.0%} of the pairs")
    assert latent.mean() < blend.mean() and wins > 0.6


def surprise(x):
    """-ELBO under the K = 10 model less the entropy of the grey pixels, its floor: nats above the best possible."""
    p = np.clip(x.astype(float), 1e-12, 1 - 1e-12)
    floor = -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum(1)
    return -ten.elbo(x, rng=0, n_samples=20) - floor


z_first, z_second = both.transform(X_test[first]), both.transform(X_test[second])
x_first, x_second = both.decode(z_first), both.decode(z_second)
along = np.array([surprise(both.decode((1 - s) * z_first + s * z_second)) for s in (0, 0.25, 0.5, 0.75, 1)])
blended = np.array([surprise((1 - s) * x_first + s * x_second) for s in (0, 0.25, 0.5, 0.75, 1)])
print("\nsecond judge, bound on -log p(x) by the K = 10 model, nats above the floor of the grey pixels, at t = 0, 1/4, 1/2, 3/4, 1")
print("latent path ", along.mean(1).round(2))
print("pixel blend ", blended.mean(1).round(2))
more = blended[2] - along[2]
standard_error = more.std() / np.sqrt(len(more))
print(f"in the middle the blend costs {more.mean():.2f} ± {standard_error:.2f} nats more (standard error over pairs)")
assert np.ptp(along.mean(1)) < 0.25 and more.mean() > 4 * standard_error, "the path stays plausible, the blend is less so"

# %%
latent, blend = midpoints(ten)
chosen = np.argmax(blend - latent)  # the pair on which the two paths differ most: an illustration, not a typical pair
i, j = first[chosen], second[chosen]
t = np.linspace(0, 1, 9)[:, None]
ends = ten.transform(X_test[[i, j]])
path = ten.decode((1 - t) * ends[0] + t * ends[1])
blend = (1 - t) * path[0] + t * path[-1]
fig, ax = plt.subplots(figsize=(11, 3))
image_grid(np.concatenate([path, blend]), n_columns=9, ax=ax, title="Through the latent space (above), by blending pixels (below)")
plt.show()

# %% [markdown]
# One figure does not fit the story: by the first judge the reconstruction-only model does no worse between two digits. Its decoder is sharper. What
# it lacks
# is shown in sections 2 to 4: smooth change, and a prior to draw from.
# By the second judge the path keeps its level from end to end, and the blend rises in the middle.
#
# The straight line is a choice. It stays where the prior has mass: for two points within a radius $r$ of 0 the whole line is within $r$.
#
# ## 6. Faces with six attributes
#
# *Items: D4-4, D1-16.*
#
# The slides: a face auto-encoder with six attributes such as skin colour and glasses (D4); axes with meaning, thickness on one and
# rotation on another (D1).
#
# For faces nobody knows the true attributes; for glyphs that we draw ourselves we do. Six numbers make a 12×12 glyph: skin, hair, beard, glasses (0
# or 1),
# smile and gaze (-1 to 1). The VAE sees the pixels only. Then each attribute is predicted from the six latent means, by least squares (from all
# six together) and from the best single axis ($r^2$, the squared correlation).
#
# **Predict first:** will every attribute have an axis of its own? Nothing in the loss knows the words *smile* or *glasses*.

# %%
NAMES = ["skin", "hair", "beard", "glasses", "smile", "gaze"]
row, column = np.mgrid[:12, :12].astype(float)


def attributes(n, rng):
    a = rng.uniform(0, 1, (n, 6))
    a[:, 3] = a[:, 3] < 0.5
    a[:, 4:] = 2 * a[:, 4:] - 1
    return a


def render(a):
    """Glyphs of 12 x 12 pixels, ink in [0, 1], from attributes (N, 6)."""
    skin, hair, beard, glasses, smile, gaze = a.T[:, :, None, None]
    face = ((row - 6) ** 2 / 36 + (column - 5.5) ** 2 / 25) <= 1
    image = (0.1 + 0.3 * skin) * face
    image = image + 0.5 * hair * (row <= 1) * (abs(column - 5.5) < 4)
    image = image + 0.5 * beard * (row >= 10) * (abs(column - 5.5) < 4)
    mouth = 8 - 1.2 * smile * (((column - 5.5) / 2.5) ** 2 - 0.5)
    image = image + 0.5 * np.exp(-((row - mouth) ** 2)) * (abs(column - 5.5) < 3)
    for centre in (3.0, 8.0):
        image = image + 0.5 * np.exp(-((row - 4) ** 2) - (column - centre - gaze) ** 2)
        frame = np.maximum(abs(row - 4), abs(column - centre)) == 2
        image = image + 0.3 * glasses * frame * (row < 7)
    return np.clip(image, 0, 1).reshape(len(a), 144)


A_train, A_test = attributes(2000, rng), attributes(500, rng)
G_train = render(A_train) + 0.03 * rng.standard_normal((2000, 144))
G_test = render(A_test) + 0.03 * rng.standard_normal((500, 144))
faces = VAE(144, 6, hidden=(64,), likelihood="gaussian", eta=0.005)
faces.fit(G_train, epochs=80, optimizer=Adam(lr=0.004), progress=False)


def least_squares(inputs, targets):
    """The affine map of smallest squared error, as a function."""
    solution = np.linalg.lstsq(np.c_[inputs, np.ones(len(inputs))], targets, rcond=None)[0]

    def predict(new):
        return np.c_[new, np.ones(len(new))] @ solution

    return predict


mu_faces, mu_faces_test = faces.transform(G_train).astype(float), faces.transform(G_test).astype(float)
residual = A_test - least_squares(mu_faces, A_train)(mu_faces_test)
all_six = 1 - residual.var(0) / A_test.var(0)
r2 = np.corrcoef(A_test.T, mu_faces_test.T)[:6, 6:] ** 2
print("attribute   all six latents   best single axis")
for name, together, alone in zip(NAMES, all_six, r2):
    print(f"{name:10s} {together:14.2f} {alone.max():14.2f}  (z{alone.argmax() + 1})")
assert all_six.min() > 0.6
assert r2.max(1).mean() < all_six.mean() - 0.05, "the attributes are there, but not each on an axis"

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8))
image_grid(G_test[:20], n_columns=5, ax=left, title="glyphs, as the VAE sees them")
picture = right.imshow(r2, cmap="viridis", vmin=0, vmax=1)
right.set_xticks(range(6), [f"z{k + 1}" for k in range(6)])
right.set_yticks(range(6), NAMES)
right.set_title("r² of attribute and latent mean")
fig.colorbar(picture, ax=right)
plt.show()

# %% [markdown]
# The six attributes are in the code, but an axis mixes several of them, and which axis it is depends on the seed. So D1's hope for $z_1$ =
# thickness is not
# fulfilled by the training alone. (Uncorrelated axes, which D4 names beside it, would not be enough: decorrelation is not disentanglement.)
#
# ## 7. An attribute vector, found afterwards
#
# *Items: D4-45, D4-46, D0-54.*
#
# **A reader asks (D4):** did you put the label SMILE in before the training, or after it, from the look of the results? **The answer there:** the
# names are for the
# reader; the dimensions are learned, and one can afterwards search for a vector that represents a concept, and move along it.
#
# So: after. Take the training glyphs with the attribute and those without; the vector is the difference of their mean codes:
# $$v = \frac1{N_+}\sum_{n:\,a_n=1}\mu(x_n) - \frac1{N_-}\sum_{n:\,a_n=0}\mu(x_n),\qquad z \to z + v .$$
# If $\mathbb{E}[\mu|a]$ is affine, $m + Ba$, with independent attributes, then $v = B_j\,(\bar a_j^+-\bar a_j^-)$: the others
# cancel. This is a prediction: the named attribute moves by $\bar a^+_j-\bar a^-_j$ and the other five do not move. A *ruler* reads the
# attributes off a decoded image: least squares from pixels to attributes, fitted on renderings and not on the model.
#
# **Predict first:** for *glasses* the predicted change is exactly 1. What change will the ruler read, and will the others stay?

# %%
A_ruler = attributes(4000, rng)
ruler = least_squares(render(A_ruler) + 0.03 * rng.standard_normal((4000, 144)), A_ruler)  # the noise keeps it well conditioned
quality = 1 - (ruler(render(A_test)) - A_test).var(0) / A_test.var(0)
print("quality of the ruler, R²:", dict(zip(NAMES, (float(v) for v in quality.round(2)))))
assert quality.min() > 0.9


def attribute_vector(codes, has):
    return codes[has].mean(0) - codes[~has].mean(0)


moved, thresholds = np.zeros((6, 6)), np.median(A_train, axis=0)
thresholds[3] = 0.5  # glasses are 0 or 1
for k in range(6):
    has = A_train[:, k] > thresholds[k]
    v = attribute_vector(mu_faces, has)
    predicted = A_train[has, k].mean() - A_train[~has, k].mean()
    low = mu_faces_test[A_test[:, k] < thresholds[k]]
    change = ruler(faces.decode(low + v)) - ruler(faces.decode(low))
    moved[k] = change.mean(0) / predicted
print("\nchange as a share of the predicted one (rows: vector used, columns: attribute read)")
print(" " * 8 + "".join(f"{name:>9s}" for name in NAMES))
for name, values in zip(NAMES, moved):
    print(f"{name:8s}" + "".join(f"{value:9.2f}" for value in values))
others = np.abs(moved - np.diag(np.diag(moved))).max()
print(f"named attribute: {np.diag(moved).min():.2f} to {np.diag(moved).max():.2f} of the prediction; largest side effect {others:.2f}")
assert np.diag(moved).min() > 0.9 and np.diag(moved).max() < 1.1 and others < 0.15
assert np.abs(moved).argmax(1).tolist() == list(range(6))

# %%
v_glasses = attribute_vector(mu_faces, A_train[:, 3] == 1)
v_smile = attribute_vector(mu_faces, A_train[:, 4] > 0)
start = mu_faces_test[(A_test[:, 3] == 0) & (A_test[:, 4] < -0.5)][:1]
steps = np.linspace(0, 1.5, 7)[:, None]
fig, ax = plt.subplots(figsize=(11, 3.4))
image_grid(faces.decode(np.concatenate([start + steps * v_glasses, start + steps * v_smile])), n_columns=7, ax=ax)
ax.set_title("One glyph moved along the vectors of glasses (above) and smile (below)")
plt.show()

# %% [markdown]
# **Arithmetic.** D0 shows cat + (dog − pig) = catdog and pig + (cat − dog) = pigcat. With glyphs the right answer can be drawn. Let $b$ and $c$
# differ in one
# attribute only, with glasses and without, and let $a$ be a third glyph without. Then $a+(b-c)$ ought to be $a$ with glasses.
#
# **Predict first:** does the result come nearer to the true glyph than decoding $a$ unchanged? And what is the mean of D0's two results, catdog and
# pigcat?

# %%
a_attr, c_attr = attributes(300, rng), attributes(300, rng)
a_attr[:, 3] = c_attr[:, 3] = 0
b_attr, target_attr = c_attr.copy(), a_attr.copy()
b_attr[:, 3] = target_attr[:, 3] = 1
z_a, z_b, z_c = (faces.transform(render(attr)) for attr in (a_attr, b_attr, c_attr))
target = render(target_attr)
distance = {
    "a unchanged": faces.decode(z_a),
    "a + (b - c)": faces.decode(z_a + z_b - z_c),
    "the target itself, encoded": faces.decode(faces.transform(target)),
}
distance = {name: np.sqrt(((x - target) ** 2).sum(1)).mean() for name, x in distance.items()}
for name, value in distance.items():
    print(f"{name:27s} {value:.3f}   (pixel distance to the true glyph)")
assert distance["a + (b - c)"] < 0.25 * distance["a unchanged"]
assert distance["a + (b - c)"] < 1.2 * distance["the target itself, encoded"]

cat, dog, pig = rng.standard_normal((3, 6))
middle = ((cat + (dog - pig)) + (pig + (cat - dog))) / 2
print("mean of catdog and pigcat = cat:", np.allclose(middle, cat, rtol=0, atol=1e-12))
assert np.allclose(middle, cat, rtol=0, atol=1e-12)

# %% [markdown]
# As near as the model decodes the true glyph itself: these codes are nearly affine in the attributes, because the glyphs are nearly so. Photographs
# are less kind.
# And D0's two sums are not symmetric: the dog and the pig appear once
# with each sign, so their mean is the cat.
#
# ## 8. Neighbours
#
# *Items: D1-11, D4-50, D4-51, D4-53, D4-54, D3-29.*
#
# The slides: similar inputs share similar codes (D1); the AE is a feature learner, the VAE is for data generation (D3).
#
# **A reader asks (D4):** if we take a random encoding and search its nearest neighbours, are they similar? "I don't see many similars though."
# **The question back:** a random image, or a random vector? **And:** training the VAE, and throwing away the decoder, "seems like just doing the
# PCA and knn".
# **The answer there:** with a good VAE the code should capture visual similarity, as 1 and 7 lying nearby show; try to tune the balance of the two
# terms.
#
# All of this can be measured: the share of test images whose nearest training image, by distance in the code, has *another* label.
# With all 1,438 labels, and with 100 (mean over 40 random choices of the 100).
#
# **Predict first:** rank them: raw pixels, PCA, auto-encoder, VAE; K = 10 each.

# %%
auto = AutoEncoder(64, 10, hidden=(128,))
auto.fit(X_train, epochs=60, optimizer=Adam(0.004), decay=True, progress=False)
pca2, pca10 = PCA(2).fit(X_train), PCA(10).fit(X_train)
betas = {beta: trained(10, beta=beta) for beta in (0.1, 4.0)} | {1.0: ten}
codings = {
    "raw pixels": (X_train, X_test),
    "PCA, K = 2": (pca2.transform(X_train), pca2.transform(X_test)),
    "VAE, K = 2": (both.transform(X_train), both.transform(X_test)),
    "PCA, K = 10": (pca10.transform(X_train), pca10.transform(X_test)),
    "auto-encoder, K = 10": (auto.encode(X_train), auto.encode(X_test)),
}
codings |= {f"VAE, K = 10, beta = {b:g}": (betas[b].transform(X_train), betas[b].transform(X_test)) for b in sorted(betas)}
choices = [np.random.default_rng(s).choice(N, 100, replace=False) for s in range(40)]
errors = {}
print("1-NN error on test images     all labels    100 labels")
for name, (Z_train, Z_test) in codings.items():
    hundred = [one_nn_error(Z_train[c], y_train[c], Z_test, y_test) for c in choices]
    errors[name] = one_nn_error(Z_train, y_train, Z_test, y_test), np.mean(hundred)
    print(f"{name:26s} {errors[name][0]:12.3f} {errors[name][1]:14.3f} ± {np.std(hundred) / 40**0.5:.3f}")
with_two = 1 - regions  # section 4: the VAE with K = 2 from three seeds
standard_error = with_two.std(ddof=1) / np.sqrt(3)
print(f"VAE, K = 2, three seeds, all labels: mean {with_two.mean():.3f} ± {standard_error:.3f} (standard error)")
assert with_two.mean() + 3 * standard_error < errors["PCA, K = 2"][0]
assert errors["raw pixels"][0] == min(e[0] for e in errors.values())
assert errors["VAE, K = 10, beta = 1"][0] > errors["PCA, K = 10"][0]

# %% [markdown]
# The answers, one by one.
#
# **Is it just PCA + kNN (D4-53)?** No, but not in the sense that it is better. With K = 2 the curved code beats the plane of PCA where all labels are
# known (with 100 labels the one trained here does not). With K = 10 it is a **negative
# result**: the nearest neighbours by VAE code are worse than those by PCA, and raw pixels are the best of all. Nothing in the ELBO asks for
# neighbours of the same class. A linear VAE, on the other hand, *does* span the PCA subspace, so there the reader is right.
#
# **Does tuning the balance help (D4-54)?** The last three rows: yes. Less weight on the KL gives better neighbours, and with beta = 0.1 most of the
# loss is
# made good. It costs generation, by section 3: holes. So the codes for features and the codes for generation are not the same ones (D3-29): the
# auto-encoder's are
# better neighbours, the VAE's can be drawn from the prior.
#
# **Random image or random vector (D4-50, D4-51)?** That was the right question back. A vector drawn at random from the prior has neighbours, too.
# Are they farther away than those of an image's code?

# %%
def mean_nearest(Z, codes):
    return np.sqrt(np.maximum(squared_distances(Z, codes).min(1), 0)).mean()


print("mean distance in z to the nearest training code")
for name, vae in (("K = 2, both", both), ("K = 10, both", ten), ("K = 10, beta = 0.1", betas[0.1])):
    codes_of = vae.transform(X_train)
    scale = codes_of.std(0)
    draws = np.random.default_rng(9).standard_normal((1000, vae.n_latent))
    image, vector = mean_nearest(vae.transform(X_test), codes_of), mean_nearest(draws, codes_of)
    print(f"{name:19s}: of a random test image {image:.3f}, of a random vector {vector:.3f}")
    assert vector > image
    if vae is ten:
        assert vector > 1.5 * image
        empty = int((scale < 0.2).sum())
        print(f"    axes of K = 10, both, on which the means hardly move (spread below 0.2): {empty} of 10")
        assert empty >= 3

confused = np.zeros((10, 10), int)
for vae, _ in of_seeds:
    pairs = squared_distances(vae.transform(X_test), vae.transform(X_train)).argmin(1)
    wrong = y_train[pairs] != y_test
    np.add.at(confused, (y_test[wrong], y_train[pairs][wrong]), 1)
symmetric = confused + confused.T
ranked = sorted(((int(symmetric[a, b]), a, b) for a in range(10) for b in range(a)), reverse=True)
print("\nK = 2, three seeds, digits most often taken for each other:", ", ".join(f"{b} and {a} ({n})" for n, a, b in ranked[:4]))
place = 1 + [(b, a) for _, a, b in ranked].index((1, 7))
print(f"1 and 7, the pair that the answer names: {symmetric[1, 7]}, place {place} of 45")
assert symmetric[1, 7] < 0.5 * ranked[0][0], "other pairs are taken for each other far more often"
pixels_near = squared_distances(X_test, X_test)
codes_near = squared_distances(both.transform(X_test), both.transform(X_test))
upper = np.triu_indices(len(X_test), 1)
similar = np.corrcoef(np.sqrt(np.maximum(pixels_near[upper], 0)), np.sqrt(np.maximum(codes_near[upper], 0)))[0, 1]
print(f"correlation of pixel distance and code distance, over pairs of test images: {similar:.2f}")
assert similar > 0.3

# %% [markdown]
# In ten dimensions a random vector is far from every code: about half of the axes of this model carry nothing ($\mu\approx0$ there), and a vector
# drawn from the prior is as
# wide on them as on the others. Its "nearest neighbours" are then decided by noise. A reader who looked there saw few similar images, and
# rightly so. On these digits 1 and 7, the example of the answer, are taken for each other now and then; the pairs listed are far more often.
# Similar inputs do share
# similar codes (D1-11), to the degree that the correlation states.
#
# ## 9. Do overlapping posteriors mix neighbours?
#
# *Items: D4-52.*
#
# **A reader asks (D4):** many neighbours belong to other classes; could that be the KL, which keeps the clusters overlapping so that the decoder can
# interpolate? **The answer there:** the hypothesis makes sense.
#
# It is testable. The overlap of two Gaussians is measured by the Bhattacharyya coefficient, per dimension
# $$\int\!\sqrt{q_a\,q_b}\,dz = \sqrt{\frac{2\sigma_a\sigma_b}{\sigma_a^2+\sigma_b^2}}
# \ \exp\!\Big(\!-\frac{(\mu_a-\mu_b)^2}{4(\sigma_a^2+\sigma_b^2)}\Big),$$
# 1 for equal Gaussians and 0 for separate ones. There are two separate things in the hypothesis: (i) the KL raises the overlap, and with it the
# error;
# (ii) within one model, an image whose neighbour is wrong overlaps more with *other* classes.
#
# **Predict first:** which of the two do you expect to hold?

# %%
def overlap(vae, A, B):
    """Bhattacharyya coefficients of the posteriors, shape (len(A), len(B))."""
    (mu_a, log_a), (mu_b, log_b) = vae.encode(A), vae.encode(B)
    out = np.zeros((len(A), len(B)))
    for k in range(vae.n_latent):
        var = np.exp(2.0 * log_a[:, k])[:, None] + np.exp(2.0 * log_b[:, k])
        out += 0.5 * (np.log(2) + log_a[:, k][:, None] + log_b[:, k] - np.log(var)) - (mu_a[:, k][:, None] - mu_b[:, k]) ** 2 / (4 * var)
    return np.exp(out)


line = np.linspace(-12, 12, 20_001)
probe = VAE(64, 1)
(m, s), (n_, t_) = [(float(v[0, 0]) for v in probe.encode(X_test[k : k + 1])) for k in (0, 1)]
s, t_ = np.exp(s), np.exp(t_)
density = [np.exp(-0.5 * ((line - c) / w) ** 2) / (w * np.sqrt(2 * np.pi)) for c, w in ((m, s), (n_, t_))]
by_sum = np.sqrt(density[0] * density[1]).sum() * (line[1] - line[0])
assert abs(by_sum - overlap(probe, X_test[:1], X_test[1:2])[0, 0]) < 1e-6

other = y_test[:, None] != y_train
print("K = 10     error    error of a draw z ~ q    overlap with other classes    at wrong neighbours    at right ones    mean KL (nats)")
mixed = {}
for beta in sorted(betas):
    vae = betas[beta]
    mu, log_sigma = vae.encode(X_test)
    z_codes = vae.transform(X_train)
    wrong = y_train[squared_distances(mu, z_codes).argmin(1)] != y_test
    z = mu + np.exp(log_sigma) * rng.standard_normal(mu.shape)
    of_draw = one_nn_error(z_codes, y_train, z, y_test)
    with_others = (overlap(vae, X_test, X_train) * other).sum(1) / other.sum(1)
    mixed[beta] = wrong.mean(), of_draw, with_others.mean(), with_others[wrong].mean(), with_others[~wrong].mean()
    print(f"beta {beta:3g} {mixed[beta][0]:10.3f} {mixed[beta][1]:16.3f} {mixed[beta][2]:25.1e} {mixed[beta][3]:26.1e}", end="")
    print(f" {mixed[beta][4]:19.1e} {kl_forward(mu, log_sigma)[0].mean():16.2f}")
assert mixed[0.1][2] < mixed[1.0][2] < mixed[4.0][2]
assert mixed[0.1][0] < mixed[1.0][0] < mixed[4.0][0]
assert mixed[1.0][1] > mixed[1.0][0]
assert all(m[3] > m[4] for m in mixed.values())

# %% [markdown]
# Both hold here. (A caution for beta = 4: the model has collapsed. Its means differ by very little, and distances between means do not notice the
# scale; a draw
# $z\sim q$ does, and its neighbours are near chance, 90 %.) The overlap with other classes and the error rise together with beta, and the images
# with wrong neighbours are those that overlap more
# with other classes. This shows that they go together; beta also switches off latent dimensions, which alone would cost neighbours.
#
# ## 10. The other readers' questions
#
# *Items: D4-39, D4-43, D4-49.*
#
# **"Could you please share the code for generating the images?" (D4-39)** It is in this notebook: the three panels in section 1, the Gaussians of a
# few
# samples in section 2, the grid in section 4. The scatter plot's code:

# %%
show(latent_scatter)

# %% [markdown]
# **"Does p(z) represent classes of normal distributions, mountains, lakes, clouds, with coefficients 0.3, 0.5, 0.2? Or several Gaussian peaks,
# one for each x, confined in N(0, 1)?" (D4-43)** Neither is $p(z)$: it is one Gaussian, chosen before the training, with nothing to fit.
# The second picture is the aggregate posterior
# $q(z)=\frac1N\sum_n q(z|x_n)$, a mixture with one component for each *datum*. The first arises from it when labels, unknown to the model,
# sort the data: $q(z)=\sum_c \pi_c\,q(z|c)$, where $\pi_c$ is the share of class $c$. Both are exact regroupings of one sum, and all of it should
# come to look like $p(z)$.
#
# **Predict first:** approximate each class by one Gaussian. Which describes new codes $z$ better, $\mathcal{N}(0,I)$ or this mixture of ten?

# %%
mu, log_sigma = both.encode(X_train)
z_new = (mu_test + np.exp(log_sigma_test) * rng.standard_normal(mu_test.shape)).astype(float)
by_datum = np.exp(log_q_given_n(z_new, mu, log_sigma))
shares = np.array([np.mean(y_train == c) for c in range(10)])
by_class = np.stack([by_datum[:, y_train == c].mean(1) for c in range(10)])
regrouped = np.abs(shares @ by_class - by_datum.mean(1)).max()
z_old = (mu + np.exp(log_sigma) * rng.standard_normal(mu.shape)).astype(float)
mixture = np.zeros(len(z_new))
for c in range(10):
    centre, covariance = z_old[y_train == c].mean(0), np.cov(z_old[y_train == c].T)
    r = z_new - centre
    square = np.einsum("ni,ij,nj->n", r, np.linalg.inv(covariance), r)
    mixture += shares[c] * np.exp(-0.5 * square) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
standard = -0.5 * (z_new**2).sum(1) - np.log(2 * np.pi)
print("shares of the classes:", shares.round(2))
print(f"by class against by datum: {regrouped:.1e}")
print(f"mean ln density of new codes: N(0, I) {standard.mean():.3f}, ten class Gaussians {np.log(mixture).mean():.3f} nats")
assert regrouped < 1e-12
assert abs(np.log(mixture).mean() - standard.mean()) < 0.4, "ten Gaussians together look like one"

# %% [markdown]
# The mixture of ten and the one Gaussian differ by little: in sum the classes fill the prior, while each class has its own region.
#
# **"What is the 'human-interpretable concept' in an actual program?" (D4-49)** Nothing: there is no variable with that name. To see this, exchange
# two latent dimensions: the
# encoder's columns and the decoder's rows. If a dimension had a meaning in the program, something would have to change.
#
# **Predict first:** by how much does the loss change, with the columns of the noise exchanged, too?

# %%
renamed, order = faces.copy("float64"), np.array([3, 1, 2, 0, 5, 4])
original = faces.copy("float64")
w = renamed.params
w["encoder.head.W"][...] = w["encoder.head.W"][:, np.r_[order, 6 + order]]
w["encoder.head.b"][...] = w["encoder.head.b"][np.r_[order, 6 + order]]
w["decoder.0.W"][...] = w["decoder.0.W"][order]
eps = rng.standard_normal((len(G_test), 6))
change = abs(renamed.loss_and_grad(G_test, eps[:, order])[0] - original.loss_and_grad(G_test, eps)[0])
untied = abs(renamed.decode(mu_faces_test) - original.decode(mu_faces_test)).max()
print(f"change of the loss: {change:.1e} nats; the same z decoded by both models differs by up to {untied:.2f}")
assert change < 1e-9 and untied > 0.1

# %% [markdown]
# The loss is the same, so training cannot prefer one naming to another. Concepts enter afterwards, with labels (section 7), or with a model that
# has them as variables.
#
# ## Exercises
#
# **1.** The coordinates of the manifold grid, for any continuous prior whose CDF you have. Write it by bisection.

# %%
def grid_by_inverse_cdf(cdf, n):
    raise NotImplementedError("about 7 lines: for i = 1..n solve cdf(z) = (i - 1/2) / n on [-50, 50] by halving; return an array")


# %%
def logistic(z):
    return 1 / (1 + np.exp(-z))


def test_grid(solution):
    u = (np.arange(9) + 0.5) / 9
    assert np.allclose(solution(logistic, 9), np.log(u / (1 - u)), rtol=0, atol=1e-9), "the CDF at the grid must be (i - 1/2) / n"
    print("right: equal steps of probability")


try:
    test_grid(grid_by_inverse_cdf)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# **2.** Side effects. When two attributes are correlated in the data, the difference of means mixes them. Use least squares instead: regress the
# codes on *all* attributes
# and take the row of the one wanted.

# %%
def regression_vector(codes, attribute_table, k):
    raise NotImplementedError("about 3 lines: lstsq of the codes on [attributes, 1]; return row k")


# %%
def test_vector(solution):
    local = np.random.default_rng(2)
    table = local.standard_normal((500, 3)) @ np.array([[1, 0.8, 0], [0, 0.6, 0], [0, 0, 1.0]])
    effect = local.standard_normal((3, 4))
    codes = table @ effect + 0.7
    means = attribute_vector(codes, table[:, 0] > 0) / (table[table[:, 0] > 0, 0].mean() - table[table[:, 0] <= 0, 0].mean())
    assert np.abs(means - effect[0]).max() > 0.1, "the difference of means is biased here"
    assert np.allclose(solution(codes, table, 0), effect[0], rtol=0, atol=1e-10), "the effect of attribute 0 alone is wanted"
    print("right: the effect of one attribute, the others held fixed")


try:
    test_vector(regression_vector)
except NotImplementedError as todo:
    print("to do:", todo)

# %% [markdown]
# ## Solutions

# %% jupyter={"source_hidden": true} tags=["solution"]
def grid_by_inverse_cdf_solution(cdf, n):
    u = (np.arange(n) + 0.5) / n
    low, high = np.full(n, -50.0), np.full(n, 50.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = cdf(middle) < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


test_grid(grid_by_inverse_cdf_solution)

# %% jupyter={"source_hidden": true} tags=["solution"]
def regression_vector_solution(codes, attribute_table, k):
    design = np.c_[attribute_table, np.ones(len(attribute_table))]
    return np.linalg.lstsq(design, codes, rcond=None)[0][k]


test_vector(regression_vector_solution)
