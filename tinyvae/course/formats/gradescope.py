"""Gradescope: the notebook for students, and the zip of the autograder, which brings the package along."""

import os
import tempfile
import zipfile
from pathlib import Path

from ...support.storage import replacing
from ..assignment import for_me
from . import handout

ROOT = Path(__file__).parents[2]  # of the package
TAKEN = ".py", ".task", ".tsv", ".npz"  # the capstone is trained on the digits
LEFT = "plots", "__pycache__"
TIME = (1980, 1, 1, 0, 0, 0)  # of every file in the zip, so that the same assignment is the same zip
FOLDER = "assignment"  # in the zip
DID_NOT_FINISH = "The grader did not finish: tell your lecturer. Nothing is said of your work."

SETUP = r"""#!/usr/bin/env bash
# Gradescope runs this as root, once, when it builds the image of the assignment.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
umask 022  # a jail may run answers as another user, who has to read Python and NumPy
apt-get update
apt-get install -y --no-install-recommends ca-certificates python3 python3-venv
apt-get install -y --no-install-recommends bubblewrap || echo "No bubblewrap here: another jail is looked for when answers are graded."
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is wanted: choose Ubuntu 22.04 or later")'
python3 -m venv /opt/tinyvae  # Debian's pip installs nothing outside such an environment
/opt/tinyvae/bin/python -m pip install --no-cache-dir "numpy>=1.26"
chmod -R a+rX /opt/tinyvae
id -u student >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin student
"""

RUN = rf"""#!/usr/bin/env bash
# Gradescope runs this for every submission. A result is there before Python is, and stays if that does not get to its end.
root="${{AUTOGRADER_ROOT:-/autograder}}"
mkdir -p "$root/results"
printf '%s\n' '{{"score": 0, "output": "{DID_NOT_FINISH}", "output_format": "text"}}' >"$root/results/results.json"
cd "$root/source" && exec "${{PYTHON:-/opt/tinyvae/bin/python}}" -E -s -B -m tinyvae.course.plugins.gradescope
"""


def write(assignment, out):
    """Write `student/`, what is handed out, and `lecturer/NAME-autograder.zip`, what is uploaded to Gradescope.

    The zip holds key and answers: it is for the lecturer alone. The same assignment gives the same bytes.

    Parameters
    ----------
    assignment : Assignment
    out : folder
    """
    handout.write(assignment, out)
    lecturer = Path(out, "lecturer")
    lecturer.mkdir(parents=True, exist_ok=True)
    files = {"setup.sh": SETUP.encode(), "run_autograder": RUN.encode()} | package() | written(assignment)
    with replacing(lecturer / f"{assignment.name}-autograder.zip") as beside, open(beside, "wb", opener=for_me) as file, zipfile.ZipFile(file, "w") as archive:
        for name in sorted(files):
            archive.writestr(entry(name), files[name], compresslevel=9)


def entry(name):
    """A file's entry in the zip: the time fixed, the two scripts to be run, all for their owner's eyes at least."""
    info = zipfile.ZipInfo(name, TIME)
    info.create_system = 3  # Unix, on Windows too: else the rights would not count
    info.external_attr = (0o755 if name in ("setup.sh", "run_autograder") else 0o644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def package():
    """{path in the zip: bytes} of the package, without pictures."""
    paths = (path for path in ROOT.rglob("*") if path.suffix in TAKEN and not set(path.relative_to(ROOT).parts) & set(LEFT))
    return {f"{ROOT.name}/{path.relative_to(ROOT).as_posix()}": path.read_bytes() for path in paths}


def written(assignment):
    """{path in the zip: bytes} of the assignment's files."""
    with tempfile.TemporaryDirectory() as folder:
        assignment.write(folder)
        paths = [Path(where, name) for where, _, names in os.walk(folder) for name in names]
        return {f"{FOLDER}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}
