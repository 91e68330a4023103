"""The k-sample bound: log-mean-exp of the log weights, as a pair.

With the weights as upstream gradient of the same functions that the ELBO uses, this is the importance-weighted
auto-encoder of Burda et al., arXiv:1509.00519.
"""

import math

import numpy as np


def iwae_bound_forward(log_w):
    """L_k = log 1/k sum_l w_l,  by log-sum-exp                                      [IWAE.1]

    E L_1 is the ELBO; E L_k rises with k towards log p(x). Mean of w first, then the log: the mean of
    the logs would be the ELBO again.

    Parameters
    ----------
    log_w : ndarray of shape (k, N), in nats

    Returns
    -------
    bound : ndarray of shape (N,), in nats
    cache : what `iwae_bound_backward` needs

    Examples
    --------
    >>> bound, cache = iwae_bound_forward(np.log(np.array([[1.0, 2.0], [3.0, 2.0]])))
    >>> print(np.exp(bound).round(12))
    [2. 2.]
    """
    top = log_w.max(0)
    w = np.exp(log_w - top)
    total = w.sum(0)
    weights = w / total
    cache = weights
    return top + np.log(total) - math.log(len(log_w)), cache


def iwae_bound_backward(dbound, cache):
    """dlog_w = dbound softmax(log_w)                            dbound (N,), dlog_w (k, N)   [IWAE.2]"""
    weights = cache
    return dbound * weights
