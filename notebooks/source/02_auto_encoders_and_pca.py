# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 02 Auto-encoders and PCA
#
# An auto-encoder is a network that predicts its own input through a narrow code. We build one layer by layer with its backward pass; solve the
# linear case exactly, where it is PCA; and find out what a deep one does better, and what none of them can do.
#
# Afterwards you can write the backward pass of a dense network, prove that a linear auto-encoder finds the subspace of PCA, say what remains free
# in it and why training does not stop at a wrong subspace, and say why no auto-encoder of this notebook is a generative model.
#
# *Notation: data; latent; encoder; decoder; reconstruction; latent dimension; data dimension; gradient of the loss by v.*
#
# The slides multiply from the left, $\tilde x = UVx$; our data stand in rows, so the package computes `x @ A @ B` with $A=V^\top$, $B=U^\top$.
# The latent of an auto-encoder is called its *code*, `h`. A mean over the data is written $\langle x\rangle$. In D0 the letter D is the data set.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import multivariate_normal

from tinyvae import (
    check,
    check_model,
    dense_backward,
    dense_forward,
    load_digits,
    mlp_backward,
    mlp_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softplus_backward,
    softplus_forward,
    synthetic,
    tanh_backward,
    tanh_forward,
    train_test_split,
)
from tinyvae.companion import show
from tinyvae.estimators import standard_error
from tinyvae.exact import PCA
from tinyvae.layers import sigmoid, softplus
from tinyvae.optim import Adam
from tinyvae.plots import image_grid, use_style
from tinyvae.plots.diagrams import graph
from tinyvae.zoo.autoencoders import (
    AutoEncoder,
    squared_error_backward,
    squared_error_forward,
)

use_style()
rng = np.random.default_rng(0)

X, y = load_digits()
X = X.astype(np.float64)
X_train, X_test, y_train, y_test = train_test_split(X, y)
print(f"digits: {X.shape[0]} images of {X.shape[1]} pixels in [0, 1]; {len(X_train)} to train, {len(X_test)} held out")


def mean_error(x_hat, x):
    """The mean squared error per datum."""
    return float(squared_error_forward(x_hat, x)[0].mean())


def mean_and_error(values):
    """The mean over repetitions, and its standard error."""
    return np.mean(values), standard_error(values)


# %% [markdown]
# ## 1. A network that predicts its own input
#
# *Items: D2-5, D0-40, D0-41, D3-1, D3-2, D3-3, D1-9, D1-10.*
# *Short path.*
#
# An auto-encoder takes x and predicts x (D2). D0 calls it backpropagation without supervision, with the objective
# $\min_{\theta,\phi}\lVert x-f_\theta(g_\phi(x))\rVert^2$. The encoder summarises the input in h, the decoder generates the output
# from h: $f_\phi(x)=h$, $H_\theta(h)=\tilde x$ (D3). A code should lose minimal information, which D1 reads as "generate a
# similar output to the input". No label occurs anywhere: the target is the input.
#
# The error of one datum is a sum over its D pixels. Pixel d occurs in one term only, so its derivative is
# $$ \mathrm{error}=\sum_{d=1}^{D}(\hat x_d-x_d)^2, \qquad \frac{\partial\,\mathrm{error}}{\partial \hat x_d}=2(\hat x_d-x_d). $$
# These are **[AE.1]** and, multiplied by `derror`, the derivative of the loss by the error, **[AE.2]**.
#
# *A correction to D0 (E6):* under "AE vs. VAE" it says that an auto-encoder reconstructs $g_\phi(x)$; it reconstructs x *from* $g_\phi(x)$.
# *On our copy of D3 (E40):* it has lost the conditioning bars, $q_{enc}(h\,x)$ is $q_{enc}(h\mid x)$. *A correction to D3 (E41):* $\tilde x$ is a
# reconstruction there, and a corrupted input a few lines later.

# %%
show(squared_error_forward, squared_error_backward)

# %%
a, b = rng.standard_normal((2, 5, 4))
report = check(squared_error_forward, squared_error_backward, a, b, wrt="x_hat")
print(report)
assert report.ok
assert np.allclose(squared_error_forward(a, b)[0], [sum((p - q) ** 2 for p, q in zip(*pair)) for pair in zip(a, b)])

# %% [markdown]
# **What has squared error to do with lost information?** Let the code be noisy, $h=f(x)+\sqrt\tau\,e$ with $e\sim\mathcal N(0,I)$. The information
# that it keeps is $I(x;h)=H(x)-H(x\mid h)$. The true conditional $p(x\mid h)$ is unknown; put any density $r(x\mid h)$ in its place. Then
# $$ \mathbb{E}[-\ln r(x\mid h)] = H(x\mid h) + \mathbb{E}_h\,\mathrm{KL}\big(p(x\mid h)\,\|\, r(x\mid h)\big) \;\ge\; H(x\mid h). $$
# Choose $r=\mathcal N(x;\hat x(h),\eta I)$ and write err for $\mathbb{E}\lVert x-\hat x(h)\rVert^2$:
# $$ \mathbb{E}[-\ln r] = \tfrac{D}{2}\ln 2\pi\eta+\tfrac{\mathrm{err}}{2\eta}. $$
# The derivative by η, $\frac{D}{2\eta}-\frac{\mathrm{err}}{2\eta^2}$, is zero at $\eta=\mathrm{err}/D$. At this best η,
# $$ I(x;h)\;\ge\; H(x)-\tfrac D2\ln\!\big(2\pi e\,\tfrac{\mathrm{err}}{D}\big): $$
# **a smaller error raises the guaranteed minimum.** It does not rank two codes: the one with the larger error may keep more. How far above the
# guarantee is the information?
#
# A model where all is known: x Gaussian in 4 dimensions, $f(x)=Vx$ in 2. D1 asks for codes of minimal loss, and an auto-encoder's code
# has no noise at all, so let τ fall.
#
# **Predict first:** τ falls from .1 to $10^{-12}$. What becomes of the information kept, and what of the guarantee?

# %% tags=["answer"]
D, K = 4, 2
Sigma = np.diag([3.0, 1.0, 0.5, 0.2])
V = rng.standard_normal((K, D))
H_x = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * Sigma)[1]
assert abs(H_x - multivariate_normal(cov=Sigma).entropy()) < 1e-12


def channel(tau):
    """Information kept by h = V x + sqrt(tau) e, its guarantee by the squared error, and covariance of x given h."""
    kept = 0.5 * np.linalg.slogdet(np.eye(K) + V @ Sigma @ V.T / tau)[1]  # H(h) - H(h|x)
    gain = Sigma @ V.T @ np.linalg.inv(V @ Sigma @ V.T + tau * np.eye(K))  # the best decoder: x_hat = gain @ h
    residual = Sigma - gain @ V @ Sigma
    return kept, H_x - D / 2 * np.log(2 * np.pi * np.e * np.trace(residual) / D), residual


for tau in (1e-1, 1e-3, 1e-6, 1e-9, 1e-12):
    kept, guaranteed, residual = channel(tau)
    print(f"tau = {tau:.0e}: information kept {kept:5.2f} nats, guaranteed by the squared error {guaranteed:.2f}")
    etas = residual.trace() / D * np.linspace(0.5, 2, 301)
    forms = D / 2 * np.log(2 * np.pi * etas) + residual.trace() / (2 * etas)
    assert abs(H_x - forms.min() - guaranteed) < 1e-4, "no other eta guarantees more"
    if tau >= 1e-6:  # below, the smallest variances drown in rounding
        assert abs(kept - (H_x - 0.5 * np.linalg.slogdet(2 * np.pi * np.e * residual)[1])) < 1e-7, "H(x) - H(x|h)"
        variances = np.linalg.eigvalsh(residual)
        arithmetic, geometric = variances.mean(), np.exp(np.log(variances).mean())
        assert abs(kept - guaranteed - D / 2 * np.log(arithmetic / geometric)) < 1e-7
rise = channel(1e-7)[0] - channel(1e-6)[0]
print(f"at small tau, for a factor of 10: {rise:.3f} nats more; K/2 ln 10 = {K / 2 * np.log(10):.3f}")
assert abs(rise - K / 2 * np.log(10)) < 1e-4
assert abs(channel(1e-6)[1] - channel(1e-12)[1]) < 1e-4, "the guarantee stays"

# %% [markdown] tags=["answer"]
# The information grows without end, the guarantee soon stays where it is: the error that is left is that of the directions which the code leaves out.

# %% tags=["answer"]
seen = {"x1 and x2, tau .1": (np.eye(4)[:2], 0.1), "x3 and x4, tau 1e-6": (np.eye(4)[2:], 1e-6)}  # two codes, not to be ranked by their error
kept = {}
for name, (V, tau) in seen.items():
    information, _, residual = channel(tau)
    kept[name] = residual.trace(), information
    print(f"{name:20}: error {residual.trace():.2f}, information {information:.1f} nats")
(error_a, information_a), (error_b, information_b) = kept.values()
assert error_b > 4 * error_a and information_b > 4 * information_a

# %% [markdown] tags=["answer"]
# Why the information grows without end: $I(x;h)=H(h)-H(h\mid x)=\frac12\ln|I+V\Sigma V^\top/\tau|$, which grows by $\frac K2\ln10$ nats when τ falls by a factor of 10, once τ is small (H is the differential entropy). With $v_i$ the
# variances of x given h (the eigenvalues of its covariance), $H(x\mid h)=\frac12\sum_i\ln2\pi e\,v_i$ and $\mathrm{err}=\sum_iv_i$, so the gap is
# $$ \tfrac D2\ln\frac{\mathrm{err}}{D}-\tfrac12\sum_i\ln v_i=\frac D2\,\ln\frac{\text{arithmetic mean of the }v_i}{\text{geometric mean of the }v_i}, $$
# zero only if all $v_i$ are equal. A code without noise leaves some $v_i=0$.
#
# So for an auto-encoder's own code, $\tau=0$, D1's "minimal loss of information" cannot be measured by $I(x;h)$: if $f(x)$ has a density,
# $I(x;f(x))\ge I(x;f(x)+\sqrt\tau e)$ for every τ, since the noisy code is made from the other, and is infinite. What squared error measures is how
# much *this decoder* gets back. With noise in the code, as in a VAE, the question about the information has a finite answer. (A guarantee may
# also be negative: a lower bound may be loose.)

# %% [markdown]
# ## 2. All of them are neural networks: the layers and their backward passes
#
# *Items: D1-26.*
#
# Encoder and decoder are neural networks (D1). So one set of layers serves all notebooks. Each operation is a pair; backward receives
# `dy`, the derivative of the loss by the output y, and returns that by the inputs.
#
# **Dense.** **[DENSE.1]** $y_{no}=\sum_i x_{ni}W_{io}+b_o$. The chain rule, entry by entry:
# $$ dx_{ni}=\sum_o dy_{no}\frac{\partial y_{no}}{\partial x_{ni}}=\sum_o dy_{no}W_{io},\qquad
#    dW_{io}=\sum_n dy_{no}\,x_{ni},\qquad db_o=\sum_n dy_{no}, $$
# in matrices **[DENSE.2]** $dx=dy\,W^\top$, $dW=x^\top dy$, $db=\sum_n dy_n$. W and b serve every row, so their gradients sum over rows.
#
# **Elementwise functions.** $dx=dy\cdot f'(x)$, and each derivative is written with what forward has already computed, or with its input:
# $$ \begin{aligned}
# \text{tanh: } & y=\tfrac{e^x-e^{-x}}{e^x+e^{-x}}, & y'&=\tfrac{(e^x+e^{-x})^2-(e^x-e^{-x})^2}{(e^x+e^{-x})^2}=1-y^2,\\
# \text{relu: } & y=\max(x,0), & y'&=1\ (x>0),\ 0\ (x<0),\\
# \text{sigmoid: } & y=\tfrac{1}{1+e^{-x}}, & y'&=\tfrac{e^{-x}}{(1+e^{-x})^2}=y(1-y),\\
# \text{softplus: } & y=\ln(1+e^x), & y'&=\tfrac{e^x}{1+e^x}=\mathrm{sigmoid}(x).
# \end{aligned} $$
# Forward and backward carry the tags **[TANH.1]** **[TANH.2]**, **[RELU.1]** **[RELU.2]**, **[SIG.1]** **[SIG.2]**, **[SP.1]** **[SP.2]**.
# ReLU has no derivative at 0; the convention here is 0.
#
# **Three of them overflow as they stand**: $e^{800}$ is no float. NumPy's own tanh does not, so we build the other two on what is
# safe. Multiply numerator and denominator of $\tanh\frac a2$ by $e^{-a/2}$:
# $$ \tanh\tfrac a2=\frac{e^{a/2}-e^{-a/2}}{e^{a/2}+e^{-a/2}}=\frac{1-e^{-a}}{1+e^{-a}},\qquad\text{so}\qquad
#    \frac{1+\tanh\frac a2}{2}=\frac{1}{1+e^{-a}}=\mathrm{sigmoid}(a). $$
# tanh lies between −1 and 1, and nothing can overflow. And for $a>0$ take $e^a$ out of the logarithm,
# $\ln(1+e^a)=a+\ln(1+e^{-a})$; for $a\le0$ leave it. Both cases in one, with an exponent that is never positive:
# $$ \ln(1+e^a)=\max(a,0)+\ln\!\big(1+e^{-|a|}\big). $$
# In the code, `_rows` sees an array of any batch shape as a matrix of rows, `out=` names the array that NumPy writes the result into, and
# `need_dx=False`, `need_dW=False` leave out a product that nobody asks for. `log1p(u)` is $\ln(1+u)$, accurate for small u.

# %%
show(dense_forward, dense_backward)
show(tanh_forward, tanh_backward, relu_forward, relu_backward)
show(sigmoid, sigmoid_forward, sigmoid_backward, softplus, softplus_forward, softplus_backward)

# %% [markdown]
# Forward is checked against the definitions above, backward against central differences, and the stable forms where the definitions fail.

# %%
x0, W0, b0 = rng.standard_normal((5, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)
for n in range(5):
    for o in range(3):
        assert np.isclose(dense_forward(x0, W0, b0)[0][n, o], sum(x0[n, i] * W0[i, o] for i in range(4)) + b0[o])
definitions = {
    tanh_forward: lambda a: (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a)),
    relu_forward: lambda a: a * (a > 0),
    sigmoid_forward: lambda a: 1 / (1 + np.exp(-a)),
    softplus_forward: lambda a: np.log(1 + np.exp(a)),
}
for forward, definition in definitions.items():
    assert np.allclose(forward(x0)[0], definition(x0), rtol=1e-12)
pairs = [
    (dense_forward, dense_backward, (x0, W0, b0)),
    (tanh_forward, tanh_backward, (x0,)),
    (relu_forward, relu_backward, (x0,)),
    (sigmoid_forward, sigmoid_backward, (x0,)),
    (softplus_forward, softplus_backward, (x0,)),
]
for forward, backward, inputs in pairs:
    report = check(forward, backward, *inputs)
    print(f"{forward.__name__:<17} backward agrees with central differences: {report.ok}")
    assert report.ok

far = np.array([-800.0, 800.0])
with np.errstate(over="ignore"):
    print(f"at -800 and 800: ln(1 + e^a) is {definitions[softplus_forward](far)}, in the stable form {softplus(far)}")
    assert np.isinf(definitions[softplus_forward](far[1]))
assert np.array_equal(softplus(far), [0, 800]) and np.array_equal(sigmoid(far), [0, 1])

# %% [markdown]
# **A network** is the alternation **[MLP.1]** $h_0=x,\; h_i=\mathrm{act}(h_{i-1}W_i+b_i),\; y=h_{n-1}W_n+b_n$, without activation at the end.
# With $a_i=h_{i-1}W_i+b_i$ the backward pass **[MLP.2]** is the same list read from the end:
# $$ da_n=dy,\qquad dW_i=h_{i-1}^\top da_i,\quad db_i=\textstyle\sum_n da_{i,n},\quad dh_{i-1}=da_iW_i^\top,\quad da_{i-1}=dh_{i-1}\odot
# \mathrm{act}'(a_{i-1}). $$
# Every arrow runs twice, except the two that leave x, which is data: the values go forward (solid), their derivatives come back (dashed). W stands for a weight matrix and
# its bias; what flows into a dense box from behind makes $dW$ there.

# %%
places = {
    "x": 0,
    "dense1": 2,
    "tanh1": 4,
    "dense2": 6,
    "h": 8,
    "dense3": 8,
    "tanh2": 6,
    "dense4": 4,
    "x_hat": 2,
    "error": 0,
}
kinds = {"x": "observed", "h": "latent", "x_hat": "value", "error": "operation"}
texts = {"x": "x", "h": "h", "x_hat": r"$\hat x$", "error": "error"}
nodes = {}
for name, across in places.items():
    down = -2.2 if name in ("dense3", "tanh2", "dense4", "x_hat", "error") else 0
    text = texts.get(name, f"dense {name[-1]}" if "dense" in name else "tanh")
    nodes[name] = across, down, text, kinds.get(name, "operation")
steps = list(places)
arrows = [*pairwise(steps), ("x", "error")]
labels = {"error": r"$d\hat x$", "dense3": r"$dh$"}
arrows += [(after, before, labels.get(after, ""), "backward") for before, after in pairwise(steps[1:])]
ax = graph(nodes, arrows, ax=plt.subplots(figsize=(8.5, 3.8))[1])
ax.text(0.15, -1.1, "target", va="center", fontsize=15)
ax.set_title("Forward and back through an auto-encoder")
plt.show()

# %% [markdown]
# In the code `network` holds the names of the layers and their activation. Every dW and db is *added* to `dparams`, which has an array for each
# weight; `empty` lends one to which nothing has been added yet, so that the product is written straight into it. Without `dparams` only dx is
# computed.

# %%
show(mlp_forward, mlp_backward)

# %% [markdown]
# Encoder, decoder and error make one scalar loss. A batch is a pair, images and labels; the labels are not used. `noise`, which is added to the
# input, and the penalties have their turn in 03. Beside the loss, forward returns its `terms` for each datum; in backward, `weigh` gives each term
# its weight (`weights` may replace them), `gradients` is an empty array for every weight, and `flat` makes one vector of them.

# %%
show(AutoEncoder.loss_forward, AutoEncoder.loss_backward)

# %% [markdown]
# Here is the picture by hand, in NumPy, with the list above read from the end. The package must return the same numbers, and central differences
# of the loss, which know nothing of either, must agree.

# %%
small, x = AutoEncoder(6, 2, hidden=(5,)), rng.standard_normal((7, 6))
small.theta += 0.1 * rng.standard_normal(small.theta.size)
p = small.params
h1 = np.tanh(x @ p["encoder.0.W"] + p["encoder.0.b"])
h = h1 @ p["encoder.code.W"] + p["encoder.code.b"]
h3 = np.tanh(h @ p["decoder.0.W"] + p["decoder.0.b"])
x_hat = h3 @ p["decoder.out.W"] + p["decoder.out.b"]
loss = ((x_hat - x) ** 2).sum(1).mean()

dx_hat = 2 * (x_hat - x) / len(x)
da3 = dx_hat @ p["decoder.out.W"].T * (1 - h3**2)
dh = da3 @ p["decoder.0.W"].T
da1 = dh @ p["encoder.code.W"].T * (1 - h1**2)
by_hand = {
    "encoder.0.W": x.T @ da1, "encoder.0.b": da1.sum(0), "encoder.code.W": h1.T @ dh, "encoder.code.b": dh.sum(0),
    "decoder.0.W": h.T @ da3, "decoder.0.b": da3.sum(0), "decoder.out.W": h3.T @ dx_hat, "decoder.out.b": dx_hat.sum(0),
}  # fmt: skip
package_loss, package_gradient = small.loss_and_grad(x)
assert abs(loss - package_loss) < 1e-13
assert np.abs(np.concatenate([by_hand[name].ravel() for name in small.shapes]) - package_gradient).max() < 1e-13
report = check_model(small, x)
print(
    f"auto-encoder 6-5-2-5-6, {small.theta.size} weights: by hand and by the package alike; check passed: {report.ok}"
)
assert report.ok and small.theta.size == (6 + 1) * 5 + (5 + 1) * 2 + (2 + 1) * 5 + (5 + 1) * 6

# %% [markdown]
# ## 3. The bottleneck, and how too much capacity copies
#
# *Items: D2-6, D2-13, D3-4.*
# *Short path.*
#
# A bottleneck much smaller than the input makes the task non-trivial (D2); an encoder and decoder with too much capacity copy (D3).
#
# Take K = 80 code units for D = 64 pixels, and an encoder V of *random* numbers that is never trained. Only the decoder is fitted to it:
# $U=(V^\top V)^{-1}V^\top$.
#
# **Predict first:** digits go through, then images of pure noise. What are their errors?

# %% tags=["answer"]
V_wide = rng.standard_normal((80, 64))
U_wide = np.linalg.solve(V_wide.T @ V_wide, V_wide.T)
noise_images = rng.random((100, 64))
copy_digits = np.abs(X_test @ V_wide.T @ U_wide.T - X_test).max()
copy_noise = np.abs(noise_images @ V_wide.T @ U_wide.T - noise_images).max()
print(f"largest pixel error: on digits {'below' if copy_digits < 1e-11 else 'above'} 1e-11,", end=" ")
print(f"on noise {'below' if copy_noise < 1e-11 else 'above'} 1e-11")
assert max(copy_digits, copy_noise) < 1e-11

# %% [markdown] tags=["answer"]
# Both are zero up to rounding.

# %% [markdown]
# For $K\ge D$ and any V of rank D, $V^\top V$ is invertible, and $UV=(V^\top V)^{-1}V^\top V=I$. D2: "This isn't very interesting." A perfect
# reconstruction says nothing about the code.
#
# A small K alone does not prevent copying if the two networks can compute anything. One number is enough: let the encoder answer with the *number
# of the nearest training image*, and the decoder look that image up. K = 1, and the training error is exactly zero.


# %%
def number_of_nearest(images):
    """The code: one number, the row of the nearest training image."""
    distance = (images**2).sum(1)[:, None] - 2 * images @ X_train.T + (X_train**2).sum(1)
    return distance.argmin(1)


brute = [np.argmin([((image - known) ** 2).sum() for known in X_train]) for image in X_test[:20]]
assert np.array_equal(number_of_nearest(X_test[:20]), brute)
table_train = mean_error(X_train[number_of_nearest(X_train)], X_train)
print(f"table of training images, K = 1: training error {table_train:.4f}")
assert table_train == 0

# %% [markdown]
# **Predict first:** is its error on held-out digits above or below that of PCA with K = 2? (The mean image, K = 0, has 4.65.)

# %% tags=["answer"]
pca2 = PCA(2).fit(X_train)
table_test = mean_error(X_train[number_of_nearest(X_test)], X_test)
pca_test = mean_error(pca2.inverse_transform(pca2.transform(X_test)), X_test)
print(f"held-out error: table, K = 1: {table_test:.3f}; PCA, K = 2: {pca_test:.3f}")
differences = squared_error_forward(pca2.inverse_transform(pca2.transform(X_test)), X_test)[0]
differences = differences - squared_error_forward(X_train[number_of_nearest(X_test)], X_test)[0]
mean, error = mean_and_error(differences)
print(f"PCA - table, paired over the {len(X_test)} digits: {mean:.2f} ± {error:.2f} (standard error)")
assert np.isclose(mean, pca_test - table_test)
assert mean > 6 * error and table_test > 0.5 and pca2.components_.shape == (2, 64)
assert abs(mean_error(np.broadcast_to(X_train.mean(0), X_test.shape), X_test) - 4.65) < 0.005

# %% [markdown] tags=["answer"]
# The table copies its training set and *still* does better than PCA on new digits: among 1438 similar images a nearest neighbour is a strong
# method. Two lessons: training error must not be reported as the quality of a code, and the number of code dimensions does not measure what
# a code can hold.

# %% [markdown]
# What limits copying is the capacity of the networks, or a penalty (03), or noise in the code (the VAE).
#
# ## 4. The linear auto-encoder
#
# *Items: D2-11, D2-12, D2-14.*
#
# The simplest auto-encoder has one hidden layer, linear activations and squared error; it computes $\tilde x=UVx$ (D2). With K < D, V reduces
# the dimension and the output lies in the column space of U: $Vx=h\in\mathbb R^K$, and $U h=\sum_k h_k u_k$ is a combination of the K columns of U.
# So all outputs lie in a subspace of dimension at most K, whatever x is.
#
# The slide leaves the biases out. With them, $\hat x=U(Vx+a)+c$. For fixed U, V the error is least where the mean residual is zero,
# $Ua+c=\langle x\rangle-UV\langle x\rangle$, whence $\hat x-\langle x\rangle=UV(x-\langle x\rangle)$: biases do nothing but centre the data.
# From section 5 on "x" is centred in the formulas.

# %%
linear = AutoEncoder(64, 2)
A, B = linear.params["encoder.code.W"], linear.params["decoder.out.W"]
outputs = linear.decode(linear.encode(X_test))
by_hand = X_test @ A @ B  # UVx in rows; fresh biases are zero
basis = np.linalg.qr(B.T)[0]  # an orthonormal basis of the column space of U
assert np.abs(outputs - by_hand).max() < 1e-12
assert np.abs(outputs - outputs @ basis @ basis.T).max() < 1e-12 and np.linalg.matrix_rank(outputs) == 2
print(
    "decode(encode(x)) is UVx and lies in the column space of U; rank of all outputs:", np.linalg.matrix_rank(outputs)
)

mean_image = X.mean(0)
linear.params["decoder.out.b"][...] = mean_image - mean_image @ A @ B
best_loss, gradient = linear.loss_and_grad(X)
d_bias = gradient[-64:]  # the last of the weights is the bias c
linear.params["decoder.out.b"][...] += 0.01
print(f"derivative by the bias at the best shift is zero up to rounding: {np.abs(d_bias).max() < 1e-12}")
assert np.abs(d_bias).max() < 1e-12
assert np.isclose(best_loss, (((X - mean_image) - (X - mean_image) @ A @ B) ** 2).sum(1).mean(), rtol=1e-12)
assert np.isclose(linear.loss_and_grad(X)[0] - best_loss, 64 * 0.01**2), "any other shift c + d costs |d|^2 more"

# %% [markdown]
# ## 5. The linear auto-encoder is PCA
#
# *Items: D2-15, D2-16, D2-17.*
# *Short path.*
#
# D2: linear auto-encoders with squared error are equivalent to PCA; the least reconstruction error and the greatest projected variance are
# one problem; the optimal subspace is spanned by the dominant eigenvectors of the empirical covariance. (Bourlard and Kamp, 1988.)
#
# **Step 1: U decides.** Let $P_U$ be the orthogonal projector on the column space of U. For any V, $x-UVx=(x-P_Ux)+(P_Ux-UVx)$; the first part is
# orthogonal to the column space, the second lies in it, so by Pythagoras
# $$ \lVert x-UVx\rVert^2=\lVert x-P_Ux\rVert^2+\lVert P_Ux-UVx\rVert^2\;\ge\;\lVert x-P_Ux\rVert^2, $$
# with equality for all data iff $UVx=P_Ux$ for all data, as $V=U^+=(U^\top U)^{-1}U^\top$ achieves for U of rank K.
#
# **Step 2: two formulations.** Again by Pythagoras $\lVert x\rVert^2=\lVert P_Ux\rVert^2+\lVert x-P_Ux\rVert^2$. The mean over the data, with
# $\Sigma=\frac1N\sum_n x_nx_n^\top$ and Q an orthonormal basis ($P_U=QQ^\top$):
# $$ \underbrace{\tfrac1N\sum_n\lVert x_n-P_Ux_n\rVert^2}_{\text{reconstruction
# error}}=\operatorname{tr}\Sigma-\underbrace{\operatorname{tr}(Q^\top\Sigma Q)}_{\text{projected variance}}. $$
# The total tr Σ is fixed, so the least error and the greatest variance have the same solution.
#
# **Step 3: eigenvectors.** Let $\Sigma=\sum_i\lambda_i e_ie_i^\top$, $\lambda_1\ge\lambda_2\ge\dots$, and $c_i=\lVert Q^\top e_i\rVert^2$. Then
# $$ \operatorname{tr}(Q^\top\Sigma Q)=\sum_i\lambda_i c_i,\qquad 0\le c_i\le1,\qquad \sum_i c_i=\operatorname{tr}(QQ^\top)=K. $$
# $c_i\le 1$ since a projection does not lengthen $e_i$. With K units of weight to give, at most 1 to each, the sum is largest when the K largest
# eigenvalues get 1 each. So the maximum is $\lambda_1+\dots+\lambda_K$, reached iff Q spans $e_1,\dots,e_K$ (uniquely if
# $\lambda_K>\lambda_{K+1}$), and
# $$ \text{least mean error}=\lambda_{K+1}+\dots+\lambda_D. $$
#
# In the code, `fit_data` and `more_data` check the shape and turn the data into float64, and `eigen` returns the mean, the eigenvalues in
# descending order and the eigenvectors in rows.

# %%
show(PCA)

# %%
pca = PCA(2).fit(X)
centred = X - pca.mean_
Sigma = centred.T @ centred / len(X)
lam, vectors = np.linalg.eigh(Sigma)
lam, vectors = lam[::-1], vectors[:, ::-1]
P = pca.components_.T @ pca.components_
direct = ((centred - centred @ P) ** 2).sum(1).mean()
two_forms = np.trace(Sigma) - np.trace(pca.components_ @ Sigma @ pca.components_.T)
print(f"mean error of PCA, K = 2:           {direct:.6f}")
print(f"total - projected variance:         {two_forms:.6f}")
print(f"sum of the trailing 62 eigenvalues: {lam[2:].sum():.6f}")
assert abs(direct - lam[2:].sum()) < 1e-12 and abs(two_forms - lam[2:].sum()) < 1e-12
assert round(lam[2:].sum(), 6) == 3.355253 and np.abs(pca.eigenvalues_ - lam).max() < 1e-12

U, V = rng.standard_normal((64, 2)), rng.standard_normal((2, 64))  # step 1 for a U and V that know nothing
Q = np.linalg.qr(U)[0]
inside, to_plane = ((centred @ Q @ Q.T - centred @ V.T @ U.T) ** 2).sum(1), ((centred - centred @ Q @ Q.T) ** 2).sum(1)
assert np.allclose(((centred - centred @ V.T @ U.T) ** 2).sum(1), to_plane + inside)
assert np.allclose(np.linalg.pinv(U).T @ U.T, Q @ Q.T), "with V = U+, UV projects"
c = ((vectors.T @ Q) ** 2).sum(1)
assert np.isclose(np.trace(Q.T @ Sigma @ Q), c @ lam) and np.isclose(to_plane.mean(), np.trace(Sigma) - c @ lam)

captured = []
for _ in range(60):  # climb from this plane: multiply by the covariance, make orthonormal again
    captured.append(np.trace(Q.T @ Sigma @ Q))
    Q = np.linalg.qr(Sigma @ Q)[0]
print(
    f"projected variance of a random plane {captured[0]:.2f}, after climbing {captured[-1]:.6f};",
    f"lambda_1 + lambda_2 = {lam[:2].sum():.6f}",
)
assert np.diff(captured).min() > -1e-12 and abs(captured[-1] - lam[:2].sum()) < 1e-6

# %% [markdown]
# **Does gradient descent find it?** The auto-encoder starts at random weights and knows nothing of eigenvectors.
#
# **Predict first:** after training, which will agree with PCA: the code h? the matrix UV? the reconstructions UVX?

# %% tags=["answer"]
few = X[:300]
pca_few = PCA(2).fit(few)
PX, P_few = pca_few.inverse_transform(pca_few.transform(few)), pca_few.components_.T @ pca_few.components_
few_centred = few - few.mean(0)
null_few = np.linalg.svd(few_centred)[2][
    np.linalg.matrix_rank(few_centred) :
]  # directions in which none of these digits varies
for seed in (0, 1, 2):
    trained = AutoEncoder(64, 2, seed=seed)
    A, B = trained.params["encoder.code.W"], trained.params["decoder.out.W"]
    A_start = A.copy()
    trained.fit(few, epochs=2000, batch_size=len(few), optimizer=Adam(0.1), decay=True, progress=False)
    excess = trained.reconstruction_error(few) / pca_few.reconstruction_error_ - 1
    outputs = np.abs(trained.decode(trained.encode(few)) - PX).max()
    matrices = np.linalg.norm(A @ B - P_few)
    codes = np.abs(trained.encode(few) - pca_few.transform(few)).max()
    print(
        f"seed {seed}: loss above PCA's by less than {10 ** np.ceil(np.log10(max(excess, 1e-9))):.0e} of it;", end=" "
    )
    print(f"|UVX - PX| below .01: {outputs < 1e-2}, norm of UV - P {matrices:.1f}, largest |h - scores| {codes:.0f}")
    assert -1e-12 < excess < 1e-6  # at the minimum rounding decides the sign
    assert outputs < 1e-2 and min(matrices, codes) > 0.5
    h, scores = trained.encode(few) - trained.encode(few).mean(0), pca_few.transform(few)
    R = np.linalg.lstsq(scores, h, rcond=None)[0]
    assert np.abs(scores @ R - h).max() < 1e-2 * np.abs(h).max(), "the code is a linear function of PCA's"
    assert np.abs(null_few @ (A - A_start)).max() < 1e-12, "off the span of the data the encoder has never moved"
    assert abs(np.linalg.norm(null_few @ A_start @ B) / matrices - 1) < 0.01, "and nearly all of UV - P lies there"

# %% [markdown] tags=["answer"]
# Only the reconstructions. The loss and the outputs are PCA's, the matrix and the code are not.

# %% [markdown]
# **What remains free, and a caution about "equivalent".** *A nuance to D2 (E33):* the *subspace* is PCA's; the factors are another matter,
# for two reasons.
#
# 1. For any invertible K × K matrix R, $(UR^{-1})(RV)=UV$: codes are determined up to R, and need be neither orthogonal nor sorted.
# 2. V acts on data only. If n is orthogonal to all (centred) data, $V+a\,n^\top$ gives the same codes. Pixels that never change make such directions.
#    The gradient by V has no part along them, so V keeps there what it had at the start, and UV is undetermined off the span of the data.
#    **Compare UVX with PX, not UV with P.**

# %%
rank = np.linalg.matrix_rank(centred)
null = np.linalg.svd(centred, full_matrices=True)[2][rank:]  # directions in which no digit varies
U, V = pca.components_.T, pca.components_
R = rng.standard_normal((2, 2))
U_free, V_free = U @ np.linalg.inv(R), R @ (V + rng.standard_normal((2, len(null))) @ null)
same_outputs = np.abs(centred @ V_free.T @ U_free.T - centred @ P).max()
print(
    f"{len(null)} directions without variance; another U and V: |UVX - PX| below 1e-12: {same_outputs < 1e-12}, ",
    end="",
)
print(f"norm of UV - P {np.linalg.norm(U_free @ V_free - P):.1f}")
assert len(null) == 3 and same_outputs < 1e-12
assert np.linalg.norm(U_free @ V_free - P) > 0.5

# %% [markdown]
# ## 6. Other sets of eigenvectors
#
# *Items: D2-17.*
#
# The loss is not convex in (U, V). Why does descent not stop at a wrong pair of eigenvectors? In rows, $\hat x=xAB$. Put K eigenvectors of Σ as
# columns into Q, and $A=Q$, $B=Q^\top$. Any data of mean zero and covariance Σ have the same loss, so 128 points, $\pm\sqrt{64\lambda_i}\,e_i$, stand
# for the 1797 digits.

# %%
points = (vectors * np.sqrt(64 * np.maximum(lam, 0))).T
points = np.concatenate([points, -points])
assert np.abs(points.T @ points / 128 - Sigma).max() < 1e-12


def at_eigenvectors(Q):
    """A linear auto-encoder with the columns of Q as encoder, Q transposed as decoder, and no biases."""
    model = AutoEncoder(64, 2)
    model.theta[...] = 0
    model.params["encoder.code.W"][...] = Q
    model.params["decoder.out.W"][...] = Q.T
    return model


def hessian(model, step=1e-4):
    """All second derivatives of the loss, from differences of the gradient that backpropagation returns."""
    theta, H = model.theta.copy(), []
    for i in range(len(theta)):
        model.theta[i] = theta[i] + step
        above = model.loss_and_grad(points)[1].copy()
        model.theta[i] = theta[i] - step
        H.append((above - model.loss_and_grad(points)[1]) / (2 * step))
        model.theta[i] = theta[i]
    return (np.array(H) + np.array(H).T) / 2


# %% [markdown]
# **Predict first:** eigenvectors 1 and 3 are in the weights. How large is the gradient that backpropagation returns? Along how many directions of
# the 322-dimensional space of weights does the loss curve downwards? And with eigenvectors 5 and 8?

# %% tags=["answer"]
for chosen in ([0, 1], [0, 2], [4, 7]):
    model = at_eigenvectors(vectors[:, chosen])
    loss, gradient = model.loss_and_grad(points)
    curvatures = np.linalg.eigvalsh(hessian(model))
    missed = [(i, j) for i in chosen for j in range(64) if j not in chosen and lam[j] > lam[i]]
    blocks = sorted(np.linalg.eigvalsh(2 * np.array([[lam[j], -lam[j]], [-lam[j], lam[i]]]))[0] for i, j in missed)
    down, up = curvatures[curvatures < -1e-6], curvatures[curvatures > 1e-6]
    print(
        f"eigenvectors {[k + 1 for k in chosen]}: loss {loss:.4f}, gradient zero: {np.abs(gradient).max() < 1e-13}; ",
        end="",
    )
    print(f"downwards {len(down)} directions, upwards {len(up)}")
    assert np.abs(gradient).max() < 1e-13 and abs(loss - (lam.sum() - lam[chosen].sum())) < 1e-12
    assert len(down) == len(missed) and np.allclose(down, blocks, atol=1e-8), "the blocks of the derivation below"
    assert len(up) > 200, "no maximum"

# %% [markdown] tags=["answer"]
# The gradient is zero every time. At {1, 3} one direction leads down, at {5, 8} ten, at {1, 2} none; and at all of them many lead up.

# %% [markdown] tags=["answer"]
# **The gradients vanish.** $\partial L/\partial A=2\,\Sigma(AB-I)B^\top$ and $\partial L/\partial B=2A^\top\Sigma(AB-I)$. With $\Sigma Q=Q\Lambda$,
# $(QQ^\top-I)Q=0$ and $Q^\top\Sigma(QQ^\top-I)=\Lambda Q^\top(QQ^\top-I)=0$: zero for *any* choice of eigenvectors.
#
# **The curvature.** Change A by $dA$ and B by $dB$. The error matrix $I-AB$ changes by $-(dA\,B+A\,dB)-dA\,dB$, so to second order
# $$ dL=\operatorname{tr}\big[(dA\,B+A\,dB)^\top\Sigma\,(dA\,B+A\,dB)\big]-2\operatorname{tr}\big[(I-QQ^\top)\,\Sigma\,dA\,dB\big]. $$
# Write both in the basis of eigenvectors. Let $i$ be the eigenvector of code unit k, and $j$ one that is not in Q; let a be the entry of $dA$
# that sends $e_j$ to unit k, and b the entry of $dB$ that sends unit k to $e_j$. Then $dA\,B$ has a at $(j,i)$, $A\,dB$ has b at $(i,j)$, row r is
# weighted by $\lambda_r$, and the second trace is $\lambda_j\,ab$. So each pair $(i,j)$ is a form of its own,
# $$ dL=\lambda_j\,a^2-2\lambda_j\,ab+\lambda_i\,b^2,\qquad\text{determinant } \lambda_j(\lambda_i-\lambda_j), $$
# and the rest (entries within Q) is a sum of squares. Along a alone the loss rises, by $\lambda_ja^2$: **never a maximum.** If
# $\lambda_j>\lambda_i$ the determinant is negative: one direction leads down. **Every wrong set is a saddle, with as many directions downwards as
# there are pairs of a chosen and a larger unchosen eigenvalue**; only the dominant set has none. For {5, 8}: four for the 5 and six for the 8.
# The step $a=b=t$ turns $e_i$ towards $e_j$ and changes the loss by $-(\lambda_j-\lambda_i)t^2$. (Baldi and Hornik, 1989, prove that there are no
# other minima at all.)


# %%
def turned(t, i, j, other):
    """Eigenvector i turned by t towards eigenvector j, beside another one."""
    return np.column_stack([vectors[:, other], np.cos(t) * vectors[:, i] + np.sin(t) * vectors[:, j]])


def loss_at(Q):
    """The loss of the package with these columns in the weights."""
    return at_eigenvectors(Q).loss_and_grad(points)[0]


angles = np.linspace(-np.pi / 2, np.pi / 2, 61)
down, up = ([loss_at(turned(t, 2, j, 0)) for t in angles] for j in (1, 5))
for losses, j in ((down, 1), (up, 5)):
    assert np.allclose(losses, lam.sum() - lam[0] - lam[2] - (lam[j] - lam[2]) * np.sin(angles) ** 2, rtol=1e-12)
one, two = turned(0.3, 2, 1, 0).T @ turned(0.7, 2, 1, 0)[:, 1], np.cos(0.4)
assert np.allclose(one, [0, two]), "a turn by .3 and one by .7 are .4 apart"

ax = plt.subplots(figsize=(8, 4.5))[1]
ax.plot(angles, down)
ax.plot(angles, up, ls="--")
ax.plot(0, loss_at(turned(0, 2, 1, 0)), "ko", ms=9)
ax.text(0.85, up[50] - 0.005, "3 turned\ntowards 6", ha="right", va="bottom")
ax.text(0.85, down[50] + 0.03, "3 turned\ntowards 2", ha="left", va="bottom")
ax.set(xlabel="angle (radians)", ylabel="mean squared error", title="A saddle: eigenvectors 1 and 3 in the weights")
plt.show()

# %% [markdown]
# Now start the training a hair's breadth from the saddle {3, 5}: noise of standard deviation 0.0001 on all weights, three seeds.
#
# **Predict first:** does it stay there? If it leaves, does the loss fall steadily?

# %% tags=["answer"]
escapes = []
saddle, floor = lam.sum() - lam[[2, 4]].sum(), lam[2:].sum()
for seed in (0, 1, 2):
    model, adam, curve = at_eigenvectors(vectors[:, [2, 4]]), Adam(0.001), []
    model.theta += 1e-4 * np.random.default_rng(seed).standard_normal(model.theta.size)
    for _ in range(400):
        loss, gradient = model.loss_and_grad(points)
        curve.append(loss)
        adam.step(model.theta, gradient)
    escapes.append(curve)
    half = np.argmax(np.array(curve) < (saddle + floor) / 2)
    print(
        f"seed {seed}: start {curve[0]:.3f} (saddle {saddle:.3f}), half way down after {half} steps,",
        f"end {curve[-1]:.2f} (PCA {floor:.2f})",
    )
    assert abs(curve[0] - saddle) < 1e-3 and 0 < curve[-1] / floor - 1 < 0.01
    fell = -np.diff(curve)
    assert (
        np.isclose(fell.sum(), curve[0] - curve[-1]) and curve[half - 1] > saddle - (saddle - floor) / 2 > curve[half]
    )
    assert fell[:10].mean() < 0.25 * fell.max(), "slow at first: the slope grows with the distance from the saddle"
ax = plt.subplots(figsize=(8, 4.5))[1]
for curve, style in zip(escapes, ("-", "--", ":")):
    ax.plot(curve, ls=style)
ax.axhline(floor, color="black", lw=1.2)
ax.text(5, floor + 0.015, "PCA", ha="left", va="bottom")
ax.set(xlabel="training step", ylabel="mean squared error", title="From the saddle {3, 5} towards the minimum, three seeds")
plt.show()

# %% [markdown] tags=["answer"]
# It leaves every time, slowly first and then fast: near a saddle the slope is proportional to the distance from it.

# %% [markdown]
# ## 7. Eigen-digits
#
# *Items: D2-18.*
#
# D2 shows "eigenfaces": each eigenvector of the covariance of face images is itself an image. With our digits they are eigen-digits, and
# every digit is the mean plus a sum of them, $x=\langle x\rangle+\sum_k z_k e_k$. They are no prototypes of digits: they have negative pixels, and
# the sign of each is free.
#
# **Predict first:** which error remains with 61 eigen-digits? With 60?

# %% tags=["answer"]
for K in (2, 10, 60, 61):
    model = PCA(K).fit(X)
    error = mean_error(model.inverse_transform(model.transform(X)), X)
    assert abs(error - lam[K:].sum()) < 1e-12
    print(f"K = {K:2d}: mean error {error:.7f}, of that of K = 2 {error / 3.355253:.7f}")
    assert (error > 1e-20) == (K < 61)
assert 1e-7 < lam[60] < 1e-5 and abs(lam[61]) < 1e-12

# %% [markdown] tags=["answer"]
# With 61 none; with 60 almost none. The three remaining directions are those in which no digit varies.

# %%
leading = PCA(10).fit(X)
z = leading.transform(X[:3])
rebuilt = [leading.mean_ + sum(z[n, k] * leading.components_[k] for k in range(10)) for n in range(3)]
assert np.allclose(rebuilt, leading.inverse_transform(z)) and np.allclose(
    leading.components_ @ leading.components_.T, np.eye(10)
)
assert (leading.components_.min(1) < 0).all() and (leading.components_.max(1) > 0).all()
images = leading.components_ / np.abs(leading.components_).max(1, keepdims=True)
assert np.abs(images).max() == np.abs(images).max(1).min() == 1
ax = image_grid(0.5 + 0.5 * images, n_columns=5, ax=plt.subplots(figsize=(8, 3.7))[1])
ax.set_title("Eigen-digits 1 to 10 (mid-grey is zero)")
plt.show()

# %% [markdown]
# ## 8. Deep auto-encoders: a curved manifold instead of a subspace
#
# *Items: D2-19, D2-20.*
#
# D2: deep nonlinear auto-encoders learn to project the data not onto a subspace but onto a nonlinear manifold; this manifold is the image of
# the decoder.
#
# All outputs are $\{H(h):h\in\mathbb R^K\}$. Near a code, $H(h+\delta)\approx H(h)+J\delta$ with J of shape D × K, so
# the image has at most K directions: as thin as a subspace of dimension K, but free to bend. (With K = 1 it is a curve, and it may cross itself.)
#
# **Predict first:** the data lie along a bent curve in the plane, K = 1. PCA returns for each datum the *nearest* point of its line. Does a trained
# deep auto-encoder return the nearest point of its curve?

# %% tags=["answer"]
banana = synthetic("banana", 600, seed=0)
line = PCA(1).fit(banana)
on_line = line.inverse_transform(line.transform(banana))
top = banana[:, 1].argmax()
t = np.linspace(-20, 20, 40001)[:, None]
nearest_line = min(((line.inverse_transform(t) - banana[top]) ** 2).sum(1))
assert abs(nearest_line - ((on_line[top] - banana[top]) ** 2).sum()) < 1e-6, (
    "PCA projects: its output is the nearest point of the line"
)
bents, misses, trained_on = [], [], []
for seed in (0, 1, 2):
    bent = AutoEncoder(2, 1, hidden=(32, 32), seed=seed)
    bent.fit(banana, epochs=150, batch_size=50, optimizer=Adam(0.01), decay=True, progress=False)
    codes = bent.encode(banana)
    curve = bent.decode(np.linspace(codes.min(), codes.max(), 2000)[:, None])
    own = mean_error(bent.decode(codes), banana)
    beyond = 0.3 * np.ptp(codes)  # the nearest point may lie beyond the codes
    longer = bent.decode(np.linspace(codes.min() - beyond, codes.max() + beyond, 4000)[:, None])
    nearest = np.mean([((longer - point) ** 2).sum(1).min() for point in banana])
    bents.append(curve)
    misses.append(own / nearest - 1)
    later = bent.copy()
    encoder = slice(0, sum(int(np.prod(s)) for name, s in later.shapes.items() if name.startswith("encoder")))
    adam = Adam(3e-3)  # the decoder held, the encoder alone trained on
    for step in range(3000):
        adam.lr = 3e-3 if step < 1500 else 1e-3
        gradient = np.zeros_like(later.theta)
        gradient[encoder] = later.loss_and_grad(banana)[1][encoder]
        adam.step(later.theta, gradient)
    trained_on.append(mean_error(later.decode(later.encode(banana)), banana) / nearest - 1)
    assert 0 < trained_on[-1] < 0.6 * misses[-1]
    print(
        f"seed {seed}: error of PCA {line.reconstruction_error_:.2f}, deep {own:.3f}, {misses[-1]:.1%} above nearest; ",
        end="",
    )
    print(f"{banana[top].round(1)} becomes {on_line[top].round(1)} by PCA, {bent.decode(codes)[top].round(1)} here")
    assert own < 0.1 * line.reconstruction_error_
mean, error = mean_and_error(misses)
print("with the decoder held and the encoder trained on:", ", ".join(f"{miss:.1%}" for miss in trained_on), "above nearest")
assert mean > 3 * error and mean < 0.1

# %% [markdown] tags=["answer"]
# PCA projects: its output is the nearest point of the line, however far away. The network's answer lies near the datum, but is not quite the nearest
# point of its curve: the mean error is a few per cent above that of the nearest points. For a fixed decoder the loss *is* least
# when the encoder returns the nearest point, as in step 1 of section 5; with the decoder held, the encoder comes nearer. So "project" holds of the
# optimum, not of every trained network.

# %%
ax = plt.subplots(figsize=(8, 4.8))[1]
ax.plot(*banana.T, "o", ms=4, color="#AAAAAA", label="data")
ends = line.inverse_transform(np.array([[-6.0], [6.0]]))
ax.plot(*ends.T, ls="--", color="#D55E00", label="PCA, K = 1")
ax.plot(*bents[0].T, color="#0072B2", label="image of the deep decoder, K = 1")
ax.set(xlabel="x1", ylabel="x2", title="A subspace and a manifold of the same dimension")
ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# ## 9. Better codes than PCA at the same dimension
#
# *Items: D2-21.*
#
# D2: nonlinear auto-encoders can learn more powerful codes for a given dimensionality than PCA. The weight lies on "can": by section 5 PCA
# is the best *linear* map, so a network that can represent it loses nothing in principle, but nothing guarantees that training finds it or that
# it holds on new data. So the comparison is made on held-out digits, at K = 2, 5 and 10, with six trainings at K = 2 (which later sections use) and
# three at the others.
#
# **Predict first:** which share of PCA's error does the network make at K = 2? Does its advantage grow with K, shrink, or neither?

# %% tags=["answer"]
deep, shares = {}, {}
print("held-out mean squared error; the mean image has 4.65")
for K in (2, 5, 10):
    deep[K] = [AutoEncoder(64, K, hidden=(64, 32), seed=seed) for seed in range(6 if K == 2 else 3)]
    for network in deep[K]:
        network.fit(X_train, epochs=80, optimizer=Adam(0.006), decay=True, progress=False)
    model = PCA(K).fit(X_train)
    of_pca = squared_error_forward(model.inverse_transform(model.transform(X_test)), X_test)[0]
    of_deep = np.array(
        [squared_error_forward(network.decode(network.encode(X_test)), X_test)[0] for network in deep[K]]
    )
    assert np.allclose(of_deep.mean(1), [network.reconstruction_error(X_test) for network in deep[K]])
    shares[K] = of_deep.mean(1) / of_pca.mean()
    over_seeds = mean_and_error(shares[K])
    over_digits = mean_and_error(of_pca - of_deep.mean(0))
    print(
        f"K = {K:2d}: PCA {of_pca.mean():.2f}, deep/PCA {over_seeds[0]:.2f} ± {over_seeds[1]:.2f} (seeds); ",
        end="",
    )
    print(f"PCA - deep, paired over digits: {over_digits[0]:.2f} ± {over_digits[1]:.2f}")
    assert over_seeds[0] + 4 * over_seeds[1] < 1 and over_digits[0] > 6 * over_digits[1]
for K in (2, 10):
    (here, error), (at_five, error_five) = mean_and_error(shares[K]), mean_and_error(shares[5])
    assert here - at_five > 3 * np.hypot(error, error_five), "neither grows nor shrinks"

# %% [markdown] tags=["answer"]
# About three quarters, after 80 epochs, and this is no limit: 320 epochs (not run here, three seeds) gave .58, .49 and .53 at K = 2, 5 and 10. The
# advantage is real at each K and in these settings largest at K = 5; the order of K = 2 and 10 changes with the training.

# %% [markdown]
# The manifold itself: at each code J has two directions. Row d of J is what backpropagation returns as dx for $dy=$ the unit vector of pixel d;
# `None` leaves the weights alone.

# %%
auto = deep[2][0]
codes = auto.encode(X_test[:50])
_, cache = mlp_forward(codes, auto.params, auto.decoder)
J = np.stack([mlp_backward(np.tile(unit, (50, 1)), cache, None) for unit in np.eye(64)], axis=1)
for k, step in enumerate(1e-5 * np.eye(2)):
    assert np.allclose(J[:, :, k], (auto.decode(codes + step) - auto.decode(codes - step)) / 2e-5, atol=1e-8)
ranks = np.linalg.matrix_rank(J)
together = np.linalg.matrix_rank(J.transpose(1, 0, 2).reshape(64, -1), rtol=1e-3)
print(f"rank of J at 50 codes: {ranks.min()} to {ranks.max()}; at all of them together above 20: {together > 20}")
assert (ranks == 2).all() and together > 20

# %% [markdown]
# Two directions at each point, many more over all points: a surface that bends through the space of images (section 8).
#
# **Predict first:** the table of section 3 reached a lower error than the network with K = 2, and with K = 1. Does that make it the best code?

# %% tags=["answer"]
print(
    f"held-out error: table of training images (K = 1) {table_test:.2f}, deep (K = 2)",
    np.round(shares[2] * pca_test, 2),
)
step = 1 / (len(X_train) - 1)  # a step of 1 in the table, as a share of the range of its code
moved_table = np.abs(np.diff(X_train, axis=0)).sum(1)
assert moved_table.shape == (len(X_train) - 1,)
for network in deep[2]:
    codes = network.encode(X_train)
    moved = np.abs(network.decode(codes + step * np.ptp(codes, axis=0)) - network.decode(codes)).sum(1).mean()
    assert table_test < network.reconstruction_error(X_test)
    assert 0 < moved < 0.1 * moved_table.mean()
print(f"ink moved (sum over pixels of |change|) by {step:.4f} of the code's range: table {moved_table.mean():.0f}, deep (the last) {moved:.2f}")

# %% [markdown] tags=["answer"]
# It does not: neighbouring numbers mean unrelated images. Error is one virtue of a code; that near codes mean near images is another.

# %% [markdown]
# ## 10. Two dimensions to look at
#
# *Items: D2-7.*
#
# D2 names as the first use of an auto-encoder: map high-dimensional data to two dimensions for visualisation. Labels are used to judge and to draw,
# never in training. To put a number on it: the share of held-out digits whose nearest training neighbour *in the plane* has another label.
#
# **Predict first:** ten classes, two dimensions. Guess the error rates of PCA's plane and of the network's. (With all 64 pixels it is about 0.01,
# by chance 0.9.)


# %% tags=["answer"]
def neighbour_error(train, test):
    """The share of test points whose nearest training point has another label."""
    distance = ((test[:, None] - train[None]) ** 2).sum(-1)
    return float((y_train[distance.argmin(1)] != y_test).mean())


of_pca = neighbour_error(pca2.transform(X_train), pca2.transform(X_test))
of_deep = [neighbour_error(network.encode(X_train), network.encode(X_test)) for network in deep[2]]
of_pixels = float((y_train[number_of_nearest(X_test)] != y_test).mean())
shuffled = np.random.default_rng(0).permutation(len(X_train))
by_chance = neighbour_error(pca2.transform(X_train)[shuffled], pca2.transform(X_test))
mean, error = mean_and_error(of_deep)
print(
    f"1-nearest-neighbour error: PCA plane {of_pca:.2f}, all 64 pixels {of_pixels:.3f}, labels shuffled {by_chance:.2f}"
)
print(f"deep plane, six seeds: {np.round(of_deep, 2)}, mean {mean:.2f} ± {error:.2f} (standard error)")
assert mean + 4 * error < of_pca < by_chance - 0.2
assert of_pixels < 0.02 and min(of_deep) > 0.1 and abs(by_chance - 0.9) < 0.05

# %% [markdown] tags=["answer"]
# The network's plane is the better one, though how much better depends on the seed; and neither plane comes near the pixels.

# %% [markdown]
# Both planes, every second held-out digit as its numeral (even ones in the second colour, to tell neighbours apart):

# %%
planes = {"PCA": pca2.transform(X_test), "deep auto-encoder": auto.encode(X_test)}
fig, axes = plt.subplots(2, 1, figsize=(8, 10.5))
for ax, (name, plane) in zip(axes, planes.items()):
    for digit, (across, up) in zip(y_test[::2], plane[::2]):
        ax.text(
            across,
            up,
            str(int(digit)),
            ha="center",
            va="center",
            fontsize=16,
            color="black" if digit % 2 else "#D55E00",
        )
    (left, bottom), (right, top), pad = plane.min(0), plane.max(0), 0.04 * np.ptp(plane, axis=0)
    ax.set(xlim=(left - pad[0], right + pad[0]), ylim=(bottom - pad[1], top + pad[1]))
    ax.set(xlabel="h1", ylabel="h2", title=f"{name}, held-out digits")
plt.show()

# %% [markdown]
# ## 11. An auto-encoder defines no distribution
#
# *Items: D2-22.*
# *Short path.*
#
# D2: auto-encoders are not generative models, they do not define a distribution; and how is the latent dimension to be chosen? Three points.
#
# **(a) Nobody says where the codes lie.** Scale the code by c: encoder output times c, decoder input divided by c. Every reconstruction and the
# loss stay exactly the same, so the loss cannot prefer one. But $\mathcal N(0,I)$ fed to the decoder now means something else.

# %%
scaled = AutoEncoder(64, 2, hidden=(64, 32))
scaled.theta[...] = auto.theta
for name in ("encoder.code.W", "encoder.code.b"):
    scaled.params[name][...] *= 50
scaled.params["decoder.0.W"][...] /= 50
same = np.abs(scaled.decode(scaled.encode(X_test)) - auto.decode(auto.encode(X_test))).max()
codes = rng.standard_normal((500, 2))
spread = [float(model.decode(codes).var(0).sum()) for model in (auto, scaled)]
print(f"largest difference of reconstructions below 1e-12: {same < 1e-12}")
print(f"total variance of decoded N(0, I): {spread[0]:.1f} and {spread[1]:.3f}; of the reconstructions:", end=" ")
print(f"{auto.decode(auto.encode(X_test)).var(0).sum():.1f}")
assert same < 1e-12 and np.abs(scaled.loss_and_grad(X_test)[0] - auto.loss_and_grad(X_test)[0]) < 1e-12
assert np.allclose(scaled.encode(X_test), 50 * auto.encode(X_test))
assert spread[1] < 0.1 * spread[0]

fig, axes = plt.subplots(2, 1, figsize=(8, 4.6))
for ax, model, title in zip(axes, (auto, scaled), ("an auto-encoder", "the same one with its code scaled by 50")):
    rows = np.concatenate([model.decode(model.encode(X_test[:10])), model.decode(codes[:10])])
    image_grid(np.clip(rows, 0, 1), n_columns=10, ax=ax)
    ax.set_yticks([4, 13], ["reconstructions", "decoded N(0, I)"], fontsize=15)
    ax.set_title(title)
plt.show()

# %% [markdown]
# **(b) Even with a prior on h there is no density.** D2 says that p(x) = 0 almost everywhere. *A nuance to D2 (E34):* the decoded codes
# fill a set of volume zero, so the distribution of the outputs is singular and *has no density at all*; off the set nothing, on it no finite value.
# To see it, give a linear decoder a prior and noise, $x=Wh+b+\sqrt\eta\,\epsilon$ with $h\sim\mathcal N(0,I)$, and let the noise go. The density is
# $\mathcal N(b,C)$ with $C=WW^\top+\eta I$. (04 draws it; here are the digits, D = 64, K = 2.)
#
# **Predict first:** η falls by a factor of 10. By how many nats does ln p(x) change for x on the manifold? And for a real digit?

# %% tags=["answer"]
W = pca.components_.T * np.sqrt(pca.explained_variance_)
off = X[0]
on = pca.inverse_transform(pca.transform(X[:1]))[0]
distance2 = ((off - on) ** 2).sum()


def log_density(x, eta):
    """ln N(x; b, W W' + eta I), in nats."""
    C, r = W @ W.T + eta * np.eye(64), x - pca.mean_
    return -0.5 * (r @ np.linalg.solve(C, r) + np.linalg.slogdet(2 * np.pi * C)[1])


at_tenth = multivariate_normal(pca.mean_, W @ W.T + 0.1 * np.eye(64))
assert np.allclose([log_density(on, 0.1), log_density(off, 0.1)], at_tenth.logpdf([on, off]))
for eta in (1e-2, 1e-4, 1e-6):
    print(
        f"eta {eta:.0e} to {eta / 10:.0e}: on it {log_density(on, eta / 10) - log_density(on, eta):+.3f} nats, ",
        end="",
    )
    print(f"digit 0 of the set {log_density(off, eta / 10) - log_density(off, eta):+.3g}")
rise = log_density(on, 1e-8) - log_density(on, 1e-7)
assert abs(rise - (64 - 2) / 2 * np.log(10)) < 1e-4
eta = 1e-5
assert abs(-2 * eta * (log_density(off, eta) - log_density(on, eta)) / distance2 - 1) < 1e-6

# %% [markdown] tags=["answer"]
# On the manifold it rises by $31\ln10=71.4$ nats each time, without end; off it, it falls ever faster.

# %% [markdown]
# C has K eigenvalues $s_k^2+\eta$, with $s_k^2$ those of $WW^\top$, and $D-K$ eigenvalues η. With dist the distance of x from the manifold,
# $$ \ln p(x)=-\frac{\mathrm{dist}^2}{2\eta}-\frac{D-K}{2}\ln\eta+O(1)\qquad(\eta\to0): $$
# to −∞ off the manifold, to +∞ on it.
#
# **(c) The error does not choose K.** A subspace of dimension K + 1 contains the best one of dimension K, so PCA's error can never rise with K, not
# even on held-out data. In the coordinates $z_k$ along all eigenvectors, the error with K of them is $\sum_{k>K}z_k^2$.

# %%
full = PCA(64).fit(X_train)
held_out = ((X_test - full.mean_) ** 2).sum(1).mean() - np.cumsum((full.transform(X_test) ** 2).mean(0))
print(
    "held-out error of PCA at K = 1, 2, 5, 10, 20, 40:",
    " ".join(f"{held_out[k - 1]:.3f}" for k in (1, 2, 5, 10, 20, 40)),
)
for K in (1, 2, 5, 20, 40):
    model = PCA(K).fit(X_train)
    assert abs(mean_error(model.inverse_transform(model.transform(X_test)), X_test) - held_out[K - 1]) < 1e-10
assert (np.diff(held_out) < 1e-12).all()

# %% [markdown]
# ## 12. One value per attribute
#
# *Items: D4-2.*
#
# D4: the encoder of an auto-encoder outputs a *single value* for each encoding dimension. That is exact: h = f(x) is a function, and a second look
# at the same x gives the same h. What is missing shows when the input leaves something open. Suppose only the upper half of a digit is seen. Many
# digits agree with it, and they have different codes; one value can name one of them, and give no hint of the doubt.
#
# **Predict first:** take 15 digits with nearly the same upper half. Compare the spread of their codes with that of all codes. A tenth? A half?
# How much of it would be there if the whole image were seen?


# %% tags=["answer"]
def nearest_rows(seen, n=15):
    """The n training images that are nearest to each held-out one in the pixels `seen`."""
    distance = (X_train[:, seen] ** 2).sum(1) - 2 * X_test[:, seen] @ X_train[:, seen].T  # up to a constant of each row
    return np.argsort(distance, axis=1, kind="stable")[:, :n]


upper, whole = nearest_rows(slice(0, 32)), nearest_rows(slice(0, 64))
assert np.array_equal(
    upper[7], np.argsort([((X_test[7, :32] - known[:32]) ** 2).sum() for known in X_train], kind="stable")[:15]
)
assert np.array_equal(whole[:, 0], number_of_nearest(X_test))
chance = np.random.default_rng(0).integers(len(X_train), size=upper.shape)
spreads = {"upper half": [], "whole image": [], "15 at random": []}
for network in deep[2]:
    codes = network.encode(X_train)
    for (name, values), rows in zip(spreads.items(), (upper, whole, chance)):
        values.append(np.sqrt(codes[rows].var(1, ddof=1).sum(-1).mean() / codes.var(0).sum()))
for (name, values), rows in zip(spreads.items(), (upper, whole, chance)):
    labels = np.mean([len(np.unique(y_train[row])) for row in rows])
    print(f"{name}: {labels:.1f} different labels, spread of the codes {mean_and_error(values)[0]:.2f}", end=" ")
    print(f"± {mean_and_error(values)[1]:.2f} of that of all codes (six networks)")
mean, error = mean_and_error(np.subtract(spreads["upper half"], spreads["whole image"]))
assert mean > 4 * error and abs(np.mean(spreads["15 at random"]) - 1) < 0.02
assert 0.3 < np.mean(spreads["upper half"]) < 0.7

# %% [markdown] tags=["answer"]
# About a half. A part of it would be there with the whole image too, for 15 neighbours are not one digit; the rest is what the lower half would tell.

# %% [markdown]
# A distribution q(z|x) can be wide where the input leaves the code open and narrow where it does not: the step to the VAE.
#
# ## Summary
#
# - Error $\sum_d(\hat x_d-x_d)^2$, derivative $2(\hat x_d-x_d)$. Dense: $dx=dy\,W^\top$, $dW=x^\top dy$, $db=\sum_ndy_n$.
# - $\tanh'=1-y^2$; sigmoid$'=y(1-y)$; softplus$'=$ sigmoid. Stable: sigmoid$(a)=\frac12(1+\tanh\frac a2)$, softplus$(a)=\max(a,0)+\ln(1+e^{-|a|})$.
# - A noisy code: $I(x;h)\ge H(x)-\frac D2\ln(2\pi e\,\mathrm{err}/D)$. Without noise, and if f(x) has a density, the information is infinite.
# - With $K\ge D$ a random encoder reconstructs perfectly; with K = 1 a table of training images does so for its own images (held out: 1.15).
# - Linear: the least error is $\lambda_{K+1}+\dots+\lambda_D$ (digits, K = 2: 3.355253), in the subspace of the K dominant eigenvectors.
# - Free: U and V up to an invertible R, and V off the span of the data. Compare outputs, not matrices.
# - Any other set of eigenvectors is a saddle: gradient zero; per pair (chosen i, unchosen j) the form $\lambda_ja^2-2\lambda_jab+\lambda_ib^2$.
# - Deep: a curved manifold. On held-out digits a network beats PCA at K = 2, 5, 10; by how much depends on the training (80 epochs: .75, .66, .77 of
#   PCA's error).
# - No distribution: the scale of the code is free, the outputs have no density
#   ($\ln p\approx-\frac{\mathrm{dist}^2}{2\eta}-\frac{D-K}{2}\ln\eta$), and the error never says which K.
# - One value per dimension: no sign of doubt.
#
# ## References
#
# *References: bourlard1988 (linear auto-encoders and PCA); baldi1989 (no minima but the global one); kunin2019 (the loss of linear auto-encoders, with penalties); goodfellow2016 (a textbook chapter); hinton2006 (deep auto-encoders); cover2006 (entropy and mutual information).*

# %% [markdown]
# ## Exercises
#
# An activation of your own, forward and backward; then two questions on section 5: which encoder is best for a given decoder, and which of the best
# auto-encoders has codes of unit variance.
#
# *Tasks: leaky_relu; best_encoder; white_codes.*
