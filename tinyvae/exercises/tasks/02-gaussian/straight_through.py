# %% [record]
# title: A gradient check that must fail
# kind: numbers
# lecture: D2 | Reparameterization Trick; D3 | Reparameterization Trick
# notebook: 07
# equation: y = 1 where x > 0, else 0;  dx = dy
# tag: CHECK.1
# shapes: x, y, dy, dx: numbers here
# lines: 5
# minutes: 15
# tests:
#   backward 1 = what the backward pass returns
#   differences 1 = the three central differences
#   why 2 = why the check fails
#   remedy 1 = how backward can be checked all the same
# steps:
#   backward = bits_backward as it is written
#   differences = f at x + h and at x - h: on which sides of 0 do they lie? [CHECK.1]
#   why = the slope of f on both sides of 0, beside what backward returns
#   remedy = of which function is dx = dy the derivative?

# %% [markdown]
# A code of bits: every latent is 0 or 1. Forward is a threshold, and backward hands the gradient on as if the threshold were not there (the
# "straight-through" estimator, which is in use for codes of this sort):
#
#     def bits_forward(x):
#         return (x > 0).astype(x.dtype), x
#
#     def bits_backward(dy, cache):
#         return dy
#
# The programmer means it so, and training with it works. A gradient check says WRONG. By thought, without a program:
#
# - `backward`: what does `bits_backward` return for dy = {{dy}}?
# - `differences`: the central difference dy (f(x + h) - f(x - h)) / (2 h) with that dy and h = {{h}}, at x = {{x1}}, at x = {{x2}} and at x = {{x3}};
#   a tuple of three numbers.
# - `why`: why does the check fail? One letter.
#
#       "a"  h is too large: with a smaller h the differences come to agree with backward
#       "b"  the threshold has a kink at 0, like a ReLU: away from x = 0 the check passes
#       "c"  f is constant on both sides of 0, so that every difference there is 0: backward is not the derivative of f, and is not meant to be
#       "d"  the differences are rounded: in float64 and with a suitable h they would agree with backward
#       "e"  backward has a mistake: with the derivative of f, which is 0, training would work better
#
# - `remedy`: what can be checked of this backward pass? One letter.
#
#       "a"  the same pair with a larger tolerance, until it passes
#       "b"  only entries with |x| < h, where f(x + h) and f(x - h) differ
#       "c"  nothing: a backward pass that is no derivative cannot be right or wrong
#       "d"  backward against differences of the function whose derivative it is meant to be, here y = x

# %% [check]
def numbers(rng):
    if rng is None:
        return {"dy": 3, "h": 0.01, "x1": 0.5, "x2": -2, "x3": 0.005}
    h = float(rng.choice([0.1, 0.01, 0.001]))
    x1, x2 = rng.choice([0.5, 0.75, 1.5, 2.5], 2, replace=False)
    return {"dy": int(rng.integers(2, 9)), "h": h, "x1": float(-x1), "x2": float(x2), "x3": float(rng.choice([-0.5, 0.5])) * h}


def difference(x, n, h):
    return n["dy"] * (float(x + h > 0) - float(x - h > 0)) / (2 * h)


def right(n):
    return {"backward": n["dy"], "differences": tuple(difference(n[x], n, n["h"]) for x in ("x1", "x2", "x3")), "why": "c", "remedy": "d"}


def wrong(n):
    truth, dy = right(n), n["dy"]
    return {
        "the differences are held to agree with backward away from 0, as at a kink": {**truth, "differences": (dy, dy, dy / 2), "why": "b", "remedy": "b"},
        "backward is held to return the derivative of the threshold": {**truth, "backward": 0},
        "a jump is held to give the mean of both slopes, 0": {**truth, "differences": (0, 0, 0)},
        "the difference is divided by h, as if it were one-sided": {**truth, "differences": tuple(2 * d for d in truth["differences"])},
        "the differences are taken without dy": {**truth, "differences": tuple(d / dy for d in truth["differences"])},
        "a smaller h is held to mend it": {**truth, "why": "a"},
        "the jump is held to be a matter of rounding": {**truth, "why": "d", "remedy": "a"},
        "the derivative of the threshold is held to be the better gradient": {**truth, "why": "e"},
        "no check is held to be possible": {**truth, "remedy": "c"},
    }

# %% [hints]
# 1. Draw f. Which slope has it at the first two x? What is f(x + h) - f(x - h) where x - h and x + h lie on two sides of 0?
# 2. The check answers one question: is backward the derivative of this forward? Is that what was meant here?
# 3. dx = dy is the derivative of some function. Which one?

# %% [note]
# A check that fails may be right about the program and wrong about the intention: then say so where the pair stands, and check what was meant. The derivative
# 0 would be exact and useless, for nothing below the threshold would learn. The reparameterised Gaussian needs no such device: z = mu + sigma eps is
# smooth in mu and sigma, and its check passes.
