"""The command line, and what it does: train a run, evaluate it, sample from it, check gradients, time a step."""
