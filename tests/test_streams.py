"""Layer 4, random streams: by one seed a model draws for many purposes, and never twice from the same stream."""

import numpy as np
import pytest
from siamese import Siamese, X, Y, fit

from tinyvae import VAE
from tinyvae.estimators import log_likelihood
from tinyvae.zoo.local_vi import LocalPosterior

BINARY = (X > 0).astype(np.float32)


def streams(monkeypatch, job):
    """The state of every generator that is made while the job runs, as a set: equal states give equal numbers."""
    made, make = [], np.random.default_rng

    def watched(seed=None):
        rng = make(seed)
        if not isinstance(seed, np.random.Generator):
            made.append(rng.bit_generator.state["state"]["state"])
        return rng

    monkeypatch.setattr(np.random, "default_rng", watched)
    job()
    monkeypatch.undo()
    return set(made)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_two_purposes_share_a_stream(monkeypatch, seed):
    """Weights, the noise of each epoch, validation pixels and noise, evaluation, samples, inference without an encoder."""
    vae = VAE(3, 2, hidden=(4,), seed=seed)
    weights = streams(monkeypatch, lambda: vae.theta)
    local = LocalPosterior(vae, BINARY, seed=seed)
    jobs = {
        "three epochs, validation pixels, validation noise": (
            lambda: vae.fit(BINARY, epochs=3, X_val=BINARY, binarize="dynamic", progress=False), 3 + 1 + 1),
        "evaluation": (lambda: (vae.evaluate(BINARY), vae.elbo(BINARY), log_likelihood(vae, BINARY, 2)), 1),
        "samples": (lambda: vae.sample(2), 1),
        "steps of local inference": (lambda: local.fit(4), 4),
    }  # fmt: skip
    found = {"weights": weights} | {name: streams(monkeypatch, job) for name, (job, _) in jobs.items()}
    assert {name: len(states) for name, states in found.items()} == {"weights": 1} | {name: count for name, (_, count) in jobs.items()}
    assert len(set.union(*found.values())) == sum(map(len, found.values())), "two purposes share a stream"


def test_a_model_of_ones_own_shares_no_stream_either(monkeypatch):
    model = Siamese(seed=4)
    weights = streams(monkeypatch, lambda: model.theta)
    training = streams(monkeypatch, lambda: fit(model, 2, X_val=X, y_val=Y))
    evaluation = streams(monkeypatch, lambda: model.evaluate(X, Y))
    assert len(weights | training | evaluation) == 1 + (2 + 1) + 1
