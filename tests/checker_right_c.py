"""Right gradients that a checker must call ok: sequences, several inputs and outputs, large arrays.

Each was compared with complex steps or with a closed form, never with the checker.
"""

import numpy as np
from checker_pairs import at, normal, pair, positive, sigmoid

WORDS = np.array([[0, 2, 2], [4, 0, 2]])
KERNEL = np.array([0.5, -1, 2])


def recurrent(x, W, U):
    h = np.zeros(len(U))
    for row in x:
        h = np.tanh(row @ W + h @ U)
    return h


def recurrent_gradient(dh, x, W, U):
    h = [np.zeros(len(U))]
    for row in x:
        h.append(np.tanh(row @ W + h[-1] @ U))
    dx, dW, dU = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U)
    for t in reversed(range(len(x))):
        da = dh * (1 - h[t + 1] ** 2)
        dW += np.outer(x[t], da)
        dU += np.outer(h[t], da)
        dx[t], dh = W @ da, U @ da
    return dx, dW, dU


def rows_of_words(W, words):
    return W[words]


def words_gradient(dy, W, words):
    dW = np.zeros_like(W)
    np.add.at(dW, words, dy)
    return dW, None


def planar_flow(z, u, w, b):
    """z + u tanh(w'z + b), and log |det| of its Jacobian."""
    h = np.tanh(z @ w + b)
    return z + np.outer(h, u), np.log(np.abs(1 + (1 - h * h) * (u @ w)))


def planar_flow_gradient(dout, z, u, w, b):
    (dy, dlog), h = dout, np.tanh(z @ w + b)
    slope = 1 - h * h
    ddet = dlog / (1 + slope * (u @ w))
    da = slope * (dy @ u) - 2 * h * slope * (u @ w) * ddet
    scale = (ddet * slope).sum()
    return dy + np.outer(da, w), h @ dy + scale * w, da @ z + scale * u, da.sum()


def mixed(a, b, c):
    """Three outputs of three shapes."""
    return a.sum(), np.outer(a, b), b * c


def mixed_gradient(dout, a, b, c):
    d0, d1, d2 = dout
    return d0 + d1 @ b, a @ d1 + c * d2, (b * d2).sum()


def convolution_gradient(dy, x, kernel):
    return np.convolve(dy, kernel[::-1]), np.correlate(x, dy, "valid")[::-1]


def image_convolution(x, kernel):
    return np.einsum("ijkl,kl->ij", np.lib.stride_tricks.sliding_window_view(x, kernel.shape), kernel)


def image_convolution_gradient(dy, x, kernel):
    dx = np.zeros_like(x)
    for i, j in np.ndindex(*kernel.shape):
        dx[i : i + dy.shape[0], j : j + dy.shape[1]] += dy * kernel[i, j]
    return dx, np.einsum("ijkl,ij->kl", np.lib.stride_tricks.sliding_window_view(x, kernel.shape), dy)


def product_gradient(d, x):
    return np.array([d * np.prod(np.delete(x, i)) for i in range(len(x))])


SEQUENCES = {
    "running sum": (*pair(lambda x: np.cumsum(x), lambda d, x: np.cumsum(d[::-1])[::-1]), (normal(6),)),
    "differences": (*pair(lambda x: np.diff(x), lambda d, x: -np.diff(d, prepend=0, append=0)), (normal(6),)),
    "product with a zero in it": (*pair(lambda x: np.prod(x), product_gradient), at(0, 2, -3, 1e-3)),
    "product of small sigmoids": (
        *pair(lambda x: sigmoid(x).prod(-1), lambda d, x: d[:, None] * sigmoid(x).prod(-1, keepdims=True) * sigmoid(-x)), (normal(2, 4) - 8,),
    ),
    "convolution": (*pair(lambda x, kernel: np.convolve(x, kernel, "valid"), convolution_gradient), (normal(7), KERNEL)),
    "convolution of an image": (*pair(image_convolution, image_convolution_gradient), (normal(5, 6), normal(2, 3, seed=1))),
    "recurrent network, four steps": (*pair(recurrent, recurrent_gradient), (normal(4, 3), normal(3, 2, seed=1), normal(2, 2, seed=2))),
    "embedding, words repeated": (*pair(rows_of_words, words_gradient), (normal(5, 3), WORDS)),
    "columns chosen by a list": (*pair(lambda x: x[:, [2, 0]], lambda d, x: np.stack([d[:, 1], 0 * d[:, 0], d[:, 0]], 1)), (normal(2, 3),)),
    "mask of booleans": (*pair(lambda x, keep: np.where(keep, x, 0), lambda d, x, keep: (d * keep, None)), (normal(2, 3), normal(2, 3, seed=1) > 0)),
    "integers as data": (*pair(lambda x, n: x**n, lambda d, x, n: (d * n * x ** (n - 1), None)), (positive(4), np.array([1, 2, 3, 4]))),
    "transposed and reshaped": (
        *pair(lambda x: x.transpose(2, 0, 1).reshape(4, 6), lambda d, x: d.reshape(4, 2, 3).transpose(1, 2, 0)),
        (normal(2, 3, 4),),
    ),
    "rolled by one": (*pair(lambda x: np.roll(x, 1), lambda d, x: np.roll(d, -1)), (normal(5),)),
    "padded with zeros": (*pair(lambda x: np.pad(x, 2), lambda d, x: d[2:-2]), (normal(5),)),
    "low frequencies only": (
        *pair(lambda x: np.fft.fft(x).real[:3], lambda d, x: np.cos(2 * np.pi * np.outer(np.arange(8), np.arange(3)) / 8) @ d), (normal(8),),
    ),
    "polynomial by its coefficients": (
        *pair(lambda c, x: c @ x ** np.arange(4), lambda d, c, x: (d * x ** np.arange(4), d * (c[1:] * [1, 2, 3]) @ x ** np.arange(3))),
        (normal(4), 1.3),
    ),
}  # fmt: skip

SEVERAL = {
    "sum broadcast from (4,) and (3, 1)": (*pair(lambda a, b: a + b, lambda d, a, b: (d.sum(0), d.sum(1, keepdims=True))), (normal(4), normal(3, 1))),
    "product broadcast from () and (2, 3)": (*pair(lambda a, x: a * x, lambda d, a, x: ((d * x).sum(), d * a)), (0.7, normal(2, 3))),
    "mean of all": (*pair(lambda x: x.mean(), lambda d, x: np.full(x.shape, d / x.size)), (normal(3, 4),)),
    "two numbers": (*pair(lambda a, b: a * b, lambda d, a, b: (d * b, d * a)), (2.0, -3.0)),
    "two outputs": (*pair(lambda x: (np.sin(x), np.cos(x)), lambda d, x: d[0] * np.cos(x) - d[1] * np.sin(x)), (normal(4),)),
    "a tuple of one output": (*pair(lambda x: (x * x,), lambda d, x: 2 * x * d[0]), (normal(4),)),
    "a large output beside a small one": (
        *pair(lambda x: (1e12 * x[0], np.sin(x)), lambda d, x: d[1] * np.cos(x) + [1e12 * d[0], 0, 0]),
        (normal(3),),
    ),
    "three outputs of three shapes": (*pair(mixed, mixed_gradient), (normal(3), normal(2, seed=1), 0.4)),
    "an output that is constant": (*pair(lambda x: (x**3, np.ones(2)), lambda d, x: 3 * x * x * d[0]), (normal(4),)),
    "planar flow with its log-determinant": (
        *pair(planar_flow, planar_flow_gradient),
        (normal(4, 3), positive(3), positive(3, seed=1), np.array(0.3)),
    ),
    "coefficients from 1e10 to 1e-9 in one input": (*pair(lambda w: w @ [1e10, 1, 1e-9], lambda d, w: d * np.array([1e10, 1, 1e-9])), (normal(3),)),
    "coefficients from 1e10 to 1e-9, one output each": (*pair(lambda w: w * [1e10, 1, 1e-9], lambda d, w: d * [1e10, 1, 1e-9]), (normal(3),)),
    "inputs of 1e-6, 1 and 1e6": (*pair(lambda x: np.log(x).sum(), lambda d, x: d / x), at(1e-6, 1, 1e6)),
    "Rosenbrock's valley at its bottom": (
        *pair(
            lambda x, y: (1 - x) ** 2 + 100 * (y - x * x) ** 2,
            lambda d, x, y: (d * (2 * (x - 1) - 400 * x * (y - x * x)), d * 200 * (y - x * x)),
        ),
        (1.0, 1.0),
    ),
    "one gradient of three, by wrt": (
        *pair(lambda x, W, b: x @ W + b, lambda d, x, W, b: (None, x.T @ d, None)),
        (normal(2, 3), normal(3, 4), normal(4)), {"wrt": ("W",)},
    ),
    "two gradients of three, only those of wrt": (
        *pair(lambda x, W, b: x @ W + b, lambda d, x, W, b: (x.T @ d, d.sum(0))), (normal(2, 3), normal(3, 4), normal(4)), {"wrt": ("W", "b")},
    ),
    "sigma near 1": (
        *pair(lambda log_sigma, eps: np.exp(log_sigma) * eps, lambda d, log_sigma, eps: (d * np.exp(log_sigma) * eps, None)),
        (1e-6 * normal(4), normal(4, seed=1)), {"wrt": ("log_sigma",)},
    ),
    "1 + 1e-6 sin x": (*pair(lambda x: 1 + 1e-6 * np.sin(x), lambda d, x: 1e-6 * d * np.cos(x)), (normal(4),)),
    "1e6 + sin x": (*pair(lambda x: 1e6 + np.sin(x), lambda d, x: d * np.cos(x)), (normal(4),)),
}  # fmt: skip

LARGE = {
    "tanh of 20 000 numbers": (*pair(lambda x: np.tanh(x), lambda d, x: d * (1 - np.tanh(x) ** 2)), (normal(200, 100),)),
    "ReLU of 10 000 numbers, many of them 0": (
        *pair(lambda x: np.maximum(x, 0), lambda d, x: d * (x > 0)),
        (normal(10000) * (normal(10000, seed=1) > 0),),
    ),
    "sum of 10 000 squares": (*pair(lambda x: (x * x).sum(), lambda d, x: 2 * d * x), (normal(10000),)),
    "matrix of 100 by 100": (*pair(lambda x, W: x @ W, lambda d, x, W: (d @ W.T, x.T @ d)), (normal(3, 100), normal(100, 100, seed=1))),
    "10 000 words, three of them read": (*pair(rows_of_words, words_gradient), (normal(5000, 2), np.array([0, 4999, 17]))),
    "10 000 coefficients from 1e-3 to 1e3": (
        *pair(
            lambda x, c: (np.sin(x) * c).reshape(100, 100).sum(1),
            lambda d, x, c: (np.repeat(d, 100) * np.cos(x) * c, np.repeat(d, 100) * np.sin(x)),
        ),
        (normal(10000), np.geomspace(1e-3, 1e3, 10000)),
    ),
}  # fmt: skip

CASES = SEQUENCES | SEVERAL | LARGE
