"""django-q2 as it comes: a task a request."""

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW

INSTALLED_APPS = ["django_q"]
MIDDLEWARE = ["benchmarks.capture.middleware.one_task", *BELOW]
Q_CLUSTER = {"name": "one-task", "orm": "default"}
