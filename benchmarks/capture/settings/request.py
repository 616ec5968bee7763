"""django-request: a row a request, written in it."""

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.admin",
    "django.contrib.messages",
    "request",
]
MIDDLEWARE = [*BELOW, "request.middleware.RequestMiddleware"]
