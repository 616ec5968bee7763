"""Who reads from which path: the value of `READ_FROM` and its companions, wherever it was chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Literal, NamedTuple

from gateway.phrase import Phrase

Source = Literal["queue", "legacy"]

NOBODY = ""  # whatever reads for nobody in particular, as the snapshot does
KINDS = ("user:", "token:")
MAX_NAME = 200
_WORDS = {"queue": 100.0, "legacy": 0.0}


class ReadSettings(NamedTuple):
    """The queue path answers `percent` of the readers, and the collector the others."""

    percent: float
    queue_readers: frozenset[str] = frozenset()  # whatever the percentage
    legacy_readers: frozenset[str] = frozenset()
    compared_percent: float = 0.0  # of the answers

    def source_of(self, reader: str) -> Source:
        """The path that answers this one: always the same while nothing is changed.

        A greater percentage leaves with the queue path whoever it answered before.
        """
        if reader in self.queue_readers:
            return "queue"
        if reader in self.legacy_readers:
            return "legacy"
        if reader == NOBODY:
            return "queue" if self.percent else "legacy"
        return "queue" if _place(reader) < self.percent else "legacy"


def read_settings(
    percent: object, queue_readers: object = (), legacy_readers: object = (), compared_percent: object = 0
) -> ReadSettings:
    """From words as people write them. Raises ValueError that names the argument, with a phrase.

    `percent` may be `queue` or `legacy`; readers are an iterable of names, or one text of them.
    """
    found = ReadSettings(
        _percent("percent", _WORDS.get(str(percent).strip().lower(), percent)),
        _readers("queue_readers", queue_readers),
        _readers("legacy_readers", legacy_readers),
        _percent("compared_percent", compared_percent),
    )
    both = found.queue_readers & found.legacy_readers
    if both:
        raise ValueError(
            Phrase("legacy_readers: %(reader)s is among the queue_readers, too", reader=repr(min(both)))
        )
    return found


def _percent(name: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        told = {"field": name, "value": repr(value)}
        if name == "compared_percent":
            raise ValueError(Phrase("%(field)s: %(value)s is no percentage from 0 to 100", **told))
        raise ValueError(
            Phrase("%(field)s: %(value)s is no percentage from 0 to 100, nor queue or legacy", **told)
        )
    return number


def _readers(name: str, value: object) -> frozenset[str]:
    words = re.split(r"[,\n]", value) if isinstance(value, str) else value
    if not isinstance(words, Iterable):
        raise ValueError(Phrase("%(field)s: %(value)s is no list of readers", field=name, value=repr(value)))
    readers = [word.strip() if isinstance(word, str) else word for word in words]
    for reader in readers:
        if reader and not _is_reader(reader):
            told = {"field": name, "reader": f"{reader!r:.80}"}
            raise ValueError(Phrase("%(field)s: %(reader)s is neither user:NAME nor token:NAME", **told))
    return frozenset(filter(None, readers))


def _is_reader(value: object) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(KINDS)
        and value.partition(":")[2].strip() != ""
        and len(value) <= MAX_NAME
        and value.isprintable()
    )


def _place(reader: str) -> float:
    """From 0 up to 100, the same in every process."""
    return int.from_bytes(sha256(reader.encode()).digest()[:4]) / 2**32 * 100
