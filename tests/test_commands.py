"""Layer 4, the command line beside training: gradcheck and bench."""

import importlib.util

import pytest

from tinyvae import VAE, catalogue
from tinyvae.__main__ import main
from tinyvae.app import commands
from tinyvae.bounds import BOUNDS
from tinyvae.gradcheck import Report
from tinyvae.likelihoods import LIKELIHOODS
from tinyvae.mlp import ACTIVATIONS


def test_gradcheck_by_name_and_its_exit_status(monkeypatch, capsys):
    assert main(["gradcheck", "kl", "laplace"]) == 0
    text = capsys.readouterr().out
    assert "kl" in text and "model: laplace, relu" in text and "dense" not in text and "WRONG" not in text
    monkeypatch.setattr(commands, "check_model", lambda *job: Report("a model", []))  # which are named is asked below, not whether they are right
    for name, pair in (("mixture", "mixture"), ("standard", "standard_normal"), ("full", "full_log_density"), ("categorical", "categorical")):
        assert main(["gradcheck", name]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any(line.split()[0] == pair for line in lines if line.strip()) and sum(line.startswith("model: ") for line in lines) >= 4
    assert main(["gradcheck", "ladder"]) == 0, "a page of the zoo"
    assert [line[:42].strip() for line in capsys.readouterr().out.splitlines()[1:]] == ["precision_weighted", "level_kl", "model: two levels"]
    pairs = catalogue.pairs

    def broken(*args):
        forward, backward, *more = pairs()["kl"]
        return {"kl": (forward, lambda d, c: (backward(d, c)[0], 2 * backward(d, c)[1]), *more)}

    monkeypatch.setattr(catalogue, "pairs", broken)
    assert main(["gradcheck", "kl"]) == 1
    assert "WRONG" in capsys.readouterr().out


@pytest.mark.slow
def test_gradcheck_without_a_name_checks_every_pair_and_every_model(monkeypatch, capsys):
    few = dict(list(catalogue.models().items())[::7])  # each of them is checked elsewhere
    monkeypatch.setattr(catalogue, "models", lambda **options: few)
    assert main(["gradcheck"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line[:42].strip() for line in lines] == [*catalogue.pairs(), *(f"model: {name}" for name in few)]
    assert all(line.endswith(" ok") for line in lines)


@pytest.mark.slow
def test_gradcheck_all(capsys):
    assert main(["gradcheck"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == len(catalogue.pairs()) + len(catalogue.models(activations=ACTIVATIONS))
    assert len(catalogue.models(activations=ACTIVATIONS)) >= len(LIKELIHOODS) * len(ACTIVATIONS) * len(BOUNDS)
    assert all(line.endswith(" ok") for line in lines)


def test_bench_prints_ratios(monkeypatch, capsys):
    from tinyvae.app import bench

    monkeypatch.setattr(bench, "ARCHITECTURES", ((20, (9,), 3),))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    measured = list(bench.bench(rounds=3, steps=2))
    assert measured[0]["sizes"] == "20-9-3" and measured[0]["products_ratio"] > 1
    assert 0 < measured[0]["fit_ratio"] and not any("torch" in name for name in measured[0])
    monkeypatch.setattr(bench, "bench", lambda: measured)
    assert commands.bench() == 0
    text = capsys.readouterr().out
    assert "times its bare matrix products" in text and "a step of fit takes" in text and "PyTorch" not in text
    measured[0] |= {"torch": 2.0, "torch_ratio": 1.5, "torch_fused": 1.8, "torch_fused_ratio": 1.25}
    assert commands.bench() == 0
    assert "PyTorch eager takes 1.50 times as long, with fused Adam 1.25" in capsys.readouterr().out


def test_every_contestant_of_bench_makes_its_steps(monkeypatch):
    """As many as were asked for; PyTorch's where it is installed."""
    from tinyvae.app import bench

    seen = []
    monkeypatch.setattr(bench.Adam, "step", lambda adam, theta, dtheta: seen.append(dtheta.shape))
    vae = VAE(20, 3, hidden=(9,))
    for name, contestant in bench.CONTESTANTS.items():
        if "torch" in name and not importlib.util.find_spec("torch"):
            continue
        seen.clear()
        assert contestant(vae)(7) > 0
        assert len(seen) == (7 if name in ("tinyvae", "fit") else 0), name
