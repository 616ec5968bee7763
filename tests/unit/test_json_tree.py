"""A payload as a tree: all of it is there, none of it runs, and it has an end."""

from __future__ import annotations

import re

from stats.admin.json_tree import MAX_NODES, tree


def test_each_value_stands_under_its_key() -> None:
    shown = tree('{"path": "/a", "status": 200, "tags": [true, null], "": 1.5}')

    assert re.sub(r"<[^>]+>", " ", shown).split() == [
        *("{", "}", "4", "entries"),
        *("path", "&quot;/a&quot;", "status", "200"),
        *("tags", "[", "]", "2", "entries", "0", "true", "1", "null"),
        *("&quot;&quot;", "1.5"),
    ]
    assert shown.count("<details open>") == 2


def test_no_value_and_no_key_becomes_markup() -> None:
    shown = tree('{"<script>": "<img src=x onerror=alert(1)>", "a": "\\u202e\\u0000"}')

    assert "<script>" not in shown
    assert "<img" not in shown
    assert "\u202e" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


def test_what_is_no_json_is_shown_as_it_is() -> None:
    assert tree("{torn <b>") == '<pre class="tg-block" tabindex="0">{torn &lt;b&gt;</pre>'


def test_a_payload_of_very_many_values_has_an_end() -> None:
    shown = tree(f"[{','.join(['0'] * (MAX_NODES + 500))}]")

    assert shown.count("tg-json-number") == MAX_NODES - 1
    assert "and 501 more" in shown


def test_a_payload_that_is_nothing_but_depth_has_an_end() -> None:
    assert "\u2026" in tree("[" * 200 + "]" * 200)
    assert "[[[" in tree("[" * 100_000 + "]" * 100_000)
