"""Optimisers on the flat vector theta: plain SGD (with momentum) and Adam, both in place."""

import math

import numpy as np

from .support.validation import check_number


class SGD:
    """Stochastic gradient descent: v <- momentum v + g,  theta <- theta - lr v           [SGD.1]

    Parameters
    ----------
    lr : float, positive
    momentum : float in [0, 1)

    Raises
    ------
    ValueError
        If lr or momentum lies outside its range or is NaN.

    Examples
    --------
    >>> theta = np.array([1.0, -2.0])
    >>> SGD(lr=0.5).step(theta, dtheta=np.array([2.0, 2.0]))
    >>> print(theta)
    [ 0. -3.]
    """

    def __init__(self, lr=0.01, momentum=0.0):
        self.lr = check_number("lr", lr, above=0)
        self.momentum = check_number("momentum", momentum, at_least=0, below=1)
        self.v = None

    def step(self, theta, dtheta):
        """Change theta, of shape (P,), in place by one step against the gradient dtheta."""
        if self.v is None:
            self.v = np.zeros_like(theta)
        self.v *= self.momentum
        self.v += dtheta
        theta -= self.lr * self.v

    def state_dict(self):
        """What a checkpoint must keep, as a dict of arrays; empty before the first step."""
        return {} if self.v is None else {"v": self.v.copy()}

    def load_state_dict(self, state):
        """Take back what `state_dict` gave."""
        self.v = np.array(state["v"]) if state else None


class Adam:
    """Adam: momentum m, scale sqrt(v), both corrected for their start at zero            [ADAM.1]

    m <- beta1 m + (1 - beta1) g,          v <- beta2 v + (1 - beta2) g^2,
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps),
    m_hat = m / (1 - beta1^t),             v_hat = v / (1 - beta2^t).

    Source: Kingma and Ba, arXiv:1412.6980, algorithm 1. The attributes m and v are kept without their
    factors (1 - beta), which saves passes over the vector and gives the same steps.

    Parameters
    ----------
    lr : float, positive
    beta1, beta2 : floats in [0, 1)
    eps : float, positive

    Raises
    ------
    ValueError
        If a parameter lies outside its range or is NaN.

    Examples
    --------
    >>> theta = np.array([1.0, -2.0])
    >>> Adam(lr=0.1).step(theta, dtheta=np.array([5.0, -0.003]))  # first step: lr sign(g)
    >>> print(theta.round(4))
    [ 0.9 -1.9]
    """

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr = check_number("lr", lr, above=0)
        self.beta1 = check_number("beta1", beta1, at_least=0, below=1)
        self.beta2 = check_number("beta2", beta2, at_least=0, below=1)
        self.eps = check_number("eps", eps, above=0)
        self.m, self.v, self.t = None, None, 0

    def step(self, theta, dtheta):
        """Change theta, of shape (P,), in place by one step against the gradient dtheta."""
        if self.m is None:
            self.m, self.v = np.zeros_like(theta), np.zeros_like(theta)
        self.t += 1
        # This loop is bound by memory: in place, one scratch vector, and the constant factors (1 - beta)
        # and 1 / (1 - beta^t) of the moments multiplied out into the two numbers below.
        m_hat = (1 - self.beta1) / (1 - self.beta1**self.t)  # times self.m
        v_hat = (1 - self.beta2) / (1 - self.beta2**self.t)  # times self.v
        self.m *= self.beta1
        self.m += dtheta
        self.v *= self.beta2
        s = dtheta * dtheta
        self.v += s
        np.sqrt(self.v, out=s)
        s += self.eps / math.sqrt(v_hat)
        np.divide(self.m, s, out=s)
        s *= self.lr * m_hat / math.sqrt(v_hat)
        theta -= s

    def state_dict(self):
        """What a checkpoint must keep, as a dict of arrays; empty before the first step."""
        return {} if self.m is None else {"m": self.m.copy(), "v": self.v.copy(), "t": np.array(self.t)}

    def load_state_dict(self, state):
        """Take back what `state_dict` gave."""
        self.m, self.v = (np.array(state["m"]), np.array(state["v"])) if state else (None, None)
        self.t = int(state["t"]) if state else 0
