# %% [record]
# title: How well do the odd ones stand out?
# kind: function
# lecture: D0 | A Quick Overview
# notebook: 10
# equation: an anomaly is a datum of small p(x); ELBO <= log p(x)
# tag: -
# shapes: log_px_usual (N,); log_px_odd (M,) -> auc a number
# lines: 3
# minutes: 15
# outputs: auc
# tests:
#   values 1 = the AUC, at three sets of sizes
#   order 1 = it depends on the order of the scores alone: any rising function of them leaves it as it is
#   ends 1 = 1 if all odd data are the less probable ones, 0 if all are the more probable, 1/2 for equal scores
# steps:
#   auc = one pair, a usual datum and an odd one: which order of their log p(x) counts, and how much a tie does

# %% [markdown]
# Anomaly detection by a density model: score every datum by its log p(x) (or its ELBO), and call those odd that the model finds improbable.
# How good is it? The *AUC* is the probability that a randomly chosen odd datum gets a *lower* log p(x) than a randomly chosen usual one;
# where the two are equal, the pair counts as one half. It needs no threshold: 1 is perfect, 1/2 is chance, and below 1/2 the model finds the odd data
# *more* probable than the usual ones (this does happen).
#
# Write `anomaly_score(log_px_usual, log_px_odd)`: log p(x) of N usual data and of M odd data, of shapes (N,) and (M,).
# Return the AUC over all N M pairs, a number.

# %% [solution]
def anomaly_score(log_px_usual, log_px_odd):
    """log_px_usual (N,), log_px_odd (M,), in nats -> the AUC, a number from 0 to 1."""
    ### BEGIN SOLUTION
    usual, odd = log_px_usual[:, None], log_px_odd[None, :]
    return ((odd < usual) + (odd == usual) / 2).mean()
    ### END SOLUTION

# %% [check]
def inputs(rng, N, M):
    return np.round(4 * rng.standard_normal(2 * N)) / 2, np.round(4 * rng.standard_normal(M) - 3) / 2  # rounded: some are equal

def test_order(student, right, rng):
    usual, odd = inputs(rng, 5, 7)
    wanted = right.anomaly_score(usual, odd)
    return same([student.anomaly_score(f(usual), f(odd)) for f in (np.exp, lambda s: 5 * s - 90)], [wanted, wanted], rtol=1e-10)

def test_ends(student, right, rng):
    high, low = np.array([3.0, 2.0]), np.array([1.0, -5.0, 0.0])
    found = [student.anomaly_score(*pair) for pair in ((high, low), (low, high), (high, high[:1] * 0 + 2.5), (np.ones(3), np.ones(2)))]
    return bool(np.allclose(found, [1, 0, 0.5, 0.5], rtol=0, atol=1e-12))

# %% [hints]
# 1. All N M pairs at once: give the two arrays one axis each, and compare.
# 2. The mean of an array of True and False is a share. Pairs of equal scores add half of theirs.

# %% [wrong] the sides are exchanged: the usual data are taken for the odd ones
# - return ((odd < usual) + (odd == usual) / 2).mean()
# + return ((odd > usual) + (odd == usual) / 2).mean()

# %% [wrong] pairs of equal scores count for nothing
# - return ((odd < usual) + (odd == usual) / 2).mean()
# + return (odd < usual).mean()

# %% [wrong] pairs of equal scores count in full
# - return ((odd < usual) + (odd == usual) / 2).mean()
# + return (odd <= usual).mean()

# %% [wrong] one threshold is put at the mean of the usual data
# - return ((odd < usual) + (odd == usual) / 2).mean()
# + return ((odd < usual.mean()).mean() + (usual >= usual.mean()).mean()) / 2

# %% [note]
# On digits a model of all classes but one may find the missing class quite probable: simple images are probable under many models.
