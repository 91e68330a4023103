"""How fast is a training step? As a ratio to its bare matrix products, and to PyTorch where that is installed."""

import importlib.util
import itertools
import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import numpy as np

from ..optim import Adam
from ..support.machine import keep_freed_memory
from ..vae import VAE

ARCHITECTURES = ((784, (200, 200), 50), (784, (500,), 20))
BATCH = 100


def bench(rounds=15, steps=100):
    """Time the contestants of both architectures in turns, so that a drifting machine changes all of them alike.

    Yields
    ------
    dict with the sizes, the median milliseconds of a step of each contestant, and the medians of their ratios:
    our step to its bare products, and `fit` and PyTorch to our step
    """
    for sizes in ARCHITECTURES:
        yield _contest(sizes, rounds, steps)


def _contest(sizes, rounds, steps):
    names = [name for name in CONTESTANTS if "torch" not in name or importlib.util.find_spec("torch")]
    with ExitStack() as stack:
        contestants = {name: stack.enter_context(_process(name, sizes)) for name in names}
        times = {name: [] for name in names}
        for _ in range(rounds):
            for name, milliseconds in contestants.items():
                times[name].append(milliseconds(steps))
    times = {name: np.array(t[1:]) for name, t in times.items()}  # the first round warms up
    D, hidden, K = sizes
    row = {"sizes": "-".join(map(str, (D, *hidden, K)))} | {name: float(np.median(t)) for name, t in times.items()}
    row["products_ratio"] = float(np.median(times["tinyvae"] / times["products"]))
    others = [name for name in names if name not in ("tinyvae", "products")]
    return row | {f"{name}_ratio": float(np.median(times[name] / times["tinyvae"])) for name in others}


@contextmanager
def _process(name, sizes):
    """A function that times a contestant, in a process of its own: its idle threads wait for work in a loop,
    and in ours they would take a core from the next one."""
    command = [sys.executable, "-m", "tinyvae.app.bench", json.dumps([name, sizes])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def milliseconds(steps):
            print(steps, file=process.stdin, flush=True)
            took = float(process.stdout.readline())
            time.sleep(0.1)  # until its threads have gone to sleep
            return took / steps * 1e3

        yield milliseconds
        process.stdin.close()


# ---- the contestants: for a model, a function that makes so many steps and says how many seconds they took -------------


def _timed(step):
    def seconds(steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - start

    return seconds


def _binary(vae, rows):
    return (np.random.default_rng(0).random((rows, vae.n_features)) < 0.2).astype(vae.dtype)


def _tinyvae(vae):
    """Noise, both passes and Adam, on one batch."""
    rng, optimizer, batch = np.random.default_rng(0), Adam(), (_binary(vae, BATCH), None)

    def step():
        _, cache = vae.loss_forward(batch, vae.draw_noise(rng, batch))
        optimizer.step(vae.theta, vae.loss_backward(1, cache))

    return _timed(step)


def _fit(vae):
    """An epoch of `fit`: the same steps, with batches in random order, sums of the terms and watch for divergence."""
    optimizer, X = Adam(), {}

    def seconds(steps):
        if steps not in X:
            X[steps] = _binary(vae, steps * BATCH)
        return vae.fit(X[steps], epochs=1, batch_size=BATCH, optimizer=optimizer, progress=False)["seconds"][0]

    return seconds


def _products(vae):
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

    return _timed(step)


def _torch(vae, **options):
    """The same step in PyTorch eager with its default Adam, or another."""
    import torch
    from torch import nn

    def network(sizes):
        parts = []
        for n_in, n_out in itertools.pairwise(sizes):
            parts += [nn.Linear(n_in, n_out), nn.Tanh()]
        return nn.Sequential(*parts[:-1])

    encoder = network([vae.n_features, *vae.hidden, 2 * vae.n_latent])
    decoder = network([vae.n_latent, *reversed(vae.hidden), vae.n_features])
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, **options)
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

    return _timed(step)


def _torch_fused(vae):
    """The same with the Adam that makes all its passes in one."""
    return _torch(vae, fused=True)


CONTESTANTS = {"products": _products, "tinyvae": _tinyvae, "fit": _fit, "torch": _torch, "torch_fused": _torch_fused}


if __name__ == "__main__":  # the other side of _process
    contestant, (n_features, hidden, n_latent) = json.loads(sys.argv[1])
    keep_freed_memory()
    seconds = CONTESTANTS[contestant](VAE(n_features, n_latent, hidden=hidden))
    for line in sys.stdin:
        seconds(20)  # to warm caches and threads up again
        print(seconds(int(line)), flush=True)
