"""Frames that are no answers, by what is wrong with them."""

import json
import struct
import sys

import numpy as np

from tinyvae.course.wire import frame

STATE, INC = np.random.default_rng(0).bit_generator.state["state"].values()  # of the generator that was lent


def answer(node, body=b"", **more):
    return frame({"n": 1, "value": node, "changed": [], **more}, [body])


def raw(head, body=b""):
    return struct.pack("<II", len(head), len(body)) + head + body


FORGED = {
    "4 GB": struct.pack("<II", 2**32 - 1, 2**32 - 1),
    "65 MB of arrays": struct.pack("<II", 2, 65 << 20) + b"{}",
    "half a frame": answer(1)[:-3],
    "half a length": b"\1\2",
    "nothing": b"",
    "no JSON": raw(b"{nope"),
    "no UTF-8": raw(b'{"n": "\xff\xfe"}'),
    "a list": raw(b"[1]"),
    "no number": raw(b'{"value": 1, "changed": []}'),
    "another number": answer(1, n=7),
    "no value": frame({"n": 1, "changed": []}, []),
    "no changes": frame({"n": 1, "value": 1}, []),
    "a million lists": raw(b'{"n": 1, "changed": [], "value": ' + b"[" * 10**6 + b"]" * 10**6 + b"}"),
    "30 lists": answer(json.loads("[" * 30 + "]" * 30)),
    "a long number": raw(b'{"n": 1, "changed": [], "value": ' + b"9" * 10**6 + b"}") if sys.version_info >= (3, 11) else b"",
    "NaN as shape": answer({"a": ["<f8", [float("nan")]]}),
    "a float as shape": answer({"a": ["<f8", [1.0]]}, bytes(8)),
    "a negative shape": answer({"a": ["<f8", [-1]]}, bytes(8)),
    "True as shape": answer({"a": ["<f8", [True]]}, bytes(8)),
    "a shape that is a word": answer({"a": ["<f8", "11"]}, bytes(8)),
    "a huge shape": answer({"a": ["<f8", [2**40, 2**40]]}),
    "an empty, wide shape": answer({"a": ["<f8", [0, 2**40]]}),
    "a hundred axes": answer({"a": ["<f8", [1] * 100]}, bytes(8)),
    "bytes that are not there": answer({"a": ["<f8", [2]]}, bytes(8)),
    "one array twice": answer([{"a": ["<f8", [1]]}] * 2, bytes(8)),
    "objects": answer({"a": ["|O", [1]]}, bytes(8)),
    "complex": answer({"a": ["<c16", [1]]}, bytes(16)),
    "a record": answer({"a": ["V8", [1]]}, bytes(8)),
    "a dtype that is a list": answer({"a": [["<f8"], [1]]}, bytes(8)),
    "an unknown tag": answer({"z": 1}),
    "two tags": answer({"t": [], "d": {}}),
    "no tag": answer({}),
    "a name of its own": answer({"own": "f"}),
    "a namespace": answer({"n": {"__class__": 1}}),
    "a function that nobody handed over": answer({"f": 0}),
    "a function as a list": answer({"f": []}),
    "an object without a number": answer({"h": ["x", "T", None]}),
    "an object without a name": answer({"h": [1, 2, None]}),
    "an object of too few": answer({"h": [1]}),
    "a tuple of a number": answer({"t": 5}),
    "a dict of a list": answer({"d": [1]}),
    "a state too large": answer({"g": [1 << 128, 1, 0, 0]}),
    "a state of words": answer({"g": ["a", 1, 0, 0]}),
    "a change of what was not lent": answer(1, changed=[[5, {"a": ["<f8", [1]]}]]),
    "a change of another size": answer(1, bytes(8), changed=[[0, {"a": ["<f8", [1]]}]]),
    "a change by no array": answer(1, changed=[[0, 3]]),
    "a state that was chosen": answer(1, changed=[[1, {"g": [5, INC, 0, 0]}]]),
    "a state of another stream": answer(1, changed=[[1, {"g": [STATE, INC + 2, 0, 0]}]]),
    "an array for a generator": answer(1, bytes(8), changed=[[1, {"a": ["<f8", [1]]}]]),
    "a question to nobody": frame({"n": 1, "ask": 9, "args": [], "kwargs": {"d": {}}}, []),
    "a question without arguments": frame({"n": 1, "ask": 0}, []),
    "an error of one word": frame({"n": 1, "raised": "x"}, []),
    "an error of numbers": frame({"n": 1, "raised": [1, 2, 3]}, []),
}
