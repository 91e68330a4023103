"""Principal component analysis, and what the models of this folder share: the eigenvalues of the data."""

import numpy as np

from ..support.validation import check_int, check_matrix


def eigen(X):
    """Mean, eigenvalues in descending order and eigenvectors (in rows) of the covariance of X."""
    mean = X.mean(0)
    values, vectors = np.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    return mean, np.maximum(values[::-1], 0), vectors[:, ::-1].T


def fit_data(X, n_components):
    """X for a fit, in float64; it must have at least as many columns as there are components."""
    X = check_matrix("X", X, np.shape(X)[-1] if np.ndim(X) == 2 else "D").astype(np.float64)
    if X.shape[1] < n_components:
        raise ValueError(f"n_components must be at most the number of columns, {X.shape[1]}, got {n_components}")
    return X


def check_fitted(model):
    """ValueError if the model has no parameters yet."""
    if not hasattr(model, "mean_"):
        raise ValueError(f"this {type(model).__name__} knows no parameters yet: call fit first")


def more_data(model, X):
    """X for a fitted model, in float64; it must have the columns of the data of the fit."""
    check_fitted(model)
    return check_matrix("X", X, len(model.mean_)).astype(np.float64)


class PCA:
    """Principal component analysis: the best linear auto-encoder under squared error (lecture D2).

    Parameters
    ----------
    n_components : int, K

    Attributes
    ----------
    components_ : ndarray of shape (K, D), the leading eigenvectors of the covariance
    explained_variance_ : ndarray of shape (K,), their eigenvalues
    eigenvalues_ : ndarray of shape (D,), all of them
    mean_ : ndarray of shape (D,)
    reconstruction_error_ : float
        Mean squared distance of a datum to its reconstruction: the sum of the trailing eigenvalues.

    Examples
    --------
    >>> from tinyvae import load_digits
    >>> pca = PCA(2).fit(load_digits()[0])
    >>> print(round(pca.reconstruction_error_, 6))
    3.355253
    """

    def __init__(self, n_components):
        self.n_components = check_int("n_components", n_components, 1)

    def fit(self, X):
        """Find the components of X, of shape (N, D)."""
        X, K = fit_data(X, self.n_components), self.n_components
        self.mean_, self.eigenvalues_, vectors = eigen(X)
        self.components_, self.explained_variance_ = vectors[:K], self.eigenvalues_[:K]
        self.reconstruction_error_ = float(self.eigenvalues_[K:].sum())
        return self

    def transform(self, X):
        """Coordinates of shape (N, K) along the components."""
        return (more_data(self, X) - self.mean_) @ self.components_.T

    def inverse_transform(self, Z):
        """The points of shape (N, D) that have these coordinates."""
        check_fitted(self)
        return check_matrix("Z", Z, self.n_components) @ self.components_ + self.mean_
