"""What may stand in Gradescope's results.json, and a submission that tries to forge it."""

SHOWN = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
TOP = {
    "score": (int, float), "execution_time": (int, float), "output": str, "output_format": FORMATS, "test_output_format": FORMATS,
    "test_name_format": FORMATS, "visibility": SHOWN, "stdout_visibility": SHOWN, "extra_data": dict, "tests": list, "leaderboard": list,
}  # fmt: skip
TEST = {
    "score": (int, float), "max_score": (int, float), "status": {"passed", "failed"}, "name": str, "name_format": FORMATS, "number": str,
    "output": str, "output_format": FORMATS, "tags": list, "visibility": SHOWN, "extra_data": dict,
}  # fmt: skip


def valid(found):
    """Assert that this may stand in results.json."""
    assert "score" in found or all("score" in test for test in found["tests"])
    for entry, kinds in [(found, TOP), *((test, TEST) for test in found.get("tests", []))]:
        assert set(entry) <= set(kinds), entry
        for name, value in entry.items():
            assert value in kinds[name] if isinstance(kinds[name], set) else isinstance(value, kinds[name]), (name, value)
        assert all(isinstance(tag, str) for tag in entry.get("tags", []))


NOT_VALID = [
    {}, {"tests": [{}]}, {"score": "1"}, {"score": 1, "visibility": "later"}, {"score": 1, "notes": []}, {"tests": [{"score": 1, "tags": [1]}]},
]  # fmt: skip

FORGERY = """
import atexit
import json
import os
import sys

ROOT = {root!r}
RESULTS = '{{"score": 13, "tests": []}}'
FILES = ("source/assignment/assignment.json", "submission_metadata.json", "results/results.json", "source/tinyvae/gaussian.py")


def stolen():
    found = []
    for name in FILES:
        try:
            with open(ROOT + "/" + name) as file:
                found.append(name + " STOLEN " + file.read()[-100:])
        except OSError:
            pass
    return " ".join(found)


def forge():
    print(RESULTS)
    for name in ("results/results.json", "results/forged.json", "source/run_autograder", "results/../../results/results.json"):
        try:
            with open(ROOT + "/" + name, "w") as file:
                file.write(RESULTS)
        except OSError:
            pass


class Forgery:
    forge()
    atexit.register(forge)


def kl_backward(dkl, cache):
    sys.path.insert(0, ROOT + "/source")
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ == "_frozen_importlib_external"] + sys.meta_path[:3]
    for name in [name for name in sys.modules if name.startswith("tinyvae")]:
        del sys.modules[name]
    from tinyvae.gaussian import kl_backward

    return kl_backward(dkl, cache)


def prior_kl_backward(dkl, cache):
    for descriptor in range(1, 64):
        try:
            os.write(descriptor, RESULTS.encode() + b"\\n")
        except OSError:
            pass
    raise ValueError("here: " + stolen())
"""
