# %% [record]
# title: The gradients on the arrows
# kind: numbers
# lecture: D1 | Backpropagation on VAE; D2 | Reparameterization Trick
# notebook: 07
# equation: loss = -log p(x|z) + KL(q(z|x) || N(0, I)),  z = mu + sigma eps
# tag: ELBO.2
# shapes: x (2,), z (1,)
# lines: 4
# minutes: 20
# tests:
#   dl1 1 = the derivative of the loss by the first logit
#   dz 1 = the derivative of the loss by z
#   dmu 1 = the derivative of the loss by mu, both arrows
#   dlog_sigma 1 = the derivative of the loss by log sigma, both arrows
# steps:
#   dl1 = the derivative of -log p(x1|z) by its logit [BER.2]
#   dz = what comes back from each logit, along its own arrow, and their sum
#   dmu = one arrow goes to z [REP.2], the other to the KL [KL.2]
#   dlog_sigma = one arrow goes to z [REP.2], the other to the KL [KL.2]; on both sigma lies between

# %% [markdown]
# The graph of one datum with two binary pixels and one latent:
#
#     mu ----------------+--> z --+--> l1 --> log p(x1|z) --+
#                        |        |                         |
#     log_sigma -> sigma-+        +--> l2 --> log p(x2|z) --+--> loss = -log p(x1|z) - log p(x2|z) + KL
#                        |                                  |
#     eps (noise) -------+                                  |
#     mu, sigma -----------------------------> KL ----------+
#
#     z = mu + sigma eps      l1 = {{w1}} z + ({{b1}})      l2 = {{w2}} z + ({{b2}})      KL = (sigma^2 + mu^2 - 1 - ln sigma^2) / 2
#
# with x = ({{x1}}, {{x2}}), $\mu$ = {{mu}}, $\sigma$ = {{sigma}}, $\varepsilon$ = {{eps}}, and pixel d being 1
# with probability 1 / (1 + exp(-l_d)). Go through the graph forward, then write on every arrow the derivative of
# the loss by what the arrow comes from. Where several arrows leave a variable, its derivative is their sum. Give,
# to three digits behind the point: `dl1`, `dz`, `dmu` and `dlog_sigma` (by log sigma, not by sigma), each the
# derivative of the loss.

# %% [check]
from tinyvae.gaussian import kl_backward, kl_forward, reparameterize_backward, reparameterize_forward
from tinyvae.layers import sigmoid


def numbers(rng):
    if rng is None:
        return {"x1": 1, "x2": 0, "mu": 0.6, "sigma": 0.5, "eps": 1.2, "w1": 2.0, "b1": -0.5, "w2": -1.0, "b2": 0.3}
    while True:
        n = drawn(rng)
        if min(map(abs, right(n).values())) > 0.01:  # a gradient near 0 would not show what is left out
            return n


def drawn(rng):
    n = {"x1": 1, "x2": 0} if rng.random() < 0.5 else {"x1": 0, "x2": 1}
    n |= {"mu": signed(rng, 0.4, 1.2), "sigma": round(float(rng.uniform(0.3, 0.7)), 1), "eps": signed(rng, 0.5, 1.6)}
    n |= {name: signed(rng, 0.5, 2.0) if name[0] == "w" else signed(rng, 0.2, 0.6) for name in ("w1", "b1", "w2", "b2")}
    return n | {"w2": -np.sign(n["w1"]) * abs(n["w2"])}  # both pixels then pull z the same way, and dz is not near 0


def signed(rng, low, high):
    value = round(float(rng.choice([-1, 1]) * rng.uniform(low, high)), 1)
    return 1.1 * value if abs(value) == 1 else value  # a factor of 1 would hide what is left out


def right(n):
    mu, log_sigma = np.array([[n["mu"]]]), np.log([[n["sigma"]]])
    z, z_cache = reparameterize_forward(mu, log_sigma, np.array([[n["eps"]]]))
    w = np.array([n["w1"], n["w2"]])
    dlogits = sigmoid(w * z + [n["b1"], n["b2"]]) - [n["x1"], n["x2"]]  # of the loss, (1, 2)
    dz = dlogits @ w[:, None]
    through_z, through_kl = reparameterize_backward(dz, z_cache), kl_backward(np.ones(1), kl_forward(mu, log_sigma)[1])
    dmu, dlog_sigma = (a + b for a, b in zip(through_z, through_kl))
    return {"dl1": dlogits[0, 0], "dz": dz[0, 0], "dmu": dmu[0, 0], "dlog_sigma": dlog_sigma[0, 0]}


def wrong(n):
    answers = right(n)
    dz, mu, sigma, eps = answers["dz"], n["mu"], n["sigma"], n["eps"]
    through_kl = sigma**2 - 1
    return {
        "the arrow from the KL is left out": answers | {"dmu": dz, "dlog_sigma": dz * sigma * eps},
        "the arrow through z is left out": answers | {"dmu": mu, "dlog_sigma": through_kl},
        "the signs are those of the ELBO, not of the loss": {name: -value for name, value in answers.items()},
        "eps is missing from the arrow through z": answers | {"dlog_sigma": dz * sigma + through_kl},
        "the derivative is taken by sigma in place of log sigma": answers | {"dlog_sigma": dz * eps + sigma - 1 / sigma},
        "the derivative is taken by log sigma^2 in place of log sigma": answers | {"dlog_sigma": answers["dlog_sigma"] / 2},
        "one of the two pixels alone sends a gradient to z": through(answers, n, n["w1"] * answers["dl1"]),
        "the weights of the decoder are left out on the way to z": through(answers, n, answers["dl1"] + (dz - n["w1"] * answers["dl1"]) / n["w2"]),
    }


def through(answers, n, dz):
    """The answers with another dz, and what follows from it."""
    return answers | {"dz": dz, "dmu": dz + n["mu"], "dlog_sigma": dz * n["sigma"] * n["eps"] + n["sigma"] ** 2 - 1}


# %% [hints]
# 1. The derivative of -log p of a Bernoulli pixel by its logit is a difference of two numbers that you have.
# 2. z sends two arrows, to l1 and l2, so two numbers come back; each is multiplied by the weight on its arrow.
# 3. mu and log_sigma each stand in z and in the KL. For log_sigma, sigma lies between: d sigma / d log sigma =
# sigma.

# %% [note]
# These are the numbers that backpropagation computes, in its order. `elbo_backward` does the same for a batch, L
# samples and two networks.
