"""MADE: masks proven by differences, probabilities that sum to one, draws that agree with them, the figure on digits."""

from itertools import pairwise

import numpy as np
import pytest
from figures import assert_reached, assert_stated, digits

from tinyvae import VAE, Adam, load_digits
from tinyvae.masked import (
    autoregressive_masks,
    masked_dense_forward,
    masked_mlp_forward,
)
from tinyvae.zoo.made import MADE

STATES = np.array([[k >> d & 1 for d in range(10)] for k in range(1024)], dtype=float)


def small(D=10, **options):
    """A network with large weights, so that nothing small hides a path."""
    made = MADE(D, **{"hidden": (15, 13), "dtype": "float64"} | options)
    made.theta[...] = np.random.default_rng(0).standard_normal(made.theta.size)
    return made


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("outputs", [1, 2])
def test_an_output_sees_the_inputs_before_it_and_all_of_them(outputs, reverse):
    """d out_i / d x_j is 0 for j >= i, exactly, and is not for j < i; the other way round if reversed; for both outputs of an input."""
    D, sizes, rng = 5, (5, 9, 8, 5 * outputs), np.random.default_rng(0)
    masks = autoregressive_masks(sizes, reverse=reverse)
    weights = [rng.standard_normal(shape) for a, b in pairwise(sizes) for shape in ((a, b), (b,))]
    x, h = rng.standard_normal(D), 1e-4 * np.eye(D)
    slopes = (masked_mlp_forward(x + h, weights, masks)[0] - masked_mlp_forward(x - h, weights, masks)[0]) / 2e-4  # (in, out)
    wanted = np.triu(np.ones((D, D), bool), 1)
    assert np.array_equal(slopes != 0, np.tile(wanted.T if reverse else wanted, (1, outputs)))


def test_masked_weights_count_for_nothing():
    """[MADE.1], and by [MADE.2] they never move."""
    x, W, mask = np.ones((1, 2)), np.array([[1.0, 2.0], [4.0, 8.0]]), np.array([[True, False], [True, True]])
    assert np.array_equal(masked_dense_forward(x, W, np.zeros(2), mask)[0], [[5.0, 8.0]])
    made = small(4, hidden=(6,))
    _, grad = made.loss_and_grad(STATES[:7, :4])
    for name, mask in zip(("made.0.W", "made.out.W"), made.masks):
        assert np.all(made.views(grad)[name][~mask] == 0) and np.all(made.views(grad)[name][mask] != 0)


@pytest.mark.parametrize("hidden", [(15,), (15, 13)])
def test_probabilities_sum_to_one_over_all_images(hidden):
    """[MADE.3]: 2^10 images, random weights; and they do not where outputs see their own pixel."""
    made = small(hidden=hidden)
    assert abs(np.exp(made.log_prob(STATES)).sum() - 1) < 1e-12
    made.masks = tuple(np.ones_like(mask) for mask in made.masks)
    assert abs(np.exp(made.log_prob(STATES)).sum() - 1) > 1e-3


def test_each_output_is_the_conditional_of_the_joint():
    """p(x_i = 1 | x_<i) by sums over the joint probabilities, and by the network's own output."""
    made = small(6, hidden=(11,))
    states = STATES[:64, :6]
    p = np.exp(made.log_prob(states))
    for x, logits in zip(states, made.logits(states)):
        for i in range(6):
            same = (states[:, :i] == x[:i]).all(1)
            assert abs(p[same & (states[:, i] == 1)].sum() / p[same].sum() - 1 / (1 + np.exp(-logits[i]))) < 1e-12


def test_draws_have_the_probabilities_and_stand_beside_their_conditionals():
    made = small(3, hidden=(6,))
    x, beside = made.sample(20_000, 0), made.sample(20_000, 0, mean=True)
    assert x.shape == beside.shape == (20_000, 3) and x.dtype == np.float64
    assert np.allclose(np.log(np.where(x == 1, beside, 1 - beside)).sum(1), made.log_prob(x), atol=1e-9)
    counts = np.bincount((x @ [1, 2, 4]).astype(int), minlength=8) / len(x)
    p = np.exp(made.log_prob(STATES[:8, :3]))
    assert np.all(np.abs(counts - p) < 4.5 * np.sqrt(p * (1 - p) / len(x)))
    assert np.array_equal(made.sample(5), made.sample(5)), "drawn by the model's seed"


def test_one_pixel_has_only_its_own_frequency():
    made = MADE(1, hidden=(3,))
    made.fit(np.array([[1], [0], [0], [0]]), epochs=300, optimizer=Adam(0.1), progress=False)
    assert abs(np.exp(made.log_prob([[1]]))[0] - 0.25) < 0.01


def test_it_is_saved_and_evaluated_as_every_model(tmp_path):
    made = MADE(10, hidden=(7, 6), activation="relu", seed=3)
    made.fit(STATES[::5], epochs=2, progress=False)
    made.save(tmp_path / "made.npz")
    again = MADE.load(tmp_path / "made.npz")
    assert np.array_equal(again.log_prob(STATES), made.log_prob(STATES)) and np.array_equal(made.score_samples(STATES), made.log_prob(STATES))
    assert made.log_prob(STATES).dtype == np.float32 and made.score(STATES) == pytest.approx(-made.evaluate(STATES)["neg_log_p"], abs=1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match=r"X must hold pixels 0 and 1, got values from 0 to 0.5: threshold them, \(X >= 0.5\)"):
        MADE(2).log_prob([[0, 0.5]])
    with pytest.raises(ValueError, match="X must hold pixels 0 and 1"):
        MADE(64).fit(load_digits()[0], epochs=1)
    with pytest.raises(ValueError, match=r"X must have shape \(N, 2\)"):
        MADE(2).log_prob([[0, 1, 1]])
    for options, message in (({"hidden": ()}, "hidden must name at least one layer"), ({"activation": "sine"}, "activation must be one of")):
        with pytest.raises(ValueError, match=message):
            MADE(2, **options)
    with pytest.raises(ValueError, match="n must be at least 1"):
        MADE(2).sample(0)


def test_grey_pixels_may_be_drawn_anew_every_epoch():
    X = load_digits()[0][:50]
    assert len(MADE(64, hidden=(5,)).fit(X, epochs=2, binarize="dynamic", progress=False)["loss"]) == 2


@pytest.mark.slow
def test_figure_log_p_of_digits():
    """tanh, Adam(0.003) and batches of 50 were chosen on a fifth of the training data, for 80 epochs. It overfits after them.

    Beside it a VAE with K = 8, trained alike, whose log p is importance-sampled (to a few hundredths from below), and independent pixels.
    """
    X_train, X_test, _, _ = digits(binary=True)
    at_80, at_160, of_vae = [], [], []
    for seed in range(3):
        made, adam = MADE(64, (200,), seed=seed), Adam(3e-3)
        for values in (at_80, at_160):
            made.fit(X_train, epochs=80, batch_size=50, optimizer=adam, progress=False)
            values.append(made.score(X_test))
        vae = VAE(64, 8, hidden=(200,), seed=seed)
        vae.fit(X_train, epochs=80, batch_size=50, optimizer=Adam(3e-3), progress=False)
        of_vae.append(vae.log_likelihood(X_test, 500).mean())
    p = (X_train.mean(0) * len(X_train) + 1) / (len(X_train) + 2)
    independent = np.mean((np.where(X_test == 1, np.log(p), np.log(1 - p))).sum(1))
    print(f"MADE {np.round(at_80, 3)}, after 160 epochs {np.round(at_160, 3)}; VAE {np.round(of_vae, 3)}; independent pixels {independent:.2f}")
    assert_reached("log p of MADE", at_80, -17.19, 0.08)
    assert_stated("log p of MADE", at_80, -17.25, 0.04)
    assert abs(np.mean(of_vae) + 17.55) < 0.1
    assert np.all(np.array(at_160) < np.array(at_80) - 0.1), "it overfits"
    assert np.mean(at_80) > np.mean(of_vae) + 0.15 > independent + 4
