"""A log line stays one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.logs import printable


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/api/users?no", "/api/users?no"),
        ("/商品", "/商品"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("\u2028\u2029\u202e\ufeff", "\\u2028\\u2029\\u202e\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("", ""),
    ],
)
def test_control_and_format_characters_are_escaped(text, line):
    assert printable(text) == line


@given(st.text(st.characters()))
def test_any_text_becomes_one_printable_line(text):
    line = printable(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    line.encode()
