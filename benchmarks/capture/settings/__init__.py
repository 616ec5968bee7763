"""The bare app: one JSON view behind what a Django API has as middleware. Each thing measured adds itself."""

from __future__ import annotations

import os
from pathlib import Path

from gateway import embedded_postgres

VAR_DIR = Path(os.environ["VAR_DIR"])
SECRET_KEY = "only for a benchmark"  # noqa: S105
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.capture.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
DATABASES = {
    # As the shipped settings have it.
    "default": {
        **embedded_postgres.connection_settings(VAR_DIR),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 2},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"handlers": [], "level": "INFO"}}
