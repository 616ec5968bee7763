"""Sends attacks over raw sockets and says what came back."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tests.chaos.hostile.wire import Attack

SECONDS = 15.0  # to wait for an answer
RESET = struct.pack("ii", 1, 0)
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)

End = Literal["answered", "dropped", "silent", "reset"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attack ended: with an answer, cut off by the server, in silence, or reset by the client."""

    attack: Attack
    end: End
    status: int | None = None
    by_django: bool = False  # and not by the web server, which refuses much before it

    @property
    def counts(self) -> bool:
        """Whether it must be found among the events."""
        return self.by_django and self.attack.traffic

    @property
    def is_our_fault(self) -> bool:
        """A 5xx that nobody asked for; a transfer coding that is not implemented is the client's (501)."""
        if self.status is None or self.status < 500 or self.status == self.attack.wished:
            return False
        return self.by_django or self.status != 501


def send_all(address: tuple[str, int], attacks: Iterable[Attack], clients: int = 8) -> list[Outcome]:
    """Sends them all, a few at a time."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda attack: send(address, attack), attacks))


def send(address: tuple[str, int], attack: Attack) -> Outcome:
    """One attack on a connection of its own. Raises OSError only if nobody listens."""
    with socket.create_connection(address, timeout=SECONDS) as connection:
        # A server may answer and close before it has read everything: then what it said still counts.
        with suppress(OSError):
            _write(connection, attack)
        if attack.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return Outcome(attack, "reset")
        received, silent = _read(connection)
    answer = _final_answer(received)
    if answer is None:
        return Outcome(attack, "silent" if silent else "dropped")
    status, headers = answer
    return Outcome(attack, "answered", status, b"x-content-type-options: nosniff" in headers.lower())


def _write(connection: socket.socket, attack: Attack) -> None:
    for number, part in enumerate(attack.parts):
        if number:
            time.sleep(attack.pause)
        connection.sendall(part)
    if attack.end == "half_close":
        connection.shutdown(socket.SHUT_WR)


def _read(connection: socket.socket) -> tuple[bytes, bool]:
    """All that comes until the server closes, and whether it did not within `SECONDS`."""
    received = bytearray()
    try:
        while part := connection.recv(65536):
            received += part
    except TimeoutError:
        return bytes(received), True
    except OSError:
        pass
    return bytes(received), False


def _final_answer(received: bytes) -> tuple[int, bytes] | None:
    """Status and headers of the first answer that is more than an announcement (1xx)."""
    position = 0
    while match := _HEAD.match(received, position):
        status = int(match[1])
        if status >= 200:
            return status, match[2]
        position = match.end()
    return None
