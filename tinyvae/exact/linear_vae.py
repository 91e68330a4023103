"""The linear beta-VAE at its optimum: active units, rate and distortion without training."""

import numpy as np

from ..support.validation import check_int, check_number
from .pca import eigen, fit_data


class LinearBetaVAE:
    """What a linear VAE with noise variance eta learns at its optimum, from the eigenvalues of the data alone.

    With s = beta eta: latent j <= K is active iff lambda_j > s; ||w_j||^2 = (lambda_j - s)+, posterior variance
    s / lambda_j. Rate and distortion follow; where K leaves out no lambda_j > s it is reverse water-filling:

    rate = sum_{j <= K} 1/2 ln(lambda_j / s)+,  distortion = sum_{j <= K} min(s, lambda_j) + sum_{j > K} lambda_j   [RD.1]

    Source: the linear analysis of posterior collapse in arXiv:1911.02469; reverse water-filling is Cover and
    Thomas, Elements of Information Theory, section 10.3.

    Parameters
    ----------
    n_components : int, K
    eta : float, the variance of the observation noise
    beta : float

    Attributes
    ----------
    active_units_ : int
    rate_ : float, the mean KL to the prior in nats per datum
    distortion_ : float, the mean squared error of a reconstruction from a sampled z

    Examples
    --------
    >>> from tinyvae import load_digits
    >>> X, _ = load_digits()
    >>> [LinearBetaVAE(8, eta).fit(X).active_units_ for eta in (0.02, 0.1, 0.3, 0.6, 0.8)]
    [8, 8, 4, 2, 0]
    """

    def __init__(self, n_components, eta, beta=1.0):
        self.n_components = check_int("n_components", n_components, 1)
        self.eta, self.beta = check_number("eta", eta, above=0), check_number("beta", beta, above=0)

    def fit(self, X):
        """Compute the attributes from the covariance of X, of shape (N, D)."""
        _, values, _ = eigen(fit_data(X, self.n_components))
        s, kept, rest = self.beta * self.eta, values[: self.n_components], values[self.n_components :]
        self.active_units_ = int((kept > s).sum())
        self.rate_ = float(np.log(kept[kept > s] / s).sum() / 2)
        self.distortion_ = float(np.minimum(kept, s).sum() + rest.sum())
        return self
