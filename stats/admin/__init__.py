"""Admin pages of what the consumer stores."""

from stats.admin import consumer, days, dead_letters, events, rollups, tokens  # noqa: F401  (each registers its pages)
