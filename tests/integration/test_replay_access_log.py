"""Replays of an access log, over real sockets against servers that write down what they got."""

from __future__ import annotations

import io
import ipaddress
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from gateway.accesslog.replay import Replay, Result, Target
from gateway.accesslog.request import client_address, ray_prefix

LINES = 600
MALFORMED = (100, 333)  # the numbers of the sample's malformed lines
STATUSES = (200,) * 12 + (304, 304, 301, 404, 404, 206, 500, 204)


def sample(lines: int = LINES) -> str:
    """A log in combined format, the same every time, two of its lines cut short."""
    chance = random.Random(600)
    written = []
    for number in range(1, lines + 1):
        address = f"198.51.100.{chance.randrange(40)}" if number % 3 else f"host{number % 7}.example"
        method = chance.choice(("GET", "GET", "GET", "HEAD", "POST"))
        path = chance.choice(
            ("/", "/a", f"/items/{number}", "/caf\\xc3\\xa9?q=1&status=77", "//double", "/100%")
        )
        line = (
            f'{address} - - [17/May/2015:10:05:03 +0000] "{method} {path} HTTP/1.1"'
            f' {chance.choice(STATUSES)} {chance.randrange(3000)} "-" "Agent/{number % 5} (x; \\"y\\")"'
        )
        written.append(line[:-1] if number in MALFORMED else line)
    return "\n".join(written) + "\n"


@dataclass
class Server:
    """A tiny HTTP server that answers as asked and writes down what it got."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    drop_first: set[str] = field(default_factory=set)  # CF-Rays whose first attempt gets no answer
    answer_always: int | None = None  # whatever was asked

    def rays(self) -> Counter[str]:
        return Counter(request["CF-Ray"] for request in self.got)

    def by_line(self) -> dict[int, dict[str, Any]]:
        return {int(request["CF-Ray"].rpartition(":")[2]): request for request in self.got}


def handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            ray = self.headers["CF-Ray"]
            server.got.append({"method": self.command, "target": self.path, **dict(self.headers.items())})
            if ray in server.drop_first:
                server.drop_first.discard(ray)
                self.close_connection = True
                return
            status = server.answer_always or int(self.headers["X-Test-Status"])
            body = (
                b""
                if self.command == "HEAD" or status in (204, 304)
                else b"x" * int(self.headers["X-Test-Size"])
            )
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body)

        do_GET = do_HEAD = do_POST = do_OPTIONS = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def serving(httpd: Any) -> Iterator[str]:
    thread = threading.Thread(target=httpd.serve_forever, args=[0.05])
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(one))
    httpd.daemon_threads = True
    with serving(httpd) as one.url:
        yield one


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text(sample())
    return path


def replay(log: Path, url: str, *arguments: str) -> tuple[dict[str, Any], int]:
    """The command's result, and its exit code."""
    out = io.StringIO()
    code = 0
    try:
        call_command("replay_access_log", str(log), "--url", url, "--json", *arguments, stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    return json.loads(out.getvalue()), code


def test_every_well_formed_line_is_one_request_with_its_own_ray(server: Server, log: Path) -> None:
    result, code = replay(log, server.url)

    good = LINES - len(MALFORMED)
    assert (result["sent"], result["answered"], result["failed"], result["mismatched"]) == (good, good, 0, 0)
    assert result["malformed"] == {"count": 2, "lines": list(MALFORMED)}
    assert result["problems"] == []
    assert code == 0
    assert set(server.rays()) == {f"access.log:{n}" for n in range(1, LINES + 1) if n not in MALFORMED}
    assert set(server.rays().values()) == {1}


def test_replayed_twice_the_requests_name_themselves_the_same(server: Server, log: Path) -> None:
    replay(log, server.url)
    first = server.by_line()
    replay(log, server.url)

    assert set(server.rays().values()) == {2}
    assert server.by_line() == first


def test_a_line_goes_out_as_it_was_logged(server: Server, tmp_path: Path) -> None:
    log = tmp_path / "small.log"
    log.write_text(
        '2001:DB8::1 - - [17/May/2015:10:05:03 +0000] "GET /a%20b/\\xe5\\x95\\x86 \\"x\\"?y=|#1 HTTP/1.1"'
        ' 404 77 "-" "Caf\\xc3\\xa9/1\\x0a\\r\\nX-Evil: 1"\n'
        'Piano.Example - - [01/Aug/1995:00:00:01 -0400] "POST http://other.example/p?q HTTP/1.0"'
        " 200 9999999\n"
        '192.0.2.1 - - [01/Aug/1995:00:00:01 -0400] "OPTIONS * HTTP/1.0" 200 -\n'
    )

    assert replay(log, server.url, "--concurrency", "1")[1] == 0

    first, second, third = (server.by_line()[number] for number in (1, 2, 3))
    assert first["method"] == "GET"
    assert first["target"] == "/api/test/a%20b/%E5%95%86%20%22x%22?y=%7C%231"
    assert first["CF-Connecting-IP"] == "2001:db8::1"
    assert (first["X-Test-Status"], first["X-Test-Size"], first["X-Test-Delay"]) == ("404", "77", "0")
    assert first["User-Agent"].encode("latin-1").decode() == "Café/1\\x0A\\x0D\\x0AX-Evil: 1"
    assert "X-Evil" not in first
    assert (second["method"], second["target"], second["X-Test-Size"]) == ("POST", "/api/test/p?q", "1000000")
    assert second["CF-Connecting-IP"] == client_address("piano.example")
    assert "User-Agent" not in second
    assert (third["method"], third["target"], third["X-Test-Size"]) == ("OPTIONS", "/api/test/*", "0")


def test_a_host_name_has_one_private_address() -> None:
    address = ipaddress.ip_address(client_address("piano.example"))

    assert address in ipaddress.ip_network("fd00::/8")
    assert client_address("PIANO.example") == str(address) != client_address("forte.example")


def test_long_and_strange_file_names_keep_their_line_numbers(server: Server, tmp_path: Path) -> None:
    assert ray_prefix("access log 1.txt") == "access log 1.txt"
    assert ray_prefix("zugriffe-ü\n.log") == "zugriffe-%C3%BC%0A.log"
    names = [ray_prefix("a" * 200 + end) for end in "xy"]
    assert names[0] != names[1]
    assert {len(name) for name in names} == {100}

    log = tmp_path / ("ü" * 100)
    log.write_text(sample(5))
    replay(log, server.url)

    assert sorted(server.by_line()) == [1, 2, 3, 4, 5]
    assert all(len(ray) <= 128 for ray in server.rays())


def test_a_dropped_connection_is_tried_once_more_under_the_same_ray(server: Server, log: Path) -> None:
    server.drop_first = {f"access.log:{number}" for number in (1, 2, 50, LINES)}

    result, code = replay(log, server.url)

    assert (result["failed"], result["mismatched"], code) == (0, 0, 0)
    assert {ray for ray, times in server.rays().items() if times == 2} == {
        f"access.log:{number}" for number in (1, 2, 50, LINES)
    }


def test_a_server_that_is_not_there_fails_every_line_once(log: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

    result, code = replay(log, f"http://127.0.0.1:{port}", "--limit", "20")

    assert (result["sent"], result["answered"], result["failed"], code) == (20, 0, 20, 1)
    assert len(result["problems"]) == 10
    assert "refused" in result["problems"][0]


def test_another_status_than_asked_is_told_and_exits_with_1(server: Server, log: Path) -> None:
    server.answer_always = 200

    result, code = replay(log, server.url, "--concurrency", "1")

    asked = Counter(request["X-Test-Status"] for request in server.got)
    assert result["mismatched"] == sum(asked.values()) - asked["200"] > 0
    assert (result["failed"], code) == (0, 1)
    assert "asked for status" in result["problems"][0]


def test_a_status_no_server_answers_with_is_reported(server: Server, tmp_path: Path) -> None:
    log = tmp_path / "odd.log"
    line = '192.0.2.1 - - [01/Aug/2015:00:00:01 +0000] "GET /{0} HTTP/1.1" {0} 0\n'
    log.write_text("".join(line.format(status) for status in ("200", "101", "000", "499")))

    result, code = replay(log, server.url)

    assert result["sent"] == 4
    assert sorted(result["unaskable"]["lines"]) == [2, 3]
    assert (result["mismatched"], code) == (2, 1)


def test_limit_reads_only_the_first_lines(server: Server, log: Path) -> None:
    result, _ = replay(log, server.url, "--limit", "101")

    assert (result["sent"], result["malformed"]["count"]) == (100, 1)
    assert max(server.by_line()) == 101


def test_rate_bounds_the_requests_of_all_connections_together(server: Server, log: Path) -> None:
    started = time.monotonic()
    replay(log, server.url, "--limit", "41", "--rate", "100", "--concurrency", "8")

    assert 0.38 <= time.monotonic() - started < 2.0


def test_a_prefix_and_a_path_in_the_url_come_first(server: Server, log: Path) -> None:
    replay(log, f"{server.url}/base/", "--prefix", "/try/", "--limit", "30")

    assert all(request["target"].startswith("/base/try/") for request in server.got)


def test_an_empty_file_holds(server: Server, tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()

    assert replay(tmp_path / "empty.log", server.url)[1] == 0


def test_a_person_reads_counts_and_line_numbers(server: Server, log: Path) -> None:
    out = io.StringIO()

    call_command("replay_access_log", str(log), "--url", server.url, stdout=out)

    assert "sent 598, answered 598, failed 0, mismatched 0, malformed 2 in " in out.getvalue()
    assert "malformed: lines 100, 333" in out.getvalue()


def test_an_error_in_a_worker_ends_the_replay(
    server: Server, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise RuntimeError("no more memory")

    one = Replay(log, Target.parse(server.url, ""))
    monkeypatch.setattr(one, "_record", full)

    with pytest.raises(RuntimeError, match="no more memory"):
        one.run(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "ftp://x"], "--url: 'ftp://x' is no http:// or https:// address"),
        (["--url", "127.0.0.1:8000"], "--url: "),
        (["--url", "http://x:port"], "--url: "),
        (["--url", "http://[::1"], "--url: "),
        (["--url", "http://x/?a=b"], "--url: "),
        (["--url", "http://x", "--prefix", "api"], "--prefix: "),
        (["--url", "http://x", "--prefix", "/a b"], "--prefix: "),
        (["--url", "http://x", "--rate", "0"], "--rate: "),
        (["--url", "http://x", "--rate", "nan"], "--rate: "),
        (["--url", "http://x", "--limit", "0"], "--limit: "),
        (["--url", "http://x", "--concurrency", "0"], "--concurrency: "),
    ],
)
def test_a_bad_argument_is_named_in_one_line(log: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("replay_access_log", str(log), *arguments)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 2


@pytest.mark.parametrize("name", ["missing.log", "."])
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match="FILE: ") as caught:
        call_command("replay_access_log", str(tmp_path / name), "--url", "http://x")

    assert caught.value.returncode == 2


def test_the_gateways_own_endpoint_gives_every_status_and_size_asked_for(log: Path, settings: Any) -> None:
    settings.TRAFFIC_ENABLED = False
    settings.ALLOWED_HOSTS = ["127.0.0.1"]

    class Quiet(WSGIRequestHandler):
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    httpd = ThreadedWSGIServer(("127.0.0.1", 0), Quiet, ipv6=False, connections_override={})
    httpd.daemon_threads = True
    httpd.set_app(get_wsgi_application())
    with serving(httpd) as url:
        result: Result = Replay(log, Target.parse(url, "/api/test")).run(4)

    assert (result.sent, result.answered, result.mismatched) == (598, 598, 0), result.problems
