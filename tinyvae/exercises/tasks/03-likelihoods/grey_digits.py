# %% [record]
# title: Better than possible
# kind: numbers
# lecture: D0 | Vanilla VAE Distribution
# notebook: 06b
# equation: log p(x|z) = sum_d x_d log p_d + (1 - x_d) log(1 - p_d)
# tag: BER.1
# shapes: images (N, 64), in [0, 1]
# lines: 5
# minutes: 25
# tolerance: 2e-3
# tests:
#   pixel 1 = the floor of one grey pixel, in nats
#   floor 1 = the floor of the images, in nats per image
#   report_1 1 = the cause of the first report
#   report_2 1 = the cause of the second report
#   report_3 1 = the cause of the third report
# steps:
#   pixel = the p at which the cost of this pixel is least [BER.1]
#   floor = the least of every pixel, summed over the pixels of an image; then the mean over the images
#   report_1 = its size, beside 0, beside the floor of an image and beside that of a pixel
#   report_2 = its size, beside 0, beside the floor of an image and beside that of a pixel
#   report_3 = its size, beside 0, beside the floor of an image and beside that of a pixel

# %% [markdown]
# The embedded digits (`tinyvae.load_digits`) are grey: 64 pixels per image, each in [0, 1]. Three people train a
# VAE with a Bernoulli likelihood on images {{first}} to {{last}} (in their order, both included) and report -log
# p(x|z), the mean over these images, "in nats, grey pixels as they are, summed over pixels":
#
#     report_1: {{value_1}}      report_2: {{value_2}}      report_3: {{value_3}}
#
# For comparison: a right program reports about 27 nats where the decoder's output is one constant per pixel, and
# 22 to 25 for a small VAE; on pixels that are rounded to 0 and 1 the small VAE reports 13 to 21. Each of the
# three numbers is below what the formula allows for these images.
#
# Six explanations are offered:
#
#     "a"  the KL is left out
#     "b"  the mean over the 64 pixels is taken in place of the sum
#     "c"  the decoder is given z = mu in place of a sample
#     "d"  the pixels were rounded to 0 and 1 before training and testing
#     "e"  the log of the continuous Bernoulli's normaliser, at least ln 2 per pixel, is added to log p(x|z)
#     "f"  the images were used for training too: the model has learned them by heart
#
# - `pixel`: a grey pixel x = {{g}} costs -[x log p + (1 - x) log(1 - p)]. What is the least that any p can make
#   of it, in nats, to three digits behind the point (by hand)?
# - `floor`: the least that any decoder can report for these images, in nats per image (a mean), to two digits
#   behind the point. By a few lines of NumPy, or by a function of the package.
# - `report_1`, `report_2`, `report_3`: which explanation, alone, is the right one? One letter for each, "a" for
#   example.

# %% [check]
# tolerance 2e-3: the floor is asked for to two digits behind the point, and a sum over 64 pixels may be rounded on its way
from tinyvae import load_digits
from tinyvae.train import grey_floor


def numbers(rng):
    first, last, g, order = (0, 1796, 0.25, (2, 0, 1)) if rng is None else drawn(rng)
    floor = grey_floor(load_digits()[0][first : last + 1])
    spread = 0.0 if rng is None else rng.uniform(-0.2, 0.4)
    values = [round(floor - 0.46 - spread, 1), round((24.7 + spread) / 64, 3), round(24.7 + spread - 71.5, 1)]  # a trained VAE's log C: 71.5
    causes = ["d", "b", "e"]
    n = {"first": first, "last": last, "g": g, "floor": floor, "causes": [causes[i] for i in order]}
    return n | {f"value_{i + 1}": values[j] for i, j in enumerate(order)}


def drawn(rng):
    first = int(rng.integers(0, 400))
    return first, first + int(rng.integers(900, 1300)), float(rng.integers(1, 8)) / 16, tuple(rng.permutation(3))


def entropy(g):
    return float(-g * np.log(g) - (1 - g) * np.log(1 - g))


def right(n):
    return {"pixel": entropy(n["g"]), "floor": n["floor"]} | {f"report_{i + 1}": cause for i, cause in enumerate(n["causes"])}


def wrong(n):
    answers = right(n)

    def causes(**other):
        return answers | {name: other.get(cause, cause) for name, cause in list(answers.items())[2:]}

    return {
        "a grey pixel is thought to cost nothing at best, as a binary one": answers | {"pixel": 0.0, "floor": 0.0},
        "the logarithms are taken to base 2": answers | {"pixel": answers["pixel"] / np.log(2), "floor": n["floor"] / np.log(2)},
        "the mean over the pixels is taken in place of their sum": answers | {"floor": n["floor"] / 64},
        "the KL is held to have part in the floor of the reconstruction": causes(d="a"),
        "overfitting is held to lead below the entropy of the pixels": causes(d="f"),
        "decoding the mean is held to lead below the entropy of the pixels": causes(d="c"),
        "a number far below the floor is held to come from rounded pixels": causes(b="d"),
        "a log-likelihood above 0 is held possible for a sum of logs of probabilities": causes(e="f"),
    }


# %% [hints]
# 1. The least over p of a cross-entropy is at p = x. What is its value there? `tinyvae.train` has a function for
# whole images.
# 2. Which of the six change the pixels, or the formula? The others only choose other outputs of the decoder, and
# the floor holds for every output.
# 3. Which of the three numbers can no probabilities give, whatever the pixels? Which one becomes a usual number
# if it is multiplied by 64?

# %% [note]
# The floor is the entropy of the grey values, a property of the data: no decoder, sampler or amount of training
# goes below it. Nats on grey and on rounded pixels are different numbers and cannot be compared; say which.
# Notebook 06b, section 6, shows the floor; notebook 10 states it beside the scores.
