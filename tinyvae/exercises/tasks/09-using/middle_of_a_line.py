# %% [record]
# title: The middle of a line is a rare place
# kind: numbers
# lecture: D4 | Variational autoencoders as a generative model; D1 | Autoencoders with A Priori Knowledge (2)
# notebook: 11
# equation: z(t) = (1 - t) z_a + t z_b,  z_a and z_b independent draws from N(0, I)
# tag: -
# shapes: numbers
# lines: 4
# minutes: 15
# tolerance: 1e-3
# tests:
#   prior 1 = the mean squared length of a draw from the prior
#   middle 1 = that of the middle of the straight line
#   at_t 1 = that of the point at the share t of the line
#   circle 1 = that of a point of the turning path
# steps:
#   prior = the mean of the square of one entry, and how many entries are added
#   middle = the variance of one entry of (z_a + z_b) / 2, and what the factor 1/2 does to it
#   at_t = the variance of one entry of z(t), and what the factors 1 - t and t do to it
#   circle = the variance of one entry of this point, and what the cosine and the sine do to it

# %% [markdown]
# $z_a$ and $z_b$ are two independent draws from the prior N(0, I) in {{K}} dimensions. How long are the points between them? Give the mean of the
# squared length $|z|^2$, over all such draws:
#
# - `prior`: of a draw from the prior itself;
# - `middle`: of the middle of the straight line, $\frac12 (z_a + z_b)$;
# - `at_t`: of $z(t) = (1 - t) z_a + t z_b$ at t = {{t}};
# - `circle`: of $\cos θ z_a + \sin θ z_b$ at θ = {{degrees}} degrees.

# %% [check]
def numbers(rng):
    if rng is None:
        return {"K": 50, "t": 0.25, "degrees": 30}
    return {"K": int(rng.integers(5, 120)) * 2, "t": float(rng.choice([0.1, 0.2, 0.3, 0.4])), "degrees": int(rng.choice([20, 30, 40, 60, 70]))}

def right(n):
    K, t = n["K"], n["t"]
    return {"prior": K, "middle": K / 2, "at_t": ((1 - t) ** 2 + t**2) * K, "circle": K}

def wrong(n):
    good, K, t, angle = right(n), n["K"], n["t"], np.radians(n["degrees"])
    return {
        "the length is given, not its square": {**good, "prior": K**0.5, "middle": (K / 2) ** 0.5},
        "the middle is taken to be as long as its ends": {**good, "middle": float(K), "at_t": float(K)},
        "the variance of a mean of two is taken to be a quarter": {**good, "middle": K / 4},
        "the weights are not squared": {**good, "at_t": K * ((1 - t) + t)},
        "the variance of one entry is given, not the sum over all": {**good, "prior": 1.0, "middle": 0.5},
        "cosine and sine are not squared": {**good, "circle": K * (np.cos(angle) + np.sin(angle))},
        "cosine and sine are added before they are squared": {**good, "circle": K * (np.cos(angle) + np.sin(angle)) ** 2},
    }

# %% [hints]
# 1. Each of the K entries of z is a Gaussian with mean 0. The squared length is the sum of K squares: each has the entry's variance as its mean.
# 2. The variance of a z_a + b z_b is a^2 + b^2 for independent draws.

# %% [note]
# In many dimensions the length of a draw from the prior hardly varies: it is near √K. The middle of a line is much too near to 0, the turning path is not.
