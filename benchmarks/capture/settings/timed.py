"""The bare app between the two middlewares that read the thread's CPU clock: what these take themselves."""

from benchmarks.capture.settings import *  # noqa: F403
from benchmarks.capture.settings import MIDDLEWARE as BELOW

MIDDLEWARE = ["benchmarks.capture.cpu_clock.outer", "benchmarks.capture.cpu_clock.inner", *BELOW]
