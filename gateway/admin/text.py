"""How stored values look in the admin. Stored text is never trusted: what comes back is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import msgspec
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from gateway.idempotency import extract_timestamp
from gateway.logs import printable

MAX_CELL = 200  # characters of a text in a list; its tooltip and its detail page hold more
MAX_TOOLTIP = 2048
MAX_BLOCK = 200_000  # characters of a payload or traceback on a page

STATUS_KINDS = {1: "info", 2: "success", 3: "info", 4: "warning", 5: "danger"}
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def utc(moment: datetime | int | None) -> str:
    """A time, or milliseconds since the epoch, as UTC with milliseconds; a dash for None."""
    if moment is None:
        return "-"
    if isinstance(moment, int):
        # Not through a float: its rounding would show 1763900000001 as .000
        seconds, milliseconds = divmod(moment, 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{milliseconds:03d}"
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def utc_of_id(event_id: str) -> str:
    """The time that an id begins with; a dash if it is no id."""
    return utc(extract_timestamp(event_id))


def hour(moment: datetime) -> str:
    """The UTC hour that begins at `moment`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H}:00"


def day(found: date) -> str:
    """A day (UTC), as times are written."""
    return f"{found:%Y-%m-%d}"


def milliseconds(value: float) -> str:
    return f"{value:,.1f} ms"


def count(value: int) -> str:
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    """A count, and what share of the whole it is."""
    return f"{part:,} ({part / whole:.1%})" if part and whole else f"{part:,}"


def size(value: int) -> str:
    """Bytes in decimal units."""
    amount, unit = float(value), _BYTE_UNITS[0]
    for unit in _BYTE_UNITS:
        if amount < 1000 or unit == _BYTE_UNITS[-1]:
            break
        amount /= 1000
    return f"{value} B" if unit == "B" else f"{amount:,.1f} {unit}"


def one_line(text: str) -> SafeString | str:
    """A text of any length in a list: one line, cut, the rest in its tooltip; a dash for none."""
    if not text:
        return "-"
    shown = printable(text)
    return format_html(
        '<span class="tg-cut" title="{}">{}</span>', _cut(shown, MAX_TOOLTIP), _cut(shown, MAX_CELL)
    )


def whole(text: str) -> str:
    """A text on its own page, with what could disguise it escaped; a dash for none."""
    return printable(text) or "-"


def code(text: str) -> SafeString | str:
    """A short identifier in type of equal width; a dash for none."""
    return format_html('<span class="tg-code">{}</span>', printable(text)) if text else "-"


def block(text: str) -> SafeString | str:
    """A text of many lines as it is, but for characters that could disguise it; a dash for none."""
    if not text:
        return "-"
    lines = "\n".join(printable(line) for line in text[:MAX_BLOCK].split("\n"))
    left_out = len(text) - MAX_BLOCK
    note = gettext("%(count)s more characters") % {"count": count(left_out)} if left_out > 0 else ""
    return format_html('<pre class="tg-block" tabindex="0">{}{}</pre>', lines, note and f"\n\u2026 {note}")


def json_block(text: str) -> SafeString | str:
    """JSON with a line for each value; what is no JSON as it is."""
    try:
        return block(msgspec.json.format(text, indent=2))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return block(text)


def label(text: object, kind: str = "", title: str = "") -> SafeString:
    """A coloured label with a tooltip; `kind` is one of unfold's: info, success, warning, danger, primary."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind, "label_title": title})


def status_label(status: int) -> SafeString:
    return label(status, STATUS_KINDS.get(status // 100, ""))


def status_classes(counts: Mapping[int, int]) -> SafeString:
    """Requests by class of status, without the classes that had none."""
    return format_html_join(
        " ",
        "{}",
        (
            (label(f"{amount:,} \u00d7 {number}xx", STATUS_KINDS[number]),)
            for number, amount in counts.items()
            if amount
        ),
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}\u2026"
