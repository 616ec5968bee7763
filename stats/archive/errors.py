"""What can go wrong with the archive.

ArchiveError
├── ShelfUnavailable   the storage did not do what it was asked; again later
├── Mismatch           a file is not what it was, or not what the table holds
├── Changed            something arrived for the day meanwhile; again later
├── NotArchived        there is no whole archive of the day
├── Busy               another run is at work, or somebody holds the table for too long
└── NotDropped         the day's events are still here, so there is nothing to restore
"""

from __future__ import annotations


class ArchiveError(Exception):
    """Base of the others. The message is one line and holds no credentials."""


class ShelfUnavailable(ArchiveError):
    """The storage did not do what it was asked; asking again later is safe."""


class Mismatch(ArchiveError):
    """A file is not what was written, or does not hold what the table does."""


class Changed(ArchiveError):
    """Something arrived for the day meanwhile."""


class NotArchived(ArchiveError):
    """There is no archive that holds all of the day."""


class Busy(ArchiveError):
    """Another run is at work, or somebody held the table for too long."""


class NotDropped(ArchiveError):
    """The day's events are still in the table."""
