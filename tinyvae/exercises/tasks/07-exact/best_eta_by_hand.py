# %% [record]
# title: The best variance by hand
# kind: numbers
# lecture: D2 | [the first term: reconstruction]
# notebook: 06b
# equation: log N(x; G(z), eta I) = -||x - G(z)||^2 / (2 eta) - D/2 ln(2 pi eta)
# tag: NORM.1
# shapes: numbers
# lines: 3
# minutes: 15
# tolerance: 1e-3
# tests:
#   eta 1 = the best variance
#   error_term 1 = the mean of the term with the squared error at the best variance, in nats per datum
#   lost 1 = how much log p(x|z) falls per datum if the variance is doubled
# steps:
#   eta = the mean of log p(x|z) as a function of eta alone, and where its derivative is zero [NORM.1]
#   error_term = the best eta put back into the term with the squared error of all pixels [NORM.1]
#   lost = the two terms that hold eta, at eta and at 2 eta: how far each moves, and in which direction [NORM.1]

# %% [markdown]
# A VAE with a Gaussian likelihood of variance η is trained on images of {{D}} pixels. After training the squared error of a reconstruction,
# summed over the {{D}} pixels, is {{sse}} on average over the data.
#
# - `eta`: the one η at which the data are most probable, given these reconstructions;
# - `error_term`: the mean of $\|x - G(z)\|^2 / (2 η)$ per datum at this η, in nats;
# - `lost`: how many nats per datum the mean of $\log p(x|z)$ is lower if twice this η is taken, with the same reconstructions. A positive number.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"D": 64, "sse": 0.74}
    return {"D": int(rng.choice([16, 25, 49, 100, 196])), "sse": round(float(rng.uniform(0.6, 4.0)), 2)}

def right(n):
    D = n["D"]
    return {"eta": n["sse"] / D, "error_term": D / 2, "lost": D / 2 * np.log(2) - D / 4}

def wrong(n):
    good, D = right(n), n["D"]
    return {
        "eta is not divided by the number of pixels": {**good, "eta": n["sse"]},
        "eta is a standard deviation: the root of the mean squared error": {**good, "eta": good["eta"] ** 0.5},
        "the 2 of 2 eta is missing": {**good, "error_term": float(D)},
        "the term is that of one pixel": {**good, "error_term": 0.5},
        "the squared error term is taken not to change": {**good, "lost": D / 2 * np.log(2)},
        "the fall is given as a negative number": {**good, "lost": -good["lost"]},
        "the logarithm is taken not to change": {**good, "lost": D / 4},
    }

# %% [hints]
# 1. The mean of log p(x|z) holds the summed squared error times -1/(2 eta), and -D/2 ln(2 pi eta). Set the derivative by eta to zero.
# 2. Doubling eta changes both terms: one rises, the other falls.

# %% [note]
# At the best variance the squared-error term is the same for every model, good or bad: only -D/2 ln η tells them apart.
