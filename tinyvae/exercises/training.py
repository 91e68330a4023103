"""A VAE on the digits whose every part can be the student's: what the first lab and the capstone train.

The model is the one of the capstone's solution, one page long. It calls its parts by name, `parts.kl_backward` for example; those that are
not handed in are the package's.
"""

import types
from typing import ClassVar

import numpy as np

from .. import gaussian, layers
from ..data import load_digits, train_test_split
from ..likelihoods import bernoulli
from ..model import Model
from ..optim import Adam
from .source import tasks

ROOMS = layers, gaussian, bernoulli
PAIRS = "dense", "tanh", "reparameterize", "bernoulli", "kl"
PARTS = tuple(f"{name}_{way}" for name in PAIRS for way in ("forward", "backward"))
N_LATENT, N_HIDDEN = 2, 128
EPOCHS, LAB_EPOCHS = 300, 30


def package_part(name):
    """The package's own function of that name."""
    return next(getattr(room, name) for room in ROOMS if hasattr(room, name))


def parts(functions):
    """A namespace of all parts: those that are handed in, else the package's."""
    return types.SimpleNamespace(**{name: functions.get(name) or package_part(name) for name in PARTS})


class OnePageVAE(Model):
    """-ELBO of the page `vae_forward`, `vae_backward`, with exchangeable parts.

    Parameters
    ----------
    n_features : int
    functions : dict of str to callable
        "kl_backward", ...: names in `PARTS`, or of the page itself. What is missing is the package's, or the capstone's solution.
    """

    units: ClassVar[dict] = {"neg_elbo": "nats", "reconstruction": "nats", "kl": "nats"}

    def __init__(self, n_features, functions=None, n_hidden=N_HIDDEN, seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.functions, self.n_hidden = n_features, dict(functions or {}), n_hidden
        D, H, K = n_features, n_hidden, N_LATENT
        sizes = {"hidden": (D, H), "mu": (H, K), "log_sigma": (H, K), "decoder": (K, H), "logits": (H, D)}
        self.shapes = {f"{name}.{part}": size if part == "W" else size[1:] for name, size in sizes.items() for part in "Wb"}
        page = tasks()["capstone"].right
        self.forward, self.backward = (self.functions.get(name) or getattr(page, name) for name in ("vae_forward", "vae_backward"))
        self.parts = parts(self.functions)

    def init_params(self, rng, params):
        """Glorot, halved at the data, and log sigma starting at 0, as the package's VAE starts."""
        super().init_params(rng, params)
        params["hidden.W"][...] /= 2
        params["log_sigma.W"][...] = 0

    def draw_noise(self, rng, batch):
        """eps ~ N(0, I), of shape (N, K)."""
        return rng.standard_normal((len(batch[0]), N_LATENT), dtype=self.dtype)

    def loss_forward(self, batch, noise):
        """The mean of -ELBO over a batch (x (N, D), None), with eps (N, K); its terms in nats, each (N,)."""
        (loss, log_px, kl), cache = self.forward(batch[0], noise, self.params, self.parts)
        return (loss, {"neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl}), cache

    def loss_backward(self, dloss, cache, weights=None):
        """The gradient of dloss times the loss, by all weights, of shape (P,)."""
        self.weigh(weights)  # it has none to weigh
        grads = self.backward(dloss, cache, self.parts)
        return np.concatenate([np.asarray(grads[name], self.dtype).ravel() for name in self.shapes])


class FunctionAdam:
    """An optimiser whose step is a function: theta, m, v = adam_step(theta, dtheta, m, v, t, lr, beta1, beta2, eps)."""

    def __init__(self, adam_step, lr):
        self.adam_step, self.lr, self.t = adam_step, lr, 0

    def step(self, theta, dtheta):
        """Change theta, of shape (P,), in place."""
        if self.t == 0:
            self.m, self.v = np.zeros_like(theta), np.zeros_like(theta)
        self.t += 1
        theta[...], self.m, self.v = self.adam_step(theta, dtheta, self.m, self.v, self.t, self.lr, 0.9, 0.999, 1e-8)

    def state_dict(self):
        """What a checkpoint must keep."""
        return {"m": self.m, "v": self.v, "t": np.array(self.t)} if self.t else {}

    def load_state_dict(self, state):
        """Take back what `state_dict` gave."""
        self.t = int(state["t"]) if state else 0
        self.m, self.v = (np.array(state["m"]), np.array(state["v"])) if state else (None, None)


def train(functions, epochs=EPOCHS, seed=0):
    """Train a VAE on the embedded digits with these functions in place of the package's.

    Returns
    -------
    before, after : float, -ELBO on the test digits in nats per datum, at the start and at the end
    """
    X_train, X_test, _, _ = train_test_split(*load_digits())
    model = OnePageVAE(X_train.shape[1], functions, seed=seed)
    before = model.evaluate(X_test)["neg_elbo"]
    step = functions.get("adam_step")
    model.fit(X_train, epochs=epochs, optimizer=FunctionAdam(step, 0.003) if step else Adam(0.003), progress=False)
    return before, model.evaluate(X_test)["neg_elbo"]
