"""train --model strings: a sequence VAE, on strings of a small grammar whose probabilities are known."""

import numpy as np

from ...grammar import LENGTH, SYMBOLS, entropy, parse, text
from ...zoo.strings import SequenceVAE
from .record import Kind, line, percent_line, term_lines
from .vae import warmup

OPTIONS = {"data": "grammar", "latent": 8, "hidden": [40], "word_dropout": 0.0, "warmup": 4.0, "epochs": 5, "lr": 0.02, "decay": True}


def new(options, X, n_classes):
    """A sequence VAE for strings like those of X."""
    if len(options["hidden"]) != 1:
        raise ValueError(f"--hidden must give one size for --model strings, of the recurrent unit; got {options['hidden']}")
    return SequenceVAE(
        len(SYMBOLS), LENGTH, options["latent"], hidden=options["hidden"][0], word_dropout=options["word_dropout"], seed=options["seed"],
    )  # fmt: skip


def figures(model, X_train, X_test, y_test):
    """-log p of the test strings and its mean over all, the entropy, exact; the share of samples that parse, and of strings that come back."""
    drawn = [parse(sample)[1] is not None for sample in text(model.sample(1000))]
    exact = -np.mean([parse(string)[0] for string in text(X_test)])
    decoded = (model.reconstruct(X_test) == X_test).all(1)
    return {
        "neg_log_p": float(exact) if np.isfinite(exact) else None, "entropy": entropy(),
        "valid": float(np.mean(drawn)), "decoded": float(decoded.mean()),
    }  # fmt: skip


def lines(summary):
    """The figures with their meaning."""
    exact = [] if summary["neg_log_p"] is None else [line("-log p of the grammar", summary["neg_log_p"], "of these very strings, exact, by the parser")]
    return [
        *term_lines(KIND, summary),
        *exact,
        line("entropy", summary["entropy"], "its mean over all strings: no model can be below it there"),
        percent_line("samples that parse", summary["valid"], "which says nothing about z"),
        percent_line("strings decoded right", summary["decoded"], "from the mean of q(z|x)"),
    ]


def sample(model, n, seed, draws):
    """Strings: z ~ p(z), then every symbol given those before it."""
    return text(model.sample(n, seed))


def pictures(plots, model, X_test, y_test, history, image):
    """The terms, and strings drawn from the model."""
    from ...plots.texts import string_list  # matplotlib takes long to import

    found = text(model.sample(24))
    valid = [parse(string)[1] is not None for string in found]
    return {
        "learning_curves": (plots.learning_curves, (history,), {"level": (entropy(), "entropy of the grammar")}),
        "samples": (string_list, (found, valid), {"size": (8, 5)}),
    }


KIND = Kind(SequenceVAE, OPTIONS, new, pictures, ("learning_curves", "samples"), sample, schedule=warmup, figures=figures, lines=lines)
