"""Admin pages of what the consumer stores.

`dashboard` and `route_page` are loaded when they are asked for: they load numpy, and all processes load this.
"""

from django.contrib import admin

from stats.admin import (  # noqa: F401  (each registers its pages)
    consumer,
    days,
    dead_letters,
    events,
    imported,
    jobs,
    queue,
    read_path,
    repairs,
    rollups,
    tokens,
    verification,
    worker_starts,
)

admin.site.index_template = "stats/dashboard.html"
