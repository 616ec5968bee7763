"""Format strings of nginx (`log_format`) and Apache (`LogFormat`) as literals and fields."""

from __future__ import annotations

import re
import shlex

from stats.importing import fields
from stats.importing.fields import Meaning

MAX_FORMAT = 4096  # characters

# A literal, or a field: its name as it stands in the format, and what it means.
Part = str | tuple[str, Meaning]

_NGINX_FIELD = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+))")
_APACHE_FIELD = re.compile(r"%[<>!0-9,]*(?:\{(?P<argument>[^}]*)\})?(?P<directive>\^[A-Za-z]{2}|[A-Za-z%])")


class BadFormat(ValueError):
    """A format string that can't be used; the message says why, in one line."""


def parts_of(text: str) -> list[Part]:
    """The parts of a format string, or of the whole directive it stands in. Raises BadFormat."""
    if len(text) > MAX_FORMAT:
        raise BadFormat(f"longer than {MAX_FORMAT} characters")
    text = _format_string(text.strip())
    if _NGINX_FIELD.search(text):
        return _split(text, _NGINX_FIELD)
    if _APACHE_FIELD.search(text):
        return _split(re.sub(r"\\(.)", _unescaped, text), _APACHE_FIELD)
    raise BadFormat(
        f"{text:.60} is no known name, and holds neither nginx's $variables nor Apache's %directives"
    )


def _format_string(text: str) -> str:
    """What is quoted in a copied `log_format NAME '…' '…';` or `LogFormat "…" NAME`."""
    word = text.split(maxsplit=1)[0] if text else ""
    if word not in ("log_format", "LogFormat"):
        return text
    try:
        words = shlex.split(text.rstrip(";"))
    except ValueError as error:
        raise BadFormat(f"{word}: {error}") from None
    if "escape=json" in words:
        raise BadFormat("escape=json: lines of JSON can't be read")
    if word == "LogFormat":
        return "".join(words[1:2])
    return "".join(item for item in words[2:] if not item.startswith("escape="))


def _unescaped(found: re.Match[str]) -> str:
    return {"t": "\t", "n": "\n"}.get(found[1], found[1])


def _split(text: str, field: re.Pattern[str]) -> list[Part]:
    parts: list[Part] = []
    end = 0
    for found in field.finditer(text):
        parts.append(text[end : found.start()])
        parts.extend(_field(found))
        end = found.end()
    parts.append(text[end:])
    return [part for part in parts if part]


def _field(found: re.Match[str]) -> list[Part]:
    groups = found.groupdict()
    if "directive" not in groups:
        return [(found[0], fields.nginx(groups["braced"] or groups["bare"]))]
    if groups["directive"] == "%":
        return ["%"]
    try:
        meaning = fields.apache(groups["argument"], groups["directive"])
    except ValueError as error:
        raise BadFormat(str(error)) from None
    # Apache's %t stands in brackets of its own.
    return ["[", (found[0], meaning), "]"] if found[0] == "%t" else [(found[0], meaning)]
