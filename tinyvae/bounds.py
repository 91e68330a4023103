"""The bounds: composition only. The calculus stands in the rooms that these functions call.

Forward, in the order of the slides: encode, sample z, decode, log p(x|z), KL; backward, the same lines upwards.
The composites read their weights from a mapping of names to arrays (`params`) and add gradients to a `tinyvae.params.Gradients` of
the same names (`dparams`). What varies from model to model, the two networks and the three distributions, they take as `tinyvae.Parts`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .iwae import iwae_bound_backward, iwae_bound_forward
from .mlp import mlp_backward, mlp_forward
from .posteriors import CLOSED_KL


def encode_forward(x, params, encoder):
    """q(z|x): the encoder's heads, side by side in one layer; mu and log_sigma, for the diagonal Gaussian   [ENC.1]

    x has shape (N, D), mu and log_sigma (N, K); `encoder` is a Network whose `heads` are the shapes of q's parts.
    """
    y, mlp_cache = mlp_forward(x, params, encoder)
    cache = mlp_cache, encoder
    return cut(y, encoder.heads), cache


def encode_backward(dheads, cache, dparams):
    """Adds the encoder's gradients, given dheads = (dmu, dlog_sigma), each (N, K)       [ENC.2]"""
    mlp_cache, encoder = cache
    mlp_backward(join(dheads, encoder.heads), mlp_cache, dparams, need_dx=False)


def decode_forward(z, params, decoder):
    """The decoder's output, which the likelihood turns into p(x|z)                      [DEC.1]

    z has shape (..., K), out (..., D), or (..., D, outputs) if the likelihood wants several per pixel.
    """
    network_forward, _ = decoder.pair  # that of mlp, for a dense network
    y, network_cache = network_forward(z, params, decoder)
    (out,) = cut(y, decoder.heads)
    cache = network_cache, decoder
    return out, cache


def decode_backward(dout, cache, dparams):
    """Adds the decoder's gradients (none if dparams is None) and returns dz, of shape (..., K)   [DEC.2]"""
    network_cache, decoder = cache
    _, network_backward = decoder.pair
    return network_backward(join([dout], decoder.heads), network_cache, dparams)


# ---- the ELBO --------------------------------------------------------------------------------------


def elbo_terms_forward(x, eps, params, parts):
    """The two terms of the ELBO:  E_q[log p(x|z)]  and  KL(q(z|x) || p(z))              [ELBO.1]

    ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x), the expectation being a mean over L samples.
    Source: Kingma and Welling, arXiv:1312.6114, equation 10; lectures D0 to D4.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    eps : ndarray of shape (L, N, K), drawn from N(0, I)
    params : mapping of names to arrays, as `VAE.params`
    parts : Parts, as `VAE.parts`

    Returns
    -------
    (log_px, kl) : ndarrays of shape (N,), in nats per datum
    cache : what `elbo_terms_backward` needs
    """
    features = parts.likelihood.features(x) if parts.likelihood.whole else x  # pixels as they are; counts as log(1 + x)
    q, encoder_cache = encode_forward(features, params, parts.encoder)  # q(z|x): mu, log sigma
    z, z_cache = draw_forward(q, eps, params, parts.posterior)  # z = mu + sigma eps
    out, decoder_cache = decode_forward(z, params, parts.decoder)  # p(x|z): logits, for example
    log_px, px_cache = log_px_forward(out, x, params, parts.likelihood)  # (L, N)
    kl, kl_cache = kl_term_forward(q, z, params, parts, eps)  # (N,)
    cache = encoder_cache, z_cache, decoder_cache, px_cache, log_px.shape, kl_cache
    return (log_px.mean(0), kl), cache


def elbo_terms_backward(dterms, cache, dparams, parts):
    """The lines of the forward pass from last to first; every gradient is added to dparams       [ELBO.2]

    dterms = (dlog_px, dkl), each of shape (N,).
    """
    dlog_px, dkl = dterms
    encoder_cache, z_cache, decoder_cache, px_cache, (L, N), kl_cache = cache
    dq_kl, dz_kl = kl_term_backward(dkl, kl_cache, dparams, parts)  # dmu = mu dkl, dlog_sigma = (sigma^2 - 1) dkl; dz = 0
    dlog_px = np.broadcast_to(dlog_px / L, (L, N))  # of the mean over samples
    dout = log_px_backward(dlog_px, px_cache, dparams, parts.likelihood)  # dlogits = (x - p) dlog_px, for example
    dz = decode_backward(dout, decoder_cache, dparams) + dz_kl
    dq = draw_backward(dz, z_cache, dparams, parts.posterior)  # dmu = dz, dlog_sigma = sigma eps dz
    encode_backward([d + d_kl for d, d_kl in zip(dq, dq_kl, strict=True)], encoder_cache, dparams)  # mu and sigma stand in both terms


# ---- the lines of the ELBO: each calls the pair of a record, with the parameters of its own that some have -----------


def draw_forward(q, eps, params, posterior):
    """z ~ q(z|x), of the shape (L, N, K) of eps; for Gaussians z = mu + sigma eps."""
    return posterior.sample_forward(*q, eps, *own_values(posterior, "posterior", params))


def draw_backward(dz, cache, dparams, posterior):
    """dq, in the order and the shapes of q, each (N, ...)."""
    return add_own(posterior.sample_backward(dz, cache), posterior, "posterior", dparams)


def log_px_forward(out, x, params, likelihood):
    """log p(x|z), of shape (L, N), for the decoder's output of shape (L, N, D)."""
    return likelihood.forward(out, x, *own_values(likelihood, "likelihood", params))


def log_px_backward(dlog_px, cache, dparams, likelihood):
    """dout, of the shape of out, (L, N, D)."""
    (dout,) = add_own(likelihood.backward(dlog_px, cache), likelihood, "likelihood", dparams)
    return dout


def kl_term_forward(q, z, params, parts, eps=None):
    """KL(q(z|x) || p(z)), of shape (N,): in closed form where one is known, else the mean of log q - log p over the L samples.

    A flow needs the eps that z was drawn with.
    """
    closed_forward, _ = CLOSED_KL.get((parts.posterior.name, parts.prior.name), (None, None))
    if closed_forward is not None:
        return closed_forward(*q, *own_values(parts.prior, "prior", params))
    log_ratio, ratio_cache = log_ratio_forward(q, z, params, parts, eps)
    cache = ratio_cache, log_ratio.shape
    return -log_ratio.mean(0), cache


def kl_term_backward(dkl, cache, dparams, parts):
    """dq in the order of q, each (N, ...); and dz, of shape (L, N, K), which is 0 for a closed form."""
    _, closed_backward = CLOSED_KL.get((parts.posterior.name, parts.prior.name), (None, None))
    if closed_backward is not None:
        return add_own(closed_backward(dkl, cache), parts.prior, "prior", dparams), 0
    ratio_cache, (L, N) = cache
    return log_ratio_backward(np.broadcast_to(-dkl / L, (L, N)), ratio_cache, dparams, parts)


def log_pz_forward(z, params, prior):
    """log p(z), of shape (L, N), for z of shape (L, N, K)."""
    return prior.forward(z, *own_values(prior, "prior", params))


def log_pz_backward(dlog_pz, cache, dparams, prior):
    """dz, of shape (L, N, K)."""
    (dz,) = add_own(prior.backward(dlog_pz, cache), prior, "prior", dparams)
    return dz


def log_ratio_forward(q, z, params, parts, eps=None):
    """log p(z) - log q(z|x), of shape (L, N), for z of shape (L, N, K); a flow knows log q by the eps that z was drawn with."""
    log_pz, pz_cache = log_pz_forward(z, params, parts.prior)
    at = parts.posterior.knows_density_at(z, eps)
    log_qz, qz_cache = parts.posterior.forward(at, *q, *own_values(parts.posterior, "posterior", params))
    cache = pz_cache, qz_cache
    return log_pz - log_qz, cache


def log_ratio_backward(dlog_ratio, cache, dparams, parts):
    """dlog_qz = -dlog_ratio,  dlog_pz = dlog_ratio; dq in the order of q, and dz, of shape (L, N, K)."""
    pz_cache, qz_cache = cache
    dq = add_own(parts.posterior.backward(-dlog_ratio, qz_cache), parts.posterior, "posterior", dparams)
    dz_q, *dq = (0, *dq) if parts.posterior.by_noise else dq
    dz_p = log_pz_backward(dlog_ratio, pz_cache, dparams, parts.prior)
    return dq, dz_p + dz_q


# ---- importance weights ------------------------------------------------------------------------------


def log_weight_terms_forward(x, eps, params, parts):
    """log p(x|z_l)  and  log p(z_l) - log q(z_l|x),  z_l ~ q(z|x): their sum is log w_l        [LOGW.1]

    The weights w of importance sampling and of the k-sample bound: their mean is an unbiased estimate of p(x).
    No closed-form KL enters, for the bound needs every sample's own weight.
    Source: Burda et al., arXiv:1509.00519, equation 8.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    eps : ndarray of shape (L, N, K), drawn from N(0, I)
    params : mapping of names to arrays, as `VAE.params`
    parts : Parts, as `VAE.parts`

    Returns
    -------
    (log_px, log_ratio) : ndarrays of shape (L, N), in nats
    cache : what `log_weight_terms_backward` needs
    """
    features = parts.likelihood.features(x) if parts.likelihood.whole else x  # pixels as they are; counts as log(1 + x)
    q, encoder_cache = encode_forward(features, params, parts.encoder)  # q(z|x): mu, log sigma
    z, z_cache = draw_forward(q, eps, params, parts.posterior)  # z = mu + sigma eps
    out, decoder_cache = decode_forward(z, params, parts.decoder)  # p(x|z): logits, for example
    log_px, px_cache = log_px_forward(out, x, params, parts.likelihood)  # (L, N)
    log_ratio, ratio_cache = log_ratio_forward(q, z, params, parts, eps)  # (L, N)
    cache = encoder_cache, z_cache, decoder_cache, px_cache, ratio_cache
    return (log_px, log_ratio), cache


def log_weight_terms_backward(dterms, cache, dparams, parts):
    """The lines of the forward pass from last to first; every gradient is added to dparams       [LOGW.2]

    dterms = (dlog_px, dlog_ratio), each of shape (L, N).
    """
    dlog_px, dlog_ratio = dterms
    encoder_cache, z_cache, decoder_cache, px_cache, ratio_cache = cache
    dq_ratio, dz_ratio = log_ratio_backward(dlog_ratio, ratio_cache, dparams, parts)
    dout = log_px_backward(dlog_px, px_cache, dparams, parts.likelihood)
    dz = decode_backward(dout, decoder_cache, dparams) + dz_ratio
    dq = draw_backward(dz, z_cache, dparams, parts.posterior)
    encode_backward([d + d_ratio for d, d_ratio in zip(dq, dq_ratio, strict=True)], encoder_cache, dparams)


# ---- what is trained ---------------------------------------------------------------------------------------


class Bound(NamedTuple):
    """A lower bound on log p(x) as a pair, whose outputs are (bound, log_px, kl), each of shape (N,), in nats.

    `weights` = (of log_px, of the KL); a bound that is no sum of the two is not `weighted`, and has only (1, 1).
    """

    forward: Callable
    backward: Callable
    weighted: bool


def elbo_forward(x, eps, params, parts, weights=(1, 1)):
    """log p(x|z) - beta KL,  with weights (1, beta)             x (N, D), eps (L, N, K), bound (N,)"""
    on_px, on_kl = weights
    (log_px, kl), cache = elbo_terms_forward(x, eps, params, parts)
    return (on_px * log_px - on_kl * kl, log_px, kl), cache


def elbo_backward(dbound, cache, dparams, parts, weights=(1, 1)):
    """dlog_px = dbound,  dkl = -beta dbound                     dbound (N,)"""
    on_px, on_kl = weights
    elbo_terms_backward((on_px * dbound, -on_kl * dbound), cache, dparams, parts)


def iwae_forward(x, eps, params, parts, weights=(1, 1)):
    """log 1/k sum_l w_l; its kl is the mean of log q - log p over the k samples      x (N, D), eps (k, N, K), bound (N,)"""
    (log_px, log_ratio), terms_cache = log_weight_terms_forward(x, eps, params, parts)
    bound, bound_cache = iwae_bound_forward(log_px + log_ratio)
    cache = terms_cache, bound_cache
    return (bound, log_px.mean(0), -log_ratio.mean(0)), cache


def iwae_backward(dbound, cache, dparams, parts, weights=(1, 1)):
    """dlog_px = dlog_ratio = dlog_w                             dbound (N,)"""
    terms_cache, bound_cache = cache
    dlog_w = iwae_bound_backward(dbound, bound_cache)
    log_weight_terms_backward((dlog_w, dlog_w), terms_cache, dparams, parts)


BOUNDS = {"elbo": Bound(elbo_forward, elbo_backward, weighted=True), "iwae": Bound(iwae_forward, iwae_backward, weighted=False)}


# ---- small print ------------------------------------------------------------------------------------------


def cut(y, heads):
    """A network's outputs, of shape (..., O), as a tuple of arrays of the heads' shapes, each (..., *shape)."""
    parts, stop = [], 0
    for shape in heads:
        start, stop = stop, stop + math.prod(shape)
        parts.append(y[..., start:stop].reshape(*y.shape[:-1], *shape))
    return tuple(parts)


def join(parts, heads):
    """The opposite of `cut`; a single head is not copied."""
    flat = [part.reshape(*part.shape[: part.ndim - len(shape)], -1) for part, shape in zip(parts, heads)]
    return np.concatenate(flat, axis=-1) if len(flat) > 1 else flat[0]


def own_values(record, prefix, params):
    """The own parameters of a likelihood, prior or posterior, which its functions take as their last arguments."""
    return [params[f"{prefix}.{name}"] for name in record.own]


def add_own(grads, record, prefix, dparams):
    """Of a pair's gradients, those of the record's own parameters, the last, are added to dparams; the others are returned as a tuple."""
    grads = grads if isinstance(grads, tuple) else (grads,)
    n = len(grads) - len(record.own)
    for name, d in zip(record.own, grads[n:], strict=True):
        if dparams is not None:
            dparams[f"{prefix}.{name}"] += d
    return grads[:n]
