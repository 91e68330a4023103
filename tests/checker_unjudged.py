"""Gradients that no checker can judge by differences: the honest verdict for the input named is CANNOT JUDGE.

Backward is right, or nobody can say; the word after each case says why.
"""

import numpy as np
from checker_pairs import at, normal, pair, sigmoid, softmax, softmax_gradient, unary

from tinyvae import gaussian, layers, likelihoods
from tinyvae.priors.mixture import mixture_backward, mixture_forward
from tinyvae.zoo import autoencoders

X = {"unjudged": "x"}
ZEROS = (np.zeros(3),)
BITS = np.array([[0, 1], [1, 0]])


def hashed(x):
    """Noise of 1e-3 that depends on the last bits of x: the same for the same x, and no function of it to speak of."""
    bits = np.ascontiguousarray(x, dtype=float).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return 1e-3 * (bits >> np.uint64(40)) / 2**24


def no_limit(x):
    return x * np.sin(np.log(np.where(x == 0, 1, np.abs(x))))


def rough(x):
    """The first terms of a sum that has no slope anywhere: its shortest wave is shorter than any step."""
    return sum(0.5**n * np.cos(7.0**n * np.pi * x) for n in range(16))


def rough_slope(x):
    return sum(-(3.5**n) * np.pi * np.sin(7.0**n * np.pi * x) for n in range(16))


def two_layers(x, W1, W2):
    return np.tanh(x @ W1) @ W2


def two_layers_gradient(dy, x, W1, W2):
    h = np.tanh(x @ W1)
    da = dy @ W2.T * (1 - h * h)
    return da @ W1.T, x.T @ da, h.T @ dy


def attention(q, k, v):
    return softmax(q @ k.T) @ v


def attention_gradient(dy, q, k, v):
    p = softmax(q @ k.T)
    dscore = softmax_gradient(dy @ v.T, p)
    return dscore @ k, dscore.T @ q, p.T @ dy


def batch_norm(x, b):
    a = x + b
    return (a - a.mean(0)) / np.sqrt(((a - a.mean(0)) ** 2).mean(0) + 1e-5)


def batch_norm_gradient(dy, x, b):
    a = x + b
    sd = np.sqrt(((a - a.mean(0)) ** 2).mean(0) + 1e-5)
    u = (a - a.mean(0)) / sd
    dx = (dy - dy.mean(0) - u * (dy * u).mean(0)) / sd
    return dx, dx.sum(0)


KINKS = {
    "ReLU, all at 0": (layers.relu_forward, layers.relu_backward, ZEROS, X),  # every entry on the kink
    "ReLU of the number 0": (layers.relu_forward, layers.relu_backward, (0.0,), X),  # the same
    "absolute value, all at 0": (*unary(np.abs, np.sign), (np.zeros((2, 3)),), X),  # every entry on the kink
    "l1 of codes that are 0": (autoencoders.l1_forward, autoencoders.l1_backward, (np.zeros((2, 3)),), {"unjudged": "h"}),  # too
    "clip, all at the borders": (*unary(lambda x: np.clip(x, -1, 1), lambda x: np.abs(x) < 1), at(-1, 1, 1), X),  # all on kinks
    "hinge, all at the margin": (*unary(lambda x: np.maximum(0, 1 - x), lambda x: np.where(x < 1, -1, 0)), (np.ones(4),), X),  # all on the kink
    "largest of equal entries": (
        *pair(lambda x: x.max(1), lambda d, x: d[:, None] * (np.arange(3) == 0)), (np.full((2, 3), 0.7),), X,  # all tie
    ),
    "Laplace at its mean": (
        likelihoods.laplace_forward, likelihoods.laplace_backward, (normal(2, 3), normal(2, 3), 0.3), {"wrt": ("mean",), "unjudged": "mean"},
    ),  # |x - mean| has its kink there
    "length of the zero vector": (
        *pair(lambda x: np.sqrt((x * x).sum()), lambda d, x: d * x / max(np.sqrt((x * x).sum()), 1e-300)), ZEROS, X,
    ),  # the tip of a cone
}  # fmt: skip

STILL = {
    "ReLU, all inputs at -1": (layers.relu_forward, layers.relu_backward, (-np.ones((2, 3)),), X),  # forward does not move
    "W1 below W2 = 0": (*pair(two_layers, two_layers_gradient), (normal(2, 3), normal(3, 4), np.zeros((4, 2))), {"unjudged": "W1"}),  # W2 hides it
    "an input that is not used": (*pair(lambda a, b: a * a, lambda d, a, b: (2 * a * d, 0 * b)), (normal(3), normal(3)), {"unjudged": "b"}),
    "b, multiplied by 0": (*pair(lambda a, b: a * a + 0 * b, lambda d, a, b: (2 * a * d, 0 * d)), (normal(3), normal(3)), {"unjudged": "b"}),
    "product of two zeros": (*pair(lambda a, b: a * b, lambda d, a, b: (d * b, d * a)), (0.0, 0.0), {"unjudged": "a"}),  # each hides the other
    "W of a dense layer whose x is 0": (
        layers.dense_forward, layers.dense_backward, (np.zeros((2, 3)), normal(3, 4), normal(4)), {"unjudged": "W"},
    ),  # x hides it
    "dropout of all units": (
        layers.dropout_forward, layers.dropout_backward, (normal(2, 3), np.zeros((2, 3))), {"wrt": ("x",), "unjudged": "x"},
    ),  # the output is 0 whatever x is
    "log_sigma under noise 0": (
        gaussian.reparameterize_forward, gaussian.reparameterize_backward,
        (normal(2, 3), normal(2, 3, seed=1), np.zeros((2, 3))), {"wrt": ("mu", "log_sigma"), "unjudged": "log_sigma"},
    ),  # z = mu whatever sigma is
    "h of the contractive penalty of W = 0": (
        autoencoders.contractive_forward, autoencoders.contractive_backward, (sigmoid(normal(2, 3)), np.zeros((4, 3))), {"unjudged": "h"},
    ),  # the penalty is 0 whatever h is
    "weights of equal components": (
        mixture_forward, mixture_backward, (normal(3, 2), normal(4), np.zeros((4, 2)), np.zeros((4, 2))), {"unjudged": "logits"},
    ),  # the mixture is the same whatever their weights are
    "tanh, saturated in every entry": (layers.tanh_forward, layers.tanh_backward, at(30, -30, 40), X),  # it is 1, and stays 1 beside
    "Bernoulli, sure of every pixel": (
        likelihoods.bernoulli_forward, likelihoods.bernoulli_backward, (np.where(BITS, 800.0, -800), BITS), {"wrt": ("logits",), "unjudged": "logits"},
    ),  # log p = 0, and stays 0 beside
    "exp that underflows": (*unary(lambda x: np.exp(x - 1000), lambda x: np.exp(x - 1000)), (normal(3),), X),  # it is 0 everywhere near
    "softmax of one class": (*pair(softmax, lambda d, x: softmax_gradient(d, softmax(x))), (normal(4, 1),), X),  # it is 1
    "attention to a single key": (
        *pair(attention, attention_gradient), (normal(3, 4), normal(1, 4, seed=1), normal(1, 2, seed=2)), {"unjudged": "q"},
    ),  # its weight is 1
    "sum of what has the mean taken off": (*pair(lambda x: (x - x.mean()).sum(), lambda d, x: 0 * x), (normal(7),), X),  # 0, rounded
    "bias under batch norm": (*pair(batch_norm, batch_norm_gradient), (normal(5, 3), normal(3, seed=1)), {"unjudged": "b"}),  # taken off
    "whole part between its jumps": (*unary(np.floor, lambda x: 0 * x), at(0.3, 1.6, -2.2), X),  # flat here and beside
    "rows with a sum of probabilities": (*pair(lambda x: softmax(x).sum(-1), lambda d, x: 0 * x), (normal(3, 4),), X),  # 1, but for rounding
}  # fmt: skip

SMALL = {
    "1 + 1e-20 x": (*unary(lambda x: 1 + 1e-20 * x, lambda x: 1e-20 + 0 * x), (normal(3),), X),  # below the rounding of 1
    "1 + 1e-20 x, said to be 0": (*unary(lambda x: 1 + 1e-20 * x, lambda x: 0 * x), (normal(3),), X),  # the same
    "1e10 w + 1e-9 b": (*pair(lambda w, b: 1e10 * w + 1e-9 * b, lambda d, w, b: (1e10 * d, 1e-9 * d)), (0.3, 0.7), {"unjudged": "b"}),
    "1e10 w + 1e-9 b, db = 0": (*pair(lambda w, b: 1e10 * w + 1e-9 * b, lambda d, w, b: (1e10 * d, 0 * d)), (0.3, 0.7), {"unjudged": "b"}),
    "sin x beside 1e20": (*unary(lambda x: 1e20 + np.sin(x), np.cos), (normal(3),), X),  # below the rounding of 1e20
    "log_sigma of sigma = e^-40 beside mu": (
        gaussian.reparameterize_forward, gaussian.reparameterize_backward,
        (1 + normal(2, 3) ** 2, np.full((2, 3), -40.0), normal(2, 3, seed=1)), {"wrt": ("mu", "log_sigma"), "unjudged": "log_sigma"},
    ),  # sigma eps = 1e-18 below the rounding of mu
}  # fmt: skip

UNSETTLED = {
    "step function at its jump": (*unary(lambda x: (x > 0) * 1.0, lambda x: 0 * x), ZEROS, X),
    "sign at 0": (*unary(np.sign, lambda x: 0 * x), ZEROS, X),
    "floor at whole numbers": (*unary(np.floor, lambda x: 0 * x), at(0, 1, -2), X),
    "a slope and a jump": (*unary(lambda x: x + np.floor(x), np.ones_like), at(1, 2), X),
    "cube root at 0": (*unary(np.cbrt, lambda x: 0 * x), ZEROS, X),  # an infinite slope
    "signed root at 0": (*unary(lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: 0 * x), ZEROS, X),  # an infinite slope
    "noise of 1e-3": (*unary(lambda x: np.sin(x) + hashed(x), np.cos), at(0.3, 1, 2), X),
    "x sin(log |x|) at 0": (*unary(no_limit, lambda x: 0 * x), ZEROS, X),  # the differences wander between -1 and 1
    "waves shorter than any step": (*unary(lambda x: np.sin(1e14 * x), lambda x: 1e14 * np.cos(1e14 * x)), at(0.3, 0.7), X),
    "rough at every scale": (*unary(rough, rough_slope), at(0.3, 0.71), X),
}  # fmt: skip

CASES = KINKS | STILL | SMALL | UNSETTLED
