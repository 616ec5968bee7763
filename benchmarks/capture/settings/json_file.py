"""A JSON line a request, appended to a file."""

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW

MIDDLEWARE = ["benchmarks.capture.middleware.json_line", *BELOW]
