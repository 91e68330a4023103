# %% [record]
# title: The bias of the naive estimate
# kind: numbers
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$
# notebook: 04
# equation: log p(x) = log E_p(z) p(x|z), estimated by log p(x|z) with one z ~ p(z)
# tag: NAIVE.1
# shapes: numbers
# lines: 4
# minutes: 15
# tests:
#   log_px 1 = log p(x), in nats
#   expectation 1 = the mean of the naive estimate over z, in nats
#   posterior 1 = mean and variance of the posterior p(z|x)
#   kl 1 = the divergence that the bias is, in nats
# steps:
#   log_px = the distribution of x, a sum of two independent Gaussians, and its variance [PPCA.1]
#   expectation = the squared error of w z under the prior, and the moments of z that its mean holds [NAIVE.1]
#   posterior = the terms of log p(x|z) + log p(z) that hold two z, and those that hold one [PPCA.2]
#   kl = Bayes' rule for log p(x|z) - log p(x), and the density over which its mean is taken [NAIVE.1]

# %% [markdown]
# A model with one latent and one observed number: $z \sim \mathcal N(0, 1)$ and $x|z \sim \mathcal N(w z, \eta)$ with
# $w =$ {{w}} and the variance $\eta =$ {{eta}}. Observed: $x =$ {{x}}.
#
# The naive estimate of $\log p(x)$ draws one $z$ from the *prior* and takes $\log p(x|z)$.
#
# - `log_px`: the true $\log p(x)$, in nats. (What is the distribution of x?)
# - `expectation`: the mean of the naive estimate, $\mathbb E_{p(z)} \log p(x|z)$, in nats.
# - `posterior`: the mean and the variance of $p(z|x)$, as a tuple of two numbers.
# - `kl`: the bias, `expectation` minus `log_px`, is the negative of a KL divergence between two Gaussians over z.
#   Compute this KL, in nats, as a positive number, from `posterior`: which of the two directions is it?
#
# $$\log \mathcal N(x; m, v) = -\tfrac12\ln(2\pi v) - \frac{(x-m)^2}{2v}, \qquad
# \mathrm{KL}\big(\mathcal N(m_1, v_1)\,\|\,\mathcal N(m_2, v_2)\big) = \tfrac12\Big(\ln\frac{v_2}{v_1} + \frac{v_1 + (m_1-m_2)^2}{v_2} - 1\Big)$$

# %% [check]
def numbers(rng):
    if rng is None:
        return {"w": 2.0, "eta": 0.5, "x": 3.0}
    return {"w": float(rng.choice([0.5, 1.5, 2.0, 3.0])), "eta": float(rng.choice([0.25, 0.5, 1.0])), "x": float(rng.choice([-3.0, -2.0, 2.0, 3.0]))}

def kl(m1, v1, m2, v2):
    return 0.5 * (np.log(v2 / v1) + (v1 + (m1 - m2) ** 2) / v2 - 1)

def log_normal(x, v):
    return -0.5 * np.log(2 * np.pi * v) - x**2 / (2 * v)

def right(n):
    w, eta, x = n["w"], n["eta"], n["x"]
    v = 1 / (1 + w**2 / eta)
    m = v * w * x / eta
    return {
        "log_px": float(log_normal(x, w**2 + eta)),
        "expectation": float(-0.5 * np.log(2 * np.pi * eta) - (x**2 + w**2) / (2 * eta)),
        "posterior": (m, v),
        "kl": float(kl(0, 1, m, v)),
    }

def wrong(n):
    w, eta, x, r = n["w"], n["eta"], n["x"], right(n)
    m, v = r["posterior"]
    return {
        "the divergence is taken in the other direction, from the posterior to the prior": {**r, "kl": float(kl(m, v, 0, 1))},
        "the log-likelihood at the mean of z is taken for its mean: the spread of z is lost": {**r, "expectation": float(log_normal(x, eta))},
        "x is given the variance of the noise alone": {**r, "log_px": float(log_normal(x, eta))},
        "standard deviations are added in place of variances": {**r, "log_px": float(log_normal(x, (w + eta**0.5) ** 2))},
        "the naive estimate is taken to be unbiased": {**r, "expectation": r["log_px"], "kl": 0.0},
        "the precision of the posterior is given for its variance": {**r, "posterior": (m, 1 / v)},
    }

# %% [hints]
# 1. x is a sum of two independent Gaussians, w z and the noise: its variance is the sum of theirs.
# 2. The mean of (x - w z)^2 over z ~ N(0, 1) is x^2 + w^2.
# 3. log p(x|z) = log p(x) + log p(z|x) - log p(z). Take the mean over the *prior* of both sides. The KL must agree with
#    log_px - expectation.

# %% [note]
# p(x) itself is estimated without bias; the logarithm makes the bias, and the further the posterior is from the prior,
# the larger it is [NAIVE.1]. Drawing z from q(z|x) close to the posterior is the way out.
