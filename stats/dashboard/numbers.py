"""Figures as people read them at a glance."""

from __future__ import annotations

from functools import cache

from django.utils.translation import gettext, pgettext

UNKNOWN = "-"
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def count(value: float) -> str:
    """Exactly up to 99,999, from there on in three digits, or as many as stand before the point."""
    if value < 100_000:
        return f"{value:,.0f}"
    # Translators: by how much a unit of large counts multiplies, and its name; the largest first.
    units = _units(pgettext("units of counts", "1e9 G, 1e6 M, 1e3 k"))
    size, unit = next((size, unit) for size, unit in units if value >= size * 0.9995)
    figure = value / size
    return f"{figure:.3g} {unit}" if figure < 999.5 else f"{figure:,.0f} {unit}"


@cache
def _units(told: str) -> tuple[tuple[float, str], ...]:
    pairs = (pair.split() for pair in told.split(", "))
    return tuple((float(size), unit) for size, unit in pairs)


def milliseconds(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if value >= 9_950:
        return f"{value / 1000:,.1f} s"
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"


def seconds(value: float) -> str:
    if value < 120:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    if value < 7200:
        return gettext("%(count)s min") % {"count": f"{value / 60:.0f}"}
    return gettext("%(count)s h") % {"count": f"{value / 3600:.0f}"}


def share(value: float) -> str:
    """A rate from 0 to 1."""
    return f"{value:.2%}" if value < 0.0995 else f"{value:.1%}"


def size(value: float | None) -> str:
    """Bytes."""
    if value is None:
        return UNKNOWN
    for unit in _BYTES:
        if value < 999.5 or unit == _BYTES[-1]:
            return f"{value:.3g} {unit}" if unit != "B" else f"{value:.0f} B"
        value /= 1000
    raise AssertionError("the last unit takes all")


def change(now: float | None, before: float | None) -> float | None:
    """How much more than before, as a share of that; None if there is nothing to compare with."""
    if now is None or not before:
        return None
    return (now - before) / before


def signed(value: float) -> str:
    """A change; past tenfold as a factor."""
    if value >= 9.995:
        return gettext("%(factor)s times") % {"factor": f"{value + 1:.0f}"}
    return f"{value:+.0%}" if abs(value) >= 0.0995 else f"{value:+.1%}"
