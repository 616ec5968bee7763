"""What every page has to be, whatever it shows: free of injected elements and of what axe-core faults."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.hostile_values import MARK

GRAVE = ("serious", "critical")
ALL_RULES = {"resultTypes": ["violations"]}
# What another theme or width can change.
RULES_OF_LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
SOME_RULES = {**ALL_RULES, "runOnly": {"type": "rule", "values": RULES_OF_LOOKS}}
# The sixth row is as the first; axe-core takes as long for each.
LEFT_OUT = {"exclude": [["tbody tr:nth-child(n+6)"], ["tbody:nth-of-type(n+6)"], ["select option"]]}
# (rule, part of the element's HTML): faults of unfold's own templates, which ours can't mend.
EXCUSED = {
    ("aria-prohibited-attr", "help-tooltip"): "made by Django's SelectFilter2.js",
}

# Colours are looked at when they are there, not on the way. A constructed sheet: inline ones are forbidden.
_STILL = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important; }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""
_DARK = "dark => document.documentElement.classList.toggle('dark', dark)"
_INJECTED = f"[...document.querySelectorAll('[data-{MARK}]')].map(one => one.outerHTML.slice(0, 200))"
_RAN = f"window.{MARK} !== undefined"
_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def still(page: Page) -> None:
    page.evaluate(_STILL)


def in_theme(page: Page, theme: str) -> None:
    page.evaluate(_DARK, theme == "dark")


def injected(page: Page) -> list[str]:
    """Elements that came from a stored text, and whether a script did."""
    found: list[str] = page.evaluate(_INJECTED)
    return [*found, *(["a script ran"] if page.evaluate(_RAN) else [])]


def too_wide(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return max(0, int(page.evaluate(_TOO_WIDE)))


def grave_faults(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds that is serious or critical, one line an element, without what is excused."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("([context, options]) => axe.run(context, options)", [LEFT_OUT, options])
    violations: list[dict[str, Any]] = found["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]} ({_why(node)})"
        for violation in violations
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
        if not _is_excused(violation["id"], node["html"])
    ]


def _is_excused(rule: str, html: str) -> bool:
    return any(rule == known and part in html for known, part in EXCUSED)


def _why(node: dict[str, Any]) -> str:
    checks = [*node["any"], *node["all"], *node["none"]]
    return "; ".join(check["message"] for check in checks)[:200]
