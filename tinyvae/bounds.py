"""The bounds: composition only. The calculus stands in the rooms that these functions call.

Forward, in the order of the slides: encode, sample z, decode, log p(x|z), KL; backward, the same lines upwards.
The composites read their weights from a mapping of names to arrays (`params`) and write gradients into a mapping of
the same names (`dparams`); `vae` knows the architecture and the likelihood.
"""

import numpy as np

from .gaussian import (
    gaussian_log_density_backward,
    gaussian_log_density_forward,
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from .mlp import mlp_backward, mlp_forward


def encode_forward(x, params, vae):
    """(mu, log_sigma) of q(z|x): the encoder's two heads, side by side in one layer     [ENC.1]

    x has shape (N, D), mu and log_sigma (N, K); `params` maps names to arrays as `VAE.params` does,
    `vae` knows the names of the layers and the activation.
    """
    heads, cache = mlp_forward(x / (vae.px.n_classes - 1) if vae.px.n_classes else x, params, vae.encoder, vae.activation)
    mu, log_sigma = np.split(heads, 2, axis=-1)
    return (mu, log_sigma), cache


def encode_backward(dheads, cache, dparams):
    """Writes the encoder's gradients, given dheads = (dmu, dlog_sigma), each (N, K)     [ENC.2]"""
    mlp_backward(np.concatenate(dheads, axis=-1), cache, dparams, need_dx=False)


def decode_forward(z, params, vae):
    """The decoder's output, which the likelihood turns into p(x|z)                      [DEC.1]

    z has shape (..., K), out (..., D), or (..., D, outputs) if the likelihood wants several per pixel.
    """
    flat, mlp_cache = mlp_forward(z, params, vae.decoder, vae.activation)
    cache = mlp_cache, flat.shape
    return flat.reshape(*z.shape[:-1], *vae.out_shape), cache


def decode_backward(dout, cache, dparams):
    """Writes the decoder's gradients and returns dz, of shape (..., K)                  [DEC.2]"""
    mlp_cache, shape = cache
    return mlp_backward(dout.reshape(shape), mlp_cache, dparams)


def elbo_terms_forward(x, eps, params, vae):
    """The two terms of the ELBO:  E_q[log p(x|z)]  and  KL(q(z|x) || p(z))              [ELBO.1]

    ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x), the expectation being a mean over L samples.
    Source: Kingma and Welling, arXiv:1312.6114, equation 10; lectures D0 to D4.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    eps : ndarray of shape (L, N, K), drawn from N(0, I)
    params : mapping of names to arrays, as `VAE.params`
    vae : VAE, for its architecture and its likelihood

    Returns
    -------
    (log_px, kl) : ndarrays of shape (N,), in nats per datum
    cache : what `elbo_terms_backward` needs
    """
    (mu, log_sigma), encoder_cache = encode_forward(x, params, vae)  # q(z|x)
    z, z_cache = reparameterize_forward(mu, log_sigma, eps)  # z ~ q(z|x)
    out, decoder_cache = decode_forward(z, params, vae)  # p(x|z)
    log_px, px_cache = vae.px.forward(out, x, *vae.own(params))  # (L, N)
    kl, kl_cache = kl_forward(mu, log_sigma)  # (N,)
    cache = encoder_cache, z_cache, decoder_cache, px_cache, log_px.shape, kl_cache
    return (log_px.mean(0), kl), cache


def elbo_terms_backward(dterms, cache, dparams, vae):
    """The lines of the forward pass from last to first; every gradient is written into dparams   [ELBO.2]

    dterms = (dlog_px, dkl), each of shape (N,).
    """
    dlog_px, dkl = dterms
    encoder_cache, z_cache, decoder_cache, px_cache, (L, N), kl_cache = cache
    dmu_kl, dlog_sigma_kl = kl_backward(dkl, kl_cache)
    dlog_px = np.broadcast_to(dlog_px / L, (L, N))  # of the mean over samples
    dz = _likelihood_backward(dlog_px, px_cache, decoder_cache, dparams, vae)
    dmu, dlog_sigma = reparameterize_backward(dz, z_cache)
    encode_backward((dmu + dmu_kl, dlog_sigma + dlog_sigma_kl), encoder_cache, dparams)


def log_weight_terms_forward(x, eps, params, vae):
    """log p(x|z_l)  and  log p(z_l) - log q(z_l|x),  z_l ~ q(z|x): their sum is log w_l        [LOGW.1]

    The weights w of importance sampling and of the k-sample bound: their mean is an unbiased estimate of p(x).
    No closed-form KL enters, for the bound needs every sample's own weight.
    Source: Burda et al., arXiv:1509.00519, equation 8.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    eps : ndarray of shape (L, N, K), drawn from N(0, I)
    params : mapping of names to arrays, as `VAE.params`
    vae : VAE, for its architecture and its likelihood

    Returns
    -------
    (log_px, log_ratio) : ndarrays of shape (L, N), in nats
    cache : what `log_weight_terms_backward` needs
    """
    (mu, log_sigma), encoder_cache = encode_forward(x, params, vae)  # q(z|x)
    z, z_cache = reparameterize_forward(mu, log_sigma, eps)  # z ~ q(z|x)
    out, decoder_cache = decode_forward(z, params, vae)  # p(x|z)
    log_px, px_cache = vae.px.forward(out, x, *vae.own(params))  # (L, N)
    log_pz, pz_cache = gaussian_log_density_forward(z, np.zeros_like(mu), np.zeros_like(mu))
    log_qz, qz_cache = gaussian_log_density_forward(z, mu, log_sigma)
    cache = encoder_cache, z_cache, decoder_cache, px_cache, pz_cache, qz_cache
    return (log_px, log_pz - log_qz), cache


def log_weight_terms_backward(dterms, cache, dparams, vae):
    """dlog_pz = dlog_ratio,  dlog_qz = -dlog_ratio; every gradient is written into dparams     [LOGW.2]

    dterms = (dlog_px, dlog_ratio), each of shape (L, N).
    """
    dlog_px, dlog_ratio = dterms
    encoder_cache, z_cache, decoder_cache, px_cache, pz_cache, qz_cache = cache
    dz_q, dmu_q, dlog_sigma_q = gaussian_log_density_backward(-dlog_ratio, qz_cache)
    dz_p, _, _ = gaussian_log_density_backward(dlog_ratio, pz_cache)
    dz_px = _likelihood_backward(dlog_px, px_cache, decoder_cache, dparams, vae)
    dmu, dlog_sigma = reparameterize_backward(dz_px + dz_p + dz_q, z_cache)
    encode_backward((dmu + dmu_q, dlog_sigma + dlog_sigma_q), encoder_cache, dparams)


def _likelihood_backward(dlog_px, px_cache, decoder_cache, dparams, vae):
    """From log p(x|z) back to z, through the likelihood and the decoder."""
    dout = vae.px.backward(dlog_px, px_cache)
    if vae.px.own == "log_eta":
        dout, dparams["likelihood.log_eta"][...] = dout
    return decode_backward(dout, decoder_cache, dparams)
