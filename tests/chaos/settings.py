"""The project's settings, with a clock that a fault can set back, and with django-q2's own words in the log.

Those say which process is the worker, the monitor and the pusher: all are forks with one command line.
"""

from gateway.settings import *  # noqa: F403
from gateway.settings import INSTALLED_APPS, LOGGING

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.clock.ClockConfig"]
LOGGING["loggers"]["django-q"]["level"] = "INFO"
