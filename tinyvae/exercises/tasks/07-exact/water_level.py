# %% [record]
# title: The rate of a given distortion
# kind: function
# lecture: D4 | Visualization of latent space; D2 | Deep Autoencoders (3)
# notebook: 09
# equation: rate = sum_j 1/2 ln(lambda_j / s) over lambda_j > s,  distortion = sum_j min(s, lambda_j)
# tag: RD.1
# shapes: eigenvalues (D,); distortion a number -> s a number, rate a number
# lines: 8
# minutes: 25
# outputs: s rate
# rtol: 1e-7
# tests:
#   values 2 = level and rate, at three sets of sizes
#   spent 1 = at the level that is returned, exactly the distortion is spent
#   package 1 = level and rate are those of the package's linear beta-VAE on data
# steps:
#   s = the distortion at a trial level, and the side of that level on which the wanted one lies [RD.1]
#   rate = the directions that count at this level, and the term of each [RD.1]

# %% [markdown]
# A linear β-VAE with noise variance η keeps of every principal direction what lies above a *water level* s = β η. Where it may have as many latents as it
# likes, its rate (the mean KL, in nats) and its distortion (the mean squared error of a datum) are
# $$rate = \sum_{j: λ_j > s} \frac12 \ln\frac{λ_j}{s}, \qquad distortion = \sum_j \min(s, λ_j),$$
# where $λ_j$ are the eigenvalues of the data's covariance.
#
# Now turn it round: you may spend a given distortion. Write `water_level(eigenvalues, distortion)` for eigenvalues of shape (D,), all positive and in no
# particular order, and a distortion between 0 and their sum. Return the level s and the rate in nats, both with at least nine correct digits.

# %% [solution]
def water_level(eigenvalues, distortion):
    """eigenvalues (D,), distortion a number -> s, rate: two numbers, the rate in nats."""
    ### BEGIN SOLUTION
    low, high = 0.0, eigenvalues.max()
    for _ in range(60):
        s = (low + high) / 2
        if np.minimum(s, eigenvalues).sum() < distortion:
            low = s
        else:
            high = s
    above = eigenvalues[eigenvalues > s]
    return s, np.log(above / s).sum() / 2
    ### END SOLUTION

# %% [check]
# rtol 1e-7: a search ends where its author says
def inputs(rng, D):
    eigenvalues = positive(rng, D) ** 2
    return eigenvalues, float(rng.uniform(0.3, 0.8) * eigenvalues.sum())

def test_spent(student, right, rng):
    for share in (0.05, 0.5, 0.95):
        eigenvalues = np.array([0.3, 5.0, 1.2, 0.01])
        s, _ = student.water_level(eigenvalues, share * eigenvalues.sum())
        if not same(np.minimum(s, eigenvalues).sum(), share * eigenvalues.sum(), rtol=1e-7):
            return False
    return True

def test_package(student, right, rng):
    from tinyvae.exact import PCA, LinearBetaVAE

    X = rng.standard_normal((40, 6)) @ normal(rng, 6, 6)
    for eta, beta in ((0.1, 2.0), (0.7, 1.5)):
        model = LinearBetaVAE(6, eta, beta).fit(X)
        found = student.water_level(PCA(6).fit(X).eigenvalues_, model.distortion_)
        if not same(found, (eta * beta, model.rate_), rtol=1e-6):
            return False
    return True

# %% [hints]
# 1. The distortion never falls as s rises. At s = 0 it is 0; at which s is it the sum of all eigenvalues?
# 2. Halve: keep an interval [low, high] that holds the level, and replace one end by the middle. 60 halvings reach the accuracy of a float.

# %% [wrong] eigenvalues below the level are charged with a negative rate
# - above = eigenvalues[eigenvalues > s]
# + above = eigenvalues

# %% [wrong] the rate lacks the half
# - return s, np.log(above / s).sum() / 2
# + return s, np.log(above / s).sum()

# %% [wrong] directions below the level are counted as free of error
# - if np.minimum(s, eigenvalues).sum() < distortion:
# + if s * (eigenvalues > s).sum() < distortion:

# %% [wrong] the rate is in bits
# - return s, np.log(above / s).sum() / 2
# + return s, np.log2(above / s).sum() / 2

# %% [wrong] every direction gets the same share of the distortion, even one that has less variance
# - above = eigenvalues[eigenvalues > s]
# + s = distortion / len(eigenvalues)
# + above = eigenvalues[eigenvalues > s]

# %% [note]
# For Gaussian data no code does better: it is the reverse water-filling of rate-distortion theory. In the package: `tinyvae.exact.LinearBetaVAE`.
