"""Who gets messages of alerts in tests: an HTTP server that answers as it is told, and one for mail."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

POLL = 0.02  # seconds in which a server sees that it is to end


@dataclass
class Received:
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """A webhook's receiver. `answers` are the next statuses, then it is 200; a cleared `hold` is silence."""

    answers: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    says: bytes = b"ok"
    port: int = 0

    def __post_init__(self) -> None:
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def hook(**said: Any) -> Iterator[Hook]:
    one = Hook(**said)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            one.received.append(Received(self.path, dict(self.headers), body))
            one.hold.wait(20)
            self.send_response(one.answers.pop(0) if one.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(one.says)))
            self.end_headers()
            self.wfile.write(one.says)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True).start()
        try:
            yield one
        finally:
            one.hold.set()
            server.shutdown()


@dataclass
class Mailbox:
    """What a mail server took."""

    mails: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    port: int = 0


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Speaks as much SMTP as a client without encryption asks for."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 tests")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"RCPT":
                    box.recipients.append(line.split(b":", 1)[1].strip().strip(b"<>").decode())
                if verb == b"DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    box.mails.append(message_from_bytes(b"".join(lines)))
                self.say("221 bye" if verb == b"QUIT" else "250 ok")

        def say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True).start()
        try:
            yield box
        finally:
            server.shutdown()
