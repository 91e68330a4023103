# %% [record]
# title: The gradient of the evidence is a posterior mean
# kind: backward
# lecture: D0 | Maximum (Marginal) Likelihood; D2 | Observation Model
# notebook: 04
# equation: p(x) = integral of p(z) p(x|z) dz = sum_m p(x|z_m) p(z_m) dz on a grid
# tag: GRID.1
# shapes: dlog_p (N,); cache = (joint, cell) -> dlog_px (N, M), dlog_pz (M,)
# lines: 4
# minutes: 20
# forward: evidence_on_a_grid_forward
# outputs: dlog_px dlog_pz
# wrt: log_px log_pz
# tests:
#   values 2 = dlog_px and dlog_pz, at three sets of sizes
#   gradient 1 = backward agrees with differences of the forward pass
#   sums 1 = over the grid the gradients of a datum add up to what came from above
# steps:
#   dlog_px = the derivative of ln of a sum of exponentials by one exponent: a share of the sum, which has a name in Bayes' rule [GRID.1]
#   dlog_pz = log p(z_m) enters the sum of every datum: what is used N times collects N gradients [GRID.1]

# %% [markdown]
# Maximum likelihood needs the gradient of $\log p(x)$, not only its value. With one latent dimension and a grid of M points $z_m$, a distance dz apart,
# $$\log p(x_n) = \ln \sum_m p(x_n|z_m) p(z_m) dz.$$
# `evidence_on_a_grid_forward(log_px, log_pz, cell)`, given below, computes it for N data at once: log_px of shape (N, M) holds $\log p(x_n|z_m)$, log_pz of shape
# (M,) holds $\log p(z_m)$, cell is dz.
#
# Write its backward pass `evidence_on_a_grid_backward(dlog_p, cache)`: dlog_p of shape (N,) comes from above. In the cache, `joint`, of shape (N, M), is
# $p(x_n|z_m) p(z_m)$ divided by the largest value of its row. Return dlog_px, of shape (N, M), and dlog_pz, of shape (M,). cell gets no gradient.

# %% [given]
def evidence_on_a_grid_forward(log_px, log_pz, cell):
    """log_px (N, M), log_pz (M,), cell a number -> log p(x) (N,), in nats, and a cache."""
    log_joint = log_px + log_pz
    top = log_joint.max(1, keepdims=True)
    joint = np.exp(log_joint - top)
    cache = joint, cell
    return top[:, 0] + np.log(joint.sum(1) * cell), cache

# %% [solution]
def evidence_on_a_grid_backward(dlog_p, cache):
    """dlog_p (N,), cache = (joint (N, M), cell) -> dlog_px (N, M), dlog_pz (M,)."""
    ### BEGIN SOLUTION
    joint, cell = cache
    posterior = joint / joint.sum(1, keepdims=True)
    dlog_joint = dlog_p[:, None] * posterior
    return dlog_joint, dlog_joint.sum(0)
    ### END SOLUTION

# %% [check]
def inputs(rng, N, M):
    return normal(rng, N, M), normal(rng, M), 0.37

def test_sums(student, right, rng):
    dlog_p = upstream(rng, 4)
    dlog_px, dlog_pz = student.evidence_on_a_grid_backward(dlog_p, evidence_on_a_grid_forward(*inputs(rng, 4, 9))[1])
    return dlog_px.shape == (4, 9) and same(dlog_px.sum(1), dlog_p, rtol=1e-10) and same(dlog_pz.sum(), dlog_p.sum(), rtol=1e-10)

# %% [hints]
# 1. Call the exponents a_m. The derivative of ln(sum_k exp a_k) by a_m is a share: positive, and the shares add up to 1.
# 2. The largest value of the row and the cell are factors of all terms. Do they change the shares?
# 3. log_pz has no N axis, but is used by all N data.

# %% [wrong] the shares are multiplied by the cell: they do not add up to 1
# - posterior = joint / joint.sum(1, keepdims=True)
# + posterior = joint / joint.sum(1, keepdims=True) * cell

# %% [wrong] the shares are taken over the data, not over the grid
# - posterior = joint / joint.sum(1, keepdims=True)
# + posterior = joint / joint.sum(0)

# %% [wrong] the joint is not divided by its sum
# - posterior = joint / joint.sum(1, keepdims=True)
# + posterior = joint

# %% [wrong] dlog_pz is the mean over the data, not the sum
# - return dlog_joint, dlog_joint.sum(0)
# + return dlog_joint, dlog_joint.mean(0)

# %% [wrong] what comes from above is left out
# - dlog_joint = dlog_p[:, None] * posterior
# + dlog_joint = posterior

# %% [note]
# So the gradient of log p(x) by the decoder is the posterior mean of the gradient of log p(x|z): what EM's M-step and the ELBO use, with q in the posterior's place.
