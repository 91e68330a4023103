"""How fast is a training step? As a ratio to its bare matrix products, and to PyTorch eager where that is installed."""

import importlib.util
import itertools
import json
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np

from ..optim import Adam
from ..support.machine import keep_freed_memory
from ..vae import VAE

ARCHITECTURES = ((784, (200, 200), 50), (784, (500,), 20))
BATCH = 100


def bench(rounds=15, steps=30):
    """Time the steps of both architectures in turns, so that a drifting machine changes all of them alike.

    Returns
    -------
    list of dict with the sizes, the median milliseconds of each contestant, and the medians of their ratios
    """
    keep_freed_memory()
    return [_contest(VAE(D, K, hidden=hidden), rounds, steps) for D, hidden, K in ARCHITECTURES]


def _contest(vae, rounds, steps):
    with _torch_process(vae) as torch:
        contestants = {"tinyvae": _tinyvae_step(vae), "products": _bare_products(vae)}
        times = {name: [] for name in (*contestants, *(["torch"] if torch else []))}
        for _ in range(rounds):
            for name, step in contestants.items():
                times[name].append(_milliseconds(step, steps))
            if torch:
                times["torch"].append(torch(steps))
    times = {name: np.array(t[1:]) for name, t in times.items()}  # the first round warms up
    row = {"sizes": "-".join(map(str, (vae.n_features, *vae.hidden, vae.n_latent)))}
    row |= {name: float(np.median(t)) for name, t in times.items()}
    row["products_ratio"] = float(np.median(times["tinyvae"] / times["products"]))
    if torch:
        row["torch_ratio"] = float(np.median(times["torch"] / times["tinyvae"]))
    return row


@contextmanager
def _torch_process(vae):
    """A function that times PyTorch's step, or None without PyTorch. In a process of its own: its idle threads
    wait for work in a loop, and in ours they would take a core from the other contestants."""
    if importlib.util.find_spec("torch") is None:
        yield None
        return
    command = [sys.executable, "-m", "tinyvae.app.bench", json.dumps([vae.n_features, vae.hidden, vae.n_latent])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def measure(steps):
            print(steps, file=process.stdin, flush=True)
            milliseconds = float(process.stdout.readline())
            time.sleep(0.3)  # until its threads have gone to sleep
            return milliseconds

        yield measure
        process.stdin.close()


def _milliseconds(step, steps):
    """The mean time of a step, after as many steps that warm caches and threads up again."""
    for _ in range(steps):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps * 1e3


def _tinyvae_step(vae):
    rng, optimizer = np.random.default_rng(0), Adam()
    batch = (rng.random((BATCH, vae.n_features)) < 0.2).astype(vae.dtype), None

    def step():
        _, cache = vae.loss_forward(batch, vae.draw_noise(rng, batch))
        optimizer.step(vae.theta, vae.loss_backward(1, cache))

    return step


def _bare_products(vae):
    """x W, x' dy and dy W' of every layer, into arrays that exist already; no dx at the data."""
    jobs = []
    for name, W in vae.params.items():
        if W.ndim == 2:
            x, dy = np.ones((BATCH, W.shape[0]), W.dtype), np.ones((BATCH, W.shape[1]), W.dtype)
            jobs.append((x, W, dy, np.empty_like(dy), np.empty_like(W), np.empty_like(x), name != vae.parts.encoder.names[0] + ".W"))

    def step():
        for x, W, dy, y, dW, dx, need_dx in jobs:
            np.matmul(x, W, out=y)
            np.matmul(x.T, dy, out=dW)
            if need_dx:
                np.matmul(dy, W.T, out=dx)

    return step


def _torch_step(vae):
    """The same step in PyTorch eager with its default Adam."""
    import torch
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


if __name__ == "__main__":  # the other side of _torch_process
    n_features, hidden, n_latent = json.loads(sys.argv[1])
    torch_step = _torch_step(VAE(n_features, n_latent, hidden=hidden))
    for line in sys.stdin:
        print(_milliseconds(torch_step, int(line)), flush=True)
