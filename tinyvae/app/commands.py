"""What the command line does beside training: evaluate, sample, gradcheck, bench. Each returns its exit status."""

import re
from pathlib import Path

from .. import catalogue
from .. import train as training
from ..estimators import bound_budget
from ..gradcheck import check, check_model
from ..mlp import ACTIVATIONS
from ..support.storage import read_npz, to_json
from ..support.validation import check_int
from ..vae import VAE
from .options import stored
from .report import EVALUATION_SAMPLES, interactive, say
from .runs import load_data


def _finished_run(run):
    path = Path(run) / "model.npz"
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{run} is no folder of a run: train one with python -m tinyvae train --out {run}")
    if not path.is_file() and (Path(run) / "checkpoint.npz").is_file():
        raise FileNotFoundError(f"{run} holds an unfinished run: go on with python -m tinyvae train --out {run} --resume")
    meta, arrays = read_npz(path)
    vae = VAE.from_arrays(path, meta, arrays)
    return vae, stored(path, meta.get("options"), vae.n_features)


def evaluate(run, as_json=False, nll=False, samples=5000, rows=1000):
    """Print the ELBO and its terms on the run's test split, and with `nll` how far below log p(x) they lie."""
    vae, options = _finished_run(run)
    _, X_test, _, _ = load_data(options, run)
    terms = vae.evaluate(X_test, n_samples=EVALUATION_SAMPLES)
    result = {"elbo": -terms["neg_elbo"], "log_px": -terms["reconstruction"], "kl": terms["kl"]}
    result["active_units"] = training.active_units(vae, X_test)
    if nll:
        result |= bound_budget(vae, X_test[:rows], n_samples=samples, progress=interactive() and not as_json)
    if as_json:
        say(to_json(result))
        return 0
    say(f"{len(X_test)} test rows, nats per datum; {result.pop('active_units')} of {vae.n_latent} latent units active")
    for name in ("elbo", "log_px", "kl"):
        say(f"  {name:<22} {result[name]:10.4f}")
    if nll:
        say(f"first {min(rows, len(X_test))} of them: from the ELBO (k = 1) to log p(x)")
        for k, bound in result["bounds"].items():
            say(f"  bound of {k:>4} samples  {bound:10.4f}")
        error = "" if result["nll_error"] is None else f"+- {result['nll_error']:.2f} over the data"
        say(f"  log p by {samples:>5} samples {-result['nll']:9.4f}  {error}; median effective sample size {result['ess']:.0f}")
    return 0


def sample(run, n, out, *, draws=False, seed=None):
    """Write a picture of n samples: z from the prior, then the mean of p(x|z), or draws from it."""
    from .. import plots

    vae, options = _finished_run(run)
    images = vae.sample(check_int("n", n, 1), seed, mean=not draws)
    title = f"{'x ~ p(x|z)' if draws else 'E[x|z]'} for z from the prior"
    images = images.reshape(n, *(options["image"] or plots.image_shape(vae.n_features)))
    plots.save(out, plots.image_grid, images, size=(7, 7), title=title)
    say(f"wrote {out}")
    return 0


def gradcheck(names=()):
    """Check every pair and the whole model of every likelihood and activation; exit status 1 unless all are ok."""
    jobs = {name: lambda job=job: check(*job[:2], *job[2], wrt=job[3]) for name, job in catalogue.pairs().items()}
    for name, job in catalogue.models(activations=ACTIVATIONS).items():
        jobs[f"model: {name}"] = lambda job=job: check_model(*job)
    unknown = [name for name in names if not any(_named(name, job) for job in jobs)]
    if unknown:
        known = ", ".join(job for job in jobs if ":" not in job)
        raise ValueError(f"no pair or model is called {', '.join(unknown)}; the pairs are {known}; or take model")
    say(f"{'':<42} {'rel. error':>10}    backward against central differences, float64, as far as those can see")
    failed = 0
    for name, job in jobs.items():
        if not names or any(_named(wanted, name) for wanted in names):
            report = job()
            failed += not report.ok
            say(f"{name:<42} {report.error:>10.1e}    {report.verdict}")
            if not report.ok:
                say(str(report))
    return 1 if failed else 0


def _named(name, job):
    """"model" names all models; "laplace", "mixture" or "full" a record's pairs and the models with it; "model: ..." one of them."""
    kind, _, what = job.partition(": ")
    words = [word.partition(":")[0] for word in re.split(", | q under ", what)]
    return name in (job, kind) or name.partition(":")[0] in words or kind in catalogue.names_of_records().get(name, ())


def bench():
    """Print the time of a training step as ratios measured in one run."""
    from .bench import BATCH
    from .bench import bench as measure

    say(f"one training step, batch {BATCH}, float32; medians of ratios, each program in a process of its own, in turns; some minutes")
    for row in measure():
        say(f"{row['sizes']:>16}: {row['tinyvae']:.2f} ms, {row['products_ratio']:.2f} times its bare matrix products")
        say(f"{'':>16}  a step of fit takes {row['fit_ratio']:.2f} times as long")
        if "torch" in row:
            say(f"{'':>16}  PyTorch eager takes {row['torch_ratio']:.2f} times as long, with fused Adam {row['torch_fused_ratio']:.2f}")
    return 0
