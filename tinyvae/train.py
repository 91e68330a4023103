"""Training: minibatches, the plain loop, evaluation, checkpoints."""

import time

import numpy as np

from . import likelihoods
from .data import binarize as draw_pixels
from .gaussian import kl_forward
from .optim import Adam
from .support.machine import blas_threads, keep_freed_memory, progress_bar
from .support.storage import read_npz, write_npz
from .support.validation import check_choice, check_int

TRAINING, VALIDATION = 0, 1  # purposes of random streams: one seed, no stream used twice
COLUMNS = "epoch", "loss", "neg_elbo", "reconstruction", "kl", "val_neg_elbo", "val_reconstruction", "val_kl", "seconds"


def stream(seed, purpose, epoch=0):
    """A generator of its own for every purpose and epoch: an epoch can be repeated without the ones before."""
    return np.random.default_rng([seed, purpose, epoch])


def minibatches(X, batch_size, rng):
    """Rows of X in random order, `batch_size` at a time; the last batch may be smaller.

    >>> [len(x) for x in minibatches(np.zeros((7, 2)), 3, np.random.default_rng(0))]
    [3, 3, 1]
    """
    order = rng.permutation(len(X))
    for start in range(0, len(X), batch_size):
        yield X[order[start : start + batch_size]]


def fit(
    vae, X, *, epochs, batch_size=100, optimizer=None, X_val=None, binarize=None,
    schedule=None, seed=None, progress=True, on_epoch=None,
):  # fmt: skip
    """Train a model in place by minibatch gradient descent on its loss.

    Parameters
    ----------
    vae : VAE
    X : ndarray of shape (N, D)
        Floats in the likelihood's domain, or uint8 pixels 0 to 255, scaled to [0, 1] a batch at a time.
    epochs : int
        Epochs to add to those that the model has had.
    batch_size : int
    optimizer : SGD or Adam, optional
        Adam(lr=0.001) unless given. Hand in the same one again to go on exactly.
    X_val : ndarray of shape (M, D), optional
        Data for the validation columns; no decision depends on them.
    binarize : None or "dynamic"
        "dynamic" draws binary pixels anew each epoch, with the grey values as probabilities.
        Validation pixels are drawn once.
    schedule : callable, optional
        Weights of reconstruction and KL for every step, in place of (1, beta); see `schedules`.
    seed : int, optional
        Seeds order, pixels and noise; the model's seed unless given.
    progress : bool
        Show a progress bar.
    on_epoch : callable, optional
        Called as on_epoch(vae, history) after every epoch.

    Returns
    -------
    history : dict of lists, one entry per epoch, in nats per datum: epoch, loss (the objective at weight beta), neg_elbo,
        reconstruction (-log p(x|z)), kl, the last three again with val_ (only if X_val is given), seconds.

    Raises
    ------
    ValueError, TypeError
        For bad data or options.
    FloatingPointError
        If the loss becomes infinite or NaN; theta is then as after the last good epoch.
    """
    X, X_val = check_run(vae, X, X_val, binarize, schedule)
    epochs, batch_size = check_int("epochs", epochs, 0), check_int("batch_size", batch_size, 1)
    seed = vae.seed if seed is None else check_int("seed", seed, 0)
    if binarize and X_val is not None:
        X_val = draw_pixels(X_val, stream(seed, VALIDATION, 1))
    optimizer = Adam() if optimizer is None else optimizer
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        raise TypeError(f"optimizer must be an Adam(...) or SGD(...), got {optimizer!r}")
    history = {name: [] for name in COLUMNS if X_val is not None or not name.startswith("val_")}

    keep_freed_memory()
    n_batches = -(-len(X) // batch_size)
    with blas_threads(vae, batch_size), progress_bar(epochs * n_batches, progress) as bar:
        for _ in range(epochs):
            start, good = time.perf_counter(), vae.theta.copy()
            try:
                loss, log_px, kl = train_epoch(vae, X, batch_size, optimizer, binarize, schedule, seed, bar)
            except FloatingPointError:
                vae.theta[...] = good
                raise
            vae.epoch += 1
            row = {"epoch": vae.epoch, "loss": loss, "neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl}
            if X_val is not None:
                val = evaluate(vae, X_val, rng=stream(seed, VALIDATION))
                row |= {"val_neg_elbo": -val["elbo"], "val_reconstruction": -val["log_px"], "val_kl": val["kl"]}
            row["seconds"] = time.perf_counter() - start
            for name, column in history.items():
                column.append(row[name])
            if on_epoch is not None:
                on_epoch(vae, history)
    return history


def train_epoch(vae, X, batch_size, optimizer, binarize, schedule, seed, bar):
    """One pass over the data; the means of loss, log p(x|z) and KL, in nats per datum."""
    rng = stream(seed, TRAINING, vae.epoch)
    totals = np.zeros(3)
    for step, x in enumerate(minibatches(X, batch_size, rng)):
        if binarize:
            x = draw_pixels(x, rng)
        eps = rng.standard_normal((vae.n_samples, len(x), vae.n_latent), dtype=vae.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # told below, once, with advice
            loss, cache = vae.loss_forward(x, eps)
            log_px, kl, *_ = cache
            if not np.isfinite(loss):
                _refuse_divergence(vae, log_px)
            t = vae.epoch + step * batch_size / len(X)
            weights = schedule(t, float(log_px.mean()), float(kl.mean())) if schedule else None
            dtheta = vae.loss_backward(1, cache, weights)
            optimizer.step(vae.theta, dtheta)
        totals += len(x) * float(loss), log_px.sum(dtype=float), kl.sum(dtype=float)
        bar.update()
    with np.errstate(over="ignore", invalid="ignore"):  # the last step has not been tried yet
        loss, (log_px, *_) = vae.loss_forward(x, eps)
    if not np.isfinite(loss):
        _refuse_divergence(vae, log_px)
    return (totals / len(X)).tolist()


def evaluate(vae, X, rng=None, n_samples=1):
    """The ELBO and its terms on X: dict of elbo, log_px, kl, in nats per datum.

    Examples
    --------
    >>> from tinyvae import VAE, load_digits
    >>> result = evaluate(VAE(64), load_digits()[0])
    >>> bool(np.isclose(result["elbo"], result["log_px"] - result["kl"]))
    True
    """
    log_px, kl = (float(np.mean(term, dtype=float)) for term in vae.elbo_terms(X, rng, n_samples))
    return {"elbo": log_px - kl, "log_px": log_px, "kl": kl}


def kl_by_dimension(vae, X):
    """The mean KL of each latent dimension, of shape (K,), in nats."""
    mu, log_sigma = vae.encode(X)
    return kl_forward(mu[..., None], log_sigma[..., None])[0].mean(0)


def active_units(vae, X, threshold=0.01):
    """How many latent dimensions carry information: the variance of mu over X is above the threshold.

    Source: Burda et al., arXiv:1509.00519, appendix C.
    """
    return int((vae.transform(X).var(0) > threshold).sum())


def independent_pixels(likelihood, X_train, X_test, eta=1.0):
    """-log p of X_test, in nats per datum, under the best model without a latent variable.

    Every pixel has its own constant parameters, fitted to X_train; a fixed variance stays the model's eta.
    """
    px = likelihoods.get(likelihood)
    out = px.constant(X_train)
    own = () if not px.own else (eta,) if px.own == "eta" else (np.log(np.mean((X_train - out) ** 2, dtype=float)),)
    rows = max(1, 1000 // px.outputs)
    total = 0.0
    for i in range(0, len(X_test), rows):
        x = X_test[i : i + rows]
        total += px.forward(np.broadcast_to(out, (len(x), *out.shape)), x, *own)[0].sum(dtype=float)
    return -float(total) / len(X_test)


def grey_floor(X):
    """The -log p(x|z) that no Bernoulli model can go below on grey pixels: their mean entropy, in nats.

    It is 0 for binary pixels: grey values in [0, 1] have a cross-entropy of at least their entropy.

    >>> print(round(grey_floor(np.array([[0.0, 1.0, 0.5]])), 6))
    0.693147
    """
    total = 0.0
    for i in range(0, len(X), 1000):
        p = np.clip(np.asarray(X[i : i + 1000], dtype=float), 1e-300, 1 - 2**-53)
        total -= (p * np.log(p) + (1 - p) * np.log1p(-p)).sum()
    return float(total / len(X))


# ---- checkpoints ---------------------------------------------------------------------------------


def save_checkpoint(path, vae, optimizer, history, options):
    """All that is needed to go on bit for bit after this epoch, as one file, whole."""
    meta = {"config": vae.config, "epoch": vae.epoch, "history": history, "options": options}
    state = {f"optimizer.{name}": array for name, array in optimizer.state_dict().items()}
    write_npz(path, meta, {"theta": vae.theta, **state})


def load_checkpoint(path):
    """What `save_checkpoint` kept: (vae, optimizer state, history, options)."""
    from .vae import VAE

    meta, arrays = read_npz(path)
    vae = VAE._from_file(path, meta, arrays)
    state = {name.removeprefix("optimizer."): a for name, a in arrays.items() if name.startswith("optimizer.")}
    history, options = meta.get("history"), meta.get("options")
    if history is None or options is None:
        raise ValueError(f"{path} is a model, not a checkpoint: it lacks the history and the options of a run")
    whole = all(state[name].shape == vae.theta.shape for name in state if name != "t")
    if not whole or any(len(column) != vae.epoch for column in history.values()):
        raise ValueError(f"{path} is damaged: optimizer or history do not fit theta and epoch {vae.epoch}; start again")
    return vae, state, history, options


# ---- small print ---------------------------------------------------------------------------------


def check_run(vae, X, X_val=None, binarize=None, schedule=None):
    """X and X_val, or the ValueError or TypeError that training would stop with before its first step."""
    X, X_val = vae.check_data(X), None if X_val is None else vae.check_data(X_val)
    if binarize is not None:
        check_choice("binarize", binarize, ("dynamic",))
        if not vae.likelihood.endswith("bernoulli"):
            raise ValueError(f"binarize draws pixels 0 and 1, for a Bernoulli likelihood; got {vae.likelihood!r}")
    if schedule is not None and not callable(schedule):
        raise TypeError(f"schedule must be a function of (t, log_px, kl), as those of tinyvae.schedules; got {schedule!r}")
    if schedule is not None and vae.bound == "iwae":
        raise ValueError("schedule must be None with bound='iwae', which has no KL term to weigh")
    return X, X_val


def _refuse_divergence(vae, log_px):
    term = "KL" if np.isfinite(log_px).all() else "reconstruction term"
    raise FloatingPointError(
        f"the {term} became infinite or NaN in epoch {vae.epoch + 1}: lower the learning rate, or standardise the data; "
        f"the model is kept as it was after epoch {vae.epoch}"
    )
