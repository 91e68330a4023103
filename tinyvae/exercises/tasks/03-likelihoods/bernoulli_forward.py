# %% [record]
# title: Binary pixels at any logit
# kind: forward
# lecture: D0 | Vanilla VAE Distribution; D3 | Formulation & Architecture
# notebook: 06b
# equation: log p(x|z) = sum_d x_d log p_d + (1 - x_d) log(1 - p_d),  p = sigmoid(l)
# tag: BER.1
# shapes: logits, x (N, D) -> log_px (N,)
# lines: 4
# minutes: 20
# solution: tinyvae.likelihoods.bernoulli:bernoulli_forward
# outputs: log_px
# tests:
#   values 1 = log p(x|z) per datum, at three sets of sizes
#   sums_to_one 1 = over all binary images of four pixels p(x|z) sums to 1
#   extreme 2 = exact at logits of -800 and 800, for pixels that agree with them and pixels that do not
# steps:
#   log_px = ln p and ln(1 - p) written in l before anything is rounded, then the sum over the pixels [BER.1]

# %% [markdown]
# A decoder puts out the logits $l_d$; pixel d is 1 with probability $p_d = 1 / (1 + e^{-l_d})$, independently of
# the others given z. Write the log-likelihood of each datum, in nats:
# $$\log p(x|z) = \sum_d [x_d \log p_d + (1 - x_d) \log(1 - p_d)]$$
# Return `(log_px, cache)`; the cache is yours to choose and is not judged.
#
# A trained decoder is sure of many pixels: logits of 40 are usual, and one of 800 must not break a run. As
# written the formula gives NaN there, because p rounds to 0 or 1. Bring it into a form in l alone that loses
# nothing: if the pixel contradicts a logit of size 800, log p of that pixel is -800, not -infinity and not -16.
# NumPy alone, no loop over pixels.

# %% [check]
def inputs(rng, N, D):
    return 2 * normal(rng, N, D), (rng.random((N, D)) < 0.5).astype(float)


def test_sums_to_one(student, right, rng):
    images = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(float)
    logits = np.tile(3 * normal(rng, 1, 4), (16, 1))
    return abs(np.exp(student.bernoulli_forward(logits, images)[0]).sum() - 1) < 1e-12


def test_extreme(student, right, rng):
    logits = np.array([[800.0, -800.0], [800.0, -800.0], [800.0, 0.5], [-40.0, 40.0]])
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    return same(student.bernoulli_forward(logits, x)[0], right.bernoulli_forward(logits, x)[0])


# %% [hints]
# 1. Put the sigmoid into log p and log(1 - p) and simplify each. Both become an expression in ln(1 + e^...); what
# is their difference?
# 2. e^800 is infinite, e^-800 is 0, and only one of the two does harm. Take the larger of the two terms out of
# the logarithm: ln(e^a + e^b) = a + ln(1 + e^(b - a)) for a >= b.

# %% [wrong] log(p) and log(1 - p) are taken after the sigmoid has rounded to 0 or 1
def bernoulli_forward(logits, x):
    p = (1 + np.tanh(logits / 2)) / 2
    return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1), (p, x)

# %% [wrong] a small number is added inside the logarithms
def bernoulli_forward(logits, x):
    p = (1 + np.tanh(logits / 2)) / 2
    return (x * np.log(p + 1e-7) + (1 - x) * np.log(1 - p + 1e-7)).sum(-1), (p, x)

# %% [wrong] softplus is computed as ln(1 + e^l), which overflows
def bernoulli_forward(logits, x):
    return (x * logits - np.log(1 + np.exp(logits))).sum(-1), (logits, x)

# %% [wrong] the logits are clipped, so that pixels which contradict large ones cost too little
def bernoulli_forward(logits, x):
    l = np.clip(logits, -30, 30)
    return (x * l - np.log1p(np.exp(l))).sum(-1), (l, x)

# %% [wrong] the mean over pixels is taken in place of their sum
def bernoulli_forward(logits, x):
    return (x * logits - np.logaddexp(0, logits)).mean(-1), (logits, x)

# %% [wrong] the sign is that of the cross-entropy, which is minus log p
def bernoulli_forward(logits, x):
    return (np.logaddexp(0, logits) - x * logits).sum(-1), (logits, x)

# %% [note]
# The package keeps the probabilities too, which the backward pass needs in any case. Clipping and "+ 1e-7" hide
# the NaN and change the objective: a gradient check near p = 0 finds them out.
