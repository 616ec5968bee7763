"""Arguments that are days or moments, and what the archive's commands say when they are stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

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


def moment(value: str) -> datetime:
    """2026-01-31, 2026-01-31T14:00; UTC where it says no offset. For argparse: raises ValueError."""
    found = datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


@contextmanager
def stopping() -> Iterator[None]:
    """Exit code 1, in one line, for what only later or a person can mend."""
    try:
        yield
    except ArchiveError as error:
        raise CommandError(str(error), returncode=1) from None
    except Error as error:
        raise CommandError(f"stopped by the database: {one_line(error)}", returncode=1) from None
