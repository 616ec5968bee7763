"""The elements of one JSON array, without ever holding more than one of them."""

from __future__ import annotations

import json
from codecs import iterdecode
from collections.abc import Iterator
from typing import Any

from stats.importing.files import OpenLog, Unreadable

MAX_ELEMENT = 65_536  # characters; more are no count, and are not held
_BLANKS = " \t\r\n"


def elements(file: OpenLog) -> Iterator[tuple[int, Any]]:
    """Each with the line that it ends in. Raises Unreadable for what is no array, or not to its end."""
    text = _Text(file)
    text.expect("[")
    if text.peek() == "]":
        text.expect("]")
    else:
        while True:
            value = text.value()
            yield text.line, value
            if text.peek() == "]":
                break
            text.expect(",")
        text.expect("]")
    if text.peek():
        raise text.broken("something follows the array")


class _Text:
    """A text under reading, of which what was read is forgotten."""

    def __init__(self, file: OpenLog) -> None:
        self.line = 1
        self._name = file.name
        # Bytes that are no UTF-8 reach the field they are in, where they are refused.
        self._parts = iterdecode(file.parts(), "utf-8-sig", "surrogateescape")
        self._text = ""
        self._at = 0
        # A number of thousands of digits is no count; to make an int of it is refused by Python.
        self._decoder = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 20 else digits)

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANKS:
                self._pass(self._at + 1)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def expect(self, char: str) -> None:
        found = self.peek()
        if found != char:
            raise self.broken(f"{char!r} expected, {found!r} found" if found else f"ends without {char!r}")
        self._pass(self._at + 1)

    def value(self) -> Any:
        if not self.peek():
            raise self.broken("ends inside the array")
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                # Not whole yet, perhaps.
                if len(self._text) - self._at > MAX_ELEMENT or not self._read_on():
                    raise self.broken(f"no JSON: {getattr(error, 'msg', error)}") from None
                continue
            self._pass(end)
            return value

    def broken(self, reason: str) -> Unreadable:
        return Unreadable(f"{self._name}: line {self.line}: {reason} (a JSON array of objects is read)")

    def _pass(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _read_on(self) -> bool:
        part = next(self._parts, "")
        self._text = self._text[self._at :] + part
        self._at = 0
        return bool(part)
