"""Sets the clock of the capture back, without touching the machine's: by the offset that a file holds."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django.apps import AppConfig

VARIABLE = "CHAOS_CLOCK"  # the file; seconds, negative for back; missing means none


class ShiftedClock:
    """What `gateway.capture` uses of `time`, shifted."""

    perf_counter = staticmethod(time.perf_counter)

    def __init__(self, path: Path) -> None:
        self._path = path

    def time_ns(self) -> int:
        try:
            offset = float(self._path.read_text())
        except (FileNotFoundError, ValueError):
            offset = 0.0
        return time.time_ns() + int(offset * 1e9)


class ClockConfig(AppConfig):
    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        from gateway import capture

        if VARIABLE in os.environ:
            capture.time = ShiftedClock(Path(os.environ[VARIABLE]))
