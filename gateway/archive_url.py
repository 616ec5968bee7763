"""`ARCHIVE_URL`: where the archive is kept, as an entry of Django's STORAGES.

    file:///srv/archive                                        a folder
    s3://bucket/prefix?endpoint_url=https://…&region_name=…    anything that speaks S3

Credentials never stand in it: they come from where boto3 looks for them (AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, a profile, the machine's role).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

FOLDER = "django.core.files.storage.FileSystemStorage"
S3 = "storages.backends.s3.S3Storage"
S3_OPTIONS = ("endpoint_url", "region_name", "addressing_style", "signature_version")
MEMORY_BYTES = 4_000_000  # of a file that is read back; what is larger goes to a temporary file


def archive_storage(url: str, default: Path) -> dict[str, Any]:
    """The storage that `url` names; the folder `default` if it is empty. Raises ImproperlyConfigured.

    What is wrong is said without quoting the address, which may hold a password after all.
    """
    if not url:
        return folder(default)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise _wrong("is no address") from None
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and not options:
        return folder(Path(unquote(parts.path)))
    if parts.scheme != "s3" or not parts.hostname:
        raise _wrong("is neither file:///folder nor s3://bucket/prefix")
    endpoint = options.get("endpoint_url", "")
    if "@" in parts.netloc or "@" in endpoint:
        raise _wrong("holds credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead")
    unknown = sorted(set(options) - set(S3_OPTIONS))
    if unknown:
        raise _wrong(f"has an unknown option {unknown[0]!r} (known: {', '.join(S3_OPTIONS)})")
    return bucket(parts.netloc, unquote(parts.path).strip("/"), options)


def folder(path: Path) -> dict[str, Any]:
    """A closed folder, in which a file is replaced by the next of its name."""
    options = {
        "location": str(path),
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
        "allow_overwrite": True,
    }
    return {"BACKEND": FOLDER, "OPTIONS": options}


def bucket(name: str, prefix: str, options: dict[str, str]) -> dict[str, Any]:
    return {
        "BACKEND": S3,
        "OPTIONS": {
            "bucket_name": name,
            "location": prefix,
            "file_overwrite": True,
            "default_acl": None,
            "max_memory_size": MEMORY_BYTES,
            **options,
        },
    }


def _wrong(what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"ARCHIVE_URL: {what}")
