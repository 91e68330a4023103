# %% [record]
# title: Mean field, one latent at a time
# kind: function
# lecture: D3 | Common Restrictions on $Q$; D3 | 2. Variational Inference
# notebook: 08
# equation: Q(Z) = Q_1(Z_1) ... Q_m(Z_m), found by phi* = argmin KL(Q || p(z|x))
# tag: -
# shapes: m, nu (K,); precision (K, K) -> m, sigma (K,)
# lines: 5
# minutes: 25
# outputs: m sigma
# tests:
#   values 2 = m after one sweep, and sigma, at three sets of sizes
#   falls 2 = every sweep lowers KL(q || p(z|x)), and after many sweeps m is the posterior's mean
#   diagonal 1 = independent latents are right after one sweep
# steps:
#   m = the terms of ln p(z|x) that hold z_j, averaged over the other factors; which of their means are already new
#   sigma = the term of ln p(z|x) with the square of z_j, beside that of a Gaussian in z_j

# %% [markdown]
# The posterior of one datum is the Gaussian $N(ν, Λ^{-1})$ with precision matrix Λ. The approximation factorises over the latent dimensions:
# $q(z) = \prod_j q_j(z_j)$, $q_j = N(m_j, σ_j^2)$. The best factor j, when all other factors are held, is
# $$\ln q_j(z_j) = E_{\text{all other } q_k}[\ln p(z|x)] + \text{const}, \qquad \ln p(z|x) = -\frac12 (z - ν)'Λ(z - ν) + \text{const}.$$
#
# Work out the mean and the standard deviation of that factor. Then write one *sweep*, `coordinate_ascent(m, precision, nu)`: replace $m_1$ by the mean of its
# best factor, then $m_2$, ..., then $m_K$. Each uses the newest values of all others. m and nu have shape (K,), precision is Λ.
# Return the new m and sigma, both of shape (K,). The array m that comes in must not be changed.

# %% [solution]
def coordinate_ascent(m, precision, nu):
    """m (K,), precision (K, K), nu (K,) -> m after one sweep (K,), sigma (K,) standard deviations."""
    ### BEGIN SOLUTION
    m = m.copy()
    for j in range(len(m)):
        pull = precision[j] @ (m - nu) - precision[j, j] * (m[j] - nu[j])
        m[j] = nu[j] - pull / precision[j, j]
    sigma = 1 / np.sqrt(np.diag(precision))
    return m, sigma
    ### END SOLUTION

# %% [check]
def inputs(rng, K):
    A = normal(rng, K, K)
    return normal(rng, K), A @ A.T / K + np.diag(positive(rng, K)), normal(rng, K)

def test_falls(student, right, rng):
    m, precision, nu = inputs(rng, 4)
    precision = precision + 2  # strongly coupled
    left = lambda m: (m - nu) @ precision @ (m - nu)
    for _ in range(300):
        before, (m, sigma) = left(m), student.coordinate_ascent(m, precision, nu)
        if left(m) > before + 1e-12:
            return False
    scaled = np.sqrt(np.diag(precision)) * sigma  # the derivative of the KL by sigma vanishes
    return same(m, nu, rtol=1e-6) and same(scaled, np.ones(4), rtol=1e-9)

def test_diagonal(student, right, rng):
    m, _, nu = inputs(rng, 3)
    m, sigma = student.coordinate_ascent(m, np.diag([0.25, 4.0, 16.0]), nu)
    return same((m, sigma), (nu, np.array([2.0, 0.5, 0.25])), rtol=1e-12)

# %% [hints]
# 1. Write out the terms of (z - ν)'Λ(z - ν) that hold z_j: one with its square, and twice the sum over k ≠ j of a product. The expectation puts m_k for z_k.
# 2. Complete the square in z_j. Its factor is the precision of q_j; the rest says by how much the others pull m_j away from ν_j.
# 3. The newest values: change a copy of m entry by entry in a loop.

# %% [wrong] all means are replaced at once, from the old values of the others
# - m = m.copy()
# + old, m = m, m.copy()
# - pull = precision[j] @ (m - nu) - precision[j, j] * (m[j] - nu[j])
# + pull = precision[j] @ (old - nu) - precision[j, j] * (old[j] - nu[j])

# %% [wrong] the term k = j is not left out of the pull
# - pull = precision[j] @ (m - nu) - precision[j, j] * (m[j] - nu[j])
# + pull = precision[j] @ (m - nu)

# %% [wrong] the widths are those of the exact marginals
# - sigma = 1 / np.sqrt(np.diag(precision))
# + sigma = np.sqrt(np.diag(np.linalg.inv(precision)))

# %% [wrong] the array m that came in is changed
# - m = m.copy()
# + m = m

# %% [wrong] a latent is pushed in the direction in which it should be pulled
# - m[j] = nu[j] - pull / precision[j, j]
# + m[j] = nu[j] + pull / precision[j, j]

# %% [wrong] variances are returned in the place of standard deviations
# - sigma = 1 / np.sqrt(np.diag(precision))
# + sigma = 1 / np.diag(precision)

# %% [note]
# The mean of mean field is right, its widths are too small: 1/Λ_jj is never more than the true variance (Λ^-1)_jj. Notebook 08 measures the loss.
