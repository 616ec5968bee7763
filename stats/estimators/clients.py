"""What both summaries of clients share: the exact set of hashes that every one begins as."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from stats.estimators.figures import Distinct
from stats.estimators.frame import UNREADABLE, CorruptSummary, seal, unseal
from stats.estimators.packed import NO_HASHES, Hashes, read_hashes, write_hashes

HASH_DIGITS = 16
_HEAD = struct.Struct("<?Q")  # whether it is still exact, the least number of clients known otherwise
_ONE = struct.Struct("<?QQ")  # the same, and the set of one hash


class ClientSummary(ABC):
    """The distinct clients of one route and hour, or of any range by merging; never added up."""

    kind: ClassVar[bytes]
    capacity: ClassVar[int]  # hashes up to which it is the set of them

    def __init__(self) -> None:
        self.is_exact = True  # whether every hash is still there
        self._hashes = NO_HASHES  # sorted, each once
        self._floor = 0  # above 0: some clients were never seen as hashes, but there are at least so many

    @property
    def is_empty(self) -> bool:
        """Whether it stands for no client at all."""
        return self.is_exact and not len(self._hashes)

    def update(self, hashes: Sequence[str]) -> None:
        """Adds clients by their hashes, 16 hex digits each, in any order and number of repetitions.

        Raises ValueError, and adds none, if one is something else.
        """
        if len(hashes):
            self.add(parse_hashes(hashes))

    def merge(self, other: ClientSummary) -> None:
        """Adds all clients of `other`, which stays as it is."""
        self._floor = max(self._floor, other._floor)
        if other.is_exact:
            self.add(other._hashes)
        else:
            self._join(other)

    def miss_some(self) -> None:
        """Some clients went by unseen: what is known from now on is the least number there can be."""
        self._floor = max(self._floor, self.estimate().lower, 1)
        self._approximate()

    def estimate(self) -> Distinct:
        """The number of clients, with bounds at about 95 % where it is no exact one."""
        if self.is_exact:
            count = len(self._hashes)
            return Distinct(count, count, count, is_exact=True, is_lower_bound=False)
        return self._estimate()

    def to_bytes(self) -> bytes:
        """The summary as it is stored; while exact, the same clients give the same bytes."""
        payload = write_hashes(self._hashes) if self.is_exact else self._payload()
        return seal(self.kind, _HEAD.pack(self.is_exact, self._floor) + payload)

    @classmethod
    def bytes_of_one(cls, client: int) -> bytes:
        """`to_bytes` of the summary of this one client, by its parsed hash, in a tenth of the time."""
        return seal(cls.kind, _ONE.pack(True, 0, client))

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """The stored summary. Raises CorruptSummary, a ValueError, for what is none of this kind."""
        _, body = unseal(data, cls.kind)
        summary = cls()
        try:
            summary.is_exact, summary._floor = _HEAD.unpack_from(body)
            payload = body[_HEAD.size :]
            if summary.is_exact:
                summary._hashes = read_hashes(payload, cls.capacity)
            else:
                summary._load(payload)
        except UNREADABLE as error:
            raise CorruptSummary(f"{cls.kind!r} summary can't be read: {error}") from error
        return summary

    @abstractmethod
    def add(self, hashes: Hashes) -> None:
        """Adds clients by their parsed hashes, in any order and number of repetitions."""

    @abstractmethod
    def _join(self, other: ClientSummary) -> None:
        """Adds an inexact summary."""

    @abstractmethod
    def _approximate(self) -> None:
        """Is no exact set any more."""

    @abstractmethod
    def _estimate(self) -> Distinct: ...

    @abstractmethod
    def _payload(self) -> bytes: ...

    @abstractmethod
    def _load(self, payload: bytes) -> None: ...


def parse_hashes(hashes: Sequence[str]) -> Hashes:
    """Hashes of 16 hex digits as numbers, in the same order. Raises ValueError if one is something else."""
    if set(map(len, hashes)) != {HASH_DIGITS}:
        raise ValueError(f"client hashes: expected {HASH_DIGITS} hex digits each")
    # In one go, since bytes.fromhex skips spaces it must be asked whether it found all digits.
    found = bytes.fromhex("".join(hashes))
    if len(found) != len(hashes) * HASH_DIGITS // 2:
        raise ValueError(f"client hashes: expected {HASH_DIGITS} hex digits each")
    return np.frombuffer(found, dtype=">u8").astype(np.uint64)
