"""Moving a log's times: by how much, and by how much the last time.

An id begins with its event's time, so a log that is imported again has to be shifted by the same span, or
it is counted a second time. A span is therefore kept, below `VAR_DIR`, under what the log is known by.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from gateway.conf import conf
from stats.partitions import DAY_MS

NOW = "now"


class BadShift(ValueError):
    """A target that is none. The message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a log's times are to be moved: its first line to a day, or (None) its latest one to now."""

    day: date | None

    @classmethod
    def parse(cls, text: str, today: date) -> Target:
        """Raises BadShift."""
        if text == NOW:
            return cls(None)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise BadShift(f"{text!r} is neither a day (2025-11-23) nor `now`") from None
        if not date(2001, 9, 10) <= day <= today:
            raise BadShift(f"{day} is not from 2001-09-10 to today ({today}, UTC)")
        return cls(day)


def to_day(first: int, day: date) -> int:
    """Milliseconds from the first line's day to `day`: whole days, so that hours stay what they were."""
    return (day - date(1970, 1, 1)).days * DAY_MS - first // DAY_MS * DAY_MS


def to_now(latest: int, now: datetime) -> int:
    """Milliseconds from the latest line to `now`, in whole seconds."""
    return (int(now.timestamp()) - latest // 1000) * 1000


def recorded(fingerprint: str) -> int | None:
    """The span (ms) that this log was shifted by when it was last imported; None if it never was."""
    try:
        return int(_file(fingerprint).read_text())
    except (OSError, ValueError):
        return None


def record(fingerprint: str, span: int) -> None:
    """Keeps the span. Raises OSError."""
    file = _file(fingerprint)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(f"{span}\n")
    draft.replace(file)


def _file(fingerprint: str) -> Path:
    return conf.var_dir / "imports" / fingerprint
