"""Admin pages of what the consumer stores."""

from stats.admin import (  # noqa: F401  (each registers its pages)
    consumer,
    days,
    dead_letters,
    events,
    imported,
    rollups,
    tokens,
    verification,
)
