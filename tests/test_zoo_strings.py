"""Strings: the grammar that is known, the recurrent unit, the sequence VAE against exact answers, and the figures of its training."""

import functools
import itertools
from collections import Counter

import numpy as np
import pytest
from figures import assert_reached, assert_stated
from scipy.stats import chisquare

from tinyvae import Adam, gaussian_log_density_forward, grammar
from tinyvae.grammar import LENGTH, SYMBOLS, entropy, language, numbers, parse
from tinyvae.recurrent import (
    END,
    gru_forward,
    gru_step_forward,
    string_log_p_forward,
)
from tinyvae.schedules import linear_warmup
from tinyvae.zoo.strings import SequenceVAE, strings, text

RNG = np.random.default_rng(0)
P = np.array(list(language().values()))  # of all strings
ALL = numbers(language())  # of shape (903, 12)


def small(n_symbols=3, length=4, seed=0, **options):
    """A model with random weights that are not small, in float64."""
    model = SequenceVAE(n_symbols, length, 2, hidden=5, seed=seed, dtype="float64", **options)
    model.theta += 0.5 * np.random.default_rng(seed).standard_normal(model.theta.size)
    return model


def every_row(n_symbols, length):
    """All rows that a model of this size can draw: nothing but the end after the first end."""
    rows = np.array(list(itertools.product(range(n_symbols), repeat=length)))
    return rows[~((rows[:, :-1] == END) & (rows[:, 1:] != END)).any(1)]


def agree(counts, p):
    """Whether counts may come from the probabilities p: a chi-squared test at 1 in 1,000, rare values together."""
    wanted = p / p.sum() * np.sum(counts)
    rare = wanted < 10
    counts, wanted = (np.append(values[~rare], values[rare].sum() + 1e-9) for values in (np.asarray(counts), wanted))
    return chisquare(counts, wanted).pvalue > 1e-3


def log_p_given(model, x, z):
    """log p(x|z) of every row of x, at one z or at one for each."""
    logits, _ = model._decode_forward(np.broadcast_to(z, (len(x), 2)), x.T, np.ones(x.T.shape))
    return string_log_p_forward(logits, x.T)[0]


# ---- the grammar ------------------------------------------------------------------------------------------


def test_the_language_is_a_distribution_and_the_parser_agrees_with_it():
    """Two ways to log p: the strings put together from the rules, and the string taken apart again, in exactly one way."""
    assert len(language()) == 903 and abs(P.sum() - 1) < 1e-13
    assert max(map(len, language())) == LENGTH - 1 and set("".join(language())) == set(SYMBOLS[1:])
    for string, p in language().items():
        whole = [log_p for log_p, _, rest in grammar.derivations("E", string) if not rest]
        assert len(whole) == 1 and abs(whole[0] - np.log(p)) < 1e-13, string
    for wrong in ("", "x+", "xy", "(x)", "x+y+z", "((x+y)+z)", "x+(y", "$", "xx" * 20):
        assert parse(wrong) == (-np.inf, None)
    log_p, tree = parse("x+(y+z)")
    assert tree == ("E", ("A", ("V", "x")), ("O", "+"), ("A", "(", ("V", "y"), ("O", "+"), ("V", "z"), ")"))
    assert abs(log_p - np.log(0.54 * (0.7 * 0.5) * 0.6 * (0.3 * 0.3 * 0.6 * 0.2))) < 1e-13, "the rules of the docstring"


def test_the_entropy_is_that_of_the_rules():
    """By the chain rule, rule by rule, and by the sum over all strings."""

    def rules_entropy(symbol):
        rules = grammar.RULES.get(symbol, ())
        return sum(p * (-np.log(p) + sum(map(rules_entropy, rule))) for p, rule in rules)

    assert abs(entropy() - rules_entropy("E")) < 1e-13 and abs(entropy() - 4.3664) < 5e-5


def test_strings_are_drawn_with_their_probabilities_and_text_turns_them_back():
    X = strings(20_000, seed=1)
    assert X.shape == (20_000, LENGTH) and numbers(text(X[:50])).tolist() == X[:50].tolist()
    drawn = Counter(text(X))
    assert agree([drawn[string] for string in language()], P)
    assert np.array_equal(strings(5, 3), strings(5, 3)) and not np.array_equal(strings(5, 3), strings(5, 4))


# ---- the recurrent unit -------------------------------------------------------------------------------------


def test_a_step_of_the_recurrent_unit_does_what_its_gates_say():
    """[GRU.1] with the gates forced; the catalogue checks [GRU.2] against it."""
    h, a, U = RNG.standard_normal((3, 2)), RNG.standard_normal((3, 6)), RNG.standard_normal((2, 6))
    shut, open_ = -40.0, 40.0
    kept = gru_step_forward(a + np.repeat([0, open_, 0], 2), h, U)[0]
    assert np.abs(kept - h).max() < 1e-12, "the update gate open: the old state"
    fresh = gru_step_forward(a + np.repeat([shut, shut, 0], 2), h, U)[0]
    assert np.abs(fresh - np.tanh(a[:, 4:])).max() < 1e-12, "both shut: the candidate, and of the input alone"
    plain = gru_step_forward(a + np.repeat([open_, shut, 0], 2), h, U)[0]
    assert np.abs(plain - np.tanh(a[:, 4:] + h @ U[:, 4:])).max() < 1e-12, "a plain recurrent step"


def test_a_sequence_is_its_steps_and_a_kept_state_crosses_it():
    """[BPTT.1]; [BPTT.2] by the catalogue."""
    a, h, U = RNG.standard_normal((4, 3, 6)), RNG.standard_normal((3, 2)), RNG.standard_normal((2, 6))
    states, _ = gru_forward(a, h, U)
    for a_t, state in zip(a, states):
        h, _ = gru_step_forward(a_t, h, U)
        assert np.array_equal(state, h)


# ---- the model against exact answers ----------------------------------------------------------------------------


def test_p_of_all_strings_given_z_sums_to_one():
    """[STR.1] and the decoder together; [STR.2] by the catalogue."""
    x = every_row(3, 4)
    for z in RNG.standard_normal((3, 2)):
        assert abs(np.exp(log_p_given(small(), x, z)).sum() - 1) < 1e-12


def test_a_symbol_is_told_by_those_before_it_alone_and_hidden_symbols_are_not_seen():
    model, z = small(), RNG.standard_normal((1, 2))
    x, keep = np.array([[1], [2], [1], [2]]), np.ones((4, 1))
    logits, _ = model._decode_forward(z, x, keep)
    for t in range(4):
        other = x.copy()
        other[t] = 3 - x[t]
        moved = np.abs(model._decode_forward(z, other, keep)[0] - logits).max((1, 2)) > 1e-9
        assert moved.tolist() == [s > t for s in range(4)]
        hidden = np.where(np.arange(4)[:, None] == t + 1, 0.0, 1.0)  # at step t + 1 the decoder would read symbol t
        assert np.array_equal(model._decode_forward(z, other, hidden)[0], model._decode_forward(z, x, hidden)[0])
        assert np.abs(model._encode_forward(other)[0][0] - model._encode_forward(x)[0][0]).max() > 1e-6, "the encoder reads them all"


def test_importance_sampling_finds_the_evidence_which_sums_to_one():
    """And the ELBO is log p(x) - KL(q || p(z|x)): both on a grid over z. q differs from the prior, so that the weights must hold both densities."""
    model, x = small(3, 3), every_row(3, 3)
    model.params["encoder.head.W"][...] *= 0.3
    mu, log_sigma = model.encode(x)
    assert np.abs(mu).max() > 0.2 < np.abs(log_sigma).max()
    log_px, elbo = model.log_likelihood(x, n_samples=500, rng=0), model.elbo(x, rng=1, n_samples=500)
    grid = np.linspace(-6, 6, 41)
    z = np.array(list(itertools.product(grid, grid)))
    prior = np.exp(-(z**2).sum(1) / 2) / (2 * np.pi) * (grid[1] - grid[0]) ** 2
    of_each = [log_p_given(model, np.repeat(row[None], len(z), axis=0), z) for row in x]
    exact = np.log([prior @ np.exp(log_p) for log_p in of_each])
    assert abs(np.exp(exact).sum() - 1) < 1e-4 and np.abs(log_px - exact).max() < 0.1
    q = np.exp(gaussian_log_density_forward(z[:, None], mu, log_sigma)[0].T) * (grid[1] - grid[0]) ** 2
    posterior = prior * np.exp(of_each) / np.exp(exact)[:, None]
    kl = (q * (np.log(q + 1e-300) - np.log(posterior))).sum(1)
    assert np.abs(elbo - (exact - kl)).max() < 0.2 and kl.max() > 0.5


def test_samples_have_the_probabilities_that_the_model_gives_them():
    model, x, z = small(), every_row(3, 4), np.array([0.5, -1.0])
    drawn = model.decode(np.tile(z, (20_000, 1)), np.random.default_rng(0)) @ 3 ** np.arange(4)
    counts = (drawn[:, None] == x @ 3 ** np.arange(4)).sum(0)
    p = np.exp(log_p_given(model, x, z))
    assert counts.sum() == 20_000, "nothing but the end after the end"
    assert agree(counts, p) and not agree(counts, np.exp(log_p_given(model, x, -z)))


def test_greedy_decoding_takes_the_most_probable_symbol_at_every_step():
    model, Z = small(5, 6), RNG.standard_normal((30, 2))
    X = model.decode(Z)
    logits, _ = model._decode_forward(Z, X.T, np.ones((6, 30)))
    before_the_end = np.cumsum(X == END, axis=1) - (X == END) == 0
    assert (logits.argmax(-1).T == X)[before_the_end].all() and (X[~before_the_end] == END).all() and not before_the_end.all()
    assert np.array_equal(model.reconstruct(X), model.decode(model.encode(X)[0]))


def test_word_dropout_is_for_training_alone():
    """What is evaluated sees every symbol; what is trained sees half of them."""
    plain, dropped = small(), small(word_dropout=0.5)
    x = every_row(3, 4)
    assert plain.evaluate(x) == dropped.evaluate(x) and np.array_equal(plain.elbo(x, 0), dropped.elbo(x, 0))
    _, keep = dropped.draw_noise(np.random.default_rng(0), (np.zeros((5000, 4)), None))
    assert keep.shape == (4, 5000) and set(keep.ravel()) == {0.0, 1.0} and abs(keep.mean() - 0.5) < 0.02
    assert (plain.draw_noise(np.random.default_rng(0), (x, None))[1] == 1).all()


def test_a_data_row_may_be_float_and_a_saved_model_is_the_same(tmp_path):
    model, X = SequenceVAE(8, 12, 3, hidden=6, word_dropout=0.2), strings(50)
    model.fit(X.astype(np.float32), epochs=2, progress=False)
    model.save(tmp_path / "strings.npz")
    again = SequenceVAE.load(tmp_path / "strings.npz")
    assert again.word_dropout == 0.2 and np.array_equal(again.sample(9), model.sample(9))
    assert np.array_equal(again.elbo(X), model.elbo(X.astype(float))) and model.sample(9).dtype.kind == "i"


def test_bad_strings_are_refused():
    model, X = SequenceVAE(8, 12), strings(3)
    for wrong, error, message in [
        (X[:, :5], ValueError, r"shape \(N, 12\)"),
        (X + 2, ValueError, "whole numbers from 0 to 7"),
        (X - 1, ValueError, "whole numbers from 0 to 7"),
        (X + 0.5, ValueError, "whole numbers"),
        (np.eye(12)[:3], ValueError, "nothing but 0 after the first 0"),
        (text(X), TypeError, "real numbers"),
    ]:
        with pytest.raises(error, match=message):
            model.fit(wrong, epochs=1)
    with pytest.raises(ValueError, match="binarize draws pixels"):
        model.fit(X, epochs=1, binarize="dynamic")
    for options, message in [({"word_dropout": 1.0}, "word_dropout"), ({"hidden": 0}, "hidden"), ({"n_latent": 0}, "n_latent")]:
        with pytest.raises(ValueError, match=message):
            SequenceVAE(8, 12, **options)
    with pytest.raises(ValueError, match="n_symbols"):
        SequenceVAE(1, 12)
    with pytest.raises(ValueError, match=r"Z must have shape \(N, 8\)"):
        model.decode(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"noise must have shape \(3, 8\) and \(12, 3\), got \(3, 8\)"):
        model.loss_and_grad(X, np.zeros((3, 8)))
    with pytest.raises(ValueError, match="n must be at least 1"):
        strings(0)


# ---- figures: the price of a z, against the exact entropy ---------------------------------------------------------------

COPIES = np.maximum(1, np.round(20_000 * P).astype(int))  # of every string, each with a draw of z of its own
WEIGHTS = np.repeat(P / COPIES, COPIES)
KIND = np.array(["$vvvoo()".index(kind) for kind in "$vvvoo()"])  # symbol -> leaf, operator, bracket: strings without their leaves are shapes


class LanguageModel(SequenceVAE):
    """The decoder alone: its weights for z are 0, and stay 0."""

    def init_params(self, rng, params):
        super().init_params(rng, params)
        params["decoder.z.W"][...] = 0

    def loss_backward(self, dloss, cache, weights=None):
        dtheta = super().loss_backward(dloss, cache, weights)
        self.views(dtheta)["decoder.z.W"][...] = 0
        return dtheta


@functools.cache
def trained(kind, seed):
    """500 steps on 10,000 strings. By the training strings, once: the learning rate (of .003, .01, .02, by -ELBO), and the epochs of warm-up (of 2.5, 4, by the KL)."""
    model = (LanguageModel if kind == "language model" else SequenceVAE)(8, 12, 8, seed=seed, word_dropout=0.5 if "dropout" in kind else 0.0)
    schedule = linear_warmup(4) if "warm-up" in kind else None
    model.fit(strings(10_000, seed), epochs=5, optimizer=Adam(0.02), decay=True, schedule=schedule, progress=False)
    return model


@functools.cache
def figures(kind, seed):
    """Under the exact distribution of strings: -ELBO - entropy and its error, KL, share of strings that come back from the mean of q, and of
    shapes of parse trees from a draw; share of samples that parse."""
    model = trained(kind, seed)
    log_px, kl = model.elbo_terms(np.repeat(ALL, COPIES, axis=0))
    each = kl - log_px
    means = np.bincount(np.repeat(np.arange(len(P)), COPIES), each) / COPIES
    error = np.sqrt((WEIGHTS**2 * (each - np.repeat(means, COPIES)) ** 2).sum())
    back = P @ (model.reconstruct(ALL) == ALL).all(1)
    mu, log_sigma = model.encode(X := np.repeat(ALL, COPIES, axis=0))
    by_draw = model.decode(mu + np.exp(log_sigma) * np.random.default_rng(0).standard_normal(mu.shape))
    shape = WEIGHTS @ (KIND[by_draw] == KIND[X]).all(1)
    valid = np.mean([parse(string)[1] is not None for string in text(model.sample(2000))])
    return {"shape": shape, "over": WEIGHTS @ each - entropy(), "error": error, "kl": WEIGHTS @ kl, "back": back, "valid": valid}


@pytest.mark.slow
def test_figures_of_the_sequence_vae():
    """-ELBO less entropy; KL; nats per string. No bound is below the entropy, and validity says nothing of z."""
    kinds = "language model", "plain", "warm-up", "warm-up, dropout"
    found = {kind: {key: [figures(kind, seed)[key] for seed in range(3)] for key in figures(kind, 0)} for kind in kinds}
    for kind, price in zip(kinds, (0.035, 0.041, 0.069, 0.210)):
        assert_reached(f"{kind}: -ELBO - entropy", found[kind]["over"], price, 0.0, lower=True)
        assert min(np.array(found[kind]["over"]) + 3 * np.array(found[kind]["error"])) > 0, "below the entropy"
        assert_reached(f"{kind}: samples that parse", found[kind]["valid"], 0.96, 0.0)
    for kind, over, kl in zip(kinds[1:], ((0.014, 0.004), (0.039, 0.010), (0.093, 0.008)), ((0.034, 0.012), (1.28, 0.29), (1.42, 0.06))):
        assert_stated(f"{kind}: -ELBO - entropy", found[kind]["over"], *over)
        assert_stated(f"{kind}: KL", found[kind]["kl"], *kl)
    assert_stated("language model", found["language model"]["over"], 0.011, 0.002)
    assert max(found["plain"]["kl"]) < 0.1, "collapsed"
    assert_reached("warm-up: KL", found["warm-up"]["kl"], 0.89, 0.0)
    assert_reached("warm-up, dropout: KL", found["warm-up, dropout"]["kl"], 1.44, 0.0)
    assert np.allclose(found["plain"]["back"], P.max()), "a collapsed model gives back the most probable string and no other"
    assert_reached("warm-up: strings that come back", found["warm-up"]["back"], 0.30, 0.0)
    assert max(found["plain"]["shape"]) < 0.35 and min(found["warm-up"]["shape"]) > 0.6 and min(found["warm-up, dropout"]["shape"]) > 0.75
    valid = {kind: np.mean(found[kind]["valid"]) for kind in kinds}
    assert max(valid.values()) - min(valid.values()) < 0.02


@pytest.mark.slow
def test_the_evidence_of_a_trained_model_is_below_that_of_the_grammar():
    """By importance sampling, for all 903 strings: KL(truth || model) >= 0, and the model's strings have a mass of at most 1."""
    model = trained("warm-up", 0)
    log_px = model.log_likelihood(ALL, n_samples=100)
    assert 0 < P @ (np.log(P) - log_px) < figures("warm-up", 0)["over"]
    assert 0.97 < np.exp(log_px).sum() < 1.01
