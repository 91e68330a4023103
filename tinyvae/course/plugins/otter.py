"""otter: verdicts come from the judge of this package; otter's kernel runs one line, which holds them."""

import shutil
from pathlib import Path

from nbformat import v4
from otter.plugins import AbstractOtterPlugin

from ..grade import told
from . import after_deadline, graded, graded_by

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


class TrustedGrade(AbstractOtterPlugin):
    """Grades a submission, and hands otter the verdicts in place of the student's code."""

    def before_grading(self, config):
        """Grade the file. Other files that were handed in beside it go: otter would unpickle a log, and its kernel import modules from here."""
        path = Path(self.submission_path)
        self.assignment, self.record = graded(path.parents[1] / "source" / "files" / "private", path)
        for other in path.parent.iterdir():
            if other.is_dir() and other.name != "tests":  # otter's own
                shutil.rmtree(other)
            elif other.is_file() and other != path:
                other.unlink()

    def before_execution(self, submission):
        """A notebook of one cell, the verdicts."""
        verdicts = {name: {test["name"]: test["ok"] for test in task["tests"]} for name, task in self.record["tasks"].items()}
        return v4.new_notebook(cells=[v4.new_code_cell(f"VERDICTS = {verdicts!r}")], metadata=KERNEL)

    def after_grading(self, results):
        """Put into words what was found: all of it in the tests, which show after the deadline; what may be said before, in the output."""
        for name, task in self.record["tasks"].items():
            for case, test, words in zip(results.get_result(name).test_case_results, task["tests"], after_deadline(task)):
                case.test_case.name, case.message = f"{name}: {test['name']}", words
        said = [f"{name}\n{told(self.record, name, self.assignment.feedback.get(name, 0))}" for name in self.record["tasks"]]
        results.set_output("\n\n".join([graded_by(self.record), *said]))
