"""Admin pages of what the consumer stores.

`dashboard`, `route_page` and `readiness_page` are loaded when they are asked for: they load numpy, and all
processes load this.
"""

from django.contrib import admin

from stats.admin import (  # noqa: F401  (each registers its pages)
    alert_channels,
    alert_deliveries,
    alert_rules,
    alerts,
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
