"""django-prometheus with both of its middlewares, and counters that are right over two workers."""

import os

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW
from benchmarks.capture.settings import VAR_DIR

os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(VAR_DIR / "django-prometheus")
(VAR_DIR / "django-prometheus").mkdir(parents=True, exist_ok=True)

INSTALLED_APPS = ["django_prometheus"]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    *BELOW,
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
PROMETHEUS_EXPORT_MIGRATIONS = False
