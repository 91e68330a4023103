"""What tests of trained figures share: the digits of the figures, and when a figure is reached."""

import numpy as np

from tinyvae import load_digits, train_test_split


def digits(*, binary=False):
    """X_train, X_test, y_train, y_test of the one split that all figures use: 1,438 and 359 rows; binary: pixels of at least 1/2."""
    X, y = load_digits()
    return train_test_split((X >= 0.5).astype(np.float32) if binary else X, y, test_size=0.2, seed=0)


def assert_reached(what, values, target, deviation, *, lower=False, seeds=3):
    """The mean of `values`, one for each seed, is not worse than the target by more than two standard errors of the difference.

    Parameters
    ----------
    what : str, for the message
    values : what each seed reached
    target, deviation : the mean and the standard deviation over `seeds` seeds that are to be reached
    lower : whether less is better
    """
    mean, spread = np.mean(values), np.std(values, ddof=1)
    error = np.sqrt(spread**2 / len(values) + deviation**2 / seeds)
    worse = (mean - target) * (1 if lower else -1)
    assert worse <= 2 * error, f"{what}: {mean:.4g} +- {spread:.2g} over {len(values)} seeds; wanted {target:.4g} +- {deviation:.2g}"


def assert_stated(what, values, mean, deviation):
    """README and notebooks state this mean +- standard deviation of `values`: so it is, to two standard errors of the difference.

    The seeds are the same, so on the machine that wrote the figure the difference is that of rounding; another machine sums in another order.
    """
    error = np.sqrt((np.var(values, ddof=1) + deviation**2) / len(values))
    assert abs(np.mean(values) - mean) <= 2 * error, f"{what}: {np.mean(values):.4g} +- {np.std(values, ddof=1):.2g}; stated is {mean:.4g} +- {deviation:.2g}"
