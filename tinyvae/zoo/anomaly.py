"""Anomaly detection: is a datum like those that the model was trained on?

A score that is high for what does not belong, and the area under its ROC curve. Three scores by a VAE, one by the nearest
neighbour, one by the log p of any model. And why a density is no measure of the typical, on a model whose log p is exact (lecture D0).
"""

import numpy as np

from ..estimators import log_likelihood
from ..support.streams import EVALUATION, generator
from ..support.validation import check_int, check_matrix

# ---- how good is a score --------------------------------------------------------------------------


def auc(anomalous, normal):
    """P(a > b) + P(a = b) / 2 for one score a of each group, the area under the ROC curve                  [AUC.1]

    By ranks: with n anomalous and m normal scores sorted together, ties sharing their mean rank,
    AUC = (sum of the ranks of the anomalous - n (n + 1) / 2) / (n m). It is 1/2 for a score that says nothing.

    Parameters
    ----------
    anomalous, normal : array-like of shape (n,) and (m,)

    Examples
    --------
    >>> auc([3.0, 2.0], [1.0, 2.0])
    0.875
    """
    a, b = _scores("anomalous", anomalous), _scores("normal", normal)
    _, place, count = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # of equal ones the mean of their ranks
    n, m = len(a), len(b)
    return float((rank[:n].sum() - n * (n + 1) / 2) / (n * m))


def _scores(name, values):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or np.isnan(values).any():
        raise ValueError(f"{name} must be scores of shape (n,) without NaN, at least one, got shape {values.shape}: one number for each datum")
    return values


def leave_one_out(score, X, y, X_test, y_test):
    """The AUC of every class, left out of the data that the score is fitted to: X trains, X_test is scored, with that class as anomalies.

    Parameters
    ----------
    score : callable, (rows of X without the class, X_test) -> dict of name -> scores of shape (len(X_test),)
    X, X_test : ndarrays of shape (N, D)
    y, y_test : ndarrays of the classes, of shape (N,)

    Returns
    -------
    dict of name -> ndarray of shape (number of classes,)
    """
    X, X_test, y, y_test = check_matrix("X", X), check_matrix("X_test", X_test), np.asarray(y), np.asarray(y_test)
    classes = np.unique(y)
    if y.shape != (len(X),) or y_test.shape != (len(X_test),):
        raise ValueError(f"y and y_test must have a class for each row, got {y.shape} for {len(X)} rows and {y_test.shape} for {len(X_test)}")
    if len(classes) < 2 or not set(classes) <= set(y_test):
        raise ValueError(f"y must hold at least two classes, all of them in y_test, got {classes} and {np.unique(y_test)}: split the rows at random")
    found = {}
    for c in classes:
        for name, s in score(X[y != c], X_test).items():
            found.setdefault(name, []).append(auc(s[y_test == c], s[y_test != c]))
    return {name: np.array(values) for name, values in found.items()}


# ---- scores -----------------------------------------------------------------------------------------


def vae_scores(vae, X, n_samples=100, rng=None):
    """Three scores of shape (N,) by a trained VAE, in nats: "neg_elbo"; "neg_log_p", by importance sampling; "reconstruction", -E_q log p(x|z)."""
    rng = generator(rng, vae.seed, EVALUATION)
    log_px, kl = vae.elbo_terms(X, rng, check_int("n_samples", n_samples, 1))
    return {"neg_elbo": kl - log_px, "neg_log_p": -log_likelihood(vae, X, n_samples, rng), "reconstruction": -log_px}


def nearest_distance(X, others):
    """The distance of every row of X to the nearest of the others, of shape (N,): the score that needs no model."""
    X, others = check_matrix("X", X).astype(np.float64), check_matrix("others", others, np.shape(X)[1]).astype(np.float64)
    centre = np.round(others.mean(0))  # far from 0 the squares would cancel; a whole number, so that equal distances of pixels 0 and 1 stay equal
    X, others = X - centre, others - centre
    squared = (X**2).sum(1)[:, None] + (others**2).sum(1) - 2 * X @ others.T
    return np.sqrt(np.maximum(squared.min(1), 0))


def atypicality(log_p, log_p_train):
    """|log p(x) - mean of log p over the training data|, of shape (N,): too likely is as odd as too unlikely.

    A Gaussian of D dimensions at its maximum of likelihood, PPCA for one: for training data shrunk towards their mean by a factor c,

    mean log p(mean + c (x - mean)) - mean log p(x) = (1 - c^2) D / 2                                         [TYP.1]

    So greyed copies have a higher log p than the data themselves, by 3 D / 8 nats at half contrast: almost all of the mass lies in a
    shell, far from the peak of the density. Source: of the failure arXiv:1810.09136, of the remedy arXiv:1906.02994 (there for batches).

    Examples
    --------
    >>> from tinyvae import load_digits
    >>> from tinyvae.exact import PPCA
    >>> X, _ = load_digits()
    >>> ppca, mean = PPCA(8).fit(X), X.mean(0, dtype=float)
    >>> print(round(ppca.score(mean + (X - mean) / 2) - ppca.score(X), 6), 3 * 64 / 8)
    24.0 24.0
    """
    return np.abs(_scores("log_p", log_p) - _scores("log_p_train", log_p_train).mean())
