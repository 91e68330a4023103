# %% [record]
# title: A likelihood for counts
# kind: pair
# lecture: D0 | Perks of VAE (2); D3 | Formulation & Architecture
# notebook: 06b
# equation: p(x) = r^x e^-r / x!,  r = exp(log_rate)
# tag: -
# shapes: log_rate, x (N, D) -> log_px (N,); dlog_px (N,) -> dlog_rate (N, D)
# lines: 5
# minutes: 25
# solution: tinyvae.likelihoods.poisson:poisson_forward poisson_backward
# outputs: dlog_rate
# wrt: log_rate
# tests:
#   forward 1 = log p(x|z) per datum, at three sets of sizes
#   values 2 = dlog_rate as the formula says, at three sets of sizes
#   gradient 1 = backward agrees with differences of your forward pass
#   density 1 = the probabilities of the counts 0 to 399 sum to 1, and their mean is the rate
# steps:
#   forward = the logarithm of p(x), complete with its constant, summed over pixels
#   dlog_rate = the derivative of x ln r - r by log r, times what comes from above for this datum

# %% [markdown]
# Another kind of data: counts $x_d = 0, 1, 2, ...$ per pixel (photons, words, molecules). The Poisson
# distribution with the rate r has $p(x) = r^x e^{-r} / x!$. The decoder puts out any real number, so it is taken
# as the logarithm of the rate: $r_d = e^{l_d}$, with $l$ = `log_rate`. Pixels are independent given z.
#
# Write the pair. `poisson_forward(log_rate, x)`, both of shape (N, D), returns `(log_px, cache)` with log p(x|z)
# of every datum in nats, complete with its constant; the cache is yours to choose.
# `poisson_backward(dlog_px, cache)` takes the derivative of the loss by log p(x|z), of shape (N,), and returns
# `dlog_rate` (N, D). `log_factorial(x)` gives ln x! of every entry.

# %% [given]
from tinyvae.likelihoods.poisson import log_factorial

# %% [check]
def inputs(rng, N, D):
    return normal(rng, N, D), rng.poisson(2.0, (N, D))


def test_density(student, right, rng):
    counts = np.arange(400)[:, None]
    for log_rate in (-2.0, 0.0, 3.0):
        p = np.exp(student.poisson_forward(np.full((400, 1), log_rate), counts)[0])
        if p.shape != (400,) or not abs(p.sum() - 1) < 1e-11 or not abs(p @ counts[:, 0] - np.exp(log_rate)) < 1e-9:
            return False
    return True


# %% [hints]
# 1. Take the logarithm of p(x) and write it in l alone: three terms. One of them holds no l. Does the density
# need it? Does the gradient?
# 2. Differentiate by l, not by r. The rate occurs in the result: keep it in the cache.
# 3. Every Bernoulli and Gaussian gradient was "observation minus mean". What is the mean of a Poisson count?

# %% [wrong] ln x! is dropped as a constant: the probabilities do not sum to 1
def poisson_forward(log_rate, x):
    rate = np.exp(log_rate)
    return (x * log_rate - rate).sum(-1), (rate, x)


def poisson_backward(dlog_px, cache):
    rate, x = cache
    return dlog_px[..., None] * (x - rate)

# %% [wrong] the derivative is taken by the rate, and the chain rule from the rate to its logarithm is left out
def poisson_forward(log_rate, x):
    rate = np.exp(log_rate)
    return (x * log_rate - rate - log_factorial(x)).sum(-1), (rate, x)


def poisson_backward(dlog_px, cache):
    rate, x = cache
    return dlog_px[..., None] * (x / rate - 1)

# %% [wrong] the decoder's output is taken for the rate itself in the term -r
def poisson_forward(log_rate, x):
    return (x * log_rate - log_rate - log_factorial(x)).sum(-1), x


def poisson_backward(dlog_px, cache):
    x = cache
    return dlog_px[..., None] * (x - 1)

# %% [wrong] the signs of x and the rate are exchanged in the gradient
def poisson_forward(log_rate, x):
    rate = np.exp(log_rate)
    return (x * log_rate - rate - log_factorial(x)).sum(-1), (rate, x)


def poisson_backward(dlog_px, cache):
    rate, x = cache
    return dlog_px[..., None] * (rate - x)

# %% [wrong] the mean over pixels is taken in place of their sum
def poisson_forward(log_rate, x):
    rate = np.exp(log_rate)
    return (x * log_rate - rate - log_factorial(x)).mean(-1), (rate, x)


def poisson_backward(dlog_px, cache):
    rate, x = cache
    return dlog_px[..., None] * (x - rate) / x.shape[-1]

# %% [note]
# A new kind of data needs a new likelihood and nothing else: the encoder, the KL and the sampling stay as they
# are. In the package it is `likelihood="poisson"`.
