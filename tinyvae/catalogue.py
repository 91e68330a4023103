"""Every pair of the package with inputs to check it at: what `python -m tinyvae gradcheck` and the tests run.

All sizes differ, so that a transposed gradient cannot pass; composites are checked as functions of
the whole parameter vector. Likelihoods, priors, posteriors and the zoo are found in their tables, exact models by their pages.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from . import (
    bounds,
    exact,
    iwae,
    layers,
    likelihoods,
    masked,
    mlp,
    posteriors,
    priors,
    zoo,
)
from .gradcheck import over_theta
from .gradcheck.running import input_names
from .posteriors.iaf import iaf_step_backward, iaf_step_forward
from .vae import VAE

N, D, K, C = 4, 6, 3, 5


def pairs(seed=0, batch=(N,)):
    """Every pair with inputs to check it at.

    Parameters
    ----------
    seed : int
    batch : tuple of int
        Leading axes of the inputs of primitives, (N,) or more.

    Returns
    -------
    dict of name -> (forward, backward, inputs, wrt), the arguments of `check`
    """
    rng = _stream(seed, "layers")

    def normal(*shape):
        return rng.standard_normal((*batch, *shape))

    table = {
        "dense": (layers, (normal(D), rng.standard_normal((D, K)), rng.standard_normal(K))),
        **{name: (layers, (normal(D),)) for name in ("tanh", "relu", "sigmoid", "softplus")},
        "dropout": (layers, (normal(D), (rng.random((*batch, D)) < 0.7) / 0.7), "mask"),
        "iwae_bound": (iwae, (rng.standard_normal((C, *batch)),)),
    }
    primitives = {
        name: _without(getattr(room, name + "_forward"), getattr(room, name + "_backward"), inputs, *constants)
        for name, (room, inputs, *constants) in table.items()
    }
    return _merged(
        primitives, _distributions(seed, batch), _likelihoods(seed, batch), _masked(_stream(seed, "masked"), batch),
        _composites(_stream(seed, "composites")), exact.pairs(seed), zoo.pairs(seed),
    )  # fmt: skip


def _merged(*tables):
    """All tables as one; two pairs of one name would hide one of them."""
    merged = {}
    for name, entry in (item for table in tables for item in (table.items() if isinstance(table, dict) else table)):
        if name in merged and merged[name][0] is not entry[0]:
            raise ValueError(f"two pairs are called {name!r}: call one of them by another name, as {name}_prior_forward")
        merged[name] = entry if len(entry) == 4 else (*entry, None)
    return merged


def _without(forward, backward, inputs, *constants):
    """An entry whose inputs of these names are data or noise, and have no gradient."""
    return forward, backward, inputs, tuple(name for name in input_names(forward, inputs) if name not in constants)


def names_of_records():
    """Name in a table -> the names of the record's pairs, for `gradcheck NAME`."""
    found = {}
    for name, record in priors.PRIORS.items():
        found.setdefault(name, set()).add(_name(record.forward))
    for name, record in posteriors.POSTERIORS.items():
        found.setdefault(name, set()).update((_name(record.sample_forward), _name(record.forward)))
    return found


def _stream(seed, name):
    """A generator of its own for every name: what joins the tables does not change the inputs of the others."""
    return np.random.default_rng([seed, *name.encode()])


def _name(forward):
    return getattr(forward, "func", forward).__name__.removesuffix("_forward")  # of a partial too


def _likelihoods(seed, batch):
    """The pair of every likelihood in the table, at an example of its domain; those with sizes are small."""
    found = {}
    for name, record in likelihoods.LIKELIHOODS.items():
        rng, record = _stream(seed, name), record.sized(C) if record.sized else record
        outputs = (record.outputs,) if record.outputs > 1 else ()
        own = (0.3,) if record.takes_eta else tuple(np.array(value) for value in record.start(0.3))
        out, x = rng.standard_normal((*batch, D, *outputs)), record.example(rng, (*batch, D))
        found[name] = _without(record.forward, record.backward, (out, x, *own), "x", *(["eta"] if record.takes_eta else []))
    return found


def _distributions(seed, batch):
    """The pairs of every prior and posterior in the tables, and every KL that is known in closed form."""
    found, own, q = [], {}, {}

    def add(forward, backward, *inputs):
        found.append((_name(forward), _without(forward, backward, inputs, "eps")))

    for name, record in posteriors.POSTERIORS.items():
        rng, record = _stream(seed, name), record.sized(1) if record.sized else record
        q[name] = [0.5 * rng.standard_normal((*batch, *shape)) for shape in record.heads(K).values()]
        mine = [0.5 * rng.standard_normal(shape) for shape in record.shapes(K).values()]
        eps, z = rng.standard_normal((2, 2, *batch, K))
        add(record.sample_forward, record.sample_backward, *q[name], eps, *mine)
        add(record.forward, record.backward, z, *q[name], *mine)
    for name, record in priors.PRIORS.items():
        rng, record = _stream(seed, name), record.sized(C) if record.sized else record
        own[name] = [0.5 * rng.standard_normal(shape) for shape in record.shapes(K).values()]
        add(record.forward, record.backward, rng.standard_normal((2, *batch, K)), *own[name])
    for (posterior, prior), (forward, backward) in posteriors.CLOSED_KL.items():
        add(forward, backward, *q[posterior], *own[prior])
    return found


def _masked(rng, batch):
    """The masked dense layer, a network of two of them as a function of x and its weights, one after the other, and a flow's step."""
    sizes = D, 8, 2 * D
    masks = masked.autoregressive_masks(sizes)
    weights = [rng.standard_normal(shape) for n_in, n_out in pairwise(sizes) for shape in ((n_in, n_out), (n_out,))]
    x, z, context = rng.standard_normal((*batch, D)), rng.standard_normal((2, *batch, K)), rng.standard_normal((*batch, D - K))
    of_step = [rng.standard_normal(shape) / 2 for shape in ((D, C), (C,), (C, 2 * K), (2 * K,))]

    def of_all(dy, cache):
        dx, dweights = masked.masked_mlp_backward(dy, cache)
        return dx, *dweights

    return {
        "masked_dense": _without(masked.masked_dense_forward, masked.masked_dense_backward, (x, *weights[:2], masks[0]), "mask"),
        "masked_mlp": (lambda x, *weights: masked.masked_mlp_forward(x, weights, masks), of_all, (x, *weights)),
        "iaf_step": (lambda *inputs: iaf_step_forward(*inputs, reverse=True), iaf_step_backward, (z, context, *of_step)),
    }


def _composites(rng):
    """Every composite of `mlp` and `bounds`, over the parameters of a VAE whose distributions have some of their own."""
    vae = VAE(D, K, hidden=(8, 7), likelihood="gaussian_scalar", prior=f"mixture:{C}", dtype="float64", seed=1)
    theta = vae.theta + 0.1 * rng.standard_normal(vae.theta.size)
    jobs = _networks(rng, vae.parts) | _terms(rng, vae.parts) | _bounds(rng, vae.parts)
    return {
        name: (*over_theta(forward, backward, vae.shapes), (theta, *inputs), *wrt) for name, (forward, backward, inputs, *wrt) in jobs.items()
    }


def _networks(rng, parts):
    x, z = rng.random((N, D)), rng.standard_normal((2, N, K))
    return {
        "mlp": (lambda x, params: mlp.mlp_forward(x, params, parts.encoder), mlp.mlp_backward, (x,)),
        "encode": (lambda params: bounds.encode_forward(x, params, parts.encoder), bounds.encode_backward, ()),
        "decode": (lambda z, params: bounds.decode_forward(z, params, parts.decoder), bounds.decode_backward, (z,)),
    }


def _terms(rng, parts):
    """What the bounds are sums of, as functions of q = (mu, log_sigma), of z, or of the decoder's output."""
    x, out, (z, eps) = rng.random((N, D)), rng.standard_normal((2, N, D)), rng.standard_normal((2, 2, N, K))
    mu, log_sigma = 0.5 * rng.standard_normal((2, N, K))

    def of_q_and_z(forward, backward):
        def flat_backward(dout, cache, dparams):
            dq, dz = backward(dout, cache, dparams, parts)
            return *dq, dz

        return lambda mu, log_sigma, z, params: forward((mu, log_sigma), z, params, parts), flat_backward, (mu, log_sigma, z)

    return {
        "draw": (
            lambda mu, log_sigma, params: bounds.draw_forward((mu, log_sigma), eps, params, parts.posterior),
            partial(bounds.draw_backward, posterior=parts.posterior), (mu, log_sigma), ("input 1", "input 2"),  # no theta: this posterior has no parameters of its own
        ),
        "log_px": (
            lambda out, params: bounds.log_px_forward(out, x, params, parts.likelihood),
            partial(bounds.log_px_backward, likelihood=parts.likelihood), (out,),
        ),
        "log_pz": (
            lambda z, params: bounds.log_pz_forward(z, params, parts.prior),
            partial(bounds.log_pz_backward, prior=parts.prior), (z,),
        ),
        "log_ratio": of_q_and_z(bounds.log_ratio_forward, bounds.log_ratio_backward),
        "kl_term": of_q_and_z(bounds.kl_term_forward, bounds.kl_term_backward),
    }  # fmt: skip


def _bounds(rng, parts):
    """The bounds and their terms at x, which is data, and eps, which is noise."""
    x, eps = rng.random((N, D)), rng.standard_normal((2, N, K))

    def of_theta(forward, backward, **weights):
        return lambda params: forward(x, eps, params, parts, **weights), partial(backward, parts=parts, **weights), ()

    def bound_alone(forward):
        def bound_forward(*inputs, **weights):
            (bound, _, _), cache = forward(*inputs, **weights)  # log p(x|z) and the KL, beside it, are for the record
            return bound, cache

        return bound_forward

    return {
        "elbo_terms": of_theta(bounds.elbo_terms_forward, bounds.elbo_terms_backward),
        "log_weight_terms": of_theta(bounds.log_weight_terms_forward, bounds.log_weight_terms_backward),
        "elbo": of_theta(bound_alone(bounds.elbo_forward), bounds.elbo_backward, weights=(1, 0.7)),
        "iwae": of_theta(bound_alone(bounds.iwae_forward), bounds.iwae_backward),
    }


def models(seed=0, activations=("tanh",)):
    """Small models with data of their domain, to check whole: dict of name -> (model, X, y or None).

    A VAE of every likelihood, activation and bound; of every posterior under every prior; and the models of the zoo.
    """
    found = {}
    for likelihood, record in likelihoods.LIKELIHOODS.items():
        likelihood, record = (f"{likelihood}:{C}", record.sized(C)) if record.sized else (likelihood, record)
        for activation in activations:
            for bound in bounds.BOUNDS:
                name = f"{likelihood}, {activation}" + (f", {bound}" if bound != "elbo" else "")
                options = {"likelihood": likelihood, "activation": activation, "bound": bound}
                rng = _stream(seed, name)
                found[name] = _vae(rng, seed, **options), record.example(rng, (N, D)), None
    for posterior, family in posteriors.POSTERIORS.items():
        posterior = f"{posterior}:2" if family.sized else posterior
        for prior, record in priors.PRIORS.items():
            prior = f"{prior}:{C}" if record.sized else prior
            for bound in bounds.BOUNDS:
                name = f"{posterior} q under {prior}" + (f", {bound}" if bound != "elbo" else "")
                rng = _stream(seed, name)
                found[name] = _vae(rng, seed, posterior=posterior, prior=prior, bound=bound), rng.integers(0, 2, (N, D)), None
    return found | zoo.models(seed)


def _vae(rng, seed, bound="elbo", **options):
    beta, n_samples = (0.7, 2) if bound == "elbo" else (1, 5)
    vae = VAE(D, K, hidden=(8, 7), eta=0.3, bound=bound, beta=beta, n_samples=n_samples, seed=seed, **options)
    vae.theta += 0.1 * rng.standard_normal(vae.theta.size).astype(vae.dtype)  # biases off zero
    return vae
