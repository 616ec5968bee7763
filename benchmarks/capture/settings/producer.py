"""Everything that hands events over, in one process."""

from benchmarks.capture.settings.tallygate import *  # noqa: F403
from benchmarks.capture.settings.tallygate import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "benchmarks.capture"]
