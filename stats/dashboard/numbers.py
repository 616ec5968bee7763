"""Figures as people read them at a glance."""

from __future__ import annotations

UNKNOWN = "-"
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def count(value: float) -> str:
    """Exactly up to 99,999, from there on in three digits."""
    if value < 100_000:
        return f"{value:,.0f}"
    for size, unit in _UNITS:
        if value >= size * 0.9995:
            return f"{value / size:.3g} {unit}"
    return f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if value >= 9_950:
        return f"{value / 1000:,.1f} s"
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"


def seconds(value: float) -> str:
    if value < 120:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.0f} h"


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
        return f"{value + 1:.0f} times"
    return f"{value:+.0%}" if abs(value) >= 0.0995 else f"{value:+.1%}"
