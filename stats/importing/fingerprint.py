"""Names for the lines of a log that follow from its content alone.

A line is named by its number and a digest of all lines before it. So the same log has the same names
under another file name, compressed or grown, while the logs of two hosts that begin with the same line
part at the first one in which they differ. A line's own bytes have no part in its name: one that was
still being written when it was first read keeps it.
"""

from __future__ import annotations

from hashlib import blake2b

_BYTES = 8


class Fingerprint:
    """The digest of the lines seen so far."""

    def __init__(self) -> None:
        self._digest = bytes(_BYTES)

    def name(self, number: int) -> str:
        """The name of the line that comes next."""
        return f"log-{self._digest.hex()}:{number}"

    def add(self, line: bytes) -> None:
        self._digest = blake2b(self._digest + line.rstrip(b"\r\n"), digest_size=_BYTES).digest()


def of_log(first_line: bytes) -> str:
    """What a log is known by before it is read."""
    return blake2b(first_line.rstrip(b"\r\n"), digest_size=_BYTES).hexdigest()
