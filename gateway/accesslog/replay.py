"""Sends the lines of an access log as real HTTP requests to a gateway's test endpoint.

Each request names itself by `CF-Ray: <file name>:<line number>`, so a line that is sent twice, by a retry
or by a second replay, is one request to the gateway. The client's address goes into `CF-Connecting-IP`;
a host name is no address, and becomes one of the private IPv6 range fd00::/8, always the same one.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.accesslog.parse import LogLine, MalformedLine, parse_line, read_lines
from gateway.accesslog.request import TARGET_SAFE, is_askable, ray_prefix, request_headers, request_path

REQUEST_SECONDS = 30.0
EXAMPLES = 10  # line numbers, or complaints, a result lists of each kind
PROGRESS_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to. Raises ValueError, which names the argument, from `parse`."""

    host: str
    port: int | None
    tls: bool
    prefix: str  # what each path is put below; empty, or with a slash before and none behind

    @classmethod
    def parse(cls, url: str, prefix: str) -> Target:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"--url: {url!r}: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"--url: {url!r} is no http:// or https:// address")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"--url: {url!r} holds more than scheme, host, port and path")
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"--prefix: {prefix!r} does not begin with a slash")
        whole = parts.path.rstrip("/") + prefix.rstrip("/")
        if quote(whole, safe=TARGET_SAFE) != whole or "?" in whole:
            raise ValueError(f"--prefix: {prefix!r} holds what no path can")
        return cls(parts.hostname, port, parts.scheme == "https", whole)

    def connect(self) -> http.client.HTTPConnection:
        """A connection that opens itself when used."""
        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=REQUEST_SECONDS)


@dataclass
class Tally:
    """How many, and the first few line numbers."""

    count: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        self.count += 1
        if len(self.lines) < EXAMPLES:
            self.lines.append(number)


@dataclass
class Result:
    """What became of the lines."""

    sent: int = 0
    answered: int = 0
    failed: int = 0  # no answer, though tried twice
    mismatched: int = 0  # answered with another status than asked
    malformed: Tally = field(default_factory=Tally)  # not sent
    unaskable: Tally = field(default_factory=Tally)  # sent, but no server answers with their status
    problems: list[str] = field(default_factory=list)  # the first failures and mismatches
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether every well-formed line was answered with its own status."""
        return self.failed == self.mismatched == 0

    def as_dict(self) -> dict[str, Any]:
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: vars(value) if isinstance(value, Tally) else value for name, value in plain.items()}


class Replay:
    """One pass over a file by several threads, which take its lines in turn."""

    def __init__(
        self, path: Path, target: Target, *, rate: float | None = None, limit: int | None = None
    ) -> None:
        self.bytes_read = 0
        self.result = Result()
        self._path = path
        self._target = target
        self._pause = 1 / rate if rate else 0.0  # seconds from one request to the next
        self._limit = limit
        self._ray = ray_prefix(path.name)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._next_at = 0.0

    def run(self, concurrency: int, on_progress: Callable[[Replay], None] = lambda replay: None) -> Result:
        """Sends all lines; `on_progress` is called a few times a second. Raises OSError for the file."""
        started = self._next_at = time.monotonic()
        with self._path.open("rb") as file, ThreadPoolExecutor(concurrency) as pool:
            lines = read_lines(file)
            pending = {pool.submit(self._work, lines) for _ in range(concurrency)}
            try:
                while pending:
                    done, pending = wait(pending, PROGRESS_SECONDS, FIRST_COMPLETED)
                    on_progress(self)
                    for future in done:
                        future.result()
            finally:
                self._stopping.set()
        self.result.seconds = round(time.monotonic() - started, 3)
        return self.result

    def _work(self, lines: Iterator[tuple[int, bytes]]) -> None:
        connection = self._target.connect()
        try:
            while (line := self._take(lines)) is not None:
                self._send(connection, line)
        finally:
            connection.close()

    def _take(self, lines: Iterator[tuple[int, bytes]]) -> LogLine | None:
        """The next well-formed line, when its turn has come; None at the end."""
        with self._lock:
            line = self._next_line(lines)
            turn, self._next_at = self._next_at, max(self._next_at, time.monotonic()) + self._pause
        if line is None or self._stopping.wait(max(0.0, turn - time.monotonic())):
            return None
        return line

    def _next_line(self, lines: Iterator[tuple[int, bytes]]) -> LogLine | None:
        for number, data in lines:
            if self._stopping.is_set() or (self._limit is not None and number > self._limit):
                return None
            self.bytes_read += len(data)
            try:
                return parse_line(data, number)
            except MalformedLine:
                self.result.malformed.add(number)
        return None

    def _send(self, connection: http.client.HTTPConnection, line: LogLine) -> None:
        headers = request_headers(line, self._ray)
        path = self._target.prefix + request_path(line.target)
        try:
            status = exchange(connection, line.method, path, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._record(line, None, f"{type(error).__name__}: {error}")
        else:
            self._record(line, status, f"asked for status {line.status}, got {status}")

    def _record(self, line: LogLine, status: int | None, problem: str) -> None:
        with self._lock:
            result = self.result
            result.sent += 1
            result.answered += status is not None
            result.failed += status is None
            result.mismatched += status not in (None, line.status)
            if not is_askable(line.status):
                result.unaskable.add(line.number)
            if status != line.status and len(result.problems) < EXAMPLES:
                result.problems.append(f"line {line.number}: {problem}")


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str | bytes]
) -> int:
    """The status of the answer, whose body is read and dropped.

    A connection that the server dropped is opened anew, once: the request names itself, so it is counted
    once even if the first attempt arrived. Raises OSError, HTTPException or, for what HTTP can't say,
    ValueError.
    """
    for attempt in (1, 2):
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            if attempt == 2:
                raise
        else:
            return response.status
    raise AssertionError("unreachable")
