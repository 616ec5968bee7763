"""Admin pages of what the consumer stores."""

from stats.admin import consumer, dead_letters, events, hourly  # noqa: F401  (each registers its pages)
