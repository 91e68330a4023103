"""Layer 4, schedules: what a weight that changes does to the terms of a VAE."""

import numpy as np
import pytest

from tinyvae import (
    VAE,
    Adam,
    load_digits,
    schedules,
    train_test_split,
)

X = load_digits()[0].astype(np.float64)
X_TRAIN, X_TEST = train_test_split(X, seed=0)


def fitted(schedule=None, epochs=40, **options):
    vae = VAE(64, 4, hidden=(40,), **options)
    history = vae.fit(X_TRAIN, epochs=epochs, optimizer=Adam(3e-3), schedule=schedule, progress=False)
    return vae, history


@pytest.fixture(scope="module")
def plain():
    """Training without a schedule, epoch by epoch: what a shorter run would have given stands at its beginning."""
    return {name: np.array(column) for name, column in fitted(epochs=120)[1].items()}


def test_constant_schedule_is_the_beta_vae():
    a, _ = fitted(schedules.constant(2.5), epochs=3)
    b, _ = fitted(None, epochs=3, beta=2.5)
    assert np.array_equal(a.theta, b.theta)


def test_warm_up_starts_without_a_price_on_the_kl_and_ends_with_the_full_one(plain):
    _, warm = fitted(schedules.linear_warmup(30))
    assert warm["kl"][2] > 2 * plain["kl"][2], "while the KL is cheap, z carries more"
    assert warm["kl"][-1] < max(warm["kl"]) / 1.5 and warm["neg_elbo"][-1] < plain["neg_elbo"][39] + 0.5


def test_cyclic_schedule_repeats_the_warm_up():
    _, history = fitted(schedules.cyclic(20), epochs=60)
    kl = history["kl"]
    assert kl[22] > 1.5 * kl[19] and kl[42] > 1.5 * kl[39]


def test_free_bits_hold_the_kl_at_their_level(plain):
    _, history = fitted(schedules.free_bits(6.0), epochs=60)
    assert plain["kl"][59] < 5 and abs(history["kl"][-1] - 6) < 0.5


def test_constraint_meets_its_target_and_the_multiplier_moves(plain):
    unbound = np.mean(plain["reconstruction"][-10:])
    for target, above_one in ((unbound - 1.5, True), (unbound + 3.0, False)):
        schedule = schedules.Constraint(target)
        _, history = fitted(schedule, epochs=120)
        assert abs(np.mean(history["reconstruction"][-10:]) - target) < 0.3
        assert schedule.multiplier > 1.2 if above_one else schedule.multiplier < 0.8
    with pytest.raises(TypeError, match="schedule must be a function"):
        fitted("cyclic", epochs=1)
    with pytest.raises(ValueError, match="no KL term to weigh"):
        fitted(schedule, epochs=1, bound="iwae")


@pytest.mark.parametrize("make", [schedules.linear_warmup, schedules.cyclic, schedules.free_bits, schedules.constant])
def test_bad_schedules(make):
    with pytest.raises(ValueError, match="finite number"):
        make(-1)
