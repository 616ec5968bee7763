"""What unfold's pages are given so that they need no inline style (for `UNFOLD`)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def colours(request: HttpRequest) -> str:
    """A sheet in place of the `<style>` that unfold writes into each page."""
    return static("gateway/colours.css")


def htmx(request: HttpRequest) -> str:
    """htmx, told to insert no style and to run no text."""
    return static("gateway/htmx.js")


def without_inline_style(request: HttpRequest) -> dict[str, Any]:
    """For every page's context."""
    return {"colors": None}
