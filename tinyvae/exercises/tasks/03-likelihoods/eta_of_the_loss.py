# %% [record]
# title: The variance behind a loss
# kind: numbers
# lecture: D2 | [the first term: reconstruction]; D0 | VAE as an Auto-Encoder
# notebook: 06b
# equation: log N(x; G(z), eta I) = -|x - G(z)|^2 / (2 eta) + const
# tag: NORM.1
# shapes: x, x_hat (D,); eta a number
# lines: 5
# minutes: 20
# tests:
#   eta_sum 1 = eta of the sum of squares, with its factor, plus the KL
#   eta_mean 1 = eta of the mean of squares plus the KL
#   eta_weighted 1 = eta of the mean of squares plus the weighted KL
#   const 1 = the "const" of the first loss, in nats per datum
# steps:
#   eta_sum = what stands before the squares, once the KL stands with the factor 1 [NORM.1]
#   eta_mean = the D of the mean belongs to what stands before the squares [NORM.1]
#   eta_weighted = the number that brings the KL to the factor 1 multiplies the whole loss [NORM.1]
#   const = log N(x; x_hat, eta I) at x = x_hat, over all pixels [NORM.1]

# %% [markdown]
# The negative ELBO with a Gaussian likelihood of variance $\eta$ per pixel is
# $|x - \hat x|^2 / (2\eta) - const + KL$. The loss of a program may look different; multiplied by a suitable
# number, and up to a constant, it is a negative ELBO for some $\eta$. That $\eta$ says how much noise the program
# takes the pixels to have.
#
# There are D = {{D}} pixels. Which $\eta$ belongs to each loss (per datum, KL in nats)?
#
#     eta_sum        {{s}} |x - x_hat|^2  +  KL
#     eta_mean       |x - x_hat|^2 / D  +  KL                  (the mean over pixels, "MSE + KL")
#     eta_weighted   |x - x_hat|^2 / D  +  {{w}} KL
#
# And `const`: the constant of log p(x|z) that the first loss has left out, in nats per datum, with its sign and to
# two digits behind the point. (By hand, with a calculator.)

# %% [check]
def numbers(rng):
    if rng is None:
        return {"D": 64, "s": 1, "w": 0.005}
    sizes, weights = [36, 49, 100, 144, 196, 784], [0.002, 0.004, 0.01, 0.02]
    return {"D": int(rng.choice(sizes)), "s": int(rng.integers(2, 6)), "w": float(rng.choice(weights))}


def right(n):
    D, s, w = n["D"], n["s"], n["w"]
    eta = 1 / (2 * s)
    return {"eta_sum": eta, "eta_mean": D / 2, "eta_weighted": w * D / 2, "const": -D / 2 * np.log(2 * np.pi * eta)}


def wrong(n):
    D, s, w = n["D"], n["s"], n["w"]
    answers = right(n)
    return {
        "the 2 of 2 eta is lost": answers | {"eta_sum": 1 / s, "eta_mean": float(D), "eta_weighted": w * D},
        "the weight of the KL is multiplied on the wrong side": answers | {"eta_weighted": D / (2 * w)},
        "the mean over pixels is taken to change nothing": answers | {"eta_mean": 0.5, "eta_weighted": w * 0.5},
        "eta is divided by D where it should be multiplied": answers | {"eta_mean": 1 / (2 * D), "eta_weighted": w / (2 * D)},
        "the standard deviation is given in place of the variance": answers | {"eta_mean": (D / 2) ** 0.5, "eta_sum": answers["eta_sum"] ** 0.5},
        "the constant is counted once, not once per pixel": answers | {"const": answers["const"] / D},
        "the sign of the constant is lost": answers | {"const": -answers["const"]},
    }


# %% [hints]
# 1. In the negative ELBO the KL stands with the factor 1. Bring the loss into that form first, then read off what
# stands before the squares.
# 2. What stands before the squares is 1 / (2 eta).
# 3. const is what is left of log N(x; m, eta I) at x = m.

# %% [note]
# Pixels in [0, 1] have a variance of at most 1/4, and D/2 is far more: with the mean over pixels the KL wins and
# the posterior collapses. Notebook 06b counts the latents that survive in a linear VAE: 0 of 8 on the digits.
