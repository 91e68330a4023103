# %% [record]
# title: Where the bound is lost
# kind: numbers
# lecture: D0 | Pitfalls of VAE; D0 | Encoder Network for Amortised Inference; D1 | Variational Inference (2)
# notebook: 08
# equation: log p(x) - ELBO = KL(q(z|x) || p(z|x))
# tag: -
# shapes: numbers
# lines: 4
# minutes: 10
# tolerance: 1e-3
# tests:
#   kl 1 = the KL from the encoder's q to the exact posterior
#   approximation 1 = the approximation gap: what no diagonal q can reach
#   amortisation 1 = the amortisation gap: what the encoder misses of the best diagonal q
#   gain 1 = by how much the best ELBO rises if q may have correlations
# steps:
#   kl = what log p(x) consists of, for any q; then the same for the encoder's q
#   approximation = the best that a diagonal q can reach, and what it is compared with
#   amortisation = which two of the four numbers differ because of the encoder alone
#   gain = which two of the four numbers differ because of the family alone, each with the best q of its own

# %% [markdown]
# Suppose that a VAE with two latents was trained, and that four numbers were measured on its test data, in nats per datum (means over the data):
#
# - log p(x), exact on a grid: {{log_px}}
# - the ELBO with the q of the encoder, which is a diagonal Gaussian: {{encoder}}
# - the ELBO with the best diagonal Gaussian of each datum, found by gradient ascent: {{diagonal}}
# - the ELBO with the best Gaussian of full covariance of each datum: {{full}}
#
# Give, in nats per datum:
#
# - `kl`: the mean of $KL(q(z|x) \| p(z|x))$ for the encoder's q;
# - `approximation`: the approximation gap of the diagonal family;
# - `amortisation`: the amortisation gap of this encoder;
# - `gain`: what the best q gain when the family gets full covariances in the place of diagonal ones.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"log_px": -20.125, "encoder": -20.389, "diagonal": -20.182, "full": -20.164}
    log_px = round(float(rng.uniform(-95, -15)), 3)
    full = round(log_px - float(rng.uniform(0.02, 0.12)), 3)
    diagonal = round(full - float(rng.uniform(0.15, 0.4)), 3)
    return {"log_px": log_px, "encoder": round(diagonal - float(rng.uniform(0.4, 2)), 3), "diagonal": diagonal, "full": full}

def right(n):
    return {
        "kl": n["log_px"] - n["encoder"], "approximation": n["log_px"] - n["diagonal"],
        "amortisation": n["diagonal"] - n["encoder"], "gain": n["full"] - n["diagonal"],
    }  # fmt: skip

def wrong(n):
    good = right(n)
    return {
        "the two gaps are exchanged": {**good, "approximation": good["amortisation"], "amortisation": good["approximation"]},
        "the amortisation gap is counted from log p(x)": {**good, "amortisation": good["kl"]},
        "the KL is what the encoder misses of the best diagonal q only": {**good, "kl": good["amortisation"]},
        "the best full Gaussian is taken for the best diagonal one": {
            **good, "approximation": n["log_px"] - n["full"], "amortisation": n["full"] - n["encoder"],
        },  # fmt: skip
        "the signs are turned round": {name: -value for name, value in good.items()},
        "the gain is what the full family still lacks of log p(x)": {**good, "gain": n["log_px"] - n["full"]},
    }

# %% [hints]
# 1. Order the four numbers. Each step upwards removes one reason for the loss: the encoder, the diagonal, the Gaussian.
# 2. For any q, log p(x) = ELBO + KL(q || p(z|x)).

# %% [note]
# In the package: `gap_report`, which refines the encoder's own q. What the loss is made of decides the cure: a better encoder, a richer family of q, or neither.
