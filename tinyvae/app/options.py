"""The options of a run: their defaults, and what the run's files say of them."""

import os
from pathlib import Path

from . import kinds

# What every run has; the rest belongs to the model. Small data needs more and larger steps than MNIST to see as many gradients.
RUN = {"data": "digits", "epochs": 300, "batch_size": 100, "optimizer": "adam", "lr": 0.003, "decay": False, "binarize": "none", "seed": 0}
MNIST = {"epochs": 20, "lr": 0.001}
SETS = "digits", "mnist", "fashion-mnist", "binarized-mnist", "grammar"
SINCE = {"model": "vae", "posterior": "diagonal", "prior": "standard", "warmup": 0.0, "decay": False, "image": None}  # what older runs did not name


def defaults(model, data=RUN["data"]):
    """All options of a run of this model on these data, with their defaults.

    >>> defaults("vae", "mnist")["epochs"]
    20
    """
    own = kinds.get(model).options
    of_data = MNIST if data.endswith("mnist") else {"labels": 0} if "labels" in own and data not in SETS else {}
    return {"model": model} | RUN | own | of_data


def complete(given, model):
    """All options of a new run: what was given, and the defaults; where other epochs are given, a warm-up keeps its share of them.

    >>> complete({"epochs": 30}, "ladder")["warmup"]
    20.0
    """
    options = defaults(model, given.get("data", RUN["data"])) | given
    share = options["epochs"] / (RUN | kinds.get(model).options)["epochs"]
    for name in ("warmup", "labels_first"):
        if options.get(name) and name not in given:
            options[name] *= share
    if options.get("warmup", 0) > options["epochs"] > 0:
        raise ValueError(f"--warmup must be at most as long as the training, {options['epochs']} epochs, got {options['warmup']:g}: the KL would never have its full weight")
    return options


def fitting(given, model):
    """The options that were given, or a ValueError: one that this model does not take, or several sizes where it has one."""
    if given.get("model", model) != model:
        return given  # told of as another model, not by its options
    known = defaults(model)
    unknown = [f"--{name.replace('_', '-')}" for name in given if name not in known]
    if unknown:
        takes = ", ".join(f"--{name.replace('_', '-')}" for name in kinds.get(model).options)
        raise ValueError(f"--model {model} does not take {', '.join(unknown)}: beside what every run has it takes {takes}")
    _refuse_strangers(known | given)
    sizes = given.get("latent")
    if sizes is None:
        return given
    wanted = len(known["latent"]) if isinstance(known["latent"], list) else 1
    if len(sizes) != wanted:
        raise ValueError(f"--latent must give {wanted} size{'s' * (wanted > 1)} for --model {model}, got {' '.join(map(str, sizes))}")
    return given | {"latent": sizes if isinstance(known["latent"], list) else sizes[0]}


def _refuse_strangers(options):
    """A ValueError for strings and any model but theirs, or for their model and images."""
    strings, data = options["model"] == "strings", options["data"]
    if data in SETS and strings != (data == "grammar"):
        raise ValueError(f"--model strings takes --data grammar, and no other model does; got --model {options['model']} --data {data}")
    if strings and options["binarize"] != "none":
        raise ValueError(f"--binarize is for pixels, and --model strings has symbols: leave it out; got {options['binarize']}")


def stored(path, options, n_features):
    """The options that a run's file holds, or a ValueError: a missing one, or one of a wrong kind."""
    model = SINCE | (options if isinstance(options, dict) else {})
    if model["model"] not in kinds.TABLE or not isinstance(options, dict) or set(defaults(model["model"])) - set(model):
        raise ValueError(f"{path} does not name all options of a run: it must come from python -m tinyvae train")
    older, options = "image" not in options, model
    for name, default in defaults(model["model"]).items():
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
