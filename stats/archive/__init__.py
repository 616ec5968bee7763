"""The archive: a day's events as Parquet files, outside the database.

    columns    what a file holds, and a table's rows in that shape
    tables     the partitions of the event table, and those on their way in or out
    shelf      the storage: what is put there appears whole, what is fetched is compared with its checksum
    alone      one run at a time
    manifest   which files a day has, and whether they hold all of it
    writing    a day's rows into files
    verifying  files against the rows they were made of
    restoring  files into the table they came from

pyarrow takes some 60 MB of memory, so nothing that serves requests imports this package.
"""

from stats.archive.errors import ArchiveError, Busy, Changed, Mismatch, NotArchived, ShelfUnavailable
from stats.archive.manifest import is_archived
from stats.archive.restoring import Restored, restore_day
from stats.archive.verifying import verify_day
from stats.archive.writing import Archived, archive_day

__all__ = [
    "ArchiveError",
    "Archived",
    "Busy",
    "Changed",
    "Mismatch",
    "NotArchived",
    "Restored",
    "ShelfUnavailable",
    "archive_day",
    "is_archived",
    "restore_day",
    "verify_day",
]
