"""What somebody sends who wants his text to run, in a browser, a spreadsheet, a template or a terminal.

What could make an element or an attribute makes one with `MARK` in its name, so that it is found if it did.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from django.contrib.auth.models import User
from django.test import Client

from gateway import queue
from gateway.events import encode
from gateway.sender import Sender
from stats import tokens
from stats.consumer import drain
from stats.models import ApiToken
from tests.integration import admin_rows

MARK = "tgevil"
MARKUP = (
    f"<script>window.{MARK}=1;alert('{MARK}')</script>",
    f"\"'><img src=x onerror=\"window.{MARK}=1;alert('{MARK}')\" data-{MARK}>",
    f"' onmouseover=alert(1) data-{MARK}='",
    f'" autofocus onfocus=alert(1) data-{MARK}="',
    f"</title></style></textarea></pre></script><svg onload=alert(1) data-{MARK}>",
    # What the admin's own scripts would run if it became an attribute.
    f"<div data-{MARK} x-data x-init=\"window.{MARK}=1\" hx-get='/admin/' hx-trigger='load'></div>",
    f"'); window.{MARK}=1; ('",
    f"javascript:window.{MARK}=1",
    f"data:text/html,<script>alert('{MARK}')</script>",
    f"{{{{ {MARK}|safe }}}}{{% debug %}}${{{MARK}}}",
)
FORMULAS = (
    "=cmd|'/C calc'!A0",
    "+1+cmd|'/C calc'!A0",
    "-2+3+cmd|'/C calc'!A0",
    "@SUM(1+1)*cmd|'/C calc'!A0",
    "\t=1+1",
    "\uff1d1+1",
)
DISGUISES = (
    "\u202egnp.exe\u2066\u200b\ufeff",
    "a\x01b\x07c\x1b[31md\x7fe\x85f",
    "\U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea e\u0301\u0301\u0301\u0301",
    "W" * 10_000,
)
TEXTS = (*MARKUP, *FORMULAS, *DISGUISES)
PAYLOADS = (
    *TEXTS,
    *(json.dumps([{"path": text, "route": text, "idempotent_id": text, "v": 1}]) for text in TEXTS),
    '[{"path": "\\ud800", "user_agent": "\\u0000", "v": 1}]',
)


def send(sender: Sender) -> int:
    """Sends them as paths and headers, has them counted, and says how many requests it was.

    `sender` is the one in use; it is stopped.
    """
    client = Client()
    for text in reversed(TEXTS):
        header = text.encode().decode("latin-1").replace("\r", "")
        statuses = {
            client.get(
                f"/api/test/{quote(text)}",
                headers={
                    "User-Agent": header,
                    "Referer": header,
                    "X-Request-ID": header,
                    "CF-IPCountry": header,
                },
                REMOTE_ADDR="127.0.0.1",
            ).status_code,
            client.get(f"/{quote(text)}").status_code,  # no pattern matches: the path becomes the route
            client.generic(text[:40], "/api/test/method").status_code,
        }
        assert statuses <= {200, 400, 404, 405}, (text, statuses)
    sender.stop(10.0)
    drain()
    return 3 * len(TEXTS)


def store() -> None:
    """Makes dead letters, batches, tokens and accounts of them, the newest of the first."""
    queue.enqueue([(payload, 1) for payload in reversed(PAYLOADS)])
    drain()
    for text in reversed(TEXTS):
        tokens.issue(ApiToken(name=text[:100]))
    User.objects.create_user(MARKUP[0][:150], first_name=MARKUP[1][:150], last_name=DISGUISES[0])
    queue.send(
        [encode(admin_rows.event(900 + number, path=text, route=text)) for number, text in enumerate(TEXTS)]
    )
