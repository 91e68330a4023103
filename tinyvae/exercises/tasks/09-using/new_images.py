# %% [record]
# title: New images
# kind: function
# lecture: D0 | AE vs. VAE; D0 | Vanilla VAE Distribution; D4 | Variational autoencoders as a generative model
# notebook: 10
# equation: z ~ p(z) = N(0, I), then x ~ p(x|z), pixel by pixel
# tag: -
# shapes: n, seed whole numbers; W (K, D); b (D,) -> images (n, D) of 0 and 1
# lines: 4
# minutes: 20
# outputs: images
# tests:
#   binary 1 = n images of D pixels, each 0 or 1, the same for the same seed and others for another
#   pixels 1 = every pixel is 1 as often as the integral over the prior says, within the error of 20000 draws
#   pairs 2 = every two pixels are both 1 as often as the integral says: the pixels of an image share its z
# steps:
#   images = the two draws in their order: how many z are drawn, and how many uniform numbers decide over the pixels

# %% [markdown]
# A trained VAE makes new images by *ancestral* sampling: first z from the prior $p(z) = N(0, I)$, then x from $p(x|z)$. Here the likelihood is Bernoulli:
# given z, every pixel is 1 with a probability of its own, and the pixels are independent. `decode(z, W, b)`, given below, maps z of shape (n, K) to these
# probabilities, of shape (n, D): the *mean* images.
#
# Write `new_images(n, seed, W, b)`: return n binary images, an array of shape (n, D) of zeros and ones, drawn with the generator
# `np.random.default_rng(seed)`. W has shape (K, D), b shape (D,).

# %% [given]
def decode(z, W, b):
    """z (n, K), W (K, D), b (D,) -> the probability of a 1 for every pixel (n, D)."""
    return (1 + np.tanh((z @ W + b) / 2)) / 2

# %% [solution]
def new_images(n, seed, W, b):
    """n and seed whole numbers, W (K, D), b (D,) -> images (n, D) of 0 and 1."""
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, len(W)))
    p = decode(z, W, b)
    return (rng.random(p.shape) < p).astype(float)
    ### END SOLUTION

# %% [check]
W = np.array([[3.0, -3.0, 2.5, 1.5, -2.0], [0.5, 1.0, -2.5, 2.0, 2.5]])
b = np.array([0.8, -0.5, 0.3, -1.0, 0.6])
N = 20_000
FAR = 6  # standard errors: what chance alone does once in 10 million times, and what mistakes in the pairs exceed twice over

def inputs(rng):
    return 50, int(rng.integers(1000)), W, b

def exact():
    """E[x_i] and E[x_i x_j] by quadrature over the prior."""
    axis = np.linspace(-6, 6, 61)
    z = np.stack([a.ravel() for a in np.meshgrid(axis, axis)], axis=1)
    weight = np.exp(-(z**2).sum(1) / 2)
    p = decode(z, W, b)
    weight = weight / weight.sum()
    return weight @ p, (p * weight[:, None]).T @ p

def off(frequency, probability):
    return np.abs(frequency - probability) / np.sqrt(probability * (1 - probability) / N)

def drawn(student, rng):
    images = np.asarray(student.new_images(N, int(rng.integers(1000)), W, b))
    return images.astype(float) if images.shape == (N, 5) and set(np.unique(images)) <= {0, 1} else np.full((N, 5), np.nan)

def test_binary(student, right, rng):
    first, again, other = (np.asarray(student.new_images(50, seed, W, b)) for seed in (3, 3, 4))
    return first.shape == (50, 5) and set(np.unique(first)) == {0, 1} and same(first, again) and not same(first, other)

def test_pixels(student, right, rng):
    return bool(off(drawn(student, rng).mean(0), exact()[0]).max() < FAR)

def test_pairs(student, right, rng):
    images = drawn(student, rng)
    above = np.triu_indices(5, 1)
    return bool(off((images.T @ images / N)[above], exact()[1][above]).max() < FAR)

# %% [hints]
# 1. Three arrays after one another: z of shape (n, K), the probabilities (n, D), the images (n, D).
# 2. A uniform number between 0 and 1 lies below p with the probability p. Each pixel of each image needs one of its own.

# %% [wrong] the mean images are returned, not images
# - return (rng.random(p.shape) < p).astype(float)
# + return p

# %% [wrong] every pixel is rounded to its more probable value
# - return (rng.random(p.shape) < p).astype(float)
# + return (p > 0.5).astype(float)

# %% [wrong] all pixels of an image share one uniform number
# - return (rng.random(p.shape) < p).astype(float)
# + return (rng.random((n, 1)) < p).astype(float)

# %% [wrong] zeros and ones are exchanged
# - return (rng.random(p.shape) < p).astype(float)
# + return (rng.random(p.shape) > p).astype(float)

# %% [wrong] z is always the prior's mean
# - z = rng.standard_normal((n, len(W)))
# + z = np.zeros((n, len(W)))

# %% [wrong] z is uniform on (0, 1), not drawn from the prior
# - z = rng.standard_normal((n, len(W)))
# + z = rng.random((n, len(W)))

# %% [wrong] every pixel has a z of its own
# - p = decode(z, W, b)
# + z = rng.standard_normal((len(b), n, len(W)))
# + p = np.stack([decode(z[d], W, b)[:, d] for d in range(len(b))], axis=1)

# %% [note]
# Single pixels alone do not tell a latent variable model from independent coins: the pairs do. In the package: `VAE.sample`.
