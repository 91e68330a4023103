# %% [record]
# title: Three weights by hand
# kind: numbers
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$
# notebook: 05
# equation: L_k = log 1/k sum_l w_l
# tag: IWAE.1
# shapes: numbers
# lines: 4
# minutes: 10
# tolerance: 2e-4
# tests:
#   elbo 1 = the estimate of the ELBO, in nats
#   bound 1 = the three-sample bound, in nats
#   weights 1 = the normalised weights
#   ess 1 = the effective sample size
# steps:
#   elbo = the estimate from one sample, and on which side of the logarithm the average is taken [LOGW.1]
#   bound = the order of exponential, mean and logarithm, and the number of terms in the mean [IWAE.1]
#   weights = from log weights to weights; then the share of each in the sum, in the same order
#   ess = the fraction of two sums: where the square comes before the sum, and where after it

# %% [markdown]
# For one datum, three samples $z_l \sim q(z|x)$ have given the log weights $\log w_l = \log p(x, z_l) - \log q(z_l|x)$
# of
#
# ```
# {{log_w}}    nats
# ```
#
# - `elbo`: the estimate of the ELBO from the three samples (each is a one-sample estimate; average them), in nats.
# - `bound`: the three-sample bound $L_3 = \log\frac13\sum_l w_l$, in nats.
# - `weights`: the normalised weights $w_l/\sum_j w_j$, in the same order, as a tuple of three numbers.
# - `ess`: the effective sample size $(\sum_l w_l)^2 / \sum_l w_l^2$.
#
# Give four decimals. All that is needed is a calculator with $e^{x}$ and $\ln$.

# %% [check]
# tolerance 2e-4: four decimals are asked for, of numbers that come by way of a rounded exponential
def numbers(rng):
    gaps = (2.0, 0.0, 1.0) if rng is None else rng.permutation([0.0, 1.0, float(rng.choice([0.5, 1.5, 2.5, 3.0]))])
    top = -10.0 if rng is None else -float(rng.integers(5, 16))
    return {"log_w": tuple(float(top - gap) for gap in gaps)}

def right(n):
    a = np.array(n["log_w"])
    w = np.exp(a - a.max())
    return {
        "elbo": float(a.mean()),
        "bound": float(a.max() + np.log(w.mean())),
        "weights": tuple((w / w.sum()).tolist()),
        "ess": float(w.sum() ** 2 / (w**2).sum()),
    }

def wrong(n):
    a, r = np.array(n["log_w"]), right(n)
    w = np.exp(a - a.max())
    turned = np.exp(a.min() - a)
    return {
        "the logarithm of the sum is taken, without the 1/3": {**r, "bound": r["bound"] + float(np.log(3))},
        "the mean of the logarithms is taken for the logarithm of the mean": {**r, "bound": r["elbo"]},
        "the logarithm of the mean is taken for the ELBO": {**r, "elbo": r["bound"]},
        "the largest weight goes to the worst sample": {**r, "weights": tuple((turned / turned.sum()).tolist())},
        "the log weights are normalised instead of the weights": {**r, "weights": tuple((a / a.sum()).tolist())},
        "the squares of the normalised weights are summed and not inverted": {**r, "ess": float((w**2).sum() / w.sum() ** 2)},
    }

# %% [hints]
# 1. Take the largest log weight out: w_l = exp(top) exp(log w_l - top). One of the second factors is 1.
# 2. exp(top) cancels in the normalised weights and in the effective sample size.

# %% [note]
# With the same samples, L_3 is never below the ELBO's estimate: the logarithm of a mean is at least the mean of the
# logarithms.
