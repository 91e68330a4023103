# %% [record]
# title: Active latents by their share of the KL
# kind: function
# lecture: D4 | Visualization of latent space; D3 | Loss Function
# notebook: 11
# equation: KL = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2)
# tag: KL.1
# shapes: mu, log_sigma (N, K); threshold a number -> kl (K,), active a number
# lines: 3
# minutes: 15
# outputs: kl active
# variant_of: active_units
# tests:
#   values 1 = the mean KL of every latent and the number of active ones, at three sets of sizes
#   adds_up 1 = the latents' shares add up to the mean KL of a datum
#   idle 1 = a latent that always follows the prior has a KL of 0 and is not active
# steps:
#   kl = the KL of one latent and one datum, before any sum [KL.1]; then which axis goes, and how
#   active = the numbers that are compared with the threshold: how many there are, and on which side an active latent lies

# %% [markdown]
# Another measure of an idle latent: its posterior is the prior for every datum, so its share of the KL is zero.
# The KL of a diagonal q to N(0, I) is a sum over latents, so each latent k has a share of its own, the mean over the data of its term.
#
# Write `active_units_by_kl(mu, log_sigma, threshold)`: mu and log_sigma, of shape (N, K), are the encoder's outputs for N data; log_sigma is the logarithm
# of a standard deviation. Return the mean KL of every latent, of shape (K,), in nats, and the number of latents for which it is above the threshold.

# %% [solution]
def active_units_by_kl(mu, log_sigma, threshold):
    """mu, log_sigma (N, K), threshold a number, in nats -> kl (K,), number of active latents."""
    ### BEGIN SOLUTION
    kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma) / 2
    kl = kl.mean(0)
    return kl, int((kl > threshold).sum())
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K):
    scale = np.where(np.arange(K) % 2, 0.05, 1.0)
    return normal(rng, 4 * N, K) * scale, log_scale(rng, 4 * N, K) * scale, 0.05

def test_adds_up(student, right, rng):
    from tinyvae.gaussian import kl_forward

    mu, log_sigma, threshold = inputs(rng, 5, 4)
    return same(student.active_units_by_kl(mu, log_sigma, threshold)[0].sum(), kl_forward(mu, log_sigma)[0].mean(), rtol=1e-10)

def test_idle(student, right, rng):
    mu, log_sigma = normal(rng, 6, 3), log_scale(rng, 6, 3)
    mu[:, 1], log_sigma[:, 1] = 0, 0
    kl, active = student.active_units_by_kl(mu, log_sigma, 0.01)
    return bool(abs(kl[1]) < 1e-12) and int(active) == 2

# %% [hints]
# 1. The term of one datum and one latent has shape (N, K). Which axis goes, and is it a sum or a mean?
# 2. sigma^2 and ln sigma^2 from log sigma: no logarithm needs to be taken again.

# %% [wrong] the KL is summed over the latents: one number for each datum
# - kl = kl.mean(0)
# + kl = kl.sum(1)

# %% [wrong] the KL is summed over the data
# - kl = kl.mean(0)
# + kl = kl.sum(0)

# %% [wrong] ln sigma^2 is taken to be log sigma: the 2 is lost
# - kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma) / 2
# + kl = (np.exp(2 * log_sigma) + mu**2 - 1 - log_sigma) / 2

# %% [wrong] log_sigma is taken for the logarithm of a variance
# - kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma) / 2
# + kl = (np.exp(log_sigma) + mu**2 - 1 - log_sigma) / 2

# %% [wrong] the half of the KL is lost
# - kl = (np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma) / 2
# + kl = np.exp(2 * log_sigma) + mu**2 - 1 - 2 * log_sigma

# %% [note]
# In the package: `tinyvae.train.measures.kl_by_dimension`. The two measures can differ: a latent with σ = 1/2 for every datum and one and the same mean
# costs KL but says nothing.
