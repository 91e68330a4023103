# %% [record]
# title: Two ways back to mu and log sigma
# kind: numbers
# lecture: D1 | Backpropagation on VAE; D2 | Reparameterization Trick
# notebook: 07
# equation: loss = (x - z)^2 / 2 + KL, z = mu + sigma * eps
# tag: -
# shapes: all are single numbers
# lines: 3
# minutes: 15
# tests:
#   sample 1 = z and dz
#   dmu 1 = what comes back to mu from the sample and from the KL, and dmu
#   dlog_sigma 1 = what comes back to log sigma from the sample and from the KL, and dlog_sigma
# steps:
#   sample = z from its formula; then the derivative of the square by z
#   dmu = mu stands in z and in the KL: one gradient from each, and their sum [REP.2] [KL.2]
#   dlog_sigma = sigma stands in z and in the KL: one gradient from each, with the step from sigma to log sigma, and their sum [REP.2] [KL.2]
# tolerance: 1e-3

# %% [markdown]
# The smallest VAE there is: one datum x, one latent dimension, and a decoder that returns z itself with noise of variance 1. Up to a constant its
# loss is
#
# $$\tfrac12 (x - z)^2 + \mathrm{KL}, \qquad
# z = \mu + \sigma\varepsilon, \qquad \mathrm{KL} = \tfrac12\left(\sigma^2 + \mu^2 - 1 - \ln\sigma^2\right) .$$
#
#     mu, log sigma ---> z = mu + sigma eps ---> (x - z)^2 / 2 ---(+)---> loss
#           |                                                      |
#           +--------------------> KL -----------------------------+
#
# The numbers are x = {{x}}, μ = {{mu}}, σ = {{sigma}}, and this time the noise is ε = {{eps}}. By hand, with no program; `dv` is the derivative of
# the loss by v, with ε held fixed, and the variables of the encoder are μ and log σ (natural logarithm). Fill in:
#
# - `sample`: two numbers, z and dz.
# - `dmu`: three numbers: what comes back to μ from z, what comes back to μ from the KL, and dmu.
# - `dlog_sigma`: three numbers: what comes back to log σ from z, what comes back to log σ from the KL, and dlog_sigma.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"x": 2, "mu": 1, "sigma": 2, "eps": -1}
    while True:
        n = {name: rng.choice(values).item() for name, values in CHOICES.items()}
        if abs(n["mu"] + n["sigma"] * n["eps"] - n["x"]) > 0.4:
            return n


CHOICES = {"x": [-3, -2, 2, 3, 4], "mu": [-2, -1.5, -1, -0.5, 0.5, 1, 1.5], "sigma": [0.5, 2, 3], "eps": [-2, -1, -0.5, 0.5, 1, 2]}


def parts(n):
    """dz, and what comes back to mu and to log sigma, from z and from the KL."""
    dz = n["mu"] + n["sigma"] * n["eps"] - n["x"]
    return dz, (dz, n["mu"]), (dz * n["sigma"] * n["eps"], n["sigma"] ** 2 - 1)


def right(n):
    dz, of_mu, of_log_sigma = parts(n)
    return {"sample": (dz + n["x"], dz), "dmu": (*of_mu, sum(of_mu)), "dlog_sigma": (*of_log_sigma, sum(of_log_sigma))}


def wrong(n):
    truth = right(n)
    dz, (mu_z, mu_kl), (log_z, log_kl) = parts(n)
    sigma, eps = n["sigma"], n["eps"]
    return {
        "only the way through the sample is counted": {**truth, "dmu": (mu_z, mu_kl, mu_z), "dlog_sigma": (log_z, log_kl, log_z)},
        "only the way through the KL is counted": {**truth, "dmu": (mu_z, mu_kl, mu_kl), "dlog_sigma": (log_z, log_kl, log_kl)},
        "the derivatives are by sigma: the factor sigma is missing on both ways": {
            **truth, "dlog_sigma": (dz * eps, sigma - 1 / sigma, dz * eps + sigma - 1 / sigma)},
        "the factor sigma is missing on the way through the sample": {**truth, "dlog_sigma": (dz * eps, log_kl, dz * eps + log_kl)},
        "the KL is subtracted, as in the ELBO, while the square is not": {
            **truth, "dmu": (mu_z, -mu_kl, mu_z - mu_kl), "dlog_sigma": (log_z, -log_kl, log_z - log_kl)},
        "dz is x - z: the inner derivative -1 of x - z is lost": {
            "sample": (dz + n["x"], -dz), "dmu": (-mu_z, mu_kl, mu_kl - mu_z), "dlog_sigma": (-log_z, log_kl, log_kl - log_z)},
    }

# %% [hints]
# 1. Find z first, then dz from the square alone: the KL does not hold z.
# 2. From z to log σ there are two steps: from z to σ with ε held fixed, and from σ to log σ with dσ / d log σ = σ.
# 3. The loss is a sum, so both of its terms get the gradient 1 from above. What is used twice collects both gradients.

# %% [note]
# Lecture D2 gives the way through the sample alone; the KL's own gradient has to be added (a nuance to D2, E36). With another ε the first parts
# change and the parts of the KL do not: they carry no noise. Notebook 07, section 8, draws the whole graph.
