"""More pairs for the gradient checker: right ones whose forward rounds inside itself, or is badly scaled; stairs, ripples and offsets."""

import numpy as np
from checker_pairs import at, pair, softmax, softmax_gradient, unary


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def cross_entropy(x):
    top = x.max(1)
    return top + np.log(np.exp(x - top[:, None]).sum(1)) - x[:, 0]


def cross_entropy_gradient(d, x):
    return d[:, None] * (softmax(x) - np.eye(x.shape[1])[0])


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_slope(x):
    return gelu(x + 1e-30j).imag / 1e-30


def spline(x):
    knots = np.array([0, 0.1, 0.4, 0.9, 1.3])
    k = np.searchsorted([0, 0.25, 0.5, 0.75, 1.0], x, side="right") - 1
    return knots[k] + (knots[k + 1] - knots[k]) * (4 * x - k), knots[k + 1] - knots[k]


def kernel(jitter):
    t = np.linspace(0, 1, 12)
    K = np.exp(-((t[:, None] - t) ** 2) / 0.18) + jitter * np.eye(12)
    return pair(lambda y: np.linalg.solve(K, y), lambda d, y: np.linalg.solve(K.T, d))


def once_wrong(df, entry):
    def gradient(d, x):
        dx = d * df(x)
        dx[entry] *= 1.5
        return dx

    return gradient


LOG1PEXP = unary(lambda x: np.log(1 + np.exp(x)), lambda x: 1 / (1 + np.exp(-x)))
LOG_SIGMOID = unary(lambda x: np.log(1 / (1 + np.exp(-x))), lambda x: 1 / (1 + np.exp(x)))
SQRT = unary(np.sqrt, lambda x: 0.5 / np.sqrt(x))
LARGE = {
    "log from 1e-30 to 1": (np.log, lambda x: 1 / x, np.geomspace(1e-30, 1, 4000)),
    "log about 1e10": (np.log, lambda x: 1 / x, 1e10 * (1 + 0.1 * normal(4000))),
    "square of 1e10": (np.square, lambda x: 2 * x, 1e10 * normal(4000)),
    "root from 1e-9 to 1e9": (np.sqrt, lambda x: 0.5 / np.sqrt(x), np.geomspace(1e-9, 1e9, 4000)),
    "tanh of 4 000 numbers": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, normal(4000)),
    "sine of 4 000 zeros": (np.sin, np.cos, np.zeros(4000)),
}

RIGHT = {
    "cross-entropy of a sure class": (*pair(cross_entropy, cross_entropy_gradient), (np.array([[36.0, 0, 1], [1, 2, 0]]),)),
    **{
        f"{name} of logits of {spread}": (*functions, (spread * normal(12, 3, seed=spread),))
        for spread in (10, 20, 40)
        for name, functions in {
            "cross-entropy": pair(cross_entropy, cross_entropy_gradient),
            "softmax": pair(softmax, lambda d, x: softmax_gradient(d, softmax(x))),
            "log of softmax": pair(lambda x: -np.log(softmax(x)[:, 0]), cross_entropy_gradient),
        }.items()
    },
    **{f"GELU in its left tail, {x}": (*unary(gelu, gelu_slope), at(x, 1.0)) for x in (-5.5, -6.0, -6.5, -7.0, -8.0)},
    "GELU of wide numbers": (*unary(gelu, gelu_slope), (3 * normal(10, 10),)),
    **{f"naive softplus at {x}": (*LOG1PEXP, at(x, 0.5)) for x in (-30.0, -36.5, -40.0)},
    **{f"naive log of sigmoid at {x}": (*LOG_SIGMOID, at(x, 0.5)) for x in (30.0, 34.0, 38.0)},
    "1 - tanh, saturated": (*unary(lambda x: 1 - np.tanh(x), lambda x: -1 / np.cosh(x) ** 2), at(18.0, 19.5, 25.0, 0.5)),
    **{f"an offset of {C:g} put on and taken off": (*unary(lambda x, C=C: (x + C) - C, np.ones_like), (normal(3),)) for C in (1e3, 1e4, 1e6)},
    "a kernel matrix of jitter 1e-5": (*kernel(1e-5), (np.sin(6 * np.linspace(0, 1, 12)),)),
    "a table that ends": (spline, lambda d, c: 4 * d * c, at(0.1, 0.3, 0.6, 0.95)),
    **{name: (*unary(f, df), (x,)) for name, (f, df, x) in LARGE.items()},
}

WRONG = {
    **{f"{name}, one entry": (*pair(f, once_wrong(df, 1234)), (x,)) for name, (f, df, x) in LARGE.items()},
    "one of 4 000, and far larger": (*pair(np.sin, once_wrong(np.cos, 7)), (np.where(np.arange(4000) == 7, 1e6, normal(4000)),)),
    **{f"{k} digits, straight through": (*unary(lambda x, k=k: np.round(x, k), np.ones_like), (normal(5),)) for k in (1, 2)},
}

NOT_OK = {  # which of the two other verdicts is for the checker to choose
    **{f"{k} digits, straight through": (*unary(lambda x, k=k: np.round(x, k), np.ones_like), (normal(5),)) for k in (3, 4, 5, 6, 7, 8)},
    **{f"{k} bits, straight through": (*unary(lambda x, k=k: np.round(x * 2**k) / 2**k, np.ones_like), (normal(5),)) for k in (8, 12, 16, 20)},
    **{
        f"ripples of 1e-{k}": (*unary(lambda x, k=k: x + 10.0**-k * np.sin(2 * np.pi * 10.0**k * x) / 6, np.ones_like), (normal(5),))
        for k in (3, 4, 5, 6, 7, 8)
    },
}
