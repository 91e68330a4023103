"""Frames between the judge and a student's code: a JSON header and the raw bytes of its arrays, never pickle.

The parent imports this file; for the child its text is the first part of the program. The child is an adversary: all that the
parent reads is bounded, and whatever is malformed raises a ValueError, TypeError, KeyError, OverflowError or RecursionError.

A frame is two u32 lengths, the header, the bytes. In a header, None, bool, int, float, str and lists stand as they are, all
else under one tag: {"t": [..]} a tuple, {"d": {..}} a dict, {"a": [dtype, shape]} an array, "r" one that is read-only, "s" a NumPy
scalar, {"g": state} a generator, {"n": {..}} a namespace, {"f": number} a function of the parent, {"own": name} one of the student's
module, {"h": [number, type, items]} what stays in the child. Arrays take their bytes from the frame in the order of the header.
"""

import json
import math
import struct
import types

import numpy as np

HEAD, BODY = 1 << 22, 1 << 26  # bytes of a header and of its arrays, at most
DEEP = 20  # nesting; what is deeper stays in the child
DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
FAR = 1 << 40  # draws of a generator during one call, at most: a state that was chosen is farther away


def frame(header, parts):
    """A frame's bytes.

    Raises
    ------
    ValueError
        If it is larger than a frame may be.
    """
    head = json.dumps(header).encode()
    body = b"".join(parts)
    if len(head) > HEAD or len(body) > BODY:
        raise ValueError(f"too large to be handed on: {len(head) + len(body)} bytes, at most {HEAD} of lists and words and {BODY} of arrays")
    return struct.pack("<II", len(head), len(body)) + head + body


def receive(read):
    """(header, body) of the next frame; read(n) gives exactly n bytes."""
    head, body = struct.unpack("<II", read(8))
    if head > HEAD or body > BODY:
        raise ValueError("a frame that is too large")
    header, body = json.loads(read(head)), read(body)
    if not isinstance(header, dict):
        raise TypeError("a header that is no dict")
    return header, body


class Writer:
    """Makes a header's nodes of values and gathers the bytes of the arrays.

    Parameters
    ----------
    other : function
        (writer, value, depth) -> node of what has no form of its own here.
    """

    def __init__(self, other):
        self.other, self.parts, self.lent = other, [], []  # lent: arrays and generators, which the other side may change in place

    def node(self, value, deep=0):
        """The node of a value; TypeError for complex numbers and for what `other` refuses."""
        if deep > DEEP:
            return self.other(self, value, deep)
        if isinstance(value, np.generic):
            return self.scalar(value, deep)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.ndarray):
            return self.array(value, deep)
        if isinstance(value, np.random.Generator):
            return self.generator(value)
        if isinstance(value, list):
            return [self.node(item, deep + 1) for item in value]
        if type(value) is tuple:
            return {"t": [self.node(item, deep + 1) for item in value]}
        if isinstance(value, dict) and all(type(key) is str for key in value):
            return {"d": {key: self.node(item, deep + 1) for key, item in value.items()}}
        if isinstance(value, complex):
            raise TypeError("a complex number cannot be handed on: take its .real or .imag")
        return self.other(self, value, deep)

    def scalar(self, value, deep):
        """A NumPy number keeps its type; its words are words."""
        node = str(value) if value.dtype.kind == "U" else self.array(np.array(value), deep, lend=False)
        return {"s": node["a"][0]} if isinstance(node, dict) and "a" in node else node

    def array(self, value, deep, lend=True):
        """An array of numbers, in little-endian C order; a subclass goes as the plain array that it holds."""
        plain = np.asarray(value)
        if plain.dtype.kind == "c":
            raise TypeError("an array of complex numbers cannot be handed on: take its .real or .imag")
        if plain.dtype.kind not in "biuf":
            return self.other(self, value, deep)
        self.lent += [value] * lend
        dtype = np.dtype("<f8") if plain.dtype.itemsize > 8 else plain.dtype.newbyteorder("<")
        self.parts.append(plain.astype(dtype, copy=False).tobytes())
        return {"a" if plain.flags.writeable else "r": [dtype.str, list(plain.shape)]}

    def generator(self, value):
        """A random generator, by its state; TypeError for another than PCG64."""
        state = value.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise TypeError(f"a generator must be a PCG64, as np.random.default_rng makes it, got {state['bit_generator']}")
        self.lent.append(value)
        return {"g": [state["state"]["state"], state["state"]["inc"], state["has_uint32"], state["uinteger"]]}

    def changes(self, borrowed):
        """[number, node] of all arrays and generators that are no longer as they came."""
        return [[number, self.flat(thing)] for number, (thing, before) in enumerate(borrowed) if mark(thing) != before]

    def flat(self, thing):
        """The node of an array as one row, or of a generator."""
        return self.array(thing.reshape(-1), 0) if isinstance(thing, np.ndarray) else self.generator(thing)


class Reader:
    """Makes values of nodes.

    Parameters
    ----------
    body : bytes
        The arrays of the frame.
    other : function
        (reader, tag, inside, depth) -> value of "n", "f", "own" and "h".
    """

    def __init__(self, body, other):
        self.body, self.at, self.other = body, 0, other
        self.borrowed = []  # (array or generator, its mark as it came)

    def value(self, node, deep=0):
        """The value of a node; ValueError, TypeError, KeyError or OverflowError for what is none."""
        if deep > DEEP + 1:
            raise ValueError("nested too deep")
        if isinstance(node, str):
            return words(node, HEAD)
        if node is None or isinstance(node, (bool, int, float)):
            return node
        if isinstance(node, list):
            return [self.value(item, deep + 1) for item in node]
        ((tag, inside),) = node.items()
        if tag == "t":
            return tuple([self.value(item, deep + 1) for item in inside])
        if tag == "d":
            return {words(key, HEAD): self.value(item, deep + 1) for key, item in inside.items()}
        if tag == "s":
            return self.array(inside, [])[()]
        if tag == "g":
            return self.borrow(generator(*inside))
        if tag in ("a", "r"):
            array = self.array(*inside)
            array.flags.writeable = tag == "a"
            return self.borrow(array)
        return self.other(self, tag, inside, deep)

    def borrow(self, thing):
        """Remember how a thing came that may be changed in place."""
        self.borrowed.append((thing, mark(thing)))
        return thing

    def array(self, dtype, shape):
        """The next array of the body: bytes are used once, so a frame's arrays take no more memory than the frame."""
        if dtype not in DTYPES or not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("no array")
        itemsize = np.dtype(dtype).itemsize
        if math.prod(max(n, 1) for n in shape) * itemsize > BODY:  # an empty array is not wide either
            raise ValueError("an array that is too large")
        end = self.at + math.prod(shape) * itemsize
        if end > len(self.body):
            raise ValueError("an array without its bytes")
        part, self.at = self.body[self.at : end], end
        return np.frombuffer(part, dtype).reshape(shape).astype(np.dtype(dtype).newbyteorder("="))

    def take_back(self, lent, changed):
        """Do to what was lent what the other side did to it in place."""
        for number, node in changed:
            thing, new = lent[number], self.value(node)
            if isinstance(thing, np.ndarray) and isinstance(new, np.ndarray):
                thing[...] = new.reshape(thing.shape)
            else:
                advance(thing, new.bit_generator.state)


def words(text, most):
    """A text of at most so many characters, each of which can be written to a file."""
    return text[:most].encode("utf-8", "replace").decode("utf-8")


def mark(thing):
    """What tells whether an array or a generator has changed."""
    return thing.tobytes() if isinstance(thing, np.ndarray) else thing.bit_generator.state


def generator(state, inc, has_uint32, uinteger):
    """A PCG64 generator in a state, each number of which is bounded."""
    for number, bits in ((state, 128), (inc, 128), (has_uint32, 1), (uinteger, 32)):
        if type(number) is not int or not 0 <= number < 1 << bits:
            raise ValueError("no state of a generator")
    made = np.random.Generator(np.random.PCG64(0))
    made.bit_generator.state = {"bit_generator": "PCG64", "state": {"state": state, "inc": inc}, "has_uint32": has_uint32, "uinteger": uinteger}
    return made


def advance(rng, new):
    """Bring a generator to a state that drawing from it leads to; ValueError for one that was made up."""
    old, to = rng.bit_generator.state["state"], new["state"]
    if old["inc"] != to["inc"] or steps(old["state"], to["state"], to["inc"]) > FAR:
        raise ValueError("a state that no draws lead to")
    rng.bit_generator.state = new


def steps(state, to, inc):
    """How many draws lead from one state of a PCG64 to another, bit by bit of that number."""
    count, bit, factor, whole = 0, 1, 0x2360ED051FC65DA44385DF649FCCF645, (1 << 128) - 1
    while state != to and bit <= whole:
        if (state ^ to) & bit:
            state, count = (state * factor + inc) & whole, count | bit
        bit, inc, factor = bit << 1, (factor + 1) * inc & whole, factor * factor & whole
    return count


def namespace(reader, inside, deep):
    """A namespace of what its nodes hold."""
    return types.SimpleNamespace(**{words(key, 100): reader.value(item, deep + 1) for key, item in inside.items()})
