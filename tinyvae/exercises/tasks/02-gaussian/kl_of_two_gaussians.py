# %% [record]
# title: The KL between any two Gaussians
# kind: function
# lecture: D2 | [the second term: the KL divergence]; D4 | Statisical motivation
# notebook: 06a
# equation: KL(q || p) = E_q[log q(z) - log p(z)]
# tag: -
# shapes: m1, s1, m2, s2 (N,) -> kl (N,)
# lines: 1
# minutes: 15
# outputs: kl
# tests:
#   values 1 = the KL is right, at three sizes
#   integral 1 = it is the integral of q (log q - log p), done numerically
#   standard 1 = with m2 = 0 and s2 = 1 it is the package's KL to N(0, 1)
# steps:
#   kl = under q, the mean of (z - m1)^2 / s1^2 and that of (z - m2)^2 / s2^2; then both logarithms

# %% [markdown]
# Lecture D4 measures the difference of two distributions by the KL divergence. Between two Gaussians on the line it has a closed form. Derive
#
# $$\mathrm{KL}\left(N(m_1, s_1^2)\,\|\,N(m_2, s_2^2)\right) = E_q[\log q(z) - \log p(z)], \qquad z \sim q = N(m_1, s_1^2), \quad p = N(m_2, s_2^2),$$
#
# where $\log N(z; m, s^2) = -\tfrac12\left((z-m)^2/s^2 + \ln s^2 + \ln 2\pi\right)$ and s is a standard deviation.
#
# Write `kl_of_two_gaussians(m1, s1, m2, s2)`. The arguments are arrays of shape (N,): N pairs of Gaussians, entry by entry. Return the KL of each
# pair in nats, of shape (N,).

# %% [solution]
def kl_of_two_gaussians(m1, s1, m2, s2):
    """m1, s1, m2, s2 (N,) -> kl (N,) in nats."""
    ### BEGIN SOLUTION
    return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2
    ### END SOLUTION

# %% [check]
from tinyvae.gaussian import kl_forward


def inputs(rng, N):
    return normal(rng, N), positive(rng, N), normal(rng, N), positive(rng, N)


def test_integral(student, right, rng):
    m1, s1, m2, s2 = inputs(rng, 4)
    u = np.linspace(-12, 12, 1001)[:, None]  # z = m1 + s1 u: one column for each pair
    log_q = -(u**2 + np.log(2 * np.pi)) / 2 - np.log(s1)
    log_p = -(((m1 + s1 * u - m2) / s2) ** 2 + np.log(2 * np.pi)) / 2 - np.log(s2)
    integral = (np.exp(log_q) * (log_q - log_p) * s1).sum(0) * (u[1, 0] - u[0, 0])
    return same(student.kl_of_two_gaussians(m1, s1, m2, s2), integral, 1e-9)


def test_standard(student, right, rng):
    m, s = normal(rng, 5), positive(rng, 5)
    return same(student.kl_of_two_gaussians(m, s, np.zeros(5), np.ones(5)), kl_forward(m[:, None], np.log(s)[:, None])[0])

# %% [hints]
# 1. log q - log p holds z twice, in two squares. Under q, the mean of (z - m1)² is s1².
# 2. For the other square write z - m2 = (z - m1) + (m1 - m2): the mean of the mixed term is 0.

# %% [wrong] q and p are exchanged: it is the KL of the second to the first
# - return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2
# + return np.log(s1 / s2) + (s2**2 + (m1 - m2) ** 2) / (2 * s1**2) - 1 / 2

# %% [wrong] the logarithm has the other sign, ln(s1 / s2)
# - return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2
# + return np.log(s1 / s2) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2

# %% [wrong] the logarithm is halved as if the s were variances
# - return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2
# + return np.log(s2 / s1) / 2 + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2

# %% [wrong] the distance of the means is not divided by the spread of the second Gaussian
# - return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2
# + return np.log(s2 / s1) + s1**2 / (2 * s2**2) + (m1 - m2) ** 2 / 2 - 1 / 2

# %% [wrong] the mean of (z - m1)^2 / s1^2 under q, which gives the -1/2, is left out
# - return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2
# + return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2)

# %% [wrong] the mean of (z - m1)^2 / s1^2 under q, which is 1, is not halved
# - return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1 / 2
# + return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 1

# %% [note]
# Exchange the two and the value changes: the KL is no distance. KL(N(0, 1) || N(0, 9)) is 0.654 nats, the other way round 2.901. Notebook 06a,
# section 5.
