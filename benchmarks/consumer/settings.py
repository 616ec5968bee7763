"""The project's settings with the tables of the queues beside it: to make these, and to queue tasks."""

from gateway.settings import *  # noqa: F403
from gateway.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "procrastinate.contrib.django", "benchmarks.plain"]
