"""nbgrader: grades come from the judge of this package, and no kernel is started.

`TrustedGrade` comes first, when a submission is still as it was handed in; `TrustedExecute` takes the place of nbgrader's `Execute`.
"""

from pathlib import Path

from nbformat import from_dict
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Unicode

from ..formats.nbgrader import cells, grade_id
from . import after_deadline, graded, graded_by


class TrustedGrade(NbGraderPreprocessor):
    """Grades the file as it was handed in, then puts the cells that nbgrader knows right: what a student did to them costs nothing."""

    assignments = Unicode(help="the folder in which the assignments stand, by their names").tag(config=True)

    def preprocess(self, nb, resources):
        """The notebook with a grade cell for every test, each once, and the record in its metadata."""
        of, name = resources["metadata"], resources["nbgrader"]["assignment"]
        assignment, record = graded(Path(self.assignments, name), Path(of["path"], of["name"] + ".ipynb"))
        known = {cell["id"]: from_dict(cell) for cell in cells(assignment) if "nbgrader" in cell["metadata"]}
        nb.cells = [mended(cell, known) for cell in reversed(nb.cells)][::-1]  # of cells that stand twice, the last one
        nb.cells += [cell for cell in known.values() if is_grade(cell)]
        nb.metadata = from_dict({"tinyvae": record})
        return nb, resources


def mended(cell, known):
    """A cell as nbgrader knows it, and no longer in `known`; any other cell without nbgrader's metadata."""
    said = cell.metadata.pop("nbgrader", None)
    name = said.get("grade_id") if isinstance(said, dict) else None
    if not isinstance(name, str) or name not in known:
        return cell
    found = known.pop(name)
    found.source = cell.source if is_solution(found) else found.source
    return found


class TrustedExecute(NbGraderPreprocessor):
    """Writes what was found into the grade cells: words alone are full points, a number at the end is partial credit."""

    def preprocess(self, nb, resources):
        """The notebook with outputs in its grade cells, and nothing run."""
        record, said = nb.metadata.pop("tinyvae"), {}
        for name, task in record["tasks"].items():
            said |= {grade_id(name, test["name"]): (test, words) for test, words in zip(task["tests"], after_deadline(task))}
        first = f"{graded_by(record)}\n\n"
        for cell in filter(is_grade, nb.cells):
            test, words = said[cell.metadata.nbgrader.grade_id]
            cell.outputs = [new_output("stream", name="stdout", text=f"{first}{words}\n")]
            if not test["ok"]:
                cell.outputs.append(new_output("execute_result", data={"text/plain": str(float(test["score"]))}, execution_count=1))
            first = ""
        return nb, resources
