"""Exercises: tasks, hints, and a check that says what is wrong.

At a terminal: `python -m tinyvae learn`. In a notebook:

    from tinyvae.exercises import task
    task("kl_backward")                       # shows what is asked
    task("kl_backward").check(my_function)    # judges it
"""

from .notebook import task
from .source import tasks

__all__ = ["task", "tasks"]
