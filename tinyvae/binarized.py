"""The fixed binarised MNIST on which the literature compares binary models (Larochelle and Murray, AISTATS 2011).

Every pixel was drawn once, 1 with the probability of its grey value, and kept: a log-likelihood on these bits can be compared between
papers. One on pixels that are drawn anew in every epoch, or cut at 1/2, cannot: it belongs to other data.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from .data import ENVIRONMENT
from .support.storage import read_arrays
from .support.validation import check_choice

FOLDER = "binarized-mnist"  # below the one that $TINYVAE_DATA names; the files may also stand in that one itself
PACKED = "binarized_mnist_fixed_packed.npz"  # arrays train, valid and test, each np.packbits(bits, axis=1)
ADDRESS = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
ROWS, PIXELS = {"train": 50_000, "valid": 10_000, "test": 10_000}, 784
SHA256 = {  # of the bits of a split, a byte each, row by row: the same for either form of file
    "train": "43490d4d6ac9002727af4426d8748609fdb7e4094fa65ad8d681ea60082a7a5a",
    "valid": "069b4f0beb389b776478c3e872b4df71c95ac4be64d7cbe6d32e24ebac8e6d5e",
    "test": "ca0294c3b8d984c7a1dc891015a8eea6f37bae59a34e35ea0fc8c47110a8dd86",
}


def load_binarized_mnist(split="train", path=None):
    """The fixed binarised MNIST: 50,000 rows for training, 10,000 for validation, 10,000 for test.

    Looked for in `path` if given; else in $TINYVAE_DATA/binarized-mnist and in $TINYVAE_DATA. Nothing is downloaded.
    The test rows are sorted by class: shuffle them before you take the first thousand.

    Parameters
    ----------
    split : "train", "valid" or "test"
    path : str or Path, optional
        The folder with the original text files, `binarized_mnist_train.amat` and so on, or with one npz file of packed bits.

    Returns
    -------
    X : float32 ndarray of shape (N, 784), zeros and ones; there are no labels, and the rows are not in the order of MNIST

    Raises
    ------
    OSError
        If the files are nowhere; the message says which to put where.
    ValueError
        If a file holds other bits, or `split` is unknown.
    """
    check_choice("split", split, ROWS)
    file = _find(split, path)
    bits = _unpacked(file, split) if file.suffix == ".npz" else _text(file)
    wanted = ROWS[split], PIXELS
    if bits.size != ROWS[split] * PIXELS:
        raise ValueError(f"{file} must hold {wanted} bits of the split {split!r}, got {bits.size} bits: fetch it again")
    if hashlib.sha256(bits.tobytes()).hexdigest() != SHA256[split]:
        raise ValueError(f"{file} must hold the bits of the split {split!r} whose SHA-256 sum is known, got others: fetch it again")
    return bits.reshape(wanted).astype(np.float32)


def _find(split, path):
    """The file's path: in `path`, else below $TINYVAE_DATA; the text file first."""
    text, root = f"binarized_mnist_{split}.amat", os.environ.get(ENVIRONMENT)
    folders = [Path(path)] if path is not None else [Path(root) / FOLDER, Path(root)] if root else []
    for file in (folder / name for folder in folders for name in (text, PACKED)):
        if file.is_file():
            return file
    where = f"{path} must be a folder that holds" if path is not None else f"the fixed binarised MNIST is nowhere: {ENVIRONMENT} must name a folder that holds"
    raise FileNotFoundError(f"{where} {text} or {PACKED}. The text file is published at {ADDRESS}{text}: fetch it and put it there")


def _unpacked(file, split):
    packed = read_arrays(file, wanted=(split,)).get(split)
    if packed is None or packed.dtype != np.uint8 or packed.shape[1:] != (PIXELS // 8,):
        raise ValueError(f"{file} must hold an array {split} of packed bits, uint8 of shape ({ROWS[split]}, {PIXELS // 8}): make it again")
    return np.unpackbits(packed, axis=1)


def _text(file):
    """The bits of a text file, a byte each: digits 0 and 1 between blanks."""
    signs = np.frombuffer(file.read_bytes(), np.uint8)
    bits = signs[signs > ord(" ")] - ord("0")
    if bits.size and bits.max() > 1:
        raise ValueError(f"{file} must hold zeros and ones between blanks, got another sign: fetch it again")
    return bits
