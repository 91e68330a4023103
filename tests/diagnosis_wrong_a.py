"""Wrong backward functions as learners write them: layers."""

import numpy as np
from diagnosis_pairs import EDIT
from diagnosis_records import wrong_into

WRONG = []
wrong = wrong_into(WRONG)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- dense --------------------------------------------------------------------------------------


@wrong("dense", "W stands where its transpose should: the product does not fit", "raises", "transposed", "shape", *EDIT)
def dense_w_as_it_is(dy, cache):
    x, W = cache
    return dy @ W, x.T @ dy, dy.sum(axis=0)


@wrong("dense", "dW is the transpose of the right one", "transposed", "shape", *EDIT)
def dense_dw_other_way_round(dy, cache):
    x, W = cache
    dW = dy.T @ x
    return dy @ W.T, dW, dy.sum(axis=0)


@wrong("dense", "db is summed over the outputs, not over the batch", "axis", "shape", *EDIT)
def dense_db_over_outputs(dy, cache):
    x, W = cache
    return dy.dot(W.T), x.T.dot(dy), np.sum(dy, axis=1)


@wrong("dense", "db is a mean over the batch, not a sum", "scale", "factor", *EDIT)
def dense_db_mean(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.mean(0)


@wrong("dense", "dW is divided by the batch size, which is not in forward", "scale", "factor", *EDIT)
def dense_dw_per_datum(dy, cache):
    x, W = cache
    m = x.shape[0]
    return np.dot(dy, W.T), np.dot(x.T, dy) / m, np.sum(dy, axis=0)


@wrong("dense", "dW and db are both divided by the batch size", "scale", "factor", *EDIT)
def dense_course_notes(dZ, cache):
    A_prev, W = cache
    m = A_prev.shape[0]
    dW = 1 / m * A_prev.T @ dZ
    db = 1 / m * dZ.sum(axis=0)
    return dZ @ W.T, dW, db


@wrong("dense", "the three gradients come back in the order dW, db, dx", "order", "shape", *EDIT)
def dense_weights_first(dy, cache):
    x, W = cache
    dW, db = x.T @ dy, dy.sum(0)
    dx = dy @ W.T
    return dW, db, dx


@wrong("dense", "db is not returned", "count")
def dense_two_of_three(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy


@wrong("dense", "db is not summed over the batch at all", "axis", "shape", *EDIT)
def dense_db_is_dy(dy, cache):
    x, W = cache
    dx = dy @ W.T
    dW = x.T @ dy
    db = dy
    return dx, dW, db


@wrong("dense", "db has shape (1, K): keepdims, where b has shape (K,)", "shape", "axis", *EDIT)
def dense_db_keepdims(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.sum(axis=0, keepdims=True)


@wrong("dense", "everything in float32: seven digits", "precision")
def dense_single(dy, cache):
    x, W = (a.astype(np.float32) for a in cache)
    dy = dy.astype(np.float32)
    return dy @ W.T, x.T @ dy, dy.sum(0)


@wrong("dense", "the loop overwrites dW: only the last datum is left", "axis", "dependence", "term", "input replaced", *EDIT)
def dense_loop_without_plus(dy, cache):
    x, W = cache
    dW = np.zeros_like(W)
    for n in range(len(x)):
        dW = np.outer(x[n], dy[n])
    return dy @ W.T, dW, dy.sum(0)


@wrong("dense", "dW holds dy twice: x' dy^2", "linearity", "factor", "input replaced", *EDIT)
def dense_dy_twice(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ (dy * dy), dy.sum(0)


@wrong("dense", "two mistakes: dx has the wrong sign, and db is a mean over the batch", "scale", "factor", "term", *EDIT)
def dense_two_sign_and_mean(dy, cache):
    x, W = cache
    return -dy @ W.T, x.T @ dy, dy.mean(axis=0)


@wrong("dense", "dW only says whether x is positive: sign(x)' dy", "input replaced", "factor", "dependence", *EDIT)
def dense_sign_of_x(dy, cache):
    x, W = cache
    return dy @ W.T, np.sign(x).T @ dy, dy.sum(0)


# ---- tanh ---------------------------------------------------------------------------------------


@wrong("tanh", "tanh is taken of the output once more: the cache holds y, not x", "input replaced", "factor", *EDIT)
def tanh_of_tanh(dy, cache):
    x = cache
    return dy * (1 - np.tanh(x) ** 2)


@wrong("tanh", "y is not squared: 1 - y", "factor", "input replaced", "term", *EDIT)
def tanh_no_square(dy, cache):
    y = cache
    return dy * (1 - y)


@wrong("tanh", "1 + y^2: the sign of the second term", "term", *EDIT)
def tanh_plus(dy, cache):
    return dy * (1 + cache**2)


@wrong("tanh", "y (1 - y), the slope of the sigmoid", "factor", "term", *EDIT)
def tanh_with_sigmoid_slope(dy, cache):
    y = cache
    return dy * y * (1 - y)


@wrong("tanh", "dy is not used", "dependence", "linearity", "factor", "input replaced", *EDIT)
def tanh_slope_alone(dy, cache):
    y = cache
    return 1 - y * y


@wrong("tanh", "the slope is missing: dy is passed on", "factor", "dependence", "term", "input replaced", *EDIT)
def tanh_straight_through(dy, cache):
    y = cache  # noqa: F841
    return dy.copy()


@wrong("tanh", "the right numbers, but the cache is overwritten: a second call gives others", "in place")
def tanh_in_the_cache(dy, cache):
    y = cache
    y *= y
    np.subtract(1, y, out=y)
    y *= dy
    return y.copy()


@wrong("tanh", "a difference quotient with h = 1e-3 in place of the derivative", "precision")
def tanh_difference_quotient(dy, cache):
    x, h = np.arctanh(cache), 1e-3
    return dy * (np.tanh(x + h) - np.tanh(x)) / h


# ---- sigmoid ------------------------------------------------------------------------------------


@wrong("sigmoid", "sigmoid is taken of the output once more: the cache holds y, not x", "input replaced", "factor", *EDIT)
def sigmoid_of_sigmoid(dy, cache):
    s = sigmoid(cache)
    return dy * s * (1 - s)


@wrong("sigmoid", "the factor y is missing", "factor", "input replaced", *EDIT)
def sigmoid_one_minus_y(dy, cache):
    y = cache
    return dy * (1 - y)


@wrong("sigmoid", "y (1 + y): the sign of the second term", "term", "factor", *EDIT)
def sigmoid_plus(dy, cache):
    y = cache
    return dy * y * (1 + y)


@wrong("sigmoid", "float32: seven digits", "precision")
def sigmoid_single(dy, cache):
    y = np.asarray(cache, dtype=np.float32)
    return (dy * y * (1 - y)).astype("float32")


@wrong("sigmoid", "dy is multiplied in twice", "linearity", "factor", "input replaced", *EDIT)
def sigmoid_dy_squared(dy, cache):
    y = cache
    grad = dy * y
    return grad * dy * (1 - y)


@wrong("sigmoid", "two mistakes: the wrong sign, and the factor 1 - y is missing", "factor", *EDIT)
def sigmoid_two_sign_and_factor(dy, cache):
    y = cache
    return -dy * y


# ---- softplus -----------------------------------------------------------------------------------


@wrong("softplus", "sigmoid(-x): the sign of x", "input replaced", "term", "factor", *EDIT)
def softplus_other_side(dy, cache):
    x = cache
    return dy / (1 + np.exp(x))


@wrong("softplus", "the slope of the sigmoid: a factor 1 - s too many", "factor", *EDIT)
def softplus_second_derivative(dy, cache):
    s = sigmoid(cache)
    return dy * s * (1 - s)


@wrong("softplus", "exp(x): the division by 1 + exp(x) is missing", "factor", "term", *EDIT)
def softplus_inner_only(dy, cache):
    x = cache
    return dy * np.exp(x)


@wrong("softplus", "the 1 of forward became a 2: the slope of log(2 + e^x)", "term", "factor", *EDIT)
def softplus_two(dy, cache):
    x = cache
    return dy * np.exp(x) / (2 + np.exp(x))


@wrong("softplus", "a mixture of a sine and of x: no formula that anybody knows", "unknown")
def softplus_defies(dy, cache):
    x = cache
    return dy * (np.sin(2 * x) + 0.3 * np.sqrt(np.abs(x)))


# ---- relu, leaky relu --------------------------------------------------------------------------


@wrong("relu", "relu is applied to dy: the mask is that of dy, not that of x", "linearity", "dependence", "input replaced", *EDIT)
def relu_of_dy(dy, cache):
    return np.maximum(dy, 0)


@wrong("relu", "the mask is upside down", "input replaced", "dependence", *EDIT)
def relu_other_side(dy, cache):
    mask = cache
    return np.where(mask, 0, dy)


@wrong("relu", "dy is not used: the mask alone", "dependence", "linearity", "factor", "input replaced", *EDIT)
def relu_zeros_and_ones(dy, cache):
    return cache.astype(float)


@wrong("relu", "the right numbers, but written into dy, which belongs to the caller", "in place")
def relu_into_dy(dy, cache):
    dy[~cache] = 0
    return dy


@wrong("relu", "a slope of 0.01 where it is 0: leaky", "term", "factor", "dependence", *EDIT)
def relu_leaks(dy, cache):
    return np.where(cache, dy, 0.01 * dy)


@wrong("leaky_relu", "the slope on the negative side is forgotten: 0", "term", "factor", "input replaced", "dependence", *EDIT)
def leaky_as_relu(dy, cache):
    x = cache
    return dy * (x > 0)


@wrong("leaky_relu", "the side is read from dy, not from x", "dependence", "linearity", "input replaced", *EDIT)
def leaky_side_of_dy(dy, cache):
    return np.where(dy > 0, dy, 0.1 * dy)


@wrong("leaky_relu", "the two slopes are exchanged", "input replaced", "factor", *EDIT)
def leaky_exchanged(dy, cache):
    x = cache
    return np.where(x > 0, 0.1 * dy, dy)
