# %% [record]
# title: Shapes and numbers of parameters without an encoder, and with one
# kind: numbers
# lecture: D1 | Variational Inference for VAE; D2 | Amortization (2); D4 | Implementation
# notebook: 08
# equation: lambda_i = (mu_i, log sigma_i), one for each datum; or an encoder whose outputs they are
# tag: -
# shapes: x (N, D); mu, log_sigma (N, K); eps (S, N, K)
# lines: 7
# minutes: 15
# tolerance: 1e-8
# tests:
#   z 1 = the shape of z
#   dmu 1 = the shape of the gradient by mu
#   summed 1 = the axis over which dz is summed on the way to dmu
#   free 1 = the number of variational parameters without an encoder, diagonal q
#   full 1 = the same with full covariances
#   encoder 1 = the number of the encoder's parameters
# steps:
#   z = the shapes of mu, sigma and eps, one under the other from the right [REP.1]
#   dmu = the shape of a gradient, beside that of its variable
#   summed = the axis along which mu is repeated in the addition [REP.2]
#   free = how many numbers describe the q of one datum, and how many data have a q of their own
#   full = the entries of one mean and of one triangular matrix; then for how many data
#   encoder = the matrix and the biases of each layer, and the width of what the second one gives out [ENC.1]

# %% [markdown]
# There are N = {{N}} images of D = {{D}} pixels, and z has K = {{K}} dimensions. S = {{S}} samples are drawn for each datum and step: eps has shape (S, N, K), and
# $z = μ + σ ε$ with mu and log_sigma of shape (N, K).
#
# - `z`, `dmu`: the shapes of z and of the gradient by mu, as tuples such as (2, 3);
# - `summed`: over which axis of dz is the sum taken that makes dmu: "axis 0", "axis 1" or "axis 2"?
# - `free`: every datum has a diagonal Gaussian q of its own. How many numbers are there to learn for all q together?
# - `full`: the same if every q has a full covariance $L L'$, with a lower triangular matrix L (its diagonal included) in the place of log_sigma;
# - `encoder`: instead, one dense layer with biases from the D pixels to H = {{H}} hidden units, and one with biases from these to the two vectors mu and log_sigma.
#   How many parameters does the encoder have?

# %% [check]
# tolerance 1e-8: whole numbers of up to 5 000 000, and their neighbours are wrong
def numbers(rng):
    if rng is None:
        return {"N": 1797, "D": 64, "K": 8, "S": 4, "H": 50}
    return {"N": int(rng.integers(800, 60_000)), "D": int(rng.choice([25, 49, 64, 100])), "K": int(rng.integers(4, 12)),
            "S": int(rng.integers(2, 17)), "H": int(rng.integers(20, 90))}  # fmt: skip

def right(n):
    N, D, K, S, H = (n[name] for name in "NDKSH")
    return {
        "z": (S, N, K), "dmu": (N, K), "summed": "axis 0", "free": 2 * N * K, "full": N * (K + K * (K + 1) // 2),
        "encoder": (D + 1) * H + (H + 1) * 2 * K,
    }  # fmt: skip

def wrong(n):
    good = right(n)
    N, D, K, S, H = (n[name] for name in "NDKSH")
    return {
        "dmu has the shape of z": {**good, "dmu": (S, N, K)},
        "dz is summed over the data": {**good, "dmu": (S, K), "summed": "axis 1"},
        "the samples are a part of the parameters": {**good, "free": 2 * S * N * K, "z": (N, K)},
        "only the means are counted": {**good, "free": N * K},
        "all K^2 entries of a covariance are counted": {**good, "full": N * (K + K * K)},
        "the covariance stands beside log sigma, not in its place": {**good, "full": N * (2 * K + K * (K + 1) // 2)},
        "the biases are left out": {**good, "encoder": D * H + 2 * H * K},
        "the encoder has one output vector, not two": {**good, "encoder": (D + 1) * H + (H + 1) * K},
    }

# %% [hints]
# 1. mu has no axis of samples: NumPy repeats it S times. What is used S times collects S gradients.
# 2. A lower triangular K × K matrix has K entries on its diagonal and half of the others below it.
# 3. A dense layer from I to O numbers has a matrix and O biases.

# %% [note]
# The parameters of free q grow with the data, the encoder's do not: a new datum costs a search in one case, one pass in the other.
