# %% [record]
# title: An encoder, or a search for every datum?
# kind: numbers
# lecture: D0 | Encoder Network for Amortised Inference; D2 | Amortization; D2 | Amortization (2)
# notebook: 08
# equation: q_i(z_i) for each x_i: by an iterative procedure for every example, or by an encoder g(x_i)
# tag: -
# shapes: numbers
# lines: 5
# minutes: 15
# tolerance: 1e-5
# tests:
#   break_even 1 = the least number of data for which the encoder needs less time in all
#   first 1 = the faster way for the first job
#   second 1 = the faster way for the second job
#   removed 1 = the gap that the search removes
#   kept 1 = the gap that both ways have
# steps:
#   break_even = the time of each way as a line over the number of data, in one unit, and where the lines cross
#   first = the number of data of this job, beside break_even
#   second = the number of data of this job, beside break_even
#   removed = what the search replaces: the network that gives q, or the family that q is taken from
#   kept = what the q of the encoder and the q of the search have in common

# %% [markdown]
# A decoder is trained and stays as it is. You need $q(z|x)$, a diagonal Gaussian, for a number of data. Two ways:
#
# - `encoder`: train an encoder first, which takes {{train}} seconds once; then it needs {{encode}} milliseconds for each datum;
# - `search`: no encoder. For every datum {{steps}} steps of gradient ascent on its ELBO, {{step}} milliseconds each; this finds the best q of the family.
#
# Give
#
# - `break_even`: the least number of data, a whole number, for which the encoder's time in all (training included) is less than that of the search;
# - `first`: the faster way, "encoder" or "search", for {{n_first}} data;
# - `second`: the faster way for {{n_second}} data;
# - `removed`: the search finds a better bound than the encoder. Which gap does it remove: "amortisation" or "approximation"?
# - `kept`: which gap do both ways have, the same?

# %% [check]
# tolerance 1e-5: a whole number of at most 10 000, and its neighbours are wrong
def numbers(rng):
    if rng is None:
        n = {"train": 30, "encode": 0.02, "steps": 300, "step": 0.25}
        few, many, order = 60, 10_000, (0, 1)
    else:
        n = {"train": int(rng.integers(20, 90)), "encode": round(float(rng.uniform(0.01, 0.9)), 2),
             "steps": int(rng.choice([100, 200, 300])), "step": round(float(rng.uniform(0.1, 0.5)), 2)}  # fmt: skip
        even = 1000 * n["train"] / (n["steps"] * n["step"] - n["encode"])
        few, many, order = int(even * rng.uniform(0.2, 0.8)), int(even * rng.uniform(2, 30)), rng.permutation(2)
    sizes = (few, many)
    return {**n, "n_first": sizes[order[0]], "n_second": sizes[order[1]]}

def right(n):
    saved = n["steps"] * round(100 * n["step"]) - round(100 * n["encode"])  # for each datum, in 1e-5 s: whole numbers, which nothing rounds
    train = 100_000 * n["train"]
    way = lambda size: "encoder" if size * saved > train else "search"
    return {
        "break_even": train // saved + 1, "first": way(n["n_first"]), "second": way(n["n_second"]),
        "removed": "amortisation", "kept": "approximation",
    }  # fmt: skip

def wrong(n):
    good, other = right(n), {"encoder": "search", "search": "encoder"}
    return {
        "the training of the encoder is left out of account": {**good, "break_even": 1, "first": "encoder", "second": "encoder"},
        "seconds and milliseconds are mixed up": {**good, "break_even": int(n["train"] / (n["steps"] * n["step"] - n["encode"])) + 1},
        "one step of ascent is counted, not all": {**good, "break_even": max(2, int(1000 * n["train"] / n["step"]) + 1)},
        "the number is rounded down: there the encoder is still slower": {**good, "break_even": good["break_even"] - 1},
        "the two jobs are exchanged": {**good, "first": other[good["first"]], "second": other[good["second"]]},
        "the two gaps are exchanged": {**good, "removed": "approximation", "kept": "amortisation"},
    }

# %% [hints]
# 1. Time of the encoder: once, plus a little for each datum. Time of the search: much for each datum. Where do the two lines cross?
# 2. The best diagonal Gaussian of a datum is still a diagonal Gaussian.

# %% [note]
# There is a third way between the two: start the search at the encoder's q. A few steps then remove most of the amortisation gap.
