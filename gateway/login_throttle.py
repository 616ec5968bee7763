"""How long somebody has to wait who can't log in, counted in PostgreSQL: for all processes alike.

A try is counted before its password is looked at, and taken back if that was right. So of any number of tries
at once, in any number of processes, no more are looked at than one after the other would be.

Who comes in leaves a signed cookie in the browser. With it, failures are counted for this account on this
device alone, and nobody else's tries can lock it out. Without it they are counted three times: strictly for
the account from this client, leniently for the client and for the account from wherever. A wait ends by
itself, and what is tried meanwhile is neither looked at nor makes it longer.

No name and no address is kept: a key is a keyed hash, of the network for IPv6. What was typed as a name may
have been a password.
"""

from __future__ import annotations

import hmac
import logging
import math
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from gateway.conf import conf
from gateway.deadline import deadline

logger = logging.getLogger(__name__)

SECONDS = 3.0  # bound on counting a try
FIRST_WAIT = 5.0  # seconds; each failure after that doubles it
FORGOTTEN = 3600  # seconds without a failure after which the earlier ones count no more
CLIENT_TRIES = 4  # times as many as one account has: many people may share an address
ACCOUNT_TRIES = 10  # likewise: a botnet is slowed down, its victim hardly
ACCOUNT_WAIT = 30.0  # seconds at most, so that who comes from a new device finds a way in

_COUNT = """
INSERT INTO gateway_loginfailures AS known (key, failures, last_failed_at, closed_until)
VALUES (%s, 1, clock_timestamp(), clock_timestamp())
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN known.last_failed_at < clock_timestamp() - make_interval(secs => %s) THEN 1
                    ELSE known.failures + 1 END,
    last_failed_at = clock_timestamp()
WHERE known.closed_until <= clock_timestamp()
RETURNING failures
"""
_CLOSE = """
UPDATE gateway_loginfailures SET closed_until = clock_timestamp() + make_interval(secs => %s) WHERE key = %s
"""
_LEFT = """
SELECT extract(epoch FROM closed_until - clock_timestamp()) FROM gateway_loginfailures WHERE key = %s
"""
_TAKE_BACK = """
UPDATE gateway_loginfailures SET failures = greatest(failures - 1, 0),
    closed_until = CASE WHEN failures <= %s THEN clock_timestamp() ELSE closed_until END
WHERE key = %s
"""


class TooManyFailures(Exception):
    """Nobody looks at this try. `seconds` says when the next one is looked at."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"closed for {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Rule:
    """So many failures are free, and the longest wait (seconds) after more."""

    free: int
    longest: float
    is_shared: bool = False  # by accounts or by clients: one's success does not clear the others' failures

    def wait(self, failures: int) -> float:
        """Seconds until the next try is looked at, after so many failures."""
        if failures < self.free:
            return 0.0
        return min(self.longest, FIRST_WAIT * 2.0 ** min(failures - self.free, 30))


@dataclass(frozen=True)
class Attempt:
    """A try that may be looked at. It counts as a failure unless it succeeds."""

    rules: Mapping[str, Rule]

    def succeeded(self) -> None:
        """Raises django.db.Error."""
        with _transaction() as cursor:
            for key, rule in self.rules.items():
                if rule.is_shared:
                    cursor.execute(_TAKE_BACK, [rule.free, key])
                else:
                    cursor.execute("DELETE FROM gateway_loginfailures WHERE key = %s", [key])


def begin(account: str, network: str, device: str = "") -> Attempt:
    """Counts a try for `account` from a hashed network, or from a device of this account's if one is named.

    Raises TooManyFailures, and django.db.Error.
    """
    rules = _rules(account, network, device)
    waits = []
    with _transaction() as cursor:
        for key, rule in rules.items():
            cursor.execute(_COUNT, [key, FORGOTTEN])
            counted = cursor.fetchone()
            if counted is None:
                cursor.execute(_LEFT, [key])
                raise TooManyFailures(max(1, math.ceil(cursor.fetchone()[0])))  # takes back what was counted
            if wait := rule.wait(counted[0]):
                cursor.execute(_CLOSE, [wait, key])
                waits.append(f"{wait:.0f} s for {key} after {counted[0]} tries")
    if waits:
        logger.warning("Log-in: unless this try succeeds, closed for %s", ", ".join(waits))
    return Attempt(rules)


def device_of(account: str, said: str) -> str:
    """The device that a cookie names, if it is one of this account's; else empty."""
    owner, _, device = said.partition(":")
    return device if hmac.compare_digest(owner.encode(), _hashed("account", account).encode()) else ""


def device_cookie(account: str, device: str) -> str:
    """What the cookie says; a new device where none is named. It must be signed."""
    return f"{_hashed('account', account)}:{device or secrets.token_hex(16)}"


def _rules(account: str, network: str, device: str) -> dict[str, Rule]:
    """By key, and always in the same order: each is locked until the transaction ends."""
    free, longest = conf.login_tries, conf.login_longest_wait
    if device:
        return {_key("device", account, device): Rule(free, longest)}
    return {
        _key("pair", account, network): Rule(free, longest),
        _key("client", network): Rule(free * CLIENT_TRIES, longest, is_shared=True),
        _key("account", account): Rule(free * ACCOUNT_TRIES, min(longest, ACCOUNT_WAIT), is_shared=True),
    }


def _key(kind: str, *words: str) -> str:
    return f"{kind}:{_hashed(kind, *words)}"


def _hashed(kind: str, *words: str) -> str:
    """32 hex digits. An account has one hash however its name is written."""
    material = "\0".join((kind, *(unicodedata.normalize("NFKC", word).casefold() for word in words)))
    key = f"log-in {conf.client_hash_key}".encode()
    return hmac.new(key, material.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:32]


@contextmanager
def _transaction() -> Iterator[CursorWrapper]:
    connection = connections[conf.database]
    with (
        deadline(connection, SECONDS),
        transaction.atomic(using=conf.database),
        connection.cursor() as cursor,
    ):
        yield cursor
