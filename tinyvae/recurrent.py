"""Recurrent networks: symbols looked up, a step of a gated recurrent unit, a whole sequence of steps, log p of a string.

Sequences have their time on the first axis, so that step t is a[t], one row per datum.
"""

import numpy as np

from .layers import _rows, log_softmax, sigmoid

END = 0  # the symbol that ends a string, and fills the columns after it


def embed_forward(x, W, keep):
    """a = keep W[x]: the dense layer at one-hot rows, which picks a row of W for every symbol

    Parameters
    ----------
    x : ndarray of whole numbers, of shape (T, N)
    W : ndarray of shape (V, I), for V symbols
    keep : ndarray of shape (T, N); 0 where the symbol is hidden from the network, else 1

    Returns
    -------
    a : ndarray of shape (T, N, I)
    cache : what `embed_backward` needs

    Examples
    --------
    >>> W = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> a, cache = embed_forward(np.array([[1, 0, 1]]), W, keep=np.array([[1.0, 1.0, 0.0]]))
    >>> print(a[0])
    [[3. 4.]
     [1. 2.]
     [0. 0.]]
    """
    V = len(W)
    cache = x, keep, V
    return keep[..., None] * W[x], cache


def embed_backward(da, cache):
    """dW_v = sum of keep da over the places where x = v;  da (T, N, I), dW (V, I)

    What was picked by index collects by index. For few symbols the product with the one-hot rows is the fastest way.
    """
    x, keep, V = cache
    onehot = (x.ravel() == np.arange(V)[:, None]) * keep.ravel()
    return onehot @ _rows(da)


def gru_step_forward(a, h, U):
    """One step of a gated recurrent unit: h_next = u h + (1 - u) c                                      [GRU.1]

    with the reset gate r = sigmoid(a_r + h U_r), the update gate u = sigmoid(a_u + h U_u), and the candidate
    c = tanh(a_c + r (h U_c)). U = (U_r, U_u, U_c) side by side, so one product serves all three, and so it does for a.
    Source: Cho et al., arXiv:1406.1078, there with (r h) U_c for r (h U_c), which takes a second product.

    Parameters
    ----------
    a : ndarray of shape (..., 3H), what the input says to r, u and c
    h : ndarray of shape (..., H), the state
    U : ndarray of shape (H, 3H)

    Returns
    -------
    h_next : ndarray of shape (..., H)
    cache : what `gru_step_backward` needs

    Examples
    --------
    With U = 0 and a = (r, u, c) = (0, 0, 9): half of the old state, half of tanh(9).

    >>> h_next, cache = gru_step_forward(np.array([[0.0, 0.0, 9.0]]), np.array([[3.0]]), np.zeros((1, 3)))
    >>> print(h_next.round(6))
    [[2.]]
    """
    a_r, a_u, a_c = _thirds(a)
    s_r, s_u, s_c = _thirds(h @ U)
    r = sigmoid(a_r + s_r)
    u = sigmoid(a_u + s_u)
    c = np.tanh(a_c + r * s_c)
    cache = h, U, s_c, r, u, c
    return u * h + (1 - u) * c, cache


def gru_step_backward(dh_next, cache):
    """dh = u dh_next + ds U',  dU = h' ds,  ds = (da_r, da_u, r da_c)                                    [GRU.2]

    with du = (h - c) dh_next, dc = (1 - u) dh_next, da_c = (1 - c^2) dc, dr = s_c da_c for s_c = h U_c, da_u = u (1 - u) du, and
    da_r = r (1 - r) dr. dh_next and dh have shape (..., H), da (..., 3H), dU (H, 3H).
    """
    h, U, s_c, r, u, c = cache
    du = dh_next * (h - c)
    dc = dh_next * (1 - u)
    da_c = dc * (1 - c * c)
    dr = da_c * s_c
    da_u = du * u * (1 - u)
    da_r = dr * r * (1 - r)
    ds = np.concatenate([da_r, da_u, da_c * r], axis=-1)
    dh = dh_next * u + ds @ U.T
    dU = _rows(h).T @ _rows(ds)
    return np.concatenate([da_r, da_u, da_c], axis=-1), dh, dU


def gru_forward(a, h0, U):
    """h_t = GRU(a_t, h_{t-1}) for t = 1 to T, with the same U at every step                              [BPTT.1]

    Parameters
    ----------
    a : ndarray of shape (T, N, 3H)
    h0 : ndarray of shape (N, H)
    U : ndarray of shape (H, 3H)

    Returns
    -------
    states : ndarray of shape (T, N, H), h_1 to h_T
    cache : that of every step
    """
    h, states, cache = h0, [], []
    for a_t in a:
        h, step_cache = gru_step_forward(a_t, h, U)
        states.append(h)
        cache.append(step_cache)
    return np.stack(states), cache


def gru_backward(dstates, cache):
    """Through time, from the last step to the first: dh_t = dstates_t + what step t + 1 hands back, dU = sum of dU_t    [BPTT.2]

    dstates has shape (T, N, H); da (T, N, 3H), dh0 (N, H), dU (H, 3H).
    """
    dh, dU, da = 0, 0, []
    for dstate, step_cache in zip(dstates[::-1], cache[::-1]):
        da_t, dh, dU_t = gru_step_backward(dstate + dh, step_cache)
        da.append(da_t)
        dU = dU + dU_t
    return np.stack(da[::-1]), dh, dU


def string_log_p_forward(logits, x):
    """log p(x|z) = sum_t log softmax(l_t)_{x_t}, up to and including the first end symbol              [STR.1]

    Parameters
    ----------
    logits : ndarray of shape (T, N, V); l_t was told z and x_1 to x_{t-1}
    x : ndarray of whole numbers, of shape (T, N); 0 ends a string

    Returns
    -------
    log_px : ndarray of shape (N,), in nats per string
    cache : what `string_log_p_backward` needs
    """
    log_p = log_softmax(logits)
    ends = x == END
    counts = np.cumsum(ends, axis=0) == ends  # no end before t
    chosen = counts[..., None] * (x[..., None] == np.arange(logits.shape[-1]))
    cache = log_p, counts, chosen
    return (log_p * chosen).sum((0, -1)), cache


def string_log_p_backward(dlog_px, cache):
    """dl_t = dlog_px (onehot(x_t) - softmax(l_t)), 0 after the end; dlog_px (N,), dlogits (T, N, V)     [STR.2]"""
    log_p, counts, chosen = cache
    return dlog_px[:, None] * (chosen - counts[..., None] * np.exp(log_p))


def _thirds(a):
    """Views of the parts for r, u and c."""
    H = a.shape[-1] // 3
    return a[..., :H], a[..., H : 2 * H], a[..., 2 * H :]
