"""Admin pages of dead letters: found by reason and route, looked into, mended, redriven or discarded."""

from stats.admin.dead_letters.page import badge

__all__ = ["badge"]
