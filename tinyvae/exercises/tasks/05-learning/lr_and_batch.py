# %% [record]
# title: What the learning rate depends on
# kind: numbers
# lecture: D0 | Estimating the Objective; D1 | Variational Inference for VAE
# notebook: 10
# equation: loss = -1/B sum_n ELBO_n, or -sum_n ELBO_n, over the B data of a batch
# tag: LOSS.1
# shapes: numbers
# lines: 5
# minutes: 10
# tolerance: 1e-4
# tests:
#   sgd 1 = SGD: the ratio of the two learning rates at which both programs take the same steps
#   adam 1 = Adam: the same ratio, epsilon neglected
#   growth 1 = by what the expected step of each program is multiplied when the batch grows
#   kl_weight 1 = the weight of the KL that the mixed program really has
# steps:
#   sgd = the gradient of the sum beside the gradient of the mean, in one parameter [LOSS.1]
#   adam = where the gradients stand in a step, above and below the fraction bar [ADAM.1]
#   growth = the expected gradient of each program as a function of the batch size [LOSS.1]
#   kl_weight = the factor in front of each term once both are written as means over the batch [LOSS.1]

# %% [markdown]
# Two programs train the same VAE on the same batches of B = {{B}} data. One minimises the *mean* of -ELBO over the
# batch, the other the *sum*.
#
# - `sgd`: both use plain SGD, and are to take exactly the same steps. How many times as large must the learning rate of
#   the mean program be as that of the sum program? (A ratio: lr of the mean program divided by lr of the sum program.)
# - `adam`: the same question if both use Adam (the first step or any later one), with its epsilon neglected.
# - `growth`: both keep their learning rate and use plain SGD. The batch grows from {{B}} to {{B2}} data. By what number
#   is the expected step (the mean over random batches) multiplied, in the mean program and in the sum program? A tuple
#   of two numbers, mean program first.
# - `kl_weight`: a third program minimises the *sum* over the batch of $-\log p(x|z)$ plus the *mean* over the batch
#   ({{B}} data) of the KL. Up to a common factor it minimises the loss $-\log p(x|z) + \beta\,\mathrm{KL}$, averaged
#   over the data. What is $\beta$?
#
# Fractions can be typed as they are, like 3/40.

# %% [check]
# tolerance 1e-4: 1/B is of size 0.01, and fractions can be typed as they are
def numbers(rng):
    B, times = (100, 4) if rng is None else (int(rng.integers(3, 13)) * 10, int(rng.choice([2, 3, 5])))
    return {"B": B, "B2": B * times}

def right(n):
    B, B2 = n["B"], n["B2"]
    return {"sgd": float(B), "adam": 1.0, "growth": (1.0, B2 / B), "kl_weight": 1 / B}

def wrong(n):
    B, r = n["B"], right(n)
    return {
        "the sum program gets the larger learning rate, although its gradient is the larger": {**r, "sgd": 1 / B},
        "Adam is taken to scale its steps with the loss, as SGD does": {**r, "adam": float(B)},
        "the root of the batch size stands for the batch size: the noise of a mean, not its size": {**r, "growth": (1.0, (n["B2"] / B) ** 0.5)},
        "the mean program is taken to shorten its steps with the batch": {**r, "growth": (B / n["B2"], 1.0)},
        "the weight of the KL is turned upside down: it is the reconstruction that is counted B times": {**r, "kl_weight": float(B)},
    }

# %% [hints]
# 1. The gradient of the sum is B times the gradient of the mean, in every parameter.
# 2. In a step of Adam the gradients stand above and below the fraction bar.
# 3. Divide the loss of the third program by B: a common factor does not move the minimum. What stands in front of the
#    KL then?

# %% [note]
# The package's loss is a mean over the batch in both terms [LOSS.1], so its learning rates do not depend on the batch
# size.
