"""Variational auto-encoders by hand: NumPy, explicit forward and backward passes, every gradient checked.

In the order in which data flows through a model (each NAME is a pair NAME_forward, NAME_backward):

    load_digits, load_mnist, load_fashion_mnist, load_binarized_mnist, load_idx, binarize, train_test_split, synthetic
    dense, tanh, relu, sigmoid, softplus, dropout      layers
    mlp                                                the network of encoder and decoder
    encode                                             x -> mu, log_sigma of q(z|x)
    reparameterize                                     z = mu + sigma * eps
    decode                                             z -> the parameters of p(x|z)
    bernoulli, gaussian, gaussian_scalar, gaussian_diagonal,
    categorical, laplace, continuous_bernoulli         log p(x|z)
    kl                                                 KL(q(z|x) || N(0, I))
    gaussian_log_density                               log N(z; mu, diag(sigma^2))
    elbo_terms                                         E_q[log p(x|z)] and the KL
    log_weight_terms, iwae_bound                       log w of every sample; the k-sample bound
    Model                                              what every model can do; subclass it for your own
    Network, Parts                                     records: an architecture; what a VAE is made of
    VAE                                                the model: loss_and_grad, fit, encode, sample, ...
    SGD, Adam                                          optimisers
    check, check_model, over_theta                     gradient checks
    exact                                              models whose answers are known
    exercises                                          tasks, and a check that says what is wrong
"""

import importlib

from .binarized import load_binarized_mnist
from .bounds import (
    decode_backward,
    decode_forward,
    elbo_terms_backward,
    elbo_terms_forward,
    encode_backward,
    encode_forward,
    log_weight_terms_backward,
    log_weight_terms_forward,
)
from .data import (
    binarize,
    load_digits,
    load_fashion_mnist,
    load_idx,
    load_mnist,
    synthetic,
    train_test_split,
)
from .gaussian import (
    gaussian_log_density_backward,
    gaussian_log_density_forward,
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from .gradcheck import Report, check, check_model, over_theta
from .iwae import iwae_bound_backward, iwae_bound_forward
from .layers import (
    dense_backward,
    dense_forward,
    dropout_backward,
    dropout_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softplus_backward,
    softplus_forward,
    tanh_backward,
    tanh_forward,
)
from .likelihoods import (
    bernoulli_backward,
    bernoulli_forward,
    categorical_backward,
    categorical_forward,
    continuous_bernoulli_backward,
    continuous_bernoulli_forward,
    gaussian_backward,
    gaussian_diagonal_backward,
    gaussian_diagonal_forward,
    gaussian_forward,
    gaussian_scalar_backward,
    gaussian_scalar_forward,
    laplace_backward,
    laplace_forward,
)
from .mlp import Network, mlp_backward, mlp_forward
from .model import Model
from .optim import SGD, Adam
from .parts import Parts
from .vae import VAE

__version__ = "0.2.0"


def __getattr__(name):
    """tinyvae.exact and tinyvae.exercises, imported when they are first asked for."""
    if name in ("exact", "exercises"):
        return importlib.import_module(f"tinyvae.{name}")
    raise AttributeError(f"module 'tinyvae' has no attribute {name!r}")


__all__ = [
    "SGD",
    "VAE",
    "Adam",
    "Model",
    "Network",
    "Parts",
    "Report",
    "bernoulli_backward",
    "bernoulli_forward",
    "binarize",
    "categorical_backward",
    "categorical_forward",
    "check",
    "check_model",
    "continuous_bernoulli_backward",
    "continuous_bernoulli_forward",
    "decode_backward",
    "decode_forward",
    "dense_backward",
    "dense_forward",
    "dropout_backward",
    "dropout_forward",
    "elbo_terms_backward",
    "elbo_terms_forward",
    "encode_backward",
    "encode_forward",
    "gaussian_backward",
    "gaussian_diagonal_backward",
    "gaussian_diagonal_forward",
    "gaussian_forward",
    "gaussian_log_density_backward",
    "gaussian_log_density_forward",
    "gaussian_scalar_backward",
    "gaussian_scalar_forward",
    "iwae_bound_backward",
    "iwae_bound_forward",
    "kl_backward",
    "kl_forward",
    "laplace_backward",
    "laplace_forward",
    "load_binarized_mnist",
    "load_digits",
    "load_fashion_mnist",
    "load_idx",
    "load_mnist",
    "log_weight_terms_backward",
    "log_weight_terms_forward",
    "mlp_backward",
    "mlp_forward",
    "over_theta",
    "relu_backward",
    "relu_forward",
    "reparameterize_backward",
    "reparameterize_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "softplus_backward",
    "softplus_forward",
    "synthetic",
    "tanh_backward",
    "tanh_forward",
    "train_test_split",
]
