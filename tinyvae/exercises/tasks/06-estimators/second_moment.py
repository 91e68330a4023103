# %% [record]
# title: What a wrong q costs
# kind: function
# lecture: D0 | Estimating $\log p_\theta(x) = \log \mathbb{E}_{p(z)} p_\theta(x \mid z)$
# notebook: 04
# equation: E_q w^2 / p(x)^2 = integral of p(z|x)^2 / q(z)
# tag: -
# shapes: precision, q_precision (K, K) -> a number
# lines: 4
# minutes: 20
# outputs: moment
# tests:
#   values 1 = the closed form, at three sizes
#   one_dimension 1 = in one dimension it agrees with the integral, done numerically
#   quadrature 1 = for a correlated posterior and a factorised q it agrees with the integral, done numerically
#   infinite 1 = where the integral does not exist the result is np.inf
# steps:
#   moment = the exponents of p(z|x)^2 / q(z) in one quadratic form, the factors in front of the three densities, the integral

# %% [markdown]
# Importance weights $w = p(x,z)/q(z)$ have the mean $p(x)$ under $q$. How noisy they are is told by their second
# moment. As $w = p(x)\,p(z|x)/q(z)$,
#
# $$\frac{\mathbb E_q\,w^2}{p(x)^2} = \int \frac{p(z|x)^2}{q(z)}\,dz .$$
#
# It is 1 if $q$ is the posterior. Find it in closed form for a Gaussian posterior $\mathcal N(0, \Lambda^{-1})$ and
# $q = \mathcal N(0, \Lambda_q^{-1})$ in K dimensions, and write it: `precision` is $\Lambda$, `q_precision` is
# $\Lambda_q$, both symmetric, positive definite and of shape (K, K). Return one number; `np.inf` where the integral is
# infinite.
#
# Known: $\mathcal N(z; 0, \Lambda^{-1}) = \sqrt{\det\Lambda}\,(2\pi)^{-K/2}\, e^{-z'\Lambda z/2}$, and
# $\int e^{-z'Az/2}dz = (2\pi)^{K/2}/\sqrt{\det A}$ if $A$ is positive definite; else it is infinite.

# %% [solution]
def second_moment(precision, q_precision):
    """precision, q_precision (K, K) -> E_q w^2 / p(x)^2, a number, np.inf where it is infinite."""
    ### BEGIN SOLUTION
    tail = 2 * precision - q_precision
    if np.linalg.eigvalsh(tail).min() <= 0:
        return np.inf
    return np.linalg.det(precision) / np.sqrt(np.linalg.det(q_precision) * np.linalg.det(tail))
    ### END SOLUTION

# %% [check]
def inputs(rng, K):
    a, b = normal(rng, K, K), normal(rng, K, K)
    precision = a @ a.T + np.eye(K)
    return precision, 0.6 * precision + 0.5 * np.eye(K) + 0.01 * b @ b.T

def test_one_dimension(student, right, rng):
    z = np.linspace(-40, 40, 8001)
    for a, b in ((1.0, 1.5), (2.5, 0.7), (0.8, 0.8)):
        want = np.exp(-(2 * a - b) * z**2 / 2).sum() * 0.01 * a / np.sqrt(b * 2 * np.pi)
        if not same(student.second_moment(np.array([[a]]), np.array([[b]])), want, rtol=1e-8):
            return False
    return True

def test_quadrature(student, right, rng):
    g = np.linspace(-20, 20, 401)
    z1, z2 = np.meshgrid(g, g)
    form = z1**2 + z2**2 + 4 * 0.4 * z1 * z2  # z'(2 Lambda - I) z
    want = np.exp(-form / 2).sum() * (g[1] - g[0]) ** 2 * (1 - 0.16) / (2 * np.pi)
    return abs(student.second_moment(np.array([[1, 0.4], [0.4, 1]]), np.eye(2)) - want) < 1e-6

def test_infinite(student, right, rng):
    with np.errstate(all="ignore"):
        both = student.second_moment(np.eye(2), 4 * np.eye(2))
        one = student.second_moment(np.array([[1, 0.6], [0.6, 1]]), np.eye(2))
    return both == np.inf and one == np.inf

# %% [hints]
# 1. Collect the exponents of p(z|x)^2 / q(z) into one quadratic form z'Az. What is A?
# 2. The factors in front: one for each of the three densities, where the posterior's comes squared; then the integral.
#    The powers of 2 pi cancel.
# 3. A determinant can be positive although the matrix is not positive definite. `np.linalg.eigvalsh` gives the
#    eigenvalues.

# %% [wrong] the sign of the determinant is asked instead of the eigenvalues: two negative ones pass
# - if np.linalg.eigvalsh(tail).min() <= 0:
# + if np.linalg.det(tail) <= 0:

# %% [wrong] it is not asked whether the integral exists
def second_moment(precision, q_precision):
    tail = 2 * precision - q_precision
    with np.errstate(all="ignore"):
        return np.linalg.det(precision) / np.sqrt(np.linalg.det(q_precision) * np.linalg.det(tail))

# %% [wrong] the precision of the posterior is counted once in the exponent, where its density stands squared
# - tail = 2 * precision - q_precision
# + tail = precision - q_precision / 2

# %% [wrong] posterior and q have changed places
# - tail = 2 * precision - q_precision
# + precision, q_precision = q_precision, precision
# + tail = 2 * precision - q_precision

# %% [wrong] determinants are taken where their roots belong
# - return np.linalg.det(precision) / np.sqrt(np.linalg.det(q_precision) * np.linalg.det(tail))
# + return np.linalg.det(precision) ** 2 / (np.linalg.det(q_precision) * np.linalg.det(tail))

# %% [wrong] the second moment is returned minus 1: the variance
# - return np.linalg.det(precision) / np.sqrt(np.linalg.det(q_precision) * np.linalg.det(tail))
# + return np.linalg.det(precision) / np.sqrt(np.linalg.det(q_precision) * np.linalg.det(tail)) - 1

# %% [note]
# A q that is more than twice as precise as the posterior in any direction has weights of infinite variance; the
# factorised q of variational inference can be that (`tinyvae.estimators.weights_have_finite_variance`, notebook 04,
# section 10).
