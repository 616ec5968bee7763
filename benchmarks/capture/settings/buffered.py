"""A list, and a thread that empties it into PostgreSQL: what is usually written for this."""

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW

INSTALLED_APPS = ["benchmarks.capture"]
MIDDLEWARE = ["benchmarks.capture.middleware.BufferMiddleware", *BELOW]
