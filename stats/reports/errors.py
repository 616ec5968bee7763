"""What a report may refuse, and why."""

from __future__ import annotations


class InvalidFilter(ValueError):
    """A range or filter that can't be answered. `field` names the parameter, the message begins with it.

    `reason` is the rest: a phrase where pages ask for the parameter, too.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class ReportTimedOut(Exception):
    """A report took longer than a reader may; a shorter range or another filter will do."""
