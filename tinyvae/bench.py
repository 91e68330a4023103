"""How fast is a training step? As a ratio to its bare matrix products, and to PyTorch eager where that is installed."""

import itertools
import time

import numpy as np

from .optim import Adam
from .vae import VAE

ARCHITECTURES = ((784, (200, 200), 50), (784, (500,), 20))
BATCH = 100


def bench(rounds=15, steps=30):
    """Time the steps of both architectures in turns, so that a drifting machine changes all of them alike.

    Returns
    -------
    list of dict with the sizes, the median milliseconds of each contestant, and the medians of their ratios
    """
    rows = []
    for n_features, hidden, n_latent in ARCHITECTURES:
        vae = VAE(n_features, n_latent, hidden=hidden)
        contestants = {"tinyvae": _tinyvae_step(vae), "products": _bare_products(vae)}
        torch_step = _torch_step(vae)
        if torch_step is not None:
            contestants["torch"] = torch_step
        times = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, step in contestants.items():
                times[name].append(_milliseconds(step, steps))
        times = {name: np.array(t[1:]) for name, t in times.items()}  # the first round warms up
        row = {"sizes": "-".join(map(str, (n_features, *hidden, n_latent)))}
        row |= {name: float(np.median(t)) for name, t in times.items()}
        row["products_ratio"] = float(np.median(times["tinyvae"] / times["products"]))
        if "torch" in times:
            row["torch_ratio"] = float(np.median(times["torch"] / times["tinyvae"]))
        rows.append(row)
    return rows


def _milliseconds(step, steps):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps * 1e3


def _tinyvae_step(vae):
    rng, optimizer = np.random.default_rng(0), Adam()
    x = (rng.random((BATCH, vae.n_features)) < 0.2).astype(vae.dtype)

    def step():
        eps = rng.standard_normal((1, BATCH, vae.n_latent), dtype=vae.dtype)
        _, dtheta = vae.loss_and_grad(x, eps)
        optimizer.step(vae.theta, dtheta)

    return step


def _bare_products(vae):
    """x W, x' dy and dy W' of every layer, into arrays that exist already; no dx at the data."""
    jobs = []
    for name, W in vae.params.items():
        if W.ndim == 2:
            x, dy = np.ones((BATCH, W.shape[0]), W.dtype), np.ones((BATCH, W.shape[1]), W.dtype)
            jobs.append((x, W, dy, np.empty_like(dy), np.empty_like(W), np.empty_like(x), name != vae.encoder[0] + ".W"))

    def step():
        for x, W, dy, y, dW, dx, need_dx in jobs:
            np.matmul(x, W, out=y)
            np.matmul(x.T, dy, out=dW)
            if need_dx:
                np.matmul(dy, W.T, out=dx)

    return step


def _torch_step(vae):
    """The same step in PyTorch eager with its default Adam; None where PyTorch is not installed."""
    try:
        import torch
    except ImportError:
        return None
    from torch import nn

    def network(sizes):
        parts = []
        for n_in, n_out in itertools.pairwise(sizes):
            parts += [nn.Linear(n_in, n_out), nn.Tanh()]
        return nn.Sequential(*parts[:-1])

    encoder = network([vae.n_features, *vae.hidden, 2 * vae.n_latent])
    decoder = network([vae.n_latent, *reversed(vae.hidden), vae.n_features])
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    x = (torch.rand(BATCH, vae.n_features) < 0.2).float()
    cross_entropy = nn.BCEWithLogitsLoss(reduction="sum")

    def step():
        optimizer.zero_grad()
        mu, log_sigma = encoder(x).chunk(2, dim=-1)
        sigma = log_sigma.exp()
        z = mu + sigma * torch.randn_like(mu)
        kl = (sigma * sigma + mu * mu - 1 - 2 * log_sigma).sum() / 2
        loss = (cross_entropy(decoder(z), x) + kl) / BATCH
        loss.backward()
        optimizer.step()

    return step
