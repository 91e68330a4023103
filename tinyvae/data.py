"""Data: the embedded digits, MNIST and other IDX files, binarisation, splits, two-dimensional sets.

Digits: 1,797 images of 8x8 pixels with 17 grey levels, the test part of "Optical Recognition of
Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998
(https://doi.org/10.24432/C50P49, CC BY 4.0), as shipped by scikit-learn.
"""

import gzip
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from .support.validation import check_choice, check_int, check_number

ENVIRONMENT = "TINYVAE_DATA"  # a folder that holds mnist/*.gz and fashion-mnist/*.gz

FILES = {
    ("train", "images"): "train-images-idx3-ubyte.gz",
    ("train", "labels"): "train-labels-idx1-ubyte.gz",
    ("test", "images"): "t10k-images-idx3-ubyte.gz",
    ("test", "labels"): "t10k-labels-idx1-ubyte.gz",
}
SHA256 = {
    "mnist": {
        ("train", "images"): "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ("train", "labels"): "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ("test", "images"): "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ("test", "labels"): "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion-mnist": {
        ("train", "images"): "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ("train", "labels"): "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ("test", "images"): "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ("test", "labels"): "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}
MIRRORS = {
    "mnist": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
}


# ---- loaders ------------------------------------------------------------------------------------


def load_digits():
    """The 1,797 embedded 8x8 digits (module docstring: source and licence).

    Returns
    -------
    X : float32 ndarray of shape (1797, 64), in [0, 1] in steps of 1/16
    y : int64 ndarray of shape (1797,), the classes 0 to 9

    Examples
    --------
    >>> X, y = load_digits()
    >>> print(X.shape, X.min(), X.max(), y[:5])
    (1797, 64) 0.0 1.0 [0 1 2 3 4]
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as npz:
        return npz["X"].astype(np.float32) / 16, npz["y"].astype(np.int64)  # so that -1 can stand for unknown


def load_mnist(split="train", path=None):
    """MNIST, 28x28 grey pixels: 60,000 training and 10,000 test images (LeCun, Cortes and Burges).

    Looked for in `path` if given; else in $TINYVAE_DATA/mnist, then in a cache, then downloaded
    (11 MB, checksums compared).

    Parameters
    ----------
    split : "train" or "test"
    path : str or Path, optional
        The folder with the original .gz files.

    Returns
    -------
    X : uint8 ndarray of shape (N, 784), pixels 0 to 255
    y : int64 ndarray of shape (N,)

    Raises
    ------
    OSError
        If the files are nowhere; the message says which to put where.
    ValueError
        If a file is damaged or `split` is unknown.
    """
    return _load_idx_set("mnist", split, path)


def load_fashion_mnist(split="train", path=None):
    """Fashion-MNIST, in the format of MNIST: ten kinds of clothing (arXiv:1708.07747, MIT licence).

    Parameters, return values and errors are those of `load_mnist`; the folder is fashion-mnist.
    """
    return _load_idx_set("fashion-mnist", split, path)


def _load_idx_set(dataset, split, path):
    check_choice("split", split, ("train", "test"))
    X = load_idx(_find(dataset, (split, "images"), path))
    y = load_idx(_find(dataset, (split, "labels"), path))
    if X.ndim != 3 or y.ndim != 1 or len(X) != len(y):
        raise ValueError(f"{dataset} {split} must be images (N, h, w) with labels (N,), got {X.shape} and {y.shape}")
    return X.reshape(len(X), -1), y.astype(np.int64)


IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def load_idx(path):
    """Any IDX file, raw or gzipped, as an array; the format of the original MNIST files.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray of the shape and type that the header states, in native byte order

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the magic number, the dimensions or the length are wrong.
    """
    path = Path(path)
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file ({error}): fetch it again") from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES or raw[3] == 0:
        wanted = "0, 0, a type in 08 09 0b 0c 0d 0e, the number of dimensions"
        raise ValueError(f"{path} is not an IDX file: its first bytes must be {wanted}; got {raw[:4].hex(' ')}")
    dtype, header = np.dtype(IDX_TYPES[raw[2]]), 4 + 4 * raw[3]
    if len(raw) < header:
        raise ValueError(f"{path} is cut off in its header: wanted {header} bytes, got {len(raw)}: fetch it again")
    shape = struct.unpack(f">{raw[3]}I", raw[4:header])
    length = header + dtype.itemsize
    for n in shape:  # in Python integers, which cannot overflow as the header could make them
        length = header + (length - header) * n
    if len(raw) != length:
        raise ValueError(f"{path} must be {length} bytes long for shape {shape}, got {len(raw)}: fetch it again")
    try:
        return np.frombuffer(raw, dtype, offset=header).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # more dimensions or larger ones than NumPy has
        raise ValueError(f"{path} states the shape {shape}, which is no array ({error}): fetch it again") from None


def _find(dataset, part, path):
    """The file's path: in `path`, else under $TINYVAE_DATA, else in the cache, else downloaded."""
    name = FILES[part]
    if path is not None:
        if not (Path(path) / name).is_file():
            raise FileNotFoundError(f"{path} must be a folder that holds {name} of {dataset}: put it there, or leave path out")
        return Path(path) / name
    if os.environ.get(ENVIRONMENT):
        file = Path(os.environ[ENVIRONMENT]) / dataset / name
        if file.is_file():
            return file
    return _download(dataset, part)


def _download(dataset, part):
    """The file in the cache, fetched first if need be; a file with a wrong checksum never stays there."""
    import logging

    import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel(logging.WARNING)
    cache, name, failures = pooch.os_cache("tinyvae") / dataset, FILES[part], []
    for mirror in MIRRORS[dataset]:
        try:
            downloader = pooch.HTTPDownloader(timeout=30)
            known = "sha256:" + SHA256[dataset][part]
            return Path(pooch.retrieve(mirror + name, known, name, cache, downloader=downloader))
        except (RequestException, ValueError, OSError) as error:  # no network, wrong checksum, full disk
            failures.append(f"{mirror}: {type(error).__name__}: {str(error).splitlines()[0]}")
    names = ", ".join(FILES.values())
    raise OSError(
        f"{dataset} could not be downloaded ({'; '.join(failures)}). Without a network, put {names} "
        f"into a folder {dataset} and set {ENVIRONMENT} to the folder that holds it"
    )


# ---- preparing data -------------------------------------------------------------------------------


def binarize(X, rng):
    """Binary pixels: 1 with probability x, else 0; x is the grey value in [0, 1].

    Parameters
    ----------
    X : ndarray, floats in [0, 1], or uint8 pixels 0 to 255
    rng : numpy.random.Generator or int

    Returns
    -------
    ndarray of the shape of X, float32 (float64 if X is), of zeros and ones

    Raises
    ------
    ValueError
        If floats lie outside [0, 1].

    Examples
    --------
    >>> print(binarize(np.array([0.0, 1.0, 0.0]), rng=0))
    [0. 1. 0.]
    """
    X = np.asarray(X)
    if X.dtype.kind not in "buif":
        raise TypeError(f"X must hold real numbers, got dtype {X.dtype}")
    dtype = np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
    u = np.random.default_rng(rng).random(X.shape, dtype=dtype)
    if X.dtype == np.uint8:
        return (255 * u < X).astype(dtype)
    if X.size and not (X.min() >= 0 and X.max() <= 1):
        raise ValueError(f"X must lie in [0, 1], got values from {X.min():g} to {X.max():g}: divide pixels by 255")
    return (u < X).astype(dtype)


def train_test_split(X, y=None, *, test_size=0.2, seed=0):
    """Split rows at random, by a seed.

    Parameters
    ----------
    X : ndarray of shape (N, ...)
    y : ndarray of shape (N,), optional
    test_size : float in (0, 1), the share of the test rows
    seed : int

    Returns
    -------
    X_train, X_test, or X_train, X_test, y_train, y_test if y is given

    Examples
    --------
    >>> a, b = train_test_split(np.arange(10), test_size=0.3)
    >>> len(a), len(b), sorted([*a, *b]) == list(range(10))
    (7, 3, True)
    """
    share, X = check_number("test_size", test_size, above=0, below=1), np.asarray(X)
    if y is not None and len(y) != len(X):
        raise ValueError(f"y must have as many rows as X, {len(X)}, got {len(y)}")
    n_test = round(share * len(X))
    if not 0 < n_test < len(X):
        raise ValueError(f"test_size {share} of {len(X)} rows leaves one part empty: give more rows")
    order = np.random.default_rng(check_int("seed", seed, 0)).permutation(len(X))
    test, train = order[:n_test], order[n_test:]
    parts = X[train], X[test]
    return parts if y is None else (*parts, np.asarray(y)[train], np.asarray(y)[test])


def synthetic(name, n=1000, seed=0):
    """Two-dimensional sets for figures, about one unit wide: "ring", "pinwheel" or "banana".

    Returns
    -------
    X : float64 ndarray of shape (n, 2)

    Examples
    --------
    >>> X = synthetic("ring", 500)
    >>> print(X.shape, np.hypot(*X.T).mean().round(1))
    (500, 2) 1.0
    """
    check_choice("name", name, ("ring", "pinwheel", "banana"))
    rng = np.random.default_rng(check_int("seed", seed, 0))
    a, b = rng.standard_normal((2, check_int("n", n, 1)))
    if name == "banana":  # a Gaussian bent along a parabola
        return np.stack([a, 0.5 * a**2 - 0.5 + 0.2 * b], axis=1)
    if name == "ring":
        angle, radius = rng.uniform(0, 2 * np.pi, n), 1 + 0.1 * a
    else:  # five arms, turned the further the longer they are
        radius = 1 + 0.3 * a
        angle = 2 * np.pi * rng.integers(5, size=n) / 5 + 0.1 * b + 1.2 * radius
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
