"""Random streams: one for each purpose that a model draws for by its seed; evaluations share theirs, and so are paired."""

import numpy as np

# What a model draws for. NumPy ignores zeros at the end of a seed: the first epoch's stream, [seed, 0, 0], is default_rng(seed),
# and so nothing else that a model draws by its own seed may come from default_rng(seed).
TRAINING, VALIDATION, WEIGHTS, EVALUATION, SAMPLING, LOCAL = range(6)


def stream(seed, purpose, number=0):
    """A generator of its own for every purpose and number: an epoch can be repeated without the ones before."""
    return np.random.default_rng([seed, purpose, number])


def generator(rng, seed, purpose):
    """The caller's own generator, of `rng`, a Generator or a seed; without one the stream of that purpose."""
    return stream(seed, purpose) if rng is None else np.random.default_rng(rng)
