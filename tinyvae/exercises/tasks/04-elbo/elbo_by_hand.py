# %% [record]
# title: One datum, one sample, by hand
# kind: numbers
# lecture: D3 | Loss Function; D1 | A plain explanation
# notebook: 10
# equation: ELBO = log p(x|z) - KL(q(z|x) || N(0, I)),  z = mu + sigma eps
# tag: ELBO.1
# shapes: x (2,), z (1,)
# lines: 4
# minutes: 15
# tests:
#   z 1 = the sample
#   log_px 1 = the reconstruction term, in nats
#   kl 1 = the KL, in nats
#   elbo 1 = the estimate of the ELBO, in nats
# steps:
#   z = what multiplies the noise: sigma is a standard deviation [REP.1]
#   log_px = one logarithm for every pixel, for the one that is 0 too [BER.1]
#   kl = the closed form: which of its terms hold sigma^2, and not sigma [KL.1]
#   elbo = the signs with which its two terms enter [ELBO.1]

# %% [markdown]
# One image of two binary pixels, x = ({{x1}}, {{x2}}), and one latent. The encoder has put out $\mu$ = {{mu}} and
# $\sigma$ = {{sigma}} (a standard deviation); the noise drawn is $\varepsilon$ = {{eps}}. The decoder is linear,
# with logits
#
#     l1 = {{w1}} z + ({{b1}})
#     l2 = {{w2}} z + ({{b2}})
#
# and pixel d is 1 with probability 1 / (1 + exp(-l_d)). The prior is N(0, 1). With a calculator: the sample `z`,
# the reconstruction term `log_px` = log p(x|z), the divergence `kl` of q(z|x) from the prior in closed form, and
# `elbo`, the one-sample estimate of the ELBO. All in nats, to three digits behind the point.

# %% [check]
from tinyvae.gaussian import kl_forward, reparameterize_forward
from tinyvae.likelihoods import bernoulli_forward


def numbers(rng):
    if rng is None:
        return {"x1": 1, "x2": 0, "mu": 0.6, "sigma": 0.5, "eps": 1.2, "w1": 2.0, "b1": -0.5, "w2": -1.0, "b2": 0.3}
    n = {"x1": 1, "x2": 0} if rng.random() < 0.5 else {"x1": 0, "x2": 1}
    n |= {"mu": signed(rng, 0.4, 1.2), "sigma": round(float(rng.uniform(0.3, 0.7)), 1), "eps": signed(rng, 0.5, 1.6)}
    return n | {name: signed(rng, 0.5, 2.0) if name[0] == "w" else signed(rng, 0.2, 0.6) for name in ("w1", "b1", "w2", "b2")}


def signed(rng, low, high):
    value = round(float(rng.choice([-1, 1]) * rng.uniform(low, high)), 1)
    return 1.1 * value if abs(value) == 1 else value  # a factor of 1 would hide what is left out


def terms(n, z):
    logits, x = np.array([[n["w1"] * z + n["b1"], n["w2"] * z + n["b2"]]]), np.array([[n["x1"], n["x2"]]])
    return logits, x, float(bernoulli_forward(logits, x)[0][0])


def right(n):
    mu, log_sigma = np.array([[n["mu"]]]), np.log([[n["sigma"]]])
    z = float(reparameterize_forward(mu, log_sigma, np.array([[n["eps"]]]))[0][0, 0])
    kl, log_px = float(kl_forward(mu, log_sigma)[0][0]), terms(n, z)[2]
    return {"z": z, "log_px": log_px, "kl": kl, "elbo": log_px - kl}


def wrong(n):
    answers = right(n)
    mu, sigma, log_px, kl = n["mu"], n["sigma"], answers["log_px"], answers["kl"]
    z = mu + sigma**2 * n["eps"]
    scaled = terms(n, z)[2]
    logits, x, _ = terms(n, answers["z"])
    ones = float((x * logits - x * np.logaddexp(0, logits)).sum())
    half = kl + np.log(sigma) / 2
    return {
        "the noise is scaled by the variance": {"z": z, "log_px": scaled, "kl": kl, "elbo": scaled - kl},
        "the mean is decoded in place of the sample": {"z": mu, "log_px": terms(n, mu)[2], "kl": kl, "elbo": terms(n, mu)[2] - kl},
        "ln sigma stands for ln sigma^2 in the KL": answers | {"kl": half, "elbo": log_px - half},
        "the factor 1/2 of the KL is lost": answers | {"kl": 2 * kl, "elbo": log_px - 2 * kl},
        "the KL is added to the reconstruction term": answers | {"elbo": log_px + kl},
        "the pixels that are 0 are left out": answers | {"log_px": ones, "elbo": ones - kl},
        "the mean over pixels is taken in place of their sum": answers | {"log_px": log_px / 2, "elbo": log_px / 2 - kl},
        "the signs are those of the loss": answers | {"log_px": -log_px, "elbo": kl - log_px},
    }


# %% [hints]
# 1. log p of a pixel that is 1 is -ln(1 + e^-l), of one that is 0 it is -ln(1 + e^l): both are negative, and they
# are added.
# 2. KL = (sigma^2 + mu^2 - 1 - ln sigma^2) / 2, with sigma^2 the square of the sigma given; it is never negative.

# %% [note]
# With another eps the ELBO's estimate is another number: it is the mean over eps that is a bound on log p(x).
# Continue with `arrows_of_the_elbo`, the same page backwards.
