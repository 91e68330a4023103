"""The examination of whoever names the mistake in a backward function: one table of pairs, the wrong answers and the right ones.

PAIRS maps a name to (forward, backward, inputs, outputs, wrt): see `diagnosis_pairs.Pair`. WRONG holds records of
(pair, id, backward, truth, accept), RIGHT of (pair, id, backward). "unknown" stands in `accept` only where no simple name
fits: elsewhere it counts as not named. Where there are two mistakes, the name of either is true.
"""

import diagnosis_right_a
import diagnosis_right_b
import diagnosis_right_c
import diagnosis_wrong_a
import diagnosis_wrong_b
import diagnosis_wrong_c
import diagnosis_wrong_d
import diagnosis_wrong_e
import numpy as np
from diagnosis_pairs import CATEGORIES, PAIRS

WRONG = [
    *diagnosis_wrong_a.WRONG, *diagnosis_wrong_b.WRONG, *diagnosis_wrong_c.WRONG, *diagnosis_wrong_d.WRONG, *diagnosis_wrong_e.WRONG,
]  # fmt: skip
RIGHT = [*diagnosis_right_a.RIGHT, *diagnosis_right_b.RIGHT, *diagnosis_right_c.RIGHT]

SIZES = (
    {"N": 5, "K": 3, "D": 7, "L": 2},
    {"N": 7, "K": 5, "D": 3, "L": 11},
    {"N": 3, "K": 11, "D": 5, "L": 7},
)  # different primes in every draw: a wrong axis cannot fit by chance


def draws(pair):
    """(inputs, dout) at each of the three sizes, from one seed for each."""
    entry = PAIRS[pair]
    for seed, sizes in enumerate(SIZES):
        rng = np.random.default_rng(seed)
        inputs = entry.inputs(rng, sizes)
        out, _ = entry.forward(*inputs)
        yield inputs, np.asarray(rng.standard_normal(np.shape(out)))


__all__ = ["CATEGORIES", "PAIRS", "RIGHT", "SIZES", "WRONG", "draws"]
