"""drf-api-tracking's mixin on that view."""

from benchmarks.capture.settings.drf import *  # noqa: F403
from benchmarks.capture.settings.drf import INSTALLED_APPS as BELOW

INSTALLED_APPS = [*BELOW, "rest_framework_tracking"]
ROOT_URLCONF = "benchmarks.capture.drf_tracking_urls"
