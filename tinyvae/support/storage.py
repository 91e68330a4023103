"""Files that are whole or not there: written beside, then renamed into place; read without running code."""

import contextlib
import json
import math
import os
import struct
from pathlib import Path

import numpy as np

FORMAT, VERSION, READABLE = "tinyvae", 2, (1, 2)  # 1: no class, always a VAE


@contextlib.contextmanager
def replacing(path):
    """A path beside `path` to write to; renamed onto `path` when the block ends well, else removed."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: the folder {path.parent} does not exist, make it first")
    beside = path.with_name(f".{path.stem}.{os.urandom(4).hex()}.part{path.suffix}")  # its own, if two write at once
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path, text):
    """Write a text file whole."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def alone(folder):
    """Hold a folder's lock, an open file which the system closes with the process, however that ends."""
    with open(Path(folder) / ".lock", "a", encoding="utf-8") as file:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise BlockingIOError(f"a run is going on in {folder}: wait for its end, or choose another folder") from None
        except OSError:  # a file system without locks, as some networks have
            pass
        yield


def finite(value):
    """value with None for every number that is none, NaN or infinity: JSON has null alone for them."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(value, **options):
    """JSON by its standard, with null where there is no number."""
    return json.dumps(finite(value), allow_nan=False, **options)


def model_meta(model):
    """What a file must say of a model beside theta: its class, its configuration, the epochs that it has had."""
    config = model.config
    try:
        same = type(model)(**config).shapes == model.shapes
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise TypeError(f"{type(model).__name__} cannot be made again from its own arguments {config}: {error}") from error
    if not same or model.theta.dtype != model.dtype:
        raise TypeError(f"{type(model).__name__} made again from its arguments {config} has other shapes: keep each argument as it was given")
    return {"class": type(model).__name__, "config": config, "epoch": model.epoch}


def plain(value):
    """A constructor's argument as JSON can hold it: arrays' types by name, their numbers as Python's, tuples as lists."""
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, np.generic):
        return value.item()
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def write_npz(path, meta, arrays):
    """Write arrays and a JSON-able dict `meta` as one npz file, whole."""
    try:
        meta = json.dumps({"format": FORMAT, "version": VERSION, **meta}, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"all numbers beside the arrays must be finite to be kept in {path}: {error}, take None instead") from None
    odd = [name for name, array in arrays.items() if np.asarray(array).dtype.hasobject]
    if odd:
        raise TypeError(f"{odd[0]} must be an array of numbers to be kept in {path}, got {arrays[odd[0]]!r}: such a file could not be read")
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez(file, meta=np.array(meta), **arrays)


def read_arrays(path, wanted):
    """The arrays of an npz file as a dict, None for those that are not wanted: they are not even unpacked.

    Pickled objects, which could run code, are refused.

    Parameters
    ----------
    path : str or Path
    wanted : tuple of str, names of arrays, or what stands before the first dot in them

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is damaged or no npz file.
    """
    import lzma  # these three here, because a fifth of the time to import the package would be theirs
    import zipfile
    import zlib

    damaged = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError, RuntimeError, SyntaxError)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as npz:
            return {name: npz[name] if name.partition(".")[0] in wanted else None for name in npz.files}
    except (*damaged, lzma.LZMAError, struct.error, AttributeError, TypeError) as error:  # a bare array has no names, an odd header no type
        raise ValueError(f"{path} is damaged or not an npz file of plain arrays ({type(error).__name__}): make it again") from None


def read_npz(path):
    """What `write_npz` wrote, as (meta, arrays). Nothing in the file is ever executed.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If the file is damaged, foreign, or of another format version.
    """
    arrays = read_arrays(path, wanted=("meta", "theta", "optimizer"))
    try:
        meta = json.loads(str(arrays.pop("meta")))
        form, version = meta["format"], meta["version"]
    except (KeyError, TypeError, ValueError, RecursionError):
        form = None
    if form != FORMAT:
        raise ValueError(f"{path} is not a tinyvae file: it has no meta entry that names the format {FORMAT!r}")
    if version is True or version not in READABLE:
        raise ValueError(
            f"{path} has format version {version!r}, this tinyvae reads versions {READABLE}: "
            "train again, or load it with the tinyvae that wrote it"
        )
    return meta, arrays
