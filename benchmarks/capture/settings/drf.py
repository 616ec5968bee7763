"""The same view in Django REST framework: what drf-api-tracking is compared with."""

from benchmarks.capture.settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"]
ROOT_URLCONF = "benchmarks.capture.drf_urls"
