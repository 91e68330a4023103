"""The verification of a course: every format reads answers so that solutions get all points, stubs none, wrong ones less."""

import pytest
from test_course_assignment import OWN

from tinyvae.app.cli import main
from tinyvae.course.assignment import choose, new
from tinyvae.course.build import FORMATS
from tinyvae.course.jail import jails
from tinyvae.course.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not jails(), reason="no jail works here")]


def test_tasks_that_ask_for_one_name_are_told_apart_in_every_format():
    """One assignment of tasks that clash: the capstone's parts are asked for by others, two ask for finds."""
    ids = ["dense_backward", "kl_backward", "kl_forward", "capstone", "gradient_check", "bound_rises", "adam_step", "kl_by_hand", "find_misleading_kl"]
    tried = list(verify(new("clash", choose(ids, graded=False), 1), jails()[0]))
    assert all(ok for *_, ok in tried), [entry[:4] for entry in tried if not entry[-1]]
    assert {entry[0].partition(" ")[0] for entry in tried} == set(FORMATS)
    assert {entry[1] for entry in tried} == set(ids)
    captions = [caption for form, name, caption, *_ in tried if (form, name) == ("handout .py", "kl_backward")]
    assert captions[:2] == ["solution", "stub"] and len(captions) > 10


def test_a_private_task_that_is_not_sound_is_found(tmp_path, capsys):
    (tmp_path / "my_square.py").write_text(OWN, encoding="utf-8")
    assert main(["course", "verify", "--private", str(tmp_path), "--tasks", "private"]) == 0
    (tmp_path / "my_square.py").write_text(OWN.replace("# + return x * x * x", "# + return x**2"), encoding="utf-8")
    capsys.readouterr()
    assert main(["course", "verify", "--private", str(tmp_path), "--tasks", "private"]) == 1
    assert "!! handout .py, my_square: it is cubed: 2 of 2" in capsys.readouterr().out
