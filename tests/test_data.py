"""Layer 4, data: IDX files whole and damaged, the download against a local server, splits and sets."""

import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyvae import (
    binarize,
    data,
    load_digits,
    load_fashion_mnist,
    load_idx,
    load_mnist,
    synthetic,
    train_test_split,
)

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx_bytes(array, code=0x08):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.astype(DTYPES[code]).tobytes()


@given(
    code=st.sampled_from(sorted(DTYPES)), shape=st.lists(st.integers(0, 4), min_size=1, max_size=4), zipped=st.booleans()
)
def test_idx_round_trip(tmp_path_factory, code, shape, zipped):
    path = tmp_path_factory.mktemp("idx") / "a"
    array = np.arange(np.prod(shape)).reshape(shape).astype(DTYPES[code])
    raw = idx_bytes(array, code)
    path.write_bytes(gzip.compress(raw, mtime=0) if zipped else raw)
    read = load_idx(path)
    assert read.dtype.isnative and read.dtype == array.dtype.newbyteorder("=") and np.array_equal(read, array)


GOOD = idx_bytes(np.arange(24).reshape(2, 3, 4))


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"", "not an IDX file"),
        (b"\x89PNG....", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\1a", "not an IDX file"),
        (b"\0\0\x08\0", "not an IDX file"),
        (GOOD[:9], "cut off in its header"),
        (GOOD[:-1], "must be 40 bytes long for shape .2, 3, 4., got 39"),
        (GOOD + b"x", "got 41"),
        (b"\0\0\x0e\x04" + b"\xff" * 16, "bytes long"),
        (gzip.compress(GOOD, mtime=0)[:-9], "damaged gzip"),
        (gzip.compress(GOOD, mtime=0)[:12] + b"\xff\xff" + gzip.compress(GOOD, mtime=0)[14:], "damaged gzip"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, raw, message):
    path = tmp_path / "damaged-idx"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message) as error:
        load_idx(path)
    assert "damaged-idx" in str(error.value)


def test_a_missing_idx_file_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        load_idx(tmp_path / "nothing")


# ---- looked up, cached, downloaded ----------------------------------------------------------------


def small_set(n=5):
    images, labels = np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2), np.arange(n, dtype=np.uint8)
    return {
        name: gzip.compress(idx_bytes(images if "images" in name else labels), mtime=0) for name in data.FILES.values()
    }


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A local server in place of the mirrors; `served.answer` says how it behaves."""
    pooch = pytest.importorskip("pooch")
    files = small_set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            body = files.get(self.path.rsplit("/", 1)[-1])
            if server.answer == "404" or body is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if server.answer == "cut off":
                body = body[: len(body) // 2]
            if server.answer == "wrong":
                body = bytes(reversed(body))
            self.wfile.write(body)
            self.close_connection = True
            return None

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.asked, server.cache = "good", [], tmp_path / "cache"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv(data.ENVIRONMENT, raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: server.cache)
    monkeypatch.setitem(data.MIRRORS, "mnist", (f"http://127.0.0.1:{server.server_port}/",))
    sums = {part: hashlib.sha256(files[name]).hexdigest() for part, name in data.FILES.items()}
    monkeypatch.setitem(data.SHA256, "mnist", sums)
    yield server
    server.shutdown()
    server.server_close()


def cached(server):
    return [path for path in server.cache.rglob("*") if path.is_file()]


def test_download_then_cache(served):
    X, y = load_mnist("train")
    assert X.shape == (5, 4) and X.dtype == np.uint8 and list(y) == [0, 1, 2, 3, 4]
    assert len(served.asked) == 2 and len(cached(served)) == 2
    served.answer = "404"
    assert np.array_equal(load_mnist("train")[0], X) and len(served.asked) == 2


@pytest.mark.parametrize("answer", ["wrong", "cut off", "404"])
def test_a_bad_download_says_what_to_do_and_leaves_no_file(served, answer):
    served.answer = answer
    with pytest.raises(OSError, match="TINYVAE_DATA") as error:
        load_mnist("train")
    assert "train-images-idx3-ubyte.gz" in str(error.value) and "folder mnist" in str(error.value)
    assert cached(served) == []
    served.answer = "good"
    assert load_mnist("train")[0].shape == (5, 4)


def test_a_refused_connection_says_what_to_do(served, monkeypatch):
    served.shutdown()
    served.server_close()
    with pytest.raises(OSError, match="Without a network, put"):
        load_mnist("test")
    assert cached(served) == []


def test_the_second_mirror_is_tried(served, monkeypatch):
    good = data.MIRRORS["mnist"]
    monkeypatch.setitem(data.MIRRORS, "mnist", (good[0] + "nowhere/x/", *good))
    served.answer = "good"
    data.MIRRORS["mnist"] = ("http://127.0.0.1:9/", *good)
    assert load_mnist("train")[0].shape == (5, 4)


def test_path_then_environment_then_cache(served, tmp_path, monkeypatch):
    def write(folder, n):
        folder.mkdir(parents=True)
        for name, body in small_set(n).items():
            (folder / name).write_bytes(body)

    write(tmp_path / "given", 3)
    write(tmp_path / "env" / "mnist", 4)
    write(tmp_path / "env" / "fashion-mnist", 6)
    monkeypatch.setenv(data.ENVIRONMENT, str(tmp_path / "env"))
    assert len(load_mnist("train", path=tmp_path / "given")[0]) == 3
    assert len(load_mnist("train")[0]) == 4
    assert len(load_fashion_mnist("test")[0]) == 6
    monkeypatch.delenv(data.ENVIRONMENT)
    assert len(load_mnist("train")[0]) == 5
    with pytest.raises(OSError):
        load_mnist("train", path=tmp_path / "empty")


def test_checksums_are_sha256():
    for sums in data.SHA256.values():
        assert set(sums) == set(data.FILES)
        assert all(len(one) == 64 and int(one, 16) >= 0 for one in sums.values())


def test_mnist_itself_where_it_is(monkeypatch):
    import os
    from pathlib import Path

    folder = Path(os.environ.get(data.ENVIRONMENT, "")) / "mnist"
    if not os.environ.get(data.ENVIRONMENT) or not folder.is_dir():
        pytest.skip("needs MNIST in the folder that TINYVAE_DATA names")
    for part, name in data.FILES.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == data.SHA256["mnist"][part]
    X, y = load_mnist("test")
    assert X.shape == (10_000, 784) and X.dtype == np.uint8 and set(y) == set(range(10))


def test_unknown_split():
    with pytest.raises(ValueError, match="split must be one of train, test; got 'valid'"):
        load_mnist("valid")


# ---- digits, binarisation, splits, sets ------------------------------------------------------------


def test_digits_are_those_of_scikit_learn():
    sklearn_digits = pytest.importorskip("sklearn.datasets").load_digits()
    X, y = load_digits()
    assert np.array_equal(16 * X, sklearn_digits.data) and np.array_equal(y, sklearn_digits.target)


def test_binarize_draws_with_the_grey_value_as_probability():
    X = np.full((100_000, 1), 0.3, np.float32)
    B = binarize(X, np.random.default_rng(0))
    assert B.dtype == np.float32 and set(np.unique(B)) == {0, 1}
    assert abs(B.mean() - 0.3) < 4 * np.sqrt(0.21 / len(X))
    pixels = binarize(np.full((100_000, 1), 51, np.uint8), 0)
    assert abs(pixels.mean() - 0.2) < 4 * np.sqrt(0.16 / 100_000)
    assert binarize(np.array([[0, 255]], np.uint8), 3).tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="divide pixels by 255"):
        binarize(X * 255, 0)
    with pytest.raises(TypeError, match="real numbers"):
        binarize(X.astype(complex), 0)


@given(n=st.integers(2, 200), share=st.floats(0.05, 0.95), seed=st.integers(0, 2**31))
def test_split_is_a_partition_and_repeatable(n, share, seed):
    if not 0 < round(share * n) < n:
        return
    X, y = np.arange(n)[:, None], np.arange(n)
    first = train_test_split(X, y, test_size=share, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(first, train_test_split(X, y, test_size=share, seed=seed)))
    X_train, X_test, y_train, y_test = first
    assert sorted([*y_train, *y_test]) == list(range(n)) and len(X_test) == round(share * n)
    assert np.array_equal(X_train[:, 0], y_train) and np.array_equal(X_test[:, 0], y_test)


@pytest.mark.parametrize("name", ["ring", "pinwheel", "banana"])
def test_synthetic_sets_are_seeded_and_about_one_unit_wide(name):
    X = synthetic(name, 2000, seed=1)
    assert X.shape == (2000, 2) and np.array_equal(X, synthetic(name, 2000, seed=1))
    assert not np.array_equal(X, synthetic(name, 2000, seed=2))
    assert 0.5 < X.std(0).max() < 2 and np.abs(X.mean(0)).max() < 0.2
    with pytest.raises(ValueError, match="ring, pinwheel, banana"):
        synthetic("moons")
