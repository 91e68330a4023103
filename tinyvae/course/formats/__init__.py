"""What each format writes: a plain handout, nbgrader, otter, Gradescope."""
