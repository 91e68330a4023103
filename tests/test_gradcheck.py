"""The checker itself: it finds wrong gradients, refuses what cannot be checked, and sees kinks."""

import numpy as np
import pytest

from tinyvae import (
    check,
    dense_backward,
    dense_forward,
    relu_backward,
    relu_forward,
    reparameterize_backward,
    reparameterize_forward,
)

RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 5)), RNG.standard_normal(5)
MU, LOG_SIGMA, EPS = RNG.standard_normal((3, 3, 2))


def test_report_reads_as_a_table():
    report = check(dense_forward, dense_backward, X, W, B)
    text = str(report)
    assert report.ok and text.count(" ok") == 3 and "WRONG" not in text
    assert "(4, 5)" in text and "float64" in text


def test_wrong_factor_is_named_with_both_numbers():
    def backward(dy, cache):
        dx, dW, db = dense_backward(dy, cache)
        return dx, 2 * dW, db

    report = check(dense_forward, backward, X, W, B)
    assert not report.ok and [row.name for row in report.rows if not row.ok] == ["W"]
    (wrong,) = (row for row in report.rows if not row.ok)
    assert np.isclose(wrong.analytic, 2 * wrong.numeric) and 0.4 < wrong.error <= 0.6
    assert "WRONG" in str(report) and f"{wrong.numeric:.8g}" in str(report)


def test_one_wrong_entry_among_many_is_found():
    def backward(dy, cache):
        dx, dW, db = dense_backward(dy, cache)
        dW[2, 3] += 1e-4
        return dx, dW, db

    report = check(dense_forward, backward, X, W, B)
    assert not report.ok and report.rows[1].entry == "[2, 3]"


def test_missing_sigma_in_the_chain_is_found():
    def backward(dz, cache):
        dmu, dlog_sigma = reparameterize_backward(dz, cache)
        return dmu, dlog_sigma / cache[0]

    report = check(reparameterize_forward, backward, MU, LOG_SIGMA, EPS, wrt=("mu", "log_sigma"))
    assert [row.ok for row in report.rows] == [True, False]


def test_transposed_gradient_is_refused_by_its_shape():
    def backward(dy, cache):
        dx, dW, db = dense_backward(dy, cache)
        return dx, dW.T, db

    with pytest.raises(ValueError, match=r"dW must have the shape of W, \(4, 5\), got \(5, 4\)"):
        check(dense_forward, backward, X, W, B)


def test_bias_gradient_not_summed_over_the_batch_is_refused():
    with pytest.raises(ValueError, match=r"db must have the shape of b, \(5,\), got \(3, 5\)"):
        check(dense_forward, lambda dy, cache: (*dense_backward(dy, cache)[:2], dy), X, W, B)


def test_a_missing_gradient_is_refused():
    with pytest.raises(ValueError, match=r"must return 3 gradients \(dx, dW, db\), got 2"):
        check(dense_forward, lambda dy, cache: dense_backward(dy, cache)[:2], X, W, B)


def test_fresh_noise_inside_forward_is_refused():
    rng = np.random.default_rng(0)

    def forward(mu, log_sigma):
        return reparameterize_forward(mu, log_sigma, rng.standard_normal(mu.shape))

    with pytest.raises(ValueError, match="not deterministic.*eps"):
        check(forward, reparameterize_backward, MU, LOG_SIGMA)


def test_a_second_eps_in_backward_is_refused():
    rng = np.random.default_rng(0)

    def backward(dz, cache):
        sigma, eps = cache
        return dz, dz * rng.standard_normal(eps.shape) * sigma

    with pytest.raises(ValueError, match="backward is not deterministic"):
        check(reparameterize_forward, backward, MU, LOG_SIGMA, EPS, wrt=("mu", "log_sigma"))


def test_inputs_changed_in_place_are_refused():
    def forward(x):
        x *= x > 0
        return x, x > 0

    with pytest.raises(ValueError, match="forward changed x in place"):
        check(forward, relu_backward, X)

    def backward(dy, cache):
        dy *= cache
        return dy

    with pytest.raises(ValueError, match="backward changed dout in place"):
        check(relu_forward, backward, X)


def test_inputs_are_left_as_they_were():
    x = X.copy()
    check(dense_forward, dense_backward, x, W, B)
    assert np.array_equal(x, X)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_non_finite_values_are_refused():
    with pytest.raises(ValueError, match="forward returned NaN or infinity"):
        check(lambda x: (np.log(x), x), lambda d, x: d / x, -np.ones(2))
    with pytest.raises(ValueError, match="dx holds NaN or infinity"):
        check(lambda x: (x, x), lambda d, x: d * np.nan, np.ones(2))


def test_lower_precision_inside_is_refused():
    with pytest.raises(ValueError, match="float32 for float64 inputs"):
        check(lambda x: (x.astype(np.float32), x), lambda d, x: d, np.ones(2))


def test_text_is_refused():
    with pytest.raises(TypeError, match="x must be an array of real numbers"):
        check(relu_forward, relu_backward, np.array(["a"]))


def test_forward_without_a_cache_is_refused():
    with pytest.raises(ValueError, match=r"must return \(out, cache\), got ndarray"):
        check(lambda x: x * 2, lambda d, cache: 2 * d, X)


KINKED = np.array([0.5, 0.0, -0.3, 1e-7, 2.0])


def test_kinks_are_left_out_and_counted():
    report = check(relu_forward, relu_backward, KINKED)
    assert report.ok and report.rows[0].left_out == 1, "the entry at 1e-7 is decided by shorter steps"
    assert "left out: 1" in str(report)


def test_kinks_are_seen_without_a_mask_in_the_cache():
    """A learner's ReLU may cache x: then the slopes on the two sides tell."""
    report = check(lambda x: (np.maximum(x, 0), x), lambda d, x: d * (x > 0), KINKED)
    assert report.ok and report.rows[0].left_out == 1
    assert not check(lambda x: (np.maximum(x, 0), x), lambda d, x: d * (x > 1e-6), KINKED).ok, "close to a kink is not on it"
    assert check(lambda x: (np.maximum(x, 0), x), lambda d, x: d * (x > 0), np.array([-1e-9, 1e-9, -1e-7, 1.0])).ok


def test_small_inputs_of_curved_functions_are_no_false_alarms():
    for f, df, at in [
        (np.log, lambda a: 1 / a, [1e-3, 2e-3, 0.01]),
        (np.sqrt, lambda a: 0.5 / np.sqrt(a), [1e-3, 0.01]),
        (lambda a: 1 / a, lambda a: -1 / a**2, [0.01, 0.1]),
        (lambda a: a**2, lambda a: 2 * a, [1e-6, 0.0]),
    ]:
        report = check(lambda a, f=f: (f(a), a), lambda d, a, df=df: d * df(a), np.array(at))
        assert report.ok and report.rows[0].left_out == 0, report
        assert not check(lambda a, f=f: (f(a), a), lambda d, a, df=df: 1.01 * d * df(a), np.array([*at, 1.0])).ok


def test_every_floating_input_is_judged_or_named_by_wrt():
    """No input is excused by its name: x, eps and mask are judged like all others."""
    pair = lambda w, x: (w * x, x), lambda d, x: d * x
    with pytest.raises(ValueError, match=r"must return 2 gradients \(dw, dx\), got 1; .* wrt=\('w',\)"):
        check(*pair, X, X + 1)
    report = check(*pair, X, X + 1, wrt="w")
    assert report.ok and bool(report) and [row.name for row in report.rows] == ["w"]
    missing = check(pair[0], lambda d, x: (d * x, None), X, X + 1)
    assert not missing.ok and missing.verdict == "CANNOT JUDGE" and "x: backward gave no gradient" in str(missing)
    forgotten = check(lambda w, x: (w * x, (w, x)), lambda d, c: (d * c[1], 0 * c[0]), X, X + 1)
    assert [row.verdict for row in forgotten.rows] == ["ok", "WRONG"]
    for wrt, words in [((), "got nothing"), (("v",), "wrt must name some of w, x, got v"), ((0,), "got 0")]:
        with pytest.raises(ValueError, match=words):
            check(*pair, X, X + 1, wrt=wrt)
    with pytest.raises(ValueError, match="words has dtype int64 and cannot be differentiated"):
        check(lambda W, words: (W[words], None), lambda d, c: d, X, np.array([0, 1]), wrt="words")


def test_a_wrong_gradient_does_not_hide_behind_kinks():
    assert check(lambda x: (np.maximum(x, 0), x), lambda d, x: 3 * d * (x > 0), KINKED).verdict == "WRONG"
    everywhere = check(relu_forward, lambda d, mask: 7 * d, np.zeros(3))
    assert everywhere.verdict == "WRONG"
    assert check(relu_forward, lambda d, mask: 0.5 * d, np.zeros(3)).verdict == "CANNOT JUDGE", "a slope between those of the two sides"


def test_a_mask_whose_sides_change_where_no_slope_jumps_excuses_nothing():
    square = lambda x: (np.maximum(x, 0) ** 2, (x, x > 0))
    assert check(square, lambda d, c: 2 * d * c[0] * c[1], KINKED).ok
    assert check(square, lambda d, c: 2 * d * c[0] * c[1] + 0.1 * d * (c[0] == 0), KINKED).verdict == "WRONG"


def test_a_pass_says_what_it_proves():
    report = check(dense_forward, dense_backward, X, W, B)
    assert str(report).endswith("that this forward is the lecture's formula is not tested here")
    assert "lecture" not in str(check(relu_forward, lambda d, mask: 7 * d, X))


def test_the_upstream_gradient_is_no_input_that_a_learner_would_draw():
    """x' x is symmetric: with dout = x a transposed dW would pass."""
    x = np.random.default_rng(0).standard_normal((3, 3))
    report = check(dense_forward, lambda dy, c: (dy @ c[1].T, dy.T @ c[0], dy.sum(0)), x, x, x[0])
    assert [row.verdict for row in report.rows] == ["ok", "WRONG", "ok"]


def test_the_precision_of_forward_is_stated():
    """Where forward loses digits by itself, the gradient is right as far as that can be seen, and the report says how far."""
    (row,) = check(lambda x: (np.tanh(x) + 1e5, x), lambda d, x: d * (1 - np.tanh(x) ** 2), X).rows
    assert row.ok and 2e-8 < row.resolution < 1e-4
    (row,) = check(lambda x: (np.tanh(x), x), lambda d, x: d * (1 - np.tanh(x) ** 2), X).rows
    assert row.ok and row.resolution == 1e-8 and row.error < 1e-10


@pytest.mark.parametrize("error, verdict", [(1e-7, "WRONG"), (3e-8, "WRONG"), (1e-9, "ok")])
@pytest.mark.parametrize("entries", [slice(None), slice(0, 1)])
def test_small_mistakes_are_seen_down_to_the_stated_resolution(error, verdict, entries):
    def backward(d, x):
        dx = d * (1 - np.tanh(x) ** 2)
        dx[entries] *= 1 + error
        return dx

    assert check(lambda x: (np.tanh(x), x), backward, X).verdict == verdict


def test_a_backward_that_changes_its_cache_is_refused():
    def backward(d, p):
        p -= 1
        return d * p

    with pytest.raises(ValueError, match="backward changes its cache"):
        check(lambda x: (x * x / 2 - x, x.copy()), backward, X)


def test_what_was_not_compared_is_not_ok():
    """Of ten thousand numbers almost all are on a kink or still: what is sampled among them says nothing of the rest."""
    x = np.where(np.arange(10_000) % 2 == 0, 0.0, -1.0)
    x[777] = 1.0
    assert check(lambda x: (np.maximum(x, 0), x), lambda d, x: 2 * d * (x > 0), x).verdict == "WRONG"
    assert check(lambda x: (np.maximum(x, 0), x), lambda d, x: 0.5 * d * (x == 0), x).verdict != "ok"


def test_several_outputs_and_skipped_gradients():
    def forward(a, b):
        return (a * b, a + b), (a, b)

    def backward(dout, cache):
        (dproduct, dsum), (a, b) = dout, cache
        return dproduct * b + dsum, dproduct * a + dsum

    assert check(forward, backward, X, X + 1).ok
    assert not check(forward, lambda dout, cache: (dout[0] * cache[1], None), X, X + 1).ok


def test_a_gradient_of_zero_is_right_at_a_minimum():
    assert check(lambda a: ((a * a).sum(), a), lambda d, a: 2 * d * a, np.zeros(4)).ok
