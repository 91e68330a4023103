# %% [record]
# title: Decode every sample at once
# kind: forward
# lecture: D0 | Vanilla VAE Distribution; D1 | A plain explanation
# notebook: 10
# equation: logits = tanh(z W + b) V + c
# tag: DEC.1
# shapes: z (..., K), W (K, H), b (H,), V (H, D), c (D,) -> logits (..., D), cache
# lines: 4
# minutes: 10
# outputs: logits
# tests:
#   values 1 = the logits of one sample per datum, z (N, K), at three sets of sizes
#   samples 1 = the same for L samples per datum, z (L, N, K)
# steps:
#   logits = which of the two layers has a tanh, and on which axis of z a layer acts [DEC.1]

# %% [markdown]
# The decoder turns a sample of z into the logits of the pixels, by one tanh layer and one linear layer:
# $$logits = \tanh(z W + b)\, V + c$$
# Rows are data: z has shape (N, K), or (L, N, K) if there are L samples per datum, and the logits (N, D) or
# (L, N, D). The same lines must serve both, and every sample is decoded on its own. Write
# `decode_forward(z, W, b, V, c)`; return `(logits, cache)`, with what the backward pass needs in the cache (it is
# not judged). No loop over samples.

# %% [solution]
def decode_forward(z, W, b, V, c):
    """z (..., K), W (K, H), b (H,), V (H, D), c (D,) -> logits (..., D), cache."""
    ### BEGIN SOLUTION
    h = np.tanh(z @ W + b)
    logits = h @ V + c
    cache = z, W, h, V
    return logits, cache
    ### END SOLUTION

# %% [check]
def inputs(rng, N, K, D, H):
    return normal(rng, N, K), normal(rng, K, H) / 2, normal(rng, H), normal(rng, H, D), normal(rng, D)


def test_samples(student, right, rng):
    _, *weights = inputs(rng, 5, 3, 7, 4)
    z = normal(rng, 2, 5, 3)
    return same(student.decode_forward(z, *weights)[0], right.decode_forward(z, *weights)[0])


# %% [hints]
# 1. `@` multiplies the last axis of the left side with the first of a matrix on the right, whatever stands in
# front.
# 2. Logits are any real numbers: what would a tanh or a sigmoid on them do to the likelihood that follows?

# %% [wrong] the logits pass through the activation too, which bounds them
# - logits = h @ V + c
# + logits = np.tanh(h @ V + c)

# %% [wrong] the probabilities are returned in place of the logits
# - logits = h @ V + c
# + logits = 1 / (1 + np.exp(-(h @ V + c)))

# %% [wrong] the bias is added behind the tanh
# - h = np.tanh(z @ W + b)
# + h = np.tanh(z @ W) + b

# %% [wrong] the samples are averaged before they are decoded
def decode_forward(z, W, b, V, c):
    z = z.mean(0) if z.ndim == 3 else z
    h = np.tanh(z @ W + b)
    return h @ V + c, (z, W, h, V)

# %% [note]
# The package's decoder is this, for any number of layers, and its last layer is linear for the same reason: no
# logit, mean or log sigma may be bounded.
