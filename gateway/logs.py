"""Log lines that stay one line, whatever a request held."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with control, format and line-breaking characters escaped, as Python would write them."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
