"""The archive's storage, `STORAGES["archive"]`: a folder, a bucket, whatever Django can write to.

A file is made whole on this host before it is put there, and is compared with its checksum when it comes
back. Whatever a storage raises becomes ShelfUnavailable.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from gateway.archive_url import folder
from gateway.conf import conf
from stats.archive.errors import Mismatch, ShelfUnavailable
from stats.errors import one_line
from stats.models import ArchivedFile

CHUNK = 1 << 20  # bytes
DRAFT = ".draft-"  # how a folder of files in the making begins


class Draft(File):
    """A finished file on this host. Django moves what has such a path, which is atomic within a disk."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def shelf() -> Storage:
    """Without an entry in STORAGES it is a folder below `VAR_DIR`."""
    if "archive" in storages.backends:
        return storages["archive"]
    return FileSystemStorage(**folder(conf.var_dir / "archive")["OPTIONS"])


@contextmanager
def drafting() -> Iterator[Path]:
    """A closed folder for files in the making, on the archive's own disk if any. Raises ShelfUnavailable."""
    with _reaching("can't be written"):
        place = _drafts()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        holder = tempfile.TemporaryDirectory(dir=place, prefix=DRAFT)
    with holder as path:
        yield Path(path)


def sweep() -> None:
    """Removes what killed runs were making; not to be called while another run is at work."""
    with _reaching("can't be written"):
        for left in _drafts().glob(f"{DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)


def put(path: Path, name: str) -> None:
    """Moves a finished file to its name, where another may be already. Raises ShelfUnavailable."""
    with _reaching(name):
        storage = shelf()
        with path.open("rb") as file:
            os.fsync(file.fileno())
            saved = storage.save(name, Draft(file, str(path)))
        if saved != name:
            storage.delete(saved)
            raise OSError(f"the storage gave it another name ({saved}): it must overwrite what is there")


@contextmanager
def fetched(archived: ArchivedFile) -> Iterator[Path]:
    """A copy on this host, compared with the manifest. Raises ShelfUnavailable, Mismatch."""
    with tempfile.NamedTemporaryFile(prefix="tallygate-", suffix=".parquet") as copy:
        with _reaching(archived.name):
            digest = _copy(archived.name, copy)
        if digest != archived.sha256:
            raise Mismatch(f"{archived.name}: its checksum is not the one it was written with")
        yield Path(copy.name)


def size(name: str) -> int | None:
    """Bytes of a file; None if it is not there. Raises ShelfUnavailable."""
    with _reaching(name):
        storage = shelf()
        return storage.size(name) if storage.exists(name) else None


def remove(name: str) -> None:
    """Deletes a file, if it is there. Raises ShelfUnavailable."""
    with _reaching(name):
        shelf().delete(name)


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(name: str, target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with shelf().open(name, "rb") as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            target.write(chunk)
    target.flush()
    return digest.hexdigest()


def _drafts() -> Path:
    storage = shelf()
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else conf.var_dir / "drafts"


@contextmanager
def _reaching(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the storage may be anybody's
        raise ShelfUnavailable(f"archive: {what}: {one_line(error)}") from error
