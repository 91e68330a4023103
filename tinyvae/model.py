"""What every model can do: hold its parameters, be trained, checked, copied, saved and loaded.

A subclass states what is its own: the shapes of its parameters, its noise, and its loss as a pair.
"""

import copy
import functools
import types
from typing import ClassVar

import numpy as np

from .params import Gradients, count, glorot_uniform, views
from .support.protocol import NoWeightError, check_loss
from .support.storage import model_meta, plain, read_npz, write_npz
from .support.streams import EVALUATION, WEIGHTS, generator, stream
from .support.validation import (
    check_dtype,
    check_int,
    check_labels,
    check_matrix,
    check_number,
    refuse_binary_bytes,
)
from .train.loop import fit

CHUNK = 1000  # rows evaluated at a time outside training, so that memory stays small


class Model:
    """A model with hand-written gradients, to be subclassed.

    A subclass sets `self.shapes` (name of a parameter -> shape) in its constructor, keeps every argument of the constructor
    as an attribute of that name (files hold them), names in `units` the terms that it reports, and writes the pair
    `loss_forward`, `loss_backward`; where it needs noise, also `draw_noise`. It gets all the rest.

    Parameters
    ----------
    seed : int
        Seeds the weights, and the training noise unless `fit` gets its own seed.
    dtype : str
        "float32", or "float64" for checking.

    Attributes
    ----------
    theta : ndarray of shape (P,)
        All parameters in one vector; `params` names its parts. Drawn by `init_params` when it is first asked for.
    epoch : int
        Epochs trained so far.
    units : dict of str to str
        The terms of the loss, each with its unit, in the order of the history's columns.
    """

    shapes = None
    units: ClassVar[dict] = {}

    def __init__(self, *, seed=0, dtype="float32"):
        self.seed = check_int("seed", seed, 0)
        self.dtype = check_dtype(dtype)
        self.epoch = 0

    # ---- what a subclass states ---------------------------------------------------------------

    def init_params(self, rng, params):
        """Write the first weights into `params`, which hold zeros: Glorot for matrices, zero for all else, unless overridden."""
        for view in params.values():
            if view.ndim == 2:
                view[...] = glorot_uniform(rng, view.shape)

    def draw_noise(self, rng, batch):
        """All the noise that the loss of this batch needs, drawn from `rng`; None unless overridden."""

    def loss_forward(self, batch, noise):
        """The loss of a batch (x, y or None), deterministic in its arguments.

        Parameters
        ----------
        batch : (x of shape (N, D) in the model's dtype, y of shape (N,) or None); y is -1 where a label is unknown
        noise : from `draw_noise`

        Returns
        -------
        (loss, terms) : a number, the mean over the batch; and a dict of the names in `units` to arrays of shape (N,)
        cache : what `loss_backward` needs
        """
        raise NotImplementedError(f"{type(self).__name__} must define loss_forward(self, batch, noise)")

    def loss_backward(self, dloss, cache, weights=None):
        """The gradient of dloss times the loss, of the shape of `theta`.

        `weights`, of terms by their names, stand in for the model's own (`weigh` merges them): schedules set them, and nobody
        reads them on the way.
        """
        raise NotImplementedError(f"{type(self).__name__} must define loss_backward(self, dloss, cache, weights=None)")

    # ---- parameters and gradients ---------------------------------------------------------------

    @functools.cached_property
    def theta(self):
        """All parameters in one vector of shape (P,)."""
        if not self.shapes:
            raise TypeError(f"{type(self).__name__} must set self.shapes, names of parameters to their shapes, in its constructor")
        theta = np.zeros(count(self.shapes), self.dtype)
        self.init_params(stream(self.seed, WEIGHTS), views(theta, self.shapes))
        return theta

    @property
    def params(self):
        """Names to views of `theta`: "encoder.0.W", ..., "decoder.out.b". Writing changes the model."""
        return views(self.theta, self.shapes)

    def views(self, flat):
        """The same names over any vector of the length of `theta`, a gradient for example."""
        if np.shape(flat) != (count(self.shapes),):
            raise ValueError(f"flat must have the shape of theta, ({count(self.shapes)},), got {np.shape(flat)}")
        return views(flat, self.shapes)

    def gradients(self):
        """An empty gradient for a backward pass to add to: names as in `params`; its `flat()` is what `loss_backward` returns."""
        return Gradients(self.shapes, self.dtype)

    def weigh(self, weights, **own):
        """The weights of the terms in the loss: the model's own, but for those that `weights` names; for `loss_backward`."""
        if weights is None:
            return own
        if not isinstance(weights, dict) or set(weights) - set(own):
            raise NoWeightError(f"weights must be a dict of {', '.join(own)} to numbers, as a schedule returns it; got {weights!r}")
        return own | {name: check_number(f"the weight of {name}", weight) for name, weight in weights.items()}

    def loss_and_grad(self, X, noise=None, y=None):
        """The loss, a scalar, and its gradient, of the shape of `theta`.

        Parameters
        ----------
        X : ndarray of shape (N, D)
        noise : as `draw_noise` gives it: for a VAE eps of shape (N, K), or (L, N, K) for L samples per datum
        y : ndarray of shape (N,), optional
        """
        X, y = self.check_data(X), check_labels(y, X, self.dtype)
        (loss, _), cache = self.loss_forward((self.scaled(X), y), noise)
        return loss, self.loss_backward(1, cache)

    # ---- data -------------------------------------------------------------------------------------

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or a ValueError or TypeError: wrong shape or dtype, NaN, no rows.

        The columns are counted if the model has `n_features`. `binarize`: pixels are to be drawn from X.
        """
        X = check_matrix(name, X, getattr(self, "n_features", None))
        if binarize and X.dtype != np.uint8 and not (X.min() >= 0 and X.max() <= 1):
            raise ValueError(f"{name} must lie in [0, 1] to be binarized, got {X.min():g} to {X.max():g}: divide pixels by 255")
        if binarize:
            refuse_binary_bytes(name, X)
        return X

    def scaled(self, X):
        """Checked rows as the model computes with them."""
        return np.asarray(X, self.dtype)

    # ---- training and evaluation --------------------------------------------------------------------

    def fit(self, X, y=None, **options):
        """Train from the present theta; calling it again goes on; returns the history.

        The options are those of `tinyvae.train.fit`: epochs, batch_size, optimizer, X_val, y_val, binarize, schedule, decay, seed,
        progress, on_epoch, checkpoint, resume.
        """
        return fit(self, X, y, **options)

    def evaluate(self, X, y=None, *, rng=None, n_samples=1):
        """The mean of every term over the data and n_samples draws of the noise: a dict of the names in `units`.

        Parameters
        ----------
        X, y : data as for `fit`
        rng : numpy.random.Generator or int; drawn by the model's seed unless given
        n_samples : int
        """
        X, y = self.check_data(X), check_labels(y, X, self.dtype)
        rng, totals = generator(rng, self.seed, EVALUATION), dict.fromkeys(self.units, 0.0)
        for _ in range(check_int("n_samples", n_samples, 1)):
            for i in range(0, len(X), CHUNK):
                batch = self.scaled(X[i : i + CHUNK]), None if y is None else y[i : i + CHUNK]
                (_, terms), _ = check_loss(self, self.loss_forward(batch, self.draw_noise(rng, batch)), len(batch[0]))
                for name in totals:
                    totals[name] += terms[name].sum(dtype=np.float64)
        return {name: float(total / (n_samples * len(X))) for name, total in totals.items()}

    # ---- copies and files -----------------------------------------------------------------------------

    @property
    def config(self):
        """The constructor's arguments, as a dict that JSON can hold."""
        import inspect  # here, because it takes long to import

        given = inspect.signature(type(self)).parameters.values()
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in given):
            raise TypeError(f"the constructor of {type(self).__name__} must name all its arguments, so that files can hold them")
        lacking = [p.name for p in given if not hasattr(self, p.name)]
        if lacking:
            raise TypeError(f"{type(self).__name__} must keep its argument {lacking[0]} as an attribute of that name, for its files")
        return {p.name: plain(getattr(self, p.name)) for p in given}

    def copy(self, dtype=None):
        """The same model with its own theta, in another dtype if one is given; all other attributes are shared."""
        theta = self.theta
        held = [name for name, value in vars(self).items() if name != "theta" and _views_of(value, theta)]
        if held:
            raise TypeError(f"{type(self).__name__}.{held[0]} holds views of theta, which a copy cannot follow: take self.params where it is used")
        twin = copy.copy(self)
        twin.dtype = self.dtype if dtype is None else check_dtype(dtype)
        twin.theta = theta.astype(twin.dtype)
        for name, value in vars(self).items():
            if isinstance(value, types.MethodType) and value.__self__ is self:  # a method replaced in this one object
                setattr(twin, name, types.MethodType(value.__func__, twin))
        return twin

    def save(self, path, **more):
        """Write the model as an npz file without pickle: format version, class, configuration, theta."""
        write_npz(path, model_meta(self) | more, {"theta": self.theta})

    @classmethod
    def load(cls, path):
        """Read a model that `save` wrote; OSError if it is not there, ValueError if damaged, foreign or of another version.

        No code in the file is ever executed.
        """
        return cls.from_arrays(path, *read_npz(path))

    @classmethod
    def from_arrays(cls, path, meta, arrays):
        """The model in what `read_npz` read from `path`, a file of this class or of one that it was derived from."""
        known = [base.__name__ for base in cls.__mro__]
        if meta.get("class", "VAE") not in known:  # files of format 1 hold a VAE and do not say so
            raise ValueError(f"{path} holds a {meta.get('class', 'VAE')}, not a {cls.__name__}: load it with that class")
        try:
            if not isinstance(meta["config"], dict):
                raise TypeError(f"config must be a dict of the constructor's arguments, got {meta['config']!r:.40}")
            model, theta = cls(**meta["config"]), arrays["theta"]
            if theta.shape != (count(model.shapes),):  # compared before the weights would be drawn
                raise ValueError(f"theta must have shape ({count(model.shapes)},), got {theta.shape}")
            if theta.dtype != model.dtype:
                raise TypeError(f"theta must have dtype {model.dtype}, got {theta.dtype}")
            if not np.isfinite(theta).all():
                raise ValueError(f"theta must be finite, got NaN or infinity in {np.sum(~np.isfinite(theta))} of {theta.size} numbers")
            model.epoch = check_int("epoch", meta["epoch"], 0)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} does not hold a usable model ({error}): write it again with save()") from None
        model.theta[...] = theta
        return model


def _views_of(value, theta):
    arrays = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(a, np.ndarray) and np.may_share_memory(a, theta) for a in arrays)
