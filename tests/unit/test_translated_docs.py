"""README and runbook say the same in both languages: what can be compared without reading is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRANSLATED = ["README.md", "docs/cutover.md"]

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`[^`]+`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
# Not in a word, such as p99; "10 million" is a word in other languages.
NUMBER = re.compile(r"(?<![A-Za-z0-9.,-])\d+(?:[.,]\d+)*(?!\s+million|[A-Za-z0-9])")


def both(name: str) -> tuple[str, str]:
    english = ROOT / name
    chinese = english.with_suffix(".zh-hans.md")
    return english.read_text(), chinese.read_text()


def sections(text: str) -> list[str]:
    """What stands below each heading, and before the first."""
    return re.split(r"^#+ .*$", FENCED.sub("", text), flags=re.MULTILINE)


def spans(section: str) -> list[str]:
    return sorted(" ".join(span.split()) for span in SPAN.findall(section))


def numbers(section: str) -> list[str]:
    return sorted(NUMBER.findall(LINK.sub("", SPAN.sub("", section))))


def links(section: str) -> list[str]:
    """Without the place in the page, which is a translated heading; a page is one in any language."""
    targets = (target.partition("#")[0].replace(".zh-hans.md", ".md") for target in LINK.findall(section))
    return sorted(targets)


@pytest.mark.parametrize("name", TRANSLATED)
def test_headings_are_of_the_same_levels(name):
    english, chinese = (HEADING.findall(FENCED.sub("", text)) for text in both(name))
    assert english == chinese


@pytest.mark.parametrize("name", TRANSLATED)
def test_code_blocks_are_the_same(name):
    english, chinese = (FENCED.findall(text) for text in both(name))
    assert english == chinese


@pytest.mark.parametrize("name", TRANSLATED)
@pytest.mark.parametrize("part", [spans, numbers, links])
def test_each_section_holds_the_same(name, part):
    english, chinese = map(sections, both(name))
    for number, (one, other) in enumerate(zip(english, chinese, strict=True)):
        assert part(one) == part(other), f"section {number} of {name}"


@pytest.mark.parametrize("name", TRANSLATED)
def test_each_leads_to_the_other(name):
    english, chinese = both(name)
    stem = Path(name).stem
    assert f"[简体中文]({stem}.zh-hans.md)" in english
    assert f"[English]({stem}.md)" in chinese


@pytest.mark.parametrize("name", TRANSLATED)
def test_every_link_leads_somewhere(name):
    folder = (ROOT / name).parent
    for target in (target for text in both(name) for target in LINK.findall(text)):
        assert target.startswith("https://") or (folder / target.partition("#")[0]).exists(), target
