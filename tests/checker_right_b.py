"""Right gradients that a checker must call ok: matrices and rows.

Each was compared with complex steps or with a closed form, never with the checker.
"""

import math

import numpy as np
from checker_pairs import at, normal, pair, positive, softmax, softmax_gradient

SQUARE = normal(3, 3, seed=4) + 2 * np.eye(3)


def inverse_gradient(dy, A):
    inverse = np.linalg.inv(A)
    return -inverse.T @ dy @ inverse.T


def solve_gradient(dx, A, b):
    db = np.linalg.solve(A.T, dx)
    return -np.outer(db, np.linalg.solve(A, b)), db


def symmetric(A):
    return A @ A.T + np.eye(len(A))


def cholesky_gradient(dL, A):
    """dS = L'^-1 phi(L' dL) L^-1 with phi the lower half, for S = L L'; then S = A A' + I."""
    L = np.linalg.cholesky(symmetric(A))
    phi = np.tril(L.T @ np.tril(dL))
    phi[np.diag_indices(len(L))] /= 2
    inverse = np.linalg.inv(L)
    dS = inverse.T @ phi @ inverse
    return (dS + dS.T) @ A


def eigenvalues_gradient(d, A):
    _, V = np.linalg.eigh(symmetric(A))
    return 2 * (V * d) @ V.T @ A


def power_gradient(dy, A):
    return dy @ A.T @ A.T + A.T @ dy @ A.T + A.T @ A.T @ dy


def layer_norm(x, gain, shift):
    centred = x - x.mean(-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) + shift


def layer_norm_gradient(dy, x, gain, shift):
    centred = x - x.mean(-1, keepdims=True)
    sd = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    u, du = centred / sd, dy * gain
    dx = (du - du.mean(-1, keepdims=True) - u * (du * u).mean(-1, keepdims=True)) / sd
    return dx, (dy * u).sum(0), dy.sum(0)


def attention(q, k, v):
    return softmax(q @ k.T / math.sqrt(q.shape[1])) @ v


def attention_gradient(dy, q, k, v):
    p = softmax(q @ k.T / math.sqrt(q.shape[1]))
    dscore = softmax_gradient(dy @ v.T, p) / math.sqrt(q.shape[1])
    return dscore @ k, dscore.T @ q, p.T @ dy


def log_sum_exp(x):
    top = x.max(-1, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(-1, keepdims=True)))[..., 0]


def largest_two(x):
    return np.sort(x, -1)[:, -2:]


def largest_two_gradient(dy, x):
    dx = np.zeros_like(x)
    np.put_along_axis(dx, np.argsort(x, -1)[:, -2:], dy, -1)
    return dx


def sort_gradient(dy, x):
    dx = np.zeros_like(x)
    dx[np.argsort(x, kind="stable")] = dy
    return dx


def first_largest(d, x):
    return d[:, None] * (np.arange(x.shape[1]) == x.argmax(1)[:, None])


def shared_largest(d, x):
    top = x == x.max(1, keepdims=True)
    return d[:, None] * top / top.sum(1, keepdims=True)


def max_pool_gradient(dy, x):
    blocks = x.reshape(2, 2, 3, 2)
    return (dy[:, None, :, None] * (blocks == blocks.max((1, 3), keepdims=True))).reshape(x.shape)


def safe_norm_gradient(d, x):
    norm = np.sqrt((x * x).sum(-1, keepdims=True))
    return d[:, None] * x / np.where(norm == 0, 1, norm)


def cosine(a, b):
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def cosine_gradient(d, a, b):
    c, A, B = cosine(a, b), (a * a).sum(), (b * b).sum()
    return d * (b / np.sqrt(A * B) - c * a / A), d * (a / np.sqrt(A * B) - c * b / B)


MATRICES = {
    "matrix product": (*pair(lambda A, B: A @ B, lambda d, A, B: (d @ B.T, A.T @ d)), (normal(2, 3), normal(3, 4))),
    "product with huge and tiny weights": (
        *pair(lambda x, W: x @ W, lambda d, x, W: (d @ W.T, x.T @ d)), (normal(2, 3), normal(3, 4) * np.array([1e8, 1, 1e-4, 1e-8])),
    ),
    "determinant": (*pair(lambda A: np.linalg.det(A), lambda d, A: d * np.linalg.det(A) * np.linalg.inv(A).T), (SQUARE,)),
    "log of |determinant|": (*pair(lambda A: np.linalg.slogdet(A)[1], lambda d, A: d * np.linalg.inv(A).T), (SQUARE,)),
    "inverse": (*pair(lambda A: np.linalg.inv(A), inverse_gradient), (SQUARE,)),
    "inverse, condition 1e4": (*pair(lambda A: np.linalg.inv(A), inverse_gradient), (np.array([[1, 1], [1, 1.0004]]),)),
    "solve": (*pair(lambda A, b: np.linalg.solve(A, b), solve_gradient), (SQUARE, normal(3))),
    "Cholesky factor of A A' + I": (*pair(lambda A: np.linalg.cholesky(symmetric(A)), cholesky_gradient), (SQUARE,)),
    "eigenvalues of A A' + I": (*pair(lambda A: np.linalg.eigvalsh(symmetric(A)), eigenvalues_gradient), (SQUARE,)),
    "third power of a matrix": (*pair(lambda A: A @ A @ A, power_gradient), (SQUARE,)),
    "trace": (*pair(lambda A: np.trace(A), lambda d, A: d * np.eye(3)), (SQUARE,)),
    "upper triangle": (*pair(lambda A: np.triu(A), lambda d, A: np.triu(d)), (SQUARE,)),
    "quadratic form": (
        *pair(lambda x, A: x @ A @ x, lambda d, x, A: (d * (A + A.T) @ x, d * np.outer(x, x))), (normal(3), SQUARE),
    ),
    "tied weights, x W W'": (
        *pair(lambda x, W: x @ W @ W.T, lambda d, x, W: (d @ W @ W.T, x.T @ d @ W + d.T @ x @ W)), (normal(2, 4), normal(4, 3)),
    ),
    "outer product": (*pair(lambda a, b: np.outer(a, b), lambda d, a, b: (d @ b, a @ d)), (normal(3), normal(4))),
    "dense layer where W = 0": (
        *pair(lambda W, b: np.ones((2, 3)) @ W + b, lambda d, W, b: (np.ones((3, 2)) @ d, d.sum(0))),
        (np.zeros((3, 4)), np.zeros(4)),
    ),
}  # fmt: skip

ROWS = {
    "softmax": (*pair(softmax, lambda d, x: softmax_gradient(d, softmax(x))), (normal(3, 4),)),
    "softmax of logits 1e6": (*pair(softmax, lambda d, x: softmax_gradient(d, softmax(x))), (1e6 + normal(3, 4),)),
    "log softmax of far logits": (
        *pair(lambda x: x - log_sum_exp(x)[:, None], lambda d, x: d - softmax(x) * d.sum(1, keepdims=True)), (300 * normal(3, 4),),
    ),
    "log sum exp at 1e4 and -1e4": (
        *pair(log_sum_exp, lambda d, x: d[:, None] * softmax(x)), (np.array([[1e4, 1e4, 9999], [-1e4, -9998, -1e4]]),),
    ),
    "log sum exp of equal entries": (*pair(log_sum_exp, lambda d, x: d[:, None] * softmax(x)), (np.zeros((2, 3)),)),
    "largest of a row": (*pair(lambda x: x.max(1), first_largest), (normal(4, 5),)),
    "largest of a row, ties in one": (*pair(lambda x: x.max(1), first_largest), (np.array([[1, 1, 0.0], [1, 2, 3]]),)),
    "largest, ties that share": (*pair(lambda x: x.max(1), shared_largest), (np.array([[1, 1, 0.0], [1, 2, 3]]),)),
    "smallest of two arrays": (
        *pair(lambda a, b: np.minimum(a, b), lambda d, a, b: (d * (a < b), d * (a >= b))), (normal(5), np.append(normal(4, seed=1) - 1, 9)),
    ),
    "largest two of a row": (*pair(largest_two, largest_two_gradient), (normal(4, 5),)),
    "sorted": (*pair(lambda x: np.sort(x), sort_gradient), (normal(7),)),
    "sorted, two entries 1e-7 apart": (*pair(lambda x: np.sort(x), sort_gradient), at(3, 1, 1 + 1e-7, -2)),
    "max pool": (*pair(lambda x: x.reshape(2, 2, 3, 2).max((1, 3)), max_pool_gradient), (normal(4, 6),)),
    "norm of rows, one of 1e-6": (*pair(lambda x: np.sqrt((x * x).sum(-1)), safe_norm_gradient), (normal(3, 4) * np.array([[1], [1e-6], [1e3]]),)),
    "norm of rows, one of 0": (*pair(lambda x: np.sqrt((x * x).sum(-1)), safe_norm_gradient), (normal(3, 4) * np.array([[1], [0], [1]]),)),
    "cosine of an angle": (*pair(cosine, cosine_gradient), (normal(4), 1e3 * normal(4, seed=1))),
    "cosine of parallel vectors": (*pair(cosine, cosine_gradient), (normal(4), 2 * normal(4))),
    "layer norm": (*pair(layer_norm, layer_norm_gradient), (normal(3, 5), positive(5), normal(5, seed=1))),
    "layer norm of a nearly constant row": (*pair(layer_norm, layer_norm_gradient), (1 + 1e-4 * normal(3, 5), positive(5), normal(5, seed=1))),
    "attention": (*pair(attention, attention_gradient), (normal(3, 4), normal(5, 4, seed=1), normal(5, 2, seed=2))),
    "attention that has decided": (*pair(attention, attention_gradient), (20 * normal(3, 4), normal(5, 4, seed=1), normal(5, 2, seed=2))),
    "variance of rows": (*pair(lambda x: x.var(-1), lambda d, x: 2 * d[:, None] * (x - x.mean(-1, keepdims=True)) / 5), (normal(3, 5),)),
    "variance about 1e4": (*pair(lambda x: x.var(-1), lambda d, x: 2 * d[:, None] * (x - x.mean(-1, keepdims=True)) / 5), (1e4 + normal(3, 5),)),
    "variance of equal entries": (*pair(lambda x: x.var(-1), lambda d, x: 2 * d[:, None] * (x - x.mean(-1, keepdims=True)) / 5), (np.ones((3, 5)),)),
    "distance of equal points": (
        *pair(lambda a, b: ((a - b) ** 2).sum(-1), lambda d, a, b: (2 * d[:, None] * (a - b), 2 * d[:, None] * (b - a))),
        (normal(3, 4), normal(3, 4)),
    ),
    "squared hinge over margins": (
        *pair(
            lambda w, x: np.maximum(0, 1 - x @ w) ** 2,
            lambda d, w, x: (-2 * x.T @ (d * np.maximum(0, 1 - x @ w)), -2 * np.outer(d * np.maximum(0, 1 - x @ w), w)),
        ),
        (normal(3), normal(5, 3, seed=1)),
    ),
    "cross-entropy of classes": (
        *pair(
            lambda logits, y: log_sum_exp(logits) - logits[np.arange(len(y)), y],
            lambda d, logits, y: (d[:, None] * (softmax(logits) - np.eye(4)[y]), None),
        ),
        (normal(3, 4), np.array([0, 3, 3])),
    ),
}  # fmt: skip

CASES = MATRICES | ROWS
