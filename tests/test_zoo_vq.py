"""Vector quantisation: exact sums over all codes, and a gradient that the checker must refuse of the real loss and pass of the surrogate."""

import itertools

import numpy as np
import pytest
from figures import assert_reached, assert_stated, digits
from scipy.special import logsumexp

from tinyvae import (
    Adam,
    bernoulli_backward,
    bernoulli_forward,
    check,
    check_model,
    mlp_backward,
)
from tinyvae.train import independent_pixels
from tinyvae.zoo import vq
from tinyvae.zoo.vq import VQVAE, Surrogate, markov_forward

SIZES = {"positions": 2, "codes": 5, "width": 3, "hidden": 4, "commitment": 0.7}


def small(kind=VQVAE, **options):
    model = kind(6, **SIZES | options)
    model.theta += 0.3 * np.random.default_rng(0).standard_normal(model.theta.size).astype(model.dtype)
    return model


X = np.random.default_rng(1).integers(0, 2, (7, 6)).astype(np.float32)


class RealGradient(VQVAE):
    """The gradient of the real loss between its jumps: no reconstruction by z, all of it by the entry, and pulls on both sides."""

    def loss_backward(self, dloss, cache, weights=None):
        encoder_cache, _, decoder_cache, px_cache, pk_cache, lookup_cache, codebook_cache, commitment_cache, shape = cache
        weights = self.weigh(weights, reconstruction=1, neg_log_prior=1, codebook=1, commitment=self.commitment)
        on = {name: np.full(shape[0], weight * dloss / shape[0], self.dtype) for name, weight in weights.items()}
        dparams, pull = self.gradients(), on["codebook"] + on["commitment"]
        dz_q = mlp_backward(bernoulli_backward(-on["reconstruction"], px_cache), decoder_cache, dparams).reshape(shape)
        dparams["codebook"] += vq.lookup_backward(vq.distance_backward(pull, codebook_cache) + dz_q, lookup_cache)
        for name, d in zip(("first", "following"), vq.markov_backward(-on["neg_log_prior"], pk_cache)):
            dparams["prior." + name] += d
        mlp_backward(vq.distance_backward(pull, commitment_cache).reshape(len(dz_q), -1), encoder_cache, dparams, need_dx=False)
        return dparams.flat()


# ---- the gradient ----------------------------------------------------------------------------------------


def test_the_choice_has_no_derivative_and_the_straight_through_estimate_is_refused():
    """[VQ.1] with a residual that moves with z, as it really does: the differences are 0, and [VQ.2] says 1."""
    codebook, z = np.random.default_rng(0).standard_normal((5, 3)), np.random.default_rng(1).standard_normal((4, 3))

    def quantise_forward(z):
        e = codebook[((z[:, None] - codebook) ** 2).sum(-1).argmin(-1)]
        return vq.straight_through_forward(z, e - z)

    report = check(quantise_forward, vq.straight_through_backward, z)
    assert not report.ok and all(row.verdict == "WRONG" and abs(row.numeric) < 1e-9 and row.analytic != 0 for row in report.rows)
    residual = quantise_forward(z)[0] - z
    assert check(vq.straight_through_forward, vq.straight_through_backward, z, residual, wrt="z").error <= 1e-9


def test_the_real_loss_is_refused_and_the_surrogate_passes():
    """Wrong are exactly the encoder and the codebook, which the choice stands above; value and gradient of the two are the same."""
    surrogate, real = check_model(small(Surrogate), X), check_model(small(), X)
    assert surrogate.ok and surrogate.error <= 1e-8, surrogate
    wrong = {row.name for row in real.rows if row.verdict == "WRONG"}
    assert not real.ok and wrong == {"encoder.0.W", "encoder.0.b", "encoder.out.W", "encoder.out.b", "codebook"}
    losses = [model.loss_and_grad(X, model.draw_noise(None, (X, None))) for model in (small(), small(Surrogate))]
    assert losses[0][0] == losses[1][0] and np.array_equal(losses[0][1], losses[1][1])


def test_the_real_gradient_between_the_jumps_passes_and_has_no_reconstruction_by_the_encoder():
    right, straight = small(RealGradient, dtype="float64"), small(dtype="float64")
    report = check_model(right, X)
    assert report.ok and report.error <= 1e-8, report
    (_, cache), only = right.loss_forward((right.scaled(X), None), None), {"neg_log_prior": 0, "codebook": 0, "commitment": 0}
    grads, estimates = (model.views(model.loss_backward(1.0, cache, only)) for model in (right, straight))
    assert not grads["encoder.0.W"].any() and np.abs(estimates["encoder.0.W"]).max() > 1e-3
    assert np.abs(grads["codebook"]).max() > 1e-3 and not estimates["codebook"].any()


# ---- the density -------------------------------------------------------------------------------------------


def test_prior_and_model_sum_to_one_and_the_exact_log_likelihood_is_the_sum():
    model = small(positions=3, dtype="float64")
    codes = np.array(list(itertools.product(range(5), repeat=3)))
    assert abs(np.exp(model.log_prior(codes)).sum() - 1) < 1e-12
    pixels = np.array(list(itertools.product((0.0, 1.0), repeat=6)))
    assert abs(np.exp(model.log_likelihood(pixels)).sum() - 1) < 1e-12
    log_joint = [bernoulli_forward(np.broadcast_to(logits, X.shape), X)[0] + log_pk for logits, log_pk in zip(model.decoder_output(codes), model.log_prior(codes))]
    assert np.allclose(model.log_likelihood(X), logsumexp(log_joint, axis=0), rtol=0, atol=1e-12)
    k = model.encode(X)
    own = [log_joint[int(np.flatnonzero((codes == row).all(1))[0])][n] for n, row in enumerate(k)]
    assert np.allclose(model.elbo(X), own, rtol=0, atol=1e-12) and (model.elbo(X) < model.log_likelihood(X)).all()


def test_counts_are_where_the_gradient_of_the_prior_vanishes():
    """But for the half counts, which are seen to go with more data."""
    model, slopes = small(dtype="float64"), []
    for copies in (1, 1000):
        data = np.tile(X, (copies, 1))
        model.count_prior(data)
        grads = model.views(model.loss_and_grad(data)[1])
        slopes.append(max(np.abs(grads[name]).max() for name in ("prior.first", "prior.following")))
    assert slopes[0] > 0.01 and slopes[1] < 1e-3
    assert len(np.unique(model.encode(X)[:, 0])) < 5 and np.isfinite(model.log_prior(np.arange(5)[:, None] + [0, 0])).all(), "a code that X has not has a probability"
    k = model.encode(X)
    assert np.allclose(np.exp(markov_forward(model.params["prior.first"], model.params["prior.following"], k[:, :1])[0]), [np.mean(k[:, 0] == c) for c in k[:, 0]], atol=1e-3)


def test_codes_are_the_nearest_entries():
    model = small()
    z = model._encode(X)[0].reshape(-1, 3)
    wanted = [min(range(5), key=lambda c: float(((row - model.params["codebook"][c]) ** 2).sum())) for row in z]
    assert model.encode(X).ravel().tolist() == wanted and len(set(wanted)) > 1


def test_files_and_bad_options(tmp_path):
    model = small()
    model.fit(X, epochs=2, progress=False)
    model.count_prior(X).save(tmp_path / "model.npz")
    again = VQVAE.load(tmp_path / "model.npz")
    assert np.array_equal(again.elbo(X), model.elbo(X)) and again.config == model.config
    for options, message in [({"codes": 1}, "codes must be at least 2"), ({"positions": 0}, "positions"), ({"commitment": -1}, "commitment")]:
        with pytest.raises(ValueError, match=message):
            VQVAE(6, **options)
    with pytest.raises(ValueError, match=r"64\^3 codes"):
        VQVAE(6, codes=64).log_likelihood(X)
    with pytest.raises(ValueError, match="weights must be a dict"):
        model.loss_backward(1.0, model.loss_forward((X, None), None)[1], {"kl": 1.0})


# ---- the figure ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_three_codes_of_sixteen_on_binary_digits():
    """ELBO under a Markov prior, and exact log p(x) over 4,096 codes. Width, epochs and weights were chosen on a split of the training rows."""
    X_train, X_test, _, _ = digits(binary=True)
    found = []
    for seed in (0, 1, 2):
        model = VQVAE(64, seed=seed)
        model.fit(X_train, epochs=100, optimizer=Adam(0.003), decay=True, progress=False)
        elbo = model.count_prior(X_train).elbo(X_test)
        uniform = elbo - model.log_prior(model.encode(X_test)) - 3 * np.log(16)
        error = check_model(model, X_train, wrt=["encoder.0.W", "encoder.out.b"]).error
        found.append((elbo.mean(), model.log_likelihood(X_test).mean(), uniform.mean(), error))
    elbo, log_px, uniform, errors = np.transpose(found)
    assert_reached("ELBO", elbo, -19.20, 0.05)
    assert_reached("log p(x)", log_px, -17.73, 0.0)  # of the target no deviation is known
    assert_stated("ELBO", elbo, -19.22, 0.14)
    assert_stated("log p(x)", log_px, -17.49, 0.02)
    assert_stated("ELBO under a uniform prior", uniform, -20.57, 0.20)
    assert (elbo - uniform > 0.5).all() and (elbo > 5 - independent_pixels("bernoulli", X_train, X_test)).all()
    assert min(errors) > 0.5, "the gradient of the encoder is another than that of the real loss"
    model = RealGradient(64)
    model.fit(X_train, epochs=100, optimizer=Adam(0.003), decay=True, progress=False)
    assert len(np.unique(model.encode(X_train), axis=0)) == 1, "the right gradient leaves a single code"
    assert abs(model.count_prior(X_train).elbo(X_test).mean() + independent_pixels("bernoulli", X_train, X_test)) < 0.1
