"""The options of a run: their defaults, and what the run's files say of them."""

import os
from pathlib import Path

# Every option of a run. Small data needs more and larger steps than MNIST to see as many gradients.
DEFAULTS = {
    "data": "digits", "latent": 2, "hidden": [128], "likelihood": "bernoulli", "eta": 1.0, "posterior": "diagonal", "prior": "standard",
    "activation": "tanh", "beta": 1.0, "bound": "elbo", "samples": 1, "epochs": 300, "batch_size": 100, "optimizer": "adam", "lr": 0.003,
    "binarize": "none", "seed": 0,
}  # fmt: skip
MNIST_DEFAULTS = {"epochs": 20, "lr": 0.001}
SINCE = {"posterior": "diagonal", "prior": "standard", "image": None}  # what older runs did not name
SETS = "digits", "mnist", "fashion-mnist"


def stored(path, options, n_features):
    """The options that a run's file holds, or a ValueError: a missing one, or one of a wrong kind."""
    if not isinstance(options, dict) or set(DEFAULTS) - set(SINCE | options):
        raise ValueError(f"{path} does not name all options of a run: it must come from python -m tinyvae train")
    older, options = "image" not in options, SINCE | options
    for name, default in DEFAULTS.items():
        value, kind = options[name], type(default)
        right = type(value) in ((int, float) if kind is float else (kind,))
        if not right or (kind is list and any(type(item) is not int for item in value)):
            raise ValueError(f"{path} holds the option {name} {value!r}, where a run has one such as {default!r}: train again")
    image = options["image"]
    sides = image if isinstance(image, list) and all(type(side) is int for side in image) else []
    if image is not None and (len(sides) != 2 or sides[0] * sides[1] != n_features):
        raise ValueError(f"{path} holds the option image {image!r}, where a run has the [h, w] of its {n_features} pixels: train again")
    if older and options["data"] not in SETS:  # named from where the run was started
        options["data"] = os.path.abspath(options["data"])
    return options


def data_file(options, out):
    """The file of a run's data; a relative path leads from the run's folder."""
    return Path(os.path.normpath(Path(out).resolve() / options["data"]))


def from_folder(data, out):
    """The name of the data as a run's files hold it: a relative path leads from the run's folder, so both may move together."""
    if data in SETS or os.path.isabs(data):
        return data
    folder, name = os.path.split(data)
    try:
        return Path(os.path.relpath(os.path.realpath(folder), os.path.realpath(out)), name).as_posix()
    except ValueError:  # on another drive of Windows
        return os.path.abspath(data)
