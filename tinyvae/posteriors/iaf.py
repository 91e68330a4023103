"""An inverse autoregressive flow: a draw of a diagonal Gaussian, bent by T steps whose Jacobians are triangular.

A step shifts and scales every coordinate by what a masked network (`tinyvae.masked`) says of the coordinates before it and of a
context; the order is reversed from step to step. The networks' weights are shared by all data. Of a datum the encoder says mu and
log_sigma, where its draws start, and the context, by which the steps know which datum they bend q for. The density of a draw
follows from its noise on the way, so the record is `by_noise`.
Source: Kingma and others, arXiv:1606.04934; lecture D0.
"""

import functools
import math

import numpy as np

from ..gaussian import (
    LOG_2PI,
    reparameterize_backward,
    reparameterize_forward,
    sum_samples,
)
from ..layers import sigmoid, softplus
from ..masked import autoregressive_masks, masked_mlp_backward, masked_mlp_forward
from ..params import glorot_uniform
from .record import Posterior

HIDDEN, CONTEXT = 32, 16  # units of each step's network; numbers that the encoder tells all steps
WEIGHTS = "W", "b", "out.W", "out.b"
_masks = functools.cache(autoregressive_masks)  # the same at every training step


def iaf_step_forward(z, context, W, b, out_W, out_b, reverse=False):
    """z'_i = m_i + s_i z_i,  s = 2 sigmoid(a);  m_i and a_i see z_j for j < i, and the context   [IAF.1]

    dz'/dz is triangular with s on its diagonal: log |det| = sum_i log s_i. Factors below 2 cannot overflow, and at m = a = 0 the
    step is the identity.

    Parameters
    ----------
    z : ndarray of shape (..., K)
    context : ndarray of shape (N, C), for z of shape (N, K) or (L, N, K)
    W, b, out_W, out_b : ndarrays of shape (K + C, H), (H,), (H, 2 K), (2 K,)
    reverse : bool: m_i and a_i see z_j for j > i

    Returns
    -------
    (z', log_det) : ndarrays of shape (..., K) and (...,)
    cache : what `iaf_step_backward` needs
    """
    K, C = z.shape[-1], context.shape[-1]
    masks = _masks((K + C, len(b), 2 * K), reverse=reverse, context=C)
    seen = np.concatenate([z, np.broadcast_to(context, (*z.shape[:-1], C))], axis=-1)
    y, network_cache = masked_mlp_forward(seen, (W, b, out_W, out_b), masks)
    m, a = y[..., :K], y[..., K:]
    s = 2 * sigmoid(a)
    log_s = math.log(2) - softplus(-a)
    cache = network_cache, z, s, context.shape
    return (m + s * z, log_s.sum(-1)), cache


def iaf_step_backward(dout, cache):
    """dm = dz',  dlog_s = s z dz' + dlog_det,  da = (1 - s/2) dlog_s,  dz = s dz' + what comes back through the network   [IAF.2]

    dout = (dz', dlog_det), of shapes (..., K) and (...,); then dz, dcontext, and the gradients of the four weights, in their shapes.
    """
    dz_next, dlog_det = dout
    network_cache, z, s, context_shape = cache
    dlog_s = s * z * dz_next + dlog_det[..., None]
    da = (1 - s / 2) * dlog_s
    dseen, dweights = masked_mlp_backward(np.concatenate([dz_next, da], axis=-1), network_cache)
    K = z.shape[-1]
    return s * dz_next + dseen[..., :K], sum_samples(dseen[..., K:], context_shape), *dweights


def _steps(own):
    """(reverse, weights) of every step: each has four arrays."""
    return [(t % 2 == 1, own[4 * t : 4 * t + 4]) for t in range(len(own) // 4)]


def iaf_forward(mu, log_sigma, context, eps, *own):
    """z_0 = mu + sigma eps,  then every step: z = z_T

    Parameters
    ----------
    mu, log_sigma, context : ndarrays of shape (N, K), (N, K), (N, C)
    eps : ndarray of shape (L, N, K)
    own : the weights of step 1, of step 2, ...

    Returns
    -------
    z : ndarray of shape (L, N, K)
    cache : what `iaf_backward` needs
    """
    z, start_cache = reparameterize_forward(mu, log_sigma, eps)
    step_caches = []
    for reverse, weights in _steps(own):
        (z, _), step_cache = iaf_step_forward(z, context, *weights, reverse)
        step_caches.append(step_cache)
    cache = start_cache, step_caches
    return z, cache


def iaf_backward(dz, cache):
    """The steps from last to first. dz has shape (L, N, K); the gradients have the shapes of mu, log_sigma, context and the weights."""
    start_cache, step_caches = cache
    dcontext, down, no_det = 0, [], np.zeros_like(dz[..., 0])
    for step_cache in reversed(step_caches):
        dz, dcontext_of_step, *dweights = iaf_step_backward((dz, no_det), step_cache)
        dcontext = dcontext + dcontext_of_step
        down = dweights + down
    return *reparameterize_backward(dz, start_cache), dcontext, *down


def iaf_log_density_forward(eps, mu, log_sigma, context, *own):
    """log q(z_T|x) = log N(eps; 0, I) - sum_k log sigma_k - sum_t log |det of step t|              [IAFQ.1]

    At the draw z_T that eps gives.

    Parameters
    ----------
    eps : ndarray of shape (L, N, K)
    mu, log_sigma, context : ndarrays of shape (N, K), (N, K), (N, C)
    own : the weights of step 1, of step 2, ...

    Returns
    -------
    log_q : ndarray of shape (L, N), in nats
    cache : what `iaf_log_density_backward` needs
    """
    z, start_cache = reparameterize_forward(mu, log_sigma, eps)
    log_q = -(eps * eps + LOG_2PI).sum(-1) / 2 - log_sigma.sum(-1)
    step_caches = []
    for reverse, weights in _steps(own):
        (z, log_det), step_cache = iaf_step_forward(z, context, *weights, reverse)
        log_q = log_q - log_det
        step_caches.append(step_cache)
    cache = start_cache, step_caches, z.shape
    return log_q, cache


def iaf_log_density_backward(dlog_q, cache):
    """dlog_det = -dlog_q at every step,  dlog_sigma = its share in z_0 - sum of dlog_q;  z_T stands nowhere: its dz is 0   [IAFQ.2]

    dlog_q has shape (L, N). eps is noise and has no gradient: the others, in the shapes of mu, log_sigma, context and the weights.
    """
    start_cache, step_caches, shape = cache
    dcontext, down, dz = 0, [], np.zeros(shape, dlog_q.dtype)
    for step_cache in reversed(step_caches):
        dz, dcontext_of_step, *dweights = iaf_step_backward((dz, -dlog_q), step_cache)
        dcontext = dcontext + dcontext_of_step
        down = dweights + down
    dmu, dlog_sigma = reparameterize_backward(dz, start_cache)
    return dmu, dlog_sigma - sum_samples(dlog_q, shape[1:-1])[..., None], dcontext, *down


def _heads(n_latent):
    return {"mu": (n_latent,), "log_sigma": (n_latent,), "context": (CONTEXT,)}


def _shapes(n_latent, n_steps):
    of_step = dict(zip(WEIGHTS, ((n_latent + CONTEXT, HIDDEN), (HIDDEN,), (HIDDEN, 2 * n_latent), (2 * n_latent,))))
    return {f"{t}.{name}": shape for t in range(n_steps) for name, shape in of_step.items()}


def _start(rng, own):
    """Glorot for the first layers; the last ones stay 0, so that every step starts as the identity: q as the diagonal Gaussian."""
    for name, view in own.items():
        if name.endswith(WEIGHTS[0]) and not name.endswith(WEIGHTS[2]):
            view[...] = glorot_uniform(rng, view.shape)


def with_steps(n):
    """The record for so many steps, 1 to 100."""
    if not 1 <= n <= 100:
        raise ValueError(f"iaf needs 1 to 100 steps, as in 'iaf:3'; got {n}: without any it is 'diagonal'")
    return Posterior(
        "iaf", iaf_forward, iaf_backward, iaf_log_density_forward, iaf_log_density_backward, _heads,
        tuple(_shapes(1, n)), functools.partial(_shapes, n_steps=n), _start, with_steps, by_noise=True,
    )  # fmt: skip


RECORD = with_steps(3)
