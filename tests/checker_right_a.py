"""Right gradients that a checker must call ok: functions of every entry by itself, and the package's own pairs at hard points.

Each was compared with complex steps or with a closed form, never with the checker.
"""

import math
from functools import partial

import numpy as np
from checker_pairs import at, normal, pair, positive, sigmoid, unary
from scipy import special

from tinyvae import gaussian, iwae, layers
from tinyvae.likelihoods import (
    bernoulli,
    categorical,
    continuous_bernoulli,
    gaussian_diagonal,
    gaussian_scalar,
    laplace,
    negative_binomial,
    poisson,
)
from tinyvae.likelihoods import gaussian as fixed
from tinyvae.posteriors import full
from tinyvae.priors import mixture, standard
from tinyvae.zoo import autoencoders

COUNTS = np.array([[0, 1, 5], [9, 2, 0]])
BITS = np.array([[0, 1, 1, 0], [1, 0, 0, 1]])


def positive_only(x):
    if np.any(x <= 0):
        raise ValueError("x must be positive")
    return np.log(x)


def of_the_unit_interval(p):
    if not np.all((p > 0) & (p < 1)):
        raise ValueError("p must lie between 0 and 1")
    return p * np.log(p) + (1 - p) * np.log(1 - p)


def logistic_map(x):
    for _ in range(8):
        x = 3.9 * x * (1 - x)
    return x


def logistic_map_slope(x):
    slope = 1
    for _ in range(8):
        slope, x = slope * 3.9 * (1 - 2 * x), 3.9 * x * (1 - x)
    return slope


def huber(x):
    return np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5)


def sinc_slope(x):
    safe = np.where(x == 0, 1, x)
    return np.where(x == 0, 0, np.cos(np.pi * safe) / safe - np.sin(np.pi * safe) / (np.pi * safe * safe))


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def sawtooth(x):
    return x - np.floor(x.real)


SMOOTH = {
    "cube at 0": (*unary(lambda x: x**3, lambda x: 3 * x**2), at(0)),
    "cube at 0, and elsewhere": (*unary(lambda x: x**3, lambda x: 3 * x**2), at(0, 1e-3, -2, 0)),
    "fourth power at 0": (*unary(lambda x: x**4, lambda x: 4 * x**3), at(0, 0)),
    "square at 0": (*unary(lambda x: x * x, lambda x: 2 * x), (np.zeros((2, 3)),)),
    "square at 1e-8": (*unary(lambda x: x * x, lambda x: 2 * x), at(1e-8, -1e-8)),
    "square at 1e-12 alone": (*unary(lambda x: x * x, lambda x: 2 * x), at(1e-12)),
    "square at 1e8": (*unary(lambda x: x * x, lambda x: 2 * x), at(1e8, -3e8)),
    "square at 1e100": (*unary(lambda x: x * x, lambda x: 2 * x), at(1e100, 2)),
    "square of a number": (*unary(lambda x: x * x, lambda x: 2 * x), (3.0,)),
    "square of an array of shape ()": (*unary(lambda x: x * x, lambda x: 2 * x), (np.array(-0.5),)),
    "cosine at 0": (*unary(np.cos, lambda x: -np.sin(x)), at(0, 0, 0)),
    "cosine at 0, pi and 1": (*unary(np.cos, lambda x: -np.sin(x)), at(0, np.pi, 1)),
    "sine at 1e5": (*unary(np.sin, np.cos), at(1e5, -2e5, 3)),
    "sine at pi/2, its top": (*unary(np.sin, np.cos), at(np.pi / 2)),
    "fast sine": (*unary(lambda x: np.sin(1e6 * x), lambda x: 1e6 * np.cos(1e6 * x)), at(0.3, 1.7)),
    "fast small ripple on a slope": (*unary(lambda x: x + 1e-6 * np.sin(1e4 * x), lambda x: 1 + 1e-2 * np.cos(1e4 * x)), at(0.3, 2)),
    "sinc at 0 and beside": (*unary(np.sinc, sinc_slope), at(0, 0.5, 2.2)),
    "log at 1e-4": (*unary(np.log, lambda x: 1 / x), at(1e-4, 1e-3, 5)),
    "log at 1e-9 alone": (*unary(np.log, lambda x: 1 / x), at(1e-9)),
    "log at 1e6, where the step is long": (*unary(np.log, lambda x: 1 / x), at(1e6, 1e-2)),
    "log that refuses x <= 0": (*unary(positive_only, lambda x: 1 / x), at(1e-4, 0.5, 3)),
    "entropy that refuses p outside (0, 1)": (*pair(of_the_unit_interval, lambda dy, p: dy * np.log(p / (1 - p))), at(1e-5, 0.3, 0.99999)),
    "entropy at 1/2, its top": (*pair(of_the_unit_interval, lambda dy, p: dy * np.log(p / (1 - p))), at(0.5, 0.5)),
    "root at 1e-6": (*unary(np.sqrt, lambda x: 0.5 / np.sqrt(x)), at(1e-6, 1e-4, 1)),
    "power 0.3 at 1e-5": (*unary(lambda x: x**0.3, lambda x: 0.3 * x**-0.7), at(1e-5, 2)),
    "1/x at 1e-3 of both signs": (*unary(lambda x: 1 / x, lambda x: -1 / x**2), at(1e-3, -1e-3, 1e3)),
    "log1p near -1": (*unary(np.log1p, lambda x: 1 / (1 + x)), at(-1 + 1e-6, 1e-12, 3)),
    "logit near both borders": (*unary(lambda x: np.log(x / (1 - x)), lambda x: 1 / (x * (1 - x))), at(1e-8, 1 - 1e-6, 0.5)),
    "arcsin near 1": (*unary(np.arcsin, lambda x: 1 / np.sqrt(1 - x * x)), at(1 - 1e-6, -0.999, 0)),
    "arccosh near 1": (*unary(np.arccosh, lambda x: 1 / np.sqrt(x * x - 1)), at(1 + 1e-5, 4)),
    "tangent near its pole": (*unary(np.tan, lambda x: 1 + np.tan(x) ** 2), at(1.57, 0)),
    "arctan far out": (*unary(np.arctan, lambda x: 1 / (1 + x * x)), at(0, 100, -1e4)),
    "exp from -300 to 300": (*unary(np.exp, np.exp), at(-300, -20, 0, 20, 300)),
    "exp(-x^2), flat far away": (*unary(lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)), at(0, 1, 8, -20)),
    "exp(-x^2) summed, flat far away": (*pair(lambda x: np.exp(-x * x).sum(), lambda d, x: -2 * d * x * np.exp(-x * x)), at(0.5, 1, 8, -20)),
    "log(exp(x) - 1)": (*unary(lambda x: np.log(np.expm1(x)), lambda x: -1 / np.expm1(-x)), at(1e-5, 1, 30)),
    "expm1 at 1e-10": (*unary(np.expm1, np.exp), at(1e-10, -1e-10, 0)),
    "values of 1e-12": (*unary(lambda x: 1e-12 * np.sin(x), lambda x: 1e-12 * np.cos(x)), at(0.3, 1, 2)),
    "values of 1e-200": (*unary(lambda x: 1e-200 * np.sin(x), lambda x: 1e-200 * np.cos(x)), at(0.3, 1, 2)),
    "values of 1e200": (*unary(lambda x: 1e200 * np.sin(x), lambda x: 1e200 * np.cos(x)), at(0.3, 1, 2)),
    "identity": (*unary(lambda x: +x, np.ones_like), (normal(2, 3),)),
    "identity at 1e12 and 1e-12": (*unary(lambda x: +x, np.ones_like), at(1e12, 1e-12, 0)),
    "x |x| at 0": (*unary(lambda x: x * np.abs(x), lambda x: 2 * np.abs(x)), at(0, 1, -2)),
    "|x|^1.5 at 0": (*unary(lambda x: np.abs(x) ** 1.5, lambda x: 1.5 * np.sign(x) * np.abs(x) ** 0.5), at(0, 1, -2)),
    "Huber at its seams": (*unary(huber, lambda x: np.clip(x, -1, 1)), at(-1, 1, 0.5, 3)),
    "ELU at 0, where the curvature jumps": (*unary(elu, lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))), at(0, 0, 1, -1)),
    "x / (1 + |x|) at 0": (*unary(lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2), at(0, 0.3, -50)),
    "x sigmoid(x) near its bottom": (*unary(lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))), at(-1.278464542761, 2)),
    "error function": (*unary(special.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x)), at(0, 0.5, -2, 4)),
    "log of the normal CDF, far left": (
        *unary(special.log_ndtr, lambda x: np.exp(-x * x / 2 - special.log_ndtr(x)) / math.sqrt(2 * math.pi)), at(-20, -3, 0, 2),
    ),
    "log gamma at 1e-3 and by its bottom": (*unary(special.gammaln, special.digamma), at(1e-3, 1.4616321449683622, 50)),
    "Bessel function of order 0 at 0": (*unary(special.j0, lambda x: -special.j1(x)), at(0, 1, 30)),
    "eight steps of a chaotic map": (*unary(logistic_map, logistic_map_slope), at(0.2, 0.61)),
}  # fmt: skip

KINKS = {
    "ReLU at zeros among others": (layers.relu_forward, layers.relu_backward, at(0, 1, -1, 0, 2)),
    "ReLU at 1e-9": (layers.relu_forward, layers.relu_backward, at(1e-9, -1e-9, 1)),
    "ReLU that counts 0 as positive": (*unary(lambda x: np.maximum(x, 0), lambda x: x >= 0), at(0, 1, -1)),
    "ReLU with the slope 1/2 at 0": (*unary(lambda x: np.maximum(x, 0), lambda x: (np.sign(x) + 1) / 2), at(0, 1, -1)),
    "leaky ReLU with its kink close by": (*unary(leaky, lambda x: np.where(x > 0, 1, 0.01)), at(1e-7, -1e-6, 1e-4, -1)),
    "leaky ReLU at 0 in part": (*unary(leaky, lambda x: np.where(x > 0, 1, 0.01)), at(0, 2, -3)),
    "absolute value at 0 in part": (*unary(np.abs, np.sign), at(0, 2, -3, 1e-8)),
    "clip, some at the borders": (*unary(lambda x: np.clip(x, -1, 1), lambda x: np.abs(x) < 1), at(-1, 1, 0.5, 7, -7)),
    "hinge, one at its margin": (*unary(lambda x: np.maximum(0, 1 - x), lambda x: np.where(x < 1, -1, 0)), at(1, 0, 3, -2)),
    "square of a hinge at its margin": (*unary(lambda x: np.maximum(0, 1 - x) ** 2, lambda x: -2 * np.maximum(0, 1 - x)), at(1, 0, 3)),
    "sawtooth between its jumps": (*unary(sawtooth, np.ones_like), at(0.3, -0.001, 7.9999)),
    "step function times x, off its jump": (*unary(lambda x: x * (x > 0), lambda x: x > 0), at(1, -1, 1e-5)),
    "x + step at 1, from 1e-6 below": (*unary(lambda x: x + (x > 1), np.ones_like), at(1 - 1e-6, 3)),
    "steep ReLU, 1e6 x": (*unary(lambda x: np.maximum(0, 1e6 * x), lambda x: 1e6 * (x > 0)), at(0, 1e-3, 2, -1)),
    "ReLU of rows, seen by their sums": (
        *pair(lambda x: np.maximum(x, 0).sum(-1), lambda d, x: d[:, None] * (x > 0)), (normal(4, 5) * (normal(4, 5, seed=1) > -1),),
    ),
}  # fmt: skip


def gaussian_mean(out, x):
    return fixed.gaussian_forward(out, x, 1e-8)


MU, LOG_SIGMA, EPS = normal(3, 4), 0.5 * normal(3, 4, seed=1), normal(5, 3, 4, seed=2)
KL = gaussian.kl_forward, gaussian.kl_backward
LOGN = gaussian.gaussian_log_density_forward, gaussian.gaussian_log_density_backward
REP = gaussian.reparameterize_forward, gaussian.reparameterize_backward
KL_FULL = full.kl_full_forward, full.kl_full_backward
BER = bernoulli.bernoulli_forward, bernoulli.bernoulli_backward
CAT = categorical.categorical_forward, categorical.categorical_backward
CB = continuous_bernoulli.continuous_bernoulli_forward, continuous_bernoulli.continuous_bernoulli_backward
SCALAR = gaussian_scalar.gaussian_scalar_forward, gaussian_scalar.gaussian_scalar_backward
IWAE = iwae.iwae_bound_forward, iwae.iwae_bound_backward
MIX = mixture.mixture_forward, mixture.mixture_backward
LOGITS, Q, X, MEAN = ({"wrt": names} for names in (("logits",), ("mu", "log_sigma"), ("x",), ("mean",)))

PACKAGE = {
    "KL of a fresh encoder": (*KL, (np.zeros((8, 2)), np.zeros((8, 2)))),
    "KL with mu = 0": (*KL, (np.zeros((3, 4)), LOG_SIGMA)),
    "KL with sigma = 1": (*KL, (MU, np.zeros((3, 4)))),
    "KL of narrow and wide posteriors": (*KL, (MU, np.linspace(-20, 5, 12).reshape(3, 4))),
    "KL of one datum and one latent": (*KL, (np.array([[0.3]]), np.array([[0.0]]))),
    "full KL at zeros": (*KL_FULL, (np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((3, 1)))),
    "full KL": (*KL_FULL, (normal(4, 3), 0.3 * normal(4, 3, seed=1), normal(4, 3, seed=2))),
    "full log-density": (
        full.full_log_density_forward, full.full_log_density_backward,
        (normal(5, 2, 3), normal(2, 3, seed=1), 0.3 * normal(2, 3, seed=2), normal(2, 3, seed=3)),
    ),
    "full draw": (
        full.reparameterize_full_forward, full.reparameterize_full_backward,
        (MU, LOG_SIGMA, normal(3, 6), EPS), {"wrt": ("mu", "log_diagonal", "lower")},
    ),
    "draw, several samples": (*REP, (MU, LOG_SIGMA, EPS), Q),
    "draw, some noise is 0": (*REP, (MU, LOG_SIGMA, EPS[0] * (EPS[1] > 0)), Q),
    "draw of sigma = 1e-13 around 0": (*REP, (np.zeros((2, 2)), np.full((2, 2), -30.0), normal(2, 2)), Q),
    "log-density at z = mu": (*LOGN, (MU, MU.copy(), LOG_SIGMA)),
    "log-density, several samples": (*LOGN, (EPS, MU, LOG_SIGMA)),
    "log-density of sigma = 1e-6": (*LOGN, (MU + 1e-6 * EPS[0], MU, np.full((3, 4), math.log(1e-6)))),
    "log-density far from its mean": (*LOGN, (MU + 1e4, MU, LOG_SIGMA)),
    "Bernoulli, ordinary": (*BER, (3 * normal(2, 4), BITS), LOGITS),
    "Bernoulli, some logits 50000": (*BER, (np.array([[5e4, -5e4, 0.3, 2], [-5e4, 5e4, -1, 0]]), BITS), LOGITS),
    "Bernoulli, logits from -30 to 30": (*BER, (np.linspace(-30, 30, 8).reshape(2, 4), BITS), LOGITS),
    "Bernoulli, grey pixels of 1/2 at logits 0": (*BER, (np.zeros((2, 3)), np.full((2, 3), 0.5)), LOGITS),
    "categorical, logits 1e6": (*CAT, (1e6 * normal(2, 3, 4), np.array([[0, 1, 3], [2, 2, 1]])), LOGITS),
    "categorical, equal logits": (*CAT, (np.zeros((2, 3, 4)), np.array([[0, 1, 3], [2, 2, 1]])), LOGITS),
    "continuous Bernoulli by 0": (*CB, (np.array([[0, 1e-8, -1e-8, 1e-3], [0.1, -0.1, 0.0999, 1]]), positive(2, 4) / 2), LOGITS),
    "continuous Bernoulli far out": (*CB, (np.array([[100, -100.0], [30, -700]]), positive(2, 2) / 2), LOGITS),
    "continuous Bernoulli of grey at 0": (*CB, (np.zeros((2, 3)), np.full((2, 3), 0.5)), LOGITS),
    "Gaussian of variance 1e-8": (gaussian_mean, fixed.gaussian_backward, (normal(3, 4), normal(3, 4, seed=1)), {"wrt": ("out",)}),
    "Gaussian at its mean, by a partial": (partial(fixed.gaussian_forward, eta=0.3), fixed.gaussian_backward, (MU, MU.copy()), MEAN),
    "learned variance": (*SCALAR, (MU, EPS[0], np.array(-0.7)), {"wrt": ("mean", "log_eta")}),
    "learned variance at its best": (
        *SCALAR, (np.zeros((1, 4)), MU[:1], np.log(np.mean(MU[0] ** 2))), {"wrt": ("mean", "log_eta")},
    ),
    "a variance for every pixel, some at the floor": (
        gaussian_diagonal.gaussian_diagonal_forward, gaussian_diagonal.gaussian_diagonal_backward,
        (np.stack([MU, np.array([-20.0, -7, 0, 3]) + 0 * MU], -1), EPS[0]), {"wrt": ("out",)},
    ),
    "Laplace, some at their mean": (laplace.laplace_forward, laplace.laplace_backward, (MU, np.where(MU > 1, MU, 0), 0.3), MEAN),
    "Poisson, rates from e^-8 to e^8": (
        poisson.poisson_forward, poisson.poisson_backward, (np.array([[-8, 0, 1.6], [8, 0.7, -3]]), COUNTS), {"wrt": ("log_rate",)},
    ),
    "negative binomial": (
        negative_binomial.negative_binomial_forward, negative_binomial.negative_binomial_backward,
        (normal(2, 3), COUNTS, np.array(1.2)), {"wrt": ("log_mean", "log_r")},
    ),
    "negative binomial near a Poisson": (
        negative_binomial.negative_binomial_forward, negative_binomial.negative_binomial_backward,
        (normal(2, 3), COUNTS, np.array(6.0)), {"wrt": ("log_mean", "log_r")},
    ),
    "standard normal prior at 0": (standard.standard_normal_forward, standard.standard_normal_backward, (np.zeros((2, 3)),)),
    "mixture of far components": (*MIX, (normal(2, 3, 2), normal(4), 5 * normal(4, 2), 0.3 * normal(4, 2, seed=1))),
    "k-sample bound, equal weights": (*IWAE, (np.zeros((5, 3)),)),
    "k-sample bound, weights apart by 1e4": (*IWAE, (np.array([[0, -1e4], [-1, -9999], [-30, 0]]),)),
    "k-sample bound of one sample": (*IWAE, (normal(1, 3) - 300,)),
    "squared error at 0": (autoencoders.squared_error_forward, autoencoders.squared_error_backward, (MU, MU.copy()), {"wrt": ("x_hat",)}),
    "l1, some codes 0": (autoencoders.l1_forward, autoencoders.l1_backward, (np.maximum(MU, 0),)),
    "sparsity at rho": (autoencoders.sparsity_forward, autoencoders.sparsity_backward, (np.full((3, 2), 0.05),)),
    "sparsity by the border": (autoencoders.sparsity_forward, autoencoders.sparsity_backward, (np.array([[1e-4, 0.5], [1e-4, 1 - 1e-4]]),)),
    "contractive at h = 1/2": (autoencoders.contractive_forward, autoencoders.contractive_backward, (np.full((3, 4), 0.5), normal(5, 4))),
    "contractive": (autoencoders.contractive_forward, autoencoders.contractive_backward, (sigmoid(MU), normal(5, 4))),
    "dense, unequal sizes": (layers.dense_forward, layers.dense_backward, (normal(2, 3, 4), normal(4, 5), normal(5))),
    "tanh, saturated in part": (layers.tanh_forward, layers.tanh_backward, at(-30, -5, 0, 1, 8, 30)),
    "sigmoid, saturated in part": (layers.sigmoid_forward, layers.sigmoid_backward, at(-40, -15, 0, 1, 15)),
    "softplus from -10 to 500": (layers.softplus_forward, layers.softplus_backward, at(-10, 0, 1, 30, 500)),
    "dropout of some units": (layers.dropout_forward, layers.dropout_backward, (MU, (EPS[0] > 0) / 0.5), X),
}  # fmt: skip

CASES = SMOOTH | KINKS | PACKAGE
