"""Layer 4, the protocol: what a loss may return, and one sentence for all else, where it is trained and where it is evaluated."""

import numpy as np
import pytest
from siamese import Siamese, X, Y, fit


def returning(change):
    """A model whose loss_forward returns what `change` makes of ((loss, terms), cache)."""

    class Odd(Siamese):
        def loss_forward(self, batch, noise):
            (loss, terms), cache = super().loss_forward(batch, noise)
            return change(loss, terms, cache)

    return Odd()


@pytest.mark.parametrize("kind", [float, np.float64, np.array])
def test_a_loss_is_any_one_number(kind):
    plain, odd = fit(Siamese(), 2)["loss"], fit(returning(lambda loss, terms, cache: ((kind(loss), terms), cache)), 2)["loss"]
    assert np.allclose(odd, plain, rtol=1e-6)


@pytest.mark.parametrize(
    "loss, got",
    [([1.0], "list"), (np.ones(1), r"float64 of shape \(1,\)"), (np.ones((7, 1)), r"float64 of shape \(7, 1\)"), (None, "NoneType"),
     ("1", "str"), (1j, "complex"), (True, "bool")],
)  # fmt: skip
def test_a_loss_that_is_no_number_is_refused(loss, got):
    model = returning(lambda _, terms, cache: ((loss, terms), cache))
    for job in (lambda: fit(model, 1), lambda: model.evaluate(X, Y)):
        with pytest.raises(TypeError, match=f"loss_forward of Odd must return the loss as one number, the mean over the batch, got {got}$"):
            job()


@pytest.mark.parametrize(
    "change, got",
    [(list, "list"), (lambda term: float(term[0]), "float"), (lambda term: None, "NoneType"), (np.mean, "float32"),
     (lambda term: term[:, None], "float32 of shape .*, 1"), (lambda term: term.astype(object), "object of shape"),
     (lambda term: 1j * term, "complex64 of shape"), (lambda term: ["a"] * len(term), "list")],
)  # fmt: skip
def test_terms_that_are_no_arrays_per_datum_are_refused(change, got):
    model = returning(lambda loss, terms, cache: ((loss, {name: change(term) for name, term in terms.items()}), cache))
    for job in (lambda: fit(model, 1), lambda: model.evaluate(X, Y)):
        with pytest.raises(ValueError, match=rf"Odd must report the terms in units, distance, size, each an array of shape .*; got distance: {got}"):
            job()


@pytest.mark.parametrize(
    "change, message",
    [(lambda loss, terms, cache: 3, r"must return \(\(loss, terms\), cache\), got int"),
     (lambda loss, terms, cache: (loss, terms), r"must return \(\(loss, terms\), cache\), got float32 and dict"),
     (lambda loss, terms, cache: (loss, cache), r"must return \(\(loss, terms\), cache\), got float32 and tuple"),
     (lambda loss, terms, cache: ((loss, tuple(terms.values())), cache), "must return the terms as a dict of names to arrays, got tuple"),
     (lambda loss, terms, cache: ((loss, None), cache), "must return the terms as a dict of names to arrays, got NoneType")],
)  # fmt: skip
def test_a_loss_that_forgets_something_is_refused(change, message):
    model = returning(change)
    for job in (lambda: fit(model, 1), lambda: model.evaluate(X, Y)):
        with pytest.raises(TypeError, match=f"loss_forward of Odd {message}$"):
            job()
