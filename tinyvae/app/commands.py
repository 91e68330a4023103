"""What the command line does beside training: evaluate, sample, gradcheck, bench. Each returns its exit status."""

import re
from pathlib import Path

from .. import catalogue, zoo
from .. import train as training
from ..estimators import bound_budget
from ..gradcheck import check, check_model
from ..mlp import ACTIVATIONS
from ..support.storage import read_npz, to_json, write_text
from ..support.validation import check_int
from ..vae import VAE
from . import kinds
from .kinds.record import EVALUATION_SAMPLES
from .options import stored
from .report import figure_lines, interactive, say, tested_terms
from .runs import load_data


def _finished_run(run):
    """The model, the record of its kind and the options of a finished run."""
    path = Path(run) / "model.npz"
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{run} is no folder of a run: train one with python -m tinyvae train --out {run}")
    if not path.is_file() and (Path(run) / "checkpoint.npz").is_file():
        raise FileNotFoundError(f"{run} holds an unfinished run: go on with python -m tinyvae train --out {run} --resume")
    kind, (meta, arrays) = kinds.of_file(path), read_npz(path)
    model = kind.model.from_arrays(path, meta, arrays)
    return model, kind, stored(path, meta.get("options"), model.n_features)


def evaluate(run, as_json=False, nll=False, samples=5000, rows=1000):
    """Print the terms and figures on the run's test split, and with `nll` how far below log p(x) a VAE's bounds lie."""
    model, kind, options = _finished_run(run)
    X_train, X_test, _, y_test, _ = load_data(options, run)
    if kind.model is VAE:
        return _evaluate_vae(model, X_test, as_json, nll, samples, rows)
    if nll:
        raise ValueError(f"--nll goes with a VAE alone, {run} holds a run of --model {options['model']}: leave it out")
    result = tested_terms(kind, model, X_test, y_test) | kind.figures(model, X_train, X_test, y_test)
    if as_json:
        say(to_json(result))
        return 0
    say(f"{len(X_test)} test rows, nats per datum")
    for line in figure_lines(kind, result):
        say(line)
    return 0


def _evaluate_vae(vae, X_test, as_json, nll, samples, rows):
    """The ELBO with its own sign, its terms, and the bounds above it."""
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
    """Write a picture of n samples, of the mean of p(x|z) or of draws from it; a text file where the samples are strings."""
    model, kind, options = _finished_run(run)
    sampled = kind.sample(model, check_int("n", n, 1), seed, draws)
    if isinstance(sampled, list):
        if Path(out).suffix.lower() != ".txt":
            raise ValueError(f"the samples of --model {options['model']} are strings: --out must be a .txt file, got {out}")
        write_text(out, "\n".join(sampled) + "\n")
    else:
        from .. import plots

        images = sampled.reshape(n, *(options["image"] or plots.image_shape(model.n_features)))
        plots.save(out, plots.image_grid, images, size=(7, 7), title=kind.title[draws])
    say(f"wrote {out}")
    return 0


def gradcheck(names=()):
    """Check every pair and the whole model of every likelihood and activation; exit status 1 unless all are ok."""
    pages = {page: of_page for page, of_page in zoo.names().items() if of_page} if names else {}
    jobs = {name: lambda job=job: check(*job[:2], *job[2], wrt=job[3]) for name, job in catalogue.pairs().items()}
    for name, job in catalogue.models(activations=ACTIVATIONS).items():
        jobs[f"model: {name}"] = lambda job=job: check_model(*job)
    unknown = [name for name in names if not any(_named(name, job, pages) for job in jobs)]
    if unknown:
        known = ", ".join(job for job in jobs if ":" not in job)
        raise ValueError(f"no pair or model is called {', '.join(unknown)}; pages of the zoo are {', '.join(pages)}; pairs {known}; or take model")
    say(f"{'':<42} {'rel. error':>10}    backward against central differences, float64, as far as those can see")
    failed = 0
    for name, job in jobs.items():
        if not names or any(_named(wanted, name, pages) for wanted in names):
            report = job()
            failed += not report.ok
            say(f"{name:<42} {report.error:>10.1e}    {report.verdict}")
            if not report.ok:
                say(str(report))
    return 1 if failed else 0


def _named(name, job, pages):
    """"model" names all models; "laplace", "mixture" or "full" a record's pairs and the models with it; "ladder" all of a page of the zoo."""
    kind, _, what = job.partition(": ")
    if {kind, what} & pages.get(name, set()):
        return True
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
