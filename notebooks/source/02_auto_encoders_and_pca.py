# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # 02 Auto-encoders and PCA
#
# Accompanies D2 lines 15-80 (auto-encoders, PCA, deep auto-encoders), D3 lines 3-9, D0 lines 168-176, D1 lines 82-85 and 170, D4 line 10.
#
# | quantity | D0 | D2 | D3 | here |
# |---|---|---|---|---|
# | encoder | g_φ | V (linear) | f_φ | `encode` |
# | code | z | z, dimension K | h | `h`, shape (N, K) |
# | decoder | f_θ | U (linear) | H_θ | `decode` |
# | reconstruction | f_θ(g_φ(x)) | x̃ | x̃ | `x_hat` |
# | squared error | min over θ, φ | 𝓛(x, x̃) | – | `squared_error`, summed over pixels |
# | derivative of the loss by v | – | v̄ | – | `dv` |
#
# The slides multiply from the left, $\tilde x = UVx$; our data stand in rows, so the package computes `x @ A @ B` with $A=V^\top$, $B=U^\top$.
#
# Afterwards you can write the backward pass of a dense network, prove that a linear auto-encoder finds the subspace of PCA and
# say what remains free in it, and say why no auto-encoder of this notebook is a generative model.

# %%
import matplotlib.pyplot as plt
import numpy as np

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
from tinyvae.exact import PCA
from tinyvae.optim import Adam
from tinyvae.plots import image_grid, latent_scatter, use_style
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

# %% [markdown]
# ## 1. A network that predicts its own input
#
# *Items: D2-5, D0-40, D0-41, D3-1, D3-2, D3-3, D1-9, D1-10.*
#
# The slides: an auto-encoder takes x and predicts x (D2); it is backpropagation without supervision, with the objective
# $\min_{\theta,\phi}\lVert x-f_\theta(g_\phi(x))\rVert^2$ (D0); the encoder summarises the input in h, the decoder generates the output
# from h, $f_\phi(x)=h$, $H_\theta(h)=\tilde x$ (D3); a code should lose minimal information, which is read as "the output is
# similar to the input" (D1). No label occurs anywhere: the target is the input.
#
# The error of one datum, a sum over its D pixels, and its derivative:
# $$ \mathrm{error}=\sum_{d=1}^{D}(\hat x_d-x_d)^2, \qquad \frac{\partial\,\mathrm{error}}{\partial \hat x_d}=2(\hat x_d-x_d). $$
# These are **[AE.1]** and, multiplied by the upstream gradient `derror`, **[AE.2]**.
#
# *A note on signs and names.* D3 writes $\tilde x$ for the reconstruction here and for the corrupted input four lines later (03 returns to
# it); in D3 the conditioning bars are lost in print, so $q_{enc}(h\,x)$ is $q_{enc}(h\mid x)$. D0, line 198, says that an
# auto-encoder reconstructs $g_\phi(x)$; it reconstructs x *from* $g_\phi(x)$.

# %%
show(squared_error_forward, squared_error_backward)

# %%
report = check(squared_error_forward, squared_error_backward, rng.standard_normal((5, 4)), rng.standard_normal((5, 4)), wrt="x_hat")
print(report)
assert report.ok

# %% [markdown]
# **What has squared error to do with lost information?** The information that h keeps is $I(x;h)=H(x)-H(x\mid h)$. The true conditional
# $p(x\mid h)$ is unknown; put any density $r(x\mid h)$ in its place. Then
# $$ \mathbb{E}[-\ln r(x\mid h)] = \mathbb{E}[-\ln p(x\mid h)] + \mathbb{E}_h\,\mathrm{KL}\big(p(x\mid h)\,\Vert\, r(x\mid h)\big) \;\ge\; H(x\mid
# h), $$
# so $I(x;h)\ge H(x)-\mathbb{E}[-\ln r(x\mid h)]$. Choose $r=\mathcal N(x;\hat x(h),\eta I)$:
# $$ \mathbb{E}[-\ln r] = \tfrac{D}{2}\ln 2\pi\eta+\tfrac{1}{2\eta}\,\mathbb{E}\lVert x-\hat x(h)\rVert^2
#    \;\overset{\eta=\mathrm{err}/D}{=}\; \tfrac D2\ln\!\big(2\pi e\,\tfrac{\mathrm{err}}{D}\big). $$
# The second form is the smallest over η. It rises with the error: **a smaller error is a larger guaranteed minimum of the information kept.**
# It is a lower bound and no equality, so D1's two wishes agree in direction, not in amount.
#
# The check uses a model where all is known: x Gaussian in 4 dimensions, $h=Vx+{}$noise in 2, so $H(x\mid h)$ is that of a Gaussian.
#
# **Predict first: can the bound be exact? What would the errors in the four directions have to be?**

# %%
D = 4
Sigma = np.diag([3.0, 1.0, 0.5, 0.2])
V = rng.standard_normal((2, D))
gain = Sigma @ V.T @ np.linalg.inv(V @ Sigma @ V.T + 0.1 * np.eye(2))  # the best decoder: x_hat = gain @ h
residual = Sigma - gain @ V @ Sigma  # covariance of x given h
exact_entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * residual)[1]
err = np.trace(residual)
bound = D / 2 * np.log(2 * np.pi * np.e * err / D)
total = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * Sigma)[1]
print(f"information kept: exact {total - exact_entropy:.4f} nats, guaranteed by the squared error {total - bound:.4f} nats")
variances = np.linalg.eigvalsh(residual)
gap = D / 2 * np.log(variances.mean()) - 0.5 * np.log(variances).sum()
print(f"gap {bound - exact_entropy:.4f} nats = half the log of arithmetic against geometric mean of the residual variances, {gap:.4f}")
assert bound > exact_entropy
assert abs(bound - exact_entropy - gap) < 1e-12

# %% [markdown]
# The gap is zero exactly where all residual variances are equal. A negative guarantee, if one is printed, is no contradiction: a lower bound may be
# loose.
#
# ## 2. All of them are neural networks: the layers and their backward passes
#
# *Items: D1-26.*
#
# The slide (D1): encoder and decoder are neural networks. So one set of layers serves all notebooks. Each operation is a pair; backward receives
# `dy`, the derivative of the loss L by the output y, and returns that by the inputs.
#
# **Dense.** **[DENSE.1]** $y_{no}=\sum_i x_{ni}W_{io}+b_o$. The chain rule, entry by entry:
# $$ dx_{ni}=\sum_o dy_{no}\frac{\partial y_{no}}{\partial x_{ni}}=\sum_o dy_{no}W_{io},\qquad
#    dW_{io}=\sum_n dy_{no}\,x_{ni},\qquad db_o=\sum_n dy_{no}, $$
# in matrices **[DENSE.2]** $dx=dy\,W^\top$, $dW=x^\top dy$, $db=\sum_n dy_n$. W and b serve every row, so their gradients sum over rows.
#
# **Elementwise functions.** $dx=dy\cdot f'(x)$, and each derivative is written with what forward has already computed:
# $$ \begin{aligned}
# \text{tanh: } & y=\tfrac{e^x-e^{-x}}{e^x+e^{-x}}, & y'&=\tfrac{(e^x+e^{-x})^2-(e^x-e^{-x})^2}{(e^x+e^{-x})^2}=1-y^2,\\
# \text{relu: } & y=\max(x,0), & y'&=1\ (x>0),\ 0\ (x<0),\\
# \text{sigmoid: } & y=\tfrac{1}{1+e^{-x}}, & y'&=\tfrac{e^{-x}}{(1+e^{-x})^2}=y(1-y),\\
# \text{softplus: } & y=\ln(1+e^x), & y'&=\tfrac{e^x}{1+e^x}=\mathrm{sigmoid}(x).
# \end{aligned} $$
# Forward and backward carry the tags **[TANH.1]** **[TANH.2]**, **[RELU.1]** **[RELU.2]**, **[SIG.1]** **[SIG.2]**, **[SP.1]** **[SP.2]**.
# ReLU has no derivative at 0; the convention here is 0.

# %%
show(dense_forward, dense_backward)
show(tanh_forward, tanh_backward, relu_forward, relu_backward)
show(sigmoid_forward, sigmoid_backward, softplus_forward, softplus_backward)

# %% [markdown]
# **A network** is the alternation **[MLP.1]** $h_0=x,\; h_i=\mathrm{act}(h_{i-1}W_i+b_i),\; y=h_{n-1}W_n+b_n$, without activation at the end.
# With $a_i=h_{i-1}W_i+b_i$ the backward pass **[MLP.2]** is the same list read from the end:
# $$ da_n=dy,\qquad dW_i=h_{i-1}^\top da_i,\quad db_i=\textstyle\sum_n da_{i,n},\quad dh_{i-1}=da_iW_i^\top,\quad da_{i-1}=dh_{i-1}\odot
# \mathrm{act}'(a_{i-1}). $$
# In the code `network` holds the names of the layers and their activation. Every dW and db is *added* to `dparams`, which has an array for each
# weight; `empty` lends one to which nothing has been added yet, so that the product is written straight into it. Without `dparams` only dx is
# computed.

# %%
show(mlp_forward, mlp_backward)

# %%
x0 = rng.standard_normal((5, 4))
pairs = [
    (dense_forward, dense_backward, (x0, rng.standard_normal((4, 3)), rng.standard_normal(3))),
    (tanh_forward, tanh_backward, (x0,)),
    (relu_forward, relu_backward, (x0,)),
    (sigmoid_forward, sigmoid_backward, (x0,)),
    (softplus_forward, softplus_backward, (x0,)),
]
for forward, backward, inputs in pairs:
    report = check(forward, backward, *inputs)
    print(f"{forward.__name__:<17} largest relative error {report.error:.1e}")
    assert report.ok

# %% [markdown]
# Now the two networks together. Encoder, decoder and error make one scalar loss; its gradient by *all* weights is compared with central differences.
# A batch is a pair, images and labels; the labels are not used. `noise`, which is added to the input, and the penalties have their turn in 03.
# Beside the loss, forward returns its `terms` for each datum; in backward, `weights` may replace the weights of these terms, and `flat` makes one
# vector of all gradients.

# %%
show(AutoEncoder.loss_forward, AutoEncoder.loss_backward)

# %%
small, x_small = AutoEncoder(6, 2, hidden=(5, 4)), rng.standard_normal((7, 6))
small.theta += 0.1 * rng.standard_normal(small.theta.size)
report = check_model(small, x_small)
print(f"auto-encoder 6-5-4-2-4-5-6, {small.theta.size} weights: relative error of the gradient {report.error:.1e}")
assert report.ok

# %% [markdown]
# ## 3. The bottleneck, and how too much capacity copies
#
# *Items: D2-6, D2-13, D3-4.*
#
# The slides: a bottleneck much smaller than the input makes the task non-trivial (D2, which adds for the linear case: if K ≥ D we can choose UV =
# I, "this
# isn't very interesting"); an encoder and decoder with too much capacity copy (D3).
#
# For $K\ge D$ take any V of rank D. Then $V^\top V$ is invertible, and $U=(V^\top V)^{-1}V^\top$ gives
# $UV=(V^\top V)^{-1}V^\top V=I$. The error is zero **for random V**: a perfect reconstruction says nothing about the code.
#
# **Predict first: pixels of pure noise go into this network. What is their error?**

# %%
V_wide = rng.standard_normal((80, 64))
U_wide = np.linalg.solve(V_wide.T @ V_wide, V_wide.T)
noise_images = rng.random((100, 64))
copy_digits = np.abs(X_test @ V_wide.T @ U_wide.T - X_test).max()
copy_noise = np.abs(noise_images @ V_wide.T @ U_wide.T - noise_images).max()
print(f"K = 80 >= D = 64, random V: largest pixel error {copy_digits:.1e} on digits, {copy_noise:.1e} on noise")
assert max(copy_digits, copy_noise) < 1e-11

# %% [markdown]
# A small K alone does not prevent copying if the two networks can compute anything. One number is enough: let the encoder answer with the *number
# of the
# nearest training image*, and the decoder look that image up. K = 1, and the training error is exactly zero.
#
# **Predict first: is its error on held-out digits above or below that of PCA with K = 2?**

# %%


def number_of_nearest(images):
    """The code: one number, the row of the nearest training image."""
    distance = (images**2).sum(1)[:, None] - 2 * images @ X_train.T + (X_train**2).sum(1)
    return distance.argmin(1)


def mean_error(x_hat, x):
    """The mean squared error per datum."""
    return float(squared_error_forward(x_hat, x)[0].mean())


pca2 = PCA(2).fit(X_train)
table_train = mean_error(X_train[number_of_nearest(X_train)], X_train)
table_test = mean_error(X_train[number_of_nearest(X_test)], X_test)
pca_test = mean_error(pca2.inverse_transform(pca2.transform(X_test)), X_test)
print(f"table, K = 1: training error {table_train:.4f}, held-out error {table_test:.4f}")
print(f"PCA,   K = 2: held-out error {pca_test:.4f}")
assert table_train == 0
assert 0.5 < table_test < pca_test

# %% [markdown]
# The table copies its training set and *still* does better than PCA on new digits: on 1438 similar images a nearest neighbour is a strong
# method. Two lessons: training error must not be reported as the quality of a code, and the number of code dimensions does not measure what
# a code can hold. What limits copying is the capacity of the networks, or a penalty (03), or noise in the code (the VAE).
#
# ## 4. The linear auto-encoder
#
# *Items: D2-11, D2-12, D2-14.*
#
# The slide: the simplest auto-encoder has one hidden layer, linear activations and squared error; it computes $\tilde x=UVx$. With K < D, V reduces
# the
# dimension and the output lies in the column space of U.
#
# $Vx=h\in\mathbb R^K$, and $U h=\sum_k h_k u_k$ is a combination of the K columns of U. So all outputs lie in a subspace of dimension at most K,
# whatever x is.
# The slide leaves the biases out. With them, $\hat x=U(Vx+a)+c$, and the outputs lie in the same subspace shifted by c. For fixed U, V the best
# shift makes
# the mean residual zero, $Ua+c=\bar x-UV\bar x$, whence $\hat x-\bar x=UV(x-\bar x)$: biases do nothing but centre the data.
# From here on "x" is centred in the formulas.

# %%
linear = AutoEncoder(64, 2)
A, B = linear.params["encoder.code.W"], linear.params["decoder.out.W"]
outputs = linear.decode(linear.encode(X_test))
by_hand = X_test @ A @ B  # UVx in rows; fresh biases are zero
basis = np.linalg.qr(B.T)[0]  # an orthonormal basis of the column space of U
outside = np.abs(outputs - outputs @ basis @ basis.T).max()
print(f"decode(encode(x)) - UVx: {np.abs(outputs - by_hand).max():.1e}")
print(f"part of the outputs outside the column space of U: {outside:.1e}; rank of all outputs: {np.linalg.matrix_rank(outputs)}")
assert np.abs(outputs - by_hand).max() < 1e-12 and outside < 1e-12
assert np.linalg.matrix_rank(outputs) == 2

# %% [markdown]
# ## 5. The linear auto-encoder is PCA
#
# *Items: D2-15, D2-16, D2-17.*
#
# The slide: linear auto-encoders with squared error are equivalent to PCA; the least reconstruction error and the greatest projected variance are
# one problem;
# the optimal subspace is spanned by the dominant eigenvectors of the empirical covariance.
#
# **Step 1: U decides.** Let $P_U$ be the orthogonal projector on the column space of U. For any V, $x-UVx=(x-P_Ux)+(P_Ux-UVx)$; the first part is
# orthogonal to the
# column space, the second lies in it, so by Pythagoras
# $$ \lVert x-UVx\rVert^2=\lVert x-P_Ux\rVert^2+\lVert P_Ux-UVx\rVert^2\;\ge\;\lVert x-P_Ux\rVert^2, $$
# with equality for all data iff $UVx=P_Ux$ for all data, as $V=U^+$ achieves.
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
# eigenvalues get
# 1 each. So the maximum is $\lambda_1+\dots+\lambda_K$, reached iff Q spans $e_1,\dots,e_K$ (uniquely if $\lambda_K>\lambda_{K+1}$), and
# $$ \text{least mean error}=\lambda_{K+1}+\dots+\lambda_D. $$

# %%
show(PCA)

# %%
pca = PCA(2).fit(X)
centred = X - pca.mean_
P = pca.components_.T @ pca.components_
direct = (centred - centred @ P) ** 2
two_forms = np.trace(centred.T @ centred) / len(X) - ((centred @ pca.components_.T) ** 2).sum(1).mean()
print(f"mean error of PCA, K = 2:          {direct.sum(1).mean():.6f}")
print(f"total - projected variance:        {two_forms:.6f}")
print(f"sum of the trailing 62 eigenvalues: {pca.eigenvalues_[2:].sum():.6f}")
assert abs(direct.sum(1).mean() - pca.eigenvalues_[2:].sum()) < 1e-13
assert abs(two_forms - pca.eigenvalues_[2:].sum()) < 1e-12
assert round(pca.eigenvalues_[2:].sum(), 6) == 3.355253

pca_vectors = np.linalg.eigh(centred.T @ centred / len(X))[1][:, ::-1]
worst = -np.inf
for _ in range(200):  # step 3 for random subspaces
    Q = np.linalg.qr(rng.standard_normal((64, 2)))[0]
    c = ((pca_vectors.T @ Q) ** 2).sum(1)
    assert c.max() <= 1 + 1e-12 and abs(c.sum() - 2) < 1e-12
    worst = max(worst, c @ pca.eigenvalues_)
print(f"200 random planes: greatest projected variance {worst:.4f}; PCA {pca.eigenvalues_[:2].sum():.4f}")
assert worst < pca.eigenvalues_[:2].sum()

# %% [markdown]
# **Does gradient descent find it?** The auto-encoder starts at random weights and knows nothing of eigenvectors.
#
# **Predict first: after training, which will agree with PCA: the code h? the matrix UV? the reconstructions UVX?**

# %%
few = X[:300]
pca_few, trained = PCA(2).fit(few), AutoEncoder(64, 2)
trained.fit(few, epochs=3000, batch_size=len(few), optimizer=Adam(0.1), decay=True, progress=False)
excess = trained.reconstruction_error(few) / pca_few.reconstruction_error_ - 1
PX = pca_few.inverse_transform(pca_few.transform(few))
UVX = trained.decode(trained.encode(few))
UV = trained.params["encoder.code.W"] @ trained.params["decoder.out.W"]  # transposed, as data are rows
P_few = pca_few.components_.T @ pca_few.components_
print(f"loss: auto-encoder {trained.reconstruction_error(few):.8f}, trailing eigenvalues {pca_few.reconstruction_error_:.8f}, excess {excess:.1e}")
print(f"largest |UVX - PX|:   {np.abs(UVX - PX).max():.1e}   (the same outputs)")
print(f"largest |UV - P|:     {np.abs(UV - P_few).max():.1e}   (not the same matrix)")
print(f"largest |h - scores|: {np.abs(trained.encode(few) - pca_few.transform(few)).max():.1e}   (not the same code)")
assert -1e-12 < excess < 1e-8  # at the minimum rounding decides the sign
assert np.abs(UVX - PX).max() < 1e-3
assert np.abs(UV - P_few).max() > 0.1

# %% [markdown]
# **What remains free, and a caution about "equivalent".** The slide is right about the *subspace*; the factors are another matter, for two reasons.
#
# 1. For any invertible K × K matrix R, $(UR^{-1})(RV)=UV$: codes are determined up to R, and need be neither orthogonal nor sorted.
# 2. V acts on data only. If n is orthogonal to all (centred) data, $V+a\,n^\top$ gives the same codes. Pixels that never change make such directions:
#    the digits have rank 61 of 64. So UV itself is undetermined off the span of the data. **Compare UVX with PX, not UV with P.**

# %%
rank = np.linalg.matrix_rank(centred)
null = np.linalg.svd(centred, full_matrices=True)[2][rank:]  # directions in which no digit varies
U, V = pca.components_.T, pca.components_
R = rng.standard_normal((2, 2))
U_free, V_free = U @ np.linalg.inv(R), R @ (V + rng.standard_normal((2, len(null))) @ null)
same_outputs = np.abs(centred @ V_free.T @ U_free.T - centred @ P).max()
print(f"rank of the digits: {rank} of 64")
print(f"another U and V: largest |UVX - PX| {same_outputs:.1e}, largest |UV - P| {np.abs(U_free @ V_free - P).max():.2f}")
assert rank == 61
assert same_outputs < 1e-12
assert np.abs(U_free @ V_free - P).max() > 0.1

# %% [markdown]
# ## 6. Every other set of eigenvectors is a saddle
#
# *Items: D2-17.*
#
# The loss is not convex in (U, V). Why does descent not stick at a wrong pair of eigenvectors? In rows, $\hat x=xAB$, and the mean error has the
# gradients
# $$ \frac{\partial L}{\partial A}=2\,\Sigma(AB-I)B^\top,\qquad \frac{\partial L}{\partial B}=2A^\top\Sigma(AB-I). $$
# Put $A=Q$, $B=Q^\top$ with K eigenvectors of Σ as columns of Q, $\Sigma Q=Q\Lambda$. Since $(QQ^\top-I)Q=0$ and
# $Q^\top\Sigma(QQ^\top-I)=\Lambda Q^\top(QQ^\top-I)=0$,
# **both gradients vanish for any choice of eigenvectors.** Now let Q contain $e_j$ and not $e_i$, with $\lambda_i>\lambda_j$. Turn:
# $q(t)=\cos t\,e_j+\sin t\,e_i$.
# The projected variance of this column is $\lambda_j\cos^2t+\lambda_i\sin^2t$, so
# $$ L(t)=L(0)-(\lambda_i-\lambda_j)\sin^2t,\qquad L''(0)=-2(\lambda_i-\lambda_j)<0. $$
# A zero gradient and a direction downhill: a saddle. Only the dominant set has none such.
#
# **Predict first: eigenvectors 1 and 3 are in the weights. How large is the gradient that backpropagation returns? Which turn lowers the loss?**

# %%
zero_mean = X - X.mean(0)
lam = pca.eigenvalues_


def put(model, Q):
    """Weights of the linear auto-encoder: encoder Q, decoder Q transposed, no biases."""
    model.theta[...] = 0
    model.params["encoder.code.W"][...] = Q
    model.params["decoder.out.W"][...] = Q.T


def turned(t, i, j, others):
    """Eigenvector j turned by t towards eigenvector i, beside the others."""
    column = np.cos(t) * pca_vectors[:, j] + np.sin(t) * pca_vectors[:, i]
    return np.column_stack([*(pca_vectors[:, k] for k in others), column])


def loss_at(Q):
    """Loss and gradient of the package at these weights."""
    model = AutoEncoder(64, 2)
    put(model, Q)
    return model.loss_and_grad(zero_mean)


for chosen in ([0, 1], [0, 2], [4, 7]):
    loss, gradient = loss_at(pca_vectors[:, chosen])
    print(f"eigenvectors {[k + 1 for k in chosen]}: loss {loss:.4f} = total - theirs; largest gradient entry {np.abs(gradient).max():.0e}")
    assert np.abs(gradient).max() < 1e-13
    assert abs(loss - (lam.sum() - lam[chosen].sum())) < 1e-12

t = 1e-3
curvature = (loss_at(turned(t, 1, 2, [0]))[0] - 2 * loss_at(turned(0, 1, 2, [0]))[0] + loss_at(turned(-t, 1, 2, [0]))[0]) / t**2
print(f"curvature, turning 3 towards 2: {curvature:.5f}; -2 (lambda_2 - lambda_3) = {-2 * (lam[1] - lam[2]):.5f}")
assert curvature < 0
assert abs(curvature / (-2 * (lam[1] - lam[2])) - 1) < 1e-5

# %% [markdown]
# Now start the training a hair's breadth from the saddle (noise of standard deviation 0.0001 on all weights).

# %%
model, adam, curve = AutoEncoder(64, 2), Adam(0.001), []
put(model, pca_vectors[:, [2, 4]])
model.theta += 1e-4 * rng.standard_normal(model.theta.size)
for _ in range(400):
    loss, gradient = model.loss_and_grad(zero_mean)
    curve.append(loss)
    adam.step(model.theta, gradient)
print(f"start {curve[0]:.4f} (saddle {lam.sum() - lam[[2, 4]].sum():.4f}), end {curve[-1]:.4f} (PCA {lam[2:].sum():.4f})")
assert abs(curve[0] - (lam.sum() - lam[[2, 4]].sum())) < 1e-3
assert 0 < curve[-1] / lam[2:].sum() - 1 < 0.01

angles = np.linspace(-np.pi / 2, np.pi / 2, 61)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
left.plot(angles, [loss_at(turned(a, 1, 2, [0]))[0] for a in angles], label="3 towards 2 (down)")
left.plot(angles, [loss_at(turned(a, 5, 2, [0]))[0] for a in angles], ls="--", label="3 towards 6 (up)")
left.plot(0, loss_at(turned(0, 1, 2, [0]))[0], "ko", ms=9)
left.set(xlabel="angle (radians)", ylabel="mean squared error", title="A saddle at eigenvectors {1, 3}")
left.legend(loc="upper center", fontsize=13)
left.set_ylim(top=left.get_ylim()[1] + 0.12)
right.plot(curve)
right.axhline(lam[2:].sum(), color="black", ls=":", lw=2)
right.text(400, lam[2:].sum() + 0.015, "PCA", ha="right", va="bottom")
right.set(xlabel="training step", ylabel="mean squared error", title="Escape from {3, 5}")
plt.show()

# %% [markdown]
# ## 7. Eigen-digits
#
# *Items: D2-18.*
#
# The slide shows "eigenfaces": each eigenvector of the covariance of face images is itself an image. With our digits they are eigen-digits, and
# every digit is
# the mean plus a sum of them, $x=\bar x+\sum_k z_k e_k$. They are no prototypes of digits: they have negative pixels, and the sign of each is free.
#
# **Predict first: which error remains with 61 eigen-digits? With 60?**

# %%
for K in (2, 10, 60, 61):
    model = PCA(K).fit(X)
    error = mean_error(model.inverse_transform(model.transform(X)), X)
    print(f"K = {K:2d}: mean error {error:.2e}, sum of the trailing eigenvalues {lam[K:].sum():.2e}")
    assert abs(error - lam[K:].sum()) < 1e-12
    assert (error < 1e-24) == (K == 61)

leading = PCA(10).fit(X)
images = leading.components_ / np.abs(leading.components_).max(1, keepdims=True)
ax = image_grid(0.5 + 0.5 * images, n_columns=5, ax=plt.subplots(figsize=(8, 3.7))[1])
ax.set_title("Eigen-digits 1 to 10 (mid-grey is zero)")
plt.show()

# %% [markdown]
# ## 8. Deep auto-encoders: a curved manifold instead of a subspace
#
# *Items: D2-19, D2-20.*
#
# The slide: deep nonlinear auto-encoders learn to project the data not onto a subspace but onto a nonlinear manifold; this manifold is the image of
# the decoder.
#
# All outputs are $\{H(h):h\in\mathbb R^K\}$. Near a code, $H(h+\delta)\approx H(h)+J\delta$ with J of shape D × K, so
# the image has at most K directions: as thin as a subspace of dimension K, but free to bend. (With K = 1 it is a curve, and it may cross itself.)
# "Project" is loosely said: the encoder need not choose the *nearest* point of the curve. The check measures both statements.
#
# **Predict first: the data lie along a bent curve in the plane, K = 1. What does PCA return for a datum at the end of the curve, and what does the
# deep network?**

# %%
banana = synthetic("banana", 600, seed=0)
bent = AutoEncoder(2, 1, hidden=(32, 32))
bent.fit(banana, epochs=150, batch_size=50, optimizer=Adam(0.01), decay=True, progress=False)
line = PCA(1).fit(banana)
codes = bent.encode(banana)
curve_points = bent.decode(np.linspace(codes.min(), codes.max(), 2000)[:, None])
to_curve = np.array([((curve_points - point) ** 2).sum(1).min() for point in banana]).mean()
print(f"mean error: PCA {line.reconstruction_error_:.4f}, deep {bent.reconstruction_error(banana):.4f}; "
      f"to the nearest point of the deep curve {to_curve:.4f}")
assert bent.reconstruction_error(banana) < 0.25 * line.reconstruction_error_
assert to_curve < bent.reconstruction_error(banana)

ax = plt.subplots(figsize=(8, 4.8))[1]
ax.plot(*banana.T, "o", ms=4, color="#AAAAAA", label="data")
ends = line.inverse_transform(np.array([[-3.0], [3.0]]))
ax.plot(*ends.T, ls="--", color="#D55E00", label="PCA, K = 1")
ax.plot(*curve_points.T, color="#0072B2", label="image of the deep decoder, K = 1")
ax.set(xlabel="x1", ylabel="x2", title="A subspace and a manifold of the same dimension")
ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# ## 9. Better codes than PCA at the same dimension
#
# *Items: D2-21.*
#
# The slide: nonlinear auto-encoders can learn more powerful codes for a given dimensionality than PCA. The weight lies on "can": by section 5 PCA
# is the best
# *linear* map, so a network that can represent it loses nothing in principle, but nothing guarantees that training finds it or that it holds on new
# data.
# So the comparison is made on held-out digits, at K = 2, 5 and 10.
#
# **Predict first: does the advantage grow with K, shrink, or neither, as a share of PCA's error?**

# %%
deep = {}
print("held-out mean squared error   PCA     deep    deep / PCA")
for K in (2, 5, 10):
    deep[K] = AutoEncoder(64, K, hidden=(64, 32))
    deep[K].fit(X_train, epochs=80, optimizer=Adam(0.006), decay=True, progress=False)
    model = PCA(K).fit(X_train)
    pca_error, deep_error = mean_error(model.inverse_transform(model.transform(X_test)), X_test), deep[K].reconstruction_error(X_test)
    print(f"K = {K:2d}                      {pca_error:.4f}  {deep_error:.4f}     {deep_error / pca_error:.2f}")
    assert deep_error < 0.8 * pca_error

codes = deep[2].encode(X_test[:50])
steps = 1e-5 * np.eye(2)
J = np.stack([(deep[2].decode(codes + s) - deep[2].decode(codes - s)) / 2e-5 for s in steps], axis=2)
ranks = np.linalg.matrix_rank(J)
together = np.linalg.matrix_rank(J.transpose(1, 0, 2).reshape(64, -1), rtol=1e-3)
print(f"rank of the decoder's Jacobian at 50 codes: {ranks.min()} to {ranks.max()}; directions at all of them together: {together}")
assert (ranks == 2).all() and together > 10

# %% [markdown]
# The advantage is real at each K and has no trend. The manifold: two directions at each point, many more over all points: a surface that bends
# through the space of images (section 8).
#
# **Predict first: the table of section 3 reached a lower error with K = 1. Does that make it the best code?**

# %%
table = mean_error(X_train[number_of_nearest(X_test)], X_test)
print(f"held-out error: table of training images (K = 1) {table:.4f}, deep auto-encoder (K = 2) {deep[2].reconstruction_error(X_test):.4f}")
step = np.ptp(deep[2].encode(X_train), axis=0) / (len(X_train) - 1)  # the same share of the code's range as a step of 1 in the table
shift = np.abs(np.diff(X_train, axis=0)).sum(1).mean(), np.abs(deep[2].decode(codes + step) - deep[2].decode(codes)).sum(1).mean()
print(f"ink moved by a step of 1/{len(X_train) - 1} of the code's range: table {shift[0]:.2f}, deep {shift[1]:.3f}")
assert table < deep[2].reconstruction_error(X_test)
assert shift[1] < 0.1 * shift[0]

# %% [markdown]
# It does not: neighbouring numbers mean unrelated images. Error is one virtue of a code; that near codes mean near images is another.
#
# ## 10. Two dimensions to look at
#
# *Items: D2-7.*
#
# The slide names the first use: map high-dimensional data to two dimensions for visualisation. Labels are used for the colours only, never in
# training. To put a
# number on the picture: the share of held-out digits whose nearest training neighbour *in the plane* has another label.
#
# **Predict first: ten classes, two dimensions. Guess both error rates. (With all 64 pixels it is about 0.01.)**

# %%


def neighbour_error(train, test):
    """The share of test points whose nearest training point has another label."""
    distance = ((test[:, None] - train[None]) ** 2).sum(-1)
    return float((y_train[distance.argmin(1)] != y_test).mean())


planes = {"PCA": (pca2.transform(X_train), pca2.transform(X_test)), "deep": (deep[2].encode(X_train), deep[2].encode(X_test))}
rates = {name: neighbour_error(*plane) for name, plane in planes.items()}
pixels = float((y_train[number_of_nearest(X_test)] != y_test).mean())
print(f"1-nearest-neighbour error: PCA plane {rates['PCA']:.3f}, deep plane {rates['deep']:.3f}, all 64 pixels {pixels:.3f}")
three = [rates["deep"]]
for seed in (1, 2):
    other = AutoEncoder(64, 2, hidden=(64, 32), seed=seed)
    other.fit(X_train, epochs=80, optimizer=Adam(0.006), decay=True, progress=False)
    three.append(neighbour_error(other.encode(X_train), other.encode(X_test)))
standard_error = np.std(three, ddof=1) / np.sqrt(3)
print(f"deep plane, three seeds: {np.round(three, 3)}, mean {np.mean(three):.3f} ± {standard_error:.3f} (standard error)")
assert np.mean(three) + 4 * standard_error < rates["PCA"]
assert pixels < min(three)

fig, axes = plt.subplots(1, 2, figsize=(12, 5.5))
for ax, (name, (_, plane)) in zip(axes, planes.items()):
    latent_scatter(plane, y_test, ax=ax)
    ax.set_title(f"{name}: held-out digits, error {rates[name]:.2f}")
    ax.set(xlabel="h1", ylabel="h2")
plt.show()

# %% [markdown]
# The curved plane is the better one, though how much better depends on the seed: it changes by several digits in a hundred from one training to
# the next.
#
# ## 11. An auto-encoder defines no distribution
#
# *Items: D2-22.*
#
# The slide: auto-encoders are not generative models, they do not define a distribution; and how is the latent dimension to be chosen? Three points.
#
# **(a) Nobody says where the codes lie.** Scale the code by c: encoder output times c, decoder input divided by c. Every reconstruction and the
# loss stay
# exactly the same, so training cannot prefer one. But $\mathcal N(0,I)$ fed to the decoder now means something else.

# %%
auto = deep[2]
scaled = AutoEncoder(64, 2, hidden=(64, 32))
scaled.theta[...] = auto.theta
for name in ("encoder.code.W", "encoder.code.b"):
    scaled.params[name][...] *= 50
scaled.params["decoder.0.W"][...] /= 50
same = np.abs(scaled.decode(scaled.encode(X_test)) - auto.decode(auto.encode(X_test))).max()
codes = rng.standard_normal((500, 2))
spread = [float(model.decode(codes).var(0).sum()) for model in (auto, scaled)]
print(f"largest difference of reconstructions: {same:.1e}")
print(f"total variance of decoded N(0, I) codes: {spread[0]:.3f} and {spread[1]:.3f}; of the digits: {X_test.var(0).sum():.3f}")
assert same < 1e-12
assert spread[1] < 0.1 * spread[0]

# %% [markdown]
# **(b) Even with a prior on h there is no density.** The lecture says that p(x) = 0 almost everywhere (D2, line 90). More exactly: the decoded codes
# fill a set of volume zero, so the distribution of the outputs is singular and *has no density at all*; off the set nothing, on it no finite value.
# To see it, add
# noise of variance η and let it go. For a linear decoder $x=Wh+b+\sqrt\eta\,\epsilon$, $p(x)=\mathcal N(b,\,C)$ with $C=WW^\top+\eta I$. C has K
# eigenvalues
# $s_k^2+\eta$ and $D-K$ eigenvalues η. With dist the distance of x from the subspace,
# $$ \ln p(x)=-\frac{\mathrm{dist}^2}{2\eta}-\frac{D-K}{2}\ln\eta+O(1)\qquad(\eta\to0): $$
# to −∞ off the manifold, to +∞ on it.
#
# **Predict first: by how many nats does ln p rise on the manifold when η falls by a factor of 10, with D = 64 and K = 2?**

# %%
K, W = 2, pca.components_.T * np.sqrt(pca.explained_variance_)
on = pca.inverse_transform(pca.transform(X[:1]))[0]
off = X[0]
distance2 = ((off - on) ** 2).sum()
etas = np.logspace(-5, 0, 26)


def log_density(x, eta):
    """ln N(x; b, W W' + eta I), in nats."""
    C, r = W @ W.T + eta * np.eye(64), x - pca.mean_
    return -0.5 * (r @ np.linalg.solve(C, r) + np.linalg.slogdet(2 * np.pi * C)[1])


log_on, log_off = (np.array([log_density(x, eta) for eta in etas]) for x in (on, off))
rise = log_density(on, 1e-8) - log_density(on, 1e-7)
print(f"on the manifold, eta divided by 10: {rise:+.4f} nats; (D - K)/2 ln 10 = {31 * np.log(10):.4f}")
print(f"off it, -2 eta (ln p off - ln p on) at eta = 1e-5: {-2e-5 * (log_off[0] - log_on[0]):.5f}; dist^2 = {distance2:.5f}")
assert abs(rise - 31 * np.log(10)) < 1e-4
assert abs(-2e-5 * (log_off[0] - log_on[0]) / distance2 - 1) < 1e-6

ax = plt.subplots(figsize=(8, 4.5))[1]
ax.plot(etas, log_on, label="a point on the manifold")
ax.plot(etas, log_off, ls="--", label="a digit, off the manifold")
ax.set_xscale("log")
ax.set_ylim(-1000, 400)
ax.set(xlabel="noise variance η", ylabel="ln p(x) (nats)", title="Without noise there is no density")
ax.invert_xaxis()
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# **(c) The error does not choose K.** A subspace of dimension K + 1 contains the best one of dimension K, so PCA's error can never rise with K, not
# even on held-out data.

# %%
full = PCA(64).fit(X_train)
scores = full.transform(X_test)
held_out = ((X_test - full.mean_) ** 2).sum(1).mean() - np.cumsum((scores**2).mean(0))
print("held-out error of PCA at K = 1, 2, 5, 10, 20, 40:", " ".join(f"{held_out[k - 1]:.3f}" for k in (1, 2, 5, 10, 20, 40)))
assert (np.diff(held_out) < 1e-12).all()
assert abs(held_out[1] - pca_test) < 1e-10

# %% [markdown]
# ## 12. One value per attribute
#
# *Items: D4-2.*
#
# The blog post: the encoder of an auto-encoder outputs a *single value* for each encoding dimension. That is exact: h = f(x) is a function. What is
# missing shows
# when the input leaves something open. Cover the lower half of a digit with the mean image. Many digits agree with what is left to see, and have
# different codes;
# the auto-encoder still returns one point and no hint of its doubt.
#
# **Predict first: compare the spread of the codes of 15 digits with nearly the same upper half, with the spread of all codes. A tenth? A half?**

# %%
covered = X_test.copy()
covered[:, 32:] = X_train[:, 32:].mean(0)
once, again = auto.encode(covered), auto.encode(covered)
upper_test, upper_train = X_test[:, :32], X_train[:, :32]
distance = (upper_train**2).sum(1) - 2 * upper_test @ upper_train.T  # up to a constant of each row
nearest = np.argsort(distance, axis=1)[:, :15]
codes = auto.encode(X_train)
spread = np.sqrt(codes[nearest].var(1).sum(-1).mean() / codes.var(0).sum())
labels = np.mean([len(np.unique(y_train[row])) for row in nearest])
print(f"two passes over the same input differ by {np.abs(once - again).max()}")
print(f"15 digits that agree in the upper half: {labels:.1f} different labels, spread of their codes {spread:.2f} of that of all codes")
assert np.array_equal(once, again)
assert spread > 0.3 and labels > 1.5

# %% [markdown]
# A distribution q(z|x) can be wide where the input leaves the code open and narrow where it does not: the step to the VAE.
#
# ## Exercises
#
# **1. A pair of your own.** The leaky ReLU is $y=x$ for $x>0$ and $y=0.1\,x$ otherwise. Write forward and backward.

# %%


def leaky_forward(x):
    """y = x where x > 0, else 0.1 x"""
    raise NotImplementedError("about 3 lines: the mask x > 0, the output, and the mask as cache")


def leaky_backward(dy, cache):
    """dx from dy"""
    raise NotImplementedError("about 2 lines: unpack the mask; dy times 1 or 0.1")


# %%
try:
    print(check(leaky_forward, leaky_backward, np.random.default_rng(1).standard_normal((4, 3))))
except NotImplementedError as stub:
    print("to do:", stub)

# %% [markdown]
# **2. The best encoder for a given decoder.** Given U (D × K, any columns of full rank), return the V of step 1 in section 5, so that UVx is the
# nearest point of
# the column space.

# %%


def best_encoder(U):
    """V of shape (K, D)"""
    raise NotImplementedError("about 1 line: solve the normal equations U'U V = U'")


# %%
try:
    U = np.random.default_rng(2).standard_normal((6, 2))
    Q = np.linalg.qr(U)[0]
    print("right" if np.allclose(U @ best_encoder(U), Q @ Q.T) else "WRONG")
except NotImplementedError as stub:
    print("to do:", stub)

# %% [markdown]
# **3. Codes of unit variance.** Among all linear auto-encoders that are optimal, find one whose codes have zero mean and covariance I ("whitened").
# Return U and V from the eigenvectors E (D × K, in columns) and eigenvalues.

# %%


def whitened(E, eigenvalues):
    """U of shape (D, K) and V of shape (K, D)"""
    raise NotImplementedError("about 2 lines: divide the encoder's rows by the standard deviations, multiply the decoder's columns")


def check_whitened(function):
    """True if codes are white and outputs are those of PCA."""
    U, V = function(pca.components_.T, pca.explained_variance_)
    h = centred @ V.T
    return np.allclose(h.T @ h / len(h), np.eye(2)) and np.allclose(h @ U.T, centred @ P)


# %%
try:
    print("right" if check_whitened(whitened) else "WRONG")
except NotImplementedError as stub:
    print("to do:", stub)

# %% jupyter={"source_hidden": true} tags=["solution"]


def leaky_forward_solution(x):
    """y = x where x > 0, else 0.1 x"""
    mask = x > 0
    cache = mask
    return np.where(mask, x, 0.1 * x), cache


def leaky_backward_solution(dy, cache):
    """dx = dy or 0.1 dy"""
    mask = cache
    return dy * np.where(mask, 1, 0.1)


assert check(leaky_forward_solution, leaky_backward_solution, np.random.default_rng(1).standard_normal((4, 3))).ok

# %% jupyter={"source_hidden": true} tags=["solution"]


def best_encoder_solution(U):
    """V = (U'U)^-1 U'"""
    return np.linalg.solve(U.T @ U, U.T)


U = np.random.default_rng(2).standard_normal((6, 2))
Q = np.linalg.qr(U)[0]
assert np.allclose(U @ best_encoder_solution(U), Q @ Q.T)

# %% jupyter={"source_hidden": true} tags=["solution"]


def whitened_solution(E, eigenvalues):
    """R = diag(eigenvalue^-1/2) in (U R^-1)(R V)"""
    scale = np.sqrt(eigenvalues)
    return E * scale, (E / scale).T


assert check_whitened(whitened_solution)
