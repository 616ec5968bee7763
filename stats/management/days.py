"""Arguments that are days, and what the archive's commands say when they are stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from django.core.management.base import CommandError
from django.db import Error

from stats.archive import ArchiveError
from stats.errors import one_line


def parse_day(text: str, argument: str) -> date:
    """A day as 2026-11-20. Raises CommandError that names the argument."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{argument}: {text!r} is no day such as 2026-11-20", returncode=2) from None


@contextmanager
def stopping() -> Iterator[None]:
    """Exit code 1, in one line, for what only later or a person can mend."""
    try:
        yield
    except ArchiveError as error:
        raise CommandError(str(error), returncode=1) from None
    except Error as error:
        raise CommandError(f"stopped by the database: {one_line(error)}", returncode=1) from None
