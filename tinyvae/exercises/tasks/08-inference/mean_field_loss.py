# %% [record]
# title: Mean field by hand
# kind: numbers
# lecture: D3 | Common Restrictions on $Q$; D4 | Implementation
# notebook: 08
# equation: KL(N(nu, S) || N(nu, Lambda^-1)) = 1/2 (tr(Lambda S) - K - ln|S| - ln|Lambda|)
# tag: -
# shapes: numbers
# lines: 3
# minutes: 15
# tolerance: 1e-3
# tests:
#   sigma_q 1 = the standard deviation of the first latent under the best diagonal q
#   sigma_exact 1 = the standard deviation of the first latent under the exact posterior
#   loss 1 = log p(x) minus the ELBO of the best diagonal q, in nats
# steps:
#   sigma_q = the terms of the KL that hold sigma_1 for a diagonal S, and where their derivative is zero
#   sigma_exact = the covariance of the exact posterior, from its precision: the entry that belongs to z_1
#   loss = the KL at the best widths: what becomes of the trace, and which logarithms are left

# %% [markdown]
# The exact posterior of a datum is a Gaussian of two latents, with the precision matrix (the inverse of the covariance)
# $$Λ = ((a, c), (c, b)), \qquad a = {{a}}, \quad b = {{b}}, \quad c = {{c}}.$$
# q is a product of one Gaussian for each latent, and the best of its kind: $KL(q \| p(z|x))$ is least. With K = 2 here,
# $$KL(N(m, S) \| N(ν, Λ^{-1})) = \frac12 (tr(Λ S) + (m - ν)'Λ(m - ν) - K - \ln|S| - \ln|Λ|).$$
#
# - `sigma_q`: the standard deviation of $z_1$ under q;
# - `sigma_exact`: the standard deviation of $z_1$ under the exact posterior;
# - `loss`: how much the ELBO of this q is below log p(x), in nats.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"a": 3, "b": 2, "c": 1}
    a, b = (int(v) for v in rng.choice(np.arange(2, 7), 2, replace=False))  # a = b would hide which is which
    return {"a": a, "b": b, "c": round(float(rng.choice([-1, 1]) * rng.uniform(0.5, 0.9) * (a * b) ** 0.5), 1)}

def right(n):
    a, b, c = n["a"], n["b"], n["c"]
    det = a * b - c * c
    return {"sigma_q": a**-0.5, "sigma_exact": (b / det) ** 0.5, "loss": (np.log(a * b) - np.log(det)) / 2}

def wrong(n):
    good, a, b, c = right(n), n["a"], n["b"], n["c"]
    det = a * b - c * c
    return {
        "the exact width is taken for that of q": {**good, "sigma_q": good["sigma_exact"]},
        "the width of q is taken for the exact one": {**good, "sigma_exact": good["sigma_q"]},
        "the diagonal is not exchanged in the inverse": {**good, "sigma_exact": (a / det) ** 0.5},
        "a variance is given in the place of a standard deviation": {**good, "sigma_q": 1 / a},
        "the precision is taken for a covariance": {**good, "sigma_q": a**0.5},
        "the half is missing": {**good, "loss": 2 * good["loss"]},
        "the loss has the sign of the KL turned round": {**good, "loss": -good["loss"]},
    }

# %% [hints]
# 1. For a diagonal S the trace is a sigma_1^2 + b sigma_2^2. Set the derivative by sigma_1^2 to zero.
# 2. The exact covariance is the inverse of Λ: for a 2 × 2 matrix, exchange the diagonal and divide by the determinant.
# 3. Put the best widths back: the trace becomes the number of latents, and only logarithms are left.

# %% [note]
# Mean field is too sure of itself: its width is never more than the exact one. The loss depends on the correlation r of the precision alone: -1/2 ln(1 - r^2).
