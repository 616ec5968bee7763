"""JSON as a tree that opens and closes without a script. Its values are never trusted: all are escaped."""

from __future__ import annotations

from typing import Any

import msgspec
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from gateway.admin.text import block
from gateway.logs import printable

MAX_NODES = 2_000
MAX_DEPTH = 50
MAX_TEXT = 2_048  # characters of a value
OPEN_DEPTH = 2  # to which branches begin open

KINDS = {str: "text", bool: "word", type(None): "word"}


def tree(payload: str) -> SafeString | str:
    """What is no JSON comes as it is."""
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return block(payload)
    return format_html('<div class="tg-tree">{}</div>', _Tree().node("", value, 0))


class _Tree:
    """Counts its nodes, so that a payload of a million values is no page of a million lines."""

    def __init__(self) -> None:
        self.nodes = 0

    def node(self, name: str, value: Any, depth: int) -> SafeString:
        self.nodes += 1
        if isinstance(value, dict):
            return self._branch(name, [(key or '""', one) for key, one in value.items()], depth, "{ }")
        if isinstance(value, list):
            return self._branch(name, [(str(place), one) for place, one in enumerate(value)], depth, "[ ]")
        kind = KINDS.get(type(value), "number")
        shown = printable(msgspec.json.encode(value).decode())
        cut = shown if len(shown) <= MAX_TEXT else f"{shown[:MAX_TEXT]}\u2026"
        return format_html('{}<span class="tg-json-{}">{}</span>', _key(name), kind, cut)

    def _branch(self, name: str, items: list[tuple[str, Any]], depth: int, brackets: str) -> SafeString:
        if depth >= MAX_DEPTH:
            return format_html("{}\u2026", _key(name))
        shown = []
        for key, value in items:
            if self.nodes >= MAX_NODES:
                break
            shown.append((self.node(key, value, depth + 1),))
        lines = format_html_join("", "<li>{}</li>", shown)
        if len(shown) < len(items):
            left = gettext("\u2026 and %(count)s more") % {"count": f"{len(items) - len(shown):,}"}
            lines = format_html("{}<li>{}</li>", lines, left)
        count = ngettext("%(count)d entry", "%(count)d entries", len(items)) % {"count": len(items)}
        is_open = SafeString(" open") if depth < OPEN_DEPTH else ""
        return format_html(
            "<details{}><summary>{}"
            '<span class="tg-json-brackets">{} {}</span></summary><ul>{}</ul></details>',
            is_open,
            _key(name),
            brackets,
            count,
            lines,
        )


def _key(name: str) -> SafeString | str:
    return format_html('<span class="tg-json-key">{}</span> ', printable(name)) if name else ""
