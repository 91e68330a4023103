# %% [record]
# title: Six training curves
# lab: 3.4
# kind: numbers
# lecture: D0 | Pitfalls of VAE (2); D4 | Visualization of latent space; D1 | Variational Inference for VAE
# notebook: 10
# equation: -ELBO = -E_q[log p(x|z)] + KL(q || p)
# tag: LOSS.1
# shapes: numbers
# lines: 6
# minutes: 15
# tests:
#   healthy 1 = the run in which all is well
#   large_step 1 = the run with the learning rate too large
#   no_kl 1 = the run with the KL left out of the loss
#   heavy_kl 1 = the run with the KL weighed far too much
#   one_mean 1 = the run with the reconstruction summed over the batch and the KL averaged over it
#   no_noise 1 = the run whose sample has lost its noise
# steps:
#   healthy = where both terms come to rest: a reconstruction that is bought with a KL at its full price [LOSS.1]
#   large_step = the first epochs of the two curves that end with the reconstruction of a model without z
#   no_kl = which KL rises in the first epochs, and whether anything brings it down later
#   heavy_kl = which KL falls to 0, how smoothly, and where the reconstruction ends
#   one_mean = the price of a nat of KL beside a nat of reconstruction in this loss, and what it does late in training
#   no_noise = how small mu may be when the decoder gets mu itself, and what this does to both terms

# %% [markdown]
# Six programs have trained the same small VAE (K = 4, 32 hidden units) on the same 1000 digits of 8 x 8 pixels, with
# Adam, in batches of 100. Five of them have a mistake. Each has printed the means over the training data, in nats per
# datum, in epochs 1, 2, 3, 5, 10, 20 and 40: the reconstruction term $-\log p(x|z)$ at its own samples z, the KL by its
# formula, and their sum, $-$ELBO. The printed sum always has the weights 1 and 1, whatever the program minimises. For
# comparison: the best model that ignores z and knows the mean of every pixel has a reconstruction term of {{floor}}
# nats.
#
# ```
# epoch                      1       2       3       5      10      20      40
#
# curve 1  -ELBO      {{neg_elbo_1}}
#          recon.     {{reconstruction_1}}
#          KL         {{kl_1}}
#
# curve 2  -ELBO      {{neg_elbo_2}}
#          recon.     {{reconstruction_2}}
#          KL         {{kl_2}}
#
# curve 3  -ELBO      {{neg_elbo_3}}
#          recon.     {{reconstruction_3}}
#          KL         {{kl_3}}
#
# curve 4  -ELBO      {{neg_elbo_4}}
#          recon.     {{reconstruction_4}}
#          KL         {{kl_4}}
#
# curve 5  -ELBO      {{neg_elbo_5}}
#          recon.     {{reconstruction_5}}
#          KL         {{kl_5}}
#
# curve 6  -ELBO      {{neg_elbo_6}}
#          recon.     {{reconstruction_6}}
#          KL         {{kl_6}}
# ```
#
# Which curve, 1 to 6, belongs to which program?
#
# - `healthy`: no mistake.
# - `large_step`: the learning rate is 17 times as large as in the others.
# - `no_kl`: the KL has the weight 0 in the loss.
# - `heavy_kl`: the KL has the weight 30 in the loss.
# - `one_mean`: the loss is the *sum* over the batch of the reconstruction term plus the *mean* over the batch of the
#   KL.
# - `no_noise`: $z = \mu + \sigma\epsilon$ is computed with $\epsilon = 0$.

# %% [check]
CAUSES = "healthy", "large_step", "no_kl", "heavy_kl", "one_mean", "no_noise"
TERMS = "neg_elbo", "reconstruction", "kl"
EPOCHS = 1, 2, 3, 5, 10, 20, 40

def curves():
    """The rows of six_curves.tsv, by training: a dict for every cause and epoch."""
    from tinyvae import VAE, Adam, load_digits

    X, rows = load_digits()[0][:1000], []
    for cause in CAUSES:
        vae = VAE(64, 4, hidden=(32,), beta={"no_kl": 0, "heavy_kl": 30}.get(cause, 1), dtype="float64")
        if cause == "no_noise":
            vae.draw_noise = lambda rng, batch: np.zeros((1, len(batch[0]), 4))
        summed = (lambda t, terms: {"reconstruction": 100.0, "kl": 1.0}) if cause == "one_mean" else None
        lr = 0.17 if cause == "large_step" else 0.01
        history = vae.fit(X, epochs=max(EPOCHS), batch_size=100, optimizer=Adam(lr=lr), schedule=summed, progress=False)
        rows += [{"cause": cause, "epoch": e, **{term: history[term][e - 1] for term in TERMS}} for e in EPOCHS]
    return rows

def floor():
    from tinyvae import load_digits
    from tinyvae.train import independent_pixels

    X = load_digits()[0][:1000]
    return round(independent_pixels("bernoulli", X, X), 1)

def line(rows, cause, term):
    return "".join(f"{float(row[term]):8.1f}" for row in rows if row["cause"] == cause)

def numbers(rng):
    rows = data("six_curves.tsv")
    order = (3, 1, 4, 0, 5, 2) if rng is None else rng.permutation(6)
    shown = {f"{term}_{n}": line(rows, CAUSES[i], term) for n, i in enumerate(order, 1) for term in TERMS}
    return {"floor": floor(), **shown}

def right(n):
    rows = data("six_curves.tsv")
    return {cause: next(k for k in range(1, 7) if n[f"kl_{k}"] == line(rows, cause, "kl")) for cause in CAUSES}

def exchanged(n, a, b):
    r = right(n)
    return {**r, a: r[b], b: r[a]}

def wrong(n):
    return {
        "the run without noise is taken for the healthy one, because its -ELBO is the lowest": exchanged(n, "healthy", "no_noise"),
        "a KL that is kept down a little is taken for one that nothing keeps down": exchanged(n, "no_kl", "one_mean"),
        "a run that ends collapsed is taken for one with a heavy KL, though its first epochs are wild": exchanged(n, "large_step", "heavy_kl"),
        "a low KL alone is taken as the sign of a heavy weight, whatever the reconstruction does": exchanged(n, "no_noise", "heavy_kl"),
    }

# %% [hints]
# 1. Two curves end at the reconstruction of the model that ignores z. One of them comes down to it smoothly; what does
#    the other do in its first epochs?
# 2. In which curves does the KL rise from its first value to more than 30 nats? In one of them it falls again: there it
#    has a price, though a small one. Divide the loss of `one_mean` by 100 to see how small.
# 3. Without noise, mu can be as small as it likes: the decoder still tells any two values of z apart. What does that do
#    to the KL, and to the reconstruction?

# %% [note]
# All six are runs of the package. Read the two terms, not the sum alone: of the six, the lowest -ELBO belongs to a
# program whose number bounds nothing.
