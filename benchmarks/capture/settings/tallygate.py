"""Tallygate's middleware with all its defaults, as the README puts it into a project of one's own."""

import os

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import DATABASES, VAR_DIR
from benchmarks.capture.settings import MIDDLEWARE as BELOW
from gateway.conf import q_cluster

os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(VAR_DIR / "metrics"))
(VAR_DIR / "metrics").mkdir(parents=True, exist_ok=True)

INSTALLED_APPS = ["django_q", "gateway", "legacy_collector"]
MIDDLEWARE = ["gateway.middleware.TrafficMiddleware", *BELOW]
DATABASES["legacy"] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": VAR_DIR / "collector.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 2, "init_command": "PRAGMA journal_mode=WAL;"},
}
DATABASE_ROUTERS = ["legacy_collector.router.LegacyRouter"]
TRAFFIC_QUEUE = {"name": "traffic-events"}
Q_CLUSTER = q_cluster(TRAFFIC_QUEUE)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} [{process}] {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
