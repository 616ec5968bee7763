"""Posts a message to a webhook: signed, bounded in time and size, to an address that was looked at."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from gateway.conf import conf
from gateway.logs import printable
from gateway.networks import Network
from stats.alerts import addresses, signing
from stats.alerts.addresses import Address, Refused, Target
from stats.alerts.undelivered import Undelivered
from stats.models import AlertDelivery

SECONDS = 5.0  # for each step: to connect, to send, to wait for an answer
ALL_SECONDS = 10.0  # for all of them: who answers a byte at a time gets no longer
ADDRESSES = 2  # of a host that are tried: as a rule one of each family
MAX_ANSWER = 4_096  # bytes that are read
MAX_QUOTED = 200  # characters of it that are kept


class _Connection(http.client.HTTPConnection):
    """To one address of a host, whatever its name means by now."""

    def __init__(self, target: Target, address: Address) -> None:
        super().__init__(target.host, target.port, timeout=SECONDS)
        self.default_port = addresses.PORTS[target.scheme]  # which the Host header leaves out
        self._target, self._address = target, address

    def connect(self) -> None:
        plain = socket.create_connection((str(self._address), self._target.port), SECONDS)
        self.sock = plain
        if self._target.is_encrypted:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self._target.host)


def send(delivery: AlertDelivery) -> None:
    """Posts the delivery's payload. Raises Undelivered, which says why it did not arrive."""
    body = json.dumps(delivery.payload, ensure_ascii=False, sort_keys=True).encode()
    headers = headers_of(delivery, body, int(time.time()))
    try:
        target = addresses.target_of(delivery.channel.target)
        status, answer = post(target, body, headers, conf.webhook_networks)
    except Refused as reason:
        raise Undelivered(str(reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(f"{type(error).__name__}: {error}") from None
    if 300 <= status < 400:
        raise Undelivered(f"answered with {status}, and redirects are not followed")
    if not 200 <= status < 300:
        raise Undelivered(f"answered with {status}: {answer or 'without a word'}")


def headers_of(delivery: AlertDelivery, body: bytes, timestamp: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Tallygate",
        "Tallygate-Event": f"alert.{delivery.kind}",
        "Tallygate-Delivery": str(delivery.uid),
        "Tallygate-Timestamp": str(timestamp),
        "Tallygate-Signature": signing.sign(delivery.channel.secret, timestamp, body),
    }


def post(
    target: Target, body: bytes, headers: dict[str, str], allowed: Sequence[Network | str]
) -> tuple[int, str]:
    """The status of the answer, and how it begins. Raises Refused, OSError, HTTPException, ValueError."""
    connection = _connected(target, addresses.permitted(target, allowed))
    try:
        with _cut_off(connection):
            connection.request("POST", target.path, body, headers)
            answer = connection.getresponse()
            return answer.status, _quoted(answer.read(MAX_ANSWER))
    finally:
        connection.close()


def _connected(target: Target, found: Sequence[Address]) -> _Connection:
    """To the first address that takes the connection. Raises the last one's OSError."""
    *others, last = found[:ADDRESSES]
    for address in others:
        connection = _Connection(target, address)
        try:
            connection.connect()
        except OSError:
            connection.close()
        else:
            return connection
    connection = _Connection(target, last)
    connection.connect()
    return connection


@contextmanager
def _cut_off(connection: _Connection) -> Iterator[None]:
    """Ends the exchange when the time for all of it is over."""

    def cut() -> None:
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(ALL_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _quoted(answer: bytes) -> str:
    return printable(" ".join(answer.decode("utf-8", "replace").split())[:MAX_QUOTED])
