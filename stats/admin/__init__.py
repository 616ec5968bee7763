"""Admin pages of what the consumer stores."""

from stats.admin import (  # noqa: F401  (each registers its pages)
    consumer,
    dashboard,
    days,
    dead_letters,
    events,
    imported,
    read_path,
    rollups,
    tokens,
    verification,
    worker_starts,
)
