# %% [record]
# title: How many latents are in use?
# kind: function
# lecture: D4 | Visualization of latent space; D0 | Pitfalls of VAE (2)
# notebook: 11
# equation: collapse: q(z_k|x) = p(z_k) for all x, and the decoder does not depend on z_k
# tag: -
# shapes: mu (N, K); threshold a number -> spread (K,), active a number
# lines: 2
# minutes: 10
# outputs: spread active
# tests:
#   values 1 = the spread of every latent and the number of active ones, at three sets of sizes
#   shifted 1 = a latent whose mean is the same for all data, if not 0, is not active
# steps:
#   spread = the variance of one latent's mean: over which axis, around which value, divided by what
#   active = the numbers that are compared with the threshold: how many there are, and on which side an active latent lies

# %% [markdown]
# After training some latents may be idle: their posterior is the same for every datum, so they tell nothing about x. A usual measure (Burda et al.,
# arXiv:1509.00519) looks at the posterior means: latent k is *active* if the variance of $μ_k(x)$ over the data is above a threshold, 0.01 for example.
#
# Write `active_units(mu, threshold)`: mu of shape (N, K) holds the posterior means of N data. Return the variance over the data of every
# latent's mean (squares divided by N, not N - 1), of shape (K,), and the number of active latents, a whole number.

# %% [solution]
def active_units(mu, threshold):
    """mu (N, K), threshold a number -> spread (K,), number of active latents."""
    ### BEGIN SOLUTION
    spread = mu.var(0)
    return spread, int((spread > threshold).sum())
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    scale = np.where(np.arange(K) % 2, 0.04, 0.6)
    return normal(rng, 4 * N, K) * scale + 0.5 * normal(rng, K), 0.01

def test_shifted(student, right, rng):
    mu = np.column_stack([normal(rng, 9), np.full(9, 1.5), np.linspace(-0.15, 0.15, 9), 0.01 * normal(rng, 9)])
    results = student.active_units(mu, 0.01), student.active_units(mu, 0.005)
    return [int(count) for _, count in results] == [1, 2] and bool(abs(results[0][0][1]) < 1e-12)

# %% [hints]
# 1. Over which of the two axes must the variance be taken, so that K numbers are left?

# %% [wrong] the mean of the squares is taken: the mean over the data is not subtracted
# - spread = mu.var(0)
# + spread = (mu**2).mean(0)

# %% [wrong] standard deviations are compared with the threshold
# - spread = mu.var(0)
# + spread = mu.std(0)

# %% [wrong] the variance is taken over the latents of each datum
# - spread = mu.var(0)
# + spread = mu.var(1)

# %% [wrong] the idle latents are counted
# - return spread, int((spread > threshold).sum())
# + return spread, int((spread < threshold).sum())

# %% [wrong] the squares are divided by N - 1
# - spread = mu.var(0)
# + spread = mu.var(0, ddof=1)

# %% [note]
# In the package: `tinyvae.train.measures.active_units`. In a linear VAE the number is known beforehand: the eigenvalues above η (notebook 09).
