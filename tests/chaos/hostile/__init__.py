"""Hostile HTTP, sent raw to the running system: `python -m tests.chaos.hostile --requests 20000 --seed S`."""
