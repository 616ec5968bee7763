"""What a report may refuse, and why."""

from __future__ import annotations


class InvalidFilter(ValueError):
    """A range or filter that can't be answered. `field` names the parameter, the message begins with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class ReportTimedOut(Exception):
    """A report took longer than a reader may; a shorter range or another filter will do."""
