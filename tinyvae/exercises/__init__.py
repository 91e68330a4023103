"""Exercises, and the mistakes that they are about."""
