"""Settings of the workers: the database, the task queues, and nothing else.

`PLAIN_Q_CLUSTER` is django-q2's configuration as JSON.
"""

import json
import os
from pathlib import Path

from gateway import embedded_postgres

VAR_DIR = Path(os.environ["VAR_DIR"])
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django_q",
    "procrastinate.contrib.django",
    "benchmarks.plain",
]
DATABASES = {"default": {**embedded_postgres.connection_settings(VAR_DIR), "CONN_MAX_AGE": None}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
Q_CLUSTER = json.loads(os.environ.get("PLAIN_Q_CLUSTER", "{}"))
