"""Time series for Chart.js, which unfold serves: its data and options as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.dateformat import format as date_format
from django.utils.translation import get_language, gettext, pgettext, pgettext_lazy

from stats.dashboard import numbers
from stats.dashboard.heat import WEEKDAYS
from stats.reports.shapes import Bin, Bucket, StatusClasses, TimeSeries

# Distinct in light and in dark, and for those who see no red or green: also named in the legend.
CLASSES: tuple[tuple[str, str, Callable[[StatusClasses], int]], ...] = (
    ("2xx", "#22a06b", lambda of: of.success),
    ("3xx", "#579dff", lambda of: of.redirection),
    ("1xx", "#8590a2", lambda of: of.informational),
    ("4xx", "#e2b203", lambda of: of.client_error),
    ("5xx", "#e34935", lambda of: of.server_error),
)
UNKNOWN = "#8590a2"
LINES = ("#579dff", "#9f8fef", "#e34935")
GREY = "#8590a2"
STEPS = {
    "minute": pgettext_lazy("step of a chart", "minute"),
    "hour": pgettext_lazy("step of a chart", "hour"),
    "day": pgettext_lazy("step of a chart", "day"),
}


@dataclass(frozen=True)
class Chart:
    """One chart. `summary` says in words what it shows, for whoever does not see it."""

    title: str
    kind: str  # bar or line
    data: str
    options: str
    summary: str
    is_empty: bool = False  # nothing is known that it could show


def requests(series: TimeSeries) -> Chart:
    """Requests by class of status, stacked."""
    datasets = []
    for label, colour, of in CLASSES:
        values = [of(bucket.statuses) if bucket.statuses else 0 for bucket in series.buckets]
        if any(values):
            datasets.append(_bars(label, colour, values))
    # Imported ones, and all that the collector answers with.
    unknown = [bucket.imported if bucket.statuses else bucket.requests for bucket in series.buckets]
    if any(unknown):
        datasets.append(_bars(gettext("status not known"), UNKNOWN, unknown))
    return _chart(gettext("Requests"), "bar", series, datasets, _sum_and_peak(series), is_stacked=True)


def _sum_and_peak(series: TimeSeries) -> str:
    total = f"{sum(bucket.requests for bucket in series.buckets):,}"
    peak = max(series.buckets, key=lambda bucket: bucket.requests, default=None)
    if peak is None or not peak.requests:
        return gettext("%(total)s requests") % {"total": total}
    told = gettext("%(total)s requests, at most %(most)s in one %(step)s, %(when)s")
    return told % {
        "total": total,
        "most": f"{peak.requests:,}",
        "step": STEPS[series.step],
        "when": _label(peak, series.step),
    }


def response_times(series: TimeSeries) -> Chart:
    """Percentiles of the response times, in ms."""
    lines = {rank: [getattr(bucket, rank) for bucket in series.buckets] for rank in ("p50", "p95", "p99")}
    datasets = [
        _line(rank, colour, values)
        for (rank, values), colour in zip(lines.items(), LINES, strict=True)
        if any(values)
    ]
    known = [value for value in lines["p95"] if value is not None]
    summary = gettext("No response times")
    if known:
        least, most = f"{min(known):,.0f}", f"{max(known):,.0f}"
        summary = gettext("p95 from %(least)s to %(most)s ms") % {"least": least, "most": most}
    return _chart(gettext("Response times, ms"), "line", series, datasets, summary)


def clients(series: TimeSeries) -> Chart:
    """Distinct clients of each step."""
    values = [bucket.clients for bucket in series.buckets]
    datasets = [_line(gettext("clients"), LINES[0], values)] if any(values) else []
    summary = ""
    if values:
        most = f"{max((value or 0) for value in values):,}"
        told = gettext("At most %(most)s clients in one %(step)s")
        summary = told % {"most": most, "step": STEPS[series.step]}
    return _chart(gettext("Clients"), "line", series, datasets, summary)


def histogram(bins: Sequence[Bin]) -> Chart:
    """How long requests took, in percent of them."""
    labels = [_bounds(one) for one in bins]
    most = max(bins, key=lambda one: one.share, default=None)
    summary = gettext("No response times")
    if most is not None:
        summary = gettext("most took %(time)s") % {"time": labels[bins.index(most)]}
    shares = [round(100 * one.share, 2) for one in bins]
    bars = {"label": gettext("share of the requests, %"), "backgroundColor": LINES[0], "data": shares}
    title = gettext("How long requests took, %")
    return _drawn(title, "bar", labels, [bars], summary, is_stacked=False)


def _bounds(one: Bin) -> str:
    low, high = numbers.milliseconds(one.low), numbers.milliseconds(one.high)
    return gettext("%(low)s to %(high)s") % {"low": low, "high": high}


def _bars(label: str, colour: str, values: Sequence[int]) -> dict[str, Any]:
    return {"label": label, "backgroundColor": colour, "data": list(values), "stack": "requests"}


def _line(label: str, colour: str, values: Sequence[float | None]) -> dict[str, Any]:
    rounded = [None if value is None else round(value, 2) for value in values]
    return {
        "label": label,
        "borderColor": colour,
        "backgroundColor": colour,
        "data": rounded,
        "borderWidth": 2,
        "pointRadius": 1.5,
        "spanGaps": False,
    }


def _chart(
    title: str,
    kind: str,
    series: TimeSeries,
    datasets: list[dict[str, Any]],
    summary: str,
    *,
    is_stacked: bool = False,
) -> Chart:
    labels = [_label(bucket, series.step) for bucket in series.buckets]
    return _drawn(title, kind, labels, datasets, summary, is_stacked=is_stacked)


def _drawn(
    title: str,
    kind: str,
    labels: list[str],
    datasets: list[dict[str, Any]],
    summary: str,
    *,
    is_stacked: bool,
) -> Chart:
    ticks = {"color": GREY, "maxRotation": 0, "autoSkip": True, "autoSkipPadding": 16}
    options = {
        "locale": get_language(),  # of the numbers on its axes and in its tooltips
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {
            "legend": {
                "display": True,
                "align": "end",
                "labels": {"boxWidth": 8, "boxHeight": 8, "color": GREY, "usePointStyle": True},
            }
        },
        "scales": {
            "x": {"stacked": is_stacked, "ticks": ticks, "grid": {"display": False}},
            "y": {
                "stacked": is_stacked,
                "beginAtZero": True,
                "ticks": {"color": GREY, "precision": 0, "maxTicksLimit": 6},
                "grid": {},
                "border": {"display": False},
            },
        },
    }
    data = {"labels": labels, "datasets": datasets}
    return Chart(title, kind, json.dumps(data), json.dumps(options), summary, is_empty=not datasets)


def _label(bucket: Bucket, step: str) -> str:
    start = bucket.start
    if step == "minute":
        return f"{start:%H:%M}"
    if step == "hour":
        return f"{WEEKDAYS[start.weekday()]} {start:%H:%M}"
    # Translators: a day on the axis of a chart, as Django's date formats are written.
    return date_format(start, pgettext("date format", "d M"))
