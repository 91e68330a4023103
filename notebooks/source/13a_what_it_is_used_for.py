# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 13a What it is used for: labels, odd images, missing pixels
#
# The lectures give reasons for all this: features for a supervised task, structure in the representation, semi-supervised learning, anomaly detection,
# imputation. Here each becomes a number on digits that the model has not seen, beside a baseline that needs no VAE. Some of the promises hold as they
# stand, some with a condition, and one asks the wrong question.
#
# Afterwards you can tell when features learned without labels pay; give a class a variable of its own, with all labels or with twenty; score odd images
# and say why log p(x) alone is no score; and fill in missing pixels in ways that can be held against an exact answer.
#
# *Notation: data; latent; approximate posterior; noise; KL; bound; latent dimension.*
#
# The class of an image is y. What a model is used for as a *length*, of files, strings and weights, is 13b.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinyvae import VAE, Adam, check_model, kl_forward, load_digits, train_test_split
from tinyvae.companion import show
from tinyvae.estimators import standard_error
from tinyvae.exact import PCA, PPCA
from tinyvae.layers import log_softmax
from tinyvae.plots import image_grid, latent_scatter, use_style
from tinyvae.priors.mixture import mixture_forward
from tinyvae.zoo.aggregate import Mixture, fit_mixture, kl_in_parts
from tinyvae.zoo.anomaly import (
    atypicality,
    auc,
    leave_one_out,
    nearest_distance,
    vae_scores,
)
from tinyvae.zoo.cvae import CVAE
from tinyvae.zoo.imputation import (
    impute_by_chain,
    impute_by_fit,
    observed_elbo_forward,
    observed_log_px_backward,
    observed_log_px_forward,
)
from tinyvae.zoo.m1_m2 import stacked
from tinyvae.zoo.m2 import (
    M2,
    labels_first,
    unlabelled_bound_backward,
    unlabelled_bound_forward,
)

use_style()
X, y = load_digits()
X_train, X_test, y_train, y_test = train_test_split(X, y)
B_train, B_test = ((a >= 0.5).astype(np.float32) for a in (X_train, X_test))  # binary pixels
D = X_train.shape[1]


def nearest(A, classes, B, k=1):
    """The class of each row of B, by vote of the k rows of A next to it."""
    votes = classes[np.argsort((A**2).sum(1) - 2 * B @ A.T, axis=1, kind="stable")[:, :k]]
    return np.array([np.bincount(row).argmax() for row in votes])


def labelled(seed, each):
    """Training rows to have a label: so many of each class, by a seed."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(y_train == c))[:each] for c in range(10)])


# %% [markdown]
# ## 1. Features for a supervised task
#
# *Items: D2-9.*
#
# *Short path.*
#
# The slide: learn abstract features in an unsupervised way and apply them to a supervised task, for unlabelled data can be much more plentiful than
# labelled data (D2). So a VAE sees 1,438 images and no label; the mean μ of q(z|x) is the feature; then few labels teach a simple classifier.
#
# Two classifiers, on pixels and on μ alike: the nearest labelled example, and a linear one, least squares on one-hot classes with a ridge of 1.
# The third feature costs nothing, PCA of the same dimension.


# %%
def linear(A, classes, B, ridge=1.0):
    """Least squares on one-hot classes; the largest output wins."""
    centre, targets = A.mean(0), np.eye(10)[classes]
    W = np.linalg.solve((A - centre).T @ (A - centre) + ridge * np.eye(A.shape[1]), (A - centre).T @ (targets - targets.mean(0)))
    return ((B - centre) @ W + targets.mean(0)).argmax(1)


def compared(A, B, K=8, draws=12):
    """The test errors by the number of labels a class, {each: {(classifier, feature): (mean, standard error)}}: draws of labels, three trainings."""
    pca, table = PCA(K).fit(A), {}
    features = [{"pixels": (A, B), "PCA": (pca.transform(A), pca.transform(B))} for _ in range(3)]
    for seed, of_seed in enumerate(features):
        vae = VAE(D, K, seed=seed)
        vae.fit(A, epochs=40, optimizer=Adam(0.005), progress=False)
        of_seed["mu"] = vae.transform(A), vae.transform(B)
    for each in (1, 2, 5, 10, 50):
        wrong = {}
        for seed in range(draws):
            rows = labelled(seed, each)
            for name, (a, b) in features[seed % 3].items():
                for rule in (nearest, linear):
                    wrong.setdefault((rule.__name__, name), []).append(np.mean(rule(a[rows], y_train[rows], b) != y_test))
        table[each] = {name: (np.mean(values), standard_error(np.array(values))) for name, values in wrong.items()}
        for rule in ("nearest", "linear"):
            line = "   ".join(f"{name} {m:.3f} ± {e:.3f}" for (of, name), (m, e) in table[each].items() if of == rule)
            print(f"{10 * each:4} labels, {rule:8} {line}")
    return table


# %% [markdown]
# **Predict first:** with 20 labels, two of each class: does the nearest example do better among 64 pixels, or among 8 features that were learned from
# all the images?

# %% tags=["answer"]
clean = compared(X_train, X_test)
for rule in ("nearest", "linear"):
    assert all(clean[each][rule, "mu"][0] > clean[each][rule, "pixels"][0] + 0.015 for each in (2, 5, 10, 50))
assert abs(clean[1]["nearest", "mu"][0] - clean[1]["nearest", "pixels"][0]) < 0.04
assert all(clean[each]["nearest", "PCA"][0] < clean[each]["nearest", "mu"][0] for each in (2, 5, 10, 50))
assert abs(clean[2]["nearest", "pixels"][0] - 0.228) < 0.001 and abs(clean[2]["nearest", "mu"][0] - 0.263) < 0.03

# %% [markdown] tags=["answer"]
# Among the pixels: 0.23 wrong, against 0.26 with μ, which stays behind with more labels too. Eight numbers that reconstruct an image well on average
# need not keep what tells a 3 from an 8, and these pixels are good features already: 64 of them, centred, of one size, with hardly any noise. Of the
# two sets of eight, those of PCA are the better ones.

# %% [markdown]
# So the slide's sentence has a condition. Features pay where pixels hold much that no class needs. Flip one pixel of ten, in all images, and try again.
#
# **Predict first:** who wins now with 20 labels? And with 500?

# %% tags=["answer"]
flips = np.random.default_rng(0)
noisy = compared(*(((A >= 0.5) ^ (flips.random(A.shape) < 0.1)).astype(np.float32) for A in (X_train, X_test)))
for rule in ("nearest", "linear"):
    assert all(noisy[each][rule, "mu"][0] < noisy[each][rule, "pixels"][0] - 0.02 for each in (2, 5, 10))
    assert all(noisy[each][rule, "PCA"][0] < noisy[each][rule, "mu"][0] + 0.02 for each in (2, 5, 10))
assert abs(noisy[2]["linear", "pixels"][0] - 0.568) < 0.005 and abs(noisy[2]["linear", "mu"][0] - 0.478) < 0.04
assert noisy[50]["linear", "pixels"][0] < noisy[50]["linear", "mu"][0] - 0.02

# %% [markdown] tags=["answer"]
# With few labels μ: at 20 the linear classifier errs on 0.48 of the test images instead of 0.57. A feature averages over many noisy pixels, and which
# ones belong together is seen without any label. With 500 labels the linear classifier finds that out by itself, and does better with the pixels.
# PCA does as well as the VAE throughout.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
for ax, table, title in zip(axes, (clean, noisy), ("as they are", "one pixel of ten flipped")):
    for name, style in (("pixels", "o-"), ("mu", "s--"), ("PCA", "^:")):
        m, e = np.transpose([table[each]["linear", name] for each in table])
        ax.errorbar([10 * each for each in table], m, e, fmt=style, label="μ" if name == "mu" else name)
    ax.set(xscale="log", xlabel="labels", title=f"Digits, {title}")
axes[0].set_ylabel("test error, linear")
axes[1].legend()
plt.show()

# %% [markdown]
# Here the features came first and the labels later: nothing told the VAE what would be asked. What could tell it? The slide's next answer is the prior.

# %% [markdown]
# ## 2. What the shape of the prior does by itself
#
# *Items: D0-47.*
#
# The slide: the prior p(z) allows to induce a structure of the representation; the latent variable is a parse tree; digit classes and handwriting are
# decoupled (D0). In both examples more than p(z) is at work: a latent variable of another *kind*, a tree or a class, and in the second some
# labels. What does the shape of p(z) do alone?
#
# By **[AGG.1]** (12, section 12) the loss hears of the prior through $\mathrm{KL}(q(z)\,\|\,p(z))$ alone: all codes *together* shall look like p(z).
# Which datum goes where is not its business. If P leaves p(z) as it is, a rotation of N(0, I) for example, then the codes $Pz$ and a decoder that
# undoes P have the same ELBO.
#
# Three priors on binary digits with K = 2: N(0, I), with ten Gaussians fitted to the codes afterwards; ten Gaussians that are learned with the
# networks; and ten that we put on a ring, radius 4 and σ = 1/2, and hold fixed. For the last a subclass sets the gradient of the prior's parameters to
# zero.


# %%
class FixedPrior(VAE):
    """A VAE whose prior keeps the parameters that it is given."""

    def loss_backward(self, dloss, cache, weights=None):
        dtheta = super().loss_backward(dloss, cache, weights)
        for name, view in self.views(dtheta).items():
            if name.startswith("prior."):
                view[...] = 0
        return dtheta


angle = 2 * np.pi * np.arange(10) / 10
ring = Mixture(np.zeros(10), 4 * np.stack([np.cos(angle), np.sin(angle)], axis=1), np.full((10, 2), np.log(0.5)))


def on_the_ring(seed):
    vae = FixedPrior(D, 2, prior="mixture:10", seed=seed)
    for name, value in ring._asdict().items():
        vae.params[f"prior.{name}"][...] = value
    return vae


def prior_of(vae):
    return Mixture(*(vae.params[f"prior.{name}"].astype(float) for name in Mixture._fields))


# %% [markdown]
# Each test image goes to the component with the largest $p(c|\mu)$, and each component gets the class that most of its training images have.
#
# **Predict first:** with which of the three do components and classes agree best? How many of the ten places on the ring will be used? What does the
# ring cost in nats?

# %% tags=["answer"]
makers = {
    "N(0, I), ten fitted": lambda seed: VAE(D, 2, seed=seed),
    "ten, learned": lambda seed: VAE(D, 2, prior="mixture:10", seed=seed),
    "ten on a ring": on_the_ring,
}
models, found = {}, {}


def judged(vae, mixture):
    """(test ELBO, right share, components used, mean of the largest p(c|mu), KL(q(z) || p(z)))."""
    p_train, p_test = (mixture_forward(vae.transform(x).astype(float), *mixture)[1][1] for x in (B_train, B_test))
    of_train, of_test = p_train.argmax(1), p_test.argmax(1)
    vote = [np.bincount(y_train[of_train == c], minlength=10).argmax() for c in range(10)]
    right = np.mean(np.array(vote)[of_test] == y_test)
    return vae.elbo(B_test, n_samples=50).mean(), right, len(set(of_train)), p_test.max(1).mean(), kl_in_parts(vae, B_train, 2).marginal


print("                        test ELBO      right class     components used   surest p(c|mu)  KL(q(z) || p(z))")
for name, make in makers.items():
    models[name] = [make(seed) for seed in range(3)]
    rows = []
    for vae in models[name]:
        vae.fit(B_train, epochs=60, optimizer=Adam(0.003), progress=False)
        rows.append(judged(vae, fit_mixture(vae, B_train, 10, steps=60, n_samples=2)[0] if vae.prior == "standard" else prior_of(vae)))
    found[name] = np.array(rows)
    (elbo, right, used, sure, marginal), (e, r, *_) = found[name].mean(0), standard_error(found[name])
    print(f"{name:20} {elbo:8.2f} ± {e:.2f} {right:10.2f} ± {r:.2f} {found[name][:, 2].astype(int)!s:>16} {sure:16.2f} {marginal:16.2f}")
plain, learned, circle = (values.mean(0) for values in found.values())
assert all(np.array_equal(prior_of(vae).mu, ring.mu.astype(np.float32)) for vae in models["ten on a ring"]), "held fixed"
assert abs(plain[1] - 0.42) < 0.05 and plain[1] > max(learned[1], circle[1]) > 0.28 and circle[3] > 0.95 and max(plain[3], learned[3]) < 0.6
assert set(found["ten on a ring"][:, 2]) <= {5, 6} and abs(plain[0] - circle[0] - 1.67) < 0.4 and circle[4] > 1

# %% [markdown] tags=["answer"]
# Best with no structure at all, and poorly with each: 0.42 of the test images where ten Gaussians are fitted to plain codes, about a third with the
# two mixtures (chance is a tenth). But the structure itself is there: on the ring nearly every code knows its component, with 97 %. Five of ten
# places are used in each training, so that classes share them, and that costs 1.7 nats. The empty places are holes: the marginal KL is above a nat.

# %%
fig, axes = plt.subplots(1, 3, figsize=(11, 4.2))
for ax, (name, trained) in zip(axes, models.items(), strict=True):
    latent_scatter(trained[0].transform(B_test), y_test, ax=ax)
    ax.set_title(name)
    if name == "ten on a ring":
        ax.plot(*ring.mu.T, "k+", ms=14, mew=2.5)
plt.show()

# %% [markdown]
# So the prior gives the codes *its* structure, at a price, and not the one that we have in mind. To have the class as a variable takes labels: for all
# images in the next section, for twenty of them in the one after it.

# %% [markdown]
# ## 3. Analogies: one handwriting, all classes
#
# *Items: D0-49, D0-50.*
#
# *Short path.*
#
# The slide: digit classes and handwriting are decoupled (D0, from Kingma, Rezende, Mohamed and Welling, 2014). Its figure has a given digit at the left
# of each row, and beside it the ten digits in the same hand.
#
# What to do is simple: tell both networks the class. The model is $p(y)\,p(z)\,p(x|z,y)$ with $p(z)=N(0,I)$ *for every* y, and its posterior is
# $q(z|x,y)$. So z is no mixture over classes (a reader of D4 asks for that); images are, $p(x)=\sum_yp(y)\int p(x|z,y)\,p(z)\,dz$. With y given, the
# bound is derived as in 05, with y in every condition:
# $$\log p(x|y)=\log\mathbb E_{q(z|x,y)}\frac{p(x|z,y)\,p(z)}{q(z|x,y)}\;\ge\;\mathbb E_{q(z|x,y)}[\log p(x|z,y)]-\mathrm{KL}\big(q(z|x,y)\,\|\,p(z)\big) . \qquad \textbf{[CVAE.1]}$$
# In code y is a one-hot row h, which stands beside x at the encoder and beside z at the decoder.
#
# **Backward** is that of the VAE. The decoder returns the gradient of $(z,h)$; $h$ is data, so of it only the columns of z go on:
# $$dz=\big[d(z,h)\big]_{1..K} . \qquad \textbf{[CVAE.2]}$$

# %%
show(CVAE.loss_forward, CVAE.loss_backward)
report = check_model(CVAE(6, 3, hidden=(5,)), np.random.default_rng(0).random((4, 6)), np.array([0, 2, 1, 2]))
print(f"gradient of the whole loss: error below 1e-9: {report.error < 1e-9}")
assert report.ok and report.error < 1e-9

# %% [markdown]
# Nobody asks z to forget the class. But what z says of y costs nats and buys none, for the decoder is told y: the mean KL is at least
# $\mathbb E_{p(y)}\mathrm{KL}(q(z|y)\,\|\,p(z))\ge I(z;y)$, with $q(z|y)$ the mean of $q(z|x,y)$ over the images of a class.
#
# **Predict first:** how well can ten nearest neighbours tell y from z, of ten classes? In a plain VAE, and in this one?

# %% tags=["answer"]
plain, cvae = VAE(D, 2), CVAE(D, n_latent=2)
plain.fit(X_train, epochs=150, optimizer=Adam(lr=3e-3), progress=False)
cvae.fit(X_train, y_train, epochs=150, optimizer=Adam(lr=3e-3), progress=False)
codes = {"plain": (plain.transform(X_train), plain.transform(X_test)), "told the class": (cvae.encode(X_train, y_train)[0], cvae.encode(X_test, y_test)[0])}
told = {name: (nearest(a, y_train, b, 10) == y_test).mean() for name, (a, b) in codes.items()}
bounds = {"plain": plain.elbo(X_test, n_samples=20).mean(), "told the class": cvae.elbo(X_test, y_test, n_samples=20).mean()}
of_each_class = [cvae.elbo(X_test, np.full(len(X_test), c), rng=0, n_samples=20) for c in range(10)]
without_label = (np.logaddexp.reduce(of_each_class) - np.log(10)).mean()  # log of the mean over y: a bound on log p(x)
for name in codes:
    print(f"{name:15} y from z by 10 neighbours: {told[name]:.2f} right; bound {bounds[name]:.2f} nats")
print(f"told the class, and y then averaged out: bound on log p(x) {without_label:.2f} nats")
assert abs(bounds["told the class"] - without_label - np.log(10)) < 0.2 and without_label > bounds["plain"] + 1
assert told["plain"] > 0.65 and 0.1 < told["told the class"] < 0.3
assert -25.3 < bounds["plain"] < -24.4 and abs(bounds["told the class"] + 20.93) < 0.1

# %% [markdown] tags=["answer"]
# About 0.7 in the plain VAE, about 0.2 here, where chance is 0.1: z knows little of y, though not nothing, for the hands of different digits do not
# quite fill one and the same N(0, I). The first two bounds are not to be compared: one is on $\log p(x)$, the other on $\log p(x|y)$, which is larger by
# $\ln\frac{p(y|x)}{p(y)}\le\ln10=2.3$. With y averaged out, $\log p(x)=\log\frac1{10}\sum_yp(x|y)$, it gives back these 2.3 nats, and is still better
# than the plain VAE by more than one: two latents and a class hold more than two latents.

# %% [markdown]
# Now the slide's figure: z of a test image under its own class, decoded under all ten. Most hands lie near 0 and are alike, so take some that are not:
# the farthest from 0 in each of eight directions of the plane, in the order of their angles.

# %%
z = codes["told the class"][1]
angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
rows = list(dict.fromkeys(np.argmax(z @ [np.cos(angles), np.sin(angles)], axis=0)))  # each image once
sheet = np.concatenate([X_test[rows][:, None], cvae.analogies(X_test[rows], y_test[rows])], axis=1)  # the image itself, then the ten classes
ax = image_grid(sheet.reshape(-1, D), n_columns=11, ax=plt.subplots(figsize=(9, 7))[1], title="Left: a test image. Right: its hand, all classes")
ax.axvline(8, color="black", lw=2)
plt.show()

# %% [markdown]
# The slant is kept along a row, the class down a column. Is that so, or does it only look so? Two questions for a reader that has no part in the model.
# Take 100 hands from the prior, write each as all classes, and ask a nearest neighbour among the *training images* for the class of each cell. Then
# encode each cell and ask whether the z that was asked for comes back.
#
# **Predict first:** how many of the 1,000 cells are read as the class that was asked for? How high is the correlation, at K = 2 and at K = 8?

# %% tags=["answer"]
def read_back(model, n=100):
    """The share of cells that a 1-NN on training pixels reads as asked for, and the correlation of the z asked for with mu, for each latent."""
    z, asked = np.repeat(np.random.default_rng(0).standard_normal((n, model.n_latent)), 10, axis=0), np.tile(np.arange(10), n)
    cells = model.decode(z, asked)
    mu = model.encode(cells, asked)[0]
    return (nearest(X_train, y_train, cells) == asked).mean(), np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(z.T, mu.T)])


wide = CVAE(D, n_latent=8)
wide.fit(X_train, y_train, epochs=150, optimizer=Adam(lr=3e-3), progress=False)
share, correlation, kl = {}, {}, {}
for model in (cvae, wide):
    K = model.n_latent
    share[K], correlation[K] = read_back(model)
    mu, log_sigma = model.encode(X_train, y_train)
    kl[K] = kl_forward(mu[..., None], log_sigma[..., None])[0].mean(0)
    print(f"K = {K}: read as asked {share[K]:.3f}; mean correlation {correlation[K].mean():.2f}; bound {model.elbo(X_test, y_test, n_samples=20).mean():.2f}")
    print("       KL by latent (nats)", kl[K].round(2), "correlation by latent", correlation[K].round(2))
used = kl[8] > 0.3
assert min(share.values()) > 0.9975 and correlation[2].min() > 0.9
assert used.sum() == 2 and correlation[8][used].min() > 0.9 and correlation[8].mean() < 0.5

# %% [markdown] tags=["answer"]
# All of them, or all but one or two. And at K = 2 the z that was asked for comes back, with a correlation of 0.95. At K = 8 the mean over the latents is
# below one half. It is not that the hand were lost: two latents carry it, with correlations above 0.9 as before, and the others have collapsed (12). The decoder
# ignores them, so what was asked of them cannot come back. Ask only for what is used. (The package's tests, mean and standard deviation over three seeds:
# read 1.000, correlation 0.951 ± 0.002 at K = 2 and 0.40 ± 0.04 at K = 8; y from z 0.218 ± 0.002, in the plain VAE 0.72 ± 0.02.)

# %% [markdown]
# Turned round, the model of images tells the class. With equally frequent classes Bayes' rule says $\arg\max_y\log p(x|y)$, and the bound stands in for it.
#
# **Predict first:** is it better or worse than ten neighbours in the pixels?

# %% tags=["answer"]
wrong = {"argmax of the bound": (cvae.predict(X_test) != y_test).mean(), "10 neighbours in the pixels": (nearest(X_train, y_train, X_test, 10) != y_test).mean()}
for name, error in wrong.items():
    print(f"{name:28} errs on {error:.3f} of the test images")
assert max(wrong.values()) < 0.025

# %% [markdown] tags=["answer"]
# Both err on one or two in a hundred (the bound on 0.013 ± 0.002 over the tests' three seeds, ten draws of z): no difference that 359 images could show.

# %% [markdown]
# A label for every image is the price of all this. What if most labels are missing?

# %% [markdown]
# ## 4. Few labels: a class beside z
#
# *Items: D0-4, D0-49.*
#
# D0 promises semi-supervised learning. The paper of the slide above does it with the same model, M2 there: the class y and the latent z are drawn apart,
# $$p(x,y,z)=p(y)\,p(z)\,p(x|y,z),\qquad p(y)=\tfrac1C,\quad p(z)=N(0,I).$$
# Where y is known, it is data, and the bound of section 3 with $\log p(y)$ added is one on the pair:
# $$B(x,y)=\mathbb E_{q(z|x,y)}[\log p(x|y,z)]+\log p(y)-\mathrm{KL}(q(z|x,y)\,\|\,p(z))\le\log p(x,y).$$
# Where y is unknown, it is a second latent. Its q is a classifier $q(y|x)=\mathrm{softmax}(\ell)$, and an expectation over ten classes is a sum that can
# be taken exactly: no sample, no gradient through a draw of y. As in every ELBO, $\log p(x)=\log\sum_y q(y|x)\frac{p(x,y)}{q(y|x)}
# \ge\sum_y q(y|x)(\log p(x,y)-\log q(y|x))$, and B is below $\log p(x,y)$:
# $$\log p(x)\;\ge\;U(x)=\sum_y q(y|x)\,B(x,y)+H(q(y|x)) . \qquad \textbf{[SEMI.1]}$$
# (The paper's L and U are −B and −U.) By $\partial q_y/\partial\ell_k=q_y(\delta_{yk}-q_k)$, and because $\sum_y q_y\,d\log q_y=0$, with the gain
# $g_y=B_y-\log q_y$, whose mean under q is U:
# $$dB_y=dU\,q_y,\qquad d\ell_y=dU\,q_y\,(g_y-U) . \qquad \textbf{[SEMI.2]}$$

# %%
show(unlabelled_bound_forward, unlabelled_bound_backward)

# %% [markdown]
# **Predict first:** given the ten numbers B(x, y), which q(y|x) makes U largest, and how large is it then?

# %% tags=["answer"]
B, logits = 3 * np.random.default_rng(0).standard_normal((2, 6, 10))
U, _ = unlabelled_bound_forward(B, logits)
best = np.logaddexp.reduce(B, axis=1)
log_q, log_best_q = log_softmax(logits), log_softmax(B)
below = (np.exp(log_q) * (log_q - log_best_q)).sum(1)
U_best, cache = unlabelled_bound_forward(B, B)
slope = unlabelled_bound_backward(np.ones(6), cache)[1]
print("U                ", U.round(3))
print("logsumexp B - KL ", (best - below).round(3))
print("U at softmax(B)  ", U_best.round(3))
assert np.abs(U - (best - below)).max() < 1e-12 and np.abs(U_best - best).max() < 1e-12 and np.abs(slope).max() < 1e-12

# %% [markdown] tags=["answer"]
# $q=\mathrm{softmax}(B)$, and U is then $\log\sum_y e^{B(x,y)}$. Write $B_y=\log\sum_c e^{B_c}+\log\mathrm{softmax}(B)_y$ into [SEMI.1]:
# $U=\log\sum_y e^{B_y}-\mathrm{KL}(q\,\|\,\mathrm{softmax}(B))$. So the classifier is taught by the bounds: it is fitted to what Bayes' rule makes of them.

# %% [markdown]
# Labels, however, never touch $q(y|x)$ directly: in B(x, y) a known y is data, and no classifier stands there. So the loss gets a third term, the
# cross-entropy of the labelled rows; with the mean over all N rows,
# $$\text{loss}=\frac1N\Big[-\sum_{\text{unknown}}U(x)-\sum_{\text{known}}\big(B(x,y)+\alpha\log q(y|x)\big)\Big] . \qquad \textbf{[SEMI.3]}$$
# (The paper's α of 0.1 N multiplies the mean over the labelled rows: it is $\alpha=0.1\,N/N_\text{known}$ here.)

# %%
show(M2.joint_bound_forward, M2.loss_forward)

# %% [markdown]
# Now 20 labels, two of each class, and 1,418 rows without. In the first tenth of the epochs the unlabelled rows weigh nothing, so that q(y|x) starts from
# the labels.
#
# **Predict first:** the nearest labelled image gives the wrong class to about a quarter of the test images. To how many does M2? And without the start on
# labels alone?

# %% tags=["answer"]
few, known = np.full(len(y_train), -1), labelled(0, 2)
few[known] = y_train[known]
error, models = {"nearest labelled image": np.mean(nearest(X_train[known], few[known], X_test) != y_test)}, {}
for name, first in (("M2, labels first", 6), ("M2, all from the start", 0)):
    models[name] = M2(D, hidden=(64,))
    models[name].fit(X_train, few, epochs=60, optimizer=Adam(0.003), schedule=labels_first(first), progress=False)
    error[name] = np.mean(models[name].predict(X_test) != y_test)
for name, value in error.items():
    print(f"{name:24} error {value:.3f}")
assert (few >= 0).sum() == 20 and (few < 0).sum() == 1418
assert abs(error["nearest labelled image"] - 0.256) < 0.001 and error["M2, labels first"] < 0.13 and error["M2, all from the start"] < 0.22

# %% [markdown] tags=["answer"]
# To about one in ten, by the same 20 labels. One training says little. Over five draws of the labels, with 128 hidden units, the errors on the 359 test
# images were, as mean ± standard deviation (the package's tests):
#
# | labels | M2 | MLP on the labels alone | nearest labelled image |
# |---|---|---|---|
# | 20 | 0.099 ± 0.025 | 0.225 ± 0.025 | 0.227 ± 0.020 |
# | 50 | 0.084 ± 0.011 | 0.136 ± 0.029 | 0.125 ± 0.026 |
# | 100 | 0.061 ± 0.010 | 0.093 ± 0.011 | 0.072 ± 0.012 |
#
# The gain is large where labels are few, and at 100 labels the nearest image is nearly as good. With 20 labels, without the start on labels the error was
# 0.124 ± 0.025, with α = 0.1 it was 0.142 ± 0.033, and with two latents 0.142 ± 0.058, by the draw between 0.075 and 0.220. Step size and epochs were
# chosen by training rows, whose labels the model did not have; where there are only 20 labels, nobody can choose so.

# %% [markdown]
# And twenty labels are enough for the picture of section 3:

# %%
model = models["M2, labels first"]
moves = [np.square(model.decode(2 * unit, range(10)) - model.decode(-2 * unit, range(10))).sum() for unit in np.repeat(np.eye(5)[:, None], 10, axis=1)]
along = np.linspace(-2, 2, 4)[:, None] * np.eye(5)[np.argmax(moves)]  # the latent that changes the images most
sheet = np.stack([model.decode(along, c) for c in range(10)], axis=1).reshape(40, D)
ax = image_grid(sheet, n_columns=10, ax=plt.subplots(figsize=(8, 3.8))[1], title="One latent from -2 to 2 (down), y from 0 to 9 (right)")
plt.show()

# %% [markdown]
# On the pixels of MNIST the paper puts M2 on the latents of a VAE that saw no label, called M1: it learns how images vary, and M2 what of that goes with
# which class. M2 is again trained on all rows at once.

# %%
show(stacked)

# %% [markdown]
# `python -m tinyvae.zoo.m1_m2 0 1` takes some minutes: with 100 labels of 60,000 the error on the 10,000 test images was 0.072 and 0.083 for the two seeds,
# by an MLP on the same labels 0.240 and 0.228. The paper's 0.0333 took longer training, and is not approached here.

# %% [markdown]
# ## 5. Odd images
#
# *Items: D0-4.*
#
# *Short path.*
#
# The slide: among the uses of a model of the data is anomaly detection (D0). The idea: what the model finds unlikely is odd. So the score is
# $-\log p(x)$, or a bound on it.
#
# How good is a score? Take one anomaly and one normal datum at random: how often has the anomaly the higher score? That is the area under the ROC curve.
# Sort all n + m scores. The rank of an anomaly is 1, plus the number of normal scores below it, plus the number of anomalies below it. Summed over the n
# anomalies, the ones and the last numbers give $1+2+\dots+n$, whatever the order; so the normal scores below, that is the pairs in the right order, are
# the rest:
# $$\mathrm{AUC}=P(a>b)+\tfrac12P(a=b)=\frac{\sum_{i}\mathrm{rank}(a_i)-\frac{n(n+1)}2}{nm} , \qquad \textbf{[AUC.1]}$$
# where ties share the mean of their ranks, and so count half. A score that says nothing has 1/2.

# %%
show(auc, vae_scores)

# %% [markdown]
# Leave one digit out of the training, and find it among the test images. Three scores of a VAE (binary digits, K = 8), −ELBO, −log p(x) by importance
# sampling, and $-\mathbb{E}_q\log p(x|z)$ alone; and without any model the distance to the nearest training image.
#
# **Predict first:** which wins? Is there a digit that the VAE cannot find?

# %% tags=["answer"]
def score(rows, images):
    """The scores of images by a VAE that was trained on these rows, and by the rows alone."""
    vae = VAE(D, 8)
    vae.fit(rows, epochs=60, optimizer=Adam(0.003), progress=False)
    scores, of_train = vae_scores(vae, images, n_samples=20), vae_scores(vae, rows, n_samples=20)
    typical = atypicality(-scores["neg_log_p"], -of_train["neg_log_p"])  # for the end of this section
    return scores | {"1-NN": nearest_distance(images, rows), "|log_p - mean|": typical}


found = leave_one_out(score, B_train, y_train, B_test, y_test)
means = {name: values.mean() for name, values in found.items()}
print("left out       ", *(f"{digit:5d}" for digit in range(10)), "   mean")
for name, values in list(found.items())[:4]:
    print(f"{name:15}", *(f"{value:5.2f}" for value in values), f"{means[name]:7.3f}")
assert all(abs(means[name] - wanted) < 0.015 for name, wanted in (("neg_elbo", 0.84), ("neg_log_p", 0.83), ("reconstruction", 0.85)))
assert abs(means["1-NN"] - 0.929) < 1e-3
assert all(found[name].argmin() == 1 and found[name].min() < 0.65 for name in ("neg_elbo", "neg_log_p", "reconstruction"))

# %% [markdown] tags=["answer"]
# The distance: 0.929 against 0.84, 0.83 and 0.85 for the three of the VAE (two seeds in the package's tests say the same). And the 1 is hardly found: a
# stroke with few pixels is cheap for a model that has never seen one, because the other digits hold strokes too. A better estimate of log p does not
# help, so it is log p(x) that is the wrong question.

# %% [markdown]
# Why wrong, a model shows whose log p is exact. Shrink the data towards their mean μ, $x_c=\mu+c(x-\mu)$: grey, washed-out digits. For a Gaussian
# $\log p(x)=\text{const}-\frac12d^2(x)$ with $d^2=(x-\mu)^\top C^{-1}(x-\mu)$, so $d^2(x_c)=c^2d^2(x)$. Over the training data the mean of $d^2$ is
# $\mathrm{tr}(C^{-1}S)$, S being their covariance. At the maximum of the likelihood of PPCA (09), C has the K leading eigenvalues of S, and for the
# others their mean: the trace is $K+(D-K)=D$, exactly. So
# $$\text{mean}\log p(x_c)-\text{mean}\log p(x)=(1-c^2)\,\tfrac D2 . \qquad \textbf{[TYP.1]}$$
#
# **Predict first:** 64 pixels, half the contrast, K = 8: by how many nats are the washed-out digits more likely than the digits? And the AUC of −log p,
# which is to find them?

# %% tags=["answer"]
ppca, mean = PPCA(8).fit(X_train), X_train.mean(0, dtype=float)
washed = mean + (X_test - mean) / 2
of_train, of_test, of_washed = (ppca.score_samples(x) for x in (X_train, X_test, washed))
exact = ppca.score(mean + (X_train - mean) / 2) - ppca.score(X_train)
by_density = auc(-of_washed, -of_test)
by_typicality = auc(atypicality(of_washed, of_train), atypicality(of_test, of_train))
print(f"training data: {exact:.6f} nats more; test data: {of_test.mean():.1f} and washed-out {of_washed.mean():.1f} nats")
print(f"AUC of -log p {by_density:.3f}; of |log p - mean over the training data| {by_typicality:.3f}")
assert abs(exact - 24) < 1e-6 and abs(by_density - 0.001) < 1e-3 and abs(by_typicality - 0.967) < 1e-3

# %% [markdown] tags=["answer"]
# $\frac34\cdot32=24$. The AUC is 0.001: whoever looks for unlikely images takes the digits for anomalies. Nothing is wrong with the model. In 64
# dimensions the mass lies in a shell of $d^2\approx D$, and the peak of the density, the mean image, is a place where no datum is. So ask for the
# *typical*: $|\log p(x)-\text{mean}|$ finds them with 0.967.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), width_ratios=(3, 2))
for values, label, style in ((of_train, "training digits", "-"), (of_test, "test digits", "--"), (of_washed, "half the contrast", "-")):
    left.hist(values, bins=np.arange(-20, 60, 2.5), density=True, histtype="step", lw=2.5, ls=style, label=label)
left.set(xlabel="log p(x), nats, exact", ylabel="density", title="More likely, and not typical", xlim=(-20, 60), ylim=(0, 0.17))
left.legend(loc="upper left")
image_grid(np.concatenate([X_test[:6], washed[:6]]), n_columns=6, ax=right, title="Digits, and the more likely ones")
plt.show()

# %% [markdown]
# **What fails.** This remedy is none in general: for the left-out digits the same score does worse than −log p, since anomalies are there on the unlikely
# side alone. No score knows what *odd* means to you; that is a choice made outside the model, and a baseline as simple as 1-NN belongs beside it.

# %%
print(f"digits left out, mean AUC: by -log p {means['neg_log_p']:.2f}, by |log p - mean| {means['|log_p - mean|']:.2f}, by 1-NN {means['1-NN']:.2f}")
assert means["|log_p - mean|"] < means["neg_log_p"] - 0.04

# %% [markdown]
# ## 6. Missing pixels
#
# *Items: D0-4.*
#
# The slide: data imputation (D0). A model of p(x) knows what half an image says of the other half: $p(x_m|x_o)=\int p(x_m|z)\,p(z|x_o)\,dz$. Given z the
# pixels are independent, and so the missing ones fall out of the likelihood: their factors integrate to one. With $o_d=1$ where pixel d was observed, and
# 0 elsewhere,
# $$\log p(x_o|z)=\sum_d o_d\log p(x_d|z) \qquad \textbf{[MISS.1]}, \qquad
# d\,\mathrm{out}_d=o_d\;d\!\log p(x_o|z)\,\frac{\partial\log p(x_d|z)}{\partial\,\mathrm{out}_d} . \qquad \textbf{[MISS.2]}$$
# The decoder handles holes for nothing. The encoder does not: it was trained on whole images. Two ways out.
#
# **Without the encoder:** fit q to $\mathbb{E}_q\log p(x_o|z)-\mathrm{KL}(q\,\|\,p)\le\log p(x_o)$, image by image (08, section 1). Only the free μ and
# log σ have gradients:

# %%
show(observed_log_px_forward, observed_log_px_backward)
show(observed_elbo_forward)

# %% [markdown]
# **With the encoder, by a chain:** fill the holes with anything; draw $z\sim q(z|x)$ and then $x_m\sim p(x_m|z)$, and again (pseudo-Gibbs; Rezende
# and others, 2014). If q were the posterior, this would be Gibbs sampling from $p(z,x_m|x_o)$. It is not, and the chain ends up elsewhere. So take
# $z'\sim q(z|x)$ as a *proposal* (Mattei and Frellsen, 2018). The target, as a function of z, is $p(x|z)\,p(z)$ with x held; the rule of Metropolis
# and Hastings for a proposal that does not look at the present z accepts with the probability
# $$\min\Big(1,\frac{p(x|z')\,p(z')\,q(z|x)}{p(x|z)\,p(z)\,q(z'|x)}\Big)=\min\Big(1,\frac{w(z')}{w(z)}\Big),\qquad w(z)=\frac{p(x|z)\,p(z)}{q(z|x)} . \qquad \textbf{[MWG.1]}$$
# These are the weights of importance sampling (04, section 9). If q is the posterior, $w(z)=p(x)$ for every z, and nothing is rejected.
#
# The model that decides is linear. For PPCA $\mathbb{E}[x_m|x_o]$ is known in closed form, and it makes a VAE whose q is the exact posterior of whole
# images.
#
# **Predict first:** how far is the fitted q from the exact answer, given that the posterior after half an image is *not* diagonal? How many proposals
# does the chain reject?

# %% tags=["answer"]
ppca = PPCA(4).fit(X_train)
vae, x = ppca.to_vae(), X_test[:8].astype(float)
x[np.random.default_rng(0).random(x.shape) < 0.5] = np.nan
exact = ppca.impute(x)
by_fit = impute_by_fit(vae, x, steps=1000)
by_chain, accepted = impute_by_chain(vae, x, steps=2000, rng=0)
rmse = np.sqrt(np.mean((by_chain - exact)[np.isnan(x)] ** 2))
print(f"fitted q: largest difference below 1e-12: {np.abs(by_fit - exact).max() < 1e-12}")
print(f"chain: {rmse:.4f}, root mean square, by sampling; {accepted:.0%} accepted")
assert np.abs(by_fit - exact).max() < 1e-12 and rmse < 0.006 and accepted == 1

# %% [markdown] tags=["answer"]
# By rounding alone: mean field gets the widths wrong and the means right (08, section 2), and a linear decoder passes nothing but the means. The chain
# rejects none.

# %% [markdown]
# Now digits: grey, a Gaussian whose variance is learned, K = 8. Half of the pixels are lost at random, or the lower half of the image as a whole.
#
# **Predict first:** order the three ways, PPCA with K = 8 (exact), and the mean image by their error on the missing pixels. Is the order the same for
# both kinds of holes?

# %% tags=["answer"]
vae, ppca = VAE(D, 8, likelihood="gaussian_scalar", eta=0.1), PPCA(8).fit(X_train)
vae.fit(X_train, epochs=300, optimizer=Adam(0.003), decay=True, progress=False)
lost = {"at random": np.random.default_rng(0).random(X_test.shape) < 0.5, "lower half": np.tile(np.arange(D) >= 32, (len(X_test), 1))}
filled, error, share = {}, {}, {}
for kind, gone in lost.items():
    x = np.where(gone, np.nan, X_test)
    metropolis, share[kind] = impute_by_chain(vae, x, steps=1000)
    filled[kind] = {
        "q fitted": impute_by_fit(vae, x), "Metropolis": metropolis, "pseudo-Gibbs": impute_by_chain(vae, x, metropolis=False, steps=500)[0],
        "PPCA": ppca.impute(x), "mean": np.where(gone, X_train.mean(0), x),
    }  # fmt: skip
    error[kind] = {name: np.sqrt(np.mean((a - X_test)[gone] ** 2)) for name, a in filled[kind].items()}
    print(f"{kind:11}", ", ".join(f"{name} {value:.3f}" for name, value in error[kind].items()), f"  ({share[kind]:.1%} accepted)")
scattered, half = error.values()
for e in (scattered, half):
    assert e["q fitted"] < e["Metropolis"] - 0.004 and e["Metropolis"] < e["PPCA"] - 0.005 and e["PPCA"] < e["mean"] - 0.015
assert scattered["pseudo-Gibbs"] < scattered["PPCA"] - 0.01 and half["pseudo-Gibbs"] > half["PPCA"] and 0.01 < min(share.values()) < max(share.values()) < 0.045

# %% [markdown] tags=["answer"]
# The fitted q is first on both, and Metropolis second; both beat PPCA. Pseudo-Gibbs beats PPCA where the holes are scattered, and loses to it, a linear
# model, where they have a structure: one lower half goes with the z that drew it, and the encoder believes what the chain itself has made up. (Three
# seeds and chains of 2,000 steps, in the package's tests: 0.161, 0.167, 0.180 at random; 0.222, 0.232, 0.270 for the lower half; PPCA 0.203 and 0.253, the mean
# 0.268 and 0.277.)

# %%
rows = [np.where(lost["lower half"], 0.5, X_test)[:10], *(filled["lower half"][name][:10].clip(0, 1) for name in ("q fitted", "pseudo-Gibbs", "PPCA")), X_test[:10]]
ax = image_grid(np.concatenate(rows), n_columns=10, ax=plt.subplots(figsize=(8.5, 4.6))[1])
ax.set_yticks(3.5 + 9 * np.arange(5), ["seen", "q fitted", "pseudo-Gibbs", "PPCA", "truth"])
ax.tick_params(length=0)
ax.set_title("The lower half, filled in")
plt.show()

# %% [markdown]
# **What fails.** Metropolis is right in the limit and slow on the way: two to four proposals in a hundred are accepted, so a chain of 1,000 steps
# holds a few dozen z. A poor q makes a poor proposal, as it makes poor importance weights. And all of these are *means* of what is missing: where several
# digits fit, a mean is blurred, and its error says nothing of how well $p(x_m|x_o)$ is known.

# %% [markdown]
# ## Summary
#
# - Features without labels pay where pixels hold much that no class needs: on clean digits pixels win, with one pixel of ten flipped and few labels μ
#   does. PCA of the same dimension does as well as the VAE in both.
# - The prior shapes the codes as a whole, and not which datum goes where: ten Gaussians do not find ten classes.
# - Tell both networks the class, and z keeps the hand: $\mathbb E_{q(z|x,y)}[\log p(x|z,y)]-\mathrm{KL}(q(z|x,y)\,\|\,p(z))\le\log p(x|y)$. What z says
#   of y costs nats and buys none. Only latents that are used carry a hand.
# - An unknown class is a second latent, summed over exactly: $U=\sum_yq(y|x)B(x,y)+H(q(y|x))$, largest at $q=\mathrm{softmax}(B)$. Twenty labels: about
#   one error in ten, against one in four by the nearest labelled image.
# - AUC: the share of pairs in the right order. Digits left out: 0.83 by −log p, 0.93 by the nearest training image.
# - More likely is not more typical: half the contrast raises the mean of log p by $(1-c^2)\frac D2=24$ nats.
# - Missing pixels fall out of the sum. Fit q to what was seen; or let the encoder propose and the weights w decide. Without the weights the encoder
#   believes what the chain has made up.
#
# ## References
#
# *References: kingma2014semi (M1, M2, analogies); rezende2014 (pseudo-Gibbs); mattei2018 (Metropolis within Gibbs); nalisnick2019 (odd data that are
# more likely); nalisnick2019typicality; hoffman2016 (the KL in two parts); tipping1999 (the linear model); bengio2013 (features).*

# %% [markdown]
# ## Exercises
#
# The AUC from its definition, pair by pair; and the exact answer that section 6 compares with, the missing pixels of an image under PPCA.
#
# *Tasks: anomaly_score; impute.*
