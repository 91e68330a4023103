"""Layer 4, the README: what it prints runs, and what it says of the version is true."""

import configparser
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import tinyvae
from tinyvae.exercises import tasks

README = Path(__file__).parent.parent / "README.md"


def test_the_readmes_python_runs_as_printed():
    """Every Python block runs, and the report that the README shows is the one that comes out."""
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    score, report = (
        subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=True).stdout for block in blocks[:2]
    )
    assert -26.5 < float(score) < -25
    assert textwrap.indent(report, "    ") in text


def test_the_readmes_two_commands():
    commands_ = [line.strip() for line in README.read_text(encoding="utf-8").splitlines() if "pip install" in line]
    assert commands_ == ["pip install -e . && python -m tinyvae train", 'pip install -e ".[test]" && python -m pytest']


def test_the_readmes_own_model_runs_as_printed(tmp_path):
    """Checked, trained with history, resumed, saved and loaded, in at most 40 lines and without a line of the package changed."""
    text = README.read_text(encoding="utf-8").split("## A model of your own")[1]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len(block.splitlines()) <= 40
    more = "\nassert history['epoch'] == list(range(1, 61)) and model.epoch == 60\n"
    result = subprocess.run([sys.executable, "-c", block + more], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.count("  ok\n") == 5 and "WRONG" not in result.stdout
    assert "/100" in result.stderr and "/200" in result.stderr, "progress: 20 epochs of 5 steps, then the 40 that are missing"
    whole = subprocess.run(
        [sys.executable, "-c", block.replace("Regression(1).fit(X", "0 and Regression(1).fit(X").replace("sine", "other")],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert whole.stdout == result.stdout, "60 epochs at once end where 20 and 40 do"


def test_version_and_changelog_agree():
    text = (README.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"(?m)^## (\d\S*)", text)[1] == tinyvae.__version__


def test_the_notebooks_extra_holds_what_progress_bars_need():
    setup = configparser.ConfigParser()
    setup.read(README.parent / "setup.cfg", encoding="utf-8")
    assert any(line.startswith("ipywidgets") for line in setup["options.extras_require"]["notebooks"].split())


def test_what_the_readme_says_of_the_exercises():
    """The count, the core, and the lines for a notebook."""
    text = README.read_text(encoding="utf-8").split("## Practise")[1].split("\n## ")[0]
    assert text.strip().startswith(f"{len(tasks())} exercises in ten chapters") and "a core of 16, six hours in all" in " ".join(text.split())
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    result = subprocess.run([sys.executable, "-c", "from tinyvae import kl_backward\n" + block], capture_output=True, text=True, check=True, encoding="utf-8")
    assert "5 of 5 points" in result.stdout
