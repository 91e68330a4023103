"""Layer 1, pairs: every backward against central differences of its forward; dtypes; shapes; extremes."""

import importlib
import pkgutil
import re
import warnings

import numpy as np
import pytest

import tinyvae
from tinyvae import check, check_model, layers, likelihoods
from tinyvae.catalogue import models, pairs
from tinyvae.likelihoods import LIKELIHOODS
from tinyvae.mlp import ACTIVATIONS
from tinyvae.posteriors import CLOSED_KL, POSTERIORS
from tinyvae.priors import PRIORS, Prior

# A primitive is a pair of the package as it is; a composite is put into the table through an adapter, as a function of theta.
PRIMITIVES = [name for name, (forward, *_) in pairs().items() if getattr(forward, "__name__", "") == f"{name}_forward"]
BATCHES = (4,), (2, 3), (1,)


def defined(ending):
    """Name of the pair -> function, for all public functions of the package whose names end so, wherever they stand."""
    rooms = [info.name for info in pkgutil.walk_packages(tinyvae.__path__, "tinyvae.") if not re.search(r"__main__|course\.plugins", info.name)]
    found = [(name, f) for room in rooms for name, f in vars(importlib.import_module(room)).items() if getattr(f, "__module__", "") == room]
    return {name.removesuffix(ending): f for name, f in found if name.endswith(ending) and not name.startswith("_")}


FORWARD, BACKWARD = defined("_forward"), defined("_backward")


def test_two_pairs_of_one_name_are_refused(monkeypatch):
    """Or the one would hide the other, wrong as it may be."""

    def laplace_forward(z):
        return z.sum(-1), z

    monkeypatch.setitem(PRIORS, "laplace", Prior("laplace", laplace_forward, lambda d, z: d[..., None] + 0 * z, None))
    with pytest.raises(ValueError, match="two pairs are called 'laplace'"):
        pairs()


def test_the_catalogue_holds_every_pair():
    """Of the package and of its zoo; the pairs of methods are checked as models."""
    assert set(FORWARD) == set(BACKWARD) == set(pairs())
    assert PRIMITIVES and set(PRIMITIVES) < set(pairs())
    exported = [{name.removesuffix(e) for name in tinyvae.__all__ if name.endswith(e)} for e in ("_forward", "_backward")]
    assert exported[0] == exported[1] and "dense" in exported[0] and exported[0] <= set(pairs())


@pytest.mark.parametrize("name", pairs())
@pytest.mark.parametrize("seed", [0, 1])
def test_backward_matches_forward(name, seed):
    """The first equation of a pair by its second.

    DENSE.1 DENSE.2, TANH.1 TANH.2, RELU.1 RELU.2, SIG.1 SIG.2, SP.1 SP.2, DROP.1 DROP.2; REP.1 REP.2, KL.1 KL.2, LOGN.1 LOGN.2;
    BER.1 BER.2, NORM.1 NORM.2, NORMS.1 NORMS.2, NORMD.1 NORMD.2, CAT.1 CAT.2, LAP.1 LAP.2, CB.1 CB.2; MLP.1 MLP.2, ENC.1 ENC.2,
    DEC.1 DEC.2, ELBO.1 ELBO.2, LOGW.1 LOGW.2, IWAE.1 IWAE.2.
    """
    forward, backward, inputs, wrt = pairs(seed)[name]
    report = check(forward, backward, *inputs, wrt=wrt, seed=seed)
    assert report.ok and report.error <= 1e-9, report


@pytest.mark.parametrize("name", pairs())
def test_a_pair_names_its_equations(name):
    """By one tag, which ends in 1 in the docstring of forward and in 2 in that of backward; or, before a notebook derives it, by none."""
    first, second = (re.findall(r"\[([A-Z]{2,6})\.(\d)\]", f.__doc__) for f in (FORWARD[name], BACKWARD[name]))
    assert first == second == [] or (len(first), first[0][1], second) == (1, "1", [(first[0][0], "2")])


@pytest.mark.parametrize("k", [1, 5, 50])
def test_k_sample_bound_for_several_k(k):
    """The pair alone at most 1e-9, through the whole model at most 1e-7."""
    log_w = 5 * np.random.default_rng(k).standard_normal((k, 7))
    assert check(tinyvae.iwae_bound_forward, tinyvae.iwae_bound_backward, log_w).error <= 1e-9
    vae, X, _ = models()["bernoulli, tanh, iwae"]
    vae.n_samples = k
    report = check_model(vae, X)
    assert report.ok and report.error <= 1e-7


@pytest.mark.parametrize("name", PRIMITIVES)
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_any_batch_shape(name, batch):
    forward, backward, inputs, wrt = pairs(2, batch)[name]
    report = check(forward, backward, *inputs, wrt=wrt)
    assert report.error <= 1e-9, report


MODELS = models(activations=ACTIVATIONS)


def cases():
    """Every likelihood with the first activation and the ELBO, the first with every activation and bound, all that is no such pair; the rest
    is slow."""
    first_likelihood, first_activation, *_ = next(iter(MODELS)).split(", ")
    for name in MODELS:
        kind, activation, *bound = *name.split(", "), None
        fast = kind == first_likelihood or (activation == first_activation and bound == [None]) or activation not in ACTIVATIONS
        fast &= "iaf" not in kind  # a flow has many parameters; its pairs are fast
        yield pytest.param(name, marks=() if fast else pytest.mark.slow)


@pytest.mark.parametrize("name", list(cases()))
def test_whole_model(name):
    """[LOSS.1] against [LOSS.2], and the checker's own formula [CHECK.1], for every parameter of every kind of model."""
    model, X, y = MODELS[name]
    report = check_model(model, X, y)
    assert report.ok and report.error <= 1e-7, report
    weighed = [row.name for row in report.rows if row.name.startswith("weight of ")]
    assert [row.name for row in report.rows] == [*model.params, *weighed]


def test_a_large_model_is_checked_along_directions_and_a_small_error_is_still_found():
    rng = np.random.default_rng(0)
    vae, X = tinyvae.VAE(64, 2, hidden=(60,)), rng.random((10, 64))
    report = check_model(vae, X)
    assert report.ok and report.error <= 1e-7 and "direction" in str(report)

    class OneWrongEntry(tinyvae.VAE):
        def loss_backward(self, dloss, cache, weights=None):
            dtheta = super().loss_backward(dloss, cache, weights)
            dtheta[7] += 1e-3 * dloss
            return dtheta

    wrong = check_model(OneWrongEntry(64, 2, hidden=(60,)), X)
    assert [row.name for row in wrong.rows if not row.ok] == ["encoder.0.W"]


def test_a_wrong_chain_through_log_sigma_is_found_in_a_fresh_model(monkeypatch):
    """At log_sigma = 0, where every model starts, sigma = 1 hides it: the check is made a step away."""
    X = np.random.default_rng(0).integers(0, 2, (5, 6))
    assert check_model(tinyvae.VAE(6, hidden=(4,)), X).ok
    sample, kl, record = tinyvae.reparameterize_backward, tinyvae.kl_backward, POSTERIORS["diagonal"]
    wrong_sample = record._replace(sample_backward=lambda dz, cache: (sample(dz, cache)[0], sample(dz, (1 + 0 * cache[0], cache[1]))[1]))
    for table, key, wrong in [
        (POSTERIORS, "diagonal", wrong_sample),
        (CLOSED_KL, ("diagonal", "standard"), (tinyvae.kl_forward, lambda dkl, cache: (kl(dkl, cache)[0], 0 * kl(dkl, cache)[1]))),
        (CLOSED_KL, ("diagonal", "standard"), (tinyvae.kl_forward, lambda dkl, cache: (kl(dkl, cache)[0], 2 * kl(dkl, cache)[1]))),
    ]:
        with monkeypatch.context() as patch:
            patch.setitem(table, key, wrong)
            assert not check_model(tinyvae.VAE(6, hidden=(4,)), X).ok


@pytest.mark.parametrize("name", PRIMITIVES)
def test_float32_in_float32_out(name):
    forward, backward, inputs, _ = pairs()[name]
    inputs = [
        a.astype(np.float32) if isinstance(a, np.ndarray | np.floating) and a.dtype.kind == "f" else a for a in inputs
    ]
    out, cache = forward(*inputs)
    outs = out if isinstance(out, tuple) else (out,)
    assert {part.dtype.name for part in outs} == {"float32"}
    ones = tuple(map(np.ones_like, outs))
    grads = backward(ones if isinstance(out, tuple) else ones[0], cache)
    for grad in grads if isinstance(grads, tuple) else (grads,):
        assert grad.dtype == np.float32


@pytest.mark.parametrize("name", models())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_dtype_throughout_the_model(name, dtype):
    model, X, y = models()[name]
    model, rng = model.copy(dtype), np.random.default_rng(0)
    batch = model.scaled(X), y
    (loss, terms), cache = model.loss_forward(batch, model.draw_noise(rng, batch))
    results = [loss, *terms.values(), model.loss_backward(1, cache)]
    if isinstance(model, tinyvae.VAE):
        results += [
            *model.encode(X), model.decode(np.zeros((2, model.n_latent))), model.reconstruct(X), model.reconstruct(X, 0),
            model.sample(3), model.sample(3, mean=True), model.elbo(X), *model.elbo_terms(X),
        ]  # fmt: skip
    assert {result.dtype.name for result in results} == {dtype}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("extreme", [50_000.0, -50_000.0])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_extreme_outputs_stay_finite_and_silent(name, extreme, dtype):
    """Logits and variances of any size; a rate is the exponential of its output, and e^50 is enough."""
    record = likelihoods.get(f"{name}:3" if LIKELIHOODS[name].sized else name)
    low, high = record.domain
    extreme = np.sign(extreme) * 50 if np.isfinite(low) and high > 10_000 else extreme
    out = np.zeros((2, 4) if record.outputs == 1 else (2, 4, record.outputs), dtype)
    out[..., -1] = extreme
    own = [dtype(value) for value in record.start(1.0)]
    for x in (np.zeros((2, 4), dtype), np.ones((2, 4), dtype)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            log_px, cache = record.forward(out, x, *own)
            grads = record.backward(np.ones(2, dtype), cache)
            mean = record.mean(out)
        for result in (log_px, mean, *(grads if isinstance(grads, tuple) else (grads,))):
            assert np.isfinite(result).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli_is_exact_to_within_rounding_at_every_logit(dtype):
    """Pixel by pixel of log p(x|z), in nats, and of its gradient."""
    logits = np.concatenate([sign * 10.0 ** np.linspace(-9, 4, 300) for sign in (1, -1)] + [[0.0, 50_000.0, -50_000.0]]).astype(dtype)[:, None]
    exact_l, tiny = logits.astype(float), np.finfo(dtype).eps
    for x in (0, 1, 0.25):
        log_px, cache = likelihoods.bernoulli.bernoulli_forward(logits, np.full_like(logits, x))
        exact = -x * np.logaddexp(0, -exact_l[:, 0]) - (1 - x) * np.logaddexp(0, exact_l[:, 0])
        assert np.all(np.abs(log_px - exact) <= 2 * tiny * (1 + np.abs(exact)))
        dlogits = likelihoods.bernoulli.bernoulli_backward(np.ones(len(logits), dtype), cache)
        assert np.all(np.abs(dlogits - (x - 1 / (1 + np.exp(-np.clip(exact_l, -700, 700))))) <= 2 * tiny)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_activations_stay_finite_and_silent(name):
    forward, backward = ACTIVATIONS[name]
    x = np.array([-50_000.0, 0.0, 50_000.0], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, cache = forward(x)
        dx = backward(np.ones_like(y), cache)
    assert np.isfinite(y).all() and np.isfinite(dx).all()


def test_dense_gradient_can_be_written_into_views_and_dx_left_out():
    rng = np.random.default_rng(0)
    x, W, b, dy = rng.random((3, 4)), rng.random((4, 5)), rng.random(5), rng.random((3, 5))
    _, cache = layers.dense_forward(x, W, b)
    flat = np.zeros(25)
    dx, _dW, _db = layers.dense_backward(dy, cache, dW=flat[:20].reshape(4, 5), db=flat[20:], need_dx=False)
    wanted = layers.dense_backward(dy, cache)
    assert dx is None and np.array_equal(flat, np.concatenate([wanted[1].ravel(), wanted[2]]))


def test_a_sample_axis_is_a_mean_over_samples():
    """L samples at once give the loss and the gradient that L single samples give on average."""
    vae, X, _ = models()["bernoulli, tanh"]
    vae = vae.copy("float64")
    eps = np.random.default_rng(0).standard_normal((3, len(X), vae.n_latent))
    loss, dtheta = vae.loss_and_grad(X, eps)
    singles = [vae.loss_and_grad(X, e) for e in eps]
    assert np.isclose(loss, np.mean([one for one, _ in singles]), rtol=1e-13)
    assert np.allclose(dtheta, np.mean([grad for _, grad in singles], axis=0), rtol=0, atol=1e-13)


def test_the_loss_does_not_depend_on_the_batch_size():
    """A batch twice over has the same mean: the divisor N stands in one place."""
    vae, X, _ = models()["gaussian, tanh"]
    vae = vae.copy("float64")
    eps = np.random.default_rng(0).standard_normal((len(X), vae.n_latent))
    once, twice = vae.loss_and_grad(X, eps), vae.loss_and_grad(np.tile(X, (2, 1)), np.tile(eps, (2, 1)))
    assert np.isclose(once[0], twice[0]) and np.allclose(once[1], twice[1], atol=1e-12)
