"""Tallygate's middleware between two that read the thread's CPU clock."""

from benchmarks.capture.settings.tallygate import *  # noqa: F403
from benchmarks.capture.settings.tallygate import MIDDLEWARE as MEASURED

MIDDLEWARE = [
    "benchmarks.capture.cpu_clock.outer",
    MEASURED[0],
    "benchmarks.capture.cpu_clock.inner",
    *MEASURED[1:],
]
