"""A middleware that does nothing: what any middleware costs at least."""

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW

MIDDLEWARE = ["benchmarks.capture.middleware.no_op", *BELOW]
