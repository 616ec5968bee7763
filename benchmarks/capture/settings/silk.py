"""django-silk with its defaults."""

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "silk",
]
MIDDLEWARE = ["silk.middleware.SilkyMiddleware", *BELOW]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
