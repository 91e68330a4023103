"""Wrong gradients that a checker must not call ok: mistakes of learners, and of nobody but an adversary.

Each was compared with complex steps or with a closed form. For most of them WRONG is the verdict that is wanted
("verdict": "WRONG"); in `EITHER` a checker may also say that it cannot judge.
"""

import math

import numpy as np
from checker_pairs import (
    at,
    normal,
    pair,
    positive,
    sigmoid,
    softmax,
    softmax_gradient,
    unary,
)

from tinyvae import gaussian, iwae, layers, likelihoods
from tinyvae.likelihoods import poisson
from tinyvae.posteriors import full
from tinyvae.zoo import autoencoders

SQUARE = normal(3, 3, seed=4) + 2 * np.eye(3)
MU, LOG_SIGMA, EPS = normal(3, 4), 0.5 * normal(3, 4, seed=1), normal(3, 4, seed=2)
BITS = np.array([[0, 1, 1, 0], [1, 0, 0, 1]])
COUNTS, CLASSES = np.array([[0, 1, 5], [9, 2, 0]]), np.array([[0, 1, 3], [2, 2, 1]])
LOGITS = {"wrt": ("logits",)}


def single(x):
    return np.asarray(x, np.float32).astype(float)


def with_error(size, place):
    """A factor of 1 for so many numbers, and of 1.01 at one place."""
    return 1 + 0.01 * (np.arange(size) == place)


def counted():
    """A backward that adds to what it returned before."""
    total = np.zeros(4)

    def backward(dy, x):
        nonlocal total
        total = total + 2 * x * dy
        return total

    return lambda x: (x * x, x), backward


def after(backward, change):
    """A right backward, and then a mistake with its gradients."""
    return lambda d, cache: change(*backward(d, cache))


UPSTREAM = {
    "dout clipped to +-5": (*pair(lambda x: np.sin(x), lambda dy, x: np.clip(dy, -5, 5) * np.cos(x)), (normal(4),)),
    "dout clipped to +-1000": (*pair(lambda x: x * x, lambda dy, x: np.clip(dy, -1000, 1000) * 2 * x), (normal(4),)),
    "gradient clipped to +-1": (*pair(lambda x: x * x, lambda dy, x: np.clip(2 * x * dy, -1, 1)), (0.1 * normal(4),)),
    "gradient scaled to the norm 5": (
        *pair(lambda x: x * x, lambda dy, x: 2 * x * dy * min(1, 5 / np.sqrt((4 * x * x * dy * dy).sum()))), (0.1 * normal(4),),
    ),
    "dout ignored": (*pair(lambda x: np.sin(x), lambda dy, x: np.cos(x)), (normal(4),)),
    "dout ignored, a loss of shape ()": (*pair(lambda x: np.sin(x).sum(), lambda d, x: np.cos(x)), (normal(4),)),
    "only the sign of dout": (*pair(lambda x: np.sin(x), lambda dy, x: np.sign(dy) * np.cos(x)), (normal(4),)),
    "small dout taken for 0": (*pair(lambda x: np.sin(x), lambda dy, x: dy * (np.abs(dy) > 1e-3) * np.cos(x)), (normal(4),)),
    "the square of dout": (*pair(lambda x: np.sin(x), lambda dy, x: dy * dy * np.cos(x)), (normal(4),)),
    "dout without its sign": (*pair(lambda x: np.sin(x).sum(), lambda d, x: abs(d) * np.cos(x)), (normal(4),)),
    "dout and a constant": (*pair(lambda x: np.sin(x), lambda dy, x: (dy + 1e-3) * np.cos(x)), (normal(4),)),
    "dout summed over the rows": (*pair(lambda x: (x * x).sum(1), lambda d, x: 2 * d.sum() * x), (normal(3, 4),)),
    "the first dout for all rows": (*pair(lambda x: (x * x).sum(1), lambda d, x: 2 * d[0] * x), (normal(3, 4),)),
    "dout of the second output ignored": (*pair(lambda x: (np.sin(x), np.cos(x)), lambda d, x: d[0] * np.cos(x)), (normal(4),)),
    "wrong only for the second output": (*pair(lambda x: (np.sin(x), np.cos(x)), lambda d, x: d[0] * np.cos(x) + d[1] * np.sin(x)), (normal(4),)),
    "second output, of shape (), 1e-6 times the first": (
        *pair(lambda x: (x * x, 1e-6 * x.sum()), lambda d, x: 2 * x * d[0]), (normal(4),),
    ),
}  # fmt: skip

ENTRIES = {
    "one entry of 10 000 wrong by 1 %": (
        *pair(lambda x: np.tanh(x), lambda d, x: d * (1 - np.tanh(x) ** 2) * with_error(10000, 7313)), (normal(10000),),
    ),
    "one weight of 10 000 wrong by 1 %": (
        *pair(lambda x, W: x @ W, lambda d, x, W: (d @ W.T, x.T @ d * with_error(10000, 4242).reshape(100, 100))),
        (normal(3, 100), normal(100, 100, seed=1)),
    ),
    "the smallest entry of 10 000 wrong by 1 %": (
        *pair(lambda x: (np.geomspace(1e-2, 1e2, 10000) * x).sum(), lambda d, x: d * np.geomspace(1e-2, 1e2, 10000) * with_error(10000, 0)),
        (normal(10000),),
    ),
    "all entries wrong by 1e-6": (*unary(np.sin, lambda x: np.cos(x) * (1 + 1e-6)), (normal(5),)),
    "one entry of 5 wrong by 1e-5": (*unary(np.exp, lambda x: np.exp(x) * [1, 1, 1, 1 + 1e-5, 1]), (normal(5),)),
    "exp, zeros below 10": (*unary(np.exp, lambda x: np.exp(x) * (x > 10)), at(1, 2, 20, 22)),
    "a product of sigmoids of 1e-28, gradient 0": (*pair(lambda x: sigmoid(x).prod(-1), lambda d, x: 0 * x), (normal(2, 4) - 16,)),
    "values of 1e-12, gradient 0": (*unary(lambda x: 1e-12 * np.sin(x), lambda x: 0 * x), at(0.3, 1, 2)),
    "values of 1e-12, wrong by 1 %": (*unary(lambda x: 1e-12 * np.sin(x), lambda x: 1.01e-12 * np.cos(x)), at(0.3, 1, 2)),
    "coefficients 1 and 1e-6, the small one forgotten": (*pair(lambda x: x @ [1, 1e-6], lambda d, x: d * np.array([1.0, 0])), (normal(2),)),
    "coefficients 1 and 1e-4, the small one wrong by 1 %": (*pair(lambda x: x @ [1, 1e-4], lambda d, x: d * np.array([1.0, 1.01e-4])), (normal(2),)),
    "a small output beside a large one, forgotten": (*pair(lambda w: w * [1e10, 1, 1e-9], lambda d, w: d * [1e10, 1, 0]), (normal(3),)),
    "1e4 w + b, db = 0": (*pair(lambda w, b: 1e4 * w + b, lambda d, w, b: (1e4 * d, 0 * d)), (0.3, 0.7)),
    "1 + 1e-6 sin x, gradient 0": (*unary(lambda x: 1 + 1e-6 * np.sin(x), lambda x: 0 * x), (normal(4),)),
    "1e6 + sin x, gradient 0": (*unary(lambda x: 1e6 + np.sin(x), lambda x: 0 * x), (normal(4),)),
    "rounded to float32 and back": (*unary(np.sin, lambda x: single(np.cos(x))), (normal(50),)),
    "float32 gradients": (*pair(lambda x: np.sin(x), lambda dy, x: (dy * np.cos(x)).astype(np.float32)), (normal(50),)),
    "float16 inside": (*unary(np.sin, lambda x: np.cos(x).astype(np.float16).astype(float)), (normal(4),)),
    "a cache of float32": (*pair(lambda x, W: x @ W, lambda d, x, W: (d @ single(W).T, single(x).T @ d)), (normal(5, 4), normal(4, 3))),
    "right for x > 0 only": (*unary(lambda x: x * x, lambda x: 2 * np.maximum(x, 0)), at(0.5, 2, -0.3)),
    "right for |x| < 3 only": (*unary(np.sinh, lambda x: np.cosh(np.clip(x, -3, 3))), at(0.5, -2, 4)),
    "right in the first row only": (*pair(lambda x: np.exp(x).sum(1), lambda d, x: d[:, None] * np.exp(x[0])), (normal(3, 4),)),
    "right at whole numbers only": (*unary(lambda x: x * x, lambda x: 2 * np.round(x)), at(1, 2, 3.1)),
}  # fmt: skip

POINTS = {
    "square at 0, gradient 0 everywhere": (*unary(lambda x: x * x, lambda x: 0 * x), (np.zeros(3),)),
    "square at 0, gradient of the wrong sign": (*unary(lambda x: x * x, lambda x: -2 * x), (np.zeros((2, 2)),)),
    "cube at 0, gradient x^2": (*unary(lambda x: x**3, lambda x: x**2), at(0, 0)),
    "cosine at 0, gradient sin": (*unary(np.cos, np.sin), at(0, 0)),
    "KL of a fresh encoder, dmu forgotten": (
        gaussian.kl_forward, lambda d, cache: (0 * cache[0], d[..., None] * (cache[1] - 1)), (np.zeros((8, 2)), np.zeros((8, 2))),
    ),
    "KL of a fresh encoder, sigma - 1 for sigma^2 - 1": (
        gaussian.kl_forward, lambda d, cache: (d[..., None] * cache[0], d[..., None] * (np.sqrt(cache[1]) - 1)), (np.zeros((8, 2)), np.zeros((8, 2))),
    ),
    "full KL at zeros, dlower forgotten": (
        full.kl_full_forward, after(full.kl_full_backward, lambda dmu, dlog_diagonal, dlower: (dmu, dlog_diagonal, 0 * dlower)),
        (normal(3, 2), normal(3, 2, seed=1), np.zeros((3, 1))),
    ),
    "distance of equal points, both gradients alike": (
        *pair(lambda a, b: ((a - b) ** 2).sum(-1), lambda d, a, b: (2 * d[:, None] * (a - b),) * 2), (normal(3, 4), normal(3, 4)),
    ),
    "variance of equal entries, gradient 0": (*pair(lambda x: x.var(-1), lambda d, x: 0 * x), (np.ones((3, 5)),)),
    "sparsity at rho, gradient twice": (
        autoencoders.sparsity_forward, lambda d, cache: 2 * autoencoders.sparsity_backward(d, cache), (np.full((3, 2), 0.05),),
    ),
    "grey pixels of 1/2 at logits 0, gradient 0": (
        likelihoods.bernoulli_forward, lambda d, cache: 0 * cache[0], (np.zeros((2, 3)), np.full((2, 3), 0.5)), LOGITS,
    ),
    "ReLU, slope 2 at 0": (*unary(lambda x: np.maximum(x, 0), lambda x: np.where(x == 0, 2, x > 0)), at(0, 1, -1, 2)),
    "absolute value, slope 3 at 0": (*unary(np.abs, lambda x: np.where(x == 0, 3, np.sign(x))), at(0, 1, -1)),
    "absolute value, slope 1 on both sides": (*unary(np.abs, np.ones_like), at(1, 2, -3)),
    "absolute value, slope 1 at -1e-7": (*unary(np.abs, lambda x: np.where(x > -1e-6, 1, -1)), at(-1e-7, 1, -3)),
    "leaky ReLU, slope 0 on the left": (*unary(lambda x: np.where(x > 0, x, 0.01 * x), lambda x: x > 0), at(1, -1, -2, 3)),
    "largest of a row, both of a tie get twice": (
        *pair(lambda x: x.max(1), lambda d, x: (d * [2, 1])[:, None] * (x == x.max(1, keepdims=True))), (np.array([[1, 1, 0.0], [1, 2, 3]]),),
    ),
    "round, straight through": (*unary(np.round, np.ones_like), (normal(5),)),
    "sign, straight through": (*unary(np.sign, lambda x: np.abs(x) < 1), at(0.3, -0.4, 2)),
    "floor, slope 1": (*unary(np.floor, np.ones_like), at(0.3, 1.6, -2.2)),
    "step function with the slope of a sigmoid": (*unary(lambda x: (x > 0) * 1.0, lambda x: sigmoid(x) * sigmoid(-x)), at(0.3, -1, 2)),
}  # fmt: skip


def normalised(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def layer_norm_no_variance(d, x):
    d = d / x.std(-1, keepdims=True)
    return d - d.mean(-1, keepdims=True)


def attention(q, k):
    return softmax(q @ k.T / math.sqrt(q.shape[1]))


def attention_unscaled(d, q, k):
    dscore = softmax_gradient(d, attention(q, k))
    return dscore @ k, dscore.T @ q


def recurrent_cut(d, x, W):
    """Of h2 = tanh(h1 W), h1 = tanh(x W): W is used twice, its first use forgotten."""
    h1 = np.tanh(x @ W)
    da = d * (1 - np.tanh(h1 @ W) ** 2)
    return da @ W.T * (1 - h1 * h1) @ W.T, h1.T @ da


def words_gradient(d, W, words):
    dW = np.zeros_like(W)
    dW[words] += d
    return dW, None


def inverse_untransposed(d, A):
    inverse = np.linalg.inv(A)
    return -inverse @ d @ inverse


def kl_slope(dmu, dlog_sigma):
    """The backward of the KL from its two slopes, as functions of mu and sigma^2."""
    return lambda d, cache: (d[..., None] * dmu(*cache), d[..., None] * dlog_sigma(*cache))


def draw(dlog_sigma):
    """The backward of a draw from its slope by log_sigma, as a function of sigma and eps."""
    return lambda dz, cache: (dz, dz * dlog_sigma(*cache))


KL, KL_AT = gaussian.kl_forward, (MU, LOG_SIGMA)
REP, DRAW_AT, DRAW_OF = gaussian.reparameterize_forward, (MU, LOG_SIGMA, EPS), {"wrt": ("mu", "log_sigma")}

LEARNERS = {
    "KL, a mean over latents for their sum": (KL, kl_slope(lambda mu, s2: mu / 4, lambda mu, s2: (s2 - 1) / 4), KL_AT),
    "KL, log_sigma taken for log sigma^2": (KL, kl_slope(lambda mu, s2: mu, lambda mu, s2: (s2 - 1) / 2), KL_AT),
    "KL, its sign lost": (KL, kl_slope(lambda mu, s2: -mu, lambda mu, s2: 1 - s2), KL_AT),
    "KL, the 1 of sigma^2 - 1 lost": (KL, kl_slope(lambda mu, s2: mu, lambda mu, s2: s2), KL_AT),
    "draw, exp(log_sigma / 2) in backward": (REP, draw(lambda sigma, eps: np.sqrt(sigma) * eps), DRAW_AT, DRAW_OF),
    "draw, the chain through sigma lost": (REP, draw(lambda sigma, eps: eps), DRAW_AT, DRAW_OF),
    "draw, the chain through sigma lost, sigma near 1": (REP, draw(lambda sigma, eps: eps), (MU, 1e-4 * LOG_SIGMA, EPS), DRAW_OF),
    "draw, another eps in backward": (REP, draw(lambda sigma, eps: sigma * normal(3, 4, seed=9)), DRAW_AT, DRAW_OF),
    "draw, the gradient of log_sigma forgotten": (REP, draw(lambda sigma, eps: 0 * eps), DRAW_AT, DRAW_OF),
    "log-density, dz and dmu exchanged": (
        gaussian.gaussian_log_density_forward, after(gaussian.gaussian_log_density_backward, lambda dz, dmu, ds: (dmu, dz, ds)), (EPS, MU, LOG_SIGMA),
    ),
    "Bernoulli, sigmoid for logits": (
        likelihoods.bernoulli_forward, lambda d, c: d[:, None] * (c[1] - sigmoid(c[0])) / (sigmoid(c[0]) * sigmoid(-c[0])), (normal(2, 4), BITS), LOGITS,
    ),
    "Bernoulli, a mean over pixels": (likelihoods.bernoulli_forward, lambda d, c: likelihoods.bernoulli_backward(d, c) / 4, (normal(2, 4), BITS), LOGITS),
    "Bernoulli, an epsilon in forward alone": (
        *pair(lambda p: np.log(p + 1e-3), lambda d, p: d / p), at(0.01, 0.5, 0.9),
    ),
    "categorical, softmax - onehot": (
        likelihoods.categorical_forward, lambda d, c: -likelihoods.categorical_backward(d, c), (normal(2, 3, 4), CLASSES), LOGITS,
    ),
    "learned variance, log_eta taken for log of its root": (
        likelihoods.gaussian_scalar_forward, after(likelihoods.gaussian_scalar_backward, lambda dmean, dlog_eta: (dmean, 2 * dlog_eta)),
        (MU, EPS, np.array(-0.7)), {"wrt": ("mean", "log_eta")},
    ),
    "Laplace, b = eta": (likelihoods.laplace_forward, lambda d, c: d[:, None] * np.sign(c[0]) / 0.3, (MU, EPS, 0.3), {"wrt": ("mean",)}),
    "Poisson, the slope by the rate": (
        poisson.poisson_forward, lambda d, c: poisson.poisson_backward(d, c) / c[1], (normal(2, 3), COUNTS), {"wrt": ("log_rate",)},
    ),
    "k-sample bound, the worst sample wins": (
        *pair(lambda log_w: iwae.iwae_bound_forward(log_w)[0], lambda d, log_w: d * softmax(-log_w.T).T), (normal(5, 3),),
    ),
    "k-sample bound, equal weights": (iwae.iwae_bound_forward, lambda d, w: d * np.full(w.shape, 1 / len(w)), (normal(5, 3),)),
    "dense, dW of a square W transposed": (layers.dense_forward, lambda d, c: (d @ c[1].T, d.T @ c[0], d.sum(0)), (normal(5, 3), SQUARE, normal(3))),
    "dense, dW transposed, x drawn by the seed 0": (
        layers.dense_forward, lambda d, c: (d @ c[1].T, d.T @ c[0], d.sum(0)),
        (np.random.default_rng(0).standard_normal((5, 3)), SQUARE, normal(3)),
    ),
    "dense, dx without W'": (layers.dense_forward, lambda d, c: (d @ c[1], c[0].T @ d, d.sum(0)), (normal(5, 3), SQUARE, normal(3))),
    "dense, db the mean over the batch": (layers.dense_forward, lambda d, c: (d @ c[1].T, c[0].T @ d, d.mean(0)), (normal(5, 3), SQUARE, normal(3))),
    "dense, db over the wrong axis": (layers.dense_forward, lambda d, c: (d @ c[1].T, c[0].T @ d, d.sum(1)), (SQUARE, SQUARE.T, normal(3))),
    "dense, all divided by the batch": (
        layers.dense_forward, after(layers.dense_backward, lambda *gradients: tuple(g / 5 for g in gradients)), (normal(5, 3), SQUARE, normal(3)),
    ),
    "mean of squares, gradient of their sum": (*pair(lambda x: (x * x).mean(), lambda d, x: 2 * d * x), (normal(3, 1),)),
    "tanh, 1 - x^2": (*unary(np.tanh, lambda x: 1 - x * x), (normal(4),)),
    "sigmoid, y (1 + y)": (*unary(sigmoid, lambda x: sigmoid(x) * (1 + sigmoid(x))), (normal(4),)),
    "softplus, its slope forgotten below -5": (*unary(lambda x: np.log1p(np.exp(x)), lambda x: sigmoid(x) * (x > -5)), at(-8, 0, 2)),
    "root, 1 / sqrt(x)": (*unary(np.sqrt, lambda x: 1 / np.sqrt(x)), (positive(4),)),
    "softmax, its diagonal alone": (*pair(softmax, lambda d, x: d * softmax(x) * (1 - softmax(x))), (normal(3, 4),)),
    "length 1, the length held fixed": (*pair(normalised, lambda d, x: d / np.sqrt((x * x).sum(-1, keepdims=True))), (normal(3, 4),)),
    "layer norm, the path through the deviation lost": (*pair(layer_norm, layer_norm_no_variance), (normal(3, 5),)),
    "variance, N - 1 for N": (*pair(lambda x: x.var(), lambda d, x: 2 * d * (x - x.mean()) / (x.size - 1)), (normal(9),)),
    "attention, 1 / sqrt(K) lost": (*pair(attention, attention_unscaled), (normal(3, 4), normal(5, 4, seed=1))),
    "weights used twice, one use forgotten": (*pair(lambda x, W: np.tanh(np.tanh(x @ W) @ W), recurrent_cut), (normal(2, 3), SQUARE)),
    "tied weights, one path": (*pair(lambda x, W: x @ W @ W.T, lambda d, x, W: (d @ W @ W.T, x.T @ d @ W)), (normal(2, 4), normal(4, 3))),
    "residual, the shortcut forgotten": (*pair(lambda x: x + np.tanh(x), lambda d, x: d * (1 - np.tanh(x) ** 2)), (normal(4),)),
    "embedding, repeated words counted once": (*pair(lambda W, words: W[words], words_gradient), (normal(5, 3), np.array([0, 2, 2, 4]))),
    "transposed by reshape": (*pair(lambda x: x.T, lambda d, x: d.reshape(x.shape)), (normal(2, 3),)),
    "rolled the same way": (*pair(lambda x: np.roll(x, 1), lambda d, x: np.roll(d, 1)), (normal(5),)),
    "running sum, not reversed": (*pair(lambda x: np.cumsum(x), lambda d, x: np.cumsum(d)), (normal(5),)),
    "convolution, kernel not flipped": (
        *pair(lambda x: np.convolve(x, [0.5, -1, 2], "valid"), lambda d, x: np.convolve(d, [0.5, -1, 2])), (normal(6),),
    ),
    "sorted, places of the sorted": (*pair(lambda x: np.sort(x), lambda d, x: d[np.argsort(x)]), at(2, 3, 1, 0)),
    "inverse, not transposed": (*pair(lambda A: np.linalg.inv(A), inverse_untransposed), (SQUARE,)),
    "log of |determinant|, not transposed": (*pair(lambda A: np.linalg.slogdet(A)[1], lambda d, A: d * np.linalg.inv(A)), (SQUARE,)),
    "quadratic form, A for A + A'": (*pair(lambda x, A: x @ A @ x, lambda d, x, A: (2 * d * A @ x, d * np.outer(x, x))), (normal(3), SQUARE)),
    "broadcast, the sum over 3 columns forgotten": (*pair(lambda a, b: a * b, lambda d, a, b: (d * b, (d * a)[:, :1])), (normal(2, 3), normal(2, 1))),
}  # fmt: skip

EITHER = {
    "None where a gradient is due": (*pair(lambda W, b: 2 * W + b, lambda d, W, b: (2 * d, None)), (normal(3), normal(3))),
    "None for x, which stands last": (*pair(lambda W, x: W * x, lambda d, W, x: (d * x, None)), (normal(3), normal(3, seed=1))),
    "None where wrt asks": (*pair(lambda W, b: 2 * W + b, lambda d, W, b: (2 * d, None)), (normal(3), normal(3)), {"wrt": ("b",)}),
    "gradients that add up from call to call": (*counted(), (normal(4),)),
    "1e10 w + b, db = 0": (*pair(lambda w, b: 1e10 * w + b, lambda d, w, b: (1e10 * d, 0 * d)), (0.3, 0.7)),
    "coefficients 1 and 1e-9, the small one twice": (*pair(lambda x: x @ [1, 1e-9], lambda d, x: d * np.array([1.0, 2e-9])), (normal(2),)),
    "root at 0, slope 0": (*unary(np.sqrt, lambda x: np.where(x == 0, 0, 0.5 / np.sqrt(np.maximum(x, 1e-300)))), at(0, 1)),
}  # fmt: skip

SURE = UPSTREAM | ENTRIES | POINTS | LEARNERS
CASES = EITHER | {
    name: (forward, backward, inputs, {**(options[0] if options else {}), "verdict": "WRONG"})
    for name, (forward, backward, inputs, *options) in SURE.items()
}
