"""Running a pair, and refusing what cannot be checked: each refusal is one sentence with its remedy."""

import numpy as np

from ..support.validation import check_int
from .differences import EPS, as_tuple, norm

SCALES = 1e6, 1e-9  # of a second upstream gradient, beside the first: what clips or drops dout shows at one of them


class Pair:
    """A forward and a backward with an upstream gradient: what they return, checked for all that would make a check mean nothing."""

    def __init__(self, forward, backward, names, wrt, seed=0):
        check_callable("backward", backward, (None, None), "2 arguments: it must take dout and the cache, backward(dout, cache)")
        self.forward, self.backward, self.names, self.wrt = forward, backward, names, wrt
        self.rng = np.random.default_rng([check_int("seed", seed, 0), *b"dout"])  # no stream that inputs are drawn from: x' x would hide a transposed x' dout
        self.douts = self.several = None

    def start(self, inputs):
        """Run forward twice at `inputs`, then draw the upstream gradient, of the shape of its output; returned as one vector."""
        out = output_of(self.forward, self.names, inputs)
        self.several = isinstance(out, tuple)
        self.douts = self._draw(out)
        return np.concatenate([d.ravel() for d in self.douts])

    def _draw(self, out):
        return tuple(self.rng.standard_normal(np.shape(o)) for o in as_tuple(out))

    def gradients(self, inputs):
        """The gradients {index of input: array} that backward returns for the upstream gradient, in a pass of its own."""
        return self._backward(inputs, self.douts)

    def _backward(self, inputs, douts):
        handed = [a.copy() for a in inputs]
        _, cache = self.forward(*handed)
        grads = self._matched(inputs, douts, cache)
        _refuse_changed("backward", self.names, inputs, handed)
        return grads

    def _matched(self, inputs, douts, cache):
        kept = tuple(d.copy() for d in douts)
        grads = self.backward(kept if self.several else kept[0], cache)
        _refuse_changed("backward", ["dout"] * len(kept), douts, kept)
        return _match(grads, self.names, inputs, self.wrt)

    def slack(self, inputs, first):
        """How far backward's own rounding may move its gradients, {index: array}: inputs and dout moved by a rounding or two, and moved back."""
        found = {}
        for _ in range(3):
            moved = [a * (1 + EPS * self.rng.integers(-2, 3, a.shape)) if a.dtype.kind == "f" else a for a in inputs]
            douts = tuple(d * (1 + EPS * self.rng.integers(-2, 3, d.shape)) for d in self.douts)
            for i, grad in self._backward(moved, douts).items():
                found[i] = np.maximum(found.get(i, 0.0), np.abs(grad - first[i]))
        least = 1e-10 * max(norm(d) for d in self.douts)
        return {i: np.where(far <= max(1e-3 * np.abs(first[i]).max(), least), far, 0.0) for i, far in found.items()}  # no jump, as at a tie

    def refuse_noise(self, inputs):
        """The gradients; ValueError if two backward passes differ, each after a forward of its own, or both on one cache."""
        first, second = self.gradients(inputs), self.gradients(inputs)
        if any(not np.array_equal(first[i], second[i]) for i in first):
            raise ValueError("backward is not deterministic: two calls differ. It must use the noise of forward, kept in the cache")
        _, cache = self.forward(*[a.copy() for a in inputs])
        kept = {i: grad.copy() for i, grad in self._matched(inputs, self.douts, cache).items()}
        other = self._matched(inputs, self.douts, cache)
        if any(not np.array_equal(kept[i], other[i]) for i in kept):
            raise ValueError("backward changes its cache: a second call on the same cache differs. Write to a new array instead")
        return first

    def faults(self, inputs, first, sizes):
        """{index of input: what is wrong with its gradient whatever the differences say}: not linear in dout, or not in double precision.

        `sizes`: {index: the slope of an upstream gradient of 1}, beside which rounding is judged.
        """
        found, least = {}, 1e-13 * max(norm(d) for d in self.douts)  # below it a gradient may be rounding alone
        for scale in SCALES:
            others = tuple(scale * d for d in self._draw(self.douts))
            second = self._backward(inputs, others)
            both = self._backward(inputs, tuple(a + b for a, b in zip(self.douts, others)))
            alone = self._backward(inputs, tuple(scale * d for d in self.douts))
            for i, grad in first.items():
                floor = max(1e-11 * sizes.get(i, 0.0), least)
                added = _apart(grad + second[i], both[i], np.abs(grad) + np.abs(second[i]), floor * max(1.0, scale))
                if added or _apart(scale * grad, alone[i], np.abs(alone[i]), floor * scale):
                    found[i] = NOT_LINEAR
        for i, grad in first.items():
            if grad.dtype != np.float64:
                found[i] = f"backward returned {grad.dtype} for float64 inputs: keep the input's dtype"
        return found


NOT_LINEAR = (
    "backward is not linear in dout: the gradients of two upstream gradients must add up (is dout clipped, left out, rounded to float32, or an inner iteration stopped early?)"
)


def _apart(a, b, size, floor):
    """Whether two gradients differ by more than rounding in double precision, given the size of their parts."""
    return bool(np.any(np.abs(a - b) > 1e-9 * size + max(1e-11 * size.max(), floor)))


# ---- inputs ---------------------------------------------------------------------------------------


def input_names(forward, inputs):
    """The names of forward's arguments; TypeError if it cannot be called with so many."""
    signature = check_callable("forward", forward, inputs, f"{len(inputs)} inputs: hand in one value for each argument")
    parameters = signature.parameters.items() if signature else ()
    alone = [name for name, p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [alone[i] if i < len(alone) else f"input {i}" for i in range(len(inputs))]


def check_callable(word, function, args, remedy):
    """The signature of a function, None if it has none to read; TypeError if it is no function, or does not take these arguments."""
    import inspect  # here, because it takes long to import

    if not callable(function):
        raise TypeError(f"{word} must be a function, got {type(function).__name__}: pass the function itself, not its result")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*args)
    except TypeError:
        raise TypeError(f"{word}{signature} cannot be called with {remedy}") from None
    return signature


def as_float64(name, a):
    """An input as an array: floats in float64, whole numbers and booleans, which are data, as they are."""
    if a is None or isinstance(a, (dict, set, str, bytes, np.ma.MaskedArray)) or hasattr(a, "__next__"):
        raise TypeError(f"{name} must be an array of real numbers, got {type(a).__name__}: pass np.array([...]), each array as an input of its own")
    try:
        a = np.array(a)
    except (ValueError, TypeError) as error:
        raise TypeError(f"{name} must be one array of real numbers, got {type(a).__name__} ({error}): pass each part as an input of its own") from None
    if a.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {a.dtype}: convert it with .astype(float), or pass its parts")
    if a.size == 0:
        raise ValueError(f"{name} has shape {a.shape} and holds no number: check at a few rows")
    if not np.isfinite(a).all():
        raise ValueError(f"{name} holds NaN or infinity: check at finite inputs")
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def judged(names, inputs, wrt):
    """The indices of the inputs to be judged: those that `wrt` names, else every one of floats."""
    floats = [i for i, a in enumerate(inputs) if a.dtype.kind == "f"]
    if not floats:
        raise ValueError(f"no input holds floats ({', '.join(map(str, (a.dtype for a in inputs)))}): pass x.astype(float)")
    if wrt is None:
        return floats
    wrt = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    unknown = [name for name in wrt if name not in names]
    if unknown or not wrt:
        raise ValueError(f"wrt must name some of {', '.join(names)}, got {', '.join(map(str, unknown)) or 'nothing'}")
    whole = [name for name in wrt if names.index(name) not in floats]
    if whole:
        raise ValueError(f"{whole[0]} has dtype {inputs[names.index(whole[0])].dtype} and cannot be differentiated: pass floats")
    return sorted(names.index(name) for name in wrt)


# ---- what a function returns -----------------------------------------------------------------------


def output_of(forward, names, inputs):
    """The output of forward; refused: fresh noise, inputs changed in place, other precision, NaN."""
    handed, outs = [a.copy() for a in inputs], []
    for _ in range(2):
        result = forward(*handed)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ValueError(f"forward must return (out, cache), got {_kind(result)}: end it with return out, cache")
        _refuse_changed("forward", names, inputs, handed)
        outs.append(result[0])
    for first, second in zip(as_tuple(outs[0]), as_tuple(outs[1])):
        _refuse_output(first, second)
    return outs[0]


def _kind(value):
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else type(value).__name__


def _refuse_output(first, second):
    """Refuse an output of forward that is no array, not finite, not the same in a second call, or not in float64."""
    if not isinstance(first, (np.ndarray, np.generic, float)) or np.asarray(first).dtype.kind not in "biufc":
        raise ValueError(f"forward must return an array, or a tuple of arrays, as its output, got {type(first).__name__}: make it one array")
    if np.asarray(first).dtype != np.float64:
        raise ValueError(f"forward returned {np.asarray(first).dtype} for float64 inputs: keep the input's dtype")
    if np.size(first) == 0:
        raise ValueError(f"forward returned an output without numbers, of shape {np.shape(first)}: check at a few rows")
    if not np.isfinite(first).all():
        raise ValueError("forward returned NaN or infinity: check at inputs where it is finite")
    if not np.array_equal(first, second):
        raise ValueError(
            "forward is not deterministic: two calls with the same inputs differ. Draw the noise outside and pass it in as an argument "
            "(eps; in a Model by draw_noise), and keep nothing between calls"
        )


def _match(grads, names, inputs, wrt):
    """{index of input: gradient} of those in `wrt`; refused: what is no array, a wrong number or shape, NaN. A missing one is left out."""
    return {i: _refuse_gradient(names[i], inputs[i], grad) for i, grad in assigned(grads, names, inputs, wrt).items()}


def assigned(grads, names, inputs, wrt):
    """{index of input: what backward returned for it} of those in `wrt`; refused: a wrong number of them. A missing one is left out."""
    grads = tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)
    floats = [i for i, a in enumerate(inputs) if a.dtype.kind == "f"]
    if all(grad is None for grad in grads):
        raise ValueError("backward returned no gradient to check: did it forget to return one?")
    if len(grads) not in (len(inputs), len(floats), len(wrt)):
        wanted, named = ", ".join("d" + names[i] for i in wrt), repr(tuple(names[i] for i in wrt[: len(grads)]))
        raise ValueError(f"backward must return {len(wrt)} gradients ({wanted}), got {len(grads)}; if it has no more, say so: wrt={named}")
    targets = range(len(inputs)) if len(grads) == len(inputs) else floats if len(grads) == len(floats) else wrt
    return {i: grad for i, grad in zip(targets, grads) if i in wrt and grad is not None}


def _refuse_gradient(name, a, grad):
    """The gradient of one input as an array of its shape."""
    if not isinstance(grad, (np.ndarray, np.generic, float, int)) or np.asarray(grad).dtype.kind not in "biuf":
        raise ValueError(f"d{name} must be an array of real numbers, got {type(grad).__name__}: return the gradients as arrays, in the order of the inputs")
    grad = np.asarray(grad)
    if grad.shape != a.shape:
        raise ValueError(f"d{name} must have the shape of {name}, {a.shape}, got {grad.shape}")
    if not np.isfinite(grad).all():
        raise ValueError(f"d{name} holds NaN or infinity: check at inputs where the gradient is finite, or mend backward there")
    return grad if grad.dtype.kind == "f" else grad.astype(np.float64)


def _refuse_changed(who, names, before, after):
    for name, a, b in zip(names, before, after):
        if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            raise ValueError(f"{who} changed {name} in place: write to a new array instead")
