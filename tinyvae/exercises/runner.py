"""Have a student's file run and judged in a process of its own, which is ended when its time is over."""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .wording import say

SECONDS, SECONDS_TRAINING = 10, 120


def run(task, file, seed=0, parts=None, seconds=None, more=True):
    """What `child.judged` says of a file; where the process gave no answer, the "error" says why.

    Parameters
    ----------
    task : Task
    file : path of the student's file
    seed : int, of the numbers in the statement
    parts : dict of names to paths of the student's other files, for the capstone
    seconds : float, the time limit
    more : bool, whether an explanation and a training are wanted beside the verdict

    Returns
    -------
    dict with "results", "begun" (more than a stub), "texts" (by level), "trained" or "untrained", "parts", "printed", "error"
    """
    seconds = seconds or (SECONDS_TRAINING if task.kind == "capstone" else SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "answer.json")
        order = {"task": task.id, "file": str(Path(file).resolve()), "seed": seed, "out": str(out), "more": more}
        order["parts"] = {name: str(Path(path).resolve()) for name, path in (parts or {}).items()}
        fault = call(json.dumps(order), seconds, folder)
        if out.exists():  # written before what takes longer: where that comes too late, the verdict stands
            said = json.loads(out.read_text(encoding="utf-8"))
            return said | {"texts": {int(level): text for level, text in said["texts"].items()}}
    return {"results": [], "texts": {}, "trained": None, "parts": {}, "printed": "", "error": fault or say("no answer"), "begun": True}


def sound(parts):
    """Those of a student's files, {task: path}, that pass their own check, each in a process of its own: one that hangs costs only itself."""

    def passes(item):
        task, path = item
        results = run(task, path, more=False)["results"]
        return bool(results) and all(ok for _, _, ok, *_ in results)

    with ThreadPoolExecutor(4) as pool:
        return {task.id: path for (task, path), good in zip(parts.items(), pool.map(passes, parts.items())) if good}


def call(order, seconds, folder):
    """Run the child to its end, in an empty folder: a student's random.py must not stand before Python's; None, or why it did not end."""
    root = str(Path(__file__).parents[2])  # so that the child finds this package, wherever it is started
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "tinyvae.exercises.child"]
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(command, input=order.encode(), capture_output=True, timeout=seconds, env=environment, cwd=folder, check=False)
    except subprocess.TimeoutExpired:
        return say("too long", seconds=seconds)
    if ended.returncode:
        last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return say("ended", status=ended.returncode, last=" ".join(last))
    return None
