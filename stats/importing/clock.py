"""The times of a log, in milliseconds since the epoch."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from gateway.accesslog.parse import MalformedLine, read_time

WHOLE_SECONDS = frozenset({"log", "iso", "sec"})
_MS_IN = {"sec": 1000.0, "msec": 1.0, "usec": 0.001}


# Most lines share their second with the line before.
@lru_cache(maxsize=4096)
def milliseconds(clock: str, written: bytes) -> int:
    """The time `written` as `fields.Meaning.clock` says. Raises ValueError."""
    if clock == "log":
        try:
            return int(read_time(written, 0).timestamp()) * 1000
        except MalformedLine as error:  # its number is not known here
            raise ValueError(error.reason.removeprefix("the time is none: ")) from None
    if clock == "iso":
        return int(datetime.fromisoformat(written.decode()).timestamp()) * 1000
    if clock == "decimal":
        return int(written.replace(b".", b""))
    return int(int(written) * _MS_IN[clock])


def spread(moment: int, number: int) -> int:
    """A whole second's line, at a millisecond of that second that follows from the line's number alone.

    Neighbours get different ones, in the log's order but for one step back in a thousand lines. What other
    lines say has no part in it: read in another format, a line keeps its id.
    """
    return moment + number % 1000
