"""Time series for Chart.js, which unfold serves: its data and options as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stats.dashboard import numbers
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
FORMATS = {"minute": "%H:%M", "hour": "%a %H:%M", "day": "%d %b"}


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
        datasets.append(_bars("status not known", UNKNOWN, unknown))
    total = sum(bucket.requests for bucket in series.buckets)
    peak = max(series.buckets, key=lambda bucket: bucket.requests, default=None)
    summary = f"{total:,} requests"
    if peak is not None and peak.requests:
        summary += f", at most {peak.requests:,} in one {series.step}, {_label(peak, series.step)}"
    return _chart("Requests", "bar", series, datasets, summary, is_stacked=True)


def response_times(series: TimeSeries) -> Chart:
    """Percentiles of the response times, in ms."""
    lines = {rank: [getattr(bucket, rank) for bucket in series.buckets] for rank in ("p50", "p95", "p99")}
    datasets = [
        _line(rank, colour, values)
        for (rank, values), colour in zip(lines.items(), LINES, strict=True)
        if any(values)
    ]
    known = [value for value in lines["p95"] if value is not None]
    summary = f"p95 from {min(known):,.0f} to {max(known):,.0f} ms" if known else "No response times"
    return _chart("Response times, ms", "line", series, datasets, summary)


def clients(series: TimeSeries) -> Chart:
    """Distinct clients of each step."""
    values = [bucket.clients for bucket in series.buckets]
    datasets = [_line("clients", LINES[0], values)] if any(values) else []
    summary = (
        f"At most {max((value or 0) for value in values):,} clients in one {series.step}" if values else ""
    )
    return _chart("Clients", "line", series, datasets, summary)


def histogram(bins: Sequence[Bin]) -> Chart:
    """How long requests took, in percent of them."""
    labels = [f"{numbers.milliseconds(one.low)} to {numbers.milliseconds(one.high)}" for one in bins]
    most = max(bins, key=lambda one: one.share, default=None)
    summary = "No response times" if most is None else f"most took {labels[bins.index(most)]}"
    shares = [round(100 * one.share, 2) for one in bins]
    bars = {"label": "% of the requests", "backgroundColor": LINES[0], "data": shares}
    return _drawn("How long requests took, % of them", "bar", labels, [bars], summary, is_stacked=False)


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
    return bucket.start.strftime(FORMATS[step])
