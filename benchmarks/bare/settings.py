"""The project's settings with the plain task in place of the queue, the consumer and the fallback."""

from gateway.settings import *  # noqa: F403
from gateway.settings import INSTALLED_APPS, LOGGING, MIDDLEWARE

INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in ("stats", "legacy_collector")]
INSTALLED_APPS += ["benchmarks.bare"]
MIDDLEWARE = [
    "benchmarks.bare.middleware.BareMiddleware",
    *(name for name in MIDDLEWARE if name != "gateway.middleware.TrafficMiddleware"),
]
Q_CLUSTER = {"name": "bare", "orm": "default", "workers": 1, "timeout": 15, "retry": 20}
LOGGING["loggers"]["django-q"]["level"] = "INFO"
